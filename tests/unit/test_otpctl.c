/* SPDX-License-Identifier: ISC */
/*
 * The real otpctl against an engine that says what a test wants.  What people
 * see is kept in tests/otpctl: NAME.json is what the engine answers, *.golden
 * what comes of it (OTPCTL_GOLDEN=write writes them anew).
 */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "otpctl_fake.h"

#define WORDS(...)	((const char *const[]){ __VA_ARGS__, NULL })
#define NITEMS(a)	((int)(sizeof(a) / sizeof((a)[0])))

static struct fake fake;
static struct run run;

static void
setup(void)
{
	memset(&fake, 0, sizeof(fake));
}

static void
teardown(void)
{
	fake_stop(&fake);
}

static void
place_of(const char *name, const char *suffix, char *out, size_t size)
{
	const char *src = getenv("OTPD_SRCDIR");

	(void)snprintf(out, size, "%s/tests/otpctl/%s.%s",
	    src != NULL ? src : ".", name, suffix);
}

static char *
slurp(const char *name, const char *suffix)
{
	char path[512], *text = calloc(1, 65536);
	size_t n;
	FILE *f;

	place_of(name, suffix, path, sizeof(path));
	f = fopen(path, "r");
	if (f == NULL || text == NULL) {
		free(text);
		return NULL;
	}
	n = fread(text, 1, 65535, f);
	text[n] = '\0';
	(void)fclose(f);
	return text;
}

/* Points of time differ from run to run: each becomes "DATE". */
static void
mask_dates(char *text)
{
	static const char shape[] = "0000-00-00 00:00:00";
	size_t i, n = sizeof(shape) - 1;

	for (; *text != '\0'; text++) {
		for (i = 0; i < n && (shape[i] == '0' ?
		    isdigit((unsigned char)text[i]) != 0 :
		    text[i] == shape[i]); i++)
			;
		if (i < n)
			continue;
		if (text[n] == '.')
			n += 4;
		memcpy(text, "DATE", 4);
		memmove(text + 4, text + n, strlen(text + n) + 1);
		n = sizeof(shape) - 1;
	}
}

static void
golden(const char *name, const char *text)
{
	char path[512], *want;
	FILE *f;

	if (getenv("OTPCTL_GOLDEN") != NULL) {
		place_of(name, "golden", path, sizeof(path));
		f = fopen(path, "w");
		ck_assert_ptr_nonnull(f);
		(void)fputs(text, f);
		(void)fclose(f);
		return;
	}
	want = slurp(name, "golden");
	ck_assert_msg(want != NULL, "%s.golden is not there", name);
	ck_assert_msg(strcmp(text, want) == 0, "%s\ngot:\n%s\nwant:\n%s", name,
	    text, want);
	free(want);
}

/* --- what people see --- */

static const char *const env_colour[] = { "TERM=xterm", "LANG=C.UTF-8", NULL };
static const char *const env_no_colour[] = { "TERM=xterm", "LANG=C.UTF-8",
	"NO_COLOR=1", NULL };
static const char *const env_dumb[] = { "TERM=dumb", "LANG=C.UTF-8", NULL };
static const char *const env_latin[] = { "TERM=xterm", "NO_COLOR=1", NULL };

