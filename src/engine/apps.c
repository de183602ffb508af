/* SPDX-License-Identifier: ISC */
/*
 * Which applications there are, how they stand to each other, and what the end
 * of one means.  Starting them is in apps_plan.c.
 */
#include "engine/apps.h"

#include <stdio.h>
#include <string.h>

#include "engine/save.h"

/* --- which there are --- */

static const struct service *
service_of_app(struct engine *e, uint32_t slot)
{
	const struct service *s;

	if (slot == CORE_NONE)
		return NULL;
	s = engine_service(e, slot);
	return s != NULL && s->app != NULL ? s : NULL;
}

static uint32_t
or_next(struct engine *e, uint32_t slot)
{
	while (slot != CORE_NONE && service_of_app(e, slot) == NULL)
		slot = core_next(e->core, slot);
	return slot;
}

uint32_t
app_first(struct engine *e)
{
	uint32_t root = core_root(e->core);

	return root == CORE_NONE ? CORE_NONE :
	    or_next(e, core_first(e->core, root));
}

uint32_t
app_next(struct engine *e, uint32_t slot)
{
	return or_next(e, core_next(e->core, slot));
}

uint32_t
app_slot(struct engine *e, const char *name)
{
	uint32_t slot = core_find(e->core, core_root(e->core), name);

	return service_of_app(e, slot) != NULL ? slot : CORE_NONE;
}

uint32_t
app_of(struct engine *e, uint32_t slot)
{
	uint32_t root = core_root(e->core);
	struct core_child view;

	while (core_view(e->core, slot, 0, &view) && view.parent != root) {
		if (view.parent == CORE_NONE)
			return CORE_NONE;
		slot = view.parent;
	}
	return service_of_app(e, slot) != NULL ? slot : CORE_NONE;
}

cJSON *
app_properties(struct engine *e, uint32_t slot)
{
	const struct service *s = service_of_app(e, slot);

	return s != NULL ? cJSON_Parse(s->app) : NULL;
}

enum core_state
app_state(struct engine *e, uint32_t slot)
{
	struct core_child view;

	return core_view(e->core, slot, 0, &view) ? view.state : CORE_STOPPED;
}

bool
app_runs(struct engine *e, uint32_t slot)
{
	return slot != CORE_NONE && app_state(e, slot) == CORE_RUNNING;
}

bool
app_lacks(struct engine *e, uint32_t slot, char *out, size_t size)
{
	cJSON *o = app_properties(e, slot);
	const cJSON *need, *needs =
	    cJSON_GetObjectItemCaseSensitive(o, "applications");
	bool lacks = false;

	cJSON_ArrayForEach(need, needs) {
		if (app_runs(e, app_slot(e, need->valuestring)))
			continue;
		(void)snprintf(out, size, "%s", need->valuestring);
		lacks = true;
		break;
	}
	cJSON_Delete(o);
	return lacks;
}

static const char *
start_type(const cJSON *properties)
{
	const char *word = cJSON_GetStringValue(
	    cJSON_GetObjectItemCaseSensitive(properties, "start_type"));

	return word != NULL ? word : "temporary";
}

/* --- everything ends with it --- */

void
app_ends_all(struct engine *e, uint32_t slot, const char *how,
    const char *reason)
{
	cJSON *o = app_properties(e, slot);
	struct event ev = { .type = EVENT_SHUTDOWN };
	struct out words = { 0 };

	if (!e->stopping) {
		engine_set_path(e, slot);
		ev.path = engine_child(e, slot)->path;
		out_format(&words, "the %s application %s %s: %s",
		    start_type(o), ev.path, how, reason);
		ev.reason = words.text;
		engine_say("%s: stopping", words.text);
		(void)events_add(e->events, &ev);
		e->stopping = e->broken = true;
		e->straw_code = 1;
		core_shutdown(e->core, loop_now_ms());
		engine_settle(e);
	}
	out_done(&words);
	cJSON_Delete(o);
}

bool
app_is_vital(struct engine *e, uint32_t slot)
{
	cJSON *o = app_properties(e, slot);
	bool yes = o != NULL && strcmp(start_type(o), "temporary") != 0;

	cJSON_Delete(o);
	return yes;
}

void
apps_ending(struct engine *e, uint32_t slot)
{
	if (service_of_app(e, slot) == NULL)
		return;
	engine_child(e, slot)->own_end = true;
	engine_save_child(e, slot);
}

/* A supervisor ends by itself with shutdown only: that is normal to none but
 * temporary applications. */
void
apps_ended(struct engine *e, uint32_t slot, const char *reason)
{
	struct child *c = engine_child(e, slot);

	if (!c->own_end)
		return;
	c->own_end = false;
	engine_save_child(e, slot);
	engine_event(e, EVENT_APPLICATION_EXITED, slot, reason);
	if (app_is_vital(e, slot))
		replace_string(&e->app_ended, c->path);
}
