/* SPDX-License-Identifier: ISC */
/*
 * Every function outside of our own code that otpd, otp-engine and otp-logger
 * call; tests/crash/fault_table.sh compares this with the programs, so that
 * none is forgotten.
 *
 *	CALL(type, failure, name, parameters, arguments, programs, errors)
 *		a call that may fail and is made to; programs: letters o, e, l,
 *		or O, E, L where the day that is tried may not come to it;
 *		behind an error "!": somebody has to be told; "!oe": of o and e
 *	SYS(name, programs, errors)
 *		the same by syscall(2), before an execve(2)
 *	NEVER(name)		a system call that cannot fail as it is used, or
 *				whose failure is not looked at; why is said
 *	PURE(name)		no system call, or only to end or to print
 */

/*
 * What the day does not come to: otpd goes into the background, looks for what
 * one has left whose keeper died with it, or may lower its score (which it may
 * not everywhere); the engine has a word for a full pipe on stderr, asks whether
 * an entry's owner has died just now, what a limit is, or who listens where a
 * socket was; the logger is run by hand, with a relative path, and its library
 * as a client.
 */

/* --- descriptors and files --- */
CALL(int, -1, bind, (int fd, const struct sockaddr *a, socklen_t n),
    (fd, a, n), "oe", "EACCES EADDRINUSE EROFS ENOSPC ENOMEM")
CALL(int, -1, chdir, (const char *p), (p), "ol", "EACCES ENOMEM")
CALL(int, -1, dup2, (int a, int b), (a, b), "o", "EMFILE EINTR EBUSY")
CALL(int, -1, dup3, (int a, int b, int f), (a, b, f), "o", "EMFILE EBUSY")
CALL(int, -1, fallocate, (int fd, int m, off_t o, off_t n), (fd, m, o, n),
    "ol", "ENOSPC ENOMEM EINTR EOPNOTSUPP")
CALL(int, -1, fchmod, (int fd, mode_t m), (fd, m), "o", "EPERM EROFS")
CALL(int, -1, flock, (int fd, int op), (fd, op), "o", "ENOLCK EWOULDBLOCK")
CALL(int, -1, fstat, (int fd, struct stat *st), (fd, st), "oel",
    "ENOMEM EIO")
CALL(int, -1, fstatat, (int d, const char *p, struct stat *st, int f),
    (d, p, st, f), "l", "ENOMEM EACCES")
CALL(int, -1, ftruncate, (int fd, off_t n), (fd, n), "oel",
    "ENOSPC EINTR EIO")
CALL(char *, NULL, getcwd, (char *b, size_t n), (b, n), "oL", "ENOENT")
CALL(int, -1, listen, (int fd, int n), (fd, n), "oe", "EADDRINUSE")
CALL(int, -1, memfd_create, (const char *n, unsigned int f), (n, f), "oe",
    "EMFILE ENFILE ENOMEM")
CALL(int, -1, mkdir, (const char *p, mode_t m), (p, m), "l",
    "ENOSPC! EROFS! EACCES!")
CALL(int, -1, mkdirat, (int d, const char *p, mode_t m), (d, p, m), "oel",
    "ENOSPC! EROFS! EACCES!")
CALL(void *, MAP_FAILED, mmap, (void *a, size_t n, int p, int f, int fd,
    off_t o), (a, n, p, f, fd, o), "oel", "ENOMEM EAGAIN")
CALL(DIR *, NULL, opendir, (const char *p), (p), "O", "EMFILE ENOMEM EACCES")
CALL(int, -1, pipe2, (int *fds, int f), (fds, f), "o", "EMFILE! ENFILE!")
CALL(int, -1, poll, (struct pollfd *p, nfds_t n, int ms), (p, n, ms), "oEL",
    "EINTR ENOMEM")
CALL(ssize_t, -1, pread, (int fd, void *b, size_t n, off_t o), (fd, b, n, o),
    "oel", "EINTR EIO")
CALL(ssize_t, -1, read, (int fd, void *b, size_t n), (fd, b, n), "oel",
    "EINTR EIO")
CALL(ssize_t, -1, readlink, (const char *p, char *b, size_t n), (p, b, n),
    "o", "EACCES")
