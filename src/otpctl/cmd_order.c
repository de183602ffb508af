/* SPDX-License-Identifier: ISC */
/*
 * An operator's orders: start, stop, restart, signal, reload, check,
 * shutdown.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "otpctl/otpctl.h"
#include "wire/reason.h"

#define LOOK_MS		50	/* how often a fallback looks */
#define GRACE_NS	UINT64_C(2000000000)

/* A slip in one of several names must not leave half of the order done. */
static int
all_known(struct ctl *c)
{
	int i, rc, worst = CTL_OK;
	cJSON *req, *list, *reply;

	for (i = 0; i < c->argc && c->argc > 1; i++) {
		reply = NULL;
		req = ctl_request("status");
		list = cJSON_AddArrayToObject(req, "paths");
		(void)cJSON_AddItemToArray(list,
		    cJSON_CreateString(c->argv[i]));
		rc = ctl_order(c, req, c->argv[i], &reply);
		cJSON_Delete(reply);
		if (rc == CTL_UNREACHABLE || rc == CTL_TIMED_OUT)
			return rc;
		if (worst == CTL_OK)
			worst = rc;
	}
	if (worst != CTL_OK && !c->json)
		ctl_warn("so nothing has been done");
	return worst;
}

/* One order for each operand; the worst outcome is the code. */
static int
each(struct ctl *c, const char *op, const char *done)
{
	int i, rc, worst;
	cJSON *req, *reply;

	c->asks_only = true;
	worst = all_known(c);
	c->asks_only = false;
	if (worst != CTL_OK)
		return worst;
	for (i = 0; i < c->argc; i++) {
		req = ctl_request(op);
		(void)cJSON_AddStringToObject(req, "path", c->argv[i]);
		rc = ctl_order_in_turn(c, req, c->argv[i], &reply);
		if (rc == CTL_OK) {
			c->out->outcome(c, ctl_string(reply, "path") == NULL ?
			    c->argv[i] : NULL, done, reply);
			cJSON_Delete(reply);
		} else if (worst == CTL_OK) {
			worst = rc;
		}
		if (rc == CTL_UNREACHABLE || rc == CTL_TIMED_OUT)
			break;
	}
	return worst;
}

int
cmd_start(struct ctl *c)
{
	return each(c, "start", "started");
}

int
cmd_stop(struct ctl *c)
{
	return each(c, "stop", "stopped");
}

int
cmd_restart(struct ctl *c)
{
	return each(c, "restart", "restarted");
}

int
cmd_signal(struct ctl *c)
{
	int rc, sig = reason_signal_number(c->argv[0]);
	cJSON *req, *reply;
	char done[64];

	if (sig <= 0) {
		ctl_warn("no signal %s: a name, as HUP, or a number stands "
		    "before the path", c->argv[0]);
		return CTL_USAGE;
	}
	req = ctl_request("signal");
	(void)cJSON_AddStringToObject(req, "path", c->argv[1]);
	(void)cJSON_AddStringToObject(req, "signal", reason_signal_name(sig));
	rc = ctl_order(c, req, c->argv[1], &reply);
	if (rc != CTL_OK)
		return rc;
	(void)snprintf(done, sizeof(done), "sent %s to pid %.0f",
	    reason_signal_name(sig), ctl_number(reply, "pid", 0));
	c->out->outcome(c, NULL, done, reply);
	cJSON_Delete(reply);
	return CTL_OK;
}

/*
 * Did every change come out well?  outcome is the state that came of it; what
 * was only noted has come to nothing yet.
 */
static int
changes_outcome(const cJSON *reply)
{
	const cJSON *change;
	const char *outcome, *what;

	cJSON_ArrayForEach(change, cJSON_GetObjectItemCaseSensitive(reply,
	    "changes")) {
		outcome = ctl_string(change, "outcome");
		what = ctl_string(change, "change");
		if (what != NULL && strcmp(what, "update") == 0)
			continue;
		if (outcome != NULL && (strcmp(outcome, "failed") == 0 ||
		    strcmp(outcome, "start_failed") == 0 ||
		    strcmp(outcome, "backoff") == 0))
			return CTL_FAILED;
	}
	return CTL_OK;
}

int
cmd_reload(struct ctl *c)
{
	cJSON *req = ctl_request("reload"), *reply;
	int rc;

	(void)cJSON_AddBoolToObject(req, "dry_run", c->dry_run);
	rc = ctl_order_in_turn(c, req, NULL, &reply);
	if (rc != CTL_OK)
		return rc;
	c->out->changes(c, reply);
	rc = changes_outcome(reply);
	cJSON_Delete(reply);
	return rc;
}

