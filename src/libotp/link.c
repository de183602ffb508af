/* SPDX-License-Identifier: ISC */
/*
 * The link: the connected socket over which otpd knows this process.  An
 * engine that comes after another goes on with the same socket and greets
 * again; then everything that was declared is said once more.  Its end means
 * that otpd is gone: the server serves on.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "libotp/serve.h"

bool
otpi_has_link(const struct otp *o)
{
	return o->srv != NULL && o->srv->link.fd >= 0;
}

int
otpi_link_open(struct otp *o, int fd)
{
	struct otpi_server *s = o->srv;
	struct frame_hello hello = { .pid = getpid(),
	    .generation = s->generation };
	int rc;

	s->link.fd = fd;
	rc = otpi_conn_hello(o, &s->link, &hello,
	    s->name == NULL ? "" : s->name, s->path);
	if (rc == 0)
		otpi_watch(o, &s->link);
	if (rc == 0)		/* who we are, before anybody asks */
		otpi_link_event(o, EPOLLIN);
	return rc;
}

/* An engine that comes after another tells by it what that had heard. */
static uint16_t
next_tag(struct otpi_server *s)
{
	if (++s->said == 0)
		s->said = 1;		/* 0: not counted */
	return s->said;
}

int
otpi_link_put(struct otp *o, const struct otp_out *out)
{
	struct frame_header h = { .type = FRAME_CAST,
	    .length = (uint32_t)out->len };

	if (!otpi_has_link(o))
		return -ENOTCONN;
	h.tag = next_tag(o->srv);
	return otpi_conn_put(o, &o->srv->link, &h, out->text);
}

int
otpi_link_cast(struct otp *o, const char *format, ...)
{
	char text[256];
	struct otp_out out = { .text = text };
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -EMSGSIZE;
	out.len = (size_t)n;
	return otpi_link_put(o, &out);
}

void
otpi_link_say(struct otp *o, const char *op, const char *field,
    const char *value)
{
	struct otp_out out = { 0 };

	if (otp_print(&out, "{\"op\":\"%s\",\"%s\":", op, field) == 0 &&
	    otpi_json_string(&out, value) == 0 && otp_print(&out, "}") == 0)
		(void)otpi_link_put(o, &out);
	otpi_out_free(&out);
}

static int
link_call(struct otp *o, const char *json, uint64_t deadline, bool repeat,
    char **reply, size_t *reply_len)
{
	struct otpi_request *r;
	uint64_t ref;
	int rc;

	if (!otpi_has_link(o))
		return otpi_fail(o, -ENOTCONN, "noconnection");
	rc = otpi_request_new(o, &o->srv->link, FRAME_CALL, next_tag(o->srv),
	    json, strlen(json), deadline, true, &ref);
	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	otpi_request_find(o, ref)->repeat = repeat;
	rc = otpi_request_wait(o, ref, deadline);
	r = otpi_request_find(o, ref);
	if (rc < 0 || r == NULL) {
		if (r != NULL)
			otpi_request_free(o, r);
		return otpi_fail(o, rc, NULL);
	}
	return otpi_request_take(o, r, reply, reply_len);
}

int
otpi_link_call(struct otp *o, const char *json, uint64_t deadline,
    char **reply, size_t *reply_len)
{
	return link_call(o, json, deadline, false, reply, reply_len);
}

int
otpi_link_repeat(struct otp *o, const char *json, uint64_t deadline,
    char **reply, size_t *reply_len)
{
	int rc;

	do
		rc = link_call(o, json, deadline, true, reply, reply_len);
	while (rc == -ERESTART);
	return rc;
}

/* --- what was asked of an engine that died --- */

