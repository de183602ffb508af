/* SPDX-License-Identifier: ISC */
/*
 * What the engine, the logger and the spawner say to each other, over
 * SOCK_SEQPACKET socketpairs.  A message is one or more whole records, at most
 * SPAWN_MSG_MAX bytes, and at most one descriptor, which belongs to its only
 * record.  A record is struct spawn_header, its body, and padding to 8 bytes.
 * Receivers skip records of a type they do not know and ignore bytes behind
 * the fields that they do, so that versions mix.
 *
 * The spawner tells states, not edges: SPAWN_CHILD says how a child stands and
 * may be repeated or skip a state that has passed.
 */
#ifndef OTPD_WIRE_SPAWN_REQUEST_H
#define OTPD_WIRE_SPAWN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPAWN_VERSION	1
#define SPAWN_MSG_MAX	65536
#define SPAWN_ARGS_MAX	4096		/* argv and environment together */
#define SPAWN_GROUPS_MAX 64
#define SPAWN_LIMITS_MAX 16
#define SPAWN_FDS_MAX	8
#define SPAWN_F_LET_GO	0x1		/* fd_key's is not held any longer */
#define SPAWN_F_DIE_TOO	0x2		/* it is killed when otpd dies */
#define SPAWN_EXIT_AGAIN 75		/* of engine and logger: a fault of the
					 * machine; try again, blame nobody */
#define SPAWN_KEEP	UINT32_MAX	/* uid, gid, umask: as otpd's own */

/* The descriptors an engine or a logger is started with. */
enum spawn_fd {
	SPAWN_FD_CHANNEL = 3,	/* to the spawner */
	SPAWN_FD_CONTROL,	/* its listening socket: names/otpd or
				 * names/otp-logger, bound and listening */
	SPAWN_FD_LINK,		/* between engine and logger, SEQPACKET */
	SPAWN_FD_CARRY,		/* logger: a memfd, and both ends of a pipe, */
	SPAWN_FD_CARRY_READ,	/* for what it is about to write */
	SPAWN_FD_CARRY_WRITE,
	SPAWN_FD_LOGGER_LAST = SPAWN_FD_CARRY_WRITE,
	SPAWN_FD_NOTIFY = SPAWN_FD_LINK + 1,	/* engine: $RUNTIME/notify, datagrams */
	SPAWN_FD_SNAPSHOT0,	/* engine: the two memfds of its snapshot */
	SPAWN_FD_SNAPSHOT1,
	SPAWN_FD_ENGINE_LAST = SPAWN_FD_SNAPSHOT1
};

enum spawn_type {
	/* engine to spawner */
	SPAWN_HELLO = 1,	/* struct spawn_hello; first of all */
	SPAWN_START,		/* struct spawn_start; an inc that is in the
				 * table already is only told again */
	SPAWN_SIGNAL,		/* struct spawn_signal */
	SPAWN_ACK,		/* of inc's end or failure: forget it */
	SPAWN_HOLD,		/* a descriptor; inc is its key */
	SPAWN_RELEASE,		/* inc is the key of a held one or a log pipe */
	SPAWN_HEARD,		/* struct spawn_asked: those were dealt with */
	SPAWN_PING,		/* reap all there is, tell it, then PONG(inc) */
	SPAWN_QUIT,		/* struct spawn_quit: all is stopped, exit */
	SPAWN_UP,		/* this engine knows all and serves; the
				 * logger says it, too */
	SPAWN_LABEL,		/* struct spawn_label: of inc, for whoever knows
				 * nothing else of it */
	SPAWN_ADOPT,		/* struct spawn_adopt: another incarnation's
				 * process is inc's from now on */
	SPAWN_RESUME,		/* out of the hold: the next engine begins
				 * where the last snapshot ends */
	SPAWN_STARTED,		/* the first start of the tree is over */
	SPAWN_UPGRADE,		/* a path, NUL-ended; "": otpd's own.  Become
				 * it; answered by UPGRADED when that cannot
				 * be, and by another WELCOME when it was */
	/* spawner to engine */
	SPAWN_WELCOME = 32,	/* struct spawn_welcome; answers HELLO */
	SPAWN_CHILD,		/* struct spawn_child */
	SPAWN_LISTED,		/* every child and held descriptor was told */
	SPAWN_ASKED,		/* struct spawn_asked: signals sent to otpd */
	SPAWN_LOGGER,		/* struct spawn_logger: a new one has started:
				 * tell it its streams */
	SPAWN_PONG,
	/* spawner to engine (held ones) and to logger (pipes' read ends) */
	SPAWN_HELD,		/* a descriptor; inc is its key */
	/* spawner to logger */
	SPAWN_DROPPED,		/* inc is the key of a pipe that was released:
				 * read what is in it, then close it */
	SPAWN_FINISH,		/* read what there is, write it, exit 0 */
	/* logger to spawner */
	SPAWN_DRAINED,		/* what was DROPPED has been read */
	/* spawner to engine */
	SPAWN_TROUBLE,		/* struct spawn_trouble: for the events */
	SPAWN_UPGRADED		/* struct spawn_upgraded; inc as in UPGRADE: it
				 * was not done */
};

