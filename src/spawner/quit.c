/* SPDX-License-Identifier: ISC */
/*
 * Leaving.  The engine has stopped the tree; what still runs, orphans of
 * services included, is killed, then the logger writes what it has.  Every
 * step waits for deaths, and for a bounded time.
 */
#include "spawner/quit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "spawner/adopted.h"
#include "spawner/channel.h"
#include "spawner/say.h"

#define PATIENCE	(3000 * MS)	/* with children, then the logger */
#define PATIENCE_ENGINE	(1000 * MS)	/* it has only to exit */

void
quit_begin(struct spawner *sp, int code)
{
	uint32_t i;

	if (sp->quit.phase != QUIT_NOT)
		return;
	sp->carried->quitting = 1 + (uint32_t)code;
	sp->quit.phase = QUIT_KILL;
	sp->quit.code = code;
	sp->quit.deadline_ns = now_ns() + PATIENCE;
	for (i = 1; i < sp->table.high; i++)
		if (sp->table.slots[i].state == SPAWN_ALIVE)
			child_signal(&sp->table.slots[i], SIGKILL, true);
}

/* The kernel's list cannot name anybody else's, since nobody but us reaps
 * them. */
bool
quit_kill_children(const struct spawner *sp)
{
	int engine = sp != NULL ? sp->engine->pid : 0;
	int logger = sp != NULL ? sp->logger->pid : 0;
	int keeper = sp != NULL ? sp->carried->keeper : 0;
	char buf[1024];
	ssize_t i, n;
	int fd, pid = 0;
	bool any = false;

	fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sp != NULL && sp->table.alive > 0;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = pid * 10 + (buf[i] - '0');
				continue;
			}
			if (pid > 1 && pid != engine && pid != logger &&
			    pid != keeper) {
				(void)kill(pid, SIGKILL);
				any = true;
			}
			pid = 0;
		}
	}
	(void)close(fd);
	return any;
}

/* It has ended; or it does not, though it was killed. */
static bool
is_over(struct spawner *sp, const struct program *p, uint64_t now)
{
	struct quitting *q = &sp->quit;

	if (p->pid != 0 && now < q->deadline_ns)
		return false;
	if (p->pid != 0 && !q->killed) {
		(void)kill(p->pid, SIGKILL);
		q->killed = true;
		q->deadline_ns = now + PATIENCE_ENGINE;
		return false;
	}
	q->killed = false;
	return true;
}

static void
say_unread(const struct spawner *sp)
{
	uint32_t n = held_unread(&sp->held);
	char number[SAY_NUMBER];

	if (n > 0)
		SAY(sp->err, "there was no logger at the end: what ",
		    say_number((long)n, number), n == 1 ? " service wrote last "
		    "is in no log" : " services wrote last is in no log");
}

void
quit_tick(struct spawner *sp, uint64_t now)
{
	struct quitting *q = &sp->quit;

	if (q->phase == QUIT_KILL) {
		if ((quit_kill_children(sp) || adopted_any(sp)) &&
		    now < q->deadline_ns)
			return;
		q->phase = QUIT_FINISH;
		q->finish = true;
		q->deadline_ns = now + PATIENCE;
	}
	if (q->phase == QUIT_FINISH) {
		if (!is_over(sp, sp->logger, now))
			return;
		say_unread(sp);
		channel_close(sp->engine);
		q->phase = QUIT_ENGINE;
		q->deadline_ns = now + PATIENCE_ENGINE;
	}
	if (q->phase == QUIT_ENGINE) {
		if (is_over(sp, sp->engine, now))
			q->phase = QUIT_DONE;
	}
}
