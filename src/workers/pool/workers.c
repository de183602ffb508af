/* SPDX-License-Identifier: ISC */
/*
 * The workers of a pool: started and stopped by the engine, which is asked and
 * not waited for.  When it dies over a question, the next one is asked what
 * has become of the worker, so that none is started twice or forgotten.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/reason.h"
#include "workers/pool/pool.h"
#include "workers/port/json.h"

#define AGAIN_MS	50	/* an engine is back sooner than that */
#define REQUEST_MAX	(OTP_WORKER_MAX + 128)

uint32_t
workers_live(const struct pool *p)
{
	return p->nfree + p->nheld + p->ncoming;
}

/* --- lists --- */

static struct list *
list_of(struct pool *p, enum worker_state state)
{
	return state == WORKER_FREE ? &p->free : &p->others;
}

static void
count(struct pool *p, enum worker_state state, uint32_t by)
{
	switch (state) {
	case WORKER_WANTED:
		p->nwanted += by;
		p->ncoming += by;
		break;
	case WORKER_STARTING:
	case WORKER_UNSURE:
		p->ncoming += by;
		break;
	case WORKER_FREE:
		p->nfree += by;
		break;
	case WORKER_HELD:
		p->nheld += by;
		break;
	case WORKER_STOPPING:
		p->nstopping += by;
		break;
	}
}

static void
take_out(struct pool *p, struct worker *w)
{
	struct list *l = list_of(p, w->state);

	if (w->prev != NULL)
		w->prev->next = w->next;
	else
		l->first = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	else
		l->last = w->prev;
	count(p, w->state, UINT32_MAX);		/* one less */
}

/* Of the free ones the first is lent next. */
static void
put_in(struct pool *p, struct worker *w, enum worker_state state)
{
	struct list *l = list_of(p, state);
	bool last = state == WORKER_FREE && p->fifo;

	w->state = state;
	w->prev = last ? l->last : NULL;
	w->next = last ? NULL : l->first;
	if (w->prev != NULL)
		w->prev->next = w;
	else
		l->first = w;
	if (w->next != NULL)
		w->next->prev = w;
	else
		l->last = w;
	count(p, state, 1);
}

void
worker_move(struct pool *p, struct worker *w, enum worker_state state)
{
	take_out(p, w);
	put_in(p, w, state);
}

static struct worker *
worker_new(struct pool *p, enum worker_state state)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->id = ++p->next_id;
	(void)snprintf(w->path, sizeof(w->path), "%.480s/%llu", p->sup,
	    (unsigned long long)w->id);
	put_in(p, w, state);
	return w;
}

static void
worker_free(struct pool *p, struct worker *w)
{
	loan_forget(w);
	take_out(p, w);
	if (w->monitor != 0)
		(void)otp_demonitor(p->self, w->monitor);
	if (w->asked)
		(void)otp_abandon(p->self, w->request);
	free(w);
}

/* --- questions --- */

static void
ask_again_later(struct pool *p)
{
	if (!p->timer && otp_start_timer(p->self, AGAIN_MS, "", 0, NULL) == 0)
		p->timer = true;
}

/* What is to be asked about a worker in this state; the answer comes by. */
static void
ask(struct pool *p, struct worker *w)
{
	char text[REQUEST_MAX];
	unsigned long long id = (unsigned long long)w->id;
	int n;

	if (w->state == WORKER_STOPPING)
		n = snprintf(text, sizeof(text), "{\"op\":\"terminate_child\","
		    "\"sup\":\"%s\",\"id\":\"%llu\"}", p->sup, id);
	else if (w->state == WORKER_UNSURE)
		n = snprintf(text, sizeof(text), "{\"op\":\"status\","
		    "\"paths\":[\"%s\"]}", w->path);
	else
		n = snprintf(text, sizeof(text), "{\"op\":\"start_child\","
		    "\"sup\":\"%s\",\"spec\":{\"id\":\"%llu\"}}", p->sup, id);
	w->asked = otp_send_request(p->self, "otpd", text, (size_t)n,
	    &w->request) == 0;
	if (!w->asked)
		ask_again_later(p);
}

