/* SPDX-License-Identifier: ISC */
/*
 * The real otpd: it crashes, or becomes another, and nobody notices but its
 * engine and its logger.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner/table.h"
#include "spawner_rig.h"

#define MANY	300
#define KEEP	.uid = SPAWN_KEEP, .gid = SPAWN_KEEP, .umask = SPAWN_KEEP

static struct rig rig;

static void
begin(void)
{
	rig_start(&rig);
	rig_hello(&rig);
}

/* The engine and the logger are exchanged; what was told counts no more. */
static void
next_ones(void)
{
	while (!rig.finish)
		rig_read_logger(&rig);
	rig.finish = false;
	rig_end(&rig.logger, 0);
	rig_ended(&rig.engine);
	memset(rig.children, 0, sizeof(rig.children));
	rig_accept(&rig);
	rig_accept(&rig);
	ck_assert_int_ge(rig.engine.conn, 0);
	ck_assert_int_ge(rig.logger.conn, 0);
	rig_hello(&rig);
}

static void
crash(int sig)
{
	ck_assert_int_eq(kill(rig.otpd, sig), 0);
	next_ones();
}

static void
stopped(void)
{
	int status;

	ck_assert_int_eq(kill(rig.otpd, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(rig.otpd, &status, WUNTRACED), rig.otpd);
	ck_assert(WIFSTOPPED(status));
}

/* ---- a crash ---- */

static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT,
	SIGTRAP, SIGSYS };
#define NSIGNALS	(int)(sizeof(signals) / sizeof(signals[0]))

START_TEST(a_crash_changes_nothing)
{
	pid_t pid;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	rig_order(&rig, 2, NULL, "exit", "5");
	rig_order(&rig, 3, NULL, "exit", "6");
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	rig_until(&rig, 2, SPAWN_EXITED);
	rig_until(&rig, 3, SPAWN_EXITED);
	rig_ack(&rig, 3);
	rig_ping(&rig, 1);
	crash(signals[_i]);
	ck_assert_uint_eq(rig.welcome.crashes, 1);
	ck_assert_int_eq(rig.welcome.crash_signal, signals[_i]);
	ck_assert_uint_eq(rig.welcome.engines, 1);
	ck_assert_uint_eq(rig.welcome.crashed, 0);
	ck_assert_uint_eq(rig.welcome.upgrades, 0);
	ck_assert_int_eq(rig.children[1].state, SPAWN_ALIVE);
	ck_assert_int_eq(rig.children[1].pid, pid);
	ck_assert_int_eq(rig.children[2].status, 5 << 8);
	ck_assert_int_eq(rig.children[3].state, 0);
	/* Its end is judged as ever, and another is started. */
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(rig_until(&rig, 1, SPAWN_EXITED)->status, SIGTERM);
	rig_order(&rig, 4, NULL, "stay", NULL);
	rig_until(&rig, 4, SPAWN_ALIVE);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(ends_amid_a_crash_are_kept)
{
	pid_t pids[MANY + 1];
	uint64_t i;

	begin();
	for (i = 1; i <= MANY; i++)
		rig_order(&rig, i, NULL, "stay", NULL);
	for (i = 1; i <= MANY; i++)
		pids[i] = rig_until(&rig, i, SPAWN_ALIVE)->pid;
	stopped();
	ck_assert_int_eq(kill(rig.otpd, SIGSEGV), 0);
	for (i = 1; i <= MANY; i++)
		if (i % 2 == 0)
			ck_assert_int_eq(kill(pids[i], SIGUSR2), 0);
	ck_assert_int_eq(kill(rig.otpd, SIGCONT), 0);
	next_ones();
	for (i = 1; i <= MANY; i++) {
		if (i % 2 == 0)
			ck_assert_int_eq(rig_until(&rig, i,
			    SPAWN_EXITED)->status, SIGUSR2);
		else
			ck_assert_int_eq(rig.children[i].state, SPAWN_ALIVE);
		ck_assert_int_eq(rig.children[i].pid, pids[i]);
	}
	rig_stop(&rig, 0);
}
END_TEST

/* What a dead engine had said is done, but for its starts: the next one, who
 * knows of them, orders them again. */
START_TEST(what_was_said_before_a_crash_is_heard)
{
	int fds[2];
	pid_t pid;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	stopped();
	ck_assert_int_eq(kill(rig.otpd, SIGSEGV), 0);
	ck_assert_int_eq(pipe(fds), 0);
	rig_send_fd(&rig, SPAWN_HOLD, 4, fds[1]);
	rig_signal(&rig, 1, SIGUSR2, false);
	(void)close(fds[1]);
	ck_assert_int_eq(kill(rig.otpd, SIGCONT), 0);
	next_ones();
	ck_assert_int_ge(rig.held[4], 0);
	ck_assert_int_eq(write(rig.held[4], "y", 1), 1);
	ck_assert_int_eq(rig_until(&rig, 1, SPAWN_EXITED)->status, SIGUSR2);
	ck_assert_int_eq(rig.children[1].pid, pid);
	(void)close(fds[0]);
	rig_stop(&rig, 0);
}
END_TEST

/* An engine's HELLO that otpd was killed over is not that of the next one. */
START_TEST(after_a_kill_an_engine_is_told_everything_once)
{
	struct spawn_hello hello = { SPAWN_VERSION, 0, 0 };
	char path[128];
	pid_t pid;

	begin();
	snprintf(path, sizeof(path), "%s/service", rig.dir);
	rig_order(&rig, 1, NULL, "outlive", path);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	rig_end(&rig.engine, -1);
	rig_accept(&rig);
	stopped();
	hello.pid = (uint32_t)rig.engine.pid;
	rig_send(&rig, SPAWN_HELLO, 0, &hello, sizeof(hello));
	rig_replace(&rig);
	rig_hello(&rig);
	ck_assert_int_eq(rig_until(&rig, 1, SPAWN_ALIVE)->pid, pid);
	rig.listed = false;
	rig_ping(&rig, 7);
	ck_assert(!rig.listed);
	rig_stop(&rig, 0);
}
END_TEST

/* What otpd has mapped of this name: the table, or the manifest. */
static int
open_memory(const char *name)
{
	char path[64], to[128];
	ssize_t n;
	int i;

	for (i = 0; i < RIG_NOFILE; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)rig.otpd,
		    i);
		n = readlink(path, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = '\0';
		if (strstr(to, name) != NULL)
			return open(path, O_RDWR | O_CLOEXEC);
	}
	return -1;
}

