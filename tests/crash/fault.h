/* SPDX-License-Identifier: ISC */
/*
 * The plan of a fault, in a file that the programs under test and the test
 * share; $OTP_FAULTS names it.  Of the programs only those are concerned that
 * were linked with fault.c.
 */
#ifndef OTPD_TESTS_FAULT_H
#define OTPD_TESTS_FAULT_H

#include <stdint.h>

#define FAULT_SHORT	(-1)	/* as error: half of it is done */
#define FAULT_LOST	(-2)	/* recvmsg: there was a message */
#define FAULT_KILL	(-3)	/* it is killed ahead of the call */
#define FAULT_KILL_AFTER (-4)	/* or as soon as it was done */
#define FAULT_PHASES	4
#define FAULT_SEEN_MAX	256

struct fault_plan {
	char		program[16];	/* otpd, otp-engine, otp-logger */
	char		function[32];	/* "*": any of them */
	int32_t		error;
	uint32_t	at;		/* the call that fails; 0: none does */
	uint32_t	times;		/* it and the next ones, so many */
	uint32_t	calls;		/* seen, by every process of program */
	uint32_t	hits;		/* that failed */
	int32_t		hit_pid;	/* the last one */
	int64_t		clock_s;	/* CLOCK_REALTIME is off by that */
	int64_t		later_s;	/* otpd's CLOCK_MONOTONIC, too */
	/* Without a fault: which calls there are. */
	uint32_t	phase;		/* 1 and on; 0: they are not counted */
	uint32_t	nseen;		/* two may be of the same */
	struct fault_seen {
		char	 program[16], function[32];
		uint32_t calls[FAULT_PHASES];
	}		seen[FAULT_SEEN_MAX];
};

/* A plan without a fault yet, which who is started from now on reads; on
 * failure the test ends. */
struct fault_plan *fault_plan_new(const char *program);
/* Whoever is to read it has it open: no file stays behind. */
void	fault_plan_hide(void);

#endif /* OTPD_TESTS_FAULT_H */
