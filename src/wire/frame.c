/* SPDX-License-Identifier: ISC */
/*
 * Reading and writing the header of a frame.  What comes in is not trusted:
 * nothing here asserts, allocates, or looks beyond what has arrived.
 */
#include "wire/frame.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

static_assert(sizeof(struct frame_header) == FRAME_HEADER_LEN,
    "the header is sent as it lies in memory");
static_assert(sizeof(struct frame_hello) == 24,
    "so is the fixed part of a HELLO");

long
frame_parse(const uint8_t *buf, size_t len, uint32_t max_payload,
    struct frame_header *out)
{
	struct frame_header h;
	uint64_t total;

	if (len < FRAME_HEADER_LEN)
		return 0;
	memcpy(&h, buf, sizeof(h));
	if (h.type == 0 || h.type >= FRAME_NTYPES)
		return -EPROTO;
	total = (uint64_t)h.length + FRAME_HEADER_LEN;
	if (h.length > max_payload || total > LONG_MAX)
		return -EMSGSIZE;
	if (len < total)
		return 0;
	*out = h;
	return (long)total;
}

void
frame_encode(const struct frame_header *h, uint8_t out[FRAME_HEADER_LEN])
{
	memcpy(out, h, sizeof(*h));
}

const char *
frame_error_name(uint16_t tag)
{
	static const char *const names[] = {
		[FRAME_E_TIMEOUT] = "timeout",
		[FRAME_E_NOPROC] = "noproc",
		[FRAME_E_DOWN] = "down",
		[FRAME_E_REFUSED] = "refused",
		[FRAME_E_TOO_LARGE] = "too_large",
		[FRAME_E_PROTOCOL] = "protocol",
		[FRAME_E_BAD_REQUEST] = "bad_request",
	};

	static_assert(sizeof(names) / sizeof(names[0]) == FRAME_NERRORS,
	    "every error has a name");
	if (tag == 0 || tag >= FRAME_NERRORS)
		return "unknown";
	return names[tag];
}
