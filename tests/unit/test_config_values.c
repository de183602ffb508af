/* SPDX-License-Identifier: ISC */
/*
 * What right values become, what is inherited, what a change restarts, and
 * children for start_child.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_render.h"
#include "test_config.h"

#define TRUE_IS "\"id\": \"w\", \"start\": [\"/bin/true\"]"

static const struct {
	const char	*why, *keys, *want;
} worker_rows[] = {
	{ "a worker is permanent", TRUE_IS, " restart=0 " },
	{ "it has 5 s to stop", TRUE_IS, " shutdown=5000 " },
	{ "it is not significant and not down", TRUE_IS,
	    " significant=0 down=0 " },
	{ "it is not put off", TRUE_IS, " backoff=0-0/0 " },
	{ "it is plain and ready by exec", TRUE_IS,
	    " kind=0 ready=0 signal=15 log=10485760/5/0 logs=1 timeout=max" },
	{ "its environment is built", TRUE_IS, " env[PATH=/usr/local/sbin:"
	    "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin] env[OTP_PATH=w] "
	    "cwd=/ out=log err=log uid=max gid=max umask=keep\n" },
	{ "transient", TRUE_IS ", \"restart\": \"transient\"", " restart=1 " },
	{ "temporary", TRUE_IS ", \"restart\": \"temporary\"", " restart=2 " },
	{ "shutdown 0", TRUE_IS ", \"shutdown\": 0", " shutdown=0 " },
	{ "shutdown as 5e2", TRUE_IS ", \"shutdown\": 5e2", " shutdown=500 " },
	{ "the longest shutdown", TRUE_IS ", \"shutdown\": 4294967293",
	    " shutdown=4294967293 " },
	{ "shutdown brutal_kill", TRUE_IS ", \"shutdown\": \"brutal_kill\"",
	    " shutdown=kill " },
	{ "shutdown infinity", TRUE_IS ", \"shutdown\": \"infinity\"",
	    " shutdown=max " },
	{ "down", TRUE_IS ", \"down\": true", " down=1 " },
	{ "a gen_server is ready when it says so", TRUE_IS
	    ", \"kind\": \"gen_server\"", " kind=1 ready=2 " },
	{ "a gen_server may be ready by exec", TRUE_IS
	    ", \"kind\": \"gen_server\", \"ready\": \"exec\"",
	    " kind=1 ready=0 " },
	{ "a name", TRUE_IS ", \"kind\": \"gen_server\", \"name\": \"a.b-c\"",
	    " name[a.b-c]" },
	{ "a gen_server is told where otpd is", TRUE_IS
	    ", \"kind\": \"gen_server\", \"name\": \"n\"",
	    " env[OTP_PATH=w] env[OTP_LINK=3] env[OTP_LISTEN=4] "
	    "env[OTP_RUNTIME_DIR=/run/x] env[OTP_NAME=n] cwd" },
	{ "without a name it is told none", TRUE_IS
	    ", \"kind\": \"gen_server\"", "!OTP_NAME" },
	{ "a plain worker gets no link", TRUE_IS, "!OTP_LINK" },
	{ "whom a gen_server may speak with", TRUE_IS
	    ", \"kind\": \"gen_server\", \"allow\": {\"users\": [\"root\", 33],"
	    " \"groups\": [\"44\"]}", " env[OTP_ALLOW=uid:0 uid:33 gid:44] " },
	{ "only groups", TRUE_IS ", \"kind\": \"gen_server\", "
	    "\"allow\": {\"groups\": [7, 8]}", " env[OTP_ALLOW=gid:7 gid:8] " },
	{ "nobody else", TRUE_IS ", \"kind\": \"gen_server\", "
	    "\"allow\": {\"users\": []}", "!OTP_ALLOW" },
	{ "its groups are not the child's", TRUE_IS ", \"user\": 0, "
	    "\"groups\": [5], \"kind\": \"gen_server\", "
	    "\"allow\": {\"groups\": [7]}", " uid=0 gid=0 group=5 umask" },
	{ "nor the child's its", TRUE_IS ", \"user\": 0, "
	    "\"kind\": \"gen_server\", \"allow\": {\"groups\": [7]}, "
	    "\"groups\": [5]", " uid=0 gid=0 group=5 umask" },
	{ "nobody is allowed in another's place", TRUE_IS
	    ", \"kind\": \"gen_server\", \"allow\": {\"users\": "
	    "[\"no one\"]}", " problem[no user \"no one\"]" },
	{ "notify gets its socket", TRUE_IS ", \"ready\": \"notify\"",
	    " env[NOTIFY_SOCKET=/run/x/notify] " },
	{ "exec gets none", TRUE_IS, "!NOTIFY" },
	{ "a start timeout", TRUE_IS ", \"start_timeout\": 1", " timeout=1 " },
	{ "no start timeout", TRUE_IS ", \"start_timeout\": \"infinity\"",
	    " timeout=max " },
	{ "the default back-off", TRUE_IS ", \"backoff\": {}",
	    " backoff=200-30000/60000 " },
	{ "max follows a great min", TRUE_IS ", \"backoff\": {\"min\": 40000}",
	    " backoff=40000-40000/60000 " },
	{ "a back-off of one's own", TRUE_IS
	    ", \"backoff\": {\"max\": 9, \"reset\": 7, \"min\": 9}",
	    " backoff=9-9/7 " },
	{ "variables", TRUE_IS ", \"env\": {\"A\": \"1\", \"_b2\": \"\"}",
	    " env[A=1] env[_b2=] " },
	{ "a variable replaced in place", TRUE_IS
	    ", \"env\": {\"PATH\": \"/bin\"}", " env[PATH=/bin] env[OTP" },
	{ "a variable taken away", TRUE_IS ", \"env\": {\"PATH\": null}",
	    "!PATH=/usr" },
	{ "cwd", TRUE_IS ", \"cwd\": \"/tmp\"", " cwd=/tmp " },
	{ "umask is octal", TRUE_IS ", \"umask\": \"027\"", " umask=027\n" },
	{ "no output", TRUE_IS ", \"stdout\": \"null\", \"stderr\": \"null\"",
	    " out=null err=null " },
	{ "without a log it has no log", TRUE_IS
	    ", \"stdout\": \"null\", \"stderr\": \"inherit\"", " logs=0 " },
	{ "one of two is enough for a log", TRUE_IS
	    ", \"stdout\": \"null\"", " logs=1 " },
	{ "a file as a path", TRUE_IS ", \"stdout\": \"/a b\"",
	    " out=file/a b err=log " },
	{ "a file as an object", TRUE_IS
	    ", \"stderr\": {\"file\": \"/x\"}", " out=log err=file/x " },
	{ "two files", TRUE_IS ", \"stdout\": {\"file\": \"/o\"}, "
	    "\"stderr\": {\"file\": \"/e\"}", " out=file/o err=file/e " },
	{ "stderr goes with stdout", TRUE_IS ", \"stderr\": \"stdout\"",
	    " err=stdout " },
	{ "a log of one's own", TRUE_IS ", \"log\": {\"max_size\": 5, "
	    "\"keep\": 0, \"timestamp\": true}", " log=5/0/1 " },
	{ "sizes in KiB", TRUE_IS ", \"log\": {\"max_size\": \"3K\"}",
	    " log=3072/5/0 " },
	{ "sizes in GiB", TRUE_IS ", \"log\": {\"max_size\": \"2G\"}",
	    " log=2147483648/5/0 " },
	{ "a size without a unit", TRUE_IS ", \"log\": {\"max_size\": \"7\"}",
	    " log=7/5/0 " },
	{ "a signal by name", TRUE_IS ", \"stop_signal\": \"INT\"",
	    " signal=2 " },
	{ "a signal by its long name", TRUE_IS
	    ", \"stop_signal\": \"SIGQUIT\"", " signal=3 " },
	{ "a signal by number", TRUE_IS ", \"stop_signal\": 1", " signal=1 " },
	{ "limits", TRUE_IS ", \"limits\": {\"nofile\": 10}",
	    " limit7=10:10\n" },
	{ "soft and hard", TRUE_IS
	    ", \"limits\": {\"core\": [0, \"unlimited\"]}",
	    " limit4=0:-1\n" },
	{ "sizes in limits", TRUE_IS ", \"limits\": {\"stack\": \"8M\"}",
	    " limit3=8388608:8388608\n" },
	{ "root is a user", TRUE_IS ", \"user\": \"root\"",
	    " env[HOME=/root] env[USER=root] env[LOGNAME=root] env[SHELL=" },
	{ "a number is a user", TRUE_IS ", \"user\": 0, \"groups\": [7, 9]",
	    " uid=0 gid=0 group=7 group=9 umask" },
	{ "a group alone", TRUE_IS ", \"group\": 12", " uid=max gid=12 umask" },
	{ "a user without an entry", TRUE_IS
	    ", \"user\": 4000000000, \"group\": 5",
	    " uid=4000000000 gid=5 group=5 " },
	{ "digits in a string are a number", TRUE_IS
	    ", \"user\": \"4000000000\", \"group\": \"5\"",
	    " uid=4000000000 gid=5 " },
	{ "an unknown user is a problem", TRUE_IS ", \"user\": \"no one\"",
	    " problem[no user \"no one\"]" },
	{ "and never root", TRUE_IS ", \"user\": \"0day\"",
	    " uid=65534 gid=65534 umask" },
	{ "an unknown group is a problem", TRUE_IS ", \"group\": \"no one\"",
	    " problem[no group \"no one\"]" },
	{ "in a list too", TRUE_IS
	    ", \"user\": \"root\", \"groups\": [0, \"no one\"]",
	    " problem[no group \"no one\"]" },
	{ "a number without a group is a problem", TRUE_IS
	    ", \"user\": 4000000000", " problem[user 4000000000 has no group "
	    "of its own: `group` must say which]" },
	{ "-1 in a string is no number", TRUE_IS
	    ", \"user\": \"4294967295\"", " problem[no user \"4294967295\"]" },
	{ "a bare name is looked for", "\"id\": \"w\", \"start\": [\"sh\"]",
	    "/bin/sh] env" },
	{ "in the child's PATH", "\"id\": \"w\", \"start\": [\"sh\"], "
	    "\"env\": {\"PATH\": \"relative:/nowhere\"}",
	    " problem[no program \"sh\" in PATH]" },
	{ "without PATH it is not found", "\"id\": \"w\", "
	    "\"start\": [\"sh\"], \"env\": {\"PATH\": null}",
	    " problem[no program \"sh\" in PATH]" },
	{ "a folder is no program", "\"id\": \"w\", \"start\": [\"bin\"], "
	    "\"env\": {\"PATH\": \"/usr\"}", " problem[" },
	{ "a slash is left alone", "\"id\": \"w\", \"start\": [\"./x\"]",
	    " arg[./x] " },
	{ "a missing program is found out later",
	    "\"id\": \"w\", \"start\": [\"/no/such\", \"\", \"a b\"]",
	    " arg[/no/such] arg[] arg[a b] env" },
	{ "text in any script", TRUE_IS ", \"description\": \"\\u00e4\\n"
	    "\\ud83d\\ude00\"", " description[\xc3\xa4\n\xf0\x9f\x98\x80]" },
	{ "type worker may be said", TRUE_IS ", \"type\": \"worker\"",
	    "w: worker " },
};

START_TEST(reads_a_worker)
{
	char *text, *tree;
	struct config *c;

	ck_assert_int_gt(asprintf(&text, "{ \"children\": [ { %s } ] }",
	    worker_rows[_i].keys), 0);
	c = parse(text);
	assert_right(c, worker_rows[_i].why);
	tree = render_tree(c->root->children);
	assert_has(worker_rows[_i].why, tree, worker_rows[_i].want);
	free(tree);
	free(text);
	config_free(c);
}
END_TEST

static const struct {
	const char	*why, *text, *want;
} root_rows[] = {
	{ "an empty root is Elixir's", "{}", "root: supervisor restart=0 "
	    "significant=0 down=0 shutdown=max backoff=0-0/0 strategy=0 "
	    "auto=0 parallel=0 period=5000 max=3 " },
	{ "one_for_all", "{\"strategy\": \"one_for_all\"}", " strategy=1 " },
	{ "rest_for_one", "{\"strategy\": \"rest_for_one\"}", " strategy=2 " },
	{ "simple_one_for_one", "{\"strategy\": \"simple_one_for_one\", "
	    "\"template\": {\"start\": [\"/bin/true\"]}}", " strategy=3 " },
	{ "any_significant", "{\"auto_shutdown\": \"any_significant\"}",
	    " auto=1 " },
	{ "all_significant", "{\"auto_shutdown\": \"all_significant\"}",
	    " auto=2 " },
	{ "stops in reverse", "{\"stop_order\": \"reverse\"}",
	    " parallel=0 " },
	{ "stops in parallel", "{\"stop_order\": \"parallel\"}",
	    " parallel=1 " },
	{ "no restarts", "{\"max_restarts\": 0}", " max=0 " },
	{ "any number of restarts", "{\"max_restarts\": \"infinity\"}",
	    " max=max " },
	{ "a fraction of a second", "{\"max_seconds\": 0.001}", " period=1 " },
	{ "a fraction that is not exact", "{\"max_seconds\": 1.1}",
	    " period=1100 " },
	{ "an id", "{\"id\": \"top\"}", "top: supervisor " },
	{ "supervisors below have no end to stop in", "{\"children\": ["
	    "{\"id\": \"s\", \"type\": \"supervisor\"}]}",
	    "  s: supervisor restart=0 significant=0 down=0 shutdown=max " },
	{ "supervisors below take a child's keys", "{\"children\": ["
	    "{\"id\": \"s\", \"type\": \"supervisor\", \"shutdown\": 1, "
	    "\"restart\": \"temporary\", \"down\": true, \"backoff\": {}}]}",
	    " restart=2 significant=0 down=1 shutdown=1 backoff=200-" },
	{ "a significant child", "{\"auto_shutdown\": \"any_significant\", "
	    "\"children\": [{" TRUE_IS ", \"restart\": \"temporary\", "
	    "\"significant\": true}]}", " restart=2 significant=1 " },
	{ "compat does no harm", "{\"compat\": \"otp\"}", "root: " },
	{ "services that die with otpd", "{\"on_otpd_death\": \"kill\"}",
	    "root: " },
	{ "services that stay", "{\"on_otpd_death\": \"leave\"}", "root: " },
};

START_TEST(reads_a_supervisor)
{
	struct config *c = parse(root_rows[_i].text);
	char *tree;

	assert_right(c, root_rows[_i].why);
	tree = render_tree(c->root);
	assert_has(root_rows[_i].why, tree, root_rows[_i].want);
	ck_assert_int_eq(c->options.compat_otp,
	    strstr(root_rows[_i].text, "compat") != NULL);
	ck_assert_int_eq(c->options.die_with_otpd,
	    strstr(root_rows[_i].text, "\"kill\"") != NULL);
	free(tree);
	config_free(c);
}
END_TEST

START_TEST(reads_registries)
{
	struct config *c = parse("{\"registries\": {"
	    "\"users\": {\"keys\": \"unique\"},"
	    "\"topics\": {\"keys\": \"duplicate\", \"max_entries\": 7, "
	    "\"listeners\": [\"a\", \"b.c\"]}}}");
	const struct config_registry *g = c->options.registries;

	assert_right(c, "registries");
	ck_assert_uint_eq(c->options.nregistries, 2);
	ck_assert_str_eq(g[0].name, "users");
	ck_assert(g[0].unique && g[0].nlisteners == 0);
	ck_assert_uint_eq(g[0].max_entries, 1000000);
	ck_assert_str_eq(g[1].name, "topics");
	ck_assert(!g[1].unique && g[1].nlisteners == 2);
	ck_assert_uint_eq(g[1].max_entries, 7);
	ck_assert_str_eq(g[1].listeners[1], "b.c");
	config_free(c);
}
END_TEST

/* --- what is inherited --- */

