/* SPDX-License-Identifier: ISC */
/*
 * What an operator can do next, as a table: in which case, under which
 * condition, which command, and what it is good for.
 */
#include <stdlib.h>
#include <string.h>

#include "otpctl/why.h"

enum need {
	NEED_NOTHING, NEED_CHILDREN, NEED_LOG, NEED_SUPERVISOR, NEED_GAVE_UP,
	NEED_START_FAILED, NEED_RESTARTS, NEED_NOTIFY, NEED_GEN_SERVER,
	NEED_MISSING, NEED_FORBIDDEN, NEED_INTERPRETER, NEED_FORMAT,
	NEED_NOT_READY, NEED_PROBLEM, NEED_FOREGROUND,
	NEED_OVERDUE,
};

#define CASE(w)		(1U << (w))
#define ANY_CASE	(CASE(WHY_NCASES) - 1)
#define NOT_RUNNING	(CASE(WHY_BACKOFF) | CASE(WHY_START_FAILED) | \
			 CASE(WHY_FAILED) | CASE(WHY_GAVE_UP) | \
			 CASE(WHY_SUPERVISOR_DOWN))
#define TRY_AGAIN	(CASE(WHY_BACKOFF) | CASE(WHY_START_FAILED) | \
			 CASE(WHY_FAILED) | CASE(WHY_HELD) | \
			 CASE(WHY_ENDED) | CASE(WHY_STOPPED) | \
			 CASE(WHY_NEVER) | CASE(WHY_GAVE_UP))

/*
 * %P the child, %S its supervisor, %C the child that made one give up, %X
 * the program, %T its shutdown time.  Without a command the words stand alone.
 */
static const struct advice {
	unsigned	 cases;
	enum need	 need;
	const char	*command, *words;
} advices[] = {
	{ NOT_RUNNING, NEED_PROBLEM, NULL,
	    "put that right, in the system or in the configuration" },
	{ NOT_RUNNING, NEED_MISSING, NULL,
	    "check that %X exists, and correct the path in its \"start\"" },
	{ NOT_RUNNING, NEED_FORBIDDEN, NULL,
	    "check that %X is a file (no directory) and may be executed by "
	    "its user: chmod +x" },
	{ NOT_RUNNING, NEED_INTERPRETER, NULL,
	    "correct the first line (#!) of %X: the program named there does "
	    "not exist" },
	{ NOT_RUNNING, NEED_FORMAT, NULL,
	    "%X needs a first line like #!/bin/sh, or was built for another "
	    "machine" },
	{ NOT_RUNNING, NEED_NOT_READY, NULL,
	    "if it does not report that it is ready at all, set \"ready\": "
	    "\"exec\"; if it needs longer, raise \"start_timeout\"" },
	{ NOT_RUNNING | CASE(WHY_PENDING) | CASE(WHY_RUNNING), NEED_FOREGROUND,
	    NULL, "it ended without an error: if it goes into the background "
	    "by itself, tell it to stay in the foreground; if its work is "
	    "done then, set \"restart\": \"transient\"" },
	{ ANY_CASE, NEED_OVERDUE, NULL,
	    "if it needs longer to end, raise its \"shutdown\", which is %T ms"
	    },
	{ CASE(WHY_NOT_READY), NEED_NOTIFY, NULL,
	    "if the program does not speak sd_notify, set \"ready\": \"exec\" "
	    "in its specification" },
	{ CASE(WHY_NOT_READY), NEED_GEN_SERVER, NULL,
	    "if the program is not built with libotp, remove \"kind\": "
	    "\"gen_server\" from its specification" },
	{ NOT_RUNNING, NEED_GAVE_UP, "otpctl why %C",
	    "what went wrong with the one that failed too often" },
	{ NOT_RUNNING & ~CASE(WHY_SUPERVISOR_DOWN), NEED_CHILDREN,
	    "otpctl status %P", "how each of its children stands" },
	{ CASE(WHY_STARTING), NEED_CHILDREN, "otpctl status %P",
	    "which of its children it waits for" },
	{ CASE(WHY_WAITS), NEED_SUPERVISOR, "otpctl status %S",
	    "which child its supervisor waits for" },
	{ CASE(WHY_PENDING), NEED_SUPERVISOR, "otpctl status %S",
	    "which child its supervisor is busy with" },
	{ CASE(WHY_SUPERVISOR_DOWN), NEED_SUPERVISOR, "otpctl why %S",
	    "why its supervisor is down" },
	{ ANY_CASE & ~CASE(WHY_RUNNING), NEED_LOG, "otpctl logs %P",
	    "more of what it wrote" },
	{ CASE(WHY_RUNNING), NEED_LOG, "otpctl logs -f %P",
	    "follow what it writes" },
	{ CASE(WHY_RUNNING), NEED_RESTARTS, "otpctl events",
	    "when it was restarted" },
	{ CASE(WHY_BACKOFF) | CASE(WHY_START_FAILED), NEED_START_FAILED,
	    "otpctl reload", "take a corrected configuration" },
	{ CASE(WHY_STARTING) | CASE(WHY_NOT_READY) | CASE(WHY_WAITS),
	    NEED_NOTHING, "otpctl wait %P running", "return when it is up" },
	{ CASE(WHY_STOPPING), NEED_NOTHING, "otpctl wait %P stopped",
	    "return when it is gone" },
	{ CASE(WHY_STOPPING), NEED_NOTHING, "otpctl signal KILL %P",
	    "do not wait any longer" },
	{ CASE(WHY_SUPERVISOR_DOWN), NEED_SUPERVISOR, "otpctl start %S",
	    "start the supervisor and all below it" },
	{ TRY_AGAIN, NEED_NOTHING, "otpctl start %P", "try again now" },
	{ CASE(WHY_RUNNING), NEED_NOTHING, "otpctl status %P",
	    "look at it again" },
};
#define NADVICES	(sizeof(advices) / sizeof(advices[0]))

