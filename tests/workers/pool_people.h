/* SPDX-License-Identifier: ISC */
/*
 * A pool "db" under otpd, and those who borrow from it.
 */
#ifndef OTPD_TESTS_POOL_PEOPLE_H
#define OTPD_TESTS_POOL_PEOPLE_H

#include <stdint.h>
#include <sys/types.h>

#include "workers/house.h"

#define PATH		OTP_WORKER_MAX

enum figure { FREE, OVERFLOW, HELD, WAITING };

/* more: members of its specification, each with a comma behind it. */
void	pool_house(struct house *h, const char *test, const char *more);
/* A connection of its own. */
struct otp *person(struct house *h);
/* The path of a worker that is had at once, or within a start. */
const char *takes(struct house *h, struct otp *o);
void	gives(struct house *h, struct otp *o, const char *worker);
struct otp_pool_status status(struct house *h, struct otp *o);
/* What others do is there by and by: ask until it is. */
void	until(struct house *h, enum figure f, uint32_t wanted);
/* How it stands. */
void	is(struct house *h, struct otp *o, enum otp_pool_state state,
	    uint32_t free, uint32_t overflow, uint32_t held);
/* A place in the queue that is not waited at; the queue has n then. */
uint64_t queues(struct house *h, struct otp *o, uint32_t n);
/* What it brought: the worker's path. */
const char *served(struct house *h, struct otp *o, uint64_t ref);

/* A process that takes n workers, says so to told unless that is -1, and waits
 * to be killed. */
pid_t	holder(struct house *h, int n, int told);
void	kills(pid_t pid);
void	kill_worker(struct house *h, const char *path);

#endif /* OTPD_TESTS_POOL_PEOPLE_H */
