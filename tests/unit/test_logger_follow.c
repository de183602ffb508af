/* SPDX-License-Identifier: ISC */
/* Readers of logs, through the client that otpctl uses. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "logger_rig.h"
#include "test_logger.h"

#define KEY	7

struct heard {
	char	text[4096];
	size_t	len, want;	/* stop when that much was heard */
};

static int
hear(void *arg, const char *payload, size_t len)
{
	struct heard *h = arg;

	ck_assert_uint_lt(h->len + len, sizeof(h->text));
	memcpy(h->text + h->len, payload, len);
	h->len += len;
	h->text[h->len] = '\0';
	return h->want > 0 && h->len >= h->want;
}

/* What client_stream() says. */
static int
logs(const char *path, const char *rest, struct heard *h)
{
	struct client *c = ask_open();
	char request[128];
	int rc;

	(void)snprintf(request, sizeof(request),
	    "{\"op\":\"logs\",\"path\":\"%s\"%s}", path, rest);
	rc = client_stream(c, request, strlen(request), ask_deadline(), hear,
	    h);
	client_close(c);
	return rc;
}

static const struct {
	const char	*why;
	const char	*path, *rest;
	const char	*want;
} rows[] = {
	{ "none",		"web/a", ",\"n\":0",	"" },
	{ "the last",		"web/a", ",\"n\":1",	"seven\n" },
	{ "as many as there are", "web/a", ",\"n\":2",	"six\nseven\n" },
	{ "of the one before",	"web/a", ",\"n\":3",	"five\nsix\nseven\n" },
	{ "of the two before",	"web/a", ",\"n\":6",
	    "two\nthree\nfour\nfive\nsix\nseven\n" },
	{ "all",		"web/a", ",\"n\":1000",
	    "one\ntwo\nthree\nfour\nfive\nsix\nseven\n" },
	{ "ten when not said",	"web/a", "",
	    "one\ntwo\nthree\nfour\nfive\nsix\nseven\n" },
	{ "by its last part",	"a", ",\"n\":1",	"seven\n" },
};

START_TEST(last_lines)
{
	struct pipe_ends p = stream_new(KEY, "web/a");
	struct heard h = { .len = 0 };

	tell_stream(KEY, "web/a", 0, 9, 0);
	pipe_say(&p, "one\ntwo\nthree\n");
	barrier();
	free(ask("{\"op\":\"rotate\"}"));
	pipe_say(&p, "four\nfive\n");
	barrier();
	free(ask("{\"op\":\"rotate\"}"));
	pipe_say(&p, "six\nseven\n");
	barrier();
	ck_assert_int_eq(logs(rows[_i].path, rows[_i].rest, &h), 0);
	ck_assert_msg(strcmp(h.text, rows[_i].want) == 0, "%s: %s",
	    rows[_i].why, h.text);
}
END_TEST

START_TEST(unknown_names)
{
	struct heard h = { .len = 0 };
	char *reply;

	tell_stream(1, "x/a", 0, 0, 0);
	tell_stream(2, "y/a", 0, 0, 0);
	barrier();
	reply = ask("{\"op\":\"logs\",\"path\":\"nobody\"}");
	ck_assert_ptr_nonnull(strstr(reply, "\"not_found\""));
	free(reply);
	reply = ask("{\"op\":\"logs\",\"path\":\"../words\"}");
	ck_assert_ptr_nonnull(strstr(reply, "\"not_found\""));
	free(reply);
	reply = ask("{\"op\":\"logs\",\"path\":\"a\"}");
	ck_assert_ptr_nonnull(strstr(reply, "\"ambiguous\""));
	free(reply);
	ck_assert_int_eq(logs("x/a", "", &h), 0);	/* nothing yet */
	ck_assert_str_eq(h.text, "");
	ck_assert_int_eq(logs("x/a", ",\"n\":-1", &h), -EREMOTEIO);
	ck_assert_int_eq(logs("x/a", ",\"n\":\"2\"", &h), -EREMOTEIO);
}
END_TEST

/* Its end, not its reading, is what the next lines wait for. */
static pid_t
later(const struct pipe_ends *p, const char *text)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	while (stat_of("readers") == 0)
		;
	pipe_say(p, text);
	barrier();
	free(ask("{\"op\":\"rotate\"}"));
	pipe_say(p, text);
	barrier();
	free(ask("{\"op\":\"rotate\"}"));
	pipe_say(p, "half a li");
	barrier();
	free(ask("{\"op\":\"rotate\"}"));
	pipe_say(p, "ne\n");
	barrier();
	_exit(0);
}

