/* SPDX-License-Identifier: ISC */
/*
 * Slots: how children are made from specifications and how they go.  What
 * goes stays readable until the actions that name it are cleared, and so does
 * its number.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/parts.h"

#define SLOTS_MIN	16

void *
core_alloc(size_t size)
{
	void *p = calloc(1, size);

	assert(p != NULL);
	return p;
}

void *
core_grow(void *array, size_t n, size_t size)
{
	void *p = realloc(array, n * size);

	assert(p != NULL);
	return p;
}

/* --- numbers --- */

uint32_t
slot_number(struct core *c)
{
	if (c->nfree > 0)
		return c->free_slots[--c->nfree];
	assert(c->nslots < CORE_NONE);
	return c->nslots;
}

void
slot_place(struct core *c, struct child *ch, uint32_t slot)
{
	uint32_t cap = c->slots_cap;

	while (slot >= cap)
		cap = cap == 0 ? SLOTS_MIN : cap + cap / 2;
	if (cap != c->slots_cap) {
		c->slots = core_grow(c->slots, cap, sizeof(c->slots[0]));
		c->slots_cap = cap;
	}
	while (c->nslots <= slot)
		c->slots[c->nslots++] = NULL;
	assert(c->slots[slot] == NULL);
	c->slots[slot] = ch;
	ch->slot = slot;
}

void
slot_number_free(struct core *c, uint32_t slot)
{
	c->slots[slot] = NULL;
	if (c->nfree == c->free_cap) {
		c->free_cap = c->free_cap == 0 ? SLOTS_MIN : c->free_cap * 2;
		c->free_slots = core_grow(c->free_slots, c->free_cap,
		    sizeof(c->free_slots[0]));
	}
	c->free_slots[c->nfree++] = slot;
}

/* --- making --- */

void
slot_fill(struct child *ch, const struct core_spec *spec)
{
	ch->user = spec->user;
	ch->type = spec->type;
	ch->restart = spec->restart;
	ch->shutdown_ms = spec->shutdown_ms;
	ch->backoff_min_ms = spec->backoff_min_ms;
	ch->backoff_max_ms = spec->backoff_max_ms;
	if (ch->backoff_max_ms < ch->backoff_min_ms)
		ch->backoff_max_ms = ch->backoff_min_ms;
	ch->backoff_reset_ms = spec->backoff_reset_ms;
	ch->down = spec->down;
}

/* An instance is as the template says, with an id and a user of its own. */
void
slot_fill_instance(const struct sup *s, struct child *ch)
{
	const struct child *t = s->template;

	ch->type = t->type;
	ch->restart = t->restart;
	ch->shutdown_ms = t->shutdown_ms;
	ch->backoff_min_ms = t->backoff_min_ms;
	ch->backoff_max_ms = t->backoff_max_ms;
	ch->backoff_reset_ms = t->backoff_reset_ms;
	ch->significant = ch->down = false;
}

static struct child *
child_new(const struct core_spec *spec)
{
	size_t len = strlen(spec->id) + 1;
	struct child *ch = core_alloc(sizeof(*ch) + len);

	memcpy(ch->id, spec->id, len);
	ch->slot = CORE_NONE;
	ch->exit.kind = MSG_EXIT;
	ch->note.kind = MSG_NOTE;
	ch->significant = spec->significant;
	slot_fill(ch, spec);
	return ch;
}

void
slot_fill_sup(struct core *c, struct sup *s, const struct core_spec *spec)
{
	s->strategy = spec->strategy;
	s->auto_shutdown = spec->auto_shutdown;
	s->intensity.limit = spec->max_restarts;
	s->intensity.period_ms = spec->period_ms;
	s->max_children = spec->max_children;
	s->parallel_stop = spec->parallel_stop && !c->compat;
	if (!sup_at_run_time(s))
		return;
	assert(spec->children != NULL || s->strategy == CORE_DYNAMIC);
	assert(spec->children == NULL || spec->children->next == NULL);
	if (s->template != NULL) {
		act_free(c, s->self, s->template->user);
		free(s->template);
	}
	s->template = spec->children != NULL ? child_new(spec->children) :
	    NULL;
}

static struct sup *
sup_new(struct core *c, struct child *ch, const struct core_spec *spec)
{
	struct sup *s = core_alloc(sizeof(*s));

	s->self = ch;
	s->stop.kind = MSG_STOP;
	s->reload.kind = MSG_RELOAD;
	slot_fill_sup(c, s, spec);
	return s;
}

static struct child *
slot_new(struct core *c, const struct core_spec *spec)
{
	struct child *ch = child_new(spec);

	ch->generation = c->generation_floor;
	slot_place(c, ch, slot_number(c));
	if (ch->type == CORE_SUPERVISOR)
		ch->sup = sup_new(c, ch, spec);
	child_dirty(c, ch);
	return ch;
}

