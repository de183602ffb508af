/* SPDX-License-Identifier: ISC */
/*
 * One end of a connection.  Each direction has one buffer, which exists only
 * while there is something in it: an idle connection costs this struct.
 *
 * The other side is a stranger.  Memory follows what it has sent, never what
 * it has announced; nothing here blocks, raises SIGPIPE, or lets a passed
 * descriptor into this process.
 */
#include "libotp/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BUFFER_MIN	256
#define READ_SPILL	(64 * 1024)	/* of one read into an idle peer */
#define HELLO_MAX	8192		/* payload of a HELLO */
#define LARGE		(128 * 1024)	/* a frame that wants a larger pipe */
#define LARGE_SNDBUF	(1024 * 1024)

struct buffer {
	uint8_t	*data;		/* NULL while empty */
	size_t	 pos, end, cap;	/* what counts is data[pos..end) */
};

struct peer {
	int			 fd;
	bool			 greeted;
	bool			 resumed;	/* its HELLO may have been read */
	bool			 large;		/* LARGE_SNDBUF is set */
	bool			 leaves;	/* what is read stays there */
	bool			 stuck;		/* by half a frame */
	size_t			 left;		/* bytes read and still there */
	size_t			 cut;		/* to send of a frame begun */
	struct peer_limits	 limits;
	struct frame_hello	 hello;		/* the other's */
	char			*name;		/* and its name NUL path NUL */
	const char		*path;
	struct buffer		 in, out;
};

static size_t
buffer_len(const struct buffer *b)
{
	return b->end - b->pos;
}

static void
buffer_release(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){ 0 };
}

/* Move what is left to the front, and give back most of an oversized rest. */
static void
buffer_compact(struct buffer *b)
{
	size_t len = buffer_len(b), want = 2 * len + BUFFER_MIN;
	uint8_t *less;

	if (len == 0) {
		buffer_release(b);
		return;
	}
	if (b->pos > 0) {
		memmove(b->data, b->data + b->pos, len);
		b->pos = 0;
		b->end = len;
	}
	if (b->cap / 4 > want) {
		less = realloc(b->data, want);
		if (less != NULL) {
			b->data = less;
			b->cap = want;
		}
	}
}

/* Room for more bytes at the end; what is in it may move. */
static int
buffer_reserve(struct buffer *b, size_t more)
{
	size_t cap = b->cap < BUFFER_MIN ? BUFFER_MIN : b->cap;
	uint8_t *data;

	if (b->cap - b->end >= more)
		return 0;
	if (b->pos > 0 && b->pos >= b->end / 2) {
		memmove(b->data, b->data + b->pos, buffer_len(b));
		b->end -= b->pos;
		b->pos = 0;
	}
	if (more > SIZE_MAX / 4 || b->end > SIZE_MAX / 4)
		return -ENOMEM;
	while (cap - b->end < more)
		cap *= 2;
	if (cap == b->cap)
		return 0;
	data = realloc(b->data, cap);
	if (data == NULL)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

static int
buffer_append(struct buffer *b, const void *data, size_t len)
{
	int rc = buffer_reserve(b, len);

	if (rc < 0)
		return rc;
	if (len > 0)
		memcpy(b->data + b->end, data, len);
	b->end += len;
	return 0;
}

static int
queue_frame(struct peer *p, const struct frame_header *h, const void *payload)
{
	uint8_t header[FRAME_HEADER_LEN];
	size_t total = FRAME_HEADER_LEN + (size_t)h->length;
	size_t queued = buffer_len(&p->out);
	int rc;

	if (queued > p->limits.max_queued ||
	    total > p->limits.max_queued - queued)
		return -ENOBUFS;
	rc = buffer_reserve(&p->out, total);
	if (rc < 0)
		return rc;
	frame_encode(h, header);
	(void)buffer_append(&p->out, header, sizeof(header));
	(void)buffer_append(&p->out, payload, h->length);
	return 0;
}

static int
queue_hello(struct peer *p, const struct frame_hello *hello, const char *name,
    const char *path)
{
	struct frame_hello fixed = *hello;
	struct frame_header h = { .type = FRAME_HELLO };
	struct buffer payload = { 0 };
	int rc;

	fixed.magic = FRAME_MAGIC;
	fixed.version = FRAME_VERSION;
	fixed.reserved = 0;
	fixed.max_payload = p->limits.max_payload;
	rc = buffer_append(&payload, &fixed, sizeof(fixed));
	if (rc == 0 && name != NULL)
		rc = buffer_append(&payload, name, strlen(name) + 1);
	if (rc == 0 && name != NULL)
		rc = buffer_append(&payload, path, strlen(path) + 1);
	if (rc == 0 && payload.end > HELLO_MAX)
		rc = -EMSGSIZE;
	if (rc == 0) {
		h.length = (uint32_t)payload.end;
		rc = queue_frame(p, &h, payload.data);
	}
	buffer_release(&payload);
	return rc;
}

struct peer *
peer_new(int fd, const struct frame_hello *hello, const char *name,
    const char *path, const struct peer_limits *limits)
{
	struct peer *p;
	int rc;

	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		(void)close(fd);
		errno = ENOMEM;
		return NULL;
	}
	p->fd = fd;
	p->limits = *limits;
	p->path = "";
	rc = queue_hello(p, hello, name, path == NULL ? "" : path);
	if (rc < 0) {
		peer_free(p);
		errno = -rc;
		return NULL;
	}
	return p;
}

