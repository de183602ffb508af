/* SPDX-License-Identifier: ISC */
/*
 * Random scenarios against what must always hold.  The rig watches over
 * incarnations, answers, quiet, limits and users; here every scenario must
 * come to rest, stop in the reverse of its start order, and go the same way
 * when the core dies and is restored after every command.
 *
 * CORE_RANDOM_FROM and CORE_RANDOM_COUNT in the environment try other seeds.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_rig.h"

#define BATCHES	20
#define STEPS	14

static uint64_t dice;

static unsigned
roll(unsigned n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice >> 33) % n;
}

static void
seed(unsigned n)
{
	dice = n * UINT64_C(0x9e3779b97f4a7c15) + 1;
	(void)roll(2);
	(void)roll(2);
}

/* --- trees --- */

struct text { char s[4096]; size_t len; unsigned nworkers, nsups; bool tame; };

static void
add(struct text *t, const char *s)
{
	size_t len = strlen(s);

	ck_assert(t->len + len < sizeof(t->s));
	memcpy(t->s + t->len, s, len + 1);
	t->len += len;
}

static const char *
one_of(const char *const *words, unsigned n)
{
	return words[roll(n)];
}

static void
child_attributes(struct text *t, const char *autos)
{
	static const char *const restarts[] = { "", "", ":transient",
		":transient", ":temporary" };
	const char *restart = one_of(restarts, 5);

	add(t, restart);
	if (*autos != '\0' && *restart != '\0' && roll(100) < 50)
		add(t, ":significant");
}

static void
add_worker(struct text *t, const char *autos)
{
	static const char *const tame[] = { "", "", "", ":kill", ":exit0",
		":exit1", "", ":backoff=50-400-1000",
		":backoff=10-10-0", ":down" };
	static const char *const wild[] = { ":30ms:ignore", ":slow=15",
		":10ms:slow=20", ":0ms:ignore" };
	char id[16];

	snprintf(id, sizeof(id), " w%u", t->nworkers++);
	add(t, id);
	child_attributes(t, autos);
	if (!t->tame && roll(100) < 30)
		add(t, one_of(wild, 4));
	else
		add(t, one_of(tame, 10));
	if (roll(100) < 20)
		add(t, ":v=1");
}

/* Ids may repeat. */
static void
add_instance(struct text *t)
{
	static const char *const ids[] = { " i", " ia", " ib" };

	add(t, one_of(ids, 3));
	child_attributes(t, "");
	if (!t->tame && roll(3) == 0)
		add(t, ":slow=15");
}

static void
add_sup(struct text *t, unsigned depth, const char *parent_autos)
{
	static const char *const strategies[] = { ":one_for_one",
		":one_for_all", ":rest_for_one" };
	static const char *const limits[] = { ":0/1000", ":1/1000", ":2/300",
		":4/5000", ":9/5000", ":inf/1000" };
	static const char *const autos[] = { "", "", "", ":any", ":all" };
	static const char *const dynamics[] = { ":dynamic", ":dynamic:max=2",
		":dynamic" };
	const char *my_autos = one_of(autos, 5);
	unsigned n = 1 + roll(4);
	char id[16];

	snprintf(id, sizeof(id), " s%u", t->nsups++);
	add(t, id);
	if (depth > 0)
		child_attributes(t, parent_autos);
	if (depth > 0 && roll(100) < 10) {
		add(t, one_of(dynamics, 3));
		add(t, one_of(limits, 6));
		add(t, "( )");
		return;
	}
	if (depth > 0 && roll(100) < 15) {
		add(t, ":simple_one_for_one");
		add(t, one_of(limits, 6));
		add(t, "( t");
		child_attributes(t, "");
		add(t, " )");
		return;
	}
	add(t, one_of(strategies, 3));
	add(t, one_of(limits, 6));
	add(t, my_autos);
	if (!t->tame && depth > 0 && roll(100) < 20)
		add(t, ":20ms");
	if (!t->tame && roll(100) < 20)
		add(t, ":parallel");
	add(t, "(");
	while (n-- > 0)
		if (depth < 3 && roll(100) < 30)
			add_sup(t, depth + 1, my_autos);
		else
			add_worker(t, my_autos);
	add(t, " )");
}

