/* SPDX-License-Identifier: ISC */
/*
 * Whose the runtime directory is: an otpd's that lives, or the keeper's of one
 * that was killed.  This is the only place where otpd waits for anybody, at
 * its start and for a bounded time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "spawner/heir.h"
#include "spawner/process.h"
#include "spawner/runtime.h"
#include "spawner/say.h"
#include "spawner/survivors.h"

#define KEEPER_WAIT_MS	5000	/* for a keeper, when otpd is dead */
#define KEEPER_PAUSE_MS	5

/* The pid in the lock, as text; "" when there is none. */
static void
read_pid(int lock, char out[SAY_NUMBER])
{
	ssize_t n = pread(lock, out, SAY_NUMBER - 1, 0);

	out[n > 0 ? n : 0] = '\0';
	out[strspn(out, "0123456789")] = '\0';
}

/* Not even dead and unburied. */
static bool
lives(const char *pid)
{
	int fd = process_open(atoi(pid));
	bool ended;

	if (fd < 0)
		return fd != -ESRCH;
	ended = process_ended(fd, 0);
	(void)close(fd);
	return !ended;
}

/*
 * Somebody holds the lock: a living otpd, or the keeper of a dead one, who may
 * be about to notice, or to end.  1 with the keeper's connection, 0 when the
 * lock is ours after all, -EEXIST.
 */
static int
find_keeper(struct spawner *sp)
{
	const struct timespec pause = { .tv_nsec = KEEPER_PAUSE_MS * 1000000L };
	char pid[SAY_NUMBER];
	int tries;

	for (tries = 0; tries < KEEPER_WAIT_MS / KEEPER_PAUSE_MS; tries++) {
		sp->heir = heir_connect(sp->opt.runtime);
		if (sp->heir >= 0)
			return 1;
		read_pid(sp->lock, pid);
		if (lives(pid))
			break;
		if (flock(sp->lock, LOCK_EX | LOCK_NB) == 0)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	SAY(sp->err, "already running as pid ", pid, " on ", sp->opt.runtime);
	return -EEXIST;
}

/* Held until otpd ends, however it does, and beyond that by its keeper. */
static int
take_lock(struct spawner *sp)
{
	sp->lock = openat(sp->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (sp->lock < 0)
		return runtime_complain(sp, "open the lock in",
		    sp->opt.runtime, errno);
	if (flock(sp->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return runtime_complain(sp, "lock", sp->opt.runtime, errno);
	return find_keeper(sp);
}

/* Whoever ends in order empties the lock. */
static void
end_survivors(struct spawner *sp)
{
	char pid[SAY_NUMBER], number[SAY_NUMBER];
	uint32_t n;

	read_pid(sp->lock, pid);
	if (pid[0] == '\0')
		return;
	n = sp->survivors = survivors_stop(sp);
	if (n > 0)
		SAY(sp->err, say_number((long)n, number), n == 1 ?
		    " process was left by an otpd that was killed with its "
		    "keeper, and was stopped" :
		    " processes were left by an otpd that was killed with its "
		    "keeper, and were stopped");
}

int
runtime_own(struct spawner *sp)
{
	char number[SAY_NUMBER];
	const char *digits = say_number(getpid(), number);

	if (ftruncate(sp->lock, 0) < 0 ||
	    pwrite(sp->lock, digits, strlen(digits), 0) < 0)
		return runtime_complain(sp, "write the lock in",
		    sp->opt.runtime, errno);
	return 0;
}

/* Another directory of this path, in a container for one, is another. */
int
runtime_mark(struct spawner *sp)
{
	static const char name[] = RUNTIME_MARKER "=";
	char number[SAY_NUMBER], *p = sp->marker;
	const char *digits;
	struct stat st;

	if (fstat(sp->dir, &st) < 0)
		return -errno;
	memcpy(p, name, sizeof(name) - 1);
	p += sizeof(name) - 1;
	digits = say_number((long)st.st_dev, number);
	memcpy(p, digits, strlen(digits));
	p += strlen(digits);
	*p++ = ':';
	digits = say_number((long)st.st_ino, number);
	memcpy(p, digits, strlen(digits) + 1);
	(void)putenv(sp->marker);
	sp->env = environ;
	return 0;
}

int
runtime_lock(struct spawner *sp)
{
	int rc;

	sp->heir = -1;
	sp->dir = runtime_directory(sp, AT_FDCWD, sp->opt.runtime);
	if (sp->dir < 0)
		return sp->dir;
	rc = runtime_mark(sp);
	if (rc < 0)
		return runtime_complain(sp, "look at", sp->opt.runtime, -rc);
	rc = take_lock(sp);
	if (rc == 0)
		end_survivors(sp);
	return rc;
}
