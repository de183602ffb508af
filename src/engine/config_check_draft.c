/* SPDX-License-Identifier: ISC */
/*
 * What the keys of one object must be to each other, as OTP has it, and the
 * defaults that depend on other keys.
 */
#include <string.h>

#include "engine/config_read.h"

static bool
given(const struct draft *d, enum config_key key)
{
	return d->given[key] != NULL;
}

static bool
missing(const struct draft *d, enum config_key key)
{
	return d->given[key] == NULL && !d->meant[key];
}

static void
check_significant(struct reader *r, const struct draft *d,
    const struct draft *sup)
{
	const cJSON *at = d->given[KEY_significant];

	if (!d->spec.significant || d->errors_before != r->config->nerrors)
		return;
	if (d->spec.restart == CORE_PERMANENT)
		tell_at(r, at, "a significant child cannot be permanent%s: set "
		    "`restart` to \"transient\" or \"temporary\"",
		    given(d, KEY_restart) ? "" : ", which is the default");
	if (sup != NULL && sup->spec.auto_shutdown == CORE_AUTO_NEVER)
		tell_at(r, at, "a significant child needs a supervisor whose "
		    "`auto_shutdown` is \"any_significant\" or "
		    "\"all_significant\"");
}

static void
check_worker(struct reader *r, struct draft *d)
{
	if (missing(d, KEY_start))
		tell_at(r, d->object, "`start` is missing: name the program, "
		    "as in \"start\": [\"/usr/sbin/nginx\"]");
	if (d->name != NULL && d->kind != SERVICE_GEN_SERVER)
		tell_key(r, d->given[KEY_name], "only a gen_server has a "
		    "`name`: add \"kind\": \"gen_server\", or leave it out");
	if (given(d, KEY_allow) && d->kind != SERVICE_GEN_SERVER)
		tell_key(r, d->given[KEY_allow], "only a gen_server can "
		    "`allow` callers: add \"kind\": \"gen_server\", or leave "
		    "it out");
	if (!given(d, KEY_ready) && d->kind == SERVICE_GEN_SERVER)
		d->ready = READY_GEN_SERVER;
	if (d->ready == READY_GEN_SERVER && d->kind != SERVICE_GEN_SERVER)
		tell_at(r, d->given[KEY_ready], "only a gen_server gets ready "
		    "so: add \"kind\": \"gen_server\", or set `ready` to "
		    "\"exec\" or \"notify\"");
	if (given(d, KEY_groups) && !given(d, KEY_user))
		tell_key(r, d->given[KEY_groups], "`groups` needs a `user`, "
		    "whose groups they are to be");
}

static bool
is_supervisor(const cJSON *type)
{
	return cJSON_IsString(type) &&
	    strcmp(type->valuestring, "supervisor") == 0;
}

/* Keys that only one form of supervisor has. */
static void
check_form(struct reader *r, const struct draft *d)
{
	static const struct {
		enum config_key	 key;
		enum sup_form	 form;
		const char	*type;
	} rows[] = {
		{ KEY_extra_arguments, SUP_DYNAMIC, "dynamic_supervisor" },
		{ KEY_max_children, SUP_DYNAMIC, "dynamic_supervisor" },
		{ KEY_partitions, SUP_PARTITION, "partition_supervisor" },
		{ KEY_allow, SUP_POOL, "pool" },
		{ KEY_max_overflow, SUP_POOL, "pool" },
		{ KEY_name, SUP_POOL, "pool" },
		{ KEY_order, SUP_POOL, "pool" },
		{ KEY_size, SUP_POOL, "pool" },
	};
	size_t i;

	if (d->form == SUP_PLAIN && !is_supervisor(d->given[KEY_type]))
		return;		/* told already */
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (given(d, rows[i].key) && d->form != rows[i].form &&
		    (d->form != SUP_TASK || rows[i].form != SUP_DYNAMIC))
			tell_key(r, d->given[rows[i].key], "only a %s has "
			    "`%s`: set `type` so, or leave it out",
			    rows[i].type,
			    config_key_info(rows[i].key)->name);
	if ((d->form == SUP_DYNAMIC ||
	    d->spec.strategy == CORE_SIMPLE_ONE_FOR_ONE) &&
	    given(d, KEY_stop_order))
		tell_key(r, d->given[KEY_stop_order], "its children are "
		    "stopped all at once in any case: leave `stop_order` out");
	if (d->form != SUP_PLAIN && given(d, KEY_auto_shutdown))
		tell_key(r, d->given[KEY_auto_shutdown], "a %s has no "
		    "`auto_shutdown`: leave it out",
		    d->given[KEY_type]->valuestring);
}

