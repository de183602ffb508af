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
	uint32_t	 index;		/* among its parent's children */
	uint32_t	 n, cap;	/* children */
	uint32_t	 nbuckets;	/* a power of 2; 0: few children */
	struct node	**child, **bucket;
	char		*key;		/* without quotes; NULL: no member */
	size_t		 key_len;
	size_t		 bytes;		/* as it is printed, without its key */
	char		 text[];	/* of a scalar, NUL-ended; then the key */
};

#define NO_KEY		((struct span){ NULL, 0 })

/*
 * A scalar as it is spelt; or a container, empty, and text is nothing.  What
 * is to be a member has its key from the beginning, as the tree keeps it.
 */
struct node *tree_node(enum node_kind kind, struct span text, struct span key);
/* text is json_valid().  The caller's to tree_free(). */
struct node *tree_build(struct span text, struct span key);
void	tree_free(struct node *n);	/* NULL is nothing */
void	tree_print(struct text *t, const struct node *n);
bool	tree_equal(const struct node *a, const struct node *b);
unsigned tree_height(const struct node *n);	/* of a scalar: 1 */

/* key as the tree keeps it; NULL. */
struct node *tree_member(const struct node *object, const char *key,
	    size_t len);
/*
 * value belongs to the tree from now on.  Behind the last of an array; or as a
 * member that an object has not yet, or has, whose old value is freed.
 */
void	tree_add(struct node *parent, struct node *value);
void	tree_put(struct node *object, struct node *value);
/* In the place of another, which is freed: an item, or of the same key. */
void	tree_replace(struct node *old, struct node *value);
/* Out of its parent, and freed. */
void	tree_remove(struct node *n);
/*
 * JSON merge patch (RFC 7386) on an object or whatever *at is: NULL becomes
 * something, too.  Takes patch, which has no parent.  *at has none either.
 */
void	tree_merge(struct node **at, struct node *patch);
/* How large *at would be then. */
size_t	tree_merged_bytes(const struct node *at, const struct node *patch);
bool	tree_is_null(const struct node *n);

/*
 * A string with its quotes, or a value of another kind, as the tree spells it:
 * as it stands, or in room, which is empty before.
 */
struct span tree_spelt(struct span given, struct text *room);

#endif /* OTPD_WORKERS_AGENT_TREE_H */
