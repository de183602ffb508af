/* SPDX-License-Identifier: ISC */
/*
 * Children that come and go at run time: the calls of OTP's supervisor, asked
 * of the engine.  A request that the engine refuses is an error here, and never
 * an answer that a caller could take for success.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"

static int
result_of(const char *error)
{
	static const struct {
		const char	*error;
		int		 result;
	} rows[] = {
		{ "noproc", -OTP_ENOPROC }, { "not_found", -ENOENT },
		{ "already_started", -OTP_EALREADY },
		{ "already_present", -OTP_EALREADY },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(error, rows[i].error) == 0)
			return rows[i].result;
	return -OTP_EREMOTE;
}

/*
 * The reason is why a start failed, and what is wrong with a specification;
 * otherwise otpd's word.
 */
static int
refusal(struct otp *o, const char *reply, size_t len)
{
	char error[64], words[OTP_REASON_MAX];
	const char *field, *reason = error;

	if (otpi_json_get(reply, len, "error", error, sizeof(error)) < 0)
		return 0;
	field = strcmp(error, "bad_spec") == 0 ? "message" : "reason";
	if (otpi_json_get(reply, len, field, words, sizeof(words)) == 0 &&
	    words[0] != '\0')
		reason = words;
	return otpi_fail(o, result_of(error), reason);
}

/* text is freed.  0, or 1 when a child was ignored. */
static int
ask(struct otp *o, struct otp_out *text, int rc, int timeout_ms,
    char **out_reply, size_t *out_len)
{
	char result[16];

	*out_reply = NULL;
	*out_len = 0;
	if (rc < 0)
		(void)otpi_fail(o, rc, NULL);
	else
		rc = otp_control(o, text->text, timeout_ms, out_reply,
		    out_len);
	otpi_out_free(text);
	if (rc == 0)
		rc = refusal(o, *out_reply, *out_len);
	if (rc < 0)
		return rc;
	return otpi_json_get(*out_reply, *out_len, "result", result,
	    sizeof(result)) == 0 && strcmp(result, "ignored") == 0;
}

static int
begin(struct otp_out *text, const char *op, const char *sup)
{
	int rc = otp_print(text, "{\"op\":\"%s\",\"sup\":", op);

	return rc == 0 ? otpi_json_string(text, sup) : rc;
}

int
otp_start_child(struct otp *o, const char *sup, const char *spec,
    int timeout_ms, char *path, size_t size, int32_t *pid)
{
	struct otp_out text = { 0 };
	char where[4200] = "", number[16] = "0", *reply;
	size_t len;
	int rc;

	/* Anything that is not one value would change the request. */
	if (!otpi_json_is(spec, strlen(spec)))
		return otpi_fail(o, -EINVAL, "the child is not JSON");
	rc = begin(&text, "start_child", sup);
	if (rc == 0)
		rc = otp_print(&text, ",\"spec\":%s}", spec);
	rc = ask(o, &text, rc, timeout_ms, &reply, &len);
	if (rc >= 0) {
		(void)otpi_json_get(reply, len, "path", where, sizeof(where));
		(void)otpi_json_get(reply, len, "pid", number,
		    sizeof(number));
		if (path != NULL && size > 0)
			(void)snprintf(path, size, "%s", where);
		if (pid != NULL)
			*pid = (int32_t)strtol(number, NULL, 10);
	}
	free(reply);
	return rc;
}

static int
by_id(struct otp *o, const char *op, const char *sup, const char *id,
    int timeout_ms)
{
	struct otp_out text = { 0 };
	char *reply;
	size_t len;
	int rc;

	rc = begin(&text, op, sup);
	if (rc == 0)
		rc = otp_print(&text, ",\"id\":");
	if (rc == 0)
		rc = otpi_json_string(&text, id);
	if (rc == 0)
		rc = otp_print(&text, "}");
	rc = ask(o, &text, rc, timeout_ms, &reply, &len);
	free(reply);
	return rc;
}

int
otp_terminate_child(struct otp *o, const char *sup, const char *id,
    int timeout_ms)
{
	return by_id(o, "terminate_child", sup, id, timeout_ms);
}

