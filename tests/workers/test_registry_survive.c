/* SPDX-License-Identifier: ISC */
/*
 * What registries hold when the engine dies, at any step; and many processes
 * with many keys, of which half are killed: REGISTRY_MANY of them with 100,000
 * keys, where that is in the environment; a build with sanitizers can bear 200.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/crash_plan.h"
#include "workers/house.h"

#define STEPS		16	/* of the changes below */
#define LONG_NS		600000000000ULL

#ifdef __SANITIZE_ADDRESS__
#define PROCESSES_MAX	200
#else
#define PROCESSES_MAX	10000
#endif
#define PROCESSES	40
#define KEYS		200
#define KEYS_MANY	100000

/* 0: few will do. */
static int
many(void)
{
	const char *text = getenv("REGISTRY_MANY");
	int n = text != NULL ? (int)strtol(text, NULL, 10) : 0;

	return n > PROCESSES_MAX ? PROCESSES_MAX : n;
}

static void
registries(struct house *h, const char *test)
{
	house_init(h, test);
	house_root(h, "\"registries\":{\"u\":{\"keys\":\"unique\","
	    "\"listeners\":[\"ear\"]},\"d\":{\"keys\":\"duplicate\"}}");
}

static int
counted(struct house *h, const char *to, const char *request)
{
	cJSON *reply = house_ask(h, to, "%s", request);
	int n = (int)house_number(reply, "ref");

	want(h, house_number(reply, "rc") == 0);
	cJSON_Delete(reply);
	return n;
}

static void
does(struct house *h, const char *to, const char *request)
{
	int rc = house_do(h, to, "%s", request);

	if (rc != 0)
		rig_fail(&h->rig, "%s to %s: %d", request, to, rc);
}

START_TEST(engine_killed_contents_listeners_meta_and_locks_stay)
{
	static const char value[] = "{\"do\":\"r_lookup\",\"registry\":\"u\","
	    "\"key\":\"a7\",\"value\":\"changed\"}";
	uint64_t b;
	struct house h;
	int held;

	registries(&h, __func__);
	house_probe(&h, "ear", "");
	house_probe(&h, "a", "");
	house_probe(&h, "b", "");
	house_probe(&h, "c", "");
	house_start(&h);
	want(&h, otp_registry_new(h.o, "n", 0) == 0);
	does(&h, "a", "{\"do\":\"r_register_many\",\"registry\":\"u\","
	    "\"key\":\"a\",\"value\":\"v\",\"n\":300}");
	does(&h, "b", "{\"do\":\"r_register_many\",\"registry\":\"u\","
	    "\"key\":\"b\",\"n\":300}");
	does(&h, "b", "{\"do\":\"r_register\",\"registry\":\"n\","
	    "\"hex\":\"00ff\"}");
	does(&h, "a", "{\"do\":\"r_update\",\"registry\":\"u\","
	    "\"key\":\"a7\",\"value\":\"changed\"}");
	does(&h, "a", "{\"do\":\"r_unregister\",\"registry\":\"u\","
	    "\"key\":\"a8\"}");
	does(&h, "a", "{\"do\":\"r_put_meta\",\"registry\":\"u\","
	    "\"key\":\"m\",\"value\":\"v\"}");
	held = rig_fifo(&h.rig, "held.c");
	(void)rig_fifo(&h.rig, "release.c");
	(void)house_send(&h, "c", "{\"do\":\"r_lock\",\"registry\":\"u\","
	    "\"key\":\"l\",\"hold\":1}");
	rig_await_readable(&h.rig, held, "c has the lock");
	for (int i = 0; i < 3; i++) {
		cJSON *reply;

		/* Its request has been read when the engine dies, or not. */
		b = house_send(&h, "b", "{\"do\":\"r_lock\",\"registry\":"
		    "\"u\",\"key\":\"l\"}");
		house_kill_engine(&h);
		house_settle(&h);
		want(&h, counted(&h, "a", "{\"do\":\"r_count\","
		    "\"registry\":\"u\"}") == 599);
		reply = house_ask(&h, "a", "%s", value);
		want(&h, cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(
		    reply, "entries")) == 1);
		cJSON_Delete(reply);
		does(&h, "a", "{\"do\":\"r_meta\",\"registry\":\"u\","
		    "\"key\":\"m\"}");
		want(&h, counted(&h, "a", "{\"do\":\"r_count\","
		    "\"registry\":\"n\",\"how\":\"match\","
		    "\"hex\":\"00ff\"}") == 1);
		if (i < 2) {
			int generation = house_generation(&h, "b");

			want(&h, kill(house_pid(&h, "b"), SIGKILL) == 0);
			want(&h, house_outcome(&h, b) == -OTP_EDOWN);
			house_ends(&h, "b", generation, "killed");
			house_await(&h, "b", "running");
			does(&h, "b", "{\"do\":\"r_register_many\","
			    "\"registry\":\"u\",\"key\":\"b\",\"n\":300}");
			does(&h, "b", "{\"do\":\"r_register\","
			    "\"registry\":\"n\",\"hex\":\"00ff\"}");
		}
	}
	want(&h, house_do(&h, "a", "{\"do\":\"r_lock\",\"registry\":\"u\","
	    "\"key\":\"l\",\"ms\":100}") == -ETIMEDOUT);
	want(&h, kill(house_pid(&h, "c"), SIGKILL) == 0);
	want(&h, house_outcome(&h, b) == 0);	/* the lock was c's */
	does(&h, "a", "{\"do\":\"r_register\",\"registry\":\"u\","
	    "\"key\":\"heard\"}");
	cJSON_Delete(house_heard(&h, "ear", 600 + 2 * 300 + 2));
	house_done(&h);
}
END_TEST