/* The program of "exec /x: words"; its length, or words of our own. */
static size_t
program_of(const struct why *w, const char **out)
{
	const char *s = w->start_words, *end;

	*out = "its program";
	if (s != NULL && strncmp(s, "exec ", 5) == 0 &&
	    (end = strstr(s + 5, ": ")) != NULL) {
		*out = s + 5;
		return (size_t)(end - *out);
	}
	return strlen(*out);
}

static bool
exec_failed(const struct why *w, const char *words)
{
	return w->start_words != NULL &&
	    strncmp(w->start_words, "exec", 4) == 0 &&
	    strcasestr(w->start_words, words) != NULL;
}

static const char *
straw_of(const struct why *w)
{
	const char *s = cJSON_GetStringValue(
	    cJSON_GetObjectItemCaseSensitive(w->gave_up, "child"));

	return s != NULL && strcmp(s, w->node.path) != 0 ? s : NULL;
}

static bool
ready_is(const struct why *w, const char *word)
{
	return w->node.ready != NULL && strcmp(w->node.ready, word) == 0;
}

/* A worker that is to run for ever, and ends as if all were done. */
static bool
ended_too_soon(const struct why *w)
{
	const struct node *n = &w->node;

	return !n->supervisor && n->last_reason != NULL &&
	    strcmp(n->last_reason, "normal") == 0 && n->restart != NULL &&
	    strcmp(n->restart, "permanent") == 0 && !why_told_to_stop(w);
}

static bool
needed(const struct why *w, enum need need)
{
	switch (need) {
	case NEED_NOTHING:	return true;
	case NEED_CHILDREN:	return w->node.supervisor;
	case NEED_LOG:		return w->log_len > 0;
	case NEED_SUPERVISOR:	return w->has_sup;
	case NEED_GAVE_UP:	return straw_of(w) != NULL;
	case NEED_START_FAILED:	return w->start_words != NULL;
	case NEED_RESTARTS:	return w->node.restarts > 0;
	case NEED_NOTIFY:	return ready_is(w, "notify");
	case NEED_GEN_SERVER:	return ready_is(w, "gen_server");
	case NEED_MISSING:	return exec_failed(w, "no such file");
	case NEED_FORBIDDEN:	return exec_failed(w, "permission denied") ||
				    exec_failed(w, "is a directory") ||
				    exec_failed(w, "no x bit");
	case NEED_INTERPRETER:	return exec_failed(w, "interpreter");
	case NEED_FORMAT:	return exec_failed(w, "neither a program") ||
				    exec_failed(w, "exec format");
	case NEED_NOT_READY:	return w->start_words != NULL &&
				    strstr(w->start_words, "ready") != NULL;
	case NEED_PROBLEM:	return w->node.problem != NULL;
	case NEED_FOREGROUND:	return ended_too_soon(w);
	case NEED_OVERDUE:	return w->shutdown_ms > 0 && why_was_overdue(w);
	}
	return false;
}

static void
put_filled(struct buf *b, const struct why *w, const char *words)
{
	const char *program;
	size_t n = program_of(w, &program);

	for (; *words != '\0'; words++) {
		if (*words != '%') {
			buf_add(b, words, 1);
			continue;
		}
		switch (*++words) {
		case 'P':
			buf_text(b, w->node.path);
			break;
		case 'S':
			buf_text(b, w->sup.path);
			break;
		case 'C':
			buf_text(b, straw_of(w));
			break;
		case 'T':
			buf_printf(b, "%lld", (long long)w->shutdown_ms);
			break;
		case 'X':
			buf_text_len(b, program, n);
			break;
		default:
			abort();
		}
	}
}

static bool
applies(const struct why *w, const struct advice *a)
{
	return (a->cases & CASE(w->which)) != 0 && needed(w, a->need);
}

void
why_advise(struct buf *b, const struct why *w)
{
	struct buf cell = { NULL, 0, 0 };
	size_t i, n, width = 0;

	for (i = 0; i < NADVICES; i++) {
		if (advices[i].command == NULL || !applies(w, &advices[i]))
			continue;
		cell.len = 0;
		put_filled(&cell, w, advices[i].command);
		n = buf_width(cell.data, cell.len);
		width = n > width ? n : width;
	}
	for (i = 0; i < NADVICES; i++) {
		if (!applies(w, &advices[i]))
			continue;
		cell.len = 0;
		buf_puts(b, "    ");
		if (advices[i].command != NULL) {
			put_filled(&cell, w, advices[i].command);
			buf_add(b, cell.data, cell.len);
			buf_pad(b, width + 3 -
			    buf_width(cell.data, cell.len));
		}
		put_filled(b, w, advices[i].words);
		buf_puts(b, "\n");
	}
	buf_done(&cell);
}
