/* SPDX-License-Identifier: ISC */
/*
 * Everything that otpd knows, in one place of fixed size.  It holds no policy:
 * which child is to run is the engine's business.
 */
#ifndef OTPD_SPAWNER_STATE_H
#define OTPD_SPAWNER_STATE_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "spawner/held.h"
#include "spawner/manifest.h"
#include "spawner/table.h"
#include "wire/spawn_request.h"

#define MS		1000000ULL	/* in ns */
#define LOW_FDS		16	/* descriptors below are for staging only */

struct options {
	bool	check, background, quiet, verbose;
	char	config[PATH_MAX], runtime[PATH_MAX], logs[PATH_MAX];
	char	libexec[PATH_MAX];
};

/* What this engine has not been told yet. */
struct untold {
	bool		hello;		/* it has said HELLO */
	bool		welcome, listed, logger, asked, pong, upgraded;
	uint32_t	held;		/* next slot of held to list; 0: done */
	uint64_t	pong_inc, upgraded_inc;
};

/* Whether the engine (0) and the logger (1) are well. */
struct watch {
	uint64_t	stopped_ns[2];	/* since when by a signal; 0: not */
	uint64_t	owing_ns;	/* since when the engine owes an answer */
	bool		killed;		/* it was, for that */
	bool		hung;		/* so was one: the next is to be told */
	int		start_error[2];	/* said last; 0: none since a start */
	struct {
		uint32_t	count;	/* since it was told */
		int32_t		error;
	}		trouble[SPAWN_NTROUBLES];
};

/* Looking for deaths whose SIGCHLD was merged with another. */
struct sweep {
	uint64_t	due_ns;		/* 0: nothing to look for */
	uint64_t	rest_ns;	/* no pass begins before */
	uint32_t	left;		/* slots yet to look at in a pass */
	uint32_t	cursor;
	uint32_t	found;		/* in this pass */
	bool		pays;		/* the last part of it found some */
	bool		wanted;		/* another pass is to begin */
	bool		strangers;	/* then also those in no slot */
};

/* Services that have ended, but not their process groups: as many as there
 * are records.  What is never used of it costs no memory. */
struct lingering {
	uint64_t	due_ns;		/* of the next look; 0: there are none */
	uint32_t	n;
	struct ending {
		uint64_t	inc, until_ns;
		int		pid;
	}		of[TABLE_SLOTS];
};

enum quit_phase {
	QUIT_NOT, QUIT_KILL, QUIT_FINISH, QUIT_ENGINE, QUIT_DONE
};

struct quitting {
	enum quit_phase	phase;
	int		code;
	uint64_t	deadline_ns;
	bool		finish;		/* the logger is to be told */
	bool		killed;		/* who did not end in time */
};

enum upgrade_phase { UPGRADE_NOT, UPGRADE_ASKS, UPGRADE_GOES };

struct upgrade {
	enum upgrade_phase phase;
	int		pid;		/* that is asked; 0 */
	uint64_t	token;		/* of whoever wants to know */
	uint64_t	deadline_ns;
	struct spawn_upgraded told;
	char		path[PATH_MAX];
};

struct spawner {
	struct options	opt;
	int		null, out, err;	/* /dev/null; otpd's own 1 and 2 */
	int		epoll, signals;
	int		dir, names, lock;	/* of the runtime directory */
	int		control[2];	/* listening: engine's, logger's */
	int		notify;
	int		link[2];	/* the engine's end, the logger's end */
	int		snapshot[2];
	int		carry, carry_pipe[2];	/* the logger's */
	int		manifest;	/* the memfd of carried */
	int		self;		/* a pidfd of ours, for the keeper */
	int		adopted;	/* epoll of the pidfds of those */
	int		heir;		/* the keeper we take over from; -1 */
	int		patience_ms;	/* with the machine, to take over */
	uint32_t	nadopted;	/* that live */
	int		unwatched;	/* why some of those are not; 0 */
	uint64_t	unjudged_ns;	/* when not to wait any more for how
					 * adopted ones ended; 0: none has */
	uint64_t	keeper_ns;	/* when to make one; 0: not to */
	uint64_t	kept_ns;	/* when one was made last */
	uint32_t	survivors;	/* found and stopped at the start */
	bool		unkept;		/* it was said that there is none */
	char		marker[64];	/* an environment variable that says
					 * whose a process is */
	int		ready;		/* the parent of -b waits on it; -1 */
	char *const	*env;
	struct rlimit	nofile;		/* as it was at start */
	uint64_t	first_nofile;	/* before any otpd, as the one before
					 * this says; 0: not known */
	char		oom[16];	/* the score to give children back; ""
				 * when it was not changed */
	bool		share_files;	/* the kernel can unshare a range */
	int		staged[LOW_FDS];	/* which descriptor it copies */
	uint64_t	staged_key[LOW_FDS];	/* or which log pipe it is */
	struct manifest	*carried;	/* also by the next program */
	struct program	*engine, *logger;	/* in carried */
	struct untold	untold;
	bool		stuck;		/* the channel has no room for an answer
					 * that goes ahead of what is left */
	struct watch	watch;
	struct sweep	sweep;
	struct lingering linger;
	struct quitting	quit;
	struct upgrade	upgrade;
	struct table	table;
	struct held_table held;
};

uint64_t now_ns(void);		/* CLOCK_MONOTONIC */

#endif /* OTPD_SPAWNER_STATE_H */
