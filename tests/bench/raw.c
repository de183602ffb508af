/* SPDX-License-Identifier: ISC */
/*
 * The raw limit that otpd is measured against: the least that can start
 * processes, see them end and start them again on this machine.  It has no
 * rules, no names, no log; one signalfd, vfork, exec and waitpid.
 *
 *   bench-raw CHILD FIFO N [crash]     crash: the first child is a crash loop
 *
 * SIGTERM kills all children at once, reaps them and ends; SIGINT kills and
 * reaps them one after the other, last first.
 */
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIDS	(4 * 1024 * 1024)	/* no kernel has more */

static uint32_t	 index_of[PIDS];
static pid_t	*pids;
static char	(*names)[12];
static sigset_t	 empty;

static void
start(char **argv, uint32_t i, bool crash)
{
	char *const args[] = {
		argv[1], argv[2], names[i], crash ? argv[4] : NULL, NULL
	};
	char *const env[] = { NULL };
	pid_t pid;

	pid = vfork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &empty, NULL);
		execve(argv[1], args, env);
		_exit(127);
	}
	if (pid < 0) {
		perror("vfork");
		exit(1);
	}
	pids[i] = pid;
	index_of[pid] = i;
}

static void
stop_at_once(uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		kill(pids[i], SIGTERM);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	exit(0);
}

static void
stop_in_order(uint32_t n)
{
	while (n-- > 0) {
		kill(pids[n], SIGTERM);
		waitpid(pids[n], NULL, 0);
	}
	exit(0);
}

static void
reap(char **argv)
{
	uint32_t i;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		i = index_of[pid];
		start(argv, i, argv[4] != NULL && i == 0);
	}
}

int
main(int argc, char **argv)
{
	struct signalfd_siginfo si;
	sigset_t set;
	uint32_t i, n;
	int fd;

	if (argc < 4) {
		fprintf(stderr, "usage: bench-raw CHILD FIFO N [crash]\n");
		return 2;
	}
	n = (uint32_t)atoi(argv[3]);
	pids = calloc(n, sizeof(*pids));
	names = calloc(n, sizeof(*names));
	sigemptyset(&empty);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (pids == NULL || names == NULL || fd < 0)
		return 1;
	for (i = 0; i < n; i++)
		snprintf(names[i], sizeof(names[i]), "%u", i);
	for (i = 0; i < n; i++)
		start(argv, i, argc > 4 && i == 0);
	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGTERM)
			stop_at_once(n);
		else if (si.ssi_signo == SIGINT)
			stop_in_order(n);
		else
			reap(argv);
	}
	return 1;
}
