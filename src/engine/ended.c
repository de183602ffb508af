/* SPDX-License-Identifier: ISC */
/*
 * Why otpd ended by itself, left in its runtime directory for an operator who
 * finds it gone: nobody can be asked then.  Written at the end of the tree,
 * and taken away by the otpd that begins next.  Nothing depends on it, so that
 * a failure is not even told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine.h"
#include "wire/ended.h"
#include "wire/reason.h"

#define FILE_NEW	ENDED_FILE ".new"

static bool
is_below(const char *path, const char *above)
{
	size_t len = strlen(above);

	return strcmp(above, "/") == 0 ? strcmp(path, "/") != 0 :
	    strncmp(path, above, len) == 0 && path[len] == '/';
}

/* A supervisor's own end only follows from what is told before. */
static bool
is_cause(const struct event *ev)
{
	return ev->type == EVENT_GAVE_UP || ev->type == EVENT_AUTO_SHUTDOWN ||
	    ev->type == EVENT_START_FAILED ||
	    (ev->type == EVENT_EXITED && ev->pid != 0);
}

/* The newest event before that says what became of path, or, with below, that
 * something under it could not be started. */
static bool
find_cause(struct engine *e, const char *path, bool below, uint64_t before,
    struct event *out)
{
	bool found = false;
	struct event ev;

	for (uint64_t seq = events_oldest_seq(e->events);
	    seq < before && events_get(e->events, seq, &ev); seq = ev.seq + 1) {
		if (ev.seq >= before || ev.path == NULL || !is_cause(&ev))
			continue;
		if (below ? ev.type == EVENT_START_FAILED &&
		    is_below(ev.path, path) : strcmp(ev.path, path) == 0) {
			*out = ev;
			found = true;
		}
	}
	return found;
}

/* "/ gave up because of web, which gave up because of web/nginx, which exited
 * with status 1"; "" when it is not known any more. */
static void
put_chain(struct engine *e, struct out *o)
{
	uint64_t before = events_next_seq(e->events);
	const char *path = "/", *subject = "/";
	struct event ev, lower;
	char words[REASON_MAX + 64];

	while (find_cause(e, path, false, before, &ev)) {
		before = ev.seq;
		out_format(o, "%s ", subject);
		subject = ", which";
		if (ev.type == EVENT_START_FAILED &&
		    find_cause(e, path, true, before, &lower)) {
			before = lower.seq + 1;
			path = lower.path;
			out_format(o, "could not be started because of %s",
			    path);
		} else if (ev.child != NULL) {
			path = ev.child;
			out_format(o, "%s because of %s", ev.type ==
			    EVENT_GAVE_UP ? "gave up" : "ended", path);
		} else {
			reason_words(ev.reason != NULL ? ev.reason : "normal",
			    words, sizeof(words));
			out_text(o, words);
			if (ev.type == EVENT_EXITED ||
			    engine_has_run(ev.reason))
				engine_put_log(e, o, path);
			return;
		}
	}
}

static void
put_application(struct engine *e, struct out *o)
{
	struct event ev;

	for (uint64_t seq = events_oldest_seq(e->events);
	    events_get(e->events, seq, &ev); seq = ev.seq + 1)
		if (ev.type == EVENT_SHUTDOWN && ev.reason != NULL) {
			o->len = 0;
			out_text(o, ev.reason);
		}
}

static void
leave(int dir, const struct out *o)
{
	int fd = openat(dir, FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return;
	if (write(fd, o->text, o->len) == (ssize_t)o->len)
		(void)renameat(dir, FILE_NEW, dir, ENDED_FILE);
	else
		(void)unlinkat(dir, FILE_NEW, 0);
	(void)close(fd);
}

void
engine_leave_words(struct engine *e, int code, const char *why)
{
	struct out o = { 0 }, words = { 0 };
	struct timespec now;
	char when[32];
	int dir;

	dir = open(e->runtime_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	if (why == NULL && e->broken)
		put_application(e, &words);
	else if (why == NULL)
		put_chain(e, &words);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	event_time((uint64_t)now.tv_sec * 1000 +
	    (uint64_t)now.tv_nsec / 1000000, when);
	out_text(&o, "{");
	out_key_string(&o, "at", when);
	out_key_int(&o, "code", code);
	out_key_string(&o, "why", why != NULL ? why : words.len > 0 ?
	    words.text : "the root supervisor gave up");
	out_text(&o, "}\n");
	leave(dir, &o);
	(void)close(dir);
	out_done(&o);
	out_done(&words);
}
