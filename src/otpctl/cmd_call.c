/* SPDX-License-Identifier: ISC */
/*
 * Speaking with gen_servers: call, cast, send, and the system messages that
 * every one of them answers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otpctl/pretty.h"
#include "otpctl/server.h"
#include "wire/frame.h"

static bool
read_stdin(struct buf *b)
{
	char piece[65536];
	ssize_t n;

	for (;;) {
		n = read(STDIN_FILENO, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf_add(b, piece, (size_t)n);
		if (b->len > UINT32_MAX) {
			errno = EMSGSIZE;
			n = -1;
			break;
		}
	}
	if (n < 0)
		ctl_warn("standard input: %s", strerror(errno));
	return n == 0;
}

bool
server_payload(struct ctl *c, int operand, struct buf *b)
{
	if (operand >= c->argc)
		buf_puts(b, "");
	else if (strcmp(c->argv[operand], "-") == 0)
		return read_stdin(b);
	else
		buf_puts(b, c->argv[operand]);
	return true;
}

void
server_show(struct ctl *c, const char *text, size_t len)
{
	cJSON *string;
	char *quoted;

	if (c->quiet)
		return;
	if (pretty_is_json(text, len)) {
		pretty_json(&c->text, text, len, c->json);
	} else if (c->json) {
		string = cJSON_CreateString(text);
		quoted = cJSON_PrintUnformatted(string);
		if (quoted == NULL)
			abort();
		buf_json(&c->text, quoted, strlen(quoted));
		buf_puts(&c->text, "\n");
		cJSON_free(quoted);
		cJSON_Delete(string);
	} else {
		c->out->lines(c, text, len);
		if (c->look.terminal && len > 0 && text[len - 1] != '\n')
			buf_puts(&c->text, "\n");
	}
}

static int
speak(struct ctl *c, uint8_t type)
{
	struct server_call call = { .type = type };
	struct buf payload = { NULL, 0, 0 };
	char *reply = NULL;
	int rc = CTL_USAGE;
	size_t len;

	if (server_payload(c, 1, &payload)) {
		call.payload = payload.data != NULL ? payload.data : "";
		call.len = payload.len;
		rc = server_ask(c, c->argv[0], &call, &reply, &len);
	}
	if (rc == CTL_OK && reply != NULL)
		server_show(c, reply, len);
	buf_done(&payload);
	free(reply);
	return rc;
}

int
cmd_call(struct ctl *c)
{
	return speak(c, FRAME_CALL);
}

int
cmd_cast(struct ctl *c)
{
	return speak(c, FRAME_CAST);
}

int
cmd_send(struct ctl *c)
{
	return speak(c, FRAME_INFO);
}

/* --- sys --- */

/* What a traced server does, a line each; *arg is the ctl. */
static int
show_trace(void *arg, const char *text, size_t len)
{
	struct ctl *c = arg;
	cJSON *o = c->json ? NULL : cJSON_ParseWithLength(text, len);
	const cJSON *data = cJSON_GetObjectItemCaseSensitive(o, "data");
	const char *event = ctl_string(o, "event");
	const char *type = ctl_string(o, "type");
	char *printed;

	if (event == NULL || type == NULL) {
		server_show(c, text, len);
	} else {
		buf_text(&c->text, event);
		buf_pad(&c->text, strlen(event) < 4 ? 4 - strlen(event) : 1);
		buf_text(&c->text, type);
		buf_pad(&c->text, strlen(type) < 6 ? 6 - strlen(type) : 1);
		printed = cJSON_PrintUnformatted(data);
		if (printed != NULL)
			buf_json(&c->text, printed, strlen(printed));
		buf_puts(&c->text, "\n");
		cJSON_free(printed);
	}
	cJSON_Delete(o);
	buf_flush(&c->text, STDOUT_FILENO);
	return 0;
}

struct sys_row {
	const char	*name;
	uint16_t	 tag;		/* of SYSTEM, as in otp-protocol(7) */
	const char	*done;		/* NULL: the reply is what is wanted */
	bool		 payload;	/* takes one */
};

static const struct sys_row sys_rows[] = {
	{ "get-state", 1, NULL, false },
	{ "get-status", 2, NULL, false },
	{ "suspend", 3, "suspended", false },
	{ "resume", 4, "resumed", false },
	{ "statistics", 5, NULL, false },
	{ "trace", 6, "no longer traced", true },
	{ "replace-state", 7, "state replaced", true },
	{ "terminate", 8, "terminated", true },
	{ "change-code", 9, "code changed", true },
	{ NULL, 0, NULL, false }
};

static const struct sys_row *
find_row(const char *name)
{
	const struct sys_row *row = sys_rows;

	while (row->name != NULL && strcmp(row->name, name) != 0)
		row++;
	return row->name != NULL ? row : NULL;
}

/* The reply of a row that is done, or a refusal. */
static int
show_reply(struct ctl *c, const struct sys_row *row, const char *text,
    size_t len)
{
	cJSON *reply = cJSON_ParseWithLength(text, len);
	int rc = ctl_exit_of(reply);

	if (rc != CTL_OK)
		c->out->refused(c, c->argv[1], reply);
	else if (row->done == NULL || !cJSON_IsObject(reply))
		server_show(c, text, len);
	else
		c->out->outcome(c, c->argv[1], row->done, reply);
	cJSON_Delete(reply);
	return rc;
}

static int
sys_usage(void)
{
	ctl_warn("usage: otpctl sys get-state|get-status|suspend|resume|"
	    "statistics NAME, trace NAME [on|off], replace-state NAME STATE, "
	    "change-code NAME [EXTRA], terminate NAME [REASON]");
	return CTL_USAGE;
}

int
cmd_sys(struct ctl *c)
{
	const struct sys_row *row = find_row(c->argv[0]);
	struct server_call call = { .type = FRAME_SYSTEM };
	struct buf payload = { NULL, 0, 0 };
	char *reply = NULL;
	size_t len;
	int rc;

	if (row == NULL || (c->argc > 2 && !row->payload))
		return sys_usage();
	if (strcmp(row->name, "trace") == 0 &&
	    (c->argc == 2 || strcmp(c->argv[2], "off") != 0)) {
		if (c->argc > 2 && strcmp(c->argv[2], "on") != 0)
			return sys_usage();
		call.follow = show_trace;
		if (c->timeout_ns == 0)
			c->deadline = 0;
	}
	if (!server_payload(c, 2, &payload))
		return CTL_USAGE;
	call.tag = row->tag;
	call.payload = payload.data != NULL ? payload.data : "";
	call.len = payload.len;
	rc = server_ask(c, c->argv[1], &call, &reply, &len);
	if (rc == CTL_OK && (call.follow == NULL ||
	    server_refused(reply, len)))
		rc = show_reply(c, row, reply, len);
	buf_done(&payload);
	free(reply);
	return rc;
}
