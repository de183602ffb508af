/* SPDX-License-Identifier: ISC */
/*
 * Growing text and the one place where foreign bytes become printable.
 * Must never pass a control character of a service's on to a terminal.
 */
#include "otpctl/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUF_MIN	4096

static void
buf_grow(struct buf *b, size_t more)
{
	size_t size = b->size != 0 ? b->size : BUF_MIN;
	char *p;

	while (size - b->len < more + 1) {
		if (size > SIZE_MAX / 2)
			abort();
		size *= 2;
	}
	if (size == b->size)
		return;
	p = realloc(b->data, size);
	if (p == NULL)
		abort();
	b->data = p;
	b->size = size;
}

void
buf_done(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

void
buf_add(struct buf *b, const char *data, size_t len)
{
	buf_grow(b, len);
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	size_t room;
	int n;

	buf_grow(b, 64);		/* enough for nearly all */
	room = b->size - b->len;
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->len, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= room) {
		buf_grow(b, (size_t)n);
		va_start(ap, fmt);
		(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

void
buf_pad(struct buf *b, size_t n)
{
	buf_grow(b, n);
	memset(b->data + b->len, ' ', n);
	b->len += n;
	b->data[b->len] = '\0';
}

/*
 * Bytes of the UTF-8 sequence at s, its character in *out; 0 when there is
 * none that is complete, shortest, below U+110000 and no surrogate.
 */
static size_t
utf8_next(const unsigned char *s, size_t len, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c;
	size_t i, n;

	if (s[0] < 0x80) {
		*out = s[0];
		return 1;
	}
	n = s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 :
	    s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : 0;
	if (n == 0 || n > len)
		return 0;
	c = s[0] & (0xffU >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*out = c;
	return n;
}

static int
hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) ||
	    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void
escaped(struct buf *b, const char *s, size_t len, const char *keep)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t i = 0, n, start = 0;
	uint32_t c = 0;

	while (i < len) {
		n = utf8_next(u + i, len - i, &c);
		if (n != 0 && (!hidden(c) ||
		    (c != 0 && c < 0x80 && strchr(keep, (int)c) != NULL))) {
			i += n;
			continue;
		}
		buf_add(b, s + start, i - start);
		for (n = n != 0 ? n : 1; n > 0; n--, i++)
			buf_printf(b, "\\x%02x", u[i]);
		start = i;
	}
	buf_add(b, s + start, len - start);
}

void
buf_text_len(struct buf *b, const char *s, size_t len)
{
	escaped(b, s, len, "");
}

void
buf_text(struct buf *b, const char *s)
{
	escaped(b, s, strlen(s), "");
}

void
buf_lines(struct buf *b, const char *s, size_t len)
{
	escaped(b, s, len, "\n\t");
}

/* Only strings of JSON hold such bytes, and there an escape is legal. */
void
buf_json(struct buf *b, const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t i = 0, n, start = 0;
	uint32_t c = 0;

	while (i < len) {
		n = utf8_next(u + i, len - i, &c);
		if (n != 0 && !hidden(c)) {
			i += n;
			continue;
		}
		buf_add(b, s + start, i - start);
		if (n != 0)
			buf_printf(b, "\\u%04x", (unsigned)c);
		else
			buf_puts(b, "\\ufffd");
		i += n != 0 ? n : 1;
		start = i;
	}
	buf_add(b, s + start, len - start);
}

size_t
buf_width(const char *s, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			n++;
	return n;
}

void
buf_cut(struct buf *b, size_t offset, size_t max, const char *mark)
{
	size_t i, n = 0;

	if (buf_width(b->data + offset, b->len - offset) <= max)
		return;
	max -= max > 0 ? 1 : 0;
	for (i = offset; i < b->len; i++) {
		if (((unsigned char)b->data[i] & 0xc0) == 0x80)
			continue;
		if (n++ == max)
			break;
	}
	b->len = i;
	buf_puts(b, mark);
}

void
buf_flush(struct buf *b, int fd)
{
	size_t done = 0;
	ssize_t n;

	while (done < b->len) {
		n = write(fd, b->data + done, b->len - done);
		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EPIPE)
			_exit(0);
		if (fd != STDERR_FILENO)
			dprintf(STDERR_FILENO, "otpctl: cannot write: %s\n",
			    strerror(errno));
		_exit(1);
	}
	b->len = 0;
}
