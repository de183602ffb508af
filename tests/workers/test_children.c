/* SPDX-License-Identifier: ISC */
/*
 * Children that a C program starts and ends at run time: what it is told of
 * each outcome, a refusal above all, which must not look like a success.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers/house.h"

#define GET	"{\"do\":\"get\"}"

static void
begin(struct house *h, const char *test)
{
	char child[1024];

	house_init(h, test);
	(void)snprintf(child, sizeof(child), "{\"id\":\"pool\",\"type\":"
	    "\"dynamic_supervisor\",\"max_children\":3,\"template\":"
	    "{\"kind\":\"gen_server\",\"start\":[\"%s\",\"%s\"]}}",
	    house_program(h, "tests/workers/probe"), h->rig.dir);
	house_child(h, child);
	house_probe(h, "plain", "");
	house_start(h);
}

static int
start(struct house *h, const char *id)
{
	char spec[128];

	(void)snprintf(spec, sizeof(spec), "{\"id\":\"%s\",\"args\":[\"%s\"]}",
	    id, id);
	return otp_start_child(h->o, "pool", spec, WANT_MS, NULL, 0, NULL);
}

START_TEST(a_child_is_started_called_counted_and_terminated)
{
	struct otp_count n;
	char path[64];
	struct house h;
	int32_t pid = 0;

	begin(&h, __func__);
	want(&h, otp_start_child(h.o, "pool", "{\"id\":\"a\",\"args\":[\"a\"]}",
	    WANT_MS, path, sizeof(path), &pid) == 0);
	want(&h, strcmp(path, "pool/a") == 0);
	want(&h, pid == house_pid(&h, "pool/a"));
	want(&h, otp_call(h.o, path, GET, strlen(GET), WANT_MS, NULL, NULL) ==
	    0);
	want(&h, start(&h, "b") == 0);
	want(&h, otp_count_children(h.o, "pool", WANT_MS, &n) == 0);
	want(&h, n.active == 2 && n.workers == 2 && n.supervisors == 0);
	want(&h, otp_terminate_child(h.o, "pool", "a", WANT_MS) == 0);
	want(&h, otp_count_children(h.o, "pool", WANT_MS, &n) == 0);
	want(&h, n.active == 1 && n.specs == 1);
	want(&h, otp_count_children(h.o, "/", WANT_MS, &n) == 0);
	want(&h, n.specs == 2 && n.supervisors == 1 && n.workers == 1);
	house_done(&h);
}
END_TEST

START_TEST(children_are_listed_newest_first)
{
	struct otp_child *list;
	struct house h;
	size_t n = 99;

	begin(&h, __func__);
	want(&h, otp_which_children(h.o, "pool", WANT_MS, &list, &n) == 0);
	want(&h, n == 0 && list == NULL);
	want(&h, start(&h, "a") == 0 && start(&h, "b") == 0);
	want(&h, otp_which_children(h.o, "pool", WANT_MS, &list, &n) == 0);
	want(&h, n == 2 && strcmp(list[0].id, "b") == 0 &&
	    strcmp(list[1].id, "a") == 0);
	want(&h, list[0].pid == house_pid(&h, "pool/b") &&
	    list[0].state == OTP_CHILD_RUNNING && !list[0].supervisor);
	free(list);
	want(&h, otp_terminate_child(h.o, "/", "plain", WANT_MS) == 0);
	want(&h, otp_which_children(h.o, "/", WANT_MS, &list, &n) == 0);
	want(&h, n == 2 && strcmp(list[0].id, "plain") == 0 &&
	    list[0].pid == 0 && list[0].state == OTP_CHILD_STOPPED);
	want(&h, list[1].supervisor && list[1].pid == 0 &&
	    list[1].state == OTP_CHILD_RUNNING);
	free(list);
	want(&h, otp_which_children(h.o, "none", WANT_MS, &list, &n) ==
	    -OTP_ENOPROC);
	want(&h, otp_which_children(h.o, "plain", WANT_MS, &list, &n) ==
	    -OTP_EREMOTE);
	house_done(&h);
}
END_TEST

START_TEST(a_child_of_the_configuration_is_stopped_started_and_deleted)
{
	struct house h;

	begin(&h, __func__);
	want(&h, otp_restart_child(h.o, "/", "plain", WANT_MS) ==
	    -OTP_EREMOTE);
	want(&h, strcmp(otp_reason(h.o), "running") == 0);
	want(&h, otp_terminate_child(h.o, "/", "plain", WANT_MS) == 0);
	want(&h, otp_restart_child(h.o, "/", "plain", WANT_MS) == 0);
	want(&h, otp_terminate_child(h.o, "/", "plain", WANT_MS) == 0);
	house_mode(&h, "plain", "ignore");
	want(&h, otp_restart_child(h.o, "/", "plain", WANT_MS) == 1);
	want(&h, otp_delete_child(h.o, "/", "plain", WANT_MS) == 0);
	want(&h, otp_delete_child(h.o, "/", "plain", WANT_MS) == -ENOENT);
	house_done(&h);
}
END_TEST

static const struct {
	const char	*sup, *spec;
	int		 rc;
	const char	*reason;	/* NULL: not looked at */
} refusals[] = {
	{ "pool", "{\"id\":\"ignores\",\"args\":[\"ignores\"]}", 1, NULL },
	{ "pool", "{\"id\":\"fails\",\"args\":[\"fails\"]}", -OTP_EREMOTE,
	    "{bad,config}" },
	{ "pool", "{\"id\":\"x\",\"arg\":[]}", -OTP_EREMOTE,
	    "unknown key `arg`; did you mean `args`?" },
	{ "pool", "{\"id\":\"x\"}} {", -EINVAL, "the child is not JSON" },
	{ "none", "{\"id\":\"x\"}", -OTP_ENOPROC, "noproc" },
	{ "plain", "{\"id\":\"x\"}", -OTP_EREMOTE, "invalid" },
	{ "/", "{\"id\":\"plain\",\"start\":[\"/bin/true\"]}", -OTP_EALREADY,
	    "already_started" },
};

