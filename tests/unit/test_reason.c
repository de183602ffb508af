/* SPDX-License-Identifier: ISC */
/* Exit reasons: their classes, where they come from and how they read. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "wire/reason.h"
#include "wire/spawn_request.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

static const struct {
	const char		*reason;
	enum reason_class	 class;
	int			 code;
	const char		*words;
} reasons[] = {
	{ "normal", REASON_NORMAL, 0, "exited normally" },
	{ "shutdown", REASON_SHUTDOWN, 0, "was shut down" },
	{ "{shutdown,\"idle\"}", REASON_SHUTDOWN, 0, "was shut down: idle" },
	{ "{shutdown,{a,b}}", REASON_SHUTDOWN, 0, "was shut down: {a,b}" },
	{ "{exit,1}", REASON_ABNORMAL, 1, "exited with status 1" },
	{ "{exit,143}", REASON_ABNORMAL, 143, "exited with status 143" },
	{ "{exit,unknown}", REASON_ABNORMAL, 1, "ended, and nobody saw how" },
	{ "{exit,0}", REASON_ABNORMAL, 1, "exited with status 0" },
	{ "{exit,99999999999}", REASON_ABNORMAL, 1,
	    "exited with status 99999999999" },
	{ "{signal,SIGSEGV}", REASON_ABNORMAL, 139,
	    "was killed by signal SIGSEGV" },
	{ "{signal,SIGSEGV,core}", REASON_ABNORMAL, 139,
	    "was killed by signal SIGSEGV (core dumped)" },
	{ "{signal,SIG42}", REASON_ABNORMAL, 170,
	    "was killed by signal SIG42" },
	{ "{signal,SIGNOT}", REASON_ABNORMAL, 1,
	    "was killed by signal SIGNOT" },
	{ "{signal,}", REASON_ABNORMAL, 1, "ended with reason {signal,}" },
	{ "{signal,AVERYLONGNAMEOFASIGNAL}", REASON_ABNORMAL, 1,
	    "ended with reason {signal,AVERYLONGNAMEOFASIGNAL}" },
	{ "killed", REASON_ABNORMAL, 137, "was killed by signal SIGKILL" },
	{ "kill", REASON_ABNORMAL, 1, "ended with reason kill" },
	{ "{start,\"exec /bin/x: no such file\"}", REASON_ABNORMAL, 1,
	    "could not be started: exec /bin/x: no such file" },
	{ "{timeout,ready}", REASON_ABNORMAL, 1, "ran into a timeout: ready" },
	{ "{timeout,start}", REASON_ABNORMAL, 1,
	    "could not be started: it was not ready in time" },
	{ "watchdog", REASON_ABNORMAL, 1, "did not feed its watchdog" },
	{ "noproc", REASON_ABNORMAL, 1,
	    "ended with reason noproc (there is no such process)" },
	{ "{errno,2}", REASON_ABNORMAL, 1,
	    "ended with reason {errno,2} (No such file or directory)" },
	{ "{errno,0}", REASON_ABNORMAL, 1, "ended with reason {errno,0}" },
	{ "{errno,x}", REASON_ABNORMAL, 1, "ended with reason {errno,x}" },
	{ "{errno,-2}", REASON_ABNORMAL, 1, "ended with reason {errno,-2}" },
	{ "{errno,99999}", REASON_ABNORMAL, 1,
	    "ended with reason {errno,99999}" },
	{ "noconnection", REASON_ABNORMAL, 1, "lost its connection" },
	{ "my own", REASON_ABNORMAL, 1, "ended with reason my own" },
	/* What only looks like a clean one is not. */
	{ "", REASON_ABNORMAL, 1, "ended with reason " },
	{ "normal ", REASON_ABNORMAL, 1, "ended with reason normal " },
	{ "shutdown,x", REASON_ABNORMAL, 1, "ended with reason shutdown,x" },
	{ "{shutdown}", REASON_ABNORMAL, 1, "ended with reason {shutdown}" },
	{ "{shutdown,x", REASON_ABNORMAL, 1, "ended with reason {shutdown,x" },
	{ "{shutdowns,x}", REASON_ABNORMAL, 1,
	    "ended with reason {shutdowns,x}" },
	{ "{", REASON_ABNORMAL, 1, "ended with reason {" },
	{ "{}", REASON_ABNORMAL, 1, "ended with reason {}" },
};

START_TEST(class_code_and_words)
{
	char words[REASON_MAX + 64];

	ck_assert_msg(reason_class(reasons[_i].reason) == reasons[_i].class,
	    "class of %s", reasons[_i].reason);
	ck_assert_msg(reason_code(reasons[_i].reason) == reasons[_i].code,
	    "code of %s: %d", reasons[_i].reason,
	    reason_code(reasons[_i].reason));
	reason_words(reasons[_i].reason, words, sizeof(words));
	ck_assert_str_eq(words, reasons[_i].words);
}
END_TEST

#define EXITED(n)	((n) << 8)
#define CORE		0x80
#define STOPPED		0x137f

