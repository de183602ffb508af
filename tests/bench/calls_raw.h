/* SPDX-License-Identifier: ISC */
/*
 * The references: the same frames over the same sockets, by hand.
 */
#ifndef OTPD_BENCH_CALLS_RAW_H
#define OTPD_BENCH_CALLS_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_CORK	(32U * 1024)

/* Serve until killed; each echoes a frame as it came, but CASTs, which it only
 * counts. */
void	raw_serve_one(int listen_fd, bool poll);	/* r1, r2: blocking */
void	raw_serve_epoll(int listen_fd, bool poll);	/* r3, r4 */

int	raw_dial(const char *path);
/* One round trip of a frame of len bytes of payload. */
void	raw_call(int fd, char *frame, size_t len, bool poll);
/* n round trips, window in flight, written together.  r4 */
void	raw_window(int fd, size_t len, long n, int window);
void	raw_casts(int fd, size_t len, long n);	/* corked, then a round trip */

#endif /* OTPD_BENCH_CALLS_RAW_H */
