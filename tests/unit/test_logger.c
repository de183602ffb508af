/* SPDX-License-Identifier: ISC */
/*
 * The real otp-logger: how streams are joined, read, stamped and ended.
 * Rotation, faults and readers of logs have files of their own.
 */
#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "logger_rig.h"
#include "test_logger.h"

#define KEY	7

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED	1
#elif defined(__has_feature)
#define SANITIZED	__has_feature(address_sanitizer)
#else
#define SANITIZED	0
#endif

/* --- joining --- */

START_TEST(settings_then_pipe)
{
	struct pipe_ends p = pipe_new();

	tell_stream(KEY, "web/nginx", 0, 0, 0);
	barrier();
	tell_pipe(KEY, p.r);
	pipe_say(&p, "hello\n");
	ck_assert_int_eq(rig_end(), 0);
	log_is("web/nginx.log", "hello\n");
}
END_TEST

START_TEST(pipe_then_settings)
{
	struct pipe_ends p = pipe_new();

	tell_pipe(KEY, p.r);
	pipe_say(&p, "hello\n");
	barrier();
	ck_assert_int_eq(pipe_held(&p), 6);	/* kept by the pipe itself */
	tell_stream(KEY, "nginx", 0, 0, 0);
	ck_assert_int_eq(rig_end(), 0);
	log_is("nginx.log", "hello\n");
}
END_TEST

START_TEST(told_again_changes_nothing)
{
	struct pipe_ends p = stream_new(KEY, "a");

	pipe_say(&p, "one\ntw");
	barrier();
	tell_pipe(KEY, p.r);
	tell_stream(KEY, "a", 0, 0, 0);
	barrier();
	pipe_say(&p, "o\n");
	barrier();
	ck_assert_uint_eq(stat_of("streams"), 1);
	ck_assert_uint_eq(stat_of("pipes"), 1);
	log_is("a.log", "one\ntwo\n");
}
END_TEST

START_TEST(new_pipe_replaces_old)
{
	struct pipe_ends old = stream_new(KEY, "a"), new = pipe_new();

	barrier();
	pipe_say(&old, "old\n");
	tell_pipe(KEY, new.r);
	pipe_say(&new, "new\n");
	barrier();
	ck_assert_uint_eq(stat_of("pipes"), 1);
	log_is("a.log", "old\nnew\n");
	(void)close(old.r);
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(write(old.w, "x", 1), -1);	/* it was closed */
}
END_TEST

START_TEST(new_name_takes_the_next_lines)
{
	struct pipe_ends p = stream_new(KEY, "a");

	pipe_say(&p, "one\n");
	barrier();
	tell_stream(KEY, "b/c", 0, 0, 0);
	barrier();
	pipe_say(&p, "two\n");
	barrier();
	log_is("a.log", "one\n");
	log_is("b/c.log", "two\n");
}
END_TEST

START_TEST(a_fault_is_told_and_its_end)
{
	struct pipe_ends p;
	struct {
		struct spawn_header	h;
		struct log_fault	f;
	} r;

	(void)mkdir(path_of("logs"), 0700);
	ck_assert_int_eq(mkdir(path_of("logs/a.log"), 0700), 0);
	p = stream_new(KEY, "a");
	pipe_say(&p, "one\n");
	ck_assert_int_eq(recv(rig.link, &r, sizeof(r), 0), (int)sizeof(r));
	ck_assert_uint_eq(r.h.type, LOG_FAULT);
	ck_assert_uint_eq(r.h.inc, KEY);
	ck_assert_int_eq(r.f.error, EISDIR);
	ck_assert_int_eq(rmdir(path_of("logs/a.log")), 0);
	ck_assert_int_eq(recv(rig.link, &r, sizeof(r), 0), (int)sizeof(r));
	ck_assert_int_eq(r.f.error, 0);
	ck_assert_uint_eq(r.f.lines, 0);
	barrier();
	log_is("a.log", "one\n");
}
END_TEST

