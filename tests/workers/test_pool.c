/* SPDX-License-Identifier: ISC */
/*
 * Pools under otpd: poolboy's rules by the names of their rows, holders that
 * are killed by the hundred, and what a pool survives.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workers/house.h"

#define PATH		OTP_WORKER_MAX
#define CHECKOUT	"{\"op\":\"checkout\"}"
#define PEOPLE_MAX	1024

/* --- a pool and its people --- */

static void
pool_house(struct house *h, const char *test, const char *more)
{
	char text[1024];

	house_init(h, test);
	(void)snprintf(text, sizeof(text), "{\"id\":\"db\",\"type\":\"pool\","
	    "%s\"template\":{\"start\":[\"%s\"]}}", more,
	    house_program(h, "tests/integration/service"));
	house_child(h, text);
	house_start(h);
}

static struct otp *
person(struct house *h)
{
	struct otp_options options = { .size = sizeof(options) };
	char run[256];
	struct otp *o;

	(void)snprintf(run, sizeof(run), "%s/run", h->rig.dir);
	options.runtime_dir = run;
	o = otp_new(&options);
	want(h, o != NULL);
	return o;
}

/* The path of a worker that is had at once, or within a start. */
static const char *
takes(struct house *h, struct otp *o)
{
	static char path[8][PATH];
	static int i;

	i = (i + 1) % 8;
	if (otp_pool_checkout(o, "db", WANT_MS, path[i], PATH) < 0)
		rig_fail(&h->rig, "no worker: %s", otp_reason(o));
	return path[i];
}

static void
gives(struct house *h, struct otp *o, const char *worker)
{
	want(h, otp_pool_checkin(o, "db", worker) == 0);
}

static struct otp_pool_status
status(struct house *h, struct otp *o)
{
	struct otp_pool_status s;

	if (otp_pool_status(o, "db", WANT_MS, &s) < 0)
		rig_fail(&h->rig, "no status: %s", otp_reason(o));
	return s;
}

enum figure { FREE, OVERFLOW, HELD, WAITING };

static uint32_t
figure(const struct otp_pool_status *s, enum figure f)
{
	switch (f) {
	case FREE:
		return s->free;
	case OVERFLOW:
		return s->overflow;
	case HELD:
		return s->held;
	case WAITING:
		return s->waiting;
	}
	return 0;
}

/* What others do is there by and by: ask until it is. */
static void
until(struct house *h, enum figure f, uint32_t wanted)
{
	time_t end = time(NULL) + WANT_MS / 1000;
	struct otp_pool_status s;

	do {
		s = status(h, h->o);
		if (figure(&s, f) == wanted)
			return;
	} while (time(NULL) < end);
	rig_fail(&h->rig, "figure %d is %u, not %u", (int)f, figure(&s, f),
	    wanted);
}

static void
is(struct house *h, struct otp *o, enum otp_pool_state state, uint32_t free,
    uint32_t overflow, uint32_t held)
{
	struct otp_pool_status s = status(h, o);

	if (s.state != state || s.free != free || s.overflow != overflow ||
	    s.held != held)
		rig_fail(&h->rig, "state %d free %u overflow %u held %u, not "
		    "%d %u %u %u", (int)s.state, s.free, s.overflow, s.held,
		    (int)state, free, overflow, held);
}

/* A place in the queue that is not waited at; the queue has n then. */
static uint64_t
queues(struct house *h, struct otp *o, uint32_t n)
{
	uint64_t ref;

	want(h, otp_send_request(o, "db", CHECKOUT, strlen(CHECKOUT), &ref) ==
	    0);
	(void)otp_flush(o);
	until(h, WAITING, n);
	return ref;
}

/* What it brought: the worker's path. */
static const char *
served(struct house *h, struct otp *o, uint64_t ref)
{
	static char path[PATH];
	char *reply = NULL;
	int rc = otp_receive_response(o, ref, WANT_MS, &reply, NULL);
	cJSON *answer = rc < 0 ? NULL : cJSON_Parse(reply);

	if (rc < 0)
		rig_fail(&h->rig, "not served: %s", otp_reason(o));
	(void)snprintf(path, sizeof(path), "%s",
	    house_text(answer, "worker"));
	want(h, path[0] != '\0');
	cJSON_Delete(answer);
	free(reply);
	return path;
}

/* --- the rows --- */

