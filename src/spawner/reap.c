/* SPDX-License-Identifier: ISC */
/*
 * Reaping.  A SIGCHLD names one death and swallows those that happen while it
 * is pending, and asking the kernel for any dead child costs a walk over all
 * of them; so the named one is reaped at once and the others are looked for
 * slot by slot, a part a turn, when nothing else is urgent.  A child's process
 * group is killed while the child is still a zombie, for until then nobody
 * else can have its number.  An end is told when the group has gone.
 */
#include "spawner/reap.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner/adopted.h"
#include "spawner/keeper.h"
#include "spawner/linger.h"
#include "spawner/programs.h"
#include "spawner/upgrade.h"
#include "spawner/watchdog.h"

#define SIGNALS_TURN	16	/* read at once */
#define SMALL		256	/* so few children are all looked at at once */
#define SLOTS_TURN	64	/* looked at in a turn otherwise */
#define REAP_TURN	256	/* strangers reaped in a turn */
#define SWEEP_AFTER	(1 * MS)
#define SWEEP_YIELDS	(1 * MS)	/* to whatever else there is to do */
#define REST_PER_CHILD	2000	/* ns, between passes: eight times the work */
#define STRANGERS_AFTER	(100 * MS)

static void
reaped(struct spawner *sp, int pid, int status)
{
	struct child *c = table_by_pid(&sp->table, pid);

	if (c != NULL)
		table_ended(&sp->table, c, status, now_ns());
	else if (pid == sp->engine->pid)
		program_died(sp, sp->engine, status);
	else if (pid == sp->logger->pid)
		program_died(sp, sp->logger, status);
	else if (pid == sp->carried->keeper)
		keeper_died(sp);
	else if (!upgrade_asked(sp, pid, status))
		sp->carried->reaped_strangers++;
}

/* The first dead child that type and id name, or 0; it stays a zombie. */
static int
find_dead(idtype_t type, id_t id, int *out_status)
{
	siginfo_t si;

	si.si_pid = 0;
	if (waitid(type, id, &si, WEXITED | WNOHANG | WNOWAIT) < 0)
		return 0;
	if (si.si_code == CLD_EXITED)
		*out_status = (si.si_status & 0xff) << 8;
	else
		*out_status = si.si_status |
		    (si.si_code == CLD_DUMPED ? 0x80 : 0);
	return si.si_pid;
}

/* Reaps the dead child that type and id name, if there is one; its record
 * says so first, for the kernel tells it only until then. */
static bool
reap(struct spawner *sp, idtype_t type, id_t id)
{
	struct child *c;
	int pid, status = 0;

	pid = find_dead(type, id, &status);
	if (pid == 0)
		return false;
	c = table_by_pid(&sp->table, pid);
	if (c != NULL)
		(void)kill(-pid, SIGKILL);
	reaped(sp, pid, status);
	if (waitpid(pid, &status, WNOHANG) != pid)
		return false;
	if (c != NULL)
		linger_begin(sp, c);
	return true;
}

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void
sweep_later(struct spawner *sp)
{
	struct sweep *sw = &sp->sweep;

	sw->strangers = true;
	if (!sw->wanted && sw->left == 0)
		sw->due_ns = later(now_ns() + SWEEP_AFTER, sw->rest_ns);
	sw->wanted = true;
}

static void
take_signal(struct spawner *sp, const struct signalfd_siginfo *si)
{
	if (si->ssi_signo == SIGCHLD) {
		(void)reap(sp, P_PID, (id_t)si->ssi_pid);
		return;
	}
	sp->carried->asked |= 1U << si->ssi_signo;
	sp->untold.asked = true;
}

/* At most n slots, from the cursor on. */
static void
sweep_slots(struct spawner *sp, uint32_t n)
{
	struct sweep *sw = &sp->sweep;

	for (; n > 0 && sw->left > 0; n--, sw->left--) {
		struct child *c;

		if (sw->cursor == 0 || sw->cursor >= sp->table.high)
			sw->cursor = 1;
		c = &sp->table.slots[sw->cursor++];
		if (c->state == SPAWN_ALIVE &&
		    reap(sp, P_PID, (id_t)c->pid))
			sw->found++;
	}
}

/* Everybody else: the engine, the logger, and orphans that became ours. */
static bool
sweep_strangers(struct spawner *sp)
{
	int n;

	for (n = 0; n < REAP_TURN; n++)
		if (!reap(sp, P_ALL, 0))
			return true;
	return false;
}

/* All of them, by one walk of the kernel's. */
static void
sweep_at_once(struct spawner *sp, uint64_t now)
{
	struct sweep *sw = &sp->sweep;

	sw->wanted = false;
	sw->left = 0;
	sw->strangers = !sweep_strangers(sp);
	sw->due_ns = sw->strangers ? now : 0;
}

void
reap_signals(struct spawner *sp)
{
	struct signalfd_siginfo si[SIGNALS_TURN];
	bool deaths = false;
	ssize_t n;
	size_t i;

	n = read(sp->signals, si, sizeof(si));
	for (i = 0; n > 0 && i < (size_t)n / sizeof(si[0]); i++) {
		deaths |= si[i].ssi_signo == SIGCHLD;
		take_signal(sp, &si[i]);
	}
	if (deaths)
		watchdog_look(sp);
	/* Those who died together are told together: order is OTP's matter. */
	if (deaths && sp->table.alive <= SMALL)
		sweep_at_once(sp, now_ns());
	else if (deaths)
		sweep_later(sp);
}

/*
 * A pass is over: rest in proportion to the work that the next one will be,
 * unless this one paid; ask for those in no slot once all is quiet.
 */
static void
sweep_rest(struct spawner *sp, uint64_t now)
{
	struct sweep *sw = &sp->sweep;

	if (sw->found * 8 <= sp->table.alive)
		sw->rest_ns = now + (uint64_t)sp->table.alive * REST_PER_CHILD;
	if (sw->wanted)
		sw->due_ns = later(now + SWEEP_AFTER, sw->rest_ns);
	else
		sw->due_ns = sw->strangers ? now + STRANGERS_AFTER : 0;
}

void
reap_sweep(struct spawner *sp, uint64_t now, bool busy)
{
	struct sweep *sw = &sp->sweep;
	uint32_t found;

	if (sw->due_ns == 0 || now < sw->due_ns)
		return;
	if (busy && !sw->pays && now - sw->due_ns < SWEEP_YIELDS)
		return;
	if (sp->table.alive <= SMALL || (sw->left == 0 && !sw->wanted)) {
		sweep_at_once(sp, now);
		return;
	}
	if (sw->left == 0) {
		sw->wanted = false;
		sw->found = 0;
		sw->left = sp->table.high;
	}
	found = sw->found;
	sweep_slots(sp, SLOTS_TURN);
	sw->pays = sw->found > found;
	sw->due_ns = now;
	if (sw->left == 0)
		sweep_rest(sp, now);
}

void
reap_all(struct spawner *sp)
{
	adopted_reap(sp);
	sp->sweep.left = sp->table.high;
	sweep_slots(sp, UINT32_MAX);
	sweep_at_once(sp, now_ns());
}
