/* SPDX-License-Identifier: ISC */
/*
 * The engine and the logger are watched without a timer while all is well.
 * One that is stopped the kernel tells of; somebody may look at it, so it is
 * given a while, then continued.  One that hangs is found by what the engine
 * owes: its HELLO, and an answer to every end and every signal that it was
 * told.  It must never take an engine that has nothing to do for a dead one.
 */
#include "spawner/watchdog.h"

#include <signal.h>
#include <sys/wait.h>

#include "spawner/programs.h"
#include "spawner/say.h"

#define STOPPED_FOR	(5000 * MS)	/* then it is continued */
#define SILENT_FOR	(30000 * MS)	/* while it owes an answer */

void
watchdog_trouble(struct spawner *sp, enum spawn_trouble_kind kind, int error)
{
	sp->watch.trouble[kind].count++;
	sp->watch.trouble[kind].error = error;
}

/* A signal may have been swallowed by another: only the kernel knows. */
static void
look(const struct program *p, uint64_t *since)
{
	siginfo_t si;

	si.si_pid = 0;
	if (p->pid == 0 || waitid(P_PID, (id_t)p->pid, &si,
	    WSTOPPED | WCONTINUED | WNOHANG) < 0 || si.si_pid == 0)
		return;
	*since = si.si_code == CLD_STOPPED ? now_ns() : 0;
}

void
watchdog_look(struct spawner *sp)
{
	look(sp->engine, &sp->watch.stopped_ns[0]);
	look(sp->logger, &sp->watch.stopped_ns[1]);
}

void
watchdog_begin(struct spawner *sp, const struct program *p)
{
	sp->watch.stopped_ns[p == sp->logger] = 0;
	if (p == sp->engine) {
		sp->watch.owing_ns = 0;
		sp->watch.killed = false;
	}
}

void
watchdog_heard(struct spawner *sp)
{
	sp->watch.owing_ns = 0;
}

/* One that holds answers nobody. */
static bool
owes(const struct spawner *sp)
{
	return sp->engine->pid != 0 && program_rung(sp->engine) !=
	    SPAWN_RUNG_HOLD && (!sp->untold.hello || sp->carried->asked != 0 ||
	    sp->table.used > sp->table.alive);
}

static void
go_on(struct spawner *sp, const struct program *p, uint64_t now)
{
	uint64_t *since = &sp->watch.stopped_ns[p == sp->logger];

	if (p->pid == 0 || *since == 0 || now - *since < STOPPED_FOR)
		return;
	SAY(sp->err, "the ", p->name, " was stopped; continuing it");
	*since = 0;
	watchdog_trouble(sp, p == sp->engine ? SPAWN_T_ENGINE_STOPPED :
	    SPAWN_T_LOGGER_STOPPED, 0);
	(void)kill(p->pid, SIGCONT);
}

void
watchdog_tick(struct spawner *sp, uint64_t now)
{
	struct watch *w = &sp->watch;

	go_on(sp, sp->engine, now);
	go_on(sp, sp->logger, now);
	if (!owes(sp)) {
		w->owing_ns = 0;
	} else if (w->owing_ns == 0) {
		w->owing_ns = now;
	} else if (now - w->owing_ns >= SILENT_FOR && !w->killed) {
		SAY(sp->err, "the engine does not answer: killing it");
		w->killed = w->hung = true;
		(void)kill(sp->engine->pid, SIGKILL);
	}
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

uint64_t
watchdog_due(const struct spawner *sp)
{
	const struct watch *w = &sp->watch;
	uint64_t at = 0;

	if (sp->engine->pid != 0 && w->stopped_ns[0] != 0)
		at = w->stopped_ns[0] + STOPPED_FOR;
	if (sp->logger->pid != 0 && w->stopped_ns[1] != 0)
		at = sooner(at, w->stopped_ns[1] + STOPPED_FOR);
	if (w->owing_ns != 0 && !w->killed)
		at = sooner(at, w->owing_ns + SILENT_FOR);
	return at;
}
