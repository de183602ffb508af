/* SPDX-License-Identifier: ISC */
/*
 * The records of a snapshot, as they lie in the store: host byte order, each
 * with its own length, so that a reader takes the part that it knows.  New
 * fields go to the end and mean nothing when they are 0.
 */
#ifndef OTPD_CORE_RECORD_H
#define OTPD_CORE_RECORD_H

#include <stdint.h>

/* The upper four bits of a key say what it is. */
#define RECORD_KIND(key)	((uint32_t)((key) >> 60))
#define RECORD_CHILD		0u	/* slot */
#define RECORD_RESTART		1u	/* slot << 28 | number of the attempt */
#define RECORD_CORE		2u

#define RECORD_KEY(kind, rest)	((uint64_t)(kind) << 60 | (rest))
#define RESTART_BITS		28
#define RESTART_MASK		((1u << RESTART_BITS) - 1)

struct core_part {		/* RECORD_CORE */
	uint32_t	len;
	uint32_t	generation_floor;
};

enum {
	CHILD_F_HELD = 1, CHILD_F_PARKED = 2, CHILD_F_FAILED = 4,
	CHILD_F_WAITING = 8, CHILD_F_FIXED = 16, CHILD_F_LISTED = 32,
	CHILD_F_ARMED = 64, CHILD_F_KILLED = 128, CHILD_F_DOOMED = 256,
	CHILD_F_CHANGED = 512, CHILD_F_WANTED = 1024, CHILD_F_AGAIN = 2048,
	CHILD_F_UNSTARTED = 4096
};

/* RECORD_CHILD: this, a supervisor's part, and the id with its NUL. */
struct child_part {
	uint32_t	len, sup_len;	/* sup_len 0: a worker */
	uint32_t	parent;		/* slot, or CORE_NONE */
	uint32_t	generation, order, starts, restarts;
	uint32_t	backoff_ms, shutdown_ms;
	uint32_t	flags;
	uint32_t	state, restart, how;
	uint32_t	unused;
	uint64_t	ready_ms, deadline_ms;
	uint64_t	exit_seq, note_seq;	/* 0: not in the mailbox */
};

enum {
	SUP_F_SINGLE = 1, SUP_F_TRIED = 2, SUP_F_END_NEXT = 4,
	SUP_F_GAVE_UP = 8, SUP_F_GROUP_ARMED = 16, SUP_F_RETRYING = 32
};

struct sup_part {
	uint32_t	at, from;	/* slots, or CORE_NONE */
	uint32_t	phase, job, outcome;
	uint32_t	op;		/* of the call being served */
	uint32_t	flags;
	uint32_t	next_order, left;
	uint32_t	lo, hi;		/* of the restart window */
	uint32_t	unused;
	uint64_t	group_ms;
	uint64_t	stop_seq, reload_seq;
};

#endif /* OTPD_CORE_RECORD_H */
