/* SPDX-License-Identifier: ISC */
/*
 * After a restore: what the snapshot says is compared with the processes that
 * there are, and then every supervisor goes on from where it stood.
 */
#include <stdlib.h>
#include <string.h>

#include "core/parts.h"

static void
ask_again(struct core *c, const struct child *ch)
{
	(void)act_add(c, ch->killed ||
	    ch->shutdown_ms == CORE_BRUTAL_KILL ? CORE_ACT_KILL :
	    CORE_ACT_STOP, ch);
}

void
core_reconcile(struct core *c, uint32_t slot, enum core_world world,
    uint64_t now_ms)
{
	struct child *ch = slot < c->nslots ? c->slots[slot] : NULL;

	c->now_ms = now_ms;
	if (ch == NULL || ch->gone || ch->sup != NULL)
		return;
	switch (ch->state) {
	case CORE_STARTING:
		if (world == CORE_WORLD_NONE && ch->doomed)
			child_start_done(c, ch, OUT_ABORTED);
		else if (world == CORE_WORLD_NONE)
			(void)act_add(c, CORE_ACT_START, ch);
		else if (world == CORE_WORLD_READY)
			child_start_done(c, ch, OUT_OK);
		break;
	case CORE_RUNNING:
		ch->lost = world == CORE_WORLD_NONE && !ch->exit.queued;
		break;
	case CORE_STOPPING:
		if (world == CORE_WORLD_NONE)
			ch->lost = true;
		else
			ask_again(c, ch);
		break;
	case CORE_STOPPED:
	case CORE_RESTARTING:
		if (world != CORE_WORLD_NONE)
			(void)act_add(c, CORE_ACT_KILL, ch);
		break;
	case CORE_NSTATES:
		break;
	}
}

static uint32_t
left_of(uint64_t deadline_ms, uint64_t now_ms)
{
	return deadline_ms > now_ms ? (uint32_t)(deadline_ms - now_ms) : 0;
}

static void
rearm(struct core *c, struct child *ch)
{
	if (ch->armed)
		act_arm(c, ch, left_of(ch->deadline_ms, c->now_ms));
	if (ch->sup != NULL && ch->sup->group_armed)
		act_group_arm(c, ch->sup, left_of(ch->sup->group_ms,
		    c->now_ms));
}

/* Nobody will tell of its end any more. */
static void
settle_lost(struct core *c, struct child *ch)
{
	if (!ch->lost)
		return;
	ch->lost = false;
	if (ch->state == CORE_STOPPING) {
		child_gone(c, ch);
	} else if (ch->state == CORE_RUNNING && !ch->exit.queued) {
		ch->how = CORE_EXIT_ABNORMAL;
		child_unread(c, ch, true);
	}
}

/*
 * An operator's order that was still in the mailbox, with its caller gone, but
 * had its effect already: it is given again.
 */
static void
order_again(struct core *c, struct child *ch)
{
	bool stop = ch->held && child_lives(ch) && ch->state != CORE_STOPPING;
	size_t len = strlen(ch->id) + 1;
	struct call *m;

	if (ch->parent == NULL || !(stop || (ch->again && !ch->held)))
		return;
	m = core_alloc(sizeof(*m));
	m->msg.kind = MSG_CALL;
	m->op = stop ? CORE_OP_STOP : CORE_OP_START;
	m->mute = true;
	m->child = memcpy(core_alloc(len), ch->id, len);
	mbox_post(c, ch->parent->sup, &m->msg);
}

/* One that no specification names, and no message that would end it. */
static void
converge_orphan(struct core *c, struct child *ch)
{
	struct sup *s = ch->parent != NULL ? ch->parent->sup : NULL;

	if (!ch->doomed || s == NULL || s->phase == PHASE_DOWN ||
	    s->phase == PHASE_KILLED || s->job == JOB_RELOAD ||
	    s->reload.queued)
		return;
	c->nreloads++;
	mbox_post(c, s, &s->reload);
}

void
core_reconciled(struct core *c, uint64_t now_ms)
{
	struct child *ch;
	uint32_t i;

	c->now_ms = now_ms;
	for (i = 0; i < c->nslots; i++) {
		ch = c->slots[i];
		if (ch == NULL || ch->gone)
			continue;
		rearm(c, ch);
		settle_lost(c, ch);
		order_again(c, ch);
		converge_orphan(c, ch);
		if (ch->sup != NULL && ch->sup->phase != PHASE_DOWN)
			sup_wake(c, ch->sup);
	}
	sup_work(c);
}
