/* SPDX-License-Identifier: ISC */
/*
 * Reads status objects by a table of keys, and says single facts of them in
 * words.
 */
#include "otpctl/node.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum field_type { FIELD_STRING, FIELD_INT, FIELD_REAL, FIELD_BOOL };

struct field {
	const char	*key;
	enum field_type	 type;
	size_t		 at;
};

#define F(key, type, member) { key, type, offsetof(struct node, member) }

/* About in the order in which the engine writes them: found at once then. */
static const struct field fields[] = {
	F("path", FIELD_STRING, path),
	F("id", FIELD_STRING, id),
	F("type", FIELD_STRING, type),
	F("kind", FIELD_STRING, kind),
	F("state", FIELD_STRING, state_word),
	F("pid", FIELD_INT, pid),
	F("uptime_ms", FIELD_INT, uptime_ms),
	F("generation", FIELD_INT, generation),
	F("restarts", FIELD_INT, restarts),
	F("ready", FIELD_STRING, ready),
	F("name", FIELD_STRING, name),
	F("description", FIELD_STRING, description),
	F("restart", FIELD_STRING, restart),
	F("held", FIELD_BOOL, held),
	F("problem", FIELD_STRING, problem),
	F("strategy", FIELD_STRING, strategy),
	F("max_restarts", FIELD_INT, max_restarts),
	F("max_seconds", FIELD_REAL, max_seconds),
	F("recent_restarts", FIELD_INT, recent),
	F("children", FIELD_INT, children),
	F("active", FIELD_INT, active),
	F("retry_in_ms", FIELD_INT, retry_in_ms),
	F("killed_in_ms", FIELD_INT, killed_in_ms),
	F("log", FIELD_STRING, log),
};
#define NFIELDS	(sizeof(fields) / sizeof(fields[0]))

static const struct state_look looks[] = {
	[NODE_STARTING] = { "starting", "◐", "~", TINT_BUSY },
	[NODE_RUNNING] = { "running", "●", "*", TINT_GOOD },
	[NODE_STOPPING] = { "stopping", "◑", "~", TINT_BUSY },
	[NODE_BACKOFF] = { "backoff", "↻", "!", TINT_BUSY },
	[NODE_STOPPED] = { "stopped", "○", "o", TINT_DIM },
	[NODE_FAILED] = { "failed", "✗", "x", TINT_BAD },
	[NODE_UNKNOWN] = { "?", "?", "?", TINT_NONE },
};
static_assert(sizeof(looks) / sizeof(looks[0]) == NODE_NSTATES,
    "a look a state");

static void
field_set(struct node *n, const struct field *f, const cJSON *v)
{
	char *at = (char *)n + f->at;

	switch (f->type) {
	case FIELD_STRING:
		*(const char **)(void *)at = cJSON_GetStringValue(v);
		return;
	case FIELD_INT:
		if (cJSON_IsNumber(v) && v->valuedouble > -1e15 &&
		    v->valuedouble < 1e15)
			*(int64_t *)(void *)at = (int64_t)v->valuedouble;
		return;
	case FIELD_REAL:
		if (cJSON_IsNumber(v))
			*(double *)(void *)at = v->valuedouble;
		return;
	case FIELD_BOOL:
		*(bool *)(void *)at = cJSON_IsTrue(v);
		return;
	}
}

static void
last_exit(struct node *n, const cJSON *o)
{
	const cJSON *v;

	v = cJSON_GetObjectItemCaseSensitive(o, "reason");
	n->last_reason = cJSON_GetStringValue(v);
	v = cJSON_GetObjectItemCaseSensitive(o, "at");
	n->last_at = cJSON_GetStringValue(v);
}

void
node_read(const cJSON *o, struct node *out)
{
	size_t i, next = 0;
	const cJSON *v;

	memset(out, 0, sizeof(*out));
	out->pid = out->uptime_ms = out->retry_in_ms = out->max_restarts =
	    out->killed_in_ms = -1;
	cJSON_ArrayForEach(v, o) {
		for (i = 0; i < NFIELDS; i++) {
			const struct field *f = &fields[(next + i) % NFIELDS];

			if (strcmp(f->key, v->string) != 0)
				continue;
			field_set(out, f, v);
			next = next + i + 1;
			break;
		}
		if (i == NFIELDS && strcmp(v->string, "last_exit") == 0)
			last_exit(out, v);
	}
	if (out->path == NULL || out->path[0] == '\0')
		out->path = "/";
	if (out->id == NULL)
		out->id = out->path;
	if (out->state_word == NULL)
		out->state_word = "?";
	out->state = node_state(out->state_word);
	out->supervisor = out->type != NULL &&
	    strcmp(out->type, "supervisor") == 0;
}

const struct state_look *
node_look(enum node_state s)
{
	return &looks[s];
}

enum node_state
node_state(const char *word)
{
	int i;

	for (i = 0; i < NODE_UNKNOWN; i++)
		if (strcmp(looks[i].word, word) == 0)
			return (enum node_state)i;
	return NODE_UNKNOWN;
}

bool
node_down(const struct node *n)
{
	return n->state == NODE_STOPPED || n->state == NODE_FAILED ||
	    n->state == NODE_BACKOFF;
}

void
node_limit(struct buf *b, const struct node *n)
{
	buf_puts(b, n->state == NODE_STARTING ? "given up in " : "killed in ");
	look_span(b, n->killed_in_ms, false);
	buf_puts(b, " at the latest");
}

void
node_budget(struct buf *b, const struct node *n)
{
	if (n->max_restarts < 0) {
		buf_printf(b, "%lld %s, no limit", (long long)n->restarts,
		    n->restarts == 1 ? "restart" : "restarts");
		return;
	}
	buf_printf(b, "%lld/%lld %s in %g s", (long long)n->recent,
	    (long long)n->max_restarts,
	    n->max_restarts == 1 ? "restart" : "restarts", n->max_seconds);
}

/* The part of {word,part} behind the comma, quotes and brace taken off. */
static const char *
part_of(const char *reason, const char *word, size_t *out_len)
{
	size_t n = strlen(word), len;

	if (reason[0] != '{' || strncmp(reason + 1, word, n) != 0 ||
	    reason[n + 1] != ',')
		return NULL;
	reason += n + 2;
	len = strlen(reason);
	if (len > 0 && reason[len - 1] == '}')
		len--;
	if (len >= 2 && reason[0] == '"' && reason[len - 1] == '"') {
		reason++;
		len -= 2;
	}
	*out_len = len;
	return reason;
}

void
node_reason(struct buf *b, const char *reason)
{
	const char *p;
	size_t len = 0;

	if ((p = part_of(reason, "exit", &len)) != NULL) {
		buf_puts(b, "exit code ");
		buf_text_len(b, p, len);
	} else if ((p = part_of(reason, "signal", &len)) != NULL) {
		const char *comma = memchr(p, ',', len);

		buf_text_len(b, p, comma ? (size_t)(comma - p) : len);
		if (comma != NULL)
			buf_puts(b, ", core dumped");
	} else if ((p = part_of(reason, "start", &len)) != NULL) {
		buf_puts(b, "not started: ");
		buf_text_len(b, p, len);
	} else if ((p = part_of(reason, "timeout", &len)) != NULL) {
		buf_puts(b, "timed out: ");
		buf_text_len(b, p, len);
	} else {
		buf_text(b, reason);
	}
}
