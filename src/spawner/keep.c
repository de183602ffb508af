/* SPDX-License-Identifier: ISC */
/*
 * What the keeper does when otpd has died: it ends the engine, which nobody
 * would listen to, takes hold of every service by pidfd, and waits for the
 * next otpd.  Its memory is otpd's of long ago; only what is shared with it,
 * the manifest and the table, is true.  It must never let go of anything
 * before the next otpd has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spawner/adopted.h"
#include "spawner/channel.h"
#include "spawner/heir.h"
#include "spawner/keeper.h"
#include "spawner/manifest.h"
#include "spawner/process.h"
#include "spawner/runtime.h"
#include "spawner/say.h"

#define PATIENCE_MS	5000
#define AGAIN_MS	50	/* where it could not begin */
#define PROGRAM_SLACK	(5000 * MS)	/* between start_ns and its clone */
#define EVENTS		64

static struct kept {
	struct manifest	*m;
	struct child	*slots;
	uint32_t	 high, held;	/* slots that there may be */
	uint32_t	 alive;
	int		 patience_ms;	/* with the machine, as it begins */
	int		 epoll, signals, listener;
	ino_t		 inode;		/* of the listener's name */
	/* the hand-over under way */
	struct heir_message batch;
	int		 heir, rc;
} kept;

/* --- taking hold --- */

static void
kill_program(struct program *p)
{
	int fd;

	if (p->pid <= 1)
		return;
	fd = process_open_started(p->pid, p->start_ns + PROGRAM_SLACK,
	    &kept.patience_ms);
	if (fd >= 0) {
		process_signal(fd, p->pid, SIGKILL, false);
		(void)process_ended(fd, PATIENCE_MS);
		(void)close(fd);
	}
	p->pid = 0;
}

/* It was being started: nobody knows it yet, and it is started again. */
static void
undo_start(struct child *c)
{
	int pid = c->pid, fd;

	fd = process_open_started(pid, now_ns(), &kept.patience_ms);
	c->pid = 0;
	if (fd < 0)
		return;
	process_signal(fd, pid, SIGKILL, true);	/* if it leads one yet */
	process_signal(fd, pid, SIGKILL, false);
	(void)process_ended(fd, PATIENCE_MS);
	(void)close(fd);
}

static void
hold_children(void)
{
	uint32_t i;

	for (i = 1; i < kept.high; i++) {
		struct child *c = &kept.slots[i];

		if (c->inc == 0)
			continue;
		if (c->state == 0 && c->pid > 1)
			undo_start(c);
		if (c->state != SPAWN_ALIVE || c->adopted)
			continue;
		c->code = process_open_started(c->pid, c->start_ns,
		    &kept.patience_ms);
		c->adopted = 1;
	}
}

static void
watch_children(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	uint32_t i;

	for (i = 1; i < kept.high; i++) {
		ev.data.ptr = &kept.slots[i];
		if (kept.slots[i].state == SPAWN_ALIVE &&
		    kept.slots[i].adopted && kept.slots[i].code >= 0 &&
		    epoll_ctl(kept.epoll, EPOLL_CTL_ADD, kept.slots[i].code,
		    &ev) == 0)
			kept.alive++;
	}
}

/* Whoever waits for the end of what otpd had from its starter. */
static void
let_go(struct spawner *sp)
{
	int fd;

	for (fd = 0; fd < LOW_FDS; fd++)
		(void)dup2(sp->null, fd);
	(void)dup2(sp->null, sp->out);
	(void)dup2(sp->null, sp->err);
	if (kept.m->ready >= 0)
		(void)close(kept.m->ready);
	kept.m->ready = -1;
}

/* --- waiting --- */

static int
listen_for_heir(void)
{
	struct sockaddr_un sa;
	struct stat st;
	int fd, rc;

	rc = heir_address(kept.m->c.runtime, &sa);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(sa.sun_path);
	(void)umask(0177);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    stat(sa.sun_path, &st) < 0 || listen(fd, 1) < 0) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	kept.inode = st.st_ino;
	return fd;
}

/* Another keeper may have come after an heir that did not say that it had
 * taken everything. */
