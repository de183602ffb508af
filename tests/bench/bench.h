/* SPDX-License-Identifier: ISC */
/*
 * The bench: starts otpd, the raw loop and, where installed, runit over the
 * same children, in turns, and puts their figures beside each other.
 */
#ifndef OTPD_BENCH_BENCH_H
#define OTPD_BENCH_BENCH_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define WAIT_S		60	/* longest wait for anything */

enum kind { RAW, OTPD, RUNIT, NKINDS };

struct shape {			/* what a subject is to run */
	uint32_t	n;
	uint32_t	group;	/* children a supervisor; 0: all below the
				 * root */
	bool		logs;	/* their output goes to log files */
	bool		crash;	/* child 0 is a crash loop */
	bool		pool;	/* otpd: dynamic_supervisor, and each child
				 * asked for by a request */
	bool		parallel;	/* otpd: stops all at once */
	bool		hush;		/* nobody hears what it complains of */
};

struct subject {		/* something that keeps children */
	enum kind	 kind;
	struct shape	 shape;
	pid_t		 pid;
	char		 dir[64];
	int		 fifo;
	uint64_t	 began_ns;
	pid_t		*pids;		/* of each child, as last heard */
	uint64_t	*at_ns;		/* when it reached main */
};

struct sample {			/* values of one thing, in any unit */
	double	*v;
	size_t	 n, size;
};

/* util.c */
uint64_t now_ns(void);
void	sleep_us(uint64_t us);
void	die(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2), noreturn));
void	sample_add(struct sample *s, double v);
void	sample_clear(struct sample *s);
/* q in [0, 1]; sorts s.  0 for none. */
double	sample_quantile(struct sample *s, double q);
/* Run argv with its output thrown away; the time it took, in us. */
double	time_command(const char *const argv[]);
void	remove_tree(const char *dir);

/* subject.c */
extern const char *kind_names[NKINDS];
extern const char *bin_dir;		/* otpd, otpctl, bench-* */
bool	subject_available(enum kind kind);
/* Start it; returns at once. */
void	subject_start(struct subject *s, enum kind kind,
	    const struct shape *shape);
/* SIGTERM (or sig) and wait until it has ended: the time in us. */
double	subject_stop(struct subject *s, int sig);
/* The path of child i in otpd's tree. */
void	subject_path(const struct subject *s, uint32_t i, char *out,
	    size_t size);
/* Our own processes, children not: pids into out, their number returned. */
size_t	subject_processes(const struct subject *s, pid_t *out, size_t max);

/* pool.c: ask for all children of a pool, one after the other. */
void	pool_fill(const struct subject *s);

/* hear.c: what children tell */
/* Wait at most ms for news, note them, and give each to fn (or NULL). */
typedef void heard_fn(struct subject *s, uint32_t index, pid_t old_pid,
	    uint64_t at_ns, void *arg);
bool	hear(struct subject *s, int ms, heard_fn *fn, void *arg);
/* Until every child has reached main: the latest of the times. */
uint64_t hear_all(struct subject *s);
/* Until child i is another process than pid: its time. */
uint64_t hear_again(struct subject *s, uint32_t i, pid_t pid);

/* Time from the kill of child i to main of the next one, in us. */
double	restart_one(struct subject *s, uint32_t i);
/* The number behind `key` in a file of /proc/PID. */
double	proc_number(pid_t pid, const char *file, const char *key);

/* measure.c, cost.c: one figure each, all that is needed to print it */
void	bench_restart(void);
void	bench_crash_loop(void);
void	bench_start_stop(void);
void	bench_storm(void);
void	bench_massacre(void);
void	bench_memory(void);
void	bench_idle(void);
void	bench_status(void);

/* survival.c */
void	bench_survival(void);
void	bench_upgrade(void);
void	bench_snapshots(void);
void	bench_growth(void);

/* print.c */
extern unsigned	 rounds;
extern uint32_t	 n_max;		/* leave out what needs more children */
void	print_head(const char *title, const char *unit);
void	print_row(const char *what, double raw, double ours, double target);
void	print_other(const char *what, const char *who, double value);
void	print_plain(const char *what, double value, double target);

#endif /* OTPD_BENCH_BENCH_H */
