/* SPDX-License-Identifier: ISC */
/*
 * Becoming another otpd: it is asked first whether it can take over.
 */
#ifndef OTPD_SPAWNER_UPGRADE_H
#define OTPD_SPAWNER_UPGRADE_H

#include "spawner/state.h"

/* How `otpd --takes FORM` exits: no other program does it by chance. */
#define UPGRADE_TAKES	83
#define UPGRADE_REFUSES	84

/* The engine asks for it. */
void	upgrade_order(struct spawner *sp, const struct spawn_header *h);
/* The one that was asked has ended: true when pid was that. */
bool	upgrade_asked(struct spawner *sp, int pid, int status);
/* Takes the next step that is possible; may not return. */
void	upgrade_tick(struct spawner *sp, uint64_t now);

#endif /* OTPD_SPAWNER_UPGRADE_H */
