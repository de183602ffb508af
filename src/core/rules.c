/* SPDX-License-Identifier: ISC */
/*
 * OTP's rules: which end is followed by a restart, of whom, how often, and
 * what happens when the restart fails.
 */
#include <assert.h>

#include "core/parts.h"

static void
give_up(struct core *c, struct sup *s, struct child *ch)
{
	act_tell(c, s->self, CORE_TELL_GAVE_UP)->child = ch->slot;
	if (ch->state == CORE_RESTARTING)
		child_cancel_retry(c, ch);
	else
		child_set(c, ch, CORE_STOPPED);
	s->gave_up = true;
	sup_end(c, s);
}

/* An attempt: it counts before anything is stopped or started. */
static void
restart(struct core *c, struct sup *s, struct child *ch)
{
	child_dirty(c, s->self);
	if (intensity_exceeded(&s->intensity, c->now_ms)) {
		give_up(c, s, ch);
		return;
	}
	act_tell(c, s->self, CORE_TELL_RESTARTING)->child = ch->slot;
	s->job = JOB_RESTART;
	child_set(c, ch, CORE_STOPPED);
	switch (s->strategy) {
	case CORE_ONE_FOR_ONE:
	case CORE_SIMPLE_ONE_FOR_ONE:
	case CORE_DYNAMIC:
		sup_single(c, s, ch, PHASE_START);
		break;
	case CORE_ONE_FOR_ALL:
		sup_stops(c, s, s->first);
		break;
	case CORE_REST_FOR_ONE:
		sup_stops(c, s, ch);
		break;
	}
}

/* Beside OTP: a pause before the attempt, twice as long each time. */
static bool
put_off(struct core *c, struct child *ch)
{
	struct core_action *a;

	if (c->compat || ch->backoff_min_ms == 0)
		return false;
	if (ch->backoff_ms < ch->backoff_min_ms)
		ch->backoff_ms = ch->backoff_min_ms;
	else if (ch->backoff_ms > ch->backoff_max_ms / 2)
		ch->backoff_ms = ch->backoff_max_ms;
	else
		ch->backoff_ms *= 2;
	ch->waiting = true;
	child_set(c, ch, CORE_RESTARTING);
	act_arm(c, ch, ch->backoff_ms);
	a = act_tell(c, ch, CORE_TELL_BACKOFF);
	a->delay_ms = ch->backoff_ms;
	return true;
}

static bool
auto_shutdown(const struct sup *s, const struct child *ch)
{
	if (!ch->significant || ch->held)
		return false;
	switch (s->auto_shutdown) {
	case CORE_AUTO_NEVER:
		break;
	case CORE_AUTO_ANY_SIGNIFICANT:
		return true;
	case CORE_AUTO_ALL_SIGNIFICANT:
		return s->nsignificant == 0;
	}
	return false;
}

/* It ended and is not to be restarted. */
static void
final_end(struct core *c, struct sup *s, struct child *ch)
{
	bool over;

	child_set(c, ch, CORE_STOPPED);
	over = auto_shutdown(s, ch);
	if (over)
		act_tell(c, s->self, CORE_TELL_AUTO_SHUTDOWN)->child =
		    ch->slot;
	if (!ch->held && (ch->restart == CORE_TEMPORARY ||
	    sup_at_run_time(s)))
		tree_drop(c, ch);
	else
		(void)act_tell(c, ch, CORE_TELL_STOPPED);
	if (over)
		sup_end(c, s);
}

static bool
to_be_restarted(const struct child *ch)
{
	return !ch->held && !ch->doomed && (ch->restart == CORE_PERMANENT ||
	    (ch->restart == CORE_TRANSIENT && ch->how == CORE_EXIT_ABNORMAL));
}

/* The exit of a child by itself has been read. */
void
rules_exit(struct core *c, struct sup *s, struct child *ch)
{
	ch->failed = ch->how == CORE_EXIT_ABNORMAL ||
	    (ch->sup != NULL && ch->sup->gave_up);
	if (!to_be_restarted(ch)) {
		final_end(c, s, ch);
		return;
	}
	if (c->now_ms - ch->ready_ms >= ch->backoff_reset_ms)
		ch->backoff_ms = 0;
	if (!put_off(c, ch))
		restart(c, s, ch);
}

/* "Retry it": forgotten if something else became of it meanwhile. */
void
rules_note(struct core *c, struct sup *s, struct child *ch)
{
	child_dirty(c, ch);
	if (ch->state != CORE_RESTARTING || ch->waiting)
		return;
	if (ch->doomed)
		child_cancel_retry(c, ch);
	else
		restart(c, s, ch);
}

/* Its restart failed: try again when the mailbox has been read so far. */
void
rules_retry(struct core *c, struct sup *s, struct child *ch)
{
	assert(ch->state == CORE_STOPPED);
	if (put_off(c, ch))
		return;
	child_set(c, ch, CORE_RESTARTING);
	mbox_post(c, s, &ch->note);
}
