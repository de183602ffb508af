/* SPDX-License-Identifier: ISC */
/*
 * See examples_rig.h.
 */
#include "examples_rig.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "otp_rig.h"

char dir[32];
struct otp *caller;
struct program programs[PROGRAMS_MAX];
static int nprograms;

void
examples_start(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/otp-examples-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	caller = otp_new(NULL);
	ck_assert_ptr_nonnull(caller);
	nprograms = 0;
}

void
examples_end(void)
{
	static const char *const files[] = { "/watched/.watched",
	    "/watched/new", "/watched", "/s0", "/s1", "/s2", "/s3", "" };
	char path[64];

	for (struct program *p = programs; p < programs + nprograms; p++)
		if (p->pid > 0) {
			(void)kill(p->pid, SIGKILL);
			(void)waitpid(p->pid, NULL, 0);
		}
	otp_free(caller);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", dir, files[i]);
		(void)remove(path);
	}
}

void
nap(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	(void)nanosleep(&ts, NULL);
}

/* words: the program and its arguments, up to NULL. */
static void
execute(const char *const *words, const char *socket)
{
	const char *builddir = getenv("OTPD_BUILDDIR");
	char path[4096], *argv[12], option[] = "-s", where[64];
	int argc = 1;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(path, sizeof(path), "%s/contrib/examples/%s",
	    builddir == NULL ? "." : builddir, words[0]);
	argv[0] = path;
	if (socket != NULL) {
		(void)snprintf(where, sizeof(where), "%s", socket);
		argv[argc++] = option;
		argv[argc++] = where;
	}
	for (int i = 1; words[i] != NULL && argc < 11; i++)
		argv[argc++] = strdup(words[i]);
	argv[argc] = NULL;
	(void)execv(path, argv);
	_exit(127);
}

/* Start it again at its socket. */
void
revive(struct program *p, const char *const *words)
{
	p->pid = fork();
	ck_assert_int_ge(p->pid, 0);
	if (p->pid == 0)
		execute(words, p->socket);
}

struct program *
place(void)
{
	struct program *p = &programs[nprograms];

	ck_assert_int_lt(nprograms, PROGRAMS_MAX);
	(void)snprintf(p->socket, sizeof(p->socket), "%s/s%d", dir, nprograms);
	p->engine = -1;
	p->pid = -1;
	nprograms++;
	return p;
}

struct program *
run(const char *const *words)
{
	struct program *p = place();

	revive(p, words);
	return p;
}

/* As otpd starts it; the test plays the engine. */
struct program *
run_linked(const char *const *words)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct program *p = place();
	int fd, pair[2];

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", p->socket);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	p->pid = fork();
	ck_assert_int_ge(p->pid, 0);
	if (p->pid == 0) {
		char number[2][16];

		(void)snprintf(number[0], sizeof(number[0]), "%d", pair[1]);
		(void)snprintf(number[1], sizeof(number[1]), "%d", fd);
		(void)setenv("OTP_LINK", number[0], 1);
		(void)setenv("OTP_LISTEN", number[1], 1);
		(void)setenv("OTP_PATH", words[0], 1);
		(void)setenv("OTP_RUNTIME_DIR", dir, 1);
		(void)close(pair[0]);
		execute(words, NULL);
	}
	(void)close(fd);
	(void)close(pair[1]);
	p->engine = pair[0];
	raw_hello(p->engine);
	return p;
}

int
ended(struct program *p)
{
	uint64_t until = rig_now_ms() + PATIENCE_MS;
	int status;

	while (waitpid(p->pid, &status, WNOHANG) == 0) {
		ck_assert_msg(rig_now_ms() < until, "it does not end");
		nap(1);
	}
	p->pid = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}

/* The reply, or why there is none.  Waits until somebody serves. */
const char *
ask(const struct program *p, const char *request)
{
	static char text[512];
	uint64_t until = rig_now_ms() + PATIENCE_MS;
	char *reply = NULL;
	int rc;

	while ((rc = otp_call(caller, p->socket, request, strlen(request),
	    PATIENCE_MS, &reply, NULL)) == -OTP_ENOPROC && p->pid > 0 &&
	    rig_now_ms() < until)
		nap(1);
	(void)snprintf(text, sizeof(text), "%s", rc == 0 ? reply :
	    otp_reason(caller));
	free(reply);
	return text;
}

/* Ask until that is the reply: what comes by and by.  When it was asked. */
uint64_t
await_reply(const struct program *p, const char *request, const char *wanted)
{
	uint64_t until = rig_now_ms() + PATIENCE_MS, asked = rig_now_ms();

	while (strcmp(ask(p, request), wanted) != 0) {
		ck_assert_msg(rig_now_ms() < until, "%s: %s, not %s", request,
		    ask(p, request), wanted);
		nap(1);
		asked = rig_now_ms();
	}
	return asked;
}