/* Where the record of that process lies; -1. */
static off_t
find_record(int table, pid_t pid, struct child *out)
{
	off_t at = sizeof(*out);

	while (pread(table, out, sizeof(*out), at) == sizeof(*out) && at <
	    (off_t)(TABLE_SLOTS * sizeof(*out))) {
		if (out->inc != 0 && out->pid == pid)
			return at;
		at += sizeof(*out);
	}
	return -1;
}

/* Who sees an end too late does not know how it was. */
START_TEST(an_end_that_nobody_saw_is_unknown)
{
	struct child c;
	off_t at;
	pid_t pid;
	int table;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	table = open_memory("otpd-table");
	ck_assert_int_ge(table, 0);
	at = find_record(table, pid, &c);
	ck_assert_int_gt(at, 0);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	(void)rig_until(&rig, 1, SPAWN_EXITED);
	stopped();
	/* As if it had not been there to reap it. */
	ck_assert_int_eq(pwrite(table, &c, sizeof(c), at), sizeof(c));
	(void)close(table);
	ck_assert_int_eq(kill(rig.otpd, SIGSEGV), 0);
	ck_assert_int_eq(kill(rig.otpd, SIGCONT), 0);
	next_ones();
	ck_assert_int_eq(rig_until(&rig, 1, SPAWN_EXITED)->status,
	    SPAWN_STATUS_UNKNOWN);
	rig_stop(&rig, 0);
}
END_TEST

