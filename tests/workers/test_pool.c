/* SPDX-License-Identifier: ISC */
/*
 * Pools under otpd: poolboy's rules by the names of their rows, starts that fail,
 * and bad input.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workers/pool_people.h"

/* --- the rows --- */

START_TEST(parts_a_pool_of_5_and_10_more_lifo_and_temporary_workers)
{
	struct house h;
	struct otp_pool_status s;
	cJSON *reply;

	pool_house(&h, __func__, "");
	s = status(&h, h.o);
	want(&h, s.size == 5 && s.max_overflow == 10 && s.free == 5);
	reply = house_ask(&h, "db", "{\"op\":\"status\"}");
	want(&h, strcmp(house_text(reply, "order"), "lifo") == 0);
	cJSON_Delete(reply);
	reply = house_control(&h,
	    "{\"op\":\"status\",\"paths\":[\"db/workers/1\"]}");
	want(&h, strcmp(house_text(cJSON_GetArrayItem(cJSON_GetObjectItem(
	    reply, "children"), 0), "restart"), "temporary") == 0);
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

START_TEST(checkout_free_then_overflow_on_the_spot_then_a_fifo_queue)
{
	char first[PATH], second[PATH], third[PATH];
	struct otp *a, *b, *c;
	uint64_t waits[2];
	struct house h;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":1,");
	a = person(&h);
	b = person(&h);
	c = person(&h);
	is(&h, a, OTP_POOL_READY, 1, 0, 0);
	(void)snprintf(first, PATH, "%s", takes(&h, a));
	is(&h, a, OTP_POOL_OVERFLOW, 0, 0, 1);
	(void)snprintf(second, PATH, "%s", takes(&h, a));
	want(&h, strcmp(first, second) != 0);
	is(&h, a, OTP_POOL_FULL, 0, 1, 2);
	waits[0] = queues(&h, b, 1);
	waits[1] = queues(&h, c, 2);
	gives(&h, a, second);
	(void)snprintf(third, PATH, "%s", served(&h, b, waits[0]));
	want(&h, strcmp(third, second) == 0);
	until(&h, WAITING, 1);
	gives(&h, a, first);
	want(&h, strcmp(served(&h, c, waits[1]), first) == 0);
	otp_free(c);
	otp_free(b);
	otp_free(a);
	until(&h, FREE, 1);
	house_done(&h);
}
END_TEST

START_TEST(checkout_timeout_its_place_in_the_queue_is_cancelled)
{
	char first[PATH], path[PATH];
	struct otp *a, *b, *c;
	struct house h;
	uint64_t waits;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":0,");
	a = person(&h);
	b = person(&h);
	c = person(&h);
	(void)snprintf(first, PATH, "%s", takes(&h, a));
	want(&h, otp_pool_checkout(b, "db", 20, path, PATH) == -ETIMEDOUT);
	want(&h, strcmp(otp_reason(b), "timeout") == 0);
	until(&h, WAITING, 0);
	waits = queues(&h, c, 1);
	gives(&h, a, first);
	(void)served(&h, c, waits);	/* and not b, who is still there */
	is(&h, b, OTP_POOL_FULL, 0, 0, 1);
	otp_free(c);
	otp_free(b);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(checkout_timeout_a_worker_handed_over_meanwhile_goes_back)
{
	static const char take[] = "{\"op\":\"checkout\",\"ref\":77}";
	static const char leave[] = "{\"op\":\"cancel\",\"ref\":77}";
	uint64_t ref, other;
	struct house h;
	struct otp *a;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":0,");
	a = person(&h);
	want(&h, otp_send_request(a, "db", take, strlen(take), &ref) == 0);
	(void)otp_flush(a);
	until(&h, HELD, 1);
	want(&h, otp_send_request(a, "db", leave, strlen(leave), &other) == 0);
	is(&h, a, OTP_POOL_READY, 1, 0, 0);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(checkout_without_waiting_is_full)
{
	char path[PATH] = "untouched";
	struct house h;
	struct otp *a;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":1,");
	a = person(&h);
	want(&h, otp_pool_checkout(a, "db", 0, path, PATH) == 0);
	want(&h, otp_pool_checkout(a, "db", 0, path, PATH) == 0);
	(void)snprintf(path, PATH, "untouched");
	want(&h, otp_pool_checkout(a, "db", 0, path, PATH) == -EAGAIN);
	want(&h, strcmp(otp_reason(a), "full") == 0);
	want(&h, strcmp(path, "untouched") == 0);
	is(&h, a, OTP_POOL_FULL, 0, 1, 2);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(checkin_an_overflow_worker_is_stopped)
{
	char first[PATH], second[PATH], third[PATH];
	struct house h;
	struct otp *a;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":1,");
	a = person(&h);
	(void)snprintf(first, PATH, "%s", takes(&h, a));
	(void)snprintf(second, PATH, "%s", takes(&h, a));
	gives(&h, a, first);		/* whichever comes back first */
	is(&h, a, OTP_POOL_OVERFLOW, 0, 0, 1);
	/* At once there is room again, when that one has ended. */
	want(&h, otp_pool_checkout(a, "db", 0, third, PATH) == 0);
	want(&h, strcmp(third, first) != 0 && strcmp(third, second) != 0);
	house_order(&h, "error", "not_found",
	    "{\"op\":\"status\",\"paths\":[\"db/workers/1\"]}");
	gives(&h, a, second);
	gives(&h, a, third);
	is(&h, a, OTP_POOL_READY, 1, 0, 0);
	otp_free(a);
	house_done(&h);
}
END_TEST

