/* SPDX-License-Identifier: ISC */
/*
 * "did you mean": of the words that would have been right, the one nearest to
 * what was written, if it is near enough to be a slip.
 */
#ifndef OTPD_WIRE_GUESS_H
#define OTPD_WIRE_GUESS_H

#include <stddef.h>

struct guess {
	const char	*word;		/* as written */
	const char	*best;		/* borrowed from a candidate; or NULL */
	unsigned	 distance;
};

void	guess_try(struct guess *g, const char *candidate);
/* "; did you mean `restart`?" or "", in buf. */
const char *guess_words(const struct guess *g, char *buf, size_t size);

#endif /* OTPD_WIRE_GUESS_H */
