/* SPDX-License-Identifier: ISC */
/*
 * Taking over.  The table and the descriptors are believed as far as they were
 * checked and the kernel agrees; the engine and the logger are replaced, for
 * what they had been told is not known.  No service may notice, and none may
 * ever run twice.
 */
#include "spawner/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner/adopted.h"
#include "spawner/channel.h"
#include "spawner/programs.h"
#include "spawner/quit.h"
#include "spawner/reap.h"
#include "spawner/say.h"
#include "spawner/watchdog.h"

#define PATIENCE	(3000 * MS)	/* with the logger */

/* A number of the environment, which loses it; -1: none. */
static int64_t
take_number(const char *name)
{
	const char *p = getenv(name);
	int64_t n = 0;

	if (p == NULL)
		return -1;
	for (; *p >= '0' && *p <= '9' && n < INT64_MAX / 16; p++)
		n = n * 10 + (*p - '0');
	if (*p != '\0')
		n = -1;
	(void)unsetenv(name);
	return n;
}

int
takeover_asked(struct spawner *sp)
{
	int64_t fd = take_number(MANIFEST_ENV);
	int64_t nofile = take_number(NOFILE_ENV);

	if (fd >= 0 && nofile > 0)
		sp->first_nofile = (uint64_t)nofile;
	return fd < 1 << 20 ? (int)fd : -1;
}

static void
close_on_exec(int fd)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* It runs, or waits to be reaped by us. */
static bool
is_child(int pid)
{
	siginfo_t si;

	return waitid(P_PID, (id_t)pid, &si,
	    WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* It has ended and nobody can be asked how; false when what said that it was
 * a process of ours was not worth keeping. */
static bool
gone(struct table *t, struct child *c)
{
	bool intact = table_intact(c);

	table_ended(t, c, SPAWN_STATUS_UNKNOWN, now_ns());
	c->adopted = 0;
	if (!intact)
		table_forget(t, c);
	return intact;
}

/* The kernel's word on a record. */
static bool
settle(struct spawner *sp, struct child *c)
{
	struct table *t = &sp->table;
	bool lives = c->pid > 1 && c->pid != sp->engine->pid &&
	    c->pid != sp->logger->pid &&
	    (c->adopted ? adopted_check(sp, c) : is_child(c->pid));

	if (c->state == 0 && lives && table_by_pid(t, c->pid) == NULL)
		table_alive(t, c, now_ns());
	else if (c->state == 0)
		table_failed(t, c, SPAWN_STEP_FORK, EAGAIN);
	else if (c->state == SPAWN_ALIVE && !lives)
		return gone(t, c);
	return true;
}

static uint32_t
settle_all(struct spawner *sp)
{
	uint32_t bad = 0, i;

	for (i = 1; i < sp->table.high; i++)
		if (sp->table.slots[i].inc != 0 &&
		    !settle(sp, &sp->table.slots[i]))
			bad++;
	return bad;
}

int
takeover(struct spawner *sp, int fd)
{
	char number[SAY_NUMBER];
	uint32_t bad = 0;
	int rc;

	rc = manifest_load(sp, fd, &bad);
	if (rc < 0)
		return rc;
	manifest_each_fd(sp->carried, sp->held.high, close_on_exec);
	adopted_each_fd(sp->table.slots, sp->table.high, close_on_exec);
	if (sp->engine->pid != 0 && !is_child(sp->engine->pid))
		sp->engine->pid = 0;
	if (sp->logger->pid != 0 && !is_child(sp->logger->pid))
		sp->logger->pid = 0;
	bad += settle_all(sp);
	if (bad > 0)
		SAY(sp->err, "of what was to be taken over, ",
		    say_number(bad, number), " records made no sense");
	return 0;
}

/* It is told by its channel's end, or at once, and another is started when
 * the kernel says that it has ended. */
static void
replace(struct spawner *sp, struct program *p)
{
	struct epoll_event ev = { .events = EPOLLIN, .data = { .ptr = p } };

	if (p->channel >= 0 &&
	    epoll_ctl(sp->epoll, EPOLL_CTL_ADD, p->channel, &ev) == 0)
		p->events = EPOLLIN;
	p->replaced = p->pid != 0;
	if (!p->replaced)
		p->restart_ns = now_ns();
}

static void
watch_adopted(struct spawner *sp)
{
	int rc = adopted_init(sp);

	if (rc == 0)
		return;
	SAY(sp->err, "cannot watch all services that were taken over: ",
	    strerror(-rc), "; the ends of some are noticed a little later");
	watchdog_trouble(sp, SPAWN_T_UNWATCHED, -rc);
}

void
takeover_go_on(struct spawner *sp)
{
	struct manifest *m = sp->carried;
	uint32_t quitting = m->quitting;

	(void)prctl(PR_SET_NAME, "otpd");
	if (m->upgrading != 0) {
		m->upgrading = 0;
		m->upgrades++;
		memcpy(m->upgraded_from, m->c.version, sizeof(m->c.version));
		program_resume(sp->engine);	/* it is another one */
	}
	manifest_seal(sp);
	watch_adopted(sp);
	replace(sp, sp->engine);
	replace(sp, sp->logger);
	if (sp->engine->pid != 0)
		(void)kill(sp->engine->pid, SIGKILL);
	else {
		requests_drain(sp);
		/* Its HELLO may have been among them: the next one's counts. */
		sp->untold = (struct untold){ .hello = false };
		channel_close(sp->engine);
	}
	channel_finish(sp->logger);
	if (sp->logger->pid != 0)
		sp->logger->kill_ns = now_ns() + PATIENCE;
	reap_all(sp);
	if (quitting != 0)
		quit_begin(sp, (int)quitting - 1);
}

/* The manifest knows more, but is not to be believed. */
static void
restore_limits(uint64_t nofile)
{
	struct rlimit l;

	if (nofile == 0 || getrlimit(RLIMIT_NOFILE, &l) < 0 ||
	    nofile > l.rlim_max)
		return;
	l.rlim_cur = (rlim_t)nofile;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

void
takeover_give_up(struct spawner *sp, int error)
{
	siginfo_t si;
	int fd;

	/* The low ones are for staging; these may be known all the same. */
	if (sp->out >= LOW_FDS)
		(void)dup2(sp->out, STDOUT_FILENO);
	if (sp->err >= LOW_FDS)
		(void)dup2(sp->err, STDERR_FILENO);
	SAY(STDERR_FILENO, "cannot take over what runs: ",
	    error == EPROTO ? "it was written in another form" :
	    error == EBADMSG ? "it makes no sense" : strerror(error),
	    "; it is killed, and all begins anew");
	/* What it was before us is not known; ours is not for services. */
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "0", 1);
		(void)close(fd);
	}
	for (;;) {
		quit_kill_children(NULL);
		if (waitid(P_ALL, 0, &si, WEXITED) < 0 && errno == ECHILD)
			break;
	}
	restore_limits(sp->first_nofile);
	memset(&sp->table, 0, sizeof(sp->table));
	memset(&sp->held, 0, sizeof(sp->held));
}
