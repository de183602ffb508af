/* SPDX-License-Identifier: ISC */
/*
 * The sentences of `otpctl why`, one a line: how it stands, what happened
 * last, how often, who gave up, what it wrote.
 */
#include <assert.h>
#include <string.h>

#include "otpctl/otpctl.h"
#include "otpctl/why.h"
#include "wire/reason.h"

static int64_t
event_at(const cJSON *e)
{
	const char *iso = ctl_string(e, "time");

	return iso != NULL ? look_time(iso) : -1;
}

/* When the newest of these events of its own was; -1. */
static int64_t
since(const struct why *w, const char *a, const char *b)
{
	const cJSON *x = why_event(w, w->node.path, a);
	const cJSON *y = b != NULL ? why_event(w, w->node.path, b) : NULL;

	if (why_newer(y, x))
		x = y;
	return x != NULL ? event_at(x) : -1;
}

static void
put_ago(struct buf *b, const struct why *w, int64_t at)
{
	if (at < 0)
		return;
	buf_puts(b, " ");
	why_when(b, w, at);
}

static void
put_for(struct buf *b, const struct why *w, int64_t at)
{
	if (at < 0)
		return;
	buf_puts(b, " for ");
	look_span(b, w->now - at, true);
	buf_puts(b, " (since ");
	look_date(b, at, false);
	buf_puts(b, ")");
}

static void
say_running(struct buf *b, const struct why *w)
{
	const struct node *n = &w->node;

	buf_puts(b, " is running");
	if (n->supervisor)
		buf_printf(b, ", %lld of its %lld children active",
		    (long long)n->active, (long long)n->children);
	else if (n->pid > 0)
		buf_printf(b, " as pid %lld", (long long)n->pid);
	if (n->uptime_ms >= 0) {
		buf_puts(b, ", up ");
		look_span(b, n->uptime_ms, false);
		buf_puts(b, " (since ");
		look_date(b, w->now - n->uptime_ms, false);
		buf_puts(b, ")");
	}
	buf_puts(b, ".\n");
	if (n->last_reason == NULL && n->restarts == 0)
		buf_puts(b, "It has never failed.\n");
}

static void
say_starting(struct buf *b, const struct why *w)
{
	int64_t at = since(w, "starting", NULL);
	const cJSON *again = w->has_sup ?
	    why_event(w, w->sup.path, "restarting") : NULL;

	buf_printf(b, " is being %s", w->node.last_reason != NULL &&
	    again != NULL ? "restarted" : "started");
	put_for(b, w, at);
	buf_puts(b, ".\n");
}

static void
say_not_ready(struct buf *b, const struct why *w)
{
	buf_printf(b, " is still starting: its process %lld has run",
	    (long long)w->node.pid);
	if (w->node.uptime_ms >= 0) {
		buf_puts(b, " for ");
		look_span(b, w->node.uptime_ms, true);
	}
	if (strcmp(w->node.ready, "notify") == 0)
		buf_puts(b, ", but has not sent READY=1 to $NOTIFY_SOCKET "
		    "yet (\"ready\": \"notify\").\n");
	else
		buf_puts(b, ", but its init has not returned yet (\"ready\": "
		    "\"gen_server\").\n");
	buf_puts(b, "What stands behind it waits for it.\n");
}

static void
say_stopping(struct buf *b, const struct why *w)
{
	buf_puts(b, " is being stopped");
	put_for(b, w, since(w, "stopping", NULL));
	if (w->waits_for_ever) {
		buf_puts(b, "; its \"shutdown\" is infinity: it is waited "
		    "for without limit.\n");
		return;
	}
	buf_puts(b, "; it is killed when its \"shutdown\" time");
	if (w->shutdown_ms >= 0)
		buf_printf(b, " of %lld ms", (long long)w->shutdown_ms);
	buf_puts(b, " is over.\n");
}

static void
say_backoff(struct buf *b, const struct why *w)
{
	buf_puts(b, " is not running; it waits");
	if (w->node.retry_in_ms >= 0) {
		buf_puts(b, " ");
		look_span(b, w->node.retry_in_ms, true);
	}
	buf_puts(b, " for the next attempt to start it (backoff).\n");
}

static void
say_pending(struct buf *b, const struct why *w)
{
	buf_puts(b, " has ended");
	put_ago(b, w, since(w, "exited", NULL));
	buf_puts(b, ", and waits: its supervisor");
	if (w->has_sup) {
		buf_puts(b, " ");
		buf_text(b, w->sup.path);
	}
	buf_puts(b, " is busy with another child.\n");
}

