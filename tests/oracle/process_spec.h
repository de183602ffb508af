/* SPDX-License-Identifier: ISC */
/* A scenario's words as otpd's configuration. */
#ifndef OTPD_TESTS_PROCESS_SPEC_H
#define OTPD_TESTS_PROCESS_SPEC_H

#include "process_rig.h"

/* A child of the scenario as a child specification. */
cJSON	*spec_child(const struct rig *r, const cJSON *from);
/* The whole tree as a configuration; the caller frees it. */
char	*spec_config(const struct rig *r, const cJSON *tree);

#endif /* OTPD_TESTS_PROCESS_SPEC_H */
