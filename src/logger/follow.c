/* SPDX-License-Identifier: ISC */
/*
 * Readers of logs: the last lines, and those that come.  They read the files,
 * not the pipes, so that a reader which is slow or stopped costs services
 * nothing: it is simply further behind, whole lines at a time, and goes on
 * from file to file as they are rotated.  One whose next lines have been
 * rotated away for good is told so and dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "logger/logger.h"

#define READERS_MAX	256
#define QUEUED_MAX	(256U * 1024)	/* bytes on their way to one reader */
#define TURN_MAX	(256U * 1024)	/* for one reader in a turn */
#define SCAN_MAX	(64U * 1024 * 1024)	/* looked through for lines */

struct reader {
	struct reader	*next;
	server_peer	 peer;
	uint64_t	 ref;
	uint64_t	 off;		/* of what was not sent yet */
	uint64_t	 seen;		/* lg->files when none came after */
	struct stat	 st;		/* the file it reads */
	struct stat	 end;		/* where it ends, unless it follows */
	int		 fd;		/* -1: there is no file yet */
	bool		 follow;
	bool		 dirty;		/* there may be more */
	bool		 orphan;	/* its file has been removed */
	bool		 gone;
	char		 name[];
};

static char buf[65536];

/* --- where to begin --- */

struct scan {
	uint64_t	 want;		/* newlines still to be found */
	uint64_t	 left;		/* bytes that may be looked at */
	uint64_t	 off;		/* where the lines begin */
};

/* One block that ends at pos: true when the place was found. */
static bool
scan_block(struct scan *sc, uint64_t start, size_t len)
{
	const char *nl;

	while ((nl = memrchr(buf, '\n', len)) != NULL) {
		len = (size_t)(nl - buf);
		sc->off = start + len + 1;
		if (--sc->want == 0)
			return true;
	}
	return false;
}

/*
 * The offset at which the last lines begin, 0 for no line being what comes
 * behind the last newline.  Returns how many lines were not found.
 */
static uint64_t
find_lines(int fd, uint64_t size, uint64_t lines, struct scan *sc)
{
	uint64_t pos;
	ssize_t n;
	size_t len;

	sc->off = size;
	if (size == 0)
		return lines;
	pos = lines == 0 ? size : size - 1;	/* the last newline ends one */
	sc->want = lines == 0 ? 1 : lines;
	for (; pos > 0 && sc->left > 0; pos -= len) {
		len = pos < sizeof(buf) ? (size_t)pos : sizeof(buf);
		n = pread(fd, buf, len, (off_t)(pos - len));
		if (n != (ssize_t)len || scan_block(sc, pos - len, len))
			return 0;
		sc->left -= len < sc->left ? len : sc->left;
	}
	if (pos > 0)
		return 0;		/* far enough: from the line found */
	sc->off = 0;
	return lines == 0 ? 0 : sc->want - 1;
}

/* From the current file backwards, until there are lines enough. */
static void
find_start(struct logger *lg, struct reader *r, uint64_t lines)
{
	struct scan sc = { .left = SCAN_MAX };
	struct stat st;
	unsigned i;
	int fd, rc;

	for (i = 0; i <= LOG_KEEP_MAX; i++) {
		rc = logfile_open_old(&lg->dir, r->name, i, &fd, &st);
		if (rc < 0 && i > 0)
			break;
		if (rc < 0)		/* just rotated, not yet made again */
			continue;
		if (r->fd == -1)
			r->end = st;
		else
			(void)close(r->fd);
		r->fd = fd;
		r->st = st;
		lines = find_lines(fd, (uint64_t)st.st_size, lines, &sc);
		r->off = sc.off;
		if (lines == 0 || sc.left == 0)
			break;
	}
}

/* --- sending --- */

static void
finish(struct logger *lg, struct reader *r)
{
	(void)server_reply(lg->server, r->peer, r->ref, "{}", 2);
	r->gone = true;
}

static bool
send_lines(struct logger *lg, struct reader *r, size_t len)
{
	if (len == 0)
		return true;
	if (server_info(lg->server, r->peer, r->ref, buf, len) < 0)
		r->gone = true;
	r->off += len;
	return !r->gone;
}

static bool
at_last_file(const struct reader *r)
{
	return r->st.st_ino == r->end.st_ino && r->st.st_dev == r->end.st_dev;
}

/* len bytes without a newline are left of this file; is there another? */
static void
next_file(struct logger *lg, struct reader *r, size_t len)
{
	struct stat st;
	int fd, rc = 0;

	if (r->follow ? r->seen != lg->files : !at_last_file(r)) {
		rc = logfile_open_next(&lg->dir, r->name, &r->st, &fd, &st);
		if (rc <= 0)
			r->seen = lg->files;
	}
	if (rc > 0) {
		(void)send_lines(lg, r, len);
		(void)close(r->fd);
		r->fd = fd;
		r->st = st;
		r->off = 0;
		r->orphan = false;
	} else if (r->follow)
		r->dirty = false;
	else if (send_lines(lg, r, len))
		finish(lg, r);
}

