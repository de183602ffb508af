/* SPDX-License-Identifier: ISC */
/*
 * Random torture of what servers have: names, links, monitors, registries, an
 * agent, a pool, tasks.  In every round clients ask for all of it at once,
 * while servers, clients, the engine, the logger and otpd die; then all must
 * come to rest, and what must be true is asked of /proc, the engine and the
 * servers.
 *
 *	crash_workers [-k] [-n ROUNDS] [-s SEED] [-v]
 *
 * -k: otpd is killed, too, and the next one takes over.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crash/crash_clients.h"
#include "crash/crash_deaths.h"
#include "crash/crash_ledger.h"
#include "crash/crash_world.h"

#define DEATHS_AT_ONCE	5
#define THINGS		12	/* that each client does in a round */
#define PAUSE_US	4000	/* at most, between deaths */

struct torture {
	struct deaths	 d;
	struct client	 clients[CLIENTS];
	struct otp	*o;
	cJSON		*children;	/* at the beginning of the round */
	uint64_t	 acked[CLIENTS];
	pid_t		 still, agent;
};

/* --- the tree --- */

static cJSON *
add_child(cJSON *to, const char *id, const char *type)
{
	cJSON *child = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(child, "id", id);
	if (type != NULL)
		(void)cJSON_AddStringToObject(child, "type", type);
	if (type != NULL && strcmp(type, "pool") != 0)
		(void)cJSON_AddNumberToObject(child, "max_restarts", 1000);
	(void)cJSON_AddItemToArray(to, child);
	return child;
}

static cJSON *
add_start(cJSON *to, const char *program)
{
	char path[600];
	cJSON *start = cJSON_AddArrayToObject(to, "start");

	(void)snprintf(path, sizeof(path), "%s/%s", getenv("OTPD_BUILDDIR"),
	    program);
	(void)cJSON_AddItemToArray(start, cJSON_CreateString(path));
	return start;
}

static void
be_server(struct rig *r, cJSON *child, const char *id, bool traps)
{
	cJSON *start = add_start(child, "tests/crash/crash_server");

	(void)cJSON_AddStringToObject(child, "kind", "gen_server");
	(void)cJSON_AddStringToObject(cJSON_AddObjectToObject(child, "env"),
	    "SERVICE", getenv("SERVICE"));
	(void)cJSON_AddItemToArray(start, cJSON_CreateString(r->dir));
	if (id != NULL)
		(void)cJSON_AddStringToObject(child, "name", id);
	if (traps)
		(void)cJSON_AddItemToArray(start, cJSON_CreateString("trap"));
}

static void
add_server(struct rig *r, cJSON *to, const char *id, bool traps)
{
	be_server(r, add_child(to, id, NULL), id, traps);
}

static void
add_pool(cJSON *to)
{
	cJSON *pool = add_child(to, "db", "pool");

	(void)cJSON_AddNumberToObject(pool, "size", 3);
	(void)cJSON_AddNumberToObject(pool, "max_overflow", 2);
	(void)add_start(cJSON_AddObjectToObject(pool, "template"),
	    "tests/integration/service");
}

static void
add_agent(cJSON *to)
{
	cJSON *agent = add_child(to, "state", NULL);
	cJSON *start = add_start(agent, "otp-agent");

	(void)cJSON_AddItemToArray(start, cJSON_CreateString("--init"));
	(void)cJSON_AddItemToArray(start, cJSON_CreateString("{}"));
	(void)cJSON_AddStringToObject(agent, "kind", "gen_server");
	(void)cJSON_AddStringToObject(agent, "name", "state");
}

static char *
config(struct rig *r)
{
	cJSON *root = cJSON_Parse("{\"max_restarts\":1000,\"registries\":{"
	    "\"u\":{\"keys\":\"unique\"},\"d\":{\"keys\":\"duplicate\"}}}");
	cJSON *all = cJSON_AddArrayToObject(root, "children"), *group, *dyn;
	char *text;

	add_server(r, all, "still", false);
	add_server(r, all, "a", true);
	add_server(r, all, "b", false);
	add_server(r, all, "c", false);
	group = add_child(all, "group", "supervisor");
	(void)cJSON_AddStringToObject(group, "strategy", "one_for_all");
	group = cJSON_AddArrayToObject(group, "children");
	add_server(r, group, "g1", true);
	add_server(r, group, "g2", false);
	dyn = add_child(all, "dyn", "dynamic_supervisor");
	(void)cJSON_AddNumberToObject(dyn, "max_children", 8);
	dyn = cJSON_AddObjectToObject(dyn, "template");
	(void)cJSON_AddStringToObject(dyn, "restart", "transient");
	be_server(r, dyn, NULL, false);
	add_agent(all);
	add_pool(all);
	(void)add_child(all, "tasks", "task_supervisor");
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}

/* --- what dies --- */

static void
worker_dies(struct torture *t)
{
	static const int signals[] = { SIGKILL, SIGKILL, SIGTERM, SIGSEGV };
	int n = cJSON_GetArraySize(t->children);
	const cJSON *child = cJSON_GetArrayItem(t->children,
	    (int)deaths_roll(&t->d, (unsigned)n));
	const cJSON *pid = cJSON_GetObjectItem(child, "pid");
	const char *path = world_string(child, "path");

	if (strcmp(path, "still") != 0 && cJSON_IsNumber(pid))
		deaths_signal(&t->d, (pid_t)pid->valuedouble,
		    signals[deaths_roll(&t->d, 4)], path);
}

