/* SPDX-License-Identifier: ISC */
/*
 * Odd uses of the library: in places where a function makes no sense, in a
 * copy made by fork(2), with what hardly fits; and in which order things leave.
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otp_rig.h"

#define LONG	508		/* of each byte two go into JSON */
#define TIMES	5
#define PAUSE_US	2000
#define TIMERS		50000
#define MONITORS	50000
#define NAP_US		50000
#define MESSAGES	36		/* together twice what one read takes */
#define MESSAGE_SIZE	4000

static struct rig rig;

static void
end(void)
{
	rig_end(&rig);
}

/* What has been sent can be read before the next leaves: in the server. */
static bool slow;

ssize_t	__real_send(int fd, const void *data, size_t len, int flags);
ssize_t	__wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t	__real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t	__wrap_sendmsg(int fd, const struct msghdr *m, int flags);

ssize_t
__wrap_send(int fd, const void *data, size_t len, int flags)
{
	ssize_t n = __real_send(fd, data, len, flags);

	if (slow)
		(void)usleep(PAUSE_US);
	return n;
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t n = __real_sendmsg(fd, m, flags);

	if (slow)
		(void)usleep(PAUSE_US);
	return n;
}

static void
start_linked(void)
{
	slow = true;
	rig_start_linked(&rig, NULL);
	slow = false;
	raw_expect(rig.engine, FRAME_CAST, "{\"op\":\"ready\"}", NULL);
}

/* --- in order --- */

static void
is_told(const char *words)
{
	struct pollfd pfd = { .fd = rig.engine, .events = POLLIN };

	ck_assert_msg(poll(&pfd, 1, 0) == 1, "the reply came first");
	raw_expect(rig.engine, FRAME_CAST, words, NULL);
}

/* Who has the reply may have it stopped: terminate is called then. */
START_TEST(G17_the_engine_hears_of_trap_exit_before_the_caller)
{
	char *reply;

	for (int i = 0; i < TIMES; i++) {
		rig_ok(&rig, "trap");
		is_told("trap_exit");
		ck_assert_int_eq(otp_cast(rig.o, rig.socket, "trap", 4), 0);
		reply = rig_call(&rig, "big 65536", NULL);
		ck_assert_ptr_nonnull(reply);
		free(reply);
		is_told("trap_exit");
	}
}
END_TEST

/* --- what hardly fits --- */

START_TEST(M1_a_target_that_is_long_in_json_is_watched)
{
	char text[16 + LONG + 1] = "monitor ";

	memset(text + 8, '"', LONG);
	rig_ok(&rig, text);
	raw_expect(rig.engine, FRAME_CAST, "{\"op\":\"monitor\"", NULL);
	memcpy(text, "link    ", 8);
	rig_ok(&rig, text);
	raw_expect(rig.engine, FRAME_CAST, "{\"op\":\"link\"", NULL);
}
END_TEST

START_TEST(a_target_that_is_too_long_is_refused)
{
	char text[16 + 513 + 1] = "link ";

	memset(text + 5, 'x', 513);
	(void)otp_cast(rig.o, rig.socket, text, strlen(text));
	(void)otp_flush(rig.o);
	raw_expect(rig.engine, FRAME_CAST,
	    "{\"op\":\"reason\",\"reason\":\"{errno,22}\"}", NULL);
}
END_TEST

static void
answer(const char *request, const char *reply)
{
	struct frame_header h;

	(void)otp_cast(rig.o, rig.socket, request, strlen(request));
	(void)otp_flush(rig.o);
	raw_expect(rig.engine, FRAME_CALL, "register", &h);
	raw_send(rig.engine, FRAME_REPLY, 0, 0, h.ref, reply);
}

START_TEST(N2_a_name_that_cannot_be_is_invalid_and_one_not_held_unknown)
{
	answer("name -x", "{\"error\":\"invalid\"}");
	rig_await(&rig, "name:-22:invalid");
	answer("unname cache", "{\"error\":\"not_found\"}");
	rig_await(&rig, "unname:-4096");
}
END_TEST

/* --- links --- */

START_TEST(L3_a_link_that_has_ended_is_not_made_again)
{
	struct frame_header h;
	bool done = false;
	char *payload;

	rig_ok(&rig, "trap");
	rig_ok(&rig, "link web/other");
	raw_expect(rig.engine, FRAME_CAST, "\"link\"", NULL);
	raw_send(rig.engine, FRAME_EXIT, 0, 0, 0,
	    "{\"from\":\"web/other\",\"reason\":\"killed\"}");
	rig_await(&rig, "EXIT:killed");
	raw_hello(rig.engine);		/* it knows nothing: all again */
	while (!done && raw_recv(rig.engine, &h, &payload)) {
		ck_assert_ptr_null(strstr(payload, "web/other"));
		done = strstr(payload, "\"ready\"") != NULL;
		free(payload);
	}
	ck_assert(done);
}
END_TEST

