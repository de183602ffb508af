/* SPDX-License-Identifier: ISC */
/*
 * Callers who wait: for a child's state, for the tree to be quiet, for events.
 * Looked at when a turn ends; a turn in which nothing happened costs nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/apps.h"

void
engine_add_waiter(struct engine *e, const struct waiter *w)
{
	e->waiters = xgrow(e->waiters, &e->waiters_cap, e->nwaiters,
	    sizeof(*e->waiters));
	e->waiters[e->nwaiters++] = *w;
	e->changed = true;
}

static void
drop_waiter(struct engine *e, uint32_t i)
{
	free(e->waiters[i].path);
	free(e->waiters[i].state);
	e->waiters[i] = e->waiters[--e->nwaiters];
}

void
engine_drop_waiters(struct engine *e, server_peer peer)
{
	for (uint32_t i = 0; i < e->nwaiters; ) {
		if (e->waiters[i].peer != peer) {
			i++;
		} else if (e->waiters[i].owner) {
			e->waiters[i++].peer = 0;
			e->changed = true;
		} else {
			drop_waiter(e, i);
		}
	}
}

static void
say_ok(struct engine *e, const struct waiter *w)
{
	struct out o = { 0 };

	out_text(&o, "{\"result\":\"ok\"}");
	engine_reply(e, w->peer, w->ref, &o);
}

static bool
state_reached(struct engine *e, const struct waiter *w)
{
	uint32_t slot;

	if (engine_find(e, w->path, &slot) < 0)
		return strcmp(w->state, "gone") == 0;
	return strcmp(engine_state_word(e, slot), w->state) == 0;
}

/*
 * Quiet is known only after the spawner has reaped all there is: one ping for
 * everybody who has not had one.
 */
static bool
sync_reached(struct engine *e, struct waiter *w)
{
	if (!core_quiet(e->core) || apps_busy(e)) {
		w->pinged = false;
		return false;
	}
	if (w->pinged)
		return e->ponged >= w->seq;
	if (!e->ping_sent) {
		link_put(&e->spawner, SPAWN_PING, ++e->ping, "", 0);
		e->ping_sent = true;
	}
	w->seq = e->ping;
	w->pinged = true;
	return false;
}

bool
engine_is_meant(const struct waiter *w, int32_t pid, uint64_t generation)
{
	return w->pid != 0 ? pid == w->pid :
	    w->seq != 0 && generation == w->seq;
}

/* Nobody is told when it has ended. */
static bool
is_silent(const struct waiter *w)
{
	return w->ref == 0 || w->peer == 0;
}

/* There may be thousands who wait, and each is looked at in every turn. */
static bool
still_lives(const struct engine *e, const struct waiter *w)
{
	return w->inc != 0 && w->slot < e->children_cap &&
	    e->children[w->slot].inc == w->inc &&
	    e->children[w->slot].pid != 0;
}

/* An end that was not the last one, or of a child that has been removed. */
static const char *
end_in_history(struct engine *e, const struct waiter *w)
{
	const char *reason = NULL;
	struct event ev;

	if (is_silent(w))
		return NULL;
	for (uint64_t seq = events_oldest_seq(e->events);
	    events_get(e->events, seq, &ev); seq = ev.seq + 1)
		if (ev.type == EVENT_EXITED && ev.path != NULL &&
		    ev.reason != NULL && strcmp(ev.path, w->path) == 0 &&
		    engine_is_meant(w, ev.pid, ev.generation))
			reason = ev.reason;
	return reason;
}

/* NULL with *out_alive: not yet. */
static const char *
find_end(struct engine *e, struct waiter *w, bool *out_alive)
{
	struct core_child view;
	const char *reason;
	struct child *c;
	uint32_t slot;

	*out_alive = false;
	if (engine_find(e, w->path, &slot) < 0 ||
	    !core_view(e->core, slot, 0, &view))
		return end_in_history(e, w);
	c = engine_child(e, slot);
	if (c->pid != 0 && engine_is_meant(w, c->pid, view.starts)) {
		w->slot = slot;
		w->inc = c->inc;
		*out_alive = true;
		return NULL;
	}
	if (c->last_reason != NULL &&
	    engine_is_meant(w, c->last_pid, c->last_generation))
		return c->last_reason;
	reason = end_in_history(e, w);
	/* One may be known to its callers before its pid is known here. */
	*out_alive = reason == NULL && c->pid == 0 &&
	    view.state == CORE_STARTING;
	return reason;
}

/* The reason of an incarnation's end, once that is known. */
static bool
end_known(struct engine *e, struct waiter *w)
{
	struct out o = { 0 };
	const char *reason;
	bool alive;

	if (still_lives(e, w))
		return false;
	reason = find_end(e, w, &alive);
	if (alive)
		return false;
	if (is_silent(w))
		return true;
	out_text(&o, "{");
	out_key_string(&o, "reason", reason != NULL ? reason : "noproc");
	out_text(&o, "}");
	engine_reply(e, w->peer, w->ref, &o);
	return true;
}

/* True when the waiter has what it waited for, and was told. */
static bool
served(struct engine *e, struct waiter *w)
{
	switch (w->kind) {
	case WAIT_STATE:
		if (!state_reached(e, w))
			return false;
		break;
	case WAIT_SYNC:
		if (!sync_reached(e, w))
			return false;
		break;
	case WAIT_END:
		return end_known(e, w);
	case WAIT_EVENTS:
		return false;
	}
	say_ok(e, w);
	return true;
}

void
engine_pong(struct engine *e, uint64_t token)
{
	e->ponged = token;
	e->changed = true;
}

void
engine_serve_waiters(struct engine *e)
{
	if (!e->changed)
		return;
	e->ping_sent = false;
	for (uint32_t i = 0; i < e->nwaiters; ) {
		if (served(e, &e->waiters[i]))
			drop_waiter(e, i);
		else
			i++;
	}
}

static void
send_lost(struct engine *e, struct waiter *w)
{
	uint64_t oldest = events_oldest_seq(e->events);
	struct out o = { 0 };

	out_format(&o, "{\"event\":\"lost\",\"count\":%llu}",
	    (unsigned long long)(oldest - w->seq));
	(void)server_info(e->server, w->peer, w->ref, o.text, o.len);
	out_done(&o);
	w->seq = oldest;
}

void
engine_send_events(struct engine *e)
{
	struct event ev;

	for (uint32_t i = 0; i < e->nwaiters; i++) {
		struct waiter *w = &e->waiters[i];

		if (w->kind != WAIT_EVENTS)
			continue;
		if (w->seq < events_oldest_seq(e->events))
			send_lost(e, w);
		for (; events_get(e->events, w->seq, &ev); w->seq++) {
			struct out o = { 0 };

			event_json(&ev, &o);
			(void)server_info(e->server, w->peer, w->ref, o.text,
			    o.len);
			out_done(&o);
		}
	}
}
