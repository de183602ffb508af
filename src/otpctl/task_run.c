/* SPDX-License-Identifier: ISC */
/*
 * The loop of `otpctl task run`: starts what there is room for, hears of ends,
 * kills what takes too long.  It goes on when the engine dies, for that does
 * not touch what runs.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "otpctl/task.h"

#define SECOND_NS	UINT64_C(1000000000)
#define RETRY_NS	(SECOND_NS / 50)
#define GIVE_UP_NS	(30 * SECOND_NS)
#define PROGRESS_NS	(SECOND_NS / 5)

enum { AT_ENGINE, AT_SIGNAL, AT_INPUT, NPLACES };

/* --- the engine --- */

static void
reply(void *arg, uint64_t ref, uint16_t tag, const char *payload, size_t len)
{
	struct task_run *r = arg;
	cJSON *object = tag == 0 ? cJSON_ParseWithLength(payload, len) : NULL;
	struct job *j;

	for (j = r->jobs; j != NULL; j = j->next)
		if (j->ref == ref && ref != 0)
			break;
	if (j != NULL && object == NULL)
		object = cJSON_Parse("{\"error\":\"invalid\",\"message\":"
		    "\"otpd refused the request\"}");
	if (j != NULL)
		job_reply(r, j, object);
	cJSON_Delete(object);
}

static void
lost(struct task_run *r)
{
	struct link *l = &r->c->links[CTL_ENGINE];
	uint64_t now = ctl_now_ns();

	if (l->client != NULL)
		client_close(l->client);
	l->client = NULL;
	if (r->retry_at == 0)
		r->give_up_at = now + GIVE_UP_NS;
	r->retry_at = now + RETRY_NS;
	if (now >= r->give_up_at) {
		ctl_warn("otpd is gone; what its tasks came to is not known");
		r->error = TASK_ITSELF;
	}
}

static void
talk(struct task_run *r)
{
	struct link *l = &r->c->links[CTL_ENGINE];

	if (l->client == NULL && ctl_now_ns() >= r->retry_at) {
		l->client = client_open(l->path, ctl_now_ns() + SECOND_NS);
		if (l->client == NULL) {
			lost(r);
			return;
		}
		r->retry_at = 0;
		job_ask_again(r);
	}
	if (l->client != NULL && client_turn(l->client, reply, r) < 0)
		lost(r);
}

/* --- what is to be done --- */

/* false: there is none, now or at all. */
static bool
take_next(struct task_run *r)
{
	char *line = NULL;

	if (!r->lines) {
		if (r->single_given)
			return false;
		r->single_given = true;
	} else {
		line = input_next(&r->in);
		if (line == NULL)
			return false;
	}
	job_new(r, line);
	return true;
}

static bool
more_to_come(const struct task_run *r)
{
	if (r->stopped_by != 0)
		return false;
	return r->waiting > 0 || (r->lines ? !r->in.ended ||
	    r->in.at < r->in.len : !r->single_given);
}

static void
start_some(struct task_run *r)
{
	struct job *j;

	if (r->stopped_by != 0 || r->retry_at != 0 ||
	    r->full_until > ctl_now_ns())
		return;
	for (j = r->jobs; j != NULL && r->waiting > 0; j = j->next)
		if (j->state == JOB_WAITING && r->running < r->most)
			job_start(r, j);
	while (r->waiting == 0 && r->running < r->most && take_next(r))
		;
}

static uint64_t
deadline_of(const struct task_run *r, const struct job *j)
{
	if (r->c->timeout_ns == 0 || r->c->timeout_ns == UINT64_MAX ||
	    j->state == JOB_DONE || j->state == JOB_WAITING || j->late)
		return 0;
	return j->began + r->c->timeout_ns;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Kill those whose time is up; when the next one's is. */
static uint64_t
kill_late(struct task_run *r)
{
	uint64_t now = ctl_now_ns(), at, next = 0;
	struct job *j;

	for (j = r->jobs; j != NULL; j = j->next) {
		at = deadline_of(r, j);
		if (at != 0 && at <= now)
			job_kill(r, j);
		else
			next = earlier(next, at);
	}
	return next;
}

/* --- signals --- */

static int
catch_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The first asks them to end, the second makes them. */
static void
take_signal(struct task_run *r)
{
	struct signalfd_siginfo si;
	struct job *j;

	if (read(r->signal_fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (r->signals++ == 0)
		r->stopped_by = (int)si.ssi_signo;
	for (j = r->jobs; j != NULL; j = j->next) {
		if (j->state == JOB_DONE || j->state == JOB_WAITING)
			continue;
		if (r->signals == 1)
			job_stop(r, j);
		else
			job_kill(r, j);
	}
}

/* --- the loop --- */

static int
ms_until(const struct task_run *r, uint64_t next)
{
	uint64_t now = ctl_now_ns();

	next = earlier(next, r->retry_at);
	if (r->full_until > now && r->waiting > 0)
		next = earlier(next, r->full_until);
	if (r->progress)
		next = earlier(next, now + PROGRESS_NS);
	if (next == 0)
		return -1;
	return next <= now ? 0 : next - now > INT_MAX * UINT64_C(1000000) ?
	    INT_MAX : (int)((next - now + 999999) / 1000000);
}

static void
wait_some(struct task_run *r, uint64_t next)
{
	struct client *client = r->c->links[CTL_ENGINE].client;
	struct pollfd pfd[NPLACES] = {
		[AT_ENGINE] = { .fd = -1, .events = POLLIN },
		[AT_SIGNAL] = { .fd = r->signal_fd, .events = POLLIN },
		[AT_INPUT] = { .fd = -1, .events = POLLIN },
	};

	if (client != NULL) {
		pfd[AT_ENGINE].fd = client_fd(client);
		if (client_unsent(client))
			pfd[AT_ENGINE].events |= POLLOUT;
	}
	if (r->lines && !r->in.ended && r->running < r->most &&
	    r->stopped_by == 0 && r->waiting == 0)
		pfd[AT_INPUT].fd = STDIN_FILENO;
	if (poll(pfd, NPLACES, ms_until(r, next)) < 0)
		return;
	if (pfd[AT_SIGNAL].revents != 0)
		take_signal(r);
	if (pfd[AT_INPUT].revents != 0)
		input_read(&r->in);
}

int
task_run(struct task_run *r)
{
	uint64_t next;

	r->signal_fd = catch_signals();
	if (r->signal_fd < 0) {
		ctl_warn("signals: %s", strerror(errno));
		return TASK_ITSELF;
	}
	while (r->error == 0) {
		start_some(r);
		next = kill_late(r);
		talk(r);
		show_done(r);
		if (r->running == 0 && !more_to_come(r))
			break;
		start_some(r);
		show_progress(r);
		wait_some(r, next);
	}
	show_no_progress(r);
	(void)close(r->signal_fd);
	return r->error;
}
