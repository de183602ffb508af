/* SPDX-License-Identifier: ISC */
/*
 * Requests that become calls of the core, and the core's answers to them.
 */
#include "engine/control.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/apps.h"
#include "engine/permit.h"

static const char *const errors[CORE_NRESULTS] = {
	[CORE_E_NOT_FOUND] = "not_found", [CORE_E_RUNNING] = "running",
	[CORE_E_RESTARTING] = "restarting",
	[CORE_E_ALREADY_STARTED] = "already_started",
	[CORE_E_ALREADY_PRESENT] = "already_present",
	[CORE_E_START_FAILED] = "start_failed",
	[CORE_E_NOPROC] = "noproc",
	[CORE_E_SIMPLE_ONE_FOR_ONE] = "simple_one_for_one",
	[CORE_E_SHUTDOWN] = "shutdown", [CORE_E_INVALID] = "invalid",
	[CORE_E_MAX_CHILDREN] = "max_children" };

static const char *const messages[CORE_NRESULTS] = {
	[CORE_E_NOT_FOUND] = "the supervisor has no such child",
	[CORE_E_RUNNING] = "it is running",
	[CORE_E_RESTARTING] = "it is being restarted",
	[CORE_E_ALREADY_STARTED] = "a child of this id is running",
	[CORE_E_ALREADY_PRESENT] = "a child of this id exists, stopped",
	[CORE_E_START_FAILED] = "it could not be started",
	[CORE_E_NOPROC] = "its supervisor is not running",
	[CORE_E_SIMPLE_ONE_FOR_ONE] =
	    "a simple_one_for_one supervisor does not do that",
	[CORE_E_SHUTDOWN] = "its supervisor is shutting down",
	[CORE_E_INVALID] = "that kind of supervisor does not do that",
	[CORE_E_MAX_CHILDREN] = "the supervisor has max_children already" };

uint64_t
engine_add_request(struct engine *e, server_peer peer, uint64_t ref,
    enum core_op op, const char *path)
{
	struct request *r;
	uint32_t i;

	for (i = 0; i < e->nrequests && e->requests[i].id != 0; i++)
		;
	if (i == e->nrequests) {
		e->requests = xgrow(e->requests, &e->requests_cap, i,
		    sizeof(*e->requests));
		e->nrequests++;
	}
	r = &e->requests[i];
	*r = (struct request){ .id = ++e->next_request, .peer = peer,
	    .ref = ref, .op = op, .path = xstrdup(path) };
	return r->id;
}

static struct request *
find_request(struct engine *e, uint64_t id)
{
	for (uint32_t i = 0; id != 0 && i < e->nrequests; i++)
		if (e->requests[i].id == id)
			return &e->requests[i];
	return NULL;
}

void
control_call_core(struct engine *e, const struct caller *c,
    struct core_call *call, const char *path)
{
	struct request *r;

	call->id = engine_add_request(e, c->peer, c->ref, call->op, path);
	r = find_request(e, call->id);
	r->owner = control_is_true(c, "owner");
	r->bytes = c->len;
	e->waiting_bytes += c->len;
	core_call(e->core, call, loop_now_ms());
	engine_settle(e);
}

static void
put_row(struct engine *e, const struct core_row *row, struct out *o)
{
	const char *const words[CORE_NSTATES] = { [CORE_STOPPED] = "stopped",
	    [CORE_STARTING] = "restarting", [CORE_RUNNING] = "running",
	    [CORE_STOPPING] = "running", [CORE_RESTARTING] = "restarting" };
	struct core_child view;
	struct child *c = engine_child(e, row->slot);

	if (!core_view(e->core, row->slot, 0, &view))
		return;
	out_comma(o);
	out_text(o, "{");
	out_key_string(o, "id", view.id);
	out_key(o, "pid");
	if (c->pid != 0 && c->inc == row->inc && row->state == CORE_RUNNING)
		out_format(o, "%d", c->pid);
	else
		out_text(o, "null");
	out_key_string(o, "state", words[row->state]);
	out_key_string(o, "type", view.type == CORE_WORKER ? "worker" :
	    "supervisor");
	out_text(o, "}");
}

