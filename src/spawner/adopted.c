/* SPDX-License-Identifier: ISC */
/*
 * Watching processes that somebody else reaps.  How one ended is known for as
 * long as it is a zombie, and on newer kernels for ever; who asks too late
 * must say so, and never take an end for a good one.
 */
#include "spawner/adopted.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "spawner/linger.h"
#include "spawner/process.h"

#define ENDS_AT_ONCE	32
#define PATIENCE	(100 * MS)	/* with who is to reap it */
#define LOOK_AGAIN	(100 * MS)	/* at those that cannot be watched */

bool
adopted_check(struct spawner *sp, const struct child *c)
{
	return c->adopted && c->code >= LOW_FDS &&
	    process_is(c->code, c->pid, &sp->patience_ms);
}

void
adopted_each_fd(const struct child *slots, uint32_t high, void (*fn)(int fd))
{
	uint32_t i;

	for (i = 1; i < high && i < TABLE_SLOTS; i++)
		if (slots[i].state == SPAWN_ALIVE && slots[i].adopted &&
		    slots[i].code >= 0)
			fn(slots[i].code);
}

static int
watch(struct spawner *sp, struct child *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	ev.data.ptr = c;
	return epoll_ctl(sp->adopted, op, c->code, &ev) < 0 ? -errno : 0;
}

static bool
lives(const struct child *c)
{
	return c->state == SPAWN_ALIVE && c->adopted;
}

static int
open_watch(struct spawner *sp)
{
	struct epoll_event ev = { .events = EPOLLIN,
	    .data = { .ptr = &sp->adopted } };
	int fd = epoll_create1(EPOLL_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	if (epoll_ctl(sp->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	sp->adopted = fd;
	return 0;
}

/* Those that are not yet; that one cannot be keeps no other from it. */
static int
watch_all(struct spawner *sp)
{
	uint32_t i;
	int one, rc = 0, worst = 0;

	if (sp->adopted < 0)
		rc = open_watch(sp);
	for (i = 1; rc >= 0 && i < sp->table.high; i++) {
		one = lives(&sp->table.slots[i]) ? watch(sp,
		    &sp->table.slots[i], EPOLL_CTL_ADD, EPOLLIN) : 0;
		if (one < 0 && one != -EEXIST)
			worst = one;
	}
	return rc < 0 ? rc : worst;
}

int
adopted_init(struct spawner *sp)
{
	uint32_t i;

	sp->adopted = -1;
	sp->nadopted = 0;
	sp->unwatched = 0;
	for (i = 1; i < sp->table.high; i++)
		sp->nadopted += lives(&sp->table.slots[i]);
	if (sp->nadopted == 0)
		return 0;
	sp->unwatched = watch_all(sp);
	if (sp->unwatched < 0)
		sp->unjudged_ns = now_ns() + LOOK_AGAIN;
	return sp->unwatched;
}

/* What is left of its group goes with it, as with children of our own. */
static void
ended(struct spawner *sp, struct child *c, int status)
{
	int fd = c->code;

	process_signal(fd, c->pid, SIGKILL, true);
	/* A keeper that is about to end may still have it, too. */
	(void)epoll_ctl(sp->adopted, EPOLL_CTL_DEL, fd, NULL);
	c->adopted = 0;
	sp->nadopted--;
	table_ended(&sp->table, c, status, now_ns());
	linger_begin(sp, c);
	(void)close(fd);
}

/* True when that is all there is to know. */
static bool
judge(struct spawner *sp, struct child *c)
{
	int status;

	if (process_status(c->code, c->pid, &status) < 0)
		return false;
	ended(sp, c, status);
	return true;
}

void
adopted_reap(struct spawner *sp)
{
	struct epoll_event ev[ENDS_AT_ONCE];
	int i, n;

	if (sp->nadopted == 0)
		return;
	n = epoll_wait(sp->adopted, ev, ENDS_AT_ONCE, 0);
	for (i = 0; i < n; i++) {
		struct child *c = ev[i].data.ptr;

		if (!lives(c) || judge(sp, c))
			continue;
		if ((ev[i].events & EPOLLHUP) != 0) {
			ended(sp, c, SPAWN_STATUS_UNKNOWN);
			continue;
		}
		/* Only that it is reaped can tell more now. */
		(void)watch(sp, c, EPOLL_CTL_MOD, 0);
		if (sp->unjudged_ns == 0)
			sp->unjudged_ns = now_ns() + PATIENCE;
	}
}

void
adopted_tick(struct spawner *sp, uint64_t now)
{
	uint32_t i;

	if (sp->unjudged_ns == 0 || now < sp->unjudged_ns)
		return;
	sp->unjudged_ns = 0;
	for (i = 1; i < sp->table.high; i++) {
		struct child *c = &sp->table.slots[i];

		if (!lives(c) || !process_ended(c->code, 0) || judge(sp, c))
			continue;
		ended(sp, c, SPAWN_STATUS_UNKNOWN);
	}
	if (sp->unwatched < 0)
		sp->unwatched = watch_all(sp);
	if (sp->unwatched < 0)
		sp->unjudged_ns = now + LOOK_AGAIN;
}

bool
adopted_any(const struct spawner *sp)
{
	return sp->nadopted > 0;
}

void
child_signal(const struct child *c, int sig, bool group)
{
	if (c->adopted)
		process_signal(c->code, c->pid, sig, group);
	else
		(void)kill(group ? -c->pid : c->pid, sig);
}
