/* SPDX-License-Identifier: ISC */
/*
 * The clients; see crash_clients.h.  That somebody dies over a request is no
 * failure.  That nobody answers, or that an answer is wrong, is.
 */
#include "crash/crash_clients.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash/crash_tasks.h"

#define LIMIT_MS	15000	/* nothing takes that long */

struct me {			/* in a client */
	struct deaths	 d;		/* for its dice */
	struct otp	*o;
	unsigned	 number;
	struct client_note *note;
	char		 task_program[300];
};

static const char *const servers[] = { "a", "b", "c", "g1", "g2", "dyn/d0",
	"dyn/d1", "dyn/d2", "dyn/d3" };
#define NSERVERS	(sizeof(servers) / sizeof(servers[0]))
#define NNAMED		5	/* the first ones, by their names */
#define NBORROWERS	3	/* of one worker each */

static unsigned
roll(struct me *me, unsigned n)
{
	return deaths_roll(&me->d, n);
}

static void __attribute__((format(printf, 2, 3)))
fail(struct me *me, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (me->note->failure[0] == '\0')
		(void)vsnprintf(me->note->failure,
		    sizeof(me->note->failure), format, ap);
	va_end(ap);
}

/* Somebody may have died over it, or not be there. */
static bool
forgivable(int rc)
{
	return rc >= 0 || rc == -OTP_EDOWN || rc == -OTP_ENOPROC ||
	    rc == -OTP_EUNKNOWN;
}

/* --- what it does --- */

static void
ask_server(struct me *me, const char *to, const char *op, const char *arg)
{
	char request[128];
	int n = snprintf(request, sizeof(request),
	    "{\"op\":\"%s\",\"arg\":\"%s\"}", op, arg);
	int rc = otp_call(me->o, to, request, (size_t)n, LIMIT_MS, NULL,
	    NULL);

	if (!forgivable(rc))
		fail(me, "%s to %s: %s (%s)", request, to, otp_strerror(rc),
		    otp_reason(me->o));
}

static void
do_server(struct me *me)
{
	static const char *const ops[] = { "name", "unname", "put_u", "put_u",
		"drop_u", "update_u", "put_d", "put_d", "drop_d" };
	const char *op = ops[roll(me, sizeof(ops) / sizeof(ops[0]))];
	char arg[16];

	(void)snprintf(arg, sizeof(arg), "%c%u", strstr(op, "name") != NULL ?
	    'n' : 'k', roll(me, 6));
	ask_server(me, servers[roll(me, NSERVERS)], op, arg);
}

static void
do_watch(struct me *me)
{
	static const char *const ops[] = { "monitor", "monitor", "link",
		"unlink" };
	static const char *const more[] = { "state", "db" };
	unsigned target = roll(me, NNAMED + 2);
	const char *op = ops[roll(me, 4)];

	if (target >= NNAMED)
		op = "monitor";
	ask_server(me, servers[roll(me, NSERVERS)], op, target < NNAMED ?
	    servers[target] : more[target - NNAMED]);
}

static void
do_own(struct me *me)
{
	static const struct { const char *op, *arg; } rows[] = {
		{ "checkout", "db" }, { "checkout", "db" },
		{ "checkin", "db" }, { "task", "tasks" },
		{ "stop_task", "" }, { "exit", "1" },
	};
	unsigned i = roll(me, sizeof(rows) / sizeof(rows[0]));

	/* Some workers are left to those who wait for one. */
	ask_server(me, servers[roll(me, i < 3 ? NBORROWERS : NSERVERS)],
	    rows[i].op, rows[i].arg);
}

static void
do_via(struct me *me)
{
	char to[64], key[8];

	(void)snprintf(key, sizeof(key), "k%u", roll(me, 6));
	(void)otp_via(to, sizeof(to), "u", key, strlen(key));
	ask_server(me, to, "drop_d", key);
}

/* An order; what it comes to is seen at rest. */
static void
do_control(struct me *me)
{
	char request[200], *reply = NULL;
	unsigned id = roll(me, 4);
	int rc;

	switch (roll(me, 6)) {
	case 0: case 1: case 2:
		(void)snprintf(request, sizeof(request), "{\"op\":"
		    "\"start_child\",\"sup\":\"dyn\",\"spec\":{\"id\":"
		    "\"d%u\",\"args\":[%s]}}", id,
		    id == 0 ? "\"trap\"" : "");
		break;
	case 3: case 4:
		(void)snprintf(request, sizeof(request), "{\"op\":"
		    "\"terminate_child\",\"sup\":\"dyn\",\"id\":\"d%u%s\"}",
		    id, roll(me, 2) ? "" : "~1");
		break;
	default:
		(void)snprintf(request, sizeof(request), "{\"op\":\"restart\","
		    "\"path\":\"%s\"}", id == 0 ? "db" : id == 1 ? "state" :
		    "group");
		break;
	}
	rc = otp_control(me->o, request, LIMIT_MS, &reply, NULL);
	if (!forgivable(rc))
		fail(me, "%s: %s (%s)", request, otp_strerror(rc),
		    otp_reason(me->o));
	free(reply);
}

static void
do_agent(struct me *me)
{
	char path[16], value[24];
	int rc;

	(void)snprintf(path, sizeof(path), "/c%u", me->number);
	(void)snprintf(value, sizeof(value), "%llu",
	    (unsigned long long)++me->note->sent);
	rc = otp_agent_put(me->o, "state", path, value, LIMIT_MS);
	if (rc == 0)
		me->note->acked = me->note->sent;
	else if (!forgivable(rc))
		fail(me, "put of %s: %s (%s)", value, otp_strerror(rc),
		    otp_reason(me->o));
}

