/* SPDX-License-Identifier: ISC */
/*
 * From bytes to files.  What fails here must not reach the service: a stream
 * whose file cannot be written is at fault, and then its pipe takes up what it
 * can; what was read already waits in the carry, within one bound for all
 * streams; and only when the pipe is about to block the service are whole lines dropped,
 * counted, and said in the log when it can be written again.  A timer runs
 * while there is a fault, and only then.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "logger/carry.h"

#define RESERVE		640	/* descriptors for peers, readers, ourselves */
#define OPEN_MIN	16	/* files that may be open in any case */
#define RETRY_FAILURES	64	/* streams that fail again, in one go */

static void
lru_remove(struct stream *s)
{
	struct logger *lg = s->lg;

	*(s->lru_prev ? &s->lru_prev->lru_next : &lg->lru_first) = s->lru_next;
	*(s->lru_next ? &s->lru_next->lru_prev : &lg->lru_last) = s->lru_prev;
	s->lru_prev = s->lru_next = NULL;
}

static void
lru_insert(struct stream *s)
{
	struct logger *lg = s->lg;

	s->lru_next = lg->lru_first;
	*(lg->lru_first ? &lg->lru_first->lru_prev : &lg->lru_last) = s;
	lg->lru_first = s;
}

void
sink_close(struct stream *s)
{
	if (s->file == -1)
		return;
	(void)close(s->file);
	s->file = -1;
	s->lg->nopen--;
	lru_remove(s);
}

void
sink_make_room(struct logger *lg)
{
	while (lg->nopen > OPEN_MIN &&
	    lg->nopen + lg->npipes + RESERVE >= lg->nofile)
		sink_close(lg->lru_last);
}

static bool
ends_midline(int fd, const struct stat *st)
{
	char last;

	return st->st_size > 0 &&
	    pread(fd, &last, 1, st->st_size - 1) == 1 && last != '\n';
}

bool
sink_midline(struct stream *s)
{
	struct stat st;
	int fd;

	if (s->file == -1 && (s->flags & STREAM_MIDLINE) == 0 &&
	    logfile_open_old(&s->lg->dir, s->name, 0, &fd, &st) == 0) {
		if (ends_midline(fd, &st))
			s->flags |= STREAM_MIDLINE;
		(void)close(fd);
	}
	return s->flags & STREAM_MIDLINE;
}

static int
file_open(struct stream *s, struct stat *out_st)
{
	struct logger *lg = s->lg;
	int fd, rc;

	sink_make_room(lg);
	rc = logfile_open(&lg->dir, s->name, &fd, out_st);
	if ((rc == -EMFILE || rc == -ENFILE) && lg->lru_last != NULL) {
		sink_close(lg->lru_last);
		rc = logfile_open(&lg->dir, s->name, &fd, out_st);
	}
	if (rc < 0)
		return rc;
	s->file = fd;
	lru_insert(s);
	lg->nopen++;
	lg->files++;
	s->flags &= ~(unsigned)STREAM_MIDLINE;
	if (ends_midline(fd, out_st))
		s->flags |= STREAM_MIDLINE;
	return 0;
}

/* The size comes from the file itself, and a file that was removed is made
 * again: people do remove, truncate and replace logs. */
static int
file_ready(struct stream *s, struct stat *out_st)
{
	if (s->file == -1)
		return file_open(s, out_st);
	if (fstat(s->file, out_st) == -1 || out_st->st_nlink == 0) {
		sink_close(s);
		return file_open(s, out_st);
	}
	if (s->lg->lru_first != s) {
		lru_remove(s);
		lru_insert(s);
	}
	return 0;
}

static void
fault_begin(struct stream *s, int error)
{
	struct logger *lg = s->lg;

	s->flags |= STREAM_FAULT;
	sink_close(s);
	if (lg->retrying) {		/* the same fault is not over */
		lg->retry_error = error;
		return;
	}
	lg->nfaults++;
	if (lg->said_error != error) {
		say("cannot write %s.log: %s", s->name, strerror(-error));
		answer_fault(lg, s->key, -error);
	}
	lg->said_error = error;
	if (lg->fault_timer.pos == 0)
		(void)loop_timer_set(lg->loop, &lg->fault_timer,
		    loop_now_ms() + LOG_FAULT_MS);
}

static void
fault_end(struct stream *s, bool repaired)
{
	struct logger *lg = s->lg;

	s->flags &= ~(unsigned)STREAM_FAULT;
	if (--lg->nfaults > 0)
		return;
	lg->said_error = 0;
	answer_well(lg);
	loop_timer_cancel(lg->loop, &lg->fault_timer);
	if (repaired)
		say("logs can be written again; dropped since the start: "
		    "%llu bytes in %llu lines",
		    (unsigned long long)lg->dropped_bytes,
		    (unsigned long long)lg->dropped_lines);
}

