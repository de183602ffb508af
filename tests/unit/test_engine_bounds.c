/* SPDX-License-Identifier: ISC */
/*
 * What callers may make the engine keep has a bound, and is refused with words
 * that name it: requests that wait, and the env that is set at run time.
 */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/apps.h"
#include "engine/control.h"
#include "engine/worker.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

static struct engine *engine;
static struct child application;
static char said[512];
static unsigned nkept;

/* --- what of the engine they use --- */

void
control_refuse(struct engine *e, const struct caller *c, const char *error,
    const char *format, ...)
{
	size_t len = strlen(error);
	va_list ap;

	(void)e, (void)c;
	(void)snprintf(said, sizeof(said), "%s: ", error);
	va_start(ap, format);
	(void)vsnprintf(said + len + 2, sizeof(said) - len - 2, format, ap);
	va_end(ap);
}

void
control_ok(struct engine *e, const struct caller *c)
{
	(void)e, (void)c;
	(void)snprintf(said, sizeof(said), "ok");
}

const char *
control_string(const struct caller *c, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItem(c->request, key));
}

const char *
control_needed(struct engine *e, const struct caller *c, const char *key)
{
	(void)e;
	return control_string(c, key);
}

void
engine_reply(struct engine *e, server_peer peer, uint64_t ref,
    struct out *text)
{
	(void)e, (void)peer, (void)ref;
	(void)snprintf(said, sizeof(said), "%s", text->text);
	out_done(text);
}

void
replace_string(char **p, const char *text)
{
	free(*p);
	*p = xstrdup(text);
}

struct child *
engine_child(struct engine *e, uint32_t slot)
{
	(void)e, (void)slot;
	return &application;
}

void
engine_set_path(struct engine *e, uint32_t slot)
{
	(void)e, (void)slot;
}

uint32_t
app_slot(struct engine *e, const char *name)
{
	(void)e;
	return name[0] == 'a' ? 1 : CORE_NONE;
}

uint32_t
app_of(struct engine *e, uint32_t slot)
{
	(void)e;
	return slot;
}

cJSON *
app_properties(struct engine *e, uint32_t slot)
{
	(void)e, (void)slot;
	return cJSON_Parse("{\"env\":{\"k\":0,\"other\":1}}");
}

bool
apps_awaited(const struct engine *e, server_peer peer, uint64_t ref)
{
	(void)e;
	return peer == 1 && ref == 7;
}

bool
worker_is_link(server_peer peer)
{
	return peer == 0;
}

uint32_t
worker_slot(server_peer peer)
{
	(void)peer;
	return 1;
}

void
store_put(struct store *s, enum store_type type, uint64_t key,
    const void *data, size_t len)
{
	(void)s, (void)type, (void)key, (void)data;
	nkept += len > 0;
}

static void
setup(void)
{
	engine = calloc(1, sizeof(*engine));
	ck_assert_ptr_nonnull(engine);
	nkept = 0;
}

static void
teardown(void)
{
	app_env_free(engine);
	ck_assert_uint_eq(engine->napp_vars, 0);
	ck_assert_uint_eq(engine->app_vars_bytes, 0);
	free(engine->waiters);
	free(engine->requests);
	free(engine);
}

/* --- the env --- */

static const char *
request(op_fn *fn, const char *app, const char *key, const char *value)
{
	cJSON *o = cJSON_CreateObject();
	struct caller c = { .peer = 1, .request = o };

	(void)cJSON_AddStringToObject(o, "application", app);
	if (key != NULL)
		(void)cJSON_AddStringToObject(o, "key", key);
	if (value != NULL)
		(void)cJSON_AddStringToObject(o, "value", value);
	fn(engine, &c);
	cJSON_Delete(o);
	return said;
}

static const char *
set(const char *key, const char *value)
{
	return request(op_set_env, "a", key, value);
}

START_TEST(what_is_set_is_read_of_its_application_alone)
{
	ck_assert_str_eq(set("k", "one"), "ok");
	ck_assert_str_eq(request(op_set_env, "ab", "k", "two"), "ok");
	ck_assert_str_eq(set("k", "three"), "ok");
	ck_assert_str_eq(request(op_get_env, "a", "k", NULL),
	    "{\"application\":\"a\",\"value\":\"three\"}");
	ck_assert_str_eq(request(op_get_env, "a", NULL, NULL),
	    "{\"application\":\"a\",\"env\":{\"other\":1,\"k\":\"three\"}}");
	ck_assert_str_eq(request(op_get_env, "ab", "other", NULL),
	    "{\"application\":\"ab\",\"value\":1}");
	ck_assert_uint_eq(engine->app_vars_bytes, 1 + 1 + 7 + 2 + 1 + 5);
	ck_assert_uint_eq(nkept, 3);
}
END_TEST

START_TEST(all_values_together_have_a_bound)
{
	char *large = malloc(65000), key[16];
	unsigned n;

	ck_assert_ptr_nonnull(large);
	memset(large, 'x', 64999);
	large[64999] = '\0';
	for (n = 0; n < 10000; n++) {
		(void)snprintf(key, sizeof(key), "k%u", n);
		if (strcmp(set(key, large), "ok") != 0)
			break;
	}
	ck_assert_str_eq(said,
	    "full: the values that are set have at most 16 MiB in all");
	ck_assert_uint_eq(n, 16 * 1024 * 1024 / 65006);
	/* One that is set already may change, and what is smaller fits. */
	ck_assert_str_eq(set("k0", "small"), "ok");
	ck_assert_str_eq(set(key, large), "ok");
	free(large);
}
END_TEST

