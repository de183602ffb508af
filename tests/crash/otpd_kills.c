/* SPDX-License-Identifier: ISC */
/*
 * otpd is killed at any of its calls, just ahead of it or as soon as it was
 * done, and the next one takes over: what ran runs on as the same process and
 * is watched, what was asked for is there once, and nothing ever runs twice.
 * The test is its engine and its logger.
 *
 * $OTPD_KILLS_STEP: not at some places only, but every so many calls, from the
 * first one or from $OTPD_KILLS_FROM on.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/fault.h"
#include "unit/spawner_rig.h"

#define HELD		4	/* the key of a descriptor, and of another */
#define NPATHS		4

static struct rig rig;
static struct fault_plan *plan;
static pid_t ran[NPATHS];	/* before otpd was killed; 0: not for sure */
static uint32_t at;

/* --- what there is --- */

static void
path_of(int which, char out[128])
{
	snprintf(out, 128, "%s/service%d", rig.dir, which);
}

/* The service `which`, which notes when it runs twice. */
static void
order(uint64_t inc, int which)
{
	char path[128];

	path_of(which, path);
	rig_order(&rig, inc, NULL, "outlive", path);
}

/* It runs, ordered again where a death had kept it from it: as what. */
static uint64_t
runs(uint64_t inc, int which)
{
	for (;; inc += 10) {
		order(inc, which);
		while (rig.children[inc].state == 0)
			rig_read_engine(&rig);
		ran[which] = rig.children[inc].pid;
		if (rig.children[inc].state == SPAWN_ALIVE)
			return inc;
		rig_ack(&rig, inc);
	}
}

static void
hold(uint64_t key)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	rig_send_fd(&rig, SPAWN_HOLD, key, fd);
	(void)close(fd);
}

/* --- what goes on when it is killed --- */

static void
arm(void)
{
	plan->calls = plan->hits = 0;
	plan->hit_pid = 0;
	plan->at = at;
}

static void
stop_otpd(void)
{
	int status;

	ck_assert_int_eq(kill(rig.otpd, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(rig.otpd, &status, WUNTRACED), rig.otpd);
	ck_assert(WIFSTOPPED(status));
}

/* True when there is something; false when otpd has died instead. */
static bool
comes(int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, rig.otpd, 0);
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
	    { .fd = pidfd, .events = POLLIN } };

	ck_assert_int_ge(pidfd, 0);
	ck_assert_msg(poll(p, 2, RIG_PATIENCE_MS) > 0, "nothing came");
	(void)close(pidfd);
	return p[1].revents == 0;	/* it is the one that was hit */
}

/* Others than these, unless it dies. */
static void
others(pid_t engine, pid_t logger)
{
	while ((rig.engine.pid == engine || rig.logger.pid == logger) &&
	    comes(rig.listener))
		(void)rig_accept_one(&rig);	/* it may die with otpd */
}

static bool
answers(uint64_t ping)
{
	while (rig.pong != ping) {
		if (!comes(rig.engine.fds[SPAWN_FD_CHANNEL]))
			return false;
		rig_read_engine(&rig);
	}
	return true;
}

/* Orders, with descriptors to be let go of. */
static void
amid_orders(void)
{
	stop_otpd();
	order(2, 2);
	hold(HELD);
	hold(HELD + 1);
	rig.fd_key = HELD;
	order(3, 3);
	rig.fd_key = 0;
	rig_signal(&rig, 9, SIGUSR1, false);
	rig_send(&rig, SPAWN_PING, 1, NULL, 0);
	arm();
	(void)kill(rig.otpd, SIGCONT);
	(void)answers(1);
}

/* Its engine and its logger die, and a service. */
static void
amid_deaths(void)
{
	(void)runs(2, 2);
	(void)runs(3, 3);
	ran[3] = 0;
	stop_otpd();
	hold(HELD);
	rig_end(&rig.engine, -1);
	rig_end(&rig.logger, -1);
	ck_assert_int_eq(kill(rig.children[3].pid, SIGKILL), 0);
	arm();
	(void)kill(rig.otpd, SIGCONT);
	others(0, 0);
}

/* It crashes, and goes on as another program; one of its services had been
 * taken over. */
static void
amid_a_crash(void)
{
	rig_replace(&rig);
	rig_hello(&rig);
	(void)runs(2, 2);
	(void)runs(3, 3);
	arm();
	ck_assert_int_eq(kill(rig.otpd, SIGSEGV), 0);
	(void)kill(rig.logger.pid, SIGKILL);
	others(rig.engine.pid, rig.logger.pid);
}

/* One that takes over is killed, or the keeper that it takes over from. */
static void
amid_a_takeover(void)
{
	(void)runs(2, 2);
	(void)runs(3, 3);
	stop_otpd();
	rig_end(&rig.engine, -1);
	rig_end(&rig.logger, -1);
	arm();
	rig_relaunch(&rig);
	others(0, 0);
}

static void (*const amid[])(void) = { amid_orders, amid_deaths, amid_a_crash,
	amid_a_takeover };
#define NAMID	(int)(sizeof(amid) / sizeof(amid[0]))

/* --- what must be so then --- */

static void
never_twice(void)
{
	char path[160];
	int i;

	for (i = 1; i < NPATHS; i++) {
		path_of(i, path);
		(void)strcat(path, ".twice");
		ck_assert_msg(access(path, F_OK) < 0, "call %u: service %d ran "
		    "twice", at, i);
	}
}

/* What otpd has said. */
static const char *
words(void)
{
	static char text[8192];
	char path[128];

	snprintf(path, sizeof(path), "%s/err", rig.dir);
	rig_slurp(path, text, sizeof(text));
	return text;
}