/* More than a budget in one pipe, and nobody to write more. */
START_TEST(a_large_pipe_is_read_out)
{
	struct pipe_ends p = pipe_new();
	static char big[400000];

	ck_assert_int_ge(fcntl(p.w, F_SETPIPE_SZ, 1 << 19), 1 << 19);
	memset(big, 'x', sizeof(big));
	pipe_put(&p, big, sizeof(big));
	tell_pipe(KEY, p.r);
	tell_stream(KEY, "a", 0, 0, 0);
	wait_stat("bytes", sizeof(big));
}
END_TEST

START_TEST(half_a_line_ends_with_its_writer)
{
	struct pipe_ends p = pipe_new();

	pipe_say(&p, "last words");
	(void)close(p.w);
	tell_pipe(KEY, p.r);
	tell_stream(KEY, "a", 0, 0, 0);
	wait_stat("bytes", strlen("last words\n"));
	log_is("a.log", "last words\n");
}
END_TEST

START_TEST(two_hundred_streams)
{
	struct pipe_ends p[200];
	char name[32], text[64];
	int i, round;

	for (i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "s%d/w%d", i % 7, i);
		p[i] = stream_new((uint64_t)i + 1, name);
	}
	for (round = 0; round < 3; round++)
		for (i = 0; i < 200; i++) {
			(void)snprintf(text, sizeof(text), "%d of %d\n",
			    round, i);
			pipe_say(&p[i], text);
		}
	ck_assert_int_eq(rig_end(), 0);
	for (i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "s%d/w%d.log", i % 7, i);
		(void)snprintf(text, sizeof(text),
		    "0 of %d\n1 of %d\n2 of %d\n", i, i, i);
		log_is(name, text);
	}
}
END_TEST

/* Fewer descriptors than files: they take turns. */
START_TEST(few_descriptors)
{
	struct pipe_ends p[100];
	char name[32];
	int i, round;

	ck_assert_int_eq(rig_end(), 0);
	rig.nofile = 780;
	rig_start();
	for (i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "w%d", i);
		p[i] = stream_new((uint64_t)i + 1, name);
	}
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 100; i++)
			pipe_say(&p[i], round == 1 ? "b" : "a\n");
		barrier();
	}
	ck_assert_uint_le(stat_of("open_files"), 40);
	ck_assert_int_eq(rig_end(), 0);
	for (i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "w%d.log", i);
		log_is(name, "a\nba\n");
	}
}
END_TEST

START_TEST(ten_thousand_are_small)
{
	char path[64], line[128], name[48];
	long before = 0, after = 0, *out = &before, n;
	uint64_t i;
	FILE *f;

	if (SANITIZED)		/* that measures something else */
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup",
	    (int)rig.pid);
	tell_stream(1, "a", 0, 0, 0);
	for (i = 1; i <= 10001; i += 10000) {
		wait_stat("streams", i);
		f = fopen(path, "r");
		if (f == NULL)
			return;
		while (fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "Private_Dirty: %ld kB", &n) == 1)
				*out = n * 1024;
		(void)fclose(f);
		out = &after;
		for (n = 2; i == 1 && n <= 10001; n++) {
			(void)snprintf(name, sizeof(name), "group/w%ld", n);
			tell_stream((uint64_t)n, name, 1 << 20, 4, 0);
		}
	}
	ck_assert_int_le((after - before) / 10000, 400);
}
END_TEST

/* --- lines --- */

static void
check_stamp(const char *line)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
	size_t i;

	for (i = 0; form[i] != '\0'; i++)
		ck_assert_msg(form[i] == 'd' ? isdigit((unsigned char)line[i]) :
		    line[i] == form[i], "no time: %.30s", line);
}

START_TEST(lines_get_the_time)
{
	struct pipe_ends p = pipe_new();
	char *text, *line;
	size_t len;
	int i;

	tell_pipe(KEY, p.r);
	tell_stream(KEY, "a", 0, 0, LOG_F_TIMESTAMP);
	pipe_say(&p, "one\n\nth");
	barrier();
	pipe_say(&p, "ree\nfour");
	barrier();
	(void)close(p.w);		/* its last line ends with it */
	ck_assert_int_eq(rig_end(), 0);
	text = log_read("a.log", &len);
	for (i = 0, line = text; i < 4; i++) {
		static const char *const want[] = { "one\n", "\n", "three\n",
		    "four\n" };

		check_stamp(line);
		ck_assert_int_eq(strncmp(line + 25, want[i], strlen(want[i])),
		    0);
		line += 25 + strlen(want[i]);
	}
	ck_assert_ptr_eq(line, text + len);
	free(text);
}
END_TEST

