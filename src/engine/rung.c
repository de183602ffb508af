/* SPDX-License-Identifier: ISC */
/*
 * What an engine does whose predecessors crashed in a row (enum spawn_rung).
 * It notes what it is about, so that the next can leave that out; beginning
 * anew it adopts the processes that it finds; and as the last resort it holds:
 * it touches nothing and only says so.  Nothing here stops a service.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/control.h"
#include "engine/crashpoint.h"
#include "engine/rung.h"
#include "engine/save.h"
#include "engine/worker.h"
#include "wire/reason.h"

#define HOLD_PATIENCE_MS 5000

/* --- what it is about --- */

static const char *const crumbs[] = { [CRUMB_NONE] = "nothing",
	[CRUMB_CHILD] = "news of a child", [CRUMB_CALL] = "a request",
	[CRUMB_NOTIFY] = "a notify message", [CRUMB_TIMER] = "a timer",
	[CRUMB_CAST] = "what a worker said" };

void
rung_about(struct engine *e, enum crumb_kind kind, uint64_t inc,
    const char *text, size_t len)
{
	struct crumb *c = events_scratch(e->events);

	if (c == NULL)
		return;
	c->kind = CRUMB_NONE;	/* while it is not whole */
	c->inc = inc;
	if (len > sizeof(c->text) - 1)
		len = sizeof(c->text) - 1;
	memcpy(c->text, text, len);
	c->text[len] = '\0';
	c->kind = kind;
}

void
rung_done(struct engine *e)
{
	struct crumb *c = events_scratch(e->events);

	if (c != NULL)
		c->kind = CRUMB_NONE;
}

/* What the engine before this one died of is not to be tried again. */
bool
rung_drop_event(struct engine *e)
{
	const struct crumb *c = events_scratch(e->events);
	struct event ev = { .type = EVENT_FAULT };
	char words[REASON_MAX];

	if (c == NULL || c->kind <= CRUMB_NONE || c->kind >= CRUMB_NKINDS)
		return false;
	e->dropped = *c;
	e->dropped.text[sizeof(e->dropped.text) - 1] = '\0';
	(void)snprintf(words, sizeof(words), "the engine crashed over %s; it "
	    "is left out", crumbs[c->kind]);
	ev.reason = words;
	(void)events_add(e->events, &ev);
	engine_say("%s%s%s", words, e->dropped.text[0] != '\0' ? ": " : "",
	    e->dropped.text);
	return true;
}

bool
rung_is_dropped(const struct engine *e, enum crumb_kind kind, uint64_t inc,
    const char *text, size_t len)
{
	const struct crumb *c = &e->dropped;

	if (c->kind != kind || c->inc != inc)
		return false;
	if (len > sizeof(c->text) - 1)
		len = sizeof(c->text) - 1;
	return strlen(c->text) == len && memcmp(c->text, text, len) == 0;
}

/* --- adoption --- */

/* A path as a number; the spawner keeps it beside the process. */
static uint64_t
label_of(const char *path)
{
	uint64_t h = 14695981039346656037ULL;

	for (; *path != '\0'; path++)
		h = (h ^ (unsigned char)*path) * 1099511628211ULL;
	return h != 0 ? h : 1;
}

void
rung_label(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	struct spawn_label l = { .label = label_of(c->path) };

	link_put(&e->spawner, SPAWN_LABEL, c->inc, &l, sizeof(l));
}

/* Of the engine before; NULL. */
static const struct child_record *
record_of(const struct engine *e, uint64_t inc, struct child_record *out)
{
	for (uint32_t i = 0; i < e->nrecords; i++) {
		const struct saved_record *s = &e->records[i];

		if (s->type != STORE_CHILD || s->len < sizeof(*out))
			continue;
		memcpy(out, s->data, sizeof(*out));
		if (out->inc == inc)
			return out;
	}
	return NULL;
}

/* What the process still has in its hands. */
static void
take_over(struct engine *e, uint32_t slot, const struct child_record *r)
{
	struct child *c = engine_child(e, slot);

	if (c->log_key == 0 && r->log_key != 0) {
		c->log_key = r->log_key;
		engine_tell_logger(e, slot);
	}
	if (c->worker_key == 0 && r->worker_key != 0) {
		c->worker_key = r->worker_key;
		c->traps = (r->flags & CHILD_F_TRAPS) != 0;
		c->heard = (uint16_t)(r->flags >> CHILD_HEARD_SHIFT);
		worker_adopt(e, slot);
	}
}

