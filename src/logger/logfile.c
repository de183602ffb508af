/* SPDX-License-Identifier: ISC */
/*
 * The only part of the logger that turns a name into a file.  Names come from
 * the configuration by way of the engine and are checked again here, so that
 * none leads out of the log directory; a link, a device or somebody else's
 * file that was put in a log's place is refused, not written to.
 */
#include "logger/logfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DIR_FLAGS	(O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define OPEN_SAFE	(O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)
#define SURPLUS_MAX	16	/* files removed at one rotation */

static_assert(LOG_PART_MAX + sizeof(".log.1000") <= NAME_MAX,
    "a file's name fits");

static bool
part_valid(const char *part, size_t len)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~";

	return len > 0 && len <= LOG_PART_MAX && part[0] != '.' &&
	    part[0] != '-' && strspn(part, good) >= len;
}

bool
log_name_valid(const char *name)
{
	size_t len;

	if (strlen(name) > LOG_NAME_MAX)
		return false;
	for (;; name += len + 1) {
		len = strcspn(name, "/");
		if (!part_valid(name, len))
			return false;
		if (name[len] == '\0')
			return true;
	}
}

static int
make_dirs(const char *path)
{
	char part[PATH_MAX];
	size_t len;

	for (len = 1; path[len - 1] != '\0'; len++) {
		if (path[len] != '/' && path[len] != '\0')
			continue;
		if (len >= sizeof(part))
			return -ENAMETOOLONG;
		memcpy(part, path, len);
		part[len] = '\0';
		if (mkdir(part, 0750) == -1 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int
logdir_open(struct logdir *d)
{
	int fd, rc;

	fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT) {
		rc = make_dirs(d->path);
		if (rc < 0)
			return rc;
		fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd == -1)
		return -errno;
	if (d->fd != -1)
		(void)close(d->fd);
	d->fd = fd;
	return 0;
}

static int
dir_enter(int at, const char *part, bool create)
{
	int fd;

	fd = openat(at, part, DIR_FLAGS);
	if (fd == -1 && errno == ENOENT && create) {
		if (mkdirat(at, part, 0750) == -1 && errno != EEXIST)
			return -errno;
		fd = openat(at, part, DIR_FLAGS);
	}
	return fd == -1 ? -errno : fd;
}

/* The directory a name's file is in, which the caller closes. */
static int
parent_open(const struct logdir *d, const char *name, bool create,
    const char **out_last)
{
	char part[LOG_PART_MAX + 1];
	int at, next;
	size_t len;

	at = fcntl(d->fd, F_DUPFD_CLOEXEC, 0);
	if (at == -1)
		return -errno;
	while (name[len = strcspn(name, "/")] == '/') {
		(void)snprintf(part, sizeof(part), "%.*s", (int)len, name);
		next = dir_enter(at, part, create);
		(void)close(at);
		if (next < 0)
			return next;
		at = next;
		name += len + 1;
	}
	*out_last = name;
	return at;
}

/* "", which opens nothing, when last is too long: log_name_valid() says. */
static const char *
file_name(char *buf, size_t size, const char *last, unsigned index)
{
	int n;

	if (index == 0)
		n = snprintf(buf, size, "%s.log", last);
	else
		n = snprintf(buf, size, "%s.log.%u", last, index);
	return n < 0 || (size_t)n >= size ? "" : buf;
}

static int
file_check(int fd, struct stat *out_st)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_nlink != 1)
		return -EMLINK;
	if (st.st_uid != geteuid())
		return -EPERM;
	*out_st = st;
	return 0;
}

static int
open_at(int at, const char *last, unsigned index, int flags, int *out_fd,
    struct stat *out_st)
{
	char name[NAME_MAX + 1];
	int fd, rc;

	fd = openat(at, file_name(name, sizeof(name), last, index),
	    flags | OPEN_SAFE, 0640);
	if (fd == -1)
		return -errno;
	rc = file_check(fd, out_st);
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	*out_fd = fd;
	return 0;
}

static int
open_named(const struct logdir *d, const char *name, unsigned index,
    int flags, int *out_fd, struct stat *out_st)
{
	const char *last = "";
	int at, rc;

	at = parent_open(d, name, flags & O_CREAT, &last);
	if (at < 0)
		return at;
	rc = open_at(at, last, index, flags, out_fd, out_st);
	(void)close(at);
	return rc;
}

/*
 * O_APPEND, so that a logger which is about to die and the one that follows it
 * never overwrite each other; that rules splice out (see stream.c).
 */
