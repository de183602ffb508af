/* SPDX-License-Identifier: ISC */
/*
 * What the keys of one object must be to each other, as OTP has it, and the
 * defaults that depend on other keys.
 */
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

static void
check_supervisor(struct reader *r, const struct draft *d)
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
