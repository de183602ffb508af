/* SPDX-License-Identifier: ISC */
/*
 * Places where a test lets the engine die.  Without OTPD_CRASHPOINTS, which
 * only otp-engine-crash is built with, there is nothing of it in the program.
 */
#ifndef OTPD_ENGINE_CRASHPOINT_H
#define OTPD_ENGINE_CRASHPOINT_H

#include <stddef.h>
#include <stdint.h>

/* The file that $OTP_CRASHPOINTS names, shared by every engine and the test. */
struct crash_plan {
	uint64_t	points;		/* passed so far, by all engines */
	uint64_t	at;		/* die at this one; 0: at none */
	uint64_t	every;		/* then at every so manieth after it */
	int32_t		sig;		/* of what to die */
	uint32_t	deaths;
	uint32_t	poison_rung;	/* as long as it is at most on this */
	char		poison[128];	/* die of any word about this path */
};

#ifdef OTPD_CRASHPOINTS
/* One more was passed; may not return. */
void	crashpoint(void);
/* How much of n (at most `most`) to do at once: a death may come between. */
size_t	crashpoint_part(size_t n, size_t most);
void	crashpoint_poison(const char *path, uint32_t rung);
#else
#define crashpoint()			((void)0)
#define crashpoint_part(n, most)	(n)
#define crashpoint_poison(path, rung)	((void)0)
#endif

#endif /* OTPD_ENGINE_CRASHPOINT_H */
