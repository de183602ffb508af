/* SPDX-License-Identifier: ISC */
/*
 * otpctl: ask otpd, show what it says.  Parses the command line, finds the
 * command's row and runs it; knows nothing of any command itself.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otpctl/otpctl.h"
#include "wire/guess.h"

#ifndef PACKAGE_VERSION
#ifdef HAVE_CONFIG_H
#include "config.h"
#else
#define PACKAGE_VERSION "0"
#endif
#endif

#define TIMEOUT_MAX_S	1e9

enum { OPT_JSON = 256, OPT_SINCE, OPT_TIMEOUT, OPT_DRY_RUN, OPT_SUP,
	OPT_MOST, OPT_UNORDERED, OPT_NO_STDIN, OPT_PREFIX, OPT_ALONE };

static const struct option long_options[] = {
	{ "runtime-dir", required_argument, NULL, 'r' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "follow", no_argument, NULL, 'f' },
	{ "lines", required_argument, NULL, 'n' },
	{ "since", required_argument, NULL, OPT_SINCE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "alone", no_argument, NULL, OPT_ALONE },
	{ "sup", required_argument, NULL, OPT_SUP },
	{ "max-concurrency", required_argument, NULL, OPT_MOST },
	{ "unordered", no_argument, NULL, OPT_UNORDERED },
	{ "null", no_argument, NULL, '0' },
	{ "no-stdin", no_argument, NULL, OPT_NO_STDIN },
	{ "prefix", required_argument, NULL, OPT_PREFIX },
	{ NULL, 0, NULL, 0 }
};

static const char usage_words[] =
    "usage: otpctl [-q] [-r RUNTIME_DIR] [--json] COMMAND [ARGUMENT...]\n";

static const char options_words[] =
    "\nOptions, before or after the command:\n"
    "  -r DIR         otpd's runtime directory ($OTP_RUNTIME_DIR; /run/otpd "
    "as root,\n"
    "                 $XDG_RUNTIME_DIR/otpd otherwise)\n"
    "  -q             no words about what went well\n"
    "  --json         what otpd answered, as JSON\n"
    "  --timeout S    how long to wait for the outcome (3, 0.5, 250ms, 2m)\n"
    "  -f, -n N, --since SEQ, --dry-run, --prefix P, --alone\n"
    "                 where a command says so\n"
    "  -h, --help     this list        -V, --version\n"
    "\nExit codes:\n"
    "  0  done\n"
    "  1  refused, or tried and failed\n"
    "  2  the command line makes no sense\n"
    "  4  no such child\n"
    "  5  otpd cannot be reached, or was lost before it answered\n"
    "  6  timed out\n";

static void
help_all(struct buf *b)
{
	const struct command *cmd;
	int used;

	buf_puts(b, usage_words);
	buf_puts(b, "\nCommands:\n");
	for (cmd = commands; cmd->name != NULL; cmd++) {
		used = (int)(strlen(cmd->name) + strlen(cmd->args) + 1);
		buf_printf(b, "  %s %s%*s%s\n", cmd->name, cmd->args,
		    used < 26 ? 26 - used : 1, "", cmd->help);
	}
	buf_puts(b, options_words);
}

static void
help_one(struct buf *b, const struct command *cmd)
{
	buf_printf(b, "usage: otpctl %s%s%s%s%s\n\n%s.\n", cmd->name,
	    cmd->args[0] != '\0' ? " " : "", cmd->args,
	    cmd->options & CTL_OPT_TIMEOUT_MS ? " [--timeout MS]" :
	    cmd->options & CTL_OPT_TIMEOUT ? " [--timeout S]" : "",
	    " [-q] [--json]", cmd->help);
	if (cmd->more != NULL)
		buf_printf(b, "%s\n", cmd->more);
	if (cmd->patience_s != 0)
		buf_printf(b, "Waits at most %u s for an answer.\n",
		    cmd->patience_s);
}

static int
no_command(const char *name)
{
	struct guess guess = { .word = name };
	const struct command *cmd;
	char words[64];

	for (cmd = commands; cmd->name != NULL; cmd++)
		guess_try(&guess, cmd->name);
	ctl_warn("no command %s%s", name, guess.best == NULL ?
	    "; see: otpctl --help" : guess_words(&guess, words, sizeof(words)));
	return CTL_USAGE;
}

int
cmd_help(struct ctl *c)
{
	const struct command *about = NULL;

	if (c->argc == 0) {
		help_all(&c->text);
		return CTL_OK;
	}
	about = command_find(c->argv[0]);
	if (about == NULL)
		return no_command(c->argv[0]);
	help_one(&c->text, about);
	return CTL_OK;
}

/* A number of units, or with ms, s or m; 0 ns is rounded up to 1. */
static bool
parse_timeout(const char *s, double unit, uint64_t *out)
{
	double v;
	char *end;

	if (strcmp(s, "infinity") == 0) {
		*out = UINT64_MAX;
		return true;
	}
	errno = 0;
	v = strtod(s, &end);
	if (end == s || errno != 0 || !isfinite(v) || v < 0 ||
	    v > TIMEOUT_MAX_S)
		return false;
	if (strcmp(end, "ms") == 0)
		unit = 1e-3;
	else if (strcmp(end, "m") == 0)
		unit = 60;
	else if (strcmp(end, "s") == 0)
		unit = 1;
	else if (end[0] != '\0')
		return false;
	*out = (uint64_t)(v * unit * 1e9) + 1;
	return true;
}