START_TEST(parts_a_pool_of_5_and_10_more_lifo_and_temporary_workers)
{
	struct house h;
	struct otp_pool_status s;
	cJSON *reply;

	pool_house(&h, __func__, "");
	s = status(&h, h.o);
	want(&h, s.size == 5 && s.max_overflow == 10 && s.free == 5);
	reply = house_ask(&h, "db", "{\"op\":\"status\"}");
	want(&h, strcmp(house_text(reply, "order"), "lifo") == 0);
	cJSON_Delete(reply);
	reply = house_control(&h,
	    "{\"op\":\"status\",\"paths\":[\"db/workers/1\"]}");
	want(&h, strcmp(house_text(cJSON_GetArrayItem(cJSON_GetObjectItem(
	    reply, "children"), 0), "restart"), "temporary") == 0);
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

START_TEST(checkout_free_then_overflow_on_the_spot_then_a_fifo_queue)
{
	char first[PATH], second[PATH], third[PATH];
	struct otp *a, *b, *c;
	uint64_t waits[2];
	struct house h;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":1,");
	a = person(&h);
	b = person(&h);
	c = person(&h);
	is(&h, a, OTP_POOL_READY, 1, 0, 0);
	(void)snprintf(first, PATH, "%s", takes(&h, a));
	is(&h, a, OTP_POOL_OVERFLOW, 0, 0, 1);
	(void)snprintf(second, PATH, "%s", takes(&h, a));
	want(&h, strcmp(first, second) != 0);
	is(&h, a, OTP_POOL_FULL, 0, 1, 2);
	waits[0] = queues(&h, b, 1);
	waits[1] = queues(&h, c, 2);
	gives(&h, a, second);
	(void)snprintf(third, PATH, "%s", served(&h, b, waits[0]));
	want(&h, strcmp(third, second) == 0);
	until(&h, WAITING, 1);
	gives(&h, a, first);
	want(&h, strcmp(served(&h, c, waits[1]), first) == 0);
	otp_free(c);
	otp_free(b);
	otp_free(a);
	until(&h, FREE, 1);
	house_done(&h);
}
END_TEST

START_TEST(checkout_timeout_its_place_in_the_queue_is_cancelled)
{
	char first[PATH], path[PATH];
	struct otp *a, *b, *c;
	struct house h;
	uint64_t waits;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":0,");
	a = person(&h);
	b = person(&h);
	c = person(&h);
	(void)snprintf(first, PATH, "%s", takes(&h, a));
	want(&h, otp_pool_checkout(b, "db", 20, path, PATH) == -ETIMEDOUT);
	want(&h, strcmp(otp_reason(b), "timeout") == 0);
	until(&h, WAITING, 0);
	waits = queues(&h, c, 1);
	gives(&h, a, first);
	(void)served(&h, c, waits);	/* and not b, who is still there */
	is(&h, b, OTP_POOL_FULL, 0, 0, 1);
	otp_free(c);
	otp_free(b);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(checkout_timeout_a_worker_handed_over_meanwhile_goes_back)
{
	static const char take[] = "{\"op\":\"checkout\",\"ref\":77}";
	static const char leave[] = "{\"op\":\"cancel\",\"ref\":77}";
	uint64_t ref, other;
	struct house h;
	struct otp *a;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":0,");
	a = person(&h);
	want(&h, otp_send_request(a, "db", take, strlen(take), &ref) == 0);
	(void)otp_flush(a);
	until(&h, HELD, 1);
	want(&h, otp_send_request(a, "db", leave, strlen(leave), &other) == 0);
	is(&h, a, OTP_POOL_READY, 1, 0, 0);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(checkout_without_waiting_is_full)
{
	char path[PATH] = "untouched";
	struct house h;
	struct otp *a;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":1,");
	a = person(&h);
	want(&h, otp_pool_checkout(a, "db", 0, path, PATH) == 0);
	want(&h, otp_pool_checkout(a, "db", 0, path, PATH) == 0);
	(void)snprintf(path, PATH, "untouched");
	want(&h, otp_pool_checkout(a, "db", 0, path, PATH) == -EAGAIN);
	want(&h, strcmp(otp_reason(a), "full") == 0);
	want(&h, strcmp(path, "untouched") == 0);
	is(&h, a, OTP_POOL_FULL, 0, 1, 2);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(checkin_an_overflow_worker_is_stopped)
{
	char first[PATH], second[PATH], third[PATH];
	struct house h;
	struct otp *a;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":1,");
	a = person(&h);
	(void)snprintf(first, PATH, "%s", takes(&h, a));
	(void)snprintf(second, PATH, "%s", takes(&h, a));
	gives(&h, a, first);		/* whichever comes back first */
	is(&h, a, OTP_POOL_OVERFLOW, 0, 0, 1);
	/* At once there is room again, when that one has ended. */
	want(&h, otp_pool_checkout(a, "db", 0, third, PATH) == 0);
	want(&h, strcmp(third, first) != 0 && strcmp(third, second) != 0);
	house_order(&h, "error", "not_found",
	    "{\"op\":\"status\",\"paths\":[\"db/workers/1\"]}");
	gives(&h, a, second);
	gives(&h, a, third);
	is(&h, a, OTP_POOL_READY, 1, 0, 0);
	otp_free(a);
	house_done(&h);
}
END_TEST

