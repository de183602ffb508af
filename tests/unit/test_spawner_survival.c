/* SPDX-License-Identifier: ISC */
/*
 * The real otpd: what outlives its engine and its logger, and its own end.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "spawner_rig.h"

#define MANY	1000
#define KEEP	.uid = SPAWN_KEEP, .gid = SPAWN_KEEP, .umask = SPAWN_KEEP

static struct rig rig;

static void
begin(void)
{
	rig_start(&rig);
	rig_hello(&rig);
}

/* ---- the engine and the logger die ---- */

START_TEST(a_new_engine_learns_everything)
{
	pid_t pid;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	rig_order(&rig, 2, NULL, "exit", "5");
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	rig_until(&rig, 2, SPAWN_EXITED);
	rig_end(&rig.engine, -1);
	memset(rig.children, 0, sizeof(rig.children));
	rig_accept(&rig);
	rig_hello(&rig);
	ck_assert_uint_eq(rig.welcome.engines, 1);
	/* Killed from outside: that is no crash. */
	ck_assert_uint_eq(rig.welcome.crashed, 0);
	ck_assert_int_eq(rig.children[1].state, SPAWN_ALIVE);
	ck_assert_int_eq(rig.children[1].pid, pid);
	ck_assert_int_eq(kill(pid, 0), 0);
	ck_assert_int_eq(rig.children[2].status, 5 << 8);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(a_death_between_engines_is_told)
{
	pid_t pid;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	rig_end(&rig.engine, 7);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert(rig_gone(pid));
	rig_accept(&rig);
	rig_hello(&rig);
	ck_assert_int_eq(rig_until(&rig, 1, SPAWN_EXITED)->status, SIGKILL);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(held_descriptors_outlive_engines)
{
	int fds[2];
	char byte;

	begin();
	ck_assert_int_eq(pipe(fds), 0);
	rig_send_fd(&rig, SPAWN_HOLD, 4, fds[1]);
	rig_send_fd(&rig, SPAWN_HOLD, 5, fds[1]);
	rig_send(&rig, SPAWN_RELEASE, 5, NULL, 0);
	(void)close(fds[1]);
	rig_ping(&rig, 1);
	rig_end(&rig.engine, -1);
	rig_accept(&rig);
	rig_hello(&rig);
	ck_assert_int_ge(rig.held[4], 0);
	ck_assert_int_lt(rig.held[5], 0);
	ck_assert_int_eq(write(rig.held[4], "y", 1), 1);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'y');
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(an_engine_that_makes_no_sense_is_replaced)
{
	struct spawn_header h = { .len = 3, .type = SPAWN_START };
	pid_t pid;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	ck_assert_int_eq(send(rig.engine.fds[SPAWN_FD_CHANNEL], &h, sizeof(h),
	    0), (int)sizeof(h));
	rig_accept(&rig);
	rig_hello(&rig);
	ck_assert_int_eq(rig.children[1].pid, pid);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(an_engine_that_does_not_read_holds_nothing_up)
{
	uint64_t i;
	int n;

	begin();
	for (n = 0; n < 20; n++)
		for (i = 1; i <= MANY; i++)
			rig_ack(&rig, MANY + 1 + i % 2);
	for (n = 0; n < 200; n++)
		for (i = 1; i <= 100; i++)
			rig_order(&rig, i, NULL, "stay", NULL);
	rig_ping(&rig, 1);
	for (i = 1; i <= 100; i++) {
		ck_assert_int_eq(rig.children[i].state, SPAWN_ALIVE);
		rig_signal(&rig, i, SIGKILL, false);
	}
	for (i = 1; i <= 100; i++)
		rig_until(&rig, i, SPAWN_EXITED);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(an_engine_that_loops_is_started_ever_later)
{
	struct timespec a, b;
	long ms;
	int n;

	begin();
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (n = 0; n < 7; n++) {
		ck_assert_int_eq(kill(rig.engine.pid, SIGABRT), 0);
		rig_ended(&rig.engine);
		rig_accept(&rig);
		rig_hello(&rig);
		ck_assert_uint_eq(rig.welcome.crashed, (unsigned int)n + 1);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	ck_assert_int_ge(ms, 300);	/* 5 at once, then 100 and 200 ms */
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(output_goes_through_the_pipe_of_its_key)
{
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_LOG,
	    .err = SPAWN_DEST_STDOUT, .log_key = 9 };
	char line[64];
	int fd;

	begin();
	rig_order(&rig, 1, &spec, "say", "hello");
	fd = rig_pipe(&rig, 9);
	rig_read_line(fd, line, sizeof(line));
	ck_assert_str_eq(line, "hello\n");
	rig_read_line(fd, line, sizeof(line));
	ck_assert_str_eq(line, "error\n");
	rig_until(&rig, 1, SPAWN_EXITED);
	rig_order(&rig, 2, &spec, "say", "again");
	rig_read_line(fd, line, sizeof(line));
	ck_assert_str_eq(line, "again\n");
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(a_new_logger_gets_the_pipes_and_what_is_in_them)
{
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_LOG, .log_key = 9 };
	char line[64];

	begin();
	rig_order(&rig, 1, &spec, "say", "kept");
	(void)rig_pipe(&rig, 9);
	rig_until(&rig, 1, SPAWN_EXITED);
	rig_end(&rig.logger, -1);
	rig_accept(&rig);
	(void)close(rig.pipes[9]);
	rig.pipes[9] = -1;
	rig_read_line(rig_pipe(&rig, 9), line, sizeof(line));
	ck_assert_str_eq(line, "kept\n");
	while (rig.logger_started < 2)
		rig_read_engine(&rig);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(a_released_pipe_is_given_up_after_it_was_told)
{
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_LOG, .log_key = 9 };
	char line[64], byte;

	begin();
	rig_order(&rig, 1, &spec, "say", "last");
	rig_send(&rig, SPAWN_RELEASE, 9, NULL, 0);
	rig_until(&rig, 1, SPAWN_EXITED);
	while (!rig.dropped[9])
		rig_read_logger(&rig);
	rig_read_line(rig.pipes[9], line, sizeof(line));
	ck_assert_str_eq(line, "last\n");
	ck_assert_int_lt(read(rig.pipes[9], &byte, 1), 0);
	rig_stop(&rig, 0);
}
END_TEST

/* What the logger had not written yet is in it. */
START_TEST(a_released_pipe_outlives_the_logger_until_it_was_drained)
{
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_LOG, .log_key = 9 };
	struct spawn_header drained = { .len = sizeof(drained),
	    .type = SPAWN_DRAINED, .inc = 9 };
	char line[64];

	begin();
	rig_order(&rig, 1, &spec, "say", "last");
	rig_until(&rig, 1, SPAWN_EXITED);
	rig_send(&rig, SPAWN_RELEASE, 9, NULL, 0);
	while (!rig.dropped[9])
		rig_read_logger(&rig);
	rig_end(&rig.logger, -1);
	rig_accept(&rig);
	(void)close(rig.pipes[9]);
	rig.pipes[9] = -1;
	rig.dropped[9] = false;
	while (!rig.dropped[9])
		rig_read_logger(&rig);
	rig_read_line(rig.pipes[9], line, sizeof(line));
	ck_assert_str_eq(line, "last\n");
	ck_assert_int_eq(send(rig.logger.fds[SPAWN_FD_CHANNEL], &drained,
	    sizeof(drained), 0), (int)sizeof(drained));
	(void)close(rig.pipes[9]);
	rig.pipes[9] = -1;
	rig.dropped[9] = false;
	/* The same key again: another pipe, and the old one is no more. */
	rig_order(&rig, 2, &spec, "say", "new");
	rig_read_line(rig_pipe(&rig, 9), line, sizeof(line));
	ck_assert_str_eq(line, "new\n");
	rig_end(&rig.logger, -1);
	rig_accept(&rig);
	(void)close(rig.pipes[9]);
	rig.pipes[9] = -1;
	(void)rig_pipe(&rig, 9);
	ck_assert(!rig.dropped[9]);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(a_signal_to_nobody_is_answered)
{
	begin();
	rig_signal(&rig, 77, SIGKILL, false);
	ck_assert_int_eq(rig_until(&rig, 77, SPAWN_FAILED)->error, ESRCH);
	ck_assert_int_eq(rig.children[77].step, SPAWN_STEP_ORDER);
	rig_stop(&rig, 0);
}
END_TEST

/* ---- otpd itself ---- */

START_TEST(signals_to_otpd_are_asked_until_heard)
{
	struct spawn_asked heard = { 1U << SIGHUP, 0 };

	begin();
	ck_assert_int_eq(kill(rig.otpd, SIGHUP), 0);
	while (rig.asked != 1U << SIGHUP)
		rig_read_engine(&rig);
	ck_assert_int_eq(kill(rig.otpd, SIGTERM), 0);
	while (rig.asked != (1U << SIGHUP | 1U << SIGTERM))
		rig_read_engine(&rig);
	rig_send(&rig, SPAWN_HEARD, 0, &heard, sizeof(heard));
	rig_ping(&rig, 1);
	rig_end(&rig.engine, -1);
	rig_accept(&rig);
	rig_hello(&rig);
	ck_assert_uint_eq(rig.welcome.asked, 1U << SIGTERM);
	rig.asked = 0;
	ck_assert_int_eq(kill(rig.otpd, SIGTERM), 0);
	while (rig.asked != 1U << SIGTERM)
		rig_read_engine(&rig);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(quit_ends_with_its_code_and_nothing_left)
{
	char path[128];
	pid_t pid;

	begin();
	snprintf(path, sizeof(path), "%s/run/names/otpd", rig.dir);
	ck_assert_int_eq(access(path, F_OK), 0);
	rig_order(&rig, 1, NULL, "deaf", NULL);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	rig_stop(&rig, 42);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert(rig_gone(pid));
}
END_TEST

START_TEST(quit_counts_though_the_engine_is_gone)
{
	struct spawn_quit q = { 3, 0 };

	begin();
	rig_send(&rig, SPAWN_QUIT, 0, &q, sizeof(q));
	rig_end(&rig.engine, -1);
	while (!rig.finish)
		rig_read_logger(&rig);
	rig_end(&rig.logger, 0);
	ck_assert_int_eq(WEXITSTATUS(rig_wait_otpd(&rig)), 3);
}
END_TEST

START_TEST(what_no_logger_has_read_at_the_end_is_said)
{
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_LOG, .log_key = 9 };
	struct spawn_quit q = { 0, 0 };
	char path[128], text[1024];
	siginfo_t si;

	begin();
	rig_order(&rig, 1, &spec, "say", "last");
	rig_until(&rig, 1, SPAWN_EXITED);
	rig_send(&rig, SPAWN_QUIT, 0, &q, sizeof(q));
	while (!rig.finish)
		rig_read_logger(&rig);
	rig_end(&rig.engine, 0);
	rig_end(&rig.logger, _i == 0 ? -1 : 0);
	ck_assert_int_eq(waitid(P_PID, (id_t)rig.otpd, &si,
	    WEXITED | WNOWAIT), 0);
	snprintf(path, sizeof(path), "%s/err", rig.dir);
	rig_slurp(path, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "what 1 service wrote last is in "
	    "no log\n"));
	ck_assert_int_eq(WEXITSTATUS(rig_wait_otpd(&rig)), 0);
}
END_TEST

/* The kernel answers unread messages with a reset, ahead of the last words. */
START_TEST(last_words_are_heard_behind_a_reset)
{
	struct spawn_quit q = { 4, 0 };
	int status, *fd = &rig.engine.fds[SPAWN_FD_CHANNEL];

	begin();
	rig_ping(&rig, 1);
	ck_assert_int_eq(kill(rig.otpd, SIGHUP), 0);
	rig_await(*fd);
	ck_assert_int_eq(kill(rig.otpd, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(rig.otpd, &status, WUNTRACED), rig.otpd);
	rig_send(&rig, SPAWN_QUIT, 0, &q, sizeof(q));
	(void)close(*fd);
	*fd = -1;
	ck_assert_int_eq(kill(rig.otpd, SIGCONT), 0);
	while (!rig.finish)
		rig_read_logger(&rig);
	rig_ended(&rig.engine);
	rig_end(&rig.logger, 0);
	ck_assert_int_eq(WEXITSTATUS(rig_wait_otpd(&rig)), 4);
}
END_TEST

START_TEST(an_engine_that_refuses_its_config_ends_otpd)
{
	rig_start(&rig);
	rig_end(&rig.engine, 1);
	while (!rig.finish)
		rig_read_logger(&rig);
	rig_end(&rig.logger, 0);
	ck_assert_int_eq(WEXITSTATUS(rig_wait_otpd(&rig)), 1);
}
END_TEST

START_TEST(a_second_otpd_is_refused)
{
	char command[1024];

	begin();
	snprintf(command, sizeof(command), "d=%s; ! %s -r $d/run -c /none "
	    "-l /none 2>$d/said && grep -qx "
	    "\"otpd: already running as pid %d on $d/run\" $d/said",
	    rig.dir, rig.otpd_path, (int)rig.otpd);
	ck_assert_int_eq(system(command), 0);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(the_background_is_reached_when_the_tree_is_up)
{
	char path[128], pid[32];
	int status;

	rig_start_with(&rig, "-b");
	rig_accept(&rig);
	rig_accept(&rig);
	ck_assert_int_eq(waitpid(rig.otpd, &status, WNOHANG), 0);
	rig_hello(&rig);
	rig_ping(&rig, 1);
	ck_assert_int_eq(waitpid(rig.otpd, &status, WNOHANG), 0);
	rig_send(&rig, SPAWN_STARTED, 0, NULL, 0);
	ck_assert_int_eq(waitpid(rig.otpd, &status, 0), rig.otpd);
	ck_assert_int_eq(status, 0);
	snprintf(path, sizeof(path), "%s/run/lock", rig.dir);
	rig_slurp(path, pid, sizeof(pid));
	rig_send(&rig, SPAWN_QUIT, 0, NULL, 0);
	while (!rig.finish)
		rig_read_logger(&rig);
	rig_end(&rig.engine, 0);
	rig_end(&rig.logger, 0);
	ck_assert(rig_gone(atoi(pid)));
	rig_clean(&rig);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("spawner_survival");
	TCase *t = tcase_create("spawner_survival");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_new_engine_learns_everything);
	tcase_add_test(t, a_death_between_engines_is_told);
	tcase_add_test(t, held_descriptors_outlive_engines);
	tcase_add_test(t, an_engine_that_makes_no_sense_is_replaced);
	tcase_add_test(t, an_engine_that_does_not_read_holds_nothing_up);
	tcase_add_test(t, an_engine_that_loops_is_started_ever_later);
	tcase_add_test(t, output_goes_through_the_pipe_of_its_key);
	tcase_add_test(t, a_new_logger_gets_the_pipes_and_what_is_in_them);
	tcase_add_test(t, a_released_pipe_is_given_up_after_it_was_told);
	tcase_add_test(t,
	    a_released_pipe_outlives_the_logger_until_it_was_drained);
	tcase_add_test(t, a_signal_to_nobody_is_answered);
	tcase_add_test(t, signals_to_otpd_are_asked_until_heard);
	tcase_add_test(t, quit_ends_with_its_code_and_nothing_left);
	tcase_add_test(t, quit_counts_though_the_engine_is_gone);
	tcase_add_loop_test(t, what_no_logger_has_read_at_the_end_is_said, 0,
	    2);
	tcase_add_test(t, last_words_are_heard_behind_a_reset);
	tcase_add_test(t, an_engine_that_refuses_its_config_ends_otpd);
	tcase_add_test(t, a_second_otpd_is_refused);
	tcase_add_test(t, the_background_is_reached_when_the_tree_is_up);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