static const struct {
	int		 status;
	bool		 asked;
	const char	*want;
} statuses[] = {
	{ EXITED(0), false, "normal" },
	{ EXITED(0), true, "normal" },
	{ EXITED(1), false, "{exit,1}" },
	{ EXITED(255), true, "{exit,255}" },
	{ EXITED(143), false, "{exit,143}" },
	{ EXITED(143), true, "shutdown" },
	{ SIGTERM, false, "{signal,SIGTERM}" },
	{ SIGTERM, true, "shutdown" },
	{ SIGKILL, false, "killed" },
	{ SIGKILL, true, "killed" },
	{ SIGSEGV, true, "{signal,SIGSEGV}" },
	{ SIGABRT | CORE, false, "{signal,SIGABRT,core}" },
	{ SIGINT, true, "{signal,SIGINT}" },
	{ 42, false, "{signal,SIG42}" },
	{ STOPPED, false, "{exit,unknown}" },
	{ SPAWN_STATUS_UNKNOWN, false, "{exit,unknown}" },
	{ SPAWN_STATUS_UNKNOWN, true, "{exit,unknown}" },
};

START_TEST(from_a_wait_status)
{
	char got[REASON_MAX];

	reason_from_status(statuses[_i].status, statuses[_i].asked, got);
	ck_assert_str_eq(got, statuses[_i].want);
}
END_TEST

START_TEST(a_failed_start_is_one_line_and_fits)
{
	char got[REASON_MAX], words[1000];

	reason_start("exec /bin/x: no such file", got);
	ck_assert_str_eq(got, "{start,\"exec /bin/x: no such file\"}");
	reason_start("a\"b\\c\nd\x80", got);
	ck_assert_str_eq(got, "{start,\"a'b'c?d?\"}");
	reason_start("", got);
	ck_assert_str_eq(got, "{start,\"\"}");
	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	reason_start(words, got);
	ck_assert_uint_eq(strlen(got), REASON_MAX - 1);
	ck_assert_str_eq(got + REASON_MAX - 4, "x\"}");
	ck_assert(reason_valid(got, strlen(got)));
}
END_TEST

START_TEST(valid)
{
	char text[REASON_MAX];

	memset(text, 'x', sizeof(text));
	ck_assert(!reason_valid(text, 0));
	ck_assert(reason_valid(text, 1));
	ck_assert(reason_valid(text, REASON_MAX - 1));
	ck_assert(!reason_valid(text, REASON_MAX));
	ck_assert(reason_valid(" ~", 2));
	ck_assert(!reason_valid("a\x1f", 2));
	ck_assert(!reason_valid("a\x7f", 2));
	ck_assert(!reason_valid("a\0b", 3));
	ck_assert(!reason_valid("\xc3\xa9", 2));
}
END_TEST

START_TEST(words_are_cut_where_there_is_no_room)
{
	char words[8] = "unused";

	reason_words("{signal,SIGSEGV}", words, sizeof(words));
	ck_assert_str_eq(words, "was kil");
}
END_TEST

static const struct {
	const char	*name;
	int		 want;
} names[] = {
	{ "TERM", SIGTERM }, { "SIGTERM", SIGTERM }, { "15", 15 },
	{ "hup", SIGHUP }, { "sigusr1", SIGUSR1 }, { "SIG42", 42 },
	{ "64", 64 }, { "1", 1 }, { "CLD", SIGCHLD }, { "IOT", SIGABRT },
	{ "0", -EINVAL }, { "65", -EINVAL }, { "-1", -EINVAL },
	{ "", -EINVAL }, { "SIG", -EINVAL }, { "TERMS", -EINVAL },
	{ "1x", -EINVAL }, { " 1", -EINVAL }, { "99999999999", -EINVAL },
};

START_TEST(number_of_a_signal)
{
	ck_assert_msg(reason_signal_number(names[_i].name) == names[_i].want,
	    "%s: %d", names[_i].name, reason_signal_number(names[_i].name));
}
END_TEST

START_TEST(every_signal_has_a_name_that_leads_back)
{
	int sig;

	for (sig = 1; sig <= 64; sig++)
		ck_assert_int_eq(reason_signal_number(reason_signal_name(sig)),
		    sig);
	ck_assert_str_eq(reason_signal_name(SIGABRT), "SIGABRT");
	ck_assert_str_eq(reason_signal_name(SIGCHLD), "SIGCHLD");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("reason");
	TCase *c = tcase_create("reason");
	SRunner *r;
	int failed;

	tcase_add_loop_test(c, class_code_and_words, 0, NITEMS(reasons));
	tcase_add_loop_test(c, from_a_wait_status, 0, NITEMS(statuses));
	tcase_add_test(c, a_failed_start_is_one_line_and_fits);
	tcase_add_test(c, valid);
	tcase_add_test(c, words_are_cut_where_there_is_no_room);
	tcase_add_loop_test(c, number_of_a_signal, 0, NITEMS(names));
	tcase_add_test(c, every_signal_has_a_name_that_leads_back);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
