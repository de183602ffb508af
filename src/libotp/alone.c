/* SPDX-License-Identifier: ISC */
/*
 * The call after a pause: small, to the server called last, with nothing else
 * under way, and answered with little.  No cache holds anything then, so that
 * what such a call touches is what it costs: it has no place in the table of
 * requests, and its reply comes by no buffer.  Whatever is otherwise goes on in
 * the general way, from where it stands.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"

#define LONG_MS		3600000		/* where there is no deadline */

static bool
is_alone(const struct otp *o, const char *to, size_t len)
{
	const struct otpi_dest *d = o->last;

	return len <= OTPI_SMALL && o->dirty == NULL &&
	    otpi_dest_at_hand(o, to) && d->conn.dead == 0 &&
	    d->conn.in.data == NULL && d->sink == NULL;
}

/* The reply to ref, all of it and nothing else? */
static bool
is_reply(const uint8_t *frame, size_t len, uint64_t ref, struct frame_header *h)
{
	if (len < FRAME_HEADER_LEN)
		return false;
	memcpy(h, frame, sizeof(*h));
	return h->type == FRAME_REPLY && h->ref == ref &&
	    (h->flags & FRAME_F_MORE) == 0 &&
	    len == FRAME_HEADER_LEN + (size_t)h->length;
}

static int
hand_over(struct otp *o, const uint8_t *payload, size_t len, char **reply,
    size_t *reply_len)
{
	if (reply != NULL) {
		*reply = malloc(len + 1);
		if (*reply == NULL)
			return otpi_fail(o, -ENOMEM, NULL);
		memcpy(*reply, payload, len);
		(*reply)[len] = '\0';
	}
	if (reply_len != NULL)
		*reply_len = len;
	return 0;
}

/* Something else has come, or nothing: the request takes its place, and what
 * was read is where the general way would have it. */
static __attribute__((noinline)) void
go_on(struct otp *o, struct otpi_conn *c, uint64_t ref, uint64_t at,
    const uint8_t *in, size_t len)
{
	otpi_request_add(o, c, ref, at, true);
	if (len == 0)
		return;
	if (otpi_buf_room(o, &c->in, len + 1) == 0) {
		memcpy(c->in.data, in, len);
		c->in.end = len;
	} else {
		c->dead = -ENOMEM;
	}
	otpi_pump(o, c, 1);
}

OTPI_HOT int
otpi_call_alone(struct otp *o, const char *to, const void *request, size_t len,
    uint64_t now, uint64_t deadline, char **reply, size_t *reply_len,
    uint64_t *out_ref)
{
	struct frame_header h = { .type = FRAME_CALL, .deadline = deadline,
	    .length = (uint32_t)len };
	uint64_t at, ms = LONG_MS;
	uint8_t frame[OTPI_SMALL_FRAME];	/* one after the other */
	struct otpi_conn *c;
	ssize_t n = 0;

	if (deadline != 0)
		ms = deadline > now ? (deadline - now) / OTPI_MSEC : 0;
	if (ms <= 2 * OTPI_TICK_MS || !is_alone(o, to, len) ||
	    otpi_request_ref(o, &h.ref) < 0)
		return -EAGAIN;
	c = &o->last->conn;
	at = c->sent;
	*out_ref = h.ref;
	if (otpi_conn_say(o, c, &h, request, frame) < 0)
		return -EAGAIN;
	if (o->dirty == NULL)
		n = otpi_conn_nap(c, (uint32_t)ms - OTPI_TICK_MS, frame,
		    sizeof(frame));
	o->received += n > 0 ? (size_t)n : 0;
	o->clock = otpi_now();
	otpi_pace_end(&o->call_pace, now, o->clock, o->received, false, false);
	if (n > 0 && is_reply(frame, (size_t)n, *out_ref, &h))
		return hand_over(o, frame + FRAME_HEADER_LEN, h.length, reply,
		    reply_len);
	go_on(o, c, *out_ref, at, frame, n > 0 ? (size_t)n : 0);
	return 1;
}
