/* SPDX-License-Identifier: ISC */
/*
 * The way to a gen_server.  A question is put once and never again, since it
 * may have been carried out; only a connection that nobody has greeted is made
 * anew.
 */
#include "otpctl/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire/frame.h"

#define PATH_SIZE	4096
#define PAUSE_NS	5000000L

/* {"error":error,"message":...} shown as a refusal; its exit code. */
static int refuse(struct ctl *c, const char *error, const char *reason,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static int
refuse(struct ctl *c, const char *error, const char *reason, const char *fmt,
    ...)
{
	cJSON *o = cJSON_CreateObject();
	char *text = NULL;
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0 || o == NULL ||
	    cJSON_AddStringToObject(o, "error", error) == NULL ||
	    cJSON_AddStringToObject(o, "message", text) == NULL)
		abort();
	if (reason != NULL)
		(void)cJSON_AddStringToObject(o, "reason", reason);
	rc = ctl_exit_of(o);
	c->out->refused(c, NULL, o);
	cJSON_Delete(o);
	free(text);
	return rc;
}

static bool
is_socket(const char *address)
{
	return address[0] == '/' || strncmp(address, "./", 2) == 0 ||
	    strncmp(address, "../", 3) == 0;
}

static bool
below(const struct ctl *c, const char *folder, const char *name,
    char out[PATH_SIZE])
{
	int skip, n = snprintf(out, PATH_SIZE, "%s/%s/%n%s", c->runtime_dir,
	    folder, &skip, name);

	if (n < 0 || n >= PATH_SIZE)
		return false;
	for (char *p = out + skip; *p != '\0'; p++)
		if (*p == '/')
			*p = ':';
	return true;
}

/* The socket of an address: a name before a path of one part. */
static bool
find_socket(const struct ctl *c, const char *address, char out[PATH_SIZE])
{
	if (is_socket(address))
		return snprintf(out, PATH_SIZE, "%s", address) < PATH_SIZE;
	if (address[0] == '\0' || address[0] == '.')
		return false;
	if (strchr(address, '/') == NULL &&
	    below(c, "names", address, out) && access(out, F_OK) == 0)
		return true;
	return below(c, "paths", address, out);
}

static bool
broke(int rc)
{
	return rc == -ENOTCONN || rc == -ECONNRESET || rc == -EPIPE ||
	    rc == -ECONNABORTED;
}

/* One that dies before it greets has heard nothing: the next one is asked. */
static struct client *
reach(const struct ctl *c, const char *path)
{
	const struct timespec pause = { 0, PAUSE_NS };
	struct client *client;

	for (;;) {
		client = client_open(path, c->deadline);
		if (client != NULL || !broke(-errno))
			return client;
		(void)nanosleep(&pause, NULL);
	}
}

/* --- nobody there --- */

/* What otpd knows of it, or NULL with *out_code when that has been said. */
static cJSON *
ask_status(struct ctl *c, const char *address, int *out_code)
{
	cJSON *request = ctl_request("status"), *paths, *reply;

	paths = cJSON_AddArrayToObject(request, "paths");
	(void)cJSON_AddItemToArray(paths, cJSON_CreateString(address));
	*out_code = ctl_ask(c, CTL_ENGINE, request, &reply);
	return *out_code == CTL_OK ? reply : NULL;
}

static int
noproc(struct ctl *c, const char *address)
{
	if (is_socket(address))
		return refuse(c, "noproc", NULL, "no server is at %s",
		    address);
	return refuse(c, "noproc", NULL, "no server is registered as %s",
	    address);
}

/*
 * Nobody serves at the address.  People also name a child by the last part of
 * its path: then *out is its whole path, and CTL_OK.  Else says why not.
 */
static int
look_again(struct ctl *c, const char *address, char out[PATH_SIZE])
{
	const char *path, *state, *kind;
	cJSON *reply, *child;
	int rc;

	if (is_socket(address))
		return noproc(c, address);
	reply = ask_status(c, address, &rc);
	if (reply == NULL)
		return rc;
	child = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(reply,
	    "children"), 0);
	path = ctl_string(child, "path");
	state = ctl_string(child, "state");
	kind = ctl_string(child, "kind");
	if (path == NULL || state == NULL)
		rc = noproc(c, address);
	else if (kind == NULL || strcmp(kind, "gen_server") != 0)
		rc = refuse(c, "noproc", NULL, "%s is no gen_server: nobody "
		    "can call it", path);
	else if (strcmp(path, address) == 0 || strcmp(state, "stopped") == 0 ||
	    strcmp(state, "failed") == 0)
		rc = refuse(c, "noproc", NULL, "%s is %s: no server is there; "
		    "see: otpctl why %s", path, state, path);
	else
		(void)snprintf(out, PATH_SIZE, "%s", path);
	cJSON_Delete(reply);
	return rc;
}

/* The socket of who has the key of a registry; CTL_OK. */
static int
find_via(struct ctl *c, const char *address, char out[PATH_SIZE])
{
	cJSON *request = ctl_request("whereis"), *reply;
	const char *path;
	int rc;

	(void)cJSON_AddStringToObject(request, "name", address);
	rc = ctl_order(c, request, NULL, &reply);
	if (rc != CTL_OK)
		return rc;
	path = ctl_string(reply, "path");
	if (path == NULL || !below(c, "paths", path, out))
		rc = noproc(c, address);
	cJSON_Delete(reply);
	return rc;
}

static int
open_failed(struct ctl *c, const char *address, int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return refuse(c, "refused", NULL, "%s does not speak with "
		    "this user", address);
	case ETIMEDOUT:
		return refuse(c, "timeout", NULL, "timed out: %s does not "
		    "answer", address);
	case EPROTO:
		return refuse(c, "protocol", NULL, "%s does not speak otpd's "
		    "protocol", address);
	default:
		return refuse(c, "noconnection", NULL, "cannot reach %s: %s",
		    address, strerror(error));
	}
}

