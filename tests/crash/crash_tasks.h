/* SPDX-License-Identifier: ISC */
/*
 * Tasks whose programs are DIR/task.PID, so that their ids tell their owner.
 */
#ifndef OTPD_TESTS_CRASH_TASKS_H
#define OTPD_TESTS_CRASH_TASKS_H

#include <stddef.h>
#include <sys/types.h>

#include <otp.h>

/* $SERVICE by that name.  0 or -1. */
int	tasks_program(const char *dir, char *out, size_t size);
/* The pid of the owner of the child of this path; 0. */
pid_t	tasks_owner(const char *path);
/* An engine has died over a start, and nobody knows whether there is one:
 * ends all of this process. */
void	tasks_tidy(struct otp *o);

#endif /* OTPD_TESTS_CRASH_TASKS_H */
