/* SPDX-License-Identifier: ISC */
/*
 * The crash sweep: a scripted day is run again and again, and in the n-th run
 * the engine dies at its n-th point (after every action, around every commit,
 * every message and every answer).  Each run must end as the first one, in
 * which nothing died: the same tree and counts, the same process for a service
 * that nothing happened to, and not one start more.
 *
 *	crash_sweep [-a] [-j JOBS] [-l STEP | -p POINT] [-n RUNS] [-s SEED]
 *
 * -l, -p: RUNS times the logger ahead of STEP, or the engine at POINT.
 * -a: every point, with each of the signals and with the logger.  Otherwise
 * RUNS points spread evenly, from a place that the seed says.
 */
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crash/crash_plan.h"
#include "crash/crash_steps.h"

#define RUN_TIMEOUT_S	60

struct run {
	uint64_t	 at;	/* the point; 0: none */
	int		 sig;
	bool		 logger;	/* it is the logger that dies, ahead of
					 * the step of this number */
	struct rig	 rig;
	struct crash_plan *plan;
	char		 name[80];
};

static struct day first;
static uint64_t points;		/* of the first run */
static unsigned passed, failed, running, jobs = 4;

static void
before_step(void *arg, unsigned step)
{
	struct run *run = arg;
	cJSON *info;

	if (run->at != UINT64_MAX)
		(void)snprintf(run->name, sizeof(run->name), "%s at %llu "
		    "with signal %d, step %u", run->logger ? "logger" :
		    "engine", (unsigned long long)run->at, run->sig, step);
	rig_name(run->name);
	if (!run->logger || step != run->at)
		return;
	info = rig_ask(&run->rig, rig_request("info"));
	(void)kill((pid_t)cJSON_GetNumberValue(cJSON_GetObjectItem(info,
	    "logger_pid")), run->sig);
	cJSON_Delete(info);
}

static void
prepare(struct run *run)
{
	rig_init(&run->rig, RUN_TIMEOUT_S);
	day_worker(&run->rig);
	/* A signal is one: an engine that exits has refused to begin. */
	(void)setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0", 1);
	run->plan = crash_plan_new(&run->rig);
	if (!run->logger)
		run->plan->at = run->at;
	run->plan->sig = run->sig;
}

/* Print the lines that the other text does not have. */
static void
print_difference(const char *mark, const char *text, const char *other)
{
	char *copy = strdup(text), *line, *rest = copy;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0' && strstr(other, line) == NULL)
			printf("%s %s\n", mark, line);
	free(copy);
}

static int
same(const char *what, const char *want, const char *got)
{
	if (strcmp(want, got) == 0)
		return 0;
	printf("the %s is not the same:\n", what);
	print_difference("-", want, got);
	print_difference("+", got, want);
	return 1;
}

static int
run_once(struct run *run)
{
	struct day day;
	int rc;

	(void)snprintf(run->name, sizeof(run->name), "%s at %llu with signal "
	    "%d, ahead of all", run->logger ? "logger" : "engine",
	    (unsigned long long)run->at, run->sig);
	rig_name(run->name);
	prepare(run);
	day_run(&run->rig, before_step, run, &day);
	rc = same("tree", first.tree, day.tree) |
	    same("number of starts", first.starts, day.starts);
	if (rc != 0)
		printf("^ %s\n", run->name);
	return rc;
}

static void
collect(void)
{
	int status;

	if (waitpid(-1, &status, 0) < 0)
		return;
	running--;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		passed++;
	else
		failed++;
}

static void
launch(uint64_t at, int sig, bool logger)
{
	struct run run = { .at = at, .sig = sig, .logger = logger };

	while (running >= jobs)
		collect();
	(void)fflush(stdout);
	if (fork() == 0) {
		static char buffer[1 << 16];

		(void)setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
		exit(run_once(&run));
	}
	running++;
}

/* In a process of its own, which is to have no children but otpd. */
static void
run_first(void)
{
	static struct run run;
	int fds[2];
	FILE *f;
	size_t size = 0;
	pid_t pid;

	(void)pipe(fds);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		rig_name("first");
		prepare(&run);
		run.plan->at = UINT64_MAX;
		day_run(&run.rig, NULL, NULL, &first);
		f = fdopen(fds[1], "w");
		(void)fprintf(f, "%llu\n%u\n%s%c%s%c", (unsigned long long)
		    run.plan->points, first.steps, first.tree, '\0',
		    first.starts, '\0');
		exit(fclose(f));
	}
	(void)close(fds[1]);
	f = fdopen(fds[0], "r");
	if (fscanf(f, "%llu\n%u\n", (unsigned long long *)&points,
	    &first.steps) != 2 || getdelim(&first.tree, &size, '\0', f) < 0 ||
	    (size = 0, getdelim(&first.starts, &size, '\0', f)) < 0)
		exit(1);
	(void)fclose(f);
	(void)waitpid(pid, NULL, 0);
}

static void
sweep(uint64_t from, uint64_t step, int sig)
{
	for (uint64_t at = from; at <= points; at += step)
		launch(at, sig, false);
}

int
main(int argc, char **argv)
{
	unsigned long seed = (unsigned long)time(NULL), runs = 40, point = 0;
	long logger_step = -1;
	bool all = false;
	int opt;

	while ((opt = getopt(argc, argv, "aj:l:n:p:s:")) != -1) {
		switch (opt) {
		case 'a': all = true; break;
		case 'j': jobs = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'l': logger_step = strtol(optarg, NULL, 10); break;
		case 'n': runs = strtoul(optarg, NULL, 10); break;
		case 'p': point = strtoul(optarg, NULL, 10); break;
		case 's': seed = strtoul(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	run_first();
	printf("%llu points in %u steps, seed %lu\n",
	    (unsigned long long)points, first.steps, seed);
	if (point > 0 || logger_step >= 0) {
		while (runs-- > 0)
			launch(point > 0 ? point : (uint64_t)logger_step,
			    SIGKILL, point == 0);
	} else if (all) {
		sweep(1, 1, SIGKILL);
		sweep(1, 3, SIGSEGV);
		sweep(2, 3, SIGABRT);
		for (unsigned i = 0; i < first.steps; i++)
			launch(i, i % 2 == 0 ? SIGKILL : SIGSEGV, true);
	} else {
		uint64_t step = points / (runs > 0 ? runs : 1) + 1;

		sweep(1 + seed % step, step, seed % 2 == 0 ? SIGKILL : SIGSEGV);
		for (unsigned i = (unsigned)seed % 12; i < first.steps; i += 12)
			launch(i, SIGKILL, true);
	}
	while (running > 0)
		collect();
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
