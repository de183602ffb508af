/* SPDX-License-Identifier: ISC */
/*
 * libotp: gen_servers and their callers, over Unix-domain sockets.
 *
 * A struct otp is one process in the sense of OTP: it calls, casts, watches,
 * and, when it was started with callbacks, serves.  It is not thread-safe; use
 * one for each thread, and for each process: a fork can only free its copy.
 * The library starts no thread, installs no signal handler, prints nothing and
 * never aborts.  Pointers are not NULL unless said.
 *
 * Results: 0, or a positive number where said, or a negative one: -errno or
 * -OTP_E...; otp_strerror() has words for both.  Outputs are untouched on
 * failure.  Times are milliseconds; OTP_INFINITY waits for ever.
 *
 * Payloads are any bytes, by convention JSON.  What a callback is given, and
 * every reply, has a NUL beyond its length.
 *
 * Addresses: "counter" is a registered name; "web/counter" the path of a child;
 * "/run/x.sock" or "./x.sock" a socket; "via:users:ann" whoever has a key of a
 * registry; "otpd" is the engine.
 */
#ifndef OTP_H
#define OTP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OTP_INFINITY		(-1)
#define OTP_DEFAULT_TIMEOUT	(-2)	/* of the options: 5000 ms */
#define OTP_REASON_MAX		256	/* bytes of a reason, its NUL included */

enum {				/* negated in results */
	OTP_ENOPROC = 4096,	/* nobody serves there */
	OTP_EDOWN,		/* it ended before it replied: otp_reason() */
	OTP_ECALLINGSELF,	/* it would wait for itself */
	OTP_EREFUSED,		/* it does not speak with this user */
	OTP_EFULL,		/* too much is queued for it: OTP_FULL_ERROR */
	OTP_EREMOTE,		/* it answered with an error: otp_reason() */
	OTP_EALREADY,		/* the name is taken */
	OTP_EUNKNOWN		/* the engine died over the request: nobody
				 * knows whether it was done */
};

struct otp;			/* a process */
struct otp_out;			/* text being written: otp_print() */

struct otp_from {		/* a caller that waits; copy it freely */
	uint64_t	peer, ref;
};

enum otp_info_kind {
	OTP_MESSAGE,		/* otp_send, otp_send_after, otp_send_interval */
	OTP_TIMEOUT,		/* nothing came for otp_timeout() ms */
	OTP_TIMER,		/* otp_start_timer: ref, data */
	OTP_DOWN,		/* otp_monitor: ref, who, pid, reason */
	OTP_EXIT,		/* a linked process ended: who, reason */
	OTP_RESPONSE,		/* otp_send_request: ref, error, data, reason */
	OTP_TASK		/* a task ended: ref, pid, error, data, reason */
};

struct otp_info {		/* borrowed for the callback; may grow */
	enum otp_info_kind kind;
	int32_t		 pid;
	int		 error;		/* as of otp_receive_response() */
	uint64_t	 ref;
	const char	*data;
	size_t		 len;
	const char	*who;		/* "" when not known */
	const char	*reason;
};

/*
 * What a callback returns: OTP_OK to go on; what otp_stop() returned; from
 * init also OTP_IGNORE.  A negative number N ends the server with the reason
 * {errno,-N} (a -OTP_E... and -ETIMEDOUT with the word for it, as noproc), any
 * other with {bad_return_value,N}; terminate is called.
 * Any callback may be NULL.  Without handle_call or handle_cast a call or cast
 * ends the server; an info nobody handles is dropped.
 */
#define OTP_OK		0
#define OTP_IGNORE	1
#define OTP_STOP	2

