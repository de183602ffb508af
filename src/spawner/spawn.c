/* SPDX-License-Identifier: ISC */
/*
 * Starting processes at a cost that does not grow with what otpd holds: the
 * new process shares the descriptor table only until it has unshared the low
 * slots of it.  Must never leave a process behind that the table does not
 * know.
 */
#include "spawner/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner/channel.h"
#include "spawner/say.h"

#define STACK_SIZE	32768

static char stack[STACK_SIZE] __attribute__((aligned(64)));

int
spawn_init(struct spawner *sp)
{
	int slot;

	for (slot = 0; slot < LOW_FDS; slot++) {
		if (dup3(sp->null, slot, slot < 3 ? 0 : O_CLOEXEC) < 0)
			return -errno;
		sp->staged[slot] = sp->null;
		sp->staged_key[slot] = 0;
	}
	/* Checkers like valgrind know no clone(2) that shares them. */
	sp->share_files = getenv("OTP_PLAIN_CLONE") == NULL &&
	    (syscall(SYS_close_range, ~0U, ~0U, CLOSE_RANGE_UNSHARE) == 0 ||
	    errno == EMFILE || errno == ENOMEM);	/* just now */
	return 0;
}

int
spawn_stage(struct spawner *sp, int slot, int fd)
{
	if (sp->staged[slot] == fd)
		return 0;
	if (dup2(fd, slot) < 0)
		return -errno;
	sp->staged[slot] = fd;
	sp->staged_key[slot] = 0;
	return 0;
}

