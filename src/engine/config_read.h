/* SPDX-License-Identifier: ISC */
/*
 * What the rooms of the configuration's reader share while one is read.
 * Nothing outside of config*.c includes this.
 */
#ifndef OTPD_ENGINE_CONFIG_READ_H
#define OTPD_ENGINE_CONFIG_READ_H

#include <dirent.h>
#include <sys/types.h>

#include "engine/config.h"
#include "engine/config_keys.h"
#include "engine/config_mem.h"
#include "engine/json_text.h"
#include "wire/guess.h"
#include "wire/spawn_request.h"

#define TREE_DEPTH_MAX	30		/* so that the merged text stays
					 * below JSON_DEPTH_MAX */
#define CHILDREN_MAX	1000000U
#define FILES_MAX	100000U
#define ERRORS_MAX	10000U
#define ID_MAX		64
#define NAME_SIZE_MAX	(ID_MAX + CORE_ID_EXTRA)
#define PATH_SIZE	(2 * (TREE_DEPTH_MAX + 2) * (NAME_SIZE_MAX + 1))
#define MS_MAX		((int64_t)UINT32_MAX - 2)

struct source {			/* a file while its values are in use */
	const char	*name;
	struct json_doc	 doc;
	dev_t		 dev;
	ino_t		 ino;
	const struct source *parent;	/* includes this one */
};

struct env_var { const char *name, *value; };	/* NULL: taken away */
struct env { struct env_var *vars; size_t n, size; };

struct log_settings { uint64_t max_bytes; uint32_t keep; bool timestamp; };

struct scope {			/* what a supervisor's children inherit */
	struct env		 env;
	struct log_settings	 log;
	bool			 log_given;	/* here or further up */
};

enum sup_form { SUP_PLAIN, SUP_DYNAMIC, SUP_PARTITION, SUP_TASK, SUP_POOL };

enum app_type { APP_TEMPORARY, APP_TRANSIENT, APP_PERMANENT };

struct app;

struct draft {			/* one object as it was written */
	cJSON		*object;
	const cJSON	*given[KEY_NKEYS];
	bool		 meant[KEY_NKEYS];	/* written wrong, it seems */
	unsigned	 where;		/* one of enum key_where */
	size_t		 errors_before;
	struct core_spec spec;
	enum service_kind kind;
	enum service_ready ready;
	uint32_t	 start_timeout_ms;
	int		 stop_signal;
	const char	*description, *name;
	struct log_settings log;
	const char	*cwd, *out_path, *err_path;
	enum spawn_dest	 out, err;
	uint32_t	 umask;
	struct spawn_limit limits[SPAWN_LIMITS_MAX];
	uint16_t	 nlimits;
	enum sup_form	 form;
	struct config_registry *registry;	/* it is one; or NULL */
	uint32_t	 partitions;	/* that it has */
	uint32_t	 partition, partition_of;	/* that it is; 0 of 0 */
	uint32_t	 size, max_overflow;	/* of a pool */
	bool		 fifo;
	const cJSON	*extra;		/* goes before its arguments; or NULL */
	const char	*as;		/* see config_context.name; or NULL */
	const struct app *app;		/* that it is the tree of; or NULL */
	const char	*vsn;		/* of an application: */
	enum app_type	 start_type;
	bool		 autostart;
	char		*source;	/* freed by who made the draft */
};

struct identity {		/* of a child, in numbers */
	uint32_t	 uid, gid;
	uint32_t	 groups[SPAWN_GROUPS_MAX];
	uint16_t	 ngroups;
	const char	*user, *home, *shell;	/* or NULL */
	const char	*allow;		/* "uid:33 gid:44", or NULL */
	const char	*problem;		/* or NULL */
};

struct reader {
	struct config	*config;
	const char	*runtime_dir;
	struct arena	 arena;
	const struct source *source;
	struct strmap	 names;		/* registered: name to struct origin */
	struct strmap	 ids;		/* of users and groups, looked up */
	const char	*bare, *bare_path, *bare_found;	/* the last search */
	const char	*as;		/* of the next child that is read */
	const struct app *app;		/* the same */
	char		 path[PATH_SIZE];
	size_t		 path_len;
	unsigned	 depth, nchildren, nfiles;
	bool		 warn;
};

struct origin { const char *file, *path; struct json_place at; };

/* --- config_error.c --- */
void	config_tell(struct reader *r, struct json_place at, const char *fmt,
	    ...) __attribute__((format(printf, 3, 4)));
/* The same of what is right, but will not start here. */
void	config_warn(struct reader *r, struct json_place at, const char *fmt,
	    ...) __attribute__((format(printf, 3, 4)));
#define tell_at(r, item, ...) \
	config_tell(r, json_value_place(&(r)->source->doc, item), __VA_ARGS__)
#define tell_key(r, item, ...) \
	config_tell(r, json_key_place(&(r)->source->doc, item), __VA_ARGS__)
/* json_parse() for r->source; at the root ids count from its children on. */
bool	config_parse_json(struct reader *r, char *text, size_t len,
	    bool is_root, struct json_doc *out);
void	config_sort_errors(struct config *c);

/* --- config_key.c --- */
/* Every member of d->object through the table. */
void	read_members(struct reader *r, struct draft *d);
/* The same of an object inside of it: where is one of KEY_LOG..  False when
 * there was an error. */
bool	read_inner(struct reader *r, struct draft *d, cJSON *object,
	    unsigned where);
bool	id_valid(const char *id);

