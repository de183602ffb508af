/* SPDX-License-Identifier: ISC */
/*
 * Registries under a real otpd: questions, messages to keys, and requests that
 * are not meant well.
 */
#include "workers/test_registry.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY		5000	/* of them fill several pages */

static void
registers(struct house *h, const char *who, const char *registry,
    const char *key, const char *value)
{
	want(h, house_do(h, who, "{\"do\":\"r_register\",\"registry\":\"%s\","
	    "\"key\":\"%s\",\"value\":\"%s\"}", registry, key, value) == 0);
}

/* --- questions --- */

START_TEST(lookup_gives_pid_and_value_none_if_there_are_none)
{
	cJSON *reply, *list;
	struct house h;
	int sum = 0;

	home(&h, __func__, "a b");
	want(&h, entries(&h, "a", "{\"do\":\"r_lookup\",\"registry\":\"d\","
	    "\"key\":\"k\"}") == 0);
	want(&h, house_do(&h, "a", "{\"do\":\"r_lookup\",\"registry\":"
	    "\"none\",\"key\":\"k\"}") == -OTP_ENOPROC);
	registers(&h, "a", "d", "k", "1");
	registers(&h, "b", "d", "k", "2");
	registers(&h, "b", "d", "kk", "4");
	reply = good(&h, "a", "{\"do\":\"r_lookup\",\"registry\":\"d\","
	    "\"key\":\"k\"}");
	list = cJSON_GetObjectItemCaseSensitive(reply, "entries");
	want(&h, cJSON_GetArraySize(list) == 2);
	for (int i = 0; i < 2; i++) {
		const cJSON *x = cJSON_GetArrayItem(list, i);

		sum += (int)strtol(house_text(x, "value"), NULL, 10);
		want(&h, (int)house_number(x, "pid") == house_pid(&h,
		    house_text(x, "path")));
	}
	want(&h, sum == 3);
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

START_TEST(keys_and_values_of_a_process_and_count)
{
	char of[32];
	struct house h;

	home(&h, __func__, "a b");
	registers(&h, "a", "d", "k", "1");
	registers(&h, "a", "d", "k", "2");
	registers(&h, "a", "d", "l", "3");
	registers(&h, "a", "u", "k", "4");
	registers(&h, "b", "d", "k", "5");
	want(&h, entries(&h, "a", "{\"do\":\"r_keys\",\"registry\":\"d\"}")
	    == 3);
	want(&h, entries(&h, "b", "{\"do\":\"r_keys\",\"registry\":\"d\"}")
	    == 1);
	(void)snprintf(of, sizeof(of), "pid:%d", house_pid(&h, "a"));
	want(&h, entries(&h, "b", "{\"do\":\"r_keys\",\"registry\":\"d\","
	    "\"of\":\"%s\"}", of) == 3);
	want(&h, entries(&h, "b", "{\"do\":\"r_values\",\"registry\":\"d\","
	    "\"key\":\"k\",\"of\":\"%s\"}", of) == 2);
	want(&h, entries(&h, "b", "{\"do\":\"r_keys\",\"registry\":\"d\","
	    "\"of\":\"nobody\"}") == 0);
	want(&h, counted(&h, "b", "{\"do\":\"r_count\",\"registry\":\"d\"}")
	    == 4);
	house_done(&h);
}
END_TEST

START_TEST(match_and_count_match_by_how_the_value_begins)
{
	struct house h;

	home(&h, __func__, "a b");
	registers(&h, "a", "d", "k", "red:1");
	registers(&h, "b", "d", "k", "red:2");
	registers(&h, "b", "d", "k", "blue:1");
	registers(&h, "b", "d", "other", "red:3");
	want(&h, entries(&h, "a", "{\"do\":\"r_lookup\",\"registry\":\"d\","
	    "\"key\":\"k\",\"value\":\"red:\"}") == 2);
	want(&h, counted(&h, "a", "{\"do\":\"r_count\",\"registry\":\"d\","
	    "\"how\":\"match\",\"key\":\"k\",\"value\":\"red:\"}") == 2);
	want(&h, counted(&h, "a", "{\"do\":\"r_count\",\"registry\":\"d\","
	    "\"how\":\"match\",\"key\":\"k\",\"value\":\"red:1 \"}") == 0);
	house_order(&h, "entries", NULL, "{\"op\":\"registry_count\","
	    "\"registry\":\"d\",\"key\":\"k\",\"value\":\"red:1\"}");
	house_done(&h);
}
END_TEST

START_TEST(select_and_count_select_over_all_by_how_the_key_begins)
{
	cJSON *reply, *list;
	struct house h;
	char *seen;

	home(&h, __func__, "a b");
	cJSON_Delete(good(&h, "a", "{\"do\":\"r_register_many\",\"registry\":"
	    "\"u\",\"key\":\"room:\",\"value\":\"a value of some length, so "
	    "that the pages fill\",\"n\":%d}", MANY));
	cJSON_Delete(good(&h, "b", "{\"do\":\"r_register_many\",\"registry\":"
	    "\"u\",\"key\":\"user:\",\"n\":10}"));
	want(&h, entries(&h, "a", "{\"do\":\"r_select\",\"registry\":\"u\"}")
	    == MANY + 10);
	want(&h, entries(&h, "a", "{\"do\":\"r_select\",\"registry\":\"u\","
	    "\"key\":\"user:\"}") == 10);
	want(&h, counted(&h, "a", "{\"do\":\"r_count\",\"registry\":\"u\","
	    "\"how\":\"select\",\"key\":\"user:\"}") == 10);
	want(&h, entries(&h, "b", "{\"do\":\"r_keys\",\"registry\":\"u\","
	    "\"of\":\"a\"}") == MANY);
	reply = good(&h, "a", "{\"do\":\"r_select\",\"registry\":\"u\","
	    "\"key\":\"room:\"}");
	list = cJSON_GetObjectItemCaseSensitive(reply, "entries");
	want(&h, cJSON_GetArraySize(list) == MANY);
	seen = calloc(MANY, 1);		/* each of them once */
	cJSON_ArrayForEach(list, list) {
		int n = (int)strtol(house_text(list, "key") + 5, NULL, 10);

		want(&h, n < MANY && seen[n] == 0);
		seen[n] = 1;
	}
	free(seen);
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

START_TEST(dispatch_runs_in_the_caller_not_at_all_without_entries)
{
	cJSON *reply;
	struct house h;

	home(&h, __func__, "a b");
	reply = good(&h, "a", "{\"do\":\"r_dispatch\",\"registry\":\"d\","
	    "\"key\":\"k\"}");
	want(&h, !cJSON_HasObjectItem(reply, "here"));
	cJSON_Delete(reply);
	registers(&h, "a", "d", "k", "");
	registers(&h, "b", "d", "k", "");
	/* Its error is the caller's. */
	reply = house_ask(&h, "a", "{\"do\":\"r_dispatch\",\"registry\":"
	    "\"d\",\"key\":\"k\"}");
	want(&h, house_number(reply, "rc") == -77);
	want(&h, house_number(reply, "here") == 1);
	want(&h, cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(reply,
	    "entries")) == 2);
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

/* --- messages --- */

START_TEST(pubsub_to_each_in_order_nothing_is_stored)
{
	char wanted[16];
	cJSON *heard;
	struct house h;

	home(&h, __func__, "a b c");
	want(&h, house_do(&h, "c", "{\"do\":\"r_publish\",\"registry\":\"d\","
	    "\"key\":\"news\",\"value\":\"lost\",\"n\":1}") == 0);
	want(&h, house_do(&h, "a", "{\"do\":\"r_subscribe\",\"registry\":"
	    "\"d\",\"key\":\"news\"}") == 0);
	want(&h, house_do(&h, "b", "{\"do\":\"r_subscribe\",\"registry\":"
	    "\"d\",\"key\":\"news\"}") == 0);
	want(&h, house_do(&h, "c", "{\"do\":\"r_publish\",\"registry\":\"d\","
	    "\"key\":\"news\",\"value\":\"m\",\"n\":100}") == 2);
	heard = house_heard(&h, "a", 100);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(wanted, sizeof(wanted), "m%d", i);
		want(&h, strcmp(house_text(cJSON_GetArrayItem(heard, i),
		    "data"), wanted) == 0);
	}
	cJSON_Delete(heard);
	cJSON_Delete(house_heard(&h, "b", 100));
	/* To itself, too. */
	want(&h, house_do(&h, "b", "{\"do\":\"r_unsubscribe\",\"registry\":"
	    "\"d\",\"key\":\"news\"}") == 0);
	want(&h, house_do(&h, "a", "{\"do\":\"r_publish\",\"registry\":\"d\","
	    "\"key\":\"news\",\"value\":\"own\",\"n\":1}") == 1);
	cJSON_Delete(house_heard(&h, "a", 101));
	house_done(&h);
}
END_TEST

#define VIA(r, how)							\
    "{\"do\":\"r_via\",\"registry\":\"" r "\",\"key\":\"a key/%%:\","	\
    "\"how\":\"" how "\",\"value\":\"{\\\"do\\\":\\\"get\\\"}\"}"

START_TEST(via_name_in_call_cast_send_missing_is_noproc)
{
	cJSON *reply;
	struct house h;

	home(&h, __func__, "a b");
	want(&h, house_do(&h, "b", VIA("u", "call")) == -OTP_ENOPROC);
	want(&h, house_do(&h, "b", VIA("u", "send")) == -OTP_ENOPROC);
	want(&h, house_do(&h, "b", VIA("u", "cast")) == 0);
	registers(&h, "a", "u", "a key/%:", "");
	want(&h, house_do(&h, "b", VIA("u", "call")) == 0);
	want(&h, house_do(&h, "b", VIA("u", "cast")) == 0);
	want(&h, house_do(&h, "b", VIA("u", "send")) == 0);
	cJSON_Delete(house_heard(&h, "a", 1));
	reply = house_ask(&h, "a", "{\"do\":\"get\"}");
	want(&h, house_number(reply, "value") == 1);	/* casts */
	cJSON_Delete(reply);
	want(&h, house_do(&h, "a", VIA("u", "call")) == -OTP_ECALLINGSELF);
	/* Unique registries only. */
	registers(&h, "a", "d", "a key/%:", "");
	want(&h, house_do(&h, "b", VIA("d", "call")) == -EINVAL);
	/* Taken. */
	want(&h, house_do(&h, "b", "{\"do\":\"r_register\",\"registry\":"
	    "\"u\",\"key\":\"a key/%%:\"}") == -OTP_EALREADY);
	/* It can be watched, and is noproc when it has ended. */
	cJSON_Delete(good(&h, "b", "{\"do\":\"monitor\",\"target\":"
	    "\"via:u:a%%20key%%2F%%25:\"}"));
	end_it(&h, "a");
	house_hears(&h, "b", "down", "a", "killed");
	want(&h, house_do(&h, "b", VIA("u", "call")) == -OTP_ENOPROC);
	house_done(&h);
}
END_TEST

/* --- any bytes; and what is refused --- */

START_TEST(keys_are_any_bytes)
{
	static const char *const keys[] = { "00", "ff", "c3", "0a22", "2f3a25",
	    "eda080", "f4908080", "e282ac", "7f" };
	cJSON *reply;
	const cJSON *x;
	struct house h;

	home(&h, __func__, "a");
	for (int i = 0; i < 9; i++) {
		want(&h, house_do(&h, "a", "{\"do\":\"r_register\","
		    "\"registry\":\"u\",\"hex\":\"%s\"}", keys[i]) == 0);
		want(&h, house_do(&h, "a", "{\"do\":\"r_register\","
		    "\"registry\":\"u\",\"hex\":\"%s\"}", keys[i]) ==
		    -OTP_EALREADY);
		reply = good(&h, "a", "{\"do\":\"r_select\",\"registry\":"
		    "\"u\",\"hex\":\"%s\"}", keys[i]);
		x = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(reply,
		    "entries"), 0);
		want(&h, (size_t)house_number(x, "key_len") ==
		    strlen(keys[i]) / 2);
		cJSON_Delete(reply);
	}
	want(&h, counted(&h, "a", "{\"do\":\"r_count\",\"registry\":\"u\"}")
	    == 9);
	/* The same key, however it is written. */
	house_order(&h, "path", "a", "{\"op\":\"registry_whereis\","
	    "\"registry\":\"u\",\"key64\":\"4oKs\"}");
	house_order(&h, "path", "a", "{\"op\":\"registry_whereis\","
	    "\"registry\":\"u\",\"key\":\"\xe2\x82\xac\"}");
	house_order(&h, "path", "a", "{\"op\":\"whereis\",\"name\":"
	    "\"via:u:%%e2%%82%%AC\"}");
	house_done(&h);
}
END_TEST