CALL(int, -1, rename, (const char *a, const char *b), (a, b), "o",
    "ENOSPC EROFS")
CALL(int, -1, renameat, (int a, const char *p, int b, const char *q),
    (a, p, b, q), "el", "ENOSPC EROFS")
CALL(int, -1, scandir, (const char *p, struct dirent ***l,
    int (*f)(const struct dirent *), int (*c)(const struct dirent **,
    const struct dirent **)), (p, l, f, c), "e", "EMFILE EACCES")
CALL(ssize_t, -1, splice, (int a, off64_t *x, int b, off64_t *y, size_t n,
    unsigned int f), (a, x, b, y, n, f), "l", "EINTR ENOMEM")
CALL(int, -1, stat, (const char *p, struct stat *st), (p, st), "oe", "EACCES")
CALL(int, -1, symlinkat, (const char *a, int d, const char *b), (a, d, b),
    "e", "ENOSPC EROFS")
CALL(int, -1, unlink, (const char *p), (p), "o", "EROFS EACCES")
CALL(int, -1, unlinkat, (int d, const char *p, int f), (d, p, f), "oel",
    "EROFS EACCES")
CALL(int, -1, epoll_create1, (int f), (f), "oel", "EMFILE ENFILE ENOMEM")
CALL(int, -1, epoll_ctl, (int e, int op, int fd, struct epoll_event *ev),
    (e, op, fd, ev), "oel", "ENOMEM ENOSPC")
CALL(int, -1, epoll_wait, (int e, struct epoll_event *ev, int n, int ms),
    (e, ev, n, ms), "oel", "EINTR")

/* --- sockets --- */
CALL(int, -1, accept4, (int fd, struct sockaddr *a, socklen_t *n, int f),
    (fd, a, n, f), "oel", "EMFILE ENFILE ENOMEM EINTR ECONNABORTED")
CALL(ssize_t, -1, recv, (int fd, void *b, size_t n, int f), (fd, b, n, f),
    "oeL", "EINTR EAGAIN ENOMEM")
CALL(ssize_t, -1, send, (int fd, const void *b, size_t n, int f),
    (fd, b, n, f), "oel", "EINTR EAGAIN ENOBUFS ENOMEM")
CALL(ssize_t, -1, sendmsg, (int fd, const struct msghdr *m, int f),
    (fd, m, f), "oe", "EINTR EAGAIN ENOBUFS ENOMEM ETOOMANYREFS")
CALL(int, -1, connect, (int fd, const struct sockaddr *a, socklen_t n),
    (fd, a, n), "oE", "EACCES EAGAIN")
CALL(int, -1, setsockopt, (int fd, int l, int o, const void *v, socklen_t n),
    (fd, l, o, v, n), "oeL", "ENOMEM")
CALL(int, -1, socket, (int d, int t, int p), (d, t, p), "oe",
    "EMFILE ENFILE ENOBUFS ENOMEM")
CALL(int, -1, socketpair, (int d, int t, int p, int *fds), (d, t, p, fds),
    "oe", "EMFILE! ENFILE! ENOMEM!")

/* --- processes and signals --- */
CALL(pid_t, -1, fork, (void), (), "O", "EAGAIN ENOMEM")
CALL(int, -1, getrlimit, (int r, struct rlimit *l), (r, l), "oEl", "EFAULT")
CALL(int, -1, kill, (pid_t p, int s), (p, s), "oe", "EPERM ESRCH")
CALL(int, -1, setrlimit, (int r, const struct rlimit *l), (r, l), "ol",
    "EPERM")
CALL(int, -1, signalfd, (int fd, const sigset_t *s, int f), (fd, s, f), "o",
    "EMFILE ENFILE ENOMEM")
CALL(int, -1, waitid, (idtype_t t, id_t i, siginfo_t *si, int o),
    (t, i, si, o), "o", "EINTR")
CALL(pid_t, -1, waitpid, (pid_t p, int *st, int o), (p, st, o), "o", "EINTR")

