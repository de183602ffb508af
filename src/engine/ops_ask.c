/* SPDX-License-Identifier: ISC */
/*
 * Requests that ask, or wait: nothing here changes the tree.
 */
#include "engine/control.h"

#include <config.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/permit.h"
#include "wire/reason.h"

#define OBITUARIES_MAX	50
#define HISTORY_MAX	20
#define STATE_MAX	16U

/* What befell otpd and its engines lately; nothing if all is well. */
static void
put_troubles(struct engine *e, struct out *o)
{
	if (e->otpd.crashes == 0 && e->otpd.killed == 0 && e->crashed == 0)
		return;
	out_key(o, "otpd");
	out_text(o, "{");
	out_key_int(o, "crashes", e->otpd.crashes);
	out_key_int(o, "killed", e->otpd.killed);
	out_key_int(o, "engine_crashed", e->crashed);
	out_text(o, "}");
}

void
op_status(struct engine *e, const struct caller *c)
{
	const cJSON *paths = cJSON_GetObjectItemCaseSensitive(c->request,
	    "paths"), *path;
	struct out o = { 0 };
	uint32_t slot;

	out_text(&o, "{\"children\":[");
	if (cJSON_GetArraySize(paths) == 0 && core_root(e->core) != CORE_NONE)
		engine_status_tree(e, core_root(e->core), &o);
	cJSON_ArrayForEach(path, paths) {
		if (!cJSON_IsString(path) || !control_place(e, c,
		    path->valuestring, "not_found", &slot)) {
			out_done(&o);
			return;
		}
		engine_status_tree(e, slot, &o);
	}
	out_text(&o, "]");
	put_troubles(e, &o);
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}

/* Is `above` the path of a supervisor somewhere above `path`? */
static bool
is_above(const char *above, const char *path)
{
	size_t len = strlen(above);

	return strcmp(above, "/") == 0 ||
	    (strncmp(above, path, len) == 0 && path[len] == '/');
}

static bool
is_about(const struct event *ev, const char *path, const char *sup)
{
	if (ev->path == NULL)	/* what ends a fault says so of all at once */
		return ev->type == EVENT_RECOVERED;
	if (ev->type == EVENT_GAVE_UP || ev->type == EVENT_AUTO_SHUTDOWN)
		return strcmp(ev->path, path) == 0 || is_above(ev->path, path);
	return strcmp(ev->path, path) == 0 ||
	    (ev->child != NULL && strcmp(ev->child, path) == 0) ||
	    (sup != NULL && strcmp(ev->path, sup) == 0);
}

/* The newest `max` events that fit, oldest first. */
static void
put_history(struct engine *e, const char *path, const char *sup, int max,
    struct out *o)
{
	uint64_t seqs[OBITUARIES_MAX], n = 0;
	struct event ev;

	for (uint64_t seq = events_oldest_seq(e->events);
	    events_get(e->events, seq, &ev); seq++) {
		bool fits = path != NULL ? is_about(&ev, path, sup) :
		    ev.type == EVENT_GAVE_UP ||
		    ev.type == EVENT_START_FAILED ||
		    ev.type == EVENT_OVERDUE || ev.type == EVENT_FAULT ||
		    ev.type == EVENT_ENGINE_CRASHED ||
		    ev.type == EVENT_SPAWNER_CRASHED ||
		    ev.type == EVENT_SPAWNER_KILLED ||
		    (ev.type == EVENT_EXITED && ev.reason != NULL &&
		    !ev.meant && reason_class(ev.reason) == REASON_ABNORMAL);

		if (fits)
			seqs[n++ % (uint64_t)max] = ev.seq;
	}
	for (uint64_t i = n > (uint64_t)max ? n - (uint64_t)max : 0; i < n;
	    i++) {
		if (!events_get(e->events, seqs[i % (uint64_t)max], &ev))
			continue;
		out_comma(o);
		event_json(&ev, o);
	}
}

/*
 * The newest end of a child that is no longer in the tree, as those are that
 * are temporary, or whose supervisor is.
 */