struct peer *
peer_resume(int fd, const struct peer_limits *limits)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		(void)close(fd);
		errno = ENOMEM;
		return NULL;
	}
	p->fd = fd;
	p->limits = *limits;
	p->path = "";
	p->hello.max_payload = PEER_PAYLOAD_MIN;
	p->greeted = p->resumed = true;
	return p;
}

void
peer_free(struct peer *p)
{
	if (p == NULL)
		return;
	(void)close(p->fd);
	buffer_release(&p->in);
	buffer_release(&p->out);
	free(p->name);
	free(p);
}

int
peer_fd(const struct peer *p)
{
	return p->fd;
}

void
peer_leave(struct peer *p)
{
	int from_the_first = 0;

	p->leaves = setsockopt(p->fd, SOL_SOCKET, SO_PEEK_OFF, &from_the_first,
	    sizeof(from_the_first)) == 0;
}

void
peer_take(struct peer *p)
{
	uint8_t gone[READ_SPILL];
	size_t keep = p->stuck ? 0 : buffer_len(&p->in), len;
	ssize_t n;

	p->stuck = false;
	while (p->left > keep) {
		len = p->left - keep;
		n = recv(p->fd, gone, len < sizeof(gone) ? len : sizeof(gone),
		    MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;		/* it shows at the next read */
		p->left -= (size_t)n;
	}
}

static int
lost(int error)
{
	return error == EPIPE || error == ECONNRESET ? -ENOTCONN : -error;
}

/*
 * No room is given for control data, so the kernel itself drops a descriptor
 * that was passed, and says so with MSG_CTRUNC.
 */
static ssize_t
receive(const struct peer *p, struct iovec iov[2])
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	do
		n = recvmsg(p->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC |
		    (p->leaves ? MSG_PEEK : 0));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? -EAGAIN :
		    lost(errno);
	if (msg.msg_flags & MSG_CTRUNC)
		return -EPROTO;
	return n == 0 ? -ENOTCONN : n;
}

/*
 * Straight into the rest of the buffer, and what does not fit there into the
 * stack: thus the buffer is as large as what came, found out in one call.
 */
int
peer_read(struct peer *p)
{
	uint8_t spill[READ_SPILL];
	struct iovec iov[2];
	size_t room, n;
	ssize_t got;
	int rc;

	buffer_compact(&p->in);
	room = p->in.cap - p->in.end;
	iov[0].iov_base = room > 0 ? p->in.data + p->in.end : spill;
	iov[0].iov_len = room;
	iov[1].iov_base = spill;
	iov[1].iov_len = sizeof(spill);
	got = receive(p, iov);
	if (got == -EAGAIN) {
		p->stuck = p->leaves;
		return 0;
	}
	if (got == -ENOMEM || got == -ENOBUFS)
		return 0;	/* the kernel's: it is still there */
	if (got < 0)
		return (int)got;
	n = (size_t)got;
	if (p->leaves)
		p->left += n;
	if (n <= room) {
		p->in.end += n;
		return 1;
	}
	p->in.end += room;
	rc = buffer_append(&p->in, spill, n - room);
	return rc < 0 ? rc : 1;
}

/* name NUL path NUL, as far as they are there; more may follow one day. */
static int
take_names(struct peer *p, const uint8_t *text, size_t len)
{
	const uint8_t *first, *second;

	if (len == 0)
		return 0;
	first = memchr(text, '\0', len);
	if (first == NULL)
		return -EPROTO;
	first++;
	second = memchr(first, '\0', len - (size_t)(first - text));
	if (second == NULL)
		return -EPROTO;
	free(p->name);		/* of one that was resumed, and says it again */
	p->name = malloc((size_t)(second + 1 - text));
	if (p->name == NULL)
		return -ENOMEM;
	memcpy(p->name, text, (size_t)(second + 1 - text));
	p->path = p->name + (first - text);
	return 0;
}

