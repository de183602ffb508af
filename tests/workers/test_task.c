/* SPDX-License-Identifier: ISC */
/*
 * Tasks as children of a task_supervisor, row by row of OTP's table; the
 * numbers are the cases of SEMANTICS.  The functions are those of the example.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workers/house.h"

static const char *const hang[] = { "hang", NULL };
static const char *const crash[] = { "crash", NULL };
static const char *const words[] = { "words", NULL };
static const char *const sum[] = { "sum", "1", "20", "300", NULL };

/* "plain": full specifications; "made": from a template, at most two. */
static void
start(struct house *h, const char *test)
{
	char text[1024];

	house_init(h, test);
	house_child(h, "{\"id\":\"plain\",\"type\":\"task_supervisor\"}");
	(void)snprintf(text, sizeof(text), "{\"id\":\"made\",\"type\":"
	    "\"task_supervisor\",\"max_children\":2,\"template\":{\"start\":"
	    "[\"%s\"],\"kind\":\"gen_server\"}}",
	    house_program(h, "contrib/examples/tasks"));
	house_child(h, text);
	house_start(h);
}

static uint64_t
async(struct house *h, struct otp *o, const char *const *argv,
    unsigned int flags)
{
	uint64_t task = 0;
	int rc = otp_task_sup_async(o, "made", argv, "a b  c", 6, flags,
	    &task);

	if (rc < 0)
		rig_fail(&h->rig, "async: %s: %s", otp_strerror(rc),
		    otp_reason(o));
	return task;
}

static void
gives(struct house *h, uint64_t task, const char *value)
{
	char *got = NULL;
	int rc = otp_task_await(h->o, task, WANT_MS, &got, NULL);

	if (rc < 0)
		rig_fail(&h->rig, "await: %s: %s", otp_strerror(rc),
		    otp_reason(h->o));
	want(h, strcmp(got, value) == 0);
	free(got);
}

static void
ends(struct house *h, uint64_t task, const char *reason)
{
	want(h, otp_task_await(h->o, task, WANT_MS, NULL, NULL) ==
	    -OTP_EDOWN);
	if (strcmp(otp_reason(h->o), reason) != 0)
		rig_fail(&h->rig, "it ended for %s", otp_reason(h->o));
}

/* It serves: what it has not been asked for is refused. */
static void
lives(struct house *h, const char *path)
{
	int rc = otp_call(h->o, path, "x", 1, WANT_MS, NULL, NULL);

	if (rc < 0)
		rig_fail(&h->rig, "%s: %s: %s", path, otp_strerror(rc),
		    otp_reason(h->o));
}

static uint64_t
command(struct house *h, const char *const *argv, const char *input,
    unsigned int flags)
{
	uint64_t task = 0;
	int rc = otp_task_sup_async(h->o, "plain", argv, input, strlen(input),
	    OTP_TASK_COMMAND | flags, &task);

	if (rc < 0)
		rig_fail(&h->rig, "command: %s: %s", otp_strerror(rc),
		    otp_reason(h->o));
	return task;
}

static double
children_of(struct house *h, const char *sup)
{
	cJSON *o = house_control(h,
	    "{\"op\":\"count_children\",\"sup\":\"%s\"}", sup);
	double n = house_number(o, "specs");

	cJSON_Delete(o);
	return n;
}

/* The one child's path is gone. */
static void
gone(struct house *h, const char *path)
{
	cJSON_Delete(house_control(h, "{\"op\":\"wait\",\"path\":\"%s\","
	    "\"state\":\"gone\"}", path));
}

/* --- values --- */

START_TEST(a_named_function_gives_its_value)
{
	struct house h;
	char *big = malloc(1 << 20);
	const char *argv[] = { "words", NULL };
	uint64_t task;

	start(&h, __func__);
	gives(&h, async(&h, h.o, words, 0), "3");
	gives(&h, async(&h, h.o, sum, OTP_TASK_NOLINK), "321");
	gone(&h, "made/words");
	gone(&h, "made/sum");
	memset(big, 'x', 1 << 20);
	want(&h, otp_task_sup_async(h.o, "made", argv, big, 1 << 20, 0,
	    &task) == 0);
	gives(&h, task, "1");
	free(big);
	gone(&h, "made/words");
	want(&h, children_of(&h, "made") == 0);
	house_done(&h);
}
END_TEST

