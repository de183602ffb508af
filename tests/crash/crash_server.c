/* SPDX-License-Identifier: ISC */
/*
 * The worker of crash_workers: a gen_server that registers, watches, borrows
 * and starts what it is told to, and keeps a ledger of what it has been
 * promised, so that this can be compared with what the engine knows.
 *
 *	crash_server DIR [trap]
 *
 * A call is {"op":OP,"arg":TEXT}; ops are the rows of the table at the end.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <otp.h>

#include "crash/crash_note.h"
#include "crash/crash_tasks.h"

#define FACTS_MAX	64
#define MONITORS_MAX	6
#define LIMIT_MS	15000	/* nothing takes that long */

enum kind { NAME, UNIQUE, DUPLICATE, MONITOR, LINK, LOAN, TASK };

struct fact {			/* what holds until it is told otherwise */
	enum kind	 kind;
	char		 what[OTP_WORKER_MAX];
	uint64_t	 ref;
	int32_t		 pid;	/* of whom it depends on; 0: not sure */
};

static const char *const kind_words[] = { [NAME] = "name", [UNIQUE] = "u",
	[DUPLICATE] = "d", [MONITOR] = "monitor", [LINK] = "link",
	[LOAN] = "loan", [TASK] = "task" };

static struct fact facts[FACTS_MAX];
static size_t nfacts;
static unsigned wrong;		/* told of what nobody had asked for */
static char wrong_words[256];
static char task_program[300];

static void
complain(const char *what, const char *who, long long n)
{
	wrong++;
	(void)snprintf(wrong_words, sizeof(wrong_words), "%s %s %lld", what,
	    who, n);
}

/* --- the ledger --- */

static struct fact *
find(enum kind kind, const char *what)
{
	for (size_t i = 0; i < nfacts; i++)
		if (facts[i].kind == kind && (what == NULL ||
		    strcmp(facts[i].what, what) == 0))
			return &facts[i];
	return NULL;
}

static unsigned
count(enum kind kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < nfacts; i++)
		n += facts[i].kind == kind;
	return n;
}

static void
add(enum kind kind, const char *what, uint64_t ref, int32_t pid)
{
	struct fact *f = &facts[nfacts];

	if (nfacts == FACTS_MAX)
		_exit(104);
	nfacts++;
	*f = (struct fact){ .kind = kind, .ref = ref, .pid = pid };
	(void)snprintf(f->what, sizeof(f->what), "%s", what);
}

static void
drop(struct fact *f)
{
	*f = facts[--nfacts];
}

static struct fact *
find_ref(enum kind kind, uint64_t ref)
{
	for (size_t i = 0; i < nfacts; i++)
		if (facts[i].kind == kind && facts[i].ref == ref)
			return &facts[i];
	return NULL;
}

/* Which must be there after it in every case: a call that fails is said. */
static int
sure(const char *what, const char *about, int rc)
{
	if (rc == -ETIMEDOUT || rc == -ENOTCONN || (rc == -OTP_EUNKNOWN &&
	    strcmp(what, "task") != 0))
		complain(what, about, rc);
	return rc;
}

/* --- ops --- */

static int
do_name(struct otp *self, const char *arg)
{
	int rc;

	if (find(NAME, arg) != NULL)
		return 0;
	rc = sure("register", arg, otp_register(self, arg));
	if (rc == 0)
		add(NAME, arg, 0, 0);
	return rc;
}

static int
do_unname(struct otp *self, const char *arg)
{
	struct fact *f = find(NAME, arg);
	int rc;

	if (f == NULL)
		return 0;
	rc = otp_unregister(self, arg);
	if (rc < 0)
		complain("unregister", arg, rc);
	drop(f);
	return rc;
}

static int
put_key(struct otp *self, enum kind kind, const char *arg)
{
	int rc;

	if (find(kind, arg) != NULL)
		return 0;
	rc = sure(kind_words[kind], arg, otp_registry_register(self,
	    kind_words[kind], arg, strlen(arg), "v", 1));
	if (rc == 0)
		add(kind, arg, 0, 0);
	return rc;
}

static int
drop_key(struct otp *self, enum kind kind, const char *arg)
{
	struct fact *f = find(kind, arg);
	int rc;

	if (f == NULL)
		return 0;
	rc = otp_registry_unregister(self, kind_words[kind], arg,
	    strlen(arg));
	if (rc < 0)
		complain(kind_words[kind], arg, rc);
	drop(f);
	return rc;
}

static int
do_put_u(struct otp *self, const char *arg)
{
	return put_key(self, UNIQUE, arg);
}

static int
do_put_d(struct otp *self, const char *arg)
{
	return put_key(self, DUPLICATE, arg);
}

