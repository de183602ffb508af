/* SPDX-License-Identifier: ISC */
/*
 * The rest of bench-calls: the first call, what is used by those who have
 * nothing to do, and OTP's own gen_server where it is installed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"

#define SELF		"/proc/self/exe"
#define STATICALLY	"./bench-calls-static"
#define SLOW_CALLS	12		/* a second apart */
#define ASLEEP_US	20000		/* until a server waits again */
#define IDLE_CALLERS	500
#define IDLE_S		30
#define ERLANG_ROUNDS	3		/* each starts a VM */
#define SETTLE_US	2500000		/* until buffers have been given back */

/* --- the first call --- */

static struct sample
first_call(enum method m, int n)
{
	double *took = malloc((size_t)n * sizeof(*took));
	pid_t server = start_server(m, ANYWHERE);
	struct sample out = { 0 };
	struct caller c;
	uint64_t began;

	for (int i = 0; i < n; i++) {
		began = now_ns();
		caller_init(&c, m, 64);
		call_once(&c);
		took[i] = (double)(now_ns() - began) / 1000;
		caller_done(&c);
		(void)usleep(1000);
	}
	out.p50_us = part(took, n, 0.5);
	out.p99_us = part(took, n, 0.99);
	free(took);
	stop_server(server);
	return out;
}

/* --- idle, and nearly idle --- */

static double
cpu_us(pid_t pid)
{
	char name[64], text[1024];
	unsigned long ns;
	FILE *f;

	(void)snprintf(name, sizeof(name), "/proc/%d/schedstat", (int)pid);
	f = fopen(name, "r");
	if (f == NULL || fgets(text, sizeof(text), f) == NULL)
		return 0;
	(void)fclose(f);
	ns = strtoul(text, NULL, 10);
	return (double)ns / 1000;
}

/* Ours; what schedstat says of one that runs is old. */
static double
own_cpu_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/*
 * CPU of server and caller, us a call, n of either method, each of them once in
 * pause_us.  They take turns call by call: what else the machine does in those
 * seconds meets both.
 */
static void
paced(int n, int pause_us, struct sample out[2])
{
	static const enum method methods[2] = { OTP, R1 };
	struct caller c[2];
	double spent[2], began;
	pid_t server[2];

	for (int m = 0; m < 2; m++) {
		server[m] = start_server(methods[m], ANYWHERE);
		caller_init(&c[m], methods[m], 64);
		for (int i = 0; i < 5; i++)
			call_once(&c[m]);
	}
	(void)usleep(ASLEEP_US);
	for (int m = 0; m < 2; m++)
		spent[m] = -cpu_us(server[m]);
	for (int i = 0; i < 2 * n; i++) {
		began = own_cpu_us();
		(void)usleep((useconds_t)pause_us / 2);
		call_once(&c[i % 2]);
		spent[i % 2] += own_cpu_us() - began;
	}
	(void)usleep(ASLEEP_US);
	for (int m = 0; m < 2; m++) {
		out[m].p50_us = (spent[m] + cpu_us(server[m])) / n;
		caller_done(&c[m]);
		stop_server(server[m]);
	}
}

static void
compare_paced(const char *what, int n, int pause_us)
{
	struct sample a[ROUNDS_MAX], b[ROUNDS_MAX], both[2];

	for (int k = 0; k < rounds; k++) {
		paced(n > 0 ? n : 1, pause_us, both);
		a[k] = both[0];
		b[k] = both[1];
	}
	compare(what, "us", a, b, P50, 1.2, true);
}

void
bench_rest(void)
{
	struct sample a[ROUNDS_MAX], b[ROUNDS_MAX];
	enum method m;

	for (int k = 0; k < 2 * rounds; k++) {
		m = turn(k, R1);
		(m == OTP ? a : b)[k / 2] = first_call(m, (int)(250 * scale));
	}
	compare("first call, beside connect and r1", "us", a, b, P50, 1.5,
	    true);
}

