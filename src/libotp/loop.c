/* SPDX-License-Identifier: ISC */
/*
 * The server's loop: wait, handle everything that came, send what was said.
 * Level-triggered, one read an event, so that nobody starves; with one caller
 * that keeps talking its socket is read without asking epoll first.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "libotp/serve.h"
#include "libotp/task.h"

#define EVENTS		64
#define HOT_CREDIT	16		/* reads between two looks at epoll */
#define HOT_STREAK	64		/* reads without a wait: it goes on so */
#define RETRY_NS	(10 * OTPI_MSEC)	/* a full backlog */
#define TRIM_NS		OTPI_NSEC	/* for how long full spares are kept */

/* The events wanted of a connection; only a server has an epoll. */
OTPI_HOT void
otpi_watch(struct otp *o, struct otpi_conn *c)
{
	struct epoll_event ev = { .data.ptr = c };
	uint32_t want = EPOLLIN;
	int op;

	if (o->srv == NULL || o->srv->epfd < 0 || c->fd < 0)
		return;
	if (c->paused)
		want = 0;
	if (otpi_conn_queued(c) > 0 && !c->mute)
		want |= EPOLLOUT;
	if (want == 0)
		want = EPOLLET;		/* nothing; but known to be there */
	if (want == c->events || (c->apart && want == EPOLLIN))
		return;
	c->apart = false;
	op = c->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	ev.events = want;
	if (epoll_ctl(o->srv->epfd, op, c->fd, &ev) == 0)
		c->events = want;
}

OTPI_HOT static int
flush(struct otp *o, struct otpi_conn *c)
{
	int rc;

	otpi_undirty(o, c);
	if (c->kind == OTPI_DEST) {
		rc = otpi_dest_flush(o, (struct otpi_dest *)c);
	} else if (c->kind == OTPI_CALLER) {
		rc = otpi_caller_flush(o, c);
	} else {
		rc = otpi_conn_flush(o, c);
		if (rc < 0)
			otpi_pump(o, c, rc);
	}
	if (rc != 1)
		return 0;
	otpi_dirty(o, c);
	otpi_watch(o, c);
	return 1;
}

/* The engine first; then in the order of what was said. */
OTPI_HOT int
otpi_flush_said(struct otp *o)
{
	struct otpi_conn *c;
	uint32_t n = 0;
	int left = 0;

	if (o->srv != NULL && o->srv->link.dirty)
		left = flush(o, &o->srv->link);
	for (c = o->dirty; c != *o->said_end; c = c->next_dirty)
		n++;
	while (n-- > 0 && (c = o->dirty) != *o->said_end)
		left |= flush(o, c);
	o->said = false;
	return left;
}

