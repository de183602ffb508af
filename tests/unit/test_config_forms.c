/* SPDX-License-Identifier: ISC */
/*
 * The forms of supervisors beside the plain one: dynamic, and partitions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_render.h"
#include "test_config.h"

static const char dynamic_text[] = "{\"children\": [{\"id\": \"e\", "
    "\"type\": \"dynamic_supervisor\"}]}";

static const struct {
	const char	*why, *text, *want;
} rows[] = {
	{ "a dynamic supervisor", "{\"children\": [{\"id\": \"s\", "
	    "\"type\": \"dynamic_supervisor\"}]}", "  s: supervisor "
	    "restart=0 significant=0 down=0 shutdown=max backoff=0-0/0 "
	    "strategy=4 auto=0 parallel=0 period=5000 max=3 children=max " },
	{ "its strategy may be written", "{\"children\": [{\"id\": \"s\", "
	    "\"type\": \"dynamic_supervisor\", \"max_children\": 0, "
	    "\"strategy\": \"one_for_one\"}]}", " children=0 " },
	{ "its template", "{\"children\": [{\"id\": \"s\", "
	    "\"type\": \"dynamic_supervisor\", \"template\": "
	    "{\"start\": [\"/x\"]}}]}", "\n    : worker restart=0 " },
	{ "a supervisor of tasks", "{\"children\": [{\"id\": \"s\", "
	    "\"type\": \"task_supervisor\", \"max_children\": 3, "
	    "\"extra_arguments\": [\"x\"]}]}", " children=3 " },
	{ "tasks are temporary", "{\"children\": [{\"id\": \"s\", "
	    "\"type\": \"task_supervisor\", \"template\": "
	    "{\"start\": [\"/x\"]}}]}", "\n    : worker restart=2 " },
	{ "unless they say otherwise", "{\"children\": [{\"id\": \"s\", "
	    "\"type\": \"task_supervisor\", \"template\": "
	    "{\"start\": [\"/x\"], \"restart\": \"transient\"}}]}",
	    "\n    : worker restart=1 " },
	{ "partitions", "{\"children\": [{\"id\": \"p\", \"partitions\": 2, "
	    "\"type\": \"partition_supervisor\", \"template\": "
	    "{\"start\": [\"/x\"]}}]}", " arg[/x] env[PATH=/usr/local/sbin:"
	    "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin] env[OTP_PATH=p/1] "
	    "env[OTP_PARTITION=1] env[OTP_PARTITIONS=2] cwd" },
	{ "partitions are a supervisor's children", "{\"children\": [{"
	    "\"id\": \"p\", \"partitions\": 1, \"strategy\": \"one_for_all\","
	    " \"type\": \"partition_supervisor\", \"template\": "
	    "{\"start\": [\"/x\"]}}]}", "  p: supervisor restart=0 "
	    "significant=0 down=0 shutdown=max backoff=0-0/0 strategy=1 "
	    "auto=0 parallel=0 period=5000 max=3 kind=0 ready=0 signal=15 "
	    "log=10485760/5/0 logs=0 timeout=max partitions=1\n    0: worker" },
	{ "partitions that are supervisors", "{\"children\": [{\"id\": "
	    "\"p\", \"partitions\": 2, \"type\": \"partition_supervisor\", "
	    "\"template\": {\"type\": \"dynamic_supervisor\"}}]}",
	    "\n    1: supervisor restart=0 significant=0 down=0 shutdown=max "
	    "backoff=0-0/0 strategy=4 " },
	{ "what is below them knows them, too", "{\"children\": [{\"id\": "
	    "\"p\", \"partitions\": 2, \"type\": \"partition_supervisor\", "
	    "\"template\": {\"type\": \"supervisor\", \"children\": [{"
	    "\"id\": \"w\", \"start\": [\"/x\"]}]}}]}",
	    "env[OTP_PATH=p/1/w] env[OTP_PARTITION=1] env[OTP_PARTITIONS=2]" },
	{ "an application is never started or restarted by a rule",
	    "{\"applications\": [{\"id\": \"a\", \"tree\": {}}]}",
	    "\n  a: supervisor restart=1 significant=0 down=1 shutdown=max " },
	{ "its properties", "{\"applications\": [{\"id\": \"a\", \"tree\": "
	    "{}, \"vsn\": \"1\", \"start_type\": \"transient\", "
	    "\"description\": \"d\", \"autostart\": false, \"env\": "
	    "{\"x\": [null]}}]}", " description[d] app[{\"vsn\":\"1\","
	    "\"start_type\":\"transient\",\"autostart\":false,"
	    "\"applications\":[],\"env\":{\"x\":[null]}}] source" },
	{ "what it needs comes first, else the order is by name",
	    "{\"applications\": [{\"id\": \"c\", \"tree\": {}}, "
	    "{\"id\": \"b\", \"tree\": {}, \"applications\": [\"d\"]}, "
	    "{\"id\": \"d\", \"tree\": {\"children\": [{\"id\": \"w\", "
	    "\"start\": [\"/x\"]}]}}]}", "env[OTP_PATH=d/w] "
	    "env[OTP_APP=d] cwd=/ out=log err=log uid=max gid=max "
	    "umask=keep\n  b: supervisor" },
	{ "a pool lends the children of a dynamic supervisor", "{\"children\": "
	    "[{\"id\": \"p\", \"type\": \"pool\", \"template\": "
	    "{\"start\": [\"/x\"]}}]}", "  p: supervisor restart=0 "
	    "significant=0 down=0 shutdown=max backoff=0-0/0 strategy=1 " },
	{ "its workers", "{\"children\": [{\"id\": \"p\", \"type\": "
	    "\"pool\", \"template\": {\"start\": [\"/x\"]}}]}",
	    "\n    workers: supervisor restart=0 significant=0 down=0 "
	    "shutdown=max backoff=0-0/0 strategy=4 " },
	{ "they are temporary", "{\"children\": [{\"id\": \"p\", \"type\": "
	    "\"pool\", \"template\": {\"start\": [\"/x\"]}}]}",
	    "\n      : worker restart=2 " },
	{ "also when that is said", "{\"children\": [{\"id\": \"p\", "
	    "\"type\": \"pool\", \"template\": {\"restart\": \"temporary\", "
	    "\"start\": [\"/x\"]}}]}", "\n      : worker restart=2 " },
	{ "its server", "{\"children\": [{\"id\": \"p\", \"type\": "
	    "\"pool\", \"template\": {\"start\": [\"/x\"]}}]}",
	    "/otp-pool] arg[--size] arg[5] arg[--max-overflow] arg[10] "
	    "arg[--order] arg[lifo] " },
	{ "its server as it is written", "{\"children\": [{\"id\": \"p\", "
	    "\"type\": \"pool\", \"size\": 0, \"max_overflow\": 3, "
	    "\"order\": \"fifo\", \"template\": {\"start\": [\"/x\"]}}]}",
	    "/otp-pool] arg[--size] arg[0] arg[--max-overflow] arg[3] "
	    "arg[--order] arg[fifo] " },
	{ "a pool is asked by its id", "{\"children\": [{\"id\": \"p\", "
	    "\"type\": \"pool\", \"template\": {\"start\": [\"/x\"]}}]}",
	    "env[OTP_NAME=p]" },
	{ "or by its name", "{\"children\": [{\"id\": \"p\", \"type\": "
	    "\"pool\", \"name\": \"n\", \"allow\": {\"users\": [33]}, "
	    "\"template\": {\"start\": [\"/x\"]}}]}",
	    "env[OTP_NAME=n] env[OTP_ALLOW=uid:33]" },
};

START_TEST(reads_a_form)
{
	struct config *c = parse(rows[_i].text), *again;
	char *tree, *two;

	assert_right(c, rows[_i].why);
	tree = render_tree(c->root);
	assert_has(rows[_i].why, tree, rows[_i].want);
	again = config_parse(c->text, c->text_len, "again", &cx);
	assert_right(again, rows[_i].why);
	two = render_tree(again->root);
	ck_assert_str_eq(tree, two);
	free(tree);
	free(two);
	config_free(again);
	config_free(c);
}
END_TEST

/* One whose id was taken goes by another name, also when it is read again. */
START_TEST(a_name_beside_the_id)
{
	struct config_context at = { .path = "e", .name = "n~12" };
	static const char text[] = "{\"id\": \"n\", \"start\": [\"/x\"]}";
	struct config *c = parse(dynamic_text), *child;
	const struct core_spec *sup = c->root->children;
	char *source, *out;

	child = config_parse_child(text, strlen(text), sup->strategy,
	    sup->user, &at);
	assert_right(child, "named");
	source = strdup(((struct service *)child->root->user)->source);
	config_free(child);
	child = config_parse_child(source, strlen(source), CORE_DYNAMIC, NULL,
	    &cx);
	assert_right(child, "named again");
	out = render_tree(child->root);
	assert_has("its name", out, "n~12: worker ");
	assert_has("its path", out, "env[OTP_PATH=e/n~12]");
	assert_has("its source", out, "\"as\":\"n~12\"");
	free(out);
	free(source);
	config_free(child);
	config_free(c);
}
END_TEST