static const struct { const char *request, *error; } refused[] = {
	{ "{\"op\":\"registry_lookup\",\"registry\":\"u\"}", "invalid" },
	{ "{\"op\":\"registry_lookup\",\"key\":\"k\"}", "invalid" },
	{ "{\"op\":\"registry_lookup\",\"registry\":7,\"key\":\"k\"}",
	    "invalid" },
	{ "{\"op\":\"registry_lookup\",\"registry\":\"none\",\"key\":\"k\"}",
	    "noproc" },
	{ "{\"op\":\"registry_lookup\",\"registry\":\"u\",\"key\":\"\"}",
	    "invalid" },
	{ "{\"op\":\"registry_lookup\",\"registry\":\"u\",\"key\":[1]}",
	    "invalid" },
	{ "{\"op\":\"registry_lookup\",\"registry\":\"u\",\"key64\":\"A\"}",
	    "invalid" },
	{ "{\"op\":\"registry_lookup\",\"registry\":\"u\",\"key64\":\"A===\"}",
	    "invalid" },
	{ "{\"op\":\"registry_lookup\",\"registry\":\"u\",\"key64\":\"AB==\"}",
	    "invalid" },
	{ "{\"op\":\"registry_lookup\",\"registry\":\"u\",\"key64\":\"A*==\"}",
	    "invalid" },
	{ "{\"op\":\"registry_lookup\",\"registry\":\"u\",\"key64\":\"====\"}",
	    "invalid" },
	{ "{\"op\":\"registry_keys\",\"registry\":\"u\"}", "invalid" },
	{ "{\"op\":\"registry_lock\",\"registry\":\"u\",\"key\":\"k\"}",
	    "invalid" },
	{ "{\"op\":\"registry_unlock\",\"registry\":\"u\",\"key\":\"k\"}",
	    "invalid" },
	{ "{\"op\":\"registry_delete\",\"registry\":\"u\"}", "invalid" },
	{ "{\"op\":\"registry_new\",\"registry\":\"a/b\","
	    "\"keys\":\"unique\"}", "invalid" },
	{ "{\"op\":\"registry_new\",\"registry\":\"n\",\"keys\":\"some\"}",
	    "invalid" },
	{ "{\"op\":\"registry_new\",\"registry\":\"u\",\"keys\":\"unique\"}",
	    "already_started" },
	{ "{\"op\":\"registry_whereis\",\"registry\":\"d\",\"key\":\"k\"}",
	    "invalid" },
	{ "{\"op\":\"whereis\",\"name\":\"via:\"}", "invalid" },
	{ "{\"op\":\"whereis\",\"name\":\"via:u:%\"}", "invalid" },
	{ "{\"op\":\"whereis\",\"name\":\"via:u:%4\"}", "invalid" },
	{ "{\"op\":\"whereis\",\"name\":\"via:u:%zz\"}", "invalid" },
	{ "{\"op\":\"whereis\",\"name\":\"via:u:\"}", "noproc" },
	{ "{\"op\":\"whereis\",\"name\":\"via:none:k\"}", "noproc" },
	{ "{\"op\":\"registry_meta\",\"registry\":\"u\",\"key64\":\"/w==\"}",
	    "not_found" },
	{ "{\"op\":\"registry_put_meta\",\"registry\":\"u\","
	    "\"key64\":\"/w==\"}", "full" },
};