/* There was no file when it came: perhaps now. */
static void
first_file(struct logger *lg, struct reader *r)
{
	if (logfile_open_old(&lg->dir, r->name, 0, &r->fd, &r->st) == 0) {
		r->off = 0;
		return;
	}
	r->fd = -1;
	r->dirty = false;
	if (!r->follow)
		finish(lg, r);
}

/* One block of lines: how many bytes it was. */
static size_t
send_block(struct logger *lg, struct reader *r)
{
	size_t len, want = sizeof(buf);
	const char *nl;
	ssize_t n;

	if (!r->follow && at_last_file(r)) {
		if (r->off >= (uint64_t)r->end.st_size)
			want = 0;
		else if ((uint64_t)r->end.st_size - r->off < want)
			want = (size_t)((uint64_t)r->end.st_size - r->off);
	}
	n = pread(r->fd, buf, want, (off_t)r->off);
	len = n < 0 ? 0 : (size_t)n;
	nl = len == 0 ? NULL : memrchr(buf, '\n', len);
	if (nl != NULL)
		len = (size_t)(nl - buf) + 1;
	else if (len < sizeof(buf)) {
		next_file(lg, r, len);
		return len;
	}
	(void)send_lines(lg, r, len);
	return len;
}

static void
pump(struct logger *lg, struct reader *r)
{
	size_t sent = 0;

	while (!r->gone && r->dirty) {
		if (server_queued(lg->server, r->peer) >= QUEUED_MAX)
			return;		/* its reading brings us back */
		if (sent >= TURN_MAX) {
			(void)loop_timer_set(lg->loop, &lg->reader_timer,
			    loop_now_ms());
			return;
		}
		if (r->fd == -1)
			first_file(lg, r);
		else
			sent += send_block(lg, r);
	}
}

static void
sweep(struct logger *lg)
{
	struct reader **p = &lg->readers, *r;

	while ((r = *p) != NULL) {
		if (!r->gone) {
			p = &r->next;
			continue;
		}
		*p = r->next;
		if (r->fd != -1)
			(void)close(r->fd);
		free(r);
		lg->nreaders--;
	}
}

void
follow_turn(struct logger *lg)
{
	struct reader *r;

	if (lg->readers == NULL)
		return;
	for (r = lg->readers; r != NULL; r = r->next)
		pump(lg, r);
	sweep(lg);
}

/* --- what the others tell --- */

int
follow_start(struct logger *lg, const struct follow_request *req)
{
	size_t size = strlen(req->name) + 1;
	struct reader *r;
	struct stream *s;

	if (lg->nreaders >= READERS_MAX)
		return -EBUSY;
	r = xrealloc(NULL, sizeof(*r) + size);
	*r = (struct reader){ .next = lg->readers, .peer = req->peer,
	    .ref = req->ref, .fd = -1, .follow = req->follow, .dirty = true,
	    .seen = UINT64_MAX };
	memcpy(r->name, req->name, size);
	find_start(lg, r, req->lines);
	s = stream_named(lg, req->name);
	if (r->fd == -1 && s == NULL) {
		free(r);
		return -ENOENT;
	}
	lg->readers = r;
	lg->nreaders++;
	for (; s != NULL; s = s->name_next)
		if (strcmp(s->name, req->name) == 0)
			s->flags |= STREAM_FOLLOWED;
	return 0;
}

bool
follow_wanted(const struct logger *lg, const char *name)
{
	const struct reader *r;

	for (r = lg->readers; r != NULL; r = r->next)
		if (!r->gone && r->follow && strcmp(r->name, name) == 0)
			return true;
	return false;
}

bool
follow_grown(struct logger *lg, const char *name)
{
	struct reader *r;
	bool any = false;

	for (r = lg->readers; r != NULL; r = r->next)
		if (!r->gone && strcmp(r->name, name) == 0)
			r->dirty = any = true;
	return any;
}

void
follow_rotating(struct logger *lg, const char *name)
{
	struct reader *r;

	for (r = lg->readers; r != NULL; r = r->next)
		if (strcmp(r->name, name) == 0)
			pump(lg, r);
}

/* It may still read a file that was removed; when that happens to the next
 * one too, there is a gap. */
void
follow_rotated(struct logger *lg, const char *name)
{
	struct reader *r;
	struct stat st;

	for (r = lg->readers; r != NULL; r = r->next) {
		if (r->gone || r->fd == -1 || strcmp(r->name, name) != 0 ||
		    fstat(r->fd, &st) == -1 || st.st_nlink > 0)
			continue;
		if (!r->orphan) {
			r->orphan = true;
			continue;
		}
		(void)server_error(lg->server, r->peer, r->ref,
		    FRAME_E_REFUSED, "too slow: lines were rotated away");
		r->gone = true;
	}
}

void
follow_gone(struct logger *lg, server_peer peer)
{
	struct reader *r;

	for (r = lg->readers; r != NULL; r = r->next)
		if (r->peer == peer)
			r->gone = true;
}