/* A write end, which blocks, of the pipe whose read end is fd. */
static int
open_writer(int fd)
{
	static const char prefix[] = "/proc/self/fd/";
	char path[sizeof(prefix) + SAY_NUMBER], number[SAY_NUMBER];
	const char *digits = say_number(fd, number);

	memcpy(path, prefix, sizeof(prefix) - 1);
	memcpy(path + sizeof(prefix) - 1, digits, strlen(digits) + 1);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int
spawn_stage_pipe(struct spawner *sp, int slot, int fd, uint64_t key)
{
	int other = slot == 1 ? 2 : 1;
	int writer, rc = 0;

	if (sp->staged_key[slot] == key)
		return 0;
	if (sp->staged_key[other] == key) {
		rc = dup2(other, slot) < 0 ? -errno : 0;
	} else {
		writer = open_writer(fd);
		if (writer < 0)
			return writer;
		rc = dup2(writer, slot) < 0 ? -errno : 0;
		(void)close(writer);
	}
	if (rc < 0)
		return rc;
	sp->staged[slot] = -1;
	sp->staged_key[slot] = key;
	return 0;
}

void
spawn_unstage_key(struct spawner *sp, uint64_t key)
{
	int slot;

	for (slot = 1; slot < 3; slot++)
		if (key != 0 && sp->staged_key[slot] == key)
			(void)spawn_stage(sp, slot, sp->null);
}

void
spawn_unstage_high(struct spawner *sp, int nfds)
{
	int slot;

	for (slot = 3; slot < nfds; slot++) {
		/* Or it is tried again the next time. */
		sp->staged[slot] = dup3(sp->null, slot, O_CLOEXEC) < 0 ? -1 :
		    sp->null;
	}
}

static int
clone_child(struct spawner *sp, struct child_args *args, int *out_pid)
{
	int flags = CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGCHLD;

	if (sp->share_files)
		flags |= CLONE_FILES;
	return clone(child_main, stack + STACK_SIZE, flags, args, out_pid);
}

int
spawn(struct spawner *sp, const struct job *job, int *out_pid,
    struct report *out_report)
{
	volatile struct report *report = (volatile void *)sp->table.slots;
	struct child_args args = { sp, job, report, getpid() };
	int pid, status;

	report->step = SPAWN_STEP_NONE;
	report->error = 0;
	pid = clone_child(sp, &args, out_pid);
	if (pid < 0) {
		*out_pid = 0;
		out_report->step = SPAWN_STEP_FORK;
		out_report->error = errno;
		return -out_report->error;
	}
	if (report->step != SPAWN_STEP_NONE) {
		/* It has exited already: this waits for nothing. */
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		*out_pid = 0;
		out_report->step = report->step;
		out_report->error = report->error;
		return -out_report->error;
	}
	return 0;
}

static int
stage_output(struct spawner *sp, int slot, uint8_t dest, uint64_t key,
    int inherited)
{
	int fd, rc;

	switch ((enum spawn_dest)dest) {
	case SPAWN_DEST_LOG:
		rc = held_pipe(&sp->held, key, &fd);
		return rc < 0 ? rc : spawn_stage_pipe(sp, slot, fd, key);
	case SPAWN_DEST_INHERIT:
		return spawn_stage(sp, slot, inherited);
	case SPAWN_DEST_NULL:
	case SPAWN_DEST_FILE:
	case SPAWN_DEST_STDOUT:
		break;
	}
	return spawn_stage(sp, slot, sp->null);
}

static int
stage_outputs(struct spawner *sp, const struct spawn_start *s)
{
	int rc;

	rc = stage_output(sp, 1, s->out, s->log_key, sp->out);
	if (rc < 0)
		return rc;
	if (s->err == SPAWN_DEST_STDOUT)
		return stage_output(sp, 2, s->out, s->log_key, sp->out);
	return stage_output(sp, 2, s->err, s->log_key, sp->err);
}

/* The job of a checked order; the vectors stay valid until the next one. */
static void
job_of(const struct spawner *sp, const struct spawn_view *v, struct job *out)
{
	static const char *vectors[SPAWN_ARGS_MAX + 3];
	const struct spawn_start *s = v->s;
	int last = s->argc + 1 + s->envc;

	spawn_start_vectors(v, vectors);
	vectors[last] = sp->marker;
	vectors[last + 1] = NULL;
	*out = (struct job){
		.argv = vectors, .env = vectors + s->argc + 1, .cwd = v->cwd,
		.out_path = s->out == SPAWN_DEST_FILE ? v->out_path : NULL,
		.err_path = s->err == SPAWN_DEST_FILE ? v->err_path : NULL,
		.err_to_out = s->err == SPAWN_DEST_STDOUT &&
		    s->out == SPAWN_DEST_FILE,
		.groups = v->groups, .limits = v->limits,
		.uid = s->uid, .gid = s->gid, .umask = s->umask,
		.ngroups = s->ngroups, .nlimits = s->nlimits,
		.nfds = 3 + s->nfds, .service = true,
		.die_too = (s->flags & SPAWN_F_DIE_TOO) != 0
	};
}

/* What is held for it, into its slots from 3 on. */
static int
stage_held(struct spawner *sp, const struct spawn_start *s)
{
	struct held *e;
	int i, rc;

	for (i = 0; i < s->nfds; i++) {
		e = held_find(&sp->held, s->fd_key + (uint64_t)i);
		if (e == NULL || e->kind != HELD_KEPT)
			return -EBADF;
		rc = spawn_stage(sp, 3 + i, e->fd);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
start(struct spawner *sp, const struct spawn_header *h, int *out_pid,
    struct report *out)
{
	struct spawn_view v;
	struct job job;
	int rc;

	*out = (struct report){ SPAWN_STEP_ORDER, EBADMSG };
	if (spawn_start_check(h, &v) < 0)
		return -EBADMSG;
	if (sp->table.used >= TABLE_SLOTS - TABLE_RESERVE) {
		*out = (struct report){ SPAWN_STEP_TABLE, ENOSPC };
		return -ENOSPC;
	}
	rc = stage_outputs(sp, v.s);
	if (rc < 0) {
		*out = (struct report){ SPAWN_STEP_LOG, -rc };
		return rc;
	}
	job_of(sp, &v, &job);
	rc = stage_held(sp, v.s);
	if (rc < 0)
		*out = (struct report){ SPAWN_STEP_FDS, -rc };
	else
		rc = spawn(sp, &job, out_pid, out);
	spawn_unstage_high(sp, job.nfds);
	/* Or the logger would not see that all who write have gone. */
	spawn_unstage_key(sp, v.s->log_key);
	if (rc == 0 && (v.s->flags & SPAWN_F_LET_GO) != 0)
		held_release(&sp->held, v.s->fd_key);
	return rc;
}

bool
spawn_order(struct spawner *sp, const struct spawn_header *h)
{
	struct child *c = table_by_inc(&sp->table, h->inc);
	struct report report;
	int rc;

	if (c != NULL) {
		table_dirty(&sp->table, c);
		return true;
	}
	if (h->inc == 0)
		return true;
	rc = table_add(&sp->table, h->inc, &c);
	if (rc < 0)
		return tell_refusal(sp, h->inc, SPAWN_STEP_TABLE, -rc);
	if (start(sp, h, &c->pid, &report) < 0)
		table_failed(&sp->table, c, (uint8_t)report.step, report.error);
	else
		table_alive(&sp->table, c, now_ns());
	return true;
}
