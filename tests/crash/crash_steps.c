/* SPDX-License-Identifier: ISC */
/*
 * The steps.  An order whose answer was lost is repeated only when nothing
 * has happened by it.
 */
#include "crash/crash_steps.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash/crash_world.h"

#define REPEATS	64		/* of an order whose answers are lost */

enum verb {
	CRASH, NORMAL, SHUT, TOGETHER, ARM, START, STOP, RESTART, RELOAD,
	START_CHILD, TERMINATE_CHILD, RESTART_CHILD, DELETE_CHILD, TERMINATE,
	LOGS, REPLACE
};

static const struct step {
	enum verb	 verb;
	const char	*path, *arg;
} steps[] = {
	{ CRASH, "plain", NULL },
	{ CRASH, "group/g2", NULL },
	{ CRASH, "rest/r2", NULL },
	{ NORMAL, "rest/r1", NULL },
	{ SHUT, "transient", NULL },
	{ START, "transient", NULL },
	{ STOP, "plain", NULL },
	{ RESTART, "group/g1", NULL },
	{ START, "plain", NULL },
	{ START_CHILD, "pool", "{\"id\":\"p1\",\"args\":[\"p1\"]}" },
	{ START_CHILD, "pool", "{\"id\":\"p2\",\"args\":[\"p2\"]}" },
	{ START_CHILD, "pool", "{\"id\":\"p3\",\"args\":[\"p3\"]}" },
	{ CRASH, "pool/p2", NULL },
	{ NORMAL, "pool/p1", NULL },
	{ ARM, "retry", "ee" },
	{ CRASH, "retry", NULL },
	{ TOGETHER, "group/g1", "group/g3" },
	{ TOGETHER, "plain", "rest/r3" },
	{ ARM, "r2", "ee" },
	{ CRASH, "rest/r1", NULL },
	{ START_CHILD, "/", "dyn" },
	{ CRASH, "dyn", NULL },
	{ TERMINATE_CHILD, "/", "dyn" },
	{ RESTART_CHILD, "/", "dyn" },
	{ TERMINATE_CHILD, "/", "dyn" },
	{ DELETE_CHILD, "/", "dyn" },
	{ START_CHILD, "/", "dyn2" },
	{ RELOAD, "2", NULL },
	{ CRASH, "added", NULL },
	{ CRASH, "changed", NULL },
	{ STOP, "group", NULL },
	{ CRASH, "plain", NULL },
	{ START, "group", NULL },
	{ ARM, "ignored", "i" },
	{ START, "ignored", NULL },
	{ ARM, "ignored", "e" },
	{ START, "ignored", NULL },
	{ START, "ignored", NULL },
	{ TERMINATE, "plain", NULL },
	{ RESTART, "rest", NULL },
	{ STOP, "retry", NULL },
	{ RELOAD, "1", NULL },
	{ TERMINATE_CHILD, "pool", "p3" },
	{ START, "retry", NULL },
	{ CRASH, "dyn2", NULL },
	{ NORMAL, "transient", NULL },
	{ RESTART_CHILD, "/", "transient" },
	{ TOGETHER, "changed", "dyn2" },
	{ STOP, "plain", NULL },
	/* of the fuller day */
	{ CRASH, "server", NULL },
	{ CRASH, "noisy", NULL },
	{ CRASH, "noisy", NULL },
	{ LOGS, "noisy", NULL },
	{ CRASH, "filed", NULL },
	{ STOP, "server", NULL },
	{ TERMINATE_CHILD, "pool", "pid:2147483647" },
	{ REPLACE, NULL, NULL },
	{ START, "server", NULL },
	{ CRASH, "noisy", NULL },
	{ LOGS, "noisy", NULL },
	{ RELOAD, "2", NULL },
	{ CRASH, "included", NULL },
	{ STOP, "server", NULL },
};
#define NSTEPS	(sizeof(steps) / sizeof(steps[0]))
#define NUSUAL	(NSTEPS - 14)
#define REPLACES (NUSUAL + 7)	/* the number of that step */

static bool fuller;

/* --- the tree --- */

static void
add_worker(struct rig *r, cJSON *to, const char *id, const char *restart,
    const char *extra)
{
	cJSON *child = cJSON_CreateObject(), *start;

	if (id != NULL)
		(void)cJSON_AddStringToObject(child, "id", id);
	start = cJSON_AddArrayToObject(child, "start");
	(void)cJSON_AddItemToArray(start, cJSON_CreateString(r->worker));
	(void)cJSON_AddItemToArray(start, cJSON_CreateString(r->dir));
	if (id != NULL)
		(void)cJSON_AddItemToArray(start, cJSON_CreateString(id));
	(void)cJSON_AddStringToObject(child, "restart", restart);
	(void)cJSON_AddStringToObject(child, "ready", "notify");
	if (extra != NULL)
		(void)cJSON_AddStringToObject(cJSON_AddObjectToObject(child,
		    "env"), "EXTRA", extra);
	if (cJSON_IsArray(to))
		(void)cJSON_AddItemToArray(to, child);
	else
		(void)cJSON_AddItemToObject(to, "template", child);
}

