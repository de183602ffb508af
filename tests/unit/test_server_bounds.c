/* SPDX-License-Identifier: ISC */
/* What a caller can make the server hold, and how many there may be. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"
#include "server_fixture.h"

#define NOBODY	65534

START_TEST(a_slow_reader_is_dropped_and_others_are_served)
{
	struct server_limits few = limits();
	struct raw *slow, *other;
	struct frame_header h;
	int i;

	few.max_queued = 2U * 1024 * 1024;
	server_set_limits(fx.server, &few);
	slow = raw_socket();
	slow->deaf = true;
	raw_connect(slow);
	put_hello(slow, RAW_MAX);
	other = greeted(RAW_MAX);
	fx.answer_len = 600 * 1024;
	for (i = 0; i < 8; i++)
		put_frame(slow, FRAME_CALL, (uint64_t)i, NULL, 0);
	while (fx.nclosed == 0)
		turn();
	ck_assert_int_eq(fx.last_rc, -ENOTCONN);
	ck_assert_uint_eq(server_counters(fx.server)->slow, 1);
	ck_assert_uint_eq(server_npeers(fx.server), 1);
	put_frame(other, FRAME_CALL, 1, NULL, 0);
	(void)await(other, 1, &h);
	ck_assert_uint_eq(h.length, fx.answer_len);
	raw_close(slow);
	raw_close(other);
}
END_TEST

START_TEST(who_does_not_read_is_not_read_from)
{
	struct raw *r, *other = greeted(RAW_MAX);
	struct frame_header h;
	int i, n = 0;

	r = raw_socket();
	r->deaf = true;
	raw_connect(r);
	put_hello(r, RAW_MAX);
	fx.answer_len = 200 * 1024;
	do {
		put_frame(r, FRAME_CALL, (uint64_t)++n, NULL, 0);
		while (fx.ncalls < n)
			turn();
	} while (server_queued(fx.server, fx.last_peer) <= 1024 * 1024);
	put_frame(r, FRAME_CALL, (uint64_t)n + 1, NULL, 0);
	for (i = 1; i <= 5; i++) {	/* turns of another's work */
		put_frame(other, FRAME_CALL, 1, NULL, 0);
		(void)await(other, i, &h);
	}
	ck_assert_int_eq(fx.ncalls, n + 5);
	raw_listen(r);
	(void)await(r, n + 1, &h);
	ck_assert_uint_eq(h.ref, (uint64_t)n + 1);
	raw_close(r);
	raw_close(other);
}
END_TEST

START_TEST(what_is_queued_for_who_left_is_dropped)
{
	struct raw *r;

	r = raw_socket();
	r->deaf = true;
	raw_connect(r);
	put_hello(r, RAW_MAX);
	fx.answer_len = RAW_MAX - H;	/* no pipe holds it */
	put_frame(r, FRAME_CALL, 1, NULL, 0);
	while (fx.ncalls == 0)
		turn();
	server_flush(fx.server);
	ck_assert_uint_gt(server_queued(fx.server, fx.last_peer), 1024 * 1024);
	raw_close(r);
	while (fx.nclosed == 0)
		turn();
}
END_TEST

START_TEST(too_many_are_told_so)
{
	struct server_limits few = limits();
	struct raw *a, *b, *c;

	few.max_peers = few.max_per_uid = 2;
	few.root_reserve = 0;
	server_set_limits(fx.server, &few);
	a = greeted(4096);
	b = greeted(4096);
	c = raw_new();
	await_error(c, 1, FRAME_E_REFUSED);
	ck_assert_uint_eq(server_counters(fx.server)->refused, 1);
	raw_close(c);
	raw_close(a);
	while (server_npeers(fx.server) == 2)
		turn();
	c = greeted(4096);
	raw_close(b);
	raw_close(c);
}
END_TEST

