/* SPDX-License-Identifier: ISC */
/*
 * An event that every engine dies of, up to a rung of the ladder: services
 * are not touched, and the engine after that serves; on the last rung otpd
 * holds until it is told to resume.
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
config(const struct rig *r)
{
	cJSON *root = cJSON_CreateObject(), *all, *child;
	char *text;

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

static int
run(const struct ladder *l)
{
	struct rig r;
	struct crash_plan *plan;
	pid_t pids[NIDS];
	char *text, *name;
	uint32_t deaths = l->poison;

	rig_name(l->why);
	rig_init(&r, CASE_TIMEOUT_S);
	name = strstr(r.worker, "oracle/oracle_worker");
	if (name == NULL)
		rig_fail(&r, "where is the worker?");
	(void)strcpy(name, "crash/crash_worker");
	plan = crash_plan_new(&r);
	plan->sig = l->sig;
	text = config(&r);
	rig_start(&r, text);
	free(text);
	rig_settle(&r);
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

int
main(void)
{
	unsigned passed = 0, failed = 0;
	int status;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)fflush(stdout);
		if (fork() == 0)
			exit(run(&cases[i]));
		(void)wait(&status);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			passed++;
		else
			failed++;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
