/* SPDX-License-Identifier: ISC */
/*
 * The one place where a program of otpd sleeps.  Sources live in a table whose
 * slots are named by (generation, index), so that a handle, or an event that
 * the kernel reported a moment ago, of a source which is gone finds nothing.
 * Timers live in a binary heap; those of the same millisecond run in the order
 * they were set.
 *
 * It must never wake a program that has nothing to do, and never touch a
 * source or a timer after the callback that might have removed it.
 */
#include "loop/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_TURN	64
#define POS_DUE		0x80000000U	/* a pos: in due, not in heap */
#define NO_SLOT		UINT32_MAX

struct source {
	loop_io_fn	*fn;		/* NULL: the slot is free */
	void		*arg;
	int		 fd;
	uint32_t	 events;	/* 0: not in the epoll set */
	uint32_t	 generation;
	uint32_t	 next_free;
};

struct entry {
	uint64_t		 at_ms;
	uint64_t		 seq;	/* earlier set, earlier run */
	struct loop_timer	*timer;
};

struct loop {
	int			 epfd;
	bool			 stopped;
	struct source		*sources;
	uint32_t		 nsources;
	uint32_t		 free_slot;
	struct entry		*heap;
	struct loop_timer	**due;	/* as large as the heap */
	uint32_t		 ntimers;
	uint32_t		 timers_cap;
	uint32_t		 ndue;
	uint64_t		 seq;
	loop_timer_fn		*after;
	void			*after_arg;
};

struct loop *
loop_new(void)
{
	struct loop *l;

	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->free_slot = NO_SLOT;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0) {
		free(l);
		return NULL;
	}
	return l;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	(void)close(l->epfd);
	free(l->sources);
	free(l->heap);
	free(l->due);
	free(l);
}

static uint64_t
handle_of(const struct source *src, uint32_t slot)
{
	return (uint64_t)src->generation << 32 | slot;
}

static struct source *
source_of(struct loop *l, uint64_t handle)
{
	uint32_t slot = (uint32_t)handle;
	struct source *src;

	if (slot >= l->nsources)
		return NULL;
	src = &l->sources[slot];
	if (src->fn == NULL || src->generation != (uint32_t)(handle >> 32))
		return NULL;
	return src;
}

static int
grow_sources(struct loop *l)
{
	uint32_t i, n = l->nsources == 0 ? 16 : l->nsources * 2;
	struct source *more;

	more = reallocarray(l->sources, n, sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	for (i = l->nsources; i < n; i++)
		more[i] = (struct source){ .generation = 1,
		    .next_free = i + 1 < n ? i + 1 : NO_SLOT };
	l->free_slot = l->nsources;
	l->sources = more;
	l->nsources = n;
	return 0;
}

/*
 * A source without events is taken out of the epoll set: the kernel would go
 * on reporting a hang-up to whoever does not want to hear anything now.
 */
static int
watch(struct loop *l, struct source *src, uint64_t handle, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = handle };
	int op;

	if (events == src->events)
		return 0;
	if (events == 0)
		op = EPOLL_CTL_DEL;
	else
		op = src->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	if (epoll_ctl(l->epfd, op, src->fd, &ev) < 0)
		return -errno;
	src->events = events;
	return 0;
}

int
loop_add(struct loop *l, int fd, uint32_t events, loop_io_fn *fn, void *arg,
    uint64_t *out_handle)
{
	struct source *src;
	uint64_t handle;
	uint32_t slot;
	int rc;

	if (l->free_slot == NO_SLOT) {
		rc = grow_sources(l);
		if (rc < 0)
			return rc;
	}
	slot = l->free_slot;
	src = &l->sources[slot];
	src->fd = fd;
	src->events = 0;
	handle = handle_of(src, slot);
	rc = watch(l, src, handle, events);
	if (rc < 0)
		return rc;
	l->free_slot = src->next_free;
	src->fn = fn;
	src->arg = arg;
	*out_handle = handle;
	return 0;
}

int
loop_change(struct loop *l, uint64_t handle, uint32_t events)
{
	struct source *src = source_of(l, handle);

	return src == NULL ? -ENOENT : watch(l, src, handle, events);
}

void
loop_remove(struct loop *l, uint64_t handle)
{
	struct source *src = source_of(l, handle);

	if (src == NULL)
		return;
	(void)watch(l, src, handle, 0);
	src->fn = NULL;
	src->events = 0;
	if (++src->generation == 0)	/* 0 stays free: no handle is 0 */
		src->generation = 1;
	src->next_free = l->free_slot;
	l->free_slot = (uint32_t)handle;
}

