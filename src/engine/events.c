/* SPDX-License-Identifier: ISC */
/*
 * The history of events, in chunks of packed records; the oldest chunk goes
 * when there are too many.  The chunks lie in a memfd, so that the next engine
 * finds them; what it finds is believed only as far as it is sound.  Never
 * writes to anyone: control.c does.
 */
#include "engine/events.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/out.h"

#define CHUNK_SIZE	16384
#define CHUNKS_MAX	32
#define CHUNKS_MIN	2	/* that have memory from the start */
#define CHUNK_VERSION	1

struct record {			/* then path, reason, child, each NUL-ended */
	uint64_t	seq, time_ms, mono_ns;
	int32_t		pid;
	uint32_t	generation, delay_ms;
	uint16_t	len;	/* of it all, padded to 8 */
	uint8_t		type;
	uint8_t		has;	/* which strings were said */
};

struct chunk {
	uint32_t	used, version;
	uint64_t	first_seq;	/* 0: an empty one */
	_Alignas(8) char data[CHUNK_SIZE];
};

#define HISTORY_SIZE	(CHUNKS_MAX * sizeof(struct chunk) + EVENTS_SCRATCH)

struct events {
	struct chunk	*base;		/* all of them; NULL: none yet */
	int		 fd;		/* whose mapping it is, or -1 */
	struct chunk	*chunks[CHUNKS_MAX];	/* in use, oldest first */
	int		 nchunks;
	struct chunk	*reserve;	/* the next one: it has memory; or NULL */
	uint64_t	 next_seq;
	/* where the last look-up ended, so that the next is O(1) */
	struct chunk	*at_chunk;
	uint32_t	 at_offset;
	uint64_t	 at_seq;
};

static const char *const words[] = {
#define X(name, word) word,
	EVENT_LIST(X)
#undef X
};
_Static_assert(sizeof(words) / sizeof(words[0]) == EVENT_NTYPES, "words");

struct events *
events_new(uint64_t first_seq)
{
	struct events *e = xcalloc(1, sizeof(*e));

	e->fd = -1;
	e->next_seq = first_seq;
	return e;
}

void
events_free(struct events *e)
{
	if (e->fd >= 0) {
		(void)munmap(e->base, HISTORY_SIZE);
		(void)close(e->fd);
	} else {
		free(e->base);
	}
	free(e);
}

/* --- the memory --- */

