/* SPDX-License-Identifier: ISC */
/*
 * Tasks of one program, as SEMANTICS has them; the numbers are its cases.
 * Every task that is to wait for something waits for a byte in a pipe.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libotp/otp.h"

#define LONG_MS		20000
#define BIG		(3U * 1024 * 1024)

static struct otp *self;
static int gate[2];		/* a task that reads a byte may go on */

static void
setup(void)
{
	self = otp_new(NULL);
	ck_assert_ptr_nonnull(self);
	ck_assert_int_eq(pipe(gate), 0);
}

/* Nothing is left: no child, dead or alive. */
static void
teardown(void)
{
	otp_free(self);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	ck_assert_int_eq(errno, ECHILD);
	(void)close(gate[0]);
	(void)close(gate[1]);
}

static void
pass(void)
{
	char c;

	while (read(gate[0], &c, 1) != 1)
		;
}

static int
say(struct otp_out *out, void *arg)
{
	return otp_print(out, "%s", (const char *)arg);
}

static int
say_later(struct otp_out *out, void *arg)
{
	pass();
	return say(out, arg);
}

static int
say_much(struct otp_out *out, void *arg)
{
	char *data = malloc(BIG);

	memset(data, *(const char *)arg, BIG);
	return otp_write(out, data, BIG);
}

static int
say_nothing(struct otp_out *out, void *arg)
{
	(void)out;
	(void)arg;
	return 0;
}

static int
fail_for(struct otp_out *out, void *arg)
{
	return otp_task_exit(out, arg);
}

static int
return_it(struct otp_out *out, void *arg)
{
	(void)out;
	return *(int *)arg;
}

static int
die_by(struct otp_out *out, void *arg)
{
	(void)out;
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)signal(*(int *)arg, SIG_DFL);
	(void)raise(*(int *)arg);
	pass();
	return 0;
}

static int
leave(struct otp_out *out, void *arg)
{
	(void)otp_print(out, "unseen");
	_exit(*(int *)arg);
}

static int
ignore_term(struct otp_out *out, void *arg)
{
	(void)signal(SIGTERM, SIG_IGN);
	(void)!write(*(int *)arg, "x", 1);
	for (;;)
		pass();
	return otp_print(out, "never");
}

/* As a function takes it. */
static void *
any(const void *arg)
{
	return (void *)(uintptr_t)arg;
}

static uint64_t
async(otp_task_fn *fn, const void *arg)
{
	uint64_t task = 0;

	ck_assert_int_eq(otp_task_async(self, fn, any(arg), &task), 0);
	ck_assert_uint_ne(task, 0);
	return task;
}

static void
open_gate(void)
{
	ck_assert_int_eq(write(gate[1], "x", 1), 1);
}

static void
assert_value(int rc, char *value, size_t len, const char *want)
{
	ck_assert_msg(rc == 0, "%s: %s", otp_strerror(rc), otp_reason(self));
	ck_assert_uint_eq(len, strlen(want));
	ck_assert_str_eq(value, want);
	free(value);
}

static void
await(uint64_t task, const char *want)
{
	char *value = NULL;
	size_t len = 0;
	int rc = otp_task_await(self, task, LONG_MS, &value, &len);

	assert_value(rc, value, len, want);
}

/* --- await --- */

START_TEST(await_gives_the_value)
{
	await(async(say, "hello"), "hello");
	await(async(say_nothing, NULL), "");
}
END_TEST

START_TEST(a_large_value_is_not_waited_for)
{
	uint64_t task = async(say_much, "x");
	char *value;
	size_t len;

	/* It can end before anybody reads. */
	while (otp_task_yield(self, task, LONG_MS, &value, &len) == 1)
		;
	ck_assert_uint_eq(len, BIG);
	ck_assert_int_eq(value[BIG - 1], 'x');
	ck_assert_int_eq(value[BIG], '\0');
	free(value);
}
END_TEST

