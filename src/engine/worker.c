/* SPDX-License-Identifier: ISC */
/*
 * Links of gen_server children; see worker.h.  Nothing leaves by one before the
 * turn that it is from is committed.
 */
#include "engine/worker.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libotp/peer.h"

#define WORKER_KEYS	(1ULL << 62)
#define QUEUED_MAX	(4U * 1024 * 1024)

uint64_t
worker_held_key(const struct child *c, enum worker_held which)
{
	return WORKER_KEYS | (uint64_t)c->worker_key << 3 | which;
}

struct worker *
worker_make(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);

	if (c->worker == NULL) {
		c->worker = xcalloc(1, sizeof(*c->worker));
		c->worker->engine = e;
		c->worker->slot = slot;
	}
	if (c->worker_key == 0) {
		c->worker_key = e->next_log_key++;
		engine_save_child(e, slot);
	}
	return c->worker;
}

/* The link has something to send at the turn's end. */
static void
send_later(struct worker *w)
{
	struct engine *e = w->engine;

	if (w->dirty)
		return;
	w->dirty = true;
	e->dirty_links = xgrow(e->dirty_links, &e->dirty_links_cap,
	    e->ndirty_links, sizeof(*e->dirty_links));
	e->dirty_links[e->ndirty_links++] = w->slot;
}

bool
worker_is_link(server_peer peer)
{
	return (peer & LINK_PEER) != 0;
}

uint32_t
worker_slot(server_peer peer)
{
	return (uint32_t)(peer & ~LINK_PEER);
}

bool
worker_key_is(uint64_t key)
{
	return (key & ~(WORKER_KEYS - 1)) == WORKER_KEYS;
}

/* --- the link --- */

static void
on_link(void *arg, uint32_t events)
{
	struct worker *w = arg;

	if ((events & EPOLLOUT) != 0)
		send_later(w);
	if ((events & ~(uint32_t)EPOLLOUT) != 0 &&
	    !worker_hear(w->engine, w->slot))
		worker_close_link(w->engine, w->slot);
}

void
worker_close_link(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	struct worker *w = c->worker;

	letters_gone(e, slot);
	if (w == NULL || w->link == NULL)
		return;
	engine_closed(e, LINK_PEER | slot);
	loop_remove(e->loop, w->link_handle);
	peer_free(w->link);
	w->link = NULL;
	link_put(&e->spawner, SPAWN_RELEASE, worker_held_key(c, WORKER_OURS),
	    "", 0);
}

/* Committed with what it is told of, so that the next engine knows. */
static void
set_untold(struct engine *e, uint32_t slot, bool untold)
{
	struct child *c = engine_child(e, slot);

	if (c->untold == untold)
		return;
	c->untold = untold;
	engine_save_child(e, slot);
}

static int
open_link(struct engine *e, uint32_t slot)
{
	const struct peer_limits limits = { .max_payload = FRAME_ENGINE_MAX,
	    .max_queued = QUEUED_MAX };
	struct frame_hello hello = { .pid = getpid(),
	    .generation = engine_generation(e, slot) };
	struct child *c = engine_child(e, slot);
	struct worker *w = c->worker;
	int fds[2], kept, rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    fds) < 0)
		return -errno;
	kept = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	if (kept < 0) {
		rc = -errno;
		(void)close(fds[0]);
		(void)close(fds[1]);
		return rc;
	}
	link_hold(&e->spawner, worker_held_key(c, WORKER_OURS), kept);
	link_hold(&e->spawner, worker_held_key(c, WORKER_THEIRS), fds[1]);
	w->link = peer_new(fds[0], &hello, "otpd", "", &limits);
	if (w->link == NULL)
		return -ENOMEM;
	rc = loop_add(e->loop, fds[0], EPOLLIN, on_link, w, &w->link_handle);
	if (rc < 0) {
		peer_free(w->link);
		w->link = NULL;
		return rc;
	}
	peer_leave(w->link);
	w->again = w->repeats = false;
	c->heard = w->saved = 0;
	engine_save_child(e, slot);
	set_untold(e, slot, false);
	(void)peer_flush(w->link);	/* its generation waits for it */
	return 0;
}

/*
 * One whose start has not returned may have said so to the engine that died,
 * and that may not have kept it: it says everything again.  Any other learns
 * that a call of its may have lost its answer.
 */
