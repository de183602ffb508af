/* SPDX-License-Identifier: ISC */
/*
 * JSON text, judged before and after cJSON sees it: cJSON lets pass what this
 * refuses, and does not say where anything stands.  Comments are allowed.
 */
#ifndef OTPD_ENGINE_JSON_TEXT_H
#define OTPD_ENGINE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#define JSON_DEPTH_MAX	64
#define JSON_VALUES_MAX	(8U * 1024 * 1024)
#define JSON_TEXT_MAX	(64U * 1024 * 1024)
#define JSON_ID_MAX	64		/* longer ones are no part of paths */
#define JSON_PATH_SIZE	(JSON_DEPTH_MAX * (JSON_ID_MAX + 1) + 1)
#define JSON_NUMBER_MAX	40		/* characters; cJSON cuts at 63 */

struct json_place { uint32_t line, column; };	/* from 1; in characters */

struct json_mark { struct json_place key, value; };

struct json_doc {
	cJSON			*root;
	struct json_mark	*marks;		/* in document order */
	size_t			 nmarks;
};

/* path: the ids of the objects around the fault, as web/nginx. */
typedef void json_error_fn(void *arg, struct json_place at, const char *path,
	    const char *message);

struct json_teller {
	json_error_fn	*error;
	void		*arg;
	bool		 skip_outermost;	/* its id is no part of paths */
};

/*
 * Parse text, which is overwritten: comments become blanks.  Every fault is
 * told; false when there is no document for it.  A trailing comma or a key
 * given twice is told, and the rest is still read.
 */
bool	json_parse(char *text, size_t len, const struct json_teller *teller,
	    struct json_doc *out);
void	json_doc_done(struct json_doc *doc);

/* Of an item of this document's tree; items made by others have line 0. */
struct json_place json_value_place(const struct json_doc *doc,
	    const cJSON *item);
struct json_place json_key_place(const struct json_doc *doc,
	    const cJSON *item);

/* A number without a fraction, min <= *out <= max?  At most 2^53. */
bool	json_integer(const cJSON *item, int64_t min, int64_t max,
	    int64_t *out);
/* Exactly this key; the first one. */
cJSON	*json_member(const cJSON *object, const char *key);
/* What a value is, in words that fit after "not": 5, `abc`, an array. */
void	json_describe(const cJSON *item, char *out, size_t size);

#endif /* OTPD_ENGINE_JSON_TEXT_H */
