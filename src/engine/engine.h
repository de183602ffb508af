/* SPDX-License-Identifier: ISC */
/*
 * The engine's one context: everything that thinks.  Policy lives here and in
 * the core; processes, descriptors and files are the spawner's and the
 * logger's.  Nothing in this room may block, fork or wait for a child.
 *
 * A turn of the loop: what happened is told to the core, the core's actions
 * are carried out (act.c) into queues, and at the end of the turn the snapshot
 * is committed before anything leaves (turn.c).
 */
#ifndef OTPD_ENGINE_ENGINE_H
#define OTPD_ENGINE_ENGINE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "engine/config.h"
#include "engine/events.h"
#include "engine/link.h"
#include "engine/out.h"
#include "engine/store.h"
#include "libotp/server.h"
#include "loop/loop.h"

struct child_timers {
	struct loop_timer core[CORE_NTIMERS];
	struct loop_timer start;	/* deadline of a start, or its retry
					 * after a fault of the machine */
	uint32_t	 fault_wait_ms;
	uint32_t	 slot;
	struct engine	*engine;
};

enum { WATCH_TARGET, WATCH_WATCHER };

struct watch {			/* a monitor, or one end of a link */
	struct watch	*prev[2], *next[2];	/* in either slot's list */
	struct watch	*chain;		/* of a monitor: of its bucket */
	uint32_t	 slot[2];
	uint64_t	 ref;
	uint64_t	 key;		/* in the snapshot */
	bool		 link;
};

struct name {			/* registered */
	struct name	*next;		/* of its bucket */
	struct name	*own_next;	/* of its holder's */
	char		*text;
	uint64_t	 key;		/* in the snapshot */
	uint32_t	 slot;
};

struct worker;
struct registry;
struct registry_entry;

struct child {			/* what the core does not know of a slot */
	uint64_t	 inc;		/* the incarnation ordered last */
	uint64_t	 start_ns;	/* its process' start */
	char		*path;		/* NULL: the slot is not in use */
	char		*said;		/* X_OTP_REASON of this incarnation */
	char		*failure;	/* why its start failed */
	char		*last_reason;	/* of the last end */
	uint64_t	 last_at_ms;	/* CLOCK_REALTIME */
	char		*signalled;	/* reason of an exit signal sent to it */
	struct child_timers *timers;	/* while any is needed */
	struct worker	*worker;	/* gen_servers: socket and link */
	struct watch	*watched, *watching;	/* who watches it, whom it does */
	struct name	*names;		/* that it has */
	struct registry_entry *entries;	/* of registries; see registry.h */
	uint32_t	 nwatching;	/* in the list of watching */
	uint32_t	 nlocks;	/* of registries: has or waits for */
	uint32_t	 worker_key;	/* 0: none yet */
	uint32_t	 last_generation;
	int32_t		 last_pid;
	uint32_t	 log_key;	/* 0: no log yet */
	uint32_t	 pid_next;	/* chain in the table of pids */
	int32_t		 pid;		/* 0: no process */
	uint16_t	 heard;		/* tag of what it said last; 0 */
	bool		 ready : 1;	/* the core knows that it started */
	bool		 early : 1;	/* it said so before its pid was known */
	bool		 asked : 1;	/* it was sent its stop signal */
	bool		 ignore : 1;	/* it said X_OTP_IGNORE */
	bool		 timed_out : 1;	/* its start took too long */
	bool		 end_asked : 1;	/* the last process was, and ended */
	bool		 ended : 1;	/* its end was told to everybody */
	bool		 faulty : 1;	/* waits out a fault of the machine */
	bool		 ordered : 1;	/* the spawner has its START */
	bool		 listed : 1;	/* the spawner had it at the beginning, */
	bool		 alive : 1;	/* and alive */
	bool		 dirty : 1;	/* not yet in the snapshot */
	bool		 own_end : 1;	/* an application that ends by itself */
	bool		 traps : 1;	/* exit signals come to it as frames */
	bool		 kill : 1;	/* signalled, by one that is not trapped */
	bool		 untold : 1;	/* what it was told may still lie here,
					 * and would end with the engine */
	bool		 gone : 1;	/* removed; dropped after the actions
					 * that may still name it */
};

