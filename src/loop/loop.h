/* SPDX-License-Identifier: ISC */
/*
 * One epoll and one heap of timers.  Callbacks run one at a time and may add,
 * change and remove any source or timer, their own included: an event that
 * was fetched for a source removed meanwhile is dropped (handles carry a
 * generation).  With no timer set it sleeps without a timeout.
 */
#ifndef OTPD_LOOP_LOOP_H
#define OTPD_LOOP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
typedef void loop_io_fn(void *arg, uint32_t events);	/* EPOLLIN, ... */
typedef void loop_timer_fn(void *arg);

struct loop_timer {		/* embedded; zero it before first use */
	uint64_t	 at_ms;		/* CLOCK_MONOTONIC */
	uint32_t	 pos;		/* 1 + place in the heap; 0: not set */
	loop_timer_fn	*fn;
	void		*arg;
};

struct loop	*loop_new(void);	/* NULL: errno */
void		 loop_free(struct loop *l);

/* Watch fd (not owned) for events.  0 or -errno, *out_handle for later. */
int	loop_add(struct loop *l, int fd, uint32_t events, loop_io_fn *fn,
	    void *arg, uint64_t *out_handle);
int	loop_change(struct loop *l, uint64_t handle, uint32_t events);
void	loop_remove(struct loop *l, uint64_t handle);	/* before close(fd) */

/* Set or move; at_ms in the past fires in the next turn.  0 or -ENOMEM. */
int	loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t at_ms);
void	loop_timer_cancel(struct loop *l, struct loop_timer *t);

uint64_t loop_now_ms(void);	/* CLOCK_MONOTONIC, read anew */
uint64_t loop_now_ns(void);

/*
 * One turn: wait for at most one batch of events, run their callbacks, run the
 * timers that are due.  after (may be NULL) runs at the end of every turn.
 * 0 or -errno.
 */
int	loop_turn(struct loop *l);
void	loop_after(struct loop *l, loop_timer_fn *fn, void *arg);
int	loop_run(struct loop *l);	/* turns until loop_stop() */
void	loop_stop(struct loop *l);

#endif /* OTPD_LOOP_LOOP_H */
