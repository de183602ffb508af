/* SPDX-License-Identifier: ISC */
/*
 * From an address to a connected socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "libotp/impl.h"
#include "wire/address.h"

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

	rc = wire_address(path, &to, &dir);
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
