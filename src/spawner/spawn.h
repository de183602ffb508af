/* SPDX-License-Identifier: ISC */
/*
 * Starting a process: the descriptors it is to have are staged in the low
 * slots, everything else happens in the new process itself.
 */
#ifndef OTPD_SPAWNER_SPAWN_H
#define OTPD_SPAWNER_SPAWN_H

#include "spawner/state.h"

struct job {
	const char *const *argv, *const *env;
	const char	*cwd;			/* "" none */
	const char	*out_path, *err_path;	/* NULL: what is staged */
	bool		 err_to_out;
	const uint32_t	*groups;
	const struct spawn_limit *limits;
	uint32_t	 uid, gid, umask;	/* SPAWN_KEEP */
	uint32_t	 ngroups, nlimits;
	int		 nfds;			/* staged: 0 to nfds - 1 */
	bool		 service;	/* gets otpd's original limits back */
	bool		 die_too;	/* when otpd dies */
};

struct report {			/* from the new process to its parent */
	uint32_t	step;		/* SPAWN_STEP_NONE: it runs */
	int32_t		error;
};

/* Occupies the low slots and finds out what the kernel can do. */
int	spawn_init(struct spawner *sp);
/* Slot of the next process becomes a copy of fd, or a write end of the log
 * pipe of key, whose read end is fd.  0 or -errno. */
int	spawn_stage(struct spawner *sp, int slot, int fd);
int	spawn_stage_pipe(struct spawner *sp, int slot, int fd, uint64_t key);
/* Nothing of key, or nothing beyond stderr, stays staged. */
void	spawn_unstage_key(struct spawner *sp, uint64_t key);
void	spawn_unstage_high(struct spawner *sp, int nfds);
/* 0 with the pid when it has executed its program, else *out_report says why
 * not and nothing is left of it.  The kernel writes *out_pid before the new
 * process does anything: it is known even if we end meanwhile. */
int	spawn(struct spawner *sp, const struct job *job, int *out_pid,
	    struct report *out_report);
/* Works off an order: the table gets a record in any case, or if it has no room
 * the engine is told.  False: that has to be tried again. */
bool	spawn_order(struct spawner *sp, const struct spawn_header *h);

/* The new process's part; never returns.  Runs on memory shared with otpd,
 * which waits meanwhile: it must not change what is not its own. */
struct child_args {
	const struct spawner *sp;
	const struct job *job;
	volatile struct report *report;
	int	parent;			/* otpd's pid */
};
int	child_main(void *arg);

#endif /* OTPD_SPAWNER_SPAWN_H */
