/* SPDX-License-Identifier: ISC */
/*
 * otp-agent, called through libotp, without otpd: what its requests do to the
 * state, its limits, its file, and OTP's rules of an agent, a test each.
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

#define NITEMS(a)	((int)(sizeof(a) / sizeof((a)[0])))
#define PATIENCE_MS	5000
#define OK		"{\"result\":\"ok\"}"

static char dir[80], sock[96], file[96];
static struct otp *me;
static pid_t server;

static void
setup(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/otp-agent-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(sock, sizeof(sock), "%s/agent.sock", dir);
	(void)snprintf(file, sizeof(file), "%s/state", dir);
	me = otp_new(NULL);
	ck_assert_ptr_nonnull(me);
}

static void
teardown(void)
{
	if (server > 0) {
		(void)kill(server, SIGKILL);
		(void)waitpid(server, NULL, 0);
	}
	otp_free(me);
	(void)unlink(sock);
	(void)unlink(file);
	ck_assert_int_eq(rmdir(dir), 0);	/* no part of a file is left */
}

static void
execute(const char *const *words)
{
	const char *builddir = getenv("OTPD_BUILDDIR");
	char path[4096], *argv[12] = { path, strdup("-s"), sock };
	int n = 3;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(path, sizeof(path), "%s/otp-agent",
	    builddir == NULL ? "." : builddir);
	for (; *words != NULL && n < 11; words++)
		argv[n++] = strdup(*words);
	(void)execv(path, argv);
	_exit(127);
}

/* Left to be reaped. */
static bool
is_dead(void)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)server, &info,
	    WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == server;
}

static void
run(const char *const *words)
{
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0)
		execute(words);
	/* There it is, or it has ended: both end the wait. */
	while (otp_agent_get(me, sock, "", PATIENCE_MS, NULL, NULL) ==
	    -OTP_ENOPROC && !is_dead())
		(void)nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
}
#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

/* Its exit code. */
static int
ended(void)
{
	int status;

	ck_assert_int_eq(waitpid(server, &status, 0), server);
	server = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}

/* The reply, or why there is none. */
static const char *
ask(const char *request)
{
	static char text[1024];
	char *reply = NULL;
	int rc = otp_call(me, sock, request, strlen(request), PATIENCE_MS,
	    &reply, NULL);

	(void)snprintf(text, sizeof(text), "%s", rc == 0 ? reply :
	    otp_reason(me));
	free(reply);
	return text;
}

static void
state_is(const char *want)
{
	char *value = NULL;

	ck_assert_int_eq(otp_agent_get(me, sock, "", PATIENCE_MS, &value,
	    NULL), 0);
	ck_assert_str_eq(value, want);
	free(value);
}

/* --- what requests do --- */

