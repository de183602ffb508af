/* SPDX-License-Identifier: ISC */
/*
 * What comes in from the world.  An event is matched with the incarnation it
 * names, noted, and then every supervisor that can go on does.  News of an
 * incarnation that is over changes nothing.
 */
#include <stdlib.h>

#include "core/parts.h"

struct core *
core_new(bool compat)
{
	struct core *c = core_alloc(sizeof(*c));

	c->compat = compat;
	c->next_seq = 1;
	return c;
}

static void
free_calls(struct sup *s)
{
	struct msg *m;
	struct call *call;

	while ((m = mbox_take(s)) != NULL || s->call != NULL) {
		call = m != NULL ? (struct call *)m : s->call;
		if (m == NULL)
			s->call = NULL;
		else if (m->kind != MSG_CALL)
			continue;
		free(call->child);
		free(call);
	}
}

void
core_free(struct core *c)
{
	uint32_t i;

	if (c == NULL)
		return;
	core_actions_clear(c);
	for (i = 0; i < c->nslots; i++)
		if (c->slots[i] != NULL && c->slots[i]->sup != NULL)
			free_calls(c->slots[i]->sup);
	for (i = 0; i < c->nslots; i++)
		if (c->slots[i] != NULL)
			slot_delete(c->slots[i]);
	save_free(c);
	restore_free(c);
	free(c->slots);
	free(c->free_slots);
	free(c->buckets);
	free(c->actions);
	free(c->reload_calls);
	free(c);
}

void
core_begin_above(struct core *c, uint32_t generation)
{
	c->generation_floor = generation;
}

void
core_boot(struct core *c, const struct core_spec *root, uint64_t now_ms)
{
	c->now_ms = now_ms;
	c->root = slot_build(c, root);
	c->root->fixed = c->root->listed = true;
	child_start(c, c->root);
	sup_work(c);
}

/* --- processes --- */

static struct child *
worker(const struct core *c, uint64_t inc)
{
	uint32_t slot = (uint32_t)(inc >> 32);
	struct child *ch;

	if (slot >= c->nslots || (ch = c->slots[slot]) == NULL || ch->gone ||
	    ch->sup != NULL || ch->generation != (uint32_t)inc)
		return NULL;
	return ch;
}

static void
start_ended(struct core *c, uint64_t inc, enum outcome outcome)
{
	struct child *ch = worker(c, inc);

	if (ch == NULL)
		return;
	if (ch->state == CORE_STARTING)
		child_start_done(c, ch, outcome);
	else if (ch->state == CORE_STOPPING && outcome != OUT_OK)
		child_gone(c, ch);
}

void
core_started(struct core *c, uint64_t inc, uint64_t now_ms)
{
	c->now_ms = now_ms;
	start_ended(c, inc, OUT_OK);
	sup_work(c);
}

void
core_start_failed(struct core *c, uint64_t inc, uint64_t now_ms)
{
	c->now_ms = now_ms;
	start_ended(c, inc, OUT_FAILED);
	sup_work(c);
}

void
core_start_ignored(struct core *c, uint64_t inc, uint64_t now_ms)
{
	c->now_ms = now_ms;
	start_ended(c, inc, OUT_IGNORED);
	sup_work(c);
}

void
core_exited(struct core *c, uint64_t inc, enum core_exit how, uint64_t now_ms)
{
	struct child *ch = worker(c, inc);

	c->now_ms = now_ms;
	if (ch != NULL && ch->state == CORE_RUNNING && !ch->exit.queued) {
		ch->how = how;
		ch->lost = false;
		child_unread(c, ch, true);
	} else {
		start_ended(c, inc, OUT_FAILED);
	}
	sup_work(c);
}

/* --- timers --- */

static void
child_timer(struct core *c, struct child *ch)
{
	if (!ch->armed)
		return;
	if (c->now_ms < ch->deadline_ms) {
		act_arm(c, ch, (uint32_t)(ch->deadline_ms - c->now_ms));
		return;
	}
	ch->armed = false;
	child_dirty(c, ch);
	if (ch->state == CORE_STOPPING && ch->sup != NULL) {
		child_kill(c, ch);
	} else if (ch->state == CORE_STOPPING) {
		child_kill_process(c, ch);
	} else if (ch->state == CORE_RESTARTING && ch->waiting) {
		ch->waiting = false;
		mbox_post(c, ch->parent->sup, &ch->note);
	}
}

static void
group_timer(struct core *c, struct sup *s)
{
	if (!s->group_armed)
		return;
	if (c->now_ms < s->group_ms) {
		act_group_arm(c, s, (uint32_t)(s->group_ms - c->now_ms));
		return;
	}
	s->group_armed = false;
	child_dirty(c, s->self);
	group_kill(c, s);
}

void
core_timer_fired(struct core *c, uint32_t slot, enum core_timer timer,
    uint64_t now_ms)
{
	struct child *ch;

	c->now_ms = now_ms;
	if (slot >= c->nslots || (ch = c->slots[slot]) == NULL || ch->gone)
		return;
	if (timer == CORE_TIMER_CHILD)
		child_timer(c, ch);
	else if (ch->sup != NULL)
		group_timer(c, ch->sup);
	sup_work(c);
}

/* --- the end --- */

void
core_shutdown(struct core *c, uint64_t now_ms)
{
	struct child *root = c->root;

	c->now_ms = now_ms;
	if (root == NULL)
		return;
	if (root->state != CORE_RUNNING && root->state != CORE_STARTING)
		return;
	if (!c->compat) {
		child_set(c, root, CORE_STOPPING);
		(void)act_tell(c, root, CORE_TELL_STOPPING);
	}
	sup_ask_stop(c, root->sup);
	sup_work(c);
}
