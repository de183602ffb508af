/* SPDX-License-Identifier: ISC */
/*
 * Exit signals without a link, between workers under otpd: OTP's exit/2.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workers/test_watch.h"

/* Sent, and the engine has acted upon it. */
static void
signals_it(struct house *h, const char *from, const char *to,
    const char *reason)
{
	want(h, house_do(h, from, "{\"do\":\"signal\",\"target\":\"%s\","
	    "\"reason\":\"%s\"}", to, reason) == 0);
	cJSON_Delete(house_ask(h, from,
	    "{\"do\":\"control\",\"request\":\"{\\\"op\\\":\\\"info\\\"}\"}"));
}

START_TEST(exit_kill_ends_with_killed_trapped_or_not)
{
	struct house h;
	char *words;

	house_of(&h, __func__, "w t a");
	traps(&h, "t");
	links(&h, "t", "a");
	for (int generation = 1; generation <= 2; generation++) {
		house_await(&h, "a", "running");
		if (generation == 1)
			traps(&h, "a");
		signals_it(&h, "w", "a", "kill");
		house_ends(&h, "a", generation, "killed");
	}
	house_hears(&h, "t", "exit", "a", "killed");
	house_settle(&h);
	words = house_said(&h, "a");
	want(&h, strcmp(words, "init\ninit\ninit\n") == 0);
	free(words);
	house_done(&h);
}
END_TEST

START_TEST(exit_normal_is_ignored_or_a_message_and_ends_oneself)
{
	struct house h;
	int pid;

	house_of(&h, __func__, "w a");
	pid = house_pid(&h, "a");
	signals_it(&h, "w", "a", "normal");
	hears_nothing(&h, "a");
	traps(&h, "a");
	signals_it(&h, "w", "a", "normal");
	house_hears(&h, "a", "exit", "w", "normal");
	want(&h, house_pid(&h, "a") == pid);
	(void)house_send(&h, "w", "{\"do\":\"signal\",\"target\":\"w\","
	    "\"reason\":\"normal\"}");
	house_ends(&h, "w", 1, "normal");
	house_done(&h);
}
END_TEST

START_TEST(exit_with_another_reason_ends_or_is_a_message_and_no_link_ends)
{
	struct house h;
	cJSON *heard;

	house_init(&h, __func__);
	house_probe(&h, "w", "");
	house_probe(&h, "a", "");
	house_child(&h, PLAIN);
	house_start(&h);
	signals_it(&h, "w", "a", "{boom,5}");
	house_ends(&h, "a", 1, "{boom,5}");
	signals_it(&h, "w", "p", "shutdown");
	house_ends(&h, "p", 1, "shutdown");
	house_settle(&h);
	traps(&h, "a");
	links(&h, "a", "w");
	signals_it(&h, "w", "a", "{boom,6}");
	house_hears(&h, "a", "exit", "w", "{boom,6}");
	kill_it(&h, "w");
	heard = house_heard(&h, "a", 2);
	house_heard_is(&h, heard, 1, "exit", "w", "killed");
	cJSON_Delete(heard);
	house_done(&h);
}
END_TEST

START_TEST(exit_to_nobody_or_to_a_supervisor_is_nothing)
{
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "w", "");
	house_open(&h, "s", "");
	house_probe(&h, "a", "");
	house_close(&h);
	house_start(&h);
	signals_it(&h, "w", "nobody", "kill");
	signals_it(&h, "w", "pid:1", "kill");
	signals_it(&h, "w", "s", "shutdown");
	signals_it(&h, "w", "s", "kill");
	house_is(&h, "s", "running", "");
	house_is(&h, "s/a", "running", "");
	want(&h, house_do(&h, "w", "{\"do\":\"signal\",\"target\":\"a\","
	    "\"reason\":\"\"}") == -EINVAL);
	house_done(&h);
}
END_TEST

void
add_exit_signals(TCase *t)
{
	tcase_add_test(t, exit_kill_ends_with_killed_trapped_or_not);
	tcase_add_test(t,
	    exit_normal_is_ignored_or_a_message_and_ends_oneself);
	tcase_add_test(t,
	    exit_with_another_reason_ends_or_is_a_message_and_no_link_ends);
	tcase_add_test(t, exit_to_nobody_or_to_a_supervisor_is_nothing);
}