struct request {		/* a caller who waits for an answer */
	uint64_t	 id;		/* 0: the entry is free */
	server_peer	 peer;
	uint64_t	 ref;
	enum core_op	 op;
	bool		 owner;		/* what it starts ends with the caller */
	char		*path;		/* as the answer is to say it */
	uint32_t	 bytes;		/* of the request as it came */
};

enum waiter_kind { WAIT_STATE, WAIT_SYNC, WAIT_EVENTS, WAIT_END };

struct waiter {
	enum waiter_kind kind;
	server_peer	 peer;
	uint64_t	 ref;
	char		*path, *state;	/* WAIT_STATE */
	uint64_t	 seq;		/* WAIT_EVENTS: the next to send;
					 * WAIT_SYNC: its ping; WAIT_END: the
					 * generation, 0: not known */
	int32_t		 pid;		/* WAIT_END; 0: not known */
	uint32_t	 slot;		/* WAIT_END: where it was found alive, */
	uint64_t	 inc;		/* and as what; 0: it was not yet */
	bool		 pinged;	/* WAIT_SYNC */
	bool		 owner;		/* WAIT_END: it is to end with the
					 * caller; ref 0: nothing to tell */
};

struct reply {			/* leaves when the turn is committed */
	server_peer	 peer;
	uint64_t	 ref;
	struct out	 text;
};

struct note {			/* a notify message before its pid is known */
	uint64_t	 key;		/* in the snapshot */
	int32_t		 pid;
	char		*text;
};

struct reload {			/* of the last one */
	struct {
		enum core_change change;
		char		*path;
	}		*changes;
	uint32_t	 n, cap;
	uint32_t	 unchanged;
	char		*warnings;	/* a JSON array; or NULL */
};

#define ENGINE_STOPPING	0x1
#define ENGINE_BROKEN	0x2

struct engine_record {		/* in the snapshot; grows at its end */
	uint64_t	 config_key;	/* the held running configuration's;
					 * counts up with every reload */
	uint64_t	 next_seq;	/* of the next event */
	uint32_t	 next_log_key;
	int32_t		 straw_code;
	uint32_t	 stopping, compat;	/* stopping: ENGINE_... */
	uint32_t	 engines;	/* started before the one that wrote */
	uint32_t	 quit;		/* 1 + the code that otpd is to exit
					 * with; 0: it is not */
	uint32_t	 otpd_crashes, otpd_upgrades;	/* as told last */
	uint32_t	 otpd_killed, otpd_survivors;
	uint64_t	 next_letter;
};

struct saved_record {		/* read from the snapshot, not yet used */
	enum store_type	 type;
	uint64_t	 key;
	char		*data;
	size_t		 len;
};

struct listed {			/* the spawner's table at the beginning */
	uint64_t	 inc;
	struct spawn_child told;
	bool		 taken;		/* adopted, or gone */
};

enum crumb_kind {
	CRUMB_NONE, CRUMB_CHILD, CRUMB_CALL, CRUMB_NOTIFY, CRUMB_TIMER,
	CRUMB_CAST, CRUMB_NKINDS
};

struct crumb {			/* what the engine is about; see rung.h */
	enum crumb_kind	 kind;
	uint64_t	 inc;		/* or the slot */
	char		 text[128];
};

#define CONFIG_KEYS	(1ULL << 63)	/* apart from the keys of log pipes */
#define EVENTS_KEY	(3ULL << 62)	/* the history of events */
#define OTPD_CRASHES_TOLD 16	/* at a time */
#define PIDS_BUCKETS	1024
#define NOTES_MAX	64
#define REFUSED_MAX	64	/* uids turned away, in a minute */
#define NAMES_BUCKETS	256
#define WATCH_BUCKETS	1024
#define APP_VARS_BUCKETS 1024
/* Requests that wait for an answer; owners of tasks count as well. */
#define WAITING_MAX	65536U
#define WAITING_OWN_MAX	16384U	/* of one connection or link */
#define WAITING_BYTES_MAX (64U * 1024 * 1024)
#define PLANS_MAX	100U	/* starts of applications under way */
#define NAMES_OWN_MAX	1024U	/* that one worker has */
#define WATCHES_OWN_MAX	65536U	/* monitors and links of one worker */

struct engine {
	struct loop	*loop;
	struct core	*core;
	struct server	*server;
	struct store	*store;
	struct events	*events;
	struct link	 spawner, logger;
	uint64_t	 spawner_handle, logger_handle;
	bool		 spawner_full, logger_full;	/* wait for room */

