/* SPDX-License-Identifier: ISC */
/* Where the logger cannot write, or must not. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logger_rig.h"
#include "test_logger.h"

#define KEY	7

static int
first_line(void *arg, const char *payload, size_t len)
{
	(void)arg;
	(void)payload;
	return len > 0;
}

/* Wait, without asking again, for the log to get its first lines. */
static void
await_line(const char *path)
{
	struct client *c = ask_open();
	char request[128];

	(void)snprintf(request, sizeof(request),
	    "{\"op\":\"logs\",\"path\":\"%s\",\"n\":1,\"follow\":true}", path);
	ck_assert_int_eq(client_stream(c, request, strlen(request),
	    ask_deadline(), first_line, NULL), 1);
	client_close(c);
}

static void
make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

START_TEST(short_fault_loses_nothing)
{
	struct pipe_ends p;

	barrier();
	make_file(path_of("logs/web"), "");	/* no directory */
	p = stream_new(KEY, "web/a");
	pipe_say(&p, "one\n");
	barrier();
	pipe_say(&p, "two\n");
	barrier();
	ck_assert_uint_eq(stat_of("faults"), 1);
	ck_assert_int_eq(said("cannot write web/a.log"), 1);
	ck_assert_int_eq(unlink(path_of("logs/web")), 0);
	await_line("web/a");
	ck_assert_uint_eq(stat_of("faults"), 0);
	ck_assert_uint_eq(stat_of("dropped"), 0);
	log_is("web/a.log", "one\ntwo\n");
	ck_assert_int_eq(said("can be written again"), 1);
}
END_TEST

/* What is in the log and what it says was dropped: all that was written. */
static void
check_whole(const char *file, size_t written, size_t line_len)
{
	unsigned long long bytes = 0, lines = 0;
	size_t len, kept = 0, total_bytes = 0, total_lines = 0;
	char *text = log_read(file, &len), *line, *end;

	ck_assert_ptr_nonnull(text);
	for (line = text; line < text + len; line = end + 1) {
		end = strchr(line, '\n');
		ck_assert_ptr_nonnull(end);
		if (sscanf(line, "otp-logger: dropped %llu bytes in %llu lines",
		    &bytes, &lines) != 2) {
			ck_assert_uint_eq((size_t)(end + 1 - line), line_len);
			kept += line_len;
		}
		total_bytes += bytes;
		total_lines += lines;
		bytes = lines = 0;
	}
	free(text);
	ck_assert_uint_gt(total_bytes, 0);
	ck_assert_uint_eq(total_bytes, total_lines * line_len);
	ck_assert_uint_eq(kept + total_bytes, written);
}

START_TEST(long_fault_drops_whole_lines)
{
	static char lines[6100];
	struct pipe_ends p, other;
	int i;

	barrier();
	make_file(path_of("logs/web"), "");
	p = stream_new(KEY, "web/a");
	other = stream_new(KEY + 1, "web/b");
	pipe_say(&other, "kept\n");
	for (i = 0; i < (int)sizeof(lines); i++)
		lines[i] = i % 61 == 60 ? '\n' : 'x';
	for (i = 0; i < 6100; i++)	/* more than a pipe holds, in pieces */
		pipe_put(&p, lines + i % 61 * 100, 100);	/* not lines */
	barrier();
	ck_assert_uint_gt(stat_of("dropped"), 0);
	ck_assert_uint_eq(stat_of("faults"), 2);
	ck_assert_int_eq(unlink(path_of("logs/web")), 0);
	await_line("web/a");
	pipe_put(&p, lines, 61);
	ck_assert_int_eq(rig_end(), 0);
	check_whole("web/a.log", 610000 + 61, 61);
	log_is("web/b.log", "kept\n");
	ck_assert_int_eq(said("cannot write"), 1);
}
END_TEST

