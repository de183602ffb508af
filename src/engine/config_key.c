/* SPDX-License-Identifier: ISC */
/*
 * The table of keys at work: every member of an object is looked up, found to
 * be in place or not, and its value read.
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config_value.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

static const struct key_row {
	struct config_key_info	 info;
	key_fn			*fn;
} rows[] = {
#define CONFIG_KEY_ROW(name, where, effect, fn, want)			\
	{ { #name, want, where, effect }, key_##fn },
	CONFIG_KEYS(CONFIG_KEY_ROW)
#undef CONFIG_KEY_ROW
};
static_assert(nitems(rows) == KEY_NKEYS, "one row a key");

static const struct { unsigned where; const char *name; } places[] = {
	{ KEY_WORKER, "a worker" }, { KEY_SUP, "a supervisor" },
	{ KEY_ROOT, "the root" }, { KEY_TEMPLATE, "a template" },
	{ KEY_LOG, "`log`" }, { KEY_BACKOFF, "`backoff`" },
	{ KEY_FILE, "`stdout` or `stderr`" }, { KEY_ALLOW, "`allow`" },
	{ KEY_REGISTRY, "a registry" },
	{ KEY_APP, "an application" }, { KEY_APPS, "`applications`" },
	{ KEY_DYNAMIC, "a child made from a template" },
};

/* What others call what we have; for advice only. */
static const struct { const char *theirs, *ours; } aliases[] = {
	{ "autorestart", "restart" }, { "childs", "children" },
	{ "cmd", "start" },
	{ "command", "start" }, { "directory", "cwd" },
	{ "environment", "env" }, { "exec", "start" },
	{ "gids", "groups" },
	{ "intensity", "max_restarts" }, { "mfa", "start" },
	{ "period", "max_seconds" }, { "program", "start" },
	{ "rlimits", "limits" }, { "stop_timeout", "shutdown" },
	{ "stopsignal", "stop_signal" }, { "uid", "user" },
	{ "uids", "users" }, { "username", "user" }, { "workdir", "cwd" },
	{ "working_directory", "cwd" },
};

const struct config_key_info *
config_key_info(enum config_key key)
{
	return &rows[key].info;
}

static const char *
place_name(unsigned where)
{
	size_t i;

	for (i = 0; i < nitems(places) - 1; i++)
		if (where & places[i].where)
			break;
	return places[i].name;
}

static int
compare_key(const void *name, const void *row)
{
	return strcmp(name, ((const struct key_row *)row)->info.name);
}

static const struct key_row *
find_key(const char *name)
{
	return bsearch(name, rows, nitems(rows), sizeof(rows[0]), compare_key);
}

static void
tell_unknown(struct reader *r, struct draft *d, const cJSON *item,
    unsigned where)
{
	struct guess guess = { .word = item->string };
	cJSON name = { .type = cJSON_String, .valuestring = item->string };
	char words[96], key[64];
	size_t i;

	for (i = 0; i < nitems(rows); i++)
		if (rows[i].info.where & where)
			guess_try(&guess, rows[i].info.name);
	for (i = 0; i < nitems(aliases) && guess.best == NULL; i++)
		if (strcmp(aliases[i].theirs, item->string) == 0 &&
		    (find_key(aliases[i].ours)->info.where & where))
			guess.best = aliases[i].ours;
	json_describe(&name, key, sizeof(key));
	if (guess.best == NULL) {
		tell_key(r, item, "unknown key %s: %s has no such key; "
		    "otpd.json(5) lists them", key, place_name(where));
		return;
	}
	d->meant[find_key(guess.best) - rows] = true;
	tell_key(r, item, "unknown key %s%s", key,
	    guess_words(&guess, words, sizeof(words)));
}

static void
tell_misplaced(struct reader *r, const cJSON *item, unsigned where,
    const struct key_row *row)
{
	tell_key(r, item, "`%s` belongs in %s, not in %s", row->info.name,
	    place_name(row->info.where), place_name(where));
}

static void
read_member(struct reader *r, struct draft *d, cJSON *item, unsigned where)
{
	const struct key_row *row = find_key(item->string);

	if (row == NULL) {
		tell_unknown(r, d, item, where);
		return;
	}
	if ((row->info.where & where) == 0) {
		tell_misplaced(r, item, where, row);
		return;
	}
	if (d->given[row - rows] != NULL)
		return;		/* given twice: told by the parser */
	d->given[row - rows] = item;
	if (row->fn(r, d, &row->info, item) == VALUE_BAD)
		tell_value(r, &row->info, item, NULL);
}

void
read_members(struct reader *r, struct draft *d)
{
	cJSON *item;

	cJSON_ArrayForEach(item, d->object)
		read_member(r, d, item, d->where);
}

bool
read_inner(struct reader *r, struct draft *d, cJSON *object, unsigned where)
{
	const size_t before = r->config->nerrors;
	cJSON *item;

	cJSON_ArrayForEach(item, object)
		read_member(r, d, item, where);
	return r->config->nerrors == before;
}

bool
id_valid(const char *id)
{
	const size_t len = strlen(id);
	size_t i;

	if (len == 0 || len > ID_MAX || id[0] == '.' || id[0] == '-')
		return false;
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)id[i]) &&
		    strchr("_.-", id[i]) == NULL)
			return false;
	return true;
}

void
tell_value(struct reader *r, const struct config_key_info *key,
    const cJSON *v, const struct guess *guess)
{
	char got[64], words[96] = "";

	json_describe(v, got, sizeof(got));
	tell_at(r, v, "`%s` must be %s, not %s%s", key->name, key->want, got,
	    guess != NULL ? guess_words(guess, words, sizeof(words)) : "");
}

enum verdict
read_word(struct reader *r, const struct config_key_info *key, const cJSON *v,
    const struct word *words, int *out)
{
	struct guess guess;

	if (!cJSON_IsString(v))
		return VALUE_BAD;
	guess = (struct guess){ .word = v->valuestring };
	for (; words->name != NULL; words++) {
		if (strcmp(words->name, v->valuestring) == 0) {
			*out = words->value;
			return VALUE_GOOD;
		}
		guess_try(&guess, words->name);
	}
	tell_value(r, key, v, &guess);
	return VALUE_TOLD;
}

bool
read_size(const cJSON *v, uint64_t *out)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	uint64_t n;
	int64_t i;

	if (json_integer(v, 0, INT64_MAX, &i)) {
		*out = (uint64_t)i;
		return true;
	}
	if (!cJSON_IsString(v) || !isdigit((unsigned char)v->valuestring[0]) ||
	    strlen(v->valuestring) > 15)
		return false;
	n = strtoull(v->valuestring, &end, 10);
	if (*end != '\0') {
		unit = strchr(units, *end);
		if (unit == NULL || end[1] != '\0')
			return false;
		for (i = 0; i <= unit - units; i++)
			if (__builtin_mul_overflow(n, 1024, &n))
				return false;
	}
	*out = n;
	return n <= INT64_MAX;
}

bool
is_path(const cJSON *v)
{
	return cJSON_IsString(v) && v->valuestring[0] == '/';
}
