/* SPDX-License-Identifier: ISC */
/*
 * The worker under an engine, which the test plays: exit signals, monitors,
 * names, system messages, timers.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otp_rig.h"

static struct rig rig;
static int sys;			/* a connection for system messages */

static void
start(void)
{
	rig_start_linked(&rig, NULL);
	raw_expect(rig.engine, FRAME_CAST, "{\"op\":\"ready\"}", NULL);
	sys = raw_open(rig.socket);
}

static void
end(void)
{
	(void)close(sys);
	rig_end(&rig);
}

static void
ask(uint16_t operation, const char *payload, const char *answer)
{
	raw_send(sys, FRAME_SYSTEM, 0, operation, 1, payload);
	raw_expect(sys, FRAME_REPLY, answer, NULL);
}

/* --- exit signals --- */

static const struct {
	const char	*why;
	bool		 trap, parent;
	const char	*reason;
	const char	*log;		/* what must be there, or NULL */
	bool		 ends, terminates;
} signals[] = {
	{ "not trapping, normal: nothing", false, false, "normal", NULL,
	    false, false },
	{ "not trapping, other: ends, no terminate", false, false, "bad", NULL,
	    true, false },
	{ "trapping: a message", true, false, "bad", "EXIT:bad", false,
	    false },
	{ "trapping, normal: a message too", true, false, "normal",
	    "EXIT:normal", false, false },
	{ "from the parent, trapping: terminate with its reason", true, true,
	    "shutdown", "terminate:shutdown", true, true },
	{ "from the parent, not trapping: it just ends", false, true,
	    "shutdown", NULL, true, false },
};

START_TEST(exit_signals_are_as_in_the_table)
{
	char text[128];

	if (signals[_i].trap) {
		rig_ok(&rig, "trap");
		raw_expect(rig.engine, FRAME_CAST,
		    "{\"op\":\"trap_exit\",\"on\":true}", NULL);
	}
	(void)snprintf(text, sizeof(text),
	    "{\"from\":\"web/other\",\"reason\":\"%s\"}", signals[_i].reason);
	raw_send(rig.engine, FRAME_EXIT, signals[_i].parent, 0, 0, text);
	if (signals[_i].ends) {
		(void)snprintf(text, sizeof(text),
		    "{\"op\":\"reason\",\"reason\":\"%s\"}",
		    signals[_i].reason);
		raw_expect(rig.engine, FRAME_CAST, text, NULL);
		(void)rig_exit(&rig);
	} else {
		rig_ok(&rig, "alive");
	}
	if (signals[_i].log != NULL)
		rig_await(&rig, signals[_i].log);
	ck_assert_msg((strstr(rig.log, "terminate") != NULL) ==
	    signals[_i].terminates, "%s: %s", signals[_i].why, rig.log);
}
END_TEST

START_TEST(the_parents_exit_terminates_even_while_suspended)
{
	rig_ok(&rig, "trap");
	ask(3, "", "ok");
	otp_cast(rig.o, rig.socket, "held", 4);
	(void)otp_flush(rig.o);
	raw_send(rig.engine, FRAME_EXIT, 1, 0, 0, "{\"reason\":\"shutdown\"}");
	(void)rig_exit(&rig);
	(void)strstr(rig.log, "terminate:shutdown");
	ck_assert_ptr_nonnull(strstr(rig.log, "terminate:shutdown"));
	ck_assert_ptr_null(strstr(rig.log, "cast:held"));
}
END_TEST

/* --- monitors, links, names --- */

START_TEST(a_monitor_gives_one_down)
{
	rig_ok(&rig, "monitor web/other");
	raw_expect(rig.engine, FRAME_CAST,
	    "{\"op\":\"monitor\",\"ref\":\"1\",\"target\":\"web/other\"}",
	    NULL);
	for (int i = 0; i < 2; i++)
		raw_send(rig.engine, FRAME_DOWN, 0, 0, 1,
		    "{\"path\":\"web/other\",\"pid\":7,\"reason\":\"killed\"}");
	rig_await(&rig, "DOWN:killed");
	raw_send(rig.engine, FRAME_INFO, 0, 0, 0, "done");
	rig_await(&rig, "message:done");
	ck_assert_int_eq(rig_count(&rig, "DOWN"), 1);
}
END_TEST

START_TEST(after_demonitor_no_down_comes)
{
	rig_ok(&rig, "monitor web/other");
	rig_ok(&rig, "demonitor");
	rig_await(&rig, "demonitor:0");
	raw_expect(rig.engine, FRAME_CAST, "{\"op\":\"demonitor\"", NULL);
	raw_send(rig.engine, FRAME_DOWN, 0, 0, 1, "{\"reason\":\"killed\"}");
	raw_send(rig.engine, FRAME_INFO, 0, 0, 0, "done");
	rig_await(&rig, "message:done");
	ck_assert_int_eq(rig_count(&rig, "DOWN"), 0);
}
END_TEST

