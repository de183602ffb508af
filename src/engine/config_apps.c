/* SPDX-License-Identifier: ISC */
/*
 * The applications of a configuration: a file each, read as children of the
 * root that the engine starts in the order of need.  Never starts any.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/config_value.h"
#include "engine/out.h"

#define APPS_MAX	1000
#define ENV_DEPTH_MAX	32	/* the text has it two levels deeper */

static cJSON *
must(cJSON *item)
{
	if (item == NULL)
		abort();
	return item;
}

static cJSON *
copy_of(const cJSON *item)
{
	return must(cJSON_Duplicate(item, true));
}

static void
put_member(cJSON *object, const char *key, cJSON *value)
{
	cJSON *old = json_member(object, key);

	if (old != NULL)
		cJSON_Delete(cJSON_DetachItemViaPointer(object, old));
	if (!cJSON_AddItemToObject(object, key, value))
		abort();
}

/* --- values --- */

static bool
too_deep(const cJSON *value, unsigned depth)
{
	const cJSON *item;

	if (depth > ENV_DEPTH_MAX)
		return true;
	cJSON_ArrayForEach(item, value)
		if (too_deep(item, depth + 1))
			return true;
	return false;
}

enum verdict
read_app_env(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	char got[64];

	(void)key;
	if (d->where == KEY_APPS && (cJSON_IsArray(v) || cJSON_IsString(v)))
		return VALUE_GOOD;	/* judged when they are merged */
	if (!cJSON_IsObject(v)) {
		json_describe(v, got, sizeof(got));
		tell_at(r, v, d->where == KEY_APP ? "`env` of an application "
		    "must be an object of any values, not %s" : "`env` must "
		    "be an object with an object for each application, a "
		    "file of it, or an array of these, not %s", got);
		return VALUE_TOLD;
	}
	if (!too_deep(v, 0))
		return VALUE_GOOD;
	tell_key(r, v, "`env` is deeper than %d levels", ENV_DEPTH_MAX);
	return VALUE_TOLD;
}

static enum verdict
read_needs(struct reader *r, const cJSON *v)
{
	const cJSON *item;
	char got[64];

	if (!cJSON_IsArray(v)) {
		json_describe(v, got, sizeof(got));
		tell_at(r, v, "`applications` of an application must be an "
		    "array of the names of those it needs, not %s", got);
		return VALUE_TOLD;
	}
	cJSON_ArrayForEach(item, v) {
		if (cJSON_IsString(item))
			continue;
		json_describe(item, got, sizeof(got));
		tell_at(r, item, "`applications` must be names of "
		    "applications; this one is %s", got);
		return VALUE_TOLD;
	}
	return VALUE_GOOD;
}

enum verdict
key_applications(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	(void)key;
	if (d->where == KEY_APP)
		return read_needs(r, v);
	if (cJSON_IsString(v) && v->valuestring[0] == '\0')
		return VALUE_BAD;
	return cJSON_IsString(v) || cJSON_IsObject(v) || cJSON_IsArray(v) ?
	    VALUE_GOOD : VALUE_BAD;
}

/* --- which there are --- */

static struct app *
add_app(struct reader *r, struct apps *apps, const char *name)
{
	struct app *app = arena_alloc(&r->arena, sizeof(*app));
	struct app **at;

	if (apps->n == apps->size) {
		apps->size = apps->size > 0 ? apps->size * 2 : 16;
		at = arena_alloc(&r->arena, apps->size * sizeof(*at));
		if (apps->n > 0)
			memcpy(at, apps->at, apps->n * sizeof(*at));
		apps->at = at;
	}
	app->name = arena_printf(&r->arena, "%s", name);
	app->source = r->source;
	apps->at[apps->n++] = app;
	return app;
}

static bool
name_ok(struct reader *r, const cJSON *item, const char *name)
{
	if (id_valid(name))
		return true;
	tell_at(r, item, "`%s` cannot name an application: give 1 to 64 "
	    "letters, digits, `_`, `.` or `-`, the first no `.` or `-`", name);
	return false;
}

