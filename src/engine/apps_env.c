/* SPDX-License-Identifier: ISC */
/*
 * The env of applications: what the configuration says, and over it what was
 * set at run time, which is kept across engines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/apps.h"
#include "engine/control.h"
#include "engine/worker.h"

#define VARS_MAX	10000U
#define VALUE_MAX	(64U * 1024)
#define ENV_BYTES_MAX	(16U * 1024 * 1024)	/* names and values, in all */

struct app_var {
	struct app_var	*next;
	uint64_t	 key;		/* in the snapshot */
	char		*app, *name;
	char		*value;		/* JSON */
};

static uint32_t
mix(uint32_t hash, const char *text)
{
	do
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	while (*text++ != '\0');
	return hash;
}

static struct app_var **
find(struct engine *e, const char *app, const char *name)
{
	struct app_var **at = &e->app_vars[mix(mix(2166136261u, app), name) %
	    APP_VARS_BUCKETS];

	while (*at != NULL && (strcmp((*at)->app, app) != 0 ||
	    strcmp((*at)->name, name) != 0))
		at = &(*at)->next;
	return at;
}

static void
save(struct engine *e, const struct app_var *v)
{
	struct out o = { 0 };

	out_bytes(&o, v->app, strlen(v->app) + 1);
	out_bytes(&o, v->name, strlen(v->name) + 1);
	out_bytes(&o, v->value, strlen(v->value));
	store_put(e->store, STORE_APP_ENV, v->key, o.text, o.len);
	out_done(&o);
	e->changed = true;
}

void
app_env_save_all(struct engine *e)
{
	for (size_t i = 0; i < APP_VARS_BUCKETS; i++)
		for (struct app_var *v = e->app_vars[i]; v != NULL;
		    v = v->next)
			save(e, v);
}

static size_t
size_of(const char *app, const char *name, const char *value)
{
	return strlen(app) + strlen(name) + strlen(value);
}

static struct app_var *
add(struct engine *e, uint64_t key, const char *app, const char *name,
    const char *value)
{
	struct app_var **at = find(e, app, name);
	struct app_var *v = xcalloc(1, sizeof(*v));

	v->key = key;
	v->app = xstrdup(app);
	v->name = xstrdup(name);
	v->value = xstrdup(value);
	v->next = *at;
	*at = v;
	e->napp_vars++;
	e->app_vars_bytes += size_of(app, name, value);
	return v;
}

void
app_env_restore(struct engine *e, uint64_t key, const char *record, size_t len)
{
	char *text = xcalloc(1, len + 3);	/* three strings in any case */
	const char *name, *value;

	memcpy(text, record, len);
	name = text + strlen(text) + 1;
	value = name + strlen(name) + 1;
	if (key > e->next_key)
		e->next_key = key;
	(void)add(e, key, text, name, value);
	free(text);
}

static void
drop(struct engine *e, struct app_var **at)
{
	struct app_var *v = *at;

	*at = v->next;
	e->napp_vars--;
	e->app_vars_bytes -= size_of(v->app, v->name, v->value);
	free(v->app);
	free(v->name);
	free(v->value);
	free(v);
}

static void
sweep(struct engine *e, struct app_var **at)
{
	while (*at != NULL) {
		if (app_slot(e, (*at)->app) != CORE_NONE) {
			at = &(*at)->next;
			continue;
		}
		store_put(e->store, STORE_APP_ENV, (*at)->key, "", 0);
		e->changed = true;
		drop(e, at);
	}
}

void
app_env_sweep(struct engine *e)
{
	for (size_t i = 0; i < APP_VARS_BUCKETS && e->napp_vars > 0; i++)
		sweep(e, &e->app_vars[i]);
}

void
app_env_free(struct engine *e)
{
	for (size_t i = 0; i < APP_VARS_BUCKETS; i++)
		while (e->app_vars[i] != NULL)
			drop(e, &e->app_vars[i]);
}

/* --- requests --- */

/* The application that is named, or the caller's own; NULL: refused. */
static const char *
which(struct engine *e, const struct caller *c, uint32_t *out_slot)
{
	const char *name = control_string(c, "application");

	if (name != NULL) {
		*out_slot = app_slot(e, name);
		if (*out_slot != CORE_NONE)
			return name;
		control_refuse(e, c, "not_found", "there is no application %s",
		    name);
		return NULL;
	}
	*out_slot = worker_is_link(c->peer) ?
	    app_of(e, worker_slot(c->peer)) : CORE_NONE;
	if (*out_slot == CORE_NONE) {
		control_refuse(e, c, "not_found", "it belongs to no "
		    "application: name one");
		return NULL;
	}
	engine_set_path(e, *out_slot);
	return engine_child(e, *out_slot)->path;
}

