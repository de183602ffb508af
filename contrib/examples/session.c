/* SPDX-License-Identifier: ISC */
/*
 * The basket of a customer, which ends when it is left alone:
 * session [IDLE_MS].
 *
 *	{"op":"add","item":X}		as a call or a cast
 *	{"op":"items"}			-> {"items":"apple pear"}
 *
 * Any message forgets otp_timeout(): whoever wants it must ask again in every
 * callback, or the first call that forgets it makes the session immortal.
 * So all of them end with stay().  Its child is "restart": "transient": the
 * end is a normal one, and nobody wants an empty basket back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <otp.h>

#include "field.h"

#define IDLE_MS		(30 * 60 * 1000)
#define ITEMS_MAX	1024

struct session {
	uint32_t	idle_ms;
	char		items[ITEMS_MAX];
};

static int
stay(struct otp *self, const struct session *s)
{
	return otp_timeout(self, s->idle_ms);
}

static int
add(struct session *s, const char *message)
{
	size_t used = strlen(s->items);
	char item[64];

	if (!field(message, "item", item, sizeof(item)) ||
	    used + strlen(item) + 2 > sizeof(s->items))
		return -EINVAL;
	(void)snprintf(s->items + used, sizeof(s->items) - used, "%s%s",
	    used == 0 ? "" : " ", item);
	return 0;
}

static int
session_init(struct otp *self, int argc, char **argv, void **state)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	*state = s;
	s->idle_ms = argc > 1 ? (uint32_t)atoi(argv[1]) : IDLE_MS;
	return stay(self, s);
}

static int
session_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	struct session *s = state;
	char op[16] = "";

	(void)len;
	(void)field(request, "op", op, sizeof(op));
	if (strcmp(op, "items") == 0)
		(void)otp_replyf(self, from, "{\"items\":\"%s\"}", s->items);
	else if (strcmp(op, "add") == 0 && add(s, request) == 0)
		(void)otp_replyf(self, from, "{\"result\":\"ok\"}");
	else
		(void)otp_replyf(self, from, "{\"error\":\"bad_request\"}");
	return stay(self, s);
}

static int
session_cast(struct otp *self, const char *message, size_t len, void *state)
{
	(void)len;
	(void)add(state, message);
	return stay(self, state);
}

static int
session_info(struct otp *self, const struct otp_info *info, void *state)
{
	if (info->kind == OTP_TIMEOUT)
		return otp_stop(self, "normal");
	return stay(self, state);	/* even what nobody understands */
}

static void
session_terminate(struct otp *self, const char *reason, void *state)
{
	(void)self;
	(void)reason;
	free(state);			/* here the basket would be saved */
}

static const struct otp_gen_server_ops session = {
	.init = session_init,
	.handle_call = session_call,
	.handle_cast = session_cast,
	.handle_info = session_info,
	.terminate = session_terminate,
};

int
main(int argc, char **argv)
{
	return otp_gen_server_main(&session, argc, argv);
}
