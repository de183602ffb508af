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

enum member { OP, PATH, VALUE, UPDATE, COMPARE, ABSENT, DELETE, RAISE,
	    NMEMBERS };

/* A string that is known beforehand, in its quotes. */
#define QUOTED(s)	{ "\"" s "\"", sizeof(s) + 1 }

static const struct span names[NMEMBERS] = {
	[OP] = QUOTED("op"), [PATH] = QUOTED("path"),
	[VALUE] = QUOTED("value"), [UPDATE] = QUOTED("update"),
	[COMPARE] = QUOTED("compare"), [ABSENT] = QUOTED("absent"),
	[DELETE] = QUOTED("delete"), [RAISE] = QUOTED("raise"),
};

struct request {
	struct span	 has[NMEMBERS];	/* in its text; of no length: not */
	struct text	 op, path;	/* what has[] points to, when escaped */
};

struct place {			/* where a path leads */
	struct node	*parent;	/* NULL: it is the whole state */
	struct node	*node;		/* NULL: nothing is there */
	const char	*key;		/* last part, as the tree spells it */
	size_t		 key_len;
	unsigned	 depth;		/* of what is there */
	struct text	 part;		/* what key points to, when escaped */
};

/* --- paths --- */

static bool
is_string(struct span value)
{
	return value.len > 0 && value.at[0] == '"';
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
	uint32_t index;

	at->parent = at->node;
	at->node = NULL;
	at->depth++;
	if (at->parent == NULL || at->parent->kind == NODE_SCALAR)
		return false;
	if (at->parent->kind == NODE_OBJECT) {
		at->node = tree_member(at->parent, at->key, at->key_len);
		return true;
	}
	index = index_of(at->parent, at->key, at->key_len);
	if (index < at->parent->n)
		at->node = at->parent->child[index];
	return index <= at->parent->n;
}

/* BADKEY: there is no such place.  An existing place may have nothing. */
static enum outcome
find(const struct agent *a, struct span path, struct place *at)
{
	const char *p, *end, *next;

	*at = (struct place){ .node = a->state, .depth = 1 };
	if (path.len == 0)
		return DONE;
	if (!is_string(path))
		return BAD_PATH;
	p = path.at + 1;
	end = path.at + path.len - 1;
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
	} else if (at->node != NULL) {
		tree_replace(at->node, value);
	} else {
		tree_add(at->parent, value);
	}
}

/* From text, with the key that its place has. */
static struct node *
build_for(const struct place *at, struct span text)
{
	if (at->parent == NULL || at->parent->kind != NODE_OBJECT)
		return tree_build(text, NO_KEY);
	return tree_build(text, (struct span){ at->key, at->key_len });
}

static enum outcome
put(struct agent *a, struct span text, struct place *at)
{
	struct node *value = build_for(at, text);
	enum outcome rc = fits(a, at, value, value->bytes);

	if (rc == DONE)
		set(a, at, value);
	else
		tree_free(value);
	return rc;
}

static enum outcome
update(struct agent *a, struct span text, struct place *at)
{
	struct node *patch = build_for(at, text), *made = NULL;
	enum outcome rc = fits(a, at, patch,
	    tree_merged_bytes(at->node, patch));

	if (rc != DONE) {
		tree_free(patch);
	} else if (at->node != NULL && at->node->kind == NODE_OBJECT &&
	    patch->kind == NODE_OBJECT) {
		tree_merge(&at->node, patch);
	} else {
		tree_merge(&made, patch);
		set(a, at, made);
	}
	return rc;
}

