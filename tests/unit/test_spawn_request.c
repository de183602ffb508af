/* SPDX-License-Identifier: ISC */
/*
 * Orders to the spawner: what is written can be read, and nothing that lies
 * about itself is believed.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/spawn_request.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

static uint64_t buf[SPAWN_MSG_MAX / 8];
static struct spawn_start *const order = (struct spawn_start *)buf;

static const char *const argv[] = { "/bin/x", "", "two words", NULL };
static const char *const env[] = { "A=1", "B=", NULL };
static const uint32_t groups[] = { 10, 20, 30 };
static const struct spawn_limit limits[] = { { 7, 0, 100, 200 } };

static struct spawn_spec
full_spec(void)
{
	return (struct spawn_spec){
		.argv = argv, .env = env, .cwd = "/tmp", .out_path = "/out",
		.groups = groups, .ngroups = NITEMS(groups),
		.limits = limits, .nlimits = NITEMS(limits),
		.uid = 1, .gid = 2, .umask = 077, .flags = 5,
		.out = SPAWN_DEST_FILE, .err = SPAWN_DEST_LOG, .log_key = 99
	};
}

/* A good order in buf; its length. */
static size_t
good_order(void)
{
	struct spawn_spec spec = full_spec();
	long n;

	memset(buf, 0xa5, sizeof(buf));
	n = spawn_start_encode(&spec, buf, sizeof(buf));
	ck_assert_int_gt(n, 0);
	return (size_t)n;
}

START_TEST(what_is_written_can_be_read)
{
	const struct spawn_header *h;
	const char *v[16];
	struct spawn_view view;
	size_t n = good_order();

	ck_assert_int_eq(spawn_next(buf, n, &h), 0);
	ck_assert_uint_eq(h->len, n);
	ck_assert_uint_eq(h->inc, 0);
	ck_assert_int_eq(spawn_start_check(h, &view), 0);
	ck_assert_uint_eq(view.s->uid, 1);
	ck_assert_uint_eq(view.s->gid, 2);
	ck_assert_uint_eq(view.s->umask, 077);
	ck_assert_uint_eq(view.s->flags, 5);
	ck_assert_uint_eq(view.s->log_key, 99);
	ck_assert_uint_eq(view.s->ngroups, 3);
	ck_assert_uint_eq(view.groups[2], 30);
	ck_assert_uint_eq(view.limits[0].hard, 200);
	ck_assert_str_eq(view.cwd, "/tmp");
	ck_assert_str_eq(view.out_path, "/out");
	ck_assert_str_eq(view.err_path, "");
	spawn_start_vectors(&view, v);
	ck_assert_str_eq(v[0], "/bin/x");
	ck_assert_str_eq(v[1], "");
	ck_assert_str_eq(v[2], "two words");
	ck_assert_ptr_null(v[3]);
	ck_assert_str_eq(v[4], "A=1");
	ck_assert_str_eq(v[5], "B=");
	ck_assert_ptr_null(v[6]);
}
END_TEST

START_TEST(the_least_order_is_whole)
{
	static const char *const only[] = { "x", NULL };
	struct spawn_spec spec = { .argv = only };
	struct spawn_view view;

	ck_assert_int_eq(spawn_start_encode(&spec, NULL, 0),
	    spawn_start_encode(&spec, buf, sizeof(buf)));
	ck_assert_int_eq(spawn_start_check(&order->h, &view), 0);
	ck_assert_str_eq(view.cwd, "");
}
END_TEST

/* How a good order is spoilt. */
static void type(void) { order->h.type = SPAWN_SIGNAL; }
static void no_args(void) { order->argc = 0; }
static void more_args(void) { order->argc++; }
static void many_args(void) { order->argc = 4095; order->envc = 2; }
static void all_args(void) { order->argc = order->envc = UINT16_MAX; }
static void more_groups(void) { order->ngroups++; order->ngroups++; }
static void many_groups(void) { order->ngroups = SPAWN_GROUPS_MAX + 1; }
static void all_groups(void) { order->ngroups = UINT16_MAX; }
static void more_limits(void) { order->nlimits++; }
static void all_limits(void) { order->nlimits = UINT16_MAX; }
static void more_strings(void) { order->strings++; }
static void all_strings(void) { order->strings = UINT32_MAX; }
static void less_strings(void) { order->strings--; }
static void no_strings(void) { order->strings = 0; }
static void short_record(void) { order->h.len--; }
static void header_only(void) { order->h.len = sizeof(order->h); }
static void many_fds(void) { order->nfds = SPAWN_FDS_MAX + 1; }
static void bad_out(void) { order->out = SPAWN_DEST_STDOUT; }
static void bad_err(void) { order->err = SPAWN_DEST_STDOUT + 1; }
static void file_without(void) { order->err = SPAWN_DEST_FILE; }
static void log_without(void) { order->log_key = 0; }
static void no_nul(void) { ((char *)buf)[order->h.len - 1] = 'x'; }

static void
empty_program(void)
{
	((char *)buf)[order->h.len - order->strings] = '\0';
}

