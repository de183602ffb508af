/* SPDX-License-Identifier: ISC */
/*
 * Runs scripts against the core.  Watches what holds always: a user is freed
 * once, a call is answered once, quiet means quiet.
 */
#include "core_rig_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
rig_say(struct rig *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	len = strlen(text);
	if (r->log_len + len + 4 > r->log_cap) {
		r->log_cap = r->log_cap * 2 + len + 256;
		r->log = realloc(r->log, r->log_cap);
		if (r->log == NULL)
			abort();
	}
	if (r->log_len > 0 && strcmp(text, " | ") != 0 &&
	    (r->log_len < 3 || strcmp(r->log + r->log_len - 3, " | ") != 0)) {
		memcpy(r->log + r->log_len, ", ", 2);
		r->log_len += 2;
	}
	memcpy(r->log + r->log_len, text, len + 1);
	r->log_len += len;
}

const char *
rig_log(const struct rig *r)
{
	return r->log != NULL ? r->log : "";
}

void
rig_log_clear(struct rig *r)
{
	r->log_len = 0;
	if (r->log != NULL)
		r->log[0] = '\0';
}

struct rig *
rig_new(unsigned flags)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (r == NULL)
		abort();
	r->flags = flags;
	r->now = 100000;
	r->core = core_new((flags & RIG_COMPAT) != 0);
	return r;
}

void
rig_free(struct rig *r)
{
	struct rig_user *u;
	unsigned i;

	core_free(r->core);
	while ((u = r->users) != NULL) {
		r->users = u->next;
		free(u);
	}
	for (i = 0; i < RIG_MANY; i++) {
		free(r->dynamic[i]);
		free(r->added[i]);
	}
	rig_store_free(&r->store);
	free(r->tree);
	free(r->log);
	free(r);
}

struct core *
rig_core(struct rig *r)
{
	return r->core;
}

unsigned
rig_records(const struct rig *r)
{
	return r->nrecords;
}

unsigned
rig_unanswered(const struct rig *r)
{
	return r->unanswered;
}

const char *
rig_id(struct rig *r, uint32_t slot)
{
	struct core_child v;

	return core_view(r->core, slot, r->now, &v) ? v.id : "?";
}

/* --- actions --- */

/* What was last asked for under that id. */
static const char *
text_of(const struct rig *r, const char *id)
{
	size_t len = strlen(id);
	unsigned i;

	for (i = r->nadded; i > 0; i--)
		if (strncmp(r->added[i - 1], id, len) == 0 &&
		    strchr(" :(", r->added[i - 1][len]) != NULL)
			return r->added[i - 1];
	return NULL;
}

/* What a restore needs of a child that was added: its text. */
static void
note_dynamic(struct rig *r, const struct core_action *a)
{
	struct core_child v;
	const char *text;

	if (a->slot >= RIG_MANY || !core_view(r->core, a->slot, r->now, &v))
		return;
	free(r->dynamic[a->slot]);
	r->dynamic[a->slot] = NULL;
	text = text_of(r, v.id);
	if (a->tell == CORE_TELL_ADDED && v.dynamic && text != NULL)
		r->dynamic[a->slot] = strdup(text);
}

static const char *const tells[CORE_NTELLS] = {
	[CORE_TELL_READY] = "start", [CORE_TELL_START_FAILED] = "fail",
	[CORE_TELL_IGNORED] = "ignore", [CORE_TELL_RESTARTING] = "restarting",
	[CORE_TELL_BACKOFF] = "backoff", [CORE_TELL_STOPPING] = "stopping",
	[CORE_TELL_STOPPED] = "stopped", [CORE_TELL_EXITED] = "stop",
	[CORE_TELL_GAVE_UP] = "gave_up",
	[CORE_TELL_AUTO_SHUTDOWN] = "auto_shutdown",
	[CORE_TELL_ADDED] = "added", [CORE_TELL_REMOVED] = "removed",
};

