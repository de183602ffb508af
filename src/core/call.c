/* SPDX-License-Identifier: ISC */
/*
 * Calls on a supervisor: OTP's with OTP's answers, and the operator's start,
 * stop and restart, which count nothing and beat every rule.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/parts.h"

static void
call_free(struct core *c, struct call *m)
{
	if (m->made != NULL)
		slot_free_tree(c, m->made);
	free(m->child);
	free(m);
}

/* Answer one that is not being served. */
void
call_refuse(struct core *c, struct call *m, enum core_result result)
{
	if (!m->mute)
		(void)act_reply(c, m->id, result, CORE_NONE);
	call_free(c, m);
}

void
call_done(struct core *c, struct sup *s, enum core_result result,
    uint32_t slot)
{
	struct call *m = s->call;

	s->call = NULL;
	if (!m->mute)
		(void)act_reply(c, m->id, result, slot);
	call_free(c, m);
	sup_idle(c, s);
}

/* --- OTP's --- */

static bool
is_simple(const struct sup *s)
{
	return s->strategy == CORE_SIMPLE_ONE_FOR_ONE;
}

static struct child *
find(struct core *c, struct sup *s, const struct call *m)
{
	struct child *ch;

	if (m->child == NULL)
		return NULL;
	ch = index_listed(c, s, m->child);
	return ch != NULL && (m->inc == 0 || m->inc == act_inc(ch)) ? ch :
	    NULL;
}

/* To be started: one that a reload wants gone is as good as gone. */
static struct child *
find_to_start(struct core *c, struct sup *s, const struct call *m)
{
	struct child *ch = find(c, s, m);

	return ch != NULL && !ch->doomed ? ch : NULL;
}

static void
begin(struct core *c, struct sup *s, struct child *ch, enum phase phase)
{
	s->job = JOB_CALL;
	sup_single(c, s, ch, phase);
}

static void
explicit_start(struct child *ch)
{
	ch->held = ch->parked = ch->again = false;
	ch->backoff_ms = 0;
}

static void
serve_start_child(struct core *c, struct sup *s, struct call *m)
{
	struct child *ch = index_listed(c, s, m->made->id);

	if (ch != NULL) {
		call_done(c, s, ch->state == CORE_RUNNING ?
		    CORE_E_ALREADY_STARTED : CORE_E_ALREADY_PRESENT, ch->slot);
		return;
	}
	if (s->strategy == CORE_DYNAMIC && s->nspecs >= s->max_children) {
		call_done(c, s, CORE_E_MAX_CHILDREN, CORE_NONE);
		return;
	}
	ch = m->made;
	m->made = NULL;
	if (is_simple(s))
		slot_fill_instance(s, ch);
	tree_append(c, s, ch);
	tree_tell(c, ch, CORE_TELL_ADDED);
	begin(c, s, ch, PHASE_START);
}

/* Those without have nothing that could be restarted or deleted. */
static bool
has_specs(struct core *c, struct sup *s)
{
	if (is_simple(s))
		call_done(c, s, CORE_E_SIMPLE_ONE_FOR_ONE, CORE_NONE);
	else if (s->strategy == CORE_DYNAMIC)
		call_done(c, s, CORE_E_INVALID, CORE_NONE);
	else
		return true;
	return false;
}

static void
serve_restart_child(struct core *c, struct sup *s, struct call *m)
{
	struct child *ch = find_to_start(c, s, m);

	if (!has_specs(c, s)) {
		return;
	} else if (ch == NULL) {
		call_done(c, s, CORE_E_NOT_FOUND, CORE_NONE);
	} else if (ch->state == CORE_RESTARTING) {
		call_done(c, s, CORE_E_RESTARTING, ch->slot);
	} else if (ch->state != CORE_STOPPED) {
		call_done(c, s, CORE_E_RUNNING, ch->slot);
	} else {
		explicit_start(ch);
		begin(c, s, ch, PHASE_START);
	}
}

static void
serve_terminate_child(struct core *c, struct sup *s, struct call *m)
{
	struct child *ch = find(c, s, m);

	if (ch == NULL)
		call_done(c, s, !is_simple(s) ? CORE_E_NOT_FOUND :
		    m->inc != 0 ? CORE_OK : CORE_E_SIMPLE_ONE_FOR_ONE,
		    CORE_NONE);
	else
		begin(c, s, ch, PHASE_STOP);
}

