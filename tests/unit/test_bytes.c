/* SPDX-License-Identifier: ISC */
/*
 * Bytes in JSON: base64 there and back, and what is text.
 */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/bytes.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

static const struct { const char *bytes, *coded; } pairs[] = {
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfb", "//77" },
};

START_TEST(base64_there_and_back)
{
	char coded[16], bytes[16];
	size_t len = strlen(pairs[_i].bytes);

	bytes_to_base64(pairs[_i].bytes, len, coded);
	ck_assert_str_eq(coded, pairs[_i].coded);
	ck_assert_uint_eq(strlen(coded) + 1, BYTES_BASE64_SIZE(len));
	ck_assert_int_eq(bytes_from_base64(coded, strlen(coded), bytes), len);
	ck_assert_mem_eq(bytes, pairs[_i].bytes, len);
	/* In place, too. */
	ck_assert_int_eq(bytes_from_base64(coded, strlen(coded), coded), len);
	ck_assert_mem_eq(coded, pairs[_i].bytes, len);
}
END_TEST

static const char *const no_base64[] = { "Z", "Zg", "Zg=", "Zg===", "=",
	"====", "Zg==Zg==", "Z===", "Zh==", "Zm9=", "Zm 8", "Zm8=\n", "Zm-_",
	"=Zg=", "Zg=A" };

START_TEST(what_is_not_base64_is_refused)
{
	char out[16];

	ck_assert_msg(bytes_from_base64(no_base64[_i], strlen(no_base64[_i]),
	    out) == -EINVAL, "%s", no_base64[_i]);
}
END_TEST

/* Every length, in a block of just that size: the sanitizers look on. */
START_TEST(base64_of_all_lengths)
{
	for (size_t len = 0; len < 300; len++) {
		unsigned char *in = malloc(len + 1), *out = malloc(len + 1);
		char *coded = malloc(BYTES_BASE64_SIZE(len));

		for (size_t i = 0; i < len; i++)
			in[i] = (unsigned char)(i * 37 + len);
		bytes_to_base64(in, len, coded);
		ck_assert_int_eq(bytes_from_base64(coded, strlen(coded), out),
		    len);
		ck_assert_mem_eq(in, out, len);
		free(in);
		free(out);
		free(coded);
	}
}
END_TEST

static const struct { const char *why, *bytes; size_t len; bool text; }
    texts[] = {
	{ "nothing", "", 0, true },
	{ "nothing at no place", NULL, 0, true },
	{ "letters", "abc", 3, true },
	{ "control characters", "\x01\n\x7f", 3, true },
	{ "a NUL", "a\0b", 3, false },
	{ "two bytes", "\xc3\xa4", 2, true },
	{ "the least of two bytes", "\xc2\x80", 2, true },
	{ "too long for one byte", "\xc1\xbf", 2, false },
	{ "three bytes", "\xe2\x82\xac", 3, true },
	{ "too long for two bytes", "\xe0\x9f\xbf", 3, false },
	{ "half a pair", "\xed\xa0\x80", 3, false },
	{ "just before the pairs", "\xed\x9f\xbf", 3, true },
	{ "four bytes", "\xf0\x9f\x98\x80", 4, true },
	{ "too long for three bytes", "\xf0\x8f\xbf\xbf", 4, false },
	{ "the last there is", "\xf4\x8f\xbf\xbf", 4, true },
	{ "beyond the last", "\xf4\x90\x80\x80", 4, false },
	{ "no first byte", "\x80", 1, false },
	{ "never a byte of it", "\xff", 1, false },
	{ "cut off", "a\xe2\x82", 3, false },
	{ "gone on with otherwise", "\xe2\x82z", 3, false },
};

START_TEST(text_is_utf_8_without_nul)
{
	ck_assert_msg(bytes_are_text(texts[_i].bytes, texts[_i].len) ==
	    texts[_i].text, "%s", texts[_i].why);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("bytes");
	TCase *t = tcase_create("bytes");

	tcase_add_loop_test(t, base64_there_and_back, 0, nitems(pairs));
	tcase_add_loop_test(t, what_is_not_base64_is_refused, 0,
	    nitems(no_base64));
	tcase_add_test(t, base64_of_all_lengths);
	tcase_add_loop_test(t, text_is_utf_8_without_nul, 0, nitems(texts));
	suite_add_tcase(s, t);
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
