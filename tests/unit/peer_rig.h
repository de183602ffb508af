/* SPDX-License-Identifier: ISC */
/*
 * What the tests of peers share: one of them, and the other end of its
 * connection in the test's own hands.  Whatever fails ends the test.
 */
#ifndef OTPD_TESTS_PEER_RIG_H
#define OTPD_TESTS_PEER_RIG_H

#include "libotp/peer.h"

#define MAX		(1024U * 1024)
#define HELLO_LEN	(FRAME_HEADER_LEN + sizeof(struct frame_hello))

extern struct peer *p;
extern int raw;			/* the other end, by hand; -1: closed */

void		 pair(int fd[2]);
struct peer	*new_peer(int fd, const char *name, const char *path,
		    size_t max_queued);
/* A fixture: p and raw, connected. */
void		 setup(void);
void		 teardown(void);
/* From the other end: bytes, frames, and the HELLO that p waits for. */
void		 put(const void *data, size_t len);
size_t		 frame(uint8_t *out, uint8_t type, uint64_t ref,
		    const void *payload, uint32_t len);
size_t		 hello_frame(uint8_t out[HELLO_LEN]);
void		 greet(void);

#endif /* OTPD_TESTS_PEER_RIG_H */
