/* SPDX-License-Identifier: ISC */
/*
 * The engine and the logger.  They may die at any time, and no service is to
 * notice: each is started again at once, and only one that keeps dying waits,
 * a little longer each time.  Must never stop trying.
 */
#include "spawner/programs.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner/channel.h"
#include "spawner/quit.h"
#include "spawner/say.h"
#include "spawner/spawn.h"
#include "spawner/watchdog.h"

#define LOOP_WITHIN	(10000 * MS)	/* DEATHS_KEPT of them: it loops */
#define DELAY_MIN	(100 * MS)
#define DELAY_MAX	(5000 * MS)
#define UP_FOR		(1000 * MS)	/* so long, and it has got over it */
#define ARGS_MAX	14

struct command {
	char		path[PATH_MAX + 16];
	const char	*argv[ARGS_MAX];
};

void
programs_init(struct spawner *sp)
{
	uint64_t now = now_ns();

	sp->logger->restart_ns = now;
	sp->engine->restart_ns = now;
}

static void
set_path(const struct spawner *sp, const char *program, struct command *out)
{
	size_t dir = strlen(sp->opt.libexec);

	memcpy(out->path, sp->opt.libexec, dir);
	memcpy(out->path + dir, program, strlen(program) + 1);
}

enum spawn_rung
program_rung(const struct program *p)
{
	static const enum spawn_rung rungs[] = { SPAWN_RUNG_LATEST,
		SPAWN_RUNG_LATEST, SPAWN_RUNG_BEFORE, SPAWN_RUNG_COLD };

	return p->crashed < sizeof(rungs) / sizeof(rungs[0]) ?
	    rungs[p->crashed] : SPAWN_RUNG_HOLD;
}

void
program_resume(struct program *p)
{
	p->crashed = 0;
	p->delay_ns = 0;
	memset(p->deaths, 0, sizeof(p->deaths));
}

static void
engine_command(const struct spawner *sp, struct command *out)
{
	static const char *const rungs[] = { "0", "1", "2", "3", "4" };
	const struct options *o = &sp->opt;
	int n = 0;

	set_path(sp, "/otp-engine", out);
	out->argv[n++] = out->path;
	if (o->check)
		out->argv[n++] = "-n";
	if (o->quiet)
		out->argv[n++] = "-q";
	if (o->verbose)
		out->argv[n++] = "-v";
	out->argv[n++] = "-c";
	out->argv[n++] = o->config;
	if (!o->check) {
		out->argv[n++] = "-R";
		out->argv[n++] = rungs[program_rung(sp->engine)];
		out->argv[n++] = "-r";
		out->argv[n++] = o->runtime;
		out->argv[n++] = "-l";
		out->argv[n++] = o->logs;
	}
	out->argv[n] = NULL;
}

static void
logger_command(const struct spawner *sp, struct command *out)
{
	int n = 0;

	set_path(sp, "/otp-logger", out);
	out->argv[n++] = out->path;
	out->argv[n++] = "-r";
	out->argv[n++] = sp->opt.runtime;
	out->argv[n++] = "-l";
	out->argv[n++] = sp->opt.logs;
	out->argv[n] = NULL;
}

/* Everything it is started with; channel is its end of the new pair. */
static int
stage(struct spawner *sp, const struct program *p, int channel, int *out_nfds)
{
	bool engine = p == sp->engine;
	int fds[] = {
		sp->null, sp->out, sp->err, channel,
		sp->control[engine ? 0 : 1], sp->link[engine ? 0 : 1],
		engine ? sp->notify : sp->carry,
		engine ? sp->snapshot[0] : sp->carry_pipe[0],
		engine ? sp->snapshot[1] : sp->carry_pipe[1]
	};
	int i, rc = 0;

	*out_nfds = 1 + (engine ? SPAWN_FD_ENGINE_LAST : SPAWN_FD_LOGGER_LAST);
	for (i = 0; i < *out_nfds && rc == 0; i++)
		rc = spawn_stage(sp, i, fds[i]);
	return rc;
}

