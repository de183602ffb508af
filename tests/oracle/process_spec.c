/* SPDX-License-Identifier: ISC */
/*
 * A scenario's tree as otpd's configuration.  A worker is one small program,
 * told apart by its arguments.
 */
#include "process_spec.h"

#include <string.h>

static const char *
string_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : "";
}

static bool
is(const cJSON *object, const char *key, const char *value)
{
	return strcmp(string_of(object, key), value) == 0;
}

static void
add_worker(const struct rig *r, const cJSON *from, cJSON *to)
{
	const char *on_stop = string_of(from, "on_stop"), *id;
	const char *start[4] = { r->worker, r->dir,
	    *on_stop != '\0' ? on_stop : "obey" };

	id = string_of(from, "id");
	start[3] = id;		/* an instance's name is its argument */
	(void)cJSON_AddItemToObject(to, "start", cJSON_CreateStringArray(start,
	    *id != '\0' ? 4 : 3));
	(void)cJSON_AddStringToObject(to, "ready", "notify");
	(void)cJSON_AddStringToObject(to, "stdout", "null");
	(void)cJSON_AddStringToObject(to, "stderr", "null");
}

cJSON *
spec_child(const struct rig *r, const cJSON *from)
{
	static const struct { const char *theirs, *ours; } keys[] = {
		{ "id", "id" }, { "type", "type" }, { "restart", "restart" },
		{ "shutdown", "shutdown" }, { "significant", "significant" },
		{ "strategy", "strategy" }, { "intensity", "max_restarts" },
		{ "period", "max_seconds" },
		{ "auto_shutdown", "auto_shutdown" } };
	cJSON *to = cJSON_CreateObject(), *array;
	const cJSON *item;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		item = cJSON_GetObjectItemCaseSensitive(from, keys[i].theirs);
		if (item != NULL)
			(void)cJSON_AddItemToObject(to, keys[i].ours,
			    cJSON_Duplicate(item, 1));
	}
	if (!is(from, "type", "supervisor")) {
		add_worker(r, from, to);
		return to;
	}
	item = cJSON_GetObjectItem(from, "template");
	if (item != NULL) {
		(void)cJSON_AddItemToObject(to, "template",
		    spec_child(r, item));
		return to;
	}
	array = cJSON_AddArrayToObject(to, "children");
	cJSON_ArrayForEach(item, cJSON_GetObjectItem(from, "children"))
		(void)cJSON_AddItemToArray(array, spec_child(r, item));
	return to;
}

char *
spec_config(const struct rig *r, const cJSON *tree)
{
	cJSON *root = spec_child(r, tree);
	char *text;

	cJSON_DeleteItemFromObject(root, "id");
	(void)cJSON_AddStringToObject(root, "compat", "otp");
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}
