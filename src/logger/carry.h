/* SPDX-License-Identifier: ISC */
/*
 * What a logger has taken out of a pipe and not yet put into a file, in memory
 * that outlives it: the spawner gives the same to every logger.  Where no
 * spawner does (an older one), it is memory of our own, and all works as well,
 * but for what is carried over a death.
 */
#ifndef OTPD_LOGGER_CARRY_H
#define OTPD_LOGGER_CARRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "logger/logger.h"

struct carry_slot {
	uint64_t	seq;		/* older ones come first */
	uint64_t	key;
	uint64_t	max_bytes;
	uint64_t	dropped_bytes, dropped_lines;	/* as it began */
	uint64_t	written;	/* of what it becomes: bytes in files */
	struct {			/* a write that may be under way */
		uint64_t	at;	/* written before it; else none is */
		uint64_t	dev, ino, size, len;
	}		op;
	uint32_t	total;		/* bytes of data */
	uint32_t	text, flags;	/* as it began: SKIP, MIDLINE, STAMP */
	uint32_t	keep;
	uint32_t	parked;		/* 1: it waits for the end of a fault */
	char		stamp[STAMP_LEN + 1];	/* when it was read */
	char		name[LOG_NAME_MAX + 1];
	_Alignas(4096) char data[LOG_BUDGET];
};

/* Ahead of all else; recovers what the one before us left. */
void	carry_start(struct logger *lg);
/*
 * What is in the pipe, up to LOG_BUDGET bytes; NULL: nothing.  *out_more: there
 * is, or may be, more.
 */
struct carry_slot *carry_read(struct stream *s, bool *out_more);
/* The same with text that is ours, or with none. */
struct carry_slot *carry_text(struct stream *s, const char *text);
/* It was written or dropped, and s says what was dropped. */
void	carry_end(struct stream *s, struct carry_slot *slot);
/* It is to wait for the end of a fault.  False: it must be dropped. */
bool	carry_park(struct stream *s, struct carry_slot *slot);
size_t	carry_pending(const struct logger *lg);	/* bytes that wait */
/* Around a write of len bytes to the file that st describes. */
void	carry_write(struct carry_slot *slot, const struct stat *st,
	    size_t len);
void	carry_written(struct carry_slot *slot, ssize_t n);
/* How far somebody came who was killed at it; when its file can be seen. */
void	carry_count_written(struct logger *lg, struct carry_slot *slot);
/* What was dropped and has yet to be said: kept; found again; forgotten. */
void	carry_save(struct stream *s);
void	carry_find_dropped(struct stream *s);
void	carry_forget(struct stream *s);

#endif /* OTPD_LOGGER_CARRY_H */
