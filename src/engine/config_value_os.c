/* SPDX-License-Identifier: ISC */
/*
 * The values of the keys that speak of the operating system: who, where to,
 * how much.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/config_value.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

/* A name, or a number that is not (uid_t)-1. */
static bool
is_owner(const cJSON *v)
{
	int64_t n;

	return (cJSON_IsString(v) && v->valuestring[0] != '\0' &&
	    strlen(v->valuestring) < 256) ||
	    json_integer(v, 0, (int64_t)UINT32_MAX - 1, &n);
}

enum verdict
key_user(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	(void)r, (void)d, (void)key;
	return is_owner(v) ? VALUE_GOOD : VALUE_BAD;
}

enum verdict
key_group(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	(void)r, (void)d, (void)key;
	return is_owner(v) ? VALUE_GOOD : VALUE_BAD;
}

/* The users or groups of an array. */
static enum verdict
read_owners(struct reader *r, const struct config_key_info *key,
    const cJSON *v)
{
	const cJSON *item;
	char got[64];

	if (!cJSON_IsArray(v) || cJSON_GetArraySize(v) > SPAWN_GROUPS_MAX)
		return VALUE_BAD;
	cJSON_ArrayForEach(item, v) {
		if (is_owner(item))
			continue;
		json_describe(item, got, sizeof(got));
		tell_at(r, item, "`%s` must be %s; this one is %s",
		    key->name, key->want, got);
		return VALUE_TOLD;
	}
	return VALUE_GOOD;
}

enum verdict
key_groups(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	(void)d;
	return read_owners(r, key, v);
}

enum verdict
key_users(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	(void)d;
	return read_owners(r, key, v);
}

/* Its groups are not the child's own, which have the same key. */
enum verdict
key_allow(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	const cJSON *own = d->given[KEY_groups];

	(void)key;
	if (!cJSON_IsObject(v))
		return VALUE_BAD;
	d->given[KEY_groups] = NULL;
	(void)read_inner(r, d, v, KEY_ALLOW);
	d->given[KEY_groups] = own;
	return VALUE_GOOD;
}

static bool
env_name_valid(const char *name)
{
	size_t i;

	for (i = 0; name[i] != '\0'; i++)
		if (!(isalpha((unsigned char)name[i]) || name[i] == '_' ||
		    (i > 0 && isdigit((unsigned char)name[i]))))
			return false;
	return i > 0;
}

static void
tell_env_value(struct reader *r, const cJSON *item)
{
	char got[64];

	json_describe(item, got, sizeof(got));
	if (cJSON_IsNumber(item) || cJSON_IsBool(item))
		tell_at(r, item, "`%s` in `env` must be a string, not %s: "
		    "write \"%s\"", item->string, got, got);
	else
		tell_at(r, item, "`%s` in `env` must be a string, or null to "
		    "take it away, not %s", item->string, got);
}

enum verdict
key_env(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	unsigned n = 0;
	cJSON *item;
	char name[64];

	if (d->where & (KEY_APP | KEY_APPS))
		return read_app_env(r, d, key, v);
	if (!cJSON_IsObject(v))
		return VALUE_BAD;
	cJSON_ArrayForEach(item, v) {
		cJSON text = { .type = cJSON_String,
		    .valuestring = item->string };

		json_describe(&text, name, sizeof(name));
		if (!env_name_valid(item->string))
			tell_key(r, item, "%s cannot name a variable: letters, "
			    "digits and `_` can, the first no digit", name);
		else if (!cJSON_IsString(item) && !cJSON_IsNull(item))
			tell_env_value(r, item);
		if (++n > SPAWN_ARGS_MAX) {
			tell_at(r, item, "more than %d variables",
			    SPAWN_ARGS_MAX);
			return VALUE_TOLD;
		}
	}
	return VALUE_GOOD;
}

/* {"file": path}, a path, or a word. */
static enum verdict
read_dest(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v, const struct word *words, enum spawn_dest *out_dest,
    const char **out_path)
{
	enum verdict verdict;
	int value;

	if (cJSON_IsObject(v)) {
		const cJSON *file = json_member(v, "file");

		d->given[KEY_file] = NULL;
		if (!read_inner(r, d, v, KEY_FILE))
			return VALUE_TOLD;
		if (file == NULL)
			return VALUE_BAD;
		*out_dest = SPAWN_DEST_FILE;
		*out_path = file->valuestring;
		return VALUE_GOOD;
	}
	if (is_path(v)) {
		*out_dest = SPAWN_DEST_FILE;
		*out_path = v->valuestring;
		return VALUE_GOOD;
	}
	verdict = read_word(r, key, v, words, &value);
	if (verdict == VALUE_GOOD)
		*out_dest = (enum spawn_dest)value;
	return verdict;
}

