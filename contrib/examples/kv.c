/* SPDX-License-Identifier: ISC */
/*
 * A key-value store: {"op":"put","key":K,"value":V}, {"op":"get","key":K},
 * {"op":"delete","key":K}, {"op":"count"}.  put and delete may be cast.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <otp.h>

#include "field.h"

#define TEXT_MAX	256

struct pair {
	char	key[TEXT_MAX], value[TEXT_MAX];
};

struct store {
	void	*tree;			/* of struct pair, by key */
	long	 count;
};

static int
by_key(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->key,
	    ((const struct pair *)b)->key);
}

static struct pair *
find(struct store *s, const struct pair *wanted)
{
	void *node = tfind(wanted, &s->tree, by_key);

	return node == NULL ? NULL : *(struct pair **)node;
}

static int
put(struct store *s, const struct pair *p)
{
	struct pair *there = find(s, p);

	if (there == NULL) {
		there = malloc(sizeof(*there));
		if (there == NULL)
			return -ENOMEM;
		*there = *p;
		if (tsearch(there, &s->tree, by_key) == NULL) {
			free(there);
			return -ENOMEM;
		}
		s->count++;
	}
	*there = *p;
	return 0;
}

static void
delete(struct store *s, const struct pair *p)
{
	struct pair *there = find(s, p);

	if (there == NULL)
		return;
	(void)tdelete(there, &s->tree, by_key);
	free(there);
	s->count--;
}

static int
change(struct store *s, const char *message, const char *op, struct pair *p)
{
	if (!field(message, "key", p->key, sizeof(p->key)))
		return -EINVAL;
	if (strcmp(op, "delete") == 0)
		delete(s, p);
	else if (strcmp(op, "put") != 0 ||
	    !field(message, "value", p->value, sizeof(p->value)))
		return -EINVAL;
	else
		return put(s, p);
	return 0;
}

static int
kv_init(struct otp *self, int argc, char **argv, void **state)
{
	(void)self;
	(void)argc;
	(void)argv;
	*state = calloc(1, sizeof(struct store));
	return *state == NULL ? -ENOMEM : OTP_OK;
}

static int
kv_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	struct pair p = { 0 }, *there;
	char op[16] = "";

	(void)len;
	(void)field(request, "op", op, sizeof(op));
	if (strcmp(op, "count") == 0)
		return otp_replyf(self, from, "{\"count\":%ld}",
		    ((struct store *)state)->count);
	if (strcmp(op, "get") != 0)
		return otp_replyf(self, from, change(state, request, op, &p) ==
		    0 ? "{\"result\":\"ok\"}" : "{\"error\":\"bad_request\"}");
	(void)field(request, "key", p.key, sizeof(p.key));
	there = find(state, &p);
	if (there == NULL)
		return otp_replyf(self, from, "{\"error\":\"not_found\"}");
	return otp_replyf(self, from, "{\"value\":\"%s\"}", there->value);
}

static int
kv_cast(struct otp *self, const char *message, size_t len, void *state)
{
	struct pair p = { 0 };
	char op[16] = "";

	(void)self;
	(void)len;
	(void)field(message, "op", op, sizeof(op));
	(void)change(state, message, op, &p);	/* nobody is told */
	return OTP_OK;
}

static void
kv_terminate(struct otp *self, const char *reason, void *state)
{
	struct store *s = state;

	(void)self;
	(void)reason;
	tdestroy(s->tree, free);
	free(s);
}

static int
kv_status(struct otp *self, struct otp_out *out, void *state)
{
	(void)self;
	return otp_print(out, "{\"count\":%ld}",
	    ((struct store *)state)->count);
}

static const struct otp_gen_server_ops kv = {
	.init = kv_init,
	.handle_call = kv_call,
	.handle_cast = kv_cast,
	.terminate = kv_terminate,
	.format_status = kv_status,
};

int
main(int argc, char **argv)
{
	return otp_gen_server_main(&kv, argc, argv);
}