static void
tell(struct rig *r, const struct core_action *a)
{
	const char *id = rig_id(r, a->slot);

	rig_watch(r, a);
	switch (a->tell) {
	case CORE_TELL_READY:
	case CORE_TELL_START_FAILED:
	case CORE_TELL_IGNORED:
		rig_say(r, "%s %s", tells[a->tell], id);
		return;
	case CORE_TELL_EXITED:
		rig_say(r, "stop %s %s", id, a->killed ? "killed" :
		    a->exit == CORE_EXIT_SHUTDOWN ? "shutdown" : "?");
		return;
	case CORE_TELL_ADDED:
	case CORE_TELL_REMOVED:
		note_dynamic(r, a);
		break;
	case CORE_TELL_RESTARTING:
	case CORE_TELL_BACKOFF:
	case CORE_TELL_STOPPING:
	case CORE_TELL_STOPPED:
	case CORE_TELL_GAVE_UP:
	case CORE_TELL_AUTO_SHUTDOWN:
	case CORE_NTELLS:
		break;
	}
	if ((r->flags & RIG_TELLS) == 0)
		return;
	if (a->tell == CORE_TELL_BACKOFF)
		rig_say(r, "backoff %s %u", id, a->delay_ms);
	else if (a->child != CORE_NONE)
		rig_say(r, "%s %s %s", tells[a->tell], id,
		    rig_id(r, a->child));
	else
		rig_say(r, "%s %s", tells[a->tell], id);
}

static void
reply(struct rig *r, const struct core_action *a)
{
	static const char *const words[CORE_NRESULTS] = {
		"ok", "started", "ignored", "not_found", "running",
		"restarting", "already_started", "already_present",
		"start_failed", "noproc", "simple_one_for_one", "shutdown",
		"invalid", "max_children"
	};
	static const char *const states[CORE_NSTATES] = {
		"stopped", "starting", "running", "stopping", "restarting"
	};
	char text[400] = "= [";
	size_t len = 3;
	uint32_t i;

	if (a->call == 0 || a->call > r->last_call)
		rig_say(r, "FAULT: an answer to nobody");
	r->unanswered--;
	if (a->rows != NULL) {
		for (i = 0; i < a->nrows && len < sizeof(text); i++)
			len += (size_t)snprintf(text + len,
			    sizeof(text) - len, "%s%s %s", i > 0 ? " " : "",
			    rig_id(r, a->rows[i].slot),
			    states[a->rows[i].state]);
		rig_say(r, "%s]", text);
	} else if (a->counts.specs + a->counts.workers +
	    a->counts.supervisors > 0) {
		rig_say(r, "= %u %u %u %u", a->counts.specs,
		    a->counts.active, a->counts.supervisors,
		    a->counts.workers);
	} else {
		rig_say(r, "= %s", words[a->result]);
	}
}

static void
give_back(struct rig *r, struct rig_user *u)
{
	if (u->freed)
		rig_say(r, "FAULT: freed twice");
	u->freed = true;
}

static void
root_exit(struct rig *r, const struct core_action *a)
{
	static const char *const words[] = { "normal", "shutdown",
		"abnormal" };

	if (r->root_gone)
		rig_say(r, "FAULT: the root ended twice");
	r->root_gone = true;
	if ((r->flags & RIG_TELLS) != 0)
		rig_say(r, "root exit %s%s", words[a->exit],
		    a->gave_up ? " gave_up" : "");
}

static void
act(struct rig *r, const struct core_action *a)
{
	switch (a->act) {
	case CORE_ACT_START:	rig_process_start(r, a); break;
	case CORE_ACT_STOP:	rig_process_ask(r, a->inc, false); break;
	case CORE_ACT_KILL:	rig_process_ask(r, a->inc, true); break;
	case CORE_ACT_ARM:	rig_timer_arm(r, a); break;
	case CORE_ACT_DISARM:	rig_timer_disarm(r, a); break;
	case CORE_ACT_TELL:	tell(r, a); break;
	case CORE_ACT_REPLY:	reply(r, a); break;
	case CORE_ACT_ROOT_EXIT: root_exit(r, a); break;
	case CORE_ACT_FREE:	give_back(r, a->user); break;
	}
}

