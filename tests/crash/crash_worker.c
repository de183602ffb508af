/* SPDX-License-Identifier: ISC */
/*
 * The worker of the crash tests.  It says on stdout that it has started, and
 * writes it down, so that a start too many is seen; a lock shows a second copy
 * of it.  Static and small, since thousands of them are started.
 *
 *	crash_worker DIR ID
 *
 * DIR/starts	a line for each start: "start ID", or "double ID" when
 *		another copy was still running
 * DIR/arm.ID	a byte for each start to come: e fails before it is ready,
 *		i asks to be ignored; none left: it becomes ready
 *
 * SIGUSR1 exit 1, SIGUSR2 exit 0, SIGHUP end with reason shutdown.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash/crash_note.h"

static const char *dir, *id;

static void
tell(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (path == NULL)	/* nobody wants to know */
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || strlen(path) >= sizeof(to.sun_path))
		_exit(100);
	memcpy(to.sun_path, path, strlen(path));
	/* Once it has spoken it has no descriptor that it was not given. */
	if (dup2(fd, 0) < 0 || close(fd) < 0)
		_exit(100);
	if (sendto(0, text, strlen(text), 0, (struct sockaddr *)&to,
	    sizeof(to)) < 0)
		_exit(101);
}

/* The first byte of the file, taken out of it; 0. */
static char
take_mode(void)
{
	char text[64];
	int fd = note_open(dir, "arm.", id, O_RDWR);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text));
	if (n <= 0)
		return 0;
	if (pwrite(fd, text + 1, (size_t)n - 1, 0) != n - 1 ||
	    ftruncate(fd, n - 1) < 0)
		_exit(103);
	(void)close(fd);
	return text[0];
}

int
main(int argc, char **argv)
{
	sigset_t set;

	if (argc != 3)
		return 99;
	dir = argv[1];
	id = argv[2];
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGUSR2);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	/* Each start that is noted has said so. */
	(void)dprintf(1, "hello from %s\n", id);
	if (note_start(dir, id) < 0)
		return 102;
	switch (take_mode()) {
	case 'e':
		_exit(1);
	case 'i':
		tell("X_OTP_IGNORE=1");
		_exit(0);
	default:
		tell("READY=1");
	}
	for (;;) {
		switch (sigwaitinfo(&set, NULL)) {
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