static const char inherit_text[] =
	"{ \"env\": { \"A\": \"root\", \"B\": \"root\", \"PATH\": \"/bin\" },"
	"  \"log\": { \"max_size\": 1, \"keep\": 1 },"
	"  \"children\": ["
	"    { \"id\": \"x\", \"start\": [\"true\"] },"
	"    { \"id\": \"s\", \"type\": \"supervisor\","
	"      \"env\": { \"B\": null, \"C\": \"s\" },"
	"      \"log\": { \"keep\": 2, \"timestamp\": true },"
	"      \"children\": ["
	"        { \"id\": \"y\", \"start\": [\"true\"],"
	"          \"env\": { \"B\": \"y\", \"A\": null },"
	"          \"log\": { \"max_size\": 3 } },"
	"        { \"id\": \"z\", \"start\": [\"true\"] } ] },"
	"    { \"id\": \"d\", \"type\": \"supervisor\","
	"      \"strategy\": \"simple_one_for_one\", \"env\": { \"D\": \"d\" },"
	"      \"template\": { \"start\": [\"true\"] } },"
	"    { \"id\": \"e\", \"type\": \"dynamic_supervisor\","
	"      \"extra_arguments\": [\"-e\", \"f g\"] },"
	"    { \"id\": \"t\", \"type\": \"dynamic_supervisor\","
	"      \"extra_arguments\": [\"b\"],"
	"      \"template\": { \"start\": [\"/x\", \"c\"] } } ] }";

