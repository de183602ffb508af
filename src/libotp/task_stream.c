/* SPDX-License-Identifier: ISC */
/*
 * A task for each item of a stream, so many at once.  Work is done only while
 * somebody asks for a result; what has begun goes on meanwhile.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libotp/serve.h"
#include "libotp/task.h"

#define TIMEOUT_MS	5000
#define ENDING_MAX	16

struct item {			/* begun, its result not yet given */
	struct item	*next;
	void		*item;
	size_t		 index;
	struct otpi_task *task;
	uint64_t	 deadline;	/* ns; 0: none */
	bool		 late;
};

struct otp_stream {
	struct otp	*o;
	otp_task_fn	*fn;
	otp_stream_next_fn *next;
	void		*arg;
	struct otp_stream_options opt;
	struct item	*first, **last;
	size_t		 taken;
	unsigned int	 running;
	bool		 ended;		/* the input has */
	char		*ending[ENDING_MAX];	/* children that gave their
						 * value last */
	unsigned int	 nending;
};

struct otp_stream *
otp_stream_open(struct otp *o, otp_task_fn *fn, otp_stream_next_fn *next,
    void *arg, const struct otp_stream_options *options)
{
	struct otp_stream *s = calloc(1, sizeof(*s));
	long cpus;

	if (s == NULL)
		return NULL;
	*s = (struct otp_stream){ .o = o, .fn = fn, .next = next, .arg = arg };
	s->last = &s->first;
	if (options != NULL)
		memcpy(&s->opt, options, options->size < sizeof(s->opt) ?
		    options->size : sizeof(s->opt));
	if (s->opt.timeout_ms == 0 || s->opt.timeout_ms == OTP_DEFAULT_TIMEOUT)
		s->opt.timeout_ms = TIMEOUT_MS;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (s->opt.max_concurrency == 0)
		s->opt.max_concurrency = cpus > 0 ? (unsigned int)cpus : 1;
	if (next == NULL || (fn == NULL) == (s->opt.sup == NULL)) {
		free(s);
		errno = EINVAL;
		return NULL;
	}
	return s;
}

static void
stop_all(struct otp_stream *s)
{
	struct item *i;

	while ((i = s->first) != NULL) {
		s->first = i->next;
		(void)otp_task_shutdown(s->o, i->task->ref, OTP_BRUTAL_KILL,
		    NULL, NULL);
		free(i);
	}
	s->last = &s->first;
	s->running = 0;
	s->ended = true;
}

/* Those that run are ended, for nobody will have their results. */
void
otp_stream_close(struct otp_stream *s)
{
	if (s == NULL)
		return;
	stop_all(s);
	while (s->nending > 0)
		free(s->ending[--s->nending]);
	free(s);
}

/*
 * A child gives its value a moment before it has ended: where a supervisor is
 * full, those of ours that are about to end make room.
 */
static bool
made_room(struct otp_stream *s)
{
	struct otp_out out = { 0 };
	char *path;

	if (s->nending == 0 || strcmp(s->o->reason, "max_children") != 0)
		return false;
	path = s->ending[--s->nending];
	if (otp_print(&out, "{\"op\":\"wait\",\"state\":\"gone\","
	    "\"path\":") == 0 && otpi_json_string(&out, path) == 0 &&
	    otp_print(&out, "}") == 0)
		(void)otp_control(s->o, out.text, OTP_DEFAULT_TIMEOUT, NULL,
		    NULL);
	otpi_out_free(&out);
	free(path);
	return true;
}

static int
begin_child(struct otp_stream *s, const char *input, bool linked,
    struct otpi_task **out)
{
	int rc;

	do
		rc = otpi_task_sup(s->o, s->opt.sup, s->opt.argv, input,
		    strlen(input), linked ? 0 : OTP_TASK_NOLINK, true, out);
	while (rc == -OTP_EREMOTE && made_room(s));
	return rc;
}

static int
begin(struct otp_stream *s, void *item)
{
	bool linked = (s->opt.flags & OTP_STREAM_NOLINK) == 0;
	struct item *i = calloc(1, sizeof(*i));
	int rc = -ENOMEM;

	if (i != NULL && s->opt.sup != NULL)
		rc = begin_child(s, item, linked, &i->task);
	else if (i != NULL)
		rc = otpi_task_fork(s->o, s->fn, item, linked, true, &i->task);
	if (rc < 0) {
		free(i);
		return rc;
	}
	i->item = item;
	i->index = s->taken++;
	i->deadline = otpi_deadline(s->o, s->opt.timeout_ms);
	*s->last = i;
	s->last = &i->next;
	s->running++;
	return 0;
}

