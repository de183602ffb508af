/* SPDX-License-Identifier: ISC */
/*
 * What a fuzzer's engine calls; without an engine, standalone.c calls it with
 * the files and folders it is given, or with the corpus of the tree.
 */
#ifndef OTPD_TESTS_FUZZ_H
#define OTPD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* How many variations of the corpus make check is to try. */
extern const unsigned fuzz_variations;

/* Unlike assert, always compiled in. */
#define MUST(e)	do {							\
	if (!(e)) {							\
		(void)fprintf(stderr, "%s:%d: %s\n", __FILE__,		\
		    __LINE__, #e);					\
		abort();						\
	}								\
} while (0)

#endif /* OTPD_TESTS_FUZZ_H */