int
sink_open(struct stream *s)
{
	struct stat st;
	int rc;

	if (s->file != -1)
		return 0;
	rc = file_open(s, &st);
	if (rc < 0)
		fault_begin(s, rc);
	return rc;
}

static int
rotate(struct stream *s, const struct stat *st)
{
	struct logger *lg = s->lg;
	struct stream *o;
	int rc;

	follow_rotating(lg, s->name);
	rc = logfile_rotate(&lg->dir, s->name, s->keep, st);
	if (rc < 0) {
		say("cannot rotate %s.log: %s", s->name, strerror(-rc));
		s->rotate_at = (uint64_t)st->st_size +
		    (s->max_bytes > LOG_BUDGET ? s->max_bytes : LOG_BUDGET);
		return rc;
	}
	s->rotate_at = 0;
	lg->rotations++;
	/* Two keys may have one name, for the moment of a reload. */
	for (o = stream_named(lg, s->name); o != NULL; o = o->name_next)
		if (strcmp(o->name, s->name) == 0)
			sink_close(o);
	s->flags &= ~(unsigned)STREAM_MIDLINE;
	follow_rotated(lg, s->name);
	return 0;
}

int
sink_rotate(struct stream *s)
{
	struct stat st;
	int fd, rc;

	if (s->name[0] == '\0')
		return 0;
	rc = logfile_open_old(&s->lg->dir, s->name, 0, &fd, &st);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	(void)close(fd);
	return st.st_size == 0 ? 0 : rotate(s, &st);
}

/*
 * How much of data belongs into a file that has size bytes already: whole
 * lines as far as they fit, and the end of a line that began there, unless it
 * is endless.  0: rotate first.
 */
static size_t
file_share(const struct stream *s, uint64_t size, const char *data, size_t len)
{
	uint64_t limit = s->max_bytes;
	const char *nl;

	if (s->rotate_at > limit)
		limit = s->rotate_at;
	if (s->max_bytes == 0 || (size < limit && len <= limit - size))
		return len;
	nl = size < limit ? memrchr(data, '\n', (size_t)(limit - size)) : NULL;
	if (nl != NULL)
		return (size_t)(nl - data) + 1;
	if (size > 0 && (s->flags & STREAM_MIDLINE) == 0)
		return 0;
	nl = memchr(data, '\n', len);
	if (nl != NULL)
		return (size_t)(nl - data) + 1;
	return size == 0 || size + len <= limit + LOG_LINE_MAX ? len : 0;
}

/* How much of data was written, perhaps nothing yet; or negative errno. */
static ssize_t
write_some(struct stream *s, const char *data, size_t len)
{
	struct stat st;
	ssize_t n;
	int rc;

	rc = file_ready(s, &st);
	if (rc < 0)
		return rc;
	len = file_share(s, (uint64_t)st.st_size, data, len);
	if (len == 0) {
		(void)rotate(s, &st);
		return 0;
	}
	carry_write(s->lg->playing, &st, len);
	n = write(s->file, data, len);
	rc = n == 0 ? -EIO : -errno;
	carry_written(s->lg->playing, n);
	if (n <= 0)
		return rc == -EINTR ? 0 : rc;
	s->flags &= ~(unsigned)STREAM_MIDLINE;
	if (data[n - 1] != '\n')
		s->flags |= STREAM_MIDLINE;
	s->lg->bytes += (uint64_t)n;
	if (s->flags & STREAM_FOLLOWED && !follow_grown(s->lg, s->name))
		s->flags &= ~(unsigned)STREAM_FOLLOWED;
	return n;
}

/* All of it that was not written before: 0, or negative errno with *done less
 * than len. */
static int
write_all(struct stream *s, const char *data, size_t len, size_t *done)
{
	struct logger *lg = s->lg;
	uint64_t left;
	ssize_t n;

	for (*done = 0; *done < len; *done += (size_t)n) {
		left = lg->playing->written - lg->played;
		if (left > 0)
			n = (ssize_t)(left < len - *done ? left : len - *done);
		else
			n = write_some(s, data + *done, len - *done);
		if (n < 0)
			return (int)n;
		lg->played += (uint64_t)n;
	}
	return 0;
}

void
sink_drop(struct stream *s, const char *data, size_t len)
{
	const char *p = data, *end = data + len;
	uint64_t lines = 0;

	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		lines++;
		p++;
	}
	/* A line counts when it begins to be dropped, and only then. */
	if (end[-1] != '\n')
		lines++;
	if (s->flags & STREAM_SKIP)
		lines--;
	s->flags &= ~(unsigned)STREAM_SKIP;
	if (end[-1] != '\n')
		s->flags |= STREAM_SKIP;
	s->dropped_bytes += len;
	s->dropped_lines += lines;
	s->lg->dropped_bytes += len;
	s->lg->dropped_lines += lines;
}

