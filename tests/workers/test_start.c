/* SPDX-License-Identifier: ISC */
/*
 * gen_servers under otpd: how they start, why they end, when terminate is
 * called, and under which names they are known.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workers/house.h"

#define START	"{\"op\":\"start\",\"path\":\"a\"}"
#define STOP	"{\"op\":\"stop\",\"path\":\"a\"}"
#define GET	"{\"do\":\"get\"}"

static void
said_is(struct house *h, const char *id, const char *text)
{
	char *said = house_said(h, id);

	if (strcmp(said, text) != 0)
		rig_fail(&h->rig, "%s said \"%s\", not \"%s\"", id, said,
		    text);
	free(said);
}

/* --- GenServer: starting --- */

START_TEST(start_link_returns_after_init)
{
	cJSON *order = rig_request("start"), *reply;
	struct line *line;
	struct house h;
	int held, release;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"down\":true");
	house_start(&h);
	held = rig_fifo(&h.rig, "held.a");
	release = rig_fifo(&h.rig, "release.a");
	(void)close(release);
	house_mode(&h, "a", "hold");
	(void)cJSON_AddStringToObject(order, "path", "a");
	line = rig_ask_begin(&h.rig, order);
	rig_await_readable(&h.rig, held, "its init");
	house_is(&h, "a", "starting", "");
	release = open("release.a", O_WRONLY);
	reply = rig_ask_end(&h.rig, line);
	want(&h, strcmp(house_text(reply, "result"), "started") == 0);
	house_is(&h, "a", "running", "");
	cJSON_Delete(reply);
	(void)close(release);
	(void)close(held);
	house_done(&h);
}
END_TEST

START_TEST(init_ignore)
{
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"down\":true");
	house_start(&h);
	house_mode(&h, "a", "ignore");
	house_order(&h, "result", "ignored", START);
	house_is(&h, "a", "stopped", "");
	house_order(&h, "error", "noproc",
	    "{\"op\":\"whereis\",\"name\":\"a\"}");
	house_fails(&h, -OTP_ENOPROC, "noproc", "a", GET);
	house_mode(&h, "a", NULL);
	house_order(&h, "result", "started", START);
	house_done(&h);
}
END_TEST

static const struct {
	const char *mode, *reason;
} failures[] = {
	{ "stop {bad,config}",	"{bad,config}" },
	{ "stop normal",	"normal" },
	{ "stop shutdown",	"shutdown" },
	{ "errno 2",		"{errno,2}" },
	{ "errno 4096",		"noproc" },
	{ "errno 110",		"timeout" },
	{ "value 77",		"{bad_return_value,77}" },
	{ "exit 0",		"{start,\"it exited normally before it "
				"was ready\"}" },
	{ "exit 3",		"{start,\"it exited with status 3 before it "
				"was ready\"}" },
};

START_TEST(init_stop_and_other_failures)
{
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"down\":true");
	house_start(&h);
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		house_mode(&h, "a", failures[i].mode);
		house_order(&h, "error", "start_failed", START);
		house_order(&h, "reason", failures[i].reason, START);
		house_is(&h, "a", "failed", failures[i].reason);
		house_order(&h, "error", "noproc",
		    "{\"op\":\"whereis\",\"name\":\"a\"}");
		house_fails(&h, -OTP_ENOPROC, "noproc", "a", GET);
	}
	house_mode(&h, "a", NULL);
	house_order(&h, "result", "started", START);
	house_done(&h);
}
END_TEST

START_TEST(init_takes_longer_than_start_timeout)
{
	struct house h;
	int held, release;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"down\":true,\"start_timeout\":300");
	house_start(&h);
	held = rig_fifo(&h.rig, "held.a");
	release = rig_fifo(&h.rig, "release.a");
	(void)close(release);
	house_mode(&h, "a", "hold");
	house_order(&h, "reason", "{timeout,start}", START);
	house_is(&h, "a", "failed", "{timeout,start}");
	(void)close(held);
	house_done(&h);
}
END_TEST

START_TEST(name_taken_is_already_started_and_init_not_run)
{
	char reason[64];
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"down\":true");
	house_probe(&h, "b", "");
	house_start(&h);
	want(&h, house_do(&h, "b",
	    "{\"do\":\"register\",\"target\":\"a\"}") == 0);
	(void)snprintf(reason, sizeof(reason), "{already_started,b,%d}",
	    house_pid(&h, "b"));
	house_order(&h, "reason", reason, START);
	house_is(&h, "a", "failed", reason);
	said_is(&h, "a", "");
	want(&h, house_do(&h, "b",
	    "{\"do\":\"unregister\",\"target\":\"a\"}") == 0);
	house_order(&h, "result", "started", START);
	house_done(&h);
}
END_TEST