static void
put_value(struct out *o, const char *key, const cJSON *item)
{
	char *text = cJSON_PrintUnformatted(item);

	out_key(o, key);
	out_text(o, text != NULL ? text : "null");
	cJSON_free(text);
}

static void
put_all(struct engine *e, const char *app, const cJSON *env, struct out *o)
{
	const struct app_var *v;
	const cJSON *item;

	out_key(o, "env");
	out_text(o, "{");
	cJSON_ArrayForEach(item, env)
		if (*find(e, app, item->string) == NULL)
			put_value(o, item->string, item);
	for (size_t i = 0; i < APP_VARS_BUCKETS; i++)
		for (v = e->app_vars[i]; v != NULL; v = v->next) {
			if (strcmp(v->app, app) != 0)
				continue;
			out_key(o, v->name);
			out_text(o, v->value);
		}
	out_text(o, "}");
}

/* One value; without a key, all. */
void
op_get_env(struct engine *e, const struct caller *c)
{
	uint32_t slot;
	const char *app = which(e, c, &slot);
	const char *key = control_string(c, "key");
	const struct app_var *v;
	const cJSON *env, *item;
	cJSON *properties;
	struct out o = { 0 };

	if (app == NULL)
		return;
	properties = app_properties(e, slot);
	env = cJSON_GetObjectItemCaseSensitive(properties, "env");
	out_text(&o, "{");
	out_key_string(&o, "application", app);
	if (key == NULL) {
		put_all(e, app, env, &o);
	} else if ((v = *find(e, app, key)) != NULL) {
		out_key(&o, "value");
		out_text(&o, v->value);
	} else if ((item = cJSON_GetObjectItemCaseSensitive(env, key)) !=
	    NULL) {
		put_value(&o, "value", item);
	} else {
		out_key_string(&o, "error", "undefined");
		out_key_string(&o, "message", "the application's env has no "
		    "such key");
	}
	out_text(&o, "}");
	cJSON_Delete(properties);
	engine_reply(e, c->peer, c->ref, &o);
}

static void
set(struct engine *e, const char *app, const char *key, const char *value)
{
	struct app_var *v = *find(e, app, key);

	if (v == NULL) {
		v = add(e, ++e->next_key, app, key, value);
	} else {
		e->app_vars_bytes += strlen(value);
		e->app_vars_bytes -= strlen(v->value);
		replace_string(&v->value, value);
	}
	save(e, v);
}

/* False: refused. */
static bool
has_room(struct engine *e, const struct caller *c, const char *app,
    const char *key, const char *value)
{
	const struct app_var *v = *find(e, app, key);
	size_t bytes = e->app_vars_bytes + size_of(app, key, value);

	if (v != NULL)
		bytes -= size_of(v->app, v->name, v->value);
	if (strlen(value) > VALUE_MAX || strlen(key) > 255)
		control_refuse(e, c, "invalid", "a value has at most %u "
		    "bytes, a key 255", VALUE_MAX);
	else if (v == NULL && e->napp_vars >= VARS_MAX)
		control_refuse(e, c, "full", "%u values are set already",
		    VARS_MAX);
	else if (bytes > ENV_BYTES_MAX)
		control_refuse(e, c, "full", "the values that are set have at "
		    "most %u MiB in all", ENV_BYTES_MAX / 1024 / 1024);
	else
		return true;
	return false;
}

void
op_set_env(struct engine *e, const struct caller *c)
{
	uint32_t slot;
	const char *app = which(e, c, &slot), *key;
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(c->request,
	    "value");
	char *text;

	if (app == NULL || (key = control_needed(e, c, "key")) == NULL)
		return;
	text = value != NULL ? cJSON_PrintUnformatted(value) : NULL;
	if (text == NULL || key[0] == '\0') {
		control_refuse(e, c, "invalid", "the request lacks a value, "
		    "or its key is empty");
	} else if (has_room(e, c, app, key, text)) {
		set(e, app, key, text);
		control_ok(e, c);
	}
	cJSON_free(text);
}