static int
do_drop_u(struct otp *self, const char *arg)
{
	return drop_key(self, UNIQUE, arg);
}

static int
do_drop_d(struct otp *self, const char *arg)
{
	return drop_key(self, DUPLICATE, arg);
}

static int
do_update_u(struct otp *self, const char *arg)
{
	int rc;

	if (find(UNIQUE, arg) == NULL)
		return 0;
	rc = otp_registry_update_value(self, "u", arg, strlen(arg), "w", 1,
	    NULL, NULL);
	if (rc < 0)
		complain("update_value", arg, rc);
	return rc;
}

/* Asked behind it on the same link: whoever has the name was there then, or
 * the one who was has been told of. */
static int32_t
pid_of(struct otp *self, const char *name)
{
	int32_t pid = 0;

	(void)sure("whereis", name, otp_whereis(self, name, NULL, 0, &pid));
	return pid;
}

static int
do_monitor(struct otp *self, const char *arg)
{
	struct fact *f = NULL;
	uint64_t ref = 0;
	int rc;

	if (count(MONITOR) >= MONITORS_MAX && (f = find(MONITOR, NULL)) !=
	    NULL) {
		ref = f->ref;
		drop(f);
		rc = otp_demonitor(self, ref);
		if (rc < 0)
			complain("demonitor", arg, rc);
		return rc;
	}
	rc = sure("monitor", arg, otp_monitor(self, arg, &ref));
	if (rc == 0)
		add(MONITOR, arg, ref, pid_of(self, arg));
	return rc;
}

static int
do_link(struct otp *self, const char *arg)
{
	const char *me = getenv("OTP_NAME");
	int rc;

	if (find(LINK, arg) != NULL || (me != NULL && strcmp(me, arg) == 0))
		return 0;
	rc = sure("link", arg, otp_link(self, arg));
	if (rc == 0)
		add(LINK, arg, 0, pid_of(self, arg));
	return rc;
}

static int
do_unlink(struct otp *self, const char *arg)
{
	struct fact *f = find(LINK, arg);

	if (f == NULL)
		return 0;
	drop(f);
	return sure("unlink", arg, otp_unlink(self, arg));
}

/* Sure only when the same pool is there before and after. */
static int
do_checkout(struct otp *self, const char *arg)
{
	char worker[OTP_WORKER_MAX];
	int32_t pid;
	int rc;

	if (count(LOAN) > 0)
		return 0;
	pid = pid_of(self, arg);
	rc = sure("checkout", arg, otp_pool_checkout(self, arg, 0, worker,
	    sizeof(worker)));
	if (rc == 0)
		add(LOAN, worker, 0, pid == pid_of(self, arg) ? pid : 0);
	return rc;
}

static int
do_checkin(struct otp *self, const char *arg)
{
	struct fact *f = find(LOAN, NULL);
	char worker[OTP_WORKER_MAX];

	if (f == NULL)
		return 0;
	(void)snprintf(worker, sizeof(worker), "%s", f->what);
	drop(f);
	return sure("checkin", arg, otp_pool_checkin(self, arg, worker));
}

/* One that waits for ever. */
static int
do_task(struct otp *self, const char *arg)
{
	const char *const argv[] = { task_program, NULL };
	uint64_t ref = 0;
	int rc;

	if (count(TASK) >= 2)
		return 0;
	rc = sure("task", arg, otp_task_sup_async(self, arg, argv, "", 0,
	    OTP_TASK_COMMAND, &ref));
	if (rc == 0)
		add(TASK, "", ref, 0);
	if (rc == -OTP_EUNKNOWN)
		tasks_tidy(self);
	return rc;
}

static int
do_stop_task(struct otp *self, const char *arg)
{
	struct fact *f = find(TASK, NULL);
	uint64_t ref;

	(void)arg;
	if (f == NULL)
		return 0;
	ref = f->ref;
	drop(f);
	return sure("stop a task", "", otp_task_shutdown(self, ref, 5000,
	    NULL, NULL));
}

/* What the engine has said before it answers is in the mailbox then. */
static int
do_engine(struct otp *self, const char *arg)
{
	char *reply = NULL;
	int rc = otp_control(self, "{\"op\":\"info\"}", OTP_DEFAULT_TIMEOUT,
	    &reply, NULL);

	free(reply);
	return sure("info", arg, rc);
}

static int
do_exit(struct otp *self, const char *arg)
{
	(void)self;
	_exit(atoi(arg));
}