static void
serve_delete_child(struct core *c, struct sup *s, struct call *m)
{
	struct child *ch = find(c, s, m);

	if (!has_specs(c, s)) {
		return;
	} else if (ch == NULL) {
		call_done(c, s, CORE_E_NOT_FOUND, CORE_NONE);
	} else if (ch->state == CORE_RESTARTING) {
		call_done(c, s, CORE_E_RESTARTING, ch->slot);
	} else if (ch->state != CORE_STOPPED) {
		call_done(c, s, CORE_E_RUNNING, ch->slot);
	} else {
		tree_drop(c, ch);
		call_done(c, s, CORE_OK, ch->slot);
	}
}

static void
serve_which_children(struct core *c, struct sup *s, struct call *m)
{
	struct core_row *rows;
	struct core_action *a;
	struct child *ch;
	uint32_t n = 0;

	assert(!m->mute);
	rows = core_alloc((s->nspecs + 1) * sizeof(rows[0]));
	for (ch = s->last; ch != NULL; ch = ch->prev)
		rows[n++] = (struct core_row){ ch->slot, ch->state,
		    act_inc(ch) };
	a = act_reply(c, m->id, CORE_OK, CORE_NONE);
	a->rows = rows;
	a->nrows = n;
	m->mute = true;
	call_done(c, s, CORE_OK, CORE_NONE);
}

static void
serve_count_children(struct core *c, struct sup *s, struct call *m)
{
	struct core_action *a = act_reply(c, m->id, CORE_OK, CORE_NONE);

	a->counts = (struct core_counts){
		.specs = is_simple(s) ? 1 : s->nspecs,
		.active = s->nactive,
		.supervisors = s->nsups,
		.workers = s->nspecs - s->nsups,
	};
	m->mute = true;
	call_done(c, s, CORE_OK, CORE_NONE);
}

/* --- the operator's --- */

static void
serve_start(struct core *c, struct sup *s, struct call *m)
{
	struct child *ch = find_to_start(c, s, m);

	if (ch == NULL) {
		call_done(c, s, CORE_E_NOT_FOUND, CORE_NONE);
		return;
	}
	explicit_start(ch);
	child_dirty(c, ch);
	if (ch->state == CORE_RUNNING && !ch->exit.queued) {
		call_done(c, s, CORE_OK, ch->slot);
		return;
	}
	m->retrying = ch->state == CORE_RESTARTING;
	begin(c, s, ch, PHASE_STOP);
}

static void
serve_restart(struct core *c, struct sup *s, struct call *m)
{
	struct child *ch = find_to_start(c, s, m);

	if (ch == NULL) {
		call_done(c, s, CORE_E_NOT_FOUND, CORE_NONE);
		return;
	}
	explicit_start(ch);
	child_dirty(c, ch);
	m->retrying = ch->state == CORE_RESTARTING;
	begin(c, s, ch, PHASE_STOP);
}

static void
serve_stop(struct core *c, struct sup *s, struct call *m)
{
	struct child *ch = find(c, s, m);

	if (ch == NULL) {
		call_done(c, s, CORE_E_NOT_FOUND, CORE_NONE);
		return;
	}
	ch->held = true;
	ch->again = false;
	child_dirty(c, ch);
	begin(c, s, ch, PHASE_STOP);
}

static void (*const serve[])(struct core *, struct sup *, struct call *) = {
	[CORE_OP_START_CHILD] = serve_start_child,
	[CORE_OP_RESTART_CHILD] = serve_restart_child,
	[CORE_OP_TERMINATE_CHILD] = serve_terminate_child,
	[CORE_OP_DELETE_CHILD] = serve_delete_child,
	[CORE_OP_WHICH_CHILDREN] = serve_which_children,
	[CORE_OP_COUNT_CHILDREN] = serve_count_children,
	[CORE_OP_START] = serve_start,
	[CORE_OP_STOP] = serve_stop,
	[CORE_OP_RESTART] = serve_restart,
};
static_assert(sizeof(serve) / sizeof(serve[0]) == CORE_NOPS,
    "every call is served");

void
call_serve(struct core *c, struct sup *s, struct call *m)
{
	s->call = m;
	serve[m->op](c, s, m);
}

/* --- what became of it --- */

