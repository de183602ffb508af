/* SPDX-License-Identifier: ISC */
/*
 * A child written out as JSON with all that it inherits, so that it can be
 * read again without the tree around it.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/config_read.h"
#include "engine/out.h"

static cJSON *
must(cJSON *item)
{
	if (item == NULL)
		abort();
	return item;
}

static void
replace(cJSON *object, const char *key, cJSON *value)
{
	cJSON *old = json_member(object, key);

	if (old != NULL)
		cJSON_Delete(cJSON_DetachItemViaPointer(object, old));
	if (!cJSON_AddItemToObject(object, key, value))
		abort();
}

static cJSON *
env_object(const struct env *env)
{
	cJSON *object = must(cJSON_CreateObject());
	size_t i;

	for (i = 0; i < env->n; i++)
		(void)cJSON_AddItemToObject(object, env->vars[i].name,
		    must(env->vars[i].value != NULL ?
		    cJSON_CreateString(env->vars[i].value) :
		    cJSON_CreateNull()));
	return object;
}

static cJSON *
log_object(const struct log_settings *log)
{
	cJSON *object = must(cJSON_CreateObject());

	(void)must(cJSON_AddNumberToObject(object, "max_size",
	    (double)log->max_bytes));
	(void)must(cJSON_AddNumberToObject(object, "keep", log->keep));
	(void)must(cJSON_AddBoolToObject(object, "timestamp",
	    log->timestamp));
	return object;
}

static char *
print_and_delete(cJSON *object)
{
	char *text = cJSON_PrintUnformatted(object);

	if (text == NULL)
		abort();
	cJSON_Delete(object);
	return text;
}

static void
add_copy(cJSON *array, const cJSON *item)
{
	(void)cJSON_AddItemToArray(array, must(cJSON_Duplicate(item, true)));
}

/* Extra arguments come behind the program, before its own. */
static cJSON *
with_extra(const cJSON *start, const cJSON *extra)
{
	cJSON *array = must(cJSON_CreateArray());
	const cJSON *item;

	add_copy(array, start->child);
	cJSON_ArrayForEach(item, extra)
		add_copy(array, item);
	for (item = start->child->next; item != NULL; item = item->next)
		add_copy(array, item);
	return array;
}

char *
build_source(struct reader *r, const struct draft *d,
    const struct scope *scope)
{
	cJSON *object = must(cJSON_Duplicate(d->object, true));
	const char *slash = strrchr(r->path, '/');
	struct env env = { 0 };
	size_t i;

	if (d->extra != NULL && d->given[KEY_start] != NULL)
		replace(object, "start", with_extra(d->given[KEY_start],
		    d->extra));
	if (d->where != KEY_TEMPLATE)
		replace(object, SOURCE_PARENT, must(cJSON_CreateString(
		    slash == NULL ? "" : arena_printf(&r->arena, "%.*s",
		    (int)(slash - r->path), r->path))));
	if (d->as != NULL)
		replace(object, SOURCE_NAME, must(cJSON_CreateString(d->as)));
	for (i = 0; scope != NULL && i < scope->env.n; i++)
		env_set(r, &env, scope->env.vars[i].name,
		    scope->env.vars[i].value);
	env_apply(r, &env, d->given[KEY_env]);
	if (env.n > 0)
		replace(object, "env", env_object(&env));
	replace(object, "log", log_object(&d->log));
	return print_and_delete(object);
}

char *
build_scope_source(const struct draft *sup, const struct scope *scope)
{
	static const char *const words[] = {
		[CORE_AUTO_ANY_SIGNIFICANT] = "any_significant",
		[CORE_AUTO_ALL_SIGNIFICANT] = "all_significant",
	};
	const cJSON *extra = sup->given[KEY_extra_arguments];
	cJSON *object;

	if (sup->spec.strategy == CORE_SIMPLE_ONE_FOR_ONE ||
	    (scope->env.n == 0 && extra == NULL && sup->form != SUP_TASK &&
	    !scope->log_given && sup->spec.auto_shutdown == CORE_AUTO_NEVER))
		return NULL;
	object = must(cJSON_CreateObject());
	if (sup->form == SUP_TASK)
		(void)must(cJSON_AddStringToObject(object, "type",
		    "task_supervisor"));
	if (sup->spec.auto_shutdown != CORE_AUTO_NEVER)
		(void)must(cJSON_AddStringToObject(object, "auto_shutdown",
		    words[sup->spec.auto_shutdown]));
	if (extra != NULL)
		replace(object, "extra_arguments",
		    must(cJSON_Duplicate(extra, true)));
	if (scope->env.n > 0)
		replace(object, "env", env_object(&scope->env));
	if (scope->log_given)
		replace(object, "log", log_object(&scope->log));
	return print_and_delete(object);
}
