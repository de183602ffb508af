/* SPDX-License-Identifier: ISC */
/*
 * The command line of otpd and the defaults of what it does not say.
 */
#ifndef OTPD_SPAWNER_OPTIONS_H
#define OTPD_SPAWNER_OPTIONS_H

#include "spawner/state.h"

/* -1: go on; otherwise the code to exit with, everything said. */
int	options_parse(int argc, char **argv, struct options *out);

#endif /* OTPD_SPAWNER_OPTIONS_H */
