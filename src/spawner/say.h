/* SPDX-License-Identifier: ISC */
/*
 * The few lines that otpd itself has for people.  No stdio, no heap.
 */
#ifndef OTPD_SPAWNER_SAY_H
#define OTPD_SPAWNER_SAY_H

#define SAY_NUMBER	24	/* room for a number in decimal */

/* Writes "otpd: ", the parts up to NULL, and a newline to fd, at once. */
void	say(int fd, const char *part, ...) __attribute__((sentinel));
/* n in decimal, in buf of SAY_NUMBER bytes; returns where it starts. */
const char *say_number(long n, char *buf);

#endif /* OTPD_SPAWNER_SAY_H */
