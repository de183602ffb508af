/* SPDX-License-Identifier: ISC */
/*
 * A gen_server that does what it is told and remembers what it has heard, so
 * that a test can be in its place.
 *
 *	probe DIR ID
 *
 * DIR/init.ID	what init does: ok (no such file), trap, ignore, stop REASON,
 *		errno N, value N, exit N, hold (writes to the FIFO DIR/held.ID,
 *		then waits until somebody opens the FIFO DIR/release.ID)
 * DIR/said.ID	a line for every init and every terminate with its reason
 *
 * A call is an object: "do" is a row of the table at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe.h"

struct probe {
	cJSON		*heard;		/* array of infos */
	int		 wanted;	/* how many the one who awaits wants */
	bool		 awaited;
	struct otp_from	 awaits;
	const char	*on_end;	/* what terminate does: "exit", "hold" */
	char		 claim[64];	/* to be registered when a DOWN comes */
	int		 value;		/* the state */
};

static const char *dir, *id;
static struct probe probe;
char watched_registry[64];

static const char *
file(const char *what)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s.%s", dir, what, id);
	return path;
}

static void
say(const char *format, ...)
{
	int fd = open(file("said"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
	    0600);
	va_list ap;

	if (fd < 0)
		_exit(100);
	va_start(ap, format);
	(void)vdprintf(fd, format, ap);
	va_end(ap);
	(void)close(fd);
}

void
hold(void)
{
	int fd = open(file("held"), O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "x", 1) != 1)
		_exit(101);
	(void)close(fd);
	fd = open(file("release"), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		_exit(102);
	(void)close(fd);
}

/* --- what the callbacks do --- */

static int
probe_init(struct otp *self, int argc, char **argv, void **state)
{
	static char mode[256];
	const char *word;
	FILE *f;

	if (argc != 3)
		return -EINVAL;
	dir = argv[1];
	id = argv[2];
	probe.heard = cJSON_CreateArray();
	*state = &probe;
	say("init\n");
	f = fopen(file("init"), "re");
	if (f == NULL || fgets(mode, sizeof(mode), f) == NULL)
		mode[0] = '\0';
	if (f != NULL)
		(void)fclose(f);
	word = strchr(mode, ' ') != NULL ? strchr(mode, ' ') + 1 : "";
	if (strcmp(mode, "trap") == 0)
		return otp_trap_exit(self, 1);
	if (strcmp(mode, "ignore") == 0)
		return OTP_IGNORE;
	if (strcmp(mode, "hold") == 0)
		hold();
	if (strncmp(mode, "stop ", 5) == 0)
		return otp_stop(self, word);
	if (strncmp(mode, "errno ", 6) == 0)
		return -(int)strtol(word, NULL, 10);
	if (strncmp(mode, "value ", 6) == 0)
		return (int)strtol(word, NULL, 10);
	if (strncmp(mode, "exit ", 5) == 0)
		_exit((int)strtol(word, NULL, 10));
	return OTP_OK;
}

void
answer(struct otp *self, struct otp_from from, cJSON *object)
{
	char *text = cJSON_PrintUnformatted(object);

	if (text == NULL || otp_reply(self, from, text, strlen(text)) < 0)
		_exit(103);
	free(text);
}

static void
serve_awaiting(struct otp *self)
{
	if (!probe.awaited || cJSON_GetArraySize(probe.heard) < probe.wanted)
		return;
	probe.awaited = false;
	answer(self, probe.awaits, probe.heard);
}

/* Of the keys that begin with its path. */
static double
left_of(struct otp *self, const char *path)
{
	char prefix[256];
	size_t n = 0;

	(void)snprintf(prefix, sizeof(prefix), "%s/", path);
	if (otp_registry_count_select(self, watched_registry, prefix,
	    strlen(prefix), &n) < 0)
		_exit(104);
	return (double)n;
}

static int
probe_info(struct otp *self, const struct otp_info *info, void *state)
{
	static const char *const kinds[] = { [OTP_MESSAGE] = "message",
	    [OTP_TIMEOUT] = "timeout", [OTP_TIMER] = "timer",
	    [OTP_DOWN] = "down", [OTP_EXIT] = "exit",
	    [OTP_RESPONSE] = "response" };
	cJSON *o = cJSON_CreateObject();

	(void)state;
	(void)cJSON_AddStringToObject(o, "kind", kinds[info->kind]);
	(void)cJSON_AddStringToObject(o, "who", info->who);
	(void)cJSON_AddStringToObject(o, "reason", info->reason);
	(void)cJSON_AddNumberToObject(o, "pid", info->pid);
	(void)cJSON_AddNumberToObject(o, "ref", (double)info->ref);
	(void)cJSON_AddNumberToObject(o, "error", info->error);
	(void)cJSON_AddStringToObject(o, "data", info->data != NULL ?
	    info->data : "");
	if (info->kind == OTP_DOWN && probe.claim[0] != '\0')
		(void)cJSON_AddNumberToObject(o, "claimed",
		    otp_register(self, probe.claim) == 0);
	if (info->kind == OTP_DOWN && watched_registry[0] != '\0')
		(void)cJSON_AddNumberToObject(o, "left", left_of(self,
		    info->who));
	(void)cJSON_AddItemToArray(probe.heard, o);
	serve_awaiting(self);
	return OTP_OK;
}

static void
probe_terminate(struct otp *self, const char *reason, void *state)
{
	(void)self;
	(void)state;
	say("terminate %s\n", reason);
	if (probe.on_end != NULL && strcmp(probe.on_end, "exit") == 0)
		_exit(7);
	if (probe.on_end != NULL && strcmp(probe.on_end, "hold") == 0)
		hold();
	cJSON_Delete(probe.heard);
	probe.heard = NULL;
}

static int
probe_state(struct otp *self, struct otp_out *out, void *state)
{
	(void)self;
	(void)state;
	return otp_print(out, "{\"value\":%d}", probe.value);
}

/* --- commands --- */

const char *
text_of(const cJSON *request, const char *key)
{
	const char *text = cJSON_GetStringValue(
	    cJSON_GetObjectItemCaseSensitive(request, key));

	return text != NULL ? text : "";
}

int
number_of(const cJSON *request, const char *key)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(request, key);

	return cJSON_IsNumber(n) ? n->valueint : 0;
}

