/* SPDX-License-Identifier: ISC */
/*
 * otp-logger: reads what every service writes and keeps it in files.  Started
 * by otpd with the descriptors of enum spawn_fd; may die at any time, for the
 * next one gets every pipe again.
 *
 * It must never delay a service, and never lose a line without saying so.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "logger/carry.h"
#include "wire/spawn_request.h"

#ifndef PACKAGE_VERSION
#ifdef HAVE_CONFIG_H
#include "config.h"
#else
#define PACKAGE_VERSION "0"
#endif
#endif

static const char usage[] =
    "usage: otp-logger [-V] -r RUNTIME_DIR -l LOG_DIR\n"
    "otpd starts it; it writes LOG_DIR/<path>.log for every service\n";

/* One write a line: others use the same standard error. */
void
say(const char *fmt, ...)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[512] = "otp-logger: ";
	const size_t start = strlen(line);
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line + start, sizeof(line) - start - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len] = '\n';
	/* Who reads it must not hold up those who write logs. */
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0)
		(void)!write(STDERR_FILENO, line, len + 1);
}

void
say_fatal(const char *what, int error)
{
	say("%s: %s", what, strerror(-error));
	exit(1);
}

void *
xrealloc(void *p, size_t size)
{
	p = realloc(p, size);
	if (p == NULL)
		say_fatal("memory", -ENOMEM);
	return p;
}

static char *
absolute(const char *path)
{
	char cwd[PATH_MAX], *out;

	if (path[0] == '/')
		out = strdup(path);
	else if (getcwd(cwd, sizeof(cwd)) == NULL)
		say_fatal("the current directory", -errno);
	else if (asprintf(&out, "%s/%s", cwd, path) == -1)
		out = NULL;
	if (out == NULL)
		say_fatal("memory", -ENOMEM);
	return out;
}

static void __attribute__((noreturn))
bad_usage(void)
{
	(void)fputs(usage, stderr);
	exit(2);
}

/* LOG_DIR, made absolute. */
static const char *
options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	const char *log_dir = NULL, *runtime = NULL;
	int ch;

	while ((ch = getopt_long(argc, argv, "hl:r:V", longs, NULL)) != -1) {
		if (ch == 'h') {
			(void)fputs(usage, stdout);
			exit(0);
		} else if (ch == 'V') {
			(void)puts("otp-logger " PACKAGE_VERSION);
			exit(0);
		} else if (ch == 'l')
			log_dir = optarg;
		else if (ch == 'r')
			runtime = optarg;	/* for those who look at ps */
		else
			bad_usage();
	}
	if (log_dir == NULL || *log_dir == '\0' || runtime == NULL ||
	    optind != argc)
		bad_usage();
	return absolute(log_dir);
}

/* The end comes over the channel; what is meant for otpd's whole terminal or
 * group must not end the logger before the services. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM,
	    SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2 };
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
}

static void
descriptors(struct logger *lg)
{
	struct rlimit limit;
	socklen_t len;
	int fd, type;

	for (fd = SPAWN_FD_CHANNEL; fd <= SPAWN_FD_LINK; fd++) {
		len = sizeof(type);
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1) {
			say("is started by otpd only");
			exit(1);
		}
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	lg->nofile = 1024;
	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	lg->nofile = limit.rlim_cur > INT_MAX ? INT_MAX : limit.rlim_cur;
}

static void
serve(struct logger *lg)
{
	static const struct server_limits limits = {
		.max_peers = 256, .root_reserve = 32, .max_per_uid = 128,
		.hello_ms = 5000, .frame_ms = 30000, .max_payload = 65536,
		.max_queued = 4U * 1024 * 1024
	};

	lg->server = server_new(lg->loop, SPAWN_FD_CONTROL, "otp-logger", 1,
	    &control_ops, lg);
	if (lg->server == NULL)
		say_fatal("the control socket", -errno);
	server_set_limits(lg->server, &limits);
}

static void
each_turn(void *arg)
{
	struct logger *lg = arg;

	channel_turn(lg);
	follow_turn(lg);
}

static void
no_op(void *arg)
{
	(void)arg;		/* that there is a turn is all */
}

int
main(int argc, char **argv)
{
	static struct logger lg = { .dir.fd = -1 };
	int rc;

	lg.dir.path = options(argc, argv);
	(void)umask(027);
	ignore_signals();
	descriptors(&lg);
	lg.fault_timer = (struct loop_timer){ .fn = sink_retry_all,
	    .arg = &lg };
	lg.rotate_timer = (struct loop_timer){ .fn = control_rotate_some,
	    .arg = &lg };
	lg.reader_timer = (struct loop_timer){ .fn = no_op };
	lg.loop = loop_new();
	if (lg.loop == NULL)
		say_fatal("epoll", -errno);
	rc = logdir_open(&lg.dir);
	if (rc < 0)		/* tried again with each file */
		say("%s: %s", lg.dir.path, strerror(-rc));
	(void)!chdir("/");
	carry_start(&lg);
	channel_start(&lg);
	serve(&lg);
	channel_up();
	loop_after(lg.loop, each_turn, &lg);
	rc = loop_run(lg.loop);
	channel_finish(&lg);
	follow_turn(&lg);
	server_flush(lg.server);
	return rc < 0 ? 1 : 0;
}
