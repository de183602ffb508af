/* SPDX-License-Identifier: ISC */
/*
 * The memory of a configuration while it is read.  Without memory the engine
 * aborts: it is started again with its state, and nothing is half done.
 */
#include "engine/config_mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/out.h"

#define CHUNK	8192

struct arena_chunk {
	struct arena_chunk	*next;
	size_t			 used, size;
	max_align_t		 data[];
};

void *
arena_alloc(struct arena *a, size_t size)
{
	const size_t unit = sizeof(max_align_t);
	struct arena_chunk *c = a->chunks;
	void *p;

	size = (size + unit - 1) / unit * unit;
	if (c == NULL || c->size - c->used < size) {
		size_t room = size > CHUNK ? size : CHUNK;

		c = xrealloc(NULL, sizeof(*c) + room, 1);
		c->used = 0;
		c->size = room;
		c->next = a->chunks;
		a->chunks = c;
	}
	p = (char *)c->data + c->used;
	c->used += size;
	return memset(p, 0, size);
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	text = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	(void)vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return text;
}

void
arena_done(struct arena *a)
{
	struct arena_chunk *c, *next;

	for (c = a->chunks; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	a->chunks = NULL;
}

static struct strmap_slot *
strmap_slot(const struct strmap *m, const char *key)
{
	uint64_t h = 14695981039346656037U;
	const char *p;
	size_t i;

	for (p = key; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 1099511628211U;
	for (i = h & (m->size - 1); m->slots[i].key != NULL;
	    i = (i + 1) & (m->size - 1))
		if (strcmp(m->slots[i].key, key) == 0)
			break;
	return &m->slots[i];
}

static void
strmap_room(struct strmap *m)
{
	struct strmap old = *m;
	size_t i;

	if (m->n * 2 < m->size)
		return;
	m->size = old.size > 0 ? old.size * 2 : 16;
	m->slots = xcalloc(m->size, sizeof(*m->slots));
	for (i = 0; i < old.size; i++)
		if (old.slots[i].key != NULL)
			*strmap_slot(m, old.slots[i].key) = old.slots[i];
	free(old.slots);
}

void *
strmap_put(struct strmap *m, const char *key, void *value)
{
	struct strmap_slot *slot;

	strmap_room(m);
	slot = strmap_slot(m, key);
	if (slot->key != NULL)
		return slot->value;
	slot->key = key;
	slot->value = value;
	m->n++;
	return NULL;
}

void *
strmap_get(const struct strmap *m, const char *key)
{
	return m->size > 0 ? strmap_slot(m, key)->value : NULL;
}

void
strmap_done(struct strmap *m)
{
	free(m->slots);
	memset(m, 0, sizeof(*m));
}
