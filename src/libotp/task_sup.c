/* SPDX-License-Identifier: ISC */
/*
 * Tasks that are children of a supervisor in otpd.  The engine starts them;
 * the value comes from the task itself, as the reply to a call, so that no
 * death of an engine comes between.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/serve.h"
#include "libotp/task.h"

#define ID_SIZE		41
#define PATH_SIZE	4200

/* What an id may be made of, from the last part of a word. */
static void
id_from(const char *word, char out[ID_SIZE])
{
	const char *base = strrchr(word, '/');
	size_t n = 0;

	for (word = base != NULL ? base + 1 : word; *word != '\0' &&
	    n + 1 < ID_SIZE; word++)
		if (isalnum((unsigned char)*word) || *word == '_' ||
		    (n > 0 && (*word == '.' || *word == '-')))
			out[n++] = *word;
	if (n == 0)
		out[n++] = 't';
	out[n] = '\0';
}

static int
put_words(struct otp_out *out, const char *const *argv, bool *first)
{
	int rc = 0;

	for (; rc == 0 && *argv != NULL; argv++) {
		if (!*first)
			rc = otp_write(out, ",", 1);
		*first = false;
		if (rc == 0)
			rc = otpi_json_string(out, *argv);
	}
	return rc;
}

struct order {			/* to start a child */
	const char	*sup, *restart, *kind;
	const char	*id;		/* a word to make it from */
	const char	*program;	/* goes first; NULL: the template's */
	const char	*mode, *name;	/* come next; or NULL */
	const char *const *argv;
};

static int
put_order(struct otp_out *out, const struct order *w)
{
	const char *const program[] = { w->program, NULL };
	const char *const mode[] = { w->mode, w->name, NULL };
	char id[ID_SIZE];
	bool first = true;
	int rc;

	id_from(w->id, id);
	rc = otp_print(out, "{\"op\":\"start_child\",\"sup\":");
	if (rc == 0)
		rc = otpi_json_string(out, w->sup);
	if (rc == 0)
		rc = otp_print(out, ",\"spec\":{\"id\":\"%s\",\"%s\":[", id,
		    w->program != NULL ? "start" : "args");
	if (rc == 0)
		rc = put_words(out, program, &first);
	if (rc == 0)
		rc = put_words(out, mode, &first);
	if (rc == 0)
		rc = put_words(out, w->argv, &first);
	if (rc == 0)
		rc = otp_write(out, "]", 1);
	if (rc == 0 && w->kind != NULL)
		rc = otp_print(out, ",\"kind\":\"%s\"", w->kind);
	if (rc == 0 && w->restart != NULL) {
		rc = otp_print(out, ",\"restart\":");
		if (rc == 0)
			rc = otpi_json_string(out, w->restart);
	}
	return rc == 0 ? otp_print(out, "}}") : rc;
}

static int
answer(struct otp *o, const char *reply, size_t len, char path[PATH_SIZE])
{
	char error[64], reason[OTP_REASON_MAX];

	if (otpi_json_get(reply, len, "error", error, sizeof(error)) == 0) {
		if (strcmp(error, "noproc") == 0)
			return otpi_fail(o, -OTP_ENOPROC, error);
		if (strcmp(error, "start_failed") == 0 && otpi_json_get(reply,
		    len, "reason", reason, sizeof(reason)) == 0)
			return otpi_fail(o, -OTP_EREMOTE, reason);
		return otpi_fail(o, -OTP_EREMOTE, error);
	}
	if (otpi_json_get(reply, len, "path", path, PATH_SIZE) < 0)
		return otpi_fail(o, -EPROTO, NULL);
	return 0;
}

static int
order(struct otp *o, const struct order *w, char path[PATH_SIZE])
{
	struct otp_out out = { 0 };
	char *reply = NULL;
	size_t len = 0;
	int rc;

	rc = put_order(&out, w);
	if (rc < 0)
		(void)otpi_fail(o, rc, NULL);
	else
		rc = otp_control(o, out.text, OTP_DEFAULT_TIMEOUT, &reply,
		    &len);
	if (rc == 0)
		rc = answer(o, reply, len, path);
	free(reply);
	otpi_out_free(&out);
	return rc;
}

int
otp_task_start_child(struct otp *o, const char *sup, const char *const *argv,
    const char *restart, char *path, size_t size)
{
	struct order w = { .sup = sup, .restart = restart, .argv = argv };
	char where[PATH_SIZE];
	int rc;

	if (argv[0] == NULL)
		return otpi_fail(o, -EINVAL, NULL);
	w.id = argv[0];
	if (strchr(argv[0], '/') != NULL)
		w.program = *w.argv++;
	rc = order(o, &w, where);
	if (rc == 0 && path != NULL && size > 0)
		(void)snprintf(path, size, "%s", where);
	return rc;
}

