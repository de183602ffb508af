/* SPDX-License-Identifier: ISC */
/*
 * The core's actions, carried out: orders to the spawner, timers, events,
 * answers.  Nothing here calls back into the core: what an action brings about
 * at once (a start that cannot succeed) is queued and told afterwards.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/apps.h"
#include "engine/rung.h"
#include "engine/worker.h"
#include "wire/reason.h"

void
engine_tell_logger(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	struct service *s = engine_service(e, slot);
	size_t len = strlen(c->path) + 1;
	char body[sizeof(struct log_stream) + 8192];
	struct log_stream settings = { .max_bytes = s->log_max_bytes,
	    .keep = s->log_keep,
	    .flags = s->log_timestamp ? LOG_F_TIMESTAMP : 0 };

	if (len > sizeof(body) - sizeof(settings))
		abort();	/* the depth of the tree and ids are bounded */
	memcpy(body, &settings, sizeof(settings));
	memcpy(body + sizeof(settings), c->path, len);
	link_put(&e->logger, LOG_STREAM, c->log_key, body,
	    sizeof(settings) + len);
}

/* A start that ends before it has begun; the core hears of it next. */
static void
fail_start_as(struct engine *e, uint32_t slot, const char *reason)
{
	struct child *c = engine_child(e, slot);

	replace_string(&c->failure, reason);
	e->failed = xgrow(e->failed, &e->failed_cap, e->nfailed,
	    sizeof(*e->failed));
	e->failed[e->nfailed++] = c->inc;
}

static void
fail_start(struct engine *e, uint32_t slot, const char *words)
{
	char reason[REASON_MAX];

	reason_start(words, reason);
	fail_start_as(e, slot, reason);
}

static void
start_took_too_long(void *arg)
{
	struct child_timers *t = arg;
	struct engine *e = t->engine;
	struct child *c = engine_child(e, t->slot);
	struct spawn_signal kill = { .sig = SIGKILL, .group = 1 };

	if (c->ready)
		return;
	c->timed_out = true;
	engine_save_child(e, t->slot);
	link_put(&e->spawner, SPAWN_SIGNAL, c->inc, &kill, sizeof(kill));
}

static void
arm_start_timeout(struct engine *e, uint32_t slot, uint32_t ms)
{
	struct child_timers *t;

	if (ms == CORE_INFINITY)
		return;
	t = engine_timers(e, slot);
	t->start.fn = start_took_too_long;
	t->start.arg = t;
	if (loop_timer_set(e->loop, &t->start, loop_now_ms() + ms) < 0)
		abort();
}

/* What belongs to this child and this incarnation alone; false: no start. */
static bool
own_descriptors(struct engine *e, uint32_t slot, uint64_t *out_log_key,
    uint64_t *out_fd_key)
{
	struct child *c = engine_child(e, slot);
	struct service *s = engine_service(e, slot);
	char words[REASON_MAX];
	const char *what;
	uint32_t holder;
	int rc;

	if (s->logs && c->log_key == 0) {
		c->log_key = e->next_log_key++;
		engine_tell_logger(e, slot);
	}
	*out_log_key = s->logs ? c->log_key : 0;
	if (s->kind != SERVICE_GEN_SERVER)
		return true;
	rc = worker_prepare(e, slot, out_fd_key, &what, &holder);
	if (rc == 0)
		return true;
	if (rc == -EEXIST && holder != CORE_NONE) {
		c = engine_child(e, holder);
		(void)snprintf(words, sizeof(words), "{already_started,%.200s,"
		    "%d}", c->path, c->pid);
		fail_start_as(e, slot, words);
		return false;
	}
	if (rc == -EEXIST || rc == -ENAMETOOLONG || rc == -EINVAL) {
		(void)snprintf(words, sizeof(words), "%s: %s", what,
		    strerror(-rc));
		fail_start(e, slot, words);
	} else {		/* nothing of it is the child's */
		world_fault(e, slot, what, -rc);
	}
	return false;
}

