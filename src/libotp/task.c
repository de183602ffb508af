/* SPDX-License-Identifier: ISC */
/*
 * Tasks and their owner: which there are, and what becomes of those that
 * nobody waits for.
 */
#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libotp/serve.h"
#include "libotp/task.h"
#include "wire/reason.h"

#define OWNER_SHIFT	40

/* --- the list --- */

/* So that nobody finds another's. */
static uint64_t
first_ref(void)
{
	static uint64_t owners;

	return __atomic_add_fetch(&owners, 1, __ATOMIC_RELAXED) << OWNER_SHIFT;
}

static bool
is_owner(const struct otp *o, uint64_t ref)
{
	return o->task_owner == getpid() &&
	    o->task_ref >> OWNER_SHIFT == ref >> OWNER_SHIFT;
}

struct otpi_task *
otpi_task_new(struct otp *o)
{
	struct otpi_task *t;

	if (o->task_ref == 0) {
		o->task_ref = first_ref();
		o->task_owner = getpid();
	}
	if (o->task_owner != getpid()) {
		errno = EPERM;
		return NULL;
	}
	if (o->srv == NULL)
		otpi_task_reap(o);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->kind = OTPI_TASK;
	t->pidfd = t->fd = -1;
	t->ref = ++o->task_ref;
	t->next = o->tasks;
	o->tasks = t;
	return t;
}

int
otpi_task_find(struct otp *o, uint64_t ref, struct otpi_task **out)
{
	struct otpi_task *t;

	if (!is_owner(o, ref))
		return -EPERM;
	for (t = o->tasks; t != NULL; t = t->next)
		if (t->ref == ref && ref != 0 && !t->muted)
			break;
	if (t == NULL)
		return -ENOENT;
	*out = t;
	return 0;
}

static void
drop(struct otp *o, struct otpi_task *t)
{
	struct otpi_request *r = otpi_request_find(o, t->request);

	if (r != NULL && t->request != 0)
		otpi_request_free(o, r);
	if (t->pidfd >= 0)
		(void)close(t->pidfd);
	if (t->fd >= 0)
		(void)close(t->fd);
	free(t->data);
	free(t->path);
	free(t);
}

void
otpi_task_release(struct otp *o, struct otpi_task *t)
{
	t->ref = 0;
	o->task_gone = true;
	if (o->srv == NULL)
		otpi_task_reap(o);
}

/* Nobody waits for the muted ones; a mere caller has no loop that would. */
void
otpi_task_reap(struct otp *o)
{
	struct otpi_task **at = &o->tasks, *t;

	o->task_gone = false;
	while ((t = *at) != NULL) {
		if (t->ref != 0 && t->muted && o->srv == NULL &&
		    otpi_task_look(o, t))
			t->ref = 0;
		if (t->ref != 0) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		drop(o, t);
	}
}

void
otpi_task_mute(struct otp *o, struct otpi_task *t)
{
	t->muted = true;
	if (t->done)
		otpi_task_release(o, t);
}

int
otpi_task_take(struct otp *o, struct otpi_task *t, char **value, size_t *len)
{
	int error = t->error;

	if (error < 0) {
		(void)otpi_fail(o, error, t->reason[0] != '\0' ? t->reason :
		    NULL);
	} else {
		if (value != NULL) {
			*value = t->data;
			t->data = NULL;
		}
		if (len != NULL)
			*len = t->len;
	}
	otpi_task_release(o, t);
	return error;
}

/*
 * The end of their owner.  What it has forked and linked ends here as it would
 * with the process; a supervised task minds only an end that is not normal.
 */
void
otpi_tasks_free(struct otp *o)
{
	bool normal = o->srv == NULL || o->srv->normal;
	struct otpi_task *t;

	if (o->task_owner != getpid()) {
		while ((t = o->tasks) != NULL) {
			o->tasks = t->next;
			drop(o, t);
		}
		return;
	}
	while ((t = o->tasks) != NULL) {
		o->tasks = t->next;
		if (t->pidfd >= 0 && t->linked && !t->done) {
			otpi_task_signal(t, SIGKILL);
			otpi_task_finish(o, t);
		} else if (t->pidfd >= 0) {
			(void)otpi_task_look(o, t);
		} else if (t->path != NULL && t->linked && normal && !t->done) {
			otpi_task_tell(o, t, "{\"op\":\"unlink\"}");
		}
		drop(o, t);
	}
}

