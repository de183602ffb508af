/* SPDX-License-Identifier: ISC */
/*
 * The held descriptors.  What the logger is to be told is a state of the slot
 * and a place in a queue of slots: nothing grows when it does not listen.
 */
#include "spawner/held.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spawner/runtime.h"

#define BACK_SLOTS	256	/* slots given memory at a time */
#define AHEAD		128	/* of need: one that is passed comes once */

static uint32_t *
bucket(struct held_table *t, uint64_t key)
{
	uint64_t mixed = key ^ key >> 15 ^ key >> 32;

	return &t->by_key[mixed & (HELD_SLOTS - 1)];
}

struct held *
held_find(struct held_table *t, uint64_t key)
{
	uint32_t i;

	for (i = *bucket(t, key); i != 0; i = t->slots[i].next)
		if (t->slots[i].key == key && t->slots[i].kind != HELD_DROPPED)
			return &t->slots[i];
	return NULL;
}

static void
enqueue(struct held_table *t, struct held *e)
{
	uint32_t i = (uint32_t)(e - t->slots);

	if (e->queued)
		return;
	e->queued = true;
	e->queue_next = 0;
	if (t->queue_tail != 0)
		t->slots[t->queue_tail].queue_next = i;
	else
		t->queue_head = i;
	t->queue_tail = i;
}

static int
back(struct held_table *t, uint32_t upto)
{
	int64_t size = (int64_t)sizeof(struct held);
	int rc;

	if (upto < t->backed || t->backed >= HELD_SLOTS)
		return 0;
	rc = runtime_back(t->memfd, t->offset + t->backed * size,
	    BACK_SLOTS * size);
	if (rc == 0)
		t->backed += BACK_SLOTS;
	return rc;
}

int
held_init(struct held_table *t)
{
	return back(t, 0);
}

static struct held *
take_slot(struct held_table *t)
{
	static const struct held none;
	uint32_t i = t->free;
	int rc;

	if (i != 0) {
		t->free = t->slots[i].next;
	} else {
		rc = back(t, t->high + AHEAD);
		if (t->high >= HELD_SLOTS - 1 ||
		    (rc < 0 && t->high + 1 >= t->backed))
			return NULL;
		i = ++t->high;
	}
	t->slots[i] = none;
	return &t->slots[i];
}

static void
free_slot(struct held_table *t, struct held *e)
{
	uint32_t *p = bucket(t, e->key), i = (uint32_t)(e - t->slots);
	int fd = e->fd;

	while (*p != i && *p != 0)
		p = &t->slots[*p].next;
	*p = e->next;
	e->kind = HELD_FREE;	/* ahead of its number being another's */
	e->fd = -1;
	(void)close(fd);
	e->next = t->free;
	t->free = (uint32_t)(e - t->slots);
}

int
held_put(struct held_table *t, uint64_t key, enum held_kind kind,
    int fd)
{
	struct held *e = held_find(t, key);
	uint32_t *head;
	int old;

	if (e != NULL) {
		if (e->kind != kind)
			return -EEXIST;
		old = e->fd;
		e->fd = fd;
		(void)close(old);
		return 0;
	}
	e = take_slot(t);
	if (e == NULL)
		return -ENOSPC;
	e->key = key;
	e->fd = fd;
	e->kind = (uint8_t)kind;
	head = bucket(t, key);
	e->next = *head;
	*head = (uint32_t)(e - t->slots);
	if (kind == HELD_PIPE)
		enqueue(t, e);
	return 0;
}

/* Only a pipe that was dropped may have its key twice. */
static bool
believable(struct held_table *t, const struct held *e)
{
	return e->kind < HELD_NKINDS &&
	    (e->kind == HELD_DROPPED || held_find(t, e->key) == NULL);
}

uint32_t
held_load(struct held_table *t, bool (*claim)(void *arg, int fd), void *arg)
{
	uint32_t bad = 0, high = t->backed, i;
	uint32_t *head;

	while (high > 1 && t->slots[high - 1].kind == HELD_FREE)
		high--;
	t->high = high > 0 ? high - 1 : 0;
	for (i = 1; i < high; i++) {
		struct held *e = &t->slots[i];
		bool is_free = e->kind == HELD_FREE;

		e->queued = e->told = false;
		if (is_free || !believable(t, e) || !claim(arg, e->fd)) {
			bad += !is_free;
			e->kind = HELD_FREE;
			e->next = t->free;
			t->free = i;
		} else {
			head = bucket(t, e->key);
			e->next = *head;
			*head = i;
		}
	}
	return bad;
}

int
held_pipe(struct held_table *t, uint64_t key, int *out_fd)
{
	struct held *e = held_find(t, key);
	int fds[2], rc;

	if (e != NULL) {
		if (e->kind != HELD_PIPE)
			return -EEXIST;
		*out_fd = e->fd;
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	/* For a service of another user that opens /dev/stdout by its name;
	 * nobody comes by that but through the descriptor itself. */
	(void)fchmod(fds[1], 0622);
	(void)close(fds[1]);
	rc = held_put(t, key, HELD_PIPE, fds[0]);
	if (rc < 0) {
		(void)close(fds[0]);
		return rc;
	}
	*out_fd = fds[0];
	return 0;
}

void
held_release(struct held_table *t, uint64_t key)
{
	struct held *e = held_find(t, key);

	if (e == NULL)
		return;
	if (e->kind == HELD_PIPE) {
		e->kind = HELD_DROPPED;
		enqueue(t, e);
	} else {
		free_slot(t, e);
	}
}

void
held_drained(struct held_table *t, uint64_t key)
{
	uint32_t i;

	for (i = *bucket(t, key); i != 0; i = t->slots[i].next)
		if (t->slots[i].key == key && t->slots[i].kind == HELD_DROPPED)
			break;
	/* One that is queued is yet to be told: that was about another. */
	if (i != 0 && !t->slots[i].queued)
		free_slot(t, &t->slots[i]);
}

void
held_tell_all(struct held_table *t)
{
	uint32_t i;

	for (i = 1; i <= t->high; i++) {
		struct held *e = &t->slots[i];

		if (e->kind != HELD_PIPE && e->kind != HELD_DROPPED)
			continue;
		e->told = false;
		enqueue(t, e);
	}
}

uint32_t
held_unread(const struct held_table *t)
{
	struct pollfd p = { .events = POLLIN };
	uint32_t i, n = 0;

	for (i = 1; i <= t->high; i++) {
		const struct held *e = &t->slots[i];

		if (e->kind != HELD_PIPE && e->kind != HELD_DROPPED)
			continue;
		p.fd = e->fd;
		n += poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
	}
	return n;
}

struct held *
held_queued(struct held_table *t)
{
	return t->queue_head != 0 ? &t->slots[t->queue_head] : NULL;
}

void
held_dequeue(struct held_table *t)
{
	struct held *e = held_queued(t);

	if (e == NULL)
		return;
	t->queue_head = e->queue_next;
	if (t->queue_head == 0)
		t->queue_tail = 0;
	e->queued = false;
}
