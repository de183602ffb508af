/* SPDX-License-Identifier: ISC */
/*
 * What `otpctl task run` shows: the output of each command, whole; why one
 * failed; how far it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otpctl/task.h"
#include "wire/reason.h"

#define COPY_SIZE	65536

/* Raw for programs and files; a terminal is kept safe. */
static void
copy_out(struct task_run *r, const struct job *j, const char *what, int to)
{
	struct buf b = { NULL, 0, 0 };
	char path[PATH_MAX], data[COPY_SIZE];
	bool terminal = isatty(to);
	ssize_t n;
	int fd;

	job_file(r, j, what, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	while ((n = read(fd, data, sizeof(data))) > 0) {
		if (terminal)
			buf_lines(&b, data, (size_t)n);
		else
			buf_add(&b, data, (size_t)n);
		buf_flush(&b, to);
	}
	buf_done(&b);
	(void)close(fd);
}

/* The whole of a file as a string of JSON; what is no text is replaced. */
static void
add_output(const struct task_run *r, const struct job *j, const char *what,
    cJSON *object, const char *key)
{
	struct buf b = { NULL, 0, 0 };
	char path[PATH_MAX], data[COPY_SIZE];
	ssize_t n;
	int fd;

	job_file(r, j, what, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	while (fd >= 0 && (n = read(fd, data, sizeof(data))) > 0)
		buf_lines(&b, data, (size_t)n);
	if (fd >= 0)
		(void)close(fd);
	(void)cJSON_AddStringToObject(object, key,
	    b.data != NULL ? b.data : "");
	buf_done(&b);
}

static void
show_json(struct task_run *r, const struct job *j)
{
	cJSON *o = cJSON_CreateObject();
	char *text;

	(void)cJSON_AddNumberToObject(o, "task", (double)j->number);
	if (j->line != NULL)
		(void)cJSON_AddStringToObject(o, "argument", j->line);
	(void)cJSON_AddStringToObject(o, "result", !j->failed ? "ok" :
	    j->late ? "timeout" : "exit");
	if (j->reason != NULL) {
		(void)cJSON_AddStringToObject(o, "reason", j->reason);
		(void)cJSON_AddNumberToObject(o, "exit_code",
		    reason_code(j->reason));
	}
	if (j->message != NULL)
		(void)cJSON_AddStringToObject(o, "message", j->message);
	(void)cJSON_AddNumberToObject(o, "ms",
	    (double)((j->ended - j->began) / 1000000));
	add_output(r, j, "out", o, "stdout");
	add_output(r, j, "err", o, "stderr");
	text = cJSON_PrintUnformatted(o);
	if (text == NULL)
		abort();
	buf_json(&r->c->text, text, strlen(text));
	buf_puts(&r->c->text, "\n");
	buf_flush(&r->c->text, STDOUT_FILENO);
	cJSON_free(text);
	cJSON_Delete(o);
}

static void
say_failed(const struct task_run *r, const struct job *j)
{
	const char *what = j->line != NULL ? j->line : r->c->argv[0];
	char words[512];

	if (r->c->quiet || !j->failed)
		return;
	if (j->late)
		ctl_warn("task %llu (%.200s) timed out and was killed",
		    (unsigned long long)j->number, what);
	else if (j->reason == NULL)
		ctl_warn("task %llu (%.200s): %s",
		    (unsigned long long)j->number, what, j->message);
	else {
		reason_words(j->reason, words, sizeof(words));
		ctl_warn("task %llu (%.200s) %s",
		    (unsigned long long)j->number, what, words);
	}
}

static void
show(struct task_run *r, const struct job *j)
{
	show_no_progress(r);
	if (r->c->json) {
		show_json(r, j);
		return;
	}
	copy_out(r, j, "out", STDOUT_FILENO);
	copy_out(r, j, "err", STDERR_FILENO);
	say_failed(r, j);
}

void
show_done(struct task_run *r)
{
	struct job **at = &r->jobs, *j;

	while ((j = *at) != NULL) {
		if (j->state != JOB_DONE) {
			if (!r->c->unordered)
				return;
			at = &j->next;
			continue;
		}
		show(r, j);
		*at = j->next;
		if (r->tail == &j->next)
			r->tail = at;
		job_free(r, j);
	}
}

void
show_no_progress(struct task_run *r)
{
	struct buf b = { NULL, 0, 0 };

	if (r->shown == 0)
		return;
	buf_puts(&b, "\r");
	buf_pad(&b, r->shown);
	buf_puts(&b, "\r");
	buf_flush(&b, STDERR_FILENO);
	buf_done(&b);
	r->shown = 0;
}

void
show_progress(struct task_run *r)
{
	struct buf b = { NULL, 0, 0 };
	size_t len;

	if (!r->progress)
		return;
	buf_printf(&b, "%llu done, %llu failed, %u running",
	    (unsigned long long)r->done, (unsigned long long)r->failed,
	    r->running);
	if (r->lines && r->in.ended)
		buf_printf(&b, ", of %llu", (unsigned long long)(r->taken +
		    input_left(&r->in)));
	len = b.len;
	if (r->shown > len)
		buf_pad(&b, r->shown - len);
	buf_puts(&b, "\r");
	buf_flush(&b, STDERR_FILENO);
	buf_done(&b);
	r->shown = len;
}
