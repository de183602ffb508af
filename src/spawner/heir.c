/* SPDX-License-Identifier: ISC */
/*
 * Taking over from a keeper.  The manifest and the table are copied, with the
 * numbers that the descriptors have here, so that the keeper's stay as they
 * are until this otpd is able to go on: were it killed amid this, the next one
 * would find everything where it was.
 */
#include "spawner/heir.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "spawner/adopted.h"
#include "spawner/channel.h"
#include "spawner/process.h"
#include "spawner/runtime.h"
#include "spawner/say.h"
#include "spawner/takeover.h"

#define NUMBERS_MAX	131072	/* no descriptor of otpd is higher */
#define PATIENCE_S	30	/* with the other end */
#define LOGGER_MS	1000	/* to write what it has */
#define PROGRAM_SLACK	(5000 * MS)

static int here[NUMBERS_MAX];	/* by the keeper's number: 1 + ours; 0 none */

int
heir_address(const char *dir, struct sockaddr_un *out)
{
	static const char name[] = "/heir";
	size_t len = strlen(dir);

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (len + sizeof(name) > sizeof(out->sun_path))
		return -ENAMETOOLONG;
	memcpy(out->sun_path, dir, len);
	memcpy(out->sun_path + len, name, sizeof(name));
	return 0;
}

bool
heir_trusted(int sock)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct ucred peer;
	socklen_t len = sizeof(peer);

	(void)setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience));
	(void)setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience,
	    sizeof(patience));
	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid());
}

int
heir_say(int sock, enum heir_type type)
{
	struct heir_message m = { .type = type };

	if (send(sock, &m, offsetof(struct heir_message, numbers),
	    MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

/* The descriptors of a message, all of which are ours from now on. */
static int
take_fds(struct msghdr *m, int fds[HEIR_BATCH])
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	size_t n;

	if (c == NULL || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	return (int)n;
}

int
heir_hear(int sock, struct heir_message *out, int fds[HEIR_BATCH])
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(HEIR_BATCH * sizeof(int))];
	} control;
	struct iovec iov = { out, sizeof(*out) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes) };
	ssize_t n;
	int nfds;

	memset(out, 0, sizeof(*out));
	do {
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	nfds = take_fds(&m, fds);
	if (n < (ssize_t)offsetof(struct heir_message, numbers))
		return n == 0 ? -ECONNRESET : -EPROTO;
	if ((m.msg_flags & MSG_CTRUNC) != 0)
		return -EMFILE;
	return nfds;
}

int
heir_connect(const char *dir)
{
	struct sockaddr_un sa;
	int fd, rc;

	rc = heir_address(dir, &sa);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		rc = errno == ECONNREFUSED ? -ENOENT : -errno;
	else if (heir_trusted(fd))
		return fd;
	else
		rc = -EPERM;
	(void)close(fd);
	return rc;
}

/* They are here for these numbers; -EPROTO, with them closed. */
static int
note_all(const struct heir_message *m, const int *fds, int n)
{
	int i, rc = m->type == HEIR_FDS && m->n == (uint32_t)n ? 0 : -EPROTO;

	for (i = 0; i < n; i++) {
		int number = rc == 0 ? m->numbers[i] : -1;

		if (number < 0 || number >= NUMBERS_MAX)
			rc = -EPROTO;
		if (rc < 0 || here[number] != 0)
			(void)close(fds[i]);
		else
			here[number] = 1 + fds[i];
	}
	return rc;
}

/* All descriptors; *out_first is the number of the first. */
static int
receive_all(int sock, int *out_first)
{
	struct heir_message m;
	int fds[HEIR_BATCH], n;

	*out_first = -1;
	for (;;) {
		n = heir_hear(sock, &m, fds);
		if (n < 0)
			return n;
		if (m.type == HEIR_END)
			return 0;
		n = note_all(&m, fds, n);
		if (n < 0)
			return n;
		if (*out_first < 0 && m.n > 0)
			*out_first = m.numbers[0];
		n = heir_say(sock, HEIR_NEXT);
		if (n < 0)
			return n;
	}
}

static int
translate(int number)
{
	return number >= 0 && number < NUMBERS_MAX ? here[number] - 1 : -1;
}

/* What is in a memfd of this size, in one of our own; both are mapped only
 * meanwhile.  A descriptor or -errno; *out_bytes: how much of it there is. */
static int
copy(int from, const char *name, size_t size, void **out, int64_t *out_bytes)
{
	int64_t bytes = runtime_backed(from, size);
	void *p;
	int fd, rc;

	if (bytes < 0)
		return (int)bytes;
	*out_bytes = bytes;
	fd = runtime_memfd(name);
	if (fd < 0)
		return fd;
	rc = runtime_map(fd, size, out);
	if (rc == 0)
		rc = runtime_back(fd, 0, bytes);
	if (rc < 0)
		return rc;
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, from, 0);
	if (p == MAP_FAILED)
		return -errno;
	memcpy(*out, p, (size_t)bytes);
	(void)munmap(p, size);
	return fd;
}

/* The old number means this one here. */
static void
place(int number, int fd)
{
	if (number < 0 || number >= NUMBERS_MAX)
		return;
	if (here[number] != 0)
		(void)close(here[number] - 1);
	here[number] = 1 + fd;
}

static int
copy_table(int number)
{
	struct child *slots;
	int64_t i, bytes;
	int fd, old = translate(number);

	if (old < 0)
		return -EBADMSG;
	fd = copy(old, "otpd-table", sizeof(*slots) * TABLE_SLOTS,
	    (void **)&slots, &bytes);
	if (fd < 0)
		return fd;
	for (i = 1; i < bytes / (int64_t)sizeof(*slots); i++)
		if (slots[i].state == SPAWN_ALIVE && slots[i].adopted)
			slots[i].code = translate(slots[i].code);
	(void)munmap(slots, sizeof(*slots) * TABLE_SLOTS);
	place(number, fd);
	return 0;
}

