/* SPDX-License-Identifier: ISC */
/*
 * For people: what the engine answered, in words and columns.  Every foreign
 * string goes through buf_text().
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otpctl/node.h"
#include "otpctl/otpctl.h"
#include "otpctl/why.h"
#include "wire/reason.h"

#define FEW_COLUMNS	6
#define EVENT_WIDTH	15	/* of the longest that is not rare */

static const char *
or_dash(const char *s)
{
	return s != NULL && s[0] != '\0' ? s : "-";
}

static const char *
path_of(const cJSON *o)
{
	const char *s = ctl_string(o, "path");

	return s != NULL && s[0] != '\0' ? s : "/";
}

/* --- refusals: on standard error --- */

static void
config_errors(struct buf *b, const cJSON *errors)
{
	const char *file, *path, *message;
	const cJSON *e;
	double line, column;

	cJSON_ArrayForEach(e, errors) {
		file = ctl_string(e, "file");
		path = ctl_string(e, "path");
		message = ctl_string(e, "message");
		line = ctl_number(e, "line", 0);
		column = ctl_number(e, "column", 0);
		buf_text(b, file != NULL ? file : "?");
		if (line > 0) {
			buf_printf(b, ":%.0f:%.0f: ", line, column);
			buf_text(b, path != NULL && path[0] != '\0' ? path :
			    "/");
		}
		buf_puts(b, ": ");
		buf_text(b, message != NULL ? message : "?");
		buf_puts(b, "\n");
	}
}

static const char *
subject(const char *path, const cJSON *reply)
{
	return path != NULL || ctl_string(reply, "path") == NULL ? path :
	    path_of(reply);
}

/* Does the message say which child it is about?  As a word of its own. */
static bool
names_itself(const char *message, const char *path)
{
	size_t n = strlen(path);
	const char *at;

	for (at = message; (at = strstr(at, path)) != NULL; at++)
		if ((at == message || at[-1] == ' ') &&
		    strchr(" :,;", at[n]) != NULL)	/* or its end */
			return true;
	return false;
}

static void
refusal(struct buf *b, const char *path, const cJSON *reply)
{
	const char *message = ctl_string(reply, "message");
	const char *reason = ctl_string(reply, "reason");
	char words[512];

	if (message == NULL)
		message = or_dash(ctl_string(reply, "error"));
	if (reason != NULL) {
		reason_words(reason, words, sizeof(words));
		message = strncmp(words, "could not", 9) == 0 ? words :
		    message;
	}
	buf_puts(b, "otpctl: ");
	path = subject(path, reply);
	if (path != NULL && !names_itself(message, path)) {
		buf_text(b, path);
		buf_puts(b, ": ");
	}
	buf_text(b, message);
	if (reason != NULL && message != words) {
		buf_puts(b, ": it ");
		buf_text(b, words);
	}
	buf_puts(b, "\n");
}

static void
text_refused(struct ctl *c, const char *path, const cJSON *reply)
{
	const cJSON *errors = cJSON_GetObjectItemCaseSensitive(reply,
	    "errors");
	struct buf b = { NULL, 0, 0 };

	buf_flush(&c->text, STDOUT_FILENO);	/* in the order it happened */
	if (cJSON_GetArraySize(errors) > 0)
		config_errors(&b, errors);
	else
		refusal(&b, path, reply);
	buf_flush(&b, STDERR_FILENO);
	buf_done(&b);
}

/* --- answers --- */

static void
text_status(struct ctl *c, const cJSON *reply)
{
	tree_show(&c->text, &c->look, cJSON_GetObjectItemCaseSensitive(reply,
	    "children"), look_now());
	if (c->look.terminal && c->argc == 0)
		info_troubles(&c->text, &c->look,
		    cJSON_GetObjectItemCaseSensitive(reply, "otpd"));
}

static void
text_state(struct ctl *c, const cJSON *child)
{
	if (c->quiet)
		return;
	buf_text(&c->text, or_dash(ctl_string(child, "state")));
	buf_puts(&c->text, "\n");
}

static void
text_outcome(struct ctl *c, const char *path, const char *done,
    const cJSON *reply)
{
	const char *result = ctl_string(reply, "result");

	if (c->quiet)
		return;
	config_errors(&c->text, cJSON_GetObjectItemCaseSensitive(reply,
	    "warnings"));
	path = subject(path, reply);
	if (path != NULL) {
		buf_text(&c->text, path);
		buf_puts(&c->text, ": ");
	}
	if (result != NULL && strcmp(result, "ignored") == 0)
		done = "not started: it said that there is nothing to do "
		    "(ignored)";
	else if (result != NULL && strcmp(result, "ok") == 0 &&
	    c->cmd->run == cmd_start)
		done = "running already";
	buf_puts(&c->text, done);
	buf_puts(&c->text, "\n");
}

