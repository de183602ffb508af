/* SPDX-License-Identifier: ISC */
/*
 * What registries cost beside a plain call of the same run: this program runs
 * otpd in a folder of its own, with itself as the workers, of which one
 * measures.  See tests/bench/README.
 *
 *	bench-registry [-r ROUNDS] [-n ENTRIES]
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libotp/otp.h"

#define LISTENERS	100
#define CALLS		5000
#define ROUNDS_MAX	15
#define READY_MS	20000

static double
now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1000;
}

/* --- the worker that measures --- */

typedef int step_fn(struct otp *self, int i);

static int
step_call(struct otp *self, int i)
{
	char text[64] = "";

	(void)i;
	return otp_call(self, "echo", text, sizeof(text), OTP_DEFAULT_TIMEOUT,
	    NULL, NULL);
}

static int
step_lookup(struct otp *self, int i)
{
	struct otp_entry *entries = NULL;
	char key[32];
	size_t n = 0;
	int len = snprintf(key, sizeof(key), "key:%d", i % 1000), rc;

	rc = otp_registry_lookup(self, "keys", key, (size_t)len, &entries,
	    &n);
	free(entries);
	return rc == 0 && n != 1 ? -ENOENT : rc;
}

static int
step_register(struct otp *self, int i)
{
	char key[32];
	int len = snprintf(key, sizeof(key), "new:%d", i);

	return otp_registry_register(self, "keys", key, (size_t)len, "value",
	    5);
}

static int
step_unregister(struct otp *self, int i)
{
	char key[32];
	int len = snprintf(key, sizeof(key), "new:%d", i);

	return otp_registry_unregister(self, "keys", key, (size_t)len);
}

static int
step_via(struct otp *self, int i)
{
	char text[64] = "";

	(void)i;
	return otp_call(self, "via:keys:echo", text, sizeof(text),
	    OTP_DEFAULT_TIMEOUT, NULL, NULL);
}

static int
publish(struct otp *self, const char *topic, int wanted)
{
	char text[64] = "";
	int n = otp_publish(self, "topics", topic, text, sizeof(text));

	(void)otp_flush(self);
	return n == wanted ? 0 : -ENOENT;
}

static int
step_publish_1(struct otp *self, int i)
{
	(void)i;
	return publish(self, "one", 1);
}

static int
step_publish_10(struct otp *self, int i)
{
	(void)i;
	return publish(self, "ten", 10);
}

static int
step_publish_100(struct otp *self, int i)
{
	(void)i;
	return publish(self, "all", LISTENERS);
}

static const struct {
	const char	*what;
	step_fn		*fn;
	int		 part;		/* of CALLS, one in so many */
} steps[] = {
	{ "a plain call, 64 B", step_call, 1 },
	{ "lookup of a unique key", step_lookup, 1 },
	{ "register", step_register, 1 },
	{ "unregister", step_unregister, 1 },
	{ "call through a key (via)", step_via, 1 },
	{ "publish to 1", step_publish_1, 1 },
	{ "publish to 10", step_publish_10, 5 },
	{ "publish to 100", step_publish_100, 50 },
};
#define NSTEPS	(sizeof(steps) / sizeof(steps[0]))

static int
by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Microseconds of one step; < 0: it failed. */
static double
measure(struct otp *self, size_t which)
{
	int n = CALLS / steps[which].part;
	double began = now_us();

	for (int i = 0; i < n; i++)
		if (steps[which].fn(self, i) < 0)
			return -1;
	return (now_us() - began) / n;
}

static int
fill(struct otp *self, int entries)
{
	char key[32];
	int len, rc = 0;

	for (int i = 0; rc == 0 && i < entries; i++) {
		len = snprintf(key, sizeof(key), "key:%d", i);
		rc = otp_registry_register(self, "keys", key, (size_t)len,
		    NULL, 0);
	}
	return rc;
}

static int
measure_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	double took[NSTEPS][ROUNDS_MAX], us, call;
	char text[2048] = "";
	int rounds = 1, entries = 1;
	size_t used = 0;

	(void)len;
	(void)state;
	if (sscanf(request, "%d %d", &rounds, &entries) != 2 ||
	    fill(self, entries) < 0)
		return otp_replyf(self, from, "cannot fill the registry: %s\n",
		    otp_reason(self));
	for (int r = 0; r < rounds; r++)
		for (size_t i = 0; i < NSTEPS; i++)
			took[i][r] = measure(self, i);
	for (size_t i = 0; i < NSTEPS; i++)
		qsort(took[i], (size_t)rounds, sizeof(double), by_size);
	call = took[0][rounds / 2];
	for (size_t i = 0; i < NSTEPS; i++) {
		us = took[i][rounds / 2];
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%-44s %12.1f %12.0f  %6.2f%s\n", steps[i].what, us,
		    1e6 / us, us / call, took[i][0] < 0 ? "  FAILED" : "");
	}
	return otp_reply(self, from, text, used);
}

/* --- the others --- */

static int
echo_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	(void)state;
	return otp_reply(self, from, request, len);
}

static int
hear(struct otp *self, const struct otp_info *info, void *state)
{
	(void)self;
	(void)info;
	(void)state;
	return OTP_OK;
}

