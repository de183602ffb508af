/* SPDX-License-Identifier: ISC */
/*
 * otpd executed over itself: because it crashed, or because it is upgraded.
 * It stays the same process, its children stay its own.
 */
#ifndef OTPD_SPAWNER_CRASH_H
#define OTPD_SPAWNER_CRASH_H

#include "spawner/state.h"

/* Signals that are bugs of otpd, ended by a 0. */
extern const int crash_signals[];

/* From now on a crash is survived: everything must stand that the next
 * program takes over.  0 or -errno. */
int	crash_init(struct spawner *sp);
/* Tries itself once more, a little later, and for ever. */
void	crash_again(struct spawner *sp) __attribute__((noreturn));
/* Becomes path; returns -errno when it cannot, and nothing has changed. */
int	crash_become(struct spawner *sp, const char *path);

#endif /* OTPD_SPAWNER_CRASH_H */
