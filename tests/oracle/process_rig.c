/* SPDX-License-Identifier: ISC */
/*
 * Starting otpd, talking to its engine, and leaving nothing behind, whatever
 * happened.  Every wait is for something that will be told, and ends with the
 * whole at the deadline.
 */
#include "process_rig.h"

#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libotp/peer.h"
#include "process_clean.h"
#include "wire/frame.h"

#define SOCKET	"run/names/otpd"	/* from the directory */
#define NSEC	UINT64_C(1000000000)
#define PARTING_S	10	/* from the engine's end to otpd's */

struct line {
	struct peer	*peer;
	uint64_t	 ref;
};

static const char *name_said = "";

void
rig_name(const char *name)
{
	name_said = name;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

/* --- leaving nothing behind --- */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

static void
remove_all(struct rig *r)
{
	(void)chdir("/");
	if (r->dir[0] != '\0')
		(void)nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	r->dir[0] = '\0';
}

/* What otpd and its parts wrote. */
static void
print_stderr(void)
{
	char text[8192];
	ssize_t n;
	int fd = open("stderr", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && (n = read(fd, text, sizeof(text))) > 0)
		(void)fwrite(text, 1, (size_t)n, stdout);
	if (fd >= 0)
		(void)close(fd);
}

void
rig_fail(struct rig *r, const char *format, ...)
{
	va_list ap;

	printf("%s: ", name_said);
	va_start(ap, format);
	(void)vprintf(format, ap);
	va_end(ap);
	printf("\n");
	clean_kill_all();
	print_stderr();
	remove_all(r);
	(void)fflush(stdout);
	_exit(1);
}

/* --- waiting --- */

static int
ms_left(struct rig *r)
{
	uint64_t now = now_ns();

	return now >= r->deadline ? 0 :
	    (int)((r->deadline - now) / 1000000 + 1);
}

/* One that was to take over has said that it cannot: the next one can. */
static void
launch_again(struct rig *r)
{
	if (waitpid(r->otpd, &r->status, 0) != r->otpd ||
	    !WIFEXITED(r->status) || WEXITSTATUS(r->status) != 1)
		rig_fail(r, "otpd's wait status is %#x", r->status);
	(void)close(r->pidfd);
	r->may_refuse = false;
	rig_launch(r);
}

/* There is room for one more behind fds[n - 1]. */
static void
await(struct rig *r, struct pollfd *fds, nfds_t n, const char *what)
{
	struct pollfd end = { .events = POLLIN };
	int rc;

	for (;;) {
		end.fd = r->adopter && r->may_refuse ? r->pidfd : -1;
		fds[n] = end;
		rc = poll(fds, n + 1, ms_left(r));
		if (rc == 1 && fds[n].revents != 0)
			launch_again(r);
		else if (rc >= 0 || errno != EINTR)
			break;
	}
	if (rc <= 0)
		rig_fail(r, "timed out waiting for %s", what);
}

void
rig_await_readable(struct rig *r, int fd, const char *what)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN } };

	await(r, p, 1, what);
}

int
rig_fifo(struct rig *r, const char *name)
{
	int fd;

	if (mkfifo(name, 0600) < 0)
		rig_fail(r, "mkfifo %s: %s", name, strerror(errno));
	fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		rig_fail(r, "%s: %s", name, strerror(errno));
	return fd;
}

/* --- one connection --- */

static void
line_close(struct line *line)
{
	if (line != NULL)
		peer_free(line->peer);
	free(line);
}