START_TEST(requests_that_make_no_sense_are_refused)
{
	struct house h;

	home(&h, __func__, "a");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		cJSON *reply = house_control(&h, "%s", refused[i].request);

		if (strcmp(house_text(reply, "error"), refused[i].error) != 0)
			rig_fail(&h.rig, "%s: %s, not %s", refused[i].request,
			    cJSON_PrintUnformatted(reply), refused[i].error);
		cJSON_Delete(reply);
	}
	house_done(&h);
}
END_TEST

/* One byte more than is taken, of each part. */
START_TEST(huge_keys_and_values_are_refused)
{
	char *big = calloc(1, OTP_VALUE_MAX + 2);
	struct otp_entry *list;
	struct house h;
	size_t n;

	home(&h, __func__, "a");
	memset(big, 'x', OTP_VALUE_MAX + 1);
	want(&h, otp_registry_lookup(h.o, "u", big, OTP_KEY_MAX, &list, &n)
	    == 0 && n == 0);
	want(&h, otp_registry_lookup(h.o, "u", big, OTP_KEY_MAX + 1, &list,
	    &n) == -EMSGSIZE);
	want(&h, otp_registry_lookup(h.o, "u", big, OTP_VALUE_MAX + 1, &list,
	    &n) == -EMSGSIZE);
	want(&h, otp_registry_put_meta(h.o, "u", "m", big, OTP_VALUE_MAX)
	    == 0);
	want(&h, otp_registry_put_meta(h.o, "u", "m", big,
	    OTP_VALUE_MAX + 1) == -EMSGSIZE);
	big[OTP_KEY_MAX + 1] = '\0';
	want(&h, otp_registry_put_meta(h.o, "u", big, "", 0) == -EMSGSIZE);
	memset(big, '\xff', OTP_VALUE_MAX);
	want(&h, otp_registry_put_meta(h.o, "u", "m", big, OTP_VALUE_MAX)
	    == 0);
	free(big);
	house_done(&h);
}
END_TEST

