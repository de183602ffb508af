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
		v = getenv(names[i]);
		if (v == NULL || v[0] == '\0')
			continue;
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

/* n digits; -1 when there is anything else. */
static int
digits(const char *s, int n)
{
	int v = 0;

	for (; n > 0; n--, s++) {
		if (*s < '0' || *s > '9')
			return -1;
		v = v * 10 + (*s - '0');
	}
	return v;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years begin in
 * March here, so that the leap day is the last one. */
static int64_t
days(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t m = month <= 2 ? month + 9 : month - 3;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 +
	    day - 1 - 719468;
}

/* By hand: timegm(3) reads the time zone's file first. */
int64_t
look_time(const char *iso)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.ddd";
	int64_t s;
	size_t i;

	for (i = 0; shape[i] != '\0'; i++)
		if (shape[i] == 'd' ? digits(iso + i, 1) < 0 :
		    iso[i] != shape[i])
			return -1;
	if (digits(iso, 4) < 1970)
		return -1;
	s = days(digits(iso, 4), digits(iso + 5, 2), digits(iso + 8, 2));
	s = s * 24 + digits(iso + 11, 2);
	s = s * 60 + digits(iso + 14, 2);
	s = s * 60 + digits(iso + 17, 2);
	return s * 1000 + digits(iso + 20, 3);
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
