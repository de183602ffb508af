/* SPDX-License-Identifier: ISC */
/* Keys and their partitions: what the manual promises, as it may not change. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/partition.h"

static const struct { int64_t key; uint32_t n, want; } integers[] = {
	{ 0, 3, 0 }, { 1, 3, 1 }, { 4, 3, 1 }, { -4, 3, 1 }, { -1, 4, 1 },
	{ 7, 1, 0 }, { INT64_MAX, 10, 7 }, { INT64_MIN, 10, 8 },
};

START_TEST(integers_go_by_their_absolute_value)
{
	ck_assert_uint_eq(partition_of_integer(integers[_i].key,
	    integers[_i].n), integers[_i].want);
}
END_TEST

/* Of these three the hash itself is known: see the manual. */
static const struct { const char *key; uint32_t n, want; } strings[] = {
	{ "", 1000, 0xcbf29ce484222325ULL % 1000 },
	{ "a", 1000, 0xaf63dc4c8601ec8cULL % 1000 },
	{ "foobar", 1000, 0x85944171f73967e8ULL % 1000 },
	{ "foobar", 1, 0 },
};

START_TEST(bytes_go_by_their_hash)
{
	ck_assert_uint_eq(partition_of_bytes(strings[_i].key,
	    strlen(strings[_i].key), strings[_i].n), strings[_i].want);
}
END_TEST

START_TEST(a_nul_is_a_byte)
{
	ck_assert_uint_ne(partition_of_bytes("\0", 1, 1000),
	    partition_of_bytes("", 0, 1000));
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

/* What callers in other languages are tested with, too. */
START_TEST(the_vectors_are_kept)
{
	const char *srcdir = getenv("OTPD_SRCDIR");
	char file[512], line[200], form[8], text[80], key[64];
	unsigned n, want, got, seen = 0;
	FILE *f;

	(void)snprintf(file, sizeof(file),
	    "%s/tests/workers/partition.vectors", srcdir != NULL ? srcdir :
	    ".");
	f = fopen(file, "r");
	ck_assert_ptr_nonnull(f);
	for (; fgets(line, sizeof(line), f) != NULL; seen += line[0] != '#') {
		if (line[0] == '#')
			continue;
		ck_assert_int_eq(sscanf(line, "%7s %79s %u %u", form, text,
		    &n, &want), 4);
		got = form[0] == 'i' ?
		    partition_of_integer(strtoll(text, NULL, 10), n) :
		    partition_of_bytes(key, unhex(text, key), n);
		ck_assert_msg(got == want, "%s: %u", line, got);
	}
	(void)fclose(f);
	ck_assert_uint_gt(seen, 10);
}
END_TEST

static const struct { const char *key; uint32_t n; int want; } decimals[] = {
	{ "0", 3, 0 }, { "4", 3, 1 }, { "-4", 3, 1 }, { "007", 4, 3 },
	{ "9223372036854775807", 10, 7 }, { "-9223372036854775808", 10, 8 },
	{ "123456789012345678901234567890123", 4096, 1227 },
	{ "", 3, -1 }, { "-", 3, -1 }, { "4x", 3, -1 }, { "x", 3, -1 },
	{ "--4", 3, -1 }, { "+4", 3, -1 }, { "4.0", 3, -1 }, { " 4", 3, -1 },
};

START_TEST(decimals_may_be_long)
{
	uint32_t got = 99;

	ck_assert_int_eq(partition_of_decimal(decimals[_i].key,
	    decimals[_i].n, &got), decimals[_i].want >= 0);
	ck_assert_int_eq((int)got, decimals[_i].want >= 0 ?
	    decimals[_i].want : 99);
}
END_TEST

#define nitems(a)	((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *suite = suite_create("partition");
	TCase *tc = tcase_create("keys");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, integers_go_by_their_absolute_value, 0,
	    nitems(integers));
	tcase_add_loop_test(tc, bytes_go_by_their_hash, 0, nitems(strings));
	tcase_add_test(tc, a_nul_is_a_byte);
	tcase_add_test(tc, the_vectors_are_kept);
	tcase_add_loop_test(tc, decimals_may_be_long, 0, nitems(decimals));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
