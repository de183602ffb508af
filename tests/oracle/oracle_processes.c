/* SPDX-License-Identifier: ISC */
/*
 * The recorded scenarios of OTP's own supervisor, replayed against a running
 * otpd with real processes.  A case is a process of its own with an otpd of
 * its own; several run at once.
 *
 *	oracle_processes [-j N] [-k SEED] [-t] CASE|DIRECTORY...
 *
 * -k: the engine is killed all the time, and the traces must be the same.
 * -t prints the traces.  The last line says how many passed and failed.
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "process_jobs.h"
#include "crash/crash_plan.h"
#include "process_rig.h"
#include "process_spec.h"
#include "process_trace.h"
#include "wire/reason.h"

#define CASE_TIMEOUT_S	60

struct replay {
	struct rig	 rig;
	const cJSON	*scenario;
	struct crash_plan *plan;	/* or NULL */
	bool		 lost;		/* the answer to this step's order */
	cJSON		*straws;	/* by path: why a supervisor ended */
	cJSON		*ends;		/* by path: the last reason */
};

static bool print_traces;
static unsigned long kill_seed;		/* 0: nothing is killed */

static const char *
string_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : "";
}

static bool
is(const cJSON *object, const char *key, const char *value)
{
	return strcmp(string_of(object, key), value) == 0;
}

/* --- calls --- */

static const char *
path_of(const struct replay *p, const char *id)
{
	return is(cJSON_GetObjectItem(p->scenario, "tree"), "id", id) ? "/" :
	    id;
}

static cJSON *
call_request(struct replay *p, const cJSON *call)
{
	static const struct { const char *theirs, *ours; } ops[] = {
		{ "which", "which_children" }, { "count", "count_children" } };
	const char *op = string_of(call, "op");
	const cJSON *spec = cJSON_GetObjectItem(call, "spec");
	cJSON *request, *child;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (strcmp(op, ops[i].theirs) == 0)
			op = ops[i].ours;
	request = rig_request(op);
	(void)cJSON_AddStringToObject(request, "sup",
	    path_of(p, string_of(call, "sup")));
	if (strcmp(op, "start_child") == 0 && spec != NULL) {
		(void)cJSON_AddItemToObject(request, "spec",
		    spec_child(&p->rig, spec));
	} else if (strcmp(op, "start_child") == 0) {
		child = cJSON_AddObjectToObject(request, "spec");
		(void)cJSON_AddStringToObject(child, "id",
		    string_of(call, "name"));
		(void)cJSON_AddItemToArray(cJSON_AddArrayToObject(child,
		    "args"), cJSON_CreateString(string_of(call, "name")));
	} else {
		(void)cJSON_AddStringToObject(request, "id",
		    string_of(call, "child"));
	}
	return request;
}