static cJSON *
add_supervisor(cJSON *to, const char *id, const char *strategy)
{
	cJSON *sup = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(sup, "id", id);
	(void)cJSON_AddStringToObject(sup, "type", "supervisor");
	(void)cJSON_AddStringToObject(sup, "strategy", strategy);
	(void)cJSON_AddNumberToObject(sup, "max_restarts", 1000);
	(void)cJSON_AddItemToArray(to, sup);
	return sup;
}

static cJSON *
last_child(cJSON *of)
{
	return cJSON_GetArrayItem(of, cJSON_GetArraySize(of) - 1);
}

/* A server with a name, a log that is rotated at each line, a file for stdout,
 * and a file of its own for one of them. */
static void
add_fuller(struct rig *r, cJSON *root, cJSON *all)
{
	char path[700];
	cJSON *child;

	add_worker(r, all, "server", "permanent", NULL);
	child = last_child(all);
	(void)snprintf(path, sizeof(path), "%s/tests/crash/crash_server",
	    getenv("OTPD_BUILDDIR"));
	(void)cJSON_ReplaceItemInArray(cJSON_GetObjectItem(child, "start"), 0,
	    cJSON_CreateString(path));
	cJSON_DeleteItemFromArray(cJSON_GetObjectItem(child, "start"), 2);
	cJSON_DeleteItemFromObject(child, "ready");
	(void)cJSON_AddStringToObject(child, "kind", "gen_server");
	(void)cJSON_AddStringToObject(child, "name", "server");
	(void)cJSON_AddStringToObject(cJSON_AddObjectToObject(child, "env"),
	    "SERVICE", path);
	add_worker(r, all, "noisy", "permanent", NULL);
	child = cJSON_AddObjectToObject(last_child(all), "log");
	(void)cJSON_AddNumberToObject(child, "max_size", 8);
	(void)cJSON_AddNumberToObject(child, "keep", 1000);
	add_worker(r, all, "filed", "permanent", NULL);
	(void)snprintf(path, sizeof(path), "%s/out/filed.log", r->dir);
	(void)cJSON_AddStringToObject(last_child(all), "stdout", path);
	(void)cJSON_AddStringToObject(root, "include", "more");
}

char *
day_config(struct rig *r, int version)
{
	cJSON *root = cJSON_CreateObject(), *all, *group, *rest;
	char *text;

	(void)cJSON_AddNumberToObject(root, "max_restarts", 1000);
	all = cJSON_AddArrayToObject(root, "children");
	add_worker(r, all, "still", "permanent", NULL);
	add_worker(r, all, "plain", "permanent", NULL);
	add_worker(r, all, "transient", "transient", NULL);
	group = cJSON_AddArrayToObject(add_supervisor(all, "group",
	    "one_for_all"), "children");
	add_worker(r, group, "g1", "permanent", NULL);
	add_worker(r, group, "g2", "permanent", NULL);
	add_worker(r, group, "g3", "transient", NULL);
	rest = cJSON_AddArrayToObject(add_supervisor(all, "rest",
	    "rest_for_one"), "children");
	add_worker(r, rest, "r1", "permanent", NULL);
	add_worker(r, rest, "r2", "permanent", NULL);
	add_worker(r, rest, "r3", "permanent", NULL);
	add_worker(r, add_supervisor(all, "pool", "simple_one_for_one"), NULL,
	    "transient", NULL);
	add_worker(r, all, "retry", "permanent", NULL);
	add_worker(r, all, "ignored", "transient", NULL);
	add_worker(r, all, "changed", "permanent", version == 2 ? "2" : "1");
	add_worker(r, all, version == 2 ? "added" : "left_out", "permanent",
	    NULL);
	if (fuller)
		add_fuller(r, root, all);
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}

/* --- orders --- */

static unsigned troubles;	/* events that tell of them */

/* That a log cannot be written is no sign that an order was carried out. */
static bool
about_services(const cJSON *event)
{
	const char *type = world_string(event, "event");

	return *world_string(event, "path") != '\0' &&
	    strcmp(type, "fault") != 0 && strcmp(type, "recovered") != 0;
}

static bool
of_trouble(const cJSON *event)
{
	static const char *const types[] = { "fault", "recovered",
	    "engine_crashed", "start_failed", "refused" };

	if (strcmp(world_string(event, "event"), "reloaded") == 0)
		return strncmp(world_string(event, "reason"), "refused",
		    strlen("refused")) == 0;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(world_string(event, "event"), types[i]) == 0)
			return true;
	return false;
}

