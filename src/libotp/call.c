/* SPDX-License-Identifier: ISC */
/*
 * The caller's functions of otp.h: call, cast, send, requests in flight.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"
#include "libotp/serve.h"

#define BEFORE_HELLO	1024	/* what every server accepts */
#define GIVE_WAY_MS	2
#define TRIES		3	/* of connections that ended ungreeted */

/* A large request waits until it is known what the server accepts. */
OTPI_HOT static int
await_hello(struct otp *o, struct otpi_dest *d, size_t len, uint64_t deadline)
{
	int rc;

	while (len > BEFORE_HELLO && !d->conn.greeted) {
		rc = otpi_await(o, &d->conn, deadline);
		if (rc == -ETIMEDOUT)
			return rc;
		otpi_pump(o, &d->conn, rc);
		if (d->conn.fd < 0)
			return d->refused != 0 ? d->refused : -OTP_ENOPROC;
	}
	return 0;
}

/* Connected, greeted if need be, and room in the queue. */
OTPI_HOT static int
reach(struct otp *o, const char *to, size_t len, uint64_t deadline,
    struct otpi_dest **out)
{
	char room[OTPI_ADDRESS];
	struct otpi_dest *d;
	int rc;

	rc = otpi_via(o, &to, room, deadline);
	if (rc == 0)
		rc = otpi_dest_get(o, to, deadline, false, &d);
	if (rc > 0)
		return -OTP_ECALLINGSELF;
	if (rc == 0)
		rc = await_hello(o, d, len, deadline);
	if (rc < 0)
		return rc;
	*out = d;
	return 0;
}

static int
begin_call(struct otp *o, const char *to, const void *request, size_t len,
    uint64_t deadline, uint64_t *out_ref)
{
	struct otpi_dest *d;
	int rc;

	rc = reach(o, to, len, deadline, &d);
	if (rc == 0)
		rc = otpi_request_new(o, &d->conn, FRAME_CALL, 0, request, len,
		    deadline, true, out_ref);
	return rc < 0 ? otpi_fail(o, rc, NULL) : 0;
}

static int
end_call(struct otp *o, uint64_t ref, uint64_t deadline, char **reply,
    size_t *reply_len)
{
	struct otpi_request *r;
	int rc;

	rc = otpi_request_wait(o, ref, deadline);
	r = otpi_request_find(o, ref);
	if (rc < 0 || r == NULL) {
		if (r != NULL)
			otpi_request_free(o, r);
		return otpi_fail(o, rc, NULL);
	}
	return otpi_request_take(o, r, reply, reply_len);
}

OTPI_HOT int
otp_call(struct otp *o, const char *to, const void *request, size_t len,
    int timeout_ms, char **reply, size_t *reply_len)
{
	uint64_t now = otpi_now(), ref;
	uint64_t deadline = otpi_deadline_from(o, timeout_ms, now);
	int rc = -EAGAIN;

	if (now - o->call_pace.last_end > OTPI_IDLE_NS)
		rc = otpi_call_alone(o, to, request, len, now, deadline,
		    reply, reply_len, &ref);
	if (rc != 1 && rc != -EAGAIN)
		return rc;
	for (int i = 0; ; i++) {
		if (rc != 1)
			rc = begin_call(o, to, request, len, deadline, &ref);
		if (rc >= 0)
			rc = end_call(o, ref, deadline, reply, reply_len);
		if (rc != -OTP_ENOPROC || i == TRIES)
			return rc;
	}
}

/* More is queued for d than is allowed: wait, or say so. */
static int
make_way(struct otp *o, struct otpi_dest *d)
{
	uint64_t deadline;
	int rc;

	rc = otpi_dest_flush(o, d);
	if (rc < 0 || otpi_conn_queued(&d->conn) <= o->max_queued)
		return 0;
	if (o->when_full == OTP_FULL_ERROR)
		return -OTP_EFULL;
	deadline = otpi_deadline(o, OTP_DEFAULT_TIMEOUT);
	if (d->conn.fd < 0)
		rc = otpi_dest_connect(o, d, deadline, false);
	if (rc < 0)
		return rc == -ETIMEDOUT ? rc : 0;
	while (otpi_conn_queued(&d->conn) > o->max_queued / 2) {
		rc = otpi_await_way(o, &d->conn, deadline);
		if (rc == -ETIMEDOUT)
			return rc;
		if (rc != 0)
			otpi_pump(o, &d->conn, rc);
	}
	return 0;
}