static int
take_hello(struct peer *p, const struct frame_header *h, const uint8_t *payload)
{
	struct frame_hello hello;
	int rc;

	if (h->type != FRAME_HELLO || h->length < sizeof(hello))
		return -EPROTO;
	memcpy(&hello, payload, sizeof(hello));
	if (hello.magic != FRAME_MAGIC || hello.version != FRAME_VERSION ||
	    hello.max_payload < PEER_PAYLOAD_MIN)
		return -EPROTO;
	rc = take_names(p, payload + sizeof(hello), h->length - sizeof(hello));
	if (rc < 0)
		return rc;
	p->hello = hello;
	p->greeted = true;
	return 0;
}

int
peer_next(struct peer *p, struct frame_header *h, const void **payload)
{
	const uint8_t *at;
	uint32_t max;
	long n;
	int rc;

	for (;;) {
		if (p->in.data == NULL)
			return 0;
		at = p->in.data + p->in.pos;
		max = p->greeted ? p->limits.max_payload : HELLO_MAX;
		n = frame_parse(at, buffer_len(&p->in), max, h);
		if (n < 0)
			return (int)n;
		if (n == 0) {
			buffer_compact(&p->in);
			return 0;
		}
		p->in.pos += (size_t)n;
		if (p->greeted && (h->type != FRAME_HELLO || !p->resumed))
			break;
		rc = take_hello(p, h, at + FRAME_HEADER_LEN);
		if (rc < 0)
			return rc;
	}
	if (h->type == FRAME_HELLO)
		return -EPROTO;
	*payload = at + FRAME_HEADER_LEN;
	return 1;
}

bool
peer_greeted(const struct peer *p)
{
	return p->greeted;
}

const struct frame_hello *
peer_hello(const struct peer *p, const char **name, const char **path)
{
	*name = p->name == NULL ? "" : p->name;
	*path = p->path;
	return &p->hello;
}

/* Between cores a large frame goes three times faster through a large pipe. */
static void
widen(struct peer *p)
{
	int size = LARGE_SNDBUF;

	p->large = true;
	(void)setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int
peer_send(struct peer *p, const struct frame_header *h, const void *payload)
{
	if (p->greeted && h->length > p->hello.max_payload)
		return -EMSGSIZE;
	if (h->length > LARGE && !p->large)
		widen(p);
	return queue_frame(p, h, payload);
}

int
peer_error(struct peer *p, uint64_t ref, uint16_t tag, const char *words)
{
	struct frame_header h = { .type = FRAME_ERROR, .tag = tag, .ref = ref };
	size_t len = strlen(words);

	h.length = len < PEER_PAYLOAD_MIN ? (uint32_t)len : PEER_PAYLOAD_MIN;
	return peer_send(p, &h, words);
}

/* The end of the last frame that begins below most bytes from here. */
static size_t
whole_frames(const struct peer *p, size_t most)
{
	const struct buffer *b = &p->out;
	size_t len = p->cut, next = len;
	struct frame_header h;

	while (b->pos + next < b->end) {
		memcpy(&h, b->data + b->pos + next, sizeof(h));
		next += FRAME_HEADER_LEN + (size_t)h.length;
		if (len > 0 && next > most)
			break;
		len = next;
	}
	return len;
}

/*
 * As many whole frames as the kernel takes in one piece or not at all: whoever
 * goes on with the connection finds no half frame, save one larger than that.
 */
int
peer_flush(struct peer *p)
{
	size_t len;
	ssize_t n;

	while (buffer_len(&p->out) > 0) {
		len = whole_frames(p, PEER_WHOLE);
		do
			n = send(p->fd, p->out.data + p->out.pos, len,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 1 :
			    lost(errno);
		p->out.pos += (size_t)n;
		p->cut = len - (size_t)n;
		if (p->cut > 0)
			return 1;
	}
	buffer_release(&p->out);
	return 0;
}

bool
peer_pending(const struct peer *p)
{
	return buffer_len(&p->out) > 0;
}

size_t
peer_queued(const struct peer *p)
{
	return buffer_len(&p->out);
}

bool
peer_partial(const struct peer *p)
{
	return buffer_len(&p->in) > 0;
}
