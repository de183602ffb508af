/* SPDX-License-Identifier: ISC */
/*
 * A server of frames.  Who may call is decided once, at accept, on what the
 * kernel says (SO_PEERCRED); everything a caller can make this process hold or
 * wait for has a bound.
 *
 * A connection is closed in settle() alone, which runs when no callback of the
 * owner is under way for it: elsewhere it is only marked.  Replies are queued
 * and leave together, when the frames of one read are handled or, for those
 * that come later, at the end of the turn.
 */
#include "libotp/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libotp/peer.h"
#include "loop/loop.h"

#define ACCEPTS_PER_TURN	16
#define ACCEPT_RETRY_MS		1000
#define PAUSE_QUEUED		(1024U * 1024)	/* read no more calls then */
#define SLOT_BITS		10

_Static_assert(SERVER_PEERS_MAX == 1 << SLOT_BITS, "a slot is part of an id");

struct conn {
	struct server	*server;
	struct peer	*peer;
	server_peer	 id;
	uint64_t	 handle;	/* of the loop */
	uint64_t	 due_ms;	/* HELLO or rest of a frame; 0: none */
	uint32_t	 events;
	uid_t		 uid;
	bool		 dirty;		/* has something to send or to settle */
	bool		 doomed;
	bool		 called;	/* the owner knows it */
};

struct server {
	struct loop		*loop;
	int			 listen_fd;
	uint64_t		 listen_handle;
	bool			 paused;	/* no listener watched */
	const char		*name;
	uint64_t		 generation;
	const struct server_ops	*ops;
	void			*arg;
	struct server_limits	 limits;
	struct server_counters	 counters;
	struct loop_timer	 accept_timer;
	struct loop_timer	 due_timer;
	struct loop_timer	 settle_timer;
	uint64_t		 serial;
	uint32_t		 npeers;
	uint32_t		 ndue;
	uint32_t		 nslots;	/* conns used so far */
	struct conn		*conns[SERVER_PEERS_MAX];
};

static struct conn *
conn_of(const struct server *s, server_peer id)
{
	struct conn *c = s->conns[id & (SERVER_PEERS_MAX - 1)];

	return c != NULL && c->id == id && !c->doomed ? c : NULL;
}

static void
set_due(struct conn *c, uint64_t at_ms)
{
	struct server *s = c->server;

	if (c->due_ms == 0 && at_ms != 0)
		s->ndue++;
	else if (c->due_ms != 0 && at_ms == 0)
		s->ndue--;
	c->due_ms = at_ms;
	if (s->ndue == 0)
		loop_timer_cancel(s->loop, &s->due_timer);
	else if (at_ms != 0 && (s->due_timer.pos == 0 ||
	    at_ms < s->due_timer.at_ms))
		/* Without memory it is late, until the next one is set. */
		(void)loop_timer_set(s->loop, &s->due_timer, at_ms);
}

/* At the end of this turn, unless that is where we are: then in the next. */
static void
settle_soon(struct conn *c)
{
	struct server *s = c->server;

	c->dirty = true;
	if (s->settle_timer.pos == 0)
		(void)loop_timer_set(s->loop, &s->settle_timer, 0);
}

static void
doom(struct conn *c)
{
	c->doomed = true;
	settle_soon(c);
}

/* Say why as far as the pipe takes it, and be done with it. */
static void
refuse(struct conn *c, uint64_t ref, uint16_t tag, const char *words)
{
	(void)peer_error(c->peer, ref, tag, words);
	(void)peer_flush(c->peer);
	doom(c);
}

static void
on_due(void *arg)
{
	struct server *s = arg;
	uint64_t now = loop_now_ms(), next = UINT64_MAX;
	struct conn *c;
	uint32_t i;

	for (i = 0; i < s->nslots; i++) {
		c = s->conns[i];
		if (c == NULL || c->due_ms == 0 || c->doomed)
			continue;
		if (c->due_ms <= now && (c->events & EPOLLIN)) {
			s->counters.expired++;
			refuse(c, 0, FRAME_E_TIMEOUT,
			    peer_greeted(c->peer) ?
			    "the rest of a frame did not come in time" :
			    "no HELLO came in time");
			continue;
		}
		if (c->due_ms <= now)	/* it is we who do not read */
			c->due_ms = now + s->limits.frame_ms;
		if (c->due_ms < next)
			next = c->due_ms;
	}
	if (next != UINT64_MAX)
		(void)loop_timer_set(s->loop, &s->due_timer, next);
}

