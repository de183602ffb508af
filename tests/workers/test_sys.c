/* SPDX-License-Identifier: ISC */
/*
 * Workers under otpd: sys messages, as frames, and who may call.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libotp/peer.h"
#include "wire/frame.h"
#include "workers/house.h"

#define GET	"{\"do\":\"get\"}"
#define STOP	"{\"op\":\"stop\",\"path\":\"a\"}"

/* --- sys --- */

/* A SYSTEM frame to a worker. */
static struct peer *
sys_send(struct house *h, const char *id, uint16_t tag, const char *payload)
{
	static const struct frame_hello hello = { .pid = 0 };
	static const struct peer_limits limits = {
		.max_payload = FRAME_SERVER_MAX,
		.max_queued = FRAME_SERVER_MAX };
	struct frame_header f = { .type = FRAME_SYSTEM, .tag = tag, .ref = 1,
	    .length = (uint32_t)strlen(payload) };
	struct peer *peer;

	peer = peer_new(house_connect(h, id), &hello, NULL, NULL, &limits);
	want(h, peer != NULL && peer_send(peer, &f, payload) == 0);
	(void)peer_flush(peer);
	return peer;
}

static cJSON *
sys_reply(struct house *h, struct peer *peer)
{
	struct frame_header f;
	const void *data;
	cJSON *reply;
	int rc;

	while ((rc = peer_next(peer, &f, &data)) == 0) {
		rig_await_readable(&h->rig, peer_fd(peer), "a sys reply");
		want(h, peer_read(peer) >= 0);
	}
	want(h, rc == 1 && f.type == FRAME_REPLY);
	reply = cJSON_ParseWithLength(data, f.length);
	want(h, reply != NULL);
	peer_free(peer);
	return reply;
}

static cJSON *
sys(struct house *h, const char *id, uint16_t tag, const char *payload)
{
	return sys_reply(h, sys_send(h, id, tag, payload));
}

START_TEST(sys_get_state_and_get_status)
{
	cJSON *reply;
	struct house h;

	house_of(&h, __func__, "a");
	(void)house_do(&h, "a", "{\"do\":\"set\",\"value\":7}");
	reply = sys(&h, "a", 1, "");
	want(&h, house_number(cJSON_GetObjectItem(reply, "state"), "value") ==
	    7);
	cJSON_Delete(reply);
	reply = sys(&h, "a", 2, "");
	want(&h, strcmp(house_text(reply, "status"), "running") == 0);
	want(&h, strcmp(house_text(reply, "name"), "a") == 0);
	want(&h, strcmp(house_text(reply, "path"), "a") == 0);
	want(&h, strcmp(house_text(reply, "parent"), "otpd") == 0);
	want(&h, house_number(reply, "generation") == 1);
	want(&h, (int)house_number(reply, "pid") == house_pid(&h, "a"));
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

START_TEST(sys_suspend_and_resume)
{
	char *answer = NULL;
	struct house h;
	uint64_t late;

	house_of(&h, __func__, "a");
	cJSON_Delete(sys(&h, "a", 3, ""));
	want(&h, otp_call(h.o, "a", GET, strlen(GET), 50, &answer, NULL) ==
	    -ETIMEDOUT);
	late = house_send(&h, "a", GET);
	cJSON_Delete(sys(&h, "a", 1, ""));
	cJSON_Delete(sys(&h, "a", 4, ""));
	want(&h, house_outcome(&h, late) == 0);
	house_done(&h);
}
END_TEST

START_TEST(sys_suspended_only_the_parents_exit_is_handled)
{
	struct house h;
	char *said;

	house_of(&h, __func__, "a");
	(void)house_do(&h, "a", "{\"do\":\"trap\",\"on\":1}");
	cJSON_Delete(sys(&h, "a", 3, ""));
	house_order(&h, "result", "ok", STOP);
	said = house_said(&h, "a");
	want(&h, strcmp(said, "init\nterminate shutdown\n") == 0);
	free(said);
	house_is(&h, "a", "stopped", "shutdown");
	house_done(&h);
}
END_TEST

START_TEST(sys_terminate_is_an_orderly_stop)
{
	struct house h;
	char *said;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"restart\":\"temporary\"");
	house_start(&h);
	cJSON_Delete(sys(&h, "a", 8, "{my,end}"));
	house_ends(&h, "a", 1, "{my,end}");
	said = house_said(&h, "a");
	want(&h, strcmp(said, "init\nterminate {my,end}\n") == 0);
	free(said);
	house_done(&h);
}
END_TEST

