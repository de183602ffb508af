/* SPDX-License-Identifier: ISC */
/*
 * The beginning and the end of a struct otp, as a caller and as a server; what
 * otpd tells its child through the environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libotp/serve.h"
#include "libotp/task.h"
#include "wire/reason.h"

#define CALL_MS		5000
#define CALLERS_MAX	16384
#define QUEUED_MAX	(1024U * 1024)

/* $OTP_RUNTIME_DIR, /run/otpd, $XDG_RUNTIME_DIR/otpd. */
static char *
runtime_dir(const char *given)
{
	const char *base;
	char *dir;

	if (given == NULL)
		given = getenv("OTP_RUNTIME_DIR");
	if (given != NULL && given[0] != '\0')
		return strdup(given);
	if (geteuid() == 0)
		return strdup("/run/otpd");
	base = getenv("XDG_RUNTIME_DIR");
	if (base == NULL || base[0] == '\0')
		base = "/nonexistent";
	if (asprintf(&dir, "%s/otpd", base) < 0)
		return NULL;
	return dir;
}

/* The options as this library knows them, whatever its caller was built with. */
static int
take_options(const struct otp_options *given, struct otp_options *out)
{
	*out = (struct otp_options){ 0 };
	if (given == NULL)
		return 0;
	if (given->size < sizeof(given->size))
		return -EINVAL;
	memcpy(out, given, given->size < sizeof(*out) ? given->size :
	    sizeof(*out));
	return 0;
}

int
otpi_new(const struct otp_options *given, struct otp **out)
{
	struct otp_options opt;
	struct otp *o;
	int rc = take_options(given, &opt);

	if (rc < 0)
		return rc;
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return -ENOMEM;
	o->dirty_end = o->said_end = &o->dirty;
	o->pid = getpid();
	o->runtime_dir = runtime_dir(opt.runtime_dir);
	o->timeout_ms = opt.timeout_ms != 0 ? opt.timeout_ms : CALL_MS;
	o->flags = opt.flags;
	o->max_payload = opt.max_payload != 0 ? opt.max_payload :
	    FRAME_SERVER_MAX;
	if (o->max_payload < 1024)
		o->max_payload = 1024;
	o->max_queued = opt.max_queued != 0 ? opt.max_queued : QUEUED_MAX;
	o->when_full = opt.when_full;
	if (o->runtime_dir == NULL) {
		free(o);
		return -ENOMEM;
	}
	*out = o;
	return 0;
}

struct otp *
otp_new(const struct otp_options *options)
{
	struct otp *o;
	int rc = otpi_new(options, &o);

	if (rc == 0)
		return o;
	errno = -rc;
	return NULL;
}

static void
server_free(struct otp *o)
{
	struct otpi_server *s = o->srv;

	otpi_callers_free(o);
	otpi_mail_free(s);
	otpi_timers_free(s);
	otpi_watch_free(s);
	otpi_conn_clear(o, &s->link);
	if (s->listen_fd >= 0)
		(void)close(s->listen_fd);
	if (s->socket != NULL && s->own_ino != 0 && o->pid == getpid())
		(void)unlink(s->socket);
	if (s->timer_fd >= 0)
		(void)close(s->timer_fd);
	if (s->epfd >= 0)
		(void)close(s->epfd);
	if (s->original != NULL)
		(void)munmap(s->original, 1);
	free(s->stop_reply);
	free(s->socket);
	free(s->name);
	free(s->path);
	free(s);
	o->srv = NULL;
}

void
otp_free(struct otp *o)
{
	bool copy = o != NULL && o->pid != getpid();

	if (o == NULL || (o->srv != NULL && o->srv->in_callback && !copy))
		return;
	if (copy)
		otpi_leave_owner(o);
	otpi_tasks_free(o);
	if (!copy)
		(void)otpi_flush_all(o);
	otpi_dest_free_all(o);
	otpi_parts_free_all(o);
	if (o->srv != NULL)
		server_free(o);
	for (uint32_t i = 0; i < o->nrequests; i++) {
		free(o->requests[i].data);
		free(o->requests[i].again);
	}
	free(o->requests);
	otpi_buf_free_spares(o, 0);
	free(o->runtime_dir);
	free(o);
}

