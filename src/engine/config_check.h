/* SPDX-License-Identifier: ISC */
/*
 * otp-engine -n: look at a configuration, change nothing.
 */
#ifndef OTPD_ENGINE_CONFIG_CHECK_H
#define OTPD_ENGINE_CONFIG_CHECK_H

#include <stdbool.h>

/* 0, silently, when the configuration is right; 1 after its errors were
 * written to stderr.  Not quiet, what will not start here is written, too. */
int	config_check_main(const char *file, const char *runtime_dir,
	    bool quiet);

#endif /* OTPD_ENGINE_CONFIG_CHECK_H */