static void
greet_again(struct engine *e, uint32_t slot)
{
	struct { struct frame_hello fixed; char names[8]; } hello = {
		.fixed = { .magic = FRAME_MAGIC, .version = FRAME_VERSION,
		    .max_payload = FRAME_ENGINE_MAX, .pid = getpid(),
		    .generation = engine_generation(e, slot) },
		.names = "otpd" };
	struct frame_header h = { .type = FRAME_HELLO,
	    .length = sizeof(hello.fixed) + sizeof("otpd") + 1 };
	struct worker *w = engine_child(e, slot)->worker;

	w->again = !engine_child(e, slot)->ready;
	h.flags = w->again ? 0 : FRAME_F_KNOWN;
	if (peer_send(w->link, &h, &hello) == 0)
		send_later(w);
}

static void
say_lost(struct engine *e, uint32_t slot, uint32_t count)
{
	char lost[64];
	int n = snprintf(lost, sizeof(lost), "{\"event\":\"lost\","
	    "\"count\":%u}", count);

	worker_send(e, slot, FRAME_INFO, 0, lost, (size_t)n);
}

static void
resume_link(struct engine *e, uint32_t slot, int fd)
{
	const struct peer_limits limits = { .max_payload = FRAME_ENGINE_MAX,
	    .max_queued = QUEUED_MAX };
	struct worker *w = worker_make(e, slot);

	w->link = peer_resume(fd, &limits);
	if (w->link == NULL || loop_add(e->loop, fd, EPOLLIN, on_link, w,
	    &w->link_handle) < 0)
		abort();
	peer_leave(w->link);
	w->repeats = true;
	w->saved = engine_child(e, slot)->heard;
	greet_again(e, slot);
	letters_resume(e, slot);
	if (engine_child(e, slot)->untold)
		say_lost(e, slot, 0);
}

static void
resume(struct engine *e, uint64_t key, int fd, uint32_t slot)
{
	if (slot != CORE_NONE && (key & 7) == WORKER_SOCKET &&
	    (e->children[slot].alive || worker_is_reachable(e, slot))) {
		worker_make(e, slot)->listening = true;
		(void)close(fd);
	} else if (slot != CORE_NONE && (key & 7) == WORKER_OURS &&
	    e->children[slot].listed) {
		resume_link(e, slot, fd);
	} else {
		(void)close(fd);
		link_put(&e->spawner, SPAWN_RELEASE, key, "", 0);
	}
}

void
worker_resume_all(struct engine *e)
{
	uint32_t *slots = xcalloc(e->next_log_key, sizeof(*slots)), key;

	for (uint32_t slot = 0; slot < e->children_cap; slot++) {
		key = e->children[slot].worker_key;
		if (key < e->next_log_key && e->children[slot].path != NULL)
			slots[key] = slot + 1;
	}
	for (uint32_t i = 0; i < e->nheld; i++) {
		key = (uint32_t)(e->held[i].key >> 3);
		resume(e, e->held[i].key, e->held[i].fd, key == 0 ||
		    key >= e->next_log_key || slots[key] == 0 ? CORE_NONE :
		    slots[key] - 1);
	}
	free(slots);
	free(e->held);
	e->held = NULL;
	e->nheld = e->held_cap = 0;
}

void
worker_adopt(struct engine *e, uint32_t slot)
{
	uint32_t key = engine_child(e, slot)->worker_key;

	engine_child(e, slot)->listed = engine_child(e, slot)->alive = true;
	for (uint32_t i = 0; i < e->nheld; i++) {
		if (e->held[i].fd < 0 || (uint32_t)(e->held[i].key >> 3) != key)
			continue;
		resume(e, e->held[i].key, e->held[i].fd, slot);
		e->held[i].fd = -1;
	}
}

int
worker_prepare(struct engine *e, uint32_t slot, uint64_t *out_fd_key,
    const char **out_words, uint32_t *out_holder)
{
	struct worker *w = worker_make(e, slot);
	struct service *s = engine_service(e, slot);
	int rc = 0;

	*out_holder = CORE_NONE;
	worker_close_link(e, slot);
	*out_words = "listen";
	if (!w->listening)
		rc = worker_listen(e, slot);
	if (rc < 0)
		return rc;
	*out_words = "register its name";
	if (s->name != NULL)
		rc = name_register(e, slot, s->name, out_holder);
	if (rc < 0 && *out_holder != slot)
		return rc;
	*out_words = "link";
	rc = open_link(e, slot);
	*out_fd_key = worker_held_key(engine_child(e, slot), WORKER_THEIRS);
	return rc;
}

void
worker_free(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);

	worker_close_link(e, slot);
	worker_unlisten(e, slot);
	free(c->worker);
	c->worker = NULL;
}

bool
worker_is_there(struct engine *e, uint32_t slot)
{
	const struct child *c = engine_child(e, slot);

	return c->pid != 0 || (c->worker != NULL && c->worker->link != NULL &&
	    peer_greeted(c->worker->link));
}

