/* SPDX-License-Identifier: ISC */
/*
 * Stands before a server that may fail, and spares it when it does:
 * circuit_breaker TARGET [THRESHOLD [OPEN_MS [CALL_MS]]].
 *
 * Every call is passed on to TARGET.  What fails is counted, and a success
 * sets the count back.  At THRESHOLD the circuit is open: calls are refused
 * with {"error":"circuit_open"}, and TARGET hears nothing.  After OPEN_MS one
 * call is let through as a trial (half open): if it succeeds the circuit is
 * closed, if it fails it is open for OPEN_MS more.
 *
 * A request in flight is a struct request: TARGET's answer and the timer both
 * come to handle_info, whichever is first settles it.  So a TARGET that hangs
 * holds up nobody here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <otp.h>

#include "clock.h"

enum circuit { CLOSED, OPEN, HALF_OPEN };

struct request {
	struct request	*next;
	struct otp_from	 from;
	uint64_t	 ref, timer;
	int		 trial;
};

struct breaker {
	const char	*target;
	int		 threshold, failures;
	uint32_t	 open_ms, call_ms;
	int64_t		 open_until;
	enum circuit	 circuit;
	struct request	*requests;
};

static int
number(int argc, char **argv, int at, int otherwise)
{
	return argc > at ? atoi(argv[at]) : otherwise;
}

static int
breaker_init(struct otp *self, int argc, char **argv, void **state)
{
	struct breaker *b;

	if (argc < 2)
		return otp_stop(self, "{bad_argument,no_target}");
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	*state = b;
	b->target = argv[1];
	b->threshold = number(argc, argv, 2, 5);
	b->open_ms = (uint32_t)number(argc, argv, 3, 10000);
	b->call_ms = (uint32_t)number(argc, argv, 4, 1000);
	return OTP_OK;
}

/* Only the trial decides in a circuit that is not closed: what was asked
 * before says nothing about now. */
static void
learn(struct breaker *b, const struct request *r, int failed)
{
	if (b->circuit != CLOSED && !r->trial)
		return;
	b->failures = failed ? b->failures + 1 : 0;
	if (!failed) {
		b->circuit = CLOSED;
	} else if (r->trial || b->failures >= b->threshold) {
		b->circuit = OPEN;
		b->open_until = now_ms() + b->open_ms;
	}
}

static int
pass_on(struct otp *self, struct breaker *b, struct otp_from from,
    const char *data, size_t len)
{
	struct request *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return -ENOMEM;
	r->from = from;
	r->trial = b->circuit == HALF_OPEN;
	rc = otp_send_request(self, b->target, data, len, &r->ref);
	if (rc < 0) {
		learn(b, r, 1);
		free(r);
		return otp_replyf(self, from, "{\"error\":\"%s\"}",
		    otp_reason(self));
	}
	r->next = b->requests;
	b->requests = r;
	return otp_start_timer(self, b->call_ms, NULL, 0, &r->timer);
}

static int
breaker_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	struct breaker *b = state;

	if (b->circuit == OPEN && now_ms() >= b->open_until)
		b->circuit = HALF_OPEN;
	else if (b->circuit != CLOSED)	/* open, or its trial is under way */
		return otp_replyf(self, from, "{\"error\":\"circuit_open\"}");
	return pass_on(self, b, from, request, len);
}

static int
breaker_info(struct otp *self, const struct otp_info *info, void *state)
{
	int answered = info->kind == OTP_RESPONSE;
	struct breaker *b = state;
	struct request *r, **at;

	if (!answered && info->kind != OTP_TIMER)
		return OTP_OK;
	for (at = &b->requests; *at != NULL; at = &(*at)->next)
		if (info->ref == (answered ? (*at)->ref : (*at)->timer))
			break;
	r = *at;
	if (r == NULL)
		return OTP_OK;
	*at = r->next;
	learn(b, r, !answered || info->error < 0);
	if (answered)
		(void)otp_cancel_timer(self, r->timer);
	else
		(void)otp_abandon(self, r->ref);
	if (answered && info->error == 0)
		(void)otp_reply(self, r->from, info->data, info->len);
	else
		(void)otp_replyf(self, r->from, "{\"error\":\"%s\"}",
		    answered ? info->reason : "timeout");
	free(r);
	return OTP_OK;
}

static int
breaker_status(struct otp *self, struct otp_out *out, void *state)
{
	static const char *const words[] = { "closed", "open", "half_open" };
	const struct breaker *b = state;

	(void)self;
	return otp_print(out, "{\"circuit\":\"%s\",\"failures\":%d}",
	    words[b->circuit], b->failures);
}

static const struct otp_gen_server_ops breaker = {
	.init = breaker_init,
	.handle_call = breaker_call,
	.handle_info = breaker_info,
	.format_status = breaker_status,
};

int
main(int argc, char **argv)
{
	return otp_gen_server_main(&breaker, argc, argv);
}