/* Only the installation knows where otp-agent and otp-port are. */
START_TEST(finds_programs_of_otpd_without_a_path)
{
	static const char *const names[] = { "otp-own", "own" };
	char dir[] = "/tmp/test_config.XXXXXX", file[64], *tree;
	struct config *c;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(file, sizeof(file), "%s/%s", dir, names[i]);
		(void)close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
	}
	ck_assert_int_eq(setenv("OTP_LIBEXEC", dir, 1), 0);
	c = parse("{\"children\":[{\"id\":\"a\",\"start\":[\"otp-own\"]},"
	    "{\"id\":\"b\",\"start\":[\"own\"]}]}");
	assert_right(c, "bare names");
	tree = render_tree(c->root->children);
	(void)snprintf(file, sizeof(file), "%s/otp-own] env", dir);
	assert_has("its own", tree, file);
	assert_has("another", tree, " problem[no program \"own\" in PATH]");
	free(tree);
	config_free(c);
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(file, sizeof(file), "%s/%s", dir, names[i]);
		(void)unlink(file);
	}
	(void)rmdir(dir);
}
END_TEST

static const struct { const char *id, *want; } inherit_rows[] = {
	{ "x", " log=1/1/0 " },
	{ "x", " arg[/bin/true] env[PATH=/bin] env[OTP_PATH=x] env[A=root] "
	    "env[B=root] cwd" },
	{ "s/y", " log=3/2/1 " },
	{ "s/y", " env[PATH=/bin] env[OTP_PATH=s/y] env[B=y] env[C=s] cwd" },
	{ "s/z", " log=1/2/1 " },
	{ "s/z", " env[OTP_PATH=s/z] env[A=root] env[C=s] cwd" },
	{ "d/", " source[{\"start\":[\"true\"],\"env\":{\"A\":\"root\","
	    "\"B\":\"root\",\"PATH\":\"/bin\",\"D\":\"d\"},\"log\":"
	    "{\"max_size\":1,\"keep\":1,\"timestamp\":false}}]" },
	{ "s", " source[{\"env\":{\"A\":\"root\",\"B\":null,\"PATH\":\"/bin\","
	    "\"C\":\"s\"},\"log\":{\"max_size\":1,\"keep\":2,\"timestamp\":"
	    "true}}]" },
};