/* One that takes its time to stop counts until it has. */
START_TEST(checkin_never_are_there_more_than_size_and_max_overflow)
{
	char text[1024], one[PATH], two[PATH], three[PATH];
	struct house h;
	struct otp *a;
	int pid;

	house_init(&h, __func__);
	(void)snprintf(text, sizeof(text), "{\"id\":\"db\",\"type\":\"pool\","
	    "\"size\":1,\"max_overflow\":1,\"template\":{\"shutdown\":300,"
	    "\"start\":[\"%s\",\"stubborn\"]}}",
	    house_program(&h, "tests/integration/service"));
	house_child(&h, text);
	house_start(&h);
	a = person(&h);
	(void)snprintf(one, PATH, "%s", takes(&h, a));
	(void)snprintf(two, PATH, "%s", takes(&h, a));
	pid = house_pid(&h, two);
	gives(&h, a, two);
	want(&h, otp_pool_checkout(a, "db", 0, three, PATH) == 0);
	want(&h, kill(pid, 0) < 0 && errno == ESRCH);
	want(&h, strcmp(three, two) != 0);
	otp_free(a);
	house_done(&h);
}
END_TEST

/* The last one that came back is lent next, or the one before. */
START_TEST(checkin_a_core_worker_goes_to_the_front_or_to_the_back)
{
	char one[PATH], two[PATH];
	struct house h;
	struct otp *a;

	pool_house(&h, __func__, _i == 0 ? "\"size\":2," :
	    "\"size\":2,\"order\":\"fifo\",");
	a = person(&h);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(one, PATH, "%s", takes(&h, a));
		(void)snprintf(two, PATH, "%s", takes(&h, a));
		gives(&h, a, one);
		gives(&h, a, two);
		(void)snprintf(two, PATH, "%s", takes(&h, a));
		want(&h, (strcmp(one, two) == 0) == (_i == 1));
		gives(&h, a, two);
	}
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(checkin_by_a_stranger_or_twice_is_ignored)
{
	char mine[PATH], again[PATH];
	struct otp *a, *b;
	struct house h;

	pool_house(&h, __func__, "\"size\":2,\"max_overflow\":0,");
	a = person(&h);
	b = person(&h);
	(void)snprintf(mine, PATH, "%s", takes(&h, a));
	gives(&h, b, mine);
	is(&h, b, OTP_POOL_READY, 1, 0, 1);
	gives(&h, b, "db/workers/none");
	gives(&h, b, "\"");
	is(&h, b, OTP_POOL_READY, 1, 0, 1);
	gives(&h, a, mine);
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	(void)snprintf(again, PATH, "%s", takes(&h, b));
	want(&h, strcmp(mine, again) == 0);
	gives(&h, a, mine);		/* it is another's now */
	is(&h, a, OTP_POOL_READY, 1, 0, 1);
	otp_free(b);
	otp_free(a);
	house_done(&h);
}
END_TEST

/* A process that takes n workers and then waits to be killed. */
static pid_t
holder(struct house *h, int n, int told)
{
	char path[PATH];
	struct otp *o;
	pid_t pid = fork();

	want(h, pid >= 0);
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	o = person(h);
	for (int i = 0; i < n; i++)
		if (otp_pool_checkout(o, "db", OTP_INFINITY, path, PATH) < 0)
			_exit(1);
	if (told >= 0)
		(void)!write(told, "", 1);
	for (;;)
		(void)pause();
}

