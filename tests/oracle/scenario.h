/* SPDX-License-Identifier: ISC */
/*
 * A scenario of the oracle: its tree of supervisors and workers as
 * specifications of the core.
 */
#ifndef OTPD_TESTS_ORACLE_SCENARIO_H
#define OTPD_TESTS_ORACLE_SCENARIO_H

#include <cjson/cJSON.h>

#include "core/core.h"

/* The user of a worker's specification; supervisors have none. */
struct behaviour {
	struct behaviour *next;
	const char	*on_stop;	/* obey, ignore, slow:MS, ... */
};

/* Of a child in `tree` or of the `spec` of a step; owned by the caller. */
struct core_spec *scenario_spec(const cJSON *child);
/* An instance of the simple_one_for_one supervisor `sup` of a tree. */
struct core_spec *scenario_instance(const cJSON *sup, const char *name);
/* The nodes, not the users. */
void	scenario_free(struct core_spec *spec);
/* Every user there is. */
void	scenario_free_behaviours(void);

/* A member's text, or what is given when there is none. */
const char *scenario_text(const cJSON *object, const char *key,
	    const char *otherwise);

#endif /* OTPD_TESTS_ORACLE_SCENARIO_H */
