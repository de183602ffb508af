/* SPDX-License-Identifier: ISC */
/*
 * The end of a turn: the state is committed first, then orders, answers and
 * events leave.  So whatever the world has seen, the next engine knows.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/apps.h"
#include "engine/crashpoint.h"
#include "engine/rung.h"
#include "engine/worker.h"

#define LOGS_MS		3000	/* for the last lines of services */

/* An answer may still name what the action before it removed. */
static void
drop_gone(struct engine *e)
{
	while (e->ngone > 0) {
		uint32_t slot = e->gone[--e->ngone];

		if (e->children[slot].gone)
			engine_drop_child(e, slot);
	}
}

void
engine_settle(struct engine *e)
{
	const struct core_action *a;
	size_t n;

	for (;;) {
		a = core_actions(e->core, &n);
		for (size_t i = 0; i < n; i++) {
			engine_act(e, &a[i]);
			crashpoint();
		}
		drop_gone(e);
		core_actions_clear(e->core);
		if (e->nfailed == 0)
			break;
		uint64_t inc = e->failed[0];

		memmove(e->failed, e->failed + 1,
		    --e->nfailed * sizeof(*e->failed));
		core_start_failed(e->core, inc, loop_now_ms());
	}
	e->changed = true;
}

static void
quit_now(void *arg)
{
	struct engine *e = arg;
	struct spawn_quit quit = { .code = e->quit_code };

	if (e->quit_told)
		return;
	loop_timer_cancel(e->loop, &e->quit_timer);
	e->quit_told = true;
	link_put(&e->spawner, SPAWN_QUIT, 0, &quit, sizeof(quit));
}

/*
 * Only this engine knows what logs are named.  Should the logger be dying now,
 * its successor has to be told them: what is in the pipes is written first.
 */
void
engine_quit(struct engine *e, int code)
{
	if (e->quitting)
		return;
	e->quitting = true;
	e->quit_code = code;
	e->changed = true;
	e->quit_timer.fn = quit_now;
	e->quit_timer.arg = e;
	if (e->rung == SPAWN_RUNG_HOLD || loop_timer_set(e->loop,
	    &e->quit_timer, loop_now_ms() + LOGS_MS) < 0)
		quit_now(e);
	else
		link_put(&e->logger, LOG_SYNC, 0, "", 0);
}

void
engine_logs_written(struct engine *e)
{
	if (e->quitting)
		quit_now(e);
}

void
engine_shutdown(struct engine *e)
{
	if (e->stopping)
		return;
	e->stopping = true;
	engine_event(e, EVENT_SHUTDOWN, CORE_NONE, NULL);
	core_shutdown(e->core, loop_now_ms());
	engine_settle(e);
}

/* Without its spawner an engine can do nothing: end, and be replaced.  Not in
 * good order, which would take their sockets from services that run on. */
static void
channel_lost(struct engine *e, int error)
{
	if (!e->quitting) {
		engine_say("lost the connection to otpd itself (%s): if it "
		    "was killed, what it started runs on, and nobody restarts "
		    "it", strerror(-error));
		exit(SPAWN_EXIT_AGAIN);
	}
	loop_stop(e->loop);
}

static void
flush(struct engine *e, struct link *l, uint64_t handle, bool *full)
{
	int rc = link_flush(l);

	if (rc < 0 && l == &e->spawner)
		channel_lost(e, rc);
	if ((rc == 1) != *full) {
		*full = rc == 1;
		(void)loop_change(e->loop, handle,
		    *full ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
}

static void
send_replies(struct engine *e)
{
	for (uint32_t i = 0; i < e->nreplies; i++) {
		struct reply *r = &e->replies[i];

		crashpoint();
		if (worker_is_link(r->peer))
			worker_send(e, worker_slot(r->peer), FRAME_REPLY,
			    r->ref, r->text.text, r->text.len);
		else
			(void)server_reply(e->server, r->peer, r->ref,
			    r->text.text, r->text.len);
		out_done(&r->text);
	}
	worker_flush_all(e);
	if (e->nreplies > 0) {
		server_flush(e->server);
		crashpoint();
	}
	e->nreplies = 0;
}

void
engine_turn_end(void *arg)
{
	struct engine *e = arg;
	int rc;

	if (e->server != NULL && e->rung != SPAWN_RUNG_HOLD) {
		engine_end_orphans(e);
		apps_step(e);
		engine_serve_waiters(e);
		rc = engine_save(e);
		engine_saved(e, rc);
		crashpoint();
		engine_notify_consume(e);
		workers_heard(e);
	}
	flush(e, &e->spawner, e->spawner_handle, &e->spawner_full);
	flush(e, &e->logger, e->logger_handle, &e->logger_full);
	send_replies(e);
	crashpoint();
	engine_send_events(e);
	engine_say_events(e);
	rung_done(e);
	if ((e->quit_told || e->resuming) && !e->spawner_full) {
		if (e->server != NULL)
			server_flush(e->server);
		loop_stop(e->loop);
	}
}

void
engine_spawner_events(void *arg, uint32_t events)
{
	struct engine *e = arg;
	int rc;

	(void)events;		/* room to write: the turn's end flushes */
	for (int i = 0; i < 64; i++) {
		rc = link_read(&e->spawner, engine_spawner_record, e);
		if (rc < 0)
			channel_lost(e, rc);
		if (rc <= 0)
			return;
	}
}

void
engine_logger_events(void *arg, uint32_t events)
{
	struct engine *e = arg;

	(void)events;
	while (link_read(&e->logger, engine_logger_record, e) > 0)
		;
}
