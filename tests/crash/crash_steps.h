/* SPDX-License-Identifier: ISC */
/*
 * A day in the life of an otpd, in steps that end at rest: whatever dies on
 * the way, every run of it must come to the same end.
 */
#ifndef OTPD_TESTS_CRASH_STEPS_H
#define OTPD_TESTS_CRASH_STEPS_H

#include "oracle/process_rig.h"

struct day {			/* how it ended */
	char	*tree, *starts;
	unsigned steps;
};

/* rig_init() was called; starts otpd and leaves nothing of it.  before (may
 * be NULL) is called ahead of each step. */
void	day_run(struct rig *r, void (*before)(void *arg, unsigned step),
	    void *arg, struct day *out);

#endif /* OTPD_TESTS_CRASH_STEPS_H */
