/* SPDX-License-Identifier: ISC */
/*
 * OTP's supervisor as a deterministic state machine: what happened and the
 * time go in, a list of actions comes out.  Nothing here makes a system call,
 * reads a clock or knows of sockets, JSON, pids or exit codes.
 *
 * A child lives in a slot.  Each start of it is an incarnation, named by
 * (slot << 32 | generation); what is told about an incarnation that is over
 * is ignored, so late and repeated news do no harm.
 *
 * Every function that takes now_ms may append actions.  Carry them out in
 * order, then call core_actions_clear(); until then every slot, id and user
 * pointer that they name stays valid.
 */
#ifndef OTPD_CORE_CORE_H
#define OTPD_CORE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORE_NONE	 UINT32_MAX		/* no slot */
#define CORE_INFINITY	 UINT32_MAX		/* shutdown_ms, max_restarts */
#define CORE_BRUTAL_KILL (UINT32_MAX - 1)	/* shutdown_ms */

enum core_type { CORE_WORKER, CORE_SUPERVISOR };
enum core_restart { CORE_PERMANENT, CORE_TRANSIENT, CORE_TEMPORARY };
enum core_strategy {
	CORE_ONE_FOR_ONE, CORE_ONE_FOR_ALL, CORE_REST_FOR_ONE,
	CORE_SIMPLE_ONE_FOR_ONE,
	CORE_DYNAMIC		/* Elixir's DynamicSupervisor */
};
enum core_auto_shutdown {
	CORE_AUTO_NEVER, CORE_AUTO_ANY_SIGNIFICANT, CORE_AUTO_ALL_SIGNIFICANT
};
enum core_exit { CORE_EXIT_NORMAL, CORE_EXIT_SHUTDOWN, CORE_EXIT_ABNORMAL };

/*
 * What a child is to be.  The caller's; the core copies what it needs and
 * keeps user, which it hands back with CORE_ACT_FREE once nothing refers to it.
 */
struct core_spec {
	const char		*id;
	void			*user;
	const struct core_spec	*next;		/* sibling, in start order */
	const struct core_spec	*children;	/* of a supervisor; of a simple
						 * one: its one template; of a
						 * dynamic one: that or none */
	enum core_type		 type;
	enum core_restart	 restart;
	uint32_t		 shutdown_ms;
	bool			 significant;
	bool			 down;		/* never started by itself:
						 * an operator's start does */
	/* beside OTP's rules; 0 is OTP: no delay between restarts */
	uint32_t		 backoff_min_ms, backoff_max_ms;
	uint32_t		 backoff_reset_ms;
	/* supervisors only */
	enum core_strategy	 strategy;
	enum core_auto_shutdown	 auto_shutdown;
	uint32_t		 max_restarts;	/* or CORE_INFINITY */
	uint32_t		 period_ms;
	uint32_t		 max_children;	/* dynamic; or CORE_INFINITY */
	bool			 parallel_stop;	/* beside the rules: when it
						 * ends, all children are
						 * stopped at once */
};

enum core_state {		/* of a child, as its supervisor sees it */
	CORE_STOPPED, CORE_STARTING, CORE_RUNNING, CORE_STOPPING,
	CORE_RESTARTING,	/* a restart failed or waits for its delay */
	CORE_NSTATES
};

struct core_child {		/* a view; id and user are borrowed */
	const char	*id;
	void		*user;
	uint32_t	 slot, parent;
	uint64_t	 inc;		/* the present or the last one */
	enum core_state	 state;
	enum core_type	 type;
	enum core_restart restart;
	uint32_t	 starts;	/* since the child was added */
	uint32_t	 restarts;	/* by its supervisor's rules */
	uint32_t	 shutdown_ms;
	bool		 held;		/* stopped by an operator */
	bool		 failed;	/* stopped, and its last end was a
					 * failed start, abnormal or the
					 * giving up, and nobody has
					 * stopped it since */
	bool		 waiting;	/* restarting: the delay is running */
	bool		 dynamic;	/* added at run time */
	/* supervisors only */
	enum core_strategy strategy;
	uint32_t	 max_restarts, period_ms, max_children;
	uint32_t	 recent;	/* restarts inside the window */
	uint32_t	 nspecs, nactive;
	bool		 busy;		/* in the middle of something */
};

enum core_op {			/* OTP's calls, then the operator's */
	CORE_OP_START_CHILD, CORE_OP_RESTART_CHILD, CORE_OP_TERMINATE_CHILD,
	CORE_OP_DELETE_CHILD, CORE_OP_WHICH_CHILDREN, CORE_OP_COUNT_CHILDREN,
	CORE_OP_START,		/* start it if it does not run */
	CORE_OP_STOP,		/* stop it; no rule starts it again */
	CORE_OP_RESTART,	/* stop it if it runs, start it; never counts */
	CORE_NOPS
};

