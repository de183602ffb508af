/* SPDX-License-Identifier: ISC */
/*
 * A counter: {"op":"get"}, {"op":"increment"}, {"op":"increment_by","amount":5}
 * as calls; the last two as casts as well.  {"op":"crash"} is a bug.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <otp.h>

static long count;

static int
apply(const char *message)
{
	const char *amount = strstr(message, "\"amount\":");

	if (strstr(message, "\"crash\"") != NULL)
		abort();
	if (strstr(message, "\"increment_by\"") != NULL && amount != NULL)
		count += strtol(amount + 9, NULL, 10);
	else if (strstr(message, "\"increment\"") != NULL)
		count++;
	return OTP_OK;
}

static int
counter_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	(void)len;
	(void)state;
	apply(request);
	return otp_replyf(self, from, "{\"count\":%ld}", count);
}

static int
counter_cast(struct otp *self, const char *message, size_t len, void *state)
{
	(void)self;
	(void)len;
	(void)state;
	return apply(message);
}

static int
counter_status(struct otp *self, struct otp_out *out, void *state)
{
	(void)self;
	(void)state;
	return otp_print(out, "{\"count\":%ld}", count);
}

static const struct otp_gen_server_ops counter = {
	.handle_call = counter_call,
	.handle_cast = counter_cast,
	.format_status = counter_status,
};

int
main(int argc, char **argv)
{
	return otp_gen_server_main(&counter, argc, argv);
}
