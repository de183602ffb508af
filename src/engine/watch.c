/* SPDX-License-Identifier: ISC */
/*
 * Monitors and links between children.  Everything that is supervised can be
 * watched; only workers with a link can watch.  An entry stands in two lists:
 * its target's and its watcher's.
 */
#include "engine/save.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/permit.h"
#include "engine/registry.h"
#include "engine/worker.h"

static struct watch **
list_of(struct engine *e, uint32_t slot, int which)
{
	struct child *c = engine_child(e, slot);

	return which == WATCH_TARGET ? &c->watched : &c->watching;
}

static void
enlist(struct engine *e, struct watch *w, int which)
{
	struct watch **head = list_of(e, w->slot[which], which);

	w->prev[which] = NULL;
	w->next[which] = *head;
	if (*head != NULL)
		(*head)->prev[which] = w;
	*head = w;
}

static struct watch **
bucket(struct engine *e, uint32_t watcher, uint64_t ref)
{
	return &e->monitors[(watcher * 31 + ref) % WATCH_BUCKETS];
}

/* Where it stands in its bucket, or the NULL behind all that do. */
static struct watch **
find_monitor(struct engine *e, uint32_t watcher, uint64_t ref)
{
	struct watch **p = bucket(e, watcher, ref);

	while (*p != NULL && ((*p)->ref != ref ||
	    (*p)->slot[WATCH_WATCHER] != watcher))
		p = &(*p)->chain;
	return p;
}

static void
save(struct engine *e, const struct watch *w)
{
	struct watch_record r = { .ref = w->ref, .link = w->link,
	    .target = w->slot[WATCH_TARGET],
	    .watcher = w->slot[WATCH_WATCHER] };

	store_put(e->store, STORE_WATCH, w->key, &r, sizeof(r));
	e->changed = true;
}

void
watches_save_all(struct engine *e)
{
	for (uint32_t slot = 0; slot < e->children_cap; slot++)
		for (struct watch *w = e->children[slot].watched; w != NULL;
		    w = w->next[WATCH_TARGET])
			save(e, w);
}

static void
watch_free(struct engine *e, struct watch *w)
{
	struct watch **at;

	store_put(e->store, STORE_WATCH, w->key, "", 0);
	e->changed = true;
	for (int i = 0; i < 2; i++) {
		if (w->prev[i] != NULL)
			w->prev[i]->next[i] = w->next[i];
		else
			*list_of(e, w->slot[i], i) = w->next[i];
		if (w->next[i] != NULL)
			w->next[i]->prev[i] = w->prev[i];
	}
	if (!w->link) {
		at = bucket(e, w->slot[WATCH_WATCHER], w->ref);
		while (*at != w)
			at = &(*at)->chain;
		*at = w->chain;
	}
	engine_child(e, w->slot[WATCH_WATCHER])->nwatching--;
	free(w);
}

static struct watch *
add(struct engine *e, const struct watch_record *r, uint64_t key)
{
	struct watch *w = xcalloc(1, sizeof(*w)), **at;

	w->slot[WATCH_TARGET] = r->target;
	w->slot[WATCH_WATCHER] = r->watcher;
	w->ref = r->ref;
	w->key = key;
	w->link = r->link != 0;
	enlist(e, w, WATCH_TARGET);
	enlist(e, w, WATCH_WATCHER);
	if (!w->link) {
		at = bucket(e, r->watcher, r->ref);
		w->chain = *at;
		*at = w;
	}
	engine_child(e, r->watcher)->nwatching++;
	return w;
}

/* Both ends of a link count. */
static bool
has_room(struct engine *e, uint32_t slot)
{
	return engine_child(e, slot)->nwatching < WATCHES_OWN_MAX;
}

static void
watch_new(struct engine *e, uint32_t target, uint32_t watcher, uint64_t ref,
    bool link)
{
	struct watch_record r = { .ref = ref, .target = target,
	    .watcher = watcher, .link = link };

	save(e, add(e, &r, ++e->next_key));
}

void
watch_restore(struct engine *e, uint64_t key, const char *record, size_t len)
{
	struct watch_record r;

	if (len < sizeof(r))
		return;
	memcpy(&r, record, sizeof(r));
	if (key > e->next_key)
		e->next_key = key;
	if (r.target < e->children_cap && r.watcher < e->children_cap &&
	    e->children[r.target].path != NULL &&
	    e->children[r.watcher].path != NULL)
		(void)add(e, &r, key);
	else
		store_put(e->store, STORE_WATCH, key, "", 0);
}

uint32_t
watch_target(struct engine *e, const char *target)
{
	uint32_t slot = name_whereis(e, target);
	struct core_child view;

	if (strncmp(target, "via:", 4) == 0) {
		if (registry_via(e, target, &slot) < 0)
			return CORE_NONE;
	} else if (slot == CORE_NONE && strncmp(target, "pid:", 4) == 0)
		slot = engine_slot_by_pid(e, (int32_t)strtol(target + 4,
		    NULL, 10));
	else if (slot == CORE_NONE && engine_find(e, target, &slot) < 0)
		slot = CORE_NONE;
	if (slot == CORE_NONE || !core_view(e->core, slot, 0, &view))
		return CORE_NONE;
	if (!worker_is_there(e, slot) &&
	    (view.type == CORE_WORKER || view.state != CORE_RUNNING))
		return CORE_NONE;
	return slot;
}

