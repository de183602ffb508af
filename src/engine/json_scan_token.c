/* SPDX-License-Identifier: ISC */
/*
 * The tokens of a JSON text: white space with comments, strings, numbers and
 * the three words.  Comments are overwritten with blanks, so that cJSON, which
 * knows none, reads the same text.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json_scan.h"

int
json_scan_peek(const struct json_scan *s)
{
	return s->pos < s->len ? (unsigned char)s->text[s->pos] : -1;
}

void
json_scan_step(struct json_scan *s)
{
	const unsigned char c = (unsigned char)s->text[s->pos++];

	if (c == '\n') {
		s->at.line++;
		s->at.column = 1;
	} else if (s->pos == s->len ||
	    ((unsigned char)s->text[s->pos] & 0xc0) != 0x80) {
		s->at.column++;
	}
}

static void
path_here(const struct json_scan *s, char out[JSON_PATH_SIZE])
{
	const struct json_open *o;
	size_t used = 0;
	unsigned i;

	for (i = s->teller->skip_outermost; i < s->depth; i++) {
		o = &s->open[i];
		if (o->id_len == 0)
			continue;
		if (used > 0)
			out[used++] = '/';
		memcpy(out + used, s->text + o->id, o->id_len);
		used += o->id_len;
	}
	out[used] = '\0';
}

int
json_scan_fail(struct json_scan *s, struct json_place at, const char *fmt,
    ...)
{
	char message[256], path[JSON_PATH_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	path_here(s, path);
	s->teller->error(s->teller->arg, at, path, message);
	return -EINVAL;
}

/* The word or character at the present place. */
static void
describe_here(const struct json_scan *s, char out[48])
{
	const char *p = s->text + s->pos;
	size_t n = 0, left = s->len - s->pos;

	if (left == 0) {
		(void)snprintf(out, 48, "the end of the file");
		return;
	}
	while (n < left && n < 30 &&
	    (isalnum((unsigned char)p[n]) || p[n] == '_'))
		n++;
	if (n == 0 && isprint((unsigned char)p[0]))
		n = 1;
	if (n > 0)
		(void)snprintf(out, 48, "`%.*s`", (int)n, p);
	else
		(void)snprintf(out, 48, "this character (0x%02x)",
		    (unsigned)(unsigned char)p[0]);
}

int
json_scan_expected(struct json_scan *s, const char *what)
{
	const char *advice = "";
	char here[48];

	describe_here(s, here);
	switch (json_scan_peek(s)) {
	case '\'':
		advice = "; strings take double quotes";
		break;
	case '#':
		advice = "; comments begin with //";
		break;
	case '"':
		if (what[0] == '`' && what[1] == ',')
			advice = "; a comma is missing before it";
		break;
	default:
		break;
	}
	return json_scan_fail(s, s->at, "expected %s, not %s%s", what, here,
	    advice);
}

/* Bytes of the well-formed character at p, or 0. */
static size_t
utf8_length(const unsigned char *p, size_t left)
{
	static const struct { unsigned char lo, hi, from, to; size_t n; } t[] = {
		{ 0x01, 0x7f, 0x80, 0xbf, 1 },	/* NUL is never right */
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i, k;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (p[0] >= t[i].lo && p[0] <= t[i].hi)
			break;
	if (i == sizeof(t) / sizeof(t[0]) || t[i].n > left)
		return 0;
	for (k = 1; k < t[i].n; k++)
		if (p[k] < (k == 1 ? t[i].from : 0x80) ||
		    p[k] > (k == 1 ? t[i].to : 0xbf))
			return 0;
	return t[i].n;
}

int
json_scan_utf8(struct json_scan *s)
{
	const unsigned char *p = (const unsigned char *)s->text;
	struct json_place at = { 1, 1 };
	size_t i, n;

	for (i = 0; i < s->len; i += n, at.column++) {
		if ((n = utf8_length(p + i, s->len - i)) == 0)
			return json_scan_fail(s, at, p[i] == 0 ?
			    "a byte 0x%02x: is this a text file?" :
			    "byte 0x%02x is not UTF-8: save the file as UTF-8",
			    (unsigned)p[i]);
		if (p[i] == '\n') {
			at.line++;
			at.column = 0;
		}
	}
	return 0;
}

/* At a slash. */
static int
scan_comment(struct json_scan *s)
{
	const struct json_place began = s->at;
	const size_t first = s->pos;
	const char *end;
	size_t i;

	if (first + 1 == s->len ||
	    (s->text[first + 1] != '/' && s->text[first + 1] != '*'))
		return json_scan_fail(s, began, "a single `/`: comments begin "
		    "with // or /*");
	if (s->text[first + 1] == '/') {
		end = memchr(s->text + first, '\n', s->len - first);
	} else {
		end = memmem(s->text + first + 2, s->len - first - 2, "*/", 2);
		if (end == NULL)
			return json_scan_fail(s, began, "this comment has no "
			    "end: `*/` is missing");
		end += 2;
	}
	if (end == NULL)
		end = s->text + s->len;
	while (s->text + s->pos < end)
		json_scan_step(s);
	for (i = first; i < s->pos; i++)
		if (s->text[i] != '\n')
			s->text[i] = ' ';
	return 0;
}

int
json_scan_space(struct json_scan *s)
{
	int c, rc;

	while ((c = json_scan_peek(s)) >= 0) {
		if (c == '/') {
			if ((rc = scan_comment(s)) < 0)
				return rc;
		} else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
			json_scan_step(s);
		} else {
			break;
		}
	}
	return 0;
}