static const struct core_spec *
find_spec(const struct core_spec *sup, const char *path)
{
	const size_t len = strcspn(path, "/");
	const struct core_spec *spec;

	for (spec = sup->children; spec != NULL; spec = spec->next)
		if (strlen(spec->id) == len &&
		    strncmp(spec->id, path, len) == 0)
			break;
	ck_assert_ptr_nonnull(spec);
	return path[len] == '\0' ? spec : find_spec(spec, path + len + 1);
}

START_TEST(children_inherit)
{
	struct config *c = parse(inherit_text);
	struct core_spec one;
	char *tree;

	assert_right(c, "inheritance");
	one = *find_spec(c->root, inherit_rows[_i].id);
	one.next = one.children = NULL;
	tree = render_tree(&one);
	assert_has(inherit_rows[_i].id, tree, inherit_rows[_i].want);
	free(tree);
	config_free(c);
}
END_TEST

/* --- what needs a restart --- */

static const struct {
	const char	*why, *keys;
	bool		 same;
} same_rows[] = {
	{ "nothing", "", true },
	{ "a description", ", \"description\": \"x\"", true },
	{ "the log's settings", ", \"log\": {\"keep\": 9}", true },
	{ "a start timeout", ", \"start_timeout\": 5", true },
	{ "back-off", ", \"backoff\": {}", true },
	{ "shutdown", ", \"shutdown\": 1", true },
	{ "restart", ", \"restart\": \"temporary\"", true },
	{ "the stop signal", ", \"stop_signal\": \"INT\"", true },
	{ "a variable", ", \"env\": {\"A\": \"1\"}", false },
	{ "cwd", ", \"cwd\": \"/tmp\"", false },
	{ "umask", ", \"umask\": \"000\"", false },
	{ "stdout", ", \"stdout\": \"null\"", false },
	{ "stderr", ", \"stderr\": \"stdout\"", false },
	{ "a limit", ", \"limits\": {\"core\": 0}", false },
	{ "the group", ", \"group\": 1", false },
	{ "the user", ", \"user\": 3, \"group\": 3", false },
	{ "another unknown user", ", \"user\": \"no one\"", false },
	{ "kind", ", \"kind\": \"gen_server\", \"ready\": \"exec\"", false },
	{ "ready", ", \"ready\": \"notify\"", false },
	{ "who may call", ", \"kind\": \"gen_server\", "
	    "\"ready\": \"exec\", \"allow\": {\"users\": [1]}", false },
};