static bool
parse_number(const char *s, uint64_t max, uint64_t *out)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (s[0] < '0' || s[0] > '9' || *end != '\0' || errno != 0 || v > max)
		return false;
	*out = v;
	return true;
}

static int
usage(const char *words, const char *what)
{
	ctl_warn("%s%s; see: otpctl --help", words, what);
	return CTL_USAGE;
}

/* What getopt_long() could not make sense of, by name. */
static int
bad_option(int opt, char *const *argv)
{
	const char *words = opt == ':' ? "missing argument of " :
	    "unknown option ";
	char letter[3] = "-?";

	if (optopt <= 0 || optopt > 255)
		return usage(words, argv[optind - 1]);
	letter[1] = (char)optopt;
	return usage(words, letter);
}

/* Those of task run. */
static int
take_task_option(struct ctl *c, int opt)
{
	uint64_t n;

	switch (opt) {
	case OPT_SUP:
		c->sup = optarg;
		return CTL_OK;
	case OPT_MOST:
		if (!parse_number(optarg, 10000, &n) || n == 0)
			return usage("not a number from 1 to 10000: ", optarg);
		c->most = (unsigned)n;
		return CTL_OK;
	case OPT_UNORDERED:
		c->unordered = true;
		return CTL_OK;
	case '0':
		c->null = true;
		return CTL_OK;
	default:
		c->no_stdin = true;
		return CTL_OK;
	}
}

/* One option; its mask joins *given.  CTL_OK or CTL_USAGE. */
static int
take_option(struct ctl *c, int opt, unsigned *given)
{
	uint64_t n;

	switch (opt) {
	case 'r':
		c->runtime_dir = optarg;
		return CTL_OK;
	case 'q':
		c->quiet = true;
		return CTL_OK;
	case OPT_JSON:
		c->json = true;
		return CTL_OK;
	case 'f':
		c->follow = true;
		*given |= CTL_OPT_FOLLOW;
		return CTL_OK;
	case OPT_DRY_RUN:
		c->dry_run = true;
		*given |= CTL_OPT_DRY_RUN;
		return CTL_OK;
	case OPT_ALONE:
		c->alone = true;
		*given |= CTL_OPT_ALONE;
		return CTL_OK;
	case 'n':
		if (!parse_number(optarg, 1000000, &n))
			return usage("not a number of lines: ", optarg);
		c->lines = (int)n;
		*given |= CTL_OPT_LINES;
		return CTL_OK;
	case OPT_SINCE:
		if (!parse_number(optarg, UINT64_C(1) << 53, &c->since))
			return usage("not an event's number: ", optarg);
		c->has_since = true;
		*given |= CTL_OPT_SINCE;
		return CTL_OK;
	case OPT_PREFIX:
		c->prefix = optarg;
		*given |= CTL_OPT_PREFIX;
		return CTL_OK;
	case OPT_TIMEOUT:
		c->timeout = optarg;
		*given |= CTL_OPT_TIMEOUT;
		return CTL_OK;
	default:
		*given |= CTL_OPT_TASK;
		return take_task_option(c, opt);
	}
}

/* Does what follows belong to the command that is to be run? */
static bool
all_operands(const struct ctl *c)
{
	const struct command *cmd = command_find(c->argv[0]);

	return cmd != NULL && (cmd->options & CTL_OPT_TASK) != 0 &&
	    c->argc == 3;
}

/*
 * Options and operands in any order; a leading '-' in the letters makes
 * getopt hand operands over as option 1, wherever they stand.
 */
