/* SPDX-License-Identifier: ISC */
/*
 * What otpd must not forget when its program is replaced, by itself or by the
 * next otpd: it lies in a memfd that is always current, beside the table's.
 * Whoever takes it over believes nothing of it that was not checked: no
 * pointers, no chains, descriptors only that are open.
 */
#ifndef OTPD_SPAWNER_MANIFEST_H
#define OTPD_SPAWNER_MANIFEST_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "spawner/held.h"
#include "wire/spawn_request.h"

#define MANIFEST_VERSION 1U	/* of the form of it and of the table */
#define MANIFEST_ENV	"OTPD_MANIFEST"	/* its descriptor, in decimal */
#define NOFILE_ENV	"OTPD_NOFILE"	/* beside it: the limit of descriptors
					 * that otpd was started with */
#define MANIFEST_FORM	160	/* room for manifest_form() */
#define DEATHS_KEPT	6	/* of the engine's or the logger's, to judge
				 * whether it loops */
#define CRASHES_KEPT	5	/* of otpd's own */

struct spawner;

/* Descriptors that stay the same from start to end; manifest_fd() knows where
 * struct spawner has them. */
enum manifest_fd {
	MANIFEST_NULL, MANIFEST_OUT, MANIFEST_ERR, MANIFEST_DIR,
	MANIFEST_NAMES, MANIFEST_LOCK, MANIFEST_CONTROL0, MANIFEST_CONTROL1,
	MANIFEST_NOTIFY, MANIFEST_LINK0, MANIFEST_LINK1, MANIFEST_SNAPSHOT0,
	MANIFEST_SNAPSHOT1, MANIFEST_TABLE, MANIFEST_SELF, MANIFEST_CARRY,
	MANIFEST_CARRY0, MANIFEST_CARRY1, MANIFEST_NFDS
};

/* The engine or the logger. */
struct program {
	char		name[8];
	int32_t		pid;		/* 0: none runs */
	int32_t		channel;	/* ours of the pair; -1: none */
	uint32_t	events;		/* what epoll watches channel for */
	uint32_t	started;	/* ever */
	uint32_t	crashed;	/* in a row; what killed it from outside
					 * does not count */
	int32_t		status;		/* of the last one that died */
	bool		full;		/* the channel took no more */
	uint8_t		up;		/* 1: it has begun to serve */
	bool		replaced;	/* it ends because we want another */
	uint64_t	start_ns;
	uint64_t	restart_ns;	/* when to start it; 0: not to */
	uint64_t	kill_ns;	/* it is to be gone by then; 0 */
	uint64_t	delay_ns;
	uint64_t	deaths[DEATHS_KEPT];	/* ns, newest first */
};

/* The message from the engine that is being worked off. */
struct inbox {
	uint64_t	data[SPAWN_MSG_MAX / sizeof(uint64_t)];
	uint32_t	len, at;	/* bytes; at == len: none */
	int32_t		fd;		/* that came with it; -1 */
};

/* Written once, at the start; the sum covers all before it. */
struct manifest_constant {
	uint64_t	magic;
	char		form[MANIFEST_FORM];
	char		version[16];		/* of the otpd that wrote it */
	char		runtime[PATH_MAX];
	char		program[PATH_MAX];	/* what otpd was executed from */
	uint64_t	nofile[2];	/* soft and hard, as at the start */
	char		oom[16];
	int32_t		fds[MANIFEST_NFDS];
	uint32_t	pid1;		/* it must never exit */
	uint64_t	sum;
};

struct manifest {
	struct manifest_constant c;
	/* What changes: each is checked by itself. */
	struct program	engine, logger;
	uint32_t	asked;		/* 1 << signal, not yet heard */
	uint32_t	reaped_strangers;
	int32_t		ready;		/* the parent of -b waits on it; -1 */
	int32_t		keeper;		/* its pid; 0: none runs */
	uint32_t	quitting;	/* 1 + the code to leave with */
	uint32_t	crashes, upgrades;	/* of otpd itself, ever */
	uint32_t	upgrading;	/* it is about to become another */
	int32_t		crash_signal;	/* of the last one */
	uint32_t	killed;		/* otpds before this one */
	uint32_t	survivors;	/* stopped at the start */
	char		upgraded_from[16];
	uint64_t	crash_ns[CRASHES_KEPT];	/* newest first */
	struct inbox	in;
	_Alignas(4096) struct held held[HELD_SLOTS];
};

/* What must agree between who writes and who takes over, as one word. */
void	manifest_form(char out[MANIFEST_FORM]);
/* Makes sp->carried.  0 or -errno. */
int	manifest_make(struct spawner *sp);
/* Everything that stays is known: it may be taken over from now on.  Also by
 * who has taken it over: it is his then. */
void	manifest_seal(struct spawner *sp);
/* 0, -EPROTO: of another form, -EBADMSG: it makes no sense. */
int	manifest_check(const struct manifest_constant *c);
/* That failure is the machine's: what was left may be right. */
bool	manifest_excuses(int rc);
/*
 * Maps the manifest in fd and the table that it names, and fills *sp with all
 * that can be believed; out_bad: records that could not.  On failure -errno
 * and nothing has changed but *sp.  Closes nothing.
 */
int	manifest_load(struct spawner *sp, int fd, uint32_t *out_bad);
/* Where sp keeps that descriptor. */
int	*manifest_fd(struct spawner *sp, enum manifest_fd which);
/* Calls fn for every descriptor that whoever takes over must have.
 * Async-signal-safe. */
void	manifest_each_fd(const struct manifest *m, uint32_t held,
	    void (*fn)(int fd));
/* Another process' numbers become what fn says, -1 for none. */
void	manifest_translate(struct manifest *m, uint32_t held,
	    int (*fn)(int number));

#endif /* OTPD_SPAWNER_MANIFEST_H */
