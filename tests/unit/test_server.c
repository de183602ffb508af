/* SPDX-License-Identifier: ISC */
/* The server of frames: what it answers, and whom it does not. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "loop/loop.h"
#include "server_fixture.h"

/* --- serving --- */

START_TEST(it_says_who_it_is)
{
	struct frame_hello hello;
	struct frame_header h;
	const uint8_t *payload;
	struct raw *r = raw_new();

	payload = await(r, 0, &h);
	ck_assert_int_eq(h.type, FRAME_HELLO);
	memcpy(&hello, payload, sizeof(hello));
	ck_assert_uint_eq(hello.magic, FRAME_MAGIC);
	ck_assert_uint_eq(hello.max_payload, FRAME_ENGINE_MAX);
	ck_assert_int_eq(hello.pid, getpid());
	ck_assert_uint_eq(hello.generation, 5);
	ck_assert_str_eq((const char *)payload + sizeof(hello), "otpd");
	raw_close(r);
}
END_TEST

START_TEST(a_call_in_pieces_is_answered)
{
	struct raw *r = greeted(4096);
	struct frame_header h = { .length = 5, .type = FRAME_CALL, .ref = 7 };
	uint8_t buf[H + 5];
	const uint8_t *payload;
	size_t i;

	frame_encode(&h, buf);
	memcpy(buf + H, "hello", sizeof(buf) - H);
	for (i = 0; i < sizeof(buf); i++) {
		ck_assert_int_eq(fx.ncalls, 0);
		put(r, buf + i, 1);
		turn();
	}
	payload = await(r, 1, &h);
	ck_assert_int_eq(h.type, FRAME_REPLY);
	ck_assert_uint_eq(h.ref, 7);
	ck_assert_int_eq(memcmp(payload, "hello", 5), 0);
	put_frame(r, FRAME_CALL, 8, NULL, 0);
	(void)await(r, 2, &h);
	ck_assert_uint_eq(h.ref, 8);
	ck_assert_uint_eq(h.length, 0);
	raw_close(r);
}
END_TEST

START_TEST(many_calls_in_flight_are_answered_in_order)
{
	struct raw *r = greeted(4096);
	struct frame_header h = { .type = FRAME_CALL };
	uint8_t buf[1000 * H];
	size_t at = 0;
	uint64_t i;
	long got;

	for (i = 1; i <= 1000; i++) {
		h.ref = i;
		frame_encode(&h, buf + (i - 1) * H);
	}
	put(r, buf, sizeof(buf));
	(void)await(r, 1000, &h);
	for (i = 0; i <= 1000; i++) {
		got = frame_parse(r->buf + at, r->len - at, RAW_MAX, &h);
		ck_assert_int_gt((int)got, 0);
		at += (size_t)got;
		ck_assert(i == 0 || h.ref == i); /* the first is HELLO */
	}
	raw_close(r);
}
END_TEST

START_TEST(an_answer_too_large_for_the_peer_is_split)
{
	struct raw *r = greeted(1024);
	struct frame_header h;

	fx.answer_len = 3 * 1024;
	put_frame(r, FRAME_CALL, 1, NULL, 0);
	(void)await(r, 1, &h);
	ck_assert_uint_eq(h.length, 1024);
	ck_assert_int_eq(h.flags, FRAME_F_MORE);
	(void)await(r, 3, &h);
	ck_assert_uint_eq(h.length, 1024);
	ck_assert_int_eq(h.flags, 0);
	fx.answer_len = 1025;
	put_frame(r, FRAME_CALL, 2, NULL, 0);
	(void)await(r, 5, &h);
	ck_assert_uint_eq(h.length, 1);
	ck_assert_uint_eq(h.ref, 2);
	ck_assert_int_eq(h.flags, 0);
	ck_assert_int_eq(server_info(fx.server, fx.last_peer, 2, "more", 4), 0);
	(void)await(r, 6, &h);
	ck_assert_int_eq(h.type, FRAME_INFO);
	ck_assert_int_eq(server_error(fx.server, fx.last_peer, 2,
	    FRAME_E_BAD_REQUEST, "no"), 0);
	(void)await(r, 7, &h);
	ck_assert_int_eq(h.tag, FRAME_E_BAD_REQUEST);
	raw_close(r);
}
END_TEST