void
engine_order_start(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	struct service *s = engine_service(e, slot);
	uint64_t log_key = 0, fd_key = 0;
	struct spawn_start *order;
	size_t at;

	c->faulty = false;
	if (!own_descriptors(e, slot, &log_key, &fd_key))
		return;
	c->ordered = true;
	at = e->spawner.queue.len;
	link_put_record(&e->spawner, &s->order->h, c->inc);
	order = (void *)(e->spawner.queue.text + at);
	order->log_key = log_key;
	if (e->die_with_otpd)
		order->flags |= SPAWN_F_DIE_TOO;
	if (fd_key != 0) {
		order->fd_key = fd_key;
		order->nfds = 2;
		order->flags |= SPAWN_F_LET_GO;
	}
	rung_label(e, slot);
	arm_start_timeout(e, slot, s->start_timeout_ms);
}

static void
act_start(struct engine *e, const struct core_action *a)
{
	struct child *c;
	struct service *s = engine_service(e, a->slot);

	engine_set_path(e, a->slot);
	c = engine_child(e, a->slot);
	c->inc = a->inc;
	c->ready = c->asked = c->ignore = c->timed_out = false;
	c->traps = c->kill = c->early = false;
	c->ordered = c->faulty = c->ended = false;
	c->start_ns = 0;
	replace_string(&c->said, NULL);
	replace_string(&c->failure, NULL);
	replace_string(&c->signalled, NULL);
	engine_save_child(e, a->slot);
	engine_event(e, EVENT_STARTING, a->slot, NULL);
	if (e->rung >= SPAWN_RUNG_BEFORE && rung_adopt(e, a->slot))
		return;
	if (s->problem != NULL)
		fail_start(e, a->slot, s->problem);
	else
		engine_order_start(e, a->slot);
}

static void
send_signal(struct engine *e, const struct core_action *a, int sig, bool group)
{
	struct child *c = engine_child(e, a->slot);
	struct spawn_signal order = { .sig = sig, .group = group };

	if (c->inc != a->inc)
		return;
	if (!c->ordered || c->faulty) {	/* there is no process to end */
		engine_cancel_start_timer(e, a->slot);
		c->faulty = false;
		if (c->failure == NULL)
			fail_start(e, a->slot, "stopped before it was started");
		return;
	}
	link_put(&e->spawner, SPAWN_SIGNAL, a->inc, &order, sizeof(order));
}

static void
act_stop(struct engine *e, const struct core_action *a)
{
	struct child *c = engine_child(e, a->slot);
	struct service *s = engine_service(e, a->slot);

	c->asked = true;
	engine_save_child(e, a->slot);
	if (c->inc == a->inc && worker_shutdown(e, a->slot))
		return;
	send_signal(e, a, s->stop_signal, false);
}

static void
act_kill(struct engine *e, const struct core_action *a)
{
	const struct child *c = engine_child(e, a->slot);

	if (c->inc == a->inc && c->asked && c->pid != 0)
		engine_event(e, EVENT_OVERDUE, a->slot, "it did not end in the "
		    "time it had: killing it");
	send_signal(e, a, SIGKILL, true);
}

static void
timer_fired(struct engine *e, uint32_t slot, enum core_timer timer)
{
	core_timer_fired(e->core, slot, timer, loop_now_ms());
	engine_settle(e);
}

static void
child_timer_fired(void *arg)
{
	struct child_timers *t = arg;

	timer_fired(t->engine, t->slot, CORE_TIMER_CHILD);
}

static void
group_timer_fired(void *arg)
{
	struct child_timers *t = arg;

	timer_fired(t->engine, t->slot, CORE_TIMER_GROUP);
}

static void
act_arm(struct engine *e, const struct core_action *a)
{
	struct child_timers *t = engine_timers(e, a->slot);
	struct loop_timer *timer = &t->core[a->timer];

	timer->fn = a->timer == CORE_TIMER_CHILD ? child_timer_fired :
	    group_timer_fired;
	timer->arg = t;
	if (loop_timer_set(e->loop, timer, loop_now_ms() + a->ms) < 0)
		abort();
}