/* One of a snapshot that no specification names; it gets its slot later. */
struct child *
slot_orphan(struct core *c, const struct core_spec *spec)
{
	struct child *ch = child_new(spec);

	ch->doomed = true;
	if (ch->type == CORE_SUPERVISOR)
		ch->sup = sup_new(c, ch, spec);
	return ch;
}

void
slot_fix(struct sup *s, struct child *ch)
{
	ch->parent = s->self;
	ch->fixed = true;
	ch->next_fixed = NULL;
	if (s->last_fixed == NULL)
		s->first_fixed = ch;
	else
		s->last_fixed->next_fixed = ch;
	s->last_fixed = ch;
}

/* The children that a specification names, listed and not started. */
static void
build_children(struct core *c, struct sup *s, const struct core_spec *spec)
{
	struct child *ch;

	if (sup_at_run_time(s))
		return;
	for (spec = spec->children; spec != NULL; spec = spec->next) {
		ch = slot_new(c, spec);
		slot_fix(s, ch);
		index_add(c, ch);
		tree_append(c, s, ch);
	}
}

/* --- supervisors whose children come next: no recursion anywhere --- */

void
todo_push(struct todo *t, struct child *ch, const struct core_spec *spec)
{
	if (t->n == t->cap) {
		t->cap = t->cap * 2 + SLOTS_MIN;
		t->items = core_grow(t->items, t->cap, sizeof(t->items[0]));
	}
	t->items[t->n].ch = ch;
	t->items[t->n++].spec = spec;
}

/* False, and all is given back, when there is none left. */
bool
todo_pop(struct todo *t, struct child **out_ch,
    const struct core_spec **out_spec)
{
	if (t->n == 0) {
		free(t->items);
		return false;
	}
	t->n--;
	*out_ch = t->items[t->n].ch;
	*out_spec = t->items[t->n].spec;
	return true;
}

/*
 * A child with all that is below it.  The caller gives it its parent.  Goes
 * through the tree side by side with the specification, without recursion.
 */
struct child *
slot_build(struct core *c, const struct core_spec *spec)
{
	struct child *top = slot_new(c, spec), *ch;
	struct todo todo = { 0 };

	if (top->sup != NULL)
		todo_push(&todo, top, spec);
	while (todo_pop(&todo, &ch, &spec)) {
		build_children(c, ch->sup, spec);
		spec = spec->children;
		for (ch = ch->sup->first_fixed; ch != NULL;
		    ch = ch->next_fixed, spec = spec->next)
			if (ch->sup != NULL)
				todo_push(&todo, ch, spec);
	}
	return top;
}

/* --- going --- */

static void
release(struct core *c, struct child *ch)
{
	assert(!ch->listed && !ch->gone);
	if (ch->sup != NULL) {
		reload_over(c, ch->sup);
		mbox_close(c, ch->sup);
		sup_phase(c, ch->sup, PHASE_DOWN);
		if (ch->sup->template != NULL)
			act_free(c, ch, ch->sup->template->user);
	}
	act_free(c, ch, ch->user);
	index_remove(c, ch);
	save_forget(c, ch->slot, ch->generation,
	    ch->sup != NULL ? ch->sup->saved_lo : 0,
	    ch->sup != NULL ? ch->sup->saved_hi : 0);
	ch->gone = true;
	ch->next_hash = c->graveyard;
	c->graveyard = ch;
}

/* Children first; the fixed ones that are not listed go with the rest. */
static struct child *
any_child(struct core *c, struct sup *s)
{
	struct child *ch;

	while ((ch = s->first) != NULL) {
		tree_unlist(c, ch);
		if (!ch->fixed)
			return ch;
	}
	ch = s->first_fixed;
	if (ch != NULL)
		s->first_fixed = ch->next_fixed;
	return ch;
}

void
slot_free_tree(struct core *c, struct child *top)
{
	struct child *ch = top, *sub;

	for (;;) {
		sub = ch->sup != NULL ? any_child(c, ch->sup) : NULL;
		if (sub != NULL) {
			ch = sub;
			continue;
		}
		release(c, ch);
		if (ch == top)
			return;
		ch = ch->parent;
	}
}

void
slot_delete(struct child *ch)
{
	if (ch->sup != NULL) {
		intensity_done(&ch->sup->intensity);
		free(ch->sup->template);
		free(ch->sup);
	}
	free(ch);
}

static void
forget_dirty(struct core *c)
{
	struct child **p = &c->dirty;

	while (*p != NULL)
		if ((*p)->gone)
			*p = (*p)->next_dirty;
		else
			p = &(*p)->next_dirty;
}

void
slot_bury(struct core *c)
{
	struct child *ch;

	if (c->graveyard != NULL)
		forget_dirty(c);
	while ((ch = c->graveyard) != NULL) {
		c->graveyard = ch->next_hash;
		slot_number_free(c, ch->slot);
		slot_delete(ch);
	}
}
