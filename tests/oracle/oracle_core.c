/* SPDX-License-Identifier: ISC */
/*
 * Replays recorded scenarios of OTP's own supervisor on the core alone and
 * compares the traces.
 *
 *	oracle_core [-v] FILE|DIRECTORY...
 */
#include <sys/stat.h>

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oracle/world.h"

static bool verbose;

static const cJSON *
member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static void
collect_sups(const cJSON *child, cJSON *out)
{
	const cJSON *sub, *seen;
	const char *id = scenario_text(child, "id", "");

	if (strcmp(scenario_text(child, "type", "worker"), "supervisor") != 0)
		return;
	cJSON_ArrayForEach(seen, out)
		if (strcmp(scenario_text(seen, "id", ""), id) == 0)
			return;
	cJSON_AddItemReferenceToArray(out, (cJSON *)(uintptr_t)child);
	cJSON_ArrayForEach(sub, member(child, "children"))
		collect_sups(sub, out);
}

/* Every supervisor of the tree, then of the specs of the steps. */
static cJSON *
all_sups(const cJSON *scenario)
{
	cJSON *list = cJSON_CreateArray();
	const cJSON *step;

	collect_sups(member(scenario, "tree"), list);
	cJSON_ArrayForEach(step, member(scenario, "steps"))
		if (member(step, "spec") != NULL)
			collect_sups(member(step, "spec"), list);
	cJSON_ArrayForEach(step, member(scenario, "steps"))
		if (member(member(step, "call"), "spec") != NULL)
			collect_sups(member(member(step, "call"), "spec"),
			    list);
	return list;
}

/* --- calls --- */

static const struct { const char *word; enum core_op op; } ops[] = {
	{ "start_child",	CORE_OP_START_CHILD },
	{ "restart_child",	CORE_OP_RESTART_CHILD },
	{ "terminate_child",	CORE_OP_TERMINATE_CHILD },
	{ "delete_child",	CORE_OP_DELETE_CHILD },
	{ "which",		CORE_OP_WHICH_CHILDREN },
	{ "count",		CORE_OP_COUNT_CHILDREN },
};

static const cJSON *
sup_of(const cJSON *sups, const char *id)
{
	const cJSON *sup;

	cJSON_ArrayForEach(sup, sups)
		if (strcmp(scenario_text(sup, "id", ""), id) == 0)
			return sup;
	return NULL;
}

/* Make the call of a step; 0 if its supervisor does not live. */
static uint64_t
call(struct world *w, const cJSON *sups, const cJSON *step)
{
	const char *sup = scenario_text(step, "sup", "");
	const char *op = scenario_text(step, "op", "");
	struct core_spec *spec = NULL;
	struct core_call it = { .sup = world_supervisor(w, sup) };
	uint64_t id;
	size_t i;

	if (it.sup == CORE_NONE)
		return 0;
	for (i = 0; strcmp(ops[i].word, op) != 0; i++)
		continue;
	it.op = ops[i].op;
	it.child = scenario_text(step, "child", NULL);
	if (member(step, "spec") != NULL)
		spec = scenario_spec(member(step, "spec"));
	else if (it.op == CORE_OP_START_CHILD)
		spec = scenario_instance(sup_of(sups, sup),
		    scenario_text(step, "name", ""));
	it.spec = spec;
	id = world_call(w, &it);
	scenario_free(spec);
	return id;
}

static char *
join(cJSON *list, const char *between)
{
	const cJSON *item;
	char *text = strdup(""), *longer;

	cJSON_ArrayForEach(item, list) {
		char number[16];

		snprintf(number, sizeof(number), "%d", item->valueint);
		if (asprintf(&longer, "%s%s%s", text,
		    *text == '\0' ? "" : between, cJSON_IsString(item) ?
		    item->valuestring : number) < 0)
			abort();
		free(text);
		text = longer;
	}
	cJSON_Delete(list);
	return text;
}