	const char	*config_file, *runtime_dir, *log_dir;
	struct config_context cx;
	struct service	 nobody;	/* of a child without specification */
	bool		 quiet, verbose, compat;
	bool		 die_with_otpd;	/* those that are started next */

	struct child	*children;	/* by slot */
	uint32_t	 children_cap;
	uint32_t	 pids[PIDS_BUCKETS];	/* 1 + slot, chained */
	struct name	*names[NAMES_BUCKETS];
	struct watch	*monitors[WATCH_BUCKETS];	/* by watcher and ref */
	uint64_t	 next_key;	/* of names, watches and registries */
	struct registry	*registries;
	uint32_t	 nregistries, nlocks;
	uint64_t	 registry_bytes;	/* of all keys and values */
	uint32_t	 loose_entries;	/* of registries that are in no
					 * configuration */
	int		 runtime_fd, paths_fd;
	char		*failed_child;	/* whose start failed last */
	uint32_t	*dirty_links;	/* slots whose link has something to
					 * send */
	uint32_t	 ndirty_links, dirty_links_cap;
	uint32_t	*heard;		/* slots whose link was read in this
					 * turn */
	uint32_t	 nheard, heard_cap;
	uint32_t	*dirty;		/* slots to save */
	uint32_t	 ndirty, dirty_cap;
	uint32_t	*gone;		/* slots that were removed */
	uint32_t	 ngone, gone_cap;
	uint64_t	*failed;	/* incarnations whose start failed
					 * without a process; not yet told */
	uint32_t	 nfailed, failed_cap;
	struct note	 notes[NOTES_MAX];
	uint32_t	 nnotes;
	uint64_t	 next_note;
	uint32_t	 peeked;	/* messages read, but still in the socket */
	struct {		/* who was turned away by a worker, and told */
		uint64_t	 at_ms;
		uint32_t	 uid;
	}		 refused[REFUSED_MAX];

	struct request	*requests;
	uint32_t	 nrequests, requests_cap;
	struct waiter	*waiters;
	uint32_t	 nwaiters, waiters_cap;
	size_t		 waiting_bytes;	/* of the requests */
	struct reply	*replies;
	uint32_t	 nreplies, replies_cap;
	uint64_t	 next_request;
	struct reload	 reload;
	struct {		/* of otpd: who waits to hear that it was not
				 * done */
		server_peer	 peer;	/* 0: nobody */
		uint64_t	 ref, token;
		char		 file[PATH_MAX];
	}		 upgrade;
	struct plan	*plans;		/* to start applications; see apps.h */
	uint32_t	 nplans;
	char		**new_apps;	/* a reload is about to bring them */
	uint32_t	 nnew_apps, new_apps_cap;
	char		*app_ended;	/* in this turn, and all with it */
	struct app_var	*app_vars[APP_VARS_BUCKETS];	/* set at run time */
	uint32_t	 napp_vars;
	size_t		 app_vars_bytes;

	/* kept across engines, in the snapshot */
	uint64_t	 config_key;	/* of the held running configuration */
	uint32_t	 next_log_key;
	uint64_t	 next_letter;	/* see letters.c */
	bool		 stopping;	/* the whole tree was asked to stop */
	bool		 broken;	/* ...because of an application */
	struct engine_record saved;	/* as last saved */
	bool		 changed;	/* the core may have something to save */
	bool		 save_failed;
	struct loop_timer save_timer;	/* then it is tried again */
	struct {
		uint64_t key;
		char	*path;
	}		*forgotten;	/* logs of children that are gone */
	uint32_t	 nforgotten, forgotten_cap;

	/* only at the beginning */
	struct config	*config;	/* checked, not yet running */
	int		 config_fd;	/* the running one of before, or -1 */
	int		 events_fd;	/* the history of before, or -1 */
	struct saved_record *records;
	uint32_t	 nrecords, records_cap;
	struct { uint64_t key; int fd; } *held;	/* of workers */
	uint32_t	 nheld, held_cap;
	struct listed	*list;
	uint32_t	 nlist, list_cap;
	uint32_t	 asked;		/* signals that the last one missed */
	struct loop_timer hold_timer;	/* when the hold ends at the latest */