enum verdict
key_stdout(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	static const struct word words[] = {
		{ "log", SPAWN_DEST_LOG }, { "null", SPAWN_DEST_NULL },
		{ "inherit", SPAWN_DEST_INHERIT }, { NULL, 0 }
	};

	return read_dest(r, d, key, v, words, &d->out, &d->out_path);
}

enum verdict
key_stderr(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	static const struct word words[] = {
		{ "log", SPAWN_DEST_LOG }, { "null", SPAWN_DEST_NULL },
		{ "inherit", SPAWN_DEST_INHERIT },
		{ "stdout", SPAWN_DEST_STDOUT }, { NULL, 0 }
	};

	return read_dest(r, d, key, v, words, &d->err, &d->err_path);
}

/* The file of {"file": ...}; read_dest() takes it. */
enum verdict
key_file(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	(void)r, (void)d, (void)key;
	return is_path(v) ? VALUE_GOOD : VALUE_BAD;
}

static const struct { const char *name; uint32_t resource; } limits[] = {
#define LIMIT_ROW(name, resource) { #name, RLIMIT_##resource },
	CONFIG_LIMITS(LIMIT_ROW)
#undef LIMIT_ROW
};
_Static_assert(nitems(limits) <= SPAWN_LIMITS_MAX, "an order holds them all");

static bool
read_limit(const cJSON *v, uint64_t *out)
{
	if (cJSON_IsString(v) && strcmp(v->valuestring, "unlimited") == 0) {
		*out = RLIM_INFINITY;
		return true;
	}
	return read_size(v, out);
}

static bool
read_limit_pair(const cJSON *v, struct spawn_limit *out)
{
	if (!cJSON_IsArray(v)) {
		if (!read_limit(v, &out->soft))
			return false;
		out->hard = out->soft;
		return true;
	}
	return cJSON_GetArraySize(v) == 2 &&
	    read_limit(v->child, &out->soft) &&
	    read_limit(v->child->next, &out->hard);
}

static void
read_one_limit(struct reader *r, struct draft *d, const cJSON *item)
{
	struct guess guess = { .word = item->string };
	cJSON text = { .type = cJSON_String, .valuestring = item->string };
	struct spawn_limit limit = { 0 };
	char got[64], words[96];
	size_t i;

	for (i = 0; i < nitems(limits); i++) {
		if (strcmp(limits[i].name, item->string) == 0)
			break;
		guess_try(&guess, limits[i].name);
	}
	json_describe(i < nitems(limits) ? item : &text, got, sizeof(got));
	if (i == nitems(limits)) {
		tell_key(r, item, "unknown limit %s%s", got, guess.best != NULL
		    ? guess_words(&guess, words, sizeof(words)) :
		    ": nofile, nproc, core, as, ... are in otpd.json(5)");
		return;
	}
	limit.resource = limits[i].resource;
	if (!read_limit_pair(item, &limit))
		tell_at(r, item, "limit `%s` must be a number, a string such "
		    "as \"64M\", \"unlimited\" or [soft, hard] with soft not "
		    "above hard, not %s", item->string, got);
	else if (limit.soft > limit.hard)
		tell_at(r, item, "limit `%s` is [soft, hard]: the soft one is "
		    "above the hard one; exchange them", item->string);
	else if (d->nlimits < SPAWN_LIMITS_MAX)
		d->limits[d->nlimits++] = limit;
}

enum verdict
key_limits(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	const cJSON *item;

	(void)key;
	if (!cJSON_IsObject(v))
		return VALUE_BAD;
	cJSON_ArrayForEach(item, v)
		read_one_limit(r, d, item);
	return VALUE_GOOD;
}

/* More descriptors than that the kernel grants to nobody. */
static uint64_t
nofile_max(void)
{
	int fd = open("/proc/sys/fs/nr_open", O_RDONLY | O_CLOEXEC);
	char text[24];
	uint64_t max = 0;
	ssize_t n;

	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
		text[n > 0 ? n : 0] = '\0';
		max = strtoull(text, NULL, 10);
	}
	return max > 0 ? max : RLIM_INFINITY;
}

const char *
config_limit_refused(const struct spawn_limit *list, uint32_t n)
{
	struct rlimit own;

	for (uint32_t i = 0; i < n; i++) {
		const struct spawn_limit *l = &list[i];
		bool refused = l->resource == RLIMIT_NOFILE &&
		    l->hard > nofile_max();

		if (!refused && geteuid() != 0 &&
		    getrlimit((int)l->resource, &own) == 0)
			refused = l->hard > own.rlim_max;
		for (size_t k = 0; refused && k < nitems(limits); k++)
			if (limits[k].resource == l->resource)
				return limits[k].name;
	}
	return NULL;
}
