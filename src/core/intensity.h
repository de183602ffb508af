/* SPDX-License-Identifier: ISC */
/*
 * Restart intensity: how often a supervisor may restart its children.
 * Time is always an argument; nothing here reads a clock.
 */
#ifndef OTPD_CORE_INTENSITY_H
#define OTPD_CORE_INTENSITY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The attempts inside the window, oldest first, in a ring that grows with
 * what it holds.  Attempts are numbered: lo is the oldest that is kept, hi
 * the next to come, so whoever saves them knows which are new and which gone.
 */
struct intensity {
	uint64_t	*at_ms;
	uint32_t	 limit;		/* or CORE_INFINITY: nothing is kept */
	uint32_t	 period_ms;
	uint32_t	 cap;
	uint32_t	 lo, hi;
};

void	 intensity_done(struct intensity *in);
/* Forget every attempt. */
void	 intensity_reset(struct intensity *in);
/*
 * Count an attempt made at now_ms, and say whether the supervisor must give
 * up.  An attempt exactly one period old still counts.
 */
bool	 intensity_exceeded(struct intensity *in, uint64_t now_ms);
/* How many of the attempts lie inside the window. */
uint32_t intensity_recent(const struct intensity *in, uint64_t now_ms);
/* The time of attempt n, lo <= n < hi. */
uint64_t intensity_at(const struct intensity *in, uint32_t n);
/* For a restore: put attempt n back, in rising order of n... */
void	 intensity_put(struct intensity *in, uint32_t n, uint64_t at_ms);
/* ...and say when it was; nothing if it is not there. */
void	 intensity_set(struct intensity *in, uint32_t n, uint64_t at_ms);

#endif /* OTPD_CORE_INTENSITY_H */