static void
act_disarm(struct engine *e, const struct core_action *a)
{
	struct child *c = engine_child(e, a->slot);

	if (c->timers != NULL)
		loop_timer_cancel(e->loop, &c->timers->core[a->timer]);
}

void
engine_remember_end(struct engine *e, uint32_t slot, const char *reason)
{
	struct child *c = engine_child(e, slot);
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	replace_string(&c->last_reason, reason);
	c->last_at_ms = (uint64_t)now.tv_sec * 1000 +
	    (uint64_t)now.tv_nsec / 1000000;
	c->last_generation = engine_generation(e, slot);
	c->last_pid = c->pid;
	engine_save_child(e, slot);
}

/* otpd's exit code is that of the worker that ended the tree, by failing or, if
 * it was significant, by being done. */
static void
note_straw(struct engine *e, uint32_t slot, bool gave_up)
{
	struct core_child view;
	struct child *c;
	int code;

	if (slot == CORE_NONE || !core_view(e->core, slot, 0, &view) ||
	    view.type != CORE_WORKER)
		return;
	c = engine_child(e, slot);
	code = c->last_reason != NULL ? reason_code(c->last_reason) : 1;
	e->straw_code = code != 0 || !gave_up ? code : 1;
}

static void
tell_exited(struct engine *e, const struct core_action *a)
{
	const char *const words[] = { [CORE_EXIT_NORMAL] = "normal",
	    [CORE_EXIT_SHUTDOWN] = "shutdown",
	    [CORE_EXIT_ABNORMAL] = "abnormal" };
	const char *reason = a->killed ? "killed" : words[a->exit];

	engine_child(e, a->slot)->start_ns = 0;
	engine_remember_end(e, a->slot, reason);
	engine_event(e, EVENT_EXITED, a->slot, reason);
	watch_ended(e, a->slot, reason);
	apps_ended(e, a->slot, reason);
}

/* A supervisor's start fails because of a child's, which was told before. */
static void
tell_start_failed(struct engine *e, const struct core_action *a)
{
	struct child *c = engine_child(e, a->slot);
	char words[REASON_MAX], reason[REASON_MAX];

	if (c->failure != NULL) {
		(void)snprintf(reason, sizeof(reason), "%s", c->failure);
	} else {
		(void)snprintf(words, sizeof(words), "%.200s could not be "
		    "started", e->failed_child != NULL ? e->failed_child :
		    "a child");
		reason_start(words, reason);
	}
	engine_remember_end(e, a->slot, reason);
	engine_event(e, EVENT_START_FAILED, a->slot, reason);
	replace_string(&e->failed_child, engine_child(e, a->slot)->path);
}

static void
tell_ready(struct engine *e, const struct core_action *a)
{
	struct child *c = engine_child(e, a->slot);

	if (c->start_ns == 0)	/* a supervisor: up from now on */
		c->start_ns = loop_now_ns();
	engine_save_child(e, a->slot);
	engine_event(e, EVENT_READY, a->slot, NULL);
	if (a->slot == core_root(e->core))
		link_put(&e->spawner, SPAWN_STARTED, 0, "", 0);
}

static void
tell_added(struct engine *e, const struct core_action *a)
{
	struct service *s = engine_service(e, a->slot);
	struct core_child view;

	if (engine_child(e, a->slot)->gone)
		engine_drop_child(e, a->slot);
	engine_set_path(e, a->slot);
	engine_save_child(e, a->slot);
	if (core_view(e->core, a->slot, 0, &view) && view.dynamic &&
	    s != NULL && s->source != NULL)
		store_put(e->store, STORE_DYNAMIC, a->slot, s->source,
		    strlen(s->source));
	engine_event(e, EVENT_ADDED, a->slot, NULL);
}

static void
tell_removed(struct engine *e, const struct core_action *a)
{
	engine_event(e, EVENT_REMOVED, a->slot, NULL);
	store_put(e->store, STORE_DYNAMIC, a->slot, "", 0);
	engine_child(e, a->slot)->gone = true;
	e->gone = xgrow(e->gone, &e->gone_cap, e->ngone, sizeof(*e->gone));
	e->gone[e->ngone++] = a->slot;
}

