/* SPDX-License-Identifier: ISC */
/*
 * The child table.  The records live in a memfd, so that they can outlive this
 * program's image; the hash heads are rebuilt from them.  Must never lose a
 * record that nobody has acknowledged.
 */
#include "spawner/table.h"

#include <errno.h>

#include "spawner/runtime.h"
#include "wire/spawn_request.h"

#define BACK_SLOTS	256	/* slots given memory at a time */
#define TABLE_SIZE	(sizeof(struct child) * TABLE_SLOTS)

_Static_assert(sizeof(struct child) <= 64, "a child costs little");

static int
back(struct table *t, uint32_t upto)
{
	int64_t size = (int64_t)sizeof(struct child);
	int rc;

	if (upto < t->backed)
		return 0;
	rc = runtime_back(t->memfd, t->backed * size, BACK_SLOTS * size);
	if (rc == 0)
		t->backed += BACK_SLOTS;
	return rc;
}

int
table_init(struct table *t)
{
	int fd, rc;

	fd = runtime_memfd("otpd-table");
	if (fd < 0)
		return fd;
	rc = runtime_map(fd, TABLE_SIZE, (void **)&t->slots);
	if (rc < 0)
		return rc;
	t->memfd = fd;
	t->high = 1;
	return back(t, 0);
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

static uint32_t
sum_of(const struct child *c)
{
	const uint64_t parts[] = { c->inc, c->start_ns, c->label,
	    (uint32_t)c->pid };
	uint64_t sum = 0x9e3779b97f4a7c15U;
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		sum = (sum ^ parts[i]) * 0xff51afd7ed558ccdU;
		sum ^= sum >> 32;
	}
	return (uint32_t)sum;
}

bool
table_intact(const struct child *c)
{
	return c->sum == sum_of(c);
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

/* Somebody's record: what it says can be. */
static bool
believable(struct table *t, const struct child *c)
{
	if (c->state > SPAWN_EXITED || c->step >= SPAWN_NSTEPS ||
	    c->pid < 0 || c->pid == 1 || table_by_inc(t, c->inc) != NULL)
		return false;
	if (c->state == SPAWN_ALIVE)
		return c->pid > 0 && table_by_pid(t, c->pid) == NULL;
	return c->state == 0 || table_intact(c);
}

static void
load_record(struct table *t, struct child *c)
{
	uint32_t *head = &t->by_inc[bucket_of_inc(c->inc)];

	c->inc_next = *head;
	*head = index_of(t, c);
	t->used++;
	if (c->state != SPAWN_ALIVE)
		return;
	head = &t->by_pid[bucket_of_pid(c->pid)];
	c->pid_next = *head;
	*head = index_of(t, c);
	t->alive++;
}

/*
 * The chains are made anew.  A record without a state is of a start that was
 * under way: its process is the caller's matter.
 */
static uint32_t
load_records(struct table *t)
{
	static const struct child none;
	uint32_t bad = 0, i;

	t->high = t->backed > 1 ? t->backed : 1;
	while (t->high > 1 && t->slots[t->high - 1].inc == 0)
		t->high--;
	for (i = 1; i < t->high; i++) {
		struct child *c = &t->slots[i];

		c->dirty = false;
		c->adopted = c->adopted != 0;
		if (c->inc != 0 && believable(t, c)) {
			load_record(t, c);
			continue;
		}
		bad += c->inc != 0;
		*c = none;
		c->inc_next = t->free;
		t->free = i;
	}
	return bad;
}

int
table_load(struct table *t, int memfd, uint32_t *out_bad)
{
	int64_t backed;
	int rc;

	backed = runtime_backed(memfd, TABLE_SIZE);
	if (backed < 0)
		return (int)backed;
	rc = runtime_map(memfd, TABLE_SIZE, (void **)&t->slots);
	if (rc < 0)
		return rc;
	t->memfd = memfd;
	t->backed = (uint32_t)(backed / (int64_t)sizeof(struct child));
	*out_bad = load_records(t);
	return back(t, 0);
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
	c->sum = sum_of(c);
	head = &t->by_inc[bucket_of_inc(inc)];
	c->inc_next = *head;
	*head = i;
	t->used++;
	*out = c;
	return 0;
}

void
table_alive(struct table *t, struct child *c, uint64_t now_ns)
{
	uint32_t *head = &t->by_pid[bucket_of_pid(c->pid)];

	c->start_ns = now_ns;
	c->sum = sum_of(c);
	c->state = SPAWN_ALIVE;
	c->pid_next = *head;
	*head = index_of(t, c);
	t->alive++;
	table_dirty(t, c);
}

void
table_failed(struct table *t, struct child *c, uint8_t step, int error)
{
	c->pid = 0;
	c->step = step;
	c->code = error;
	c->sum = sum_of(c);
	c->state = SPAWN_FAILED;
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
	c->code = status;
	c->end_ns = now_ns;
	c->state = SPAWN_EXITED;
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
	c->sum = sum_of(c);
	c->inc_next = *head;
	*head = index_of(t, c);
	table_dirty(t, c);
}

void
table_label(struct child *c, uint64_t label)
{
	c->label = label;
	c->sum = sum_of(c);
}

void
table_forget(struct table *t, struct child *c)
{
	uint32_t i = index_of(t, c);

	table_clean(t, c);
	unlink_inc(t, c);
	c->inc = 0;
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
