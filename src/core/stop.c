/* SPDX-License-Identifier: ISC */
/*
 * How one child is stopped, all of a supervisor's at once, and everything
 * below a supervisor that is killed.
 */
#include <assert.h>

#include "core/parts.h"

/* After this stop, does it stay down as far as its supervisor is concerned? */
static bool
stays_down(const struct child *ch)
{
	const struct sup *s = ch->parent->sup;

	if (ch->held && !ch->doomed)
		return true;
	switch (s->job) {
	case JOB_END:
	case JOB_UNWIND:
		return true;
	case JOB_CALL:
		return s->at != ch || (s->call->op != CORE_OP_RESTART &&
		    s->call->op != CORE_OP_START);
	case JOB_NONE:
	case JOB_INIT:
	case JOB_RESTART:
	case JOB_RELOAD:
		break;
	}
	return false;
}

static void
stopped(struct core *c, struct child *ch)
{
	child_set(c, ch, CORE_STOPPED);
	if (ch->parent != NULL && stays_down(ch))
		(void)act_tell(c, ch, CORE_TELL_STOPPED);
}

void
child_cancel_retry(struct core *c, struct child *ch)
{
	assert(ch->state == CORE_RESTARTING);
	act_disarm(c, ch);
	ch->waiting = false;
	if (ch->note.queued)
		mbox_remove(ch->parent->sup, &ch->note);
	stopped(c, ch);
}

/* Its end was found unread: consumed, it is no crash any more. */
static void
consume_exit(struct core *c, struct child *ch)
{
	child_unread(c, ch, false);
	ch->failed = ch->how == CORE_EXIT_ABNORMAL;
	stopped(c, ch);
}

void
child_kill_process(struct core *c, struct child *ch)
{
	if (ch->killed)
		return;
	ch->killed = true;
	child_dirty(c, ch);
	(void)act_add(c, CORE_ACT_KILL, ch);
}

static void
ask_process(struct core *c, struct child *ch)
{
	if (ch->shutdown_ms == CORE_BRUTAL_KILL) {
		child_kill_process(c, ch);
		return;
	}
	(void)act_add(c, CORE_ACT_STOP, ch);
	if (ch->shutdown_ms == 0)
		child_kill_process(c, ch);
	else if (ch->shutdown_ms != CORE_INFINITY)
		act_arm(c, ch, ch->shutdown_ms);
}

static void
ask_supervisor(struct core *c, struct child *ch)
{
	if (ch->shutdown_ms == CORE_BRUTAL_KILL || ch->shutdown_ms == 0) {
		child_kill(c, ch);
		return;
	}
	if (ch->shutdown_ms != CORE_INFINITY)
		act_arm(c, ch, ch->shutdown_ms);
	sup_ask_stop(c, ch->sup);
}

/* Make sure that it stops, and say whether it has. */
bool
child_stop(struct core *c, struct child *ch)
{
	switch (ch->state) {
	case CORE_STOPPED:
	case CORE_NSTATES:
		return true;
	case CORE_STOPPING:
		return false;
	case CORE_RESTARTING:
		child_cancel_retry(c, ch);
		return true;
	case CORE_RUNNING:
		if (ch->exit.queued) {
			consume_exit(c, ch);
			return true;
		}
		break;
	case CORE_STARTING:
		break;
	}
	child_set(c, ch, CORE_STOPPING);
	(void)act_tell(c, ch, CORE_TELL_STOPPING);
	if (ch->sup != NULL)
		ask_supervisor(c, ch);
	else
		ask_process(c, ch);
	return ch->state == CORE_STOPPED;
}

/* --- all of a supervisor's, at once --- */

/* Of a simple_one_for_one supervisor: one deadline for all. */
static void
group_ask(struct core *c, struct child *ch, uint32_t shutdown_ms)
{
	if (ch->state == CORE_STOPPED)
		return;
	if (ch->state == CORE_RESTARTING) {
		child_cancel_retry(c, ch);
		return;
	}
	if (ch->exit.queued) {
		consume_exit(c, ch);
		return;
	}
	ch->parent->sup->left++;
	if (ch->state == CORE_STOPPING)
		return;
	child_set(c, ch, CORE_STOPPING);
	(void)act_tell(c, ch, CORE_TELL_STOPPING);
	if (shutdown_ms != CORE_BRUTAL_KILL)
		(void)act_add(c, CORE_ACT_STOP, ch);
	if (shutdown_ms == CORE_BRUTAL_KILL || shutdown_ms == 0)
		child_kill_process(c, ch);
}

