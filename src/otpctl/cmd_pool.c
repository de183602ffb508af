/* SPDX-License-Identifier: ISC */
/*
 * How a pool stands, and who holds its workers.
 */
#include <stdlib.h>
#include <string.h>

#include "otpctl/server.h"
#include "wire/frame.h"

/* One line for each that is lent. */
static void
show_loans(struct ctl *c, const cJSON *loans)
{
	const cJSON *loan;

	cJSON_ArrayForEach(loan, loans) {
		buf_text(&c->text, ctl_string(loan, "worker") != NULL ?
		    ctl_string(loan, "worker") : "-");
		buf_printf(&c->text, "  held by pid %.0f\n",
		    ctl_number(loan, "pid", 0));
	}
}

static void
show_pool(struct ctl *c, const cJSON *reply)
{
	const char *state = ctl_string(reply, "state");

	if (c->quiet)
		return;
	buf_text(&c->text, c->argv[0]);
	buf_puts(&c->text, ": ");
	buf_text(&c->text, state);
	buf_printf(&c->text, ", %.0f of %.0f free, %.0f held, %.0f of %.0f "
	    "overflow, %.0f waiting", ctl_number(reply, "free", 0),
	    ctl_number(reply, "size", 0), ctl_number(reply, "held", 0),
	    ctl_number(reply, "overflow", 0),
	    ctl_number(reply, "max_overflow", 0),
	    ctl_number(reply, "waiting", 0));
	if (ctl_number(reply, "starting", 0) > 0)
		buf_printf(&c->text, ", %.0f starting",
		    ctl_number(reply, "starting", 0));
	buf_puts(&c->text, "\n");
	show_loans(c, cJSON_GetObjectItemCaseSensitive(reply, "loans"));
}

int
cmd_pool(struct ctl *c)
{
	static const char request[] = "{\"op\":\"status\"}";
	struct server_call call = { .type = FRAME_CALL, .payload = request,
	    .len = sizeof(request) - 1 };
	char *text = NULL;
	cJSON *reply;
	size_t len;
	int rc = server_ask(c, c->argv[0], &call, &text, &len);

	if (rc != CTL_OK)
		return rc;
	reply = cJSON_ParseWithLength(text, len);
	rc = ctl_exit_of(reply);
	if (rc != CTL_OK)
		c->out->refused(c, c->argv[0], reply);
	else if (c->json)
		server_show(c, text, len);
	else if (ctl_string(reply, "state") != NULL)
		show_pool(c, reply);
	else {
		ctl_warn("%s is no pool", c->argv[0]);
		rc = CTL_FAILED;
	}
	cJSON_Delete(reply);
	free(text);
	return rc;
}
