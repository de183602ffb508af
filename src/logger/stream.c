/* SPDX-License-Identifier: ISC */
/*
 * The streams: found by key and by name, joined from pipe and settings, and
 * read.  A pipe is watched for edges, so that one whose writers have all gone
 * reports that once and not for ever; while there is more in it than a stream
 * may have in a turn it is watched for its level, and the kernel hands out
 * turns to all such streams in a circle.
 *
 * It reads and writes; it does not splice.  Splicing 64 KiB from a pipe to a
 * file costs seven times what copying them does here (it moves page by page),
 * the same for short lines, cannot append, and does not show where lines end.
 *
 * It must never wait for a pipe, and never read one that it cannot write out,
 * except to keep its service from being blocked.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "logger/carry.h"
#include "wire/spawn_request.h"

#define BUCKETS_MIN	64

/* --- the table --- */

static size_t
hash_key(const struct logger *lg, uint64_t key)
{
	return (size_t)((key * 0x9e3779b97f4a7c15U) >> 32) &
	    (lg->nbuckets - 1);
}

static size_t
hash_name(const struct logger *lg, const char *name)
{
	uint32_t h = 2166136261U;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 16777619U;
	return (h ^ h >> 15) & (lg->nbuckets - 1);
}

static void
table_insert(struct stream *s)
{
	struct stream **bucket = &s->lg->by_key[hash_key(s->lg, s->key)];

	s->key_next = *bucket;
	*bucket = s;
	if (s->name[0] == '\0')
		return;
	bucket = &s->lg->by_name[hash_name(s->lg, s->name)];
	s->name_next = *bucket;
	*bucket = s;
}

static void
table_remove(struct stream *s)
{
	struct stream **p = &s->lg->by_key[hash_key(s->lg, s->key)];

	while (*p != s)
		p = &(*p)->key_next;
	*p = s->key_next;
	if (s->name[0] == '\0')
		return;
	p = &s->lg->by_name[hash_name(s->lg, s->name)];
	while (*p != s)
		p = &(*p)->name_next;
	*p = s->name_next;
}

static void
table_grow(struct logger *lg)
{
	struct stream **old = lg->by_key, *s, *next;
	size_t i, n = lg->nbuckets;

	lg->nbuckets = n == 0 ? BUCKETS_MIN : n * 2;
	free(lg->by_name);
	lg->by_key = xrealloc(NULL, lg->nbuckets * sizeof(struct stream *));
	lg->by_name = xrealloc(NULL, lg->nbuckets * sizeof(struct stream *));
	memset(lg->by_key, 0, lg->nbuckets * sizeof(struct stream *));
	memset(lg->by_name, 0, lg->nbuckets * sizeof(struct stream *));
	for (i = 0; i < n; i++)
		for (s = old[i]; s != NULL; s = next) {
			next = s->key_next;
			table_insert(s);
		}
	free(old);
}

struct stream *
stream_find(const struct logger *lg, uint64_t key)
{
	struct stream *s;

	if (lg->nbuckets == 0)
		return NULL;
	for (s = lg->by_key[hash_key(lg, key)]; s != NULL; s = s->key_next)
		if (s->key == key)
			break;
	return s;
}

struct stream *
stream_named(const struct logger *lg, const char *name)
{
	struct stream *s;

	if (lg->nbuckets == 0)
		return NULL;
	for (s = lg->by_name[hash_name(lg, name)]; s != NULL; s = s->name_next)
		if (strcmp(s->name, name) == 0)
			break;
	return s;
}

static struct stream *
stream_new(struct logger *lg, uint64_t key, const char *name)
{
	size_t size = sizeof(struct stream) + strlen(name) + 1;
	struct stream *s;

	if (lg->nstreams == lg->nbuckets)
		table_grow(lg);
	s = xrealloc(NULL, size);
	*s = (struct stream){ .lg = lg, .key = key, .pipe = -1, .file = -1 };
	memcpy(s->name, name, strlen(name) + 1);
	carry_find_dropped(s);
	table_insert(s);
	lg->nstreams++;
	return s;
}

