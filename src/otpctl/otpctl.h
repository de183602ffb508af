/* SPDX-License-Identifier: ISC */
/*
 * What the commands of otpctl share: the options, the way to ask a server,
 * and the two ways to show what it said.  Holds no state between two runs.
 */
#ifndef OTPD_OTPCTL_OTPCTL_H
#define OTPD_OTPCTL_OTPCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "libotp/client.h"
#include "otpctl/buf.h"
#include "otpctl/look.h"

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,		/* refused, or tried and failed */
	CTL_USAGE = 2,
	CTL_NO_CHILD = 4,
	CTL_UNREACHABLE = 5,	/* or lost before it answered */
	CTL_TIMED_OUT = 6
};

enum ctl_server { CTL_ENGINE, CTL_LOGGER, CTL_NSERVERS };

enum ctl_option {		/* those that belong to some commands only */
	CTL_OPT_TIMEOUT = 1, CTL_OPT_FOLLOW = 2, CTL_OPT_LINES = 4,
	CTL_OPT_SINCE = 8, CTL_OPT_DRY_RUN = 16,
	CTL_OPT_TIMEOUT_MS = 32,	/* with TIMEOUT: a bare number is that */
	CTL_OPT_TASK = 64,	/* those of task run; what follows its first
				 * operand is not otpctl's */
	CTL_OPT_PREFIX = 128, CTL_OPT_ALONE = 256
};

struct ctl;

struct command {
	const char	*name, *args, *help;
	const char	*more;		/* for `help NAME`, or NULL */
	int		(*run)(struct ctl *c);	/* enum ctl_exit */
	int		 min, max;	/* operands; max -1: any number */
	unsigned	 options;	/* mask of enum ctl_option */
	unsigned	 patience_s;	/* without --timeout; 0: for ever */
	bool		 repeat;	/* may be asked twice without harm */
};

extern const struct command commands[];	/* ends with a NULL name */
const struct command *command_find(const char *name);

/*
 * Whether people or programs read it: each command calls one of these.  A path
 * that is NULL is the reply's own.
 */
struct output {
	void	(*refused)(struct ctl *c, const char *path, const cJSON *reply);
	void	(*status)(struct ctl *c, const cJSON *reply);
	void	(*state)(struct ctl *c, const cJSON *child);
	void	(*outcome)(struct ctl *c, const char *path, const char *done,
		    const cJSON *reply);
	void	(*changes)(struct ctl *c, const cJSON *reply);
	void	(*event)(struct ctl *c, const cJSON *event);
	void	(*failed)(struct ctl *c, const cJSON *reply);
	void	(*why)(struct ctl *c, const cJSON *reply, const char *log,
		    size_t log_len);
	void	(*apps)(struct ctl *c, const cJSON *apps);
	void	(*rows)(struct ctl *c, const cJSON *children);
	void	(*counts)(struct ctl *c, const cJSON *reply);
	void	(*info)(struct ctl *c, const cJSON *reply);
	void	(*lines)(struct ctl *c, const char *data, size_t len);
};
extern const struct output output_text, output_json;

struct link {
	char		 path[1024];	/* of the socket */
	struct client	*client;	/* or NULL */
};

struct ctl {
	const struct command	*cmd;
	const struct output	*out;
	struct buf		 text;	/* for standard output */
	struct look		 look;
	const char		*runtime_dir;
	struct link		 links[CTL_NSERVERS];
	bool			 json, quiet, follow, dry_run, has_since;
	bool			 alone;
	bool			 asks_only;	/* though the command orders */
	bool			 tells_timeout;	/* the command does itself */
	void			(*late)(void *ctl);	/* see ctl_ask; or NULL */
	const char		*waits_for;	/* a path; NULL: all there is */
	bool			 unordered, null, no_stdin;	/* of task run */
	unsigned		 most;		/* --max-concurrency; 0 */
	const char		*sup;		/* --sup; NULL: not given */
	int			 lines;	/* of -n; -1: not given */
	uint64_t		 since;
	const char		*prefix;	/* or NULL */
	const char		*timeout;	/* of --timeout; NULL: not given */
	uint64_t		 timeout_ns;	/* 0: not given; UINT64_MAX */
	uint64_t		 deadline;	/* CLOCK_MONOTONIC; 0: none */
	int			 argc;		/* operands */
	char			**argv;
};

