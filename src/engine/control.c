/* SPDX-License-Identifier: ISC */
/*
 * Requests to the engine: a JSON object each, answered by one.  A request is a
 * row of the table below.  Who may ask is decided before, by who connected.
 */
#include "engine/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/permit.h"
#include "engine/rung.h"
#include "engine/worker.h"
#include "wire/guess.h"

#define GUESS_MAX	1000	/* children that a slip is looked for among */

void
engine_reply(struct engine *e, server_peer peer, uint64_t ref,
    struct out *text)
{
	e->replies = xgrow(e->replies, &e->replies_cap, e->nreplies,
	    sizeof(*e->replies));
	e->replies[e->nreplies++] = (struct reply){ .peer = peer, .ref = ref,
	    .text = *text };
	*text = (struct out){ 0 };
}

static void
begin_refusal(struct out *o, const char *error, const char *message)
{
	out_text(o, "{");
	out_key_string(o, "error", error);
	out_key_string(o, "message", message);
}

void
control_refuse(struct engine *e, const struct caller *c, const char *error,
    const char *format, ...)
{
	struct out o = { 0 };
	char message[512];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	begin_refusal(&o, error, message);
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}

/* A worker asks for more than its user may. */
void
control_denied(struct engine *e, const struct caller *c)
{
	control_refuse(e, c, "permission", "a worker that does not run as "
	    "otpd's user may only start, stop and signal its own user's "
	    "processes, new ones from a template");
}

void
control_ok(struct engine *e, const struct caller *c)
{
	struct out o = { 0 };

	out_text(&o, "{\"result\":\"ok\"}");
	engine_reply(e, c->peer, c->ref, &o);
}

/* --- the request's parts --- */

const char *
control_string(const struct caller *c, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(c->request, key);

	return cJSON_IsString(item) ? item->valuestring : NULL;
}

bool
control_is_true(const struct caller *c, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(c->request, key));
}

/* A string that has to be there: NULL when refused. */
const char *
control_needed(struct engine *e, const struct caller *c, const char *key)
{
	const char *text = control_string(c, key);

	if (text == NULL)
		control_refuse(e, c, "invalid", "the request lacks the string \"%s\"",
		    key);
	return text;
}

/* As many of the last parts of a path as the one that was written has. */
static const char *
same_parts(const char *path, const char *written)
{
	const char *p = path + strlen(path);
	int parts = 1;

	for (; *written != '\0'; written++)
		parts += *written == '/';
	while (p > path && (p[-1] != '/' || --parts > 0))
		p--;
	return p;
}

/* A slip of the finger?  Not looked for in a tree that is too large for it. */
static const char *
guess_path(struct engine *e, const char *path, char *buf, size_t size)
{
	uint32_t root = core_root(e->core), slot = root;
	struct guess guess = { .word = path };

	for (int n = 0; n < GUESS_MAX && slot != CORE_NONE; n++) {
		engine_set_path(e, slot);
		if (slot != root)
			guess_try(&guess, same_parts(engine_child(e,
			    slot)->path, path));
		slot = engine_walk(e, slot, root);
	}
	return guess_words(&guess, buf, size);
}

/* The error may be another's as well: of a supervisor it is OTP's noproc. */
static void
refuse_path(struct engine *e, const struct caller *c, const char *error,
    const char *path)
{
	struct out o = { 0 };
	char message[512], words[256];

	(void)snprintf(message, sizeof(message), "no child named %s%s", path,
	    guess_path(e, path, words, sizeof(words)));
	begin_refusal(&o, error, message);
	out_key_bool(&o, "no_such_path", true);
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}

/* false when refused. */
bool
control_place(struct engine *e, const struct caller *c, const char *path,
    const char *missing, uint32_t *out)
{
	int rc = engine_find(e, path, out);

	if (rc == -EEXIST)
		control_refuse(e, c, "ambiguous", "more than one child is named %s: "
		    "give more of its path", path);
	else if (rc < 0)
		refuse_path(e, c, missing, path);
	return rc == 0;
}

/* --- the whole --- */

static void
op_reload(struct engine *e, const struct caller *c)
{
	engine_reload(e, c->peer, c->ref, control_is_true(c, "dry_run"));
}

static void
op_check(struct engine *e, const struct caller *c)
{
	const char *file = control_string(c, "file");
	struct out o = { 0 };

	engine_check(e, file != NULL ? file : e->config_file, &o);
	engine_reply(e, c->peer, c->ref, &o);
}

static void
op_shutdown(struct engine *e, const struct caller *c)
{
	engine_shutdown(e);
	control_ok(e, c);
}

/*
 * Who may ask over a worker's link: anybody; of a worker of another user only
 * what is about processes of its own (the handlers see to that); nobody but a
 * worker of the engine's own user.
 */
