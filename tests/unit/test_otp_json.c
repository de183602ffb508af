/* SPDX-License-Identifier: ISC */
/*
 * Strings in what the engine and others say, decoded: escapes, pairs, halves.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"

static const struct {
	const char	*text, *want;	/* NULL: -EINVAL */
} rows[] = {
	{ "{\"f\":\"a\\n\\\"\\u0041\"}", "a\n\"A" },
	{ "{\"f\":\"\\u00e9\\u20ac\"}", "\xc3\xa9\xe2\x82\xac" },
	{ "{\"f\":\"\\ud83d\\ude00!\"}", "\xf0\x9f\x98\x80!" },
	{ "{\"f\":\"\\uDBFF\\uDFFF\"}", "\xf4\x8f\xbf\xbf" },
	{ "{\"f\":\"\\ud83d\"}", NULL },
	{ "{\"f\":\"\\ud83dx\"}", NULL },
	{ "{\"f\":\"\\ud83d\\n\"}", NULL },
	{ "{\"f\":\"\\ud83d\\u0041\"}", NULL },
	{ "{\"f\":\"\\ud83d\\ud83d\"}", NULL },
	{ "{\"f\":\"\\ud83d\\ude0\"}", NULL },
	{ "{\"f\":\"\\ude00\"}", NULL },
	{ "{\"f\":\"\\u12g4\"}", NULL },
	{ "{\"other\":\"\\ud83d\",\"f\":\"x\"}", "x" },
	{ "{\"other\":\"\\u12\",\"f\":\"x\"}", NULL },
};

START_TEST(a_string_is_decoded_or_refused)
{
	const char *text = rows[_i].text, *want = rows[_i].want;
	char out[64];
	int rc = otpi_json_get(text, strlen(text), "f", out, sizeof(out));

	ck_assert_msg(rc == (want == NULL ? -EINVAL : 0), "%s: %d", text, rc);
	if (want != NULL)
		ck_assert_str_eq(out, want);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("otp_json");
	TCase *tc = tcase_create("strings");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, a_string_is_decoded_or_refused, 0,
	    sizeof(rows) / sizeof(rows[0]));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
