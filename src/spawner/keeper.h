/* SPDX-License-Identifier: ISC */
/*
 * The keeper: a process that shares otpd's descriptors and sleeps.  Should
 * otpd be killed, it holds all of them, and the services by pidfd, until the
 * next otpd takes them over (heir.h).  It must never do anything while otpd
 * lives, and start nothing ever.
 */
#ifndef OTPD_SPAWNER_KEEPER_H
#define OTPD_SPAWNER_KEEPER_H

#include "spawner/state.h"

/* Makes one, when it is time and there should be one. */
void	keeper_tick(struct spawner *sp, uint64_t now);
void	keeper_died(struct spawner *sp);
/* After an execve(2) it has a copy of the descriptors, and must be another. */
void	keeper_replace(struct spawner *sp);
/* Its time is over: otpd ends in order. */
void	keeper_end(struct spawner *sp);

/* The keeper's own part, behind otpd's death. */
void	keep(struct spawner *sp) __attribute__((noreturn));

#endif /* OTPD_SPAWNER_KEEPER_H */