static bool
end_of_gone(struct engine *e, const char *path, struct event *out)
{
	bool found = false;
	struct event ev;

	for (uint64_t seq = events_oldest_seq(e->events);
	    events_get(e->events, seq, &ev); seq++)
		if (ev.type == EVENT_EXITED && ev.path != NULL &&
		    ev.reason != NULL && path_ends(ev.path, path)) {
			*out = ev;
			found = true;
		}
	return found;
}

/* "25s", "3m", "2h" since then; 0s when the clock was set back. */
static void
span_since(uint64_t time_ms, char out[32])
{
	struct timespec real;
	uint64_t now_s, s;

	(void)clock_gettime(CLOCK_REALTIME, &real);
	now_s = (uint64_t)real.tv_sec;
	s = now_s > time_ms / 1000 ? now_s - time_ms / 1000 : 0;
	if (s < 120)
		(void)snprintf(out, 32, "%llus", (unsigned long long)s);
	else if (s < 7200)
		(void)snprintf(out, 32, "%llum", (unsigned long long)s / 60);
	else
		(void)snprintf(out, 32, "%lluh", (unsigned long long)s / 3600);
}

/* false when there is nothing of this name to tell of. */
static bool
why_gone(struct engine *e, const struct caller *c, const char *path)
{
	char words[REASON_MAX + 64], when[32];
	struct event ev;
	uint32_t slot;

	if (engine_find(e, path, &slot) != -ENOENT ||
	    !end_of_gone(e, path, &ev))
		return false;
	reason_words(ev.reason, words, sizeof(words));
	span_since(ev.time_ms, when);
	control_refuse(e, c, "not_found", "%s is not in the tree any more: "
	    "it %s, %s ago; otpctl events tells the rest", ev.path, words,
	    when);
	return true;
}

void
op_why(struct engine *e, const struct caller *c)
{
	const char *path = control_needed(e, c, "path"), *sup = NULL;
	struct core_child view;
	struct out o = { 0 };
	uint32_t slot;

	if (path == NULL || why_gone(e, c, path) ||
	    !control_place(e, c, path, "not_found", &slot) ||
	    !core_view(e->core, slot, 0, &view))
		return;
	engine_set_path(e, slot);
	out_text(&o, "{\"status\":");
	engine_status(e, slot, &o);
	if (view.shutdown_ms == CORE_INFINITY)
		out_key_string(&o, "shutdown", "infinity");
	else
		out_key_int(&o, "shutdown", view.shutdown_ms ==
		    CORE_BRUTAL_KILL ? 0 : view.shutdown_ms);
	out_text(&o, ",\"supervisor\":");
	if (view.parent != CORE_NONE) {
		engine_set_path(e, view.parent);
		sup = engine_child(e, view.parent)->path;
		engine_status(e, view.parent, &o);
	} else {
		out_text(&o, "null");
	}
	out_text(&o, ",\"events\":[");
	put_history(e, engine_child(e, slot)->path, sup, HISTORY_MAX, &o);
	out_text(&o, "]}");
	engine_reply(e, c->peer, c->ref, &o);
}

void
op_failed(struct engine *e, const struct caller *c)
{
	uint32_t root = core_root(e->core), slot;
	struct core_child view;
	struct out o = { 0 };

	out_text(&o, "{\"children\":[");
	for (slot = root; slot != CORE_NONE; slot = engine_walk(e, slot, root))
		if (core_view(e->core, slot, 0, &view) &&
		    (view.failed || view.state == CORE_RESTARTING))
			engine_status(e, slot, &o);
	out_text(&o, "],\"obituaries\":[");
	put_history(e, NULL, NULL, OBITUARIES_MAX, &o);
	out_text(&o, "]}");
	engine_reply(e, c->peer, c->ref, &o);
}

