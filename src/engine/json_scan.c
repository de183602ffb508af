/* SPDX-License-Identifier: ISC */
/*
 * The structure of a JSON text: objects, arrays and what separates them.
 * Not recursive, so that no text can use up the stack.
 */
#include "engine/json_scan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/out.h"

enum next { NEXT_VALUE, NEXT_AFTER, NEXT_END };

static int
fail_at_end(struct json_scan *s)
{
	const struct json_open *top = &s->open[s->depth - 1];

	return json_scan_fail(s, s->at, "the file ends inside the %s that "
	    "began at %u:%u: a `%c` is missing",
	    top->bracket == '{' ? "object" : "array", top->at.line,
	    top->at.column, top->bracket == '{' ? '}' : ']');
}

static int
mark_value(struct json_scan *s)
{
	if (s->nmarks == JSON_VALUES_MAX)
		return json_scan_fail(s, s->at, "more than %u values in one "
		    "file: divide it, and use `include`", JSON_VALUES_MAX);
	if (s->nmarks == s->marks_size) {
		s->marks_size = s->marks_size > 0 ? s->marks_size * 2 : 256;
		s->marks = xrealloc(s->marks, s->marks_size,
		    sizeof(*s->marks));
	}
	s->marks[s->nmarks++] = (struct json_mark){
		.key = s->key, .value = s->at
	};
	s->key = (struct json_place){ 0, 0 };
	return 0;
}

/* At a key: over it and its colon. */
static int
scan_key(struct json_scan *s)
{
	struct json_place key = s->at;
	const size_t pos = s->pos;
	int rc;

	if (json_scan_peek(s) != '"')
		return json_scan_expected(s, "a key in double quotes");
	if ((rc = json_scan_string(s)) < 0 || (rc = json_scan_space(s)) < 0)
		return rc;
	if (json_scan_peek(s) != ':')
		return json_scan_expected(s, "`:` after the key");
	json_scan_step(s);
	s->key = key;
	s->key_is_id = memcmp(s->text + pos, "\"id\"", 4) == 0;
	return json_scan_space(s);
}

static int
open_one(struct json_scan *s, int bracket)
{
	int rc;

	if (s->depth == JSON_DEPTH_MAX)
		return json_scan_fail(s, s->at, "nested deeper than %d levels",
		    JSON_DEPTH_MAX);
	s->open[s->depth++] = (struct json_open){
		.bracket = (char)bracket, .at = s->at
	};
	json_scan_step(s);
	if ((rc = json_scan_space(s)) < 0)
		return rc;
	if (json_scan_peek(s) == (bracket == '{' ? '}' : ']'))
		return NEXT_AFTER;
	if (json_scan_peek(s) < 0)
		return fail_at_end(s);
	if (bracket == '{' && (rc = scan_key(s)) < 0)
		return rc;
	return NEXT_VALUE;
}

/* A string that may be the id of the object around it. */
static int
scan_text(struct json_scan *s)
{
	struct json_open *top = &s->open[s->depth - (s->depth > 0)];
	const size_t pos = s->pos + 1;
	const bool is_id = s->depth > 0 && s->key_is_id;
	int rc = json_scan_string(s);

	if (rc == 0 && is_id && s->pos - 1 - pos <= JSON_ID_MAX) {
		top->id = pos;
		top->id_len = (uint8_t)(s->pos - 1 - pos);
	}
	s->key_is_id = false;
	return rc;
}

static int
scan_value(struct json_scan *s)
{
	const int c = json_scan_peek(s);
	int rc;

	if (c < 0 && s->depth > 0)
		return fail_at_end(s);
	if ((rc = mark_value(s)) < 0)
		return rc;
	if (c == '{' || c == '[')
		return open_one(s, c);
	rc = c == '"' ? scan_text(s) : json_scan_scalar(s);
	return rc < 0 ? rc : NEXT_AFTER;
}

static int
scan_comma(struct json_scan *s, char close)
{
	const struct json_place at = s->at;
	const size_t pos = s->pos;
	int rc;

	json_scan_step(s);
	if ((rc = json_scan_space(s)) < 0)
		return rc;
	if (json_scan_peek(s) == close) {
		(void)json_scan_fail(s, at, "a comma before `%c`: leave it "
		    "out", close);
		s->text[pos] = ' ';
		return NEXT_AFTER;
	}
	if (json_scan_peek(s) < 0)
		return fail_at_end(s);
	if (close == '}' && (rc = scan_key(s)) < 0)
		return rc;
	return NEXT_VALUE;
}

static int
scan_after(struct json_scan *s)
{
	char what[40], close;
	int rc, c;

	if ((rc = json_scan_space(s)) < 0)
		return rc;
	c = json_scan_peek(s);
	if (s->depth == 0)
		return c < 0 ? NEXT_END :
		    json_scan_expected(s, "the end of the file");
	if (c < 0)
		return fail_at_end(s);
	close = s->open[s->depth - 1].bracket == '{' ? '}' : ']';
	if (c == ',')
		return scan_comma(s, close);
	if (c == close) {
		s->depth--;
		json_scan_step(s);
		return NEXT_AFTER;
	}
	(void)snprintf(what, sizeof(what), "`,` or `%c`", close);
	return json_scan_expected(s, what);
}

int
json_scan(struct json_scan *s)
{
	int next;

	s->at = (struct json_place){ 1, 1 };
	if ((next = json_scan_utf8(s)) < 0)
		return next;
	if (s->len >= 3 && memcmp(s->text, "\xef\xbb\xbf", 3) == 0) {
		memset(s->text, ' ', 3);
		s->pos = 3;
	}
	if ((next = json_scan_space(s)) < 0)
		return next;
	for (next = NEXT_VALUE; next >= 0 && next != NEXT_END;)
		next = next == NEXT_VALUE ? scan_value(s) : scan_after(s);
	return next < 0 ? next : 0;
}
