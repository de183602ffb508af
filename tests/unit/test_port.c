/* SPDX-License-Identifier: ISC */
/*
 * otp-port and the workers in other languages, called through libotp, without
 * otpd: each serves on a socket of its own.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "libotp/otp.h"
#include "workers/port/json.h"

#define NITEMS(a)	((int)(sizeof(a) / sizeof((a)[0])))
#define READY		"echo '{\"ready\":true}'; "
#define REF		"ref=${line#'{\"ref\":\"'}; ref=${ref%%'\"'*}; "

static char dir[80], sock[96];
static struct otp *me;
static pid_t server;

/* --- lines --- */

static const struct {
	const char	*text;
	bool		 valid;
} texts[] = {
	{ "{}", true }, { "[]", true }, { " [ 1 , { \"a\" : [ ] } ] ", true },
	{ "-0.5e+10", true }, { "0", true }, { "\"\\u00e4\\n\"", true },
	{ "\"\xc3\xa4\"", true }, { "true", true }, { "null", true },
	{ "{\"a\":{\"b\":[[],{}]},\"c\":1}", true }, { "", false },
	{ " ", false }, { "{", false }, { "[1,]", false }, { "[,1]", false },
	{ "{\"a\"}", false }, { "{\"a\":}", false }, { "{\"a\":1,}", false },
	{ "{a:1}", false }, { "[1 2]", false }, { "[1}", false },
	{ "{\"a\":1]", false }, { "01", false }, { "1.", false },
	{ ".5", false }, { "+1", false }, { "1e", false }, { "tru", false },
	{ "\"a", false }, { "\"\\x\"", false }, { "\"\\u12g4\"", false },
	{ "\"\\", false }, { "\"\n\"", false }, { "\"\xff\"", false },
	{ "\"\xed\xa0\x80\"", false }, { "1 1", false }, { "{}x", false },
	{ "[[]", false }, { "-", false }, { "nan", false },
};

START_TEST(json_is_told_from_what_is_none)
{
	/* In memory of exactly its size: a look beyond shows. */
	size_t len = strlen(texts[_i].text);
	char *copy = malloc(len + (len == 0));

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, texts[_i].text, len);
	ck_assert_msg(json_valid((struct span){ copy, len }) ==
	    texts[_i].valid, "%s", texts[_i].text);
	free(copy);
}
END_TEST

START_TEST(nesting_has_an_end)
{
	char text[2 * JSON_DEPTH_MAX + 2];

	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	ck_assert(json_valid((struct span){ text, 2 * JSON_DEPTH_MAX }));
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	ck_assert(!json_valid((struct span){ text, 2 * JSON_DEPTH_MAX + 2 }));
}
END_TEST

static const struct { const char *object, *key, *want; } members[] = {
	{ "{\"a\":1,\"b\": [2, 3] ,\"c\":3}", "b", "[2, 3]" },
	{ "{ \"a\" : \"x\" }", "a", "\"x\"" },
	{ "{\"x\":{\"a\":1},\"a\":2}", "a", "2" },
	{ "{\"x\":\"a\\\":1\",\"a\":2}", "a", "2" },
	{ "{\"ab\":1}", "a", NULL }, { "{}", "a", NULL },
	{ "[\"a\",1]", "a", NULL }, { "\"a\"", "a", NULL },
};

START_TEST(a_member_is_found)
{
	struct span v = { NULL, 0 };
	bool found = json_member((struct span){ members[_i].object,
	    strlen(members[_i].object) }, members[_i].key, &v);

	ck_assert_int_eq(found, members[_i].want != NULL);
	ck_assert_int_eq(v.at != NULL, found);
	if (found) {
		ck_assert_uint_eq(v.len, strlen(members[_i].want));
		ck_assert_int_eq(memcmp(v.at, members[_i].want, v.len), 0);
	}
}
END_TEST