static const struct {
	const char	*why, *before, *request, *reply, *after;
} rows[] = {
	{ "the whole", "{\"a\":1}", "{\"op\":\"get\"}",
	    "{\"value\":{\"a\":1}}", NULL },
	{ "a member of a member", "{\"a\":{\"b\":[1,{\"c\":2}]}}",
	    "{\"op\":\"get\",\"path\":\"/a/b/1/c\"}", "{\"value\":2}", NULL },
	{ "escapes of a pointer", "{\"a/b\":{\"m~n\":3}}",
	    "{\"op\":\"get\",\"path\":\"/a~1b/m~0n\"}", "{\"value\":3}",
	    NULL },
	{ "the empty key", "{\"\":4}", "{\"op\":\"get\",\"path\":\"/\"}",
	    "{\"value\":4}", NULL },
	{ "a key in another spelling", "{\"\\u00e4\\/\":5}",
	    "{\"op\":\"get\",\"path\":\"/\xc3\xa4~1\"}", "{\"value\":5}",
	    "{\"\xc3\xa4/\":5}" },
	{ "numbers keep their digits", "[12345678901234567890,1.10]",
	    "{\"op\":\"get\"}", "{\"value\":[12345678901234567890,1.10]}",
	    NULL },
	{ "nothing there", "{}", "{\"op\":\"get\",\"path\":\"/a\"}",
	    "badkey", NULL },
	{ "no place there", "{\"a\":1}",
	    "{\"op\":\"get\",\"path\":\"/a/b\"}", "badkey", NULL },
	{ "no such index", "[1]", "{\"op\":\"get\",\"path\":\"/1\"}",
	    "badkey", NULL },
	{ "an index with a zero before", "[1,2]",
	    "{\"op\":\"get\",\"path\":\"/01\"}", "badkey", NULL },
	{ "a pointer that is none", "{}", "{\"op\":\"get\",\"path\":\"a\"}",
	    "bad_request", NULL },
	{ "a wrong escape", "{}", "{\"op\":\"get\",\"path\":\"/~2\"}",
	    "bad_request", NULL },
	{ "put a new member", "{\"a\":1}",
	    "{\"op\":\"put\",\"path\":\"/b\",\"value\":[2]}", OK,
	    "{\"a\":1,\"b\":[2]}" },
	{ "put in the place of another", "{\"a\":1,\"b\":2}",
	    "{\"op\":\"put\",\"path\":\"/a\",\"value\":{}}", OK,
	    "{\"a\":{},\"b\":2}" },
	{ "put the whole", "{\"a\":1}", "{\"op\":\"put\",\"value\":7}", OK,
	    "7" },
	{ "put an item", "[1,2]", "{\"op\":\"put\",\"path\":\"/0\","
	    "\"value\":9}", OK, "[9,2]" },
	{ "put behind the last", "[1]", "{\"op\":\"put\",\"path\":\"/-\","
	    "\"value\":9}", OK, "[1,9]" },
	{ "put far behind the last", "[1]", "{\"op\":\"put\","
	    "\"path\":\"/3\",\"value\":9}", "badkey", NULL },
	{ "put without what is around it", "{}", "{\"op\":\"put\","
	    "\"path\":\"/a/b\",\"value\":9}", "badkey", NULL },
	{ "put nothing", "{}", "{\"op\":\"put\",\"path\":\"/a\"}",
	    "bad_request", NULL },
	{ "the last of two equal members counts", "{}",
	    "{\"op\":\"put\",\"value\":{\"a\":1,\"\\u0061\":2}}", OK,
	    "{\"a\":2}" },
	{ "half a pair and a zero stay as they are", "{}",
	    "{\"op\":\"put\",\"value\":\"\\uD800\\u0000\\ud83d\\ude00\"}", OK,
	    "\"\\ud800\\u0000\xf0\x9f\x98\x80\"" },
	{ "a merge patch", "{\"a\":\"b\",\"c\":{\"d\":\"e\",\"f\":\"g\"}}",
	    "{\"op\":\"update\",\"value\":{\"a\":\"z\",\"c\":{\"f\":null}}}",
	    OK, "{\"a\":\"z\",\"c\":{\"d\":\"e\"}}" },
	{ "a patch makes what is around it", "{}",
	    "{\"op\":\"update\",\"path\":\"/x\",\"value\":"
	    "{\"a\":{\"bb\":{\"ccc\":null}}}}", OK,
	    "{\"x\":{\"a\":{\"bb\":{}}}}" },
	{ "a patch of no object", "{\"a\":[1,2]}",
	    "{\"op\":\"update\",\"path\":\"/a\",\"value\":[3]}", OK,
	    "{\"a\":[3]}" },
	{ "a patch on no object", "[1]",
	    "{\"op\":\"update\",\"value\":{\"a\":1,\"b\":null}}", OK,
	    "{\"a\":1}" },
	{ "delete a member", "{\"a\":1,\"b\":2}",
	    "{\"op\":\"delete\",\"path\":\"/a\"}", OK, "{\"b\":2}" },
	{ "delete an item", "[1,2,3]",
	    "{\"op\":\"delete\",\"path\":\"/1\"}", OK, "[1,3]" },
	{ "delete what is not there", "{\"a\":1}",
	    "{\"op\":\"delete\",\"path\":\"/x/y\"}", OK, "{\"a\":1}" },
	{ "delete the whole", "{\"a\":1}", "{\"op\":\"delete\"}", OK,
	    "null" },
	{ "get_and_update gives what was there", "{\"a\":1}",
	    "{\"op\":\"get_and_update\",\"path\":\"/a\",\"value\":2}",
	    "{\"value\":1}", "{\"a\":2}" },
	{ "... or that nothing was", "{}",
	    "{\"op\":\"get_and_update\",\"path\":\"/a\",\"value\":2}",
	    "{\"value\":null,\"absent\":true}", "{\"a\":2}" },
	{ "... and takes a patch", "{\"a\":{\"b\":1}}",
	    "{\"op\":\"get_and_update\",\"path\":\"/a\","
	    "\"update\":{\"c\":2}}", "{\"value\":{\"b\":1}}",
	    "{\"a\":{\"b\":1,\"c\":2}}" },
	{ "... or takes it away", "{\"a\":1}",
	    "{\"op\":\"get_and_update\",\"path\":\"/a\",\"delete\":true}",
	    "{\"value\":1}", "{}" },
	{ "compared and equal", "{\"a\":{\"x\":1,\"y\":[2.0]}}",
	    "{\"op\":\"get_and_update\",\"path\":\"/a\",\"compare\":"
	    "{\"y\":[2],\"x\":1},\"value\":0}",
	    "{\"value\":{\"x\":1,\"y\":[2.0]}}", "{\"a\":0}" },
	{ "compared and not equal", "{\"a\":9007199254740993}",
	    "{\"op\":\"get_and_update\",\"path\":\"/a\",\"compare\":"
	    "9007199254740992,\"value\":0}", "conflict", NULL },
	{ "compared with nothing", "{}", "{\"op\":\"get_and_update\","
	    "\"path\":\"/a\",\"compare\":null,\"value\":0}", "conflict",
	    NULL },
	{ "absent, as wanted", "{}", "{\"op\":\"get_and_update\","
	    "\"path\":\"/a\",\"absent\":true,\"value\":0}",
	    "{\"value\":null,\"absent\":true}", "{\"a\":0}" },
	{ "not absent", "{\"a\":null}", "{\"op\":\"get_and_update\","
	    "\"path\":\"/a\",\"absent\":true,\"value\":0}", "conflict",
	    NULL },
	{ "names in another spelling", "{\"a\":1}", "{\"o\\u0070\":"
	    "\"g\\u0065t\",\"p\\u0061th\":\"\\/a\"}", "{\"value\":1}", NULL },
	{ "the last of two equal names counts, too", "{\"a\":1,\"b\":2}",
	    "{\"path\":\"/a\",\"op\":\"put\",\"path\":\"/b\","
	    "\"op\":\"get\"}", "{\"value\":2}", NULL },
	{ "names of others say nothing", "{\"a\":1}",
	    "{\"x\":{\"op\":\"put\"},\"op\":\"get\",\"\":[]}",
	    "{\"value\":{\"a\":1}}", NULL },
	{ "a value where there is a patch, too", "{\"a\":{\"b\":1}}",
	    "{\"op\":\"get_and_update\",\"path\":\"/a\","
	    "\"update\":{\"c\":2},\"value\":{\"d\":3}}",
	    "{\"value\":{\"b\":1}}", "{\"a\":{\"d\":3}}" },
	{ "a patch of members of members", "{\"a\":{\"b\":1},\"c\":2}",
	    "{\"op\":\"update\",\"value\":{\"a\":{\"b\":{\"d\":3}},"
	    "\"c\":{\"e\":null}}}", OK, "{\"a\":{\"b\":{\"d\":3}},"
	    "\"c\":{}}" },
	{ "no JSON behind what is some", "{\"a\":1}",
	    "{\"op\":\"put\",\"path\":\"/a\",\"value\":2}}",
	    "bad_request", NULL },
	{ "half of a request does nothing", "{\"a\":1}",
	    "{\"op\":\"put\",\"path\":\"/a\",\"value\":2,\"raise\":true,",
	    "bad_request", NULL },
	{ "no operation", "{}", "{\"op\":\"destroy\"}", "bad_request", NULL },
	{ "no JSON", "{}", "{\"op\":", "bad_request", NULL },
	{ "no object", "{}", "[]", "bad_request", NULL },
	{ "no UTF-8", "{}", "{\"op\":\"put\",\"value\":\"\xff\"}",
	    "bad_request", NULL },
};