int
otp_restart_child(struct otp *o, const char *sup, const char *id,
    int timeout_ms)
{
	return by_id(o, "restart_child", sup, id, timeout_ms);
}

int
otp_delete_child(struct otp *o, const char *sup, const char *id,
    int timeout_ms)
{
	return by_id(o, "delete_child", sup, id, timeout_ms);
}

static enum otp_child_state
state_of(const char *word)
{
	return strcmp(word, "running") == 0 ? OTP_CHILD_RUNNING :
	    strcmp(word, "stopped") == 0 ? OTP_CHILD_STOPPED :
	    OTP_CHILD_RESTARTING;
}

static int
read_child(const char *text, size_t len, struct otp_child *out)
{
	char pid[16] = "", word[16] = "";
	int rc;

	memset(out, 0, sizeof(*out));
	rc = otpi_json_get(text, len, "id", out->id, sizeof(out->id));
	if (rc == 0)
		rc = otpi_json_get(text, len, "state", word, sizeof(word));
	out->state = state_of(word);
	if (rc == 0)
		rc = otpi_json_get(text, len, "type", word, sizeof(word));
	out->supervisor = strcmp(word, "supervisor") == 0;
	if (rc == 0)
		rc = otpi_json_get(text, len, "pid", pid, sizeof(pid));
	out->pid = (int32_t)strtol(pid, NULL, 10);	/* of null: 0 */
	return rc;
}

/* The rows of a reply; *out is NULL for none. */
static int
read_children(const char *reply, size_t len, struct otp_child **out,
    size_t *out_n)
{
	struct otp_child *list = NULL, *more;
	const char *at, *item, *end;
	size_t n = 0, cap = 0, item_len;
	int rc;

	if (otpi_json_find(reply, len, "children", &at, &len) < 0)
		return -EPROTO;
	for (end = at + len; (rc = otpi_json_item(&at, end, &item,
	    &item_len)) == 1; n++) {
		if (n == cap) {
			cap = cap * 2 + 16;
			more = realloc(list, cap * sizeof(*list));
			if (more == NULL) {
				rc = -ENOMEM;
				break;
			}
			list = more;
		}
		if (read_child(item, item_len, &list[n]) < 0) {
			rc = -EPROTO;
			break;
		}
	}
	if (rc < 0) {
		free(list);
		return rc == -ENOMEM ? rc : -EPROTO;
	}
	*out = list;
	*out_n = n;
	return 0;
}

int
otp_which_children(struct otp *o, const char *sup, int timeout_ms,
    struct otp_child **children, size_t *n)
{
	struct otp_out text = { 0 };
	char *reply;
	size_t len;
	int rc;

	rc = begin(&text, "which_children", sup);
	if (rc == 0)
		rc = otp_print(&text, "}");
	rc = ask(o, &text, rc, timeout_ms, &reply, &len);
	if (rc == 0) {
		rc = read_children(reply, len, children, n);
		if (rc < 0)
			rc = otpi_fail(o, rc, NULL);
	}
	free(reply);
	return rc;
}

int
otp_count_children(struct otp *o, const char *sup, int timeout_ms,
    struct otp_count *out)
{
	struct otp_out text = { 0 };
	struct otp_count n = { 0 };
	struct {
		const char	*field;
		uint32_t	*to;
	} rows[] = {
		{ "specs", &n.specs }, { "active", &n.active },
		{ "supervisors", &n.supervisors }, { "workers", &n.workers },
	};
	char number[16], *reply;
	size_t len;
	int rc;

	rc = begin(&text, "count_children", sup);
	if (rc == 0)
		rc = otp_print(&text, "}");
	rc = ask(o, &text, rc, timeout_ms, &reply, &len);
	for (size_t i = 0; rc == 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
		rc = otpi_json_get(reply, len, rows[i].field, number,
		    sizeof(number));
		if (rc == 0)
			*rows[i].to = (uint32_t)strtoul(number, NULL, 10);
		else
			rc = otpi_fail(o, -EPROTO, NULL);
	}
	if (rc == 0)
		*out = n;
	free(reply);
	return rc;
}
