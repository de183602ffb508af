/* SPDX-License-Identifier: ISC */
/*
 * What a registry keeps beside its entries: metadata, and locks on keys, each
 * held by one process at a time, in the order in which they were asked for.
 */
#include "engine/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- metadata --- */

static struct registry_meta **
find_meta(struct registry *r, const char *key, size_t len)
{
	struct registry_meta **p = &r->metas;

	while (*p != NULL && ((*p)->key_len != len ||
	    memcmp((*p)->data, key, len) != 0))
		p = &(*p)->next;
	return p;
}

struct registry_meta *
registry_meta(const struct registry *r, const char *key)
{
	return *find_meta((struct registry *)(uintptr_t)r, key, strlen(key));
}

/* The key ends with a NUL: data is a string, and then the value. */
struct registry_meta *
registry_new_meta(struct engine *e, struct registry *r, struct bytes key,
    struct bytes value, uint64_t id)
{
	struct registry_meta *m = xcalloc(1, sizeof(*m) + key.len + 1 +
	    value.len + 1), **p = &r->metas;

	m->id = id;
	m->key_len = (uint32_t)key.len;
	m->value_len = (uint32_t)value.len;
	memcpy(m->data, key.data, key.len);
	if (value.len > 0)
		memcpy(m->data + key.len + 1, value.data, value.len);
	while (*p != NULL)
		p = &(*p)->next;
	*p = m;
	r->nmetas++;
	e->registry_bytes += key.len + value.len;
	return m;
}

bool
registry_put_meta(struct engine *e, struct registry *r, const char *name,
    struct bytes value)
{
	struct bytes key = { name, strlen(name) };
	struct registry_meta **p = find_meta(r, key.data, key.len), *old = *p;
	struct registry_meta *m;

	if (old == NULL && r->nmetas >= REGISTRY_META_MAX)
		return false;
	if (value.data != NULL && e->registry_bytes + key.len + value.len -
	    (old != NULL ? old->key_len + old->value_len : 0) >
	    REGISTRY_BYTES_MAX)
		return false;
	if (value.data != NULL) {
		m = registry_new_meta(e, r, key, value, old != NULL ? old->id :
		    ++e->next_key);
		registry_save_meta(e, r, m);
	} else if (old != NULL) {
		registry_forget(e, STORE_META, old->id);
	}
	if (old == NULL)
		return true;
	*p = old->next;
	r->nmetas--;
	e->registry_bytes -= old->key_len + old->value_len;
	free(old);
	return true;
}

/* --- locks --- */

static struct registry_lock **
find_lock(struct registry *r, struct bytes key)
{
	struct registry_lock **p = &r->locks;

	while (*p != NULL && ((*p)->len != key.len ||
	    memcmp((*p)->data, key.data, key.len) != 0))
		p = &(*p)->next;
	return p;
}

static struct registry_lock *
lock_new(struct engine *e, struct registry *r, uint32_t slot,
    struct bytes key)
{
	struct registry_lock *l = xcalloc(1, sizeof(*l) + key.len + 1);

	l->registry = r;
	l->slot = slot;
	l->len = (uint32_t)key.len;
	memcpy(l->data, key.data, key.len);
	engine_child(e, slot)->nlocks++;
	e->nlocks++;
	return l;
}

static void
lock_free(struct engine *e, struct registry_lock *l)
{
	engine_child(e, l->slot)->nlocks--;
	e->nlocks--;
	free(l);
}

struct registry_lock *
registry_new_lock(struct engine *e, struct registry *r, uint32_t slot,
    struct bytes key, uint64_t id)
{
	struct registry_lock *l = lock_new(e, r, slot, key);

	l->id = id;
	l->next = r->locks;
	r->locks = l;
	return l;
}

int
registry_take_lock(struct engine *e, struct registry *r,
    const struct registry_lock *who, struct bytes key)
{
	struct registry_lock **p = find_lock(r, key), *l;

	if (*p == NULL && e->nlocks < REGISTRY_LOCKS_MAX) {
		l = registry_new_lock(e, r, who->slot, key, ++e->next_key);
		l->call = who->call;
		registry_save_lock(e, l);
		return 0;
	}
	for (l = *p; l != NULL; p = &l->queue, l = l->queue) {
		if (l->slot != who->slot)
			continue;
		if (l->call != who->call || who->call == 0)
			return -EDEADLK;
		l->peer = who->peer;	/* it asks again */
		l->ref = who->ref;
		return l->id != 0 ? 0 : 1;
	}
	if (e->nlocks >= REGISTRY_LOCKS_MAX)
		return -ENOBUFS;
	*p = lock_new(e, r, who->slot, key);
	(*p)->call = who->call;
	(*p)->peer = who->peer;
	(*p)->ref = who->ref;
	return 1;
}

/* It was held by the one before. */
static void
pass_on(struct engine *e, struct registry_lock *l)
{
	struct out o = { 0 };

	l->id = ++e->next_key;
	registry_save_lock(e, l);
	out_text(&o, "{\"result\":\"ok\"}");
	engine_reply(e, l->peer, l->ref, &o);
}

/* Take slot's out of the line at *first; false: it is not in it. */
static bool
leave(struct engine *e, struct registry_lock **first, uint32_t slot)
{
	struct registry_lock **p = first, *l;

	while ((l = *p) != NULL && l->slot != slot)
		p = &l->queue;
	if (l == NULL)
		return false;
	if (l->id != 0) {		/* it has it: p is first */
		registry_forget(e, STORE_LOCK, l->id);
		*first = l->queue != NULL ? l->queue : l->next;
		if (l->queue != NULL) {
			l->queue->next = l->next;
			pass_on(e, l->queue);
		}
	} else {
		*p = l->queue;
	}
	lock_free(e, l);
	return true;
}

void
registry_give_lock(struct engine *e, struct registry *r, uint32_t slot,
    struct bytes key)
{
	(void)leave(e, find_lock(r, key), slot);
}

void
registry_locks_ended(struct engine *e, uint32_t slot)
{
	struct registry_lock **p;

	for (struct registry *r = e->registries; r != NULL; r = r->next) {
		p = &r->locks;
		while (*p != NULL && engine_child(e, slot)->nlocks > 0)
			if (!leave(e, p, slot))
				p = &(*p)->next;
	}
}