enum core_result {
	CORE_OK, CORE_STARTED, CORE_IGNORED,
	CORE_E_NOT_FOUND, CORE_E_RUNNING, CORE_E_RESTARTING,
	CORE_E_ALREADY_STARTED, CORE_E_ALREADY_PRESENT, CORE_E_START_FAILED,
	CORE_E_NOPROC, CORE_E_SIMPLE_ONE_FOR_ONE, CORE_E_SHUTDOWN,
	CORE_E_INVALID,		/* e.g. an operator's verb on the root */
	CORE_E_MAX_CHILDREN,
	CORE_NRESULTS
};

struct core_call {
	enum core_op	 op;
	uint64_t	 id;		/* the caller's; in the reply too */
	uint32_t	 sup;		/* slot of the supervisor */
	const char	*child;		/* its id; NULL where spec says it */
	uint64_t	 inc;		/* CORE_OP_TERMINATE_CHILD: only this
					 * incarnation of it; 0: any */
	const struct core_spec *spec;	/* CORE_OP_START_CHILD; for a simple
					 * supervisor only id and user count.
					 * Its users are the core's now */
};

struct core_row { uint32_t slot; enum core_state state; uint64_t inc; };
struct core_counts { uint32_t specs, active, supervisors, workers; };

enum core_tell {		/* for people, and for whoever waits */
	CORE_TELL_READY,	/* its start has returned; supervisors too */
	CORE_TELL_START_FAILED,	/* supervisors too */
	CORE_TELL_IGNORED,
	CORE_TELL_RESTARTING,	/* a counted attempt begins; child = crashed */
	CORE_TELL_BACKOFF,	/* the attempt is put off; ms */
	CORE_TELL_STOPPING,	/* it was asked to stop; supervisors too */
	CORE_TELL_STOPPED,	/* now without a process, and stays so */
	CORE_TELL_EXITED,	/* supervisors only: its end; exit says how,
				 * killed whether by force */
	CORE_TELL_GAVE_UP,	/* supervisor slot; child = the last straw */
	CORE_TELL_AUTO_SHUTDOWN,/* supervisor slot; child = the significant */
	CORE_TELL_ADDED,
	CORE_TELL_REMOVED,	/* the spec is dropped; the slot ends */
	CORE_NTELLS
};

enum core_timer { CORE_TIMER_CHILD, CORE_TIMER_GROUP, CORE_NTIMERS };

enum core_act {
	CORE_ACT_START,		/* start slot's process as inc */
	CORE_ACT_STOP,		/* send inc its exit signal shutdown */
	CORE_ACT_KILL,		/* kill inc */
	CORE_ACT_ARM,		/* (slot, timer) fires in ms; replaces */
	CORE_ACT_DISARM,
	CORE_ACT_TELL,
	CORE_ACT_REPLY,		/* call, result, child slot or CORE_NONE,
				 * rows or counts */
	CORE_ACT_ROOT_EXIT,	/* the whole tree is down; exit says why,
				 * gave_up whether it gave up */
	CORE_ACT_FREE,		/* user is no longer referred to */
};

struct core_action {
	enum core_act	 act;
	uint32_t	 slot;
	uint64_t	 inc;
	union {
		struct { enum core_timer timer; uint32_t ms; };
		struct {
			enum core_tell	 tell;
			uint32_t	 child;
			uint32_t	 delay_ms;
			enum core_exit	 exit;
			bool		 killed;
			bool		 gave_up;
		};
		struct {
			uint64_t	 call;
			enum core_result result;
			uint32_t	 nrows;
			struct core_row	*rows;	/* newest first; the core's */
			struct core_counts counts;
		};
		void	*user;
	};
};

struct core;

/*
 * compat: OTP to the letter: a supervisor that is busy starting a child heeds
 * nobody, not even its parent's shutdown or an operator's stop.
 */
struct core	*core_new(bool compat);
void		 core_free(struct core *c);

/* Before core_boot(): no incarnation is numbered up to this generation. */
void	core_begin_above(struct core *c, uint32_t generation);
/* Start the tree.  Once; not after core_restore_end().  Tells no ADDED. */
void	core_boot(struct core *c, const struct core_spec *root,
	    uint64_t now_ms);

/* A start that failed or was ignored has left no process behind. */
void	core_started(struct core *c, uint64_t inc, uint64_t now_ms);
void	core_start_failed(struct core *c, uint64_t inc, uint64_t now_ms);
void	core_start_ignored(struct core *c, uint64_t inc, uint64_t now_ms);
void	core_exited(struct core *c, uint64_t inc, enum core_exit how,
	    uint64_t now_ms);
