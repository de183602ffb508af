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
	bool	 refused;	/* otpd said why it cannot, and ended with 1 */
};

/*
 * The tree of that day, as JSON; the caller frees.  Version 2 adds a child,
 * leaves one out and changes one.
 */
char	*day_config(struct rig *r, int version);
/* The specification of a child of that day, for start_child. */
cJSON	*day_spec(struct rig *r, const char *id);
/* The end of it: in order, and every start has left its line in a log. */
void	 day_end(struct rig *r);
/* The day has more to it, so that all is reached of the programs that a day
 * can reach: a server with a name, files of all kinds, logs that are rotated
 * and read, and at last another otpd.  After rig_init(). */
void	 day_fuller(struct rig *r);
/* The first step of all that is in the fuller day alone, and the one ahead of
 * which otpd is replaced in it. */
unsigned day_usual(void);
unsigned day_replaces(void);
/* The rig's workers are those of crash_worker.c. */
void	 day_worker(struct rig *r);
unsigned day_steps(void);
/* Events so far that tell of trouble. */
unsigned day_troubles(struct rig *r);
/* rig_init() was called; starts otpd and leaves nothing of it.  before (may
 * be NULL) is called ahead of each step, and ahead of the end. */
void	day_run(struct rig *r, void (*before)(void *arg, unsigned step),
	    void *arg, struct day *out);

#endif /* OTPD_TESTS_CRASH_STEPS_H */