static void
open_app(struct reader *r, struct apps *apps, const char *folder,
    const char *entry, const cJSON *item)
{
	const char *name = arena_printf(&r->arena, "%.*s",
	    (int)(strlen(entry) - strlen(".json")), entry);
	struct app *app;

	if (!name_ok(r, item, name))
		return;
	app = add_app(r, apps, name);
	if (source_open(r, arena_printf(&r->arena, "%s%s%s", folder,
	    folder[strlen(folder) - 1] == '/' ? "" : "/", entry), item,
	    &app->file)) {
		app->source = &app->file;
		app->object = app->file.doc.root;
		app->file.doc.root = NULL;
	}
}

static void
open_folder(struct reader *r, struct apps *apps, const cJSON *item)
{
	const char *folder = path_beside(r, item->valuestring);
	struct dirent **entries;
	int i, n = list_folder(folder, &entries);

	apps->where = arena_printf(&r->arena, "the folder `%s`", folder);
	if (n < 0) {
		tell_file(r, folder, item, strerror(-n));
		return;
	}
	if (n > APPS_MAX)
		tell_at(r, item, "`%s` has more than %d applications", folder,
		    APPS_MAX);
	for (i = 0; i < n; i++) {
		if (n <= APPS_MAX)
			open_app(r, apps, folder, entries[i]->d_name, item);
		free(entries[i]);
	}
	free(entries);
}

/* Written out in the root; so has them the text that an engine restores. */
static void
take_array(struct reader *r, struct apps *apps, cJSON *array)
{
	struct app *app;
	cJSON *object, *id;

	apps->where = "`applications`";
	if (cJSON_GetArraySize(array) > APPS_MAX) {
		tell_at(r, array, "more than %d applications", APPS_MAX);
		return;
	}
	while ((object = array->child) != NULL) {
		(void)cJSON_DetachItemViaPointer(array, object);
		id = json_member(object, "id");
		if (!cJSON_IsString(id)) {
			tell_at(r, object, "an application that is written "
			    "here is an object with `id` and `tree`");
			cJSON_Delete(object);
			continue;
		}
		if (!name_ok(r, id, id->valuestring)) {
			cJSON_Delete(object);
			continue;
		}
		app = add_app(r, apps, id->valuestring);
		app->object = object;
	}
}

struct app *
app_find(const struct apps *apps, const char *name)
{
	size_t i;

	for (i = 0; i < apps->n; i++)
		if (strcmp(apps->at[i]->name, name) == 0)
			return apps->at[i];
	return NULL;
}

/* --- what the root says of their env --- */

/* Objects are merged, whatever else is there is replaced. */
static void
merge(cJSON *into, const cJSON *from)
{
	const cJSON *item;
	cJSON *old;

	cJSON_ArrayForEach(item, from) {
		old = json_member(into, item->string);
		if (cJSON_IsObject(old) && cJSON_IsObject(item))
			merge(old, item);
		else
			put_member(into, item->string, copy_of(item));
	}
}

/* An object for each application. */
static void
merge_env(struct reader *r, const struct apps *apps, const cJSON *from,
    cJSON *into)
{
	struct guess guess;
	const cJSON *item;
	char words[96];
	size_t i;

	cJSON_ArrayForEach(item, from) {
		guess = (struct guess){ .word = item->string };
		for (i = 0; i < apps->n; i++)
			guess_try(&guess, apps->at[i]->name);
		if (app_find(apps, item->string) == NULL)
			tell_key(r, item, "there is no application `%s` in "
			    "%s%s", item->string, apps->where,
			    guess_words(&guess, words, sizeof(words)));
		else if (!cJSON_IsObject(item))
			tell_at(r, item, "what `env` says of an application "
			    "must be an object");
	}
	if (!too_deep(from, 0))
		merge(into, from);
	else
		tell_at(r, from, "`env` is deeper than %d levels",
		    ENV_DEPTH_MAX + 1);
}

static void
merge_file(struct reader *r, const struct apps *apps, const cJSON *item,
    cJSON *into)
{
	const struct source *keep = r->source;
	struct source s;

	if (!source_open(r, path_beside(r, item->valuestring), item, &s))
		return;
	r->source = &s;
	if (cJSON_IsObject(s.doc.root))
		merge_env(r, apps, s.doc.root, into);
	else
		tell_at(r, s.doc.root, "a file of `env` must be an object "
		    "with an object for each application");
	r->source = keep;
	json_doc_done(&s.doc);
}

