/* SPDX-License-Identifier: ISC */
/*
 * The configuration: JSON with comments in, a checked tree of specifications
 * out, or every error there is with its place and what would be right.
 * Reads files; never starts, stops or changes anything.
 */
#ifndef OTPD_ENGINE_CONFIG_H
#define OTPD_ENGINE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"

enum service_kind { SERVICE_PLAIN, SERVICE_GEN_SERVER };
enum service_ready { READY_EXEC, READY_NOTIFY, READY_GEN_SERVER };

/*
 * What the engine needs of one child beside the core's part; the user pointer
 * of a core_spec.  Owned by whoever holds the core_spec (the core, once given).
 */
struct service {
	enum service_kind	 kind;
	enum service_ready	 ready;
	uint32_t		 start_timeout_ms;	/* CORE_INFINITY: none */
	int			 stop_signal;		/* SIGTERM */
	char			*description;		/* or NULL */
	char			*name;			/* registered; or NULL */
	const char		*problem;	/* why no start can succeed
						 * ("no user \"x\""), or NULL */
	uint64_t		 log_max_bytes;
	uint32_t		 log_keep;
	bool			 log_timestamp;
	bool			 logs;		/* stdout or stderr is a log */
	bool			 tasks;		/* a supervisor of tasks */
	char			*app;		/* an application's properties
						 * as JSON; or NULL */
	uint32_t		 partitions;	/* of such a supervisor; or 0 */
	uint32_t		 order_len;
	struct spawn_start	*order;		/* workers: encoded, inc and
						 * log_key 0; argv before the
						 * arguments of a dynamic one */
	char			*source;	/* canonical JSON of this child
						 * alone, kept for templates
						 * and dynamic ones; what a
						 * supervisor's children
						 * inherit; or NULL */
};

void	service_free(struct service *s);
struct spawn_limit;
/* The name of one that cannot be had on this machine by this user, or NULL. */
const char *config_limit_refused(const struct spawn_limit *list, uint32_t n);
/*
 * Would a change from a to b need a restart, could it be why a start fails no
 * more, or is it one at all?  A core_same_fn.
 */
bool	service_same(const void *a, const void *b, enum core_same what);

struct config_error {
	const char	*file;
	unsigned	 line, column;
	const char	*path;		/* in the tree: web/nginx; "" the root */
	const char	*message;	/* what is wrong and what would be right */
};

struct config_registry {
	char		*name;
	bool		 unique;		/* "keys" */
	uint32_t	 max_entries;
	uint32_t	 nlisteners;
	char		**listeners;
};

struct config_options {		/* the root object's keys beside the tree */
	bool	compat_otp;		/* "compat": "otp" */
	bool	die_with_otpd;		/* "on_otpd_death": "kill" */
	struct config_registry *registries;
	uint32_t nregistries;
};

struct config {
	struct core_spec	*root;		/* config_take_root() or freed
						 * with the config */
	struct config_options	 options;
	char			*text;		/* the whole as one JSON text,
						 * includes merged: what a
						 * restored engine reads */
	size_t			 text_len;
	struct config_error	*errors;	/* sorted by file and place */
	size_t			 nerrors;
	struct config_error	*warnings;	/* sorted, too: what is hardly
						 * meant so, and with warn what
						 * will not start here */
	size_t			 nwarnings;
};

struct config_context {		/* what a service is built with */
	const char	*runtime_dir;	/* for NOTIFY_SOCKET */
	bool		 warn;		/* of what will not start here: no
					 * such program, user or folder */
	/* for config_parse_child() */
	const char	*path;		/* of its supervisor; NULL: the root */
	const char	*name;		/* what it is called in the tree, where
					 * its id is taken; or NULL */
};

/* Always returns a config: usable when nerrors is 0.  Errors include an
 * unreadable file. */
struct config	*config_load(const char *file, const struct config_context *cx);
/* The same from text, errors placed in `name`. */
struct config	*config_parse(const char *text, size_t len, const char *name,
		    const struct config_context *cx);
/*
 * One child specification as start_child takes it, under a supervisor of this
 * strategy; root is that child.  Where the supervisor has a template that is
 * given, and the text is {"id": ..., "args": [...]}, built on the template's
 * source; else template is the supervisor's own service, for what its children
 * inherit.  With template NULL, text is
 * the source of a dynamic child, read again as it stands; cx->path is not
 * needed for it.
 */
struct config	*config_parse_child(const char *text, size_t len,
		    enum core_strategy strategy, const struct service *template,
		    const struct config_context *cx);
/* Specs and services are no longer the config's; the caller frees the spec
 * nodes with config_free_specs(), which leaves the services alone. */
struct core_spec *config_take_root(struct config *c);
void	config_free_specs(struct core_spec *root);
void	config_free(struct config *c);
/* "file:line:column: web/nginx: message\n" */
void	config_error_format(const struct config_error *e, char *out,
	    size_t size);

#endif /* OTPD_ENGINE_CONFIG_H */
