/* SPDX-License-Identifier: ISC */
/*
 * The engine and the logger as processes: started, and started again.
 */
#ifndef OTPD_SPAWNER_PROGRAMS_H
#define OTPD_SPAWNER_PROGRAMS_H

#include "spawner/state.h"

void	programs_init(struct spawner *sp);
/* Starts what is due. */
void	programs_tick(struct spawner *sp, uint64_t now);
/* p was reaped; it is started again unless that ends otpd. */
void	program_died(struct spawner *sp, struct program *p, int status);
/* The parent of -b waits for this, and exits with code. */
void	program_tree_started(struct spawner *sp, unsigned char code);
/* How careful the next engine has to be. */
enum spawn_rung program_rung(const struct program *p);
/* The one that holds ends, and the next begins as after a first crash. */
void	program_resume(struct program *p);
/* Only for otpd -n: becomes the engine, which checks and exits.  Returns
 * otpd's exit code when it cannot. */
int	program_check(struct spawner *sp);

#endif /* OTPD_SPAWNER_PROGRAMS_H */
