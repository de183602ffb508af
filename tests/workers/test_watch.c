/* SPDX-License-Identifier: ISC */
/*
 * Monitors and links between workers under otpd, row by row of OTP's tables.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workers/test_watch.h"

#define GET	"{\"do\":\"get\"}"

static void
monitors(struct house *h, const char *watcher, const char *target)
{
	want(h, house_do(h, watcher,
	    "{\"do\":\"monitor\",\"target\":\"%s\"}", target) == 0);
}

void
links(struct house *h, const char *from, const char *to)
{
	want(h, house_do(h, from, "{\"do\":\"link\",\"target\":\"%s\"}",
	    to) == 0);
}

void
traps(struct house *h, const char *id)
{
	want(h, house_do(h, id, "{\"do\":\"trap\",\"on\":1}") == 0);
}

void
hears_nothing(struct house *h, const char *id)
{
	cJSON *heard;

	want(h, house_do(h, id, "{\"do\":\"demonitor\",\"ref\":0}") < 0);
	cJSON_Delete(house_ask(h, id,
	    "{\"do\":\"control\",\"request\":\"{\\\"op\\\":\\\"info\\\"}\"}"));
	heard = house_heard(h, id, 0);
	if (cJSON_GetArraySize(heard) != 0)
		rig_fail(&h->rig, "%s heard %s", id,
		    cJSON_PrintUnformatted(heard));
	cJSON_Delete(heard);
}

void
kill_it(struct house *h, const char *path)
{
	int generation = house_generation(h, path);

	want(h, kill(house_pid(h, path), SIGKILL) == 0);
	house_ends(h, path, generation, "killed");
}

/* It stops with this reason, and is known to have. */
static void
ends_itself(struct house *h, const char *id, const char *reason)
{
	int generation = house_generation(h, id);
	char request[128];

	(void)snprintf(request, sizeof(request),
	    "{\"do\":\"stop\",\"reason\":\"%s\"}", reason);
	house_fails(h, -OTP_EDOWN, reason, id, request);
	house_ends(h, id, generation, reason);
}

/* --- monitors --- */

static const char *const reasons[] = { "normal", "shutdown", "{shutdown,x}",
	"{boom,1}", "killed" };

START_TEST(down_carries_the_exit_reason)
{
	struct house h;

	house_of(&h, __func__, "w a");
	for (int i = 0; i < 5; i++) {
		cJSON *heard;

		monitors(&h, "w", "a");
		if (i < 4)
			ends_itself(&h, "a", reasons[i]);
		else
			kill_it(&h, "a");
		heard = house_heard(&h, "w", i + 1);
		house_heard_is(&h, heard, i, "down", "a", reasons[i]);
		want(&h, cJSON_GetArraySize(heard) == i + 1);
		cJSON_Delete(heard);
		house_await(&h, "a", "running");
	}
	house_done(&h);
}
END_TEST

START_TEST(down_of_a_name_a_path_and_a_pid)
{
	char pid_words[32];
	const char *const targets[] = { "a", "s/a", pid_words };
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "w", "");
	house_open(&h, "s", "");
	house_probe(&h, "a", "");
	house_close(&h);
	house_start(&h);
	for (int i = 0; i < 3; i++) {
		int pid = house_pid(&h, "s/a");
		const cJSON *info;
		cJSON *heard, *reply;

		(void)snprintf(pid_words, sizeof(pid_words), "pid:%d", pid);
		reply = house_ask(&h, "w",
		    "{\"do\":\"monitor\",\"target\":\"%s\"}", targets[i]);
		kill_it(&h, "s/a");
		heard = house_heard(&h, "w", i + 1);
		house_heard_is(&h, heard, i, "down", "s/a", "killed");
		info = cJSON_GetArrayItem(heard, i);
		want(&h, (int)house_number(info, "pid") == pid);
		want(&h, (int)house_number(info, "ref") ==
		    (int)house_number(reply, "ref"));
		cJSON_Delete(heard);
		cJSON_Delete(reply);
		house_await(&h, "s/a", "running");
	}
	house_done(&h);
}
END_TEST

START_TEST(down_noproc_at_once_when_there_is_none)
{
	static const char *const targets[] = { "nobody", "s/nobody", "pid:1",
	    "pid:x", "a" };
	struct house h;

	house_of(&h, __func__, "w a");
	house_order(&h, "result", "ok", "{\"op\":\"stop\",\"path\":\"a\"}");
	for (int i = 0; i < 5; i++) {
		cJSON *heard;

		monitors(&h, "w", targets[i]);
		heard = house_heard(&h, "w", i + 1);
		house_heard_is(&h, heard, i, "down", NULL, "noproc");
		cJSON_Delete(heard);
	}
	house_done(&h);
}
END_TEST

