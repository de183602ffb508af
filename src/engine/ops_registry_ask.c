/* SPDX-License-Identifier: ISC */
/*
 * Questions to registries: which entries there are, by key, by owner, by how
 * they begin.  A long answer comes in pages, so that no one asker fills the
 * engine's memory.
 */
#include "engine/ops_registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/worker.h"

#define PAGE_BYTES	(256U * 1024)

struct walk {
	const struct registry_ask *ask;
	enum registry_list list;
	struct registry_entry *at;
	uint32_t	 of;		/* whose; CORE_NONE: all */
	uint64_t	 after;		/* only what is later than this */
};

static bool
begins(const char *data, size_t len, struct bytes with)
{
	return with.len == 0 || (len >= with.len &&
	    memcmp(data, with.data, with.len) == 0);
}

bool
registry_matches(const struct registry_ask *a, const struct registry_entry *x)
{
	const struct bytes *f = a->field;

	if (f[FIELD_VALUE].data != NULL &&
	    (f[FIELD_VALUE].len != x->value_len ||
	    !begins(x->value, x->value_len, f[FIELD_VALUE])))
		return false;
	return begins(x->key->data, x->key->len, f[FIELD_PREFIX]) &&
	    begins(x->value, x->value_len, f[FIELD_VALUE_PREFIX]);
}

/* Where the walk is to begin: at the shortest list. */
static void
walk_begin(struct engine *e, const struct caller *c,
    const struct registry_ask *a, uint32_t of, struct walk *w)
{
	const char *after = control_string(c, "after");
	const struct registry_key *k;

	*w = (struct walk){ .ask = a, .of = of };
	if (after != NULL)
		w->after = strtoull(after, NULL, 10);
	if (a->field[FIELD_KEY].data != NULL) {
		k = registry_key(a->registry, a->field[FIELD_KEY]);
		w->list = OF_KEY;
		w->at = k != NULL ? k->first : NULL;
	} else if (of != CORE_NONE) {
		w->list = OF_OWNER;
		w->at = engine_child(e, of)->entries;
	} else {
		w->list = OF_ALL;
		w->at = a->registry->first;
		if (a->registry->cursor != NULL && w->after != 0 &&
		    a->registry->cursor->id == w->after)
			w->at = a->registry->cursor->next[OF_ALL];
	}
}

static struct registry_entry *
walk_next(struct walk *w)
{
	struct registry_entry *x;

	while ((x = w->at) != NULL) {
		w->at = x->next[w->list];
		if (x->id > w->after && x->key->registry == w->ask->registry &&
		    (w->of == CORE_NONE || x->slot == w->of) &&
		    registry_matches(w->ask, x))
			break;
	}
	return x;
}

static void
put_entry(struct engine *e, struct out *o, const struct walk *w,
    const struct registry_entry *x)
{
	const struct child *child = engine_child(e, x->slot);

	out_comma(o);
	out_text(o, "{");
	if (w->list != OF_KEY)
		registry_put_bytes(o, "key", x->key->data, x->key->len);
	out_key_string(o, "path", child->path);
	out_key_int(o, "pid", child->pid);
	if (x->value_len > 0)
		registry_put_bytes(o, "value", x->value, x->value_len);
	out_text(o, "}");
}

/* {"entries":[...]}, and "next" for the "after" of the next page. */
static void
answer(struct engine *e, const struct caller *c, struct walk *w)
{
	struct registry_entry *x = NULL;
	struct out o = { 0 };

	out_text(&o, "{\"entries\":[");
	while (o.len < PAGE_BYTES && (x = walk_next(w)) != NULL) {
		put_entry(e, &o, w, x);
		if (o.len < PAGE_BYTES)
			continue;
		out_text(&o, "]");
		out_key(&o, "next");
		out_format(&o, "\"%llu\"", (unsigned long long)x->id);
		if (w->list == OF_ALL)
			w->ask->registry->cursor = x;
	}
	out_text(&o, x != NULL ? "}" : "]}");
	engine_reply(e, c->peer, c->ref, &o);
}

void
registry_do_entries(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	struct walk w;

	walk_begin(e, c, a, CORE_NONE, &w);
	answer(e, c, &w);
}

/* "of": a name, a path or pid:N; without it the caller's own. */
void
registry_do_own_entries(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	const char *of = control_string(c, "of");
	uint32_t slot = of != NULL ? watch_target(e, of) : a->slot;
	struct walk w = { .ask = a };

	if (of == NULL && slot == CORE_NONE) {
		control_refuse(e, c, "invalid", "say whose with \"of\": a "
		    "name, a path or pid:N");
		return;
	}
	if (slot != CORE_NONE)
		walk_begin(e, c, a, slot, &w);
	answer(e, c, &w);
}

void
registry_do_count(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	uint32_t n = 0;
	struct out o = { 0 };
	struct walk w;

	walk_begin(e, c, a, CORE_NONE, &w);
	if (w.list == OF_ALL && a->field[FIELD_PREFIX].len == 0 &&
	    a->field[FIELD_VALUE].data == NULL &&
	    a->field[FIELD_VALUE_PREFIX].len == 0)
		n = a->registry->n;
	else
		while (walk_next(&w) != NULL)
			n++;
	out_text(&o, "{");
	out_key_int(&o, "count", n);
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}

/* --- all of them --- */

static void
put_registry(struct out *o, const struct registry *r)
{
	out_comma(o);
	out_text(o, "{");
	out_key_string(o, "registry", r->name);
	out_key_string(o, "keys", r->unique ? "unique" : "duplicate");
	out_key_int(o, "entries", r->n);
	out_key_int(o, "max_entries", r->max_entries);
	out_key_bool(o, "configured", r->configured);
	out_text(o, ",\"listeners\":[");
	for (uint32_t i = 0; i < r->nlisteners; i++) {
		out_comma(o);
		out_string(o, r->listeners[i]);
	}
	out_text(o, "]}");
}

static void
do_list(struct engine *e, const struct caller *c)
{
	struct out o = { 0 };

	out_text(&o, "{\"registries\":[");
	for (const struct registry *r = e->registries; r != NULL; r = r->next)
		put_registry(&o, r);
	out_text(&o, "]}");
	engine_reply(e, c->peer, c->ref, &o);
}

static void
do_new(struct engine *e, const struct caller *c)
{
	const char *name = control_needed(e, c, "registry");
	const char *keys = control_string(c, "keys");
	struct registry *r;

	if (name == NULL)
		return;
	if (!name_valid(name) || keys == NULL ||
	    (strcmp(keys, "unique") != 0 && strcmp(keys, "duplicate") != 0)) {
		control_refuse(e, c, "invalid", "a registry is named by 1 to "
		    "64 of A-Za-z0-9_.-, and its \"keys\" are unique or "
		    "duplicate");
		return;
	}
	if (registry_find(e, name) != NULL) {
		control_refuse(e, c, "already_started", "there is a registry "
		    "named %s", name);
		return;
	}
	r = registry_make(e, name, strcmp(keys, "unique") == 0);
	if (r == NULL) {
		control_refuse(e, c, "full", "there are %u registries already",
		    REGISTRIES_MAX);
		return;
	}
	registry_save(e, r);
	control_ok(e, c);
}

bool
registry_op_of_all(struct engine *e, const struct caller *c,
    const char *name)
{
	if (strcmp(name, "registry_new") == 0)
		do_new(e, c);
	else if (strcmp(name, "registry_list") == 0)
		do_list(e, c);
	else
		return false;
	return true;
}
