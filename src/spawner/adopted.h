/* SPDX-License-Identifier: ISC */
/*
 * Children of an otpd before this one: the kernel tells us of their end by a
 * descriptor, and somebody else reaps them.
 */
#ifndef OTPD_SPAWNER_ADOPTED_H
#define OTPD_SPAWNER_ADOPTED_H

#include "spawner/state.h"

/* May c be watched: is what it says its descriptor one of its process? */
bool	adopted_check(struct spawner *sp, const struct child *c);
/* Calls fn for the descriptor of each, below slot high.  Async-signal-safe. */
void	adopted_each_fd(const struct child *slots, uint32_t high,
	    void (*fn)(int fd));
/* Watches all in the table.  -errno: some are only looked at now and then,
 * until they can be. */
int	adopted_init(struct spawner *sp);
/* Some have ended: looks at all that have. */
void	adopted_reap(struct spawner *sp);
/* Those who have ended, and nobody says how. */
void	adopted_tick(struct spawner *sp, uint64_t now);
/* Is there any? */
bool	adopted_any(const struct spawner *sp);
/* To a child of either kind. */
void	child_signal(const struct child *c, int sig, bool group);

#endif /* OTPD_SPAWNER_ADOPTED_H */
