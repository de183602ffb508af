/* SPDX-License-Identifier: ISC */
/*
 * What a gen_server's callbacks may ask for, and what then happens: the loop
 * of a gen_server and its end, row by row.
 */
#include <check.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "otp_rig.h"

static struct rig rig;

static void
start(void)
{
	rig_start(&rig, NULL);
}

static void
end(void)
{
	rig_end(&rig);
}

/* Where these words stand in the log: their order is the test. */
static long
place(const char *words)
{
	const char *at = strstr(rig.log, words);

	ck_assert_msg(at != NULL, "no %s in: %s", words, rig.log);
	return at - rig.log;
}

START_TEST(a_reply_reaches_the_caller)
{
	char *reply = rig_call(&rig, "echo hello", NULL);

	ck_assert_ptr_nonnull(reply);
	ck_assert_str_eq(reply, "hello");
	free(reply);
}
END_TEST

#define MANY	1000		/* calls in a row, of one caller */

/* A caller that keeps calling is read in a way of his own meanwhile. */
START_TEST(who_calls_on_and_on_is_heard_after_a_pause_and_others_meanwhile)
{
	struct frame_header h;
	int other = raw_open(rig.socket);

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++) {
			if (i == MANY / 2)
				raw_send(other, FRAME_CALL, 0, 0,
				    (uint64_t)round + 1, "echo other");
			rig_ok(&rig, "hello");
		}
		raw_expect(other, FRAME_REPLY, "other", &h);
		ck_assert_uint_eq(h.ref, (uint64_t)round + 1);
		(void)usleep(2000);	/* then it sleeps, most likely */
	}
	(void)close(other);
}
END_TEST

START_TEST(who_calls_on_and_on_may_go)
{
	for (int i = 0; i < MANY; i++)
		rig_ok(&rig, "hello");
	otp_free(rig.o);
	rig.o = otp_new(NULL);
	rig_ok(&rig, "hello");
}
END_TEST

START_TEST(a_reply_may_come_after_other_messages)
{
	uint64_t first;
	char *reply;

	ck_assert_int_eq(otp_send_request(rig.o, rig.socket, "later", 5,
	    &first), 0);
	rig_ok(&rig, "hello");
	rig_ok(&rig, "release");
	ck_assert_int_eq(otp_receive_response(rig.o, first, 5000, &reply,
	    NULL), 0);
	ck_assert_str_eq(reply, "late");
	free(reply);
}
END_TEST

START_TEST(a_second_reply_is_dropped)
{
	char *reply = rig_call(&rig, "twice", NULL);

	free(reply);
	reply = rig_call(&rig, "echo next", NULL);
	ck_assert_str_eq(reply, "next");
	free(reply);
}
END_TEST

START_TEST(a_cast_is_handled_in_order_with_calls)
{
	ck_assert_int_eq(otp_cast(rig.o, rig.socket, "a", 1), 0);
	ck_assert_int_eq(otp_cast(rig.o, rig.socket, "b", 1), 0);
	rig_ok(&rig, "c");
	ck_assert_str_eq(rig.log, "cast:a cast:b call:c ");
}
END_TEST

START_TEST(what_is_sent_comes_to_handle_info)
{
	ck_assert_int_eq(otp_send(rig.o, rig.socket, "hello", 5), 0);
	otp_flush(rig.o);
	rig_await(&rig, "message:hello");
}
END_TEST

/* --- timeouts --- */

START_TEST(a_timeout_comes_when_nothing_else_does)
{
	uint64_t began = rig_now_ms();

	rig_ok(&rig, "timeout 30");
	rig_await(&rig, "TIMEOUT");
	ck_assert_uint_ge(rig_now_ms() - began, 30);
}
END_TEST

START_TEST(any_message_forgets_the_timeout)
{
	uint64_t began = rig_now_ms(), took;

	rig_ok(&rig, "timeout 200");
	rig_ok(&rig, "after 300");
	took = rig_now_ms() - began;
	rig_await(&rig, "message:rang");
	if (took < 200)			/* else it may have come before */
		ck_assert_int_eq(rig_count(&rig, "TIMEOUT"), 0);
}
END_TEST