START_TEST(down_exactly_once_for_each_monitor)
{
	cJSON *heard;
	struct house h;

	house_of(&h, __func__, "w a");
	monitors(&h, "w", "a");
	monitors(&h, "w", "a");
	kill_it(&h, "a");
	heard = house_heard(&h, "w", 2);
	want(&h, house_number(cJSON_GetArrayItem(heard, 0), "ref") !=
	    house_number(cJSON_GetArrayItem(heard, 1), "ref"));
	cJSON_Delete(heard);
	house_await(&h, "a", "running");
	kill_it(&h, "a");
	house_await(&h, "a", "running");
	monitors(&h, "w", "nobody");
	heard = house_heard(&h, "w", 3);
	house_heard_is(&h, heard, 2, "down", "nobody", "noproc");
	want(&h, cJSON_GetArraySize(heard) == 3);
	cJSON_Delete(heard);
	house_done(&h);
}
END_TEST

START_TEST(demonitor_none_comes_later)
{
	cJSON *reply;
	struct house h;

	house_of(&h, __func__, "w a");
	reply = house_ask(&h, "w", "{\"do\":\"monitor\",\"target\":\"a\"}");
	want(&h, house_do(&h, "w", "{\"do\":\"demonitor\",\"ref\":%d}",
	    (int)house_number(reply, "ref")) == 0);
	cJSON_Delete(reply);
	kill_it(&h, "a");
	hears_nothing(&h, "w");
	house_done(&h);
}
END_TEST

START_TEST(a_watcher_is_never_ended_by_it_and_takes_its_monitors_along)
{
	struct house h;
	int pid;

	house_of(&h, __func__, "w a");
	pid = house_pid(&h, "w");
	monitors(&h, "w", "a");
	monitors(&h, "a", "w");
	monitors(&h, "a", "a");
	kill_it(&h, "a");
	house_hears(&h, "w", "down", "a", "killed");
	want(&h, house_pid(&h, "w") == pid);
	house_await(&h, "a", "running");
	hears_nothing(&h, "a");
	monitors(&h, "w", "a");
	kill_it(&h, "w");
	kill_it(&h, "a");
	house_await(&h, "w", "running");
	hears_nothing(&h, "w");
	house_done(&h);
}
END_TEST

START_TEST(any_supervised_process_can_be_watched)
{
	cJSON *heard;
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "w", "");
	house_child(&h, PLAIN);
	house_start(&h);
	monitors(&h, "w", "p");
	kill_it(&h, "p");
	house_hears(&h, "w", "down", "p", "killed");
	house_await(&h, "p", "running");
	monitors(&h, "w", "p");
	house_order(&h, "result", "ok", "{\"op\":\"stop\",\"path\":\"p\"}");
	heard = house_heard(&h, "w", 2);
	house_heard_is(&h, heard, 1, "down", "p", "shutdown");
	cJSON_Delete(heard);
	house_order(&h, "result", "started",
	    "{\"op\":\"start\",\"path\":\"p\"}");
	monitors(&h, "w", "p");
	house_order(&h, "result", "ok", "{\"op\":\"terminate_child\","
	    "\"sup\":\"/\",\"id\":\"p\"}");
	house_order(&h, "result", "ok", "{\"op\":\"delete_child\","
	    "\"sup\":\"/\",\"id\":\"p\"}");
	cJSON_Delete(house_heard(&h, "w", 3));
	house_done(&h);
}
END_TEST

START_TEST(a_supervisor_can_be_watched)
{
	cJSON *heard;
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "w", "");
	house_open(&h, "s", "\"max_restarts\":0");
	house_probe(&h, "a", "");
	house_close(&h);
	house_start(&h);
	monitors(&h, "w", "s");
	house_order(&h, "result", "ok", "{\"op\":\"stop\",\"path\":\"s\"}");
	house_hears(&h, "w", "down", "s", "shutdown");
	monitors(&h, "w", "s");
	heard = house_heard(&h, "w", 2);
	house_heard_is(&h, heard, 1, "down", "s", "noproc");
	cJSON_Delete(heard);
	house_order(&h, "result", "started",
	    "{\"op\":\"start\",\"path\":\"s\"}");
	monitors(&h, "w", "s");
	kill_it(&h, "s/a");	/* it gives up */
	heard = house_heard(&h, "w", 3);
	house_heard_is(&h, heard, 2, "down", "s", "shutdown");
	cJSON_Delete(heard);
	house_done(&h);
}
END_TEST