/* words: as the watcher said it; NULL: no room for that, nor for a path. */
static void
put_down(struct engine *e, uint32_t target, const char *words,
    const char *reason, struct out *o)
{
	struct child *c = target != CORE_NONE ? engine_child(e, target) : NULL;

	o->len = 0;
	out_text(o, "{");
	if (words != NULL)
		out_key_string(o, "target", words);
	if (words != NULL && c != NULL)
		out_key_string(o, "path", c->path);
	if (c != NULL && c->pid != 0)
		out_key_int(o, "pid", c->pid);
	out_key_string(o, "reason", reason);
	out_text(o, "}");
}

static void
send_down(struct engine *e, uint32_t watcher, uint64_t ref, uint32_t target,
    const char *words, const char *reason)
{
	struct frame_header h = { .type = FRAME_DOWN, .ref = ref };
	struct out o = { 0 };

	put_down(e, target, words, reason, &o);
	if (o.len > worker_room(e, watcher))
		put_down(e, target, NULL, reason, &o);
	h.length = (uint32_t)o.len;
	(void)letter_send(e, watcher, h, o.text);
	out_done(&o);
}

void
watch_monitor(struct engine *e, uint32_t slot, uint64_t ref,
    const char *target)
{
	uint32_t at = watch_target(e, target);

	if (engine_child(e, slot)->worker->again &&
	    *find_monitor(e, slot, ref) != NULL)
		return;
	if (at == CORE_NONE)
		send_down(e, slot, ref, at, target, "noproc");
	else if (!has_room(e, slot))
		send_down(e, slot, ref, at, target, "system_limit");
	else
		watch_new(e, at, slot, ref, false);
}

void
watch_demonitor(struct engine *e, uint32_t slot, uint64_t ref)
{
	struct watch *w = *find_monitor(e, slot, ref);

	if (w != NULL)
		watch_free(e, w);
}

static struct watch *
find_link(struct engine *e, uint32_t target, uint32_t watcher)
{
	struct watch *w = engine_child(e, watcher)->watching;

	while (w != NULL && (!w->link || w->slot[WATCH_TARGET] != target))
		w = w->next[WATCH_WATCHER];
	return w;
}

static void
order_end(struct engine *e, uint32_t slot)
{
	const struct child *c = engine_child(e, slot);
	struct spawn_signal order = { .sig = c->kill ? SIGKILL : SIGTERM };

	link_put(&e->spawner, SPAWN_SIGNAL, c->inc, &order, sizeof(order));
}

void
watch_signal_again(struct engine *e, uint32_t slot)
{
	const struct child *c = engine_child(e, slot);

	if (c->signalled != NULL && (c->kill || !c->asked))
		order_end(e, slot);
}

static void
end_with(struct engine *e, uint32_t slot, const char *reason)
{
	replace_string(&engine_child(e, slot)->signalled, reason);
	engine_save_child(e, slot);
	order_end(e, slot);
}

/* An exit signal over a link reaches its receiver. */
static void
exit_signal(struct engine *e, uint32_t slot, const char *from,
    const char *reason)
{
	if (worker_is_there(e, slot) &&
	    !worker_exit_signal(e, slot, from, reason, true) &&
	    strcmp(reason, "normal") != 0)
		end_with(e, slot, reason);
}

/* Without a link: what is not there, or may not be ended, is passed over. */
void
watch_exit(struct engine *e, uint32_t slot, const char *target,
    const char *reason)
{
	uint32_t at = watch_target(e, target);

	if (at == CORE_NONE || !worker_is_there(e, at) ||
	    !permit_link(e, slot, at))
		return;
	if (strcmp(reason, "kill") == 0)
		engine_child(e, at)->kill = true;
	else if (worker_exit_signal(e, at, engine_child(e, slot)->path,
	    reason, false) || (strcmp(reason, "normal") == 0 && at != slot))
		return;
	end_with(e, at, reason);
}

/* A link is a pair: either end hears of the other's. */
void
watch_link(struct engine *e, uint32_t slot, const char *target)
{
	uint32_t at = watch_target(e, target);

	if (at == CORE_NONE) {
		exit_signal(e, slot, target, "noproc");
		return;
	}
	if (at == slot || find_link(e, at, slot) != NULL)
		return;
	if (!permit_link(e, slot, at)) {	/* its end may end the other */
		exit_signal(e, slot, target, "{refused,link}");
		return;
	}
	if (!has_room(e, slot) || !has_room(e, at)) {
		exit_signal(e, slot, target, "system_limit");
		return;
	}
	watch_new(e, at, slot, 0, true);
	watch_new(e, slot, at, 0, true);
}

void
watch_unlink(struct engine *e, uint32_t slot, const char *target)
{
	uint32_t at = watch_target(e, target);
	struct watch *w;

	if (at == CORE_NONE)
		return;
	if ((w = find_link(e, at, slot)) != NULL)
		watch_free(e, w);
	if ((w = find_link(e, slot, at)) != NULL)
		watch_free(e, w);
}

void
watch_ended(struct engine *e, uint32_t slot, const char *reason)
{
	struct child *c = engine_child(e, slot);
	struct watch *w;
	char from[1024];

	(void)snprintf(from, sizeof(from), "%s", c->path);
	while ((w = engine_child(e, slot)->watching) != NULL)
		watch_free(e, w);
	while ((w = engine_child(e, slot)->watched) != NULL) {
		uint32_t watcher = w->slot[WATCH_WATCHER];
		uint64_t ref = w->ref;
		bool link = w->link;

		watch_free(e, w);
		if (link)
			exit_signal(e, watcher, from, reason);
		else
			send_down(e, watcher, ref, slot, from, reason);
	}
}