static void
read_env(struct reader *r, const struct apps *apps, const cJSON *value,
    cJSON *into)
{
	const cJSON *item;

	if (cJSON_IsString(value))
		merge_file(r, apps, value, into);
	else if (cJSON_IsObject(value))
		merge_env(r, apps, value, into);
	if (!cJSON_IsArray(value))
		return;
	cJSON_ArrayForEach(item, value) {
		if (cJSON_IsString(item))
			merge_file(r, apps, item, into);
		else if (cJSON_IsObject(item))
			merge_env(r, apps, item, into);
		else
			tell_at(r, item, "`env` has objects and files only");
	}
}

/* --- one of them --- */

/* Defaults first; of what the root has said too, a key counts as a whole. */
static void
settle_env(struct app *app, const cJSON *given)
{
	const cJSON *item;
	cJSON *env = json_member(app->object, "env");

	if (env == NULL)
		env = must(cJSON_AddObjectToObject(app->object, "env"));
	cJSON_ArrayForEach(item, given)
		put_member(env, item->string, copy_of(item));
}

static void
settle_text(struct reader *r, struct app *app)
{
	static const char *const types[] = {
		[APP_TEMPORARY] = "temporary", [APP_TRANSIENT] = "transient",
		[APP_PERMANENT] = "permanent",
	};
	const struct draft *d = &app->draft;
	const cJSON *needs = json_member(app->object, "applications");
	cJSON *o = must(cJSON_CreateObject());
	char *text;

	if (d->vsn != NULL)
		put_member(o, "vsn", must(cJSON_CreateString(d->vsn)));
	put_member(o, "start_type",
	    must(cJSON_CreateString(types[d->start_type])));
	put_member(o, "autostart", must(cJSON_CreateBool(d->autostart)));
	put_member(o, "applications", needs != NULL ? copy_of(needs) :
	    must(cJSON_CreateArray()));
	put_member(o, "env", copy_of(json_member(app->object, "env")));
	text = cJSON_PrintUnformatted(o);
	if (text == NULL)
		abort();
	app->text = arena_printf(&r->arena, "%s", text);
	cJSON_free(text);
	cJSON_Delete(o);
}

/*
 * Keys of a supervisor that an application settles in its own way are told, and
 * taken out, for the rest to be read.
 */
static void
check_tree(struct reader *r, cJSON *tree)
{
	static const struct { const char *key, *why; } rows[] = {
		{ "id", "it is called as the application" },
		{ "restart", "`start_type` says what its end means" },
		{ "significant", "`start_type` says what its end means" },
		{ "shutdown", "it has all the time it needs" },
		{ "down", "use `autostart`" },
	};
	cJSON *item;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		item = json_member(tree, rows[i].key);
		if (item == NULL)
			continue;
		tell_key(r, item, "the `tree` of an application has no `%s`: "
		    "%s", rows[i].key, rows[i].why);
		cJSON_Delete(cJSON_DetachItemViaPointer(tree, item));
	}
	item = json_member(tree, "type");
	if (!cJSON_IsString(item) || strcmp(item->valuestring, "worker") != 0)
		return;
	tell_at(r, item, "the `tree` of an application is a supervisor: "
	    "leave `type` out");
	cJSON_Delete(cJSON_DetachItemViaPointer(tree, item));
}

void
draft_be_app(struct draft *d)
{
	d->spec.restart = CORE_TRANSIENT;	/* nothing starts it again */
	d->spec.down = true;			/* the engine starts it */
	if (d->description == NULL)
		d->description = d->app->draft.description;
}

void
env_set_app(struct reader *r, struct env *env, const struct draft *d)
{
	if (d->app != NULL)
		env_set(r, env, "OTP_APP", d->app->name);
}

static void
read_tree(struct reader *r, struct app *app, const struct draft *root,
    const struct scope *scope)
{
	cJSON *tree = json_member(app->object, "tree"), *id;

	id = must(cJSON_AddStringToObject(tree, "id", app->name));
	id->valueint = -1;		/* it has no place */
	r->app = app;
	app->spec = read_child(r, tree, root, scope, 0, KEY_SUP, false);
	cJSON_Delete(cJSON_DetachItemViaPointer(tree, id));
}

