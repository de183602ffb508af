/* SPDX-License-Identifier: ISC */
/*
 * What a bench-child says of itself when it has reached main: one of these,
 * written at once to a FIFO.
 */
#ifndef OTPD_BENCH_RECORD_H
#define OTPD_BENCH_RECORD_H

#include <stdint.h>

struct record {
	uint64_t	at_ns;		/* CLOCK_MONOTONIC, first in main */
	uint32_t	index;
	int32_t		pid;
};

#endif /* OTPD_BENCH_RECORD_H */
