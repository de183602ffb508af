/* SPDX-License-Identifier: ISC */
/*
 * Every key of a configuration: where it may stand, what a change of it does
 * to a running child, and what a right value is.  The manual page otpd.json(5)
 * follows this table; a test compares them.  Sorted by name.
 */
#ifndef OTPD_ENGINE_CONFIG_KEYS_H
#define OTPD_ENGINE_CONFIG_KEYS_H

enum key_where {
	KEY_ROOT	= 0x01,
	KEY_SUP		= 0x02,
	KEY_WORKER	= 0x04,
	KEY_TEMPLATE	= 0x08,
	KEY_DYNAMIC	= 0x10,		/* start_child, from a template */
	KEY_LOG		= 0x20,		/* inside of "log" */
	KEY_BACKOFF	= 0x40,
	KEY_FILE	= 0x80,		/* {"file": ...} of stdout, stderr */
	KEY_ALLOW	= 0x100,	/* inside of "allow" */
	KEY_REGISTRY	= 0x200,	/* inside of one of "registries" */
	KEY_APP		= 0x400,	/* an application's file */
	KEY_APPS	= 0x800,	/* inside of "applications" */
	KEY_SUPS	= KEY_ROOT | KEY_SUP,
	KEY_WORKERS	= KEY_WORKER | KEY_TEMPLATE,
	KEY_CHILDREN	= KEY_SUP | KEY_WORKERS,
	KEY_ALL		= KEY_ROOT | KEY_CHILDREN
};

enum key_effect {	/* of a change, at a reload */
	EFFECT_LIVE,		/* at once; the child goes on */
	EFFECT_NEXT,		/* at the next start, restart or stop */
	EFFECT_RESTART		/* the child is restarted */
};

/* X(name, where, effect, function, what a right value is) */
#define CONFIG_KEYS(X)							\
X(allow, KEY_WORKERS | KEY_SUP, EFFECT_RESTART, allow,			\
    "an object of users and groups")					\
X(applications, KEY_ROOT | KEY_APP, EFFECT_LIVE, applications,		\
    "the path of a folder, or an object of folder and env")		\
X(args, KEY_DYNAMIC, EFFECT_RESTART, args, "an array of strings")	\
X(auto_shutdown, KEY_SUPS, EFFECT_LIVE, auto_shutdown,			\
    "\"never\", \"any_significant\" or \"all_significant\"")		\
X(autostart, KEY_APP, EFFECT_NEXT, autostart, "true or false")		\
X(backoff, KEY_CHILDREN, EFFECT_LIVE, backoff,				\
    "an object of min, max and reset in milliseconds")			\
X(children, KEY_SUPS, EFFECT_LIVE, children, "an array of objects")	\
X(compat, KEY_ROOT, EFFECT_NEXT, compat, "\"otp\"")			\
X(cwd, KEY_WORKERS, EFFECT_RESTART, cwd, "an absolute path")		\
X(description, KEY_ALL | KEY_APP, EFFECT_LIVE, description, "a string")	\
X(down, KEY_SUP | KEY_WORKER, EFFECT_NEXT, down, "true or false")	\
X(env, KEY_ALL | KEY_APP | KEY_APPS, EFFECT_RESTART, env,		\
    "an object of strings; null takes a variable away")			\
X(extra_arguments, KEY_SUP, EFFECT_NEXT, extra_arguments,		\
    "an array of strings")						\
X(file, KEY_FILE, EFFECT_RESTART, file, "an absolute path")		\
X(folder, KEY_APPS, EFFECT_LIVE, folder, "the path of a folder")	\
X(group, KEY_WORKERS, EFFECT_RESTART, group,				\
    "the name or number of a group")					\
X(groups, KEY_WORKERS | KEY_ALLOW, EFFECT_RESTART, groups,				\
    "an array of at most 64 names or numbers of groups")		\
X(id, KEY_SUPS | KEY_WORKER | KEY_DYNAMIC | KEY_APP, EFFECT_RESTART, id, \
    "1 to 64 letters, digits, `_`, `.` or `-`, the first no `.` or `-`") \
X(include, KEY_SUPS, EFFECT_LIVE, include,				\
    "the path of a file or folder, or an array of paths")		\
X(keep, KEY_LOG, EFFECT_LIVE, keep, "an integer from 0 to 1000")	\
X(keys, KEY_REGISTRY, EFFECT_LIVE, keys, "\"unique\" or \"duplicate\"") \
X(kind, KEY_WORKERS, EFFECT_RESTART, kind,				\
    "\"plain\" or \"gen_server\"")					\
X(limits, KEY_WORKERS, EFFECT_RESTART, limits,				\
    "an object of limits, such as {\"nofile\": 1024}")			\
X(listeners, KEY_REGISTRY, EFFECT_LIVE, listeners,			\
    "an array of at most 64 names of servers")				\
X(log, KEY_ALL, EFFECT_LIVE, log,					\
    "an object of max_size, keep and timestamp")			\
X(max, KEY_BACKOFF, EFFECT_LIVE, backoff_max,				\
    "milliseconds from 1 to 4294967293")				\
X(max_children, KEY_SUP, EFFECT_LIVE, max_children,			\
    "an integer of 0 or more, or \"infinity\"")				\
X(max_entries, KEY_REGISTRY, EFFECT_LIVE, max_entries,			\
    "an integer from 1 to 100000000")					\
X(max_overflow, KEY_SUP, EFFECT_RESTART, max_overflow,			\
    "an integer from 0 to 100000")					\
