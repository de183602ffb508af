/* SPDX-License-Identifier: ISC */
/*
 * otp-agent: the callbacks and the command line.  What is asked of it is in
 * ops.c.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/reason.h"
#include "workers/agent/agent.h"
#include "workers/limit.h"

static const char usage_words[] =
    "usage: otp-agent [-s socket] [--init json] [--file file [--save]]\n"
    "\t[--max-size bytes] [--max-depth n]\n"
    "Without -s it must be started by otpd, as a gen_server.\n";

static struct agent agent = { .max_bytes = AGENT_BYTES_MAX,
	.max_depth = AGENT_DEPTH_MAX };

static int
handle_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	char reason[OTP_REASON_MAX];
	struct agent *a = state;

	if (agent_do(a, (struct span){ request, len }, reason))
		return otp_stop(self, reason);
	return otp_reply(self, from, a->reply.data, a->reply.len);
}

/* Nobody hears whether it could be done. */
static int
handle_cast(struct otp *self, const char *message, size_t len, void *state)
{
	char reason[OTP_REASON_MAX];

	if (agent_do(state, (struct span){ message, len }, reason))
		return otp_stop(self, reason);
	return OTP_OK;
}

static void
terminate(struct otp *self, const char *reason, void *state)
{
	struct agent *a = state;
	struct text text = { 0 };
	int rc;

	(void)self;
	(void)reason;
	if (!a->save)
		return;
	tree_print(&text, a->state);
	text_puts(&text, "\n");
	rc = file_save(a->file, &text);
	text_done(&text);
	if (rc < 0)
		(void)fprintf(stderr, "otp-agent: cannot save the state to "
		    "%s: %s; what is in it is older\n", a->file,
		    strerror(-rc));
}

static int
get_state(struct otp *self, struct otp_out *out, void *state)
{
	const struct agent *a = state;
	struct text text = { 0 };
	int rc;

	(void)self;
	tree_print(&text, a->state);
	rc = otp_write(out, text.data, text.len);
	text_done(&text);
	return rc;
}

static int
replace_state(struct otp *self, const char *text, size_t len, void **state)
{
	(void)self;
	return agent_replace(*state, (struct span){ text, len }) == NULL ? 0 :
	    -EINVAL;
}

/* --- init --- */

static int
start_failed(struct otp *self, const char *what, const char *why)
{
	char words[OTP_REASON_MAX], reason[OTP_REASON_MAX];

	(void)fprintf(stderr, "otp-agent: %s: %s\n", what, why);
	(void)snprintf(words, sizeof(words), "%.150s: %s", what, why);
	reason_start(words, reason);
	return otp_stop(self, reason);
}

/* What the file has, else what the command line has, else {}. */
static const char *
first_state(struct agent *a, const char **out_what)
{
	const char *given = a->init != NULL ? a->init : "{}", *why;
	struct text text = { 0 };
	int rc = -ENOENT;

	*out_what = "--init";
	if (a->file != NULL)
		rc = file_load(a->file, a->max_bytes, &text);
	if (rc == -ENOENT) {
		why = agent_replace(a, (struct span){ given, strlen(given) });
	} else {
		*out_what = a->file;
		why = rc < 0 ? strerror(-rc) : agent_replace(a,
		    (struct span){ text.data, text.len });
	}
	text_done(&text);
	return why;
}

static int
init(struct otp *self, int argc, char **argv, void **state)
{
	const char *what, *why;

	(void)argc;
	(void)argv;
	*state = &agent;
	why = first_state(&agent, &what);
	if (why != NULL)
		return start_failed(self, what, why);
	return agent.save ? otp_trap_exit(self, 1) : OTP_OK;
}

/* An agent is linked with nobody but its supervisor, as a rule; but who is
 * shall not lose what is to be saved. */
static int
handle_info(struct otp *self, const struct otp_info *info, void *state)
{
	(void)state;
	if (info->kind == OTP_EXIT && strcmp(info->reason, "normal") != 0)
		return otp_stop(self, info->reason);
	return OTP_OK;
}

static const struct otp_gen_server_ops ops = {
	.init = init, .handle_call = handle_call, .handle_cast = handle_cast,
	.handle_info = handle_info, .terminate = terminate,
	.get_state = get_state, .replace_state = replace_state,
};

/* --- the command line --- */

static bool
parse_number(const char *text, unsigned long least, unsigned long most,
    unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' &&
	    errno == 0 && *out >= least && *out <= most;
}

static bool
take_option(int opt, struct otp_options *options)
{
	unsigned long n;

	switch (opt) {
	case 's':
		options->socket = optarg;
		return true;
	case 'i':
		agent.init = optarg;
		return true;
	case 'f':
		agent.file = optarg;
		return true;
	case 'S':
		agent.save = true;
		return true;
	case 'b':
		if (!parse_number(optarg, 16, 1UL << 30, &n))
			return false;
		agent.max_bytes = n;
		return true;
	case 'd':
		if (!parse_number(optarg, 1, JSON_DEPTH_MAX - 1, &n))
			return false;
		agent.max_depth = (unsigned)n;
		return true;
	default:
		return false;
	}
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "init", required_argument, NULL, 'i' },
		{ "file", required_argument, NULL, 'f' },
		{ "save", no_argument, NULL, 'S' },
		{ "max-size", required_argument, NULL, 'b' },
		{ "max-depth", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 }
	};
	struct otp_options options = { .size = sizeof(options) };
	struct otp *self;
	int opt, code = 1;
	bool good = true;

	while (good && (opt = getopt_long(argc, argv, "s:", longs, NULL)) !=
	    -1)
		good = take_option(opt, &options);
	if (!good || optind != argc || (agent.save && agent.file == NULL) ||
	    (options.socket == NULL && getenv("OTP_LINK") == NULL)) {
		(void)fputs(usage_words, stderr);
		return 2;
	}
	limit_files();
	if (otp_gen_server_start(&ops, &options, &self, &code) == 0) {
		code = otp_gen_server_run(self);
		otp_free(self);
	}
	tree_free(agent.state);
	text_done(&agent.reply);
	return code;
}
