/* SPDX-License-Identifier: ISC */
/*
 * otpctl call, cast, send and sys, against a gen_server that does what a row
 * of a table says, registered as counter with the path web/counter.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "otpctl_fake.h"
#include "wire/frame.h"

#define NITEMS(a)	((int)(sizeof(a) / sizeof((a)[0])))
#define MUST_ASK "{\"status\":{\"error\":\"not_found\",\"message\":\"m\"}}"

struct server {
	bool		 absent;	/* nothing listens */
	int		 unborn;	/* connections that it dies over */
	bool		 silent;	/* greets, and answers nothing */
	bool		 refuses;	/* turned away after the HELLO */
	uint16_t	 error;		/* the tag of an ERROR in reply's place */
	const char	*reply;		/* NULL: it ends instead */
	const char	*last_words;	/* DOWN before it ends */
	const char	*infos[3];	/* after the reply; then it ends */
	uint32_t	 max_payload;	/* 0: much */
};

static struct fake fake;
static struct run run;
static pid_t server_pid;
static char path[3][128];	/* of the socket, its folder, the frames */

static void
send_frame(int fd, uint8_t type, uint16_t tag, uint64_t ref, const char *text,
    size_t len)
{
	struct frame_header h = { .length = (uint32_t)len, .type = type,
	    .tag = tag, .ref = ref };
	uint8_t head[FRAME_HEADER_LEN];

	frame_encode(&h, head);
	(void)send(fd, head, sizeof(head), MSG_NOSIGNAL | MSG_MORE);
	(void)send(fd, text, len, MSG_NOSIGNAL);
}

static void
send_hello(int fd, const struct server *s)
{
	struct { struct frame_hello h; char names[20]; } hello = {
		.h = { .magic = FRAME_MAGIC, .version = FRAME_VERSION,
		    .max_payload = s->max_payload != 0 ? s->max_payload :
		    FRAME_SERVER_MAX, .pid = 7, .generation = 3 },
		.names = "counter\0web/counter",
	};

	send_frame(fd, FRAME_HELLO, 0, 0, (char *)&hello, sizeof(hello));
}

static void
note(const struct frame_header *h, const char *payload)
{
	FILE *f = fopen(path[2], "a");

	if (f == NULL)
		abort();
	fprintf(f, "%d %d %.*s\n", h->type, h->tag, (int)h->length, payload);
	(void)fclose(f);
}

/* False: it is to end. */
static bool
answer(const struct server *s, int fd, const struct frame_header *h)
{
	if (s->silent || h->type == FRAME_CAST || h->type == FRAME_INFO)
		return true;
	if (s->reply != NULL)
		send_frame(fd, s->error != 0 ? FRAME_ERROR : FRAME_REPLY,
		    s->error, h->ref, s->reply, strlen(s->reply));
	for (int i = 0; i < NITEMS(s->infos) && s->infos[i] != NULL; i++)
		send_frame(fd, FRAME_INFO, 0, h->ref, s->infos[i],
		    strlen(s->infos[i]));
	if (s->last_words != NULL)
		send_frame(fd, FRAME_DOWN, 0, 0, s->last_words,
		    strlen(s->last_words));
	return s->reply != NULL && s->last_words == NULL;
}

static void
serve(const struct server *s, int fd)
{
	static char buf[1 << 20];
	struct frame_header h;
	size_t len = 0;
	ssize_t n;
	long used;

	send_hello(fd, s);
	if (s->refuses) {
		send_frame(fd, FRAME_ERROR, FRAME_E_REFUSED, 0, "not you", 7);
		return;
	}
	while ((n = read(fd, buf + len, sizeof(buf) - len)) > 0) {
		len += (size_t)n;
		while ((used = frame_parse((uint8_t *)buf, len,
		    FRAME_SERVER_MAX, &h)) > 0) {
			if (h.type != FRAME_HELLO)
				note(&h, buf + FRAME_HEADER_LEN);
			if (h.type != FRAME_HELLO && !answer(s, fd, &h))
				return;
			len -= (size_t)used;
			memmove(buf, buf + used, len);
		}
	}
}

static void
server_main(const struct server *s, int listen_fd)
{
	int i, fd;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0;; i++) {
		fd = accept(listen_fd, NULL, NULL);
		if (fd >= 0 && i >= s->unborn)
			serve(s, fd);
		(void)close(fd);
	}
}

