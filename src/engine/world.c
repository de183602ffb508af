/* SPDX-License-Identifier: ISC */
/*
 * What the spawner tells, turned into the core's events: processes that began,
 * could not be started, or ended, and with which reason.  A fault of the
 * machine is not a fault of the child: such a start is tried again and nobody
 * counts.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/crashpoint.h"
#include "engine/registry.h"
#include "engine/rung.h"
#include "engine/worker.h"
#include "wire/reason.h"

#define FAULT_RETRY_MS	100
#define FAULT_RETRY_MAX_MS 5000

static void
told_start_failed(struct engine *e, uint32_t slot)
{
	core_start_failed(e->core, engine_child(e, slot)->inc, loop_now_ms());
	engine_settle(e);
}

static void
child_alive(struct engine *e, uint32_t slot, const struct spawn_child *told)
{
	struct child *c = engine_child(e, slot);
	struct service *s = engine_service(e, slot);

	if (c->pid == told->pid) {	/* the engine before knew it */
		if (told->state == SPAWN_ALIVE)
			watch_signal_again(e, slot);
		return;
	}
	engine_set_pid(e, slot, told->pid);
	c->start_ns = told->start_ns;
	if (c->timers != NULL)
		c->timers->fault_wait_ms = 0;
	engine_save_child(e, slot);
	engine_event(e, EVENT_STARTED, slot, NULL);
	if (!c->ready && (s->ready == READY_EXEC || c->early))
		engine_ready(e, slot);
	else if (s->ready == READY_NOTIFY)
		engine_notify_retry(e);
}

static bool
machine_fault(const struct spawn_child *told)
{
	switch (told->step) {
	case SPAWN_STEP_TABLE: case SPAWN_STEP_LOG: case SPAWN_STEP_FORK:
	case SPAWN_STEP_SESSION: case SPAWN_STEP_FDS:
		return true;	/* nothing of it is the child's */
	default:
		break;
	}
	switch (told->error) {
	case EAGAIN: case ENOMEM: case EMFILE: case ENFILE: case ENOSPC:
		return told->step != SPAWN_STEP_ORDER;
	default:
		return false;
	}
}

static void
retry_start(void *arg)
{
	struct child_timers *t = arg;

	if (t->engine->children[t->slot].faulty)
		engine_order_start(t->engine, t->slot);
}

static void
child_fault(struct engine *e, uint32_t slot, const char *words)
{
	struct child_timers *t = engine_timers(e, slot);
	struct child *c = engine_child(e, slot);
	uint32_t wait = FAULT_RETRY_MS;

	if (t->fault_wait_ms > 0)
		wait = t->fault_wait_ms * 2;
	else
		engine_event(e, EVENT_FAULT, slot, words);
	if (wait > FAULT_RETRY_MAX_MS)
		wait = FAULT_RETRY_MAX_MS;
	t->fault_wait_ms = wait;
	c->faulty = true;
	replace_string(&c->failure, NULL);
	t->start.fn = retry_start;
	t->start.arg = t;
	if (loop_timer_set(e->loop, &t->start, loop_now_ms() + wait) < 0)
		abort();
}

void
world_fault(struct engine *e, uint32_t slot, const char *what, int error)
{
	const char *why = strerror(error);
	char words[REASON_MAX];

	(void)snprintf(words, sizeof(words), "%s: %c%s", what,
	    why[0] >= 'A' && why[0] <= 'Z' ? why[0] + 32 : why[0], why + 1);
	child_fault(e, slot, words);
}

/* The program, folder, file or limit that the failed step was about. */
static void
failure_subject(struct engine *e, uint32_t slot, uint8_t step, char *out,
    size_t size)
{
	const struct service *s = engine_service(e, slot);
	struct spawn_start *order = xcalloc(1, s->order_len);
	struct spawn_view v;
	const char *what = "";

	memcpy(order, s->order, s->order_len);
	order->log_key = 1;	/* as in the order that was sent */
	if (spawn_start_check(&order->h, &v) == 0) {
		if (step == SPAWN_STEP_EXEC)
			what = v.strings;
		else if (step == SPAWN_STEP_CWD)
			what = v.cwd;
		else if (step == SPAWN_STEP_STDOUT)
			what = v.out_path;
		else if (step == SPAWN_STEP_STDERR)
			what = v.err_path;
		else if (step == SPAWN_STEP_LIMITS)
			what = config_limit_refused(v.limits, v.s->nlimits);
	}
	what = what != NULL ? what : "";
	(void)snprintf(out, size, "%s%s", *what != '\0' ? " " : "", what);
	free(order);
}