/* Its start was under way when an operator's stop came. */
static bool
start_was_stopped(struct engine *e, const struct request *r,
    const struct core_action *a)
{
	struct core_child view;

	return a->result == CORE_IGNORED && a->slot != CORE_NONE &&
	    (r->op == CORE_OP_START || r->op == CORE_OP_RESTART) &&
	    core_view(e->core, a->slot, 0, &view) && view.held;
}

static void
put_result(struct engine *e, const struct request *r,
    const struct core_action *a, struct out *o)
{
	const char *path = r->path;

	if (r->op == CORE_OP_START_CHILD && a->slot != CORE_NONE) {
		engine_set_path(e, a->slot);
		path = engine_child(e, a->slot)->path;
	}
	if (start_was_stopped(e, r, a)) {
		out_key_string(o, "error", errors[CORE_E_START_FAILED]);
		out_key_string(o, "message", "it was stopped before it was up");
	} else if (a->result > CORE_IGNORED) {
		out_key_string(o, "error", errors[a->result]);
		out_key_string(o, "message", messages[a->result]);
		if (a->result == CORE_E_START_FAILED && a->slot != CORE_NONE &&
		    engine_child(e, a->slot)->failure != NULL)
			out_key_string(o, "reason",
			    engine_child(e, a->slot)->failure);
	} else {
		out_key_string(o, "result", a->result == CORE_OK ? "ok" :
		    a->result == CORE_STARTED ? "started" : "ignored");
	}
	out_key_string(o, "path", path);
	if (r->op == CORE_OP_START_CHILD && a->result == CORE_STARTED &&
	    engine_child(e, a->slot)->pid != 0)
		out_key_int(o, "pid", engine_child(e, a->slot)->pid);
}

void
engine_answer(struct engine *e, const struct core_action *a)
{
	struct request *r = find_request(e, a->call);
	struct out o = { 0 };

	if (r == NULL)
		return;
	if (r->owner && r->op == CORE_OP_START_CHILD &&
	    a->result == CORE_STARTED)
		engine_own(e, r->peer, a->slot);
	out_text(&o, "{");
	if (r->op == CORE_NOPS && apps_reloaded(e, r->peer, r->ref)) {
		r->peer = 0;	/* answered when they are started */
	} else if (r->op == CORE_NOPS) {
		engine_reload_result(e, &o);
	} else if (r->op == CORE_OP_WHICH_CHILDREN && a->result == CORE_OK) {
		out_text(&o, "\"children\":[");
		for (uint32_t i = 0; i < a->nrows; i++)
			put_row(e, &a->rows[i], &o);
		out_text(&o, "]");
	} else if (r->op == CORE_OP_COUNT_CHILDREN && a->result == CORE_OK) {
		out_key_int(&o, "specs", a->counts.specs);
		out_key_int(&o, "active", a->counts.active);
		out_key_int(&o, "supervisors", a->counts.supervisors);
		out_key_int(&o, "workers", a->counts.workers);
	} else {
		put_result(e, r, a, &o);
	}
	out_text(&o, "}");
	if (r->peer != 0)
		engine_reply(e, r->peer, r->ref, &o);
	else
		apps_answer(e, a->call, a->result);
	out_done(&o);
	e->waiting_bytes -= r->bytes;
	free(r->path);
	*r = (struct request){ 0 };
}

void
engine_closed(void *arg, server_peer peer)
{
	struct engine *e = arg;

	engine_drop_waiters(e, peer);
	apps_closed(e, peer);
	if (e->upgrade.peer == peer)
		e->upgrade.peer = 0;
	for (uint32_t i = 0; i < e->nrequests; i++)
		if (e->requests[i].peer == peer)
			e->requests[i].peer = 0;
}

