/* SPDX-License-Identifier: ISC */
/*
 * What it costs to find the partition of a key: otp_call_key beside otp_call
 * to the partition itself, in turns in one run.  A server that says how many
 * partitions there are stands in for the engine.
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libotp/otp.h"

#define ROUNDS_MAX	2001
#define CALLS		500
#define PARTITIONS	4
#define AT_MOST		1.02

static char dir[64];
static const char request[] = "{\"op\":\"get\",\"key\":\"user-42\"}";

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static int
engine_call(struct otp *self, struct otp_from from, const char *text,
    size_t len, void *state)
{
	(void)text;
	(void)len;
	(void)state;
	return otp_replyf(self, from, "{\"path\":\"web/shards/0\","
	    "\"partition\":0,\"partitions\":%d}", PARTITIONS);
}

static int
partition_call(struct otp *self, struct otp_from from, const char *text,
    size_t len, void *state)
{
	(void)state;
	return otp_reply(self, from, text, len);
}

static const struct otp_gen_server_ops engine = { .handle_call = engine_call },
    partition = { .handle_call = partition_call };

static pid_t
start(const struct otp_gen_server_ops *ops, const char *socket)
{
	struct otp_options opt = { .size = sizeof(opt) };
	char path[128];
	struct otp *self;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, socket);
	opt.socket = path;
	_exit(otp_gen_server_start(ops, &opt, &self, NULL) != 0 ? 1 :
	    otp_gen_server_run(self));
}

static int
once(struct otp *o, const char *to)
{
	char *reply = NULL;
	int rc;

	if (to == NULL)
		rc = otp_call_key(o, "web/shards", "user-42", 7, request,
		    sizeof(request) - 1, 5000, &reply, NULL);
	else
		rc = otp_call(o, to, request, sizeof(request) - 1, 5000,
		    &reply, NULL);
	free(reply);
	return rc;
}

/* Microseconds of one, on average. */
static double
measure(struct otp *o, const char *to)
{
	uint64_t began = now_ns();

	for (int i = 0; i < CALLS; i++)
		if (once(o, to) < 0) {
			(void)fprintf(stderr, "%s\n", otp_reason(o));
			exit(1);
		}
	return (double)(now_ns() - began) / 1000 / CALLS;
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

/* Both, in turns, each first as often as the other. */
static int
run(struct otp *o, int rounds)
{
	static double keyed[ROUNDS_MAX], bare[ROUNDS_MAX], ratios[ROUNDS_MAX];
	char to[64];
	double ratio;

	if (otp_partition_key(o, "web/shards", "user-42", 7, to,
	    sizeof(to)) < 0)
		return 1;
	for (int r = 0; r < rounds; r++) {
		if (r % 2 == 0)
			keyed[r] = measure(o, NULL);
		bare[r] = measure(o, to);
		if (r % 2 != 0)
			keyed[r] = measure(o, NULL);
		ratios[r] = keyed[r] / bare[r];
	}
	ratio = median(ratios, rounds);
	(void)printf("call by key  %8.2f us, a call to its partition %8.2f "
	    "us: %5.3f (<= %.2f)%s\n", median(keyed, rounds),
	    median(bare, rounds), ratio, AT_MOST,
	    ratio > AT_MOST ? "  MISSED" : "");
	return ratio > AT_MOST;
}

static void
in_dir(const char *name, int (*fn)(const char *))
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s%s", dir, name);
	(void)fn(path);
}

static int
make(const char *path)
{
	return mkdir(path, 0700);
}

int
main(int argc, char **argv)
{
	struct otp_options opt = { .size = sizeof(opt), .runtime_dir = dir };
	int rounds = argc > 1 ? atoi(argv[1]) : 401, missed;
	pid_t pids[1 + PARTITIONS];
	char socket[32];
	struct otp *o;

	if (rounds < 1 || rounds > ROUNDS_MAX)
		return 2;
	(void)snprintf(dir, sizeof(dir), "/tmp/otp-bench-k%d", (int)getpid());
	in_dir("", make);
	in_dir("/names", make);
	in_dir("/paths", make);
	pids[0] = start(&engine, "names/otpd");
	for (int i = 0; i < PARTITIONS; i++) {
		(void)snprintf(socket, sizeof(socket), "paths/web:shards:%d",
		    i);
		pids[1 + i] = start(&partition, socket);
	}
	o = otp_new(&opt);
	while (once(o, NULL) < 0)	/* until they serve */
		(void)usleep(1000);
	missed = run(o, rounds);
	otp_free(o);
	for (int i = 0; i < 1 + PARTITIONS; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	in_dir("/names/otpd", unlink);
	for (int i = 0; i < PARTITIONS; i++) {
		(void)snprintf(socket, sizeof(socket),
		    "/paths/web:shards:%d", i);
		in_dir(socket, unlink);
	}
	in_dir("/names", rmdir);
	in_dir("/paths", rmdir);
	in_dir("", rmdir);
	return missed;
}