int
outcome(struct otp *self, struct otp_from from, int rc, uint64_t ref)
{
	cJSON *o = cJSON_CreateObject();

	(void)cJSON_AddNumberToObject(o, "rc", rc);
	(void)cJSON_AddStringToObject(o, "reason", rc < 0 ? otp_reason(self) :
	    "");
	(void)cJSON_AddNumberToObject(o, "ref", (double)ref);
	answer(self, from, o);
	cJSON_Delete(o);
	return OTP_OK;
}

/* What was said over the link is known when this has been answered. */
static int
said(struct otp *self, struct otp_from from, int rc, uint64_t ref)
{
	char *reply = NULL;

	if (rc == 0)
		rc = otp_control(self, "{\"op\":\"info\"}",
		    OTP_DEFAULT_TIMEOUT, &reply, NULL);
	free(reply);
	return outcome(self, from, rc, ref);
}

static int
do_trap(struct otp *self, struct otp_from from, const cJSON *request)
{
	return said(self, from, otp_trap_exit(self, number_of(request, "on")),
	    0);
}

static int
do_monitor(struct otp *self, struct otp_from from, const cJSON *request)
{
	uint64_t ref = 0;
	int rc = otp_monitor(self, text_of(request, "target"), &ref);

	return said(self, from, rc, ref);
}

static int
do_demonitor(struct otp *self, struct otp_from from, const cJSON *request)
{
	return said(self, from, otp_demonitor(self,
	    (uint64_t)number_of(request, "ref")), 0);
}

static int
do_link(struct otp *self, struct otp_from from, const cJSON *request)
{
	return said(self, from, otp_link(self, text_of(request, "target")), 0);
}

static int
do_unlink(struct otp *self, struct otp_from from, const cJSON *request)
{
	return said(self, from, otp_unlink(self, text_of(request, "target")),
	    0);
}

static int
do_signal(struct otp *self, struct otp_from from, const cJSON *request)
{
	return said(self, from, otp_exit(self, text_of(request, "target"),
	    text_of(request, "reason")), 0);
}

static int
do_register(struct otp *self, struct otp_from from, const cJSON *request)
{
	return outcome(self, from, otp_register(self, text_of(request,
	    "target")), 0);
}

static int
do_unregister(struct otp *self, struct otp_from from, const cJSON *request)
{
	return outcome(self, from, otp_unregister(self, text_of(request,
	    "target")), 0);
}

static int
do_whereis(struct otp *self, struct otp_from from, const cJSON *request)
{
	char path[256] = "";
	int32_t pid = 0;
	int rc = otp_whereis(self, text_of(request, "target"), path,
	    sizeof(path), &pid);

	if (rc < 0)
		return outcome(self, from, rc, 0);
	return otp_replyf(self, from, "{\"rc\":0,\"path\":\"%s\",\"pid\":%d}",
	    path, (int)pid);
}

/* A message to somebody, and what one gets for it. */
static int
do_call(struct otp *self, struct otp_from from, const cJSON *request)
{
	const char *text = text_of(request, "request");

	return outcome(self, from, otp_call(self, text_of(request, "target"),
	    text, strlen(text), OTP_DEFAULT_TIMEOUT, NULL, NULL), 0);
}

static int
do_control(struct otp *self, struct otp_from from, const cJSON *request)
{
	char *reply = NULL;
	size_t len = 0;
	int rc = otp_control(self, text_of(request, "request"),
	    OTP_DEFAULT_TIMEOUT, &reply, &len);

	rc = rc < 0 ? outcome(self, from, rc, 0) :
	    otp_reply(self, from, reply, len);
	free(reply);
	return rc;
}