/* --- those with an owner --- */

/* What its call came to, if it is answered. */
void
otpi_task_collect(struct otp *o, struct otpi_task *t)
{
	struct otpi_request *r = otpi_request_find(o, t->request);

	if (t->done || (r != NULL && r->progress != OTPI_DONE))
		return;
	t->done = true;
	t->request = 0;
	t->error = -OTP_EDOWN;
	if (r != NULL && r->error == 0) {
		t->error = 0;
		t->data = r->data;
		t->len = r->len;
		r->data = NULL;
	} else {
		(void)snprintf(t->reason, sizeof(t->reason), "%s", r != NULL &&
		    r->data != NULL ? r->data : "noproc");
	}
	if (r != NULL)
		otpi_request_free(o, r);
}

void
otpi_task_tell(struct otp *o, struct otpi_task *t, const char *json)
{
	(void)otp_send(o, t->path, json, strlen(json));
	(void)otpi_flush_all(o);
}

/*
 * Until it has greeted: then what was said to it counts, even when its owner
 * ends now.
 */
static void
await_hello(struct otp *o, uint64_t request)
{
	uint64_t deadline = otpi_deadline(o, OTP_DEFAULT_TIMEOUT);
	struct otpi_request *r;
	struct otpi_conn *c;
	int rc;

	while ((r = otpi_request_find(o, request)) != NULL &&
	    r->progress == OTPI_WAITING && !r->conn->greeted) {
		c = r->conn;
		rc = otpi_await(o, c, deadline);
		if (rc == -ETIMEDOUT)
			return;
		otpi_pump(o, c, rc);
	}
}

/* Its value is the reply to a call with the input. */
static int
call(struct otp *o, struct otpi_task *t, const void *input, size_t len,
    bool own)
{
	struct otpi_request *r;
	int rc = otp_send_request(o, t->path, input, len, &t->request);

	if (rc < 0)
		return rc;
	r = otpi_request_find(o, t->request);
	if (r == NULL)
		return otpi_fail(o, -OTP_EDOWN, "noproc");
	r->task = t->ref;
	r->sync = own;
	await_hello(o, t->request);
	r = otpi_request_find(o, t->request);
	if (r != NULL && r->progress == OTPI_DONE && o->srv != NULL && !own)
		(void)otpi_mail_self(o, FRAME_EXIT, t->ref, "", 0);
	return 0;
}

static void
order_of(const char *sup, const char *const *argv, unsigned int flags,
    char program[PATH_SIZE], struct order *out)
{
	const char *libexec = getenv("OTP_LIBEXEC");

	*out = (struct order){ .sup = sup, .argv = argv, .id = argv[0],
	    .mode = flags & OTP_TASK_NOLINK ? "-A" : "-a" };
	if (flags & OTP_TASK_COMMAND) {
		(void)snprintf(program, PATH_SIZE, "%s/otp-task",
		    libexec != NULL ? libexec : LIBEXECDIR);
		out->program = program;
		out->name = "command";
	} else if (strchr(argv[0], '/') != NULL) {
		out->program = argv[0];
		out->argv++;
		out->id = argv[1] != NULL ? argv[1] : argv[0];
	}
	if (out->program != NULL)
		out->kind = "gen_server";
}

int
otpi_task_sup(struct otp *o, const char *sup, const char *const *argv,
    const void *input, size_t len, unsigned int flags, bool own,
    struct otpi_task **out)
{
	char program[PATH_SIZE], path[PATH_SIZE];
	struct otpi_task *t;
	struct order w;
	int rc;

	if (argv[0] == NULL)
		return otpi_fail(o, -EINVAL, NULL);
	order_of(sup, argv, flags, program, &w);
	rc = order(o, &w, path);
	if (rc < 0)
		return rc;
	t = otpi_task_new(o);
	if (t == NULL)
		return otpi_fail(o, -errno, NULL);
	t->own = own;
	t->linked = (flags & OTP_TASK_NOLINK) == 0;
	t->path = strdup(path);
	rc = t->path == NULL ? -ENOMEM : call(o, t, input, len, own);
	if (rc < 0) {
		otpi_task_release(o, t);
		return rc;
	}
	*out = t;
	return 0;
}

int
otp_task_sup_async(struct otp *o, const char *sup, const char *const *argv,
    const void *input, size_t len, unsigned int flags, uint64_t *out)
{
	struct otpi_task *t;
	int rc = otpi_task_sup(o, sup, argv, input, len, flags, false, &t);

	if (rc == 0)
		*out = t->ref;
	return rc;
}