static void
kills(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

START_TEST(holder_dies_its_workers_are_checked_in)
{
	struct house h;
	uint64_t waits;
	struct otp *b;
	pid_t pid, loser;

	pool_house(&h, __func__, "\"size\":2,\"max_overflow\":1,");
	pid = holder(&h, 3, -1);
	until(&h, HELD, 3);
	loser = holder(&h, 1, -1);	/* who waits, and dies waiting */
	until(&h, WAITING, 1);
	b = person(&h);
	waits = queues(&h, b, 2);
	kills(loser);
	until(&h, WAITING, 1);
	kills(pid);
	(void)served(&h, b, waits);
	until(&h, FREE, 1);
	is(&h, b, OTP_POOL_READY, 1, 0, 1);
	otp_free(b);
	until(&h, FREE, 2);
	house_done(&h);
}
END_TEST

static void
kill_worker(struct house *h, const char *path)
{
	want(h, kill(house_pid(h, path), SIGKILL) == 0);
}

START_TEST(worker_dies_free_or_held_it_is_replaced)
{
	char mine[PATH], other[PATH];
	struct house h;
	struct otp *a;

	pool_house(&h, __func__, "\"size\":2,\"max_overflow\":0,");
	a = person(&h);
	(void)snprintf(mine, PATH, "%s", takes(&h, a));
	kill_worker(&h, mine);
	until(&h, FREE, 2);
	gives(&h, a, mine);		/* it is nobody's */
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	(void)snprintf(other, PATH, "%s", takes(&h, a));
	want(&h, strcmp(mine, other) != 0);
	gives(&h, a, other);
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	kill_worker(&h, other);
	house_await(&h, other, "gone");
	/* The pool may hear of it a moment after us. */
	while (strcmp(takes(&h, a), other) == 0)
		gives(&h, a, other);
	want(&h, strcmp(takes(&h, a), other) != 0);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(worker_dies_an_overflow_one_only_if_someone_waits)
{
	char one[PATH], two[PATH];
	struct otp *a, *b;
	struct house h;
	uint64_t waits;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":1,");
	a = person(&h);
	b = person(&h);
	(void)snprintf(one, PATH, "%s", takes(&h, a));
	(void)snprintf(two, PATH, "%s", takes(&h, a));
	kill_worker(&h, two);
	until(&h, OVERFLOW, 0);
	is(&h, a, OTP_POOL_OVERFLOW, 0, 0, 1);
	(void)snprintf(two, PATH, "%s", takes(&h, a));
	waits = queues(&h, b, 1);
	kill_worker(&h, one);
	want(&h, strcmp(served(&h, b, waits), one) != 0);
	is(&h, a, OTP_POOL_FULL, 0, 1, 2);
	otp_free(b);
	otp_free(a);
	house_done(&h);
}
END_TEST

static int
do_it(struct otp *self, const char *worker, void *arg)
{
	struct otp_pool_status s;

	(void)snprintf(arg, PATH, "%s", worker);
	if (otp_pool_status(self, "db", WANT_MS, &s) < 0 || s.held != 1)
		return -1;
	return strstr(worker, "db/workers/") == worker ? 42 : -7;
}

static int
fail_it(struct otp *self, const char *worker, void *arg)
{
	(void)self;
	(void)worker;
	(void)arg;
	return -EIO;
}

START_TEST(transaction_checks_in_in_all_cases)
{
	char worker[PATH];
	struct house h;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":0,");
	want(&h, otp_pool_transaction(h.o, "db", do_it, worker, WANT_MS) ==
	    42);
	is(&h, h.o, OTP_POOL_READY, 1, 0, 0);
	want(&h, otp_pool_transaction(h.o, "db", fail_it, NULL, WANT_MS) ==
	    -EIO);
	is(&h, h.o, OTP_POOL_READY, 1, 0, 0);
	(void)takes(&h, h.o);
	want(&h, otp_pool_transaction(h.o, "db", do_it, worker, 0) ==
	    -EAGAIN);
	house_done(&h);
}
END_TEST