bool
rung_adopt(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	uint64_t label = label_of(c->path);
	struct spawn_adopt adopt;
	struct child_record r;
	struct listed *l;

	crashpoint_poison(c->path, e->rung);
	for (uint32_t i = 0; i < e->nlist; i++) {
		l = &e->list[i];
		if (l->taken || l->told.state != SPAWN_ALIVE ||
		    l->told.label != label || l->inc == c->inc)
			continue;
		l->taken = true;
		if (record_of(e, l->inc, &r) != NULL)
			take_over(e, slot, &r);
		adopt.inc = l->inc;
		link_put(&e->spawner, SPAWN_ADOPT, c->inc, &adopt,
		    sizeof(adopt));
		c->ordered = true;
		c->early = true;	/* it was ready long ago */
		return true;
	}
	return false;
}

void
rung_forget(struct engine *e, uint64_t inc)
{
	for (uint32_t i = 0; i < e->nlist; i++)
		if (e->list[i].inc == inc)
			e->list[i].taken = true;
}

uint32_t
rung_generation(const struct engine *e)
{
	uint32_t highest = 0;

	for (uint32_t i = 0; i < e->nlist; i++)
		if ((uint32_t)e->list[i].inc > highest)
			highest = (uint32_t)e->list[i].inc;
	return highest;
}

/* --- the hold --- */

static void
quit_now(void *arg)
{
	engine_quit(arg, 1);
}

/* Nobody knows the order any more: all are asked at once. */
static void
stop_all(struct engine *e)
{
	struct spawn_signal term = { .sig = SIGTERM };

	for (uint32_t i = 0; i < e->nlist; i++)
		if (e->list[i].told.state == SPAWN_ALIVE)
			link_put(&e->spawner, SPAWN_SIGNAL, e->list[i].inc,
			    &term, sizeof(term));
	e->hold_timer.fn = quit_now;
	e->hold_timer.arg = e;
	(void)loop_timer_set(e->loop, &e->hold_timer,
	    loop_now_ms() + HOLD_PATIENCE_MS);
}

/* Whether all that was listed as living has been told as ended. */
static void
note_end(struct engine *e, uint64_t inc, const struct spawn_child *told)
{
	bool any = false;

	for (uint32_t i = 0; i < e->nlist; i++) {
		if (e->list[i].inc == inc)
			e->list[i].told = *told;
		any |= e->list[i].told.state == SPAWN_ALIVE;
	}
	if (e->stopping && !any)
		engine_quit(e, 1);
}

void
rung_hold_child(struct engine *e, uint64_t inc, const struct spawn_child *told)
{
	if (!e->listed)
		engine_list_child(e, inc, told);
	else
		note_end(e, inc, told);
}

void
rung_hold_asked(struct engine *e, uint32_t mask)
{
	if ((mask & (1U << SIGTERM | 1U << SIGINT)) == 0 || e->stopping)
		return;
	e->stopping = true;
	stop_all(e);
}

static void
last_death(const struct engine *e, char *out, size_t size)
{
	char reason[REASON_MAX];

	reason_from_status(e->last_status, false, reason);
	reason_words(reason, out, size);
}

void
op_held(struct engine *e, const struct caller *c)
{
	const char *op = control_string(c, "op");
	char how[REASON_MAX];

	if (op != NULL && strcmp(op, "resume") == 0) {
		link_put(&e->spawner, SPAWN_RESUME, 0, "", 0);
		control_ok(e, c);
		e->resuming = true;
		return;
	}
	if (op != NULL && strcmp(op, "shutdown") == 0) {
		rung_hold_asked(e, 1U << SIGTERM);
		control_ok(e, c);
		return;
	}
	if (op != NULL && strcmp(op, "info") == 0) {
		op_info(e, c);
		return;
	}
	if (op != NULL && strcmp(op, "upgrade") == 0) {
		op_upgrade(e, c);	/* the next one may not crash */
		return;
	}
	last_death(e, how, sizeof(how));
	control_refuse(e, c, "held", "otpd holds: its engine crashed %u times "
	    "in a row (the last one %s); services run on, but nobody restarts "
	    "them; otpctl resume starts the engine again", e->crashed, how);
}

void
op_resume(struct engine *e, const struct caller *c)
{
	control_refuse(e, c, "running", "the engine runs; there is nothing to "
	    "resume");
}
