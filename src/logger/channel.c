/* SPDX-License-Identifier: ISC */
/*
 * What the spawner and the engine tell.  They are two and know nothing of each
 * other's order: the end of a stream (its pipe was released, its settings were
 * forgotten) is acted upon at the end of a turn, when everything that either
 * of them had said before has been heard.  Both tell it all again to a new
 * logger, so everything here may be said twice.  But the engine hears of a new
 * logger when that may have been told of all pipes already, and what lies in
 * the link until then was meant for the one before: lines wait for their name
 * until the engine has told all that it knows.  Should otpd end without a
 * word, the logger goes on for as long as a service writes, or until the next
 * otpd ends it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "logger/logger.h"
#include "wire/spawn_request.h"

#define MESSAGES_PER_TURN	64

union record {			/* aligned as records want to be */
	uint64_t	align;
	char		bytes[SPAWN_MSG_MAX];
};

/* A stream's end: its pipe, or its settings too. */
static void
close_soon(struct logger *lg, uint64_t key)
{
	if (lg->nclosing == lg->closing_size) {
		lg->closing_size = lg->closing_size * 2 + 16;
		lg->closing = xrealloc(lg->closing,
		    lg->closing_size * sizeof(lg->closing[0]));
	}
	lg->closing[lg->nclosing++] = key;
}

static void
forget(struct logger *lg, uint64_t key)
{
	struct stream *s = stream_find(lg, key);

	if (s == NULL) {
		/* Or its pipe is yet to come, and the engine must know its
		 * name then. */
		if (key < lg->told_below)
			answer_forgotten(lg, key);
		return;
	}
	s->flags |= STREAM_FORGOTTEN;
	close_soon(lg, key);
}

static void
drop_pipe(struct logger *lg, uint64_t key)
{
	struct stream *s = stream_find(lg, key);

	if (s == NULL) {
		answer_drained(lg, key);
		return;
	}
	s->flags |= STREAM_DROPPED;
	close_soon(lg, key);
}

static void
settle(struct logger *lg, const struct spawn_header *h)
{
	const char *body = (const char *)(h + 1);
	size_t len = h->len - sizeof(*h);
	const struct stream *s;
	struct log_stream set;

	if (len <= sizeof(set) ||
	    memchr(body + sizeof(set), '\0', len - sizeof(set)) == NULL) {
		say("a stream's settings make no sense");
		return;
	}
	memcpy(&set, body, sizeof(set));
	stream_settle(lg, h->inc, &set, body + sizeof(set));
	s = stream_find(lg, h->inc);
	if (s->flags & STREAM_DROPPED)	/* and has waited for that */
		close_soon(lg, h->inc);
}

static void
all_told(struct logger *lg, const struct spawn_header *h)
{
	const struct log_told *told = (const void *)(h + 1);
	const struct stream *s;
	size_t i;

	if (h->len < sizeof(*h) + sizeof(*told) || h->inc != (uint64_t)getpid())
		return;			/* the one before us was told */
	lg->told_below = told->below;
	for (i = 0; i < lg->nbuckets; i++)
		for (s = lg->by_key[i]; s != NULL; s = s->key_next)
			if (s->flags & STREAM_DROPPED)
				close_soon(lg, s->key);
}

/* fd is -1 or taken over. */
static void
handle_record(struct logger *lg, const struct spawn_header *h, int *fd)
{
	switch (h->type) {
	case SPAWN_HELD:
		if (*fd != -1)
			stream_pipe(lg, h->inc, *fd);
		*fd = -1;
		break;
	case SPAWN_DROPPED:
		drop_pipe(lg, h->inc);
		break;
	case SPAWN_FINISH:
		lg->finish = true;
		break;
	case LOG_STREAM:
		settle(lg, h);
		break;
	case LOG_FORGET:
		forget(lg, h->inc);
		break;
	case LOG_TOLD:
		all_told(lg, h);
		break;
	case LOG_SYNC:
		lg->sync = true;
		break;
	default:		/* of another version */
		break;
	}
}

