/* SPDX-License-Identifier: ISC */
/*
 * Any bytes inside of JSON: "key" holds them as text where they are UTF-8
 * without a NUL, "key64" in base64 otherwise.  Allocates nothing.
 */
#ifndef OTPD_WIRE_BYTES_H
#define OTPD_WIRE_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* UTF-8 as it should be, and no NUL? */
bool	bytes_are_text(const void *data, size_t len);

/* Room for the base64 of so many bytes, its NUL included. */
#define BYTES_BASE64_SIZE(len)	(((len) + 2) / 3 * 4 + 1)
void	bytes_to_base64(const void *data, size_t len, char *out);
/*
 * With its padding, without blanks.  The number of bytes, written to out (room
 * for len / 4 * 3; it may be text itself), or -EINVAL.
 */
long	bytes_from_base64(const char *text, size_t len, void *out);

#endif /* OTPD_WIRE_BYTES_H */