void	core_timer_fired(struct core *c, uint32_t slot, enum core_timer timer,
	    uint64_t now_ms);
void	core_call(struct core *c, const struct core_call *call,
	    uint64_t now_ms);
/* The root's parent says shutdown. */
void	core_shutdown(struct core *c, uint64_t now_ms);

/*
 * Converge on another specification.  same() compares the users of the old
 * and the new specification of a child: false restarts it if it runs, and
 * starts it if it does not because its start failed (then CORE_SAME_START is
 * asked; a supervisor also when anything below it differs).  Nothing
 * fails: a start that does is told, and leaves that child stopped.  call is
 * answered (CORE_OK) when the whole tree has settled.  The new tree's user
 * pointers belong to the core from here on, the old ones come back.
 */
enum core_change {
	CORE_KEEP, CORE_CHANGE, CORE_ADD, CORE_REMOVE,
	CORE_TRY,		/* it did not run, and is started */
	CORE_UPDATE,		/* changed: nothing to be stopped or started */
	CORE_NCHANGES
};
enum core_same {		/* of what: each asks more */
	CORE_SAME_PROCESS, CORE_SAME_START, CORE_SAME_ALL
};
typedef bool core_same_fn(const void *old_user, const void *new_user,
	    enum core_same what);
typedef void core_diff_fn(void *arg, enum core_change change, uint32_t slot,
	    const struct core_spec *spec, uint32_t parent);
void	core_reload(struct core *c, const struct core_spec *root,
	    core_same_fn *same, uint64_t call, uint64_t now_ms);
/*
 * What core_reload() would do, parents before children; changes nothing.  Of
 * what is added (slot CORE_NONE) and removed (spec NULL) only the top is told.
 */
void	core_diff(const struct core *c, const struct core_spec *root,
	    core_same_fn *same, core_diff_fn *emit, void *arg);

const struct core_action *core_actions(const struct core *c, size_t *out_n);
void	core_actions_clear(struct core *c);

/* The tree as it stands, for status; O(1) each.  CORE_NONE ends a walk. */
uint32_t core_root(const struct core *c);
uint32_t core_first(const struct core *c, uint32_t sup);
uint32_t core_next(const struct core *c, uint32_t slot);
uint32_t core_find(const struct core *c, uint32_t sup, const char *id);
/*
 * The id under which one of this id is added to a supervisor: the same, or
 * with "~NUMBER" behind it where a dynamic supervisor has one of that id.
 * To be asked just before the call.
 */
#define CORE_ID_EXTRA	11		/* bytes that it may be longer */
void	core_name(struct core *c, uint32_t sup, const char *id, char *out,
	    size_t size);
/* The user of a supervisor's template; NULL when it has none. */
void	*core_template(const struct core *c, uint32_t sup);
bool	core_view(const struct core *c, uint32_t slot, uint64_t now_ms,
	    struct core_child *out);
uint32_t core_nslots(const struct core *c);	/* every slot is below this */
/* Nothing is starting, stopping or waiting to be retried.  O(1). */
bool	core_quiet(const struct core *c);

/*
 * The snapshot.  What changed since the last core_save_clear() comes out as
 * flat records, each keyed and complete in itself; the last one of a key
 * counts.  A record of no bytes deletes its key.  O(what changed).
 *
 * To restore: core_new(), core_restore_begin() with the running specification,
 * every record of one commit in any order, core_restore_end(); then tell what
 * the world looks like with core_reconcile() for every child, which answers
 * with the actions that bring the world into line.
 */
struct core_record { uint64_t key; const void *data; size_t len; };
bool	core_save_next(struct core *c, struct core_record *out);
void	core_save_clear(struct core *c);
/* Mark everything as changed: the next save is a checkpoint. */
void	core_save_all(struct core *c);

void	core_restore_begin(struct core *c, const struct core_spec *root);
int	core_restore_record(struct core *c, const struct core_record *rec);
/*
 * A dynamic child's spec must be known before core_restore_end().  A child
 * that a reload was removing has none: its user is NULL, it is killed if it
 * lives, and removed.
 */
int	core_restore_dynamic(struct core *c, uint32_t slot,
	    const struct core_spec *spec);
int	core_restore_end(struct core *c, uint64_t now_ms);

enum core_world { CORE_WORLD_NONE, CORE_WORLD_ALIVE, CORE_WORLD_READY };
/*
 * Once for every worker slot after a restore: is there a process of its
 * present incarnation?  Ends that came meanwhile follow as core_exited().
 * core_reconciled() then arms the timers and lets the supervisors go on.
 */
void	core_reconcile(struct core *c, uint32_t slot, enum core_world world,
	    uint64_t now_ms);
void	core_reconciled(struct core *c, uint64_t now_ms);

#endif /* OTPD_CORE_CORE_H */
