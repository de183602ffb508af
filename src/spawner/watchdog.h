/* SPDX-License-Identifier: ISC */
/*
 * Whether the engine and the logger are stopped, or hang.
 */
#ifndef OTPD_SPAWNER_WATCHDOG_H
#define OTPD_SPAWNER_WATCHDOG_H

#include "spawner/state.h"

/* Something was told of a child: was one of the two stopped, or continued? */
void	watchdog_look(struct spawner *sp);
/* A new one is about to be started. */
void	watchdog_begin(struct spawner *sp, const struct program *p);
/* The engine said something. */
void	watchdog_heard(struct spawner *sp);
/* Acts when it is time to. */
void	watchdog_tick(struct spawner *sp, uint64_t now);
/* When that is; 0: there is nothing to wait for. */
uint64_t watchdog_due(const struct spawner *sp);

/* Note it for the events: the engine is told when it can be. */
void	watchdog_trouble(struct spawner *sp, enum spawn_trouble_kind kind,
	    int error);

#endif /* OTPD_SPAWNER_WATCHDOG_H */