static bool
earlier(const struct entry *a, const struct entry *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

static void
put(struct loop *l, uint32_t i, struct entry e)
{
	l->heap[i] = e;
	e.timer->pos = i + 1;
}

static void
sift_up(struct loop *l, uint32_t i, struct entry e)
{
	while (i > 0 && earlier(&e, &l->heap[(i - 1) / 2])) {
		put(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(l, i, e);
}

static void
sift_down(struct loop *l, uint32_t i, struct entry e)
{
	uint32_t child;

	for (;; i = child) {
		child = 2 * i + 1;
		if (child >= l->ntimers)
			break;
		if (child + 1 < l->ntimers &&
		    earlier(&l->heap[child + 1], &l->heap[child]))
			child++;
		if (!earlier(&l->heap[child], &e))
			break;
		put(l, i, l->heap[child]);
	}
	put(l, i, e);
}

static void
heap_remove(struct loop *l, uint32_t i)
{
	struct entry last = l->heap[--l->ntimers];

	if (i == l->ntimers)
		return;
	if (i > 0 && earlier(&last, &l->heap[(i - 1) / 2]))
		sift_up(l, i, last);
	else
		sift_down(l, i, last);
}

static int
grow_timers(struct loop *l)
{
	uint32_t cap = l->timers_cap == 0 ? 16 : l->timers_cap * 2;
	struct loop_timer **due;
	struct entry *heap;

	if (cap >= POS_DUE)
		return -ENOMEM;
	heap = reallocarray(l->heap, cap, sizeof(*heap));
	if (heap == NULL)
		return -ENOMEM;
	l->heap = heap;
	due = reallocarray(l->due, cap, sizeof(struct loop_timer *));
	if (due == NULL)
		return -ENOMEM;
	l->due = due;
	l->timers_cap = cap;
	return 0;
}

int
loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t at_ms)
{
	int rc;

	if (l->ntimers == l->timers_cap) {
		rc = grow_timers(l);
		if (rc < 0)
			return rc;
	}
	loop_timer_cancel(l, t);
	t->at_ms = at_ms;
	l->ntimers++;
	sift_up(l, l->ntimers - 1,
	    (struct entry){ .at_ms = at_ms, .seq = l->seq++, .timer = t });
	return 0;
}

void
loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	if (t->pos == 0)
		return;
	if (t->pos & POS_DUE)
		l->due[(t->pos & ~POS_DUE) - 1] = NULL;
	else
		heap_remove(l, t->pos - 1);
	t->pos = 0;
}

uint64_t
loop_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

uint64_t
loop_now_ms(void)
{
	return loop_now_ns() / 1000000U;
}

static int
timeout_ms(const struct loop *l)
{
	uint64_t now, at;

	if (l->ntimers == 0)
		return -1;
	now = loop_now_ms();
	at = l->heap[0].at_ms;
	if (at <= now)
		return 0;
	return at - now > INT_MAX ? INT_MAX : (int)(at - now);
}

static void
dispatch(struct loop *l, const struct epoll_event *ev)
{
	const struct source *src = source_of(l, ev->data.u64);
	uint32_t events;

	if (src == NULL)
		return;
	events = ev->events & (src->events | EPOLLERR | EPOLLHUP);
	if (src->events != 0 && events != 0)
		src->fn(src->arg, events);
}

/*
 * What is due is taken out of the heap before anything runs: a timer that sets
 * itself to a time that has passed waits for the next turn, and nobody starves.
 */
static void
run_timers(struct loop *l)
{
	struct loop_timer *t;
	uint64_t now;
	uint32_t i;

	if (l->ntimers == 0)
		return;
	now = loop_now_ms();
	for (l->ndue = 0; l->ntimers > 0 && l->heap[0].at_ms <= now; ) {
		t = l->heap[0].timer;
		heap_remove(l, 0);
		l->due[l->ndue++] = t;
		t->pos = POS_DUE | l->ndue;
	}
	for (i = 0; i < l->ndue; i++) {
		t = l->due[i];
		if (t == NULL)
			continue;
		t->pos = 0;
		t->fn(t->arg);
	}
	l->ndue = 0;
}

int
loop_turn(struct loop *l)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int i, n;

	n = epoll_wait(l->epfd, events, EVENTS_PER_TURN, timeout_ms(l));
	if (n < 0 && errno != EINTR)
		return -errno;
	for (i = 0; i < n; i++)
		dispatch(l, &events[i]);
	run_timers(l);
	if (l->after != NULL)
		l->after(l->after_arg);
	return 0;
}

void
loop_after(struct loop *l, loop_timer_fn *fn, void *arg)
{
	l->after = fn;
	l->after_arg = arg;
}

int
loop_run(struct loop *l)
{
	int rc = 0;

	while (!l->stopped && rc == 0)
		rc = loop_turn(l);
	l->stopped = false;
	return rc;
}

void
loop_stop(struct loop *l)
{
	l->stopped = true;
}
