/* SPDX-License-Identifier: ISC */
/*
 * JSON of others, laid out for people or on one line for programs.  Tokens are
 * copied as they stand, so that no number loses a digit.
 */
#ifndef OTPD_OTPCTL_PRETTY_H
#define OTPD_OTPCTL_PRETTY_H

#include <stdbool.h>
#include <stddef.h>

#include "otpctl/buf.h"

/* NUL-ended beyond len? */
bool	pretty_is_json(const char *text, size_t len);
/* text is JSON; tight: one line without blanks.  A newline ends it. */
void	pretty_json(struct buf *b, const char *text, size_t len, bool tight);

#endif /* OTPD_OTPCTL_PRETTY_H */
