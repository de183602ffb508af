/* SPDX-License-Identifier: ISC */
/*
 * Memory that is not there: a day of a client, again and again, and each time
 * one allocation more goes well before one fails.  Nothing crashes, nothing
 * leaks, what could not be done says -ENOMEM or ends its connection, and the
 * rest of the day goes on.
 */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "otp_rig.h"

#define DAYS_MAX	2000
#define CALL_MS		1000

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

int
main(void)
{
	Suite *suite = suite_create("otp_memory");
	TCase *tc = tcase_create("memory");
	SRunner *sr = srunner_create(suite);
	int nfailed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_client_without_memory);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	nfailed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return nfailed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
