/* SPDX-License-Identifier: ISC */
/*
 * Applications: children of the root that are started in the order of need and
 * whose own end may end everything.  Starting several is a plan, carried out
 * step by step at the end of turns, and kept across engines.
 */
#ifndef OTPD_ENGINE_APPS_H
#define OTPD_ENGINE_APPS_H

#include <cjson/cJSON.h>

#include "engine/engine.h"

enum plan_kind {
	PLAN_BOOT,		/* what starts with otpd */
	PLAN_RELOAD,		/* what is new */
	PLAN_START,		/* one and what it needs, or none of it */
	PLAN_ALONE,		/* one; what it needs must run */
	PLAN_RESTART		/* as START, the last one anew */
};

/* --- apps.c --- */
/* The slot of an application, or CORE_NONE. */
uint32_t app_slot(struct engine *e, const char *name);
uint32_t app_first(struct engine *e);	/* in the order of need */
uint32_t app_next(struct engine *e, uint32_t slot);
uint32_t app_of(struct engine *e, uint32_t slot);	/* that it is part of */
/* Its properties; the caller deletes.  NULL: it is none. */
cJSON	*app_properties(struct engine *e, uint32_t slot);
enum core_state app_state(struct engine *e, uint32_t slot);
bool	app_runs(struct engine *e, uint32_t slot);
/* Everything ends with it: it is permanent or transient. */
bool	app_is_vital(struct engine *e, uint32_t slot);
/* ...and does so now. */
void	app_ends_all(struct engine *e, uint32_t slot, const char *how,
	    const char *reason);
/* The first that it needs and that does not run, in out; false: all run. */
bool	app_lacks(struct engine *e, uint32_t slot, char *out, size_t size);
/* The top of an application is about to end by itself; it has ended. */
void	apps_ending(struct engine *e, uint32_t slot);
void	apps_ended(struct engine *e, uint32_t slot, const char *reason);

/* --- apps_plan.c --- */
/* Asked for by peer, 0 nobody; first: a name, NULL for all that start with
 * otpd. */
void	apps_plan(struct engine *e, enum plan_kind kind, const char *name,
	    server_peer peer, uint64_t ref);
/* A reload is about to bring this; the core has it: what is new starts. */
void	apps_note_new(struct engine *e, const struct core_spec *root);
void	apps_plan_new(struct engine *e);
/* It has converged; true: answered when what is new has started, too. */
bool	apps_reloaded(struct engine *e, server_peer peer, uint64_t ref);
/* The core's answer to a plan's call. */
void	apps_answer(struct engine *e, uint64_t call, enum core_result result);
/* Go on with what is planned; at the end of a turn. */
void	apps_step(struct engine *e);
bool	apps_busy(const struct engine *e);
bool	apps_awaited(const struct engine *e, server_peer peer, uint64_t ref);
void	apps_closed(struct engine *e, server_peer peer);
void	apps_save_all(struct engine *e);
void	apps_restore(struct engine *e, uint64_t key, const char *record,
	    size_t len);
void	apps_free(struct engine *e);

/* --- apps_env.c --- */
void	app_env_save_all(struct engine *e);
void	app_env_restore(struct engine *e, uint64_t key, const char *record,
	    size_t len);
/* What was set for applications that are no more is forgotten. */
void	app_env_sweep(struct engine *e);
void	app_env_free(struct engine *e);

#endif /* OTPD_ENGINE_APPS_H */
