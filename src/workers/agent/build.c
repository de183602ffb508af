/* SPDX-License-Identifier: ISC */
/*
 * From text to a tree.  The text is valid: this looks for no errors.
 */
#include "workers/agent/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the one spelling of a string --- */

static unsigned
hex4(const char *p)
{
	char hex[5] = "";

	memcpy(hex, p, 4);
	return (unsigned)strtoul(hex, NULL, 16);
}

static void
put_utf8(struct text *out, unsigned u)
{
	char c[4];
	size_t n = 0;

	if (u < 0x80) {
		c[n++] = (char)u;
	} else {
		if (u < 0x800) {
			c[n++] = (char)(0xc0 | u >> 6);
		} else {
			if (u < 0x10000) {
				c[n++] = (char)(0xe0 | u >> 12);
			} else {
				c[n++] = (char)(0xf0 | u >> 18);
				c[n++] = (char)(0x80 | (u >> 12 & 0x3f));
			}
			c[n++] = (char)(0x80 | (u >> 6 & 0x3f));
		}
		c[n++] = (char)(0x80 | (u & 0x3f));
	}
	text_add(out, c, n);
}

/* What cannot stand for itself: quotes, controls, half a pair. */
static void
put_unit(struct text *out, unsigned u)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *p = u == 0 || u > 0x7f ? NULL : strchr(from, (int)u);
	char esc[8];

	if (p != NULL) {
		esc[0] = '\\';
		esc[1] = to[p - from];
		text_add(out, esc, 2);
	} else if (u < 0x20 || (u >= 0xd800 && u < 0xe000)) {
		(void)snprintf(esc, sizeof(esc), "\\u%04x", u & 0xffff);
		text_puts(out, esc);
	} else {
		put_utf8(out, u);
	}
}

/* At the u of an escape; how much of it was taken. */
static size_t
spell_unicode(struct text *out, const char *p, const char *end)
{
	unsigned u = hex4(p + 1), low;

	if (u >= 0xd800 && u < 0xdc00 && end - p >= 11 && p[5] == '\\' &&
	    p[6] == 'u') {
		low = hex4(p + 7);
		if (low >= 0xdc00 && low < 0xe000) {
			put_utf8(out, 0x10000 + ((u - 0xd800) << 10) +
			    (low - 0xdc00));
			return 11;
		}
	}
	put_unit(out, u);
	return 5;
}

void
tree_spell(struct text *out, struct span quoted)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *p = quoted.at + 1, *end = quoted.at + quoted.len - 1;
	const char *plain = p;

	text_add(out, "", 0);
	while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		text_add(out, plain, (size_t)(p - plain));
		p++;
		if (*p == 'u')
			p += spell_unicode(out, p, end);
		else
			put_unit(out, (unsigned char)
			    to[strchr(from, *p++) - from]);
		plain = p;
	}
	text_add(out, plain, (size_t)(end - plain));
}

/* --- values --- */

struct at {			/* where the builder is */
	const char	*p, *end;
};

static struct node *build(struct at *at);

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
blanks(struct at *at)
{
	while (at->p < at->end && is_blank(*at->p))
		at->p++;
}

static struct span
token(struct at *at)
{
	const char *from = at->p;

	if (*from == '"') {
		for (at->p++; *at->p != '"'; at->p++)
			if (*at->p == '\\')
				at->p++;
		at->p++;
	} else {
		while (at->p < at->end && *at->p != '\0' && *at->p != ',' &&
		    *at->p != ']' && *at->p != '}' && !is_blank(*at->p))
			at->p++;
	}
	return (struct span){ from, (size_t)(at->p - from) };
}

/* As a rule a string is spelt in the one way already. */
static bool
is_plain(struct span token)
{
	return token.at[0] != '"' ||
	    memchr(token.at, '\\', token.len) == NULL;
}

static struct node *
scalar(struct at *at)
{
	struct node *n = calloc(1, sizeof(*n));
	struct span given = token(at);
	struct text t = { 0 };

	if (n == NULL)
		abort();
	if (is_plain(given)) {
		n->text = strndup(given.at, given.len);
		n->bytes = given.len;
	} else {
		text_puts(&t, "\"");
		tree_spell(&t, given);
		text_puts(&t, "\"");
		n->text = realloc(t.data, t.len + 1);
		n->bytes = t.len;
	}
	if (n->text == NULL)
		abort();
	return n;
}

/* Its key, a colon, its value. */
static void
build_member(struct at *at, struct node *object)
{
	struct span given = token(at);
	struct text key = { 0 };

	blanks(at);
	at->p++;		/* the colon */
	if (is_plain(given)) {
		tree_put_member(object, given.at + 1, given.len - 2,
		    build(at));
		return;
	}
	tree_spell(&key, given);
	tree_put_member(object, key.data, key.len, build(at));
	text_done(&key);
}

static struct node *
container(struct at *at)
{
	struct node *n = calloc(1, sizeof(*n));

	if (n == NULL)
		abort();
	n->kind = *at->p == '{' ? NODE_OBJECT : NODE_ARRAY;
	n->bytes = 2;
	do {
		at->p++;		/* the opening, or a comma */
		blanks(at);
		if (*at->p == '}' || *at->p == ']')
			break;
		if (n->kind == NODE_OBJECT)
			build_member(at, n);
		else
			tree_put_item(n, n->n, build(at));
		blanks(at);
	} while (*at->p == ',');
	at->p++;
	return n;
}

static struct node *
build(struct at *at)
{
	blanks(at);
	return *at->p == '{' || *at->p == '[' ? container(at) : scalar(at);
}

struct node *
tree_build(struct span text)
{
	struct at at = { .p = text.at, .end = text.at + text.len };

	return build(&at);
}