/* The old one has the pipes and writes what is in them; it may not listen. */
static void
end_logger(struct spawner *sp, struct program *logger)
{
	int pid = logger->pid, fd;

	fd = process_open_started(pid, logger->start_ns + PROGRAM_SLACK,
	    &sp->patience_ms);
	channel_finish(logger);
	logger->pid = 0;
	if (fd < 0)
		return;
	if (!process_ended(fd, LOGGER_MS)) {
		process_signal(fd, pid, SIGKILL, false);
		(void)process_ended(fd, LOGGER_MS);
	}
	(void)close(fd);
}

/* A manifest like the one of that number, for this process; or -errno. */
static int
make_manifest(struct spawner *sp, int number)
{
	struct manifest *m;
	int fd, rc, old = translate(number);
	int64_t held;

	if (old < 0)
		return -EBADMSG;
	fd = copy(old, "otpd-manifest", sizeof(*m), (void **)&m, &held);
	if (fd < 0)
		return fd;
	held -= (int64_t)offsetof(struct manifest, held);
	rc = held < 0 ? -EBADMSG : manifest_check(&m->c);
	if (rc == 0)
		rc = copy_table(m->c.fds[MANIFEST_TABLE]);
	if (rc == 0) {
		place(m->c.fds[MANIFEST_NULL], sp->null);
		place(m->c.fds[MANIFEST_OUT], sp->out);
		place(m->c.fds[MANIFEST_ERR], sp->err);
		place(number, fd);
		m->engine.pid = 0;	/* the keeper has seen to it */
		m->ready = -1;
		m->keeper = 0;
		manifest_translate(m, (uint32_t)(held /
		    (int64_t)sizeof(struct held)), translate);
		end_logger(sp, &m->logger);
	}
	(void)munmap(m, sizeof(*m));
	if (rc < 0)
		(void)close(fd);
	return rc < 0 ? rc : fd;
}

/* What belongs to this process and not to the one before it. */
struct own {
	int		null, out, err, dir, lock, ready;
	struct rlimit	nofile;
	char		oom[sizeof(((struct spawner *)NULL)->oom)];
};

static void
remember(const struct spawner *sp, struct own *own)
{
	*own = (struct own){ sp->null, sp->out, sp->err, sp->dir, sp->lock,
	    sp->ready, sp->nofile, "" };
	memcpy(own->oom, sp->oom, sizeof(own->oom));
}

static int
take(struct spawner *sp, const struct own *own, int manifest)
{
	int rc = takeover(sp, manifest);

	if (rc < 0)
		return rc;
	(void)close(own->dir);
	(void)close(own->lock);
	sp->nofile = own->nofile;
	sp->ready = own->ready;
	memcpy(sp->oom, own->oom, sizeof(sp->oom));
	manifest_seal(sp);
	return 0;
}

/* As it was before anything was received. */
static void
give_back(struct spawner *sp, const struct own *own)
{
	int number, fd;

	for (number = 0; number < NUMBERS_MAX; number++) {
		fd = here[number] - 1;
		if (fd >= 0 && fd != own->null && fd != own->out &&
		    fd != own->err)
			(void)close(fd);
	}
	memset(here, 0, sizeof(here));
	memset(&sp->table, 0, sizeof(sp->table));
	memset(&sp->held, 0, sizeof(sp->held));
	sp->null = own->null;
	sp->out = own->out;
	sp->err = own->err;
	sp->dir = own->dir;
	sp->lock = own->lock;
	sp->nofile = own->nofile;
	sp->ready = own->ready;
	memcpy(sp->oom, own->oom, sizeof(sp->oom));
}

/* The keeper stops all and ends, or is ended: then what is left is known by
 * its marker, and stopped by who has the lock. */
static void
dismiss(int sock)
{
	struct heir_message m;
	struct ucred peer = { .pid = 0 };
	socklen_t len = sizeof(peer);
	int fds[HEIR_BATCH], fd;

	(void)getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	fd = process_open(peer.pid);
	if (heir_say(sock, HEIR_STOP) == 0)
		(void)heir_hear(sock, &m, fds);	/* until it is gone */
	if (fd < 0)
		return;
	if (!process_ended(fd, LOGGER_MS)) {
		process_signal(fd, peer.pid, SIGKILL, false);
		(void)process_ended(fd, LOGGER_MS);
	}
	(void)close(fd);
}

static int
complain(const struct spawner *sp, int rc)
{
	bool machine = manifest_excuses(rc);

	SAY(sp->err, "cannot take over the services of the otpd before this "
	    "one: ", rc == -EPROTO ? "it was of another version" :
	    machine ? strerror(-rc) : "what it left makes no sense", machine ?
	    "; they go on, and otpd can be started again" :
	    "; they are stopped, and all begins anew");
	return machine ? rc : 1;
}

int
heir_receive(struct spawner *sp, int sock)
{
	struct own own;
	int first, rc;

	remember(sp, &own);
	rc = receive_all(sock, &first);
	if (rc == 0)
		rc = make_manifest(sp, first);
	if (rc >= 0)
		rc = take(sp, &own, rc);
	if (rc >= 0)
		return 0;
	give_back(sp, &own);
	if (rc == -ECONNRESET || rc == -EPIPE)
		return 1;	/* another took over, or it was killed */
	rc = complain(sp, rc);
	if (rc == 1)
		dismiss(sock);
	return rc;
}