static void
something_dies(struct torture *t)
{
	unsigned what = deaths_roll(&t->d, 100);

	if (what < 50)
		worker_dies(t);
	else if (what < 60)
		deaths_signal(&t->d, t->clients[deaths_roll(&t->d,
		    CLIENTS)].pid, SIGKILL, "client");
	else if (what < 80)
		deaths_program(&t->d, "otp-engine");
	else if (what < 85)
		deaths_program(&t->d, "otp-logger");
	else if (what < 88)
		deaths_hold_up_otpd(&t->d);
	else if (what < 94 || !t->d.kills_otpd)
		deaths_crash_otpd(&t->d);
	else
		deaths_kill_otpd(&t->d);
}

static void
a_moment_passes(struct torture *t)
{
	struct timespec ts = { .tv_nsec = 1000L *
	    (long)deaths_roll(&t->d, PAUSE_US) };

	(void)nanosleep(&ts, NULL);
}

/* --- what must be true then --- */

static uint64_t
agent_value(struct torture *t, unsigned i)
{
	char path[16], *value = NULL;
	uint64_t n = 0;
	int rc;

	(void)snprintf(path, sizeof(path), "/c%u", i);
	rc = otp_agent_get(t->o, "state", path, -2, &value, NULL);
	if (rc == 0)
		n = strtoull(value, NULL, 10);
	else if (rc != -ENOENT)
		rig_fail(&t->d.rig, "the agent: %s", otp_strerror(rc));
	free(value);
	return n;
}

/* What was acknowledged, or what was sent and not answered; an agent that has
 * died begins with nothing. */
static void
check_agent(struct torture *t)
{
	pid_t pid = world_pid(&t->d.rig, "state");
	struct client_note *note;
	uint64_t value, least;

	for (unsigned i = 0; i < CLIENTS; i++) {
		note = t->clients[i].note;
		value = agent_value(t, i);
		least = pid == t->agent ? note->acked : 0;
		if (value < least || value > note->sent || (value != 0 &&
		    pid != t->agent && value <= t->acked[i]))
			rig_fail(&t->d.rig, "the agent has %llu; %llu was "
			    "acknowledged, %llu was sent",
			    (unsigned long long)value,
			    (unsigned long long)note->acked,
			    (unsigned long long)note->sent);
		note->acked = t->acked[i] = value;
	}
	t->agent = pid;
}

static cJSON *
ask_children(struct torture *t)
{
	cJSON *request = rig_request("status"), *reply, *children;

	(void)cJSON_AddArrayToObject(request, "paths");
	reply = rig_ask(&t->d.rig, request);
	children = cJSON_DetachItemFromObject(reply, "children");
	cJSON_Delete(reply);
	return children;
}

static void
check_all(struct torture *t)
{
	ledger_calm(&t->d.rig, t->o);
	cJSON_Delete(t->children);
	t->children = ask_children(t);
	world_all_run(&t->d.rig, t->children);
	world_check(&t->d.rig);
	ledger_check(&t->d.rig, t->o);
	check_agent(t);
	if (world_pid(&t->d.rig, "still") != t->still)
		rig_fail(&t->d.rig, "a service that nothing had happened to "
		    "has another pid");
}

static void
one_round(struct torture *t)
{
	unsigned n = 1 + deaths_roll(&t->d, DEATHS_AT_ONCE);

	deaths_round(&t->d);
	clients_go(&t->d, t->clients, THINGS);
	while (n-- > 0) {
		a_moment_passes(t);
		something_dies(t);
	}
	deaths_await(&t->d);
	clients_await(&t->d, t->clients);
	check_all(t);
}

static void
begin(struct torture *t)
{
	struct otp_options options = { .size = sizeof(options) };
	char path[600], run[256], *text;

	(void)snprintf(path, sizeof(path), "%s/tests/integration/service",
	    getenv("OTPD_BUILDDIR"));
	(void)setenv("SERVICE", path, 1);
	text = config(&t->d.rig);
	rig_start(&t->d.rig, text);
	free(text);
	rig_settle(&t->d.rig);
	(void)snprintf(run, sizeof(run), "%s/run", t->d.rig.dir);
	options.runtime_dir = run;
	t->o = otp_new(&options);
	t->still = world_pid(&t->d.rig, "still");
	t->agent = world_pid(&t->d.rig, "state");
	t->children = ask_children(t);
	clients_init(&t->d, t->clients);
}

int
main(int argc, char **argv)
{
	static struct torture t;

	if (!deaths_init(&t.d, argc, argv, 20))
		return 2;
	begin(&t);
	while (t.d.round < t.d.rounds)
		one_round(&t);
	deaths_round(&t.d);
	clients_end(&t.d, t.clients);
	otp_free(t.o);
	cJSON_Delete(t.children);
	cJSON_Delete(rig_ask(&t.d.rig, rig_request("shutdown")));
	rig_drain(&t.d.rig);
	if (t.d.rig.status != 0)
		rig_fail(&t.d.rig, "otpd's wait status is %#x",
		    t.d.rig.status);
	rig_done(&t.d.rig);
	printf("%u passed, 0 failed\n", t.d.rounds);
	return 0;
}
