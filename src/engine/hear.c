/* SPDX-License-Identifier: ISC */
/*
 * Reading the links.  What is read stays in the socket until what follows from
 * it is committed: an engine that dies over it leaves it to the next.  Between
 * that commit and the taking, the tags tell what was heard already; they are
 * saved with whatever else is, for what changes nothing may be heard twice.
 */
#include "engine/worker.h"

#include <errno.h>
#include <stdlib.h>

#include "libotp/peer.h"

#define HEARD_AHEAD	0x2000	/* of what is saved: tags are 16 bits */

/* Again, from a worker that counts: an engine before had committed it. */
static bool
is_known(struct child *c, const struct frame_header *h)
{
	if (h->tag == 0 || (h->type != FRAME_CALL && h->type != FRAME_CAST))
		return false;
	if (c->worker->repeats && (int16_t)(h->tag - c->heard) <= 0)
		return true;
	c->worker->repeats = false;
	c->heard = h->tag;
	if ((uint16_t)(c->heard - c->worker->saved) > HEARD_AHEAD)
		engine_save_child(c->worker->engine, c->worker->slot);
	return false;
}

static void
said(struct engine *e, uint32_t slot, const struct frame_header *h,
    const void *payload)
{
	if (is_known(engine_child(e, slot), h))
		return;
	if (h->type == FRAME_CALL)
		engine_call(e, LINK_PEER | slot, h, payload, 0);
	else if (h->type == FRAME_CAST)
		engine_cast(e, slot, payload, h->length);
}

static void
note_read(struct worker *w)
{
	struct engine *e = w->engine;

	if (w->read)
		return;
	w->read = true;
	e->heard = xgrow(e->heard, &e->heard_cap, e->nheard,
	    sizeof(*e->heard));
	e->heard[e->nheard++] = w->slot;
}

void
workers_save_heard(struct engine *e)
{
	for (uint32_t i = 0; i < e->nheard; i++) {
		struct child *c = engine_child(e, e->heard[i]);

		if (c->worker == NULL || c->worker->saved == c->heard)
			continue;
		c->worker->saved = c->heard;
		engine_save_child(e, e->heard[i]);
	}
}

void
workers_heard(struct engine *e)
{
	while (e->nheard > 0) {
		struct child *c = engine_child(e, e->heard[--e->nheard]);

		if (c->worker == NULL)
			continue;
		c->worker->read = false;
		if (c->worker->link != NULL)
			peer_take(c->worker->link);
	}
}

/* Short of memory, as everywhere: the next engine finds it in the socket. */
static int
or_abort(int rc)
{
	if (rc == -ENOMEM)
		abort();
	return rc;
}

bool
worker_hear(struct engine *e, uint32_t slot)
{
	struct worker *w = engine_child(e, slot)->worker;
	struct frame_header h;
	const void *payload;
	int rc;

	note_read(w);
	rc = or_abort(peer_read(w->link));
	if (rc <= 0)
		return rc == 0;
	while (w->link != NULL &&
	    (rc = or_abort(peer_next(w->link, &h, &payload))) > 0)
		said(e, slot, &h, payload);
	return rc >= 0;		/* 1: it was closed over what it said */
}

void
worker_drain(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	struct worker *w = c->worker;
	struct frame_header h;
	const void *payload;

	if (w == NULL)
		return;
	while (w->link != NULL && or_abort(peer_read(w->link)) == 1)
		while (w->link != NULL &&
		    or_abort(peer_next(w->link, &h, &payload)) > 0)
			said(e, slot, &h, payload);
}
