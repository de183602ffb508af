/* SPDX-License-Identifier: ISC */
/*
 * Exit reasons: how a wait status becomes a reason, which class a reason is
 * of, and how people read it.  Pure text; a reason may come from a worker, so
 * that none is trusted to be well formed.
 */
#include "wire/reason.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#define SIGNAL_MAX	64	/* the kernel's last real-time signal */
#define ERRNO_MAX	133	/* the last that Linux has words for */
#define EXIT_OF_SIGTERM	(128 + SIGTERM)	/* as shells pass it on */

/* The first row of a number is the one it is printed with. */
static const struct {
	int		 number;
	const char	*name;
} signals[] = {
	{ SIGHUP, "SIGHUP" }, { SIGINT, "SIGINT" }, { SIGQUIT, "SIGQUIT" },
	{ SIGILL, "SIGILL" }, { SIGTRAP, "SIGTRAP" }, { SIGABRT, "SIGABRT" },
	{ SIGBUS, "SIGBUS" }, { SIGFPE, "SIGFPE" }, { SIGKILL, "SIGKILL" },
	{ SIGUSR1, "SIGUSR1" }, { SIGSEGV, "SIGSEGV" }, { SIGUSR2, "SIGUSR2" },
	{ SIGPIPE, "SIGPIPE" }, { SIGALRM, "SIGALRM" }, { SIGTERM, "SIGTERM" },
	{ SIGCHLD, "SIGCHLD" }, { SIGCONT, "SIGCONT" }, { SIGSTOP, "SIGSTOP" },
	{ SIGTSTP, "SIGTSTP" }, { SIGTTIN, "SIGTTIN" }, { SIGTTOU, "SIGTTOU" },
	{ SIGURG, "SIGURG" }, { SIGXCPU, "SIGXCPU" }, { SIGXFSZ, "SIGXFSZ" },
	{ SIGVTALRM, "SIGVTALRM" }, { SIGPROF, "SIGPROF" },
	{ SIGWINCH, "SIGWINCH" }, { SIGIO, "SIGIO" }, { SIGPWR, "SIGPWR" },
	{ SIGSYS, "SIGSYS" },
#ifdef SIGSTKFLT
	{ SIGSTKFLT, "SIGSTKFLT" },
#endif
	{ SIGABRT, "SIGIOT" }, { SIGIO, "SIGPOLL" }, { SIGCHLD, "SIGCLD" },
};
#define NSIGNALS	(sizeof(signals) / sizeof(signals[0]))

/* Does reason read "{tag,...}"?  Then what stands for the dots. */
static const char *
term_of(const char *reason, const char *tag, size_t *out_len)
{
	size_t ntag = strlen(tag), len = strlen(reason);

	if (len < ntag + 3 || reason[0] != '{' || reason[len - 1] != '}' ||
	    strncmp(reason + 1, tag, ntag) != 0 || reason[1 + ntag] != ',')
		return NULL;
	*out_len = len - ntag - 3;
	return reason + ntag + 2;
}

enum reason_class
reason_class(const char *reason)
{
	size_t len;

	if (strcmp(reason, "normal") == 0)
		return REASON_NORMAL;
	if (strcmp(reason, "shutdown") == 0 ||
	    term_of(reason, "shutdown", &len) != NULL)
		return REASON_SHUTDOWN;
	return REASON_ABNORMAL;
}

static void
from_signal(int sig, bool core, bool asked, char out[REASON_MAX])
{
	const char *words = NULL;

	if (sig == SIGKILL)
		words = "killed";
	else if (sig == SIGTERM && asked)
		words = "shutdown";
	if (words != NULL)
		(void)snprintf(out, REASON_MAX, "%s", words);
	else
		(void)snprintf(out, REASON_MAX, "{signal,%s%s}",
		    reason_signal_name(sig), core ? ",core" : "");
}

void
reason_from_status(int status, bool asked, char out[REASON_MAX])
{
	int code;

	if (WIFSIGNALED(status)) {
		from_signal(WTERMSIG(status), WCOREDUMP(status) != 0, asked,
		    out);
		return;
	}
	/* Anything that is no end at all cannot be taken for a good one. */
	if (!WIFEXITED(status)) {
		(void)snprintf(out, REASON_MAX, "{exit,unknown}");
		return;
	}
	code = WEXITSTATUS(status);
	if (code == 0)
		(void)snprintf(out, REASON_MAX, "normal");
	else if (code == EXIT_OF_SIGTERM && asked)
		(void)snprintf(out, REASON_MAX, "shutdown");
	else
		(void)snprintf(out, REASON_MAX, "{exit,%d}", code);
}

