/* SPDX-License-Identifier: ISC */
/*
 * An otpd whose engine dies where the test says: see engine/crashpoint.h.
 */
#ifndef OTPD_TESTS_CRASH_PLAN_H
#define OTPD_TESTS_CRASH_PLAN_H

#include "engine/crashpoint.h"
#include "oracle/process_rig.h"

/* Between rig_init() and rig_start().  A plan of 0: it does not die. */
void	crash_programs(struct rig *r, const char *engine, const char *logger);
/* A file of so many zeros, which the programs find by that variable. */
void	*crash_shared(struct rig *r, const char *variable, size_t size);
struct crash_plan *crash_plan_new(struct rig *r);

#endif /* OTPD_TESTS_CRASH_PLAN_H */
