/* SPDX-License-Identifier: ISC */
/*
 * otpd itself in words: which processes it is, where its files are, and what
 * befell it.  The services are not looked at here.
 */
#include <string.h>

#include "otpctl/node.h"
#include "otpctl/otpctl.h"
#include "wire/reason.h"

#define MARGIN	9		/* of the words in front */

static void
begin_line(struct buf *b, const char *word)
{
	buf_puts(b, word);
	buf_pad(b, MARGIN - strlen(word));
}

static void
put_times(struct buf *b, int64_t n)
{
	if (n == 1)
		buf_puts(b, "once");
	else
		buf_printf(b, "%lld times", (long long)n);
}

static void
put_reason(struct buf *b, const char *reason)
{
	buf_puts(b, " (");
	node_reason(b, reason);
	buf_puts(b, ")");
}

/* "crashed once (SIGSEGV)" and the like, commas between them. */
static void
befell(struct buf *b, const char **sep, const char *what, int64_t n,
    const char *reason)
{
	if (n <= 0)
		return;
	buf_puts(b, *sep);
	*sep = ", ";
	buf_printf(b, "%s ", what);
	put_times(b, n);
	if (reason != NULL)
		put_reason(b, reason);
}

static int64_t
count(const cJSON *o, const char *key)
{
	return (int64_t)ctl_number(o, key, 0);
}

static void
put_process(struct buf *b, const char *version, int64_t pid)
{
	if (version != NULL) {
		buf_text(b, version);
		buf_puts(b, ", ");
	}
	if (pid > 0)
		buf_printf(b, "pid %lld", (long long)pid);
	else
		buf_puts(b, "not running");
}

/* Where the engine began, if that was not where the last one was. */
static void
put_rung(struct buf *b, int64_t rung)
{
	static const char *const words[] = {
		[2] = "began without what the last one was about",
		[3] = "began from the configuration, restarts counted anew",
		[4] = "holds: nobody restarts services until otpctl resume",
	};

	if (rung < 2 || rung > 4)
		return;
	begin_line(b, "");
	buf_printf(b, "%s\n", words[rung]);
}

static void
put_engine(struct buf *b, const cJSON *o)
{
	const char *version = ctl_string(o, "version");
	const char *otpd = ctl_string(o, "otpd_version");
	int64_t before = count(o, "engines"), crashed = count(o, "crashed");

	begin_line(b, "engine");
	put_process(b, version != NULL && otpd != NULL &&
	    strcmp(version, otpd) != 0 ? version : NULL,
	    count(o, "engine_pid"));
	buf_puts(b, ", up ");
	look_span(b, count(o, "uptime_ms"), false);
	buf_puts(b, "\n");
	if (before > 0) {
		begin_line(b, "");
		buf_puts(b, "started anew ");
		put_times(b, before);
		if (crashed > 1)
			buf_printf(b, "; the last %lld crashed in a row",
			    (long long)crashed);
		else if (crashed == 1)
			buf_puts(b, "; the last one crashed");
		if (crashed > 0 && ctl_string(o, "last_crash") != NULL)
			put_reason(b, ctl_string(o, "last_crash"));
		buf_puts(b, "\n");
	}
	put_rung(b, count(o, "rung"));
}

static void
put_file(struct buf *b, const char *word, const char *path)
{
	if (path == NULL)
		return;
	begin_line(b, word);
	buf_text(b, path);
	buf_puts(b, "\n");
}

void
info_show(struct buf *b, const cJSON *info)
{
	const char *version = ctl_string(info, "otpd_version"), *sep = "";
	size_t start;

	begin_line(b, "otpd");
	put_process(b, version != NULL ? version : ctl_string(info, "version"),
	    count(info, "pid"));
	buf_puts(b, "\n");
	start = b->len;
	begin_line(b, "");
	befell(b, &sep, "crashed", count(info, "otpd_crashes"),
	    ctl_string(info, "otpd_last_crash"));
	befell(b, &sep, "killed", count(info, "otpd_killed"), NULL);
	befell(b, &sep, "upgraded", count(info, "upgrades"), NULL);
	if (sep[0] == '\0')
		b->len = start;
	else
		buf_puts(b, "\n");
	put_engine(b, info);
	begin_line(b, "logger");
	put_process(b, NULL, count(info, "logger_pid"));
	buf_puts(b, "\n");
	put_file(b, "config", ctl_string(info, "config"));
	put_file(b, "logs", ctl_string(info, "log_dir"));
	put_file(b, "sockets", ctl_string(info, "runtime_dir"));
}

void
info_troubles(struct buf *b, const struct look *l, const cJSON *otpd)
{
	const char *sep = " ";

	if (!cJSON_IsObject(otpd))
		return;
	buf_puts(b, look_tint(l, TINT_BUSY));
	buf_puts(b, "otpd:");
	befell(b, &sep, "crashed", count(otpd, "crashes"), NULL);
	befell(b, &sep, "killed", count(otpd, "killed"), NULL);
	befell(b, &sep, "engine crashed", count(otpd, "engine_crashed"), NULL);
	buf_puts(b, " (otpctl info)");
	buf_puts(b, look_plain(l));
	buf_puts(b, "\n");
}
