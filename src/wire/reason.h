/* SPDX-License-Identifier: ISC */
/*
 * Exit reasons: one vocabulary for the core, events, DOWN, EXIT, status and
 * the errors of calls.  A reason is a short text term: normal, shutdown,
 * {shutdown,T}, {exit,N}, {exit,unknown}, {signal,SIGSEGV},
 * {signal,SIGSEGV,core}, killed, {start,Words}, {timeout,What}, watchdog,
 * noproc, noconnection or a worker's own.  What class it is of is decided here
 * and nowhere else.
 */
#ifndef OTPD_WIRE_REASON_H
#define OTPD_WIRE_REASON_H

#include <stdbool.h>
#include <stddef.h>

#define REASON_MAX	256	/* bytes, the NUL included */

enum reason_class { REASON_NORMAL, REASON_SHUTDOWN, REASON_ABNORMAL };

enum reason_class reason_class(const char *reason);
/*
 * The reason of a process that ended with this wait status.  asked: it was
 * sent SIGTERM by its supervisor, so dying of that (or exit 143) is shutdown.
 * A status that is no end is one that nobody saw: {exit,unknown}.
 */
void	reason_from_status(int status, bool asked, char out[REASON_MAX]);
/* As {start,"exec /usr/sbin/nginx: no such file or directory"}. */
void	reason_start(const char *words, char out[REASON_MAX]);
/* 1..REASON_MAX-1 printable ASCII bytes? */
bool	reason_valid(const char *text, size_t len);
/* "was killed by signal SIGSEGV (core dumped)": what people read. */
void	reason_words(const char *reason, char *out, size_t size);
/* The exit code that stands for it: 0, N, 128+signal, 1. */
int	reason_code(const char *reason);
/* SIGSEGV; "SIG42" for one without a name: until this thread asks
 * again. */
const char *reason_signal_name(int sig);
/* 15 for "TERM", "SIGTERM" or "15"; -EINVAL. */
int	reason_signal_number(const char *name);

#endif /* OTPD_WIRE_REASON_H */