X(max_restarts, KEY_SUPS, EFFECT_LIVE, max_restarts,			\
    "an integer of 0 or more, or \"infinity\"")				\
X(max_seconds, KEY_SUPS, EFFECT_LIVE, max_seconds,			\
    "a number of seconds above 0, to the millisecond")			\
X(max_size, KEY_LOG, EFFECT_LIVE, max_size,				\
    "a number of bytes, or a string such as \"10M\"")			\
X(min, KEY_BACKOFF, EFFECT_LIVE, backoff_min,				\
    "milliseconds from 1 to 4294967293")				\
X(name, KEY_WORKER | KEY_SUP, EFFECT_RESTART, name,				\
    "1 to 64 letters, digits, `_`, `.` or `-`, the first no `.` or `-`") \
X(on_otpd_death, KEY_ROOT, EFFECT_NEXT, on_otpd_death,			\
    "\"leave\" or \"kill\"")						\
X(order, KEY_SUP, EFFECT_RESTART, order, "\"lifo\" or \"fifo\"")	\
X(partitions, KEY_SUP, EFFECT_LIVE, partitions,				\
    "an integer from 1 to 4096")					\
X(ready, KEY_WORKERS, EFFECT_RESTART, ready,				\
    "\"exec\", \"notify\" or \"gen_server\"")				\
X(registries, KEY_ROOT, EFFECT_LIVE, registries,			\
    "an object of registries, such as "					\
    "{\"sessions\": {\"keys\": \"unique\"}}")				\
X(reset, KEY_BACKOFF, EFFECT_LIVE, backoff_reset,			\
    "milliseconds from 1 to 4294967293")				\
X(restart, KEY_CHILDREN, EFFECT_NEXT, restart,				\
    "\"permanent\", \"transient\" or \"temporary\"")			\
X(shutdown, KEY_CHILDREN, EFFECT_NEXT, shutdown,			\
    "milliseconds of 0 or more, \"brutal_kill\" or \"infinity\"")	\
X(significant, KEY_CHILDREN, EFFECT_LIVE, significant, "true or false")	\
X(size, KEY_SUP, EFFECT_RESTART, size, "an integer from 0 to 100000")	\
X(start, KEY_WORKERS, EFFECT_RESTART, start,				\
    "an array of strings, the program first")				\
X(start_timeout, KEY_WORKERS, EFFECT_NEXT, start_timeout,		\
    "milliseconds of 1 or more, or \"infinity\"")			\
X(start_type, KEY_APP, EFFECT_LIVE, start_type,				\
    "\"permanent\", \"transient\" or \"temporary\"")			\
X(stderr, KEY_WORKERS, EFFECT_RESTART, stderr,				\
    "\"log\", \"null\", \"inherit\", \"stdout\" or an absolute path")	\
X(stdout, KEY_WORKERS, EFFECT_RESTART, stdout,				\
    "\"log\", \"null\", \"inherit\" or an absolute path")		\
X(stop_order, KEY_SUPS, EFFECT_LIVE, stop_order,			\
    "\"reverse\" or \"parallel\"")					\
X(stop_signal, KEY_WORKERS, EFFECT_NEXT, stop_signal,			\
    "a signal such as \"TERM\"")					\
X(strategy, KEY_SUPS, EFFECT_LIVE, strategy,				\
    "\"one_for_one\", \"one_for_all\", \"rest_for_one\" or "		\
    "\"simple_one_for_one\"")						\
X(template, KEY_SUPS, EFFECT_NEXT, template,				\
    "an object: a child without `id`")					\
X(timestamp, KEY_LOG, EFFECT_LIVE, timestamp, "true or false")		\
X(tree, KEY_APP, EFFECT_LIVE, tree, "an object: a supervisor without `id`") \
X(type, KEY_ALL, EFFECT_RESTART, type,					\
    "\"worker\", \"supervisor\", \"dynamic_supervisor\", "		\
    "\"partition_supervisor\", \"task_supervisor\" or \"pool\"")		\
X(umask, KEY_WORKERS, EFFECT_RESTART, umask,				\
    "a string of octal digits such as \"022\"")				\
X(user, KEY_WORKERS, EFFECT_RESTART, user, "the name or number of a user") \
X(users, KEY_ALLOW, EFFECT_RESTART, users,				\
    "an array of at most 64 names or numbers of users")			\
X(vsn, KEY_APP, EFFECT_LIVE, vsn, "a string")

#define CONFIG_KEY_ENUM(name, where, effect, fn, want) KEY_##name,
enum config_key { CONFIG_KEYS(CONFIG_KEY_ENUM) KEY_NKEYS };
#undef CONFIG_KEY_ENUM

/* The limits that "limits" knows: name, resource. */
#define CONFIG_LIMITS(X)						\
X(as, AS) X(core, CORE) X(cpu, CPU) X(data, DATA) X(fsize, FSIZE)	\
X(locks, LOCKS) X(memlock, MEMLOCK) X(msgqueue, MSGQUEUE)		\
X(nice, NICE) X(nofile, NOFILE) X(nproc, NPROC) X(rss, RSS)		\
X(rtprio, RTPRIO) X(rttime, RTTIME) X(sigpending, SIGPENDING)		\
X(stack, STACK)

/* Name and properties of a key, for tests and manuals. */
struct config_key_info {
	const char	*name, *want;
	unsigned	 where;
	enum key_effect	 effect;
};
const struct config_key_info *config_key_info(enum config_key key);

#endif /* OTPD_ENGINE_CONFIG_KEYS_H */
