/* SPDX-License-Identifier: ISC */
/*
 * Processes by descriptor.  What old headers lack is declared here; what old
 * kernels lack is an answer of its own, or done as well as they can.
 */
#include "spawner/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "spawner/say.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal	424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open		434
#endif

#define GROUP_OF_IT	(1U << 2)	/* PIDFD_SIGNAL_PROCESS_GROUP: 6.9 */
#define INFO_EXIT	(1U << 3)	/* PIDFD_INFO_EXIT: 6.15 */
#define SECOND		1000000000ULL
#define STAT_SIZE	1024
#define PAUSE_MS	10

struct info {			/* the kernel's struct pidfd_info */
	uint64_t	mask, cgroup;
	uint32_t	pid, tgid, ppid, ids[8];
	int32_t		exit_code;
};
_Static_assert(sizeof(struct info) == 64, "its first version");

#define GET_INFO	_IOWR(0xff, 11, struct info)

int
process_open(int pid)
{
	long fd = pid > 0 ? syscall(SYS_pidfd_open, pid, 0U) : -1;

	if (pid <= 0)
		return -ESRCH;
	return fd < 0 ? -errno : (int)fd;
}

/* "/proc/PID/" and name; out has room for it. */
static void
proc_path(long id, const char *dir, const char *name, char out[PROCESS_PATH])
{
	char number[SAY_NUMBER];
	const char *digits = say_number(id, number);
	size_t n = strlen(dir), d = strlen(digits);

	memcpy(out, dir, n);
	memcpy(out + n, digits, d);
	memcpy(out + n + d, name, strlen(name) + 1);
}

/* Reads a short file; its bytes, NUL-ended, or -errno. */
static ssize_t
read_short(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, out, size - 1);
	if (n < 0)
		n = -errno;
	else
		out[n] = '\0';
	(void)close(fd);
	return n;
}

static uint64_t
number_at(const char *p)
{
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	return n;
}

/* Is it to be asked again, that failed with rc?  Not to know a process that
 * runs would be to start it twice. */
static bool
worth_asking_again(int rc, int *patience_ms)
{
	if ((rc != -EMFILE && rc != -ENFILE && rc != -ENOMEM && rc != -EINTR &&
	    rc != -EAGAIN && rc != -EIO && rc != -EACCES) ||
	    *patience_ms <= 0)
		return false;
	(void)poll(NULL, 0, PAUSE_MS);
	*patience_ms -= PAUSE_MS;
	return true;
}

/*
 * A field of /proc/PID/stat, counted as proc(5) does, from the third on; NULL.
 * A process' name, the second, may hold anything.
 */
static const char *
stat_field(int pid, int which, char *buf, size_t size)
{
	char path[PROCESS_PATH];
	const char *p;
	int field;
	ssize_t n;

	proc_path(pid, "/proc/", "/stat", path);
	n = read_short(path, buf, size);
	if (n <= 0) {
		errno = n < 0 ? (int)-n : ESRCH;
		return NULL;
	}
	p = strrchr(buf, ')');
	for (field = 2; p != NULL && field < which; field++)
		p = strchr(p + 1, ' ');
	return p != NULL ? p + 1 : NULL;
}

uint64_t
process_field(int pid, int which)
{
	char buf[STAT_SIZE];
	const char *p = stat_field(pid, which, buf, sizeof(buf));

	return p != NULL ? number_at(p) : 0;
}

void
process_path(int pid, const char *name, char out[PROCESS_PATH])
{
	proc_path(pid, "/proc/", name, out);
}

/* What fdinfo says of the process: its number, -1 when it has been reaped,
 * -ENOENT when it says nothing of one, or another -errno. */
static int
pid_of(int fd)
{
	static const char name[] = "\nPid:\t";
	char path[PROCESS_PATH], info[512];
	const char *p;
	ssize_t n;

	proc_path(fd, "/proc/self/fdinfo/", "", path);
	n = read_short(path, info, sizeof(info));
	if (n <= 0)
		return n < -1 ? (int)n : -ENOENT;
	p = strstr(info, name);
	if (p == NULL)
		return -ENOENT;
	p += sizeof(name) - 1;
	return *p == '-' ? -1 : (int)number_at(p);
}

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

/* When it was started, in ticks; or -errno. */
static int64_t
started_at(int pid)
{
	char buf[STAT_SIZE];
	const char *p = stat_field(pid, 22, buf, sizeof(buf));

	return p != NULL ? (int64_t)number_at(p) : -errno;
}

static int
open_started(int pid, uint64_t at_ns)
{
	long hz = sysconf(_SC_CLK_TCK);
	uint64_t latest;
	int64_t ticks;
	int it, fd = process_open(pid);

	if (fd < 0)
		return fd;
	ticks = started_at(pid);
	latest = at_ns + clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC);
	latest = latest / (SECOND / (uint64_t)(hz > 0 ? hz : 100));
	it = pid_of(fd);
	/* Not reaped yet: that was the one, and not the next of its number. */
	if (ticks > 0 && (uint64_t)ticks <= latest && it == pid)
		return fd;
	(void)close(fd);
	return ticks < -1 ? (int)ticks : it < -1 ? it : -ESRCH;
}

int
process_open_started(int pid, uint64_t at_ns, int *patience_ms)
{
	int rc;

	do
		rc = open_started(pid, at_ns);
	while (rc < 0 && worth_asking_again(rc, patience_ms));
	return rc;
}

bool
process_is(int fd, int pid, int *patience_ms)
{
	int it;

	do
		it = pid_of(fd);
	while (it < 0 && worth_asking_again(it, patience_ms));
	return it == pid || it == -1;
}

bool
process_ended(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

void
process_signal(int fd, int pid, int sig, bool group)
{
	long rc;

	rc = syscall(SYS_pidfd_send_signal, fd, sig, NULL,
	    group ? GROUP_OF_IT : 0U);
	if (rc == 0 || errno != EINVAL || !group)
		return;
	/* An old kernel: its number is its own until it is reaped, and after
	 * that as long as somebody is left in the group; but when nobody is it
	 * may be a stranger's. */
	if (pid_of(fd) == pid || (kill(pid, 0) < 0 && errno == ESRCH))
		(void)kill(-pid, sig);
}

static bool
told_status(int fd, int *out)
{
	struct info info;

	memset(&info, 0, sizeof(info));
	info.mask = INFO_EXIT;
	if (ioctl(fd, GET_INFO, &info) < 0 || (info.mask & INFO_EXIT) == 0)
		return false;
	*out = info.exit_code;
	return true;
}

/*
 * A zombie shows its status in /proc, as 0 to those who may not trace it:
 * hence the link, which only they can read who may.
 */
static bool
zombie_status(int fd, int pid, int *out)
{
	char path[PROCESS_PATH], buf[STAT_SIZE];
	const char *p = stat_field(pid, 3, buf, sizeof(buf));

	if (p == NULL || *p != 'Z')
		return false;
	p = stat_field(pid, 52, buf, sizeof(buf));
	if (p == NULL)
		return false;
	*out = (int)number_at(p);
	proc_path(pid, "/proc/", "/ns/user", path);
	return readlink(path, buf, sizeof(buf)) > 0 && pid_of(fd) == pid;
}

int
process_status(int fd, int pid, int *out)
{
	if (told_status(fd, out) || zombie_status(fd, pid, out) ||
	    told_status(fd, out))
		return 0;
	return -ENODATA;
}
