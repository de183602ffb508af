/* SPDX-License-Identifier: ISC */
/*
 * What a server knows of those who call it: who they are, and when their
 * connection ends.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "otp_rig.h"

#define KEPT	4
#define CAST	2048		/* bytes of a large one */
/* Some more of them than a suspended server holds; few, for a sender that has
 * filled its socket goes on when three quarters have been read. */
#define NCASTS	(1024 * 1024 / (CAST + FRAME_HEADER_LEN) + 9)

/* In the server: the last ones who have called, and monitors on them. */
static struct otp_from kept[KEPT];
static uint64_t refs[KEPT];
static int nkept, ndowns, ncasts;
static char downs[256];

/*
 * "who" is answered with pid and uid; "watch" keeps the caller and watches it,
 * "drop N" takes that back, "late N" watches it now; "said X" and DOWN are
 * written down, "downs" gives them; "casts" is answered with their number.
 */
static int
caller_call(struct otp *self, struct otp_from from, const char *text,
    size_t len, void *state)
{
	int n = atoi(strchr(text, ' ') != NULL ? strchr(text, ' ') : "0");
	int32_t pid = -1;
	uint32_t uid = 0;
	int rc = 0;

	(void)len;
	(void)state;
	if (strcmp(text, "who") == 0) {
		rc = otp_caller_pid(self, from, &pid);
		if (rc == 0)
			rc = otp_caller_uid(self, from, &uid);
		return otp_replyf(self, from, "%d %d %u", rc, (int)pid, uid);
	}
	if (strncmp(text, "watch", 5) == 0) {
		kept[nkept] = from;
		rc = otp_monitor_caller(self, from, &refs[nkept]);
		return otp_replyf(self, from, "%d %d", rc, nkept++);
	}
	if (strncmp(text, "drop", 4) == 0)
		rc = otp_demonitor(self, refs[n]);
	else if (strncmp(text, "late", 4) == 0)
		rc = otp_monitor_caller(self, kept[n], &refs[n]);
	else if (strncmp(text, "gone", 4) == 0)
		rc = otp_caller_pid(self, kept[n], &pid);
	else if (strcmp(text, "casts") == 0)
		rc = ncasts;
	else if (strcmp(text, "downs") == 0)
		return otp_replyf(self, from, "%d%s", ndowns, downs);
	return otp_replyf(self, from, "%d", rc);
}

static void
note(const char *format, int n, const char *words)
{
	size_t len = strlen(downs);

	(void)snprintf(downs + len, sizeof(downs) - len, format, n, words);
}

static int
caller_cast(struct otp *self, const char *text, size_t len, void *state)
{
	(void)self;
	(void)state;
	ncasts++;
	if (len < CAST)
		note(" %d:%s", 0, text);
	return OTP_OK;
}

static int
caller_info(struct otp *self, const struct otp_info *info, void *state)
{
	int which = -1;

	(void)self;
	(void)state;
	for (int i = 0; i < nkept; i++)
		if (refs[i] == info->ref)
			which = i;
	if (info->kind == OTP_DOWN) {
		ndowns++;
		note(" %d:%s", which, info->reason);
	}
	return OTP_OK;
}

static const struct otp_gen_server_ops ops = { .handle_call = caller_call,
	.handle_cast = caller_cast, .handle_info = caller_info };

static struct rig rig;

static void
start_alone(void)
{
	rig_start_with(&rig, NULL, false, NULL, &ops);
}

static void
start_linked(void)
{
	rig_start_with(&rig, NULL, true, NULL, &ops);
	raw_expect(rig.engine, FRAME_CAST, "{\"op\":\"ready\"}", NULL);
}

static void
end(void)
{
	rig_end(&rig);
}

static const char *
ask(struct otp *o, const char *request)
{
	static char text[512];
	uint64_t until = rig_now_ms() + 5000;
	char *reply = NULL;
	int rc;

	do {			/* nobody is there at the very beginning */
		rc = otp_call(o, rig.socket, request, strlen(request), 5000,
		    &reply, NULL);
	} while (rc == -OTP_ENOPROC && rig_now_ms() < until);
	(void)snprintf(text, sizeof(text), "%s", rc == 0 ? reply :
	    otp_reason(o));
	free(reply);
	return text;
}

/* Until so many have come: what the server wrote down. */
static const char *
await_downs(int n)
{
	uint64_t until = rig_now_ms() + 5000;
	const char *text;

	while (atoi(text = ask(rig.o, "downs")) < n)
		ck_assert_msg(rig_now_ms() < until, "%s", text);
	return text;
}

START_TEST(a_caller_has_the_pid_and_uid_that_the_kernel_says)
{
	char want[64];

	(void)snprintf(want, sizeof(want), "0 %d %u", (int)getpid(),
	    (unsigned)getuid());
	ck_assert_str_eq(ask(rig.o, "who"), want);
}
END_TEST

START_TEST(one_down_when_it_lets_go)
{
	struct otp *other = otp_new(NULL);

	ck_assert_str_eq(ask(other, "watch"), "0 0");
	ck_assert_str_eq(ask(rig.o, "downs"), "0");
	otp_free(other);
	ck_assert_str_eq(await_downs(1), "1 0:noconnection");
	ck_assert_str_eq(ask(rig.o, "gone 0"), "-2");
}
END_TEST

