/* SPDX-License-Identifier: ISC */
/*
 * otpd watches its engine and its logger.  Here its clock can be put forward:
 * it is linked with the wrappers of tests/crash/fault.c.
 */
#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash/fault.h"
#include "spawner_rig.h"

static struct rig rig;
static struct fault_plan *plan;

static void
begin(void)
{
	plan = fault_plan_new("otpd");
	rig_start(&rig);
	rig_hello(&rig);
	fault_plan_hide();
}

/* So much later otpd looks at its clock. */
static void
pass(unsigned s)
{
	plan->later_s += s;
	ck_assert_int_eq(kill(rig.otpd, SIGCHLD), 0);
}

static char
state_of(pid_t pid)
{
	char path[64], text[512], *p;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	rig_slurp(path, text, sizeof(text));
	p = strrchr(text, ')');
	ck_assert_ptr_nonnull(p);
	return p[2];
}

START_TEST(what_is_stopped_is_continued_after_a_while)
{
	pid_t pid;

	begin();
	pid = _i == 0 ? rig.engine.pid : rig.logger.pid;
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	while (state_of(pid) != 'T')
		(void)sched_yield();
	while (state_of(pid) == 'T') {
		pass(6);
		(void)sched_yield();
	}
	rig_ping(&rig, 1);	/* it is the same one */
	ck_assert_uint_eq(rig.trouble.kind, _i == 0 ? SPAWN_T_ENGINE_STOPPED :
	    SPAWN_T_LOGGER_STOPPED);
	ck_assert_uint_ge(rig.trouble.count, 1);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(an_engine_that_does_not_answer_is_killed)
{
	pid_t pid;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	rig_order(&rig, 2, NULL, "exit", "5");
	rig_until(&rig, 2, SPAWN_EXITED);
	rig_ping(&rig, 1);
	pass(31);		/* and nobody has acknowledged it */
	rig_ended(&rig.engine);
	rig_accept(&rig);
	rig_hello(&rig);
	ck_assert_uint_eq(rig.welcome.hung, 1);
	ck_assert_uint_eq(rig.welcome.crashed, 1);
	ck_assert_int_eq(rig.children[1].pid, pid);
	ck_assert_int_eq(rig_until(&rig, 2, SPAWN_EXITED)->status, 5 << 8);
	rig_ack(&rig, 2);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(an_engine_that_has_nothing_to_say_is_left_alone)
{
	pid_t pid;

	begin();
	pid = rig.engine.pid;
	rig_order(&rig, 1, NULL, "exit", "5");
	rig_until(&rig, 1, SPAWN_EXITED);
	rig_ack(&rig, 1);
	rig_ping(&rig, 1);
	pass(100000);
	rig_ping(&rig, 2);
	pass(100000);
	rig_ping(&rig, 3);
	ck_assert_int_eq(rig.engine.pid, pid);
	rig_stop(&rig, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("spawner_watchdog");
	TCase *t = tcase_create("spawner_watchdog");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, what_is_stopped_is_continued_after_a_while, 0,
	    2);
	tcase_add_test(t, an_engine_that_does_not_answer_is_killed);
	tcase_add_test(t, an_engine_that_has_nothing_to_say_is_left_alone);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