/* --- exit reasons --- */

static const struct {
	const char	*request, *reason;
	bool		 restarted;	/* a transient child */
	bool		 terminate;
} ends[] = {
	{ "{\"do\":\"stop\",\"reason\":\"normal\"}", "normal", false, true },
	{ "{\"do\":\"stop\",\"reason\":\"shutdown\"}", "shutdown", false,
	    true },
	{ "{\"do\":\"stop\",\"reason\":\"{shutdown,x}\"}", "{shutdown,x}",
	    false, true },
	{ "{\"do\":\"stop\",\"reason\":\"{my,\\\"own\\\"}\"}",
	    "{my,\"own\"}", true, true },
	{ "{\"do\":\"stop\",\"reason\":\"killed\"}", "killed", true, true },
	{ "{\"do\":\"return\",\"value\":-5}", "{errno,5}", true, true },
	{ "{\"do\":\"return\",\"value\":-4096}", "noproc", true, true },
	{ "{\"do\":\"return\",\"value\":9}", "{bad_return_value,9}", true,
	    true },
	{ "{\"do\":\"exit\",\"code\":0}", "normal", false, false },
	{ "{\"do\":\"exit\",\"code\":3}", "{exit,3}", true, false },
	{ "{\"do\":\"raise\",\"signal\":9}", "killed", true, false },
	{ "{\"do\":\"raise\",\"signal\":10}", "{signal,SIGUSR1}", true,
	    false },
	{ "{\"do\":\"raise\",\"signal\":15}", "{signal,SIGTERM}", true,
	    false },
};

/* What the caller sees, what status shows, and what its supervisor does. */
START_TEST(exit_reasons_and_a_transient_child)
{
	char said[128];
	struct house h;
	int generation;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"restart\":\"transient\"");
	house_start(&h);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		(void)unlink("said.a");
		generation = house_generation(&h, "a");
		house_fails(&h, -OTP_EDOWN, ends[i].reason, "a",
		    ends[i].request);
		house_ends(&h, "a", generation, ends[i].reason);
		house_settle(&h);
		house_is(&h, "a", ends[i].restarted ? "running" : "stopped",
		    ends[i].reason);
		(void)snprintf(said, sizeof(said), "%s%s%s%s",
		    ends[i].terminate ? "terminate " : "",
		    ends[i].terminate ? ends[i].reason : "",
		    ends[i].terminate ? "\n" : "",
		    ends[i].restarted ? "init\n" : "");
		said_is(&h, "a", said);
		if (ends[i].restarted)
			continue;
		house_fails(&h, -OTP_ENOPROC, "noproc", "a", GET);
		house_order(&h, "result", "started", START);
	}
	house_done(&h);
}
END_TEST

/* Callers may ask late: by generation or by pid, of any that has been. */
START_TEST(exit_reasons_of_earlier_incarnations)
{
	static const int with[] = { SIGKILL, SIGUSR1, SIGUSR2 };
	static const char *const reasons[] = { "killed", "{signal,SIGUSR1}",
	    "{signal,SIGUSR2}" };
	struct house h;
	int pids[3];

	house_of(&h, __func__, "a");
	for (int i = 0; i < 3; i++) {
		pids[i] = house_pid(&h, "a");
		want(&h, kill(pids[i], with[i]) == 0);
		house_ends(&h, "a", i + 1, reasons[i]);
		house_await(&h, "a", "running");
	}
	for (int i = 0; i < 3; i++) {
		house_ends(&h, "a", i + 1, reasons[i]);
		house_order(&h, "reason", reasons[i], "{\"op\":\"why_down\","
		    "\"path\":\"a\",\"pid\":%d}", pids[i]);
	}
	house_order(&h, "reason", "noproc", "{\"op\":\"why_down\","
	    "\"path\":\"a\",\"pid\":1}");
	house_done(&h);
}
END_TEST

/* --- terminate is called when --- */

START_TEST(parents_exit_signal_trapping_calls_terminate)
{
	struct house h;

	house_of(&h, __func__, "a");
	(void)house_do(&h, "a", "{\"do\":\"trap\",\"on\":1}");
	house_order(&h, "result", "ok", STOP);
	said_is(&h, "a", "init\nterminate shutdown\n");
	house_is(&h, "a", "stopped", "shutdown");
	house_done(&h);
}
END_TEST