START_TEST(T1_a_timeout_forgets_the_task_which_runs_on)
{
	uint64_t task = async(say_later, "late");

	ck_assert_int_eq(otp_task_await(self, task, 1, NULL, NULL),
	    -ETIMEDOUT);
	ck_assert_str_eq(otp_reason(self), "timeout");
	open_gate();			/* its reply is discarded */
	await(async(say, "next"), "next");
	ck_assert_int_eq(otp_task_await(self, task, 0, NULL, NULL), -ENOENT);
}
END_TEST

START_TEST(T2_another_process_may_not_await_it)
{
	struct otp *other = otp_new(NULL);
	uint64_t task = async(say, "mine");
	int status;
	pid_t pid;

	ck_assert_int_eq(otp_task_await(other, task, 0, NULL, NULL), -EPERM);
	pid = fork();
	if (pid == 0)
		_exit(otp_task_await(self, task, 0, NULL, NULL) == -EPERM ?
		    0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	otp_free(other);
	await(task, "mine");
}
END_TEST

START_TEST(T2_the_second_await_finds_nothing)
{
	uint64_t task = async(say, "once");

	await(task, "once");
	ck_assert_int_eq(otp_task_await(self, task, LONG_MS, NULL, NULL),
	    -ENOENT);
}
END_TEST

static int three = 3, minus_five = -5, segv = SIGSEGV, kill_it = SIGKILL,
    zero;

static const struct {
	const char	*why;
	otp_task_fn	*fn;
	const void	*arg;
	const char	*reason;
} ends[] = {
	{ "a positive number is an exit code", return_it, &three, "{exit,3}" },
	{ "a negative one an errno", return_it, &minus_five, "{errno,5}" },
	{ "a reason of its own", fail_for, "{bad,input}", "{bad,input}" },
	{ "no reason at all", fail_for, "", "{bad_return_value,reason}" },
	{ "a crash", die_by, &segv, "{signal,SIGSEGV}" },
	{ "a kill", die_by, &kill_it, "killed" },
	{ "an exit code", leave, &three, "{exit,3}" },
	{ "T4: normal, without a value", leave, &zero, "normal" },
};

START_TEST(T3_an_abnormal_end_is_the_awaits)
{
	char *value = NULL;

	ck_assert_int_eq(otp_task_await(self, async(ends[_i].fn,
	    ends[_i].arg), LONG_MS, &value, NULL), -OTP_EDOWN);
	ck_assert_ptr_null(value);
	ck_assert_msg(strcmp(otp_reason(self), ends[_i].reason) == 0,
	    "%s: %s", ends[_i].why, otp_reason(self));
}
END_TEST

/* An owner in a process of its own starts a task, says its pid and dies. */
static int
owner(int to, int how)
{
	struct otp *o = otp_new(NULL);
	int32_t pid;

	if ((how == 'n' ? otp_task_start(o, say_later, any(""), &pid) :
	    otp_task_start_link(o, say_later, any(""), &pid)) < 0)
		return 1;
	if (write(to, &pid, sizeof(pid)) != sizeof(pid))
		return 1;
	if (how == 'k')
		(void)raise(SIGKILL);
	if (how == 'f')
		otp_free(o);
	return 0;
}

static int
open_pid(int32_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

START_TEST(T3_the_owners_end_is_the_end_of_its_linked_tasks)
{
	static const char how[] = { 'k', 'f', 'x', 'n' };
	struct pollfd pfd = { .events = POLLIN };
	int told[2];
	int32_t task;
	pid_t pid;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	ck_assert_int_eq(pipe(told), 0);
	pid = fork();
	if (pid == 0) {
		pid = getppid();
		_exit(owner(told[1], how[_i]));
	}
	ck_assert_int_eq(read(told[0], &task, sizeof(task)), sizeof(task));
	pfd.fd = open_pid(task);
	if (how[_i] == 'n') {
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		ck_assert_int_eq(poll(&pfd, 1, 0), 0);	/* it runs on */
		open_gate();
	}
	if (pfd.fd >= 0)
		ck_assert_int_eq(poll(&pfd, 1, LONG_MS), 1);
	if (how[_i] != 'n')
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	(void)close(pfd.fd);
	(void)close(told[0]);
	(void)close(told[1]);
}
END_TEST

/* --- yield, shutdown, ignore, completed --- */

START_TEST(T4_yield_may_be_asked_again)
{
	uint64_t task = async(say_later, "at last");
	char *value = NULL;
	size_t len;
	int rc;

	ck_assert_int_eq(otp_task_yield(self, task, 1, &value, &len), 1);
	ck_assert_int_eq(otp_task_yield(self, task, 0, &value, &len), 1);
	ck_assert_ptr_null(value);
	open_gate();
	rc = otp_task_yield(self, task, LONG_MS, &value, &len);
	assert_value(rc, value, len, "at last");
	ck_assert_int_eq(otp_task_yield(self, task, 0, NULL, NULL), -ENOENT);
}
END_TEST

START_TEST(T4_shutdown_stops)
{
	ck_assert_int_eq(otp_task_shutdown(self, async(say_later, ""),
	    LONG_MS, NULL, NULL), 1);
	ck_assert_int_eq(otp_task_shutdown(self, async(say_later, ""),
	    OTP_BRUTAL_KILL, NULL, NULL), 1);
}
END_TEST

START_TEST(T4_shutdown_kills_what_does_not_end)
{
	int told[2];
	uint64_t task;
	char c;

	ck_assert_int_eq(pipe(told), 0);
	task = async(ignore_term, &told[1]);
	ck_assert_int_eq(read(told[0], &c, 1), 1);
	ck_assert_int_eq(otp_task_shutdown(self, task, 10, NULL, NULL),
	    -OTP_EDOWN);
	ck_assert_str_eq(otp_reason(self), "killed");
	(void)close(told[0]);
	(void)close(told[1]);
}
END_TEST

/* Until a task has ended; it stays to be asked. */
static void
await_end(void)
{
	siginfo_t si;

	ck_assert_int_eq(waitid(P_ALL, 0, &si, WEXITED | WNOWAIT | __WALL), 0);
}

START_TEST(T4_shutdown_gives_a_value_that_was_sent)
{
	uint64_t task = async(say, "sent");
	char *value;
	size_t len;
	int rc;

	await_end();
	rc = otp_task_shutdown(self, task, LONG_MS, &value, &len);
	assert_value(rc, value, len, "sent");
}
END_TEST

START_TEST(T4_shutdown_tells_another_end)
{
	uint64_t task = async(fail_for, "mine");

	await_end();
	ck_assert_int_eq(otp_task_shutdown(self, task, LONG_MS, NULL, NULL),
	    -OTP_EDOWN);
	ck_assert_str_eq(otp_reason(self), "mine");
}
END_TEST

START_TEST(T5_ignored_it_runs_on_unheard)
{
	uint64_t task = async(say_later, "unheard");
	char *value;
	size_t len;
	int rc;

	ck_assert_int_eq(otp_task_ignore(self, task, NULL, NULL), 1);
	ck_assert_int_eq(otp_task_yield(self, task, 0, NULL, NULL), -ENOENT);
	open_gate();
	await_end();
	ck_assert_int_eq(otp_task_completed(self, "so far", 6, &task), 0);
	rc = otp_task_ignore(self, task, &value, &len);
	assert_value(rc, value, len, "so far");
}
END_TEST

START_TEST(T5_completed_has_its_value_already)
{
	uint64_t task;

	ck_assert_int_eq(otp_task_completed(self, "now", 3, &task), 0);
	await(task, "now");
}
END_TEST

/* --- many --- */

START_TEST(T5_await_many_gives_values_in_order)
{
	struct otp_result r[3];
	uint64_t tasks[3] = { async(say_later, "a"), async(say, "b"),
	    async(say_later, "c") };

	open_gate();
	open_gate();
	ck_assert_int_eq(otp_task_await_many(self, tasks, 3, LONG_MS, r), 0);
	for (int i = 0; i < 3; i++)
		assert_value(r[i].error, r[i].reply, r[i].len,
		    &"a\0b\0c"[2 * i]);
}
END_TEST

START_TEST(T5_the_first_failure_ends_await_many)
{
	struct otp_result r[2];
	uint64_t tasks[2] = { async(say_later, "a"), async(fail_for, "bad") };

	ck_assert_int_eq(otp_task_await_many(self, tasks, 2, LONG_MS, r),
	    -OTP_EDOWN);
	ck_assert_str_eq(otp_reason(self), "bad");
	ck_assert_int_eq(otp_task_yield(self, tasks[0], 0, NULL, NULL),
	    -ENOENT);
}
END_TEST

START_TEST(T5_one_timeout_is_for_all_of_await_many)
{
	struct otp_result r[2];
	uint64_t tasks[2] = { async(say, "a"), async(say_later, "b") };

	ck_assert_int_eq(otp_task_await_many(self, tasks, 2, 30, r),
	    -ETIMEDOUT);
	ck_assert_int_eq(otp_task_await_many(self, tasks, 0, 30, r), 0);
	tasks[1] = tasks[0] = async(say, "twice");
	ck_assert_int_eq(otp_task_await_many(self, tasks, 2, 30, r), -EINVAL);
	await(tasks[0], "twice");
}
END_TEST

START_TEST(T5_yield_many_gives_what_there_is)
{
	struct otp_result r[3];
	uint64_t tasks[3] = { async(say, "a"), async(say_later, "b"),
	    async(fail_for, "bad") };
	int n;

	do {
		n = otp_task_yield_many(self, tasks, 3, 100, r);
		ck_assert_int_ge(n, 0);
	} while (n == 0);
	if (n < 2) {
		for (int i = 0; i < 3; i++)
			free(r[i].error != 1 ? r[i].reply : NULL);
		return;			/* a machine as slow as that */
	}
	assert_value(r[0].error, r[0].reply, r[0].len, "a");
	ck_assert_int_eq(r[1].error, 1);
	ck_assert_int_eq(r[2].error, -OTP_EDOWN);
	ck_assert_str_eq(r[2].reply, "bad");
	free(r[2].reply);
	open_gate();
	await(tasks[1], "b");
}
END_TEST

/* --- streams --- */

static const char *const items[] = { "3", "1", "2", "0" };
static int ntaken;

static int
four(void *arg, void **item)
{
	(void)arg;
	if (ntaken == 4)
		return 0;
	*item = any(items[ntaken++]);
	return 1;
}

static struct otp_stream *
stream(otp_task_fn *fn, unsigned int flags, unsigned int most, int timeout_ms)
{
	struct otp_stream_options opt = { .size = sizeof(opt), .flags = flags,
	    .max_concurrency = most, .timeout_ms = timeout_ms };
	struct otp_stream *s;

	ntaken = 0;
	s = otp_stream_open(self, fn, four, NULL, &opt);
	ck_assert_ptr_nonnull(s);
	return s;
}

START_TEST(T6_results_are_in_the_order_of_the_items)
{
	struct otp_stream *s = stream(say, 0, 4, LONG_MS);
	struct otp_stream_result r;

	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(otp_stream_next(s, &r), 1);
		ck_assert_uint_eq(r.index, i);
		ck_assert_str_eq(r.item, items[i]);
		assert_value(r.error, r.value, r.len, items[i]);
	}
	ck_assert_int_eq(otp_stream_next(s, &r), 0);
	ck_assert_int_eq(otp_stream_next(s, &r), 0);
	otp_stream_close(s);
}
END_TEST

/* The first item waits for the gate, the others do not. */
static int
first_waits(struct otp_out *out, void *arg)
{
	return *(const char *)arg == '3' ? say_later(out, arg) : say(out, arg);
}

START_TEST(T6_or_as_they_end)
{
	struct otp_stream *s = stream(first_waits, OTP_STREAM_UNORDERED, 2,
	    LONG_MS);
	struct otp_stream_result r;

	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(otp_stream_next(s, &r), 1);
		ck_assert_uint_ne(r.index, 0);
		free(r.value);
	}
	open_gate();
	ck_assert_int_eq(otp_stream_next(s, &r), 1);
	ck_assert_uint_eq(r.index, 0);
	free(r.value);
	otp_stream_close(s);
}
END_TEST