int32_t
worker_pid(struct engine *e, uint32_t slot)
{
	const struct child *c = engine_child(e, slot);
	const char *name, *path;

	if (c->pid != 0 || !worker_is_there(e, slot))
		return c->pid;
	return peer_hello(c->worker->link, &name, &path)->pid;
}

size_t
worker_room(struct engine *e, uint32_t slot)
{
	struct worker *w = engine_child(e, slot)->worker;
	const char *name, *path;
	size_t max = 0;

	if (w != NULL && w->link != NULL)
		max = peer_hello(w->link, &name, &path)->max_payload;
	return max > PEER_PAYLOAD_MIN ? max : PEER_PAYLOAD_MIN;
}

void
worker_send(struct engine *e, uint32_t slot, uint8_t type, uint64_t ref,
    const char *payload, size_t len)
{
	struct frame_header h = { .type = type, .ref = ref };
	struct worker *w = engine_child(e, slot)->worker;
	size_t max = worker_room(e, slot);

	if (w == NULL || w->link == NULL)
		return;
	if (max > PEER_WHOLE - FRAME_HEADER_LEN)
		max = PEER_WHOLE - FRAME_HEADER_LEN;
	do {
		h.length = (uint32_t)(len < max ? len : max);
		h.flags = h.length < len ? FRAME_F_MORE : 0;
		if (!worker_put(e, slot, &h, payload))
			return;
		payload += h.length;
		len -= h.length;
	} while (len > 0);
}

void
worker_tell(struct engine *e, uint32_t slot, const char *payload, size_t len,
    size_t max)
{
	struct worker *w = engine_child(e, slot)->worker;

	if (w == NULL || w->link == NULL)
		return;
	set_untold(e, slot, true);
	if (peer_queued(w->link) + len > max) {
		w->missed++;
		return;
	}
	if (w->missed > 0)
		say_lost(e, slot, w->missed);
	w->missed = 0;
	worker_send(e, slot, FRAME_INFO, 0, payload, len);
}

static void
put_exit(const char *from, const char *reason, bool link, struct out *o)
{
	o->len = 0;
	out_text(o, "{");
	out_key_string(o, "from", from);
	out_key_string(o, "reason", reason);
	if (!link)
		out_key_bool(o, "link", false);
	out_text(o, "}");
}

bool
worker_put(struct engine *e, uint32_t slot, const struct frame_header *h,
    const void *payload)
{
	struct worker *w = engine_child(e, slot)->worker;

	if (w == NULL || w->link == NULL)
		return false;
	/* One that does not read what it asked for loses its link. */
	if (peer_send(w->link, h, payload) < 0) {
		worker_close_link(e, slot);
		return false;
	}
	send_later(w);
	return true;
}

bool
worker_exit_signal(struct engine *e, uint32_t slot, const char *from,
    const char *reason, bool link)
{
	struct frame_header h = { .type = FRAME_EXIT };
	struct out o = { 0 };
	bool sent;

	if (!engine_child(e, slot)->traps)
		return false;
	put_exit(from, reason, link, &o);
	if (o.len > worker_room(e, slot))
		put_exit(NULL, reason, link, &o);
	h.length = (uint32_t)o.len;
	sent = letter_send(e, slot, h, o.text);
	out_done(&o);
	return sent;
}

/* No letter: the next engine stops it again. */
bool
worker_shutdown(struct engine *e, uint32_t slot)
{
	struct frame_header h = { .type = FRAME_EXIT, .flags = 1 };
	struct out o = { 0 };
	bool sent;

	if (!engine_child(e, slot)->traps)
		return false;
	put_exit(NULL, "shutdown", true, &o);
	h.length = (uint32_t)o.len;
	sent = worker_put(e, slot, &h, o.text);
	out_done(&o);
	return sent;
}

void
worker_flush_all(struct engine *e)
{
	struct worker *w;
	int rc;

	for (uint32_t i = 0; i < e->ndirty_links; i++) {
		w = e->children[e->dirty_links[i]].worker;
		if (w == NULL)
			continue;
		w->dirty = false;
		if (w->link == NULL)
			continue;
		rc = peer_flush(w->link);
		if (rc < 0)
			worker_close_link(e, w->slot);
		else
			(void)loop_change(e->loop, w->link_handle,
			    rc == 1 ? EPOLLIN | EPOLLOUT : EPOLLIN);
		if (rc == 1)
			continue;
		set_untold(e, w->slot, false);
		letters_gone(e, w->slot);
	}
	e->ndirty_links = 0;
}
