/* SPDX-License-Identifier: ISC */
/*
 * Memory that is not there: a day of a client and one of a server, again and
 * again, and each time one allocation more goes well before one fails.  Nothing
 * crashes, nothing leaks, what could not be done says -ENOMEM or ends its
 * connection, and the rest of the day goes on.
 */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "otp_rig.h"

#define DAYS_MAX	2000
#define CALL_MS		1000
#define CPU_S		5		/* more is a loop without end */

/* --- the allocator; the linker leads the library here --- */

static long left = -1;		/* allocations that go well; -1: all */
static long live;		/* not freed yet */
static int failed;		/* it was so */

void	*__real_malloc(size_t size);
void	*__real_calloc(size_t n, size_t size);
void	*__real_realloc(void *old, size_t size);
void	 __real_free(void *p);
void	*__wrap_malloc(size_t size);
void	*__wrap_calloc(size_t n, size_t size);
void	*__wrap_realloc(void *old, size_t size);
void	 __wrap_free(void *p);
char	*__wrap_strdup(const char *text);
char	*__wrap_strndup(const char *text, size_t n);
int	 __wrap_asprintf(char **out, const char *format, ...);

static bool
fails(void)
{
	if (left < 0)
		return false;
	if (left-- > 0)
		return false;
	failed = 1;
	return true;
}

static void *
counted(void *p)
{
	live += p != NULL;
	return p;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : counted(__real_malloc(size));
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : counted(__real_calloc(n, size));
}

void *
__wrap_realloc(void *old, size_t size)
{
	if (fails())
		return NULL;
	return old == NULL ? counted(__real_malloc(size)) :
	    __real_realloc(old, size);
}

void
__wrap_free(void *p)
{
	live -= p != NULL;
	__real_free(p);
}

char *
__wrap_strndup(const char *text, size_t n)
{
	size_t len = strnlen(text, n);
	char *p = __wrap_malloc(len + 1);

	if (p != NULL) {
		memcpy(p, text, len);
		p[len] = '\0';
	}
	return p;
}

char *
__wrap_strdup(const char *text)
{
	return __wrap_strndup(text, strlen(text));
}

int
__wrap_asprintf(char **out, const char *format, ...)
{
	va_list ap;
	int n;

	*out = __wrap_malloc(256);
	if (*out == NULL)
		return -1;
	va_start(ap, format);
	n = vsnprintf(*out, 256, format, ap);
	va_end(ap);
	return n;
}

/* --- a client's day --- */

/* What may be said when there is no memory: that, or that the connection was
 * given up. */
static bool
plausible(int rc)
{
	return rc >= 0 || rc == -ENOMEM || rc == -OTP_EDOWN ||
	    rc == -OTP_ENOPROC || rc == -ENOENT || rc == -ENOTCONN ||
	    rc == -ETIMEDOUT;
}

static int wrong;

static void
went(int rc, const char *what)
{
	if (plausible(rc))
		return;
	fprintf(stderr, "%s: %d %s\n", what, rc, otp_strerror(rc));
	wrong = 1;
}

static void
many_requests(struct otp *o, const char *to)
{
	uint64_t requests[20];
	char *reply;
	int rc;

	for (int i = 0; i < 20; i++) {
		requests[i] = 0;
		went(otp_send_request(o, to, "echo x", 6, &requests[i]),
		    "send_request");
	}
	for (int i = 0; i < 20; i++) {
		reply = NULL;
		if (requests[i] == 0)
			continue;
		rc = otp_receive_response(o, requests[i], CALL_MS, &reply,
		    NULL);
		went(rc, "receive_response");
		__wrap_free(reply);
	}
}

static void
client_day(struct otp *o, const char *to)
{
	const char *both[2] = { to, to };
	struct otp_result results[2] = { { 0 } };
	char *reply = NULL, *big = __real_malloc(100000);

	memset(big, 'x', 100000);
	memcpy(big, "echo ", 5);
	went(otp_call(o, to, "echo one", 8, CALL_MS, &reply, NULL), "call");
	__wrap_free(reply);
	went(otp_cast(o, to, "cast", 4), "cast");
	went(otp_send(o, to, "send", 4), "send");
	many_requests(o, to);
	reply = NULL;
	went(otp_call(o, to, big, 100000, CALL_MS, &reply, NULL), "big call");
	__wrap_free(reply);
	went(otp_cast(o, to, big, 50000), "big cast");
	went(otp_multi_call(o, both, 2, "echo m", 6, CALL_MS, results),
	    "multi_call");
	__wrap_free(results[0].reply);
	__wrap_free(results[1].reply);
	went(otp_call(o, "nobody-has-this", "x", 1, CALL_MS, NULL, NULL),
	    "call nobody");
	__real_free(big);
}

/* The day with nth allocation failing: exit 0: fine, 1: not; 2: fine, and no
 * allocation failed any more. */
static int
client(const char *to, long nth)
{
	struct otp *o;
	char *reply = NULL;

	live = 0;			/* what the parent has is its own */
	left = nth;
	o = otp_new(NULL);
	if (o == NULL && errno != ENOMEM)
		return 1;
	if (o != NULL)
		client_day(o, to);
	left = -1;			/* the next morning */
	if (o != NULL && (otp_call(o, to, "echo well", 9, 5000, &reply,
	    NULL) != 0 || strcmp(reply, "well") != 0)) {
		fprintf(stderr, "%ld: not well: %s\n", nth, otp_reason(o));
		return 1;
	}
	__wrap_free(reply);
	otp_free(o);
	if (live != 0)
		fprintf(stderr, "%ld: %ld are left\n", nth, live);
	return live != 0 || wrong ? 1 : failed ? 0 : 2;
}

