/* SPDX-License-Identifier: ISC */
/*
 * The carry.  A logger may be killed between any two instructions, and then no
 * byte may be missing and none may be there twice.  So a byte is always in a
 * place of which the next logger can tell what has become of it:
 *
 * - in the service's pipe, or moved from there in one step (splice) into the
 *   carry's pipe, into which nobody else writes: what is left in it says
 *   how much of that was read;
 * - in a slot's data, and so is the state in which it was read: playing the
 *   same data from the same state gives the same bytes again;
 * - in the file: its size before each write is noted, so that its size now
 *   says how much of that was written.
 *
 * A slot is over when its stage says so: one store.  Who is killed does not
 * lose what it has stored, and stores in the order of the program: it takes
 * no more than to tell that to the compiler.
 */
#include "logger/carry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "logger/carry_room.h"
#include "wire/spawn_request.h"

#define PARKED_MAX	(1024U * 1024)	/* bytes that wait */
#define NO_WRITE	UINT64_MAX
#define KEPT_FLAGS	(STREAM_SKIP | STREAM_MIDLINE | STREAM_STAMP)

void
carry_set_stage(struct carry_room *room, const struct carry_slot *slot,
    enum carry_stage stage)
{
	struct carry *carry = room->carry;

	carry_stored();
	*(volatile uint32_t *)&carry->stage[slot - carry->slots] = stage;
	carry_stored();
}

enum carry_stage
carry_stage_of(const struct carry_room *room, const struct carry_slot *slot)
{
	return (enum carry_stage)
	    room->carry->stage[slot - room->carry->slots];
}

/* --- slots --- */

bool
carry_slot_backed(struct carry_room *room, size_t i)
{
	size_t at = offsetof(struct carry, slots) +
	    i * sizeof(struct carry_slot);

	if (!room->backed[i])
		room->backed[i] = room->memfd == -1 ||
		    fallocate(room->memfd, 0, (off_t)at,
		    (off_t)sizeof(struct carry_slot)) == 0 ||
		    errno == EOPNOTSUPP;
	return room->backed[i];
}

static struct carry_slot *
free_slot(struct carry_room *room, const struct carry_slot *other)
{
	struct carry *carry = room->carry;
	size_t i;

	for (i = 0; i < CARRY_SLOTS; i++)
		if (carry->stage[i] == CARRY_FREE && &carry->slots[i] != other)
			return carry_slot_backed(room, i) ? &carry->slots[i] :
			    NULL;
	return NULL;
}

/* There is one: see carry_park(). */
static struct carry_slot *
begin(struct stream *s)
{
	struct carry_room *room = s->lg->carry;
	struct carry_slot *slot = free_slot(room, NULL);

	if (slot == NULL)
		say_fatal("memory", -ENOMEM);
	slot->seq = ++room->carry->seq;
	slot->key = s->key;
	slot->max_bytes = s->max_bytes;
	slot->keep = s->keep;
	slot->dropped_bytes = s->dropped_bytes;
	slot->dropped_lines = s->dropped_lines;
	slot->written = 0;
	slot->op.at = NO_WRITE;
	slot->total = slot->parked = 0;
	slot->text = s->text;
	slot->flags = s->flags & KEPT_FLAGS;
	if (s->flags & STREAM_STAMP)
		(void)stamp_now(slot->stamp);
	memcpy(slot->name, s->name, strlen(s->name) + 1);
	return slot;
}

void
carry_free(struct carry_room *room, struct carry_slot *slot)
{
	size_t i = (size_t)(slot - room->carry->slots);
	bool parked = slot->parked != 0;

	carry_set_stage(room, slot, CARRY_FREE);
	if (i == 0 || room->memfd == -1 || !parked)
		return;
	room->backed[i] = false;
	(void)fallocate(room->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    (off_t)(offsetof(struct carry, slots) + i * sizeof(*slot)),
	    (off_t)sizeof(*slot));
}

/* --- reading --- */

uint32_t
carry_left_in_pipe(int fd)
{
	int n = 0;

	if (ioctl(fd, FIONREAD, &n) == -1)
		say_fatal("the carry", -errno);
	return (uint32_t)n;
}