struct otp_gen_server_ops {
	/* Until it returns the supervisor waits.  *state is NULL before. */
	int	(*init)(struct otp *self, int argc, char **argv, void **state);
	/* Reply here, or later through a copy of from, or never. */
	int	(*handle_call)(struct otp *self, struct otp_from from,
		    const char *request, size_t len, void *state);
	int	(*handle_cast)(struct otp *self, const char *message,
		    size_t len, void *state);
	int	(*handle_info)(struct otp *self, const struct otp_info *info,
		    void *state);
	int	(*handle_continue)(struct otp *self, void *what, void *state);
	/* Not called when killed, nor by an exit signal that is not trapped. */
	void	(*terminate)(struct otp *self, const char *reason,
		    void *state);
	/* While suspended.  Negative leaves the old state. */
	int	(*code_change)(struct otp *self, const char *extra, size_t len,
		    void **state);
	/* One JSON value: the state as people may see it. */
	int	(*format_status)(struct otp *self, struct otp_out *out,
		    void *state);
	/* The whole state, for get_state; format_status stands in for it. */
	int	(*get_state)(struct otp *self, struct otp_out *out,
		    void *state);
	int	(*replace_state)(struct otp *self, const char *text,
		    size_t len, void **state);
	void	(*reserved[6])(void);
};

enum otp_when_full { OTP_FULL_BLOCK, OTP_FULL_ERROR };
#define OTP_NO_POLL	0x01	/* always sleep at once when waiting */

struct otp_options {		/* zero what is not set */
	size_t		 size;		/* sizeof(struct otp_options) */
	const char	*runtime_dir;	/* else OTP_RUNTIME_DIR, else standard */
	const char	*socket;	/* serve here, without otpd */
	const char	*allow;		/* else OTP_ALLOW: "uid:33 gid:44" */
	int		 argc;		/* for init */
	char		**argv;
	int		 timeout_ms;	/* OTP_DEFAULT_TIMEOUT; 0: 5000 */
	unsigned int	 flags;		/* OTP_NO_POLL */
	uint32_t	 max_payload;	/* accepted; 0: 16 MiB */
	uint32_t	 max_callers;	/* connected at once; 0: 16384 */
	size_t		 max_queued;	/* bytes for one server; 0: 1 MiB */
	enum otp_when_full when_full;	/* of casts and requests */
};

/* --- a server --- */

/*
 * Be a gen_server until it ends; the exit code for main.  Under otpd all else
 * comes from the environment; otherwise "-s SOCKET" must come first in argv
 * (2 when it does not).  What follows goes to init, behind argv[0].
 */
int	otp_gen_server_main(const struct otp_gen_server_ops *ops, int argc,
	    char **argv);
/*
 * The same in parts.  Start runs init: 0 with *out; 1: it said ignore, or
 * -OTP_EDOWN: it stopped (the reason has been told to otpd; *out_code, may be
 * NULL, is the exit code); or another error.  ops is borrowed until the end.
 */
int	otp_gen_server_start(const struct otp_gen_server_ops *ops,
	    const struct otp_options *options, struct otp **out,
	    int *out_code);
/* Until it ends: the exit code.  -EBUSY from within a callback. */
int	otp_gen_server_run(struct otp *self);

/*
 * For programs with a loop of their own: when otp_fd() is readable, call
 * otp_dispatch(), which does not wait.  It returns 0, or 1 when the server has
 * ended (otp_exit_code()), -EBUSY from within a callback.
 */
int	otp_fd(struct otp *self);		/* owned by self */
int	otp_dispatch(struct otp *self);
int	otp_exit_code(const struct otp *self);

/*
 * Answer a call, from any callback.  It goes out when the callback returns, or
 * with otp_flush().  A caller that is gone or was answered is no error.  Does
 * not wait.  0, -ENOMEM, or -EMSGSIZE: more than 64 MiB, which fails the call.
 */
int	otp_reply(struct otp *self, struct otp_from from, const void *reply,
	    size_t len);
int	otp_replyf(struct otp *self, struct otp_from from, const char *format,
	    ...) __attribute__((format(printf, 3, 4)));

/* Of a callback about to return: */
int	otp_stop(struct otp *self, const char *reason);	/* OTP_STOP */
/* terminate first, then the reply. */
int	otp_stop_reply(struct otp *self, const char *reason,
	    struct otp_from from, const void *reply, size_t len);
/* handle_continue comes next, before any message.  OTP_OK. */
int	otp_continue(struct otp *self, void *what);
/* OTP_TIMEOUT when nothing has come by then; any message forgets it. */
int	otp_timeout(struct otp *self, uint32_t ms);
int	otp_hibernate(struct otp *self);	/* give memory back; OTP_OK */

/* Exit signals of linked processes become OTP_EXIT, and terminate is called
 * when the supervisor asks.  0 or -errno. */
