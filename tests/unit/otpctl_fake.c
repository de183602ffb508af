/* SPDX-License-Identifier: ISC */
/*
 * Serves in a process of its own, one connection at a time for each of the two
 * sockets; ends with its parent.
 */
#include "otpctl_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <check.h>

#include "wire/frame.h"

#define CONNECTIONS_MAX	16

struct peer_state {
	int	 fd;
	char	 buf[65536];
	size_t	 len;
};

static struct peer_state peers[CONNECTIONS_MAX];

/* --- the answers --- */

static char *
with_times(const char *text)
{
	char *out = malloc(strlen(text) * 6 + 1), *p = out;
	struct timespec now;
	struct tm tm;
	time_t t;

	ck_assert_ptr_nonnull(out);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	while (*text != '\0') {
		if (text[0] != '@' || text[1] != '-') {
			*p++ = *text++;
			continue;
		}
		t = now.tv_sec - (time_t)strtol(text + 2, (char **)&text, 10);
		gmtime_r(&t, &tm);
		p += strftime(p, 32, "%Y-%m-%dT%H:%M:%S", &tm);
		p += sprintf(p, ".%03ldZ", now.tv_nsec / 1000000);
	}
	*p = '\0';
	return out;
}

static void
send_frame(int fd, uint8_t type, uint64_t ref, const void *data, size_t len)
{
	struct frame_header h = { .length = (uint32_t)len, .type = type,
	    .ref = ref };
	uint8_t head[FRAME_HEADER_LEN];

	frame_encode(&h, head);
	(void)send(fd, head, sizeof(head), MSG_NOSIGNAL);
	(void)send(fd, data, len, MSG_NOSIGNAL);
}

static void
send_hello(int fd)
{
	struct { struct frame_hello h; char names[6]; } hello;

	memset(&hello, 0, sizeof(hello));	/* the path is "" */
	hello.h = (struct frame_hello){ .magic = FRAME_MAGIC,
	    .version = FRAME_VERSION, .max_payload = FRAME_ENGINE_MAX,
	    .pid = getpid(), .generation = 1 };
	memcpy(hello.names, "otpd", 4);
	send_frame(fd, FRAME_HELLO, 0, &hello, sizeof(hello.h) + 6);
}

static void
send_json(int fd, uint8_t type, uint64_t ref, const cJSON *o)
{
	char *s;

	if (cJSON_IsString(o)) {
		send_frame(fd, type, ref, o->valuestring,
		    strlen(o->valuestring));
		return;
	}
	s = cJSON_PrintUnformatted(o);
	send_frame(fd, type, ref, s, strlen(s));
	free(s);
}

/* What was kept waiting is answered behind what it waited for. */
static void
answer_held(const struct fake *f, const cJSON *answers, const char *op, int fd,
    uint64_t ref)
{
	static int held_fd = -1;
	static uint64_t held_ref;

	if (f->until == NULL)
		return;
	if (strcmp(op, f->hangs) == 0) {
		held_fd = fd;
		held_ref = ref;
	} else if (strcmp(op, f->until) == 0 && held_fd >= 0) {
		send_json(held_fd, FRAME_REPLY, held_ref,
		    cJSON_GetObjectItemCaseSensitive(answers, f->hangs));
		held_fd = -1;
	}
}

/* False: the connection is to end. */
static bool
answer(struct fake *f, const cJSON *answers, int fd, uint64_t ref,
    const char *payload, size_t len)
{
	cJSON *request = cJSON_ParseWithLength(payload, len);
	const char *op = cJSON_GetStringValue(
	    cJSON_GetObjectItemCaseSensitive(request, "op"));
	const cJSON *reply, *item;

	if (op != NULL)
		answer_held(f, answers, op, fd, ref);
	if (f->silent || op == NULL ||
	    (f->hangs != NULL && strcmp(op, f->hangs) == 0)) {
		cJSON_Delete(request);
		return true;
	}
	if (f->breaks > 0) {
		f->breaks--;
		return false;
	}
	reply = cJSON_GetObjectItemCaseSensitive(answers, op);
	cJSON_Delete(request);
	if (reply == NULL) {
		struct frame_header h = { .length = 10, .type = FRAME_ERROR,
		    .tag = FRAME_E_BAD_REQUEST, .ref = ref };
		uint8_t head[FRAME_HEADER_LEN];

		frame_encode(&h, head);
		(void)send(fd, head, sizeof(head), MSG_NOSIGNAL);
		(void)send(fd, "no such op", 10, MSG_NOSIGNAL);
		return true;
	}
	if (!cJSON_IsArray(reply)) {
		send_json(fd, FRAME_REPLY, ref, reply);
		return true;
	}
	cJSON_ArrayForEach(item, reply) {
		send_json(fd, FRAME_INFO, ref, item);
		if (f->breaks_midway > 0) {
			f->breaks_midway--;
			return false;
		}
	}
	send_frame(fd, FRAME_REPLY, ref, "{}", 2);
	return true;
}

