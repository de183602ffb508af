/* SPDX-License-Identifier: ISC */
/*
 * The caller's side: what a call, a cast and requests in flight end with.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "otp_rig.h"

static struct rig rig;

static void
start(void)
{
	rig_start(&rig, NULL);
}

static void
end(void)
{
	rig_end(&rig);
}

static void
same_again(void)
{
	pid_t old = rig.pid;
	struct rig next;

	(void)old;
	rig_start(&next, NULL);
	(void)rename(next.socket, rig.socket);
	rig.pid = next.pid;
	rig.log = next.log;
	otp_free(next.o);
	(void)rmdir(next.dir);
}

START_TEST(no_such_process_is_noproc_at_once)
{
	uint64_t began = rig_now_ms();

	ck_assert_int_eq(otp_call(rig.o, "/tmp/no/such/socket", "x", 1, 5000,
	    NULL, NULL), -OTP_ENOPROC);
	ck_assert_str_eq(otp_reason(rig.o), "noproc");
	ck_assert_uint_lt(rig_now_ms() - began, 1000);
}
END_TEST

START_TEST(a_call_times_out_and_its_late_reply_is_dropped)
{
	char *reply;
	int rc;

	rc = otp_call(rig.o, rig.socket, "later", 5, 30, NULL, NULL);
	ck_assert_int_eq(rc, -ETIMEDOUT);
	ck_assert_str_eq(otp_reason(rig.o), "timeout");
	rig_ok(&rig, "release");
	reply = rig_call(&rig, "echo own", NULL);
	ck_assert_str_eq(reply, "own");
	free(reply);
}
END_TEST

/* Longer than whoever waits goes on polling: such calls have a way of their
 * own, which whatever comes but the reply leaves for that of all others. */
static void
pause_calling(void)
{
	const struct timespec ts = { .tv_nsec = 1000000 };

	(void)nanosleep(&ts, NULL);
}

static char *
call_after_a_pause(struct otp *o, const char *request, size_t len)
{
	char *reply = NULL;
	size_t have = 0;

	pause_calling();
	ck_assert_int_eq(otp_call(o, rig.socket, request, strlen(request),
	    5000, &reply, &have), 0);
	ck_assert_ptr_nonnull(reply);
	ck_assert_uint_eq(have, len);
	ck_assert_int_eq(reply[len], '\0');
	return reply;
}

START_TEST(after_a_pause_calls_end_as_any_do)
{
	static const struct {
		const char	*request;
		size_t		 len;
	} rows[] = {
		{ "echo one", 3 }, { "big 1024", 1024 }, { "echo two", 3 },
		{ "big 1025", 1025 }, { "big 300000", 300000 },
		{ "twice", 2 }, { "echo three", 5 }, { "echo ", 0 },
	};
	struct otp_options opt = { .size = sizeof(opt), .max_payload = 1024 };
	struct otp *other = otp_new(&opt);

	free(call_after_a_pause(rig.o, "echo one", 3));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		free(call_after_a_pause(rig.o, rows[i].request, rows[i].len));
	pause_calling();
	ck_assert_int_eq(otp_call(rig.o, rig.socket, "later", 5, 60, NULL,
	    NULL), -ETIMEDOUT);
	free(call_after_a_pause(other, "release", 2));
	free(call_after_a_pause(rig.o, "nap 20", 2));	/* behind the late one */
	free(call_after_a_pause(other, "big 3000", 3000));	/* in parts */
	otp_free(other);
}
END_TEST

/* Both end the server. */
START_TEST(after_a_pause_calls_fail_as_any_do)
{
	static const struct {
		const char	*request, *reason;
		int		 error;
	} rows[] = {
		{ "stop odd", "odd", -OTP_EDOWN },
		{ "big 68000000", NULL, -EMSGSIZE },
	};

	rig_ok(&rig, "hello");
	pause_calling();
	ck_assert_int_eq(otp_call(rig.o, rig.socket, rows[_i].request,
	    strlen(rows[_i].request), 5000, NULL, NULL), rows[_i].error);
	if (rows[_i].reason != NULL)
		ck_assert_str_eq(otp_reason(rig.o), rows[_i].reason);
	(void)rig_exit(&rig);
	pause_calling();
	ck_assert_int_eq(otp_call(rig.o, rig.socket, "hello", 5, 5000, NULL,
	    NULL), -OTP_ENOPROC);
}
END_TEST

static void
nothing(int sig)
{
	(void)sig;
}