int	otp_trap_exit(struct otp *self, int on);

/* For format_status and get_state.  0 or -ENOMEM. */
int	otp_print(struct otp_out *out, const char *format, ...)
	    __attribute__((format(printf, 2, 3)));
int	otp_write(struct otp_out *out, const void *data, size_t len);

/* --- timers: the message comes to handle_info --- */

/* *out_ref (may be NULL) is never 0.  0, -ENOMEM, -EMSGSIZE, -EINVAL. */
int	otp_send_after(struct otp *self, uint32_t ms, const void *message,
	    size_t len, uint64_t *out_ref);
int	otp_start_timer(struct otp *self, uint32_t ms, const void *message,
	    size_t len, uint64_t *out_ref);
int	otp_send_interval(struct otp *self, uint32_t ms, const void *message,
	    size_t len, uint64_t *out_ref);
/* Milliseconds that were left; -ENOENT: unknown, or its message is already
 * waiting and will still be handled. */
int64_t	otp_cancel_timer(struct otp *self, uint64_t ref);

/* --- a caller --- */

/* options may be NULL.  NULL: errno. */
struct otp *otp_new(const struct otp_options *options);
/* What is corked is sent first.  In a callback it does nothing: otp_stop();
 * in a fork it sends nothing, and leaves alone what is the parent's. */
void	otp_free(struct otp *self);

/*
 * Call and wait.  The reply (may be NULL) is the caller's to free().
 * -ETIMEDOUT, -OTP_ENOPROC, -OTP_EDOWN, -OTP_ECALLINGSELF, -OTP_EREFUSED,
 * -OTP_EREMOTE, -EMSGSIZE, -ENOMEM...
 */
int	otp_call(struct otp *self, const char *to, const void *request,
	    size_t len, int timeout_ms, char **reply, size_t *reply_len);
/*
 * Never fails for want of a receiver.  Gathered and sent with the next wait or
 * call, at 32 KiB, or by otp_flush().  Over max_queued, or when all connections
 * there may be are busy, it waits, at most the default timeout (-ETIMEDOUT), or
 * is -OTP_EFULL.
 */
int	otp_cast(struct otp *self, const char *to, const void *message,
	    size_t len);
/* As otp_cast, to handle_info; -OTP_ENOPROC when nobody has the name. */
int	otp_send(struct otp *self, const char *to, const void *message,
	    size_t len);
/* Send what is gathered, as far as it goes without waiting.  1: some is left,
 * 0: none. */
int	otp_flush(struct otp *self);

/*
 * Many calls in flight: requests are gathered as casts are.  In a server a
 * response that was not received comes to handle_info.  *out is never 0.
 */
int	otp_send_request(struct otp *self, const char *to, const void *request,
	    size_t len, uint64_t *out);
/* As otp_call.  -ETIMEDOUT gives the request up; -ENOENT: unknown. */
int	otp_receive_response(struct otp *self, uint64_t request,
	    int timeout_ms, char **reply, size_t *reply_len);
int	otp_abandon(struct otp *self, uint64_t request);

struct otp_result {
	int	 error;		/* 0 or as of otp_call() */
	char	*reply;		/* the caller's to free(); NULL on error */
	size_t	 len;
};
/* Call n servers at once, one timeout for all.  The number of replies. */
int	otp_multi_call(struct otp *self, const char *const *to, size_t n,
	    const void *request, size_t len, int timeout_ms,
	    struct otp_result *results);

/*
 * A request to the engine, over the link when there is one.  If the engine
 * dies over it, a question is put to the next one; of a request that changes
 * something nobody knows whether it was done: -OTP_EUNKNOWN, at once.  One that
 * the dead engine has not read is done by the next.
 */
int	otp_control(struct otp *self, const char *json, int timeout_ms,
	    char **reply, size_t *reply_len);

/* --- names, monitors, links: under otpd --- */

/* 0, -OTP_EALREADY (otp_reason() says who has it), -OTP_EFULL: this process
 * has 1024 names, -ENOTCONN without otpd. */
int	otp_register(struct otp *self, const char *name);
int	otp_unregister(struct otp *self, const char *name);
/* The path, as far as size goes, and the pid (both may be NULL; 0: not known).
 * 0 or -OTP_ENOPROC. */
