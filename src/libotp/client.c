/* SPDX-License-Identifier: ISC */
/*
 * The caller's side, for programs that have nothing to do but wait for the
 * answer.  Every wait ends at the caller's deadline; a reply that comes after
 * it is recognised by its ref and dropped.
 */
#include "libotp/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "libotp/peer.h"
#include "wire/address.h"
#include "wire/frame.h"

#define REPLY_MAX	(256U * 1024 * 1024)	/* put together of its parts */
#define NSEC		1000000000U

struct text {			/* a payload that comes in parts */
	char	*data;		/* NUL-ended beyond len */
	size_t	 len;
	bool	 whole;		/* its last part has come */
};

struct client {
	struct peer	*peer;
	uint64_t	 ref;		/* of the last call */
	struct text	 reply, info;
	uint16_t	 error_tag;
	char		*error;
	char		*down;		/* last words, or NULL */
	uint64_t	 late_at;
	void		(*late)(void *);	/* or NULL */
	void		*late_arg;
};

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

static void
text_release(struct text *t)
{
	free(t->data);
	*t = (struct text){ 0 };
}

static int
text_append(struct text *t, const void *data, size_t len)
{
	char *more;

	if (t->whole)
		text_release(t);
	if (len > REPLY_MAX - t->len)
		return -EMSGSIZE;
	more = realloc(t->data, t->len + len + 1);
	if (more == NULL)
		return -ENOMEM;
	memcpy(more + t->len, data, len);
	t->data = more;
	t->len += len;
	more[t->len] = '\0';
	return 0;
}

/*
 * connect() on a blocking socket waits for a place in a full backlog, and that
 * for SO_SNDTIMEO at most; a non-blocking one could only try again and again.
 */
static int
connect_until(int fd, const struct sockaddr_un *to, uint64_t deadline)
{
	struct timeval tv;
	uint64_t now;

	for (;;) {
		now = now_ns();
		if (deadline != 0 && now >= deadline)
			return -ETIMEDOUT;
		if (deadline != 0) {
			tv.tv_sec = (time_t)((deadline - now) / NSEC);
			tv.tv_usec = (suseconds_t)((deadline - now) % NSEC /
			    1000 + 1);
			if (tv.tv_usec >= 1000000)
				tv.tv_usec = 999999;
			(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv,
			    sizeof(tv));
		}
		if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
			return 0;
		if (errno != EINTR && errno != EAGAIN)
			return errno == EPERM ? -EACCES : -errno;
	}
}

static int
connect_path(const char *path, uint64_t deadline)
{
	struct sockaddr_un to;
	int dir, fd, rc;

	rc = wire_address(path, &to, &dir);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -errno : connect_until(fd, &to, deadline);
	if (rc < 0 && fd >= 0)
		(void)close(fd);
	if (dir >= 0)
		(void)close(dir);
	return rc < 0 ? rc : fd;
}

void
client_when_late(struct client *c, uint64_t at, void (*fn)(void *arg),
    void *arg)
{
	c->late_at = at;
	c->late = fn;
	c->late_arg = arg;
}

/* It may take its time: who waits for something to read looks again. */
static void
be_late(struct client *c)
{
	void (*fn)(void *) = c->late;

	c->late = NULL;
	fn(c->late_arg);
}