START_TEST(a_sys_message_restarts_the_whole_timeout)
{
	int fd = raw_open(rig.socket);
	uint64_t began, asked = 0;

	rig_ok(&rig, "timeout 300");
	began = rig_now_ms();
	while (rig_now_ms() - began < 200) {
		asked = rig_now_ms();
		raw_send(fd, FRAME_SYSTEM, 0, 1, 1, "");
		raw_expect(fd, FRAME_REPLY, "state", NULL);
	}
	rig_await(&rig, "TIMEOUT");
	ck_assert_uint_ge(rig_now_ms() - asked, 299);
	(void)close(fd);
}
END_TEST

START_TEST(a_timeout_of_zero_lets_a_waiting_message_go_first)
{
	otp_cast(rig.o, rig.socket, "timeout 0", 9);
	otp_cast(rig.o, rig.socket, "waiting", 7);
	otp_cast(rig.o, rig.socket, "after 20", 8);
	otp_flush(rig.o);
	rig_await(&rig, "message:rang");
	ck_assert_int_eq(rig_count(&rig, "TIMEOUT"), 0);
}
END_TEST

START_TEST(a_timeout_of_zero_comes_when_nothing_waits)
{
	rig_ok(&rig, "timeout 0");
	rig_await(&rig, "TIMEOUT");
}
END_TEST

START_TEST(a_hibernating_server_wakes_for_the_next_message)
{
	rig_ok(&rig, "hibernate");
	rig_ok(&rig, "hello");
}
END_TEST

#ifdef __GLIBC__
static int *trimmed;		/* how often, where the server can tell */

/* In place of libc's, which the memory of a sanitizer would not show. */
int
malloc_trim(size_t pad)
{
	(void)pad;
	if (trimmed != NULL)
		++*trimmed;
	return 1;
}