/* All that is being played is kept, or the rest of it is dropped. */
static void
keep_or_drop(struct stream *s, const char *data, size_t len)
{
	struct carry_slot *slot = s->lg->playing;

	if (s->parked == slot || (s->parked == NULL && carry_park(s, slot)))
		return;
	sink_drop(s, data, len);
}

/* Say in the log how much was dropped.  What is played first, so that it reads
 * the same when it is played again. */
static int
write_note(struct stream *s)
{
	struct carry_slot *slot = s->lg->playing;
	char note[LOG_NOTE_MAX];
	size_t done;
	int n, rc;

	if (slot->written == 0)
		slot->flags = (slot->flags & ~(unsigned)STREAM_MIDLINE) |
		    (s->flags & STREAM_MIDLINE);
	n = snprintf(note, sizeof(note),
	    "%s%sotp-logger: dropped %llu bytes in %llu lines\n",
	    slot->flags & STREAM_MIDLINE ? "\n" : "",
	    slot->flags & STREAM_STAMP ? slot->stamp : "",
	    (unsigned long long)s->dropped_bytes,
	    (unsigned long long)s->dropped_lines);
	rc = write_all(s, note, (size_t)n, &done);
	if (rc == 0)
		s->dropped_bytes = s->dropped_lines = 0;
	return rc;
}

void
sink_note_now(struct stream *s)
{
	int rc;

	if (s->dropped_bytes == 0 || s->flags & STREAM_FAULT)
		return;
	rc = write_note(s);
	if (rc < 0)
		fault_begin(s, rc);
}

void
sink_note(struct stream *s)
{
	if ((s->flags & STREAM_SKIP) == 0)
		sink_note_now(s);
}

void
sink_write(struct stream *s, const char *data, size_t len)
{
	size_t done = 0;
	int rc;

	sink_note(s);
	if ((s->flags & STREAM_FAULT) == 0) {
		rc = write_all(s, data, len, &done);
		if (rc == 0)
			return;
		fault_begin(s, rc);
	}
	keep_or_drop(s, data + done, len - done);
}

int
sink_retry(struct stream *s)
{
	struct logger *lg = s->lg;
	struct stat st;
	int rc;

	rc = file_ready(s, &st);
	if (rc < 0)
		return rc;
	lg->retrying = true;
	s->flags &= ~(unsigned)STREAM_FAULT;
	if (s->parked != NULL)
		stream_replay(s, s->parked);
	if ((s->flags & STREAM_FAULT) == 0)
		stream_note(s);
	lg->retrying = false;
	if (s->flags & STREAM_FAULT)
		return lg->retry_error;
	fault_end(s, true);
	return 0;
}

/* Its data and what it began with count as dropped. */
static void
drop_parked(struct stream *s)
{
	struct carry_slot *slot = s->parked;
	size_t left;

	s->parked = NULL;
	s->lg->nparked--;
	s->dropped_bytes += slot->dropped_bytes;
	s->dropped_lines += slot->dropped_lines;
	left = slot->written < slot->total ?
	    slot->total - (size_t)slot->written : 0;
	if (left > 0)
		sink_drop(s, slot->data + slot->total - left, left);
	carry_end(s, slot);
}

void
sink_abandon(struct stream *s)
{
	if ((s->flags & STREAM_FAULT) == 0 || sink_retry(s) == 0)
		return;
	if (s->parked != NULL)
		drop_parked(s);
	if (s->dropped_bytes > 0)
		say("%s.log: dropped %llu bytes in %llu lines", s->name,
		    (unsigned long long)s->dropped_bytes,
		    (unsigned long long)s->dropped_lines);
	fault_end(s, false);
}

/* A bounded number of failures in one go: others have logs to be read. */
static void
retry_bucket(struct stream *s, unsigned *failures)
{
	for (; s != NULL; s = s->key_next) {
		if ((s->flags & STREAM_FAULT) == 0)
			continue;
		if (sink_retry(s) == 0)
			stream_watch(s);
		else
			(*failures)++;
	}
}

void
sink_retry_all(void *arg)
{
	struct logger *lg = arg;
	unsigned failures = 0;
	size_t i;

	for (i = 0; i < lg->nbuckets && failures < RETRY_FAILURES; i++) {
		retry_bucket(lg->by_key[lg->fault_bucket], &failures);
		lg->fault_bucket = (lg->fault_bucket + 1) % lg->nbuckets;
	}
	if (lg->nfaults > 0)
		(void)loop_timer_set(lg->loop, &lg->fault_timer,
		    loop_now_ms() + LOG_FAULT_MS);
}
