/* SPDX-License-Identifier: ISC */
/*
 * The blocking caller.  It lives in a forked child; the server it calls, on a
 * loop, in the test, which ends when the child has.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libotp/client.h"
#include "libotp/server.h"
#include "loop/loop.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define LARGE		(20U * 1024 * 1024)	/* more than a frame takes */
#define MS		1000000ULL

/* In the child a failure is its exit status; Check's own would go astray. */
#define MUST(e)	do {							\
	if (!(e)) {							\
		(void)fprintf(stderr, "%s:%d: %s (errno %d)\n",		\
		    __FILE__, __LINE__, #e, errno);			\
		_exit(1);						\
	}								\
} while (0)

static struct loop *l;
static struct server *s;
static int listen_fd = -1;
static char dir[80];
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static uint64_t held_ref;

static void
on_call(void *arg, server_peer peer, const struct frame_header *h,
    const char *payload, uid_t uid)
{
	char *large;

	(void)arg;
	(void)uid;
	if (h->length == 4 && memcmp(payload, "hold", 4) == 0) {
		held_ref = h->ref;
		return;
	}
	if (h->length == 5 && memcmp(payload, "error", 5) == 0) {
		(void)server_error(s, peer, h->ref, FRAME_E_BAD_REQUEST,
		    "what is that");
		return;
	}
	if (h->length == 5 && memcmp(payload, "fault", 5) == 0) {
		(void)server_error(s, peer, 0, FRAME_E_PROTOCOL, "no more");
		return;
	}
	if (h->length == 4 && memcmp(payload, "exit", 4) == 0)
		_exit(0);
	if (h->length == 5 && memcmp(payload, "large", 5) == 0) {
		large = calloc(1, LARGE);
		ck_assert_ptr_nonnull(large);
		(void)server_info(s, peer, h->ref, large, LARGE);
		(void)server_reply(s, peer, h->ref, large, LARGE);
		free(large);
		return;
	}
	if (held_ref != 0)	/* late, and before the one that is awaited */
		(void)server_reply(s, peer, held_ref, "late", 4);
	held_ref = 0;
	(void)server_info(s, peer, h->ref, "one", 3);
	(void)server_info(s, peer, h->ref, "", 0);
	(void)server_info(s, peer, h->ref, "three", 5);
	(void)server_reply(s, peer, h->ref, payload, h->length);
}

static void
on_closed(void *arg, server_peer peer)
{
	(void)arg;
	(void)peer;
}

static void
setup(void)
{
	static const struct server_ops ops = { on_call, on_closed };
	const char *tmp = getenv("TMPDIR");

	/* A socket's path is short. */
	(void)snprintf(dir, sizeof(dir), "%s/otp-client-XXXXXX",
	    tmp == NULL || strlen(tmp) > 50 ? "/tmp" : tmp);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", dir);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&address,
	    sizeof(address)), 0);
	ck_assert_int_eq(listen(listen_fd, 1), 0);
	l = loop_new();
	ck_assert_ptr_nonnull(l);
	s = server_new(l, listen_fd, "otpd", 5, &ops, NULL);
	ck_assert_ptr_nonnull(s);
}

static void
teardown(void)
{
	server_free(s);
	loop_free(l);
	(void)close(listen_fd);
	(void)unlink(address.sun_path);
	(void)rmdir(dir);
}

static void
on_child_end(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	loop_stop(l);
}

