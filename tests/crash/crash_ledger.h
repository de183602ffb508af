/* SPDX-License-Identifier: ISC */
/*
 * What must be true of servers at rest: what the engine knows of names,
 * registries, monitors and links, and the pool of loans, is what the living
 * have been promised, and nothing of the dead.
 */
#ifndef OTPD_TESTS_CRASH_LEDGER_H
#define OTPD_TESTS_CRASH_LEDGER_H

#include <otp.h>

#include "oracle/process_rig.h"

/* All of them have heard what they will hear, and what nobody owns is gone. */
void	ledger_calm(struct rig *r, struct otp *o);
/* Then. */
void	ledger_check(struct rig *r, struct otp *o);

#endif /* OTPD_TESTS_CRASH_LEDGER_H */