static bool
printable(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

void
reason_start(const char *words, char out[REASON_MAX])
{
	static const char head[] = "{start,\"", tail[] = "\"}";
	size_t n = sizeof(head) - 1;
	char c;

	memcpy(out, head, n);
	for (; *words != '\0' && n < REASON_MAX - sizeof(tail); words++) {
		c = printable(*words) ? *words : '?';
		if (c == '"' || c == '\\')	/* keep the term readable */
			c = '\'';
		out[n++] = c;
	}
	memcpy(out + n, tail, sizeof(tail));
}

bool
reason_valid(const char *text, size_t len)
{
	size_t i;

	if (len == 0 || len >= REASON_MAX)
		return false;
	for (i = 0; i < len; i++)
		if (!printable(text[i]))
			return false;
	return true;
}

/* Of "{signal,NAME}" or "{signal,NAME,core}". */
static bool
signal_of(const char *reason, char name[16], bool *out_core)
{
	static const char core[] = ",core";
	size_t len, ncore = sizeof(core) - 1;
	const char *term = term_of(reason, "signal", &len);

	if (term == NULL)
		return false;
	*out_core = len > ncore &&
	    strncmp(term + len - ncore, core, ncore) == 0;
	if (*out_core)
		len -= ncore;
	if (len == 0 || len >= 16)
		return false;
	memcpy(name, term, len);
	name[len] = '\0';
	return true;
}

/* A decimal number of min..max and nothing else, or -EINVAL. */
static int
number_of(const char *text, size_t len, int min, int max)
{
	int n = 0;
	size_t i;

	if (len == 0 || len > 4)
		return -EINVAL;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		n = n * 10 + (text[i] - '0');
	}
	return n >= min && n <= max ? n : -EINVAL;
}

void
reason_words(const char *reason, char *out, size_t size)
{
	static const struct {
		const char	*atom, *words;
	} atoms[] = {
		{ "normal", "exited normally" },
		{ "shutdown", "was shut down" },
		{ "killed", "was killed by signal SIGKILL" },
		{ "watchdog", "did not feed its watchdog" },
		{ "noproc",
		    "ended with reason noproc (there is no such process)" },
		{ "noconnection", "lost its connection" },
		{ "{exit,unknown}", "ended, and nobody saw how" },
		{ "{timeout,start}",
		    "could not be started: it was not ready in time" },
	};
	static const struct {
		const char	*tag, *words;
	} terms[] = {
		{ "shutdown", "was shut down: " },
		{ "exit", "exited with status " },
		{ "start", "could not be started: " },
		{ "timeout", "ran into a timeout: " },
	};
	const char *term;
	char name[16];
	size_t i, len;
	bool core;
	int n;

	for (i = 0; i < sizeof(atoms) / sizeof(atoms[0]); i++)
		if (strcmp(reason, atoms[i].atom) == 0) {
			(void)snprintf(out, size, "%s", atoms[i].words);
			return;
		}
	if (signal_of(reason, name, &core)) {
		(void)snprintf(out, size, "was killed by signal %s%s", name,
		    core ? " (core dumped)" : "");
		return;
	}
	for (i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		term = term_of(reason, terms[i].tag, &len);
		if (term == NULL)
			continue;
		if (len >= 2 && term[0] == '"' && term[len - 1] == '"') {
			term++;
			len -= 2;
		}
		(void)snprintf(out, size, "%s%.*s", terms[i].words, (int)len,
		    term);
		return;
	}
	term = term_of(reason, "errno", &len);
	n = term == NULL ? -EINVAL : number_of(term, len, 1, ERRNO_MAX);
	if (n > 0)
		(void)snprintf(out, size, "ended with reason %s (%s)", reason,
		    strerror(n));
	else
		(void)snprintf(out, size, "ended with reason %s", reason);
}

int
reason_code(const char *reason)
{
	const char *term;
	char name[16];
	size_t len;
	bool core;
	int n;

	if (reason_class(reason) != REASON_ABNORMAL)
		return 0;
	if (strcmp(reason, "killed") == 0)
		return 128 + SIGKILL;
	if (signal_of(reason, name, &core)) {
		n = reason_signal_number(name);
		return n > 0 ? 128 + n : 1;
	}
	term = term_of(reason, "exit", &len);
	if (term == NULL)
		return 1;
	n = number_of(term, len, 1, 255);
	return n > 0 ? n : 1;
}

const char *
reason_signal_name(int sig)
{
	static _Thread_local char unnamed[16];
	size_t i;

	for (i = 0; i < NSIGNALS; i++)
		if (signals[i].number == sig)
			return signals[i].name;
	(void)snprintf(unnamed, sizeof(unnamed), "SIG%d", sig);
	return unnamed;
}

int
reason_signal_number(const char *name)
{
	size_t i;

	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (i = 0; i < NSIGNALS; i++)
		if (strcasecmp(signals[i].name + 3, name) == 0)
			return signals[i].number;
	return number_of(name, strlen(name), 1, SIGNAL_MAX);
}
