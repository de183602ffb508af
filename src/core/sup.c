/* SPDX-License-Identifier: ISC */
/*
 * One supervisor: it reads its mailbox one message at a time, and while it
 * stops or starts children everything else waits there.  Whatever it does is
 * "stop these backwards, start those forwards", one child at a time.
 */
#include <assert.h>
#include <stddef.h>

#include "core/parts.h"

#define CHILD_OF(m, member) \
	((struct child *)((char *)(m) - offsetof(struct child, member)))

/* --- the work list --- */

void
sup_wake(struct core *c, struct sup *s)
{
	if (s->working)
		return;
	s->working = true;
	s->next_work = NULL;
	if (c->work_tail != NULL)
		c->work_tail->next_work = s;
	else
		c->work_head = s;
	c->work_tail = s;
}

static bool
is_busy(enum phase phase)
{
	return phase != PHASE_DOWN && phase != PHASE_IDLE;
}

void
sup_phase(struct core *c, struct sup *s, enum phase phase)
{
	c->nunquiet -= is_busy(s->phase);
	s->phase = phase;
	c->nunquiet += is_busy(phase);
	child_dirty(c, s->self);
}

/* --- beginning things --- */

void
sup_idle(struct core *c, struct sup *s)
{
	assert(s->call == NULL);
	s->job = JOB_NONE;
	s->at = s->from = NULL;
	s->single = s->tried = s->end_next = false;
	sup_phase(c, s, PHASE_IDLE);
	sup_wake(c, s);
}

/* Stop from the last child back to this one. */
void
sup_stops(struct core *c, struct sup *s, struct child *from)
{
	s->from = from;
	s->at = s->last;
	s->single = s->tried = false;
	sup_phase(c, s, PHASE_STOP);
	sup_wake(c, s);
}

void
sup_starts(struct core *c, struct sup *s, struct child *from)
{
	s->at = from;
	s->from = NULL;
	s->single = s->tried = false;
	s->outcome = OUT_NONE;
	sup_phase(c, s, PHASE_START);
	sup_wake(c, s);
}

/* Stop or start one child, whatever its siblings do. */
void
sup_single(struct core *c, struct sup *s, struct child *ch, enum phase phase)
{
	if (phase == PHASE_STOP)
		sup_stops(c, s, ch);
	else
		sup_starts(c, s, ch);
	s->at = ch;
	s->single = true;
}

/* Its start, the first or any later one: as if it had never been. */
void
sup_init(struct core *c, struct sup *s)
{
	struct child *ch;

	assert(s->phase == PHASE_DOWN && s->head == NULL);
	reload_over(c, s);
	intensity_reset(&s->intensity);
	s->gave_up = s->end_next = false;
	tree_relist(c, s, false);
	for (ch = s->first; ch != NULL; ch = ch->next)
		if (ch->parked != ch->down || ch->again) {
			ch->parked = ch->down;
			ch->again = false;
			child_dirty(c, ch);
		}
	s->job = JOB_INIT;
	sup_starts(c, s, s->first);
}

static void
abandon(struct core *c, struct sup *s)
{
	if (s->call != NULL)
		call_refuse(c, s->call, CORE_E_SHUTDOWN);
	s->call = NULL;
	reload_over(c, s);
}

/* Stop all children, then end. */
void
sup_end(struct core *c, struct sup *s)
{
	abandon(c, s);
	s->job = JOB_END;
	s->end_next = false;
	if (sup_at_run_time(s) || s->parallel_stop)
		group_stop(c, s);
	else
		sup_stops(c, s, s->first);
}

/*
 * Its parent's exit signal.  To the letter of OTP it waits its turn; else it
 * goes before everything, and no start is waited for.
 */
void
sup_ask_stop(struct core *c, struct sup *s)
{
	if (c->compat) {
		mbox_post(c, s, &s->stop);
		return;
	}
	if (s->phase == PHASE_IDLE || s->phase == PHASE_START)
		sup_end(c, s);
	else if (s->phase == PHASE_STOP && s->job != JOB_END &&
	    s->job != JOB_UNWIND)
		s->end_next = true;
}

