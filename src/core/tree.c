/* SPDX-License-Identifier: ISC */
/*
 * The tree: who is listed under whom and in which order, walks without
 * recursion, and the counters that make questions about a supervisor O(1).
 */
#include <assert.h>

#include "core/parts.h"

/* --- states --- */

void
child_dirty(struct core *c, struct child *ch)
{
	if (ch->dirty || ch->gone || ch->slot == CORE_NONE)
		return;
	ch->dirty = true;
	ch->next_dirty = c->dirty;
	c->dirty = ch;
}

static uint32_t
is_active(const struct child *ch)
{
	if (ch->state != CORE_RUNNING)
		return false;
	/* Elixir counts one that is dead as long as nobody has read so. */
	return !ch->exit.queued ||
	    ch->parent->sup->strategy == CORE_DYNAMIC;
}

static uint32_t
is_significant(const struct child *ch)
{
	return ch->significant && (ch->state == CORE_RUNNING ||
	    ch->state == CORE_RESTARTING);
}

static uint32_t
is_unquiet(const struct child *ch)
{
	return ch->state != CORE_STOPPED && ch->state != CORE_RUNNING;
}

void
child_count(struct core *c, const struct child *ch)
{
	c->nunquiet += is_unquiet(ch);
	if (ch->parent == NULL)
		return;
	ch->parent->sup->nactive += is_active(ch);
	ch->parent->sup->nsignificant += is_significant(ch);
}

static void
uncount(struct core *c, const struct child *ch)
{
	c->nunquiet -= is_unquiet(ch);
	if (ch->parent == NULL)
		return;
	ch->parent->sup->nactive -= is_active(ch);
	ch->parent->sup->nsignificant -= is_significant(ch);
}

void
child_set(struct core *c, struct child *ch, enum core_state state)
{
	uncount(c, ch);
	ch->state = state;
	child_count(c, ch);
	child_dirty(c, ch);
}

/* Its end lies in the mailbox of its supervisor, or no longer does. */
void
child_unread(struct core *c, struct child *ch, bool unread)
{
	uncount(c, ch);
	if (unread)
		mbox_post(c, ch->parent->sup, &ch->exit);
	else
		mbox_remove(ch->parent->sup, &ch->exit);
	child_count(c, ch);
	child_dirty(c, ch);
}

void
child_significant(struct core *c, struct child *ch, bool significant)
{
	uncount(c, ch);
	ch->significant = significant;
	child_count(c, ch);
}

/* Has it a process (or, a supervisor, any life) that has not ended? */
bool
child_lives(const struct child *ch)
{
	return ch->state == CORE_STARTING || ch->state == CORE_STOPPING ||
	    (ch->state == CORE_RUNNING && !ch->exit.queued);
}

/* All its children came by start_child: what ends for good is dropped. */
bool
sup_at_run_time(const struct sup *s)
{
	return s->strategy == CORE_SIMPLE_ONE_FOR_ONE ||
	    s->strategy == CORE_DYNAMIC;
}

/* --- lists --- */

static void
link_end(struct sup *s, struct child *ch)
{
	ch->prev = s->last;
	ch->next = NULL;
	if (s->last != NULL)
		s->last->next = ch;
	else
		s->first = ch;
	s->last = ch;
}

/* A listed child of a snapshot, in its order. */
void
tree_relink(struct sup *s, struct child *ch)
{
	link_end(s, ch);
	s->nspecs++;
	s->nsups += ch->type == CORE_SUPERVISOR;
}

static void
link_last(struct core *c, struct sup *s, struct child *ch)
{
	link_end(s, ch);
	if (ch->order != s->next_order || !ch->listed)
		child_dirty(c, ch);
	ch->order = s->next_order++;
	if (ch->listed)
		return;
	ch->listed = true;
	s->nspecs++;
	s->nsups += ch->type == CORE_SUPERVISOR;
}

void
tree_append(struct core *c, struct sup *s, struct child *ch)
{
	assert(!ch->listed && ch->parent == s->self);
	link_last(c, s, ch);
}

void
tree_unlist(struct core *c, struct child *ch)
{
	struct sup *s = ch->parent->sup;

	assert(ch->listed && s->at != ch);
	if (s->from == ch)
		s->from = NULL;
	if (ch->prev != NULL)
		ch->prev->next = ch->next;
	else
		s->first = ch->next;
	if (ch->next != NULL)
		ch->next->prev = ch->prev;
	else
		s->last = ch->prev;
	ch->prev = ch->next = NULL;
	ch->listed = false;
	s->nspecs--;
	s->nsups -= ch->type == CORE_SUPERVISOR;
	child_dirty(c, ch);
}

/* --- walks: children before their parents, the top last --- */

struct child *
tree_deepest(struct child *top)
{
	while (top->sup != NULL && top->sup->first != NULL)
		top = top->sup->first;
	return top;
}

struct child *
tree_next(struct child *ch, struct child *top)
{
	if (ch == top)
		return NULL;
	return ch->next != NULL ? tree_deepest(ch->next) : ch->parent;
}

void
tree_tell(struct core *c, struct child *top, enum core_tell tell)
{
	struct child *ch;

	for (ch = tree_deepest(top); ch != NULL; ch = tree_next(ch, top))
		(void)act_tell(c, ch, tell);
}

/*
 * Take a child that does not live off its supervisor's list.  One of the
 * specification keeps its slot, and so do those below it; others end.
 */
void
tree_drop(struct core *c, struct child *top)
{
	struct child *ch, *next;

	assert(!child_lives(top));
	if (top->note.queued)
		mbox_remove(top->parent->sup, &top->note);
	tree_unlist(c, top);
	tree_tell(c, top, CORE_TELL_REMOVED);
	if (!top->fixed) {
		slot_free_tree(c, top);
		return;
	}
	for (ch = tree_deepest(top); ch != top; ch = next) {
		next = tree_next(ch, top);
		if (ch->fixed)
			continue;
		tree_unlist(c, ch);
		slot_free_tree(c, ch);
	}
}

static struct child *
split_dynamic(struct core *c, struct sup *s, bool keep)
{
	struct child *ch, *next, *first = NULL, **end = &first;

	for (ch = s->first; ch != NULL; ch = next) {
		next = ch->next;
		if (ch->fixed)
			continue;
		if (!keep) {
			tree_drop(c, ch);
			continue;
		}
		*end = ch;
		end = &ch->next;
	}
	*end = NULL;
	return first;
}

/*
 * Bring the list into the order of the specification.  A supervisor's init
 * lists all of it and nothing else; a reload keeps what was added after it
 * and leaves out what was dropped or deleted.
 */
void
tree_relist(struct core *c, struct sup *s, bool keep_dynamic)
{
	struct child *dynamic, *ch, *next;
	bool was;

	/* Writing `next` of the split ones is safe: all are linked anew. */
	dynamic = split_dynamic(c, s, keep_dynamic);
	s->first = s->last = NULL;
	s->next_order = 0;
	for (ch = s->first_fixed; ch != NULL; ch = ch->next_fixed) {
		was = ch->listed;
		if (keep_dynamic && !was && !ch->wanted)
			continue;
		link_last(c, s, ch);
		if (!was)
			tree_tell(c, ch, CORE_TELL_ADDED);
	}
	for (ch = dynamic; ch != NULL; ch = next) {
		next = ch->next;
		link_last(c, s, ch);
	}
}