static void
make_tree(struct text *t, bool tame)
{
	*t = (struct text){ .tame = tame };
	add_sup(t, 0, "");
}

/* --- commands --- */

/* Commands name a supervisor by its id, so it must be the only one. */
static bool
only_one(struct rig *r, const char *id)
{
	struct core_child v;
	uint32_t slot, n = 0;

	for (slot = 0; slot < core_nslots(rig_core(r)); slot++)
		n += core_view(rig_core(r), slot, 0, &v) &&
		    strcmp(v.id, id) == 0;
	return n == 1;
}

/* Any supervisor or listed child, by its place in the tree. */
static bool
pick(struct rig *r, enum core_type type, struct core_child *out)
{
	struct core *c = rig_core(r);
	uint32_t n = core_nslots(c), slot, tries;

	for (tries = 0; tries < 20; tries++) {
		slot = roll(n);
		if (core_view(c, slot, 0, out) && out->type == type &&
		    (out->parent == CORE_NONE ||
		    core_find(c, out->parent, out->id) == slot))
			return true;
	}
	return false;
}

static const char *
parent_id(struct rig *r, const struct core_child *v)
{
	struct core_child p;

	if (v->parent == CORE_NONE || !core_view(rig_core(r), v->parent, 0,
	    &p))
		return "-";
	return p.id;
}

static void
exit_command(struct rig *r, char *out, size_t size)
{
	static const char *const hows[] = { "abnormal", "abnormal", "kill",
		"normal", "shutdown" };
	unsigned n = rig_running(r);

	if (n > 0)
		snprintf(out, size, "%sexit %s %s", roll(4) == 0 ? "+" : "",
		    rig_running_id(r, roll(n)), one_of(hows, 5));
}

static void
verb_command(struct rig *r, char *out, size_t size)
{
	static const char *const verbs[] = { "restart_child",
		"terminate_child", "terminate_child", "delete_child", "start",
		"stop", "restart" };
	struct core_child v;

	if (pick(r, roll(4) == 0 ? CORE_SUPERVISOR : CORE_WORKER, &v) &&
	    only_one(r, parent_id(r, &v)))
		snprintf(out, size, "%s %s %s", one_of(verbs, 7),
		    parent_id(r, &v), v.id);
}

static void
add_command(struct rig *r, struct text *tree, char *out, size_t size)
{
	struct text t = { .tame = tree->tame, .nworkers = tree->nworkers,
		.nsups = tree->nsups };
	struct core_child v;

	if (!pick(r, CORE_SUPERVISOR, &v) || !only_one(r, v.id))
		return;
	if (v.strategy == CORE_SIMPLE_ONE_FOR_ONE)
		snprintf(t.s, sizeof(t.s), " i%u%s", t.nworkers++,
		    roll(3) == 0 && !t.tame ? ":slow=15" : "");
	else if (v.strategy == CORE_DYNAMIC)
		add_instance(&t);
	else if (roll(3) > 0)
		add_worker(&t, "");
	else
		add_sup(&t, 2, "");
	tree->nworkers = t.nworkers;
	tree->nsups = t.nsups;
	snprintf(out, size, "start_child %s%s", v.id, t.s);
}

static void
arm_command(struct rig *r, char *out, size_t size)
{
	static const char *const outcomes[] = { "error", "error", "error error",
		"error error error error error", "ignore", "hold" };
	struct core_child v;

	if (pick(r, CORE_WORKER, &v))
		snprintf(out, size, "arm %s %s", v.id, one_of(outcomes, 6));
}

/* Another tree with many of the same ids. */
static void
reload_command(struct text *tree, char *out, size_t size)
{
	struct text t;
	unsigned nworkers = tree->nworkers, nsups = tree->nsups;

	make_tree(&t, tree->tame);
	tree->nworkers = nworkers > t.nworkers ? nworkers : t.nworkers;
	tree->nsups = nsups > t.nsups ? nsups : t.nsups;
	snprintf(out, size, "reload%s", t.s);
}