/* The requests in doubt that the answer (NULL: none) does not list. */
static void
end_doubts(struct otp *o, const char *answer, size_t len)
{
	const char *list = "[]", *at, *end, *item;
	size_t list_len = 2, item_len;
	struct otpi_request *r;
	char ref[32];
	bool known;

	if (answer != NULL)
		(void)otpi_json_find(answer, len, "waits", &list, &list_len);
	o->srv->doubts = 0;
	for (uint32_t i = 0; i < o->nrequests; i++) {
		r = &o->requests[i];
		if (r->progress != OTPI_WAITING || !r->doubt)
			continue;
		(void)snprintf(ref, sizeof(ref), "\"%llu\"",
		    (unsigned long long)r->ref);
		known = false;
		for (at = list, end = at + list_len; !known &&
		    otpi_json_item(&at, end, &item, &item_len) == 1; )
			known = item_len == strlen(ref) &&
			    memcmp(item, ref, item_len) == 0;
		r->doubt = false;
		if (!known)
			otpi_request_fail(o, r, -OTP_EUNKNOWN,
			    OTPI_NOBODY_KNOWS);
	}
}

/* Those that begin anew at once are no matter of doubt. */
static int
gather_doubts(struct otp *o, struct otp_out *out)
{
	struct otpi_request *r;
	bool any = false;
	int rc = otp_print(out, "{\"op\":\"waits\",\"refs\":[");

	for (uint32_t i = 0; i < o->nrequests; i++) {
		r = &o->requests[i];
		if (r->progress != OTPI_WAITING || r->conn != &o->srv->link)
			continue;
		if (r->ref == o->srv->doubts) {
			otpi_request_free(o, r);
		} else if (r->repeat) {
			otpi_request_fail(o, r, -ERESTART, OTPI_NOBODY_KNOWS);
		} else if (rc == 0) {
			rc = otp_print(out, "%s\"%llu\"", any ? "," : "",
			    (unsigned long long)r->ref);
			r->doubt = any = true;
		}
	}
	if (rc == 0)
		rc = otp_print(out, "]}");
	return rc < 0 ? rc : any;
}

/*
 * Another engine.  What the one that died had read may be lost with it; what
 * it had not, the next one has read by the time it is asked which it has.
 */
static void
ask_doubts(struct otp *o)
{
	struct otp_out out = { 0 };
	int rc = gather_doubts(o, &out);

	o->srv->doubts = 0;
	if (rc > 0)
		rc = otpi_request_new(o, &o->srv->link, FRAME_CALL,
		    next_tag(o->srv), out.text, out.len, 0, true,
		    &o->srv->doubts);
	if (rc < 0) {
		o->srv->doubts = 0;
		end_doubts(o, NULL, 0);
	}
	otpi_out_free(&out);
}

static void
take_reply(struct otp *o, const struct frame_header *h, const char *payload)
{
	uint64_t doubts = o->srv->doubts;
	struct otpi_request *r;

	otpi_request_reply(o, &o->srv->link, h, payload);
	if (doubts == 0 || h->ref != doubts)
		return;
	r = otpi_request_find(o, doubts);
	if (r == NULL || r->progress != OTPI_DONE)
		return;			/* more of it follows */
	end_doubts(o, r->error == 0 ? r->data : NULL, r->len);
	otpi_request_free(o, r);
}

/* otpd is gone: what waits for it fails, what it watched is lost to us. */
static void
link_lost(struct otp *o)
{
	struct otpi_server *s = o->srv;
	struct otpi_monitor *m = NULL;

	otpi_conn_clear(o, &s->link);
	s->doubts = 0;
	for (uint32_t i = 0; i < o->nrequests; i++)
		if (o->requests[i].progress == OTPI_WAITING &&
		    o->requests[i].conn == &s->link)
			otpi_request_fail(o, &o->requests[i], -ENOTCONN,
			    "noconnection");
	while ((m = otpi_monitor_next(s, m)) != NULL)
		if (m->dest == NULL && !m->caller)
			(void)otpi_mail_self(o, FRAME_DOWN, m->ref,
			    "{\"reason\":\"noconnection\"}", 25);
}