void
rig_act(struct rig *r)
{
	const struct core_action *a;
	size_t i, n;

	a = core_actions(r->core, &n);
	for (i = 0; i < n; i++)
		act(r, &a[i]);
	core_actions_clear(r->core);
	rig_store_take(r);
}

/* Does quiet mean quiet?  Asked of the whole tree, the slow way. */
static void
check_quiet(struct rig *r)
{
	struct core_child v;
	uint32_t slot;
	bool quiet = true;

	for (slot = 0; slot < core_nslots(r->core); slot++)
		if (core_view(r->core, slot, r->now, &v) &&
		    ((v.state != CORE_STOPPED && v.state != CORE_RUNNING) ||
		    (v.type == CORE_SUPERVISOR && v.busy)))
			quiet = false;
	if (quiet != core_quiet(r->core))
		rig_say(r, "FAULT: core_quiet() says %d",
		    core_quiet(r->core));
	for (slot = 0; quiet && slot < RIG_MANY; slot++)
		if (r->timers[slot].armed)
			rig_say(r, "FAULT: quiet, but a timer is armed");
	if (quiet && r->unanswered > 0)
		rig_say(r, "FAULT: quiet, but %u calls wait", r->unanswered);
}

void
rig_settle(struct rig *r)
{
	unsigned i;

	rig_late_news(r);
	for (i = 0; i < 100000; i++) {
		rig_act(r);
		if (!rig_happen(r)) {
			check_quiet(r);
			return;
		}
	}
	rig_say(r, "FAULT: it never ends");
}

/* --- commands --- */

static void
say_diff(void *arg, enum core_change change, uint32_t slot,
    const struct core_spec *spec, uint32_t parent)
{
	static const char *const words[CORE_NCHANGES] = { "keep", "change",
		"add", "remove", "try", "update" };
	struct rig *r = arg;

	(void)parent;
	rig_say(r, "%s %s", words[change],
	    spec != NULL ? spec->id : rig_id(r, slot));
}

static void
reload(struct rig *r, const char *tree, bool dry)
{
	struct core_spec *spec;
	const char *text = tree;
	unsigned i;

	spec = rig_tree(&text, &r->users);
	if (dry) {
		core_diff(r->core, spec, rig_tree_same, say_diff, r);
	} else {
		free(r->tree);
		r->tree = strdup(tree);
		r->unanswered++;
		for (i = 0; i < RIG_MANY; i++)
			r->watches[i].blind = true;
		core_reload(r->core, spec, rig_tree_same, ++r->last_call,
		    r->now);
	}
	rig_tree_free(spec);
}

static void
arm(struct rig *r, const char *id, const char *outcomes)
{
	struct rig_arm *a;
	int n;

	for (; *outcomes != '\0'; outcomes += n) {
		a = &r->arms[r->narms++];
		snprintf(a->id, sizeof(a->id), "%s", id);
		n = 0;
		if (sscanf(outcomes, "%7s %n", a->outcome, &n) != 1)
			abort();
	}
}

static void
state(struct rig *r, const char *id)
{
	static const char *const words[CORE_NSTATES] = {
		"stopped", "starting", "running", "stopping", "restarting"
	};
	struct core_child v;

	if (!core_view(r->core, rig_slot(r, id), r->now, &v)) {
		rig_say(r, "nothing");
		return;
	}
	rig_say(r, "%s%s%s%s starts %u restarts %u%s", words[v.state],
	    v.held ? " held" : "", v.failed ? " failed" : "",
	    v.waiting ? " waiting" : "", v.starts, v.restarts,
	    v.dynamic ? " dynamic" : "");
	if (v.type == CORE_SUPERVISOR)
		rig_say(r, "recent %u", v.recent);
}