/*
 * A server that is busy with what it has will take more in a moment: give way
 * to it, rather than gather what no cache holds.  One that is slow is not
 * waited for.
 */
static void
send_gathered(struct otp *o, struct otpi_dest *d)
{
	struct pollfd pfd = { .events = POLLOUT };

	o->clock = otpi_now();
	while (otpi_dest_flush(o, d) == 1 && d->conn.fd >= 0) {
		pfd.fd = d->conn.fd;
		if (poll(&pfd, 1, GIVE_WAY_MS) != 1)
			return;
	}
}

static int
put_oneway(struct otp *o, struct otpi_dest *d, uint8_t type,
    const void *message, size_t len)
{
	struct frame_header h = { .type = type };
	int rc = 0;

	if (len > FRAME_SERVER_MAX)
		return -EMSGSIZE;
	if (len > BEFORE_HELLO && !d->conn.greeted) {
		rc = await_hello(o, d, len, otpi_deadline(o,
		    OTP_DEFAULT_TIMEOUT));
		if (rc == -OTP_ENOPROC || rc == -OTP_EREFUSED)
			return 0;
		if (rc < 0)
			return rc;
	}
	if (otpi_conn_queued(&d->conn) > o->max_queued)
		rc = make_way(o, d);
	if (rc < 0)
		return rc;
	h.length = (uint32_t)len;
	rc = otpi_conn_put(o, &d->conn, &h, message);
	if (rc == 0 && otpi_conn_ripe(&d->conn))
		send_gathered(o, d);
	return rc;
}

/* Of a message that nobody waits for. */
static int
via(struct otp *o, const char **to, char room[OTPI_ADDRESS])
{
	return (*to)[0] != 'v' ? 0 : otpi_via(o, to, room, otpi_deadline(o,
	    OTP_DEFAULT_TIMEOUT));
}

static __attribute__((noinline)) int
cast(struct otp *o, const char *to, const void *message, size_t len)
{
	char room[OTPI_ADDRESS];
	struct otpi_dest *d;
	int rc;

	rc = via(o, &to, room);
	if (rc == 0)
		rc = otpi_dest_get(o, to, 0, true, &d);
	if (rc == 1)
		return otpi_mail_self(o, FRAME_CAST, 0, message, len);
	if (rc < 0)
		return rc == -ENOMEM || rc == -OTP_EFULL ||
		    rc == -ETIMEDOUT ? rc : 0;
	return put_oneway(o, d, FRAME_CAST, message, len);
}

int
otp_cast(struct otp *o, const char *to, const void *message, size_t len)
{
	struct otpi_dest *d = o->last;

	if (d != NULL && strcmp(d->address, to) == 0 &&
	    otpi_conn_add(&d->conn, FRAME_CAST, message, len))
		return 0;		/* a name is looked up when it is sent */
	return cast(o, to, message, len);
}

int
otp_send(struct otp *o, const char *to, const void *message, size_t len)
{
	char room[OTPI_ADDRESS];
	struct otpi_dest *d;
	int rc;

	rc = via(o, &to, room);
	if (rc == 0)
		rc = otpi_dest_get(o, to, 0, true, &d);
	if (rc == 1)
		return otpi_mail_self(o, FRAME_INFO, 0, message, len);
	if (rc == 0)
		rc = put_oneway(o, d, FRAME_INFO, message, len);
	return rc < 0 ? otpi_fail(o, rc, NULL) : 0;
}

int
otp_flush(struct otp *o)
{
	return otpi_flush_all(o);
}