/* Everything heard so far is forgotten; whether any of it was of a service. */
static bool
take_heard(struct rig *r)
{
	const cJSON *event;
	bool any = false;

	cJSON_ArrayForEach(event, r->heard) {
		any |= about_services(event);
		troubles += of_trouble(event);
	}
	cJSON_Delete(r->heard);
	r->heard = cJSON_CreateArray();
	return any;
}

/* For a fault of the machine, and nothing has changed: ask again. */
static bool
refused(const cJSON *reply)
{
	const char *error = world_string(reply, "error");

	return strcmp(error, "failed") == 0 || strcmp(error, "config") == 0;
}

static void
order(struct rig *r, const cJSON *request)
{
	cJSON *reply;

	for (int i = 0; i < REPEATS; i++) {
		reply = rig_ask(r, cJSON_Duplicate(request, 1));
		if (reply == NULL)
			rig_fail(r, "otpd ended");
		if (!cJSON_HasObjectItem(reply, "lost") && !refused(reply)) {
			cJSON_Delete(reply);
			return;
		}
		if (refused(reply)) {
			cJSON_Delete(reply);
			continue;
		}
		cJSON_Delete(reply);
		rig_settle(r);
		if (take_heard(r))
			return;
	}
	rig_fail(r, "no answer in %d times", REPEATS);
}

cJSON *
day_spec(struct rig *r, const char *id)
{
	cJSON *array = cJSON_CreateArray(), *spec;

	add_worker(r, array, id, "permanent", NULL);
	spec = cJSON_DetachItemFromArray(array, 0);
	cJSON_Delete(array);
	return spec;
}

static void
otp_order(struct rig *r, const struct step *s)
{
	static const char *const ops[] = { [START] = "start", [STOP] = "stop",
	    [RESTART] = "restart", [START_CHILD] = "start_child",
	    [TERMINATE_CHILD] = "terminate_child",
	    [RESTART_CHILD] = "restart_child",
	    [DELETE_CHILD] = "delete_child" };
	cJSON *request = rig_request(ops[s->verb]);

	if (s->verb <= RESTART) {
		(void)cJSON_AddStringToObject(request, "path", s->path);
	} else {
		(void)cJSON_AddStringToObject(request, "sup", s->path);
		if (s->verb == START_CHILD)
			(void)cJSON_AddItemToObject(request, "spec",
			    s->arg[0] == '{' ? cJSON_Parse(s->arg) :
			    day_spec(r, s->arg));
		else
			(void)cJSON_AddStringToObject(request, "id", s->arg);
	}
	order(r, request);
	cJSON_Delete(request);
}

static void
write_file(struct rig *r, const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF)
		rig_fail(r, "%s: %s", name, strerror(errno));
}

static void
reload(struct rig *r, const char *version)
{
	char *text = day_config(r, atoi(version));
	cJSON *request = rig_request("reload");

	write_file(r, "otpd.json", text);
	order(r, request);
	cJSON_Delete(request);
	free(text);
}

/* --- deaths --- */

/* Signalled, and seen to be gone. */
static void
end_worker(struct rig *r, const char *path, int sig)
{
	pid_t pid = world_pid(r, path);
	int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

	if (fd < 0 || kill(pid, sig) < 0)
		rig_fail(r, "%s does not run", path);
	rig_await_readable(r, fd, "a worker's end");
	(void)close(fd);
}

static void
end_together(struct rig *r, const char *one, const char *other)
{
	pid_t pids[2] = { world_pid(r, one), world_pid(r, other) };
	siginfo_t info;
	int fd;

	(void)kill(r->otpd, SIGSTOP);
	if (waitid(P_PID, (id_t)r->otpd, &info, WSTOPPED) < 0)
		rig_fail(r, "otpd did not stop");
	for (int i = 0; i < 2; i++) {
		fd = (int)syscall(SYS_pidfd_open, pids[i], 0);
		if (fd < 0 || kill(pids[i], SIGUSR1) < 0)
			rig_fail(r, "%s does not run", i == 0 ? one : other);
		rig_await_readable(r, fd, "a worker's end");
		(void)close(fd);
	}
	(void)kill(r->otpd, SIGCONT);
}

/* A logger that dies over it is asked again, as people do. */
static void
read_log(struct rig *r, const char *path)
{
	char command[700];

	(void)snprintf(command, sizeof(command), "for i in 1 2 3 4 5; do "
	    "\"$OTPD_BUILDDIR\"/otpctl -r run logs %s 2>logs.err | "
	    "grep -q 'hello from' && exit; done; exit 1", path);
	if (system(command) != 0)
		rig_fail(r, "the log of %s cannot be read", path);
}