static int
by_string(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "ID running worker" of each row; sorted where OTP has no order. */
static cJSON *
which_rows(struct replay *p, const char *sup, const cJSON *reply)
{
	const cJSON *rows = cJSON_GetObjectItem(reply, "children"), *row;
	const char *texts[512];
	char text[160];
	int n = 0;
	cJSON *out;

	cJSON_ArrayForEach(row, rows) {
		(void)snprintf(text, sizeof(text), "%s %s %s",
		    string_of(row, "id"), string_of(row, "state"),
		    string_of(row, "type"));
		if (n == 512)
			rig_fail(&p->rig, "too many children");
		texts[n++] = strdup(text);
	}
	if (trace_is_simple(p->scenario, sup))
		qsort(texts, (size_t)n, sizeof(*texts), by_string);
	out = cJSON_CreateStringArray(texts, n);
	while (n > 0)
		free((char *)(uintptr_t)texts[--n]);
	return out;
}

static cJSON *
count_row(const cJSON *reply)
{
	static const char *const keys[] = { "specs", "active", "supervisors",
	    "workers" };
	cJSON *out = cJSON_CreateArray();

	for (int i = 0; i < 4; i++)
		(void)cJSON_AddItemToArray(out, cJSON_CreateNumber(
		    cJSON_GetNumberValue(cJSON_GetObjectItem(reply, keys[i]))));
	return out;
}

/* The items with a separator between them. */
static void
join(const cJSON *array, const char *separator, char *out, size_t size)
{
	const cJSON *item;
	size_t len = 0;

	out[0] = '\0';
	cJSON_ArrayForEach(item, array) {
		if (cJSON_IsString(item))
			(void)snprintf(out + len, size - len, "%s%s",
			    len > 0 ? separator : "", item->valuestring);
		else
			(void)snprintf(out + len, size - len, "%s%.0f",
			    len > 0 ? separator : "", item->valuedouble);
		len = strlen(out);
	}
}

/* Takes reply, NULL when there was none. */
static void
call_result(struct replay *p, const cJSON *call, cJSON *reply, char *out,
    size_t size)
{
	const char *error = string_of(reply, "error");
	cJSON *rows = NULL;

	if (reply == NULL) {
		(void)snprintf(out, size, "error:noproc");
	} else if (*error != '\0') {
		(void)snprintf(out, size, "error:%s", error);
	} else if (is(call, "op", "which")) {
		rows = which_rows(p, string_of(call, "sup"), reply);
		join(rows, ", ", out, size);
	} else if (is(call, "op", "count")) {
		rows = count_row(reply);
		join(rows, " ", out, size);
	} else {
		(void)snprintf(out, size, "%s", string_of(reply, "result"));
	}
	cJSON_Delete(rows);
	cJSON_Delete(reply);
}

/* --- ends of workers --- */

/* A pidfd of the running worker, or -1. */
static int
find_worker(struct replay *p, const char *id)
{
	cJSON *request = rig_request("status"), *reply;
	const cJSON *child, *pid;
	int fd = -1;

	(void)cJSON_AddItemToObject(request, "paths",
	    cJSON_CreateStringArray(&id, 1));
	reply = rig_ask(&p->rig, request);
	child = cJSON_GetArrayItem(cJSON_GetObjectItem(reply, "children"), 0);
	pid = cJSON_GetObjectItem(child, "pid");
	if (is(child, "state", "running") && cJSON_IsNumber(pid))
		fd = (int)syscall(SYS_pidfd_open, (pid_t)pid->valuedouble, 0);
	cJSON_Delete(reply);
	return fd;
}

/* Returns when it has ended, reaped or not. */
static const char *
end_worker(struct replay *p, const char *id, const char *reason)
{
	static const struct { const char *reason; int sig; } orders[] = {
		{ "normal", SIGUSR2 }, { "abnormal", SIGUSR1 },
		{ "kill", SIGKILL }, { "shutdown", SIGHUP } };
	int fd = find_worker(p, id), sig = 0;

	if (fd < 0)
		return "error:not_running";
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (strcmp(orders[i].reason, reason) == 0)
			sig = orders[i].sig;
	if (syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) < 0)
		rig_fail(&p->rig, "cannot signal %s", id);
	rig_await_readable(&p->rig, fd, "a worker's end");
	(void)close(fd);
	return "ok";
}

/* No engine dies while something could not go on without it. */
static void
spare_engine(struct replay *p, bool spare)
{
	if (p->plan != NULL)
		p->plan->at = spare ? 0 : p->plan->points + p->plan->every;
}

static void
stop_spawner(struct replay *p)
{
	siginfo_t info;

	(void)kill(p->rig.otpd, SIGSTOP);
	if (waitid(P_PID, (id_t)p->rig.otpd, &info, WSTOPPED) < 0 ||
	    info.si_code != CLD_STOPPED)
		rig_fail(&p->rig, "otpd did not stop");
}

/* --- steps --- */

static void
step_exit_all(struct replay *p, const cJSON *step, char *out, size_t size)
{
	const char *reason = string_of(step, "reason"), *result = "ok";
	const cJSON *id;

	spare_engine(p, true);		/* there would be no next one */
	cJSON_Delete(rig_ask(&p->rig, rig_request("info")));
	stop_spawner(p);
	cJSON_ArrayForEach(id, cJSON_GetObjectItem(step, "children"))
		result = end_worker(p, id->valuestring, reason);
	spare_engine(p, false);
	(void)kill(p->rig.otpd, SIGCONT);
	(void)snprintf(out, size, "%s", result);
}

static void
arm(struct replay *p, const cJSON *step)
{
	const cJSON *mode;
	char name[128];
	FILE *f;

	(void)snprintf(name, sizeof(name), "arm.%s", string_of(step, "child"));
	f = fopen(name, "ae");
	if (f == NULL)
		rig_fail(&p->rig, "%s: %s", name, strerror(errno));
	cJSON_ArrayForEach(mode, cJSON_GetObjectItem(step, "modes"))
		(void)fprintf(f, "%s\n", mode->valuestring);
	(void)fclose(f);
}

