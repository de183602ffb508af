/* SPDX-License-Identifier: ISC */
/*
 * What surviving takes and costs: deaths of the engine, upgrades, snapshots,
 * and memory over very many restarts.
 */
#include "bench.h"

#include <sys/syscall.h>
#include <sys/wait.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Restarts.  After the first so many every pid was used once: otpd's table of
 * them is as large as it gets. */
#define SOME		40000
#define MANY		100000

/* The process of ours that runs this program; its comm is cut. */
static pid_t
program(const struct subject *s, const char *name)
{
	char path[64], comm[32] = "";
	pid_t pids[8];
	size_t i, n = subject_processes(s, pids, NITEMS(pids));
	FILE *f;

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/proc/%d/comm", (int)pids[i]);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fgets(comm, sizeof(comm), f) == NULL)
			comm[0] = '\0';
		fclose(f);
		comm[strcspn(comm, "\n")] = '\0';
		if (strcmp(comm, name) == 0)
			return pids[i];
	}
	return 0;
}

/* Killed, and seen to be dead: when the signal was sent. */
static uint64_t
kill_engine(const struct subject *s)
{
	struct pollfd p = { .events = POLLIN };
	uint64_t at;
	pid_t pid;

	while ((pid = program(s, "otp-engine")) == 0)
		sleep_us(100);
	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	at = now_ns();
	kill(pid, SIGKILL);
	(void)poll(&p, 1, 10000);
	close(p.fd);
	return at;
}

static void
die_and_answer(struct subject *s, uint32_t i, struct sample *answer,
    struct sample *back)
{
	char otpctl[256], rt[128], path[64];
	const char *argv[] = { otpctl, "-r", rt, "status", path, NULL };
	uint64_t killed;
	pid_t old = s->pids[i];

	snprintf(otpctl, sizeof(otpctl), "%s/otpctl", bin_dir);
	snprintf(rt, sizeof(rt), "%s/run", s->dir);
	subject_path(s, i, path, sizeof(path));
	killed = kill_engine(s);
	(void)time_command(argv);
	sample_add(answer, (double)(now_ns() - killed) / 1e6);
	killed = kill_engine(s);
	kill(old, SIGKILL);
	sample_add(back, (double)(hear_again(s, i, old) - killed) / 1e6);
	(void)time_command(argv);
}

static void
deaths(uint32_t n, double target)
{
	struct shape shape = { .n = n, .group = 100, .logs = true,
	    .hush = true };
	struct sample answer = { 0 }, back = { 0 };
	struct subject s;
	char what[64];
	unsigned i;

	subject_start(&s, OTPD, &shape);
	hear_all(&s);
	sleep_us(1000000);
	for (i = 0; i < 5 * rounds; i++) {
		die_and_answer(&s, i % n, &answer, &back);
		sleep_us(50000);
	}
	snprintf(what, sizeof(what), "%u services: otpctl status answers", n);
	print_plain(what, sample_quantile(&answer, 0.5), target);
	snprintf(what, sizeof(what), "%u services: a child killed then", n);
	print_plain(what, sample_quantile(&back, 0.5), target);
	print_plain("  the longest of either", sample_quantile(&answer, 1) >
	    sample_quantile(&back, 1) ? sample_quantile(&answer, 1) :
	    sample_quantile(&back, 1), -1);
	subject_stop(&s, SIGTERM);
	free(answer.v);
	free(back.v);
}

void
bench_survival(void)
{
	print_head("kill -9 of the engine, otpctl's own time included", "ms");
	deaths(100, 30);
	if (n_max >= 10000)
		deaths(10000, 250);
}

/* A folder of programs in which the engine writes no snapshot. */
static void
forgetful_programs(char *dir)
{
	static const char *const programs[][2] = {
		{ "otp-engine", "bench-forgetful" },
		{ "otp-logger", "otp-logger" } };
	char path[128], to[512];
	size_t i;

	if (mkdtemp(dir) == NULL)
		die("cannot make %s", dir);
	for (i = 0; i < NITEMS(programs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, programs[i][0]);
		snprintf(to, sizeof(to), "%s/%s", bin_dir, programs[i][1]);
		if (symlink(to, path) != 0)
			die("cannot make %s", path);
	}
}