const char *
world_exec_words(const char *program, int error)
{
	struct stat st;
	bool there = stat(program, &st) == 0;

	if (error == ENOENT && there)
		return "its interpreter (the #! line) does not exist";
	if (error == ENOEXEC)
		return "neither a program of this machine nor a script";
	if (error == EACCES && there && S_ISDIR(st.st_mode))
		return "it is a directory";
	if (error == EACCES && there && (st.st_mode & 0111) == 0)
		return "it is not executable (no x bit)";
	return strerror(error);
}

/* In words: what was tried, on what, and why it went wrong. */
static void
failure_words(struct engine *e, uint32_t slot, const struct spawn_child *told,
    char *out, size_t size)
{
	const char *why = strerror(told->error);
	char what[512];

	failure_subject(e, slot, told->step, what, sizeof(what));
	if (told->step == SPAWN_STEP_EXEC && what[0] == ' ')
		why = world_exec_words(what + 1, told->error);
	(void)snprintf(out, size, "%s%.180s: %c%s", spawn_step_name(told->step),
	    what, why[0] >= 'A' && why[0] <= 'Z' ? why[0] + 32 : why[0],
	    why + 1);
}

/*
 * An end that an engine crashed over: without its circumstances it is an end
 * like any other that nobody saw.
 */
static void
drop_child(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);

	if (e->rung > SPAWN_RUNG_LATEST)
		crashpoint_poison(c->path, e->rung);
	link_put(&e->spawner, SPAWN_ACK, c->inc, "", 0);
	registry_ended(e, slot);
	engine_set_pid(e, slot, 0);
	c->start_ns = 0;
	engine_save_child(e, slot);
	core_exited(e->core, c->inc, CORE_EXIT_ABNORMAL, loop_now_ms());
	engine_settle(e);
}

/*
 * It was to be signalled, but the spawner never heard of it: what waits for its
 * end waits no more.
 */
static void
never_was(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	char reason[REASON_MAX];

	if (c->ended || c->faulty || c->failure != NULL)
		return;		/* that was known already */
	if (c->ready) {
		drop_child(e, slot);
		return;
	}
	engine_cancel_start_timer(e, slot);
	reason_start("the order to start it was lost", reason);
	replace_string(&c->failure, reason);
	told_start_failed(e, slot);
}

static void
child_failed(struct engine *e, uint32_t slot, const struct spawn_child *told)
{
	struct child *c = engine_child(e, slot);
	char words[REASON_MAX], reason[REASON_MAX];

	link_put(&e->spawner, SPAWN_ACK, c->inc, "", 0);
	if (told->step == SPAWN_STEP_ORDER && told->error == ESRCH) {
		never_was(e, slot);
		return;
	}
	if (c->ready || c->faulty)
		return;
	failure_words(e, slot, told, words, sizeof(words));
	if (machine_fault(told) && !c->asked) {
		child_fault(e, slot, words);
		return;
	}
	engine_cancel_start_timer(e, slot);
	reason_start(words, reason);
	replace_string(&c->failure, reason);
	told_start_failed(e, slot);
}

/*
 * Why it ended.  What it said itself counts when it went by itself, not when
 * a signal took it.
 */
static void
end_reason(struct engine *e, uint32_t slot, int status, char out[REASON_MAX])
{
	struct child *c = engine_child(e, slot);
	struct service *s = engine_service(e, slot);

	if (c->signalled != NULL && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGTERM && !c->asked)
		(void)snprintf(out, REASON_MAX, "%s", c->signalled);
	else if (c->said != NULL && WIFEXITED(status))
		(void)snprintf(out, REASON_MAX, "%s", c->said);
	else if (c->asked && WIFSIGNALED(status) &&
	    WTERMSIG(status) == s->stop_signal)
		(void)snprintf(out, REASON_MAX, "shutdown");
	else
		reason_from_status(status, c->asked, out);
}

