/* SPDX-License-Identifier: ISC */
/*
 * A pool of connections, which comes back whole whatever its users do:
 * pool CONNECTION...
 *
 *	{"op":"checkout","holder":ADDRESS}	-> {"connection":C} or
 *						   {"error":"full"}
 *	{"op":"checkin","connection":C,"holder":ADDRESS}
 *	{"op":"free"}				-> {"free":N}
 *
 * A connection is lent to a process, not to a caller: the pool watches the
 * process, and when that ends, however it ends, takes the connection back.
 * ADDRESS is a name, a path, or "pid:N" of anything that otpd supervises.
 * A process that is not there counts as one that has ended.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <otp.h>

#include "field.h"

#define CONNECTIONS_MAX	64
#define ADDRESS_MAX	128

struct connection {
	const char	*name;
	char		 holder[ADDRESS_MAX];	/* "": it is free */
	uint64_t	 monitor;
};

static struct connection connections[CONNECTIONS_MAX];
static int nconnections;

static struct connection *
first_free(void)
{
	for (int i = 0; i < nconnections; i++)
		if (connections[i].holder[0] == '\0')
			return &connections[i];
	return NULL;
}

static struct connection *
lent(const char *name, const char *holder)
{
	for (int i = 0; i < nconnections; i++)
		if (strcmp(connections[i].name, name) == 0 &&
		    strcmp(connections[i].holder, holder) == 0)
			return &connections[i];
	return NULL;
}

static int
checkout(struct otp *self, struct otp_from from, const char *holder)
{
	struct connection *c = first_free();
	int rc;

	if (c == NULL)
		return otp_replyf(self, from, "{\"error\":\"full\"}");
	rc = otp_monitor(self, holder, &c->monitor);
	if (rc < 0)
		return otp_replyf(self, from, "{\"error\":\"%s\"}",
		    otp_strerror(rc));
	(void)snprintf(c->holder, sizeof(c->holder), "%s", holder);
	return otp_replyf(self, from, "{\"connection\":\"%s\"}", c->name);
}

/* A second checkin, or one by a stranger, changes nothing. */
static int
checkin(struct otp *self, struct otp_from from, const char *request,
    const char *holder)
{
	struct connection *c;
	char name[ADDRESS_MAX] = "";

	(void)field(request, "connection", name, sizeof(name));
	c = lent(name, holder);
	if (c == NULL)
		return otp_replyf(self, from, "{\"error\":\"not_held\"}");
	(void)otp_demonitor(self, c->monitor);
	c->holder[0] = '\0';
	return otp_replyf(self, from, "{\"result\":\"ok\"}");
}

static int
pool_init(struct otp *self, int argc, char **argv, void **state)
{
	(void)state;
	if (argc < 2 || argc - 1 > CONNECTIONS_MAX)
		return otp_stop(self, "{bad_argument,connections}");
	for (int i = 1; i < argc; i++)
		connections[nconnections++].name = argv[i];
	return OTP_OK;
}

static int
pool_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	char op[16] = "", holder[ADDRESS_MAX] = "";
	int n = 0;

	(void)len;
	(void)state;
	(void)field(request, "op", op, sizeof(op));
	if (strcmp(op, "free") == 0) {
		for (int i = 0; i < nconnections; i++)
			n += connections[i].holder[0] == '\0';
		return otp_replyf(self, from, "{\"free\":%d}", n);
	}
	if (!field(request, "holder", holder, sizeof(holder)) ||
	    holder[0] == '\0')
		return otp_replyf(self, from, "{\"error\":\"bad_request\"}");
	return strcmp(op, "checkout") == 0 ? checkout(self, from, holder) :
	    checkin(self, from, request, holder);
}

static int
pool_info(struct otp *self, const struct otp_info *info, void *state)
{
	(void)self;
	(void)state;
	for (int i = 0; info->kind == OTP_DOWN && i < nconnections; i++)
		if (connections[i].holder[0] != '\0' &&
		    connections[i].monitor == info->ref)
			connections[i].holder[0] = '\0';
	return OTP_OK;
}

static const struct otp_gen_server_ops pool = {
	.init = pool_init,
	.handle_call = pool_call,
	.handle_info = pool_info,
};

int
main(int argc, char **argv)
{
	return otp_gen_server_main(&pool, argc, argv);
}