static void
operators_verb(struct engine *e, const struct caller *c, enum core_op op)
{
	const char *path = control_needed(e, c, "path");
	struct core_call call = { .op = op };
	struct core_child view;
	uint32_t slot;

	if (path == NULL || !control_place(e, c, path, "not_found", &slot) ||
	    !core_view(e->core, slot, 0, &view))
		return;
	engine_set_path(e, slot);
	if (view.parent == CORE_NONE) {
		control_refuse(e, c, "invalid", "the root supervisor is started and "
		    "stopped with otpd itself: otpctl shutdown");
		return;
	}
	if (!permit_slot(e, c->peer, slot)) {
		control_denied(e, c);
		return;
	}
	call.sup = view.parent;
	call.child = view.id;
	control_call_core(e, c, &call, engine_child(e, slot)->path);
}

void
op_start(struct engine *e, const struct caller *c)
{
	operators_verb(e, c, CORE_OP_START);
}

void
op_stop(struct engine *e, const struct caller *c)
{
	operators_verb(e, c, CORE_OP_STOP);
}

void
op_restart(struct engine *e, const struct caller *c)
{
	operators_verb(e, c, CORE_OP_RESTART);
}

static bool
is_alive(int32_t pid)
{
	return kill(pid, 0) == 0 || errno == EPERM;
}

/* The child of sup that has, or before its restart had, this process. */
static bool
find_by_pid(struct engine *e, uint32_t sup, int32_t pid,
    struct core_child *out)
{
	uint32_t slot = engine_slot_by_pid(e, pid);

	if (slot != CORE_NONE)
		return core_view(e->core, slot, 0, out) && out->parent == sup;
	for (slot = core_first(e->core, sup); slot != CORE_NONE;
	    slot = core_next(e->core, slot))
		if (core_view(e->core, slot, 0, out) &&
		    out->state == CORE_RESTARTING &&
		    engine_child(e, slot)->last_pid == pid)
			return true;
	return false;
}

/*
 * "pid:N" in place of an id, where children are started at run time.  Of the
 * dead a dynamic supervisor knows nothing; a simple one is content.  False for
 * one that is alive and a stranger.
 */
static bool
resolve_pid(struct engine *e, const struct core_child *sup,
    struct core_call *call, struct core_child *child)
{
	int32_t pid;
	char *end;
	long n;

	if (call->op != CORE_OP_TERMINATE_CHILD ||
	    strncmp(call->child, "pid:", 4) != 0 ||
	    (sup->strategy != CORE_DYNAMIC &&
	    sup->strategy != CORE_SIMPLE_ONE_FOR_ONE))
		return true;
	n = strtol(call->child + 4, &end, 10);
	if (n <= 0 || n > INT32_MAX || *end != '\0')
		return true;
	pid = (int32_t)n;
	if (find_by_pid(e, sup->slot, pid, child)) {
		call->child = child->id;
		call->inc = child->inc;
		return true;
	}
	call->inc = UINT64_MAX;		/* nobody's */
	return !is_alive(pid);
}

/* Of one that is not there the core says so. */
static bool
may_order(struct engine *e, const struct caller *c,
    const struct core_call *call)
{
	uint32_t slot = core_find(e->core, call->sup, call->child);

	return slot == CORE_NONE || permit_slot(e, c->peer, slot);
}

