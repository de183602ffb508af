/* SPDX-License-Identifier: ISC */
/*
 * otp-pool: lends the workers of the supervisor beside it; see otp-pool(8).
 *
 * A worker is lent to a connection, and comes back when that ends.  No worker
 * is ever lent twice: what this server knows of a worker begins with its start
 * and ends with the engine's word of its end, and a server that begins first
 * ends the workers that another one may have lent.
 */
#ifndef OTPD_WORKERS_POOL_POOL_H
#define OTPD_WORKERS_POOL_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libotp/otp.h"

#define POOL_WAITING_MAX	100000U
#define POOL_WORKERS_MAX	100000U

enum worker_state {
	WORKER_WANTED,		/* to be started when others have ended */
	WORKER_STARTING,	/* the engine has been asked */
	WORKER_UNSURE,		/* asked, but the engine died over it */
	WORKER_FREE,
	WORKER_HELD,
	WORKER_STOPPING		/* too many; counts until it has ended */
};

struct worker {
	struct worker	*next, *prev;	/* of all, or of the free ones */
	struct worker	*next_held;	/* of its holder */
	struct holder	*holder;
	enum worker_state state;
	bool		 asked;		/* a request of it is under way, */
	uint64_t	 request;	/* this one */
	uint64_t	 monitor;	/* 0: none */
	uint64_t	 loan;		/* the holder's own number, or 0 */
	uint64_t	 id;
	char		 path[OTP_WORKER_MAX];
};

struct waiter {			/* in the queue, the longest first */
	struct waiter	*next, *prev;
	struct holder	*holder;
	struct otp_from	 from;
	uint64_t	 loan;
};

struct holder {			/* a connection that has asked for workers */
	struct holder	*next;		/* of its bucket */
	uint64_t	 peer, monitor;
	struct worker	*held;
	int32_t		 pid;
	uint32_t	 nwaits;
};

struct list { struct worker *first, *last; };

struct pool {
	struct otp	*self;
	uint32_t	 size, max_overflow;
	bool		 fifo;
	char		 sup[OTP_WORKER_MAX];	/* path of the workers' */
	struct list	 free, others;	/* each worker is in one of them */
	uint32_t	 nfree, nheld, ncoming, nstopping;
	uint32_t	 nwanted;	/* of those coming */
	struct waiter	*waits, *last_wait;
	uint32_t	 nwaits;
	struct holder	**bucket;
	uint32_t	 nbuckets, nholders;
	uint64_t	 next_id, sup_monitor;
	bool		 timer;		/* to ask the engine again */
	bool		 failed;	/* it ends, with this reason */
	char		 reason[OTP_REASON_MAX];
};

/* Its callback returns, and it ends; the first reason counts. */
void	pool_fail(struct pool *p, const char *reason);

/* --- loans.c: who has which --- */
void	loan_checkout(struct pool *p, struct otp_from from, uint64_t loan,
	    bool block);
void	loan_checkin(struct pool *p, uint64_t peer, const char *path);
/* Leave the queue; what was lent meanwhile comes back. */
void	loan_cancel(struct pool *p, uint64_t peer, uint64_t loan);
/* A holder has ended.  False: the ref is none of a holder. */
bool	loan_holder_down(struct pool *p, uint64_t ref);
/* A worker that nobody has: for who waits longest, or free, or too many. */
void	loan_offer(struct pool *p, struct worker *w);
/* Its loan ends with the worker. */
void	loan_forget(struct worker *w);
/* Nothing can be started for the one who came last: tell him so. */
bool	loan_refuse_last(struct pool *p, const char *reason);
void	loan_done(struct pool *p);

/* --- workers.c: which there are --- */
/* Those of size, at the beginning.  0, or the reason why not. */
const char *workers_begin(struct pool *p);
uint32_t workers_live(const struct pool *p);	/* those coming, too */
/* Start as many as are missing, or as somebody waits for. */
void	workers_balance(struct pool *p);
void	worker_stop(struct pool *p, struct worker *w);
bool	workers_down(struct pool *p, uint64_t ref);
void	workers_response(struct pool *p, const struct otp_info *info);
void	workers_timer(struct pool *p);	/* ask again what is not known */
/* Into the list of its new state. */
void	worker_move(struct pool *p, struct worker *w, enum worker_state state);
void	workers_done(struct pool *p);

#endif /* OTPD_WORKERS_POOL_POOL_H */
