/* SPDX-License-Identifier: ISC */
/*
 * What the core costs: memory for a child, and how much of the tree an event
 * touches.  Memory is counted where it is asked for: the core is compiled
 * into this program with names of its own for malloc and its kin.
 */
#undef malloc
#undef calloc
#undef realloc
#undef free
#include <assert.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

#define MANY	10000

static struct core_spec specs[MANY + 1];
static char ids[MANY][24];
static uint64_t now = 1000;

static struct core_spec *
flat(enum core_strategy strategy, unsigned n)
{
	unsigned i;

	memset(specs, 0, sizeof(specs));
	for (i = 0; i < n; i++) {
		snprintf(ids[i], sizeof(ids[i]), "service-%u", i);
		specs[i + 1] = (struct core_spec){ .id = ids[i],
			.shutdown_ms = 5000,
			.next = i + 1 < n ? &specs[i + 2] : NULL };
	}
	specs[0] = (struct core_spec){ .id = "root", .strategy = strategy,
		.type = CORE_SUPERVISOR, .children = &specs[1],
		.max_restarts = 1000000, .period_ms = 5000,
		.shutdown_ms = CORE_INFINITY };
	return specs;
}

struct cost { unsigned actions, records; };

static struct cost
carry_out(struct core *c, uint64_t *out_started)
{
	const struct core_action *a;
	struct cost cost = { 0 };
	struct core_record rec;
	size_t i, n;

	a = core_actions(c, &n);
	*out_started = 0;
	for (i = 0; i < n; i++)
		if (a[i].act == CORE_ACT_START)
			*out_started = a[i].inc;
	core_actions_clear(c);
	cost.actions = (unsigned)n;
	while (core_save_next(c, &rec))
		cost.records++;
	core_save_clear(c);
	return cost;
}

/* Boot it, and say which incarnation was started last. */
static struct core *
boot(enum core_strategy strategy, unsigned n)
{
	struct core *c = core_new(false);
	uint64_t inc;

	core_boot(c, flat(strategy, n), now);
	for (;;) {
		(void)carry_out(c, &inc);
		if (inc == 0)
			return c;
		core_started(c, inc, now);
	}
}

static uint64_t
inc_of(struct core *c, const char *id)
{
	struct core_child v;

	ck_assert(core_view(c, core_find(c, core_root(c), id), now, &v));
	return v.inc;
}

START_TEST(a_crash_touches_that_child_alone)
{
	struct core *c = boot(CORE_ONE_FOR_ONE, MANY);
	struct cost cost;
	uint64_t inc;

	core_exited(c, inc_of(c, "service-5000"), CORE_EXIT_ABNORMAL, now);
	cost = carry_out(c, &inc);
	ck_assert_uint_le(cost.actions, 3);
	ck_assert_uint_le(cost.records, 3);	/* child, root, its attempt */
	core_started(c, inc, now);
	cost = carry_out(c, &inc);
	ck_assert_uint_le(cost.actions, 1);
	ck_assert_uint_le(cost.records, 2);
	core_free(c);
}
END_TEST

START_TEST(a_call_touches_that_child_alone)
{
	struct core *c = boot(CORE_REST_FOR_ONE, MANY);
	struct core_call call = { .op = CORE_OP_RESTART, .id = 1,
		.sup = core_root(c), .child = "service-1" };
	struct cost cost;
	uint64_t inc;

	core_call(c, &call, now);
	cost = carry_out(c, &inc);
	ck_assert_uint_le(cost.actions, 4);
	ck_assert_uint_le(cost.records, 2);
	core_exited(c, inc_of(c, "service-1"), CORE_EXIT_SHUTDOWN, now);
	cost = carry_out(c, &inc);
	ck_assert_uint_le(cost.actions, 4);
	ck_assert_uint_le(cost.records, 2);
	core_free(c);
}
END_TEST

START_TEST(a_group_restart_touches_the_group_alone)
{
	struct core *c = boot(CORE_REST_FOR_ONE, MANY);
	uint64_t inc;
	struct cost cost;

	core_exited(c, inc_of(c, "service-9998"), CORE_EXIT_ABNORMAL, now);
	cost = carry_out(c, &inc);
	ck_assert_uint_le(cost.records, 4);
	core_exited(c, inc_of(c, "service-9999"), CORE_EXIT_SHUTDOWN, now);
	cost = carry_out(c, &inc);
	ck_assert_uint_le(cost.records, 4);
	ck_assert_uint_ne(inc, 0);
	core_free(c);
}
END_TEST

static struct cost
add_dynamic(struct core *c, const char *id, uint64_t *out_inc)
{
	char name[64];
	struct core_spec spec = { .id = name, .shutdown_ms = 5000 };
	struct core_call call = { .op = CORE_OP_START_CHILD, .id = 1,
		.sup = core_root(c), .spec = &spec };
	struct cost cost, more;
	uint64_t none;

	core_name(c, call.sup, id, name, sizeof(name));
	core_call(c, &call, now);
	cost = carry_out(c, out_inc);
	core_started(c, *out_inc, now);
	more = carry_out(c, &none);
	cost.actions += more.actions;
	cost.records += more.records;
	return cost;
}

