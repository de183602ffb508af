/* SPDX-License-Identifier: ISC */
/*
 * One end of a connection, against another and against raw bytes on a
 * socketpair.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/peer_rig.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

START_TEST(both_sides_know_each_other_after_hello)
{
	struct peer *client, *server;
	const struct frame_hello *hello;
	const char *name, *path;
	struct frame_header h;
	const void *payload;
	int fd[2];

	pair(fd);
	server = new_peer(fd[0], "counter", "web/counter", MAX);
	client = new_peer(fd[1], NULL, NULL, MAX);
	ck_assert_int_eq(peer_flush(server), 0);
	ck_assert_int_eq(peer_flush(client), 0);
	ck_assert(!peer_greeted(client));
	ck_assert_int_eq(peer_read(client), 1);
	ck_assert_int_eq(peer_next(client, &h, &payload), 0);
	ck_assert_int_eq(peer_read(server), 1);
	ck_assert_int_eq(peer_next(server, &h, &payload), 0);
	ck_assert(peer_greeted(client) && peer_greeted(server));
	hello = peer_hello(client, &name, &path);
	ck_assert_str_eq(name, "counter");
	ck_assert_str_eq(path, "web/counter");
	ck_assert_int_eq(hello->pid, 4711);
	ck_assert_uint_eq(hello->generation, 3);
	ck_assert_uint_eq(hello->max_payload, MAX);
	(void)peer_hello(server, &name, &path);
	ck_assert_str_eq(name, "");
	ck_assert_str_eq(path, "");
	peer_free(client);
	ck_assert_int_eq(peer_read(server), -ENOTCONN);
	peer_free(server);
}
END_TEST

START_TEST(frames_arrive_byte_by_byte)
{
	uint8_t buf[HELLO_LEN + 2 * FRAME_HEADER_LEN + 5];
	struct frame_header h;
	const void *payload;
	size_t i, n, whole = 0;

	n = hello_frame(buf);
	n += frame(buf + n, FRAME_CALL, 1, "hello", 5);
	n += frame(buf + n, FRAME_CALL, 2, NULL, 0);
	ck_assert_uint_eq(n, sizeof(buf));
	for (i = 0; i < n; i++) {
		put(buf + i, 1);
		ck_assert_int_eq(peer_read(p), 1);
		if (peer_next(p, &h, &payload) != 1)
			continue;
		ck_assert_uint_eq(h.ref, ++whole);
		ck_assert_uint_eq(h.length, whole == 1 ? 5 : 0);
		ck_assert_int_eq(memcmp(payload, "hello", h.length), 0);
	}
	ck_assert_uint_eq(whole, 2);
	ck_assert_int_eq(peer_read(p), 0);
}
END_TEST

START_TEST(many_frames_come_in_one_read)
{
	uint8_t buf[HELLO_LEN + 100 * (FRAME_HEADER_LEN + 8)];
	struct frame_header h;
	const void *payload;
	uint64_t i;
	size_t n;

	n = hello_frame(buf);
	for (i = 1; i <= 100; i++)
		n += frame(buf + n, FRAME_CALL, i, &i, sizeof(i));
	put(buf, n);
	ck_assert_int_eq(peer_read(p), 1);
	for (i = 1; i <= 100; i++) {
		ck_assert_int_eq(peer_next(p, &h, &payload), 1);
		ck_assert_uint_eq(h.ref, i);
		ck_assert_int_eq(memcmp(payload, &i, sizeof(i)), 0);
	}
	ck_assert(!peer_partial(p));
	ck_assert_int_eq(peer_next(p, &h, &payload), 0);
}
END_TEST

struct bad_hello {
	const char	*why;
	uint32_t	 type;
	uint32_t	 length;	/* 0: the whole struct */
	uint32_t	 magic;
	uint32_t	 version;
	uint32_t	 max_payload;
	int		 want;
	const char	*names;
	size_t		 names_len;
};

#define GOOD	FRAME_HELLO, 0, FRAME_MAGIC, 1, MAX