static bool
is_mine(void)
{
	struct sockaddr_un sa;
	struct stat st;

	return heir_address(kept.m->c.runtime, &sa) == 0 &&
	    stat(sa.sun_path, &st) == 0 && st.st_ino == kept.inode;
}

/* What there is already stays: it is tried again where the machine refuses. */
static int
begin(void)
{
	static const struct timespec none = { .tv_sec = 0 };
	struct epoll_event ev = { .events = EPOLLIN };
	sigset_t set;
	int rc = 0;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	if (kept.epoll < 0)
		kept.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (kept.signals < 0) {
		/* What it was sent while otpd lived was about otpd. */
		while (sigtimedwait(&set, NULL, &none) > 0)
			;
		kept.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	}
	if (kept.epoll < 0 || kept.signals < 0)
		return -errno;
	if (kept.listener < 0)
		rc = kept.listener = listen_for_heir();
	if (rc < 0)
		return rc;
	ev.data.ptr = &kept.signals;
	if (epoll_ctl(kept.epoll, EPOLL_CTL_ADD, kept.signals, &ev) < 0 &&
	    errno != EEXIST)
		return -errno;
	ev.data.ptr = &kept.listener;
	return epoll_ctl(kept.epoll, EPOLL_CTL_ADD, kept.listener, &ev) < 0 ?
	    -errno : 0;
}

/* Is a log still written to? */
static bool
pipes_live(void)
{
	uint32_t i;

	for (i = 1; i < kept.held; i++) {
		const struct held *h = &kept.m->held[i];
		struct pollfd p = { .fd = h->fd, .events = POLLIN };

		if (h->kind == HELD_PIPE && poll(&p, 1, 0) == 0)
			return true;
	}
	return false;
}

static void __attribute__((noreturn))
finish(void)
{
	channel_finish(&kept.m->logger);
	_exit(0);
}

static void
signal_all(int sig)
{
	uint32_t i;

	for (i = 1; i < kept.high; i++) {
		const struct child *c = &kept.slots[i];

		if (c->state == SPAWN_ALIVE && c->adopted && c->code >= 0)
			process_signal(c->code, c->pid, sig, true);
	}
}

/* Waits for ends, until the deadline; true when all have ended. */
static bool
all_ended(uint64_t deadline)
{
	uint64_t now;
	uint32_t i;

	for (i = 1; i < kept.high; i++) {
		const struct child *c = &kept.slots[i];

		if (c->state != SPAWN_ALIVE || !c->adopted || c->code < 0)
			continue;
		now = now_ns();
		if (!process_ended(c->code, now >= deadline ? 0 :
		    (int)((deadline - now) / MS) + 1))
			return false;
	}
	return true;
}

/* Nobody takes them, so that they must not go on. */
static void __attribute__((noreturn))
stop_all(void)
{
	signal_all(SIGTERM);
	signal_all(SIGCONT);
	(void)all_ended(now_ns() + PATIENCE_MS * MS);
	signal_all(SIGKILL);
	(void)all_ended(now_ns() + PATIENCE_MS * MS);
	finish();
}

/* Services go on meanwhile, but where nobody can come for them. */
static void
begin_at_last(void)
{
	struct pollfd p = { .events = POLLIN };
	int rc;

	kept.epoll = kept.signals = kept.listener = -1;
	while ((rc = begin()) < 0) {
		if (rc == -ENOENT || rc == -ENOTDIR)
			_exit(1);	/* its directory has gone */
		p.fd = kept.signals;
		if (poll(&p, 1, AGAIN_MS) > 0)
			stop_all();
	}
}

/* --- handing over --- */

