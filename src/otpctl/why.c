/* SPDX-License-Identifier: ISC */
/*
 * Reads the engine's facts about one child and decides which case it is.
 */
#include "otpctl/why.h"

#include <stdio.h>
#include <string.h>

#include "otpctl/otpctl.h"
#include "wire/reason.h"

const cJSON *
why_before(const struct why *w, const char *path, const char *event,
    const cJSON *that)
{
	const cJSON *e, *found = NULL;
	const char *p, *word;

	cJSON_ArrayForEach(e, w->events) {
		p = ctl_string(e, "path");
		word = ctl_string(e, "event");
		if (that != NULL && !why_newer(that, e))
			break;
		if (p != NULL && word != NULL && strcmp(word, event) == 0 &&
		    strcmp(p[0] != '\0' ? p : "/", path) == 0)
			found = e;
	}
	return found;
}

const cJSON *
why_event(const struct why *w, const char *path, const char *event)
{
	return why_before(w, path, event, NULL);
}

bool
why_told_to_stop(const struct why *w)
{
	const cJSON *told = why_event(w, w->node.path, "stopping");
	const cJSON *end = why_event(w, w->node.path, "exited");

	return told != NULL && end != NULL &&
	    ctl_number(told, "pid", 0) == ctl_number(end, "pid", -1);
}

bool
why_newer(const cJSON *a, const cJSON *b)
{
	if (a == NULL)
		return false;
	return b == NULL || ctl_number(a, "seq", 0) > ctl_number(b, "seq", 0);
}

bool
why_was_overdue(const struct why *w)
{
	const cJSON *late = why_event(w, w->node.path, "overdue");
	const cJSON *end = why_event(w, w->node.path, "exited");

	return late != NULL && end != NULL && w->node.last_reason != NULL &&
	    strcmp(w->node.last_reason, "killed") == 0 &&
	    ctl_number(late, "pid", 0) == ctl_number(end, "pid", -1);
}

void
why_when(struct buf *b, const struct why *w, int64_t at)
{
	if (at < 0)
		return;
	look_span(b, w->now - at, false);
	buf_puts(b, " ago (");
	look_date(b, at, false);
	buf_puts(b, ")");
}

/* The newest gave_up of it or of one above it; all events are of those. */
static const cJSON *
newest_gave_up(const struct why *w)
{
	const cJSON *e, *found = NULL;
	const char *word;

	cJSON_ArrayForEach(e, w->events) {
		word = ctl_string(e, "event");
		if (word != NULL && strcmp(word, "gave_up") == 0)
			found = e;
	}
	return found;
}

static bool
is_start_reason(const char *reason)
{
	return reason != NULL && (strncmp(reason, "{start,", 7) == 0 ||
	    strcmp(reason, "{timeout,start}") == 0);
}

/* Why its last start failed, if that is the last thing that befell it. */
static void
read_start_failure(struct why *w)
{
	static const char head[] = "could not be started: ";
	const cJSON *e = why_event(w, w->node.path, "start_failed");
	const char *reason = NULL;

	if (w->node.problem != NULL) {
		w->start_words = w->node.problem;
		return;
	}
	if (is_start_reason(w->node.last_reason))
		reason = w->node.last_reason;
	if (e != NULL && !why_newer(why_event(w, w->node.path, "exited"), e) &&
	    !why_newer(why_event(w, w->node.path, "ready"), e)) {
		reason = ctl_string(e, "reason");
		if (reason == NULL)
			reason = w->node.supervisor ?
			    "{start,one of its children could not be started}" :
			    "{start,no reason given}";
	}
	if (reason == NULL)
		return;
	if (strcmp(reason, "{timeout,start}") == 0) {
		w->start_words = "it was not ready in time";
		return;
	}
	reason_words(reason, w->start_text, sizeof(w->start_text));
	w->start_words = w->start_text;
	if (strncmp(w->start_text, head, sizeof(head) - 1) == 0)
		w->start_words += sizeof(head) - 1;
}

/* It ended, but its supervisor is busy with another child. */
static bool
pending(const struct why *w)
{
	const struct node *n = &w->node;

	if (n->supervisor)
		return w->has_sup && why_newer(why_event(w, n->path, "exited"),
		    why_event(w, n->path, "ready"));
	return n->pid <= 0;
}

/* Its supervisor is down, or will be as soon as its own has time for it. */
static bool
supervisor_down(const struct why *w)
{
	if (!w->has_sup)
		return false;
	return node_down(&w->sup) ||
	    why_newer(why_event(w, w->sup.path, "gave_up"),
	    why_event(w, w->sup.path, "ready"));
}

/* Of a child that does not run and for which nothing is under way. */
static enum why_case
why_down(const struct why *w)
{
	const struct node *n = &w->node;

	if (supervisor_down(w))
		return WHY_SUPERVISOR_DOWN;
	if (n->held)
		return WHY_HELD;
	if (n->supervisor && why_event(w, n->path, "gave_up") != NULL &&
	    n->state == NODE_FAILED)
		return WHY_GAVE_UP;
	if (w->start_words != NULL)
		return WHY_START_FAILED;
	if (w->has_sup && w->sup.state == NODE_STARTING &&
	    (n->last_reason == NULL ? n->state != NODE_FAILED :
	    reason_class(n->last_reason) == REASON_SHUTDOWN))
		return WHY_WAITS;
	if (n->last_reason == NULL)
		return n->state == NODE_FAILED ? WHY_FAILED : WHY_NEVER;
	if (reason_class(n->last_reason) == REASON_ABNORMAL)
		return WHY_FAILED;
	if (strcmp(n->last_reason, "normal") == 0 ||
	    (n->restart != NULL && strcmp(n->restart, "permanent") != 0))
		return WHY_ENDED;
	return WHY_STOPPED;
}

static enum why_case
why_classify(const struct why *w)
{
	const struct node *n = &w->node;

	switch (n->state) {
	case NODE_RUNNING:
		return pending(w) ? WHY_PENDING : WHY_RUNNING;
	case NODE_STARTING:
		return n->pid > 0 && n->ready != NULL &&
		    strcmp(n->ready, "exec") != 0 ? WHY_NOT_READY :
		    WHY_STARTING;
	case NODE_STOPPING:
		return WHY_STOPPING;
	case NODE_BACKOFF:
		return WHY_BACKOFF;
	case NODE_STOPPED:
	case NODE_FAILED:
	case NODE_UNKNOWN:
	case NODE_NSTATES:
	default:
		return why_down(w);
	}
}

void
why_read(const cJSON *reply, int64_t now, struct why *out)
{
	const cJSON *sup, *shutdown = cJSON_GetObjectItemCaseSensitive(reply,
	    "shutdown");

	memset(out, 0, sizeof(*out));
	out->now = now;
	out->shutdown_ms = (int64_t)ctl_number(reply, "shutdown", -1);
	out->waits_for_ever = cJSON_IsString(shutdown);
	node_read(cJSON_GetObjectItemCaseSensitive(reply, "status"),
	    &out->node);
	sup = cJSON_GetObjectItemCaseSensitive(reply, "supervisor");
	out->has_sup = cJSON_IsObject(sup);
	if (out->has_sup)
		node_read(sup, &out->sup);
	out->events = cJSON_GetObjectItemCaseSensitive(reply, "events");
	out->gave_up = newest_gave_up(out);
	if (out->node.state != NODE_RUNNING)
		read_start_failure(out);
	out->which = why_classify(out);
}
