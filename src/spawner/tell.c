/* SPDX-License-Identifier: ISC */
/*
 * What the engine and the logger are told.  Everything untold is a flag or a
 * place in a queue of fixed slots and is cleared only when the message went,
 * so that a peer which does not read costs nothing.
 */
#include "spawner/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spawner/linger.h"
#include "spawner/programs.h"

#define BATCH	512		/* children told in one message */

struct child_record {
	struct spawn_header	h;
	struct spawn_child	c;
};

_Static_assert(sizeof(struct child_record) % 8 == 0, "no padding needed");
_Static_assert(sizeof(struct child_record) * BATCH <= SPAWN_MSG_MAX, "fits");

bool
channel_send(struct program *p, const void *buf, size_t len, int fd)
{
	union {
		char		buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr	align;
	} control;
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (p->channel < 0)
		return false;
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (sendmsg(p->channel, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	/* A peer that is gone is noticed by its death. */
	p->full = errno != EPIPE && errno != ECONNRESET;
	return false;
}

void
channel_watch(struct spawner *sp, struct program *p, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	if (p->channel < 0 || p->events == events)
		return;
	ev.data.ptr = p;
	if (epoll_ctl(sp->epoll, EPOLL_CTL_MOD, p->channel, &ev) == 0)
		p->events = events;
}

void
channel_close(struct program *p)
{
	int fd = p->channel;

	p->channel = -1;	/* ahead of its number being another's */
	p->full = false;
	if (fd >= 0)
		(void)close(fd);
}

/* A record without a body, or with one of n bytes. */
static bool
tell(struct program *p, uint16_t type, uint64_t inc, const void *body,
    size_t n, int fd)
{
	struct {
		struct spawn_header	h;
		uint64_t		body[12];
	} r = { .h = { .len = (uint32_t)(sizeof(r.h) + n), .type = type,
	    .inc = inc } };

	if (n > sizeof(r.body))
		return false;
	if (n > 0)
		memcpy(r.body, body, n);
	return channel_send(p, &r, sizeof(r.h) + spawn_padded(n), fd);
}

void
channel_finish(struct program *logger)
{
	(void)tell(logger, SPAWN_FINISH, 0, NULL, 0, -1);
	channel_close(logger);
}

static bool
tell_welcome(struct spawner *sp)
{
	const struct manifest *m = sp->carried;
	struct spawn_welcome w = { .version = SPAWN_VERSION,
	    .engines = sp->engine->started - 1, .asked = m->asked,
	    .crashed = sp->engine->crashed, .status = sp->engine->status,
	    .rung = program_rung(sp->engine), .hung = sp->watch.hung,
	    .crashes = m->crashes, .crash_signal = m->crash_signal,
	    .upgrades = m->upgrades, .killed = m->killed,
	    .survivors = m->survivors };

	memcpy(w.version_text, m->c.version, sizeof(w.version_text));
	memcpy(w.from, m->upgraded_from, sizeof(w.from));
	if (!tell(sp->engine, SPAWN_WELCOME, 0, &w, sizeof(w), -1))
		return false;
	sp->untold.welcome = false;
	sp->untold.asked = false;
	sp->watch.hung = false;
	return true;
}

static bool
tell_held(struct spawner *sp)
{
	uint32_t *at = &sp->untold.held;

	for (; *at != 0 && *at <= sp->held.high; ++*at) {
		struct held *e = &sp->held.slots[*at];

		if (e->kind == HELD_KEPT && !tell(sp->engine, SPAWN_HELD,
		    e->key, NULL, 0, e->fd))
			return false;
	}
	*at = 0;
	return true;
}

static void
describe(const struct child *c, struct child_record *out)
{
	memset(out, 0, sizeof(*out));
	out->h.len = sizeof(*out);
	out->h.type = SPAWN_CHILD;
	out->h.inc = c->inc;
	out->c.pid = c->pid;
	out->c.state = c->state;
	out->c.step = c->step;
	out->c.status = c->state == SPAWN_EXITED ? c->code : 0;
	out->c.error = c->state == SPAWN_FAILED ? c->code : 0;
	out->c.start_ns = c->start_ns;
	out->c.end_ns = c->end_ns;
	out->c.label = c->label;
}

static bool
tell_children(struct spawner *sp)
{
	static struct child_record records[BATCH];
	struct table *t = &sp->table;
	uint32_t i, n;

	while (t->dirty_head != 0) {
		i = t->dirty_head;
		for (n = 0; n < BATCH && i != 0; n++) {
			describe(&t->slots[i], &records[n]);
			i = t->slots[i].dirty_next;
		}
		if (!channel_send(sp->engine, records, n * sizeof(records[0]),
		    -1))
			return false;
		while (n-- > 0)
			table_clean(t, &t->slots[t->dirty_head]);
	}
	return true;
}

/* Each once, with how often it was since it was told last. */
static bool
tell_troubles(struct spawner *sp)
{
	uint32_t kind;

	for (kind = 0; kind < SPAWN_NTROUBLES; kind++) {
		struct spawn_trouble t = { .kind = kind,
		    .error = sp->watch.trouble[kind].error,
		    .count = sp->watch.trouble[kind].count };

		if (t.count == 0)
			continue;
		if (!tell(sp->engine, SPAWN_TROUBLE, 0, &t, sizeof(t), -1))
			return false;
		sp->watch.trouble[kind].count = 0;
	}
	return true;
}

static bool
tell_rest(struct spawner *sp)
{
	struct spawn_logger l = { sp->logger->started,
	    (uint32_t)sp->logger->pid };
	struct spawn_asked a = { sp->carried->asked, 0 };
	struct untold *u = &sp->untold;
	bool all_ends_told = sp->linger.n == 0;

	if (u->listed) {	/* before anything else */
		if (!all_ends_told ||
		    !tell(sp->engine, SPAWN_LISTED, 0, NULL, 0, -1))
			return false;
		u->listed = false;
	}
	if (u->logger && sp->logger->pid != 0 && !sp->logger->replaced) {
		if (!tell(sp->engine, SPAWN_LOGGER, 0, &l, sizeof(l), -1))
			return false;
		u->logger = false;
	}
	if (u->asked) {
		if (!tell(sp->engine, SPAWN_ASKED, 0, &a, sizeof(a), -1))
			return false;
		u->asked = false;
	}
	if (!tell_troubles(sp))
		return false;
	if (u->upgraded) {
		if (!tell(sp->engine, SPAWN_UPGRADED, u->upgraded_inc,
		    &sp->upgrade.told, sizeof(sp->upgrade.told), -1))
			return false;
		u->upgraded = false;
	}
	if (u->pong && all_ends_told) {
		if (!tell(sp->engine, SPAWN_PONG, u->pong_inc, NULL, 0, -1))
			return false;
		u->pong = false;
	}
	return true;
}

bool
tell_refusal(struct spawner *sp, uint64_t inc, enum spawn_step step, int error)
{
	struct child c = { .inc = inc, .state = SPAWN_FAILED,
	    .step = (uint8_t)step, .code = error };
	struct child_record r;

	describe(&c, &r);
	/* Before it has said HELLO nobody is told anything. */
	return !sp->untold.hello || channel_send(sp->engine, &r, sizeof(r),
	    -1) || !sp->engine->full;
}

void
tell_engine(struct spawner *sp)
{
	uint32_t events = 0;

	if (sp->engine->channel < 0)
		return;
	sp->engine->full = false;
	if (sp->untold.hello &&
	    (!sp->untold.welcome || tell_welcome(sp)) &&
	    (sp->untold.held == 0 || tell_held(sp)) && tell_children(sp))
		(void)tell_rest(sp);
	if (sp->engine->full || sp->stuck)
		events |= EPOLLOUT;
	if (!sp->untold.pong && !sp->stuck)
		events |= EPOLLIN;
	channel_watch(sp, sp->engine, events);
}

void
tell_engine_all(struct spawner *sp)
{
	struct table *t = &sp->table;
	uint32_t i;

	sp->untold = (struct untold){ .hello = true, .welcome = true,
	    .listed = true, .logger = true, .held = 1 };
	linger_clear(sp);
	for (i = 1; i < t->high; i++) {
		struct child *c = &t->slots[i];

		if (c->state == 0)
			continue;
		table_dirty(t, c);
		if (c->state == SPAWN_EXITED)
			linger_begin(sp, c);
	}
}

/* A pipe's read end, and that it was dropped, when it was. */
static bool
tell_pipe(struct program *logger, struct held *e)
{
	if (!e->told) {
		if (!tell(logger, SPAWN_HELD, e->key, NULL, 0, e->fd))
			return false;
		e->told = true;
	}
	return e->kind != HELD_DROPPED ||
	    tell(logger, SPAWN_DROPPED, e->key, NULL, 0, -1);
}

void
tell_logger(struct spawner *sp)
{
	struct program *logger = sp->logger;
	struct held *e;

	if (logger->channel < 0)
		return;
	logger->full = false;
	while ((e = held_queued(&sp->held)) != NULL && tell_pipe(logger, e))
		held_dequeue(&sp->held);
	if (e == NULL && sp->quit.finish &&
	    tell(logger, SPAWN_FINISH, 0, NULL, 0, -1))
		sp->quit.finish = false;
	channel_watch(sp, logger, EPOLLIN | (logger->full ? EPOLLOUT : 0));
}
