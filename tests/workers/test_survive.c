/* SPDX-License-Identifier: ISC */
/*
 * Calls to a server that dies, a restart between call and answer, an engine
 * that is killed under its workers.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workers/house.h"

#define GET	"{\"do\":\"get\"}"
#define STOP	"{\"op\":\"stop\",\"path\":\"a\"}"
#define CALLERS	50
#define EACH	20		/* calls of each caller at once */

/* --- a server that is killed --- */

struct crowd {
	struct otp	*callers[CALLERS];
	uint64_t	 calls[CALLERS][EACH];
};

static void
crowd_call(struct house *h, struct crowd *c, const char *to,
    const char *request)
{
	struct otp_options options = { .size = sizeof(options) };
	char run[256];

	(void)snprintf(run, sizeof(run), "%s/run", h->rig.dir);
	options.runtime_dir = run;
	for (int i = 0; i < CALLERS; i++) {
		if (c->callers[i] == NULL)
			c->callers[i] = otp_new(&options);
		want(h, c->callers[i] != NULL);
		for (int j = 0; j < EACH; j++)
			want(h, otp_send_request(c->callers[i], to, request,
			    strlen(request), &c->calls[i][j]) == 0);
		(void)otp_flush(c->callers[i]);
	}
}

/* How many were answered; the others ended with the reason. */
static int
crowd_outcome(struct house *h, struct crowd *c, const char *reason)
{
	int answered = 0;

	for (int i = 0; i < CALLERS; i++)
		for (int j = 0; j < EACH; j++) {
			char *reply = NULL;
			int rc = otp_receive_response(c->callers[i],
			    c->calls[i][j], WANT_MS, &reply, NULL);

			if (rc == 0)
				answered++;
			else if (rc != -OTP_EDOWN || strcmp(otp_reason(
			    c->callers[i]), reason) != 0)
				rig_fail(&h->rig, "a call ended with %d (%s)",
				    rc, otp_reason(c->callers[i]));
			free(reply);
		}
	return answered;
}

static void
crowd_free(struct crowd *c)
{
	for (int i = 0; i < CALLERS; i++)
		otp_free(c->callers[i]);
}

static void
counter_house(struct house *h, const char *test)
{
	char text[1024];

	house_init(h, test);
	(void)snprintf(text, sizeof(text), "{\"id\":\"a\",\"name\":\"counter\","
	    "\"kind\":\"gen_server\",\"start\":[\"%s\"]}",
	    house_program(h, "contrib/examples/counter"));
	house_child(h, text);
	house_start(h);
}

/* All of them are in its hands when it dies: none is answered. */
START_TEST(server_ends_before_replying_1000_calls_end_with_killed)
{
	struct crowd c = { .callers = { NULL } };
	struct house h;
	int pid;

	counter_house(&h, __func__);
	crowd_call(&h, &c, "counter", "{\"op\":\"get\"}");
	want(&h, crowd_outcome(&h, &c, "") == CALLERS * EACH);
	pid = house_pid(&h, "a");
	want(&h, kill(pid, SIGSTOP) == 0);
	crowd_call(&h, &c, "counter", "{\"op\":\"increment\"}");
	want(&h, kill(pid, SIGKILL) == 0);
	want(&h, crowd_outcome(&h, &c, "killed") == 0);
	/* The next incarnation knows nothing, and answers everybody. */
	crowd_call(&h, &c, "counter", "{\"op\":\"get\"}");
	want(&h, crowd_outcome(&h, &c, "") == CALLERS * EACH);
	crowd_free(&c);
	house_done(&h);
}
END_TEST

START_TEST(server_ends_while_it_replies_every_call_ends)
{
	struct crowd c = { .callers = { NULL } };
	struct house h;

	counter_house(&h, __func__);
	for (int i = 0; i < 5; i++) {
		int generation = house_generation(&h, "a");
		int pid = house_pid(&h, "a");

		/* Known to all of them: what is sent now is in flight. */
		crowd_call(&h, &c, "counter", "{\"op\":\"get\"}");
		want(&h, crowd_outcome(&h, &c, "") == CALLERS * EACH);
		crowd_call(&h, &c, "counter", "{\"op\":\"increment\"}");
		want(&h, kill(pid, SIGKILL) == 0);
		(void)crowd_outcome(&h, &c, "killed");
		house_ends(&h, "a", generation, "killed");
		house_await(&h, "a", "running");
	}
	crowd_free(&c);
	house_done(&h);
}
END_TEST