int
otp_send_request(struct otp *o, const char *to, const void *request,
    size_t len, uint64_t *out)
{
	uint64_t deadline = otpi_dest_at_hand(o, to) ? 0 :
	    otpi_deadline(o, OTP_DEFAULT_TIMEOUT);
	struct otpi_dest *d;
	int rc;

	rc = reach(o, to, len, deadline, &d);
	if (rc == 0 && otpi_conn_queued(&d->conn) > o->max_queued)
		rc = make_way(o, d);
	if (rc == 0)
		rc = otpi_request_new(o, &d->conn, FRAME_CALL, 0, request, len,
		    0, false, out);
	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	if (otpi_conn_ripe(&d->conn))
		send_gathered(o, d);
	return 0;
}

static int
receive(struct otp *o, uint64_t request, uint64_t deadline, char **reply,
    size_t *reply_len)
{
	struct otpi_request *r = otpi_request_find(o, request);
	int rc;

	if (r == NULL)
		return otpi_fail(o, -ENOENT, NULL);
	r->sync = true;
	rc = otpi_request_wait(o, request, deadline);
	r = otpi_request_find(o, request);
	if (rc < 0) {
		if (r != NULL)
			otpi_request_free(o, r);
		return otpi_fail(o, rc, NULL);
	}
	return otpi_request_take(o, r, reply, reply_len);
}

int
otp_receive_response(struct otp *o, uint64_t request, int timeout_ms,
    char **reply, size_t *reply_len)
{
	struct otpi_request *r = otpi_request_find(o, request);

	if (r != NULL && r->progress == OTPI_DONE)
		return otpi_request_take(o, r, reply, reply_len);
	return receive(o, request, otpi_deadline(o, timeout_ms), reply,
	    reply_len);
}

int
otp_abandon(struct otp *o, uint64_t request)
{
	struct otpi_request *r = otpi_request_find(o, request);

	if (r == NULL)
		return -ENOENT;
	otpi_request_free(o, r);
	return 0;
}

int
otp_multi_call(struct otp *o, const char *const *to, size_t n,
    const void *request, size_t len, int timeout_ms,
    struct otp_result *results)
{
	uint64_t deadline = otpi_deadline(o, timeout_ms), *refs;
	int good = 0;

	refs = calloc(n > 0 ? n : 1, sizeof(*refs));
	if (refs == NULL)
		return otpi_fail(o, -ENOMEM, NULL);
	for (size_t i = 0; i < n; i++) {
		results[i] = (struct otp_result){ 0 };
		results[i].error = otp_send_request(o, to[i], request, len,
		    &refs[i]);
	}
	for (size_t i = 0; i < n; i++) {
		if (results[i].error == 0)
			results[i].error = receive(o, refs[i], deadline,
			    &results[i].reply, &results[i].len);
		if (results[i].error == 0)
			good++;
	}
	free(refs);
	return good;
}

/* Nobody but the engine knows how a process ended. */
void
otpi_why_down(struct otp *o, struct otpi_dest *d, char out[OTP_REASON_MAX])
{
	struct otp_out ask = { 0 };
	char *reply = NULL;
	size_t len = 0;
	int rc = -ENOENT;

	(void)snprintf(out, OTP_REASON_MAX, "noconnection");
	if (d->down != NULL) {
		(void)snprintf(out, OTP_REASON_MAX, "%s", d->down);
		return;
	}
	if (d->path == NULL || d->path[0] == '\0' || d->path[0] == '/' ||
	    strcmp(d->address, "otpd") == 0)
		return;
	if (otp_print(&ask, "{\"op\":\"why_down\",\"path\":") == 0 &&
	    otpi_json_string(&ask, d->path) == 0 &&
	    otp_print(&ask, ",\"generation\":%llu,\"pid\":%d}",
	    (unsigned long long)d->generation, (int)d->pid) == 0)
		rc = otp_control(o, ask.text, 1000, &reply, &len);
	otpi_out_free(&ask);
	if (rc == 0)
		(void)otpi_json_get(reply, len, "reason", out, OTP_REASON_MAX);
	free(reply);
}