START_TEST(a_link_is_said_to_the_engine)
{
	rig_ok(&rig, "link web/other");
	raw_expect(rig.engine, FRAME_CAST,
	    "{\"op\":\"link\",\"target\":\"web/other\"}", NULL);
}
END_TEST

START_TEST(a_name_that_is_taken_says_who_has_it)
{
	struct frame_header h;
	uint64_t request;

	ck_assert_int_eq(otp_send_request(rig.o, rig.socket, "name cache", 10,
	    &request), 0);
	(void)otp_flush(rig.o);
	raw_expect(rig.engine, FRAME_CALL,
	    "{\"op\":\"register\",\"name\":\"cache\"}", &h);
	raw_send(rig.engine, FRAME_REPLY, 0, 0, h.ref, _i == 0 ?
	    "{\"result\":\"ok\"}" :
	    "{\"error\":\"already_started\",\"pid\":7,\"path\":\"web/c\"}");
	rig_await(&rig, _i == 0 ? "name:0" :
	    "name:-4102:{already_started,web/c,7}");
}
END_TEST

START_TEST(what_comes_during_a_request_to_the_engine_is_handled_after_it)
{
	struct frame_header h;

	otp_cast(rig.o, rig.socket, "name cache", 10);
	(void)otp_flush(rig.o);
	raw_expect(rig.engine, FRAME_CALL, "register", &h);
	raw_send(rig.engine, FRAME_INFO, 0, 0, 0, "between");
	raw_send(rig.engine, FRAME_REPLY, 0, 0, h.ref, "{\"result\":\"ok\"}");
	rig_await(&rig, "name:0");
	rig_await(&rig, "message:between");
}
END_TEST

START_TEST(a_server_outlives_otpd)
{
	rig_ok(&rig, "monitor web/other");
	(void)close(rig.engine);
	rig.engine = -1;
	rig_await(&rig, "DOWN:noconnection");
	rig_ok(&rig, "alive");
}
END_TEST

/* Without otpd a server is watched through the connection to it. */
START_TEST(a_monitor_without_otpd_watches_the_connection)
{
	struct rig one, other;
	char text[80];

	rig_start(&one, NULL);
	rig_start(&other, NULL);
	(void)snprintf(text, sizeof(text), "monitor %s", other.socket);
	rig_ok(&one, text);
	if (_i == 0) {
		otp_cast(other.o, other.socket, "stop bad", 8);
		(void)otp_flush(other.o);
		rig_await(&one, "DOWN:bad");
	} else {
		(void)kill(other.pid, SIGKILL);
		rig_await(&one, "DOWN:noconnection");
	}
	rig_ok(&one, "monitor ./no-such-socket");
	rig_await(&one, "DOWN:noproc");
	rig_end(&one);
	rig_end(&other);
}
END_TEST

/* --- sys --- */

START_TEST(get_state_is_the_whole_state_in_mailbox_order)
{
	raw_send(sys, FRAME_CAST, 0, 0, 0, "before");
	ask(1, "", "{\"state\":1}");
	ck_assert_str_eq(rig.log, "cast:before get_state ");
}
END_TEST

/* All come at once, and the first puts a message before the second. */
START_TEST(get_state_waits_for_what_was_cast_before_it)
{
	raw_send(sys, FRAME_CAST, 0, 0, 0, "nap 50");
	raw_send(sys, FRAME_CAST, 0, 0, 0, "tell_self own");
	raw_send(sys, FRAME_CAST, 0, 0, 0, "before");
	ask(1, "", "{\"state\":1}");
	ck_assert_ptr_nonnull(strstr(rig.log, "cast:before get_state "));
}
END_TEST

START_TEST(get_state_waits_for_what_was_kept_while_suspended)
{
	raw_send(sys, FRAME_CAST, 0, 0, 0, "nap 50");
	raw_send(sys, FRAME_SYSTEM, 0, 3, 1, "");
	raw_send(sys, FRAME_CAST, 0, 0, 0, "kept");
	raw_send(sys, FRAME_SYSTEM, 0, 1, 2, "");
	raw_send(sys, FRAME_SYSTEM, 0, 4, 3, "");
	raw_send(sys, FRAME_SYSTEM, 0, 1, 4, "");
	for (int i = 0; i < 4; i++)
		raw_expect(sys, FRAME_REPLY, "", NULL);
	ck_assert_ptr_nonnull(strstr(rig.log,
	    "get_state cast:kept get_state "));
}
END_TEST

