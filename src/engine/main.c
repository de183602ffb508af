/* SPDX-License-Identifier: ISC */
/*
 * otp-engine: all policy.  Started by otpd with the descriptors of enum
 * spawn_fd; -n only checks the configuration.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <config.h>

#include "engine/apps.h"
#include "engine/config_check.h"
#include "engine/registry.h"

static const char usage[] =
    "usage: otp-engine [-nqvV] -c file -r runtime_dir -l log_dir\n"
    "otpd starts it; -n checks the configuration and exits\n";

static void
options(struct engine *e, int argc, char **argv, bool *out_check)
{
	int ch;

	while ((ch = getopt(argc, argv, "c:hl:nqr:R:vV")) != -1) {
		switch (ch) {
		case 'c': e->config_file = optarg; break;
		case 'l': e->log_dir = optarg; break;
		case 'r': e->runtime_dir = optarg; break;
		case 'R': e->rung = (enum spawn_rung)atoi(optarg); break;
		case 'n': *out_check = true; break;
		case 'q': e->quiet = true; break;
		case 'v': e->verbose = true; break;
		case 'V':
			(void)printf("otp-engine %s\n", PACKAGE_VERSION);
			exit(0);
		case 'h':
			(void)fputs(usage, stdout);
			exit(0);
		default:
			(void)fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind != argc || e->config_file == NULL) {
		(void)fputs(usage, stderr);
		exit(2);
	}
}

static void
watch(struct engine *e, int fd, loop_io_fn *fn, uint64_t *out_handle)
{
	int rc = loop_add(e->loop, fd, EPOLLIN, fn, e, out_handle);

	if (rc < 0) {
		engine_say("cannot watch descriptor %d: %s", fd,
		    strerror(-rc));
		exit(SPAWN_EXIT_AGAIN);
	}
}

/* The descriptors are otpd's gift; nothing this starts may inherit them. */
static void
check_descriptors(void)
{
	for (int fd = SPAWN_FD_CHANNEL; fd <= SPAWN_FD_ENGINE_LAST; fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
			continue;
		(void)fprintf(stderr, "otp-engine: descriptor %d is not open; "
		    "it is started by otpd, not by hand\n", fd);
		exit(2);
	}
}

static void
set_up(struct engine *e)
{
	int rc;

	e->cx.runtime_dir = e->runtime_dir;
	e->config_fd = e->events_fd = -1;
	e->next_log_key = e->saved.next_log_key = 1;
	e->started_ms = loop_now_ms();
	e->loop = loop_new();
	e->store = store_new(SPAWN_FD_SNAPSHOT0, SPAWN_FD_SNAPSHOT1);
	link_init(&e->spawner, SPAWN_FD_CHANNEL);
	link_init(&e->logger, SPAWN_FD_LINK);
	rc = e->rung == SPAWN_RUNG_HOLD ? 1 : engine_load_snapshot(e);
	if (rc < 0) {
		engine_say("cannot read the snapshot: %s", strerror(-rc));
		exit(SPAWN_EXIT_AGAIN);
	}
	if (rc == 0) {		/* the first engine */
		e->config = config_load(e->config_file, &e->cx);
		if (e->config->nerrors > 0) {
			engine_say_errors(e->config);
			engine_leave_words(e, 1, "its configuration has "
			    "errors, which otpd -n tells");
			exit(1);
		}
		engine_say_warnings(e, e->config);
		e->compat = e->config->options.compat_otp;
	}
	e->events = events_new(e->saved.next_seq > 0 ? e->saved.next_seq : 1);
	e->told_seq = events_next_seq(e->events);
	e->core = core_new(e->compat);
	e->runtime_fd = open(e->runtime_dir,
	    O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (e->loop == NULL || e->core == NULL || e->runtime_fd < 0) {
		engine_say("cannot begin: %s", strerror(errno));
		exit(SPAWN_EXIT_AGAIN);
	}
}

/* What the core was given and still refers to. */
static void
free_services(struct core *core)
{
	struct core_child view;

	for (uint32_t slot = 0; slot < core_nslots(core); slot++) {
		if (!core_view(core, slot, 0, &view))
			continue;
		service_free(core_template(core, slot));
		service_free(view.user);
	}
}

static void
tear_down(struct engine *e)
{
	server_free(e->server);
	registries_free(e);
	config_free(e->config);
	engine_begin_done(e);
	apps_free(e);
	engine_reload_clear(e);
	while (e->nwaiters > 0)
		engine_drop_waiters(e, e->waiters[0].peer);
	for (uint32_t slot = 0; slot < e->children_cap; slot++)
		if (e->children[slot].path != NULL)
			engine_drop_child(e, slot);
	free_services(e->core);
	core_free(e->core);
	events_free(e->events);
	store_free(e->store);
	link_done(&e->spawner);
	link_done(&e->logger);
	loop_free(e->loop);
	for (uint32_t i = 0; i < e->nrequests; i++)
		free(e->requests[i].path);
	for (uint32_t i = 0; i < e->nnotes; i++)
		free(e->notes[i].text);
	engine_free_forgotten(e);
	free(e->children);
	free(e->dirty);
	free(e->dirty_links);
	free(e->heard);
	free(e->gone);
	free(e->failed);
	free(e->failed_child);
	free(e->requests);
	free(e->waiters);
	free(e->replies);
}

int
main(int argc, char **argv)
{
	struct engine e = { 0 };
	struct spawn_hello hello = { .version = SPAWN_VERSION,
	    .pid = (uint32_t)getpid() };
	bool check = false;
	int rc;

	options(&e, argc, argv, &check);
	if (check)
		return config_check_main(e.config_file, e.runtime_dir,
		    e.quiet);
	if (e.runtime_dir == NULL || e.log_dir == NULL) {
		(void)fputs(usage, stderr);
		return 2;
	}
	/* A limit on files is an error to tell of, not a death. */
	(void)signal(SIGXFSZ, SIG_IGN);
	check_descriptors();
	set_up(&e);
	watch(&e, SPAWN_FD_CHANNEL, engine_spawner_events, &e.spawner_handle);
	watch(&e, SPAWN_FD_LINK, engine_logger_events, &e.logger_handle);
	link_put(&e.spawner, SPAWN_HELLO, 0, &hello, sizeof(hello));
	loop_after(e.loop, engine_turn_end, &e);
	engine_turn_end(&e);	/* what has no room yet waits for it */
	rc = loop_run(e.loop);
	if (rc < 0)
		engine_say("the event loop failed: %s", strerror(-rc));
	tear_down(&e);
	return rc < 0 ? 1 : 0;
}