/* --- in a callback, and in a copy --- */

/* The copy lets go of what it has: its parent's things stay. */
static void
free_in_a_copy(struct otp *self)
{
	pid_t pid = fork();

	if (pid == 0) {
		otp_free(self);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* What an exec(2) that fails leaves behind, when nobody has thought of it. */
static int
fork_and_go_on(struct otp *self, struct otp_from from, int rc)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		(void)otp_reply(self, from, "copy", 4);
		(void)otp_cast(self, rig.socket, "copy", 4);
		return rc;
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return otp_replyf(self, from, "ended with %d", WEXITSTATUS(status));
}

static uint64_t monitor;
static int heard, heard_before = -1;	/* messages; and before a DOWN */

/* In another order than they were set; and none of them twice. */
static int
set_and_cancel(struct otp *self, struct otp_from from)
{
	static uint64_t refs[TIMERS];
	int bad = 0;

	for (uint32_t i = 0; i < TIMERS; i++)
		bad += otp_send_after(self, 60000 + i * 7919 % 1000, NULL, 0,
		    &refs[i]) != 0;
	for (uint32_t i = 0; i < TIMERS; i++) {
		bad += otp_cancel_timer(self, refs[i * 7 % TIMERS]) <= 0;
		bad += otp_cancel_timer(self, refs[i * 7 % TIMERS]) != -ENOENT;
	}
	bad += otp_cancel_timer(self, 0) != -ENOENT;
	bad += otp_cancel_timer(self, UINT64_MAX) != -ENOENT;
	return otp_replyf(self, from, "%s", bad == 0 ? "ok" : "bad");
}

/* Of this server itself: no monitor needs anybody else. */
static int
watch_and_forget(struct otp *self, struct otp_from from, const char *target)
{
	static uint64_t refs[MONITORS];
	int bad = 0;

	for (uint32_t i = 0; i < MONITORS; i++)
		bad += otp_monitor(self, target, &refs[i]) != 0;
	for (uint32_t i = 0; i < MONITORS; i++) {
		bad += otp_demonitor(self, refs[i]) != 0;
		bad += otp_demonitor(self, refs[i]) != -ENOENT;
	}
	return otp_replyf(self, from, "%s", bad == 0 ? "ok" : "bad");
}

static int
handle_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	(void)len;
	(void)state;
	if (strcmp(request, "free") == 0)
		otp_free(self);
	if (strcmp(request, "run") == 0)
		return otp_replyf(self, from, "%d", otp_gen_server_run(self));
	if (strcmp(request, "fork") == 0)
		free_in_a_copy(self);
	if (strncmp(request, "copy ", 5) == 0)
		return fork_and_go_on(self, from, atoi(request + 5));
	if (strcmp(request, "monitor") == 0)
		(void)otp_monitor(self, "web/other", &monitor);
	if (strcmp(request, "nap") == 0)
		(void)usleep(NAP_US);
	if (strcmp(request, "heard") == 0)
		return otp_replyf(self, from, "%d", heard_before);
	if (strcmp(request, "timers") == 0)
		return set_and_cancel(self, from);
	if (strncmp(request, "watch ", 6) == 0)
		return watch_and_forget(self, from, request + 6);
	if (strncmp(request, "tell ", 5) == 0)
		(void)otp_cast(self, request + 5, "told", 4);
	if (strcmp(request, "stop") == 0)
		return otp_stop_reply(self, "normal", from, "ok", 2);
	return otp_reply(self, from, "ok", 2);
}

static void
terminate(struct otp *self, const char *reason, void *state)
{
	(void)reason;
	(void)state;
	otp_free(self);
}

static int
handle_info(struct otp *self, const struct otp_info *info, void *state)
{
	(void)self;
	(void)state;
	if (info->kind == OTP_MESSAGE)
		heard++;
	if (info->kind == OTP_DOWN)
		heard_before = heard;
	return OTP_OK;
}

static const struct otp_gen_server_ops odd = { .handle_call = handle_call,
	.handle_info = handle_info, .terminate = terminate };