/* echo, or a number from 0: it listens. */
static int
other_init(struct otp *self, int argc, char **argv, void **state)
{
	int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0, rc;

	(void)state;
	if (argc > 1 && strcmp(argv[1], "echo") == 0)
		return otp_registry_register(self, "keys", "echo", 4, NULL, 0);
	rc = otp_subscribe(self, "topics", "all");
	if (rc == 0 && n < 10)
		rc = otp_subscribe(self, "topics", "ten");
	return rc == 0 && n == 0 ? otp_subscribe(self, "topics", "one") : rc;
}

static const struct otp_gen_server_ops meter = {
	.handle_call = measure_call,
};

static const struct otp_gen_server_ops other = {
	.init = other_init,
	.handle_call = echo_call,
	.handle_info = hear,
};

/* --- otpd around them --- */

static void
write_config(const char *file, const char *program)
{
	FILE *f = fopen(file, "we");

	if (f == NULL)
		exit(1);
	(void)fprintf(f, "{ \"registries\": { \"keys\": { \"keys\": "
	    "\"unique\" }, \"topics\": { \"keys\": \"duplicate\" } },\n"
	    "\"children\": [\n"
	    "{ \"id\": \"echo\", \"name\": \"echo\", \"kind\": \"gen_server\","
	    " \"start\": [\"%s\", \"echo\"] },\n"
	    "{ \"id\": \"meter\", \"name\": \"meter\", \"kind\": "
	    "\"gen_server\", \"start\": [\"%s\"] }", program, program);
	for (int i = 0; i < LISTENERS; i++)
		(void)fprintf(f, ",\n{ \"id\": \"l%d\", \"kind\": "
		    "\"gen_server\", \"start\": [\"%s\", \"%d\"] }", i,
		    program, i);
	(void)fprintf(f, " ] }\n");
	(void)fclose(f);
}

static pid_t
start_otpd(const char *dir)
{
	char config[PATH_MAX], run[PATH_MAX], log[PATH_MAX], here[PATH_MAX];
	pid_t pid;

	(void)snprintf(config, sizeof(config), "%s/otpd.json", dir);
	(void)snprintf(run, sizeof(run), "%s/run", dir);
	(void)snprintf(log, sizeof(log), "%s/log", dir);
	pid = fork();
	if (pid != 0)
		return pid;
	if (getcwd(here, sizeof(here)) != NULL)
		(void)setenv("OTP_LIBEXEC", here, 0);
	(void)execl("./otpd", "otpd", "-q", "-c", config, "-r", run, "-l",
	    log, (char *)NULL);
	perror("./otpd");
	_exit(1);
}

/* Once everything has started; false after words. */
static bool
run(const char *dir, int rounds, int entries)
{
	struct otp_options options = { .size = sizeof(options) };
	char path[PATH_MAX], request[64], *reply = NULL;
	struct otp *o;
	int rc, len;

	(void)snprintf(path, sizeof(path), "%s/run", dir);
	options.runtime_dir = path;
	o = otp_new(&options);
	for (int i = 0; (rc = otp_control(o, "{\"op\":\"sync\"}", READY_MS,
	    NULL, NULL)) == -OTP_ENOPROC && i < READY_MS; i++)
		(void)usleep(1000);
	len = snprintf(request, sizeof(request), "%d %d", rounds, entries);
	if (rc == 0)
		rc = otp_call(o, "meter", request, (size_t)len, OTP_INFINITY,
		    &reply, NULL);
	if (rc < 0)
		(void)fprintf(stderr, "bench-registry: %s (%s)\n",
		    otp_strerror(rc), otp_reason(o));
	else
		(void)printf("%-44s %12s %12s  %6s\n%s", "", "us", "a second",
		    "ratio", reply);
	free(reply);
	(void)otp_control(o, "{\"op\":\"shutdown\"}", READY_MS, NULL, NULL);
	otp_free(o);
	return rc == 0;
}

static void
clean(const char *dir)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)execlp("rm", "rm", "-rf", dir, (char *)NULL);
		_exit(1);
	}
	(void)waitpid(pid, NULL, 0);
}

static int
bench(int rounds, int entries)
{
	char dir[] = "/tmp/otp-bench-XXXXXX", program[PATH_MAX];
	char file[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	bool good;
	pid_t pid;

	if (n < 0 || mkdtemp(dir) == NULL) {
		perror("bench-registry");
		return 1;
	}
	program[n] = '\0';
	(void)snprintf(file, sizeof(file), "%s/otpd.json", dir);
	write_config(file, program);
	pid = start_otpd(dir);
	(void)printf("%d entries, %d processes; medians of %d rounds\n",
	    entries, LISTENERS + 2, rounds);
	good = run(dir, rounds, entries);
	(void)waitpid(pid, NULL, 0);
	clean(dir);
	return good ? 0 : 1;
}

int
main(int argc, char **argv)
{
	int rounds = 5, entries = 100000, c;

	if (getenv("OTP_LINK") != NULL)
		return otp_gen_server_main(argc > 1 ? &other : &meter, argc,
		    argv);
	while ((c = getopt(argc, argv, "r:n:")) != -1)
		if (c == 'r')
			rounds = atoi(optarg);
		else if (c == 'n')
			entries = atoi(optarg);
		else
			return 2;
	if (rounds < 1 || rounds > ROUNDS_MAX || entries < 1000)
		return 2;
	return bench(rounds, entries);
}
