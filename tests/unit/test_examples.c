/* SPDX-License-Identifier: ISC */
/*
 * The workers of contrib/examples, run as anybody runs them, keep the rules
 * that they are there to show.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "examples_rig.h"
#include "otp_rig.h"

/* --- cache --- */

#define PUT(key, value, ttl) "{\"op\":\"put\",\"key\":\"" key \
	"\",\"value\":\"" value "\",\"ttl_ms\":" ttl "}"
#define GET(key) "{\"op\":\"get\",\"key\":\"" key "\"}"
#define OK "{\"result\":\"ok\"}"
#define NOT_FOUND "{\"error\":\"not_found\"}"

START_TEST(a_cache_gives_what_was_put)
{
	struct program *p = RUN("cache");

	EXPECT(p, PUT("k", "v", "60000"), OK);
	EXPECT(p, GET("k"), "{\"value\":\"v\"}");
	EXPECT(p, PUT("k", "w", "60000"), OK);
	EXPECT(p, GET("k"), "{\"value\":\"w\"}");
	EXPECT(p, "{\"op\":\"size\"}", "{\"size\":1}");
	EXPECT(p, GET("other"), NOT_FOUND);
	EXPECT(p, "{\"op\":\"put\",\"key\":\"k\"}",
	    "{\"error\":\"bad_request\"}");
}
END_TEST

START_TEST(a_read_past_expiry_is_a_miss_before_the_sweep)
{
	struct program *p = RUN("cache", "3600000");

	EXPECT(p, PUT("k", "v", "30"), OK);
	(void)await_reply(p, GET("k"), NOT_FOUND);
	EXPECT(p, "{\"op\":\"size\"}", "{\"size\":1}");
}
END_TEST

START_TEST(the_sweep_arms_itself_again)
{
	struct program *p = RUN("cache", "20");

	for (int i = 0; i < 3; i++) {
		EXPECT(p, PUT("k", "v", "1"), OK);
		EXPECT(p, PUT("kept", "v", "60000"), OK);
		(void)await_reply(p, "{\"op\":\"size\"}", "{\"size\":1}");
		EXPECT(p, GET("kept"), "{\"value\":\"v\"}");
	}
}
END_TEST

/* --- session --- */

static void
add(const struct program *p, int how)
{
	static const char text[] = "{\"op\":\"add\",\"item\":\"pear\"}";

	if (how == 0)
		EXPECT(p, text, OK);
	else if (how == 1)
		(void)otp_cast(caller, p->socket, text, sizeof(text) - 1);
	else
		(void)otp_send(caller, p->socket, "what?", 5);
	(void)otp_flush(caller);
}

/* Each kind of message begins the time anew, and none of them loses it. */
START_TEST(a_session_ends_when_it_is_left_alone)
{
	struct program *p = RUN("session", "300");
	uint64_t began, last = 0;

	EXPECT(p, "{\"op\":\"items\"}", "{\"items\":\"\"}");
	began = rig_now_ms();
	while (rig_now_ms() - began < 450) {
		last = rig_now_ms();
		add(p, _i);
		nap(20);
	}
	ck_assert_int_eq(waitpid(p->pid, NULL, WNOHANG), 0);
	ck_assert_int_eq(ended(p), 0);
	ck_assert_uint_ge(rig_now_ms() - last, 299);
}
END_TEST

START_TEST(a_session_that_nobody_ever_used_ends)
{
	ck_assert_int_eq(ended(RUN("session", "30")), 0);
}
END_TEST

START_TEST(a_session_keeps_its_items)
{
	struct program *p = RUN("session");

	EXPECT(p, "{\"op\":\"add\",\"item\":\"apple\"}", OK);
	EXPECT(p, "{\"op\":\"add\",\"item\":\"pear\"}", OK);
	EXPECT(p, "{\"op\":\"items\"}", "{\"items\":\"apple pear\"}");
	EXPECT(p, "{\"op\":\"add\"}", "{\"error\":\"bad_request\"}");
}
END_TEST

/* --- rate_limiter --- */

#define TAKE "{\"op\":\"take\"}"
#define LIMITED "{\"error\":\"rate_limited\"}"

START_TEST(a_limiter_lets_so_many_through_and_no_more)
{
	struct program *p = RUN("rate_limiter", "2", "60000");

	EXPECT(p, TAKE, "{\"result\":\"ok\",\"left\":1}");
	EXPECT(p, TAKE, "{\"result\":\"ok\",\"left\":0}");
	EXPECT(p, TAKE, LIMITED);
	EXPECT(p, TAKE, LIMITED);
}
END_TEST

