/* SPDX-License-Identifier: ISC */
/*
 * Calls by key to the partitions of a supervisor: the one that a key belongs to
 * is found, stays found while partitions and engines die, and is found anew
 * when a reload changes how many there are.
 */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "workers/house.h"

#define GET	"{\"do\":\"get\"}"

/* Partitions that are probes, below another supervisor. */
static void
config_of(struct house *h, int n, char *out, size_t size)
{
	(void)snprintf(out, size, "{\"id\":\"web\",\"type\":\"supervisor\","
	    "\"children\":[{\"id\":\"parts\",\"type\":"
	    "\"partition_supervisor\",\"partitions\":%d,\"template\":"
	    "{\"kind\":\"gen_server\",\"start\":[\"%s\",\"%s\",\"part\"]}}]}",
	    n, house_program(h, "tests/workers/probe"), h->rig.dir);
}

/* Each partition says its number from here on. */
static void
number(struct house *h, int n)
{
	char to[32];

	for (int i = 0; i < n; i++) {
		(void)snprintf(to, sizeof(to), "web/parts/%d", i);
		want(h, house_do(h, to, "{\"do\":\"set\",\"value\":%d}", i) ==
		    0);
	}
}

static void
begin(struct house *h, const char *test, int n)
{
	char child[2048];

	house_init(h, test);
	config_of(h, n, child, sizeof(child));
	house_child(h, child);
	house_probe(h, "other", "");
	house_start(h);
	number(h, n);
}

static void
reload(struct house *h, int n)
{
	char child[2048], file[300];
	FILE *f;

	(void)snprintf(file, sizeof(file), "%s/otpd.json", h->rig.dir);
	config_of(h, n, child, sizeof(child));
	f = fopen(file, "w");
	want(h, f != NULL);
	(void)fprintf(f, "{\"max_restarts\":1000,\"children\":[%s]}", child);
	want(h, fclose(f) == 0);
	house_order(h, "result", "ok", "{\"op\":\"reload\"}");
	house_settle(h);
	number(h, n);
}

static int
value_of(struct house *h, int rc, char *reply)
{
	cJSON *o = rc == 0 ? cJSON_Parse(reply) : NULL;
	int value = o != NULL ? (int)house_number(o, "value") : rc;

	(void)h;
	cJSON_Delete(o);
	free(reply);
	return value;
}

static int
by_int(struct house *h, int64_t key)
{
	char *reply = NULL;
	int rc = otp_call_int(h->o, "web/parts", key, GET, strlen(GET),
	    WANT_MS, &reply, NULL);

	return value_of(h, rc, reply);
}

static int
by_key(struct house *h, const char *key)
{
	char *reply = NULL;
	int rc = otp_call_key(h->o, "web/parts", key, strlen(key), GET,
	    strlen(GET), WANT_MS, &reply, NULL);

	return value_of(h, rc, reply);
}

START_TEST(P1_4_and_minus_4_and_1_share_partition_1_of_3)
{
	struct house h;

	begin(&h, __func__, 3);
	ck_assert_int_eq(by_int(&h, 4), 1);
	ck_assert_int_eq(by_int(&h, -4), 1);
	ck_assert_int_eq(by_int(&h, 1), 1);
	ck_assert_int_eq(by_int(&h, 0), 0);
	ck_assert_int_eq(by_int(&h, INT64_MIN), 2);
	house_done(&h);
}
END_TEST

START_TEST(casts_find_the_partition_that_calls_find)
{
	const char *set = "{\"do\":\"set\",\"value\":77}";
	struct house h;
	char path[64];
	int at;

	begin(&h, __func__, 3);
	at = otp_partition_key(h.o, "web/parts", "alice", 5, path,
	    sizeof(path));
	want(&h, at == by_key(&h, "alice"));
	want(&h, path[strlen(path) - 1] == '0' + at);
	want(&h, strncmp(path, "web/parts/", 10) == 0);
	want(&h, otp_call_key(h.o, "web/parts", "alice", 5, set, strlen(set),
	    WANT_MS, NULL, NULL) == 0);
	want(&h, by_key(&h, "alice") == 77);
	want(&h, otp_cast_key(h.o, "web/parts", "alice", 5, "x", 1) == 0);
	want(&h, otp_cast_int(h.o, "web/parts", 5, "x", 1) == 0);
	want(&h, otp_partition_int(h.o, "web/parts", 5, NULL, 0) == 2);
	house_done(&h);
}
END_TEST

