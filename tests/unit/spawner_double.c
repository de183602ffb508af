/* SPDX-License-Identifier: ISC */
/*
 * What the spawner's tests let otpd start.  As otp-engine or otp-logger it
 * hands the descriptors it was given to the test, which plays the part, and
 * exits as told or when the test is gone.  Otherwise its first argument says
 * what it does as a service.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/spawn_request.h"

extern char **environ;

static int
to_test(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *path = getenv("OTP_TEST_SOCKET");
	int fd;

	if (path == NULL || strlen(path) >= sizeof(sa.sun_path))
		return -1;
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -1;
	return fd;
}

/* One message: the part and the pid, with the descriptors from 3 on. */
static void
hand_over(int to, char part)
{
	enum { MAX = SPAWN_FD_ENGINE_LAST - SPAWN_FD_CHANNEL + 1 };
	int fds[MAX], pid = getpid(), i;
	size_t n = part == 'e' ? MAX :
	    SPAWN_FD_LOGGER_LAST - SPAWN_FD_CHANNEL + 1;
	union {
		char		buf[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr	align;
	} control;
	struct iovec iov[2] = { { &part, 1 }, { &pid, sizeof(pid) } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2,
	    .msg_control = control.buf,
	    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	for (i = 0; i < MAX; i++)
		fds[i] = SPAWN_FD_CHANNEL + i;
	memset(&control, 0, sizeof(control));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	if (sendmsg(to, &m, 0) < 0)
		_exit(99);
	for (i = 0; i < (int)n; i++)
		(void)close(fds[i]);
}

static int
play(char part)
{
	unsigned char code;
	int to = to_test();

	if (to < 0)
		return 98;
	hand_over(to, part);
	return recv(to, &code, 1, 0) == 1 ? code : 0;
}

static void
print_ids(void)
{
	gid_t groups[SPAWN_GROUPS_MAX];
	int i, n = getgroups(SPAWN_GROUPS_MAX, groups);

	printf("uid %d %d gid %d %d groups", (int)getuid(), (int)geteuid(),
	    (int)getgid(), (int)getegid());
	for (i = 0; i < n; i++)
		printf(" %d", (int)groups[i]);
	printf("\n");
}

/* Everything that a service can see of how it was started. */
static int
look(int argc, char **argv)
{
	struct rlimit l;
	sigset_t blocked;
	mode_t mask = umask(0);
	char cwd[4096];
	int i;

	printf("fds");
	for (i = 0; i < 20000; i++)
		if (fcntl(i, F_GETFD) >= 0)
			printf(" %d", i);
	printf("\nargs");
	for (i = 2; i < argc; i++)
		printf(" [%s]", argv[i]);
	printf("\nenv");
	for (i = 0; environ[i] != NULL; i++)
		if (strncmp(environ[i], "OTPD_INSTANCE=", 14) == 0)
			printf(" [whose it is]");
		else
			printf(" [%s]", environ[i]);
	(void)getrlimit(RLIMIT_NOFILE, &l);
	printf("\nnofile %lu %lu\n", (unsigned long)l.rlim_cur,
	    (unsigned long)l.rlim_max);
	(void)getrlimit(RLIMIT_CORE, &l);
	printf("core %lu %lu\n", (unsigned long)l.rlim_cur,
	    (unsigned long)l.rlim_max);
	(void)sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (i = 1; i <= 64; i++) {
		struct sigaction sa;

		if (sigismember(&blocked, i) == 1)
			printf("blocked %d\n", i);
		if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			printf("ignored %d\n", i);
	}
	printf("umask %o\ncwd %s\nleader %d\n", (unsigned int)mask,
	    getcwd(cwd, sizeof(cwd)), getsid(0) == getpid());
	print_ids();
	return 0;
}

static void
leave(int sig)
{
	_exit(sig);
}

/* Stays; with a process of its own group beside it, or one that left it. */
static _Noreturn void
stay(const char *how)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (strcmp(how, "deaf") == 0)
		(void)signal(SIGTERM, SIG_IGN);
	if (strcmp(how, "polite") == 0) {
		(void)signal(SIGTERM, leave);
		printf("ready\n");
		(void)fflush(stdout);
	}
	if (strcmp(how, "pair") == 0 || strcmp(how, "leave") == 0) {
		if (fork() == 0) {
			if (how[0] == 'l')
				(void)setsid();
			(void)alarm(120);	/* whatever the test does */
			printf("%d\n", (int)getpid());
			(void)fflush(stdout);
			for (;;)
				(void)pause();
		}
	}
	for (;;)
		(void)pause();
}

/* Whatever becomes of otpd.  Two of one name leave a note beside it. */
static _Noreturn void
outlive(const char *name)
{
	char path[256];
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	(void)alarm(120);
	if (fd < 0)
		_exit(95);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		(void)snprintf(path, sizeof(path), "%s.twice", name);
		(void)creat(path, 0644);
	}
	for (;;)
		(void)pause();
}

int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	name = name != NULL ? name + 1 : argv[0];
	if (strcmp(name, "otp-engine") == 0)
		return play('e');
	if (strcmp(name, "otp-logger") == 0)
		return play('l');
	if (argc < 2)
		return 97;
	if (strcmp(argv[1], "look") == 0)
		return look(argc, argv);
	if (strcmp(argv[1], "exit") == 0)
		return argc > 2 ? atoi(argv[2]) : 0;
	if (strcmp(argv[1], "say") == 0) {
		(void)fprintf(stdout, "%s\n", argc > 2 ? argv[2] : "");
		(void)fflush(stdout);
		(void)fprintf(stderr, "error\n");
		return 0;
	}
	if (strcmp(argv[1], "raise") == 0) {
		(void)raise(argc > 2 ? atoi(argv[2]) : SIGKILL);
		return 96;
	}
	if (strcmp(argv[1], "outlive") == 0 && argc > 2)
		outlive(argv[2]);
	stay(argv[1]);
}
