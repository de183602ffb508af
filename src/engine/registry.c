/* SPDX-License-Identifier: ISC */
/*
 * What registries hold: keys in a table, entries in three lists each.  Decides
 * nothing about who may do what, and answers nobody.
 */
#include "engine/registry.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN	16U

/* --- the lists of an entry --- */

static struct registry_entry **
head_of(struct engine *e, struct registry_entry *x, enum registry_list which)
{
	switch (which) {
	case OF_KEY:
		return &x->key->first;
	case OF_OWNER:
		return &engine_child(e, x->slot)->entries;
	default:
		return &x->key->registry->first;
	}
}

static void
enlist(struct registry_entry **head, struct registry_entry *x,
    enum registry_list which)
{
	struct registry_entry *first = *head;

	x->next[which] = NULL;
	if (first == NULL) {
		x->prev[which] = x;
		*head = x;
		return;
	}
	x->prev[which] = first->prev[which];
	x->prev[which]->next[which] = x;
	first->prev[which] = x;
}

static void
delist(struct registry_entry **head, struct registry_entry *x,
    enum registry_list which)
{
	struct registry_entry *next = x->next[which];

	if (*head == x)
		*head = next;
	else
		x->prev[which]->next[which] = next;
	if (next != NULL)
		next->prev[which] = x->prev[which];
	else if (*head != NULL)
		(*head)->prev[which] = x->prev[which];
}

/* --- the table of keys --- */

static uint32_t
hash_of(struct bytes key)
{
	uint64_t hash = 14695981039346656037ULL;

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (uint8_t)key.data[i]) * 1099511628211ULL;
	return (uint32_t)(hash ^ hash >> 32);
}

static struct registry_key **
find_key(const struct registry *r, struct bytes key, uint32_t hash)
{
	struct registry_key **p = &r->buckets[hash & (r->nbuckets - 1)], *k;

	for (; (k = *p) != NULL; p = &k->next)
		if (k->hash == hash && k->len == key.len &&
		    memcmp(k->data, key.data, key.len) == 0)
			break;
	return p;
}

struct registry_key *
registry_key(const struct registry *r, struct bytes key)
{
	return r->nbuckets == 0 ? NULL : *find_key(r, key, hash_of(key));
}

/* Twice as many as keys after growing, a quarter full before shrinking. */
static void
resize(struct registry *r)
{
	uint32_t old = r->nbuckets, n = old;
	struct registry_key **from = r->buckets, *k;

	if (r->nkeys >= old)
		n = old > 0 ? old * 2 : BUCKETS_MIN;
	else if (old > BUCKETS_MIN && r->nkeys < old / 8)
		n = old / 2;
	if (n == old)
		return;
	r->buckets = xcalloc(n, sizeof(*r->buckets));
	r->nbuckets = n;
	for (uint32_t i = 0; i < old; i++) {
		while ((k = from[i]) != NULL) {
			from[i] = k->next;
			k->next = r->buckets[k->hash & (n - 1)];
			r->buckets[k->hash & (n - 1)] = k;
		}
	}
	free(from);
}

static struct registry_key *
key_new(struct engine *e, struct registry *r, struct bytes key)
{
	uint32_t hash = hash_of(key);
	struct registry_key **p, *k;

	resize(r);
	p = find_key(r, key, hash);
	if (*p != NULL)
		return *p;
	k = xcalloc(1, sizeof(*k) + key.len + 1);
	k->registry = r;
	k->hash = hash;
	k->len = (uint32_t)key.len;
	memcpy(k->data, key.data, key.len);
	*p = k;
	r->nkeys++;
	e->registry_bytes += key.len;
	return k;
}

static void
key_free(struct engine *e, struct registry_key *k)
{
	struct registry *r = k->registry;
	struct registry_key **p = &r->buckets[k->hash & (r->nbuckets - 1)];

	while (*p != k)
		p = &(*p)->next;
	*p = k->next;
	r->nkeys--;
	e->registry_bytes -= k->len;
	free(k);
	resize(r);
}

/* --- entries --- */

static void
put_value(struct engine *e, struct registry_entry *x, struct bytes value)
{
	char *copy = NULL;

	if (value.len > 0) {
		copy = xcalloc(1, value.len + 1);
		memcpy(copy, value.data, value.len);
	}
	e->registry_bytes += value.len;
	e->registry_bytes -= x->value_len;
	free(x->value);
	x->value = copy;
	x->value_len = (uint32_t)value.len;
}

/* An owner's latest is its last also where a snapshot had another order: by
 * that a repeated register is known. */
static void
keep_latest_last(struct engine *e, struct registry_entry *x)
{
	struct registry_entry **head = head_of(e, x, OF_OWNER);
	struct registry_entry *before = x->prev[OF_OWNER];

	if (before->id <= x->id)	/* or x itself */
		return;
	delist(head, before, OF_OWNER);
	enlist(head, before, OF_OWNER);
}

struct registry_entry *
registry_put_entry(struct engine *e, struct registry *r, uint32_t slot,
    struct bytes key, struct bytes value, uint64_t id)
{
	struct registry_entry *x = xcalloc(1, sizeof(*x));

