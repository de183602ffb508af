/* SPDX-License-Identifier: ISC */
/*
 * System messages, answered by the library in servers whose callbacks know
 * nothing of them.  They come between callbacks, also while suspended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "libotp/serve.h"

typedef void system_fn(struct otp *o, const struct frame_header *h,
    const char *data, struct otp_out *out);

static void
say_error(struct otp_out *out, const char *word, const char *message)
{
	(void)otp_print(out, "{\"error\":\"%s\",\"message\":\"%s\"}", word,
	    message);
}

static void
say_result(struct otp *o, struct otp_out *out, int rc)
{
	(void)o;
	if (rc < 0)
		(void)otp_print(out, "{\"error\":\"failed\",\"errno\":%d}",
		    -rc);
	else
		(void)otp_print(out, "{\"result\":\"ok\"}");
}

/* The state as its callback writes it; null when there is none. */
static void
state_value(struct otp *o, struct otp_out *out, bool whole)
{
	const struct otp_gen_server_ops *ops = o->srv->ops;
	struct otp_out state = { 0 };
	int rc = -ENOSYS;

	if (whole && ops->get_state != NULL)
		rc = ops->get_state(o, &state, o->srv->state);
	else if (ops->format_status != NULL)
		rc = ops->format_status(o, &state, o->srv->state);
	if (rc < 0 || state.len == 0)
		(void)otp_print(out, "null");
	else
		(void)otpi_json_value(out, state.text, state.len);
	otpi_out_free(&state);
}

static void
get_state(struct otp *o, const struct frame_header *h, const char *data,
    struct otp_out *out)
{
	(void)h;
	(void)data;
	(void)otp_print(out, "{\"state\":");
	state_value(o, out, true);
	(void)otp_print(out, "}");
}

static void
get_status(struct otp *o, const struct frame_header *h, const char *data,
    struct otp_out *out)
{
	struct otpi_server *s = o->srv;

	(void)h;
	(void)data;
	(void)otp_print(out, "{\"behaviour\":\"gen_server\",\"status\":\"%s\","
	    "\"parent\":%s,\"name\":", s->suspended ? "suspended" : "running",
	    otpi_has_link(o) ? "\"otpd\"" : "null");
	if (s->name == NULL)
		(void)otp_print(out, "null");
	else
		(void)otpi_json_string(out, s->name);
	(void)otp_print(out, ",\"path\":");
	(void)otpi_json_string(out, s->path);
	(void)otp_print(out, ",\"pid\":%d,\"generation\":%llu,\"trap_exit\":%s,"
	    "\"state\":", (int)getpid(), (unsigned long long)s->generation,
	    s->trapping ? "true" : "false");
	state_value(o, out, false);
	(void)otp_print(out, "}");
}

static void
suspend(struct otp *o, const struct frame_header *h, const char *data,
    struct otp_out *out)
{
	(void)h;
	(void)data;
	o->srv->suspended = true;
	say_result(o, out, 0);
}

static void
resume(struct otp *o, const struct frame_header *h, const char *data,
    struct otp_out *out)
{
	(void)h;
	(void)data;
	o->srv->suspended = false;
	say_result(o, out, 0);
}

static void
statistics(struct otp *o, const struct frame_header *h, const char *data,
    struct otp_out *out)
{
	const struct otpi_stats *st = &o->srv->stats;
	struct rusage ru = { 0 };
	struct timespec ts;

	(void)h;
	(void)data;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)getrusage(RUSAGE_SELF, &ru);
	(void)otp_print(out, "{\"start_time\":%llu,\"current_time\":%llu,"
	    "\"cpu_us\":%llu,\"messages_in\":%llu,\"messages_out\":%llu,",
	    (unsigned long long)st->started,
	    (unsigned long long)ts.tv_sec * 1000 +
	    (unsigned long long)ts.tv_nsec / OTPI_MSEC,
	    ((unsigned long long)ru.ru_utime.tv_sec +
	    (unsigned long long)ru.ru_stime.tv_sec) * 1000000 +
	    (unsigned long long)ru.ru_utime.tv_usec +
	    (unsigned long long)ru.ru_stime.tv_usec,
	    (unsigned long long)(st->calls + st->casts + st->infos),
	    (unsigned long long)st->replies);
	(void)otp_print(out, "\"calls\":%llu,\"casts\":%llu,\"infos\":%llu,"
	    "\"expired\":%llu,\"refused\":%llu,\"faulty\":%llu,"
	    "\"callers\":%u,\"timers\":%u}", (unsigned long long)st->calls,
	    (unsigned long long)st->casts, (unsigned long long)st->infos,
	    (unsigned long long)st->expired, (unsigned long long)st->refused,
	    (unsigned long long)st->faulty, o->srv->ncallers,
	    o->srv->ntimers);
}

