/* SPDX-License-Identifier: ISC */
/*
 * Memory for one large answer: cJSON makes tens of thousands of small pieces
 * of it, none of which is given back before the program ends.
 */
#ifndef OTPD_OTPCTL_ARENA_H
#define OTPD_OTPCTL_ARENA_H

/* From here on cJSON's memory is never freed; for commands with one answer. */
void	arena_use(void);

#endif /* OTPD_OTPCTL_ARENA_H */
