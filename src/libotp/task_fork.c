/* SPDX-License-Identifier: ISC */
/*
 * A task's process: a fork that its owner's program does not notice.  Its exit
 * signal is 0, so that no SIGCHLD comes and only who asks for it by its number
 * reaps it.  Its value comes as one message, so that there is all of it or
 * nothing; a large one comes as a file without a name.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libotp/serve.h"
#include "libotp/task.h"
#include "wire/reason.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD	0x1000
#endif
#define INLINE_MAX	(64U * 1024)	/* beyond: a file */

enum { HAS_VALUE = 1, HAS_FILE, HAS_REASON };

struct note {			/* what a task leaves; the value follows */
	uint64_t	at, len;
	uint32_t	what, pad;
};

/* --- in the task --- */

static void
close_at(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Its owner's connections are not kept open when that is gone. */
void
otpi_leave_owner(struct otp *o)
{
	struct otpi_server *s = o->srv;
	struct otpi_dest *d;
	struct otpi_task *t;

	for (d = o->dests; d != NULL; d = d->next)
		close_at(&d->conn.fd);
	for (t = o->tasks; t != NULL; t = t->next) {
		close_at(&t->pidfd);
		close_at(&t->fd);
	}
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->nslots; i++)
		if (s->slots[i].conn != NULL)
			close_at(&s->slots[i].conn->fd);
	close_at(&s->link.fd);
	close_at(&s->listen_fd);
	close_at(&s->timer_fd);
	close_at(&s->epfd);
}

/* As a program finds them, and SIGTERM ends it. */
static void
reset_signals(const sigset_t *mask)
{
	struct sigaction sa;
	sigset_t set = *mask;

	for (int sig = 1; sig < NSIG; sig++) {
		if (sigaction(sig, NULL, &sa) < 0 ||
		    sa.sa_handler == SIG_DFL || (sa.sa_handler == SIG_IGN &&
		    sig != SIGTERM))
			continue;
		sa = (struct sigaction){ .sa_handler = SIG_DFL };
		(void)sigaction(sig, &sa, NULL);
	}
	(void)sigdelset(&set, SIGTERM);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
}

static int
file_of(const void *data, size_t len)
{
	const char *at = data;
	int fd = memfd_create("otp-task", MFD_CLOEXEC);
	ssize_t n;

	while (fd >= 0 && len > 0) {
		n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			(void)close(fd);
			return -1;
		}
		at += n;
		len -= (size_t)n;
	}
	return fd;
}

static bool
send_note(int to, uint32_t what, const void *data, size_t len)
{
	struct note note = { .at = otpi_now(), .len = len, .what = what };
	struct iovec iov[2] = { { &note, sizeof(note) },
	    { (void *)(uintptr_t)data, len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } c;
	int fd;

	if (len > INLINE_MAX) {
		fd = file_of(data, len);
		if (fd < 0)
			return false;
		note.what = HAS_FILE;
		m.msg_iovlen = 1;
		memset(&c, 0, sizeof(c));
		m.msg_control = &c;
		m.msg_controllen = sizeof(c.room);
		c.h.cmsg_level = SOL_SOCKET;
		c.h.cmsg_type = SCM_RIGHTS;
		c.h.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
	}
	return sendmsg(to, &m, MSG_NOSIGNAL) >= 0;
}

int
otp_task_exit(struct otp_out *out, const char *reason)
{
	struct otpi_task_out *t = (struct otpi_task_out *)out;

	(void)snprintf(t->reason, sizeof(t->reason), "%s",
	    reason_valid(reason, strlen(reason)) ? reason :
	    "{bad_return_value,reason}");
	return 1;
}

/* 0, or the function has failed for out->reason. */
int
otpi_task_run(otp_task_fn *fn, void *arg, struct otpi_task_out *out)
{
	int rc;

	*out = (struct otpi_task_out){ .reason = "" };
	rc = fn(&out->out, arg);
	if (rc == 0 && out->reason[0] == '\0')
		return 0;
	if (out->reason[0] == '\0')
		(void)snprintf(out->reason, sizeof(out->reason), rc < 0 ?
		    "{errno,%d}" : "{exit,%d}", rc < 0 ? -rc : rc);
	return rc != 0 ? rc : 1;
}

static void __attribute__((noreturn))
run(int to, otp_task_fn *fn, void *arg)
{
	struct otpi_task_out out;
	int rc;

	__fpurge(stdout);	/* that is its owner's to write */
	rc = otpi_task_run(fn, arg, &out);
	(void)fflush(stdout);
	if (rc != 0)
		(void)send_note(to, HAS_REASON, out.reason,
		    strlen(out.reason));
	else if (!send_note(to, HAS_VALUE, out.out.text, out.out.len))
		(void)send_note(to, HAS_REASON, "{errno,12}", 10);
	_exit(rc != 0 ? reason_code(out.reason) : 0);
}

/* --- in its owner --- */

static pid_t
fork_quietly(int *out_pidfd)
{
#if defined(__s390__) || defined(__s390x__)
	return (pid_t)syscall(SYS_clone, NULL, CLONE_PIDFD, out_pidfd, NULL,
	    NULL);
#else
	return (pid_t)syscall(SYS_clone, CLONE_PIDFD, NULL, out_pidfd, NULL,
	    NULL);
#endif
}

static int
start(struct otp *o, struct otpi_task *t, otp_task_fn *fn, void *arg)
{
	sigset_t all, mask;
	pid_t owner = getpid();
	int fds[2], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &mask);
	t->pid = fork_quietly(&t->pidfd);
	error = errno;
	if (t->pid == 0) {
		if (t->linked)
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (t->linked && getppid() != owner)
			_exit(1);
		(void)close(fds[0]);
		t->pidfd = -1;
		otpi_leave_owner(o);
		reset_signals(&mask);
		run(fds[1], fn, arg);
	}
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	(void)close(fds[1]);
	if (t->pid < 0) {
		(void)close(fds[0]);
		return -error;
	}
	t->fd = fds[0];
	return 0;
}

