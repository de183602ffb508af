/* SPDX-License-Identifier: ISC */
/*
 * What a crash does: the program is executed anew over itself, in the signal
 * handler, and takes over from the manifest.  Nothing of the memory that has
 * just proved to be wrong is used but what was made for this at the start; no
 * function that is not async-signal-safe is called.
 */
#include "spawner/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "spawner/adopted.h"
#include "spawner/say.h"

#define STACK_SIZE	65536
#define LOOP_WITHIN	(10000 * MS)	/* CRASHES_KEPT of them: it loops */
#define ARGS_MAX	10

const int crash_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT,
	SIGTRAP, SIGSYS, 0 };

static struct {
	struct spawner	*sp;
	pid_t		 pid;		/* otpd's, and not a child's in the
					 * making */
	const char	*argv[ARGS_MAX];
	char		**env;
	char		 manifest[sizeof(MANIFEST_ENV) + SAY_NUMBER];
	char		 nofile[sizeof(NOFILE_ENV) + SAY_NUMBER];
	char		 stack[STACK_SIZE] __attribute__((aligned(64)));
	volatile sig_atomic_t depth;	/* crashes in the handler of crashes */
} self;

static void
set_keep(int fd)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, 0);
}

static void
set_close(int fd)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int
crash_become(struct spawner *sp, const char *path)
{
	int rc;

	if (self.env == NULL)	/* it would know of nothing */
		return -ENOMEM;
	manifest_each_fd(sp->carried, sp->held.high, set_keep);
	if (self.depth < 2)	/* else that was the second crash */
		adopted_each_fd(sp->table.slots, sp->table.high, set_keep);
	(void)execve(path, (char *const *)(uintptr_t)self.argv, self.env);
	rc = -errno;
	if (self.depth != 0)
		return rc;
	manifest_each_fd(sp->carried, sp->held.high, set_close);
	adopted_each_fd(sp->table.slots, sp->table.high, set_close);
	return rc;
}

/* Counts this crash; true when there were too many of late. */
static bool
note(struct manifest *m, int sig)
{
	uint64_t now = now_ns(), oldest = m->crash_ns[CRASHES_KEPT - 1];
	int i;

	for (i = CRASHES_KEPT - 1; i > 0; i--)
		m->crash_ns[i] = m->crash_ns[i - 1];
	m->crash_ns[0] = now;
	m->crash_signal = sig;
	m->crashes++;
	return oldest != 0 && now - oldest < LOOP_WITHIN;
}

static void
die(int sig)
{
	struct sigaction none = { .sa_handler = SIG_DFL };
	sigset_t set;

	(void)sigaction(sig, &none, NULL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, sig);
	(void)syscall(SYS_kill, syscall(SYS_getpid), sig);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* True when otpd is to go on; this crash is counted and said. */
static bool
goes_on(struct manifest *m, int sig)
{
	static const struct timespec pause = { .tv_sec = 1 };
	char number[SAY_NUMBER];

	if (note(m, sig)) {
		SAY(self.sp->err, "crashed by signal ",
		    say_number(sig, number), ", once more: ",
		    m->c.pid1 != 0 ? "it goes on after a pause" : "it ends");
		if (m->c.pid1 == 0)
			return false;
		(void)nanosleep(&pause, NULL);
	} else {
		SAY(self.sp->err, "crashed by signal ",
		    say_number(sig, number),
		    "; it goes on where it was, and services do not notice");
	}
	return true;
}

/* May crash itself over what has proved to be wrong, once. */
__attribute__((no_sanitize("address"))) static void
crashed(int sig)
{
	static const struct timespec pause = { .tv_sec = 1 };
	struct manifest *m = self.sp->carried;

	if (syscall(SYS_getpid) != self.pid || ++self.depth > 2 ||
	    (self.depth == 1 && !goes_on(m, sig))) {
		die(sig);
		return;
	}
	do {
		(void)crash_become(self.sp, "/proc/self/exe");
		(void)crash_become(self.sp, m->c.program);
		(void)nanosleep(&pause, NULL);
	} while (m->c.pid1 != 0);
	die(sig);
}

void
crash_again(struct spawner *sp)
{
	static const struct timespec pause = { .tv_sec = 1 };

	for (;;) {
		(void)nanosleep(&pause, NULL);
		(void)crash_become(sp, "/proc/self/exe");
		(void)crash_become(sp, sp->carried->c.program);
	}
}

static void
make_arguments(const struct options *o)
{
	int n = 0;

	self.argv[n++] = "otpd";
	if (o->quiet)
		self.argv[n++] = "-q";
	if (o->verbose)
		self.argv[n++] = "-v";
	self.argv[n++] = "-c";
	self.argv[n++] = o->config;
	self.argv[n++] = "-r";
	self.argv[n++] = o->runtime;
	self.argv[n++] = "-l";
	self.argv[n++] = o->logs;
	self.argv[n] = NULL;
}

/* name=value, of which out has room for a number. */
static void
make_variable(const char *name, size_t len, long value, char *out)
{
	char number[SAY_NUMBER];
	const char *digits = say_number(value, number);

	memcpy(out, name, len);
	memcpy(out + len, digits, strlen(digits) + 1);
}

/* Otpd's own, the manifest's number, and what is needed without one. */
static int
make_environment(const struct spawner *sp)
{
	static const char manifest[] = MANIFEST_ENV "=";
	static const char nofile[] = NOFILE_ENV "=";
	size_t n = 0;

	make_variable(manifest, sizeof(manifest) - 1, sp->manifest,
	    self.manifest);
	make_variable(nofile, sizeof(nofile) - 1, (long)sp->nofile.rlim_cur,
	    self.nofile);
	while (sp->env[n] != NULL)
		n++;
	self.env = calloc(n + 3, sizeof(*self.env));
	if (self.env == NULL)
		return -ENOMEM;
	memcpy(self.env, sp->env, n * sizeof(*self.env));
	self.env[n] = self.manifest;
	self.env[n + 1] = self.nofile;
	return 0;
}

int
crash_init(struct spawner *sp)
{
	stack_t stack = { .ss_sp = self.stack, .ss_size = STACK_SIZE };
	struct sigaction sa = { .sa_handler = crashed,
	    .sa_flags = SA_ONSTACK | SA_NODEFER };
	const int *sig;
	int rc;

	self.sp = sp;
	self.pid = getpid();
	make_arguments(&sp->opt);
	rc = make_environment(sp);
	if (rc < 0)
		return rc;
	if (sigaltstack(&stack, NULL) < 0)
		return -errno;
	(void)sigfillset(&sa.sa_mask);
	for (sig = crash_signals; *sig != 0; sig++)
		(void)sigdelset(&sa.sa_mask, *sig);
	for (sig = crash_signals; *sig != 0; sig++)
		if (sigaction(*sig, &sa, NULL) < 0)
			return -errno;
	return 0;
}
