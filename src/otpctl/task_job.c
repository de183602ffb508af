/* SPDX-License-Identifier: ISC */
/*
 * One command of `otpctl task run`, from its start to its end.  A command is
 * started once: where an engine died over the request, it is found out first
 * whether it was carried out, by the files that the started one has opened.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otpctl/task.h"
#include "wire/reason.h"

#define SHUTDOWN_MS	5000	/* OTP's for tasks */
#define FULL_NS		UINT64_C(100000000)	/* until it is tried again */

void
job_file(const struct task_run *r, const struct job *j, const char *what,
    char out[PATH_MAX])
{
	(void)snprintf(out, PATH_MAX, "%.3900s/%llu.%s", r->dir,
	    (unsigned long long)j->number, what);
}

static void
job_id(const struct task_run *r, const struct job *j, char out[80])
{
	(void)snprintf(out, 80, "%s-%llu", r->id,
	    (unsigned long long)j->number);
}

/* --- what is asked --- */

/* A request in flight; the reply finds the job by *ref, which may be NULL. */
static void
ask(struct task_run *r, cJSON *request, uint64_t *ref)
{
	struct client *client = r->c->links[CTL_ENGINE].client;
	char *text = cJSON_PrintUnformatted(request);
	uint64_t unused;

	if (text == NULL)
		abort();
	cJSON_Delete(request);
	if (ref != NULL)
		*ref = 0;
	if (client != NULL)
		(void)client_post(client, text, strlen(text),
		    ref != NULL ? ref : &unused);
	cJSON_free(text);
}

static cJSON *
about(const struct task_run *r, const struct job *j, const char *op)
{
	cJSON *request = ctl_request(op);
	char id[80], path[8192];

	job_id(r, j, id);
	(void)snprintf(path, sizeof(path), "%s%s%s",
	    strcmp(r->sup, "/") == 0 ? "" : r->sup, "/", id);
	(void)cJSON_AddStringToObject(request, "path", path);
	return request;
}

static void
ask_end(struct task_run *r, struct job *j, bool again)
{
	cJSON *request = about(r, j, "why_down");

	(void)cJSON_AddNumberToObject(request, "generation", 1);
	if (again)
		(void)cJSON_AddBoolToObject(request, "owner", true);
	ask(r, request, &j->ref);
}

/* An argument with the line in place of each {}; false: there was none. */
static bool
put_argument(cJSON *array, const char *text, const char *line)
{
	const char *at = line != NULL ? strstr(text, "{}") : NULL;
	struct buf b = { NULL, 0, 0 };
	bool any = at != NULL;

	for (; at != NULL; at = strstr(text, "{}")) {
		buf_add(&b, text, (size_t)(at - text));
		buf_puts(&b, line);
		text = at + 2;
	}
	buf_puts(&b, text);
	(void)cJSON_AddItemToArray(array, cJSON_CreateString(b.data));
	buf_done(&b);
	return any;
}

static cJSON *
start_of(const struct task_run *r, const struct job *j)
{
	cJSON *array = cJSON_CreateArray();
	bool any = false;
	int i;

	for (i = 0; i < r->c->argc; i++)
		any |= put_argument(array, r->c->argv[i], j->line);
	if (j->line != NULL && !any)
		(void)cJSON_AddItemToArray(array,
		    cJSON_CreateString(j->line));
	return array;
}

static cJSON *
spec_of(const struct task_run *r, const struct job *j)
{
	cJSON *spec = cJSON_CreateObject(), *env;
	char text[PATH_MAX];

	job_id(r, j, text);
	(void)cJSON_AddStringToObject(spec, "id", text);
	(void)cJSON_AddItemToObject(spec, "start", start_of(r, j));
	(void)cJSON_AddStringToObject(spec, "restart", "temporary");
	(void)cJSON_AddNumberToObject(spec, "shutdown", SHUTDOWN_MS);
	(void)cJSON_AddStringToObject(spec, "cwd", r->cwd);
	(void)cJSON_AddStringToObject(spec, "umask", r->umask);
	if (r->path != NULL) {
		env = cJSON_AddObjectToObject(spec, "env");
		(void)cJSON_AddStringToObject(env, "PATH", r->path);
	}
	job_file(r, j, "out", text);
	(void)cJSON_AddStringToObject(spec, "stdout", text);
	job_file(r, j, "err", text);
	(void)cJSON_AddStringToObject(spec, "stderr", text);
	return spec;
}