int
otpi_task_fork(struct otp *o, otp_task_fn *fn, void *arg, bool linked,
    bool own, struct otpi_task **out)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct otpi_task *t = otpi_task_new(o);
	int rc;

	if (t == NULL)
		return -errno;
	t->linked = linked;
	t->own = own;
	rc = start(o, t, fn, arg);
	if (rc < 0) {
		t->pidfd = -1;
		otpi_task_release(o, t);
		return rc;
	}
	ev.data.ptr = t;
	if (o->srv != NULL && !own)
		(void)epoll_ctl(o->srv->epfd, EPOLL_CTL_ADD, t->pidfd, &ev);
	*out = t;
	return 0;
}

void
otpi_task_signal(struct otpi_task *t, int sig)
{
	if (!t->done && t->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, t->pidfd, sig, NULL, 0);
}

static int
read_file(int fd, char *data, size_t len)
{
	size_t have = 0;
	ssize_t n;

	while (have < len) {
		n = pread(fd, data + have, len - have, (off_t)have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		have += (size_t)n;
	}
	return 0;
}

/* The note, if there is one; its file, or -1. */
static ssize_t
receive(int fd, char *room, size_t size, int *out_file)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } c;
	struct iovec iov = { room, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &c, .msg_controllen = sizeof(c.room) };
	struct cmsghdr *h;
	ssize_t n;

	do
		n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*out_file = -1;
	h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (h != NULL && h->cmsg_type == SCM_RIGHTS)
		memcpy(out_file, CMSG_DATA(h), sizeof(*out_file));
	return n;
}

static int
take_value(struct otpi_task *t, const struct note *note, const char *data,
    int file)
{
	int rc = 0;

	t->data = malloc((size_t)note->len + 1);
	if (t->data == NULL)
		return -ENOMEM;
	if (note->what == HAS_FILE)
		rc = read_file(file, t->data, (size_t)note->len);
	else if (note->len > 0)
		memcpy(t->data, data, (size_t)note->len);
	t->len = (size_t)note->len;
	t->data[t->len] = '\0';
	t->sent_at = note->at;
	return rc;
}

/* 1 when there is a value, 0 when there is none, or why it is lost. */
static int
take_note(struct otpi_task *t)
{
	char *room = malloc(sizeof(struct note) + INLINE_MAX);
	struct note note;
	ssize_t n;
	int file, rc = 0;

	if (room == NULL)
		return -ENOMEM;
	n = receive(t->fd, room, sizeof(note) + INLINE_MAX, &file);
	if (n >= (ssize_t)sizeof(note)) {
		memcpy(&note, room, sizeof(note));
		if (note.what == HAS_REASON)
			(void)snprintf(t->reason, sizeof(t->reason), "%.*s",
			    (int)((size_t)n - sizeof(note)),
			    room + sizeof(note));
		else
			rc = take_value(t, &note, room + sizeof(note), file);
		rc = rc < 0 ? rc : note.what != HAS_REASON;
	}
	if (file >= 0)
		(void)close(file);
	free(room);
	return rc;
}

/* How it ended, as far as that can still be known. */
static void
reap(struct otpi_task *t)
{
	char reason[REASON_MAX] = "noproc";
	siginfo_t si = { .si_pid = 0 };
	int rc, status;

	do
		rc = waitid(P_PID, (id_t)t->pid, &si, WEXITED | __WALL);
	while (rc < 0 && errno == EINTR);
	if (rc == 0) {
		status = si.si_code == CLD_EXITED ? (si.si_status & 255) << 8 :
		    si.si_status | (si.si_code == CLD_DUMPED ? 128 : 0);
		reason_from_status(status, t->stopped, reason);
	}
	if (t->reason[0] == '\0')
		(void)snprintf(t->reason, sizeof(t->reason), "%s", reason);
}

void
otpi_task_finish(struct otp *o, struct otpi_task *t)
{
	int rc = take_note(t);

	reap(t);
	if (o->srv != NULL && !t->own)
		(void)epoll_ctl(o->srv->epfd, EPOLL_CTL_DEL, t->pidfd, NULL);
	close_at(&t->pidfd);
	close_at(&t->fd);
	t->error = rc == 1 ? 0 : rc < 0 ? rc : -OTP_EDOWN;
	t->done = true;
}