START_TEST(replace_state_replaces_it)
{
	ask(7, "2", "ok");
	ask(1, "", "{\"state\":2}");
}
END_TEST

/* A state that is JSON stands as it is, any other as a string. */
static const struct { const char *state; bool json; } states[] = {
	{ "null", true }, { "-0.5e+3", true }, { "10", true },
	{ "\"a\\u00e9\\n\"", true }, { "[]", true }, { "{}", true },
	{ "[1,[2,{\"a\":[]}],\"x\"]", true }, { "{ \"a\" : 1 } ", true },
	{ "[1 2]", false }, { "[1,]", false }, { "[,1]", false },
	{ "{1:2}", false }, { "{\"a\"}", false }, { "{\"a\":1,}", false },
	{ "[1}", false }, { "{]", false }, { "[", false }, { "1,2", false },
	{ "1 2", false }, { "+1", false }, { "01", false }, { "1.", false },
	{ ".5", false }, { "1e", false }, { "--1", false }, { "-", false },
	{ "\"a\nb\"", false }, { "\"\\x\"", false },
	{ "\"\\u12\"", false }, { "\"a", false }, { "nul", false },
	{ "truer", false }, { "hello", false }, { "[1]]", false },
	{ "{\"a\":1 \"b\":2}", false }, { "[:]", false },
};

START_TEST(a_state_that_is_no_json_is_quoted)
{
	char want[64];

	(void)snprintf(want, sizeof(want), states[_i].json ?
	    "{\"state\":%s}" : "{\"state\":\"", states[_i].state);
	ask(7, states[_i].state, "ok");
	ask(1, "", want);
}
END_TEST

START_TEST(a_state_that_is_too_deep_is_quoted)
{
	char deep[2 * 1001 + 1];
	int n = 1000 + _i;

	memset(deep, '[', (size_t)n);
	memset(deep + n, ']', (size_t)n);
	deep[2 * n] = '\0';
	ask(7, deep, "ok");
	ask(1, "", _i == 0 ? "{\"state\":[" : "{\"state\":\"[");
}
END_TEST

START_TEST(get_status_shows_the_state_as_format_status_has_it)
{
	ask(2, "", "\"status\":\"running\"");
	ask(2, "", "\"state\":\"hidden\"");
	ask(2, "", "\"path\":\"web/rig\"");
	ask(2, "", "\"generation\":3");
}
END_TEST

START_TEST(suspended_only_sys_is_handled_and_resume_lets_the_rest_go)
{
	ask(3, "", "ok");
	ck_assert_int_eq(otp_call(rig.o, rig.socket, "held", 4, 50, NULL,
	    NULL), -ETIMEDOUT);
	otp_cast(rig.o, rig.socket, "kept", 4);
	(void)otp_flush(rig.o);
	ask(2, "", "\"status\":\"suspended\"");
	ck_assert_str_eq(rig.log, "");
	ask(4, "", "ok");
	rig_await(&rig, "cast:kept");
	ck_assert_ptr_null(strstr(rig.log, "held"));	/* its time is over */
}
END_TEST

START_TEST(what_waits_for_a_suspended_server_is_bounded)
{
	struct pollfd pfd;
	char text[1024];
	int fd = raw_open(rig.socket), n = 0;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ask(3, "", "ok");
	pfd.fd = fd;
	pfd.events = POLLOUT;
	while (poll(&pfd, 1, 200) == 1 && n < 100000) {
		raw_send(fd, FRAME_CAST, 0, 0, 0, text);
		n++;
	}
	ck_assert_int_lt(n, 20000);
	ask(4, "", "ok");
	ck_assert_int_eq(poll(&pfd, 1, 5000), 1);
	(void)close(fd);
}
END_TEST

START_TEST(code_changes_only_while_suspended_and_a_failure_keeps_the_state)
{
	ask(9, "3", "not_suspended");
	ask(3, "", "ok");
	ask(9, "bad", "failed");
	ask(1, "", "{\"state\":1}");
	ask(9, "3", "ok");
	ask(4, "", "ok");
	ask(1, "", "{\"state\":3}");
}
END_TEST

START_TEST(statistics_count_messages)
{
	rig_ok(&rig, "one");
	ask(5, "", "\"calls\":1,");
	ask(5, "", "\"messages_out\":1");
	ask(5, "", "\"start_time\":");
}
END_TEST

START_TEST(trace_shows_what_comes_in_and_goes_out)
{
	ask(6, "on", "ok");
	rig_ok(&rig, "seen");
	raw_expect(sys, FRAME_INFO,
	    "{\"event\":\"in\",\"type\":\"call\",\"data\":\"seen\"}", NULL);
	raw_expect(sys, FRAME_INFO, "{\"event\":\"out\"", NULL);
}
END_TEST