static void
say_supervisor_down(struct buf *b, const struct why *w)
{
	buf_puts(b, " is not running, because its supervisor is not: ");
	buf_text(b, w->sup.path);
	buf_printf(b, " %s.\n", w->sup.held ? "was stopped by an operator" :
	    w->sup.state == NODE_BACKOFF ? "waits for its next attempt" :
	    w->sup.state == NODE_FAILED ? "has failed" :
	    w->sup.state == NODE_STOPPED ? "is stopped" : "has given up");
}

static void
say_held(struct buf *b, const struct why *w)
{
	buf_puts(b, " was stopped by an operator");
	put_ago(b, w, since(w, "stopped", "exited"));
	buf_puts(b, ".\nNo rule starts it again before somebody does.\n");
}

static void
say_gave_up(struct buf *b, const struct why *w)
{
	buf_puts(b, " failed");
	put_ago(b, w, since(w, "gave_up", NULL));
	buf_puts(b, ": its children failed too often.\n");
}

static void
say_start_failed(struct buf *b, const struct why *w)
{
	buf_puts(b, " failed");
	put_ago(b, w, since(w, "start_failed", NULL));
	buf_puts(b, ": it could not be started.\n");
}

static void
say_stopped(struct buf *b, const struct why *w)
{
	buf_puts(b, " is stopped: its supervisor stopped it");
	put_ago(b, w, since(w, "stopped", "exited"));
	buf_puts(b, ".\n");
}

static void
say_ended(struct buf *b, const struct why *w)
{
	const char *restart = w->node.restart;

	buf_puts(b, " is not running: it ended by itself");
	put_ago(b, w, since(w, "exited", NULL));
	buf_puts(b, ", and that was all right.\n");
	if (restart != NULL && strcmp(restart, "transient") == 0)
		buf_puts(b, "It is transient: restarted only after a "
		    "failure.\n");
	else if (restart != NULL && strcmp(restart, "temporary") == 0)
		buf_puts(b, "It is temporary: never restarted.\n");
}

static void
say_failed(struct buf *b, const struct why *w)
{
	const char *restart = w->node.restart;

	buf_puts(b, " failed");
	put_ago(b, w, since(w, "exited", NULL));
	buf_puts(b, ", and no rule starts it again.\n");
	if (restart != NULL && strcmp(restart, "temporary") == 0)
		buf_puts(b, "It is temporary: never restarted.\n");
}

static void
say_never(struct buf *b, const struct why *w)
{
	(void)w;
	buf_puts(b, " is stopped, and has not been started yet.\n");
}

static void
say_waits(struct buf *b, const struct why *w)
{
	buf_puts(b, " is not started yet: its supervisor ");
	buf_text(b, w->sup.path);
	buf_puts(b, " still waits for a child before it to get ready.\n");
}

static void (*const sayings[])(struct buf *b, const struct why *w) = {
	[WHY_RUNNING] = say_running,
	[WHY_STARTING] = say_starting,
	[WHY_NOT_READY] = say_not_ready,
	[WHY_STOPPING] = say_stopping,
	[WHY_BACKOFF] = say_backoff,
	[WHY_PENDING] = say_pending,
	[WHY_SUPERVISOR_DOWN] = say_supervisor_down,
	[WHY_HELD] = say_held,
	[WHY_GAVE_UP] = say_gave_up,
	[WHY_START_FAILED] = say_start_failed,
	[WHY_STOPPED] = say_stopped,
	[WHY_ENDED] = say_ended,
	[WHY_FAILED] = say_failed,
	[WHY_NEVER] = say_never,
	[WHY_WAITS] = say_waits,
};
static_assert(sizeof(sayings) / sizeof(sayings[0]) == WHY_NCASES,
    "a sentence a case");

/*
 * Stopped with its group: the restart of that, if its last process ran when
 * that began and nobody gave up since; or NULL.
 */
static const cJSON *
group_restart(const struct why *w)
{
	const char *how = w->sup.strategy;
	const cJSON *e, *end = why_event(w, w->node.path, "exited");

	if (!w->has_sup || w->node.held || how == NULL ||
	    (strcmp(how, "one_for_all") != 0 &&
	    strcmp(how, "rest_for_one") != 0) ||
	    reason_class(w->node.last_reason) != REASON_SHUTDOWN)
		return NULL;
	e = why_event(w, w->sup.path, "restarting");
	if (why_newer(w->gave_up, e) || (end != NULL && (why_newer(e, end) ||
	    why_newer(why_before(w, w->node.path, "ready", end), e))))
		return NULL;
	return e;
}