/* Of 300 ms: recv() waits for most of it, poll() for the rest. */
START_TEST(signals_neither_lengthen_nor_shorten_a_call)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct itimerval often = { { 0, 5000 }, { 0, 5000 } }, never = { 0 };
	uint64_t began = rig_now_ms(), took;

	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	ck_assert_int_eq(otp_call(rig.o, rig.socket, "later", 5, 300, NULL,
	    NULL), -ETIMEDOUT);
	took = rig_now_ms() - began;
	ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
	ck_assert_uint_ge(took, 299);		/* two clocks' rounding */
	ck_assert_uint_lt(took, 5000);
}
END_TEST

START_TEST(the_server_is_not_told_of_a_timeout)
{
	uint64_t request;

	ck_assert_int_eq(otp_send_request(rig.o, rig.socket, "nap 300", 7,
	    &request), 0);
	(void)otp_flush(rig.o);
	rig_await(&rig, "call:nap 300");
	ck_assert_int_eq(otp_receive_response(rig.o, request, 0, NULL, NULL),
	    -ETIMEDOUT);
	rig_ok(&rig, "hello");
	ck_assert_ptr_nonnull(strstr(rig.log, "call:nap 300 call:hello"));
}
END_TEST

START_TEST(a_call_whose_time_is_over_is_dropped_unserved)
{
	int fd = raw_open(rig.socket);

	otp_cast(rig.o, rig.socket, "nap 100", 7);
	ck_assert_int_eq(otp_call(rig.o, rig.socket, "expired", 7, 20, NULL,
	    NULL), -ETIMEDOUT);
	rig_ok(&rig, "hello");
	ck_assert_ptr_null(strstr(rig.log, "call:expired"));
	raw_send(fd, FRAME_SYSTEM, 0, 5, 1, "");
	raw_expect(fd, FRAME_REPLY, "\"expired\":1", NULL);
	(void)close(fd);
}
END_TEST

START_TEST(a_killed_server_fails_the_call_in_flight)
{
	uint64_t request;

	ck_assert_int_eq(otp_send_request(rig.o, rig.socket, "never", 5,
	    &request), 0);
	rig_ok(&rig, "hello");
	(void)kill(rig.pid, SIGKILL);
	ck_assert_int_eq(otp_receive_response(rig.o, request, 5000, NULL,
	    NULL), -OTP_EDOWN);
	/* Nobody is there who could know more. */
	ck_assert_str_eq(otp_reason(rig.o), "noconnection");
}
END_TEST

START_TEST(a_call_goes_to_the_next_incarnation)
{
	char *reply;

	rig_ok(&rig, "hello");
	(void)kill(rig.pid, SIGKILL);
	(void)rig_exit(&rig);
	same_again();
	reply = rig_call(&rig, "echo again", NULL);
	ck_assert_ptr_nonnull(reply);
	ck_assert_str_eq(reply, "again");
	free(reply);
}
END_TEST

START_TEST(a_cast_goes_to_the_next_incarnation)
{
	rig_ok(&rig, "hello");
	(void)kill(rig.pid, SIGKILL);
	(void)rig_exit(&rig);
	same_again();
	ck_assert_int_eq(otp_cast(rig.o, rig.socket, "again", 5), 0);
	(void)otp_flush(rig.o);
	rig_await(&rig, "cast:again");
}
END_TEST

/* Who listens there, for the test to play. */
static int
listen_at(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	return fd;
}

/* It died before it greeted: nobody can have read them.  The first 40 of them,
 * or none, were sent. */
START_TEST(requests_nobody_greeted_go_to_the_next_incarnation)
{
	char path[80], text[16], *reply;
	uint64_t requests[50];
	int listening;

	(void)snprintf(path, sizeof(path), "%s.p", rig.socket);
	listening = listen_at(path);
	for (int i = 0; i < 50; i++) {
		(void)snprintf(text, sizeof(text), "echo %02d", i);
		ck_assert_int_eq(otp_send_request(rig.o, path, text, 7,
		    &requests[i]), 0);
		if (i < _i)
			(void)otp_flush(rig.o);
	}
	if (_i > 0)
		(void)close(accept(listening, NULL, NULL));
	(void)close(listening);
	ck_assert_int_eq(rename(rig.socket, path), 0);
	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(otp_receive_response(rig.o, requests[i],
		    5000, &reply, NULL), 0);
		ck_assert_int_eq(atoi(reply), i);
		free(reply);
	}
	ck_assert_ptr_nonnull(strstr(rig.log, "38 call:echo 39 call:echo 40 "
	    "call:echo 41"));
	ck_assert_int_eq(rename(path, rig.socket), 0);
}
END_TEST

