/* SPDX-License-Identifier: ISC */
/*
 * Applications: which there are, start and stop of one, and their env.
 */
#include <stdlib.h>
#include <string.h>

#include "otpctl/otpctl.h"
#include "otpctl/pretty.h"

int
cmd_apps(struct ctl *c)
{
	cJSON *reply;
	int rc = ctl_order(c, ctl_request("apps"), NULL, &reply);

	if (rc != CTL_OK)
		return rc;
	c->out->apps(c, cJSON_GetObjectItemCaseSensitive(reply,
	    "applications"));
	cJSON_Delete(reply);
	return CTL_OK;
}

/* What this start has started, the last one the one that was meant. */
static void
show_started(struct ctl *c, const char *name, const cJSON *reply)
{
	const cJSON *app, *started = cJSON_GetObjectItemCaseSensitive(reply,
	    "started");

	if (cJSON_GetArraySize(started) == 0)
		c->out->outcome(c, name, "running already", reply);
	else if (c->json)
		c->out->outcome(c, name, "started", reply);
	else
		cJSON_ArrayForEach(app, started)
			c->out->outcome(c, cJSON_GetStringValue(app),
			    "started", reply);
}

static int
order(struct ctl *c, const char *op, const char *done)
{
	const char *name = c->argv[1];
	cJSON *reply, *req = ctl_request(op);
	int rc;

	(void)cJSON_AddStringToObject(req, "name", name);
	if (c->alone)
		(void)cJSON_AddBoolToObject(req, "alone", 1);
	rc = ctl_order(c, req, name, &reply);
	if (rc != CTL_OK)
		return rc;
	if (done == NULL)
		show_started(c, name, reply);
	else
		c->out->outcome(c, name, done, reply);
	cJSON_Delete(reply);
	return CTL_OK;
}

static void
show_json(struct ctl *c, const cJSON *value)
{
	char *text = cJSON_PrintUnformatted(value);

	if (text == NULL)
		abort();
	pretty_json(&c->text, text, strlen(text), c->json);
	cJSON_free(text);
}

/* All of it, one value, or a value set: JSON, or else a string. */
static int
env(struct ctl *c)
{
	cJSON *reply, *value, *req = ctl_request(c->argc > 3 ? "set_env" :
	    "get_env");
	int rc;

	(void)cJSON_AddStringToObject(req, "application", c->argv[1]);
	if (c->argc > 2)
		(void)cJSON_AddStringToObject(req, "key", c->argv[2]);
	if (c->argc > 3) {
		value = cJSON_ParseWithOpts(c->argv[3], NULL, 1);
		(void)cJSON_AddItemToObject(req, "value", value != NULL ?
		    value : cJSON_CreateString(c->argv[3]));
	}
	rc = ctl_order(c, req, c->argv[1], &reply);
	if (rc != CTL_OK)
		return rc;
	if (c->argc > 3)
		c->out->outcome(c, c->argv[1], "set", reply);
	else
		show_json(c, cJSON_GetObjectItemCaseSensitive(reply,
		    c->argc > 2 ? "value" : "env"));
	cJSON_Delete(reply);
	return CTL_OK;
}

int
cmd_app(struct ctl *c)
{
	const char *what = c->argv[0];

	if (strcmp(what, "env") == 0 && !c->alone)
		return env(c);
	if (c->argc == 2 && strcmp(what, "start") == 0)
		return order(c, "app_start", NULL);
	if (c->argc == 2 && strcmp(what, "stop") == 0 && !c->alone)
		return order(c, "app_stop", "stopped");
	if (c->argc == 2 && strcmp(what, "restart") == 0 && !c->alone)
		return order(c, "app_restart", "restarted");
	ctl_warn("usage: otpctl app start [--alone] NAME, stop NAME, restart "
	    "NAME, env NAME [KEY [VALUE]]");
	return CTL_USAGE;
}
