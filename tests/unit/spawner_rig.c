/* SPDX-License-Identifier: ISC */
/*
 * The rig of the spawner's tests.
 */
#include "spawner_rig.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void
await(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	ck_assert_msg(poll(&p, 1, RIG_PATIENCE_MS) == 1, "nothing came");
}

void
rig_await(int fd)
{
	await(fd, POLLIN);
}

/* ./name in the build tree. */
static void
built(const char *name, char *out, size_t size)
{
	const char *dir = getenv("OTPD_BUILDDIR");
	char cwd[256];

	if (dir == NULL || dir[0] != '/') {
		ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
		dir = cwd;
	}
	ck_assert_int_lt(snprintf(out, size, "%s/%s", dir, name), (int)size);
}

static void
link_double(struct rig *r, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	ck_assert_int_eq(symlink(r->service, path), 0);
}

static void
make_listener(struct rig *r)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/test", r->dir);
	r->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(r->listener, 0);
	ck_assert_int_eq(bind(r->listener, (struct sockaddr *)&sa,
	    sizeof(sa)), 0);
	ck_assert_int_eq(listen(r->listener, 64), 0);
	ck_assert_int_eq(setenv("OTP_TEST_SOCKET", sa.sun_path, 1), 0);
	ck_assert_int_eq(setenv("OTP_LIBEXEC", r->dir, 1), 0);
}

/* In the child: otpd ends with its test. */
static void
become_otpd(struct rig *r, const char *option)
{
	char run[128], log[128], err[128];
	struct rlimit l;
	int fd;

	snprintf(err, sizeof(err), "%s/err", r->dir);
	fd = open(err, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(94);
	snprintf(run, sizeof(run), "%s/run", r->dir);
	snprintf(log, sizeof(log), "%s/log", r->dir);
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		_exit(93);
	l.rlim_cur = RIG_NOFILE;
	(void)setrlimit(RLIMIT_NOFILE, &l);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)execl(r->otpd_path, "otpd", "-r", run, "-l", log, "-c", "/none",
	    option, (char *)NULL);
	_exit(95);
}

static void
launch(struct rig *r, const char *option)
{
	r->otpd = fork();
	ck_assert_int_ge(r->otpd, 0);
	if (r->otpd == 0)
		become_otpd(r, option);
}

void
rig_start_with(struct rig *r, const char *option)
{
	int i;

	memset(r, 0, sizeof(*r));
	r->engine.conn = r->logger.conn = -1;
	for (i = 0; i < RIG_KEYS; i++)
		r->held[i] = r->pipes[i] = -1;
	strcpy(r->dir, "/tmp/otpd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(r->dir));
	ck_assert_int_eq(chmod(r->dir, 0711), 0);
	built(getenv("OTP_FAULTS") != NULL ? "otpd-fault" : "otpd",
	    r->otpd_path, sizeof(r->otpd_path));
	built("tests/unit/spawner_double", r->service, sizeof(r->service));
	link_double(r, "otp-engine");
	link_double(r, "otp-logger");
	make_listener(r);
	launch(r, option);
}

/* The parent of a process, 0 when there is none such. */
static pid_t
parent_of(pid_t pid)
{
	char path[64], text[512], *p;
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	p = strrchr(text, ')');
	return p != NULL ? atoi(p + 4) : 0;
}

/* Until both are there; those that the otpd before had started are let go. */
static void
accept_both(struct rig *r)
{
	while (parent_of(r->engine.pid) != r->otpd ||
	    parent_of(r->logger.pid) != r->otpd)
		rig_accept(r);
}

void
rig_relaunch(struct rig *r)
{
	(void)kill(r->otpd, SIGKILL);
	ck_assert_int_eq(waitpid(r->otpd, NULL, 0), r->otpd);
	/* It does not listen, and would be waited for. */
	if (r->logger.pid > 0)
		(void)kill(r->logger.pid, SIGKILL);
	memset(r->children, 0, sizeof(r->children));
	launch(r, NULL);
}

void
rig_replace(struct rig *r)
{
	rig_relaunch(r);
	accept_both(r);
}

void
rig_start(struct rig *r)
{
	rig_start_with(r, NULL);
	rig_accept(r);
	rig_accept(r);
	ck_assert_int_ge(r->engine.conn, 0);
	ck_assert_int_ge(r->logger.conn, 0);
}

void
rig_clean(struct rig *r)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", r->dir);
	ck_assert_int_eq(system(command), 0);
}

int
rig_wait_otpd(struct rig *r)
{
	int fd, status;

	fd = (int)syscall(SYS_pidfd_open, r->otpd, 0);
	ck_assert_int_ge(fd, 0);
	await(fd, POLLIN);
	(void)close(fd);
	ck_assert_int_eq(waitpid(r->otpd, &status, 0), r->otpd);
	rig_clean(r);
	return status;
}