struct spawn_header {
	uint32_t	len;	/* with header, without padding */
	uint16_t	type;
	uint16_t	flags;
	uint64_t	inc;	/* incarnation or key, per type */
};

struct spawn_hello { uint32_t version, pid; uint64_t features; };
struct spawn_welcome {
	uint32_t version;
	uint32_t engines;	/* started before this one */
	uint64_t features;
	uint32_t asked;		/* mask of 1 << signal, not yet heard */
	uint32_t crashed;	/* engines that died in a row before this */
	int32_t status;		/* of the one before, as from waitpid */
	uint32_t rung;		/* enum spawn_rung */
	uint32_t hung;		/* 1: the one before was killed, for it did
				 * not answer */
	uint32_t crashes;	/* of otpd itself, ever */
	int32_t	 crash_signal;	/* of the last one */
	uint32_t upgrades;	/* of otpd, ever */
	char	 version_text[16];	/* of otpd itself, NUL-ended */
	char	 from[16];	/* what it was before the last upgrade */
	uint32_t killed;	/* otpds, whose services were taken over */
	uint32_t survivors;	/* processes that another one had left, stopped
				 * before this one started any */
};

/*
 * Where an engine is to begin when those before it have crashed in a row.  It
 * is told in its arguments, too, for it may have to be careful before it hears.
 */
enum spawn_rung {
	SPAWN_RUNG_LATEST = 1,	/* from the latest snapshot */
	SPAWN_RUNG_BEFORE,	/* from the one before, without the event */
	SPAWN_RUNG_COLD,	/* from the configuration; adopt what lives */
	SPAWN_RUNG_HOLD		/* do nothing but say so, until resumed */
};
struct spawn_signal { int32_t sig; uint32_t group; };	/* group: all of it */
struct spawn_asked { uint32_t mask; uint32_t pad; };
struct spawn_logger { uint32_t started, pid; };
struct spawn_quit { int32_t code; uint32_t pad; };

enum spawn_trouble_kind {	/* that only the spawner can see */
	SPAWN_T_ENGINE_START, SPAWN_T_LOGGER_START,	/* error: why not */
	SPAWN_T_ENGINE_STOPPED, SPAWN_T_LOGGER_STOPPED,	/* continued it */
	SPAWN_T_UNWATCHED,	/* services that were taken over; error: why */
	SPAWN_NTROUBLES
};
struct spawn_trouble { uint32_t kind; int32_t error; uint32_t count, pad; };
struct spawn_label { uint64_t label; };
enum spawn_upgrade_outcome {
	SPAWN_UPGRADE_FAILED = 1,	/* step, error: it cannot be started */
	SPAWN_UPGRADE_STRANGE,	/* status: asked, it ended like no otpd */
	SPAWN_UPGRADE_REFUSED,	/* it cannot read what it would be handed */
	SPAWN_UPGRADE_SILENT,	/* asked, it did not end in time */
	SPAWN_UPGRADE_ENDING	/* otpd is about to exit */
};
struct spawn_upgraded {
	uint32_t outcome;	/* enum spawn_upgrade_outcome */
	uint32_t step;
	int32_t error, status;
};
struct spawn_adopt { uint64_t inc; };	/* the other one */

/* Of one whose end nobody saw: no end that waitpid could tell. */
#define SPAWN_STATUS_UNKNOWN	0x7f

enum spawn_state { SPAWN_ALIVE = 1, SPAWN_FAILED, SPAWN_EXITED };

enum spawn_step {		/* what failed */
	SPAWN_STEP_NONE, SPAWN_STEP_ORDER, SPAWN_STEP_TABLE, SPAWN_STEP_LOG,
	SPAWN_STEP_FORK, SPAWN_STEP_SESSION, SPAWN_STEP_STDIN,
	SPAWN_STEP_STDOUT, SPAWN_STEP_STDERR, SPAWN_STEP_LIMITS,
	SPAWN_STEP_GROUPS, SPAWN_STEP_GID, SPAWN_STEP_UID, SPAWN_STEP_CWD,
	SPAWN_STEP_FDS, SPAWN_STEP_EXEC, SPAWN_NSTEPS
};
const char *spawn_step_name(uint8_t step);	/* "exec"; never NULL */

