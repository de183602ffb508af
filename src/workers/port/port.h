/* SPDX-License-Identifier: ISC */
/*
 * otp-port: a gen_server that leaves its work to a program, with which it
 * speaks in lines of JSON; see otp-port(8).
 */
#ifndef OTPD_WORKERS_PORT_PORT_H
#define OTPD_WORKERS_PORT_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libotp/otp.h"
#include "workers/port/json.h"

#define LINE_MAX_LEN	(16U * 1024 * 1024 + 4096)

enum waiting { WAIT_RESPONSE, WAIT_DOWN };

struct wait {			/* what the program asked for */
	struct wait	*next;
	enum waiting	 kind;
	uint64_t	 ref;		/* the library's */
	uint64_t	 due;		/* ms; 0: never */
	char		 given[];	/* "ref" as the program wrote it */
};

struct port {
	struct otp	*self;
	char		**argv;		/* the program's */
	unsigned	 grace_ms;	/* for the program to stop in */
	/* the program */
	pid_t		 pid;		/* 0: not started, or reaped */
	int		 in, out;	/* its stdin and stdout; -1: closed */
	int		 signals;
	int		 status;	/* once reaped */
	bool		 ended;		/* reaped, all it said has been read */
	struct text	 queue;		/* for its stdin */
	size_t		 sent;		/* of the queue */
	struct text	 line;		/* of its stdout, so far */
	/* what it has said */
	bool		 ready, ignore, trapping;
	bool		 stopping;	/* it wants to, or must */
	bool		 asked;		/* by a signal, not by itself */
	char		 reason[OTP_REASON_MAX];
	bool		 replies;	/* at its end */
	struct otp_from	 from;
	struct text	 reply, state;
	struct wait	*waits;
};

uint64_t port_now(void);		/* CLOCK_MONOTONIC, ms */
/* From the next turn on the server ends; the first reason counts. */
void	port_stop(struct port *p, const char *reason);

/* --- program.c --- */
/* 0, or -errno with the failing step in out_words. */
int	program_start(struct port *p, const char **out_words);
/* Send it a line; waits while it has too many unread. */
void	program_send(struct port *p, const struct text *line);
/*
 * Wait until something happens to the program, at fd (-1: none), or for so
 * many ms (-1: for ever), and deal with the program's part of it.
 */
void	program_wait(struct port *p, int fd, int timeout_ms);
/* Let it end: ask, tell, kill.  Returns when it is gone. */
void	program_end(struct port *p, const char *reason);
/* Why it ended; p->ended. */
void	program_reason(const struct port *p, char out[OTP_REASON_MAX]);

/* --- orders.c: what the program says --- */
struct order {			/* one line */
	struct span	 object;
	struct span	 value;		/* of the key that stands for it */
};
/* False: the line makes no sense. */
typedef bool order_fn(struct port *p, const struct order *o);
void	order_take(struct port *p, struct span line);

/* --- names.c: orders about names, registries and topics --- */
order_fn order_register, order_unregister, order_lookup, order_subscribe,
	    order_unsubscribe, order_publish;

/* --- waits.c --- */
void	wait_add(struct port *p, enum waiting kind, uint64_t ref, uint64_t due,
	    struct span given);
/* Taken out of the list; the caller frees; or NULL. */
struct wait *wait_take(struct port *p, enum waiting kind, uint64_t ref);
struct wait *wait_take_given(struct port *p, enum waiting kind,
	    struct span given);
/* Give up what took too long; ms until the next one does, or -1. */
int	wait_expire(struct port *p);
void	wait_failed(struct port *p, struct span given, const char *reason);
void	wait_done(struct port *p);

#endif /* OTPD_WORKERS_PORT_PORT_H */
