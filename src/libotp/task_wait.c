/* SPDX-License-Identifier: ISC */
/*
 * Waiting for tasks.  Meanwhile the owner's other messages stay where they
 * are, as during a call.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"
#include "libotp/task.h"

#define SMALL		16
#define SHUTDOWN_MS	5000

/* --- one step --- */

static void
place_of(struct otp *o, const struct otpi_task *t, struct pollfd *out)
{
	struct otpi_request *r;

	*out = (struct pollfd){ .fd = t == NULL || t->done ? -1 : t->pidfd,
	    .events = POLLIN };
	if (t == NULL || t->done || t->request == 0)
		return;
	r = otpi_request_find(o, t->request);
	if (r == NULL || r->progress != OTPI_WAITING)
		return;
	out->fd = r->conn->fd;
	if (otpi_conn_queued(r->conn) > 0)
		out->events |= POLLOUT;
}

/* Whatever has come for it. */
static void
hear(struct otp *o, struct otpi_task *t)
{
	struct otpi_request *r;
	int rc;

	if (t->request == 0) {
		otpi_task_finish(o, t);
		return;
	}
	r = otpi_request_find(o, t->request);
	if (r != NULL && r->progress == OTPI_WAITING) {
		rc = r->conn->fd < 0 ? -ENOTCONN : otpi_conn_recv(o, r->conn);
		if (rc != 0)
			otpi_pump(o, r->conn, rc);
		else
			(void)otpi_conn_flush(o, r->conn);
	}
	otpi_task_collect(o, t);
}

bool
otpi_task_look(struct otp *o, struct otpi_task *t)
{
	struct pollfd pfd;

	if (!t->done && t->request != 0)
		otpi_task_collect(o, t);
	if (t->done)
		return true;
	place_of(o, t, &pfd);
	if (t->request != 0 ? pfd.fd < 0 || poll(&pfd, 1, 0) == 1 :
	    poll(&pfd, 1, 0) == 1)
		hear(o, t);
	return t->done;
}

static int
ms_until(uint64_t deadline)
{
	uint64_t now = otpi_now(), ms;

	if (deadline == 0)
		return -1;
	if (now >= deadline)
		return 0;
	ms = (deadline - now + OTPI_MSEC - 1) / OTPI_MSEC;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static int
wait_once(struct otp *o, struct otpi_task *const *tasks, size_t n,
    struct pollfd *pfd, uint64_t deadline)
{
	int rc, done = 0;

	for (size_t i = 0; i < n; i++) {
		place_of(o, tasks[i], &pfd[i]);
		if (tasks[i] == NULL || tasks[i]->done || pfd[i].fd >= 0)
			continue;
		hear(o, tasks[i]);	/* it was answered meanwhile */
		done += tasks[i]->done;
	}
	if (done > 0)
		return 1;
	rc = poll(pfd, (nfds_t)n, ms_until(deadline));
	if (rc < 0)
		return errno == EINTR ? 0 : -errno;
	for (size_t i = 0; i < n && rc > 0; i++) {
		if (pfd[i].revents == 0 || tasks[i]->done)
			continue;
		hear(o, tasks[i]);
		done += tasks[i]->done;
	}
	if (done > 0)
		return 1;
	return deadline != 0 && otpi_now() >= deadline ? -ETIMEDOUT : 0;
}

int
otpi_task_wait(struct otp *o, struct otpi_task *const *tasks, size_t n,
    uint64_t deadline)
{
	struct pollfd small[SMALL], *pfd = small;
	int rc = 0;

	if (n > SMALL)
		pfd = calloc(n, sizeof(*pfd));
	if (pfd == NULL)
		return -ENOMEM;
	(void)otpi_flush_all(o);
	while (rc == 0)
		rc = wait_once(o, tasks, n, pfd, deadline);
	if (pfd != small)
		free(pfd);
	return rc;
}

/* --- one task --- */

/* 0 when it is done, or -ETIMEDOUT... */
static int
until_done(struct otp *o, struct otpi_task *t, uint64_t deadline)
{
	int rc;

	if (otpi_task_look(o, t))
		return 0;
	rc = otpi_task_wait(o, &t, 1, deadline);
	return rc == 1 ? 0 : rc;
}

int
otp_task_await(struct otp *o, uint64_t task, int timeout_ms, char **value,
    size_t *len)
{
	struct otpi_task *t;
	int rc = otpi_task_find(o, task, &t);

	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	rc = until_done(o, t, otpi_deadline(o, timeout_ms));
	if (rc == 0)
		return otpi_task_take(o, t, value, len);
	otpi_task_mute(o, t);
	return otpi_fail(o, rc, NULL);
}

int
otp_task_yield(struct otp *o, uint64_t task, int timeout_ms, char **value,
    size_t *len)
{
	struct otpi_task *t;
	int rc = otpi_task_find(o, task, &t);

	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	rc = until_done(o, t, otpi_deadline(o, timeout_ms));
	if (rc == 0)
		return otpi_task_take(o, t, value, len);
	return rc == -ETIMEDOUT ? 1 : otpi_fail(o, rc, NULL);
}

int
otp_task_ignore(struct otp *o, uint64_t task, char **value, size_t *len)
{
	struct otpi_task *t;
	int rc = otpi_task_find(o, task, &t);

	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	if (otpi_task_look(o, t))
		return otpi_task_take(o, t, value, len);
	if (t->path != NULL && t->linked)
		otpi_task_tell(o, t, "{\"op\":\"unlink\"}");
	t->linked = false;
	t->muted = true;
	return 1;
}

static void
ask_to_end(struct otp *o, struct otpi_task *t, bool kill)
{
	t->linked = false;
	t->stopped = t->stopped || !kill;
	if (t->path != NULL)
		otpi_task_tell(o, t, kill ? "{\"op\":\"kill\"}" :
		    "{\"op\":\"shutdown\"}");
	else
		otpi_task_signal(t, kill ? SIGKILL : SIGTERM);
}

void
otpi_task_stop(struct otp *o, uint64_t ref)
{
	struct otpi_task *t;

	if (otpi_task_find(o, ref, &t) == 0)
		ask_to_end(o, t, false);
}

int
otp_task_shutdown(struct otp *o, uint64_t task, int timeout_ms, char **value,
    size_t *len)
{
	bool brutal = timeout_ms == OTP_BRUTAL_KILL;
	struct otpi_task *t;
	int rc = otpi_task_find(o, task, &t);

	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	if (timeout_ms == OTP_DEFAULT_TIMEOUT)
		timeout_ms = SHUTDOWN_MS;
	if (!otpi_task_look(o, t)) {
		ask_to_end(o, t, brutal);
		rc = until_done(o, t, brutal ? 0 :
		    otpi_deadline(o, timeout_ms));
		if (rc < 0) {
			ask_to_end(o, t, true);
			rc = until_done(o, t, 0);
		}
	}
	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	if (t->error == -OTP_EDOWN &&
	    strcmp(t->reason, brutal ? "killed" : "shutdown") == 0) {
		otpi_task_release(o, t);
		return 1;
	}
	return otpi_task_take(o, t, value, len);
}

/* --- many --- */

static void
fill(struct otp *o, struct otpi_task *t, struct otp_result *out)
{
	int error;

	*out = (struct otp_result){ .error = 1 };
	if (!t->done)
		return;
	error = otpi_task_take(o, t, &out->reply, &out->len);
	out->error = error;
	if (error == -OTP_EDOWN) {
		out->reply = strdup(o->reason);
		out->len = out->reply != NULL ? strlen(out->reply) : 0;
	}
}

/* All of them; 0 or the error of the first that is not there. */
static int
find_all(struct otp *o, const uint64_t *tasks, size_t n,
    struct otpi_task ***out)
{
	struct otpi_task **list = calloc(n > 0 ? n : 1, sizeof(*list));
	int rc = list == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = otpi_task_find(o, tasks[i], &list[i]);
		if (rc == 0 && list[i]->listed)
			rc = -EINVAL;	/* twice */
		if (rc == 0)
			list[i]->listed = true;
	}
	for (size_t i = 0; list != NULL && i < n && list[i] != NULL; i++)
		list[i]->listed = false;
	if (rc < 0)
		free(list);
	else
		*out = list;
	return rc;
}

