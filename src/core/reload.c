/* SPDX-License-Identifier: ISC */
/*
 * Converging on another specification.  What is known of every child is
 * replaced at once; then each supervisor that has something to stop, start or
 * reorder finds a message in its mailbox and does so in its turn.
 */
#include <stdlib.h>

#include "core/parts.h"

/* --- comparing --- */

/* How a supervisor comes by its children: a change of that is a new one. */
static enum core_strategy
upbringing(enum core_strategy strategy)
{
	return strategy == CORE_SIMPLE_ONE_FOR_ONE ||
	    strategy == CORE_DYNAMIC ? strategy : CORE_ONE_FOR_ONE;
}

static bool
same_kind(const struct child *ch, const struct core_spec *spec)
{
	return ch->type == spec->type && (ch->sup == NULL ||
	    upbringing(ch->sup->strategy) == upbringing(spec->strategy));
}

/* One added at run time is adopted when the specification now names it. */
static struct child *
match(const struct core *c, const struct sup *s, const struct core_spec *spec)
{
	struct child *ch = index_listed(c, s, spec->id);

	if (ch != NULL && same_kind(ch, spec))
		return ch;
	ch = index_fixed(c, s, spec->id);
	return ch != NULL && same_kind(ch, spec) ? ch : NULL;
}

/* One that was restored without its specification has no user. */
static bool
is_same(const struct child *ch, const struct core_spec *spec,
    core_same_fn *same)
{
	if (ch->user == NULL || spec->user == NULL)
		return ch->user == spec->user;
	return same(ch->user, spec->user, ch->unstarted ? CORE_SAME_START :
	    CORE_SAME_PROCESS);
}

static bool
same_child(const struct child *ch, const struct core_spec *spec,
    core_same_fn *same)
{
	uint32_t max = spec->backoff_max_ms;

	if (ch->user == NULL || spec->user == NULL ? ch->user != spec->user :
	    !same(ch->user, spec->user, CORE_SAME_ALL))
		return false;
	if (max < spec->backoff_min_ms)
		max = spec->backoff_min_ms;
	return ch->restart == spec->restart &&
	    ch->shutdown_ms == spec->shutdown_ms &&
	    ch->significant == spec->significant && ch->down == spec->down &&
	    ch->backoff_min_ms == spec->backoff_min_ms &&
	    ch->backoff_max_ms == max &&
	    ch->backoff_reset_ms == spec->backoff_reset_ms;
}

/* Do those that stay keep their order among themselves? */
static bool
same_order(const struct core *c, const struct sup *s,
    const struct core_spec *spec)
{
	const struct child *ch, *next = s->first_fixed;

	for (spec = spec->children; spec != NULL; spec = spec->next) {
		ch = match(c, s, spec);
		if (ch == NULL || !ch->fixed)
			continue;
		while (next != NULL && next != ch)
			next = next->next_fixed;
		if (next == NULL)
			return false;
		next = next->next_fixed;
	}
	return true;
}

static bool
same_template(const struct child *t, const struct core_spec *spec,
    core_same_fn *same)
{
	if (t == NULL || spec == NULL)
		return t == NULL && spec == NULL;
	return same_child(t, spec, same);
}

/* Is everything as it was, that which needs no restart included? */
static bool
same_settings(const struct core *c, const struct child *ch,
    const struct core_spec *spec, core_same_fn *same)
{
	const struct sup *s = ch->sup;

	if (!same_child(ch, spec, same))
		return false;
	return s == NULL || (s->strategy == spec->strategy &&
	    s->auto_shutdown == spec->auto_shutdown &&
	    s->intensity.limit == spec->max_restarts &&
	    s->intensity.period_ms == spec->period_ms &&
	    s->max_children == spec->max_children &&
	    s->parallel_stop == (spec->parallel_stop && !c->compat) &&
	    (sup_at_run_time(s) ? same_template(s->template, spec->children,
	    same) : same_order(c, s, spec)));
}

/* Do a supervisor's children, or their order, differ? */
static bool
list_differs(const struct core *c, struct todo *todo, const struct sup *s,
    const struct core_spec *spec, core_same_fn *same)
{
	const struct child *next = s->first_fixed;
	struct child *ch;

	if (sup_at_run_time(s))
		return false;
	for (spec = spec->children; spec != NULL; spec = spec->next) {
		ch = match(c, s, spec);
		if (ch == NULL || ch != next || !is_same(ch, spec, same))
			return true;
		if (ch->sup != NULL)
			todo_push(todo, ch, spec);
		next = ch->next_fixed;
	}
	return next != NULL;
}

