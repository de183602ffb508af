/* SPDX-License-Identifier: ISC */
/*
 * Questions: how things stand, and waiting until they stand otherwise.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otpctl/arena.h"
#include "otpctl/node.h"
#include "otpctl/otpctl.h"

#define AFTERWARDS_NS	UINT64_C(1000000000)
#define UNSETTLED_MAX	5	/* that are named */

/* For the children at these paths. */
static cJSON *
status_request(const char *const *paths, int n)
{
	cJSON *req = ctl_request("status");
	cJSON *list = cJSON_AddArrayToObject(req, "paths");
	int i;

	if (list == NULL)
		abort();
	for (i = 0; i < n; i++)
		(void)cJSON_AddItemToArray(list,
		    cJSON_CreateString(paths[i]));
	return req;
}

/* *out to be deleted. */
static int
ask_status(struct ctl *c, const char *const *paths, int n, cJSON **out)
{
	return ctl_order(c, status_request(paths, n), NULL, out);
}

static const cJSON *
children_of(const cJSON *reply)
{
	return cJSON_GetObjectItemCaseSensitive(reply, "children");
}

int
cmd_status(struct ctl *c)
{
	cJSON *reply;
	int rc;

	arena_use();
	rc = ask_status(c, (const char *const *)c->argv, c->argc, &reply);
	if (rc != CTL_OK)
		return rc;
	c->out->status(c, reply);
	cJSON_Delete(reply);
	return CTL_OK;
}

static int
is_in_state(struct ctl *c, enum node_state state)
{
	const cJSON *child;
	cJSON *reply;
	struct node n;
	int rc = ask_status(c, (const char *const *)c->argv, 1, &reply);

	if (rc != CTL_OK)
		return rc;
	child = cJSON_GetArrayItem(children_of(reply), 0);
	if (!cJSON_IsObject(child)) {
		cJSON_Delete(reply);
		return CTL_NO_CHILD;
	}
	node_read(child, &n);
	c->out->state(c, child);
	rc = n.state == state ? CTL_OK : CTL_FAILED;
	cJSON_Delete(reply);
	return rc;
}

int
cmd_is_running(struct ctl *c)
{
	return is_in_state(c, NODE_RUNNING);
}

int
cmd_is_failed(struct ctl *c)
{
	return is_in_state(c, NODE_FAILED);
}

static bool
at_rest(const struct node *n)
{
	return n->supervisor || n->state == NODE_RUNNING ||
	    n->state == NODE_STOPPED || n->state == NODE_FAILED;
}

/* How long it may take, if that is known, before it is killed. */
static void
put_limit(struct buf *b, const struct node *n)
{
	if (n->killed_in_ms >= 0) {
		buf_puts(b, " (");
		node_limit(b, n);
		buf_puts(b, ")");
	} else if (n->state == NODE_STARTING && n->ready != NULL &&
	    strcmp(n->ready, "exec") != 0) {
		buf_puts(b, " (without a start_timeout)");
	}
}

static void
put_unsettled(struct buf *b, const cJSON *children, bool any)
{
	const cJSON *child;
	struct node n;
	int more = 0, told = 0;

	cJSON_ArrayForEach(child, children) {
		node_read(child, &n);
		if (!any && at_rest(&n))
			continue;
		if (told == UNSETTLED_MAX) {
			more++;
			continue;
		}
		buf_puts(b, told++ == 0 ? ": " : ", ");
		buf_text(b, n.path);
		buf_puts(b, n.state == NODE_BACKOFF ? " is in " : " is ");
		buf_text(b, n.state_word);
		put_limit(b, &n);
		if (any)
			break;
	}
	if (more > 0)
		buf_printf(b, ", and %d more", more);
}

/* What it was that took too long: the children that are not at rest, or the
 * one that was waited for. */
static void
say_unsettled(struct ctl *c, const char *path, const char *then)
{
	struct buf b = { NULL, 0, 0 };
	cJSON *reply = NULL;

	ctl_close(c);
	c->deadline = ctl_now_ns() + AFTERWARDS_NS;
	buf_puts(&b, "timed out");
	if (ask_status(c, &path, path != NULL ? 1 : 0, &reply) == CTL_OK)
		put_unsettled(&b, children_of(reply), path != NULL);
	buf_puts(&b, then);
	ctl_warn("%s", b.data);
	buf_done(&b);
	cJSON_Delete(reply);
}