static const struct {
	const char	*why;
	void		(*spoil)(void);
} lies[] = {
	{ "another type",			type },
	{ "no arguments",			no_args },
	{ "one argument more than there is",	more_args },
	{ "more strings than allowed",		many_args },
	{ "as many strings as can be said",	all_args },
	{ "more groups than there are",		more_groups },
	{ "more groups than allowed",		many_groups },
	{ "as many groups as can be said",	all_groups },
	{ "more limits than there are",		more_limits },
	{ "as many limits as can be said",	all_limits },
	{ "strings beyond the record",		more_strings },
	{ "strings far beyond the record",	all_strings },
	{ "the last NUL outside of the strings", less_strings },
	{ "no strings",				no_strings },
	{ "a record that ends early",		short_record },
	{ "a record without a body",		header_only },
	{ "more descriptors than allowed",	many_fds },
	{ "stdout goes where stdout goes",	bad_out },
	{ "an unknown destination",		bad_err },
	{ "a file without a name",		file_without },
	{ "a log without a key",		log_without },
	{ "no NUL at the end",			no_nul },
	{ "a program without a name",		empty_program },
};

START_TEST(a_lying_order_is_refused)
{
	struct spawn_view view = { 0 };

	(void)good_order();
	lies[_i].spoil();
	ck_assert_msg(spawn_start_check(&order->h, &view) == -EBADMSG, "%s",
	    lies[_i].why);
	ck_assert_ptr_null(view.s);
}
END_TEST

/* In exactly as much memory as it claims, so that a sanitizer sees a step
 * beyond. */
START_TEST(no_shortened_order_is_read_beyond_its_end)
{
	size_t n = good_order(), len;

	for (len = sizeof(struct spawn_header); len < n; len++) {
		struct spawn_header *h = malloc(len);
		struct spawn_view view;

		ck_assert_ptr_nonnull(h);
		memcpy(h, buf, len);
		h->len = (uint32_t)len;
		ck_assert_int_eq(spawn_start_check(h, &view), -EBADMSG);
		free(h);
	}
}
END_TEST

START_TEST(bytes_behind_an_order_are_ignored)
{
	struct spawn_view view;

	order->h.len = (uint32_t)good_order();
	order->h.len += 24;
	ck_assert_int_eq(spawn_start_check(&order->h, &view), 0);
}
END_TEST

static const struct {
	const char	*why;
	uint32_t	 claims;
	size_t		 len;
	int		 rc;
} heads[] = {
	{ "a whole record",			24, 24, 0 },
	{ "another behind it",			24, 48, 0 },
	{ "no bytes",				24, 0, -EBADMSG },
	{ "half a header",			24, 8, -EBADMSG },
	{ "a record cut short",			24, 23, -EBADMSG },
	{ "less than a header",			15, 24, -EBADMSG },
	{ "nothing",				0, 24, -EBADMSG },
	{ "all there is in the world",		UINT32_MAX, 24, -EBADMSG },
};

START_TEST(records_are_found_only_where_they_fit)
{
	const struct spawn_header *h = NULL;
	struct spawn_header *at = (void *)buf;

	at->len = heads[_i].claims;
	ck_assert_msg(spawn_next(buf, heads[_i].len, &h) == heads[_i].rc,
	    "%s", heads[_i].why);
	ck_assert((h != NULL) == (heads[_i].rc == 0));
}
END_TEST

START_TEST(what_is_too_big_is_not_written)
{
	static const char *many[SPAWN_ARGS_MAX + 2];
	static char longest[SPAWN_MSG_MAX + 1];
	struct spawn_spec spec = { .argv = many };
	unsigned int i;

	for (i = 0; i < SPAWN_ARGS_MAX; i++)
		many[i] = "x";
	ck_assert_int_gt(spawn_start_encode(&spec, NULL, 0), 0);
	many[i] = "x";
	ck_assert_int_eq(spawn_start_encode(&spec, NULL, 0), -E2BIG);
	memset(longest, 'x', SPAWN_MSG_MAX);
	many[0] = longest;
	many[1] = NULL;
	ck_assert_int_eq(spawn_start_encode(&spec, NULL, 0), -E2BIG);
	many[0] = NULL;
	ck_assert_int_eq(spawn_start_encode(&spec, NULL, 0), -EINVAL);
	many[0] = "x";
	spec.ngroups = SPAWN_GROUPS_MAX + 1;
	ck_assert_int_eq(spawn_start_encode(&spec, NULL, 0), -E2BIG);
	spec.ngroups = 0;
	ck_assert_int_eq(spawn_start_encode(&spec, buf, 8), -E2BIG);
}
END_TEST

START_TEST(steps_have_names)
{
	int i;

	for (i = 0; i < 256; i++)
		ck_assert_ptr_nonnull(spawn_step_name((uint8_t)i));
	ck_assert_str_eq(spawn_step_name(SPAWN_STEP_EXEC), "exec");
	ck_assert_str_eq(spawn_step_name(SPAWN_STEP_CWD), "cwd");
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("spawn_request");
	TCase *t = tcase_create("spawn_request");

	tcase_add_test(t, what_is_written_can_be_read);
	tcase_add_test(t, the_least_order_is_whole);
	tcase_add_loop_test(t, a_lying_order_is_refused, 0, (int)NITEMS(lies));
	tcase_add_test(t, no_shortened_order_is_read_beyond_its_end);
	tcase_add_test(t, bytes_behind_an_order_are_ignored);
	tcase_add_loop_test(t, records_are_found_only_where_they_fit, 0,
	    (int)NITEMS(heads));
	tcase_add_test(t, what_is_too_big_is_not_written);
	tcase_add_test(t, steps_have_names);
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
