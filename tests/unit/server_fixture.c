/* SPDX-License-Identifier: ISC */
#include "server_fixture.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/loop.h"

struct fixture fx = { .address.sun_family = AF_UNIX };

static void
on_call(void *arg, server_peer peer, const struct frame_header *h,
    const char *payload, uid_t uid)
{
	static char answer[RAW_MAX];

	ck_assert_ptr_eq(arg, &fx.listen_fd);
	ck_assert_uint_eq(uid, geteuid());
	fx.ncalls++;
	fx.last_peer = peer;
	if (fx.silent)
		return;
	fx.last_rc = fx.answer_len == 0 ?
	    server_reply(fx.server, peer, h->ref, payload, h->length) :
	    server_reply(fx.server, peer, h->ref, answer, fx.answer_len);
}

static void
on_closed(void *arg, server_peer peer)
{
	(void)arg;
	fx.nclosed++;
	fx.closed_peer = peer;
	ck_assert_int_eq(server_reply(fx.server, peer, 1, "x", 1), -ENOTCONN);
}

void
fixture_setup(void)
{
	static const struct server_ops ops = { on_call, on_closed };
	const char *tmp = getenv("TMPDIR");
	char dir[80];

	/* A socket's path is short. */
	(void)snprintf(dir, sizeof(dir), "%s/otp-server-XXXXXX",
	    tmp == NULL || strlen(tmp) > 50 ? "/tmp" : tmp);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	(void)snprintf(fx.address.sun_path, sizeof(fx.address.sun_path),
	    "%s/s", dir);
	fx.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fx.listen_fd, (struct sockaddr *)&fx.address,
	    sizeof(fx.address)), 0);
	ck_assert_int_eq(chmod(fx.address.sun_path, 0666), 0);
	ck_assert_int_eq(listen(fx.listen_fd, 128), 0);
	fx.loop = loop_new();
	ck_assert_ptr_nonnull(fx.loop);
	fx.server = server_new(fx.loop, fx.listen_fd, "otpd", 5, &ops,
	    &fx.listen_fd);
	ck_assert_ptr_nonnull(fx.server);
}

void
fixture_teardown(void)
{
	server_free(fx.server);
	loop_free(fx.loop);
	(void)close(fx.listen_fd);
	(void)unlink(fx.address.sun_path);
	*strrchr(fx.address.sun_path, '/') = '\0';
	(void)rmdir(fx.address.sun_path);
}

struct server_limits
limits(void)
{
	return (struct server_limits)SERVER_LIMITS_DEFAULT;
}

static void
on_raw(void *arg, uint32_t events)
{
	struct raw *r = arg;
	ssize_t n;

	(void)events;
	n = recv(r->fd, r->buf + r->len, RAW_MAX - r->len, MSG_DONTWAIT);
	if (n > 0) {
		r->len += (size_t)n;
		return;
	}
	r->eof = true;
	loop_remove(fx.loop, r->handle);
}

void
raw_listen(struct raw *r)
{
	ck_assert_int_eq(loop_add(fx.loop, r->fd, EPOLLIN, on_raw, r,
	    &r->handle), 0);
}

struct raw *
raw_socket(void)
{
	struct raw *r = calloc(1, sizeof(*r));

	ck_assert_ptr_nonnull(r);
	r->buf = malloc(RAW_MAX);
	ck_assert_ptr_nonnull(r->buf);
	r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(r->fd, 0);
	return r;
}

void
raw_connect(struct raw *r)
{
	ck_assert_int_eq(connect(r->fd, (struct sockaddr *)&fx.address,
	    sizeof(fx.address)), 0);
	if (!r->deaf)
		raw_listen(r);
}

struct raw *
raw_new(void)
{
	struct raw *r = raw_socket();

	raw_connect(r);
	return r;
}

void
raw_close(struct raw *r)
{
	loop_remove(fx.loop, r->handle);
	(void)close(r->fd);
	free(r->buf);
	free(r);
}

void
put(struct raw *r, const void *data, size_t len)
{
	ck_assert_int_eq((int)send(r->fd, data, len,
	    MSG_NOSIGNAL | MSG_DONTWAIT), (int)len);
}

void
put_frame(struct raw *r, uint8_t type, uint64_t ref, const void *payload,
    uint32_t len)
{
	struct frame_header h = { .length = len, .type = type, .ref = ref };
	uint8_t header[H];

	frame_encode(&h, header);
	put(r, header, H);
	if (len > 0)
		put(r, payload, len);
}

void
put_hello(struct raw *r, uint32_t max_payload)
{
	const struct frame_hello hello = { .magic = FRAME_MAGIC,
		.version = FRAME_VERSION, .max_payload = max_payload };

	put_frame(r, FRAME_HELLO, 0, &hello, sizeof(hello));
}

/* The n-th frame of what has come, HELLO being the first; NULL: not yet. */
static const uint8_t *
nth(const struct raw *r, int n, struct frame_header *h)
{
	size_t at = 0;
	long got;

	for (; n >= 0; n--) {
		got = frame_parse(r->buf + at, r->len - at, RAW_MAX, h);
		ck_assert_int_ge((int)got, 0);
		if (got == 0)
			return NULL;
		at += (size_t)got;
	}
	return r->buf + at - h->length;
}

void
turn(void)
{
	ck_assert_int_eq(loop_turn(fx.loop), 0);
}

const uint8_t *
await(const struct raw *r, int n, struct frame_header *h)
{
	const uint8_t *payload;

	while ((payload = nth(r, n, h)) == NULL && !r->eof)
		turn();
	ck_assert_msg(payload != NULL, "closed before frame %d", n);
	return payload;
}

void
await_error(const struct raw *r, int n, uint16_t tag)
{
	struct frame_header h;

	(void)await(r, n, &h);
	ck_assert_int_eq(h.type, FRAME_ERROR);
	ck_assert_str_eq(frame_error_name(h.tag), frame_error_name(tag));
	while (!r->eof)
		turn();
}

struct raw *
greeted(uint32_t max_payload)
{
	struct raw *r = raw_new();
	struct frame_header h;

	put_hello(r, max_payload);
	(void)await(r, 0, &h);
	return r;
}

