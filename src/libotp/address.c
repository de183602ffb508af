/* SPDX-License-Identifier: ISC */
/*
 * From an address to a connected socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "libotp/impl.h"

/* The socket of an address; "web/counter" is paths/web:counter. */
int
otpi_resolve(const struct otp *o, const char *address, char *out, size_t size)
{
	const char *folder = strchr(address, '/') ? "paths" : "names";
	int n, skip;

	if (address[0] == '/' || strncmp(address, "./", 2) == 0 ||
	    strncmp(address, "../", 3) == 0) {
		n = snprintf(out, size, "%s", address);
		return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
	}
	if (address[0] == '\0' || address[0] == '.')
		return -ENOENT;
	n = snprintf(out, size, "%s/%s/%n%s", o->runtime_dir, folder, &skip,
	    address);
	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	for (char *p = out + skip; *p != '\0'; p++)
		if (*p == '/')
			*p = ':';
	return 0;
}

/*
 * The folder of a path too long for sun_path is opened and named through
 * /proc.  *out_dir is to be closed, -1 when there is none.
 */
static int
address_of(const char *path, struct sockaddr_un *out, int *out_dir)
{
	const char *base = strrchr(path, '/');
	char folder[PATH_MAX];
	int n;

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*out_dir = -1;
	if (strlen(path) < sizeof(out->sun_path)) {
		memcpy(out->sun_path, path, strlen(path) + 1);
		return path[0] == '\0' ? -ENOENT : 0;
	}
	if (base == NULL || (size_t)(base - path) >= sizeof(folder) - 1)
		return -ENAMETOOLONG;
	memcpy(folder, path, (size_t)(base + 1 - path));
	folder[base + 1 - path] = '\0';
	*out_dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*out_dir < 0)
		return -errno;
	n = snprintf(out->sun_path, sizeof(out->sun_path),
	    "/proc/self/fd/%d/%s", *out_dir, base + 1);
	if (n < 0 || (size_t)n >= sizeof(out->sun_path)) {
		(void)close(*out_dir);
		*out_dir = -1;
		return -ENAMETOOLONG;
	}
	return 0;
}

/*
 * connect() on a blocking socket waits for a place in a full backlog, and that
 * for SO_SNDTIMEO at most.  Whoever may not wait gets -EAGAIN.
 */
static int
connect_until(int fd, const struct sockaddr_un *to, uint64_t deadline)
{
	struct timeval tv;
	uint64_t now;

	for (;;) {
		if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
			return 0;
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
		now = otpi_now();
		if (deadline != 0 && now >= deadline)
			return -ETIMEDOUT;
		if (deadline == 0)
			continue;
		tv.tv_sec = (time_t)((deadline - now) / OTPI_NSEC);
		tv.tv_usec = (suseconds_t)((deadline - now) % OTPI_NSEC / 1000);
		if (tv.tv_sec == 0 && tv.tv_usec == 0)
			tv.tv_usec = 1;
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	}
}

/* The first try does not wait: most find a place at once. */
static int
connect_fd(const struct sockaddr_un *to, uint64_t deadline, bool lazy)
{
	int fd, rc;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 ? 0 :
	    -errno;
	if ((rc == -EAGAIN || rc == -EINTR) && !lazy) {
		(void)fcntl(fd, F_SETFL, 0);
		rc = connect_until(fd, to, deadline);
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	}
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	return fd;
}

/* A descriptor, -OTP_ENOPROC, -OTP_EREFUSED, -ETIMEDOUT, -EAGAIN (lazy)... */
int
otpi_connect(const char *path, uint64_t deadline, bool lazy)
{
	struct sockaddr_un to;
	int dir, rc;

	rc = address_of(path, &to, &dir);
	if (rc == 0) {
		rc = connect_fd(&to, deadline, lazy);
		if (dir >= 0)
			(void)close(dir);
	}
	switch (rc) {
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
	case -ELOOP:
		return -OTP_ENOPROC;
	case -EACCES:
	case -EPERM:
		return -OTP_EREFUSED;
	default:
		return rc;
	}
}