static const struct {
	const char	*golden, *json;
	const char	*words[5];
	const char	*const *env;
	unsigned short	 columns;	/* of a terminal; 0: a pipe */
	int		 code;
} views[] = {
	{ "status-pipe", "tree", { "status" }, NULL, 0, 0 },
	{ "status-terminal", "tree", { "status" }, env_colour, 200, 0 },
	{ "status-no-colour", "tree", { "status" }, env_no_colour, 200, 0 },
	{ "status-dumb", "tree", { "status" }, env_dumb, 200, 0 },
	{ "status-latin", "tree", { "status" }, env_latin, 200, 0 },
	{ "status-80", "tree", { "status" }, env_no_colour, 80, 0 },
	{ "status-100-latin", "tree", { "status" }, env_latin, 100, 0 },
	{ "status-very-narrow", "tree", { "status" }, env_no_colour, 20, 0 },
	{ "failed", "tree", { "failed" }, NULL, 0, 0 },
	{ "which-children", "tree", { "which-children", "web" }, NULL, 0, 0 },
	{ "which-children-json", "tree", { "--json", "which-children", "web" },
	    NULL, 0, 0 },
	{ "count-children", "tree", { "count-children", "web" }, NULL, 0, 0 },
	{ "count-children-json", "tree", { "count-children", "web", "--json" },
	    NULL, 0, 0 },
	{ "apps", "tree", { "apps" }, NULL, 0, 0 },
	{ "info", "tree", { "info" }, NULL, 0, 0 },
	{ "info-troubled", "troubled", { "info" }, NULL, 0, 0 },
	{ "status-troubled", "troubled", { "status" }, env_no_colour, 80, 0 },
	{ "status-troubled-pipe", "troubled", { "status" }, NULL, 0, 0 },
	{ "status-60", "tree", { "status" }, env_no_colour, 60, 0 },
	{ "status-48", "tree", { "status" }, env_no_colour, 48, 0 },
	{ "events", "tree", { "events" }, NULL, 0, 0 },
	{ "reload", "tree", { "reload" }, NULL, 0, 1 },
	{ "reload-dry-run", "tree", { "reload", "--dry-run" }, NULL, 0, 1 },
	{ "evil-status", "evil", { "status" }, NULL, 0, 0 },
	{ "evil-status-terminal", "evil", { "status" }, env_no_colour, 120, 0 },
	{ "evil-events", "evil", { "events" }, NULL, 0, 0 },
	{ "evil-why", "evil", { "why", "a" }, NULL, 0, 0 },
	{ "evil-status-json", "evil", { "status", "--json" }, NULL, 0, 0 },
	{ "evil-logs-terminal", "evil", { "logs", "a" }, env_colour, 80, 0 },
	{ "help", "tree", { "--help" }, NULL, 0, 0 },
	{ "help-status", "tree", { "help", "status" }, NULL, 0, 0 },
};

START_TEST(people_see)
{
	char *json;

	if (views[_i].columns != 0 && !has_terminals())
		return;
	json = slurp(views[_i].json, "json");
	ck_assert_ptr_nonnull(json);
	fake.answers = json;
	fake_start(&fake);
	run_otpctl(&fake, views[_i].words, views[_i].env, views[_i].columns,
	    NULL, &run);
	mask_dates(run.out);
	ck_assert_str_eq(run.err, "");
	golden(views[_i].golden, run.out);
	ck_assert_int_eq(run.code, views[_i].code);
	free(json);
}
END_TEST

/* --- why --- */

static const char *const whys[] = {
	"running", "running-after-restarts", "backoff", "restarting", "held",
	"ended", "start-missing", "start-no-x-bit", "start-interpreter",
	"start-format", "start-directory", "start-not-ready", "start-user",
	"start-timeout", "start-retried", "gave-up", "supervisor-down",
	"supervisor-back", "not-ready", "temporary", "stopping", "stopped",
	"never", "root", "group", "pending", "given-up", "forks", "overdue",
	"told", "waits", "log-fault", "start-fault",
};

START_TEST(why_tells)
{
	char name[64], *json;

	(void)snprintf(name, sizeof(name), "why-%s", whys[_i]);
	json = slurp(name, "json");
	ck_assert_ptr_nonnull(json);
	fake.answers = json;
	fake_start(&fake);
	run_otpctl(&fake, WORDS("why", "nginx"), NULL, 0, NULL, &run);
	mask_dates(run.out);
	ck_assert_str_eq(run.err, "");
	golden(name, run.out);
	ck_assert_int_eq(run.code, 0);
	free(json);
}
END_TEST