/* No overflow at all: full when the last one is lent. */
START_TEST(status_is_ready_overflow_or_full)
{
	struct house h;

	pool_house(&h, __func__, _i == 0 ? "\"size\":1,\"max_overflow\":0," :
	    "\"size\":0,\"max_overflow\":1,");
	is(&h, h.o, _i == 0 ? OTP_POOL_READY : OTP_POOL_OVERFLOW, _i == 0, 0,
	    0);
	(void)takes(&h, h.o);
	is(&h, h.o, OTP_POOL_FULL, 0, _i == 0 ? 0 : 1, 1);
	house_done(&h);
}
END_TEST

START_TEST(worker_supervisor_dies_the_pool_ends_with_the_same_reason)
{
	struct house h;

	pool_house(&h, __func__, _i == 0 ? "" : "\"size\":0,");
	house_order(&h, "result", "ok",
	    "{\"op\":\"stop\",\"path\":\"db/workers\"}");
	house_await(&h, "db/pool", "stopped");
	house_is(&h, "db/pool", "stopped", "shutdown");
	want(&h, otp_pool_status(h.o, "db", WANT_MS, NULL) == -OTP_ENOPROC);
	house_order(&h, "result", "ignored",
	    "{\"op\":\"start\",\"path\":\"db/pool\"}");
	house_order(&h, "result", "started",
	    "{\"op\":\"start\",\"path\":\"db/workers\"}");
	house_order(&h, "result", "started",
	    "{\"op\":\"start\",\"path\":\"db/pool\"}");
	is(&h, h.o, _i == 0 ? OTP_POOL_READY : OTP_POOL_OVERFLOW,
	    _i == 0 ? 5 : 0, 0, 0);
	house_done(&h);
}
END_TEST

/* --- starts that fail --- */

START_TEST(a_pool_without_its_workers_does_not_start)
{
	struct house h;

	house_init(&h, __func__);
	house_child(&h, "{\"id\":\"db\",\"type\":\"pool\",\"down\":true,"
	    "\"template\":{\"start\":[\"/nonexistent/worker\"]}}");
	house_start(&h);
	house_order(&h, "error", "start_failed",
	    "{\"op\":\"start\",\"path\":\"db\"}");
	house_done(&h);
}
END_TEST

START_TEST(an_overflow_worker_that_does_not_start_fails_one_caller)
{
	char text[1024], path[PATH], program[512];
	struct house h;
	struct otp *a;

	house_init(&h, __func__);
	(void)snprintf(program, sizeof(program), "%s/worker", h.rig.dir);
	want(&h, symlink("/bin/sleep", program) == 0);
	(void)snprintf(text, sizeof(text), "{\"id\":\"db\",\"type\":\"pool\","
	    "\"size\":1,\"template\":{\"start\":[\"%s\",\"1000\"]}}", program);
	house_child(&h, text);
	house_start(&h);
	a = person(&h);
	(void)takes(&h, a);
	want(&h, unlink(program) == 0);
	want(&h, otp_pool_checkout(a, "db", WANT_MS, path, PATH) ==
	    -OTP_EREMOTE);
	want(&h, strstr(otp_reason(a), "worker") != NULL);
	is(&h, a, OTP_POOL_OVERFLOW, 0, 0, 1);
	want(&h, symlink("/bin/sleep", program) == 0);
	(void)takes(&h, a);
	is(&h, a, OTP_POOL_OVERFLOW, 0, 1, 2);
	otp_free(a);
	house_done(&h);
}
END_TEST

/* --- survival --- */

START_TEST(engine_killed_loans_and_queue_are_kept)
{
	char mine[PATH];
	struct otp *a, *b;
	struct house h;
	uint64_t waits;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":1,");
	a = person(&h);
	b = person(&h);
	(void)snprintf(mine, PATH, "%s", takes(&h, a));
	(void)takes(&h, a);
	waits = queues(&h, b, 1);
	house_kill_engine(&h);
	is(&h, a, OTP_POOL_FULL, 0, 1, 2);
	kill_worker(&h, mine);		/* the next engine tells of it */
	want(&h, strcmp(served(&h, b, waits), mine) != 0);
	house_kill_engine(&h);
	otp_free(b);
	until(&h, OVERFLOW, 0);
	otp_free(a);
	until(&h, FREE, 1);
	house_done(&h);
}
END_TEST