	bool		 listed;	/* the spawner has told everything */
	bool		 booted;
	uint64_t	 ping, ponged;	/* tokens: sent last, answered last */
	bool		 ping_sent;	/* in this turn */
	struct spawn_welcome otpd;	/* as the spawner says */
	uint32_t	 engines, crashed;
	int32_t		 last_status;	/* of the engine before, as waitpid */
	bool		 last_hung;	/* it was killed, not answering */
	enum spawn_rung	 rung;
	struct crumb	 dropped;	/* is not to be handled again */
	bool		 resuming;	/* the hold is over */
	int32_t		 logger_pid;
	int32_t		 straw_code;	/* exit code of what broke the tree */
	uint64_t	 started_ms;
	uint64_t	 told_seq;	/* events up to here were printed */
	bool		 quitting, quit_told;
	int32_t		 quit_code;
	struct loop_timer quit_timer;	/* logs are not waited for any more */
};

/* --- turn.c --- */
/* Carry out the core's actions until it wants nothing more. */
void	engine_settle(struct engine *e);
/* At the end of a turn: commit, then let everything leave. */
void	engine_turn_end(void *arg);
void	engine_quit(struct engine *e, int code);
/* The logger has written what there is. */
void	engine_logs_written(struct engine *e);
void	engine_shutdown(struct engine *e);
void	engine_spawner_events(void *arg, uint32_t events);
void	engine_logger_events(void *arg, uint32_t events);

/* --- act.c --- */
void	engine_act(struct engine *e, const struct core_action *a);
void	engine_order_start(struct engine *e, uint32_t slot);
/* The service's log is known to the logger, with its present settings. */
void	engine_tell_logger(struct engine *e, uint32_t slot);
void	engine_remember_end(struct engine *e, uint32_t slot,
	    const char *reason);

/* --- child.c --- */
struct child *engine_child(struct engine *e, uint32_t slot);
/* The slot whose present incarnation this is, or CORE_NONE. */
uint32_t engine_slot_of(struct engine *e, uint64_t inc);
uint32_t engine_generation(struct engine *e, uint32_t slot);
struct service *engine_service(struct engine *e, uint32_t slot);
void	engine_set_path(struct engine *e, uint32_t slot);
void	engine_drop_child(struct engine *e, uint32_t slot);
void	engine_set_pid(struct engine *e, uint32_t slot, int32_t pid);
uint32_t engine_slot_by_pid(struct engine *e, int32_t pid);
struct child_timers *engine_timers(struct engine *e, uint32_t slot);
void	engine_cancel_start_timer(struct engine *e, uint32_t slot);
void	engine_event(struct engine *e, enum event_type type, uint32_t slot,
	    const char *reason);
void	replace_string(char **p, const char *text);

/* --- world.c: what the spawner tells --- */
void	engine_spawner_record(void *arg, const struct spawn_header *h, int fd);
void	engine_told_child(struct engine *e, uint64_t inc,
	    const struct spawn_child *told);

void	engine_told_asked(struct engine *e, uint32_t mask);
/* What the errno of an exec that failed does not say. */
const char *world_exec_words(const char *program, int error);
/* The machine refuses what this start needs: it is tried again, told once. */
void	world_fault(struct engine *e, uint32_t slot, const char *what,
	    int error);

/* --- ready.c: notify messages --- */
void	engine_ready(struct engine *e, uint32_t slot);	/* its start returned */
void	engine_notify_drain(struct engine *e);
void	engine_notify_retry(struct engine *e);
/* What was read is committed: take it out of the socket. */
void	engine_notify_consume(struct engine *e);
void	engine_notify_begin(void);
void	engine_notify_watch(struct engine *e);
/* The notes as the snapshot has them. */
void	engine_save_notes(struct engine *e);
void	engine_restore_note(struct engine *e, uint64_t key, const char *data,
	    size_t len);

/* --- control.c: requests --- */
void	engine_call(void *arg, server_peer peer, const struct frame_header *h,
	    const char *payload, uid_t uid);
void	engine_closed(void *arg, server_peer peer);
/* What a worker says over its link without wanting an answer. */
void	engine_cast(struct engine *e, uint32_t slot, const char *payload,
	    size_t len);
void	engine_error(struct engine *e, server_peer peer, uint64_t ref,
	    uint16_t tag, const char *words);
void	engine_answer(struct engine *e, const struct core_action *a);
/* The number under which the core will answer. */
uint64_t engine_add_request(struct engine *e, server_peer peer, uint64_t ref,
	    enum core_op op, const char *path);
