/* SPDX-License-Identifier: ISC */
/*
 * Random torture: in every round some things happen at once that nobody waits
 * for (services, the engine and the logger die, orders are given, otpd is held
 * up or crashes); then all must come to rest, and what must be true is looked
 * up in /proc.
 *
 *	crash_torture [-n ROUNDS] [-s SEED] [-v]
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crash/crash_steps.h"
#include "crash/crash_world.h"
#include "oracle/process_clean.h"

#define ROUND_TIMEOUT_S	30
#define AT_ONCE_MAX	6
#define CRASH_EVERY_S	3	/* otpd gives up when it crashes too often */

struct torture {
	struct rig	 rig;
	uint64_t	 dice;
	unsigned	 round, ndynamic;
	bool		 verbose, held_up;	/* otpd is stopped */
	pid_t		 still;
	const cJSON	*children;	/* at the beginning of the round */
	struct line	*asked[AT_ONCE_MAX];
	int		 dying[AT_ONCE_MAX];	/* pidfds */
	unsigned	 nasked, ndying;
	time_t		 crashed_s;	/* otpd itself, last */
};

static unsigned
roll(struct torture *t, unsigned n)
{
	t->dice ^= t->dice << 13;
	t->dice ^= t->dice >> 7;
	t->dice ^= t->dice << 17;
	return (unsigned)(t->dice >> 11) % n;
}

static void
say(const struct torture *t, const char *what, const char *about)
{
	if (t->verbose)
		printf("%u: %s %s\n", t->round, what, about);
}

/* --- what can happen --- */

static const cJSON *
any_child(struct torture *t, const char *type)
{
	const cJSON *child;

	for (;;) {
		child = cJSON_GetArrayItem(t->children, (int)roll(t,
		    (unsigned)cJSON_GetArraySize(t->children)));
		if (strcmp(world_string(child, "type"), type) == 0 &&
		    strcmp(world_string(child, "path"), "/") != 0)
			return child;
	}
}

/* The round waits for its end: a signal takes its time. */
static void
send_signal(struct torture *t, pid_t pid, int sig, const char *name)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)		/* it has gone already */
		return;
	say(t, "dies:", name);
	(void)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
	t->dying[t->ndying++] = fd;
}

static void
service_dies(struct torture *t)
{
	static const int signals[] = { SIGUSR1, SIGUSR1, SIGUSR2, SIGHUP,
		SIGKILL };
	const cJSON *child = any_child(t, "worker");
	const cJSON *pid = cJSON_GetObjectItem(child, "pid");

	if (cJSON_IsNumber(pid) && strcmp(world_string(child, "id"),
	    "still") != 0)
		send_signal(t, (pid_t)pid->valuedouble, signals[roll(t, 5)],
		    world_string(child, "path"));
}

/* The engine or the logger, wherever it stands; it may just be absent. */
static void
program_dies(struct torture *t, const char *name)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[64], comm[32];
	FILE *f;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    clean_parent_of(entry->d_name) != t->rig.otpd)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%.16s/comm",
		    entry->d_name);
		f = fopen(path, "re");
		if (f != NULL && fgets(comm, sizeof(comm), f) != NULL &&
		    strncmp(comm, name, strlen(name)) == 0)
			send_signal(t, (pid_t)atoi(entry->d_name), SIGKILL,
			    name);
		if (f != NULL)
			(void)fclose(f);
	}
	if (proc != NULL)
		(void)closedir(proc);
}

static time_t
now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void
otpd_crashes(struct torture *t)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT };

	if (now_s() - t->crashed_s < CRASH_EVERY_S)
		return;
	t->crashed_s = now_s();
	say(t, "crashes:", "otpd");
	(void)kill(t->rig.otpd, signals[roll(t, 3)]);
}

static cJSON *
order_about_path(struct torture *t)
{
	static const char *const ops[] = { "start", "stop", "restart", "start",
		"restart" };
	const char *path = world_string(any_child(t, roll(t, 4) == 0 ?
	    "supervisor" : "worker"), "path");
	cJSON *request = rig_request(ops[roll(t, 5)]);

	if (strcmp(path, "still") == 0)
		path = "plain";
	(void)cJSON_AddStringToObject(request, "path", path);
	return request;
}

static cJSON *
order_dynamic(struct torture *t)
{
	static const char *const ops[] = { "terminate_child", "restart_child",
		"delete_child" };
	char id[32], spec[112];
	cJSON *request;

	if (roll(t, 3) > 0) {
		request = rig_request("start_child");
		(void)snprintf(id, sizeof(id), "d%u", t->ndynamic++);
		(void)cJSON_AddStringToObject(request, "sup", "pool");
		(void)snprintf(spec, sizeof(spec),
		    "{\"id\":\"%s\",\"args\":[\"%s\"]}", id, id);
		(void)cJSON_AddItemToObject(request, "spec",
		    cJSON_Parse(spec));
		return request;
	}
	request = rig_request(ops[roll(t, 3)]);
	(void)snprintf(id, sizeof(id), "d%u", roll(t, t->ndynamic + 1));
	(void)cJSON_AddStringToObject(request, "sup", "pool");
	(void)cJSON_AddStringToObject(request, "id", id);
	return request;
}

static cJSON *
order_reload(struct torture *t)
{
	char *text = day_config(&t->rig, 1 + (int)roll(t, 2));
	FILE *f = fopen("otpd.json.new", "we");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF ||
	    rename("otpd.json.new", "otpd.json") < 0)
		rig_fail(&t->rig, "otpd.json: %s", strerror(errno));
	free(text);
	return rig_request("reload");
}

