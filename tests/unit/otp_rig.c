/* SPDX-License-Identifier: ISC */
/*
 * See otp_rig.h.
 */
#include "otp_rig.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_SIZE	65536
#define PATIENCE_MS	5000

uint64_t
rig_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- the server --- */

static char *diary;
static struct otp_from kept[64];
static int nkept;
static uint64_t timer, monitor;
static char own[64], *own_state;

static void
note(const char *format, ...)
{
	size_t len = strlen(diary);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(diary + len, LOG_SIZE - len, format, ap);
	va_end(ap);
	(void)strncat(diary, " ", LOG_SIZE - strlen(diary) - 1);
}

static void
nap(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	(void)nanosleep(&ts, NULL);
}

static int
about_timers(struct otp *self, const char *verb, const char *rest)
{
	uint32_t ms = (uint32_t)atoi(rest);

	if (strcmp(verb, "timeout") == 0)
		return otp_timeout(self, ms);
	if (strcmp(verb, "after") == 0)
		return otp_send_after(self, ms, "rang", 4, &timer);
	if (strcmp(verb, "timer") == 0)
		return otp_start_timer(self, ms, "timer", 5, &timer);
	if (strcmp(verb, "interval") == 0)
		return otp_send_interval(self, ms, "tick", 4, &timer);
	if (strcmp(verb, "cancel") == 0)
		note("cancel:%lld", (long long)otp_cancel_timer(self, timer));
	return OTP_OK;
}

static int
about_others(struct otp *self, const char *verb, const char *rest)
{
	uint64_t ref;
	char *reply;
	int rc = 0;

	if (strcmp(verb, "self") == 0)
		note("self:%s", otp_call(self, own, "x", 1, 1000, NULL, NULL) ==
		    -OTP_ECALLINGSELF ? otp_reason(self) : "called");
	else if (strcmp(verb, "tell_self") == 0)
		rc = otp_send(self, own, rest, strlen(rest));
	else if (strcmp(verb, "trap") == 0)
		rc = otp_trap_exit(self, 1);
	else if (strcmp(verb, "monitor") == 0)
		rc = otp_monitor(self, rest, &monitor);
	else if (strcmp(verb, "demonitor") == 0)
		note("demonitor:%d", otp_demonitor(self, monitor));
	else if (strcmp(verb, "link") == 0)
		rc = otp_link(self, rest);
	else if (strcmp(verb, "name") == 0)
		note("name:%d:%s", otp_register(self, rest),
		    otp_reason(self));
	else if (strcmp(verb, "unname") == 0)
		note("unname:%d", otp_unregister(self, rest));
	else if (strcmp(verb, "control") == 0)
		note("control:%d:%s", otp_control(self, rest, 5000, NULL,
		    NULL), otp_reason(self));
	else if (strcmp(verb, "ask") == 0)
		rc = otp_send_request(self, rest, "echo asked", 10, &ref);
	else if (strcmp(verb, "ask_wait") == 0 &&
	    otp_call(self, rest, "echo asked", 10, 5000, &reply, NULL) == 0) {
		note("asked:%s", reply);
		free(reply);
	}
	return rc;
}

/* What every callback understands. */
static int
obey(struct otp *self, const char *text)
{
	char verb[32] = "";
	const char *rest = strchr(text, ' ');

	(void)sscanf(text, "%31s", verb);
	rest = rest == NULL ? "" : rest + 1;
	if (strcmp(verb, "stop") == 0)
		return otp_stop(self, rest);
	if (strcmp(verb, "fail") == 0)
		return -EIO;
	if (strcmp(verb, "odd") == 0)
		return 7;
	if (strcmp(verb, "continue") == 0)
		return otp_continue(self, diary);
	if (strcmp(verb, "hibernate") == 0)
		return otp_hibernate(self);
	if (strcmp(verb, "nap") == 0)
		nap(atoi(rest));
	(void)about_timers(self, verb, rest);
	return about_others(self, verb, rest);
}

