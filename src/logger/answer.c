/* SPDX-License-Identifier: ISC */
/*
 * What the logger tells: to the spawner that a pipe was drained, to the engine
 * that a stream is gone and that logs cannot be written, or can be again.
 * Neither is waited for; what has no room is kept and sent later.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "logger/logger.h"
#include "wire/spawn_request.h"

/* Faults that follow on each other soon are told ever more seldom. */
#define WELL_MS_MIN	1000
#define WELL_MS_MAX	600000

struct answer {
	int		 sock;
	struct {
		struct spawn_header	h;
		struct log_fault	fault;
	}		 r;
};

static struct answer *
add(struct logger *lg, int sock, uint16_t type, uint64_t key)
{
	struct answer *a;

	if (lg->nanswers == lg->answers_size) {
		lg->answers_size = lg->answers_size * 2 + 16;
		lg->answers = xrealloc(lg->answers,
		    lg->answers_size * sizeof(lg->answers[0]));
	}
	a = &lg->answers[lg->nanswers++];
	*a = (struct answer){ .sock = sock, .r.h = { .type = type,
	    .len = sizeof(struct spawn_header), .inc = key } };
	return a;
}

void
answer_drained(struct logger *lg, uint64_t key)
{
	(void)add(lg, SPAWN_FD_CHANNEL, SPAWN_DRAINED, key);
}

void
answer_forgotten(struct logger *lg, uint64_t key)
{
	(void)add(lg, SPAWN_FD_LINK, LOG_FORGOTTEN, key);
}

void
answer_synced(struct logger *lg)
{
	(void)add(lg, SPAWN_FD_LINK, LOG_SYNCED, 0);
}

static void
tell_fault(struct logger *lg, uint64_t key, int error)
{
	struct answer *a = add(lg, SPAWN_FD_LINK, LOG_FAULT, key);

	a->r.h.len += (uint32_t)sizeof(a->r.fault);
	a->r.fault.error = error;
	a->r.fault.bytes = lg->dropped_bytes - lg->lost_bytes;
	a->r.fault.lines = lg->dropped_lines - lg->lost_lines;
	lg->lost_bytes = lg->dropped_bytes;
	lg->lost_lines = lg->dropped_lines;
}

void
answer_fault(struct logger *lg, uint64_t key, int error)
{
	uint64_t now = loop_now_ms();

	if (lg->well_timer.pos != 0) {	/* it comes and goes: one fault */
		loop_timer_cancel(lg->loop, &lg->well_timer);
		return;
	}
	if (now - lg->well_ms > WELL_MS_MAX)
		lg->well_after_ms = WELL_MS_MIN;
	else if (lg->well_after_ms < WELL_MS_MAX)
		lg->well_after_ms *= 2;
	lg->well_ms = now;
	tell_fault(lg, key, error);
}

static void
well(void *arg)
{
	struct logger *lg = arg;

	lg->well_ms = loop_now_ms();
	tell_fault(lg, 0, 0);
}

void
answer_well(struct logger *lg)
{
	uint64_t at = lg->well_ms + lg->well_after_ms;

	lg->well_timer.fn = well;
	lg->well_timer.arg = lg;
	if (lg->finish || at <= loop_now_ms() ||
	    loop_timer_set(lg->loop, &lg->well_timer, at) < 0)
		well(lg);
}

/* False: its reader has to read first. */
static bool
sent(const struct answer *a)
{
	ssize_t n;

	do
		n = send(a->sock, &a->r, a->r.h.len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	/* Whoever has gone does not want to know. */
	return n != -1 || (errno != EAGAIN && errno != ENOBUFS &&
	    errno != ENOMEM);
}

/* In order, as far as both take them: neither may hold up the other's. */
void
answer_turn(struct logger *lg)
{
	bool channel = true, link = true;
	size_t i, kept = 0;

	for (i = 0; i < lg->nanswers; i++) {
		const struct answer *a = &lg->answers[i];
		bool *open = a->sock == SPAWN_FD_CHANNEL ? &channel : &link;

		if (*open && sent(a))
			continue;
		*open = false;
		lg->answers[kept++] = *a;
	}
	lg->nanswers = kept;
	if (!lg->full && kept == 0)
		return;
	lg->full = kept > 0;
	(void)loop_change(lg->loop, lg->channel, EPOLLIN |
	    (channel ? 0 : EPOLLOUT));
	if (lg->link != 0)
		(void)loop_change(lg->loop, lg->link, EPOLLIN |
		    (link ? 0 : EPOLLOUT));
}
