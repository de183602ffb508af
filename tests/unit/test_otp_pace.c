/* SPDX-License-Identifier: ISC */
/*
 * When a long yield ends polling, and for how long: on made-up times.
 */
#include <check.h>
#include <stdlib.h>

#include "libotp/impl.h"

#define MS	OTPI_MSEC
#define CALL	88		/* bytes of a frame */

static struct otpi_pace p;
static uint64_t now, received;

static void
setup(void)
{
	p = (struct otpi_pace){ 0 };
	now = 1000 * MS;
	received = 0;
}

/* n waits of wait_ns each, by which a frame came each. */
static void
waits(int n, uint64_t wait_ns, bool polled)
{
	for (int i = 0; i < n; i++) {
		received += CALL;
		now += wait_ns;
		otpi_pace_end(&p, now - wait_ns, now, received, polled, polled);
	}
}

static void
long_yield(uint64_t ns)
{
	p.slow = true;
	waits(1, ns, true);
}

static bool
polls(void)
{
	return otpi_pace_window(&p, now, false) > 0;
}

/* For how many ms, calls of wait_ns blocking, until it polls again. */
static uint64_t
off_ms(uint64_t wait_ns)
{
	uint64_t began = now;

	while (!polls())
		waits(1, wait_ns, false);
	return (now - began) / MS;
}

START_TEST(a_long_yield_ends_polling_for_a_while)
{
	ck_assert(polls());
	waits(100, 4000, true);
	ck_assert(polls());
	long_yield(4 * MS);
	ck_assert(!polls());
	ck_assert_uint_eq(off_ms(13000), 50);
}
END_TEST

START_TEST(where_blocking_is_better_the_pause_grows_up_to_some_seconds)
{
	static const uint64_t want[] = { 50, 200, 800, 3200, 3200 };

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		long_yield(4 * MS);
		ck_assert_uint_eq(off_ms(13000), want[i]);
	}
}
END_TEST

START_TEST(where_blocking_is_no_better_long_yields_are_borne)
{
	long_yield(4 * MS);
	ck_assert_uint_ge(off_ms(4 * MS), 50);
	for (int i = 0; i < 100; i++) {
		long_yield(4 * MS);
		ck_assert(polls());
	}
}
END_TEST

START_TEST(what_is_borne_is_given_up_when_it_becomes_worse)
{
	long_yield(4 * MS);
	(void)off_ms(100000);
	waits(1000, 4000, true);
	long_yield(4 * MS);
	ck_assert_msg(polls(), "8 us a call, beside 100");
	long_yield(4 * MS);
	ck_assert_msg(!polls(), "4 ms a call, beside 100 us");
}
END_TEST

START_TEST(of_waits_that_are_long_anyway_one_says_little)
{
	long_yield(4 * MS);
	(void)off_ms(2 * MS);
	for (int i = 0; i < 7; i++) {
		long_yield(4 * MS);
		ck_assert_msg(polls(), "wait %d", i);
	}
	long_yield(4 * MS);
	ck_assert_msg(!polls(), "all were twice as long");
}
END_TEST

START_TEST(after_a_quiet_time_the_pause_is_short_again)
{
	for (int i = 0; i < 3; i++) {
		long_yield(4 * MS);
		(void)off_ms(13000);
	}
	waits(5000000, 4000, true);
	long_yield(4 * MS);
	ck_assert_uint_eq(off_ms(13000), 50);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_long_yield_ends_polling_for_a_while,
		where_blocking_is_better_the_pause_grows_up_to_some_seconds,
		where_blocking_is_no_better_long_yields_are_borne,
		what_is_borne_is_given_up_when_it_becomes_worse,
		of_waits_that_are_long_anyway_one_says_little,
		after_a_quiet_time_the_pause_is_short_again,
	};
	Suite *s = suite_create("otp_pace");
	TCase *tc = tcase_create("pace");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
