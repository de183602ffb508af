/* SPDX-License-Identifier: ISC */
/*
 * A program of named task functions.  Under otpd it is a server whose function
 * runs in a task of its own: so it hears its supervisor and its owner while
 * the function is busy, and takes it along when it ends.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "libotp/serve.h"
#include "libotp/task.h"
#include "wire/reason.h"

#define OWNER_MS	10000	/* for it to ask for the value */

struct host {
	const struct otp_task_entry *table, *entry;
	int		 argc;		/* from the function's name on */
	char		**argv;
	const char	*input;
	size_t		 len;
	bool		 async, linked, asked;
	struct otp_from	 owner;
	uint64_t	 task;
};

static int
run_entry(struct otp_out *out, void *arg)
{
	const struct host *h = arg;

	return h->entry->fn(out, h->argc, h->argv, h->input, h->len);
}

static bool
find_entry(struct host *h)
{
	h->entry = h->table;
	while (h->argc > 0 && h->entry->name != NULL &&
	    strcmp(h->entry->name, h->argv[0]) != 0)
		h->entry++;
	return h->argc > 0 && h->entry->name != NULL;
}

/* -a: for an owner to whom it is linked; -A: for one to whom it is not. */
static void
take_arguments(struct host *h, int argc, char **argv)
{
	h->argc = argc - 1;
	h->argv = argv + 1;
	h->input = "";
	if (h->argc < 1 || (strcmp(argv[1], "-a") != 0 &&
	    strcmp(argv[1], "-A") != 0))
		return;
	h->async = true;
	h->linked = argv[1][1] == 'a';
	h->argc--;
	h->argv++;
}

/* --- under otpd --- */

static struct host *the_host;	/* of this program; init has no other way */

static int
init(struct otp *self, int argc, char **argv, void **state)
{
	struct host *h = the_host;

	(void)argc;
	(void)argv;
	*state = h;
	if (!find_entry(h))
		return otp_stop(self, "{undefined,task}");
	if (h->async)
		return otp_timeout(self, OWNER_MS);
	return otp_task_async(self, run_entry, h, &h->task);
}

static int
handle_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	struct host *h = state;
	int rc;

	if (!h->async || h->asked)
		return otp_reply(self, from, "{\"error\":\"invalid\"}", 19);
	h->asked = true;
	h->owner = from;
	h->input = request;
	h->len = len;
	rc = otp_task_async(self, run_entry, h, &h->task);
	h->input = NULL;
	return rc;
}

static int
handle_task(struct otp *self, const struct otp_info *info, struct host *h)
{
	if (info->error < 0)
		return otp_stop(self, info->reason);
	if (!h->async)
		return otp_stop(self, "normal");
	return otp_stop_reply(self, "normal", h->owner, info->data, info->len);
}

/* An owner's wish. */
static int
handle_wish(struct otp *self, const struct otp_info *info, struct host *h)
{
	char op[32] = "";

	(void)otpi_json_get(info->data, info->len, "op", op, sizeof(op));
	if (strcmp(op, "kill") == 0)
		return otp_stop(self, "killed");
	if (strcmp(op, "shutdown") == 0 && h->task == 0)
		return otp_stop(self, "shutdown");
	if (strcmp(op, "shutdown") == 0)
		otpi_task_stop(self, h->task);
	if (strcmp(op, "shutdown") == 0 || strcmp(op, "unlink") == 0)
		h->linked = false;
	return OTP_OK;
}

static int
handle_info(struct otp *self, const struct otp_info *info, void *state)
{
	struct host *h = state;

	if (info->kind == OTP_TASK && info->ref == h->task)
		return handle_task(self, info, h);
	if (info->kind == OTP_MESSAGE)
		return handle_wish(self, info, h);
	if (info->kind == OTP_TIMEOUT && !h->asked)
		return otp_stop(self, "{timeout,owner}");
	return OTP_OK;
}

static const struct otp_gen_server_ops ops = { .init = init,
	.handle_call = handle_call, .handle_info = handle_info };

/* Its connection is its owner's life. */
static bool
owner_is_gone(const struct otp *o, const struct host *h)
{
	struct otpi_conn *c;

	if (!h->linked || !h->asked)
		return false;
	c = otpi_caller(o->srv, h->owner.peer);
	return c == NULL || c->dead != 0;
}

static int
serve(struct host *h, int argc, char **argv)
{
	struct otp_options opt = { .size = sizeof(opt), .argc = argc,
	    .argv = argv };
	struct otp *o;
	int code = 1;

	the_host = h;
	if (otp_gen_server_start(&ops, &opt, &o, &code) != 0)
		return code;
	while (otpi_turn(o, true) == 0)
		if (owner_is_gone(o, h))
			otpi_end(o, "shutdown", false);
	code = o->srv->exit_code;
	otp_free(o);
	return code;
}

/* --- by hand --- */

static int
run_here(struct host *h, const char *program)
{
	struct otpi_task_out out;
	const char *at;
	ssize_t n;
	size_t left;

	if (!find_entry(h)) {
		for (h->entry = h->table; h->entry->name != NULL; h->entry++)
			(void)dprintf(STDERR_FILENO, "%s: %s [ARGUMENT...]\n",
			    program, h->entry->name);
		return 2;
	}
	if (otpi_task_run(run_entry, h, &out) != 0) {
		otpi_out_free(&out.out);
		return reason_code(out.reason);
	}
	(void)fflush(stdout);
	at = out.out.text;
	for (left = out.out.len; left > 0; left -= (size_t)n, at += n) {
		n = write(STDOUT_FILENO, at, left);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			break;
	}
	otpi_out_free(&out.out);
	return left > 0;
}

int
otp_task_main(const struct otp_task_entry *table, int argc, char **argv)
{
	struct host h = { .table = table };

	take_arguments(&h, argc, argv);
	if (getenv("OTP_LINK") != NULL)
		return serve(&h, argc, argv);
	return run_here(&h, argc > 0 ? argv[0] : "task");
}