enum op_class {
	ASKS = 0, ORDERS = 1, RULES = 2,
	WAITS = 4,		/* with any: it may not be answered at once */
	STARTS = 8		/* with any: it makes no sense at the end */
};

static const struct {
	const char	*name;
	op_fn		*fn;
	unsigned	 class;
} ops[] = {
	{ "status", op_status, ASKS },
	{ "start", op_start, ORDERS | WAITS | STARTS },
	{ "stop", op_stop, ORDERS | WAITS },
	{ "restart", op_restart, ORDERS | WAITS | STARTS },
	{ "signal", op_signal, ORDERS },
	{ "reload", op_reload, RULES | WAITS },
	{ "check", op_check, RULES },
	{ "shutdown", op_shutdown, RULES },
	{ "events", op_events, ASKS | WAITS },
	{ "why", op_why, ASKS },
	{ "failed", op_failed, ASKS },
	{ "wait", op_wait, ASKS | WAITS },
	{ "sync", op_sync, ASKS | WAITS },
	{ "info", op_info, ASKS },
	{ "waits", op_waits, ASKS },
	{ "start_child", op_start_child, ORDERS | WAITS },
	{ "terminate_child", op_terminate_child, ORDERS | WAITS },
	{ "restart_child", op_restart_child, ORDERS | WAITS },
	{ "delete_child", op_delete_child, ORDERS | WAITS },
	{ "which_children", op_which_children, ASKS | WAITS },
	{ "count_children", op_count_children, ASKS | WAITS },
	{ "partition", op_partition, ASKS },
	{ "apps", op_apps, ASKS },
	{ "app_start", op_app_start, RULES | WAITS },
	{ "app_stop", op_app_stop, RULES | WAITS },
	{ "app_restart", op_app_restart, RULES | WAITS },
	{ "get_env", op_get_env, ASKS },
	{ "set_env", op_set_env, RULES },
	{ "task_supervisor", op_task_supervisor, ASKS },
	{ "register", op_register, ASKS },
	{ "unregister", op_unregister, ASKS },
	{ "whereis", op_whereis, ASKS },
	{ "why_down", op_why_down, ASKS | WAITS },
	{ "resume", op_resume, RULES },
	{ "upgrade", op_upgrade, RULES },
};

void
engine_error(struct engine *e, server_peer peer, uint64_t ref, uint16_t tag,
    const char *words)
{
	struct out o = { 0 };

	if (!worker_is_link(peer)) {
		(void)server_error(e->server, peer, ref, tag, words);
		return;
	}
	out_text(&o, "{\"error\":\"bad_request\"");
	out_key_string(&o, "message", words);
	out_text(&o, "}");
	engine_reply(e, peer, ref, &o);
}

static void
run(struct engine *e, const struct caller *c, size_t op)
{
	if ((ops[op].class & RULES) != 0 && !permit_all(e, c->peer))
		control_denied(e, c);
	else if ((ops[op].class & STARTS) != 0 && e->stopping)
		control_refuse(e, c, "stopping", "otpd is shutting down: "
		    "nothing is started any more");
	else if ((ops[op].class & WAITS) == 0 || control_may_wait(e, c))
		ops[op].fn(e, c);
}

void
engine_call(void *arg, server_peer peer, const struct frame_header *h,
    const char *payload, uid_t uid)
{
	struct engine *e = arg;
	struct caller c = { .peer = peer, .ref = h->ref, .len = h->length };
	cJSON *request;
	const char *name;

	(void)uid;
	if (e->quitting)	/* its connection ends with us */
		return;
	request = cJSON_ParseWithLength(payload, h->length);
	c.request = request;
	if (e->rung == SPAWN_RUNG_HOLD) {
		op_held(e, &c);
		cJSON_Delete(request);
		return;
	}
	if (rung_is_dropped(e, CRUMB_CALL, 0, payload, h->length)) {
		control_refuse(e, &c, "fault", "the engine crashed over this "
		    "request before");
		cJSON_Delete(request);
		return;
	}
	rung_about(e, CRUMB_CALL, 0, payload, h->length);
	name = control_string(&c, "op");
	if (name == NULL) {
		engine_error(e, peer, h->ref, FRAME_E_BAD_REQUEST,
		    "a request is a JSON object with "
		    "the string \"op\"");
		cJSON_Delete(request);
		return;
	}
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(ops[i].name, name) == 0) {
			run(e, &c, i);
			cJSON_Delete(request);
			return;
		}
	}
	if (!registry_op(e, &c, name))
		engine_error(e, peer, h->ref, FRAME_E_BAD_REQUEST,
		    "the engine knows no such op");
	cJSON_Delete(request);
}
