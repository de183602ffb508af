/* SPDX-License-Identifier: ISC */
/*
 * So many calls in a window of time, and no more:
 * rate_limiter [LIMIT [WINDOW_MS]].
 *
 *	{"op":"take"}	-> {"result":"ok","left":N} or
 *			   {"error":"rate_limited"}
 *
 * The first call opens the window and sets a timer, whose message closes it
 * and sets the count back.  So a server that nobody calls is never woken.
 */
#include <stdlib.h>
#include <string.h>

#include <otp.h>

#define LIMIT		100
#define WINDOW_MS	1000

struct limiter {
	int		limit, used;
	uint32_t	window_ms;
	uint64_t	timer;		/* of the open window; 0: none is */
};

static int
take(struct otp *self, struct limiter *l)
{
	int rc;

	if (l->timer == 0) {
		rc = otp_start_timer(self, l->window_ms, NULL, 0, &l->timer);
		if (rc < 0)
			return rc;
	}
	if (l->used == l->limit)
		return 0;
	l->used++;
	return 1;
}

static int
limiter_init(struct otp *self, int argc, char **argv, void **state)
{
	static struct limiter l = { .limit = LIMIT, .window_ms = WINDOW_MS };

	if (argc > 1)
		l.limit = atoi(argv[1]);
	if (argc > 2)
		l.window_ms = (uint32_t)atoi(argv[2]);
	if (l.limit < 1 || l.window_ms < 1)
		return otp_stop(self, "{bad_argument,limiter}");
	*state = &l;
	return OTP_OK;
}

static int
limiter_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	struct limiter *l = state;
	int rc;

	(void)len;
	if (strstr(request, "\"take\"") == NULL)
		return otp_replyf(self, from, "{\"error\":\"bad_request\"}");
	rc = take(self, l);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return otp_replyf(self, from, "{\"error\":\"rate_limited\"}");
	return otp_replyf(self, from, "{\"result\":\"ok\",\"left\":%d}",
	    l->limit - l->used);
}

/* The ref tells our timer from what others may send us. */
static int
limiter_info(struct otp *self, const struct otp_info *info, void *state)
{
	struct limiter *l = state;

	(void)self;
	if (info->kind == OTP_TIMER && info->ref == l->timer) {
		l->used = 0;
		l->timer = 0;
	}
	return OTP_OK;
}

static int
limiter_status(struct otp *self, struct otp_out *out, void *state)
{
	const struct limiter *l = state;

	(void)self;
	return otp_print(out, "{\"used\":%d,\"limit\":%d}", l->used,
	    l->limit);
}

static const struct otp_gen_server_ops limiter = {
	.init = limiter_init,
	.handle_call = limiter_call,
	.handle_info = limiter_info,
	.format_status = limiter_status,
};

int
main(int argc, char **argv)
{
	return otp_gen_server_main(&limiter, argc, argv);
}
