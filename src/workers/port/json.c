/* SPDX-License-Identifier: ISC */
/*
 * A reader of JSON that builds nothing; see json.h.  What it reads comes from
 * strangers: it looks at no byte beyond the end, and does not recurse.
 */
#include "workers/port/json.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* --- text --- */

static void
text_grow(struct text *t, size_t len)
{
	size_t cap = t->cap > 0 ? t->cap : 256;

	if (len >= SIZE_MAX / 4 - t->len)
		abort();
	while (cap <= t->len + len)
		cap *= 2;
	t->data = realloc(t->data, cap);
	if (t->data == NULL)
		abort();
	t->cap = cap;
}

void
text_add(struct text *t, const char *data, size_t len)
{
	if (t->cap - t->len <= len)
		text_grow(t, len);
	if (len > 0)
		memcpy(t->data + t->len, data, len);
	t->len += len;
	t->data[t->len] = '\0';
}

void
text_done(struct text *t)
{
	free(t->data);
	*t = (struct text){ 0 };
}

/* --- tokens: each returns what follows, or NULL --- */

static const char *
blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' ||
	    *p == '\r'))
		p++;
	return p;
}

/* The bytes of the character at p, 0 for none that is right. */
static size_t
utf8_len(const char *p, const char *end)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *u = (const unsigned char *)p;
	size_t i, n;
	uint32_t c;

	if (u[0] < 0x80)
		return 1;
	n = u[0] >= 0xf0 && u[0] < 0xf5 ? 4 : u[0] >= 0xe0 && u[0] < 0xf0 ? 3 :
	    u[0] >= 0xc2 && u[0] < 0xe0 ? 2 : 0;
	if (n == 0 || n > (size_t)(end - p))
		return 0;
	c = u[0] & (0xffU >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ?
	    0 : n;
}

static bool
is_hex(const char *p, const char *end)
{
	for (int i = 0; i < 4; i++)
		if (p + i >= end ||
		    strchr("0123456789abcdefABCDEF", p[i]) == NULL ||
		    p[i] == '\0')
			return false;
	return true;
}

/* One byte of a string, and no more to be said of it. */
static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static const char *
string(const char *p, const char *end)
{
	size_t n;

	if (p >= end || *p != '"')
		return NULL;
	for (p++;; p += n) {
		while (p < end && is_plain((unsigned char)*p))
			p++;
		if (p >= end)
			return NULL;
		if (*p == '"')
			return p + 1;
		n = utf8_len(p, end);
		if (n == 0 || (unsigned char)*p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		n = 2;
		if (p + 1 >= end || p[1] == '\0' ||
		    strchr("\"\\/bfnrtu", p[1]) == NULL ||
		    (p[1] == 'u' && !is_hex(p + 2, end)))
			return NULL;
	}
}

static const char *
digits(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > from ? p : NULL;
}

static const char *
number(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else if ((p = digits(p, end)) == NULL)
		return NULL;
	if (p < end && *p == '.' && (p = digits(p + 1, end)) == NULL)
		return NULL;
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = digits(p, end);
	}
	return p;
}

static const char *
scalar(const char *p, const char *end)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t n;

	if (p < end && *p == '"')
		return string(p, end);
	for (int i = 0; i < 3; i++) {
		n = strlen(words[i]);
		if ((size_t)(end - p) >= n && memcmp(p, words[i], n) == 0)
			return p + n;
	}
	return number(p, end);
}

static const char *
key(const char *p, const char *end)
{
	p = string(blanks(p, end), end);
	if (p == NULL)
		return NULL;
	p = blanks(p, end);
	return p < end && *p == ':' ? p + 1 : NULL;
}

struct nest {			/* what is open: braces and brackets */
	size_t	depth, most;
	char	open[JSON_DEPTH_MAX];
};

/* A value begins at p: behind it, or behind what opens it. */
static const char *
begin(struct nest *n, const char *p, const char *end)
{
	if (p >= end || (*p != '{' && *p != '['))
		return scalar(p, end);
	if (n->depth == n->most)
		return NULL;
	n->open[n->depth++] = *p;
	return p + 1;
}

/* After a value, close what ends here; NULL: neither an end nor a comma. */
static const char *
leave(struct nest *n, const char *p, const char *end)
{
	while (n->depth > 0) {
		p = blanks(p, end);
		if (p >= end)
			return NULL;
		if (*p == ',')
			return p;
		if (*p != (n->open[n->depth - 1] == '{' ? '}' : ']'))
			return NULL;
		n->depth--;
		p++;
	}
	return p;
}