void
rig_say_state(struct rig *r)
{
	struct core_child v;
	uint32_t slot;

	for (slot = 0; slot < core_nslots(r->core); slot++)
		if (core_view(r->core, slot, r->now, &v)) {
			rig_say(r, "%s", v.id);
			state(r, v.id);
		}
}

/* Time passes in the steps in which things happen. */
static void
pass(struct rig *r, uint64_t ms)
{
	uint64_t end = r->now + ms, next;

	for (;;) {
		rig_settle(r);
		next = rig_next_time(r);
		if (next > end - r->now)
			break;
		r->now += next;
	}
	r->now = end;
}

static void
command(struct rig *r, const char *verb, const char *what, const char *rest)
{
	if (strcmp(verb, "exit") == 0) {
		if (!rig_process_exit(r, what, rest))
			rig_say(r, "not running");
	} else if (strcmp(verb, "arm") == 0) {
		arm(r, what, rest);
	} else if (strcmp(verb, "release") == 0) {
		rig_process_release(r, what, rest);
	} else if (strcmp(verb, "wait") == 0) {
		pass(r, strtoull(what, NULL, 10));
	} else if (strcmp(verb, "shutdown") == 0) {
		core_shutdown(r->core, r->now);
	} else if (strcmp(verb, "state") == 0) {
		state(r, what);
	} else if (strcmp(verb, "pid") == 0) {
		r->pid = rig_inc(r, what);
	} else if (strcmp(verb, "lose") == 0) {
		rig_process_lose(r, what);
	} else if (strcmp(verb, "crash") == 0) {
		rig_crash(r);
	} else if (!rig_call(r, verb, what, rest)) {
		fprintf(stderr, "what is %s?\n", verb);
		abort();
	}
}

void
rig_do(struct rig *r, const char *text)
{
	char verb[64] = "", what[128] = "";
	bool settle = *text != '+';
	int n = 0, m = 0;

	text += !settle;
	if (sscanf(text, "%63s %n%127s %n", verb, &m, what, &n) < 2)
		n = (int)strlen(text);
	if (strcmp(verb, "reload") == 0 || strcmp(verb, "diff") == 0)
		reload(r, text + m, strcmp(verb, "diff") == 0);
	else
		command(r, verb, what, text + n);
	if (!settle) {
		rig_store_take(r);
		return;
	}
	rig_settle(r);
	if ((r->flags & RIG_CRASH) != 0 && r->unanswered == 0) {
		rig_crash(r);
		rig_settle(r);
	}
}

void
rig_boot(struct rig *r, const char *tree)
{
	struct core_spec *spec;

	r->tree = strdup(tree);
	spec = rig_tree(&tree, &r->users);
	core_boot(r->core, spec, r->now);
	rig_tree_free(spec);
	rig_settle(r);
}

static bool
next_command(const char **script, char *out, size_t size)
{
	const char *end = strstr(*script, "; ");

	if (**script == '\0')
		return false;
	if (end == NULL)
		end = *script + strlen(*script);
	snprintf(out, size, "%.*s", (int)(end - *script), *script);
	*script = *end == '\0' ? end : end + 2;
	return true;
}

static void
rig_arm(struct rig *r, const char *text)
{
	char id[64];
	int n = 0;

	if (sscanf(text, "arm %63s %n", id, &n) != 1)
		abort();
	arm(r, id, text + n);
}

const char *
rig_run(unsigned flags, const char *tree, const char *script)
{
	static char *last;
	struct rig *r = rig_new(flags);
	bool booted = false;
	char one[1024];

	while (next_command(&script, one, sizeof(one))) {
		if (!booted && strncmp(one, "arm ", 4) == 0) {
			rig_arm(r, one);
			continue;
		}
		if (!booted)
			rig_boot(r, tree);
		booted = true;
		rig_say(r, " | ");
		rig_do(r, one);
	}
	if (!booted)
		rig_boot(r, tree);
	free(last);
	last = strdup(rig_log(r));
	rig_free(r);
	return last;
}
