/* SPDX-License-Identifier: ISC */
/*
 * The tests of registries: a house with registries in it.
 */
#ifndef OTPD_TESTS_TEST_REGISTRY_H
#define OTPD_TESTS_TEST_REGISTRY_H

#include <check.h>

#include "workers/house.h"

/* Probes, and the registries u (unique), d (duplicate), t (duplicate, at most
 * 3 entries), l (unique, the probe "ear" listens). */
void	home(struct house *h, const char *test, const char *ids);
/* A command that gives {"rc":0,...}: the caller deletes. */
cJSON	*good(struct house *h, const char *to, const char *format, ...)
	    __attribute__((format(printf, 3, 4)));
/* How many entries a command gives. */
int	entries(struct house *h, const char *to, const char *format, ...)
	    __attribute__((format(printf, 3, 4)));
/* ... a count. */
int	counted(struct house *h, const char *to, const char *format, ...)
	    __attribute__((format(printf, 3, 4)));
/* kill -9, and its end is known. */
void	end_it(struct house *h, const char *path);

void	add_questions(TCase *t);	/* test_registry_ask.c */

#endif /* OTPD_TESTS_TEST_REGISTRY_H */