static void
do_pool(struct me *me)
{
	char worker[OTP_WORKER_MAX];
	int rc = otp_pool_checkout(me->o, "db", LIMIT_MS, worker,
	    sizeof(worker));

	/* A start may be refused while the whole pool is stopped. */
	if (!forgivable(rc) && rc != -OTP_EREMOTE)
		fail(me, "checkout: %s (%s)", otp_strerror(rc),
		    otp_reason(me->o));
	if (rc < 0)
		return;
	do_agent(me);
	rc = otp_pool_checkin(me->o, "db", worker);
	if (!forgivable(rc))
		fail(me, "checkin: %s", otp_strerror(rc));
}

static void
do_task(struct me *me)
{
	const char *const argv[] = { me->task_program, "say", "hello", "exit",
		"0", NULL };
	char *value = NULL;
	uint64_t task;
	int rc = otp_task_sup_async(me->o, "tasks", argv, "", 0,
	    OTP_TASK_COMMAND | (roll(me, 2) ? OTP_TASK_NOLINK : 0), &task);

	if (rc == 0)
		rc = otp_task_await(me->o, task, LIMIT_MS, &value, NULL);
	else if (rc == -OTP_EREMOTE)
		return;			/* refused */
	if (rc == -OTP_EUNKNOWN)
		tasks_tidy(me->o);
	if (!forgivable(rc))
		fail(me, "a task: %s (%s)", otp_strerror(rc),
		    otp_reason(me->o));
	else if (rc == 0 && strcmp(value, "hello\n") != 0)
		fail(me, "a task's value is %s", value);
	free(value);
}

static void
do_something(struct me *me)
{
	static const struct { unsigned below; void (*fn)(struct me *me); }
	rows[] = {
		{ 35, do_server }, { 50, do_watch }, { 60, do_own },
		{ 65, do_via }, { 72, do_control }, { 85, do_agent },
		{ 95, do_pool }, { 100, do_task },
	};
	unsigned what = roll(me, 100), i = 0;

	while (rows[i].below <= what)
		i++;
	rows[i].fn(me);
}

static void __attribute__((noreturn))
be_client(struct deaths *d, struct client *c, unsigned number, int fd)
{
	static struct me me;
	struct otp_options options = { .size = sizeof(options) };
	char run[256];
	unsigned n;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(run, sizeof(run), "%s/run", d->rig.dir);
	if (tasks_program(d->rig.dir, me.task_program,
	    sizeof(me.task_program)) < 0)
		_exit(1);
	options.runtime_dir = run;
	options.timeout_ms = LIMIT_MS;
	me.d.dice = d->dice;
	me.number = number;
	me.note = c->note;
	me.o = otp_new(&options);
	while (me.o != NULL && read(fd, &n, sizeof(n)) == sizeof(n)) {
		while (n-- > 0)
			do_something(&me);
		(void)!write(fd, "", 1);
	}
	otp_free(me.o);
	_exit(0);
}

/* --- from outside --- */

static void
make(struct deaths *d, struct client *c, unsigned number)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		rig_fail(&d->rig, "socketpair: %s", strerror(errno));
	(void)deaths_roll(d, 2);	/* other dice for each */
	(void)fflush(stdout);
	c->pid = fork();
	if (c->pid == 0) {
		(void)close(fds[0]);
		be_client(d, c, number, fds[1]);
	}
	if (c->pid < 0)
		rig_fail(&d->rig, "fork: %s", strerror(errno));
	(void)close(fds[1]);
	c->fd = fds[0];
}

void
clients_init(struct deaths *d, struct client clients[CLIENTS])
{
	struct client_note *notes = mmap(NULL, sizeof(*notes) * CLIENTS,
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (notes == MAP_FAILED)
		rig_fail(&d->rig, "mmap: %s", strerror(errno));
	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i] = (struct client){ .fd = -1, .note = &notes[i] };
}

void
clients_go(struct deaths *d, struct client clients[CLIENTS], unsigned n)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (clients[i].pid == 0)
			make(d, &clients[i], i);
		if (write(clients[i].fd, &n, sizeof(n)) != sizeof(n))
			rig_fail(&d->rig, "a client has ended");
	}
}

/* It has ended, or is about to; false: it lives on. */
static bool
buried(struct deaths *d, struct client *c, int flags)
{
	int status;
	pid_t pid = waitpid(c->pid, &status, flags);

	if (pid == 0)
		return false;
	(void)close(c->fd);
	if (pid < 0)
		rig_fail(&d->rig, "a client: %s", strerror(errno));
	if (status != 0 && status != SIGKILL)
		rig_fail(&d->rig, "a client's wait status is %#x", status);
	c->pid = 0;
	return true;
}

void
clients_await(struct deaths *d, struct client clients[CLIENTS])
{
	char byte;

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];

		rig_await_readable(&d->rig, c->fd, "a client");
		(void)buried(d, c, read(c->fd, &byte, 1) == 1 ? WNOHANG : 0);
		if (c->note->failure[0] != '\0')
			rig_fail(&d->rig, "client %u: %s", i,
			    c->note->failure);
	}
}

void
clients_end(struct deaths *d, struct client clients[CLIENTS])
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (clients[i].pid == 0)
			continue;
		(void)shutdown(clients[i].fd, SHUT_WR);
		(void)buried(d, &clients[i], 0);
	}
}
