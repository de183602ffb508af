/* SPDX-License-Identifier: ISC */
/*
 * The env of applications: the engine has it, and is asked each time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"

static int
refusal(struct otp *o, const char *reply, size_t len)
{
	char error[64];

	if (otpi_json_get(reply, len, "error", error, sizeof(error)) < 0)
		return 0;
	if (strcmp(error, "undefined") == 0)
		return otpi_fail(o, -ENOENT, error);
	return otpi_fail(o, strcmp(error, "not_found") == 0 ? -OTP_ENOPROC :
	    -OTP_EREMOTE, error);
}

/* value NULL: none is said. */
static int
ask(struct otp *o, const char *op, const char *application, const char *key,
    const char *value, char **reply, size_t *len)
{
	struct otp_out text = { 0 };
	int rc;

	rc = otp_print(&text, "{\"op\":\"%s\",\"key\":", op);
	if (rc == 0)
		rc = otpi_json_string(&text, key);
	if (rc == 0 && application != NULL) {
		rc = otp_print(&text, ",\"application\":");
		if (rc == 0)
			rc = otpi_json_string(&text, application);
	}
	if (rc == 0 && value != NULL) {
		rc = otp_print(&text, ",\"value\":");
		if (rc == 0)
			rc = otpi_json_value(&text, value, strlen(value));
	}
	if (rc == 0)
		rc = otp_print(&text, "}");
	if (rc == 0)
		rc = otp_control(o, text.text, OTP_DEFAULT_TIMEOUT, reply,
		    len);
	otpi_out_free(&text);
	return rc < 0 ? rc : refusal(o, *reply, *len);
}

int
otp_get_env(struct otp *o, const char *application, const char *key,
    char **value)
{
	char *reply = NULL, *out;
	size_t len = 0;
	int rc;

	rc = ask(o, "get_env", application, key, NULL, &reply, &len);
	out = rc == 0 ? malloc(len + 1) : NULL;
	if (rc == 0 && out == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = otpi_json_get(reply, len, "value", out, len + 1);
	if (rc == 0)
		*value = out;
	else
		free(out);
	free(reply);
	return rc;
}

int
otp_set_env(struct otp *o, const char *application, const char *key,
    const char *value)
{
	char *reply = NULL;
	size_t len = 0;
	int rc;

	rc = ask(o, "set_env", application, key, value, &reply, &len);
	free(reply);
	return rc;
}