static int
rig_init(struct otp *self, int argc, char **argv, void **state)
{
	*state = own_state = strdup("1");
	if (argc < 2)
		return OTP_OK;
	note("init");
	if (strcmp(argv[1], "ignore") == 0)
		return OTP_IGNORE;
	return obey(self, argv[1]);
}

static int
handle_call(struct otp *self, struct otp_from from, const char *text,
    size_t len, void *state)
{
	(void)state;
	if (len != strlen(text))
		return otp_reply(self, from, text, len);
	note("call:%s", text);
	if (strncmp(text, "echo ", 5) == 0)
		return otp_reply(self, from, text + 5, len - 5);
	if (strcmp(text, "never") == 0)
		return OTP_OK;
	if (strcmp(text, "later") == 0) {
		kept[nkept++] = from;
		return OTP_OK;
	}
	if (strcmp(text, "release") == 0)
		while (nkept > 0)
			(void)otp_reply(self, kept[--nkept], "late", 4);
	if (strcmp(text, "twice") == 0)
		(void)otp_reply(self, from, "ok", 2);
	if (strncmp(text, "big ", 4) == 0) {
		size_t n = (size_t)atol(text + 4);
		char *big = calloc(1, n);
		int rc = otp_reply(self, from, big, n);

		free(big);
		return rc;
	}
	if (strncmp(text, "stop_reply ", 11) == 0)
		return otp_stop_reply(self, text + 11, from, "bye", 3);
	if (strncmp(text, "stop ", 5) != 0 && strcmp(text, "fail") != 0 &&
	    strcmp(text, "odd") != 0)
		(void)otp_reply(self, from, "ok", 2);
	return obey(self, text);
}

static int
handle_cast(struct otp *self, const char *text, size_t len, void *state)
{
	(void)state;
	(void)len;
	note("cast:%s", text);
	return obey(self, text);
}

static int
handle_info(struct otp *self, const struct otp_info *info, void *state)
{
	static const char *const kinds[] = { "message", "TIMEOUT", "timer",
	    "DOWN", "EXIT", "response" };

	(void)state;
	note("%s:%s%s%s", kinds[info->kind], info->data, info->reason,
	    info->kind == OTP_TIMER && info->ref == timer ? ":ref" : "");
	return info->kind == OTP_MESSAGE ? obey(self, info->data) : OTP_OK;
}

static int
handle_continue(struct otp *self, void *what, void *state)
{
	(void)self;
	(void)state;
	note(what == diary ? "continue" : "continue?");
	return OTP_OK;
}

static void
terminate(struct otp *self, const char *reason, void *state)
{
	(void)self;
	(void)state;
	note("terminate:%s", reason);
	nap(20);
}

static int
code_change(struct otp *self, const char *extra, size_t len, void **state)
{
	(void)self;
	(void)len;
	if (strcmp(extra, "bad") == 0)
		return -EINVAL;
	free(*state);
	*state = own_state = strdup(extra);
	return OTP_OK;
}

static int
format_status(struct otp *self, struct otp_out *out, void *state)
{
	(void)self;
	(void)state;
	return otp_print(out, "\"hidden\"");
}

static int
get_state(struct otp *self, struct otp_out *out, void *state)
{
	size_t len = strlen(diary);

	(void)self;
	if (len < 10 || strcmp(diary + len - 10, "get_state ") != 0)
		note("get_state");	/* one for many in a row */
	return otp_print(out, "%s", (const char *)state);
}

static int
replace_state(struct otp *self, const char *text, size_t len, void **state)
{
	return code_change(self, text, len, state);
}

static const struct otp_gen_server_ops rig_ops = {
	.init = rig_init,
	.handle_call = handle_call,
	.handle_cast = handle_cast,
	.handle_info = handle_info,
	.handle_continue = handle_continue,
	.terminate = terminate,
	.code_change = code_change,
	.format_status = format_status,
	.get_state = get_state,
	.replace_state = replace_state,
};

/* --- the rig --- */