START_TEST(parents_exit_signal_trapping_since_init_calls_terminate)
{
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"down\":true");
	house_start(&h);
	house_mode(&h, "a", "trap");
	house_order(&h, "result", "started", START);
	house_order(&h, "result", "ok", STOP);
	said_is(&h, "a", "init\nterminate shutdown\n");
	house_done(&h);
}
END_TEST

START_TEST(parents_exit_signal_not_trapping_just_ends_it)
{
	struct house h;

	house_of(&h, __func__, "a");
	(void)house_do(&h, "a", "{\"do\":\"trap\",\"on\":1}");
	(void)house_do(&h, "a", "{\"do\":\"trap\",\"on\":0}");
	house_order(&h, "result", "ok", STOP);
	said_is(&h, "a", "init\n");
	house_is(&h, "a", "stopped", "shutdown");
	house_done(&h);
}
END_TEST

START_TEST(killed_after_its_shutdown_when_terminate_takes_longer)
{
	struct house h;
	int held, release;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"shutdown\":200");
	house_start(&h);
	held = rig_fifo(&h.rig, "held.a");
	release = rig_fifo(&h.rig, "release.a");
	(void)close(release);
	(void)house_do(&h, "a", "{\"do\":\"trap\",\"on\":1}");
	(void)house_do(&h, "a", "{\"do\":\"on_end\",\"hold\":1}");
	house_order(&h, "result", "ok", STOP);
	said_is(&h, "a", "init\nterminate shutdown\n");
	house_is(&h, "a", "stopped", "killed");
	(void)close(held);
	house_done(&h);
}
END_TEST

START_TEST(killed_after_its_shutdown_when_it_reads_no_frame)
{
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"shutdown\":200");
	house_start(&h);
	(void)house_do(&h, "a", "{\"do\":\"trap\",\"on\":1}");
	want(&h, kill(house_pid(&h, "a"), SIGSTOP) == 0);
	house_order(&h, "result", "ok", STOP);
	said_is(&h, "a", "init\n");
	house_is(&h, "a", "stopped", "killed");
	house_done(&h);
}
END_TEST

START_TEST(kill_never_calls_terminate)
{
	struct house h;
	int generation;

	house_of(&h, __func__, "a");
	(void)house_do(&h, "a", "{\"do\":\"trap\",\"on\":1}");
	generation = house_generation(&h, "a");
	want(&h, kill(house_pid(&h, "a"), SIGKILL) == 0);
	house_ends(&h, "a", generation, "killed");
	house_settle(&h);
	said_is(&h, "a", "init\ninit\n");
	house_done(&h);
}
END_TEST

START_TEST(stop_with_a_reply_terminates_first)
{
	cJSON *reply;
	struct house h;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"restart\":\"temporary\"");
	house_start(&h);
	reply = house_ask(&h, "a",
	    "{\"do\":\"stop_reply\",\"reason\":\"normal\"}");
	want(&h, cJSON_IsTrue(reply));
	said_is(&h, "a", "init\nterminate normal\n");
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

/* --- names --- */

