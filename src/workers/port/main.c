/* SPDX-License-Identifier: ISC */
/*
 * otp-port: the callbacks of the server, which turn each message into a line
 * for the program, and the loop that hears both.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire/reason.h"
#include "workers/port/port.h"

#define GRACE_MS	4000	/* less than a worker's shutdown, 5000 */

static const char usage_words[] =
    "usage: otp-port [-s socket] [-k ms] program [argument ...]\n"
    "Without -s it must be started by otpd, as a gen_server.\n";

uint64_t
port_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void
port_stop(struct port *p, const char *reason)
{
	if (p->stopping)
		return;
	p->stopping = true;
	(void)snprintf(p->reason, sizeof(p->reason), "%s",
	    reason_valid(reason, strlen(reason)) ? reason :
	    "{bad_reason,see_log}");
}

/* --- lines for the program --- */

static void
put_string(struct text *line, const char *key, const char *value)
{
	text_puts(line, key);
	json_quote(line, (struct span){ value, strlen(value) });
}

static void
end_line(struct port *p, struct text *line)
{
	text_puts(line, "}");
	program_send(p, line);
	text_done(line);
}

static void
say_message(struct port *p, const char *key, const char *data, size_t len)
{
	struct text line = { 0 };

	text_puts(&line, key);
	json_put(&line, (struct span){ data, len });
	end_line(p, &line);
}

static int
handle_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	char head[80];

	(void)self;
	(void)snprintf(head, sizeof(head), "{\"ref\":\"%llu.%llu\",\"call\":",
	    (unsigned long long)from.peer, (unsigned long long)from.ref);
	say_message(state, head, request, len);
	return OTP_OK;
}

static int
handle_cast(struct otp *self, const char *message, size_t len, void *state)
{
	(void)self;
	say_message(state, "{\"cast\":", message, len);
	return OTP_OK;
}

static void
say_response(struct port *p, const struct otp_info *info)
{
	struct wait *w = wait_take(p, WAIT_RESPONSE, info->ref);
	struct text line = { 0 };
	struct span given;

	if (w == NULL)
		return;
	given = (struct span){ w->given, strlen(w->given) };
	if (info->error < 0) {
		wait_failed(p, given, info->reason[0] != '\0' ? info->reason :
		    otp_strerror(info->error));
	} else {
		text_puts(&line, "{\"response\":");
		json_put(&line, (struct span){ info->data, info->len });
		text_puts(&line, ",\"ref\":");
		json_put(&line, given);
		end_line(p, &line);
	}
	free(w);
}

static void
say_down(struct port *p, const struct otp_info *info)
{
	struct wait *w = wait_take(p, WAIT_DOWN, info->ref);
	struct text line = { 0 };
	char pid[32];

	if (w == NULL)
		return;
	put_string(&line, "{\"down\":", info->reason);
	put_string(&line, ",\"who\":", info->who);
	(void)snprintf(pid, sizeof(pid), ",\"pid\":%d,\"ref\":", info->pid);
	text_puts(&line, pid);
	json_put(&line, (struct span){ w->given, strlen(w->given) });
	end_line(p, &line);
	free(w);
}

/* The library traps exits so that the program can be ended in order; whether
 * the program does is another matter. */
static int
take_exit(struct port *p, const struct otp_info *info)
{
	struct text line = { 0 };

	if (!p->trapping)
		return strcmp(info->reason, "normal") == 0 ? OTP_OK :
		    otp_stop(p->self, info->reason);
	put_string(&line, "{\"exit\":", info->reason);
	put_string(&line, ",\"who\":", info->who);
	end_line(p, &line);
	return OTP_OK;
}

static int
handle_info(struct otp *self, const struct otp_info *info, void *state)
{
	struct port *p = state;

	(void)self;
	switch (info->kind) {
	case OTP_RESPONSE:
		say_response(p, info);
		break;
	case OTP_DOWN:
		say_down(p, info);
		break;
	case OTP_EXIT:
		return take_exit(p, info);
	case OTP_MESSAGE:
		say_message(p, "{\"info\":", info->data, info->len);
		break;
	case OTP_TIMEOUT:
	case OTP_TIMER:
	case OTP_TASK:
		break;
	}
	return OTP_OK;
}