START_TEST(only_numbers_make_a_name)
{
	static const char *const names[] = { "n~x", "n/1", "../n", "~1", "" };
	char text[100], *errors;
	struct config *c;
	size_t i;

	for (i = 0; i < nitems(names); i++) {
		snprintf(text, sizeof(text), "{\"id\": \"n\", \"as\": "
		    "\"%s\", \"start\": [\"/x\"]}", names[i]);
		c = config_parse_child(text, strlen(text), CORE_DYNAMIC, NULL,
		    &cx);
		errors = errors_of(c);
		assert_has(names[i], errors, "unknown key `as`");
		free(errors);
		config_free(c);
	}
}
END_TEST

/* The number of CPUs is asked for once, and kept for later engines. */
START_TEST(partitions_are_counted_once)
{
	static const char text[] = "{\"children\": [{\"id\": \"p\", "
	    "\"type\": \"partition_supervisor\", \"template\": "
	    "{\"start\": [\"/x\"]}}]}";
	struct config *c = parse(text);
	const struct core_spec *p;
	char want[64];

	assert_right(c, "default");
	p = c->root->children;
	snprintf(want, sizeof(want), "\"partitions\":%u}",
	    ((struct service *)p->user)->partitions);
	assert_has("written", c->text, want);
	ck_assert_ptr_null(strstr(c->text, "\"id\":\"0\""));
	ck_assert_int_ge(((struct service *)p->user)->partitions, 1);
	config_free(c);
}
END_TEST

TCase *
forms_tcase(void)
{
	TCase *t = tcase_create("forms");

	tcase_add_loop_test(t, reads_a_form, 0, nitems(rows));
	tcase_add_test(t, a_name_beside_the_id);
	tcase_add_test(t, only_numbers_make_a_name);
	tcase_add_test(t, partitions_are_counted_once);
	return t;
}
