/* SPDX-License-Identifier: ISC */
/*
 * Which partition a key belongs to.  Stable for ever and simple, so that any
 * language can compute it: an integer K belongs to abs(K) mod N, any other key
 * to the 64-bit FNV-1a hash of its bytes mod N.
 */
#ifndef OTPD_WIRE_PARTITION_H
#define OTPD_WIRE_PARTITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* n is at least 1 in all of these. */
uint32_t partition_of_integer(int64_t key, uint32_t n);
uint32_t partition_of_bytes(const void *key, size_t len, uint32_t n);
/* Of an integer in decimal, however long: [-]digits; false: it is none. */
bool	partition_of_decimal(const char *key, uint32_t n, uint32_t *out);

#endif /* OTPD_WIRE_PARTITION_H */