static int
execute(struct spawner *sp, struct program *p, int channel, struct report *out)
{
	struct command command;
	struct job job = {
		.argv = command.argv, .env = (const char *const *)sp->env,
		.cwd = "", .uid = SPAWN_KEEP, .gid = SPAWN_KEEP,
		.umask = SPAWN_KEEP
	};
	int rc;

	if (p == sp->engine)
		engine_command(sp, &command);
	else
		logger_command(sp, &command);
	*out = (struct report){ SPAWN_STEP_FDS, 0 };
	rc = stage(sp, p, channel, &job.nfds);
	if (rc == 0)
		rc = spawn(sp, &job, &p->pid, out);
	else
		out->error = -rc;
	spawn_unstage_high(sp, SPAWN_FD_ENGINE_LAST + 1);
	return rc;
}

static int
open_channel(struct spawner *sp, struct program *p, int *out_theirs)
{
	struct epoll_event ev = { .events = EPOLLIN, .data = { .ptr = p } };
	int fds[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, fds) < 0)
		return -errno;
	if (epoll_ctl(sp->epoll, EPOLL_CTL_ADD, fds[0], &ev) < 0) {
		rc = -errno;
		(void)close(fds[0]);
		(void)close(fds[1]);
		return rc;
	}
	p->channel = fds[0];
	p->events = EPOLLIN;
	*out_theirs = fds[1];
	return 0;
}

/* Reads as a sentence in any case: a step's name says what failed.  It is tried
 * again and again, and said when there is something new to say. */
static void
say_failed(struct spawner *sp, const struct program *p, const struct report *r)
{
	int *said = &sp->watch.start_error[p == sp->logger];

	if (*said == r->error)
		return;
	*said = r->error;
	watchdog_trouble(sp, p == sp->engine ? SPAWN_T_ENGINE_START :
	    SPAWN_T_LOGGER_START, r->error);
	SAY(sp->err, "cannot start the ", p->name, " (",
	    sp->opt.libexec, "/otp-", p->name, "): ",
	    spawn_step_name((uint8_t)r->step), ": ", strerror(r->error));
}

static void
started(struct spawner *sp, struct program *p)
{
	int *said = &sp->watch.start_error[p == sp->logger];

	if (*said != 0)
		SAY(sp->err, "the ", p->name, " could be started now");
	*said = 0;
	p->started++;
	if (p == sp->logger)
		sp->untold.logger = true;
}

/* Nothing is given up for a reason that passes. */
static bool
passes(const struct report *r)
{
	return r->error == EAGAIN || r->error == ENOMEM ||
	    r->error == ENOSPC ||
	    r->error == EMFILE || r->error == ENFILE ||
	    r->error == ENOBUFS || r->error == EINTR || r->error == EBUSY;
}

/* By somebody else, not by what it was doing. */
static bool
killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* The machine had not what it needed. */
static bool
starved(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == SPAWN_EXIT_AGAIN;
}

/*
 * Crashes in a row make the next engine more careful.  One that served for a
 * while has got over what its predecessors died of.
 */
static void
count_crash(struct program *p, int status, uint64_t now)
{
	if (p->up && now - p->start_ns >= UP_FOR)
		p->crashed = 0;
	if (!killed(status) && !starved(status))
		p->crashed++;
}

/* Judges a death and decides when to try again. */
static void
schedule(struct program *p, uint64_t now)
{
	uint64_t oldest = p->deaths[DEATHS_KEPT - 2];

	if (now - p->start_ns >= LOOP_WITHIN || (p->up && killed(p->status))) {
		memset(p->deaths, 0, sizeof(p->deaths));
		p->delay_ns = 0;
		oldest = 0;
	}
	memmove(p->deaths + 1, p->deaths,
	    sizeof(p->deaths) - sizeof(p->deaths[0]));
	p->deaths[0] = now;
	if (p->delay_ns > 0)
		p->delay_ns *= 2;
	else if (oldest != 0 && now - oldest <= LOOP_WITHIN)
		p->delay_ns = DELAY_MIN;
	if (p->delay_ns > DELAY_MAX)
		p->delay_ns = DELAY_MAX;
	p->restart_ns = now + p->delay_ns;
}

