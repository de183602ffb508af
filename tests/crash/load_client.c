/* SPDX-License-Identifier: ISC */
/*
 * A client that asks one service as fast as it can, one request after the
 * other, until SIGTERM; then it says how many there were and exits 0 when none
 * failed and nothing that was counted was lost.
 *
 *	load_client redis PORT | http PORT | counter RUNTIME_DIR NAME
 */
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <otp.h>

static volatile sig_atomic_t over;

static void
on_term(int sig)
{
	(void)sig;
	over = 1;
}

static int
fail(const char *what, const char *why)
{
	printf("%s: %s\n", what, why);
	return -1;
}

static int
tcp(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* Until the answer holds mark, or its connection ends. */
static int
ask(int fd, const char *request, const char *mark, char *out, size_t size)
{
	size_t len = strlen(request), at = 0;
	ssize_t n;

	if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
		return fail("send", strerror(errno));
	out[0] = '\0';
	while (strstr(out, mark) == NULL) {
		n = recv(fd, out + at, size - 1 - at, 0);
		if (n <= 0)
			return fail("recv", n < 0 ? strerror(errno) : "end");
		at += (size_t)n;
		out[at] = '\0';
	}
	return 0;
}

/* The counter must go up by one each time. */
static int
ask_redis(void *arg, unsigned long i)
{
	static int fd = -1;
	char text[256];

	if (fd < 0 && (fd = tcp(*(unsigned *)arg)) < 0)
		return fail("redis", strerror(errno));
	if (ask(fd, "INCR load\r\n", "\r\n", text, sizeof(text)) < 0)
		return -1;
	if (text[0] != ':' || strtoul(text + 1, NULL, 10) != i + 1)
		return fail("redis lost a count", text);
	return 0;
}

static int
ask_http(void *arg, unsigned long i)
{
	char text[4096];
	int fd = tcp(*(unsigned *)arg), rc;

	(void)i;
	if (fd < 0)
		return fail("nginx", strerror(errno));
	rc = ask(fd, "GET / HTTP/1.0\r\n\r\n", "kept", text, sizeof(text));
	(void)close(fd);
	return rc;
}

struct counter { struct otp *self; const char *name; };

static int
ask_counter(void *arg, unsigned long i)
{
	struct counter *c = arg;
	unsigned long count;
	char *reply;
	size_t len;
	int rc = otp_call(c->self, c->name, "{\"op\":\"increment\"}", 18, 5000,
	    &reply, &len);

	if (rc < 0)
		return fail("counter", otp_strerror(rc));
	if (sscanf(reply, "{\"count\":%lu", &count) != 1 || count != i + 1)
		return fail("the counter lost a count", reply);
	free(reply);
	return 0;
}

int
main(int argc, char **argv)
{
	struct otp_options opt = { .size = sizeof(opt) };
	struct sigaction sa = { .sa_handler = on_term,
		.sa_flags = SA_RESTART };
	struct counter counter = { 0 };
	unsigned port = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	int (*one)(void *, unsigned long) = ask_redis;
	unsigned long i;
	void *arg = &port;

	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "http") == 0)
		one = ask_http;
	if (strcmp(argv[1], "counter") == 0 && argc > 3) {
		opt.runtime_dir = argv[2];
		counter.self = otp_new(&opt);
		counter.name = argv[3];
		if (counter.self == NULL)
			return 1;
		one = ask_counter;
		arg = &counter;
	}
	(void)sigaction(SIGTERM, &sa, NULL);
	for (i = 0; over == 0; i++)
		if (one(arg, i) < 0 && over == 0)
			return 1;
	printf("%s: %lu requests, none failed\n", argv[1], i);
	if (counter.self != NULL)
		otp_free(counter.self);
	return 0;
}
