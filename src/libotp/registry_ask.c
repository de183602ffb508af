/* SPDX-License-Identifier: ISC */
/*
 * How registries are asked.  An engine that dies over a request is followed by
 * one that is asked again; a number that goes with each change tells it what
 * was done already.
 */
#include "libotp/registry_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/serve.h"
#include "wire/bytes.h"

#define TRIES		5	/* of engines that die over a question */

void
otpi_ask_begin(struct otpi_ask *a, const char *op, const char *registry)
{
	*a = (struct otpi_ask){ 0 };
	a->rc = otp_print(&a->out, "{\"op\":\"registry_%s\"", op);
	otpi_ask_text(a, "registry", registry);
}

void
otpi_ask_text(struct otpi_ask *a, const char *field, const char *text)
{
	if (a->rc == 0)
		a->rc = otp_print(&a->out, ",\"%s\":", field);
	if (a->rc == 0)
		a->rc = otpi_json_string(&a->out, text);
}

void
otpi_ask_bytes(struct otpi_ask *a, const char *field, const void *data,
    size_t len)
{
	char *coded;

	if (a->rc == 0 && len > OTP_VALUE_MAX)
		a->rc = -EMSGSIZE;
	if (a->rc < 0)
		return;
	if (bytes_are_text(data, len)) {
		a->rc = otp_print(&a->out, ",\"%s\":", field);
		if (a->rc == 0)
			a->rc = otpi_json_quoted(&a->out, data, len);
		return;
	}
	coded = malloc(BYTES_BASE64_SIZE(len));
	a->rc = coded == NULL ? -ENOMEM : 0;
	if (coded != NULL) {
		bytes_to_base64(data, len, coded);
		a->rc = otp_print(&a->out, ",\"%s64\":\"%s\"", field, coded);
	}
	free(coded);
}

void
otpi_ask_end(struct otpi_ask *a)
{
	otpi_out_free(&a->out);
}

/* --- the answer --- */

static int
taken(struct otp *o, const char *reply, size_t len)
{
	char path[512] = "", pid[32] = "";

	(void)otpi_json_get(reply, len, "path", path, sizeof(path));
	(void)otpi_json_get(reply, len, "pid", pid, sizeof(pid));
	(void)snprintf(o->reason, sizeof(o->reason),
	    "{already_registered,%.200s,%s}", path, pid);
	return -OTP_EALREADY;
}

/* What a refusal stands for. */
static int
judge(struct otp *o, const char *reply, size_t len)
{
	static const struct { const char *word; int error; } words[] = {
		{ "noproc", -OTP_ENOPROC }, { "not_found", -ENOENT },
		{ "full", -OTP_EFULL }, { "too_large", -EMSGSIZE },
		{ "deadlock", -EDEADLK }, { "invalid", -EINVAL },
		{ "already_started", -OTP_EALREADY },
	};
	char error[64];

	if (otpi_json_get(reply, len, "error", error, sizeof(error)) < 0)
		return 0;
	if (strcmp(error, "already_registered") == 0)
		return taken(o, reply, len);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, error) == 0)
			return otpi_fail(o, words[i].error, error);
	return otpi_fail(o, -OTP_EREMOTE, error);
}

static int
left_ms(uint64_t deadline)
{
	uint64_t now = otpi_now();

	if (deadline == 0)
		return OTP_INFINITY;
	return now >= deadline ? 0 : (int)((deadline - now) / OTPI_MSEC + 1);
}

static int
transact(struct otp *o, const char *json, uint64_t deadline, char **reply,
    size_t *len)
{
	int rc;

	if (otpi_has_link(o))
		return otpi_link_repeat(o, json, deadline, reply, len);
	for (int i = 0; ; i++) {
		rc = otp_control(o, json, left_ms(deadline), reply, len);
		if (rc != -OTP_EDOWN || i == TRIES)
			return rc;
	}
}

int
otpi_ask_send(struct otp *o, struct otpi_ask *a, const char *after,
    uint64_t deadline, char **reply, size_t *len)
{
	size_t before = a->out.len;
	char *text = NULL;
	int rc = a->rc;

	if (rc == 0 && a->change && !otpi_has_link(o))
		return otpi_fail(o, -ENOTCONN, "noconnection");
	if (rc == 0 && a->change)
		rc = otp_print(&a->out, ",\"call\":%u", ++o->srv->next_call);
	if (rc == 0 && after != NULL)
		rc = otp_print(&a->out, ",\"after\":\"%s\"", after);
	if (rc == 0)
		rc = otp_write(&a->out, "}", 1);
	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	rc = transact(o, a->out.text, deadline, &text, len);
	a->out.len = before;
	if (rc == 0)
		rc = judge(o, text, *len);
	if (rc < 0)
		free(text);
	else
		*reply = text;
	return rc;
}

int
otpi_ask_finish(struct otp *o, struct otpi_ask *a, char **reply, size_t *len)
{
	char *text = NULL;
	size_t size = 0;
	int rc = otpi_ask_send(o, a, NULL, otpi_deadline(o,
	    OTP_DEFAULT_TIMEOUT), &text, &size);

	otpi_ask_end(a);
	if (rc < 0)
		return rc;
	if (reply == NULL) {
		free(text);
		return 0;
	}
	*reply = text;
	*len = size;
	return 0;
}

int
otpi_ask_get(const char *text, size_t len, const char *field, char **out,
    size_t *out_len)
{
	char name[32], *room;
	const char *raw;
	size_t size;
	long n;

	if (otpi_json_find(text, len, field, &raw, &size) == 0) {
		room = malloc(size + 1);
		if (room == NULL)
			return -ENOMEM;
		if (otpi_json_get(text, len, field, room, size + 1) < 0)
			room[0] = '\0';
		*out = room;
		*out_len = strlen(room);
		return 0;
	}
	(void)snprintf(name, sizeof(name), "%s64", field);
	if (otpi_json_find(text, len, name, &raw, &size) < 0 || size < 2)
		return -ENOENT;
	room = malloc(size + 1);
	if (room == NULL)
		return -ENOMEM;
	n = bytes_from_base64(raw + 1, size - 2, room);
	if (n < 0) {
		free(room);
		return -EPROTO;
	}
	room[n] = '\0';
	*out = room;
	*out_len = (size_t)n;
	return 0;
}
