/* SPDX-License-Identifier: ISC */
/*
 * A gen_server of libotp, whose engine and callers say anything.  An input is
 * a row of items: who says it and how, a length, and what is said.  Whatever
 * that was, the server lives until it is told to stop, and serves the next
 * caller.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "libotp/otp.h"
#include "wire/frame.h"

#define CALLERS		2
#define LINK		CALLERS		/* who: behind the callers */
#define WHO_MASK	0x03
#define ITEM_FRAME	0x04	/* type, flags, tag and ref go ahead */
#define ITEM_BYE	0x08	/* it hangs up instead */
#define TURNS_MAX	1000

static int ends[CALLERS + 1];

/* --- the server: the first byte of a message is what it does --- */

static int
act(struct otp *self, const char *text, size_t len)
{
	static uint64_t monitor, timer;

	switch (len > 0 ? text[0] : '\0') {
	case 'a':
		return otp_send_after(self, 0, text, len, &timer);
	case 'c':
		return otp_continue(self, self);
	case 'd':
		(void)otp_demonitor(self, monitor);
		(void)otp_cancel_timer(self, timer);
		return OTP_OK;
	case 'h':
		return otp_hibernate(self);
	case 'i':
		return otp_send_interval(self, 1, text, len, &timer);
	case 'l':
		return otp_link(self, text);
	case 'm':
		return otp_monitor(self, text, &monitor);
	case 's':
		return otp_stop(self, text);
	case 't':
		return otp_trap_exit(self, 1);
	case 'u':
		return otp_unlink(self, text);
	case 'x':
		return otp_exit(self, text, "kill");
	default:
		return OTP_OK;
	}
}

static int
handle_call(struct otp *self, struct otp_from from, const char *request,
    size_t len, void *state)
{
	uint64_t ref;

	(void)state;
	MUST(request[len] == '\0');
	if (len > 0 && request[0] == 'w')
		(void)otp_monitor_caller(self, from, &ref);
	if (len > 0 && request[0] == 's')
		return otp_stop_reply(self, request, from, "bye", 3);
	return otp_reply(self, from, request, len) < 0 ? -1 :
	    act(self, request, len);
}

static int
handle_cast(struct otp *self, const char *message, size_t len, void *state)
{
	(void)state;
	MUST(message[len] == '\0');
	return act(self, message, len);
}

static int
handle_info(struct otp *self, const struct otp_info *info, void *state)
{
	(void)state;
	MUST(strlen(info->who) + strlen(info->reason) < 4096);
	if (info->kind != OTP_MESSAGE || info->len == 0 ||
	    strchr("ai", info->data[0]) != NULL)
		return OTP_OK;		/* timers that start timers never end */
	return act(self, info->data, info->len);
}

static int
handle_continue(struct otp *self, void *what, void *state)
{
	(void)state;
	MUST(what == self);
	return OTP_OK;
}

static char *own_state;

/* Any text: one that is no JSON is to be quoted. */
static int
replace_state(struct otp *self, const char *text, size_t len, void **state)
{
	(void)self;
	free(*state);
	*state = own_state = strndup(text, len);
	return *state == NULL ? -1 : OTP_OK;
}

static int
get_state(struct otp *self, struct otp_out *out, void *state)
{
	(void)self;
	return otp_print(out, "%s", state == NULL ? "" : (char *)state);
}

static void
terminate(struct otp *self, const char *reason, void *state)
{
	(void)self;
	(void)state;
	MUST(strlen(reason) < OTP_REASON_MAX);
}

static const struct otp_gen_server_ops ops = {
	.handle_call = handle_call, .handle_cast = handle_cast,
	.handle_info = handle_info, .handle_continue = handle_continue,
	.replace_state = replace_state, .code_change = replace_state,
	.get_state = get_state, .terminate = terminate,
};

/* --- the others --- */

static void
say(int fd, const void *data, size_t len)
{
	(void)send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
say_frame(int fd, struct frame_header h, const void *payload, size_t len)
{
	h.length = (uint32_t)len;
	say(fd, &h, sizeof(h));
	say(fd, payload, len);
}

static void
greet(int fd)
{
	struct frame_hello hello = { .magic = FRAME_MAGIC, .max_payload = 4096,
	    .version = FRAME_VERSION };

	say_frame(fd, (struct frame_header){ .type = FRAME_HELLO }, &hello,
	    sizeof(hello));
}

/* How much there was; what it was is of no interest. */
static size_t
hear(int fd)
{
	char text[65536];
	ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	return n > 0 ? (size_t)n : 0;
}

static int
turn(struct otp *o)
{
	int rc = 0;

	for (int i = 0; i < 3 && rc == 0; i++) {
		rc = otp_dispatch(o);
		for (int who = 0; who <= LINK; who++)
			if (ends[who] >= 0)
				(void)hear(ends[who]);
	}
	return rc;
}

static int
caller(const struct sockaddr_un *to, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0 && connect(fd, (const struct sockaddr *)to, len) == 0);
	return fd;
}