/* Nothing ends otpd but what kills it. */
static void
lives(void)
{
	siginfo_t si = { .si_pid = 0 };

	(void)waitid(P_PID, (id_t)rig.otpd, &si, WEXITED | WNOHANG | WNOWAIT);
	ck_assert_msg(si.si_pid == 0, "call %u: otpd has ended: %s", at,
	    words());
}

/* Whom the plan has killed, or is about to; 0. */
static pid_t
disarm(void)
{
	uint32_t n = plan->at;

	plan->at = 0;
	while (plan->calls >= n && plan->hit_pid == 0)
		(void)sched_yield();
	return plan->hit_pid;
}

static void
all_run_on(void)
{
	uint64_t i;

	for (i = 1; i < NPATHS; i++)
		ck_assert_msg(ran[i] == 0 ||
		    (rig.children[i].state == SPAWN_ALIVE &&
		    rig.children[i].pid == ran[i]), "call %u: service %d is "
		    "pid %d, state %d; it was %d: %s", at, (int)i,
		    rig.children[i].pid, rig.children[i].state, ran[i],
		    words());
}

/* False: it makes no more calls than that. */
static bool
one_run(void (*trouble)(void))
{
	uint64_t inc;
	pid_t hit;
	bool kept;

	memset(ran, 0, sizeof(ran));
	rig_start(&rig);
	rig_hello(&rig);
	(void)runs(1, 1);
	trouble();
	hit = disarm();
	kept = hit == 0 || hit == rig.otpd;	/* not by a dead keeper */
	if (hit == rig.otpd)
		rig_replace(&rig);
	else
		lives();
	rig_hello(&rig);
	if (kept)
		all_run_on();
	inc = runs(1, 1);
	(void)runs(2, 2);
	(void)runs(3, 3);
	never_twice();
	ck_assert_int_eq(kill(rig.children[inc].pid, SIGTERM), 0);
	ck_assert_int_eq(rig_until(&rig, inc, SPAWN_EXITED)->status, SIGTERM);
	rig_stop(&rig, 0);
	return hit != 0;
}

/* Places where a death has cost something once. */
static const struct {
	const char	*why;
	void		(*trouble)(void);
	const char	*function;
	int32_t		 how;
	uint32_t	 first, last;	/* calls of it */
} places[] = {
	{ "a number that was closed is nobody's", amid_deaths, "close",
	    FAULT_KILL, 1, 2 },	/* it is closed, then */
	{ "while the keeper is replaced there are two", amid_a_crash, "waitid",
	    FAULT_KILL, 5, 5 },
	{ "what is carried is always whole", amid_a_takeover, "readlink",
	    FAULT_KILL, 2, 2 },
};
#define NPLACES	(int)(sizeof(places) / sizeof(places[0]))

START_TEST(killed_where_it_matters_it_loses_and_doubles_nothing)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	(void)strcpy(plan->function, places[_i].function);
	plan->error = places[_i].how;
	for (at = places[_i].first; at <= places[_i].last; at++)
		ck_assert_msg(one_run(places[_i].trouble), "%s: there is no "
		    "such call", places[_i].why);
}
END_TEST

/* The first of two that were taken over: the loop's own descriptors come
 * before it, signals and those of services. */
START_TEST(one_that_cannot_be_watched_keeps_no_other_from_it)
{
	uint64_t one, two;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	rig_start(&rig);
	rig_hello(&rig);
	one = runs(1, 1);
	two = runs(2, 2);
	rig_replace(&rig);
	rig_hello(&rig);
	(void)strcpy(plan->function, "epoll_ctl");
	plan->error = ENOSPC;
	at = 3;
	arm();
	(void)kill(rig.logger.pid, SIGKILL);
	ck_assert_int_eq(kill(rig.otpd, SIGSEGV), 0);
	others(rig.engine.pid, rig.logger.pid);
	rig_hello(&rig);
	while (rig.trouble.count == 0)
		rig_read_engine(&rig);
	ck_assert_uint_eq(rig.trouble.kind, SPAWN_T_UNWATCHED);
	ck_assert_int_eq(rig.trouble.error, ENOSPC);
	ck_assert_int_eq(kill(ran[2], SIGTERM), 0);
	ck_assert_int_eq(rig_until(&rig, two, SPAWN_EXITED)->status, SIGTERM);
	ck_assert_int_eq(kill(ran[1], SIGTERM), 0);
	ck_assert_int_eq(rig_until(&rig, one, SPAWN_EXITED)->status, SIGTERM);
	plan->at = 0;
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(killed_at_any_call_it_loses_and_doubles_nothing)
{
	uint32_t every = (uint32_t)atoi(getenv("OTPD_KILLS_STEP"));
	const char *from = getenv("OTPD_KILLS_FROM");

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	(void)strcpy(plan->function, "*");
	plan->error = _i % 2 == 0 ? FAULT_KILL : FAULT_KILL_AFTER;
	at = from == NULL ? 1 : (uint32_t)atoi(from);
	while (one_run(amid[_i / 2]))
		at += every;
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("otpd_kills");
	TCase *t = tcase_create("kills");
	SRunner *r;
	int failed;

	plan = fault_plan_new("otpd");
	plan->times = 1;
	tcase_set_timeout(t, 600);
	tcase_add_test(t, one_that_cannot_be_watched_keeps_no_other_from_it);
	if (getenv("OTPD_KILLS_STEP") == NULL)
		tcase_add_loop_test(t,
		    killed_where_it_matters_it_loses_and_doubles_nothing, 0,
		    NPLACES);
	else
		tcase_add_loop_test(t,
		    killed_at_any_call_it_loses_and_doubles_nothing, 0,
		    2 * NAMID);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	fault_plan_hide();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
