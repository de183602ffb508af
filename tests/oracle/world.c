/* SPDX-License-Identifier: ISC */
/*
 * Carries the core's actions out on pretended processes and tells it what
 * becomes of them, in the order of a real system: one thing after the other.
 */
#include "oracle/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY	512		/* processes, timers, events of one case */

enum what { NOTHING, STARTING, RUNNING, ENDING };

struct process {
	enum what	 what;
	uint64_t	 inc;
	char		 id[64];
	char		 on_stop[16];
	bool		 held;		/* its start waits to be released */
	uint64_t	 end_ms;	/* ENDING: when */
	const char	*how;
};

struct timer { bool armed; uint32_t slot; enum core_timer kind; uint64_t at; };
struct armed { char id[64]; char mode[8]; };

struct world {
	struct core	*core;
	uint64_t	 now, last_call;
	struct process	 processes[MANY];
	struct timer	 timers[MANY];
	struct armed	 armed[MANY];
	int		 narmed;
	struct core_action replies[MANY];
	int		 nreplies;
	char		 events[MANY][96];
	char		 owners[MANY][64];	/* of a simple one's, or "" */
	int		 nevents;
	char		 instances[MANY][64];
	int		 ninstances;
};

struct world *
world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		abort();
	w->core = core_new(true);
	w->now = 1000;
	return w;
}

static void
forget_replies(struct world *w)
{
	while (w->nreplies > 0)
		free(w->replies[--w->nreplies].rows);
}

void
world_free(struct world *w)
{
	forget_replies(w);
	core_free(w->core);
	free(w);
}

struct core *
world_core(struct world *w)
{
	return w->core;
}

uint64_t
world_now(const struct world *w)
{
	return w->now;
}

/* --- what happened --- */

static bool
is_simple(struct world *w, uint32_t slot, const char **out_id)
{
	struct core_child v;

	if (slot == CORE_NONE || !core_view(w->core, slot, w->now, &v))
		return false;
	*out_id = v.id;
	return v.type == CORE_SUPERVISOR &&
	    v.strategy == CORE_SIMPLE_ONE_FOR_ONE;
}

static void
event(struct world *w, const char *verb, uint32_t slot, const char *how)
{
	struct core_child v;
	const char *owner = "";
	int n = w->nevents++;

	if (n == MANY || !core_view(w->core, slot, w->now, &v))
		abort();
	snprintf(w->events[n], sizeof(w->events[n]), "%s %s%s%s", verb, v.id,
	    how != NULL ? " " : "", how != NULL ? how : "");
	if (is_simple(w, v.parent, &owner)) {
		snprintf(w->owners[n], sizeof(w->owners[n]), "%s", owner);
		if (strcmp(verb, "start") == 0)
			snprintf(w->instances[w->ninstances++], 64, "%s",
			    v.id);
	} else {
		w->owners[n][0] = '\0';
	}
}

static void
tell(struct world *w, const struct core_action *a)
{
	if (a->tell == CORE_TELL_READY)
		event(w, "start", a->slot, NULL);
	else if (a->tell == CORE_TELL_START_FAILED)
		event(w, "fail", a->slot, NULL);
	else if (a->tell == CORE_TELL_IGNORED)
		event(w, "ignore", a->slot, NULL);
	else if (a->tell == CORE_TELL_EXITED)
		event(w, "stop", a->slot, a->killed ? "killed" : "shutdown");
}

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
sort_run(struct world *w, int from, int to)
{
	qsort(w->events[from], (size_t)(to - from), sizeof(w->events[0]),
	    compare);
}

cJSON *
world_events(struct world *w, int nsorted)
{
	cJSON *list = cJSON_CreateArray();
	int i, j;

	for (i = 0; i < w->nevents && i < nsorted; i++)
		if (strncmp(w->events[i], "stop ", 5) != 0)
			break;
	sort_run(w, 0, i);
	for (i = 0; i < w->nevents; i = j) {
		for (j = i; j < w->nevents && w->owners[i][0] != '\0' &&
		    strncmp(w->events[j], "stop ", 5) == 0 &&
		    strcmp(w->owners[i], w->owners[j]) == 0; j++)
			continue;
		if (j == i)
			j++;
		sort_run(w, i, j);
	}
	for (i = 0; i < w->nevents; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(w->events[i]));
	w->nevents = 0;
	return list;
}