void
carry_fetch(struct carry_room *room, struct carry_slot *slot, uint32_t got)
{
	ssize_t n;

	while (got < slot->total) {
		n = read(SPAWN_FD_CARRY_READ, slot->data + got,
		    slot->total - got);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			say_fatal("the carry", n == 0 ? -EPIPE : -errno);
		got += (uint32_t)n;
	}
	carry_set_stage(room, slot, CARRY_HELD);
}

static bool
moved(struct carry_room *room, struct carry_slot *slot, int pipe,
    bool *out_more)
{
	ssize_t n;

	n = splice(pipe, NULL, SPAWN_FD_CARRY_WRITE, NULL, LOG_BUDGET,
	    SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (n <= 0) {
		*out_more = n == -1 && errno != EAGAIN;
		return false;
	}
	slot->total = (uint32_t)n;
	carry_set_stage(room, slot, CARRY_MOVED);
	carry_fetch(room, slot, 0);
	/* Each page has a byte at least: with fewer it was not full. */
	*out_more = (size_t)n == LOG_BUDGET ||
	    ((size_t)n >= room->pages && carry_left_in_pipe(pipe) > 0);
	return true;
}

struct carry_slot *
carry_read(struct stream *s, bool *out_more)
{
	struct carry_room *room = s->lg->carry;
	struct carry_slot *slot = begin(s);
	ssize_t n;

	*out_more = false;
	carry_set_stage(room, slot, CARRY_MOVING);
	if (room->piped) {
		if (moved(room, slot, s->pipe, out_more))
			return slot;
	} else {
		n = read(s->pipe, slot->data, LOG_BUDGET);
		*out_more = n == LOG_BUDGET;
		slot->total = n > 0 ? (uint32_t)n : 0;
		carry_set_stage(room, slot, CARRY_HELD);
		if (n > 0)
			return slot;
	}
	carry_free(room, slot);
	return NULL;
}

struct carry_slot *
carry_text(struct stream *s, const char *text)
{
	struct carry_slot *slot = begin(s);

	slot->total = (uint32_t)strlen(text);
	memcpy(slot->data, text, slot->total);
	if (slot->total > 0)
		slot->flags &= ~(unsigned)STREAM_STAMP;
	carry_set_stage(s->lg->carry, slot, CARRY_HELD);
	return slot;
}

/* --- the end of what was read --- */

void
carry_end(struct stream *s, struct carry_slot *slot)
{
	if (s->drop != 0 || s->dropped_bytes > 0 || s->flags & STREAM_SKIP)
		carry_note_dropped(s, slot->seq);
	carry_free(s->lg->carry, slot);
	carry_forget_said(s);
}

static size_t
left_of(const struct carry_slot *slot)
{
	return slot->written < slot->total ?
	    slot->total - (size_t)slot->written : 0;
}

size_t
carry_pending(const struct logger *lg)
{
	const struct carry *carry = lg->carry->carry;
	size_t i, n = 0, found = 0;

	for (i = 0; i < CARRY_SLOTS && found < lg->nparked; i++)
		if (carry->stage[i] != CARRY_FREE && carry->slots[i].parked) {
			n += left_of(&carry->slots[i]);
			found++;
		}
	return n;
}

/* What it began with is said when it is played, not before. */
bool
carry_park(struct stream *s, struct carry_slot *slot)
{
	bool again = slot->parked != 0;

	if (!again && (free_slot(s->lg->carry, slot) == NULL ||
	    carry_pending(s->lg) + left_of(slot) > PARKED_MAX))
		return false;
	carry_stored();
	slot->parked = 1;
	carry_stored();
	s->parked = slot;
	s->lg->nparked++;
	s->dropped_bytes = s->dropped_lines = 0;
	s->flags &= ~(unsigned)STREAM_SKIP;
	if (!again && s->drop != 0)
		carry_note_dropped(s, slot->seq);
	return true;
}

/* --- writing --- */

void
carry_write(struct carry_slot *slot, const struct stat *st, size_t len)
{
	slot->op.at = NO_WRITE;
	carry_stored();
	slot->op.dev = st->st_dev;
	slot->op.ino = st->st_ino;
	slot->op.size = (uint64_t)st->st_size;
	slot->op.len = len;
	carry_stored();
	slot->op.at = slot->written;
	carry_stored();
}

void
carry_written(struct carry_slot *slot, ssize_t n)
{
	carry_stored();
	if (n > 0)
		slot->written += (uint64_t)n;
	else
		slot->op.at = NO_WRITE;
	carry_stored();
}
