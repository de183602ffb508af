/* SPDX-License-Identifier: ISC */
/*
 * A supervisor's mailbox: strictly first come, first served.  The messages
 * are part of what they are about, so nothing is allocated to post one.
 */
#include <assert.h>

#include "core/parts.h"

static void
link_after(struct sup *s, struct msg *prev, struct msg *m)
{
	m->prev = prev;
	m->next = prev != NULL ? prev->next : s->head;
	if (m->next != NULL)
		m->next->prev = m;
	else
		s->tail = m;
	if (prev != NULL)
		prev->next = m;
	else
		s->head = m;
	m->queued = true;
}

void
mbox_post(struct core *c, struct sup *s, struct msg *m)
{
	if (m->queued)
		return;
	m->seq = c->next_seq++;
	link_after(s, s->tail, m);
	sup_wake(c, s);
}

void
mbox_insert(struct sup *s, struct msg *m)
{
	struct msg *prev = s->tail;

	while (prev != NULL && prev->seq > m->seq)
		prev = prev->prev;
	link_after(s, prev, m);
}

void
mbox_remove(struct sup *s, struct msg *m)
{
	assert(m->queued);
	if (m->prev != NULL)
		m->prev->next = m->next;
	else
		s->head = m->next;
	if (m->next != NULL)
		m->next->prev = m->prev;
	else
		s->tail = m->prev;
	m->prev = m->next = NULL;
	m->queued = false;
}

struct msg *
mbox_take(struct sup *s)
{
	struct msg *m = s->head;

	if (m != NULL)
		mbox_remove(s, m);
	return m;
}

/* Its owner has ended: callers hear so, the rest no longer matters. */
void
mbox_close(struct core *c, struct sup *s)
{
	struct msg *m;

	reload_over(c, s);
	while ((m = mbox_take(s)) != NULL)
		if (m->kind == MSG_CALL)
			call_refuse(c, (struct call *)m, CORE_E_NOPROC);
}