int
logfile_open(struct logdir *d, const char *name, int *out_fd,
    struct stat *out_st)
{
	const int flags = O_RDWR | O_APPEND | O_CREAT;
	int rc;

	rc = open_named(d, name, 0, flags, out_fd, out_st);
	if (rc != -ENOENT && rc != -EBADF && rc != -ESTALE)
		return rc;
	/* The directory itself has gone: perhaps another is in its place. */
	rc = logdir_open(d);
	if (rc < 0)
		return rc;
	return open_named(d, name, 0, flags, out_fd, out_st);
}

int
logfile_open_old(struct logdir *d, const char *name, unsigned index,
    int *out_fd, struct stat *out_st)
{
	return open_named(d, name, index, O_RDONLY, out_fd, out_st);
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Which of the files at last is it?  -ENOENT: none; *out_n: how many are. */
static int
file_index(int at, const char *last, const struct stat *file, unsigned *out_n)
{
	char name[NAME_MAX + 1];
	struct stat st;
	unsigned i;

	for (i = 0; i <= LOG_KEEP_MAX; i++) {
		if (fstatat(at, file_name(name, sizeof(name), last, i), &st,
		    AT_SYMLINK_NOFOLLOW) == -1) {
			if (i > 0)	/* .log may be missing for a moment */
				break;
		} else if (same_file(&st, file))
			return (int)i;
	}
	*out_n = i;
	return -ENOENT;
}

int
logfile_open_next(struct logdir *d, const char *name, const struct stat *was,
    int *out_fd, struct stat *out_st)
{
	const char *last = "";
	unsigned n = 0;
	int at, i, rc;

	at = parent_open(d, name, false, &last);
	if (at < 0)
		return at;
	i = file_index(at, last, was, &n);
	if (i == 0) {
		(void)close(at);
		return 0;
	}
	rc = open_at(at, last, i > 0 ? (unsigned)i - 1 : n - 1, O_RDONLY,
	    out_fd, out_st);
	(void)close(at);
	return rc < 0 ? rc : 1;
}

static int
move(int at, const char *last, unsigned from, unsigned to)
{
	char a[NAME_MAX + 1], b[NAME_MAX + 1];

	return renameat(at, file_name(a, sizeof(a), last, from), at,
	    file_name(b, sizeof(b), last, to)) == -1 ? -errno : 0;
}

/* The first free place, or the last one, whose file is to go; what cannot be
 * looked at is not free: -errno. */
static int
free_place(int at, const char *last, uint32_t keep)
{
	char name[NAME_MAX + 1];
	struct stat st;
	unsigned i;

	for (i = 1; i < keep; i++)
		if (fstatat(at, file_name(name, sizeof(name), last, i), &st,
		    AT_SYMLINK_NOFOLLOW) == -1)
			return errno == ENOENT ? (int)i : -errno;
	return (int)i;
}

static void
remove_surplus(int at, const char *last, uint32_t keep)
{
	char name[NAME_MAX + 1];
	unsigned i;

	for (i = keep + 1; i <= keep + SURPLUS_MAX; i++)
		if (unlinkat(at, file_name(name, sizeof(name), last, i), 0)
		    == -1)
			break;
}

static int
rotate_at(int at, const char *last, uint32_t keep)
{
	char name[NAME_MAX + 1];
	int i, rc;

	if (keep == 0) {
		if (unlinkat(at, file_name(name, sizeof(name), last, 0), 0)
		    == -1)
			return -errno;
		remove_surplus(at, last, 0);
		return 0;
	}
	for (i = free_place(at, last, keep); i > 0; i--) {
		rc = move(at, last, (unsigned)i - 1, (unsigned)i);
		if (rc < 0)
			return rc;
	}
	if (i < 0)
		return i;
	remove_surplus(at, last, keep);
	return 0;
}

int
logfile_rotate(struct logdir *d, const char *name, uint32_t keep,
    const struct stat *mine)
{
	char file[NAME_MAX + 1];
	const char *last = "";
	struct stat st;
	int at, rc;

	at = parent_open(d, name, false, &last);
	if (at < 0)
		return at;
	if (fstatat(at, file_name(file, sizeof(file), last, 0), &st,
	    AT_SYMLINK_NOFOLLOW) == -1)
		rc = errno == ENOENT ? 1 : -errno;
	else if (!same_file(&st, mine))
		rc = 1;
	else
		rc = rotate_at(at, last,
		    keep > LOG_KEEP_MAX ? LOG_KEEP_MAX : keep);
	(void)close(at);
	return rc;
}
