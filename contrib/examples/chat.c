/* SPDX-License-Identifier: ISC */
/*
 * Somebody in a chat: chat NAME.  Each is a process of its own, found by name
 * in the registry "users"; a room is a topic of the registry "rooms".
 *
 *	{"op":"join","room":R}, {"op":"leave","room":R}
 *	{"op":"say","room":R,"text":T}	-> {"sent":3}
 *	{"op":"tell","to":NAME,"text":T}
 *	{"op":"heard"}			-> {"heard":"ann: hello|bob: hi"}
 *
 *	{ "registries": { "users": { "keys": "unique" },
 *	                  "rooms": { "keys": "duplicate" } },
 *	  "children": [ { "id": "chat", "type": "dynamic_supervisor",
 *	    "template": { "start": ["/path/to/chat"], "kind": "gen_server",
 *	                  "restart": "transient" } } ] }
 *
 * Who leaves by dying needs no clearing up: its name is free and its rooms are
 * left before anybody hears of it.  What is said is sent to those who are in
 * the room now, and kept nowhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <otp.h>

#include "field.h"

#define HEARD_MAX	4096

struct user {
	const char	*name;
	char		 heard[HEARD_MAX];
};

static int
chat_init(struct otp *self, int argc, char **argv, void **state)
{
	struct user *u;
	int rc;

	if (argc != 2)
		return -EINVAL;
	rc = otp_registry_register(self, "users", argv[1], strlen(argv[1]),
	    NULL, 0);
	if (rc == -OTP_EALREADY)
		return otp_stop(self, otp_reason(self));
	if (rc < 0)
		return rc;
	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return -ENOMEM;
	u->name = argv[1];
	*state = u;
	return OTP_OK;
}

/* To all in the room, the one who says it included when it has joined. */
static int
say(struct otp *self, const struct user *u, const char *request)
{
	char room[64], text[256], line[512];

	if (!field(request, "room", room, sizeof(room)) ||
	    !field(request, "text", text, sizeof(text)))
		return -EINVAL;
	(void)snprintf(line, sizeof(line), "%s: %s", u->name, text);
	return otp_publish(self, "rooms", room, line, strlen(line));
}

static int
tell(struct otp *self, const struct user *u, const char *request)
{
	char to[64], address[256], text[256], line[512];
	int rc;

	if (!field(request, "to", to, sizeof(to)) ||
	    !field(request, "text", text, sizeof(text)))
		return -EINVAL;
	rc = otp_via(address, sizeof(address), "users", to, strlen(to));
	if (rc < 0)
		return rc;
	(void)snprintf(line, sizeof(line), "%s, to you: %s", u->name, text);
	return otp_send(self, address, line, strlen(line));
}

static int
answer(struct otp *self, struct otp_from from, int rc)
{
	if (rc < 0)
		return otp_replyf(self, from, "{\"error\":\"%s\"}",
		    rc == -OTP_ENOPROC ? "nobody" : otp_strerror(rc));
	return otp_replyf(self, from, "{\"sent\":%d}", rc);
}

static int
chat_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	struct user *u = state;
	char op[16] = "", room[64] = "";

	(void)len;
	(void)field(request, "op", op, sizeof(op));
	(void)field(request, "room", room, sizeof(room));
	if (strcmp(op, "heard") == 0)
		return otp_replyf(self, from, "{\"heard\":\"%s\"}", u->heard);
	if (strcmp(op, "say") == 0)
		return answer(self, from, say(self, u, request));
	if (strcmp(op, "tell") == 0)
		return answer(self, from, tell(self, u, request));
	if (strcmp(op, "join") == 0)
		return answer(self, from, otp_subscribe(self, "rooms", room));
	if (strcmp(op, "leave") == 0)
		return answer(self, from, otp_unsubscribe(self, "rooms",
		    room));
	return answer(self, from, -EINVAL);
}

static int
chat_info(struct otp *self, const struct otp_info *info, void *state)
{
	struct user *u = state;
	size_t used = strlen(u->heard);

	(void)self;
	if (info->kind == OTP_MESSAGE &&
	    used + info->len + 2 <= sizeof(u->heard))
		(void)snprintf(u->heard + used, sizeof(u->heard) - used,
		    "%s%s", used > 0 ? "|" : "", info->data);
	return OTP_OK;
}

static void
chat_terminate(struct otp *self, const char *reason, void *state)
{
	(void)self;
	(void)reason;
	free(state);
}

static const struct otp_gen_server_ops chat = {
	.init = chat_init,
	.handle_call = chat_call,
	.handle_info = chat_info,
	.terminate = chat_terminate,
};

int
main(int argc, char **argv)
{
	return otp_gen_server_main(&chat, argc, argv);
}