static void
ended_before_ready(struct engine *e, uint32_t slot, int status,
    const char *reason)
{
	struct child *c = engine_child(e, slot);
	char words[REASON_MAX], how[REASON_MAX];

	if (c->ignore && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		core_start_ignored(e->core, c->inc, loop_now_ms());
		engine_settle(e);
		return;
	}
	if (c->timed_out) {
		replace_string(&c->failure, "{timeout,start}");
	} else if (c->said != NULL && WIFEXITED(status)) {
		replace_string(&c->failure, reason);	/* its own words */
	} else {
		reason_words(reason, how, sizeof(how));
		(void)snprintf(words, sizeof(words), "it %.200s before it was "
		    "ready", how);
		reason_start(words, how);
		replace_string(&c->failure, how);
	}
	told_start_failed(e, slot);
}

static void
child_exited(struct engine *e, uint32_t slot, const struct spawn_child *told)
{
	static const enum core_exit exits[] = {
		[REASON_NORMAL] = CORE_EXIT_NORMAL,
		[REASON_SHUTDOWN] = CORE_EXIT_SHUTDOWN,
		[REASON_ABNORMAL] = CORE_EXIT_ABNORMAL };
	struct child *c;
	char reason[REASON_MAX];

	if (engine_child(e, slot)->ended) {	/* the engine before knew */
		link_put(&e->spawner, SPAWN_ACK, engine_child(e, slot)->inc,
		    "", 0);
		return;
	}
	child_alive(e, slot, told);	/* when that state was skipped */
	engine_notify_drain(e);		/* what it said comes before its end */
	worker_drain(e, slot);
	c = engine_child(e, slot);
	end_reason(e, slot, told->status, reason);
	engine_cancel_start_timer(e, slot);
	c->end_asked = c->asked;
	if (c->ready) {
		engine_remember_end(e, slot, reason);
		engine_event(e, EVENT_EXITED, slot, reason);
	}
	if (c->worker != NULL)	/* before anybody hears of its end */
		names_drop(e, slot, engine_service(e, slot)->name);
	registry_ended(e, slot);
	watch_ended(e, slot, reason);
	worker_close_link(e, slot);
	engine_set_pid(e, slot, 0);
	c->start_ns = 0;
	c->ended = true;
	engine_save_child(e, slot);
	link_put(&e->spawner, SPAWN_ACK, c->inc, "", 0);
	if (!c->ready) {
		ended_before_ready(e, slot, told->status, reason);
		return;
	}
	core_exited(e->core, c->inc, exits[reason_class(reason)],
	    loop_now_ms());
	engine_settle(e);
}

/* Nobody asked for this one (any more): it goes. */
static void
stranger(struct engine *e, uint64_t inc, const struct spawn_child *told)
{
	struct spawn_signal kill = { .sig = SIGKILL, .group = 1 };

	if (told->state != SPAWN_ALIVE) {
		rung_forget(e, inc);
		link_put(&e->spawner, SPAWN_ACK, inc, "", 0);
	} else if (e->rung < SPAWN_RUNG_BEFORE) {
		link_put(&e->spawner, SPAWN_SIGNAL, inc, &kill, sizeof(kill));
	}	/* else it may be adopted yet */
}

void
engine_told_child(struct engine *e, uint64_t inc,
    const struct spawn_child *told)
{
	uint32_t slot = engine_slot_of(e, inc);

	if (e->rung == SPAWN_RUNG_HOLD) {
		rung_hold_child(e, inc, told);
		return;
	}
	if (!e->listed) {
		engine_list_child(e, inc, told);
		return;
	}
	if (slot == CORE_NONE) {
		stranger(e, inc, told);
		return;
	}
	if (told->state != SPAWN_ALIVE &&
	    rung_is_dropped(e, CRUMB_CHILD, inc, "", 0)) {
		drop_child(e, slot);
		return;
	}
	rung_about(e, CRUMB_CHILD, inc, "", 0);
	if (told->state != SPAWN_ALIVE)
		crashpoint_poison(engine_child(e, slot)->path, e->rung);
	switch (told->state) {
	case SPAWN_ALIVE:	child_alive(e, slot, told); break;
	case SPAWN_FAILED:	child_failed(e, slot, told); break;
	case SPAWN_EXITED:	child_exited(e, slot, told); break;
	default:		break;
	}
}

