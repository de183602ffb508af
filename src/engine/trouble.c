/* SPDX-License-Identifier: ISC */
/*
 * What is wrong with the machine, told by those who see it: the spawner, the
 * logger, the snapshot.  Each is said once in the events when it begins and
 * once when it is over; nothing here decides anything.  Also the logs of
 * children that are gone: the logger may have to be told of them once more,
 * also by the next engine.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "wire/reason.h"

#define FORGOTTEN_MAX	4096
#define SAVE_RETRY_MS	1000

static void
add_event(struct engine *e, enum event_type type, const char *path,
    const char *reason)
{
	struct event ev = { .type = type, .path = path, .reason = reason };

	(void)events_add(e->events, &ev);
}

/* As the middle of a sentence. */
static const char *
error_words(int error, char out[128])
{
	(void)snprintf(out, 128, "%s", strerror(error));
	if (out[0] >= 'A' && out[0] <= 'Z' && (out[1] < 'A' || out[1] > 'Z'))
		out[0] = (char)(out[0] + 32);
	return out;
}

/* --- the spawner's --- */

void
engine_told_trouble(struct engine *e, const struct spawn_trouble *t)
{
	static const char *const words[SPAWN_NTROUBLES] = {
		[SPAWN_T_ENGINE_START] = "otpd could not start its engine: ",
		[SPAWN_T_LOGGER_START] = "otpd cannot start its logger: ",
		[SPAWN_T_ENGINE_STOPPED] = "the engine was stopped by a signal "
		    "and continued by otpd",
		[SPAWN_T_LOGGER_STOPPED] = "the logger was stopped by a signal "
		    "and continued by otpd",
		[SPAWN_T_UNWATCHED] = "otpd notices the ends of some services "
		    "that it took over a little late: " };
	char reason[REASON_MAX], why[128];

	if (t->kind >= SPAWN_NTROUBLES || e->rung == SPAWN_RUNG_HOLD)
		return;
	(void)snprintf(reason, sizeof(reason), "%s%.100s", words[t->kind],
	    t->error != 0 ? error_words(t->error, why) : "");
	add_event(e, EVENT_FAULT, NULL, reason);
}

/* --- the logger's --- */

static const char *
path_of_log(const struct engine *e, uint64_t key)
{
	for (uint32_t slot = 0; key != 0 && slot < e->children_cap; slot++)
		if (e->children[slot].log_key == key)
			return e->children[slot].path;
	return NULL;
}

static void
told_log_fault(struct engine *e, uint64_t key, const struct log_fault *f)
{
	const char *path = path_of_log(e, key);
	char reason[REASON_MAX], why[128];

	if (f->error != 0) {
		(void)snprintf(reason, sizeof(reason), "%s cannot be written: "
		    "%.100s", path != NULL ? "its log" : "logs",
		    error_words(f->error, why));
		add_event(e, EVENT_FAULT, path, reason);
		return;
	}
	if (f->lines == 0)
		(void)snprintf(reason, sizeof(reason), "logs can be written "
		    "again; nothing was lost");
	else
		(void)snprintf(reason, sizeof(reason), "logs can be written "
		    "again; %llu lines (%llu bytes) were lost",
		    (unsigned long long)f->lines, (unsigned long long)f->bytes);
	add_event(e, EVENT_RECOVERED, NULL, reason);
}

static void
drop_forgotten(struct engine *e, uint32_t i)
{
	store_put(e->store, STORE_FORGOTTEN, e->forgotten[i].key, "", 0);
	e->changed = true;
	free(e->forgotten[i].path);
	memmove(e->forgotten + i, e->forgotten + i + 1,
	    (--e->nforgotten - i) * sizeof(*e->forgotten));
}

static void
told_forgotten(struct engine *e, uint64_t key)
{
	for (uint32_t i = 0; i < e->nforgotten; i++)
		if (e->forgotten[i].key == key) {
			drop_forgotten(e, i);
			return;
		}
}