/* What OTP's stop waits for; who gives up waiting changes nothing. */
START_TEST(stop_waits_for_terminate_and_goes_on_after_a_timeout)
{
	struct frame_header f;
	struct peer *peer;
	const void *data;
	struct house h;
	cJSON *reply;
	int held, release;

	house_init(&h, __func__);
	house_probe(&h, "a", "\"restart\":\"temporary\"");
	house_start(&h);
	(void)house_do(&h, "a", "{\"do\":\"on_end\",\"hold\":1}");
	held = rig_fifo(&h.rig, "held.a");
	release = rig_fifo(&h.rig, "release.a");
	(void)close(release);
	peer = sys_send(&h, "a", 8, "normal");
	rig_await_readable(&h.rig, held, "its terminate");
	want(&h, peer_read(peer) >= 0 && peer_next(peer, &f, &data) == 0);
	house_is(&h, "a", "running", "");
	release = open("release.a", O_WRONLY);
	want(&h, release >= 0);
	if (_i == 0) {
		reply = sys_reply(&h, peer);
		want(&h, strcmp(house_text(reply, "result"), "ok") == 0);
		cJSON_Delete(reply);
	} else {
		peer_free(peer);
	}
	house_ends(&h, "a", 1, "normal");
	house_fails(&h, -OTP_ENOPROC, "noproc", "a", GET);
	(void)close(release);
	(void)close(held);
	house_done(&h);
}
END_TEST

/* --- who may call --- */

#define STRANGER	12345

/* What a call of that user comes to: 0 or the error. */
static int
call_as(struct house *h, uid_t uid, const char *to)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct otp_options options = { .size = sizeof(options) };
		char run[256];
		struct otp *o;

		(void)snprintf(run, sizeof(run), "%s/run", h->rig.dir);
		options.runtime_dir = run;
		if (setgid(uid) < 0 || setuid(uid) < 0)
			_exit(100);
		o = otp_new(&options);
		switch (otp_call(o, to, GET, strlen(GET), WANT_MS, NULL,
		    NULL)) {
		case 0:
			_exit(0);
		case -OTP_EREFUSED:
			_exit(1);
		case -OTP_ENOPROC:
			_exit(2);
		default:
			_exit(3);
		}
	}
	want(h, pid > 0 && waitpid(pid, &status, 0) == pid);
	want(h, WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* How many such events there are. */
static int
refusals(struct house *h, const char *path, const char *reason)
{
	const cJSON *event;
	int n = 0;

	rig_settle(&h->rig);
	cJSON_ArrayForEach(event, h->rig.heard)
		if (strcmp(house_text(event, "event"), "refused") == 0 &&
		    strcmp(house_text(event, "path"), path) == 0 &&
		    strcmp(house_text(event, "reason"), reason) == 0)
			n++;
	return n;
}

START_TEST(allow_another_user)
{
	struct house h;

	house_init(&h, __func__);
	if (geteuid() != 0) {
		printf("allow_another_user: skipped, needs root\n");
		(void)rmdir(h.rig.dir);
		return;
	}
	house_probe(&h, "a", "\"allow\":{\"users\":[12345]}");
	house_probe(&h, "b", "\"allow\":{\"groups\":[12346]}");
	house_probe(&h, "c", "");
	house_start(&h);
	/* Only so that this user finds the sockets at all. */
	want(&h, chmod(h.rig.dir, 0711) == 0);
	want(&h, call_as(&h, STRANGER, "a") == 0);
	want(&h, call_as(&h, STRANGER + 1, "b") == 0);
	want(&h, call_as(&h, STRANGER + 1, "a") == 1);
	want(&h, call_as(&h, STRANGER, "b") == 1);
	want(&h, call_as(&h, STRANGER, "c") == 1);
	want(&h, call_as(&h, STRANGER, "c") == 1);
	want(&h, house_do(&h, "c", "{\"do\":\"trap\",\"on\":1}") == 0);
	/* Each uid once a minute, wherever it tries. */
	want(&h, refusals(&h, "a", "{uid,12346}") == 1);
	want(&h, refusals(&h, "b", "{uid,12345}") == 1);
	want(&h, refusals(&h, "c", "{uid,12345}") == 0);
	want(&h, call_as(&h, STRANGER, "otpd") != 0);
	cJSON_Delete(house_ask(&h, "c", GET));
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("workers: sys, and who may call");
	TCase *y = tcase_create("sys"), *a = tcase_create("allow");

	tcase_set_timeout(y, 60);
	tcase_add_test(y, sys_get_state_and_get_status);
	tcase_add_test(y, sys_suspend_and_resume);
	tcase_add_test(y, sys_suspended_only_the_parents_exit_is_handled);
	tcase_add_test(y, sys_terminate_is_an_orderly_stop);
	tcase_add_loop_test(y,
	    stop_waits_for_terminate_and_goes_on_after_a_timeout, 0, 2);
	tcase_set_timeout(a, 60);
	tcase_add_test(a, allow_another_user);
	suite_add_tcase(s, y);
	suite_add_tcase(s, a);
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
