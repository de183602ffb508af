/* SPDX-License-Identifier: ISC */
/*
 * See calls_raw.h.  No more than the least that could work, with every choice
 * that PERFORMANCE made: one buffer, one read and one write, level-triggered.
 */
#include "calls_raw.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wire/frame.h"

#define POLL_NS		20000
#define BUFFER		(2U * 1024 * 1024)
#define WIDE		(1024 * 1024)

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* At least one byte; polling first where that is the method. */
static size_t
receive(int fd, void *buf, size_t size, bool poll)
{
	uint64_t end = poll ? now_ns() + POLL_NS : 0;
	ssize_t n;

	while (poll) {
		n = recv(fd, buf, size, MSG_DONTWAIT);
		if (n >= 0)
			return (size_t)n;
		if (now_ns() > end)
			break;
		(void)sched_yield();
	}
	n = recv(fd, buf, size, 0);
	return n < 0 ? 0 : (size_t)n;
}

static void
send_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n) {
		n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0)
			_exit(0);	/* the server was stopped first */
	}
}

static void
widen(int fd)
{
	int size = WIDE;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

void
raw_serve_one(int listen_fd, bool poll)
{
	char *buf = malloc(BUFFER);
	struct frame_header h;
	size_t have, n;
	int fd;

	for (;;) {
		fd = accept(listen_fd, NULL, NULL);
		widen(fd);
		for (have = 0;;) {
			n = receive(fd, buf + have, BUFFER - have, poll);
			if (n == 0)
				break;
			have += n;
			if (have < sizeof(h))
				continue;
			memcpy(&h, buf, sizeof(h));
			if (have < sizeof(h) + h.length)
				continue;
			send_all(fd, buf, sizeof(h) + h.length);
			have = 0;
		}
		(void)close(fd);
	}
}

struct peer {
	int	fd;
	size_t	have;
	char	part[4096];	/* of a frame, from one read to the next */
};

/* Every whole frame in buf; answers together.  What is left. */
static size_t
answer(int fd, char *buf, size_t len, char *out)
{
	struct frame_header h;
	size_t at = 0, n = 0;

	while (len - at >= sizeof(h)) {
		memcpy(&h, buf + at, sizeof(h));
		if (len - at < sizeof(h) + h.length)
			break;
		if (h.type != FRAME_CAST) {
			memcpy(out + n, buf + at, sizeof(h) + h.length);
			n += sizeof(h) + h.length;
		}
		at += sizeof(h) + h.length;
	}
	if (n > 0)
		send_all(fd, out, n);
	memmove(buf, buf + at, len - at);
	return len - at;
}

static void
serve_peer(int epfd, struct peer *p, char *buf, char *out)
{
	ssize_t n;

	memcpy(buf, p->part, p->have);
	n = recv(p->fd, buf + p->have, 65536, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		(void)epoll_ctl(epfd, EPOLL_CTL_DEL, p->fd, NULL);
		(void)close(p->fd);
		free(p);
	} else if (n > 0) {
		p->have = answer(p->fd, buf, p->have + (size_t)n, out);
		memcpy(p->part, buf, p->have);
	}
}

static int
wait_some(int epfd, struct epoll_event *ev, bool poll)
{
	uint64_t end = poll ? now_ns() + POLL_NS : 0;
	int n;

	while (poll) {
		n = epoll_wait(epfd, ev, 64, 0);
		if (n > 0)
			return n;
		if (now_ns() > end)
			break;
		(void)sched_yield();
	}
	return epoll_wait(epfd, ev, 64, -1);
}

void
raw_serve_epoll(int listen_fd, bool poll)
{
	char *buf = malloc(65536 + 4096), *out = malloc(65536 + 4096);
	struct epoll_event ev[64], one = { .events = EPOLLIN };
	int epfd = epoll_create1(0), n;
	struct peer *p;

	(void)epoll_ctl(epfd, EPOLL_CTL_ADD, listen_fd, &one);
	for (;;) {
		n = wait_some(epfd, ev, poll);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr != NULL) {
				serve_peer(epfd, ev[i].data.ptr, buf, out);
				continue;
			}
			p = calloc(1, sizeof(*p));
			p->fd = accept(listen_fd, NULL, NULL);
			one.data.ptr = p;
			(void)epoll_ctl(epfd, EPOLL_CTL_ADD, p->fd, &one);
			one.data.ptr = NULL;
		}
	}
}

int
raw_dial(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		_exit(1);
	return fd;
}

void
raw_call(int fd, char *frame, size_t len, bool poll)
{
	struct frame_header h = { .type = FRAME_CALL, .length = (uint32_t)len };
	size_t total = sizeof(h) + len, have, n;

	if (len > 65536)
		widen(fd);
	memcpy(frame, &h, sizeof(h));
	send_all(fd, frame, total);
	for (have = 0; have < total; have += n) {
		n = receive(fd, frame + have, total - have, poll);
		if (n == 0)
			_exit(0);
	}
}

void
raw_window(int fd, size_t len, long n, int window)
{
	struct frame_header h = { .type = FRAME_CALL, .length = (uint32_t)len };
	size_t total = sizeof(h) + len, have = 0, got;
	char *out = calloc((size_t)window, total), *in = malloc(65536);
	long sent = window, done = 0, more;

	for (int i = 0; i < window; i++)
		memcpy(out + (size_t)i * total, &h, sizeof(h));
	send_all(fd, out, (size_t)window * total);
	while (done < n) {
		got = receive(fd, in, 65536, true);
		if (got == 0)
			_exit(0);
		have += got;
		more = (long)(have / total);
		have %= total;
		done += more;
		if (more > n - sent)
			more = n - sent > 0 ? n - sent : 0;
		send_all(fd, out, (size_t)more * total);
		sent += more;
	}
	free(out);
	free(in);
}

void
raw_casts(int fd, size_t len, long n)
{
	struct frame_header h = { .type = FRAME_CAST, .length = (uint32_t)len };
	size_t total = sizeof(h) + len, at = 0;
	char *cork = malloc(RAW_CORK + total), *payload = calloc(1, len);

	for (long i = 0; i < n; i++) {
		memcpy(cork + at, &h, sizeof(h));
		memcpy(cork + at + sizeof(h), payload, len);
		at += total;
		if (at >= RAW_CORK) {
			send_all(fd, cork, at);
			at = 0;
		}
	}
	send_all(fd, cork, at);
	raw_call(fd, cork, len, true);
	free(payload);
	free(cork);
}
