/* SPDX-License-Identifier: ISC */
/*
 * What the parts of the carry share: carry.c fills and empties slots,
 * carry_drop.c notes what was dropped, carry_start.c finds all that and goes
 * on where the logger before this one ended.  For them only.
 */
#ifndef OTPD_LOGGER_CARRY_ROOM_H
#define OTPD_LOGGER_CARRY_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "logger/carry.h"

#define CARRY_SLOTS	1024	/* streams at fault that have one, and one */
#define CARRY_DROPS	4096	/* streams with something dropped */

enum carry_stage {
	CARRY_FREE,
	CARRY_MOVING,		/* total is not known yet */
	CARRY_MOVED,		/* total bytes were moved; read or not */
	CARRY_HELD		/* they are in data */
};

struct carry_drop {		/* of a stream; two, of which one counts */
	uint64_t	key;		/* 0: free */
	uint32_t	now, pad;
	struct {
		uint64_t	seq;	/* the slot after which it was so */
		uint64_t	bytes, lines;
		uint32_t	skip, pad;
	}		v[2];
};

struct carry {			/* the memory that outlives us */
	uint64_t	magic, size;
	uint64_t	seq;		/* the last one */
	uint32_t	ndrops;		/* entries ever used */
	uint32_t	stage[CARRY_SLOTS];
	struct carry_drop drops[CARRY_DROPS];	/* [0] is none */
	_Alignas(4096) struct carry_slot slots[CARRY_SLOTS];
};

struct carry_room {		/* what this logger has of it */
	struct carry	*carry;
	bool		 piped;		/* there is a carry's pipe */
	bool		 backed[CARRY_SLOTS];	/* have memory */
	size_t		 pages;		/* that fit into the pipe */
	int		 memfd;		/* -1: it will end with us */
};

/* All that was stored before is stored. */
static inline void
carry_stored(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* --- carry.c --- */
enum carry_stage carry_stage_of(const struct carry_room *room,
	    const struct carry_slot *slot);
void	carry_set_stage(struct carry_room *room,
	    const struct carry_slot *slot, enum carry_stage stage);
/* Memory is asked for before it is touched. */
bool	carry_slot_backed(struct carry_room *room, size_t i);
/* A parked one's memory is given back; the first is always wanted. */
void	carry_free(struct carry_room *room, struct carry_slot *slot);
/* Out of the carry's pipe, of which that much was got already: what cannot be
 * done the next logger does. */
void	carry_fetch(struct carry_room *room, struct carry_slot *slot,
	    uint32_t got);
uint32_t carry_left_in_pipe(int fd);

/* --- carry_drop.c --- */
/* Note what s has dropped, as it is after the slot of that seq. */
void	carry_note_dropped(struct stream *s, uint64_t seq);
/* Nothing is kept of a stream of which all is said. */
void	carry_forget_said(struct stream *s);

#endif /* OTPD_LOGGER_CARRY_ROOM_H */
