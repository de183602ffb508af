/* SPDX-License-Identifier: ISC */
/*
 * A world for the core, driven by text.  A tree reads
 *
 *	root:rest_for_one:3/5000( a b:temporary:50ms s:one_for_all( x ) )
 *
 * with these attributes: a strategy; a restart type; N/MS the intensity;
 * kill, infinity or 50ms the shutdown; significant; any or all the automatic
 * shutdown; down; backoff=MIN-MAX-RESET; how it takes a stop: ignore,
 * slow=MS, exit0, exit1; v=N what a reload compares; max=N of children.  With parentheses it is
 * a supervisor.
 *
 * A script is a list of commands with "; " between them, and what happens is
 * logged as "start a, stop b abnormal" with " | " after each command.  The
 * clock moves by "wait" alone.
 *
 *	exit X HOW		normal, shutdown, abnormal or kill
 *	arm X OUTCOME...	of its next starts: ok, error, ignore, hold
 *	release X OUTCOME	of the start that is held
 *	start_child SUP TREE	restart_child, terminate_child, delete_child
 *	which SUP, count SUP	start, stop, restart SUP X (the operator's)
 *	reload TREE		diff TREE	shutdown	wait MS
 *	state X			what a view says of it
 *	terminate_pid SUP X	by its incarnation, or the one of
 *	pid X			which is kept for that
 *	crash			the core dies and is restored
 *	lose X			its process is gone, and nobody tells
 * What is armed at the beginning of a script is armed before the boot.
 *	+COMMAND		do not let the world react before the next
 */
#ifndef OTPD_TESTS_UNIT_CORE_RIG_H
#define OTPD_TESTS_UNIT_CORE_RIG_H

#include "core/core.h"

struct rig;

#define RIG_COMPAT	1	/* the core's compat */
#define RIG_TELLS	2	/* log what is told to people, too */
#define RIG_CRASH	4	/* die and be restored after every command */

struct rig	*rig_new(unsigned flags);
void	 rig_free(struct rig *r);
void	 rig_boot(struct rig *r, const char *tree);
void	 rig_do(struct rig *r, const char *command);
/* Everything that was logged; what a fault found is in it as "FAULT...". */
const char *rig_log(const struct rig *r);
void	 rig_log_clear(struct rig *r);
struct core *rig_core(struct rig *r);
/* Records put out by the last event. */
unsigned rig_records(const struct rig *r);
unsigned rig_unanswered(const struct rig *r);
/* The whole in one go: boot, commands, log.  Borrowed until the next call. */
const char *rig_run(unsigned flags, const char *tree, const char *script);

/* --- tables of rules --- */

struct rig_row {
	const char	*why, *tree, *script, *log;
};

/* What is logged of the row's script is what the row says. */
void	 rig_check(const struct rig_row *row, unsigned flags);
/*
 * A whole program: each row is run three times, as it stands, to the letter of
 * OTP, and with the core dying and being restored after every command, which
 * must make no difference.  Returns what main() is to.
 */
int	 rig_rules(const char *name, const struct rig_row *rows, size_t n);

/* --- for random tests: what there is to be hit --- */

/* Log the state of the whole tree, for whoever looks for a fault. */
void	 rig_say_state(struct rig *r);
unsigned rig_running(const struct rig *r);		/* processes */
const char *rig_running_id(const struct rig *r, unsigned i);
const char *rig_held_id(const struct rig *r);		/* or NULL */
uint64_t rig_next_time(const struct rig *r);	/* ms from now; UINT64_MAX */

#endif /* OTPD_TESTS_UNIT_CORE_RIG_H */