/* The pid of the otpd that had the runtime directory and was killed; 0. */
int	ctl_killed_pid(const struct ctl *c);
/* Is there an otpd, or the keeper of one, that has it? */
bool	ctl_is_held(const struct ctl *c);
/* Why the last one ended, if that was by itself, on standard error. */
void	ctl_say_end(const struct ctl *c);

uint64_t ctl_now_ns(void);
/* "otpctl: ..." on standard error; foreign text in args is made safe. */
void	ctl_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Ask a server and wait for its reply; asked again when the server dies over
 * it and the command may be repeated.  CTL_OK with *out (caller deletes), or
 * the exit code, the words already said.  The request is consumed.  When it
 * takes a second, c->late is called once, if that is set.
 */
int	ctl_ask(struct ctl *c, enum ctl_server to, cJSON *request, cJSON **out);
/* The same; a reply that refuses is shown and becomes its exit code. */
int	ctl_order(struct ctl *c, cJSON *request, const char *path, cJSON **out);
/* The same of one that a busy supervisor may keep waiting: when it takes too
 * long, this says for whom. */
int	ctl_order_in_turn(struct ctl *c, cJSON *request, const char *path,
	    cJSON **out);
/* Ask and hand each INFO to fn (its arg: c).  next() makes the request, anew
 * (again) after a server died over it. */
int	ctl_stream(struct ctl *c, enum ctl_server to,
	    cJSON *(*next)(struct ctl *c, bool again), client_info_fn *fn);
void	ctl_close(struct ctl *c);

cJSON	*ctl_request(const char *op);	/* {"op":op} */
const char *ctl_string(const cJSON *o, const char *key);	/* or NULL */
double	ctl_number(const cJSON *o, const char *key, double otherwise);
/* The exit code that a reply stands for; CTL_OK without "error". */
int	ctl_exit_of(const cJSON *reply);

int	cmd_status(struct ctl *c);
int	cmd_is_running(struct ctl *c);
int	cmd_is_failed(struct ctl *c);
int	cmd_wait(struct ctl *c);
int	cmd_sync(struct ctl *c);
int	cmd_start(struct ctl *c);
int	cmd_stop(struct ctl *c);
int	cmd_restart(struct ctl *c);
int	cmd_signal(struct ctl *c);
int	cmd_reload(struct ctl *c);
int	cmd_check(struct ctl *c);
int	cmd_shutdown(struct ctl *c);
int	cmd_resume(struct ctl *c);
int	cmd_upgrade(struct ctl *c);
int	cmd_events(struct ctl *c);
int	cmd_logs(struct ctl *c);
int	cmd_why(struct ctl *c);
int	cmd_failed(struct ctl *c);
int	cmd_info(struct ctl *c);
int	cmd_start_child(struct ctl *c);
int	cmd_terminate_child(struct ctl *c);
int	cmd_restart_child(struct ctl *c);
int	cmd_delete_child(struct ctl *c);
int	cmd_which_children(struct ctl *c);
int	cmd_count_children(struct ctl *c);
int	cmd_partition(struct ctl *c);
int	cmd_registry(struct ctl *c);
int	cmd_publish(struct ctl *c);
int	cmd_apps(struct ctl *c);
int	cmd_app(struct ctl *c);
int	cmd_call(struct ctl *c);
int	cmd_cast(struct ctl *c);
int	cmd_send(struct ctl *c);
int	cmd_sys(struct ctl *c);
int	cmd_agent(struct ctl *c);
int	cmd_task(struct ctl *c);
int	cmd_pool(struct ctl *c);
int	cmd_help(struct ctl *c);

/* The last n lines of a child's log, raw, into *b; quiet when there are
 * none.  Returns false when the logger could not say. */
bool	log_tail(struct ctl *c, const char *path, int n, struct buf *b);

#endif /* OTPD_OTPCTL_OTPCTL_H */
