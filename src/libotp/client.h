/* SPDX-License-Identifier: ISC */
/*
 * The caller's side: a blocking connection to one server.  Every call takes an
 * absolute deadline (CLOCK_MONOTONIC ns, 0: none).
 */
#ifndef OTPD_LIBOTP_CLIENT_H
#define OTPD_LIBOTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

struct client;

/*
 * Connects and exchanges HELLO.  A path longer than sun_path will do.  NULL:
 * errno (ENOENT, ECONNREFUSED: nobody serves there; EACCES: the socket or its
 * server refused; ETIMEDOUT; ENOTCONN; EPROTO).
 */
struct client	*client_open(const char *socket_path, uint64_t deadline);
void		 client_close(struct client *c);

/*
 * Call and wait for the whole reply.  0 with *out (NUL-ended beyond len;
 * caller frees); -ETIMEDOUT, -ENOTCONN (it went away), -EPROTO, -EMSGSIZE
 * (more than the server takes), -EREMOTEIO: the server answered ERROR:
 * client_error() has tag and words.  After -ETIMEDOUT and -EMSGSIZE and
 * -EREMOTEIO the connection may be used again.
 */
int	client_call(struct client *c, const char *payload, size_t len,
	    uint64_t deadline, char **out, size_t *out_len);
/*
 * Let what waits next do fn(arg) once, when it has waited until at; not with a
 * fn of NULL.  fn must not use this client.
 */
void	client_when_late(struct client *c, uint64_t at, void (*fn)(void *arg),
	    void *arg);
/* client_call() with a frame of another type than CALL: SYSTEM and its operation. */
int	client_request(struct client *c, uint8_t type, uint16_t tag,
	    const char *payload, size_t len, uint64_t deadline, char **out,
	    size_t *out_len);
/* A frame that has no answer: CAST, INFO.  Returns when all of it is on its
 * way.  0, or as of client_call. */
int	client_send(struct client *c, uint8_t type, const char *payload,
	    size_t len, uint64_t deadline);
/*
 * Call and hand every INFO to fn until the final REPLY, an error, or until fn
 * returns other than 0, which is then returned.  payload is NUL-ended beyond
 * len and borrowed for the call.
 */
typedef int client_info_fn(void *arg, const char *payload, size_t len);
int	client_stream(struct client *c, const char *payload, size_t len,
	    uint64_t deadline, client_info_fn *fn, void *arg);
/* Hand every INFO that follows the reply of the last request to fn, for ever:
 * until fn returns other than 0, or an error. */
int	client_follow(struct client *c, uint64_t deadline, client_info_fn *fn,
	    void *arg);
/* The final REPLY of the last client_stream that returned 0, NUL-ended beyond
 * its length; borrowed until the next call. */
const char *client_reply(const struct client *c, size_t *out_len);
const char *client_error(const struct client *c, uint16_t *out_tag);
/*
 * For a caller with a loop of its own and many calls in flight.  post queues a
 * call, whose reply client_turn() hands to fn: tag is 0, or that of an ERROR.
 * turn sends and reads what it can without waiting: 0, or as of client_call;
 * wait for client_fd() to be readable, and writable while client_unsent().
 */
typedef void client_reply_fn(void *arg, uint64_t ref, uint16_t tag,
	    const char *payload, size_t len);
int	client_fd(const struct client *c);
bool	client_unsent(const struct client *c);
int	client_post(struct client *c, const char *payload, size_t len,
	    uint64_t *out_ref);
int	client_turn(struct client *c, client_reply_fn *fn, void *arg);
/* The server's HELLO; the path is "" when that says none. */
const struct frame_hello *client_hello(const struct client *c,
	    const char **out_path);
/* After -ENOTCONN: what the server said when it ended, {"reason":...}, or "". */
const char *client_last_words(const struct client *c);

#endif /* OTPD_LIBOTP_CLIENT_H */
