/* SPDX-License-Identifier: ISC */
/*
 * The runtime directory.  It is opened once and all is done below it by
 * descriptor, but for bind(2), which knows only paths: hence the directory
 * must be ours and closed to the writing of others.
 */
#include "spawner/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>	/* rename() */
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "spawner/say.h"
#include "wire/ended.h"

#define NOEXEC_SEAL	8U	/* MFD_NOEXEC_SEAL, which old headers lack */

/* Below the directory; the order of enum place. */
static const char *const places[] = {
	"/names/otpd", "/names/otp-logger", "/notify", "/new", "/heir"
};
enum place { PLACE_ENGINE, PLACE_LOGGER, PLACE_NOTIFY, PLACE_NEW, PLACE_HEIR,
	NPLACES };
_Static_assert(sizeof(places) / sizeof(places[0]) == NPLACES, "places");

int
runtime_memfd(const char *name)
{
	int fd;

	fd = memfd_create(name, MFD_CLOEXEC | NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int
runtime_map(int fd, size_t size, void **out)
{
	void *p;

	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
	    fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*out = p;
	return 0;
}

int
runtime_back(int fd, int64_t at, int64_t size)
{
	if (fallocate(fd, 0, at, size) < 0 && errno != EOPNOTSUPP &&
	    errno != ENOSYS)
		return -errno;
	return 0;
}

int64_t
runtime_backed(int fd, size_t size)
{
	struct stat st;
	int64_t bytes;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)size)
		return -EBADMSG;
	bytes = (int64_t)st.st_blocks * 512;
	return bytes < st.st_size ? bytes : st.st_size;
}

int
runtime_complain(const struct spawner *sp, const char *what, const char *where,
    int error)
{
	SAY(sp->err, "cannot ", what, " ", where, ": ", strerror(error));
	return -error;
}

int
runtime_directory(const struct spawner *sp, int dir, const char *path)
{
	/* Services run by root as somebody else must get through to notify and
	 * to each other; they cannot look around, and each socket has its own
	 * mode. */
	mode_t mode = geteuid() == 0 ? 0711 : 0700;
	struct stat st;
	int fd;

	if (mkdirat(dir, path, mode) < 0 && errno != EEXIST)
		return runtime_complain(sp, "make the directory", path, errno);
	fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return runtime_complain(sp, "open the directory", path, errno);
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	    (st.st_mode & 022) == 0 &&
	    ((st.st_mode & mode) == mode || fchmod(fd, st.st_mode | mode) == 0))
		return fd;
	(void)close(fd);
	SAY(sp->err, path, " belongs to, or can be written by, somebody else");
	return -EPERM;
}

/* The address of a place; -ENAMETOOLONG. */
static int
address(const struct spawner *sp, enum place place, struct sockaddr_un *out)
{
	size_t dir = strlen(sp->opt.runtime), name = strlen(places[place]);

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (dir + name >= sizeof(out->sun_path))
		return -ENAMETOOLONG;
	memcpy(out->sun_path, sp->opt.runtime, dir);
	memcpy(out->sun_path + dir, places[place], name + 1);
	return 0;
}

/*
 * A bound socket, or -errno, having said so.  It gets its name when it can be
 * connected to: whoever sees the file and is refused takes otpd for dead.
 */
static int
bound_socket(struct spawner *sp, enum place place, int type, mode_t mask)
{
	struct sockaddr_un sa, new;
	mode_t old;
	int fd, rc;

	rc = address(sp, place, &sa);
	if (rc == 0)
		rc = address(sp, PLACE_NEW, &new);
	if (rc < 0)
		return runtime_complain(sp, "make sockets in",
		    sp->opt.runtime, -rc);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return runtime_complain(sp, "make", sa.sun_path, errno);
	if (unlink(new.sun_path) < 0 && errno != ENOENT)
		goto fail;
	old = umask(mask);
	rc = bind(fd, (struct sockaddr *)&new, sizeof(new));
	(void)umask(old);
	if (rc < 0 || (type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0) ||
	    rename(new.sun_path, sa.sun_path) < 0)
		goto fail;
	return fd;
fail:
	rc = runtime_complain(sp, "make", sa.sun_path, errno);
	(void)close(fd);
	return rc;
}

/* Services of every user may write to it: what they say is judged by the
 * sender's pid, which the kernel adds. */
static int
notify_socket(struct spawner *sp)
{
	int on = 1, fd;

	fd = bound_socket(sp, PLACE_NOTIFY, SOCK_DGRAM, 0111);
	if (fd >= 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0) {
		(void)close(fd);
		return runtime_complain(sp, "make", places[PLACE_NOTIFY],
		    errno);
	}
	return fd;
}

static int
make_sockets(struct spawner *sp)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, sp->link) < 0)
		return runtime_complain(sp, "make", "the link to the logger",
		    errno);
	sp->notify = notify_socket(sp);
	if (sp->notify < 0)
		return sp->notify;
	sp->control[1] = bound_socket(sp, PLACE_LOGGER, SOCK_STREAM, 0177);
	if (sp->control[1] < 0)
		return sp->control[1];
	sp->control[0] = bound_socket(sp, PLACE_ENGINE, SOCK_STREAM, 0177);
	if (sp->control[0] < 0)
		return sp->control[0];
	return 0;
}

static int
make_memfds(struct spawner *sp)
{
	static const char *const names[] = { "otpd-snapshot0",
	    "otpd-snapshot1" };
	int i;

	for (i = 0; i < 2; i++) {
		sp->snapshot[i] = runtime_memfd(names[i]);
		if (sp->snapshot[i] < 0)
			return runtime_complain(sp, "make", names[i],
			    -sp->snapshot[i]);
	}
	sp->carry = runtime_memfd("otpd-carry");
	if (sp->carry < 0)
		return runtime_complain(sp, "make", "otpd-carry", -sp->carry);
	if (pipe2(sp->carry_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return runtime_complain(sp, "make", "a pipe", errno);
	return 0;
}

int
runtime_open(struct spawner *sp)
{
	int rc;

	(void)unlinkat(sp->dir, ENDED_FILE, 0);
	sp->names = runtime_directory(sp, sp->dir, "names");
	if (sp->names < 0)
		return sp->names;
	rc = make_memfds(sp);	/* who sees a socket takes otpd for started */
	return rc < 0 ? rc : make_sockets(sp);
}

void
runtime_close(struct spawner *sp)
{
	int i;

	for (i = 0; i < NPLACES; i++)
		(void)unlinkat(sp->dir, places[i] + 1, 0);
	/* Nothing was left behind. */
	(void)ftruncate(sp->lock, 0);
}