static void
serve(struct rig *r, const char *argument, const struct otp_options *options,
    const struct otp_gen_server_ops *ops)
{
	char word[256] = "", name[] = "rig", *argv[] = { name, word, NULL };
	struct otp_options opt = { 0 };
	struct otp *self;
	int code = 99;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (r->engine >= 0)
		(void)close(r->engine);
	if (options != NULL)
		opt = *options;
	opt.size = sizeof(opt);
	opt.socket = r->engine < 0 ? r->socket : NULL;
	opt.argv = argv;
	opt.argc = 1;
	if (argument != NULL)
		opt.argc = snprintf(word, sizeof(word), "%s", argument) >= 0 ?
		    2 : 1;
	(void)snprintf(own, sizeof(own), "%s", r->socket);
	if (otp_gen_server_start(ops, &opt, &self, &code) == 0) {
		code = otp_gen_server_run(self);
		otp_free(self);
	}
	free(own_state);
	_exit(code);
}

/* As otpd does: the listening socket and the link are there before it. */
static void
hand_down(struct rig *r, int *out_link)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char text[80];
	int pair[2], fd;

	(void)snprintf(text, sizeof(text), "%s/paths", r->dir);
	ck_assert_int_eq(mkdir(text, 0700), 0);
	(void)snprintf(text, sizeof(text), "%s/names", r->dir);
	ck_assert_int_eq(mkdir(text, 0700), 0);
	(void)snprintf(r->socket, sizeof(r->socket), "%s/paths/web:rig",
	    r->dir);
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", r->socket);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    pair), 0);
	r->engine = pair[0];
	*out_link = pair[1];
	(void)snprintf(text, sizeof(text), "%d", pair[1]);
	(void)setenv("OTP_LINK", text, 1);
	(void)snprintf(text, sizeof(text), "%d", fd);
	(void)setenv("OTP_LISTEN", text, 1);
	(void)setenv("OTP_PATH", "web/rig", 1);
	(void)setenv("OTP_NAME", "rig", 1);
	(void)setenv("OTP_GENERATION", "3", 1);
	(void)setenv("OTP_RUNTIME_DIR", r->dir, 1);
}

void
rig_start_with(struct rig *r, const char *argument, bool linked,
    const struct otp_options *options, const struct otp_gen_server_ops *ops)
{
	int link = -1;

	*r = (struct rig){ .engine = -1 };
	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/otp-rig-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(r->dir));
	(void)snprintf(r->socket, sizeof(r->socket), "%s/socket", r->dir);
	r->log = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(r->log, MAP_FAILED);
	diary = r->log;
	if (linked)
		hand_down(r, &link);
	r->pid = fork();
	ck_assert_int_ge(r->pid, 0);
	if (r->pid == 0)
		serve(r, argument, options, ops == NULL ? &rig_ops : ops);
	if (linked) {
		(void)close(link);
		(void)close(atoi(getenv("OTP_LISTEN")));
		(void)unsetenv("OTP_LINK");
		raw_hello(r->engine);
	}
	r->o = otp_new(NULL);
	ck_assert_ptr_nonnull(r->o);
}

void
rig_await_socket(struct rig *r)
{
	uint64_t end = rig_now_ms() + PATIENCE_MS;
	int fd;

	while ((fd = raw_connect(r->socket)) < 0 && rig_now_ms() < end)
		nap(1);
	if (fd >= 0)
		(void)close(fd);
}

void
rig_start(struct rig *r, const char *argument)
{
	rig_start_with(r, argument, false, NULL, NULL);
	rig_await_socket(r);
}

void
rig_start_linked(struct rig *r, const char *argument)
{
	rig_start_with(r, argument, true, NULL, NULL);
}

int
rig_exit(struct rig *r)
{
	uint64_t end = rig_now_ms() + 2 * PATIENCE_MS;
	int status = -1, rc;

	while ((rc = waitpid(r->pid, &status, WNOHANG)) == 0) {
		ck_assert_msg(rig_now_ms() < end, "it does not end: %s",
		    r->log);
		nap(1);
	}
	r->pid = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}

void
rig_end(struct rig *r)
{
	static const char *const files[] = { "paths/web:rig", "paths", "names",
	    "socket", "" };
	char path[80];

	if (r->pid > 0) {
		(void)kill(r->pid, SIGKILL);
		(void)waitpid(r->pid, NULL, 0);
	}
	otp_free(r->o);
	if (r->engine >= 0)
		(void)close(r->engine);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", r->dir, files[i]);
		(void)remove(path);
	}
	(void)munmap(r->log, LOG_SIZE);
}

