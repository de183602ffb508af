/* SPDX-License-Identifier: ISC */
/*
 * What one worker may have the engine keep for it has a bound: the names that
 * it has, and whom it watches.  One that forgets to give back is refused, and
 * takes no memory from those beside it.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/permit.h"
#include "engine/registry.h"
#include "engine/worker.h"

#define MANY		1024U	/* names */
#define VERY_MANY	65536U	/* monitors and links */

enum { GREEDY, OTHER, NCHILDREN };

static struct engine *engine;
static struct child children[NCHILDREN];
static char paths[NCHILDREN][8] = { "greedy", "other" };
static char said[256];			/* to the worker, last */
static unsigned kept;			/* records in the snapshot */
static unsigned nfiles;			/* of names */

/* --- what of the engine they use --- */

struct child *
engine_child(struct engine *e, uint32_t slot)
{
	(void)e;
	return &children[slot];
}

int
engine_find(struct engine *e, const char *path, uint32_t *out_slot)
{
	(void)e;
	*out_slot = strcmp(path, paths[OTHER]) == 0 ? OTHER : GREEDY;
	return 0;
}

uint32_t
engine_slot_by_pid(struct engine *e, int32_t pid)
{
	(void)e, (void)pid;
	return CORE_NONE;
}

void
engine_save_child(struct engine *e, uint32_t slot)
{
	(void)e, (void)slot;
}

bool
core_view(const struct core *c, uint32_t slot, uint64_t now_ms,
    struct core_child *out)
{
	(void)c, (void)slot, (void)now_ms;
	*out = (struct core_child){ .type = CORE_WORKER };
	return true;
}

int
registry_via(struct engine *e, const char *address, uint32_t *out_slot)
{
	(void)e, (void)address, (void)out_slot;
	return -EINVAL;
}

bool
permit_link(struct engine *e, uint32_t slot, uint32_t target)
{
	(void)e, (void)slot, (void)target;
	return true;
}

bool
worker_is_there(struct engine *e, uint32_t slot)
{
	(void)e, (void)slot;
	return true;
}

size_t
worker_room(struct engine *e, uint32_t slot)
{
	(void)e, (void)slot;
	return sizeof(said);
}

bool
letter_send(struct engine *e, uint32_t slot, struct frame_header h,
    const char *payload)
{
	(void)e, (void)slot, (void)h;
	(void)snprintf(said, sizeof(said), "%s", payload);
	return true;
}

bool
worker_exit_signal(struct engine *e, uint32_t slot, const char *from,
    const char *reason, bool link)
{
	(void)e, (void)slot, (void)link;
	(void)snprintf(said, sizeof(said), "%s: %s", from, reason);
	return true;
}

void
link_put(struct link *l, uint16_t type, uint64_t inc, const void *body,
    size_t len)
{
	(void)l, (void)type, (void)inc, (void)body, (void)len;
}

void
replace_string(char **p, const char *text)
{
	(void)p, (void)text;
}

void
store_put(struct store *s, enum store_type type, uint64_t key,
    const void *data, size_t len)
{
	(void)s, (void)type, (void)key, (void)data;
	kept += len > 0 ? 1U : -1U;
}

/* --- what of the system: a thousand files take too long on some --- */

int
symlinkat(const char *target, int dir, const char *path)
{
	(void)target, (void)dir, (void)path;
	return 0;
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	(void)from_dir, (void)from, (void)to_dir, (void)to;
	nfiles++;
	return 0;
}

int
unlinkat(int dir, const char *path, int flags)
{
	(void)dir, (void)flags;
	if (strncmp(path, "names/.", 7) == 0) {	/* not yet one */
		errno = ENOENT;
		return -1;
	}
	nfiles--;
	return 0;
}

static void
setup(void)
{
	engine = calloc(1, sizeof(*engine));
	ck_assert_ptr_nonnull(engine);
	memset(children, 0, sizeof(children));
	for (int i = 0; i < NCHILDREN; i++) {
		children[i].path = paths[i];
		children[i].worker = calloc(1, sizeof(struct worker));
		ck_assert_ptr_nonnull(children[i].worker);
	}
	said[0] = '\0';
	kept = nfiles = 0;
	said[0] = '\0';
}

