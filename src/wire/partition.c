/* SPDX-License-Identifier: ISC */
/*
 * Keys to partitions.  Callers and servers in other languages compute the same:
 * nothing here may ever change.
 */
#include "wire/partition.h"

#define FNV_OFFSET	0xcbf29ce484222325ULL
#define FNV_PRIME	0x100000001b3ULL

uint32_t
partition_of_integer(int64_t key, uint32_t n)
{
	uint64_t absolute = key < 0 ? 0 - (uint64_t)key : (uint64_t)key;

	return (uint32_t)(absolute % n);
}

uint32_t
partition_of_bytes(const void *key, size_t len, uint32_t n)
{
	const unsigned char *p = key;
	uint64_t hash = FNV_OFFSET;

	for (; len > 0; len--)
		hash = (hash ^ *p++) * FNV_PRIME;
	return (uint32_t)(hash % n);
}

bool
partition_of_decimal(const char *key, uint32_t n, uint32_t *out)
{
	uint64_t rest = 0;

	key += *key == '-';
	if (*key == '\0')
		return false;
	for (; *key >= '0' && *key <= '9'; key++)
		rest = (rest * 10 + (uint64_t)(*key - '0')) % n;
	if (*key != '\0')
		return false;
	*out = (uint32_t)rest;
	return true;
}
