/* SPDX-License-Identifier: ISC */
/*
 * The programs of contrib/examples, run alone at a socket or as otpd would
 * run them, and a caller.
 */
#ifndef OTPD_UNIT_EXAMPLES_RIG_H
#define OTPD_UNIT_EXAMPLES_RIG_H

#include <stdint.h>
#include <sys/types.h>

#include "libotp/otp.h"

#define PROGRAMS_MAX	4
#define PATIENCE_MS	5000

struct program {
	pid_t	pid;
	char	socket[64];
	int	engine;			/* the other end of its link, or -1 */
};

extern char dir[32];			/* of a test */
extern struct otp *caller;
extern struct program programs[PROGRAMS_MAX];

void	examples_start(void);		/* fixtures */
void	examples_end(void);
void	nap(int ms);

/* words: the program and its arguments, up to NULL. */
struct program *run(const char *const *words);
#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })
struct program *run_linked(const char *const *words);
struct program *place(void);		/* a socket without a program */
void	revive(struct program *p, const char *const *words);
int	ended(struct program *p);	/* wait for it: exit code, 128+N */

/* The reply, or why there is none, until the next. */
const char *ask(const struct program *p, const char *request);
/* Ask until that is the reply; when it was asked. */
uint64_t await_reply(const struct program *p, const char *request,
	    const char *wanted);
#define EXPECT(p, request, wanted) \
	ck_assert_str_eq(ask(p, request), wanted)

#endif /* OTPD_UNIT_EXAMPLES_RIG_H */
