/* SPDX-License-Identifier: ISC */
/*
 * Talking to the engine and the logger without ever waiting for them: what
 * they are to be told are states, told again from scratch to a new one.
 */
#ifndef OTPD_SPAWNER_CHANNEL_H
#define OTPD_SPAWNER_CHANNEL_H

#include "spawner/state.h"

/* One message: true when it went, false when the channel is full or gone. */
bool	channel_send(struct program *p, const void *buf, size_t len, int fd);
/* Makes epoll watch for what can be used now. */
void	channel_watch(struct spawner *sp, struct program *p, uint32_t events);
/* The logger is to write what there is, and to end. */
void	channel_finish(struct program *logger);
void	channel_close(struct program *p);

/* Everything that engine or logger do not know yet, as far as it goes. */
void	tell_engine(struct spawner *sp);
void	tell_logger(struct spawner *sp);
/* What has no place in the table: false when it has to be tried again, once
 * the channel has room. */
bool	tell_refusal(struct spawner *sp, uint64_t inc, enum spawn_step step,
	    int error);
/* The engine said HELLO: it knows nothing. */
void	tell_engine_all(struct spawner *sp);

/* Reads and carries out one message of the engine, or the rest of one. */
void	requests_handle(struct spawner *sp, bool readable);
/* All that a dead engine has left, but for its orders to start. */
void	requests_drain(struct spawner *sp);
bool	requests_left(const struct spawner *sp);
/* The logger has nothing to say: this notices its end. */
void	logger_readable(struct spawner *sp);

#endif /* OTPD_SPAWNER_CHANNEL_H */
