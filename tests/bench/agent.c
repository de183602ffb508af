/* SPDX-License-Identifier: ISC */
/*
 * What an agent costs beside a bare call of the same kind: otp_agent_get and
 * otp_agent_put of a member beside a call to a server that sends back bytes of
 * the same number, in turns in one run.
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libotp/otp.h"

#define ROUNDS_MAX	31

enum what { GET, PUT, BARE_GET, BARE_PUT, NWHATS };

static char echo_path[64], agent_path[64];

/* As long as what is said to the agent and back. */
static const char request_get[] = "{\"op\":\"get\",\"path\":\"/users/42\"}";
static const char request_put[] =
    "{\"op\":\"put\",\"path\":\"/users/42\",\"value\":{\"name\":\"x\"}}";

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
	(void)state;
	return otp_reply(self, from, "{\"value\":{\"name\":\"x\"}}",
	    len == sizeof(request_get) - 1 ? 22 : 15);
}

static const struct otp_gen_server_ops bare = { .handle_call = bare_call };

static pid_t
start_bare(void)
{
	struct otp_options opt = { .size = sizeof(opt), .socket = echo_path };
	struct otp *self;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(otp_gen_server_start(&bare, &opt, &self, NULL) != 0 ? 1 :
	    otp_gen_server_run(self));
}

static pid_t
start_agent(const char *program)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execl(program, program, "-s", agent_path, "--init",
	    "{\"users\":{\"41\":{},\"42\":{\"name\":\"x\"}}}", (char *)NULL);
	_exit(127);
}

static int
once(struct otp *o, enum what what)
{
	const char *request = what == BARE_GET ? request_get : request_put;
	char *reply = NULL;
	int rc;

	switch (what) {
	case GET:
		rc = otp_agent_get(o, agent_path, "/users/42", 5000, &reply,
		    NULL);
		break;
	case PUT:
		rc = otp_agent_put(o, agent_path, "/users/42",
		    "{\"name\":\"x\"}", 5000);
		break;
	default:
		rc = otp_call(o, echo_path, request, strlen(request), 5000,
		    &reply, NULL);
	}
	free(reply);
	return rc;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Microseconds of one, on average. */
static double
measure(struct otp *o, enum what what, int n)
{
	uint64_t began = now_ns();

	for (int i = 0; i < n; i++)
		if (once(o, what) < 0) {
			(void)fprintf(stderr, "%s\n", otp_reason(o));
			exit(1);
		}
	return (double)(now_ns() - began) / 1000 / n;
}

static double
median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare);
	return values[n / 2];
}

static int
report(double took[NWHATS][ROUNDS_MAX], int rounds)
{
	static const char *const names[] = { "agent get", "agent put" };
	int missed = 0;

	for (int i = 0; i < 2; i++) {
		double ratios[ROUNDS_MAX], ratio;
		int bad;

		/* Of neighbours: the machine drifts from round to round. */
		for (int r = 0; r < rounds; r++)
			ratios[r] = took[GET + i][r] / took[BARE_GET + i][r];
		ratio = median(ratios, rounds);
		bad = ratio > 1.3;
		(void)printf("%-12s %8.2f us, a bare call %8.2f us: %5.2f "
		    "(<= 1.30)%s\n", names[i], median(took[GET + i], rounds),
		    median(took[BARE_GET + i], rounds), ratio,
		    bad ? "  MISSED" : "");
		missed += bad;
	}
	return missed > 0;
}

int
main(int argc, char **argv)
{
	static double took[NWHATS][ROUNDS_MAX];
	int rounds = argc > 2 ? atoi(argv[2]) : 31, n = 2000;
	pid_t pids[2];
	struct otp *o;

	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX) {
		(void)fprintf(stderr,
		    "usage: bench-agent otp-agent [rounds]\n");
		return 2;
	}
	(void)snprintf(echo_path, sizeof(echo_path), "/tmp/otp-bench-e%d",
	    (int)getpid());
	(void)snprintf(agent_path, sizeof(agent_path), "/tmp/otp-bench-a%d",
	    (int)getpid());
	pids[0] = start_bare();
	pids[1] = start_agent(argv[1]);
	o = otp_new(NULL);
	for (int w = 0; w < NWHATS; w++)	/* until they serve */
		while (once(o, (enum what)w) < 0)
			(void)usleep(1000);
	for (int r = 0; r < rounds; r++)
		for (int w = 0; w < NWHATS; w++)
			took[w][r] = measure(o, (enum what)w, n);
	otp_free(o);
	for (int i = 0; i < 2; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	(void)unlink(echo_path);
	(void)unlink(agent_path);
	return report(took, rounds);
}
