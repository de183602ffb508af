/* SPDX-License-Identifier: ISC */
/*
 * libotp's calls and casts beside the least that could work: the references
 * r1..r4 of calls_raw.c, in turns in one run, with the same frames.  Ratios
 * hold; figures drift with the machine.  See tests/bench/README.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "calls_raw.h"

#define HOG_ROUNDS	3	/* more: luck decides who shares a core */
#define MANY_MS		500	/* of a round of many callers, */
#define WARM_MS		150	/* begun so long before */
#define HOGS_MS		300
#define CALLERS_MAX	512

char path[64];
int rounds = 9;
double scale = 1;
static int listen_fd;
static const char *erlang_file;

uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void
pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* --- servers --- */

static int
echo_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	(void)state;
	return otp_reply(self, from, request, len);
}

static int
count_cast(struct otp *self, const char *message, size_t len, void *state)
{
	(void)self;
	(void)message;
	(void)len;
	(void)state;
	return OTP_OK;
}

static const struct otp_gen_server_ops echo = {
	.handle_call = echo_call,
	.handle_cast = count_cast,
};

void
serve_echo(void)
{
	struct otp_options opt = { .size = sizeof(opt), .socket = path };
	struct otp *self;

	if (otp_gen_server_start(&echo, &opt, &self, NULL) == 0)
		_exit(otp_gen_server_run(self));
	_exit(1);
}

static void
serve(enum method m)
{
	switch (m) {
	case OTP:
		(void)close(listen_fd);
		(void)unlink(path);
		serve_echo();
	case R1:
	case R2:
		raw_serve_one(listen_fd, m == R2);
		break;
	case R3:
	case R4:
	case R3_BLOCKING:
		raw_serve_epoll(listen_fd, m != R3_BLOCKING);
		break;
	}
}

pid_t
start_server(enum method m, enum place where)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct otp *probe;
	pid_t pid;

	(void)unlink(path);
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listen_fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    listen(listen_fd, 4096) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (where != ANYWHERE)
			pin(0);
		serve(m);
	}
	(void)close(listen_fd);
	probe = m == OTP ? otp_new(NULL) : NULL;
	while (probe != NULL && otp_call(probe, path, "x", 1, 1000, NULL,
	    NULL) != 0)
		(void)usleep(1000);
	otp_free(probe);
	return pid;
}

void
stop_server(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* --- callers --- */

void
caller_init(struct caller *c, enum method m, size_t len)
{
	*c = (struct caller){ .m = m, .len = len, .fd = -1 };
	c->frame = calloc(1, len + 64);
	if (m == OTP)
		c->o = otp_new(NULL);
	else
		c->fd = raw_dial(path);
}

void
caller_done(struct caller *c)
{
	otp_free(c->o);
	if (c->fd >= 0)
		(void)close(c->fd);
	free(c->frame);
}

void
call_once(struct caller *c)
{
	char *reply;
	int rc;

	if (c->m != OTP) {
		raw_call(c->fd, c->frame, c->len, c->m == R2 || c->m == R3);
		return;
	}
	rc = otp_call(c->o, path, c->frame, c->len, OTP_DEFAULT_TIMEOUT,
	    &reply, NULL);
	if (rc < 0) {
		(void)fprintf(stderr, "call: %s\n", otp_strerror(rc));
		_exit(1);
	}
	free(reply);
}

static struct sample
one_caller(enum method m, enum place where, size_t len, int n)
{
	double *took = malloc((size_t)n * sizeof(*took));
	struct sample out = { 0 };
	struct caller c;
	uint64_t at, then, began;
	pid_t pid = start_server(m, where);
	cpu_set_t all;

	(void)sched_getaffinity(0, sizeof(all), &all);
	if (where != ANYWHERE)
		pin(where == SAME_CORE ? 0 : 1);
	caller_init(&c, m, len);
	for (int i = 0; i < n / 10; i++)
		call_once(&c);
	began = then = now_ns();
	for (int i = 0; i < n; i++) {
		call_once(&c);
		at = now_ns();
		took[i] = (double)(at - then) / 1000;
		then = at;
	}
	out.per_s = n / ((double)(then - began) / 1e9);
	out.p50_us = part(took, n, 0.5);
	out.p99_us = part(took, n, 0.99);
	free(took);
	caller_done(&c);
	stop_server(pid);
	(void)sched_setaffinity(0, sizeof(all), &all);
	return out;
}

/* n processes that call for ms milliseconds, after WARM_MS of which nothing is
 * counted; each counts in shared memory. */
struct shared {
	volatile int	ready, go, stop;
	volatile long	calls[CALLERS_MAX];
	long		before[CALLERS_MAX];
};

static void
be_caller(struct shared *sh, int i, enum method m, size_t len)
{
	struct caller c;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	caller_init(&c, m, len);
	call_once(&c);
	(void)__sync_fetch_and_add(&sh->ready, 1);
	while (!sh->go)
		(void)usleep(1000);
	while (!sh->stop) {
		call_once(&c);
		sh->calls[i]++;
	}
	_exit(0);
}

static struct sample
many_callers(enum method m, int n, int ms)
{
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t server = start_server(m, ANYWHERE), pids[CALLERS_MAX];
	struct sample out = { 0 };
	long all = 0, least = -1, mine;
	uint64_t began;

	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			be_caller(sh, i, m, 64);
	}
	while (sh->ready < n)
		(void)usleep(1000);
	sh->go = 1;
	(void)usleep((useconds_t)(WARM_MS * 1000));
	for (int i = 0; i < n; i++)
		sh->before[i] = sh->calls[i];
	began = now_ns();
	(void)usleep((useconds_t)ms * 1000);
	for (int i = 0; i < n; i++) {
		mine = sh->calls[i] - sh->before[i];
		all += mine;
		if (least < 0 || mine < least)
			least = mine;
	}
	out.per_s = (double)all / ((double)(now_ns() - began) / 1e9);
	out.fair = all == 0 ? 0 : (double)least * n / (double)all;
	sh->stop = 1;
	for (int i = 0; i < n; i++)
		(void)kill(pids[i], SIGKILL);
	for (int i = 0; i < n; i++)
		(void)waitpid(pids[i], NULL, 0);
	stop_server(server);
	(void)munmap(sh, sizeof(*sh));
	return out;
}

