/* SPDX-License-Identifier: ISC */
/*
 * The way to the engine and to the logger: connect, ask, and ask again when
 * the server died over it, where that does no harm.  Says in words why a
 * question got no answer.  Must never repeat an order that is not harmless.
 */
#include "otpctl/otpctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire/frame.h"

#define SECOND_NS	UINT64_C(1000000000)
#define HELLO_NS	(10 * SECOND_NS)	/* for a server to greet */
#define KILLED_NS	(3 * SECOND_NS)	/* if its otpd is known to be dead */
#define ABSENT_NS	(3 * SECOND_NS)	/* for a socket, if there is an otpd */
#define LATE_NS		SECOND_NS	/* a person begins to wonder */
#define LOOK_NS		(20 * 1000000L)
#define RETRY_NS	(30 * SECOND_NS)	/* without a deadline */
#define PAUSE_MAX_NS	(200 * 1000000L)

struct attempt {		/* one question, however often it is asked */
	enum ctl_server	 to;
	uint64_t	 give_up;	/* set when it first broke; 0 before */
	long		 pause_ns;
	bool		 asked;		/* the question may have arrived */
};

uint64_t
ctl_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND_NS + (uint64_t)ts.tv_nsec;
}

void
ctl_warn(const char *fmt, ...)
{
	struct buf b = { NULL, 0, 0 };
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	buf_puts(&b, "otpctl: ");
	buf_text(&b, text);
	buf_puts(&b, "\n");
	buf_flush(&b, STDERR_FILENO);
	buf_done(&b);
	free(text);
}

static const char *
server_words(enum ctl_server to)
{
	return to == CTL_ENGINE ? "otpd" : "otpd's logger";
}

static int
was_killed(const struct ctl *c, int pid)
{
	ctl_warn("otpd (pid %d) on %s was killed; its services run on until "
	    "the next one takes them over: otpd -c FILE -r %s", pid,
	    c->runtime_dir, c->runtime_dir);
	return CTL_UNREACHABLE;
}

static int
not_running(const struct ctl *c, int error)
{
	const char *why = error == ENOENT ? "no socket" :
	    "nobody listens on its socket";
	bool elsewhere = strcmp(c->runtime_dir, "/run/otpd") != 0;

	if (ctl_is_held(c)) {
		ctl_warn("otpd on %s has no socket: it is just starting, or "
		    "ending", c->runtime_dir);
		return CTL_UNREACHABLE;
	}
	if (ctl_killed_pid(c) != 0)
		why = "it was killed, and what kept its services, too: the "
		    "next one ends what they have left";
	ctl_warn("otpd is not running on %s (%s); start it with: "
	    "otpd -c FILE%s%s", c->runtime_dir, why,
	    elsewhere ? " -r " : "", elsewhere ? c->runtime_dir : "");
	ctl_say_end(c);
	if (elsewhere && geteuid() != 0 && access("/run/otpd", F_OK) == 0)
		ctl_warn("the system's own otpd is on /run/otpd: "
		    "ask it as root");
	return CTL_UNREACHABLE;
}

/* Why there is no connection, in words; the exit code. */
static int
open_failed(const struct ctl *c, enum ctl_server to, int error)
{
	const char *dir = c->runtime_dir;
	int pid;

	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
	case ENOTDIR:
		return not_running(c, error);
	case EACCES:
	case EPERM:
		ctl_warn("not allowed to speak to %s on %s: only its own user "
		    "and root may", server_words(to), dir);
		return CTL_UNREACHABLE;
	case ETIMEDOUT:
		pid = ctl_killed_pid(c);
		if (pid != 0)
			return was_killed(c, pid);
		ctl_warn("%s on %s does not answer: its process is stopped, "
		    "or being restarted", server_words(to), dir);
		return CTL_TIMED_OUT;
	case EPROTO:
		ctl_warn("what listens on %s does not speak otpd's protocol",
		    c->links[to].path);
		return CTL_UNREACHABLE;
	default:
		ctl_warn("cannot reach %s on %s: %s", server_words(to), dir,
		    strerror(error));
		return CTL_UNREACHABLE;
	}
}

/* Does it do no harm to put it twice? */
static bool
may_repeat(const struct ctl *c)
{
	return c->cmd->repeat || c->asks_only;
}