static void
tell_backoff(struct engine *e, const struct core_action *a)
{
	struct event ev = { .type = EVENT_BACKOFF, .delay_ms = a->delay_ms,
	    .path = engine_child(e, a->slot)->path,
	    .generation = engine_generation(e, a->slot) };

	(void)events_add(e->events, &ev);
}

/* About a supervisor, because of one of its children. */
static void
tell_of_child(struct engine *e, const struct core_action *a)
{
	static const enum event_type types[CORE_NTELLS] = {
		[CORE_TELL_RESTARTING] = EVENT_RESTARTING,
		[CORE_TELL_GAVE_UP] = EVENT_GAVE_UP,
		[CORE_TELL_AUTO_SHUTDOWN] = EVENT_AUTO_SHUTDOWN };
	struct event ev = { .type = types[a->tell] };

	if (a->tell != CORE_TELL_RESTARTING) {
		note_straw(e, a->child, a->tell == CORE_TELL_GAVE_UP);
		apps_ending(e, a->slot);
	}
	ev.path = engine_child(e, a->slot)->path;
	if (a->child != CORE_NONE)
		ev.child = engine_child(e, a->child)->path;
	(void)events_add(e->events, &ev);
}

/* One that stays down has no socket: its callers hear noproc at once. */
static void
close_socket(struct engine *e, uint32_t slot)
{
	struct core_child view;

	if (core_view(e->core, slot, 0, &view) && view.state == CORE_STOPPED)
		worker_unlisten(e, slot);
}

static void
act_tell(struct engine *e, const struct core_action *a)
{
	switch (a->tell) {
	case CORE_TELL_READY:		tell_ready(e, a); break;
	case CORE_TELL_START_FAILED:	tell_start_failed(e, a); break;
	case CORE_TELL_IGNORED:
		engine_event(e, EVENT_IGNORED, a->slot, NULL);
		break;
	case CORE_TELL_STOPPING:
		engine_event(e, EVENT_STOPPING, a->slot, NULL);
		break;
	case CORE_TELL_STOPPED:
		engine_event(e, EVENT_STOPPED, a->slot, NULL);
		break;
	case CORE_TELL_RESTARTING:
	case CORE_TELL_GAVE_UP:
	case CORE_TELL_AUTO_SHUTDOWN:	tell_of_child(e, a); break;
	case CORE_TELL_BACKOFF:		tell_backoff(e, a); break;
	case CORE_TELL_EXITED:		tell_exited(e, a); break;
	case CORE_TELL_ADDED:		tell_added(e, a); break;
	case CORE_TELL_REMOVED:		tell_removed(e, a); break;
	case CORE_NTELLS:		break;
	}
	close_socket(e, a->slot);
}

/* The tree is down: by request, by itself, or it broke. */
static void
act_root_exit(struct engine *e, const struct core_action *a)
{
	bool asked = e->stopping && !e->broken;
	bool broke = e->broken || a->gave_up || a->exit == CORE_EXIT_ABNORMAL;
	int code = asked ? 0 : e->straw_code;

	if (code == 0 && broke && !asked)
		code = 1;
	if (!e->stopping && a->gave_up)
		engine_say("the root supervisor gave up: stopping");
	if (!asked)
		engine_leave_words(e, code, NULL);
	engine_quit(e, code);
}

void
engine_act(struct engine *e, const struct core_action *a)
{
	switch (a->act) {
	case CORE_ACT_START:	act_start(e, a); break;
	case CORE_ACT_STOP:	act_stop(e, a); break;
	case CORE_ACT_KILL:	act_kill(e, a); break;
	case CORE_ACT_ARM:	act_arm(e, a); break;
	case CORE_ACT_DISARM:	act_disarm(e, a); break;
	case CORE_ACT_TELL:	act_tell(e, a); break;
	case CORE_ACT_REPLY:	engine_answer(e, a); break;
	case CORE_ACT_ROOT_EXIT: act_root_exit(e, a); break;
	case CORE_ACT_FREE:	service_free(a->user); break;
	}
}
