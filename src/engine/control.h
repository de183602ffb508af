/* SPDX-License-Identifier: ISC */
/*
 * What the requests' handlers share: who asks, how to read the request and how
 * to refuse it.  A handler answers with engine_reply(), now or later.
 */
#ifndef OTPD_ENGINE_CONTROL_H
#define OTPD_ENGINE_CONTROL_H

#include <cjson/cJSON.h>

#include "engine/engine.h"

struct caller {
	server_peer	 peer;
	uint64_t	 ref;
	const cJSON	*request;
	uint32_t	 len;		/* of its text */
};

typedef void op_fn(struct engine *e, const struct caller *c);

void	control_refuse(struct engine *e, const struct caller *c,
	    const char *error, const char *format, ...)
	    __attribute__((format(printf, 4, 5)));
void	control_denied(struct engine *e, const struct caller *c);
void	control_ok(struct engine *e, const struct caller *c);
const char *control_string(const struct caller *c, const char *key);
bool	control_is_true(const struct caller *c, const char *key);
/* A string that has to be there; NULL: refused. */
const char *control_needed(struct engine *e, const struct caller *c,
	    const char *key);
/* false: refused, with the error `missing` when nothing is there. */
bool	control_place(struct engine *e, const struct caller *c,
	    const char *path, const char *missing, uint32_t *out);

/* A call of the core, whose answer is the caller's; path: what it says. */
void	control_call_core(struct engine *e, const struct caller *c,
	    struct core_call *call, const char *path);

/* bounds.c: may it wait for its answer?  False: refused. */
bool	control_may_wait(struct engine *e, const struct caller *c);
/* The same of the start of an application. */
bool	control_may_plan(struct engine *e, const struct caller *c);
op_fn	op_waits;

/* ops_call.c: OTP's calls and the operator's */
op_fn	op_start, op_stop, op_restart, op_start_child, op_terminate_child,
	op_restart_child, op_delete_child, op_which_children,
	op_count_children;
/* ops_apps.c, apps_env.c: applications */
op_fn	op_apps, op_app_start, op_app_stop, op_app_restart, op_get_env,
	op_set_env;
/* ops_partition.c */
op_fn	op_partition;
/* ops_task.c */
op_fn	op_task_supervisor;
/* ops_registry.c: false when it is no request to a registry */
bool	registry_op(struct engine *e, const struct caller *c,
	    const char *name);
/* ops_ask.c: questions */
op_fn	op_status, op_why, op_failed, op_info, op_signal, op_wait, op_sync,
	op_events;
/* upgrade.c */
op_fn	op_upgrade;
/* link_ops.c: names, and why somebody is gone */
/* rung.c: the hold, and its end */
op_fn	op_held, op_resume;
op_fn	op_register, op_unregister, op_whereis, op_why_down;

#endif /* OTPD_ENGINE_CONTROL_H */
