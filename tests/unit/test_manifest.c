/* SPDX-License-Identifier: ISC */
/*
 * What otpd leaves for whoever takes over: nothing of it is lost, and nothing
 * that was spoilt is believed.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "manifest_rig.h"

static struct manifest_rig rig;

static const uint32_t values[] = { 0, 1, 2, 15, 0x7fffffff, 0x80000000,
	0xffffffff, 0x01010101, 32767, 32768, 100, 200 };
#define NVALUES	(sizeof(values) / sizeof(values[0]))

static void
set_up(void)
{
	ck_assert(manifest_rig_make(&rig));
}

static void
tear_down(void)
{
	manifest_rig_done(&rig);
}

START_TEST(what_was_left_is_found)
{
	struct spawner *sp = &rig.loaded;
	const struct child *c;

	ck_assert(manifest_rig_load(&rig));
	ck_assert_uint_eq(rig.bad, 0);
	ck_assert_pstr_eq(manifest_rig_wrong(&rig), NULL);
	ck_assert_uint_eq(sp->table.used, 5);
	ck_assert_uint_eq(sp->table.alive, 2);
	c = table_by_inc(&sp->table, 1001);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->pid, 101);
	ck_assert_uint_eq(c->label, 77);
	ck_assert(table_intact(c));
	ck_assert_ptr_eq(c, table_by_pid(&sp->table, 101));
	ck_assert_int_eq(table_by_inc(&sp->table, 2000)->pid, 102);
	ck_assert_int_eq(table_by_inc(&sp->table, 1003)->code, 256);
	ck_assert_int_eq(table_by_inc(&sp->table, 1004)->step,
	    SPAWN_STEP_EXEC);
	ck_assert_int_eq(table_by_inc(&sp->table, 1005)->state, 0);
	ck_assert_ptr_null(held_find(&sp->held, 10));
	ck_assert_int_eq(held_find(&sp->held, 11)->kind, HELD_KEPT);
	ck_assert_int_eq(held_find(&sp->held, 20)->kind, HELD_PIPE);
	ck_assert_int_eq(sp->engine->pid, 200);
	ck_assert_uint_eq(sp->engine->started, 3);
	ck_assert_int_eq(sp->lock, rig.made.lock);
	manifest_rig_unload(&rig);
}
END_TEST

/* What was taken over can go on: slots are found, given and taken back. */
START_TEST(what_was_taken_over_goes_on)
{
	struct table *t = &rig.loaded.table;
	struct held_table *h = &rig.loaded.held;
	struct child *c;
	uint64_t i;
	int fd;

	ck_assert(manifest_rig_load(&rig));
	for (i = 1; i <= 600; i++) {
		ck_assert_int_eq(table_add(t, i, &c), 0);
		c->pid = 1000 + (int)i;
		table_alive(t, c, 1);
		ck_assert_int_eq(held_pipe(h, 100 + i, &fd), 0);
	}
	ck_assert_uint_eq(t->used, 605);
	for (i = 1; i <= 600; i++) {
		c = table_by_inc(t, i);
		ck_assert_ptr_nonnull(c);
		table_ended(t, c, 0, 2);
		table_forget(t, c);
		ck_assert_int_eq(held_find(h, 100 + i)->kind, HELD_PIPE);
	}
	ck_assert_uint_eq(t->used, 5);
	manifest_rig_unload(&rig);
}
END_TEST

/* Any word of the constant part, with its sum and without. */
START_TEST(a_spoilt_constant_is_refused)
{
	uint32_t *words = (void *)&rig.made.carried->c, was;
	size_t n = offsetof(struct manifest_constant, sum) / sizeof(was), i, v;

	for (i = 0; i < n; i++)
		for (v = 0; v < 4; v++) {
			was = words[i];
			words[i] = values[v * 2 + i % 2];
			if (words[i] != was)
				ck_assert_msg(!manifest_rig_load(&rig),
				    "word %zu, value %x", i, words[i]);
			words[i] = was;
		}
	ck_assert(manifest_rig_load(&rig));
	manifest_rig_unload(&rig);
}
END_TEST

START_TEST(a_constant_that_lies_is_refused)
{
	struct manifest_constant *c = &rig.made.carried->c;
	size_t i, v;

	for (i = 0; i < MANIFEST_NFDS; i++)
		for (v = 0; v < NVALUES; v++) {
			c->fds[i] = (int)values[v];
			manifest_rig_sign(&rig);
			ck_assert_msg(!manifest_rig_load(&rig),
			    "descriptor %zu, %d", i, (int)values[v]);
			c->fds[i] = c->fds[(i + 1) % MANIFEST_NFDS];
			manifest_rig_sign(&rig);
			ck_assert(!manifest_rig_load(&rig));
			manifest_rig_restore(&rig);
		}
	memset(c->program, 'x', sizeof(c->program));
	manifest_rig_sign(&rig);
	ck_assert(!manifest_rig_load(&rig));
	manifest_rig_restore(&rig);
	c->form[0]++;
	manifest_rig_sign(&rig);
	ck_assert_int_eq(manifest_check(c), -EPROTO);
	ck_assert(!manifest_rig_load(&rig));
}
END_TEST

