/* SPDX-License-Identifier: ISC */
/*
 * What the engine asks for.  A message is worked off in order, with a budget
 * of starts a turn so that deaths are not kept waiting; the next one is read
 * when it is done.  An engine that says what makes no sense is killed: a new
 * one starts from what is true.
 */
#include "spawner/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spawner/adopted.h"
#include "spawner/linger.h"
#include "spawner/programs.h"
#include "spawner/quit.h"
#include "spawner/reap.h"
#include "spawner/say.h"
#include "spawner/spawn.h"
#include "spawner/upgrade.h"
#include "spawner/watchdog.h"

#define STARTS_TURN	32

bool
requests_left(const struct spawner *sp)
{
	return sp->carried->in.at < sp->carried->in.len;
}

/* The body of a record, when it has all n bytes of it. */
static const void *
body(const struct spawn_header *h, size_t n)
{
	return h->len >= sizeof(*h) + n ? h + 1 : NULL;
}

/* To one that nobody knows it is answered: it shall not be waited for. */
static bool
on_signal(struct spawner *sp, const struct spawn_header *h)
{
	const struct spawn_signal *s = body(h, sizeof(*s));
	struct child *c = table_by_inc(&sp->table, h->inc);

	if (c == NULL)
		return tell_refusal(sp, h->inc, SPAWN_STEP_ORDER, ESRCH);
	if (s == NULL || c->state != SPAWN_ALIVE || s->sig <= 0 || s->sig > 64)
		return true;
	child_signal(c, s->sig, s->group != 0);
	if (s->sig == SIGTERM)
		child_signal(c, SIGCONT, s->group != 0);
	return true;
}

static void
on_ack(struct spawner *sp, const struct spawn_header *h)
{
	struct child *c = table_by_inc(&sp->table, h->inc);

	if (c != NULL && c->state != SPAWN_ALIVE)
		table_forget(&sp->table, c);
}

static void
on_hold(struct spawner *sp, const struct spawn_header *h)
{
	int rc;

	if (sp->carried->in.fd < 0)
		return;
	rc = held_put(&sp->held, h->inc, HELD_KEPT, sp->carried->in.fd);
	if (rc == 0)
		sp->carried->in.fd = -1;
	else
		SAY(sp->err, "cannot hold what the next engine will need: ",
		    strerror(-rc));
}

static void
on_heard(struct spawner *sp, const struct spawn_header *h)
{
	const struct spawn_asked *a = body(h, sizeof(*a));

	if (a != NULL)
		sp->carried->asked &= ~a->mask;
}

static void
on_ping(struct spawner *sp, const struct spawn_header *h)
{
	sp->untold.pong = true;
	sp->untold.pong_inc = h->inc;
}

static void
on_label(struct spawner *sp, const struct spawn_header *h)
{
	const struct spawn_label *l = body(h, sizeof(*l));
	struct child *c = table_by_inc(&sp->table, h->inc);

	if (l != NULL && c != NULL)
		table_label(c, l->label);
}

/* One that has ended may still be waited for, now under its new name. */
static void
rename_child(struct spawner *sp, struct child *c, uint64_t inc)
{
	table_rename(&sp->table, c, inc);
	if (c->state == SPAWN_EXITED)
		linger_begin(sp, c);
}

/* What cannot be adopted is told as a start that failed. */
static bool
on_adopt(struct spawner *sp, const struct spawn_header *h)
{
	const struct spawn_adopt *a = body(h, sizeof(*a));
	struct child *c;

	if (a == NULL || h->inc == 0 ||
	    table_by_inc(&sp->table, h->inc) != NULL)
		return true;
	c = table_by_inc(&sp->table, a->inc);
	if (c != NULL)
		rename_child(sp, c, h->inc);
	else if (table_add(&sp->table, h->inc, &c) == 0)
		table_failed(&sp->table, c, SPAWN_STEP_ORDER, ESRCH);
	else
		return tell_refusal(sp, h->inc, SPAWN_STEP_ORDER, ESRCH);
	return true;
}

static void
on_quit(struct spawner *sp, const struct spawn_header *h)
{
	const struct spawn_quit *q = body(h, sizeof(*q));

	quit_begin(sp, q != NULL ? q->code : 0);
}

/* False: not now, the channel has no room for the answer. */
static bool
handle(struct spawner *sp, const struct spawn_header *h)
{
	switch (h->type) {
	case SPAWN_HELLO:	tell_engine_all(sp); break;
	case SPAWN_START:	return spawn_order(sp, h);
	case SPAWN_SIGNAL:	return on_signal(sp, h);
	case SPAWN_ACK:		on_ack(sp, h); break;
	case SPAWN_HOLD:	on_hold(sp, h); break;
	case SPAWN_RELEASE:
		spawn_unstage_key(sp, h->inc);
		held_release(&sp->held, h->inc);
		break;
	case SPAWN_HEARD:	on_heard(sp, h); break;
	case SPAWN_PING:	on_ping(sp, h); break;
	case SPAWN_QUIT:	on_quit(sp, h); break;
	case SPAWN_UP:		sp->engine->up = true; break;
	case SPAWN_STARTED:	program_tree_started(sp, 0); break;
	case SPAWN_LABEL:	on_label(sp, h); break;
	case SPAWN_ADOPT:	return on_adopt(sp, h);
	case SPAWN_RESUME:	program_resume(sp->engine); break;
	case SPAWN_UPGRADE:	upgrade_order(sp, h); break;
	default:		break;	/* of a later version */
	}
	return true;
}

