/* SPDX-License-Identifier: ISC */
/*
 * The snapshot: a journal of keyed records in one of two memfds that the
 * spawner holds.  A batch counts once its commit is written; a checkpoint
 * writes all there is into the other memfd, so that one whole snapshot always
 * stands.  What the records mean is their writers' affair.
 */
#ifndef OTPD_ENGINE_STORE_H
#define OTPD_ENGINE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_type {		/* 1 is the commit mark */
	STORE_ENGINE = 2,	/* one: struct engine_record */
	STORE_CORE,		/* the core's own records */
	STORE_CHILD,		/* by slot: struct child_record and strings */
	STORE_DYNAMIC,		/* by slot: a child's specification as JSON */
	STORE_NAME,		/* by number: struct name_record, the name */
	STORE_WATCH,		/* by number: struct watch_record */
	STORE_NOTE,		/* pid and text of a message nobody's yet */
	STORE_REGISTRY,		/* by number, as those below: a registry, */
	STORE_ENTRY,		/* what is in it; see registry_save.c */
	STORE_META,
	STORE_LOCK,
	STORE_PLAN,		/* by number: struct plan_record, steps */
	STORE_APP_ENV,		/* by number: application, key, JSON */
	STORE_FORGOTTEN,	/* by log key: the path of a child that went */
	STORE_LETTER		/* by number: struct letter_record, payload */
};

struct store;
typedef int store_load_fn(void *arg, enum store_type type, uint64_t key,
	    const void *data, size_t len);

/* The descriptors are borrowed.  Reads nothing yet. */
struct store	*store_new(int fd0, int fd1);
void		 store_free(struct store *s);

/*
 * Hand over the last of every key that was committed, in no order.  1 when
 * there was a snapshot, 0 when there is none, negative errno, or what fn
 * returned.
 */
int	store_load(struct store *s, store_load_fn *fn, void *arg);
/* The same as it stood one commit earlier, where that can be told. */
int	store_load_before(struct store *s, store_load_fn *fn, void *arg);

/* Part of the next commit; no bytes: the key is deleted. */
void	store_put(struct store *s, enum store_type type, uint64_t key,
	    const void *data, size_t len);
/* 0 or negative errno; then the next commit is a checkpoint. */
int	store_commit(struct store *s);
/* The journal has grown: put everything between begin and commit. */
bool	store_wants_checkpoint(const struct store *s);
void	store_begin_checkpoint(struct store *s);

#endif /* OTPD_ENGINE_STORE_H */