/* The same with another name, at another place. */
static struct stream *
stream_renamed(struct stream *old, const char *name)
{
	size_t size = sizeof(*old) + strlen(name) + 1;
	struct stream *s;

	sink_close(old);
	loop_remove(old->lg->loop, old->handle);
	table_remove(old);
	s = xrealloc(NULL, size);
	*s = *old;
	memcpy(s->name, name, strlen(name) + 1);
	s->handle = 0;
	s->key_next = s->name_next = NULL;
	free(old);
	table_insert(s);
	return s;
}

/* --- reading --- */

/* Watch for the level when there is more now, else for the next edge.  The
 * change itself makes the kernel look again. */
static void
watch_level(struct stream *s, bool level)
{
	int rc;

	if (((s->flags & STREAM_LEVEL) != 0) == level || s->handle == 0)
		return;
	s->flags ^= STREAM_LEVEL;
	rc = loop_change(s->lg->loop, s->handle,
	    level ? EPOLLIN : EPOLLIN | EPOLLET);
	if (rc < 0)
		say_fatal("epoll", rc);
}

static size_t
pipe_fill(const struct stream *s)
{
	int n = 0;

	return ioctl(s->pipe, FIONREAD, &n) == -1 || n < 0 ? 0 : (size_t)n;
}

static size_t
pipe_size(const struct stream *s)
{
	int n = fcntl(s->pipe, F_GETPIPE_SZ);

	return n <= 0 ? 4096 : (size_t)n;
}

/* What was read, less the rest of a line that is being dropped. */
static void
take(struct stream *s, const char *data, size_t len)
{
	const char *nl;
	size_t skip;

	if (s->flags & STREAM_SKIP) {
		nl = memchr(data, '\n', len);
		skip = nl == NULL ? len : (size_t)(nl - data) + 1;
		sink_drop(s, data, skip);
		data += skip;
		len -= skip;
	}
	if (len == 0)
		sink_note(s);
	else if (s->lg->playing->flags & STREAM_STAMP)
		stamp_write(s, data, len);
	else
		sink_write(s, data, len);
}

static void
play(struct stream *s, struct carry_slot *slot)
{
	s->lg->playing = slot;
	s->lg->played = 0;
	if (slot->total > 0)
		take(s, slot->data, slot->total);
	else
		sink_note_now(s);
	s->lg->playing = NULL;
}

/* As it was read, and done with it unless it waits now. */
static void
play_first(struct stream *s, struct carry_slot *slot)
{
	play(s, slot);
	if (s->parked != slot)
		carry_end(s, slot);
}

/* From the state in which it was read; what was dropped after that is said
 * behind it. */
void
stream_replay(struct stream *s, struct carry_slot *slot)
{
	struct logger *lg = s->lg;
	const struct stream was = *s;
	const uint64_t bytes = lg->dropped_bytes, lines = lg->dropped_lines;

	if (s->parked == slot) {
		s->parked = NULL;
		lg->nparked--;
	}
	s->dropped_bytes = slot->dropped_bytes;
	s->dropped_lines = slot->dropped_lines;
	s->text = slot->text;
	s->flags &= ~(unsigned)STREAM_SKIP;
	s->flags |= slot->flags & STREAM_SKIP;
	if (sink_open(s) == 0)
		carry_count_written(lg, slot);
	play(s, slot);
	s->dropped_bytes += was.dropped_bytes;
	s->dropped_lines += was.dropped_lines;
	s->flags |= was.flags & STREAM_SKIP;
	if (was.parked == slot) {	/* were counted the first time */
		lg->dropped_bytes = bytes;
		lg->dropped_lines = lines;
	}
	if (s->parked != slot)
		carry_end(s, slot);
}