START_TEST(requests)
{
	char error[64];

	RUN("--init", rows[_i].before);
	(void)snprintf(error, sizeof(error), "{\"error\":\"%s\"",
	    rows[_i].reply);
	if (rows[_i].reply[0] == '{')
		ck_assert_str_eq(ask(rows[_i].request), rows[_i].reply);
	else
		ck_assert_msg(strncmp(ask(rows[_i].request), error,
		    strlen(error)) == 0, "%s: %s", rows[_i].why,
		    ask(rows[_i].request));
	state_is(rows[_i].after != NULL ? rows[_i].after : rows[_i].before);
}
END_TEST

/* People write "limit" before they write "/limit". */
START_TEST(a_path_that_is_no_pointer_is_said_to_be_none)
{
	RUN("--init", "{\"limit\":1}");
	ck_assert_str_eq(ask("{\"op\":\"get\",\"path\":\"limit\"}"),
	    "{\"error\":\"bad_request\",\"message\":\"a path is a JSON "
	    "pointer, as \\\"/a/b\\\", or \\\"\\\" for the whole\","
	    "\"path\":\"limit\"}");
}
END_TEST

START_TEST(no_path_is_the_whole)
{
	char *value = NULL;

	RUN("--init", "[1]");
	ck_assert_int_eq(otp_agent_get(me, sock, NULL, PATIENCE_MS, &value,
	    NULL), 0);
	ck_assert_str_eq(value, "[1]");
	free(value);
}
END_TEST

