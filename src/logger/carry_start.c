/* SPDX-License-Identifier: ISC */
/*
 * How a logger begins with the carry: it finds the memory that the spawner
 * gives to every logger, plays what the one before it had not finished, and
 * takes nothing for new that was written already.  It must have done so before
 * anything else is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "logger/carry_room.h"
#include "wire/spawn_request.h"

#define MAGIC		0x79727261632d6c31U
#define CARRY_PIPE	(1024 * 1024)	/* no service's pipe has more pages */
#define PAGE		4096U	/* at least */

/* --- what the one before us left --- */

/* How much of the last write is in its file, wherever that is by now. */
static uint64_t
size_of(struct logger *lg, const struct carry_slot *slot)
{
	struct stat st;
	unsigned i;
	int fd;

	for (i = 0; i <= LOG_KEEP_MAX; i++) {
		if (logfile_open_old(&lg->dir, slot->name, i, &fd, &st) < 0) {
			if (i > slot->keep)
				break;
			continue;
		}
		(void)close(fd);
		if (st.st_ino == slot->op.ino && st.st_dev == slot->op.dev)
			return (uint64_t)st.st_size;
	}
	return 0;
}

void
carry_count_written(struct logger *lg, struct carry_slot *slot)
{
	uint64_t n, size;

	if (slot->op.at != slot->written)
		return;
	size = size_of(lg, slot);
	n = size > slot->op.size ? size - slot->op.size : 0;
	carry_written(slot, (ssize_t)(n < slot->op.len ? n : slot->op.len));
}

/* Into its data with all of it: false, there is nothing. */
static bool
complete(struct carry_room *room, struct carry_slot *slot)
{
	uint32_t left;
	bool moving;

	if (carry_stage_of(room, slot) == CARRY_HELD)
		return true;
	if (!room->piped)
		return false;
	left = carry_left_in_pipe(SPAWN_FD_CARRY_READ);
	moving = carry_stage_of(room, slot) == CARRY_MOVING;
	if (left > (moving ? LOG_BUDGET : slot->total))
		return false;
	if (moving) {
		slot->total = left;
		carry_set_stage(room, slot, CARRY_MOVED);
	}
	carry_fetch(room, slot, slot->total - left);
	return slot->total > 0;
}

/* All that was left of it was done, but for saying so. */
static bool
over(const struct stream *s, const struct carry_slot *slot)
{
	const struct carry_drop *d = &s->lg->carry->carry->drops[s->drop];

	return s->drop != 0 && d->v[d->now & 1].seq >= slot->seq;
}

/* Its own state is the latest there is, unless more was dropped since. */
static void
recover(struct logger *lg, struct carry_slot *slot)
{
	struct stream *s;

	if (slot->total > LOG_BUDGET || !complete(lg->carry, slot) ||
	    memchr(slot->name, '\0', sizeof(slot->name)) == NULL ||
	    !log_name_valid(slot->name)) {
		carry_free(lg->carry, slot);
		return;
	}
	s = stream_carried(lg, slot);
	if (over(s, slot) && !slot->parked) {
		carry_free(lg->carry, slot);
		carry_forget_said(s);
		return;
	}
	if (!over(s, slot)) {
		s->dropped_bytes = s->dropped_lines = 0;
		s->flags &= ~(unsigned)STREAM_SKIP;
		if (slot->parked && s->drop != 0)
			carry_note_dropped(s, slot->seq);
	}
	stream_replay(s, slot);
}

static struct carry_slot *
next_left(struct carry *carry, uint64_t after)
{
	struct carry_slot *found = NULL;
	size_t i;

	for (i = 0; i < CARRY_SLOTS; i++) {
		struct carry_slot *slot = &carry->slots[i];

		if (carry->stage[i] != CARRY_FREE && slot->seq > after &&
		    (found == NULL || slot->seq < found->seq))
			found = slot;
	}
	return found;
}

static void
recover_all(struct logger *lg)
{
	struct carry_room *room = lg->carry;
	struct carry_slot *slot;
	uint64_t after = 0;
	char byte;

	while ((slot = next_left(room->carry, after)) != NULL) {
		after = slot->seq;
		recover(lg, slot);
	}
	stream_carried_all(lg);
	while (room->piped && carry_left_in_pipe(SPAWN_FD_CARRY_READ) > 0 &&
	    read(SPAWN_FD_CARRY_READ, &byte, 1) == 1)
		;		/* of no slot: cannot be */
}

/* --- where it is --- */

/* Two at a time there are only when something has gone wrong: then the second
 * goes without. */
static bool
locked(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_SETLK, &lock) == 0;
}

static struct carry *
map(int fd)
{
	void *p = mmap(NULL, sizeof(struct carry), PROT_READ | PROT_WRITE,
	    fd == -1 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE :
	    MAP_SHARED | MAP_NORESERVE, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The spawner's, whose size is still 0 when we are the first. */
static struct carry *
shared(void)
{
	const off_t head = offsetof(struct carry, slots);
	struct stat st, ends[2];
	struct carry *c;

	if (fstat(SPAWN_FD_CARRY, &st) == -1 || !S_ISREG(st.st_mode) ||
	    fstat(SPAWN_FD_CARRY_READ, &ends[0]) == -1 ||
	    fstat(SPAWN_FD_CARRY_WRITE, &ends[1]) == -1 ||
	    !S_ISFIFO(ends[0].st_mode) || ends[0].st_ino != ends[1].st_ino ||
	    !locked(SPAWN_FD_CARRY))
		return NULL;
	if (ftruncate(SPAWN_FD_CARRY, (off_t)sizeof(*c)) == -1 ||
	    (fallocate(SPAWN_FD_CARRY, 0, 0, head) == -1 &&
	    errno != EOPNOTSUPP))
		return NULL;
	c = map(SPAWN_FD_CARRY);
	if (c == NULL || (c->magic == MAGIC && c->size == sizeof(*c)))
		return c;
	if (c->magic != 0)
		say("what another version left behind cannot be read");
	memset(c, 0, (size_t)head);
	c->size = sizeof(*c);
	carry_stored();
	c->magic = MAGIC;
	return c;
}

/* Both of its ends are ours alone: nothing waits there. */
static void
open_pipe(struct carry_room *room)
{
	int n;

	n = fcntl(SPAWN_FD_CARRY_WRITE, F_SETPIPE_SZ, CARRY_PIPE);
	if (n == -1)
		n = fcntl(SPAWN_FD_CARRY_WRITE, F_GETPIPE_SZ);
	room->pages = n > (int)PAGE ? (size_t)n / PAGE : 1;
	room->piped = true;
}

void
carry_start(struct logger *lg)
{
	struct carry_room *room = xrealloc(NULL, sizeof(*room));
	int fd;

	memset(room, 0, sizeof(*room));
	room->memfd = -1;
	room->carry = shared();
	if (room->carry != NULL) {
		room->memfd = SPAWN_FD_CARRY;
		open_pipe(room);
		for (fd = SPAWN_FD_CARRY; fd <= SPAWN_FD_CARRY_WRITE; fd++)
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	} else
		room->carry = map(-1);
	if (room->carry == NULL || !carry_slot_backed(room, 0))
		say_fatal("memory", -ENOMEM);
	lg->carry = room;
	recover_all(lg);
}
