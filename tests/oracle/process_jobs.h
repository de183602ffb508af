/* SPDX-License-Identifier: ISC */
/* Many cases at once, each in a process of its own. */
#ifndef OTPD_TESTS_PROCESS_JOBS_H
#define OTPD_TESTS_PROCESS_JOBS_H

/* Called in the new process; its exit code: 0 passed. */
typedef int job_fn(const char *file);

/*
 * Run fn for each path, and for each *.json in those that are directories,
 * `jobs` at a time.  Prints how many passed; returns how many failed.
 */
unsigned jobs_run(char *const *paths, job_fn *fn, unsigned jobs);

#endif /* OTPD_TESTS_PROCESS_JOBS_H */