/* --- what scripts rely on --- */

static const struct {
	const char	*why;
	const char	*words[6];
	const char	*answers;
	int		 code;
	const char	*out, *err;	/* NULL: not looked at */
} codes[] = {
	{ "an outcome is one line", { "start", "nginx" },
	    "{\"start\":{\"result\":\"started\",\"path\":\"web/nginx\"}}",
	    0, "web/nginx: started\n", "" },
	{ "-q says nothing of success", { "-q", "stop", "nginx" },
	    "{\"stop\":{\"result\":\"ok\",\"path\":\"web/nginx\"}}",
	    0, "", "" },
	{ "JSON is the reply", { "--json", "restart", "nginx" },
	    "{\"restart\":{\"result\":\"ok\",\"path\":\"web/nginx\"}}",
	    0, "{\"result\":\"ok\",\"path\":\"web/nginx\"}\n", "" },
	{ "each operand has its line", { "stop", "a", "b" },
	    "{\"stop\":{\"result\":\"ok\"},\"status\":{}}", 0,
	    "a: stopped\nb: stopped\n", "" },
	{ "nothing to do is said", { "start", "a" },
	    "{\"start\":{\"result\":\"ok\",\"path\":\"a\"}}", 0,
	    "a: running already\n", "" },
	{ "ignored is said", { "start", "a" },
	    "{\"start\":{\"result\":\"ignored\",\"path\":\"a\"}}", 0,
	    "a: not started: it said that there is nothing to do (ignored)\n",
	    "" },
	{ "a failed start says why", { "start", "a" },
	    "{\"start\":{\"error\":\"start_failed\",\"message\":\"it could "
	    "not be started\",\"reason\":\"{start,\\\"exec /x: permission "
	    "denied\\\"}\",\"path\":\"a\"}}", 1, "",
	    "otpctl: a: could not be started: exec /x: permission denied\n" },
	{ "no such child is 4", { "status", "x" },
	    "{\"status\":{\"error\":\"not_found\",\"path\":\"x\","
	    "\"message\":\"no child named x\"}}", 4, "",
	    "otpctl: no child named x\n" },
	{ "no such child is 4 in JSON too", { "status", "x", "--json" },
	    "{\"status\":{\"error\":\"not_found\",\"message\":\"m\"}}", 4,
	    "{\"error\":\"not_found\",\"message\":\"m\"}\n", "" },
	{ "a refusal is 1", { "restart-child", "web", "nginx" },
	    "{\"restart_child\":{\"error\":\"running\",\"message\":"
	    "\"it is running\",\"path\":\"web\"}}", 1, "",
	    "otpctl: web/nginx: it is running\n" },
	{ "OTP's error as JSON", { "restart-child", "/", "nginx", "--json" },
	    "{\"restart_child\":{\"error\":\"running\"}}", 1,
	    "{\"error\":\"running\"}\n", "" },
	{ "running is 0", { "is-running", "a" },
	    "{\"status\":{\"children\":[{\"path\":\"a\",\"state\":"
	    "\"running\"}]}}", 0, "running\n", "" },
	{ "not running is 1", { "is-running", "a" },
	    "{\"status\":{\"children\":[{\"path\":\"a\",\"state\":"
	    "\"backoff\"}]}}", 1, "backoff\n", "" },
	{ "failed is 0 for is-failed, quietly", { "is-failed", "-q", "a" },
	    "{\"status\":{\"children\":[{\"path\":\"a\",\"state\":"
	    "\"failed\"}]}}", 0, "", "" },
	{ "a signal says to whom", { "signal", "hup", "a" },
	    "{\"signal\":{\"result\":\"ok\",\"path\":\"a\",\"pid\":42}}", 0,
	    "a: sent SIGHUP to pid 42\n", "" },
	{ "no such signal is 2", { "signal", "NOPE", "a" }, "{}", 2, "",
	    "otpctl: no signal NOPE: a name, as HUP, or a number stands before "
	    "the path\n" },
	{ "waited", { "wait", "a", "running" },
	    "{\"wait\":{\"result\":\"ok\"}}", 0, "a: running\n", "" },
	{ "no such state is 2", { "wait", "a", "dancing" }, "{}", 2, "",
	    NULL },
	{ "settled", { "sync" }, "{\"sync\":{\"result\":\"ok\"}}", 0,
	    "settled\n", "" },
	{ "every error of a file", { "check" },
	    "{\"check\":{\"error\":\"config\",\"errors\":[{\"file\":\"/f\","
	    "\"line\":3,\"column\":14,\"path\":\"a\",\"message\":\"bad\"},"
	    "{\"file\":\"/f\",\"line\":4,\"column\":1,\"path\":\"\",\"message\":"
	    "\"end\"},"
	    "{\"file\":\"/g\",\"line\":0,\"column\":0,\"path\":\"\","
	    "\"message\":\"unreadable\"}]}}", 1, "",
	    "/f:3:14: a: bad\n/f:4:1: /: end\n/g: unreadable\n" },
	{ "warnings are no errors", { "check" },
	    "{\"check\":{\"result\":\"ok\",\"warnings\":[{\"file\":\"/f\","
	    "\"line\":3,\"column\":14,\"path\":\"a\",\"message\":\"warning: "
	    "no user\"}]}}", 0, "/f:3:14: a: warning: no user\nno errors\n",
	    "" },
	{ "no errors", { "check", "/f" },
	    "{\"check\":{\"result\":\"ok\"}}", 0, "/f: no errors\n", "" },
	{ "the child that was added", { "start-child", "web", "{\"id\":1}" },
	    "{\"start_child\":{\"result\":\"started\",\"path\":\"web/x\"}}", 0,
	    "web/x: started\n", "" },
	{ "a broken SPEC is 2", { "start-child", "web", "{\"id\":\n \"x\"" },
	    "{}", 2, "", NULL },
	{ "a SPEC cannot smuggle an order", { "start-child", "web",
	    "{},\"op\":\"shutdown\"" }, "{}", 2, "", NULL },
	{ "raw logs in a pipe", { "logs", "-n", "2", "a" },
	    "{\"status\":{\"children\":[{\"path\":\"a\",\"log\":\"/l\"}]},"
	    "\"logs\":[\"one \\u001b[31m\\n\",\"two\\n\"]}", 0,
	    "one \033[31m\ntwo\n", "" },
	{ "no log of its own", { "logs", "a" },
	    "{\"status\":{\"children\":[{\"path\":\"a\"}]}}", 1, "",
	    "otpctl: a has no log of its own\n" },
	{ "logs as JSON", { "logs", "a", "--json" },
	    "{\"status\":{\"children\":[{\"path\":\"a\",\"log\":\"/l\"}]},"
	    "\"logs\":[\"one\\ntwo\\n\"]}", 0,
	    "{\"line\":\"one\"}\n{\"line\":\"two\"}\n", "" },
	{ "status as an array", { "status", "--json" },
	    "{\"status\":{\"children\":[{\"path\":\"/\"}]}}", 0,
	    "[{\"path\":\"/\"}]\n", "" },
	{ "what the engine does not know", { "sync" }, "{}", 1, "",
	    "otpctl: otpd refused the request: bad_request: no such op\n" },
	{ "no command", { NULL }, "{}", 2, "", NULL },
	{ "no such command", { "dance" }, "{}", 2, "",
	    "otpctl: no command dance; see: otpctl --help\n" },
	{ "a slip in a command", { "statsu" }, "{}", 2, "",
	    "otpctl: no command statsu; did you mean `status`?\n" },
	{ "a slip in the help", { "help", "relaod" }, "{}", 2, "",
	    "otpctl: no command relaod; did you mean `reload`?\n" },
	{ "whom it is about is said once", { "count-children", "web" },
	    "{\"count_children\":{\"error\":\"noproc\",\"message\":\"no child "
	    "named web\"}}", 1, "", "otpctl: no child named web\n" },
	{ "too few operands", { "wait", "a" }, "{}", 2, "",
	    "otpctl: usage: otpctl wait PATH STATE\n" },
	{ "too many operands", { "sync", "a" }, "{}", 2, "", NULL },
	{ "an option of others", { "status", "-f" }, "{}", 2, "", NULL },
	{ "an unknown letter", { "status", "-x" }, "{}", 2, "",
	    "otpctl: unknown option -x; see: otpctl --help\n" },
	{ "an unknown word", { "status", "--nope" }, "{}", 2, "",
	    "otpctl: unknown option --nope; see: otpctl --help\n" },
	{ "a missing argument", { "sync", "--timeout" }, "{}", 2, "",
	    "otpctl: missing argument of --timeout; see: otpctl --help\n" },
	{ "no number", { "logs", "-n", "many", "a" }, "{}", 2, "", NULL },
	{ "no timeout", { "sync", "--timeout", "soon" }, "{}", 2, "", NULL },
};

