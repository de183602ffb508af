/* SPDX-License-Identifier: ISC */
/*
 * What an otpd that was killed together with its keeper has left: found by
 * the marker in its environment, and stopped.
 */
#ifndef OTPD_SPAWNER_SURVIVORS_H
#define OTPD_SPAWNER_SURVIVORS_H

#include "spawner/state.h"

/* Until nothing is left, or for a bounded time; returns how many there were. */
uint32_t survivors_stop(const struct spawner *sp);

#endif /* OTPD_SPAWNER_SURVIVORS_H */
