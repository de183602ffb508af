/* SPDX-License-Identifier: ISC */
/*
 * As much of JSON as is spoken with the engine: one field of a flat object,
 * and strings.  What is read is not trusted; nothing here recurses.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"

struct scan {
	const char	*at, *end;
};

static void
blanks(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' ||
	    *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static bool
accept(struct scan *s, char c)
{
	blanks(s);
	if (s->at >= s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static int
hex4(struct scan *s, unsigned int *out)
{
	char hex[5] = "";

	if (s->end - s->at < 4)
		return -EINVAL;
	memcpy(hex, s->at, 4);
	if (strspn(hex, "0123456789abcdefABCDEF") != 4)
		return -EINVAL;
	*out = (unsigned int)strtoul(hex, NULL, 16);
	s->at += 4;
	return 0;
}

/* The lower half of a pair, whose upper half is *u, makes it whole.  -EILSEQ:
 * a half that stands alone is no character. */
static int
whole(struct scan *s, unsigned int *u)
{
	unsigned int low;

	if (*u < 0xd800 || *u >= 0xe000)
		return 0;
	if (*u >= 0xdc00 || s->end - s->at < 2 || s->at[0] != '\\' ||
	    s->at[1] != 'u')
		return -EILSEQ;
	s->at += 2;
	if (hex4(s, &low) < 0)
		return -EINVAL;
	if (low < 0xdc00 || low >= 0xe000)
		return -EILSEQ;
	*u = 0x10000 + ((*u - 0xd800) << 10) + (low - 0xdc00);
	return 0;
}

/* \uXXXX, or two of them that are a pair, as UTF-8. */
static int
unicode(struct scan *s, char out[4])
{
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	unsigned int u;
	int n, rc = hex4(s, &u);

	if (rc == 0)
		rc = whole(s, &u);
	if (rc < 0)
		return rc;
	if (u < 0x80) {
		out[0] = (char)u;
		return 1;
	}
	n = u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;
	for (int i = n - 1; i > 0; i--, u >>= 6)
		out[i] = (char)(0x80 | (u & 0x3f));
	out[0] = (char)(lead[n] | u);
	return n;
}

static int
escape(struct scan *s, char out[4])
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *p;

	if (s->at >= s->end)
		return -EINVAL;
	if (*s->at == 'u') {
		s->at++;
		return unicode(s, out);
	}
	p = *s->at == '\0' ? NULL : strchr(from, *s->at);
	if (p == NULL)
		return -EINVAL;
	s->at++;
	out[0] = to[p - from];
	return 1;
}

/* Behind its opening quote.  out may be NULL: pass over it. */
static int
string(struct scan *s, char *out, size_t size)
{
	char piece[4];
	size_t len = 0;
	int n;

	for (;;) {
		if (s->at >= s->end)
			return -EINVAL;
		if (*s->at == '"')
			break;
		piece[0] = *s->at++;
		n = piece[0] == '\\' ? escape(s, piece) : 1;
		if (out == NULL && n == -EILSEQ)
			continue;	/* nobody asked for this one */
		if (n < 0)
			return -EINVAL;
		if (out == NULL)
			continue;
		if (len + (size_t)n >= size)
			return -ENAMETOOLONG;
		memcpy(out + len, piece, (size_t)n);
		len += (size_t)n;
	}
	s->at++;
	if (out != NULL)
		out[len] = '\0';
	return 0;
}

/* A number, or one of the three words. */
static bool
bare(const char *text, size_t len)
{
	static const char *const words[] = { "true", "false", "null" };

	for (int i = 0; i < 3; i++)
		if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
			return true;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0' || strchr("+-.0123456789eE", text[i]) == NULL)
			return false;
	return len > 0;
}

/* Any value, passed over: nested ones by counting. */
static int
skip(struct scan *s)
{
	size_t depth = 0;

	do {
		blanks(s);
		if (s->at >= s->end)
			return -EINVAL;
		if (*s->at == '"') {
			s->at++;
			if (string(s, NULL, 0) < 0)
				return -EINVAL;
		} else if (strchr("{[", *s->at) != NULL && *s->at != '\0') {
			depth++;
			s->at++;
		} else if (*s->at == '}' || *s->at == ']') {
			if (depth == 0)
				return -EINVAL;
			depth--;
			s->at++;
		} else if (depth > 0 && (*s->at == ',' || *s->at == ':')) {
			s->at++;
		} else {
			size_t n = 0;

			while (s->at + n < s->end && s->at[n] != '\0' &&
			    strchr(",:{}[]\" \t\r\n", s->at[n]) == NULL)
				n++;
			if (!bare(s->at, n))
				return -EINVAL;
			s->at += n;
		}
	} while (depth > 0);
	return 0;
}

