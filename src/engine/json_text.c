/* SPDX-License-Identifier: ISC */
/*
 * From checked text to cJSON's tree and the places of what is in it.  The
 * number of a value in document order is kept in its valueint, which nothing
 * else here looks at: numbers are read from valuedouble only.
 */
#include "engine/json_text.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config_mem.h"
#include "engine/json_scan.h"

#define EXACT_MAX	9007199254740992.0	/* 2^53 */
#define FEW_KEYS	16

struct numbering {
	struct json_doc		*doc;
	const struct json_teller *teller;
	size_t			 n;
	unsigned		 depth;
	char			 path[JSON_PATH_SIZE];
	size_t			 path_len;
};

static void
tell_twice(const struct numbering *nb, const cJSON *item, const cJSON *first)
{
	const struct json_place was = json_key_place(nb->doc, first);
	char message[160], key[64];

	cJSON name = { .type = cJSON_String, .valuestring = item->string };
	json_describe(&name, key, sizeof(key));
	(void)snprintf(message, sizeof(message), "%s is given twice in this "
	    "object, first at %u:%u: remove one", key, was.line, was.column);
	nb->teller->error(nb->teller->arg, json_key_place(nb->doc, item),
	    nb->path, message);
}

static void
find_twice(const struct numbering *nb, cJSON *object)
{
	struct strmap seen = { 0 };
	cJSON *item, *other, *first;
	size_t n = 0;

	cJSON_ArrayForEach(item, object)
		n++;
	cJSON_ArrayForEach(item, object) {
		first = NULL;
		if (n > FEW_KEYS)
			first = strmap_put(&seen, item->string, item);
		else
			for (other = object->child; other != item;
			    other = other->next)
				if (strcmp(other->string, item->string) == 0) {
					first = other;
					break;
				}
		if (first != NULL)
			tell_twice(nb, item, first);
	}
	strmap_done(&seen);
}

static void
path_add(struct numbering *nb, const cJSON *item)
{
	const cJSON *id;

	if (nb->depth < nb->teller->skip_outermost)
		return;
	id = json_member(item, "id");
	if (!cJSON_IsString(id) || strlen(id->valuestring) > JSON_ID_MAX)
		return;
	nb->path_len += (size_t)snprintf(nb->path + nb->path_len,
	    sizeof(nb->path) - nb->path_len, "%s%s",
	    nb->path_len > 0 ? "/" : "", id->valuestring);
}

/* Depth is bounded by JSON_DEPTH_MAX. */
static void
number_values(struct numbering *nb, cJSON *item)
{
	const size_t before = nb->path_len;
	cJSON *child;

	assert(nb->n < nb->doc->nmarks);
	item->valueint = (int)nb->n++;
	path_add(nb, item);
	nb->depth++;
	cJSON_ArrayForEach(child, item)
		number_values(nb, child);
	nb->depth--;
	if (cJSON_IsObject(item))
		find_twice(nb, item);
	nb->path_len = before;
	nb->path[before] = '\0';
}

bool
json_parse(char *text, size_t len, const struct json_teller *teller,
    struct json_doc *out)
{
	struct json_scan scan = {
		.text = text, .len = len, .teller = teller
	};
	struct numbering nb = { .doc = out, .teller = teller };
	char message[80];

	memset(out, 0, sizeof(*out));
	if (len > JSON_TEXT_MAX) {
		(void)snprintf(message, sizeof(message), "larger than %u MiB",
		    JSON_TEXT_MAX / 1024 / 1024);
		teller->error(teller->arg, (struct json_place){ 1, 1 }, "",
		    message);
		return false;
	}
	if (json_scan(&scan) < 0) {
		free(scan.marks);
		return false;
	}
	out->marks = scan.marks;
	out->nmarks = scan.nmarks;
	out->root = cJSON_ParseWithLength(text, len);
	if (out->root == NULL)
		abort();	/* what was checked fails without memory only */
	number_values(&nb, out->root);
	assert(nb.n == out->nmarks);
	return true;
}

void
json_doc_done(struct json_doc *doc)
{
	cJSON_Delete(doc->root);
	free(doc->marks);
	memset(doc, 0, sizeof(*doc));
}

static struct json_mark
mark_of(const struct json_doc *doc, const cJSON *item)
{
	const struct json_mark none = { { 0, 0 }, { 0, 0 } };

	if (item == NULL || item->valueint < 0 ||
	    (size_t)item->valueint >= doc->nmarks)
		return none;
	return doc->marks[item->valueint];
}

struct json_place
json_value_place(const struct json_doc *doc, const cJSON *item)
{
	return mark_of(doc, item).value;
}

struct json_place
json_key_place(const struct json_doc *doc, const cJSON *item)
{
	const struct json_mark mark = mark_of(doc, item);

	return mark.key.line > 0 ? mark.key : mark.value;
}

bool
json_integer(const cJSON *item, int64_t min, int64_t max, int64_t *out)
{
	double d;

	if (!cJSON_IsNumber(item))
		return false;
	d = item->valuedouble;
	if (!(fabs(d) <= EXACT_MAX) ||
	    d != (double)(int64_t)d)
		return false;
	if ((int64_t)d < min || (int64_t)d > max)
		return false;
	*out = (int64_t)d;
	return true;
}

cJSON *
json_member(const cJSON *object, const char *key)
{
	cJSON *item;

	if (cJSON_IsObject(object))
		cJSON_ArrayForEach(item, object)
			if (strcmp(item->string, key) == 0)
				return item;
	return NULL;
}

/* One line of plain text, cut at a character's beginning. */
static void
quote(const char *text, char *out, size_t size)
{
	const size_t room = size > 48 ? 40 : size - 8;
	size_t n = 0;

	for (; text[n] != '\0' && n < room; n++)
		out[n + 1] = iscntrl((unsigned char)text[n]) ? '?' : text[n];
	if (text[n] != '\0')
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	out[0] = '`';
	(void)snprintf(out + n + 1, size - n - 1, "%s`",
	    text[n] != '\0' ? "..." : "");
}

void
json_describe(const cJSON *item, char *out, size_t size)
{
	const char *what;

	assert(size >= 32);
	if (cJSON_IsString(item) && item->valuestring[0] != '\0') {
		quote(item->valuestring, out, size);
		return;
	}
	if (cJSON_IsNumber(item)) {
		(void)snprintf(out, size, "%.15g", item->valuedouble);
		return;
	}
	what = cJSON_IsString(item) ? "an empty string" :
	    cJSON_IsObject(item) ? "an object" :
	    cJSON_IsArray(item) ? "an array" :
	    cJSON_IsTrue(item) ? "true" :
	    cJSON_IsFalse(item) ? "false" : "null";
	(void)snprintf(out, size, "%s", what);
}