static void
text_changes(struct ctl *c, const cJSON *reply)
{
	const cJSON *changes = cJSON_GetObjectItemCaseSensitive(reply,
	    "changes");
	double same = ctl_number(reply, "unchanged", 0);
	const cJSON *change;
	const char *outcome, *word;

	if (c->quiet)
		return;
	config_errors(&c->text, cJSON_GetObjectItemCaseSensitive(reply,
	    "warnings"));
	cJSON_ArrayForEach(change, changes) {
		word = or_dash(ctl_string(change, "change"));
		outcome = ctl_string(change, "outcome");
		buf_puts(&c->text, c->dry_run ? "would " : "");
		buf_text(&c->text, word);
		buf_pad(&c->text, strlen(word) < 9 ? 9 - strlen(word) : 1);
		buf_text(&c->text, path_of(change));
		if (outcome != NULL && strcmp(outcome, "ok") != 0) {
			buf_puts(&c->text, "  now ");
			buf_text(&c->text, outcome);
		}
		buf_puts(&c->text, "\n");
	}
	buf_printf(&c->text, "%d %s, %.0f unchanged\n",
	    cJSON_GetArraySize(changes),
	    c->dry_run ? "would change" : "changed", same);
}

/* What an event says beside its name; "" for the common ones. */
static void
event_details(struct buf *b, const cJSON *e)
{
	double pid = ctl_number(e, "pid", 0);
	double delay = ctl_number(e, "delay_ms", -1);
	double count = ctl_number(e, "count", -1);
	const char *reason = ctl_string(e, "reason");
	const char *child = ctl_string(e, "child");

	if (pid > 0)
		buf_printf(b, "  pid %.0f", pid);
	if (child != NULL) {
		buf_puts(b, "  because of ");
		buf_text(b, child);
	}
	if (delay >= 0) {
		buf_puts(b, "  next attempt in ");
		look_span(b, (int64_t)delay, true);
	}
	if (reason != NULL) {
		buf_puts(b, "  ");
		node_reason(b, reason);
	}
	if (count >= 0)
		buf_printf(b, "  %.0f older events are no longer kept", count);
}

static enum tint
event_tint(const char *event)
{
	static const struct {
		const char	*event;
		enum tint	 tint;
	} tints[] = {
		{ "ready", TINT_GOOD }, { "exited", TINT_BUSY },
		{ "restarting", TINT_BUSY }, { "backoff", TINT_BUSY },
		{ "start_failed", TINT_BAD }, { "gave_up", TINT_BAD },
		{ "engine_crashed", TINT_BAD }, { "fault", TINT_BAD },
		{ "spawner_crashed", TINT_BAD },
		{ "spawner_killed", TINT_BAD },
		{ "upgrade_refused", TINT_BAD },
	};
	size_t i;

	for (i = 0; i < sizeof(tints) / sizeof(tints[0]); i++)
		if (strcmp(tints[i].event, event) == 0)
			return tints[i].tint;
	return TINT_NONE;
}

static void
event_line(struct ctl *c, const cJSON *e, size_t path_width)
{
	const char *event = or_dash(ctl_string(e, "event"));
	const char *time = ctl_string(e, "time");
	struct buf *b = &c->text;
	size_t start, w;

	if (time != NULL) {
		look_date(b, look_time(time), true);
		buf_puts(b, "  ");
	}
	start = b->len;
	buf_text(b, ctl_string(e, "path") != NULL ? path_of(e) : "-");
	w = buf_width(b->data + start, b->len - start);
	buf_pad(b, (w < path_width ? path_width - w : 0) + 2);
	buf_puts(b, look_tint(&c->look, event_tint(event)));
	buf_text(b, event);
	buf_puts(b, look_plain(&c->look));
	w = strlen(event);
	start = b->len;
	buf_pad(b, w < EVENT_WIDTH ? EVENT_WIDTH - w : 0);
	w = b->len;
	event_details(b, e);
	if (b->len == w)
		b->len = start;
	buf_puts(b, "\n");
}

static void
text_event(struct ctl *c, const cJSON *e)
{
	event_line(c, e, 20);
}

static void
text_failed(struct ctl *c, const cJSON *reply)
{
	const cJSON *children = cJSON_GetObjectItemCaseSensitive(reply,
	    "children");
	const cJSON *ends = cJSON_GetObjectItemCaseSensitive(reply,
	    "obituaries");
	size_t w = 0, n;
	const cJSON *e;

	if (cJSON_GetArraySize(children) == 0)
		buf_puts(&c->text, c->quiet ? "" : "Nothing has failed.\n");
	else
		list_show(&c->text, &c->look, children, look_now());
	if (cJSON_GetArraySize(ends) == 0)
		return;
	cJSON_ArrayForEach(e, ends) {
		n = strlen(path_of(e));
		w = n > w && n <= 40 ? n : w;
	}
	buf_puts(&c->text, "\nWhat went wrong lately, newest last:\n");
	cJSON_ArrayForEach(e, ends)
		event_line(c, e, w);
}

static void
text_why(struct ctl *c, const cJSON *reply, const char *log, size_t log_len)
{
	struct why w;

	why_read(reply, look_now(), &w);
	w.log = log;
	w.log_len = log_len;
	why_say(&c->text, &c->look, &w);
}

/* --- tables of words --- */