/* One that takes its time to stop counts until it has. */
START_TEST(checkin_never_are_there_more_than_size_and_max_overflow)
{
	char text[1024], one[PATH], two[PATH], three[PATH];
	struct house h;
	struct otp *a;
	int pid;

	house_init(&h, __func__);
	(void)snprintf(text, sizeof(text), "{\"id\":\"db\",\"type\":\"pool\","
	    "\"size\":1,\"max_overflow\":1,\"template\":{\"shutdown\":300,"
	    "\"start\":[\"%s\",\"stubborn\"]}}",
	    house_program(&h, "tests/integration/service"));
	house_child(&h, text);
	house_start(&h);
	a = person(&h);
	(void)snprintf(one, PATH, "%s", takes(&h, a));
	(void)snprintf(two, PATH, "%s", takes(&h, a));
	pid = house_pid(&h, two);
	gives(&h, a, two);
	want(&h, otp_pool_checkout(a, "db", 0, three, PATH) == 0);
	want(&h, kill(pid, 0) < 0 && errno == ESRCH);
	want(&h, strcmp(three, two) != 0);
	otp_free(a);
	house_done(&h);
}
END_TEST

/* The last one that came back is lent next, or the one before. */
START_TEST(checkin_a_core_worker_goes_to_the_front_or_to_the_back)
{
	char one[PATH], two[PATH];
	struct house h;
	struct otp *a;

	pool_house(&h, __func__, _i == 0 ? "\"size\":2," :
	    "\"size\":2,\"order\":\"fifo\",");
	a = person(&h);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(one, PATH, "%s", takes(&h, a));
		(void)snprintf(two, PATH, "%s", takes(&h, a));
		gives(&h, a, one);
		gives(&h, a, two);
		(void)snprintf(two, PATH, "%s", takes(&h, a));
		want(&h, (strcmp(one, two) == 0) == (_i == 1));
		gives(&h, a, two);
	}
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(checkin_by_a_stranger_or_twice_is_ignored)
{
	char mine[PATH], again[PATH];
	struct otp *a, *b;
	struct house h;

	pool_house(&h, __func__, "\"size\":2,\"max_overflow\":0,");
	a = person(&h);
	b = person(&h);
	(void)snprintf(mine, PATH, "%s", takes(&h, a));
	gives(&h, b, mine);
	is(&h, b, OTP_POOL_READY, 1, 0, 1);
	gives(&h, b, "db/workers/none");
	gives(&h, b, "\"");
	is(&h, b, OTP_POOL_READY, 1, 0, 1);
	gives(&h, a, mine);
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	(void)snprintf(again, PATH, "%s", takes(&h, b));
	want(&h, strcmp(mine, again) == 0);
	gives(&h, a, mine);		/* it is another's now */
	is(&h, a, OTP_POOL_READY, 1, 0, 1);
	otp_free(b);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(holder_dies_its_workers_are_checked_in)
{
	struct house h;
	uint64_t waits;
	struct otp *b;
	pid_t pid, loser;

	pool_house(&h, __func__, "\"size\":2,\"max_overflow\":1,");
	pid = holder(&h, 3, -1);
	until(&h, HELD, 3);
	loser = holder(&h, 1, -1);	/* who waits, and dies waiting */
	until(&h, WAITING, 1);
	b = person(&h);
	waits = queues(&h, b, 2);
	kills(loser);
	until(&h, WAITING, 1);
	kills(pid);
	(void)served(&h, b, waits);
	until(&h, FREE, 1);
	is(&h, b, OTP_POOL_READY, 1, 0, 1);
	otp_free(b);
	until(&h, FREE, 2);
	house_done(&h);
}
END_TEST

START_TEST(worker_dies_free_or_held_it_is_replaced)
{
	char mine[PATH], other[PATH];
	struct house h;
	struct otp *a;

	pool_house(&h, __func__, "\"size\":2,\"max_overflow\":0,");
	a = person(&h);
	(void)snprintf(mine, PATH, "%s", takes(&h, a));
	kill_worker(&h, mine);
	until(&h, FREE, 2);
	gives(&h, a, mine);		/* it is nobody's */
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	(void)snprintf(other, PATH, "%s", takes(&h, a));
	want(&h, strcmp(mine, other) != 0);
	gives(&h, a, other);
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	kill_worker(&h, other);
	house_await(&h, other, "gone");
	/* The pool may hear of it a moment after us. */
	while (strcmp(takes(&h, a), other) == 0)
		gives(&h, a, other);
	want(&h, strcmp(takes(&h, a), other) != 0);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(worker_dies_an_overflow_one_only_if_someone_waits)
{
	char one[PATH], two[PATH];
	struct otp *a, *b;
	struct house h;
	uint64_t waits;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":1,");
	a = person(&h);
	b = person(&h);
	(void)snprintf(one, PATH, "%s", takes(&h, a));
	(void)snprintf(two, PATH, "%s", takes(&h, a));
	kill_worker(&h, two);
	until(&h, OVERFLOW, 0);
	is(&h, a, OTP_POOL_OVERFLOW, 0, 0, 1);
	(void)snprintf(two, PATH, "%s", takes(&h, a));
	waits = queues(&h, b, 1);
	kill_worker(&h, one);
	want(&h, strcmp(served(&h, b, waits), one) != 0);
	is(&h, a, OTP_POOL_FULL, 0, 1, 2);
	otp_free(b);
	otp_free(a);
	house_done(&h);
}
END_TEST

static int
do_it(struct otp *self, const char *worker, void *arg)
{
	struct otp_pool_status s;

	(void)snprintf(arg, PATH, "%s", worker);
	if (otp_pool_status(self, "db", WANT_MS, &s) < 0 || s.held != 1)
		return -1;
	return strstr(worker, "db/workers/") == worker ? 42 : -7;
}

static int
fail_it(struct otp *self, const char *worker, void *arg)
{
	(void)self;
	(void)worker;
	(void)arg;
	return -EIO;
}

START_TEST(transaction_checks_in_in_all_cases)
{
	char worker[PATH];
	struct house h;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":0,");
	want(&h, otp_pool_transaction(h.o, "db", do_it, worker, WANT_MS) ==
	    42);
	is(&h, h.o, OTP_POOL_READY, 1, 0, 0);
	want(&h, otp_pool_transaction(h.o, "db", fail_it, NULL, WANT_MS) ==
	    -EIO);
	is(&h, h.o, OTP_POOL_READY, 1, 0, 0);
	(void)takes(&h, h.o);
	want(&h, otp_pool_transaction(h.o, "db", do_it, worker, 0) ==
	    -EAGAIN);
	house_done(&h);
}
END_TEST

