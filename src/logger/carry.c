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
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire/spawn_request.h"

#define MAGIC		0x79727261632d6c31U
#define SLOTS		1024	/* streams at fault that have one, and one */
#define DROPS		4096	/* streams with something dropped */
#define PARKED_MAX	(1024U * 1024)	/* bytes that wait */
#define CARRY_PIPE	(1024 * 1024)	/* no service's pipe has more pages */
#define PAGE		4096U	/* at least */
#define NO_WRITE	UINT64_MAX
#define KEPT_FLAGS	(STREAM_SKIP | STREAM_MIDLINE | STREAM_STAMP)

enum stage {
	FREE,
	MOVING,			/* total is not known yet */
	MOVED,			/* total bytes were moved; read or not */
	HELD			/* they are in data */
};

struct drop {			/* of a stream; two, of which one counts */
	uint64_t	key;		/* 0: free */
	uint32_t	now, pad;
	struct {
		uint64_t	seq;	/* the slot after which it was so */
		uint64_t	bytes, lines;
		uint32_t	skip, pad;
	}		v[2];
};

struct carry {
	uint64_t	magic, size;
	uint64_t	seq;		/* the last one */
	uint32_t	ndrops;		/* entries ever used */
	uint32_t	stage[SLOTS];
	struct drop	drops[DROPS];	/* [0] is none */
	_Alignas(4096) struct carry_slot slots[SLOTS];
};

static struct carry *carry;
static bool piped;			/* there is a carry's pipe */
static bool backed[SLOTS];		/* have memory */
static size_t pages;			/* that fit into it */
static int memfd = -1;

/* All that was stored before is stored. */
static void
done(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

static void
set_stage(const struct carry_slot *slot, enum stage stage)
{
	done();
	*(volatile uint32_t *)&carry->stage[slot - carry->slots] = stage;
	done();
}

static enum stage
stage_of(const struct carry_slot *slot)
{
	return (enum stage)carry->stage[slot - carry->slots];
}

/* --- slots --- */

/* Memory is asked for before it is touched. */
static bool
slot_backed(size_t i)
{
	size_t at = offsetof(struct carry, slots) +
	    i * sizeof(struct carry_slot);

	if (!backed[i])
		backed[i] = memfd == -1 || fallocate(memfd, 0, (off_t)at,
		    (off_t)sizeof(struct carry_slot)) == 0 ||
		    errno == EOPNOTSUPP;
	return backed[i];
}

static struct carry_slot *
free_slot(const struct carry_slot *other)
{
	size_t i;

	for (i = 0; i < SLOTS; i++)
		if (carry->stage[i] == FREE && &carry->slots[i] != other)
			return slot_backed(i) ? &carry->slots[i] : NULL;
	return NULL;
}

/* There is one: see carry_park(). */
static struct carry_slot *
begin(struct stream *s)
{
	struct carry_slot *slot = free_slot(NULL);

	if (slot == NULL)
		say_fatal("memory", -ENOMEM);
	slot->seq = ++carry->seq;
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

/* A parked one's memory is given back; the first is always wanted. */
static void
end(struct carry_slot *slot)
{
	size_t i = (size_t)(slot - carry->slots);
	bool parked = slot->parked != 0;

	set_stage(slot, FREE);
	if (i == 0 || memfd == -1 || !parked)
		return;
	backed[i] = false;
	(void)fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    (off_t)(offsetof(struct carry, slots) + i * sizeof(*slot)),
	    (off_t)sizeof(*slot));
}

/* --- reading --- */

static uint32_t
left_in_pipe(int fd)
{
	int n = 0;

	if (ioctl(fd, FIONREAD, &n) == -1)
		say_fatal("the carry", -errno);
	return (uint32_t)n;
}

/* Out of the carry's pipe: what cannot be done the next logger does. */
static void
fetch(struct carry_slot *slot, uint32_t got)
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
	set_stage(slot, HELD);
}

