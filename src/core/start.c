/* SPDX-License-Identifier: ISC */
/*
 * The start of one child, and how its supervisor learns what became of it.
 */
#include <assert.h>

#include "core/parts.h"

void
child_start(struct core *c, struct child *ch)
{
	assert(ch->state == CORE_STOPPED && ch->listed);
	ch->generation++;
	ch->starts++;
	ch->failed = ch->killed = ch->waiting = ch->lost = false;
	ch->changed = ch->wanted = ch->unstarted = false;
	child_set(c, ch, CORE_STARTING);
	if (ch->sup != NULL)
		sup_init(c, ch->sup);
	else
		(void)act_add(c, CORE_ACT_START, ch);
}

/* The root has no supervisor to tell. */
static void
root_start_done(struct core *c, struct child *ch, enum outcome outcome)
{
	struct core_action *a;

	if (outcome == OUT_OK)
		return;
	a = act_add(c, CORE_ACT_ROOT_EXIT, ch);
	a->exit = CORE_EXIT_ABNORMAL;
}

static void
tell_outcome(struct core *c, struct child *ch, enum outcome outcome)
{
	switch (outcome) {
	case OUT_OK:
		(void)act_tell(c, ch, CORE_TELL_READY);
		break;
	case OUT_FAILED:
		(void)act_tell(c, ch, CORE_TELL_START_FAILED);
		break;
	case OUT_IGNORED:
		(void)act_tell(c, ch, CORE_TELL_IGNORED);
		break;
	case OUT_NONE:
	case OUT_ABORTED:
		break;
	}
}

/*
 * The start has returned.  Its supervisor may meanwhile be ending and no
 * longer ask for the outcome; it looks at the state then.
 */
void
child_start_done(struct core *c, struct child *ch, enum outcome outcome)
{
	struct sup *s;

	assert(ch->state == CORE_STARTING);
	child_set(c, ch, outcome == OUT_OK ? CORE_RUNNING : CORE_STOPPED);
	ch->failed = ch->unstarted = outcome == OUT_FAILED;
	ch->ready_ms = c->now_ms;
	tell_outcome(c, ch, outcome);
	if (ch->parent == NULL) {
		root_start_done(c, ch, outcome);
		return;
	}
	s = ch->parent->sup;
	if (s->phase == PHASE_START && s->at == ch) {
		s->outcome = outcome;
		child_dirty(c, s->self);
	}
	sup_wake(c, s);
}