START_TEST(T6_an_item_is_taken_when_a_slot_is_free)
{
	struct otp_stream *s = stream(say, 0, 1, LONG_MS);
	struct otp_stream_result r;

	ck_assert_int_eq(ntaken, 0);	/* nobody has asked */
	ck_assert_int_eq(otp_stream_next(s, &r), 1);
	ck_assert_int_le(ntaken, 2);
	free(r.value);
	otp_stream_close(s);
}
END_TEST

/* All but the first go on; the second opens the gate for it. */
static int
last_opens(struct otp_out *out, void *arg)
{
	if (*(const char *)arg == '0')
		open_gate();
	return first_waits(out, arg);
}

START_TEST(T6_one_that_has_ended_frees_its_slot_all_the_same)
{
	struct otp_stream *s = stream(last_opens, 0, 2, LONG_MS);
	struct otp_stream_result r;

	ck_assert_int_eq(otp_stream_next(s, &r), 1);
	ck_assert_uint_eq(r.index, 0);
	ck_assert_int_eq(ntaken, 4);
	free(r.value);
	otp_stream_close(s);
}
END_TEST

START_TEST(T7_a_timeout_ends_the_stream_and_its_tasks)
{
	struct otp_stream *s = stream(say_later, 0, 2, 20);
	struct otp_stream_result r;

	ck_assert_int_eq(otp_stream_next(s, &r), -ETIMEDOUT);
	ck_assert_str_eq(otp_reason(self), "timeout");
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	ck_assert_int_eq(otp_stream_next(s, &r), 0);
	otp_stream_close(s);
}
END_TEST

