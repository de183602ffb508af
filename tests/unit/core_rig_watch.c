/* SPDX-License-Identifier: ISC */
/*
 * Watches the restarts of every supervisor with a memory of its own: none may
 * go beyond its intensity without giving up, nor give up below it.
 */
#include "core_rig_priv.h"

static unsigned
recent(const struct rig_watch *w, uint64_t now, uint32_t period_ms)
{
	unsigned i, n = 0;

	for (i = 0; i < w->n; i++)
		n += now - w->at_ms[i] <= period_ms;
	return n;
}

void
rig_watch(struct rig *r, const struct core_action *a)
{
	struct rig_watch *w;
	struct core_child v;

	if (a->slot >= RIG_MANY || !core_view(r->core, a->slot, r->now, &v) ||
	    v.type != CORE_SUPERVISOR || v.max_restarts == CORE_INFINITY)
		return;
	w = &r->watches[a->slot];
	if (a->tell == CORE_TELL_READY) {
		*w = (struct rig_watch){ .n = 0 };	/* another life */
	} else if (w->blind) {
		return;
	} else if (a->tell == CORE_TELL_RESTARTING) {
		if (w->n == RIG_MANY)
			w->n = 0;
		w->at_ms[w->n++] = r->now;
		if (recent(w, r->now, v.period_ms) > v.max_restarts)
			rig_say(r, "FAULT: %s is over its limit", v.id);
	} else if (a->tell == CORE_TELL_GAVE_UP) {
		if (recent(w, r->now, v.period_ms) + 1 <= v.max_restarts)
			rig_say(r, "FAULT: %s gave up early", v.id);
	}
}