START_TEST(scripts_get)
{
	fake.answers = codes[_i].answers;
	fake_start(&fake);
	run_otpctl(&fake, codes[_i].words, NULL, 0, NULL, &run);
	ck_assert_msg(run.code == codes[_i].code, "%s: code %d, want %d: %s",
	    codes[_i].why, run.code, codes[_i].code, run.err);
	ck_assert_msg(codes[_i].out == NULL ||
	    strcmp(run.out, codes[_i].out) == 0, "%s: said \"%s\"",
	    codes[_i].why, run.out);
	ck_assert_msg(codes[_i].err == NULL ||
	    strcmp(run.err, codes[_i].err) == 0, "%s: complained \"%s\"",
	    codes[_i].why, run.err);
}
END_TEST

/* --- what is asked --- */

static const struct {
	const char	*words[7];
	const char	*request;
} requests[] = {
	{ { "status", "a", "b" },
	    "{\"op\":\"status\",\"paths\":[\"a\",\"b\"]}\n" },
	{ { "--timeout", "5s", "wait", "a", "gone" },
	    "{\"op\":\"wait\",\"path\":\"a\",\"state\":\"gone\"}\n" },
	{ { "reload", "--dry-run" },
	    "{\"op\":\"reload\",\"dry_run\":true}\n" },
	{ { "events", "--since", "7" },
	    "{\"op\":\"events\",\"since\":7,\"follow\":false}\n" },
	{ { "events", "-f", "--since", "0", "--timeout", "50ms" },
	    "{\"op\":\"events\",\"since\":0,\"follow\":true}\n" },
	{ { "start-child", "web", "-" }, "{\"op\":\"start_child\",\"sup\":"
	    "\"web\",\"spec\":{\"id\":\"x\",\"args\":[\"1\"]}}\n" },
	{ { "delete-child", "web", "x" },
	    "{\"op\":\"delete_child\",\"sup\":\"web\",\"id\":\"x\"}\n" },
	{ { "signal", "--", "9", "a" },
	    "{\"op\":\"signal\",\"path\":\"a\",\"signal\":\"SIGKILL\"}\n" },
};

