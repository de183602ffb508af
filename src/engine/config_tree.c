/* SPDX-License-Identifier: ISC */
/*
 * The tree: supervisors, their children, and what those inherit.  Recursion is
 * bounded by TREE_DEPTH_MAX.
 */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config_read.h"
#include "engine/out.h"

struct family {			/* a supervisor's children as they come in */
	struct draft		*sup;
	const struct scope	*scope;
	cJSON			*array;		/* "children", for the text */
	struct strmap		 ids;
	const struct core_spec	*first, **tail;
	unsigned		 n;
};

static const struct log_settings log_default = {
	.max_bytes = 10 * 1024 * 1024, .keep = 5
};

void
draft_init(struct reader *r, struct draft *d, cJSON *object, unsigned where,
    const struct scope *scope)
{
	memset(d, 0, sizeof(*d));
	d->object = object;
	d->where = where;
	d->errors_before = r->config->nerrors;
	d->spec.type = where & KEY_SUPS ? CORE_SUPERVISOR : CORE_WORKER;
	d->spec.shutdown_ms = where & KEY_SUPS ? CORE_INFINITY : 5000;
	d->spec.max_restarts = 3;
	d->spec.max_children = CORE_INFINITY;
	d->spec.period_ms = 5000;
	d->start_timeout_ms = CORE_INFINITY;
	d->stop_signal = SIGTERM;
	d->log = scope != NULL ? scope->log : log_default;
	d->autostart = true;
	d->size = 5;
	d->max_overflow = 10;
	d->cwd = "/";
	d->out = d->err = SPAWN_DEST_LOG;
	d->umask = SPAWN_KEEP;
}

size_t
path_push(struct reader *r, const char *id, unsigned index)
{
	const size_t before = r->path_len;
	int n;

	if (id != NULL)
		n = snprintf(r->path + before, PATH_SIZE - before, "%s%s",
		    before > 0 ? "/" : "", id);
	else
		n = snprintf(r->path + before, PATH_SIZE - before, "%s#%u",
		    before > 0 ? "/" : "", index + 1);
	assert(n > 0 && before + (size_t)n < PATH_SIZE);
	r->path_len = before + (size_t)n;
	return before;
}

void
path_pop(struct reader *r, size_t before)
{
	r->path[before] = '\0';
	r->path_len = before;
}

struct origin *
origin_of(struct reader *r, const cJSON *item)
{
	struct origin *o = arena_alloc(&r->arena, sizeof(*o));

	o->file = r->source->name;
	o->at = json_value_place(&r->source->doc, item);
	return o;
}

static struct core_spec *
spec_new(const struct draft *d, const char *id)
{
	const size_t len = strlen(id) + 1;
	struct core_spec *spec = xcalloc(1, sizeof(*spec) + len);

	*spec = d->spec;
	spec->id = memcpy(spec + 1, id, len);
	return spec;
}

static void
scope_fill(struct reader *r, struct scope *scope, const struct scope *parent,
    const struct draft *d)
{
	size_t i;

	memset(scope, 0, sizeof(*scope));
	scope->log = d->log;
	scope->log_given = d->given[KEY_log] != NULL ||
	    (parent != NULL && parent->log_given);
	for (i = 0; parent != NULL && i < parent->env.n; i++)
		env_set(r, &scope->env, parent->env.vars[i].name,
		    parent->env.vars[i].value);
	env_set_partition(r, &scope->env, d);
	env_set_app(r, &scope->env, d);
	env_apply(r, &scope->env, d->given[KEY_env]);
}

void
read_scope(struct reader *r, cJSON *object, struct scope *out_scope,
    struct draft *out_sup)
{
	draft_init(r, out_sup, object, KEY_SUP, NULL);
	if (object != NULL)
		read_members(r, out_sup);
	scope_fill(r, out_scope, NULL, out_sup);
}

static void
add_child(struct reader *r, struct family *f, cJSON *item)
{
	struct core_spec *spec;
	struct origin *first;
	const cJSON *id;

	if (!count_child(r, item))
		return;
	spec = read_child(r, item, f->sup, f->scope, f->n++, 0, false);
	if (spec == NULL)
		return;
	*f->tail = spec;
	f->tail = &spec->next;
	id = json_member(item, "id");
	if (spec->id[0] == '\0' || !cJSON_IsString(id))
		return;
	first = strmap_put(&f->ids, id->valuestring, origin_of(r, id));
	if (first != NULL)
		tell_at(r, id, "id `%s` is taken by the child at %s:%u:%u: "
		    "give each child of a supervisor its own",
		    id->valuestring, first->file, first->at.line,
		    first->at.column);
}

