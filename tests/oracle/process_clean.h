/* SPDX-License-Identifier: ISC */
/*
 * Whose child a process is, and an end to all that are children of this one.
 */
#ifndef OTPD_TESTS_PROCESS_CLEAN_H
#define OTPD_TESTS_PROCESS_CLEAN_H

#include <sys/types.h>

/* The parent of the process of this number, as /proc says; -1. */
pid_t	clean_parent_of(const char *pid);
/* Sends SIGKILL to every child of ours; how many there were. */
unsigned clean_kill_children(void);
/* Until there is none, orphans included. */
void	clean_kill_all(void);

#endif /* OTPD_TESTS_PROCESS_CLEAN_H */
