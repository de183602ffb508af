/* SPDX-License-Identifier: ISC */
/*
 * Notify messages, as programs send them to $NOTIFY_SOCKET: READY=1,
 * X_OTP_IGNORE=1, X_OTP_REASON=term.  The kernel says who sent one; a process
 * speaks for the service whose session it is in.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/crashpoint.h"
#include "engine/rung.h"
#include "wire/reason.h"

#define NOTIFY_MAX	4096
#define NOTIFY_BUDGET	256

void
engine_ready(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);

	c->ready = true;
	engine_save_child(e, slot);
	engine_cancel_start_timer(e, slot);
	core_started(e->core, c->inc, loop_now_ms());
	engine_settle(e);
}

static void
said_ready(struct engine *e, uint32_t slot, const char *value)
{
	struct child *c = engine_child(e, slot);

	if (strcmp(value, "1") != 0 || c->ready ||
	    engine_service(e, slot)->ready != READY_NOTIFY)
		return;
	engine_ready(e, slot);
}

static void
said_ignore(struct engine *e, uint32_t slot, const char *value)
{
	struct child *c = engine_child(e, slot);

	c->ignore = strcmp(value, "1") == 0;
	engine_save_child(e, slot);
}

static void
said_reason(struct engine *e, uint32_t slot, const char *value)
{
	struct child *c = engine_child(e, slot);

	if (!reason_valid(value, strlen(value)))
		return;
	replace_string(&c->said, value);
	engine_save_child(e, slot);
}

static const struct {
	const char	*name;
	void		(*said)(struct engine *, uint32_t, const char *);
} words[] = {
	{ "READY", said_ready },
	{ "X_OTP_IGNORE", said_ignore },
	{ "X_OTP_REASON", said_reason },
};

static void
take_message(struct engine *e, uint32_t slot, char *text)
{
	char *line, *value;

	while ((line = strsep(&text, "\n")) != NULL) {
		value = strchr(line, '=');
		if (value == NULL)
			continue;
		*value++ = '\0';
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strcmp(line, words[i].name) == 0)
				words[i].said(e, slot, value);
	}
}

static uint32_t
speaker(struct engine *e, int32_t pid)
{
	uint32_t slot = engine_slot_by_pid(e, pid);
	pid_t session;

	if (slot != CORE_NONE)
		return slot;
	session = getsid(pid);
	return session > 0 ? engine_slot_by_pid(e, session) : CORE_NONE;
}

static void
save_note(struct engine *e, const struct note *note)
{
	struct out o = { 0 };

	out_bytes(&o, &note->pid, sizeof(note->pid));
	out_text(&o, note->text);
	store_put(e->store, STORE_NOTE, note->key, o.text, o.len);
	out_done(&o);
	e->changed = true;
}

void
engine_save_notes(struct engine *e)
{
	for (uint32_t i = 0; i < e->nnotes; i++)
		save_note(e, &e->notes[i]);
}

static struct note
take_note(struct engine *e, uint32_t i)
{
	struct note note = e->notes[i];

	memmove(&e->notes[i], &e->notes[i + 1],
	    (--e->nnotes - i) * sizeof(e->notes[0]));
	store_put(e->store, STORE_NOTE, note.key, "", 0);
	e->changed = true;
	return note;
}

static struct note *
add_note(struct engine *e, int32_t pid, const char *text)
{
	struct note *note;

	if (e->nnotes == NOTES_MAX)
		free(take_note(e, 0).text);
	note = &e->notes[e->nnotes++];
	*note = (struct note){ .key = ++e->next_note, .pid = pid,
	    .text = xstrdup(text) };
	return note;
}

void
engine_restore_note(struct engine *e, uint64_t key, const char *data,
    size_t len)
{
	int32_t pid;

	if (len < sizeof(pid))
		return;
	memcpy(&pid, data, sizeof(pid));
	if (key > e->next_note)
		e->next_note = key;
	add_note(e, pid, data + sizeof(pid))->key = key;
}

void
engine_notify_retry(struct engine *e)
{
	for (uint32_t i = 0; i < e->nnotes; ) {
		uint32_t slot = speaker(e, e->notes[i].pid);
		struct note note;

		if (slot == CORE_NONE) {
			i++;
			continue;
		}
		note = take_note(e, i);
		take_message(e, slot, note.text);
		free(note.text);
		i = 0;		/* what it said may have changed the list */
	}
}

