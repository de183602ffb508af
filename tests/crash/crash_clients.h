/* SPDX-License-Identifier: ISC */
/*
 * Processes that ask the servers of crash_workers for all they can do, a
 * number of times a round, and may be killed over it.
 */
#ifndef OTPD_TESTS_CRASH_CLIENTS_H
#define OTPD_TESTS_CRASH_CLIENTS_H

#include "crash/crash_deaths.h"

#define CLIENTS		3

struct client_note {		/* shared with the client */
	uint64_t	 sent, acked;	/* what it has put into the agent */
	char		 failure[300];	/* what must not be; "": nothing */
};

struct client {
	pid_t		 pid;		/* 0: none */
	int		 fd;		/* orders, and answers */
	struct client_note *note;
};

void	clients_init(struct deaths *d, struct client clients[CLIENTS]);
/* Those who were killed are made again, and all do so many things. */
void	clients_go(struct deaths *d, struct client clients[CLIENTS],
	    unsigned n);
/* All have done so, or are dead (deaths_await() first), and none has seen what
 * must not be. */
void	clients_await(struct deaths *d, struct client clients[CLIENTS]);
void	clients_end(struct deaths *d, struct client clients[CLIENTS]);

#endif /* OTPD_TESTS_CRASH_CLIENTS_H */
