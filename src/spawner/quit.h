/* SPDX-License-Identifier: ISC */
/*
 * The end of otpd.
 */
#ifndef OTPD_SPAWNER_QUIT_H
#define OTPD_SPAWNER_QUIT_H

#include "spawner/state.h"

/* Leave with code once nothing is left; only the first one counts. */
void	quit_begin(struct spawner *sp, int code);
/* Kills every child of ours, orphans that we inherited too, but for the engine
 * and the logger of sp, which may be NULL; true when there was one. */
bool	quit_kill_children(const struct spawner *sp);
/* Takes the next step that is possible. */
void	quit_tick(struct spawner *sp, uint64_t now);

#endif /* OTPD_SPAWNER_QUIT_H */