/* All of one id, which must not make it dearer. */
START_TEST(a_dynamic_start_or_death_touches_that_child_alone)
{
	struct core_spec root = { .id = "root", .type = CORE_SUPERVISOR,
		.strategy = CORE_DYNAMIC, .max_children = CORE_INFINITY,
		.max_restarts = MANY, .period_ms = 5000 };
	struct core *c = core_new(false);
	uint64_t inc = 0, incs[MANY];
	struct cost cost;
	unsigned i;

	core_boot(c, &root, now);
	(void)carry_out(c, &inc);
	for (i = 0; i < MANY; i++) {
		cost = add_dynamic(c, "w", &incs[i]);
		ck_assert_uint_le(cost.actions, 4);
		ck_assert_uint_le(cost.records, 5);
	}
	for (i = 0; i < MANY; i++) {
		core_exited(c, incs[i], CORE_EXIT_ABNORMAL, now);
		cost = carry_out(c, &inc);
		ck_assert_uint_le(cost.actions, 3);
		ck_assert_uint_le(cost.records, 3);
		core_started(c, inc, now);
		cost = carry_out(c, &inc);
		ck_assert_uint_le(cost.records, 2);
	}
	core_free(c);
}
END_TEST

START_TEST(nothing_new_is_nothing_to_save)
{
	struct core *c = boot(CORE_ONE_FOR_ONE, 100);
	struct cost cost;
	uint64_t inc;

	cost = carry_out(c, &inc);
	ck_assert_uint_eq(cost.records, 0);
	core_free(c);
}
END_TEST

/* --- memory --- */

static size_t in_use;		/* bytes, with what malloc adds to each */

static size_t
gross(size_t size)
{
	return (size + 8 + 15) / 16 * 16;
}

#define HEADER	16		/* keeps the alignment */

void	*cost_malloc(size_t size);
void	*cost_calloc(size_t n, size_t size);
void	*cost_realloc(void *p, size_t size);
void	 cost_free(void *p);

void *
cost_malloc(size_t size)
{
	char *p = malloc(size + HEADER);

	assert(p != NULL);
	memcpy(p, &size, sizeof(size));
	in_use += gross(size);
	return p + HEADER;
}

void *
cost_calloc(size_t n, size_t size)
{
	return memset(cost_malloc(n * size), 0, n * size);
}

void
cost_free(void *p)
{
	size_t size;

	if (p == NULL)
		return;
	memcpy(&size, (char *)p - HEADER, sizeof(size));
	in_use -= gross(size);
	free((char *)p - HEADER);
}

void *
cost_realloc(void *p, size_t size)
{
	void *q = cost_malloc(size);
	size_t old;

	if (p == NULL)
		return q;
	memcpy(&old, (char *)p - HEADER, sizeof(old));
	memcpy(q, p, old < size ? old : size);
	cost_free(p);
	return q;
}

static size_t
id_bytes(unsigned n)
{
	size_t sum = 0;
	unsigned i;

	for (i = 0; i < n; i++)
		sum += strlen(ids[i]) + 1;
	return sum;
}

START_TEST(a_child_costs_at_most_300_bytes)
{
	size_t before = in_use, each;
	struct core *c = boot(CORE_ONE_FOR_ONE, MANY);

	each = (in_use - before - id_bytes(MANY)) / MANY;
	ck_assert_msg(each <= 300, "%zu bytes a child", each);
	ck_assert_msg(each >= 100, "%zu bytes a child: not counted", each);
	core_free(c);
	ck_assert_uint_eq(in_use, before);
}
END_TEST

START_TEST(a_small_tree_is_small)
{
	size_t before = in_use;
	struct core *c = boot(CORE_ONE_FOR_ONE, 1);

	ck_assert_uint_le(in_use - before, 8192);
	core_free(c);
}
END_TEST

START_TEST(a_large_window_costs_what_is_in_it)
{
	struct core *c = boot(CORE_ONE_FOR_ONE, 1);
	size_t before = in_use;
	uint64_t inc;
	int i;

	for (i = 0; i < 100; i++) {
		core_exited(c, inc_of(c, "service-0"), CORE_EXIT_ABNORMAL,
		    now);
		(void)carry_out(c, &inc);
		core_started(c, inc, now);
		(void)carry_out(c, &inc);
	}
	ck_assert_uint_le(in_use - before, 4096);
	core_free(c);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("core cost");
	TCase *tc = tcase_create("cost");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_crash_touches_that_child_alone);
	tcase_add_test(tc, a_call_touches_that_child_alone);
	tcase_add_test(tc, a_group_restart_touches_the_group_alone);
	tcase_add_test(tc, a_dynamic_start_or_death_touches_that_child_alone);
	tcase_add_test(tc, nothing_new_is_nothing_to_save);
	tcase_add_test(tc, a_child_costs_at_most_300_bytes);
	tcase_add_test(tc, a_small_tree_is_small);
	tcase_add_test(tc, a_large_window_costs_what_is_in_it);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