START_TEST(too_many_entries_are_refused)
{
	struct house h;

	home(&h, __func__, "a");
	for (int i = 0; i < 3; i++)
		registers(&h, "a", "t", "k", "");
	want(&h, house_do(&h, "a", "{\"do\":\"r_register\",\"registry\":"
	    "\"t\",\"key\":\"k\"}") == -OTP_EFULL);
	want(&h, house_do(&h, "a", "{\"do\":\"r_unregister\",\"registry\":"
	    "\"t\",\"key\":\"k\"}") == 0);
	registers(&h, "a", "t", "k", "");
	for (int i = 0; ; i++) {	/* metadata */
		char key[16];
		int rc;

		(void)snprintf(key, sizeof(key), "m%d", i);
		rc = otp_registry_put_meta(h.o, "u", key, "", 0);
		want(&h, rc == (i < 256 ? 0 : -OTP_EFULL));
		if (rc < 0)
			break;
	}
	for (int i = 4; ; i++) {	/* registries */
		char name[16];
		int rc;

		(void)snprintf(name, sizeof(name), "r%d", i);
		rc = otp_registry_new(h.o, name, 1);
		want(&h, rc == (i < 1024 ? 0 : -OTP_EFULL));
		if (rc < 0)
			break;
	}
	house_done(&h);
}
END_TEST

void
add_questions(TCase *t)
{
	tcase_add_test(t, lookup_gives_pid_and_value_none_if_there_are_none);
	tcase_add_test(t, keys_and_values_of_a_process_and_count);
	tcase_add_test(t, match_and_count_match_by_how_the_value_begins);
	tcase_add_test(t,
	    select_and_count_select_over_all_by_how_the_key_begins);
	tcase_add_test(t,
	    dispatch_runs_in_the_caller_not_at_all_without_entries);
	tcase_add_test(t, pubsub_to_each_in_order_nothing_is_stored);
	tcase_add_test(t, via_name_in_call_cast_send_missing_is_noproc);
	tcase_add_test(t, keys_are_any_bytes);
	tcase_add_test(t, requests_that_make_no_sense_are_refused);
	tcase_add_test(t, huge_keys_and_values_are_refused);
	tcase_add_test(t, too_many_entries_are_refused);
}