OTPI_HOT int
otpi_flush_all(struct otp *o)
{
	struct otpi_conn *c;
	uint32_t n = 0;
	int left = otpi_flush_said(o);

	for (c = *o->said_end; c != NULL; c = c->next_dirty)
		n++;
	while (n-- > 0 && (c = *o->said_end) != NULL)
		left |= flush(o, c);
	return left;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* When something is due without anybody's saying so, ns; 0: never. */
OTPI_HOT static uint64_t
next_due(const struct otp *o)
{
	struct otpi_server *s = o->srv;
	uint64_t due = earlier(o->trim_at, s->accept_at);

	if (!s->suspended)
		due = earlier(due, earlier(otpi_timers_next(s), s->idle_at));
	for (int i = 0; i < 2; i++)
		if (s->watch[i][0] != NULL)
			due = earlier(due, s->watch[i][0]->due);
	for (struct otpi_conn *c = o->dirty; c != NULL; c = c->next_dirty)
		if (c->fd < 0)
			due = earlier(due, otpi_now() + RETRY_NS);
	return due;
}

static int
wait_ms(uint64_t due, uint64_t now)
{
	uint64_t ms;

	if (due == 0)
		return -1;
	if (due <= now)
		return 0;
	ms = (due - now + OTPI_MSEC - 1) / OTPI_MSEC;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/*
 * Whoever sends to a socket that epoll knows tells epoll, which is then asked
 * in vain.  A caller that has been read without it for long is taken out of it
 * until there is nothing else to do than to wait.
 */
static void
stand_apart(struct otp *o, struct otpi_conn *c)
{
	if (c->events != EPOLLIN || o->srv->foreign ||
	    epoll_ctl(o->srv->epfd, EPOLL_CTL_DEL, c->fd, NULL) < 0)
		return;
	c->events = 0;
	c->apart = true;
}

/* False: it could not be, and there is its end to be handled. */
OTPI_HOT static bool
rejoin(struct otp *o)
{
	struct otpi_conn *c = o->srv->hot;

	o->srv->hot_streak = 0;
	if (c == NULL || !c->apart)
		return true;
	c->apart = false;
	otpi_watch(o, c);
	if (c->events != 0)
		return true;
	otpi_caller_kill(o, c, -ENOMEM);
	return false;
}

static bool
try_hot(struct otp *o)
{
	struct otpi_server *s = o->srv;
	struct otpi_conn *c = s->hot;
	int rc;

	if (c == NULL || c->dead != 0 || c->paused || s->hot_credit == 0)
		return false;
	rc = otpi_conn_recv(o, c);
	if (rc == 0)
		return false;
	s->hot_credit--;
	if (++s->hot_streak == HOT_STREAK)
		stand_apart(o, c);
	otpi_caller_received(o, c, rc);
	return true;
}

/* -1: the hot caller has been served; else as epoll_wait. */
static int
look(struct otp *o, struct epoll_event *ev, uint64_t end, uint64_t *now)
{
	struct otpi_server *s = o->srv;
	int n;

	for (;;) {
		if (try_hot(o))
			return -1;
		/* Others matter less often while it is only he who calls. */
		if (s->hot == NULL || !s->hot->apart || s->hot_credit == 0 ||
		    s->pace.tries == 0) {
			n = epoll_wait(s->epfd, ev, EVENTS, 0);
			if (n > 0)
				return n;
			s->hot_credit = s->hot != NULL ? HOT_CREDIT : 0;
		}
		if (*now >= end || !otpi_pace_yield(&s->pace, now))
			return 0;
	}
}

static int
wait_events(struct otp *o, struct epoll_event *ev, bool may_wait)
{
	struct otpi_server *s = o->srv;
	uint64_t now, began, due = next_due(o), window = 0;
	int n;

	began = now = o->clock = otpi_now();
	if (!may_wait || otpi_mail_waits(o)) {
		(void)rejoin(o);
		return epoll_wait(s->epfd, ev, EVENTS, 0);
	}
	if ((o->flags & OTP_NO_POLL) == 0 && s->ncallers > 0)
		window = otpi_pace_window(&s->pace, now,
		    s->pace.last_wait > OTPI_IDLE_NS);
	if (due != 0 && due < now + window)
		window = due > now ? due - now : 0;
	if (window > 0) {
		n = look(o, ev, now + window, &now);
		if (n != 0) {
			otpi_pace_end(&s->pace, began, now, o->received, true,
			    true);
			o->clock = now;
			return n;
		}
	}
	n = epoll_wait(s->epfd, ev, EVENTS,
	    rejoin(o) ? wait_ms(due, now) : 0);
	o->clock = otpi_now();
	otpi_pace_end(&s->pace, began, o->clock, o->received, window > 0,
	    false);
	return n;
}

static void
handle_event(struct otp *o, const struct epoll_event *ev)
{
	enum otpi_kind *kind = ev->data.ptr;
	struct otpi_conn *c = ev->data.ptr;
	uint64_t n;
	int fd, rc;

	switch (*kind) {
	case OTPI_CALLER:
		otpi_caller_event(o, c, ev->events);
		break;
	case OTPI_DEST:
		fd = c->fd;
		if (fd < 0)
			break;
		rc = ev->events & ~(uint32_t)EPOLLOUT ? otpi_conn_recv(o, c) : 0;
		if (rc != 0)
			otpi_pump(o, c, rc);
		else if (otpi_conn_queued(c) > 0)
			otpi_dirty(o, c);	/* there is room again */
		else
			otpi_watch(o, c);
		if (rc > 0 && (ev->events & EPOLLHUP) && c->fd == fd)
			otpi_pump(o, c, -ENOTCONN);	/* the rest, too */
		break;
	case OTPI_LINK:
		otpi_link_event(o, ev->events);
		break;
	case OTPI_LISTEN:
		otpi_accept(o);
		break;
	case OTPI_TASK:
		otpi_task_event(o, ev->data.ptr);
		break;
	case OTPI_TIMERFD:
		(void)!read(o->srv->timer_fd, &n, sizeof(n));
		break;
	}
}

/* One that stands apart is in no round, but may have hung up, too. */
static void
hear_hot(struct otp *o)
{
	struct otpi_conn *c = o->srv->hot;
	struct pollfd p = { .fd = c == NULL ? -1 : c->fd };
	int rc = 1;

	if (c == NULL || !c->apart || poll(&p, 1, 0) <= 0)
		return;
	for (int i = 0; i < HOT_CREDIT && rc > 0 && c->dead == 0 &&
	    !c->paused && !o->srv->ended; i++) {
		rc = otpi_conn_recv(o, c);
		otpi_caller_received(o, c, rc);
	}
}

/*
 * Who has hung up comes before the engine: what it says of the end of others
 * comes behind all that these had said.  The rest comes behind the engine: they
 * may ask for what they know that it has said.
 */
enum order { HUNG_UP, ENGINE, OTHERS, NORDERS };

static enum order
order_of(const struct epoll_event *ev)
{
	if (*(const enum otpi_kind *)ev->data.ptr == OTPI_LINK)
		return ENGINE;
	return ev->events & EPOLLHUP ? HUNG_UP : OTHERS;
}

static void
handle_events(struct otp *o, const struct epoll_event *ev, int n)
{
	enum order orders[EVENTS];	/* who is handled may be freed */

	for (int i = 0; i < n; i++)
		orders[i] = order_of(&ev[i]);
	for (enum order now = 0; now < NORDERS; now++)
		for (int i = 0; i < n && !o->srv->ended; i++) {
			if (orders[i] != now)
				continue;
			if (now == ENGINE)
				hear_hot(o);
			if (!o->srv->ended)
				handle_event(o, &ev[i]);
		}
}

/* A caller that is alone in its round is worth reading without asking. */
static void
choose_hot(struct otp *o, const struct epoll_event *ev, int n)
{
	struct otpi_server *s = o->srv;
	enum otpi_kind *kind;

	if (n < 0)
		return;
	(void)rejoin(o);
	s->hot = NULL;
	if (n != 1)
		return;
	kind = ev->data.ptr;
	if (*kind == OTPI_CALLER &&
	    ((struct otpi_conn *)ev->data.ptr)->dead == 0) {
		s->hot = ev->data.ptr;
		s->hot_credit = HOT_CREDIT;
	}
}

static void
pause_accept(struct otp *o, uint64_t now)
{
	struct otpi_server *s = o->srv;
	struct epoll_event ev = { .data.ptr = &s->listen_kind };

	if (s->listen_fd < 0 || s->accept_at == 0)
		return;
	if (now >= s->accept_at) {
		s->accept_at = 0;
		ev.events = EPOLLIN;
	}
	(void)epoll_ctl(s->epfd, EPOLL_CTL_MOD, s->listen_fd, &ev);
}

static void
run_due(struct otp *o, bool quiet)
{
	struct otpi_server *s = o->srv;
	struct otp_info info = { .kind = OTP_TIMEOUT, .data = "", .who = "",
	    .reason = "" };
	uint64_t now = otpi_now();

	otpi_timers_run(o, now);
	if (quiet && !s->ended && !s->suspended && s->idle_at != 0 &&
	    s->idle_at <= now && s->mail == NULL)
		otpi_info(o, &info);
	otpi_expire(o, now);
	if (o->trim_at != 0 && o->trim_at <= now && quiet)
		otpi_give_back(o);
	else if (o->trim_at != 0 && o->trim_at <= now)
		otpi_buf_free_spares(o, OTPI_READ + 1);
	pause_accept(o, now);
}

OTPI_HOT int
otpi_turn(struct otp *o, bool may_wait)
{
	struct epoll_event ev[EVENTS];
	struct otpi_server *s = o->srv;
	uint64_t due;
	int n;

	if (otpi_copied(o) && !s->ended)
		otpi_end_copy(o);
	if (s->ended)
		return 1;
	if (o->dirty != NULL)
		(void)otpi_flush_all(o);
	n = wait_events(o, ev, may_wait);
	if (n < 0 && s->hot == NULL)
		n = 0;
	handle_events(o, ev, n);
	if (n > 0)
		choose_hot(o, ev, n);
	if (s->mail != NULL)
		otpi_mail_drain(o);
	due = next_due(o);
	if (due != 0 && (n == 0 || due <= o->clock) && !s->ended)
		run_due(o, n == 0);
	if (o->fat && o->trim_at == 0)
		o->trim_at = o->clock + TRIM_NS;
	if (o->dirty != NULL)
		(void)otpi_flush_all(o);
	if (s->dead != NULL)
		otpi_reap(o);
	if (o->gone != NULL)
		otpi_dest_reap(o);
	if (o->task_gone)
		otpi_task_reap(o);
	return s->ended;
}

/* --- for loops that are not ours --- */

/* Something nobody has tried to send yet. */
static bool
unsent(const struct otp *o)
{
	for (struct otpi_conn *c = o->dirty; c != NULL; c = c->next_dirty)
		if (c->fd >= 0 && (c->events & EPOLLOUT) == 0)
			return true;
	return false;
}

OTPI_HOT void
otpi_arm_timerfd(struct otp *o)
{
	struct itimerspec its = { 0 };
	struct otpi_server *s = o->srv;
	uint64_t due;

	if (!s->foreign || s->timer_fd < 0)
		return;
	due = otpi_mail_waits(o) || unsent(o) || s->ended ? 1 : next_due(o);
	its.it_value.tv_sec = (time_t)(due / OTPI_NSEC);
	its.it_value.tv_nsec = (long)(due % OTPI_NSEC);
	(void)timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
}

int
otp_fd(struct otp *o)
{
	struct otpi_server *s = o->srv;
	struct epoll_event ev = { .events = EPOLLIN };

	if (s == NULL)
		return -EINVAL;
	if (!s->foreign) {
		s->timer_kind = OTPI_TIMERFD;
		s->timer_fd = timerfd_create(CLOCK_MONOTONIC,
		    TFD_NONBLOCK | TFD_CLOEXEC);
		if (s->timer_fd < 0)
			return -errno;
		ev.data.ptr = &s->timer_kind;
		if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, s->timer_fd, &ev) < 0)
			return -errno;
		s->foreign = true;
		(void)rejoin(o);
		otpi_arm_timerfd(o);
	}
	return s->epfd;
}

int
otp_dispatch(struct otp *o)
{
	int rc;

	if (o->srv == NULL)
		return -EINVAL;
	if (o->srv->in_callback)
		return -EBUSY;
	rc = otpi_turn(o, false);
	otpi_arm_timerfd(o);
	return rc;
}

int
otp_exit_code(const struct otp *o)
{
	return o->srv == NULL ? 0 : o->srv->exit_code;
}
