/* SPDX-License-Identifier: ISC */
/*
 * The loop: order of timers, and that nothing which was removed or changed in
 * the same turn is called.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include "loop/loop.h"

static struct loop *l;

static void
setup(void)
{
	l = loop_new();
	ck_assert_ptr_nonnull(l);
}

static void
teardown(void)
{
	loop_free(l);
}

/* --- timers --- */

#define MAX_RUNS	4096
static int runs[MAX_RUNS], nruns;

struct test_timer {
	struct loop_timer	timer;
	struct test_timer	*victim;	/* cancelled when it runs */
	int			id;
	int			again;		/* sets itself so many times */
};

static void
ran(void *arg)
{
	struct test_timer *t = arg;

	runs[nruns++] = t->id;
	if (t->victim != NULL)
		loop_timer_cancel(l, &t->victim->timer);
	if (t->again-- > 0)
		ck_assert_int_eq(loop_timer_set(l, &t->timer, 0), 0);
}

static void
set(struct test_timer *t, int id, uint64_t at_ms)
{
	t->timer.fn = ran;
	t->timer.arg = t;
	t->id = id;
	ck_assert_int_eq(loop_timer_set(l, &t->timer, at_ms), 0);
}

START_TEST(timers_run_in_order_and_ties_as_set)
{
	static const struct {
		int		id;
		uint64_t	at_ms;
	} rows[] = {
		{ 5, 30 }, { 0, 1 }, { 3, 20 }, { 1, 10 }, { 4, 20 }, { 2, 10 },
		{ 6, 30 }, { 7, 31 },
	};
	struct test_timer timers[8] = { 0 };
	size_t i;

	for (i = 0; i < 8; i++)
		set(&timers[i], rows[i].id, rows[i].at_ms);
	ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_int_eq(nruns, 8);
	for (i = 0; i < 8; i++)
		ck_assert_int_eq(runs[i], (int)i);
}
END_TEST

START_TEST(a_timer_waits_for_its_time)
{
	struct test_timer t = { 0 };
	uint64_t at = loop_now_ms() + 20;

	set(&t, 1, at);
	while (nruns == 0)
		ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_uint_ge(loop_now_ms(), at);
	ck_assert_uint_eq(t.timer.pos, 0);
}
END_TEST

START_TEST(a_cancelled_timer_does_not_run_even_if_due)
{
	struct test_timer a = { 0 }, b = { 0 }, c = { 0 };

	set(&a, 1, 1);
	set(&b, 2, 2);
	set(&c, 3, 3);
	a.victim = &b;
	ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_int_eq(nruns, 2);
	ck_assert_int_eq(runs[1], 3);
	loop_timer_cancel(l, &b.timer);
	loop_timer_cancel(l, &b.timer);
}
END_TEST

START_TEST(a_timer_set_to_the_past_waits_for_the_next_turn)
{
	struct test_timer a = { .again = 3 }, b = { 0 };

	set(&a, 1, 0);
	set(&b, 2, 1);
	ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_int_eq(nruns, 2);
	ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_int_eq(nruns, 3);
	ck_assert_int_eq(runs[2], 1);
}
END_TEST

START_TEST(a_timer_set_again_moves)
{
	struct test_timer a = { 0 }, b = { 0 };

	set(&a, 1, 5);
	set(&b, 2, 6);
	set(&a, 1, 7);
	ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_int_eq(nruns, 2);
	ck_assert_int_eq(runs[0], 2);
	ck_assert_int_eq(runs[1], 1);
}
END_TEST

/* What is not cancelled runs once, earlier ones first. */
START_TEST(any_mix_of_sets_and_cancels_keeps_the_order)
{
	static struct test_timer timers[1000];
	uint64_t last = 0;
	int i, k, want = 0;

	srand(7);
	for (k = 0; k < 20000; k++) {
		i = rand() % 1000;
		if (rand() % 3 == 0)
			loop_timer_cancel(l, &timers[i].timer);
		else
			set(&timers[i], i, (uint64_t)(rand() % 500));
	}
	for (i = 0; i < 1000; i++)
		want += timers[i].timer.pos != 0;
	ck_assert_int_gt(want, 100);
	ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_int_eq(nruns, want);
	for (i = 0; i < nruns; i++) {
		ck_assert_uint_ge(timers[runs[i]].timer.at_ms, last);
		last = timers[runs[i]].timer.at_ms;
		ck_assert_uint_eq(timers[runs[i]].timer.pos, 0);
	}
}
END_TEST

static void
on_alarm(int sig)
{
	(void)sig;
}

START_TEST(without_a_timer_it_sleeps_without_a_timeout)
{
	const struct itimerval in_60_ms = { .it_value.tv_usec = 60000 };
	struct sigaction sa = { .sa_handler = on_alarm };
	uint64_t start = loop_now_ms();

	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &in_60_ms, NULL), 0);
	ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_uint_ge(loop_now_ms() - start, 55);
}
END_TEST

/* --- sources --- */

struct test_source {
	int			 fd[2];
	uint64_t		 handle;
	int			 calls;
	uint32_t		 events;
	struct test_source	*victim;	/* removed when called */
	struct test_source	*heir;		/* added in its place */
	struct test_source	*mute;		/* changed to no EPOLLIN */
};