static void
limit_file_size(rlim_t max)
{
	struct rlimit limit = { max, RLIM_INFINITY };

	ck_assert_int_eq(prlimit(rig.pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

/* As a full disk does, this lets a part of the data in. */
START_TEST(full_disk_keeps_what_was_read)
{
	struct pipe_ends p = stream_new(KEY, "a");
	static char text[4097];
	int i;

	for (i = 0; i < 4096; i++)
		text[i] = "abcdefg\n"[i % 8];
	barrier();
	limit_file_size(1000);
	pipe_say(&p, text);
	barrier();
	ck_assert_uint_eq(stat_of("faults"), 1);
	ck_assert_uint_eq(stat_of("pending"), 4096 - 1000);
	limit_file_size(RLIM_INFINITY);
	ck_assert_int_eq(rig_end(), 0);
	log_is("a.log", text);
}
END_TEST

START_TEST(full_disk_says_what_it_dropped)
{
	struct pipe_ends p = stream_new(KEY, "a");
	char line[61];
	int i;

	memset(line, 'y', 59);
	line[59] = '\n';
	line[60] = '\0';
	barrier();
	limit_file_size(600);
	for (i = 0; i < 30000; i++)
		pipe_say(&p, line);
	barrier();
	limit_file_size(RLIM_INFINITY);
	ck_assert_int_eq(rig_end(), 0);
	check_whole("a.log", 30000 * 60, 60);
}
END_TEST

START_TEST(directory_that_vanished_is_made_again)
{
	struct pipe_ends p = stream_new(KEY, "web/a");

	pipe_say(&p, "one\n");
	barrier();
	ck_assert_int_eq(unlink(path_of("logs/web/a.log")), 0);
	ck_assert_int_eq(rmdir(path_of("logs/web")), 0);
	if (_i == 1)
		ck_assert_int_eq(rmdir(path_of("logs")), 0);
	pipe_say(&p, "two\n");
	barrier();
	log_is("web/a.log", "two\n");
}
END_TEST

/* Refused, not delayed: what it writes is dropped. */
static void
check_refused(const struct pipe_ends *p)
{
	static char big[200000];

	memset(big, '\n', sizeof(big));
	pipe_put(p, big, sizeof(big));
	barrier();
	ck_assert_uint_gt(stat_of("dropped"), 0);
	ck_assert_uint_eq(stat_of("bytes"), 0);
}

static const char *const bad_names[] = {
	"", "/", "/etc/x", "a/", "a//b", "..", "../x", "a/../../x", "a/..",
	".", "./a", ".hidden", "-rf", "a b", "a\nb", "a/\x80"
};

START_TEST(bad_names_are_refused)
{
	struct pipe_ends p = stream_new(KEY, bad_names[_i]);

	check_refused(&p);
	ck_assert_int_eq(said("refused"), 1);
	ck_assert_int_eq(rmdir(path_of("logs")), 0);	/* nothing in it */
	ck_assert(!log_exists("../x.log"));
}
END_TEST

static void
plant(int how)
{
	make_file(path_of("outside"), "precious");
	ck_assert_int_eq(mkdir(path_of("elsewhere"), 0700), 0);
	if (how == 0)
		ck_assert_int_eq(symlink("../outside", path_of("logs/a.log")),
		    0);
	else if (how == 1)
		ck_assert_int_eq(link(path_of("outside"),
		    path_of("logs/a.log")), 0);
	else if (how == 2)
		ck_assert_int_eq(mkfifo(path_of("logs/a.log"), 0600), 0);
	else
		ck_assert_int_eq(symlink("../elsewhere", path_of("logs/web")),
		    0);
}

START_TEST(planted_files_are_refused)
{
	struct pipe_ends p;

	barrier();
	plant(_i);
	p = stream_new(KEY, _i == 3 ? "web/a" : "a");
	check_refused(&p);
	ck_assert_uint_eq(stat_of("faults"), 1);
	log_is("../outside", "precious");
	ck_assert_int_eq(rmdir(path_of("elsewhere")), 0);
}
END_TEST

TCase *
tcase_faults(void)
{
	TCase *t = tcase_create("faults");

	tcase_add_checked_fixture(t, rig_setup, rig_teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, short_fault_loses_nothing);
	tcase_add_test(t, long_fault_drops_whole_lines);
	tcase_add_test(t, full_disk_keeps_what_was_read);
	tcase_add_test(t, full_disk_says_what_it_dropped);
	tcase_add_loop_test(t, directory_that_vanished_is_made_again, 0, 2);
	tcase_add_loop_test(t, bad_names_are_refused, 0,
	    (int)(sizeof(bad_names) / sizeof(bad_names[0])));
	tcase_add_loop_test(t, planted_files_are_refused, 0, 4);
	return t;
}
