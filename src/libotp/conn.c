/* SPDX-License-Identifier: ISC */
/*
 * One connection: frames out of what was received, frames gathered for one
 * send.  Nothing here blocks or closes; memory follows what has arrived, not
 * what was announced.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "libotp/serve.h"

#define HELLO_MAX	8192		/* payload of a HELLO */
#define SMALL_REST	4096		/* of a frame: kept in a buffer its size */
#define WAY_NS		50000U		/* for a reader to make room */

OTPI_HOT uint64_t
otpi_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * OTPI_NSEC + (uint64_t)ts.tv_nsec;
}

static int
lost(int error)
{
	if (error == EAGAIN || error == EWOULDBLOCK)
		return -EAGAIN;
	return error == EPIPE || error == ECONNRESET ? -ENOTCONN : -error;
}

/* A frame's payload is followed by a NUL; here what stood there comes back. */
static void
restore(struct otpi_conn *c)
{
	if (c->nul)
		c->in.data[c->in.pos] = (uint8_t)c->under;
	c->nul = false;
}

/* Room for the next read: all of the frame at the head, if half has come. */
static int
make_room(struct otp *o, struct otpi_conn *c)
{
	struct otpi_buf *b = &c->in;
	size_t have = b->end - b->pos, want = OTPI_READ;
	struct frame_header h;

	if (c->bulky)
		want = 2 * OTPI_READ;
	if (have >= FRAME_HEADER_LEN) {
		memcpy(&h, b->data + b->pos, sizeof(h));
		c->bulky = h.length > OTPI_READ;
		if (h.length > OTPI_READ / 2)
			want = (size_t)h.length + FRAME_HEADER_LEN - have;
		if (want > have + OTPI_READ)
			want = have + OTPI_READ;
		if (want < OTPI_READ / 2)
			want = OTPI_READ / 2;
	}
	if (have == 0) {
		otpi_buf_weigh(o, b);
		b->pos = b->end = 0;
	}
	return otpi_buf_room(o, b, want + 1);
}

/* As otpi_conn_recv; flags 0: sleep, until a signal if nothing else. */
OTPI_HOT static int
receive(struct otp *o, struct otpi_conn *c, int flags)
{
	struct otpi_buf *b = &c->in;
	ssize_t n;
	int rc;

	restore(c);
	rc = make_room(o, c);
	if (rc < 0)
		return rc;
	do
		n = recv(c->fd, b->data + b->end, b->cap - b->end - 1, flags);
	while (n < 0 && errno == EINTR && flags != 0);
	if (n > 0) {
		b->end += (size_t)n;
		o->received += (size_t)n;
		return 1;
	}
	rc = n == 0 ? -ENOTCONN : lost(errno);
	otpi_conn_rest(o, c);
	return rc == -EAGAIN || rc == -EINTR ? 0 : rc;
}

/* Read once: 1, 0 when there is nothing now, -ENOTCONN at the end. */
OTPI_HOT int
otpi_conn_recv(struct otp *o, struct otpi_conn *c)
{
	if (c->kind == OTPI_DEST && ((struct otpi_dest *)c)->sink != NULL)
		return otpi_dest_recv(o, (struct otpi_dest *)c);
	return receive(o, c, MSG_DONTWAIT);
}

/* May a recv() from c sleep?  Most calls want about the same time again. */
static bool
may_sleep(struct otpi_conn *c, uint32_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000,
	    .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	if (c->sleep_ms <= ms && c->sleep_ms > ms / 2)
		return true;
	if (setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
	    (c->sleep_ms == 0 && fcntl(c->fd, F_SETFL, 0) < 0))
		return false;
	c->sleep_ms = ms;
	return true;
}

/*
 * As otpi_conn_recv, but sleeps until something comes, for about ms and never
 * much more.  -EOPNOTSUPP: not on this connection, or not now.
 */
OTPI_HOT int
otpi_conn_sleep(struct otp *o, struct otpi_conn *c, uint32_t ms)
{
	if (c->kind != OTPI_DEST || ((struct otpi_dest *)c)->sink != NULL ||
	    otpi_conn_queued(c) > 0 || !may_sleep(c, ms))
		return -EOPNOTSUPP;
	return receive(o, c, 0);
}

OTPI_HOT ssize_t
otpi_conn_nap(struct otpi_conn *c, uint32_t ms, void *buf, size_t size)
{
	return may_sleep(c, ms) ? recv(c->fd, buf, size, 0) : -1;
}

