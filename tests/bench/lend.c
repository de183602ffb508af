/* SPDX-License-Identifier: ISC */
/*
 * What it costs to borrow a worker and give it back, beside a bare call of the
 * same process to a server that sends back bytes of the same number, in turns
 * in one run.  Both servers are under the otpd of this build, so that the one
 * has the processor as the other has it.  The bare one is this program, too.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libotp/otp.h"

#define ROUNDS_MAX	31
#define BOUND		2.5

static char dir[] = "/tmp/otp-bench-XXXXXX", run[80];

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static int
bare_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	(void)request;
	(void)len;
	(void)state;
	return otp_reply(self, from, "{\"worker\":\"db/workers/1\"}", 25);
}

static const struct otp_gen_server_ops bare = { .handle_call = bare_call };

static pid_t
start_otpd(const char *build)
{
	char program[4096], self[4096], config[96], log[96];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	FILE *f;
	pid_t pid;

	(void)snprintf(program, sizeof(program), "%s/otpd", build);
	(void)snprintf(config, sizeof(config), "%s/otpd.json", dir);
	(void)snprintf(log, sizeof(log), "%s/log", dir);
	(void)setenv("OTP_LIBEXEC", build, 1);
	f = fopen(config, "we");
	if (f == NULL || len < 0 || mkdir(run, 0700) < 0)
		exit(1);
	self[len] = '\0';
	(void)fprintf(f, "{\"children\":[{\"id\":\"db\",\"type\":\"pool\","
	    "\"template\":{\"start\":[\"/bin/sleep\",\"infinity\"]}},"
	    "{\"id\":\"echo\",\"kind\":\"gen_server\",\"name\":\"echo\","
	    "\"start\":[\"%s\"]}]}", self);
	(void)fclose(f);
	pid = fork();
	if (pid != 0)
		return pid;
	(void)execl(program, program, "-q", "-c", config, "-r", run, "-l",
	    log, (char *)NULL);
	_exit(127);
}

static int
lend_once(struct otp *o)
{
	char worker[OTP_WORKER_MAX];
	int rc = otp_pool_checkout(o, "db", 5000, worker, sizeof(worker));

	return rc < 0 ? rc : otp_pool_checkin(o, "db", worker);
}

static int
call_once(struct otp *o)
{
	static const char request[] = "{\"op\":\"checkout\",\"ref\":123456}";
	char *reply;
	int rc = otp_call(o, "echo", request, sizeof(request) - 1, 5000,
	    &reply, NULL);

	if (rc == 0)
		free(reply);
	return rc;
}

/* otpd starts its children with the usual priority; these get ours. */
static void
lift(struct otp *o, const char *name)
{
	struct sched_param param = { 0 };
	int32_t pid = 0;

	if (otp_whereis(o, name, NULL, 0, &pid) < 0 || pid <= 0)
		return;
	(void)setpriority(PRIO_PROCESS, (id_t)pid,
	    getpriority(PRIO_PROCESS, 0));
	if (sched_getparam(0, &param) == 0)
		(void)sched_setscheduler(pid, sched_getscheduler(0), &param);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare);
	return values[n / 2];
}

/* Microseconds of one, on average. */
static double
measure(struct otp *o, int (*once)(struct otp *o), int n)
{
	uint64_t began = now_ns();

	for (int i = 0; i < n; i++)
		if (once(o) < 0) {
			(void)fprintf(stderr, "%s\n", otp_reason(o));
			return 0;
		}
	return (double)(now_ns() - began) / 1000 / n;
}

static void
end(pid_t otpd)
{
	char words[160];

	(void)kill(otpd, SIGTERM);
	(void)waitpid(otpd, NULL, 0);
	(void)snprintf(words, sizeof(words), "rm -rf %s", dir);
	(void)!system(words);
}

int
main(int argc, char **argv)
{
	double lent[ROUNDS_MAX], bare_us[ROUNDS_MAX], ours, theirs;
	int rounds = argc > 2 ? atoi(argv[2]) : 15, n = 4000;
	struct otp_options opt = { .size = sizeof(opt), .runtime_dir = run };
	struct otp *o;
	pid_t otpd;

	if (getenv("OTP_LINK") != NULL)
		return otp_gen_server_main(&bare, argc, argv);
	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX ||
	    mkdtemp(dir) == NULL) {
		(void)fprintf(stderr, "usage: bench-lend build-dir [rounds]\n");
		return 2;
	}
	(void)snprintf(run, sizeof(run), "%s/run", dir);
	otpd = start_otpd(argv[1]);
	o = otp_new(&opt);
	while (lend_once(o) < 0 || call_once(o) < 0)
		(void)usleep(1000);
	lift(o, "db");
	lift(o, "echo");
	for (int r = 0; r < rounds; r++) {
		lent[r] = measure(o, lend_once, n);
		bare_us[r] = measure(o, call_once, n);
	}
	otp_free(o);
	end(otpd);
	ours = median(lent, rounds);
	theirs = median(bare_us, rounds);
	(void)printf("checkout and checkin %8.2f us, a bare call %8.2f us: "
	    "%5.2f (<= %.2f)%s\n", ours, theirs, ours / theirs, BOUND,
	    ours / theirs > BOUND ? "  MISSED" : "");
	return ours / theirs > BOUND;
}
