/* SPDX-License-Identifier: ISC */
/*
 * One end of a connection that speaks frames: buffers, HELLO both ways, and
 * nothing that blocks.  Knows no loop: its owner says when the descriptor is
 * readable or writable.  Used by servers and callers alike.
 */
#ifndef OTPD_LIBOTP_PEER_H
#define OTPD_LIBOTP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

struct peer;

#define PEER_PAYLOAD_MIN	1024U	/* who accepts less is refused */
#define PEER_WHOLE	(32U * 1024)	/* the kernel takes that, or nothing:
					 * frames up to there are never halved */

struct peer_limits {
	uint32_t	max_payload;	/* accepted from the other side */
	size_t		max_queued;	/* bytes waiting to be sent */
};

/*
 * hello, name and path are what this side says of itself; a client's name is
 * NULL.  magic, version and max_payload are filled in here.  Takes over fd, a
 * stream socket, even when it fails; its flags are left alone.  NULL: errno.
 */
struct peer	*peer_new(int fd, const struct frame_hello *hello,
		    const char *name, const char *path,
		    const struct peer_limits *limits);
/*
 * Go on with a connection that another process of ours has begun: its HELLO
 * was sent, the other side's may have been read.  Ownership as above.
 */
struct peer	*peer_resume(int fd, const struct peer_limits *limits);
/*
 * From now on what is read stays in the socket, too, until peer_take(): whoever
 * resumes the connection before that reads it again.
 */
void		 peer_leave(struct peer *p);
/* The frames that were handed out are done with.  Half a frame stays, unless
 * nothing has come since: it would make the socket readable for ever. */
void		 peer_take(struct peer *p);
void		 peer_free(struct peer *p);	/* closes the descriptor */
int		 peer_fd(const struct peer *p);

/*
 * Read once.  1 when bytes came, 0 when there are none now, -ENOTCONN at the
 * other side's end, -EPROTO when it passed a descriptor (which is closed), or
 * another negative errno.
 */
int	peer_read(struct peer *p);
/*
 * The next whole frame, HELLO consumed and checked.  1 with *h and *payload
 * (borrowed until the next call of peer_next or peer_read), 0 for none,
 * -EPROTO or -EMSGSIZE: say so with peer_error() and close.
 */
int	peer_next(struct peer *p, struct frame_header *h, const void **payload);
bool	peer_greeted(const struct peer *p);
/* The other's HELLO; name and path are "" from a client. */
const struct frame_hello *peer_hello(const struct peer *p, const char **name,
	    const char **path);

/* Queue a frame.  0, -ENOBUFS over max_queued, -EMSGSIZE, -ENOMEM. */
int	peer_send(struct peer *p, const struct frame_header *h,
	    const void *payload);
int	peer_error(struct peer *p, uint64_t ref, uint16_t tag,
	    const char *words);
/* Write what is queued.  1 when some is left, 0 when none, negative errno. */
int	peer_flush(struct peer *p);
bool	peer_pending(const struct peer *p);
size_t	peer_queued(const struct peer *p);	/* bytes not yet taken */
bool	peer_partial(const struct peer *p);	/* part of a frame has come */

#endif /* OTPD_LIBOTP_PEER_H */
