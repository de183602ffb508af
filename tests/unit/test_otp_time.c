/* SPDX-License-Identifier: ISC */
/*
 * What a server does when much time has passed.  The library asks for the time
 * here, and gets what the test has set forward: nobody waits.
 */
#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "otp_rig.h"

static struct shared {			/* with the server */
	volatile long	ahead_s;
	volatile int	wait_ms;	/* it waits so long; 0: it does not */
} *shared;

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	long rc = syscall(SYS_clock_gettime, clock, out);

	if (rc == 0 && clock == CLOCK_MONOTONIC && shared != NULL)
		out->tv_sec += shared->ahead_s;
	return (int)rc;
}

int
epoll_wait(int epfd, struct epoll_event *out, int n, int ms)
{
	long rc;

	if (shared != NULL)
		shared->wait_ms = ms;
	rc = syscall(SYS_epoll_pwait, epfd, out, n, ms, NULL, 0);
	if (shared != NULL)
		shared->wait_ms = 0;
	return (int)rc;
}

static struct rig rig;
static int fd;

static void
share_clock(void)
{
	void *room = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(room, MAP_FAILED);
	shared = room;
}

static void
start(void)
{
	share_clock();
	rig_start(&rig, NULL);
	fd = raw_connect(rig.socket);
}

static void
end(void)
{
	(void)close(fd);
	rig_end(&rig);
}

/* A frame of 100 bytes: the part of its payload that is said. */
static void
begin_frame(const char *part)
{
	struct frame_header h = { .type = FRAME_CALL, .length = 100,
	    .ref = 1 };
	char bytes[FRAME_HEADER_LEN + 100];

	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), part, strlen(part));
	ck_assert_int_gt(send(fd, bytes, sizeof(h) + strlen(part),
	    MSG_NOSIGNAL), 0);
}

START_TEST(a_hello_must_come_in_time)
{
	struct frame_header h;

	rig_ok(&rig, "it was accepted");
	shared->ahead_s = 4;
	rig_ok(&rig, "not yet");
	shared->ahead_s = 6;
	rig_ok(&rig, "now");
	raw_expect(fd, FRAME_ERROR, "no HELLO came in time", &h);
	ck_assert_int_eq(h.tag, FRAME_E_TIMEOUT);
	ck_assert(raw_ended(fd));
}
END_TEST

START_TEST(the_rest_of_a_frame_must_come_in_time)
{
	struct frame_header h;

	raw_hello(fd);
	begin_frame("half");
	rig_ok(&rig, "it was read");
	shared->ahead_s = 29;
	rig_ok(&rig, "not yet");
	shared->ahead_s = 31;
	rig_ok(&rig, "now");
	raw_expect(fd, FRAME_ERROR, "the rest of a frame", &h);
	ck_assert_int_eq(h.tag, FRAME_E_TIMEOUT);
	ck_assert(raw_ended(fd));
}
END_TEST

/* Each read ends in the middle of a frame, and each frame is in time. */
START_TEST(frames_that_never_pause_are_in_time)
{
	struct frame_header h = { .type = FRAME_CALL, .length = 6, .ref = 7 };
	char bytes[2 * FRAME_HEADER_LEN + 6];

	memcpy(bytes, "echo x", 6);
	memcpy(bytes + 6, &h, sizeof(h));
	raw_hello(fd);
	(void)send(fd, &h, sizeof(h), MSG_NOSIGNAL);
	for (int i = 1; i <= 5; i++) {
		rig_ok(&rig, "it was read");
		shared->ahead_s = 20L * i;
		ck_assert_int_eq(send(fd, bytes, sizeof(h) + 6, MSG_NOSIGNAL),
		    sizeof(h) + 6);
		raw_expect(fd, FRAME_REPLY, "x", NULL);
	}
}
END_TEST

/* It was the server that took its time. */
START_TEST(what_has_come_in_time_counts_when_it_is_read_late)
{
	raw_hello(fd);
	raw_send(fd, FRAME_CALL, 0, 0, 5, "echo first");
	raw_expect(fd, FRAME_REPLY, "first", NULL);
	begin_frame("half");
	rig_ok(&rig, "it was read");
	ck_assert_int_eq(otp_cast(rig.o, rig.socket, "nap 200", 7), 0);
	(void)otp_flush(rig.o);
	rig_await(&rig, "cast:nap");
	for (int i = 4; i < 100; i++)
		(void)send(fd, "h", 1, MSG_NOSIGNAL);
	shared->ahead_s = 31;
	raw_expect(fd, FRAME_REPLY, "", NULL);
}
END_TEST

