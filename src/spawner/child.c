/* SPDX-License-Identifier: ISC */
/*
 * What a new process does before it executes its program.  It shares otpd's
 * memory, on a stack of its own, while otpd waits: raw system calls only, no
 * heap, nothing written but its stack and the report.  Privileges go last but
 * for what must happen as the child's own user: its directory and its files.
 */
#include "spawner/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The sanitizer does not know this stack. */
#define CHILD_SIDE static __attribute__((no_sanitize("address")))

#define KERNEL_SIGSET	8	/* bytes of the kernel's signal set */

CHILD_SIDE void
fail(const struct child_args *a, enum spawn_step step, int error)
{
	a->report->step = step;
	a->report->error = error;
	for (;;)
		(void)syscall(SYS_exit_group, 127);
}

/* Fails at step when a system call did. */
CHILD_SIDE long
must(const struct child_args *a, enum spawn_step step, long rc)
{
	if (rc < 0)
		fail(a, step, errno);
	return rc;
}

CHILD_SIDE void
drop_descriptors(const struct child_args *a)
{
	int fd;

	if (!a->sp->share_files) {
		/* All others are close-on-exec, and copies. */
		for (fd = a->job->nfds; fd < LOW_FDS; fd++)
			(void)syscall(SYS_close, fd);
		return;
	}
	must(a, SPAWN_STEP_FDS, syscall(SYS_close_range,
	    (unsigned int)a->job->nfds, ~0U, CLOSE_RANGE_UNSHARE));
}

CHILD_SIDE void
restore_oom_score(const struct child_args *a)
{
	const char *score = a->sp->oom;
	long fd;

	if (score[0] == '\0')
		return;
	fd = must(a, SPAWN_STEP_LIMITS, syscall(SYS_openat, AT_FDCWD,
	    "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
	must(a, SPAWN_STEP_LIMITS, syscall(SYS_write, fd, score,
	    strlen(score)));
	must(a, SPAWN_STEP_LIMITS, syscall(SYS_close, fd));
}

CHILD_SIDE void
set_limit(const struct child_args *a, uint32_t resource, uint64_t soft,
    uint64_t hard)
{
	uint64_t pair[2] = { soft, hard };

	must(a, SPAWN_STEP_LIMITS, syscall(SYS_prlimit64, 0, resource, pair,
	    NULL));
}

CHILD_SIDE void
set_limits(const struct child_args *a)
{
	const struct job *job = a->job;
	uint32_t i;

	if (!job->service)
		return;
	set_limit(a, RLIMIT_NOFILE, a->sp->nofile.rlim_cur,
	    a->sp->nofile.rlim_max);
	for (i = 0; i < job->nlimits; i++)
		set_limit(a, job->limits[i].resource, job->limits[i].soft,
		    job->limits[i].hard);
	restore_oom_score(a);
}

CHILD_SIDE void
set_ids(const struct child_args *a)
{
	const struct job *job = a->job;
	uint32_t real, effective, saved;

	if (job->uid != SPAWN_KEEP)
		must(a, SPAWN_STEP_GROUPS, syscall(SYS_setgroups,
		    (size_t)job->ngroups, job->groups));
	if (job->gid != SPAWN_KEEP) {
		must(a, SPAWN_STEP_GID, syscall(SYS_setresgid, job->gid,
		    job->gid, job->gid));
		must(a, SPAWN_STEP_GID, syscall(SYS_getresgid, &real,
		    &effective, &saved));
		if (real != job->gid || effective != real || saved != real)
			fail(a, SPAWN_STEP_GID, EPERM);
	}
	if (job->uid == SPAWN_KEEP)
		return;
	must(a, SPAWN_STEP_UID, syscall(SYS_setresuid, job->uid, job->uid,
	    job->uid));
	must(a, SPAWN_STEP_UID, syscall(SYS_getresuid, &real, &effective,
	    &saved));
	if (real != job->uid || effective != real || saved != real)
		fail(a, SPAWN_STEP_UID, EPERM);
}

/* After the change of user, which would undo it; otpd may be dead already. */
CHILD_SIDE void
set_death_signal(const struct child_args *a)
{
	if (!a->job->die_too)
		return;
	must(a, SPAWN_STEP_SESSION, syscall(SYS_prctl, PR_SET_PDEATHSIG,
	    SIGKILL, 0, 0, 0));
	if (syscall(SYS_getppid) != a->parent)
		fail(a, SPAWN_STEP_SESSION, ESRCH);
}

/*
 * Opened without waiting for anybody, for otpd waits for us: a FIFO that
 * nobody reads is an error.
 */
CHILD_SIDE void
open_to(const struct child_args *a, enum spawn_step step, const char *path,
    int slot)
{
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NOFOLLOW |
	    O_CLOEXEC;
	long fd;

	fd = must(a, step, syscall(SYS_openat, AT_FDCWD, path,
	    flags | O_NONBLOCK, 0640));
	must(a, step, syscall(SYS_fcntl, fd, F_SETFL, O_APPEND));
	must(a, step, syscall(SYS_dup3, fd, slot, 0));
	must(a, step, syscall(SYS_close, fd));
}

CHILD_SIDE void
set_outputs(const struct child_args *a)
{
	const struct job *job = a->job;

	if (job->out_path != NULL)
		open_to(a, SPAWN_STEP_STDOUT, job->out_path, 1);
	if (job->err_path != NULL)
		open_to(a, SPAWN_STEP_STDERR, job->err_path, 2);
	else if (job->err_to_out)
		must(a, SPAWN_STEP_STDERR, syscall(SYS_dup3, 1, 2, 0));
}

__attribute__((no_sanitize("address"))) int
child_main(void *arg)
{
	const struct child_args *a = arg;
	const struct job *job = a->job;
	uint64_t no_signals = 0;

	drop_descriptors(a);
	must(a, SPAWN_STEP_SESSION, syscall(SYS_setsid));
	set_limits(a);
	set_ids(a);
	set_death_signal(a);
	if (job->umask != SPAWN_KEEP)
		(void)syscall(SYS_umask, job->umask);
	if (job->cwd[0] != '\0')
		must(a, SPAWN_STEP_CWD, syscall(SYS_chdir, job->cwd));
	set_outputs(a);
	must(a, SPAWN_STEP_EXEC, syscall(SYS_rt_sigprocmask, SIG_SETMASK,
	    &no_signals, NULL, KERNEL_SIGSET));
	must(a, SPAWN_STEP_EXEC, syscall(SYS_execve, job->argv[0], job->argv,
	    job->env));
	return 127;
}