/* Its own keys; false when there is no tree to be read. */
static bool
read_keys(struct reader *r, struct app *app, const cJSON *env)
{
	const struct draft *d = &app->draft;
	const cJSON *id;
	char got[64];

	if (!cJSON_IsObject(app->object)) {
		json_describe(app->object, got, sizeof(got));
		tell_at(r, app->object, "an application must be an object "
		    "with `tree`, not %s", got);
		return false;
	}
	draft_init(r, &app->draft, app->object, KEY_APP, NULL);
	read_members(r, &app->draft);
	id = d->given[KEY_id];
	if (cJSON_IsString(id) && strcmp(id->valuestring, app->name) != 0)
		tell_at(r, id, "the application in this file is called `%s`: "
		    "leave `id` out, or rename the file", app->name);
	if (d->given[KEY_tree] == NULL && !d->meant[KEY_tree])
		tell_at(r, app->object, "`tree` is missing: give the "
		    "application's supervisor, as in \"tree\": "
		    "{\"children\": []}");
	if (!cJSON_IsObject(d->given[KEY_tree]))
		return false;
	check_tree(r, json_member(app->object, "tree"));
	if (d->errors_before == r->config->nerrors) {
		settle_env(app, json_member(env, app->name));
		settle_text(r, app);
	}
	return true;
}

static void
read_app(struct reader *r, struct app *app, const struct draft *root,
    const struct scope *scope, const cJSON *env, struct strmap *ids)
{
	const struct source *keep = r->source;
	struct json_place at;
	struct origin *first;
	size_t before;
	bool ok;

	if (app->object == NULL || !count_child(r, app->object))
		return;
	r->source = app->source;
	before = path_push(r, app->name, 0);
	ok = read_keys(r, app, env);
	first = strmap_put(ids, app->name, origin_of(r, app->object));
	if (first != NULL) {
		at = first->at;
		tell_at(r, app->object, "the name `%s` is taken by the child "
		    "at %s:%u:%u: rename one of them", app->name, first->file,
		    at.line, at.column);
	}
	path_pop(r, before);
	if (ok)
		read_tree(r, app, root, scope);
	r->source = keep;
}

/* --- all of them --- */

static void
collect(struct reader *r, struct apps *apps, struct draft *settings,
    cJSON *value)
{
	const cJSON *folder = value;

	if (cJSON_IsArray(value)) {
		take_array(r, apps, value);
		return;
	}
	if (cJSON_IsObject(value)) {
		draft_init(r, settings, value, KEY_APPS, NULL);
		read_members(r, settings);
		folder = settings->given[KEY_folder];
		if (folder == NULL)
			tell_at(r, value, "`folder` is missing: say where the "
			    "applications are, as in \"folder\": "
			    "\"applications\"");
	}
	if (cJSON_IsString(folder) && folder->valuestring[0] != '\0')
		open_folder(r, apps, folder);
}

/* In the text they stand in the root, each behind those it needs. */
static void
hand_over(struct draft *root, struct apps *apps,
    const struct core_spec **tail)
{
	cJSON *array = must(cJSON_CreateArray());
	struct app *app;
	size_t i;

	for (i = 0; i < apps->n; i++) {
		app = apps->at[i];
		if (app->spec != NULL) {
			*tail = app->spec;
			tail = &app->spec->next;
		}
		if (app->object != NULL) {
			if (cJSON_IsObject(app->object) &&
			    json_member(app->object, "id") == NULL)
				put_member(app->object, "id",
				    must(cJSON_CreateString(app->name)));
			(void)cJSON_AddItemToArray(array, app->object);
		}
		json_doc_done(&app->file.doc);
	}
	put_member(root->object, "applications", array);
	root->given[KEY_applications] = NULL;
}

void
read_apps(struct reader *r, struct draft *root,
    const struct scope *scope, struct strmap *ids,
    const struct core_spec **tail)
{
	const cJSON *at = root->given[KEY_applications];
	cJSON *value = json_member(root->object, "applications");
	cJSON *env = must(cJSON_CreateObject());
	struct apps apps = { .where = "`applications`" };
	struct draft settings = { .where = KEY_APPS };
	size_t i;

	if (root->spec.strategy != CORE_ONE_FOR_ONE)
		tell_key(r, at, "applications need a root that is "
		    "one_for_one: put the children that belong together "
		    "under a supervisor of their own");
	collect(r, &apps, &settings, value);
	read_env(r, &apps, settings.given[KEY_env], env);
	r->depth++;		/* the text has them a level deeper */
	for (i = 0; i < apps.n; i++)
		read_app(r, apps.at[i], root, scope, env, ids);
	r->depth--;
	order_apps(r, &apps);
	hand_over(root, &apps, tail);
	cJSON_Delete(env);
}