static const struct bad_hello hellos[] = {
	{ "a good one", GOOD, 0, "", 0 },
	{ "a name and a path", GOOD, 0, "a\0b", 4 },
	{ "more than we know of", GOOD, 0, "a\0b\0new", 8 },
	{ "the least that is taken", FRAME_HELLO, 0, FRAME_MAGIC, 1,
	    PEER_PAYLOAD_MIN, 0, "", 0 },
	{ "a call first", FRAME_CALL, 0, FRAME_MAGIC, 1, MAX, -EPROTO, "", 0 },
	{ "bad magic", FRAME_HELLO, 0, 0x4450544e, 1, MAX, -EPROTO, "", 0 },
	{ "another version", FRAME_HELLO, 0, FRAME_MAGIC, 2, MAX, -EPROTO, "",
	    0 },
	{ "takes nothing", FRAME_HELLO, 0, FRAME_MAGIC, 1, 0, -EPROTO, "", 0 },
	{ "takes too little", FRAME_HELLO, 0, FRAME_MAGIC, 1,
	    PEER_PAYLOAD_MIN - 1, -EPROTO, "", 0 },
	{ "a name without an end", GOOD, -EPROTO, "a", 1 },
	{ "no path", GOOD, -EPROTO, "a", 2 },
	{ "a path without an end", GOOD, -EPROTO, "a\0b", 3 },
	{ "too short", FRAME_HELLO, 23, FRAME_MAGIC, 1, MAX, -EPROTO, "", 0 },
	{ "too long", FRAME_HELLO, 100000, FRAME_MAGIC, 1, MAX, -EMSGSIZE, "",
	    0 },
	{ "4 GiB", FRAME_HELLO, UINT32_MAX, FRAME_MAGIC, 1, MAX, -EMSGSIZE, "",
	    0 },
};

START_TEST(hello_is_checked)
{
	const struct bad_hello *row = &hellos[_i];
	struct frame_hello hello = { .magic = row->magic,
		.version = (uint16_t)row->version,
		.max_payload = row->max_payload };
	struct frame_header h = { .type = (uint8_t)row->type,
		.length = row->length };
	uint8_t buf[FRAME_HEADER_LEN + sizeof(hello)];
	const void *payload;
	int rc;

	if (h.length == 0)
		h.length = (uint32_t)(sizeof(hello) + row->names_len);
	frame_encode(&h, buf);
	memcpy(buf + FRAME_HEADER_LEN, &hello, sizeof(hello));
	put(buf, sizeof(buf));
	put(row->names, row->names_len);
	ck_assert_int_eq(peer_read(p), 1);
	rc = peer_next(p, &h, &payload);
	ck_assert_msg(rc == row->want, "%s: got %d", row->why, rc);
	ck_assert(peer_greeted(p) == (rc == 0));
}
END_TEST

static const struct {
	const char	*why;
	uint8_t		 type;
	uint32_t	 length;
	int		 want;
} frames[] = {
	{ "an empty call",	FRAME_CALL, 0,			1 },
	{ "4 GiB",		FRAME_CALL, UINT32_MAX,		-EMSGSIZE },
	{ "a byte too much",	FRAME_CALL, MAX + 1,		-EMSGSIZE },
	{ "no type",		0, 0,				-EPROTO },
	{ "no such type",	FRAME_NTYPES, 0,		-EPROTO },
	{ "hello again",	FRAME_HELLO, 0,			-EPROTO },
};

START_TEST(frames_are_checked_by_their_header)
{
	struct frame_header h = { .type = frames[_i].type,
		.length = frames[_i].length };
	uint8_t buf[FRAME_HEADER_LEN];
	const void *payload;
	int rc;

	greet();
	frame_encode(&h, buf);
	put(buf, sizeof(buf));
	ck_assert_int_eq(peer_read(p), 1);
	rc = peer_next(p, &h, &payload);
	ck_assert_msg(rc == frames[_i].want, "%s: got %d", frames[_i].why, rc);
}
END_TEST

/* What malloc has given out; where it does not tell, nothing is measured. */
static size_t
heap(void)
{
#ifdef __GLIBC__
	return mallinfo2().uordblks + mallinfo2().hblkhd;
#else
	return 0;
#endif
}

START_TEST(memory_follows_what_has_come)
{
	struct frame_header h = { .type = FRAME_CALL, .length = MAX };
	uint8_t buf[FRAME_HEADER_LEN], *chunk;
	const void *payload;
	size_t before, sent;

	chunk = malloc(MAX);
	ck_assert_ptr_nonnull(chunk);
	memset(chunk, 'x', MAX);
	greet();
	before = heap();
	frame_encode(&h, buf);
	put(buf, sizeof(buf));
	ck_assert_int_eq(peer_read(p), 1);
	ck_assert_int_eq(peer_next(p, &h, &payload), 0);
	ck_assert(peer_partial(p));
	ck_assert_msg(heap() - before <= 1024, "%zu bytes for an announcement",
	    heap() - before);
	for (sent = 0; sent < MAX; sent += 32768) {
		ck_assert_int_eq(peer_next(p, &h, &payload), 0);
		put(chunk + sent, 32768);
		ck_assert_int_eq(peer_read(p), 1);
		ck_assert_uint_le(heap() - before, 3 * (sent + 65536));
	}
	ck_assert_int_eq(peer_next(p, &h, &payload), 1);
	ck_assert_int_eq(memcmp(payload, chunk, MAX), 0);
	ck_assert_int_eq(peer_next(p, &h, &payload), 0);
	ck_assert_uint_le(heap(), before + 64);
	free(chunk);
}
END_TEST