struct spawn_child {
	int32_t		pid;		/* also after its end */
	uint8_t		state, step;
	uint16_t	pad;
	int32_t		status;		/* EXITED: as from waitpid, or
					 * SPAWN_STATUS_UNKNOWN */
	int32_t		error;		/* FAILED: errno */
	uint64_t	start_ns, end_ns;	/* CLOCK_MONOTONIC */
	uint64_t	label;		/* as told last; 0: never */
};

enum spawn_dest {
	SPAWN_DEST_NULL, SPAWN_DEST_LOG, SPAWN_DEST_INHERIT, SPAWN_DEST_FILE,
	SPAWN_DEST_STDOUT	/* stderr only: where stdout goes */
};
struct spawn_limit { uint32_t resource, pad; uint64_t soft, hard; };

/*
 * An order to start inc.  With SPAWN_F_LET_GO the first of the descriptors is
 * the child's alone from then on.  Behind the struct: ngroups gids of u32,
 * padding to 8, nlimits struct spawn_limit, then strings, each ended by a NUL:
 * argc of argv, envc of the environment, cwd, the files of stdout and of stderr
 * ("" for none).  argv[0] is also the path that is executed.
 */
struct spawn_start {
	struct spawn_header h;
	uint64_t	log_key;	/* 0: no log pipe */
	uint32_t	uid, gid, umask;
	uint16_t	argc, envc;
	uint16_t	ngroups, nlimits;	/* ngroups: only with a uid */
	uint8_t		out, err;	/* enum spawn_dest */
	uint16_t	nfds;		/* held ones given to it, from 3 on */
	uint32_t	flags;		/* SPAWN_F_... */
	uint32_t	strings;	/* bytes of them */
	uint64_t	fd_key;		/* keys fd_key, fd_key + 1, ... */
};

struct spawn_view {		/* a checked order; points into it */
	const struct spawn_start *s;
	const uint32_t		*groups;
	const struct spawn_limit *limits;
	const char		*strings;
	const char		*cwd, *out_path, *err_path;
};

/* Bytes to the next record; pads. */
static inline size_t
spawn_padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

/*
 * The record at buf, of len bytes to the message's end: 0 with *out set, or
 * -EBADMSG when it does not fit.  buf must be aligned to 8.
 */
int	spawn_next(const void *buf, size_t len,
	    const struct spawn_header **out);
/* Every length, count and string of an order checked: 0 or -EBADMSG. */
int	spawn_start_check(const struct spawn_header *h, struct spawn_view *out);
/* Pointers to argc and envc strings, NULL-ended each; out has room for
 * argc + envc + 2. */
void	spawn_start_vectors(const struct spawn_view *v, const char **out);

struct spawn_spec {		/* what spawn_start_encode() writes */
	const char *const *argv, *const *env;	/* NULL-ended */
	const char	*cwd, *out_path, *err_path;	/* or NULL */
	const uint32_t	*groups;
	const struct spawn_limit *limits;
	uint32_t	 uid, gid, umask, flags;
	uint16_t	 ngroups, nlimits;
	enum spawn_dest	 out, err;
	uint64_t	 log_key;
};
/*
 * The order as bytes, inc 0.  Returns its length (unpadded), or -E2BIG when it
 * would exceed SPAWN_MSG_MAX or SPAWN_ARGS_MAX.  With buf NULL only the length.
 */
long	spawn_start_encode(const struct spawn_spec *spec, void *buf,
	    size_t size);

/*
 * The engine tells the logger, and the logger the engine, over SPAWN_FD_LINK,
 * in records of the same form; inc is the log key.
 */
enum log_type {
	LOG_STREAM = 64,
	LOG_FORGET,		/* once all that is in its pipe was read */
	/* logger to engine */
	LOG_FORGOTTEN,		/* it was */
	LOG_FAULT,		/* struct log_fault; inc 0: of all */
	/* engine to logger */
	LOG_TOLD,		/* struct log_told; inc is the logger's pid */
	LOG_SYNC,		/* say SYNCED once all that is in pipes now is
				 * in files, or cannot be written now */
	/* logger to engine */
	LOG_SYNCED
};
struct log_fault {
	int32_t		error;		/* why it cannot be written; 0: it can
					 * be, again */
	uint32_t	pad;
	uint64_t	bytes, lines;	/* that were lost meanwhile */
};
struct log_told {
	uint64_t	below;		/* of all lower keys that have a name,
					 * that logger has been told it */
};
#define LOG_F_TIMESTAMP	0x1
struct log_stream {		/* name, NUL-ended, follows: "web/nginx" */
	uint64_t	max_bytes;	/* a file is rotated then; 0 never */
	uint32_t	keep;		/* rotated files kept */
	uint32_t	flags;
};

#endif /* OTPD_WIRE_SPAWN_REQUEST_H */