static int
connect_once(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static struct line *
line_new(struct rig *r, int fd)
{
	static const struct frame_hello hello = { .pid = 0 };
	static const struct peer_limits limits = {
		.max_payload = FRAME_SERVER_MAX,
		.max_queued = FRAME_SERVER_MAX };
	struct line *line = calloc(1, sizeof(*line));

	if (line == NULL || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		rig_fail(r, "cannot use a connection");
	line->peer = peer_new(fd, &hello, NULL, NULL, &limits);
	if (line->peer == NULL)
		rig_fail(r, "peer_new: %s", strerror(errno));
	return line;
}

/* Takes request. */
static uint64_t
line_send(struct rig *r, struct line *line, cJSON *request)
{
	struct frame_header h = { .type = FRAME_CALL, .ref = ++line->ref };
	char *text = cJSON_PrintUnformatted(request);

	cJSON_Delete(request);
	if (text == NULL)
		rig_fail(r, "out of memory");
	h.length = (uint32_t)strlen(text);
	if (peer_send(line->peer, &h, text) < 0)
		rig_fail(r, "cannot queue a request");
	free(text);
	(void)peer_flush(line->peer);
	return h.ref;
}

static cJSON *
parse(struct rig *r, const char *payload, size_t len)
{
	cJSON *object = cJSON_ParseWithLength(payload, len);

	if (object == NULL)
		rig_fail(r, "no JSON from the engine: %.*s", (int)len, payload);
	return object;
}

/* The next INFO, REPLY or ERROR as JSON; NULL at the connection's end. */
static cJSON *
line_next(struct rig *r, struct line *line, struct frame_header *h)
{
	char *whole = NULL;
	size_t len = 0;
	const void *part;
	cJSON *object;
	int rc;

	for (;;) {
		rc = peer_next(line->peer, h, &part);
		if (rc == 1) {
			whole = realloc(whole, len + h->length);
			memcpy(whole + len, part, h->length);
			len += h->length;
			if ((h->flags & FRAME_F_MORE) != 0)
				continue;
			object = h->type == FRAME_ERROR ?
			    cJSON_CreateObject() : parse(r, whole, len);
			free(whole);
			return object;
		}
		if (rc < 0)
			rig_fail(r, "the engine breaks the protocol");
		rig_await_readable(r, peer_fd(line->peer), "the engine");
		if (peer_read(line->peer) < 0) {
			free(whole);
			return NULL;
		}
	}
}

/* Takes event. */
static void
keep_event(struct rig *r, cJSON *event)
{
	const cJSON *seq = cJSON_GetObjectItemCaseSensitive(event, "seq");

	if (!cJSON_IsNumber(seq))
		rig_fail(r, "events were lost");
	if (r->seq != 0 && seq->valuedouble != r->seq + 1)
		rig_fail(r, "event %.0f follows event %.0f", seq->valuedouble,
		    r->seq);
	r->seq = seq->valuedouble;
	(void)cJSON_AddItemToArray(r->heard, event);
}

static cJSON *
line_answer(struct rig *r, struct line *line, uint64_t ref)
{
	struct frame_header h;
	cJSON *object;

	while ((object = line_next(r, line, &h)) != NULL) {
		if (h.ref == ref && h.type != FRAME_INFO)
			return object;
		if (h.type == FRAME_INFO && line == r->events)
			keep_event(r, object);
		else
			cJSON_Delete(object);
	}
	return NULL;
}

cJSON *
rig_request(const char *op)
{
	cJSON *request = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(request, "op", op);
	return request;
}

/* The engine has gone: the next one's connection.  false: otpd has gone. */
static bool
reconnect(struct rig *r, struct line **line)
{
	int fd = connect_once();

	line_close(*line);
	*line = fd >= 0 ? line_new(r, fd) : NULL;
	return *line != NULL;
}

/* Asking twice is as good as asking once. */
static bool
harmless(const cJSON *request)
{
	static const char *const ops[] = { "status", "sync", "info", "events",
	    "which_children", "count_children", "wait", "why", "failed",
	    "shutdown" };
	const char *op = cJSON_GetStringValue(cJSON_GetObjectItem(request,
	    "op"));

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (strcmp(ops[i], op) == 0)
			return true;
	return false;
}

static cJSON *
ask_mortal(struct rig *r, cJSON *request)
{
	cJSON *answer;

	for (;;) {
		answer = line_answer(r, r->calls, line_send(r, r->calls,
		    cJSON_Duplicate(request, 1)));
		if (answer != NULL || !reconnect(r, &r->calls))
			break;
		if (!harmless(request)) {
			answer = cJSON_CreateObject();
			(void)cJSON_AddTrueToObject(answer, "lost");
			break;
		}
	}
	cJSON_Delete(request);
	return answer;
}

cJSON *
rig_ask(struct rig *r, cJSON *request)
{
	if (r->calls == NULL) {
		cJSON_Delete(request);
		return NULL;
	}
	if (r->mortal)
		return ask_mortal(r, request);
	return line_answer(r, r->calls, line_send(r, r->calls, request));
}

struct line *
rig_ask_begin(struct rig *r, cJSON *request)
{
	struct line *line;
	int fd = connect_once();

	if (fd < 0)
		rig_fail(r, "cannot connect a second time");
	line = line_new(r, fd);
	(void)line_send(r, line, request);
	/* Frames of one connection are taken in order. */
	cJSON_Delete(line_answer(r, line, line_send(r, line,
	    rig_request("info"))));
	return line;
}

cJSON *
rig_ask_end(struct rig *r, struct line *line)
{
	cJSON *object = line_answer(r, line, 1);

	line_close(line);
	return object;
}

void
rig_ask_drop(struct line *line)
{
	line_close(line);
}

/* --- starting --- */

void
rig_init(struct rig *r, unsigned timeout_s)
{
	const char *tmp = getenv("TMPDIR"), *build = getenv("OTPD_BUILDDIR");

	*r = (struct rig){ .pidfd = -1, .gate = -1,
	    .deadline = now_ns() + timeout_s * NSEC };
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	if (realpath(build != NULL ? build : ".", r->worker) == NULL)
		rig_fail(r, "OTPD_BUILDDIR: %s", strerror(errno));
	(void)setenv("OTP_LIBEXEC", r->worker, 0);
	(void)setenv("OTPD_BUILDDIR", r->worker, 1);
	(void)strncat(r->worker, "/tests/oracle/oracle_worker",
	    sizeof(r->worker) - strlen(r->worker) - 1);
	(void)snprintf(r->dir, sizeof(r->dir), "%s/otpd-test.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(r->dir) == NULL || chdir(r->dir) < 0)
		rig_fail(r, "%s: %s", r->dir, strerror(errno));
	r->heard = cJSON_CreateArray();
}

static void
write_file(struct rig *r, const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF)
		rig_fail(r, "%s: %s", name, strerror(errno));
}

static void
become_otpd(const struct rig *r)
{
	char program[600], run[256], config[256];
	int null = open("/dev/null", O_RDWR), err;

	(void)snprintf(program, sizeof(program), "%s/%s",
	    getenv("OTPD_BUILDDIR"), r->program != NULL ? r->program : "otpd");
	(void)snprintf(run, sizeof(run), "%s/run", r->dir);
	(void)snprintf(config, sizeof(config), "%s/otpd.json", r->dir);
	err = open("stderr", O_WRONLY | O_CREAT | O_APPEND, 0600);
	(void)dup2(null, 0);
	(void)dup2(null, 1);
	(void)dup2(err, 2);
	(void)execl(program, "otpd", "-q", "-c", config, "-r", run, "-l", "log",
	    (char *)NULL);
	dprintf(2, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

/* Its socket appears, or it ends. */
static int
connect_first(struct rig *r)
{
	struct pollfd fds[3] = { { .events = POLLIN }, { .fd = r->pidfd,
	    .events = POLLIN } };
	char events[4096];
	int fd, watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (watch < 0 || inotify_add_watch(watch, "run/names",
	    IN_CREATE | IN_MOVED_TO | IN_ATTRIB) < 0)
		rig_fail(r, "inotify: %s", strerror(errno));
	fds[0].fd = watch;
	while ((fd = connect_once()) < 0) {
		await(r, fds, 2, "the engine's socket");
		if ((fds[1].revents & POLLIN) != 0 && r->may_refuse)
			break;
		if ((fds[1].revents & POLLIN) != 0)
			rig_fail(r, "otpd ended before it had a socket");
		(void)read(watch, events, sizeof(events));
	}
	(void)close(watch);
	return fd;
}

static void
hear_events(struct rig *r)
{
	cJSON *request = rig_request("events");

	(void)cJSON_AddNumberToObject(request, "since", r->seq + 1);
	(void)cJSON_AddTrueToObject(request, "follow");
	(void)line_send(r, r->events, request);
}

void
rig_refused(struct rig *r)
{
	char text[1024];
	ssize_t n = -1;
	int fd = open("stderr", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		n = read(fd, text, sizeof(text));
	(void)close(fd);
	if ((r->otpd != 0 && waitpid(r->otpd, &r->status, 0) != r->otpd) ||
	    !WIFEXITED(r->status) || WEXITSTATUS(r->status) != 1)
		rig_fail(r, "otpd's wait status is %#x", r->status);
	r->otpd = 0;
	if (n <= 0 || memchr(text, '\n', (size_t)n) != text + n - 1)
		rig_fail(r, "otpd does not say in one line why it ends");
	r->refused = true;
}

void
rig_launch(struct rig *r)
{
	(void)fflush(stdout);
	r->otpd = fork();
	if (r->otpd == 0)
		become_otpd(r);
	r->pidfd = (int)syscall(SYS_pidfd_open, r->otpd, 0);
	if (r->pidfd < 0)
		rig_fail(r, "pidfd_open: %s", strerror(errno));
}

void
rig_replace(struct rig *r)
{
	(void)kill(r->otpd, SIGKILL);
	if (waitpid(r->otpd, &r->status, 0) != r->otpd)
		rig_fail(r, "waitpid: %s", strerror(errno));
	(void)close(r->pidfd);
	r->adopter = true;
	rig_launch(r);
}

void
rig_start(struct rig *r, const char *config)
{
	int first;

	write_file(r, "otpd.json", config);
	if (mkdir("run", 0700) < 0 || mkdir("run/names", 0700) < 0 ||
	    mkfifo("gate", 0600) < 0)
		rig_fail(r, "%s: %s", r->dir, strerror(errno));
	rig_launch(r);
	first = connect_first(r);
	if (first < 0) {
		rig_refused(r);
		return;
	}
	r->events = line_new(r, first);
	first = connect_once();
	if (first < 0 && r->may_refuse) {
		rig_await_readable(r, r->pidfd, "the end of otpd");
		rig_refused(r);
		return;
	}
	r->calls = line_new(r, first);
	hear_events(r);
	/* Asked on the same line after it: the engine has both. */
	if (!r->mortal)
		cJSON_Delete(line_answer(r, r->events, line_send(r, r->events,
		    rig_request("info"))));
	r->gate = open("gate", O_RDWR | O_CLOEXEC);
	(void)unlink("gate");
}

/* --- events --- */

/* Hear one more event; false when there will be none. */
static bool
hear(struct rig *r)
{
	struct frame_header h;
	cJSON *event;

	if (r->over)
		return false;
	do {
		event = line_next(r, r->events, &h);
		if (event != NULL || !r->mortal)
			break;
		if (reconnect(r, &r->events))
			hear_events(r);
	} while (r->events != NULL);
	if (event == NULL)
		r->over = true;
	else if (h.type == FRAME_INFO)
		keep_event(r, event);
	else
		rig_fail(r, "the engine does not give events");
	return event != NULL;
}

void
rig_drain(struct rig *r)
{
	while (hear(r))
		;
	if (r->otpd == 0)
		return;
	/* An engine that crashed leaves otpd behind: do not wait for long. */
	if (r->deadline > now_ns() + PARTING_S * NSEC)
		r->deadline = now_ns() + PARTING_S * NSEC;
	rig_await_readable(r, r->pidfd, "the end of otpd");
	if (waitpid(r->otpd, &r->status, 0) != r->otpd)
		rig_fail(r, "waitpid: %s", strerror(errno));
	r->otpd = 0;
	line_close(r->calls);
	r->calls = NULL;
}

void
rig_settle(struct rig *r)
{
	cJSON *reply = rig_ask(r, rig_request("sync")), *request;
	double last;

	cJSON_Delete(reply);
	if (reply == NULL) {
		rig_drain(r);
		return;
	}
	request = rig_request("events");
	(void)cJSON_AddNumberToObject(request, "since", 9e14);
	reply = rig_ask(r, request);
	if (reply == NULL) {
		rig_drain(r);
		return;
	}
	last = cJSON_GetNumberValue(cJSON_GetObjectItem(reply, "last"));
	cJSON_Delete(reply);
	while (r->seq < last && hear(r))
		;
}

/* --- the end --- */

/* What went wrong in the tree is otpd's to say; the rest is no word of it. */
static bool
said_by_another(void)
{
	FILE *f = fopen("stderr", "re");
	bool found = f == NULL;
	char line[2048];

	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strncmp(line, "otpd: ", 6) != 0;
	if (f != NULL)
		(void)fclose(f);
	return found;
}

void
rig_done(struct rig *r)
{
	if (r->otpd != 0)
		rig_fail(r, "otpd is still there");
	/* What an otpd that was killed had started was ours to reap. */
	while (r->adopter && waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (clean_kill_children() > 0)
		rig_fail(r, "processes were left behind");
	if (!r->mortal && said_by_another())
		rig_fail(r, "something was said on stderr");
	line_close(r->events);
	cJSON_Delete(r->heard);
	(void)close(r->pidfd);
	if (r->gate >= 0)
		(void)close(r->gate);
	remove_all(r);
}
