/* SPDX-License-Identifier: ISC */
/*
 * The list of actions.  A timer is armed and disarmed only here, so that what
 * the core believes of it and what it said agree.
 */
#include <stdlib.h>

#include "core/parts.h"

#define ACTIONS_MIN	16
#define ACTIONS_KEPT	1024	/* a larger list is given back */

uint64_t
act_inc(const struct child *ch)
{
	return (uint64_t)ch->slot << 32 | ch->generation;
}

void
act_free(struct core *c, const struct child *ch, void *user)
{
	if (user != NULL)
		act_add(c, CORE_ACT_FREE, ch)->user = user;
}

/* Valid until the next one is added. */
struct core_action *
act_add(struct core *c, enum core_act act, const struct child *ch)
{
	struct core_action *a;

	if (c->nactions == c->actions_cap) {
		c->actions_cap = c->actions_cap * 2 + ACTIONS_MIN;
		c->actions = core_grow(c->actions, c->actions_cap,
		    sizeof(c->actions[0]));
	}
	a = &c->actions[c->nactions++];
	*a = (struct core_action){ .act = act, .slot = CORE_NONE };
	if (ch != NULL) {
		a->slot = ch->slot;
		a->inc = act_inc(ch);
	}
	return a;
}

struct core_action *
act_tell(struct core *c, const struct child *ch, enum core_tell tell)
{
	struct core_action *a = act_add(c, CORE_ACT_TELL, ch);

	a->tell = tell;
	a->child = CORE_NONE;
	return a;
}

void
act_arm(struct core *c, struct child *ch, uint32_t ms)
{
	struct core_action *a = act_add(c, CORE_ACT_ARM, ch);

	a->timer = CORE_TIMER_CHILD;
	a->ms = ms;
	ch->armed = true;
	ch->deadline_ms = c->now_ms + ms;
	child_dirty(c, ch);
}

void
act_disarm(struct core *c, struct child *ch)
{
	if (!ch->armed)
		return;
	act_add(c, CORE_ACT_DISARM, ch)->timer = CORE_TIMER_CHILD;
	ch->armed = false;
	child_dirty(c, ch);
}

void
act_group_arm(struct core *c, struct sup *s, uint32_t ms)
{
	struct core_action *a = act_add(c, CORE_ACT_ARM, s->self);

	a->timer = CORE_TIMER_GROUP;
	a->ms = ms;
	s->group_armed = true;
	s->group_ms = c->now_ms + ms;
	child_dirty(c, s->self);
}

void
act_group_disarm(struct core *c, struct sup *s)
{
	if (!s->group_armed)
		return;
	act_add(c, CORE_ACT_DISARM, s->self)->timer = CORE_TIMER_GROUP;
	s->group_armed = false;
	child_dirty(c, s->self);
}

struct core_action *
act_reply(struct core *c, uint64_t call, enum core_result result,
    uint32_t slot)
{
	struct core_action *a = act_add(c, CORE_ACT_REPLY, NULL);

	a->slot = slot;
	a->call = call;
	a->result = result;
	return a;
}

const struct core_action *
core_actions(const struct core *c, size_t *out_n)
{
	*out_n = c->nactions;
	return c->actions;
}

void
core_actions_clear(struct core *c)
{
	size_t i;

	for (i = 0; i < c->nactions; i++)
		if (c->actions[i].act == CORE_ACT_REPLY)
			free(c->actions[i].rows);
	c->nactions = 0;
	if (c->actions_cap > ACTIONS_KEPT) {
		free(c->actions);
		c->actions = NULL;
		c->actions_cap = 0;
	}
	slot_bury(c);
}
