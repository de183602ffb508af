/* SPDX-License-Identifier: ISC */
/*
 * Calls to an otp-agent: a request is written without a detour, since it is
 * all that this adds to a call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"

/* As a rule a request fits into this much and is not allocated. */
#define ROOM		256
#define LENT(room)	{ .text = room, .cap = sizeof(room), .lent = true }

static int
words(struct otp_out *out, const char *text)
{
	return otp_write(out, text, strlen(text));
}

/* One JSON value, or -EINVAL: anything else would change the request. */
static int
value(struct otp_out *out, const char *member, const char *json)
{
	size_t len = strlen(json);
	int rc;

	if (!otpi_json_is(json, len))
		return -EINVAL;
	rc = words(out, member);
	return rc < 0 ? rc : otp_write(out, json, len);
}

/* How a request begins. */
#define OP(name)	"{\"op\":\"" name "\",\"path\":"

static int
begin(struct otp_out *out, const char *op, const char *path)
{
	int rc = words(out, op);

	return rc < 0 ? rc : otpi_json_string(out, path == NULL ? "" : path);
}

static bool
begins(const char *reply, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(reply, with, strlen(with)) == 0;
}

/* {"error":...} of a reply as a result; 0 when it is none. */
static int
refusal(struct otp *o, const char *reply, size_t len)
{
	char error[64];

	if (begins(reply, len, "{\"value\":") ||
	    begins(reply, len, "{\"result\":"))
		return 0;
	if (otpi_json_get(reply, len, "error", error, sizeof(error)) < 0)
		return 0;
	return otpi_fail(o, strcmp(error, "badkey") == 0 ? -ENOENT :
	    strcmp(error, "conflict") == 0 ? -ECANCELED : -OTP_EREMOTE, error);
}

/* What stands behind {"value": is moved to the beginning. */
static int
unwrap(struct otp *o, char *reply, size_t len, char **out, size_t *out_len)
{
	static const char head[] = "{\"value\":", absent[] = ",\"absent\":true";
	size_t skip = sizeof(head) - 1, none = sizeof(absent) - 1;

	if (len <= skip || memcmp(reply, head, skip) != 0)
		return otpi_fail(o, -OTP_EREMOTE, "{bad_reply,agent}");
	len -= skip + 1;		/* the brace, too */
	if (len > none &&
	    memcmp(reply + skip + len - none, absent, none) == 0)
		len -= none;
	if (out == NULL) {
		free(reply);
	} else {
		memmove(reply, reply + skip, len);
		reply[len] = '\0';
		*out = reply;
	}
	if (out_len != NULL)
		*out_len = len;
	return 0;
}

/* Sends what is in out and frees it.  rc: how the writing went. */
static int
ask(struct otp *o, const char *agent, struct otp_out *out, int rc,
    int timeout_ms, bool wants, char **reply, size_t *reply_len)
{
	char *text = NULL;
	size_t len = 0;

	if (rc == 0)
		rc = otp_write(out, "}", 1);
	if (rc < 0)
		rc = otpi_fail(o, rc, NULL);
	else
		rc = otp_call(o, agent, out->text, out->len, timeout_ms, &text,
		    &len);
	otpi_out_free(out);
	if (rc == 0)
		rc = refusal(o, text, len);
	if (rc == 0 && wants) {
		rc = unwrap(o, text, len, reply, reply_len);
		if (rc == 0)
			return 0;
	}
	free(text);
	return rc;
}

int
otp_agent_get(struct otp *o, const char *agent, const char *path,
    int timeout_ms, char **out, size_t *out_len)
{
	char room[ROOM];
	struct otp_out text = LENT(room);
	int rc = begin(&text, OP("get"), path);

	return ask(o, agent, &text, rc, timeout_ms, true, out, out_len);
}

static int
change(struct otp *o, const char *agent, const char *op, const char *path,
    const char *json, int timeout_ms)
{
	char room[ROOM];
	struct otp_out text = LENT(room);
	int rc = begin(&text, op, path);

	if (rc == 0 && json != NULL)
		rc = value(&text, ",\"value\":", json);
	return ask(o, agent, &text, rc, timeout_ms, false, NULL, NULL);
}

int
otp_agent_put(struct otp *o, const char *agent, const char *path,
    const char *json, int timeout_ms)
{
	return change(o, agent, OP("put"), path, json, timeout_ms);
}

int
otp_agent_update(struct otp *o, const char *agent, const char *path,
    const char *patch, int timeout_ms)
{
	return change(o, agent, OP("update"), path, patch, timeout_ms);
}

int
otp_agent_delete(struct otp *o, const char *agent, const char *path,
    int timeout_ms)
{
	return change(o, agent, OP("delete"), path, NULL, timeout_ms);
}

int
otp_agent_get_and_update(struct otp *o, const char *agent, const char *path,
    const char *compare, const char *json, int timeout_ms, char **out,
    size_t *out_len)
{
	char room[ROOM];
	struct otp_out text = LENT(room);
	int rc = begin(&text, OP("get_and_update"), path);

	if (rc == 0 && compare != NULL)
		rc = compare[0] == '\0' ? words(&text, ",\"absent\":true") :
		    value(&text, ",\"compare\":", compare);
	if (rc == 0)
		rc = json == NULL ? words(&text, ",\"delete\":true") :
		    value(&text, ",\"value\":", json);
	return ask(o, agent, &text, rc, timeout_ms, true, out, out_len);
}

int
otp_agent_cast(struct otp *o, const char *agent, const char *op,
    const char *path, const char *json)
{
	const char *whole = strcmp(op, "put") == 0 ? OP("put") :
	    strcmp(op, "update") == 0 ? OP("update") :
	    strcmp(op, "delete") == 0 ? OP("delete") : NULL;
	char room[ROOM];
	struct otp_out text = LENT(room);
	int rc;

	/* Nobody would be told of an operation that the agent lacks. */
	if (whole == NULL)
		return otpi_fail(o, -EINVAL, NULL);
	rc = begin(&text, whole, path);
	if (rc == 0 && json != NULL)
		rc = value(&text, ",\"value\":", json);
	if (rc == 0)
		rc = otp_write(&text, "}", 1);
	if (rc == 0)
		rc = otp_cast(o, agent, text.text, text.len);
	otpi_out_free(&text);
	return rc;
}
