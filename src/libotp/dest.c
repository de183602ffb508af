/* SPDX-License-Identifier: ISC */
/*
 * Servers this process speaks to: one connection to each address, kept.  When
 * one is lost, what had been sent fails with the server's exit reason; what
 * had not goes to whoever serves there next, as a message sent by name does in
 * OTP.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libotp/impl.h"
#include "libotp/serve.h"

#define UNGREETED_MAX	4		/* connections lost, in a row */
#define NAME_AGE_NS	(50 * OTPI_MSEC)	/* a name is looked up again */

/* What a name is a link to; "" when it is none. */
static void
read_place(const char *socket_path, char *out, size_t size)
{
	ssize_t n = readlink(socket_path, out, size - 1);

	out[n < 0 ? 0 : n] = '\0';
}

/* Does the name still lead to where it did? */
static __attribute__((noinline)) bool
still_there(struct otp *o, struct otpi_dest *d)
{
	char path[PATH_MAX], place[PATH_MAX];

	o->clock = otpi_now();
	d->checked = o->clock;
	if (otpi_resolve(o, d->address, path, sizeof(path)) < 0)
		return true;
	read_place(path, place, sizeof(place));
	return strcmp(place, d->place) == 0;
}

static __attribute__((noinline)) int
dest_new(struct otp *o, const char *address, struct otpi_dest **out)
{
	char path[PATH_MAX], place[PATH_MAX];
	struct otpi_dest *d;
	int rc;

	rc = otpi_resolve(o, address, path, sizeof(path));
	if (rc < 0)
		return -OTP_ENOPROC;
	if (otpi_is_self(o, path))
		return 1;
	place[0] = '\0';
	if (strchr(address, '/') == NULL)
		read_place(path, place, sizeof(place));
	rc = otpi_dest_room(o);
	if (rc < 0)
		return rc;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	d->conn.kind = OTPI_DEST;
	d->conn.fd = -1;
	d->named = strchr(address, '/') == NULL;
	d->checked = o->clock = otpi_now();
	d->place = strdup(place);
	rc = d->place == NULL ? -ENOMEM : otpi_dest_add(o, d, address);
	if (rc < 0) {
		free(d->place);
		free(d);
		return rc;
	}
	*out = d;
	return 0;
}

static bool
is_old(const struct otp *o, const struct otpi_dest *d)
{
	return d->named && o->clock - d->checked >= NAME_AGE_NS;
}

OTPI_HOT bool
otpi_dest_at_hand(const struct otp *o, const char *address)
{
	const struct otpi_dest *d = o->last;

	return d != NULL && d->conn.fd >= 0 && d->conn.greeted &&
	    !is_old(o, d) && strcmp(d->address, address) == 0;
}

/* The stack of what is rare is left alone: with many callers every page counts
 * that a call touches. */
OTPI_HOT int
otpi_dest_get(struct otp *o, const char *address, uint64_t deadline, bool lazy,
    struct otpi_dest **out)
{
	struct otpi_dest *d = otpi_dest_find(o, address);
	int rc;

	if (d != NULL && is_old(o, d) && !still_there(o, d)) {
		d->moved = true;
		o->last = NULL;
		if (otpi_dest_idle(d))
			otpi_dest_free(o, d);
		d = NULL;
	}
	if (d == NULL) {
		rc = dest_new(o, address, &d);
		if (rc != 0)
			return rc;
	}
	if (d->conn.fd < 0) {
		rc = otpi_dest_connect(o, d, deadline, lazy);
		if (rc < 0 && !(lazy && rc == -EAGAIN)) {
			if (otpi_dest_idle(d))
				otpi_dest_free(o, d);
			return rc;
		}
	}
	o->last = d;
	*out = d;
	return 0;
}

/* Requests not yet sent move with the stream they stand in. */
static void
shift(struct otp *o, struct otpi_dest *d, uint64_t less, uint64_t more)
{
	struct otpi_request *r;

	for (uint32_t i = 0; d->nrequests > 0 && i < o->nrequests; i++) {
		r = &o->requests[i];
		if (r->progress == OTPI_WAITING && r->conn == &d->conn)
			r->at = r->at - less + more;
	}
}

