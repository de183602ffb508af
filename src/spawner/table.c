/* SPDX-License-Identifier: ISC */
/*
 * The child table.  The records live in a memfd, so that they can outlive this
 * program's image; the hash heads are rebuilt from them.  Must never lose a
 * record that nobody has acknowledged.
 */
#include "spawner/table.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "spawner/runtime.h"
#include "wire/spawn_request.h"

#define BACK_SLOTS	256	/* slots given memory at a time */

_Static_assert(sizeof(struct child) <= 64, "a child costs little");

int
table_init(struct table *t)
{
	size_t size = sizeof(struct child) * TABLE_SLOTS;
	void *p;
	int fd;

	fd = runtime_memfd("otpd-table");
	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)size) < 0)
		goto fail;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
	    fd, 0);
	if (p == MAP_FAILED)
		goto fail;
	t->slots = p;
	t->memfd = fd;
	t->backed = 0;
	t->high = 1;
	return 0;
fail:
	fd = -errno;
	return fd;
}

static uint32_t
bucket_of_inc(uint64_t inc)
{
	return (uint32_t)(inc ^ inc >> 15 ^ inc >> 32) & (TABLE_SLOTS - 1);
}

static uint32_t
bucket_of_pid(int pid)
{
	return (uint32_t)pid & (TABLE_SLOTS - 1);
}

static uint32_t
index_of(const struct table *t, const struct child *c)
{
	return (uint32_t)(c - t->slots);
}

struct child *
table_by_pid(struct table *t, int pid)
{
	uint32_t i = t->by_pid[bucket_of_pid(pid)];

	for (; i != 0; i = t->slots[i].pid_next)
		if (t->slots[i].pid == pid)
			return &t->slots[i];
	return NULL;
}

struct child *
table_by_inc(struct table *t, uint64_t inc)
{
	uint32_t i = t->by_inc[bucket_of_inc(inc)];

	for (; i != 0; i = t->slots[i].inc_next)
		if (t->slots[i].inc == inc)
			return &t->slots[i];
	return NULL;
}

/*
 * Memory is asked for before it is touched: a full tmpfs then is an error to
 * report and not a SIGBUS.
 */
static int
back(struct table *t, uint32_t upto)
{
	off_t size = (off_t)sizeof(struct child);
	uint32_t n = BACK_SLOTS;

	if (upto < t->backed)
		return 0;
	if (fallocate(t->memfd, 0, t->backed * size, n * size) < 0 &&
	    errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	t->backed += n;
	return 0;
}

int
table_add(struct table *t, uint64_t inc, struct child **out)
{
	static const struct child none;
	struct child *c;
	uint32_t *head, i = t->free;
	int rc;

	if (i != 0) {
		t->free = t->slots[i].inc_next;
	} else {
		if (t->high >= TABLE_SLOTS)
			return -ENOSPC;
		rc = back(t, t->high);
		if (rc < 0)
			return rc;
		i = t->high++;
	}
	c = &t->slots[i];
	*c = none;
	c->inc = inc;
	head = &t->by_inc[bucket_of_inc(inc)];
	c->inc_next = *head;
	*head = i;
	t->used++;
	*out = c;
	return 0;
}

void
table_alive(struct table *t, struct child *c, int pid, uint64_t now_ns)
{
	uint32_t *head = &t->by_pid[bucket_of_pid(pid)];

	c->pid = pid;
	c->state = SPAWN_ALIVE;
	c->start_ns = now_ns;
	c->pid_next = *head;
	*head = index_of(t, c);
	t->alive++;
	table_dirty(t, c);
}

void
table_failed(struct table *t, struct child *c, uint8_t step, int error)
{
	c->state = SPAWN_FAILED;
	c->step = step;
	c->code = error;
	table_dirty(t, c);
}

void
table_ended(struct table *t, struct child *c, int status, uint64_t now_ns)
{
	uint32_t *p = &t->by_pid[bucket_of_pid(c->pid)];
	uint32_t i = index_of(t, c);

	while (*p != i && *p != 0)
		p = &t->slots[*p].pid_next;
	*p = c->pid_next;
	t->alive--;
	c->state = SPAWN_EXITED;
	c->code = status;
	c->end_ns = now_ns;
	table_dirty(t, c);
}

static void
unlink_inc(struct table *t, struct child *c)
{
	uint32_t *p = &t->by_inc[bucket_of_inc(c->inc)];
	uint32_t i = index_of(t, c);

	while (*p != i && *p != 0)
		p = &t->slots[*p].inc_next;
	*p = c->inc_next;
}

void
table_rename(struct table *t, struct child *c, uint64_t inc)
{
	uint32_t *head = &t->by_inc[bucket_of_inc(inc)];

	unlink_inc(t, c);
	c->inc = inc;
	c->inc_next = *head;
	*head = index_of(t, c);
	table_dirty(t, c);
}

void
table_forget(struct table *t, struct child *c)
{
	uint32_t i = index_of(t, c);

	table_clean(t, c);
	unlink_inc(t, c);
	c->state = 0;
	c->inc_next = t->free;
	t->free = i;
	t->used--;
}

void
table_dirty(struct table *t, struct child *c)
{
	uint32_t i = index_of(t, c);

	if (c->dirty)
		return;
	c->dirty = true;
	c->dirty_prev = t->dirty_tail;
	c->dirty_next = 0;
	if (t->dirty_tail != 0)
		t->slots[t->dirty_tail].dirty_next = i;
	else
		t->dirty_head = i;
	t->dirty_tail = i;
}

void
table_clean(struct table *t, struct child *c)
{
	if (!c->dirty)
		return;
	c->dirty = false;
	if (c->dirty_prev != 0)
		t->slots[c->dirty_prev].dirty_next = c->dirty_next;
	else
		t->dirty_head = c->dirty_next;
	if (c->dirty_next != 0)
		t->slots[c->dirty_next].dirty_prev = c->dirty_prev;
	else
		t->dirty_tail = c->dirty_prev;
}