/* --- processes --- */

static struct process *
find_inc(struct world *w, uint64_t inc)
{
	int i;

	for (i = 0; i < MANY; i++)
		if (w->processes[i].what != NOTHING &&
		    w->processes[i].inc == inc)
			return &w->processes[i];
	return NULL;
}

static void
start(struct world *w, const struct core_action *a)
{
	const struct behaviour *b;
	struct core_child v;
	struct process *p;

	for (p = w->processes; p->what != NOTHING; p++)
		if (p == &w->processes[MANY - 1])
			abort();
	if (!core_view(w->core, a->slot, w->now, &v))
		abort();
	b = v.user;
	*p = (struct process){ .what = STARTING, .inc = a->inc };
	snprintf(p->id, sizeof(p->id), "%s", v.id);
	snprintf(p->on_stop, sizeof(p->on_stop), "%s", b->on_stop);
}

static void
end_after(struct process *p, uint64_t at, const char *how)
{
	if (p->what == ENDING && p->end_ms <= at)
		return;
	p->what = ENDING;
	p->end_ms = at;
	p->how = how;
}

static void
ask(struct world *w, struct process *p)
{
	if (strcmp(p->on_stop, "ignore") == 0)
		return;
	if (strncmp(p->on_stop, "slow:", 5) == 0)
		end_after(p, w->now + strtoul(p->on_stop + 5, NULL, 10),
		    "shutdown");
	else if (strcmp(p->on_stop, "exit0") == 0)
		end_after(p, w->now, "normal");
	else if (strcmp(p->on_stop, "exit1") == 0)
		end_after(p, w->now, "abnormal");
	else
		end_after(p, w->now, "shutdown");
}

static struct timer *
timer(struct world *w, uint32_t slot, enum core_timer kind, bool make)
{
	struct timer *t, *unused = NULL;

	for (t = w->timers; t < &w->timers[MANY]; t++) {
		if (t->armed && t->slot == slot && t->kind == kind)
			return t;
		if (!t->armed && unused == NULL)
			unused = t;
	}
	return make ? unused : NULL;
}

static void
carry_out(struct world *w, const struct core_action *a)
{
	struct process *p = find_inc(w, a->inc);
	struct timer *t;

	switch (a->act) {
	case CORE_ACT_START:
		start(w, a);
		break;
	case CORE_ACT_STOP:
		if (p != NULL)
			ask(w, p);
		break;
	case CORE_ACT_KILL:
		if (p != NULL)
			end_after(p, w->now, "killed");
		break;
	case CORE_ACT_ARM:
		t = timer(w, a->slot, a->timer, true);
		*t = (struct timer){ true, a->slot, a->timer, w->now + a->ms };
		break;
	case CORE_ACT_DISARM:
		t = timer(w, a->slot, a->timer, false);
		if (t != NULL)
			t->armed = false;
		break;
	case CORE_ACT_TELL:
		tell(w, a);
		break;
	case CORE_ACT_REPLY:
	case CORE_ACT_ROOT_EXIT:
	case CORE_ACT_FREE:
		break;
	}
}

static void
keep_reply(struct world *w, const struct core_action *a)
{
	struct core_action *r = &w->replies[w->nreplies++];
	size_t size = a->nrows * sizeof(a->rows[0]);

	*r = *a;
	r->rows = malloc(size + 1);
	if (r->rows == NULL)
		abort();
	if (size > 0)
		memcpy(r->rows, a->rows, size);
}

static void
carry_out_all(struct world *w)
{
	const struct core_action *a;
	size_t i, n;

	a = core_actions(w->core, &n);
	for (i = 0; i < n; i++) {
		carry_out(w, &a[i]);
		if (a[i].act == CORE_ACT_REPLY)
			keep_reply(w, &a[i]);
	}
	core_actions_clear(w->core);
}