static int
passed_fd(struct msghdr *msg)
{
	struct cmsghdr *c;
	int fd = -1;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/*
 * One message: 1, 0 when there is none now, -ENOTCONN at the end.  A pipe that
 * finds no descriptor free would be lost: better to die, and be told it again.
 */
static int
receive(struct logger *lg, int sock, union record *buf, size_t *out_len,
    int *out_fd)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { buf->bytes, sizeof(buf->bytes) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control.bytes,	/* of one, not of two */
	    .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n;

	sink_make_room(lg);
	do
		n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1)		/* short of memory it is there next time, too */
		return errno == EAGAIN || errno == EWOULDBLOCK ||
		    errno == ENOMEM || errno == ENOBUFS ? 0 : -ENOTCONN;
	if (n == 0)
		return -ENOTCONN;
	if (msg.msg_flags & MSG_CTRUNC)
		say_fatal("a pipe was lost", -EMFILE);
	*out_fd = passed_fd(&msg);
	*out_len = (size_t)n;
	return 1;
}

/* Up to max messages: how many, or -ENOTCONN. */
static int
hear(struct logger *lg, int sock, int max)
{
	static union record buf;
	const struct spawn_header *h;
	size_t len, at;
	int fd, i, rc;

	for (i = 0; i < max; i++) {
		rc = receive(lg, sock, &buf, &len, &fd);
		if (rc <= 0)
			return rc < 0 ? rc : i;
		for (at = 0; at < len; at += spawn_padded(h->len)) {
			if (spawn_next(buf.bytes + at, len - at, &h) < 0)
				break;
			handle_record(lg, h, &fd);
		}
		if (fd != -1)
			(void)close(fd);
	}
	return i;
}

/* otpd has gone without a word: its services have not, and write on. */
static void
orphaned(struct logger *lg)
{
	if (lg->channel == 0)
		return;
	loop_remove(lg->loop, lg->channel);
	lg->channel = 0;
}

static void
on_channel(void *arg, uint32_t events)
{
	struct logger *lg = arg;

	(void)events;
	if (hear(lg, SPAWN_FD_CHANNEL, MESSAGES_PER_TURN) < 0)
		orphaned(lg);
}

static void
on_link(void *arg, uint32_t events)
{
	struct logger *lg = arg;

	(void)events;
	if (hear(lg, SPAWN_FD_LINK, MESSAGES_PER_TURN) < 0) {
		loop_remove(lg->loop, lg->link);
		lg->link = 0;
	}
}

/* otpd need not wait before it starts another, should this one be killed. */
void
channel_up(void)
{
	const struct spawn_header up = { .len = sizeof(up), .type = SPAWN_UP };

	(void)send(SPAWN_FD_CHANNEL, &up, sizeof(up), MSG_NOSIGNAL);
}

static void
hear_all(struct logger *lg)
{
	if (lg->channel != 0 && hear(lg, SPAWN_FD_CHANNEL, INT32_MAX) < 0)
		orphaned(lg);
	if (lg->link != 0)
		(void)hear(lg, SPAWN_FD_LINK, INT32_MAX);
}

static void
close_forgotten(struct logger *lg, struct stream *s)
{
	uint64_t key = s->key;

	stream_free(s);
	answer_forgotten(lg, key);
}

/*
 * The spawner's pipes may queue up behind others while the engine has forgotten
 * what it had told: the name of a stream is kept until its pipe has come and
 * gone.  One that never had a pipe is pushed out by many others.
 */
static void
expect_pipe(struct logger *lg, uint64_t key)
{
	uint64_t *place;
	struct stream *s;

	if (lg->expected == NULL) {
		lg->expected = xrealloc(NULL,
		    LOG_EXPECTED_MAX * sizeof(lg->expected[0]));
		memset(lg->expected, 0,
		    LOG_EXPECTED_MAX * sizeof(lg->expected[0]));
	}
	place = &lg->expected[lg->nexpected++ % LOG_EXPECTED_MAX];
	s = *place != 0 && *place != key ? stream_find(lg, *place) : NULL;
	*place = key;
	if (s != NULL && s->flags & STREAM_FORGOTTEN &&
	    (s->flags & STREAM_PIPED) == 0)
		close_forgotten(lg, s);
}