static void
start(const struct server *s, const char *engine)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char name[128];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fake.answers = engine != NULL ? engine : MUST_ASK;
	fake_start(&fake);
	(void)snprintf(path[1], sizeof(path[1]), "%s/paths", fake.dir);
	(void)snprintf(path[0], sizeof(path[0]), "%.80s/web:counter", path[1]);
	(void)snprintf(path[2], sizeof(path[2]), "%s/frames", fake.dir);
	(void)snprintf(name, sizeof(name), "%s/names/counter", fake.dir);
	ck_assert_int_eq(mkdir(path[1], 0700), 0);
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%.100s", path[0]);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	if (!s->absent)
		ck_assert_int_eq(listen(fd, 16), 0);
	if (!s->absent)
		ck_assert_int_eq(symlink("../paths/web:counter", name), 0);
	server_pid = fork();
	ck_assert_int_ge(server_pid, 0);
	if (server_pid == 0)
		server_main(s, fd);
	(void)close(fd);
}

static void
setup(void)
{
	memset(&fake, 0, sizeof(fake));
}

static void
teardown(void)
{
	char name[128];

	(void)kill(server_pid, SIGKILL);
	(void)waitpid(server_pid, NULL, 0);
	(void)snprintf(name, sizeof(name), "%s/names/counter", fake.dir);
	(void)unlink(name);
	(void)unlink(path[2]);
	(void)unlink(path[0]);
	(void)rmdir(path[1]);
	fake_stop(&fake);
}

/* It serves one after the other: who is greeted knows that the one before has
 * been heard to its end. */
static void
await_turn(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char c;

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%.100s", path[0]);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		(void)!read(fd, &c, 1);
	(void)close(fd);
}

static const char *
frames(void)
{
	static char text[4096];
	size_t n = 0;
	FILE *f;

	await_turn();
	f = fopen(path[2], "r");
	if (f != NULL) {
		n = fread(text, 1, sizeof(text) - 1, f);
		(void)fclose(f);
	}
	text[n] = '\0';
	return text;
}

#define DOWN_STATUS(kind, state) "{\"status\":{\"children\":[{\"path\":"	\
	"\"web/counter\",\"kind\":" kind ",\"state\":\"" state "\"}]}}"

