/* SPDX-License-Identifier: ISC */
/*
 * An event that every engine dies of, up to a rung of the ladder: services
 * are not touched, and the engine after that serves; on the last rung otpd
 * holds until it is told to resume.  And a snapshot that they die of.
 */
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash/crash_plan.h"
#include "crash/crash_world.h"

#define CASE_TIMEOUT_S	30

static const struct ladder {
	const char	*why;
	uint32_t	 poison;	/* engines die of it up to this rung */
	uint32_t	 rung;		/* where that ends */
	int		 sig;
} cases[] = {
	{ "the event is left out", 1, 2, SIGSEGV },
	{ "a cold start adopts what lives", 2, 3, SIGSEGV },
	{ "otpd holds", 3, 4, SIGSEGV },
	{ "aborting is crashing", 3, 4, SIGABRT },
};

static const char *const ids[] = { "a", "b", "notify", "poison" };
#define NIDS	(sizeof(ids) / sizeof(ids[0]))

static char *
config(const struct rig *r, int restarts)
{
	cJSON *root = cJSON_CreateObject(), *all, *child;
	char *text;

	(void)cJSON_AddNumberToObject(root, "max_restarts", restarts);
	all = cJSON_AddArrayToObject(root, "children");
	for (size_t i = 0; i < NIDS; i++) {
		const char *start[] = { r->worker, r->dir, ids[i] };

		child = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(child, "id", ids[i]);
		(void)cJSON_AddItemToObject(child, "start",
		    cJSON_CreateStringArray(start, 3));
		(void)cJSON_AddStringToObject(child, "ready",
		    strcmp(ids[i], "notify") == 0 ? "notify" : "exec");
		(void)cJSON_AddItemToArray(all, child);
	}
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}

static double
ask_rung(struct rig *r)
{
	cJSON *info = rig_ask(r, rig_request("info"));
	double rung = cJSON_GetNumberValue(cJSON_GetObjectItem(info, "rung"));

	cJSON_Delete(info);
	return rung;
}

/* It says so to everybody, until it is resumed. */
static void
leave_hold(struct rig *r)
{
	cJSON *reply = rig_ask(r, rig_request("status"));

	if (strcmp(world_string(reply, "error"), "held") != 0 ||
	    strstr(world_string(reply, "message"), "otpctl resume") == NULL)
		rig_fail(r, "otpd holds, but says: %s",
		    cJSON_PrintUnformatted(reply));
	cJSON_Delete(reply);
	cJSON_Delete(rig_ask(r, rig_request("resume")));
	rig_settle(r);
	if (ask_rung(r) != 1)
		rig_fail(r, "the engine resumed on rung %.0f", ask_rung(r));
}

static void
check_obituaries(struct rig *r, uint32_t deaths)
{
	cJSON *reply = rig_ask(r, rig_request("failed"));
	const cJSON *o;
	uint32_t n = 0;

	cJSON_ArrayForEach(o, cJSON_GetObjectItem(reply, "obituaries"))
		n += strcmp(world_string(o, "event"), "engine_crashed") == 0;
	if (n != deaths)
		rig_fail(r, "%u crashes of the engine, %u obituaries", deaths,
		    n);
	cJSON_Delete(reply);
}

static void
await_deaths(struct rig *r, const struct crash_plan *plan, uint32_t n)
{
	/* Every answer comes from an engine that is up. */
	while (__atomic_load_n(&plan->deaths, __ATOMIC_RELAXED) < n)
		(void)ask_rung(r);
}

/* Its services run, and no engine has died. */
static struct crash_plan *
begin(struct rig *r, const char *why, int sig)
{
	struct crash_plan *plan;
	char *text, *name;

	rig_name(why);
	rig_init(r, CASE_TIMEOUT_S);
	name = strstr(r->worker, "oracle/oracle_worker");
	if (name == NULL)
		rig_fail(r, "where is the worker?");
	(void)strcpy(name, "crash/crash_worker");
	plan = crash_plan_new(r);
	plan->sig = sig;
	text = config(r, 3);
	rig_start(r, text);
	free(text);
	rig_settle(r);
	return plan;
}