int	otp_whereis(struct otp *self, const char *name, char *path,
	    size_t size, int32_t *pid);
/*
 * One OTP_DOWN when the target ends, at once when it is not there ("noproc").
 * A target is an address or "pid:N"; without otpd only an address.
 */
int	otp_monitor(struct otp *self, const char *target, uint64_t *out_ref);
/* No OTP_DOWN comes after it.  0 or -ENOENT. */
int	otp_demonitor(struct otp *self, uint64_t ref);
int	otp_link(struct otp *self, const char *target);
int	otp_unlink(struct otp *self, const char *target);
/*
 * An exit signal without a link.  It ends who does not trap exits, with this
 * reason, as OTP_EXIT comes to who does; "normal" ends nobody but oneself,
 * "kill" anybody, with "killed".  A target that is not there is no error.  0,
 * -EINVAL, -ENOTCONN without otpd.
 */
int	otp_exit(struct otp *self, const char *target, const char *reason);

/* --- agents: a state that otp-agent(8) keeps --- */

/*
 * path is a JSON pointer: "/a/b/0", "" or NULL the whole.  Values are JSON
 * text.  As otp_call(); also -EINVAL: that is no JSON value, -ENOENT: there is
 * nothing at the path, -OTP_EREMOTE: refused, otp_reason() says why
 * ("too_large").
 */
int	otp_agent_get(struct otp *self, const char *agent, const char *path,
	    int timeout_ms, char **value, size_t *len);
/* At the end of an array "-" is its next place.  Objects and arrays around
 * the place must be there: -ENOENT. */
int	otp_agent_put(struct otp *self, const char *agent, const char *path,
	    const char *value, int timeout_ms);
/* A merge patch: members of objects are set, or with null taken away. */
int	otp_agent_update(struct otp *self, const char *agent,
	    const char *path, const char *patch, int timeout_ms);
/* What is not there is no error. */
int	otp_agent_delete(struct otp *self, const char *agent,
	    const char *path, int timeout_ms);
/*
 * Put value (NULL: delete) if what is there equals compare (NULL: in any case,
 * "": if nothing is there), else -ECANCELED.  What was there before is the
 * caller's to free(), "null" for nothing; old and len may be NULL.
 */
int	otp_agent_get_and_update(struct otp *self, const char *agent,
	    const char *path, const char *compare, const char *value,
	    int timeout_ms, char **old, size_t *len);
/* op is "put", "update" or "delete" (else -EINVAL).  As otp_cast(): nobody is
 * told whether it could be done. */
int	otp_agent_cast(struct otp *self, const char *agent, const char *op,
	    const char *path, const char *value);

/* --- partitions: keys to servers --- */

/*
 * As otp_call and otp_cast, to the partition of a partition_supervisor that a
 * key belongs to; which that is says otp-semantics(7).  sup is its path.  How
 * many there are is asked of the engine, and again after a second.  Also
 * -EINVAL: sup is no partition_supervisor.
 */
int	otp_call_key(struct otp *self, const char *sup, const void *key,
	    size_t len_of_key, const void *request, size_t len,
	    int timeout_ms, char **reply, size_t *reply_len);
int	otp_call_int(struct otp *self, const char *sup, int64_t key,
	    const void *request, size_t len, int timeout_ms, char **reply,
	    size_t *reply_len);
int	otp_cast_key(struct otp *self, const char *sup, const void *key,
	    size_t len_of_key, const void *message, size_t len);
int	otp_cast_int(struct otp *self, const char *sup, int64_t key,
	    const void *message, size_t len);
/* The number of the partition, and its path as far as size goes (may be
 * NULL); or a negative error. */
int	otp_partition_key(struct otp *self, const char *sup, const void *key,
	    size_t len_of_key, char *path, size_t size);
int	otp_partition_int(struct otp *self, const char *sup, int64_t key,
	    char *path, size_t size);

/* --- applications: under otpd --- */

/*
 * A value of an application's env, of the caller's own when application is
 * NULL: the text of a string, anything else as JSON; the caller's to free().
 * Asks the engine.  0, -ENOENT: no such key, -OTP_ENOPROC: no such
 * application, or no otpd...
 */