static int
map_history(struct events *e, int fd)
{
	void *p = mmap(NULL, HISTORY_SIZE, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	e->base = p;
	e->fd = fd;
	return 0;
}

/* A full memory is then an error and not a signal. */
static int
back(int fd, size_t at, size_t size)
{
	int rc;

	do
		rc = posix_fallocate(fd, (off_t)at, (off_t)size);
	while (rc == EINTR);
	return -rc;
}

static bool
in_use(const struct events *e, const struct chunk *c)
{
	for (int i = 0; i < e->nchunks; i++)
		if (e->chunks[i] == c)
			return true;
	return false;
}

/*
 * Always one ahead: what is new need not push out what nobody has read yet
 * because there is no memory just then.
 */
static void
make_reserve(struct events *e)
{
	struct chunk *c = e->base;

	if (e->reserve != NULL || e->nchunks == CHUNKS_MAX)
		return;
	if (c == NULL)
		c = e->base = xcalloc(CHUNKS_MAX, sizeof(*c));
	while (in_use(e, c))
		c++;
	if (e->fd < 0 || back(e->fd, (size_t)(c - e->base) * sizeof(*c),
	    sizeof(*c)) == 0)
		e->reserve = c;
}

int
events_share(struct events *e, int *out_fd)
{
	int fd, copy, rc;

	if (e->base != NULL)
		return -EALREADY;
	fd = memfd_create("otpd-events", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0 || ftruncate(fd, (off_t)HISTORY_SIZE) < 0)
		rc = -errno;
	else if ((rc = back(fd, HISTORY_SIZE - EVENTS_SCRATCH,
	    EVENTS_SCRATCH)) == 0 &&
	    (rc = back(fd, 0, CHUNKS_MIN * sizeof(struct chunk))) == 0)
		rc = map_history(e, fd);
	if (rc == 0) {
		*out_fd = copy;
		return 0;
	}
	if (copy >= 0)
		(void)close(copy);
	(void)close(fd);
	return rc;
}

/* Bytes of the sound records that were committed, and the number behind. */
static uint32_t
sound_part(const struct chunk *c, uint64_t end_seq, uint64_t *out_next)
{
	const struct record *r;
	uint64_t seq = c->first_seq;
	uint32_t at = 0;

	while (c->used <= CHUNK_SIZE && at + sizeof(*r) <= c->used &&
	    seq < end_seq) {
		const char *text = (const char *)(r = (const void *)(c->data +
		    at)) + sizeof(*r);
		uint32_t strings = 0;

		if (r->len < sizeof(*r) || r->len % 8 != 0 ||
		    r->len > c->used - at || r->seq != seq ||
		    r->type >= EVENT_NTYPES)
			break;
		for (const char *p = text; p < c->data + at + r->len; p++)
			strings += *p == '\0';
		if (strings < (uint32_t)__builtin_popcount(r->has))
			break;
		at += r->len;
		seq++;
	}
	*out_next = seq;
	return at;
}

/* The chunk whose records end before seq, cut there; NULL. */
static struct chunk *
chunk_before(struct events *e, uint64_t seq)
{
	uint64_t next;

	for (int i = 0; i < CHUNKS_MAX; i++) {
		struct chunk *c = &e->base[i];
		uint32_t used;

		if (c->version != CHUNK_VERSION || c->first_seq == 0 ||
		    c->first_seq >= seq)
			continue;
		used = sound_part(c, seq, &next);
		if (used == 0 || next != seq)
			continue;
		c->used = used;
		return c;
	}
	return NULL;
}

int
events_adopt(struct events *e, int fd)
{
	uint64_t seq = e->next_seq;
	struct chunk *c;
	struct stat st;
	int rc;

	if (e->base != NULL)
		return -EALREADY;
	if (fstat(fd, &st) < 0 || st.st_size != (off_t)HISTORY_SIZE)
		return -EINVAL;
	rc = map_history(e, fd);
	if (rc < 0)
		return rc;
	while (e->nchunks < CHUNKS_MAX && (c = chunk_before(e, seq)) != NULL) {
		memmove(e->chunks + 1, e->chunks,
		    (size_t)e->nchunks++ * sizeof(e->chunks[0]));
		e->chunks[0] = c;
		seq = c->first_seq;
	}
	return 0;
}

void *
events_scratch(struct events *e)
{
	return e->fd >= 0 ? (char *)e->base + HISTORY_SIZE - EVENTS_SCRATCH :
	    NULL;
}

/* To memory of our own: there is none to share. */
static void
leave_history(struct events *e)
{
	(void)munmap(e->base, HISTORY_SIZE);
	(void)close(e->fd);
	e->fd = -1;
	e->base = NULL;
}

static struct chunk *
chunk_with_room(struct events *e, uint32_t len)
{
	struct chunk *c = e->nchunks > 0 ? e->chunks[e->nchunks - 1] : NULL;

	make_reserve(e);
	if (c != NULL && c->used + len <= CHUNK_SIZE)
		return c;
	if (e->reserve == NULL && e->nchunks == 0) {
		leave_history(e);
		make_reserve(e);
	}
	c = e->reserve;
	if (c == NULL) {
		c = e->chunks[0];
		memmove(e->chunks, e->chunks + 1,
		    (size_t)--e->nchunks * sizeof(e->chunks[0]));
	}
	e->reserve = NULL;
	if (c == e->at_chunk)
		e->at_chunk = NULL;
	c->used = 0;
	c->version = CHUNK_VERSION;
	c->first_seq = e->next_seq;
	e->chunks[e->nchunks++] = c;
	return c;
}

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t
events_add(struct events *e, const struct event *ev)
{
	const char *const strings[] = { ev->path, ev->reason, ev->child };
	size_t lens[3], len = sizeof(struct record);
	struct record *r;
	struct chunk *c;
	char *p;

	for (int i = 0; i < 3; i++) {
		lens[i] = strings[i] != NULL ? strlen(strings[i]) + 1 : 0;
		len += lens[i];
	}
	len = (len + 7) & ~(size_t)7;
	if (len > CHUNK_SIZE)
		abort();	/* paths and reasons are bounded */
	c = chunk_with_room(e, (uint32_t)len);
	r = (struct record *)(void *)(c->data + c->used);
	*r = (struct record){ .seq = e->next_seq++,
	    .time_ms = clock_ns(CLOCK_REALTIME) / 1000000,
	    .mono_ns = clock_ns(CLOCK_MONOTONIC), .pid = ev->pid,
	    .generation = ev->generation,
	    .delay_ms = ev->type == EVENT_EXITED ? ev->meant : ev->delay_ms,
	    .len = (uint16_t)len, .type = (uint8_t)ev->type };
	p = (char *)(r + 1);
	for (int i = 0; i < 3; i++) {
		if (strings[i] == NULL)
			continue;
		r->has |= (uint8_t)(1 << i);
		memcpy(p, strings[i], lens[i]);
		p += lens[i];
	}
	c->used += (uint32_t)len;
	return r->seq;
}

uint64_t
events_next_seq(const struct events *e)
{
	return e->next_seq;
}

uint64_t
events_oldest_seq(const struct events *e)
{
	return e->nchunks > 0 ? e->chunks[0]->first_seq : e->next_seq;
}

static void
record_unpack(const struct record *r, struct event *out)
{
	const char **const strings[] = { &out->path, &out->reason,
	    &out->child };
	const char *p = (const char *)(r + 1);

	*out = (struct event){ .seq = r->seq, .time_ms = r->time_ms,
	    .mono_ns = r->mono_ns, .type = (enum event_type)r->type,
	    .pid = r->pid, .generation = r->generation };
	if (out->type == EVENT_EXITED)
		out->meant = r->delay_ms != 0;
	else
		out->delay_ms = r->delay_ms;
	for (int i = 0; i < 3; i++) {
		if ((r->has & (1 << i)) == 0)
			continue;
		*strings[i] = p;
		p += strlen(p) + 1;
	}
}

bool
events_get(struct events *e, uint64_t seq, struct event *out)
{
	const struct record *r;
	struct chunk *c = e->at_chunk;
	uint32_t offset = e->at_offset;

	if (seq >= e->next_seq)
		return false;
	if (seq < events_oldest_seq(e))
		seq = events_oldest_seq(e);
	if (c == NULL || seq != e->at_seq || offset >= c->used) {
		int i = e->nchunks - 1;

		while (e->chunks[i]->first_seq > seq)
			i--;
		c = e->chunks[i];
		offset = 0;
	}
	for (;; offset += r->len) {
		r = (const struct record *)(const void *)(c->data + offset);
		if (r->seq >= seq)
			break;
	}
	record_unpack(r, out);
	e->at_chunk = c;
	e->at_offset = offset + r->len;
	e->at_seq = seq + 1;
	return true;
}

const char *
event_word(enum event_type type)
{
	return words[type];
}

void
event_time(uint64_t time_ms, char out[32])
{
	time_t s = (time_t)(time_ms / 1000);
	struct tm tm;
	size_t n;

	(void)gmtime_r(&s, &tm);
	n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + n, 32 - n, ".%03uZ", (unsigned)(time_ms % 1000));
}

void
event_json(const struct event *ev, struct out *o)
{
	char when[32];

	event_time(ev->time_ms, when);
	out_format(o, "{\"seq\":%llu,\"time\":\"%s\",\"mono_ns\":\"%llu\","
	    "\"event\":\"%s\"", (unsigned long long)ev->seq, when,
	    (unsigned long long)ev->mono_ns, words[ev->type]);
	if (ev->path != NULL)
		out_key_string(o, "path", ev->path);
	if (ev->pid != 0)
		out_key_int(o, "pid", ev->pid);
	if (ev->generation != 0)
		out_key_int(o, "generation", ev->generation);
	if (ev->reason != NULL)
		out_key_string(o, "reason", ev->reason);
	if (ev->child != NULL)
		out_key_string(o, "child", ev->child);
	if (ev->type == EVENT_BACKOFF)
		out_key_int(o, "delay_ms", ev->delay_ms);
	out_text(o, "}");
}