static void
replace_state(struct otp *o, const struct frame_header *h, const char *data,
    struct otp_out *out)
{
	struct otpi_server *s = o->srv;

	if (s->ops->replace_state == NULL)
		say_error(out, "undefined", "it has no replace_state");
	else
		say_result(o, out, s->ops->replace_state(o, data, h->length,
		    &s->state));
}

static void
change_code(struct otp *o, const struct frame_header *h, const char *data,
    struct otp_out *out)
{
	struct otpi_server *s = o->srv;
	void *state = s->state;
	int rc;

	if (!s->suspended) {
		say_error(out, "not_suspended", "suspend it first");
	} else if (s->ops->code_change == NULL) {
		say_error(out, "undefined", "it has no code_change");
	} else {
		rc = s->ops->code_change(o, data, h->length, &state);
		if (rc == 0)
			s->state = state;
		say_result(o, out, rc);
	}
}

static system_fn *const operations[OTPI_NSYSTEM] = {
	[OTPI_GET_STATE] = get_state,
	[OTPI_GET_STATUS] = get_status,
	[OTPI_SUSPEND] = suspend,
	[OTPI_RESUME] = resume,
	[OTPI_STATISTICS] = statistics,
	[OTPI_REPLACE_STATE] = replace_state,
	[OTPI_CHANGE_CODE] = change_code,
};

/* The reply comes when it has ended, as the last thing said. */
static void
terminate(struct otp *o, uint64_t peer, const struct frame_header *h,
    const char *data)
{
	struct otpi_server *s = o->srv;
	char reason[OTP_REASON_MAX] = "normal";

	if (h->length > 0 && h->length < sizeof(reason))
		(void)snprintf(reason, sizeof(reason), "%s", data);
	s->asked = 0;
	s->stop_from = (struct otp_from){ .peer = peer, .ref = h->ref };
	free(s->stop_reply);
	s->stop_reply = strdup("{\"result\":\"ok\"}");
	if (s->stop_reply != NULL) {
		s->stop_len = strlen(s->stop_reply);
		s->asked = OTPI_ASK_REPLY;
	}
	otpi_end(o, reason, true);
}

/* Each message, in and out, goes to the one who asked, as long as it reads. */
static void
trace(struct otp *o, uint64_t peer, const struct frame_header *h,
    const char *data, struct otp_out *out)
{
	bool on = h->length == 0 || strcmp(data, "on") == 0;

	o->srv->tracer = on ? peer : 0;
	o->srv->trace_ref = h->ref;
	say_result(o, out, 0);
}

void
otpi_trace(struct otp *o, const char *event, const char *type,
    const void *data, size_t len)
{
	struct otpi_server *s = o->srv;
	struct otpi_conn *c = otpi_caller(s, s->tracer);
	struct otp_out out = { 0 };

	if (c == NULL || otpi_conn_queued(c) > OTPI_QUEUE_PAUSE)
		return;
	if (otp_print(&out, "{\"event\":\"%s\",\"type\":\"%s\",\"data\":",
	    event, type) == 0 && otpi_json_value(&out, data, len) == 0 &&
	    otp_print(&out, "}") == 0)
		(void)otpi_answer(o, s->tracer, FRAME_INFO, s->trace_ref,
		    out.text, out.len);
	otpi_out_free(&out);
}

void
otpi_system(struct otp *o, uint64_t peer, const struct frame_header *h,
    const char *data)
{
	struct otpi_server *s = o->srv;
	struct otp_out out = { 0 };
	bool was = s->suspended;

	if (h->tag == OTPI_TERMINATE) {
		terminate(o, peer, h, data);
		return;
	}
	if (h->tag == OTPI_TRACE)
		trace(o, peer, h, data, &out);
	else if (h->tag < OTPI_NSYSTEM && operations[h->tag] != NULL)
		operations[h->tag](o, h, data, &out);
	else
		say_error(&out, "bad_request", "no such operation");
	(void)otpi_answer(o, peer, FRAME_REPLY, h->ref,
	    out.text == NULL ? "null" : out.text,
	    out.text == NULL ? 4 : out.len);
	otpi_out_free(&out);
	/* A timeout that was running begins again. */
	if (s->idle_at != 0)
		s->idle_at = otpi_now() + s->idle_ms * OTPI_MSEC;
	if (was && !s->suspended && s->mail == NULL)
		otpi_unpause(o);
}