static void
put_table(struct buf *b, const char *(*cells)[FEW_COLUMNS], size_t rows,
    size_t cols)
{
	size_t width[FEW_COLUMNS] = { 0 }, row, col, w, start;

	for (row = 0; row < rows; row++)
		for (col = 0; col < cols; col++) {
			w = strlen(cells[row][col]);
			if (w > width[col])
				width[col] = w;
		}
	for (row = 0; row < rows; row++) {
		for (col = 0; col < cols; col++) {
			start = b->len;
			buf_text(b, cells[row][col]);
			w = b->len - start;
			if (col + 1 < cols)
				buf_pad(b, 2 + (w < width[col] ?
				    width[col] - w : 0));
		}
		buf_puts(b, "\n");
	}
}

static void
text_rows(struct ctl *c, const cJSON *children)
{
	size_t n = (size_t)cJSON_GetArraySize(children), i = 1;
	const char *(*cells)[FEW_COLUMNS] = calloc(n + 1, sizeof(*cells));
	char (*pids)[16] = calloc(n + 1, sizeof(*pids));
	const cJSON *o;

	if (cells == NULL || pids == NULL)
		abort();
	cells[0][0] = "ID";
	cells[0][1] = "PID";
	cells[0][2] = "STATE";
	cells[0][3] = "TYPE";
	cJSON_ArrayForEach(o, children) {
		double pid = ctl_number(o, "pid", 0);
		struct buf b = { NULL, 0, 0 };

		if (pid > 0 && pid < 1e9) {
			buf_printf(&b, "%.0f", pid);
			memcpy(pids[i], b.data, b.len + 1);
			buf_done(&b);
			cells[i][1] = pids[i];
		} else {
			cells[i][1] = "-";
		}
		cells[i][0] = or_dash(ctl_string(o, "id"));
		cells[i][2] = or_dash(ctl_string(o, "state"));
		cells[i][3] = or_dash(ctl_string(o, "type"));
		i++;
	}
	put_table(&c->text, cells, n + 1, 4);
	free(pids);
	free(cells);
}

/* The names it needs, a comma between them; the caller frees. */
static char *
needs_of(const cJSON *app)
{
	const cJSON *need, *needs = cJSON_GetObjectItemCaseSensitive(app,
	    "applications");
	struct buf b = { NULL, 0, 0 };

	cJSON_ArrayForEach(need, needs) {
		buf_puts(&b, b.len > 0 ? "," : "");
		buf_puts(&b, or_dash(cJSON_GetStringValue(need)));
	}
	if (b.len == 0)
		buf_puts(&b, "-");
	return b.data;
}

static void
text_apps(struct ctl *c, const cJSON *apps)
{
	size_t n = (size_t)cJSON_GetArraySize(apps), i = 1;
	const char *(*cells)[FEW_COLUMNS] = calloc(n + 1, sizeof(*cells));
	const cJSON *o;

	if (cells == NULL)
		abort();
	cells[0][0] = "NAME";
	cells[0][1] = "STATE";
	cells[0][2] = "TYPE";
	cells[0][3] = "VSN";
	cells[0][4] = "NEEDS";
	cells[0][5] = "DESCRIPTION";
	cJSON_ArrayForEach(o, apps) {
		cells[i][0] = or_dash(ctl_string(o, "name"));
		cells[i][1] = or_dash(ctl_string(o, "state"));
		cells[i][2] = or_dash(ctl_string(o, "start_type"));
		cells[i][3] = or_dash(ctl_string(o, "vsn"));
		cells[i][4] = needs_of(o);
		cells[i++][5] = or_dash(ctl_string(o, "description"));
	}
	put_table(&c->text, cells, n + 1, FEW_COLUMNS);
	for (i = 1; i <= n; i++)
		free((char *)cells[i][4]);
	free(cells);
}

static void
put_pairs(struct buf *b, const cJSON *o)
{
	const cJSON *v;
	size_t w = 0, n;

	cJSON_ArrayForEach(v, o) {
		n = strlen(v->string);
		w = n > w ? n : w;
	}
	cJSON_ArrayForEach(v, o) {
		n = strlen(v->string);
		buf_text(b, v->string);
		buf_pad(b, w - n + 2);
		buf_printf(b, "%.15g", cJSON_IsNumber(v) ? v->valuedouble : 0);
		buf_puts(b, "\n");
	}
}

static void
text_lines(struct ctl *c, const char *data, size_t len)
{
	if (c->look.terminal)
		buf_lines(&c->text, data, len);
	else
		buf_add(&c->text, data, len);
}

static void
text_pairs(struct ctl *c, const cJSON *reply)
{
	put_pairs(&c->text, reply);
}

static void
text_info(struct ctl *c, const cJSON *reply)
{
	info_show(&c->text, reply);
}

const struct output output_text = {
	.refused = text_refused,
	.status = text_status,
	.state = text_state,
	.outcome = text_outcome,
	.changes = text_changes,
	.event = text_event,
	.failed = text_failed,
	.why = text_why,
	.apps = text_apps,
	.rows = text_rows,
	.counts = text_pairs,
	.info = text_info,
	.lines = text_lines,
};
