/* SPDX-License-Identifier: ISC */
/*
 * Text on its way to standard output or standard error: collected, then
 * written at once.  What comes from outside goes through buf_text(), so that
 * no byte of it can move a cursor, forge a line or colour a terminal.
 */
#ifndef OTPD_OTPCTL_BUF_H
#define OTPD_OTPCTL_BUF_H

#include <stddef.h>

struct buf {
	char	*data;		/* NUL-ended once anything was added */
	size_t	 len, size;
};

void	buf_done(struct buf *b);
void	buf_add(struct buf *b, const char *data, size_t len);
void	buf_puts(struct buf *b, const char *s);		/* our own words */
void	buf_printf(struct buf *b, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	buf_pad(struct buf *b, size_t n);		/* n spaces */

/* Foreign text: control characters, bidirectional overrides and bytes that
 * are not UTF-8 come out as \xNN. */
void	buf_text(struct buf *b, const char *s);
void	buf_text_len(struct buf *b, const char *s, size_t len);
/* The same, but newlines and tabs stay: whole lines of a log. */
void	buf_lines(struct buf *b, const char *s, size_t len);
/* JSON that our library printed, made safe likewise: \u00NN. */
void	buf_json(struct buf *b, const char *s, size_t len);

/* Characters that a terminal would show of s, which was made safe. */
size_t	buf_width(const char *s, size_t len);
/* Cut what follows offset to max characters, the last one cut. */
void	buf_cut(struct buf *b, size_t offset, size_t max, const char *mark);

/*
 * Write it all to fd and empty it.  A reader that has left ends the program
 * quietly; any other failure ends it with words and code 1.
 */
void	buf_flush(struct buf *b, int fd);

#endif /* OTPD_OTPCTL_BUF_H */
