/* SPDX-License-Identifier: ISC */
/*
 * The hand-over, from the keeper of a dead otpd to the next one, over
 * $RUNTIME/heir (SEQPACKET).  The keeper sends descriptors with the numbers
 * that manifest and table have for them, the manifest's first, each message
 * answered by HEIR_NEXT, then HEIR_END.  The next one answers HEIR_TAKEN when
 * nothing can be lost any more, or HEIR_STOP when it can do nothing with them.
 */
#ifndef OTPD_SPAWNER_HEIR_H
#define OTPD_SPAWNER_HEIR_H

#include <sys/un.h>

#include "spawner/state.h"

#define HEIR_BATCH	128	/* descriptors in a message */

enum heir_type { HEIR_FDS = 1, HEIR_NEXT, HEIR_END, HEIR_TAKEN, HEIR_STOP };

struct heir_message {
	uint32_t	type, n;
	int32_t		numbers[HEIR_BATCH];
};

/* The socket's address below dir.  0 or -ENAMETOOLONG. */
int	heir_address(const char *dir, struct sockaddr_un *out);
/* Is whoever is at the other end one of us? */
bool	heir_trusted(int sock);
/* A message without descriptors: 0 or -errno. */
int	heir_say(int sock, enum heir_type type);
/* The next message, and how many descriptors came with it; -errno. */
int	heir_hear(int sock, struct heir_message *out, int fds[HEIR_BATCH]);

/* The keeper's connection, -ENOENT when none listens, or -errno. */
int	heir_connect(const char *dir);
/*
 * Everything is received and *sp rebuilt from it.  Otherwise it is said why,
 * and *sp is as it was: -errno for a fault of the machine, over which the
 * keeper goes on; 1 when that keeper has ended, also because nothing can be
 * made of what it has: then it has stopped that.
 */
int	heir_receive(struct spawner *sp, int sock);

#endif /* OTPD_SPAWNER_HEIR_H */
