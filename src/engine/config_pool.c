/* SPDX-License-Identifier: ISC */
/*
 * The children of a pool: a dynamic supervisor whose template is the pool's,
 * and the server that lends what it starts there.  They are written as JSON
 * and read like any others; of that nothing stays in the configuration.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config_read.h"

static cJSON *
must(cJSON *item)
{
	if (item == NULL)
		abort();
	item->valueint = -1;	/* it has no place */
	return item;
}

static cJSON *
program(struct reader *r)
{
	return must(cJSON_CreateString(own_program(r, "otp-pool")));
}

void
check_pool(struct reader *r, struct draft *d)
{
	const cJSON *strategy = d->given[KEY_strategy];
	const cJSON *template = d->given[KEY_template];
	const cJSON *restart = json_member(template, "restart");

	if (strategy != NULL && d->spec.strategy != CORE_ONE_FOR_ALL)
		tell_at(r, strategy, "a pool is always one_for_all: leave "
		    "`strategy` out");
	if (d->given[KEY_children] != NULL)
		tell_key(r, d->given[KEY_children], "a pool has one `template` "
		    "and no `children`: its workers are made from it");
	if (d->given[KEY_include] != NULL)
		tell_key(r, d->given[KEY_include], "a pool has one `template` "
		    "and no `include`");
	if (template == NULL && !d->meant[KEY_template] &&
	    d->given[KEY_children] == NULL)
		tell_at(r, d->given[KEY_type], "a pool needs a `template`: a "
		    "worker without `id`");
	if (cJSON_IsString(restart) &&
	    strcmp(restart->valuestring, "temporary") != 0)
		tell_at(r, restart, "workers of a pool are always temporary, "
		    "it replaces them itself: leave `restart` out");
	if (d->size + d->max_overflow == 0)
		tell_at(r, d->given[KEY_size], "a pool without workers lends "
		    "none: let `size` or `max_overflow` be more than 0");
	d->spec.strategy = CORE_ONE_FOR_ALL;
}

static cJSON *
child(const char *id, const char *key, const char *value)
{
	cJSON *object = must(cJSON_CreateObject());

	(void)must(cJSON_AddStringToObject(object, "id", id));
	(void)must(cJSON_AddStringToObject(object, key, value));
	return object;
}

static void
option(struct reader *r, cJSON *start, const char *name, unsigned value)
{
	(void)cJSON_AddItemToArray(start, must(cJSON_CreateString(name)));
	(void)cJSON_AddItemToArray(start, must(cJSON_CreateString(
	    arena_printf(&r->arena, "%u", value))));
}

/* The template is lent to it, and goes back to where it was. */
static struct core_spec *
read_workers(struct reader *r, cJSON *template, const struct draft *pool,
    const struct scope *scope)
{
	cJSON *object = child("workers", "type", "dynamic_supervisor");
	cJSON *restart = json_member(template, "restart"), *given = restart;
	struct core_spec *spec;

	if (given == NULL)
		restart = must(cJSON_AddStringToObject(template, "restart",
		    "temporary"));
	(void)cJSON_DetachItemViaPointer(pool->object, template);
	(void)cJSON_AddItemToObject(object, "template", template);
	spec = read_child(r, object, pool, scope, 0, 0, false);
	(void)cJSON_DetachItemViaPointer(object, template);
	(void)cJSON_AddItemToObject(pool->object, "template", template);
	if (given == NULL)
		cJSON_Delete(cJSON_DetachItemViaPointer(template, restart));
	cJSON_Delete(object);
	return spec;
}

/* Its name stands where the pool's does, for those who want it, too. */
static struct core_spec *
read_server(struct reader *r, const struct draft *pool,
    const struct scope *scope)
{
	const cJSON *allow = pool->given[KEY_allow];
	const cJSON *named = pool->given[KEY_name] != NULL ?
	    pool->given[KEY_name] : pool->given[KEY_id];
	cJSON *object = child("pool", "kind", "gen_server"), *name, *start;
	struct core_spec *spec;

	name = must(cJSON_CreateStringReference(named->valuestring));
	name->valueint = named->valueint;
	(void)cJSON_AddItemToObject(object, "name", name);
	/* Whoever stops the workers does not want it to be started without. */
	(void)must(cJSON_AddStringToObject(object, "restart", "transient"));
	start = must(cJSON_AddArrayToObject(object, "start"));
	(void)cJSON_AddItemToArray(start, program(r));
	option(r, start, "--size", pool->size);
	option(r, start, "--max-overflow", pool->max_overflow);
	(void)cJSON_AddItemToArray(start, must(cJSON_CreateString("--order")));
	(void)cJSON_AddItemToArray(start, must(cJSON_CreateString(
	    pool->fifo ? "fifo" : "lifo")));
	if (allow != NULL)
		(void)cJSON_AddItemToObject(object, "allow",
		    must(cJSON_Duplicate(allow, true)));
	spec = read_child(r, object, pool, scope, 1, 0, false);
	cJSON_Delete(object);
	return spec;
}

void
read_pool(struct reader *r, cJSON *template, const struct draft *pool,
    const struct scope *scope, const struct core_spec **tail)
{
	struct core_spec *spec;

	if (pool->errors_before != r->config->nerrors ||
	    !count_child(r, template) || !count_child(r, template))
		return;
	spec = read_workers(r, template, pool, scope);
	*tail = spec;
	if (spec == NULL || pool->errors_before != r->config->nerrors)
		return;
	spec->next = read_server(r, pool, scope);
}
