/* SPDX-License-Identifier: ISC */
/*
 * Workers of a pool, borrowed.  The pool knows a holder by its connection:
 * what is asked here goes through the one that this process has.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"


/* Say it without waiting for an answer: there is none. */
static int
tell(struct otp *o, const char *pool, const char *text, size_t len)
{
	uint64_t ref;
	int rc;

	rc = otp_send_request(o, pool, text, len, &ref);
	if (rc < 0)
		return rc;
	(void)otp_abandon(o, ref);
	(void)otp_flush(o);
	return 0;
}

/* A place in the queue is left, or what came too late is given back. */
static void
cancel(struct otp *o, const char *pool, uint64_t ref)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "{\"op\":\"cancel\",\"ref\":%llu}",
	    (unsigned long long)ref);

	(void)tell(o, pool, text, (size_t)n);
	(void)otpi_fail(o, -ETIMEDOUT, "timeout");
}

static int
taken(struct otp *o, const char *reply, size_t len, char *worker, size_t size)
{
	char error[64], reason[OTP_REASON_MAX];

	if (otpi_json_get(reply, len, "worker", worker, size) == 0)
		return 0;
	if (otpi_json_get(reply, len, "error", error, sizeof(error)) < 0)
		return otpi_fail(o, -OTP_EREMOTE, "{bad_reply,pool}");
	if (strcmp(error, "full") == 0)
		return otpi_fail(o, -EAGAIN, error);
	return otpi_fail(o, -OTP_EREMOTE, otpi_json_get(reply, len, "reason",
	    reason, sizeof(reason)) == 0 ? reason : error);
}

int
otp_pool_checkout(struct otp *o, const char *pool, int timeout_ms,
    char *worker, size_t size)
{
	char path[OTP_WORKER_MAX], text[96], *reply = NULL;
	uint64_t ref = ++o->next_checkout;
	size_t len = 0;
	int n, rc;

	n = snprintf(text, sizeof(text), "{\"op\":\"checkout\",\"ref\":%llu%s}",
	    (unsigned long long)ref, timeout_ms == 0 ? ",\"block\":false" :
	    "");
	rc = otp_call(o, pool, text, (size_t)n, timeout_ms == 0 ?
	    OTP_DEFAULT_TIMEOUT : timeout_ms, &reply, &len);
	if (rc == -ETIMEDOUT)
		cancel(o, pool, ref);
	if (rc < 0)
		return rc;
	rc = taken(o, reply, len, path, sizeof(path));
	free(reply);
	if (rc < 0)
		return rc;
	if (strlen(path) >= size) {
		(void)otp_pool_checkin(o, pool, path);
		return otpi_fail(o, -ENAMETOOLONG, NULL);
	}
	memcpy(worker, path, strlen(path) + 1);
	return 0;
}

int
otp_pool_checkin(struct otp *o, const char *pool, const char *worker)
{
	static const char head[] = "{\"op\":\"checkin\",\"quiet\":true,"
	    "\"worker\":";
	struct otp_out out = { 0 };
	char text[128];
	size_t len = strlen(worker);
	int rc;

	/* As a rule it is short, and has nothing to be escaped. */
	if (sizeof(head) + len + 3 <= sizeof(text) &&
	    strcspn(worker, "\"\\") == len) {
		rc = snprintf(text, sizeof(text), "%s\"%s\"}", head, worker);
		return tell(o, pool, text, (size_t)rc);
	}
	rc = otp_write(&out, head, sizeof(head) - 1);
	if (rc == 0)
		rc = otpi_json_string(&out, worker);
	if (rc == 0)
		rc = otp_write(&out, "}", 1);
	if (rc == 0)
		rc = tell(o, pool, out.text, out.len);
	otpi_out_free(&out);
	return rc;
}

int
otp_pool_transaction(struct otp *o, const char *pool,
    int (*fn)(struct otp *self, const char *worker, void *arg), void *arg,
    int timeout_ms)
{
	char worker[OTP_WORKER_MAX];
	int rc = otp_pool_checkout(o, pool, timeout_ms, worker,
	    sizeof(worker));

	if (rc < 0)
		return rc;
	rc = fn(o, worker, arg);
	(void)otp_pool_checkin(o, pool, worker);
	return rc;
}

static uint32_t
number(const char *reply, size_t len, const char *field)
{
	char text[32] = "0";

	(void)otpi_json_get(reply, len, field, text, sizeof(text));
	return (uint32_t)strtoul(text, NULL, 10);
}

int
otp_pool_status(struct otp *o, const char *pool, int timeout_ms,
    struct otp_pool_status *out)
{
	char state[16] = "", *reply = NULL;
	size_t len = 0;
	int rc = otp_call(o, pool, "{\"op\":\"status\"}", 15, timeout_ms,
	    &reply, &len);

	if (rc < 0)
		return rc;
	if (otpi_json_get(reply, len, "state", state, sizeof(state)) < 0) {
		free(reply);
		return otpi_fail(o, -OTP_EREMOTE, "{bad_reply,pool}");
	}
	out->state = strcmp(state, "ready") == 0 ? OTP_POOL_READY :
	    strcmp(state, "full") == 0 ? OTP_POOL_FULL : OTP_POOL_OVERFLOW;
	out->size = number(reply, len, "size");
	out->max_overflow = number(reply, len, "max_overflow");
	out->free = number(reply, len, "free");
	out->overflow = number(reply, len, "overflow");
	out->held = number(reply, len, "held");
	out->waiting = number(reply, len, "waiting");
	free(reply);
	return 0;
}