/* Also where it can take nothing over but itself. */
START_TEST(services_have_the_first_limits_after_all_was_lost)
{
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_FILE };
	char path[128], text[8192], want[64];
	int table;

	begin();
	table = open_memory("otpd-table");
	ck_assert_int_ge(table, 0);
	stopped();
	ck_assert_int_eq(ftruncate(table, 0), 0);
	(void)close(table);
	ck_assert_int_eq(kill(rig.otpd, SIGSEGV), 0);
	ck_assert_int_eq(kill(rig.otpd, SIGCONT), 0);
	rig_ended(&rig.engine);
	rig_ended(&rig.logger);
	rig_accept(&rig);
	rig_accept(&rig);
	rig_hello(&rig);
	snprintf(path, sizeof(path), "%s/look", rig.dir);
	spec.out_path = path;
	rig_order(&rig, 1, &spec, "look", "x");
	(void)rig_until(&rig, 1, SPAWN_EXITED);
	rig_slurp(path, text, sizeof(text));
	snprintf(want, sizeof(want), "\nnofile %d ", RIG_NOFILE);
	ck_assert_msg(strstr(text, want) != NULL, "%s", text);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(descriptors_outlive_crashes)
{
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_LOG, .log_key = 9 };
	char line[64];
	int fds[2], n;

	begin();
	ck_assert_int_eq(pipe(fds), 0);
	rig_send_fd(&rig, SPAWN_HOLD, 4, fds[1]);
	(void)close(fds[1]);
	rig_order(&rig, 1, &spec, "say", "kept");
	(void)rig_pipe(&rig, 9);
	rig_until(&rig, 1, SPAWN_EXITED);
	for (n = 0; n < 3; n++) {
		(void)close(rig.held[4]);
		rig.held[4] = -1;
		(void)close(rig.pipes[9]);
		rig.pipes[9] = -1;
		crash(SIGSEGV);
		ck_assert_int_ge(rig.held[4], 0);
		(void)rig_pipe(&rig, 9);
	}
	rig_read_line(rig.pipes[9], line, sizeof(line));
	ck_assert_str_eq(line, "kept\n");
	rig_send(&rig, SPAWN_RELEASE, 4, NULL, 0);
	(void)close(rig.held[4]);
	rig_ping(&rig, 1);
	ck_assert_int_eq(read(fds[0], line, 1), 0);	/* nobody has it */
	(void)close(fds[0]);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(a_service_is_started_after_a_crash_as_before)
{
	char before[8192], after[8192], path[128];
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_FILE,
	    .out_path = path };
	int n;

	begin();
	for (n = 0; n < 2; n++) {
		snprintf(path, sizeof(path), "%s/look%d", rig.dir, n);
		rig_order(&rig, (uint64_t)n + 1, &spec, "look", "x");
		rig_until(&rig, (uint64_t)n + 1, SPAWN_EXITED);
		rig_slurp(path, n == 0 ? before : after, sizeof(before));
		if (n == 0)
			crash(SIGSEGV);
	}
	ck_assert_ptr_nonnull(strstr(before, "fds 0 1 2\n"));
	ck_assert_str_eq(before, after);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(what_was_asked_is_asked_after_a_crash)
{
	begin();
	ck_assert_int_eq(kill(rig.otpd, SIGHUP), 0);
	while (rig.asked == 0)
		rig_read_engine(&rig);
	stopped();
	ck_assert_int_eq(kill(rig.otpd, SIGSEGV), 0);
	ck_assert_int_eq(kill(rig.otpd, SIGTERM), 0);
	ck_assert_int_eq(kill(rig.otpd, SIGCONT), 0);
	next_ones();
	while ((rig.welcome.asked | rig.asked) !=
	    (1U << SIGHUP | 1U << SIGTERM))
		rig_read_engine(&rig);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(a_crash_amid_the_end_ends_all_the_same)
{
	struct spawn_quit q = { 7, 0 };
	int status;
	pid_t pid;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	rig_send(&rig, SPAWN_QUIT, 0, &q, sizeof(q));
	while (!rig.finish)
		rig_read_logger(&rig);
	ck_assert_int_eq(kill(rig.otpd, SIGSEGV), 0);
	rig_ended(&rig.engine);
	rig_end(&rig.logger, 0);
	status = rig_wait_otpd(&rig);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 7);
	ck_assert(rig_gone(pid));
}
END_TEST

/* One that crashes for ever is no use to anybody, unless it is process 1. */
START_TEST(crashes_in_a_row_end_it)
{
	int n, status;
	pid_t pid;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	for (n = 1; n <= 5; n++) {
		crash(SIGSEGV);
		ck_assert_uint_eq(rig.welcome.crashes, (unsigned int)n);
	}
	ck_assert_int_eq(kill(rig.otpd, SIGSEGV), 0);
	status = rig_wait_otpd(&rig);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
}
END_TEST

START_TEST(the_background_survives_a_crash)
{
	char path[128], pid[32];
	int status;

	rig_start_with(&rig, "-b");
	rig_accept(&rig);
	rig_accept(&rig);
	rig_hello(&rig);
	snprintf(path, sizeof(path), "%s/run/lock", rig.dir);
	rig_slurp(path, pid, sizeof(pid));
	ck_assert_int_eq(kill(atoi(pid), SIGSEGV), 0);
	next_ones();
	ck_assert_int_eq(waitpid(rig.otpd, &status, WNOHANG), 0);
	rig_send(&rig, SPAWN_STARTED, 0, NULL, 0);
	ck_assert_int_eq(waitpid(rig.otpd, &status, 0), rig.otpd);
	ck_assert_int_eq(status, 0);
	rig_send(&rig, SPAWN_QUIT, 0, NULL, 0);
	while (!rig.finish)
		rig_read_logger(&rig);
	rig_end(&rig.engine, 0);
	rig_end(&rig.logger, 0);
	ck_assert(rig_gone(atoi(pid)));
	rig_clean(&rig);
}
END_TEST