static void
resume_accept(void *arg)
{
	struct server *s = arg;

	if (!s->paused)
		return;
	if (loop_change(s->loop, s->listen_handle, EPOLLIN) == 0) {
		s->paused = false;
		loop_timer_cancel(s->loop, &s->accept_timer);
	} else
		(void)loop_timer_set(s->loop, &s->accept_timer,
		    loop_now_ms() + ACCEPT_RETRY_MS);
}

/* Callers wait in the backlog meanwhile; watching it would only spin. */
static void
pause_accept(struct server *s)
{
	s->counters.accept_failed++;
	if (loop_timer_set(s->loop, &s->accept_timer,
	    loop_now_ms() + ACCEPT_RETRY_MS) < 0)
		return;
	if (loop_change(s->loop, s->listen_handle, 0) == 0)
		s->paused = true;
}

static void
conn_free(struct conn *c)
{
	struct server *s = c->server;

	set_due(c, 0);
	if (c->handle != 0)
		loop_remove(s->loop, c->handle);
	peer_free(c->peer);
	s->conns[c->id & (SERVER_PEERS_MAX - 1)] = NULL;
	s->npeers--;
	free(c);
}

static void
conn_close(struct conn *c)
{
	struct server *s = c->server;
	server_peer id = c->id;
	bool called = c->called;

	conn_free(c);
	resume_accept(s);	/* a descriptor is free again */
	if (called)
		s->ops->closed(s->arg, id);
}

/*
 * Send, watch for what is wanted now, and close what is lost.  A peer with
 * much to read is not asked for more.  c may be gone afterwards.
 */
static void
settle(struct conn *c)
{
	uint32_t events = 0;

	c->dirty = false;
	if (!c->doomed && peer_flush(c->peer) < 0)
		c->doomed = true;
	if (!c->doomed) {
		if (peer_pending(c->peer))
			events |= EPOLLOUT;
		if (peer_queued(c->peer) <= PAUSE_QUEUED)
			events |= EPOLLIN;
		if (events != c->events && loop_change(c->server->loop,
		    c->handle, events) < 0)
			c->doomed = true;
		c->events = events;
	}
	if (c->doomed)
		conn_close(c);
}

static void
on_settle(void *arg)
{
	struct server *s = arg;
	uint32_t i;

	for (i = 0; i < s->nslots; i++)
		if (s->conns[i] != NULL && s->conns[i]->dirty)
			settle(s->conns[i]);
}

static void
handle_frame(struct conn *c, const struct frame_header *h, const void *payload)
{
	struct server *s = c->server;

	if (h->type == FRAME_CAST)
		return;
	if (h->type != FRAME_CALL) {
		s->counters.faulty++;
		refuse(c, h->ref, FRAME_E_PROTOCOL,
		    "only calls are served here");
		return;
	}
	if (h->deadline != 0 && h->deadline < loop_now_ns())
		return;		/* nobody waits for it */
	c->called = true;
	s->ops->call(s->arg, c->id, h, payload, c->uid);
}

/* The clock of a frame runs from its first byte; that of HELLO runs on. */
static void
watch_partial(struct conn *c, bool progress)
{
	if (!peer_greeted(c->peer))
		return;
	if (!peer_partial(c->peer))
		set_due(c, 0);
	else if (progress || c->due_ms == 0)
		set_due(c, loop_now_ms() + c->server->limits.frame_ms);
}