START_TEST(the_engine_is_asked)
{
	fake_start(&fake);
	run_otpctl(&fake, requests[_i].words, NULL, 0,
	    "{ \"id\": \"x\", \"args\": [\"1\"] }\n", &run);
	ck_assert_str_eq(fake_requests(&fake), requests[_i].request);
}
END_TEST

/* --- when otpd is not there, or dies --- */

START_TEST(not_running_is_said_with_what_to_do)
{
	char want[256];

	fake_start(&fake);
	ck_assert_int_eq(kill(fake.pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(fake.pid, NULL, 0), fake.pid);
	fake.pid = 0;
	run_otpctl(&fake, WORDS("status"), NULL, 0, NULL, &run);
	ck_assert_int_eq(run.code, 5);
	(void)snprintf(want, sizeof(want), "otpctl: otpd is not running on %s "
	    "(nobody listens on its socket); start it with: otpd -c FILE "
	    "-r %s\n", fake.dir, fake.dir);
	ck_assert_str_eq(run.err, want);
	fake_stop(&fake);
	run_otpctl(&fake, WORDS("status"), NULL, 0, NULL, &run);
	ck_assert_int_eq(run.code, 5);
	ck_assert_ptr_nonnull(strstr(run.err, "(no socket)"));
}
END_TEST

START_TEST(a_question_survives_the_engine)
{
	fake.answers = "{\"sync\":{\"result\":\"ok\"},"
	    "\"stop\":{\"result\":\"ok\",\"path\":\"a\"}}";
	fake.breaks = 3;
	fake_start(&fake);
	run_otpctl(&fake, WORDS("sync"), NULL, 0, NULL, &run);
	ck_assert_str_eq(run.err, "");
	ck_assert_str_eq(run.out, "settled\n");
	ck_assert_int_eq(run.code, 0);
}
END_TEST

START_TEST(a_harmless_order_is_repeated)
{
	fake.answers = "{\"stop\":{\"result\":\"ok\",\"path\":\"a\"}}";
	fake.breaks = 1;
	fake_start(&fake);
	run_otpctl(&fake, WORDS("stop", "a"), NULL, 0, NULL, &run);
	ck_assert_str_eq(run.out, "a: stopped\n");
	ck_assert_int_eq(run.code, 0);
}
END_TEST

START_TEST(what_is_asked_before_a_restart_is_repeated)
{
	fake.answers = "{\"restart\":{\"result\":\"ok\"},\"status\":{}}";
	fake.breaks = 1;
	fake_start(&fake);
	run_otpctl(&fake, WORDS("restart", "a", "b"), NULL, 0, NULL, &run);
	ck_assert_str_eq(run.err, "");
	ck_assert_str_eq(run.out, "a: restarted\nb: restarted\n");
}
END_TEST

START_TEST(a_restart_is_not_repeated)
{
	fake.answers = "{\"restart\":{\"result\":\"ok\",\"path\":\"a\"}}";
	fake.breaks = 1;
	fake_start(&fake);
	run_otpctl(&fake, WORDS("restart", "a"), NULL, 0, NULL, &run);
	ck_assert_str_eq(run.out, "");
	ck_assert_str_eq(run.err, "otpctl: the connection to otpd broke before "
	    "it answered: it is not known whether `restart` was carried out; "
	    "see: otpctl status\n");
	ck_assert_int_eq(run.code, 5);
	ck_assert_str_eq(fake_requests(&fake),
	    "{\"op\":\"restart\",\"path\":\"a\"}\n");
}
END_TEST

START_TEST(events_go_on_after_the_engine_died)
{
	fake.answers = "{\"events\":[{\"seq\":7,\"event\":\"shutdown\"},"
	    "{\"seq\":8,\"event\":\"reloaded\"}]}";
	fake.breaks_midway = 1;
	fake_start(&fake);
	run_otpctl(&fake, WORDS("events", "-f", "--json", "--timeout", "1"),
	    NULL, 0, NULL, &run);
	ck_assert_str_eq(run.out, "{\"seq\":7,\"event\":\"shutdown\"}\n"
	    "{\"seq\":8,\"event\":\"reloaded\"}\n");
	ck_assert_str_eq(fake_requests(&fake),
	    "{\"op\":\"events\",\"follow\":true}\n"
	    "{\"op\":\"events\",\"since\":8,\"follow\":true}\n");
}
END_TEST

static const struct {
	const char	*why;
	struct fake	 fake;
	const char	*words[7];
	int		 code;
	const char	*err;
} troubles[] = {
	{ "an engine that does not answer",
	    { .silent = true }, { "status", "--timeout", "0.05" }, 6,
	    "otpctl: timed out\n" },
	{ "an engine that does not greet",
	    { .mute = true }, { "status", "--timeout", "50ms" }, 6, NULL },
	{ "a stranger on the socket",
	    { .garbage = true }, { "status" }, 5, NULL },
	{ "it breaks for ever",
	    { .breaks = 1000 }, { "status", "--timeout", "0.2" }, 5,
	    "otpctl: the connection to otpd broke before it answered, again "
	    "and again\n" },
	{ "waiting takes too long", { .silent = true },
	    { "wait", "a", "running", "--timeout", "0.05" }, 6, NULL },
	{ "an answer that is no object", { .answers = "{\"sync\":[1]}" },
	    { "count-children", "a" }, 1, NULL },
};

START_TEST(trouble_is_said)
{
	fake = troubles[_i].fake;
	fake_start(&fake);
	run_otpctl(&fake, troubles[_i].words, NULL, 0, NULL, &run);
	ck_assert_msg(run.code == troubles[_i].code, "%s: code %d: %s",
	    troubles[_i].why, run.code, run.err);
	ck_assert_str_eq(run.out, "");
	ck_assert_msg(strncmp(run.err, "otpctl: ", 8) == 0, "%s: %s",
	    troubles[_i].why, run.err);
	ck_assert_msg(troubles[_i].err == NULL ||
	    strcmp(run.err, troubles[_i].err) == 0, "%s: %s",
	    troubles[_i].why, run.err);
}
END_TEST

START_TEST(what_took_too_long_is_named)
{
	fake.answers = "{\"status\":{\"children\":[{\"path\":\"/\",\"type\":"
	    "\"supervisor\",\"state\":\"running\"},{\"path\":\"a\","
	    "\"state\":\"running\"},{\"path\":\"b\",\"state\":"
	    "\"backoff\"}]}}";
	fake.hangs = "sync";
	fake_start(&fake);
	run_otpctl(&fake, WORDS("sync", "--timeout", "0.05"), NULL, 0, NULL,
	    &run);
	ck_assert_int_eq(run.code, 6);
	ck_assert_str_eq(run.err, "otpctl: timed out: b is in backoff\n");
}
END_TEST

START_TEST(an_order_that_waits_stands)
{
	fake.answers = "{\"status\":{\"children\":[{\"path\":\"db\","
	    "\"state\":\"starting\"}]}}";
	fake.hangs = "reload";
	fake_start(&fake);
	run_otpctl(&fake, WORDS("reload", "--timeout", "0.05"), NULL, 0, NULL,
	    &run);
	ck_assert_int_eq(run.code, 6);
	ck_assert_str_eq(run.err, "otpctl: timed out: db is starting; the "
	    "order stands, and is carried out in its turn\n");
}
END_TEST

/* A line a second after the order. */
START_TEST(what_is_waited_for_is_told)
{
	fake.answers = "{\"status\":{\"children\":[{\"path\":\"db\","
	    "\"state\":\"stopping\",\"killed_in_ms\":59000}]},"
	    "\"stop\":{\"result\":\"ok\"}}";
	fake.hangs = "stop";
	fake.until = "status";
	fake.err_terminal = true;
	if (!has_terminals())
		return;
	fake_start(&fake);
	run_otpctl(&fake, WORDS("stop", "db"), NULL, 0, NULL, &run);
	ck_assert_str_eq(run.err, "otpctl: waiting: db is stopping "
	    "(killed in 59s at the latest)\n");
	ck_assert_str_eq(run.out, "db: stopped\n");
}
END_TEST

START_TEST(why_does_without_the_logger)
{
	char *json = slurp("why-running", "json");

	fake.answers = json;
	fake.no_logger = true;
	fake_start(&fake);
	run_otpctl(&fake, WORDS("why", "nginx"), NULL, 0, NULL, &run);
	ck_assert_str_eq(run.err, "");
	ck_assert_int_eq(run.code, 0);
	ck_assert_ptr_nonnull(strstr(run.out, "web/nginx is running"));
	ck_assert_ptr_nonnull(strstr(run.out, "could not be read"));
	free(json);
}
END_TEST

START_TEST(shutdown_returns_when_otpd_is_gone)
{
	char answers[160];
	pid_t otpd = fork();

	ck_assert_int_ge(otpd, 0);
	if (otpd == 0) {
		(void)pause();
		_exit(0);
	}
	(void)snprintf(answers, sizeof(answers), "{\"info\":{\"pid\":%d},"
	    "\"shutdown\":{\"result\":\"ok\"}}", (int)otpd);
	fake.answers = answers;
	fake_start(&fake);
	run_otpctl(&fake, WORDS("shutdown", "--timeout", "0.2"), NULL, 0,
	    NULL, &run);
	ck_assert_int_eq(run.code, 6);
	ck_assert_int_eq(kill(otpd, SIGKILL), 0);
	run_otpctl(&fake, WORDS("shutdown"), NULL, 0, NULL, &run);
	ck_assert_str_eq(run.out, "otpd is gone\n");
	ck_assert_int_eq(run.code, 0);
	ck_assert_int_eq(waitpid(otpd, NULL, 0), otpd);
}
END_TEST

START_TEST(a_thousand_children_are_quick)
{
	char *json = malloc(1000 * 400 + 64), *p = json;
	struct timespec a, b;
	int i;

	p += sprintf(p, "{\"status\":{\"children\":[{\"path\":\"/\",\"type\":"
	    "\"supervisor\",\"state\":\"running\"}");
	for (i = 0; i < 1000; i++)
		p += sprintf(p, ",{\"path\":\"c%d\",\"id\":\"c%d\",\"type\":"
		    "\"worker\",\"kind\":\"plain\",\"state\":\"running\","
		    "\"pid\":%d,\"uptime_ms\":5000,\"restarts\":0,"
		    "\"last_exit\":null,\"held\":false}", i, i, i + 2);
	(void)sprintf(p, "]}}");
	fake.answers = json;
	fake_start(&fake);
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	run_otpctl(&fake, WORDS("status"), NULL, 0, NULL, &run);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	ck_assert_int_eq(run.code, 0);
	ck_assert_ptr_nonnull(strstr(run.out, "\n  c999  running"));
	ck_assert_int_lt((int)(b.tv_sec - a.tv_sec), 2);
	free(json);
}
END_TEST

static Suite *
otpctl_suite(void)
{
	Suite *s = suite_create("otpctl");
	TCase *t = tcase_create("otpctl");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, people_see, 0, NITEMS(views));
	tcase_add_loop_test(t, why_tells, 0, NITEMS(whys));
	tcase_add_loop_test(t, scripts_get, 0, NITEMS(codes));
	tcase_add_loop_test(t, the_engine_is_asked, 0, NITEMS(requests));
	tcase_add_test(t, not_running_is_said_with_what_to_do);
	tcase_add_test(t, a_question_survives_the_engine);
	tcase_add_test(t, a_harmless_order_is_repeated);
	tcase_add_test(t, what_is_asked_before_a_restart_is_repeated);
	tcase_add_test(t, a_restart_is_not_repeated);
	tcase_add_test(t, events_go_on_after_the_engine_died);
	tcase_add_loop_test(t, trouble_is_said, 0, NITEMS(troubles));
	tcase_add_test(t, what_took_too_long_is_named);
	tcase_add_test(t, an_order_that_waits_stands);
	tcase_add_test(t, what_is_waited_for_is_told);
	tcase_add_test(t, why_does_without_the_logger);
	tcase_add_test(t, shutdown_returns_when_otpd_is_gone);
	tcase_add_test(t, a_thousand_children_are_quick);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(otpctl_suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
