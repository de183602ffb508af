/* SPDX-License-Identifier: ISC */
/*
 * Signals to processes that somebody else reaps, also on a kernel that knows
 * no signal to the group of a descriptor: never to a stranger.  And who they
 * are, asked of a machine that has no answer just now.
 */
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner/process.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal	424
#endif
#ifndef SYS_clone3
#define SYS_clone3	435
#endif

/* Up to the fields that are needed; older headers have them not. */
struct clone3_args {
	uint64_t	flags, pidfd, child_tid, parent_tid, exit_signal, stack,
			stack_size, tls, set_tid, set_tid_size;
};

/* From now on a signal to a group by descriptor is EINVAL. */
static void
be_old(void)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_send_signal, 0,
		    3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, args[3])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	};
	struct sock_fprog program = { sizeof(rules) / sizeof(rules[0]), rules };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(77);
}

/* process_signal() with group, in a process of its own. */
static void
signal_group(int fd, pid_t pid, bool old)
{
	pid_t helper = fork();
	int status;

	if (helper == 0) {
		if (old)
			be_old();
		process_signal(fd, pid, SIGKILL, true);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(helper, &status, 0), helper);
	ck_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 0 ||
	    WEXITSTATUS(status) == 77));
}

/* A leader with one more in its group, which has that end of the pipe. */
static pid_t
start_group(int *out_member)
{
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		(void)setsid();
		if (fork() == 0)
			for (;;)
				(void)pause();
		(void)!write(fds[1], "", 1);
		(void)close(fds[1]);
		for (;;)
			(void)pause();
	}
	(void)close(fds[1]);
	ck_assert_int_eq(read(fds[0], &(char){ 0 }, 1), 1);
	*out_member = fds[0];
	return pid;
}

static const struct {
	const char	*why;
	bool		 reaped, old;
} rows[] = {
	{ "the group of one that lives",		false,	false },
	{ "the same on an old kernel",			false,	true },
	{ "what is left of one that was reaped",	true,	false },
	{ "the same on an old kernel",			true,	true },
};

START_TEST(the_whole_group_gets_it)
{
	int member, status, fd;
	pid_t pid = start_group(&member);

	fd = process_open(pid);
	ck_assert_int_ge(fd, 0);
	if (rows[_i].reaped) {
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	}
	signal_group(fd, pid, rows[_i].old);
	if (!rows[_i].reaped)
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	/* Its end: nobody is left who could write. */
	ck_assert_msg(read(member, &(char){ 0 }, 1) == 0, "%s", rows[_i].why);
}
END_TEST

/* A leader of this number, or -1: it is not allowed. */
static pid_t
start_as(pid_t number)
{
	struct clone3_args args = { .exit_signal = SIGCHLD,
	    .set_tid = (uint64_t)(uintptr_t)&number, .set_tid_size = 1 };
	int fds[2];
	long pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		(void)setsid();
		(void)!write(fds[1], "", 1);
		for (;;)
			(void)pause();
	}
	(void)close(fds[1]);
	if (pid > 0)
		ck_assert_int_eq(read(fds[0], &(char){ 0 }, 1), 1);
	(void)close(fds[0]);
	return (pid_t)pid;
}

START_TEST(a_stranger_who_got_the_number_does_not)
{
	int member, status, fd;
	pid_t pid = start_group(&member);

	fd = process_open(pid);
	ck_assert_int_ge(fd, 0);
	/* The member becomes ours: its zombie would keep the number. */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	signal_group(fd, pid, false);
	while (waitpid(-1, &status, 0) > 0 || errno == EINTR)
		;
	ck_assert_int_eq(read(member, &(char){ 0 }, 1), 0);
	if (start_as(pid) < 0)
		return;			/* only root may */
	signal_group(fd, pid, _i != 0);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

START_TEST(it_is_asked_again_in_the_patience_of_who_asks)
{
	int patience_ms = 30, another_ms = 30, fd = process_open(getpid());
	struct rlimit as_it_was, none;

	ck_assert_int_ge(fd, 0);
	ck_assert(process_is(fd, getpid(), &patience_ms));
	ck_assert_int_eq(patience_ms, 30);	/* it answered at once */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &as_it_was), 0);
	none = as_it_was;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert(!process_is(fd, getpid(), &patience_ms));
	ck_assert_int_eq(patience_ms, 0);
	ck_assert_int_eq(process_open_started(getpid(), 0, &patience_ms),
	    -EMFILE);				/* and not once more */
	ck_assert_int_eq(patience_ms, 0);
	ck_assert_int_eq(process_open_started(getpid(), 0, &another_ms),
	    -EMFILE);
	ck_assert_int_eq(another_ms, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &as_it_was), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process");
	TCase *tc = tcase_create("signals");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, the_whole_group_gets_it, 0,
	    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_loop_test(tc, a_stranger_who_got_the_number_does_not, 0, 2);
	tcase_add_test(tc, it_is_asked_again_in_the_patience_of_who_asks);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