static void
note_request(const struct fake *f, const char *payload, size_t len)
{
	char path[128];
	FILE *log;

	(void)snprintf(path, sizeof(path), "%s/requests", f->dir);
	log = fopen(path, "a");
	if (log == NULL)
		return;
	fprintf(log, "%.*s\n", (int)len, payload);
	(void)fclose(log);
}

static bool
serve(struct fake *f, const cJSON *answers, struct peer_state *p)
{
	struct frame_header h;
	bool go_on = true;
	ssize_t n;
	long used;

	n = read(p->fd, p->buf + p->len, sizeof(p->buf) - p->len);
	if (n <= 0)
		return false;
	p->len += (size_t)n;
	while (go_on && (used = frame_parse((const uint8_t *)p->buf, p->len,
	    FRAME_ENGINE_MAX, &h)) > 0) {
		if (h.type == FRAME_CALL) {
			note_request(f, p->buf + FRAME_HEADER_LEN, h.length);
			go_on = answer(f, answers, p->fd, h.ref,
			    p->buf + FRAME_HEADER_LEN, h.length);
		}
		p->len -= (size_t)used;
		memmove(p->buf, p->buf + used, p->len);
	}
	return go_on;
}

static void
greet(const struct fake *f, int listen_fd)
{
	int i, fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	for (i = 0; i < CONNECTIONS_MAX && peers[i].fd != 0; i++)
		;
	if (i == CONNECTIONS_MAX)
		abort();
	peers[i].fd = fd;
	peers[i].len = 0;
	if (f->garbage)
		(void)send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28,
		    MSG_NOSIGNAL);
	else if (!f->mute)
		send_hello(fd);
}

static void
fake_main(struct fake *f)
{
	struct pollfd fds[2 + CONNECTIONS_MAX];
	char *text = with_times(f->answers != NULL ? f->answers : "{}");
	cJSON *answers = cJSON_Parse(text);
	int i;

	if (answers == NULL)
		abort();
	for (;;) {
		for (i = 0; i < 2 + CONNECTIONS_MAX; i++)
			fds[i] = (struct pollfd){ .events = POLLIN,
			    .fd = i < 2 ? f->listen_fd[i] :
			    peers[i - 2].fd != 0 ? peers[i - 2].fd : -1 };
		if (poll(fds, 2 + CONNECTIONS_MAX, -1) < 0)
			continue;
		for (i = 0; i < CONNECTIONS_MAX; i++) {
			if (fds[i + 2].revents == 0 ||
			    serve(f, answers, &peers[i]))
				continue;
			(void)close(peers[i].fd);
			peers[i].fd = 0;
		}
		for (i = 0; i < 2; i++)
			if (fds[i].revents != 0)
				greet(f, f->listen_fd[i]);
	}
}

static int
listen_on(const struct fake *f, const char *name)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/names/%s",
	    f->dir, name);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

void
fake_start(struct fake *f)
{
	const char *tmp = getenv("TMPDIR");
	char names[128];

	/* Not too long for a socket's path. */
	(void)snprintf(f->dir, sizeof(f->dir), "%s/otpctl-test.XXXXXX",
	    tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(f->dir));
	(void)snprintf(names, sizeof(names), "%s/names", f->dir);
	ck_assert_int_eq(mkdir(names, 0700), 0);
	f->listen_fd[0] = listen_on(f, "otpd");
	f->listen_fd[1] = f->no_logger ? -1 : listen_on(f, "otp-logger");
	f->pid = fork();
	ck_assert_int_ge(f->pid, 0);
	if (f->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		fake_main(f);
		_exit(0);
	}
	(void)close(f->listen_fd[0]);
	if (f->listen_fd[1] >= 0)
		(void)close(f->listen_fd[1]);
}

