/* SPDX-License-Identifier: ISC */
/*
 * One who speaks to very many servers: connections are kept up to a bound, and
 * beyond it what is sent to each still arrives, all of it and in order.  The
 * many are links to the socket of one.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "otp_rig.h"

#define MANY_MAX	1000

static struct rig rig;
static int many;

/* In the server: what each address was sent last. */
static int last[MANY_MAX], ncasts, nwrong;

static int
take_cast(struct otp *self, const char *text, size_t len, void *state)
{
	int which = -1, number = -1;

	(void)self;
	(void)len;
	(void)state;
	(void)sscanf(text, "%d %d", &which, &number);
	if (which < 0 || which >= MANY_MAX || number != last[which] + 1)
		nwrong++;
	else
		last[which] = number;
	ncasts++;
	return OTP_OK;
}

static int
say(struct otp *self, struct otp_from from, const char *text, size_t len,
    void *state)
{
	(void)text;
	(void)len;
	(void)state;
	return otp_replyf(self, from, "%d casts, %d wrong", ncasts, nwrong);
}

static const struct otp_gen_server_ops ops = { .handle_call = say,
	.handle_cast = take_cast };

static void
address(int which, char out[80])
{
	(void)snprintf(out, 80, "%s/%d", rig.dir, which);
}

static void
start(int n, rlim_t descriptors)
{
	struct rlimit limit;
	char path[80];

	rig_start_with(&rig, NULL, false, NULL, &ops);
	rig_await_socket(&rig);
	many = n;
	for (int i = 0; i < n; i++) {
		address(i, path);
		ck_assert_int_eq(symlink(rig.socket, path), 0);
	}
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = descriptors;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void
end(void)
{
	char path[80];

	for (int i = 0; i < many; i++) {
		address(i, path);
		(void)unlink(path);
	}
	rig_end(&rig);
}

static int
cast(int which, int number)
{
	char path[80], text[32];

	address(which, path);
	(void)snprintf(text, sizeof(text), "%d %d", which, number);
	return otp_cast(rig.o, path, text, strlen(text));
}

static int
descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

/* All that was cast has come, in the order of each address. */
static void
arrived(int n)
{
	char want[64], *reply = NULL;
	uint64_t until = rig_now_ms() + 5000;
	int rc;

	(void)snprintf(want, sizeof(want), "%d casts, 0 wrong", n);
	do {
		free(reply);
		while (otp_flush(rig.o) == 1)
			;
		reply = rig_call(&rig, "say", &rc);
		ck_assert_int_eq(rc, 0);
	} while (atoi(reply) < n && rig_now_ms() < until);
	ck_assert_str_eq(reply, want);
	free(reply);
}

START_TEST(connections_are_kept_up_to_half_the_descriptors)
{
	int open = descriptors();

	start(400, 1024);
	for (int round = 1; round <= 5; round++)
		for (int i = 0; i < many; i++)
			ck_assert_int_eq(cast(i, round), 0);
	arrived(5 * many);
	ck_assert_int_ge(descriptors() - open, many);
	end();
}
END_TEST

START_TEST(to_more_than_that_order_is_kept)
{
	int open = descriptors();

	start(MANY_MAX, 256);
	for (int round = 1; round <= 5; round++) {
		for (int i = 0; i < many; i++) {
			ck_assert_int_eq(cast(i, round), 0);
			if (i % 100 == 0)
				ck_assert_int_le(descriptors() - open, 140);
		}
	}
	arrived(5 * many);
	end();
}
END_TEST

/* Nobody reads: none of the connections can be given up. */
static void
fill(enum otp_when_full when, int error)
{
	struct otp_options opt = { .size = sizeof(opt), .when_full = when,
	    .timeout_ms = 100 };
	struct otp *o;

	start(65, 128);
	o = rig.o;
	rig.o = otp_new(&opt);
	(void)kill(rig.pid, SIGSTOP);
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(cast(i, 1), 0);
	ck_assert_int_eq(cast(64, 1), error);
	(void)kill(rig.pid, SIGCONT);
	otp_free(rig.o);
	rig.o = o;
	arrived(64);
	end();
}

START_TEST(when_all_are_busy_it_waits_and_times_out)
{
	fill(OTP_FULL_BLOCK, -ETIMEDOUT);
}
END_TEST

START_TEST(when_all_are_busy_it_is_an_error_for_who_asked_for_one)
{
	fill(OTP_FULL_ERROR, -OTP_EFULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("otp_dests");
	TCase *tc = tcase_create("dests");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, connections_are_kept_up_to_half_the_descriptors);
	tcase_add_test(tc, to_more_than_that_order_is_kept);
	tcase_add_test(tc, when_all_are_busy_it_waits_and_times_out);
	tcase_add_test(tc,
	    when_all_are_busy_it_is_an_error_for_who_asked_for_one);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
