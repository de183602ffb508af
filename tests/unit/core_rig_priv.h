/* SPDX-License-Identifier: ISC */
/* What the files of the core's rig share. */
#ifndef OTPD_TESTS_UNIT_CORE_RIG_PRIV_H
#define OTPD_TESTS_UNIT_CORE_RIG_PRIV_H

#include "core_rig.h"
#include "core_rig_tree.h"

#define RIG_MANY	256
#define RIG_LATE	8

struct rig_process {
	uint64_t	 inc;
	char		 id[64];
	bool		 there, ready, held, ending;
	uint64_t	 end_ms;
	const char	*how;
	const struct rig_user *user;
};

struct rig_timer {
	bool		 armed;
	uint32_t	 slot;
	enum core_timer	 kind;
	uint64_t	 at_ms;
};

struct rig_record { uint64_t key; void *data; size_t len; };
struct rig_arm { char id[64], outcome[8]; };

struct rig_store {
	struct rig_record *records;
	size_t		 n, cap;
};

struct rig_watch {
	uint64_t	 at_ms[RIG_MANY];
	unsigned	 n;
	bool		 blind;		/* a reload changed its limits */
};

struct rig {
	struct core	*core;
	unsigned	 flags;
	uint64_t	 now;
	struct rig_user	*users;
	char		*tree;		/* the running specification */
	char		*dynamic[RIG_MANY];	/* by slot: as it was added */
	char		*added[RIG_MANY];	/* as it was asked for */
	unsigned	 nadded;
	struct rig_watch watches[RIG_MANY];
	struct rig_process processes[RIG_MANY];
	struct rig_timer timers[RIG_MANY];
	struct rig_arm	 arms[RIG_MANY];
	unsigned	 narms;
	uint64_t	 late[RIG_LATE];	/* incarnations that are over */
	unsigned	 nlate;
	struct rig_store store;
	unsigned	 nrecords;
	uint64_t	 last_call;
	uint64_t	 pid;	/* an incarnation to be named later */
	unsigned	 unanswered;
	bool		 root_gone;
	char		*log;
	size_t		 log_len, log_cap;
};

void	rig_say(struct rig *r, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
const char *rig_id(struct rig *r, uint32_t slot);
void	rig_act(struct rig *r);
void	rig_settle(struct rig *r);

/* core_rig_call.c */
uint32_t rig_slot(struct rig *r, const char *id);
uint64_t rig_inc(struct rig *r, const char *id);
bool	rig_call(struct rig *r, const char *op, const char *sup,
	    const char *rest);	/* false: no such call */

/* core_rig_watch.c */
void	rig_watch(struct rig *r, const struct core_action *a);

/* core_rig_store.c */
void	rig_store_take(struct rig *r);
void	rig_store_check(struct rig *r);
void	rig_store_free(struct rig_store *s);
void	rig_crash(struct rig *r);

/* core_rig_world.c */
void	rig_process_start(struct rig *r, const struct core_action *a);
void	rig_process_ask(struct rig *r, uint64_t inc, bool kill);
bool	rig_process_exit(struct rig *r, const char *id, const char *how);
void	rig_process_lose(struct rig *r, const char *id);
void	rig_process_release(struct rig *r, const char *id,
	    const char *outcome);
void	rig_timer_arm(struct rig *r, const struct core_action *a);
void	rig_timer_disarm(struct rig *r, const struct core_action *a);
bool	rig_happen(struct rig *r);
void	rig_late_news(struct rig *r);

#endif /* OTPD_TESTS_UNIT_CORE_RIG_PRIV_H */
