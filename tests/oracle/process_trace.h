/* SPDX-License-Identifier: ISC */
/*
 * From otpd's events to the words of a recorded trace, and the comparison of
 * two traces.
 */
#ifndef OTPD_TESTS_PROCESS_TRACE_H
#define OTPD_TESTS_PROCESS_TRACE_H

#include <stdbool.h>

#include <cjson/cJSON.h>

/*
 * ["start a", "stop b killed", ...] of these event objects.  scenario says
 * who is whose: the first `parallel` stops, and those that follow each other
 * in one simple_one_for_one supervisor, come sorted.
 */
cJSON	*trace_events(const cJSON *scenario, const cJSON *events, int parallel);
/* Every supervisor named in the tree, then in the specs of the steps. */
cJSON	*trace_supervisors(const cJSON *scenario);
bool	 trace_is_simple(const cJSON *scenario, const char *sup);
/* Print where they part; how many places. */
unsigned trace_diff(const char *name, const cJSON *expected,
	    const cJSON *got);

#endif /* OTPD_TESTS_PROCESS_TRACE_H */
