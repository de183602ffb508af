/* SPDX-License-Identifier: ISC */
/*
 * Random torture: in every round some things happen at once that nobody waits
 * for (services, the engine and the logger die, orders are given, otpd is held
 * up or crashes); then all must come to rest, and what must be true is looked
 * up in /proc.
 *
 *	crash_torture [-k] [-n ROUNDS] [-s SEED] [-v]
 *
 * -k: otpd is killed, too, and the next one takes over.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash/crash_deaths.h"
#include "crash/crash_steps.h"
#include "crash/crash_world.h"

#define AT_ONCE_MAX	6

struct torture {
	struct deaths	 d;
	unsigned	 ndynamic;
	pid_t		 still;
	const cJSON	*children;	/* at the beginning of the round */
	struct line	*asked[AT_ONCE_MAX];
	unsigned	 nasked;
};

static unsigned
roll(struct torture *t, unsigned n)
{
	return deaths_roll(&t->d, n);
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

static void
service_dies(struct torture *t)
{
	static const int signals[] = { SIGUSR1, SIGUSR1, SIGUSR2, SIGHUP,
		SIGKILL };
	const cJSON *child = any_child(t, "worker");
	const cJSON *pid = cJSON_GetObjectItem(child, "pid");

	if (cJSON_IsNumber(pid) && strcmp(world_string(child, "id"),
	    "still") != 0)
		deaths_signal(&t->d, (pid_t)pid->valuedouble,
		    signals[roll(t, 5)], world_string(child, "path"));
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
	char *text = day_config(&t->d.rig, 1 + (int)roll(t, 2));
	FILE *f = fopen("otpd.json.new", "we");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF ||
	    rename("otpd.json.new", "otpd.json") < 0)
		rig_fail(&t->d.rig, "otpd.json: %s", strerror(errno));
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

	if (t->d.held_up || t->nasked == AT_ONCE_MAX) {
		cJSON_Delete(request);
	} else {
		deaths_say(&t->d, "asked:", text);
		t->asked[t->nasked++] = rig_ask_begin(&t->d.rig, request);
	}
	free(text);
}

static void
something_happens(struct torture *t)
{
	unsigned what = roll(t, 100);

	if (what < 45)
		service_dies(t);
	else if (what < 60)
		deaths_program(&t->d, "otp-engine");
	else if (what < 68)
		deaths_program(&t->d, "otp-logger");
	else if (what < 73)
		deaths_hold_up_otpd(&t->d);
	else if (what < 78)
		deaths_crash_otpd(&t->d);
	else if (what < 84 && t->d.kills_otpd)
		deaths_kill_otpd(&t->d);
	else
		order_is_given(t);
}

/* --- what must be true then --- */

static cJSON *
ask_status(struct torture *t)
{
	cJSON *request = rig_request("status"), *reply;

	(void)cJSON_AddArrayToObject(request, "paths");
	reply = rig_ask(&t->d.rig, request);
	if (reply == NULL)
		rig_fail(&t->d.rig, "otpd ended");
	return reply;
}

static void
one_round(struct torture *t)
{
	unsigned n = 1 + roll(t, AT_ONCE_MAX);
	cJSON *before, *after;

	deaths_round(&t->d);
	before = ask_status(t);
	t->children = cJSON_GetObjectItem(before, "children");
	while (n-- > 0)
		something_happens(t);
	deaths_await(&t->d);
	rig_settle(&t->d.rig);
	while (t->nasked > 0)
		rig_ask_drop(t->asked[--t->nasked]);
	rig_settle(&t->d.rig);
	after = ask_status(t);
	world_all_run(&t->d.rig, cJSON_GetObjectItem(after, "children"));
	world_check(&t->d.rig);
	if (world_pid(&t->d.rig, "still") != t->still)
		rig_fail(&t->d.rig, "a service that nothing had happened to has "
		    "another pid");
	cJSON_Delete(before);
	cJSON_Delete(after);
}

int
main(int argc, char **argv)
{
	struct torture t = { .ndynamic = 0 };
	char *text;

	if (!deaths_init(&t.d, argc, argv, 40))
		return 2;
	day_worker(&t.d.rig);
	text = day_config(&t.d.rig, 1);
	rig_start(&t.d.rig, text);
	free(text);
	rig_settle(&t.d.rig);
	t.still = world_pid(&t.d.rig, "still");
	while (t.d.round < t.d.rounds)
		one_round(&t);
	deaths_round(&t.d);
	day_end(&t.d.rig);
	printf("%u passed, 0 failed\n", t.d.rounds);
	return 0;
}