static const struct {
	const char	*why;
	struct server	 server;
	const char	*words[8];
	const char	*input, *engine;
	int		 code;
	const char	*out, *err;	/* NULL: not looked at */
	const char	*frames;	/* likewise */
} rows[] = {
	{ "a reply", { .reply = "{\"value\":5}" },
	    { "call", "counter", "{\"op\":\"get\"}" }, NULL, NULL, 0,
	    "{\"value\": 5}\n", "", "2 0 {\"op\":\"get\"}\n" },
	{ "by path", { .reply = "5" }, { "call", "web/counter", "x" }, NULL,
	    NULL, 0, "5\n", "", "2 0 x\n" },
	{ "a payload from standard input", { .reply = "true" },
	    { "call", "counter", "-" }, "[1, 2]", NULL, 0, "true\n", "",
	    "2 0 [1, 2]\n" },
	{ "no payload", { .reply = "null" }, { "call", "counter" }, NULL, NULL,
	    0, "null\n", "", "2 0 \n" },
	{ "a long reply gets lines", { .reply = "{\"n\":18446744073709551615,"
	    "\"list\":[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
	    "{},[ ]]}" },
	    { "call", "counter" }, NULL, NULL, 0, "{\n"
	    "  \"n\": 18446744073709551615,\n  \"list\": [\""
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", {}, []]\n}\n",
	    "", NULL },
	{ "and with --json none", { .reply = "{ \"n\": 1.0,\n \"s\": \"a b\" }"
	    }, { "--json", "call", "counter" }, NULL, NULL, 0,
	    "{\"n\":1.0,\"s\":\"a b\"}\n", "", NULL },
	{ "what is no JSON comes as it is", { .reply = "\033[31mhi" },
	    { "call", "counter" }, NULL, NULL, 0, "\033[31mhi", "", NULL },
	{ "a string with --json", { .reply = "hi \"you\"" },
	    { "call", "counter", "--json" }, NULL, NULL, 0,
	    "\"hi \\\"you\\\"\"\n", "", NULL },
	{ "-q says nothing", { .reply = "5" }, { "-q", "call", "counter" },
	    NULL, NULL, 0, "", "", NULL },
	{ "an error in a reply is a reply", { .reply = "{\"error\":\"no\"}" },
	    { "call", "counter" }, NULL, NULL, 0, "{\"error\": \"no\"}\n", "",
	    NULL },
	{ "a cast", { .silent = true }, { "cast", "counter", "{\"a\":1}" },
	    NULL, NULL, 0, "", "", "5 0 {\"a\":1}\n" },
	{ "a message", { .silent = true }, { "send", "counter", "hello" },
	    NULL, NULL, 0, "", "", "6 0 hello\n" },
	{ "no such name is 1", { .absent = true }, { "call", "counter" }, NULL,
	    NULL, 1, "", "otpctl: no server is registered as counter\n", "" },
	{ "a cast tells too", { .absent = true }, { "cast", "counter" }, NULL,
	    NULL, 1, "", "otpctl: no server is registered as counter\n", "" },
	{ "as JSON", { .absent = true }, { "call", "counter", "--json" }, NULL,
	    NULL, 1, "{\"error\":\"noproc\",\"message\":\"no server is "
	    "registered as counter\"}\n", "", NULL },
	{ "one that is stopped", { .absent = true }, { "call", "counter" },
	    NULL, DOWN_STATUS("\"gen_server\"", "stopped"), 1, "", "otpctl: "
	    "web/counter is stopped: no server is there; see: otpctl why "
	    "web/counter\n", "" },
	{ "no gen_server", { .absent = true }, { "call", "counter" }, NULL,
	    DOWN_STATUS("null", "running"), 1, "", "otpctl: web/counter is no "
	    "gen_server: nobody can call it\n", "" },
	{ "the last part of a path", { .reply = "1" }, { "call", "nter" }, NULL,
	    DOWN_STATUS("\"gen_server\"", "running"), 0, "1\n", "", NULL },
	{ "a socket that is not there", { .absent = true },
	    { "call", "/nowhere/x.sock" }, NULL, NULL, 1, "",
	    "otpctl: no server is at /nowhere/x.sock\n", NULL },
	{ "a name is no way out", { .absent = true }, { "call", "../otpd" },
	    NULL, NULL, 1, "", "otpctl: no server is at ../otpd\n", NULL },
	{ "nor a path", { .absent = true }, { "call", "web/../../x" }, NULL,
	    NULL, 1, "", "otpctl: no server is registered as web/../../x\n",
	    NULL },
	{ "its last words", { .last_words = "{\"reason\":\"{stop,bad}\"}" },
	    { "call", "counter", "x" }, NULL, NULL, 1, "", "otpctl: counter "
	    "ended before it answered: it ended with reason {stop,bad}\n",
	    "2 0 x\n" },
	{ "its last words as JSON",
	    { .last_words = "{\"reason\":\"{stop,bad}\"}" },
	    { "call", "counter", "x", "--json" }, NULL, NULL, 1,
	    "{\"error\":\"down\",\"message\":\"counter ended before it "
	    "answered\",\"reason\":\"{stop,bad}\"}\n", "", NULL },
	{ "else otpd knows why", { .reply = NULL }, { "call", "counter" },
	    NULL, "{\"why_down\":{\"reason\":\"{signal,SIGKILL}\"}}", 1, "",
	    "otpctl: counter ended before it answered: it was killed by signal "
	    "SIGKILL\n", NULL },
	{ "or nobody does", { .reply = NULL }, { "call", "counter" }, NULL,
	    "{\"why_down\":{\"error\":\"noproc\"}}", 1, "",
	    "otpctl: the connection to counter broke before it answered\n",
	    NULL },
	{ "a reply before the end is a reply", { .reply = "5",
	    .last_words = "{\"reason\":\"normal\"}" }, { "call", "counter" },
	    NULL, NULL, 0, "5\n", "", NULL },
	{ "the next one answers", { .unborn = 2, .reply = "5" },
	    { "call", "counter" }, NULL, NULL, 0, "5\n", "", "2 0 \n" },
	{ "too slow", { .silent = true },
	    { "call", "counter", "x", "--timeout", "50" }, NULL, NULL, 6, "",
	    "otpctl: timed out: counter has not answered\n", NULL },
	{ "too slow in seconds", { .silent = true },
	    { "call", "counter", "x", "--timeout", "0.05s" }, NULL, NULL, 6,
	    "", NULL, NULL },
	{ "refused", { .refuses = true }, { "call", "counter" }, NULL, NULL, 1,
	    "", NULL, NULL },
	{ "a request that makes no sense", { .reply = "what?",
	    .error = FRAME_E_BAD_REQUEST }, { "call", "counter" }, NULL, NULL,
	    1, "", "otpctl: counter refused the request: bad_request: what?\n",
	    NULL },
	{ "too large", { .reply = "5", .max_payload = 1024 },
	    { "call", "counter", "-" }, "large", NULL, 1, "",
	    "otpctl: that is more than counter takes at once\n", "" },
	{ "a state", { .reply = "{\"state\":{\"n\":1}}" },
	    { "sys", "get-state", "counter" }, NULL, NULL, 0,
	    "{\"state\": {\"n\": 1}}\n", "", "9 1 \n" },
	{ "suspended", { .reply = "{\"result\":\"ok\"}" },
	    { "sys", "suspend", "counter" }, NULL, NULL, 0,
	    "counter: suspended\n", "", "9 3 \n" },
	{ "suspended in JSON", { .reply = "{\"result\":\"ok\"}" },
	    { "sys", "resume", "counter", "--json" }, NULL, NULL, 0,
	    "{\"result\":\"ok\"}\n", "", "9 4 \n" },
	{ "terminated with a reason", { .reply = "{\"result\":\"ok\"}" },
	    { "sys", "terminate", "counter", "shutdown" }, NULL, NULL, 0,
	    "counter: terminated\n", "", "9 8 shutdown\n" },
	{ "what it does not know", { .reply = "{\"error\":\"undefined\","
	    "\"message\":\"it has no code_change\"}" },
	    { "sys", "change-code", "counter" }, NULL, NULL, 1, "",
	    "otpctl: counter: it has no code_change\n", "9 9 \n" },
	{ "a trace, for a while", { .reply = "{\"result\":\"ok\"}", .infos = {
	    "{\"event\":\"in\",\"type\":\"call\",\"data\":{\"op\":\"get\"}}",
	    "{\"event\":\"out\",\"type\":\"reply\",\"data\":5}" } },
	    { "sys", "trace", "counter", "--timeout", "100" }, NULL, NULL, 0,
	    "in  call  {\"op\":\"get\"}\nout reply 5\n", "", "9 6 \n" },
	{ "a trace ends with the server", { .reply = "{\"result\":\"ok\"}",
	    .last_words = "{\"reason\":\"normal\"}" },
	    { "sys", "trace", "counter", "on" }, NULL, NULL, 1, "",
	    "otpctl: counter ended before it answered: it exited normally\n",
	    "9 6 on\n" },
	{ "a trace that is refused", { .reply = "{\"error\":\"bad_request\"}"
	    }, { "sys", "trace", "counter" }, NULL, NULL, 1, "",
	    "otpctl: counter: bad_request\n", NULL },
	{ "no trace", { .reply = "{\"result\":\"ok\"}" },
	    { "sys", "trace", "counter", "off" }, NULL, NULL, 0,
	    "counter: no longer traced\n", "", "9 6 off\n" },
	{ "no such operation", { .absent = true },
	    { "sys", "dance", "counter" }, NULL, NULL, 2, "", NULL, NULL },
	{ "one that takes nothing", { .absent = true },
	    { "sys", "suspend", "counter", "now" }, NULL, NULL, 2, "", NULL,
	    NULL },
	{ "no name", { .absent = true }, { "call" }, NULL, NULL, 2, "",
	    "otpctl: usage: otpctl call NAME [PAYLOAD]\n", NULL },
	{ "no time", { .absent = true },
	    { "call", "counter", "--timeout", "soon" }, NULL, NULL, 2, "",
	    "otpctl: not a timeout: soon; see: otpctl --help\n", NULL },
};

