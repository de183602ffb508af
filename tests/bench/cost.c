/* SPDX-License-Identifier: ISC */
/* What it costs to have it: memory, wakeups, the time of a question. */
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OURS	8		/* processes, at most */

double
proc_number(pid_t pid, const char *file, const char *key)
{
	char path[64], line[256];
	double value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "r");
	if (f == NULL)
		die("cannot read %s", path);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0) {
			value = strtod(line + strlen(key), NULL);
			break;
		}
	fclose(f);
	return value;
}

static double
sum(const struct subject *s, const char *file, const char *key)
{
	pid_t pids[OURS];
	size_t i, n = subject_processes(s, pids, NITEMS(pids));
	double value = 0;

	for (i = 0; i < n; i++)
		value += proc_number(pids[i], file, key);
	return value;
}

/* KiB of all processes that are ours, with n children. */
static double
pss(uint32_t n, bool logs)
{
	struct shape shape = { .n = n, .group = n > 100 ? 100 : 0,
	    .logs = logs };
	struct subject s;
	double kib;

	subject_start(&s, OTPD, &shape);
	hear_all(&s);
	sleep_us(1000000);
	kib = sum(&s, "smaps_rollup", "Pss:");
	subject_stop(&s, SIGTERM);
	return kib;
}

void
bench_memory(void)
{
	static const char *words[] = { "logs off", "logs on" };
	uint32_t n = n_max < 10000 ? n_max : 10000;
	double one, many;
	char what[64];
	int logs;

	print_head("Memory of our processes (PSS)", "KiB");
	for (logs = 0; logs <= 1; logs++) {
		one = pss(1, logs);
		snprintf(what, sizeof(what), "with 1 child, %s", words[logs]);
		print_plain(what, one, 4096);
		if (n < 100)
			continue;
		many = pss(n, logs);
		snprintf(what, sizeof(what), "with %u, %s", n, words[logs]);
		print_plain(what, many, -1);
		snprintf(what, sizeof(what), "each further one, %s",
		    words[logs]);
		print_plain(what, (many - one) / (n - 1), logs ? 2 : 1.5);
	}
}

static double
switches(const struct subject *s)
{
	return sum(s, "status", "voluntary_ctxt_switches:") +
	    sum(s, "status", "nonvoluntary_ctxt_switches:");
}

void
bench_idle(void)
{
	struct shape shape = { .n = 1000, .group = 100, .logs = true };
	struct subject s;
	double before;

	if (n_max < shape.n)
		return;
	print_head("Idle, 1,000 services, 30 s", "");
	subject_start(&s, OTPD, &shape);
	hear_all(&s);
	sleep_us(3000000);
	before = switches(&s);
	sleep_us(30000000);
	print_plain("context switches of ours", switches(&s) - before, 0);
	subject_stop(&s, SIGTERM);
}

static void
compare_commands(const char *what, const char *const ours[], double target)
{
	static const char *const nothing[] = { "/bin/true", NULL };
	struct sample a = { 0 }, b = { 0 };
	int i;

	for (i = 0; i < 100; i++) {
		sample_add(&a, time_command(nothing));
		sample_add(&b, time_command(ours));
	}
	print_row(what, sample_quantile(&a, 0.5), sample_quantile(&b, 0.5),
	    target);
	free(a.v);
	free(b.v);
}

static void
status_of(uint32_t n, bool all, const char *what, double target)
{
	struct shape shape = { .n = n, .group = 100 };
	char otpctl[256], rt[128], path[64];
	const char *argv[] = { otpctl, "-r", rt, "status", path, NULL };
	struct subject s;

	subject_start(&s, OTPD, &shape);
	hear_all(&s);
	sleep_us(500000);
	snprintf(otpctl, sizeof(otpctl), "%s/otpctl", bin_dir);
	snprintf(rt, sizeof(rt), "%s/run", s.dir);
	subject_path(&s, n / 2, path, sizeof(path));
	if (all)
		argv[4] = NULL;
	compare_commands(what, argv, target);
	subject_stop(&s, SIGTERM);
}

void
bench_status(void)
{
	print_head("otpctl status (raw: /bin/true)", "us");
	if (n_max >= 10000)
		status_of(10000, false, "of one of 10,000", 3);
	if (n_max >= 1000)
		status_of(1000, true, "of all 1,000", 25);
}