static const struct { const char *object, *want; } walks[] = {
	{ "{}", "" }, { " { } ", "" }, { "{\"a\":1}", "\"a\"=1;" },
	{ " {\"a\" : [1, {}] ,\n\"\\u0061\":\"x\"}\n",
	    "\"a\"=[1, {}];\"\\u0061\"=\"x\";" },
	{ "", "no" }, { " ", "no" }, { "[]", "no" }, { "1", "no" },
	{ "{", "no" }, { "{,}", "no" }, { "{\"a\"}", "no" },
	{ "{\"a\":}", "no" }, { "{a:1}", "no" }, { "{}x", "no" },
	{ "{\"a\":1", "\"a\"=1;no" }, { "{\"a\":1,}", "\"a\"=1;no" },
	{ "{\"a\":1]", "\"a\"=1;no" }, { "{\"a\":1{", "\"a\"=1;no" },
	{ "{\"a\":1}}", "\"a\"=1;no" }, { "{\"a\":1},", "\"a\"=1;no" },
	{ "{\"a\":1 \"b\":2}", "\"a\"=1;no" },
	{ "{\"a\":1,\"b\":[}", "\"a\"=1;no" },
};

START_TEST(members_are_walked_over)
{
	/* In memory of exactly its size: a look beyond shows. */
	size_t len = strlen(walks[_i].object);
	char *copy = malloc(len + (len == 0)), got[128] = "";
	struct json_walk w = { .at = copy, .end = copy + len };
	struct span key, value;
	int rc;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, walks[_i].object, len);
	while ((rc = json_next(&w, &key, &value)) > 0)
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got),
		    "%.*s=%.*s;", (int)key.len, key.at, (int)value.len,
		    value.at);
	if (rc < 0) {
		ck_assert_int_eq(rc, -EINVAL);
		strcat(got, "no");
	}
	ck_assert_str_eq(got, walks[_i].want);
	free(copy);
}
END_TEST

/* As deep as json_valid() reads, the object itself included. */
START_TEST(a_walk_goes_no_deeper)
{
	char text[2 * JSON_DEPTH_MAX + 16];
	struct span key, value;

	for (size_t n = JSON_DEPTH_MAX - 1; n <= JSON_DEPTH_MAX; n++) {
		struct json_walk w = { text, text + 2 * n + 6, false };

		memcpy(text, "{\"a\":", 5);
		memset(text + 5, '[', n);
		memset(text + 5 + n, ']', n);
		text[5 + 2 * n] = '}';
		ck_assert_int_eq(json_next(&w, &key, &value),
		    n < JSON_DEPTH_MAX ? 1 : -EINVAL);
		ck_assert_int_eq(json_valid((struct span){ text, 2 * n + 6 }),
		    n < JSON_DEPTH_MAX);
	}
}
END_TEST

static const struct { const char *why, *text; size_t len;
    const char *want; } puts_rows[] = {
	{ "JSON stays", "{\"a\": 1}", 8, "{\"a\": 1}" },
	{ "on one line", "[1,\n2,\r\n3]", 10, "[1, 2,  3]" },
	{ "text is quoted", "a\"b\\c", 5, "\"a\\\"b\\\\c\"" },
	{ "with its controls", "a\nb\t\001", 5, "\"a\\nb\\u0009\\u0001\"" },
	{ "a NUL too", "a\0b", 3, "\"a\\u0000b\"" },
	{ "what is no UTF-8", "a\xff" "b\xc3", 4, "\"a\\ufffdb\\ufffd\"" },
	{ "nothing", "", 0, "\"\"" },
};

START_TEST(any_payload_fits_into_a_line)
{
	struct text t = { 0 };

	json_put(&t, (struct span){ puts_rows[_i].text, puts_rows[_i].len });
	ck_assert_msg(strcmp(t.data, puts_rows[_i].want) == 0, "%s: %s",
	    puts_rows[_i].why, t.data);
	text_done(&t);
}
END_TEST

/* --- servers --- */

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");
	const struct otp_options options = { .size = sizeof(options),
	    .runtime_dir = dir };

	(void)snprintf(dir, sizeof(dir), "%s/otp-port-XXXXXX",
	    tmp == NULL || strlen(tmp) > 50 ? "/tmp" : tmp);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(sock, sizeof(sock), "%s/s", dir);
	me = otp_new(&options);
	ck_assert_ptr_nonnull(me);
	server = 0;
}

static void
teardown(void)
{
	otp_free(me);
	if (server > 0) {
		(void)kill(server, SIGKILL);
		(void)waitpid(server, NULL, 0);
	}
	(void)unlink(sock);
	(void)rmdir(dir);
}

static const char *
in(const char *variable, const char *file)
{
	static char path[512];
	const char *top = getenv(variable);

	(void)snprintf(path, sizeof(path), "%s/%s", top != NULL ? top : ".",
	    file);
	return path;
}

