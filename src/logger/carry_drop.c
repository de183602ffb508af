/* SPDX-License-Identifier: ISC */
/*
 * What was dropped and has yet to be said, of each stream that has something:
 * kept in the carry, so that the next logger says it, and once.  Of two copies
 * one counts, and which does is one store.
 */
#include <string.h>

#include "logger/carry_room.h"

static uint32_t
new_drop(struct carry *carry, uint64_t key)
{
	uint32_t i;

	for (i = 1; i < CARRY_DROPS; i++)
		if (carry->drops[i].key == 0)
			break;
	if (i == CARRY_DROPS)
		return 0;	/* a death will not know of it */
	memset(&carry->drops[i], 0, sizeof(carry->drops[i]));
	if (i >= carry->ndrops)
		carry->ndrops = i + 1;
	carry_stored();
	carry->drops[i].key = key;
	return i;
}

void
carry_note_dropped(struct stream *s, uint64_t seq)
{
	struct carry *carry = s->lg->carry->carry;
	struct carry_drop *d;
	uint32_t next;

	if (s->drop == 0)
		s->drop = new_drop(carry, s->key);
	if (s->drop == 0)
		return;
	d = &carry->drops[s->drop];
	next = !d->now;
	d->v[next].seq = seq;
	d->v[next].bytes = s->dropped_bytes;
	d->v[next].lines = s->dropped_lines;
	d->v[next].skip = (s->flags & STREAM_SKIP) != 0;
	carry_stored();
	d->now = next;
	carry_stored();
}

void
carry_forget_said(struct stream *s)
{
	if (s->drop != 0 && s->dropped_bytes == 0 &&
	    (s->flags & STREAM_SKIP) == 0)
		carry_forget(s);
}

void
carry_save(struct stream *s)
{
	if (s->drop != 0)
		carry_note_dropped(s, s->lg->carry->carry->seq);
	carry_forget_said(s);
}

void
carry_find_dropped(struct stream *s)
{
	const struct carry *carry = s->lg->carry->carry;
	const struct carry_drop *d;
	uint32_t i;

	for (i = 1; i < carry->ndrops && i < CARRY_DROPS; i++)
		if (carry->drops[i].key == s->key)
			break;
	if (i >= carry->ndrops || i >= CARRY_DROPS)
		return;
	d = &carry->drops[i];
	s->drop = i;
	s->dropped_bytes = d->v[d->now & 1].bytes;
	s->dropped_lines = d->v[d->now & 1].lines;
	if (d->v[d->now & 1].skip)
		s->flags |= STREAM_SKIP;
}

void
carry_forget(struct stream *s)
{
	struct carry *carry = s->lg->carry->carry;

	if (s->drop != 0)
		carry->drops[s->drop].key = 0;
	s->drop = 0;
	carry_stored();
	while (carry->ndrops > 1 && carry->drops[carry->ndrops - 1].key == 0)
		carry->ndrops--;
}
