/* SPDX-License-Identifier: ISC */
/*
 * Frames and reasons as a stranger might send them: whatever comes is a frame
 * within its bounds, an error, or not enough; and more bytes never change what
 * fewer have said.
 */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "wire/frame.h"
#include "wire/reason.h"

#define MAX	4096U

static void
frames(const uint8_t *data, size_t size)
{
	struct frame_header h, shorter;
	uint8_t again[FRAME_HEADER_LEN];
	size_t n, at = 0;
	long got, less;

	for (;;) {
		got = frame_parse(data + at, size - at, MAX, &h);
		if (got <= 0)
			break;
		n = (size_t)got;
		MUST(n >= FRAME_HEADER_LEN && n <= size - at);
		MUST(h.length <= MAX && n == h.length + FRAME_HEADER_LEN);
		MUST(h.type > 0 && h.type < FRAME_NTYPES);
		MUST(frame_parse(data + at, n - 1, MAX, &shorter) == 0);
		frame_encode(&h, again);
		MUST(memcmp(again, data + at, sizeof(again)) == 0);
		at += n;
	}
	MUST(got == 0 || got == -EPROTO || got == -EMSGSIZE);
	if (got < 0)
		for (n = 0; n < size - at; n++) {
			less = frame_parse(data + at, n, MAX, &h);
			MUST(less == 0 || less == got);
		}
}

static void
reasons(const uint8_t *data, size_t size)
{
	char text[2 * REASON_MAX], words[REASON_MAX], start[REASON_MAX];
	size_t len = size < sizeof(text) ? size : sizeof(text) - 1;
	enum reason_class class;
	int code, status;

	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	class = reason_class(text);
	code = reason_code(text);
	MUST(code >= 0 && code <= 255);
	MUST((code == 0) == (class != REASON_ABNORMAL));
	reason_words(text, words, sizeof(words));
	MUST(strlen(words) > 0);
	(void)reason_signal_number(text);
	reason_start(text, start);
	MUST(reason_valid(start, strlen(start)));
	MUST(reason_class(start) == REASON_ABNORMAL);
	if (size >= sizeof(status)) {
		memcpy(&status, data, sizeof(status));
		reason_from_status(status, size % 2 == 0, start);
		MUST(reason_valid(start, strlen(start)));
	}
}

const unsigned fuzz_variations = 20000;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	frames(data, size);
	reasons(data, size);
	return 0;
}