START_TEST(T7_or_only_the_task)
{
	struct otp_stream *s = stream(first_waits, OTP_STREAM_KILL_TASK, 2,
	    1000);
	struct otp_stream_result r;

	ck_assert_int_eq(otp_stream_next(s, &r), 1);
	ck_assert_int_eq(r.error, -ETIMEDOUT);
	ck_assert_str_eq(r.reason, "timeout");
	ck_assert_str_eq(r.item, "3");		/* zip_input_on_exit */
	ck_assert_int_eq(otp_stream_next(s, &r), 1);
	assert_value(r.error, r.value, r.len, "1");
	otp_stream_close(s);
}
END_TEST

static int
second_fails(struct otp_out *out, void *arg)
{
	return *(const char *)arg == '1' ? otp_task_exit(out, "bad") :
	    say(out, arg);
}

START_TEST(T7_a_failure_ends_a_linked_stream)
{
	struct otp_stream *s = stream(second_fails, 0, 1, LONG_MS);
	struct otp_stream_result r;

	ck_assert_int_eq(otp_stream_next(s, &r), 1);
	free(r.value);
	ck_assert_int_eq(otp_stream_next(s, &r), -OTP_EDOWN);
	ck_assert_str_eq(otp_reason(self), "bad");
	otp_stream_close(s);
}
END_TEST