START_TEST(an_idle_connection_costs_less_than_1_kib)
{
	struct frame_header h = { .type = FRAME_REPLY, .length = 4096 };
	char payload[4096] = "";
	struct peer *idle;
	size_t before;
	int fd[2];

	pair(fd);
	before = heap();
	idle = new_peer(fd[0], "counter", "web/counter", MAX);
	ck_assert_int_eq(peer_send(idle, &h, payload), 0);
	ck_assert_uint_ge(peer_queued(idle), 4096);
	ck_assert_int_eq(peer_flush(idle), 0);
	ck_assert_msg(heap() - before <= 1024, "%zu", heap() - before);
	peer_free(idle);
	(void)close(fd[1]);
}
END_TEST

START_TEST(a_small_rest_behind_a_large_frame_does_not_hold_its_memory)
{
	uint8_t *buf = malloc(FRAME_HEADER_LEN + MAX);
	struct frame_header h;
	const void *payload;
	size_t n, sent, before;

	ck_assert_ptr_nonnull(buf);
	memset(buf, 'x', FRAME_HEADER_LEN + MAX);
	greet();
	before = heap();
	n = frame(buf, FRAME_CALL, 1, buf + FRAME_HEADER_LEN, MAX - 64);
	n += frame(buf + n, FRAME_CALL, 2, NULL, 0) - 1;
	for (sent = 0; sent < n; sent += 32768) {
		put(buf + sent, n - sent < 32768 ? n - sent : 32768);
		ck_assert_int_eq(peer_read(p), 1);
	}
	ck_assert_int_eq(peer_next(p, &h, &payload), 1);
	ck_assert_int_eq(peer_next(p, &h, &payload), 0);
	ck_assert(peer_partial(p));
	ck_assert_uint_le(heap() - before, 4096);
	put("", 1);
	ck_assert_int_eq(peer_read(p), 1);
	ck_assert_int_eq(peer_next(p, &h, &payload), 1);
	ck_assert_uint_eq(h.ref, 2);
	free(buf);
}
END_TEST

START_TEST(one_mib_each_way_through_two_peers)
{
	struct frame_header h = { .type = FRAME_REPLY, .length = MAX };
	struct peer *other;
	char *big = malloc(MAX);
	const void *payload;
	int i, left, got, fd[2];

	ck_assert_ptr_nonnull(big);
	pair(fd);
	other = new_peer(fd[0], NULL, NULL, 4 * MAX);
	peer_free(p);
	p = new_peer(fd[1], "a", "b", 4 * MAX);
	for (i = 0; i < 3; i++) {
		memset(big, 'a' + i, MAX);
		h.ref = (uint64_t)i;
		ck_assert_int_eq(peer_send(p, &h, big), 0);
	}
	ck_assert_uint_gt(peer_queued(p), 3U * MAX);
	for (got = 0; got < 3; ) {
		left = peer_flush(p);
		ck_assert_int_ge(left, 0);
		ck_assert(peer_pending(p) == (left == 1));
		ck_assert_int_ge(peer_read(other), 0);
		while (peer_next(other, &h, &payload) == 1) {
			memset(big, 'a' + got, MAX);
			ck_assert_uint_eq(h.ref, (uint64_t)got);
			ck_assert_int_eq(memcmp(payload, big, MAX), 0);
			got++;
		}
	}
	ck_assert_uint_eq(peer_queued(p), 0);
	peer_free(other);
	free(big);
}
END_TEST

START_TEST(the_queue_has_a_limit_and_takes_whole_frames_only)
{
	struct frame_header h = { .type = FRAME_REPLY, .length = 1000 };
	char payload[1000] = "";
	struct peer *small;
	size_t queued;
	int fd[2];

	pair(fd);
	small = new_peer(fd[0], NULL, NULL, 4000);
	queued = peer_queued(small);
	ck_assert_uint_eq(queued, HELLO_LEN);
	while (queued + FRAME_HEADER_LEN + 1000 <= 4000) {
		ck_assert_int_eq(peer_send(small, &h, payload), 0);
		queued += FRAME_HEADER_LEN + 1000;
	}
	ck_assert_int_eq(peer_send(small, &h, payload), -ENOBUFS);
	ck_assert_uint_eq(peer_queued(small), queued);
	peer_free(small);
	(void)close(fd[1]);
}
END_TEST