void
workers_timer(struct pool *p)
{
	struct worker *w, *next;

	p->timer = false;
	for (w = p->others.first; w != NULL; w = next) {
		next = w->next;
		if (!w->asked && (w->state == WORKER_UNSURE ||
		    w->state == WORKER_STARTING ||
		    w->state == WORKER_STOPPING))
			ask(p, w);
	}
}

/* --- beginnings --- */

/* Those wanted, as far as those that are ending leave room. */
static void
start_wanted(struct pool *p)
{
	struct worker *w, *next;

	for (w = p->others.first; w != NULL && p->nwanted > 0; w = next) {
		next = w->next;
		if (workers_live(p) - p->nwanted + p->nstopping >=
		    p->size + p->max_overflow)
			return;
		if (w->state != WORKER_WANTED)
			continue;
		worker_move(p, w, WORKER_STARTING);
		ask(p, w);
	}
}

void
workers_balance(struct pool *p)
{
	while (workers_live(p) < p->size || (p->nwaits > p->ncoming &&
	    workers_live(p) < p->size + p->max_overflow))
		if (worker_new(p, WORKER_WANTED) == NULL)
			break;
	start_wanted(p);
}

static void
began(struct pool *p, struct worker *w)
{
	if (otp_monitor(p->self, w->path, &w->monitor) < 0) {
		w->monitor = 0;		/* nobody would hear of its end */
		worker_stop(p, w);
		return;
	}
	loan_offer(p, w);
}

/* The reason in a refusal, or its name. */
static struct span
why(struct span reply)
{
	struct span reason = { "\"\"", 2 };

	if (!json_member(reply, "reason", &reason) &&
	    !json_member(reply, "error", &reason))
		(void)json_member(reply, "result", &reason);
	return reason;
}

static bool
is(struct span reply, const char *key, const char *word)
{
	char text[32];
	struct span v;

	return json_member(reply, key, &v) &&
	    json_string(v, text, sizeof(text)) && strcmp(text, word) == 0;
}

/* Its supervisor has ended, or is about to: nothing is wrong with it. */
static bool
is_over(struct span reply)
{
	return is(reply, "error", "noproc") || is(reply, "error", "shutdown");
}

static void
reason_of(struct span reply, char words[OTP_REASON_MAX])
{
	if (is_over(reply))
		(void)snprintf(words, OTP_REASON_MAX, "shutdown");
	else if (!json_string(why(reply), words, OTP_REASON_MAX) ||
	    !reason_valid(words, strlen(words)))
		(void)snprintf(words, OTP_REASON_MAX, "{start_failed,worker}");
}

/* Without the workers that it must have there is no pool; without one more it
 * goes on. */
static void
not_begun(struct pool *p, struct worker *w, struct span reply)
{
	char words[OTP_REASON_MAX];
	struct text quoted = { 0 };

	worker_free(p, w);
	reason_of(reply, words);
	if (workers_live(p) < p->size) {
		pool_fail(p, words);
		return;
	}
	json_quote(&quoted, (struct span){ words, strlen(words) });
	if (p->nwaits > p->ncoming)
		(void)loan_refuse_last(p, quoted.data);
	text_done(&quoted);
}

/* {"children":[{...}]} of one path: what state is it in? */
static void
found(struct pool *p, struct worker *w, struct span reply)
{
	struct span child;

	if (json_member(reply, "children", &child) && child.len > 2) {
		child.at++;
		child.len -= 2;
		if (is(child, "state", "running")) {
			began(p, w);
			return;
		}
		/* Or the machine could not start it, and it is tried again. */
		if (is(child, "state", "starting") ||
		    is(child, "state", "backoff")) {
			ask_again_later(p);
			return;
		}
	}
	worker_move(p, w, WORKER_STARTING);	/* it never was, or has ended */
	ask(p, w);
}

static void
answered(struct pool *p, struct worker *w, struct span reply)
{
	if (w->state == WORKER_UNSURE)
		found(p, w, reply);
	else if (w->state == WORKER_STARTING && is(reply, "result", "started"))
		began(p, w);
	else if (w->state == WORKER_STARTING)
		not_begun(p, w, reply);
	else if (w->state == WORKER_STOPPING && w->monitor == 0) {
		worker_free(p, w);
		workers_balance(p);
	}
}

