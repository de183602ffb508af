/* SPDX-License-Identifier: ISC */
/*
 * Is a text one JSON value, so that it may stand in a request or a status as
 * it is?  What is not must be quoted, or it would change what stands around
 * it.  Nothing here recurses; as deep as cJSON reads, and no deeper.  Bytes of
 * a string are not looked at as UTF-8: quoting would not mend them.
 */
#include <string.h>

#include "libotp/impl.h"

#define DEPTH_MAX	1000

struct text {
	const char	*at, *end;
	uint32_t	 depth;
	uint8_t		 objects[DEPTH_MAX / 8 + 1];	/* a bit for each */
};

enum next { VALUE, VALUE_OR_END, KEY, KEY_OR_END, REST, WRONG };

static void
blanks(struct text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' ||
	    *t->at == '\n' || *t->at == '\r'))
		t->at++;
}

static bool
take(struct text *t, char c)
{
	if (t->at >= t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

static bool
digits(struct text *t)
{
	const char *from = t->at;

	while (t->at < t->end && *t->at >= '0' && *t->at <= '9')
		t->at++;
	return t->at > from;
}

static bool
number(struct text *t)
{
	(void)take(t, '-');
	if (!take(t, '0') && !digits(t))
		return false;
	if (take(t, '.') && !digits(t))
		return false;
	if (take(t, 'e') || take(t, 'E')) {
		if (!take(t, '+'))
			(void)take(t, '-');
		return digits(t);
	}
	return true;
}

static bool
word(struct text *t, const char *w)
{
	size_t len = strlen(w);

	if ((size_t)(t->end - t->at) < len || memcmp(t->at, w, len) != 0)
		return false;
	t->at += len;
	return true;
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
	    (c >= 'A' && c <= 'F');
}

/* The last byte of an escape, whose second is at p; NULL: it is none. */
static const char *
escaped(const char *p, const char *end)
{
	if (p >= end || *p == '\0')
		return NULL;
	if (*p != 'u')
		return strchr("\"\\/bfnrt", *p) != NULL ? p : NULL;
	for (int i = 0; i < 4; i++)
		if (++p >= end || !is_hex(*p))
			return NULL;
	return p;
}

static bool
string(struct text *t)
{
	const char *p = t->at;

	if (p >= t->end || *p != '"')
		return false;
	for (p++; p < t->end && *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return false;
		if (*p == '\\' && (p = escaped(p + 1, t->end)) == NULL)
			return false;
	}
	t->at = p;
	return take(t, '"');
}

/* --- what is open --- */

static bool
in_object(const struct text *t)
{
	uint32_t i = t->depth - 1;

	return (t->objects[i / 8] & 1U << i % 8) != 0;
}

static enum next
begin(struct text *t, bool object)
{
	uint32_t i = t->depth;

	if (i == DEPTH_MAX)
		return WRONG;
	if (i % 8 == 0)
		t->objects[i / 8] = 0;
	t->depth++;
	if (object)
		t->objects[i / 8] |= (uint8_t)(1U << i % 8);
	else
		t->objects[i / 8] &= (uint8_t)~(1U << i % 8);
	return object ? KEY_OR_END : VALUE_OR_END;
}

static enum next
value(struct text *t)
{
	char c = t->at < t->end ? *t->at : '\0';

	if (take(t, '{'))
		return begin(t, true);
	if (take(t, '['))
		return begin(t, false);
	return (c == '"' ? string(t) : c == 't' ? word(t, "true") :
	    c == 'f' ? word(t, "false") : c == 'n' ? word(t, "null") :
	    number(t)) ? REST : WRONG;
}

static enum next
key(struct text *t)
{
	if (!string(t))
		return WRONG;
	blanks(t);
	return take(t, ':') ? VALUE : WRONG;
}

/* Behind a value that stands in something. */
static enum next
rest(struct text *t)
{
	if (take(t, ','))
		return in_object(t) ? KEY : VALUE;
	if (!take(t, in_object(t) ? '}' : ']'))
		return WRONG;
	t->depth--;
	return REST;
}

bool
otpi_json_is(const char *text, size_t len)
{
	struct text t;
	enum next next = VALUE;

	t.at = text;
	t.end = text + len;
	t.depth = 0;
	while (next != WRONG && !(next == REST && t.depth == 0)) {
		if (t.at > text)
			blanks(&t);	/* but not before all of it */
		if ((next == KEY_OR_END && take(&t, '}')) ||
		    (next == VALUE_OR_END && take(&t, ']'))) {
			t.depth--;
			next = REST;
		} else if (next == REST) {
			next = rest(&t);
		} else {
			next = next == KEY || next == KEY_OR_END ? key(&t) :
			    value(&t);
		}
	}
	blanks(&t);
	return next == REST && t.at == t.end;
}