/* Four hexadecimal digits at text[pos], or -1. */
static int
hex4(const struct json_scan *s, size_t pos)
{
	int value = 0, i, c;

	for (i = 0; i < 4; i++) {
		if (pos + (size_t)i >= s->len)
			return -1;
		c = (unsigned char)s->text[pos + (size_t)i];
		if (!isxdigit(c))
			return -1;
		value = value * 16 + (isdigit(c) ? c - '0' :
		    tolower(c) - 'a' + 10);
	}
	return value;
}

/* At the u of \u; over what it stands for. */
static int
scan_unicode(struct json_scan *s)
{
	int u = hex4(s, s->pos + 1), low, n = 5;

	if (u < 0)
		return json_scan_fail(s, s->at, "`\\u` takes four hexadecimal "
		    "digits");
	if (u == 0)
		return json_scan_fail(s, s->at, "\\u0000 cannot be part of a "
		    "string");
	if (u >= 0xd800 && u <= 0xdfff) {
		low = u < 0xdc00 && s->pos + 6 < s->len &&
		    s->text[s->pos + 5] == '\\' && s->text[s->pos + 6] == 'u' ?
		    hex4(s, s->pos + 7) : -1;
		if (low < 0xdc00 || low > 0xdfff)
			return json_scan_fail(s, s->at, "\\u%04x is half of a "
			    "pair: write the character itself", (unsigned)u);
		n = 11;
	}
	while (n-- > 0)
		json_scan_step(s);
	return 0;
}

/* Behind a backslash. */
static int
scan_escape(struct json_scan *s)
{
	const int c = json_scan_peek(s);

	if (c == 'u')
		return scan_unicode(s);
	if (c <= 0 || strchr("\"\\/bfnrt", c) == NULL)
		return json_scan_fail(s, s->at, "no such escape: a backslash "
		    "itself is written \\\\");
	json_scan_step(s);
	return 0;
}

int
json_scan_string(struct json_scan *s)
{
	const struct json_place began = s->at;
	int c, rc;

	json_scan_step(s);
	while ((c = json_scan_peek(s)) != '"') {
		if (c < 0 || c == '\n')
			return json_scan_fail(s, began, "this string has no "
			    "closing quote on its line; a line break is "
			    "written \\n");
		if (c < 0x20 || c == 0x7f)
			return json_scan_fail(s, s->at, "a raw control "
			    "character in a string: write \\u%04x",
			    (unsigned)c);
		json_scan_step(s);
		if (c == '\\' && (rc = scan_escape(s)) < 0)
			return rc;
	}
	json_scan_step(s);
	return 0;
}

static size_t
digits(const struct json_scan *s, size_t pos)
{
	size_t n = 0;

	while (pos + n < s->len && isdigit((unsigned char)s->text[pos + n]))
		n++;
	return n;
}

/* Length of the number at the present place; 0 and *out_why when it is none. */
static size_t
number_length(const struct json_scan *s, const char **out_why)
{
	const char *t = s->text;
	size_t p = s->pos, n;

	p += t[p] == '-';
	n = digits(s, p);
	*out_why = n == 0 ? "a digit must follow `-`" :
	    n > 1 && t[p] == '0' ? "a number has no leading zeros; an octal "
	    "one is written as a string" : NULL;
	p += n;
	if (*out_why == NULL && p < s->len && t[p] == '.') {
		n = digits(s, p + 1);
		if (n == 0)
			*out_why = "digits must follow the point";
		p += n + 1;
	}
	if (*out_why == NULL && p < s->len && (t[p] == 'e' || t[p] == 'E')) {
		p++;
		p += p < s->len && (t[p] == '+' || t[p] == '-');
		n = digits(s, p);
		if (n == 0)
			*out_why = "digits must follow the exponent's `e`";
		p += n;
	}
	if (*out_why == NULL && p < s->len &&
	    (isalnum((unsigned char)t[p]) || t[p] == '_'))
		*out_why = "a number ends in letters; a size like 10M is "
		    "written as a string";
	return *out_why == NULL ? p - s->pos : 0;
}

static int
scan_number(struct json_scan *s)
{
	char copy[JSON_NUMBER_MAX + 1];
	const char *why;
	size_t n = number_length(s, &why);

	if (n == 0)
		return json_scan_fail(s, s->at, "%s", why);
	if (n > JSON_NUMBER_MAX)
		return json_scan_fail(s, s->at, "a number of more than %d "
		    "characters", JSON_NUMBER_MAX);
	memcpy(copy, s->text + s->pos, n);
	copy[n] = '\0';
	if (!isfinite(strtod(copy, NULL)))
		return json_scan_fail(s, s->at, "%s is too large", copy);
	while (n-- > 0)
		json_scan_step(s);
	return 0;
}

int
json_scan_scalar(struct json_scan *s)
{
	static const char *const words[] = { "true", "false", "null" };
	const char *here = s->text + s->pos;
	size_t i, n, left = s->len - s->pos;

	if (left > 0 && (*here == '-' || isdigit((unsigned char)*here)))
		return scan_number(s);
	for (n = 0; n < left && (isalnum((unsigned char)here[n]) ||
	    here[n] == '_'); n++)
		continue;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (n != strlen(words[i]) || strncasecmp(here, words[i], n) != 0)
			continue;
		if (memcmp(here, words[i], n) != 0)
			return json_scan_fail(s, s->at, "write %s in small "
			    "letters", words[i]);
		while (n-- > 0)
			json_scan_step(s);
		return 0;
	}
	return json_scan_expected(s, n > 0 ? "a value; a string takes double "
	    "quotes" : "a value");
}