static void
program_start(struct spawner *sp, struct program *p, uint64_t now)
{
	struct report report = { SPAWN_STEP_FDS, 0 };
	int theirs = -1, rc;

	p->restart_ns = 0;
	p->start_ns = now;
	p->up = false;
	watchdog_begin(sp, p);
	rc = open_channel(sp, p, &theirs);
	if (rc < 0) {
		report.error = -rc;
	} else {
		/* The pipes lie there before the engine's words can be read:
		 * what was forgotten meanwhile has its name until then. */
		if (p == sp->logger) {
			held_tell_all(&sp->held);
			tell_logger(sp);
		}
		rc = execute(sp, p, theirs, &report);
		(void)close(theirs);
	}
	if (rc < 0) {
		channel_close(p);
		p->pid = 0;
		say_failed(sp, p, &report);
		schedule(p, now);
		if (sp->engine->started == 0 && !passes(&report))
			quit_begin(sp, 1);
		else if (p->delay_ns == 0)
			p->restart_ns = now + DELAY_MIN;
		return;
	}
	started(sp, p);
}

void
programs_tick(struct spawner *sp, uint64_t now)
{
	if (sp->logger->kill_ns != 0 && now >= sp->logger->kill_ns) {
		sp->logger->kill_ns = 0;
		if (sp->logger->pid != 0)
			(void)kill(sp->logger->pid, SIGKILL);
	}
	if (sp->quit.phase != QUIT_NOT)
		return;
	if (sp->logger->restart_ns != 0 && now >= sp->logger->restart_ns)
		program_start(sp, sp->logger, now);
	if (sp->engine->restart_ns != 0 && now >= sp->engine->restart_ns)
		program_start(sp, sp->engine, now);
}

static void
say_died(struct spawner *sp, const struct program *p, int status)
{
	char number[SAY_NUMBER], delay[SAY_NUMBER];
	bool killed = WIFSIGNALED(status);
	long n = killed ? WTERMSIG(status) : WEXITSTATUS(status);

	if (p == sp->engine && program_rung(p) == SPAWN_RUNG_HOLD)
		SAY(sp->err, "the engine keeps crashing: services run on, "
		    "but nobody restarts them until: otpctl resume");
	SAY(sp->err, "the ", p->name, killed ? " was killed by signal " :
	    " exited with code ", say_number(n, number), "; starting it again ",
	    p->delay_ns == 0 ? "at once" : "in ",
	    p->delay_ns == 0 ? "" : say_number((long)(p->delay_ns / MS), delay),
	    p->delay_ns == 0 ? "" : " ms");
}

void
program_died(struct spawner *sp, struct program *p, int status)
{
	bool hello = sp->untold.hello;

	p->pid = 0;
	if (p == sp->engine) {
		requests_drain(sp);
		sp->untold = (struct untold){ .hello = false };
	} else {
		logger_readable(sp);
	}
	channel_close(p);
	p->kill_ns = 0;
	if (sp->quit.phase != QUIT_NOT)
		return;
	if (p->replaced) {
		p->replaced = false;
		p->status = 0;
		p->restart_ns = now_ns();
		return;
	}
	if (p == sp->engine && !hello && WIFEXITED(status) &&
	    !starved(status) && sp->table.alive == 0) {
		quit_begin(sp, WEXITSTATUS(status));
		return;
	}
	p->status = status;
	if (p == sp->engine && sp->watch.killed)	/* it is to blame */
		p->status = status = W_EXITCODE(0, SIGALRM);
	if (p->crashed > 0 || status != 0)	/* else it was resumed */
		count_crash(p, status, now_ns());
	schedule(p, now_ns());
	say_died(sp, p, status);
	if (program_rung(sp->engine) == SPAWN_RUNG_HOLD)
		program_tree_started(sp, 1);
}

void
program_tree_started(struct spawner *sp, unsigned char code)
{
	if (sp->ready < 0)
		return;
	if (write(sp->ready, &code, 1) < 0)
		SAY(sp->err, "the parent does not wait any more");
	sp->carried->ready = -1;
	(void)close(sp->ready);
	sp->ready = -1;
}

int
program_check(struct spawner *sp)
{
	struct command command;

	engine_command(sp, &command);
	(void)execve(command.path, (char *const *)(uintptr_t)command.argv,
	    sp->env);
	SAY(STDERR_FILENO, "cannot run ", command.path, ": ", strerror(errno));
	return 1;
}