START_TEST(calls_made_while_it_restarts_are_answered_by_the_next)
{
	struct crowd c = { .callers = { NULL } };
	struct house h;
	int held, release, generation;

	house_of(&h, __func__, "a");
	held = rig_fifo(&h.rig, "held.a");
	release = rig_fifo(&h.rig, "release.a");
	(void)close(release);
	house_mode(&h, "a", "hold");
	generation = house_generation(&h, "a");
	want(&h, kill(house_pid(&h, "a"), SIGKILL) == 0);
	house_ends(&h, "a", generation, "killed");
	rig_await_readable(&h.rig, held, "the next one's init");
	crowd_call(&h, &c, "a", GET);
	release = open("release.a", O_WRONLY | O_CLOEXEC);
	want(&h, crowd_outcome(&h, &c, "") == CALLERS * EACH);
	want(&h, house_generation(&h, "a") == generation + 1);
	(void)close(release);
	(void)close(held);
	crowd_free(&c);
	house_done(&h);
}
END_TEST

START_TEST(calls_made_while_it_waits_to_be_restarted_are_answered)
{
	struct house h;
	uint64_t call;
	int generation;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"backoff\":{\"min\":60000,\"max\":60000}");
	house_probe(&h, "b", "");
	house_start(&h);
	generation = house_generation(&h, "a");
	want(&h, kill(house_pid(&h, "a"), SIGKILL) == 0);
	house_ends(&h, "a", generation, "killed");
	house_await(&h, "a", "backoff");
	want(&h, house_do(&h, "b",
	    "{\"do\":\"register\",\"target\":\"a\"}") == -OTP_EALREADY);
	call = house_send(&h, "a", GET);
	house_order(&h, "result", "started",
	    "{\"op\":\"start\",\"path\":\"a\"}");
	want(&h, house_outcome(&h, call) == 0);
	house_done(&h);
}
END_TEST

START_TEST(stopped_for_good_is_noproc_at_once)
{
	struct crowd c = { .callers = { NULL } };
	struct house h;
	char *reply = NULL;

	house_of(&h, __func__, "a");
	crowd_call(&h, &c, "a", GET);	/* so that it knows them all */
	want(&h, crowd_outcome(&h, &c, "") == CALLERS * EACH);
	crowd_call(&h, &c, "a", "{\"do\":\"nothing\"}");
	house_order(&h, "result", "ok", STOP);
	want(&h, crowd_outcome(&h, &c, "shutdown") == 0);
	for (int i = 0; i < CALLERS; i++) {
		uint64_t ref;

		want(&h, otp_call(c.callers[i], "a", GET, strlen(GET), 0,
		    &reply, NULL) == -OTP_ENOPROC);
		want(&h, otp_send_request(c.callers[i], "a", GET, strlen(GET),
		    &ref) == -OTP_ENOPROC);
		want(&h, otp_cast(c.callers[i], "a", "x", 1) == 0);
		want(&h, otp_send(c.callers[i], "a", "x", 1) ==
		    -OTP_ENOPROC);
	}
	crowd_free(&c);
	house_done(&h);
}
END_TEST

/* Those who waited at its socket hear it, too. */
START_TEST(given_up_while_callers_wait_at_its_socket)
{
	struct crowd c = { .callers = { NULL } };
	struct house h;
	int held, release;

	house_init(&h, __func__);
	house_open(&h, "s", "\"max_restarts\":1,\"restart\":\"temporary\"");
	house_probe(&h, "a", "");
	house_close(&h);
	house_start(&h);
	held = rig_fifo(&h.rig, "held.a");
	release = rig_fifo(&h.rig, "release.a");
	(void)close(release);
	house_mode(&h, "a", "hold");
	want(&h, kill(house_pid(&h, "s/a"), SIGKILL) == 0);
	rig_await_readable(&h.rig, held, "the next one's init");
	crowd_call(&h, &c, "a", GET);
	want(&h, kill(house_pid(&h, "s/a"), SIGKILL) == 0);
	for (int i = 0; i < CALLERS; i++)
		for (int j = 0; j < EACH; j++)
			want(&h, otp_receive_response(c.callers[i],
			    c.calls[i][j], WANT_MS, NULL, NULL) ==
			    -OTP_ENOPROC);
	(void)close(held);
	crowd_free(&c);
	house_done(&h);
}
END_TEST