/* Why it was stopped: which of its siblings failed, or that it was told to. */
static void
say_stopper(struct buf *b, const struct why *w)
{
	const char *child = ctl_string(group_restart(w), "child");

	if (child != NULL && strcmp(child, w->node.path) != 0) {
		buf_puts(b, ", because ");
		buf_text(b, child);
		buf_puts(b, " had failed (");
		buf_text(b, w->sup.strategy);
		buf_puts(b, ")");
	} else if (!w->node.supervisor && why_told_to_stop(w) &&
	    reason_class(w->node.last_reason) != REASON_SHUTDOWN) {
		buf_puts(b, ", when it was told to stop");
	}
}

/* The last end, and the failed start after it. */
static void
say_last(struct buf *b, const struct why *w)
{
	const struct node *n = &w->node;
	bool same = w->start_words != NULL && n->last_reason != NULL &&
	    strncmp(n->last_reason, "{start,", 7) == 0;
	char words[512];

	if (n->last_reason != NULL && !same) {
		reason_words(n->last_reason, words, sizeof(words));
		buf_puts(b, n->supervisor ? "The last time, it " :
		    "Its last process ");
		if (why_was_overdue(w))
			buf_puts(b, "did not end within its \"shutdown\" time "
			    "and was killed");
		else
			buf_text(b, words);
		if (n->last_at != NULL && look_time(n->last_at) >= 0) {
			buf_puts(b, ", ");
			why_when(b, w, look_time(n->last_at));
		}
		if (!why_was_overdue(w))
			say_stopper(b, w);
		buf_puts(b, ".\n");
	}
	if (w->start_words != NULL) {
		buf_puts(b, "Its last start failed: ");
		buf_text(b, w->start_words);
		buf_puts(b, ".\n");
	}
}

static void
put_budget(struct buf *b, const struct node *sup)
{
	if (sup->max_restarts < 0) {
		buf_text(b, sup->path);
		buf_puts(b, " allows any number");
		return;
	}
	buf_printf(b, "%lld of %lld restarts allowed in %g s are used",
	    (long long)sup->recent, (long long)sup->max_restarts,
	    sup->max_seconds);
	if (sup->recent < sup->max_restarts || node_down(sup))
		return;
	buf_puts(b, ": one more in that time, and ");
	if (strcmp(sup->path, "/") == 0) {
		buf_puts(b, "everything is stopped and otpd ends");
	} else {
		buf_text(b, sup->path);
		buf_puts(b, " gives up");
	}
}

static void
say_restarts(struct buf *b, const struct why *w)
{
	const struct node *n = &w->node;

	if (n->restarts > 0) {
		buf_printf(b, "It was restarted %lld %s",
		    (long long)n->restarts,
		    n->restarts == 1 ? "time" : "times");
		if (w->has_sup) {
			buf_puts(b, "; ");
			put_budget(b, &w->sup);
		}
		buf_puts(b, ".\n");
	}
	if (n->supervisor && !node_down(n)) {
		buf_puts(b, "Of its own children's failures, ");
		put_budget(b, n);
		buf_puts(b, ".\n");
	}
}

/* After path gave up: did the one above it give up too, or start it again? */
static void
say_consequence(struct buf *b, const struct why *w, const char *path)
{
	const cJSON *ready = why_event(w, path, "ready");
	const cJSON *starting = why_event(w, path, "starting");
	const struct node *n = strcmp(path, w->node.path) == 0 ? &w->node :
	    w->has_sup && strcmp(path, w->sup.path) == 0 ? &w->sup : NULL;

	buf_puts(b, "That stopped all its children, in reverse order");
	if (why_newer(ready, w->gave_up))
		buf_puts(b, "; then its own supervisor started it again");
	else if (why_newer(starting, w->gave_up))
		buf_puts(b, "; its own supervisor starts it again");
	else if (n != NULL && node_down(n))
		buf_puts(b, ", and it is down");
	buf_puts(b, ".\n");
}

