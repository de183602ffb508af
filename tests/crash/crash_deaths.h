/* SPDX-License-Identifier: ISC */
/*
 * What dies at random in the tortures: dice that the seed decides, and deaths
 * whose ends the round waits for.
 */
#ifndef OTPD_TESTS_CRASH_DEATHS_H
#define OTPD_TESTS_CRASH_DEATHS_H

#include <time.h>

#include "oracle/process_rig.h"

#define DEATHS_MAX	64	/* in a round */

struct deaths {
	struct rig	 rig;
	uint64_t	 dice, seed;
	unsigned	 round, rounds;
	bool		 verbose, held_up;	/* otpd is stopped */
	bool		 kills_otpd;	/* and another takes over */
	bool		 killed;	/* in this round */
	int		 dying[DEATHS_MAX];	/* pidfds */
	unsigned	 ndying;
	time_t		 crashed_s;	/* otpd itself, last */
};

/* Options -n ROUNDS, -s SEED, -k (otpd is killed, too), -v.  Prints the seed.
 * false: none of these. */
bool	 deaths_init(struct deaths *d, int argc, char **argv,
	    unsigned rounds);
unsigned deaths_roll(struct deaths *d, unsigned n);	/* 0 to n - 1 */
void	 deaths_say(const struct deaths *d, const char *what,
	    const char *about);
/* The next round, which has its own time. */
void	 deaths_round(struct deaths *d);

void	 deaths_signal(struct deaths *d, pid_t pid, int sig,
	    const char *name);
/* The engine or the logger, wherever it stands; it may just be absent. */
void	 deaths_program(struct deaths *d, const char *name);
/* By a signal that it takes itself; not again within some seconds. */
void	 deaths_crash_otpd(struct deaths *d);
/* What dies meanwhile is found all at once. */
void	 deaths_hold_up_otpd(struct deaths *d);
/* kill -9, and the next one comes. */
void	 deaths_kill_otpd(struct deaths *d);
/* All have ended, and otpd goes on. */
void	 deaths_await(struct deaths *d);

#endif /* OTPD_TESTS_CRASH_DEATHS_H */
