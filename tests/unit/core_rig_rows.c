/* SPDX-License-Identifier: ISC */
/*
 * Tables of rules: each row a tree, a script and what must be logged of it.
 */
#include <check.h>
#include <string.h>

#include "core_rig.h"

static const struct rig_row *rows;	/* of the program */

void
rig_check(const struct rig_row *row, unsigned flags)
{
	const char *log = rig_run(flags, row->tree, row->script);

	ck_assert_msg(strcmp(log, row->log) == 0, "%s\n  want %s\n  got  %s",
	    row->why, row->log, log);
}

START_TEST(goes_by_the_rules)
{
	rig_check(&rows[_i], 0);
}
END_TEST

START_TEST(goes_by_the_letter)
{
	rig_check(&rows[_i], RIG_COMPAT);
}
END_TEST

START_TEST(goes_on_after_each_crash)
{
	rig_check(&rows[_i], RIG_CRASH);
}
END_TEST

int
rig_rules(const char *name, const struct rig_row *all, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create("rules");
	SRunner *runner;
	int failed;

	rows = all;
	tcase_add_loop_test(tc, goes_by_the_rules, 0, (int)n);
	tcase_add_loop_test(tc, goes_by_the_letter, 0, (int)n);
	tcase_add_loop_test(tc, goes_on_after_each_crash, 0, (int)n);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
