/* SPDX-License-Identifier: ISC */
/*
 * What bench-calls says.  The machine drifts by a third within minutes, so a
 * ratio is that of two rounds side by side, and the median of those is told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

static int
order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double
part(double *values, int n, double which)
{
	qsort(values, (size_t)n, sizeof(*values), order);
	return values[(int)((n - 1) * which)];
}

enum method
turn(int k, enum method ref)
{
	return k % 4 == 0 || k % 4 == 3 ? OTP : ref;
}

static double
figure(const struct sample *s, enum figure f)
{
	switch (f) {
	case P50:
		return s->p50_us;
	case P99:
		return s->p99_us;
	case PER_S:
		return s->per_s;
	case FAIR:
		return s->fair;
	}
	return 0;
}

double
median(const struct sample *s, enum figure f)
{
	double values[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		values[i] = figure(&s[i], f);
	return part(values, rounds, 0.5);
}

static void
row(const char *what, const char *unit, double ours, double theirs,
    double ratio, double bound, bool less)
{
	bool met = bound == 0 || (less ? ratio <= bound : ratio >= bound);

	(void)printf("%-44s %12.2f %12.2f %s  %6.2f", what, ours, theirs,
	    unit, ratio);
	if (bound > 0)
		(void)printf("  (%s %.2f)%s", less ? "<=" : ">=", bound,
		    met ? "" : "  MISSED");
	(void)printf("\n");
	(void)fflush(stdout);
}

void
report(const char *what, const char *unit, double ours, double theirs,
    double bound, bool less)
{
	row(what, unit, ours, theirs, theirs == 0 ? 0 : ours / theirs, bound,
	    less);
}

void
compare(const char *what, const char *unit, const struct sample *a,
    const struct sample *b, enum figure f, double bound, bool less)
{
	double per = unit[0] == 'k' ? 1e3 : unit[0] == 'M' ? 1e6 : 1, theirs;
	double ratios[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		theirs = figure(&b[i], f);
		ratios[i] = theirs == 0 ? 0 : figure(&a[i], f) / theirs;
	}
	row(what, per == 1 ? unit : "", median(a, f) / per,
	    median(b, f) / per, part(ratios, rounds, 0.5), bound, less);
}
