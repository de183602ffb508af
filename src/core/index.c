/* SPDX-License-Identifier: ISC */
/*
 * Finds a child by its supervisor and id.  Two children of one supervisor may
 * share an id: a deleted one of the specification and one added in its place.
 */
#include <stdlib.h>
#include <string.h>

#include "core/parts.h"

#define BUCKETS_MIN	16

static uint32_t
hash(uint32_t slot, const char *id)
{
	uint32_t h = 2166136261u ^ slot;

	for (; *id != '\0'; id++)
		h = (h ^ (unsigned char)*id) * 16777619u;
	h = (h ^ slot) * 16777619u;
	return h ^ h >> 15;
}

static struct child **
bucket(const struct core *c, const struct child *parent, const char *id)
{
	return &c->buckets[hash(parent->slot, id) & (c->nbuckets - 1)];
}

static void
grow(struct core *c)
{
	struct child **old = c->buckets, *ch, *next;
	uint32_t i, n = c->nbuckets;

	c->nbuckets = n == 0 ? BUCKETS_MIN : n * 2;
	c->buckets = core_alloc(c->nbuckets * sizeof(c->buckets[0]));
	c->nhashed = 0;
	for (i = 0; i < n; i++)
		for (ch = old[i]; ch != NULL; ch = next) {
			next = ch->next_hash;
			index_add(c, ch);
		}
	free(old);
}

void
index_add(struct core *c, struct child *ch)
{
	struct child **b;

	if (c->nhashed == c->nbuckets)
		grow(c);
	b = bucket(c, ch->parent, ch->id);
	ch->next_hash = *b;
	*b = ch;
	c->nhashed++;
}

void
index_clear(struct core *c)
{
	if (c->nbuckets > 0)
		memset(c->buckets, 0, c->nbuckets * sizeof(c->buckets[0]));
	c->nhashed = 0;
}

/* One that was never added is not there, which is fine. */
void
index_remove(struct core *c, struct child *ch)
{
	struct child **p;

	if (ch->parent == NULL || c->nbuckets == 0)
		return;
	for (p = bucket(c, ch->parent, ch->id); *p != NULL;
	    p = &(*p)->next_hash)
		if (*p == ch) {
			*p = ch->next_hash;
			c->nhashed--;
			return;
		}
}

static struct child *
find(const struct core *c, const struct sup *s, const char *id, bool listed)
{
	struct child *ch;

	if (c->nbuckets == 0)
		return NULL;
	for (ch = *bucket(c, s->self, id); ch != NULL; ch = ch->next_hash)
		if (ch->parent == s->self && strcmp(ch->id, id) == 0 &&
		    (listed ? ch->listed : ch->fixed))
			return ch;
	return NULL;
}

struct child *
index_listed(const struct core *c, const struct sup *s, const char *id)
{
	return find(c, s, id, true);
}

/* By one that is listed, or that waits to be started. */
bool
index_taken(const struct core *c, const struct sup *s, const char *id)
{
	const struct child *ch;

	if (c->nbuckets == 0)
		return false;
	for (ch = *bucket(c, s->self, id); ch != NULL; ch = ch->next_hash)
		if (ch->parent == s->self && strcmp(ch->id, id) == 0)
			return true;
	return false;
}

struct child *
index_fixed(const struct core *c, const struct sup *s, const char *id)
{
	return find(c, s, id, false);
}