START_TEST(some_changes_need_a_restart)
{
	struct config *a, *b;
	char *text;

	a = parse("{\"children\": [{" TRUE_IS "}]}");
	ck_assert_int_gt(asprintf(&text, "{\"children\": [{" TRUE_IS "%s}]}",
	    same_rows[_i].keys), 0);
	b = parse(text);
	assert_right(b, same_rows[_i].why);
	ck_assert_msg(service_same(a->root->children->user,
	    b->root->children->user, CORE_SAME_PROCESS) == same_rows[_i].same,
	    "%s", same_rows[_i].why);
	ck_assert(service_same(a->root->user, b->root->user,
	    CORE_SAME_PROCESS));
	free(text);
	config_free(a);
	config_free(b);
}
END_TEST

/* --- start_child --- */

static const struct {
	const char	*why;
	const char	*sup;		/* whose child it is to be */
	const char	*text;
	const char	*want;		/* in the child, or in the errors */
	bool		 right;
} child_rows[] = {
	{ "a child like any other", "s",
	    "{\"id\": \"n\", \"start\": [\"/x\"], \"restart\": \"temporary\"}",
	    "n: worker restart=2 ", true },
	{ "it inherits", "s", "{\"id\": \"n\", \"start\": [\"true\"]}",
	    " env[PATH=/bin] env[OTP_PATH=s/n] env[A=root] env[C=s] ", true },
	{ "logs too", "s", "{\"id\": \"n\", \"start\": [\"/x\"]}",
	    " log=1/2/1 ", true },
	{ "a supervisor", "s", "{\"id\": \"n\", \"type\": \"supervisor\", "
	    "\"children\": [{\"id\": \"m\", \"start\": [\"/x\"]}]}",
	    "env[OTP_PATH=s/n/m]", true },
	{ "significant where nobody shuts down", "s", "{\"id\": \"n\", "
	    "\"start\": [\"/x\"], \"restart\": \"temporary\", "
	    "\"significant\": true}", "start_child:1:69: s/n: a significant "
	    "child needs a supervisor whose", false },
	{ "an error in it", "s", "{\"id\": \"n\", \"strat\": [\"/x\"]}",
	    "start_child:1:13: s/n: unknown key `strat`; did you mean `start`?"
	    "\n", false },
	{ "no JSON", "s", "{\"id\": \"n\"", "start_child:1:11: s/n: the file "
	    "ends inside the object that began at 1:1: a `}` is missing\n",
	    false },
	{ "nothing", "s", "", "start_child:1:1: s: expected a value", false },
	{ "no id", "s", "{\"start\": [\"/x\"]}", "start_child:1:1: s/#1: "
	    "`id` is missing", false },
	{ "of a template", "d", "{\"id\": \"n\", \"args\": [\"-a\", \"b c\"]}",
	    " arg[/bin/true] arg[-a] arg[b c] env[PATH=/bin] env[OTP_PATH=d/n]"
	    " env[A=root] env[B=root] env[D=d] cwd", true },
	{ "without args", "d", "{\"id\": \"n\"}",
	    " log=1/1/0 ", true },
	{ "args must be strings", "d", "{\"id\": \"n\", \"args\": [1]}",
	    "start_child:1:22: d: `args` must be an array of strings; this "
	    "one is 1\n", false },
	{ "a template takes no other keys", "d",
	    "{\"id\": \"n\", \"start\": [\"/x\"]}", "start_child:1:13: d: "
	    "`start` belongs in a worker, not in a child made from a "
	    "template\n", false },
	{ "a template needs an id", "d", "{}",
	    "start_child:1:1: d: `id` is missing", false },
	{ "an id that is none", "d", "{\"id\": \"/\"}",
	    "start_child:1:8: d: `id` must be", false },
	{ "no object", "d", "[]", "start_child:1:1: d: a child made from "
	    "a template is given as", false },
	{ "extra arguments come first", "e",
	    "{\"id\": \"n\", \"start\": [\"/x\", \"a\", \"b\"]}",
	    " arg[/x] arg[-e] arg[f g] arg[a] arg[b] env[", true },
	{ "and are kept", "e", "{\"id\": \"n\", \"start\": [\"/x\"]}",
	    "source[{\"id\":\"n\",\"start\":[\"/x\",\"-e\",\"f g\"],",
	    true },
	{ "a supervisor has no arguments", "e", "{\"id\": \"n\", \"type\": "
	    "\"dynamic_supervisor\", \"max_children\": 7}",
	    "n: supervisor restart=0 significant=0 down=0 shutdown=max "
	    "backoff=0-0/0 strategy=4 auto=0 parallel=0 period=5000 max=3 "
	    "children=7 ", true },
	{ "before a template's, and those of the child", "t",
	    "{\"id\": \"n\", \"args\": [\"d\"]}",
	    " arg[/x] arg[b] arg[c] arg[d] env[", true },
	{ "a template takes no other keys here either", "t",
	    "{\"id\": \"n\", \"restart\": \"temporary\"}", "start_child:1:"
	    "13: t: `restart` belongs in a worker, not in a child made from a "
	    "template\n", false },
	{ "an error in a full one", "e", "{\"id\": \"n\", \"args\": []}",
	    "start_child:1:13: e/n: `args` belongs in a child made from a "
	    "template, not in a worker\n", false },
};

