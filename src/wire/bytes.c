/* SPDX-License-Identifier: ISC */
/*
 * Base64 and UTF-8; see bytes.h.  What comes in is not trusted.
 */
#include "wire/bytes.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";

/* How many bytes follow this first one, and the least they may stand for. */
static int
tail_of(unsigned char c, uint32_t *out_bits, uint32_t *out_least)
{
	if (c >= 0xc2 && c < 0xe0) {
		*out_bits = c & 0x1f;
		*out_least = 0x80;
		return 1;
	}
	if (c >= 0xe0 && c < 0xf0) {
		*out_bits = c & 0x0f;
		*out_least = 0x800;
		return 2;
	}
	if (c >= 0xf0 && c < 0xf5) {
		*out_bits = c & 0x07;
		*out_least = 0x10000;
		return 3;
	}
	return -1;
}

bool
bytes_are_text(const void *data, size_t len)
{
	const unsigned char *p = data, *end;
	uint32_t u, least;
	int n;

	if (len == 0) /* data may be NULL */
		return true;
	end = p + len;
	while (p < end) {
		if (*p != 0 && *p < 0x80) {
			p++;
			continue;
		}
		n = tail_of(*p++, &u, &least);
		if (n < 0 || end - p < n)
			return false;
		for (; n > 0; n--, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
			u = u << 6 | (*p & 0x3f);
		}
		if (u < least || u > 0x10ffff || (u >= 0xd800 && u < 0xe000))
			return false;
	}
	return true;
}

void
bytes_to_base64(const void *data, size_t len, char *out)
{
	const unsigned char *p = data;
	uint32_t u;

	for (; len > 0; p += 3, len -= len < 3 ? len : 3) {
		u = (uint32_t)p[0] << 16;
		u |= len > 1 ? (uint32_t)p[1] << 8 : 0;
		u |= len > 2 ? p[2] : 0;
		*out++ = letters[u >> 18];
		*out++ = letters[u >> 12 & 63];
		*out++ = len > 1 ? letters[u >> 6 & 63] : '=';
		*out++ = len > 2 ? letters[u & 63] : '=';
	}
	*out = '\0';
}

static int
value_of(char c)
{
	const char *p = c != '\0' ? strchr(letters, c) : NULL;

	return p != NULL ? (int)(p - letters) : -1;
}

long
bytes_from_base64(const char *text, size_t len, void *out)
{
	unsigned char *to = out;
	size_t pad = 0;
	uint32_t u = 0;
	int v;

	if (len % 4 != 0)
		return -EINVAL;
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < len; i++) {
		v = i < len - pad ? value_of(text[i]) : 0;
		if (v < 0)
			return -EINVAL;
		u = u << 6 | (uint32_t)v;
		if (i % 4 != 3)
			continue;
		*to++ = (unsigned char)(u >> 16);
		if (i + 1 < len || pad < 2)
			*to++ = (unsigned char)(u >> 8);
		if (i + 1 < len || pad < 1)
			*to++ = (unsigned char)u;
		u &= i + 1 < len ? 0 : pad == 2 ? 0xffff : pad == 1 ? 0xff : 0;
	}
	return u == 0 ? to - (unsigned char *)out : -EINVAL;
}
