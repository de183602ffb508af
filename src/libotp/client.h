/* SPDX-License-Identifier: ISC */
/*
 * The caller's side: a blocking connection to one server.  Every call takes an
 * absolute deadline (CLOCK_MONOTONIC ns, 0: none).
 */
#ifndef OTPD_LIBOTP_CLIENT_H
#define OTPD_LIBOTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct client;

/* Connects and exchanges HELLO.  NULL: errno (ENOENT, ECONNREFUSED: nobody
 * serves there; ETIMEDOUT; EACCES; EPROTO). */
struct client	*client_open(const char *socket_path, uint64_t deadline);
void		 client_close(struct client *c);

/*
 * Call and wait for the whole reply.  0 with *out (NUL-ended beyond len;
 * caller frees); -ETIMEDOUT, -ENOTCONN (it went away), -EPROTO,
 * -EREMOTEIO: the server answered ERROR: client_error() has tag and words.
 */
int	client_call(struct client *c, const char *payload, size_t len,
	    uint64_t deadline, char **out, size_t *out_len);
/*
 * Call and hand every INFO to fn until the final REPLY, an error, or until fn
 * returns other than 0, which is then returned.
 */
typedef int client_info_fn(void *arg, const char *payload, size_t len);
int	client_stream(struct client *c, const char *payload, size_t len,
	    uint64_t deadline, client_info_fn *fn, void *arg);
const char *client_error(const struct client *c, uint16_t *out_tag);

#endif /* OTPD_LIBOTP_CLIENT_H */