START_TEST(requests_nobody_ever_greets_end)
{
	uint64_t request, began = rig_now_ms();
	char path[80];
	pid_t pid;
	int fd;

	(void)snprintf(path, sizeof(path), "%s.p", rig.socket);
	fd = listen_at(path);
	pid = fork();
	while (pid == 0)
		(void)close(accept(fd, NULL, NULL));
	(void)close(fd);
	ck_assert_int_eq(otp_send_request(rig.o, path, "x", 1, &request), 0);
	ck_assert_int_eq(otp_receive_response(rig.o, request, 5000, NULL,
	    NULL), -OTP_ENOPROC);
	ck_assert_uint_lt(rig_now_ms() - began, 4000);
	(void)kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	(void)unlink(path);
}
END_TEST

START_TEST(a_call_to_oneself_is_an_error)
{
	rig_ok(&rig, "self");
	rig_await(&rig, "self:calling_self");
}
END_TEST

START_TEST(a_message_to_oneself_arrives)
{
	rig_ok(&rig, "tell_self hello");
	rig_await(&rig, "message:hello");
}
END_TEST

START_TEST(a_cast_to_nobody_is_ok)
{
	ck_assert_int_eq(otp_cast(rig.o, "/tmp/no/such/socket", "x", 1), 0);
	ck_assert_int_eq(otp_cast(rig.o, "no-such-name", "x", 1), 0);
}
END_TEST

START_TEST(a_message_to_a_name_nobody_has_is_noproc)
{
	ck_assert_int_eq(otp_send(rig.o, "no-such-name", "x", 1),
	    -OTP_ENOPROC);
}
END_TEST

START_TEST(many_requests_are_in_flight_on_one_connection)
{
	char text[32], *reply;
	uint64_t requests[200];

	for (int i = 0; i < 200; i++) {
		(void)snprintf(text, sizeof(text), "echo %d", i);
		ck_assert_int_eq(otp_send_request(rig.o, rig.socket, text,
		    strlen(text), &requests[i]), 0);
	}
	for (int i = 199; i >= 0; i--) {
		ck_assert_int_eq(otp_receive_response(rig.o, requests[i],
		    5000, &reply, NULL), 0);
		ck_assert_int_eq(atoi(reply), i);
		free(reply);
	}
	ck_assert_int_eq(otp_receive_response(rig.o, requests[0], 0, NULL,
	    NULL), -ENOENT);
}
END_TEST

START_TEST(a_response_nobody_receives_is_a_message)
{
	struct rig other;
	char text[80];

	rig_start(&other, NULL);
	(void)snprintf(text, sizeof(text), "ask %s", other.socket);
	rig_ok(&rig, text);
	rig_await(&rig, "response:asked");
	(void)snprintf(text, sizeof(text), "ask_wait %s", other.socket);
	rig_ok(&rig, text);
	rig_await(&rig, "asked:asked");
	rig_end(&other);
}
END_TEST

START_TEST(multi_call_sorts_replies_and_failures)
{
	const char *to[3] = { rig.socket, "nobody", rig.socket };
	struct otp_result results[3];

	ck_assert_int_eq(otp_multi_call(rig.o, to, 3, "echo all", 8, 5000,
	    results), 2);
	ck_assert_str_eq(results[0].reply, "all");
	ck_assert_int_eq(results[1].error, -OTP_ENOPROC);
	ck_assert_str_eq(results[2].reply, "all");
	free(results[0].reply);
	free(results[2].reply);
}
END_TEST

START_TEST(multi_call_ends_with_its_timeout)
{
	const char *to[2] = { rig.socket, rig.socket };
	struct otp_result results[2];
	uint64_t began = rig_now_ms();
	char *reply;

	ck_assert_int_eq(otp_multi_call(rig.o, to, 2, "later", 5, 50,
	    results), 0);
	ck_assert_int_eq(results[1].error, -ETIMEDOUT);
	ck_assert_uint_lt(rig_now_ms() - began, 1000);
	rig_ok(&rig, "release");		/* late ones are dropped */
	reply = rig_call(&rig, "echo own", NULL);
	ck_assert_str_eq(reply, "own");
	free(reply);
}
END_TEST

static const size_t sizes[] = { 0, 1, 1000, 16383, 16384, 65536, 1 << 20,
    5 << 20 };

