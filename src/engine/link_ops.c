/* SPDX-License-Identifier: ISC */
/*
 * What a worker says over its link: that init has returned, names, monitors,
 * links.  Each is a row of a table; those of the first table want no answer.
 */
#include "engine/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/registry.h"
#include "engine/rung.h"
#include "engine/worker.h"
#include "wire/reason.h"

#define REFUSED_MS	60000

typedef void cast_fn(struct engine *e, uint32_t slot, const struct caller *c);

/* Its word may overtake the spawner's that it exists. */
static void
cast_ready(struct engine *e, uint32_t slot, const struct caller *c)
{
	struct child *child = engine_child(e, slot);

	(void)c;
	if (child->ready || engine_service(e, slot)->ready != READY_GEN_SERVER)
		return;
	if (child->pid == 0) {
		child->early = true;
		engine_save_child(e, slot);
	} else {
		engine_ready(e, slot);
	}
}

static void
cast_ignore(struct engine *e, uint32_t slot, const struct caller *c)
{
	(void)c;
	engine_child(e, slot)->ignore = true;
	engine_save_child(e, slot);
}

static void
cast_reason(struct engine *e, uint32_t slot, const struct caller *c)
{
	const char *reason = control_string(c, "reason");

	if (reason == NULL || !reason_valid(reason, strlen(reason)))
		return;
	replace_string(&engine_child(e, slot)->said, reason);
	engine_save_child(e, slot);
}

static void
cast_trap_exit(struct engine *e, uint32_t slot, const struct caller *c)
{
	engine_child(e, slot)->traps = control_is_true(c, "on");
	engine_save_child(e, slot);
}

/* Once a minute for each uid, whichever workers it tries. */
static bool
is_news(struct engine *e, uint32_t uid)
{
	uint64_t now = loop_now_ms();
	size_t room = REFUSED_MAX;

	for (size_t i = 0; i < REFUSED_MAX; i++) {
		bool recent = e->refused[i].at_ms != 0 &&
		    now - e->refused[i].at_ms < REFUSED_MS;

		if (recent && e->refused[i].uid == uid)
			return false;
		if (!recent)
			room = i;
	}
	if (room == REFUSED_MAX)
		return false;		/* whoever tries with many */
	e->refused[room].uid = uid;
	e->refused[room].at_ms = now;
	return true;
}

/* Somebody who may not call it has tried. */
static void
cast_refused(struct engine *e, uint32_t slot, const struct caller *c)
{
	const cJSON *uid = cJSON_GetObjectItemCaseSensitive(c->request, "uid");
	char reason[32];

	if (!cJSON_IsNumber(uid) || uid->valuedouble < 0 ||
	    uid->valuedouble > UINT32_MAX ||
	    !is_news(e, (uint32_t)uid->valuedouble))
		return;
	(void)snprintf(reason, sizeof(reason), "{uid,%u}",
	    (uint32_t)uid->valuedouble);
	engine_event(e, EVENT_REFUSED, slot, reason);
}