/* ---- an upgrade ---- */

static void
upgrade(const char *path)
{
	char text[512] = "";

	snprintf(text, sizeof(text), "%s", path);
	rig.upgraded.outcome = 0;
	rig_send(&rig, SPAWN_UPGRADE, 3, text, strlen(text) + 1);
}

START_TEST(an_upgrade_keeps_everything)
{
	pid_t pid;
	int n;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	for (n = 1; n <= 5; n++) {
		upgrade(n % 2 == 0 ? "" : rig.otpd_path);
		next_ones();
		ck_assert_uint_eq(rig.welcome.upgrades, (unsigned int)n);
		ck_assert_uint_eq(rig.welcome.crashes, 0);
		ck_assert_str_eq(rig.welcome.from, rig.welcome.version_text);
		ck_assert_int_eq(rig.children[1].pid, pid);
		ck_assert_int_eq(rig.children[1].state, SPAWN_ALIVE);
	}
	crash(SIGSEGV);
	ck_assert_uint_eq(rig.welcome.upgrades, 5);
	ck_assert_uint_eq(rig.welcome.crashes, 1);
	ck_assert_int_eq(rig.children[1].pid, pid);
	rig_stop(&rig, 0);
}
END_TEST

/* After a hold the new one is given its chance. */
START_TEST(an_upgrade_ends_the_hold)
{
	int n;

	begin();
	for (n = 0; n < 4; n++) {
		ck_assert_int_eq(kill(rig.engine.pid, SIGABRT), 0);
		rig_ended(&rig.engine);
		rig_accept(&rig);
		rig_hello(&rig);
	}
	ck_assert_uint_eq(rig.welcome.rung, SPAWN_RUNG_HOLD);
	upgrade("");
	next_ones();
	ck_assert_uint_eq(rig.welcome.rung, SPAWN_RUNG_LATEST);
	rig_stop(&rig, 0);
}
END_TEST

static void
script(const char *name, const char *text, char *out, size_t size)
{
	FILE *f;

	snprintf(out, size, "%s/%s", rig.dir, name);
	f = fopen(out, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fprintf(f, "#!/bin/sh\n%s\n", text), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(out, 0755), 0);
}

static const struct {
	const char	*path;		/* or: */
	const char	*script;
	enum spawn_upgrade_outcome outcome;
	int		 error, status;
} refusals[] = {
	{ "/nowhere/otpd", NULL, SPAWN_UPGRADE_FAILED, ENOENT, 0 },
	{ "/", NULL, SPAWN_UPGRADE_FAILED, EACCES, 0 },
	{ "otpd", NULL, SPAWN_UPGRADE_FAILED, EINVAL, 0 },
	{ "/bin/true", NULL, SPAWN_UPGRADE_STRANGE, 0, 0 },
	{ NULL, "exit 2", SPAWN_UPGRADE_STRANGE, 0, 2 << 8 },
	{ NULL, "kill -9 $$", SPAWN_UPGRADE_STRANGE, 0, SIGKILL },
	{ NULL, "exit 84", SPAWN_UPGRADE_REFUSED, 0, 84 << 8 },
	/* It says yes, and is gone when it is to be executed. */
	{ NULL, "rm \"$0\"; exit 83", SPAWN_UPGRADE_FAILED, ENOENT, 0 },
	{ NULL, "exec sleep 1000", SPAWN_UPGRADE_SILENT, 0, 0 },
};
#define NREFUSALS	(int)(sizeof(refusals) / sizeof(refusals[0]))