/* How long the server waits after a call of n bytes, at most; -1: for ever. */
static int
waits_after(size_t n)
{
	char *request = malloc(n + 1);
	int ms;

	ck_assert_ptr_nonnull(request);
	memset(request, 'x', n);
	request[n] = '\0';
	rig_ok(&rig, request);
	free(request);
	while ((ms = shared->wait_ms) == 0)
		(void)sched_yield();
	return ms;
}

/* Memory is given back where there is some: calls once a second cost no more
 * than their own wakeups. */
START_TEST(a_small_call_is_followed_by_no_wakeup)
{
	raw_hello(fd);
	ck_assert_int_eq(waits_after(64), -1);
	ck_assert_int_eq(waits_after(4096), -1);
	ck_assert_int_gt(waits_after(64 * 1024), 0);
}
END_TEST

/* --- refusals --- */

static void
start_linked(void)
{
	share_clock();
	rig_start_linked(&rig, NULL);
	raw_expect(rig.engine, FRAME_CAST, "{\"op\":\"ready\"}", NULL);
	(void)chmod(rig.dir, 0755);
	(void)chmod(rig.socket, 0777);
}

static void
end_linked(void)
{
	rig_end(&rig);
}

static void
try_as(uid_t uid)
{
	char paths[80];
	int status;
	pid_t pid;

	(void)snprintf(paths, sizeof(paths), "%s/paths", rig.dir);
	(void)chmod(paths, 0755);
	pid = fork();
	if (pid == 0) {
		struct otp *o = otp_new(NULL);

		if (setuid(uid) < 0)
			_exit(9);
		_exit(otp_call(o, rig.socket, "echo x", 6, 5000, NULL,
		    NULL) == -OTP_EREFUSED ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

/* How many of uid the engine was told, of all that has been said by now. */
static int
told(uid_t uid)
{
	struct frame_header h;
	char *payload, words[64];
	int n = 0;
	bool last = false;

	(void)snprintf(words, sizeof(words), "{\"op\":\"refused\",\"uid\":%u}",
	    (unsigned int)uid);
	raw_send(rig.engine, FRAME_SYSTEM, 0, 5, 99, "");
	while (!last) {
		ck_assert(raw_recv(rig.engine, &h, &payload));
		n += h.type == FRAME_CAST && strcmp(payload, words) == 0;
		last = h.type == FRAME_REPLY && h.ref == 99;
		free(payload);
	}
	return n;
}

START_TEST(a_refusal_is_told_once_a_minute_for_each_uid)
{
	if (geteuid() != 0)
		return;			/* nobody can be played */
	try_as(65534);
	try_as(65534);
	ck_assert_int_eq(told(65534), 1);
	try_as(65533);
	try_as(65534);
	ck_assert_int_eq(told(65533), 1);
	shared->ahead_s = 59;
	try_as(65533);
	ck_assert_int_eq(told(65533), 0);
	shared->ahead_s = 61;
	try_as(65533);
	try_as(65533);
	ck_assert_int_eq(told(65533), 1);
}
END_TEST

/* Whoever has many uids can make it say no more than that. */
START_TEST(refusals_of_many_uids_are_bounded)
{
	int n = 0;

	if (geteuid() != 0)
		return;
	for (uid_t uid = 70000; uid < 70040; uid++) {
		try_as(uid);
		n += told(uid);
	}
	ck_assert_int_eq(n, 16);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("otp_time");
	TCase *tc = tcase_create("frames"), *refused = tcase_create("refused");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_hello_must_come_in_time);
	tcase_add_test(tc, the_rest_of_a_frame_must_come_in_time);
	tcase_add_test(tc, frames_that_never_pause_are_in_time);
	tcase_add_test(tc, what_has_come_in_time_counts_when_it_is_read_late);
	tcase_add_test(tc, a_small_call_is_followed_by_no_wakeup);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(refused, start_linked, end_linked);
	tcase_set_timeout(refused, 30);
	tcase_add_test(refused, a_refusal_is_told_once_a_minute_for_each_uid);
	tcase_add_test(refused, refusals_of_many_uids_are_bounded);
	suite_add_tcase(suite, refused);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