/* Until all are done, the time is up, or (first) one has failed. */
static int
wait_all(struct otp *o, struct otpi_task *const *list, size_t n,
    uint64_t deadline, bool first)
{
	size_t left;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		(void)otpi_task_look(o, list[i]);
	for (;;) {
		left = 0;
		for (size_t i = 0; i < n; i++) {
			if (first && list[i]->done && list[i]->error < 0)
				return 0;
			left += !list[i]->done;
		}
		if (left == 0)
			return 0;
		rc = otpi_task_wait(o, list, n, deadline);
		if (rc < 0)
			return rc;
	}
}

static int
give_up(struct otp *o, struct otpi_task *const *list, size_t n, int rc)
{
	char reason[OTP_REASON_MAX] = "timeout";

	for (size_t i = 0; i < n; i++) {
		if (rc == 0 && list[i]->done && list[i]->error < 0) {
			rc = list[i]->error;
			memcpy(reason, list[i]->reason, sizeof(reason));
		}
		otpi_task_mute(o, list[i]);
	}
	return otpi_fail(o, rc, reason);
}

int
otp_task_await_many(struct otp *o, const uint64_t *tasks, size_t n,
    int timeout_ms, struct otp_result *results)
{
	uint64_t deadline = otpi_deadline(o, timeout_ms);
	struct otpi_task **list;
	bool failed = false;
	int rc = find_all(o, tasks, n, &list);

	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	rc = wait_all(o, list, n, deadline, true);
	for (size_t i = 0; i < n; i++)
		failed = failed || (list[i]->done && list[i]->error < 0);
	if (rc < 0 || failed)
		rc = give_up(o, list, n, rc);
	else
		for (size_t i = 0; i < n; i++)
			fill(o, list[i], &results[i]);
	free(list);
	return rc;
}

int
otp_task_yield_many(struct otp *o, const uint64_t *tasks, size_t n,
    int timeout_ms, struct otp_result *results)
{
	uint64_t deadline = otpi_deadline(o, timeout_ms);
	struct otpi_task **list;
	int done = 0, rc = find_all(o, tasks, n, &list);

	if (rc < 0)
		return otpi_fail(o, rc, NULL);
	rc = wait_all(o, list, n, deadline, false);
	for (size_t i = 0; i < n; i++) {
		fill(o, list[i], &results[i]);
		done += results[i].error != 1;
	}
	free(list);
	return rc < 0 && rc != -ETIMEDOUT ? otpi_fail(o, rc, NULL) : done;
}