static bool
broke(int rc)
{
	return rc == -ENOTCONN || rc == -ECONNRESET || rc == -EPIPE ||
	    rc == -ECONNABORTED;
}

static uint64_t
sooner(uint64_t deadline, uint64_t other)
{
	return deadline != 0 && deadline < other ? deadline : other;
}

static void
hang_up(struct link *l)
{
	if (l->client != NULL)
		client_close(l->client);
	l->client = NULL;
}

void
ctl_close(struct ctl *c)
{
	int i;

	for (i = 0; i < CTL_NSERVERS; i++)
		hang_up(&c->links[i]);
}

static int
open_link(struct ctl *c, struct link *l, uint64_t patience)
{
	l->client = client_open(l->path, sooner(c->deadline,
	    ctl_now_ns() + patience));
	return l->client != NULL ? 0 : errno != 0 ? -errno : -EIO;
}

/*
 * 0 with a connection, or negative errno.  The next otpd may just be on its
 * way: its socket is waited for while there is one, and what holds the socket
 * of one that was killed is given some time to hand it on.
 */
static int
reach(struct ctl *c, struct link *l)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };
	uint64_t until = sooner(c->deadline, ctl_now_ns() + ABSENT_NS);
	int rc = 0, absent = 0;
	bool killed;

	while (l->client == NULL) {
		killed = ctl_killed_pid(c) != 0;
		rc = open_link(c, l, killed ? KILLED_NS : HELLO_NS);
		if (rc == -ENOENT || rc == -ECONNREFUSED) {
			absent = rc;
			if (ctl_now_ns() >= until || !ctl_is_held(c))
				break;
			(void)nanosleep(&pause, NULL);
		} else if (rc == -ETIMEDOUT && absent != 0) {
			rc = absent;
			break;
		} else if (rc != -ETIMEDOUT || !killed ||
		    ctl_killed_pid(c) != 0) {
			break;		/* nobody has taken over */
		}
	}
	return rc;
}

/* The server is gone.  True, after a pause, when the question may be put
 * again; a question that never arrived always may. */
static bool
again(struct ctl *c, struct attempt *a)
{
	struct timespec ts = { 0, a->pause_ns };
	uint64_t now = ctl_now_ns();

	hang_up(&c->links[a->to]);
	if (a->asked && !may_repeat(c))
		return false;
	if (a->give_up == 0)
		a->give_up = c->deadline != 0 ? c->deadline : now + RETRY_NS;
	if (now + (uint64_t)a->pause_ns >= a->give_up)
		return false;
	(void)nanosleep(&ts, NULL);
	a->pause_ns = a->pause_ns * 2 + 1000000L;
	if (a->pause_ns > PAUSE_MAX_NS)
		a->pause_ns = PAUSE_MAX_NS;
	return true;
}

static int
timed_out(const struct ctl *c)
{
	if (!c->tells_timeout)
		ctl_warn("timed out");
	return CTL_TIMED_OUT;
}

static int
server_refused(struct ctl *c, enum ctl_server to)
{
	uint16_t tag = 0;
	const char *words = client_error(c->links[to].client, &tag);

	if (tag == FRAME_E_TIMEOUT)
		return timed_out(c);
	ctl_warn("%s refused the request: %s%s%s", server_words(to),
	    frame_error_name(tag), words != NULL && words[0] != '\0' ? ": " :
	    "", words != NULL ? words : "");
	return tag == FRAME_E_NOPROC || tag == FRAME_E_DOWN ?
	    CTL_UNREACHABLE : CTL_FAILED;
}

/* A call that got no reply: why, in words; the exit code. */
static int
call_failed(struct ctl *c, const struct attempt *a, int rc)
{
	if (rc == -EREMOTEIO)
		return server_refused(c, a->to);
	if (rc == -ETIMEDOUT)
		return timed_out(c);
	if (!broke(rc)) {
		ctl_warn("no answer from %s: %s", server_words(a->to),
		    strerror(-rc));
		return rc == -EMSGSIZE ? CTL_FAILED : CTL_UNREACHABLE;
	}
	if (!a->asked || may_repeat(c))
		ctl_warn("the connection to %s broke before it answered, "
		    "again and again", server_words(a->to));
	else
		ctl_warn("the connection to %s broke before it answered: it "
		    "is not known whether `%s` was carried out; see: "
		    "otpctl status", server_words(a->to), c->cmd->name);
	return CTL_UNREACHABLE;
}

