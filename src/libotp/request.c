/* SPDX-License-Identifier: ISC */
/*
 * Calls that wait for their replies, many at once.  A reply finds its request
 * by its ref: a slot and a number never used twice, so that one which comes
 * late, twice, or was never asked for finds nothing and is dropped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"
#include "libotp/serve.h"

#define SLOT_BITS	16
#define SLOTS_MAX	(1U << SLOT_BITS)
#define NO_SLOT		UINT32_MAX
#define REPLY_MAX	(256U * 1024 * 1024)	/* put together of its parts */

OTPI_HOT uint64_t
otpi_deadline_from(const struct otp *o, int timeout_ms, uint64_t now)
{
	if (timeout_ms == OTP_DEFAULT_TIMEOUT)
		timeout_ms = o->timeout_ms;
	if (timeout_ms < 0)
		return 0;
	return now + (uint64_t)(unsigned int)timeout_ms * OTPI_MSEC;
}

uint64_t
otpi_deadline(const struct otp *o, int timeout_ms)
{
	return otpi_deadline_from(o, timeout_ms, otpi_now());
}

static const char *
reason_of(int error, const char *reason)
{
	if (reason == NULL)
		reason = otpi_word(error);
	return reason != NULL ? reason : otp_strerror(error);
}

int
otpi_fail(struct otp *o, int error, const char *reason)
{
	(void)snprintf(o->reason, sizeof(o->reason), "%s",
	    reason_of(error, reason));
	return error;
}