/* --- an engine that is killed --- */

START_TEST(engine_killed_calls_between_workers_never_notice)
{
	struct house h;
	uint64_t request;
	int pid;

	house_of(&h, __func__, "a b");
	pid = house_pid(&h, "a");
	request = house_send(&h, "a", "{\"do\":\"await\",\"n\":1}");
	for (int i = 0; i < 3; i++) {
		want(&h, house_do(&h, "b", "{\"do\":\"call\","
		    "\"target\":\"a\",\"request\":\"{\\\"do\\\":"
		    "\\\"get\\\"}\"}") == 0);
		house_kill_engine(&h);
		want(&h, house_do(&h, "b", "{\"do\":\"call\","
		    "\"target\":\"a\",\"request\":\"{\\\"do\\\":"
		    "\\\"get\\\"}\"}") == 0);
		cJSON_Delete(house_ask(&h, "a", GET));
		want(&h, house_pid(&h, "a") == pid);
	}
	want(&h, otp_send(h.o, "a", "hello", 5) == 0);
	(void)otp_flush(h.o);
	want(&h, house_outcome(&h, request) == 0);
	house_done(&h);
}
END_TEST

START_TEST(engine_killed_trap_exit_and_shutdown_frame_survive)
{
	struct house h;
	char *said;

	house_of(&h, __func__, "a b");
	(void)house_do(&h, "a", "{\"do\":\"trap\",\"on\":1}");
	(void)house_do(&h, "b", "{\"do\":\"trap\",\"on\":1}");
	house_kill_engine(&h);
	house_order(&h, "result", "ok", STOP);
	house_is(&h, "a", "stopped", "shutdown");
	said = house_said(&h, "a");
	want(&h, strcmp(said, "init\nterminate shutdown\n") == 0);
	free(said);
	house_kill_engine(&h);
	want(&h, house_do(&h, "b", "{\"do\":\"trap\",\"on\":0}") == 0);
	house_order(&h, "result", "ok", "{\"op\":\"stop\",\"path\":\"b\"}");
	said = house_said(&h, "b");
	want(&h, strcmp(said, "init\n") == 0);
	free(said);
	house_done(&h);
}
END_TEST

START_TEST(engine_killed_monitors_and_links_survive)
{
	cJSON *heard;
	struct house h;

	house_of(&h, __func__, "w a b");
	(void)house_do(&h, "w", "{\"do\":\"trap\",\"on\":1}");
	(void)house_do(&h, "w", "{\"do\":\"monitor\",\"target\":\"a\"}");
	(void)house_do(&h, "w", "{\"do\":\"link\",\"target\":\"a\"}");
	(void)house_do(&h, "w", "{\"do\":\"monitor\",\"target\":\"b\"}");
	(void)house_do(&h, "w", "{\"do\":\"demonitor\",\"ref\":2}");
	house_kill_engine(&h);
	house_kill_engine(&h);
	want(&h, kill(house_pid(&h, "b"), SIGKILL) == 0);
	house_ends(&h, "b", 1, "killed");
	want(&h, kill(house_pid(&h, "a"), SIGKILL) == 0);
	heard = house_heard(&h, "w", 2);
	for (int i = 0; i < 2; i++) {
		bool down = strcmp(house_text(cJSON_GetArrayItem(heard, i),
		    "kind"), "down") == 0;

		house_heard_is(&h, heard, i, down ? "down" : "exit", "a",
		    "killed");
	}
	want(&h, cJSON_GetArraySize(heard) == 2);
	cJSON_Delete(heard);
	house_done(&h);
}
END_TEST

START_TEST(engine_killed_what_ended_meanwhile_is_told_with_its_reason)
{
	struct house h;
	cJSON *info;
	pid_t engine;
	int pid;

	house_of(&h, __func__, "w a");
	(void)house_do(&h, "w", "{\"do\":\"monitor\",\"target\":\"a\"}");
	info = house_control(&h, "{\"op\":\"info\"}");
	engine = (pid_t)house_number(info, "engine_pid");
	cJSON_Delete(info);
	pid = house_pid(&h, "a");
	want(&h, kill(engine, SIGSTOP) == 0);
	want(&h, kill(pid, SIGUSR2) == 0);
	want(&h, kill(engine, SIGKILL) == 0);
	h.crashed = true;
	house_hears(&h, "w", "down", "a", "{signal,SIGUSR2}");
	house_done(&h);
}
END_TEST

