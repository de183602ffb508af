/* SPDX-License-Identifier: ISC */
/*
 * Ends that are not told before the whole group has gone, of as many services
 * as there may be.  The groups are pretended: kill() is ours.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "spawner/linger.h"

#define MANY	(TABLE_SLOTS - 1)	/* as many as there are records */
#define S	(1000 * MS)

static struct spawner sp;
static uint64_t now;
static bool there[MANY + 1];	/* the group of this pid */
static bool zombie[MANY + 1];	/* its leader waits for somebody to reap it */

int
kill(pid_t pid, int sig)
{
	bool is = pid < 0 ? there[-pid] : zombie[pid];

	if (sig != 0)
		abort();
	errno = is ? errno : ESRCH;
	return is ? 0 : -1;
}

uint64_t
now_ns(void)
{
	return now;
}

static void
set_up(void)
{
	ck_assert_int_eq(table_init(&sp.table), 0);
	now = 5 * S;
}

static void
tear_down(void)
{
	(void)close(sp.table.memfd);
}

/* It has ended, and the engine is to be told. */
static struct child *
end(int pid, bool group)
{
	struct child *c;

	if (table_add(&sp.table, (uint64_t)pid, &c) < 0)
		abort();
	c->pid = pid;
	table_alive(&sp.table, c, now);
	table_ended(&sp.table, c, 0, now);
	there[pid] = group;
	linger_begin(&sp, c);
	return c;
}

/* Those to be told, in order: they are told. */
static uint32_t
take_told(void)
{
	struct child *c;
	uint32_t n = 0;
	uint64_t last = 0;

	while (sp.table.dirty_head != 0) {
		c = &sp.table.slots[sp.table.dirty_head];
		if (c->inc < last)
			ck_abort_msg("not in their order");
		last = c->inc;
		table_clean(&sp.table, c);
		n++;
	}
	return n;
}

static void
pass(uint64_t ns)
{
	now += ns;
	linger_tick(&sp, now);
}

START_TEST(the_end_of_a_whole_group_is_told_at_once)
{
	(void)end(1, false);
	ck_assert_uint_eq(take_told(), 1);
	ck_assert_uint_eq(sp.linger.due_ns, 0);
}
END_TEST

START_TEST(no_end_is_told_before_its_group_has_gone)
{
	for (int pid = 1; pid <= MANY; pid++)
		(void)end(pid, true);
	ck_assert_uint_eq(take_told(), 0);
	pass(S / 2);
	ck_assert_uint_eq(take_told(), 0);
	for (int pid = 1; pid <= MANY; pid += 2)
		there[pid] = false;
	pass(S / 2 - 1);
	ck_assert_uint_eq(take_told(), (MANY + 1) / 2);
	pass(S);		/* no longer than that */
	ck_assert_uint_eq(take_told(), MANY / 2);
	ck_assert_uint_eq(sp.linger.due_ns, 0);
}
END_TEST

START_TEST(a_zombie_is_not_waited_for_so_long)
{
	zombie[1] = true;
	(void)end(1, true);
	pass(S / 10 - 1);
	ck_assert_uint_eq(take_told(), 0);
	pass(2 * MS);
	ck_assert_uint_eq(take_told(), 1);
}
END_TEST

/* Nobody is waited for without a record. */
START_TEST(what_is_forgotten_makes_room)
{
	for (int pid = 1; pid <= MANY; pid++)
		table_forget(&sp.table, end(pid, true));
	for (int pid = 1; pid <= MANY; pid++)
		(void)end(pid, true);
	ck_assert_uint_eq(take_told(), 0);
	for (int pid = 1; pid <= MANY; pid++)
		there[pid] = false;
	pass(S / 2);
	ck_assert_uint_eq(take_told(), MANY);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("linger");
	TCase *t = tcase_create("linger");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, the_end_of_a_whole_group_is_told_at_once);
	tcase_add_test(t, no_end_is_told_before_its_group_has_gone);
	tcase_add_test(t, a_zombie_is_not_waited_for_so_long);
	tcase_add_test(t, what_is_forgotten_makes_room);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