/* Who has the reply may ask those who were told, and finds them told. */
START_TEST(G7_a_cast_leaves_before_the_reply_to_the_same_call)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char request[sizeof(at.sun_path) + 8];
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd = -1;
	struct pollfd pfd = { .events = POLLIN };

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/other", rig.dir);
	(void)snprintf(request, sizeof(request), "tell %s", at.sun_path);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof(at)),
	    0);
	ck_assert_int_eq(listen(listener, 1), 0);
	for (int i = 0; i < TIMES; i++) {
		rig_ok(&rig, request);
		if (fd < 0)
			fd = accept(listener, NULL, NULL);
		pfd.fd = fd;
		ck_assert_msg(poll(&pfd, 1, 0) == 1, "the reply came first");
		raw_expect(fd, FRAME_CAST, "told", NULL);
	}
	(void)close(fd);
	(void)close(listener);
	(void)unlink(at.sun_path);
}
END_TEST

static void
start_odd(void)
{
	slow = true;
	rig_start_with(&rig, NULL, false, NULL, &odd);
	slow = false;
	rig_await_socket(&rig);
}

START_TEST(a_server_cannot_be_freed_by_its_callbacks)
{
	rig_ok(&rig, "free");
	rig_ok(&rig, "alive");
	rig_ok(&rig, "stop");		/* terminate tries it, too */
	ck_assert_int_eq(rig_exit(&rig), 0);
}
END_TEST

START_TEST(a_server_does_not_run_within_itself)
{
	char want[16], *reply = rig_call(&rig, "run", NULL);

	(void)snprintf(want, sizeof(want), "%d", -EBUSY);
	ck_assert_ptr_nonnull(reply);
	ck_assert_str_eq(reply, want);
	free(reply);
}
END_TEST

/* When each was looked for among all of them, no call waited for so long. */
START_TEST(TM1_many_timers_cost_no_more_than_few)
{
	rig_ok(&rig, "timers");
}
END_TEST

START_TEST(M1_many_monitors_cost_no_more_than_few)
{
	char request[sizeof(rig.socket) + 8];

	(void)snprintf(request, sizeof(request), "watch %s", rig.socket);
	rig_ok(&rig, request);
}
END_TEST

START_TEST(a_copy_that_is_freed_takes_nothing_from_the_server)
{
	rig_ok(&rig, "hello");
	rig_ok(&rig, "fork");
	rig_ok(&rig, "the same connection");
	ck_assert_int_eq(access(rig.socket, F_OK), 0);
	otp_free(rig.o);
	rig.o = otp_new(NULL);
	rig_ok(&rig, "another");
}
END_TEST

START_TEST(a_copy_that_goes_on_is_no_server)
{
	static const char *const results[] = { "copy 0", "copy -2" };
	char *reply;

	for (size_t i = 0; i < 2; i++) {
		reply = rig_call(&rig, results[i], NULL);
		ck_assert_ptr_nonnull(reply);
		ck_assert_str_eq(reply, "ended with 1");
		free(reply);
		rig_ok(&rig, "the same connection");
	}
}
END_TEST

START_TEST(a_copy_that_is_freed_sends_nothing)
{
	rig_ok(&rig, "hello");
	ck_assert_int_eq(otp_cast(rig.o, rig.socket, "once", 4), 0);
	free_in_a_copy(rig.o);
	rig_ok(&rig, "behind");
	ck_assert_int_eq(rig_count(&rig, "cast:once"), 1);
}
END_TEST

START_TEST(a_mere_caller_is_no_server)
{
	struct otp_from nobody = { 0, 0 };
	struct otp *self = otp_new(NULL);

	ck_assert_int_eq(otp_reply(self, nobody, "x", 1), -EINVAL);
	ck_assert_int_eq(otp_replyf(self, nobody, "x"), -EINVAL);
	ck_assert_int_eq(otp_stop(self, "normal"), -EINVAL);
	ck_assert_int_eq(otp_continue(self, NULL), -EINVAL);
	ck_assert_int_eq(otp_timeout(self, 1), -EINVAL);
	ck_assert_int_eq(otp_hibernate(self), -EINVAL);
	ck_assert_int_eq(otp_gen_server_run(self), -EINVAL);
	otp_free(self);
}
END_TEST

static void
start_odd_linked(void)
{
	rig_start_with(&rig, NULL, true, NULL, &odd);
	raw_expect(rig.engine, FRAME_CAST, "{\"op\":\"ready\"}", NULL);
}

