/* SPDX-License-Identifier: ISC */
/*
 * The rooms of the probe: what it can be told to do.
 */
#ifndef OTPD_TESTS_PROBE_H
#define OTPD_TESTS_PROBE_H

#include <cjson/cJSON.h>
#include <otp.h>

typedef int probe_fn(struct otp *self, struct otp_from from,
	    const cJSON *request);
struct probe_command { const char *name; probe_fn *fn; };

extern const struct probe_command registry_commands[];	/* ends with NULL */

const char *text_of(const cJSON *request, const char *key);
int	number_of(const cJSON *request, const char *key);
void	answer(struct otp *self, struct otp_from from, cJSON *object);
/* {"rc":rc,"reason":...}, and "ref" when there is one. */
int	outcome(struct otp *self, struct otp_from from, int rc, uint64_t ref);
/* Say in one FIFO that it is held, and wait for the other. */
void	hold(void);
/* Counted whenever a DOWN comes: what is left below "PATH/"; "": nothing. */
extern char watched_registry[64];

#endif /* OTPD_TESTS_PROBE_H */
