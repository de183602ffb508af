/* SPDX-License-Identifier: ISC */
/*
 * A layout of JSON, token by token.  An object or array that fits into a line
 * stays on one; others get a line for each member.
 */
#include "otpctl/pretty.h"

#include <string.h>

#include <cjson/cJSON.h>

#define COLUMNS		78
#define INDENT		2

struct layout {
	struct buf	*b;
	const char	*at, *end;
	size_t		 line;		/* where in b the line begins */
	size_t		 depth;
	size_t		 flat;		/* depth of what is on one line; 0 */
	bool		 tight;
};

bool
pretty_is_json(const char *text, size_t len)
{
	cJSON *o;

	if (strlen(text) != len)
		return false;
	o = cJSON_ParseWithOpts(text, NULL, 1);
	cJSON_Delete(o);
	return o != NULL;
}

static void
skip_blanks(const char **at, const char *end)
{
	while (*at < end && strchr(" \t\r\n", **at) != NULL)
		(*at)++;
}

/* Of the token at p, which is no blank. */
static size_t
token_len(const char *p, const char *end)
{
	const char *q = p + 1;

	if (strchr("{}[],:", *p) != NULL)
		return 1;
	if (*p == '"') {
		while (q < end && *q != '"')
			q += *q == '\\' && q + 1 < end ? 2 : 1;
		return (size_t)(q < end ? q + 1 - p : end - p);
	}
	while (q < end && strchr("{}[],:\" \t\r\n", *q) == NULL)
		q++;
	return (size_t)(q - p);
}

/* Is what opens here closed again within so many columns? */
static bool
fits(const char *at, const char *end, size_t room)
{
	size_t depth = 0, n;

	do {
		n = token_len(at, end);
		if (n + 1 > room)
			return false;
		room -= *at == ',' || *at == ':' ? n + 1 : n;
		if (*at == '{' || *at == '[')
			depth++;
		else if (*at == '}' || *at == ']')
			depth--;
		at += n;
		skip_blanks(&at, end);
	} while (depth > 0 && at < end);
	return true;
}

static void
new_line(struct layout *l, size_t depth)
{
	if (l->flat != 0)
		return;
	buf_puts(l->b, "\n");
	l->line = l->b->len;
	buf_pad(l->b, depth * INDENT);
}

static void
open_list(struct layout *l, const char *at)
{
	const size_t used = l->b->len - l->line;
	const char *next = at + 1;

	l->depth++;
	if (l->flat == 0 && (l->tight || (used < COLUMNS &&
	    fits(at, l->end, COLUMNS - used))))
		l->flat = l->depth;
	skip_blanks(&next, l->end);
	if (next < l->end && *next != '}' && *next != ']')
		new_line(l, l->depth);
}

static void
close_list(struct layout *l, char last)
{
	if (last != '{' && last != '[')
		new_line(l, l->depth - 1);
	if (l->flat == l->depth)
		l->flat = 0;
	l->depth--;
}

static void
put_token(struct layout *l, char last)
{
	const char *at = l->at;
	size_t n = token_len(at, l->end);

	if (*at == '}' || *at == ']')
		close_list(l, last);
	buf_json(l->b, at, n);
	if (*at == '{' || *at == '[')
		open_list(l, at);
	else if (*at == ',' && l->flat == 0)
		new_line(l, l->depth);
	else if ((*at == ',' || *at == ':') && !l->tight)
		buf_puts(l->b, " ");
	l->at += n;
}

void
pretty_json(struct buf *b, const char *text, size_t len, bool tight)
{
	struct layout l = { .b = b, .at = text, .end = text + len,
	    .line = b->len, .tight = tight };
	char last = '\0', now;

	skip_blanks(&l.at, l.end);
	while (l.at < l.end) {
		now = *l.at;
		put_token(&l, last);
		last = now;
		skip_blanks(&l.at, l.end);
	}
	buf_puts(b, "\n");
}