void
workers_response(struct pool *p, const struct otp_info *info)
{
	struct worker *w = p->others.first;

	while (w != NULL && (!w->asked || w->request != info->ref))
		w = w->next;
	if (w == NULL)
		return;
	w->asked = false;
	if (info->error == 0) {
		answered(p, w, (struct span){ info->data, info->len });
		return;
	}
	if (w->state == WORKER_STARTING)
		worker_move(p, w, WORKER_UNSURE);
	ask_again_later(p);
}

/* --- ends --- */

void
worker_stop(struct pool *p, struct worker *w)
{
	worker_move(p, w, WORKER_STOPPING);
	ask(p, w);
}

static struct worker *
monitored(struct worker *w, uint64_t ref)
{
	while (w != NULL && w->monitor != ref)
		w = w->next;
	return w;
}

bool
workers_down(struct pool *p, uint64_t ref)
{
	struct worker *w = monitored(p->others.first, ref);

	if (w == NULL)
		w = monitored(p->free.first, ref);
	if (w == NULL)
		return false;
	w->monitor = 0;
	worker_free(p, w);
	workers_balance(p);
	return true;
}

void
workers_done(struct pool *p)
{
	while (p->free.first != NULL)
		worker_free(p, p->free.first);
	while (p->others.first != NULL)
		worker_free(p, p->others.first);
}

/* --- the beginning of the pool: nobody is served yet --- */

/* Ask until some engine answers. */
static int
ask_now(struct pool *p, const char *text, char **reply, size_t *len)
{
	int rc;

	for (;;) {
		rc = otp_call(p->self, "otpd", text, strlen(text),
		    OTP_INFINITY, reply, len);
		if (rc == 0 || rc == -OTP_EREFUSED || rc == -OTP_EREMOTE ||
		    rc == -ENOMEM)
			return rc;
		(void)poll(NULL, 0, AGAIN_MS);
	}
}

/* Whoever has borrowed these is not known any more. */
static const char *
end_others(struct pool *p)
{
	static const char key[] = "\"id\":\"";
	char text[REQUEST_MAX], *reply = NULL, *id, *end;
	size_t len;

	(void)snprintf(text, sizeof(text), "{\"op\":\"which_children\","
	    "\"sup\":\"%s\"}", p->sup);
	if (ask_now(p, text, &reply, &len) < 0)
		return "{start_failed,otpd}";
	if (is_over((struct span){ reply, len })) {
		free(reply);
		return "shutdown";
	}
	for (id = strstr(reply, key); id != NULL; id = strstr(end, key)) {
		char *ended = NULL;

		id += sizeof(key) - 1;
		end = id + strcspn(id, "\"");
		(void)snprintf(text, sizeof(text), "{\"op\":"
		    "\"terminate_child\",\"sup\":\"%s\",\"id\":\"%.*s\"}",
		    p->sup, (int)(end - id), id);
		(void)ask_now(p, text, &ended, &len);
		free(ended);
	}
	free(reply);
	return NULL;
}

static const char *
start_one(struct pool *p)
{
	struct worker *w = worker_new(p, WORKER_STARTING);
	char text[REQUEST_MAX], *reply = NULL;
	const char *reason = NULL;
	struct span all;
	size_t len = 0;

	if (w == NULL)
		return "{start_failed,memory}";
	(void)snprintf(text, sizeof(text), "{\"op\":\"start_child\","
	    "\"sup\":\"%s\",\"spec\":{\"id\":\"%llu\"}}", p->sup,
	    (unsigned long long)w->id);
	if (otp_call(p->self, "otpd", text, strlen(text), OTP_INFINITY,
	    &reply, &len) < 0) {
		/* The engine died over it: begin it from nothing. */
		worker_free(p, w);
		reason = end_others(p);
		while (p->free.first != NULL)
			worker_free(p, p->free.first);
		return reason;
	}
	all = (struct span){ reply, len };
	if (is(all, "result", "started")) {
		began(p, w);
	} else {
		reason_of(all, p->reason);
		reason = p->reason;
	}
	free(reply);
	return reason;
}

const char *
workers_begin(struct pool *p)
{
	const char *reason = end_others(p);

	if (reason == NULL &&
	    otp_monitor(p->self, p->sup, &p->sup_monitor) < 0)
		reason = "{start_failed,monitor}";
	while (reason == NULL && p->nfree < p->size)
		reason = start_one(p);
	return reason;
}
