/* SPDX-License-Identifier: ISC */
/*
 * What a pool survives, and holders that are killed by the hundred.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workers/pool_people.h"

#define PEOPLE_MAX	1024

/* --- survival --- */

START_TEST(engine_killed_loans_and_queue_are_kept)
{
	char mine[PATH];
	struct otp *a, *b;
	struct house h;
	uint64_t waits;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":1,");
	a = person(&h);
	b = person(&h);
	(void)snprintf(mine, PATH, "%s", takes(&h, a));
	(void)takes(&h, a);
	waits = queues(&h, b, 1);
	house_kill_engine(&h);
	is(&h, a, OTP_POOL_FULL, 0, 1, 2);
	kill_worker(&h, mine);		/* the next engine tells of it */
	want(&h, strcmp(served(&h, b, waits), mine) != 0);
	house_kill_engine(&h);
	otp_free(b);
	until(&h, OVERFLOW, 0);
	otp_free(a);
	until(&h, FREE, 1);
	house_done(&h);
}
END_TEST

/* The engine is stopped over the question, and dies: nothing is lost. */
START_TEST(engine_killed_while_a_worker_starts)
{
	struct house h;
	cJSON *info;
	uint64_t ref;
	pid_t engine;
	struct otp *a;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":2,");
	a = person(&h);
	(void)takes(&h, a);
	info = house_control(&h, "{\"op\":\"info\"}");
	engine = (pid_t)house_number(info, "engine_pid");
	cJSON_Delete(info);
	want(&h, kill(engine, SIGSTOP) == 0);
	ref = queues(&h, a, 1);		/* its start has been asked for */
	want(&h, kill(engine, SIGKILL) == 0);
	h.crashed = true;
	(void)served(&h, a, ref);
	is(&h, a, OTP_POOL_OVERFLOW, 0, 1, 2);
	house_settle(&h);
	info = house_control(&h,
	    "{\"op\":\"count_children\",\"sup\":\"db/workers\"}");
	want(&h, (int)house_number(info, "active") == 2);
	cJSON_Delete(info);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(pool_server_killed_all_begin_anew)
{
	char mine[PATH];
	struct house h;
	struct otp *a;
	int worker;

	pool_house(&h, __func__, "\"size\":2,\"max_overflow\":0,");
	a = person(&h);
	(void)snprintf(mine, PATH, "%s", takes(&h, a));
	worker = house_pid(&h, mine);
	want(&h, kill(house_pid(&h, "db/pool"), SIGKILL) == 0);
	house_ends(&h, "db/pool", 1, "killed");
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	want(&h, kill(worker, 0) < 0 && errno == ESRCH);
	gives(&h, a, mine);		/* a loan of the one before */
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(pool_server_restarted_alone_ends_what_was_lent)
{
	char mine[PATH];
	struct house h;
	struct otp *a;
	int worker;

	pool_house(&h, __func__, "\"size\":2,\"max_overflow\":1,");
	a = person(&h);
	(void)snprintf(mine, PATH, "%s", takes(&h, a));
	worker = house_pid(&h, mine);
	house_order(&h, "result", "started",
	    "{\"op\":\"restart\",\"path\":\"db/pool\"}");
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	want(&h, kill(worker, 0) < 0 && errno == ESRCH);
	otp_free(a);
	house_done(&h);
}
END_TEST

/* --- many --- */

static int
people(void)
{
	const char *text = getenv("OTPD_POOL_PEOPLE");
	int n = text == NULL ? 40 : atoi(text);

	return n < 2 ? 2 : n > PEOPLE_MAX ? PEOPLE_MAX : n;
}

/* Each worker once. */
static void
takes_once(struct house *h, bool *taken, int n, const char *path)
{
	int id = atoi(strrchr(path, '/') + 1);

	if (id < 1 || id > n || taken[id])
		rig_fail(&h->rig, "%s is lent twice, or none of ours", path);
	taken[id] = true;
}

/*
 * Half of the holders die at once: the first half of those who wait are served,
 * each with a worker of its own, and nobody else.  Then the other half.
 */
START_TEST(holders_killed_while_as_many_wait)
{
	static struct otp *waiting[PEOPLE_MAX];
	static uint64_t refs[PEOPLE_MAX];
	static pid_t holders[PEOPLE_MAX];
	static bool taken[PEOPLE_MAX + 1];
	int n = people(), half = n / 2, told[2];
	char more[64], byte;
	struct house h;

	(void)snprintf(more, sizeof(more), "\"size\":%d,\"max_overflow\":0,",
	    n);
	pool_house(&h, __func__, more);
	want(&h, pipe(told) == 0);
	for (int i = 0; i < n; i++)
		holders[i] = holder(&h, 1, told[1]);
	for (int i = 0; i < n; i++)
		want(&h, read(told[0], &byte, 1) == 1);
	is(&h, h.o, OTP_POOL_FULL, 0, 0, (uint32_t)n);
	for (int i = 0; i < n; i++) {
		waiting[i] = person(&h);
		refs[i] = queues(&h, waiting[i], (uint32_t)i + 1);
	}
	for (int part = 0; part < 2; part++) {
		int from = part == 0 ? 0 : half, to = part == 0 ? half : n;

		for (int i = from; i < to; i++)
			want(&h, kill(holders[i], SIGKILL) == 0);
		if (part == 0)
			house_kill_engine(&h);	/* it has no part in this */
		for (int i = from; i < to; i++) {
			takes_once(&h, taken, n, served(&h, waiting[i],
			    refs[i]));
			(void)waitpid(holders[i], NULL, 0);
		}
		until(&h, WAITING, (uint32_t)(n - to));
		is(&h, h.o, OTP_POOL_FULL, 0, 0, (uint32_t)n);
	}
	for (int i = 0; i < n; i++)
		otp_free(waiting[i]);
	until(&h, FREE, (uint32_t)n);
	is(&h, h.o, OTP_POOL_READY, (uint32_t)n, 0, 0);
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("workers: what pools survive");
	TCase *e = tcase_create("survival"), *m = tcase_create("many");

	tcase_set_timeout(e, 60);
	tcase_add_test(e, engine_killed_loans_and_queue_are_kept);
	tcase_add_test(e, engine_killed_while_a_worker_starts);
	tcase_add_test(e, pool_server_killed_all_begin_anew);
	tcase_add_test(e, pool_server_restarted_alone_ends_what_was_lent);
	suite_add_tcase(s, e);
	tcase_set_timeout(m, 300);
	tcase_add_test(m, holders_killed_while_as_many_wait);
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