START_TEST(T7_and_is_a_result_without_a_link)
{
	struct otp_stream *s = stream(second_fails, OTP_STREAM_NOLINK, 4,
	    LONG_MS);
	struct otp_stream_result r;

	ck_assert_int_eq(otp_stream_next(s, &r), 1);
	free(r.value);
	ck_assert_int_eq(otp_stream_next(s, &r), 1);
	ck_assert_int_eq(r.error, -OTP_EDOWN);
	ck_assert_str_eq(r.reason, "bad");
	ck_assert_int_eq(otp_stream_next(s, &r), 1);
	assert_value(r.error, r.value, r.len, "2");
	otp_stream_close(s);
}
END_TEST

START_TEST(T7_who_stops_early_leaves_no_task)
{
	struct otp_stream *s = stream(say_later, OTP_STREAM_UNORDERED, 4,
	    LONG_MS);
	struct otp_stream_result r;

	open_gate();			/* for whoever comes first */
	ck_assert_int_eq(otp_stream_next(s, &r), 1);
	free(r.value);
	otp_stream_close(s);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
}
END_TEST

/* --- what a program of ours must not notice --- */

static volatile sig_atomic_t heard;

static void
hear(int sig)
{
	heard = sig;
}

static int
open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n;
}

START_TEST(neither_sigchld_nor_wait_nor_descriptors)
{
	int before = open_files();

	(void)signal(SIGCHLD, hear);
	(void)signal(SIGTERM, hear);
	for (int i = 0; i < 100; i++) {
		await(async(say, "x"), "x");
		ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
		ck_assert_int_eq(otp_task_start(self, say, any("y"), NULL), 0);
	}
	/* SIGTERM ends a task even where its owner handles it. */
	ck_assert_int_eq(otp_task_shutdown(self, async(say_later, ""),
	    LONG_MS, NULL, NULL), 1);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	await(async(say, "x"), "x");
	ck_assert_int_eq(heard, 0);
	ck_assert_int_eq(open_files(), before);
}
END_TEST

