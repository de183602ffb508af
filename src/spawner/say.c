/* SPDX-License-Identifier: ISC */
/*
 * Messages for people, written with one write(2) each.  Must never block the
 * spawner nor fail it: what cannot be written at once is lost, for it may be
 * that nobody ever reads it.
 */
#include "spawner/say.h"

#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_LEN	1024

static size_t
append(char *line, size_t at, const char *part)
{
	size_t n = strlen(part);

	if (n > LINE_MAX_LEN - 1 - at)
		n = LINE_MAX_LEN - 1 - at;
	memcpy(line + at, part, n);
	return at + n;
}

void
say_parts(int fd, const char *const *parts)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	char line[LINE_MAX_LEN];
	size_t len;

	len = append(line, 0, "otpd: ");
	for (; *parts != NULL; parts++)
		len = append(line, len, *parts);
	line[len++] = '\n';
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0 &&
	    write(fd, line, len) < 0)
		return;
}

const char *
say_number(long n, char *buf)
{
	bool negative = n < 0;
	char *p = buf + SAY_NUMBER - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + (negative ? -(n % 10) : n % 10));
		n /= 10;
	} while (n != 0);
	if (negative)
		*--p = '-';
	return p;
}
