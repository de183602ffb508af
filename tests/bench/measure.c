/* SPDX-License-Identifier: ISC */
/*
 * How fast: restarts one by one, in a crash loop, in a storm and of all at
 * once; starts and stops of many.  Each figure is the median of the rounds,
 * raw and ours taking turns.
 */
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP	100	/* children a supervisor, where there are many */

static struct shape
shape_of(uint32_t n)
{
	return (struct shape){ .n = n, .group = n > GROUP ? GROUP : 0 };
}

double
restart_one(struct subject *s, uint32_t i)
{
	pid_t pid = s->pids[i];
	uint64_t t0 = now_ns();

	if (kill(pid, SIGKILL) != 0)
		die("child %u is not there", i);
	return (double)(hear_again(s, i, pid) - t0) / 1e3;
}

/* One of n after the other, raw and ours by turns: what else this machine
 * does at the time is the same for both. */
static void
restart_one_by_one(uint32_t n, unsigned count, struct sample us[2])
{
	struct shape shape = shape_of(n);
	struct subject s[2];
	unsigned k;
	int kind;

	for (kind = RAW; kind <= OTPD; kind++) {
		subject_start(&s[kind], kind, &shape);
		hear_all(&s[kind]);
	}
	sleep_us(200000);
	for (k = 0; k < count; k++)
		for (kind = RAW; kind <= OTPD; kind++) {
			sleep_us(5000);
			sample_add(&us[kind],
			    restart_one(&s[kind], (uint32_t)random() % n));
		}
	for (kind = RAW; kind <= OTPD; kind++)
		subject_stop(&s[kind], SIGTERM);
}

/* It starts a service at most once a second. */
static void
restart_runit(void)
{
	struct shape shape = shape_of(1);
	struct sample us = { 0 };
	struct subject s;
	int k;

	subject_start(&s, RUNIT, &shape);
	hear_all(&s);
	for (k = 0; k < 15; k++) {
		sleep_us(1200000);
		sample_add(&us, restart_one(&s, 0));
	}
	subject_stop(&s, SIGTERM);
	print_other("median, of 1 child", "runit", sample_quantile(&us, 0.5));
	free(us.v);
}

void
bench_restart(void)
{
	static const uint32_t ns[] = { 1, 100, 1000, 10000 };
	struct sample us[2] = { 0 };
	double at_100 = 0, ours;
	char what[64];
	size_t i;
	unsigned r;

	print_head("Restart: death of a child to main of the next", "us");
	for (i = 0; i < NITEMS(ns) && ns[i] <= n_max; i++) {
		for (r = 0; r < rounds; r++)
			restart_one_by_one(ns[i], 300, us);
		snprintf(what, sizeof(what), "median, of %u children", ns[i]);
		ours = sample_quantile(&us[OTPD], 0.5);
		print_row(what, sample_quantile(&us[RAW], 0.5), ours, 1.6);
		snprintf(what, sizeof(what), "p99, of %u children", ns[i]);
		print_row(what, sample_quantile(&us[RAW], 0.99),
		    sample_quantile(&us[OTPD], 0.99), 4);
		if (ns[i] == 100)
			at_100 = ours;
		if (ns[i] == 10000)
			print_plain("10,000 to 100, ours", ours / at_100, 1.3);
		sample_clear(&us[RAW]);
		sample_clear(&us[OTPD]);
	}
	if (subject_available(RUNIT))
		restart_runit();
}

struct loop { struct sample period_us; uint64_t last_ns; };

static void
note_period(struct subject *s, uint32_t i, pid_t old, uint64_t at, void *arg)
{
	struct loop *l = arg;

	(void)s;
	(void)old;
	if (i != 0)
		return;
	if (l->last_ns != 0)
		sample_add(&l->period_us, (double)(at - l->last_ns) / 1e3);
	l->last_ns = at;
}