START_TEST(a_name_maps_to_one_process)
{
	char words[64];
	cJSON *reply;
	struct house h;

	house_of(&h, __func__, "a b");
	want(&h, house_do(&h, "a",
	    "{\"do\":\"register\",\"target\":\"n\"}") == 0);
	reply = house_ask(&h, "b", "{\"do\":\"whereis\",\"target\":\"n\"}");
	want(&h, strcmp(house_text(reply, "path"), "a") == 0);
	want(&h, (int)house_number(reply, "pid") == house_pid(&h, "a"));
	cJSON_Delete(reply);
	reply = house_ask(&h, "b", "{\"do\":\"register\",\"target\":\"n\"}");
	want(&h, (int)house_number(reply, "rc") == -OTP_EALREADY);
	(void)snprintf(words, sizeof(words), "{already_started,a,%d}",
	    house_pid(&h, "a"));
	want(&h, strcmp(house_text(reply, "reason"), words) == 0);
	cJSON_Delete(reply);
	reply = house_ask(&h, "n", GET);
	want(&h, (int)house_number(reply, "pid") == house_pid(&h, "a"));
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

START_TEST(unregister_frees_the_name_for_others)
{
	cJSON *reply;
	struct house h;

	house_of(&h, __func__, "a b");
	want(&h, house_do(&h, "a",
	    "{\"do\":\"register\",\"target\":\"n\"}") == 0);
	want(&h, house_do(&h, "b",
	    "{\"do\":\"unregister\",\"target\":\"n\"}") < 0);
	want(&h, house_do(&h, "a",
	    "{\"do\":\"unregister\",\"target\":\"n\"}") == 0);
	want(&h, house_do(&h, "b",
	    "{\"do\":\"whereis\",\"target\":\"n\"}") == -OTP_ENOPROC);
	house_fails(&h, -OTP_ENOPROC, "noproc", "n", GET);
	want(&h, house_do(&h, "b",
	    "{\"do\":\"register\",\"target\":\"n\"}") == 0);
	reply = house_ask(&h, "n", GET);
	want(&h, (int)house_number(reply, "pid") == house_pid(&h, "b"));
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

START_TEST(a_name_that_cannot_be_is_refused)
{
	static const char *const names[] = { "otpd", "otp-logger", ".hidden",
	    "-x", "..", "a b" };
	struct house h;

	house_of(&h, __func__, "a");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		want(&h, house_do(&h, "a", "{\"do\":\"register\","
		    "\"target\":\"%s\"}", names[i]) < 0);
	want(&h, house_do(&h, "a",
	    "{\"do\":\"register\",\"target\":\"x/y\"}") < 0);
	house_done(&h);
}
END_TEST

START_TEST(names_go_with_the_process_the_configured_one_stays)
{
	cJSON *reply;
	struct house h;
	int generation, pid;

	house_of(&h, __func__, "a b");
	want(&h, house_do(&h, "a",
	    "{\"do\":\"register\",\"target\":\"n\"}") == 0);
	generation = house_generation(&h, "a");
	pid = house_pid(&h, "a");
	want(&h, kill(pid, SIGKILL) == 0);
	house_ends(&h, "a", generation, "killed");
	house_order(&h, "error", "noproc",
	    "{\"op\":\"whereis\",\"name\":\"n\"}");
	house_fails(&h, -OTP_ENOPROC, "noproc", "n", GET);
	want(&h, house_do(&h, "b",
	    "{\"do\":\"register\",\"target\":\"a\"}") == -OTP_EALREADY);
	reply = house_ask(&h, "a", GET);
	want(&h, (int)house_number(reply, "pid") != pid);
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

START_TEST(a_stopped_servers_name_is_free)
{
	cJSON *reply;
	struct house h;

	house_of(&h, __func__, "a b");
	house_order(&h, "result", "ok", STOP);
	house_fails(&h, -OTP_ENOPROC, "noproc", "a", GET);
	want(&h, house_do(&h, "b",
	    "{\"do\":\"register\",\"target\":\"a\"}") == 0);
	reply = house_ask(&h, "a", GET);
	want(&h, (int)house_number(reply, "pid") == house_pid(&h, "b"));
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("workers: starting, ending, names");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, start_link_returns_after_init);
	tcase_add_test(t, init_ignore);
	tcase_add_test(t, init_stop_and_other_failures);
	tcase_add_test(t, init_takes_longer_than_start_timeout);
	tcase_add_test(t, name_taken_is_already_started_and_init_not_run);
	tcase_add_test(t, exit_reasons_and_a_transient_child);
	tcase_add_test(t, exit_reasons_of_earlier_incarnations);
	tcase_add_test(t, parents_exit_signal_trapping_calls_terminate);
	tcase_add_test(t,
	    parents_exit_signal_trapping_since_init_calls_terminate);
	tcase_add_test(t, parents_exit_signal_not_trapping_just_ends_it);
	tcase_add_test(t,
	    killed_after_its_shutdown_when_terminate_takes_longer);
	tcase_add_test(t, killed_after_its_shutdown_when_it_reads_no_frame);
	tcase_add_test(t, kill_never_calls_terminate);
	tcase_add_test(t, stop_with_a_reply_terminates_first);
	tcase_add_test(t, a_name_maps_to_one_process);
	tcase_add_test(t, unregister_frees_the_name_for_others);
	tcase_add_test(t, a_name_that_cannot_be_is_refused);
	tcase_add_test(t,
	    names_go_with_the_process_the_configured_one_stays);
	tcase_add_test(t, a_stopped_servers_name_is_free);
	suite_add_tcase(s, t);
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