/* From an older spawner these come without their ends. */
static void
welcome(struct engine *e, const struct spawn_header *h)
{
	struct spawn_welcome told = { 0 };
	size_t len = h->len - sizeof(*h);

	memcpy(&told, h + 1, len < sizeof(told) ? len : sizeof(told));
	told.version_text[sizeof(told.version_text) - 1] = '\0';
	told.from[sizeof(told.from) - 1] = '\0';
	e->otpd = told;
	e->engines = told.engines;
	e->crashed = told.crashed;
	e->asked = told.asked;
	e->last_status = told.status;
	e->last_hung = told.hung != 0;
}

static void
told_child(struct engine *e, const struct spawn_header *h)
{
	struct spawn_child told = { 0 };
	size_t len = h->len - sizeof(*h);

	memcpy(&told, h + 1, len < sizeof(told) ? len : sizeof(told));
	engine_told_child(e, h->inc, &told);
}

void
engine_told_asked(struct engine *e, uint32_t mask)
{
	struct spawn_asked heard = { .mask = mask };
	struct event ev = { .type = EVENT_SIGNAL };

	if (mask == 0)
		return;
	if (e->rung == SPAWN_RUNG_HOLD) {
		rung_hold_asked(e, mask);
		return;
	}
	for (int sig = 1; sig < 32; sig++) {
		if ((mask & (1U << sig)) == 0)
			continue;
		ev.reason = reason_signal_name(sig);
		(void)events_add(e->events, &ev);
	}
	if ((mask & (1U << SIGHUP)) != 0)
		engine_reload(e, 0, 0, false);
	if ((mask & (1U << SIGTERM | 1U << SIGINT)) != 0)
		engine_shutdown(e);
	link_put(&e->spawner, SPAWN_HEARD, 0, &heard, sizeof(heard));
}

static void
told_logger(struct engine *e, const struct spawn_logger *told)
{
	struct event ev = { .type = EVENT_LOGGER_STARTED,
	    .pid = (int32_t)told->pid };
	struct log_told all = { .below = e->next_log_key };

	e->logger_pid = (int32_t)told->pid;
	if (e->rung == SPAWN_RUNG_HOLD)
		return;
	(void)events_add(e->events, &ev);
	for (uint32_t slot = 0; slot < e->children_cap; slot++)
		if (e->children[slot].log_key != 0)
			engine_tell_logger(e, slot);
	engine_tell_forgotten(e);
	link_put(&e->logger, LOG_TOLD, told->pid, &all, sizeof(all));
	if (e->quitting)	/* the one before may not have done it */
		link_put(&e->logger, LOG_SYNC, 0, "", 0);
}

static bool
has_body(const struct spawn_header *h)
{
	static const uint32_t sizes[] = {
		[SPAWN_WELCOME] = offsetof(struct spawn_welcome, status),
		[SPAWN_CHILD] = offsetof(struct spawn_child, label),
		[SPAWN_ASKED] = sizeof(struct spawn_asked),
		[SPAWN_LOGGER] = sizeof(struct spawn_logger),
		[SPAWN_TROUBLE] = sizeof(struct spawn_trouble),
		[SPAWN_UPGRADED] = sizeof(struct spawn_upgraded) };

	return h->type >= sizeof(sizes) / sizeof(sizes[0]) ||
	    h->len >= sizeof(*h) + sizes[h->type];
}

void
engine_spawner_record(void *arg, const struct spawn_header *h, int fd)
{
	struct engine *e = arg;
	const void *body = h + 1;

	if (!has_body(h))
		return;
	switch (h->type) {
	case SPAWN_WELCOME:	welcome(e, h); break;
	case SPAWN_CHILD:	told_child(e, h); break;
	case SPAWN_HELD:	engine_held(e, h->inc, fd); return;
	case SPAWN_LISTED:	engine_listed(e); break;
	case SPAWN_ASKED:
		engine_told_asked(e, ((const struct spawn_asked *)body)->mask);
		break;
	case SPAWN_LOGGER:	told_logger(e, body); break;
	case SPAWN_PONG:	engine_pong(e, h->inc); break;
	case SPAWN_TROUBLE:	engine_told_trouble(e, body); break;
	case SPAWN_UPGRADED:	engine_told_upgraded(e, h->inc, body); break;
	default:		break;
	}
	if (fd >= 0)
		(void)close(fd);
}