/* What does not fit into the room that most requests have. */
START_TEST(long_requests)
{
	static char path[700], json[900];
	char *value = NULL;

	RUN("--init", "{}");
	for (int n = 100; n < 700; n += 50) {
		path[0] = '/';
		memset(path + 1, 'p', (size_t)n - 2);
		path[n - 1] = '"';
		path[n] = '\0';
		(void)snprintf(json, sizeof(json), "[\"%s\"]", path + 1);
		json[n] = '!';		/* where the quotes were */
		ck_assert_int_eq(otp_agent_put(me, sock, path, json,
		    PATIENCE_MS), 0);
		ck_assert_int_eq(otp_agent_get(me, sock, path, PATIENCE_MS,
		    &value, NULL), 0);
		ck_assert_str_eq(value, json);
		free(value);
	}
}
END_TEST

/* Beside a list that is kept by hand. */
START_TEST(many_members_come_and_go)
{
	char path[32], number[32], *value;
	static bool there[400];

	RUN("--init", "{}");
	srandom(7);
	for (int i = 0; i < 4000; i++) {
		long k = random() % NITEMS(there);

		(void)snprintf(path, sizeof(path), "/k%ld", k);
		(void)snprintf(number, sizeof(number), "%ld", k);
		if (random() % 3 != 0) {
			ck_assert_int_eq(otp_agent_put(me, sock, path, number,
			    PATIENCE_MS), 0);
			there[k] = true;
		} else {
			ck_assert_int_eq(otp_agent_delete(me, sock, path,
			    PATIENCE_MS), 0);
			there[k] = false;
		}
		k = random() % NITEMS(there);
		(void)snprintf(path, sizeof(path), "/k%ld", k);
		(void)snprintf(number, sizeof(number), "%ld", k);
		value = NULL;
		ck_assert_int_eq(otp_agent_get(me, sock, path, PATIENCE_MS,
		    &value, NULL), there[k] ? 0 : -ENOENT);
		if (there[k])
			ck_assert_str_eq(value, number);
		free(value);
	}
}
END_TEST

/* --- limits --- */

static const struct {
	const char	*why, *before, *request, *error;
} limits[] = {
	{ "as large as it may be", "{\"a\":\"2345678901\"}",
	    "{\"op\":\"put\",\"path\":\"/a\",\"value\":\"23456789012\"}",
	    NULL },
	{ "one more", "{\"a\":\"23456789012\"}",
	    "{\"op\":\"put\",\"path\":\"/a\",\"value\":\"234567890123\"}",
	    "too_large" },
	{ "a new member has a key and a comma", "{\"a\":\"1234567\"}",
	    "{\"op\":\"put\",\"path\":\"/b\",\"value\":1}", "too_large" },
	{ "a patch may take away and add", "{\"a\":\"23456789012\"}",
	    "{\"op\":\"update\",\"value\":{\"a\":null,"
	    "\"b\":\"23456789012\"}}", NULL },
	{ "a patch that adds too much", "{\"a\":\"23456789012\"}",
	    "{\"op\":\"update\",\"value\":{\"b\":1}}", "too_large" },
	{ "the old value is not given for what failed", "{\"a\":1}",
	    "{\"op\":\"get_and_update\",\"path\":\"/a\","
	    "\"value\":\"23456789012345\"}", "too_large" },
	{ "as deep as it may be", "[[]]",
	    "{\"op\":\"put\",\"path\":\"/0\",\"value\":[1]}", NULL },
	{ "one deeper", "[[1]]",
	    "{\"op\":\"put\",\"path\":\"/0/0\",\"value\":[1]}", "too_deep" },
	{ "a patch that is too deep", "{}",
	    "{\"op\":\"update\",\"value\":{\"a\":{\"b\":{\"c\":1}}}}",
	    "too_deep" },
};

