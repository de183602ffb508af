/* SPDX-License-Identifier: ISC */
/*
 * The children of a partition_supervisor: one template, read once for each
 * partition with the partition's number for an id.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/config_read.h"

#define ID_ROOM		"4294967295"

bool
count_child(struct reader *r, const cJSON *item)
{
	if (++r->nchildren <= CHILDREN_MAX)
		return true;
	if (r->nchildren == CHILDREN_MAX + 1)
		tell_at(r, item, "more than %u children in the tree",
		    CHILDREN_MAX);
	return false;
}

/* Written down, for an engine that restores this may find other CPUs. */
void
count_partitions(struct draft *d)
{
	long cpus;

	if (d->given[KEY_partitions] != NULL)
		return;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	d->partitions = cpus > 0 && cpus <= 4096 ? (uint32_t)cpus : 1;
	if (cJSON_AddNumberToObject(d->object, "partitions",
	    d->partitions) == NULL)
		abort();
}

void
env_set_partition(struct reader *r, struct env *env, const struct draft *d)
{
	if (d->partition_of == 0)
		return;
	env_set(r, env, "OTP_PARTITION",
	    arena_printf(&r->arena, "%u", d->partition));
	env_set(r, env, "OTP_PARTITIONS",
	    arena_printf(&r->arena, "%u", d->partition_of));
}

static bool
check_template(struct reader *r, const cJSON *template)
{
	const cJSON *id = json_member(template, "id");
	const cJSON *name = json_member(template, "name");

	if (id != NULL)
		tell_key(r, id, "a template has no `id`: partitions are "
		    "numbered from 0");
	if (name != NULL)
		tell_key(r, name, "a template has no `name`: a partition is "
		    "reached by its path");
	return id == NULL && name == NULL;
}

/* Read in place, so that errors have their places; they are told once. */
void
read_partitions(struct reader *r, cJSON *template, const struct draft *sup,
    const struct scope *scope, const struct core_spec **tail)
{
	const size_t before = r->config->nerrors;
	struct core_spec *spec;
	cJSON *id;
	uint32_t i;

	if (!check_template(r, template))
		return;
	id = cJSON_AddStringToObject(template, "id", ID_ROOM);
	if (id == NULL)
		abort();
	id->valueint = -1;	/* it has no place */
	for (i = 0; i < sup->partitions && before == r->config->nerrors &&
	    count_child(r, template); i++) {
		(void)snprintf(id->valuestring, sizeof(ID_ROOM), "%u", i);
		spec = read_child(r, template, sup, scope, i, 0, false);
		*tail = spec;
		if (spec != NULL)
			tail = &spec->next;
	}
	cJSON_Delete(cJSON_DetachItemViaPointer(template, id));
}