START_TEST(reads_a_child_for_start_child)
{
	const struct config_context at = {
		.runtime_dir = "/run/x", .path = child_rows[_i].sup
	};
	const struct core_spec *sup;
	const struct service *from;
	struct config *c = parse(inherit_text), *child, *again;
	const char *text = child_rows[_i].text;
	char *out, *two;

	sup = find_spec(c->root, child_rows[_i].sup);
	from = sup->children != NULL && strcmp(sup->id, "s") != 0 ?
	    sup->children->user : sup->user;
	child = config_parse_child(text, strlen(text), sup->strategy, from,
	    &at);
	out = child->nerrors > 0 ? errors_of(child) : render_tree(child->root);
	assert_has(child_rows[_i].why, out, child_rows[_i].want);
	ck_assert_int_eq(child->nerrors == 0, child_rows[_i].right);
	if (child_rows[_i].right) {
		/* Its own source gives the same child. */
		text = ((struct service *)child->root->user)->source;
		again = config_parse_child(text, strlen(text), sup->strategy,
		    NULL, &cx);
		assert_right(again, child_rows[_i].why);
		two = render_tree(again->root);
		ck_assert_str_eq(out, two);
		free(two);
		config_free(again);
	}
	free(out);
	config_free(child);
	config_free(c);
}
END_TEST

