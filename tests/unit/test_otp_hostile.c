/* SPDX-License-Identifier: ISC */
/*
 * Clients that mean no good: the server lives, the others are served, memory
 * stays bounded, and each gets the documented error.  Foreign loops as well.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "otp_rig.h"

static struct rig rig;
static int fd;

static void
start(void)
{
	rig_start(&rig, NULL);
	fd = raw_connect(rig.socket);
}

static void
end(void)
{
	rig_ok(&rig, "alive");		/* whatever was done to it */
	(void)close(fd);
	rig_end(&rig);
}

/* Resident KiB of the server. */
static long
resident(const struct rig *r)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)r->pid);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	(void)fclose(f);
	return kib;
}

static void
header(uint8_t type, uint32_t length)
{
	struct frame_header h = { .type = type, .length = length, .ref = 1 };

	(void)send(fd, &h, sizeof(h), MSG_NOSIGNAL);
}

START_TEST(half_a_frame_keeps_nobody_waiting)
{
	raw_hello(fd);
	header(FRAME_CALL, 1000);
	(void)send(fd, "half", 4, MSG_NOSIGNAL);
	rig_ok(&rig, "others");
}
END_TEST

START_TEST(half_a_hello_keeps_nobody_waiting)
{
	header(FRAME_HELLO, 24);
	rig_ok(&rig, "others");
}
END_TEST

START_TEST(a_length_of_4_gib_is_too_large)
{
	struct frame_header h;

	raw_hello(fd);
	header(FRAME_CALL, UINT32_MAX);
	raw_expect(fd, FRAME_ERROR, "", &h);
	ck_assert_int_eq(h.tag, FRAME_E_TOO_LARGE);
	ck_assert(raw_ended(fd));
}
END_TEST

START_TEST(a_length_announced_costs_nothing)
{
	long before = resident(&rig);
	int fds[32];

	for (int i = 0; i < 32; i++) {
		struct frame_header h = { .type = FRAME_CALL, .ref = 1,
		    .length = FRAME_SERVER_MAX };

		fds[i] = raw_open(rig.socket);
		(void)send(fds[i], &h, sizeof(h), MSG_NOSIGNAL);
	}
	rig_ok(&rig, "others");
	ck_assert_int_lt(resident(&rig) - before, 8192);
	for (int i = 0; i < 32; i++)
		(void)close(fds[i]);
}
END_TEST

static const char *const garbage[] = {
	"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n",
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	"\001\002\003\004\005\006\007\001\002\003\004\005\006\007\001\002........",
};

START_TEST(garbage_is_a_protocol_error)
{
	struct frame_header h;

	(void)send(fd, garbage[_i], strlen(garbage[_i]), MSG_NOSIGNAL);
	raw_expect(fd, FRAME_ERROR, "", &h);
	ck_assert(h.tag == FRAME_E_PROTOCOL || h.tag == FRAME_E_TOO_LARGE);
	ck_assert(raw_ended(fd));
}
END_TEST

START_TEST(a_bad_magic_is_a_protocol_error)
{
	struct frame_hello hello = { .magic = 0x12345678,
	    .version = FRAME_VERSION, .max_payload = 65536 };
	struct frame_header h;

	header(FRAME_HELLO, sizeof(hello));
	(void)send(fd, &hello, sizeof(hello), MSG_NOSIGNAL);
	raw_expect(fd, FRAME_ERROR, "no HELLO", &h);
	ck_assert_int_eq(h.tag, FRAME_E_PROTOCOL);
	ck_assert(raw_ended(fd));
}
END_TEST

START_TEST(a_reply_to_a_call_never_made_is_a_protocol_error)
{
	struct frame_header h;

	raw_hello(fd);
	raw_send(fd, FRAME_REPLY, 0, 0, 7, "here you are");
	raw_expect(fd, FRAME_ERROR, "", &h);
	ck_assert_int_eq(h.tag, FRAME_E_PROTOCOL);
	ck_assert(raw_ended(fd));
}
END_TEST