/* It, or with a supervisor anything below it. */
static bool
tree_differs(const struct core *c, struct child *ch,
    const struct core_spec *spec, core_same_fn *same)
{
	bool differs = !is_same(ch, spec, same);
	struct todo todo = { 0 };

	if (ch->sup != NULL)
		todo_push(&todo, ch, spec);
	while (todo_pop(&todo, &ch, &spec))
		differs = differs || list_differs(c, &todo, ch->sup, spec,
		    same);
	return differs;
}

/* Its start failed, which may have been the fault of its specification. */
static bool
to_be_tried(const struct core *c, struct child *ch,
    const struct core_spec *spec, core_same_fn *same)
{
	return ch->state == CORE_STOPPED && ch->unstarted && !ch->held &&
	    tree_differs(c, ch, spec, same);
}

static enum core_change
change_of(const struct core *c, struct child *ch,
    const struct core_spec *spec, core_same_fn *same)
{
	bool same_spec = is_same(ch, spec, same);

	if (ch->state != CORE_STOPPED && !same_spec)
		return CORE_CHANGE;
	if (ch->state == CORE_STOPPED && !ch->held &&
	    ch->parent->sup->phase != PHASE_DOWN &&
	    ((ch->parked && !spec->down) || to_be_tried(c, ch, spec, same)))
		return CORE_TRY;
	return same_spec && same_settings(c, ch, spec, same) ? CORE_KEEP :
	    CORE_UPDATE;
}

static void
diff_children(const struct core *c, struct todo *todo, const struct sup *s,
    const struct core_spec *spec, core_same_fn *same, core_diff_fn *emit,
    void *arg)
{
	struct child *ch;

	for (spec = spec->children; spec != NULL; spec = spec->next) {
		ch = match(c, s, spec);
		if (ch == NULL) {
			emit(arg, CORE_ADD, CORE_NONE, spec, s->self->slot);
			continue;
		}
		ch->seen = true;
		emit(arg, change_of(c, ch, spec, same), ch->slot, spec,
		    s->self->slot);
		if (ch->sup != NULL)
			todo_push(todo, ch, spec);
	}
	for (ch = s->first_fixed; ch != NULL; ch = ch->next_fixed)
		if (ch->listed && !ch->seen)
			emit(arg, CORE_REMOVE, ch->slot, NULL, s->self->slot);
	for (ch = s->first_fixed; ch != NULL; ch = ch->next_fixed)
		ch->seen = false;
	for (ch = s->first; ch != NULL; ch = ch->next)
		ch->seen = false;
}

void
core_diff(const struct core *c, const struct core_spec *root,
    core_same_fn *same, core_diff_fn *emit, void *arg)
{
	struct todo todo = { 0 };
	struct child *ch = c->root;
	const struct core_spec *spec = root;

	if (!same_settings(c, ch, spec, same))
		emit(arg, CORE_UPDATE, ch->slot, spec, CORE_NONE);
	todo_push(&todo, ch, spec);
	while (todo_pop(&todo, &ch, &spec))
		if (!sup_at_run_time(ch->sup))
			diff_children(c, &todo, ch->sup, spec, same, emit,
			    arg);
}

/* --- what is known of one child --- */

void
reload_forget(struct core *c, struct child *ch)
{
	if (!ch->wanted && !ch->changed)
		return;
	ch->wanted = ch->changed = false;
	child_dirty(c, ch);
}

static void
update(struct core *c, struct child *ch, const struct core_spec *spec,
    core_same_fn *same)
{
	if (!is_same(ch, spec, same) && ch->state != CORE_STOPPED)
		ch->changed = true;
	if (ch->doomed || (ch->parked && !spec->down) ||
	    to_be_tried(c, ch, spec, same))
		ch->wanted = true;
	if (!spec->down)
		ch->parked = false;
	if (ch->user != spec->user)
		act_free(c, ch, ch->user);
	slot_fill(ch, spec);
	child_significant(c, ch, spec->significant);
	if (ch->sup != NULL)
		slot_fill_sup(c, ch->sup, spec);
	ch->doomed = false;
	child_dirty(c, ch);
}

static struct child *
add(struct core *c, struct sup *s, const struct core_spec *spec)
{
	struct child *ch = slot_build(c, spec);

	ch->parent = s->self;
	index_add(c, ch);
	ch->wanted = true;
	ch->parked = spec->down;
	return ch;
}

/* --- the children of one supervisor --- */

struct fixed {			/* the coming list of the specification */
	struct child	**at;
	size_t		 n;
	bool		 differs;	/* there is something to be done */
};

static void
doom(struct core *c, struct child *ch)
{
	ch->doomed = true;
	child_dirty(c, ch);
}