static void
forget_part(struct part *p)
{
	int i;

	if (p->conn >= 0) {
		(void)close(p->conn);
		for (i = SPAWN_FD_CHANNEL; i <= SPAWN_FD_ENGINE_LAST; i++)
			if (p->fds[i] >= 0)
				(void)close(p->fds[i]);
	}
	memset(p, 0, sizeof(*p));
	p->conn = p->in_fd = -1;
	for (i = 0; i <= SPAWN_FD_ENGINE_LAST; i++)
		p->fds[i] = -1;
}

void
rig_stop(struct rig *r, int code)
{
	struct spawn_quit q = { code, 0 };
	int status;

	rig_send(r, SPAWN_QUIT, 0, &q, sizeof(q));
	while (!r->finish)
		rig_read_logger(r);
	rig_end(&r->engine, 0);
	rig_end(&r->logger, 0);
	status = rig_wait_otpd(r);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), code);
}

void
rig_end(struct part *p, int code)
{
	unsigned char byte = (unsigned char)code;

	if (code < 0)
		ck_assert_int_eq(kill(p->pid, SIGKILL), 0);
	else
		ck_assert_int_eq(send(p->conn, &byte, 1, MSG_NOSIGNAL), 1);
	rig_ended(p);
}

void
rig_ended(struct part *p)
{
	char c;

	await(p->conn, POLLIN);
	ck_assert_int_le(recv(p->conn, &c, 1, 0), 0);
	forget_part(p);
}