/* The child does not live (any more). */
void
call_stopped(struct core *c, struct sup *s, struct child *ch)
{
	uint32_t slot = ch->slot;

	if (s->call->op == CORE_OP_START || s->call->op == CORE_OP_RESTART) {
		if (ch->doomed)		/* meanwhile: its order may be gone */
			call_done(c, s, CORE_E_NOT_FOUND, CORE_NONE);
		else
			begin(c, s, ch, PHASE_START);
		return;
	}
	if (s->call->op == CORE_OP_TERMINATE_CHILD && ch->unstarted) {
		ch->unstarted = false;
		child_dirty(c, ch);
	}
	if (s->call->op == CORE_OP_TERMINATE_CHILD &&
	    (ch->restart == CORE_TEMPORARY || sup_at_run_time(s)))
		tree_drop(c, ch);
	call_done(c, s, CORE_OK, slot);
}

static void
start_failed(struct core *c, struct sup *s, struct child *ch)
{
	bool retrying = s->call->retrying;
	uint32_t slot = ch->slot;

	if (s->call->op == CORE_OP_START_CHILD)
		tree_drop(c, ch);
	call_done(c, s, CORE_E_START_FAILED, slot);
	if (retrying)
		rules_retry(c, s, ch);
}

void
call_started(struct core *c, struct sup *s, struct child *ch,
    enum outcome outcome)
{
	uint32_t slot = ch->slot;

	switch (outcome) {
	case OUT_OK:
		call_done(c, s, CORE_STARTED, slot);
		break;
	case OUT_FAILED:
		start_failed(c, s, ch);
		break;
	case OUT_IGNORED:
	case OUT_ABORTED:
		if (!ch->held &&
		    (ch->restart == CORE_TEMPORARY || sup_at_run_time(s)))
			tree_drop(c, ch);
		call_done(c, s, CORE_IGNORED, slot);
		break;
	case OUT_NONE:
		assert(outcome != OUT_NONE);
	}
}

/* --- coming in --- */

static struct call *
call_new(struct core *c, const struct core_call *call, const struct sup *s)
{
	struct call *m = core_alloc(sizeof(*m));
	struct core_spec spec;
	size_t len;

	m->msg.kind = MSG_CALL;
	m->op = call->op;
	m->id = call->id;
	m->inc = call->inc;
	if (call->child != NULL) {
		len = strlen(call->child) + 1;
		m->child = core_alloc(len);
		memcpy(m->child, call->child, len);
	}
	if (call->op != CORE_OP_START_CHILD)
		return m;
	spec = *call->spec;
	if (s != NULL && is_simple(s))
		spec = (struct core_spec){
			.id = call->spec->id,
			.user = call->spec->user,
		};
	m->made = slot_build(c, &spec);
	if (s != NULL) {	/* its id is taken from now on */
		m->made->parent = s->self;
		index_add(c, m->made);
	}
	return m;
}

/*
 * Beside OTP: a stop or restart of a child that is being started takes effect
 * at once, so that a start that hangs can be ended.
 */
static void
stop_early(struct core *c, struct sup *s, const struct core_call *call)
{
	struct child *ch;

	if (c->compat || call->child == NULL ||
	    (call->op != CORE_OP_STOP && call->op != CORE_OP_RESTART))
		return;
	ch = index_listed(c, s, call->child);
	if (ch == NULL)
		return;
	if (call->op == CORE_OP_STOP)
		ch->held = true;
	child_dirty(c, ch);
	if (ch->state != CORE_STARTING)
		return;
	ch->again = call->op == CORE_OP_RESTART;
	(void)child_stop(c, ch);
}

static enum core_result
check(const struct core *c, const struct core_call *call, struct sup **out)
{
	const struct child *ch;

	if (call->sup >= c->nslots || (ch = c->slots[call->sup]) == NULL ||
	    ch->gone)
		return call->sup == CORE_NONE ? CORE_E_INVALID : CORE_E_NOPROC;
	if (ch->sup == NULL)
		return CORE_E_INVALID;
	*out = ch->sup;
	if (ch->sup->phase == PHASE_DOWN || ch->sup->phase == PHASE_KILLED)
		return CORE_E_NOPROC;
	if (call->op == CORE_OP_START_CHILD && is_simple(ch->sup) &&
	    ch->sup->template->type == CORE_SUPERVISOR)
		return CORE_E_INVALID;
	return CORE_OK;
}

void
core_call(struct core *c, const struct core_call *call, uint64_t now_ms)
{
	struct sup *s = NULL;
	enum core_result result = check(c, call, &s);
	struct call *m = call_new(c, call, s);

	c->now_ms = now_ms;
	if (result != CORE_OK) {
		call_refuse(c, m, result);
		return;
	}
	mbox_post(c, s, &m->msg);
	stop_early(c, s, call);
	sup_work(c);
}
