/* SPDX-License-Identifier: ISC */
/*
 * A running otpd in a private directory, and two connections to its engine:
 * one that hears events, one that asks.  Whoever uses it has a process to
 * itself: what goes wrong is said, everything is killed, and the process ends.
 */
#ifndef OTPD_TESTS_PROCESS_RIG_H
#define OTPD_TESTS_PROCESS_RIG_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

struct line;

struct rig {
	char		 dir[200];	/* the working directory, too */
	char		 worker[512];	/* the program of every worker */
	uint64_t	 deadline;	/* of the whole, CLOCK_MONOTONIC ns */
	pid_t		 otpd;		/* 0: not running any more */
	int		 pidfd;
	int		 status;	/* its wait status, afterwards */
	int		 gate;		/* or -1 */
	struct line	*events, *calls;
	bool		 adopter;	/* an otpd was killed */
	bool		 over;		/* no more events will come */
	bool		 mortal;	/* its engine dies now and then */
	bool		 may_refuse;	/* to start at all, or to take over */
	bool		 refused;	/* it did, and has ended */
	const char	*program;	/* NULL: otpd */
	double		 seq;		/* of the last event heard */
	cJSON		*heard;		/* array: events not yet taken */
};

/* Make the directory and go there.  Files may then be put into it. */
void	rig_init(struct rig *r, unsigned timeout_s);
/* Start otpd; no worker begins before the events are being heard. */
void	rig_start(struct rig *r, const char *config);
/* Only that, where another was before. */
void	rig_launch(struct rig *r);
/* kill -9 of otpd, and another one in its place. */
void	rig_replace(struct rig *r);
/*
 * Takes request.  NULL when there is nobody (any more) to answer.  Where the
 * engine is mortal a question is asked again; of anything else the answer may
 * be {"lost":true}: nobody knows whether it was done.
 */
cJSON	*rig_ask(struct rig *r, cJSON *request);
/* Until nothing starts, stops or waits, and all of its events were heard. */
void	rig_settle(struct rig *r);
/* Until otpd is gone, and all events were heard. */
void	rig_drain(struct rig *r);
/* It has ended with 1, saying in one line why it cannot start. */
void	rig_refused(struct rig *r);
/* The end; says what was left behind, or complained on stderr. */
void	rig_done(struct rig *r);

/* Send the request, be sure that the engine has it; the answer comes later. */
struct line *rig_ask_begin(struct rig *r, cJSON *request);
cJSON	*rig_ask_end(struct rig *r, struct line *line);
/* Nobody waits for the answer any more. */
void	 rig_ask_drop(struct line *line);

cJSON	*rig_request(const char *op);
/* A FIFO in the directory that tells when something was written to it. */
int	rig_fifo(struct rig *r, const char *name);
void	rig_await_readable(struct rig *r, int fd, const char *what);
void	rig_fail(struct rig *r, const char *format, ...)
	    __attribute__((format(printf, 2, 3), noreturn));
/* Said before anything else when something fails. */
void	rig_name(const char *name);

#endif /* OTPD_TESTS_PROCESS_RIG_H */