START_TEST(payloads_of_every_size_come_through)
{
	char *big = malloc(sizes[_i] + 6), *reply;
	size_t len;

	memset(big, 'x', sizes[_i] + 5);
	memcpy(big, "echo ", 5);
	big[sizes[_i] + 5] = '\0';
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(otp_call(rig.o, rig.socket, big,
		    sizes[_i] + 5, 5000, &reply, &len), 0);
		ck_assert_uint_eq(len, sizes[_i]);
		ck_assert_mem_eq(reply, big + 5, len);
		ck_assert_int_eq(reply[len], '\0');
		free(reply);
		rig.log[0] = '\0';
	}
	free(big);
}
END_TEST

START_TEST(a_reply_that_is_too_large_fails_the_call)
{
	ck_assert_int_eq(otp_call(rig.o, rig.socket, "big 67108865", 12, 5000,
	    NULL, NULL), -EMSGSIZE);
	ck_assert_str_eq(otp_reason(rig.o), "too_large");
}
END_TEST

START_TEST(a_reply_larger_than_a_frame_comes_in_parts)
{
	char *reply;
	size_t len;

	ck_assert_int_eq(otp_call(rig.o, rig.socket, "big 40000000", 12, 30000,
	    &reply, &len), 0);
	ck_assert_uint_eq(len, 40000000);
	free(reply);
}
END_TEST

START_TEST(a_request_larger_than_the_server_takes_is_an_error)
{
	size_t len = 17U << 20;
	char *big = calloc(1, len);

	ck_assert_int_eq(otp_call(rig.o, rig.socket, big, len, 5000, NULL,
	    NULL), -EMSGSIZE);
	rig_ok(&rig, "hello");
	free(big);
}
END_TEST

/* A server that does not read: stopped. */
static int
cast_until(enum otp_when_full when)
{
	struct otp_options opt = { .size = sizeof(opt), .when_full = when,
	    .timeout_ms = 100, .max_queued = 65536 };
	struct otp *o = otp_new(&opt);
	char text[4096] = "";
	int rc = 0;

	memset(text, 'x', sizeof(text));
	(void)kill(rig.pid, SIGSTOP);
	for (int i = 0; i < 10000 && rc == 0; i++)
		rc = otp_cast(o, rig.socket, text, 1024);
	(void)kill(rig.pid, SIGCONT);
	otp_free(o);
	return rc;
}

START_TEST(too_many_casts_wait_and_then_time_out)
{
	ck_assert_int_eq(cast_until(OTP_FULL_BLOCK), -ETIMEDOUT);
}
END_TEST

START_TEST(too_many_casts_are_an_error_for_who_asked_for_one)
{
	ck_assert_int_eq(cast_until(OTP_FULL_ERROR), -OTP_EFULL);
}
END_TEST

/* How many messages of that size a socket takes that nobody reads. */
static int
fitting(const void *text, size_t len)
{
	int fd[2], n = 0;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    fd), 0);
	while (send(fd[0], text, len, MSG_DONTWAIT) == (ssize_t)len)
		n++;
	(void)close(fd[0]);
	(void)close(fd[1]);
	return n;
}

/* Neither the one that is sent at once when there is just no more room, nor
 * those behind it: each is counted by whom it comes too late for. */
START_TEST(calls_that_found_the_socket_full_are_not_lost)
{
	char words[32], text[1024] = "echo";
	size_t len = sizeof(text) - FRAME_HEADER_LEN;
	int fd = raw_open(rig.socket), n = fitting(text, sizeof(text));

	rig_ok(&rig, "hello");
	(void)kill(rig.pid, SIGSTOP);
	for (int i = 0; i < 2 * n; i++) {
		if (i == n)
			pause_calling();
		ck_assert_int_eq(otp_call(rig.o, rig.socket, text, len,
		    i == n ? 60 : 0, NULL, NULL), -ETIMEDOUT);
	}
	(void)kill(rig.pid, SIGCONT);
	rig_ok(&rig, "hello");
	(void)snprintf(words, sizeof(words), "\"expired\":%d,", 2 * n);
	raw_send(fd, FRAME_SYSTEM, 0, 5, 1, "");
	raw_expect(fd, FRAME_REPLY, words, NULL);
	(void)close(fd);
}
END_TEST

/* He has gone before the server has even accepted him. */
START_TEST(what_was_cast_last_arrives)
{
	struct otp *o = otp_new(NULL);

	(void)kill(rig.pid, SIGSTOP);
	ck_assert_int_eq(otp_cast(o, rig.socket, "farewell", 8), 0);
	otp_free(o);
	(void)kill(rig.pid, SIGCONT);
	rig_await(&rig, "cast:farewell");
}
END_TEST