/* Much, at once, and then the end. */
static void
say_much_and_end(int fd)
{
	struct frame_header h = { .type = FRAME_INFO,
	    .length = MESSAGE_SIZE };
	size_t size = MESSAGES * (sizeof(h) + MESSAGE_SIZE);
	char *all = calloc(1, size);

	for (size_t i = 0; i < MESSAGES; i++)
		memcpy(all + i * (sizeof(h) + MESSAGE_SIZE), &h, sizeof(h));
	ck_assert_int_eq(send(fd, all, size, 0), (ssize_t)size);
	free(all);
	(void)close(fd);
}

/* Between two processes nothing overtakes, the news of an end included. */
START_TEST(M1_a_down_comes_behind_all_that_the_process_had_sent)
{
	int fd = raw_open(rig.socket);
	char want[16], *reply = NULL;
	uint64_t nap;

	rig_ok(&rig, "monitor");
	raw_expect(rig.engine, FRAME_CAST, "\"monitor\"", NULL);
	ck_assert_int_eq(otp_send_request(rig.o, rig.socket, "nap", 3, &nap),
	    0);
	(void)otp_flush(rig.o);
	say_much_and_end(fd);
	raw_send(rig.engine, FRAME_DOWN, 0, 0, 1, "{\"reason\":\"killed\"}");
	ck_assert_int_eq(otp_receive_response(rig.o, nap, 5000, NULL, NULL),
	    0);
	do {
		free(reply);
		reply = rig_call(&rig, "heard", NULL);
	} while (strcmp(reply, "-1") == 0);
	(void)snprintf(want, sizeof(want), "%d", MESSAGES);
	ck_assert_str_eq(reply, want);
	free(reply);
}
END_TEST

/* Who calls may know of the end already, from the engine, too. */
START_TEST(M1_a_caller_that_knows_of_an_end_comes_behind_its_down)
{
	int fd = raw_open(rig.socket);
	uint64_t nap;

	rig_ok(&rig, "monitor");
	raw_expect(rig.engine, FRAME_CAST, "\"monitor\"", NULL);
	ck_assert_int_eq(otp_send_request(rig.o, rig.socket, "nap", 3, &nap),
	    0);
	(void)otp_flush(rig.o);
	raw_send(rig.engine, FRAME_DOWN, 0, 0, 1, "{\"reason\":\"killed\"}");
	raw_send(fd, FRAME_CALL, 0, 0, 1, "heard");
	raw_expect(fd, FRAME_REPLY, "0", NULL);
	ck_assert_int_eq(otp_receive_response(rig.o, nap, 5000, NULL, NULL),
	    0);
	(void)close(fd);
}
END_TEST

static void
start_plain(void)
{
	rig_start(&rig, NULL);
}

static TCase *
of(Suite *suite, void (*start)(void), const TTest *const *tests, size_t n)
{
	TCase *tc = tcase_create("odd");

	tcase_add_checked_fixture(tc, start, end);
	tcase_set_timeout(tc, 30);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return tc;
}

#define OF(suite, start, tests)						\
	(void)of(suite, start, tests, sizeof(tests) / sizeof((tests)[0]))

int
main(void)
{
	const TTest *const linked[] = {
		G17_the_engine_hears_of_trap_exit_before_the_caller,
		M1_a_target_that_is_long_in_json_is_watched,
		a_target_that_is_too_long_is_refused,
		N2_a_name_that_cannot_be_is_invalid_and_one_not_held_unknown,
		L3_a_link_that_has_ended_is_not_made_again,
	};
	const TTest *const served[] = {
		a_server_cannot_be_freed_by_its_callbacks,
		a_server_does_not_run_within_itself,
		TM1_many_timers_cost_no_more_than_few,
		M1_many_monitors_cost_no_more_than_few,
		G7_a_cast_leaves_before_the_reply_to_the_same_call,
		a_copy_that_is_freed_takes_nothing_from_the_server,
		a_copy_that_goes_on_is_no_server,
	};
	const TTest *const plain[] = {
		a_copy_that_is_freed_sends_nothing, a_mere_caller_is_no_server,
	};
	const TTest *const signals[] = {
		M1_a_down_comes_behind_all_that_the_process_had_sent,
		M1_a_caller_that_knows_of_an_end_comes_behind_its_down,
	};
	Suite *suite = suite_create("otp_odd");
	SRunner *sr;
	int failed;

	OF(suite, start_linked, linked);
	OF(suite, start_odd, served);
	OF(suite, start_plain, plain);
	OF(suite, start_odd_linked, signals);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
