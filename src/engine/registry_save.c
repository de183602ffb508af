/* SPDX-License-Identifier: ISC */
/*
 * Registries in the snapshot: a record for each, for each entry, each piece of
 * metadata and each lock that is held.  Fields are only ever added at the end
 * of the fixed parts.  Who waits for a lock asks the next engine again.
 */
#include "engine/registry.h"

#include <stdlib.h>
#include <string.h>

struct registry_record {	/* then its name and its listeners, each
				 * with a NUL */
	uint32_t	size;		/* of this part */
	uint32_t	unique, configured, max_entries;
};

struct item_record {		/* then the key, then the value */
	uint32_t	size;
	uint32_t	slot;		/* 0 of metadata */
	uint64_t	registry;
	uint32_t	key_len, call;
};

void
registry_forget(struct engine *e, enum store_type type, uint64_t id)
{
	store_put(e->store, type, id, "", 0);
	e->changed = true;
}

void
registry_save(struct engine *e, const struct registry *r)
{
	struct registry_record head = { .size = sizeof(head),
	    .unique = r->unique, .configured = r->configured,
	    .max_entries = r->max_entries };
	struct out o = { 0 };

	out_bytes(&o, &head, sizeof(head));
	out_bytes(&o, r->name, strlen(r->name) + 1);
	for (uint32_t i = 0; i < r->nlisteners; i++)
		out_bytes(&o, r->listeners[i], strlen(r->listeners[i]) + 1);
	store_put(e->store, STORE_REGISTRY, r->id, o.text, o.len);
	out_done(&o);
	e->changed = true;
}

static void
put_item(struct engine *e, enum store_type type, uint64_t id,
    struct item_record head, const char *key, struct bytes value)
{
	struct out o = { 0 };

	head.size = sizeof(head);
	out_bytes(&o, &head, sizeof(head));
	out_bytes(&o, key, head.key_len);
	out_bytes(&o, value.data, value.len);
	store_put(e->store, type, id, o.text, o.len);
	out_done(&o);
	e->changed = true;
}

void
registry_save_entry(struct engine *e, const struct registry_entry *x)
{
	struct item_record head = { .slot = x->slot, .call = x->call,
	    .registry = x->key->registry->id, .key_len = x->key->len };
	struct bytes value = { x->value, x->value_len };

	put_item(e, STORE_ENTRY, x->id, head, x->key->data, value);
}

void
registry_save_meta(struct engine *e, const struct registry *r,
    const struct registry_meta *m)
{
	struct item_record head = { .registry = r->id,
	    .key_len = m->key_len };
	struct bytes value = { m->data + m->key_len + 1, m->value_len };

	put_item(e, STORE_META, m->id, head, m->data, value);
}

void
registry_save_lock(struct engine *e, const struct registry_lock *l)
{
	struct item_record head = { .slot = l->slot, .call = l->call,
	    .registry = l->registry->id, .key_len = l->len };
	struct bytes value = { NULL, 0 };

	put_item(e, STORE_LOCK, l->id, head, l->data, value);
}

void
registries_save_all(struct engine *e)
{
	for (struct registry *r = e->registries; r != NULL; r = r->next) {
		registry_save(e, r);
		for (struct registry_entry *x = r->first; x != NULL;
		    x = x->next[OF_ALL])
			registry_save_entry(e, x);
		for (struct registry_meta *m = r->metas; m != NULL;
		    m = m->next)
			registry_save_meta(e, r, m);
		for (struct registry_lock *l = r->locks; l != NULL;
		    l = l->next)
			registry_save_lock(e, l);
	}
}

/* --- and back --- */

static bool
restore_registry(struct engine *e, const struct saved_record *saved)
{
	struct registry_record head = { 0 };
	const char *p, *end = saved->data + saved->len;
	char **names = NULL;
	uint32_t n = 0, cap = 0;
	struct registry *r;

	if (saved->len < sizeof(head))
		return false;
	memcpy(&head, saved->data, sizeof(head));
	if (head.size < sizeof(head) || head.size >= saved->len ||
	    end[-1] != '\0')
		return false;
	for (p = saved->data + head.size; p < end; p += strlen(p) + 1) {
		names = xgrow(names, &cap, n, sizeof(*names));
		names[n++] = (char *)(uintptr_t)p;
	}
	r = registry_find(e, names[0]) == NULL ? registry_make(e, names[0],
	    head.unique != 0) : NULL;
	if (r != NULL) {
		r->id = saved->key;
		r->configured = head.configured != 0;
		r->max_entries = head.max_entries;
		registry_set_listeners(r, names + 1, n - 1);
	}
	free(names);
	return r != NULL;
}

static struct registry *
registry_by_id(struct engine *e, uint64_t id)
{
	struct registry *r = e->registries;

	while (r != NULL && r->id != id)
		r = r->next;
	return r;
}

static bool
slot_is_there(const struct engine *e, uint32_t slot)
{
	return slot < e->children_cap && e->children[slot].path != NULL;
}

static bool
restore_item(struct engine *e, const struct saved_record *saved)
{
	struct item_record head = { 0 };
	struct bytes key, value;
	struct registry *r;

	if (saved->len < sizeof(head))
		return false;
	memcpy(&head, saved->data, sizeof(head));
	if (head.size < sizeof(head) || head.size > saved->len ||
	    saved->len - head.size < head.key_len)
		return false;
	key = (struct bytes){ saved->data + head.size, head.key_len };
	value = (struct bytes){ key.data + key.len, saved->len - head.size -
	    head.key_len };
	r = registry_by_id(e, head.registry);
	if (r == NULL || (saved->type != STORE_META &&
	    !slot_is_there(e, head.slot)))
		return false;
	if (saved->type == STORE_ENTRY)
		registry_put_entry(e, r, head.slot, key, value,
		    saved->key)->call = head.call;
	else if (saved->type == STORE_LOCK)
		registry_new_lock(e, r, head.slot, key, saved->key)->call =
		    head.call;
	else
		(void)registry_new_meta(e, r, key, value, saved->key);
	return true;
}

bool
registry_restore(struct engine *e, const struct saved_record *saved)
{
	bool good;

	if (saved->type == STORE_REGISTRY)
		good = restore_registry(e, saved);
	else if (saved->type == STORE_ENTRY || saved->type == STORE_META ||
	    saved->type == STORE_LOCK)
		good = restore_item(e, saved);
	else
		return false;
	if (saved->key > e->next_key)
		e->next_key = saved->key;
	if (!good)
		registry_forget(e, saved->type, saved->key);
	return true;
}