int	otp_get_env(struct otp *self, const char *application,
	    const char *key, char **value);
/* Until otpd ends; value is JSON, or else a string.  Changes nothing in those
 * who have asked before. */
int	otp_set_env(struct otp *self, const char *application,
	    const char *key, const char *value);

/* --- registries: keys of any bytes to servers; otp_registry(3) --- */

#define OTP_KEY_MAX	1024	/* bytes of a key, at least 1 */
#define OTP_VALUE_MAX	4096	/* bytes of a value, at least 0 */

struct otp_entry {		/* a NUL stands behind key and value */
	const char	*key, *value;
	size_t		 key_len, value_len;
	const char	*path, *address;	/* of the process: call this */
	int32_t		 pid;
};

/*
 * All of these ask the engine and wait for it, at most for the default
 * timeout.  Beside what is said they are 0, -OTP_ENOPROC when there is no such
 * registry, -EMSGSIZE for a key or value too long, -ETIMEDOUT.  What registers
 * must be a server under otpd, else -ENOTCONN; its entries go when it ends.
 * An array of entries is one block, the caller's to free(); NULL when n is 0.
 */
int	otp_registry_new(struct otp *self, const char *registry, int unique);
/* Not one of the configuration (-EINVAL). */
int	otp_registry_delete(struct otp *self, const char *registry);
/* -OTP_EALREADY: a unique key is taken, otp_reason() says by whom;
 * -OTP_EFULL. */
int	otp_registry_register(struct otp *self, const char *registry,
	    const void *key, size_t key_len, const void *value,
	    size_t value_len);
/* All of its own under the key, if any; */
int	otp_registry_unregister(struct otp *self, const char *registry,
	    const void *key, size_t key_len);
/* those whose value begins with this. */
int	otp_registry_unregister_match(struct otp *self, const char *registry,
	    const void *key, size_t key_len, const void *value,
	    size_t value_len);
/* Of a unique key that it has, else -ENOENT.  *old is the caller's to free();
 * it and old_len may be NULL. */
int	otp_registry_update_value(struct otp *self, const char *registry,
	    const void *key, size_t key_len, const void *value,
	    size_t value_len, char **old, size_t *old_len);
int	otp_registry_lookup(struct otp *self, const char *registry,
	    const void *key, size_t key_len, struct otp_entry **entries,
	    size_t *n);
/* Those of the key whose value begins with this. */
int	otp_registry_match(struct otp *self, const char *registry,
	    const void *key, size_t key_len, const void *value,
	    size_t value_len, struct otp_entry **entries, size_t *n);
/* Those whose key begins with this. */
int	otp_registry_select(struct otp *self, const char *registry,
	    const void *prefix, size_t prefix_len,
	    struct otp_entry **entries, size_t *n);
/* Those of a process: a name, a path or "pid:N"; NULL: itself. */
int	otp_registry_keys(struct otp *self, const char *registry,
	    const char *of, struct otp_entry **entries, size_t *n);
int	otp_registry_values(struct otp *self, const char *registry,
	    const char *of, const void *key, size_t key_len,
	    struct otp_entry **entries, size_t *n);
int	otp_registry_count(struct otp *self, const char *registry,
	    size_t *out);
int	otp_registry_count_match(struct otp *self, const char *registry,
	    const void *key, size_t key_len, const void *value,
	    size_t value_len, size_t *out);
int	otp_registry_count_select(struct otp *self, const char *registry,
	    const void *prefix, size_t prefix_len, size_t *out);
/* fn runs here, once with all entries of the key, not at all when there are
 * none.  What it returns is returned. */
int	otp_registry_dispatch(struct otp *self, const char *registry,
	    const void *key, size_t key_len, int (*fn)(struct otp *self,
	    const struct otp_entry *entries, size_t n, void *arg), void *arg);

/* Metadata of a registry: a text to any bytes. */
int	otp_registry_put_meta(struct otp *self, const char *registry,
	    const char *key, const void *value, size_t value_len);
/* -ENOENT.  *value is the caller's to free(). */
int	otp_registry_meta(struct otp *self, const char *registry,
	    const char *key, char **value, size_t *value_len);
