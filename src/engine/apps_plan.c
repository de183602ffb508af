/* SPDX-License-Identifier: ISC */
/*
 * Plans to start applications: one step at a time, one plan after the other.
 * A step looks at what is and calls the core; so the next engine can go on
 * with a plan and needs to know little of it.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/apps.h"
#include "engine/save.h"

struct step {
	char		*name;
	bool		 ordered;	/* its start was asked for */
	bool		 started;	/* by this plan */
};

struct plan {
	struct plan	*next;
	uint64_t	 key;		/* in the snapshot */
	enum plan_kind	 kind;
	struct step	*steps;
	uint32_t	 n, cap, at;
	bool		 undoing;
	bool		 busy;		/* a start was seen under way */
	char		*error, *failed, *reason;	/* the first failure */
	char		*refusal;	/* why the last call failed, or NULL */
	server_peer	 peer;		/* 0: nobody waits */
	uint64_t	 ref;
	uint64_t	 call;		/* the core will answer; 0: none */
	bool		 done;
};

/* --- plans --- */

static void
save(struct engine *e, const struct plan *p)
{
	struct plan_record r = { .kind = p->kind, .n = p->n, .at = p->at,
	    .undoing = p->undoing };
	struct out o = { 0 };

	out_bytes(&o, &r, sizeof(r));
	for (uint32_t i = 0; i < p->n; i++) {
		const struct step *s = &p->steps[i];
		char flags = (char)('0' + s->ordered + 2 * s->started);

		out_bytes(&o, &flags, 1);
		out_bytes(&o, s->name, strlen(s->name) + 1);
	}
	store_put(e->store, STORE_PLAN, p->key, o.text, o.len);
	out_done(&o);
	e->changed = true;
}

static struct step *
add_step(struct plan *p, const char *name)
{
	p->steps = xgrow(p->steps, &p->cap, p->n, sizeof(*p->steps));
	p->steps[p->n] = (struct step){ .name = xstrdup(name) };
	return &p->steps[p->n++];
}

static bool
has_step(const struct plan *p, const char *name)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (strcmp(p->steps[i].name, name) == 0)
			return true;
	return false;
}

/* Behind all that it needs.  The configuration has no circles, and at most
 * APPS_MAX of them. */
static void
add_with_needs(struct engine *e, struct plan *p, const char *name)
{
	cJSON *o = app_properties(e, app_slot(e, name));
	const cJSON *need, *needs =
	    cJSON_GetObjectItemCaseSensitive(o, "applications");

	cJSON_ArrayForEach(need, needs)
		if (!has_step(p, need->valuestring))
			add_with_needs(e, p, need->valuestring);
	cJSON_Delete(o);
	(void)add_step(p, name);
}

static struct plan *
plan_new(struct engine *e, enum plan_kind kind)
{
	struct plan *p = xcalloc(1, sizeof(*p)), **at;

	p->kind = kind;
	for (at = &e->plans; *at != NULL; at = &(*at)->next)
		;
	*at = p;
	e->nplans++;
	return p;
}

static void
plan_free(struct plan *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		free(p->steps[i].name);
	free(p->steps);
	free(p->error);
	free(p->failed);
	free(p->reason);
	free(p->refusal);
	free(p);
}

static void
add_autostarts(struct engine *e, struct plan *p)
{
	uint32_t slot;

	for (slot = app_first(e); slot != CORE_NONE; slot = app_next(e, slot)) {
		cJSON *o = app_properties(e, slot);

		engine_set_path(e, slot);
		if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o,
		    "autostart")) && !has_step(p, engine_child(e, slot)->path))
			add_with_needs(e, p, engine_child(e, slot)->path);
		cJSON_Delete(o);
	}
}

void
apps_plan(struct engine *e, enum plan_kind kind, const char *name,
    server_peer peer, uint64_t ref)
{
	struct plan *p;

	if (name == NULL && app_first(e) == CORE_NONE)
		return;
	p = plan_new(e, kind);
	p->peer = peer;
	p->ref = ref;
	p->key = ++e->next_key;
	if (name == NULL)
		add_autostarts(e, p);
	else if (kind == PLAN_ALONE)
		(void)add_step(p, name);
	else
		add_with_needs(e, p, name);
	save(e, p);
}