static void
ask_start(struct task_run *r, struct job *j)
{
	cJSON *request = ctl_request("start_child");

	j->state = JOB_STARTING;
	j->late = false;
	j->began = ctl_now_ns();
	(void)cJSON_AddStringToObject(request, "sup", r->sup);
	(void)cJSON_AddBoolToObject(request, "owner", true);
	(void)cJSON_AddItemToObject(request, "spec", spec_of(r, j));
	ask(r, request, &j->ref);
}

void
job_start(struct task_run *r, struct job *j)
{
	if (j->state == JOB_WAITING && j->began != 0)
		r->waiting--;
	r->running++;
	ask_start(r, j);
}

void
job_new(struct task_run *r, char *line)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		abort();
	j->line = line;
	j->number = ++r->taken;
	*r->tail = j;
	r->tail = &j->next;
	job_start(r, j);
}

void
job_kill(struct task_run *r, struct job *j)
{
	cJSON *request = about(r, j, "signal");

	j->late = true;
	(void)cJSON_AddStringToObject(request, "signal", "KILL");
	ask(r, request, NULL);
}

void
job_stop(struct task_run *r, struct job *j)
{
	cJSON *request = ctl_request("terminate_child");
	char id[80];

	job_id(r, j, id);
	(void)cJSON_AddStringToObject(request, "sup", r->sup);
	(void)cJSON_AddStringToObject(request, "id", id);
	ask(r, request, NULL);
}

void
job_ask_again(struct task_run *r)
{
	struct job *j;

	for (j = r->jobs; j != NULL; j = j->next) {
		if (j->state == JOB_DONE || j->state == JOB_WAITING)
			continue;
		if (j->state == JOB_STARTING)
			j->state = JOB_LOOKING;
		ask_end(r, j, true);
		if (r->stopped_by != 0)
			job_stop(r, j);
		else if (j->late)
			job_kill(r, j);
	}
}

/* --- what comes back --- */

static void
set(char **at, const char *text)
{
	free(*at);
	*at = strdup(text);
	if (*at == NULL)
		abort();
}

static void
done(struct task_run *r, struct job *j, const char *reason,
    const char *message)
{
	j->state = JOB_DONE;
	j->ref = 0;
	j->ended = ctl_now_ns();
	if (reason != NULL)
		set(&j->reason, reason);
	if (message != NULL)
		set(&j->message, message);
	/* One that ended by itself in time was not killed for it. */
	j->late = j->late && reason != NULL && strcmp(reason, "killed") == 0;
	j->failed = reason == NULL || j->late || strcmp(reason, "normal") != 0;
	r->running--;
	r->full_until = 0;
	r->done++;
	r->failed += j->failed;
}

static bool
has_begun(const struct task_run *r, const struct job *j)
{
	char path[PATH_MAX];

	job_file(r, j, "out", path);
	return access(path, F_OK) == 0;
}

/* How it ended, or that nothing is known of it. */
static void
take_end(struct task_run *r, struct job *j, const char *reason)
{
	if (j->state == JOB_LOOKING && strcmp(reason, "noproc") == 0 &&
	    !has_begun(r, j) && r->stopped_by == 0) {
		ask_start(r, j);	/* it was never started */
		return;
	}
	done(r, j, strcmp(reason, "noproc") == 0 ? NULL : reason,
	    strcmp(reason, "noproc") == 0 ? "how it ended is not known" : NULL);
}

/* The supervisor has max_children: later, when one of ours has ended. */
static void
put_off(struct task_run *r, struct job *j)
{
	j->state = JOB_WAITING;
	j->ref = 0;
	r->running--;
	r->waiting++;
	r->full_until = ctl_now_ns() + FULL_NS;
}

static void
take_start(struct task_run *r, struct job *j)
{
	j->state = JOB_RUNNING;
	ask_end(r, j, false);
	if (r->stopped_by != 0)
		job_stop(r, j);
	else if (j->late)
		job_kill(r, j);
}

void
job_reply(struct task_run *r, struct job *j, const cJSON *reply)
{
	const char *reason = ctl_string(reply, "reason");
	const char *error = ctl_string(reply, "error");
	const char *message = ctl_string(reply, "message");

	if (error == NULL && j->state == JOB_STARTING)
		take_start(r, j);
	else if (error == NULL)
		take_end(r, j, reason != NULL ? reason : "noproc");
	else if (strcmp(error, "max_children") == 0 && r->stopped_by == 0)
		put_off(r, j);
	else
		done(r, j, strcmp(error, "start_failed") == 0 ? reason : NULL,
		    message != NULL ? message : error);
}

void
job_free(struct task_run *r, struct job *j)
{
	char path[PATH_MAX];

	job_file(r, j, "out", path);
	(void)unlink(path);
	job_file(r, j, "err", path);
	(void)unlink(path);
	free(j->line);
	free(j->reason);
	free(j->message);
	free(j);
}
