/* SPDX-License-Identifier: ISC */
/*
 * The children: a fixed number of slots, touched as they are used.  Every
 * operation takes constant time.  Index 0 means none.
 */
#ifndef OTPD_SPAWNER_TABLE_H
#define OTPD_SPAWNER_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define TABLE_SLOTS	32768		/* records; a power of two */
#define TABLE_RESERVE	1024		/* of them only for refusals */

struct child {
	uint64_t	inc;		/* 0: a free slot */
	uint64_t	start_ns, end_ns;
	uint64_t	label;		/* the engine's */
	int32_t		pid;		/* also after its end */
	int32_t		code;		/* EXITED: status; FAILED: errno; of one
					 * that is adopted: its pidfd */
	uint32_t	pid_next, inc_next;	/* of the same bucket */
	uint32_t	dirty_prev, dirty_next;
	uint8_t		state, step;	/* enum spawn_state, spawn_step */
	bool		dirty;		/* the engine is yet to be told */
	uint8_t		adopted;	/* 1: another otpd started it; read
					 * also where nobody has checked it */
	uint32_t	sum;		/* of inc, pid, start_ns and label */
};

struct table {
	struct child	*slots;		/* shared mapping of the memfd; slot 0
					 * is the report of a spawn */
	int		 memfd;
	uint32_t	 backed;	/* slots that have memory */
	uint32_t	 high;		/* slots ever used, slot 0 included */
	uint32_t	 free;		/* chain through inc_next */
	uint32_t	 used, alive;
	uint32_t	 dirty_head, dirty_tail;
	uint32_t	 by_pid[TABLE_SLOTS], by_inc[TABLE_SLOTS];
};

/* A new one, or the one in memfd as somebody has left it, as far as it can be
 * believed; out_bad: records that could not.  0 or -errno. */
int	table_init(struct table *t);
int	table_load(struct table *t, int memfd, uint32_t *out_bad);
/* Its sum is right: what says which process it is was not written over. */
bool	table_intact(const struct child *c);
struct child *table_by_pid(struct table *t, int pid);	/* alive ones only */
struct child *table_by_inc(struct table *t, uint64_t inc);
/* A new record without state.  -ENOSPC: the table is full. */
int	table_add(struct table *t, uint64_t inc, struct child **out);
/* c->pid is a process. */
void	table_alive(struct table *t, struct child *c, uint64_t now_ns);
void	table_failed(struct table *t, struct child *c, uint8_t step, int error);
void	table_label(struct child *c, uint64_t label);
void	table_ended(struct table *t, struct child *c, int status,
	    uint64_t now_ns);
void	table_forget(struct table *t, struct child *c);
/* It is another incarnation's, which nobody has. */
void	table_rename(struct table *t, struct child *c, uint64_t inc);
/* It must be told (again), or has been. */
void	table_dirty(struct table *t, struct child *c);
void	table_clean(struct table *t, struct child *c);

#endif /* OTPD_SPAWNER_TABLE_H */
