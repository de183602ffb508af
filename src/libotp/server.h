/* SPDX-License-Identifier: ISC */
/*
 * A server of frames on a loop: accepts on a listening socket, checks who
 * calls (SO_PEERCRED), hands every CALL to its owner and carries the replies.
 * Shared by the engine and the logger.  Bounds: peers in all and for each uid
 * (root keeps a reserve), seconds until HELLO, bytes queued for a peer that
 * does not read.
 */
#ifndef OTPD_LIBOTP_SERVER_H
#define OTPD_LIBOTP_SERVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/frame.h"

struct loop;
struct server;

/* A caller, as long as it is connected: 0 is none; never used twice. */
typedef uint64_t server_peer;

struct server_ops {
	/* payload is borrowed for the call. */
	void	(*call)(void *arg, server_peer peer,
		    const struct frame_header *h, const char *payload,
		    uid_t uid);
	/* The peer is gone; forget what it waits for.  Not told of peers that
	 * never called, and never from within server_reply and the like. */
	void	(*closed)(void *arg, server_peer peer);
};

struct server_limits {
	uint32_t	max_peers;	/* at most SERVER_PEERS_MAX */
	uint32_t	root_reserve;	/* of these, only for root */
	uint32_t	max_per_uid;	/* does not bind root */
	uint32_t	hello_ms;	/* from the connection to its HELLO */
	uint32_t	frame_ms;	/* from a frame's first byte on */
	uint32_t	max_payload;	/* of a call */
	size_t		max_queued;	/* bytes a peer has not read */
};

#define SERVER_PEERS_MAX	1024
#define SERVER_LIMITS_DEFAULT { .max_peers = SERVER_PEERS_MAX, \
	.root_reserve = 32, .max_per_uid = 256, .hello_ms = 5000, \
	.frame_ms = 30000, .max_payload = FRAME_ENGINE_MAX, \
	.max_queued = 64U * 1024 * 1024 }

struct server_counters {		/* since server_new */
	uint64_t	accepted;
	uint64_t	refused;	/* by uid, or too many */
	uint64_t	expired;	/* HELLO or a frame took too long */
	uint64_t	faulty;		/* broke the protocol */
	uint64_t	slow;		/* did not read what they asked for */
	uint64_t	accept_failed;	/* no descriptor or memory to be had */
};

/*
 * listen_fd and name (as in HELLO) are borrowed; the former is made
 * non-blocking.  No callback may free the server; freeing it calls none.
 * NULL: errno.
 */
struct server	*server_new(struct loop *l, int listen_fd, const char *name,
		    uint64_t generation, const struct server_ops *ops,
		    void *arg);
void		 server_free(struct server *s);
/* For peers to come; SERVER_LIMITS_DEFAULT until then. */
void		 server_set_limits(struct server *s,
		    const struct server_limits *limits);
size_t		 server_npeers(const struct server *s);
const struct server_counters *server_counters(const struct server *s);

/*
 * A payload larger than the peer accepts is split into frames with
 * FRAME_F_MORE.  0, -ENOTCONN when the peer is gone (or goes: it does not
 * read).
 */
int	server_reply(struct server *s, server_peer peer, uint64_t ref,
	    const char *payload, size_t len);
int	server_info(struct server *s, server_peer peer, uint64_t ref,
	    const char *payload, size_t len);
int	server_error(struct server *s, server_peer peer, uint64_t ref,
	    uint16_t tag, const char *words);
/* Bytes queued for it and not yet taken by the kernel. */
size_t	server_queued(const struct server *s, server_peer peer);
/* Send what is queued as far as it goes without waiting; before an exit. */
void	server_flush(struct server *s);

#endif /* OTPD_LIBOTP_SERVER_H */
