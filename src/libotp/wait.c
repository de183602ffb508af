/* SPDX-License-Identifier: ISC */
/*
 * The caller's wait: look a few times, then sleep until there is something to
 * read or the time is up.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "libotp/impl.h"
#include "libotp/serve.h"


/* Until the deadline, ms; -1: there is none.  -ETIMEDOUT. */
static int
left_ms(uint64_t deadline, uint64_t now, int *out)
{
	uint64_t left = (deadline - now + OTPI_MSEC - 1) / OTPI_MSEC;

	*out = deadline == 0 ? -1 : left > INT_MAX ? INT_MAX : (int)left;
	return deadline != 0 && now >= deadline ? -ETIMEDOUT : 0;
}

/* Sleep until there is something to read, or room for what is queued. */
static int
block(struct otpi_conn *c, int ms)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLIN };

	if (otpi_conn_queued(c) > 0)
		pfd.events |= POLLOUT;
	if (poll(&pfd, 1, ms) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/*
 * Sleep, then read once.  recv() does both in one system call, but tells the
 * time in ticks: the last of it is left to poll().
 */
OTPI_HOT static int
sleep_and_read(struct otp *o, struct otpi_conn *c, uint64_t deadline,
    uint64_t now)
{
	int ms, rc = left_ms(deadline, now, &ms);

	if (rc < 0)
		return rc;
	if (ms > 2 * OTPI_TICK_MS) {
		rc = otpi_conn_sleep(o, c, (uint32_t)ms - OTPI_TICK_MS);
		if (rc != -EOPNOTSUPP)
			return rc;
	}
	rc = block(c, ms);
	return rc < 0 ? rc : otpi_conn_recv(o, c);
}

/* 1, 0 (go on and block), or why it ended. */
static int
look(struct otp *o, struct otpi_conn *c, uint64_t window, uint64_t *now)
{
	uint64_t end = *now + window;
	int rc;

	do {
		if (!otpi_pace_yield(&o->call_pace, now))
			return otpi_conn_recv(o, c);
		rc = otpi_conn_recv(o, c);
		if (rc != 0)
			return rc;
		if (otpi_conn_queued(c) > 0)
			(void)otpi_conn_flush(o, c);
	} while (*now < end);
	return 0;
}

OTPI_HOT int
otpi_await(struct otp *o, struct otpi_conn *c, uint64_t deadline)
{
	struct otpi_pace *pace = &o->call_pace;
	uint64_t began, now, window = 0;
	int rc;

	if (o->dirty != NULL)
		(void)otpi_flush_all(o);
	if (c->dead != 0)
		return c->dead;
	if (c->fd < 0)
		return -ENOTCONN;
	began = now = otpi_now();
	if ((o->flags & OTP_NO_POLL) == 0)
		window = otpi_pace_window(pace, now,
		    now - pace->last_end > OTPI_IDLE_NS);
	rc = window > 0 ? look(o, c, window, &now) : 0;
	if (rc != 0) {
		otpi_pace_end(pace, began, now, o->received, true, true);
		o->clock = now;
		return rc;
	}
	while ((rc = sleep_and_read(o, c, deadline, now)) == 0) {
		rc = otpi_conn_flush(o, c);
		if (rc < 0)
			break;
		now = otpi_now();
	}
	o->clock = otpi_now();
	otpi_pace_end(pace, began, o->clock, o->received, window > 0, false);
	return rc;
}

/* As otpi_await, but for room to write: 1 when something came, 0 when some of
 * what is queued may have gone. */
int
otpi_await_way(struct otp *o, struct otpi_conn *c, uint64_t deadline)
{
	int rc;

	if (c->fd < 0)
		return -ENOTCONN;
	rc = sleep_and_read(o, c, deadline, otpi_now());
	return rc != 0 ? rc : otpi_conn_flush(o, c) < 0 ? -ENOTCONN : 0;
}

OTPI_HOT void
otpi_pump(struct otp *o, struct otpi_conn *c, int error)
{
	if (c->kind == OTPI_LINK) {
		otpi_link_pump(o, error);
		return;
	}
	if (error >= 0) {
		otpi_dest_pump(o, (struct otpi_dest *)c);
		error = c->dead;
	}
	if (error < 0)
		otpi_dest_lost(o, (struct otpi_dest *)c, error);
}
