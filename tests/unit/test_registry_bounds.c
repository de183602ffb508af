/* SPDX-License-Identifier: ISC */
/*
 * Registries without an engine: however many there are, what they may hold has
 * a bound.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/registry.h"

static struct engine engine;
static struct child owner;

/* --- what of the engine they use --- */

struct child *
engine_child(struct engine *e, uint32_t slot)
{
	(void)e, (void)slot;
	return &owner;
}

void
engine_reply(struct engine *e, server_peer peer, uint64_t ref,
    struct out *text)
{
	(void)e, (void)peer, (void)ref;
	out_done(text);
}

/* --- */

static struct bytes
bytes(const char *text)
{
	return (struct bytes){ text, strlen(text) };
}

static void
begin(void)
{
	memset(&engine, 0, sizeof(engine));
	memset(&owner, 0, sizeof(owner));
	engine.store = store_new(-1, -1);
}

static void
end(void)
{
	registries_free(&engine);
	ck_assert_uint_eq(engine.registry_bytes, 0);
	ck_assert_uint_eq(engine.loose_entries, 0);
	store_free(engine.store);
}

/* How many more it takes, all under one key and without a value. */
static uint32_t
fill(struct registry *r)
{
	uint32_t n = 0;

	while (n < 10 && registry_add(&engine, r, 1, bytes("key"),
	    bytes("")) != NULL)
		n++;
	return n;
}

/* A repeated register is known by it; a snapshot may have another order. */
START_TEST(the_latest_of_an_owner_is_its_last_whatever_came_first)
{
	static const uint64_t ids[] = { 7, 5, 9, 6, 8 };
	struct registry_entry *x;
	struct registry *r;
	char key[2] = "a";
	unsigned n = 0;

	begin();
	r = registry_make(&engine, "r", false);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++, key[0]++)
		(void)registry_put_entry(&engine, r, 1, bytes(key), bytes(""),
		    ids[i]);
	ck_assert_uint_eq(owner.entries->prev[OF_OWNER]->id, 9);
	for (x = owner.entries; x != NULL; x = x->next[OF_OWNER])
		n++;
	ck_assert_uint_eq(n, 5);
	end();
}
END_TEST

START_TEST(those_made_at_run_time_share_a_bound)
{
	struct config_registry want = { .name = (char *)(uintptr_t)"b",
	    .max_entries = 100 };
	struct config_options options = { .registries = &want,
	    .nregistries = 1 };
	struct registry *a, *b;

	begin();
	a = registry_make(&engine, "a", false);
	b = registry_make(&engine, "b", false);
	engine.loose_entries = REGISTRY_ENTRIES - 5;
	ck_assert_ptr_nonnull(registry_add(&engine, b, 1, bytes("k"),
	    bytes("v")));
	ck_assert_uint_eq(fill(a), 4);
	ck_assert_uint_eq(fill(b), 0);
	registry_remove(&engine, a->first);
	ck_assert_uint_eq(fill(b), 1);
	/* What the operator has allowed is not counted with them. */
	registries_configure(&engine, &options);
	ck_assert_uint_eq(fill(b), 10);
	ck_assert_uint_eq(fill(a), 2);
	engine.loose_entries -= REGISTRY_ENTRIES - 5;
	end();
}
END_TEST

START_TEST(metadata_counts)
{
	struct registry *r;
	char key[16];
	int n;

	begin();
	r = registry_make(&engine, "a", true);
	engine.registry_bytes = REGISTRY_BYTES_MAX - 100;
	for (n = 0; n < 100; n++) {
		(void)snprintf(key, sizeof(key), "k%02d", n);
		if (!registry_put_meta(&engine, r, key, bytes("0123456")))
			break;
	}
	ck_assert_int_eq(n, 10);
	ck_assert(registry_put_meta(&engine, r, "k00",
	    (struct bytes){ NULL, 0 }));
	ck_assert(registry_put_meta(&engine, r, "new", bytes("")));
	ck_assert_uint_eq(engine.registry_bytes, REGISTRY_BYTES_MAX - 100 +
	    9 * 10 + 3);
	engine.registry_bytes -= REGISTRY_BYTES_MAX - 100;
	end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("registry_bounds");
	TCase *tc = tcase_create("bounds");
	SRunner *sr;
	int failed;

	tcase_add_test(tc,
	    the_latest_of_an_owner_is_its_last_whatever_came_first);
	tcase_add_test(tc, those_made_at_run_time_share_a_bound);
	tcase_add_test(tc, metadata_counts);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
