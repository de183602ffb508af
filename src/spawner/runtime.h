/* SPDX-License-Identifier: ISC */
/*
 * The runtime directory and what is made in it once, at start, for every
 * engine and logger to come: the lock, the sockets, the snapshots.
 */
#ifndef OTPD_SPAWNER_RUNTIME_H
#define OTPD_SPAWNER_RUNTIME_H

#include "spawner/state.h"

/* An empty memfd, close-on-exec, or -errno. */
int	runtime_memfd(const char *name);
/* Makes and locks the directory, and makes what belongs into it.  On failure
 * says why and returns -errno. */
int	runtime_open(struct spawner *sp);
/* Removes the sockets. */
void	runtime_close(struct spawner *sp);

#endif /* OTPD_SPAWNER_RUNTIME_H */
