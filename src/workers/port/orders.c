/* SPDX-License-Identifier: ISC */
/*
 * What the program may say, a row each.  A line that is none of these is a
 * bug in it, which ends it: what was meant nobody can know.
 */
#include "workers/port/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_MAX	1024
#define CALL_MS		5000

static bool
is_true(struct span v)
{
	return v.len == 4 && memcmp(v.at, "true", 4) == 0;
}

static bool
text_of(struct span object, const char *key, char *out, size_t size)
{
	struct span v;

	return json_member(object, key, &v) && json_string(v, out, size);
}

/* Whole milliseconds. */
static bool
ms_of(struct span v, uint32_t *out)
{
	char text[16], *end;
	unsigned long n;

	if (v.len == 0 || v.len >= sizeof(text) || v.at[0] == '-')
		return false;
	memcpy(text, v.at, v.len);
	text[v.len] = '\0';
	errno = 0;
	n = strtoul(text, &end, 10);
	if (*end != '\0' || end == text || errno != 0 || n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool
from_of(struct span object, struct otp_from *out)
{
	char text[64], *end;

	if (!text_of(object, "ref", text, sizeof(text)))
		return false;
	out->peer = strtoull(text, &end, 10);
	if (*end != '.')
		return false;
	out->ref = strtoull(end + 1, &end, 10);
	return *end == '\0';
}

/* --- init --- */

static bool
order_ready(struct port *p, const struct order *o)
{
	p->ready = is_true(o->value);
	return p->ready;
}

static bool
order_ignore(struct port *p, const struct order *o)
{
	p->ignore = is_true(o->value) && !p->ready;
	return p->ignore;
}

/* --- replies and the end --- */

static bool
order_stop(struct port *p, const struct order *o)
{
	char reason[OTP_REASON_MAX + 4];
	struct span reply;

	if (!json_string(o->value, reason, sizeof(reason)) ||
	    reason[0] == '\0')
		return false;
	if (!p->stopping && json_member(o->object, "reply", &reply)) {
		if (!from_of(o->object, &p->from))
			return false;
		p->replies = true;
		text_add(&p->reply, reply.at, reply.len);
	}
	port_stop(p, reason);
	return true;
}

static bool
order_reply(struct port *p, const struct order *o)
{
	struct otp_from from;

	if (!from_of(o->object, &from))
		return false;
	(void)otp_reply(p->self, from, o->value.at, o->value.len);
	return true;
}

static bool
order_state(struct port *p, const struct order *o)
{
	p->state.len = 0;
	text_add(&p->state, o->value.at, o->value.len);
	return true;
}

/* --- to others --- */

static bool
order_call(struct port *p, const struct order *o)
{
	uint32_t ms = CALL_MS;
	char to[ADDRESS_MAX];
	struct span ref, timeout;
	uint64_t request, due;
	int rc;

	if (!text_of(o->object, "to", to, sizeof(to)) ||
	    !json_member(o->object, "ref", &ref))
		return false;
	due = port_now();
	if (json_member(o->object, "timeout", &timeout)) {
		if (timeout.len == 10 && memcmp(timeout.at, "\"infinity\"",
		    10) == 0)
			due = 0;
		else if (!ms_of(timeout, &ms))
			return false;
	}
	rc = otp_send_request(p->self, to, o->value.at, o->value.len,
	    &request);
	if (rc < 0)
		wait_failed(p, ref, otp_reason(p->self));
	else
		wait_add(p, WAIT_RESPONSE, request, due == 0 ? 0 : due + ms,
		    ref);
	return true;
}

/* As in OTP nobody is told whether a message arrived. */
static bool
order_cast(struct port *p, const struct order *o)
{
	char to[ADDRESS_MAX];

	if (!text_of(o->object, "to", to, sizeof(to)))
		return false;
	(void)otp_cast(p->self, to, o->value.at, o->value.len);
	return true;
}

static bool
order_send(struct port *p, const struct order *o)
{
	char to[ADDRESS_MAX];

	if (!text_of(o->object, "to", to, sizeof(to)))
		return false;
	(void)otp_send(p->self, to, o->value.at, o->value.len);
	return true;
}

static bool
order_send_after(struct port *p, const struct order *o)
{
	struct span message;
	uint32_t ms;

	if (!ms_of(o->value, &ms) ||
	    !json_member(o->object, "message", &message))
		return false;
	(void)otp_send_after(p->self, ms, message.at, message.len, NULL);
	return true;
}

static bool
order_monitor(struct port *p, const struct order *o)
{
	char target[ADDRESS_MAX];
	struct span ref;
	uint64_t monitor;
	int rc;

	if (!json_string(o->value, target, sizeof(target)) ||
	    !json_member(o->object, "ref", &ref))
		return false;
	rc = otp_monitor(p->self, target, &monitor);
	if (rc == 0)
		wait_add(p, WAIT_DOWN, monitor, 0, ref);
	else
		wait_failed(p, ref, otp_reason(p->self));
	return true;
}

static bool
order_demonitor(struct port *p, const struct order *o)
{
	struct wait *w = wait_take_given(p, WAIT_DOWN, o->value);

	if (w != NULL)
		(void)otp_demonitor(p->self, w->ref);
	free(w);
	return true;
}

static bool
order_link(struct port *p, const struct order *o)
{
	char target[ADDRESS_MAX];

	if (!json_string(o->value, target, sizeof(target)))
		return false;
	(void)otp_link(p->self, target);
	return true;
}

static bool
order_unlink(struct port *p, const struct order *o)
{
	char target[ADDRESS_MAX];

	if (!json_string(o->value, target, sizeof(target)))
		return false;
	(void)otp_unlink(p->self, target);
	return true;
}

static bool
order_trap_exit(struct port *p, const struct order *o)
{
	p->trapping = is_true(o->value);
	return true;
}

/* The first key that a line has says what it is. */
static const struct {
	const char	*key;
	order_fn	*fn;
	bool		 early;		/* also before it is ready */
} orders[] = {
	{ "ready", order_ready, true },
	{ "ignore", order_ignore, true },
	{ "stop", order_stop, true },
	{ "reply", order_reply, false },
	{ "call", order_call, false },
	{ "cast", order_cast, false },
	{ "send", order_send, false },
	{ "send_after", order_send_after, false },
	{ "monitor", order_monitor, false },
	{ "demonitor", order_demonitor, false },
	{ "link", order_link, false },
	{ "unlink", order_unlink, false },
	{ "trap_exit", order_trap_exit, true },
	{ "register", order_register, true },
	{ "unregister", order_unregister, true },
	{ "lookup", order_lookup, false },
	{ "subscribe", order_subscribe, true },
	{ "unsubscribe", order_unsubscribe, true },
	{ "publish", order_publish, false },
	{ "state", order_state, true },
};

static bool
carry_out(struct port *p, struct span line)
{
	struct order o = { .object = line };

	if (!json_valid(line))
		return false;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (json_member(line, orders[i].key, &o.value))
			return (p->ready || orders[i].early) &&
			    orders[i].fn(p, &o);
	return false;
}

void
order_take(struct port *p, struct span line)
{
	if (carry_out(p, line) || p->stopping)
		return;
	(void)fprintf(stderr, "otp-port: the program said what is no line of "
	    "otp-port(8): %.*s\n", line.len > 200 ? 200 : (int)line.len,
	    line.at);
	port_stop(p, "{bad_line,see_log}");
}
