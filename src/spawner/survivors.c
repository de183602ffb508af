/* SPDX-License-Identifier: ISC */
/*
 * The last way to never have two of a service: before anything is started,
 * whatever says that this runtime directory's otpd started it is stopped.
 * Only leaders of a session are looked for, for otpd makes each service one.
 * Who their parent is does not matter: no otpd but us has this directory, and
 * one that has another may be the first process, or a subreaper.
 */
#include "spawner/survivors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spawner/process.h"
#include "spawner/say.h"

#define PATIENCE	(5000 * MS)	/* with SIGTERM, and with SIGKILL */
#define AT_ONCE		512		/* held at a time; then the next */

struct survivor {
	int	pid, fd;
};

/* Is the marker one of the variables in it? */
static bool
is_marked(int pid, const char *marker)
{
	static char buf[65536 + 64];
	char path[PROCESS_PATH];
	size_t len = strlen(marker) + 1, kept = 0;
	bool found = false;
	ssize_t n;
	int fd;

	process_path(pid, "/environ", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	buf[kept++] = '\0';	/* what is searched begins and ends with one */
	while (!found && (n = read(fd, buf + kept, 65536 - kept)) > 0) {
		size_t have = kept + (size_t)n;
		char *p = memmem(buf, have, marker, len);

		while (p != NULL && p > buf && p[-1] != '\0')
			p = memmem(p + 1, have - (size_t)(p + 1 - buf),
			    marker, len);
		found = p != NULL;
		kept = have < len ? have : len;
		memmove(buf, buf + have - kept, kept);
	}
	(void)close(fd);
	return found;
}

/* A descriptor of it if it is one; -1. */
static int
open_survivor(const struct spawner *sp, int pid)
{
	int fd;

	if (pid <= 1 || pid == getpid() ||
	    (int)process_field(pid, 6) != pid || !is_marked(pid, sp->marker))
		return -1;
	fd = process_open(pid);
	if (fd >= 0 && is_marked(pid, sp->marker) &&
	    (int)process_field(pid, 4) != getpid())
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static uint32_t
find(const struct spawner *sp, struct survivor *out)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	uint32_t n = 0;

	if (proc == NULL)
		return 0;
	while (n < AT_ONCE && (e = readdir(proc)) != NULL) {
		out[n].pid = atoi(e->d_name);
		out[n].fd = open_survivor(sp, out[n].pid);
		if (out[n].fd >= 0)
			n++;
	}
	(void)closedir(proc);
	return n;
}

static void
tell_all(const struct survivor *all, uint32_t n, int sig)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		process_signal(all[i].fd, all[i].pid, sig, true);
}

static void
await_all(const struct survivor *all, uint32_t n)
{
	uint64_t now, end = now_ns() + PATIENCE;
	uint32_t i;

	for (i = 0; i < n; i++) {
		now = now_ns();
		(void)process_ended(all[i].fd, now >= end ? 0 :
		    (int)((end - now) / MS) + 1);
	}
}

uint32_t
survivors_stop(const struct spawner *sp)
{
	static struct survivor all[AT_ONCE];
	uint32_t i, n, total = 0;

	for (;;) {
		n = find(sp, all);
		if (n == 0)
			return total;
		tell_all(all, n, SIGTERM);
		tell_all(all, n, SIGCONT);
		await_all(all, n);
		tell_all(all, n, SIGKILL);
		await_all(all, n);
		for (i = 0; i < n; i++) {
			if (!process_ended(all[i].fd, 0))
				return total;	/* for ever: say nothing */
			(void)close(all[i].fd);
		}
		total += n;
	}
}