/* By turns, as it is and with an engine that forgets. */
void
bench_snapshots(void)
{
	struct shape shape = { .n = 100 };
	char dir[] = "/tmp/otpd-bench-programs.XXXXXX";
	struct sample us[2] = { 0 };
	struct subject s[2];
	unsigned k, which;

	forgetful_programs(dir);
	print_head("Restart with snapshots (raw: without)", "us");
	for (which = 0; which < 2; which++) {
		setenv("OTP_LIBEXEC", which == 0 ? dir : bin_dir, 1);
		subject_start(&s[which], OTPD, &shape);
		hear_all(&s[which]);
	}
	sleep_us(200000);
	for (k = 0; k < 300 * rounds; k++)
		for (which = 0; which < 2; which++) {
			sleep_us(5000);
			sample_add(&us[which],
			    restart_one(&s[which], k % shape.n));
		}
	print_row("median, of 100 children", sample_quantile(&us[0], 0.5),
	    sample_quantile(&us[1], 0.5), 1.1);
	for (which = 0; which < 2; which++) {
		subject_stop(&s[which], SIGTERM);
		free(us[which].v);
	}
	remove_tree(dir);
}

static void
one_more(struct subject *s, uint32_t i, pid_t old, uint64_t at, void *arg)
{
	(void)s;
	(void)old;
	(void)at;
	if (i == 0)
		++*(uint32_t *)arg;
}

static void
print_growth(const char *what, const double kib[2])
{
	char line[64];

	snprintf(line, sizeof(line), "%s after %u (KiB)", what, SOME);
	print_plain(line, kib[0], -1);
	snprintf(line, sizeof(line), "%s after %u (KiB)", what, MANY);
	print_plain(line, kib[1], kib[0] * 1.1);
}

/* The anonymous memory of otpd and its engine, in a crash loop. */
void
bench_growth(void)
{
	static const uint32_t at[2] = { SOME, MANY };
	struct shape shape = { .n = 1, .crash = true };
	double otpd[2], engine[2];
	uint32_t n = 0;
	struct subject s;
	int i;

	print_head("Memory over many restarts (RSS, anonymous)", "");
	subject_start(&s, OTPD, &shape);
	for (i = 0; i < 2; i++) {
		while (n < at[i])
			if (!hear(&s, 10000, one_more, &n))
				die("the crash loop has stopped");
		otpd[i] = proc_number(s.pid, "status", "RssAnon:");
		engine[i] = proc_number(program(&s, "otp-engine"), "status",
		    "RssAnon:");
	}
	print_growth("otpd", otpd);
	print_growth("otp-engine", engine);
	subject_stop(&s, SIGTERM);
}

/* A child is killed as soon as an upgrade was asked for: until the next one
 * has reached main, in ms. */
static double
return_amid(struct subject *s, const char *const argv[], uint32_t i)
{
	pid_t asker = fork();
	uint64_t killed;
	int status;

	if (asker == 0) {
		(void)execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	sleep_us(5000);
	killed = now_ns();
	kill(s->pids[i], SIGKILL);
	killed = hear_again(s, i, s->pids[i]) - killed;
	if (waitpid(asker, &status, 0) != asker || status != 0)
		die("otpctl upgrade: status %x", status);
	return (double)killed / 1e6;
}

void
bench_upgrade(void)
{
	struct shape shape = { .n = 1000, .group = 100, .logs = true };
	struct sample whole = { 0 }, amid = { 0 };
	char otpctl[256], rt[128];
	const char *argv[] = { otpctl, "-r", rt, "-q", "upgrade", NULL };
	struct subject s;
	unsigned i;

	if (n_max < shape.n)
		return;
	print_head("otpctl upgrade, 1,000 services", "ms");
	subject_start(&s, OTPD, &shape);
	hear_all(&s);
	snprintf(otpctl, sizeof(otpctl), "%s/otpctl", bin_dir);
	snprintf(rt, sizeof(rt), "%s/run", s.dir);
	for (i = 0; i < 5 * rounds; i++) {
		sample_add(&whole, time_command(argv) / 1e3);
		sample_add(&amid, return_amid(&s, argv, i % shape.n));
	}
	print_plain("median, until it answers", sample_quantile(&whole, 0.5),
	    300);
	print_plain("longest, until it answers", sample_quantile(&whole, 1),
	    300);
	print_plain("longest, one killed amid it is back",
	    sample_quantile(&amid, 1), 300);
	subject_stop(&s, SIGTERM);
	free(whole.v);
	free(amid.v);
}