static void
close_passed(struct msghdr *m, int32_t *pid)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
	    c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred cred;

			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			*pid = cred.pid;
		} else if (c->cmsg_type == SCM_RIGHTS) {
			size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			int fds[4];

			if (n > 4)
				n = 4;
			memcpy(fds, CMSG_DATA(c), n * sizeof(int));
			while (n-- > 0)
				(void)close(fds[n]);
		}
	}
}

/* One message: 1, or 0 when there is none. */
static int
take_one(struct engine *e, int flags)
{
	char text[NOTIFY_MAX + 1];
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(struct ucred)) +
		    CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = text, .iov_len = NOTIFY_MAX };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control.room) };
	int32_t pid = 0;
	uint32_t slot;
	ssize_t n;

	n = recvmsg(SPAWN_FD_NOTIFY, &m,
	    flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR;
	if (flags == MSG_PEEK)
		e->peeked++;
	close_passed(&m, &pid);
	crashpoint();
	if ((m.msg_flags & MSG_TRUNC) != 0)
		engine_notify_consume(e);	/* or its rest comes next */
	if (pid <= 0 || (m.msg_flags & MSG_TRUNC) != 0)
		return 1;
	text[n] = '\0';
	slot = speaker(e, pid);
	if (slot != CORE_NONE)
		take_message(e, slot, text);
	else		/* the spawner's word that it exists comes later */
		save_note(e, add_note(e, pid, text));
	return 1;
}

/*
 * A message stays in the socket until what it says is committed: an engine
 * that dies over it leaves it to the next.
 */
void
engine_notify_drain(struct engine *e)
{
	for (int i = 0; i < NOTIFY_BUDGET && take_one(e, MSG_PEEK); i++)
		;
}

void
engine_notify_consume(struct engine *e)
{
	char byte;

	while (e->peeked > 0 &&
	    (recv(SPAWN_FD_NOTIFY, &byte, 1, MSG_DONTWAIT) >= 0 ||
	    errno == EINTR))
		e->peeked--;
	e->peeked = 0;
}

static void
notify_events(void *arg, uint32_t events)
{
	struct engine *e = arg;

	(void)events;
	if (e->rung == SPAWN_RUNG_HOLD) {	/* nobody is to wait for us */
		(void)recv(SPAWN_FD_NOTIFY, &(char){ 0 }, 1, MSG_DONTWAIT);
		return;
	}
	if (rung_is_dropped(e, CRUMB_NOTIFY, 0, "", 0)) {
		e->dropped.kind = CRUMB_NONE;
		(void)recv(SPAWN_FD_NOTIFY, &(char){ 0 }, 1, MSG_DONTWAIT);
	}
	rung_about(e, CRUMB_NOTIFY, 0, "", 0);
	engine_notify_drain(e);
	if (e->peeked == 0)	/* empty ones are peeked at once only */
		(void)take_one(e, 0);
}

/* What the engine before had read, but not committed, comes again. */
void
engine_notify_begin(void)
{
	int from_the_first = 0;

	if (setsockopt(SPAWN_FD_NOTIFY, SOL_SOCKET, SO_PEEK_OFF,
	    &from_the_first, sizeof(from_the_first)) < 0)
		abort();
}

/* Not before the children are known. */
void
engine_notify_watch(struct engine *e)
{
	uint64_t handle;

	if (loop_add(e->loop, SPAWN_FD_NOTIFY, EPOLLIN, notify_events, e,
	    &handle) < 0)
		abort();
}
