/* SPDX-License-Identifier: ISC */
/*
 * A tree of JSON; see tree.h.  What is built from has been found valid before;
 * its depth, and so the recursion here, is bounded by JSON_DEPTH_MAX.
 */
#include "workers/agent/tree.h"

#include <stdlib.h>
#include <string.h>

#define FEW		16	/* children that are searched one by one */
#define MEMBER_EXTRA	3	/* quotes and colon of a key */

static void *
need(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static uint32_t
hash_of(const char *key, size_t len)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 16777619U;
	return h;
}

struct node *
tree_node(enum node_kind kind, struct span text, struct span key)
{
	struct node *n = need(malloc(sizeof(*n) + text.len + 1 + key.len));

	*n = (struct node){ .kind = kind,
	    .bytes = kind == NODE_SCALAR ? text.len : 2 };
	memcpy(n->text, text.at, text.len);
	n->text[text.len] = '\0';
	if (key.at != NULL) {
		n->key = n->text + text.len + 1;
		n->key_len = key.len;
		n->hash = hash_of(key.at, key.len);
		memcpy(n->key, key.at, key.len);
	}
	return n;
}

/* --- sizes --- */

static size_t
cost(const struct node *n)
{
	return n->bytes + (n->key != NULL ? n->key_len + MEMBER_EXTRA : 0);
}

/* A subtree has grown, or shrunk: so have those around it. */
static void
resize(struct node *n, size_t before, size_t now)
{
	for (; n != NULL; n = n->parent)
		n->bytes = n->bytes - before + now;
}

static size_t
commas(size_t n)
{
	return n > 0 ? n - 1 : 0;
}

unsigned
tree_height(const struct node *n)
{
	unsigned most = 0, height;

	for (uint32_t i = 0; i < n->n; i++) {
		height = tree_height(n->child[i]);
		most = height > most ? height : most;
	}
	return most + 1;
}

/* --- members --- */

static void
index_add(struct node *object, struct node *n)
{
	struct node **at = &object->bucket[n->hash & (object->nbuckets - 1)];

	n->chain = *at;
	*at = n;
}

static void
index_grow(struct node *object)
{
	object->nbuckets = object->nbuckets == 0 ? 2 * FEW :
	    object->nbuckets * 2;
	free(object->bucket);
	object->bucket = need(calloc(object->nbuckets,
	    sizeof(*object->bucket)));
	for (uint32_t i = 0; i < object->n; i++)
		index_add(object, object->child[i]);
}

static void
index_remove(struct node *object, const struct node *n)
{
	struct node **at;

	if (object->nbuckets == 0)
		return;
	at = &object->bucket[n->hash & (object->nbuckets - 1)];
	while (*at != n)
		at = &(*at)->chain;
	*at = n->chain;
}

static bool
has_key(const struct node *n, uint32_t hash, const char *key, size_t len)
{
	return n->hash == hash && n->key_len == len &&
	    memcmp(n->key, key, len) == 0;
}

static struct node *
find(const struct node *object, uint32_t hash, const char *key, size_t len)
{
	struct node *n;

	if (object->nbuckets > 0) {
		n = object->bucket[hash & (object->nbuckets - 1)];
		while (n != NULL && !has_key(n, hash, key, len))
			n = n->chain;
		return n;
	}
	for (uint32_t i = 0; i < object->n; i++)
		if (has_key(object->child[i], hash, key, len))
			return object->child[i];
	return NULL;
}

struct node *
tree_member(const struct node *object, const char *key, size_t len)
{
	return find(object, hash_of(key, len), key, len);
}

void
tree_add(struct node *parent, struct node *value)
{
	if (parent->n == parent->cap) {
		parent->cap = parent->cap == 0 ? 4 : parent->cap * 2;
		parent->child = need(realloc(parent->child,
		    parent->cap * sizeof(struct node *)));
	}
	value->index = parent->n;
	value->parent = parent;
	parent->child[parent->n++] = value;
	resize(parent, 0, cost(value) + (parent->n > 1 ? 1 : 0));
	if (parent->nbuckets > 0)
		index_add(parent, value);
	if (parent->kind == NODE_OBJECT && parent->n > FEW &&
	    parent->n > parent->nbuckets)
		index_grow(parent);
}

void
tree_replace(struct node *old, struct node *value)
{
	struct node *parent = old->parent;

	index_remove(parent, old);
	value->index = old->index;
	value->parent = parent;
	parent->child[value->index] = value;
	if (parent->nbuckets > 0)
		index_add(parent, value);
	resize(parent, old->bytes, value->bytes);
	tree_free(old);
}

void
tree_put(struct node *object, struct node *value)
{
	struct node *old = find(object, value->hash, value->key,
	    value->key_len);

	if (old != NULL)
		tree_replace(old, value);
	else
		tree_add(object, value);
}

