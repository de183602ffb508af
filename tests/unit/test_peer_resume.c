/* SPDX-License-Identifier: ISC */
/*
 * A connection that another process of ours goes on with: what one has read and
 * not taken, the next one reads again, and nobody leaves half a frame.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/peer_rig.h"

/* As another process would: the same socket. */
static struct peer *
go_on(int fd)
{
	const struct peer_limits limits = { MAX, 4 * MAX };
	struct peer *next = peer_resume(fcntl(fd, F_DUPFD_CLOEXEC, 0),
	    &limits);

	ck_assert_ptr_nonnull(next);
	peer_leave(next);
	return next;
}

static void
expect_ref(struct peer *from, uint64_t ref)
{
	struct frame_header h;
	const void *payload;

	ck_assert_int_eq(peer_next(from, &h, &payload), 1);
	ck_assert_uint_eq(h.ref, ref);
}

static void
expect_none(struct peer *from, bool partial)
{
	struct frame_header h;
	const void *payload;

	ck_assert_int_eq(peer_next(from, &h, &payload), 0);
	ck_assert(peer_partial(from) == partial);
}

START_TEST(what_is_read_and_not_taken_is_read_again)
{
	uint8_t buf[3 * (FRAME_HEADER_LEN + 5)];
	size_t len = 0;
	struct peer *next;

	greet();
	for (uint64_t ref = 1; ref <= 3; ref++)
		len += frame(buf + len, FRAME_CALL, ref, "hello", 5);
	peer_leave(p);
	put(buf, len - 2);
	ck_assert_int_eq(peer_read(p), 1);
	expect_ref(p, 1);
	for (int i = 0; i < 2; i++) {
		next = go_on(peer_fd(p));
		ck_assert_int_eq(peer_read(next), 1);
		expect_ref(next, 1);
		expect_ref(next, 2);
		expect_none(next, true);
		if (i == 1)
			peer_take(next);
		peer_free(next);
	}
	next = go_on(peer_fd(p));
	put(buf + len - 2, 2);
	ck_assert_int_eq(peer_read(next), 1);
	expect_ref(next, 3);
	expect_none(next, false);
	peer_take(next);
	peer_free(next);
	next = go_on(peer_fd(p));
	ck_assert_int_eq(peer_read(next), 0);
	peer_free(next);
}
END_TEST

static bool
readable(void)
{
	struct pollfd pfd = { .fd = peer_fd(p), .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

START_TEST(half_a_frame_does_not_stay_readable)
{
	uint8_t buf[FRAME_HEADER_LEN + 5];
	size_t len = frame(buf, FRAME_CALL, 1, "hello", 5);

	greet();
	peer_leave(p);
	for (size_t i = 0; i < len; i++) {
		put(buf + i, 1);
		ck_assert_int_eq(peer_read(p), 1);
		if (i + 1 == len)
			expect_ref(p, 1);
		else
			expect_none(p, true);
		peer_take(p);
		if (i % 3 == 0 && readable()) {
			ck_assert_int_eq(peer_read(p), 0);
			peer_take(p);
			ck_assert(!readable());
		}
	}
	expect_none(p, false);
	ck_assert(!readable());
}
END_TEST

/* As far as the pipe takes them: what is in it is of use to whoever reads. */
START_TEST(no_half_frame_is_sent)
{
	struct frame_header h = { .type = FRAME_INFO, .length = 1000 };
	char payload[1000] = "";
	const void *got;
	struct peer *other;
	int fd[2], n = 0;

	pair(fd);
	other = new_peer(fd[0], NULL, NULL, MAX);
	peer_free(p);
	p = new_peer(fd[1], "a", "b", 4 * MAX);
	while (peer_send(p, &h, payload) == 0)
		;
	ck_assert_int_eq(peer_flush(p), 1);
	while (peer_read(other) == 1)
		while (peer_next(other, &h, &got) == 1)
			n++;
	ck_assert_int_gt(n, 64);
	ck_assert(!peer_partial(other));
	peer_free(other);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("peer_resume");
	TCase *c = tcase_create("resume");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, what_is_read_and_not_taken_is_read_again);
	tcase_add_test(c, half_a_frame_does_not_stay_readable);
	tcase_add_test(c, no_half_frame_is_sent);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