START_TEST(a_server_is_spoken_with)
{
	char large[4096];

	start(&rows[_i].server, rows[_i].engine);
	memset(large, ' ', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	run_otpctl(&fake, rows[_i].words, NULL, 0, rows[_i].input == NULL ? "" :
	    strcmp(rows[_i].input, "large") == 0 ? large : rows[_i].input,
	    &run);
	ck_assert_msg(run.code == rows[_i].code, "%s: code %d, want %d: %s",
	    rows[_i].why, run.code, rows[_i].code, run.err);
	ck_assert_msg(rows[_i].out == NULL ||
	    strcmp(run.out, rows[_i].out) == 0, "%s: said \"%s\"",
	    rows[_i].why, run.out);
	ck_assert_msg(rows[_i].err == NULL ||
	    strcmp(run.err, rows[_i].err) == 0, "%s: complained \"%s\"",
	    rows[_i].why, run.err);
	ck_assert_msg(rows[_i].frames == NULL ||
	    strcmp(frames(), rows[_i].frames) == 0, "%s: sent \"%s\"",
	    rows[_i].why, frames());
}
END_TEST

START_TEST(otpd_is_told_which_one_ended)
{
	static const struct server s = { .reply = NULL };

	start(&s, "{\"why_down\":{\"reason\":\"killed\"}}");
	run_otpctl(&fake, (const char *const[]){ "call", "counter", NULL },
	    NULL, 0, "", &run);
	ck_assert_int_eq(run.code, 1);
	ck_assert_str_eq(fake_requests(&fake), "{\"op\":\"why_down\",\"path\":"
	    "\"web/counter\",\"pid\":7,\"generation\":3}\n");
}
END_TEST

START_TEST(without_otpd_that_is_said)
{
	static const struct server s = { .absent = true };

	start(&s, NULL);
	ck_assert_int_eq(kill(fake.pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(fake.pid, NULL, 0), fake.pid);
	fake.pid = 0;
	run_otpctl(&fake, (const char *const[]){ "call", "counter", NULL },
	    NULL, 0, "", &run);
	ck_assert_int_eq(run.code, 5);
	ck_assert_ptr_nonnull(strstr(run.err, "otpd is not running on "));
}
END_TEST

START_TEST(a_terminal_is_not_written_to_by_servers)
{
	static const struct server s = { .reply = "\033[31mhi" };

	start(&s, NULL);
	if (!has_terminals())
		return;
	run_otpctl(&fake, (const char *const[]){ "call", "counter", NULL },
	    NULL, 80, "", &run);
	ck_assert_str_eq(run.out, "\\x1b[31mhi\n");
}
END_TEST

static const struct { const char *key, *request; } keys[] = {
	{ "7", "{\"op\":\"partition\",\"sup\":\"p\",\"integer\":\"7\"}\n" },
	{ "-7", "{\"op\":\"partition\",\"sup\":\"p\",\"integer\":\"-7\"}\n" },
	{ "7a", "{\"op\":\"partition\",\"sup\":\"p\",\"key\":\"7a\"}\n" },
	{ "-", "{\"op\":\"partition\",\"sup\":\"p\",\"key\":\"-\"}\n" },
	{ "\"7\"", "{\"op\":\"partition\",\"sup\":\"p\",\"key\":\"7\"}\n" },
	{ "", "{\"op\":\"partition\",\"sup\":\"p\",\"key\":\"\"}\n" },
};

START_TEST(integers_and_text_are_other_keys)
{
	static const struct server s = { .absent = true };

	start(&s, "{\"partition\":{\"path\":\"p/1\"}}");
	run_otpctl(&fake, (const char *const[]){ "partition", "--", "p",
	    keys[_i].key, NULL }, NULL, 0, "", &run);
	ck_assert_str_eq(run.out, "p/1\n");
	ck_assert_str_eq(fake_requests(&fake), keys[_i].request);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("otpctl_call");
	TCase *t = tcase_create("otpctl_call");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_server_is_spoken_with, 0, NITEMS(rows));
	tcase_add_test(t, otpd_is_told_which_one_ended);
	tcase_add_loop_test(t, integers_and_text_are_other_keys, 0,
	    NITEMS(keys));
	tcase_add_test(t, without_otpd_that_is_said);
	tcase_add_test(t, a_terminal_is_not_written_to_by_servers);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
