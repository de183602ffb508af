/* SPDX-License-Identifier: ISC */
/*
 * Those who call this server.  They are strangers: a caller that breaks the
 * protocol, is too slow, or does not read loses its own connection and costs
 * the others nothing; what waits for one is bounded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "libotp/serve.h"

#define ACCEPT_BATCH	64
#define ACCEPT_PAUSE_NS	(100 * OTPI_MSEC)
#define HELLO_NS	(5 * OTPI_NSEC)
#define FRAME_NS	(30 * OTPI_NSEC)
#define GATHER_NS	(100 * 1000U)
#define QUICK_NS	5000U		/* are SKIP + 1 callbacks, and so */
#define SKIP		4		/* the next ones will be */
#define QUEUE_MAX	(64U * 1024 * 1024)	/* then it is let go */
#define NO_SLOT		UINT32_MAX

/* --- slots --- */

static int
more_slots(struct otpi_server *s)
{
	uint32_t n = s->nslots == 0 ? 8 : s->nslots * 2;
	struct otpi_slot *more = realloc(s->slots, n * sizeof(*more));

	if (more == NULL)
		return -ENOMEM;
	for (uint32_t i = s->nslots; i < n; i++)
		more[i] = (struct otpi_slot){
		    .next_free = i + 1 < n ? i + 1 : NO_SLOT };
	s->free_slot = s->nslots;
	s->slots = more;
	s->nslots = n;
	return 0;
}

struct otpi_conn *
otpi_caller(const struct otpi_server *s, uint64_t id)
{
	uint32_t slot = (uint32_t)id;

	if (slot >= s->nslots || s->slots[slot].generation != id >> 32)
		return NULL;
	return s->slots[slot].conn;
}

static struct otpi_conn *
caller_new(struct otp *o, int fd, uid_t uid, int32_t pid)
{
	struct otpi_server *s = o->srv;
	struct otpi_conn *c;
	uint32_t slot;

	if ((s->nslots == 0 || s->free_slot == NO_SLOT) && more_slots(s) < 0)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	slot = s->free_slot;
	s->free_slot = s->slots[slot].next_free;
	s->slots[slot].conn = c;
	c->kind = OTPI_CALLER;
	c->fd = fd;
	c->uid = uid;
	c->pid = pid;
	c->id = (uint64_t)++s->slots[slot].generation << 32 | slot;
	s->ncallers++;
	return c;
}

/* Who called, while he is connected; the engine is nobody here. */
static const struct otpi_conn *
who(const struct otp *o, struct otp_from from)
{
	const struct otpi_conn *c = o->srv == NULL || from.peer == 0 ? NULL :
	    otpi_caller(o->srv, from.peer);

	return c == NULL || c->dead != 0 ? NULL : c;
}

int
otp_caller_pid(struct otp *o, struct otp_from from, int32_t *out)
{
	const struct otpi_conn *c = who(o, from);

	if (c == NULL)
		return -ENOENT;
	*out = c->pid;
	return 0;
}

int
otp_caller_uid(struct otp *o, struct otp_from from, uint32_t *out)
{
	const struct otpi_conn *c = who(o, from);

	if (c == NULL)
		return -ENOENT;
	*out = c->uid;
	return 0;
}

/* --- those whose HELLO or frame must come in time, the oldest first --- */

static void
unwatch(struct otpi_server *s, struct otpi_conn *c)
{
	struct otpi_conn **list = s->watch[c->greeted];

	if (c->due == 0)
		return;
	if (c->watch_prev != NULL)
		c->watch_prev->watch_next = c->watch_next;
	else
		list[0] = c->watch_next;
	if (c->watch_next != NULL)
		c->watch_next->watch_prev = c->watch_prev;
	else
		list[1] = c->watch_prev;
	c->due = 0;
}

static void
watch(struct otpi_server *s, struct otpi_conn *c)
{
	struct otpi_conn **list = s->watch[c->greeted];

	if (c->due != 0)
		return;
	c->due = otpi_now() + (c->greeted ? FRAME_NS : HELLO_NS);
	c->watch_prev = list[1];
	c->watch_next = NULL;
	if (list[1] != NULL)
		list[1]->watch_next = c;
	else
		list[0] = c;
	list[1] = c;
}

void
otpi_caller_kill(struct otp *o, struct otpi_conn *c, int error)
{
	struct otpi_server *s = o->srv;

	if (c->dead != 0)
		return;
	unwatch(s, c);
	c->dead = error;
	c->watch_next = s->dead;
	s->dead = c;
	if (s->hot == c)
		s->hot = NULL;
	if (c->monitors != NULL)
		otpi_lost_caller(o, c);
}