START_TEST(its_timer_sets_the_count_back_each_time)
{
	struct program *p = RUN("rate_limiter", "1", "50");
	uint64_t last = 0, asked;

	for (int i = 0; i < 4; i++) {
		asked = await_reply(p, TAKE,
		    "{\"result\":\"ok\",\"left\":0}");
		if (last != 0)
			ck_assert_uint_ge(rig_now_ms() - last, 49);
		last = asked;
	}
}
END_TEST

START_TEST(others_cannot_set_its_count_back)
{
	struct program *p = RUN("rate_limiter", "1", "60000");

	EXPECT(p, TAKE, "{\"result\":\"ok\",\"left\":0}");
	(void)otp_send(caller, p->socket, "reset", 5);
	EXPECT(p, TAKE, LIMITED);
}
END_TEST

/* --- circuit_breaker --- */

#define UP "{\"op\":\"increment\"}"
#define NOW "{\"op\":\"get\"}"
#define CIRCUIT_OPEN "{\"error\":\"circuit_open\"}"
#define NOPROC "{\"error\":\"noproc\"}"
#define COUNT(n) "{\"count\":" n "}"

static const char *const counter[] = { "counter", NULL };

/* The first is the target, which does not run yet. */
static struct program *
breaker(const char *open_ms, const char *call_ms)
{
	struct program *target = place();

	return RUN("circuit_breaker", target->socket, "2", open_ms, call_ms);
}

static void
revive_target(void)
{
	revive(&programs[0], counter);
	EXPECT(&programs[0], NOW, COUNT("0"));
}

/* Refused, or the machine was so slow that it may have been let through. */
static void
expect_open(const struct program *p, uint64_t until)
{
	if (strcmp(ask(p, UP), CIRCUIT_OPEN) != 0)
		ck_assert_uint_ge(rig_now_ms(), until);
}

START_TEST(a_closed_circuit_passes_calls_on)
{
	struct program *p = breaker("60000", "1000");

	revive_target();
	EXPECT(p, UP, COUNT("1"));
	EXPECT(p, UP, COUNT("2"));
}
END_TEST

START_TEST(an_open_circuit_refuses_without_running)
{
	struct program *p = breaker("60000", "1000");

	EXPECT(p, UP, NOPROC);
	EXPECT(p, UP, NOPROC);
	revive_target();
	EXPECT(p, UP, CIRCUIT_OPEN);
	EXPECT(&programs[0], NOW, COUNT("0"));
}
END_TEST

START_TEST(a_success_sets_the_failures_back)
{
	struct program *p = breaker("60000", "1000");

	for (int i = 0; i < 3; i++) {
		EXPECT(p, UP, NOPROC);
		revive_target();
		EXPECT(p, UP, COUNT("1"));
		(void)kill(programs[0].pid, SIGKILL);
		(void)ended(&programs[0]);
	}
}
END_TEST

START_TEST(a_trial_that_succeeds_closes_the_circuit)
{
	struct program *p = breaker("50", "1000");
	uint64_t failed;

	EXPECT(p, UP, NOPROC);
	EXPECT(p, UP, NOPROC);
	revive_target();
	(void)await_reply(p, UP, COUNT("1"));
	EXPECT(p, UP, COUNT("2"));
	(void)kill(programs[0].pid, SIGKILL);
	(void)ended(&programs[0]);
	ck_assert_str_ne(ask(p, UP), CIRCUIT_OPEN);
	failed = rig_now_ms();
	ck_assert_str_ne(ask(p, UP), CIRCUIT_OPEN);
	expect_open(p, failed + 50);
}
END_TEST

START_TEST(a_trial_that_fails_opens_it_for_the_time_again)
{
	struct program *p = breaker("60", "1000");
	uint64_t trial;

	EXPECT(p, UP, NOPROC);
	EXPECT(p, UP, NOPROC);
	trial = await_reply(p, UP, NOPROC);
	expect_open(p, trial + 60);
	(void)await_reply(p, UP, NOPROC);
	ck_assert_uint_ge(rig_now_ms() - trial, 59);
}
END_TEST

START_TEST(only_one_trial_is_let_through)
{
	struct program *p = breaker("30", "4000");
	uint64_t trial;
	char *reply;

	EXPECT(p, UP, NOPROC);
	EXPECT(p, UP, NOPROC);
	revive_target();
	(void)kill(programs[0].pid, SIGSTOP);
	nap(40);
	ck_assert_int_eq(otp_send_request(caller, p->socket, UP, strlen(UP),
	    &trial), 0);
	EXPECT(p, UP, CIRCUIT_OPEN);
	nap(40);
	EXPECT(p, UP, CIRCUIT_OPEN);
	(void)kill(programs[0].pid, SIGCONT);
	ck_assert_int_eq(otp_receive_response(caller, trial, PATIENCE_MS,
	    &reply, NULL), 0);
	ck_assert_str_eq(reply, COUNT("1"));
	free(reply);
	EXPECT(p, UP, COUNT("2"));
}
END_TEST