static void
make_command(struct rig *r, struct text *tree, char *out, size_t size)
{
	const char *held = rig_held_id(r);
	struct core_child v;
	unsigned n = roll(100);

	snprintf(out, size, "wait %u", roll(300));
	if (held != NULL && n < 40)
		snprintf(out, size, "release %s %s", held,
		    roll(2) == 0 ? "ok" : "error");
	else if (n < 45)
		exit_command(r, out, size);
	else if (n < 55)
		arm_command(r, out, size);
	else if (n < 75)
		verb_command(r, out, size);
	else if (n < 82)
		add_command(r, tree, out, size);
	else if (n < 88 && pick(r, CORE_SUPERVISOR, &v) &&
	    only_one(r, v.id))
		snprintf(out, size, "%s %s", roll(2) == 0 ? "which" : "count",
		    v.id);
	else if (n < 92)
		reload_command(tree, out, size);
}

/* --- what must hold at the end --- */

static void
come_to_rest(struct rig *r)
{
	const char *held;
	char command[96];
	int i;

	rig_do(r, "wait 0");
	for (i = 0; i < 100; i++) {
		held = rig_held_id(r);
		if (held == NULL && core_quiet(rig_core(r)))
			break;
		snprintf(command, sizeof(command), "wait 1000");
		if (held != NULL)
			snprintf(command, sizeof(command), "release %s ok",
			    held);
		rig_do(r, command);
	}
	if (!core_quiet(rig_core(r)))
		rig_say_state(r);
	ck_assert_msg(core_quiet(rig_core(r)), "it does not come to rest %s",
	    rig_log(r));
	ck_assert_uint_eq(rig_unanswered(r), 0);
}

/* The processes below, last started first; those of a simple one as ?. */
static void
expect_stops(struct rig *r, uint32_t sup, struct text *out)
{
	uint32_t slots[256], slot, n = 0;
	struct core_child v, p;

	ck_assert(core_view(rig_core(r), sup, 0, &p));
	for (slot = core_first(rig_core(r), sup); slot != CORE_NONE;
	    slot = core_next(rig_core(r), slot))
		slots[n++] = slot;
	while (n-- > 0) {
		ck_assert(core_view(rig_core(r), slots[n], 0, &v));
		if (v.state != CORE_RUNNING)
			continue;
		if (v.type == CORE_SUPERVISOR)
			expect_stops(r, v.slot, out);
		add(out, p.strategy == CORE_SIMPLE_ONE_FOR_ONE ||
		    p.strategy == CORE_DYNAMIC ? "?" : v.id);
		add(out, " ");
	}
}

/* "stop a shutdown, stop b killed" as "a b ". */
static void
read_stops(struct rig *r, struct text *out)
{
	const char *s = rig_log(r);
	char id[64];

	for (; (s = strstr(s, "stop ")) != NULL; s += 5) {
		if (sscanf(s, "stop %63s", id) != 1)
			break;
		add(out, id[0] == 'i' ? "?" : id);
		add(out, " ");
	}
}

/* A tree in which nobody is killed with its children, or stops all at once. */
static bool
stops_in_order(const char *tree)
{
	return strstr(tree, ":20ms") == NULL &&
	    strstr(tree, ":parallel") == NULL;
}

static void
stop_in_reverse(struct rig *r, const char *tree)
{
	struct text want = { 0 }, got = { 0 };
	struct core_child root;
	bool wild = !stops_in_order(tree);

	ck_assert(core_view(rig_core(r), core_root(rig_core(r)), 0, &root));
	if (root.state == CORE_RUNNING) {
		expect_stops(r, root.slot, &want);
		add(&want, root.id);
		add(&want, " ");
	}
	rig_log_clear(r);
	rig_do(r, "shutdown");
	rig_do(r, "wait 10000");
	read_stops(r, &got);
	ck_assert_uint_eq(rig_running(r), 0);
	if (!wild && root.state == CORE_RUNNING)
		ck_assert_msg(strcmp(want.s, got.s) == 0,
		    "%s\n  want %s\n  got  %s", rig_log(r), want.s, got.s);
}