/* Of any other: each has its own. */
static void
ask_each(struct core *c, struct sup *s)
{
	struct child *ch;

	for (ch = s->last; ch != NULL; ch = ch->prev) {
		s->left += child_lives(ch);
		(void)child_stop(c, ch);
	}
}

static void
ask_group(struct core *c, struct sup *s)
{
	uint32_t shutdown_ms = s->template->shutdown_ms;
	struct child *ch;

	for (ch = s->first; ch != NULL; ch = ch->next)
		group_ask(c, ch, shutdown_ms);
	if (s->left > 0 && shutdown_ms != CORE_BRUTAL_KILL &&
	    shutdown_ms != 0 && shutdown_ms != CORE_INFINITY)
		act_group_arm(c, s, shutdown_ms);
}

void
group_stop(struct core *c, struct sup *s)
{
	sup_phase(c, s, PHASE_GROUP);
	s->at = NULL;
	s->left = 0;
	if (s->strategy == CORE_SIMPLE_ONE_FOR_ONE)
		ask_group(c, s);
	else
		ask_each(c, s);
	sup_wake(c, s);
}

void
group_kill(struct core *c, struct sup *s)
{
	struct child *ch;

	for (ch = s->first; ch != NULL; ch = ch->next)
		if (ch->state == CORE_STOPPING)
			child_kill_process(c, ch);
}

/* --- everything below a supervisor --- */

/* The uppermost of the killed supervisors around a child. */
static struct sup *
killed_top(struct child *ch)
{
	struct sup *top = ch->parent->sup;

	while (top->self->parent != NULL &&
	    top->self->parent->sup->phase == PHASE_KILLED)
		top = top->self->parent->sup;
	return top;
}

static void
killed_all_gone(struct core *c, struct child *top)
{
	struct child *ch;

	for (ch = tree_deepest(top); ch != NULL; ch = tree_next(ch, top))
		if (ch->sup != NULL && ch->sup->phase == PHASE_KILLED)
			sup_ended(c, ch->sup, true);
}

static void
killed_gone(struct core *c, struct child *ch)
{
	struct sup *top;

	if (ch->sup != NULL)
		return;
	top = killed_top(ch);
	assert(top->left > 0);
	child_dirty(c, top->self);
	if (--top->left == 0)
		killed_all_gone(c, top->self);
}

static void
kill_supervisor(struct core *c, struct sup *s)
{
	if (s->phase == PHASE_DOWN)
		return;
	if (s->call != NULL)
		call_refuse(c, s->call, CORE_E_SHUTDOWN);
	s->call = NULL;
	mbox_close(c, s);
	act_group_disarm(c, s);
	s->job = JOB_END;
	s->at = NULL;
	s->left = 0;
	sup_phase(c, s, PHASE_KILLED);
}

/* How many processes that makes to wait for. */
static uint32_t
kill_one(struct core *c, struct child *ch)
{
	if (ch->state == CORE_STOPPED)
		return 0;
	if (!child_lives(ch)) {
		(void)child_stop(c, ch);
		return 0;
	}
	act_disarm(c, ch);
	child_set(c, ch, CORE_STOPPING);
	if (ch->sup != NULL)
		return 0;
	child_kill_process(c, ch);
	return 1;
}

/*
 * Kill a supervisor: it does no more, and the processes below it are killed
 * all at once, as their links would see to.
 */
void
child_kill(struct core *c, struct child *top)
{
	uint32_t left = 0;
	struct child *ch;

	assert(top->state == CORE_STOPPING);
	for (ch = tree_deepest(top); ch != top; ch = tree_next(ch, top)) {
		left += kill_one(c, ch);
		if (ch->sup != NULL)
			kill_supervisor(c, ch->sup);
	}
	act_disarm(c, top);
	kill_supervisor(c, top->sup);
	top->sup->left = left;
	if (left == 0)
		killed_all_gone(c, top);
}

/* One that was being stopped is gone, however it ended. */
void
child_gone(struct core *c, struct child *ch)
{
	struct sup *s = ch->parent->sup;

	assert(ch->state == CORE_STOPPING);
	act_disarm(c, ch);
	ch->failed = false;
	stopped(c, ch);
	if (s->phase == PHASE_KILLED) {
		killed_gone(c, ch);
		return;
	}
	if (s->phase == PHASE_START && s->at == ch)
		s->outcome = OUT_ABORTED;
	else if (s->phase == PHASE_GROUP)
		s->left--;
	child_dirty(c, s->self);
	sup_wake(c, s);
}
