/* SPDX-License-Identifier: ISC */
/*
 * The program: started, written to, read from, and ended.  It leads a process
 * group of its own, which does not outlive it; and it dies with otp-port.
 */
#include "workers/port/port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/reason.h"

#define QUEUE_MAX	(256U * 1024)	/* unread; then the callers wait */
#define READ_SIZE	65536

/* --- start --- */

static int
watch_signals(struct port *p)
{
	static const int signals[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP,
		SIGUSR1, SIGUSR2 };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaddset(&set, signals[i]);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	p->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return p->signals < 0 ? -errno : 0;
}

/* In the child: never returns. */
static void
become(char **argv, pid_t parent, int in, int out, int report)
{
	sigset_t none;
	int error;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && dup2(in, STDIN_FILENO) >= 0 &&
	    dup2(out, STDOUT_FILENO) >= 0)
		(void)execvp(argv[0], argv);
	error = errno;
	(void)!write(report, &error, sizeof(error));
	_exit(127);
}

static int
spawn(struct port *p, const int in[2], const int out[2], const int report[2])
{
	pid_t self = getpid();
	int error = 0;

	p->pid = fork();
	if (p->pid == 0)
		become(p->argv, self, in[0], out[1], report[1]);
	(void)close(in[0]);
	(void)close(out[1]);
	(void)close(report[1]);
	p->in = in[1];
	p->out = out[0];
	(void)fcntl(p->in, F_SETFL, O_NONBLOCK);
	(void)fcntl(p->out, F_SETFL, O_NONBLOCK);
	if (p->pid < 0) {
		p->pid = 0;
		return -errno;
	}
	if (read(report[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
		return 0;
	(void)waitpid(p->pid, NULL, 0);
	p->pid = 0;
	return -error;
}

int
program_start(struct port *p, const char **out_words)
{
	int in[2], out[2], report[2], rc;

	p->in = p->out = -1;
	*out_words = "signalfd";
	rc = watch_signals(p);
	if (rc < 0)
		return rc;
	*out_words = "pipe";
	/* What is left open by a failure ends with this process. */
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
	    pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	*out_words = "exec";
	rc = spawn(p, in, out, report);
	(void)close(report[0]);
	return rc;
}

/* --- what it is sent --- */

static void
close_in(struct port *p)
{
	if (p->in >= 0)
		(void)close(p->in);
	p->in = -1;
	p->queue.len = p->sent = 0;
}

static void
flush(struct port *p)
{
	ssize_t n;

	while (p->in >= 0 && p->sent < p->queue.len) {
		n = write(p->in, p->queue.data + p->sent,
		    p->queue.len - p->sent);
		if (n > 0)
			p->sent += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			return;
		else if (n < 0 && errno != EINTR)
			close_in(p);	/* why shows when it ends */
	}
	p->queue.len = p->sent = 0;
	if (p->queue.cap > READ_SIZE)
		text_done(&p->queue);
}

void
program_send(struct port *p, const struct text *line)
{
	if (p->in < 0)
		return;
	text_add(&p->queue, line->data, line->len);
	text_puts(&p->queue, "\n");
	flush(p);
	while (p->in >= 0 && p->queue.len - p->sent > QUEUE_MAX && !p->ended &&
	    !p->stopping)
		program_wait(p, -1, -1);
}

/* --- what it says --- */

static void
take_lines(struct port *p)
{
	char *from = p->line.data, *end = from + p->line.len, *newline;

	while (from < end &&
	    (newline = memchr(from, '\n', (size_t)(end - from))) != NULL) {
		order_take(p, (struct span){ from, (size_t)(newline - from) });
		from = newline + 1;
	}
	p->line.len = (size_t)(end - from);
	memmove(p->line.data, from, p->line.len);
	if (p->line.len > LINE_MAX_LEN)
		port_stop(p, "{bad_line,too_long}");
	if (p->line.len == 0 && p->line.cap > READ_SIZE * 2)
		text_done(&p->line);
}

/* False: there is nothing more now, or ever. */
static bool
hear(struct port *p)
{
	static char piece[READ_SIZE];
	ssize_t n;

	n = p->out >= 0 ? read(p->out, piece, sizeof(piece)) : -1;
	if (n < 0 && p->out >= 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n <= 0) {
		if (p->out >= 0)
			(void)close(p->out);
		p->out = -1;
		return false;
	}
	text_add(&p->line, piece, (size_t)n);
	if (memchr(piece, '\n', (size_t)n) != NULL ||
	    p->line.len > LINE_MAX_LEN)
		take_lines(p);
	return true;
}

/* --- how it ends --- */

/* Its group goes while its number is still its own. */
static void
reap(struct port *p)
{
	siginfo_t info = { .si_pid = 0 };

	if (p->pid == 0 || waitid(P_PID, (id_t)p->pid, &info,
	    WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != p->pid)
		return;
	(void)kill(-p->pid, SIGKILL);
	(void)waitpid(p->pid, &p->status, 0);
	p->pid = 0;
	while (hear(p))
		;
	p->ended = true;
	close_in(p);
}

static void
take_signals(struct port *p)
{
	struct signalfd_siginfo si;

	while (read(p->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGCHLD:
			break;
		case SIGTERM:
		case SIGINT:
			p->asked = true;
			port_stop(p, "shutdown");
			break;
		default:
			if (p->pid > 0)
				(void)kill(p->pid, (int)si.ssi_signo);
			break;
		}
	}
	reap(p);
}

void
program_wait(struct port *p, int fd, int timeout_ms)
{
	struct pollfd fds[4] = {
		{ .fd = p->signals, .events = POLLIN },
		{ .fd = p->out, .events = POLLIN },
		{ .fd = p->queue.len > p->sent ? p->in : -1,
		    .events = POLLOUT },
		{ .fd = fd, .events = POLLIN },
	};

	if (poll(fds, 4, timeout_ms) <= 0)
		return;
	if (fds[2].revents != 0)
		flush(p);
	if (fds[1].revents != 0)
		(void)hear(p);
	if (fds[0].revents != 0)
		take_signals(p);
}

/* Until it is gone, or the time is. */
static void
await_end(struct port *p, uint64_t until, bool finish)
{
	uint64_t now;

	while (p->pid != 0 && (now = port_now()) < until) {
		if (finish && p->queue.len == p->sent)
			close_in(p);
		program_wait(p, -1, (int)(until - now));
	}
}

void
program_end(struct port *p, const char *reason)
{
	uint64_t now = port_now();
	struct text line = { 0 };

	if (p->pid == 0)
		return;
	text_puts(&line, "{\"stop\":");
	json_quote(&line, (struct span){ reason, strlen(reason) });
	text_puts(&line, "}\n");
	text_add(&p->queue, line.data, line.len);
	text_done(&line);
	flush(p);
	await_end(p, now + p->grace_ms / 2, true);
	if (p->pid != 0)
		(void)kill(-p->pid, SIGTERM);
	await_end(p, now + p->grace_ms, true);
	if (p->pid != 0)
		(void)kill(-p->pid, SIGKILL);
	await_end(p, port_now() + p->grace_ms + 1000, false);
}

void
program_reason(const struct port *p, char out[OTP_REASON_MAX])
{
	_Static_assert(OTP_REASON_MAX == REASON_MAX, "one size of reasons");
	reason_from_status(p->status, false, out);
}
