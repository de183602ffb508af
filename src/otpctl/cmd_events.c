/* SPDX-License-Identifier: ISC */
/*
 * Streams: the engine's events, and what services wrote, from the logger.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otpctl/otpctl.h"

#define LOG_LINES	20

/* --- events --- */

/* After a break: what came behind the last one that was shown. */
static cJSON *
events_request(struct ctl *c, bool again)
{
	cJSON *req = ctl_request("events");

	(void)again;
	if (c->has_since)
		(void)cJSON_AddNumberToObject(req, "since",
		    (double)c->since);
	(void)cJSON_AddBoolToObject(req, "follow", c->follow);
	return req;
}

static int
show_event(void *arg, const char *payload, size_t len)
{
	cJSON *e = cJSON_ParseWithLength(payload, len);
	struct ctl *c = arg;
	double seq;

	if (!cJSON_IsObject(e)) {
		cJSON_Delete(e);
		ctl_warn("otpd sent an event that is no JSON object");
		return CTL_FAILED;
	}
	seq = ctl_number(e, "seq", 0);
	if (seq < 1 || seq > 9e15 || !c->has_since || seq >= (double)c->since)
		c->out->event(c, e);
	if (seq >= 1 && seq < 9e15) {
		c->since = (uint64_t)seq + 1;
		c->has_since = true;
	}
	cJSON_Delete(e);
	if (c->follow || c->text.len > 65536)
		buf_flush(&c->text, STDOUT_FILENO);
	return 0;
}

int
cmd_events(struct ctl *c)
{
	return ctl_stream(c, CTL_ENGINE, events_request, show_event);
}

/* --- logs --- */

static cJSON *
logs_request(struct ctl *c, bool again)
{
	cJSON *req = ctl_request("logs");

	if (again) {
		ctl_warn("the logger was restarted; lines may be missing "
		    "here");
		c->lines = 0;
	}
	(void)cJSON_AddStringToObject(req, "path", c->argv[0]);
	(void)cJSON_AddNumberToObject(req, "n", c->lines);
	(void)cJSON_AddBoolToObject(req, "follow", c->follow);
	return req;
}

static int
show_lines(void *arg, const char *payload, size_t len)
{
	struct ctl *c = arg;

	c->out->lines(c, payload, len);
	buf_flush(&c->text, STDOUT_FILENO);
	return 0;
}

/* Who asks for it now is not told of this question. */
static bool
logger_has(struct ctl *c, const char *path)
{
	cJSON *req = ctl_request("logs"), *reply;
	bool has;

	(void)cJSON_AddStringToObject(req, "path", path);
	(void)cJSON_AddNumberToObject(req, "n", 0);
	if (ctl_ask(c, CTL_LOGGER, req, &reply) != CTL_OK)
		return false;
	has = ctl_exit_of(reply) == CTL_OK;
	cJSON_Delete(reply);
	return has;
}

/* Of no child that there is: one that is gone has left its files. */
static int
gone_path(struct ctl *c, const cJSON *refusal, char **out)
{
	int rc = ctl_exit_of(refusal);

	if (rc == CTL_NO_CHILD && logger_has(c, c->argv[0])) {
		*out = strdup(c->argv[0]);
		if (*out == NULL)
			abort();
		return CTL_OK;
	}
	c->out->refused(c, NULL, refusal);
	return rc;
}

/*
 * The logger knows whole paths only: let the engine complete it, and say
 * whether there is a log at all.  *out: the path, caller frees.
 */
static int
full_path(struct ctl *c, char **out)
{
	cJSON *req = ctl_request("status"), *reply, *list;
	const cJSON *child;
	const char *path;
	int rc;

	list = cJSON_AddArrayToObject(req, "paths");
	(void)cJSON_AddItemToArray(list, cJSON_CreateString(c->argv[0]));
	rc = ctl_ask(c, CTL_ENGINE, req, &reply);
	if (rc != CTL_OK)
		return rc;
	if (ctl_exit_of(reply) != CTL_OK) {
		rc = gone_path(c, reply, out);
		cJSON_Delete(reply);
		return rc;
	}
	child = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(reply,
	    "children"), 0);
	path = ctl_string(child, "path");
	if (path == NULL || ctl_string(child, "log") == NULL) {
		ctl_warn("%s has no log of its own", path != NULL ? path :
		    c->argv[0]);
		cJSON_Delete(reply);
		return CTL_FAILED;
	}
	*out = strdup(path);
	cJSON_Delete(reply);
	if (*out == NULL)
		abort();
	return CTL_OK;
}

int
cmd_logs(struct ctl *c)
{
	char *path = NULL;
	int rc = full_path(c, &path);

	if (rc != CTL_OK)
		return rc;
	c->argv[0] = path;
	if (c->lines < 0)
		c->lines = LOG_LINES;
	rc = ctl_stream(c, CTL_LOGGER, logs_request, show_lines);
	free(path);
	return rc;
}

static int
keep_lines(void *arg, const char *payload, size_t len)
{
	buf_add(arg, payload, len);
	return 0;
}

bool
log_tail(struct ctl *c, const char *path, int n, struct buf *b)
{
	uint64_t until = ctl_now_ns() + UINT64_C(2000000000);
	cJSON *req = ctl_request("logs");
	struct client *client;
	char *payload;
	int rc = -1;

	(void)cJSON_AddStringToObject(req, "path", path);
	(void)cJSON_AddNumberToObject(req, "n", n);
	payload = cJSON_PrintUnformatted(req);
	cJSON_Delete(req);
	if (payload == NULL)
		abort();
	client = client_open(c->links[CTL_LOGGER].path, until);
	if (client != NULL) {
		rc = client_stream(client, payload, strlen(payload), until,
		    keep_lines, b);
		client_close(client);
	}
	cJSON_free(payload);
	return rc == 0;
}
