/* SPDX-License-Identifier: ISC */
/*
 * Requests to the engine.  It may die over one: then what only asks is asked
 * of the next engine, and of anything else nobody knows whether it was done,
 * which is said at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"
#include "libotp/serve.h"

#define TRIES		5	/* of engines that die over a question */

/* Those that change nothing: asked twice is asked once. */
static const char *const questions[] = {
	"status", "check", "why", "failed", "wait", "sync", "info",
	"which_children", "count_children", "partition", "apps", "get_env",
	"task_supervisor", "whereis", "why_down",
	"registry_lookup", "registry_whereis", "registry_select",
	"registry_keys", "registry_values", "registry_count",
	"registry_meta", "registry_list",
};

static bool
only_asks(const char *json)
{
	char op[32];

	if (otpi_json_get(json, strlen(json), "op", op, sizeof(op)) < 0)
		return false;
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		if (strcmp(questions[i], op) == 0)
			return true;
	return false;
}

static int
left_ms(uint64_t deadline)
{
	uint64_t now = otpi_now();

	if (deadline == 0)
		return OTP_INFINITY;
	return now >= deadline ? 0 : (int)((deadline - now) / OTPI_MSEC + 1);
}

int
otp_control(struct otp *o, const char *json, int timeout_ms, char **reply,
    size_t *reply_len)
{
	uint64_t deadline = otpi_deadline(o, timeout_ms);
	bool again = only_asks(json);
	int rc;

	if (otpi_has_link(o))
		return again ?
		    otpi_link_repeat(o, json, deadline, reply, reply_len) :
		    otpi_link_call(o, json, deadline, reply, reply_len);
	for (int i = 0; ; i++) {
		rc = otp_call(o, "otpd", json, strlen(json), left_ms(deadline),
		    reply, reply_len);
		if (rc != -OTP_EDOWN || !again || i == TRIES)
			break;
	}
	return rc == -OTP_EDOWN && !again ?
	    otpi_fail(o, -OTP_EUNKNOWN, OTPI_NOBODY_KNOWS) : rc;
}
