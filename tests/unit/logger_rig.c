/* SPDX-License-Identifier: ISC */
#include "logger_rig.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/loop.h"

struct rig rig;

static const char *
program(void)
{
	static char path[4096];
	const char *env = getenv("OTP_LOGGER"), *dir = getenv("OTPD_BUILDDIR");

	if (env != NULL)
		return env;
	(void)snprintf(path, sizeof(path), "%s/otp-logger",
	    dir == NULL ? "." : dir);
	return path;
}

static void
child_exec(int channel, int link)
{
	int fds[6] = { channel, rig.listen, link, rig.carry[0], rig.carry[1],
	    rig.carry[2] }, i, high, n = rig.carry[0] == -1 ? 3 : 6;
	struct rlimit limit = { rig.nofile, rig.nofile };
	int words;

	words = open(rig.words, O_WRONLY | O_CREAT | O_APPEND, 0600);
	for (i = 0; i < n; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 32);
	for (i = 0; i < n; i++)
		(void)dup2(fds[i], SPAWN_FD_CHANNEL + i);
	(void)dup2(words, STDERR_FILENO);
	for (high = SPAWN_FD_CHANNEL + n; high < 1024; high++)
		(void)close(high);
	if (rig.nofile != 0)
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	(void)execl(program(), "otp-logger", "-r", rig.dir, "-l", rig.logs,
	    (char *)NULL);
	_exit(127);
}

void
rig_start(void)
{
	int channel[2], link[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    channel), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    link), 0);
	rig.pid = fork();
	ck_assert_int_ge(rig.pid, 0);
	if (rig.pid == 0)
		child_exec(channel[1], link[1]);
	(void)close(channel[1]);
	(void)close(link[1]);
	rig.channel = channel[0];
	rig.link = link[0];
}

void
rig_setup(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(rig.dir, sizeof(rig.dir), "%s/otp-logger-XXXXXX",
	    tmp == NULL || strlen(tmp) > 64 ? "/tmp" : tmp);
	ck_assert_ptr_nonnull(mkdtemp(rig.dir));
	(void)snprintf(rig.logs, sizeof(rig.logs), "%s/logs", rig.dir);
	(void)snprintf(rig.socket, sizeof(rig.socket), "%s/s", rig.dir);
	(void)snprintf(rig.words, sizeof(rig.words), "%s/words", rig.dir);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/s", rig.dir);
	rig.listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(rig.listen, (struct sockaddr *)&sun,
	    sizeof(sun)), 0);
	ck_assert_int_eq(listen(rig.listen, 64), 0);
	rig.carry[0] = memfd_create("carry", MFD_CLOEXEC);
	ck_assert_int_ge(rig.carry[0], 0);
	ck_assert_int_eq(pipe2(rig.carry + 1, O_CLOEXEC | O_NONBLOCK), 0);
	rig_start();
}

int
rig_wait(void)
{
	int status;

	ck_assert_int_eq(waitpid(rig.pid, &status, 0), rig.pid);
	rig.pid = 0;
	(void)close(rig.channel);
	(void)close(rig.link);
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}

int
rig_end(void)
{
	tell_spawner(SPAWN_FINISH, 0);
	return rig_wait();
}