/* The engine is stopped over the question, and dies: nothing is lost. */
START_TEST(engine_killed_while_a_worker_starts)
{
	struct house h;
	cJSON *info;
	uint64_t ref;
	pid_t engine;
	struct otp *a;

	pool_house(&h, __func__, "\"size\":1,\"max_overflow\":2,");
	a = person(&h);
	(void)takes(&h, a);
	info = house_control(&h, "{\"op\":\"info\"}");
	engine = (pid_t)house_number(info, "engine_pid");
	cJSON_Delete(info);
	want(&h, kill(engine, SIGSTOP) == 0);
	ref = queues(&h, a, 1);		/* its start has been asked for */
	want(&h, kill(engine, SIGKILL) == 0);
	h.crashed = true;
	(void)served(&h, a, ref);
	is(&h, a, OTP_POOL_OVERFLOW, 0, 1, 2);
	house_settle(&h);
	info = house_control(&h,
	    "{\"op\":\"count_children\",\"sup\":\"db/workers\"}");
	want(&h, (int)house_number(info, "active") == 2);
	cJSON_Delete(info);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(pool_server_killed_all_begin_anew)
{
	char mine[PATH];
	struct house h;
	struct otp *a;
	int worker;

	pool_house(&h, __func__, "\"size\":2,\"max_overflow\":0,");
	a = person(&h);
	(void)snprintf(mine, PATH, "%s", takes(&h, a));
	worker = house_pid(&h, mine);
	want(&h, kill(house_pid(&h, "db/pool"), SIGKILL) == 0);
	house_ends(&h, "db/pool", 1, "killed");
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	want(&h, kill(worker, 0) < 0 && errno == ESRCH);
	gives(&h, a, mine);		/* a loan of the one before */
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	otp_free(a);
	house_done(&h);
}
END_TEST

START_TEST(pool_server_restarted_alone_ends_what_was_lent)
{
	char mine[PATH];
	struct house h;
	struct otp *a;
	int worker;

	pool_house(&h, __func__, "\"size\":2,\"max_overflow\":1,");
	a = person(&h);
	(void)snprintf(mine, PATH, "%s", takes(&h, a));
	worker = house_pid(&h, mine);
	house_order(&h, "result", "started",
	    "{\"op\":\"restart\",\"path\":\"db/pool\"}");
	is(&h, a, OTP_POOL_READY, 2, 0, 0);
	want(&h, kill(worker, 0) < 0 && errno == ESRCH);
	otp_free(a);
	house_done(&h);
}
END_TEST

static const char *const nonsense[] = { "", "{", "[]", "null",
	"{\"op\":\"steal\"}", "{\"op\":7}", "{\"op\":\"checkout",
	"{\"op\":\"\\u0000checkout\"}", "\xff" };

START_TEST(bad_input_is_refused)
{
	char *reply = NULL;
	struct house h;

	pool_house(&h, __func__, "");
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		want(&h, otp_call(h.o, "db", nonsense[i],
		    strlen(nonsense[i]), WANT_MS, &reply, NULL) == 0);
		want(&h, strstr(reply, "\"error\":\"bad_request\"") != NULL);
		free(reply);
		(void)otp_cast(h.o, "db", nonsense[i], strlen(nonsense[i]));
		(void)otp_send(h.o, "db", nonsense[i], strlen(nonsense[i]));
	}
	cJSON_Delete(house_ask(&h, "db",
	    "{\"op\":\"checkin\",\"worker\":[7]}"));
	cJSON_Delete(house_ask(&h, "db",
	    "{\"op\":\"checkin\",\"worker\":\"db/workers/1\"}"));
	cJSON_Delete(house_ask(&h, "db",
	    "{\"op\":\"checkout\",\"ref\":-1,\"block\":7}"));
	is(&h, h.o, OTP_POOL_READY, 4, 0, 1);
	house_done(&h);
}
END_TEST

/* --- many --- */

static int
people(void)
{
	const char *text = getenv("OTPD_POOL_PEOPLE");
	int n = text == NULL ? 40 : atoi(text);

	return n < 2 ? 2 : n > PEOPLE_MAX ? PEOPLE_MAX : n;
}

/* Each worker once. */
static void
takes_once(struct house *h, bool *taken, int n, const char *path)
{
	int id = atoi(strrchr(path, '/') + 1);

	if (id < 1 || id > n || taken[id])
		rig_fail(&h->rig, "%s is lent twice, or none of ours", path);
	taken[id] = true;
}

/*
 * Half of the holders die at once: the first half of those who wait are served,
 * each with a worker of its own, and nobody else.  Then the other half.
 */
