/* SPDX-License-Identifier: ISC */
/*
 * otp-engine -n: look at a configuration, change nothing.
 */
#ifndef OTPD_ENGINE_CONFIG_CHECK_H
#define OTPD_ENGINE_CONFIG_CHECK_H

/* 0, silently, when the configuration is right; 1 after its errors were
 * written to stderr. */
int	config_check_main(const char *file, const char *runtime_dir);

#endif /* OTPD_ENGINE_CONFIG_CHECK_H */
