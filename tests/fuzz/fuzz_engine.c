/* SPDX-License-Identifier: ISC */
/*
 * A whole engine, whose spawner, clients, workers and services are one process
 * that says anything.  An input is a row of items: a kind, a length of two
 * bytes, and what is said.  Every answer of the engine must be a JSON object,
 * and it must end when it is asked to.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "fuzz.h"
#include "libotp/peer.h"
#include "wire/spawn_request.h"

#define ITEM_MAX	4096U
#define PAYLOAD_MAX	(16U * 1024 * 1024)
#define CHILDREN_MAX	256
#define HELD_MAX	64
#define WAIT_MS		5000

int	otp_engine_main(int argc, char **argv);

enum item_kind {
	ITEM_CALL, ITEM_NOTIFY, ITEM_LINK_CALL, ITEM_LINK_CAST, ITEM_EXIT,
	ITEM_BYTES, ITEM_NKINDS
};

static const char config[] = "{\"max_restarts\": 100, \"registries\": {"
    "\"u\":{\"keys\":\"unique\",\"listeners\":[\"w\"]},"
    "\"d\":{\"keys\":\"duplicate\",\"max_entries\":100}},\"children\": ["
    "{\"id\":\"w\",\"kind\":\"gen_server\",\"name\":\"w\","
    "\"shutdown\":200,\"start\":[\"/w\"]},"
    "{\"id\":\"n\",\"ready\":\"notify\",\"start\":[\"/n\"]},"
    "{\"id\":\"s\",\"type\":\"supervisor\",\"strategy\":\"one_for_all\","
    "\"children\":[{\"id\":\"a\",\"start\":[\"/a\"]},"
    "{\"id\":\"b\",\"restart\":\"transient\",\"start\":[\"/b\"]}]},"
    "{\"id\":\"d\",\"type\":\"dynamic_supervisor\"},"
    "{\"id\":\"p\",\"type\":\"partition_supervisor\",\"partitions\":2,"
    "\"template\":{\"start\":[\"/p\"]}}]}";

static char dir[] = "/tmp/otpd-fuzz.XXXXXX";

struct other {			/* everybody but the engine */
	int		channel, logger, notify;
	struct peer	*control, *link;
	uint64_t	ref;
	struct { uint64_t inc; int32_t pid; } children[CHILDREN_MAX];
	unsigned	nchildren, starts;
	struct { uint64_t key; int fd; } held[HELD_MAX];
	unsigned	nheld;
	bool		quit, answered;
};

/* --- as the spawner --- */

static void
tell(struct other *o, uint16_t type, uint64_t inc, const void *body,
    size_t len)
{
	struct {
		struct spawn_header h;
		char		body[512];
	} m = { .h = { .type = type, .inc = inc } };
	size_t whole = sizeof(m.h) + len;

	m.h.len = (uint32_t)whole;
	memcpy(m.body, body, len);
	(void)send(o->channel, &m, spawn_padded(whole), MSG_NOSIGNAL);
}

static void
tell_child(struct other *o, unsigned i, uint8_t state, int32_t status)
{
	struct spawn_child told = { .pid = o->children[i].pid,
	    .state = state, .status = status, .start_ns = 1, .end_ns = 2 };

	tell(o, SPAWN_CHILD, o->children[i].inc, &told, sizeof(told));
	if (state == SPAWN_EXITED)
		o->children[i] = o->children[--o->nchildren];
}

static const struct peer_limits limits = { PAYLOAD_MAX, PAYLOAD_MAX };

/* The first worker with a link is ours to speak for. */
static void
take_link(struct other *o, uint64_t key)
{
	const struct frame_hello hello = { .pid = 1 };

	for (unsigned i = 0; i < o->nheld && o->link == NULL; i++)
		if (o->held[i].key == key)
			o->link = peer_new(dup(o->held[i].fd), &hello, NULL,
			    NULL, &limits);
}

