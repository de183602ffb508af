/* SPDX-License-Identifier: ISC */
/*
 * Registries: keys of any bytes to the processes that registered them, with a
 * value each.  They live in the engine, so that no process of theirs can die
 * alone; an entry goes with its process, in one commit with the news of that.
 *
 * A registration, a lookup and a removal cost O(1) whatever else is held; what
 * a turn has changed is all that its snapshot writes.
 */
#ifndef OTPD_ENGINE_REGISTRY_H
#define OTPD_ENGINE_REGISTRY_H

#include "engine/engine.h"

#define REGISTRY_KEY_MAX	1024U
#define REGISTRY_VALUE_MAX	4096U
#define REGISTRY_ENTRIES	1000000U	/* unless it is configured; and
						 * of all that are not */
#define REGISTRY_BYTES_MAX	(512ULL * 1024 * 1024)	/* of all of them */
#define REGISTRY_META_MAX	256U
#define REGISTRY_LOCKS_MAX	65536U		/* held and waited for */
#define REGISTRIES_MAX		1024U

struct bytes { const char *data; size_t len; };

/* The lists that an entry stands in, the earliest first. */
enum registry_list { OF_KEY, OF_OWNER, OF_ALL, REGISTRY_NLISTS };

struct registry_entry {
	struct registry_entry *prev[REGISTRY_NLISTS];	/* the first's: last */
	struct registry_entry *next[REGISTRY_NLISTS];	/* the last's: NULL */
	struct registry_key *key;
	uint64_t	 id;		/* counts up; its key in the snapshot */
	uint32_t	 slot;		/* whose it is */
	uint32_t	 call;		/* that made it, as its owner counts */
	uint32_t	 value_len;
	char		*value;		/* NUL behind it; NULL: none */
};

struct registry_key {		/* as long as it has entries */
	struct registry_key *next;	/* in its bucket */
	struct registry	*registry;
	struct registry_entry *first;
	uint32_t	 hash, n, len;
	char		 data[];	/* and a NUL */
};

struct registry_meta {
	struct registry_meta *next;
	uint64_t	 id;
	uint32_t	 key_len, value_len;
	char		 data[];	/* the key, then the value */
};

struct registry_lock {		/* held, and those who wait for it */
	struct registry_lock *next;	/* held in this registry */
	struct registry_lock *queue;	/* the next in line */
	struct registry	*registry;
	uint64_t	 id;		/* while it is held */
	server_peer	 peer;		/* who waits, to be answered */
	uint64_t	 ref;
	uint32_t	 slot, call;
	uint32_t	 len;
	char		 data[];
};

struct registry {
	struct registry	*next;
	char		*name;
	uint64_t	 id;
	bool		 unique;
	bool		 configured;
	uint32_t	 max_entries;
	uint32_t	 n, nkeys, nmetas;
	uint32_t	 nbuckets;	/* a power of two, or 0 */
	struct registry_key **buckets;
	struct registry_entry *first;
	struct registry_entry *cursor;	/* the last one handed out, if any */
	char		**listeners;	/* names */
	uint32_t	 nlisteners;
	struct registry_meta *metas;
	struct registry_lock *locks;
};

/* --- registry.c: what is held --- */
struct registry *registry_find(struct engine *e, const char *name);
/* NULL: there are too many. */
struct registry *registry_make(struct engine *e, const char *name,
	    bool unique);
void	registry_drop(struct engine *e, struct registry *r);
void	registry_set_listeners(struct registry *r, char *const *names,
	    uint32_t n);
struct registry_key *registry_key(const struct registry *r, struct bytes key);
/* Nobody is asked: NULL when it, or all of them, are full. */
struct registry_entry *registry_add(struct engine *e, struct registry *r,
	    uint32_t slot, struct bytes key, struct bytes value);
/* false: full. */
bool	registry_set_value(struct engine *e, struct registry_entry *entry,
	    struct bytes value);
void	registry_remove(struct engine *e, struct registry_entry *entry);
/* The process has ended: nothing of it is found from now on. */
void	registry_ended(struct engine *e, uint32_t slot);
void	registries_free(struct engine *e);
/* As the configuration wants them. */
void	registries_configure(struct engine *e,
	    const struct config_options *options);

/* --- ops_registry.c --- */
/* "via:REGISTRY:KEY", the key percent-encoded: who has it.  0, -ENOENT;
 * -EINVAL: no key of this registry, or nothing like it, is an address. */
int	registry_via(struct engine *e, const char *address, uint32_t *out);

/* --- registry_meta.c --- */
struct registry_meta *registry_meta(const struct registry *r,
	    const char *key);
/* No data: it is deleted.  false: full. */
bool	registry_put_meta(struct engine *e, struct registry *r,
	    const char *key, struct bytes value);
/* 0: it is held now; 1: it will be answered; -EDEADLK, -ENOBUFS. */
int	registry_take_lock(struct engine *e, struct registry *r,
	    const struct registry_lock *who, struct bytes key);
/* Held or waited for: it is no more. */
void	registry_give_lock(struct engine *e, struct registry *r,
	    uint32_t slot, struct bytes key);
void	registry_locks_ended(struct engine *e, uint32_t slot);

/* --- registry_save.c: in the snapshot --- */
void	registry_save(struct engine *e, const struct registry *r);
void	registry_save_entry(struct engine *e, const struct registry_entry *x);
void	registry_save_meta(struct engine *e, const struct registry *r,
	    const struct registry_meta *m);
void	registry_save_lock(struct engine *e, const struct registry_lock *l);
void	registry_forget(struct engine *e, enum store_type type, uint64_t id);
void	registries_save_all(struct engine *e);
/* One record of these types; false: it is not one of them. */
bool	registry_restore(struct engine *e, const struct saved_record *saved);
/* Put back what was there, as these do. */
struct registry_entry *registry_put_entry(struct engine *e,
	    struct registry *r, uint32_t slot, struct bytes key,
	    struct bytes value, uint64_t id);
struct registry_meta *registry_new_meta(struct engine *e,
	    struct registry *r, struct bytes key, struct bytes value,
	    uint64_t id);
struct registry_lock *registry_new_lock(struct engine *e, struct registry *r,
	    uint32_t slot, struct bytes key, uint64_t id);

#endif /* OTPD_ENGINE_REGISTRY_H */
