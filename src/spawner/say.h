/* SPDX-License-Identifier: ISC */
/*
 * The few lines that otpd itself has for people.  No stdio, no heap.
 */
#ifndef OTPD_SPAWNER_SAY_H
#define OTPD_SPAWNER_SAY_H

#define SAY_NUMBER	24	/* room for a number in decimal */

/* Writes "otpd: ", the parts (strings), and a newline to fd, at once. */
#define SAY(fd, ...) \
	say_parts((fd), (const char *const[]){ __VA_ARGS__, NULL })
void	say_parts(int fd, const char *const *parts);
/* n in decimal, in buf of SAY_NUMBER bytes; returns where it starts. */
const char *say_number(long n, char *buf);

#endif /* OTPD_SPAWNER_SAY_H */