/* --- memory, and what the C library asks the system for --- */
CALL(void *, NULL, calloc, (size_t n, size_t m), (n, m), "oel", "ENOMEM!oe")
CALL(void *, NULL, malloc, (size_t n), (n), "eL", "ENOMEM!")
CALL(void *, NULL, realloc, (void *p, size_t n), (p, n), "el", "ENOMEM")
CALL(void *, NULL, reallocarray, (void *p, size_t n, size_t m), (p, n, m),
    "el", "ENOMEM!e")
CALL(char *, NULL, strdup, (const char *s), (s), "el", "ENOMEM!")

/* --- in the new process, ahead of its program --- */
SYS(close_range, "o", "EMFILE ENOMEM")
SYS(openat, "o", "EMFILE ENFILE ENOMEM")
SYS(write, "O", "ENOMEM")
SYS(execve, "o", "EAGAIN! ENOMEM! EMFILE! ENFILE!")

/* --- in fault.c by hand: they take any number of arguments, or more --- */
HAND(clone, "o", "EAGAIN! ENOMEM!")
HAND(close, "oel", "EINTR EIO")
HAND(fcntl, "oel", "EMFILE")	/* where it makes a descriptor */
HAND(ioctl, "ol", "EIO")
HAND(open, "oel", "EMFILE ENFILE EACCES ENOMEM EROFS")
HAND(openat, "oel", "EMFILE ENFILE EACCES ENOSPC EROFS ENOMEM EIO")
HAND(prctl, "o", "EINVAL")
HAND(pwrite, "oe", "EINTR ENOSPC! ENOMEM! SHORT")
HAND(recvmsg, "oel", "EINTR EAGAIN ENOMEM")
HAND(write, "oel", "EINTR ENOSPC EIO SHORT")
HAND(posix_fallocate, "e", "EINTR ENOSPC")
HAND(clock_gettime, "", "")	/* the clock of the day is off */
HAND(syscall, "", "")		/* see SYS */

/* --- cannot fail as they are used, or nobody needs to know --- */
NEVER(getsockopt)	/* who is unknown is refused */
NEVER(execve)		/* otpd -n only, and otpd over itself: see there */
NEVER(munmap)		/* of a whole mapping */
NEVER(nanosleep)	/* process 1, between crashes */
NEVER(setsid)		/* in a new process; so are limits, users: a failed
			 * start of the service */
NEVER(sigaction)	/* of signals that exist */
NEVER(sigaltstack)	/* of a stack that is large enough */
NEVER(signal)
NEVER(sigprocmask)
NEVER(sigtimedwait)	/* says only that none is left */
NEVER(umask)
NEVER(readdir)		/* what cannot be read is at its end */
NEVER(closedir)
NEVER(geteuid)
NEVER(getegid)
NEVER(getpid)
NEVER(getppid)
NEVER(getsid)
NEVER(sysconf)
/* Of the configuration: a fault is an error at its place. */
NEVER(getgrnam_r)
NEVER(getgrouplist)
NEVER(getpwnam_r)
NEVER(getpwuid_r)

PURE(_exit) PURE(abort) PURE(asprintf) PURE(exit) PURE(fprintf) PURE(fputs)
PURE(free)
PURE(fwrite) PURE(getenv) PURE(getopt) PURE(getopt_long) PURE(gmtime_r)
PURE(malloc_trim) PURE(memchr) PURE(memcmp) PURE(memcpy) PURE(memmem)
PURE(memmove) PURE(memrchr) PURE(memset) PURE(printf) PURE(puts) PURE(qsort)
PURE(sigaddset) PURE(sigdelset) PURE(sigemptyset) PURE(sigfillset)
PURE(snprintf) PURE(strcasecmp) PURE(strchr) PURE(strchrnul) PURE(strcmp)
PURE(strcspn) PURE(strerror) PURE(strftime) PURE(strlen) PURE(strncasecmp)
PURE(strncmp) PURE(strnlen) PURE(strrchr) PURE(strsep) PURE(strspn)
PURE(bcmp) PURE(putenv) PURE(strstr)
PURE(strtod) PURE(strtol) PURE(strtoul) PURE(strtoull) PURE(unsetenv)
PURE(vasprintf) PURE(vsnprintf)
