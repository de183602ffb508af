/* SPDX-License-Identifier: ISC */
/*
 * As much of JSON as a line needs: is it some, where is a member of it, and
 * text in quotes.  Values travel as they were written; no number is read.
 */
#ifndef OTPD_WORKERS_PORT_JSON_H
#define OTPD_WORKERS_PORT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define JSON_DEPTH_MAX	512

struct span {			/* borrowed */
	const char	*at;
	size_t		 len;
};

struct text {			/* NUL-ended once something was added */
	char	*data;
	size_t	 len, cap;
};

/* Aborts when there is no memory: the supervisor starts another one. */
void	text_add(struct text *t, const char *data, size_t len);
void	text_done(struct text *t);

static inline void
text_puts(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

/* One value and nothing else, in UTF-8? */
bool	json_valid(struct span text);
/*
 * The members of an object, one by one: of a walk that begins with the text.
 * 1: the next, its key in quotes and as it is spelt there; 0: there is no more,
 * and nothing else; -EINVAL: this is no JSON, or no object.  What was given
 * before is right in itself all the same.
 */
struct json_walk {
	const char	*at, *end;
	bool		 inside;	/* of the braces */
};
int	json_next(struct json_walk *w, struct span *out_key,
	    struct span *out_value);
/* Of what is valid: the value of a member, if it is an object that has one. */
bool	json_member(struct span object, const char *key, struct span *out);
/* A string without its quotes and escapes, NUL-ended.  False: it is none, or
 * too long, or has a NUL in it. */
bool	json_string(struct span value, char *out, size_t size);
/* Quoted; what is no UTF-8 becomes U+FFFD. */
void	json_quote(struct text *t, struct span s);
/* As a value on one line: as it stands when it is JSON, else quoted. */
void	json_put(struct text *t, struct span s);

#endif /* OTPD_WORKERS_PORT_JSON_H */