static void
launch(const char *const *argv)
{
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
}

/* It serves when it can be connected to; it is tried until then. */
static void
await_server(void)
{
	const struct timespec pause = { 0, 2000000 };
	int rc;

	for (;;) {
		rc = otp_send(me, sock, "null", 4);
		if (rc == 0)
			return;
		ck_assert_int_eq(rc, -OTP_ENOPROC);
		ck_assert_int_eq(waitpid(server, NULL, WNOHANG), 0);
		(void)nanosleep(&pause, NULL);
	}
}

static void
start_script(const char *grace, const char *script)
{
	char program[512];

	(void)snprintf(program, sizeof(program), "%s",
	    in("OTPD_BUILDDIR", "otp-port"));
	launch((const char *const[]){ program, "-k", grace, "-s", sock, "sh",
	    "-c", script, NULL });
}

/* The reply, or the reason that there was none; static. */
static const char *
call(const char *request)
{
	static char text[4096];
	char *reply = NULL;
	size_t len;
	int rc;

	rc = otp_call(me, sock, request, strlen(request), 10000, &reply, &len);
	(void)snprintf(text, sizeof(text), "%s", rc == 0 ? reply :
	    otp_reason(me));
	free(reply);
	return text;
}

static int
ended(void)
{
	int status;

	ck_assert_int_eq(waitpid(server, &status, 0), server);
	server = 0;
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const struct {
	const char	*why, *script;
	const char	*request, *want;	/* NULL: it never serves */
	int		 code;		/* -1: it goes on */
} scripts[] = {
	{ "a call is answered", READY "while read -r line; do case $line in "
	    "'{\"ref\":'*) " REF "echo \"{\\\"reply\\\":[1.0],\\\"ref\\\":"
	    "\\\"$ref\\\"}\";; esac; done", "\"x\"", "[1.0]", -1 },
	{ "its reason reaches the caller", READY "while read -r line; do "
	    "case $line in '{\"ref\":'*) echo '{\"stop\":\"{bad,day}\"}';; "
	    "esac; done", "1", "{bad,day}", 1 },
	{ "its exit status too", READY "while read -r line; do "
	    "case $line in '{\"ref\":'*) exit 3;; esac; done", "1",
	    "{exit,3}", 3 },
	{ "its signal too", READY "while read -r line; do case $line in "
	    "'{\"ref\":'*) kill -SEGV $$;; esac; done", "1",
	    "{signal,SIGSEGV}", 139 },
	{ "a reply comes with the end", READY "while read -r line; do "
	    "case $line in '{\"ref\":'*) " REF "echo \"{\\\"stop\\\":"
	    "\\\"normal\\\",\\\"reply\\\":5,\\\"ref\\\":\\\"$ref\\\"}\";; "
	    "esac; done", "1", "5", 0 },
	{ "a reply may come when it was told to stop", READY "while read -r "
	    "line; do case $line in '{\"ref\":'*) " REF
	    "kill -TERM $PPID;; '{\"stop\":\"shutdown\"}') echo \"{\\\"reply\\\":"
	    "6,\\\"ref\\\":\\\"$ref\\\"}\"; exit;; esac; done", "1", "6", 0 },
	{ "a line that is none ends it", READY "while read -r line; do "
	    "case $line in '{\"ref\":'*) echo hello;; esac; done", "1",
	    "{bad_line,see_log}", 1 },
	{ "an object of another kind too", READY "while read -r line; do "
	    "case $line in '{\"ref\":'*) echo '{\"a\":1}';; esac; done", "1",
	    "{bad_line,see_log}", 1 },
	{ "it can send itself something later", READY "while read -r line; do "
	    "case $line in '{\"ref\":'*) " REF
	    "echo '{\"send_after\":1,\"message\":[7]}';; "
	    "'{\"info\":[7]}') echo \"{\\\"reply\\\":7,\\\"ref\\\":"
	    "\\\"$ref\\\"}\";; esac; done", "1", "7", -1 },
	{ "a call of nobody fails", READY "while read -r line; do "
	    "case $line in '{\"ref\":'*) " REF "echo '{\"call\":1,\"to\":"
	    "\"/nowhere/x\",\"ref\":[1]}';; *noproc*) echo \"{\\\"reply\\\":"
	    "$line,\\\"ref\\\":\\\"$ref\\\"}\";; esac; done", "1",
	    "{\"failed\":\"noproc\",\"ref\":[1]}", -1 },
	{ "one who is not there is down", READY "while read -r line; do "
	    "case $line in '{\"ref\":'*) " REF "echo '{\"monitor\":"
	    "\"/nowhere/x\",\"ref\":\"m\"}';; '{\"down\":\"noproc\"'*) echo "
	    "\"{\\\"reply\\\":8,\\\"ref\\\":\\\"$ref\\\"}\";; esac; done",
	    "1", "8", -1 },
	{ "a program that stops first has not started", "echo "
	    "'{\"stop\":\"{bad,config}\"}'; sleep 60", NULL, NULL, 1 },
	{ "nor one that ends", "exit 4", NULL, NULL, 4 },
	{ "nor one that says nonsense", "echo hello; sleep 60", NULL, NULL,
	    1 },
	{ "a reply before it is ready is nonsense",
	    "echo '{\"reply\":1,\"ref\":\"1.1\"}'; sleep 60", NULL, NULL, 1 },
	{ "it may have nothing to do", "echo '{\"ignore\":true}'; sleep 60",
	    NULL, NULL, 0 },
};

START_TEST(a_script_is_a_server)
{
	const char *got;

	start_script("200", scripts[_i].script);
	if (scripts[_i].request != NULL) {
		await_server();
		got = call(scripts[_i].request);
		ck_assert_msg(strcmp(got, scripts[_i].want) == 0, "%s: %s",
		    scripts[_i].why, got);
	}
	if (scripts[_i].code >= 0)
		ck_assert_msg(ended() == scripts[_i].code, "%s",
		    scripts[_i].why);
}
END_TEST

/* Whether somebody still has the other end of it open. */
static bool
is_closed(int fd)
{
	char c;

	return read(fd, &c, 1) == 0;
}

static const struct { const char *why, *script; int sig; } stubborn[] = {
	{ "told to stop", READY "trap '' TERM; while :; do sleep 60; done",
	    SIGTERM },
	{ "killed itself", READY "while :; do read -r line; done", SIGKILL },
};

START_TEST(nothing_of_it_stays)
{
	int fd[2], status;

	/* The program and what it starts hold the pipe open. */
	ck_assert_int_eq(pipe(fd), 0);
	start_script("200", stubborn[_i].script);
	(void)close(fd[1]);
	await_server();
	ck_assert_int_eq(kill(server, stubborn[_i].sig), 0);
	ck_assert_int_eq(waitpid(server, &status, 0), server);
	server = 0;
	ck_assert_msg(is_closed(fd[0]), "%s", stubborn[_i].why);
	(void)close(fd[0]);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_told)
{
	launch((const char *const[]){ in("OTPD_BUILDDIR", "otp-port"), "-s",
	    sock, "/no/such/program", NULL });
	ck_assert_int_eq(ended(), 1);
}
END_TEST

/* More than its pipe and its queue hold, to a program that reads late. */
START_TEST(many_casts_reach_a_slow_program)
{
	static char large[4096];
	int i;

	start_script("200", READY "sleep 0.3; n=0; while read -r line; do "
	    "case $line in '{\"ref\":'*) " REF "echo \"{\\\"reply\\\":$n,"
	    "\\\"ref\\\":\\\"$ref\\\"}\";; '{\"cast\":'*) n=$((n + 1));; "
	    "esac; done");
	await_server();
	memset(large, '7', sizeof(large));
	for (i = 0; i < 300; i++)
		ck_assert_int_eq(otp_cast(me, sock, large, sizeof(large)), 0);
	ck_assert_str_eq(call("1"), "300");
}
END_TEST

/* --- the examples --- */

static bool
has_python(void)
{
	return system("python3 -c 'import sys; sys.exit(sys.version_info < "
	    "(3, 7))' >/dev/null 2>&1") == 0;
}

static void
start_example(const char *file)
{
	char program[512];

	(void)snprintf(program, sizeof(program), "%s",
	    in("OTPD_BUILDDIR", "otp-port"));
	launch((const char *const[]){ program, "-s", sock,
	    in("OTPD_SRCDIR", file), NULL });
	await_server();
}

START_TEST(the_shell_example_counts)
{
	start_example("contrib/examples/port_shell.sh");
	ck_assert_str_eq(call("\"increment\""), "{\"count\":1}");
	ck_assert_str_eq(call("\"increment\""), "{\"count\":2}");
	ck_assert_int_eq(otp_cast(me, sock, "\"reset\"", 7), 0);
	ck_assert_str_eq(call("\"get\""), "{\"count\":0}");
	ck_assert_str_eq(call("\"dance\""), "{\"error\":\"what?\"}");
	ck_assert_str_eq(call("\"crash\""), "{exit,3}");
	ck_assert_int_eq(ended(), 3);
}
END_TEST

START_TEST(the_python_example_stores)
{
	if (!has_python())
		return;
	start_example("contrib/examples/port_python.py");
	ck_assert_str_eq(call("{\"op\":\"put\",\"key\":\"a\",\"value\":[1]}"),
	    "{\"result\": \"ok\"}");
	ck_assert_str_eq(call("{\"op\":\"get\",\"key\":\"a\"}"),
	    "{\"value\": [1]}");
	ck_assert_str_eq(call("{\"op\":\"watch\",\"who\":\"a\"}"),
	    "{\"result\": \"ok\"}");
	ck_assert_str_eq(call("5"), "{exit,1}");	/* a bug of its caller */
}
END_TEST

START_TEST(a_worker_without_a_library_serves)
{
	char *reply;
	size_t len;

	if (!has_python())
		return;
	launch((const char *const[]){ in("OTPD_SRCDIR",
	    "contrib/examples/worker.py"), "-s", sock, NULL });
	await_server();
	ck_assert_str_eq(call("{\"op\":\"increment\",\"by\":5}"),
	    "{\"count\": 5}");
	ck_assert_int_eq(otp_cast(me, sock, "{\"op\":\"reset\"}", 14), 0);
	ck_assert_str_eq(call("{\"op\":\"get\"}"), "{\"count\": 0}");
	ck_assert_str_eq(call("nonsense"), "{\"error\": \"bad_request\"}");
	ck_assert_int_eq(otp_call(me, sock, "{\"op\":\"get\"}", 12, 0, &reply,
	    &len), -ETIMEDOUT);
	ck_assert_str_eq(call("{\"op\":\"stop\",\"reason\":\"{bad,day}\"}"),
	    "{bad,day}");
	ck_assert_int_eq(ended(), 1);
}
END_TEST

/* The program in the manual, as it stands there. */
START_TEST(the_manual_tells_how_to_call)
{
	char command[1024];

	if (!has_python())
		return;
	start_script("200", READY "while read -r line; do case $line in "
	    "'{\"ref\":'*'\"op\":\"get\"'*) " REF "echo \"{\\\"reply\\\":"
	    "{\\\"count\\\":5},\\\"ref\\\":\\\"$ref\\\"}\";; esac; done");
	await_server();
	(void)snprintf(command, sizeof(command), "sed -n '/^import socket/,"
	    "/^\\.Ed/{/^\\.Ed/d;s,/run/otpd/names/counter,%s,;p}' '%s' | "
	    "timeout 20 python3 - | grep -qx '{\"count\":5}'", sock,
	    in("OTPD_SRCDIR", "man/otp-protocol.7"));
	ck_assert_int_eq(system(command), 0);
}
END_TEST

static Suite *
port_suite(void)
{
	Suite *s = suite_create("port");
	TCase *lines = tcase_create("lines"), *t = tcase_create("servers");

	tcase_add_loop_test(lines, json_is_told_from_what_is_none, 0,
	    NITEMS(texts));
	tcase_add_test(lines, nesting_has_an_end);
	tcase_add_loop_test(lines, a_member_is_found, 0, NITEMS(members));
	tcase_add_loop_test(lines, members_are_walked_over, 0, NITEMS(walks));
	tcase_add_test(lines, a_walk_goes_no_deeper);
	tcase_add_loop_test(lines, any_payload_fits_into_a_line, 0,
	    NITEMS(puts_rows));
	suite_add_tcase(s, lines);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_script_is_a_server, 0, NITEMS(scripts));
	tcase_add_loop_test(t, nothing_of_it_stays, 0, NITEMS(stubborn));
	tcase_add_test(t, a_program_that_is_not_there_is_told);
	tcase_add_test(t, many_casts_reach_a_slow_program);
	tcase_add_test(t, the_shell_example_counts);
	tcase_add_test(t, the_python_example_stores);
	tcase_add_test(t, a_worker_without_a_library_serves);
	tcase_add_test(t, the_manual_tells_how_to_call);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(port_suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