/* Every word of a part that changes: it is dropped, or it does no harm. */
static void
spoil(void *part, size_t size)
{
	uint32_t *words = part;
	size_t i, v;

	for (i = 0; i < size / sizeof(*words); i++)
		for (v = 0; v < NVALUES; v++) {
			words[i] = values[v];
			ck_assert(manifest_rig_load(&rig));
			ck_assert_msg(manifest_rig_wrong(&rig) == NULL,
			    "word %zu is %x: %s", i, values[v],
			    manifest_rig_wrong(&rig));
			manifest_rig_unload(&rig);
			manifest_rig_restore(&rig);
		}
}

START_TEST(a_spoilt_program_does_no_harm)
{
	spoil(&rig.made.carried->engine, sizeof(struct program));
	spoil(&rig.made.carried->logger, sizeof(struct program));
}
END_TEST

START_TEST(a_spoilt_count_does_no_harm)
{
	struct manifest *m = rig.made.carried;

	spoil(&m->asked, offsetof(struct manifest, in) -
	    offsetof(struct manifest, asked));
	spoil(&m->in.len, 3 * sizeof(uint32_t));
}
END_TEST

START_TEST(a_spoilt_held_descriptor_does_no_harm)
{
	spoil(rig.made.carried->held, (RIG_HELD + 2) * sizeof(struct held));
}
END_TEST

START_TEST(a_spoilt_child_does_no_harm)
{
	spoil(rig.made.table.slots, (RIG_CHILDREN + 2) * sizeof(struct child));
}
END_TEST

START_TEST(what_tells_one_child_from_another_has_a_sum)
{
	struct child *c = table_by_inc(&rig.made.table, 1001);

	c->pid = 4711;
	ck_assert(!table_intact(c));
	c->pid = 101;
	c->label++;
	ck_assert(!table_intact(c));
	c->label--;
	ck_assert(table_intact(c));
	/* An end that may be another's is dropped. */
	c = table_by_inc(&rig.made.table, 1003);
	c->pid = 4712;
	ck_assert(manifest_rig_load(&rig));
	ck_assert_uint_eq(rig.bad, 1);
	ck_assert_ptr_null(table_by_inc(&rig.loaded.table, 1003));
	manifest_rig_unload(&rig);
}
END_TEST

START_TEST(files_that_are_no_manifest_are_refused)
{
	uint32_t bad;
	int fd;

	ck_assert_int_lt(manifest_load(&rig.loaded, -1, &bad), 0);
	ck_assert_int_lt(manifest_load(&rig.loaded, rig.made.null, &bad), 0);
	ck_assert_int_lt(manifest_load(&rig.loaded, rig.made.table.memfd,
	    &bad), 0);
	fd = memfd_create("empty", MFD_CLOEXEC);
	ck_assert_int_lt(manifest_load(&rig.loaded, fd, &bad), 0);
	ck_assert_int_eq(ftruncate(fd, sizeof(struct manifest)), 0);
	ck_assert_int_lt(manifest_load(&rig.loaded, fd, &bad), 0);
	(void)close(fd);
	/* A table that is too short for what is said to be in it. */
	ck_assert_int_eq(ftruncate(rig.made.table.memfd, 4096), 0);
	ck_assert(!manifest_rig_load(&rig));
	ck_assert_int_eq(ftruncate(rig.made.table.memfd,
	    sizeof(struct child) * TABLE_SLOTS), 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("manifest");
	TCase *t = tcase_create("manifest");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, what_was_left_is_found);
	tcase_add_test(t, what_was_taken_over_goes_on);
	tcase_add_test(t, a_spoilt_constant_is_refused);
	tcase_add_test(t, a_constant_that_lies_is_refused);
	tcase_add_test(t, a_spoilt_program_does_no_harm);
	tcase_add_test(t, a_spoilt_count_does_no_harm);
	tcase_add_test(t, a_spoilt_held_descriptor_does_no_harm);
	tcase_add_test(t, a_spoilt_child_does_no_harm);
	tcase_add_test(t, what_tells_one_child_from_another_has_a_sum);
	tcase_add_test(t, files_that_are_no_manifest_are_refused);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