START_TEST(limits_are_kept)
{
	char error[64];

	RUN("--max-size", "19", "--max-depth", "3", "--init",
	    limits[_i].before);
	(void)snprintf(error, sizeof(error), "{\"error\":\"%s\"",
	    limits[_i].error);
	if (limits[_i].error == NULL) {
		ck_assert_str_eq(ask(limits[_i].request), OK);
		return;
	}
	ck_assert_msg(strncmp(ask(limits[_i].request), error,
	    strlen(error)) == 0, "%s: %s", limits[_i].why,
	    ask(limits[_i].request));
	state_is(limits[_i].before);
}
END_TEST

/* --- OTP's rules, by the names of their rows --- */

START_TEST(get_is_f_of_the_state)
{
	char *value = NULL;
	size_t len = 0;

	RUN("--init", "{\"a\":{\"b\":\"c\"}}");
	ck_assert_int_eq(otp_agent_get(me, sock, "/a", PATIENCE_MS, &value,
	    &len), 0);
	ck_assert_str_eq(value, "{\"b\":\"c\"}");
	ck_assert_uint_eq(len, strlen(value));
	free(value);
	state_is("{\"a\":{\"b\":\"c\"}}");
}
END_TEST

START_TEST(update_is_ok_and_the_state_is_f_of_it)
{
	RUN("--init", "{\"a\":1}");
	ck_assert_int_eq(otp_agent_update(me, sock, "", "{\"b\":2}",
	    PATIENCE_MS), 0);
	ck_assert_int_eq(otp_agent_put(me, sock, "/c", "[]", PATIENCE_MS), 0);
	ck_assert_int_eq(otp_agent_delete(me, sock, "/a", PATIENCE_MS), 0);
	state_is("{\"b\":2,\"c\":[]}");
}
END_TEST

START_TEST(get_and_update_gives_the_reply_and_the_new_state)
{
	char *old = NULL;

	RUN("--init", "{\"a\":1}");
	ck_assert_int_eq(otp_agent_get_and_update(me, sock, "/a", "1", "2",
	    PATIENCE_MS, &old, NULL), 0);
	ck_assert_str_eq(old, "1");
	free(old);
	ck_assert_int_eq(otp_agent_get_and_update(me, sock, "/a", "1", "3",
	    PATIENCE_MS, &old, NULL), -ECANCELED);
	ck_assert_str_eq(otp_reason(me), "conflict");
	ck_assert_int_eq(otp_agent_get_and_update(me, sock, "/b", "", "9",
	    PATIENCE_MS, &old, NULL), 0);
	ck_assert_str_eq(old, "null");
	free(old);
	ck_assert_int_eq(otp_agent_get_and_update(me, sock, "/a", NULL, NULL,
	    PATIENCE_MS, NULL, NULL), 0);
	state_is("{\"b\":9}");
}
END_TEST

static const struct { const char *request, *reason; } raises[] = {
	{ "{\"op\":\"get\",\"path\":\"/x\",\"raise\":true}",
	    "{badkey,\"/x\"}" },
	{ "{\"op\":\"put\",\"path\":\"/x/y\",\"value\":1,\"raise\":true}",
	    "{badkey,\"/x/y\"}" },
	{ "{\"op\":\"put\",\"path\":\"/\xc3\xa4/y\",\"value\":1,"
	    "\"raise\":true}", "{badkey,path}" },
	{ "{\"op\":\"explode\",\"raise\":true}", "{bad_request,\"\"}" },
};

START_TEST(f_raises_the_agent_ends_and_the_caller_hears_the_reason)
{
	RUN("--init", "{}");
	ck_assert_str_eq(ask(raises[_i].request), raises[_i].reason);
	ck_assert_int_eq(ended(), 1);
}
END_TEST

