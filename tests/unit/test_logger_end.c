/* SPDX-License-Identifier: ISC */
/*
 * How streams end: what the spawner, the engine and the logger tell each other
 * then, in whatever order it comes, also when one of them is new.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logger_rig.h"
#include "test_logger.h"

#define KEY	7
#define A_TURNS_MESSAGES	64

/* The type of the next record on one of our ends; its key is KEY. */
static int
told(int fd)
{
	uint64_t buf[64];
	const struct spawn_header *h = (const void *)buf;

	do
		ck_assert_int_ge(recv(fd, buf, sizeof(buf), 0),
		    (int)sizeof(*h));
	while (h->type == SPAWN_UP);
	ck_assert_uint_eq(h->inc, h->type == LOG_SYNCED ? 0 : KEY);
	return h->type;
}

static bool
nothing_told(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == -1 &&
	    errno == EAGAIN;
}

/* A short life: everything about it may come at once, and what one of the two
 * says before what the other had said earlier. */
START_TEST(released_before_it_is_named)
{
	struct pipe_ends p = pipe_new();
	int i;

	ck_assert_int_eq(kill(rig.pid, SIGSTOP), 0);
	pipe_say(&p, "last words");
	tell_pipe(KEY, p.r);
	tell_spawner(SPAWN_DROPPED, KEY);
	for (i = 0; i < A_TURNS_MESSAGES; i++)
		tell_engine(LOG_FORGET, KEY + 1);
	tell_stream(KEY, "a", 0, 0, 0);
	ck_assert_int_eq(kill(rig.pid, SIGCONT), 0);
	barrier();
	ck_assert_uint_eq(stat_of("streams"), 1);
	ck_assert_uint_eq(stat_of("pipes"), 0);
	log_is("a.log", "last words\n");
}
END_TEST

/* The spawner's channel takes so many messages: the pipe may come long after
 * the engine's last word. */
START_TEST(forgotten_before_its_pipe_comes)
{
	struct pipe_ends p = pipe_new();

	pipe_say(&p, "last words");
	tell_stream(KEY, "a", 0, 0, 0);
	tell_engine(LOG_FORGET, KEY);
	barrier();
	tell_pipe(KEY, p.r);
	tell_spawner(SPAWN_DROPPED, KEY);
	barrier();
	ck_assert_uint_eq(stat_of("streams"), 0);
	ck_assert_uint_eq(stat_of("pipes"), 0);
	log_is("a.log", "last words\n");
}
END_TEST

START_TEST(the_end_of_a_pipe_is_told)
{
	struct pipe_ends p = stream_new(KEY, "a");

	pipe_say(&p, "last words");
	tell_spawner(SPAWN_DROPPED, KEY);
	tell_engine(LOG_FORGET, KEY);
	ck_assert_int_eq(told(rig.channel), SPAWN_DRAINED);
	ck_assert_int_eq(told(rig.link), LOG_FORGOTTEN);
	log_is("a.log", "last words\n");
	tell_all_told(rig.pid, KEY + 1);
	tell_spawner(SPAWN_DROPPED, KEY);	/* said again, as to a new one */
	tell_engine(LOG_FORGET, KEY);
	ck_assert_int_eq(told(rig.channel), SPAWN_DRAINED);
	ck_assert_int_eq(told(rig.link), LOG_FORGOTTEN);
}
END_TEST

/* The one before was told the name, and read no line; the engine does not know
 * yet that it has gone. */
START_TEST(dropped_before_the_engine_knows_of_a_new_logger)
{
	struct pipe_ends p = stream_new(KEY, "a");

	barrier();
	ck_assert_int_eq(kill(rig.pid, SIGSTOP), 0);
	pipe_say(&p, "last words");
	rig_kill();
	rig_start();
	tell_pipe(KEY, p.r);
	tell_spawner(SPAWN_DROPPED, KEY);
	tell_engine(LOG_FORGET, KEY);	/* was meant for the one before */
	barrier();
	ck_assert_int_eq(pipe_held(&p), 10);
	ck_assert(nothing_told(rig.link));
	tell_stream(KEY, "a", 0, 0, 0);
	tell_engine(LOG_FORGET, KEY);
	tell_all_told(rig.pid, KEY + 1);
	ck_assert_int_eq(told(rig.channel), SPAWN_DRAINED);
	ck_assert_int_eq(told(rig.link), LOG_FORGOTTEN);
	log_is("a.log", "last words\n");
	ck_assert_uint_eq(stat_of("streams"), 0);
}
END_TEST

