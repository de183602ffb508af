/* SPDX-License-Identifier: ISC */
/* The parts of the logger's tests that stand in files of their own. */
#ifndef OTPD_TESTS_TEST_LOGGER_H
#define OTPD_TESTS_TEST_LOGGER_H

#include <check.h>

TCase	*tcase_end(void);
TCase	*tcase_rotate(void);
TCase	*tcase_faults(void);
TCase	*tcase_follow(void);

#endif /* OTPD_TESTS_TEST_LOGGER_H */