void
fake_stop(struct fake *f)
{
	static const char *const files[] = { "names/otpd",
		"names/otp-logger", "names", "requests", "" };
	char path[128];
	size_t i;

	if (f->pid > 0) {
		(void)kill(f->pid, SIGKILL);
		(void)waitpid(f->pid, NULL, 0);
		f->pid = 0;
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", f->dir, files[i]);
		(void)remove(path);
	}
}

const char *
fake_requests(const struct fake *f)
{
	static char text[8192];
	char path[128];
	FILE *log;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/requests", f->dir);
	log = fopen(path, "r");
	if (log == NULL)
		return "";
	n = fread(text, 1, sizeof(text) - 1, log);
	text[n] = '\0';
	(void)fclose(log);
	return text;
}

/* --- running otpctl --- */

bool
has_terminals(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	bool has = master >= 0 && access(ptsname(master), F_OK) == 0;

	if (master >= 0)
		(void)close(master);
	if (!has)
		(void)fprintf(stderr, "left out: no terminal can be made\n");
	return has;
}

static int
open_terminal(unsigned short columns, int *slave)
{
	struct winsize ws = { .ws_row = 24, .ws_col = columns };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	*slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(*slave, 0);
	ck_assert_int_eq(tcgetattr(*slave, &t), 0);
	cfmakeraw(&t);
	ck_assert_int_eq(tcsetattr(*slave, TCSANOW, &t), 0);
	ck_assert_int_eq(ioctl(*slave, TIOCSWINSZ, &ws), 0);
	return master;
}

static bool
drain(int fd, char *text, size_t size, size_t *len)
{
	ssize_t n = read(fd, text + *len, size - 1 - *len);

	if (n <= 0)
		return false;
	*len += (size_t)n;
	text[*len] = '\0';
	return true;
}

static void
collect(int out, int err, struct run *r)
{
	struct pollfd p[2] = { { .fd = out, .events = POLLIN },
		{ .fd = err, .events = POLLIN } };
	size_t len[2] = { 0, 0 };

	r->out[0] = r->err[0] = '\0';
	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents != 0 &&
		    !drain(out, r->out, sizeof(r->out), &len[0]))
			p[0].fd = -1;
		if (p[1].revents != 0 &&
		    !drain(err, r->err, sizeof(r->err), &len[1]))
			p[1].fd = -1;
	}
}

static pid_t
spawn(const struct fake *f, const char *const *words, const char *const *env,
    int in, int out, int err)
{
	const char *argv[32] = { "otpctl", "-r", f->dir };
	const char *empty[] = { "TZ=UTC", NULL };
	posix_spawn_file_actions_t fa;
	char program[512];
	pid_t pid;
	int i = 3;

	while (*words != NULL && i < 31)
		argv[i++] = *words++;
	ck_assert_int_eq(posix_spawn_file_actions_init(&fa), 0);
	(void)posix_spawn_file_actions_adddup2(&fa, in, 0);
	(void)posix_spawn_file_actions_adddup2(&fa, out, 1);
	(void)posix_spawn_file_actions_adddup2(&fa, err, 2);
	(void)snprintf(program, sizeof(program), "%s/otpctl",
	    getenv("OTPD_BUILDDIR") != NULL ? getenv("OTPD_BUILDDIR") : ".");
	ck_assert_int_eq(posix_spawn(&pid, program, &fa, NULL,
	    (char *const *)(uintptr_t)argv,
	    (char *const *)(uintptr_t)(env != NULL ? env : empty)), 0);
	(void)posix_spawn_file_actions_destroy(&fa);
	return pid;
}

void
run_otpctl(const struct fake *f, const char *const *words,
    const char *const *env, unsigned short terminal, const char *input,
    struct run *r)
{
	int in[2], out[2], err[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	if (f->err_terminal)
		err[0] = open_terminal(80, &err[1]);
	else
		ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
	if (terminal != 0)
		out[0] = open_terminal(terminal, &out[1]);
	else
		ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	if (input != NULL)
		ck_assert_int_eq(write(in[1], input, strlen(input)),
		    (ssize_t)strlen(input));
	pid = spawn(f, words, env, in[0], out[1], err[1]);
	(void)close(in[0]);
	(void)close(in[1]);
	(void)close(out[1]);
	(void)close(err[1]);
	collect(out[0], err[0], r);
	(void)close(out[0]);
	(void)close(err[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	r->code = WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}
