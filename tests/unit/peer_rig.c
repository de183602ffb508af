/* SPDX-License-Identifier: ISC */
/*
 * A peer and, by hand, the other end of its connection.
 */
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/peer_rig.h"

struct peer *p;
int raw;

void
pair(int fd[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), 0);
}

struct peer *
new_peer(int fd, const char *name, const char *path, size_t max_queued)
{
	const struct frame_hello hello = { .pid = 4711, .generation = 3 };
	const struct peer_limits limits = { MAX, max_queued };
	struct peer *new;

	new = peer_new(fd, &hello, name, path, &limits);
	ck_assert_ptr_nonnull(new);
	return new;
}

void
setup(void)
{
	int fd[2];

	pair(fd);
	p = new_peer(fd[0], "counter", "web/counter", 4 * MAX);
	raw = fd[1];
}

void
teardown(void)
{
	peer_free(p);
	if (raw >= 0)
		(void)close(raw);
}

void
put(const void *data, size_t len)
{
	ck_assert_int_eq((int)send(raw, data, len, MSG_NOSIGNAL), (int)len);
}

size_t
frame(uint8_t *out, uint8_t type, uint64_t ref, const void *payload,
    uint32_t len)
{
	struct frame_header h = { .length = len, .type = type, .ref = ref };

	frame_encode(&h, out);
	if (len > 0)
		memcpy(out + FRAME_HEADER_LEN, payload, len);
	return FRAME_HEADER_LEN + len;
}

size_t
hello_frame(uint8_t out[HELLO_LEN])
{
	const struct frame_hello hello = { .magic = FRAME_MAGIC,
		.version = FRAME_VERSION, .max_payload = MAX };

	return frame(out, FRAME_HELLO, 0, &hello, sizeof(hello));
}

void
greet(void)
{
	struct frame_header h;
	const void *payload;
	uint8_t buf[HELLO_LEN];

	put(buf, hello_frame(buf));
	ck_assert_int_eq(peer_read(p), 1);
	ck_assert_int_eq(peer_next(p, &h, &payload), 0);
	ck_assert(peer_greeted(p));
}