/* OTP's calls: on a supervisor, with the id of a child where there is one. */
static void
otp_call(struct engine *e, const struct caller *c, enum core_op op)
{
	const char *sup = control_needed(e, c, "sup");
	bool on_child = op != CORE_OP_WHICH_CHILDREN &&
	    op != CORE_OP_COUNT_CHILDREN;
	struct core_call call = { .op = op };
	struct core_child view, child;

	if (sup == NULL || !control_place(e, c, sup, "noproc", &call.sup))
		return;
	if (on_child && (call.child = control_needed(e, c, "id")) == NULL)
		return;
	if (!core_view(e->core, call.sup, 0, &view) ||
	    view.type != CORE_SUPERVISOR) {
		control_refuse(e, c, "invalid", "it is not a supervisor");
		return;
	}
	if (on_child && !resolve_pid(e, &view, &call, &child)) {
		control_refuse(e, c, "not_found", "%s has no child with the "
		    "process %s", sup, call.child + 4);
		return;
	}
	if (on_child && !may_order(e, c, &call)) {
		control_denied(e, c);
		return;
	}
	engine_set_path(e, call.sup);
	control_call_core(e, c, &call, engine_child(e, call.sup)->path);
}

void
op_terminate_child(struct engine *e, const struct caller *c)
{
	otp_call(e, c, CORE_OP_TERMINATE_CHILD);
}

void
op_restart_child(struct engine *e, const struct caller *c)
{
	otp_call(e, c, CORE_OP_RESTART_CHILD);
}

void
op_delete_child(struct engine *e, const struct caller *c)
{
	otp_call(e, c, CORE_OP_DELETE_CHILD);
}

void
op_which_children(struct engine *e, const struct caller *c)
{
	otp_call(e, c, CORE_OP_WHICH_CHILDREN);
}

void
op_count_children(struct engine *e, const struct caller *c)
{
	otp_call(e, c, CORE_OP_COUNT_CHILDREN);
}

#define NAME_SIZE	128

/* What one of this id will be called there, or NULL: by its id. */
static const char *
name_for(struct engine *e, uint32_t sup, const cJSON *spec,
    char out[NAME_SIZE])
{
	const char *id = cJSON_GetStringValue(
	    cJSON_GetObjectItemCaseSensitive(spec, "id"));

	if (id == NULL || strlen(id) + CORE_ID_EXTRA >= NAME_SIZE)
		return NULL;
	core_name(e->core, sup, id, out, NAME_SIZE);
	return strcmp(out, id) != 0 ? out : NULL;
}

static struct config *
read_spec(struct engine *e, const struct core_child *sup, const cJSON *spec)
{
	const struct service *from = core_template(e->core, sup->slot);
	struct config_context cx = e->cx;
	struct config *config;
	char name[NAME_SIZE], *text = cJSON_PrintUnformatted(spec);

	if (text == NULL)
		abort();
	engine_set_path(e, sup->slot);
	cx.path = engine_child(e, sup->slot)->path;
	cx.name = name_for(e, sup->slot, spec, name);
	config = config_parse_child(text, strlen(text), sup->strategy,
	    from != NULL ? from : sup->user, &cx);
	free(text);
	return config;
}

void
op_start_child(struct engine *e, const struct caller *c)
{
	const char *sup = control_needed(e, c, "sup");
	cJSON *spec = cJSON_GetObjectItemCaseSensitive(c->request, "spec");
	struct core_call call = { .op = CORE_OP_START_CHILD };
	struct core_child view;
	struct config *config;
	struct core_spec *root;

	if (sup == NULL || !control_place(e, c, sup, "noproc", &call.sup) ||
	    !core_view(e->core, call.sup, 0, &view))
		return;
	if (view.type != CORE_SUPERVISOR) {
		control_refuse(e, c, "invalid", "%s is not a supervisor", sup);
		return;
	}
	if (!cJSON_IsObject(spec)) {
		control_refuse(e, c, "invalid", "the specification of a child "
		    "is missing: {\"id\": ...}");
		return;
	}
	if (!permit_start(e, c->peer, call.sup, spec)) {
		control_denied(e, c);
		return;
	}
	config = read_spec(e, &view, spec);
	if (config->nerrors > 0) {
		control_refuse(e, c, "bad_spec", "%s", config->errors[0].message);
		config_free(config);
		return;
	}
	root = config_take_root(config);
	config_free(config);
	call.spec = root;
	control_call_core(e, c, &call, engine_child(e, call.sup)->path);
	config_free_specs(root);
}