/* Before whatever is armed already. */
static void
arm_hold(struct replay *p, const char *id)
{
	char name[128], rest[1024] = "";
	size_t n = 0;
	FILE *f;

	(void)snprintf(name, sizeof(name), "arm.%s", id);
	f = fopen(name, "re");
	if (f != NULL) {
		n = fread(rest, 1, sizeof(rest) - 1, f);
		(void)fclose(f);
	}
	f = fopen(name, "we");
	if (f == NULL)
		rig_fail(&p->rig, "%s: %s", name, strerror(errno));
	(void)fprintf(f, "hold\n%.*s", (int)n, rest);
	(void)fclose(f);
}

static void
step_retry_call(struct replay *p, const cJSON *step, char *out, size_t size)
{
	const cJSON *call = cJSON_GetObjectItem(step, "call");
	const char *id = string_of(step, "child"), *ended;
	char held[128], release[128];
	struct line *line;
	int held_fd, release_fd;

	spare_engine(p, true);	/* two connections at once are too much */
	(void)snprintf(held, sizeof(held), "held.%s", id);
	(void)snprintf(release, sizeof(release), "release.%s", id);
	arm_hold(p, id);
	held_fd = rig_fifo(&p->rig, held);
	release_fd = rig_fifo(&p->rig, release);
	(void)close(release_fd);
	ended = end_worker(p, id, string_of(step, "reason"));
	if (strcmp(ended, "ok") != 0) {
		(void)snprintf(out, size, "%s", ended);
		return;
	}
	rig_await_readable(&p->rig, held_fd, "a start that is held");
	line = rig_ask_begin(&p->rig, call_request(p, call));
	/* For reading and writing: it opens whether or not one reads yet. */
	release_fd = open(release, O_RDWR | O_CLOEXEC);
	call_result(p, call, rig_ask_end(&p->rig, line), out, size);
	(void)close(held_fd);
	(void)close(release_fd);
	(void)unlink(held);
	(void)unlink(release);
	spare_engine(p, false);
}

static bool
happened(struct replay *p)
{
	const cJSON *event;

	cJSON_ArrayForEach(event, p->rig.heard)
		if (*string_of(event, "path") != '\0')
			return true;
	return false;
}

/*
 * Where the engine dies over an order nobody knows whether it was done; what
 * has happened since tells.  Its answer is then taken as it should have been.
 */
static cJSON *
ask_until_done(struct replay *p, const cJSON *step)
{
	cJSON *reply;

	for (;;) {
		reply = rig_ask(&p->rig, call_request(p, step));
		if (!cJSON_HasObjectItem(reply, "lost"))
			return reply;
		p->lost = true;
		rig_settle(&p->rig);
		if (happened(p) || p->rig.otpd == 0)
			return reply;
		cJSON_Delete(reply);
		p->lost = false;
	}
}

