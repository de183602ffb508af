/* SPDX-License-Identifier: ISC */
/*
 * The file of an agent: read at its beginning, written at its end.  What was
 * saved is never replaced by less than a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workers/agent/agent.h"

#define PIECE		65536
#define SLACK		4096	/* blanks of one who edits it by hand */

int
file_load(const char *name, size_t max, struct text *out)
{
	static char piece[PIECE];
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc = 0;
	struct stat st;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		rc = -EISDIR;	/* or as little use as one */
	while (rc == 0 && n > 0) {
		n = read(fd, piece, sizeof(piece));
		if (n < 0)
			rc = -errno;
		else
			text_add(out, piece, (size_t)n);
		if (out->len > max * 2 + SLACK)
			rc = -EFBIG;
	}
	(void)close(fd);
	return rc;
}

static int
write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* So that the new name is still there after a loss of power. */
static void
sync_folder(char *path)
{
	char *slash = strrchr(path, '/');
	int fd;

	if (slash == NULL)
		return;
	slash[slash == path ? 1 : 0] = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd);
		(void)close(fd);
	}
}

int
file_save(const char *name, const struct text *text)
{
	char *real = realpath(name, NULL);	/* a link stays one */
	char path[PATH_MAX], part[PATH_MAX];
	struct stat st;
	int fd, rc;

	rc = snprintf(path, sizeof(path), "%s", real != NULL ? real : name);
	free(real);
	if (rc >= (int)sizeof(path) ||
	    snprintf(part, sizeof(part), "%s.XXXXXX", path) >=
	    (int)sizeof(part))
		return -ENAMETOOLONG;
	fd = mkostemp(part, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, text->data, text->len);
	if (rc == 0 && stat(path, &st) == 0)
		(void)fchmod(fd, st.st_mode & 07777);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(part, path) < 0)
		rc = -errno;
	if (rc < 0)
		(void)unlink(part);
	else
		sync_folder(path);
	return rc;
}