/*
 * A NUL is put behind each payload, on the next frame's length, which is kept:
 * to read it back where it was just written to would cost more than all else.
 */
static void
terminate(struct otpi_conn *c)
{
	uint8_t *next = c->in.data + c->in.pos;

	if (c->in.end - c->in.pos >= sizeof(c->under_length))
		memcpy(&c->under_length, next, sizeof(c->under_length));
	c->under = (char)*next;
	c->nul = true;
	*next = '\0';
}

/* There is no whole frame: the parser knows why not. */
static __attribute__((noinline)) int
none(struct otpi_conn *c, uint32_t max, struct frame_header *h)
{
	struct otpi_buf *b = &c->in;

	restore(c);
	return (int)frame_parse(b->data + b->pos, b->end - b->pos, max, h);
}

OTPI_HOT int
otpi_conn_next(struct otp *o, struct otpi_conn *c, struct frame_header *h,
    char **payload)
{
	struct otpi_buf *b = &c->in;
	uint32_t max = c->greeted ? o->max_payload : HELLO_MAX, length;
	uint8_t *at = b->data + b->pos;
	size_t have = b->end - b->pos;

	if (have < FRAME_HEADER_LEN)
		return 0;
	if (c->nul)
		length = c->under_length;
	else
		memcpy(&length, at, sizeof(length));
	h->type = at[offsetof(struct frame_header, type)];
	if (length > max || have < FRAME_HEADER_LEN + (size_t)length ||
	    h->type == 0 || h->type >= FRAME_NTYPES)
		return none(c, max, h);
	h->length = length;
	memcpy((char *)h + sizeof(length), at + sizeof(length),
	    FRAME_HEADER_LEN - sizeof(length));
	b->pos += FRAME_HEADER_LEN + (size_t)length;
	terminate(c);
	*payload = (char *)at + FRAME_HEADER_LEN;
	return 1;
}

/* No whole frame is left: give the buffer back, keep what little there is. */
OTPI_HOT void
otpi_conn_rest(struct otp *o, struct otpi_conn *c)
{
	struct otpi_buf *b = &c->in;
	size_t have = b->end - b->pos;
	uint8_t *data;

	restore(c);
	if (have == 0) {
		otpi_buf_drop(o, b);
		return;
	}
	if (have > SMALL_REST || b->cap <= OTPI_READ)
		return;
	data = malloc(have + 1);
	if (data == NULL)
		return;
	memcpy(data, b->data + b->pos, have);
	otpi_buf_drop(o, b);
	*b = (struct otpi_buf){ .data = data, .end = have, .cap = have + 1 };
}

bool
otpi_conn_ripe(const struct otpi_conn *c)
{
	return c->out.end - c->out.pos >= c->full + OTPI_CORK;
}

/* Behind its like: callers stand behind all others. */
OTPI_HOT void
otpi_dirty(struct otp *o, struct otpi_conn *c)
{
	bool said = c->kind != OTPI_CALLER;
	struct otpi_conn **at = said ? o->said_end : o->dirty_end;

	if (c->dirty)
		return;
	c->dirty = true;
	c->next_dirty = *at;
	*at = c;
	if (o->dirty_end == at)
		o->dirty_end = &c->next_dirty;
	if (said)
		o->said_end = &c->next_dirty;
	o->said |= said;
	if (o->dirty == c && o->srv != NULL)
		otpi_arm_timerfd(o);
}

OTPI_HOT void
otpi_undirty(struct otp *o, struct otpi_conn *c)
{
	struct otpi_conn **at = &o->dirty;

	if (!c->dirty)
		return;
	while (*at != c)
		at = &(*at)->next_dirty;
	*at = c->next_dirty;
	if (o->dirty_end == &c->next_dirty)
		o->dirty_end = at;
	if (o->said_end == &c->next_dirty)
		o->said_end = at;
	c->dirty = false;
}

/* n bytes have gone: how much of a frame that was begun is still here? */
static void
gone(struct otpi_conn *c, size_t n)
{
	struct otpi_buf *b = &c->out;
	size_t at = b->pos + c->cut, end = b->pos + n;
	struct frame_header h;

	c->sent += n;
	while (at < end && end < b->end) {
		memcpy(&h, b->data + at, sizeof(h));
		at += FRAME_HEADER_LEN + (size_t)h.length;
	}
	c->cut = at > end ? at - end : 0;
	b->pos = end;
}

void
otpi_conn_to_frame(struct otpi_conn *c)
{
	c->out.pos += c->cut;
	c->cut = 0;
}