int	otp_registry_delete_meta(struct otp *self, const char *registry,
	    const char *key);

/* fn runs here while no other process has the lock on this key, which need
 * not be registered.  What it returns is returned; -EDEADLK: it has it. */
int	otp_registry_lock(struct otp *self, const char *registry,
	    const void *key, size_t key_len, int timeout_ms,
	    int (*fn)(struct otp *self, void *arg), void *arg);

/* Topics: in a registry of duplicate keys. */
int	otp_subscribe(struct otp *self, const char *registry,
	    const char *topic);
int	otp_unsubscribe(struct otp *self, const char *registry,
	    const char *topic);
/* otp_send() to each: to how many, or an error. */
int	otp_publish(struct otp *self, const char *registry, const char *topic,
	    const void *message, size_t len);

/* "via:REGISTRY:KEY", an address: whoever has the unique key when it is used.
 * 0 or -ENAMETOOLONG. */
int	otp_via(char *out, size_t size, const char *registry,
	    const void *key, size_t key_len);

/* --- callers, as a server knows them --- */

/*
 * One OTP_DOWN ("noconnection") when the caller's connection ends, after all
 * that it had sent: when its process ends, however, or it is freed.  "noproc"
 * when it has ended already.  otp_demonitor() takes it back.  0, -ENOMEM.
 */
int	otp_monitor_caller(struct otp *self, struct otp_from from,
	    uint64_t *out_ref);
/* As the kernel knows who connected.  0, or -ENOENT: it is gone. */
int	otp_caller_pid(struct otp *self, struct otp_from from, int32_t *out);
int	otp_caller_uid(struct otp *self, struct otp_from from, uint32_t *out);

/* --- pools: workers that are lent --- */

#define OTP_WORKER_MAX	512	/* room for any worker's path */

/*
 * The path of a worker, which is this process's until otp_pool_checkin(), or
 * its end, or that of its connection to the pool.  Waits for one, in the order
 * of those who wait.  timeout 0: -EAGAIN when there is none.  As otp_call();
 * also -OTP_EREMOTE: one was to be started and could not be, -ENAMETOOLONG.
 */
int	otp_pool_checkout(struct otp *self, const char *pool, int timeout_ms,
	    char *worker, size_t size);
/* Does not wait.  One that this process does not hold: nothing happens. */
int	otp_pool_checkin(struct otp *self, const char *pool,
	    const char *worker);
/*
 * fn with a worker that is given back afterwards in any case.  What fn has
 * returned, or a failure of otp_pool_checkout() before.
 */
int	otp_pool_transaction(struct otp *self, const char *pool,
	    int (*fn)(struct otp *self, const char *worker, void *arg),
	    void *arg, int timeout_ms);

enum otp_pool_state { OTP_POOL_READY, OTP_POOL_OVERFLOW, OTP_POOL_FULL };
struct otp_pool_status {
	enum otp_pool_state state;
	uint32_t	 size, max_overflow;
	uint32_t	 free, overflow, held, waiting;
	uint32_t	 reserved[4];
};
int	otp_pool_status(struct otp *self, const char *pool, int timeout_ms,
	    struct otp_pool_status *out);

/* --- tasks: functions that run beside, each in a process of its own --- */

#define OTP_BRUTAL_KILL	(-3)	/* of otp_task_shutdown() */

/*
 * A task's function: it writes its value to out and returns 0.  Otherwise the
 * task has failed: with {errno,N} for -N, {exit,N} for N, or the reason given
 * to otp_task_exit().  It runs in a copy of its owner, whose memory it may
 * change without anybody's noticing, and must not use its owner's struct otp:
 * for calls it makes its own.
 */
typedef int otp_task_fn(struct otp_out *out, void *arg);
int	otp_task_exit(struct otp_out *out, const char *reason);

/*
 * Start one; *out is never 0.  It is linked: it ends with its owner's process,
 * and a server that does not trap exits ends with it when it fails before it
 * was awaited.  nolink: neither.  In a server a task that ends without having
 * been awaited comes to handle_info as OTP_TASK.  Does not wait.  0, -EAGAIN,
 * -ENOMEM, -EMFILE.  No task sends SIGCHLD, and wait() does not find it.
 */
