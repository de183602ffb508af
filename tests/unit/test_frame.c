/* SPDX-License-Identifier: ISC */
/* Reading a header that a stranger sent. */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

#define H	FRAME_HEADER_LEN
#define MAX	100U

static const struct {
	const char	*why;
	uint32_t	 length;
	uint8_t		 type;
	size_t		 arrived;
	long		 want;
} rows[] = {
	{ "nothing has come",			0, FRAME_CALL, 0,	0 },
	{ "half a header",			0, FRAME_CALL, H - 1,	0 },
	{ "an empty payload is a frame",	0, FRAME_CALL, H,	H },
	{ "bytes of the next do not matter",	0, FRAME_CALL, H + 9,	H },
	{ "a byte is missing",			9, FRAME_CALL, H + 8,	0 },
	{ "the last byte has come",		9, FRAME_CALL, H + 9,	H + 9 },
	{ "the limit itself is allowed", MAX, FRAME_CALL, H + MAX, H + MAX },
	{ "one more is not", MAX + 1, FRAME_CALL, H + MAX + 1, -EMSGSIZE },
	{ "and is refused before it comes", MAX + 1, FRAME_CALL, H, -EMSGSIZE },
	{ "4 GiB", UINT32_MAX, FRAME_CALL, H,			-EMSGSIZE },
	{ "no type",			0, 0, H,		-EPROTO },
	{ "the last type",			0, FRAME_SYSTEM, H,	H },
	{ "one beyond",			0, FRAME_NTYPES, H,	-EPROTO },
	{ "garbage", UINT32_MAX, 255, H,			-EPROTO },
};

START_TEST(parse)
{
	struct frame_header h = { 0 }, got = { .tag = 77 };
	size_t arrived = rows[_i].arrived;
	uint8_t header[H], *buf;
	long n;

	h.length = rows[_i].length;
	h.type = rows[_i].type;
	frame_encode(&h, header);
	/* Exactly as large as what has come: a tool sees a read beyond it. */
	buf = malloc(arrived == 0 ? 1 : arrived);
	ck_assert_ptr_nonnull(buf);
	memset(buf, 0xa5, arrived);
	memcpy(buf, header, arrived < H ? arrived : H);
	n = frame_parse(buf, arrived, MAX, &got);
	ck_assert_msg(n == rows[_i].want, "%s: got %ld, want %ld", rows[_i].why,
	    n, rows[_i].want);
	ck_assert_msg((got.tag != 77) == (n > 0), "%s: out", rows[_i].why);
	free(buf);
}
END_TEST

START_TEST(what_is_encoded_is_parsed)
{
	const struct frame_header h = { .length = 0, .type = FRAME_REPLY,
		.flags = FRAME_F_MORE, .tag = 0x1234, .ref = 0x1122334455667788,
		.deadline = UINT64_MAX - 1 };
	struct frame_header got;
	uint8_t buf[H];

	frame_encode(&h, buf);
	ck_assert_int_eq((int)frame_parse(buf, H, 0, &got), H);
	ck_assert_int_eq(memcmp(&h, &got, sizeof(h)), 0);
}
END_TEST

START_TEST(the_largest_limit_does_not_overflow)
{
	struct frame_header h = { .length = UINT32_MAX, .type = FRAME_CALL };
	struct frame_header got;
	uint8_t buf[H];
	long n;

	frame_encode(&h, buf);
	n = frame_parse(buf, H, UINT32_MAX, &got);
	ck_assert_int_eq((int)n, LONG_MAX > UINT32_MAX ? 0 : -EMSGSIZE);
}
END_TEST

START_TEST(every_error_has_a_name)
{
	int tag;

	for (tag = 1; tag < FRAME_NERRORS; tag++)
		ck_assert_str_ne(frame_error_name((uint16_t)tag), "unknown");
	ck_assert_str_eq(frame_error_name(FRAME_E_BAD_REQUEST), "bad_request");
	ck_assert_str_eq(frame_error_name(0), "unknown");
	ck_assert_str_eq(frame_error_name(UINT16_MAX), "unknown");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("frame");
	TCase *c = tcase_create("frame");
	SRunner *r;
	int failed;

	tcase_add_loop_test(c, parse, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(c, what_is_encoded_is_parsed);
	tcase_add_test(c, the_largest_limit_does_not_overflow);
	tcase_add_test(c, every_error_has_a_name);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