static bool
has_more(const struct stream *s)
{
	struct pollfd p = { .fd = s->pipe, .events = POLLIN };

	return s->pipe != -1 && poll(&p, 1, 0) > 0 &&
	    (p.revents & POLLIN) != 0;
}

/* There is something to be written, and no name for it. */
static bool
is_unnamed(const struct stream *s)
{
	return s->name[0] == '\0' && (s->flags & STREAM_SETTLED) == 0 &&
	    has_more(s);
}

static void
close_stream(struct logger *lg, struct stream *s)
{
	if (s->flags & STREAM_DROPPED) {
		if (is_unnamed(s)) {
			if (s->key >= lg->told_below)
				return;		/* it will come */
			lg->nunnamed++;
		}
		stream_close_pipe(s);
		answer_drained(lg, s->key);
		s->flags &= ~(unsigned)STREAM_DROPPED;
		if ((s->flags & STREAM_SETTLED) == 0) {
			stream_free(s);
			return;
		}
	}
	if ((s->flags & STREAM_FORGOTTEN) == 0)
		return;
	if (s->flags & STREAM_PIPED && s->pipe == -1)
		close_forgotten(lg, s);
	else if ((s->flags & STREAM_PIPED) == 0)
		expect_pipe(lg, s->key);
	/* Else it will be dropped. */
}

static void
say_unnamed(struct logger *lg)
{
	if (lg->nunnamed > 0)
		say("%zu logs were never named, and what was left in their "
		    "pipes is not written", lg->nunnamed);
	lg->nunnamed = 0;
}

static void
close_streams(struct logger *lg)
{
	struct stream *s;
	size_t i;

	for (i = 0; i < lg->nclosing; i++) {
		s = stream_find(lg, lg->closing[i]);
		if (s != NULL)
			close_stream(lg, s);
	}
	lg->nclosing = 0;
	say_unnamed(lg);
}

/* Somebody may still write to it, or something is left in it; but not who was
 * dropped, for whom no name will come any more. */
static bool
pipe_lives(const struct stream *s)
{
	struct pollfd p = { .fd = s->pipe, .events = POLLIN };

	return s->pipe != -1 && (s->flags & STREAM_DROPPED) == 0 && (poll(&p, 1, 0) < 0 || p.revents != POLLHUP);
}

/* Looks on where it found one that lived the last time. */
static bool
any_lives(struct logger *lg)
{
	const struct stream *s;
	size_t n;

	for (n = 0; n < lg->nbuckets; n++) {
		lg->orphan_bucket &= lg->nbuckets - 1;
		s = lg->by_key[lg->orphan_bucket];
		for (; s != NULL; s = s->key_next)
			if (pipe_lives(s))
				return true;
		lg->orphan_bucket++;
	}
	return false;
}

void
channel_turn(struct logger *lg)
{
	if (lg->nclosing > 0 || lg->sync) {
		hear_all(lg);
		close_streams(lg);
	}
	if (lg->sync && lg->told_below > 0) {	/* else names are missing */
		stream_write_all(lg);
		answer_synced(lg);
		lg->sync = false;
	}
	answer_turn(lg);
	if (lg->channel == 0 && !any_lives(lg))
		lg->finish = true;
	if (lg->finish)
		loop_stop(lg->loop);
}

void
channel_finish(struct logger *lg)
{
	struct stream *s, *next;
	size_t i;

	hear_all(lg);
	close_streams(lg);
	for (i = 0; i < lg->nbuckets; i++)
		for (s = lg->by_key[i]; s != NULL; s = next) {
			next = s->key_next;
			lg->nunnamed += is_unnamed(s);
			stream_free(s);
		}
	say_unnamed(lg);
	answer_turn(lg);
}

void
channel_start(struct logger *lg)
{
	int rc;

	rc = loop_add(lg->loop, SPAWN_FD_CHANNEL, EPOLLIN, on_channel, lg,
	    &lg->channel);
	if (rc == 0)
		rc = loop_add(lg->loop, SPAWN_FD_LINK, EPOLLIN, on_link, lg,
		    &lg->link);
	if (rc < 0)
		say_fatal("epoll", rc);
}
