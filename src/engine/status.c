/* SPDX-License-Identifier: ISC */
/*
 * A child as one JSON object: what it is, how it stands, how it last ended.
 */
#include <string.h>
#include <time.h>

#include "engine/engine.h"

static const char *const restarts[] = { [CORE_PERMANENT] = "permanent",
    [CORE_TRANSIENT] = "transient", [CORE_TEMPORARY] = "temporary" };
static const char *const strategies[] = {
    [CORE_ONE_FOR_ONE] = "one_for_one", [CORE_ONE_FOR_ALL] = "one_for_all",
    [CORE_REST_FOR_ONE] = "rest_for_one",
    [CORE_SIMPLE_ONE_FOR_ONE] = "simple_one_for_one",
    [CORE_DYNAMIC] = "dynamic" };
static const char *const readies[] = { [READY_EXEC] = "exec",
    [READY_NOTIFY] = "notify", [READY_GEN_SERVER] = "gen_server" };

static const char *
state_word(struct engine *e, const struct core_child *v)
{
	switch (v->state) {
	case CORE_STARTING:
		return engine_child(e, v->slot)->faulty ? "backoff" :
		    "starting";
	case CORE_RUNNING:	return "running";
	case CORE_STOPPING:	return "stopping";
	case CORE_RESTARTING:	return "backoff";
	case CORE_STOPPED:	return v->failed ? "failed" : "stopped";
	case CORE_NSTATES:	break;
	}
	return "stopped";
}

const char *
engine_state_word(struct engine *e, uint32_t slot)
{
	struct core_child v;

	if (!core_view(e->core, slot, loop_now_ms(), &v))
		return "gone";
	return state_word(e, &v);
}

static void
put_number(struct out *o, const char *key, uint32_t n, uint32_t none,
    const char *word)
{
	out_key(o, key);
	if (n == none)
		out_text(o, word);
	else
		out_format(o, "%u", n);
}

static void
put_process(struct out *o, const struct child *c)
{
	uint64_t now_ns = loop_now_ns(), up_ms;
	struct timespec real;

	put_number(o, "pid", (uint32_t)c->pid, 0, "null");
	if (c->start_ns == 0 || c->start_ns > now_ns) {
		out_text(o, ",\"os_start\":null,\"uptime_ms\":null");
		return;
	}
	up_ms = (now_ns - c->start_ns) / 1000000;
	(void)clock_gettime(CLOCK_REALTIME, &real);
	out_key_int(o, "os_start", (int64_t)real.tv_sec * 1000 +
	    real.tv_nsec / 1000000 - (int64_t)up_ms);
	out_key_int(o, "uptime_ms", (int64_t)up_ms);
}

static void
put_last_exit(struct out *o, const struct child *c)
{
	char when[32];

	out_key(o, "last_exit");
	if (c->last_reason == NULL) {
		out_text(o, "null");
		return;
	}
	event_time(c->last_at_ms, when);
	out_text(o, "{");
	out_key_string(o, "reason", c->last_reason);
	out_key_string(o, "at", when);
	out_key_int(o, "generation", c->last_generation);
	out_text(o, "}");
}

static void
put_supervisor(struct out *o, const struct core_child *v)
{
	const struct service *s = v->user;

	out_key_string(o, "strategy", strategies[v->strategy]);
	put_number(o, "max_restarts", v->max_restarts, CORE_INFINITY,
	    "\"infinity\"");
	out_key(o, "max_seconds");
	out_format(o, "%g", v->period_ms / 1000.0);
	out_key_int(o, "recent_restarts", v->recent);
	out_key_int(o, "children", v->nspecs);
	out_key_int(o, "active", v->nactive);
	if (v->strategy == CORE_DYNAMIC)
		put_number(o, "max_children", v->max_children, CORE_INFINITY,
		    "\"infinity\"");
	if (s != NULL && s->tasks)
		out_key_bool(o, "tasks", true);
	if (s != NULL && s->partitions > 0)
		out_key_int(o, "partitions", s->partitions);
}

static void
put_left(struct out *o, const char *key, const struct loop_timer *t)
{
	if (t->pos != 0)
		out_key_int(o, key, (int64_t)(t->at_ms - loop_now_ms()));
}

static void
put_worker(struct engine *e, struct out *o, const struct core_child *v)
{
	const struct service *s = engine_service(e, v->slot);
	const struct child *c = engine_child(e, v->slot);

	if (s->logs) {
		out_key(o, "log");
		out_text(o, "\"");
		out_text(o, e->log_dir);
		out_text(o, "/");
		out_text(o, c->path);
		out_text(o, ".log\"");
	}
	if (c->timers == NULL)
		return;
	if (v->waiting)
		put_left(o, "retry_in_ms", &c->timers->core[CORE_TIMER_CHILD]);
	else if (v->state == CORE_STOPPING)
		put_left(o, "killed_in_ms", &c->timers->core[CORE_TIMER_CHILD]);
	else if (v->state == CORE_STARTING)
		put_left(o, c->faulty ? "retry_in_ms" : "killed_in_ms",
		    &c->timers->start);
}

void
engine_status(struct engine *e, uint32_t slot, struct out *o)
{
	struct core_child v;
	const struct service *s;
	struct child *c;
	bool worker;

	if (!core_view(e->core, slot, loop_now_ms(), &v))
		return;
	engine_set_path(e, slot);
	c = engine_child(e, slot);
	s = engine_service(e, slot);
	worker = v.type == CORE_WORKER;
	out_comma(o);
	out_text(o, "{");
	out_key_string(o, "path", c->path);
	out_key_string(o, "id", v.id);
	out_key_string(o, "type", worker ? "worker" : "supervisor");
	out_key_string(o, "kind", !worker ? NULL :
	    s->kind == SERVICE_GEN_SERVER ? "gen_server" : "plain");
	out_key_string(o, "state", state_word(e, &v));
	put_process(o, c);
	out_key_int(o, "generation", v.starts);
	out_key_int(o, "restarts", v.restarts);
	out_key_string(o, "ready", worker ? readies[s->ready] : NULL);
	out_key_string(o, "name", s->name);
	out_key_string(o, "description", s->description);
	out_key_string(o, "restart", restarts[v.restart]);
	put_last_exit(o, c);
	out_key_bool(o, "held", v.held);
	out_key_string(o, "problem", s->problem);
	if (worker)
		put_worker(e, o, &v);
	else
		put_supervisor(o, &v);
	out_text(o, "}");
}

void
engine_status_tree(struct engine *e, uint32_t slot, struct out *o)
{
	uint32_t top = slot;

	for (; slot != CORE_NONE; slot = engine_walk(e, slot, top))
		engine_status(e, slot, o);
}
