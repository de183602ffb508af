/* SPDX-License-Identifier: ISC */
/*
 * OTP's own calls on a supervisor, with OTP's results.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otpctl/otpctl.h"

#define SPEC_MAX	(1024 * 1024)

static cJSON *
request_for(const char *op, const char *sup)
{
	cJSON *req = ctl_request(op);

	(void)cJSON_AddStringToObject(req, "sup", sup);
	return req;
}

static int
order(struct ctl *c, cJSON *req, const char *path, const char *done)
{
	cJSON *reply;
	int rc = ctl_order_in_turn(c, req, path, &reply);

	if (rc != CTL_OK)
		return rc;
	c->out->outcome(c, path, done, reply);
	cJSON_Delete(reply);
	return CTL_OK;
}

/* All of standard input; NULL after words. */
static char *
read_stdin(void)
{
	size_t len = 0;
	ssize_t n = 1;
	char *s = malloc(SPEC_MAX + 1);

	if (s == NULL)
		abort();
	while (n > 0 && len < SPEC_MAX) {
		n = read(STDIN_FILENO, s + len, SPEC_MAX - len);
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0 || len == SPEC_MAX) {
		ctl_warn("standard input: %s", n < 0 ? strerror(errno) :
		    "the specification is too long");
		free(s);
		return NULL;
	}
	s[len] = '\0';
	return s;
}

/* Where in text, so that people find it. */
static void
say_bad_json(const char *text, const char *at)
{
	unsigned line = 1, column = 1;

	for (; text < at && *text != '\0'; text++) {
		column++;
		if (*text == '\n') {
			line++;
			column = 1;
		}
	}
	ctl_warn("SPEC is not JSON: line %u, column %u", line, column);
}

static cJSON *
read_spec(const char *arg)
{
	char *text = strcmp(arg, "-") == 0 ? read_stdin() : strdup(arg);
	const char *end = text;
	cJSON *spec;

	if (text == NULL)
		return NULL;
	spec = cJSON_ParseWithOpts(text, &end, 1);
	if (spec == NULL)
		say_bad_json(text, end);
	free(text);
	if (spec != NULL && !cJSON_IsObject(spec)) {
		ctl_warn("SPEC is not a JSON object: {\"id\": ...}");
		cJSON_Delete(spec);
		return NULL;
	}
	return spec;
}

int
cmd_start_child(struct ctl *c)
{
	cJSON *req, *spec = read_spec(c->argv[1]);

	if (spec == NULL)
		return CTL_USAGE;
	req = request_for("start_child", c->argv[0]);
	(void)cJSON_AddItemToObject(req, "spec", spec);
	return order(c, req, NULL, "started");
}

static int
on_child(struct ctl *c, const char *op, const char *done)
{
	cJSON *req = request_for(op, c->argv[0]);
	struct buf path = { NULL, 0, 0 };
	int rc;

	(void)cJSON_AddStringToObject(req, "id", c->argv[1]);
	if (strcmp(c->argv[0], "/") != 0 && c->argv[0][0] != '\0')
		buf_printf(&path, "%s/", c->argv[0]);
	buf_puts(&path, c->argv[1]);
	rc = order(c, req, path.data, done);
	buf_done(&path);
	return rc;
}

int
cmd_terminate_child(struct ctl *c)
{
	return on_child(c, "terminate_child", "terminated");
}

int
cmd_restart_child(struct ctl *c)
{
	return on_child(c, "restart_child", "started");
}

int
cmd_delete_child(struct ctl *c)
{
	return on_child(c, "delete_child", "deleted");
}

int
cmd_which_children(struct ctl *c)
{
	cJSON *reply;
	int rc = ctl_order(c, request_for("which_children", c->argv[0]),
	    c->argv[0], &reply);

	if (rc != CTL_OK)
		return rc;
	c->out->rows(c, cJSON_GetObjectItemCaseSensitive(reply, "children"));
	cJSON_Delete(reply);
	return CTL_OK;
}

/* Those that read as integers are; JSON's strings are text. */
static void
add_key(cJSON *req, const char *key)
{
	const char *digits = key + (*key == '-');
	cJSON *text = *key == '"' ? cJSON_Parse(key) : NULL;

	if (cJSON_IsString(text))
		(void)cJSON_AddStringToObject(req, "key", text->valuestring);
	else if (*digits != '\0' &&
	    digits[strspn(digits, "0123456789")] == '\0')
		(void)cJSON_AddStringToObject(req, "integer", key);
	else
		(void)cJSON_AddStringToObject(req, "key", key);
	cJSON_Delete(text);
}

int
cmd_partition(struct ctl *c)
{
	cJSON *reply, *req = request_for("partition", c->argv[0]);
	const char *path;
	int rc;

	add_key(req, c->argv[1]);
	rc = ctl_order(c, req, c->argv[0], &reply);
	if (rc != CTL_OK)
		return rc;
	path = ctl_string(reply, "path");
	if (c->json) {
		c->out->outcome(c, NULL, NULL, reply);
	} else {
		buf_text(&c->text, path != NULL ? path : "?");
		buf_puts(&c->text, "\n");
	}
	cJSON_Delete(reply);
	return CTL_OK;
}

int
cmd_count_children(struct ctl *c)
{
	cJSON *reply;
	int rc = ctl_order(c, request_for("count_children", c->argv[0]),
	    c->argv[0], &reply);

	if (rc != CTL_OK)
		return rc;
	c->out->counts(c, reply);
	cJSON_Delete(reply);
	return CTL_OK;
}
