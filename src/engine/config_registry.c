/* SPDX-License-Identifier: ISC */
/*
 * "registries" of the root: what each is called and made of.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/config_value.h"
#include "engine/out.h"

#define REGISTRIES_MAX	512	/* of the 1024 that there may be */
#define ENTRIES		1000000U
#define ENTRIES_MAX	100000000
#define LISTENERS_MAX	64

static void
free_registry(struct config_registry *g)
{
	free(g->name);
	for (uint32_t i = 0; i < g->nlisteners; i++)
		free(g->listeners[i]);
	free(g->listeners);
}

void
config_free_registries(struct config_options *o)
{
	for (uint32_t i = 0; i < o->nregistries; i++)
		free_registry(&o->registries[i]);
	free(o->registries);
	o->registries = NULL;
	o->nregistries = 0;
}

enum verdict
key_keys(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	static const struct word words[] = {
		{ "unique", 1 }, { "duplicate", 0 }, { NULL, 0 }
	};
	enum verdict verdict;
	int value;

	verdict = read_word(r, key, v, words, &value);
	if (verdict == VALUE_GOOD)
		d->registry->unique = value != 0;
	return verdict;
}

enum verdict
key_max_entries(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	int64_t n;

	(void)r, (void)key;
	if (!json_integer(v, 1, ENTRIES_MAX, &n))
		return VALUE_BAD;
	d->registry->max_entries = (uint32_t)n;
	return VALUE_GOOD;
}

enum verdict
key_listeners(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	struct config_registry *g = d->registry;
	const cJSON *item;
	char got[64];

	if (!cJSON_IsArray(v) || cJSON_GetArraySize(v) > LISTENERS_MAX)
		return VALUE_BAD;
	g->listeners = xcalloc((size_t)cJSON_GetArraySize(v) + 1,
	    sizeof(*g->listeners));
	cJSON_ArrayForEach(item, v) {
		if (cJSON_IsString(item) && id_valid(item->valuestring)) {
			g->listeners[g->nlisteners++] =
			    xstrdup(item->valuestring);
			continue;
		}
		json_describe(item, got, sizeof(got));
		tell_at(r, item, "`%s` must be %s; this one is %s", key->name,
		    key->want, got);
		return VALUE_TOLD;
	}
	return VALUE_GOOD;
}

static void
read_registry(struct reader *r, struct config_registry *g, cJSON *item)
{
	struct draft d = { .object = item, .where = KEY_REGISTRY,
	    .registry = g };
	char got[64];

	g->name = xstrdup(item->string);
	g->max_entries = ENTRIES;
	if (!id_valid(item->string)) {
		tell_key(r, item, "a registry's name must be 1 to 64 letters, "
		    "digits, `_`, `.` or `-`, the first no `.` or `-`");
		return;
	}
	if (!cJSON_IsObject(item)) {
		json_describe(item, got, sizeof(got));
		tell_at(r, item, "a registry must be an object such as "
		    "{\"keys\": \"unique\"}, not %s", got);
		return;
	}
	read_members(r, &d);
	if (d.given[KEY_keys] == NULL && !d.meant[KEY_keys])
		tell_key(r, item, "`keys` is missing: write \"unique\" or "
		    "\"duplicate\"");
}

enum verdict
key_registries(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	struct config_options *o = &r->config->options;
	cJSON *item;

	(void)d, (void)key;
	if (!cJSON_IsObject(v))
		return VALUE_BAD;
	if (cJSON_GetArraySize(v) > REGISTRIES_MAX) {
		tell_at(r, v, "there are more than %d registries",
		    REGISTRIES_MAX);
		return VALUE_TOLD;
	}
	o->registries = xcalloc((size_t)cJSON_GetArraySize(v) + 1,
	    sizeof(*o->registries));
	cJSON_ArrayForEach(item, v)
		read_registry(r, &o->registries[o->nregistries++], item);
	return VALUE_GOOD;
}