/* It serves whoever comes now, if it has not been stopped. */
static void
next_caller(struct otp *o, int fd)
{
	char text[65536];
	size_t have = 0;
	int rc = 0;

	greet(fd);
	say_frame(fd, (struct frame_header){ .type = FRAME_SYSTEM, .ref = 1,
	    .tag = 4 }, "", 0);		/* resume */
	say_frame(fd, (struct frame_header){ .type = FRAME_CALL, .ref = 2 },
	    "the next one", 12);
	for (int i = 0; i < TURNS_MAX && rc == 0; i++) {
		ssize_t n = recv(fd, text + have, sizeof(text) - have,
		    MSG_DONTWAIT);

		have += n > 0 ? (size_t)n : 0;
		if (memmem(text, have, "the next one", 12) != NULL)
			return;
		rc = turn(o);
	}
	MUST(rc == 1);
}

/* An item; where the next one begins. */
static const uint8_t *
item(const uint8_t *p, const uint8_t *end)
{
	int who = p[0] & WHO_MASK, *fd = &ends[who <= LINK ? who : 0];
	struct frame_header h = { 0 };
	bool frame = (p[0] & ITEM_FRAME) != 0;
	size_t len = p[1];

	if ((p[0] & ITEM_BYE) != 0 && *fd >= 0) {
		(void)close(*fd);
		*fd = -1;
	}
	p += 2;
	if (frame && end - p >= 4) {
		h.type = p[0];
		h.flags = p[1];
		h.tag = p[2];
		h.ref = p[3];
		p += 4;
	}
	if (len > (size_t)(end - p))
		len = (size_t)(end - p);
	if (*fd >= 0 && frame)
		say_frame(*fd, h, p, len);
	else if (*fd >= 0)
		say(*fd, p, len);
	return p + len;
}

/* As otpd would start it; the first byte says who has greeted. */
static struct otp *
begin(uint8_t greeted, struct sockaddr_un *at, socklen_t *len)
{
	struct otp_options options = { .size = sizeof(options) };
	int pair[2], fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct otp *o = NULL;
	char text[16];

	at->sun_family = AF_UNIX;
	*len = sizeof(sa_family_t);	/* the kernel finds a name for it */
	MUST(fd >= 0 && bind(fd, (struct sockaddr *)at, *len) == 0 &&
	    listen(fd, 8) == 0);
	*len = sizeof(*at);
	MUST(getsockname(fd, (struct sockaddr *)at, len) == 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, pair) == 0);
	(void)snprintf(text, sizeof(text), "%d", pair[0]);
	(void)setenv("OTP_LINK", text, 1);
	(void)snprintf(text, sizeof(text), "%d", fd);
	(void)setenv("OTP_LISTEN", text, 1);
	(void)setenv("OTP_PATH", "web/fuzz", 1);
	(void)setenv("OTP_RUNTIME_DIR", "/nonexistent", 1);
	ends[LINK] = pair[1];
	if ((greeted & (1 << LINK)) != 0)
		greet(pair[1]);
	MUST(otp_gen_server_start(&ops, &options, &o, NULL) == 0);
	MUST(otp_fd(o) >= 0);
	for (int i = 0; i < CALLERS; i++) {
		ends[i] = caller(at, *len);
		if ((greeted & (1 << i)) != 0)
			greet(ends[i]);
	}
	return o;
}

const unsigned fuzz_variations = 2000;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *end = data + size;
	struct sockaddr_un at = { 0 };
	socklen_t len;
	struct otp *o;
	int fd, rc;

	if (size == 0)
		return 0;
	o = begin(*p++, &at, &len);
	fd = caller(&at, len);
	rc = turn(o);
	while (rc == 0 && end - p >= 2) {
		p = item(p, end);
		rc = turn(o);
	}
	if (rc == 0)
		next_caller(o, fd);
	(void)close(fd);
	for (int i = 0; i <= LINK; i++)
		if (ends[i] >= 0)
			(void)close(ends[i]);
	otp_free(o);
	free(own_state);
	own_state = NULL;
	return 0;
}