/* HELLO goes first, then whatever has been waiting for a connection. */
int
otpi_dest_connect(struct otp *o, struct otpi_dest *d, uint64_t deadline,
    bool lazy)
{
	static const struct frame_hello hello = { .pid = 0 };
	struct otpi_buf old = d->conn.out;
	char path[PATH_MAX];
	int fd, rc;

	rc = otpi_resolve(o, d->address, path, sizeof(path));
	if (rc < 0)
		return -OTP_ENOPROC;
	fd = otpi_connect(path, deadline, lazy);
	if (fd < 0)
		return fd;
	d->conn.fd = fd;
	d->conn.dead = 0;
	d->conn.sent = 0;
	d->conn.out = (struct otpi_buf){ 0 };
	rc = otpi_conn_hello(o, &d->conn, &hello, NULL, NULL);
	if (rc == 0)
		rc = otpi_buf_room(o, &d->conn.out, old.end - old.pos);
	if (rc < 0) {
		otpi_buf_drop(o, &old);
		otpi_conn_clear(o, &d->conn);
		return rc;
	}
	if (old.end > old.pos)
		memcpy(d->conn.out.data + d->conn.out.end, old.data + old.pos,
		    old.end - old.pos);
	shift(o, d, 0, otpi_conn_queued(&d->conn));
	d->conn.out.end += old.end - old.pos;
	otpi_buf_drop(o, &old);
	otpi_watch(o, &d->conn);
	return 0;
}

OTPI_HOT int
otpi_dest_flush(struct otp *o, struct otpi_dest *d)
{
	int rc = 0;

	if (otpi_conn_queued(&d->conn) == 0)
		return 0;
	if (d->conn.fd < 0)
		rc = otpi_dest_connect(o, d, 0, true);
	if (rc == 0)
		rc = otpi_conn_flush(o, &d->conn);
	if (rc == -EAGAIN)
		return 1;
	if (rc < 0)
		otpi_dest_lost(o, d, rc);
	else
		otpi_watch(o, &d->conn);
	return rc;
}

static void
take_hello(struct otp *o, struct otpi_dest *d, const struct frame_header *h,
    const char *payload)
{
	struct frame_hello hello;
	const char *end = payload + h->length, *name, *path;
	int rc;

	rc = otpi_conn_take_hello(&d->conn, h, payload, &hello);
	if (rc < 0) {
		d->conn.dead = rc;
		return;
	}
	free(d->path);
	free(d->down);
	d->path = d->down = NULL;
	d->pid = hello.pid;
	d->generation = hello.generation;
	d->refused = 0;
	d->nungreeted = 0;
	name = payload + sizeof(hello);
	path = name < end ? memchr(name, '\0', (size_t)(end - name)) : NULL;
	if (path != NULL && path + 1 < end)
		d->path = strndup(path + 1, (size_t)(end - path - 1));
	(void)o;
}

static void
take_frame(struct otp *o, struct otpi_dest *d, const struct frame_header *h,
    const char *payload)
{
	char reason[OTP_REASON_MAX];

	if (!d->conn.greeted) {
		take_hello(o, d, h, payload);
	} else if (h->type == FRAME_ERROR && h->ref == 0) {
		d->refused = h->tag == FRAME_E_REFUSED ? -OTP_EREFUSED :
		    -OTP_EREMOTE;
		free(d->down);
		d->down = d->refused == -OTP_EREFUSED ? strdup("refused") :
		    strndup(payload, h->length);
	} else if (h->type == FRAME_REPLY || h->type == FRAME_ERROR) {
		otpi_request_reply(o, &d->conn, h, payload);
	} else if (h->type == FRAME_DOWN && otpi_json_get(payload, h->length,
	    "reason", reason, sizeof(reason)) == 0) {
		free(d->down);
		d->down = strdup(reason);
	} else if (h->type == FRAME_HELLO) {
		d->conn.dead = -EPROTO;
	}
}