/* --- many messages --- */

static void
otp_window(struct otp *o, size_t len, long n, int window)
{
	uint64_t *refs = calloc((size_t)window, sizeof(*refs));
	char payload[4096] = "", *reply;

	for (long i = 0; i < n + window; i++) {
		if (i >= window && otp_receive_response(o, refs[i % window],
		    OTP_DEFAULT_TIMEOUT, &reply, NULL) == 0)
			free(reply);
		if (i < n)
			(void)otp_send_request(o, path, payload, len,
			    &refs[i % window]);
	}
	free(refs);
}

static void
otp_casts(struct otp *o, size_t len, long n)
{
	char payload[4096] = "";

	for (long i = 0; i < n; i++)
		(void)otp_cast(o, path, payload, len);
	(void)otp_call(o, path, payload, len, OTP_INFINITY, NULL, NULL);
}

static void
send_load(enum method m, enum load load, long n)
{
	struct caller c;

	caller_init(&c, m, 64);
	if (m == OTP && load == WINDOW)
		otp_window(c.o, 64, n, 64);
	else if (m == OTP)
		otp_casts(c.o, 64, n);
	else if (load == WINDOW)
		raw_window(c.fd, 64, n, 64);
	else
		raw_casts(c.fd, 64, n);
	caller_done(&c);
}

struct sample
messages(enum method m, enum load load, int senders, long n)
{
	pid_t server = start_server(m, ANYWHERE), pids[64];
	struct sample out = { 0 };
	uint64_t began = now_ns();

	for (int i = 0; i < senders; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			send_load(m, load, n);
			_exit(0);
		}
	}
	for (int i = 0; i < senders; i++)
		(void)waitpid(pids[i], NULL, 0);
	out.per_s = (double)(n * senders) /
	    ((double)(now_ns() - began) / 1e9);
	stop_server(server);
	return out;
}

/* --- the rows --- */

static void
bench_one(void)
{
	static const struct {
		const char	*what;
		enum place	 where;
		enum method	 ref;
		size_t		 len;
		int		 n;
		double		 bound;
	} rows[] = {
		{ "16 B, two cores", TWO_CORES, R2, 16, 20000, 1.2 },
		{ "64 B, two cores", TWO_CORES, R2, 64, 20000, 1.2 },
		{ "1 KiB, two cores", TWO_CORES, R2, 1024, 20000, 1.2 },
		{ "64 B, anywhere", ANYWHERE, R2, 64, 20000, 1.2 },
		{ "1 KiB, anywhere", ANYWHERE, R2, 1024, 20000, 1.2 },
		{ "64 B, one core", SAME_CORE, R1, 64, 20000, 1.15 },
		{ "1 MiB, anywhere (us)", ANYWHERE, R2, 1 << 20, 500,
		    1 / 0.85 },
	};
	struct sample a[ROUNDS_MAX], b[ROUNDS_MAX];
	enum method m;
	char what[80];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int k = 0; k < 2 * rounds; k++) {
			m = turn(k, rows[i].ref);
			(m == OTP ? a : b)[k / 2] = one_caller(m,
			    rows[i].where, rows[i].len,
			    (int)(rows[i].n * scale));
		}
		(void)snprintf(what, sizeof(what), "call %s, beside r%d",
		    rows[i].what, (int)rows[i].ref);
		compare(what, "us", a, b, P50, rows[i].bound, true);
		compare("     p99", "us", a, b, P99, 2, true);
	}
}