static void
step_wait(const cJSON *step)
{
	long ms = (long)cJSON_GetNumberValue(cJSON_GetObjectItem(step, "ms"));
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static void
do_step(struct replay *p, const cJSON *step, char *out, size_t size)
{
	const char *op = string_of(step, "op");

	(void)snprintf(out, size, "ok");
	if (strcmp(op, "exit") == 0)
		(void)snprintf(out, size, "%s", end_worker(p,
		    string_of(step, "child"), string_of(step, "reason")));
	else if (strcmp(op, "exit_all") == 0)
		step_exit_all(p, step, out, size);
	else if (strcmp(op, "arm") == 0)
		arm(p, step);
	else if (strcmp(op, "wait") == 0)
		step_wait(step);
	else if (strcmp(op, "retry_call") == 0)
		step_retry_call(p, step, out, size);
	else
		call_result(p, step, ask_until_done(p, step), out, size);
}

/* --- a whole case --- */

static void
note(cJSON *to, const cJSON *event, cJSON *what)
{
	cJSON_DeleteItemFromObject(to, string_of(event, "path"));
	(void)cJSON_AddItemToObject(to, string_of(event, "path"), what);
}

static void
note_ends(struct replay *p)
{
	const cJSON *event;

	cJSON_ArrayForEach(event, p->rig.heard)
		if (is(event, "event", "exited"))
			note(p->ends, event,
			    cJSON_CreateString(string_of(event, "reason")));
		else if (is(event, "event", "gave_up") ||
		    is(event, "event", "auto_shutdown"))
			note(p->straws, event, cJSON_Duplicate(event, true));
}

static cJSON *
take_events(struct replay *p, int parallel)
{
	cJSON *events = trace_events(p->scenario, p->rig.heard, parallel);

	note_ends(p);
	cJSON_Delete(p->rig.heard);
	p->rig.heard = cJSON_CreateArray();
	return events;
}

/*
 * An engine that dies when all is over is followed by one that only ends
 * otpd: nobody hears the last events, of which those heard are some.
 */
static cJSON *
last_events(struct replay *p, cJSON *got, const cJSON *want)
{
	const cJSON *one, *other;
	bool found;

	if (p->plan == NULL || p->rig.otpd != 0)
		return got;
	cJSON_ArrayForEach(one, got) {
		found = false;
		cJSON_ArrayForEach(other, want)
			found |= cJSON_Compare(one, other, 1) != 0;
		if (!found)
			return got;
	}
	cJSON_Delete(got);
	return cJSON_Duplicate(want, 1);
}

static void
add_step(struct replay *p, const char *result, int parallel, cJSON *to,
    const cJSON *want)
{
	rig_settle(&p->rig);
	(void)cJSON_AddStringToObject(to, "result", result);
	(void)cJSON_AddItemToObject(to, "events", last_events(p,
	    take_events(p, parallel), cJSON_GetObjectItem(want, "events")));
}

static cJSON *
replay_steps(struct replay *p, const cJSON *expected)
{
	cJSON *steps = cJSON_CreateArray(), *out;
	const cJSON *step;
	char result[4096];
	int i = 0;

	cJSON_ArrayForEach(step, cJSON_GetObjectItem(p->scenario, "steps")) {
		const cJSON *want = cJSON_GetArrayItem(expected, i++);

		p->lost = false;
		do_step(p, step, result, sizeof(result));
		if (p->lost)
			(void)snprintf(result, sizeof(result), "%s",
			    string_of(want, "result"));
		out = cJSON_CreateObject();
		add_step(p, result, is(step, "op", "exit_all") ?
		    cJSON_GetArraySize(cJSON_GetObjectItem(step,
		    "children")) : 0, out, want);
		(void)cJSON_AddItemToArray(steps, out);
	}
	return steps;
}

static cJSON *
ask_sup(struct replay *p, const char *op, const char *sup)
{
	cJSON *request = rig_request(op), *reply;

	(void)cJSON_AddStringToObject(request, "sup", path_of(p, sup));
	reply = rig_ask(&p->rig, request);
	if (*string_of(reply, "error") == '\0')
		return reply;
	if (!is(reply, "error", "noproc"))
		rig_fail(&p->rig, "%s of %s: %s", op, sup,
		    string_of(reply, "error"));
	cJSON_Delete(reply);
	return NULL;
}

static cJSON *
final(struct replay *p)
{
	cJSON *sups = trace_supervisors(p->scenario), *which, *count, *one;
	cJSON *out = cJSON_CreateArray();
	const cJSON *sup;

	cJSON_ArrayForEach(sup, sups) {
		const char *id = string_of(sup, "id");

		which = ask_sup(p, "which_children", id);
		count = ask_sup(p, "count_children", id);
		one = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(one, "id", id);
		(void)cJSON_AddBoolToObject(one, "alive", which != NULL);
		if (which != NULL) {
			(void)cJSON_AddItemToObject(one, "which",
			    which_rows(p, id, which));
			(void)cJSON_AddItemToObject(one, "count",
			    count_row(count));
		}
		(void)cJSON_AddItemToArray(out, one);
		cJSON_Delete(which);
		cJSON_Delete(count);
	}
	cJSON_Delete(sups);
	return out;
}

static void
check_engine(struct replay *p)
{
	cJSON *info = rig_ask(&p->rig, rig_request("info"));

	if (p->plan == NULL && info != NULL && cJSON_GetNumberValue(cJSON_GetObjectItem(info,
	    "crashed")) != 0)
		rig_fail(&p->rig, "the engine crashed");
	cJSON_Delete(info);
}

/* Did what ended it, or ended what ended it, fail? */
static bool
failed(const struct replay *p, const char *path)
{
	const cJSON *straw = cJSON_GetObjectItemCaseSensitive(p->straws, path);

	if (straw == NULL)
		return reason_class(string_of(p->ends, path)) ==
		    REASON_ABNORMAL;
	return is(straw, "event", "gave_up") ||
	    failed(p, string_of(straw, "child"));
}

/*
 * otpd's exit code: 0 when it was asked to stop, or what was significant has
 * ended normally, which nobody may have heard where engines are killed.
 */
static void
check_code(struct replay *p, bool asked)
{
	bool heard = cJSON_HasObjectItem(p->straws, "/");
	bool well = asked || (heard && !failed(p, "/"));
	bool known = asked || heard || p->plan == NULL ||
	    !cJSON_HasObjectItem(cJSON_GetObjectItem(p->scenario, "tree"),
	    "auto_shutdown");
	int status = p->rig.status;

	if (!WIFEXITED(status) || (known && (WEXITSTATUS(status) == 0) != well))
		rig_fail(&p->rig, "otpd's wait status is %#x", status);
}

static void
begin_killing(struct replay *p)
{
	const char *c = string_of(p->scenario, "case");
	unsigned long n = kill_seed;

	if (kill_seed == 0)
		return;
	for (; *c != '\0'; c++)
		n = n * 31 + (unsigned char)*c;
	p->plan = crash_plan_new(&p->rig);
	p->plan->sig = SIGKILL;
	p->plan->every = 60 + n % 200;
	p->plan->at = p->plan->every;
}

static cJSON *
replay(struct replay *p, const cJSON *expected)
{
	cJSON *trace = cJSON_CreateObject(), *boot, *step;
	char *config;
	bool asked;

	rig_init(&p->rig, CASE_TIMEOUT_S);
	p->straws = cJSON_CreateObject();
	p->ends = cJSON_CreateObject();
	begin_killing(p);
	cJSON_ArrayForEach(step, cJSON_GetObjectItem(p->scenario, "pre"))
		arm(p, step);
	config = spec_config(&p->rig, cJSON_GetObjectItem(p->scenario, "tree"));
	rig_start(&p->rig, config);
	free(config);
	rig_settle(&p->rig);
	boot = cJSON_AddObjectToObject(trace, "boot");
	add_step(p, p->rig.otpd != 0 ? "ok" : "error:start_failed", 0, boot,
	    cJSON_GetObjectItem(expected, "boot"));
	(void)cJSON_AddItemToObject(trace, "steps", p->rig.otpd != 0 ?
	    replay_steps(p, cJSON_GetObjectItem(expected, "steps")) : cJSON_CreateArray());
	(void)cJSON_AddItemToObject(trace, "final", final(p));
	check_engine(p);
	asked = p->rig.otpd != 0;
	cJSON_Delete(rig_ask(&p->rig, rig_request("shutdown")));
	rig_drain(&p->rig);
	(void)cJSON_AddItemToObject(trace, "teardown", last_events(p,
	    take_events(p, 0), cJSON_GetObjectItem(expected, "teardown")));
	check_code(p, asked);
	cJSON_Delete(p->straws);
	cJSON_Delete(p->ends);
	rig_done(&p->rig);
	return trace;
}

/* The two lines of a case file. */
static void
read_case(const char *file, cJSON **out_scenario, cJSON **out_expected)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = fopen(file, "re");

	*out_scenario = *out_expected = NULL;
	if (f == NULL)
		return;
	if (getline(&text, &size, f) > 0)
		*out_scenario = cJSON_Parse(text);
	if (getline(&text, &size, f) > 0)
		*out_expected = cJSON_Parse(text);
	free(text);
	(void)fclose(f);
}

