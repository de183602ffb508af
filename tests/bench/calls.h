/* SPDX-License-Identifier: ISC */
/*
 * What the files of bench-calls share: servers and callers of every method, so
 * that libotp and its references are measured by the same lines.
 */
#ifndef OTPD_BENCH_CALLS_H
#define OTPD_BENCH_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libotp/otp.h"

#define ROUNDS_MAX	63	/* of one row */

enum method { OTP, R1, R2, R3, R3_BLOCKING, R4 };
enum place { ANYWHERE, SAME_CORE, TWO_CORES };

struct sample {			/* of one round, of one method */
	double	p50_us, p99_us, per_s, fair;
};

struct caller {
	enum method	 m;
	struct otp	*o;
	int		 fd;
	char		*frame;
	size_t		 len;
};

enum load { WINDOW, CASTS };
enum figure { P50, P99, PER_S, FAIR };

extern char path[64];		/* where the server of the moment listens */
extern int rounds;
extern double scale;		/* of all counts and times */

uint64_t	now_ns(void);
pid_t		start_server(enum method m, enum place where);
void		stop_server(pid_t pid);
void		serve_echo(void) __attribute__((noreturn));	/* libotp */
void		caller_init(struct caller *c, enum method m, size_t len);
void		caller_done(struct caller *c);
void		call_once(struct caller *c);
/* senders processes, n messages each: per_s. */
struct sample	messages(enum method m, enum load load, int senders, long n);

/* calls_report.c */
double		part(double *values, int n, double which);
double		median(const struct sample *s, enum figure f);
/* Whose turn is the k-th: libotp's or that of ref; neither is always first. */
enum method	turn(int k, enum method ref);
/* bound 0: shown, not judged. */
void		report(const char *what, const char *unit, double ours,
		    double theirs, double bound, bool less);
/*
 * The same of rounds side by side: medians, and the median of the ratios of
 * each round, for the machine drifts.  unit: "us", or "k" or "M" a second.
 */
void		compare(const char *what, const char *unit,
		    const struct sample *a, const struct sample *b,
		    enum figure f, double bound, bool less);

/* calls_rest.c */
void	bench_rest(void);
void	bench_paced(void);
void	bench_idle(void);
void	bench_erlang(const char *escript);

#endif /* OTPD_BENCH_CALLS_H */