static void
include_child(struct reader *r, void *arg, cJSON *child)
{
	struct family *f = arg;

	add_child(r, f, child);
	(void)cJSON_AddItemToArray(f->array, child);
}

static void
read_includes(struct reader *r, struct family *f)
{
	cJSON *object = f->sup->object, *include;

	include = json_member(object, "include");
	f->array = json_member(object, "children");
	if (f->array == NULL)
		f->array = cJSON_AddArrayToObject(object, "children");
	if (f->array == NULL)
		abort();
	if (cJSON_IsArray(f->array))
		read_include(r, include, include_child, f);
	f->sup->given[KEY_include] = NULL;
	cJSON_Delete(cJSON_DetachItemViaPointer(object, include));
}

static void
read_template(struct reader *r, struct family *f, cJSON *object)
{
	struct core_spec *spec;

	spec = read_child(r, object, f->sup, f->scope, 0, KEY_TEMPLATE, true);
	*f->tail = spec;
}

/* The children of d, whose members were read and checked. */
static void
read_children(struct reader *r, struct draft *d, const struct scope *scope)
{
	struct family f = { .sup = d, .scope = scope };
	cJSON *array = json_member(d->object, "children"), *item;
	cJSON *template = json_member(d->object, "template");
	cJSON *include = json_member(d->object, "include");

	f.tail = &f.first;
	if (d->form == SUP_PARTITION)
		count_partitions(d);
	if (r->depth >= TREE_DEPTH_MAX) {
		tell_at(r, d->object, "supervisors are nested deeper than %d "
		    "levels", TREE_DEPTH_MAX);
		return;
	}
	r->depth++;
	if (cJSON_IsArray(array))
		cJSON_ArrayForEach(item, array)
			add_child(r, &f, item);
	if (cJSON_IsObject(template) && d->form == SUP_PARTITION)
		read_partitions(r, template, d, scope, f.tail);
	else if (cJSON_IsObject(template) && d->form == SUP_POOL)
		read_pool(r, template, d, scope, f.tail);
	else if (cJSON_IsObject(template))
		read_template(r, &f, template);
	if (d->form == SUP_PLAIN &&
	    d->spec.strategy != CORE_SIMPLE_ONE_FOR_ONE &&
	    (cJSON_IsString(include) || cJSON_IsArray(include)))
		read_includes(r, &f);
	if (d->given[KEY_applications] != NULL)
		read_apps(r, d, scope, &f.ids, f.tail);
	r->depth--;
	d->spec.children = f.first;
	strmap_done(&f.ids);
}

/* Everything below a supervisor's own keys; then its service. */
static void
finish(struct reader *r, struct draft *d, const struct scope *parent,
    bool keep_source)
{
	struct scope scope;

	if (d->where & KEY_SUPS) {
		scope_fill(r, &scope, parent, d);
		read_children(r, d, &scope);
		if (d->errors_before != r->config->nerrors)
			return;
		d->source = keep_source ? build_source(r, d, parent) :
		    build_scope_source(d, &scope);
	} else if (keep_source && d->errors_before == r->config->nerrors) {
		d->source = build_source(r, d, parent);
	}
	d->spec.user = build_service(r, d, parent);
	free(d->source);
	d->source = NULL;
}

