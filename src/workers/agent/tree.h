/* SPDX-License-Identifier: ISC */
/*
 * The state of an agent: JSON as a tree in which any value is found, changed
 * or taken out without touching the rest.  Numbers stay as they were written;
 * strings are kept in one spelling, so that equal ones have equal bytes.  Of
 * members with the same key the last counts.  Aborts when there is no memory:
 * the supervisor starts another one.
 */
#ifndef OTPD_WORKERS_AGENT_TREE_H
#define OTPD_WORKERS_AGENT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/port/json.h"

enum node_kind { NODE_SCALAR, NODE_ARRAY, NODE_OBJECT };

struct node {
	struct node	*parent;	/* or NULL */
	struct node	*chain;		/* the next of its bucket */
	enum node_kind	 kind;
	uint32_t	 hash;		/* of the key */
	uint32_t	 n, cap;	/* children */
	uint32_t	 nbuckets;	/* a power of 2; 0: few children */
	struct node	**child, **bucket;
	char		*key;		/* without quotes; NULL: no member */
	size_t		 key_len;
	char		*text;		/* of a scalar */
	size_t		 bytes;		/* as it is printed, without its key */
};

/* text is json_valid().  The caller's to tree_free(). */
struct node *tree_build(struct span text);
void	tree_free(struct node *n);	/* NULL is nothing */
void	tree_print(struct text *t, const struct node *n);
bool	tree_equal(const struct node *a, const struct node *b);
unsigned tree_height(const struct node *n);	/* of a scalar: 1 */

/* key as the tree keeps it; NULL. */
struct node *tree_member(const struct node *object, const char *key,
	    size_t len);
/* value belongs to the tree from now on; an older one is freed. */
void	tree_put_member(struct node *object, const char *key, size_t len,
	    struct node *value);
void	tree_put_item(struct node *array, uint32_t index, struct node *value);
/* Out of its parent; with its key freed it is the caller's. */
struct node *tree_take(struct node *n);
/*
 * JSON merge patch (RFC 7386) on an object or whatever *at is: NULL becomes
 * something, too.  Takes patch, which has no parent.  *at has none either.
 */
void	tree_merge(struct node **at, struct node *patch);
/* How large *at would be then. */
size_t	tree_merged_bytes(const struct node *at, const struct node *patch);
bool	tree_is_null(const struct node *n);

/* A string without its quotes, in the spelling that keys have. */
void	tree_spell(struct text *out, struct span quoted);

#endif /* OTPD_WORKERS_AGENT_TREE_H */
