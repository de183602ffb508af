/* SPDX-License-Identifier: ISC */
/*
 * otp-pool: the callbacks and the command line.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers/limit.h"
#include "workers/pool/pool.h"
#include "workers/port/json.h"

static const char usage_words[] =
    "usage: otp-pool [--size n] [--max-overflow n] [--order lifo|fifo]\n"
    "It is started by otpd, for a child of the type \"pool\".\n";

static struct pool pool = { .size = 5, .max_overflow = 10 };

void
pool_fail(struct pool *p, const char *reason)
{
	if (!p->failed)
		(void)snprintf(p->reason, sizeof(p->reason), "%s", reason);
	p->failed = true;
}

/* --- requests --- */

static bool
is_true(struct span request, const char *key, bool otherwise)
{
	struct span v;

	return json_member(request, key, &v) ? v.at[0] == 't' : otherwise;
}

static uint64_t
number(struct span request, const char *key)
{
	struct span v;

	return json_member(request, key, &v) && v.at[0] >= '0' &&
	    v.at[0] <= '9' ? strtoull(v.at, NULL, 10) : 0;
}

/* In poolboy's sense: full means that nobody gets a worker at once. */
static const char *
state_word(const struct pool *p, uint32_t overflow)
{
	if (overflow == 0 && p->nfree > 0)
		return "ready";
	return overflow >= p->max_overflow ? "full" : "overflow";
}

static void
print_loans(struct text *t, const struct worker *w)
{
	char item[OTP_WORKER_MAX + 64];
	const char *comma = "";

	text_puts(t, ",\"loans\":[");
	for (; w != NULL; w = w->next) {
		if (w->state != WORKER_HELD)
			continue;
		(void)snprintf(item, sizeof(item),
		    "%s{\"worker\":\"%s\",\"pid\":%d}", comma, w->path,
		    (int)w->holder->pid);
		text_puts(t, item);
		comma = ",";
	}
	text_puts(t, "]");
}

static void
print_status(const struct pool *p, struct text *t)
{
	uint32_t live = workers_live(p);
	uint32_t overflow = live > p->size ? live - p->size : 0;
	char head[320];

	(void)snprintf(head, sizeof(head), "{\"state\":\"%s\",\"size\":%u,"
	    "\"max_overflow\":%u,\"order\":\"%s\",\"free\":%u,"
	    "\"overflow\":%u,\"held\":%u,\"waiting\":%u,\"starting\":%u",
	    state_word(p, overflow), p->size, p->max_overflow,
	    p->fifo ? "fifo" : "lifo", p->nfree, overflow, p->nheld,
	    p->nwaits, p->ncoming);
	text_puts(t, head);
	print_loans(t, p->others.first);
	text_puts(t, "}");
}

static void
reply_status(struct pool *p, struct otp_from from)
{
	struct text t = { 0 };

	print_status(p, &t);
	(void)otp_reply(p->self, from, t.data, t.len);
	text_done(&t);
}

static int
get_state(struct otp *self, struct otp_out *out, void *state)
{
	struct text t = { 0 };
	int rc;

	(void)self;
	print_status(state, &t);
	rc = otp_write(out, t.data, t.len);
	text_done(&t);
	return rc;
}

static void
checkin(struct pool *p, struct otp_from from, struct span request)
{
	char path[OTP_WORKER_MAX];
	struct span v;

	if (json_member(request, "worker", &v) &&
	    json_string(v, path, sizeof(path)))
		loan_checkin(p, from.peer, path);
	if (!is_true(request, "quiet", false))
		(void)otp_replyf(p->self, from, "{\"result\":\"ok\"}");
}

static void
handle(struct pool *p, struct otp_from from, struct span request)
{
	char op[16] = "";
	struct span v;

	if (json_valid(request) && json_member(request, "op", &v))
		(void)json_string(v, op, sizeof(op));
	if (strcmp(op, "checkout") == 0)
		loan_checkout(p, from, number(request, "ref"),
		    is_true(request, "block", true));
	else if (strcmp(op, "checkin") == 0)
		checkin(p, from, request);
	else if (strcmp(op, "cancel") == 0)
		loan_cancel(p, from.peer, number(request, "ref"));
	else if (strcmp(op, "status") == 0)
		reply_status(p, from);
	else
		(void)otp_replyf(p->self, from, "{\"error\":\"bad_request\","
		    "\"message\":\"a request is {\\\"op\\\": checkout, "
		    "checkin, cancel or status}\"}");
}

