/* SPDX-License-Identifier: ISC */
/*
 * Probes under otpd; see house.h.  Every wait is for an answer, and fails
 * after WANT_MS.
 */
#include "workers/house.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void
house_init(struct house *h, const char *test)
{
	*h = (struct house){ .o = NULL };
	rig_name(test);
	rig_init(&h->rig, 60);
}

const char *
house_program(struct house *h, const char *name)
{
	static char path[512];

	(void)h;
	(void)snprintf(path, sizeof(path), "%s/%s", getenv("OTPD_BUILDDIR"),
	    name);
	return path;
}

static void
append(struct house *h, const char *between, const char *text)
{
	size_t len = strlen(h->config);

	if (len == 0 || h->config[len - 1] == '[')
		between = "";
	want(h, snprintf(h->config + len, sizeof(h->config) - len, "%s%s",
	    between, text) < (int)(sizeof(h->config) - len));
}

void
house_child(struct house *h, const char *json)
{
	append(h, ",\n", json);
}

void
house_root(struct house *h, const char *members)
{
	want(h, snprintf(h->root, sizeof(h->root), "%s", members) <
	    (int)sizeof(h->root));
}

void
house_open(struct house *h, const char *id, const char *more)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "{\"id\":\"%s\",\"type\":"
	    "\"supervisor\"%s%s,\"children\":[", id,
	    more[0] != '\0' ? "," : "", more);
	append(h, ",\n", text);
}

void
house_close(struct house *h)
{
	append(h, "", "]}");
}

void
house_probe(struct house *h, const char *id, const char *more)
{
	char text[2048];

	(void)snprintf(text, sizeof(text), "{\"id\":\"%s\",\"name\":\"%s\","
	    "\"kind\":\"gen_server\",\"start\":[\"%s\",\"%s\",\"%s\"]%s%s}",
	    id, id, house_program(h, "tests/workers/probe"), h->rig.dir, id,
	    more[0] != '\0' ? "," : "", more);
	house_child(h, text);
}

void
house_start(struct house *h)
{
	struct otp_options options = { .size = sizeof(options) };
	char config[sizeof(h->config) + sizeof(h->root) + 128], run[256];

	(void)snprintf(config, sizeof(config),
	    "{\"max_restarts\":1000%s%s,\"children\":[\n%s\n]}\n",
	    h->root[0] != '\0' ? "," : "", h->root, h->config);
	rig_start(&h->rig, config);
	(void)snprintf(run, sizeof(run), "%s/run", h->rig.dir);
	options.runtime_dir = run;
	h->o = otp_new(&options);
	want(h, h->o != NULL);
	house_settle(h);
}

void
house_of(struct house *h, const char *test, const char *ids)
{
	char copy[256], *rest = copy, *id;

	house_init(h, test);
	(void)snprintf(copy, sizeof(copy), "%s", ids);
	while ((id = strsep(&rest, " ")) != NULL)
		house_probe(h, id, "");
	house_start(h);
}

void
house_done(struct house *h)
{
	cJSON_Delete(house_control(h, "{\"op\":\"shutdown\"}"));
	rig_drain(&h->rig);
	otp_free(h->o);
	if (h->crashed)		/* otpd says so */
		(void)truncate("stderr", 0);
	rig_done(&h->rig);
}

/* --- files --- */

void
house_mode(struct house *h, const char *id, const char *mode)
{
	char file[80], part[96];
	FILE *f;

	(void)snprintf(file, sizeof(file), "init.%s", id);
	(void)snprintf(part, sizeof(part), "%s.part", file);
	if (mode == NULL) {
		(void)unlink(file);
		return;
	}
	f = fopen(part, "we");
	want(h, f != NULL && fputs(mode, f) >= 0 && fclose(f) == 0);
	want(h, rename(part, file) == 0);
}

char *
house_said(struct house *h, const char *id)
{
	char file[80], *text = calloc(1, 4096);
	FILE *f;

	want(h, text != NULL);
	(void)snprintf(file, sizeof(file), "said.%s", id);
	f = fopen(file, "re");
	if (f != NULL) {
		(void)fread(text, 1, 4095, f);
		(void)fclose(f);
	}
	return text;
}

/* --- calls --- */

static cJSON *
parse(struct house *h, char *text, size_t len)
{
	cJSON *object = cJSON_ParseWithLength(text, len);

	if (object == NULL)
		rig_fail(&h->rig, "no JSON: %s", text);
	free(text);
	return object;
}