/* --- time --- */

/* The word for the next start of an id. */
static void
next_mode(struct world *w, const char *id, char out[8])
{
	int i;

	strcpy(out, "ok");
	for (i = 0; i < w->narmed; i++)
		if (strcmp(w->armed[i].id, id) == 0) {
			strcpy(out, w->armed[i].mode);
			memmove(&w->armed[i], &w->armed[i + 1], (size_t)
			    (--w->narmed - i) * sizeof(w->armed[0]));
			return;
		}
}

static void
finish_start(struct world *w, struct process *p)
{
	char mode[8];

	next_mode(w, p->id, mode);
	p->what = strcmp(mode, "ok") == 0 ? RUNNING : NOTHING;
	if (strcmp(mode, "ok") == 0) {
		core_started(w->core, p->inc, w->now);
	} else if (strcmp(mode, "error") == 0) {
		core_start_failed(w->core, p->inc, w->now);
	} else if (strcmp(mode, "ignore") == 0) {
		core_start_ignored(w->core, p->inc, w->now);
	} else {
		p->what = STARTING;
		p->held = true;
	}
}

static void
finish_end(struct world *w, struct process *p)
{
	enum core_exit how = CORE_EXIT_ABNORMAL;

	if (strcmp(p->how, "normal") == 0)
		how = CORE_EXIT_NORMAL;
	else if (strcmp(p->how, "shutdown") == 0)
		how = CORE_EXIT_SHUTDOWN;
	event(w, "stop", (uint32_t)(p->inc >> 32), p->how);
	p->what = NOTHING;
	core_exited(w->core, p->inc, how, w->now);
}

/* Something that happens at this very moment. */
static bool
happen_now(struct world *w)
{
	struct process *p;
	struct timer *t;

	for (p = w->processes; p < &w->processes[MANY]; p++) {
		if (p->what == STARTING && !p->held) {
			finish_start(w, p);
			return true;
		}
		if (p->what == ENDING && p->end_ms <= w->now) {
			finish_end(w, p);
			return true;
		}
	}
	for (t = w->timers; t < &w->timers[MANY]; t++)
		if (t->armed && t->at <= w->now) {
			t->armed = false;
			core_timer_fired(w->core, t->slot, t->kind, w->now);
			return true;
		}
	return false;
}

static uint64_t
next_time(struct world *w)
{
	uint64_t at = UINT64_MAX;
	int i;

	for (i = 0; i < MANY; i++) {
		if (w->processes[i].what == ENDING &&
		    w->processes[i].end_ms < at)
			at = w->processes[i].end_ms;
		if (w->timers[i].armed && w->timers[i].at < at)
			at = w->timers[i].at;
	}
	return at;
}

void
world_settle(struct world *w)
{
	uint64_t at;

	for (;;) {
		carry_out_all(w);
		if (happen_now(w))
			continue;
		at = next_time(w);
		if (at == UINT64_MAX)
			return;
		w->now = at;
	}
}

void
world_wait(struct world *w, uint64_t ms)
{
	w->now += ms;
}

/* --- orders --- */

void
world_arm(struct world *w, const char *id, const cJSON *modes)
{
	const cJSON *mode;
	struct armed *a;

	cJSON_ArrayForEach(mode, modes) {
		a = &w->armed[w->narmed++];
		snprintf(a->id, sizeof(a->id), "%s", id);
		snprintf(a->mode, sizeof(a->mode), "%s", mode->valuestring);
	}
}

void
world_hold_next(struct world *w, const char *id)
{
	memmove(&w->armed[1], &w->armed[0],
	    (size_t)w->narmed++ * sizeof(w->armed[0]));
	snprintf(w->armed[0].id, sizeof(w->armed[0].id), "%s", id);
	strcpy(w->armed[0].mode, "hold");
}

void
world_boot(struct world *w, struct core_spec *root)
{
	core_boot(w->core, root, w->now);
}