START_TEST(engine_killed_between_an_exit_signal_and_its_effect)
{
	struct house h;

	house_of(&h, __func__, "w a");
	(void)house_do(&h, "w", "{\"do\":\"link\",\"target\":\"a\"}");
	(void)house_do(&h, "w", "{\"do\":\"block\",\"on\":1}");
	want(&h, kill(house_pid(&h, "a"), SIGUSR1) == 0);
	house_ends(&h, "a", 1, "{signal,SIGUSR1}");
	house_kill_engine(&h);
	house_fails(&h, -OTP_EDOWN, "{signal,SIGUSR1}", "w",
	    "{\"do\":\"block\",\"on\":0}");
	house_ends(&h, "w", 1, "{signal,SIGUSR1}");
	house_done(&h);
}
END_TEST

START_TEST(engine_killed_names_survive)
{
	cJSON *reply;
	struct house h;

	house_of(&h, __func__, "a b");
	want(&h, house_do(&h, "a",
	    "{\"do\":\"register\",\"target\":\"n\"}") == 0);
	want(&h, house_do(&h, "a",
	    "{\"do\":\"register\",\"target\":\"m\"}") == 0);
	want(&h, house_do(&h, "a",
	    "{\"do\":\"unregister\",\"target\":\"m\"}") == 0);
	house_kill_engine(&h);
	want(&h, house_do(&h, "b",
	    "{\"do\":\"register\",\"target\":\"n\"}") == -OTP_EALREADY);
	want(&h, house_do(&h, "b",
	    "{\"do\":\"register\",\"target\":\"a\"}") == -OTP_EALREADY);
	want(&h, house_do(&h, "b",
	    "{\"do\":\"register\",\"target\":\"m\"}") == 0);
	reply = house_ask(&h, "n", GET);
	want(&h, (int)house_number(reply, "pid") == house_pid(&h, "a"));
	cJSON_Delete(reply);
	want(&h, kill(house_pid(&h, "a"), SIGKILL) == 0);
	house_ends(&h, "a", 1, "killed");
	want(&h, house_do(&h, "b",
	    "{\"do\":\"register\",\"target\":\"n\"}") == 0);
	house_await(&h, "a", "running");
	cJSON_Delete(house_ask(&h, "a", GET));
	house_done(&h);
}
END_TEST

START_TEST(engine_killed_during_init_the_start_still_returns)
{
	struct house h;
	int held, release;

	house_init(&h, __func__);
	house_probe(&h, "w", "");
	house_probe(&h, "a", "\"down\":true");
	house_start(&h);
	held = rig_fifo(&h.rig, "held.a");
	release = rig_fifo(&h.rig, "release.a");
	(void)close(release);
	house_mode(&h, "a", "hold");
	(void)house_send(&h, "w", "{\"do\":\"control\",\"request\":\"{"
	    "\\\"op\\\":\\\"start\\\",\\\"path\\\":\\\"a\\\"}\"}");
	rig_await_readable(&h.rig, held, "its init");
	house_kill_engine(&h);
	house_is(&h, "a", "starting", "");
	release = open("release.a", O_WRONLY | O_CLOEXEC);
	house_await(&h, "a", "running");
	cJSON_Delete(house_ask(&h, "a", GET));
	(void)close(release);
	(void)close(held);
	house_done(&h);
}
END_TEST

START_TEST(engine_killed_a_large_answer_still_comes_over_the_link)
{
	cJSON *reply;
	struct house h;

	house_of(&h, __func__, "a b c d e f g i j k l m");
	house_kill_engine(&h);
	reply = house_ask(&h, "a", "{\"do\":\"control\",\"request\":"
	    "\"{\\\"op\\\":\\\"status\\\",\\\"paths\\\":[]}\"}");
	want(&h, cJSON_GetArraySize(cJSON_GetObjectItem(reply, "children")) ==
	    13);
	cJSON_Delete(reply);
	want(&h, house_do(&h, "a", "{\"do\":\"trap\",\"on\":1}") == 0);
	house_done(&h);
}
END_TEST