static const struct {
	const char	*op;
	int		(*fn)(struct otp *self, const char *arg);
} ops[] = {
	{ "name", do_name }, { "unname", do_unname }, { "put_u", do_put_u },
	{ "drop_u", do_drop_u }, { "update_u", do_update_u },
	{ "put_d", do_put_d }, { "drop_d", do_drop_d },
	{ "monitor", do_monitor }, { "link", do_link },
	{ "unlink", do_unlink }, { "checkout", do_checkout },
	{ "checkin", do_checkin }, { "task", do_task },
	{ "stop_task", do_stop_task }, { "engine", do_engine },
	{ "exit", do_exit },
};

/* --- callbacks --- */

static int
reply_ledger(struct otp *self, struct otp_from from)
{
	cJSON *o = cJSON_CreateObject(), *array, *x;
	char *text;
	int rc;

	(void)cJSON_AddNumberToObject(o, "wrong", wrong);
	(void)cJSON_AddStringToObject(o, "words", wrong_words);
	(void)cJSON_AddNumberToObject(o, "pid", getpid());
	array = cJSON_AddArrayToObject(o, "facts");
	for (size_t i = 0; i < nfacts; i++) {
		x = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(x, "kind",
		    kind_words[facts[i].kind]);
		(void)cJSON_AddStringToObject(x, "what", facts[i].what);
		(void)cJSON_AddNumberToObject(x, "pid", facts[i].pid);
		(void)cJSON_AddItemToArray(array, x);
	}
	text = cJSON_PrintUnformatted(o);
	rc = otp_reply(self, from, text, strlen(text));
	free(text);
	cJSON_Delete(o);
	return rc;
}

static int
server_call(struct otp *self, struct otp_from from, const char *text,
    size_t len, void *state)
{
	cJSON *request = cJSON_ParseWithLength(text, len);
	const char *op = cJSON_GetStringValue(cJSON_GetObjectItem(request,
	    "op"));
	const char *arg = cJSON_GetStringValue(cJSON_GetObjectItem(request,
	    "arg"));
	int rc = -EINVAL;

	(void)state;
	if (op != NULL && strcmp(op, "ledger") == 0) {
		cJSON_Delete(request);
		return reply_ledger(self, from);
	}
	for (size_t i = 0; op != NULL && i < sizeof(ops) / sizeof(ops[0]);
	    i++)
		if (strcmp(ops[i].op, op) == 0)
			rc = ops[i].fn(self, arg != NULL ? arg : "");
	cJSON_Delete(request);
	return otp_replyf(self, from, "{\"rc\":%d}", rc);
}

static void
hear_exit(const char *who)
{
	const char *name = strrchr(who, '/');
	struct fact *f = find(LINK, name != NULL ? name + 1 : who);

	if (f != NULL)
		drop(f);	/* else the other one had linked */
}

static int
server_info(struct otp *self, const struct otp_info *info, void *state)
{
	struct fact *f;

	(void)self;
	(void)state;
	switch (info->kind) {
	case OTP_DOWN:
		f = find_ref(MONITOR, info->ref);
		if (f == NULL)
			complain("DOWN", info->who, (long long)info->ref);
		else
			drop(f);
		break;
	case OTP_EXIT:
		hear_exit(info->who);
		break;
	case OTP_TASK:
		f = find_ref(TASK, info->ref);
		if (f == NULL)
			complain("TASK", info->reason, (long long)info->ref);
		else
			drop(f);
		break;
	case OTP_MESSAGE:
	case OTP_TIMEOUT:
	case OTP_TIMER:
	case OTP_RESPONSE:
		break;
	}
	return OTP_OK;
}

static int
server_init(struct otp *self, int argc, char **argv, void **state)
{
	const char *path = getenv("OTP_PATH");
	char id[128], *p;

	*state = NULL;
	if (argc < 2 || path == NULL)
		return -EINVAL;
	(void)snprintf(id, sizeof(id), "%s", path);
	while ((p = strchr(id, '/')) != NULL)
		*p = ':';
	(void)dprintf(1, "hello from %s\n", id);
	if (note_start(argv[1], id) < 0)
		_exit(102);
	if (tasks_program(argv[1], task_program, sizeof(task_program)) < 0)
		_exit(103);
	return argc > 2 ? otp_trap_exit(self, 1) : OTP_OK;
}

static const struct otp_gen_server_ops server = {
	.init = server_init, .handle_call = server_call,
	.handle_info = server_info,
};

int
main(int argc, char **argv)
{
	struct otp_options options = { .size = sizeof(options), .argc = argc,
	    .argv = argv, .timeout_ms = LIMIT_MS };
	struct otp *self;
	int code = 1;

	if (otp_gen_server_start(&server, &options, &self, &code) == 0) {
		code = otp_gen_server_run(self);
		otp_free(self);
	}
	return code;
}
