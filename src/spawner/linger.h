/* SPDX-License-Identifier: ISC */
/*
 * A service has ended when all of its process group have: until then what
 * would replace it would run beside what is left.
 */
#ifndef OTPD_SPAWNER_LINGER_H
#define OTPD_SPAWNER_LINGER_H

#include "spawner/state.h"

/* c has ended, and its group was killed: if some of it is still there, the
 * engine is told later. */
void	linger_begin(struct spawner *sp, struct child *c);
/* Those whose group has gone by now, or has had its time, are to be told. */
void	linger_tick(struct spawner *sp, uint64_t now);
/* Every end is to be told anew: nobody is being waited for. */
void	linger_clear(struct spawner *sp);

#endif /* OTPD_SPAWNER_LINGER_H */