/*
 * The answer in the trace's words.  An instance is named by its pid in OTP,
 * so stopping one that has gone is no error there.
 */
static char *
result(struct world *w, const cJSON *step, uint64_t id)
{
	const char *op = scenario_text(step, "op", "");
	char *text;

	if (id == 0)
		return strdup("error:noproc");
	text = world_result(w, id);
	if (strcmp(text, "error:simple_one_for_one") == 0 &&
	    strcmp(op, "terminate_child") == 0 &&
	    world_knows_instance(w, scenario_text(step, "child", "")))
		strcpy(text, "ok");
	if (strcmp(text, "ok") != 0)
		return text;
	if (strcmp(op, "which") == 0) {
		free(text);
		return join(world_rows(w, id), ", ");
	}
	if (strcmp(op, "count") == 0) {
		free(text);
		return join(world_counts(w, id), " ");
	}
	return text;
}

/* --- steps --- */

static char *
exit_all(struct world *w, const cJSON *step)
{
	const cJSON *child;

	cJSON_ArrayForEach(child, member(step, "children"))
		if (!world_exit(w, child->valuestring,
		    scenario_text(step, "reason", "")))
			return strdup("error:not_running");
	return strdup("ok");
}

static char *
retry_call(struct world *w, const cJSON *sups, const cJSON *step)
{
	const char *child = scenario_text(step, "child", "");
	uint64_t id;

	world_hold_next(w, child);
	if (!world_exit(w, child, scenario_text(step, "reason", "")))
		return strdup("error:not_running");
	world_settle(w);
	id = call(w, sups, member(step, "call"));
	world_settle(w);
	world_release(w);
	world_settle(w);
	return result(w, member(step, "call"), id);
}

static char *
do_step(struct world *w, const cJSON *sups, const cJSON *step)
{
	const char *op = scenario_text(step, "op", "");
	const char *child = scenario_text(step, "child", "");
	uint64_t id;

	if (strcmp(op, "exit") == 0)
		return strdup(world_exit(w, child, scenario_text(step,
		    "reason", "")) ? "ok" : "error:not_running");
	if (strcmp(op, "exit_all") == 0)
		return exit_all(w, step);
	if (strcmp(op, "retry_call") == 0)
		return retry_call(w, sups, step);
	if (strcmp(op, "arm") == 0) {
		world_arm(w, child, member(step, "modes"));
		return strdup("ok");
	}
	if (strcmp(op, "wait") == 0) {
		world_wait(w, (uint64_t)member(step, "ms")->valuedouble);
		return strdup("ok");
	}
	id = call(w, sups, step);
	world_settle(w);
	return result(w, step, id);
}

static cJSON *
trace_item(char *text, cJSON *events)
{
	cJSON *item = cJSON_CreateObject();

	cJSON_AddStringToObject(item, "result", text);
	cJSON_AddItemToObject(item, "events", events);
	free(text);
	return item;
}

static cJSON *
boot(struct world *w, const cJSON *scenario)
{
	struct core_spec *root = scenario_spec(member(scenario, "tree"));
	const cJSON *step;
	bool ok;

	cJSON_ArrayForEach(step, member(scenario, "pre"))
		world_arm(w, scenario_text(step, "child", ""),
		    member(step, "modes"));
	world_boot(w, root);
	world_settle(w);
	ok = world_supervisor(w, root->id) != CORE_NONE;
	scenario_free(root);
	return trace_item(strdup(ok ? "ok" : "error:start_failed"),
	    world_events(w, 0));
}