static cJSON *
ask(struct house *h, const char *to, const char *format, va_list ap)
{
	char request[1024], *reply = NULL;
	size_t len = 0;
	int rc;

	(void)vsnprintf(request, sizeof(request), format, ap);
	rc = otp_call(h->o, to, request, strlen(request), WANT_MS, &reply,
	    &len);
	if (rc < 0)
		rig_fail(&h->rig, "%s to %s: %s (%s)", request, to,
		    otp_strerror(rc), otp_reason(h->o));
	return parse(h, reply, len);
}

cJSON *
house_ask(struct house *h, const char *to, const char *format, ...)
{
	va_list ap;
	cJSON *reply;

	va_start(ap, format);
	reply = ask(h, to, format, ap);
	va_end(ap);
	return reply;
}

int
house_do(struct house *h, const char *to, const char *format, ...)
{
	va_list ap;
	cJSON *reply;
	int rc;

	va_start(ap, format);
	reply = ask(h, to, format, ap);
	va_end(ap);
	rc = (int)house_number(reply, "rc");
	cJSON_Delete(reply);
	return rc;
}

void
house_fails(struct house *h, int error, const char *reason, const char *to,
    const char *request)
{
	char *reply = NULL;
	int rc = otp_call(h->o, to, request, strlen(request), WANT_MS, &reply,
	    NULL);

	if (rc != error || strcmp(otp_reason(h->o), reason) != 0)
		rig_fail(&h->rig, "%s to %s: %d (%s), not %d (%s)", request,
		    to, rc, rc < 0 ? otp_reason(h->o) : reply, error, reason);
}

int
house_connect(struct house *h, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "run/paths/%s",
	    path);
	want(h, fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) ==
	    0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return fd;
}

uint64_t
house_send(struct house *h, const char *to, const char *request)
{
	uint64_t ref = 0;
	int rc = otp_send_request(h->o, to, request, strlen(request), &ref);

	if (rc < 0)
		rig_fail(&h->rig, "%s to %s: %s", request, to,
		    otp_strerror(rc));
	(void)otp_flush(h->o);
	return ref;
}

int
house_outcome(struct house *h, uint64_t request)
{
	char *reply = NULL;
	int rc = otp_receive_response(h->o, request, WANT_MS, &reply, NULL);

	free(reply);
	return rc;
}

cJSON *
house_heard(struct house *h, const char *to, int n)
{
	return house_ask(h, to, "{\"do\":\"await\",\"n\":%d}", n);
}

void
house_heard_is(struct house *h, const cJSON *heard, int i, const char *kind,
    const char *who, const char *reason)
{
	const cJSON *info = cJSON_GetArrayItem(heard, i);

	if (strcmp(house_text(info, "kind"), kind) == 0 &&
	    (who == NULL || strcmp(house_text(info, "who"), who) == 0) &&
	    strcmp(house_text(info, "reason"), reason) == 0)
		return;
	rig_fail(&h->rig, "heard %s, not %s of %s: %s",
	    cJSON_PrintUnformatted(heard), kind, who != NULL ? who : "any",
	    reason);
}

void
house_hears(struct house *h, const char *to, const char *kind,
    const char *who, const char *reason)
{
	cJSON *heard = house_heard(h, to, 1);

	house_heard_is(h, heard, 0, kind, who, reason);
	want(h, cJSON_GetArraySize(heard) == 1);
	cJSON_Delete(heard);
}

/* --- the engine --- */

static cJSON *
control(struct house *h, const char *format, va_list ap)
{
	char request[2048], *reply = NULL;
	size_t len = 0;
	int rc;

	(void)vsnprintf(request, sizeof(request), format, ap);
	rc = otp_control(h->o, request, WANT_MS, &reply, &len);
	if (rc < 0)
		rig_fail(&h->rig, "%s: %s (%s)", request, otp_strerror(rc),
		    otp_reason(h->o));
	return parse(h, reply, len);
}

cJSON *
house_control(struct house *h, const char *format, ...)
{
	va_list ap;
	cJSON *reply;

	va_start(ap, format);
	reply = control(h, format, ap);
	va_end(ap);
	return reply;
}

void
house_order(struct house *h, const char *key, const char *value,
    const char *format, ...)
{
	va_list ap;
	cJSON *reply, *item;

	va_start(ap, format);
	reply = control(h, format, ap);
	va_end(ap);
	item = cJSON_GetObjectItemCaseSensitive(reply, key);
	if (value == NULL ? item != NULL : !cJSON_IsString(item) ||
	    strcmp(item->valuestring, value) != 0)
		rig_fail(&h->rig, "%s: the answer is %s, not %s: %s", format,
		    cJSON_PrintUnformatted(reply), key,
		    value != NULL ? value : "not there");
	cJSON_Delete(reply);
}

