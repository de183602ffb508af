/* SPDX-License-Identifier: ISC */
/*
 * The snapshot's store as an engine keeps it, and the death and restoring of
 * the core: what it saved bit by bit must be what it saves as a whole.
 */
#include <stdlib.h>
#include <string.h>

#include "core_rig_priv.h"

static void
put(struct rig_store *s, const struct core_record *rec)
{
	size_t i;

	for (i = 0; i < s->n && s->records[i].key != rec->key; i++)
		continue;
	if (i < s->n)
		free(s->records[i].data);
	if (rec->len == 0) {
		if (i < s->n)
			s->records[i] = s->records[--s->n];
		return;
	}
	if (i == s->cap) {
		s->cap = s->cap * 2 + 16;
		s->records = realloc(s->records,
		    s->cap * sizeof(s->records[0]));
		if (s->records == NULL)
			abort();
	}
	if (i == s->n)
		s->n++;
	s->records[i] = (struct rig_record){ rec->key, malloc(rec->len),
		rec->len };
	if (s->records[i].data == NULL)
		abort();
	memcpy(s->records[i].data, rec->data, rec->len);
}

void
rig_store_free(struct rig_store *s)
{
	while (s->n > 0)
		free(s->records[--s->n].data);
	free(s->records);
	*s = (struct rig_store){ 0 };
}

void
rig_store_take(struct rig *r)
{
	struct core_record rec;

	r->nrecords = 0;
	while (core_save_next(r->core, &rec)) {
		put(&r->store, &rec);
		r->nrecords++;
	}
	core_save_clear(r->core);
}

static bool
has(const struct rig_store *s, const struct rig_record *rec)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->records[i].key == rec->key)
			return s->records[i].len == rec->len &&
			    memcmp(s->records[i].data, rec->data,
			    rec->len) == 0;
	return false;
}

void
rig_store_check(struct rig *r)
{
	struct rig_store whole = { 0 };
	struct core_record rec;
	size_t i;

	core_save_all(r->core);
	while (core_save_next(r->core, &rec))
		put(&whole, &rec);
	core_save_clear(r->core);
	if (whole.n != r->store.n)
		rig_say(r, "FAULT: %zu records, should be %zu", r->store.n,
		    whole.n);
	for (i = 0; i < whole.n; i++)
		if (!has(&r->store, &whole.records[i]))
			rig_say(r, "FAULT: record %llx is stale",
			    (unsigned long long)whole.records[i].key);
	rig_store_free(&whole);
}

/* --- death and restoring --- */

static void
restore_specs(struct rig *r)
{
	struct core_spec *spec;
	const char *text = r->tree;
	uint32_t slot;

	spec = rig_tree(&text, &r->users);
	core_restore_begin(r->core, spec);
	rig_tree_free(spec);
	for (slot = 0; slot < RIG_MANY; slot++) {
		text = r->dynamic[slot];
		if (text == NULL)
			continue;
		spec = rig_tree(&text, &r->users);
		if (core_restore_dynamic(r->core, slot, spec) < 0)
			rig_say(r, "FAULT: dynamic child refused");
		rig_tree_free(spec);
	}
}

static enum core_world
world_of(const struct rig *r, uint64_t inc)
{
	const struct rig_process *p;

	for (p = r->processes; p < r->processes + RIG_MANY; p++)
		if (p->there && p->inc == inc)
			return p->ready ? CORE_WORLD_READY : CORE_WORLD_ALIVE;
	return CORE_WORLD_NONE;
}

void
rig_crash(struct rig *r)
{
	struct core_record rec;
	struct core_child v;
	uint32_t slot;
	size_t i;

	rig_store_check(r);
	r->unanswered = 0;	/* their callers hear that the engine died */
	core_free(r->core);
	memset(r->timers, 0, sizeof(r->timers));
	r->core = core_new((r->flags & RIG_COMPAT) != 0);
	restore_specs(r);
	for (i = 0; i < r->store.n; i++) {
		rec = (struct core_record){ r->store.records[i].key,
			r->store.records[i].data, r->store.records[i].len };
		if (core_restore_record(r->core, &rec) < 0)
			rig_say(r, "FAULT: record refused");
	}
	if (core_restore_end(r->core, r->now) < 0)
		rig_say(r, "FAULT: restore refused");
	for (slot = 0; slot < core_nslots(r->core); slot++)
		if (core_view(r->core, slot, r->now, &v) &&
		    v.type == CORE_WORKER)
			core_reconcile(r->core, slot, world_of(r, v.inc),
			    r->now);
	core_reconciled(r->core, r->now);
}
