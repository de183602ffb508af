/* SPDX-License-Identifier: ISC */
/*
 * Requests that wait in the engine.  How many may, and how large they may be
 * in all: who asks faster than can be answered must not take the memory that
 * every service depends on.  What is answered at once is never refused here.
 */
#include <stdlib.h>

#include "engine/apps.h"
#include "engine/control.h"

/* How many wait, and how many of them are of this caller. */
static uint32_t
count(const struct engine *e, server_peer peer, uint32_t *out_own)
{
	uint32_t n = e->nwaiters;

	*out_own = 0;
	for (uint32_t i = 0; i < e->nwaiters; i++)
		*out_own += e->waiters[i].peer == peer;
	for (uint32_t i = 0; i < e->nrequests; i++) {
		n += e->requests[i].id != 0;
		*out_own += e->requests[i].id != 0 &&
		    e->requests[i].peer == peer;
	}
	return n;
}

bool
control_may_wait(struct engine *e, const struct caller *c)
{
	uint32_t own;

	if (e->waiting_bytes + c->len > WAITING_BYTES_MAX) {
		control_refuse(e, c, "full", "the requests that wait for an "
		    "answer have %u MiB already, the most that they may",
		    WAITING_BYTES_MAX / 1024 / 1024);
		return false;
	}
	if (e->nwaiters + e->nrequests < WAITING_OWN_MAX)
		return true;
	if (count(e, c->peer, &own) >= WAITING_MAX) {
		control_refuse(e, c, "full", "%u requests wait for an answer "
		    "already, the most that may", WAITING_MAX);
		return false;
	}
	if (own >= WAITING_OWN_MAX)
		control_refuse(e, c, "full", "%u requests of this caller wait "
		    "for an answer already, the most that may",
		    WAITING_OWN_MAX);
	return own < WAITING_OWN_MAX;
}

bool
control_may_plan(struct engine *e, const struct caller *c)
{
	if (e->nplans < PLANS_MAX)
		return true;
	control_refuse(e, c, "full", "%u starts of applications are under way "
	    "already, the most that may", PLANS_MAX);
	return false;
}

static bool
waits(const struct engine *e, server_peer peer, uint64_t ref)
{
	for (uint32_t i = 0; i < e->nrequests; i++)
		if (e->requests[i].id != 0 && e->requests[i].peer == peer &&
		    e->requests[i].ref == ref)
			return true;
	for (uint32_t i = 0; i < e->nwaiters; i++)
		if (e->waiters[i].peer == peer && e->waiters[i].ref == ref)
			return true;
	return apps_awaited(e, peer, ref);
}

/*
 * {"refs": [...]} of the caller: those that this engine has and will answer.
 * Asked by a worker that finds itself with another engine: what it said before
 * this question was read by this one, or by one that is dead.
 */
void
op_waits(struct engine *e, const struct caller *c)
{
	const cJSON *refs = cJSON_GetObjectItemCaseSensitive(c->request,
	    "refs"), *item;
	struct out o = { 0 };
	const char *text;

	out_text(&o, "{\"waits\":[");
	cJSON_ArrayForEach(item, refs) {
		text = cJSON_GetStringValue(item);
		if (text == NULL || !waits(e, c->peer,
		    strtoull(text, NULL, 10)))
			continue;
		out_comma(&o);
		out_string(&o, text);
	}
	out_text(&o, "]}");
	engine_reply(e, c->peer, c->ref, &o);
}