static void
do_step(struct rig *r, const struct step *s)
{
	char name[64];

	switch (s->verb) {
	case CRASH:	end_worker(r, s->path, SIGUSR1); break;
	case NORMAL:	end_worker(r, s->path, SIGUSR2); break;
	case SHUT:	end_worker(r, s->path, SIGHUP); break;
	case TERMINATE:	end_worker(r, s->path, SIGKILL); break;
	case TOGETHER:	end_together(r, s->path, s->arg); break;
	case RELOAD:	reload(r, s->path); break;
	case LOGS:	read_log(r, s->path); break;
	case REPLACE:	rig_replace(r); break;
	case ARM:
		(void)snprintf(name, sizeof(name), "arm.%s", s->path);
		write_file(r, name, s->arg);
		break;
	case START: case STOP: case RESTART: case START_CHILD:
	case TERMINATE_CHILD: case RESTART_CHILD: case DELETE_CHILD:
		otp_order(r, s);
		break;
	}
}

/* Every start has said hello, and none of it was lost.  Where otpd was killed
 * over a start, what it had begun may have been ended amid this. */
static void
check_logs(struct rig *r)
{
	char name[300], line[128], id[64];
	unsigned long n, said;
	char *starts = world_starts(r), *p;
	FILE *f;

	for (p = strtok(starts, "\n"); p != NULL; p = strtok(NULL, "\n")) {
		if (sscanf(p, "start %63[^:]: %lu", id, &n) != 2)
			rig_fail(r, "what start is that: %s", p);
		(void)snprintf(name, sizeof(name), "find log out -name '%s.log*' "
		    "-exec cat {} + 2>/dev/null | grep -c 'hello from %s$'",
		    id, id);
		f = popen(name, "re");
		if (f == NULL || fgets(line, sizeof(line), f) == NULL)
			rig_fail(r, "%s: %s", name, strerror(errno));
		said = strtoul(line, NULL, 10);
		if (said < n || (said > n && !r->adopter))
			rig_fail(r, "%s started %lu times, but its log has "
			    "%s", id, n, line);
		(void)pclose(f);
	}
	free(starts);
}

void
day_end(struct rig *r)
{
	cJSON_Delete(rig_ask(r, rig_request("shutdown")));
	rig_drain(r);
	if (!WIFEXITED(r->status) || WEXITSTATUS(r->status) != 0)
		rig_fail(r, "otpd's wait status is %#x", r->status);
	check_logs(r);
	rig_done(r);
}

unsigned
day_troubles(struct rig *r)
{
	(void)take_heard(r);
	return troubles;
}

unsigned
day_steps(void)
{
	return fuller ? NSTEPS : NUSUAL;
}

unsigned
day_usual(void)
{
	return NUSUAL;
}

unsigned
day_replaces(void)
{
	return REPLACES;
}

void
day_fuller(struct rig *r)
{
	cJSON *array = cJSON_CreateArray();
	char *text;

	fuller = true;
	add_worker(r, array, "included", "permanent", NULL);
	text = cJSON_PrintUnformatted(array);
	if (mkdir("more", 0700) < 0 || mkdir("out", 0700) < 0)
		rig_fail(r, "more, out: %s", strerror(errno));
	write_file(r, "more/one.json", text);
	cJSON_Delete(array);
	free(text);
}

void
day_worker(struct rig *r)
{
	char *name = strstr(r->worker, "oracle/oracle_worker");

	if (name == NULL)
		rig_fail(r, "where is the worker?");
	(void)strcpy(name, "crash/crash_worker");
}

void
day_run(struct rig *r, void (*before)(void *arg, unsigned step), void *arg,
    struct day *out)
{
	char *text = day_config(r, 1);
	pid_t still;

	rig_start(r, text);
	free(text);
	out->refused = r->refused;
	if (r->refused) {
		rig_done(r);
		return;
	}
	rig_settle(r);
	if (r->otpd == 0 && r->may_refuse) {	/* a little later */
		rig_refused(r);
		out->refused = true;
		rig_done(r);
		return;
	}
	still = world_pid(r, "still");
	for (unsigned i = 0; i < day_steps(); i++) {
		if (before != NULL)
			before(arg, i);
		(void)take_heard(r);
		do_step(r, &steps[i]);
		rig_settle(r);
	}
	if (world_pid(r, "still") != still)
		rig_fail(r, "a service that nothing had happened to has "
		    "another pid");
	world_check(r);
	out->tree = world_tree(r);
	out->starts = world_starts(r);
	out->steps = day_steps();
	if (before != NULL)
		before(arg, day_steps());
	day_end(r);
}
