/* SPDX-License-Identifier: ISC */
/*
 * Requests about applications: which there are, and start, stop and restart of
 * one.  Stopping is the core's affair alone; starting is a plan.
 */
#include <string.h>

#include "engine/apps.h"
#include "engine/control.h"

static void
put_properties(struct engine *e, uint32_t slot, struct out *o)
{
	static const char *const keys[] = { "vsn", "start_type", "autostart",
	    "applications" };
	cJSON *properties = app_properties(e, slot);
	const cJSON *item;
	char *text;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		item = cJSON_GetObjectItemCaseSensitive(properties, keys[i]);
		text = item != NULL ? cJSON_PrintUnformatted(item) : NULL;
		out_key(o, keys[i]);
		out_text(o, text != NULL ? text : "null");
		cJSON_free(text);
	}
	cJSON_Delete(properties);
}

static void
put_app(struct engine *e, uint32_t slot, struct out *o)
{
	const struct service *s = engine_service(e, slot);
	struct child *c;

	engine_set_path(e, slot);
	c = engine_child(e, slot);
	out_comma(o);
	out_text(o, "{");
	out_key_string(o, "name", c->path);
	out_key_string(o, "state", engine_state_word(e, slot));
	out_key_string(o, "description", s->description);
	put_properties(e, slot, o);
	out_key_string(o, "last_exit", app_runs(e, slot) ? NULL :
	    c->last_reason);
	out_text(o, "}");
}

void
op_apps(struct engine *e, const struct caller *c)
{
	struct out o = { 0 };
	uint32_t slot;

	out_text(&o, "{\"applications\":[");
	for (slot = app_first(e); slot != CORE_NONE; slot = app_next(e, slot))
		put_app(e, slot, &o);
	out_text(&o, "]}");
	engine_reply(e, c->peer, c->ref, &o);
}

/* The name that is asked for; NULL: refused. */
static const char *
needed_app(struct engine *e, const struct caller *c, uint32_t *out_slot)
{
	const char *name = control_needed(e, c, "name");

	if (name == NULL)
		return NULL;
	*out_slot = app_slot(e, name);
	if (*out_slot != CORE_NONE)
		return name;
	control_refuse(e, c, "not_found", "there is no application %s", name);
	return NULL;
}

/* The same, of which a start may be planned. */
static const char *
needed_plan(struct engine *e, const struct caller *c)
{
	uint32_t slot;
	const char *name = needed_app(e, c, &slot);

	return name != NULL && control_may_plan(e, c) ? name : NULL;
}

/* With its needs, unless "alone": then as OTP's application:start. */
void
op_app_start(struct engine *e, const struct caller *c)
{
	const char *name = needed_plan(e, c);

	if (name != NULL)
		apps_plan(e, control_is_true(c, "alone") ? PLAN_ALONE :
		    PLAN_START, name, c->peer, c->ref);
}

void
op_app_restart(struct engine *e, const struct caller *c)
{
	const char *name = needed_plan(e, c);

	if (name != NULL)
		apps_plan(e, PLAN_RESTART, name, c->peer, c->ref);
}

/* Those that need it go on. */
void
op_app_stop(struct engine *e, const struct caller *c)
{
	struct core_call call = { .op = CORE_OP_STOP };
	uint32_t slot;
	const char *name = needed_app(e, c, &slot);

	if (name == NULL)
		return;
	if (app_state(e, slot) == CORE_STOPPED) {
		control_refuse(e, c, "not_started", "it is not running");
		return;
	}
	call.sup = core_root(e->core);
	call.child = name;
	control_call_core(e, c, &call, name);
}