START_TEST(a_name_is_free_before_down_is_delivered)
{
	cJSON *heard;
	struct house h;

	house_of(&h, __func__, "w a");
	want(&h, house_do(&h, "a",
	    "{\"do\":\"register\",\"target\":\"n\"}") == 0);
	monitors(&h, "w", "n");
	want(&h, house_do(&h, "w",
	    "{\"do\":\"claim\",\"target\":\"n\"}") == 0);
	kill_it(&h, "a");
	heard = house_heard(&h, "w", 1);
	want(&h, house_number(cJSON_GetArrayItem(heard, 0), "claimed") == 1);
	cJSON_Delete(heard);
	house_done(&h);
}
END_TEST

START_TEST(a_configured_name_is_free_before_down_when_it_is_not_restarted)
{
	cJSON *heard;
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "w", "");
	house_probe(&h, "a", "\"restart\":\"temporary\"");
	house_start(&h);
	monitors(&h, "w", "a");
	want(&h, house_do(&h, "w",
	    "{\"do\":\"claim\",\"target\":\"a\"}") == 0);
	kill_it(&h, "a");
	heard = house_heard(&h, "w", 1);
	want(&h, house_number(cJSON_GetArrayItem(heard, 0), "claimed") == 1);
	cJSON_Delete(heard);
	heard = house_ask(&h, "a", GET);
	want(&h, (int)house_number(heard, "pid") == house_pid(&h, "w"));
	cJSON_Delete(heard);
	house_done(&h);
}
END_TEST

/* --- links --- */

static const struct {
	const char	*reason;
	bool		 ends;		/* who does not trap */
} signals[] = {
	{ "normal", false }, { "shutdown", true }, { "{shutdown,x}", true },
	{ "{boom,1}", true }, { "killed", true },
};

START_TEST(exit_signal_not_trapping)
{
	struct house h;

	house_of(&h, __func__, "w a");
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		int pid = house_pid(&h, "w");
		int generation = house_generation(&h, "w");

		links(&h, "w", "a");
		ends_itself(&h, "a", signals[i].reason);
		if (signals[i].ends)
			house_ends(&h, "w", generation, signals[i].reason);
		house_settle(&h);
		want(&h, (house_pid(&h, "w") == pid) != signals[i].ends);
		hears_nothing(&h, "w");
	}
	house_done(&h);
}
END_TEST

START_TEST(exit_signal_trapping_is_a_message)
{
	struct house h;
	int pid;

	house_of(&h, __func__, "w a");
	pid = house_pid(&h, "w");
	traps(&h, "w");
	for (int i = 0; i < 5; i++) {
		cJSON *heard;

		links(&h, "w", "a");
		ends_itself(&h, "a", signals[i].reason);
		heard = house_heard(&h, "w", i + 1);
		house_heard_is(&h, heard, i, "exit", "a", signals[i].reason);
		want(&h, cJSON_GetArraySize(heard) == i + 1);
		cJSON_Delete(heard);
		house_await(&h, "a", "running");
	}
	want(&h, house_pid(&h, "w") == pid);
	house_done(&h);
}
END_TEST

START_TEST(exit_signals_of_others_never_call_terminate)
{
	struct house h;
	char *said;

	house_of(&h, __func__, "w a");
	links(&h, "w", "a");
	ends_itself(&h, "a", "{boom,1}");
	house_ends(&h, "w", 1, "{boom,1}");
	house_settle(&h);
	traps(&h, "w");
	links(&h, "w", "a");
	kill_it(&h, "a");
	house_hears(&h, "w", "exit", "a", "killed");
	said = house_said(&h, "w");
	want(&h, strcmp(said, "init\ninit\n") == 0);
	free(said);
	house_done(&h);
}
END_TEST

START_TEST(link_is_symmetric)
{
	struct house h;

	house_of(&h, __func__, "w a");
	traps(&h, "a");
	links(&h, "w", "a");
	ends_itself(&h, "w", "{boom,2}");
	house_hears(&h, "a", "exit", "w", "{boom,2}");
	house_done(&h);
}
END_TEST

START_TEST(link_is_idempotent_one_unlink_removes_it)
{
	struct house h;

	house_of(&h, __func__, "w a");
	traps(&h, "w");
	traps(&h, "a");
	links(&h, "w", "a");
	links(&h, "a", "w");
	links(&h, "w", "a");
	want(&h, house_do(&h, "a",
	    "{\"do\":\"unlink\",\"target\":\"w\"}") == 0);
	kill_it(&h, "a");
	hears_nothing(&h, "w");
	house_await(&h, "a", "running");
	links(&h, "w", "a");
	links(&h, "w", "a");
	kill_it(&h, "a");
	house_hears(&h, "w", "exit", "a", "killed");
	house_done(&h);
}
END_TEST

