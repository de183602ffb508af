/* SPDX-License-Identifier: ISC */
/* Which lines are in which file, after how many turns. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "logger_rig.h"
#include "test_logger.h"

#define KEY	7

static const struct {
	const char	*why;
	uint64_t	 max_bytes;
	uint32_t	 keep;
	int		 lines;			/* of ten bytes each */
	int		 in[4];			/* .log, .1, .2, .3 */
} turns[] = {
	{ "not before it is full",	100, 2, 10,	{ 10, 0, 0, 0 } },
	{ "with the line that follows",	100, 2, 11,	{ 1, 10, 0, 0 } },
	{ "never half a line",		95, 2, 20,	{ 2, 9, 9, 0 } },
	{ "no more than are kept",	100, 2, 45,	{ 5, 10, 10, 0 } },
	{ "none kept",			100, 0, 25,	{ 5, 0, 0, 0 } },
	{ "0 is never",			0, 2, 45,	{ 45, 0, 0, 0 } },
	{ "a limit below a line",	3, 3, 4,	{ 1, 1, 1, 1 } },
};

START_TEST(rotates)
{
	struct pipe_ends p = pipe_new();
	char text[32], name[16], *got;
	int i, j, line = turns[_i].lines;
	size_t len;

	tell_stream(KEY, "a", turns[_i].max_bytes, turns[_i].keep, 0);
	tell_pipe(KEY, p.r);
	for (i = 0; i < line; i++) {
		(void)snprintf(text, sizeof(text), "line %04d\n", i);
		pipe_say(&p, text);
		if (i % 3 == 0)		/* in pieces and in heaps */
			barrier();
	}
	ck_assert_int_eq(rig_end(), 0);
	for (i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), i == 0 ? "a.log" :
		    "a.log.%d", i);
		got = log_read(name, &len);
		if (got == NULL)
			len = 0;
		ck_assert_msg(len == (size_t)turns[_i].in[i] * 10,
		    "%s: %s has %zu bytes", turns[_i].why, name, len);
		for (j = (int)len - 10; j >= 0; j -= 10) {
			(void)snprintf(text, sizeof(text), "line %04d\n",
			    --line);
			ck_assert_int_eq(memcmp(got + j, text, 10), 0);
		}
		free(got);
	}
}
END_TEST

START_TEST(keeps_no_more_than_it_is_told_now)
{
	struct pipe_ends p = stream_new(KEY, "a");
	uint32_t keep;
	int i;

	for (keep = 3; keep == 3 || keep == 1; keep -= 2) {
		tell_stream(KEY, "a", 0, keep, 0);
		for (i = 0; i < 4; i++) {
			pipe_say(&p, "line\n");
			barrier();
			free(ask("{\"op\":\"rotate\"}"));
		}
		ck_assert(log_exists("a.log.1"));
		ck_assert_int_eq(log_exists("a.log.2"), keep == 3);
		ck_assert_int_eq(log_exists("a.log.3"), keep == 3);
	}
}
END_TEST

START_TEST(rotates_when_asked)
{
	struct pipe_ends p = pipe_new();
	char *reply;

	tell_stream(KEY, "web/a", 0, 1, 0);
	tell_pipe(KEY, p.r);
	pipe_say(&p, "one\n");
	barrier();
	reply = ask("{\"op\":\"rotate\",\"path\":\"a\"}");
	ck_assert_str_eq(reply, "{\"result\":\"ok\"}");
	free(reply);
	pipe_say(&p, "two\n");
	barrier();
	reply = ask("{\"op\":\"rotate\"}");
	ck_assert_str_eq(reply, "{\"result\":\"ok\"}");
	free(reply);
	pipe_say(&p, "three\n");
	barrier();
	log_is("web/a.log", "three\n");
	log_is("web/a.log.1", "two\n");
	ck_assert(!log_exists("web/a.log.2"));
}
END_TEST

TCase *
tcase_rotate(void)
{
	TCase *t = tcase_create("rotate");

	tcase_add_checked_fixture(t, rig_setup, rig_teardown);
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, rotates, 0,
	    (int)(sizeof(turns) / sizeof(turns[0])));
	tcase_add_test(t, keeps_no_more_than_it_is_told_now);
	tcase_add_test(t, rotates_when_asked);
	return t;
}