static int
value(struct scan *s, char *out, size_t size)
{
	const char *from;
	size_t len;

	blanks(s);
	if (s->at < s->end && *s->at == '"') {
		s->at++;
		return string(s, out, size);
	}
	from = s->at;
	if (skip(s) < 0)
		return -EINVAL;
	len = (size_t)(s->at - from);
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(out, from, len);
	out[len] = '\0';
	return 0;
}

/* Go to the value of a field. */
static int
seek(struct scan *s, const char *field)
{
	char key[64];
	int rc;

	if (!accept(s, '{'))
		return -EINVAL;
	while (accept(s, '"')) {
		struct scan again = *s;

		if (string(s, NULL, 0) < 0 || !accept(s, ':'))
			return -EINVAL;
		rc = string(&again, key, sizeof(key));
		if (rc == 0 && strcmp(key, field) == 0)
			return 0;
		if (skip(s) < 0)
			return -EINVAL;
		if (!accept(s, ','))
			break;
	}
	return -ENOENT;
}

int
otpi_json_get(const char *text, size_t len, const char *field, char *out,
    size_t size)
{
	struct scan s = { text, text + len };
	int rc = seek(&s, field);

	return rc < 0 ? rc : value(&s, out, size);
}

int
otpi_json_find(const char *text, size_t len, const char *field,
    const char **out, size_t *out_len)
{
	struct scan s = { text, text + len };
	const char *from;
	int rc = seek(&s, field);

	if (rc < 0)
		return rc;
	blanks(&s);
	from = s.at;
	if (skip(&s) < 0)
		return -EINVAL;
	*out = from;
	*out_len = (size_t)(s.at - from);
	return 0;
}

int
otpi_json_item(const char **at, const char *end, const char **out,
    size_t *out_len)
{
	struct scan s = { *at, end };

	if (!accept(&s, '[') && !accept(&s, ','))
		return accept(&s, ']') ? 0 : -EINVAL;
	if (accept(&s, ']'))
		return 0;
	blanks(&s);
	*out = s.at;
	if (skip(&s) < 0)
		return -EINVAL;
	*out_len = (size_t)(s.at - *out);
	*at = s.at;
	return 1;
}

/* --- writing --- */

static int
grow(struct otp_out *out, size_t len)
{
	size_t cap = out->cap == 0 ? 256 : out->cap;
	char *more;

	while (cap - out->len <= len) {
		if (cap > SIZE_MAX / 4)
			return -ENOMEM;
		cap *= 2;
	}
	more = realloc(out->lent ? NULL : out->text, cap);
	if (more == NULL)
		return -ENOMEM;
	if (out->lent && out->len > 0)
		memcpy(more, out->text, out->len);
	out->text = more;
	out->cap = cap;
	out->lent = false;
	return 0;
}

int
otp_write(struct otp_out *out, const void *data, size_t len)
{
	int rc = out->cap - out->len > len ? 0 : grow(out, len);

	if (rc < 0)
		return rc;
	if (len > 0)
		memcpy(out->text + out->len, data, len);
	out->len += len;
	out->text[out->len] = '\0';
	return 0;
}

int
otp_print(struct otp_out *out, const char *format, ...)
{
	char small[512], *text = small;
	va_list ap;
	int n, rc;

	va_start(ap, format);
	n = vsnprintf(small, sizeof(small), format, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	if ((size_t)n >= sizeof(small)) {
		text = malloc((size_t)n + 1);
		if (text == NULL)
			return -ENOMEM;
		va_start(ap, format);
		(void)vsnprintf(text, (size_t)n + 1, format, ap);
		va_end(ap);
	}
	rc = otp_write(out, text, (size_t)n);
	if (text != small)
		free(text);
	return rc;
}

void
otpi_out_free(struct otp_out *out)
{
	if (!out->lent)
		free(out->text);
	*out = (struct otp_out){ 0 };
}

/* Does it stand for itself in a string? */
static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

int
otpi_json_quoted(struct otp_out *out, const char *text, size_t len)
{
	const char *end = text + len, *plain;
	int rc = otp_write(out, "\"", 1);
	unsigned char c;

	while (rc == 0 && text < end) {
		for (plain = text; text < end; text++)
			if (!is_plain((unsigned char)*text))
				break;
		rc = otp_write(out, plain, (size_t)(text - plain));
		if (rc == 0 && text < end) {
			c = (unsigned char)*text++;
			rc = c == '"' || c == '\\' ? otp_print(out, "\\%c", c) :
			    otp_print(out, "\\u%04x", c);
		}
	}
	return rc == 0 ? otp_write(out, "\"", 1) : rc;
}

int
otpi_json_string(struct otp_out *out, const char *text)
{
	return otpi_json_quoted(out, text, strlen(text));
}

int
otpi_json_value(struct otp_out *out, const char *text, size_t len)
{
	return otpi_json_is(text, len) ? otp_write(out, text, len) :
	    otpi_json_quoted(out, text, len);
}
