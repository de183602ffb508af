/* SPDX-License-Identifier: ISC */
/*
 * Tasks: where they are started, and that those with an owner end with it.  An
 * owner is a caller's connection: when that ends, what it started with "owner"
 * is stopped.  The bond is not in the snapshot, for no connection survives an
 * engine; an owner that is still there says it again with why_down.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/control.h"

void
engine_own(struct engine *e, server_peer peer, uint32_t slot)
{
	struct waiter w = { .kind = WAIT_END, .peer = peer, .owner = true,
	    .seq = engine_generation(e, slot) };

	engine_set_path(e, slot);
	w.path = xstrdup(engine_child(e, slot)->path);
	engine_add_waiter(e, &w);
}

/* Not the child that has come after it, nor one that is stopping already. */
static void
end_orphan(struct engine *e, const struct waiter *w)
{
	struct core_call call = { .op = CORE_OP_TERMINATE_CHILD };
	struct core_child view;
	uint32_t slot;

	if (engine_find(e, w->path, &slot) < 0 ||
	    !core_view(e->core, slot, 0, &view) ||
	    view.parent == CORE_NONE ||
	    !engine_is_meant(w, engine_child(e, slot)->pid, view.starts))
		return;
	call.sup = view.parent;
	call.child = view.id;
	call.inc = view.inc;
	call.id = engine_add_request(e, 0, 0, call.op, w->path);
	core_call(e->core, &call, loop_now_ms());
	engine_settle(e);
}

void
engine_end_orphans(struct engine *e)
{
	for (uint32_t i = 0; e->changed && i < e->nwaiters; i++) {
		if (!e->waiters[i].owner || e->waiters[i].peer != 0)
			continue;
		e->waiters[i].owner = false;	/* served and dropped next */
		end_orphan(e, &e->waiters[i]);
	}
}

static bool
is_for_tasks(struct engine *e, uint32_t slot)
{
	const struct service *s = engine_service(e, slot);
	struct core_child view;

	return s != NULL && s->tasks &&
	    core_view(e->core, slot, 0, &view) &&
	    view.type == CORE_SUPERVISOR;
}

/* The one there is; false: refused. */
static bool
find_only(struct engine *e, const struct caller *c, uint32_t *out)
{
	uint32_t root = core_root(e->core), slot, found = CORE_NONE;

	for (slot = root; slot != CORE_NONE; slot = engine_walk(e, slot, root)) {
		if (!is_for_tasks(e, slot))
			continue;
		if (found != CORE_NONE) {
			control_refuse(e, c, "ambiguous", "there is more than "
			    "one task_supervisor: say which");
			return false;
		}
		found = slot;
	}
	if (found == CORE_NONE)
		control_refuse(e, c, "not_found", "there is no "
		    "task_supervisor: add {\"id\": \"tasks\", \"type\": "
		    "\"task_supervisor\"} to the configuration");
	*out = found;
	return found != CORE_NONE;
}

/* {"sup": path}, or the only one in the tree: its path. */
void
op_task_supervisor(struct engine *e, const struct caller *c)
{
	const char *sup = control_string(c, "sup");
	struct core_child view;
	struct out o = { 0 };
	uint32_t slot;

	if (sup == NULL ? !find_only(e, c, &slot) :
	    !control_place(e, c, sup, "not_found", &slot))
		return;
	if (!core_view(e->core, slot, 0, &view) ||
	    view.strategy != CORE_DYNAMIC) {
		control_refuse(e, c, "invalid", "%s is no task_supervisor", sup);
		return;
	}
	engine_set_path(e, slot);
	out_text(&o, "{");
	out_key_string(&o, "path", engine_child(e, slot)->path);
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}