START_TEST(long_line_is_cut)
{
	struct pipe_ends p = pipe_new();
	static char big[65536 + 10];
	char *text, *second;
	size_t len;

	tell_stream(KEY, "a", 0, 0, LOG_F_TIMESTAMP);
	tell_pipe(KEY, p.r);
	memset(big, 'x', sizeof(big));
	pipe_put(&p, big, sizeof(big));
	pipe_say(&p, "\nnext\n");
	ck_assert_int_eq(rig_end(), 0);
	text = log_read("a.log", &len);
	check_stamp(text);
	second = memchr(text, '\n', len);
	ck_assert_int_eq(second - text, 25 + 65536 + 5);
	ck_assert_int_eq(memcmp(second - 6, "x[...]\n", 7), 0);
	check_stamp(second + 1);
	second += 1 + 25;
	ck_assert_int_eq(memcmp(second, "[...]xxxxxxxxxx\n", 16), 0);
	check_stamp(second + 16);
	ck_assert_str_eq(second + 16 + 25, "next\n");
	free(text);
}
END_TEST

/* --- fairness and rest --- */

START_TEST(flood_starves_nobody)
{
	struct pipe_ends loud = stream_new(1, "loud"), p;
	static char big[65536];
	int turns_taken = 0;
	pid_t flood;

	memset(big, 'x', sizeof(big));
	flood = fork();
	if (flood == 0) {
		(void)close(rig.channel);	/* it may outlive a failure */
		(void)alarm(20);
		for (;;)
			(void)!write(loud.w, big, sizeof(big));
	}
	wait_stat("bytes", 4 * sizeof(big));
	p = stream_new(2, "quiet");
	barrier();
	pipe_say(&p, "here\n");
	while (pipe_held(&p) > 0 && turns_taken < 20) {
		(void)stat_of("bytes");
		turns_taken++;
	}
	(void)kill(flood, SIGKILL);
	ck_assert_int_le(turns_taken, 4);
	log_is("quiet.log", "here\n");
}
END_TEST

/* How often it has gone to sleep; *out_asleep: it has now. */
static long
sleeps(bool *out_asleep)
{
	char path[64], line[128], state = '?';
	long n = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)rig.pid);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		(void)sscanf(line, "State: %c", &state);
		(void)sscanf(line, "voluntary_ctxt_switches: %ld", &n);
	}
	(void)fclose(f);
	ck_assert_int_ge(n, 0);
	*out_asleep = state == 'S';
	return n;
}

static void
observe(int ms)
{
	struct itimerspec when = { .it_value.tv_nsec = ms * 1000000L };
	struct pollfd timer = { .events = POLLIN };

	timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	(void)timerfd_settime(timer.fd, 0, &when, NULL);
	ck_assert_int_eq(poll(&timer, 1, 5000), 1);
	(void)close(timer.fd);
}

START_TEST(sleeps_when_writers_have_gone)
{
	struct pipe_ends p = stream_new(KEY, "a");
	bool asleep = false;
	char path[64];
	long before;

	pipe_say(&p, "one\n");
	(void)close(p.w);
	barrier();
	while (!asleep)			/* it has seen us hang up */
		(void)sleeps(&asleep);
	observe(20);
	before = sleeps(&asleep);
	observe(300);
	ck_assert_int_eq(sleeps(&asleep), before);
	/* The service is started again and is heard. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", p.r);
	p.w = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(p.w, 0);
	pipe_say(&p, "two\n");
	barrier();
	log_is("a.log", "one\ntwo\n");
}
END_TEST

/* --- ends --- */

START_TEST(drains_before_it_ends)
{
	static char big[65536];
	struct pipe_ends p[20];
	char name[16], *text;
	size_t len;
	int i;

	memset(big, 'x', sizeof(big));
	for (i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "w%d", i);
		p[i] = stream_new((uint64_t)i + 1, name);
		pipe_put(&p[i], big, sizeof(big));
	}
	if (_i == 0)
		tell_spawner(SPAWN_FINISH, 0);
	else
		(void)shutdown(rig.channel, SHUT_RDWR);
	for (i = 0; _i == 1 && i < 20; i++)
		(void)close(p[i].w);
	ck_assert_int_eq(rig_wait(), 0);
	for (i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "w%d.log", i);
		text = log_read(name, &len);
		ck_assert_ptr_nonnull(text);
		ck_assert_uint_ge(len, sizeof(big));
		free(text);
	}
}
END_TEST

