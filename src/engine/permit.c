/* SPDX-License-Identifier: ISC */
/*
 * What a worker may ask for over its link.  One that runs as the engine's own
 * user may ask for everything; another may ask questions, use names, give
 * orders about processes of its own user, and start more of them from a
 * template.  Otherwise an unprivileged service could have root's started,
 * stopped or replaced.
 */
#include "engine/permit.h"

#include <string.h>
#include <unistd.h>

#include "engine/worker.h"

static uint32_t
uid_of(const struct service *s)
{
	return s == NULL || s->order == NULL || s->order->uid == SPAWN_KEEP ?
	    (uint32_t)geteuid() : s->order->uid;
}

bool
permit_all(struct engine *e, server_peer peer)
{
	return !worker_is_link(peer) ||
	    uid_of(engine_service(e, worker_slot(peer))) == geteuid();
}

/* Of a process, or of some below a supervisor and of no other user. */
static bool
is_of(struct engine *e, uint32_t top, uint32_t uid)
{
	struct core_child view;
	uint32_t slot, n = 0;

	for (slot = top; slot != CORE_NONE;
	    slot = engine_walk(e, slot, top)) {
		if (!core_view(e->core, slot, 0, &view) ||
		    view.type != CORE_WORKER)
			continue;
		if (uid_of(engine_service(e, slot)) != uid)
			return false;
		n++;
	}
	return n > 0;
}

static uint32_t
uid_of_peer(struct engine *e, server_peer peer)
{
	return uid_of(engine_service(e, worker_slot(peer)));
}

bool
permit_slot(struct engine *e, server_peer peer, uint32_t slot)
{
	return permit_all(e, peer) || is_of(e, slot, uid_of_peer(e, peer));
}

/*
 * Only what a template leaves open: anything else of a specification, such as
 * a file for the output, is opened or set before the user is changed.
 */
static bool
fills_a_template(const cJSON *spec)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, spec)
		if (strcmp(item->string, "id") != 0 &&
		    strcmp(item->string, "args") != 0)
			return false;
	return true;
}

bool
permit_start(struct engine *e, server_peer peer, uint32_t sup,
    const cJSON *spec)
{
	const struct service *from = core_template(e->core, sup);

	return permit_all(e, peer) || (from != NULL &&
	    fills_a_template(spec) && from->order != NULL &&
	    uid_of(from) == uid_of_peer(e, peer));
}

bool
permit_link(struct engine *e, uint32_t slot, uint32_t target)
{
	return permit_slot(e, LINK_PEER | slot, target);
}
