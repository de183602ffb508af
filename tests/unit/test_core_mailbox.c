/* SPDX-License-Identifier: ISC */
/*
 * What waits in a supervisor's mailbox while it starts a child, and in which
 * order it is served: OTP's rules again, a row for each.
 */
#include <check.h>

#include "core_rig.h"

/* Rows about what waits in the mailbox while a start hangs. */
static const struct rig_row waiting[] = {
	{ "amid a failing restart: restart_child says restarting",
	  "root:one_for_one:6/5000( a )",
	  "arm a ok hold; exit a abnormal; restart_child root a; "
	  "release a error",
	  "start a, start root | stop a abnormal |  | "
	  "fail a, = restarting, start a" },
	{ "amid a failing restart: delete_child says restarting",
	  "root:one_for_one:6/5000( a )",
	  "arm a ok hold; exit a abnormal; delete_child root a; "
	  "release a error",
	  "start a, start root | stop a abnormal |  | "
	  "fail a, = restarting, start a" },
	{ "amid a failing restart: start_child says already_present",
	  "root:one_for_one:6/5000( a )",
	  "arm a ok hold; exit a abnormal; start_child root a; "
	  "release a error",
	  "start a, start root | stop a abnormal |  | "
	  "fail a, = already_present, start a" },
	{ "amid a failing restart: which shows restarting, count not active",
	  "root:one_for_one:6/5000( a )",
	  "arm a ok hold; exit a abnormal; which root; count root; "
	  "release a error",
	  "start a, start root | stop a abnormal |  |  | "
	  "fail a, = [a restarting], = 1 0 0 1, start a" },
	{ "amid a failing restart: terminate_child ends the retrying",
	  "root:rest_for_one:6/5000( a b c )",
	  "arm b ok hold; exit b abnormal; terminate_child root b; "
	  "release b error; which root; wait 9999",
	  "start a, start b, start c, start root | "
	  "stop b abnormal, stop c shutdown |  | fail b, = ok | "
	  "= [c stopped b stopped a running] | " },
	{ "amid a failing one_for_all: terminate_child leaves the early ones",
	  "root:one_for_all:6/5000( a b c )",
	  "arm b ok hold; exit b abnormal; terminate_child root b; "
	  "release b error; which root",
	  "start a, start b, start c, start root | stop b abnormal, "
	  "stop c shutdown, stop a shutdown, start a |  | fail b, = ok | "
	  "= [c stopped b stopped a running]" },
	{ "a later sibling started by hand is stopped again by the retry",
	  "root:rest_for_one:6/5000( a b )",
	  "arm a ok hold; exit a abnormal; restart_child root b; "
	  "release a error",
	  "start a, start b, start root | stop a abnormal, "
	  "stop b shutdown |  | fail a, start b, = started, "
	  "stop b shutdown, start a, start b" },
	{ "a later sibling deleted meanwhile stays deleted",
	  "root:rest_for_one:6/5000( a b c )",
	  "arm a ok hold; exit a abnormal; delete_child root b; "
	  "release a error; which root",
	  "start a, start b, start c, start root | stop a abnormal, "
	  "stop c shutdown, stop b shutdown |  | fail a, = ok, start a, "
	  "start c | = [c running a running]" },
	{ "a second crash of the retried child, not one restart too many",
	  "root:one_for_one:6/5000( a )",
	  "arm a ok hold; exit a abnormal; terminate_child root a; "
	  "restart_child root a; release a error; state a",
	  "start a, start root | stop a abnormal |  |  | "
	  "fail a, = ok, start a, = started | "
	  "running starts 3 restarts 1" },
	{ "an exit waits while another child starts",
	  "root( a b )",
	  "arm b ok hold; exit b abnormal; exit a abnormal; count root; "
	  "release b ok",
	  "start a, start b, start root | stop b abnormal | "
	  "stop a abnormal |  | start b, start a, = 2 2 0 2" },
	{ "one whose end is unread is not active",
	  "root( a b )",
	  "arm b ok hold; exit b abnormal; count root; exit a abnormal; "
	  "release b ok",
	  "start a, start b, start root | stop b abnormal |  | "
	  "stop a abnormal | start b, = 2 1 0 2, start a" },
	{ "other supervisors go on meanwhile",
	  "root( s( x ) t( y ) )",
	  "arm x ok hold; exit x abnormal; exit y abnormal; release x ok",
	  "start x, start s, start y, start t, start root | "
	  "stop x abnormal | stop y abnormal, start y | start x" },
};

/* To the letter of OTP only. */
static const struct rig_row letter[] = {
	{ "the parent's shutdown waits for a start that hangs",
	  "root( a b )", "arm b hold; shutdown; wait 99999; release b ok",
	  "start a |  |  | start b, start root, stop b shutdown, "
	  "stop a shutdown, stop root shutdown" },
	{ "the parent's shutdown is served between two attempts",
	  "root:one_for_one:6/5000( a b )",
	  "arm b ok hold; exit b abnormal; shutdown; release b error",
	  "start a, start b, start root | stop b abnormal |  | "
	  "fail b, stop a shutdown, stop root shutdown" },
	{ "there is no pause between restarts",
	  "root( a:backoff=100-1000-0 )", "exit a abnormal",
	  "start a, start root | stop a abnormal, start a" },
};

START_TEST(serves_what_waited)
{
	rig_check(&waiting[_i], RIG_COMPAT);
	rig_check(&waiting[_i], 0);
}
END_TEST

START_TEST(is_otp_to_the_letter)
{
	rig_check(&letter[_i], RIG_COMPAT);
}
END_TEST

#define nitems(a)	((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *suite = suite_create("core mailbox");
	TCase *tc = tcase_create("mailbox");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, serves_what_waited, 0, nitems(waiting));
	tcase_add_loop_test(tc, is_otp_to_the_letter, 0, nitems(letter));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
