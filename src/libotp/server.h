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
	/* The peer is gone; forget what it waits for. */
	void	(*closed)(void *arg, server_peer peer);
};

/* listen_fd is borrowed; name as in HELLO.  NULL: errno. */
struct server	*server_new(struct loop *l, int listen_fd, const char *name,
		    uint64_t generation, const struct server_ops *ops,
		    void *arg);
void		 server_free(struct server *s);
size_t		 server_npeers(const struct server *s);

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