/* Over a connection of its own, and without a word where there is none. */
static cJSON *
ask_beside(const struct ctl *c, const char *path)
{
	uint64_t until = ctl_now_ns() + AFTERWARDS_NS;
	struct client *client = client_open(c->links[CTL_ENGINE].path, until);
	cJSON *request = status_request(&path, path != NULL ? 1 : 0), *reply;
	char *payload = cJSON_PrintUnformatted(request), *text = NULL;
	size_t len = 0;

	if (payload == NULL)
		abort();
	if (client != NULL)
		(void)client_call(client, payload, strlen(payload), until,
		    &text, &len);
	client_close(client);
	reply = cJSON_ParseWithLength(text, len);
	free(text);
	cJSON_free(payload);
	cJSON_Delete(request);
	return reply;
}

/* What an order waits for: something in what it is about, or else whatever
 * keeps its supervisor busy. */
static void
say_waiting(void *ctl)
{
	struct ctl *c = ctl;
	struct buf b = { NULL, 0, 0 };
	cJSON *reply = ask_beside(c, c->waits_for);

	put_unsettled(&b, children_of(reply), false);
	if (b.len == 0 && c->waits_for != NULL) {
		cJSON_Delete(reply);
		reply = ask_beside(c, NULL);
		put_unsettled(&b, children_of(reply), false);
	}
	if (b.len > 0)
		ctl_warn("waiting%s", b.data);
	buf_done(&b);
	cJSON_Delete(reply);
}

int
ctl_order_in_turn(struct ctl *c, cJSON *request, const char *path, cJSON **out)
{
	int rc;

	c->tells_timeout = !c->json && !c->quiet;
	c->waits_for = path;
	if (c->tells_timeout && isatty(STDERR_FILENO) == 1)
		c->late = say_waiting;
	rc = ctl_order(c, request, path, out);
	c->late = NULL;
	if (rc == CTL_TIMED_OUT && c->tells_timeout)
		say_unsettled(c, NULL, "; the order stands, and is carried out "
		    "in its turn");
	return rc;
}

static int
wait_for(struct ctl *c, cJSON *req, const char *path, const char *done)
{
	cJSON *reply;
	int rc;

	c->tells_timeout = !c->json && !c->quiet;
	rc = ctl_order(c, req, path, &reply);
	if (rc == CTL_TIMED_OUT && c->tells_timeout)
		say_unsettled(c, path, "");
	if (rc != CTL_OK)
		return rc;
	c->out->outcome(c, path, done, reply);
	cJSON_Delete(reply);
	return CTL_OK;
}

int
cmd_wait(struct ctl *c)
{
	const char *path = c->argv[0], *state = c->argv[1];
	cJSON *req;

	if (node_state(state) == NODE_UNKNOWN && strcmp(state, "gone") != 0) {
		ctl_warn("no state %s: starting, running, stopping, backoff, "
		    "stopped, failed or gone", state);
		return CTL_USAGE;
	}
	req = ctl_request("wait");
	(void)cJSON_AddStringToObject(req, "path", path);
	(void)cJSON_AddStringToObject(req, "state", state);
	return wait_for(c, req, path, state);
}

int
cmd_sync(struct ctl *c)
{
	return wait_for(c, ctl_request("sync"), NULL, "settled");
}

int
cmd_why(struct ctl *c)
{
	struct buf log = { NULL, 0, 0 };
	cJSON *req = ctl_request("why"), *reply;
	const cJSON *status;
	bool known = false;
	const char *path;
	int rc;

	(void)cJSON_AddStringToObject(req, "path", c->argv[0]);
	rc = ctl_order(c, req, c->argv[0], &reply);
	if (rc != CTL_OK)
		return rc;
	status = cJSON_GetObjectItemCaseSensitive(reply, "status");
	path = ctl_string(status, "path");
	if (path != NULL && ctl_string(status, "log") != NULL)
		known = log_tail(c, path, c->lines >= 0 ? c->lines : 5, &log);
	c->out->why(c, reply, !known ? NULL : log.data != NULL ? log.data : "",
	    log.len);
	buf_done(&log);
	cJSON_Delete(reply);
	return CTL_OK;
}

static int
show(struct ctl *c, const char *op,
    void (*how)(struct ctl *c, const cJSON *reply))
{
	cJSON *reply;
	int rc = ctl_order(c, ctl_request(op), NULL, &reply);

	if (rc != CTL_OK)
		return rc;
	how(c, reply);
	cJSON_Delete(reply);
	return CTL_OK;
}

int
cmd_failed(struct ctl *c)
{
	return show(c, "failed", c->out->failed);
}

int
cmd_info(struct ctl *c)
{
	return show(c, "info", c->out->info);
}