/* --- ends --- */

static void
root_ended(struct core *c, struct sup *s)
{
	struct core_action *a;

	child_set(c, s->self, CORE_STOPPED);
	s->self->failed = s->gave_up;
	a = act_add(c, CORE_ACT_ROOT_EXIT, s->self);
	a->exit = CORE_EXIT_SHUTDOWN;
	a->gave_up = s->gave_up;
}

void
sup_ended(struct core *c, struct sup *s, bool killed)
{
	struct child *ch = s->self;
	struct core_action *a;

	mbox_close(c, s);
	act_group_disarm(c, s);
	s->job = JOB_NONE;
	s->at = s->from = NULL;
	sup_phase(c, s, PHASE_DOWN);
	ch->how = killed ? CORE_EXIT_ABNORMAL : CORE_EXIT_SHUTDOWN;
	a = act_tell(c, ch, CORE_TELL_EXITED);
	a->exit = ch->how;
	a->killed = killed;
	if (ch->parent == NULL)
		root_ended(c, s);
	else if (ch->state == CORE_STOPPING)
		child_gone(c, ch);
	else
		child_unread(c, ch, true);
}

static void
init_failed(struct core *c, struct sup *s)
{
	if (s->self->state == CORE_STOPPING) {
		sup_ended(c, s, false);
		return;
	}
	mbox_close(c, s);
	s->job = JOB_NONE;
	s->at = s->from = NULL;
	sup_phase(c, s, PHASE_DOWN);
	child_start_done(c, s->self, OUT_FAILED);
}

/* --- one step of stopping --- */

static bool
stops_done(struct core *c, struct sup *s)
{
	switch (s->job) {
	case JOB_UNWIND:
		init_failed(c, s);
		break;
	case JOB_END:
		sup_ended(c, s, false);
		break;
	case JOB_RESTART:
		sup_starts(c, s, s->strategy == CORE_ONE_FOR_ALL ?
		    s->first : s->from);
		break;
	case JOB_RELOAD:
		reload_stopped(c, s);
		break;
	case JOB_NONE:
	case JOB_INIT:
	case JOB_CALL:
		assert(s->job == JOB_END);
	}
	return true;
}

/* A child that this job has stopped, or found stopped. */
static void
stop_settle(struct core *c, struct sup *s, struct child *ch)
{
	bool crashed = ch == s->from && s->strategy == CORE_REST_FOR_ONE;

	if (s->job == JOB_RESTART && ch->restart == CORE_TEMPORARY &&
	    !ch->held && !crashed)
		tree_drop(c, ch);
	else if (s->job == JOB_RELOAD && ch->doomed)
		tree_drop(c, ch);
	else if (s->job == JOB_RELOAD && ch->changed)
		ch->wanted = true;	/* its state has made it dirty */
}

static bool
stop_concerns(const struct sup *s, const struct child *ch)
{
	return s->job != JOB_RELOAD || ch->doomed ||
	    (ch->changed && ch->state != CORE_STOPPED) ||
	    ch->state == CORE_STOPPING;
}

static bool
stop_step(struct core *c, struct sup *s)
{
	struct child *ch = s->at;
	bool end;

	if (ch == NULL)
		return stops_done(c, s);
	if (s->tried || stop_concerns(s, ch)) {
		s->tried = true;
		if (!child_stop(c, ch))
			return false;
	}
	if (s->end_next || s->job == JOB_CALL) {
		end = s->end_next;
		s->at = NULL;
		if (s->job == JOB_CALL)
			call_stopped(c, s, ch);
		if (end)
			sup_end(c, s);
		return true;
	}
	s->at = ch == s->from ? NULL : ch->prev;
	if (s->tried || s->job == JOB_RESTART)
		stop_settle(c, s, ch);
	s->tried = false;
	return true;
}

/* --- one step of starting --- */

static bool
starts_done(struct core *c, struct sup *s)
{
	bool init = s->job == JOB_INIT;

	if (s->job == JOB_RELOAD)
		reload_done(c, s);
	sup_idle(c, s);
	if (init)
		child_start_done(c, s->self, OUT_OK);
	return true;
}