START_TEST(another_uid_is_refused)
{
	struct raw *r;

	if (geteuid() != 0)
		return;
	r = raw_socket();
	ck_assert_int_eq(seteuid(NOBODY), 0);
	raw_connect(r);
	ck_assert_int_eq(seteuid(0), 0);
	await_error(r, 1, FRAME_E_REFUSED);
	ck_assert_uint_eq(server_npeers(fx.server), 0);
	raw_close(r);
}
END_TEST

START_TEST(root_has_a_reserve)
{
	struct server_limits few = limits();
	struct raw *a, *b, *root;
	struct frame_header h;

	if (geteuid() != 0)
		return;
	few.max_peers = 2;
	few.root_reserve = 1;
	server_set_limits(fx.server, &few);
	root = raw_socket();
	ck_assert_int_eq(seteuid(NOBODY), 0);
	a = greeted(4096);
	b = raw_new();
	await_error(b, 1, FRAME_E_REFUSED);
	ck_assert_int_eq(seteuid(0), 0);
	raw_connect(root);
	ck_assert_int_eq(seteuid(NOBODY), 0);
	put_hello(root, 4096);
	(void)await(root, 0, &h);
	ck_assert_uint_eq(server_npeers(fx.server), 2);
	ck_assert_int_eq(seteuid(0), 0);
	raw_close(a);
	raw_close(b);
	raw_close(root);
}
END_TEST

/* valgrind keeps the limit itself: a client is accepted first, then closed. */
static bool
limit_is_simulated(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

START_TEST(without_descriptors_it_waits_and_does_not_spin)
{
	struct frame_header h;
	struct rlimit old, low;
	struct raw *a, *b;
	uint64_t start = loop_now_ms();
	int i, next;

	if (limit_is_simulated())
		return;
	a = greeted(4096);
	b = raw_socket();
	next = dup(0);
	(void)close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){ (rlim_t)next, old.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	raw_connect(b);
	while (server_counters(fx.server)->accept_failed == 0)
		turn();
	for (i = 0; i < 100; i++) {	/* turns of another's work */
		put_frame(a, FRAME_CALL, 1, NULL, 0);
		(void)await(a, i + 1, &h);
	}
	ck_assert_uint_eq(server_counters(fx.server)->accept_failed, 1);
	(void)shutdown(a->fd, SHUT_RDWR);	/* the server closes its end */
	(void)await(b, 0, &h);
	ck_assert_uint_le(server_counters(fx.server)->accept_failed, 2);
	ck_assert_uint_lt(loop_now_ms() - start, 1000);	/* not by its timer */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	raw_close(a);
	raw_close(b);
}
END_TEST

START_TEST(a_crowd_is_served)
{
	struct raw *many[64];
	struct frame_header h;
	size_t i;

	for (i = 0; i < NITEMS(many); i++) {
		many[i] = raw_new();
		put_hello(many[i], 4096);
		put_frame(many[i], FRAME_CALL, i, &i, sizeof(i));
	}
	for (i = 0; i < NITEMS(many); i++) {
		(void)await(many[i], 1, &h);
		ck_assert_uint_eq(h.ref, i);
	}
	ck_assert_uint_eq(server_npeers(fx.server), NITEMS(many));
	for (i = 0; i < NITEMS(many); i++)
		raw_close(many[i]);
	while (fx.nclosed < (int)NITEMS(many))
		turn();
	ck_assert_uint_eq(server_npeers(fx.server), 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_slow_reader_is_dropped_and_others_are_served,
		who_does_not_read_is_not_read_from,
		what_is_queued_for_who_left_is_dropped,
		too_many_are_told_so,
		another_uid_is_refused,
		root_has_a_reserve,
		without_descriptors_it_waits_and_does_not_spin,
		a_crowd_is_served,
	};
	Suite *suite = suite_create("server_bounds");
	TCase *c = tcase_create("server_bounds");
	SRunner *r;
	size_t i;
	int failed;

	tcase_add_checked_fixture(c, fixture_setup, fixture_teardown);
	tcase_set_timeout(c, 20);
	for (i = 0; i < NITEMS(tests); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(suite, c);
	r = srunner_create(suite);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
