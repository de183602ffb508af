/* SPDX-License-Identifier: ISC */
/*
 * An engine and a logger that say what a test wants, for the real otpctl to
 * ask; and a way to run that and catch what it prints.
 */
#ifndef OTPD_TESTS_OTPCTL_FAKE_H
#define OTPD_TESTS_OTPCTL_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fake {
	/* {"op": reply}; a reply that is an array is sent as INFOs, strings
	 * raw, then {}.  "@-90" in it becomes the time 90 s ago. */
	const char	*answers;
	int		 breaks;	/* calls that end the connection */
	int		 breaks_midway;	/* the same after the first INFO */
	bool		 silent;	/* never answers a call */
	const char	*hangs;		/* nor this op, else */
	const char	*until;		/* ...before this one was; or NULL */
	bool		 mute;		/* not even HELLO */
	bool		 garbage;	/* another protocol */
	bool		 no_logger;
	bool		 err_terminal;	/* standard error of otpctl is one */
	/* the fake's own */
	pid_t		 pid;
	int		 listen_fd[2];
	char		 dir[64];
};

struct run {
	char	out[65536], err[8192];
	int	code;		/* 128 + signal when one killed it */
};

void	fake_start(struct fake *f);
void	fake_stop(struct fake *f);
/* Every request so far, one a line; static. */
const char *fake_requests(const struct fake *f);

/* Can there be any?  In a bare chroot there is no /dev/pts. */
bool	has_terminals(void);
/* Run otpctl -r DIR with these words (NULL-ended); terminal: columns of one
 * that is its standard output, 0 for a pipe. */
void	run_otpctl(const struct fake *f, const char *const *words,
	    const char *const *env, unsigned short terminal,
	    const char *input, struct run *out);

#endif /* OTPD_TESTS_OTPCTL_FAKE_H */