/* No overflow at all: full when the last one is lent. */
START_TEST(status_is_ready_overflow_or_full)
{
	struct house h;

	pool_house(&h, __func__, _i == 0 ? "\"size\":1,\"max_overflow\":0," :
	    "\"size\":0,\"max_overflow\":1,");
	is(&h, h.o, _i == 0 ? OTP_POOL_READY : OTP_POOL_OVERFLOW, _i == 0, 0,
	    0);
	(void)takes(&h, h.o);
	is(&h, h.o, OTP_POOL_FULL, 0, _i == 0 ? 0 : 1, 1);
	house_done(&h);
}
END_TEST

START_TEST(worker_supervisor_dies_the_pool_ends_with_the_same_reason)
{
	struct house h;

	pool_house(&h, __func__, _i == 0 ? "" : "\"size\":0,");
	house_order(&h, "result", "ok",
	    "{\"op\":\"stop\",\"path\":\"db/workers\"}");
	house_await(&h, "db/pool", "stopped");
	house_is(&h, "db/pool", "stopped", "shutdown");
	want(&h, otp_pool_status(h.o, "db", WANT_MS, NULL) == -OTP_ENOPROC);
	house_order(&h, "result", "ignored",
	    "{\"op\":\"start\",\"path\":\"db/pool\"}");
	house_order(&h, "result", "started",
	    "{\"op\":\"start\",\"path\":\"db/workers\"}");
	house_order(&h, "result", "started",
	    "{\"op\":\"start\",\"path\":\"db/pool\"}");
	is(&h, h.o, _i == 0 ? OTP_POOL_READY : OTP_POOL_OVERFLOW,
	    _i == 0 ? 5 : 0, 0, 0);
	house_done(&h);
}
END_TEST

/* --- starts that fail --- */

