/* SPDX-License-Identifier: ISC */
/*
 * How things look: colours, line drawing and width of the terminal, if it is
 * one; spans and points of time in words.
 */
#ifndef OTPD_OTPCTL_LOOK_H
#define OTPD_OTPCTL_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "otpctl/buf.h"

enum tint { TINT_NONE, TINT_GOOD, TINT_BUSY, TINT_BAD, TINT_DIM, TINT_BOLD,
	TINT_NTINTS };

struct look {
	bool	 terminal;	/* line drawing and escapes of raw bytes */
	bool	 colour;
	bool	 utf8;
	size_t	 width;		/* columns; 0: no limit */
};

/* As standard output and the environment say. */
void	look_init(struct look *l);
const char *look_tint(const struct look *l, enum tint t);
const char *look_plain(const struct look *l);	/* ends a tint */

/* "12s", "3m 12s", "2h 5m", "3d 4h"; below 10 s with a tenth on demand. */
void	look_span(struct buf *b, int64_t ms, bool tenths);
/* An engine's ISO time as ms since 1970; -1 when it is none. */
int64_t	look_time(const char *iso);
int64_t	look_now(void);				/* the same clock */
/* "2026-11-21 12:03:10", local; with ms when asked. */
void	look_date(struct buf *b, int64_t at, bool ms);

#endif /* OTPD_OTPCTL_LOOK_H */
