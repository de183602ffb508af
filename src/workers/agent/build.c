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

static void
spell(struct text *out, struct span quoted)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *plain = quoted.at, *p = plain, *end = plain + quoted.len;

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

/* As a rule a string is spelt in the one way already. */
struct span
tree_spelt(struct span given, struct text *room)
{
	if (given.at[0] != '"' || memchr(given.at, '\\', given.len) == NULL)
		return given;
	spell(room, given);
	return (struct span){ room->data, room->len };
}

/* --- values --- */

struct at {			/* where the builder is */
	const char	*p, *end;
};

static struct node *build(struct at *at, struct span key);

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

/* As the tree spells it: where it has escapes, in room. */
static struct span
token(struct at *at, struct text *room)
{
	const char *from = at->p, *p = from;
	bool escaped = false;
	struct span given;

	if (*p == '"') {
		for (p++; *p != '"'; p++) {
			if (*p == '\\') {
				escaped = true;
				p++;
			}
		}
		p++;
	} else {
		while (p < at->end && *p != '\0' && *p != ',' && *p != ']' &&
		    *p != '}' && !is_blank(*p))
			p++;
	}
	at->p = p;
	given = (struct span){ from, (size_t)(p - from) };
	return escaped ? tree_spelt(given, room) : given;
}

/* Its key, a colon, its value. */
static void
build_member(struct at *at, struct node *object)
{
	struct text room = { 0 };
	struct span key = token(at, &room);

	blanks(at);
	at->p++;		/* the colon */
	tree_put(object, build(at, (struct span){ key.at + 1, key.len - 2 }));
	text_done(&room);
}

static struct node *
container(struct at *at, struct span key)
{
	struct node *n = tree_node(*at->p == '{' ? NODE_OBJECT : NODE_ARRAY,
	    (struct span){ "", 0 }, key);

	do {
		at->p++;		/* the opening, or a comma */
		blanks(at);
		if (*at->p == '}' || *at->p == ']')
			break;
		if (n->kind == NODE_OBJECT)
			build_member(at, n);
		else
			tree_add(n, build(at, NO_KEY));
		blanks(at);
	} while (*at->p == ',');
	at->p++;
	return n;
}

static struct node *
scalar(struct at *at, struct span key)
{
	struct text room = { 0 };
	struct node *n = tree_node(NODE_SCALAR, token(at, &room), key);

	text_done(&room);
	return n;
}

static struct node *
build(struct at *at, struct span key)
{
	blanks(at);
	return *at->p == '{' || *at->p == '[' ? container(at, key) :
	    scalar(at, key);
}

struct node *
tree_build(struct span text, struct span key)
{
	struct at at = { .p = text.at, .end = text.at + text.len };

	return build(&at, key);
}