bool
apps_busy(const struct engine *e)
{
	return e->plans != NULL;
}

bool
apps_awaited(const struct engine *e, server_peer peer, uint64_t ref)
{
	const struct plan *p = e->plans;

	while (p != NULL && (p->peer != peer || p->ref != ref))
		p = p->next;
	return p != NULL;
}

void
apps_closed(struct engine *e, server_peer peer)
{
	for (struct plan *p = e->plans; p != NULL; p = p->next)
		if (p->peer == peer)
			p->peer = 0;
}

/* --- what a reload brings --- */

void
apps_note_new(struct engine *e, const struct core_spec *root)
{
	const struct core_spec *spec;
	const struct service *s;

	for (uint32_t i = 0; i < e->nnew_apps; i++)
		free(e->new_apps[i]);
	e->nnew_apps = 0;
	for (spec = root->children; spec != NULL; spec = spec->next) {
		cJSON *o;

		s = spec->user;
		if (s == NULL || s->app == NULL ||
		    app_slot(e, spec->id) != CORE_NONE)
			continue;
		o = cJSON_Parse(s->app);
		if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o,
		    "autostart"))) {
			e->new_apps = xgrow(e->new_apps, &e->new_apps_cap,
			    e->nnew_apps, sizeof(*e->new_apps));
			e->new_apps[e->nnew_apps++] = xstrdup(spec->id);
		}
		cJSON_Delete(o);
	}
}

void
apps_plan_new(struct engine *e)
{
	struct plan *p;

	if (e->nnew_apps == 0)
		return;
	p = plan_new(e, PLAN_RELOAD);
	p->key = ++e->next_key;
	for (uint32_t i = 0; i < e->nnew_apps; i++) {
		if (!has_step(p, e->new_apps[i]))
			add_with_needs(e, p, e->new_apps[i]);
		free(e->new_apps[i]);
	}
	e->nnew_apps = 0;
	save(e, p);
}

bool
apps_reloaded(struct engine *e, server_peer peer, uint64_t ref)
{
	app_env_sweep(e);
	for (struct plan *p = e->plans; p != NULL && peer != 0; p = p->next) {
		if (p->kind != PLAN_RELOAD || p->peer != 0)
			continue;
		p->peer = peer;
		p->ref = ref;
		return true;
	}
	return false;
}

/* --- one plan at work --- */

static void
names_of(const struct plan *p, bool started, struct out *o)
{
	out_text(o, "[");
	for (uint32_t i = 0; i < p->n; i++) {
		if (p->steps[i].started != started)
			continue;
		out_comma(o);
		out_string(o, p->steps[i].name);
	}
	out_text(o, "]");
}

static void
put_failure(const struct plan *p, struct out *o)
{
	struct out words = { 0 };

	out_key_string(o, "error", p->error);
	out_key_string(o, "application", p->failed);
	if (strcmp(p->error, "not_started") == 0)
		out_format(&words, "%s needs %s, which is not running",
		    p->failed, p->reason);
	else if (strcmp(p->error, "already_started") == 0)
		out_text(&words, "it is running already");
	else if (strcmp(p->error, "shutdown") == 0)
		out_text(&words, "otpd is shutting down");
	else if (strcmp(p->error, "not_found") == 0)
		out_format(&words, "there is no application %s any more",
		    p->failed);
	else
		out_format(&words, "%s could not be started: %s", p->failed,
		    p->reason);
	out_key_string(o, "message", words.text);
	if (p->reason != NULL)
		out_key_string(o, strcmp(p->error, "not_started") == 0 ?
		    "needs" : "reason", p->reason);
	out_done(&words);
}