START_TEST(sys_terminate_stops_it_in_order)
{
	ask(8, "shutdown", "ok");
	ck_assert_int_eq(rig_exit(&rig), 0);
	ck_assert_ptr_nonnull(strstr(rig.log, "terminate:shutdown"));
}
END_TEST

START_TEST(an_unknown_system_message_is_an_error)
{
	ask(77, "", "bad_request");
}
END_TEST

/* --- timers --- */

START_TEST(send_after_comes_once)
{
	rig_ok(&rig, "after 10");
	rig_await(&rig, "message:rang");
	rig_ok(&rig, "timer 50");
	rig_await(&rig, "timer:timer:ref");
	ck_assert_int_eq(rig_count(&rig, "message:rang"), 1);
}
END_TEST

START_TEST(start_timer_says_which_one_it_is)
{
	rig_ok(&rig, "timer 10");
	rig_await(&rig, "timer:timer:ref");
}
END_TEST

START_TEST(cancel_timer_says_what_was_left)
{
	const char *at;

	rig_ok(&rig, "after 10000");
	rig_ok(&rig, "cancel");
	rig_await(&rig, "cancel:");
	at = strstr(rig.log, "cancel:");
	ck_assert_int_gt(atoi(at + 7), 5000);
	rig_ok(&rig, "cancel");
	rig_await(&rig, "cancel:-2 ");		/* unknown now */
}
END_TEST

START_TEST(a_message_that_is_due_is_handled_though_cancelled)
{
	rig_ok(&rig, "after 10");
	otp_cast(rig.o, rig.socket, "nap 50", 6);
	otp_cast(rig.o, rig.socket, "cancel", 6);
	(void)otp_flush(rig.o);
	rig_await(&rig, "cancel:-2");
	rig_await(&rig, "message:rang");
}
END_TEST

START_TEST(an_interval_goes_on_until_cancelled)
{
	int n;

	rig_ok(&rig, "interval 5");
	rig_await(&rig, "message:tick message:tick message:tick");
	rig_ok(&rig, "cancel");
	rig_await(&rig, "cancel:");
	rig_ok(&rig, "after 50");
	n = rig_count(&rig, "tick");
	rig_await(&rig, "message:rang");
	ck_assert_int_le(rig_count(&rig, "tick"), n + 1);
}
END_TEST

START_TEST(the_messages_of_an_interval_pile_up)
{
	rig_ok(&rig, "interval 5");
	otp_cast(rig.o, rig.socket, "nap 100", 7);
	otp_cast(rig.o, rig.socket, "cancel", 6);
	(void)otp_flush(rig.o);
	rig_await(&rig, "cancel:");
	rig_ok(&rig, "after 30");
	rig_await(&rig, "message:rang");
	ck_assert_int_ge(rig_count(&rig, "tick"), 15);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_parents_exit_terminates_even_while_suspended,
		a_monitor_gives_one_down,
		after_demonitor_no_down_comes,
		a_link_is_said_to_the_engine,
		what_comes_during_a_request_to_the_engine_is_handled_after_it,
		a_server_outlives_otpd,
		get_state_is_the_whole_state_in_mailbox_order,
		get_state_waits_for_what_was_cast_before_it,
		get_state_waits_for_what_was_kept_while_suspended,
		replace_state_replaces_it,
		get_status_shows_the_state_as_format_status_has_it,
		suspended_only_sys_is_handled_and_resume_lets_the_rest_go,
		what_waits_for_a_suspended_server_is_bounded,
		code_changes_only_while_suspended_and_a_failure_keeps_the_state,
		statistics_count_messages,
		trace_shows_what_comes_in_and_goes_out,
		sys_terminate_stops_it_in_order,
		an_unknown_system_message_is_an_error,
		send_after_comes_once,
		start_timer_says_which_one_it_is,
		cancel_timer_says_what_was_left,
		a_message_that_is_due_is_handled_though_cancelled,
		an_interval_goes_on_until_cancelled,
		the_messages_of_an_interval_pile_up,
	};
	Suite *suite = suite_create("otp_link");
	TCase *tc = tcase_create("link");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, exit_signals_are_as_in_the_table, 0,
	    sizeof(signals) / sizeof(signals[0]));
	tcase_add_loop_test(tc, a_name_that_is_taken_says_who_has_it, 0, 2);
	tcase_add_loop_test(tc, a_state_that_is_no_json_is_quoted, 0,
	    sizeof(states) / sizeof(states[0]));
	tcase_add_loop_test(tc, a_state_that_is_too_deep_is_quoted, 0, 2);
	tcase_add_loop_test(tc,
	    a_monitor_without_otpd_watches_the_connection, 0, 2);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
