/* SPDX-License-Identifier: ISC */
/*
 * A logger that is killed ahead of, and right after, each of its calls of the
 * system: whatever the instant, what services wrote is in their files, every
 * byte once.  The program is otp-logger with the seam of fault.c.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/fault.h"
#include "unit/logger_rig.h"

#define LINES		100	/* of each service, in each part */
#define LINE		12	/* "plain 00001\n" */
#define STAMP		25
#define ROTATE_AT	1500
#define FLOOD		60000	/* nearly a pipe full */
#define HALF_A_PIPE	32768	/* it is emptied from there on */

enum { PLAIN, STAMPED, ROTATED, HALF, NSERVICES };

static const struct {
	const char	*name, *letters;
	uint64_t	 max_bytes;
	uint32_t	 keep, flags;
} services[NSERVICES] = {
	{ "web/plain", "plain", 0, 0, 0 },
	{ "stamped", "stamp", 0, 0, LOG_F_TIMESTAMP },
	{ "rotated", "rotat", ROTATE_AT, 99, 0 },
	{ "half", "halve", 0, 0, 0 }
};

static struct fault_plan *plan;
static struct pipe_ends pipes[NSERVICES];
static bool room = true;		/* files may grow */

/* --- the world --- */

static void
limit_files(rlim_t max)
{
	struct rlimit limit = { max, RLIM_INFINITY };

	(void)prlimit(rig.pid, RLIMIT_FSIZE, &limit, NULL);
}