static bool
moved(struct carry_slot *slot, int pipe, bool *out_more)
{
	ssize_t n;

	n = splice(pipe, NULL, SPAWN_FD_CARRY_WRITE, NULL, LOG_BUDGET,
	    SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (n <= 0) {
		*out_more = n == -1 && errno != EAGAIN;
		return false;
	}
	slot->total = (uint32_t)n;
	set_stage(slot, MOVED);
	fetch(slot, 0);
	/* Each page has a byte at least: with fewer it was not full. */
	*out_more = (size_t)n == LOG_BUDGET ||
	    ((size_t)n >= pages && left_in_pipe(pipe) > 0);
	return true;
}

struct carry_slot *
carry_read(struct stream *s, bool *out_more)
{
	struct carry_slot *slot = begin(s);
	ssize_t n;

	*out_more = false;
	set_stage(slot, MOVING);
	if (piped) {
		if (moved(slot, s->pipe, out_more))
			return slot;
	} else {
		n = read(s->pipe, slot->data, LOG_BUDGET);
		*out_more = n == LOG_BUDGET;
		slot->total = n > 0 ? (uint32_t)n : 0;
		set_stage(slot, HELD);
		if (n > 0)
			return slot;
	}
	end(slot);
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
	set_stage(slot, HELD);
	return slot;
}

/* --- the end of what was read --- */

static void dropped(struct stream *s, uint64_t seq);

/* Nothing is kept of a stream of which all is said. */
static void
forget_said(struct stream *s)
{
	if (s->drop != 0 && s->dropped_bytes == 0 &&
	    (s->flags & STREAM_SKIP) == 0)
		carry_forget(s);
}

void
carry_end(struct stream *s, struct carry_slot *slot)
{
	if (s->drop != 0 || s->dropped_bytes > 0 || s->flags & STREAM_SKIP)
		dropped(s, slot->seq);
	end(slot);
	forget_said(s);
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
	size_t i, n = 0, found = 0;

	for (i = 0; i < SLOTS && found < lg->nparked; i++)
		if (carry->stage[i] != FREE && carry->slots[i].parked) {
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

	if (!again && (free_slot(slot) == NULL ||
	    carry_pending(s->lg) + left_of(slot) > PARKED_MAX))
		return false;
	done();
	slot->parked = 1;
	done();
	s->parked = slot;
	s->lg->nparked++;
	s->dropped_bytes = s->dropped_lines = 0;
	s->flags &= ~(unsigned)STREAM_SKIP;
	if (!again && s->drop != 0)
		dropped(s, slot->seq);
	return true;
}

/* --- writing --- */

void
carry_write(struct carry_slot *slot, const struct stat *st, size_t len)
{
	slot->op.at = NO_WRITE;
	done();
	slot->op.dev = st->st_dev;
	slot->op.ino = st->st_ino;
	slot->op.size = (uint64_t)st->st_size;
	slot->op.len = len;
	done();
	slot->op.at = slot->written;
	done();
}

void
carry_written(struct carry_slot *slot, ssize_t n)
{
	done();
	if (n > 0)
		slot->written += (uint64_t)n;
	else
		slot->op.at = NO_WRITE;
	done();
}

/* --- what was dropped --- */

static uint32_t
new_drop(uint64_t key)
{
	uint32_t i;

	for (i = 1; i < DROPS; i++)
		if (carry->drops[i].key == 0)
			break;
	if (i == DROPS)
		return 0;	/* a death will not know of it */
	memset(&carry->drops[i], 0, sizeof(carry->drops[i]));
	if (i >= carry->ndrops)
		carry->ndrops = i + 1;
	done();
	carry->drops[i].key = key;
	return i;
}

static void
dropped(struct stream *s, uint64_t seq)
{
	struct drop *d;
	uint32_t next;

	if (s->drop == 0)
		s->drop = new_drop(s->key);
	if (s->drop == 0)
		return;
	d = &carry->drops[s->drop];
	next = !d->now;
	d->v[next].seq = seq;
	d->v[next].bytes = s->dropped_bytes;
	d->v[next].lines = s->dropped_lines;
	d->v[next].skip = (s->flags & STREAM_SKIP) != 0;
	done();
	d->now = next;
	done();
}

void
carry_save(struct stream *s)
{
	if (s->drop != 0)
		dropped(s, carry->seq);
	forget_said(s);
}

void
carry_find_dropped(struct stream *s)
{
	const struct drop *d;
	uint32_t i;

	for (i = 1; i < carry->ndrops && i < DROPS; i++)
		if (carry->drops[i].key == s->key)
			break;
	if (i >= carry->ndrops || i >= DROPS)
		return;
	d = &carry->drops[i];
	s->drop = i;
	s->dropped_bytes = d->v[d->now & 1].bytes;
	s->dropped_lines = d->v[d->now & 1].lines;
	if (d->v[d->now & 1].skip)
		s->flags |= STREAM_SKIP;
}

void
carry_forget(struct stream *s)
{
	if (s->drop != 0)
		carry->drops[s->drop].key = 0;
	s->drop = 0;
	done();
	while (carry->ndrops > 1 && carry->drops[carry->ndrops - 1].key == 0)
		carry->ndrops--;
}

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
complete(struct carry_slot *slot)
{
	uint32_t left;

	if (stage_of(slot) == HELD)
		return true;
	if (!piped)
		return false;
	left = left_in_pipe(SPAWN_FD_CARRY_READ);
	if (left > (stage_of(slot) == MOVING ? LOG_BUDGET : slot->total))
		return false;
	if (stage_of(slot) == MOVING) {
		slot->total = left;
		set_stage(slot, MOVED);
	}
	fetch(slot, slot->total - left);
	return slot->total > 0;
}

/* All that was left of it was done, but for saying so. */
static bool
over(const struct stream *s, const struct carry_slot *slot)
{
	const struct drop *d = &carry->drops[s->drop];

	return s->drop != 0 && d->v[d->now & 1].seq >= slot->seq;
}

/* Its own state is the latest there is, unless more was dropped since. */
static void
recover(struct logger *lg, struct carry_slot *slot)
{
	struct stream *s;

	if (slot->total > LOG_BUDGET || !complete(slot) ||
	    memchr(slot->name, '\0', sizeof(slot->name)) == NULL ||
	    !log_name_valid(slot->name)) {
		end(slot);
		return;
	}
	s = stream_carried(lg, slot);
	if (over(s, slot) && !slot->parked) {
		end(slot);
		forget_said(s);
		return;
	}
	if (!over(s, slot)) {
		s->dropped_bytes = s->dropped_lines = 0;
		s->flags &= ~(unsigned)STREAM_SKIP;
		if (slot->parked && s->drop != 0)
			dropped(s, slot->seq);
	}
	stream_replay(s, slot);
}

static struct carry_slot *
next_left(uint64_t after)
{
	struct carry_slot *found = NULL;
	size_t i;

	for (i = 0; i < SLOTS; i++) {
		struct carry_slot *slot = &carry->slots[i];

		if (carry->stage[i] != FREE && slot->seq > after &&
		    (found == NULL || slot->seq < found->seq))
			found = slot;
	}
	return found;
}

static void
recover_all(struct logger *lg)
{
	struct carry_slot *slot;
	uint64_t after = 0;
	char byte;

	while ((slot = next_left(after)) != NULL) {
		after = slot->seq;
		recover(lg, slot);
	}
	stream_carried_all(lg);
	while (piped && left_in_pipe(SPAWN_FD_CARRY_READ) > 0 &&
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
	done();
	c->magic = MAGIC;
	return c;
}

/* Both of its ends are ours alone: nothing waits there. */
static void
open_pipe(void)
{
	int n;

	n = fcntl(SPAWN_FD_CARRY_WRITE, F_SETPIPE_SZ, CARRY_PIPE);
	if (n == -1)
		n = fcntl(SPAWN_FD_CARRY_WRITE, F_GETPIPE_SZ);
	pages = n > (int)PAGE ? (size_t)n / PAGE : 1;
	piped = true;
}

void
carry_start(struct logger *lg)
{
	int fd;

	carry = shared();
	if (carry != NULL) {
		memfd = SPAWN_FD_CARRY;
		open_pipe();
		for (fd = SPAWN_FD_CARRY; fd <= SPAWN_FD_CARRY_WRITE; fd++)
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	} else
		carry = map(-1);
	if (carry == NULL || !slot_backed(0))
		say_fatal("memory", -ENOMEM);
	recover_all(lg);
}
