/* SPDX-License-Identifier: ISC */
/*
 * Waiting for the rest of a process group.  SIGKILL has been sent, but a
 * process dies when it runs next: it may hold a port, or a lock, for a moment
 * longer.  Nothing is written down about it: whoever goes on after us looks
 * again.  No wait is longer than GONE_WITHIN, for a process that the kernel
 * cannot end must not keep its service down.  A zombie is of its group until
 * somebody reaps it: with whoever has to, if not we, the patience is shorter.
 */
#include "spawner/linger.h"

#include <errno.h>
#include <signal.h>

#define GONE_WITHIN	(1000 * MS)
#define REAPED_WITHIN	(100 * MS)
#define LOOK_AFTER	(1 * MS)
#define REST_PER_GROUP	2000	/* ns, between looks: ten times the work */

static bool
group_is_there(int pid)
{
	return kill(-pid, 0) == 0 || errno != ESRCH;
}

/* Go through them in order; whoever is not waited for any longer is told. */
static void
look(struct spawner *sp, uint64_t now)
{
	struct lingering *l = &sp->linger;
	uint32_t i, left = 0;

	for (i = 0; i < l->n; i++) {
		struct ending e = l->of[i];
		struct child *c = table_by_inc(&sp->table, e.inc);

		if (c == NULL)
			continue;
		if (now < e.until_ns && group_is_there(e.pid))
			l->of[left++] = e;
		else
			table_dirty(&sp->table, c);
	}
	l->n = left;
	l->due_ns = left == 0 ? 0 : now + LOOK_AFTER + left * REST_PER_GROUP;
}

void
linger_begin(struct spawner *sp, struct child *c)
{
	struct lingering *l = &sp->linger;
	uint64_t now;

	if (!group_is_there(c->pid))
		return;
	now = now_ns();
	if (l->n == TABLE_SLOTS)	/* some of them have no record any more */
		look(sp, now);
	l->of[l->n++] = (struct ending){ .inc = c->inc, .pid = c->pid,
	    .until_ns = now + (kill(c->pid, 0) < 0 ? GONE_WITHIN :
	    REAPED_WITHIN) };
	if (l->due_ns == 0)
		l->due_ns = now + LOOK_AFTER;
	table_clean(&sp->table, c);
}

void
linger_tick(struct spawner *sp, uint64_t now)
{
	if (sp->linger.n > 0 && now >= sp->linger.due_ns)
		look(sp, now);
}

void
linger_clear(struct spawner *sp)
{
	sp->linger.n = 0;
	sp->linger.due_ns = 0;
}