START_TEST(a_call_that_takes_too_long_is_a_failure)
{
	struct program *p = breaker("60000", "300");

	revive_target();
	EXPECT(p, NOW, COUNT("0"));
	(void)kill(programs[0].pid, SIGSTOP);
	EXPECT(p, NOW, "{\"error\":\"timeout\"}");
	EXPECT(p, NOW, "{\"error\":\"timeout\"}");
	EXPECT(p, NOW, CIRCUIT_OPEN);
}
END_TEST

/* --- pool --- */

#define FREE "{\"op\":\"free\"}"

static const char *
lend(const struct program *p, const char *op, const struct program *holder)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "{\"op\":\"%s\",\"holder\":\"%s\","
	    "\"connection\":\"a\"}", op, holder->socket);
	return ask(p, text);
}

START_TEST(a_pool_lends_and_takes_back)
{
	struct program *holder = RUN("counter"), *p = RUN("pool", "a", "b");

	EXPECT(holder, NOW, COUNT("0"));
	ck_assert_str_eq(lend(p, "checkout", holder), "{\"connection\":\"a\"}");
	ck_assert_str_eq(lend(p, "checkout", holder), "{\"connection\":\"b\"}");
	ck_assert_str_eq(lend(p, "checkout", holder), "{\"error\":\"full\"}");
	ck_assert_str_eq(lend(p, "checkin", p), "{\"error\":\"not_held\"}");
	ck_assert_str_eq(lend(p, "checkin", holder), OK);
	ck_assert_str_eq(lend(p, "checkin", holder),
	    "{\"error\":\"not_held\"}");
	EXPECT(p, FREE, "{\"free\":1}");
}
END_TEST

START_TEST(a_holder_that_dies_gives_its_connections_back)
{
	struct program *holder = RUN("counter"), *other = RUN("counter"),
	    *p = RUN("pool", "a", "b", "c");

	EXPECT(holder, NOW, COUNT("0"));
	EXPECT(other, NOW, COUNT("0"));
	ck_assert_str_eq(lend(p, "checkout", holder), "{\"connection\":\"a\"}");
	ck_assert_str_eq(lend(p, "checkout", other), "{\"connection\":\"b\"}");
	ck_assert_str_eq(lend(p, "checkout", holder), "{\"connection\":\"c\"}");
	EXPECT(p, FREE, "{\"free\":0}");
	(void)kill(holder->pid, SIGKILL);
	(void)await_reply(p, FREE, "{\"free\":2}");
	ck_assert_str_eq(lend(p, "checkout", other), "{\"connection\":\"a\"}");
}
END_TEST

/* Its end is nobody's business any more. */
START_TEST(the_end_of_a_former_holder_takes_nothing_from_the_next)
{
	struct program *holder = RUN("counter"), *other = RUN("counter"),
	    *p = RUN("pool", "a", "b");

	EXPECT(holder, NOW, COUNT("0"));
	EXPECT(other, NOW, COUNT("0"));
	(void)lend(p, "checkout", holder);
	ck_assert_str_eq(lend(p, "checkin", holder), OK);
	ck_assert_str_eq(lend(p, "checkout", other), "{\"connection\":\"a\"}");
	ck_assert_str_eq(lend(p, "checkout", holder), "{\"connection\":\"b\"}");
	(void)kill(holder->pid, SIGKILL);
	(void)await_reply(p, FREE, "{\"free\":1}");
	ck_assert_str_eq(lend(p, "checkin", other), OK);
}
END_TEST

START_TEST(a_holder_that_is_not_there_holds_nothing)
{
	struct program *p = RUN("pool", "a"), *nobody = place();

	(void)lend(p, "checkout", nobody);
	(void)await_reply(p, FREE, "{\"free\":1}");
}
END_TEST

/* --- file_watcher --- */

static char watched[64], mark[80];

static struct program *
watcher(int linked)
{
	const char *const words[] = { "file_watcher", watched, NULL };

	(void)snprintf(watched, sizeof(watched), "%s/watched", dir);
	(void)snprintf(mark, sizeof(mark), "%s/.watched", watched);
	ck_assert_int_eq(mkdir(watched, 0700), 0);
	return linked ? run_linked(words) : run(words);
}

