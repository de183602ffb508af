/* SPDX-License-Identifier: ISC */
/*
 * A real otpd whose engine and logger are the test: see spawner_double.c.
 * Everything waits for events, at most RIG_PATIENCE_MS, and fails the test
 * otherwise.
 */
#ifndef OTPD_TESTS_SPAWNER_RIG_H
#define OTPD_TESTS_SPAWNER_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/spawn_request.h"

#define RIG_PATIENCE_MS	20000
#define RIG_INCS	2048
#define RIG_KEYS	64
#define RIG_NOFILE	1000	/* descriptors that otpd is allowed at first */

struct part {			/* the engine's or the logger's */
	int	conn;		/* to the double */
	pid_t	pid;		/* its pid */
	int	fds[SPAWN_FD_ENGINE_LAST + 1];	/* [SPAWN_FD_CHANNEL], ... */
	uint64_t in[SPAWN_MSG_MAX / 8];
	size_t	in_len, in_at;
	int	in_fd;		/* came with the message; -1 */
};

struct rig {
	char	dir[64];
	char	service[512], otpd_path[512];	/* of the double, of otpd */
	int	listener;
	pid_t	otpd;
	struct part engine, logger;
	uint64_t fd_key;	/* not 0: orders give this one and the next */
	/* What was told last. */
	struct spawn_welcome welcome;
	struct spawn_child children[RIG_INCS];	/* by inc */
	unsigned int told[RIG_INCS];		/* how often */
	int	held[RIG_KEYS];			/* by key, to the engine */
	int	pipes[RIG_KEYS];		/* by key, to the logger */
	bool	dropped[RIG_KEYS];
	struct spawn_trouble trouble;
	bool	listed, finish;
	uint32_t asked, logger_started;
	uint64_t pong;
	struct spawn_upgraded upgraded;
};

void	rig_start(struct rig *r);	/* and wait for engine and logger */
void	rig_start_with(struct rig *r, const char *option);
/* Kill otpd, if it lives; the next one takes over, with another engine and
 * logger. */
void	rig_replace(struct rig *r);
void	rig_relaunch(struct rig *r);	/* and do not wait for them */
void	rig_stop(struct rig *r, int code);	/* QUIT, and code is otpd's */
int	rig_wait_otpd(struct rig *r);	/* its status; cleans */
void	rig_clean(struct rig *r);	/* removes the directory */
void	rig_accept(struct rig *r);	/* the next engine or logger */
bool	rig_accept_one(struct rig *r);	/* false: it was killed ahead of it */
void	rig_hello(struct rig *r);	/* and read up to LISTED */
/* End the double: by exit code, or by SIGKILL when it is negative. */
void	rig_end(struct part *p, int code);
void	rig_ended(struct part *p);	/* waits for it to be */

void	rig_send(struct rig *r, uint16_t type, uint64_t inc, const void *body,
	    size_t n);
void	rig_send_fd(struct rig *r, uint16_t type, uint64_t inc, int fd);
/* The service `what`, with an argument or NULL; fields of *spec that are set
 * are kept. */
void	rig_order(struct rig *r, uint64_t inc, struct spawn_spec *spec,
	    const char *what, const char *arg);
void	rig_signal(struct rig *r, uint64_t inc, int sig, bool group);
void	rig_ack(struct rig *r, uint64_t inc);

/* Read until it is so. */
const struct spawn_child *rig_until(struct rig *r, uint64_t inc,
	    enum spawn_state state);
void	rig_await(int fd);		/* something to read */
void	rig_ping(struct rig *r, uint64_t n);
void	rig_read_engine(struct rig *r);		/* one message */
void	rig_read_logger(struct rig *r);
int	rig_pipe(struct rig *r, uint64_t key);	/* its read end */
/* All of a file, or what a pipe holds up to a line `last`. */
void	rig_slurp(const char *path, char *out, size_t size);
void	rig_read_line(int fd, char *out, size_t size);
bool	rig_gone(pid_t pid);		/* waits until nobody has it */

#endif /* OTPD_TESTS_SPAWNER_RIG_H */
