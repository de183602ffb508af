/* SPDX-License-Identifier: ISC */
/* Pretended processes and timers, and what becomes of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_rig_priv.h"

static struct rig_process *
find_inc(struct rig *r, uint64_t inc)
{
	struct rig_process *p;

	for (p = r->processes; p < r->processes + RIG_MANY; p++)
		if (p->there && p->inc == inc)
			return p;
	return NULL;
}

/* The same order twice starts one process; never two of one child. */
void
rig_process_start(struct rig *r, const struct core_action *a)
{
	struct rig_process *p, *unused = NULL;
	struct core_child v;

	for (p = r->processes; p < r->processes + RIG_MANY; p++) {
		if (!p->there && unused == NULL)
			unused = p;
		if (p->there && p->inc == a->inc)
			return;
		if (p->there && p->inc >> 32 == a->slot)
			rig_say(r, "FAULT: two of %s", p->id);
	}
	if (unused == NULL || !core_view(r->core, a->slot, r->now, &v))
		abort();
	if (v.user == NULL) {
		rig_say(r, "FAULT: start of %s, whose order is gone", v.id);
		return;
	}
	*unused = (struct rig_process){ .inc = a->inc, .there = true,
		.user = v.user };
	if (unused->user->freed)
		rig_say(r, "FAULT: user of %s was freed", v.id);
	snprintf(unused->id, sizeof(unused->id), "%s", v.id);
}

static void
end_at(struct rig_process *p, uint64_t at_ms, const char *how)
{
	if (p->ending && p->end_ms <= at_ms)
		return;
	p->ending = true;
	p->end_ms = at_ms;
	p->how = how;
}

void
rig_process_ask(struct rig *r, uint64_t inc, bool kill)
{
	struct rig_process *p = find_inc(r, inc);

	if (p == NULL)
		return;
	if (kill)
		end_at(p, r->now, "killed");
	else if (!p->user->ignores)
		end_at(p, r->now + p->user->slow_ms, p->user->how);
}

static void
outcome_of(struct rig *r, const char *id, char out[8])
{
	unsigned i;

	strcpy(out, "ok");
	for (i = 0; i < r->narms; i++)
		if (strcmp(r->arms[i].id, id) == 0) {
			strcpy(out, r->arms[i].outcome);
			memmove(&r->arms[i], &r->arms[i + 1],
			    (--r->narms - i) * sizeof(r->arms[0]));
			return;
		}
}

static void
is_over(struct rig *r, uint64_t inc)
{
	r->late[r->nlate++ % RIG_LATE] = inc;
}

/* What was told before is told again, and must change nothing. */
void
rig_late_news(struct rig *r)
{
	unsigned i;

	for (i = 0; i < RIG_LATE && i < r->nlate; i++) {
		core_started(r->core, r->late[i], r->now);
		core_start_ignored(r->core, r->late[i], r->now);
		core_start_failed(r->core, r->late[i], r->now);
		core_exited(r->core, r->late[i], CORE_EXIT_ABNORMAL, r->now);
	}
}

static void
start_ends(struct rig *r, struct rig_process *p, const char *outcome)
{
	p->there = p->held = false;
	if (strcmp(outcome, "ok") == 0) {
		p->there = p->ready = true;
		core_started(r->core, p->inc, r->now);
	} else if (strcmp(outcome, "error") == 0) {
		core_start_failed(r->core, p->inc, r->now);
		is_over(r, p->inc);
	} else if (strcmp(outcome, "ignore") == 0) {
		core_start_ignored(r->core, p->inc, r->now);
		is_over(r, p->inc);
	} else {
		p->there = p->held = true;
	}
}

static enum core_exit
exit_of(const char *how)
{
	if (strcmp(how, "normal") == 0)
		return CORE_EXIT_NORMAL;
	return strcmp(how, "shutdown") == 0 ? CORE_EXIT_SHUTDOWN :
	    CORE_EXIT_ABNORMAL;
}

static void
process_ends(struct rig *r, struct rig_process *p, const char *how)
{
	rig_say(r, "stop %s %s", p->id, how);
	p->there = false;
	if (p->ready)
		core_exited(r->core, p->inc, exit_of(how), r->now);
	else
		core_start_failed(r->core, p->inc, r->now);
	is_over(r, p->inc);
}