static void
terminate(struct otp *self, const char *reason, void *state)
{
	struct port *p = state;

	(void)self;
	program_end(p, reason);
}

static int
get_state(struct otp *self, struct otp_out *out, void *state)
{
	const struct port *p = state;

	(void)self;
	return p->state.len == 0 ? otp_print(out, "null") :
	    otp_write(out, p->state.data, p->state.len);
}

static int
format_status(struct otp *self, struct otp_out *out, void *state)
{
	const struct port *p = state;
	struct text program = { 0 };
	int rc;

	put_string(&program, "{\"program\":", p->argv[0]);
	rc = otp_print(out, "%s,\"pid\":%d,\"state\":", program.data,
	    (int)p->pid);
	text_done(&program);
	if (rc == 0)
		rc = get_state(self, out, state);
	return rc < 0 ? rc : otp_print(out, "}");
}

/* --- init --- */

static struct port port = { .in = -1, .out = -1, .signals = -1,
	.grace_ms = GRACE_MS };

static int
start_failed(struct otp *self, const char *step, int error)
{
	char words[OTP_REASON_MAX], reason[OTP_REASON_MAX];

	(void)snprintf(words, sizeof(words), "%s %.150s: %s", step,
	    port.argv[0], strerror(error));
	reason_start(words, reason);
	return otp_stop(self, reason);
}

/* Until the program says that it is ready, or will not be. */
static int
init(struct otp *self, int argc, char **argv, void **state)
{
	char reason[OTP_REASON_MAX];
	const char *step;
	int rc;

	(void)argc;
	(void)argv;
	*state = &port;
	port.self = self;
	rc = program_start(&port, &step);
	if (rc < 0)
		return start_failed(self, step, -rc);
	while (!port.ready && !port.ignore && !port.stopping && !port.ended)
		program_wait(&port, -1, -1);
	if (port.ready && !port.stopping)
		return otp_trap_exit(self, 1);
	if (!port.stopping)
		program_reason(&port, reason);
	program_end(&port, port.ignore ? "normal" : port.reason);
	if (port.ignore)
		return OTP_IGNORE;
	return otp_stop(self, port.stopping ? port.reason : reason);
}

static const struct otp_gen_server_ops ops = {
	.init = init, .handle_call = handle_call, .handle_cast = handle_cast,
	.handle_info = handle_info, .terminate = terminate,
	.format_status = format_status, .get_state = get_state,
};

/* --- the loop --- */

/* The server ends by itself, or because the program has. */
static void
stop_now(struct port *p)
{
	char reason[OTP_REASON_MAX];

	if (p->stopping)
		(void)snprintf(reason, sizeof(reason), "%s", p->reason);
	else
		program_reason(p, reason);
	if (p->replies) {
		program_end(p, reason);	/* in OTP's order: then the reply */
		(void)otp_reply(p->self, p->from, p->reply.data,
		    p->reply.len);
	}
	(void)otp_stop(p->self, reason);
}

static int
serve(struct port *p)
{
	int code;

	while (otp_dispatch(p->self) == 0) {
		if (p->stopping || p->ended)
			stop_now(p);
		else
			program_wait(p, otp_fd(p->self), wait_expire(p));
	}
	code = otp_exit_code(p->self);
	otp_free(p->self);
	wait_done(p);
	text_done(&p->queue);
	text_done(&p->line);
	text_done(&p->state);
	text_done(&p->reply);
	return code;
}

static bool
parse_ms(const char *text, unsigned *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
	    n > 3600000)
		return false;
	*out = (unsigned)n;
	return true;
}

static int
usage(void)
{
	(void)fputs(usage_words, stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	struct otp_options options = { .size = sizeof(options) };
	struct otp *self;
	int opt, code = 1;

	while ((opt = getopt(argc, argv, "+s:k:h")) != -1) {
		if (opt == 's')
			options.socket = optarg;
		else if (opt != 'k' || !parse_ms(optarg, &port.grace_ms))
			return usage();
	}
	if (optind == argc ||
	    (options.socket == NULL && getenv("OTP_LINK") == NULL))
		return usage();
	port.argv = argv + optind;
	if (otp_gen_server_start(&ops, &options, &self, &code) != 0)
		return code;
	return serve(&port);
}