void
bench_paced(void)
{
	compare_paced("CPU of a call each 50 ms, beside r1",
	    (int)(50 * scale), 50000);
	compare_paced("CPU of a call each second, beside r1",
	    (int)(SLOW_CALLS * scale), 1000000);
}

/* --- those who do nothing --- */

/*
 * A process of its own: what a fork shares with its parent counts in halves.
 * program: this one, or the same linked statically, in the build's folder.
 */
static pid_t
start_process(const char *program, const char *option, const char *argument)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execl(program, "bench-calls", option, argument,
		    (char *)NULL);
		perror(program);
		_exit(1);
	}
	return pid;
}

static pid_t
start_idle_server(const char *program, struct caller *out)
{
	pid_t pid;

	(void)unlink(path);
	pid = start_process(program, "-S", path);
	caller_init(out, OTP, 64);
	while (otp_call(out->o, path, "x", 1, 1000, NULL, NULL) != 0) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			exit(1);
		(void)usleep(1000);
	}
	return pid;
}

/* A burst of calls, small ones and some of 1 MiB. */
static void
burst(struct caller *c)
{
	char *large = calloc(1, 1 << 20), *reply;

	for (int i = 0; i < 1000; i++)
		call_once(c);
	for (int i = 0; i < 8; i++)
		if (otp_call(c->o, path, large, 1 << 20, OTP_DEFAULT_TIMEOUT,
		    &reply, NULL) == 0)
			free(reply);
	free(large);
}

/*
 * KiB (PSS).  Of what a file of code holds only the pages that were written
 * count (PROGRAM: of the program's own file, ALL_CODE: of libraries, too), or
 * of every mapping only those (WRITTEN).
 */
enum beside { PROGRAM, ALL_CODE, WRITTEN };

static double
memory_kib(pid_t pid, enum beside beside)
{
	char name[64], exe[256], line[512], file[256];
	bool code = false;
	double kib, sum = 0;
	ssize_t n;
	FILE *f;

	(void)snprintf(name, sizeof(name), "/proc/%d/exe", (int)pid);
	n = readlink(name, exe, sizeof(exe) - 1);
	exe[n < 0 ? 0 : n] = '\0';
	(void)snprintf(name, sizeof(name), "/proc/%d/smaps", (int)pid);
	f = fopen(name, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		file[0] = '\0';
		if (sscanf(line, "%*x-%*x %*s %*x %*s %*u %255s", file) >= 0 &&
		    strchr(line, '-') != NULL && strstr(line, "kB") == NULL)
			code = strcmp(file, exe) == 0 || (beside == ALL_CODE &&
			    strstr(file, ".so") != NULL);
		else if (sscanf(line, beside == WRITTEN || code ?
		    "Anonymous: %lf" : "Pss: %lf", &kib) == 1)
			sum += kib;
	}
	if (f != NULL)
		(void)fclose(f);
	return sum;
}

