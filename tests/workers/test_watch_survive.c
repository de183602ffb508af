/* SPDX-License-Identifier: ISC */
/*
 * What workers are told, and where they are found, while engines die: between
 * what a worker said and its commit, between the commit of an end and its
 * telling, between what is done to the world and its commit.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "crash/crash_plan.h"
#include "workers/house.h"

#define POINTS		36	/* of the engine, from the monitor to the end */
#define EVERY		3
#define LINK_FROM	4	/* about the first end */
#define LINK_TO		11
#define STOP_FROM	13	/* about its end */
#define STOP_TO		25

static const char ask_engine[] = "{\"do\":\"control\",\"request\":"
    "\"{\\\"op\\\":\\\"info\\\"}\"}";

static void
does(struct house *h, const char *request)
{
	want(h, house_do(h, "w", "%s", request) == 0);
}

/* Nobody knows whether an order was carried out whose engine died over it. */
static void
order(struct house *h, const char *op)
{
	cJSON *request, *reply;
	bool lost;

	do {
		request = rig_request(op);
		(void)cJSON_AddStringToObject(request, "path", "w");
		reply = rig_ask(&h->rig, request);
		lost = cJSON_HasObjectItem(reply, "lost");
		cJSON_Delete(reply);
	} while (lost);
}

static void
kill_it(struct house *h, const char *path)
{
	want(h, kill(house_pid(h, path), SIGKILL) == 0);
}

/* n infos in all, of which the last two are of this end. */
static void
has_heard(struct house *h, int n)
{
	cJSON *heard = house_heard(h, "w", n);
	const char *kind = house_text(cJSON_GetArrayItem(heard, n - 2), "kind");
	bool down = strcmp(kind, "down") == 0;

	if (cJSON_GetArraySize(heard) != n)
		rig_fail(&h->rig, "w heard %d, not %d: %s",
		    cJSON_GetArraySize(heard), n, cJSON_PrintUnformatted(heard));
	house_heard_is(h, heard, down ? n - 2 : n - 1, "down", "a", "killed");
	house_heard_is(h, heard, down ? n - 1 : n - 2, "exit", "a", "killed");
	cJSON_Delete(heard);
}

/* It is told once, wherever the engine dies over it. */
START_TEST(one_down_and_one_exit_wherever_the_engine_dies)
{
	struct crash_plan *plan;
	struct house h;
	int n = 0;

	house_init(&h, __func__);
	plan = crash_plan_new(&h.rig);
	plan->sig = SIGKILL;
	house_probe(&h, "w", "");
	house_probe(&h, "a", "");
	house_start(&h);
	h.crashed = true;
	does(&h, "{\"do\":\"trap\",\"on\":1}");
	for (int at = 1; at <= POINTS; at += EVERY) {
		plan->at = plan->points + (uint64_t)at;
		does(&h, "{\"do\":\"monitor\",\"target\":\"a\"}");
		does(&h, "{\"do\":\"link\",\"target\":\"a\"}");
		cJSON_Delete(house_ask(&h, "w", ask_engine));
		kill_it(&h, "a");
		has_heard(&h, n += 2);
		house_await(&h, "a", "running");
		plan->at = 0;
		want(&h, plan->deaths == (uint32_t)(n / 2));
	}
	cJSON_Delete(house_ask(&h, "w", ask_engine));
	has_heard(&h, n);
	house_done(&h);
}
END_TEST

START_TEST(a_link_ends_the_other_wherever_the_engine_dies)
{
	struct crash_plan *plan;
	struct house h;

	house_init(&h, __func__);
	plan = crash_plan_new(&h.rig);
	plan->sig = SIGKILL;
	house_probe(&h, "w", "");
	house_probe(&h, "a", "");
	house_start(&h);
	h.crashed = true;
	for (int at = LINK_FROM; at <= LINK_TO; at++) {
		int generation = house_generation(&h, "w"), pid;

		does(&h, "{\"do\":\"link\",\"target\":\"a\"}");
		cJSON_Delete(house_ask(&h, "w", ask_engine));
		pid = house_pid(&h, "a");
		plan->at = plan->points + (uint64_t)at;
		want(&h, kill(pid, SIGKILL) == 0);
		house_ends(&h, "w", generation, "killed");
		house_await(&h, "w", "running");
		house_await(&h, "a", "running");
		house_settle(&h);
		plan->at = 0;
	}
	house_done(&h);
}
END_TEST

/* The one that the spawner holds for it may have lost its name. */
START_TEST(a_server_is_found_wherever_the_engine_dies_over_its_stop)
{
	struct crash_plan *plan;
	struct house h;

	house_init(&h, __func__);
	plan = crash_plan_new(&h.rig);
	plan->sig = SIGKILL;
	house_probe(&h, "w", "");
	house_start(&h);
	h.crashed = true;
	for (int at = STOP_FROM; at <= STOP_TO; at++) {
		plan->at = plan->points + (uint64_t)at;
		order(&h, "stop");
		order(&h, "start");
		house_await(&h, "w", "running");
		plan->at = 0;
		want(&h, plan->deaths == (uint32_t)(at - STOP_FROM + 1));
		want(&h, house_do(&h, "w", "{\"do\":\"trap\",\"on\":0}") == 0);
	}
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("workers: monitors and links, engines dying");
	TCase *t = tcase_create("survive");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, one_down_and_one_exit_wherever_the_engine_dies);
	tcase_add_test(t, a_link_ends_the_other_wherever_the_engine_dies);
	tcase_add_test(t,
	    a_server_is_found_wherever_the_engine_dies_over_its_stop);
	suite_add_tcase(s, t);
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