/* Has it heard of both changes, or that there is something it has not? */
static bool
heard_all(struct house *h)
{
	bool registered = false, unregistered = false, lost = false, end;
	const cJSON *info;
	const char *text;
	cJSON *heard;

	do {
		end = false;
		heard = house_heard(h, "ear", 1);
		cJSON_ArrayForEach(info, heard) {
			text = house_text(info, "data");
			end |= strstr(text, "\"end\"") != NULL;
			registered |= !end &&
			    strstr(text, "\"register\"") != NULL;
			unregistered |= strstr(text, "\"unregister\"") !=
			    NULL;
			lost |= strcmp(text,
			    "{\"event\":\"lost\",\"count\":0}") == 0;
		}
		cJSON_Delete(heard);
	} while (!end);
	return lost || (registered && unregistered);
}

/* The call is answered, and done once, wherever the engine dies over it. */
START_TEST(engine_dies_at_each_step_of_a_change)
{
	struct crash_plan *plan;
	struct house h;

	registries(&h, __func__);
	plan = crash_plan_new(&h.rig);
	plan->sig = SIGKILL;
	house_probe(&h, "ear", "");
	house_probe(&h, "a", "");
	house_start(&h);
	h.crashed = true;
	does(&h, "a", "{\"do\":\"r_register\",\"registry\":\"d\","
	    "\"key\":\"k\",\"value\":\"1\"}");
	plan->at = plan->points + (uint64_t)_i;
	does(&h, "a", "{\"do\":\"r_register\",\"registry\":\"d\","
	    "\"key\":\"k\",\"value\":\"2\"}");
	does(&h, "a", "{\"do\":\"r_register\",\"registry\":\"u\","
	    "\"key\":\"k\"}");
	does(&h, "a", "{\"do\":\"r_put_meta\",\"registry\":\"d\","
	    "\"key\":\"m\"}");
	does(&h, "a", "{\"do\":\"r_unregister\",\"registry\":\"u\","
	    "\"key\":\"k\"}");
	plan->at = 0;
	want(&h, plan->deaths == 1);
	want(&h, counted(&h, "a", "{\"do\":\"r_count\",\"registry\":\"d\"}")
	    == 2);
	want(&h, counted(&h, "a", "{\"do\":\"r_count\",\"registry\":\"u\"}")
	    == 0);
	does(&h, "a", "{\"do\":\"r_register\",\"registry\":\"u\","
	    "\"key\":\"end\"}");
	want(&h, heard_all(&h));
	house_done(&h);
}
END_TEST

/* --- many --- */

static void
start_many(struct house *h, int processes, int keys)
{
	char path[32], request[128];

	for (int i = 0; i < processes; i++)
		house_order(h, "result", "started", "{\"op\":\"start_child\","
		    "\"sup\":\"s\",\"spec\":{\"id\":\"p%d\","
		    "\"args\":[\"p%d\"]}}", i, i);
	for (int i = 0; i < processes; i++) {
		(void)snprintf(path, sizeof(path), "s/p%d", i);
		(void)snprintf(request, sizeof(request), "{\"do\":"
		    "\"r_register_many\",\"registry\":\"d\",\"key\":\"%s/\","
		    "\"n\":%d}", path, keys);
		does(h, path, request);
		want(h, house_do(h, "w",
		    "{\"do\":\"monitor\",\"target\":\"%s\"}", path) == 0);
	}
}

/* Each DOWN finds nothing of its process any more. */
static void
kill_half(struct house *h, int processes)
{
	int *pids = calloc((size_t)processes, sizeof(*pids));
	const cJSON *info;
	cJSON *heard;
	char path[32];

	for (int i = 0; i < processes; i += 2) {
		(void)snprintf(path, sizeof(path), "s/p%d", i);
		pids[i] = house_pid(h, path);
	}
	for (int i = 0; i < processes; i += 2)
		want(h, kill(pids[i], SIGKILL) == 0);
	free(pids);
	heard = house_heard(h, "w", processes / 2);
	want(h, cJSON_GetArraySize(heard) == processes / 2);
	cJSON_ArrayForEach(info, heard) {
		want(h, strcmp(house_text(info, "kind"), "down") == 0);
		want(h, cJSON_HasObjectItem(info, "left"));
		want(h, house_number(info, "left") == 0);
	}
	cJSON_Delete(heard);
}