START_TEST(a_refusal_is_no_success)
{
	struct house h;
	int rc;

	begin(&h, __func__);
	house_mode(&h, "ignores", "ignore");
	house_mode(&h, "fails", "stop {bad,config}");
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		rc = otp_start_child(h.o, refusals[i].sup, refusals[i].spec,
		    WANT_MS, NULL, 0, NULL);
		if (rc != refusals[i].rc || (refusals[i].reason != NULL &&
		    strcmp(otp_reason(h.o), refusals[i].reason) != 0))
			rig_fail(&h.rig, "%s: %d, %s", refusals[i].spec, rc,
			    otp_reason(h.o));
	}
	want(&h, otp_terminate_child(h.o, "pool", "none", WANT_MS) == -ENOENT);
	want(&h, otp_terminate_child(h.o, "none", "x", WANT_MS) ==
	    -OTP_ENOPROC);
	house_done(&h);
}
END_TEST

START_TEST(max_children_is_said)
{
	struct house h;

	begin(&h, __func__);
	want(&h, start(&h, "a") == 0 && start(&h, "b") == 0 &&
	    start(&h, "c") == 0);
	want(&h, start(&h, "d") == -OTP_EREMOTE);
	want(&h, strcmp(otp_reason(h.o), "max_children") == 0);
	house_done(&h);
}
END_TEST

/* Asked by a worker, over its link. */
START_TEST(a_start_while_the_engine_is_dead_waits_for_the_next)
{
	struct otp_child *list;
	struct house h;
	uint64_t request;
	char *reply;
	size_t n;
	int rc;

	begin(&h, __func__);
	house_kill_engine_for_now(&h);
	request = house_send(&h, "plain", "{\"do\":\"control\",\"request\":"
	    "\"{\\\"op\\\":\\\"start_child\\\",\\\"sup\\\":"
	    "\\\"pool\\\",\\\"spec\\\":{\\\"id\\\":\\\"a\\\","
	    "\\\"args\\\":[\\\"a\\\"]}}\"}");
	want(&h, kill(h.rig.otpd, SIGCONT) == 0);
	rc = otp_receive_response(h.o, request, WANT_MS, &reply, NULL);
	if (rc < 0 || strstr(reply, "\"started\"") == NULL)
		rig_fail(&h.rig, "%d: %s", rc, rc == 0 ? reply : "");
	free(reply);
	want(&h, otp_which_children(h.o, "pool", WANT_MS, &list, &n) == 0);
	want(&h, n == 1 && strcmp(list[0].id, "a") == 0);
	free(list);
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("workers: children at run time");
	TCase *c = tcase_create("children");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_child_is_started_called_counted_and_terminated);
	tcase_add_test(c, children_are_listed_newest_first);
	tcase_add_test(c,
	    a_child_of_the_configuration_is_stopped_started_and_deleted);
	tcase_add_test(c, a_refusal_is_no_success);
	tcase_add_test(c, max_children_is_said);
	tcase_add_test(c,
	    a_start_while_the_engine_is_dead_waits_for_the_next);
	suite_add_tcase(s, c);
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
