/* SPDX-License-Identifier: ISC */
/*
 * Lines for whoever started otpd, on stderr: what OTP reports as errors, with
 * -v everything, with -q only what nobody else puts right.  A terminal that
 * does not take them is not waited for.
 */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "wire/reason.h"

#define PATIENCE_MS	1000	/* with who reads what is wrong in a file */

/* False: it is not read, after so many milliseconds. */
static bool
write_line(const char *text, size_t len, int patience_ms)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, patience_ms) == 1 && (p.revents & POLLOUT) != 0 &&
	    write(STDERR_FILENO, text, len) >= 0;
}

static void
say_line(struct out *line)
{
	out_text(line, "\n");
	(void)write_line(line->text, line->len, 0);
}

void
engine_say(const char *format, ...)
{
	struct out line = { 0 };
	char text[1024];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	out_format(&line, "otpd: %s", text);
	say_line(&line);
	out_done(&line);
}

static void
say_list(const struct config_error *list, size_t n)
{
	char line[2048];

	for (size_t i = 0; i < n; i++) {
		config_error_format(&list[i], line, sizeof(line));
		if (!write_line(line, strlen(line), PATIENCE_MS))
			break;
	}
}

void
engine_say_errors(const struct config *c)
{
	say_list(c->errors, c->nerrors);
}

void
engine_say_warnings(const struct engine *e, const struct config *c)
{
	if (!e->quiet)
		say_list(c->warnings, c->nwarnings);
}

/* By itself and without an error, but it is to run for ever: OTP reports it. */
static bool
ended_too_soon(struct engine *e, const struct event *ev)
{
	struct core_child view;
	uint32_t slot;

	return strcmp(ev->reason, "normal") == 0 && ev->path != NULL &&
	    engine_find(e, ev->path, &slot) == 0 &&
	    !engine_child(e, slot)->end_asked &&
	    core_view(e->core, slot, 0, &view) &&
	    view.restart == CORE_PERMANENT;
}

/* What OTP's supervisor would put into an error report. */
static bool
worth_saying(struct engine *e, const struct event *ev)
{
	switch (ev->type) {
	case EVENT_START_FAILED: case EVENT_GAVE_UP: case EVENT_FAULT:
	case EVENT_REFUSED: case EVENT_UPGRADE_REFUSED:
		return true;
	case EVENT_RECOVERED: case EVENT_OVERDUE: case EVENT_UPGRADED:
	case EVENT_AUTO_SHUTDOWN: case EVENT_BACKOFF:
		return !e->quiet;
	case EVENT_RELOADED:
		return !e->quiet || ev->reason != NULL;
	case EVENT_ENGINE_CRASHED:	/* else only otpd knew of it, and said so */
		return ev->reason != NULL;
	case EVENT_EXITED:
		return !e->quiet && ev->reason != NULL &&
		    (reason_class(ev->reason) == REASON_ABNORMAL ||
		    ended_too_soon(e, ev));
	default:
		return false;
	}
}

/* Events are named for programs; a person reads "gave up". */
static void
put_event_name(struct out *line, enum event_type type)
{
	for (const char *c = event_word(type); *c != '\0'; c++)
		out_format(line, "%c", *c == '_' ? ' ' : *c);
}

/* Its reason is a sentence for people, and not a reason as of OTP. */
static bool
says_words(enum event_type type)
{
	return type == EVENT_FAULT || type == EVENT_UPGRADED ||
	    type == EVENT_UPGRADE_REFUSED || type == EVENT_OVERDUE ||
	    type == EVENT_REFUSED || type == EVENT_RECOVERED;
}

/* How it ended says what happened: "redis: exited with status 1". */
static bool
speaks_for_itself(const struct event *ev)
{
	return (ev->type == EVENT_EXITED || ev->type == EVENT_START_FAILED) &&
	    ev->path != NULL && ev->reason != NULL;
}

static void
put_event(struct out *line, const struct event *ev)
{
	char words[REASON_MAX + 64];

	if (ev->type == EVENT_RELOADED && ev->reason != NULL) {
		out_format(line, "reload %s; what runs goes on unchanged",
		    ev->reason);
		return;
	}
	if (!speaks_for_itself(ev))
		put_event_name(line, ev->type);
	if (ev->child != NULL)
		out_format(line, " because of %s", ev->child);
	if (ev->type == EVENT_BACKOFF)
		out_format(line, ": next try in %u ms", ev->delay_ms);
	if (ev->reason != NULL && says_words(ev->type)) {
		out_format(line, ": %s", ev->reason);
	} else if (ev->reason != NULL) {
		reason_words(ev->reason, words, sizeof(words));
		out_format(line, "%s%s", speaks_for_itself(ev) ? "" : ": ",
		    words);
	}
	if (ev->pid != 0)
		out_format(line, " (pid %d)", ev->pid);
}

/* It had a process before its start failed. */
bool
engine_has_run(const char *reason)
{
	return reason != NULL && (strcmp(reason, "{timeout,start}") == 0 ||
	    strstr(reason, "before it was ready") != NULL);
}

/* Where the last words of one may be, when otpctl may have nobody to ask. */
void
engine_put_log(struct engine *e, struct out *line, const char *path)
{
	struct core_child view;
	uint32_t slot;

	if (engine_find(e, path, &slot) < 0 ||
	    !core_view(e->core, slot, 0, &view) ||
	    view.type != CORE_WORKER || !engine_service(e, slot)->logs)
		return;
	out_format(line, "; its log: %s/%s.log", e->log_dir,
	    engine_child(e, slot)->path);
}

static void
put_log(struct engine *e, struct out *line, const struct event *ev)
{
	const char *path = ev->type == EVENT_GAVE_UP ? ev->child :
	    ev->type == EVENT_START_FAILED && engine_has_run(ev->reason) ?
	    ev->path : NULL;

	if (path != NULL)
		engine_put_log(e, line, path);
}

static void
say_event(struct engine *e, const struct event *ev)
{
	struct out line = { 0 };

	out_text(&line, "otpd: ");
	if (ev->path != NULL)
		out_format(&line, "%s: ", ev->path);
	put_event(&line, ev);
	put_log(e, &line, ev);
	say_line(&line);
	out_done(&line);
}

void
engine_say_events(struct engine *e)
{
	struct event ev;

	if (e->told_seq == events_next_seq(e->events))
		return;
	if (e->told_seq < events_oldest_seq(e->events))
		e->told_seq = events_oldest_seq(e->events);
	for (; events_get(e->events, e->told_seq, &ev); e->told_seq++)
		if ((e->verbose && !e->quiet) || worth_saying(e, &ev))
			say_event(e, &ev);
}