START_TEST(the_same_reason_is_passed_on)
{
	struct house h;

	house_of(&h, __func__, "a b c");
	links(&h, "a", "b");
	links(&h, "c", "b");
	monitors(&h, "b", "a");
	ends_itself(&h, "a", "{boom,3}");
	house_ends(&h, "b", 1, "{boom,3}");
	house_ends(&h, "c", 1, "{boom,3}");
	house_settle(&h);
	links(&h, "a", "b");
	links(&h, "c", "b");
	kill_it(&h, "c");
	house_ends(&h, "b", 2, "killed");
	house_ends(&h, "a", 2, "killed");
	house_done(&h);
}
END_TEST

START_TEST(link_to_a_dead_process)
{
	struct house h;

	house_of(&h, __func__, "w t a");
	house_order(&h, "result", "ok", "{\"op\":\"stop\",\"path\":\"a\"}");
	traps(&h, "t");
	links(&h, "t", "a");
	house_hears(&h, "t", "exit", "a", "noproc");
	(void)house_send(&h, "w", "{\"do\":\"link\",\"target\":\"a\"}");
	house_ends(&h, "w", 1, "noproc");
	house_done(&h);
}
END_TEST

START_TEST(a_link_does_not_outlive_its_end)
{
	struct house h;

	house_of(&h, __func__, "w a");
	traps(&h, "w");
	links(&h, "w", "a");
	kill_it(&h, "a");
	house_hears(&h, "w", "exit", "a", "killed");
	house_await(&h, "a", "running");
	kill_it(&h, "a");
	house_await(&h, "a", "running");
	cJSON_Delete(house_ask(&h, "w",
	    "{\"do\":\"control\",\"request\":\"{\\\"op\\\":\\\"info\\\"}\"}"));
	house_hears(&h, "w", "exit", "a", "killed");
	house_done(&h);
}
END_TEST

START_TEST(a_plain_process_can_be_linked)
{
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "w", "");
	house_child(&h, PLAIN);
	house_start(&h);
	links(&h, "w", "p");
	ends_itself(&h, "w", "{boom,4}");
	house_ends(&h, "p", 1, "{boom,4}");
	house_settle(&h);
	links(&h, "w", "p");
	kill_it(&h, "p");
	house_ends(&h, "w", 2, "killed");
	house_done(&h);
}
END_TEST

START_TEST(stopping_a_child_is_shutdown_to_its_links)
{
	struct house h;

	house_of(&h, __func__, "w t a");
	traps(&h, "t");
	links(&h, "t", "a");
	links(&h, "w", "a");
	house_order(&h, "result", "ok", "{\"op\":\"stop\",\"path\":\"a\"}");
	house_hears(&h, "t", "exit", "a", "shutdown");
	house_ends(&h, "w", 1, "shutdown");
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("workers: monitors and links");
	TCase *m = tcase_create("monitors"), *l = tcase_create("links"),
	    *x = tcase_create("exit");

	tcase_set_timeout(m, 60);
	tcase_add_test(m, down_carries_the_exit_reason);
	tcase_add_test(m, down_of_a_name_a_path_and_a_pid);
	tcase_add_test(m, down_noproc_at_once_when_there_is_none);
	tcase_add_test(m, down_exactly_once_for_each_monitor);
	tcase_add_test(m, demonitor_none_comes_later);
	tcase_add_test(m,
	    a_watcher_is_never_ended_by_it_and_takes_its_monitors_along);
	tcase_add_test(m, any_supervised_process_can_be_watched);
	tcase_add_test(m, a_supervisor_can_be_watched);
	tcase_add_test(m, a_name_is_free_before_down_is_delivered);
	tcase_add_test(m,
	    a_configured_name_is_free_before_down_when_it_is_not_restarted);
	tcase_set_timeout(l, 60);
	tcase_add_test(l, exit_signal_not_trapping);
	tcase_add_test(l, exit_signal_trapping_is_a_message);
	tcase_add_test(l, exit_signals_of_others_never_call_terminate);
	tcase_add_test(l, link_is_symmetric);
	tcase_add_test(l, link_is_idempotent_one_unlink_removes_it);
	tcase_add_test(l, the_same_reason_is_passed_on);
	tcase_add_test(l, link_to_a_dead_process);
	tcase_add_test(l, a_link_does_not_outlive_its_end);
	tcase_add_test(l, a_plain_process_can_be_linked);
	tcase_add_test(l, stopping_a_child_is_shutdown_to_its_links);
	tcase_set_timeout(x, 60);
	add_exit_signals(x);
	suite_add_tcase(s, m);
	suite_add_tcase(s, l);
	suite_add_tcase(s, x);
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
