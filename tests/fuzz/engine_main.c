/* SPDX-License-Identifier: ISC */
/* The engine's main program as a function of the fuzz target. */
int	otp_engine_main(int argc, char **argv);

#define main	otp_engine_main
#include "engine/main.c"
