/* SPDX-License-Identifier: ISC */
/*
 * What an agent does with its state.  A request is carried out as a whole or
 * changes nothing; each is checked against the limits before.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/reason.h"
#include "workers/agent/agent.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

enum outcome { DONE, BADKEY, CONFLICT, TOO_LARGE, TOO_DEEP, BAD_REQUEST,
	    BAD_PATH, BAD_RETURN };

static const struct { const char *error, *message; } words[] = {
	[DONE] = { "", "" },
	[BADKEY] = { "badkey", "there is nothing at this path" },
	[CONFLICT] = { "conflict", "it is not what it was compared with" },
	[TOO_LARGE] = { "too_large", "the state would be larger than its "
	    "limit" },
	[TOO_DEEP] = { "too_deep", "the state would be nested deeper than its "
	    "limit" },
	[BAD_REQUEST] = { "bad_request", "a request is {\"op\": get, put, "
	    "update, get_and_update or delete, \"path\": \"/a/b\", "
	    "\"value\": ...}" },
	[BAD_PATH] = { "bad_request", "a path is a JSON pointer, as \"/a/b\", "
	    "or \"\" for the whole" },
	[BAD_RETURN] = { "bad_return_value", "get_and_update needs a "
	    "`value`, an `update` or a `delete`" },
};

struct request {
	struct node	*whole;
	const struct node *op, *path, *compare;
	struct node	*value;		/* taken: the tree's, or freed */
	bool		 absent, raise, remove, update;
};

struct place {			/* where a path leads */
	struct node	*parent;	/* NULL: it is the whole state */
	struct node	*node;		/* NULL: nothing is there */
	const char	*key;		/* last part, as the tree spells it */
	size_t		 key_len;
	uint32_t	 index;		/* of an array */
	unsigned	 depth;		/* of what is there */
	struct text	 part;		/* what key points to, when escaped */
};

/* --- paths --- */

static bool
is_string(const struct node *n)
{
	return n != NULL && n->kind == NODE_SCALAR && n->text[0] == '"';
}

/* ~1 is a slash, ~0 a tilde.  False: any other. */
static bool
unescape(struct place *at, const char *part, size_t len)
{
	at->key = part;
	at->key_len = len;
	if (memchr(part, '~', len) == NULL)
		return true;
	at->part.len = 0;
	text_add(&at->part, "", 0);
	for (size_t i = 0; i < len; i++) {
		if (part[i] != '~')
			text_add(&at->part, &part[i], 1);
		else if (++i < len && (part[i] == '0' || part[i] == '1'))
			text_puts(&at->part, part[i] == '0' ? "~" : "/");
		else
			return false;
	}
	at->key = at->part.data;
	at->key_len = at->part.len;
	return true;
}

/* An index of an array, its length for "-"; UINT32_MAX: none. */
static uint32_t
index_of(const struct node *array, const char *key, size_t len)
{
	uint64_t n = 0;

	if (len == 1 && key[0] == '-')
		return array->n;
	if (len == 0 || len > 9 || (len > 1 && key[0] == '0'))
		return UINT32_MAX;
	for (size_t i = 0; i < len; i++) {
		if (key[i] < '0' || key[i] > '9')
			return UINT32_MAX;
		n = n * 10 + (uint64_t)(key[i] - '0');
	}
	return (uint32_t)n;
}

/* From what is at the place to its child key: false when it has no room. */
static bool
step(struct place *at)
{
	at->parent = at->node;
	at->node = NULL;
	at->depth++;
	if (at->parent == NULL || at->parent->kind == NODE_SCALAR)
		return false;
	if (at->parent->kind == NODE_OBJECT) {
		at->node = tree_member(at->parent, at->key, at->key_len);
		return true;
	}
	at->index = index_of(at->parent, at->key, at->key_len);
	if (at->index < at->parent->n)
		at->node = at->parent->child[at->index];
	return at->index <= at->parent->n;
}