/* The directory of the log is there no more, and is there again. */
static void
take_away(void)
{
	int fd;

	(void)rename(path_of("logs/web"), path_of("logs/away"));
	fd = open(path_of("logs/web"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)close(fd);
}

static void
bring_back(void)
{
	(void)unlink(path_of("logs/web"));
	(void)rename(path_of("logs/away"), path_of("logs/web"));
}

static void
tell_all(int n)
{
	int i;

	for (i = 0; i < n; i++) {
		tell_pipe((uint64_t)i + 1, pipes[i].r);
		tell_stream((uint64_t)i + 1, services[i].name,
		    services[i].max_bytes, services[i].keep,
		    services[i].flags);
	}
}

/* It was killed: the next one is told all, and is not. */
static void
again(int n)
{
	ck_assert_int_eq(rig_wait(), 128 + SIGKILL);
	plan->at = 0;
	if (!room)
		take_away();
	rig_start();
	tell_all(n);
}

static bool
ended(void)
{
	siginfo_t si = { .si_pid = 0 };

	ck_assert_int_eq(waitid(P_PID, (id_t)rig.pid, &si,
	    WEXITED | WNOHANG | WNOWAIT), 0);
	return si.si_pid != 0;
}

/* Until no pipe holds more than that. */
static void
settle(int n, int most)
{
	int i;

	for (i = 0; i < n; i++)
		while (pipe_held(&pipes[i]) > most) {
			if (ended())
				again(n);
			(void)sched_yield();
		}
}

static void
finish(int n)
{
	siginfo_t si;

	for (;;) {
		tell_spawner(SPAWN_FINISH, 0);
		ck_assert_int_eq(waitid(P_PID, (id_t)rig.pid, &si,
		    WEXITED | WNOWAIT), 0);
		if (si.si_code == CLD_EXITED)
			break;
		again(n);
	}
	ck_assert_int_eq(rig_wait(), 0);
}

static void
lines(int i, int from)
{
	char line[LINE + 1];
	int k;

	for (k = from; k < from + LINES; k++) {
		(void)snprintf(line, sizeof(line), "%s %05d\n",
		    services[i].letters, k);
		pipe_say(&pipes[i], line);
	}
}

/* --- a day --- */

static void
day_of_four(void)
{
	int i;

	for (i = 0; i < NSERVICES; i++)
		pipes[i] = pipe_new();
	for (i = 0; i < NSERVICES; i++)
		lines(i, 0);
	pipe_say(&pipes[HALF], "half");
	tell_all(NSERVICES);
	settle(NSERVICES, 0);
	(void)close(pipes[HALF].w);
	for (i = 0; i < HALF; i++)
		lines(i, LINES);
	settle(NSERVICES, 0);
	finish(NSERVICES);
}

static size_t
append(char *to, const char *file)
{
	size_t len = 0;
	char *text = log_read(file, &len);

	if (text != NULL)
		memcpy(to, text, len + 1);
	free(text);
	return text == NULL ? 0 : len;
}

static void
check_service(int i)
{
	static char got[1 << 18];
	char want[LINE + 16], file[64], *p = got;
	size_t stamp = services[i].flags ? STAMP : 0;
	int k;

	got[0] = '\0';
	for (k = 99; k >= 0; k--) {
		(void)snprintf(file, sizeof(file), k > 0 ? "%s.log.%d" :
		    "%s.log", services[i].name, k);
		p += append(p, file);
	}
	for (k = 0, p = got; k < (i == HALF ? 1 : 2) * LINES; k++) {
		(void)snprintf(want, sizeof(want), "%s %05d\n",
		    services[i].letters, k);
		ck_assert_msg(strlen(p) >= stamp + LINE &&
		    (stamp == 0 || p[stamp - 1] == ' ') &&
		    memcmp(p + stamp, want, LINE) == 0,
		    "killed at %u: %s: \"%.60s\" where \"%s\" is wanted",
		    plan->hits, services[i].name, p, want);
		p += stamp + LINE;
	}
	ck_assert_msg(strcmp(p, i == HALF ? "half\n" : "") == 0,
	    "killed: %s: more: \"%.60s\"", services[i].name, p);
}

/* Files can grow no more, and then they can. */
static void
day_without_room(void)
{
	char line[LINE + 1];
	int k;

	char up[64];

	pipes[0] = pipe_new();
	(void)recv(rig.channel, up, sizeof(up), 0);	/* or it is dead */
	room = false;
	limit_files(600);
	tell_all(1);
	for (k = 0; k < FLOOD / LINE; k++) {
		(void)snprintf(line, sizeof(line), "plain %05d\n", k);
		pipe_say(&pipes[0], line);
	}
	settle(1, HALF_A_PIPE);
	room = true;
	limit_files(RLIM_INFINITY);
	if (access(path_of("logs/web/."), F_OK) < 0)
		bring_back();
	finish(1);
}

static void
check_all_said(void)
{
	unsigned long long bytes, nlines, dropped = 0, dropped_lines = 0;
	size_t len = 0, kept = 0;
	char *text = log_read("web/plain.log", &len), *p, *end;
	int last = -1, k;

	ck_assert_ptr_nonnull(text);
	for (p = text; p < text + len; p = end + 1) {
		end = strchr(p, '\n');
		ck_assert_ptr_nonnull(end);
		if (sscanf(p, "otp-logger: dropped %llu bytes in %llu lines",
		    &bytes, &nlines) == 2) {
			dropped += bytes;
			dropped_lines += nlines;
			continue;
		}
		kept += (size_t)(end + 1 - p);
		if (sscanf(p, "plain %5d", &k) == 1 && end + 1 - p == LINE) {
			ck_assert_int_gt(k, last);
			last = k;
		}
	}
	/* One that was cut by the drop was ended by us. */
	if (kept % LINE != 0)
		kept--;
	ck_assert_uint_eq(kept + dropped, FLOOD / LINE * LINE);
	free(text);
}

/* --- every instant --- */

static void
one_run(uint32_t at, int32_t how, bool full)
{
	memset(plan, 0, sizeof(*plan));
	(void)strcpy(plan->program, "otp-logger");
	(void)strcpy(plan->function, "*");
	plan->error = how;
	plan->times = 1;
	plan->at = at;
	rig.mortal = true;
	rig_setup();
	room = true;
	if (full) {
		day_without_room();
		check_all_said();
	} else {
		day_of_four();
		for (int i = 0; i < NSERVICES; i++)
			check_service(i);
	}
	rig_teardown();
	for (int i = 0; i < (full ? 1 : NSERVICES); i++) {
		(void)close(pipes[i].r);
		(void)close(pipes[i].w);
	}
}

START_TEST(killed_at_any_call_it_loses_and_doubles_nothing)
{
	const char *step = getenv("LOGGER_KILLS_STEP");
	uint32_t at, every = step == NULL ? 23 : (uint32_t)atoi(step);
	bool full = _i >= 2;
	const int32_t how = _i % 2 == 0 ? FAULT_KILL : FAULT_KILL_AFTER;

	if (full && step == NULL)
		every *= 8;		/* a day of so many more calls */
	for (at = 1;; at += every) {
		one_run(at, how, full);
		if (plan->hits == 0)	/* it makes no more calls */
			break;
	}
	ck_assert_uint_gt(at, 50);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("logger_kills");
	TCase *t = tcase_create("kills");
	SRunner *r;
	int failed;

	plan = fault_plan_new("otp-logger");
	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, killed_at_any_call_it_loses_and_doubles_nothing,
	    0, 4);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	fault_plan_hide();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