void
rig_kill(void)
{
	ck_assert_int_eq(kill(rig.pid, SIGKILL), 0);
	ck_assert_int_eq(rig_wait(), 128 + SIGKILL);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
rig_teardown(void)
{
	int i;

	if (rig.pid != 0)
		ck_assert_int_eq(rig_end(), 0);
	ck_assert_int_eq(said("Sanitizer"), 0);
	ck_assert_int_eq(said("runtime error"), 0);
	(void)close(rig.listen);
	for (i = 0; i < 3; i++)
		(void)close(rig.carry[i]);
	(void)nftw(rig.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct pipe_ends
pipe_new(void)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	return (struct pipe_ends){ fds[0], fds[1] };
}

void
pipe_put(const struct pipe_ends *p, const char *data, size_t len)
{
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n) {
		n = write(p->w, data, len);
		ck_assert_msg(n > 0, "write: %s", strerror(errno));
	}
}

void
pipe_say(const struct pipe_ends *p, const char *text)
{
	pipe_put(p, text, strlen(text));
}

int
pipe_held(const struct pipe_ends *p)
{
	int n;

	ck_assert_int_eq(ioctl(p->r, FIONREAD, &n), 0);
	return n;
}

static void
tell(int sock, struct spawn_header h, const void *body, size_t len, int fd)
{
	static const char padding[8];
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov[3] = { { &h, sizeof(h) }, { (void *)body, len },
	    { (void *)padding, spawn_padded(len) - len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	struct cmsghdr *c;

	h.len = (uint32_t)(sizeof(h) + len);
	if (fd != -1) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	ck_assert(sendmsg(sock, &msg, MSG_NOSIGNAL) > 0 || rig.mortal);
}

void
tell_pipe(uint64_t key, int fd)
{
	tell(rig.channel, (struct spawn_header){ .type = SPAWN_HELD,
	    .inc = key }, NULL, 0, fd);
}

void
tell_spawner(uint16_t type, uint64_t key)
{
	tell(rig.channel, (struct spawn_header){ .type = type, .inc = key },
	    NULL, 0, -1);
}

void
tell_engine(uint16_t type, uint64_t key)
{
	tell(rig.link, (struct spawn_header){ .type = type, .inc = key },
	    NULL, 0, -1);
}

void
tell_stream(uint64_t key, const char *name, uint64_t max_bytes,
    uint32_t keep, uint32_t flags)
{
	const struct log_stream set = { max_bytes, keep, flags };
	char body[sizeof(set) + 4096];
	size_t len = sizeof(set) + strlen(name) + 1;

	ck_assert_uint_le(len, sizeof(body));
	memcpy(body, &set, sizeof(set));
	memcpy(body + sizeof(set), name, strlen(name) + 1);
	tell(rig.link, (struct spawn_header){ .type = LOG_STREAM,
	    .inc = key }, body, len, -1);
}

void
tell_all_told(pid_t pid, uint64_t below)
{
	const struct log_told told = { below };

	tell(rig.link, (struct spawn_header){ .type = LOG_TOLD,
	    .inc = (uint64_t)pid }, &told, sizeof(told), -1);
}

struct pipe_ends
stream_new(uint64_t key, const char *name)
{
	struct pipe_ends p = pipe_new();

	tell_stream(key, name, 0, 0, 0);
	tell_pipe(key, p.r);
	return p;
}

uint64_t
ask_deadline(void)
{
	return loop_now_ns() + 20 * UINT64_C(1000000000);
}

struct client *
ask_open(void)
{
	struct client *c = client_open(rig.socket, ask_deadline());

	ck_assert_msg(c != NULL, "client_open: %s", strerror(errno));
	return c;
}

char *
ask(const char *request)
{
	struct client *c = ask_open();
	char *out = NULL;
	size_t len;
	int rc;

	rc = client_call(c, request, strlen(request), ask_deadline(), &out,
	    &len);
	ck_assert_msg(rc == 0, "%s: %s", request, strerror(-rc));
	client_close(c);
	return out;
}

uint64_t
stat_of(const char *field)
{
	char *reply = ask("{\"op\":\"stats\"}"), key[64], *at;
	uint64_t value;

	(void)snprintf(key, sizeof(key), "\"%s\":", field);
	at = strstr(reply, key);
	ck_assert_msg(at != NULL, "no %s in %s", field, reply);
	value = strtoull(at + strlen(key), NULL, 10);
	free(reply);
	return value;
}

void
wait_stat(const char *field, uint64_t want)
{
	uint64_t got, deadline = ask_deadline();

	while ((got = stat_of(field)) < want)
		ck_assert_msg(loop_now_ns() < deadline, "%s stays at %llu",
		    field, (unsigned long long)got);
}

void
barrier(void)
{
	(void)stat_of("bytes");		/* a turn that heard */
	(void)stat_of("bytes");		/* and one that saw what it heard of */
}

const char *
path_of(const char *name)
{
	static char path[4][2 * RIG_PATH];
	static unsigned i;

	i = (i + 1) % 4;
	(void)snprintf(path[i], sizeof(path[i]), "%s/%s", rig.dir, name);
	return path[i];
}

static char *
file_read(const char *path, size_t *out_len)
{
	struct stat st;
	char *text;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return NULL;
	ck_assert_int_eq(fstat(fd, &st), 0);
	text = malloc((size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(read(fd, text, (size_t)st.st_size), st.st_size);
	text[st.st_size] = '\0';
	*out_len = (size_t)st.st_size;
	(void)close(fd);
	return text;
}

char *
log_read(const char *file, size_t *out_len)
{
	char path[2 * RIG_PATH];

	(void)snprintf(path, sizeof(path), "%s/%s", rig.logs, file);
	return file_read(path, out_len);
}

void
log_is(const char *file, const char *want)
{
	size_t len;
	char *text = log_read(file, &len);

	ck_assert_msg(text != NULL, "no %s", file);
	ck_assert_msg(strcmp(text, want) == 0, "%s: got \"%s\", want \"%s\"",
	    file, text, want);
	free(text);
}

bool
log_exists(const char *file)
{
	size_t len;
	char *text = log_read(file, &len);

	free(text);
	return text != NULL;
}

int
said(const char *what)
{
	size_t len;
	char *text = file_read(rig.words, &len), *p;
	int n = 0;

	if (text == NULL)
		return 0;
	for (p = text; (p = strstr(p, what)) != NULL; p++)
		n++;
	if (n > 0 && strcmp(what, "Sanitizer") == 0)
		(void)fputs(text, stderr);
	free(text);
	return n;
}