/* Of tasks too, which are such children. */
static void
check_dynamic(struct reader *r, struct draft *d)
{
	const char *type = d->given[KEY_type]->valuestring;

	if (d->spec.strategy != CORE_ONE_FOR_ONE)
		tell_at(r, d->given[KEY_strategy], "a %s is always "
		    "one_for_one: leave `strategy` out", type);
	if (given(d, KEY_children))
		tell_key(r, d->given[KEY_children], "a %s has no `children`: "
		    "they are started at run time", type);
	if (given(d, KEY_include))
		tell_key(r, d->given[KEY_include], "a %s has no `include`: "
		    "children are started at run time", type);
	d->spec.strategy = CORE_DYNAMIC;
}

static void
check_partition(struct reader *r, const struct draft *d)
{
	if (d->spec.strategy == CORE_SIMPLE_ONE_FOR_ONE)
		tell_at(r, d->given[KEY_strategy], "a partition_supervisor "
		    "is one_for_one, one_for_all or rest_for_one");
	if (given(d, KEY_children))
		tell_key(r, d->given[KEY_children], "a partition_supervisor "
		    "has one `template` and no `children`: they are made "
		    "from it");
	if (given(d, KEY_include))
		tell_key(r, d->given[KEY_include], "a partition_supervisor "
		    "has one `template` and no `include`");
	if (missing(d, KEY_template) && !given(d, KEY_children))
		tell_at(r, d->given[KEY_type], "a partition_supervisor needs "
		    "a `template`: a child without `id`");
}

static void
check_plain(struct reader *r, const struct draft *d)
{
	const bool simple = d->spec.strategy == CORE_SIMPLE_ONE_FOR_ONE;

	if (simple && given(d, KEY_children))
		tell_key(r, d->given[KEY_children], "a simple_one_for_one "
		    "supervisor has one `template` and no `children`: they "
		    "are started at run time");
	if (simple && given(d, KEY_include))
		tell_key(r, d->given[KEY_include], "a simple_one_for_one "
		    "supervisor has one `template` and no `include`");
	if (simple && missing(d, KEY_template) && !given(d, KEY_children))
		tell_at(r, d->given[KEY_strategy], "simple_one_for_one needs "
		    "a `template`: a worker without `id`");
	if (!simple && given(d, KEY_template) &&
	    d->errors_before == r->config->nerrors)
		tell_key(r, d->given[KEY_template], "only a simple_one_for_one "
		    "supervisor has a `template`: set `strategy` so, or use "
		    "`children`");
}

static void
check_supervisor(struct reader *r, struct draft *d)
{
	switch (d->form) {
	case SUP_PLAIN:		check_plain(r, d); break;
	case SUP_DYNAMIC:
	case SUP_TASK:		check_dynamic(r, d); break;
	case SUP_PARTITION:	check_partition(r, d); break;
	case SUP_POOL:		check_pool(r, d); break;
	}
	check_form(r, d);
}

void
check_draft(struct reader *r, struct draft *d, const struct draft *sup)
{
	if ((d->where & (KEY_SUP | KEY_WORKER)) && missing(d, KEY_id))
		tell_at(r, d->object, "`id` is missing: give the child a name, "
		    "as in \"id\": \"web\"");
	if (d->where & KEY_WORKERS)
		check_worker(r, d);
	else
		check_supervisor(r, d);
	check_significant(r, d, sup);
}