void
stream_note(struct stream *s)
{
	if (s->dropped_bytes > 0)
		play_first(s, carry_text(s, ""));
}

/* Its name is known and good. */
static bool
has_file(const struct stream *s)
{
	return s->name[0] != '\0';
}

/* Every writer has closed it: a line that they left open ends here. */
static void
ended(struct stream *s)
{
	s->flags &= ~(unsigned)STREAM_SKIP;
	s->text = 0;
	carry_save(s);
	if (s->flags & STREAM_FAULT || !has_file(s))
		return;
	stream_note(s);
	if ((s->flags & STREAM_FAULT) == 0 && sink_midline(s))
		play_first(s, carry_text(s, "\n"));
}

/*
 * At fault, or without a file for ever.  A pipe whose pages are all taken may
 * hold little more than half of its size in bytes; from there on its writer
 * might block, so it is emptied.
 */
static void
relieve(struct stream *s)
{
	size_t limit = pipe_size(s) / 2;
	struct carry_slot *slot;
	bool more;

	if (s->flags & STREAM_REFUSED)
		limit = 1;
	while (pipe_fill(s) >= limit) {
		slot = carry_read(s, &more);
		if (slot == NULL)
			break;
		sink_drop(s, slot->data, slot->total);
		carry_end(s, slot);
	}
}

/* Read one budget: NULL for nothing now. */
static struct carry_slot *
stream_read(struct stream *s, bool *out_more)
{
	/* No file is made for nothing; and none, no reading. */
	*out_more = false;
	if (s->file == -1 && (pipe_fill(s) == 0 || sink_open(s) < 0))
		return NULL;
	if (s->flags & STREAM_MIDLINE)
		s->text = s->text > 0 ? s->text : 1;
	else
		s->text = 0;
	return carry_read(s, out_more);
}

static void
stream_ready(void *arg, uint32_t events)
{
	struct stream *s = arg;
	struct carry_slot *slot = NULL;
	bool hangup = events & EPOLLHUP, more = false;

	if ((s->flags & (STREAM_FAULT | STREAM_REFUSED)) == 0) {
		slot = stream_read(s, &more);
		if (slot != NULL)
			play_first(s, slot);
	}
	if (s->flags & (STREAM_FAULT | STREAM_REFUSED)) {
		watch_level(s, false);
		relieve(s);
	} else
		watch_level(s, more || (slot != NULL && hangup));
	if (slot == NULL && hangup && pipe_fill(s) == 0)
		ended(s);
}

/* Begin to watch a stream that is whole, or look at it anew. */
void
stream_watch(struct stream *s)
{
	int rc;

	if (s->pipe == -1 || (s->flags & STREAM_SETTLED) == 0)
		return;
	if (s->handle != 0) {
		watch_level(s, true);
		return;
	}
	s->flags &= ~(unsigned)STREAM_LEVEL;
	rc = loop_add(s->lg->loop, s->pipe, EPOLLIN | EPOLLET, stream_ready, s,
	    &s->handle);
	if (rc < 0)
		say_fatal("epoll", rc);
}

/* --- joining --- */

/* What is in it now, and no more: somebody may go on writing. */
static void
drain(struct stream *s)
{
	size_t n, left = pipe_fill(s);
	struct carry_slot *slot;
	bool more;

	if (s->flags & STREAM_FAULT)
		(void)sink_retry(s);
	for (; left > 0; left -= n < left ? n : left) {
		slot = has_file(s) && (s->flags & STREAM_FAULT) == 0 ?
		    stream_read(s, &more) : NULL;
		if (slot == NULL)	/* cannot be written, but has to go */
			slot = carry_read(s, &more);
		if (slot == NULL)
			break;
		n = slot->total;
		if (has_file(s)) {
			play_first(s, slot);
			continue;
		}
		sink_drop(s, slot->data, n);
		carry_end(s, slot);
	}
}

