/* SPDX-License-Identifier: ISC */
/*
 * The runtime directory and what is made in it once, at start, for every
 * engine and logger to come: the lock, the sockets, the snapshots.
 */
#ifndef OTPD_SPAWNER_RUNTIME_H
#define OTPD_SPAWNER_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "spawner/state.h"

#define RUNTIME_MARKER	"OTPD_INSTANCE"	/* in the environment of services */

/* An empty memfd, close-on-exec, or -errno. */
int	runtime_memfd(const char *name);
/* All size bytes of it, shared, in *out; it gets that size.  0 or -errno. */
int	runtime_map(int fd, size_t size, void **out);
/*
 * Memory is asked for before it is touched: what is full then is an error to
 * report and not a SIGBUS.  0 or -errno.
 */
int	runtime_back(int fd, int64_t at, int64_t size);
/* The bytes of a memfd of that size that have memory, when it was asked for
 * from its beginning on; or -errno. */
int64_t	runtime_backed(int fd, size_t size);
/* Says what could not be done; -error. */
int	runtime_complain(const struct spawner *sp, const char *what,
	    const char *where, int error);
/* A directory of our own below dir (or anywhere), or -errno, having said so. */
int	runtime_directory(const struct spawner *sp, int dir, const char *path);
/* Makes what belongs into the directory, which is locked.  On failure says why
 * and returns -errno. */
int	runtime_open(struct spawner *sp);
/* Removes the sockets. */
void	runtime_close(struct spawner *sp);

/* --- lock.c --- */
/* Makes and locks the directory.  1 when the keeper of a dead otpd has the
 * lock: sp->heir is the connection to it.  On failure as above. */
int	runtime_lock(struct spawner *sp);
/* The lock is this process' from now on.  On failure as above. */
int	runtime_own(struct spawner *sp);
/* sp->marker says which directory this is, and so does the environment.
 * 0 or -errno. */
int	runtime_mark(struct spawner *sp);

#endif /* OTPD_SPAWNER_RUNTIME_H */
