/* SPDX-License-Identifier: ISC */
/*
 * What must be true of an otpd at rest, whatever died: asked of its engine, of
 * the kernel and of the workers' own notes.
 */
#ifndef OTPD_TESTS_CRASH_WORLD_H
#define OTPD_TESTS_CRASH_WORLD_H

#include "oracle/process_rig.h"

/*
 * Fails the rig unless every child that is said to run does so exactly once,
 * below otpd, with its environment and limits and without a descriptor too
 * many; nobody else runs there, and nobody ever ran twice.
 */
void	world_check(struct rig *r);
/* Fails the rig unless every permanent one among them runs that was not stopped
 * by an order. */
void	world_all_run(struct rig *r, const cJSON *children);
/* The tree: a line a child, with all that a crash of the engine must not
 * change.  The caller frees. */
char	*world_tree(struct rig *r);
/* How often each worker was started, as the workers wrote it down. */
char	*world_starts(struct rig *r);
/* The process of the child; 0. */
pid_t	world_pid(struct rig *r, const char *path);
const char *world_string(const cJSON *object, const char *key);

#endif /* OTPD_TESTS_CRASH_WORLD_H */
