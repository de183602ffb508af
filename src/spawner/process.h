/* SPDX-License-Identifier: ISC */
/*
 * Processes that are not our children: held by pidfd, so that no number is
 * ever taken for another process.
 */
#ifndef OTPD_SPAWNER_PROCESS_H
#define OTPD_SPAWNER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#define PROCESS_PATH	64
#define PROCESS_PATIENCE_MS 5000	/* to begin with; see below */

/* "/proc/PID" and name, in out. */
void	process_path(int pid, const char *name, char out[PROCESS_PATH]);
/* A number of /proc/PID/stat, counted as proc(5) does, from the fourth on; 0
 * when it is not there. */
uint64_t process_field(int pid, int which);
/* A descriptor of it, close-on-exec, or -errno. */
int	process_open(int pid);
/*
 * The same, if the process of this number has started no later than at_ns
 * (CLOCK_MONOTONIC): one that got the number afterwards started later.
 * -ESRCH: that one has gone.  What the machine refuses is asked again for as
 * long as the caller's *patience_ms lasts, which is used up by that: not to be
 * called where anybody waits to be served, but while otpd takes over or its
 * keeper begins.
 */
int	process_open_started(int pid, uint64_t at_ns, int *patience_ms);
/* Is fd a descriptor of pid, or of one that has been reaped?  As above. */
bool	process_is(int fd, int pid, int *patience_ms);
/* True when it has ended, and until then at most ms milliseconds later. */
bool	process_ended(int fd, int ms);
/* With group: its process group, too when it has ended itself. */
void	process_signal(int fd, int pid, int sig, bool group);
/* How it ended, as waitpid would say it.  -ENODATA: the kernel does not say,
 * or not yet, for its parent has not reaped it. */
int	process_status(int fd, int pid, int *out);

#endif /* OTPD_SPAWNER_PROCESS_H */
