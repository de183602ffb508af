/* SPDX-License-Identifier: ISC */
/*
 * The worker under an engine that is followed by another, both played by the
 * test: what it says again, what it waits for, what it hears twice.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "otp_rig.h"

static struct rig rig;

static void
start(void)
{
	rig_start_linked(&rig, NULL);
	raw_expect(rig.engine, FRAME_CAST, "{\"op\":\"ready\"}", NULL);
}

static void
end(void)
{
	rig_end(&rig);
}

static void
tell(const char *text)
{
	ck_assert_int_eq(otp_cast(rig.o, rig.socket, text, strlen(text)), 0);
	(void)otp_flush(rig.o);
}

/* An engine that dies over a request is followed by one that greets. */
START_TEST(a_question_is_put_to_the_next_engine)
{
	struct frame_header first, h;

	tell("control {\"op\":\"which_children\"}");
	raw_expect(rig.engine, FRAME_CALL, "which_children", &first);
	raw_hello(rig.engine);
	raw_expect(rig.engine, FRAME_CALL, "which_children", &h);
	ck_assert_uint_ne(h.ref, first.ref);
	raw_send(rig.engine, FRAME_REPLY, 0, 0, h.ref, "[]");
	rig_await(&rig, "control:0:");
}
END_TEST

/* Another engine, which has one request of those that were made, or none. */
static void
next_engine_has(uint64_t ref)
{
	struct frame_header h;
	char text[64];

	raw_hello(rig.engine);
	raw_expect(rig.engine, FRAME_CALL, "\"waits\"", &h);
	(void)snprintf(text, sizeof(text), ref != 0 ?
	    "{\"waits\":[\"1\",\"%llu\"]}" : "{\"waits\":[]}",
	    (unsigned long long)ref);
	raw_send(rig.engine, FRAME_REPLY, 0, 0, h.ref, text);
}

/* An engine that does not understand the question has none, either. */
START_TEST(nobody_knows_whether_an_order_was_carried_out)
{
	uint64_t began = rig_now_ms();
	struct frame_header h;

	tell("control {\"op\":\"start_child\"}");
	raw_expect(rig.engine, FRAME_CALL, "start_child", NULL);
	if (_i == 0) {
		next_engine_has(0);
	} else {
		raw_hello(rig.engine);
		raw_hello(rig.engine);	/* died over the question */
		raw_expect(rig.engine, FRAME_CALL, "\"waits\"", NULL);
		raw_expect(rig.engine, FRAME_CALL, "\"waits\"", &h);
		raw_send(rig.engine, FRAME_REPLY, 0, 0, h.ref,
		    "{\"error\":\"bad_request\"}");
	}
	rig_await(&rig, "control:-4103:{engine_down,unknown}");
	ck_assert_uint_lt(rig_now_ms() - began, 4000);
}
END_TEST

START_TEST(an_order_that_the_next_engine_has_is_waited_for)
{
	struct frame_header h;

	tell("control {\"op\":\"start_child\"}");
	raw_expect(rig.engine, FRAME_CALL, "start_child", &h);
	next_engine_has(h.ref);
	raw_send(rig.engine, FRAME_REPLY, 0, 0, h.ref, "{\"result\":\"ok\"}");
	rig_await(&rig, "control:0:");
}
END_TEST

/* Either the first engine has done it, or it has not. */
START_TEST(a_name_is_registered_whichever_engine_did_it)
{
	struct frame_header h;
	char text[96];

	tell("name cache");
	raw_expect(rig.engine, FRAME_CALL, "register", NULL);
	next_engine_has(0);
	raw_expect(rig.engine, FRAME_CALL, "register", &h);
	(void)snprintf(text, sizeof(text), "{\"error\":\"already_started\","
	    "\"path\":\"%s\",\"pid\":%d}", _i == 2 ? "web/c" : "web/rig",
	    (int)rig.pid);
	raw_send(rig.engine, FRAME_REPLY, 0, 0, h.ref, _i == 0 ?
	    "{\"result\":\"ok\"}" : text);
	rig_await(&rig, _i == 2 ? "name:-4102:" : "name:0:");
	tell("unname cache");
	raw_expect(rig.engine, FRAME_CALL, "unregister", NULL);
	next_engine_has(0);
	raw_expect(rig.engine, FRAME_CALL, "unregister", &h);
	raw_send(rig.engine, FRAME_REPLY, 0, 0, h.ref, _i == 0 ?
	    "{\"result\":\"ok\"}" : "{\"error\":\"not_found\"}");
	rig_await(&rig, "unname:0");
}
END_TEST

START_TEST(a_new_engine_is_told_everything_again)
{
	rig_ok(&rig, "trap");
	rig_ok(&rig, "monitor web/other");
	rig_ok(&rig, "link web/third");
	rig_ok(&rig, "link web/fourth");
	raw_expect(rig.engine, FRAME_CAST, "web/fourth", NULL);
	raw_send(rig.engine, FRAME_EXIT, 0, 0, 0,
	    "{\"from\":\"web/third\",\"reason\":\"x\",\"link\":false}");
	raw_send(rig.engine, FRAME_EXIT, 0, 0, 0,
	    "{\"from\":\"web/fourth\",\"reason\":\"y\"}");
	rig_await(&rig, "EXIT:y");
	raw_hello(rig.engine);
	raw_expect(rig.engine, FRAME_CAST, "\"trap_exit\",\"on\":true", NULL);
	raw_expect(rig.engine, FRAME_CAST, "web/third", NULL);
	raw_expect(rig.engine, FRAME_CAST, "\"monitor\",\"ref\":\"1\"", NULL);
}
END_TEST

/* By an engine that does not know what the one before it had sent. */
START_TEST(an_exit_signal_that_comes_again_is_none)
{
	static const uint64_t numbers[] = { 7, 8, 7, 8, 9, 0, 0 };

	rig_ok(&rig, "trap");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		raw_send(rig.engine, FRAME_EXIT, 0, 0, numbers[i],
		    "{\"from\":\"web/other\",\"reason\":\"bad\"}");
	raw_send(rig.engine, FRAME_INFO, 0, 0, 0, "done");
	rig_await(&rig, "message:done");
	ck_assert_int_eq(rig_count(&rig, "EXIT:bad"), 5);
}
END_TEST

START_TEST(what_is_said_to_the_engine_is_counted)
{
	struct frame_header h;

	rig_ok(&rig, "link web/one");
	raw_expect(rig.engine, FRAME_CAST, "web/one", &h);
	ck_assert_int_gt(h.tag, 0);
	for (uint16_t i = 1; i < 3; i++) {
		uint16_t before = h.tag;

		rig_ok(&rig, "link web/one");
		raw_expect(rig.engine, FRAME_CAST, "web/one", &h);
		ck_assert_int_eq(h.tag, before + 1);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("otp_engines");
	TCase *tc = tcase_create("engines");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_new_engine_is_told_everything_again);
	tcase_add_test(tc, a_question_is_put_to_the_next_engine);
	tcase_add_test(tc, an_order_that_the_next_engine_has_is_waited_for);
	tcase_add_test(tc, an_exit_signal_that_comes_again_is_none);
	tcase_add_test(tc, what_is_said_to_the_engine_is_counted);
	tcase_add_loop_test(tc,
	    nobody_knows_whether_an_order_was_carried_out, 0, 2);
	tcase_add_loop_test(tc,
	    a_name_is_registered_whichever_engine_did_it, 0, 3);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