/* --- otpd itself is killed: the next one takes over --- */

START_TEST(otpd_killed_calls_names_monitors_and_links_survive)
{
	struct house h;
	uint64_t request;
	cJSON *heard;
	int pid;

	house_of(&h, __func__, "w a b");
	pid = house_pid(&h, "a");
	request = house_send(&h, "a", "{\"do\":\"await\",\"n\":1}");
	(void)house_do(&h, "w", "{\"do\":\"trap\",\"on\":1}");
	(void)house_do(&h, "w", "{\"do\":\"monitor\",\"target\":\"a\"}");
	(void)house_do(&h, "w", "{\"do\":\"link\",\"target\":\"a\"}");
	want(&h, house_do(&h, "a",
	    "{\"do\":\"register\",\"target\":\"n\"}") == 0);
	for (int i = 0; i < 2; i++) {
		house_kill_otpd(&h);
		want(&h, house_do(&h, "b", "{\"do\":\"call\","
		    "\"target\":\"n\",\"request\":\"{\\\"do\\\":"
		    "\\\"get\\\"}\"}") == 0);
		want(&h, house_do(&h, "b", "{\"do\":\"register\","
		    "\"target\":\"n\"}") == -OTP_EALREADY);
		want(&h, house_pid(&h, "a") == pid);
	}
	want(&h, otp_send(h.o, "a", "hello", 5) == 0);
	(void)otp_flush(h.o);
	want(&h, house_outcome(&h, request) == 0);
	want(&h, kill(pid, SIGKILL) == 0);
	house_ends(&h, "a", 1, "killed");
	heard = house_heard(&h, "w", 2);
	for (int i = 0; i < 2; i++) {
		bool down = strcmp(house_text(cJSON_GetArrayItem(heard, i),
		    "kind"), "down") == 0;

		house_heard_is(&h, heard, i, down ? "down" : "exit", "a",
		    "killed");
	}
	cJSON_Delete(heard);
	want(&h, house_do(&h, "b",
	    "{\"do\":\"register\",\"target\":\"n\"}") == 0);
	house_done(&h);
}
END_TEST

START_TEST(otpd_killed_a_worker_that_was_taken_over_is_asked_to_stop)
{
	struct house h;
	char *said;

	house_of(&h, __func__, "a b");
	(void)house_do(&h, "a", "{\"do\":\"trap\",\"on\":1}");
	house_kill_otpd(&h);
	house_order(&h, "result", "ok", STOP);
	house_is(&h, "a", "stopped", "shutdown");
	said = house_said(&h, "a");
	want(&h, strcmp(said, "init\nterminate shutdown\n") == 0);
	free(said);
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("workers: what they survive");
	TCase *c = tcase_create("calls"), *e = tcase_create("engine");

	tcase_set_timeout(c, 60);
	tcase_add_test(c,
	    server_ends_before_replying_1000_calls_end_with_killed);
	tcase_add_test(c, server_ends_while_it_replies_every_call_ends);
	tcase_add_test(c,
	    calls_made_while_it_restarts_are_answered_by_the_next);
	tcase_add_test(c,
	    calls_made_while_it_waits_to_be_restarted_are_answered);
	tcase_add_test(c, stopped_for_good_is_noproc_at_once);
	tcase_add_test(c, given_up_while_callers_wait_at_its_socket);
	tcase_set_timeout(e, 60);
	tcase_add_test(e, engine_killed_calls_between_workers_never_notice);
	tcase_add_test(e,
	    engine_killed_trap_exit_and_shutdown_frame_survive);
	tcase_add_test(e, engine_killed_monitors_and_links_survive);
	tcase_add_test(e,
	    engine_killed_what_ended_meanwhile_is_told_with_its_reason);
	tcase_add_test(e,
	    engine_killed_between_an_exit_signal_and_its_effect);
	tcase_add_test(e, engine_killed_names_survive);
	tcase_add_test(e,
	    otpd_killed_calls_names_monitors_and_links_survive);
	tcase_add_test(e,
	    otpd_killed_a_worker_that_was_taken_over_is_asked_to_stop);
	tcase_add_test(e, engine_killed_during_init_the_start_still_returns);
	tcase_add_test(e,
	    engine_killed_a_large_answer_still_comes_over_the_link);
	suite_add_tcase(s, c);
	suite_add_tcase(s, e);
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