START_TEST(what_the_other_does_not_take_is_not_sent)
{
	struct frame_header h = { .type = FRAME_REPLY, .length = MAX + 1 };

	greet();
	ck_assert_int_eq(peer_send(p, &h, "never read"), -EMSGSIZE);
}
END_TEST

START_TEST(writing_to_a_closed_end_is_an_error_and_no_signal)
{
	(void)close(raw);
	raw = -1;
	ck_assert_int_eq(peer_flush(p), -ENOTCONN);
	ck_assert_int_eq(peer_read(p), -ENOTCONN);
}
END_TEST

START_TEST(an_error_carries_its_words)
{
	uint8_t buf[1024];
	struct frame_header h;
	size_t hello;

	hello = peer_queued(p);
	ck_assert_int_eq(peer_error(p, 9, FRAME_E_REFUSED, "go away"), 0);
	ck_assert_int_eq(peer_flush(p), 0);
	ck_assert_int_eq((int)recv(raw, buf, sizeof(buf), 0),
	    (int)hello + FRAME_HEADER_LEN + 7);
	ck_assert_int_eq((int)frame_parse(buf + hello, FRAME_HEADER_LEN + 7,
	    MAX, &h), FRAME_HEADER_LEN + 7);
	ck_assert_int_eq(h.type, FRAME_ERROR);
	ck_assert_int_eq(h.tag, FRAME_E_REFUSED);
	ck_assert_uint_eq(h.ref, 9);
	ck_assert_int_eq(memcmp(buf + hello + FRAME_HEADER_LEN, "go away", 7),
	    0);
}
END_TEST

static void
put_with_descriptor(int fd)
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
	ck_assert_int_eq((int)sendmsg(raw, &msg, 0), 1);
}

START_TEST(a_passed_descriptor_is_refused_and_closed)
{
	int fd[2], next;
	char c;

	ck_assert_int_eq(pipe2(fd, O_CLOEXEC), 0);
	put_with_descriptor(fd[1]);
	(void)close(fd[1]);
	next = dup(0);
	(void)close(next);
	ck_assert_int_eq(peer_read(p), -EPROTO);
	ck_assert_int_eq(dup(0), next);		/* none came in */
	ck_assert_int_eq((int)read(fd[0], &c, 1), 0);	/* and none is left */
	(void)close(fd[0]);
	(void)close(next);
}
END_TEST

/* Whatever comes, in whatever pieces, is a frame, an error or not enough. */
START_TEST(garbage)
{
	uint8_t buf[512];
	struct frame_header h;
	const void *payload;
	size_t i, n;
	int k, rc;

	srand((unsigned)_i);
	greet();
	for (k = 0; k < 50; k++) {
		n = 1 + (size_t)rand() % sizeof(buf);
		for (i = 0; i < n; i++)
			buf[i] = rand() % 4 == 0 ? (uint8_t)rand() : 0;
		put(buf, n);
		ck_assert_int_eq(peer_read(p), 1);
		while ((rc = peer_next(p, &h, &payload)) == 1)
			ck_assert_uint_le(h.length, MAX);
		if (rc < 0)
			break;
	}
	ck_assert(k == 50 || rc == -EPROTO || rc == -EMSGSIZE);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		both_sides_know_each_other_after_hello,
		frames_arrive_byte_by_byte,
		many_frames_come_in_one_read,
		an_idle_connection_costs_less_than_1_kib,
		memory_follows_what_has_come,
		a_small_rest_behind_a_large_frame_does_not_hold_its_memory,
		one_mib_each_way_through_two_peers,
		the_queue_has_a_limit_and_takes_whole_frames_only,
		what_the_other_does_not_take_is_not_sent,
		writing_to_a_closed_end_is_an_error_and_no_signal,
		an_error_carries_its_words,
		a_passed_descriptor_is_refused_and_closed,
	};
	Suite *s = suite_create("peer");
	TCase *c = tcase_create("peer");
	SRunner *r;
	size_t i;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	for (i = 0; i < NITEMS(tests); i++)
		tcase_add_test(c, tests[i]);
	tcase_add_loop_test(c, hello_is_checked, 0, NITEMS(hellos));
	tcase_add_loop_test(c, frames_are_checked_by_their_header, 0,
	    NITEMS(frames));
	tcase_add_loop_test(c, garbage, 0, 50);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
