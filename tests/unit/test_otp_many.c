/* SPDX-License-Identifier: ISC */
/*
 * Very many clients of one server at once: OTP_MANY of them, or 1,000.  All are
 * served, memory follows their number, and one that says nothing costs the
 * server at most a KiB of its own.
 */
#include <check.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "otp_rig.h"

#define MANY_MAX	15000
#define IDLE_BYTES	1024
#define SLACK_KIB	512	/* of RSS, for what is there once */

/* Only there when built with sanitizers. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static struct rig rig;
static int fds[MANY_MAX], many;
static long nserved;

/* "memory" is answered with the bytes the server has allocated. */
static int
many_call(struct otp *self, struct otp_from from, const char *text, size_t len,
    void *state)
{
	size_t bytes = __sanitizer_get_current_allocated_bytes != NULL ?
	    __sanitizer_get_current_allocated_bytes() : mallinfo2().uordblks;

	(void)state;
	if (strcmp(text, "memory") == 0)
		return otp_replyf(self, from, "%zu", bytes);
	if (strcmp(text, "served") == 0)
		return otp_replyf(self, from, "%ld", nserved);
	nserved++;
	return otp_reply(self, from, text, len);
}

static const struct otp_gen_server_ops ops = { .handle_call = many_call };

static long
number(const char *request)
{
	char *reply = rig_call(&rig, request, NULL);
	long n;

	ck_assert_ptr_nonnull(reply);
	n = atol(reply);
	free(reply);
	return n;
}

/* Resident KiB of the server that are its own. */
static long
resident(void)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)rig.pid);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "RssAnon: %ld", &kib) == 1)
			break;
	(void)fclose(f);
	return kib;
}

static void
start(void)
{
	const char *wanted = getenv("OTP_MANY");
	struct rlimit limit;

	many = wanted != NULL ? atoi(wanted) : 1000;
	ck_assert(many >= 100 && many <= MANY_MAX);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	ck_assert_msg(limit.rlim_max > (rlim_t)many + 50,
	    "%d clients need more descriptors than the limit of %lu", many,
	    (unsigned long)limit.rlim_max);
	rig_start_with(&rig, NULL, false, NULL, &ops);
	rig_await_socket(&rig);
}

static void
end(void)
{
	for (int i = 0; i < many; i++)
		(void)close(fds[i]);
	ck_assert_int_ge(number("served"), 0);	/* and serves */
	rig_end(&rig);
}

/* All of them greeted, each served once: none is left waiting. */
static void
come_in(int from, int to)
{
	for (int i = from; i < to; i++)
		fds[i] = raw_open(rig.socket);
	for (int i = from; i < to; i++)
		raw_send(fds[i], FRAME_CALL, 0, 0, (uint64_t)i + 1, "hello");
	for (int i = from; i < to; i++) {
		struct frame_header h;

		raw_expect(fds[i], FRAME_REPLY, "hello", &h);
		ck_assert_uint_eq(h.ref, (uint64_t)i + 1);
	}
}

START_TEST(all_are_served_at_once)
{
	come_in(0, many);
	ck_assert_int_eq(number("served"), many);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < many; i++)
			raw_send(fds[i], FRAME_CALL, 0, 0, 9, "again");
		for (int i = many - 1; i >= 0; i--)
			raw_expect(fds[i], FRAME_REPLY, "again", NULL);
	}
	ck_assert_int_eq(number("served"), 4L * many);
}
END_TEST

START_TEST(an_idle_connection_costs_a_kib_at_most)
{
	long bytes, kib, n = many - many / 10;

	come_in(0, many / 10);		/* what is there once is there */
	bytes = number("memory");
	kib = resident();
	come_in(many / 10, many);
	bytes = (number("memory") - bytes) / n;
	ck_assert_int_le(bytes, IDLE_BYTES);
	kib = resident() - kib;
	if (__sanitizer_get_current_allocated_bytes == NULL)
		ck_assert_int_le(kib, n * IDLE_BYTES / 1024 + SLACK_KIB);
	printf("%d clients: %ld bytes allocated and %ld resident for each\n",
	    many, bytes, kib * 1024 / n);
}
END_TEST

/* It hears of many in rounds of some: until it has of all. */
static long
settled_memory(void)
{
	long now = number("memory"), last;
	int same = 0;

	while (same < 50) {
		last = now;
		now = number("memory");
		same = now == last ? same + 1 : 0;
	}
	return now;
}

/* Half a frame is kept by what has come of it. */
START_TEST(half_a_frame_of_each_costs_little)
{
	struct frame_header h = { .type = FRAME_CALL, .ref = 1,
	    .length = FRAME_SERVER_MAX };
	long before, n = many - many / 10;

	come_in(0, many / 10);
	before = number("memory");
	come_in(many / 10, many);
	for (int i = many / 10; i < many; i++)
		ck_assert_int_eq(send(fds[i], &h, sizeof(h), MSG_NOSIGNAL),
		    sizeof(h));
	ck_assert_int_le((settled_memory() - before) / n, IDLE_BYTES);
}
END_TEST

START_TEST(whoever_goes_leaves_nothing)
{
	long before;

	come_in(0, many);
	for (int i = 0; i < many; i++)
		(void)close(fds[i]);
	before = settled_memory();
	come_in(0, many);
	for (int i = 0; i < many; i++)
		(void)close(fds[i]);
	ck_assert_int_le(settled_memory() - before, many);
	many = 0;
}
END_TEST

/* One more than is allowed is told so, and costs the others nothing. */
START_TEST(one_too_many_is_refused)
{
	struct otp_options opt = { .size = sizeof(opt), .max_callers = 50 };
	struct frame_header h;
	struct rig small;
	int held[50], one;

	many = 0;
	rig_start_with(&small, NULL, false, &opt, &ops);
	rig_await_socket(&small);
	for (int i = 0; i < 49; i++)
		held[i] = raw_open(small.socket);
	for (int i = 0; i < 49; i++) {
		raw_send(held[i], FRAME_CALL, 0, 0, 1, "hello");
		raw_expect(held[i], FRAME_REPLY, "hello", NULL);
	}
	held[49] = raw_open(small.socket);
	raw_send(held[49], FRAME_CALL, 0, 0, 1, "hello");
	raw_expect(held[49], FRAME_REPLY, "hello", NULL);
	one = raw_open(small.socket);
	raw_expect(one, FRAME_ERROR, "too many callers", &h);
	ck_assert_int_eq(h.tag, FRAME_E_REFUSED);
	ck_assert(raw_ended(one));
	raw_send(held[0], FRAME_CALL, 0, 0, 1, "hello");
	raw_expect(held[0], FRAME_REPLY, "hello", NULL);
	for (int i = 0; i < 50; i++)
		(void)close(held[i]);
	(void)close(one);
	rig_end(&small);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("otp_many");
	TCase *tc = tcase_create("many");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, all_are_served_at_once);
	tcase_add_test(tc, an_idle_connection_costs_a_kib_at_most);
	tcase_add_test(tc, half_a_frame_of_each_costs_little);
	tcase_add_test(tc, whoever_goes_leaves_nothing);
	tcase_add_test(tc, one_too_many_is_refused);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