START_TEST(one_down_when_it_is_killed)
{
	int pair[2], status;
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(pair), 0);
	pid = fork();
	if (pid == 0) {
		(void)ask(otp_new(NULL), "watch");
		(void)!write(pair[1], "", 1);
		for (;;)
			(void)pause();
	}
	ck_assert_int_eq(read(pair[0], &c, 1), 1);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	ck_assert_str_eq(await_downs(1), "1 0:noconnection");
}
END_TEST

START_TEST(what_it_had_said_comes_before)
{
	struct otp *other = otp_new(NULL);

	ck_assert_str_eq(ask(other, "watch"), "0 0");
	(void)otp_cast(other, rig.socket, "last words", 10);
	otp_free(other);
	ck_assert_str_eq(await_downs(1), "1 0:last words 0:noconnection");
}
END_TEST

START_TEST(each_monitor_has_its_own_and_none_after_demonitor)
{
	struct otp *other = otp_new(NULL);

	ck_assert_str_eq(ask(other, "watch"), "0 0");
	ck_assert_str_eq(ask(other, "watch"), "0 1");
	ck_assert_str_eq(ask(other, "watch"), "0 2");
	ck_assert_str_eq(ask(rig.o, "drop 1"), "0");
	ck_assert_str_eq(ask(rig.o, "drop 1"), "-2");
	otp_free(other);
	ck_assert_str_eq(await_downs(2), "2 0:noconnection 2:noconnection");
}
END_TEST

START_TEST(one_that_has_ended_is_noproc_at_once)
{
	struct otp *other = otp_new(NULL), *next;

	ck_assert_str_eq(ask(other, "watch"), "0 0");
	otp_free(other);
	(void)await_downs(1);
	next = otp_new(NULL);		/* it has the same slot */
	ck_assert_str_eq(ask(next, "watch"), "0 1");
	ck_assert_str_eq(ask(rig.o, "late 0"), "0");
	ck_assert_str_eq(await_downs(2), "2 0:noconnection 0:noproc");
	otp_free(next);
	ck_assert_str_eq(await_downs(3),
	    "3 0:noconnection 0:noproc 1:noconnection");
}
END_TEST

/* It is nothing to the engine, and no engine's end ends it. */
START_TEST(the_engine_has_no_part_in_it)
{
	struct otp *other = otp_new(NULL);

	ck_assert_str_eq(ask(other, "watch"), "0 0");
	raw_hello(rig.engine);		/* another one: all is said again */
	raw_expect(rig.engine, FRAME_CAST, "{\"op\":\"trap_exit\"", NULL);
	raw_expect(rig.engine, FRAME_CAST, "{\"op\":\"ready\"}", NULL);
	(void)close(rig.engine);	/* and otpd's end */
	rig.engine = -1;
	ck_assert_str_eq(ask(rig.o, "downs"), "0");
	otp_free(other);
	ck_assert_str_eq(await_downs(1), "1 0:noconnection");
}
END_TEST

START_TEST(only_a_server_has_callers)
{
	struct otp_from from = { .peer = 1, .ref = 1 };
	uint64_t ref;
	uint32_t uid;
	int32_t pid;

	ck_assert_int_eq(otp_monitor_caller(rig.o, from, &ref), -EINVAL);
	ck_assert_int_eq(otp_caller_pid(rig.o, from, &pid), -ENOENT);
	ck_assert_int_eq(otp_caller_uid(rig.o, from, &uid), -ENOENT);
}
END_TEST

static void
sys(int fd, uint16_t operation)
{
	raw_send(fd, FRAME_SYSTEM, 0, operation, operation, "");
	raw_expect(fd, FRAME_REPLY, "", NULL);
}

/* Suspended, it stops reading who sends too much; that he goes then takes
 * nothing back. */
START_TEST(what_was_sent_before_the_end_counts_though_it_was_not_read)
{
	static char text[CAST + 1];
	int fd, sender, n = 0;
	char *reply = NULL;

	rig_await_socket(&rig);
	fd = raw_open(rig.socket);
	sender = raw_open(rig.socket);
	memset(text, 'x', CAST);
	sys(fd, 3);			/* suspend */
	for (int i = 0; i < NCASTS; i++)
		raw_send(sender, FRAME_CAST, 0, 0, 0, text);
	(void)close(sender);
	for (int i = 0; i < 4; i++)
		sys(fd, 2);		/* status: it has seen the end by now */
	sys(fd, 4);			/* resume */
	for (int i = 0; i < 100 && n < NCASTS; i++) {
		reply = rig_call(&rig, "casts", NULL);
		ck_assert_ptr_nonnull(reply);
		n = atoi(reply);
		free(reply);
	}
	ck_assert_int_eq(n, NCASTS);
	(void)close(fd);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("libotp: callers");
	TCase *c = tcase_create("alone"), *l = tcase_create("linked");

	tcase_add_checked_fixture(c, start_alone, end);
	tcase_add_test(c,
	    a_caller_has_the_pid_and_uid_that_the_kernel_says);
	tcase_add_test(c, one_down_when_it_lets_go);
	tcase_add_test(c, one_down_when_it_is_killed);
	tcase_add_test(c, what_it_had_said_comes_before);
	tcase_add_test(c, each_monitor_has_its_own_and_none_after_demonitor);
	tcase_add_test(c, one_that_has_ended_is_noproc_at_once);
	tcase_add_test(c, only_a_server_has_callers);
	tcase_add_test(c,
	    what_was_sent_before_the_end_counts_though_it_was_not_read);
	suite_add_tcase(s, c);
	tcase_add_checked_fixture(l, start_linked, end);
	tcase_add_test(l, the_engine_has_no_part_in_it);
	suite_add_tcase(s, l);
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
