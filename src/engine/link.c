/* SPDX-License-Identifier: ISC */
/*
 * Channels of records; see link.h.  Never blocks, never interprets a record.
 */
#include "engine/link.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/crashpoint.h"

void
link_init(struct link *l, int fd)
{
	*l = (struct link){ .fd = fd, .in = xcalloc(1, SPAWN_MSG_MAX) };
}

void
link_done(struct link *l)
{
	for (uint32_t i = 0; i < l->nholds; i++)
		(void)close(l->holds[i].fd);
	free(l->holds);
	free(l->in);
	out_done(&l->queue);
}

void
link_put_record(struct link *l, const struct spawn_header *h, uint64_t inc)
{
	static const char zeros[8];
	size_t at = l->queue.len;

	out_bytes(&l->queue, h, h->len);
	out_bytes(&l->queue, zeros, spawn_padded(h->len) - h->len);
	memcpy(l->queue.text + at + offsetof(struct spawn_header, inc), &inc,
	    sizeof(inc));
}

void
link_put(struct link *l, uint16_t type, uint64_t inc, const void *body,
    size_t len)
{
	struct spawn_header h = { .len = (uint32_t)(sizeof(h) + len),
	    .type = type, .inc = inc };
	static const char zeros[8];

	out_bytes(&l->queue, &h, sizeof(h));
	out_bytes(&l->queue, body, len);
	out_bytes(&l->queue, zeros, spawn_padded(h.len) - h.len);
}

void
link_hold(struct link *l, uint64_t key, int fd)
{
	l->holds = xgrow(l->holds, &l->holds_cap, l->nholds,
	    sizeof(*l->holds));
	l->holds[l->nholds].key = key;
	l->holds[l->nholds++].fd = fd;
	link_put(l, SPAWN_HOLD, key, "", 0);
}

/* Whole records from p that fit one message; a HOLD goes alone. */
static size_t
message_len(const char *p, size_t len)
{
	size_t at = 0;

	while (at < len) {
		const struct spawn_header *h = (const void *)(p + at);
		size_t next = at + spawn_padded(h->len);

		if (at > 0 && (next > crashpoint_part(SPAWN_MSG_MAX, 1) ||
		    h->type == SPAWN_HOLD))
			break;
		at = next;
		if (h->type == SPAWN_HOLD)
			break;
	}
	return at;
}

static ssize_t
send_message(struct link *l, const char *p, size_t len)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	const struct spawn_header *h = (const void *)p;
	ssize_t n;

	if (h->type == SPAWN_HOLD) {
		memset(&control, 0, sizeof(control));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control.room);
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		control.h.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.h), &l->holds[0].fd, sizeof(int));
	}
	do {
		n = sendmsg(l->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0 && h->type == SPAWN_HOLD) {
		(void)close(l->holds[0].fd);
		memmove(l->holds, l->holds + 1,
		    --l->nholds * sizeof(*l->holds));
	}
	return n;
}

int
link_flush(struct link *l)
{
	while (l->sent < l->queue.len) {
		const char *p = l->queue.text + l->sent;
		size_t len = message_len(p, l->queue.len - l->sent);

		crashpoint();
		/* The last: the user has too many descriptors on their way. */
		if (send_message(l, p, len) < 0)
			return errno == EAGAIN || errno == ENOMEM ||
			    errno == ENOBUFS || errno == ETOOMANYREFS ? 1 :
			    -errno;
		l->sent += len;
	}
	l->sent = 0;
	l->queue.len = 0;
	if (l->queue.size > 4 * SPAWN_MSG_MAX)
		out_done(&l->queue);
	return 0;
}

static int
received_fd(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd;

	if (c == NULL || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int
link_read(struct link *l, link_record_fn *fn, void *arg)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = l->in, .iov_len = SPAWN_MSG_MAX };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control.room) };
	const struct spawn_header *h;
	size_t at, len;
	ssize_t n;
	int fd;

	do {
		n = recvmsg(l->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ENOTCONN;
	if (n < 0)		/* short of memory it is there next time, too */
		return errno == EAGAIN || errno == ENOMEM ||
		    errno == ENOBUFS ? 0 : -errno;
	fd = received_fd(&m);
	len = (size_t)n;
	for (at = 0; at < len; at += spawn_padded(h->len)) {
		if (spawn_next(l->in + at, len - at, &h) < 0)
			return -EBADMSG;
		crashpoint();
		fn(arg, h, fd);
		fd = -1;
	}
	return 1;
}