void
engine_logger_record(void *arg, const struct spawn_header *h, int fd)
{
	struct engine *e = arg;
	struct log_fault f;

	(void)fd;
	if (e->rung == SPAWN_RUNG_HOLD)
		return;
	if (h->type == LOG_FORGOTTEN) {
		told_forgotten(e, h->inc);
	} else if (h->type == LOG_FAULT && h->len >= sizeof(*h) + sizeof(f)) {
		memcpy(&f, h + 1, sizeof(f));
		told_log_fault(e, h->inc, &f);
	} else if (h->type == LOG_SYNCED) {
		engine_logs_written(e);
	}
}

static void
save_forgotten(struct engine *e, uint32_t i)
{
	store_put(e->store, STORE_FORGOTTEN, e->forgotten[i].key,
	    e->forgotten[i].path, strlen(e->forgotten[i].path));
	e->changed = true;
}

void
engine_save_forgotten(struct engine *e)
{
	for (uint32_t i = 0; i < e->nforgotten; i++)
		save_forgotten(e, i);
}

static void
add_forgotten(struct engine *e, const char *path, uint64_t key)
{
	if (e->nforgotten == FORGOTTEN_MAX)
		drop_forgotten(e, 0);
	e->forgotten = xgrow(e->forgotten, &e->forgotten_cap, e->nforgotten,
	    sizeof(*e->forgotten));
	e->forgotten[e->nforgotten].key = key;
	e->forgotten[e->nforgotten++].path = xstrdup(path);
}

/* That its pipe is over may not have been said before the crash. */
void
engine_restore_forgotten(struct engine *e, uint64_t key, const char *path)
{
	add_forgotten(e, path, key);
	link_put(&e->spawner, SPAWN_RELEASE, key, "", 0);
}

/* Until the logger has read all of it, the next one may need its name. */
void
engine_forget_log(struct engine *e, const char *path, uint32_t key)
{
	add_forgotten(e, path, key);
	save_forgotten(e, e->nforgotten - 1);
	link_put(&e->logger, LOG_FORGET, key, "", 0);
	link_put(&e->spawner, SPAWN_RELEASE, key, "", 0);
}

/* To a new logger.  Whoever wrote them has gone: they only grow a little. */
void
engine_tell_forgotten(struct engine *e)
{
	struct log_stream settings = { .max_bytes = 0 };
	struct out body = { 0 };

	for (uint32_t i = 0; i < e->nforgotten; i++) {
		body.len = 0;
		out_bytes(&body, &settings, sizeof(settings));
		out_bytes(&body, e->forgotten[i].path,
		    strlen(e->forgotten[i].path) + 1);
		link_put(&e->logger, LOG_STREAM, e->forgotten[i].key,
		    body.text, body.len);
		link_put(&e->logger, LOG_FORGET, e->forgotten[i].key, "", 0);
	}
	out_done(&body);
}

void
engine_free_forgotten(struct engine *e)
{
	for (uint32_t i = 0; i < e->nforgotten; i++)
		free(e->forgotten[i].path);
	free(e->forgotten);
}

/* --- the snapshot's --- */

static void
save_again(void *arg)
{
	struct engine *e = arg;

	e->changed = true;	/* the turn's end does it */
}

/* Said when it begins and when it is over; tried again meanwhile, also when
 * nothing happens. */
void
engine_saved(struct engine *e, int rc)
{
	char reason[REASON_MAX], why[128];

	if (rc > 0)		/* there was nothing to write */
		return;
	if (rc < 0 && !e->save_failed) {
		(void)snprintf(reason, sizeof(reason), "the snapshot cannot be "
		    "written (%.100s): a crash of the engine would lose state",
		    error_words(-rc, why));
		add_event(e, EVENT_FAULT, NULL, reason);
	} else if (rc == 0 && e->save_failed) {
		add_event(e, EVENT_RECOVERED, NULL,
		    "the snapshot can be written again");
	}
	e->save_failed = rc < 0;
	if (rc < 0 && e->save_timer.pos == 0) {
		e->save_timer.fn = save_again;
		e->save_timer.arg = e;
		(void)loop_timer_set(e->loop, &e->save_timer, loop_now_ms() +
		    SAVE_RETRY_MS);
	}
}
