/* SPDX-License-Identifier: ISC */
/*
 * The engine's side of its channels: orders to the spawner, settings to the
 * logger.  Records queue here and go out together, in order, when the turn's
 * snapshot has been committed.
 */
#ifndef OTPD_ENGINE_LINK_H
#define OTPD_ENGINE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/out.h"
#include "wire/spawn_request.h"

struct link {
	int		fd;		/* borrowed */
	char		*in;		/* one message, aligned */
	struct out	queue;
	size_t		sent;		/* bytes of the queue already gone */
	struct { uint64_t key; int fd; } *holds;	/* ours until sent */
	uint32_t	nholds, holds_cap;
};

typedef void link_record_fn(void *arg, const struct spawn_header *h, int fd);

void	link_init(struct link *l, int fd);
void	link_done(struct link *l);
/* body: what follows the header. */
void	link_put(struct link *l, uint16_t type, uint64_t inc, const void *body,
	    size_t len);
/* A whole record; its inc is replaced. */
void	link_put_record(struct link *l, const struct spawn_header *h,
	    uint64_t inc);
/* fd is given away. */
void	link_hold(struct link *l, uint64_t key, int fd);
/* 1 when some is left, 0 when none, negative errno. */
int	link_flush(struct link *l);
/*
 * Read one message and hand over its records; fn owns the descriptor (-1:
 * none).  1 when there was one, 0 when not, negative errno; -ENOTCONN at the
 * other side's end.
 */
int	link_read(struct link *l, link_record_fn *fn, void *arg);

#endif /* OTPD_ENGINE_LINK_H */