static void
start(struct other *o, const struct spawn_header *h)
{
	const struct spawn_start *s = (const void *)h;
	struct spawn_view v;

	MUST(spawn_start_check(h, &v) == 0);
	for (unsigned i = 0; i < o->nchildren; i++)
		MUST(o->children[i].inc != h->inc);
	if (o->nchildren == CHILDREN_MAX)
		return;
	o->children[o->nchildren].inc = h->inc;
	o->children[o->nchildren].pid = o->starts == 1 ? getpid() :
	    1000000 + (int32_t)o->starts;
	o->starts++;
	if (s->nfds > 0)
		take_link(o, s->fd_key);
	tell_child(o, o->nchildren++, SPAWN_ALIVE, 0);
}

static void
one_signal(struct other *o, const struct spawn_header *h)
{
	const struct spawn_signal *s = (const void *)(h + 1);

	for (unsigned i = 0; i < o->nchildren; i++)
		if (o->children[i].inc == h->inc &&
		    (s->sig == SIGTERM || s->sig == SIGKILL)) {
			tell_child(o, i, SPAWN_EXITED, s->sig);
			return;
		}
}

static void
order(struct other *o, const struct spawn_header *h, int fd)
{
	const struct spawn_welcome welcome = { .version = SPAWN_VERSION };

	switch (h->type) {
	case SPAWN_HELLO:
		tell(o, SPAWN_WELCOME, 0, &welcome, sizeof(welcome));
		tell(o, SPAWN_LISTED, 0, "", 0);
		break;
	case SPAWN_START:	start(o, h); break;
	case SPAWN_SIGNAL:	one_signal(o, h); break;
	case SPAWN_PING:	tell(o, SPAWN_PONG, h->inc, "", 0); break;
	case SPAWN_QUIT:	o->quit = true; break;
	case SPAWN_HOLD:
		if (o->nheld < HELD_MAX) {
			o->held[o->nheld].key = h->inc;
			o->held[o->nheld++].fd = dup(fd);
		}
		break;
	default:		break;
	}
}

static void
hear_orders(struct other *o)
{
	static uint64_t buf[SPAWN_MSG_MAX / sizeof(uint64_t)];
	union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int))]; } c;
	struct iovec iov = { buf, sizeof(buf) };
	const struct spawn_header *h;
	struct cmsghdr *cmsg;
	struct msghdr m;
	ssize_t n;
	size_t at;
	int fd;

	for (;;) {
		m = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1,
		    .msg_control = &c, .msg_controllen = sizeof(c) };
		n = recvmsg(o->channel, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n <= 0)
			return;
		cmsg = CMSG_FIRSTHDR(&m);
		fd = -1;
		if (cmsg != NULL)
			memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
		for (at = 0; at < (size_t)n; at += spawn_padded(h->len)) {
			MUST(spawn_next((const char *)buf + at, (size_t)n - at,
			    &h) == 0);
			order(o, h, fd);
		}
		if (fd >= 0)
			(void)close(fd);
	}
}

/* --- as the logger: nothing is ever left to be written --- */