static int
parse(struct ctl *c, int argc, char **argv, unsigned *given, bool *help)
{
	int opt, rc;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "-:r:qhVfn:0", long_options,
	    NULL)) != -1) {
		if (opt == 1) {
			c->argv[c->argc++] = optarg;
			if (all_operands(c))
				break;
		} else if (opt == 'h') {
			*help = true;
		} else if (opt == 'V') {
			buf_printf(&c->text, "otpctl %s\n", PACKAGE_VERSION);
			buf_flush(&c->text, STDOUT_FILENO);
			exit(CTL_OK);
		} else if (opt == '?' || opt == ':') {
			return bad_option(opt, argv);
		} else {
			rc = take_option(c, opt, given);
			if (rc != CTL_OK)
				return rc;
		}
	}
	while (optind < argc)
		c->argv[c->argc++] = argv[optind++];
	return CTL_OK;
}

/* The command, whose name stands first among the operands. */
static int
pick(struct ctl *c, unsigned given, bool help)
{
	if (c->argc == 0) {
		if (help) {
			c->cmd = command_find("help");
			return CTL_OK;
		}
		buf_puts(&c->text, usage_words);
		buf_puts(&c->text, "see: otpctl --help\n");
		buf_flush(&c->text, STDERR_FILENO);
		return CTL_USAGE;
	}
	c->cmd = command_find(c->argv[0]);
	if (c->cmd == NULL)
		return no_command(c->argv[0]);
	if (help) {
		c->cmd = command_find("help");
		c->argc = 1;
		return CTL_OK;
	}
	c->argv++;
	c->argc--;
	if (c->argc < c->cmd->min ||
	    (c->cmd->max >= 0 && c->argc > c->cmd->max) ||
	    (given & ~c->cmd->options) != 0) {
		ctl_warn("usage: otpctl %s%s%s", c->cmd->name,
		    c->cmd->args[0] != '\0' ? " " : "", c->cmd->args);
		return CTL_USAGE;
	}
	if (c->timeout != NULL && !parse_timeout(c->timeout,
	    c->cmd->options & CTL_OPT_TIMEOUT_MS ? 1e-3 : 1, &c->timeout_ns))
		return usage("not a timeout: ", c->timeout);
	return CTL_OK;
}

/* Where otpd's sockets are; the answer lives as long as the program. */
static int
find_runtime(struct ctl *c)
{
	static const char *const names[CTL_NSERVERS] = { "otpd",
		"otp-logger" };
	static char dir[sizeof(c->links[0].path) - 32];
	const char *v, *below = "";
	int i;

	v = c->runtime_dir;
	if (v != NULL && v[0] == '\0')
		return usage("-r wants a directory", "");
	if (v == NULL)
		v = getenv("OTP_RUNTIME_DIR");
	if ((v == NULL || v[0] == '\0') && geteuid() == 0)
		v = "/run/otpd";
	if (v == NULL || v[0] == '\0') {
		v = getenv("XDG_RUNTIME_DIR");
		below = "/otpd";
	}
	if (v == NULL || v[0] == '\0')
		return usage("where otpd runs is not known: say -r DIR, or "
		    "set OTP_RUNTIME_DIR or XDG_RUNTIME_DIR", "");
	if ((size_t)snprintf(dir, sizeof(dir), "%s%s", v, below) >=
	    sizeof(dir))
		return usage("too long a path: ", v);
	c->runtime_dir = dir;
	for (i = 0; i < CTL_NSERVERS; i++)
		(void)snprintf(c->links[i].path, sizeof(c->links[i].path),
		    "%s/names/%s", dir, names[i]);
	return CTL_OK;
}

static void
set_deadline(struct ctl *c)
{
	uint64_t ns = c->timeout_ns;

	if (ns == 0 && !c->follow)
		ns = c->cmd->patience_s * UINT64_C(1000000000);
	if (ns != 0 && ns != UINT64_MAX)
		c->deadline = ctl_now_ns() + ns;
}

int
main(int argc, char **argv)
{
	struct ctl c;
	char **operands;
	unsigned given = 0;
	bool help = false;
	int rc;

	memset(&c, 0, sizeof(c));
	c.lines = -1;
	(void)signal(SIGPIPE, SIG_IGN);
	operands = calloc((size_t)argc + 1, sizeof(*operands));
	if (operands == NULL)
		abort();
	c.argv = operands;
	rc = parse(&c, argc, argv, &given, &help);
	if (rc == CTL_OK)
		rc = pick(&c, given, help);
	if (rc == CTL_OK && c.cmd->run != cmd_help)
		rc = find_runtime(&c);
	if (rc == CTL_OK) {
		look_init(&c.look);
		c.out = c.json ? &output_json : &output_text;
		set_deadline(&c);
		rc = c.cmd->run(&c);
		buf_flush(&c.text, STDOUT_FILENO);
	}
	ctl_close(&c);
	buf_done(&c.text);
	free(operands);
	return rc;
}