static cJSON *
final(struct world *w, const cJSON *sups)
{
	cJSON *list = cJSON_CreateArray(), *item;
	struct core_call it = { 0 };
	const cJSON *sup;
	uint64_t id;

	cJSON_ArrayForEach(sup, sups) {
		const char *name = scenario_text(sup, "id", "");

		item = cJSON_CreateObject();
		cJSON_AddItemToArray(list, item);
		cJSON_AddStringToObject(item, "id", name);
		it.sup = world_supervisor(w, name);
		cJSON_AddBoolToObject(item, "alive", it.sup != CORE_NONE);
		if (it.sup == CORE_NONE)
			continue;
		it.op = CORE_OP_WHICH_CHILDREN;
		id = world_call(w, &it);
		world_settle(w);
		cJSON_AddItemToObject(item, "which", world_rows(w, id));
		it.op = CORE_OP_COUNT_CHILDREN;
		id = world_call(w, &it);
		world_settle(w);
		cJSON_AddItemToObject(item, "count", world_counts(w, id));
	}
	return list;
}

static cJSON *
replay(const cJSON *scenario)
{
	struct world *w = world_new();
	cJSON *trace = cJSON_CreateObject(), *sups = all_sups(scenario);
	cJSON *steps = cJSON_AddArrayToObject(trace, "steps");
	const cJSON *step;
	bool booted;
	char *text;

	cJSON_AddItemToObject(trace, "boot", boot(w, scenario));
	booted = strcmp(scenario_text(member(trace, "boot"), "result", ""),
	    "ok") == 0;
	cJSON_ArrayForEach(step, member(scenario, "steps")) {
		if (!booted)
			break;
		text = do_step(w, sups, step);
		world_settle(w);
		cJSON_AddItemToArray(steps, trace_item(text, world_events(w,
		    cJSON_GetArraySize(member(step, "children")))));
		if (!core_quiet(world_core(w)))
			cJSON_AddStringToObject(trace, "fault", "not quiet");
	}
	cJSON_AddItemToObject(trace, "final", final(w, sups));
	core_shutdown(world_core(w), world_now(w));
	world_settle(w);
	cJSON_AddItemToObject(trace, "teardown", world_events(w, 0));
	cJSON_Delete(sups);
	world_free(w);
	scenario_free_behaviours();
	return trace;
}

/* --- files --- */

static void
say_difference(const char *file, const cJSON *want, const cJSON *got)
{
	char *a = cJSON_PrintUnformatted(want);
	char *b = cJSON_PrintUnformatted(got);

	printf("FAIL %s\n", file);
	if (verbose)
		printf("  expected %s\n  got      %s\n", a, b);
	free(a);
	free(b);
}

static bool
run_file(const char *file)
{
	FILE *f = fopen(file, "r");
	cJSON *scenario = NULL, *want = NULL, *got = NULL;
	char *line = NULL;
	size_t size = 0;
	bool same = false;

	if (f != NULL && getline(&line, &size, f) > 0)
		scenario = cJSON_Parse(line);
	if (scenario != NULL && getline(&line, &size, f) > 0)
		want = cJSON_Parse(line);
	if (want != NULL) {
		got = replay(scenario);
		same = cJSON_Compare(want, got, true);
		if (!same)
			say_difference(file, want, got);
	} else {
		printf("FAIL %s: not a case\n", file);
	}
	cJSON_Delete(scenario);
	cJSON_Delete(want);
	cJSON_Delete(got);
	free(line);
	if (f != NULL)
		fclose(f);
	return same;
}

static int
by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

int
main(int argc, char **argv)
{
	int passed = 0, failed = 0, opt;
	FTSENT *e;
	FTS *fts;

	while ((opt = getopt(argc, argv, "v")) == 'v')
		verbose = true;
	if (opt != -1 || optind == argc) {
		fprintf(stderr, "usage: oracle_core [-v] FILE|DIRECTORY...\n");
		return 2;
	}
	fts = fts_open(argv + optind, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	while (fts != NULL && (e = fts_read(fts)) != NULL) {
		if (e->fts_info != FTS_F && e->fts_info != FTS_NS)
			continue;
		if (run_file(e->fts_path))
			passed++;
		else
			failed++;
	}
	if (fts != NULL)
		fts_close(fts);
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