/* From one main to the next of a child that exits as soon as it is there. */
static double
crash_loop(enum kind kind, uint32_t n, unsigned count)
{
	struct shape shape = shape_of(n);
	struct loop l = { 0 };
	struct subject s;
	double us;

	shape.crash = true;
	subject_start(&s, kind, &shape);
	hear_all(&s);
	while (l.period_us.n < count)
		if (!hear(&s, 10000, note_period, &l))
			die("the crash loop has stopped");
	subject_stop(&s, SIGTERM);
	us = sample_quantile(&l.period_us, 0.5);
	free(l.period_us.v);
	return us;
}

void
bench_crash_loop(void)
{
	static const uint32_t ns[] = { 1, 1000 };
	struct sample us[NKINDS] = { 0 };
	char what[64];
	size_t i;
	unsigned r;
	int kind;

	print_head("Crash loop: main to main", "us");
	for (i = 0; i < NITEMS(ns) && ns[i] <= n_max; i++) {
		for (r = 0; r < rounds; r++)
			for (kind = RAW; kind <= OTPD; kind++)
				sample_add(&us[kind],
				    crash_loop(kind, ns[i], 2000));
		snprintf(what, sizeof(what), "median, beside %u others",
		    ns[i] - 1);
		print_row(what, sample_quantile(&us[RAW], 0.5),
		    sample_quantile(&us[OTPD], 0.5), 1.6);
		sample_clear(&us[RAW]);
		sample_clear(&us[OTPD]);
	}
}

/* Start of all, stop of all, in ms. */
static void
start_stop(enum kind kind, const struct shape *shape, int sig,
    struct sample *up, struct sample *down)
{
	struct subject s;

	subject_start(&s, kind, shape);
	sample_add(up, (double)(hear_all(&s) - s.began_ns) / 1e6);
	sleep_us(300000);
	sample_add(down, subject_stop(&s, sig) / 1e3);
}

struct start_stop {
	struct sample up[NKINDS], down[NKINDS];	/* in groups */
	struct sample flat_up, flat_down;	/* below one supervisor */
	struct sample pool_up, pool_down;	/* dynamic_supervisor */
	struct sample parallel_up, parallel_down;	/* groups, all at once */
	struct sample order;			/* raw, one by one */
};

static void
start_stop_round(uint32_t n, struct start_stop *f)
{
	struct shape shape = shape_of(n), flat = { .n = n };
	struct shape pool = { .n = n, .pool = true }, parallel = shape;

	parallel.parallel = true;
	start_stop(RAW, &shape, SIGTERM, &f->up[RAW], &f->down[RAW]);
	start_stop(OTPD, &parallel, SIGTERM, &f->parallel_up,
	    &f->parallel_down);
	start_stop(OTPD, &shape, SIGTERM, &f->up[OTPD], &f->down[OTPD]);
	start_stop(RAW, &shape, SIGINT, &f->up[RAW], &f->order);
	start_stop(OTPD, &flat, SIGTERM, &f->flat_up, &f->flat_down);
	start_stop(OTPD, &pool, SIGTERM, &f->pool_up, &f->pool_down);
}

static void
print_medians(const char *what, uint32_t n, struct sample *raw,
    struct sample *ours, double target)
{
	char line[64];

	snprintf(line, sizeof(line), what, n);
	print_row(line, sample_quantile(raw, 0.5), sample_quantile(ours, 0.5),
	    target);
}

void
bench_start_stop(void)
{
	static const uint32_t ns[] = { 100, 1000, 10000 };
	struct start_stop f;
	double at_1000 = 0, at_n;
	uint32_t n;
	size_t i;
	unsigned r;

	print_head("Start and stop of all", "ms");
	for (i = 0; i < NITEMS(ns) && ns[i] <= n_max; i++) {
		n = ns[i];
		memset(&f, 0, sizeof(f));
		for (r = 0; r < rounds; r++)
			start_stop_round(n, &f);
		at_n = sample_quantile(&f.up[OTPD], 0.5);
		print_medians("start of %u, groups of 100", n, &f.up[RAW],
		    &f.up[OTPD], 2.5);
		print_medians("start of %u, one supervisor", n, &f.up[RAW],
		    &f.flat_up, 2.5);
		print_medians("start of %u, pool, a request each", n,
		    &f.up[RAW], &f.pool_up, 1.6);
		print_medians("stop of %u, pool (raw: at once)", n,
		    &f.down[RAW], &f.pool_down, 2);
		print_medians("stop of %u, in parallel (raw: at once)", n,
		    &f.down[RAW], &f.parallel_down, 2);
		print_medians("stop of %u, groups (raw: in order)", n,
		    &f.order, &f.down[OTPD], 2);
		print_medians("stop of %u, one sup. (raw: in order)", n,
		    &f.order, &f.flat_down, 2);
		if (n == 1000)
			at_1000 = at_n;
		if (n == 10000)
			print_plain("start, 10,000 to 1,000, ours",
			    at_n / at_1000, 12);
	}
}