int	otp_task_async(struct otp *self, otp_task_fn *fn, void *arg,
	    uint64_t *out);
int	otp_task_async_nolink(struct otp *self, otp_task_fn *fn, void *arg,
	    uint64_t *out);
/* For what it does rather than for its value: pid may be NULL.  To one that
 * traps exits any end of a linked one is OTP_EXIT, with the pid. */
int	otp_task_start(struct otp *self, otp_task_fn *fn, void *arg,
	    int32_t *pid);
int	otp_task_start_link(struct otp *self, otp_task_fn *fn, void *arg,
	    int32_t *pid);
/* One that has its value already, and no process. */
int	otp_task_completed(struct otp *self, const void *value, size_t len,
	    uint64_t *out);

/*
 * Wait for a task's value, which is the caller's to free() and has a NUL
 * beyond its length; value and len may be NULL.  0, or -OTP_EDOWN: it ended
 * without one, otp_reason() says how; -ETIMEDOUT: it runs on, but nobody will
 * hear of it; -ENOENT: unknown, or awaited before; -EPERM: another's.
 */
int	otp_task_await(struct otp *self, uint64_t task, int timeout_ms,
	    char **value, size_t *len);
/* The same, but 1: it still runs, and may be asked again. */
int	otp_task_yield(struct otp *self, uint64_t task, int timeout_ms,
	    char **value, size_t *len);
/* End it: it is asked to, and killed after timeout_ms, or at once with
 * OTP_BRUTAL_KILL.  As yield; 1: it was stopped. */
int	otp_task_shutdown(struct otp *self, uint64_t task, int timeout_ms,
	    char **value, size_t *len);
/* Let it run on, unlinked; 1: it does, and nobody will hear of it. */
int	otp_task_ignore(struct otp *self, uint64_t task, char **value,
	    size_t *len);
/*
 * All of n tasks, one timeout.  await: 0 and every value, in the order of
 * tasks, or what the first that failed gives, no values, and the others run on
 * as after -ETIMEDOUT.  yield: how many have ended; a result's error is 1 for
 * those that have not.  The reply of -OTP_EDOWN is the reason; the caller
 * frees it, too.
 */
int	otp_task_await_many(struct otp *self, const uint64_t *tasks, size_t n,
	    int timeout_ms, struct otp_result *results);
int	otp_task_yield_many(struct otp *self, const uint64_t *tasks, size_t n,
	    int timeout_ms, struct otp_result *results);

/*
 * A task for each item that next gives (1; 0: no more), so many at once.  An
 * item is taken when there is room for it and somebody asks for results.
 */
#define OTP_STREAM_UNORDERED	0x01	/* results as they come */
#define OTP_STREAM_KILL_TASK	0x02	/* on timeout; else the stream ends */
#define OTP_STREAM_NOLINK	0x04	/* a failure is a result */

struct otp_stream;
typedef int otp_stream_next_fn(void *arg, void **item);

struct otp_stream_options {	/* zero what is not set */
	size_t		 size;		/* sizeof(struct otp_stream_options) */
	unsigned int	 max_concurrency;	/* 0: processors online */
	unsigned int	 flags;		/* OTP_STREAM_... */
	int		 timeout_ms;	/* of each; 0: 5000 */
	const char	*sup;		/* tasks of otp_task_sup_async(), */
	const char *const *argv;	/* whose input is the item, a string */
};

struct otp_stream_result {
	void		*item;
	size_t		 index;		/* of the item, from 0 */
	int		 error;		/* 0, -OTP_EDOWN or -ETIMEDOUT */
	char		*value;		/* the caller's to free(); or NULL */
	size_t		 len;
	char		 reason[OTP_REASON_MAX];
};

/* fn gets the item; NULL with options->sup.  NULL: errno. */
struct otp_stream *otp_stream_open(struct otp *self, otp_task_fn *fn,
	    otp_stream_next_fn *next, void *arg,
	    const struct otp_stream_options *options);
/* 1: the next result; 0: that was the last; -ETIMEDOUT, -OTP_EDOWN: where OTP
 * ends the caller: all tasks were stopped, otp_reason() says why. */
int	otp_stream_next(struct otp_stream *stream,
	    struct otp_stream_result *out);