static int
more_slots(struct otp *o)
{
	uint32_t n = o->nrequests == 0 ? 8 : o->nrequests * 2;
	struct otpi_request *more;

	if (o->nrequests >= SLOTS_MAX)
		return -ENOBUFS;
	more = realloc(o->requests, n * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	for (uint32_t i = o->nrequests; i < n; i++)
		more[i] = (struct otpi_request){
		    .next_free = i + 1 < n ? i + 1 : NO_SLOT };
	o->free_request = o->nrequests;
	o->requests = more;
	o->nrequests = n;
	return 0;
}

OTPI_HOT struct otpi_request *
otpi_request_find(struct otp *o, uint64_t ref)
{
	uint64_t slot = ref & (SLOTS_MAX - 1);
	struct otpi_request *r;

	if (slot >= o->nrequests)
		return NULL;
	r = &o->requests[slot];
	return r->progress != OTPI_FREE && r->ref == ref ? r : NULL;
}

static void
settle(struct otpi_request *r)
{
	if (r->progress == OTPI_WAITING && r->conn->kind == OTPI_DEST)
		((struct otpi_dest *)r->conn)->nrequests--;
	r->progress = OTPI_DONE;
	free(r->again);
	r->again = NULL;
}

void
otpi_request_free(struct otp *o, struct otpi_request *r)
{
	settle(r);
	free(r->data);
	*r = (struct otpi_request){ .next_free = o->free_request };
	o->free_request = (uint32_t)(r - o->requests);
}

/* Whoever waits for a request that nobody has greeted, asks once more himself;
 * of the others a copy is kept. */
static int
keep(struct otpi_conn *c, const void *payload, size_t len, bool sync,
    char **out)
{
	*out = NULL;
	if (sync || c->greeted || c->kind != OTPI_DEST)
		return 0;
	*out = malloc(len + 1);
	if (*out == NULL)
		return -ENOMEM;
	if (len > 0)
		memcpy(*out, payload, len);
	return 0;
}

OTPI_HOT int
otpi_request_ref(struct otp *o, uint64_t *out)
{
	int rc;

	if (o->nrequests == 0 || o->free_request == NO_SLOT) {
		rc = more_slots(o);
		if (rc < 0)
			return rc;
	}
	*out = ++o->next_ref << SLOT_BITS | o->free_request;
	return 0;
}

OTPI_HOT struct otpi_request *
otpi_request_add(struct otp *o, struct otpi_conn *c, uint64_t ref, uint64_t at,
    bool sync)
{
	struct otpi_request *r = &o->requests[o->free_request];

	o->free_request = r->next_free;
	*r = (struct otpi_request){ .progress = OTPI_WAITING, .sync = sync,
	    .ref = ref, .conn = c, .at = at };
	if (c->kind == OTPI_DEST)
		((struct otpi_dest *)c)->nrequests++;
	return r;
}

OTPI_HOT int
otpi_request_new(struct otp *o, struct otpi_conn *c, uint8_t type,
    uint16_t tag, const void *payload, size_t len, uint64_t deadline,
    bool sync, uint64_t *out_ref)
{
	struct frame_header h = { .type = type, .tag = tag,
	    .deadline = deadline };
	struct otpi_request *r;
	uint64_t at = c->sent + otpi_conn_queued(c);
	char *again;
	int rc;

	if (len > UINT32_MAX)
		return -EMSGSIZE;
	rc = otpi_request_ref(o, &h.ref);
	if (rc < 0)
		return rc;
	h.length = (uint32_t)len;
	rc = keep(c, payload, len, sync, &again);
	if (rc == 0)
		rc = otpi_conn_put(o, c, &h, payload);
	if (rc < 0) {
		free(again);
		return rc;
	}
	r = otpi_request_add(o, c, h.ref, at, sync);
	r->again = again;
	r->again_len = h.length;
	*out_ref = h.ref;
	return 0;
}

void
otpi_request_fail(struct otp *o, struct otpi_request *r, int error,
    const char *reason)
{
	free(r->data);
	r->data = strndup(reason_of(error, reason), OTP_REASON_MAX - 1);
	r->len = r->data == NULL ? 0 : strlen(r->data);
	r->error = error;
	settle(r);
	otpi_responded(o, r);
}

static int
append(struct otpi_request *r, const char *data, size_t len)
{
	char *more;

	if (len > REPLY_MAX - r->len)
		return -EMSGSIZE;
	more = realloc(r->data, r->len + len + 1);
	if (more == NULL)
		return -ENOMEM;
	memcpy(more + r->len, data, len);
	r->data = more;
	r->len += len;
	more[r->len] = '\0';
	return 0;
}

/* What an ERROR frame stands for in results. */
static int
error_of(uint16_t tag)
{
	switch (tag) {
	case FRAME_E_TIMEOUT:
		return -ETIMEDOUT;
	case FRAME_E_NOPROC:
		return -OTP_ENOPROC;
	case FRAME_E_DOWN:
		return -OTP_EDOWN;
	case FRAME_E_REFUSED:
		return -OTP_EREFUSED;
	case FRAME_E_TOO_LARGE:
		return -EMSGSIZE;
	default:
		return -OTP_EREMOTE;
	}
}

OTPI_HOT void
otpi_request_reply(struct otp *o, struct otpi_conn *c,
    const struct frame_header *h, const char *payload)
{
	struct otpi_request *r = otpi_request_find(o, h->ref);
	int rc;

	if (r == NULL || r->progress != OTPI_WAITING || r->conn != c)
		return;
	if (h->type == FRAME_ERROR) {
		rc = error_of(h->tag);
		otpi_request_fail(o, r, rc, rc == -OTP_EDOWN ||
		    rc == -OTP_EREMOTE ? payload : NULL);
		return;
	}
	rc = append(r, payload, h->length);
	if (rc < 0) {
		otpi_request_fail(o, r, rc, NULL);
	} else if ((h->flags & FRAME_F_MORE) == 0) {
		settle(r);
		otpi_responded(o, r);
	}
}

bool
otpi_request_wants(struct otp *o, const struct otpi_conn *c,
    const struct frame_header *h)
{
	struct otpi_request *r = otpi_request_find(o, h->ref);

	return h->type == FRAME_REPLY && (h->flags & FRAME_F_MORE) == 0 &&
	    r != NULL && r->progress == OTPI_WAITING && r->conn == c &&
	    r->data == NULL;
}

void
otpi_request_give(struct otp *o, struct otpi_conn *c,
    const struct frame_header *h, char *data)
{
	struct otpi_request *r = otpi_request_find(o, h->ref);

	if (!otpi_request_wants(o, c, h)) {
		free(data);		/* given up meanwhile */
		return;
	}
	r->data = data;
	r->len = h->length;
	settle(r);
	otpi_responded(o, r);
}

/* Until the request is done: 0, -ETIMEDOUT (it still waits), -ENOENT. */
OTPI_HOT int
otpi_request_wait(struct otp *o, uint64_t ref, uint64_t deadline)
{
	struct otpi_request *r;
	struct otpi_conn *c;
	int rc;

	for (;;) {
		r = otpi_request_find(o, ref);
		if (r == NULL)
			return -ENOENT;
		if (r->progress == OTPI_DONE)
			return 0;
		c = r->conn;
		rc = otpi_await(o, c, deadline);
		if (rc == -ETIMEDOUT)
			return rc;
		otpi_pump(o, c, rc);
	}
}

/* Hand over the outcome of a request that is done, and forget it. */
OTPI_HOT int
otpi_request_take(struct otp *o, struct otpi_request *r, char **reply,
    size_t *len)
{
	int error = r->error;

	if (error < 0) {
		(void)otpi_fail(o, error, r->data);
	} else {
		if (reply != NULL) {
			*reply = r->data;
			r->data = NULL;
		}
		if (len != NULL)
			*len = r->len;
	}
	otpi_request_free(o, r);
	return error;
}