static void
called(void *arg, uint32_t events)
{
	struct test_source *s = arg;

	s->calls++;
	s->events = events;
	if (s->victim != NULL) {
		loop_remove(l, s->victim->handle);
		(void)close(s->victim->fd[0]);
		s->victim = NULL;
	}
	if (s->heir != NULL)
		ck_assert_int_eq(loop_add(l, s->heir->fd[0], EPOLLIN, called,
		    s->heir, &s->heir->handle), 0);
	s->heir = NULL;
	if (s->mute != NULL)
		ck_assert_int_eq(loop_change(l, s->mute->handle, EPOLLPRI), 0);
}

static void
source(struct test_source *s, bool readable)
{
	ck_assert_int_eq(pipe2(s->fd, O_CLOEXEC), 0);
	if (readable)
		ck_assert_int_eq((int)write(s->fd[1], "x", 1), 1);
}

static void
add(struct test_source *s)
{
	source(s, true);
	ck_assert_int_eq(loop_add(l, s->fd[0], EPOLLIN, called, s, &s->handle),
	    0);
	ck_assert_uint_ne(s->handle, 0);
}

START_TEST(an_event_of_a_source_removed_meanwhile_is_dropped)
{
	struct test_source a = { 0 }, b = { 0 };

	add(&a);
	add(&b);
	a.victim = &b;
	b.victim = &a;
	ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_int_eq(a.calls + b.calls, 1);
}
END_TEST

START_TEST(a_new_source_in_its_slot_does_not_get_it_either)
{
	struct test_source a = { 0 }, b = { 0 }, heir = { 0 };

	add(&a);
	add(&b);
	source(&heir, false);
	a.victim = &b;
	b.victim = &a;
	a.heir = b.heir = &heir;
	ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_int_eq(a.calls + b.calls, 1);
	ck_assert_int_eq(heir.calls, 0);
	ck_assert_int_eq((int)write(heir.fd[1], "x", 1), 1);
	while (heir.calls == 0)
		ck_assert_int_eq(loop_turn(l), 0);
}
END_TEST

START_TEST(an_event_not_wanted_any_more_is_dropped)
{
	struct test_source a = { 0 }, b = { 0 };

	add(&a);
	add(&b);
	a.mute = &b;
	b.mute = &a;
	ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_int_eq(a.calls + b.calls, 1);
}
END_TEST

START_TEST(a_source_without_events_does_not_hear_a_hang_up)
{
	struct test_source a = { 0 }, b = { 0 };

	add(&a);
	add(&b);
	ck_assert_int_eq(loop_change(l, a.handle, 0), 0);
	(void)close(a.fd[1]);
	ck_assert_int_eq(loop_turn(l), 0);
	ck_assert_int_eq(b.calls, 1);
	ck_assert_int_eq(a.calls, 0);
	ck_assert_int_eq(loop_change(l, a.handle, EPOLLIN), 0);
	while (a.calls == 0)
		ck_assert_int_eq(loop_turn(l), 0);
	ck_assert(a.events & EPOLLHUP);
}
END_TEST

START_TEST(a_handle_outlives_nothing)
{
	struct test_source a = { 0 };
	uint64_t stale, unused = 99;

	add(&a);
	stale = a.handle;
	loop_remove(l, stale);
	loop_remove(l, stale);
	ck_assert_int_eq(loop_change(l, stale, EPOLLIN), -ENOENT);
	ck_assert_int_eq(loop_change(l, 0, EPOLLIN), -ENOENT);
	ck_assert_int_eq(loop_change(l, UINT64_MAX, EPOLLIN), -ENOENT);
	ck_assert_int_eq(loop_add(l, -1, EPOLLIN, called, &a, &unused), -EBADF);
	ck_assert_uint_eq(unused, 99);
}
END_TEST

START_TEST(many_sources_are_all_served)
{
	static struct test_source many[200];
	int i, turns;

	for (i = 0; i < 200; i++)
		add(&many[i]);
	for (turns = 0; turns < 8; turns++)
		ck_assert_int_eq(loop_turn(l), 0);
	for (i = 0; i < 200; i++)
		ck_assert_int_gt(many[i].calls, 0);
}
END_TEST

static void
stop_at_third(void *arg)
{
	int *n = arg;

	if (++*n == 3)
		loop_stop(l);
}

START_TEST(the_hook_runs_each_turn_and_may_stop_it)
{
	struct test_source a = { 0 };
	int n = 0;

	add(&a);
	loop_after(l, stop_at_third, &n);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_int_eq(n, 3);
	ck_assert_int_eq(a.calls, 3);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		timers_run_in_order_and_ties_as_set,
		a_timer_waits_for_its_time,
		a_cancelled_timer_does_not_run_even_if_due,
		a_timer_set_to_the_past_waits_for_the_next_turn,
		a_timer_set_again_moves,
		any_mix_of_sets_and_cancels_keeps_the_order,
		without_a_timer_it_sleeps_without_a_timeout,
		an_event_of_a_source_removed_meanwhile_is_dropped,
		a_new_source_in_its_slot_does_not_get_it_either,
		an_event_not_wanted_any_more_is_dropped,
		a_source_without_events_does_not_hear_a_hang_up,
		a_handle_outlives_nothing,
		many_sources_are_all_served,
		the_hook_runs_each_turn_and_may_stop_it,
	};
	Suite *s = suite_create("loop");
	TCase *c = tcase_create("loop");
	SRunner *r;
	size_t i;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