static void
conn_input(struct conn *c)
{
	bool greeted = peer_greeted(c->peer), progress = false;
	struct frame_header h;
	const void *payload;
	int rc;

	rc = peer_read(c->peer);
	if (rc < 0) {
		if (rc == -EPROTO) {
			c->server->counters.faulty++;
			refuse(c, 0, FRAME_E_PROTOCOL,
			    "descriptors are not taken here");
		}
		doom(c);
		return;
	}
	while (rc > 0 && !c->doomed) {
		rc = peer_next(c->peer, &h, &payload);
		if (rc <= 0)
			break;
		progress = true;
		handle_frame(c, &h, payload);
	}
	if (rc < 0 && !c->doomed) {
		c->server->counters.faulty++;
		refuse(c, 0,
		    rc == -EMSGSIZE ? FRAME_E_TOO_LARGE : FRAME_E_PROTOCOL,
		    rc == -EMSGSIZE ? "the frame is too large" :
		    "this is not a frame");
	}
	if (!c->doomed)
		watch_partial(c, progress ||
		    greeted != peer_greeted(c->peer));
}

static void
on_conn(void *arg, uint32_t events)
{
	struct conn *c = arg;

	/* While it is not read from, sending tells that it has gone. */
	if ((c->events & EPOLLIN) &&
	    (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		conn_input(c);
	settle(c);
}

static uid_t
uid_of(int fd)
{
	struct ucred cred = { .uid = (uid_t)-1 };	/* nobody's */
	socklen_t len = sizeof(cred);

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	return cred.uid;
}

/* Why this caller is not served; NULL when it is. */
static const char *
objection(const struct server *s, uid_t uid)
{
	uint32_t i, same = 0;

	if (uid == 0)
		return s->npeers < s->limits.max_peers ? NULL :
		    "too many connections";
	if (uid != geteuid())
		return "permission denied";
	for (i = 0; i < s->nslots; i++)
		if (s->conns[i] != NULL && s->conns[i]->uid == uid)
			same++;
	if (same >= s->limits.max_per_uid ||
	    s->npeers + s->limits.root_reserve >= s->limits.max_peers)
		return "too many connections";
	return NULL;
}

static uint32_t
free_slot(const struct server *s)
{
	uint32_t i;

	for (i = 0; i < s->nslots; i++)
		if (s->conns[i] == NULL)
			break;
	return i;
}

static struct conn *
conn_new(struct server *s, struct peer *peer, uid_t uid)
{
	uint32_t slot = free_slot(s);
	struct conn *c;

	if (slot == SERVER_PEERS_MAX)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->server = s;
	c->peer = peer;
	c->uid = uid;
	c->id = ++s->serial << SLOT_BITS | slot;
	s->conns[slot] = c;
	if (slot == s->nslots)
		s->nslots++;
	s->npeers++;
	return c;
}

static void
admit(struct server *s, int fd)
{
	const struct frame_hello hello = {
		.pid = (int32_t)getpid(), .generation = s->generation
	};
	const struct peer_limits limits = {
		.max_payload = s->limits.max_payload,
		.max_queued = s->limits.max_queued
	};
	struct conn *c = NULL;
	struct peer *peer;
	const char *words;
	uid_t uid;

	peer = peer_new(fd, &hello, s->name, "", &limits);
	if (peer == NULL)
		return;
	uid = uid_of(fd);
	words = objection(s, uid);
	if (words == NULL)
		c = conn_new(s, peer, uid);
	if (c == NULL) {
		s->counters.refused++;
		(void)peer_error(peer, 0, FRAME_E_REFUSED,
		    words == NULL ? "too many connections" : words);
		(void)peer_flush(peer);
		peer_free(peer);
	} else if (loop_add(s->loop, fd, EPOLLIN, on_conn, c, &c->handle) < 0)
		conn_free(c);
	else {
		s->counters.accepted++;
		c->events = EPOLLIN;
		set_due(c, loop_now_ms() + s->limits.hello_ms);
		settle(c);
	}
}

static void
on_accept(void *arg, uint32_t events)
{
	struct server *s = arg;
	int fd, i;

	(void)events;
	for (i = 0; i < ACCEPTS_PER_TURN && !s->paused; i++) {
		fd = accept4(s->listen_fd, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			admit(s, fd);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
		else if (errno != EINTR && errno != ECONNABORTED)
			pause_accept(s);
	}
}

static int
unblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

struct server *
server_new(struct loop *l, int listen_fd, const char *name, uint64_t generation,
    const struct server_ops *ops, void *arg)
{
	struct server *s;
	int rc;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->loop = l;
	s->listen_fd = listen_fd;
	s->name = name;
	s->generation = generation;
	s->ops = ops;
	s->arg = arg;
	s->limits = (struct server_limits)SERVER_LIMITS_DEFAULT;
	s->accept_timer = (struct loop_timer){ .fn = resume_accept, .arg = s };
	s->due_timer = (struct loop_timer){ .fn = on_due, .arg = s };
	s->settle_timer = (struct loop_timer){ .fn = on_settle, .arg = s };
	rc = unblock(listen_fd);
	if (rc == 0)
		rc = loop_add(l, listen_fd, EPOLLIN, on_accept, s,
		    &s->listen_handle);
	if (rc < 0) {
		free(s);
		errno = -rc;
		return NULL;
	}
	return s;
}

void
server_free(struct server *s)
{
	uint32_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->nslots; i++)
		if (s->conns[i] != NULL)
			conn_free(s->conns[i]);
	loop_remove(s->loop, s->listen_handle);
	loop_timer_cancel(s->loop, &s->accept_timer);
	loop_timer_cancel(s->loop, &s->due_timer);
	loop_timer_cancel(s->loop, &s->settle_timer);
	free(s);
}

void
server_set_limits(struct server *s, const struct server_limits *limits)
{
	s->limits = *limits;
	if (s->limits.max_peers > SERVER_PEERS_MAX)
		s->limits.max_peers = SERVER_PEERS_MAX;
}

size_t
server_npeers(const struct server *s)
{
	return s->npeers;
}

const struct server_counters *
server_counters(const struct server *s)
{
	return &s->counters;
}

/*
 * All of it is queued or the peer is lost: half an answer would be taken for
 * a whole one, or wait for its rest for ever.
 */
static int
send_split(struct server *s, server_peer id, struct frame_header h,
    const char *payload, size_t len)
{
	const char *name, *path;
	struct conn *c = conn_of(s, id);
	uint32_t max;
	int rc;

	if (c == NULL)
		return -ENOTCONN;
	max = peer_hello(c->peer, &name, &path)->max_payload;
	do {
		h.length = len > max ? max : (uint32_t)len;
		h.flags = len > max ? FRAME_F_MORE : 0;
		rc = peer_send(c->peer, &h, payload);
		payload += h.length;
		len -= h.length;
	} while (rc == 0 && len > 0);
	if (rc < 0) {
		s->counters.slow += rc == -ENOBUFS;
		doom(c);
		return -ENOTCONN;
	}
	settle_soon(c);
	return 0;
}

int
server_reply(struct server *s, server_peer peer, uint64_t ref,
    const char *payload, size_t len)
{
	return send_split(s, peer, (struct frame_header){
	    .type = FRAME_REPLY, .ref = ref }, payload, len);
}

int
server_info(struct server *s, server_peer peer, uint64_t ref,
    const char *payload, size_t len)
{
	return send_split(s, peer, (struct frame_header){
	    .type = FRAME_INFO, .ref = ref }, payload, len);
}

int
server_error(struct server *s, server_peer peer, uint64_t ref, uint16_t tag,
    const char *words)
{
	struct conn *c = conn_of(s, peer);

	if (c == NULL)
		return -ENOTCONN;
	if (peer_error(c->peer, ref, tag, words) < 0)
		doom(c);
	settle_soon(c);
	return c->doomed ? -ENOTCONN : 0;
}

size_t
server_queued(const struct server *s, server_peer peer)
{
	const struct conn *c = conn_of(s, peer);

	return c == NULL ? 0 : peer_queued(c->peer);
}

void
server_flush(struct server *s)
{
	uint32_t i;

	for (i = 0; i < s->nslots; i++)
		if (s->conns[i] != NULL && !s->conns[i]->doomed &&
		    peer_flush(s->conns[i]->peer) < 0)
			doom(s->conns[i]);
}