/* --- config_warn.c --- */
/* Of a worker that is right: is there everything here that it needs? */
void	warn_of(struct reader *r, const struct draft *d,
	    const char *who_problem, const char *program);
/* Of anything that is right: is it meant so? */
void	warn_of_slips(struct reader *r, const struct draft *d);

/* --- config_apps.c, config_apps_order.c --- */
struct app {			/* an application as it was written */
	const char	*name;
	struct source	 file;		/* its own, if it has one */
	const struct source *source;	/* where it is written */
	cJSON		*object;	/* NULL: it could not be read */
	struct draft	 draft;
	const char	*text;		/* what the engine keeps of it */
	struct core_spec *spec;
	enum { APP_NEW, APP_OPEN, APP_DONE } mark;
	const struct app *by;		/* who led there */
};
struct apps {			/* sorted by name, then by need */
	struct app	**at;
	size_t		 n, size;
	const char	*where;		/* "the folder `x`" */
};
/* The root's applications, added behind *tail; ids: the children's before. */
void	read_apps(struct reader *r, struct draft *root,
	    const struct scope *scope, struct strmap *ids,
	    const struct core_spec **tail);
/* Each behind those it needs; what cannot be so is told. */
void	order_apps(struct reader *r, struct apps *apps);
struct app *app_find(const struct apps *apps, const char *name);
void	env_set_app(struct reader *r, struct env *env, const struct draft *d);
/* What an application's tree has by being one. */
void	draft_be_app(struct draft *d);

/* --- config_tree.c --- */
struct origin *origin_of(struct reader *r, const cJSON *item);
void	draft_init(struct reader *r, struct draft *d, cJSON *object,
	    unsigned where, const struct scope *scope);
/* Returns what path_pop() takes. */
size_t	path_push(struct reader *r, const char *id, unsigned index);
void	path_pop(struct reader *r, size_t before);
/* The root of a configuration; NULL when it is none. */
struct core_spec *read_root(struct reader *r, cJSON *object);
/*
 * Child number index of sup, or of nobody known (NULL).  where: KEY_TEMPLATE,
 * or 0 to tell worker from supervisor by its type.  keep_source: for one that
 * is started at run time.  NULL when it is no object.
 */
struct core_spec *read_child(struct reader *r, cJSON *object,
	    const struct draft *sup, const struct scope *scope,
	    unsigned index, unsigned where, bool keep_source);
/* A supervisor's source: what its children inherit, and its draft as far as
 * they need it. */
void	read_scope(struct reader *r, cJSON *object, struct scope *out_scope,
	    struct draft *out_sup);
/* --- config_pool.c --- */
void	check_pool(struct reader *r, struct draft *d);
/* The two children of a pool, added behind *tail: its workers, its server. */
void	read_pool(struct reader *r, cJSON *template, const struct draft *pool,
	    const struct scope *scope, const struct core_spec **tail);
/* --- config_partition.c --- */
/* How many; when that is not written, it is from now on. */
void	count_partitions(struct draft *d);
/* The partitions of sup, added behind *tail. */
void	read_partitions(struct reader *r, cJSON *template,
	    const struct draft *sup, const struct scope *scope,
	    const struct core_spec **tail);
/* False, and told once, when there are too many children by now. */
bool	count_child(struct reader *r, const cJSON *item);
/* What a partition is told: which one it is. */
void	env_set_partition(struct reader *r, struct env *env,
	    const struct draft *d);

/* --- config_check_draft.c --- */
/* What takes more than one key to judge.  sup may be NULL. */
void	check_draft(struct reader *r, struct draft *d,
	    const struct draft *sup);

/* --- config_include.c --- */
/* False after an error was told at item of the including file, or without a
 * place when item is NULL. */
bool	source_open(struct reader *r, const char *name, const cJSON *item,
	    struct source *out);
typedef void include_fn(struct reader *r, void *arg, cJSON *child);
/* Relative to the folder of the file that is being read. */
const char *path_beside(struct reader *r, const char *to);
/* The names of a folder's *.json, sorted; -errno.  The caller frees each, and
 * the array. */
int	list_folder(const char *name, struct dirent ***out);
/* At item of the including file, or about the file itself. */
void	tell_file(struct reader *r, const char *name, const cJSON *item,
	    const char *what);
/* Calls fn for every child of every file named; the child is the callee's. */
void	read_include(struct reader *r, const cJSON *value, include_fn *fn,
	    void *arg);

/* --- config_ids.c --- */
void	identity_of(struct reader *r, const struct draft *d,
	    struct identity *out);

/* --- config_registry.c --- */
void	config_free_registries(struct config_options *o);

/* --- config_service.c --- */
/* Where one of otpd's own programs is. */
const char *own_program(struct reader *r, const char *name);
void	env_set(struct reader *r, struct env *env, const char *name,
	    const char *value);
void	env_apply(struct reader *r, struct env *env, const cJSON *object);
struct service *build_service(struct reader *r, const struct draft *d,
	    const struct scope *scope);

/* --- config_source.c --- */
/* In the source of a child started at run time: its supervisor's path. */
#define SOURCE_PARENT	"supervisor"
/* ...and what it is called there, unless that is its id. */
#define SOURCE_NAME	"as"
/* The child alone, with what it inherits written out.  Caller frees. */
char	*build_source(struct reader *r, const struct draft *d,
	    const struct scope *scope);
/* Of a supervisor: only what its children inherit; or NULL. */
char	*build_scope_source(const struct draft *sup,
	    const struct scope *scope);

#endif /* OTPD_ENGINE_CONFIG_READ_H */