/* What is asked for is not read: the server stops reading the questions. */
START_TEST(a_client_that_never_reads_is_not_read_either)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	long before = resident(&rig);
	int n = 0;

	raw_hello(fd);
	while (poll(&pfd, 1, 300) == 1 && n < 1000000) {
		raw_send(fd, FRAME_CALL, 0, 0, 1, "big 100000");
		rig.log[0] = '\0';
		n++;
	}
	ck_assert_int_lt(n, 100000);
	ck_assert_int_lt(resident(&rig) - before, 32768);
	rig_ok(&rig, "others");
}
END_TEST

static long ncasts;

static int
count_cast(struct otp *self, const char *text, size_t len, void *state)
{
	(void)self;
	(void)state;
	ncasts += len == 8 && memcmp(text, "the cast", 8) == 0;
	return OTP_OK;
}

static int
say_count(struct otp *self, struct otp_from from, const char *text, size_t len,
    void *state)
{
	(void)text;
	(void)len;
	(void)state;
	return otp_replyf(self, from, "%ld", ncasts);
}

static void
send_casts(int to, int thousands)
{
	struct frame_header h = { .type = FRAME_CAST, .length = 8 };
	char batch[(FRAME_HEADER_LEN + 8) * 1000];
	ssize_t sent;

	for (int i = 0; i < 1000; i++) {
		memcpy(batch + i * 32, &h, sizeof(h));
		memcpy(batch + i * 32 + sizeof(h), "the cast", 8);
	}
	for (int i = 0; i < thousands; i++)
		for (size_t at = 0; at < sizeof(batch); at += (size_t)sent) {
			sent = send(to, batch + at, sizeof(batch) - at,
			    MSG_NOSIGNAL);
			ck_assert_int_gt(sent, 0);
		}
}

START_TEST(a_million_casts_are_handled_in_bounded_memory)
{
	static const struct otp_gen_server_ops counts = {
	    .handle_call = say_count, .handle_cast = count_cast };
	struct rig r;
	char *reply;
	long before;
	int one;

	rig_start_with(&r, NULL, false, NULL, &counts);
	rig_await_socket(&r);
	before = resident(&r);
	one = raw_open(r.socket);
	send_casts(one, 1000);
	raw_send(one, FRAME_CALL, 0, 0, 5, "");
	raw_expect(one, FRAME_REPLY, "1000000", NULL);
	reply = rig_call(&r, "others", NULL);
	ck_assert_ptr_nonnull(reply);
	free(reply);
	ck_assert_int_lt(resident(&r) - before, 16384);
	(void)close(one);
	rig_end(&r);
}
END_TEST

START_TEST(a_client_that_vanishes_leaves_no_trace)
{
	for (int i = 0; i < 200; i++) {
		int one = raw_open(rig.socket);

		raw_send(one, FRAME_CALL, 0, 0, 1, "later");
		(void)close(one);
		if (i % 50 == 49)
			rig_ok(&rig, "release");
	}
	fd = raw_open(rig.socket);
	raw_send(fd, FRAME_SYSTEM, 0, 5, 1, "");
	rig_ok(&rig, "others");
}
END_TEST

START_TEST(a_passed_descriptor_goes_nowhere)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .h = { .cmsg_level = SOL_SOCKET,
	    .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control.room) };

	memcpy(CMSG_DATA(&control.h), &fd, sizeof(int));
	(void)sendmsg(fd, &m, MSG_NOSIGNAL);
	rig_ok(&rig, "others");
}
END_TEST

/* --- who may call --- */

