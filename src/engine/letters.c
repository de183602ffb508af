/* SPDX-License-Identifier: ISC */
/*
 * What a worker must be told whatever happens: DOWN, and exit signals over
 * links.  What they tell of is forgotten with the commit, and an engine may die
 * between that and their leaving it; so they are committed, too, and kept until
 * the kernel has them.  The next engine sends them again, and a worker drops
 * what it has had already: a DOWN by the ref, an EXIT by the number.
 */
#include "engine/save.h"

#include <stdlib.h>
#include <string.h>

#include "engine/worker.h"
#include "libotp/peer.h"

struct letter {
	struct letter	*next;
	uint64_t	 number;	/* its key in the snapshot */
	struct frame_header h;
	char		 payload[];
};

static void
save(struct engine *e, uint64_t inc, const struct letter *l)
{
	struct letter_record r = { .inc = inc, .ref = l->h.ref,
	    .type = l->h.type };
	struct out o = { 0 };

	out_bytes(&o, &r, sizeof(r));
	out_bytes(&o, l->payload, l->h.length);
	store_put(e->store, STORE_LETTER, l->number, o.text, o.len);
	out_done(&o);
	e->changed = true;
}

static struct letter *
add(struct engine *e, uint32_t slot, uint64_t number,
    const struct frame_header *h, const char *payload)
{
	struct letter *l = xcalloc(1, sizeof(*l) + h->length);
	struct worker *w = engine_child(e, slot)->worker;

	l->number = number;
	l->h = *h;
	memcpy(l->payload, payload, h->length);
	if (w->letters == NULL)
		w->letters_end = &w->letters;
	*w->letters_end = l;
	w->letters_end = &l->next;
	return l;
}

bool
letter_send(struct engine *e, uint32_t slot, struct frame_header h,
    const char *payload)
{
	struct child *c = engine_child(e, slot);
	uint64_t number = ++e->next_letter;

	if (c->worker == NULL || c->worker->link == NULL)
		return false;
	if (h.type == FRAME_EXIT)
		h.ref = number;
	if (!worker_put(e, slot, &h, payload))
		return false;
	save(e, c->inc, add(e, slot, number, &h, payload));
	return true;
}

void
letters_gone(struct engine *e, uint32_t slot)
{
	struct worker *w = engine_child(e, slot)->worker;
	struct letter *l;

	while (w != NULL && (l = w->letters) != NULL) {
		w->letters = l->next;
		store_put(e->store, STORE_LETTER, l->number, "", 0);
		e->changed = true;
		free(l);
	}
}

void
letters_resume(struct engine *e, uint32_t slot)
{
	struct worker *w = engine_child(e, slot)->worker;

	for (struct letter *l = w->letters; l != NULL; l = l->next)
		if (!worker_put(e, slot, &l->h, l->payload))
			return;
}

void
letters_save_all(struct engine *e)
{
	for (uint32_t slot = 0; slot < e->children_cap; slot++) {
		const struct child *c = &e->children[slot];

		if (c->worker == NULL)
			continue;
		for (struct letter *l = c->worker->letters; l != NULL;
		    l = l->next)
			save(e, c->inc, l);
	}
}

void
letter_restore(struct engine *e, uint64_t number, const char *record,
    size_t len)
{
	struct frame_header h = { 0 };
	struct letter_record r;
	uint32_t slot;

	if (len < sizeof(r))
		return;
	memcpy(&r, record, sizeof(r));
	slot = engine_slot_of(e, r.inc);
	if (slot == CORE_NONE) {
		store_put(e->store, STORE_LETTER, number, "", 0);
		return;
	}
	h.type = (uint8_t)r.type;
	h.ref = r.ref;
	h.length = (uint32_t)(len - sizeof(r));
	worker_make(e, slot);
	(void)add(e, slot, number, &h, record + sizeof(r));
}