START_TEST(get_and_update_of_another_shape_is_a_bad_return_value)
{
	RUN("--init", "{}");
	ck_assert_msg(strncmp(ask("{\"op\":\"get_and_update\",\"path\":"
	    "\"/a\"}"), "{\"error\":\"bad_return_value\"", 27) == 0, "%s",
	    ask("{\"op\":\"get_and_update\",\"path\":\"/a\"}"));
	ck_assert_str_eq(ask("{\"op\":\"get_and_update\",\"path\":\"/a\","
	    "\"raise\":true}"), "{bad_return_value,\"/a\"}");
	ck_assert_int_eq(ended(), 1);
}
END_TEST

/* Past the timeout the caller has given up; the agent goes on for others. */
START_TEST(a_slow_agent_blocks_its_users_and_goes_on)
{
	struct otp *other = otp_new(NULL);
	uint64_t waits;

	RUN("--init", "{\"a\":1}");
	ck_assert_int_eq(kill(server, SIGSTOP), 0);
	ck_assert_int_eq(otp_send_request(other, sock,
	    "{\"op\":\"get\",\"path\":\"/a\"}", 24, &waits), 0);
	(void)otp_flush(other);
	ck_assert_int_eq(otp_agent_get(me, sock, "/a", 20, NULL, NULL),
	    -ETIMEDOUT);
	ck_assert_int_eq(kill(server, SIGCONT), 0);
	ck_assert_int_eq(otp_receive_response(other, waits, PATIENCE_MS, NULL,
	    NULL), 0);
	state_is("{\"a\":1}");
	otp_free(other);
}
END_TEST

START_TEST(cast_is_ok_whatever)
{
	RUN("--init", "{}");
	ck_assert_int_eq(otp_agent_cast(me, sock, "put", "/a", "1"), 0);
	ck_assert_int_eq(otp_agent_cast(me, sock, "put", "/x/y", "1"), 0);
	ck_assert_int_eq(otp_agent_cast(me, sock, "juggle", "", NULL),
	    -EINVAL);
	ck_assert_int_eq(otp_cast(me, sock, "what?", 5), 0);
	ck_assert_int_eq(otp_agent_cast(me, sock, "update", "", "{\"b\":2}"),
	    0);
	state_is("{\"a\":1,\"b\":2}");
	ck_assert_int_eq(otp_agent_cast(me, "./nobody.sock", "put", "/a",
	    "1"), 0);
}
END_TEST

static const char *const bad_starts[] = { "{", "", "{} {}", "[[[[1]]]]",
	"\"0123456789012345678901234567890\"" };

START_TEST(start_fun_raises_the_start_fails)
{
	RUN("--max-size", "30", "--max-depth", "4", "--init",
	    bad_starts[_i]);
	ck_assert_int_eq(ended(), 1);
}
END_TEST

/* --- what is no JSON is not sent --- */

START_TEST(values_that_are_none)
{
	static const char *const none[] = { "", "x", "1,\"path\":\"/b\"",
	    "{\"a\":1", "{} ", "1 2" };

	RUN("--init", "{}");
	for (int i = 0; i < NITEMS(none); i++) {
		bool blank = strcmp(none[i], "{} ") == 0;

		ck_assert_int_eq(otp_agent_put(me, sock, "/a", none[i],
		    PATIENCE_MS), blank ? 0 : -EINVAL);
		ck_assert_int_eq(otp_agent_cast(me, sock, "put", "/b",
		    none[i]), blank ? 0 : -EINVAL);
	}
	state_is("{\"a\":{},\"b\":{}}");
}
END_TEST

/* --- the file --- */

static void
write_file(const char *text, mode_t mode)
{
	FILE *f = fopen(file, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(file, mode), 0);
}

static void
file_is(const char *want)
{
	char text[256];
	FILE *f = fopen(file, "re");
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	(void)fclose(f);
	ck_assert_str_eq(text, want);
}

/* As sys:terminate does, with the reason normal. */
static void
end(void)
{
	ck_assert_str_eq(ask("{\"op\":\"end\",\"raise\":true}"),
	    "{bad_request,\"\"}");
	ck_assert_int_eq(ended(), 1);
}

START_TEST(a_file_is_read_first)
{
	write_file("{\"from\":\"file\"}\n", 0640);
	RUN("--file", file, "--init", "{\"from\":\"init\"}");
	state_is("{\"from\":\"file\"}");
	ck_assert_int_eq(otp_agent_put(me, sock, "/b", "1", PATIENCE_MS), 0);
	end();
	file_is("{\"from\":\"file\"}\n");	/* it was not to be saved */
}
END_TEST

