/* SPDX-License-Identifier: ISC */
/*
 * For programs: what the engine answered, one JSON text a line, unchanged but
 * for escapes.
 */
#include <stdlib.h>
#include <string.h>

#include "otpctl/otpctl.h"

static void
print(struct ctl *c, const cJSON *o)
{
	char *s = cJSON_PrintUnformatted(o);

	if (s == NULL)
		abort();
	buf_json(&c->text, s, strlen(s));
	buf_puts(&c->text, "\n");
	cJSON_free(s);
}

static void
print_status(struct ctl *c, const cJSON *reply)
{
	print(c, cJSON_GetObjectItemCaseSensitive(reply, "children"));
}

static void
print_why(struct ctl *c, const cJSON *reply, const char *log, size_t log_len)
{
	cJSON *o = cJSON_Duplicate(reply, 1), *lines = cJSON_CreateArray();
	const char *end;
	char *line;

	if (o == NULL || lines == NULL)
		abort();
	while (log_len > 0) {
		end = memchr(log, '\n', log_len);
		line = strndup(log, end ? (size_t)(end - log) : log_len);
		if (line == NULL)
			abort();
		(void)cJSON_AddItemToArray(lines, cJSON_CreateString(line));
		free(line);
		log_len -= end ? (size_t)(end - log) + 1 : log_len;
		log = end ? end + 1 : log;
	}
	(void)cJSON_AddItemToObject(o, "log", lines);
	print(c, o);
	cJSON_Delete(o);
}

static void
print_outcome(struct ctl *c, const char *path, const char *done,
    const cJSON *reply)
{
	(void)path;
	(void)done;
	print(c, reply);
}

static void
print_refusal(struct ctl *c, const char *path, const cJSON *reply)
{
	(void)path;
	print(c, reply);
}

static void
print_lines(struct ctl *c, const char *data, size_t len)
{
	const char *end, *stop = data + len;
	char *line;
	cJSON *o;

	for (; data < stop; data = end + 1) {
		end = memchr(data, '\n', (size_t)(stop - data));
		if (end == NULL)
			end = stop;
		line = strndup(data, (size_t)(end - data));
		o = cJSON_CreateObject();
		if (line == NULL || o == NULL)
			abort();
		(void)cJSON_AddStringToObject(o, "line", line);
		print(c, o);
		cJSON_Delete(o);
		free(line);
	}
}

const struct output output_json = {
	.refused = print_refusal,
	.status = print_status,
	.state = print,
	.outcome = print_outcome,
	.changes = print,
	.event = print,
	.failed = print,
	.why = print_why,
	.apps = print,
	.rows = print,
	.counts = print,
	.info = print,
	.lines = print_lines,
};