bool
rig_accept_one(struct rig *r)
{
	union {
		char		buf[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr	align;
	} control;
	char part;
	int pid, conn;
	struct iovec iov[2] = { { &part, 1 }, { &pid, sizeof(pid) } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2,
	    .msg_control = control.buf, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	struct part *p;
	ssize_t n;

	await(r->listener, POLLIN);
	conn = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(conn, 0);
	await(conn, POLLIN);
	n = recvmsg(conn, &m, MSG_CMSG_CLOEXEC);
	if (n <= 0) {
		(void)close(conn);
		return false;
	}
	ck_assert_int_eq(n, 1 + (int)sizeof(pid));
	p = part == 'e' ? &r->engine : &r->logger;
	forget_part(p);
	p->conn = conn;
	p->pid = pid;
	c = CMSG_FIRSTHDR(&m);
	ck_assert_ptr_nonnull(c);
	memcpy(p->fds + SPAWN_FD_CHANNEL, CMSG_DATA(c),
	    c->cmsg_len - CMSG_LEN(0));
	return true;
}

void
rig_accept(struct rig *r)
{
	while (!rig_accept_one(r))
		;
}

void
rig_hello(struct rig *r)
{
	struct spawn_hello h = { SPAWN_VERSION, (uint32_t)r->engine.pid, 0 };

	r->listed = false;
	rig_send(r, SPAWN_HELLO, 0, &h, sizeof(h));
	while (!r->listed)
		rig_read_engine(r);
}

static void
send_message(struct rig *r, const void *buf, size_t len, int fd)
{
	union {
		char		buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr	align;
	} control = { .buf = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	while (sendmsg(r->engine.fds[SPAWN_FD_CHANNEL], &m, MSG_NOSIGNAL) < 0) {
		ck_assert_int_eq(errno, EAGAIN);
		await(r->engine.fds[SPAWN_FD_CHANNEL], POLLOUT);
	}
}

static void
send_record(struct rig *r, uint16_t type, uint64_t inc, const void *body,
    size_t n, int fd)
{
	struct {
		struct spawn_header	h;
		uint64_t		body[64];
	} rec = { .h = { (uint32_t)(sizeof(rec.h) + n), type, 0, inc } };

	if (n > 0)
		memcpy(rec.body, body, n);
	send_message(r, &rec, sizeof(rec.h) + spawn_padded(n), fd);
}

void
rig_send(struct rig *r, uint16_t type, uint64_t inc, const void *body,
    size_t n)
{
	send_record(r, type, inc, body, n, -1);
}

void
rig_send_fd(struct rig *r, uint16_t type, uint64_t inc, int fd)
{
	send_record(r, type, inc, NULL, 0, fd);
}

void
rig_order(struct rig *r, uint64_t inc, struct spawn_spec *spec,
    const char *what, const char *arg)
{
	static uint64_t buf[SPAWN_MSG_MAX / 8];
	struct spawn_spec s = { .uid = SPAWN_KEEP, .gid = SPAWN_KEEP,
	    .umask = SPAWN_KEEP };
	const char *argv[] = { r->service, what, arg, NULL };
	struct spawn_header *h = (void *)buf;
	long n;

	if (spec != NULL)
		s = *spec;
	if (s.argv == NULL)
		s.argv = argv;
	n = spawn_start_encode(&s, buf, sizeof(buf));
	ck_assert_int_gt(n, 0);
	h->inc = inc;
	if (r->fd_key != 0) {
		((struct spawn_start *)buf)->nfds = 2;
		((struct spawn_start *)buf)->fd_key = r->fd_key;
		((struct spawn_start *)buf)->flags = SPAWN_F_LET_GO;
	}
	send_message(r, buf, spawn_padded((size_t)n), -1);
}

void
rig_signal(struct rig *r, uint64_t inc, int sig, bool group)
{
	struct spawn_signal s = { sig, group };

	rig_send(r, SPAWN_SIGNAL, inc, &s, sizeof(s));
}

void
rig_ack(struct rig *r, uint64_t inc)
{
	rig_send(r, SPAWN_ACK, inc, NULL, 0);
}

/* One message of p. */
static void
receive(struct part *p)
{
	union {
		char		buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr	align;
	} control;
	struct iovec iov = { p->in, sizeof(p->in) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control.buf, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n;

	await(p->fds[SPAWN_FD_CHANNEL], POLLIN);
	n = recvmsg(p->fds[SPAWN_FD_CHANNEL], &m,
	    MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	ck_assert_int_gt(n, 0);
	p->in_len = (size_t)n;
	p->in_fd = -1;
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL)
		memcpy(&p->in_fd, CMSG_DATA(c), sizeof(int));
}

/* A read end that is a write end too waits for writers to come. */
static void
never_end(int *fd)
{
	char path[64];
	int both;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	both = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(both, 0);
	(void)close(*fd);
	*fd = both;
}

static void
take_held(struct rig *r, struct part *p, uint64_t key, int *out)
{
	ck_assert_uint_lt(key, RIG_KEYS);
	ck_assert_int_ge(p->in_fd, 0);
	if (out[key] >= 0)
		(void)close(out[key]);
	out[key] = p->in_fd;
	p->in_fd = -1;
	if (out == r->pipes)
		never_end(&out[key]);
}

static void
take_child(struct rig *r, const struct spawn_header *h)
{
	ck_assert_uint_lt(h->inc, RIG_INCS);
	memcpy(&r->children[h->inc], h + 1, sizeof(struct spawn_child));
	r->told[h->inc]++;
}

static void
take(struct rig *r, struct part *p, const struct spawn_header *h)
{
	const void *body = h + 1;

	switch (h->type) {
	case SPAWN_WELCOME:
		memcpy(&r->welcome, body, sizeof(r->welcome));
		break;
	case SPAWN_CHILD: take_child(r, h); break;
	case SPAWN_UPGRADED:
		memcpy(&r->upgraded, body, sizeof(r->upgraded));
		break;
	case SPAWN_LISTED: r->listed = true; break;
	case SPAWN_ASKED: memcpy(&r->asked, body, sizeof(r->asked)); break;
	case SPAWN_LOGGER:
		memcpy(&r->logger_started, body, sizeof(r->logger_started));
		break;
	case SPAWN_PONG: r->pong = h->inc; break;
	case SPAWN_HELD:
		take_held(r, p, h->inc, p == &r->engine ? r->held : r->pipes);
		break;
	case SPAWN_DROPPED: r->dropped[h->inc] = true; break;
	case SPAWN_FINISH: r->finish = true; break;
	case SPAWN_TROUBLE:
		memcpy(&r->trouble, body, sizeof(r->trouble));
		break;
	default: ck_abort_msg("a record of type %u", h->type);
	}
}

static void
read_message(struct rig *r, struct part *p)
{
	const struct spawn_header *h;
	size_t at;

	receive(p);
	for (at = 0; at < p->in_len; at += spawn_padded(h->len)) {
		ck_assert_int_eq(spawn_next((char *)p->in + at, p->in_len - at,
		    &h), 0);
		take(r, p, h);
	}
}

void
rig_read_engine(struct rig *r)
{
	read_message(r, &r->engine);
}

void
rig_read_logger(struct rig *r)
{
	read_message(r, &r->logger);
}

const struct spawn_child *
rig_until(struct rig *r, uint64_t inc, enum spawn_state state)
{
	while (r->children[inc].state != state)
		read_message(r, &r->engine);
	return &r->children[inc];
}

void
rig_ping(struct rig *r, uint64_t n)
{
	rig_send(r, SPAWN_PING, n, NULL, 0);
	while (r->pong != n)
		read_message(r, &r->engine);
}

int
rig_pipe(struct rig *r, uint64_t key)
{
	while (r->pipes[key] < 0)
		read_message(r, &r->logger);
	return r->pipes[key];
}

void
rig_slurp(const char *path, char *out, size_t size)
{
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	n = read(fd, out, size - 1);
	ck_assert_int_ge(n, 0);
	out[n] = '\0';
	(void)close(fd);
}

void
rig_read_line(int fd, char *out, size_t size)
{
	size_t n = 0;

	do {
		await(fd, POLLIN);
		ck_assert_int_eq(read(fd, out + n, 1), 1);
	} while (out[n++] != '\n' && n < size - 1);
	out[n] = '\0';
}

bool
rig_gone(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return errno == ESRCH;
	await(fd, POLLIN);
	(void)close(fd);
	return true;
}