static void
answer(struct engine *e, struct plan *p)
{
	struct out o = { 0 };

	if (p->peer == 0)
		return;
	out_text(&o, "{");
	if (p->kind == PLAN_RELOAD) {
		engine_reload_result(e, &o);
	} else if (p->error != NULL) {
		put_failure(p, &o);
	} else {
		out_key_string(&o, "result", "ok");
		out_key_string(&o, "application", p->steps[p->n - 1].name);
		out_key(&o, "started");
		names_of(p, true, &o);
	}
	out_text(&o, "}");
	engine_reply(e, p->peer, p->ref, &o);
}

/* The step could not be taken: go on without it, undo, or end everything. */
static void
fail(struct engine *e, struct plan *p, const char *error, const char *reason)
{
	const char *name = p->steps[p->at].name;
	uint32_t slot = app_slot(e, name);

	if (p->error == NULL) {
		p->error = xstrdup(error);
		p->failed = xstrdup(name);
		p->reason = reason != NULL ? xstrdup(reason) : NULL;
	}
	if (p->kind == PLAN_BOOT || p->kind == PLAN_RELOAD) {
		if (p->kind == PLAN_BOOT && slot != CORE_NONE &&
		    app_is_vital(e, slot))
			app_ends_all(e, slot, "could not be started",
			    reason != NULL ? reason : error);
		p->at++;
		p->busy = false;
	} else {
		p->undoing = true;
	}
	save(e, p);
}

static void
fail_lacking(struct engine *e, struct plan *p, uint32_t slot,
    const char *need)
{
	struct out reason = { 0 };

	if (p->kind == PLAN_BOOT || p->kind == PLAN_RELOAD) {
		out_format(&reason, "{not_started,%s}", need);
		engine_event(e, EVENT_START_FAILED, slot, reason.text);
		fail(e, p, "not_started", reason.text);
	} else {
		fail(e, p, "not_started", need);
	}
	out_done(&reason);
}

static void
call(struct engine *e, struct plan *p, enum core_op op, const char *name)
{
	struct core_call c = { .op = op, .sup = core_root(e->core),
	    .child = name };

	p->call = c.id = engine_add_request(e, 0, 0, op, name);
	save(e, p);
	core_call(e->core, &c, loop_now_ms());
	engine_settle(e);
}

static void
passed(struct engine *e, struct plan *p, bool started)
{
	p->steps[p->at++].started = started;
	p->busy = false;
	save(e, p);
}

void
apps_answer(struct engine *e, uint64_t id, enum core_result result)
{
	struct plan *p = e->plans;
	const char *reason = NULL;
	uint32_t slot;

	while (p != NULL && p->call != id)
		p = p->next;
	if (p == NULL || id == 0)
		return;
	p->call = 0;
	if (p->undoing) {
		p->at = p->at > 0 ? p->at - 1 : 0;
		p->steps[p->at].started = false;
		save(e, p);
		return;
	}
	if (result == CORE_OK || result == CORE_STARTED) {
		passed(e, p, result == CORE_STARTED);
		return;
	}
	slot = app_slot(e, p->steps[p->at].name);
	if (slot != CORE_NONE)
		reason = engine_child(e, slot)->last_reason;
	replace_string(&p->refusal, result == CORE_IGNORED || reason == NULL ?
	    "it was stopped before it was up" : reason);
}

/* True when there is more to be done at once. */
static bool
start_step(struct engine *e, struct plan *p)
{
	struct step *s = &p->steps[p->at];
	uint32_t slot = app_slot(e, s->name);
	bool anew = p->kind == PLAN_RESTART && p->at == p->n - 1;
	char need[128];

	if (slot == CORE_NONE) {
		fail(e, p, "not_found", NULL);
		return true;
	}
	switch (app_state(e, slot)) {
	case CORE_RUNNING:
		if (p->kind == PLAN_ALONE && !s->ordered) {
			fail(e, p, "already_started", NULL);
			return true;
		}
		if (!anew || s->ordered) {
			passed(e, p, s->ordered);
			return true;
		}
		break;
	case CORE_STOPPED:
		if (s->ordered && p->busy) {
			fail(e, p, "start_failed",
			    engine_child(e, slot)->last_reason);
			return true;
		}
		if (app_lacks(e, slot, need, sizeof(need))) {
			fail_lacking(e, p, slot, need);
			return true;
		}
		break;
	case CORE_STARTING:
	case CORE_STOPPING:
	case CORE_RESTARTING:
	case CORE_NSTATES:
		p->busy = s->ordered;
		return false;	/* a restored call, or somebody else's */
	}
	s->ordered = true;
	call(e, p, anew ? CORE_OP_RESTART : CORE_OP_START, s->name);
	return true;
}

