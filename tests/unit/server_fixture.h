/* SPDX-License-Identifier: ISC */
/*
 * A server of frames and raw clients of it, all in one process and on one
 * loop, so that every test waits for events and for nothing else.
 */
#ifndef OTPD_TESTS_SERVER_FIXTURE_H
#define OTPD_TESTS_SERVER_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "libotp/server.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define H		FRAME_HEADER_LEN
#define RAW_MAX		(4U * 1024 * 1024)

struct fixture {
	struct loop		*loop;
	struct server		*server;
	int			 listen_fd;
	struct sockaddr_un	 address;
	/* what its owner does and has seen */
	size_t			 answer_len;	/* 0: what was asked */
	bool			 silent;	/* answers nothing */
	int			 ncalls, nclosed;
	int			 last_rc;	/* of the last answer */
	server_peer		 last_peer, closed_peer;
};

extern struct fixture fx;

void	fixture_setup(void);
void	fixture_teardown(void);
struct server_limits limits(void);	/* the default ones */
void	turn(void);

struct raw {			/* a client by hand */
	int		 fd;
	uint64_t	 handle;
	uint8_t		*buf;		/* all that has come */
	size_t		 len;
	bool		 eof;
	bool		 deaf;		/* does not read */
};

struct raw	*raw_socket(void);
void		 raw_connect(struct raw *r);
void		 raw_listen(struct raw *r);	/* deaf no more */
struct raw	*raw_new(void);		/* connected */
struct raw	*greeted(uint32_t max_payload);
void		 raw_close(struct raw *r);

void	put(struct raw *r, const void *data, size_t len);
void	put_frame(struct raw *r, uint8_t type, uint64_t ref,
	    const void *payload, uint32_t len);
void	put_hello(struct raw *r, uint32_t max_payload);

/* Wait for the n-th frame, HELLO being the first; its payload. */
const uint8_t *await(const struct raw *r, int n, struct frame_header *h);
/* Wait for an ERROR and the end behind it. */
void	await_error(const struct raw *r, int n, uint16_t tag);

#endif /* OTPD_TESTS_SERVER_FIXTURE_H */