START_TEST(an_upgrade_is_refused)
{
	char path[128];
	pid_t pid;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	if (refusals[_i].script != NULL)
		script("new", refusals[_i].script, path, sizeof(path));
	else
		snprintf(path, sizeof(path), "%s", refusals[_i].path);
	upgrade(path);
	while (rig.upgraded.outcome == 0)
		rig_read_engine(&rig);
	ck_assert_uint_eq(rig.upgraded.outcome, refusals[_i].outcome);
	ck_assert_int_eq(rig.upgraded.error, refusals[_i].error);
	ck_assert_int_eq(rig.upgraded.status, refusals[_i].status);
	/* Nothing has changed, and a crash is still survived. */
	rig_order(&rig, 2, NULL, "stay", NULL);
	rig_until(&rig, 2, SPAWN_ALIVE);
	ck_assert_int_eq(kill(pid, 0), 0);
	crash(SIGSEGV);
	ck_assert_uint_eq(rig.welcome.upgrades, 0);
	ck_assert_int_eq(rig.children[1].pid, pid);
	rig_stop(&rig, 0);
}
END_TEST

/* Where nothing but close-on-exec keeps them from services. */
START_TEST(an_upgrade_that_fails_late_leaves_no_descriptor_open)
{
	char path[128], text[8192];
	struct spawn_spec spec = { KEEP, .out = SPAWN_DEST_FILE,
	    .out_path = path };

	ck_assert_int_eq(setenv("OTP_PLAIN_CLONE", "1", 1), 0);
	begin();
	script("new", "rm \"$0\"; exit 83", path, sizeof(path));
	upgrade(path);
	while (rig.upgraded.outcome == 0)
		rig_read_engine(&rig);
	snprintf(path, sizeof(path), "%s/look", rig.dir);
	rig_order(&rig, 1, &spec, "look", "x");
	rig_until(&rig, 1, SPAWN_EXITED);
	rig_slurp(path, text, sizeof(text));
	ck_assert_msg(strncmp(text, "fds 0 1 2\n", 10) == 0, "%s", text);
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(the_one_that_is_asked_gets_nothing_of_ours)
{
	char path[128], said[128], text[8192];

	begin();
	script("new", "exec > ${0%new}said; ls /proc/self/fd | tr '\\n' ' '; "
	    "echo $OTPD_MANIFEST $1; exit 84", path, sizeof(path));
	upgrade(path);
	while (rig.upgraded.outcome == 0)
		rig_read_engine(&rig);
	snprintf(said, sizeof(said), "%s/said", rig.dir);
	rig_slurp(said, text, sizeof(text));
	ck_assert_str_eq(text, "0 1 2 3 --takes\n");	/* 3: ls's own */
	rig_stop(&rig, 0);
}
END_TEST

START_TEST(an_engine_that_dies_over_an_upgrade_is_replaced)
{
	char path[128];
	pid_t pid;

	begin();
	rig_order(&rig, 1, NULL, "stay", NULL);
	pid = rig_until(&rig, 1, SPAWN_ALIVE)->pid;
	script("new", "exec sleep 1000", path, sizeof(path));
	upgrade(path);
	rig_ping(&rig, 1);
	rig_end(&rig.engine, -1);
	rig_accept(&rig);
	rig_hello(&rig);
	ck_assert_int_eq(rig.children[1].pid, pid);
	rig_stop(&rig, 0);
}
END_TEST

static void
add_upgrades(TCase *t)
{
	tcase_add_test(t, an_upgrade_keeps_everything);
	tcase_add_test(t, an_upgrade_ends_the_hold);
	tcase_add_loop_test(t, an_upgrade_is_refused, 0, NREFUSALS);
	tcase_add_test(t,
	    an_upgrade_that_fails_late_leaves_no_descriptor_open);
	tcase_add_test(t, the_one_that_is_asked_gets_nothing_of_ours);
	tcase_add_test(t, an_engine_that_dies_over_an_upgrade_is_replaced);
}

static Suite *
suite(void)
{
	Suite *s = suite_create("spawner_takeover");
	TCase *t = tcase_create("spawner_takeover");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, a_crash_changes_nothing, 0, NSIGNALS);
	tcase_add_test(t, ends_amid_a_crash_are_kept);
	tcase_add_test(t, what_was_said_before_a_crash_is_heard);
	tcase_add_test(t, after_a_kill_an_engine_is_told_everything_once);
	tcase_add_test(t, an_end_that_nobody_saw_is_unknown);
	tcase_add_test(t, services_have_the_first_limits_after_all_was_lost);
	tcase_add_test(t, descriptors_outlive_crashes);
	tcase_add_test(t, a_service_is_started_after_a_crash_as_before);
	tcase_add_test(t, what_was_asked_is_asked_after_a_crash);
	tcase_add_test(t, a_crash_amid_the_end_ends_all_the_same);
	tcase_add_test(t, crashes_in_a_row_end_it);
	tcase_add_test(t, the_background_survives_a_crash);
	add_upgrades(t);
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
