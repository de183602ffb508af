/* SPDX-License-Identifier: ISC */
/*
 * Waiting for things that shell scripts could only look at again and again.
 *
 *	await exists FILE...		until each is there
 *	await lines N FILE		until it has at least N lines
 *	await text TEXT FILE		until TEXT is in it
 *	await gone PID...		until each has ended, reaped or not
 *
 * Exit code 1 after 20 seconds.
 */
#include <sys/inotify.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS	20000

static long deadline_ms;

static long
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
await_readable(int fd, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	long left = deadline_ms - now_ms();

	if (left <= 0 || poll(&p, 1, (int)left) == 0) {
		(void)fprintf(stderr, "await: timed out: %s\n", what);
		exit(1);
	}
}

static bool
is_there(const char *file, const char *unused)
{
	(void)unused;
	return access(file, F_OK) == 0;
}

static char *
contents(const char *file)
{
	static char text[1 << 20];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static bool
has_lines(const char *file, const char *want)
{
	const char *p = contents(file);
	long n = 0;

	while ((p = strchr(p, '\n')) != NULL) {
		p++;
		n++;
	}
	return n >= strtol(want, NULL, 10);
}

static bool
has_text(const char *file, const char *want)
{
	return strstr(contents(file), want) != NULL;
}

/* Looked at again whenever something happens in its directory. */
static void
await_file(const char *file, bool (*reached)(const char *, const char *),
    const char *want)
{
	char dir[4096], events[8192];
	int watch = inotify_init1(IN_CLOEXEC);

	(void)snprintf(dir, sizeof(dir), "%s", file);
	if (watch < 0 || inotify_add_watch(watch, dirname(dir), IN_CREATE |
	    IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE) < 0) {
		(void)fprintf(stderr, "await: %s: %s\n", file,
		    strerror(errno));
		exit(1);
	}
	while (!reached(file, want)) {
		await_readable(watch, file);
		(void)read(watch, events, sizeof(events));
	}
	(void)close(watch);
}

static void
await_end(const char *pid)
{
	int fd = (int)syscall(SYS_pidfd_open, atoi(pid), 0);

	if (fd < 0)
		return;
	await_readable(fd, pid);
	(void)close(fd);
}

int
main(int argc, char **argv)
{
	deadline_ms = now_ms() + TIMEOUT_MS;
	if (argc > 3 && strcmp(argv[1], "lines") == 0) {
		await_file(argv[3], has_lines, argv[2]);
		return 0;
	}
	if (argc > 3 && strcmp(argv[1], "text") == 0) {
		await_file(argv[3], has_text, argv[2]);
		return 0;
	}
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[1], "exists") == 0)
			await_file(argv[i], is_there, NULL);
		else if (strcmp(argv[1], "gone") == 0)
			await_end(argv[i]);
		else
			return 2;
	}
	return argc < 3 ? 2 : 0;
}
