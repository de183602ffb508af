/* SPDX-License-Identifier: ISC */
/*
 * otp-task: any command line as a task, whose value is the command's standard
 * output.  Its standard error is this program's.  It must never keep more than
 * a bounded amount of output.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libotp/otp.h"
#include "wire/reason.h"

#define OUTPUT_MAX	(16U * 1024 * 1024)

struct ends { int to, from; };	/* of the pipes that are ours */

static void
become(char **argv, const int in[2], const int out[2])
{
	if (dup2(in[0], STDIN_FILENO) < 0 || dup2(out[1], STDOUT_FILENO) < 0)
		_exit(127);
	(void)execvp(argv[0], argv);
	(void)dprintf(STDERR_FILENO, "otp-task: %s: %s\n", argv[0],
	    strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* The command's pid, or -errno. */
static pid_t
begin(char **argv, struct ends *e)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		become(argv, in, out);
	if (pid < 0)
		return -errno;
	(void)close(in[0]);
	(void)close(out[1]);
	e->to = in[1];
	e->from = out[0];
	return pid;
}

/* Some of the input; closed when there is no more, or nobody reads it. */
static void
feed(struct ends *e, const char **input, size_t *len)
{
	ssize_t n = *len > 0 ? write(e->to, *input, *len) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		*input += n;
		*len -= (size_t)n;
	}
	if (n < 0 || *len == 0) {
		(void)close(e->to);
		e->to = -1;
	}
}

/* 1 while there may be more, 0 at its end, -errno. */
static int
drain(struct otp_out *out, int from, size_t *have)
{
	char data[65536];
	ssize_t n = read(from, data, sizeof(data));

	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	if (n == 0)
		return 0;
	*have += (size_t)n;
	if (*have > OUTPUT_MAX)
		return -EFBIG;
	return otp_write(out, data, (size_t)n) < 0 ? -ENOMEM : 1;
}

static int
converse(struct otp_out *out, struct ends *e, const char *input, size_t len)
{
	struct pollfd pfd[2] = { { .fd = e->from, .events = POLLIN },
	    { .events = POLLOUT } };
	size_t have = 0;
	int rc = 1;

	(void)fcntl(e->to, F_SETFL, O_NONBLOCK);
	feed(e, &input, &len);
	while (rc > 0) {
		pfd[1].fd = e->to;
		if (poll(pfd, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (e->to >= 0 && pfd[1].revents != 0)
			feed(e, &input, &len);
		if (pfd[0].revents != 0)
			rc = drain(out, e->from, &have);
	}
	return rc;
}

static int
command(struct otp_out *out, int argc, char **argv, const char *input,
    size_t len)
{
	char reason[OTP_REASON_MAX];
	struct ends e = { -1, -1 };
	int status, rc;
	pid_t pid;

	if (argc < 2)
		return -EINVAL;
	(void)signal(SIGPIPE, SIG_IGN);
	pid = begin(argv + 1, &e);
	if (pid < 0)
		return pid;
	rc = converse(out, &e, input, len);
	if (rc < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc < 0 || status == 0)
		return rc;
	reason_from_status(status, false, reason);
	return otp_task_exit(out, reason);
}

static const struct otp_task_entry table[] = {
	{ "command", command },
	{ NULL, NULL }
};

int
main(int argc, char **argv)
{
	return otp_task_main(table, argc, argv);
}