/* Another engine sends again what the one before it may not have sent. */
static bool
is_repeated(struct otpi_server *s, const struct frame_header *h)
{
	if (h->type != FRAME_EXIT || h->ref == 0)
		return false;
	if (h->ref <= s->last_exit)
		return true;
	s->last_exit = h->ref;
	return false;
}

static void
take_frame(struct otp *o, const struct frame_header *h, const char *payload)
{
	struct frame_hello hello;
	bool again = o->srv->link.greeted;

	if (h->type == FRAME_HELLO) {
		if (otpi_conn_take_hello(&o->srv->link, h, payload, &hello) < 0)
			o->srv->link.dead = -EPROTO;
		else if (!again)
			o->srv->generation = hello.generation;
		else if ((h->flags & FRAME_F_KNOWN) == 0)
			otpi_say_all(o);
		if (again)
			ask_doubts(o);
	} else if (!again) {
		o->srv->link.dead = -EPROTO;	/* HELLO comes first */
	} else if (h->type == FRAME_REPLY || h->type == FRAME_ERROR) {
		take_reply(o, h, payload);
	} else if (!is_repeated(o->srv, h)) {
		(void)otpi_mail(o, 0, false, h, payload);
	}
}

/* What has come over the link goes to the mailbox, replies to their calls. */
void
otpi_link_pump(struct otp *o, int error)
{
	struct otpi_conn *c = &o->srv->link;
	struct frame_header h;
	char *payload;
	int rc = 0;

	while (error >= 0 && c->dead == 0 && c->in.data != NULL &&
	    (rc = otpi_conn_next(o, c, &h, &payload)) > 0)
		take_frame(o, &h, payload);
	if (error < 0 || rc < 0 || c->dead != 0)
		link_lost(o);
	else
		otpi_conn_rest(o, c);
}

void
otpi_link_event(struct otp *o, uint32_t events)
{
	struct otpi_conn *c = &o->srv->link;
	int rc;

	if (c->fd < 0)
		return;
	if (events & EPOLLOUT)
		(void)otpi_conn_flush(o, c);
	rc = events & ~(uint32_t)EPOLLOUT ? otpi_conn_recv(o, c) : 0;
	if (rc != 0)
		otpi_link_pump(o, rc);
	otpi_watch(o, c);
}

/* An exit signal, as in OTP's table. */
static void
take_exit(struct otp *o, const struct frame_header *h, const char *data)
{
	char reason[OTP_REASON_MAX] = "", from[1024] = "", link[8];
	struct otp_info info = { .kind = OTP_EXIT, .data = "" };
	bool parent = (h->flags & 1) != 0;

	(void)otpi_json_get(data, h->length, "reason", reason, sizeof(reason));
	if (otpi_json_get(data, h->length, "from", from, sizeof(from)) < 0 ||
	    strcmp(from, "null") == 0)
		from[0] = '\0';
	if (parent) {
		otpi_end(o, reason, o->srv->trapping);
	} else if (o->srv->trapping) {
		if (otpi_json_get(data, h->length, "link", link,
		    sizeof(link)) < 0)		/* else it was sent without */
			otpi_link_ended(o, from);
		info.who = from;
		info.reason = reason;
		otpi_info(o, &info);
	} else if (strcmp(reason, "normal") != 0) {
		otpi_end(o, reason, false);
	}
}

void
otpi_link_frame(struct otp *o, const struct frame_header *h, const char *data)
{
	switch (h->type) {
	case FRAME_EXIT:
		take_exit(o, h, data);
		break;
	case FRAME_DOWN:
		otpi_down(o, h->ref, data, h->length);
		break;
	case FRAME_SYSTEM:
		otpi_system(o, 0, h, data);
		break;
	case FRAME_CALL:
	case FRAME_CAST:
	case FRAME_INFO:
		otpi_deliver(o, 0, h, data);
		break;
	default:
		break;
	}
}
