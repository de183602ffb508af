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

int
otpi_link_cast(struct otp *o, const char *format, ...)
{
	struct frame_header h = { .type = FRAME_CAST };
	char text[1024];
	va_list ap;
	int n;

	if (!otpi_has_link(o))
		return -ENOTCONN;
	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -EMSGSIZE;
	h.length = (uint32_t)n;
	return otpi_conn_put(o, &o->srv->link, &h, text);
}

void
otpi_link_say(struct otp *o, const char *op, const char *field,
    const char *value)
{
	struct otp_out out = { 0 };

	if (otp_print(&out, "{\"op\":\"%s\",\"%s\":", op, field) == 0 &&
	    otpi_json_string(&out, value) == 0 && otp_print(&out, "}") == 0)
		(void)otpi_link_cast(o, "%s", out.text);
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
	rc = otpi_request_new(o, &o->srv->link, FRAME_CALL, 0, json,
	    strlen(json), deadline, true, &ref);
	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	otpi_request_find(o, ref)->repeat = repeat;
	rc = otpi_request_wait(o, ref, deadline);
	r = otpi_request_find(o, ref);
	if (rc < 0 || r == NULL) {
		if (r != NULL)
			otpi_request_free(o, r);
		return otpi_fail(o, rc, rc == -ETIMEDOUT ? "timeout" : NULL);
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

/* An engine has died, and with it, it may be, the answers. */
static void
lost_answers(struct otp *o)
{
	for (uint32_t i = 0; i < o->nrequests; i++)
		if (o->requests[i].progress == OTPI_WAITING &&
		    o->requests[i].conn == &o->srv->link)
			otpi_request_fail(o, &o->requests[i],
			    o->requests[i].repeat ? -ERESTART : -OTP_EUNKNOWN,
			    OTPI_NOBODY_KNOWS);
}

/* otpd is gone: what waits for it fails, what it watched is lost to us. */
static void
link_lost(struct otp *o)
{
	struct otpi_server *s = o->srv;
	struct otpi_monitor *m;

	otpi_conn_clear(o, &s->link);
	for (uint32_t i = 0; i < o->nrequests; i++)
		if (o->requests[i].progress == OTPI_WAITING &&
		    o->requests[i].conn == &s->link)
			otpi_request_fail(o, &o->requests[i], -ENOTCONN,
			    "noconnection");
	for (m = s->monitors; m != NULL; m = m->next)
		if (m->dest == NULL && !m->caller)
			(void)otpi_mail_self(o, FRAME_DOWN, m->ref,
			    "{\"reason\":\"noconnection\"}", 25);
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
			lost_answers(o);
	} else if (h->type == FRAME_REPLY || h->type == FRAME_ERROR) {
		otpi_request_reply(o, &o->srv->link, h, payload);
	} else {
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
	char reason[OTP_REASON_MAX] = "", from[1024] = "";
	struct otp_info info = { .kind = OTP_EXIT, .data = "" };
	bool parent = (h->flags & 1) != 0;

	(void)otpi_json_get(data, h->length, "reason", reason, sizeof(reason));
	if (otpi_json_get(data, h->length, "from", from, sizeof(from)) < 0 ||
	    strcmp(from, "null") == 0)
		from[0] = '\0';
	if (parent) {
		otpi_end(o, reason, o->srv->trapping);
	} else if (o->srv->trapping) {
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