/* --- one scenario --- */

struct script { char commands[STEPS][4200]; unsigned n; };

static void
no_fault(const struct rig *r, unsigned number, const char *tree)
{
	ck_assert_msg(strstr(rig_log(r), "FAULT") == NULL,
	    "seed %u: %s\n%s", number, tree, rig_log(r));
}

/* Grow a script step by step against a core that does not crash. */
static char *
grow(unsigned number, unsigned flags, struct text *tree, struct script *out,
    bool check_stops)
{
	struct rig *r = rig_new(flags);
	char *boot = strdup(tree->s), *log, *changes;
	unsigned i;

	rig_boot(r, boot);
	for (i = 0; i < STEPS; i++) {
		make_command(r, tree, out->commands[i],
		    sizeof(out->commands[i]));
		rig_do(r, out->commands[i]);
		no_fault(r, number, boot);
	}
	out->n = STEPS;
	come_to_rest(r);
	no_fault(r, number, boot);
	log = strdup(rig_log(r));
	if (getenv("CORE_RANDOM_SAY") != NULL) {
		printf("seed %u: %s\n", number, boot);
		for (i = 0; i < out->n; i++)
			printf("  %s\n", out->commands[i]);
		printf("%s\n", log);
	}
	if (check_stops) {
		for (i = 0, changes = boot; i < STEPS; i++)
			if (strncmp(out->commands[i], "reload", 6) == 0 ||
			    strncmp(out->commands[i], "start_c", 7) == 0)
				changes = stops_in_order(out->commands[i]) ?
				    changes : out->commands[i];
		stop_in_reverse(r, changes);
		no_fault(r, number, boot);
	}
	rig_free(r);
	free(boot);
	return log;
}

static void
range(unsigned batch, unsigned *from, unsigned *to)
{
	const char *s = getenv("CORE_RANDOM_FROM");
	const char *n = getenv("CORE_RANDOM_COUNT");
	unsigned count = n != NULL ? (unsigned)atoi(n) : 1000;
	unsigned first = s != NULL ? (unsigned)atoi(s) : 1;

	*from = first + batch * (count / BATCHES);
	*to = *from + count / BATCHES;
}

START_TEST(random_scenarios_hold)
{
	unsigned n, to;
	struct script script = { .n = 0 };
	struct text tree;

	for (range((unsigned)_i, &n, &to); n < to; n++) {
		seed(n);
		make_tree(&tree, false);
		free(grow(n, n % 3 == 0 ? RIG_COMPAT : 0, &tree, &script,
		    true));
	}
}
END_TEST

static void
same_with_crashes(unsigned n)
{
	unsigned flags = n % 3 == 0 ? RIG_COMPAT : 0, i;
	struct script script = { .n = 0 };
	struct text tree;
	struct rig *r;
	char *boot, *log;

	seed(n);
	make_tree(&tree, true);
	boot = strdup(tree.s);
	log = grow(n, flags, &tree, &script, false);
	r = rig_new(flags | RIG_CRASH);
	rig_boot(r, boot);
	for (i = 0; i < script.n; i++) {
		rig_do(r, script.commands[i]);
		no_fault(r, n, boot);
	}
	come_to_rest(r);
	no_fault(r, n, boot);
	if (strcmp(rig_log(r), log) != 0) {
		printf("seed %u: %s\n", n, boot);
		for (i = 0; i < script.n; i++)
			printf("  %s\n", script.commands[i]);
		fflush(stdout);
	}
	ck_assert_str_eq(rig_log(r), log);
	rig_free(r);
	free(boot);
	free(log);
}

START_TEST(a_crash_makes_no_difference)
{
	unsigned n, to;

	for (range((unsigned)_i, &n, &to); n < to; n++)
		same_with_crashes(n);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("core random");
	TCase *tc = tcase_create("random");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, random_scenarios_hold, 0, BATCHES);
	tcase_add_loop_test(tc, a_crash_makes_no_difference, 0, BATCHES);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
