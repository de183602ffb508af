/* SPDX-License-Identifier: ISC */
/*
 * A cache whose entries have a time to live: cache [SWEEP_MS].
 *
 *	{"op":"put","key":K,"value":V,"ttl_ms":N}
 *	{"op":"get","key":K}		-> {"value":V} or {"error":"not_found"}
 *	{"op":"size"}			-> {"size":N}, what is kept in memory
 *
 * Two things make an entry vanish.  A read looks at the clock, so that nobody
 * is ever given what has expired.  And a sweep frees the memory of what nobody
 * reads: a message that the server sends to itself, again and again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <otp.h>

#include "clock.h"
#include "field.h"

#define TEXT_MAX	256
#define SWEEP_MS	10000
#define SWEEP		"sweep"

struct entry {
	struct entry	*next;
	int64_t		 expires_at;
	char		 key[TEXT_MAX], value[TEXT_MAX];
};

struct cache {
	struct entry	*entries;	/* a list is enough for a lesson */
	int		 size;
	uint32_t	 sweep_ms;
};

/* Where the pointer to it is, or the end of the list. */
static struct entry **
find(struct cache *c, const char *key)
{
	struct entry **at = &c->entries;

	while (*at != NULL && strcmp((*at)->key, key) != 0)
		at = &(*at)->next;
	return at;
}

static void
drop(struct cache *c, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	free(e);
	c->size--;
}

static int
put(struct cache *c, const char *request, const char *key)
{
	struct entry **at = find(c, key), *e;
	char value[TEXT_MAX], ttl[16];

	if (!field(request, "value", value, sizeof(value)) ||
	    !field(request, "ttl_ms", ttl, sizeof(ttl)))
		return -EINVAL;
	if (*at != NULL)
		drop(c, at);
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	memcpy(e->key, key, strlen(key) + 1);
	memcpy(e->value, value, sizeof(value));
	e->expires_at = now_ms() + atoi(ttl);
	e->next = c->entries;
	c->entries = e;
	c->size++;
	return 0;
}

static int
cache_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	char op[16] = "", key[TEXT_MAX] = "";
	struct cache *c = state;
	struct entry *e;

	(void)len;
	(void)field(request, "op", op, sizeof(op));
	if (strcmp(op, "size") == 0)
		return otp_replyf(self, from, "{\"size\":%d}", c->size);
	if (!field(request, "key", key, sizeof(key)))
		return otp_replyf(self, from, "{\"error\":\"bad_request\"}");
	if (strcmp(op, "put") == 0)
		return otp_replyf(self, from, put(c, request, key) == 0 ?
		    "{\"result\":\"ok\"}" : "{\"error\":\"bad_request\"}");
	e = *find(c, key);
	if (e == NULL || now_ms() >= e->expires_at)
		return otp_replyf(self, from, "{\"error\":\"not_found\"}");
	return otp_replyf(self, from, "{\"value\":\"%s\"}", e->value);
}

static int
cache_info(struct otp *self, const struct otp_info *info, void *state)
{
	struct cache *c = state;
	struct entry **at = &c->entries;

	if (info->kind != OTP_MESSAGE || strcmp(info->data, SWEEP) != 0)
		return OTP_OK;
	while (*at != NULL)
		if (now_ms() >= (*at)->expires_at)
			drop(c, at);
		else
			at = &(*at)->next;
	/* Only now the next: a slow sweep is never overtaken by another. */
	return otp_send_after(self, c->sweep_ms, SWEEP, strlen(SWEEP), NULL);
}

static int
cache_init(struct otp *self, int argc, char **argv, void **state)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	*state = c;
	c->sweep_ms = argc > 1 ? (uint32_t)atoi(argv[1]) : SWEEP_MS;
	return otp_send_after(self, c->sweep_ms, SWEEP, strlen(SWEEP), NULL);
}

static const struct otp_gen_server_ops cache = {
	.init = cache_init,
	.handle_call = cache_call,
	.handle_info = cache_info,
};

int
main(int argc, char **argv)
{
	return otp_gen_server_main(&cache, argc, argv);
}
