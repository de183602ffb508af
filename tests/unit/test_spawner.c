/* SPDX-License-Identifier: ISC */
/*
 * The real otpd, driven over its channels by a test that plays the engine and
 * the logger.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner_rig.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define KEEP	.uid = SPAWN_KEEP, .gid = SPAWN_KEEP, .umask = SPAWN_KEEP

static struct rig rig;

static void
begin(void)
{
	rig_start(&rig);
	rig_hello(&rig);
}

/* ---- starting ---- */

START_TEST(an_engine_is_welcomed)
{
	struct stat st;

	begin();
	ck_assert_uint_eq(rig.welcome.version, SPAWN_VERSION);
	ck_assert_uint_eq(rig.welcome.engines, 0);
	ck_assert_uint_eq(rig.welcome.crashed, 0);
	ck_assert_int_eq(fstat(rig.engine.fds[SPAWN_FD_CONTROL], &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_int_eq(fstat(rig.engine.fds[SPAWN_FD_NOTIFY], &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_int_eq(fstat(rig.engine.fds[SPAWN_FD_SNAPSHOT1], &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	ck_assert_int_eq(send(rig.engine.fds[SPAWN_FD_LINK], "x", 1, 0), 1);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(a_child_is_started_once)
{
	const struct spawn_child *c;
	int pid;

	begin();
	rig_order(&rig, 7, NULL, "stay", NULL);
	c = rig_until(&rig, 7, SPAWN_ALIVE);
	pid = c->pid;
	ck_assert_int_gt(pid, 1);
	ck_assert_uint_gt(c->start_ns, 0);
	ck_assert_uint_eq(rig.told[7], 1);
	rig_order(&rig, 7, NULL, "stay", NULL);
	rig_ping(&rig, 1);
	ck_assert_uint_eq(rig.told[7], 2);
	ck_assert_int_eq(rig.children[7].pid, pid);
	rig_stop(&rig, 0);
	ck_assert(rig_gone(pid));
}
END_TEST

static const struct {
	const char	*why;
	const char	*argv0;		/* below the test's directory if no / */
	const char	*cwd, *out, *err;
	enum spawn_step	 step;
	int		 error;
} failures[] = {
	{ "a missing program",	"/nonexistent", NULL, NULL, NULL,
	    SPAWN_STEP_EXEC, ENOENT },
	{ "a directory",	"/tmp", NULL, NULL, NULL,
	    SPAWN_STEP_EXEC, EACCES },
	{ "no x bit",		"noexec", NULL, NULL, NULL,
	    SPAWN_STEP_EXEC, EACCES },
	{ "a bad interpreter",	"badinterp", NULL, NULL, NULL,
	    SPAWN_STEP_EXEC, ENOENT },
	{ "no program at all",	"garbage", NULL, NULL, NULL,
	    SPAWN_STEP_EXEC, ENOEXEC },
	{ "a missing cwd",	"/bin/true", "/nonexistent", NULL, NULL,
	    SPAWN_STEP_CWD, ENOENT },
	{ "a file as cwd",	"/bin/true", "/etc/passwd", NULL, NULL,
	    SPAWN_STEP_CWD, ENOTDIR },
	{ "stdout's folder is missing", "/bin/true", NULL, "/nonexistent/o",
	    NULL, SPAWN_STEP_STDOUT, ENOENT },
	{ "stderr is a directory", "/bin/true", NULL, NULL, "/tmp",
	    SPAWN_STEP_STDERR, EISDIR },
	{ "stdout is a FIFO that nobody reads", "/bin/true", NULL, "fifo",
	    NULL, SPAWN_STEP_STDOUT, ENXIO },
	{ "stdout is a symbolic link", "/bin/true", NULL, "link", NULL,
	    SPAWN_STEP_STDOUT, ELOOP },
};

static void
make_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", rig.dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	(void)close(fd);
}

/* name below the rig's directory, unless it is a path or NULL. */
static const char *
below(const char *name, char *buf, size_t size)
{
	if (name == NULL || name[0] == '/')
		return name;
	snprintf(buf, size, "%s/%s", rig.dir, name);
	return buf;
}

START_TEST(a_failed_start_says_where)
{
	char program[128], out[128], fifo[128];
	const char *argv[2] = { NULL, NULL };
	struct spawn_spec spec = { .argv = argv, KEEP };
	const struct spawn_child *c;

	begin();
	make_file("noexec", "#!/bin/sh\n", 0644);
	make_file("badinterp", "#!/nonexistent/sh\n", 0755);
	make_file("garbage", "\1\2\3\4 nothing", 0755);
	snprintf(fifo, sizeof(fifo), "%s/fifo", rig.dir);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	snprintf(fifo, sizeof(fifo), "%s/link", rig.dir);
	ck_assert_int_eq(symlink("/dev/null", fifo), 0);
	argv[0] = below(failures[_i].argv0, program, sizeof(program));
	spec.cwd = failures[_i].cwd;
	spec.out_path = below(failures[_i].out, out, sizeof(out));
	spec.out = spec.out_path != NULL ? SPAWN_DEST_FILE : SPAWN_DEST_NULL;
	spec.err_path = failures[_i].err;
	spec.err = spec.err_path != NULL ? SPAWN_DEST_FILE : SPAWN_DEST_NULL;
	rig_order(&rig, 1, &spec, NULL, NULL);
	c = rig_until(&rig, 1, SPAWN_FAILED);
	ck_assert_msg(c->step == failures[_i].step, "%s: at %s",
	    failures[_i].why, spawn_step_name(c->step));
	ck_assert_msg(c->error == failures[_i].error, "%s: %s",
	    failures[_i].why, strerror(c->error));
	rig_ack(&rig, 1);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(a_start_after_a_failed_one_works)
{
	const char *argv[] = { "/nonexistent", NULL };
	struct spawn_spec bad = { .argv = argv, KEEP };
	uint64_t inc;

	begin();
	for (inc = 1; inc < 40; inc += 2) {
		rig_order(&rig, inc, &bad, NULL, NULL);
		rig_order(&rig, inc + 1, NULL, "exit", "3");
		rig_until(&rig, inc, SPAWN_FAILED);
		ck_assert_int_eq(rig_until(&rig, inc + 1,
		    SPAWN_EXITED)->status, 3 << 8);
	}
	rig_stop(&rig, 0);
}
END_TEST

/* A record that is no order, though it says so. */
START_TEST(an_order_that_lies_is_refused)
{
	struct spawn_start s = { .argc = 1, .uid = SPAWN_KEEP,
	    .gid = SPAWN_KEEP, .umask = SPAWN_KEEP, .strings = 4000 };

	begin();
	rig_send(&rig, SPAWN_START, 5, (char *)&s + sizeof(s.h),
	    sizeof(s) - sizeof(s.h));
	ck_assert_int_eq(rig_until(&rig, 5, SPAWN_FAILED)->step,
	    SPAWN_STEP_ORDER);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(records_of_later_versions_are_skipped)
{
	uint64_t body[4] = { 1, 2, 3, 4 };

	begin();
	rig_send(&rig, 31, 1, body, sizeof(body));
	rig_order(&rig, 1, NULL, "stay", NULL);
	rig_until(&rig, 1, SPAWN_ALIVE);
	rig_stop(&rig, 0);
}
END_TEST

/* ---- what a service sees ---- */

static void
look(struct spawn_spec *spec, const char *arg, char *out, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/seen", rig.dir);
	spec->out = SPAWN_DEST_FILE;
	spec->out_path = path;
	rig_order(&rig, 1, spec, "look", arg);
	ck_assert_int_eq(rig_until(&rig, 1, SPAWN_EXITED)->status, 0);
	rig_slurp(path, out, size);
}

static void
has_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);
	size_t n = strlen(line);

	ck_assert_msg(at != NULL && (at == text || at[-1] == '\n') &&
	    at[n] == '\n', "no line \"%s\" in:\n%s", line, text);
}

START_TEST(a_service_sees_what_was_ordered)
{
	static const char *const env[] = { "A=1", "B=two words", NULL };
	struct spawn_spec spec = { .env = env, KEEP };
	struct rlimit own;
	char text[8192], line[128];

	begin();
	look(&spec, "an argument", text, sizeof(text));
	has_line(text, "fds 0 1 2");
	has_line(text, "args [an argument]");
	has_line(text, "env [A=1] [B=two words] [whose it is]");
	has_line(text, "leader 1");
	has_line(text, "cwd /");
	ck_assert_ptr_null(strstr(text, "blocked"));
	ck_assert_ptr_null(strstr(text, "ignored"));
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &own), 0);
	snprintf(line, sizeof(line), "nofile %d %lu", RIG_NOFILE,
	    (unsigned long)own.rlim_max);
	has_line(text, line);
	snprintf(line, sizeof(line), "uid %d %d gid %d %d", (int)getuid(),
	    (int)geteuid(), (int)getgid(), (int)getegid());
	ck_assert_ptr_nonnull(strstr(text, line));
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(limits_umask_and_cwd_are_exact)
{
	static const struct spawn_limit limits[] = {
		{ RLIMIT_NOFILE, 0, 17, 19 }, { RLIMIT_CORE, 0, 0, 4096 }
	};
	struct spawn_spec spec = { KEEP, .limits = limits,
	    .nlimits = NITEMS(limits), .cwd = "/usr" };
	char text[8192];

	begin();
	spec.umask = 0137;
	look(&spec, NULL, text, sizeof(text));
	has_line(text, "nofile 17 19");
	has_line(text, "core 0 4096");
	has_line(text, "umask 137");
	has_line(text, "cwd /usr");
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(a_user_is_put_on_whole)
{
	static const uint32_t groups[] = { 65501, 65502 };
	struct spawn_spec spec = { .uid = 65500, .gid = 65510,
	    .umask = SPAWN_KEEP, .groups = groups, .ngroups = 2 };
	char text[8192];

	begin();
	if (geteuid() == 0) {
		ck_assert_int_eq(chmod(rig.dir, 0777), 0);
		look(&spec, NULL, text, sizeof(text));
		has_line(text,
		    "uid 65500 65500 gid 65510 65510 groups 65501 65502");
		has_line(text, "fds 0 1 2");
	} else {
		rig_order(&rig, 1, &spec, "exit", NULL);
		ck_assert_int_eq(rig_until(&rig, 1, SPAWN_FAILED)->error,
		    EPERM);
	}
	rig_stop(&rig, 0);
}
END_TEST

/* With and without a descriptor table that is shared at first. */
START_TEST(descriptors_of_otpd_stay_its_own)
{
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_LOG,
	    .err = SPAWN_DEST_STDOUT };
	struct spawn_spec plain = { KEEP };
	char text[8192];
	uint64_t i;

	if (_i == 1)
		ck_assert_int_eq(setenv("OTP_PLAIN_CLONE", "1", 1), 0);
	begin();
	for (i = 2; i < 40; i++) {
		spec.log_key = i;
		rig_order(&rig, i, &spec, "stay", NULL);
	}
	rig_until(&rig, 39, SPAWN_ALIVE);
	look(&plain, NULL, text, sizeof(text));
	has_line(text, "fds 0 1 2");
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(held_descriptors_are_given_to_a_child)
{
	struct spawn_spec spec = { KEEP };
	char text[8192];

	begin();
	rig_send_fd(&rig, SPAWN_HOLD, 20, rig.listener);
	rig_send_fd(&rig, SPAWN_HOLD, 21, rig.listener);
	rig.fd_key = 20;
	look(&spec, NULL, text, sizeof(text));
	has_line(text, "fds 0 1 2 3 4");
	rig_order(&rig, 2, NULL, "exit", "0");
	ck_assert_int_eq(rig_until(&rig, 2, SPAWN_FAILED)->step,
	    SPAWN_STEP_FDS);
	rig_end(&rig.engine, -1);
	rig_accept(&rig);
	rig_hello(&rig);
	ck_assert_int_lt(rig.held[20], 0);
	ck_assert_int_ge(rig.held[21], 0);
	rig_stop(&rig, 0);
}
END_TEST

/* ---- ends ---- */

static const struct {
	const char	*what, *arg;
	int		 status;
} ends[] = {
	{ "exit", "0", 0 }, { "exit", "1", 1 << 8 },
	{ "exit", "255", 255 << 8 },
	{ "raise", "9", SIGKILL }, { "raise", "15", SIGTERM },
	{ "raise", "10", SIGUSR1 },
};

START_TEST(an_end_is_told_until_it_is_acknowledged)
{
	static const struct spawn_limit no_core = { RLIMIT_CORE, 0, 0, 0 };
	struct spawn_spec spec = { KEEP, .limits = &no_core, .nlimits = 1 };
	const struct spawn_child *c;

	begin();
	rig_order(&rig, 1, &spec, ends[_i].what, ends[_i].arg);
	c = rig_until(&rig, 1, SPAWN_EXITED);
	ck_assert_int_eq(c->status, ends[_i].status);
	ck_assert_uint_ge(c->end_ns, c->start_ns);
	ck_assert_int_gt(c->pid, 1);
	rig_end(&rig.engine, -1);
	memset(rig.children, 0, sizeof(rig.children));
	rig_accept(&rig);
	rig_hello(&rig);
	ck_assert_int_eq(rig.children[1].state, SPAWN_EXITED);
	ck_assert_int_eq(rig.children[1].status, ends[_i].status);
	rig_ack(&rig, 1);
	rig_ping(&rig, 1);
	rig_end(&rig.engine, -1);
	memset(rig.children, 0, sizeof(rig.children));
	rig_accept(&rig);
	rig_hello(&rig);
	ck_assert_int_eq(rig.children[1].state, 0);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(signals_reach_only_whom_they_are_for)
{
	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	rig_order(&rig, 2, NULL, "stay", NULL);
	rig_until(&rig, 2, SPAWN_ALIVE);
	rig_signal(&rig, 99, SIGKILL, false);
	rig_signal(&rig, 1, SIGHUP, false);
	ck_assert_int_eq(rig_until(&rig, 1, SPAWN_EXITED)->status, SIGHUP);
	rig_signal(&rig, 1, SIGKILL, false);
	rig_signal(&rig, 2, 0, false);
	rig_signal(&rig, 2, 9999, false);
	rig_ping(&rig, 1);
	ck_assert_int_eq(rig.children[2].state, SPAWN_ALIVE);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(a_stopped_child_can_be_terminated)
{
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_LOG, .log_key = 3 };
	char line[64];

	begin();
	rig_order(&rig, 1, &spec, "polite", NULL);
	rig_read_line(rig_pipe(&rig, 3), line, sizeof(line));
	rig_signal(&rig, 1, SIGSTOP, false);
	rig_signal(&rig, 1, SIGTERM, false);
	ck_assert_int_eq(rig_until(&rig, 1, SPAWN_EXITED)->status,
	    SIGTERM << 8);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(a_process_group_does_not_outlive_its_leader)
{
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_LOG, .log_key = 3 };
	char line[64];

	begin();
	rig_order(&rig, 1, &spec, "pair", NULL);
	rig_until(&rig, 1, SPAWN_ALIVE);
	rig_read_line(rig_pipe(&rig, 3), line, sizeof(line));
	rig_signal(&rig, 1, SIGKILL, false);
	rig_until(&rig, 1, SPAWN_EXITED);
	ck_assert(rig_gone(atoi(line)));
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(quit_leaves_no_escaped_orphan)
{
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_LOG, .log_key = 3 };
	char line[64];

	begin();
	rig_order(&rig, 1, &spec, "leave", NULL);
	rig_until(&rig, 1, SPAWN_ALIVE);
	rig_read_line(rig_pipe(&rig, 3), line, sizeof(line));
	rig_signal(&rig, 1, SIGKILL, false);
	rig_until(&rig, 1, SPAWN_EXITED);
	ck_assert_int_eq(kill(atoi(line), 0), 0);
	rig_stop(&rig, 0);
	ck_assert(rig_gone(atoi(line)));
}
END_TEST

#define MANY	1000

START_TEST(a_thousand_children_come_and_go)
{
	uint64_t i;

	begin();
	for (i = 1; i <= MANY; i++)
		rig_order(&rig, i, NULL, "stay", NULL);
	for (i = 1; i <= MANY; i++)
		rig_until(&rig, i, SPAWN_ALIVE);
	for (i = 1; i <= MANY; i++)
		rig_signal(&rig, i, SIGKILL, true);
	for (i = 1; i <= MANY; i++) {
		ck_assert_int_eq(rig_until(&rig, i, SPAWN_EXITED)->status,
		    SIGKILL);
		ck_assert_uint_le(rig.told[i], 2);
		rig_ack(&rig, i);
	}
	rig_order(&rig, MANY + 1, NULL, "exit", "4");
	ck_assert_int_eq(rig_until(&rig, MANY + 1, SPAWN_EXITED)->status,
	    4 << 8);
	rig_stop(&rig, 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("spawner");
	TCase *t = tcase_create("spawner");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, an_engine_is_welcomed);
	tcase_add_test(t, a_child_is_started_once);
	tcase_add_loop_test(t, a_failed_start_says_where, 0,
	    (int)NITEMS(failures));
	tcase_add_test(t, a_start_after_a_failed_one_works);
	tcase_add_test(t, an_order_that_lies_is_refused);
	tcase_add_test(t, records_of_later_versions_are_skipped);
	tcase_add_test(t, a_service_sees_what_was_ordered);
	tcase_add_test(t, limits_umask_and_cwd_are_exact);
	tcase_add_test(t, a_user_is_put_on_whole);
	tcase_add_test(t, held_descriptors_are_given_to_a_child);
	tcase_add_loop_test(t, descriptors_of_otpd_stay_its_own, 0, 2);
	tcase_add_loop_test(t, an_end_is_told_until_it_is_acknowledged, 0,
	    (int)NITEMS(ends));
	tcase_add_test(t, signals_reach_only_whom_they_are_for);
	tcase_add_test(t, a_stopped_child_can_be_terminated);
	tcase_add_test(t, a_process_group_does_not_outlive_its_leader);
	tcase_add_test(t, quit_leaves_no_escaped_orphan);
	tcase_add_test(t, a_thousand_children_come_and_go);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