static void
hear_logger_orders(struct other *o)
{
	static uint64_t buf[SPAWN_MSG_MAX / sizeof(uint64_t)];
	const struct spawn_header synced = { .len = sizeof(synced),
	    .type = LOG_SYNCED };
	const struct spawn_header *h;
	ssize_t n;
	size_t at;

	while ((n = recv(o->logger, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		for (at = 0; at < (size_t)n; at += spawn_padded(h->len)) {
			MUST(spawn_next((const char *)buf + at, (size_t)n - at,
			    &h) == 0);
			if (h->type == LOG_SYNC)
				(void)send(o->logger, &synced, sizeof(synced),
				    MSG_NOSIGNAL);
		}
}

/* --- as clients --- */

/* Or nobody: the engine may be about to end. */
static void
connect_control(struct other *o)
{
	const struct frame_hello hello = { .pid = 1 };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/names/otpd", dir);
	o->control = NULL;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		(void)close(fd);
		return;
	}
	MUST(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	o->control = peer_new(fd, &hello, NULL, NULL, &limits);
	MUST(o->control != NULL);
}

static void
check_reply(const struct frame_header *h, const void *payload)
{
	cJSON *json;

	if (h->type != FRAME_REPLY || (h->flags & FRAME_F_MORE) != 0)
		return;
	json = cJSON_ParseWithLength(payload, h->length);
	MUST(cJSON_IsObject(json));
	cJSON_Delete(json);
}

/* False when it has ended the connection. */
static bool
hear(struct other *o, struct peer *p)
{
	struct frame_header h;
	const void *payload;
	int rc;

	if (peer_read(p) < 0)
		return false;
	while ((rc = peer_next(p, &h, &payload)) == 1) {
		check_reply(&h, payload);
		if (p == o->control && h.ref == o->ref &&
		    h.type != FRAME_INFO)
			o->answered = true;
	}
	return rc == 0 && peer_flush(p) >= 0;
}

/* Until the engine has answered, or otherwise come to what is awaited. */
static void
pump(struct other *o, const bool *until)
{
	struct pollfd fds[4];

	while (!*until) {
		fds[0] = (struct pollfd){ o->channel, POLLIN, 0 };
		fds[1] = (struct pollfd){ o->control != NULL ?
		    peer_fd(o->control) : -1, POLLIN, 0 };
		fds[2] = (struct pollfd){ o->link != NULL ?
		    peer_fd(o->link) : -1, POLLIN, 0 };
		fds[3] = (struct pollfd){ o->logger, POLLIN, 0 };
		MUST(poll(fds, 4, WAIT_MS) > 0);
		MUST(fds[0].revents != POLLHUP);	/* it has ended */
		hear_orders(o);
		if (fds[3].revents != 0)
			hear_logger_orders(o);
		if (fds[2].revents != 0 && !hear(o, o->link)) {
			peer_free(o->link);
			o->link = NULL;
		}
		if (fds[1].revents != 0 && !hear(o, o->control)) {
			peer_free(o->control);
			connect_control(o);
			break;
		}
	}
}

static void
say(struct peer *p, uint8_t type, uint64_t ref, const void *text, size_t len)
{
	const struct frame_header h = { .type = type, .ref = ref,
		.length = (uint32_t)len };

	if (p != NULL && peer_send(p, &h, text) >= 0)
		(void)peer_flush(p);
}

static void
settle(struct other *o)
{
	o->answered = o->control == NULL;
	say(o->control, FRAME_CALL, ++o->ref, "{\"op\":\"info\"}", 13);
	pump(o, &o->answered);
}

static void
item(struct other *o, uint8_t kind, const uint8_t *text, size_t len)
{
	switch (kind % ITEM_NKINDS) {
	case ITEM_CALL:
		say(o->control, FRAME_CALL, ++o->ref, text, len);
		break;
	case ITEM_NOTIFY:
		(void)send(o->notify, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	case ITEM_LINK_CALL:
		say(o->link, FRAME_CALL, ++o->ref, text, len);
		break;
	case ITEM_LINK_CAST:
		say(o->link, FRAME_CAST, 0, text, len);
		break;
	case ITEM_EXIT:
		if (len > 1 && o->nchildren > 0)
			tell_child(o, text[0] % o->nchildren, SPAWN_EXITED,
			    text[1]);
		break;
	case ITEM_BYTES:
		if (o->control != NULL)
			(void)send(peer_fd(o->control), text, len,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	}
	settle(o);
}

static void
play(struct other *o, const uint8_t *data, size_t size)
{
	const struct spawn_asked term = { .mask = 1U << SIGTERM };
	size_t at, len;

	connect_control(o);
	settle(o);
	for (at = 0; at + 3 <= size && !o->quit; at += 3 + len) {
		len = (data[at + 1] | (size_t)data[at + 2] << 8) % ITEM_MAX;
		if (len > size - at - 3)
			len = size - at - 3;
		item(o, data[at], data + at + 3, len);
	}
	tell(o, SPAWN_ASKED, 0, &term, sizeof(term));
	pump(o, &o->quit);
	/* It has stopped everything before. */
	MUST(o->nchildren == 0);
}

/* --- the engine's descriptors --- */

/* Out of the way of those that have their places. */
static int
high(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 2 * SPAWN_FD_ENGINE_LAST);

	MUST(fd >= 0 && copy >= 0);
	(void)close(fd);
	return copy;
}

static void
put(int fd, int at)
{
	MUST(dup2(fd, at) == at);
	(void)close(fd);
}

static void
pair(int type, int out[2])
{
	MUST(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, out) == 0);
	out[0] = high(out[0]);
	out[1] = high(out[1]);
}

static int
listen_control(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = high(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/names/otpd", dir);
	(void)unlink(to.sun_path);
	MUST(bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	MUST(listen(fd, 16) == 0);
	return fd;
}

/* Fresh ones; the other ends are for the other process. */
static void
descriptors(struct other *o)
{
	int channel[2], logger[2], notify[2], on = 1;

	pair(SOCK_SEQPACKET, channel);
	pair(SOCK_SEQPACKET, logger);
	pair(SOCK_DGRAM, notify);
	MUST(setsockopt(notify[0], SOL_SOCKET, SO_PASSCRED, &on,
	    sizeof(on)) == 0);
	put(channel[0], SPAWN_FD_CHANNEL);
	put(listen_control(), SPAWN_FD_CONTROL);
	put(logger[0], SPAWN_FD_LINK);
	put(notify[0], SPAWN_FD_NOTIFY);
	put(high(memfd_create("0", 0)), SPAWN_FD_SNAPSHOT0);
	put(high(memfd_create("1", 0)), SPAWN_FD_SNAPSHOT1);
	o->channel = channel[1];
	o->logger = logger[1];
	o->notify = notify[1];
}

static void
remove_dir(void)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	(void)system(command);
}

/* Once: the directory of all runs. */
static const char *
directory(void)
{
	static char file[64];
	char path[64];
	FILE *f;

	if (file[0] != '\0')
		return file;
	MUST(mkdtemp(dir) != NULL);
	(void)atexit(remove_dir);
	(void)snprintf(path, sizeof(path), "%s/names", dir);
	MUST(mkdir(path, 0700) == 0);
	(void)snprintf(file, sizeof(file), "%s/otpd.json", dir);
	f = fopen(file, "we");
	MUST(f != NULL && fputs(config, f) != EOF && fclose(f) == 0);
	return file;
}

const unsigned fuzz_variations = 100;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *file = directory();
	char *argv[] = { (char *)"otp-engine", (char *)"-q", (char *)"-c",
		(char *)(uintptr_t)file, (char *)"-r", dir, (char *)"-l", dir,
		NULL };
	static struct other o;
	int status;
	pid_t pid, got;

	o = (struct other){ 0 };
	descriptors(&o);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int fd = SPAWN_FD_CHANNEL; fd <= SPAWN_FD_ENGINE_LAST;
		    fd++)
			(void)close(fd);
		play(&o, data, size);
		_exit(0);
	}
	(void)close(o.channel);
	(void)close(o.logger);
	(void)close(o.notify);
	optind = 1;
	MUST(otp_engine_main(8, argv) == 0);
	for (int fd = SPAWN_FD_CHANNEL; fd <= SPAWN_FD_ENGINE_LAST; fd++)
		(void)close(fd);
	while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
		continue; /* libFuzzer's clock */
	MUST(got == pid && status == 0);
	return 0;
}
