/* SPDX-License-Identifier: ISC */
/*
 * The one seam between otpd's programs and the system: linked with these
 * wrappers (ld --wrap), the very objects of the programs meet the faults that
 * a plan says.  No heap, no other library: the wrappers also run in a process
 * that shares its parent's memory.
 */
#include "crash/fault.h"

#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct fault_plan *plan;
static int dying;			/* it is, after the call under way; its clones
					 * are not */

static int
same(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static void
copy(char *to, const char *from, size_t size)
{
	for (; size > 1 && *from != '\0'; size--)
		*to++ = *from++;
	*to = '\0';
}

static void
count(const char *function)
{
	const char *program = program_invocation_short_name;
	uint32_t i, n = plan->nseen;
	struct fault_seen *seen;

	for (i = 0; i < n && !(same(plan->seen[i].function, function) &&
	    same(plan->seen[i].program, program)); i++)
		;
	if (i == n)
		i = __atomic_fetch_add(&plan->nseen, 1, __ATOMIC_SEQ_CST);
	if (i >= FAULT_SEEN_MAX)
		_exit(99);
	seen = &plan->seen[i];
	if (i >= n) {
		copy(seen->program, program, sizeof(seen->program));
		copy(seen->function, function, sizeof(seen->function));
	}
	__atomic_fetch_add(&seen->calls[plan->phase - 1], 1, __ATOMIC_SEQ_CST);
}

/* 0: go on; 1: it fails, errno is set; FAULT_SHORT, FAULT_LOST. */
static int
fault(const char *function)
{
	uint32_t n;

	if (plan != NULL && plan->phase != 0)
		count(function);
	if (plan == NULL || plan->at == 0 ||
	    (!same(plan->function, function) && !same(plan->function, "*")) ||
	    !same(plan->program, program_invocation_short_name))
		return 0;
	n = __atomic_add_fetch(&plan->calls, 1, __ATOMIC_SEQ_CST);
	if (n < plan->at || n - plan->at >= plan->times)
		return 0;
	plan->hits++;
	plan->hit_pid = (int32_t)syscall(SYS_getpid);
	if (plan->error == FAULT_KILL)
		(void)syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
	if (plan->error == FAULT_KILL_AFTER) {
		dying = (int)syscall(SYS_getpid);
		return 0;
	}
	if (plan->error < 0)
		return plan->error;
	errno = plan->error;
	return 1;
}

static void
die_if_dying(void)
{
	if (dying != 0 && dying == (int)syscall(SYS_getpid))
		(void)syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

#define HAND(name, programs, errors)
#define NEVER(name)
#define PURE(name)
#define SYS(name, programs, errors)
#define CALL(type, failure, name, parameters, arguments, programs, errors) \
	type __real_##name parameters;					\
	type __wrap_##name parameters;					\
	type __wrap_##name parameters					\
	{								\
		type result;						\
									\
		if (fault(#name))					\
			return failure;					\
		result = __real_##name arguments;			\
		die_if_dying();						\
		return result;						\
	}
#include "crash/fault_calls.h"
#undef CALL
#undef SYS

/* --- by hand --- */

int __real_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int
__wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	va_list ap;
	void *parent;

	va_start(ap, arg);
	parent = va_arg(ap, void *);	/* where its pid is written */
	va_end(ap);
	return fault("clone") ? -1 : __real_clone(fn, stack, flags, arg,
	    parent);
}

/* The descriptor is gone, whatever is said. */
int __real_close(int fd);
int __wrap_close(int fd);
int
__wrap_close(int fd)
{
	int rc = __real_close(fd);

	return fault("close") ? -1 : rc;
}

ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
ssize_t
__wrap_write(int fd, const void *buf, size_t n)
{
	int how = fault("write");
	ssize_t rc;

	if (how == FAULT_SHORT)
		n = (n + 1) / 2;
	rc = how == 1 ? -1 : __real_write(fd, buf, n);
	die_if_dying();
	return rc;
}

ssize_t __real_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t
__wrap_pwrite(int fd, const void *buf, size_t n, off_t at)
{
	int how = fault("pwrite");

	if (how == FAULT_SHORT)
		n = (n + 1) / 2;
	return how == 1 ? -1 : __real_pwrite(fd, buf, n, at);
}

ssize_t __real_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t
__wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	int how = fault("recvmsg");
	ssize_t n = how == 1 ? -1 : __real_recvmsg(fd, m, flags);

	if (how == FAULT_LOST)
		errno = EAGAIN;
	return how == FAULT_LOST ? -1 : n;
}

/* One argument of any type behind those that are named. */
#define ONE_MORE(last, out)						\
	do {								\
		va_list ap;						\
									\
		va_start(ap, last);					\
		out = va_arg(ap, long);					\
		va_end(ap);						\
	} while (0)

int __real_fcntl(int fd, int op, ...);
int __wrap_fcntl(int fd, int op, ...);
int
__wrap_fcntl(int fd, int op, ...)
{
	long more;

	ONE_MORE(op, more);
	return op == F_DUPFD_CLOEXEC && fault("fcntl") ? -1 :
	    __real_fcntl(fd, op, more);
}

int __real_ioctl(int fd, unsigned long op, ...);
int __wrap_ioctl(int fd, unsigned long op, ...);
int
__wrap_ioctl(int fd, unsigned long op, ...)
{
	long more;

	ONE_MORE(op, more);
	return fault("ioctl") ? -1 : __real_ioctl(fd, op, more);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int
__wrap_open(const char *path, int flags, ...)
{
	long mode;

	ONE_MORE(flags, mode);
	return fault("open") ? -1 : __real_open(path, flags, (mode_t)mode);
}

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int
__wrap_openat(int dir, const char *path, int flags, ...)
{
	long mode;

	ONE_MORE(flags, mode);
	return fault("openat") ? -1 :
	    __real_openat(dir, path, flags, (mode_t)mode);
}

int __real_prctl(int op, ...);
int __wrap_prctl(int op, ...);
int
__wrap_prctl(int op, ...)
{
	long more;

	ONE_MORE(op, more);
	return fault("prctl") ? -1 : __real_prctl(op, more, 0L, 0L, 0L);
}

int __real_posix_fallocate(int fd, off_t at, off_t len);
int __wrap_posix_fallocate(int fd, off_t at, off_t len);
int
__wrap_posix_fallocate(int fd, off_t at, off_t len)
{
	return fault("posix_fallocate") ? plan->error :
	    __real_posix_fallocate(fd, at, len);
}

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int
__wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	int rc = __real_clock_gettime(clock, out);

	if (plan != NULL && clock == CLOCK_REALTIME)
		out->tv_sec += plan->clock_s;
	if (plan != NULL && clock == CLOCK_MONOTONIC &&
	    same(program_invocation_short_name, "otpd"))
		out->tv_sec += plan->later_s;
	return rc;
}

static const struct {
	const char	*name;
	long		 number;
} syscalls[] = {
#define CALL(type, failure, name, parameters, arguments, programs, errors)
#define SYS(name, programs, errors) { "syscall:" #name, SYS_##name },
#include "crash/fault_calls.h"
};

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long
__wrap_syscall(long number, ...)
{
	long a[6];
	va_list ap;
	size_t i;

	va_start(ap, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	for (i = 0; i < sizeof(syscalls) / sizeof(syscalls[0]); i++)
		if (syscalls[i].number == number && fault(syscalls[i].name))
			return -1;
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

__attribute__((constructor)) static void
find_plan(void)
{
	const char *path = getenv("OTP_FAULTS");
	void *map;
	int fd;

	fd = path != NULL ? __real_open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	(void)__real_close(fd);
	if (map != MAP_FAILED)
		plan = map;
}