/* BADKEY: there is no such place.  An existing place may have nothing. */
static enum outcome
find(const struct agent *a, const struct node *path, struct place *at)
{
	const char *p, *end, *next;

	*at = (struct place){ .node = a->state, .depth = 1 };
	if (path == NULL)
		return DONE;
	if (!is_string(path))
		return BAD_PATH;
	p = path->text + 1;
	end = path->text + path->bytes - 1;
	if (p < end && *p != '/')
		return BAD_PATH;
	for (; p < end; p = next) {
		next = memchr(p + 1, '/', (size_t)(end - p - 1));
		if (next == NULL)
			next = end;
		if (!unescape(at, p + 1, (size_t)(next - p - 1)))
			return BAD_PATH;
		if (!step(at))
			return BADKEY;
	}
	return DONE;
}

/* --- changes --- */

static enum outcome
fits(const struct agent *a, const struct place *at, const struct node *value,
    size_t bytes)
{
	size_t before = at->node != NULL ? at->node->bytes : 0;

	if (at->parent != NULL && at->node == NULL)
		bytes += 1 + (at->parent->kind == NODE_OBJECT ?
		    at->key_len + 3 : 0);
	if (a->state->bytes - before + bytes > a->max_bytes)
		return TOO_LARGE;
	return at->depth - 1 + tree_height(value) > a->max_depth ? TOO_DEEP :
	    DONE;
}

static void
set(struct agent *a, const struct place *at, struct node *value)
{
	if (at->parent == NULL) {
		tree_free(a->state);
		a->state = value;
	} else if (at->parent->kind == NODE_OBJECT) {
		tree_put_member(at->parent, at->key, at->key_len, value);
	} else {
		tree_put_item(at->parent, at->index, value);
	}
}

static struct node *
take_value(struct request *r)
{
	struct node *value = tree_take(r->value);

	r->value = NULL;
	return value;
}

static enum outcome
put(struct agent *a, struct request *r, struct place *at)
{
	enum outcome rc = fits(a, at, r->value, r->value->bytes);

	if (rc == DONE)
		set(a, at, take_value(r));
	return rc;
}

static enum outcome
update(struct agent *a, struct request *r, struct place *at)
{
	enum outcome rc = fits(a, at, r->value,
	    tree_merged_bytes(at->node, r->value));
	struct node *made = NULL;

	if (rc != DONE)
		return rc;
	if (at->node != NULL && at->node->kind == NODE_OBJECT &&
	    r->value->kind == NODE_OBJECT) {
		tree_merge(&at->node, take_value(r));
	} else {
		tree_merge(&made, take_value(r));
		set(a, at, made);
	}
	return DONE;
}

static void
take_out(struct agent *a, struct place *at)
{
	static const struct span null = { "null", 4 };

	if (at->parent == NULL)
		set(a, at, tree_build(null));
	else if (at->node != NULL)
		tree_free(tree_take(at->node));
}

/* --- operations: the reply is begun empty --- */

static void
reply_value(struct agent *a, const struct node *n)
{
	text_puts(&a->reply, "{\"value\":");
	if (n != NULL)
		tree_print(&a->reply, n);
	else
		text_puts(&a->reply, "null,\"absent\":true");
	text_puts(&a->reply, "}");
}

static void
reply_ok(struct agent *a)
{
	text_puts(&a->reply, "{\"result\":\"ok\"}");
}

static enum outcome
op_get(struct agent *a, struct request *r, struct place *at)
{
	(void)r;
	if (at->node == NULL)
		return BADKEY;
	reply_value(a, at->node);
	return DONE;
}

static enum outcome
op_put(struct agent *a, struct request *r, struct place *at)
{
	enum outcome rc = r->value == NULL ? BAD_REQUEST : put(a, r, at);

	if (rc == DONE)
		reply_ok(a);
	return rc;
}

static enum outcome
op_update(struct agent *a, struct request *r, struct place *at)
{
	enum outcome rc = r->value == NULL ? BAD_REQUEST : update(a, r, at);

	if (rc == DONE)
		reply_ok(a);
	return rc;
}

static enum outcome
op_delete(struct agent *a, struct request *r, struct place *at)
{
	(void)r;
	take_out(a, at);
	reply_ok(a);
	return DONE;
}

static bool
as_compared(const struct request *r, const struct place *at)
{
	if (r->absent)
		return at->node == NULL;
	return r->compare == NULL || (at->node != NULL &&
	    tree_equal(at->node, r->compare));
}