static int
run(const struct ladder *l)
{
	struct rig r;
	struct crash_plan *plan = begin(&r, l->why, l->sig);
	pid_t pids[NIDS];
	uint32_t deaths = l->poison;

	for (size_t i = 0; i < NIDS; i++)
		pids[i] = world_pid(&r, ids[i]);
	plan->poison_rung = l->poison;
	(void)strcpy(plan->poison, "poison");
	(void)kill(pids[NIDS - 1], SIGKILL);
	/* Two die on the first rung: over the event, and over being told. */
	await_deaths(&r, plan, deaths + 1);
	while (ask_rung(&r) != l->rung)
		;
	plan->poison[0] = '\0';
	if (l->rung == 4)
		leave_hold(&r);
	rig_settle(&r);
	for (size_t i = 0; i + 1 < NIDS; i++)
		if (world_pid(&r, ids[i]) != pids[i])
			rig_fail(&r, "%s has another pid", ids[i]);
	if (world_pid(&r, "poison") == 0)
		rig_fail(&r, "what had died is not back");
	world_check(&r);
	check_obituaries(&r, plan->deaths);
	cJSON_Delete(rig_ask(&r, rig_request("shutdown")));
	rig_drain(&r);
	rig_done(&r);
	return 0;
}

static pid_t
engine_pid(struct rig *r)
{
	cJSON *info = rig_ask(r, rig_request("info"));
	pid_t pid = (pid_t)cJSON_GetNumberValue(cJSON_GetObjectItem(info,
	    "engine_pid"));

	cJSON_Delete(info);
	return pid;
}

/* It sleeps: what it was about is over. */
static void
await_idle(struct rig *r, pid_t engine)
{
	char path[64], state = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)engine);
	while (state != 'S') {
		f = fopen(path, "re");
		if (f == NULL || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			rig_fail(r, "no state of the engine");
		(void)fclose(f);
	}
}

/* With it changes nothing but the configuration that is kept. */
static void
reload(struct rig *r)
{
	char *text = config(r, 4);
	FILE *f = fopen("otpd.json", "we");
	cJSON *reply;

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF)
		rig_fail(r, "the configuration cannot be written");
	free(text);
	reply = rig_ask(r, rig_request("reload"));
	if (strcmp(world_string(reply, "result"), "ok") != 0)
		rig_fail(r, "a reload: %s", cJSON_PrintUnformatted(reply));
	cJSON_Delete(reply);
}

static void
add_child(struct rig *r, const char *id)
{
	cJSON *request = rig_request("start_child"), *spec;
	const char *start[] = { r->worker, r->dir, id };

	(void)cJSON_AddStringToObject(request, "sup", "/");
	spec = cJSON_AddObjectToObject(request, "spec");
	(void)cJSON_AddStringToObject(spec, "id", id);
	(void)cJSON_AddItemToObject(spec, "start",
	    cJSON_CreateStringArray(start, 3));
	cJSON_Delete(rig_ask(r, request));
}

/*
 * The engine and the next one die of no event, but of what the reload has left;
 * so the third takes what was there before it, without losing the configuration
 * that is kept: a fourth would have to begin anew, without what was added.
 */
static int
run_reload(void)
{
	struct rig r;
	struct crash_plan *plan = begin(&r, "a reload is left out", SIGABRT);
	pid_t engine, added;

	add_child(&r, "added");
	rig_settle(&r);
	added = world_pid(&r, "added");
	reload(&r);
	engine = engine_pid(&r);
	await_idle(&r, engine);
	r.mortal = true;
	(void)kill(engine, SIGABRT);
	plan->at = plan->points + 1;	/* the next engine's first */
	await_deaths(&r, plan, 1);
	if (ask_rung(&r) != 2)
		rig_fail(&r, "the third is on rung %.0f", ask_rung(&r));
	engine = engine_pid(&r);
	(void)kill(engine, SIGKILL);
	while (engine_pid(&r) == engine)
		;
	rig_settle(&r);
	if (ask_rung(&r) == 3)
		rig_fail(&r, "the fourth begins anew");
	if (added == 0 || world_pid(&r, "added") != added)
		rig_fail(&r, "what was added has not its pid any more");
	world_check(&r);
	cJSON_Delete(rig_ask(&r, rig_request("shutdown")));
	rig_drain(&r);
	rig_done(&r);
	return 0;
}

int
main(void)
{
	const size_t n = sizeof(cases) / sizeof(cases[0]);
	unsigned passed = 0, failed = 0;
	int status;

	for (size_t i = 0; i <= n; i++) {
		(void)fflush(stdout);
		if (fork() == 0)
			exit(i < n ? run(&cases[i]) : run_reload());
		(void)wait(&status);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			passed++;
		else
			failed++;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