/* Say why, as far as that goes without waiting, and let it go. */
static void
turn_away(struct otp *o, struct otpi_conn *c, uint16_t tag, const char *words,
    int error)
{
	o->srv->stats.faulty++;
	otpi_caller_error(o, c, 0, tag, words);
	(void)otpi_conn_flush(o, c);
	otpi_caller_kill(o, c, error);
}

void
otpi_expire(struct otp *o, uint64_t now)
{
	struct otpi_conn *c;

	for (int i = 0; i < 2; i++)
		while ((c = o->srv->watch[i][0]) != NULL && c->due <= now &&
		    !o->srv->ended) {
			/* Or has it, and it was we who did not read it? */
			otpi_caller_received(o, c, otpi_conn_recv(o, c));
			if (c->dead == 0 && c->due != 0 && c->due <= now)
				turn_away(o, c, FRAME_E_TIMEOUT, i == 0 ?
				    "no HELLO came in time" : "the rest of a "
				    "frame did not come in time", -ETIMEDOUT);
		}
}

void
otpi_reap(struct otp *o)
{
	struct otpi_server *s = o->srv;
	struct otpi_conn *c;
	uint32_t slot;

	while ((c = s->dead) != NULL) {
		s->dead = c->watch_next;
		slot = (uint32_t)c->id;
		s->slots[slot].conn = NULL;
		s->slots[slot].next_free = s->free_slot;
		s->free_slot = slot;
		s->ncallers--;
		if (s->tracer == c->id)
			s->tracer = 0;
		otpi_conn_clear(o, c);
		free(c);
	}
}

void
otpi_callers_free(struct otp *o)
{
	struct otpi_server *s = o->srv;

	for (uint32_t i = 0; i < s->nslots; i++)
		if (s->slots[i].conn != NULL)
			otpi_caller_kill(o, s->slots[i].conn, -ENOTCONN);
	otpi_reap(o);
	free(s->slots);
	s->slots = NULL;
	s->nslots = 0;
}

/* --- what goes to them --- */

/*
 * Who has a reply finds done what the server had said before it: the engine
 * knows that it traps exits, and what it watches; others have their casts.
 */
static void
others_first(struct otp *o)
{
	if (o->said)
		(void)otpi_flush_said(o);
}

OTPI_HOT int
otpi_caller_flush(struct otp *o, struct otpi_conn *c)
{
	int rc;

	others_first(o);
	rc = c->mute ? 0 : otpi_conn_flush(o, c);
	if (rc < 0) {
		/* It does not read any more, but what it has said stands. */
		c->mute = true;
		rc = 0;
	}
	if (c->mute)
		otpi_buf_drop(o, &c->out);
	if (otpi_conn_queued(c) > QUEUE_MAX)
		otpi_caller_kill(o, c, -ENOBUFS);
	if (rc == 0)
		otpi_undirty(o, c);
	return rc;
}

/* What cannot be said for want of memory he would wait for in vain. */
void
otpi_give_up(struct otp *o, uint64_t peer, int error)
{
	struct otpi_conn *c = peer == 0 ? NULL : otpi_caller(o->srv, peer);

	if (c == NULL || c->dead != 0)
		return;
	(void)otpi_conn_flush(o, c);
	otpi_caller_kill(o, c, error);
}

void
otpi_caller_error(struct otp *o, struct otpi_conn *c, uint64_t ref,
    uint16_t tag, const char *words)
{
	struct frame_header h = { .type = FRAME_ERROR, .tag = tag, .ref = ref,
	    .length = (uint32_t)strlen(words) };

	int rc = c->mute ? 0 : otpi_conn_put(o, c, &h, words);

	if (rc < 0)
		otpi_give_up(o, c->id, rc);
}