/* The reply is what was there before. */
static enum outcome
op_get_and_update(struct agent *a, struct request *r, struct place *at)
{
	enum outcome rc;

	if (r->value == NULL && !r->remove)
		return BAD_RETURN;
	if (!as_compared(r, at))
		return CONFLICT;
	reply_value(a, at->node);
	if (r->remove) {
		take_out(a, at);
		return DONE;
	}
	rc = r->update ? update(a, r, at) : put(a, r, at);
	if (rc != DONE)
		a->reply.len = 0;
	return rc;
}

static const struct {
	const char	*name;		/* as it stands in a request */
	enum outcome	(*run)(struct agent *a, struct request *r,
			    struct place *at);
} ops[] = {
	{ "\"get\"", op_get }, { "\"put\"", op_put },
	{ "\"update\"", op_update }, { "\"delete\"", op_delete },
	{ "\"get_and_update\"", op_get_and_update },
};

/* --- requests --- */

static const struct node *
member(const struct request *r, const char *key)
{
	return tree_member(r->whole, key, strlen(key));
}

static bool
is_true(const struct node *n)
{
	return n != NULL && n->kind == NODE_SCALAR && n->text[0] == 't';
}

static void
take_members(struct request *r)
{
	r->op = member(r, "op");
	r->path = member(r, "path");
	r->compare = member(r, "compare");
	r->value = tree_member(r->whole, "value", 5);
	if (r->value == NULL) {
		r->value = tree_member(r->whole, "update", 6);
		r->update = r->value != NULL;
	}
	r->absent = is_true(member(r, "absent"));
	r->remove = is_true(member(r, "delete"));
	r->raise = is_true(member(r, "raise"));
}

static enum outcome
run(struct agent *a, struct request *r)
{
	enum outcome rc = BAD_REQUEST;
	struct place at;

	for (size_t i = 0; is_string(r->op) && i < NITEMS(ops); i++) {
		if (strcmp(ops[i].name, r->op->text) != 0)
			continue;
		rc = find(a, r->path, &at);
		if (rc == DONE)
			rc = ops[i].run(a, r, &at);
		else if (rc == BADKEY && ops[i].run == op_delete) {
			reply_ok(a);		/* as gone as it can be */
			rc = DONE;
		}
		text_done(&at.part);
		break;
	}
	return rc;
}

static void
reply_error(struct agent *a, const struct request *r, enum outcome rc)
{
	a->reply.len = 0;
	text_puts(&a->reply, "{\"error\":\"");
	text_puts(&a->reply, words[rc].error);
	text_puts(&a->reply, "\",\"message\":");
	json_quote(&a->reply, (struct span){ words[rc].message,
	    strlen(words[rc].message) });
	if (is_string(r->path)) {
		text_puts(&a->reply, ",\"path\":");
		text_add(&a->reply, r->path->text, r->path->bytes);
	}
	text_puts(&a->reply, "}");
}

/* {badkey,"/a/b"}, the path as far as it is fit for a reason. */
static void
reason_of(const struct request *r, enum outcome rc,
    char reason[OTP_REASON_MAX])
{
	const char *path = is_string(r->path) ? r->path->text : "\"\"";

	if (!reason_valid(path, strlen(path)) ||
	    snprintf(reason, OTP_REASON_MAX, "{%s,%s}", words[rc].error,
	    path) >= OTP_REASON_MAX)
		(void)snprintf(reason, OTP_REASON_MAX, "{%s,path}",
		    words[rc].error);
}

bool
agent_do(struct agent *a, struct span text, char reason[OTP_REASON_MAX])
{
	struct request r = { .whole = NULL };
	enum outcome rc = BAD_REQUEST;
	bool raise;

	a->reply.len = 0;
	if (json_valid(text))
		r.whole = tree_build(text);
	if (r.whole != NULL && r.whole->kind == NODE_OBJECT) {
		take_members(&r);
		rc = run(a, &r);
	}
	raise = rc != DONE && r.raise;
	if (raise)
		reason_of(&r, rc, reason);
	else if (rc != DONE)
		reply_error(a, &r, rc);
	tree_free(r.whole);
	return raise;
}

const char *
agent_replace(struct agent *a, struct span text)
{
	struct node *made;

	if (!json_valid(text))
		return "it is not JSON";
	made = tree_build(text);
	if (made->bytes <= a->max_bytes && tree_height(made) <= a->max_depth) {
		tree_free(a->state);
		a->state = made;
		return NULL;
	}
	tree_free(made);
	return "it is larger or deeper than the agent's limits";
}