const char *
house_text(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(
	    cJSON_GetObjectItemCaseSensitive(object, key));

	return text != NULL ? text : "";
}

double
house_number(const cJSON *object, const char *key)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

static cJSON *
status(struct house *h, const char *path, const cJSON **out)
{
	cJSON *reply = house_control(h,
	    "{\"op\":\"status\",\"paths\":[\"%s\"]}", path);

	*out = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(reply,
	    "children"), 0);
	want(h, *out != NULL);
	return reply;
}

/*
 * A process may show itself to the test before the spawner's word of it has
 * reached the engine: ask until that is there.
 */
int
house_pid(struct house *h, const char *path)
{
	time_t until = time(NULL) + WANT_MS / 1000;
	const cJSON *s;
	cJSON *reply;
	int pid;

	do {
		reply = status(h, path, &s);
		pid = (int)house_number(s, "pid");
		cJSON_Delete(reply);
	} while (pid <= 0 && time(NULL) < until);
	want(h, pid > 0);	/* 0 would be the test's own group */
	return pid;
}

int
house_generation(struct house *h, const char *path)
{
	const cJSON *s;
	cJSON *reply = status(h, path, &s);
	int generation = (int)house_number(s, "generation");

	cJSON_Delete(reply);
	return generation;
}

void
house_await(struct house *h, const char *path, const char *state)
{
	house_order(h, "result", "ok",
	    "{\"op\":\"wait\",\"path\":\"%s\",\"state\":\"%s\"}", path, state);
}

void
house_ends(struct house *h, const char *path, int generation,
    const char *reason)
{
	house_order(h, "reason", reason, "{\"op\":\"why_down\",\"path\":\"%s\","
	    "\"generation\":%d}", path, generation);
}

void
house_is(struct house *h, const char *path, const char *state,
    const char *reason)
{
	const cJSON *s, *last;
	cJSON *reply = status(h, path, &s);

	last = cJSON_GetObjectItemCaseSensitive(s, "last_exit");
	if (strcmp(house_text(s, "state"), state) != 0 ||
	    strcmp(house_text(last, "reason"), reason) != 0)
		rig_fail(&h->rig, "%s is %s, not %s after %s", path,
		    cJSON_PrintUnformatted(s), state, reason);
	cJSON_Delete(reply);
}

void
house_settle(struct house *h)
{
	house_order(h, "result", "ok", "{\"op\":\"sync\"}");
}

/* Another engine than that one answers. */
static void
next_engine(struct house *h, pid_t pid)
{
	cJSON *info;

	/* Until it serves nobody does: one that was lost is asked for again. */
	for (int waited = 0; waited < WANT_MS; waited += poll(NULL, 0, 1) + 1) {
		char *reply = NULL;
		int rc = otp_control(h->o, "{\"op\":\"info\"}", WANT_MS,
		    &reply, NULL);

		info = rc < 0 ? NULL : cJSON_Parse(reply);
		free(reply);
		if (info != NULL &&
		    (pid_t)house_number(info, "engine_pid") != pid) {
			cJSON_Delete(info);
			return;
		}
		cJSON_Delete(info);
	}
	rig_fail(&h->rig, "no engine came after the one that was killed");
}

static pid_t
engine_pid(struct house *h)
{
	cJSON *info = house_control(h, "{\"op\":\"info\"}");
	pid_t pid = (pid_t)house_number(info, "engine_pid");

	cJSON_Delete(info);
	want(h, pid > 0);
	h->crashed = true;
	return pid;
}

void
house_kill_engine(struct house *h)
{
	pid_t pid = engine_pid(h);

	want(h, kill(pid, SIGKILL) == 0);
	next_engine(h, pid);
}

void
house_kill_engine_for_now(struct house *h)
{
	pid_t pid = engine_pid(h);
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	want(h, fd >= 0);
	want(h, kill(h->rig.otpd, SIGSTOP) == 0);
	want(h, kill(pid, SIGKILL) == 0);
	rig_await_readable(&h->rig, fd, "the end of the engine");
	(void)close(fd);
}

void
house_kill_otpd(struct house *h)
{
	pid_t pid = engine_pid(h);

	rig_replace(&h->rig);
	next_engine(h, pid);
}