static long
switches(pid_t pid)
{
	char name[64], line[256];
	long n, sum = 0;
	FILE *f;

	(void)snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
	f = fopen(name, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %ld", &n) == 1)
			sum += n;
	if (f != NULL)
		(void)fclose(f);
	return sum;
}

/*
 * PSS counts a page of the C library by how many map it, so the same server
 * has more alone than on a busy machine, and so has a process that does
 * nothing: shown, not judged.  Judged are what is left without code, and the
 * server linked statically, whose code is all its own.
 */
static void
idle_memory(void)
{
	struct caller c;
	pid_t pid;
	double all;

	pid = start_idle_server(STATICALLY, &c);
	burst(&c);
	(void)usleep(SETTLE_US);
	report("idle server, linked statically (KiB)", "",
	    memory_kib(pid, PROGRAM), 1, 150, true);
	caller_done(&c);
	stop_server(pid);
	pid = start_idle_server(SELF, &c);
	burst(&c);
	(void)usleep(SETTLE_US);
	report("idle server, beside code (KiB)", "", memory_kib(pid, ALL_CODE),
	    1, 150, true);
	all = memory_kib(pid, PROGRAM);
	caller_done(&c);
	stop_server(pid);
	pid = start_process(SELF, "-W", NULL);
	(void)usleep(SETTLE_US);
	report("     with libc.so, beside one that waits", "", all,
	    memory_kib(pid, PROGRAM), 0, true);
	stop_server(pid);
}

void
bench_idle(void)
{
	struct caller c, *others = calloc(IDLE_CALLERS, sizeof(*others));
	double before;
	pid_t server;
	long n;

	idle_memory();
	server = start_idle_server(SELF, &c);
	burst(&c);
	(void)usleep(SETTLE_US);
	n = switches(server);
	(void)usleep((useconds_t)(IDLE_S * scale * 1e6));
	report("idle server, wakeups in 30 s", "",
	    (double)(switches(server) - n), 1, 0.5, true);
	before = memory_kib(server, WRITTEN);
	for (int i = 0; i < IDLE_CALLERS; i++) {
		caller_init(&others[i], OTP, 64);
		call_once(&others[i]);
	}
	(void)usleep(SETTLE_US);
	report("idle connection, on the server (KiB)", "",
	    (memory_kib(server, WRITTEN) - before) / IDLE_CALLERS, 1, 1, true);
	for (int i = 0; i < IDLE_CALLERS; i++)
		caller_done(&others[i]);
	caller_done(&c);
	stop_server(server);
	free(others);
}

/* --- OTP's gen_server --- */

/* Messages a second; 0 when there is no Erlang. */
static double
erlang(const char *escript, const char *what, long n, int senders)
{
	char command[512];
	double per_s = 0;
	FILE *f;

	(void)snprintf(command, sizeof(command),
	    "escript %s %s %ld %d 2>/dev/null", escript, what, n, senders);
	f = popen(command, "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%lf", &per_s) != 1)
		per_s = 0;
	(void)pclose(f);
	return per_s;
}

static double
calls_per_s(int n)
{
	pid_t server = start_server(OTP, ANYWHERE);
	struct caller c;
	uint64_t began;
	double took;

	caller_init(&c, OTP, 64);
	for (int i = 0; i < n / 10; i++)
		call_once(&c);
	began = now_ns();
	for (int i = 0; i < n; i++)
		call_once(&c);
	took = (double)(now_ns() - began) / 1e9;
	caller_done(&c);
	stop_server(server);
	return n / took;
}

void
bench_erlang(const char *escript)
{
	static const struct {
		const char	*what, *words;
		long		 n;
		int		 senders;
		double		 bound;
	} rows[] = {
		{ "calls", "gen_server:call (1000/s)", 200000, 1, 0 },
		{ "window", "64 requests in flight, Erlang (M/s)", 1000000, 1,
		    2 },
		{ "casts", "gen_server:cast (M/s)", 4000000, 1, 1.5 },
		{ "casts", "gen_server:cast, 8 senders (M/s)", 1000000, 8, 3 },
	};
	struct sample a[ROUNDS_MAX], b[ROUNDS_MAX];
	int usual = rounds;

	if (escript == NULL || erlang(escript, "calls", 1, 1) == 0) {
		(void)printf("gen_server of Erlang: not installed\n");
		return;
	}
	rounds = rounds < ERLANG_ROUNDS ? rounds : ERLANG_ROUNDS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		long n = (long)((double)rows[i].n * scale);

		for (int r = 0; r < rounds; r++) {
			if (i == 0)
				a[r].per_s = calls_per_s((int)n);
			else
				a[r] = messages(OTP, i == 1 ? WINDOW : CASTS,
				    rows[i].senders, n * (i == 1 ? 2 : 4));
			b[r].per_s = erlang(escript, rows[i].what, n,
			    rows[i].senders);
		}
		compare(rows[i].words, i == 0 ? "k" : "M", a, b, PER_S,
		    rows[i].bound, false);
	}
	rounds = usual;
}