static void
take_out(struct agent *a, struct place *at)
{
	static const struct span null = { "null", 4 };

	if (at->parent == NULL)
		set(a, at, tree_build(null, NO_KEY));
	else if (at->node != NULL)
		tree_remove(at->node);
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

/* What is to be put or merged; `update` says that it is a patch. */
static struct span
value_of(const struct request *r)
{
	return r->has[VALUE].len > 0 ? r->has[VALUE] : r->has[UPDATE];
}

static enum outcome
op_get(struct agent *a, const struct request *r, struct place *at)
{
	(void)r;
	if (at->node == NULL)
		return BADKEY;
	reply_value(a, at->node);
	return DONE;
}

static enum outcome
op_put(struct agent *a, const struct request *r, struct place *at)
{
	struct span value = value_of(r);
	enum outcome rc = value.len == 0 ? BAD_REQUEST : put(a, value, at);

	if (rc == DONE)
		reply_ok(a);
	return rc;
}

static enum outcome
op_update(struct agent *a, const struct request *r, struct place *at)
{
	struct span patch = value_of(r);
	enum outcome rc = patch.len == 0 ? BAD_REQUEST : update(a, patch, at);

	if (rc == DONE)
		reply_ok(a);
	return rc;
}

static enum outcome
op_delete(struct agent *a, const struct request *r, struct place *at)
{
	(void)r;
	take_out(a, at);
	reply_ok(a);
	return DONE;
}

static bool
is_true(struct span value)
{
	return value.len > 0 && value.at[0] == 't';
}

static bool
as_compared(const struct request *r, const struct place *at)
{
	struct node *other;
	bool equal;

	if (is_true(r->has[ABSENT]))
		return at->node == NULL;
	if (r->has[COMPARE].len == 0)
		return true;
	if (at->node == NULL)
		return false;
	other = tree_build(r->has[COMPARE], NO_KEY);
	equal = tree_equal(at->node, other);
	tree_free(other);
	return equal;
}

/* The reply is what was there before. */
static enum outcome
op_get_and_update(struct agent *a, const struct request *r, struct place *at)
{
	const bool remove = is_true(r->has[DELETE]);
	struct span value = value_of(r);
	enum outcome rc;

	if (value.len == 0 && !remove)
		return BAD_RETURN;
	if (!as_compared(r, at))
		return CONFLICT;
	reply_value(a, at->node);
	if (remove) {
		take_out(a, at);
		return DONE;
	}
	rc = r->has[VALUE].len > 0 ? put(a, value, at) : update(a, value, at);
	if (rc != DONE)
		a->reply.len = 0;
	return rc;
}

static const struct {
	struct span	name;
	enum outcome	(*run)(struct agent *a, const struct request *r,
			    struct place *at);
} ops[] = {
	{ QUOTED("get"), op_get }, { QUOTED("put"), op_put },
	{ QUOTED("update"), op_update }, { QUOTED("delete"), op_delete },
	{ QUOTED("get_and_update"), op_get_and_update },
};

/* --- requests --- */

static bool
same(struct span a, struct span b)
{
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* Of two of the same name the last counts.  False: it has none of our names. */
static bool
take_member(struct request *r, struct span name, struct span value)
{
	for (size_t i = 0; i < NMEMBERS; i++) {
		if (same(name, names[i])) {
			r->has[i] = value;
			return true;
		}
	}
	return false;
}

/* A name that says nothing to an agent may be one of ours, spelt otherwise. */
static void
take_spelt(struct request *r, struct span key, struct span value)
{
	struct text room = { 0 };

	(void)take_member(r, tree_spelt(key, &room), value);
	text_done(&room);
}

/* All of them, or none: false, it is not an object. */
static bool
take_members(struct request *r, struct span text)
{
	struct json_walk w = { .at = text.at, .end = text.at + text.len };
	struct span key, value;
	int rc;

	while ((rc = json_next(&w, &key, &value)) > 0)
		if (!take_member(r, key, value))
			take_spelt(r, key, value);
	if (rc < 0) {
		*r = (struct request){ 0 };
		return false;
	}
	if (is_string(r->has[OP]))
		r->has[OP] = tree_spelt(r->has[OP], &r->op);
	if (is_string(r->has[PATH]))
		r->has[PATH] = tree_spelt(r->has[PATH], &r->path);
	return true;
}

static enum outcome
run(struct agent *a, const struct request *r)
{
	enum outcome rc = BAD_REQUEST;
	struct place at;

	for (size_t i = 0; is_string(r->has[OP]) && i < NITEMS(ops); i++) {
		if (!same(r->has[OP], ops[i].name))
			continue;
		rc = find(a, r->has[PATH], &at);
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
	if (is_string(r->has[PATH])) {
		text_puts(&a->reply, ",\"path\":");
		text_add(&a->reply, r->has[PATH].at, r->has[PATH].len);
	}
	text_puts(&a->reply, "}");
}

/* {badkey,"/a/b"}, the path as far as it is fit for a reason. */
static void
reason_of(const struct request *r, enum outcome rc,
    char reason[OTP_REASON_MAX])
{
	static const struct span none = QUOTED("");
	struct span path = is_string(r->has[PATH]) ? r->has[PATH] : none;

	if (!reason_valid(path.at, path.len) ||
	    snprintf(reason, OTP_REASON_MAX, "{%s,%.*s}", words[rc].error,
	    (int)path.len, path.at) >= OTP_REASON_MAX)
		(void)snprintf(reason, OTP_REASON_MAX, "{%s,path}",
		    words[rc].error);
}

bool
agent_do(struct agent *a, struct span text, char reason[OTP_REASON_MAX])
{
	struct request r = { 0 };
	enum outcome rc = BAD_REQUEST;
	bool raise;

	a->reply.len = 0;
	if (take_members(&r, text))
		rc = run(a, &r);
	raise = rc != DONE && is_true(r.has[RAISE]);
	if (raise)
		reason_of(&r, rc, reason);
	else if (rc != DONE)
		reply_error(a, &r, rc);
	text_done(&r.op);
	text_done(&r.path);
	return raise;
}

const char *
agent_replace(struct agent *a, struct span text)
{
	struct node *made;

	if (!json_valid(text))
		return "it is not JSON";
	made = tree_build(text, NO_KEY);
	if (made->bytes <= a->max_bytes && tree_height(made) <= a->max_depth) {
		tree_free(a->state);
		a->state = made;
		return NULL;
	}
	tree_free(made);
	return "it is larger or deeper than the agent's limits";
}