static void
gather(struct core *c, struct todo *todo, struct sup *s,
    const struct core_spec *spec, core_same_fn *same, struct fixed *out)
{
	struct child *ch;

	for (; spec != NULL; spec = spec->next) {
		ch = match(c, s, spec);
		if (ch != NULL) {
			update(c, ch, spec, same);
			if (ch->sup != NULL)
				todo_push(todo, ch, spec);
		} else {
			ch = index_listed(c, s, spec->id);
			if (ch != NULL)
				doom(c, ch);
			ch = add(c, s, spec);
		}
		out->differs |= ch->changed || ch->wanted || !ch->fixed;
		ch->seen = true;
		out->at[out->n++] = ch;
	}
}

/* What the specification no longer names is to go. */
static void
doom_rest(struct core *c, struct sup *s, struct fixed *f)
{
	struct child *ch, *next;
	size_t i = 0;

	for (ch = s->first_fixed; ch != NULL; ch = next) {
		next = ch->next_fixed;
		if (ch->seen) {
			f->differs |= f->at[i++] != ch;
			continue;
		}
		f->differs = true;
		ch->fixed = false;
		child_dirty(c, ch);
		if (ch->listed)
			doom(c, ch);
		else
			slot_free_tree(c, ch);
	}
}

static void
set_fixed(struct core *c, struct sup *s, const struct fixed *f)
{
	size_t i;

	s->first_fixed = s->last_fixed = NULL;
	for (i = 0; i < f->n; i++) {
		f->at[i]->seen = false;
		if (!f->at[i]->fixed)
			child_dirty(c, f->at[i]);
		slot_fix(s, f->at[i]);
	}
}

/* It does not live: there is nothing to stop and nothing to start. */
static void
settle_down(struct core *c, struct sup *s)
{
	struct child *ch, *next;

	for (ch = s->first; ch != NULL; ch = next) {
		next = ch->next;
		if (ch->doomed)
			tree_drop(c, ch);
	}
	tree_relist(c, s, true);
	for (ch = s->first; ch != NULL; ch = ch->next)
		reload_forget(c, ch);
}

static void
converge(struct core *c, struct todo *todo, struct sup *s,
    const struct core_spec *spec, core_same_fn *same)
{
	const struct core_spec *sub;
	struct fixed f = { 0 };
	size_t n = 0;

	for (sub = spec->children; sub != NULL; sub = sub->next)
		n++;
	f.at = core_alloc((n + 1) * sizeof(f.at[0]));
	gather(c, todo, s, spec->children, same, &f);
	doom_rest(c, s, &f);
	set_fixed(c, s, &f);
	free(f.at);
	if (!f.differs)
		return;
	if (s->phase == PHASE_DOWN) {
		settle_down(c, s);
	} else if (!s->reload.queued && s->phase != PHASE_KILLED) {
		c->nreloads++;
		mbox_post(c, s, &s->reload);
	}
}

/* --- the whole --- */

static void
answer(struct core *c)
{
	size_t i;

	if (c->nreloads > 0)
		return;
	for (i = 0; i < c->nreload_calls; i++)
		(void)act_reply(c, c->reload_calls[i], CORE_OK, CORE_NONE);
	free(c->reload_calls);
	c->reload_calls = NULL;
	c->nreload_calls = 0;
}

void
core_reload(struct core *c, const struct core_spec *root, core_same_fn *same,
    uint64_t call, uint64_t now_ms)
{
	struct todo todo = { 0 };
	const struct core_spec *spec;
	struct child *ch;

	c->now_ms = now_ms;
	update(c, c->root, root, same);
	c->root->changed = false;
	todo_push(&todo, c->root, root);
	while (todo_pop(&todo, &ch, &spec))
		if (!sup_at_run_time(ch->sup))
			converge(c, &todo, ch->sup, spec, same);
	c->reload_calls = core_grow(c->reload_calls, c->nreload_calls + 1,
	    sizeof(c->reload_calls[0]));
	c->reload_calls[c->nreload_calls++] = call;
	answer(c);
	sup_work(c);
}

/* --- one supervisor's turn --- */

void
reload_serve(struct core *c, struct sup *s)
{
	s->job = JOB_RELOAD;
	sup_stops(c, s, s->first);
}

/* What had to go is gone. */
void
reload_stopped(struct core *c, struct sup *s)
{
	tree_relist(c, s, true);
	sup_starts(c, s, s->first);
}

/* It has converged.  Another reload may lie in its mailbox already. */
void
reload_done(struct core *c, struct sup *s)
{
	s->job = JOB_NONE;
	c->nreloads--;
	answer(c);
}

/* It has ended, or will begin anew: there is nothing to wait for. */
void
reload_over(struct core *c, struct sup *s)
{
	if (s->reload.queued) {
		mbox_remove(s, &s->reload);
		c->nreloads--;
		answer(c);
	}
	if (s->job == JOB_RELOAD)
		reload_done(c, s);
}