/* The rest of a large reply goes where it will stay, without a copy. */
static void
open_sink(struct otp *o, struct otpi_dest *d)
{
	struct otpi_buf *b = &d->conn.in;
	struct frame_header h;
	size_t have = b->end - b->pos;

	if (have < FRAME_HEADER_LEN || !d->conn.greeted)
		return;
	memcpy(&h, b->data + b->pos, sizeof(h));
	if (h.length < OTPI_SINK || !otpi_request_wants(o, &d->conn, &h))
		return;
	d->sink = malloc((size_t)h.length + 1);
	if (d->sink == NULL)
		return;			/* then through the buffer */
	d->sink_h = h;
	d->sink_have = have - FRAME_HEADER_LEN;
	memcpy(d->sink, b->data + b->pos + FRAME_HEADER_LEN, d->sink_have);
	b->pos = b->end;
}

int
otpi_dest_recv(struct otp *o, struct otpi_dest *d)
{
	size_t left = d->sink_h.length - d->sink_have;
	ssize_t n;
	char *data;

	do
		n = recv(d->conn.fd, d->sink + d->sink_have, left,
		    MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ENOTCONN;
	if (n < 0)
		return errno == EAGAIN ? 0 : -ENOTCONN;
	d->sink_have += (size_t)n;
	o->received += (size_t)n;
	if ((size_t)n == left) {
		data = d->sink;
		d->sink = NULL;
		data[d->sink_h.length] = '\0';
		otpi_request_give(o, &d->conn, &d->sink_h, data);
	}
	return 1;
}

OTPI_HOT void
otpi_dest_pump(struct otp *o, struct otpi_dest *d)
{
	struct frame_header h;
	char *payload;
	int rc;

	while (d->conn.dead == 0 && d->conn.in.data != NULL &&
	    (rc = otpi_conn_next(o, &d->conn, &h, &payload)) != 0) {
		if (rc < 0)
			d->conn.dead = rc;
		else
			take_frame(o, d, &h, payload);
	}
	if (d->conn.dead == 0 && d->sink == NULL)
		open_sink(o, d);
	otpi_conn_rest(o, &d->conn);
}

/* What it had sent before its end still counts. */
static void
drain(struct otp *o, struct otpi_dest *d)
{
	d->conn.dead = 0;
	while (d->conn.dead == 0 && otpi_conn_recv(o, &d->conn) == 1)
		otpi_dest_pump(o, d);
}

/* Nobody has greeted, so nobody has read it: the next one will be asked. */
static bool
goes_again(const struct otpi_dest *d, const struct otpi_request *r)
{
	return !d->conn.greeted && d->refused == 0 && r->again != NULL &&
	    d->nungreeted < UNGREETED_MAX;
}

/* What it was sent fails; how it ended is asked only when somebody waits. */
static void
fail_sent(struct otp *o, struct otpi_dest *d, bool all)
{
	char reason[OTP_REASON_MAX] = "";
	int error = d->refused != 0 ? d->refused :
	    d->conn.greeted ? -OTP_EDOWN : -OTP_ENOPROC;
	struct otpi_request *r;

	for (uint32_t i = 0; i < o->nrequests; i++) {
		r = &o->requests[i];
		if (r->progress != OTPI_WAITING || r->conn != &d->conn ||
		    (!all && (r->at >= d->conn.sent || goes_again(d, r))))
			continue;
		if (reason[0] == '\0' && error == -OTP_ENOPROC)
			(void)snprintf(reason, sizeof(reason), "noproc");
		if (reason[0] == '\0')
			otpi_why_down(o, d, reason);
		r = &o->requests[i];	/* asking may have moved them */
		otpi_request_fail(o, r, error, reason);
	}
}

static int
by_ref(const void *a, const void *b)
{
	const struct otpi_request *const *x = a, *const *y = b;

	return (*x)->ref >> 16 < (*y)->ref >> 16 ? -1 : 1;
}

/* Requests that had been sent, in that order: where they stood in the stream
 * is before its beginning now.  Their number; bytes of their frames. */
static uint32_t
sent_before(struct otp *o, struct otpi_dest *d, struct otpi_request **list,
    size_t *bytes)
{
	struct otpi_request *r;
	uint32_t n = 0;

	*bytes = 0;
	for (uint32_t i = 0; i < o->nrequests; i++) {
		r = &o->requests[i];
		if (r->progress != OTPI_WAITING || r->conn != &d->conn ||
		    (int64_t)r->at >= 0)
			continue;
		list[n++] = r;
		*bytes += FRAME_HEADER_LEN + (size_t)r->again_len;
	}
	qsort(list, n, sizeof(struct otpi_request *), by_ref);
	return n;
}

static void
queue_again(struct otpi_buf *out, struct otpi_request *r)
{
	struct frame_header h = { .type = FRAME_CALL, .ref = r->ref,
	    .length = r->again_len };

	r->at = out->end - out->pos;
	frame_encode(&h, out->data + out->end);
	if (h.length > 0)
		memcpy(out->data + out->end + FRAME_HEADER_LEN, r->again,
		    h.length);
	out->end += FRAME_HEADER_LEN + (size_t)h.length;
}

/* What was sent and is to be sent again comes before what waits. */
static int
send_again(struct otp *o, struct otpi_dest *d)
{
	struct otpi_buf *rest = &d->conn.out, out = { 0 };
	struct otpi_request **list;
	uint32_t n;
	size_t bytes;
	int rc = 0;

	if (d->nrequests == 0)
		return 0;
	list = malloc(o->nrequests * sizeof(struct otpi_request *));
	if (list == NULL)
		return -ENOMEM;
	n = sent_before(o, d, list, &bytes);
	if (n > 0)
		rc = otpi_buf_take(o, &out, bytes + rest->end - rest->pos);
	if (n > 0 && rc == 0) {
		shift(o, d, 0, bytes);
		for (uint32_t i = 0; i < n; i++)
			queue_again(&out, list[i]);
		if (rest->end > rest->pos)
			memcpy(out.data + out.end, rest->data + rest->pos,
			    rest->end - rest->pos);
		out.end += rest->end - rest->pos;
		otpi_buf_drop(o, rest);
		*rest = out;
	}
	free(list);
	return rc;
}

/* Keep what has not been sent, and what goes again. */
static int
rewind_stream(struct otp *o, struct otpi_dest *d)
{
	bool again = !d->conn.greeted;
	struct otpi_buf out;
	uint64_t from;

	if (d->conn.fd >= 0 && d->conn.sent == 0)	/* our HELLO */
		d->conn.cut = FRAME_HEADER_LEN + sizeof(struct frame_hello);
	from = d->conn.sent + d->conn.cut;
	otpi_conn_to_frame(&d->conn);
	out = d->conn.out;
	d->conn.out = (struct otpi_buf){ 0 };
	otpi_conn_clear(o, &d->conn);
	d->conn.out = out;
	d->conn.sent = 0;
	shift(o, d, from, 0);
	return again ? send_again(o, d) : 0;
}

void
otpi_dest_lost(struct otp *o, struct otpi_dest *d, int error)
{
	int rc;

	otpi_undirty(o, &d->conn);
	if (d->conn.fd >= 0 && error != -EPROTO && error != -EMSGSIZE)
		drain(o, d);
	free(d->sink);
	d->sink = NULL;
	fail_sent(o, d, false);
	otpi_lost_monitors(o, d);
	d->nungreeted = d->conn.greeted ? 0 : d->nungreeted + 1;
	rc = rewind_stream(o, d);
	if (rc == 0 && otpi_conn_queued(&d->conn) == 0) {
		otpi_buf_drop(o, &d->conn.out);
		d->nungreeted = 0;
		return;
	}
	if (rc == 0)
		rc = d->refused != 0 ? d->refused :
		    error == -OTP_ENOPROC ? error :
		    otpi_dest_connect(o, d, 0, true);
	if (rc == 0)
		rc = otpi_conn_flush(o, &d->conn);
	if (rc >= 0)
		return;
	if (rc == -ENOTCONN && d->nungreeted < UNGREETED_MAX) {
		otpi_dest_lost(o, d, rc);
		return;
	}
	if (rc == -EAGAIN) {
		otpi_dirty(o, &d->conn);
		return;
	}
	fail_sent(o, d, true);
	otpi_conn_clear(o, &d->conn);
	d->nungreeted = 0;
}