START_TEST(a_program_needs_no_template)
{
	struct house h;
	const char *argv[] = { NULL, "sum", "4", "5", NULL };
	uint64_t task;

	start(&h, __func__);
	argv[0] = house_program(&h, "contrib/examples/tasks");
	want(&h, otp_task_sup_async(h.o, "plain", argv, "", 0, 0, &task) == 0);
	gives(&h, task, "9");
	house_done(&h);
}
END_TEST

START_TEST(any_command_line_gives_its_output)
{
	const char *const cat[] = { "sed", "s/a/b/", NULL };
	const char *const bad[] = { "sh", "-c", "exit 7", NULL };
	struct house h;

	start(&h, __func__);
	gives(&h, command(&h, cat, "an a\n", 0), "bn a\n");
	ends(&h, command(&h, bad, "", OTP_TASK_NOLINK), "{exit,7}");
	house_done(&h);
}
END_TEST

/* --- T8 --- */

START_TEST(T8_start_child_is_temporary_a_crash_is_told_never_repeated)
{
	const char *const bad[] = { "/bin/sh", "-c", "exit 3", NULL };
	struct house h;
	char path[256];

	start(&h, __func__);
	want(&h, otp_task_start_child(h.o, "plain", bad, NULL, path,
	    sizeof(path)) == 0);
	house_ends(&h, path, 1, "{exit,3}");
	want(&h, otp_task_start_child(h.o, "made", crash, NULL, path,
	    sizeof(path)) == 0);
	house_ends(&h, path, 1, "{signal,SIGABRT}");
	house_settle(&h);
	want(&h, children_of(&h, "plain") + children_of(&h, "made") == 0);
	h.crashed = true;		/* otpd tells of these ends */
	house_done(&h);
}
END_TEST

START_TEST(T8_max_children_refuses)
{
	struct house h;
	uint64_t task, other, third;

	start(&h, __func__);
	task = async(&h, h.o, hang, 0);
	other = async(&h, h.o, hang, 0);
	want(&h, otp_task_start_child(h.o, "made", hang, NULL, NULL, 0) ==
	    -OTP_EREMOTE);
	want(&h, strcmp(otp_reason(h.o), "max_children") == 0);
	want(&h, otp_task_sup_async(h.o, "made", hang, "", 0, 0, &third) ==
	    -OTP_EREMOTE);
	want(&h, strcmp(otp_reason(h.o), "max_children") == 0);
	want(&h, otp_task_shutdown(h.o, task, WANT_MS, NULL, NULL) == 1);
	want(&h, otp_task_shutdown(h.o, other, OTP_BRUTAL_KILL, NULL,
	    NULL) == 1);
	gone(&h, "made/hang");
	gone(&h, "made/hang~1");
	want(&h, children_of(&h, "made") == 0);
	h.crashed = true;
	house_done(&h);
}
END_TEST

START_TEST(T8_terminate_child_takes_a_pid)
{
	struct house h;
	char path[256];
	int pid;

	start(&h, __func__);
	want(&h, otp_task_start_child(h.o, "made", hang, NULL, path,
	    sizeof(path)) == 0);
	pid = house_pid(&h, path);
	house_order(&h, "result", "ok", "{\"op\":\"terminate_child\","
	    "\"sup\":\"made\",\"id\":\"pid:%d\"}", pid);
	house_order(&h, "error", "not_found", "{\"op\":\"terminate_child\","
	    "\"sup\":\"made\",\"id\":\"pid:%d\"}", pid);
	house_done(&h);
}
END_TEST

/* --- T9 --- */