/* Whoever ends gives all of it back. */
static void
teardown(void)
{
	for (uint32_t i = 0; i < NCHILDREN; i++) {
		names_drop(engine, i, NULL);
		watch_ended(engine, i, "shutdown");
		ck_assert_uint_eq(children[i].nwatching, 0);
		free(children[i].worker);
	}
	ck_assert_uint_eq(kept, 0);
	ck_assert_uint_eq(nfiles, 0);
	free(engine);
}

/* --- whom it watches --- */

static void
watch_many(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		watch_monitor(engine, GREEDY, i + 1, "other");
	ck_assert_str_eq(said, "");
}

START_TEST(a_monitor_too_many_is_down_at_once)
{
	watch_many(VERY_MANY);
	watch_monitor(engine, GREEDY, VERY_MANY + 1, "other");
	ck_assert_str_eq(said, "{\"target\":\"other\",\"path\":\"other\","
	    "\"reason\":\"system_limit\"}");
	ck_assert_uint_eq(children[GREEDY].nwatching, VERY_MANY);
	said[0] = '\0';
	watch_demonitor(engine, GREEDY, VERY_MANY);
	watch_monitor(engine, GREEDY, VERY_MANY + 2, "other");
	watch_monitor(engine, OTHER, 1, "greedy");	/* its own bound */
	ck_assert_str_eq(said, "");
}
END_TEST

/* Oldest first: none of them is looked for among all the others. */
START_TEST(M1_many_monitors_are_forgotten_as_fast_as_few)
{
	watch_many(VERY_MANY);
	for (uint32_t i = 0; i < VERY_MANY; i++)
		watch_demonitor(engine, GREEDY, i + 1);
	ck_assert_uint_eq(children[GREEDY].nwatching, 0);
}
END_TEST

START_TEST(a_link_too_many_is_an_exit_signal)
{
	watch_many(VERY_MANY);
	watch_link(engine, GREEDY, "other");
	ck_assert_str_eq(said, "other: system_limit");
	said[0] = '\0';
	watch_link(engine, OTHER, "greedy");	/* it has two ends */
	ck_assert_str_eq(said, "greedy: system_limit");
	said[0] = '\0';
	watch_demonitor(engine, GREEDY, VERY_MANY);
	watch_link(engine, OTHER, "greedy");
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(children[OTHER].nwatching, 1);
}
END_TEST

/* --- its names --- */

static void
register_many(uint32_t n)
{
	uint32_t holder;
	char name[16];

	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		ck_assert_int_eq(name_register(engine, GREEDY, name, &holder),
		    0);
	}
}

START_TEST(a_name_too_many_is_refused)
{
	uint32_t holder;

	register_many(MANY);
	ck_assert_int_eq(name_register(engine, GREEDY, "more", &holder),
	    -EDQUOT);
	ck_assert_uint_eq(name_whereis(engine, "more"), CORE_NONE);
	ck_assert_int_eq(name_register(engine, OTHER, "more", &holder), 0);
	ck_assert_int_eq(name_unregister(engine, GREEDY, "more"), -ENOENT);
	ck_assert_int_eq(name_unregister(engine, GREEDY, "n7"), 0);
	ck_assert_int_eq(name_register(engine, GREEDY, "n7", &holder), 0);
	names_drop(engine, GREEDY, "n8");
	ck_assert_uint_eq(name_whereis(engine, "n7"), CORE_NONE);
	ck_assert_uint_eq(name_whereis(engine, "n8"), GREEDY);
	ck_assert_uint_eq(name_whereis(engine, "more"), OTHER);
	ck_assert_uint_eq(nfiles, 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("watch_bounds");
	TCase *tc = tcase_create("bounds");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_monitor_too_many_is_down_at_once);
	tcase_add_test(tc, M1_many_monitors_are_forgotten_as_fast_as_few);
	tcase_add_test(tc, a_link_too_many_is_an_exit_signal);
	tcase_add_test(tc, a_name_too_many_is_refused);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