/* --- the server's part --- */

/* A descriptor otpd has handed down; it goes no further. */
static int
inherited(const char *variable)
{
	const char *text = getenv(variable);
	char *end;
	long fd;

	if (text == NULL)
		return -1;
	errno = 0;
	fd = strtol(text, &end, 10);
	(void)unsetenv(variable);
	if (errno != 0 || *end != '\0' || end == text || fd < 0 ||
	    fd > INT_MAX || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	(void)fcntl((int)fd, F_SETFL, fcntl((int)fd, F_GETFL) | O_NONBLOCK);
	return (int)fd;
}

/* So that a message to its own address is known as one. */
static void
learn_self(struct otp *o)
{
	struct otpi_server *s = o->srv;
	char path[PATH_MAX];
	struct stat st;
	int rc = 0;

	if (s->socket != NULL)
		(void)snprintf(path, sizeof(path), "%s", s->socket);
	else if (strchr(s->path, '/') != NULL)
		rc = otpi_resolve(o, s->path, path, sizeof(path));
	else
		rc = snprintf(path, sizeof(path), "%s/paths/%s",
		    o->runtime_dir, s->path) < (int)sizeof(path) ? 0 : -1;
	if (rc == 0 && stat(path, &st) == 0) {
		s->own_dev = st.st_dev;
		s->own_ino = st.st_ino;
	}
}

bool
otpi_is_self(const struct otp *o, const char *socket_path)
{
	struct stat st;

	return o->srv != NULL && o->srv->own_ino != 0 &&
	    stat(socket_path, &st) == 0 && st.st_dev == o->srv->own_dev &&
	    st.st_ino == o->srv->own_ino;
}

static char *
copy_env(const char *variable, const char *otherwise)
{
	const char *text = getenv(variable);

	return strdup(text != NULL ? text : otherwise);
}

/* A page that says so, and is empty in what a fork makes of this process. */
static int
mark_original(struct otpi_server *s)
{
	bool *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	*page = true;
	/* Before Linux 4.14 a copy is not noticed. */
	(void)madvise(page, sizeof(*page), MADV_WIPEONFORK);
	s->original = page;
	return 0;
}

static int
server_new(struct otp *o, const struct otp_gen_server_ops *ops)
{
	struct otpi_server *s = calloc(1, sizeof(*s));
	struct timespec ts;

	if (s == NULL)
		return -ENOMEM;
	o->srv = s;
	s->ops = ops;
	s->listen_fd = s->timer_fd = s->link.fd = -1;
	s->link.kind = OTPI_LINK;
	s->listen_kind = OTPI_LISTEN;
	s->mail_end = &s->mail;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	s->stats.started = (uint64_t)ts.tv_sec * 1000 +
	    (uint64_t)ts.tv_nsec / OTPI_MSEC;
	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	return s->epfd < 0 ? -errno : mark_original(s);
}

/* Where it listens and who it is: from otpd, or from the options. */
static int
take_place(struct otp *o, const struct otp_options *opt)
{
	struct otpi_server *s = o->srv;
	const char *generation = getenv("OTP_GENERATION");
	const char *allow = opt->allow != NULL ? opt->allow :
	    getenv("OTP_ALLOW");
	int link = opt->socket == NULL ? inherited("OTP_LINK") : -1, rc = 0;

	s->max_callers = opt->max_callers != 0 ? opt->max_callers :
	    CALLERS_MAX;
	s->path = link >= 0 ? copy_env("OTP_PATH", "") :
	    strdup(opt->socket != NULL ? opt->socket : "");
	if (s->path == NULL)
		return -ENOMEM;
	if (link >= 0) {
		s->listen_fd = inherited("OTP_LISTEN");
		s->name = getenv("OTP_NAME") ? copy_env("OTP_NAME", "") : NULL;
		s->generation = generation == NULL ? 0 :
		    strtoull(generation, NULL, 10);
		rc = otpi_link_open(o, link);
	} else if (opt->socket != NULL) {
		rc = otpi_listen(o, opt->socket);
	}
	if (rc == 0 && allow != NULL)
		rc = otpi_allow_parse(s, allow);
	if (rc == 0)
		learn_self(o);
	return rc;
}

static int
run_init(struct otp *o, const struct otp_options *opt)
{
	struct otpi_server *s = o->srv;
	int rc = OTP_OK;

	s->in_callback = true;
	if (s->ops->init != NULL)
		rc = s->ops->init(o, opt->argc, opt->argv, &s->state);
	s->in_callback = false;
	if (otpi_copied(o))
		return -EPERM;
	if (rc == OTP_IGNORE) {
		(void)otpi_link_cast(o, "{\"op\":\"ignore\"}");
		(void)otpi_flush_all(o);
		return 1;
	}
	if (rc == OTP_OK && (s->asked & OTPI_ASK_STOP) == 0)
		return 0;
	if ((s->asked & OTPI_ASK_STOP) == 0)
		otpi_reason_of_result(rc, s->reason, sizeof(s->reason));
	otpi_end(o, s->reason, false);
	return -OTP_EDOWN;
}

static int
serve(struct otp *o)
{
	struct otpi_server *s = o->srv;
	struct epoll_event ev = { .events = EPOLLIN,
	    .data.ptr = &s->listen_kind };

	if (s->listen_fd >= 0 &&
	    epoll_ctl(s->epfd, EPOLL_CTL_ADD, s->listen_fd, &ev) < 0)
		return -errno;
	s->ready = true;
	(void)otpi_link_cast(o, "{\"op\":\"ready\"}");
	(void)otpi_flush_all(o);
	if (s->asked != 0)
		otpi_settle(o, OTP_OK);
	return 0;
}

int
otp_gen_server_start(const struct otp_gen_server_ops *ops,
    const struct otp_options *options, struct otp **out, int *out_code)
{
	struct otp_options opt;
	struct otp *o;
	int rc;

	rc = take_options(options, &opt);
	if (rc == 0)
		rc = otpi_new(options, &o);
	if (rc < 0)
		return rc;
	rc = server_new(o, ops);
	if (rc == 0)
		rc = take_place(o, &opt);
	if (rc == 0)
		rc = run_init(o, &opt);
	if (rc == 0)
		rc = serve(o);
	if (rc == 0) {
		*out = o;
		return 0;
	}
	if (out_code != NULL)
		*out_code = rc == 1 ? 0 : rc == -OTP_EDOWN ?
		    o->srv->exit_code : 1;
	otp_free(o);
	return rc;
}

OTPI_HOT int
otp_gen_server_run(struct otp *o)
{
	if (o->srv == NULL)
		return -EINVAL;
	if (o->srv->in_callback)
		return -EBUSY;
	while (otpi_turn(o, true) == 0)
		;
	return o->srv->exit_code;
}

/* A server of many callers needs as many descriptors as it may have. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int
otp_gen_server_main(const struct otp_gen_server_ops *ops, int argc,
    char **argv)
{
	struct otp_options opt = { .size = sizeof(opt), .argc = argc,
	    .argv = argv };
	struct otp *o;
	int code = 1, rc;

	if (argc > 2 && strcmp(argv[1], "-s") == 0) {
		opt.socket = argv[2];
		argv[2] = argv[0];
		opt.argv = argv + 2;
		opt.argc = argc - 2;
	} else if (getenv("OTP_LINK") == NULL) {
		return 2;
	}
	raise_limit();
	rc = otp_gen_server_start(ops, &opt, &o, &code);
	if (rc != 0)
		return code;
	code = otp_gen_server_run(o);
	otp_free(o);
	return code;
}