static void
write_pipe(struct stream *s)
{
	size_t left = pipe_fill(s);
	struct carry_slot *slot;
	bool more;

	while (left > 0 && (s->flags & STREAM_FAULT) == 0 &&
	    (slot = stream_read(s, &more)) != NULL) {
		left -= slot->total < left ? slot->total : left;
		play_first(s, slot);
	}
}

void
stream_write_all(struct logger *lg)
{
	struct stream *s;
	size_t i;

	for (i = 0; i < lg->nbuckets; i++)
		for (s = lg->by_key[i]; s != NULL; s = s->key_next)
			if (s->pipe != -1 && has_file(s))
				write_pipe(s);
}

void
stream_close_pipe(struct stream *s)
{
	if (s->pipe == -1)
		return;
	drain(s);
	ended(s);
	loop_remove(s->lg->loop, s->handle);
	s->handle = 0;
	(void)close(s->pipe);
	s->pipe = -1;
	s->lg->npipes--;
}

static bool
same_pipe(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 &&
	    x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

void
stream_pipe(struct logger *lg, uint64_t key, int fd)
{
	struct stream *s = stream_find(lg, key);
	int flags;

	if (s == NULL)
		s = stream_new(lg, key, "");
	if (s->pipe != -1 && same_pipe(s->pipe, fd)) {
		(void)close(fd);
		return;
	}
	stream_close_pipe(s);
	flags = fcntl(fd, F_GETFL);
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1) {
		(void)close(fd);
		return;
	}
	s->pipe = fd;
	s->flags &= ~(unsigned)STREAM_DROPPED;
	s->flags |= STREAM_PIPED;
	lg->npipes++;
	stream_watch(s);
}

void
stream_settle(struct logger *lg, uint64_t key, const struct log_stream *set,
    const char *name)
{
	struct stream *s = stream_find(lg, key);
	bool valid = log_name_valid(name);

	if (!valid)
		say("refused a stream: its name is not a path of ids");
	if (s == NULL)
		s = stream_new(lg, key, valid ? name : "");
	else if (strcmp(s->name, valid ? name : "") != 0)
		s = stream_renamed(s, valid ? name : "");
	s->max_bytes = set->max_bytes;
	s->keep = set->keep;
	s->rotate_at = 0;
	s->flags &= ~(unsigned)(STREAM_REFUSED | STREAM_STAMP |
	    STREAM_FOLLOWED | STREAM_FORGOTTEN);
	s->flags |= STREAM_SETTLED;
	if (!valid)
		s->flags |= STREAM_REFUSED;
	if (set->flags & LOG_F_TIMESTAMP)
		s->flags |= STREAM_STAMP;
	if (valid && follow_wanted(lg, name))
		s->flags |= STREAM_FOLLOWED;
	stream_watch(s);
}

void
stream_free(struct stream *s)
{
	stream_close_pipe(s);
	sink_abandon(s);
	sink_close(s);
	carry_forget(s);
	table_remove(s);
	s->lg->nstreams--;
	free(s);
}

/* --- what was left --- */

struct stream *
stream_carried(struct logger *lg, const struct carry_slot *slot)
{
	struct stream *s = stream_find(lg, slot->key);

	if (s != NULL)
		return s;
	s = stream_new(lg, slot->key, slot->name);
	s->max_bytes = slot->max_bytes;
	s->keep = slot->keep;
	return s;
}

static void
carried(struct stream *s)
{
	if ((s->flags & (STREAM_FAULT | STREAM_SKIP)) == 0)
		stream_note(s);
	if ((s->flags & (STREAM_FAULT | STREAM_SKIP)) == 0)
		stream_free(s);
}

void
stream_carried_all(struct logger *lg)
{
	struct stream *s, *next;
	size_t i;

	for (i = 0; i < lg->nbuckets; i++)
		for (s = lg->by_key[i]; s != NULL; s = next) {
			next = s->key_next;
			carried(s);
		}
}