START_TEST(goes_on_without_otpd)
{
	struct pipe_ends a = stream_new(1, "a"), b = stream_new(2, "b");

	pipe_say(&a, "one\n");
	barrier();
	(void)shutdown(rig.channel, SHUT_RDWR);
	(void)shutdown(rig.link, SHUT_RDWR);
	(void)close(b.w);
	pipe_say(&a, "two\n");
	wait_stat("bytes", 8);
	log_is("a.log", "one\ntwo\n");
	pipe_say(&a, "three");
	(void)close(a.w);
	ck_assert_int_eq(rig_wait(), 0);
	log_is("a.log", "one\ntwo\nthree\n");
}
END_TEST

START_TEST(killed_loses_nothing_unread)
{
	struct pipe_ends p = stream_new(KEY, "a");

	pipe_say(&p, "one\ntw");
	barrier();
	ck_assert_int_eq(kill(rig.pid, SIGSTOP), 0);
	pipe_say(&p, "o\nthree\n");
	rig_kill();
	pipe_say(&p, "four\n");
	rig_start();
	tell_pipe(KEY, p.r);
	tell_stream(KEY, "a", 0, 0, 0);
	ck_assert_int_eq(rig_end(), 0);
	log_is("a.log", "one\ntwo\nthree\nfour\n");
}
END_TEST

START_TEST(killed_in_a_line_stamps_it_once)
{
	struct pipe_ends p = pipe_new();
	size_t len;
	char *text;

	tell_pipe(KEY, p.r);
	tell_stream(KEY, "a", 0, 0, LOG_F_TIMESTAMP);
	pipe_say(&p, "ha");
	barrier();
	rig_kill();
	rig_start();
	tell_pipe(KEY, p.r);
	tell_stream(KEY, "a", 0, 0, LOG_F_TIMESTAMP);
	pipe_say(&p, "lf\n");
	ck_assert_int_eq(rig_end(), 0);
	text = log_read("a.log", &len);
	ck_assert_str_eq(text + 25, "half\n");
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("logger");
	TCase *t = tcase_create("streams");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, rig_setup, rig_teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, settings_then_pipe);
	tcase_add_test(t, pipe_then_settings);
	tcase_add_test(t, told_again_changes_nothing);
	tcase_add_test(t, new_pipe_replaces_old);
	tcase_add_test(t, new_name_takes_the_next_lines);
	tcase_add_test(t, a_fault_is_told_and_its_end);
	tcase_add_test(t, a_large_pipe_is_read_out);
	tcase_add_test(t, half_a_line_ends_with_its_writer);
	tcase_add_test(t, two_hundred_streams);
	tcase_add_test(t, few_descriptors);
	tcase_add_test(t, ten_thousand_are_small);
	tcase_add_test(t, lines_get_the_time);
	tcase_add_test(t, long_line_is_cut);
	tcase_add_test(t, flood_starves_nobody);
	tcase_add_test(t, sleeps_when_writers_have_gone);
	tcase_add_loop_test(t, drains_before_it_ends, 0, 2);
	tcase_add_test(t, goes_on_without_otpd);
	tcase_add_test(t, killed_loses_nothing_unread);
	tcase_add_test(t, killed_in_a_line_stamps_it_once);
	suite_add_tcase(s, t);
	suite_add_tcase(s, tcase_end());
	suite_add_tcase(s, tcase_rotate());
	suite_add_tcase(s, tcase_faults());
	suite_add_tcase(s, tcase_follow());
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