void
tree_remove(struct node *n)
{
	struct node *parent = n->parent;

	index_remove(parent, n);
	parent->n--;
	for (uint32_t i = n->index; i < parent->n; i++) {
		parent->child[i] = parent->child[i + 1];
		parent->child[i]->index = i;
	}
	resize(parent, cost(n) + (parent->n > 0 ? 1 : 0), 0);
	tree_free(n);
}

void
tree_free(struct node *n)
{
	if (n == NULL)
		return;
	for (uint32_t i = 0; i < n->n; i++)
		tree_free(n->child[i]);
	if (n->kind != NODE_SCALAR) {
		free(n->child);
		free(n->bucket);
	}
	free(n);
}

/* --- merge patch --- */

bool
tree_is_null(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->text[0] == 'n';
}

/* One member of a patch, taken out of it. */
static void
merge_member(struct node *object, struct node *m)
{
	struct node *old = find(object, m->hash, m->key, m->key_len), *made;

	m->parent = NULL;
	if (tree_is_null(m)) {
		if (old != NULL)
			tree_remove(old);
		tree_free(m);
	} else if (m->kind != NODE_OBJECT) {
		tree_put(object, m);
	} else if (old != NULL && old->kind == NODE_OBJECT) {
		tree_merge(&old, m);
	} else {
		made = NULL;
		tree_merge(&made, m);
		tree_put(object, made);
	}
}

void
tree_merge(struct node **at, struct node *patch)
{
	if (patch->kind != NODE_OBJECT) {
		tree_free(*at);
		*at = patch;
		return;
	}
	if (*at == NULL || (*at)->kind != NODE_OBJECT) {
		tree_free(*at);
		*at = tree_node(NODE_OBJECT, (struct span){ "", 0 },
		    (struct span){ patch->key, patch->key_len });
	}
	for (uint32_t i = 0; i < patch->n; i++)
		merge_member(*at, patch->child[i]);
	patch->n = 0;
	tree_free(patch);
}

size_t
tree_merged_bytes(const struct node *at, const struct node *patch)
{
	const struct node *m, *old;
	size_t n = 0, inner = 0;

	if (patch->kind != NODE_OBJECT)
		return patch->bytes;
	if (at != NULL && at->kind != NODE_OBJECT)
		at = NULL;
	if (at != NULL) {
		n = at->n;
		inner = at->bytes - 2 - commas(n);
	}
	for (uint32_t i = 0; i < patch->n; i++) {
		m = patch->child[i];
		old = at == NULL ? NULL : tree_member(at, m->key, m->key_len);
		if (old != NULL) {
			inner -= cost(old);
			n--;
		}
		if (!tree_is_null(m)) {
			inner += tree_merged_bytes(old, m) + m->key_len +
			    MEMBER_EXTRA;
			n++;
		}
	}
	return 2 + inner + commas(n);
}

/* --- equal? --- */

static bool
is_number(const struct node *n)
{
	return n->text[0] == '-' || (n->text[0] >= '0' && n->text[0] <= '9');
}

/* Whole numbers by their digits: a double has not enough of them. */
static bool
equal_scalars(const struct node *a, const struct node *b)
{
	if (a->bytes == b->bytes && memcmp(a->text, b->text, a->bytes) == 0)
		return true;
	if (!is_number(a) || !is_number(b) ||
	    (strpbrk(a->text, ".eE") == NULL &&
	    strpbrk(b->text, ".eE") == NULL))
		return false;
	return strtod(a->text, NULL) == strtod(b->text, NULL);
}

bool
tree_equal(const struct node *a, const struct node *b)
{
	const struct node *other;

	if (a->kind != b->kind || a->n != b->n)
		return false;
	if (a->kind == NODE_SCALAR)
		return equal_scalars(a, b);
	for (uint32_t i = 0; i < a->n; i++) {
		other = a->kind == NODE_ARRAY ? b->child[i] :
		    tree_member(b, a->child[i]->key, a->child[i]->key_len);
		if (other == NULL || !tree_equal(a->child[i], other))
			return false;
	}
	return true;
}

/* --- printing --- */

void
tree_print(struct text *t, const struct node *n)
{
	if (n->kind == NODE_SCALAR) {
		text_add(t, n->text, n->bytes);
		return;
	}
	text_add(t, n->kind == NODE_ARRAY ? "[" : "{", 1);
	for (uint32_t i = 0; i < n->n; i++) {
		if (i > 0)
			text_add(t, ",", 1);
		if (n->kind == NODE_OBJECT) {
			text_add(t, "\"", 1);
			text_add(t, n->child[i]->key, n->child[i]->key_len);
			text_add(t, "\":", 2);
		}
		tree_print(t, n->child[i]);
	}
	text_add(t, n->kind == NODE_ARRAY ? "]" : "}", 1);
}
