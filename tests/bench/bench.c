/* SPDX-License-Identifier: ISC */
/*
 * bench [-d DIR] [-r ROUNDS] [-n MAX] [NAME...]: measure all, or what is named.
 * DIR holds otpd, otp-engine, otp-logger, otpctl, bench-child and bench-raw.
 */
#include "bench.h"

#include <sys/utsname.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct { const char *name; void (*run)(void); } benches[] = {
	{ "restart",	bench_restart },
	{ "start",	bench_start_stop },
	{ "loop",	bench_crash_loop },
	{ "storm",	bench_storm },
	{ "massacre",	bench_massacre },
	{ "memory",	bench_memory },
	{ "status",	bench_status },
	{ "survival",	bench_survival },
	{ "upgrade",	bench_upgrade },
	{ "snapshots",	bench_snapshots },
	{ "growth",	bench_growth },
	{ "idle",	bench_idle },
};

static void
usage(void)
{
	size_t i;

	fprintf(stderr, "usage: bench [-d DIR] [-r ROUNDS] [-n MAX] [NAME...]"
	    "\nnames:");
	for (i = 0; i < NITEMS(benches); i++)
		fprintf(stderr, " %s", benches[i].name);
	fprintf(stderr, "\n");
	exit(2);
}

static void
print_machine(void)
{
	struct utsname u;

	if (uname(&u) != 0)
		return;
	printf("%s %s, %s, %ld processors; medians of %u rounds\n", u.sysname,
	    u.release, u.machine, sysconf(_SC_NPROCESSORS_ONLN), rounds);
}

static void
run(const char *name)
{
	size_t i;

	for (i = 0; i < NITEMS(benches); i++)
		if (strcmp(benches[i].name, name) == 0) {
			benches[i].run();
			return;
		}
	usage();
}

int
main(int argc, char **argv)
{
	int c;
	size_t i;

	while ((c = getopt(argc, argv, "d:n:r:")) != -1) {
		if (c == 'd')
			bin_dir = optarg;
		else if (c == 'n')
			n_max = (uint32_t)atoi(optarg);
		else if (c == 'r')
			rounds = (unsigned)atoi(optarg);
		else
			usage();
	}
	bin_dir = realpath(bin_dir, NULL);
	if (bin_dir == NULL)
		err(1, "directory");
	setenv("OTP_LIBEXEC", bin_dir, 1);
	print_machine();
	for (i = 0; optind == argc && i < NITEMS(benches); i++)
		benches[i].run();
	for (; optind < argc; optind++)
		run(argv[optind]);
	return 0;
}
