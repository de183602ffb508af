/* SPDX-License-Identifier: ISC */
/*
 * Tells what changes in a folder: file_watcher DIRECTORY.
 *
 *	{"op":"next"}	-> {"changed":"name"}, when something has changed
 *	{"op":"count"}	-> {"count":N}
 *
 * Two lessons.  The program has a loop of its own, because it waits for
 * inotify too: otp_fd() is one descriptor among its others.  And it leaves
 * nothing behind: DIRECTORY/.watched says that somebody watches, and terminate
 * removes it.  Without otp_trap_exit() the supervisor's signal would end the
 * program before that; a SIGKILL still does, so init copes with an old one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <otp.h>

#define WAITING_MAX	64

static int notify = -1;
static long count;
static char mark[PATH_MAX];
static struct otp_from waiting[WAITING_MAX];
static int nwaiting;

static int
watcher_init(struct otp *self, int argc, char **argv, void **state)
{
	int fd;

	(void)state;
	if (argc < 2)
		return otp_stop(self, "{bad_argument,no_directory}");
	(void)snprintf(mark, sizeof(mark), "%s/.watched", argv[1]);
	fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (notify < 0 || inotify_add_watch(notify, argv[1], IN_CREATE |
	    IN_CLOSE_WRITE | IN_DELETE | IN_MOVE) < 0)
		return -errno;
	return otp_trap_exit(self, 1);
}

static int
watcher_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	(void)len;
	(void)state;
	if (strstr(request, "\"count\"") != NULL)
		return otp_replyf(self, from, "{\"count\":%ld}", count);
	if (nwaiting == WAITING_MAX)
		return otp_replyf(self, from, "{\"error\":\"busy\"}");
	waiting[nwaiting++] = from;	/* it is answered by changed() */
	return OTP_OK;
}

static void
watcher_terminate(struct otp *self, const char *reason, void *state)
{
	(void)self;
	(void)reason;
	(void)state;
	(void)unlink(mark);
}

/* The name may be any bytes: what JSON cannot show becomes a "?". */
static void
changed(struct otp *self, char *name)
{
	for (unsigned char *c = (unsigned char *)name; *c != 0; c++)
		if (*c < ' ' || *c == '"' || *c == '\\' || *c == 0x7f)
			*c = '?';
	count++;
	while (nwaiting > 0)
		(void)otp_replyf(self, waiting[--nwaiting],
		    "{\"changed\":\"%s\"}", name);
}

static void
look(struct otp *self)
{
	_Alignas(struct inotify_event) char events[4096];
	const struct inotify_event *e;
	ssize_t n;

	while ((n = read(notify, events, sizeof(events))) > 0)
		for (char *at = events; at < events + n;
		    at += sizeof(*e) + e->len) {
			e = (const struct inotify_event *)(void *)at;
			if (e->len > 0)
				changed(self, at + sizeof(*e));
		}
	(void)otp_flush(self);		/* no callback does it for us */
}

static const struct otp_gen_server_ops watcher = {
	.init = watcher_init,
	.handle_call = watcher_call,
	.terminate = watcher_terminate,
};

int
main(int argc, char **argv)
{
	struct otp_options options = { .size = sizeof(options) };
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct otp *self;
	int code = 1, rc;

	if (argc > 2 && strcmp(argv[1], "-s") == 0) {
		options.socket = argv[2];
		argv += 2;
		argc -= 2;
	}
	options.argc = argc;
	options.argv = argv;
	rc = otp_gen_server_start(&watcher, &options, &self, &code);
	if (rc != 0)
		return rc < 0 ? code : 0;
	fds[0].fd = otp_fd(self);
	fds[1].fd = notify;
	while (otp_dispatch(self) == 0) {
		(void)poll(fds, 2, -1);
		if (fds[1].revents != 0)
			look(self);
	}
	code = otp_exit_code(self);
	otp_free(self);
	return code;
}
