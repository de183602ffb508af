/* SPDX-License-Identifier: ISC */
/*
 * Requests to the logger: JSON in a CALL, as to the engine.  It answers from
 * what it has and never waits; rotating everything is done a few at a time.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "logger/carry.h"

#define LINES_DEFAULT	10
#define LINES_MAX	1e15
#define ROTATE_TURN	64	/* buckets in one turn */

struct request {
	struct logger	*lg;
	server_peer	 peer;
	uint64_t	 ref;
	const cJSON	*json;
};

static void
reply(const struct request *r, const char *text)
{
	(void)server_reply(r->lg->server, r->peer, r->ref, text,
	    strlen(text));
}

static void
bad_request(const struct request *r, const char *words)
{
	(void)server_error(r->lg->server, r->peer, r->ref,
	    FRAME_E_BAD_REQUEST, words);
}

static void __attribute__((format(printf, 3, 4)))
refuse(const struct request *r, const char *error, const char *fmt, ...)
{
	cJSON *o = cJSON_CreateObject();
	char *text, message[LOG_NAME_MAX + 64];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (cJSON_AddStringToObject(o, "error", error) == NULL ||
	    cJSON_AddStringToObject(o, "message", message) == NULL ||
	    (text = cJSON_PrintUnformatted(o)) == NULL)
		say_fatal("a reply", -ENOMEM);
	reply(r, text);
	cJSON_free(text);
	cJSON_Delete(o);
}

/* "nginx" or "web/nginx" of "prod/web/nginx". */
static bool
ends_in(const char *name, const char *tail)
{
	size_t n = strlen(name), t = strlen(tail);

	return t > 0 && n > t && name[n - t - 1] == '/' &&
	    strcmp(name + n - t, tail) == 0;
}

/* The only stream that path means: 1, 0 for none, -ENOTUNIQ for several. */
static int
stream_meant(const struct logger *lg, const char *path, struct stream **out)
{
	struct stream *s;
	size_t i;
	int n = 0;

	*out = stream_named(lg, path);
	if (*out != NULL)
		return 1;
	for (i = 0; i < lg->nbuckets; i++)
		for (s = lg->by_name[i]; s != NULL; s = s->name_next)
			if (ends_in(s->name, path) &&
			    (n == 0 || strcmp((*out)->name, s->name) != 0)) {
				*out = s;
				n++;
			}
	return n > 1 ? -ENOTUNIQ : n;
}

static const char *
path_of(const struct request *r)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r->json,
	    "path"));
}

static bool
lines_of(const struct request *r, uint64_t *out)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(r->json, "n");

	*out = LINES_DEFAULT;
	if (n == NULL)
		return true;
	if (!cJSON_IsNumber(n) || !(n->valuedouble >= 0))
		return false;
	*out = (uint64_t)(n->valuedouble > LINES_MAX ? LINES_MAX :
	    n->valuedouble);
	return true;
}

static void
op_logs(const struct request *r)
{
	struct follow_request f = { .peer = r->peer, .ref = r->ref };
	const char *path = path_of(r);
	struct stream *s;
	int rc;

	if (path == NULL || !lines_of(r, &f.lines)) {
		bad_request(r, "logs wants a path, and n to be a count");
		return;
	}
	f.follow = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(r->json,
	    "follow"));
	rc = stream_meant(r->lg, path, &s);
	if (rc == -ENOTUNIQ) {
		refuse(r, "ambiguous", "%s means several logs", path);
		return;
	}
	f.name = rc > 0 ? s->name : path;
	/* What does not run any more may still have its files. */
	rc = log_name_valid(f.name) ? follow_start(r->lg, &f) : -ENOENT;
	if (rc == -ENOENT)
		refuse(r, "not_found", "no log named %s", path);
	else if (rc < 0)
		refuse(r, "max_children", "too many read logs already");
}

static void
op_rotate_one(const struct request *r, const char *path)
{
	struct stream *s;
	int rc;

	rc = stream_meant(r->lg, path, &s);
	if (rc == -ENOTUNIQ)
		refuse(r, "ambiguous", "%s means several logs", path);
	else if (rc == 0)
		refuse(r, "not_found", "no log named %s", path);
	else if ((rc = sink_rotate(s)) < 0)
		refuse(r, "failed", "cannot rotate: %s", strerror(-rc));
	else
		reply(r, "{\"result\":\"ok\"}");
}

static void
op_rotate(const struct request *r)
{
	struct logger *lg = r->lg;

	if (cJSON_HasObjectItem(r->json, "path")) {
		if (path_of(r) == NULL)
			bad_request(r, "path is no string");
		else
			op_rotate_one(r, path_of(r));
		return;
	}
	if (lg->rotate_timer.pos != 0) {
		refuse(r, "already_started", "a rotation is under way");
		return;
	}
	lg->rotate_bucket = 0;
	lg->rotate_peer = r->peer;
	lg->rotate_ref = r->ref;
	(void)loop_timer_set(lg->loop, &lg->rotate_timer, loop_now_ms());
}

void
control_rotate_some(void *arg)
{
	struct logger *lg = arg;
	struct request r = { .lg = lg, .peer = lg->rotate_peer,
	    .ref = lg->rotate_ref };
	struct stream *s;
	int i;

	for (i = 0; i < ROTATE_TURN && lg->rotate_bucket < lg->nbuckets; i++)
		for (s = lg->by_key[lg->rotate_bucket++]; s != NULL;
		    s = s->key_next)
			(void)sink_rotate(s);
	if (lg->rotate_bucket < lg->nbuckets)
		(void)loop_timer_set(lg->loop, &lg->rotate_timer,
		    loop_now_ms());
	else
		reply(&r, "{\"result\":\"ok\"}");
}

static void
op_stats(const struct request *r)
{
	const struct logger *lg = r->lg;
	char text[512];

	(void)snprintf(text, sizeof(text), "{\"streams\":%zu,\"pipes\":%zu,"
	    "\"open_files\":%zu,\"bytes\":%" PRIu64 ",\"dropped\":%" PRIu64
	    ",\"dropped_lines\":%" PRIu64 ",\"faults\":%zu,\"pending\":%zu,"
	    "\"rotations\":%" PRIu64 ",\"readers\":%u}",
	    lg->nstreams, lg->npipes, lg->nopen, lg->bytes, lg->dropped_bytes,
	    lg->dropped_lines, lg->nfaults, carry_pending(lg), lg->rotations,
	    lg->nreaders);
	reply(r, text);
}

static const struct {
	const char	*name;
	void		(*fn)(const struct request *r);
} ops[] = {
	{ "logs",	op_logs },
	{ "rotate",	op_rotate },
	{ "stats",	op_stats },
};

static void
control_call(void *arg, server_peer peer, const struct frame_header *h,
    const char *payload, uid_t uid)
{
	struct request r = { .lg = arg, .peer = peer, .ref = h->ref };
	cJSON *json = cJSON_ParseWithLength(payload, h->length);
	const char *op;
	size_t i;

	(void)uid;			/* the same as ours, or root */
	r.json = json;
	op = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json,
	    "op"));
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (op != NULL && strcmp(ops[i].name, op) == 0)
			break;
	if (i < sizeof(ops) / sizeof(ops[0]))
		ops[i].fn(&r);
	else
		bad_request(&r, "no such request to otp-logger");
	cJSON_Delete(json);
}

static void
control_closed(void *arg, server_peer peer)
{
	follow_gone(arg, peer);
}

const struct server_ops control_ops = {
	.call = control_call, .closed = control_closed
};