/* The descriptor that came with a message, and no other; -1. */
static int
passed_fd(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd;

	if (c == NULL || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void
drop_fd(struct inbox *in)
{
	int fd = in->fd;

	in->fd = -1;		/* ahead of its number being another's */
	if (fd >= 0)
		(void)close(fd);
}

/* The next message.  False when there is none; -EPIPE in *out_rc at the end,
 * which a message of no bytes looks like. */
static bool
receive(struct spawner *sp, int *out_rc)
{
	union {
		char		buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr	align;
	} control;
	struct inbox *in = &sp->carried->in;
	struct iovec iov = { in->data, sizeof(in->data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control.buf,
	    .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n;

	*out_rc = 0;
	drop_fd(in);
	n = recvmsg(sp->engine->channel, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && errno == ECONNRESET)
		/* Said once, ahead of what it left, when it died unread. */
		n = recvmsg(sp->engine->channel, &m,
		    MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n <= 0) {
		*out_rc = n == 0 ? -EPIPE : 0;
		return false;
	}
	watchdog_heard(sp);
	in->fd = passed_fd(&m);
	in->at = 0;
	in->len = (uint32_t)n;
	if ((m.msg_flags & MSG_TRUNC) == 0)
		return true;
	in->len = 0;
	drop_fd(in);
	*out_rc = -EBADMSG;
	return false;
}

static void
give_up_engine(struct spawner *sp, const char *why)
{
	if (why != NULL)
		SAY(sp->err, "the engine ", why);
	channel_close(sp->engine);
	if (sp->engine->pid > 0)
		(void)kill(sp->engine->pid, SIGKILL);
}

/* Works off what is in the inbox; false when the engine makes no sense. */
static bool
work_off(struct spawner *sp, bool starts)
{
	struct inbox *in = &sp->carried->in;
	const struct spawn_header *h;
	int budget = STARTS_TURN;

	while (in->at < in->len && !sp->untold.pong && budget > 0) {
		const char *at = (const char *)in->data + in->at;

		if (spawn_next(at, in->len - in->at, &h) < 0) {
			in->at = in->len;
			drop_fd(in);
			return false;
		}
		/* First: should it crash us, it is not done again. */
		in->at += (uint32_t)spawn_padded(h->len);
		if (h->type == SPAWN_START)
			budget--;
		sp->stuck = (starts || h->type != SPAWN_START) &&
		    !handle(sp, h);
		if (sp->stuck) {
			in->at -= (uint32_t)spawn_padded(h->len);
			return true;
		}
	}
	if (in->at >= in->len)
		drop_fd(in);
	return true;
}

void
requests_handle(struct spawner *sp, bool readable)
{
	int rc = 0;

	if (sp->engine->channel < 0 || sp->untold.pong)
		return;
	if (!requests_left(sp) && (!readable || !receive(sp, &rc))) {
		if (rc < 0)
			give_up_engine(sp, rc == -EPIPE ? NULL :
			    "sent a message that is too long");
		return;
	}
	if (!work_off(sp, true))
		give_up_engine(sp, "sent a message that makes no sense");
	/* Not while its message is worked off: the engine may be among them. */
	if (sp->untold.pong)
		reap_all(sp);
}

void
requests_drain(struct spawner *sp)
{
	int rc;

	if (sp->engine->channel < 0)
		return;
	sp->untold.pong = false;
	while (requests_left(sp) || receive(sp, &rc)) {
		(void)work_off(sp, false);
		sp->untold.pong = false;
		if (sp->stuck)		/* nobody is there to be told */
			sp->carried->in.at = sp->carried->in.len;
		sp->stuck = false;
	}
}

/* False when it makes no sense. */
static bool
logger_said(struct spawner *sp, const char *buf, size_t len)
{
	const struct spawn_header *h;
	size_t at;

	for (at = 0; at < len; at += spawn_padded(h->len)) {
		if (spawn_next(buf + at, len - at, &h) < 0)
			return false;
		if (h->type == SPAWN_DRAINED)
			held_drained(&sp->held, h->inc);
		else if (h->type == SPAWN_UP)
			sp->logger->up = true;
	}
	return true;
}

void
logger_readable(struct spawner *sp)
{
	uint64_t buf[512];
	ssize_t n;

	if (sp->logger->channel < 0)
		return;
	n = recv(sp->logger->channel, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0)
		return;		/* a reset is followed by the end */
	if (n > 0 && logger_said(sp, (const char *)buf, (size_t)n))
		return;
	channel_close(sp->logger);
	if (sp->logger->pid > 0)
		(void)kill(sp->logger->pid, SIGKILL);
}
