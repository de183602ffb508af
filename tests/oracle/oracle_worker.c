/* SPDX-License-Identifier: ISC */
/*
 * The worker of the recorded scenarios: how its next starts go is told in
 * files, how it ends by signals.  Static and small, since hundreds of them are
 * started.
 *
 *	oracle_worker DIR ON_STOP ID
 *
 * DIR/gate	a FIFO that holds back every start until somebody opens it
 * DIR/arm.ID	outcomes of the next starts, one a line: ok, error, ignore,
 *		hold (says so in the FIFO DIR/held.ID, waits until somebody
 *		opens the FIFO DIR/release.ID, then fails); none left: ok
 * ON_STOP	obey, ignore, slow:MS, exit0, exit1: what SIGTERM does
 *
 * SIGUSR1 exit 1, SIGUSR2 exit 0, SIGHUP end with reason shutdown.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ARM_MAX	1024

static const char *dir, *id;

static void
path_of(const char *what, const char *of, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%s%s", dir, what, of);
}

static void
tell(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || path == NULL || strlen(path) >= sizeof(to.sun_path))
		_exit(100);
	memcpy(to.sun_path, path, strlen(path));
	if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to,
	    sizeof(to)) < 0)
		_exit(101);
	(void)close(fd);
}

static void
pass_gate(void)
{
	char path[256];
	int fd;

	path_of("gate", "", path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)close(fd);
}

/* Take the first line off the file.  "ok" when there is none. */
static void
take_mode(char *out, size_t size)
{
	char path[256], text[ARM_MAX], *rest;
	ssize_t n = -1;
	int fd;

	(void)snprintf(out, size, "ok");
	path_of("arm.", id, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	if (n > 0) {
		text[n] = '\0';
		rest = strchr(text, '\n');
		if (rest == NULL)
			_exit(102);
		*rest++ = '\0';
		(void)snprintf(out, size, "%.16s", text);
		n -= rest - text;
		if (pwrite(fd, rest, (size_t)n, 0) != n ||
		    ftruncate(fd, n) < 0)
			_exit(103);
	}
	(void)close(fd);
}

static void
hold(void)
{
	char path[256];
	int fd;

	path_of("held.", id, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "x", 1) != 1)
		_exit(104);
	(void)close(fd);
	path_of("release.", id, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	_exit(fd < 0 ? 105 : 1);
}

static void
begin(void)
{
	char mode[32];

	pass_gate();
	take_mode(mode, sizeof(mode));
	if (strcmp(mode, "error") == 0)
		_exit(1);
	if (strcmp(mode, "hold") == 0)
		hold();
	if (strcmp(mode, "ignore") == 0) {
		tell("X_OTP_IGNORE=1");
		_exit(0);
	}
	tell("READY=1");
}

static void
die_of_sigterm(void)
{
	sigset_t set;

	(void)signal(SIGTERM, SIG_DFL);
	(void)raise(SIGTERM);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void
told_to_stop(const char *on_stop)
{
	struct timespec ts;
	long ms;

	if (strcmp(on_stop, "ignore") == 0)
		return;
	if (strcmp(on_stop, "exit0") == 0)
		_exit(0);
	if (strcmp(on_stop, "exit1") == 0)
		_exit(1);
	if (strncmp(on_stop, "slow:", 5) == 0) {
		ms = strtol(on_stop + 5, NULL, 10);
		ts = (struct timespec){ ms / 1000, ms % 1000 * 1000000 };
		(void)nanosleep(&ts, NULL);
	}
	die_of_sigterm();
}

int
main(int argc, char **argv)
{
	sigset_t set;

	if (argc != 4)
		return 99;
	dir = argv[1];
	id = argv[3];
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGUSR2);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	begin();
	for (;;) {
		switch (sigwaitinfo(&set, NULL)) {
		case SIGTERM:
			told_to_stop(argv[2]);
			break;
		case SIGUSR1:
			_exit(1);
		case SIGUSR2:
			_exit(0);
		case SIGHUP:
			tell("X_OTP_REASON=shutdown");
			_exit(0);
		default:
			break;
		}
	}
}