START_TEST(a_file_that_is_not_there_yet_is_made_at_the_end)
{
	struct stat st;

	RUN("--file", file, "--save", "--init", "{\"n\":1}");
	ck_assert_int_eq(otp_agent_put(me, sock, "/n", "2", PATIENCE_MS), 0);
	ck_assert_int_lt(stat(file, &st), 0);
	end();
	file_is("{\"n\":2}\n");
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	RUN("--file", file, "--save");
	state_is("{\"n\":2}");
}
END_TEST

START_TEST(what_was_saved_keeps_its_mode)
{
	struct stat st;

	write_file("{}", 0640);
	RUN("--file", file, "--save");
	ck_assert_int_eq(otp_agent_put(me, sock, "/n", "2", PATIENCE_MS), 0);
	end();
	file_is("{\"n\":2}\n");
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
}
END_TEST

START_TEST(killed_it_saves_nothing)
{
	write_file("{\"n\":1}", 0600);
	RUN("--file", file, "--save");
	ck_assert_int_eq(otp_agent_put(me, sock, "/n", "2", PATIENCE_MS), 0);
	ck_assert_int_eq(kill(server, SIGKILL), 0);
	ck_assert_int_eq(ended(), 128 + SIGKILL);
	file_is("{\"n\":1}");
}
END_TEST

START_TEST(a_bad_file_is_a_failed_start_and_stays)
{
	static const char *const bad[] = { "", "{\"n\":", "{}{}" };

	write_file(bad[_i], 0600);
	RUN("--file", file, "--save", "--init", "{}");
	ck_assert_int_eq(ended(), 1);
	file_is(bad[_i]);
}
END_TEST

START_TEST(a_folder_is_no_file)
{
	RUN("--file", dir, "--save");
	ck_assert_int_eq(ended(), 1);
}
END_TEST

static const char *const usages[][4] = {
	{ "--save" }, { "--max-size", "x" }, { "--max-depth", "0" },
	{ "--max-depth", "512" }, { "word" }, { "--unknown" },
};

START_TEST(a_wrong_command_line)
{
	run(usages[_i]);
	ck_assert_int_eq(ended(), 2);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("otp-agent");
	TCase *c = tcase_create("requests"), *o = tcase_create("OTP's rules"),
	    *f = tcase_create("file");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, requests, 0, NITEMS(rows));
	tcase_add_test(c, a_path_that_is_no_pointer_is_said_to_be_none);
	tcase_add_test(c, no_path_is_the_whole);
	tcase_add_test(c, long_requests);
	tcase_add_test(c, many_members_come_and_go);
	tcase_add_loop_test(c, limits_are_kept, 0, NITEMS(limits));
	tcase_add_test(c, values_that_are_none);
	tcase_add_loop_test(c, a_wrong_command_line, 0, NITEMS(usages));
	suite_add_tcase(s, c);
	tcase_add_checked_fixture(o, setup, teardown);
	tcase_add_test(o, get_is_f_of_the_state);
	tcase_add_test(o, update_is_ok_and_the_state_is_f_of_it);
	tcase_add_test(o, get_and_update_gives_the_reply_and_the_new_state);
	tcase_add_loop_test(o,
	    f_raises_the_agent_ends_and_the_caller_hears_the_reason, 0,
	    NITEMS(raises));
	tcase_add_test(o,
	    get_and_update_of_another_shape_is_a_bad_return_value);
	tcase_add_test(o, a_slow_agent_blocks_its_users_and_goes_on);
	tcase_add_test(o, cast_is_ok_whatever);
	tcase_add_loop_test(o, start_fun_raises_the_start_fails, 0,
	    NITEMS(bad_starts));
	suite_add_tcase(s, o);
	tcase_add_checked_fixture(f, setup, teardown);
	tcase_add_test(f, a_file_is_read_first);
	tcase_add_test(f, a_file_that_is_not_there_yet_is_made_at_the_end);
	tcase_add_test(f, what_was_saved_keeps_its_mode);
	tcase_add_test(f, killed_it_saves_nothing);
	tcase_add_loop_test(f, a_bad_file_is_a_failed_start_and_stays, 0, 3);
	tcase_add_test(f, a_folder_is_no_file);
	suite_add_tcase(s, f);
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