OTPI_HOT int
otpi_answer(struct otp *o, uint64_t peer, uint8_t type, uint64_t ref,
    const void *data, size_t len)
{
	struct otpi_conn *c = peer == 0 ? &o->srv->link :
	    otpi_caller(o->srv, peer);
	struct frame_header h = { .type = type, .ref = ref };
	const char *at = data;
	int rc;

	if (c == NULL || c->dead != 0 || c->mute || c->fd < 0)
		return 0;
	if (len > QUEUE_MAX) {
		otpi_caller_error(o, c, ref, FRAME_E_TOO_LARGE,
		    "the reply is too large");
		return -EMSGSIZE;
	}
	if (len >= OTPI_BIG)	/* it goes out at once */
		others_first(o);
	do {
		h.length = len > c->max_payload ? c->max_payload :
		    (uint32_t)len;
		h.flags = h.length < len ? FRAME_F_MORE : 0;
		rc = otpi_conn_put(o, c, &h, at);
		at += h.length;
		len -= h.length;
	} while (rc == 0 && len > 0);
	if (rc < 0)
		otpi_give_up(o, peer, rc);
	return rc;
}

/* --- what comes from them --- */

static int
hold(struct otp *o, struct otpi_conn *c, const struct frame_header *h,
    const char *payload)
{
	int rc = otpi_mail(o, c->id, false, h, payload);

	if (rc == 0)
		c->held += FRAME_HEADER_LEN + (size_t)h->length;
	return rc;
}

static void
take_frame(struct otp *o, struct otpi_conn *c, const struct frame_header *h,
    const char *payload)
{
	struct otpi_server *s = o->srv;
	struct frame_hello hello;
	bool system = h->type == FRAME_SYSTEM;

	if (!c->greeted) {
		unwatch(s, c);
		if (otpi_conn_take_hello(c, h, payload, &hello) < 0)
			turn_away(o, c, FRAME_E_PROTOCOL, "no HELLO",
			    -EPROTO);
		return;
	}
	switch (h->type) {
	case FRAME_CALL:
	case FRAME_CAST:
	case FRAME_INFO:
	case FRAME_SYSTEM:
		if (s->suspended ? !system : s->mail != NULL) {
			if (hold(o, c, h, payload) < 0)
				turn_away(o, c, FRAME_E_TOO_LARGE,
				    "no memory", -ENOMEM);
		} else if (system) {
			otpi_system(o, c->id, h, payload);
		} else {
			otpi_deliver(o, c->id, h, payload);
		}
		return;
	default:
		turn_away(o, c, FRAME_E_PROTOCOL, "not for a server", -EPROTO);
	}
}

/* Too much waits for it, or of it: read no further until less does. */
static bool
must_pause(struct otp *o, struct otpi_conn *c)
{
	if (otpi_conn_queued(c) > OTPI_QUEUE_PAUSE)
		(void)otpi_caller_flush(o, c);
	c->paused = otpi_conn_queued(c) > OTPI_QUEUE_PAUSE ||
	    c->held > OTPI_HELD_MAX;
	return c->paused;
}

/*
 * Replies are gathered, but do not wait for slow callbacks behind them.  Where
 * the last few were quick, the clock is not asked after each.
 */
struct looks {
	uint64_t	at;
	uint32_t	skip;
};

static void
send_in_time(struct otp *o, struct otpi_conn *c, struct looks *l)
{
	uint64_t now;

	if (c->in.pos == c->in.end)
		return;
	if (l->skip > 0) {
		l->skip--;
		return;
	}
	now = otpi_now();
	l->skip = now - l->at < QUICK_NS ? SKIP : 0;
	l->at = now;
	if (now - o->clock > GATHER_NS) {
		o->clock = now;
		(void)otpi_flush_all(o);
	}
}

OTPI_HOT void
otpi_caller_pump(struct otp *o, struct otpi_conn *c)
{
	struct frame_header h;
	struct looks looks = { .at = o->clock };
	bool whole = false;
	char *payload;
	int rc = 0;

	c->paused = false;
	while (c->dead == 0 && !o->srv->ended && c->in.data != NULL &&
	    ((otpi_conn_queued(c) | c->held) == 0 || !must_pause(o, c)) &&
	    (rc = otpi_conn_next(o, c, &h, &payload)) > 0) {
		whole = true;
		take_frame(o, c, &h, payload);
		if (otpi_conn_queued(c) > 0)
			send_in_time(o, c, &looks);
	}
	if (rc == -EMSGSIZE)
		turn_away(o, c, FRAME_E_TOO_LARGE, "the frame is too large",
		    rc);
	else if (rc < 0)
		turn_away(o, c, FRAME_E_PROTOCOL, "not a frame", rc);
	if (c->dead == 0 && (whole || c->paused))
		unwatch(o->srv, c);	/* the time is one frame's */
	if (c->dead == 0 && !c->paused) {
		otpi_conn_rest(o, c);
		if (c->greeted && c->in.data == NULL)
			unwatch(o->srv, c);
		else
			watch(o->srv, c);
	}
	if (c->dead == 0) {
		if (o->dirty != NULL)
			(void)otpi_caller_flush(o, c);
		otpi_watch(o, c);
	}
}