static void
order_is_given(struct torture *t)
{
	unsigned kind = roll(t, 10);
	cJSON *request = kind < 6 ? order_about_path(t) : kind < 9 ?
	    order_dynamic(t) : order_reload(t);
	char *text = cJSON_PrintUnformatted(request);

	if (t->held_up || t->nasked == AT_ONCE_MAX) {
		cJSON_Delete(request);
	} else {
		say(t, "asked:", text);
		t->asked[t->nasked++] = rig_ask_begin(&t->rig, request);
	}
	free(text);
}

/* What dies meanwhile is found all at once. */
static void
otpd_is_held_up(struct torture *t)
{
	siginfo_t info;

	if (t->held_up)
		return;
	say(t, "held up:", "otpd");
	(void)kill(t->rig.otpd, SIGSTOP);
	if (waitid(P_PID, (id_t)t->rig.otpd, &info, WSTOPPED) < 0)
		rig_fail(&t->rig, "otpd did not stop");
	t->held_up = true;
}

static void
something_happens(struct torture *t)
{
	unsigned what = roll(t, 100);

	if (what < 45)
		service_dies(t);
	else if (what < 60)
		program_dies(t, "otp-engine");
	else if (what < 68)
		program_dies(t, "otp-logger");
	else if (what < 73)
		otpd_is_held_up(t);
	else if (what < 78)
		otpd_crashes(t);
	else
		order_is_given(t);
}

/* --- what must be true then --- */

static bool
is_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* Whether it, or a supervisor above it, was stopped by an order. */
static bool
stopped_by_order(const cJSON *children, const cJSON *child)
{
	const char *path = world_string(child, "path"), *p;
	const cJSON *c;
	size_t len;

	cJSON_ArrayForEach(c, children) {
		p = world_string(c, "path");
		len = strlen(p);
		if (is_true(c, "held") && strncmp(p, path, len) == 0 &&
		    (path[len] == '\0' || path[len] == '/'))
			return true;
	}
	return false;
}

/* What was told in this round. */
static void
print_events(const struct torture *t)
{
	const cJSON *e;

	cJSON_ArrayForEach(e, t->rig.heard)
		printf("  %s %s %s %s\n", world_string(e, "event"),
		    world_string(e, "path"), world_string(e, "reason"),
		    world_string(e, "child"));
}

static void
check_that_all_run(struct torture *t, const cJSON *children)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, children) {
		if (strcmp(world_string(c, "restart"), "permanent") != 0 ||
		    stopped_by_order(children, c) ||
		    strcmp(world_string(c, "state"), "running") == 0)
			continue;
		print_events(t);
		rig_fail(&t->rig, "%s is %s", world_string(c, "path"),
		    world_string(c, "state"));
	}
}

static void
round_begins(struct torture *t)
{
	t->rig.deadline = (uint64_t)(now_s() + ROUND_TIMEOUT_S) * 1000000000;
	cJSON_Delete(t->rig.heard);
	t->rig.heard = cJSON_CreateArray();
}

static cJSON *
ask_status(struct torture *t)
{
	cJSON *request = rig_request("status"), *reply;

	(void)cJSON_AddArrayToObject(request, "paths");
	reply = rig_ask(&t->rig, request);
	if (reply == NULL)
		rig_fail(&t->rig, "otpd ended");
	return reply;
}

static void
one_round(struct torture *t)
{
	unsigned n = 1 + roll(t, AT_ONCE_MAX);
	cJSON *before, *after;

	round_begins(t);
	before = ask_status(t);
	t->children = cJSON_GetObjectItem(before, "children");
	while (n-- > 0)
		something_happens(t);
	while (t->ndying > 0) {
		int fd = t->dying[--t->ndying];

		rig_await_readable(&t->rig, fd, "a service's end");
		(void)close(fd);
	}
	if (t->held_up)
		(void)kill(t->rig.otpd, SIGCONT);
	t->held_up = false;
	rig_settle(&t->rig);
	while (t->nasked > 0)
		rig_ask_drop(t->asked[--t->nasked]);
	rig_settle(&t->rig);
	after = ask_status(t);
	check_that_all_run(t, cJSON_GetObjectItem(after, "children"));
	world_check(&t->rig);
	if (world_pid(&t->rig, "still") != t->still)
		rig_fail(&t->rig, "a service that nothing had happened to has "
		    "another pid");
	cJSON_Delete(before);
	cJSON_Delete(after);
}

int
main(int argc, char **argv)
{
	struct torture t = { .dice = (uint64_t)time(NULL) };
	unsigned long rounds = 40, seed = 0;
	char name[80], *text;
	int opt;

	while ((opt = getopt(argc, argv, "n:s:v")) != -1) {
		switch (opt) {
		case 'n': rounds = strtoul(optarg, NULL, 10); break;
		case 's': t.dice = strtoull(optarg, NULL, 10); break;
		case 'v': t.verbose = true; break;
		default: return 2;
		}
	}
	seed = (unsigned long)t.dice;
	t.dice = (t.dice + 1) * UINT64_C(0x9e3779b97f4a7c15);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %lu\n", seed);
	rig_init(&t.rig, ROUND_TIMEOUT_S);
	t.rig.mortal = true;
	day_worker(&t.rig);
	text = day_config(&t.rig, 1);
	rig_start(&t.rig, text);
	free(text);
	rig_settle(&t.rig);
	t.still = world_pid(&t.rig, "still");
	for (t.round = 1; t.round <= rounds; t.round++) {
		(void)snprintf(name, sizeof(name), "seed %lu, round %u", seed,
		    t.round);
		rig_name(name);
		one_round(&t);
	}
	round_begins(&t);
	day_end(&t.rig);
	printf("%lu passed, 0 failed\n", rounds);
	return 0;
}