/* Run body as a process beside this one, and serve it until it ends. */
static void
beside(void (*body)(void), bool serve)
{
	uint64_t handle;
	int fd[2], status;
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe2(fd, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		body();
		_exit(0);
	}
	(void)close(fd[1]);
	if (serve) {
		ck_assert_int_eq(loop_add(l, fd[0], EPOLLIN, on_child_end, NULL,
		    &handle), 0);
		ck_assert_int_eq(loop_run(l), 0);
		loop_remove(l, handle);
	} else
		ck_assert_int_eq((int)read(fd[0], &c, 1), 0);
	(void)close(fd[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static struct client *
open_client(void)
{
	struct client *c;

	c = client_open(address.sun_path, loop_now_ns() + 10000 * MS);
	MUST(c != NULL);
	return c;
}

static void
must_echo(struct client *c, const char *payload, size_t len)
{
	char *out = NULL;
	size_t n = 0;

	MUST(client_call(c, payload, len, loop_now_ns() + 10000 * MS, &out,
	    &n) == 0);
	MUST(n == len && memcmp(out, payload, len) == 0 && out[n] == '\0');
	free(out);
}

static void
call_and_call_again(void)
{
	struct client *c = open_client();
	char *big = calloc(1, FRAME_ENGINE_MAX);
	int i;

	MUST(big != NULL);
	for (i = 0; i < 100; i++)
		must_echo(c, "hello", 5);
	must_echo(c, "", 0);
	must_echo(c, big, FRAME_ENGINE_MAX);
	must_echo(c, "hello", 5);
	free(big);
	client_close(c);
}

static void
call_with_more_than_a_pipe_holds(void)
{
	struct client *c = open_client();
	char *big = calloc(1, FRAME_SERVER_MAX);

	MUST(big != NULL);
	must_echo(c, big, FRAME_SERVER_MAX);
	free(big);
	client_close(c);
}

START_TEST(a_large_call_is_sent_in_pieces)
{
	struct server_limits large = SERVER_LIMITS_DEFAULT;

	large.max_payload = FRAME_SERVER_MAX;
	server_set_limits(s, &large);
	beside(call_with_more_than_a_pipe_holds, true);
}
END_TEST

START_TEST(calls_are_answered)
{
	beside(call_and_call_again, true);
}
END_TEST

static void
call_with_errors(void)
{
	struct client *c = open_client();
	char *out = (char *)&out, *big = calloc(1, FRAME_ENGINE_MAX + 1);
	size_t n = 77;
	uint16_t tag;

	MUST(strcmp(client_error(c, &tag), "") == 0 && tag == 0);
	MUST(client_call(c, "error", 5, 0, &out, &n) == -EREMOTEIO);
	MUST(strcmp(client_error(c, &tag), "what is that") == 0);
	MUST(tag == FRAME_E_BAD_REQUEST);
	MUST(client_call(c, "fault", 5, 0, &out, &n) == -EREMOTEIO);
	MUST(strcmp(client_error(c, &tag), "no more") == 0);
	MUST(client_call(c, big, FRAME_ENGINE_MAX + 1, 0, &out, &n) ==
	    -EMSGSIZE);
	MUST(n == 77 && out == (char *)&out);
	must_echo(c, "hello", 5);
	free(big);
	client_close(c);
}

START_TEST(an_error_does_not_end_the_connection)
{
	beside(call_with_errors, true);
}
END_TEST

static void
call_too_late(void)
{
	struct client *c = open_client();
	uint64_t start = loop_now_ms();
	size_t n;
	char *out;

	MUST(client_call(c, "hold", 4, loop_now_ns() + 50 * MS, &out, &n) ==
	    -ETIMEDOUT);
	MUST(loop_now_ms() - start >= 50);
	MUST(client_call(c, "hold", 4, 1, &out, &n) == -ETIMEDOUT);
	must_echo(c, "in time", 7);
	client_close(c);
}

static int times_late;

static void
be_late(void *arg)
{
	*(int *)arg += 1;
}

static void
call_and_be_told(void)
{
	struct client *c = open_client();
	size_t n;
	char *out;

	client_when_late(c, loop_now_ns() + 10 * MS, be_late, &times_late);
	must_echo(c, "hello", 5);
	MUST(client_call(c, "hold", 4, loop_now_ns() + 50 * MS, &out, &n) ==
	    -ETIMEDOUT);
	MUST(times_late == 1);
	client_when_late(c, 1, be_late, &times_late);
	client_when_late(c, 0, NULL, NULL);
	MUST(client_call(c, "hold", 4, loop_now_ns() + MS, &out, &n) ==
	    -ETIMEDOUT);
	MUST(times_late == 1);
	client_when_late(c, 1, be_late, &times_late);
	must_echo(c, "in time", 7);
	MUST(times_late == 2);
	client_close(c);
}

START_TEST(who_waits_for_long_may_say_so_once)
{
	beside(call_and_be_told, true);
}
END_TEST

START_TEST(a_late_reply_is_not_taken_for_the_next)
{
	beside(call_too_late, true);
}
END_TEST

static int
count_infos(void *arg, const char *payload, size_t len)
{
	static const char *const want[] = { "one", "", "three" };
	int *n = arg;

	MUST(*n < 3 && strlen(want[*n]) == len);
	MUST(strcmp(payload, want[*n]) == 0);
	return ++*n == 103 ? 103 : 0;
}

static int
first_info(void *arg, const char *payload, size_t len)
{
	(void)payload;
	(void)len;
	return ++*(int *)arg;
}

static void
stream(void)
{
	struct client *c = open_client();
	int n = 0;
	size_t len;

	MUST(client_stream(c, "go", 2, 0, count_infos, &n) == 0 && n == 3);
	MUST(strcmp(client_reply(c, &len), "go") == 0 && len == 2);
	n = 0;
	MUST(client_stream(c, "go", 2, 0, first_info, &n) == 1);
	must_echo(c, "hello", 5);
	MUST(client_stream(c, "error", 5, 0, first_info, &n) == -EREMOTEIO);
	MUST(client_stream(c, "hold", 4, loop_now_ns() + 20 * MS, first_info,
	    &n) == -ETIMEDOUT);
	client_close(c);
}

START_TEST(a_stream_hands_on_each_info_and_keeps_the_reply)
{
	beside(stream, true);
}
END_TEST

static int
check_large(void *arg, const char *payload, size_t len)
{
	MUST(len == LARGE && payload[LARGE - 1] == 0);
	++*(int *)arg;
	return 0;
}

static void
stream_large(void)
{
	struct client *c = open_client();
	size_t len;
	int n = 0;

	MUST(client_stream(c, "large", 5, 0, check_large, &n) == 0 && n == 1);
	(void)client_reply(c, &len);
	MUST(len == LARGE);
	client_close(c);
}

START_TEST(what_came_in_parts_is_whole_again)
{
	beside(stream_large, true);
}
END_TEST

static void
refused(void)
{
	MUST(client_open(address.sun_path, 0) == NULL && errno == EACCES);
}

START_TEST(who_is_refused_learns_it_when_opening)
{
	struct server_limits none = SERVER_LIMITS_DEFAULT;

	none.max_peers = 0;
	server_set_limits(s, &none);
	beside(refused, true);
}
END_TEST

static void
nobody_answers(void)
{
	uint64_t deadline = loop_now_ns() + 50 * MS;

	MUST(client_open(address.sun_path, deadline) == NULL);
	MUST(errno == ETIMEDOUT && loop_now_ns() >= deadline);
}

START_TEST(a_server_that_sleeps_is_waited_for_until_the_deadline)
{
	beside(nobody_answers, false);
}
END_TEST

static int
fill_backlog(void)
{
	int fd, last = -1;

	for (;;) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
		ck_assert_int_ge(fd, 0);
		if (connect(fd, (struct sockaddr *)&address,
		    sizeof(address)) < 0)
			break;
		last = fd;
	}
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_ge(last, 0);
	(void)close(fd);
	return last;
}

START_TEST(a_full_backlog_is_waited_for_until_the_deadline)
{
	(void)fill_backlog();
	beside(nobody_answers, false);
}
END_TEST

static void
call_once(void)
{
	struct client *c = open_client();

	must_echo(c, "hello", 5);
	client_close(c);
}

START_TEST(a_full_backlog_that_empties_in_time_is_no_error)
{
	(void)fill_backlog();
	beside(call_once, true);
}
END_TEST

START_TEST(where_nobody_serves_it_says_so_at_once)
{
	char path[sizeof(address.sun_path) + 8];

	(void)snprintf(path, sizeof(path), "%s.not", address.sun_path);
	ck_assert_ptr_null(client_open(path, 0));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_null(client_open("", 0));
	ck_assert_int_eq(errno, ENOENT);
	server_free(s);
	s = NULL;
	(void)close(listen_fd);
	listen_fd = -1;
	ck_assert_ptr_null(client_open(address.sun_path, 0));
	ck_assert_int_eq(errno, ECONNREFUSED);
}
END_TEST

static void
long_path(void)
{
	char folder[300], path[320], far[480];
	struct client *c;

	(void)snprintf(folder, sizeof(folder), "%s/%0200d", dir, 7);
	(void)snprintf(path, sizeof(path), "%s/s", folder);
	MUST(mkdir(folder, 0700) == 0);
	MUST(rename(address.sun_path, path) == 0);
	c = client_open(path, 0);
	(void)snprintf(far, sizeof(far), "%s/%0120d", folder, 7);
	MUST(rename(path, address.sun_path) == 0);
	MUST(rmdir(folder) == 0);
	MUST(c != NULL);
	must_echo(c, "hello", 5);
	client_close(c);
	MUST(client_open(path, 0) == NULL && errno == ENOENT);
	MUST(client_open(far, 0) == NULL);
}

START_TEST(a_path_longer_than_an_address_will_do)
{
	beside(long_path, true);
}
END_TEST

START_TEST(a_path_longer_than_any_will_not)
{
	char path[PATH_MAX + 8];
	size_t slash;

	for (slash = PATH_MAX - 3; slash < PATH_MAX + 3; slash++) {
		memset(path, 'x', sizeof(path));
		path[0] = path[slash] = '/';
		path[slash + 2] = '\0';
		ck_assert_ptr_null(client_open(path, 0));
		ck_assert(errno == ENAMETOOLONG || errno == ENOENT);
	}
}
END_TEST

/* Here the server is the child: it dies with a call in its hands. */
START_TEST(a_server_that_dies_ends_the_call)
{
	struct client *c;
	size_t n;
	pid_t pid;
	char *out;

	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)loop_run(l);
		_exit(1);
	}
	c = client_open(address.sun_path, 0);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(client_call(c, "exit", 4, 0, &out, &n), -ENOTCONN);
	ck_assert_int_eq(client_call(c, "exit", 4, 0, &out, &n), -ENOTCONN);
	client_close(c);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(closing_nothing_is_nothing)
{
	client_close(NULL);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		calls_are_answered,
		a_large_call_is_sent_in_pieces,
		an_error_does_not_end_the_connection,
		who_waits_for_long_may_say_so_once,
		a_late_reply_is_not_taken_for_the_next,
		a_stream_hands_on_each_info_and_keeps_the_reply,
		what_came_in_parts_is_whole_again,
		who_is_refused_learns_it_when_opening,
		a_server_that_sleeps_is_waited_for_until_the_deadline,
		a_full_backlog_is_waited_for_until_the_deadline,
		a_full_backlog_that_empties_in_time_is_no_error,
		where_nobody_serves_it_says_so_at_once,
		a_path_longer_than_an_address_will_do,
		a_path_longer_than_any_will_not,
		a_server_that_dies_ends_the_call,
		closing_nothing_is_nothing,
	};
	Suite *suite = suite_create("client");
	TCase *c = tcase_create("client");
	SRunner *r;
	size_t i;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 20);
	for (i = 0; i < NITEMS(tests); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(suite, c);
	r = srunner_create(suite);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