START_TEST(casts_are_gathered_until_flushed)
{
	ck_assert_int_eq(otp_cast(rig.o, rig.socket, "one", 3), 0);
	ck_assert_int_eq(otp_cast(rig.o, rig.socket, "two", 3), 0);
	ck_assert_int_eq(otp_flush(rig.o), 0);
	rig_await(&rig, "cast:one cast:two");
}
END_TEST

/* Not the reason of whatever had failed before. */
START_TEST(who_only_calls_is_told_that_he_is_no_server)
{
	uint64_t ref;

	ck_assert_int_eq(otp_call(rig.o, "./nobody.sock", "", 0, 1000, NULL,
	    NULL), -OTP_ENOPROC);
	ck_assert_str_eq(otp_reason(rig.o), "noproc");
	ck_assert_int_eq(otp_monitor(rig.o, rig.socket, &ref), -EINVAL);
	ck_assert_str_eq(otp_reason(rig.o), "not_a_server");
	(void)otp_call(rig.o, "./nobody.sock", "", 0, 1000, NULL, NULL);
	ck_assert_int_eq(otp_send_after(rig.o, 1, "", 0, &ref), -EINVAL);
	ck_assert_str_eq(otp_reason(rig.o), "not_a_server");
	(void)otp_call(rig.o, "./nobody.sock", "", 0, 1000, NULL, NULL);
	ck_assert_int_eq(otp_trap_exit(rig.o, 1), -EINVAL);
	ck_assert_str_eq(otp_reason(rig.o), "not_a_server");
}
END_TEST

START_TEST(errors_have_words)
{
	ck_assert_str_eq(otp_strerror(-OTP_ENOPROC), "no such process");
	ck_assert_str_eq(otp_strerror(-ETIMEDOUT), "no reply in time");
	ck_assert_str_eq(otp_strerror(-ENOENT), "not found");
	ck_assert_str_eq(otp_strerror(-ENOTCONN),
	    "this is not a server under otpd");
	ck_assert_ptr_nonnull(otp_strerror(-EIO));
	ck_assert_ptr_nonnull(otp_strerror(-99999));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("otp_call");
	TCase *tc = tcase_create("call");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, no_such_process_is_noproc_at_once);
	tcase_add_test(tc, a_call_times_out_and_its_late_reply_is_dropped);
	tcase_add_test(tc, after_a_pause_calls_end_as_any_do);
	tcase_add_loop_test(tc, after_a_pause_calls_fail_as_any_do, 0, 2);
	tcase_add_test(tc, signals_neither_lengthen_nor_shorten_a_call);
	tcase_add_test(tc, the_server_is_not_told_of_a_timeout);
	tcase_add_test(tc, a_call_whose_time_is_over_is_dropped_unserved);
	tcase_add_test(tc, a_killed_server_fails_the_call_in_flight);
	tcase_add_test(tc, a_call_goes_to_the_next_incarnation);
	tcase_add_test(tc, a_cast_goes_to_the_next_incarnation);
	tcase_add_loop_test(tc,
	    requests_nobody_greeted_go_to_the_next_incarnation, 0, 1);
	tcase_add_loop_test(tc,
	    requests_nobody_greeted_go_to_the_next_incarnation, 40, 41);
	tcase_add_test(tc, requests_nobody_ever_greets_end);
	tcase_add_test(tc, a_call_to_oneself_is_an_error);
	tcase_add_test(tc, a_message_to_oneself_arrives);
	tcase_add_test(tc, a_cast_to_nobody_is_ok);
	tcase_add_test(tc, a_message_to_a_name_nobody_has_is_noproc);
	tcase_add_test(tc, many_requests_are_in_flight_on_one_connection);
	tcase_add_test(tc, a_response_nobody_receives_is_a_message);
	tcase_add_test(tc, multi_call_sorts_replies_and_failures);
	tcase_add_test(tc, multi_call_ends_with_its_timeout);
	tcase_add_loop_test(tc, payloads_of_every_size_come_through, 0,
	    sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(tc, a_reply_larger_than_a_frame_comes_in_parts);
	tcase_add_test(tc, a_reply_that_is_too_large_fails_the_call);
	tcase_add_test(tc, a_request_larger_than_the_server_takes_is_an_error);
	tcase_add_test(tc, too_many_casts_wait_and_then_time_out);
	tcase_add_test(tc,
	    too_many_casts_are_an_error_for_who_asked_for_one);
	tcase_add_test(tc, calls_that_found_the_socket_full_are_not_lost);
	tcase_add_test(tc, what_was_cast_last_arrives);
	tcase_add_test(tc, casts_are_gathered_until_flushed);
	tcase_add_test(tc, who_only_calls_is_told_that_he_is_no_server);
	tcase_add_test(tc, errors_have_words);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
