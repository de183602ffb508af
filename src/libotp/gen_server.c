/* SPDX-License-Identifier: ISC */
/*
 * The gen_server: one message, one callback, and what the callback asked for,
 * in OTP's order.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <poll.h>

#include "libotp/serve.h"
#include "libotp/task.h"
#include "wire/reason.h"

#define LAST_FLUSH_NS	OTPI_NSEC	/* for replies, when it ends */

void
otpi_give_back(struct otp *o)
{
	otpi_buf_free_spares(o, 0);
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

static void
begin(struct otpi_server *s)
{
	s->idle_at = 0;
	s->asked = 0;
	s->in_callback = true;
}

/* The reason of a server whose callback returned rc. */
static void
reason_of(struct otpi_server *s, int rc)
{
	if ((s->asked & OTPI_ASK_STOP) == 0)
		otpi_reason_of_result(rc, s->reason, sizeof(s->reason));
}

/*
 * Carry out what a callback returned and asked for.  A reply goes out before
 * handle_continue runs, and that before anything that waits.
 */
void
otpi_settle(struct otp *o, int rc)
{
	struct otpi_server *s = o->srv;
	void *what;

	s->in_callback = false;
	while (rc == OTP_OK && (s->asked & OTPI_ASK_CONTINUE) &&
	    !(s->asked & OTPI_ASK_STOP) && s->ops->handle_continue != NULL) {
		(void)otpi_flush_all(o);
		what = s->what;
		begin(s);
		rc = s->ops->handle_continue(o, what, s->state);
		s->in_callback = false;
		if (otpi_copied(o)) {
			otpi_end_copy(o);
			return;
		}
	}
	if (rc != OTP_OK || (s->asked & OTPI_ASK_STOP)) {
		reason_of(s, rc);
		otpi_end(o, s->reason, true);
		return;
	}
	if (s->asked & OTPI_ASK_TIMEOUT)
		s->idle_at = otpi_now() + s->idle_ms * OTPI_MSEC;
	if (s->asked & OTPI_ASK_HIBERNATE)
		otpi_give_back(o);
}

OTPI_HOT static void
finish(struct otp *o, int rc)
{
	if (otpi_copied(o))
		otpi_end_copy(o);
	else if (rc == OTP_OK && o->srv->asked == 0)
		o->srv->in_callback = false;
	else
		otpi_settle(o, rc);
}

static void
deliver_call(struct otp *o, uint64_t peer, const struct frame_header *h,
    const char *data)
{
	struct otp_from from = { .peer = peer, .ref = h->ref };
	struct otpi_server *s = o->srv;

	if (h->deadline != 0 && h->deadline < otpi_now()) {
		s->stats.expired++;
		return;
	}
	s->stats.calls++;
	if (s->ops->handle_call == NULL) {
		otpi_end(o, "{undefined,handle_call}", true);
		return;
	}
	begin(s);
	finish(o, s->ops->handle_call(o, from, data, h->length, s->state));
}

void
otpi_info(struct otp *o, const struct otp_info *info)
{
	struct otpi_server *s = o->srv;

	s->stats.infos++;
	if (s->ops->handle_info == NULL) {
		s->idle_at = 0;
		return;
	}
	begin(s);
	finish(o, s->ops->handle_info(o, info, s->state));
}

static void
deliver_cast(struct otp *o, const struct frame_header *h, const char *data)
{
	struct otpi_server *s = o->srv;

	s->stats.casts++;
	if (s->ops->handle_cast == NULL) {
		otpi_end(o, "{undefined,handle_cast}", true);
		return;
	}
	begin(s);
	finish(o, s->ops->handle_cast(o, data, h->length, s->state));
}

static void
deliver_info(struct otp *o, const struct frame_header *h, const char *data)
{
	struct otp_info info = { .kind = OTP_MESSAGE, .data = data,
	    .len = h->length, .who = "", .reason = "" };

	otpi_info(o, &info);
}

/* A CALL, CAST or INFO; data has a NUL beyond its length. */
OTPI_HOT void
otpi_deliver(struct otp *o, uint64_t peer, const struct frame_header *h,
    const char *data)
{
	if (o->srv->tracer != 0)
		otpi_trace(o, "in", h->type == FRAME_CALL ? "call" :
		    h->type == FRAME_CAST ? "cast" : "info", data, h->length);
	if (h->type == FRAME_CAST)
		deliver_cast(o, h, data);
	else if (h->type == FRAME_CALL)
		deliver_call(o, peer, h, data);
	else
		deliver_info(o, h, data);
}

/* --- the end --- */

/* Everybody who is connected learns why, and fails with the true reason. */
static void
last_words(struct otp *o, const char *reason)
{
	struct frame_header h = { .type = FRAME_DOWN };
	struct otpi_server *s = o->srv;
	struct otp_out out = { 0 };
	struct otpi_conn *c;

	otpi_link_say(o, "reason", "reason", reason);
	if (otp_print(&out, "{\"reason\":") < 0 ||
	    otpi_json_string(&out, reason) < 0 || otp_print(&out, "}") < 0) {
		otpi_out_free(&out);
		return;
	}
	h.length = (uint32_t)out.len;
	for (uint32_t i = 0; i < s->nslots; i++) {
		c = s->slots[i].conn;
		if (c != NULL && c->dead == 0 && !c->mute)
			(void)otpi_conn_put(o, c, &h, out.text);
	}
	otpi_out_free(&out);
}

/* Replies that were given should arrive, if somebody reads them. */
static void
flush_last(struct otp *o)
{
	uint64_t end = otpi_now() + LAST_FLUSH_NS;
	struct pollfd pfd = { .events = POLLOUT };

	while (otpi_flush_all(o) == 1 && otpi_now() < end && o->dirty != NULL) {
		pfd.fd = o->dirty->fd;
		(void)poll(&pfd, 1, 10);
	}
}

void
otpi_end_copy(struct otp *o)
{
	struct otpi_conn *c;

	otpi_leave_owner(o);
	while ((c = o->dirty) != NULL) {
		otpi_undirty(o, c);
		otpi_buf_drop(o, &c->out);
	}
	o->said = o->srv->in_callback = false;
	o->srv->ended = true;
	o->srv->exit_code = 1;
}

void
otpi_end(struct otp *o, const char *reason, bool terminate)
{
	struct otpi_server *s = o->srv;
	char why[OTP_REASON_MAX];

	if (s->ended)
		return;
	if (!reason_valid(reason, strlen(reason)))
		reason = "{bad_return_value,stop}";
	(void)snprintf(why, sizeof(why), "%s", reason);
	s->ended = true;
	s->normal = strcmp(why, "normal") == 0;
	s->in_callback = true;
	if (terminate && s->ops->terminate != NULL)
		s->ops->terminate(o, why, s->state);
	if (s->asked & OTPI_ASK_REPLY)
		(void)otp_reply(o, s->stop_from, s->stop_reply, s->stop_len);
	free(s->stop_reply);
	s->stop_reply = NULL;
	last_words(o, why);
	flush_last(o);
	s->in_callback = false;
	s->exit_code = reason_code(why);
}

/* --- what callbacks may ask for --- */

int
otp_stop(struct otp *o, const char *reason)
{
	struct otpi_server *s = o->srv;

	if (s == NULL)
		return -EINVAL;
	(void)snprintf(s->reason, sizeof(s->reason), "%s", reason);
	if (!s->in_callback && s->ops != NULL) {
		s->asked &= OTPI_ASK_REPLY;
		otpi_end(o, s->reason, true);
	}
	s->asked |= OTPI_ASK_STOP;
	return OTP_STOP;
}

int
otp_stop_reply(struct otp *o, const char *reason, struct otp_from from,
    const void *reply, size_t len)
{
	struct otpi_server *s = o->srv;

	if (s == NULL || s->ended)
		return OTP_STOP;
	free(s->stop_reply);
	s->stop_reply = malloc(len + 1);
	if (s->stop_reply != NULL) {
		if (len > 0)
			memcpy(s->stop_reply, reply, len);
		s->stop_len = len;
		s->stop_from = from;
		s->asked |= OTPI_ASK_REPLY;
	}
	return otp_stop(o, reason);
}

int
otp_continue(struct otp *o, void *what)
{
	if (o->srv == NULL)
		return -EINVAL;
	o->srv->what = what;
	o->srv->asked |= OTPI_ASK_CONTINUE;
	return OTP_OK;
}

int
otp_timeout(struct otp *o, uint32_t ms)
{
	if (o->srv == NULL)
		return -EINVAL;
	o->srv->idle_ms = ms;
	o->srv->asked |= OTPI_ASK_TIMEOUT;
	return OTP_OK;
}

int
otp_hibernate(struct otp *o)
{
	if (o->srv == NULL)
		return -EINVAL;
	o->srv->asked |= OTPI_ASK_HIBERNATE;
	return OTP_OK;
}

OTPI_HOT int
otp_reply(struct otp *o, struct otp_from from, const void *reply, size_t len)
{
	struct otpi_server *s = o->srv;

	if (s == NULL)
		return -EINVAL;
	s->stats.replies++;
	if (s->tracer != 0)
		otpi_trace(o, "out", "reply", reply, len);
	return otpi_answer(o, from.peer, FRAME_REPLY, from.ref, reply, len);
}

int
otp_replyf(struct otp *o, struct otp_from from, const char *format, ...)
{
	char small[512], *text = small;
	va_list ap;
	int n, rc;

	va_start(ap, format);
	n = vsnprintf(small, sizeof(small), format, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	if ((size_t)n >= sizeof(small)) {
		text = malloc((size_t)n + 1);
		if (text == NULL) {
			if (o->srv != NULL)
				otpi_give_up(o, from.peer, -ENOMEM);
			return -ENOMEM;
		}
		va_start(ap, format);
		(void)vsnprintf(text, (size_t)n + 1, format, ap);
		va_end(ap);
	}
	rc = otp_reply(o, from, text, (size_t)n);
	if (text != small)
		free(text);
	return rc;
}