START_TEST(a_stranger_is_refused)
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return;			/* nobody can be played */
	(void)chmod(rig.dir, 0755);
	(void)chmod(rig.socket, 0777);
	pid = fork();
	if (pid == 0) {
		struct otp *o = otp_new(NULL);

		if (setuid(65534) < 0)
			_exit(9);
		_exit(otp_call(o, rig.socket, "echo x", 6, 5000, NULL,
		    NULL) == -OTP_EREFUSED && strcmp(otp_reason(o),
		    "refused") == 0 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(whoever_is_allowed_is_served)
{
	struct otp_options opt = { .size = sizeof(opt),
	    .allow = _i == 0 ? "uid:65534" : "uid:1 gid:65534" };
	struct rig r;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return;
	rig_start_with(&r, "hello", false, &opt, NULL);
	rig_await(&r, "init");
	rig_ok(&r, "hello");
	(void)chmod(r.dir, 0755);
	(void)chmod(r.socket, 0777);
	pid = fork();
	if (pid == 0) {
		struct otp *o = otp_new(NULL);

		if (setgid(65534) < 0 || setuid(_i == 0 ? 65534 : 77) < 0)
			_exit(9);
		_exit(otp_call(o, r.socket, "echo x", 6, 5000, NULL,
		    NULL) == 0 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	rig_end(&r);
}
END_TEST

/* --- a loop that is not ours --- */

static int
foreign_call(struct otp *self, struct otp_from from, const char *text,
    size_t len, void *state)
{
	(void)len;
	(void)state;
	ck_assert_int_eq(otp_dispatch(self), -EBUSY);
	if (strcmp(text, "stop") == 0)
		return otp_stop_reply(self, "normal", from, "ok", 2);
	(void)otp_send_after(self, 20, "ding", 4, NULL);
	return otp_reply(self, from, "ok", 2);
}

static int dings;

static int
foreign_info(struct otp *self, const struct otp_info *info, void *state)
{
	(void)self;
	(void)state;
	dings += strcmp(info->data, "ding") == 0;
	return OTP_OK;
}

START_TEST(a_program_with_a_loop_of_its_own_can_serve)
{
	static const struct otp_gen_server_ops ops = {
	    .handle_call = foreign_call, .handle_info = foreign_info };
	struct otp_options opt = { .size = sizeof(opt) };
	struct otp *self, *caller = otp_new(NULL);
	struct pollfd pfd = { .events = POLLIN };
	uint64_t request;
	char path[80];
	int rc;

	(void)snprintf(path, sizeof(path), "%s.f", rig.socket);
	opt.socket = path;
	ck_assert_int_eq(otp_gen_server_start(&ops, &opt, &self, NULL), 0);
	pfd.fd = otp_fd(self);
	ck_assert_int_ge(pfd.fd, 0);
	ck_assert_int_eq(poll(&pfd, 1, 0), 0);
	ck_assert_int_eq(otp_send_request(caller, path, "x", 1, &request), 0);
	(void)otp_flush(caller);
	while (dings == 0) {
		ck_assert_int_eq(poll(&pfd, 1, 5000), 1);
		ck_assert_int_eq(otp_dispatch(self), 0);
	}
	ck_assert_int_eq(otp_receive_response(caller, request, 5000, NULL,
	    NULL), 0);
	ck_assert_int_eq(poll(&pfd, 1, 0), 0);	/* and rests */
	ck_assert_int_eq(otp_send_request(caller, path, "stop", 4, &request),
	    0);
	(void)otp_flush(caller);
	while ((rc = otp_dispatch(self)) == 0)
		ck_assert_int_eq(poll(&pfd, 1, 5000), 1);
	ck_assert_int_eq(rc, 1);
	ck_assert_int_eq(otp_exit_code(self), 0);
	ck_assert_int_eq(otp_receive_response(caller, request, 5000, NULL,
	    NULL), 0);
	otp_free(self);
	otp_free(caller);
}
END_TEST

/* What it has asked of another has gone out, and nothing is left to do. */
START_TEST(a_server_that_has_asked_another_rests)
{
	static const struct otp_gen_server_ops ops = {
	    .handle_info = foreign_info };
	struct otp_options opt = { .size = sizeof(opt) };
	struct pollfd pfd = { .events = POLLIN };
	struct otp *self;
	uint64_t request;
	char path[80];

	(void)snprintf(path, sizeof(path), "%s.f", rig.socket);
	opt.socket = path;
	ck_assert_int_eq(otp_gen_server_start(&ops, &opt, &self, NULL), 0);
	pfd.fd = otp_fd(self);
	ck_assert_int_eq(otp_send_request(self, rig.socket, "echo x", 6,
	    &request), 0);
	ck_assert_int_ge(otp_flush(self), 0);
	ck_assert_int_eq(otp_receive_response(self, request, 5000, NULL,
	    NULL), 0);
	ck_assert_int_eq(otp_cast(self, rig.socket, "echo x", 6), 0);
	ck_assert_int_eq(otp_dispatch(self), 0);
	ck_assert_int_eq(otp_dispatch(self), 0);
	ck_assert_int_eq(poll(&pfd, 1, 0), 0);
	otp_free(self);
}
END_TEST

static struct otp_from asker;

static int
keep_asker(struct otp *self, struct otp_from from, const char *text,
    size_t len, void *state)
{
	(void)self;
	(void)text;
	(void)len;
	(void)state;
	asker = from;
	return OTP_OK;
}

START_TEST(a_loop_of_ones_own_can_stop_it_with_a_reply)
{
	static const struct otp_gen_server_ops ops = {
	    .handle_call = keep_asker };
	struct otp_options opt = { .size = sizeof(opt) };
	struct otp *self, *caller = otp_new(NULL);
	char path[80], *reply = NULL;
	uint64_t request;

	(void)snprintf(path, sizeof(path), "%s.f", rig.socket);
	opt.socket = path;
	asker = (struct otp_from){ 0 };
	ck_assert_int_eq(otp_gen_server_start(&ops, &opt, &self, NULL), 0);
	ck_assert_int_eq(otp_send_request(caller, path, "x", 1, &request), 0);
	(void)otp_flush(caller);
	while (asker.peer == 0)
		ck_assert_int_eq(otp_dispatch(self), 0);
	ck_assert_int_eq(otp_stop_reply(self, "{my,end}", asker, "bye", 3),
	    OTP_STOP);
	ck_assert_int_eq(otp_receive_response(caller, request, 5000, &reply,
	    NULL), 0);
	ck_assert_str_eq(reply, "bye");
	ck_assert_int_eq(otp_dispatch(self), 1);
	ck_assert_int_ne(otp_exit_code(self), 0);
	free(reply);
	otp_free(self);
	otp_free(caller);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("otp_hostile");
	TCase *tc = tcase_create("hostile");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, half_a_frame_keeps_nobody_waiting);
	tcase_add_test(tc, half_a_hello_keeps_nobody_waiting);
	tcase_add_test(tc, a_length_of_4_gib_is_too_large);
	tcase_add_test(tc, a_length_announced_costs_nothing);
	tcase_add_loop_test(tc, garbage_is_a_protocol_error, 0,
	    sizeof(garbage) / sizeof(garbage[0]));
	tcase_add_test(tc, a_bad_magic_is_a_protocol_error);
	tcase_add_test(tc,
	    a_reply_to_a_call_never_made_is_a_protocol_error);
	tcase_add_test(tc, a_client_that_never_reads_is_not_read_either);
	tcase_add_test(tc, a_million_casts_are_handled_in_bounded_memory);
	tcase_add_test(tc, a_client_that_vanishes_leaves_no_trace);
	tcase_add_test(tc, a_passed_descriptor_goes_nowhere);
	tcase_add_test(tc, a_stranger_is_refused);
	tcase_add_loop_test(tc, whoever_is_allowed_is_served, 0, 2);
	tcase_add_test(tc, a_program_with_a_loop_of_its_own_can_serve);
	tcase_add_test(tc, a_loop_of_ones_own_can_stop_it_with_a_reply);
	tcase_add_test(tc, a_server_that_has_asked_another_rests);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
