/* SPDX-License-Identifier: ISC */
/*
 * A connection whose other end sends anything, in pieces of any size.  The
 * first byte says how large the pieces are and whether a good HELLO goes ahead;
 * the frames that come out must be the same as those of one piece.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "libotp/peer.h"

#define MAX	4096U

struct sum {
	uint64_t	frames, bytes;
	int		end;		/* 0, or the error it ended with */
};

static void
take(struct peer *p, struct sum *sum)
{
	struct frame_header h;
	const void *payload;
	uint32_t i;
	int rc;

	while ((rc = peer_next(p, &h, &payload)) == 1) {
		MUST(h.length <= MAX && h.type < FRAME_NTYPES);
		sum->frames++;
		for (i = 0; i < h.length; i++)
			sum->bytes = sum->bytes * 31 +
			    ((const uint8_t *)payload)[i];
		if (peer_error(p, h.ref, h.tag, "said") < 0 ||
		    peer_flush(p) < 0)
			sum->end = -ENOBUFS;
	}
	if (rc < 0)
		sum->end = rc;
}

static void
put_hello(int fd)
{
	const struct frame_hello hello = { .magic = FRAME_MAGIC,
		.version = FRAME_VERSION, .max_payload = MAX };
	const struct frame_header h = { .type = FRAME_HELLO,
		.length = sizeof(hello) };
	uint8_t buf[FRAME_HEADER_LEN + sizeof(hello)];

	frame_encode(&h, buf);
	memcpy(buf + FRAME_HEADER_LEN, &hello, sizeof(hello));
	MUST(send(fd, buf, sizeof(buf), 0) == (ssize_t)sizeof(buf));
}

static struct sum
run(const uint8_t *data, size_t size, size_t piece, int greet)
{
	const struct frame_hello hello = { .pid = 1 };
	const struct peer_limits limits = { MAX, 1024U * 1024 };
	struct sum sum = { 0 };
	const char *name, *path;
	struct peer *p;
	uint8_t drain[4096];
	size_t n, at;
	int fd[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
	p = peer_new(fd[0], &hello, "name", "path", &limits);
	MUST(p != NULL);
	if (greet)
		put_hello(fd[1]);
	for (at = 0; at < size && sum.end == 0; at += n) {
		n = size - at < piece ? size - at : piece;
		MUST(send(fd[1], data + at, n, 0) == (ssize_t)n);
		MUST(peer_read(p) == 1);
		take(p, &sum);
		while (recv(fd[1], drain, sizeof(drain), MSG_DONTWAIT) > 0)
			;
	}
	(void)peer_hello(p, &name, &path);
	MUST(strlen(name) + strlen(path) <= size);
	peer_free(p);
	(void)close(fd[1]);
	return sum;
}

const unsigned fuzz_variations = 2000;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole, pieces;
	size_t piece;
	int greet;

	if (size < 2 || size > 32768)
		return 0;
	greet = data[0] & 1;
	piece = 1 + (data[0] >> 1);
	whole = run(data + 1, size - 1, size, greet);
	pieces = run(data + 1, size - 1, piece, greet);
	MUST(whole.frames == pieces.frames && whole.bytes == pieces.bytes);
	MUST(whole.end == pieces.end);
	return 0;
}
