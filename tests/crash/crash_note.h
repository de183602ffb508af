/* SPDX-License-Identifier: ISC */
/*
 * What the workers of the crash tests write down at their start.
 */
#ifndef OTPD_TESTS_CRASH_NOTE_H
#define OTPD_TESTS_CRASH_NOTE_H

/* DIR/WHAT + OF, with these flags and CLOEXEC; its descriptor or -1. */
int	note_open(const char *dir, const char *what, const char *of,
	    int flags);
/*
 * A line in DIR/starts: "start ID", or "double ID" when another copy holds
 * DIR/lock.ID, which stays locked as long as this process lives.  0 or -1.
 */
int	note_start(const char *dir, const char *id);

#endif /* OTPD_TESTS_CRASH_NOTE_H */
