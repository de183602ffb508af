/* SPDX-License-Identifier: ISC */
/*
 * The snapshot's contents: what changed in this turn becomes records.  What
 * they restore to is in begin.c.
 */
#include "engine/save.h"

#include <stdlib.h>
#include <string.h>

#include "engine/apps.h"
#include "engine/registry.h"
#include "engine/worker.h"

void
engine_save_child(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);

	if (c->dirty)
		return;
	c->dirty = true;
	e->dirty = xgrow(e->dirty, &e->dirty_cap, e->ndirty,
	    sizeof(*e->dirty));
	e->dirty[e->ndirty++] = slot;
}

static void
put_string(struct out *o, const char *text)
{
	out_bytes(o, text != NULL ? text : "",
	    text != NULL ? strlen(text) + 1 : 1);
}

static void
put_child(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	struct child_record r = { .inc = c->inc, .start_ns = c->start_ns,
	    .last_at_ms = c->last_at_ms,
	    .last_generation = c->last_generation, .log_key = c->log_key,
	    .pid = c->pid, .worker_key = c->worker_key,
	    .last_pid = c->last_pid };
	struct out o = { 0 };

	c->dirty = false;
	if (c->path == NULL) {
		store_put(e->store, STORE_CHILD, slot, "", 0);
		return;
	}
	r.flags = (c->ready ? CHILD_F_READY : 0) |
	    (c->asked ? CHILD_F_ASKED : 0) |
	    (c->ignore ? CHILD_F_IGNORE : 0) |
	    (c->timed_out ? CHILD_F_TIMED_OUT : 0) |
	    (c->traps ? CHILD_F_TRAPS : 0) |
	    (c->early ? CHILD_F_EARLY : 0) |
	    (c->ended ? CHILD_F_ENDED : 0) |
	    (c->own_end ? CHILD_F_OWN_END : 0) |
	    (c->untold ? CHILD_F_UNTOLD : 0) |
	    (c->kill ? CHILD_F_KILL : 0) |
	    (uint32_t)c->heard << CHILD_HEARD_SHIFT;
	out_bytes(&o, &r, sizeof(r));
	put_string(&o, c->said);
	put_string(&o, c->failure);
	put_string(&o, c->last_reason);
	put_string(&o, c->signalled);
	store_put(e->store, STORE_CHILD, slot, o.text, o.len);
	out_done(&o);
}

static void
put_everything(struct engine *e)
{
	struct core_child view;
	struct service *s;

	store_begin_checkpoint(e->store);
	core_save_all(e->core);
	e->ndirty = 0;
	for (uint32_t slot = 0; slot < e->children_cap; slot++) {
		e->children[slot].dirty = false;
		if (e->children[slot].path == NULL)
			continue;
		put_child(e, slot);
		if (!core_view(e->core, slot, 0, &view) || !view.dynamic)
			continue;
		s = view.user;
		if (s != NULL && s->source != NULL)
			store_put(e->store, STORE_DYNAMIC, slot, s->source,
			    strlen(s->source));
	}
	names_save_all(e);
	watches_save_all(e);
	letters_save_all(e);
	registries_save_all(e);
	engine_save_notes(e);
	apps_save_all(e);
	app_env_save_all(e);
	engine_save_forgotten(e);
	memset(&e->saved, 0, sizeof(e->saved));
}

static void
put_engine(struct engine *e)
{
	struct engine_record r = { .config_key = e->config_key,
	    .next_seq = events_next_seq(e->events),
	    .next_log_key = e->next_log_key,
	    .straw_code = e->straw_code,
	    .stopping = (e->stopping ? ENGINE_STOPPING : 0) |
	    (e->broken ? ENGINE_BROKEN : 0),
	    .compat = e->compat, .engines = e->engines,
	    .quit = e->quitting ? 1 + (uint32_t)e->quit_code : 0,
	    .otpd_crashes = e->otpd.crashes,
	    .otpd_upgrades = e->otpd.upgrades,
	    .otpd_killed = e->otpd.killed,
	    .otpd_survivors = e->otpd.survivors,
	    .next_letter = e->next_letter };

	if (memcmp(&r, &e->saved, sizeof(r)) == 0)
		return;
	e->saved = r;
	store_put(e->store, STORE_ENGINE, 0, &r, sizeof(r));
}

int
engine_save(struct engine *e)
{
	struct core_record r;

	if (!e->changed && e->ndirty == 0)
		return 1;
	e->changed = false;
	workers_save_heard(e);
	if (store_wants_checkpoint(e->store))
		put_everything(e);
	while (core_save_next(e->core, &r))
		store_put(e->store, STORE_CORE, r.key, r.data, r.len);
	core_save_clear(e->core);
	for (uint32_t i = 0; i < e->ndirty; i++)
		if (e->children[e->dirty[i]].dirty)
			put_child(e, e->dirty[i]);
	e->ndirty = 0;
	put_engine(e);
	return store_commit(e->store);
}