	x->key = key_new(e, r, key);
	x->id = id;
	x->slot = slot;
	put_value(e, x, value);
	for (int i = 0; i < REGISTRY_NLISTS; i++)
		enlist(head_of(e, x, (enum registry_list)i), x,
		    (enum registry_list)i);
	keep_latest_last(e, x);
	x->key->n++;
	r->n++;
	e->loose_entries += !r->configured;
	return x;
}

struct registry_entry *
registry_add(struct engine *e, struct registry *r, uint32_t slot,
    struct bytes key, struct bytes value)
{
	if (r->n >= r->max_entries ||
	    (!r->configured && e->loose_entries >= REGISTRY_ENTRIES) ||
	    e->registry_bytes + key.len + value.len > REGISTRY_BYTES_MAX)
		return NULL;
	return registry_put_entry(e, r, slot, key, value, ++e->next_key);
}

bool
registry_set_value(struct engine *e, struct registry_entry *x,
    struct bytes value)
{
	if (value.len > x->value_len && e->registry_bytes + value.len -
	    x->value_len > REGISTRY_BYTES_MAX)
		return false;
	put_value(e, x, value);
	registry_save_entry(e, x);
	return true;
}

void
registry_remove(struct engine *e, struct registry_entry *x)
{
	struct registry_key *k = x->key;
	struct registry *r = k->registry;

	registry_forget(e, STORE_ENTRY, x->id);
	for (int i = 0; i < REGISTRY_NLISTS; i++)
		delist(head_of(e, x, (enum registry_list)i), x,
		    (enum registry_list)i);
	if (r->cursor == x)
		r->cursor = NULL;
	e->registry_bytes -= x->value_len;
	r->n--;
	e->loose_entries -= !r->configured;
	if (--k->n == 0)
		key_free(e, k);
	free(x->value);
	free(x);
}

void
registry_ended(struct engine *e, uint32_t slot)
{
	struct registry_entry *x;

	while ((x = engine_child(e, slot)->entries) != NULL)
		registry_remove(e, x);
	if (engine_child(e, slot)->nlocks > 0)
		registry_locks_ended(e, slot);
}

/* --- registries --- */

struct registry *
registry_find(struct engine *e, const char *name)
{
	struct registry *r = e->registries;

	while (r != NULL && strcmp(r->name, name) != 0)
		r = r->next;
	return r;
}

struct registry *
registry_make(struct engine *e, const char *name, bool unique)
{
	struct registry **p = &e->registries, *r;

	if (e->nregistries >= REGISTRIES_MAX)
		return NULL;
	r = xcalloc(1, sizeof(*r));
	r->name = xstrdup(name);
	r->id = ++e->next_key;
	r->unique = unique;
	r->max_entries = REGISTRY_ENTRIES;
	while (*p != NULL)
		p = &(*p)->next;
	*p = r;
	e->nregistries++;
	return r;
}

void
registry_set_listeners(struct registry *r, char *const *names, uint32_t n)
{
	for (uint32_t i = 0; i < r->nlisteners; i++)
		free(r->listeners[i]);
	free(r->listeners);
	r->listeners = n > 0 ? xcalloc(n, sizeof(*r->listeners)) : NULL;
	r->nlisteners = n;
	for (uint32_t i = 0; i < n; i++)
		r->listeners[i] = xstrdup(names[i]);
}

void
registry_drop(struct engine *e, struct registry *r)
{
	struct registry **p = &e->registries;

	while (r->first != NULL)
		registry_remove(e, r->first);
	while (r->metas != NULL) {
		struct bytes none = { NULL, 0 };

		(void)registry_put_meta(e, r, r->metas->data, none);
	}
	while (r->locks != NULL) {
		struct bytes key = { r->locks->data, r->locks->len };

		registry_give_lock(e, r, r->locks->slot, key);
	}
	registry_forget(e, STORE_REGISTRY, r->id);
	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	e->nregistries--;
	registry_set_listeners(r, NULL, 0);
	free(r->buckets);
	free(r->name);
	free(r);
}

void
registries_free(struct engine *e)
{
	while (e->registries != NULL)
		registry_drop(e, e->registries);
}

/* --- as configured --- */

static const struct config_registry *
wanted(const struct config_options *options, const char *name)
{
	for (uint32_t i = 0; i < options->nregistries; i++)
		if (strcmp(options->registries[i].name, name) == 0)
			return &options->registries[i];
	return NULL;
}

/* What others have made at run time under other names stays. */
void
registries_configure(struct engine *e, const struct config_options *options)
{
	const struct config_registry *want;
	struct registry *r, *next;

	for (r = e->registries; r != NULL; r = next) {
		next = r->next;
		want = wanted(options, r->name);
		if (want == NULL ? r->configured : want->unique != r->unique)
			registry_drop(e, r);
	}
	for (uint32_t i = 0; i < options->nregistries; i++) {
		want = &options->registries[i];
		r = registry_find(e, want->name);
		if (r == NULL)
			r = registry_make(e, want->name, want->unique);
		if (r == NULL)
			continue;	/* those made at run time are many */
		if (!r->configured)
			e->loose_entries -= r->n;
		r->configured = true;
		r->max_entries = want->max_entries;
		registry_set_listeners(r, want->listeners, want->nlisteners);
		registry_save(e, r);
	}
}