static void
touch(void)
{
	char path[80];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/new", watched);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
}

START_TEST(a_watcher_tells_what_changes)
{
	struct program *p = watcher(0);
	uint64_t request;
	char *reply;

	EXPECT(p, "{\"op\":\"count\"}", COUNT("0"));
	ck_assert_int_eq(otp_send_request(caller, p->socket,
	    "{\"op\":\"next\"}", 13, &request), 0);
	EXPECT(p, "{\"op\":\"count\"}", COUNT("0"));
	touch();
	ck_assert_int_eq(otp_receive_response(caller, request, PATIENCE_MS,
	    &reply, NULL), 0);
	ck_assert_str_eq(reply, "{\"changed\":\"new\"}");
	free(reply);
}
END_TEST

START_TEST(a_watcher_cleans_up_when_its_supervisor_stops_it)
{
	struct program *p = watcher(1);

	raw_expect(p->engine, FRAME_CAST, "\"trap_exit\",\"on\":true", NULL);
	raw_expect(p->engine, FRAME_CAST, "\"ready\"", NULL);
	ck_assert_int_eq(access(mark, F_OK), 0);
	raw_send(p->engine, FRAME_EXIT, 1, 0, 0,
	    "{\"from\":null,\"reason\":\"shutdown\"}");
	ck_assert_int_eq(ended(p), 0);
	ck_assert_int_lt(access(mark, F_OK), 0);
	(void)close(p->engine);
}
END_TEST

START_TEST(a_watcher_copes_with_what_a_killed_one_left)
{
	const char *const words[] = { "file_watcher", watched, NULL };
	struct program *p = watcher(0);

	EXPECT(p, "{\"op\":\"count\"}", COUNT("0"));
	(void)kill(p->pid, SIGKILL);
	(void)ended(p);
	ck_assert_int_eq(access(mark, F_OK), 0);
	revive(p, words);
	EXPECT(p, "{\"op\":\"count\"}", COUNT("0"));
}
END_TEST

START_TEST(an_example_without_what_it_needs_does_not_start)
{
	ck_assert_int_eq(ended(RUN("pool")), 1);
	ck_assert_int_eq(ended(RUN("circuit_breaker")), 1);
	ck_assert_int_eq(ended(RUN("file_watcher")), 1);
	ck_assert_int_eq(ended(RUN("rate_limiter", "0")), 1);
}
END_TEST

static void
add_first(TCase *tc)
{
	tcase_add_test(tc, a_cache_gives_what_was_put);
	tcase_add_test(tc, a_read_past_expiry_is_a_miss_before_the_sweep);
	tcase_add_test(tc, the_sweep_arms_itself_again);
	tcase_add_loop_test(tc, a_session_ends_when_it_is_left_alone, 0, 3);
	tcase_add_test(tc, a_session_that_nobody_ever_used_ends);
	tcase_add_test(tc, a_session_keeps_its_items);
	tcase_add_test(tc, a_limiter_lets_so_many_through_and_no_more);
	tcase_add_test(tc, its_timer_sets_the_count_back_each_time);
	tcase_add_test(tc, others_cannot_set_its_count_back);
}

int
main(void)
{
	Suite *suite = suite_create("examples");
	TCase *tc = tcase_create("examples");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, examples_start, examples_end);
	tcase_set_timeout(tc, 30);
	add_first(tc);
	tcase_add_test(tc, a_closed_circuit_passes_calls_on);
	tcase_add_test(tc, an_open_circuit_refuses_without_running);
	tcase_add_test(tc, a_success_sets_the_failures_back);
	tcase_add_test(tc, a_trial_that_succeeds_closes_the_circuit);
	tcase_add_test(tc, a_trial_that_fails_opens_it_for_the_time_again);
	tcase_add_test(tc, only_one_trial_is_let_through);
	tcase_add_test(tc, a_call_that_takes_too_long_is_a_failure);
	tcase_add_test(tc, a_pool_lends_and_takes_back);
	tcase_add_test(tc, a_holder_that_dies_gives_its_connections_back);
	tcase_add_test(tc,
	    the_end_of_a_former_holder_takes_nothing_from_the_next);
	tcase_add_test(tc, a_holder_that_is_not_there_holds_nothing);
	tcase_add_test(tc, a_watcher_tells_what_changes);
	tcase_add_test(tc, a_watcher_cleans_up_when_its_supervisor_stops_it);
	tcase_add_test(tc, a_watcher_copes_with_what_a_killed_one_left);
	tcase_add_test(tc, an_example_without_what_it_needs_does_not_start);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
