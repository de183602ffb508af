/* SPDX-License-Identifier: ISC */
/*
 * The state that an otp-agent keeps, read and changed by hand.  What is no
 * JSON is refused here: as part of the request it would be another request.
 */
#include <stdlib.h>
#include <string.h>

#include "otpctl/pretty.h"
#include "otpctl/server.h"
#include "wire/frame.h"

#define OPERANDS	2	/* NAME OP come before those of OP */

static const struct agent_row {
	const char	*name, *op;
	const char	*done;		/* NULL: the reply has a value */
	int		 min, max;	/* operands */
} agent_rows[] = {
	{ "get", "get", NULL, 0, 1 },
	{ "put", "put", "put", 2, 2 },
	{ "update", "update", "updated", 2, 2 },
	{ "delete", "delete", "deleted", 1, 1 },
	{ "get-and-update", "get_and_update", NULL, 2, 3 },
	{ NULL, NULL, NULL, 0, 0 }
};

static void
add_path(struct buf *b, const char *path)
{
	cJSON *string = cJSON_CreateString(strcmp(path, ".") == 0 ? "" :
	    path);
	char *quoted = cJSON_PrintUnformatted(string);

	if (quoted == NULL)
		abort();
	buf_puts(b, ",\"path\":");
	buf_puts(b, quoted);
	cJSON_free(quoted);
	cJSON_Delete(string);
}

/* ,"member": and the operand, which is JSON.  False after words. */
static bool
add_value(struct ctl *c, struct buf *b, const char *member, int operand)
{
	struct buf value = { NULL, 0, 0 };
	bool good;

	if (operand >= c->argc)
		return true;
	if (strcmp(member, "compare") == 0 &&
	    strcmp(c->argv[operand], "absent") == 0) {
		buf_puts(b, ",\"absent\":true");
		return true;
	}
	if (!server_payload(c, operand, &value))
		return false;
	good = value.len > 0 && pretty_is_json(value.data, value.len);
	if (good) {
		buf_printf(b, ",\"%s\":", member);
		buf_add(b, value.data, value.len);
	} else {
		ctl_warn("not JSON: %s; a text stands in quotes, as '\"text\"'",
		    value.data);
	}
	buf_done(&value);
	return good;
}

/* What stands behind {"value": */
static void
show_value(struct ctl *c, const char *text, size_t len)
{
	cJSON *reply = cJSON_ParseWithLength(text, len);
	static const char head[] = "{\"value\":", absent[] = ",\"absent\":true";
	const size_t skip = sizeof(head) - 1;

	if (strncmp(text, head, skip) == 0) {
		text += skip;
		len -= skip + 1;
		if (cJSON_HasObjectItem(reply, "absent") &&
		    len > sizeof(absent))
			len -= sizeof(absent) - 1;
	}
	cJSON_Delete(reply);
	if (!c->quiet)
		pretty_json(&c->text, text, len, c->json);
}

static int
show_reply(struct ctl *c, const struct agent_row *row, const char *text,
    size_t len)
{
	cJSON *reply = cJSON_ParseWithLength(text, len);
	int rc = ctl_exit_of(reply);

	if (rc != CTL_OK)
		c->out->refused(c, ctl_string(reply, "path") != NULL ? NULL :
		    c->argv[0], reply);
	else if (!cJSON_IsObject(reply))
		server_show(c, text, len);	/* whoever that is */
	else if (row->done != NULL)
		c->out->outcome(c, c->argv[0], row->done, reply);
	else
		show_value(c, text, len);
	cJSON_Delete(reply);
	return rc;
}

static const struct agent_row *
find_row(const struct ctl *c)
{
	const struct agent_row *row = agent_rows;

	while (row->name != NULL && strcmp(row->name, c->argv[1]) != 0)
		row++;
	return row->name == NULL || c->argc - OPERANDS < row->min ||
	    c->argc - OPERANDS > row->max ? NULL : row;
}

int
cmd_agent(struct ctl *c)
{
	const struct agent_row *row = find_row(c);
	struct server_call call = { .type = FRAME_CALL };
	struct buf request = { NULL, 0, 0 };
	char *reply = NULL;
	int rc = CTL_USAGE;
	size_t len;

	if (row == NULL) {
		ctl_warn("usage: otpctl agent NAME get [PATH] | put PATH VALUE "
		    "| update PATH PATCH | delete PATH | get-and-update PATH "
		    "VALUE [COMPARE|absent]");
		return CTL_USAGE;
	}
	buf_printf(&request, "{\"op\":\"%s\"", row->op);
	if (c->argc > OPERANDS)
		add_path(&request, c->argv[OPERANDS]);
	if (add_value(c, &request, "value", OPERANDS + 1) &&
	    add_value(c, &request, "compare", OPERANDS + 2)) {
		buf_puts(&request, "}");
		call.payload = request.data;
		call.len = request.len;
		rc = server_ask(c, c->argv[0], &call, &reply, &len);
	}
	if (rc == CTL_OK && reply != NULL)
		rc = show_reply(c, row, reply, len);
	buf_done(&request);
	free(reply);
	return rc;
}
