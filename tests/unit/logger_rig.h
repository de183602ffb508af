/* SPDX-License-Identifier: ISC */
/*
 * A real otp-logger between two ends of ours: the spawner's and the engine's,
 * in a directory of its own.
 */
#ifndef OTPD_TESTS_LOGGER_RIG_H
#define OTPD_TESTS_LOGGER_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libotp/client.h"
#include "wire/spawn_request.h"

#define RIG_PATH	256

struct rig {
	pid_t	pid;
	int	channel, link;		/* our ends */
	int	listen;
	int	carry[3];		/* as the spawner's; -1: it has none */
	bool	mortal;			/* may be dead when it is told */
	size_t	nofile;			/* its limit; 0: ours */
	char	dir[96];		/* short: a socket is in it */
	char	logs[RIG_PATH];		/* dir/logs */
	char	socket[RIG_PATH];
	char	words[RIG_PATH];	/* what it says on standard error */
};

struct pipe_ends { int r, w; };

/* The only one there is at a time. */
extern struct rig rig;

void	rig_setup(void);		/* Check's fixtures */
void	rig_teardown(void);
void	rig_start(void);		/* again, after an end */
void	rig_kill(void);			/* with SIGKILL */
int	rig_end(void);			/* FINISH; its exit code */
int	rig_wait(void);			/* for its own end; its exit code */

struct pipe_ends pipe_new(void);
void	pipe_put(const struct pipe_ends *p, const char *data, size_t len);
void	pipe_say(const struct pipe_ends *p, const char *text);
/* Bytes in it that nobody has read. */
int	pipe_held(const struct pipe_ends *p);

void	tell_pipe(uint64_t key, int fd);
void	tell_spawner(uint16_t type, uint64_t key);
void	tell_engine(uint16_t type, uint64_t key);
void	tell_stream(uint64_t key, const char *name, uint64_t max_bytes,
	    uint32_t keep, uint32_t flags);
/* All names of lower keys were told to the logger of that pid. */
void	tell_all_told(pid_t pid, uint64_t below);
/* Pipe and settings of a plain stream, as they usually come. */
struct pipe_ends stream_new(uint64_t key, const char *name);

struct client *ask_open(void);
uint64_t ask_deadline(void);
/* The reply to a request, which the caller frees. */
char	*ask(const char *request);
uint64_t stat_of(const char *field);
/* Ask until the field of stats is at least want: its turns are the clock. */
void	wait_stat(const char *field, uint64_t want);
/* Everything that was written before has been heard and seen. */
void	barrier(void);

/* The whole file below the log directory, NUL-ended; NULL: not there. */
char	*log_read(const char *file, size_t *out_len);
void	log_is(const char *file, const char *text);
bool	log_exists(const char *file);
/* How often text stands in what it said. */
int	said(const char *text);
/* A path below rig.dir or, with logs/, below the log directory. */
const char *path_of(const char *name);

#endif /* OTPD_TESTS_LOGGER_RIG_H */