struct storm { struct sample us; uint64_t *killed_ns; };

static void
note_return(struct subject *s, uint32_t i, pid_t old, uint64_t at, void *arg)
{
	struct storm *st = arg;

	(void)s;
	(void)old;
	if (st->killed_ns[i] == 0)
		return;
	sample_add(&st->us, (double)(at - st->killed_ns[i]) / 1e3);
	st->killed_ns[i] = 0;
}

/* The p99 of 200 kills a second, in us. */
static double
storm(enum kind kind, uint32_t n, unsigned kills)
{
	struct shape shape = shape_of(n);
	struct storm st = { .killed_ns = calloc(n, sizeof(uint64_t)) };
	struct subject s;
	uint64_t next;
	uint32_t i;
	double us;

	subject_start(&s, kind, &shape);
	hear_all(&s);
	sleep_us(200000);
	next = now_ns();
	while (kills > 0) {
		i = (uint32_t)random() % n;
		if (now_ns() >= next && st.killed_ns[i] == 0) {
			st.killed_ns[i] = now_ns();
			if (kill(s.pids[i], SIGKILL) != 0)
				die("child %u is not there", i);
			kills--;
			next += 5000000;
		}
		(void)hear(&s, 1, note_return, &st);
	}
	while (hear(&s, 500, note_return, &st))
		;
	subject_stop(&s, SIGTERM);
	for (i = 0; i < n; i++)
		if (st.killed_ns[i] != 0)
			die("child %u did not come back", i);
	us = sample_quantile(&st.us, 0.99);
	free(st.us.v);
	free(st.killed_ns);
	return us;
}

void
bench_storm(void)
{
	double raw, ours;

	if (n_max < 1000)
		return;
	print_head("Storm: 200 of 1,000 killed a second, for 10 s", "us");
	raw = storm(RAW, 1000, 2000);
	ours = storm(OTPD, 1000, 2000);
	print_row("p99 of the return", raw, ours, 0);
	print_plain("p99 of the return, ms", ours / 1e3, 10);
}

/* All killed at once: until all are back in main, in ms. */
static double
massacre(enum kind kind, uint32_t n)
{
	struct shape shape = shape_of(n);
	struct subject s;
	uint64_t t0, last;
	pid_t *old;
	uint32_t i;

	subject_start(&s, kind, &shape);
	hear_all(&s);
	sleep_us(300000);
	old = calloc(n, sizeof(*old));
	if (old == NULL)
		die("out of memory");
	for (i = 0; i < n; i++) {
		old[i] = s.pids[i];
		s.pids[i] = 0;
	}
	t0 = now_ns();
	for (i = 0; i < n; i++)
		kill(old[i], SIGKILL);
	last = hear_all(&s);
	subject_stop(&s, SIGTERM);
	free(old);
	return (double)(last - t0) / 1e6;
}

void
bench_massacre(void)
{
	struct sample ms[NKINDS] = { 0 };
	unsigned r;

	if (n_max < 1000)
		return;
	print_head("All 1,000 killed at once, until all are back", "ms");
	for (r = 0; r < rounds; r++) {
		sample_add(&ms[RAW], massacre(RAW, 1000));
		sample_add(&ms[OTPD], massacre(OTPD, 1000));
	}
	print_row("all back", sample_quantile(&ms[RAW], 0.5),
	    sample_quantile(&ms[OTPD], 0.5), 1.5);
}
