/* SPDX-License-Identifier: ISC */
/*
 * Deaths, and the signals that otpd itself gets.
 */
#ifndef OTPD_SPAWNER_REAP_H
#define OTPD_SPAWNER_REAP_H

#include "spawner/state.h"

/* Reads the signalfd: reaps whom it names, notes what is asked of otpd. */
void	reap_signals(struct spawner *sp);
/* The next part of looking for deaths that no signal named, when it is due;
 * it can wait a little in a busy turn. */
void	reap_sweep(struct spawner *sp, uint64_t now, bool busy);
/* Reaps every dead child there is now. */
void	reap_all(struct spawner *sp);

#endif /* OTPD_SPAWNER_REAP_H */