/* Behind the value at p, which is no deeper than most. */
static const char *
value(const char *p, const char *end, size_t most)
{
	struct nest n;
	size_t before;

	n.depth = 0;
	n.most = most;
	for (;;) {
		before = n.depth;
		p = begin(&n, blanks(p, end), end);
		if (p == NULL)
			return NULL;
		if (n.depth > before) {
			p = blanks(p, end);
			if (p >= end)
				return NULL;
			if (*p != '}' && *p != ']') {
				if (n.open[n.depth - 1] == '{' &&
				    (p = key(p, end)) == NULL)
					return NULL;
				continue;
			}
		}
		p = leave(&n, p, end);
		if (p == NULL || n.depth == 0)
			return p;
		p++;			/* the comma */
		if (n.open[n.depth - 1] == '{' && (p = key(p, end)) == NULL)
			return NULL;
	}
}

/* --- what others ask --- */

bool
json_valid(struct span text)
{
	const char *end = text.at + text.len;
	const char *p = value(text.at, end, JSON_DEPTH_MAX);

	return p != NULL && blanks(p, end) == end;
}

int
json_next(struct json_walk *w, struct span *out_key, struct span *out_value)
{
	const char *end = w->end, *p = blanks(w->at, end), *name, *to, *at;
	bool ends = w->inside && p < end && *p == '}';

	if (!ends) {
		if (p >= end || *p != (w->inside ? ',' : '{'))
			return -EINVAL;
		p = blanks(p + 1, end);
		ends = !w->inside && p < end && *p == '}';
	}
	if (ends)
		return blanks(p + 1, end) == end ? 0 : -EINVAL;
	name = p;
	to = string(p, end);
	if (to == NULL)
		return -EINVAL;
	p = blanks(to, end);
	if (p >= end || *p != ':')
		return -EINVAL;
	at = blanks(p + 1, end);
	p = value(at, end, JSON_DEPTH_MAX - 1);
	if (p == NULL)
		return -EINVAL;
	w->at = p;
	w->inside = true;
	*out_key = (struct span){ name, (size_t)(to - name) };
	*out_value = (struct span){ at, (size_t)(p - at) };
	return 1;
}

bool
json_member(struct span object, const char *name, struct span *out)
{
	struct json_walk w = { .at = object.at, .end = object.at + object.len };
	const size_t len = strlen(name);
	struct span key, value;

	while (json_next(&w, &key, &value) > 0) {
		if (key.len == len + 2 &&
		    memcmp(key.at + 1, name, len) == 0) {
			*out = value;
			return true;
		}
	}
	return false;
}

static size_t
put_unicode(unsigned long u, char *out)
{
	if (u < 0x80) {
		out[0] = (char)u;
		return 1;
	}
	if (u < 0x800) {
		out[0] = (char)(0xc0 | u >> 6);
		out[1] = (char)(0x80 | (u & 0x3f));
		return 2;
	}
	if (u >= 0xd800 && u < 0xe000) {
		out[0] = '?';		/* half a pair */
		return 1;
	}
	out[0] = (char)(0xe0 | u >> 12);
	out[1] = (char)(0x80 | (u >> 6 & 0x3f));
	out[2] = (char)(0x80 | (u & 0x3f));
	return 3;
}

bool
json_string(struct span v, char *out, size_t size)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *p = v.at + 1, *end = v.at + v.len - 1;
	char hex[5] = "";
	size_t n = 0;

	if (v.len < 2 || v.at[0] != '"')
		return false;
	for (; p < end; p++) {
		if (n + 4 >= size)
			return false;
		if (*p != '\\') {
			out[n++] = *p;
			continue;
		}
		if (*++p == 'u') {
			memcpy(hex, p + 1, 4);
			n += put_unicode(strtoul(hex, NULL, 16), out + n);
			p += 4;
		} else {
			out[n++] = to[strchr(from, *p) - from];
		}
	}
	out[n] = '\0';
	return strlen(out) == n;
}

static void
quote_char(struct text *t, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char esc[7] = "\\u00";

	if (c == '"' || c == '\\') {
		esc[1] = (char)c;
		text_add(t, esc, 2);
	} else if (c == '\n') {
		text_puts(t, "\\n");
	} else {
		esc[4] = hex[c >> 4];
		esc[5] = hex[c & 15];
		text_puts(t, esc);
	}
}

void
json_quote(struct text *t, struct span s)
{
	const char *p = s.at, *end = s.at + s.len, *from = p;
	size_t n;

	text_puts(t, "\"");
	for (; p < end; p += n) {
		n = utf8_len(p, end);
		if (n > 1 || (n == 1 && (unsigned char)*p >= 0x20 &&
		    *p != '"' && *p != '\\' && *p != 0x7f))
			continue;
		text_add(t, from, (size_t)(p - from));
		if (n == 0)
			text_puts(t, "\\ufffd");
		else
			quote_char(t, (unsigned char)*p);
		n = 1;
		from = p + 1;
	}
	text_add(t, from, (size_t)(end - from));
	text_puts(t, "\"");
}

/* Outside of strings a line's end is a blank; inside there is none. */
void
json_put(struct text *t, struct span s)
{
	const size_t at = t->len;

	if (!json_valid(s)) {
		json_quote(t, s);
		return;
	}
	text_add(t, s.at, s.len);
	for (char *p = t->data + at; *p != '\0'; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
}
