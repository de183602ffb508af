/* SPDX-License-Identifier: ISC */
/*
 * The listening sockets of gen_server children, in $RUNTIME/paths.  One is
 * made when its child is first started, held by the spawner from then on, and
 * taken away when the child will not run again by itself.
 */
#include "engine/worker.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
open_paths(const struct engine *e)
{
	return openat(e->runtime_fd, "paths",
	    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* $RUNTIME/paths, made when it is not there; -errno. */
static int
paths_dir(struct engine *e)
{
	int fd;

	if (e->paths_fd > 0)
		return e->paths_fd;
	fd = open_paths(e);
	if (fd < 0 && errno == ENOENT &&
	    mkdirat(e->runtime_fd, "paths", 0711) == 0)
		fd = open_paths(e);
	if (fd < 0)
		return -errno;
	e->paths_fd = fd;
	return fd;
}

/* web/counter as a file's name: web:counter. */
static int
socket_name(const struct child *c, char *out, size_t size)
{
	size_t len = strlen(c->path);

	if (len >= size)
		return -ENAMETOOLONG;
	for (size_t i = 0; i <= len; i++)
		out[i] = c->path[i] == '/' ? ':' : c->path[i];
	return 0;
}

static int
address_below(int dir, const char *name, struct sockaddr_un *out)
{
	int n;

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(out->sun_path, sizeof(out->sun_path),
	    "/proc/self/fd/%d/%s", dir, name);
	return n < 0 || (size_t)n >= sizeof(out->sun_path) ? -ENAMETOOLONG : 0;
}

static int
bind_below(int fd, int dir, const char *name)
{
	struct sockaddr_un sun;
	mode_t mask;
	int rc = address_below(dir, name, &sun);

	if (rc < 0)
		return rc;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	mask = umask(0111);	/* libotp asks the kernel who calls */
	rc = bind(fd, (const struct sockaddr *)&sun, sizeof(sun));
	(void)umask(mask);
	return rc < 0 ? -errno : 0;
}

/* Whoever gets this connection sees that it has ended. */
bool
worker_is_reachable(struct engine *e, uint32_t slot)
{
	int dir = paths_dir(e), fd, rc;
	struct sockaddr_un sun;
	char name[128];

	if (dir < 0 || socket_name(engine_child(e, slot), name,
	    sizeof(name)) < 0 || address_below(dir, name, &sun) < 0)
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	rc = connect(fd, (const struct sockaddr *)&sun, sizeof(sun));
	rc = rc < 0 ? -errno : 0;
	(void)close(fd);
	return rc == 0 || rc == -EAGAIN;	/* a full backlog is one */
}

int
worker_listen(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	char name[128];
	int dir = paths_dir(e), fd, rc;

	if (dir < 0)
		return dir;
	rc = socket_name(c, name, sizeof(name));
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = bind_below(fd, dir, name);
	if (rc == 0 && listen(fd, SOMAXCONN) < 0)
		rc = -errno;
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	link_hold(&e->spawner, worker_held_key(c, WORKER_SOCKET), fd);
	c->worker->listening = true;
	return 0;
}

void
worker_unlisten(struct engine *e, uint32_t slot)
{
	struct child *c = engine_child(e, slot);
	char name[128];
	int dir;

	names_drop(e, slot, NULL);
	if (c->worker == NULL || !c->worker->listening)
		return;
	c->worker->listening = false;
	dir = paths_dir(e);
	if (dir >= 0 && socket_name(c, name, sizeof(name)) == 0)
		(void)unlinkat(dir, name, 0);
	link_put(&e->spawner, SPAWN_RELEASE, worker_held_key(c, WORKER_SOCKET),
	    "", 0);
}
