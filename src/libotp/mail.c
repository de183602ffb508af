/* SPDX-License-Identifier: ISC */
/*
 * The mailbox: messages that cannot be handled where they arrive, because the
 * server is suspended, or in the middle of a callback, or sent them to itself.
 * All others are handled in the buffer they came in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/serve.h"
#include "libotp/task.h"

int
otpi_mail(struct otp *o, uint64_t peer, bool self,
    const struct frame_header *h, const void *data)
{
	struct otpi_server *s = o->srv;
	struct otpi_mail *m;

	m = malloc(sizeof(*m) + (size_t)h->length + 1);
	if (m == NULL)
		return -ENOMEM;
	m->next = NULL;
	m->peer = peer;
	m->self = self;
	m->h = *h;
	if (h->length > 0)
		memcpy(m->data, data, h->length);
	m->data[h->length] = '\0';
	if (s->mail == NULL)
		s->mail_end = &s->mail;
	*s->mail_end = m;
	s->mail_end = &m->next;
	return 0;
}

int
otpi_mail_self(struct otp *o, uint8_t type, uint64_t ref, const void *data,
    size_t len)
{
	struct frame_header h = { .type = type, .ref = ref,
	    .length = (uint32_t)len };

	if (len > o->max_payload)
		return -EMSGSIZE;
	return otpi_mail(o, 0, true, &h, data);
}

OTPI_HOT void
otpi_responded(struct otp *o, struct otpi_request *r)
{
	if (o->srv != NULL && !r->sync)
		(void)otpi_mail_self(o, r->task != 0 ? FRAME_EXIT :
		    FRAME_REPLY, r->task != 0 ? r->task : r->ref, "", 0);
}

/* While suspended only what the supervisor and sys say gets through. */
static bool
deliverable(const struct otpi_server *s, const struct otpi_mail *m)
{
	return !s->suspended || (!m->self && (m->h.type == FRAME_SYSTEM ||
	    (m->h.type == FRAME_EXIT && (m->h.flags & 1) != 0)));
}

static struct otpi_mail **
first(struct otpi_server *s)
{
	struct otpi_mail **at = &s->mail;

	while (*at != NULL && !deliverable(s, *at))
		at = &(*at)->next;
	return *at == NULL ? NULL : at;
}

OTPI_HOT bool
otpi_mail_waits(const struct otp *o)
{
	struct otpi_server *s = o->srv;

	return s->mail != NULL && first(s) != NULL;
}

static void
response(struct otp *o, uint64_t ref)
{
	struct otpi_request *r = otpi_request_find(o, ref), copy;
	struct otp_info info = { .kind = OTP_RESPONSE, .ref = ref, .who = "",
	    .reason = "", .data = "" };

	if (r == NULL || r->progress != OTPI_DONE)
		return;			/* it was received meanwhile */
	copy = *r;
	r->data = NULL;
	otpi_request_free(o, r);
	info.error = copy.error;
	if (copy.error < 0) {
		info.reason = copy.data != NULL ? copy.data : "";
	} else if (copy.data != NULL) {
		info.data = copy.data;
		info.len = copy.len;
	}
	otpi_info(o, &info);
	free(copy.data);
}

static void
handle(struct otp *o, struct otpi_mail *m)
{
	struct otpi_conn *c = otpi_caller(o->srv, m->peer);

	if (c != NULL && m->peer != 0 && c->held > 0)
		c->held -= FRAME_HEADER_LEN + (size_t)m->h.length;
	if (m->peer == 0 && !m->self)
		otpi_link_frame(o, &m->h, m->data);
	else if (m->self && m->h.type == FRAME_REPLY)
		response(o, m->h.ref);
	else if (m->self && m->h.type == FRAME_EXIT)
		otpi_task_mail(o, m->h.ref);
	else if (m->self && m->h.type == FRAME_DOWN)
		otpi_down(o, m->h.ref, m->data, m->h.length);
	else if (m->h.type == FRAME_SYSTEM)
		otpi_system(o, m->peer, &m->h, m->data);
	else
		otpi_deliver(o, m->peer, &m->h, m->data);
}

/* What is there now; what these cause comes in the next turn. */
void
otpi_mail_drain(struct otp *o)
{
	struct otpi_server *s = o->srv;
	struct otpi_mail **at, *m;
	size_t n = 0;

	for (m = s->mail; m != NULL; m = m->next)
		n++;
	while (n-- > 0 && !s->ended && (at = first(s)) != NULL) {
		m = *at;
		*at = m->next;
		if (*at == NULL)
			s->mail_end = at;
		handle(o, m);
		free(m);
	}
	if (s->mail == NULL && !s->suspended && !s->ended)
		otpi_unpause(o);
}

void
otpi_mail_free(struct otpi_server *s)
{
	struct otpi_mail *m;

	while ((m = s->mail) != NULL) {
		s->mail = m->next;
		free(m);
	}
}