OTPI_HOT int
otpi_conn_flush(struct otp *o, struct otpi_conn *c)
{
	struct otpi_buf *b = &c->out;
	ssize_t n;
	int rc;

	while (b->pos < b->end) {
		if (c->fd < 0 || c->dead != 0)
			return c->dead != 0 ? c->dead : -ENOTCONN;
		n = send(c->fd, b->data + b->pos, b->end - b->pos,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			gone(c, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		rc = lost(errno);
		c->full = b->end - b->pos;
		return rc == -EAGAIN ? 1 : rc;
	}
	c->cut = c->full = 0;
	otpi_buf_drop(o, b);
	return 0;
}

/* The header and the payload from byte done on: bytes sent, or -errno. */
static ssize_t
send_rest(struct otpi_conn *c, const uint8_t *header, const char *payload,
    size_t len, size_t done)
{
	size_t skip = done < FRAME_HEADER_LEN ? done : FRAME_HEADER_LEN;
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)(header + skip), FRAME_HEADER_LEN - skip },
		{ (void *)(uintptr_t)(payload + (done - skip)),
		    len - (done - skip) } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	do
		n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/*
 * All that is queued, then the frame, as far as it goes.  A reader that keeps
 * up makes room in microseconds, which are fewer than a copy would take; and a
 * larger pipe would only fall out of the cache.
 */
static size_t
send_through(struct otp *o, struct otpi_conn *c, const uint8_t *header,
    const char *payload, size_t len)
{
	uint64_t now = 0, end = 0;
	size_t done = 0;
	ssize_t n;

	if (otpi_conn_queued(c) > 0 && otpi_conn_flush(o, c) != 0)
		return 0;
	for (;;) {
		n = send_rest(c, header, payload, len, done);
		if (n > 0)
			done += (size_t)n;
		if (done == FRAME_HEADER_LEN + len || (n < 0 && n != -EAGAIN))
			return done;
		now = otpi_now();
		if (n > 0 || end == 0)
			end = now + WAY_NS;
		if (now >= end || !otpi_give_way(o, &now))
			return done;
	}
}

/* Field by field: loads as wide as the stores before them are not held up. */
static void
encode(uint8_t *to, const struct frame_header *h)
{
	memcpy(to + offsetof(struct frame_header, length), &h->length,
	    sizeof(h->length));
	to[offsetof(struct frame_header, type)] = h->type;
	to[offsetof(struct frame_header, flags)] = h->flags;
	memcpy(to + offsetof(struct frame_header, tag), &h->tag,
	    sizeof(h->tag));
	memcpy(to + offsetof(struct frame_header, ref), &h->ref,
	    sizeof(h->ref));
	memcpy(to + offsetof(struct frame_header, deadline), &h->deadline,
	    sizeof(h->deadline));
}

/* What is left of a frame of which done bytes have gone. */
static __attribute__((noinline)) int
put_rest(struct otp *o, struct otpi_conn *c, const struct frame_header *h,
    const void *payload, size_t done)
{
	size_t total = FRAME_HEADER_LEN + (size_t)h->length, n;
	uint8_t header[FRAME_HEADER_LEN];

	encode(header, h);
	if (otpi_buf_room(o, &c->out, total - done) < 0) {
		if (done > 0 && c->kind != OTPI_CALLER)
			c->dead = -ENOMEM;	/* half a frame stays half */
		return -ENOMEM;
	}
	if (done > 0)
		c->cut = total - done;
	n = done < FRAME_HEADER_LEN ? FRAME_HEADER_LEN - done : 0;
	memcpy(c->out.data + c->out.end, header + FRAME_HEADER_LEN - n, n);
	memcpy(c->out.data + c->out.end + n, (const char *)payload +
	    (done + n - FRAME_HEADER_LEN), total - done - n);
	c->out.end += total - done;
	otpi_dirty(o, c);
	return 0;
}

/* A big frame goes out at once as far as it will; the rest is queued. */
static int
put_big(struct otp *o, struct otpi_conn *c, const struct frame_header *h,
    const void *payload)
{
	uint8_t header[FRAME_HEADER_LEN];
	size_t done = 0;

	encode(header, h);
	if (c->fd >= 0 && c->dead == 0)
		done = send_through(o, c, header, payload, h->length);
	c->sent += done;
	return done == FRAME_HEADER_LEN + (size_t)h->length ? 0 :
	    put_rest(o, c, h, payload, done);
}

/* As otpi_conn_put, past the queue.  An error of the connection shows later. */
OTPI_HOT int
otpi_conn_say(struct otp *o, struct otpi_conn *c, const struct frame_header *h,
    const void *payload, uint8_t frame[OTPI_SMALL_FRAME])
{
	size_t total = FRAME_HEADER_LEN + (size_t)h->length;
	ssize_t n;

	encode(frame, h);
	if (h->length > 0)
		memcpy(frame + FRAME_HEADER_LEN, payload, h->length);
	n = send(c->fd, frame, total, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		n = 0;
	c->sent += (size_t)n;
	return (size_t)n == total ? 0 : put_rest(o, c, h, payload, (size_t)n);
}

/*
 * Queue a frame; a big one goes out at once as far as it will, without being
 * copied.  0, -ENOMEM, -EMSGSIZE.  An error of the connection shows later.
 */
OTPI_HOT int
otpi_conn_put(struct otp *o, struct otpi_conn *c, const struct frame_header *h,
    const void *payload)
{
	struct otpi_buf *b = &c->out;
	size_t total = FRAME_HEADER_LEN + (size_t)h->length;

	if (c->greeted && h->length > c->max_payload)
		return -EMSGSIZE;
	if (h->length >= OTPI_BIG)
		return put_big(o, c, h, payload);
	if (b->cap - b->end < total && otpi_buf_room(o, b, total) < 0)
		return -ENOMEM;
	encode(b->data + b->end, h);
	if (h->length > 0)
		memcpy(b->data + b->end + FRAME_HEADER_LEN, payload,
		    h->length);
	b->end += total;
	if (!c->dirty)
		otpi_dirty(o, c);
	return 0;
}

/* Room in a buffer that will be sent anyway: most casts find this. */
bool
otpi_conn_add(struct otpi_conn *c, uint8_t type, const void *payload,
    size_t len)
{
	const struct frame_header h = { .length = (uint32_t)len, .type = type };
	struct otpi_buf *b = &c->out;
	uint8_t *at = b->data + b->end;

	if (!c->dirty || len > OTPI_SMALL ||
	    b->cap - b->end < FRAME_HEADER_LEN + len ||
	    b->end - b->pos + FRAME_HEADER_LEN + len >= c->full + OTPI_CORK)
		return false;
	encode(at, &h);
	if (len > 0)
		memcpy(at + FRAME_HEADER_LEN, payload, len);
	b->end += FRAME_HEADER_LEN + len;
	return true;
}

int
otpi_conn_hello(struct otp *o, struct otpi_conn *c,
    const struct frame_hello *hello, const char *name, const char *path)
{
	struct frame_header h = { .type = FRAME_HELLO };
	struct frame_hello fixed = *hello;
	char payload[sizeof(fixed) + 1024];
	size_t len = sizeof(fixed), n;

	fixed.magic = FRAME_MAGIC;
	fixed.version = FRAME_VERSION;
	fixed.max_payload = o->max_payload;
	memcpy(payload, &fixed, sizeof(fixed));
	for (int i = 0; name != NULL && i < 2; i++) {
		n = strlen(i == 0 ? name : path) + 1;
		if (n > sizeof(payload) - len)
			return -EMSGSIZE;
		memcpy(payload + len, i == 0 ? name : path, n);
		len += n;
	}
	h.length = (uint32_t)len;
	return otpi_conn_put(o, c, &h, payload);
}

/* The first frame of the other side.  -EPROTO when it is none. */
int
otpi_conn_take_hello(struct otpi_conn *c, const struct frame_header *h,
    const char *payload, struct frame_hello *out)
{
	struct frame_hello hello;

	if (h->type != FRAME_HELLO || h->length < sizeof(hello))
		return -EPROTO;
	memcpy(&hello, payload, sizeof(hello));
	if (hello.magic != FRAME_MAGIC || hello.version != FRAME_VERSION ||
	    hello.max_payload < OTPI_SMALL)
		return -EPROTO;
	c->greeted = true;
	c->max_payload = hello.max_payload;
	*out = hello;
	return 0;
}

void
otpi_conn_clear(struct otp *o, struct otpi_conn *c)
{
	otpi_undirty(o, c);
	/* A process forked meanwhile may have it, and keep it there. */
	if (c->events != 0 && o->srv != NULL)
		(void)epoll_ctl(o->srv->epfd, EPOLL_CTL_DEL, c->fd, NULL);
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	c->events = 0;
	c->nul = c->greeted = c->bulky = false;
	c->sleep_ms = 0;
	otpi_buf_drop(o, &c->in);
	otpi_buf_drop(o, &c->out);
	c->cut = 0;
}
