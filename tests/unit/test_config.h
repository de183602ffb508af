/* SPDX-License-Identifier: ISC */
/*
 * What the tests of the configuration share.
 */
#ifndef OTPD_TESTS_TEST_CONFIG_H
#define OTPD_TESTS_TEST_CONFIG_H

#include <check.h>

#include "engine/config.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

extern const struct config_context cx;

struct config *parse(const char *text);		/* as t.json */
char	*errors_of(const struct config *c);	/* as printed; caller frees */
void	assert_right(const struct config *c, const char *why);
/* want in text; a want that begins with ! must not be. */
void	assert_has(const char *why, const char *text, const char *want);

TCase	*values_tcase(void);
TCase	*forms_tcase(void);

#endif /* OTPD_TESTS_TEST_CONFIG_H */