static void
say_who_gave_up(struct buf *b, const struct why *w)
{
	const char *path, *child;

	if (w->gave_up == NULL)
		return;
	path = ctl_string(w->gave_up, "path");
	child = ctl_string(w->gave_up, "child");
	if (path == NULL || path[0] == '\0')
		path = "/";
	if (strcmp(path, w->node.path) == 0)
		buf_puts(b, "It");
	else
		buf_text(b, path);
	buf_puts(b, " gave up ");
	why_when(b, w, event_at(w->gave_up));
	buf_puts(b, ": ");
	buf_text(b, child != NULL ? child : "a child");
	buf_puts(b, " failed once more than it allows");
	if (w->has_sup && strcmp(path, w->sup.path) == 0 &&
	    w->sup.max_restarts >= 0)
		buf_printf(b, " (%lld %s in %g s)",
		    (long long)w->sup.max_restarts, w->sup.max_restarts == 1 ?
		    "restart" : "restarts", w->sup.max_seconds);
	buf_puts(b, ".\n");
	say_consequence(b, w, path);
}

/*
 * What the machine fails it in, and has not got over yet: a start is over that
 * with `started`, the logs of all are with one `recovered`.
 */
static const cJSON *
lasting_fault(const struct why *w, bool of_log)
{
	static const char log[] = "its log ";
	const cJSON *e, *found = NULL;
	const char *word, *words, *path;

	cJSON_ArrayForEach(e, w->events) {
		word = ctl_string(e, "event");
		words = ctl_string(e, "reason");
		path = ctl_string(e, "path");
		if (word == NULL)
			continue;
		if (of_log ? strcmp(word, "recovered") == 0 && words != NULL &&
		    strncmp(words, "logs ", 5) == 0 :
		    strcmp(word, "started") == 0)
			found = NULL;
		else if (strcmp(word, "fault") == 0 && words != NULL &&
		    path != NULL && strcmp(path, w->node.path) == 0 &&
		    of_log == (strncmp(words, log, sizeof(log) - 1) == 0))
			found = e;
	}
	return found;
}

static void
say_start_fault(struct buf *b, const struct why *w)
{
	const cJSON *e = lasting_fault(w, false);

	if (e == NULL || w->which != WHY_STARTING)
		return;
	buf_puts(b, "The machine lacks what its start needs, which is tried "
	    "again: ");
	buf_text(b, ctl_string(e, "reason"));
	buf_puts(b, ".\n");
}

static void
say_log_fault(struct buf *b, const struct why *w)
{
	const cJSON *e = lasting_fault(w, true);

	if (e == NULL)
		return;
	buf_puts(b, "What it writes is held back, and lost when that is too "
	    "much: ");
	buf_text(b, ctl_string(e, "reason"));
	buf_puts(b, ".\n");
}

static void
say_log(struct buf *b, const struct look *l, const struct why *w)
{
	const char *end, *log = w->log;
	size_t n, log_len = w->log_len;

	if (w->node.supervisor || w->node.log == NULL)
		return;
	buf_puts(b, "\n");
	say_log_fault(b, w);
	if (log == NULL) {
		buf_puts(b, "Its log could not be read: the logger does not "
		    "answer.\n");
		return;
	}
	if (log_len == 0) {
		buf_puts(b, "Its log is empty (");
		buf_text(b, w->node.log);
		buf_puts(b, ").\n");
		return;
	}
	buf_puts(b, "Its last log lines (");
	buf_text(b, w->node.log);
	buf_puts(b, "):\n");
	for (; log_len > 0; log += n, log_len -= n) {
		end = memchr(log, '\n', log_len);
		n = end != NULL ? (size_t)(end - log) : log_len;
		buf_printf(b, "    %s", look_tint(l, TINT_DIM));
		buf_text_len(b, log, n);
		buf_printf(b, "%s\n", look_plain(l));
		n += end != NULL ? 1 : 0;
	}
}

void
why_say(struct buf *b, const struct look *l, const struct why *w)
{
	const struct state_look *sl = node_look(w->node.state);

	if (l->terminal)
		buf_printf(b, "%s%s%s ", look_tint(l, sl->tint),
		    l->utf8 ? sl->mark : sl->ascii, look_plain(l));
	buf_puts(b, look_tint(l, TINT_BOLD));
	buf_text(b, w->node.path);
	buf_puts(b, look_plain(l));
	sayings[w->which](b, w);
	say_start_fault(b, w);
	say_last(b, w);
	say_restarts(b, w);
	say_who_gave_up(b, w);
	say_log(b, l, w);
	buf_puts(b, "\nWhat to do next:\n");
	why_advise(b, w);
}