START_TEST(who_has_no_partitions)
{
	struct house h;

	begin(&h, __func__, 2);
	want(&h, otp_partition_int(h.o, "other", 1, NULL, 0) == -EINVAL);
	want(&h, otp_partition_int(h.o, "none", 1, NULL, 0) == -OTP_ENOPROC);
	want(&h, otp_call_int(h.o, "none", 1, "", 0, WANT_MS, NULL, NULL) ==
	    -OTP_ENOPROC);
	want(&h, strcmp(otp_reason(h.o), "noproc") == 0);
	want(&h, otp_cast_int(h.o, "none", 1, "", 0) == 0);
	house_done(&h);
}
END_TEST

/* As for every server: calls wait at its socket. */
START_TEST(a_partition_that_is_killed_is_waited_for)
{
	struct house h;

	begin(&h, __func__, 3);
	want(&h, by_int(&h, 7) == 1);
	for (int i = 0; i < 3; i++) {
		want(&h, kill(house_pid(&h, "web/parts/1"), SIGKILL) == 0);
		(void)by_int(&h, 7);	/* down, or answered by the next */
		want(&h, by_int(&h, 7) == 0);	/* which knows nothing */
		want(&h, by_int(&h, 8) == 2);
	}
	house_done(&h);
}
END_TEST

START_TEST(engine_killed_keys_stay_where_they_are)
{
	struct house h;

	begin(&h, __func__, 3);
	want(&h, by_int(&h, 5) == 2);
	house_kill_engine(&h);
	want(&h, by_int(&h, 5) == 2);
	want(&h, by_key(&h, "") == otp_partition_key(h.o, "web/parts", "", 0,
	    NULL, 0));
	house_done(&h);
}
END_TEST

START_TEST(fewer_partitions_are_noticed_at_the_first_call)
{
	struct house h;

	begin(&h, __func__, 3);
	want(&h, by_int(&h, 5) == 2);
	reload(&h, 2);
	want(&h, by_int(&h, 5) == 1);
	house_done(&h);
}
END_TEST

/* The old one is there still, so nothing says so: it is asked again. */
START_TEST(more_partitions_are_noticed_after_a_second)
{
	time_t until = time(NULL) + WANT_MS / 1000;
	struct house h;

	begin(&h, __func__, 2);
	want(&h, by_int(&h, 5) == 1);
	reload(&h, 3);
	while (by_int(&h, 5) != 2)
		want(&h, time(NULL) < until);
	house_done(&h);
}
END_TEST

static size_t
unhex(const char *text, char *out)
{
	size_t n = 0;
	unsigned byte;

	for (; sscanf(text, "%2x", &byte) == 1; text += 2)
		out[n++] = (char)byte;
	return n;
}

/* Of all these, what others compute is what libotp and the engine do. */
START_TEST(the_vectors_are_kept)
{
	const char *srcdir = getenv("OTPD_SRCDIR");
	char file[512], line[200], form[8], text[80], key[64];
	struct house h;
	int n, wanted, seen = 0;
	FILE *f;

	(void)snprintf(file, sizeof(file),
	    "%s/tests/workers/partition.vectors", srcdir);
	f = fopen(file, "r");
	ck_assert_ptr_nonnull(f);
	begin(&h, __func__, 3);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (line[0] == '#')
			continue;
		want(&h, sscanf(line, "%7s %79s %d %d", form, text, &n,
		    &wanted) == 4);
		if (n != 3)
			continue;
		seen++;
		if (form[0] == 'i')
			want(&h, by_int(&h, strtoll(text, NULL, 10)) ==
			    wanted);
		else
			want(&h, otp_partition_key(h.o, "web/parts", key,
			    unhex(text, key), NULL, 0) == wanted);
	}
	(void)fclose(f);
	want(&h, seen >= 5);
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("workers: calls by key");
	TCase *c = tcase_create("keys");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, P1_4_and_minus_4_and_1_share_partition_1_of_3);
	tcase_add_test(c, casts_find_the_partition_that_calls_find);
	tcase_add_test(c, who_has_no_partitions);
	tcase_add_test(c, a_partition_that_is_killed_is_waited_for);
	tcase_add_test(c, engine_killed_keys_stay_where_they_are);
	tcase_add_test(c, fewer_partitions_are_noticed_at_the_first_call);
	tcase_add_test(c, more_partitions_are_noticed_after_a_second);
	tcase_add_test(c, the_vectors_are_kept);
	suite_add_tcase(s, c);
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
