/* SPDX-License-Identifier: ISC */
/*
 * What the core remembers.  Private to src/core: everybody else sees core.h.
 */
#ifndef OTPD_CORE_STATE_H
#define OTPD_CORE_STATE_H

#include "core/core.h"
#include "core/intensity.h"

/* What a supervisor finds in its mailbox. */
enum msg_kind { MSG_EXIT, MSG_NOTE, MSG_CALL, MSG_STOP, MSG_RELOAD };

struct msg {			/* embedded in what it is about */
	struct msg	*prev, *next;
	uint64_t	 seq;	/* order of arrival; a snapshot keeps it */
	enum msg_kind	 kind;
	bool		 queued;
};

struct call {
	struct msg	 msg;
	enum core_op	 op;
	bool		 mute;	/* restored: nobody waits for the answer */
	bool		 retrying; /* it was to be retried anyway */
	uint64_t	 id;
	uint64_t	 inc;	/* 0: any */
	char		*child;
	struct child	*made;	/* CORE_OP_START_CHILD: not yet listed */
};

/*
 * A child and its slot.  One of a supervisor's specification is "fixed": its
 * slot outlives being dropped or deleted, and the next init lists it again.
 */
struct child {
	void		*user;
	struct sup	*sup;		/* supervisors only */
	struct child	*parent;
	struct child	*prev, *next;	/* listed siblings, in start order */
	struct child	*next_fixed;	/* in the order of the specification */
	struct child	*next_hash;	/* or in the graveyard */
	struct child	*next_dirty;
	struct msg	 exit, note;	/* unread, in the parent's mailbox */
	uint64_t	 ready_ms;	/* when it last became ready */
	uint64_t	 deadline_ms;	/* of its timer, when armed */
	uint32_t	 slot;
	uint32_t	 generation;
	uint32_t	 order;		/* rises along the list */
	uint32_t	 shutdown_ms;
	uint32_t	 backoff_min_ms, backoff_max_ms, backoff_reset_ms;
	uint32_t	 backoff_ms;	/* the last delay */
	uint32_t	 starts, restarts;
	enum core_state	 state;
	enum core_type	 type;
	enum core_restart restart;
	enum core_exit	 how;		/* of the unread exit */
	bool		 significant : 1;
	bool		 down : 1;
	bool		 parked : 1;	/* down, and nobody asked for it yet */
	bool		 held : 1;
	bool		 failed : 1;
	bool		 unstarted : 1;	/* its last start failed, and no
					 * operator took it down since */
	bool		 waiting : 1;
	bool		 fixed : 1;
	bool		 listed : 1;
	bool		 armed : 1;
	bool		 killed : 1;	/* KILL was sent to this incarnation */
	bool		 doomed : 1;	/* a reload wants it gone */
	bool		 changed : 1;	/* a reload wants it restarted */
	bool		 wanted : 1;	/* a reload wants it started */
	bool		 again : 1;	/* stopped early for a restart that
					 * is still in the mailbox */
	bool		 lost : 1;	/* restored: no process, no exit yet */
	bool		 seen : 1;	/* scratch, for comparing */
	bool		 dirty : 1;
	bool		 gone : 1;	/* until the actions are cleared */
	char		 id[];
};

enum phase {
	PHASE_DOWN,		/* not alive: never started, or ended */
	PHASE_IDLE,		/* reads its mailbox */
	PHASE_STOP,		/* stops from `at` backwards to `from` */
	PHASE_START,		/* starts from `at` onwards */
	PHASE_GROUP,		/* waits for all children at once */
	PHASE_KILLED		/* waits for all processes below to be gone */
};

enum job {			/* why it stops and starts children */
	JOB_NONE, JOB_INIT, JOB_UNWIND, JOB_RESTART, JOB_CALL, JOB_RELOAD,
	JOB_END
};

enum outcome {			/* of the start it waits for */
	OUT_NONE, OUT_OK, OUT_FAILED, OUT_IGNORED, OUT_ABORTED
};

struct sup {
	struct child	*self;
	struct child	*first, *last;	/* listed, in start order */
	struct child	*first_fixed, *last_fixed;
	struct child	*template;	/* simple, dynamic: not a slot */
	struct msg	*head, *tail;	/* the mailbox */
	struct msg	 stop, reload;
	struct call	*call;		/* being served */
	struct child	*at, *from;
	struct sup	*next_work;
	struct intensity intensity;
	uint64_t	 group_ms;	/* deadline of the group timer */
	enum core_strategy strategy;
	enum core_auto_shutdown auto_shutdown;
	enum phase	 phase;
	enum job	 job;
	enum outcome	 outcome;
	uint32_t	 nspecs, nsups, nactive;
	uint32_t	 nsignificant;	/* of them running or restarting */
	uint32_t	 next_order;
	uint32_t	 next_number;	/* of an id that is taken */
	uint32_t	 max_children;
	uint32_t	 left;		/* processes still to go */
	uint32_t	 saved_lo, saved_hi;	/* attempts in the store */
	bool		 single;	/* the job is about `at` alone */
	bool		 tried;		/* the start of `at` was asked for */
	bool		 end_next;	/* the parent's stop waits for `at` */
	bool		 gave_up;
	bool		 parallel_stop;
	bool		 group_armed;
	bool		 working;	/* on the work list */
	bool		 save_again;	/* those in the store, too */
};

struct core {
	bool		 compat;
	uint64_t	 now_ms;
	uint64_t	 next_seq;
	struct child	*root;
	struct child	**slots;
	uint32_t	 nslots, slots_cap;
	uint32_t	*free_slots;
	uint32_t	 nfree, free_cap;
	uint32_t	 generation_floor; /* new children begin above it */
	struct child	**buckets;
	uint32_t	 nbuckets, nhashed;
	struct sup	*work_head, *work_tail;
	struct child	*graveyard;
	struct core_action *actions;
	size_t		 nactions, actions_cap;
	uint64_t	 nunquiet;	/* busy ones, children to retry */
	uint32_t	 nreloads;	/* supervisors that still converge */
	uint64_t	*reload_calls;
	size_t		 nreload_calls;
	struct child	*dirty;
	struct save	*save;
	struct restore	*restore;
};

#endif /* OTPD_CORE_STATE_H */