bool
world_exit(struct world *w, const char *id, const char *reason)
{
	struct process *p;

	for (p = w->processes; p < &w->processes[MANY]; p++)
		if (p->what == RUNNING && strcmp(p->id, id) == 0) {
			end_after(p, w->now, strcmp(reason, "kill") == 0 ?
			    "killed" : reason);
			finish_end(w, p);
			return true;
		}
	return false;
}

void
world_release(struct world *w)
{
	struct process *p;

	for (p = w->processes; p < &w->processes[MANY]; p++)
		if (p->what == STARTING && p->held) {
			p->what = NOTHING;
			core_start_failed(w->core, p->inc, w->now);
			return;
		}
	abort();
}

uint64_t
world_call(struct world *w, struct core_call *call)
{
	call->id = ++w->last_call;
	core_call(w->core, call, w->now);
	return call->id;
}

/* --- answers --- */

static const struct core_action *
reply(struct world *w, uint64_t call)
{
	int i;

	for (i = 0; i < w->nreplies; i++)
		if (w->replies[i].call == call)
			return &w->replies[i];
	return NULL;
}

/* In the order of enum core_result. */
static const char *const results[CORE_NRESULTS] = {
	"ok", "started", "ignored", "error:not_found", "error:running",
	"error:restarting", "error:already_started", "error:already_present",
	"error:start_failed", "error:noproc", "error:simple_one_for_one",
	"error:shutdown", "error:invalid",
};

char *
world_result(struct world *w, uint64_t call)
{
	const struct core_action *r = reply(w, call);

	return strdup(r != NULL ? results[r->result] : "no answer");
}

static cJSON *
row(struct world *w, const struct core_row *r)
{
	static const char *const words[CORE_NSTATES] = {
		[CORE_STOPPED] = "stopped", [CORE_STARTING] = "starting",
		[CORE_RUNNING] = "running", [CORE_STOPPING] = "stopping",
		[CORE_RESTARTING] = "restarting",
	};
	struct core_child v;
	char text[96];

	if (!core_view(w->core, r->slot, w->now, &v))
		return cJSON_CreateString("?");
	snprintf(text, sizeof(text), "%s %s %s", v.id, words[r->state],
	    v.type == CORE_WORKER ? "worker" : "supervisor");
	return cJSON_CreateString(text);
}

static int
compare_rows(const void *a, const void *b)
{
	const cJSON *const *x = a, *const *y = b;

	return strcmp((*x)->valuestring, (*y)->valuestring);
}

cJSON *
world_rows(struct world *w, uint64_t call)
{
	const struct core_action *r = reply(w, call);
	cJSON *list = cJSON_CreateArray(), *rows[MANY];
	const char *simple = NULL;
	struct core_child v;
	uint32_t i;

	for (i = 0; i < r->nrows; i++)
		rows[i] = row(w, &r->rows[i]);
	if (r->nrows > 0 &&
	    core_view(w->core, r->rows[0].slot, w->now, &v) &&
	    is_simple(w, v.parent, &simple))
		qsort(rows, r->nrows, sizeof(rows[0]), compare_rows);
	for (i = 0; i < r->nrows; i++)
		cJSON_AddItemToArray(list, rows[i]);
	return list;
}

cJSON *
world_counts(struct world *w, uint64_t call)
{
	const struct core_counts *n = &reply(w, call)->counts;
	int four[4] = { (int)n->specs, (int)n->active, (int)n->supervisors,
		(int)n->workers };

	return cJSON_CreateIntArray(four, 4);
}

uint32_t
world_supervisor(struct world *w, const char *id)
{
	struct core_child v;
	uint32_t slot;

	for (slot = 0; slot < core_nslots(w->core); slot++)
		if (core_view(w->core, slot, w->now, &v) &&
		    v.type == CORE_SUPERVISOR && strcmp(v.id, id) == 0 &&
		    (v.state == CORE_RUNNING || v.state == CORE_STARTING))
			return slot;
	return CORE_NONE;
}

bool
world_knows_instance(struct world *w, const char *id)
{
	int i;

	for (i = 0; i < w->ninstances; i++)
		if (strcmp(w->instances[i], id) == 0)
			return true;
	return false;
}
