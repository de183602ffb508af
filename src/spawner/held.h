/* SPDX-License-Identifier: ISC */
/*
 * Descriptors that must outlive the engine and the logger: those which the
 * engine asked to HOLD, and the read ends of log pipes.  Fixed slots, constant
 * time; index 0 means none.
 */
#ifndef OTPD_SPAWNER_HELD_H
#define OTPD_SPAWNER_HELD_H

#include <stdbool.h>
#include <stdint.h>

#define HELD_SLOTS	32768		/* a power of two */

enum held_kind {
	HELD_FREE,
	HELD_KEPT,		/* the engine's */
	HELD_PIPE,		/* a log pipe's read end */
	HELD_DROPPED,		/* was a pipe; the logger is yet to read what is
				 * in it */
	HELD_NKINDS
};

struct held {			/* key, fd and kind are what is taken over */
	uint64_t	key;
	int32_t		fd;		/* owned */
	uint32_t	next;		/* of the bucket, or of the free ones */
	uint32_t	queue_next;	/* waiting to be told to the logger */
	uint8_t		kind;
	bool		queued;
	bool		told;		/* this logger has the descriptor */
};

struct held_table {
	struct held	*slots;		/* in the manifest */
	int		 memfd;		/* of it */
	int64_t		 offset;	/* of slots in it */
	uint32_t	 backed;	/* slots that have memory */
	uint32_t	 by_key[HELD_SLOTS];
	uint32_t	 high;		/* slots ever used */
	uint32_t	 free;
	uint32_t	 queue_head, queue_tail;
};

/* What somebody has left in the slots that have memory, as far as it can be
 * believed; returns how many could not.  claim says that a descriptor is open
 * and nobody else's. */
uint32_t held_load(struct held_table *t, bool (*claim)(void *arg, int fd),
	    void *arg);
/* Memory for the first ones; -errno. */
int	held_init(struct held_table *t);
struct held *held_find(struct held_table *t, uint64_t key);
/* Takes fd, and replaces an older one of the same key and kind.  -EEXIST:
 * the key is of another kind; -ENOSPC.  On failure fd stays the caller's. */
int	held_put(struct held_table *t, uint64_t key, enum held_kind kind,
	    int fd);
/* The read end of key's pipe, made when there is none.  -errno. */
int	held_pipe(struct held_table *t, uint64_t key, int *out_fd);
/* A pipe stays, found by nobody, until the logger has drained it. */
void	held_release(struct held_table *t, uint64_t key);
void	held_drained(struct held_table *t, uint64_t key);
/* The logger is new: tell it of every pipe. */
void	held_tell_all(struct held_table *t);
/* Pipes with something in them that nobody has read. */
uint32_t held_unread(const struct held_table *t);
struct held *held_queued(struct held_table *t);	/* the next to be told */
void	held_dequeue(struct held_table *t);	/* it was told, all of it */

#endif /* OTPD_SPAWNER_HELD_H */