void
otpi_caller_received(struct otp *o, struct otpi_conn *c, int rc)
{
	if (rc < 0)
		otpi_caller_kill(o, c, rc);
	else if (rc > 0)
		otpi_caller_pump(o, c);
}

/* All that there is of one that has hung up: nothing of it may come behind the
 * news of its end. */
static void
read_out(struct otp *o, struct otpi_conn *c, bool all)
{
	int rc;

	do {
		rc = otpi_conn_recv(o, c);
		otpi_caller_received(o, c, rc);
	} while (all && rc > 0 && c->dead == 0 && !c->paused &&
	    !o->srv->ended);
}

OTPI_HOT void
otpi_caller_event(struct otp *o, struct otpi_conn *c, uint32_t events)
{
	if (c->dead != 0)
		return;
	if (events & EPOLLOUT)
		(void)otpi_caller_flush(o, c);
	if (c->dead == 0 && c->paused)
		otpi_caller_pump(o, c);		/* what had been read */
	if (c->dead == 0 && !c->paused &&
	    (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		read_out(o, c, (events & EPOLLHUP) != 0);
	else if (c->dead == 0 && c->paused && (events & EPOLLHUP)) {
		c->mute = true;		/* gone: what it has sent stands */
		otpi_buf_drop(o, &c->out);
	}
	if (c->dead == 0)
		otpi_watch(o, c);
}

/* Resumed: those that were held back may be read again. */
void
otpi_unpause(struct otp *o)
{
	struct otpi_server *s = o->srv;

	for (uint32_t i = 0; i < s->nslots; i++)
		if (s->slots[i].conn != NULL && s->slots[i].conn->paused &&
		    s->slots[i].conn->dead == 0)
			otpi_caller_pump(o, s->slots[i].conn);
}

/* --- how they come --- */

static void
welcome(struct otp *o, int fd)
{
	struct otpi_server *s = o->srv;
	struct frame_hello hello = { .pid = getpid(),
	    .generation = s->generation };
	struct otpi_conn *c;
	int32_t pid;
	uid_t uid;
	bool allowed = otpi_allowed(s, fd, &uid, &pid);

	c = caller_new(o, fd, uid, pid);
	if (c == NULL) {
		(void)close(fd);
		return;
	}
	/* Said before anything is read: who sees none was not served. */
	if (otpi_conn_hello(o, c, &hello, s->name == NULL ? "" : s->name,
	    s->path) < 0) {
		otpi_caller_kill(o, c, -ENOTCONN);
		return;
	}
	/* He may have gone: what he has said stands. */
	(void)otpi_caller_flush(o, c);
	if (!allowed) {
		s->stats.refused++;
		if (otpi_refusal_is_news(s, uid))
			(void)otpi_link_cast(o,
			    "{\"op\":\"refused\",\"uid\":%u}", uid);
		turn_away(o, c, FRAME_E_REFUSED, "not for this user", -EACCES);
	} else if (s->ncallers > s->max_callers) {
		turn_away(o, c, FRAME_E_REFUSED, "too many callers", -EACCES);
	} else {
		watch(s, c);
		otpi_watch(o, c);
		otpi_caller_received(o, c, otpi_conn_recv(o, c));
	}
}

void
otpi_accept(struct otp *o)
{
	struct otpi_server *s = o->srv;
	int fd;

	for (int i = 0; i < ACCEPT_BATCH && !s->ended; i++) {
		fd = accept4(s->listen_fd, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			welcome(o, fd);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOBUFS || errno == ENOMEM)
				s->accept_at = otpi_now() + ACCEPT_PAUSE_NS;
			return;
		}
	}
}

int
otpi_listen(struct otp *o, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct otpi_server *s = o->srv;
	struct stat st;
	mode_t mask;
	int fd, rc;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = otpi_connect(path, 0, true);
	if (fd >= 0) {
		(void)close(fd);
		return -EADDRINUSE;
	}
	if (fd == -OTP_ENOPROC && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	s->socket = strdup(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || s->socket == NULL)
		return fd < 0 ? -errno : -ENOMEM;
	s->listen_fd = fd;
	mask = umask(0177);
	rc = bind(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
	    listen(fd, SOMAXCONN) < 0 ? -errno : 0;
	(void)umask(mask);
	return rc;
}
