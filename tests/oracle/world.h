/* SPDX-License-Identifier: ISC */
/*
 * A world for the core to act in: processes that are only entries of a table,
 * and a clock that jumps to whatever comes next.
 */
#ifndef OTPD_TESTS_ORACLE_WORLD_H
#define OTPD_TESTS_ORACLE_WORLD_H

#include <cjson/cJSON.h>

#include "core/core.h"
#include "oracle/scenario.h"

struct world;

struct world	*world_new(void);
void	 world_free(struct world *w);
struct core *world_core(struct world *w);
uint64_t world_now(const struct world *w);

/* Queue outcomes (ok, error, ignore, hold) for the next starts of an id. */
void	 world_arm(struct world *w, const char *id, const cJSON *modes);
void	 world_hold_next(struct world *w, const char *id);
void	 world_boot(struct world *w, struct core_spec *root);
void	 world_wait(struct world *w, uint64_t ms);

/* End a process; false if there is none.  reason is a word of the steps. */
bool	 world_exit(struct world *w, const char *id, const char *reason);
/* Make a call and return its id. */
uint64_t world_call(struct world *w, struct core_call *call);
/* Let everything happen that can; a start that is held stays so. */
void	 world_settle(struct world *w);
/* The held start fails now. */
void	 world_release(struct world *w);

/* The result word of a finished call; text for which and count. */
char	*world_result(struct world *w, uint64_t call);
/* The rows of a finished which, as an array of strings. */
cJSON	*world_rows(struct world *w, uint64_t call);
cJSON	*world_counts(struct world *w, uint64_t call);
/* The slot of a living supervisor of that id, or CORE_NONE. */
uint32_t world_supervisor(struct world *w, const char *id);
/* Did an instance of that name ever run? */
bool	 world_knows_instance(struct world *w, const char *id);
/* What happened since the last time, normalised. */
cJSON	*world_events(struct world *w, int nsorted);

#endif /* OTPD_TESTS_ORACLE_WORLD_H */