static void
each_has(struct house *h, int processes, int keys)
{
	char request[128];

	for (int i = 0; i < processes; i++) {
		(void)snprintf(request, sizeof(request), "{\"do\":\"r_count\","
		    "\"registry\":\"d\",\"how\":\"select\","
		    "\"key\":\"s/p%d/\"}", i);
		want(h, counted(h, "w", request) == (i % 2 ? keys : 0));
	}
}

START_TEST(half_of_many_killed_takes_exactly_their_keys_before_down)
{
	int processes = many() > 0 ? many() : PROCESSES;
	int keys = many() > 0 ? KEYS_MANY / many() : KEYS;
	char child[1024];
	struct house h;

	registries(&h, __func__);
	h.rig.deadline += many() > 0 ? LONG_NS : 0;
	house_probe(&h, "w", "");
	(void)snprintf(child, sizeof(child), "{\"id\":\"s\",\"type\":"
	    "\"dynamic_supervisor\",\"template\":{\"kind\":\"gen_server\","
	    "\"restart\":\"temporary\",\"start\":[\"%s\",\"%s\"]}}",
	    house_program(&h, "tests/workers/probe"), h.rig.dir);
	house_child(&h, child);
	house_start(&h);
	does(&h, "w", "{\"do\":\"r_watch\",\"registry\":\"d\"}");
	start_many(&h, processes, keys);
	want(&h, counted(&h, "w", "{\"do\":\"r_count\",\"registry\":\"d\"}")
	    == processes * keys);
	house_kill_engine(&h);
	house_settle(&h);
	want(&h, counted(&h, "w", "{\"do\":\"r_count\",\"registry\":\"d\"}")
	    == processes * keys);
	kill_half(&h, processes);
	want(&h, counted(&h, "w", "{\"do\":\"r_count\",\"registry\":\"d\"}")
	    == processes / 2 * keys);
	each_has(&h, processes, keys);
	house_kill_engine(&h);
	house_settle(&h);
	want(&h, counted(&h, "w", "{\"do\":\"r_count\",\"registry\":\"d\"}")
	    == processes / 2 * keys);
	house_done(&h);
}
END_TEST

/* --- reload --- */

static void
reload(struct house *h, const char *registries_json)
{
	FILE *f = fopen("otpd.json", "we");

	want(h, f != NULL && fprintf(f, "{\"max_restarts\":1000,"
	    "\"registries\":%s,\"children\":[%s]}", registries_json,
	    h->config) > 0 && fclose(f) == 0);
	house_order(h, "result", "ok", "{\"op\":\"reload\"}");
}

START_TEST(reload_makes_changes_and_removes_configured_registries)
{
	struct house h;
	size_t n;

	registries(&h, __func__);
	house_probe(&h, "a", "");
	house_start(&h);
	want(&h, otp_registry_new(h.o, "run_time", 1) == 0);
	does(&h, "a", "{\"do\":\"r_register\",\"registry\":\"u\","
	    "\"key\":\"k\"}");
	does(&h, "a", "{\"do\":\"r_register\",\"registry\":\"d\","
	    "\"key\":\"k\"}");
	does(&h, "a", "{\"do\":\"r_register\",\"registry\":\"run_time\","
	    "\"key\":\"k\"}");
	reload(&h, "{\"u\":{\"keys\":\"unique\",\"max_entries\":1},"
	    "\"new\":{\"keys\":\"duplicate\"}}");
	want(&h, otp_registry_count(h.o, "u", &n) == 0 && n == 1);
	want(&h, otp_registry_count(h.o, "new", &n) == 0 && n == 0);
	want(&h, otp_registry_count(h.o, "run_time", &n) == 0 && n == 1);
	want(&h, otp_registry_count(h.o, "d", &n) == -OTP_ENOPROC);
	want(&h, house_do(&h, "a", "{\"do\":\"r_register\",\"registry\":"
	    "\"u\",\"key\":\"l\"}") == -OTP_EFULL);
	/* Other keys make it another registry. */
	reload(&h, "{\"u\":{\"keys\":\"duplicate\"}}");
	want(&h, otp_registry_count(h.o, "u", &n) == 0 && n == 0);
	house_kill_engine(&h);
	want(&h, otp_registry_count(h.o, "u", &n) == 0 && n == 0);
	want(&h, otp_registry_count(h.o, "new", &n) == -OTP_ENOPROC);
	want(&h, otp_registry_count(h.o, "run_time", &n) == 0 && n == 1);
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("registry_survive");
	TCase *t = tcase_create("engine"), *m = tcase_create("many");

	tcase_set_timeout(t, 60);
	tcase_add_test(t,
	    engine_killed_contents_listeners_meta_and_locks_stay);
	tcase_add_loop_test(t, engine_dies_at_each_step_of_a_change, 1,
	    STEPS);
	tcase_add_test(t,
	    reload_makes_changes_and_removes_configured_registries);
	tcase_set_timeout(m, many() > 0 ? 900 : 60);
	tcase_add_test(m,
	    half_of_many_killed_takes_exactly_their_keys_before_down);
	suite_add_tcase(s, t);
	suite_add_tcase(s, m);
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