static bool
ref_of(const struct caller *c, uint64_t *out)
{
	const char *text = control_string(c, "ref");
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static void
cast_monitor(struct engine *e, uint32_t slot, const struct caller *c)
{
	const char *target = control_string(c, "target");
	uint64_t ref;

	if (target != NULL && ref_of(c, &ref))
		watch_monitor(e, slot, ref, target);
}

static void
cast_demonitor(struct engine *e, uint32_t slot, const struct caller *c)
{
	uint64_t ref;

	if (ref_of(c, &ref))
		watch_demonitor(e, slot, ref);
}

static void
cast_link(struct engine *e, uint32_t slot, const struct caller *c)
{
	const char *target = control_string(c, "target");

	if (target != NULL)
		watch_link(e, slot, target);
}

static void
cast_unlink(struct engine *e, uint32_t slot, const struct caller *c)
{
	const char *target = control_string(c, "target");

	if (target != NULL)
		watch_unlink(e, slot, target);
}

static void
cast_exit(struct engine *e, uint32_t slot, const struct caller *c)
{
	const char *target = control_string(c, "target");
	const char *reason = control_string(c, "reason");

	if (target != NULL && reason != NULL &&
	    reason_valid(reason, strlen(reason)))
		watch_exit(e, slot, target, reason);
}

static const struct {
	const char	*name;
	cast_fn		*fn;
} casts[] = {
	{ "ready", cast_ready },
	{ "ignore", cast_ignore },
	{ "reason", cast_reason },
	{ "trap_exit", cast_trap_exit },
	{ "monitor", cast_monitor },
	{ "demonitor", cast_demonitor },
	{ "link", cast_link },
	{ "unlink", cast_unlink },
	{ "exit", cast_exit },
	{ "refused", cast_refused },
};

void
engine_cast(struct engine *e, uint32_t slot, const char *payload, size_t len)
{
	struct caller c = { 0 };
	const char *name;
	cJSON *request;

	if (rung_is_dropped(e, CRUMB_CAST, slot, payload, len)) {
		e->dropped.kind = CRUMB_NONE;
		return;
	}
	rung_about(e, CRUMB_CAST, slot, payload, len);
	request = cJSON_ParseWithLength(payload, len);
	c.request = request;
	name = control_string(&c, "op");

	for (size_t i = 0; name != NULL &&
	    i < sizeof(casts) / sizeof(casts[0]); i++) {
		if (strcmp(casts[i].name, name) == 0) {
			casts[i].fn(e, slot, &c);
			break;
		}
	}
	cJSON_Delete(request);
}

/* --- with an answer --- */

static void
say_holder(struct engine *e, const struct caller *c, uint32_t holder,
    const char *key, const char *word)
{
	int32_t pid = worker_pid(e, holder);
	struct out o = { 0 };

	out_text(&o, "{");
	if (key != NULL)
		out_key_string(&o, key, word);
	out_key_string(&o, "path", engine_child(e, holder)->path);
	out_key(&o, "pid");
	if (pid != 0)
		out_format(&o, "%d", pid);
	else
		out_text(&o, "null");
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}

void
op_register(struct engine *e, const struct caller *c)
{
	const char *name = control_needed(e, c, "name");
	uint32_t holder;
	int rc;

	if (name == NULL)
		return;
	if (!worker_is_link(c->peer)) {
		control_refuse(e, c, "invalid", "only a worker registers "
		    "itself, over its link");
		return;
	}
	rc = name_register(e, worker_slot(c->peer), name, &holder);
	if (rc == -EEXIST)
		say_holder(e, c, holder, "error", "already_started");
	else if (rc == -EDQUOT)
		control_refuse(e, c, "full", "cannot register %s: this process "
		    "has %u names already, the most that one may", name,
		    NAMES_OWN_MAX);
	else if (rc < 0)
		control_refuse(e, c, "invalid", "cannot register %s: %s",
		    name, rc == -EINVAL ? "a name is 1 to 64 of "
		    "A-Za-z0-9_.- and begins with none of .-" :
		    strerror(-rc));
	else
		control_ok(e, c);
}

void
op_unregister(struct engine *e, const struct caller *c)
{
	const char *name = control_needed(e, c, "name");

	if (name == NULL)
		return;
	if (!worker_is_link(c->peer) ||
	    name_unregister(e, worker_slot(c->peer), name) < 0)
		control_refuse(e, c, "not_found", "%s is not registered by "
		    "this process", name);
	else
		control_ok(e, c);
}

void
op_whereis(struct engine *e, const struct caller *c)
{
	const char *name = control_needed(e, c, "name");
	uint32_t slot;
	int rc = 0;

	if (name == NULL)
		return;
	slot = name_whereis(e, name);
	if (strncmp(name, "via:", 4) == 0)
		rc = registry_via(e, name, &slot);
	if (rc == -EINVAL)
		control_refuse(e, c, "invalid", "%s is no address: a via is "
		    "via:REGISTRY:KEY, of a registry of unique keys", name);
	else if (slot == CORE_NONE)
		control_refuse(e, c, "noproc", "nobody is registered as %s",
		    name);
	else
		say_holder(e, c, slot, NULL, NULL);
}

static double
number_of(const struct caller *c, const char *key, double max)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(c->request, key);

	return cJSON_IsNumber(n) && n->valuedouble > 0 &&
	    n->valuedouble <= max ? n->valuedouble : 0;
}

/*
 * Why did that incarnation end?  It is meant by its pid or its generation,
 * else it is the present one.  A caller that lost its connection may ask
 * before the end is known: it waits for it then, and may be the owner of a
 * child that is to end with it, as an engine before this one knew.
 */
void
op_why_down(struct engine *e, const struct caller *c)
{
	const char *path = control_needed(e, c, "path");
	struct waiter w = { .kind = WAIT_END, .peer = c->peer, .ref = c->ref };
	uint32_t slot;

	if (path == NULL)
		return;
	w.pid = (int32_t)number_of(c, "pid", INT32_MAX);
	w.seq = (uint64_t)number_of(c, "generation", UINT32_MAX);
	w.owner = control_is_true(c, "owner");
	if (engine_find(e, path, &slot) == 0) {
		path = engine_child(e, slot)->path;
		if (w.pid == 0 && w.seq == 0)
			w.seq = engine_generation(e, slot);
	}
	w.path = xstrdup(path);
	engine_add_waiter(e, &w);
}