START_TEST(a_hibernating_server_gives_memory_back)
{
	const char *preload = getenv("LD_PRELOAD");
	struct rig r;

	trimmed = mmap(NULL, sizeof(*trimmed), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(trimmed, MAP_FAILED);
	if (preload != NULL && strstr(preload, "vgpreload") != NULL)
		return;			/* valgrind puts its own there */
	rig_start(&r, NULL);
	rig_ok(&r, "hello");
	ck_assert_int_eq(*trimmed, 0);
	rig_ok(&r, "hibernate");
	rig_ok(&r, "hello");		/* that is done when this is heard */
	ck_assert_int_eq(*trimmed, 1);
	rig_end(&r);
}
END_TEST
#endif

/* --- continue --- */

START_TEST(continue_runs_before_what_waits_in_the_mailbox)
{
	otp_cast(rig.o, rig.socket, "continue", 8);
	otp_cast(rig.o, rig.socket, "next", 4);
	otp_flush(rig.o);
	rig_await(&rig, "cast:next");
	ck_assert_str_eq(rig.log, "cast:continue continue cast:next ");
}
END_TEST

START_TEST(continue_runs_before_what_came_during_init)
{
	struct rig r;

	rig_start_with(&r, "continue", true, NULL, NULL);
	otp_cast(r.o, r.socket, "early", 5);
	otp_flush(r.o);
	rig_await(&r, "cast:early");
	ck_assert_str_eq(r.log, "init continue cast:early ");
	rig_end(&r);
}
END_TEST

START_TEST(the_reply_is_sent_before_continue_runs)
{
	/* Its handle_continue would never end if the reply came after it. */
	rig_ok(&rig, "continue");
	rig_await(&rig, "call:continue continue");
}
END_TEST

/* --- the end --- */

static const struct {
	const char	*request, *reason, *log;
	int		 code;
} ends[] = {
	{ "stop normal", "normal", "terminate:normal", 0 },
	{ "stop shutdown", "shutdown", "terminate:shutdown", 0 },
	{ "stop {shutdown,x}", "{shutdown,x}", "terminate:{shutdown,x}", 0 },
	{ "stop bad", "bad", "terminate:bad", 1 },
	{ "fail", "{errno,5}", "terminate:{errno,5}", 1 },
	{ "odd", "{bad_return_value,7}", "terminate:{bad_return_value,7}", 1 },
};

START_TEST(a_server_that_stops_terminates_and_its_caller_learns_why)
{
	int rc;

	ck_assert_ptr_null(rig_call(&rig, ends[_i].request, &rc));
	ck_assert_int_eq(rc, -OTP_EDOWN);
	ck_assert_str_eq(otp_reason(rig.o), ends[_i].reason);
	ck_assert_int_eq(rig_exit(&rig), ends[_i].code);
	(void)place(ends[_i].log);
}
END_TEST

START_TEST(a_server_may_stop_from_cast_and_info)
{
	if (_i == 0)
		otp_cast(rig.o, rig.socket, "stop normal", 11);
	else
		otp_send(rig.o, rig.socket, "stop normal", 11);
	otp_flush(rig.o);
	ck_assert_int_eq(rig_exit(&rig), 0);
	(void)place("terminate:normal");
}
END_TEST

START_TEST(stop_with_a_reply_terminates_first)
{
	char *reply = rig_call(&rig, "stop_reply normal", NULL);

	ck_assert_str_eq(reply, "bye");
	(void)place("terminate:normal");	/* it has run by now */
	free(reply);
	ck_assert_int_eq(rig_exit(&rig), 0);
}
END_TEST

START_TEST(nothing_is_handled_after_stop)
{
	otp_cast(rig.o, rig.socket, "stop normal", 11);
	otp_cast(rig.o, rig.socket, "late", 4);
	otp_flush(rig.o);
	ck_assert_int_eq(rig_exit(&rig), 0);
	ck_assert_ptr_null(strstr(rig.log, "cast:late"));
}
END_TEST

START_TEST(a_killed_server_does_not_terminate)
{
	int rc;

	(void)kill(rig.pid, SIGKILL);
	ck_assert_int_eq(rig_exit(&rig), 128 + SIGKILL);
	ck_assert_ptr_null(rig_call(&rig, "hello", &rc));
	ck_assert_int_eq(rc, -OTP_ENOPROC);
	ck_assert_ptr_null(strstr(rig.log, "terminate"));
}
END_TEST

static int
only_info(struct otp *self, const struct otp_info *info, void *state)
{
	(void)self;
	(void)info;
	(void)state;
	return OTP_OK;
}

START_TEST(a_call_nobody_handles_ends_the_server)
{
	static const struct otp_gen_server_ops ops = {
	    .handle_info = only_info };
	struct rig r;
	int rc;

	rig_start_with(&r, NULL, true, NULL, &ops);
	ck_assert_ptr_null(rig_call(&r, "what", &rc));
	ck_assert_int_eq(rc, -OTP_EDOWN);
	ck_assert_str_eq(otp_reason(r.o), "{undefined,handle_call}");
	rig_end(&r);
}
END_TEST

static int
only_call(struct otp *self, struct otp_from from, const char *text, size_t len,
    void *state)
{
	(void)state;
	return otp_reply(self, from, text, len);
}

START_TEST(an_info_nobody_handles_is_dropped_and_a_cast_ends_the_server)
{
	static const struct otp_gen_server_ops ops = {
	    .handle_call = only_call };
	char *reply;
	struct rig r;
	int rc;

	rig_start_with(&r, NULL, true, NULL, &ops);
	ck_assert_int_eq(otp_send(r.o, r.socket, "what", 4), 0);
	reply = rig_call(&r, "still there", &rc);
	ck_assert_str_eq(reply, "still there");
	free(reply);
	ck_assert_int_eq(otp_cast(r.o, r.socket, "what", 4), 0);
	ck_assert_ptr_null(rig_call(&r, "gone", &rc));
	ck_assert_int_eq(rc, -OTP_EDOWN);
	ck_assert_str_eq(otp_reason(r.o), "{undefined,handle_cast}");
	rig_end(&r);
}
END_TEST

/* --- the beginning --- */

START_TEST(ignore_ends_it_with_zero)
{
	struct rig r;

	rig_start_with(&r, "ignore", true, NULL, NULL);
	raw_expect(r.engine, FRAME_CAST, "{\"op\":\"ignore\"}", NULL);
	ck_assert_int_eq(rig_exit(&r), 0);
	ck_assert_ptr_null(strstr(r.log, "terminate"));
	rig_end(&r);
}
END_TEST

START_TEST(a_failed_init_says_why_and_does_not_terminate)
{
	struct rig r;

	rig_start_with(&r, _i == 0 ? "stop bad" : "fail", true, NULL, NULL);
	raw_expect(r.engine, FRAME_CAST, _i == 0 ?
	    "{\"op\":\"reason\",\"reason\":\"bad\"}" :
	    "{\"op\":\"reason\",\"reason\":\"{errno,5}\"}", NULL);
	ck_assert_int_eq(rig_exit(&r), 1);
	ck_assert_ptr_null(strstr(r.log, "terminate"));
	rig_end(&r);
}
END_TEST

START_TEST(ready_is_said_when_init_has_returned)
{
	struct frame_header h;
	struct rig r;
	char *said;

	rig_start_with(&r, "nap 50", true, NULL, NULL);
	ck_assert(raw_recv(r.engine, &h, &said));
	ck_assert_str_eq(said, "{\"op\":\"ready\"}");
	(void)strstr(r.log, "init");
	free(said);
	rig_end(&r);
}
END_TEST

START_TEST(init_may_ask_for_a_timeout)
{
	struct rig r;

	rig_start_with(&r, "timeout 10", true, NULL, NULL);
	rig_await(&r, "TIMEOUT");
	rig_end(&r);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("otp_server");
	TCase *tc = tcase_create("gen_server");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_reply_reaches_the_caller);
	tcase_add_test(tc,
	    who_calls_on_and_on_is_heard_after_a_pause_and_others_meanwhile);
	tcase_add_test(tc, who_calls_on_and_on_may_go);
	tcase_add_test(tc, a_reply_may_come_after_other_messages);
	tcase_add_test(tc, a_second_reply_is_dropped);
	tcase_add_test(tc, a_cast_is_handled_in_order_with_calls);
	tcase_add_test(tc, what_is_sent_comes_to_handle_info);
	tcase_add_test(tc, a_timeout_comes_when_nothing_else_does);
	tcase_add_test(tc, any_message_forgets_the_timeout);
	tcase_add_test(tc, a_sys_message_restarts_the_whole_timeout);
	tcase_add_test(tc, a_timeout_of_zero_lets_a_waiting_message_go_first);
	tcase_add_test(tc, a_timeout_of_zero_comes_when_nothing_waits);
	tcase_add_test(tc, a_hibernating_server_wakes_for_the_next_message);
#ifdef __GLIBC__
	tcase_add_test(tc, a_hibernating_server_gives_memory_back);
#endif
	tcase_add_test(tc, continue_runs_before_what_waits_in_the_mailbox);
	tcase_add_test(tc, continue_runs_before_what_came_during_init);
	tcase_add_test(tc, the_reply_is_sent_before_continue_runs);
	tcase_add_loop_test(tc,
	    a_server_that_stops_terminates_and_its_caller_learns_why, 0,
	    sizeof(ends) / sizeof(ends[0]));
	tcase_add_loop_test(tc, a_server_may_stop_from_cast_and_info, 0, 2);
	tcase_add_test(tc, stop_with_a_reply_terminates_first);
	tcase_add_test(tc, nothing_is_handled_after_stop);
	tcase_add_test(tc, a_killed_server_does_not_terminate);
	tcase_add_test(tc, a_call_nobody_handles_ends_the_server);
	tcase_add_test(tc,
	    an_info_nobody_handles_is_dropped_and_a_cast_ends_the_server);
	tcase_add_test(tc, ignore_ends_it_with_zero);
	tcase_add_loop_test(tc, a_failed_init_says_why_and_does_not_terminate,
	    0, 2);
	tcase_add_test(tc, ready_is_said_when_init_has_returned);
	tcase_add_test(tc, init_may_ask_for_a_timeout);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