/* Send what is queued and wait until there is something to read, or time. */
static int
wait_ready(struct client *c, uint64_t deadline)
{
	struct pollfd pfd = { .fd = peer_fd(c->peer), .events = POLLIN };
	bool late = c->late != NULL && (deadline == 0 || c->late_at < deadline);
	uint64_t now, left, until = late ? c->late_at : deadline;
	int ms = -1, rc;

	/* An error shows again when reading, after what was said before it. */
	if (peer_flush(c->peer) == 1)
		pfd.events |= POLLOUT;
	if (until != 0) {
		now = now_ns();
		if (now >= until && !late)
			return -ETIMEDOUT;
		if (now >= until) {
			be_late(c);
			return 0;
		}
		left = (until - now + 999999) / 1000000;
		ms = left > INT_MAX ? INT_MAX : (int)left;
	}
	rc = poll(&pfd, 1, ms);
	if (rc < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static int
keep_words(char **at, const struct frame_header *h, const void *words)
{
	char *text = malloc((size_t)h->length + 1);

	if (text == NULL)
		return -ENOMEM;
	memcpy(text, words, h->length);
	text[h->length] = '\0';
	free(*at);
	*at = text;
	return 0;
}

static int
take_error(struct client *c, const struct frame_header *h, const void *words)
{
	int rc = keep_words(&c->error, h, words);

	c->error_tag = h->tag;
	return rc < 0 ? rc : -EREMOTEIO;
}

/*
 * The frames that have come, up to the first that ends something: 1 when a
 * payload is whole, 0 when more must come, or a negative errno.  What belongs
 * to a call that was given up is passed over.
 */
static int
take_frames(struct client *c)
{
	struct frame_header h;
	const void *payload;
	struct text *t;
	int rc;

	while ((rc = peer_next(c->peer, &h, &payload)) == 1) {
		if (h.type == FRAME_ERROR && (h.ref == c->ref || h.ref == 0))
			return take_error(c, &h, payload);
		if (h.type == FRAME_DOWN && h.ref == 0)
			(void)keep_words(&c->down, &h, payload);
		if (h.ref != c->ref)
			continue;
		if (h.type == FRAME_REPLY)
			t = &c->reply;
		else if (h.type == FRAME_INFO)
			t = &c->info;
		else
			continue;
		rc = text_append(t, payload, h.length);
		if (rc < 0)
			return rc;
		t->whole = (h.flags & FRAME_F_MORE) == 0;
		if (t->whole)
			return 1;
	}
	return rc;
}

/* Until a payload is whole. */
static int
await(struct client *c, uint64_t deadline)
{
	int rc;

	for (;;) {
		rc = take_frames(c);
		if (rc != 0)
			return rc;
		rc = wait_ready(c, deadline);
		if (rc < 0)
			return rc;
		rc = peer_read(c->peer);
		if (rc < 0)
			return rc;
	}
}

/* A server that turns us away greets first and then says why. */
static int
greet(struct client *c, uint64_t deadline)
{
	int rc;

	for (;;) {
		rc = take_frames(c);
		if (rc == -EREMOTEIO)
			return c->error_tag == FRAME_E_REFUSED ? -EACCES :
			    -EPROTO;
		if (rc < 0)
			return rc;
		if (peer_greeted(c->peer))
			return 0;
		rc = wait_ready(c, deadline);
		if (rc < 0)
			return rc;
		rc = peer_read(c->peer);
		if (rc < 0)
			return rc;
	}
}

static struct peer *
peer_for(int fd)
{
	static const struct frame_hello hello = { .pid = 0 };
	static const struct peer_limits limits = {
		.max_payload = FRAME_SERVER_MAX,
		.max_queued = 2U * FRAME_SERVER_MAX
	};

	return peer_new(fd, &hello, NULL, NULL, &limits);
}

struct client *
client_open(const char *socket_path, uint64_t deadline)
{
	struct client *c;
	int fd, rc;

	fd = connect_path(socket_path, deadline);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		(void)close(fd);
		errno = ENOMEM;
		return NULL;
	}
	c->peer = peer_for(fd);
	rc = c->peer == NULL ? -errno : greet(c, deadline);
	if (rc < 0) {
		client_close(c);
		errno = -rc;
		return NULL;
	}
	return c;
}

void
client_close(struct client *c)
{
	if (c == NULL)
		return;
	peer_free(c->peer);
	text_release(&c->reply);
	text_release(&c->info);
	free(c->error);
	free(c->down);
	free(c);
}

static int
start_call(struct client *c, uint8_t type, uint16_t tag, const char *payload,
    size_t len, uint64_t deadline)
{
	struct frame_header h = { .type = type, .tag = tag,
	    .deadline = deadline };

	text_release(&c->reply);
	text_release(&c->info);
	if (len > UINT32_MAX)
		return -EMSGSIZE;
	h.length = (uint32_t)len;
	h.ref = ++c->ref;
	return peer_send(c->peer, &h, payload);
}

static int
hear(struct client *c, uint64_t deadline, client_info_fn *fn, void *arg)
{
	int rc;

	do {
		rc = await(c, deadline);
		if (rc < 0)
			return rc;
		if (c->reply.whole)
			return 0;
		rc = fn(arg, c->info.data, c->info.len);
	} while (rc == 0);
	return rc;
}

int
client_stream(struct client *c, const char *payload, size_t len,
    uint64_t deadline, client_info_fn *fn, void *arg)
{
	int rc = start_call(c, FRAME_CALL, 0, payload, len, deadline);

	return rc < 0 ? rc : hear(c, deadline, fn, arg);
}

int
client_follow(struct client *c, uint64_t deadline, client_info_fn *fn,
    void *arg)
{
	text_release(&c->reply);
	return hear(c, deadline, fn, arg);
}

static int
ignore_info(void *arg, const char *payload, size_t len)
{
	(void)arg;
	(void)payload;
	(void)len;
	return 0;
}

int
client_request(struct client *c, uint8_t type, uint16_t tag,
    const char *payload, size_t len, uint64_t deadline, char **out,
    size_t *out_len)
{
	int rc = start_call(c, type, tag, payload, len, deadline);

	if (rc == 0)
		rc = hear(c, deadline, ignore_info, NULL);
	if (rc < 0)
		return rc;
	*out = c->reply.data;
	*out_len = c->reply.len;
	c->reply = (struct text){ 0 };
	return 0;
}

int
client_call(struct client *c, const char *payload, size_t len,
    uint64_t deadline, char **out, size_t *out_len)
{
	return client_request(c, FRAME_CALL, 0, payload, len, deadline, out,
	    out_len);
}

/* What comes meanwhile is read, so that neither side waits for the other. */
int
client_send(struct client *c, uint8_t type, const char *payload, size_t len,
    uint64_t deadline)
{
	int rc = start_call(c, type, 0, payload, len, deadline);

	while (rc == 0) {
		rc = peer_flush(c->peer);
		if (rc <= 0)
			return rc;
		rc = wait_ready(c, deadline);
		if (rc == 0)
			rc = peer_read(c->peer);
		if (rc >= 0)
			rc = take_frames(c);
	}
	return rc < 0 ? rc : -EPROTO;	/* an answer that nobody asked for */
}

int
client_fd(const struct client *c)
{
	return peer_fd(c->peer);
}

bool
client_unsent(const struct client *c)
{
	return peer_pending(c->peer);
}

int
client_post(struct client *c, const char *payload, size_t len,
    uint64_t *out_ref)
{
	int rc = start_call(c, FRAME_CALL, 0, payload, len, 0);

	if (rc == 0)
		*out_ref = c->ref;
	return rc;
}

int
client_turn(struct client *c, client_reply_fn *fn, void *arg)
{
	struct frame_header h;
	const void *payload;
	int rc, got;

	do {
		got = peer_read(c->peer);
		while ((rc = peer_next(c->peer, &h, &payload)) == 1)
			if (h.type == FRAME_REPLY || h.type == FRAME_ERROR)
				fn(arg, h.ref, h.type == FRAME_ERROR ? h.tag :
				    0, payload, h.length);
	} while (got == 1 && rc == 0);
	if (got < 0 || rc < 0)
		return got < 0 ? got : rc;
	rc = peer_flush(c->peer);
	return rc < 0 ? rc : 0;
}

const char *
client_reply(const struct client *c, size_t *out_len)
{
	*out_len = c->reply.len;
	return c->reply.data == NULL ? "" : c->reply.data;
}

const char *
client_error(const struct client *c, uint16_t *out_tag)
{
	*out_tag = c->error_tag;
	return c->error == NULL ? "" : c->error;
}

const struct frame_hello *
client_hello(const struct client *c, const char **out_path)
{
	const char *name;

	return peer_hello(c->peer, &name, out_path);
}

const char *
client_last_words(const struct client *c)
{
	return c->down == NULL ? "" : c->down;
}