START_TEST(an_expired_call_is_dropped_and_a_cast_ignored)
{
	struct raw *r = greeted(4096);
	struct frame_header h = { .type = FRAME_CALL, .ref = 1, .deadline = 1 };
	uint8_t buf[H];

	frame_encode(&h, buf);
	put(r, buf, H);
	put_frame(r, FRAME_CAST, 0, "x", 1);
	h.ref = 2;
	h.deadline = loop_now_ns() + 60U * 1000000000U;
	frame_encode(&h, buf);
	put(r, buf, H);
	(void)await(r, 1, &h);
	ck_assert_uint_eq(h.ref, 2);
	ck_assert_int_eq(fx.ncalls, 1);
	raw_close(r);
}
END_TEST

/* --- who breaks the protocol --- */

static const struct {
	const char	*why;
	uint32_t	 length;
	uint8_t		 type;
	bool		 greet;
	uint16_t	 tag;
} faults[] = {
	{ "a call before HELLO", 0, FRAME_CALL, false, FRAME_E_PROTOCOL },
	{ "a HELLO of 4 GiB", UINT32_MAX, FRAME_HELLO, false,
	    FRAME_E_TOO_LARGE },
	{ "an empty HELLO", 0, FRAME_HELLO, false, FRAME_E_PROTOCOL },
	{ "no type", 0, 0, true, FRAME_E_PROTOCOL },
	{ "garbage", UINT32_MAX, 255, true, FRAME_E_PROTOCOL },
	{ "4 GiB", UINT32_MAX, FRAME_CALL, true, FRAME_E_TOO_LARGE },
	{ "a byte too much", FRAME_ENGINE_MAX + 1, FRAME_CALL, true,
	    FRAME_E_TOO_LARGE },
	{ "a reply", 0, FRAME_REPLY, true, FRAME_E_PROTOCOL },
	{ "a DOWN", 0, FRAME_DOWN, true, FRAME_E_PROTOCOL },
	{ "HELLO again", 0, FRAME_HELLO, true, FRAME_E_PROTOCOL },
};

START_TEST(a_fault_is_answered_and_closed)
{
	struct frame_header h = { .type = faults[_i].type,
		.length = faults[_i].length };
	struct raw *r, *other = greeted(4096);
	uint8_t buf[H];

	r = faults[_i].greet ? greeted(4096) : raw_new();
	frame_encode(&h, buf);
	put(r, buf, H);
	await_error(r, 1, faults[_i].tag);
	ck_assert_uint_eq(server_counters(fx.server)->faulty, 1);
	ck_assert_int_eq(fx.nclosed, 0);
	put_frame(other, FRAME_CALL, 1, NULL, 0);
	(void)await(other, 1, &h);
	ck_assert_uint_eq(server_npeers(fx.server), 1);
	raw_close(r);
	raw_close(other);
}
END_TEST