void
op_signal(struct engine *e, const struct caller *c)
{
	const char *path = control_needed(e, c, "path");
	const char *name = path != NULL ? control_needed(e, c, "signal") : NULL;
	struct spawn_signal order = { 0 };
	struct child *child;
	struct out o = { 0 };
	uint32_t slot;

	if (name == NULL || !control_place(e, c, path, "not_found", &slot))
		return;
	order.sig = reason_signal_number(name);
	if (order.sig < 0) {
		control_refuse(e, c, "invalid", "no signal is called %s", name);
		return;
	}
	if (!permit_slot(e, c->peer, slot)) {
		control_denied(e, c);
		return;
	}
	engine_set_path(e, slot);
	child = engine_child(e, slot);
	if (child->pid == 0) {
		control_refuse(e, c, "noproc", "it has no process");
		return;
	}
	link_put(&e->spawner, SPAWN_SIGNAL, child->inc, &order,
	    sizeof(order));
	out_text(&o, "{\"result\":\"ok\"");
	out_key_string(&o, "path", child->path);
	out_key_int(&o, "pid", child->pid);
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}

void
op_info(struct engine *e, const struct caller *c)
{
	char reason[REASON_MAX];
	struct out o = { 0 };

	out_text(&o, "{");
	out_key_string(&o, "version", PACKAGE_VERSION);
	out_key_int(&o, "pid", getppid());
	out_key_int(&o, "engine_pid", getpid());
	out_key_int(&o, "logger_pid", e->logger_pid);
	out_key_int(&o, "engines", e->engines);
	out_key_int(&o, "crashed", e->crashed);
	out_key_int(&o, "rung", e->rung);
	if (e->last_status != 0) {
		reason_from_status(e->last_status, false, reason);
		out_key_string(&o, "last_crash", reason);
	}
	out_key_string(&o, "otpd_version", e->otpd.version_text);
	out_key_int(&o, "otpd_crashes", e->otpd.crashes);
	if (e->otpd.crashes > 0) {
		reason_from_status(e->otpd.crash_signal, false, reason);
		out_key_string(&o, "otpd_last_crash", reason);
	}
	out_key_int(&o, "otpd_killed", e->otpd.killed);
	out_key_int(&o, "upgrades", e->otpd.upgrades);
	out_key_string(&o, "config", e->config_file);
	out_key_string(&o, "log_dir", e->log_dir);
	out_key_string(&o, "runtime_dir", e->runtime_dir);
	out_key_int(&o, "uptime_ms", (int64_t)(loop_now_ms() - e->started_ms));
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}

/* --- those that wait --- */

void
op_wait(struct engine *e, const struct caller *c)
{
	const char *path = control_needed(e, c, "path");
	const char *state = path != NULL ? control_needed(e, c, "state") : NULL;
	struct waiter w = { .kind = WAIT_STATE, .peer = c->peer,
	    .ref = c->ref };
	uint32_t slot;

	if (state == NULL || (strcmp(state, "gone") != 0 &&
	    !control_place(e, c, path, "not_found", &slot)))
		return;
	if (strlen(state) > STATE_MAX) {
		control_refuse(e, c, "invalid", "a state has at most %u "
		    "letters", STATE_MAX);
		return;
	}
	w.path = xstrdup(path);
	w.state = xstrdup(state);
	engine_add_waiter(e, &w);
}

void
op_sync(struct engine *e, const struct caller *c)
{
	struct waiter w = { .kind = WAIT_SYNC, .peer = c->peer,
	    .ref = c->ref };

	engine_add_waiter(e, &w);
}

void
op_events(struct engine *e, const struct caller *c)
{
	const cJSON *since = cJSON_GetObjectItemCaseSensitive(c->request,
	    "since");
	bool follow = control_is_true(c, "follow");
	struct waiter w = { .kind = WAIT_EVENTS, .peer = c->peer,
	    .ref = c->ref };
	struct out o = { 0 };

	if (cJSON_IsNumber(since) && since->valuedouble >= 1 &&
	    since->valuedouble < 9e15)
		w.seq = (uint64_t)since->valuedouble;
	else
		w.seq = follow && since == NULL ? events_next_seq(e->events) :
		    events_oldest_seq(e->events);
	engine_add_waiter(e, &w);
	if (follow)
		return;
	engine_send_events(e);
	engine_drop_waiters(e, c->peer);
	out_format(&o, "{\"last\":%llu}",
	    (unsigned long long)events_next_seq(e->events) - 1);
	engine_reply(e, c->peer, c->ref, &o);
}
