/* SPDX-License-Identifier: ISC */
/*
 * Who holds which worker, and who waits for one.
 */
#include <stdlib.h>
#include <string.h>

#include "workers/pool/pool.h"

/* --- holders, by their connection --- */

static struct holder **
find(struct pool *p, uint64_t peer)
{
	struct holder **at;

	/* The slot, in its low bits, tells those apart who are connected. */
	at = &p->bucket[(peer ^ peer >> 32) & (p->nbuckets - 1)];
	while (*at != NULL && (*at)->peer != peer)
		at = &(*at)->next;
	return at;
}

static bool
grow(struct pool *p)
{
	uint32_t n = p->nbuckets == 0 ? 64 : p->nbuckets * 2;
	uint32_t before = p->nbuckets;
	struct holder **old = p->bucket, *h, *next;

	if (p->nholders < p->nbuckets)
		return true;
	p->bucket = calloc(n, sizeof(*p->bucket));
	if (p->bucket == NULL) {
		p->bucket = old;
		return before > 0;
	}
	p->nbuckets = n;
	for (uint32_t i = 0; i < before; i++)
		for (h = old[i]; h != NULL; h = next) {
			struct holder **at = find(p, h->peer);

			next = h->next;
			h->next = *at;
			*at = h;
		}
	free(old);
	return true;
}

/* Watched from its first request to the end of its connection. */
static struct holder *
holder_of(struct pool *p, struct otp_from from)
{
	struct holder *h, **at;

	if (!grow(p))
		return NULL;
	at = find(p, from.peer);
	if (*at != NULL)
		return *at;
	h = calloc(1, sizeof(*h));
	if (h == NULL ||
	    otp_monitor_caller(p->self, from, &h->monitor) < 0) {
		free(h);
		return NULL;
	}
	h->peer = from.peer;
	(void)otp_caller_pid(p->self, from, &h->pid);
	*at = h;
	p->nholders++;
	return h;
}

static struct holder *
holder_find(struct pool *p, uint64_t peer)
{
	return p->nbuckets == 0 ? NULL : *find(p, peer);
}

/* --- the queue --- */

static void
leave_queue(struct pool *p, struct waiter *q)
{
	if (q->prev != NULL)
		q->prev->next = q->next;
	else
		p->waits = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	else
		p->last_wait = q->prev;
	q->holder->nwaits--;
	p->nwaits--;
	free(q);
}

static bool
join_queue(struct pool *p, struct holder *h, struct otp_from from,
    uint64_t loan)
{
	struct waiter *q = p->nwaits < POOL_WAITING_MAX ?
	    calloc(1, sizeof(*q)) : NULL;

	if (q == NULL)
		return false;
	q->holder = h;
	q->from = from;
	q->loan = loan;
	q->prev = p->last_wait;
	if (q->prev != NULL)
		q->prev->next = q;
	else
		p->waits = q;
	p->last_wait = q;
	h->nwaits++;
	p->nwaits++;
	return true;
}

/* --- loans --- */

static void
lend(struct pool *p, struct worker *w, struct holder *h, struct otp_from from,
    uint64_t loan)
{
	worker_move(p, w, WORKER_HELD);
	w->holder = h;
	w->loan = loan;
	w->next_held = h->held;
	h->held = w;
	(void)otp_replyf(p->self, from, "{\"worker\":\"%s\"}", w->path);
}

void
loan_forget(struct worker *w)
{
	struct worker **at;

	if (w->holder == NULL)
		return;
	for (at = &w->holder->held; *at != w; at = &(*at)->next_held)
		;
	*at = w->next_held;
	w->holder = NULL;
	w->next_held = NULL;
	w->loan = 0;
}

void
loan_offer(struct pool *p, struct worker *w)
{
	struct waiter *q = p->waits;

	loan_forget(w);
	if (q != NULL) {
		lend(p, w, q->holder, q->from, q->loan);
		leave_queue(p, q);
	} else if (workers_live(p) > p->size) {
		worker_stop(p, w);
	} else {
		worker_move(p, w, WORKER_FREE);
	}
}

static void
refuse(struct pool *p, struct otp_from from, const char *error)
{
	(void)otp_replyf(p->self, from, "{\"error\":\"%s\",\"message\":\"%s\"}",
	    error, strcmp(error, "full") == 0 ? "no worker is free" :
	    "too many wait for a worker");
}

/*
 * Free ones first.  Else everybody joins the queue for whom one is started or
 * may come back; who does not want to wait for that is told that it is full.
 */
void
loan_checkout(struct pool *p, struct otp_from from, uint64_t loan, bool block)
{
	struct holder *h = holder_of(p, from);
	struct worker *w = p->free.first;

	if (h == NULL) {
		refuse(p, from, "busy");
	} else if (w != NULL && p->waits == NULL) {
		lend(p, w, h, from, loan);
	} else if (!block && p->nwaits >= p->ncoming &&
	    workers_live(p) >= p->size + p->max_overflow) {
		refuse(p, from, "full");
	} else if (!join_queue(p, h, from, loan)) {
		refuse(p, from, "busy");
	} else {
		workers_balance(p);
	}
}

void
loan_checkin(struct pool *p, uint64_t peer, const char *path)
{
	struct holder *h = holder_find(p, peer);
	struct worker *w = h != NULL ? h->held : NULL;

	while (w != NULL && strcmp(w->path, path) != 0)
		w = w->next_held;
	if (w != NULL)
		loan_offer(p, w);
}

void
loan_cancel(struct pool *p, uint64_t peer, uint64_t loan)
{
	struct holder *h = holder_find(p, peer);
	struct worker *w;
	struct waiter *q;

	if (h == NULL || loan == 0)
		return;
	for (q = p->waits; q != NULL; q = q->next)
		if (q->holder == h && q->loan == loan) {
			leave_queue(p, q);
			return;
		}
	for (w = h->held; w != NULL; w = w->next_held)
		if (w->loan == loan) {
			loan_offer(p, w);
			return;
		}
}

/* The queue first: nothing of his may go to himself. */
static void
holder_end(struct pool *p, struct holder **at)
{
	struct waiter *q, *next;
	struct holder *h = *at;

	for (q = p->waits; q != NULL && h->nwaits > 0; q = next) {
		next = q->next;
		if (q->holder == h)
			leave_queue(p, q);
	}
	*at = h->next;
	p->nholders--;
	while (h->held != NULL)
		loan_offer(p, h->held);
	free(h);
}

bool
loan_holder_down(struct pool *p, uint64_t ref)
{
	for (uint32_t i = 0; i < p->nbuckets; i++)
		for (struct holder **at = &p->bucket[i]; *at != NULL;
		    at = &(*at)->next)
			if ((*at)->monitor == ref) {
				holder_end(p, at);
				return true;
			}
	return false;
}

bool
loan_refuse_last(struct pool *p, const char *reason)
{
	struct waiter *q = p->last_wait;

	if (q == NULL)
		return false;
	(void)otp_replyf(p->self, q->from, "{\"error\":\"start_failed\","
	    "\"message\":\"a worker could not be started\",\"reason\":%s}",
	    reason);
	leave_queue(p, q);
	return true;
}

void
loan_done(struct pool *p)
{
	struct holder *h;

	while (p->waits != NULL)
		leave_queue(p, p->waits);
	for (uint32_t i = 0; i < p->nbuckets; i++)
		while ((h = p->bucket[i]) != NULL) {
			p->bucket[i] = h->next;
			free(h);
		}
	free(p->bucket);
}