START_TEST(so_has_their_number)
{
	char key[16];
	unsigned n;

	for (n = 0; n < 20000; n++) {
		(void)snprintf(key, sizeof(key), "k%u", n);
		if (strcmp(set(key, ""), "ok") != 0)
			break;
	}
	ck_assert_str_eq(said, "full: 10000 values are set already");
	ck_assert_uint_eq(n, 10000);
	ck_assert_str_eq(set("k0", "still"), "ok");
}
END_TEST

/* --- requests that wait --- */

/* So many that wait, of this caller and of others. */
static void
fill(uint32_t own, uint32_t others)
{
	uint32_t half = (own + others) / 2;

	engine->nwaiters = half;
	engine->nrequests = own + others - half;
	engine->waiters = calloc(half + 1, sizeof(*engine->waiters));
	engine->requests = calloc(engine->nrequests + 1,
	    sizeof(*engine->requests));
	ck_assert_ptr_nonnull(engine->waiters);
	ck_assert_ptr_nonnull(engine->requests);
	for (uint32_t i = 0; i < half; i++)
		engine->waiters[i].peer = i < own ? 1 : 2;
	for (uint32_t i = 0; i < engine->nrequests; i++)
		engine->requests[i] = (struct request){ .id = i + 1,
		    .peer = half + i < own ? 1 : 2 };
}

static const struct {
	const char	*why;
	uint32_t	 own, others, len;
	size_t		 bytes;
	const char	*refusal;	/* NULL: it may */
} waits[] = {
	{ "nobody waits", 0, 0, 100, 0, NULL },
	{ "one below what a caller may", 16383, 0, 100, 0, NULL },
	{ "all that a caller may", 16384, 0, 100, 0, "full: 16384 requests of "
	  "this caller wait for an answer already, the most that may" },
	{ "all of others'", 0, 16384, 100, 0, NULL },
	{ "one below the most", 0, 65535, 100, 0, NULL },
	{ "the most", 0, 65536, 100, 0,
	  "full: 65536 requests wait for an answer already, the most that "
	  "may" },
	{ "as large as may be", 1, 1, 100, 64 * 1024 * 1024 - 100, NULL },
	{ "too large", 1, 1, 101, 64 * 1024 * 1024 - 100,
	  "full: the requests that wait for an answer have 64 MiB already, "
	  "the most that they may" },
};

START_TEST(who_may_wait)
{
	struct caller c = { .peer = 1, .len = waits[_i].len };

	fill(waits[_i].own, waits[_i].others);
	engine->waiting_bytes = waits[_i].bytes;
	(void)snprintf(said, sizeof(said), "nothing");
	ck_assert_msg(control_may_wait(engine, &c) ==
	    (waits[_i].refusal == NULL), "%s", waits[_i].why);
	ck_assert_str_eq(said, waits[_i].refusal != NULL ?
	    waits[_i].refusal : "nothing");
}
END_TEST

START_TEST(what_was_answered_waits_no_more)
{
	struct caller c = { .peer = 1 };

	fill(16384, 0);
	ck_assert(!control_may_wait(engine, &c));
	engine->requests[0].id = 0;
	ck_assert(control_may_wait(engine, &c));
}
END_TEST

START_TEST(who_waits_is_told_his_own_alone)
{
	cJSON *o = cJSON_Parse("{\"refs\":[\"0\",\"5\",\"6\",\"7\",\"8\"]}");
	struct caller c = { .peer = 1, .request = o };

	fill(1, 3);
	engine->waiters[0] = (struct waiter){ .peer = 1, .ref = 5 };
	engine->waiters[1] = (struct waiter){ .peer = 2, .ref = 6 };
	engine->requests[0] = (struct request){ .id = 1, .peer = 1,
	    .ref = 8 };
	engine->requests[1] = (struct request){ .id = 0, .peer = 1 };
	op_waits(engine, &c);
	ck_assert_str_eq(said, "{\"waits\":[\"5\",\"7\",\"8\"]}");
	cJSON_Delete(o);
}
END_TEST

START_TEST(starts_of_applications_have_a_bound)
{
	struct caller c = { .peer = 1 };

	engine->nplans = 99;
	ck_assert(control_may_plan(engine, &c));
	engine->nplans = 100;
	ck_assert(!control_may_plan(engine, &c));
	ck_assert_str_eq(said, "full: 100 starts of applications are under "
	    "way already, the most that may");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("engine_bounds");
	TCase *tc = tcase_create("bounds");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_set_is_read_of_its_application_alone);
	tcase_add_test(tc, all_values_together_have_a_bound);
	tcase_add_test(tc, so_has_their_number);
	tcase_add_loop_test(tc, who_may_wait, 0, (int)NITEMS(waits));
	tcase_add_test(tc, what_was_answered_waits_no_more);
	tcase_add_test(tc, who_waits_is_told_his_own_alone);
	tcase_add_test(tc, starts_of_applications_have_a_bound);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