static bool
is_nobody(int error)
{
	return error == ENOENT || error == ECONNREFUSED || error == ENOTDIR ||
	    error == ELOOP;
}

/* CTL_OK with *out, or the exit code. */
static int
open_server(struct ctl *c, const char *address, struct client **out)
{
	char path[PATH_SIZE], whole[PATH_SIZE];
	int rc;

	if (strncmp(address, "via:", 4) == 0) {
		rc = find_via(c, address, path);
		if (rc != CTL_OK)
			return rc;
	} else if (!find_socket(c, address, path)) {
		return noproc(c, address);
	}
	*out = reach(c, path);
	if (*out == NULL && is_nobody(errno)) {
		rc = look_again(c, address, whole);
		if (rc != CTL_OK)
			return rc;
		address = whole;
		if (!below(c, "paths", whole, path))
			return noproc(c, address);
		*out = reach(c, path);
		if (*out == NULL && is_nobody(errno))
			return noproc(c, address);
	}
	return *out == NULL ? open_failed(c, address, errno) : CTL_OK;
}

/* --- no answer --- */

/* {"reason":...} as a string of its own; NULL when it is none. */
static char *
take_reason(const cJSON *o)
{
	const char *reason = ctl_string(o, "reason");

	return reason != NULL ? strdup(reason) : NULL;
}

/* Why the server ended: its own last words, else what otpd knows; or NULL. */
static char *
why_down(struct ctl *c, struct client *client)
{
	cJSON *request, *reply = cJSON_Parse(client_last_words(client));
	char *reason = take_reason(reply);
	struct client *engine;
	const char *path;
	const struct frame_hello *hello = client_hello(client, &path);
	char *text, *answer = NULL;
	size_t len;

	cJSON_Delete(reply);
	if (reason != NULL || path[0] == '\0' || path[0] == '/')
		return reason;
	request = ctl_request("why_down");
	(void)cJSON_AddStringToObject(request, "path", path);
	(void)cJSON_AddNumberToObject(request, "pid", hello->pid);
	if (hello->generation != 0)
		(void)cJSON_AddNumberToObject(request, "generation",
		    (double)hello->generation);
	text = cJSON_PrintUnformatted(request);
	cJSON_Delete(request);
	engine = client_open(c->links[CTL_ENGINE].path, c->deadline);
	if (engine != NULL && text != NULL && client_call(engine, text,
	    strlen(text), c->deadline, &answer, &len) == 0) {
		reply = cJSON_ParseWithLength(answer, len);
		reason = take_reason(reply);
		cJSON_Delete(reply);
	}
	client_close(engine);
	cJSON_free(text);
	free(answer);
	return reason;
}

static int
went_down(struct ctl *c, const char *address, const char *reason)
{
	if (reason == NULL)
		return refuse(c, "noconnection", NULL, "the connection to %s "
		    "broke before it answered", address);
	return refuse(c, "down", reason, "%s ended before it answered",
	    address);
}

static int
remote_error(struct ctl *c, const char *address, struct client *client)
{
	uint16_t tag = 0;
	const char *words = client_error(client, &tag);
	const char *error = frame_error_name(tag);

	switch (tag) {
	case FRAME_E_NOPROC:
		return noproc(c, address);
	case FRAME_E_DOWN:
		return went_down(c, address, words);
	case FRAME_E_TIMEOUT:
		return refuse(c, error, NULL, "timed out: %s", words);
	case FRAME_E_REFUSED:
		return refuse(c, error, NULL, "%s does not speak with this "
		    "user: %s", address, words);
	default:
		return refuse(c, error, NULL, "%s refused the request: %s: %s",
		    address, error, words);
	}
}

static int
ask_failed(struct ctl *c, const char *address, struct client *client, int rc)
{
	char *reason;

	if (rc == -EREMOTEIO)
		return remote_error(c, address, client);
	if (rc == -ETIMEDOUT)
		return refuse(c, "timeout", NULL, "timed out: %s has not "
		    "answered", address);
	if (rc == -EMSGSIZE)
		return refuse(c, "too_large", NULL, "that is more than %s "
		    "takes at once", address);
	if (!broke(rc))
		return refuse(c, "noconnection", NULL, "no answer from %s: %s",
		    address, strerror(-rc));
	reason = why_down(c, client);
	rc = went_down(c, address, reason);
	free(reason);
	return rc;
}

bool
server_refused(const char *text, size_t len)
{
	cJSON *reply = cJSON_ParseWithLength(text, len);
	bool is = ctl_exit_of(reply) != CTL_OK;

	cJSON_Delete(reply);
	return is;
}

int
server_ask(struct ctl *c, const char *address, const struct server_call *call,
    char **out, size_t *out_len)
{
	struct client *client;
	int rc = open_server(c, address, &client);

	if (rc != CTL_OK)
		return rc;
	*out = NULL;
	*out_len = 0;
	if (call->type == FRAME_CAST || call->type == FRAME_INFO)
		rc = client_send(client, call->type, call->payload, call->len,
		    c->deadline);
	else
		rc = client_request(client, call->type, call->tag,
		    call->payload, call->len, c->deadline, out, out_len);
	if (rc == 0 && call->follow != NULL &&
	    !server_refused(*out, *out_len))
		rc = client_follow(client, c->deadline, call->follow, c);
	if (rc == -ETIMEDOUT && call->follow != NULL && *out != NULL)
		rc = 0;		/* as long as it was asked to */
	if (rc < 0) {
		free(*out);
		*out = NULL;
		rc = ask_failed(c, address, client, rc);
	}
	client_close(client);
	return rc;
}