/* path as it is, or below the working directory, into the request. */
static int
add_file(cJSON *req, const char *path)
{
	char cwd[PATH_MAX], *file = NULL;

	if (path[0] == '/') {
		(void)cJSON_AddStringToObject(req, "file", path);
		return CTL_OK;
	}
	if (getcwd(cwd, sizeof(cwd)) == NULL ||
	    asprintf(&file, "%s/%s", cwd, path) < 0) {
		ctl_warn("the working directory: %s", strerror(errno));
		return CTL_FAILED;
	}
	(void)cJSON_AddStringToObject(req, "file", file);
	free(file);
	return CTL_OK;
}

int
cmd_check(struct ctl *c)
{
	cJSON *req = ctl_request("check"), *reply;
	int rc;

	if (c->argc == 1 && add_file(req, c->argv[0]) != CTL_OK) {
		cJSON_Delete(req);
		return CTL_FAILED;
	}
	rc = ctl_order(c, req, NULL, &reply);
	if (rc != CTL_OK)
		return rc;
	c->out->outcome(c, c->argc == 1 ? c->argv[0] : NULL, "no errors",
	    reply);
	cJSON_Delete(reply);
	return CTL_OK;
}

/* --- shutdown --- */

/* A descriptor that is readable when otpd is gone, or -1: then its socket
 * has to do. */
static int
watch_otpd(struct ctl *c)
{
	cJSON *reply;
	double pid;
	int fd = -1;

	if (ctl_ask(c, CTL_ENGINE, ctl_request("info"), &reply) != CTL_OK)
		return -2;
	pid = ctl_number(reply, "pid", 0);
	cJSON_Delete(reply);
	if (pid > 0 && pid < INT_MAX)
		fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	return fd;
}

/* In another PID namespace the number may mean nobody, or a stranger: a
 * socket that is gone for a while ends the wait as well. */
static int
wait_gone(struct ctl *c, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now, unseen = 0;

	for (;;) {
		if (poll(&p, 1, LOOK_MS) == 1)
			return CTL_OK;
		now = ctl_now_ns();
		if (access(c->links[CTL_ENGINE].path, F_OK) == 0)
			unseen = 0;
		else if (unseen == 0)
			unseen = now;
		else if (fd < 0 || now - unseen > GRACE_NS)
			return CTL_OK;
		if (c->deadline != 0 && now >= c->deadline)
			return CTL_TIMED_OUT;
	}
}

int
cmd_resume(struct ctl *c)
{
	cJSON *reply = NULL;
	int rc = ctl_order(c, ctl_request("resume"), NULL, &reply);

	if (rc == CTL_OK)
		c->out->outcome(c, NULL, "the engine starts again", reply);
	cJSON_Delete(reply);
	return rc;
}

static const char *
or_unknown(const cJSON *reply, const char *key)
{
	const char *text = ctl_string(reply, key);

	return text != NULL && strlen(text) < 32 ? text : "?";
}

/*
 * The engine that is asked is killed by what it was asked for: ctl_order()
 * asks the next one, which knows by "after" that it is done.
 */
int
cmd_upgrade(struct ctl *c)
{
	cJSON *req, *reply = NULL;
	char done[96];
	double upgrades;
	int rc;

	rc = ctl_ask(c, CTL_ENGINE, ctl_request("info"), &reply);
	if (rc != CTL_OK)
		return rc;
	upgrades = ctl_number(reply, "upgrades", 0);
	cJSON_Delete(reply);
	req = ctl_request("upgrade");
	(void)cJSON_AddNumberToObject(req, "after", upgrades);
	if (c->argc == 1 && add_file(req, c->argv[0]) != CTL_OK) {
		cJSON_Delete(req);
		return CTL_FAILED;
	}
	rc = ctl_order(c, req, NULL, &reply);
	if (rc != CTL_OK)
		return rc;
	(void)snprintf(done, sizeof(done), "otpd is upgraded from %s to %s",
	    or_unknown(reply, "from"), or_unknown(reply, "version"));
	c->out->outcome(c, NULL, done, reply);
	cJSON_Delete(reply);
	return CTL_OK;
}

int
cmd_shutdown(struct ctl *c)
{
	cJSON *reply = NULL;
	int rc, fd = watch_otpd(c);

	if (fd == -2)
		return CTL_UNREACHABLE;
	rc = ctl_order(c, ctl_request("shutdown"), NULL, &reply);
	if (rc == CTL_OK) {
		rc = wait_gone(c, fd);
		if (rc == CTL_OK)
			c->out->outcome(c, NULL, "otpd is gone", reply);
		else
			ctl_warn("otpd has not stopped yet, and goes on "
			    "stopping");
		cJSON_Delete(reply);
	}
	if (fd >= 0)
		(void)close(fd);
	return rc;
}
