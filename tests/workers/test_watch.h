/* SPDX-License-Identifier: ISC */
/*
 * The tests of monitors, links and exit signals: what they let workers do.
 */
#ifndef OTPD_TESTS_TEST_WATCH_H
#define OTPD_TESTS_TEST_WATCH_H

#include <check.h>

#include "workers/house.h"

#define PLAIN	"{\"id\":\"p\",\"start\":[\"/bin/sleep\",\"1000\"]}"

void	links(struct house *h, const char *from, const char *to);
void	traps(struct house *h, const char *id);
/* Whatever the engine has for it has come: nothing. */
void	hears_nothing(struct house *h, const char *id);
/* kill -9, and its end is known. */
void	kill_it(struct house *h, const char *path);

void	add_exit_signals(TCase *t);	/* test_watch_exit.c */

#endif /* OTPD_TESTS_TEST_WATCH_H */