static int
print_it(struct otp_out *out, void *arg)
{
	(void)out;
	(void)printf("%s", (const char *)arg);
	return 0;
}

START_TEST(what_is_buffered_is_written_once)
{
	char text[64] = "";
	int fds[2], keep = dup(STDOUT_FILENO);

	ck_assert_int_eq(pipe(fds), 0);
	(void)fflush(stdout);
	(void)dup2(fds[1], STDOUT_FILENO);
	(void)printf("owner ");
	await(async(print_it, "task "), "");
	(void)fflush(stdout);
	(void)dup2(keep, STDOUT_FILENO);
	(void)close(fds[1]);
	ck_assert_int_gt(read(fds[0], text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, "task owner ");
	(void)close(fds[0]);
	(void)close(keep);
}
END_TEST

/* --- a server as the owner --- */

struct seen {
	enum otp_info_kind kind;
	int	 error;
	uint64_t ref, task;
	char	 data[64], reason[64];
	bool	 trapping, link;
	otp_task_fn *fn;
	const void *arg;
};

static int
init(struct otp *o, int argc, char **argv, void **state)
{
	struct seen *seen = (struct seen *)(void *)argv[0];

	(void)argc;
	*state = seen;
	if (seen->trapping)
		(void)otp_trap_exit(o, 1);
	if (seen->link)
		return otp_task_start_link(o, seen->fn, any(seen->arg), NULL);
	return otp_task_async(o, seen->fn, any(seen->arg), &seen->task);
}

static int
handle_info(struct otp *o, const struct otp_info *info, void *state)
{
	struct seen *seen = state;

	seen->kind = info->kind;
	seen->ref = info->ref;
	seen->error = info->error;
	(void)snprintf(seen->data, sizeof(seen->data), "%s", info->data);
	(void)snprintf(seen->reason, sizeof(seen->reason), "%s",
	    info->reason);
	return otp_stop(o, "normal");
}

static const struct otp_gen_server_ops ops = { .init = init,
	.handle_info = handle_info };

/* Its exit code. */
static int
serve(struct seen *seen)
{
	char dir[] = "/tmp/otp-task.XXXXXX", path[64];
	char *argv[] = { (char *)(void *)seen, NULL };
	struct otp_options opt = { .size = sizeof(opt), .argc = 1,
	    .argv = argv, .socket = path };
	struct otp *o;
	int code;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	ck_assert_int_eq(otp_gen_server_start(&ops, &opt, &o, NULL), 0);
	code = otp_gen_server_run(o);
	otp_free(o);
	(void)rmdir(dir);
	return code;
}

START_TEST(a_server_gets_the_value_as_a_message)
{
	struct seen seen = { .fn = say, .arg = "value" };

	ck_assert_int_eq(serve(&seen), 0);
	ck_assert_int_eq(seen.kind, OTP_TASK);
	ck_assert_uint_eq(seen.ref, seen.task);
	ck_assert_int_eq(seen.error, 0);
	ck_assert_str_eq(seen.data, "value");
}
END_TEST

START_TEST(T3_a_task_takes_its_server_along)
{
	struct seen seen = { .fn = fail_for, .arg = "{exit,9}" };

	ck_assert_int_eq(serve(&seen), 9);
	seen.link = true;
	ck_assert_int_eq(serve(&seen), 9);
}
END_TEST

START_TEST(T3_but_not_one_that_traps_exits)
{
	struct seen seen = { .fn = fail_for, .arg = "{exit,9}",
	    .trapping = true };

	ck_assert_int_eq(serve(&seen), 0);
	ck_assert_int_eq(seen.kind, OTP_TASK);
	ck_assert_int_eq(seen.error, -OTP_EDOWN);
	ck_assert_str_eq(seen.reason, "{exit,9}");
	seen.link = true;
	ck_assert_int_eq(serve(&seen), 0);
	ck_assert_int_eq(seen.kind, OTP_EXIT);
	ck_assert_str_eq(seen.reason, "{exit,9}");
}
END_TEST

START_TEST(L9_one_that_traps_hears_of_a_normal_end_too)
{
	struct seen seen = { .fn = say, .arg = "unheard", .trapping = true,
	    .link = true };

	ck_assert_int_eq(serve(&seen), 0);
	ck_assert_int_eq(seen.kind, OTP_EXIT);
	ck_assert_str_eq(seen.reason, "normal");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		await_gives_the_value, a_large_value_is_not_waited_for,
		T1_a_timeout_forgets_the_task_which_runs_on,
		T2_another_process_may_not_await_it,
		T2_the_second_await_finds_nothing,
		T4_yield_may_be_asked_again, T4_shutdown_stops,
		T4_shutdown_kills_what_does_not_end,
		T4_shutdown_gives_a_value_that_was_sent,
		T4_shutdown_tells_another_end,
		T5_ignored_it_runs_on_unheard,
		T5_completed_has_its_value_already,
		T5_await_many_gives_values_in_order,
		T5_the_first_failure_ends_await_many,
		T5_one_timeout_is_for_all_of_await_many,
		T5_yield_many_gives_what_there_is,
		T6_results_are_in_the_order_of_the_items, T6_or_as_they_end,
		T6_an_item_is_taken_when_a_slot_is_free,
		T6_one_that_has_ended_frees_its_slot_all_the_same,
		T7_a_timeout_ends_the_stream_and_its_tasks,
		T7_or_only_the_task, T7_a_failure_ends_a_linked_stream,
		T7_and_is_a_result_without_a_link,
		T7_who_stops_early_leaves_no_task,
		neither_sigchld_nor_wait_nor_descriptors,
		what_is_buffered_is_written_once,
		a_server_gets_the_value_as_a_message,
		T3_a_task_takes_its_server_along,
		T3_but_not_one_that_traps_exits,
		L9_one_that_traps_hears_of_a_normal_end_too,
	};
	Suite *suite = suite_create("tasks");
	TCase *tc = tcase_create("local");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_loop_test(tc, T3_an_abnormal_end_is_the_awaits, 0,
	    sizeof(ends) / sizeof(ends[0]));
	tcase_add_loop_test(tc,
	    T3_the_owners_end_is_the_end_of_its_linked_tasks, 0, 4);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