/* --- a server's tasks that nobody awaits --- */

void
otpi_task_event(struct otp *o, struct otpi_task *t)
{
	if (t->ref == 0 || t->done || t->pidfd < 0)
		return;
	otpi_task_finish(o, t);
	(void)otpi_mail_self(o, FRAME_EXIT, t->ref, "", 0);
}

static struct otpi_task *
find_any(struct otp *o, uint64_t ref)
{
	struct otpi_task *t = o->tasks;

	while (t != NULL && t->ref != ref)
		t = t->next;
	return t;
}

/* A link brings its owner down, or the news of it. */
static void
tell_link(struct otp *o, struct otpi_task *t)
{
	struct otp_info info = { .kind = OTP_EXIT, .pid = t->pid, .data = "",
	    .who = t->path != NULL ? t->path : "", .reason = t->reason };
	char reason[OTP_REASON_MAX];

	if (o->srv->trapping) {
		otpi_info(o, &info);
		return;
	}
	(void)snprintf(reason, sizeof(reason), "%s", t->reason);
	otpi_end(o, reason, false);
}

void
otpi_task_mail(struct otp *o, uint64_t ref)
{
	struct otpi_task *t = find_any(o, ref);
	struct otp_info info = { .kind = OTP_TASK, .ref = ref, .who = "" };
	bool told;

	if (t == NULL || ref == 0)
		return;
	if (t->request != 0)
		otpi_task_collect(o, t);
	if (!t->done)
		return;
	told = (t->error < 0 && strcmp(t->reason, "normal") != 0) ||
	    (t->alone && o->srv->trapping);
	otpi_task_release(o, t);
	if (t->linked && told && (t->muted || !o->srv->trapping)) {
		tell_link(o, t);
	} else if (!t->muted) {
		info.pid = t->pid;
		info.error = t->error;
		info.who = t->path != NULL ? t->path : "";
		info.reason = t->error < 0 ? t->reason : "";
		info.data = t->error == 0 && t->data != NULL ? t->data : "";
		info.len = t->error == 0 ? t->len : 0;
		otpi_info(o, &info);
	}
}

/* --- how they begin --- */

static int
async(struct otp *o, otp_task_fn *fn, void *arg, bool linked, uint64_t *out)
{
	struct otpi_task *t;
	int rc = otpi_task_fork(o, fn, arg, linked, false, &t);

	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	*out = t->ref;
	return 0;
}

int
otp_task_async(struct otp *o, otp_task_fn *fn, void *arg, uint64_t *out)
{
	return async(o, fn, arg, true, out);
}

int
otp_task_async_nolink(struct otp *o, otp_task_fn *fn, void *arg,
    uint64_t *out)
{
	return async(o, fn, arg, false, out);
}

static int
start(struct otp *o, otp_task_fn *fn, void *arg, bool linked, int32_t *pid)
{
	struct otpi_task *t;
	int rc = otpi_task_fork(o, fn, arg, linked, false, &t);

	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	if (pid != NULL)
		*pid = t->pid;
	t->muted = t->alone = true;
	return 0;
}

int
otp_task_start(struct otp *o, otp_task_fn *fn, void *arg, int32_t *pid)
{
	return start(o, fn, arg, false, pid);
}

int
otp_task_start_link(struct otp *o, otp_task_fn *fn, void *arg, int32_t *pid)
{
	return start(o, fn, arg, true, pid);
}

int
otp_task_completed(struct otp *o, const void *value, size_t len,
    uint64_t *out)
{
	char *copy = malloc(len + 1);
	struct otpi_task *t = copy != NULL ? otpi_task_new(o) : NULL;

	if (t == NULL) {
		free(copy);
		return otpi_fail(o, copy == NULL ? -ENOMEM : -errno, NULL);
	}
	if (len > 0)
		memcpy(copy, value, len);
	copy[len] = '\0';
	t->data = copy;
	t->len = len;
	t->done = true;
	*out = t->ref;
	return 0;
}
