/* SPDX-License-Identifier: ISC */
/*
 * The reader of configurations: how wrong ones are told, whole files, and that
 * size costs no more than it must.  What right values become is in
 * test_config_values.c.
 */
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config_render.h"
#include "engine/config_check.h"
#include "engine/config_keys.h"
#include "test_config.h"

const struct config_context cx = { .runtime_dir = "/run/x" };

static const char *
srcdir(void)
{
	const char *dir = getenv("OTPD_SRCDIR");

	return dir != NULL ? dir : ".";
}

static char *
in_srcdir(const char *path)
{
	char *full;

	ck_assert_int_gt(asprintf(&full, "%s/%s", srcdir(), path), 0);
	return full;
}

/* Everything in the file, NUL-ended; NULL when there is none. */
static char *
contents(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t size = 1 << 20, n;
	char *text;

	if (f == NULL)
		return NULL;
	text = calloc(1, size + 1);
	ck_assert_ptr_nonnull(text);
	n = fread(text, 1, size, f);
	ck_assert_uint_lt(n, size);
	fclose(f);
	return text;
}

struct config *
parse(const char *text)
{
	return config_parse(text, strlen(text), "t.json", &cx);
}

/* All errors as printed. */
char *
errors_of(const struct config *c)
{
	char *text = NULL, line[4096];
	size_t len, i;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	for (i = 0; i < c->nerrors; i++) {
		config_error_format(&c->errors[i], line, sizeof(line));
		fputs(line, f);
	}
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

void
assert_right(const struct config *c, const char *why)
{
	char *errors = errors_of(c);

	ck_assert_msg(c->nerrors == 0, "%s: %s", why, errors);
	ck_assert_msg(c->root != NULL && c->text != NULL, "%s: no tree", why);
	ck_assert_uint_eq(c->text_len, strlen(c->text));
	free(errors);
}

void
assert_has(const char *why, const char *text, const char *want)
{
	const bool absent = want[0] == '!';

	ck_assert_msg((strstr(text, want + absent) != NULL) != absent,
	    "%s: wanted %s in\n%s", why, want, text);
}

/* --- errors --- */

static int
only_json(const struct dirent *entry)
{
	const size_t len = strlen(entry->d_name);

	return len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

static void
check_bad(const char *name)
{
	struct config *c = config_load(name, &cx);
	char *expected, *errors = errors_of(c), file[300];

	ck_assert_int_lt(snprintf(file, sizeof(file), "%.*s.expected",
	    (int)(strlen(name) - 5), name), (int)sizeof(file));
	expected = contents(file);
	ck_assert_msg(expected != NULL, "%s is missing", file);
	ck_assert_str_eq(errors, expected);
	ck_assert_uint_gt(c->nerrors, 0);
	ck_assert_ptr_null(c->root);
	ck_assert_ptr_null(c->text);
	free(expected);
	free(errors);
	config_free(c);
}

START_TEST(tells_every_error_of_a_bad_file)
{
	char *dir = in_srcdir("tests/config/bad");
	struct dirent **entries;
	int i, n;

	ck_assert_int_eq(chdir(dir), 0);
	n = scandir(".", &entries, only_json, alphasort);
	ck_assert_int_ge(n, 25);
	for (i = 0; i < n; i++) {
		check_bad(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	free(dir);
}
END_TEST

/* Every key has a bad value, with its message, among those files. */
START_TEST(every_key_is_refused_somewhere)
{
	char *dir = in_srcdir("tests/config/bad"), key[32], *text;
	struct dirent **entries;
	bool seen[KEY_NKEYS] = { [KEY_args] = true };	/* of start_child */
	char path[512], *dot;
	int i, k, n;

	n = scandir(dir, &entries, only_json, alphasort);
	for (i = 0; i < n; i++) {
		dot = strrchr(entries[i]->d_name, '.');
		*dot = '\0';
		snprintf(path, sizeof(path), "%s/%s.expected", dir,
		    entries[i]->d_name);
		ck_assert_ptr_nonnull(text = contents(path));
		for (k = 0; k < KEY_NKEYS; k++) {
			snprintf(key, sizeof(key), ": `%s` ",
			    config_key_info((enum config_key)k)->name);
			seen[k] = seen[k] || strstr(text, key) != NULL;
		}
		free(text);
		free(entries[i]);
	}
	free(entries);
	free(dir);
	for (k = 0; k < KEY_NKEYS; k++)
		ck_assert_msg(seen[k], "no bad value of %s",
		    config_key_info((enum config_key)k)->name);
}
END_TEST

static const struct { const char *why, *file, *want; } unreadable_rows[] = {
	{ "no such file", "/no/such.json",
	    "/no/such.json: cannot be read: no such file or directory\n" },
	{ "a folder", "/", "/: cannot be read: it is a folder, not a file\n" },
	{ "a device", "/dev/null",
	    "/dev/null: cannot be read: it is not a regular file\n" },
};

START_TEST(an_unreadable_file_is_an_error)
{
	struct config *c = config_load(unreadable_rows[_i].file, &cx);
	char *errors = errors_of(c);

	ck_assert_str_eq(errors, unreadable_rows[_i].want);
	free(errors);
	config_free(c);
}
END_TEST

START_TEST(a_pipe_is_not_waited_for)
{
	char dir[] = "/tmp/test_config.XXXXXX", path[64], *errors;
	struct config *c;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	c = config_load(path, &cx);
	errors = errors_of(c);
	assert_has("a fifo", errors, "it is not a regular file");
	free(errors);
	config_free(c);
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(a_file_has_a_size_limit)
{
	char path[] = "/tmp/test_config.XXXXXX", *errors;
	int fd = mkstemp(path);
	struct config *c;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 64L * 1024 * 1024 + 1), 0);
	c = config_load(path, &cx);
	errors = errors_of(c);
	assert_has("size", errors, "cannot be read: it is larger than 64 MiB");
	free(errors);
	config_free(c);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(an_order_has_a_size_limit)
{
	size_t n = 70000;
	char *text = malloc(n + 200), *p = text, *errors;
	struct config *c;

	ck_assert_ptr_nonnull(text);
	p += sprintf(p, "{\"children\":[{\"id\":\"w\",\"start\":[\"/x\",\"");
	memset(p, 'a', n);
	strcpy(p + n, "\"]}]}");
	c = parse(text);
	errors = errors_of(c);
	ck_assert_str_eq(errors, "t.json:1:32: w: `start` and `env` together "
	    "are more than 65536 bytes or 4096 strings: pass the rest in a "
	    "file\n");
	free(errors);
	free(text);
	config_free(c);
}
END_TEST

START_TEST(check_prints_errors_and_nothing_else)
{
	char out[] = "/tmp/test_config.XXXXXX", *text;
	char *bad = in_srcdir("tests/config/bad/single-quotes.json");
	char *good = in_srcdir("tests/config/good/everything.json");
	int fd = mkstemp(out), keep = dup(STDERR_FILENO), rc_good, rc_bad;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
	rc_good = config_check_main(good, "/run/x", true);
	rc_bad = config_check_main(bad, "/run/x", true);
	ck_assert_int_ge(dup2(keep, STDERR_FILENO), 0);
	ck_assert_int_eq(rc_good, 0);
	ck_assert_int_eq(rc_bad, 1);
	ck_assert_ptr_nonnull(text = contents(out));
	ck_assert_msg(strncmp(text, bad, strlen(bad)) == 0, "%s", text);
	ck_assert_str_eq(text + strlen(bad), ":1:3: /: expected a key in "
	    "double quotes, not `'`; strings take double quotes\n");
	free(text);
	free(bad);
	free(good);
	close(fd);
	close(keep);
	unlink(out);
}
END_TEST

/* --- what is right, but will not start here --- */

static const struct {
	const char	*worker;	/* its members but the id */
	const char	*want;		/* "": no warning */
} warn_rows[] = {
	{ "\"start\":[\"/bin/sh\"]", "" },
	{ "\"start\":[\"sh\"]", "" },
	{ "\"start\":[\"sh\"],\"cwd\":\"/bin\",\"user\":\"root\"", "" },
	{ "\"start\":[\"./sh\"],\"cwd\":\"/bin\"", "" },
	{ "\"start\":[\"/no/such\"]", "t.json:1:33: w: warning: no program "
	    "`/no/such`: it cannot be started here\n" },
	{ "\"start\":[\"such/x\"],\"cwd\":\"/\"", "t.json:1:33: w: warning: no "
	    "program `//such/x`: it cannot be started here\n" },
	{ "\"start\":[\"no-such-program\"]", "t.json:1:33: w: warning: no "
	    "program `no-such-program` in PATH: it cannot be started here\n" },
	{ "\"start\":[\"/bin/sleep 10\"]", "t.json:1:33: w: warning: no "
	    "program `/bin/sleep 10`: write each argument as a string of its "
	    "own\n" },
	{ "\"start\":[\"/bin\"]", "t.json:1:33: w: warning: `/bin` is no "
	    "program that may be executed\n" },
	{ "\"user\":\"no-such-user\",\"start\":[\"sh\"]", "t.json:1:31: w: "
	    "warning: no user \"no-such-user\": it cannot be started here\n" },
	{ "\"cwd\":\"/no/such\",\"start\":[\"sh\"]", "t.json:1:30: w: "
	    "warning: no folder `/no/such`: it cannot be started here\n" },
	{ "\"stdout\":\"/no/such/x.log\",\"start\":[\"sh\"]", "t.json:1:33: "
	    "w: warning: no folder `/no/such`: it cannot be started here\n" },
	{ "\"stderr\":\"/x.log\",\"start\":[\"sh\"]", "" },
	{ "\"limits\":{\"core\":0,\"nofile\":\"unlimited\"},"
	    "\"start\":[\"sh\"]", "t.json:1:33: w: warning: limit `nofile` is "
	    "more than this machine allows: it cannot be started here\n" },
};

START_TEST(what_will_not_start_here_is_a_warning)
{
	const struct config_context warning = { .warn = true };
	char text[512], line[1024] = "";
	struct config *c;

	(void)snprintf(text, sizeof(text), "{\"children\":[{\"id\":\"w\",%s}]}",
	    warn_rows[_i].worker);
	c = config_parse(text, strlen(text), "t.json", &warning);
	assert_right(c, text);
	if (c->nwarnings > 0)
		config_error_format(c->warnings, line, sizeof(line));
	ck_assert_str_eq(line, warn_rows[_i].want);
	ck_assert_uint_le(c->nwarnings, 1);
	config_free(c);
	c = parse(text);
	ck_assert_uint_eq(c->nwarnings, 0);
	config_free(c);
}
END_TEST

/* What is right but hardly meant: told without being asked for, too. */
static const struct {
	const char	*worker;
	const char	*want;
} slip_rows[] = {
	{ "\"shutdown\":5000", "" },
	{ "\"shutdown\":0", "" },
	{ "\"shutdown\":100", "" },
	{ "\"shutdown\":\"brutal_kill\"", "" },
	{ "\"shutdown\":5", "t.json:1:50: w: warning: `shutdown` is in "
	    "milliseconds: 5 s would be 5000\n" },
	{ "\"ready\":\"notify\",\"start_timeout\":9000", "" },
	{ "\"ready\":\"notify\",\"start_timeout\":\"infinity\"", "" },
	{ "\"ready\":\"notify\"", "t.json:1:47: w: warning: if it never gets "
	    "ready, what comes next waits for ever: add `start_timeout`, in "
	    "milliseconds or \"infinity\"\n" },
};

START_TEST(a_slip_is_a_warning)
{
	char text[256], line[512] = "";
	struct config *c;

	(void)snprintf(text, sizeof(text), "{\"children\":[{\"id\":\"w\","
	    "\"start\":[\"sh\"],%s}]}", slip_rows[_i].worker);
	c = config_parse(text, strlen(text), "t.json", NULL);
	ck_assert_uint_eq(c->nerrors, 0);
	if (c->nwarnings > 0)
		config_error_format(c->warnings, line, sizeof(line));
	ck_assert_str_eq(line, slip_rows[_i].want);
	ck_assert_uint_le(c->nwarnings, 1);
	config_free(c);
}
END_TEST

START_TEST(copies_are_warned_of_once)
{
	static const char text[] = "{\"children\":[{\"id\":\"p\",\"type\":"
	    "\"partition_supervisor\",\"partitions\":4,\"template\":"
	    "{\"start\":[\"/no/such\"]}}]}";
	const struct config_context warning = { .warn = true };
	struct config *c = config_parse(text, sizeof(text) - 1, "t.json",
	    &warning);

	assert_right(c, text);
	ck_assert_uint_eq(c->nwarnings, 1);
	config_free(c);
}
END_TEST

/* --- whole files --- */

static const char *const good_dirs[] = { "tests/config/good", "etc" };

static void
check_good(const char *path)
{
	struct config *c = config_load(path, &cx), *again;
	char *one, *two;

	assert_right(c, path);
	again = config_parse(c->text, c->text_len, "again", &cx);
	assert_right(again, path);
	one = render_tree(c->root);
	two = render_tree(again->root);
	ck_assert_str_eq(one, two);
	ck_assert_str_eq(c->text, again->text);
	ck_assert_int_eq(c->options.compat_otp, again->options.compat_otp);
	free(one);
	free(two);
	config_free(again);
	config_free(c);
}

START_TEST(the_text_of_a_tree_gives_the_same_tree)
{
	char *dir = in_srcdir(good_dirs[_i]), path[512];
	struct dirent **entries;
	int i, n;

	n = scandir(dir, &entries, only_json, alphasort);
	ck_assert_int_gt(n, 2);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir,
		    entries[i]->d_name);
		check_good(path);
		free(entries[i]);
	}
	free(entries);
	free(dir);
}
END_TEST

START_TEST(includes_come_in_order)
{
	static const char *const ids[] = { "first", "a1", "a2", "b", "last" };
	char *path = in_srcdir("tests/config/good/include.json");
	struct config *c = config_load(path, &cx);
	const struct core_spec *spec;
	char *tree;
	size_t i;

	assert_right(c, path);
	spec = c->root->children;
	for (i = 0; i < nitems(ids); i++, spec = spec->next) {
		ck_assert_ptr_nonnull(spec);
		ck_assert_str_eq(spec->id, ids[i]);
	}
	ck_assert_ptr_null(spec);
	tree = render_tree(c->root);
	assert_has("keep is the root's, size its supervisor's", tree,
	    "    last: worker restart=0 significant=0 down=0 shutdown=5000 "
	    "backoff=0-0/0 kind=0 ready=0 signal=15 log=1048576/2/1 ");
	assert_has("included children inherit", tree,
	    "env[OTP_PATH=b] env[STAGE=b] cwd");
	assert_has("the text names no file", c->text, "!include");
	free(tree);
	free(path);
	config_free(c);
}
END_TEST

static char *
many_children(unsigned n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	unsigned i;

	ck_assert_ptr_nonnull(f);
	fprintf(f, "{ \"children\": [\n");
	for (i = 0; i < n; i++)
		fprintf(f, "%s{ \"id\": \"service-%u\", \"start\": "
		    "[\"sleep\", \"100000\"], \"user\": \"root\", "
		    "\"env\": { \"A\": \"1\" }, \"description\": \"one of "
		    "many\" }", i > 0 ? ",\n" : "", i);
	fprintf(f, "] }\n");
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

/* The least of five; CPU time, so that others do not count. */
static double
cost_of(const char *text)
{
	struct timespec t0, t1;
	double best = 1e9, s;
	struct config *c;
	int i;

	for (i = 0; i < 5; i++) {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
		c = parse(text);
		config_free(c);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
		s = (double)(t1.tv_sec - t0.tv_sec) +
		    (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
		best = s < best ? s : best;
	}
	return best;
}

START_TEST(ten_times_the_children_cost_ten_times)
{
	char *few = many_children(1000), *many = many_children(10000);
	double a = cost_of(few), b = cost_of(many);

	ck_assert_msg(b < 20 * a, "1,000 take %.1f ms, 10,000 %.1f ms",
	    a * 1e3, b * 1e3);
	free(few);
	free(many);
}
END_TEST

/* A bad file of the same size must not be dearer by an order. */
START_TEST(ten_thousand_duplicates_are_told)
{
	char *text = many_children(10000), *p;
	struct config *c;

	for (p = text; (p = strstr(p, "service-")) != NULL; p += 8)
		p[8 + strspn(p + 8, "0123456789") - 1] = '7';
	c = parse(text);
	ck_assert_uint_ge(c->nerrors, 8999);
	config_free(c);
	free(text);
}
END_TEST

START_TEST(a_service_is_small)
{
	char *text = many_children(10000);
	struct config *c = parse(text);
	const struct core_spec *spec;
	const struct service *s;
	size_t size;

	assert_right(c, "many");
	for (spec = c->root->children; spec != NULL; spec = spec->next) {
		s = spec->user;
		size = malloc_usable_size(spec->user);
		ck_assert_msg(size <= 500, "%zu bytes", size);
		/* One piece: everything points into it. */
		ck_assert((char *)s->order > (char *)s &&
		    (char *)s->order + s->order_len <= (char *)s + size);
		ck_assert(s->description > (char *)s &&
		    s->description < (char *)s + size);
		ck_assert_ptr_null(s->source);
	}
	config_free(c);
	free(text);
}
END_TEST

/* --- the table and the manual --- */

static const char *const effects[] = {
	[EFFECT_LIVE] = "live", [EFFECT_NEXT] = "next",
	[EFFECT_RESTART] = "restart",
};

START_TEST(the_manual_knows_every_key)
{
	char *path = in_srcdir("man/otpd.json.5"), *text = contents(path);
	char want[100];
	int k;

	ck_assert_ptr_nonnull(text);
	for (k = 0; k < KEY_NKEYS; k++) {
		const struct config_key_info *key =
		    config_key_info((enum config_key)k);

		snprintf(want, sizeof(want), "\n.It Ic %s Pq Em %s\n",
		    key->name, effects[key->effect]);
		ck_assert_msg(strstr(text, want) != NULL,
		    "not in the manual: %s", want + 1);
	}
	free(text);
	free(path);
}
END_TEST

START_TEST(the_keys_are_sorted)
{
	int k;

	for (k = 1; k < KEY_NKEYS; k++)
		ck_assert_str_lt(
		    config_key_info((enum config_key)(k - 1))->name,
		    config_key_info((enum config_key)k)->name);
}
END_TEST

static Suite *
config_suite(void)
{
	Suite *s = suite_create("config");
	TCase *t;

	suite_add_tcase(s, values_tcase());
	suite_add_tcase(s, forms_tcase());
	t = tcase_create("errors");
	tcase_add_test(t, tells_every_error_of_a_bad_file);
	tcase_add_test(t, every_key_is_refused_somewhere);
	tcase_add_loop_test(t, an_unreadable_file_is_an_error, 0,
	    nitems(unreadable_rows));
	tcase_add_test(t, a_pipe_is_not_waited_for);
	tcase_add_test(t, a_file_has_a_size_limit);
	tcase_add_test(t, an_order_has_a_size_limit);
	tcase_add_test(t, check_prints_errors_and_nothing_else);
	tcase_add_loop_test(t, what_will_not_start_here_is_a_warning, 0,
	    (int)nitems(warn_rows));
	tcase_add_loop_test(t, a_slip_is_a_warning, 0, (int)nitems(slip_rows));
	tcase_add_test(t, copies_are_warned_of_once);
	suite_add_tcase(s, t);
	t = tcase_create("files");
	tcase_add_loop_test(t, the_text_of_a_tree_gives_the_same_tree, 0,
	    nitems(good_dirs));
	tcase_add_test(t, includes_come_in_order);
	tcase_add_test(t, the_manual_knows_every_key);
	tcase_add_test(t, the_keys_are_sorted);
	suite_add_tcase(s, t);
	t = tcase_create("size");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, ten_times_the_children_cost_ten_times);
	tcase_add_test(t, ten_thousand_duplicates_are_told);
	tcase_add_test(t, a_service_is_small);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(config_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