static bool
undo_step(struct engine *e, struct plan *p)
{
	while (p->at > 0) {
		struct step *s = &p->steps[p->at - 1];
		uint32_t slot = app_slot(e, s->name);

		if (s->started && slot != CORE_NONE &&
		    app_state(e, slot) != CORE_STOPPED) {
			call(e, p, CORE_OP_TERMINATE_CHILD, s->name);
			return true;
		}
		s->started = false;
		p->at--;
	}
	p->done = true;
	return true;
}

static void
give_up(struct plan *p)
{
	if (p->error == NULL && p->n > 0) {	/* else nothing was to start */
		p->error = xstrdup("shutdown");
		p->failed = xstrdup(p->steps[p->at < p->n ? p->at : 0].name);
	}
	p->done = true;
}

/* False: it has to wait. */
static bool
step(struct engine *e, struct plan *p)
{
	char *refusal = p->refusal;

	p->refusal = NULL;
	if (e->stopping || e->quitting) {
		give_up(p);
	} else if (app_state(e, core_root(e->core)) != CORE_RUNNING) {
		return false;
	} else if (refusal != NULL) {
		fail(e, p, "start_failed", refusal);
	} else if (p->undoing) {
		return undo_step(e, p);
	} else if (p->at < p->n) {
		return start_step(e, p);
	} else {
		p->done = true;
	}
	free(refusal);
	return true;
}

void
apps_step(struct engine *e)
{
	struct plan *p;

	if (e->app_ended != NULL) {
		app_ends_all(e, app_slot(e, e->app_ended), "ended",
		    "shutdown");
		replace_string(&e->app_ended, NULL);
	}
	while ((p = e->plans) != NULL) {
		while (!p->done && p->call == 0 && step(e, p))
			;
		if (!p->done)
			return;
		answer(e, p);
		store_put(e->store, STORE_PLAN, p->key, "", 0);
		e->changed = true;
		e->plans = p->next;
		e->nplans--;
		plan_free(p);
	}
}

/* --- across engines --- */

void
apps_save_all(struct engine *e)
{
	for (struct plan *p = e->plans; p != NULL; p = p->next)
		save(e, p);
}

/* In the order in which they were made: that of their keys. */
static void
enqueue(struct engine *e, struct plan *p)
{
	struct plan **at = &e->plans;

	while (*at != NULL && (*at)->key < p->key)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	e->nplans++;
}

void
apps_restore(struct engine *e, uint64_t key, const char *record, size_t len)
{
	const char *at = record + sizeof(struct plan_record);
	const char *end = record + len, *nul;
	struct plan_record r;
	struct plan *p;
	struct step *s;

	if (key > e->next_key)
		e->next_key = key;
	if (len < sizeof(r))
		return;
	memcpy(&r, record, sizeof(r));
	p = xcalloc(1, sizeof(*p));
	p->kind = (enum plan_kind)r.kind;
	p->key = key;
	p->undoing = r.undoing != 0;
	while (end - at > 1 && p->n < r.n &&
	    (nul = memchr(at, '\0', (size_t)(end - at))) != NULL) {
		s = add_step(p, at + 1);
		s->ordered = ((*at - '0') & 1) != 0;
		s->started = ((*at - '0') & 2) != 0;
		at = nul + 1;
	}
	p->at = r.at < p->n ? r.at : p->n;
	enqueue(e, p);
}

void
apps_free(struct engine *e)
{
	struct plan *p;

	while ((p = e->plans) != NULL) {
		e->plans = p->next;
		plan_free(p);
	}
	for (uint32_t i = 0; i < e->nnew_apps; i++)
		free(e->new_apps[i]);
	free(e->new_apps);
	free(e->app_ended);
	app_env_free(e);
}
