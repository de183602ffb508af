/* SPDX-License-Identifier: ISC */
/* How figures are shown: raw, ours, their ratio, and what is to be reached. */
#include "bench.h"

#include <stdio.h>

unsigned rounds = 3;
uint32_t n_max = 10000;

void
print_head(const char *title, const char *unit)
{
	printf("\n%s\n  %-38s %11s %11s %8s %8s\n", title, unit, "raw", "otpd",
	    "ratio", "at most");
	fflush(stdout);
}

void
print_row(const char *what, double raw, double ours, double target)
{
	double ratio = raw > 0 ? ours / raw : 0;

	printf("  %-38s %11.1f %11.1f %8.2f", what, raw, ours, ratio);
	if (target > 0)
		printf(" %8.2f%s", target, ratio <= target ? "" : "  <-- over");
	putchar('\n');
	fflush(stdout);
}

void
print_other(const char *what, const char *who, double value)
{
	printf("  %-38s %11s %11.1f   (%s)\n", what, "", value, who);
	fflush(stdout);
}

void
print_plain(const char *what, double value, double target)
{
	printf("  %-38s %11s %11.2f %8s", what, "", value, "");
	if (target >= 0)
		printf(" %8.2f%s", target, value <= target ? "" : "  <-- over");
	putchar('\n');
	fflush(stdout);
}