char *
rig_call(struct rig *r, const char *request, int *out_error)
{
	char *reply = NULL;
	int rc;

	rc = otp_call(r->o, r->socket, request, strlen(request), PATIENCE_MS,
	    &reply, NULL);
	if (out_error != NULL)
		*out_error = rc;
	return rc == 0 ? reply : NULL;
}

void
rig_ok(struct rig *r, const char *request)
{
	int rc;
	char *reply = rig_call(r, request, &rc);

	ck_assert_msg(rc == 0, "%s: %s (%s)", request, otp_strerror(rc),
	    otp_reason(r->o));
	ck_assert_str_eq(reply, "ok");
	free(reply);
}

void
rig_await(struct rig *r, const char *words)
{
	uint64_t end = rig_now_ms() + PATIENCE_MS;

	while (strstr(r->log, words) == NULL) {
		ck_assert_msg(rig_now_ms() < end, "no \"%s\" in: %s", words,
		    r->log);
		nap(1);
	}
}

int
rig_count(const struct rig *r, const char *words)
{
	const char *at = r->log;
	int n = 0;

	while ((at = strstr(at, words)) != NULL) {
		n++;
		at += strlen(words);
	}
	return n;
}

/* --- bytes --- */

int
raw_connect(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		(void)close(fd);
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience));
	return fd;
}

void
raw_hello(int fd)
{
	struct frame_hello hello = { .magic = FRAME_MAGIC,
	    .version = FRAME_VERSION, .max_payload = 1024 * 1024,
	    .generation = 3 };
	struct frame_header h = { .type = FRAME_HELLO,
	    .length = sizeof(hello) };
	char bytes[FRAME_HEADER_LEN + sizeof(hello)];
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience));
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), &hello, sizeof(hello));
	(void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
}

int
raw_open(const char *path)
{
	int fd = raw_connect(path);

	ck_assert_int_ge(fd, 0);
	raw_hello(fd);
	return fd;
}

void
raw_send(int fd, uint8_t type, uint8_t flags, uint16_t tag, uint64_t ref,
    const char *payload)
{
	struct frame_header h = { .type = type, .flags = flags, .tag = tag,
	    .ref = ref, .length = (uint32_t)strlen(payload) };
	char bytes[4096];

	ck_assert_uint_lt(h.length, sizeof(bytes) - sizeof(h));
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), payload, h.length);
	(void)send(fd, bytes, sizeof(h) + h.length, MSG_NOSIGNAL);
}

static bool
take(int fd, void *out, size_t len)
{
	ssize_t n;

	for (char *at = out; len > 0; at += n, len -= (size_t)n) {
		n = recv(fd, at, len, MSG_WAITALL);
		if (n <= 0)
			return false;
	}
	return true;
}

bool
raw_recv(int fd, struct frame_header *h, char **payload)
{
	do {
		if (!take(fd, h, sizeof(*h)))
			return false;
		*payload = calloc(1, (size_t)h->length + 1);
		ck_assert_ptr_nonnull(*payload);
		if (!take(fd, *payload, h->length)) {
			free(*payload);
			return false;
		}
		if (h->type == FRAME_HELLO)
			free(*payload);
	} while (h->type == FRAME_HELLO);
	return true;
}

void
raw_expect(int fd, uint8_t type, const char *words, struct frame_header *out)
{
	struct frame_header h;
	char *payload;
	bool found = false;

	while (!found) {
		ck_assert_msg(raw_recv(fd, &h, &payload),
		    "no frame of type %d with %s", type, words);
		found = h.type == type && strstr(payload, words) != NULL;
		free(payload);
	}
	if (out != NULL)
		*out = h;
}

bool
raw_ended(int fd)
{
	char byte[4096];
	ssize_t n;

	while ((n = recv(fd, byte, sizeof(byte), 0)) > 0)
		;
	return n == 0 || errno == ECONNRESET;
}