static bool
may_start(const struct sup *s, const struct child *ch)
{
	if (s->job == JOB_CALL)
		return true;
	return ch->state == CORE_STOPPED && !ch->held && !ch->parked &&
	    !ch->doomed && (s->job != JOB_RELOAD || ch->wanted);
}

static bool
start_failed(struct core *c, struct sup *s, struct child *ch)
{
	if (s->job == JOB_INIT) {
		s->job = JOB_UNWIND;
		sup_stops(c, s, s->first);
		s->at = ch->prev;
		return true;
	}
	sup_idle(c, s);
	rules_retry(c, s, ch);
	return true;
}

/* What a start that was ignored leaves behind; a held child is kept. */
static void
ignored_settle(struct core *c, struct sup *s, struct child *ch)
{
	if (!ch->held && (ch->restart == CORE_TEMPORARY ||
	    sup_at_run_time(s)))
		tree_drop(c, ch);
}

static bool
start_result(struct core *c, struct sup *s, struct child *ch)
{
	enum outcome outcome = s->outcome;

	s->tried = false;
	s->outcome = OUT_NONE;
	if (s->job == JOB_CALL) {
		s->at = NULL;
		call_started(c, s, ch, outcome);
		return true;
	}
	if (outcome == OUT_FAILED && s->job != JOB_RELOAD)
		return start_failed(c, s, ch);
	s->at = s->single ? NULL : ch->next;
	if (outcome == OUT_IGNORED || outcome == OUT_ABORTED)
		ignored_settle(c, s, ch);
	child_dirty(c, s->self);
	return true;
}

static bool
start_step(struct core *c, struct sup *s)
{
	struct child *ch = s->at;

	if (ch == NULL)
		return starts_done(c, s);
	if (s->outcome != OUT_NONE)
		return start_result(c, s, ch);
	if (s->tried)
		return false;
	if (!may_start(s, ch)) {
		reload_forget(c, ch);
		s->at = s->single ? NULL : ch->next;
		return true;
	}
	s->tried = true;
	ch->restarts += s->job == JOB_RESTART;
	child_start(c, ch);
	return true;
}

/* --- one step of anything --- */

static void
stop_read(struct core *c, struct sup *s)
{
	if (s->self->state == CORE_RUNNING) {
		child_set(c, s->self, CORE_STOPPING);
		(void)act_tell(c, s->self, CORE_TELL_STOPPING);
	}
	sup_end(c, s);
}

static bool
read_message(struct core *c, struct sup *s)
{
	struct msg *m = s->head;

	if (m == NULL)
		return false;
	if (m->kind == MSG_EXIT)
		child_unread(c, CHILD_OF(m, exit), false);
	else
		mbox_remove(s, m);
	child_dirty(c, s->self);
	switch (m->kind) {
	case MSG_EXIT:
		rules_exit(c, s, CHILD_OF(m, exit));
		break;
	case MSG_NOTE:
		rules_note(c, s, CHILD_OF(m, note));
		break;
	case MSG_CALL:
		call_serve(c, s, (struct call *)m);
		break;
	case MSG_STOP:
		stop_read(c, s);
		break;
	case MSG_RELOAD:
		reload_serve(c, s);
		break;
	}
	return true;
}

/* False: there is nothing to do before something else happens. */
static bool
step(struct core *c, struct sup *s)
{
	switch (s->phase) {
	case PHASE_IDLE:
		return read_message(c, s);
	case PHASE_STOP:
		return stop_step(c, s);
	case PHASE_START:
		return start_step(c, s);
	case PHASE_GROUP:
		if (s->left > 0)
			return false;
		act_group_disarm(c, s);
		return stops_done(c, s);
	case PHASE_DOWN:
	case PHASE_KILLED:
		break;
	}
	return false;
}

void
sup_work(struct core *c)
{
	struct sup *s;

	while ((s = c->work_head) != NULL) {
		c->work_head = s->next_work;
		if (c->work_head == NULL)
			c->work_tail = NULL;
		s->working = false;
		while (step(c, s))
			continue;
		child_dirty(c, s->self);
	}
}