/* In a process of its own; its exit code: 0 passed, 1 failed. */
static int
run_case(const char *file)
{
	struct replay p = { .scenario = NULL };
	cJSON *scenario, *expected, *trace;
	unsigned n;
	char *text;

	read_case(file, &scenario, &expected);
	if (scenario == NULL || expected == NULL) {
		printf("%s: not a case\n", file);
		return 1;
	}
	p.scenario = scenario;
	rig_name(string_of(scenario, "case"));
	trace = replay(&p, expected);
	if (print_traces) {
		text = cJSON_PrintUnformatted(trace);
		printf("%s\n", text);
		free(text);
	}
	n = trace_diff(string_of(scenario, "case"), expected, trace);
	if (n > 0)
		printf("  (%s)\n", string_of(scenario, "about"));
	cJSON_Delete(trace);
	cJSON_Delete(scenario);
	cJSON_Delete(expected);
	return n > 0;
}

/* --- all of them --- */

int
main(int argc, char **argv)
{
	unsigned jobs = 2, failed;
	int opt;

	while ((opt = getopt(argc, argv, "j:k:t")) != -1) {
		if (opt == 'j')
			jobs = (unsigned)strtoul(optarg, NULL, 10);
		else if (opt == 'k')
			kill_seed = strtoul(optarg, NULL, 10);
		else if (opt == 't')
			print_traces = true;
		else
			return 2;
	}
	if (optind == argc || jobs == 0) {
		(void)fprintf(stderr, "usage: oracle_processes [-j N] [-k SEED] [-t] "
		    "CASE|DIRECTORY...\n");
		return 2;
	}
	failed = jobs_run(argv + optind, run_case, jobs);
	return failed > 0;
}
