/* SPDX-License-Identifier: ISC */
/*
 * The time in front of lines.  Nothing is held back for a line's end: the
 * first bytes of a line get the time at which they were read and the rest
 * follows when it comes, so that a line without an end costs no memory and is
 * in the file should the logger die.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "logger/carry.h"

#define CUT		"[...]"		/* ends and begins the pieces */
#define CUT_LEN		(sizeof(CUT) - 1)
#define OUT_SIZE	(LOG_LINE_MAX + 1)

struct out {
	struct stream	*s;
	const char	*stamp;
	size_t		 len;
	char		*buf;
};

size_t
stamp_now(char out[STAMP_LEN + 1])
{
	static char text[STAMP_LEN + 1];	/* of the second below */
	static time_t second = -1;
	struct timespec now;
	struct tm tm;
	unsigned ms;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != second && gmtime_r(&now.tv_sec, &tm) != NULL) {
		second = now.tv_sec;
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000Z ",
		    &tm);
	}
	memcpy(out, text, sizeof(text));
	ms = (unsigned)(now.tv_nsec / 1000000);
	out[20] = (char)('0' + ms / 100);
	out[21] = (char)('0' + ms / 10 % 10);
	out[22] = (char)('0' + ms % 10);
	return STAMP_LEN;
}

static void
out_flush(struct out *o)
{
	if (o->len > 0)
		sink_write(o->s, o->buf, o->len);
	o->len = 0;
}

static void
out_put(struct out *o, const char *data, size_t len)
{
	if (len > OUT_SIZE - o->len)
		out_flush(o);
	assert(len <= OUT_SIZE - o->len);
	memcpy(o->buf + o->len, data, len);
	o->len += len;
}

/* As much of data as belongs to the line: how much that was. */
static size_t
put_line(struct out *o, const char *data, size_t len)
{
	struct stream *s = o->s;
	size_t room, n;
	const char *nl;

	if (s->text == 0)
		out_put(o, o->stamp, STAMP_LEN);
	room = s->text < LOG_LINE_MAX ? LOG_LINE_MAX - s->text : 0;
	if (room == 0 && data[0] != '\n') {
		out_put(o, CUT "\n", CUT_LEN + 1);
		out_put(o, o->stamp, STAMP_LEN);
		out_put(o, CUT, CUT_LEN);
		s->text = CUT_LEN;
		return 0;
	}
	n = len < room + 1 ? len : room + 1;	/* a newline may be one more */
	nl = memchr(data, '\n', n);
	if (nl != NULL)
		n = (size_t)(nl - data) + 1;
	else if (n > room)
		n = room;
	out_put(o, data, n);
	s->text = nl != NULL ? 0 : s->text + (uint32_t)n;
	return n;
}

void
stamp_write(struct stream *s, const char *data, size_t len)
{
	static char buf[OUT_SIZE];
	struct out o = { .s = s, .buf = buf,
	    .stamp = s->lg->playing->stamp };
	size_t n;

	for (; len > 0; data += n, len -= n)
		n = put_line(&o, data, len);
	out_flush(&o);
}