static void
put_descriptor(struct raw *r, int fd)
{
	union {
		struct cmsghdr	 align;
		char		 room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte = 'x';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	ck_assert_int_eq((int)sendmsg(r->fd, &msg, 0), 1);
}

START_TEST(who_passes_a_descriptor_is_refused)
{
	struct raw *r = greeted(4096);

	put_descriptor(r, 0);
	await_error(r, 1, FRAME_E_PROTOCOL);
	ck_assert_uint_eq(server_npeers(fx.server), 0);
	raw_close(r);
}
END_TEST

START_TEST(who_leaves_in_the_middle_of_a_frame_is_forgotten)
{
	struct raw *r = greeted(4096);

	fx.silent = true;
	put_frame(r, FRAME_CALL, 3, "x", 1);
	put(r, "half a header", 13);
	while (fx.ncalls == 0)
		turn();
	raw_close(r);
	while (fx.nclosed == 0)
		turn();
	ck_assert_uint_eq(fx.closed_peer, fx.last_peer);
	ck_assert_uint_eq(server_npeers(fx.server), 0);
	ck_assert_int_eq(server_reply(fx.server, fx.last_peer, 3, "x", 1),
	    -ENOTCONN);
	ck_assert_uint_eq(server_queued(fx.server, fx.last_peer), 0);
}
END_TEST

START_TEST(a_peer_is_never_mistaken_for_a_later_one)
{
	struct raw *r = greeted(4096);
	struct frame_header h;
	server_peer first;

	put_frame(r, FRAME_CALL, 1, NULL, 0);
	(void)await(r, 1, &h);
	first = fx.last_peer;
	raw_close(r);
	while (fx.nclosed == 0)
		turn();
	r = greeted(4096);
	put_frame(r, FRAME_CALL, 1, NULL, 0);
	(void)await(r, 1, &h);
	ck_assert_uint_ne(fx.last_peer, first);
	ck_assert_int_eq(server_reply(fx.server, first, 1, "x", 1), -ENOTCONN);
	ck_assert_int_eq(server_reply(fx.server, 0, 1, "x", 1), -ENOTCONN);
	raw_close(r);
}
END_TEST

/* --- time --- */

START_TEST(hello_must_come_in_time)
{
	struct server_limits few = limits();
	struct raw *r;
	uint64_t start = loop_now_ms();

	few.hello_ms = 30;
	server_set_limits(fx.server, &few);
	r = raw_new();
	put(r, "OT", 2);
	await_error(r, 1, FRAME_E_TIMEOUT);
	ck_assert_uint_ge(loop_now_ms() - start, 30);
	ck_assert_uint_eq(server_counters(fx.server)->expired, 1);
	raw_close(r);
}
END_TEST

START_TEST(a_frame_must_be_whole_in_time_however_it_trickles)
{
	struct frame_header h = { .type = FRAME_CALL,
		.length = FRAME_ENGINE_MAX };
	struct server_limits few = limits();
	uint64_t start = loop_now_ms();
	uint8_t buf[H];
	struct raw *r;

	few.frame_ms = 50;
	server_set_limits(fx.server, &few);
	r = greeted(4096);
	put_frame(r, FRAME_CALL, 1, "x", 1);
	frame_encode(&h, buf);
	put(r, buf, H);
	while (!r->eof) {
		(void)send(r->fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		turn();
	}
	await_error(r, 2, FRAME_E_TIMEOUT);
	ck_assert_uint_ge(loop_now_ms() - start, 50);
	ck_assert_int_eq(fx.nclosed, 1);
	raw_close(r);
}
END_TEST

static void
on_alarm(int sig)
{
	(void)sig;
}

START_TEST(an_idle_peer_costs_no_timer)
{
	const struct itimerval in_60_ms = { .it_value.tv_usec = 60000 };
	struct sigaction sa = { .sa_handler = on_alarm };
	struct server_limits few = limits();
	struct frame_header h;
	uint64_t start;
	struct raw *r;

	few.hello_ms = few.frame_ms = 20;
	server_set_limits(fx.server, &few);
	r = greeted(4096);
	put(r, "\0\0\0\0\2", 5);	/* part of an empty call */
	turn();
	put(r, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", H - 5);
	(void)await(r, 1, &h);
	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	start = loop_now_ms();
	ck_assert_int_eq(setitimer(ITIMER_REAL, &in_60_ms, NULL), 0);
	turn();		/* of the alarm */
	ck_assert_uint_ge(loop_now_ms() - start, 55);
	ck_assert_uint_eq(server_npeers(fx.server), 1);
	raw_close(r);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		it_says_who_it_is,
		a_call_in_pieces_is_answered,
		many_calls_in_flight_are_answered_in_order,
		an_answer_too_large_for_the_peer_is_split,
		an_expired_call_is_dropped_and_a_cast_ignored,
		who_passes_a_descriptor_is_refused,
		who_leaves_in_the_middle_of_a_frame_is_forgotten,
		a_peer_is_never_mistaken_for_a_later_one,
		hello_must_come_in_time,
		a_frame_must_be_whole_in_time_however_it_trickles,
		an_idle_peer_costs_no_timer,
	};
	Suite *suite = suite_create("server");
	TCase *c = tcase_create("server");
	SRunner *r;
	size_t i;
	int failed;

	tcase_add_checked_fixture(c, fixture_setup, fixture_teardown);
	tcase_set_timeout(c, 20);
	for (i = 0; i < NITEMS(tests); i++)
		tcase_add_test(c, tests[i]);
	tcase_add_loop_test(c, a_fault_is_answered_and_closed, 0,
	    NITEMS(faults));
	suite_add_tcase(suite, c);
	r = srunner_create(suite);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