/* A tree that grew at run time is no deeper than one that was written. */
START_TEST(depth_counts_from_the_root)
{
	static char path[65 * 29 + 1];
	struct config_context at = { .path = path };
	const char *text = "{\"id\": \"s\", \"type\": \"supervisor\", "
	    "\"children\": [{" TRUE_IS "}]}";
	char *errors, *p = path;
	struct config *c;
	int i;

	for (i = 0; i < 28; i++)
		p += sprintf(p, "%s%064d", i > 0 ? "/" : "", i);
	c = config_parse_child(text, strlen(text), CORE_ONE_FOR_ONE, NULL,
	    &at);
	ck_assert_uint_eq(c->nerrors, 0);
	config_free(c);
	sprintf(p, "/%064d", i);
	c = config_parse_child(text, strlen(text), CORE_ONE_FOR_ONE, NULL,
	    &at);
	errors = errors_of(c);
	assert_has("one deeper", errors, "nested deeper than 30 levels");
	free(errors);
	config_free(c);
}
END_TEST

/* --- ownership and size --- */

static void
free_services(struct core_spec *spec)
{
	for (; spec != NULL; spec = (struct core_spec *)spec->next) {
		free_services((struct core_spec *)spec->children);
		service_free(spec->user);
	}
}

START_TEST(services_outlive_the_config)
{
	struct config *c = parse(inherit_text);
	struct core_spec *root = config_take_root(c);
	struct service *s;

	ck_assert_ptr_nonnull(root);
	ck_assert_ptr_null(config_take_root(c));
	config_free(c);
	s = find_spec(root, "s/y")->user;
	find_spec(root, "x");
	((struct core_spec *)find_spec(root, "s/y"))->user = NULL;
	free_services(root);
	config_free_specs(root);
	ck_assert_int_eq(s->stop_signal, 15);
	service_free(s);
}
END_TEST

TCase *
values_tcase(void)
{
	TCase *t = tcase_create("values");

	tcase_add_test(t, reads_registries);
	tcase_add_test(t, finds_programs_of_otpd_without_a_path);
	tcase_add_loop_test(t, reads_a_worker, 0, nitems(worker_rows));
	tcase_add_loop_test(t, reads_a_supervisor, 0, nitems(root_rows));
	tcase_add_loop_test(t, children_inherit, 0, nitems(inherit_rows));
	tcase_add_loop_test(t, some_changes_need_a_restart, 0,
	    nitems(same_rows));
	tcase_add_loop_test(t, reads_a_child_for_start_child, 0,
	    nitems(child_rows));
	tcase_add_test(t, depth_counts_from_the_root);
	tcase_add_test(t, services_outlive_the_config);
	return t;
}
