/* SPDX-License-Identifier: ISC */
/*
 * Making the keeper, and its sleep.  It is a clone of otpd with memory of its
 * own, which it hardly touches, and otpd's table of descriptors, not a copy:
 * whatever otpd opens or closes later, the keeper has or has not.
 */
#include "spawner/keeper.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner/crash.h"
#include "spawner/process.h"
#include "spawner/say.h"

#define AGAIN_AFTER	(1000 * MS)

/* As fork(2), but for the descriptors. */
static int
clone_sharing_files(void)
{
	unsigned long flags = CLONE_FILES | SIGCHLD;

#ifdef __s390x__
	return (int)syscall(SYS_clone, 0UL, flags, 0UL, 0UL, 0UL);
#else
	return (int)syscall(SYS_clone, flags, 0UL, 0UL, 0UL, 0UL);
#endif
}

/*
 * While one is replaced there are two for a moment, and what they share can
 * have one master only: the one that the manifest names, or, where it names
 * none, who comes first.
 */
static bool
is_the_one(struct spawner *sp)
{
	int32_t named = 0, self = getpid();

	return __atomic_compare_exchange_n(&sp->carried->keeper, &named, self,
	    false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) || named == self;
}

static void __attribute__((noreturn))
sleep_until_death(struct spawner *sp)
{
	struct sigaction none = { .sa_handler = SIG_DFL };
	const int *sig;

	for (sig = crash_signals; *sig != 0; sig++)
		(void)sigaction(*sig, &none, NULL);
	(void)prctl(PR_SET_NAME, "otpd-keeper");
	(void)setsid();
	while (!process_ended(sp->self, -1))
		;
	if (!is_the_one(sp))
		_exit(0);
	keep(sp);
}

static bool
wanted(const struct spawner *sp)
{
	/* As the first process it never dies but with the machine. */
	return sp->share_files && sp->quit.phase == QUIT_NOT && getpid() != 1;
}

static void
make(struct spawner *sp, uint64_t now)
{
	int pid = -1;

	if (sp->self < 0)
		sp->self = process_open(getpid());
	if (sp->self >= 0)
		pid = clone_sharing_files();
	if (pid == 0)
		sleep_until_death(sp);
	if (pid > 0) {
		sp->carried->keeper = pid;
		sp->keeper_ns = 0;
		sp->kept_ns = now;
		return;
	}
	if (!sp->unkept)
		SAY(sp->err, "no keeper can be made, so that services are lost "
		    "to the next otpd should this one be killed: ",
		    strerror(errno));
	sp->unkept = true;
	sp->keeper_ns = now + AGAIN_AFTER;
}

void
keeper_tick(struct spawner *sp, uint64_t now)
{
	if (sp->keeper_ns == 0 || now < sp->keeper_ns)
		return;
	if (wanted(sp))
		make(sp, now);
	else
		sp->keeper_ns = 0;
}

void
keeper_died(struct spawner *sp)
{
	uint64_t now = now_ns();

	sp->carried->keeper = 0;
	sp->keeper_ns = now;
	if (now - sp->kept_ns < AGAIN_AFTER)
		sp->keeper_ns += AGAIN_AFTER;
}

void
keeper_replace(struct spawner *sp)
{
	int old = sp->carried->keeper;
	siginfo_t si;

	sp->self = -1;
	sp->keeper_ns = now_ns();
	keeper_tick(sp, sp->keeper_ns);
	if (wanted(sp) && sp->carried->keeper == old)
		return;			/* there is no other yet */
	if (!wanted(sp))
		sp->carried->keeper = 0;
	if (old > 1 && waitid(P_PID, (id_t)old, &si,
	    WEXITED | WNOHANG | WNOWAIT) == 0)
		(void)kill(old, SIGKILL);	/* reaped as any stranger */
}

void
keeper_end(struct spawner *sp)
{
	int pid = sp->carried->keeper, status;

	if (pid == 0)
		return;
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	sp->carried->keeper = 0;
}