START_TEST(holders_killed_while_as_many_wait)
{
	static struct otp *waiting[PEOPLE_MAX];
	static uint64_t refs[PEOPLE_MAX];
	static pid_t holders[PEOPLE_MAX];
	static bool taken[PEOPLE_MAX + 1];
	int n = people(), half = n / 2, told[2];
	char more[64], byte;
	struct house h;

	(void)snprintf(more, sizeof(more), "\"size\":%d,\"max_overflow\":0,",
	    n);
	pool_house(&h, __func__, more);
	want(&h, pipe(told) == 0);
	for (int i = 0; i < n; i++)
		holders[i] = holder(&h, 1, told[1]);
	for (int i = 0; i < n; i++)
		want(&h, read(told[0], &byte, 1) == 1);
	is(&h, h.o, OTP_POOL_FULL, 0, 0, (uint32_t)n);
	for (int i = 0; i < n; i++) {
		waiting[i] = person(&h);
		refs[i] = queues(&h, waiting[i], (uint32_t)i + 1);
	}
	for (int part = 0; part < 2; part++) {
		int from = part == 0 ? 0 : half, to = part == 0 ? half : n;

		for (int i = from; i < to; i++)
			want(&h, kill(holders[i], SIGKILL) == 0);
		if (part == 0)
			house_kill_engine(&h);	/* it has no part in this */
		for (int i = from; i < to; i++) {
			takes_once(&h, taken, n, served(&h, waiting[i],
			    refs[i]));
			(void)waitpid(holders[i], NULL, 0);
		}
		until(&h, WAITING, (uint32_t)(n - to));
		is(&h, h.o, OTP_POOL_FULL, 0, 0, (uint32_t)n);
	}
	for (int i = 0; i < n; i++)
		otp_free(waiting[i]);
	until(&h, FREE, (uint32_t)n);
	is(&h, h.o, OTP_POOL_READY, (uint32_t)n, 0, 0);
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("workers: pools");
	TCase *c = tcase_create("rules"), *e = tcase_create("survival"),
	    *m = tcase_create("many");

	tcase_set_timeout(c, 60);
	tcase_add_test(c,
	    parts_a_pool_of_5_and_10_more_lifo_and_temporary_workers);
	tcase_add_test(c,
	    checkout_free_then_overflow_on_the_spot_then_a_fifo_queue);
	tcase_add_test(c,
	    checkout_timeout_its_place_in_the_queue_is_cancelled);
	tcase_add_test(c,
	    checkout_timeout_a_worker_handed_over_meanwhile_goes_back);
	tcase_add_test(c, checkout_without_waiting_is_full);
	tcase_add_test(c, checkin_an_overflow_worker_is_stopped);
	tcase_add_test(c,
	    checkin_never_are_there_more_than_size_and_max_overflow);
	tcase_add_loop_test(c,
	    checkin_a_core_worker_goes_to_the_front_or_to_the_back, 0, 2);
	tcase_add_test(c, checkin_by_a_stranger_or_twice_is_ignored);
	tcase_add_test(c, holder_dies_its_workers_are_checked_in);
	tcase_add_test(c, worker_dies_free_or_held_it_is_replaced);
	tcase_add_test(c, worker_dies_an_overflow_one_only_if_someone_waits);
	tcase_add_test(c, transaction_checks_in_in_all_cases);
	tcase_add_loop_test(c, status_is_ready_overflow_or_full, 0, 2);
	tcase_add_loop_test(c,
	    worker_supervisor_dies_the_pool_ends_with_the_same_reason, 0, 2);
	tcase_add_test(c, a_pool_without_its_workers_does_not_start);
	tcase_add_test(c,
	    an_overflow_worker_that_does_not_start_fails_one_caller);
	tcase_add_test(c, bad_input_is_refused);
	suite_add_tcase(s, c);
	tcase_set_timeout(e, 60);
	tcase_add_test(e, engine_killed_loans_and_queue_are_kept);
	tcase_add_test(e, engine_killed_while_a_worker_starts);
	tcase_add_test(e, pool_server_killed_all_begin_anew);
	tcase_add_test(e, pool_server_restarted_alone_ends_what_was_lent);
	suite_add_tcase(s, e);
	tcase_set_timeout(m, 300);
	tcase_add_test(m, holders_killed_while_as_many_wait);
	suite_add_tcase(s, m);
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