/* As many as there is room for. */
static int
begin_some(struct otp_stream *s)
{
	void *item;
	int rc;

	while (!s->ended && s->running < s->opt.max_concurrency) {
		rc = s->next(s->arg, &item);
		if (rc == 0)
			s->ended = true;
		else if (rc > 0)
			rc = begin(s, item);
		if (rc < 0 && s->opt.sup == NULL)
			(void)otpi_fail(s->o, rc, NULL);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool
is_late(const struct item *i)
{
	return i->deadline != 0 && i->task->sent_at > i->deadline;
}

/* What has ended by now has left its place to another. */
static void
settle(struct otp_stream *s, struct item *i, bool was_done)
{
	if (was_done || !i->task->done)
		return;
	s->running--;
	i->late = i->late || is_late(i);
	if (i->task->path == NULL)
		return;
	if (s->nending == ENDING_MAX)
		free(s->ending[--s->nending]);
	s->ending[s->nending] = strdup(i->task->path);
	s->nending += s->ending[s->nending] != NULL;
}

static void
look_at_all(struct otp_stream *s)
{
	uint64_t now = otpi_now();
	struct item *i;
	bool was;

	for (i = s->first; i != NULL; i = i->next) {
		was = i->task->done;
		(void)otpi_task_look(s->o, i->task);
		settle(s, i, was);
		if (i->task->done || i->deadline == 0 || i->deadline > now ||
		    i->late)
			continue;
		i->late = true;
		if (i->task->path != NULL)
			otpi_task_tell(s->o, i->task, "{\"op\":\"kill\"}");
		else
			otpi_task_signal(i->task, SIGKILL);
	}
}

/* The result whose turn it is, taken out; NULL: none yet. */
static struct item *
ripe(struct otp_stream *s)
{
	bool any = (s->opt.flags & OTP_STREAM_UNORDERED) != 0;
	struct item **at, *i;

	for (at = &s->first; (i = *at) != NULL; at = &i->next) {
		if (i->task->done) {
			*at = i->next;
			if (s->last == &i->next)
				s->last = at;
			return i;
		}
		if (!any)
			break;
	}
	return NULL;
}

/* Does this end OTP's caller? */
static bool
is_fatal(const struct otp_stream *s, const struct item *i)
{
	bool trapping = s->o->srv != NULL && s->o->srv->trapping;

	if (i->late)
		return (s->opt.flags & OTP_STREAM_KILL_TASK) == 0;
	return i->task->error < 0 && !trapping &&
	    (s->opt.flags & OTP_STREAM_NOLINK) == 0;
}

static int
give(struct otp_stream *s, struct item *i, struct otp_stream_result *out)
{
	struct otpi_task *t = i->task;
	char reason[OTP_REASON_MAX];
	int rc = 1, error = i->late ? -ETIMEDOUT : t->error;

	(void)snprintf(reason, sizeof(reason), "%s", i->late ? "timeout" :
	    error < 0 ? t->reason : "");
	if (is_fatal(s, i)) {
		rc = error;
		otpi_task_release(s->o, t);
		stop_all(s);
		(void)otpi_fail(s->o, rc, reason);
	} else {
		*out = (struct otp_stream_result){ .item = i->item,
		    .index = i->index, .error = error };
		memcpy(out->reason, reason, sizeof(reason));
		if (error == 0) {
			out->value = t->data;
			out->len = t->len;
			t->data = NULL;
		}
		otpi_task_release(s->o, t);
	}
	free(i);
	return rc;
}

static uint64_t
next_deadline(const struct otp_stream *s)
{
	uint64_t at = 0;

	for (const struct item *i = s->first; i != NULL; i = i->next)
		if (!i->task->done && !i->late && i->deadline != 0 &&
		    (at == 0 || i->deadline < at))
			at = i->deadline;
	return at;
}

/* Until one more has ended, or is late. */
static int
wait_some(struct otp_stream *s)
{
	struct otpi_task **list = calloc(s->running, sizeof(*list));
	size_t n = 0;
	int rc;

	if (list == NULL)
		return -ENOMEM;
	for (struct item *i = s->first; i != NULL; i = i->next)
		if (!i->task->done && n < s->running)
			list[n++] = i->task;
	for (size_t k = 0; k < n; k++)
		list[k]->listed = true;
	rc = otpi_task_wait(s->o, list, n, next_deadline(s));
	free(list);
	for (struct item *i = s->first; i != NULL; i = i->next) {
		settle(s, i, !i->task->listed);
		i->task->listed = false;
	}
	return rc == -ETIMEDOUT || rc == 1 ? 0 : rc;
}

int
otp_stream_next(struct otp_stream *s, struct otp_stream_result *out)
{
	struct item *i;
	int rc;

	for (;;) {
		look_at_all(s);
		rc = begin_some(s);
		if (rc < 0) {
			stop_all(s);
			return rc;
		}
		i = ripe(s);
		if (i != NULL)
			return give(s, i, out);
		if (s->first == NULL)
			return 0;
		rc = wait_some(s);
		if (rc < 0) {
			stop_all(s);
			return otpi_fail(s->o, rc, NULL);
		}
	}
}