/* libotp and a reference, in turns; the ratio of calls a second. */
static void
compare_many(const char *what, int callers, enum method ref, int ms,
    double bound)
{
	struct sample a[ROUNDS_MAX], b[ROUNDS_MAX];
	enum method m;

	for (int k = 0; k < 2 * rounds; k++) {
		m = turn(k, ref);
		(m == OTP ? a : b)[k / 2] = many_callers(m, callers,
		    (int)(ms * scale));
	}
	compare(what, "k", a, b, PER_S, bound, false);
	if (ref == R3)
		report("     slowest beside the mean", "", median(a, FAIR), 1,
		    0.5, false);
}

static void
bench_many(void)
{
	compare_many("8 callers, beside r3 (1000/s)", 8, R3, MANY_MS, 0.85);
	compare_many("64 callers, beside r3 (1000/s)", 64, R3, MANY_MS, 0.85);
	compare_many("512 callers, beside r3 (1000/s)", 512, R3, MANY_MS,
	    0.85);
}

static void
bench_messages(void)
{
	static const struct {
		const char	*what;
		enum load	 load;
		int		 senders;
		long		 n;
		double		 bound;
	} rows[] = {
		{ "64 requests in flight, beside r4 (M/s)", WINDOW, 1, 2000000,
		    0.5 },
		{ "casts, beside r4 (M/s)", CASTS, 1, 8000000, 0.6 },
		{ "casts of 8 senders, beside r4 (M/s)", CASTS, 8, 2000000,
		    0.6 },
	};
	struct sample a[ROUNDS_MAX], b[ROUNDS_MAX];
	enum method m;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int k = 0; k < 2 * rounds; k++) {
			m = turn(k, R4);
			(m == OTP ? a : b)[k / 2] = messages(m, rows[i].load,
			    rows[i].senders, (long)((double)rows[i].n * scale));
		}
		compare(rows[i].what, "M", a, b, PER_S, rows[i].bound, false);
	}
}

static void
bench_hogs(void)
{
	int usual = rounds;
	pid_t hogs[2];

	for (int i = 0; i < 2; i++) {
		hogs[i] = fork();
		if (hogs[i] == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				;
		}
	}
	rounds *= HOG_ROUNDS;
	compare_many("1 caller beside 2 hogs (1000/s)", 1, R3_BLOCKING,
	    HOGS_MS, 0.7);
	compare_many("8 callers beside 2 hogs (1000/s)", 8, R3_BLOCKING,
	    HOGS_MS, 0.7);
	rounds = usual;
	for (int i = 0; i < 2; i++)
		stop_server(hogs[i]);
}

static void
beside_erlang(void)
{
	bench_erlang(erlang_file);
}

static const struct {
	const char	*name;
	void		(*run)(void);
	bool		 usual;		/* in the usual scheduling class */
} groups[] = {
	{ "one", bench_one, false }, { "many", bench_many, false },
	{ "messages", bench_messages, false }, { "hogs", bench_hogs, true },
	{ "rest", bench_rest, false }, { "paced", bench_paced, true },
	{ "idle", bench_idle, true },
	{ "erlang", beside_erlang, true },
};

/* Under chrt -f nobody would get anything beside hogs, not even this bench. */
static void
run_group(void (*run)(void), bool usual)
{
	struct sched_param was, none = { 0 };
	int class = sched_getscheduler(0);

	(void)sched_getparam(0, &was);
	if (usual && (class == SCHED_FIFO || class == SCHED_RR))
		(void)sched_setscheduler(0, SCHED_OTHER, &none);
	run();
	if (sched_getscheduler(0) != class)
		(void)sched_setscheduler(0, class, &was);
}

int
main(int argc, char **argv)
{
	size_t n = sizeof(groups) / sizeof(groups[0]);
	int c;

	while ((c = getopt(argc, argv, "e:r:s:S:W")) != -1)
		if (c == 'e') {
			erlang_file = optarg;
		} else if (c == 'S') {	/* we are one of its servers */
			(void)snprintf(path, sizeof(path), "%s", optarg);
			serve_echo();
		} else if (c == 'W') {	/* or one that does nothing */
			(void)pause();
			return 0;
		} else if (c == 'r')
			rounds = atoi(optarg);
		else if (c == 's')
			scale = atof(optarg);
		else
			return 2;
	if (rounds < 1 || rounds > ROUNDS_MAX / HOG_ROUNDS || scale <= 0)
		return 2;
	(void)snprintf(path, sizeof(path), "/tmp/otp-bench-%d", (int)getpid());
	(void)printf("%-44s %12s %12s  %6s\n", "", "libotp", "reference",
	    "ratio");
	for (size_t i = 0; i < n; i++) {
		bool wanted = optind == argc;

		for (int k = optind; k < argc; k++)
			wanted = wanted || strcmp(argv[k], groups[i].name) == 0;
		if (wanted)
			run_group(groups[i].run, groups[i].usual);
	}
	(void)unlink(path);
	return 0;
}