START_TEST(T9_a_permanent_task_that_always_fails_takes_all_along)
{
	const char *const bad[] = { "/bin/false", NULL };
	const char *const nap[] = { "/bin/sleep", "1000", NULL };
	struct house h;
	char path[256];

	start(&h, __func__);
	want(&h, otp_task_start_child(h.o, "plain", nap, NULL, path,
	    sizeof(path)) == 0);
	(void)otp_task_start_child(h.o, "plain", bad, "permanent", NULL, 0);
	gone(&h, path);
	house_settle(&h);
	want(&h, house_generation(&h, "plain") == 2);
	want(&h, children_of(&h, "plain") == 0);
	h.crashed = true;
	house_done(&h);
}
END_TEST

START_TEST(T9_a_crash_without_a_link_is_only_told)
{
	struct house h;

	start(&h, __func__);
	ends(&h, async(&h, h.o, crash, OTP_TASK_NOLINK), "{signal,SIGABRT}");
	h.crashed = true;
	house_done(&h);
}
END_TEST

/* --- T10 --- */

/* An owner of its own starts a task and ends: crashing, or normally. */
static void
own_and_end(struct house *h, unsigned int flags, bool crashes, char path[64])
{
	char run[256];
	struct otp_options options = { .size = sizeof(options),
	    .runtime_dir = run };
	struct otp *o;
	pid_t pid;

	(void)snprintf(run, sizeof(run), "%s/run", h->rig.dir);
	pid = fork();
	if (pid == 0) {
		o = otp_new(&options);
		(void)async(h, o, hang, flags);
		if (crashes)
			(void)raise(SIGKILL);
		otp_free(o);
		_exit(0);
	}
	want(h, waitpid(pid, NULL, 0) == pid);
	(void)snprintf(path, 64, "made/hang");
}

START_TEST(T10_the_owners_abnormal_end_stops_a_linked_task)
{
	struct house h;
	char path[64];

	start(&h, __func__);
	own_and_end(&h, 0, true, path);
	gone(&h, path);
	h.crashed = true;
	house_done(&h);
}
END_TEST

START_TEST(T10_its_normal_end_and_any_end_without_a_link_do_not)
{
	struct house h;
	char path[64];

	start(&h, __func__);
	own_and_end(&h, 0, false, path);
	own_and_end(&h, OTP_TASK_NOLINK, true, path);
	/* Both have heard of it by the time they have answered this. */
	lives(&h, "made/hang");
	lives(&h, "made/hang~1");
	want(&h, children_of(&h, "made") == 2);
	house_done(&h);
}
END_TEST

START_TEST(T10_ignored_it_is_not_linked_any_more)
{
	struct house h;
	char run[256];
	struct otp_options options = { .size = sizeof(options),
	    .runtime_dir = run };
	struct otp *o;
	pid_t pid;

	start(&h, __func__);
	(void)snprintf(run, sizeof(run), "%s/run", h.rig.dir);
	pid = fork();
	if (pid == 0) {
		o = otp_new(&options);
		want(&h, otp_task_ignore(o, async(&h, o, hang, 0), NULL,
		    NULL) == 1);
		(void)raise(SIGKILL);
	}
	want(&h, waitpid(pid, NULL, 0) == pid);
	lives(&h, "made/hang");
	house_done(&h);
}
END_TEST

/* --- streams, and engines that die --- */

static int nitems;

static int
next_item(void *arg, void **item)
{
	static char text[8][32];

	if (nitems == 8)
		return 0;
	(void)snprintf(text[nitems], 32, "%.*s", 2 * (nitems + 1),
	    "a b c d e f g h ");
	*item = text[nitems++];
	(void)arg;
	return 1;
}

START_TEST(a_stream_of_supervised_tasks)
{
	struct otp_stream_options opt = { .size = sizeof(opt),
	    .max_concurrency = 2, .timeout_ms = WANT_MS, .sup = "made",
	    .argv = words };
	struct otp_stream_result r;
	struct otp_stream *s;
	struct house h;

	start(&h, __func__);
	nitems = 0;
	opt.max_concurrency = 1;	/* a place is free a moment later */
	s = otp_stream_open(h.o, NULL, next_item, NULL, &opt);
	want(&h, s != NULL);
	for (int i = 0; i < 8; i++) {
		int rc = otp_stream_next(s, &r);

		if (rc != 1)
			rig_fail(&h.rig, "%d: %s: %s", i, otp_strerror(rc),
			    otp_reason(h.o));
		want(&h, r.error == 0 && atoi(r.value) == i + 1);
		free(r.value);
		if (i == 3)
			house_kill_engine(&h);
	}
	want(&h, otp_stream_next(s, &r) == 0);
	otp_stream_close(s);
	h.crashed = true;
	house_done(&h);
}
END_TEST

