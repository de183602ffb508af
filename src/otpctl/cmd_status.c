/* SPDX-License-Identifier: ISC */
/*
 * Questions: how things stand, and waiting until they stand otherwise.
 */
#include <stdlib.h>
#include <string.h>

#include "otpctl/arena.h"
#include "otpctl/node.h"
#include "otpctl/otpctl.h"

#define AFTERWARDS_NS	UINT64_C(1000000000)
#define UNSETTLED_MAX	5	/* that are named */

/* The children at these paths; *out to be deleted. */
static int
ask_status(struct ctl *c, char *const *paths, int n, cJSON **out)
{
	cJSON *req = ctl_request("status");
	cJSON *list = cJSON_AddArrayToObject(req, "paths");
	int i;

	if (list == NULL)
		abort();
	for (i = 0; i < n; i++)
		(void)cJSON_AddItemToArray(list,
		    cJSON_CreateString(paths[i]));
	return ctl_order(c, req, NULL, out);
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
	rc = ask_status(c, c->argv, c->argc, &reply);
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
	int rc = ask_status(c, c->argv, 1, &reply);

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
	char *paths[1];
	cJSON *reply = NULL;

	ctl_close(c);
	c->deadline = ctl_now_ns() + AFTERWARDS_NS;
	paths[0] = (char *)(uintptr_t)path;
	buf_puts(&b, "timed out");
	if (ask_status(c, paths, path != NULL ? 1 : 0, &reply) == CTL_OK)
		put_unsettled(&b, children_of(reply), path != NULL);
	buf_puts(&b, then);
	ctl_warn("%s", b.data);
	buf_done(&b);
	cJSON_Delete(reply);
}

int
ctl_order_in_turn(struct ctl *c, cJSON *request, const char *path, cJSON **out)
{
	int rc;

	c->tells_timeout = !c->json && !c->quiet;
	rc = ctl_order(c, request, path, out);
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
