/* SPDX-License-Identifier: ISC */
/*
 * What the engine keeps of every slot: path, process, last end, timers, and
 * the table from pids to slots.  No decisions here.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/registry.h"
#include "engine/worker.h"

void
replace_string(char **p, const char *text)
{
	free(*p);
	*p = text != NULL ? xstrdup(text) : NULL;
}

struct child *
engine_child(struct engine *e, uint32_t slot)
{
	e->children = xgrow(e->children, &e->children_cap, slot,
	    sizeof(*e->children));
	return &e->children[slot];
}

uint32_t
engine_slot_of(struct engine *e, uint64_t inc)
{
	uint32_t slot = (uint32_t)(inc >> 32);

	if (slot >= e->children_cap || e->children[slot].path == NULL ||
	    e->children[slot].inc != inc)
		return CORE_NONE;
	return slot;
}

uint32_t
engine_generation(struct engine *e, uint32_t slot)
{
	struct core_child view;

	return core_view(e->core, slot, 0, &view) ? view.starts : 0;
}

/*
 * A child that a reload has removed may still have to end, after a crash, with
 * its specification gone: what is left of it is to be stopped and forgotten.
 */
struct service *
engine_service(struct engine *e, uint32_t slot)
{
	static struct service orphan = { .stop_signal = SIGTERM,
	    .start_timeout_ms = CORE_INFINITY,
	    .problem = "it is no longer in the configuration" };
	struct core_child view;

	if (!core_view(e->core, slot, 0, &view))
		return NULL;
	return view.user != NULL ? view.user : &orphan;
}

/* The path follows from the tree: the ids above it, the root's left out. */
void
engine_set_path(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	struct core_child view;
	struct out path = { 0 };

	if (c->path != NULL || !core_view(e->core, slot, 0, &view))
		return;
	if (view.parent == CORE_NONE) {
		c->path = xstrdup("/");
		return;
	}
	engine_set_path(e, view.parent);
	c = engine_child(e, slot);
	if (e->children[view.parent].path[0] != '/') {
		out_text(&path, e->children[view.parent].path);
		out_text(&path, "/");
	}
	out_text(&path, view.id);
	c->path = xstrdup(path.text);
	out_done(&path);
}

static uint32_t *
pid_bucket(struct engine *e, int32_t pid)
{
	return &e->pids[(uint32_t)pid % PIDS_BUCKETS];
}

void
engine_set_pid(struct engine *e, uint32_t slot, int32_t pid)
{
	struct child *c = engine_child(e, slot);
	uint32_t *p;

	if (c->pid != 0) {
		for (p = pid_bucket(e, c->pid); *p != slot + 1;
		    p = &e->children[*p - 1].pid_next)
			;
		*p = c->pid_next;
	}
	c->pid = pid;
	if (pid != 0) {
		p = pid_bucket(e, pid);
		c->pid_next = *p;
		*p = slot + 1;
	}
}

uint32_t
engine_slot_by_pid(struct engine *e, int32_t pid)
{
	uint32_t at = *pid_bucket(e, pid);

	while (at != 0 && e->children[at - 1].pid != pid)
		at = e->children[at - 1].pid_next;
	return at != 0 ? at - 1 : CORE_NONE;
}

struct child_timers *
engine_timers(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);

	if (c->timers == NULL) {
		c->timers = xcalloc(1, sizeof(*c->timers));
		c->timers->engine = e;
		c->timers->slot = slot;
	}
	return c->timers;
}

void
engine_cancel_start_timer(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);

	if (c->timers != NULL)
		loop_timer_cancel(e->loop, &c->timers->start);
}

/* The slot ends: nothing of it may be found again. */
void
engine_drop_child(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	bool dirty = c->dirty;

	worker_free(e, slot);
	registry_ended(e, slot);
	watch_ended(e, slot, "noproc");
	engine_set_pid(e, slot, 0);
	if (c->timers != NULL) {
		for (int i = 0; i < CORE_NTIMERS; i++)
			loop_timer_cancel(e->loop, &c->timers->core[i]);
		loop_timer_cancel(e->loop, &c->timers->start);
	}
	if (c->log_key != 0)
		engine_forget_log(e, c->path, c->log_key);
	free(c->timers);
	free(c->path);
	free(c->said);
	free(c->failure);
	free(c->signalled);
	free(c->last_reason);
	*c = (struct child){ .dirty = dirty };
	engine_save_child(e, slot);
}

/* Was it to be stopped by nothing but SIGKILL?  No supervisor is killed by
 * anybody else. */
static bool
is_meant(struct engine *e, uint32_t slot, const char *reason)
{
	struct core_child view;

	return strcmp(reason, "killed") == 0 && !engine_child(e, slot)->asked &&
	    core_view(e->core, slot, 0, &view) &&
	    (view.state == CORE_STOPPING || view.type == CORE_SUPERVISOR);
}

void
engine_event(struct engine *e, enum event_type type, uint32_t slot,
    const char *reason)
{
	struct event ev = { .type = type, .reason = reason };

	if (slot != CORE_NONE) {
		struct child *c;

		engine_set_path(e, slot);
		c = engine_child(e, slot);
		ev.path = c->path;
		ev.pid = c->pid;
		ev.generation = engine_generation(e, slot);
		ev.meant = type == EVENT_EXITED && is_meant(e, slot, reason);
	}
	(void)events_add(e->events, &ev);
}
