/* SPDX-License-Identifier: ISC */
/*
 * Going on where the program before this one ended: the same process after an
 * execve(2), or another one that was handed everything.
 */
#ifndef OTPD_SPAWNER_TAKEOVER_H
#define OTPD_SPAWNER_TAKEOVER_H

#include "spawner/state.h"

/* The manifest that we were executed with; -1.  It is in the environment no
 * longer. */
int	takeover_asked(struct spawner *sp);
/*
 * Fills *sp from the manifest in fd, and says what was wrong with it.  On
 * failure -errno: then nothing was touched.
 */
int	takeover(struct spawner *sp, int fd);
/* Signals and the loop stand: engine and logger make room for new ones. */
void	takeover_go_on(struct spawner *sp);
/* What was left cannot be taken over: nothing of it may live on beside what
 * is to be started.  Waits for its end; then all is as at otpd's start. */
void	takeover_give_up(struct spawner *sp, int error);

#endif /* OTPD_SPAWNER_TAKEOVER_H */