static int
send_batch(void)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(HEIR_BATCH * sizeof(int))];
	} control;
	struct heir_message *b = &kept.batch;
	struct iovec iov = { b, sizeof(*b) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = CMSG_SPACE(b->n * sizeof(int)) };
	struct cmsghdr *c;
	int tries;

	memset(&control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(b->n * sizeof(int));
	memcpy(CMSG_DATA(c), b->numbers, b->n * sizeof(int));
	for (tries = 0; tries < PATIENCE_MS / 10; tries++) {
		if (sendmsg(kept.heir, &m, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != ETOOMANYREFS && errno != EINTR)
			break;
		(void)poll(NULL, 0, 10);	/* others have some under way */
	}
	return -errno;
}

static void
flush(void)
{
	struct heir_message answer;
	int fds[HEIR_BATCH];

	if (kept.rc < 0 || kept.batch.n == 0)
		return;
	kept.batch.type = HEIR_FDS;
	kept.rc = send_batch();
	kept.batch.n = 0;
	if (kept.rc == 0)
		kept.rc = heir_hear(kept.heir, &answer, fds);
	if (kept.rc == 0 && answer.type == HEIR_STOP)
		stop_all();
	if (kept.rc == 0 && answer.type != HEIR_NEXT)
		kept.rc = -EPROTO;
}

static void
add(int fd)
{
	const int32_t *own = kept.m->c.fds;

	if (kept.rc < 0 || fd < LOW_FDS || fd == own[MANIFEST_NULL] ||
	    fd == own[MANIFEST_OUT] || fd == own[MANIFEST_ERR] ||
	    fcntl(fd, F_GETFD) < 0)
		return;
	kept.batch.numbers[kept.batch.n++] = fd;
	if (kept.batch.n == HEIR_BATCH)
		flush();
}

static void
hand_over(int heir)
{
	struct heir_message answer = { .type = 0 };
	int fds[HEIR_BATCH];

	kept.heir = heir;
	kept.rc = 0;
	kept.batch.n = 0;
	add(kept.m->c.fds[MANIFEST_SELF]);
	manifest_each_fd(kept.m, kept.held, add);
	adopted_each_fd(kept.slots, kept.high, add);
	flush();
	if (kept.rc == 0)
		kept.rc = heir_say(heir, HEIR_END);
	if (kept.rc == 0)
		kept.rc = heir_hear(heir, &answer, fds);
	if (kept.rc == 0 && answer.type == HEIR_TAKEN)
		_exit(0);
	if (kept.rc == 0 && answer.type == HEIR_STOP)
		stop_all();
}

static void
on_heir(void)
{
	int heir = accept4(kept.listener, NULL, NULL, SOCK_CLOEXEC);

	if (heir < 0)
		return;
	if (heir_trusted(heir))
		hand_over(heir);
	(void)close(heir);
	if (!is_mine())
		_exit(0);
}

static void
on_end(struct child *c)
{
	(void)epoll_ctl(kept.epoll, EPOLL_CTL_DEL, c->code, NULL);
	kept.alive--;
}

/* The memory of what may have been used, whatever the counters of old say. */
static void
measure(struct spawner *sp)
{
	int64_t bytes;

	kept.m = sp->carried;
	kept.slots = sp->table.slots;
	bytes = runtime_backed(sp->table.memfd,
	    sizeof(struct child) * TABLE_SLOTS);
	kept.high = bytes < 0 ? TABLE_SLOTS : (uint32_t)(bytes /
	    (int64_t)sizeof(struct child));
	bytes = runtime_backed(sp->manifest, sizeof(struct manifest));
	kept.held = bytes < 0 ? HELD_SLOTS - 1 : (uint32_t)((bytes -
	    (int64_t)offsetof(struct manifest, held)) /
	    (int64_t)sizeof(struct held));
}

void
keep(struct spawner *sp)
{
	struct epoll_event ev[EVENTS];
	int i, n;

	measure(sp);
	kept.patience_ms = PROCESS_PATIENCE_MS;
	let_go(sp);
	kill_program(&kept.m->engine);
	hold_children();
	begin_at_last();
	watch_children();
	for (;;) {
		/* Who writes to a log and is no service is looked for again,
		 * now and then. */
		if (kept.alive == 0 && !pipes_live())
			finish();
		n = epoll_wait(kept.epoll, ev, EVENTS,
		    kept.alive == 0 ? PATIENCE_MS : -1);
		for (i = 0; i < n; i++) {
			if (ev[i].data.ptr == &kept.signals)
				stop_all();
			else if (ev[i].data.ptr != &kept.listener)
				on_end(ev[i].data.ptr);
		}
		for (i = 0; i < n; i++)
			if (ev[i].data.ptr == &kept.listener)
				on_heir();
	}
}