START_TEST(a_task_in_flight_survives_the_engine)
{
	const char *const slow[] = { "sh", "-c", "read x; echo $x", NULL };
	struct house h;
	uint64_t task, cmd;

	start(&h, __func__);
	task = async(&h, h.o, hang, 0);
	cmd = command(&h, slow, "late\n", 0);
	house_kill_engine(&h);
	gives(&h, cmd, "late\n");
	want(&h, otp_task_yield(h.o, task, 0, NULL, NULL) == 1);
	house_kill_engine(&h);
	want(&h, otp_task_shutdown(h.o, task, WANT_MS, NULL, NULL) == 1);
	gone(&h, "made/hang");
	gone(&h, "plain/sh");
	house_done(&h);
}
END_TEST

/* In a process of its own: said is readable once it knows the engine, which
 * may be killed before it is told to go on. */
static void
ask_a_dead_engine(struct house *h, int said, int go)
{
	char run[256];
	const struct otp_options options = { .size = sizeof(options),
	    .runtime_dir = run };
	struct otp_count n;
	struct otp *o;
	char c = 0;
	uint64_t task;
	char *value;

	(void)snprintf(run, sizeof(run), "%s/run", h->rig.dir);
	o = otp_new(&options);
	if (o == NULL || otp_count_children(o, "made", WANT_MS, &n) != 0 ||
	    write(said, &c, 1) != 1 || read(go, &c, 1) != 1)
		_exit(1);
	if (otp_task_sup_async(o, "made", words, "a b  c", 6, 0, &task) < 0) {
		fprintf(stderr, "%s\n", otp_reason(o));
		_exit(2);
	}
	if (otp_task_await(o, task, WANT_MS, &value, NULL) < 0)
		_exit(3);
	_exit(strcmp(value, "3") == 0 ? 0 : 4);
}

START_TEST(a_task_that_is_started_while_the_engine_is_dead_waits_for_the_next)
{
	int said[2], go[2], status;
	struct house h;
	pid_t pid;
	char c = 0;

	start(&h, __func__);
	want(&h, pipe(said) == 0 && pipe(go) == 0);
	pid = fork();
	if (pid == 0)
		ask_a_dead_engine(&h, said[1], go[0]);
	want(&h, read(said[0], &c, 1) == 1);
	house_kill_engine_for_now(&h);
	want(&h, write(go[1], &c, 1) == 1);
	want(&h, kill(h.rig.otpd, SIGCONT) == 0);
	want(&h, waitpid(pid, &status, 0) == pid);
	if (status != 0)
		rig_fail(&h.rig, "it ended with %d", WEXITSTATUS(status));
	house_done(&h);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_named_function_gives_its_value, a_program_needs_no_template,
		any_command_line_gives_its_output,
		T8_start_child_is_temporary_a_crash_is_told_never_repeated,
		T8_max_children_refuses, T8_terminate_child_takes_a_pid,
		T9_a_permanent_task_that_always_fails_takes_all_along,
		T9_a_crash_without_a_link_is_only_told,
		T10_the_owners_abnormal_end_stops_a_linked_task,
		T10_its_normal_end_and_any_end_without_a_link_do_not,
		T10_ignored_it_is_not_linked_any_more,
		a_stream_of_supervised_tasks,
		a_task_in_flight_survives_the_engine,
		a_task_that_is_started_while_the_engine_is_dead_waits_for_the_next,
	};
	Suite *suite = suite_create("supervised tasks");
	TCase *tc = tcase_create("otpd");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