START_TEST(a_pool_without_its_workers_does_not_start)
{
	struct house h;

	house_init(&h, __func__);
	house_child(&h, "{\"id\":\"db\",\"type\":\"pool\",\"down\":true,"
	    "\"template\":{\"start\":[\"/nonexistent/worker\"]}}");
	house_start(&h);
	house_order(&h, "error", "start_failed",
	    "{\"op\":\"start\",\"path\":\"db\"}");
	house_done(&h);
}
END_TEST

START_TEST(an_overflow_worker_that_does_not_start_fails_one_caller)
{
	char text[1024], path[PATH], program[512];
	struct house h;
	struct otp *a;

	house_init(&h, __func__);
	(void)snprintf(program, sizeof(program), "%s/worker", h.rig.dir);
	want(&h, symlink("/bin/sleep", program) == 0);
	(void)snprintf(text, sizeof(text), "{\"id\":\"db\",\"type\":\"pool\","
	    "\"size\":1,\"template\":{\"start\":[\"%s\",\"1000\"]}}", program);
	house_child(&h, text);
	house_start(&h);
	a = person(&h);
	(void)takes(&h, a);
	want(&h, unlink(program) == 0);
	want(&h, otp_pool_checkout(a, "db", WANT_MS, path, PATH) ==
	    -OTP_EREMOTE);
	want(&h, strstr(otp_reason(a), "worker") != NULL);
	is(&h, a, OTP_POOL_OVERFLOW, 0, 0, 1);
	want(&h, symlink("/bin/sleep", program) == 0);
	(void)takes(&h, a);
	is(&h, a, OTP_POOL_OVERFLOW, 0, 1, 2);
	otp_free(a);
	house_done(&h);
}
END_TEST

static const char *const nonsense[] = { "", "{", "[]", "null",
	"{\"op\":\"steal\"}", "{\"op\":7}", "{\"op\":\"checkout",
	"{\"op\":\"\\u0000checkout\"}", "\xff" };

START_TEST(bad_input_is_refused)
{
	char *reply = NULL;
	struct house h;

	pool_house(&h, __func__, "");
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		want(&h, otp_call(h.o, "db", nonsense[i],
		    strlen(nonsense[i]), WANT_MS, &reply, NULL) == 0);
		want(&h, strstr(reply, "\"error\":\"bad_request\"") != NULL);
		free(reply);
		(void)otp_cast(h.o, "db", nonsense[i], strlen(nonsense[i]));
		(void)otp_send(h.o, "db", nonsense[i], strlen(nonsense[i]));
	}
	cJSON_Delete(house_ask(&h, "db",
	    "{\"op\":\"checkin\",\"worker\":[7]}"));
	cJSON_Delete(house_ask(&h, "db",
	    "{\"op\":\"checkin\",\"worker\":\"db/workers/1\"}"));
	cJSON_Delete(house_ask(&h, "db",
	    "{\"op\":\"checkout\",\"ref\":-1,\"block\":7}"));
	is(&h, h.o, OTP_POOL_READY, 4, 0, 1);
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("workers: pools");
	TCase *c = tcase_create("rules");

	tcase_set_timeout(c, 60);
	tcase_add_test(c,
	    parts_a_pool_of_5_and_10_more_lifo_and_temporary_workers);
	tcase_add_test(c,
	    checkout_free_then_overflow_on_the_spot_then_a_fifo_queue);
	tcase_add_test(c,
	    checkout_timeout_its_place_in_the_queue_is_cancelled);
	tcase_add_test(c,
	    checkout_timeout_a_worker_handed_over_meanwhile_goes_back);
	tcase_add_test(c, checkout_without_waiting_is_full);
	tcase_add_test(c, checkin_an_overflow_worker_is_stopped);
	tcase_add_test(c,
	    checkin_never_are_there_more_than_size_and_max_overflow);
	tcase_add_loop_test(c,
	    checkin_a_core_worker_goes_to_the_front_or_to_the_back, 0, 2);
	tcase_add_test(c, checkin_by_a_stranger_or_twice_is_ignored);
	tcase_add_test(c, holder_dies_its_workers_are_checked_in);
	tcase_add_test(c, worker_dies_free_or_held_it_is_replaced);
	tcase_add_test(c, worker_dies_an_overflow_one_only_if_someone_waits);
	tcase_add_test(c, transaction_checks_in_in_all_cases);
	tcase_add_loop_test(c, status_is_ready_overflow_or_full, 0, 2);
	tcase_add_loop_test(c,
	    worker_supervisor_dies_the_pool_ends_with_the_same_reason, 0, 2);
	tcase_add_test(c, a_pool_without_its_workers_does_not_start);
	tcase_add_test(c,
	    an_overflow_worker_that_does_not_start_fails_one_caller);
	tcase_add_test(c, bad_input_is_refused);
	suite_add_tcase(s, c);
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