void	otp_stream_close(struct otp_stream *stream);	/* stops its tasks */

/* --- supervised tasks: children of a task_supervisor --- */

/*
 * Start argv as a child of sup, and forget about it.  An argv whose first word
 * has a "/" is a whole command line, for a supervisor without a template;
 * otherwise it goes behind the template's arguments.  restart is NULL
 * ("temporary") or a word of otpd.json(5), without a template.  path gets the
 * child's (NULL: not wanted).  0 or -OTP_EREMOTE: otp_reason() has otpd's word
 * ("max_children"), -OTP_ENOPROC...
 */
int	otp_task_start_child(struct otp *self, const char *sup,
	    const char *const *argv, const char *restart, char *path,
	    size_t size);
/*
 * A task for the functions above, as a temporary child of sup: argv is the
 * name of a function of otp_task_main() and its arguments, behind the program
 * unless sup has a template.  It is linked to its owner (which may end
 * normally without harm) and may outlive an engine.
 */
#define OTP_TASK_NOLINK		0x01
#define OTP_TASK_COMMAND	0x02	/* argv is any command line: its value is
					 * its output; no template */
int	otp_task_sup_async(struct otp *self, const char *sup,
	    const char *const *argv, const void *input, size_t len,
	    unsigned int flags, uint64_t *out);

struct otp_task_entry {		/* a named function */
	const char	*name;		/* NULL ends the table */
	/* argv[0] is its name; input has a NUL beyond its length. */
	int		(*fn)(struct otp_out *out, int argc, char **argv,
		    const char *input, size_t len);
};
/*
 * Be a program of such functions; the exit code for main.  By hand, "NAME
 * [ARGUMENT...]" runs one and prints its value; its input is empty.
 */
int	otp_task_main(const struct otp_task_entry *table, int argc,
	    char **argv);

/* --- children at run time: what OTP's supervisors are asked --- */

/*
 * Start a child of sup (its path; "/" is the root) from a specification in
 * JSON: otpd.json(5); with a template {"id":"w7","args":["7"]}.  Waits until it
 * is ready, so that timeout_ms is for its init, too.  0; 1: it was ignored;
 * -OTP_EREMOTE: it could not be started, or was refused, and otp_reason() says
 * why ("max_children"), -OTP_EALREADY: there is one of this id, -OTP_ENOPROC:
 * no such supervisor, -EINVAL: that is no JSON, and as otp_control().  path (as
 * far as size goes) and pid may be NULL.
 */
int	otp_start_child(struct otp *self, const char *sup, const char *spec,
	    int timeout_ms, char *path, size_t size, int32_t *pid);
/* id may be "pid:N" where children are started at run time.  -ENOENT: there is
 * no such child; restart: 1 when it was ignored. */
int	otp_terminate_child(struct otp *self, const char *sup, const char *id,
	    int timeout_ms);
int	otp_restart_child(struct otp *self, const char *sup, const char *id,
	    int timeout_ms);
int	otp_delete_child(struct otp *self, const char *sup, const char *id,
	    int timeout_ms);


enum otp_child_state {
	OTP_CHILD_STOPPED, OTP_CHILD_RUNNING,
	OTP_CHILD_RESTARTING	/* or starting */
};
struct otp_child {
	char		 id[128];
	int32_t		 pid;		/* 0: none that runs, or a supervisor */
	enum otp_child_state state;
	int		 supervisor;	/* is it one? */
	uint32_t	 reserved[2];
};
/* Newest first, as in OTP.  One block, the caller's to free(); NULL when n is
 * 0.  A question: asked again if the engine dies over it. */
int	otp_which_children(struct otp *self, const char *sup, int timeout_ms,
	    struct otp_child **children, size_t *n);
struct otp_count { uint32_t specs, active, supervisors, workers; };
int	otp_count_children(struct otp *self, const char *sup, int timeout_ms,
	    struct otp_count *out);

/* --- words --- */

const char *otp_strerror(int error);	/* never NULL */
/* Why the last call or response failed: the exit reason of the server
 * ("{signal,SIGSEGV}"), "noproc", "timeout".  Borrowed until the next. */
const char *otp_reason(const struct otp *self);

#ifdef __cplusplus
}
#endif

#endif /* OTP_H */