START_TEST(a_client_without_memory)
{
	int status = 0;
	struct rig rig;
	long n;

	rig_start(&rig, NULL);
	for (n = 0; n < DAYS_MAX; n++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(client(rig.socket, n));
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) != 1,
		    "allocation %ld failed: status %x", n,
		    (unsigned int)status);
		rig.log[0] = '\0';
		if (WEXITSTATUS(status) == 2)
			break;
	}
	ck_assert_int_gt(n, 20);
	ck_assert_int_lt(n, DAYS_MAX);
	rig_end(&rig);
}
END_TEST

/* --- a server's day --- */

static int
serve_call(struct otp *self, struct otp_from from, const char *text,
    size_t len, void *state)
{
	uint64_t timer, monitor;

	(void)state;
	if (strcmp(text, "stop") == 0)
		return otp_stop_reply(self, "normal", from, "bye", 3);
	went(otp_send_after(self, 1, "ding", 4, &timer), "send_after");
	went(otp_monitor_caller(self, from, &monitor), "monitor_caller");
	went(otp_send(self, "./nobody", "x", 1), "send to nobody");
	(void)otp_reply(self, from, text, len);
	return otp_hibernate(self);	/* the next one allocates again */
}

static int
serve_cast(struct otp *self, const char *text, size_t len, void *state)
{
	(void)self;
	(void)text;
	(void)len;
	(void)state;
	return OTP_OK;
}

static int
serve_info(struct otp *self, const struct otp_info *info, void *state)
{
	(void)self;
	(void)info;
	(void)state;
	return OTP_OK;
}

static const struct otp_gen_server_ops ops = { .handle_call = serve_call,
	.handle_cast = serve_cast, .handle_info = serve_info };

static int
server(const char *path, long nth)
{
	struct otp_options opt = { .size = sizeof(opt), .socket = path };
	struct otp *self = NULL;
	int rc, code = 0;

	(void)setrlimit(RLIMIT_CPU, &(struct rlimit){ CPU_S, CPU_S });
	live = 0;			/* what the parent has is its own */
	left = nth;
	rc = otp_gen_server_start(&ops, &opt, &self, &code);
	if (rc == 0)
		(void)otp_gen_server_run(self);
	else if (rc != -ENOMEM)
		fprintf(stderr, "%ld: start: %d\n", nth, rc);
	left = -1;
	otp_free(self);
	if (live != 0)
		fprintf(stderr, "%ld: %ld are left\n", nth, live);
	return live != 0 || wrong || (rc != 0 && rc != -ENOMEM) ? 1 :
	    failed ? 0 : 2;
}

/* Nobody waits for what will not come. */
static void
asked(struct otp *o, const char *path, const char *request, size_t len)
{
	char *reply = NULL;
	int rc = otp_call(o, path, request, len, OTP_DEFAULT_TIMEOUT, &reply,
	    NULL);

	went(rc, request);
	if (rc == -ETIMEDOUT) {
		fprintf(stderr, "no answer to %.8s\n", request);
		wrong = 1;
	}
	__wrap_free(reply);
}

static void
server_day(struct otp *o, const char *path)
{
	char *big = __real_malloc(100000);

	memset(big, 'x', 100000);
	asked(o, path, "one", 3);
	went(otp_cast(o, path, "cast", 4), "cast");
	went(otp_send(o, path, "send", 4), "send");
	asked(o, path, big, 100000);
	asked(o, path, "two", 3);
	__real_free(big);
}

/* All that sys may ask, and a resume by another in case that one was lost.
 * False: it does not listen yet. */
static bool
ask_sys(const char *path)
{
	int fd = raw_connect(path), other = raw_connect(path);

	if (fd >= 0 && other >= 0) {
		raw_hello(fd);
		raw_hello(other);
		for (uint16_t tag = 1; tag <= 6; tag++)
			raw_send(fd, FRAME_SYSTEM, 0, tag, tag, "");
		raw_send(other, FRAME_SYSTEM, 0, 4, 1, "");
	}
	if (fd >= 0)
		(void)close(fd);
	if (other >= 0)
		(void)close(other);
	return fd >= 0 && other >= 0;
}

/* Those who call it: some fail, others do not, and it can be stopped. */
static void
visit(const char *path, pid_t pid, int *status)
{
	struct otp_options opt = { .size = sizeof(opt), .timeout_ms = 5000 };
	struct otp *o = otp_new(&opt);
	bool been = false;

	while (waitpid(pid, status, WNOHANG) != pid) {
		if (!been && !ask_sys(path)) {
			(void)usleep(100);
			continue;
		}
		if (!been)
			server_day(o, path);
		been = true;
		asked(o, path, "stop", 4);
	}
	otp_free(o);
}

START_TEST(a_server_without_memory)
{
	char dir[] = "/tmp/otp-memory-XXXXXX", path[64];
	int status = 0;
	long n;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	for (n = 0; n < DAYS_MAX; n++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(server(path, n));
		visit(path, pid, &status);
		(void)unlink(path);
		ck_assert_msg(!wrong, "allocation %ld failed", n);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) != 1,
		    "allocation %ld failed: status %x", n,
		    (unsigned int)status);
		if (WEXITSTATUS(status) == 2)
			break;
	}
	(void)rmdir(dir);
	ck_assert_int_gt(n, 20);
	ck_assert_int_lt(n, DAYS_MAX);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("otp_memory");
	TCase *tc = tcase_create("memory");
	SRunner *sr = srunner_create(suite);
	int nfailed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_client_without_memory);
	tcase_add_test(tc, a_server_without_memory);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	nfailed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return nfailed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