bool
rig_process_exit(struct rig *r, const char *id, const char *how)
{
	struct rig_process *p;

	for (p = r->processes; p < r->processes + RIG_MANY; p++)
		if (p->there && p->ready && strcmp(p->id, id) == 0) {
			process_ends(r, p, strcmp(how, "kill") == 0 ?
			    "killed" : how);
			return true;
		}
	return false;
}

void
rig_process_lose(struct rig *r, const char *id)
{
	struct rig_process *p;

	for (p = r->processes; p < r->processes + RIG_MANY; p++)
		if (p->there && strcmp(p->id, id) == 0)
			p->there = false;
}

void
rig_process_release(struct rig *r, const char *id, const char *outcome)
{
	struct rig_process *p;

	for (p = r->processes; p < r->processes + RIG_MANY; p++)
		if (p->there && p->held && strcmp(p->id, id) == 0) {
			start_ends(r, p, outcome);
			return;
		}
	rig_say(r, "FAULT: %s is not held", id);
}

/* --- timers --- */

static struct rig_timer *
timer(struct rig *r, const struct core_action *a)
{
	struct rig_timer *t;

	for (t = r->timers; t < r->timers + RIG_MANY; t++)
		if (t->armed && t->slot == a->slot && t->kind == a->timer)
			return t;
	return NULL;
}

void
rig_timer_arm(struct rig *r, const struct core_action *a)
{
	struct rig_timer *t = timer(r, a);

	if (t == NULL)
		for (t = r->timers; t->armed; t++)
			continue;
	*t = (struct rig_timer){ true, a->slot, a->timer, r->now + a->ms };
}

void
rig_timer_disarm(struct rig *r, const struct core_action *a)
{
	struct rig_timer *t = timer(r, a);

	if (t == NULL)
		rig_say(r, "FAULT: disarmed what is not armed");
	else
		t->armed = false;
}

/* --- one thing that happens at this very moment --- */

static bool
timer_fires(struct rig *r)
{
	struct rig_timer *t, *first = NULL;

	for (t = r->timers; t < r->timers + RIG_MANY; t++)
		if (t->armed && t->at_ms <= r->now &&
		    (first == NULL || t->at_ms < first->at_ms ||
		    (t->at_ms == first->at_ms && strcmp(rig_id(r, t->slot),
		    rig_id(r, first->slot)) < 0)))
			first = t;
	if (first == NULL)
		return false;
	first->armed = false;
	core_timer_fired(r->core, first->slot, first->kind, r->now);
	return true;
}

bool
rig_happen(struct rig *r)
{
	struct rig_process *p;
	char outcome[8];

	for (p = r->processes; p < r->processes + RIG_MANY; p++) {
		if (!p->there)
			continue;
		if (p->ending && p->end_ms <= r->now) {
			process_ends(r, p, p->how);
			return true;
		}
		if (p->ready || p->held)
			continue;
		outcome_of(r, p->id, outcome);
		start_ends(r, p, outcome);
		if (!p->held)
			return true;
	}
	return timer_fires(r);
}

/* --- what there is --- */

unsigned
rig_running(const struct rig *r)
{
	unsigned i, n = 0;

	for (i = 0; i < RIG_MANY; i++)
		n += r->processes[i].there && r->processes[i].ready;
	return n;
}

const char *
rig_running_id(const struct rig *r, unsigned n)
{
	unsigned i;

	for (i = 0; i < RIG_MANY; i++)
		if (r->processes[i].there && r->processes[i].ready &&
		    n-- == 0)
			return r->processes[i].id;
	return NULL;
}

const char *
rig_held_id(const struct rig *r)
{
	unsigned i;

	for (i = 0; i < RIG_MANY; i++)
		if (r->processes[i].there && r->processes[i].held)
			return r->processes[i].id;
	return NULL;
}

uint64_t
rig_next_time(const struct rig *r)
{
	uint64_t at = UINT64_MAX;
	unsigned i;

	for (i = 0; i < RIG_MANY; i++) {
		if (r->timers[i].armed && r->timers[i].at_ms < at)
			at = r->timers[i].at_ms;
		if (r->processes[i].there && r->processes[i].ending &&
		    r->processes[i].end_ms < at)
			at = r->processes[i].end_ms;
	}
	return at == UINT64_MAX ? at : at <= r->now ? 0 : at - r->now;
}
