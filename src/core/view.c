/* SPDX-License-Identifier: ISC */
/*
 * The tree as others may see it.  Changes nothing; every answer is O(1),
 * that about the restart window O(log of the attempts in it).
 */
#include "core/parts.h"

static struct child *
child_at(const struct core *c, uint32_t slot)
{
	return slot < c->nslots ? c->slots[slot] : NULL;
}

uint32_t
core_root(const struct core *c)
{
	return c->root != NULL ? c->root->slot : CORE_NONE;
}

uint32_t
core_first(const struct core *c, uint32_t sup)
{
	const struct child *ch = child_at(c, sup);

	if (ch == NULL || ch->sup == NULL || ch->sup->first == NULL)
		return CORE_NONE;
	return ch->sup->first->slot;
}

uint32_t
core_next(const struct core *c, uint32_t slot)
{
	const struct child *ch = child_at(c, slot);

	return ch != NULL && ch->next != NULL ? ch->next->slot : CORE_NONE;
}

uint32_t
core_find(const struct core *c, uint32_t sup, const char *id)
{
	const struct child *ch = child_at(c, sup);

	if (ch == NULL || ch->sup == NULL)
		return CORE_NONE;
	ch = index_listed(c, ch->sup, id);
	return ch != NULL ? ch->slot : CORE_NONE;
}

static void
view_sup(const struct sup *s, uint64_t now_ms, struct core_child *out)
{
	out->strategy = s->strategy;
	out->max_restarts = s->intensity.limit;
	out->period_ms = s->intensity.period_ms;
	out->max_children = s->max_children;
	out->recent = intensity_recent(&s->intensity, now_ms);
	out->nspecs = s->nspecs;
	out->nactive = s->nactive;
	out->busy = s->phase != PHASE_DOWN && s->phase != PHASE_IDLE;
}

bool
core_view(const struct core *c, uint32_t slot, uint64_t now_ms,
    struct core_child *out)
{
	const struct child *ch = child_at(c, slot);

	if (ch == NULL)
		return false;
	*out = (struct core_child){
		.id = ch->id,
		.user = ch->user,
		.slot = ch->slot,
		.parent = ch->parent != NULL ? ch->parent->slot : CORE_NONE,
		.inc = act_inc(ch),
		.state = ch->state,
		.type = ch->type,
		.restart = ch->restart,
		.starts = ch->starts,
		.restarts = ch->restarts,
		.shutdown_ms = ch->shutdown_ms,
		.held = ch->held,
		.failed = ch->state == CORE_STOPPED && ch->failed && !ch->held,
		.waiting = ch->waiting,
		.dynamic = !ch->fixed,
	};
	if (ch->sup != NULL)
		view_sup(ch->sup, now_ms, out);
	return true;
}

uint32_t
core_nslots(const struct core *c)
{
	return c->nslots;
}

bool
core_quiet(const struct core *c)
{
	return c->nunquiet == 0;
}

void *
core_template(const struct core *c, uint32_t sup)
{
	const struct child *self = child_at(c, sup);

	if (self == NULL || self->sup == NULL || self->sup->template == NULL)
		return NULL;
	return self->sup->template->user;
}