/* Queue an answer, sent after the commit; takes text. */
void	engine_reply(struct engine *e, server_peer peer, uint64_t ref,
	    struct out *text);

/* --- wait.c: callers who wait for a state, for quiet, for events --- */
void	engine_add_waiter(struct engine *e, const struct waiter *w);
void	engine_drop_waiters(struct engine *e, server_peer peer);
void	engine_serve_waiters(struct engine *e);
void	engine_send_events(struct engine *e);
void	engine_pong(struct engine *e, uint64_t token);
/* Is this the incarnation that is waited for? */
bool	engine_is_meant(const struct waiter *w, int32_t pid,
	    uint64_t generation);

/* --- ops_task.c: children that end with their caller --- */
void	engine_own(struct engine *e, server_peer peer, uint32_t slot);
/* Stop those whose owners are gone. */
void	engine_end_orphans(struct engine *e);

/* --- status.c --- */
const char *engine_state_word(struct engine *e, uint32_t slot);
void	engine_status(struct engine *e, uint32_t slot, struct out *o);
void	engine_status_tree(struct engine *e, uint32_t slot, struct out *o);

/* --- path.c --- */
/* 0 with *out; -ENOENT, -EEXIST when more than one fits. */
int	engine_find(struct engine *e, const char *path, uint32_t *out);
/* Is part all of it, or its last part or parts? */
bool	path_ends(const char *whole, const char *part);
/* The next slot, depth first, below top (CORE_NONE: the whole tree). */
uint32_t engine_walk(struct engine *e, uint32_t slot, uint32_t top);

/* --- reload.c --- */
void	engine_reload(struct engine *e, server_peer peer, uint64_t ref,
	    bool dry_run);
void	engine_reload_result(struct engine *e, struct out *o);
/* Nobody asks for the last one any more. */
void	engine_reload_clear(struct engine *e);
void	engine_check(struct engine *e, const char *file, struct out *o);
/* Let the spawner hold this text as the running configuration. */
int	engine_hold_config(struct engine *e, const char *text, size_t len);

/* --- upgrade.c: of otpd itself --- */
void	engine_told_upgraded(struct engine *e, uint64_t token,
	    const struct spawn_upgraded *told);
/* Its crashes and upgrades that no engine has told yet become events. */
void	engine_note_otpd(struct engine *e);

/* --- save.c, begin.c: the snapshot, and how an engine begins --- */
/* 0, 1 when there was nothing to write, or negative errno. */
int	engine_save(struct engine *e);
void	engine_save_child(struct engine *e, uint32_t slot);
void	engine_held(struct engine *e, uint64_t key, int fd);
void	engine_list_child(struct engine *e, uint64_t inc,
	    const struct spawn_child *told);
void	engine_listed(struct engine *e);
/* What only a beginning needs is let go. */
void	engine_begin_done(struct engine *e);
/* 1 when an engine before this one left its state, 0 when none did. */
int	engine_load_snapshot(struct engine *e);

/* --- trouble.c: what is wrong with the machine --- */
void	engine_told_trouble(struct engine *e, const struct spawn_trouble *t);
void	engine_logger_record(void *arg, const struct spawn_header *h, int fd);
void	engine_forget_log(struct engine *e, const char *path, uint32_t key);
void	engine_tell_forgotten(struct engine *e);
void	engine_save_forgotten(struct engine *e);
void	engine_restore_forgotten(struct engine *e, uint64_t key,
	    const char *path);
void	engine_free_forgotten(struct engine *e);
/* The snapshot was written, or could not be. */
void	engine_saved(struct engine *e, int rc);

/* --- say.c: lines for the operator's terminal --- */
void	engine_say(const char *format, ...)
	    __attribute__((format(printf, 1, 2)));
void	engine_say_events(struct engine *e);
void	engine_say_errors(const struct config *c);
/* Had what could not be started a process, by this reason? */
bool	engine_has_run(const char *reason);
/* "; its log: ..." of a worker that has one; or nothing. */
void	engine_put_log(struct engine *e, struct out *line, const char *path);
void	engine_say_warnings(const struct engine *e, const struct config *c);

/* --- ended.c: why, for the operator who comes later --- */
/* why: in words; NULL: what the events tell of the root's end. */
void	engine_leave_words(struct engine *e, int code, const char *why);

#endif /* OTPD_ENGINE_ENGINE_H */
