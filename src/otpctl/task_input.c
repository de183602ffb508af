/* SPDX-License-Identifier: ISC */
/*
 * Arguments from standard input, one a line.  Reads only when it is asked to,
 * for whoever writes may wait for what comes of the first lines.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otpctl/task.h"

#define READ_SIZE	65536

static char *
take(struct input *in, size_t len)
{
	char *line = strndup(in->data + in->at, len);

	if (line == NULL)
		abort();
	in->at += len + 1;
	return line;
}

/* Empty lines are none. */
char *
input_next(struct input *in)
{
	const char *end;
	size_t len;

	while (in->at < in->len) {
		end = memchr(in->data + in->at, in->end, in->len - in->at);
		if (end == NULL && !in->ended)
			return NULL;
		len = end != NULL ? (size_t)(end - in->data) - in->at :
		    in->len - in->at;
		if (len > 0)
			return take(in, len);
		in->at++;
	}
	return NULL;
}

void
input_read(struct input *in)
{
	ssize_t n;

	if (in->at > 0) {
		in->at = in->at < in->len ? in->at : in->len;
		memmove(in->data, in->data + in->at, in->len - in->at);
		in->len -= in->at;
		in->at = 0;
	}
	if (in->size - in->len < READ_SIZE) {
		in->size = in->size * 2 + READ_SIZE;
		in->data = realloc(in->data, in->size);
		if (in->data == NULL)
			abort();
	}
	n = read(STDIN_FILENO, in->data + in->len, READ_SIZE);
	if (n > 0)
		in->len += (size_t)n;
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		in->ended = true;
}

uint64_t
input_left(const struct input *in)
{
	uint64_t n = 0;
	bool some = false;

	for (size_t i = in->at; i < in->len; i++) {
		if (in->data[i] != in->end) {
			some = true;
			continue;
		}
		n += some;
		some = false;
	}
	return n + some;
}