static int
parsed(const struct attempt *a, char *text, size_t len, cJSON **out)
{
	cJSON *o = cJSON_ParseWithLength(text, len);

	free(text);
	if (!cJSON_IsObject(o)) {
		cJSON_Delete(o);
		ctl_warn("%s gave an answer that is no JSON object",
		    server_words(a->to));
		return CTL_FAILED;
	}
	*out = o;
	return CTL_OK;
}

int
ctl_ask(struct ctl *c, enum ctl_server to, cJSON *request, cJSON **out)
{
	struct attempt a = { .to = to };
	struct link *l = &c->links[to];
	char *payload = cJSON_PrintUnformatted(request), *text = NULL;
	size_t len = 0;
	int rc;

	cJSON_Delete(request);
	if (payload == NULL)
		abort();
	do {
		rc = reach(c, l);
		if (rc == 0) {
			a.asked = true;
			client_when_late(l->client, ctl_now_ns() + LATE_NS,
			    c->late, c);
			rc = client_call(l->client, payload, strlen(payload),
			    c->deadline, &text, &len);
			client_when_late(l->client, 0, NULL, NULL);
		} else if (!broke(rc)) {
			cJSON_free(payload);
			return open_failed(c, to, -rc);
		}
	} while (broke(rc) && again(c, &a));
	cJSON_free(payload);
	if (rc != 0)
		return call_failed(c, &a, rc);
	return parsed(&a, text, len, out);
}

int
ctl_order(struct ctl *c, cJSON *request, const char *path, cJSON **out)
{
	int rc = ctl_ask(c, CTL_ENGINE, request, out);

	if (rc != CTL_OK)
		return rc;
	rc = ctl_exit_of(*out);
	if (rc == CTL_OK)
		return CTL_OK;
	c->out->refused(c, path, *out);
	cJSON_Delete(*out);
	*out = NULL;
	return rc;
}

/* The reply that ends a stream may be a refusal. */
static int
stream_ended(struct ctl *c, struct link *l)
{
	size_t len;
	const char *text = client_reply(l->client, &len);
	cJSON *reply = cJSON_ParseWithLength(text, len);
	int rc = ctl_exit_of(reply);

	if (rc != CTL_OK)
		c->out->refused(c, NULL, reply);
	cJSON_Delete(reply);
	return rc;
}

int
ctl_stream(struct ctl *c, enum ctl_server to,
    cJSON *(*next)(struct ctl *c, bool again), client_info_fn *fn)
{
	struct attempt a = { .to = to };
	struct link *l = &c->links[to];
	cJSON *request;
	char *payload;
	int rc;

	for (;;) {
		rc = reach(c, l);
		if (rc != 0 && !broke(rc))
			return open_failed(c, to, -rc);
		if (rc == 0) {
			request = next(c, a.asked);
			payload = cJSON_PrintUnformatted(request);
			cJSON_Delete(request);
			if (payload == NULL)
				abort();
			a.asked = true;
			rc = client_stream(l->client, payload,
			    strlen(payload), c->deadline, fn, c);
			cJSON_free(payload);
			a.give_up = 0;
		}
		if (!broke(rc) || !again(c, &a))
			break;
	}
	if (rc == -ETIMEDOUT && c->follow)
		return CTL_OK;
	if (rc < 0)
		return call_failed(c, &a, rc);
	return rc > 0 ? rc : stream_ended(c, l);
}

cJSON *
ctl_request(const char *op)
{
	cJSON *o = cJSON_CreateObject();

	if (o == NULL || cJSON_AddStringToObject(o, "op", op) == NULL)
		abort();
	return o;
}

const char *
ctl_string(const cJSON *o, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

double
ctl_number(const cJSON *o, const char *key, double otherwise)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsNumber(v) ? v->valuedouble : otherwise;
}

int
ctl_exit_of(const cJSON *reply)
{
	const char *error = ctl_string(reply, "error");

	if (error == NULL)
		return CTL_OK;
	if (strcmp(error, "not_found") == 0 || cJSON_IsTrue(
	    cJSON_GetObjectItemCaseSensitive(reply, "no_such_path")))
		return CTL_NO_CHILD;
	if (strcmp(error, "timeout") == 0)
		return CTL_TIMED_OUT;
	return CTL_FAILED;
}