static int
goes_on(struct pool *p)
{
	return p->failed ? otp_stop(p->self, p->reason) : OTP_OK;
}

static int
handle_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	(void)self;
	handle(state, from, (struct span){ request, len });
	return goes_on(state);
}

/* A loan has a holder; a cast has nobody. */
static int
handle_cast(struct otp *self, const char *message, size_t len, void *state)
{
	(void)self;
	(void)message;
	(void)len;
	return goes_on(state);
}

/* The workers' supervisor has ended: so does the pool, as poolboy's does. */
static void
sup_down(struct pool *p, const char *reason)
{
	p->sup_monitor = 0;
	if (strcmp(reason, "noconnection") == 0)
		return;		/* otpd has ended: nobody would start it */
	pool_fail(p, reason);
}

static int
handle_info(struct otp *self, const struct otp_info *info, void *state)
{
	struct pool *p = state;

	(void)self;
	switch (info->kind) {
	case OTP_DOWN:
		if (p->sup_monitor != 0 && info->ref == p->sup_monitor)
			sup_down(p, info->reason);
		else if (!loan_holder_down(p, info->ref))
			(void)workers_down(p, info->ref);
		break;
	case OTP_RESPONSE:
		workers_response(p, info);
		break;
	case OTP_TIMER:
		workers_timer(p);
		break;
	case OTP_MESSAGE:
	case OTP_TIMEOUT:
	case OTP_EXIT:
	case OTP_TASK:
		break;
	}
	return goes_on(p);
}

/* --- init --- */

/* Beside it: web/db/pool lends the children of web/db/workers. */
static bool
find_workers(struct pool *p)
{
	const char *path = getenv("OTP_PATH"), *slash;

	slash = path == NULL ? NULL : strrchr(path, '/');
	return slash != NULL && (size_t)snprintf(p->sup, sizeof(p->sup),
	    "%.*s/workers", (int)(slash - path), path) < sizeof(p->sup) - 24;
}

static int
init(struct otp *self, int argc, char **argv, void **state)
{
	const char *reason;

	(void)argc;
	(void)argv;
	*state = &pool;
	pool.self = self;
	reason = find_workers(&pool) ? workers_begin(&pool) :
	    "{bad_argument,path}";
	if (reason == NULL)
		return OTP_OK;
	/* Somebody has stopped the workers, and will start the pool with
	 * them again. */
	return strcmp(reason, "shutdown") == 0 ? OTP_IGNORE :
	    otp_stop(self, reason);
}

static const struct otp_gen_server_ops ops = {
	.init = init, .handle_call = handle_call, .handle_cast = handle_cast,
	.handle_info = handle_info, .get_state = get_state,
};

/* --- the command line --- */

static bool
parse_number(const char *text, uint32_t *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	*out = (uint32_t)n;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' &&
	    errno == 0 && n <= POOL_WORKERS_MAX;
}

static bool
take_option(int opt)
{
	switch (opt) {
	case 's':
		return parse_number(optarg, &pool.size);
	case 'o':
		return parse_number(optarg, &pool.max_overflow);
	case 'f':
		pool.fifo = strcmp(optarg, "fifo") == 0;
		return pool.fifo || strcmp(optarg, "lifo") == 0;
	default:
		return false;
	}
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "size", required_argument, NULL, 's' },
		{ "max-overflow", required_argument, NULL, 'o' },
		{ "order", required_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 }
	};
	struct otp_options options = { .size = sizeof(options) };
	struct otp *self;
	int opt, code = 1;
	bool good = true;

	while (good && (opt = getopt_long(argc, argv, "", longs, NULL)) != -1)
		good = take_option(opt);
	if (!good || optind != argc || getenv("OTP_LINK") == NULL ||
	    pool.size + pool.max_overflow == 0) {
		(void)fputs(usage_words, stderr);
		return 2;
	}
	limit_files();
	if (otp_gen_server_start(&ops, &options, &self, &code) == 0) {
		code = otp_gen_server_run(self);
		loan_done(&pool);
		workers_done(&pool);
		otp_free(self);
	}
	return code;
}
