/* SPDX-License-Identifier: ISC */
/* The commands of a script that are calls on a supervisor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_rig_priv.h"

uint32_t
rig_slot(struct rig *r, const char *id)
{
	struct core_child v;
	uint32_t slot, found = CORE_NONE;

	for (slot = 0; slot < core_nslots(r->core); slot++) {
		if (!core_view(r->core, slot, r->now, &v) ||
		    strcmp(v.id, id) != 0)
			continue;
		found = slot;
		if (v.parent == CORE_NONE ||
		    core_find(r->core, v.parent, id) == slot)
			return slot;
	}
	return found;
}

static const struct { const char *word; enum core_op op; } ops[] = {
	{ "start_child",	CORE_OP_START_CHILD },
	{ "restart_child",	CORE_OP_RESTART_CHILD },
	{ "terminate_child",	CORE_OP_TERMINATE_CHILD },
	{ "delete_child",	CORE_OP_DELETE_CHILD },
	{ "which",		CORE_OP_WHICH_CHILDREN },
	{ "count",		CORE_OP_COUNT_CHILDREN },
	{ "start",		CORE_OP_START },
	{ "stop",		CORE_OP_STOP },
	{ "restart",		CORE_OP_RESTART },
	{ "terminate_pid",	CORE_OP_TERMINATE_CHILD },
};

/* The text of one to be added, with the id under which it will be known. */
static char *
renamed(struct rig *r, uint32_t sup, const char *text)
{
	size_t len = strcspn(text, " :(");
	char id[64], name[64 + CORE_ID_EXTRA + 1], *out;

	snprintf(id, sizeof(id), "%.*s", (int)len, text);
	core_name(r->core, sup, id, name, sizeof(name));
	if (asprintf(&out, "%s%s", name, text + len) < 0)
		abort();
	return out;
}

/* The present or last incarnation of one, as its pid would say. */
uint64_t
rig_inc(struct rig *r, const char *id)
{
	struct core_child v;

	return core_view(r->core, rig_slot(r, id), r->now, &v) ? v.inc :
	    UINT64_MAX;
}

bool
rig_call(struct rig *r, const char *op, const char *sup, const char *rest)
{
	struct core_call it = { 0 };
	struct core_spec *spec = NULL;
	size_t i;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (strcmp(op, ops[i].word) == 0)
			break;
	if (i == sizeof(ops) / sizeof(ops[0]))
		return false;
	it.op = ops[i].op;
	it.id = ++r->last_call;
	it.sup = strcmp(sup, "-") == 0 ? CORE_NONE : rig_slot(r, sup);
	it.child = rest;
	if (strcmp(op, "terminate_pid") == 0)
		it.inc = r->pid != 0 ? r->pid : rig_inc(r, rest);
	r->unanswered++;
	if (it.op == CORE_OP_START_CHILD) {
		if (r->nadded == RIG_MANY)
			abort();
		rest = r->added[r->nadded++] = renamed(r, it.sup, rest);
		it.child = NULL;
		it.spec = spec = rig_tree(&rest, &r->users);
	}
	core_call(r->core, &it, r->now);
	rig_tree_free(spec);
	return true;
}