/* Its pipe queues up behind others: the name must not be forgotten. */
START_TEST(forgotten_before_anything_else_is_known)
{
	struct pipe_ends p = pipe_new();

	tell_engine(LOG_FORGET, KEY);	/* was meant for the one before */
	barrier();
	ck_assert(nothing_told(rig.link));
	tell_stream(KEY, "a", 0, 0, 0);
	tell_engine(LOG_FORGET, KEY);
	tell_all_told(rig.pid, KEY + 1);
	pipe_say(&p, "last words");
	tell_pipe(KEY, p.r);
	tell_spawner(SPAWN_DROPPED, KEY);
	ck_assert_int_eq(told(rig.channel), SPAWN_DRAINED);
	ck_assert_int_eq(told(rig.link), LOG_FORGOTTEN);
	log_is("a.log", "last words\n");
}
END_TEST

/* It is waited for a name until the engine has none, and that is said. */
START_TEST(what_is_never_named_is_dropped_and_said)
{
	struct pipe_ends p = pipe_new();

	pipe_say(&p, "last words");
	tell_pipe(KEY, p.r);
	tell_spawner(SPAWN_DROPPED, KEY);
	tell_all_told(rig.pid + 1, KEY + 1);	/* the one before */
	tell_all_told(rig.pid, KEY);		/* this name may come */
	barrier();
	ck_assert_int_eq(pipe_held(&p), 10);
	tell_all_told(rig.pid, KEY + 1);
	ck_assert_int_eq(told(rig.channel), SPAWN_DRAINED);
	ck_assert_int_eq(said("1 logs were never named"), 1);
	ck_assert_uint_eq(stat_of("streams"), 0);
}
END_TEST

START_TEST(what_is_not_named_at_the_end_is_said)
{
	struct pipe_ends p = pipe_new();

	pipe_say(&p, "last words");
	tell_pipe(KEY, p.r);
	if (_i == 1)
		tell_spawner(SPAWN_DROPPED, KEY);
	ck_assert_int_eq(rig_end(), 0);
	ck_assert_int_eq(said("1 logs were never named"), 1);
}
END_TEST

/* It can tell only when it knows all names. */
START_TEST(says_when_all_that_was_in_pipes_is_written)
{
	struct pipe_ends p = stream_new(KEY, "a");

	barrier();
	ck_assert_int_eq(kill(rig.pid, SIGSTOP), 0);
	pipe_say(&p, "one\n");
	tell_engine(LOG_SYNC, 0);
	ck_assert_int_eq(kill(rig.pid, SIGCONT), 0);
	barrier();
	ck_assert(nothing_told(rig.link));
	ck_assert_int_eq(kill(rig.pid, SIGSTOP), 0);
	pipe_say(&p, "two\n");
	tell_all_told(rig.pid, KEY + 1);
	ck_assert_int_eq(kill(rig.pid, SIGCONT), 0);
	ck_assert_int_eq(told(rig.link), LOG_SYNCED);
	log_is("a.log", "one\ntwo\n");
}
END_TEST

START_TEST(does_not_wait_for_what_cannot_be_written)
{
	struct pipe_ends p;

	(void)mkdir(path_of("logs"), 0700);
	ck_assert_int_eq(mkdir(path_of("logs/a.log"), 0700), 0);
	p = stream_new(KEY, "a");
	pipe_say(&p, "one\n");
	tell_all_told(rig.pid, KEY + 1);
	tell_engine(LOG_SYNC, 0);
	ck_assert_int_eq(told(rig.link), LOG_FAULT);
	ck_assert_int_eq(told(rig.link), LOG_SYNCED);
	ck_assert_int_eq(rmdir(path_of("logs/a.log")), 0);
	ck_assert_int_eq(rig_end(), 0);
	log_is("a.log", "one\n");
}
END_TEST

TCase *
tcase_end(void)
{
	TCase *t = tcase_create("end");

	tcase_add_checked_fixture(t, rig_setup, rig_teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, released_before_it_is_named);
	tcase_add_test(t, forgotten_before_its_pipe_comes);
	tcase_add_test(t, the_end_of_a_pipe_is_told);
	tcase_add_test(t, dropped_before_the_engine_knows_of_a_new_logger);
	tcase_add_test(t, forgotten_before_anything_else_is_known);
	tcase_add_test(t, what_is_never_named_is_dropped_and_said);
	tcase_add_loop_test(t, what_is_not_named_at_the_end_is_said, 0, 2);
	tcase_add_test(t, says_when_all_that_was_in_pipes_is_written);
	tcase_add_test(t, does_not_wait_for_what_cannot_be_written);
	return t;
}