START_TEST(follows_over_rotations)
{
	struct pipe_ends p = stream_new(KEY, "a");
	struct heard h = { .want = strlen("old\nnew\nnew\nhalf a line\n") };

	tell_stream(KEY, "a", 0, (uint32_t)_i, 0);	/* none kept too */
	pipe_say(&p, "older\nold\n");
	barrier();
	ck_assert_int_gt(later(&p, "new\n"), 0);
	ck_assert_int_eq(logs("a", ",\"n\":1,\"follow\":true", &h), 1);
	ck_assert_str_eq(h.text, "old\nnew\nnew\nhalf a line\n");
	/* The logger notices that nobody reads any more. */
	while (stat_of("readers") > 0)
		;
}
END_TEST

START_TEST(follows_what_is_not_there_yet)
{
	struct pipe_ends p = stream_new(KEY, "a");
	struct heard h = { .want = strlen("new\nnew\nhalf a line\n") };

	barrier();
	ck_assert_int_gt(later(&p, "new\n"), 0);
	ck_assert_int_eq(logs("a", ",\"follow\":true", &h), 1);
	ck_assert_str_eq(h.text, "new\nnew\nhalf a line\n");
}
END_TEST

static int
count(void *arg, const char *payload, size_t len)
{
	size_t *total = arg;

	ck_assert_int_eq(payload[len - 1], '\n');	/* whole lines */
	*total += len;
	return 0;
}

START_TEST(much_at_once)
{
	static const char request[] =
	    "{\"op\":\"logs\",\"path\":\"a\",\"n\":1000000}";
	struct pipe_ends p = stream_new(KEY, "a");
	struct client *c;
	static char lines[65536];
	size_t i, total = 0;

	for (i = 0; i < sizeof(lines); i++)
		lines[i] = i % 100 == 99 ? '\n' : 'x';
	lines[sizeof(lines) - 1] = '\n';
	for (i = 0; i < 100; i++)
		pipe_put(&p, lines, sizeof(lines));
	wait_stat("bytes", 100 * sizeof(lines));
	c = ask_open();
	ck_assert_int_eq(client_stream(c, request, strlen(request),
	    ask_deadline(), count, &total), 0);
	client_close(c);
	ck_assert_uint_eq(total, 100 * sizeof(lines));
}
END_TEST

static int
stall(void *arg, const char *payload, size_t len)
{
	const struct pipe_ends *p = arg;
	static char lines[65536];
	static int calls;
	int i;

	(void)payload;
	(void)len;
	if (calls++ > 0)
		return 0;
	memset(lines, 'z', sizeof(lines));
	lines[sizeof(lines) - 1] = '\n';
	for (i = 0; i < 200; i++)	/* nobody reads meanwhile */
		pipe_put(p, lines, sizeof(lines));
	wait_stat("bytes", 200 * sizeof(lines));
	return 0;
}

START_TEST(slow_reader_is_dropped)
{
	static const char request[] =
	    "{\"op\":\"logs\",\"path\":\"a\",\"follow\":true}";
	struct pipe_ends p = stream_new(KEY, "a");
	struct client *c;
	uint16_t tag = 0;

	tell_stream(KEY, "a", 1 << 20, 1, 0);
	pipe_say(&p, "first\n");
	barrier();
	c = ask_open();
	ck_assert_int_eq(client_stream(c, request, strlen(request),
	    ask_deadline(), stall, &p), -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(client_error(c, &tag), "too slow"));
	client_close(c);
	ck_assert_uint_eq(stat_of("dropped"), 0);
}
END_TEST

TCase *
tcase_follow(void)
{
	TCase *t = tcase_create("follow");

	tcase_add_checked_fixture(t, rig_setup, rig_teardown);
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, last_lines, 0,
	    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, unknown_names);
	tcase_add_loop_test(t, follows_over_rotations, 0, 3);
	tcase_add_test(t, follows_what_is_not_there_yet);
	tcase_add_test(t, much_at_once);
	tcase_add_test(t, slow_reader_is_dropped);
	return t;
}
