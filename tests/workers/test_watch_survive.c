/* SPDX-License-Identifier: ISC */
/*
 * Monitors and links while engines die: between what a worker said and its
 * commit, and between the commit of an end and its telling.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "crash/crash_plan.h"
#include "workers/house.h"

#define POINTS		36	/* of the engine, from the monitor to the end */
#define EVERY		3

static const char ask_engine[] = "{\"do\":\"control\",\"request\":"
    "\"{\\\"op\\\":\\\"info\\\"}\"}";

static void
does(struct house *h, const char *request)
{
	want(h, house_do(h, "w", "%s", request) == 0);
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

static Suite *
suite(void)
{
	Suite *s = suite_create("workers: monitors and links, engines dying");
	TCase *t = tcase_create("survive");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, one_down_and_one_exit_wherever_the_engine_dies);
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