/* Which keys are right: those of a worker or of a supervisor? */
static unsigned
settle_type(struct reader *r, cJSON *object)
{
	static const struct { const char *key, *type; } signs[] = {
	    { "max_children", "dynamic_supervisor" },
	    { "extra_arguments", "dynamic_supervisor" },
	    { "partitions", "partition_supervisor" },
	    { "max_overflow", "pool" }, { "size", "pool" },
	    { "children", "supervisor" }, { "template", "supervisor" },
	    { "strategy", "supervisor" }, { "include", "supervisor" },
	    { "stop_order", "supervisor" },
	    { "max_restarts", "supervisor" },
	    { "auto_shutdown", "supervisor" },
	    { "extra_arguments", "task_supervisor" } };
	const cJSON *type = json_member(object, "type");
	size_t i;

	for (i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (cJSON_IsString(type) &&
		    strcmp(type->valuestring, signs[i].type) == 0)
			return KEY_SUP;
	if (cJSON_IsString(type) && strcmp(type->valuestring, "worker") == 0)
		return KEY_WORKER;
	if (json_member(object, "start") != NULL)
		return KEY_WORKER;
	for (i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		if (json_member(object, signs[i].key) == NULL)
			continue;
		if (type == NULL)
			tell_at(r, object, "`%s` makes this a supervisor: add "
			    "\"type\": \"%s\"", signs[i].key,
			    signs[i].type);
		return KEY_SUP;
	}
	return KEY_WORKER;
}

static void
claim_name(struct reader *r, const struct draft *d)
{
	struct origin *mine, *first;

	if (d->name == NULL || d->form == SUP_POOL)
		return;		/* a pool's is its server's */
	mine = origin_of(r, d->given[KEY_name]);
	mine->path = arena_printf(&r->arena, "%s", r->path);
	first = strmap_put(&r->names, d->name, mine);
	if (first != NULL)
		tell_at(r, d->given[KEY_name], "the name `%s` is taken by %s "
		    "at %s:%u:%u: names are unique", d->name, first->path,
		    first->file, first->at.line, first->at.column);
}

/* What it has from its supervisor's own keys. */
static void
draft_follow(struct draft *d, const struct draft *sup, unsigned index)
{
	d->extra = sup->given[KEY_extra_arguments];
	if (sup->form != SUP_PARTITION)
		return;
	d->partition = index;
	d->partition_of = sup->partitions;
}

/* Written down, for it is read again without its supervisor. */
static void
default_to_temporary(cJSON *object)
{
	cJSON *item;

	if (json_member(object, "restart") != NULL)
		return;
	item = cJSON_AddStringToObject(object, "restart", "temporary");
	if (item == NULL)
		abort();
	item->valueint = -1;	/* it has no place */
}

struct core_spec *
read_child(struct reader *r, cJSON *object, const struct draft *sup,
    const struct scope *scope, unsigned index, unsigned where,
    bool keep_source)
{
	const cJSON *id = json_member(object, "id");
	const struct app *app = r->app;
	const char *as = r->as;
	struct draft d;
	size_t before;
	char got[64];

	r->as = NULL;
	r->app = NULL;
	if (where == KEY_TEMPLATE)
		before = path_push(r, "*", 0);
	else
		before = path_push(r, as != NULL ? as : cJSON_IsString(id) &&
		    id_valid(id->valuestring) ? id->valuestring : NULL, index);
	if (!cJSON_IsObject(object)) {
		json_describe(object, got, sizeof(got));
		tell_at(r, object, "a child must be an object with `id` and "
		    "`start`, not %s", got);
		path_pop(r, before);
		return NULL;
	}
	if (where == 0)
		where = settle_type(r, object);
	if (sup != NULL && sup->form == SUP_TASK)
		default_to_temporary(object);
	draft_init(r, &d, object, where, scope);
	d.as = as;
	d.app = app;
	if (sup != NULL)
		draft_follow(&d, sup, index);
	read_members(r, &d);
	if (app != NULL)
		draft_be_app(&d);
	check_draft(r, &d, sup);
	claim_name(r, &d);
	finish(r, &d, scope, keep_source);
	path_pop(r, before);
	return spec_new(&d, as != NULL ? as :
	    d.spec.id != NULL ? d.spec.id : "");
}

struct core_spec *
read_root(struct reader *r, cJSON *object)
{
	struct draft d;
	char got[64];

	if (!cJSON_IsObject(object)) {
		json_describe(object, got, sizeof(got));
		tell_at(r, object, "a configuration must be an object with "
		    "`children`, not %s", got);
		return NULL;
	}
	draft_init(r, &d, object, KEY_ROOT, NULL);
	read_members(r, &d);
	check_draft(r, &d, NULL);
	finish(r, &d, NULL, false);
	return spec_new(&d, d.spec.id != NULL ? d.spec.id : "root");
}