static int
do_claim(struct otp *self, struct otp_from from, const cJSON *request)
{
	(void)snprintf(probe.claim, sizeof(probe.claim), "%s",
	    text_of(request, "target"));
	return outcome(self, from, 0, 0);
}

/* Answered when so many infos have come: an array of them. */
static int
do_await(struct otp *self, struct otp_from from, const cJSON *request)
{
	probe.wanted = number_of(request, "n");
	probe.awaits = from;
	probe.awaited = true;
	serve_awaiting(self);
	return OTP_OK;
}

static int
do_stop(struct otp *self, struct otp_from from, const cJSON *request)
{
	(void)from;
	return otp_stop(self, text_of(request, "reason"));
}

static int
do_stop_reply(struct otp *self, struct otp_from from, const cJSON *request)
{
	return otp_stop_reply(self, text_of(request, "reason"), from, "true",
	    4);
}

static int
do_on_end(struct otp *self, struct otp_from from, const cJSON *request)
{
	probe.on_end = number_of(request, "hold") ? "hold" : "exit";
	return outcome(self, from, 0, 0);
}

static int
do_set(struct otp *self, struct otp_from from, const cJSON *request)
{
	probe.value = number_of(request, "value");
	return outcome(self, from, 0, 0);
}

static int
do_get(struct otp *self, struct otp_from from, const cJSON *request)
{
	(void)request;
	return otp_replyf(self, from, "{\"value\":%d,\"pid\":%d}", probe.value,
	    (int)getpid());
}

static int
do_exit(struct otp *self, struct otp_from from, const cJSON *request)
{
	(void)self;
	(void)from;
	_exit(number_of(request, "code"));
}

static int
do_raise(struct otp *self, struct otp_from from, const cJSON *request)
{
	(void)self;
	(void)from;
	(void)signal(number_of(request, "signal"), SIG_DFL);
	(void)raise(number_of(request, "signal"));
	return OTP_OK;
}

/* SIGTERM waits until it is let through. */
static int
do_block(struct otp *self, struct otp_from from, const cJSON *request)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(number_of(request, "on") ? SIG_BLOCK : SIG_UNBLOCK,
	    &set, NULL);
	return outcome(self, from, 0, 0);
}

static int
do_return(struct otp *self, struct otp_from from, const cJSON *request)
{
	(void)self;
	(void)from;
	return number_of(request, "value");
}

static int
do_nothing(struct otp *self, struct otp_from from, const cJSON *request)
{
	(void)self;
	(void)from;
	(void)request;
	return OTP_OK;
}

static const struct probe_command commands[] = {
	{ "trap", do_trap },		/* on */
	{ "monitor", do_monitor },	/* target: ref */
	{ "demonitor", do_demonitor },	/* ref */
	{ "link", do_link },		/* target */
	{ "unlink", do_unlink },
	{ "signal", do_signal },	/* target, reason */
	{ "register", do_register },	/* target: the name */
	{ "unregister", do_unregister },
	{ "whereis", do_whereis },
	{ "call", do_call },		/* target, request */
	{ "control", do_control },	/* request */
	{ "claim", do_claim },		/* target: the name */
	{ "await", do_await },		/* n */
	{ "stop", do_stop },		/* reason */
	{ "stop_reply", do_stop_reply },
	{ "on_end", do_on_end },	/* hold */
	{ "set", do_set },		/* value */
	{ "get", do_get },
	{ "exit", do_exit },		/* code */
	{ "raise", do_raise },		/* signal */
	{ "block", do_block },		/* on: holds SIGTERM back */
	{ "return", do_return },	/* value */
	{ "nothing", do_nothing },
	{ NULL, NULL }
};

static probe_fn *
find(const struct probe_command *list, const char *name)
{
	while (list->name != NULL && strcmp(list->name, name) != 0)
		list++;
	return list->fn;
}

static int
probe_call(struct otp *self, struct otp_from from, const char *text,
    size_t len, void *state)
{
	cJSON *request = cJSON_ParseWithLength(text, len);
	const char *name = text_of(request, "do");
	probe_fn *fn = find(commands, name);
	int rc = -ENOSYS;

	(void)state;
	if (fn == NULL)
		fn = find(registry_commands, name);
	if (fn != NULL)
		rc = fn(self, from, request);
	cJSON_Delete(request);
	return rc;
}

static int
probe_cast(struct otp *self, const char *text, size_t len, void *state)
{
	(void)self;
	(void)text;
	(void)len;
	(void)state;
	probe.value++;
	return OTP_OK;
}

static const struct otp_gen_server_ops ops = {
	.init = probe_init,
	.handle_call = probe_call,
	.handle_cast = probe_cast,
	.handle_info = probe_info,
	.terminate = probe_terminate,
	.format_status = probe_state,
};

int
main(int argc, char **argv)
{
	return otp_gen_server_main(&ops, argc, argv);
}
