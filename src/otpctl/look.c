/* SPDX-License-Identifier: ISC */
/*
 * Colours only on a terminal that takes them and whose owner wants them
 * (NO_COLOR, TERM=dumb); line drawing only where the locale is UTF-8.
 */
#include "otpctl/look.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static bool
env_set(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && v[0] != '\0';
}

/* Without setlocale(3), which would cost more than all the rest. */
static bool
locale_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *v;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!env_set(names[i]))
			continue;
		v = getenv(names[i]);
		return strcasestr(v, "utf-8") != NULL ||
		    strcasestr(v, "utf8") != NULL;
	}
	return false;
}

void
look_init(struct look *l)
{
	const char *term = getenv("TERM");
	struct winsize ws;
	bool dumb = term == NULL || strcmp(term, "dumb") == 0;

	memset(l, 0, sizeof(*l));
	l->terminal = isatty(STDOUT_FILENO) == 1;
	if (!l->terminal)
		return;
	l->utf8 = locale_utf8() && !dumb;
	l->colour = !dumb && !env_set("NO_COLOR");
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0)
		l->width = ws.ws_col;
}

const char *
look_tint(const struct look *l, enum tint t)
{
	static const char *const codes[] = {
		[TINT_NONE] = "", [TINT_GOOD] = "\033[32m",
		[TINT_BUSY] = "\033[33m", [TINT_BAD] = "\033[1;31m",
		[TINT_DIM] = "\033[2m", [TINT_BOLD] = "\033[1m",
	};

	static_assert(sizeof(codes) / sizeof(codes[0]) == TINT_NTINTS,
	    "a code a tint");
	return l->colour ? codes[t] : "";
}

const char *
look_plain(const struct look *l)
{
	return l->colour ? "\033[0m" : "";
}

void
look_span(struct buf *b, int64_t ms, bool tenths)
{
	int64_t s = (ms < 0 ? 0 : ms) / 1000;

	if (tenths && s < 10)
		buf_printf(b, "%d.%ds", (int)s,
		    (int)((ms < 0 ? 0 : ms) % 1000 / 100));
	else if (s < 60)
		buf_printf(b, "%ds", (int)s);
	else if (s < 3600)
		buf_printf(b, "%dm %ds", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		buf_printf(b, "%dh %dm", (int)(s / 3600),
		    (int)(s % 3600 / 60));
	else
		buf_printf(b, "%lldd %dh", (long long)(s / 86400),
		    (int)(s % 86400 / 3600));
}

int64_t
look_time(const char *iso)
{
	struct tm tm;
	unsigned ms = 0;
	int n;

	memset(&tm, 0, sizeof(tm));
	n = sscanf(iso, "%d-%d-%dT%d:%d:%d.%3u", &tm.tm_year, &tm.tm_mon,
	    &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms);
	if (n < 6 || tm.tm_year < 1970 || tm.tm_year > 9999)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return (int64_t)timegm(&tm) * 1000 + (int64_t)ms;
}

int64_t
look_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
look_date(struct buf *b, int64_t at, bool ms)
{
	time_t t = (time_t)(at / 1000);
	char text[32];
	struct tm tm;

	if (at < 0 || localtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0) {
		buf_puts(b, "(unknown time)");
		return;
	}
	buf_puts(b, text);
	if (ms)
		buf_printf(b, ".%03d", (int)(at % 1000));
}
