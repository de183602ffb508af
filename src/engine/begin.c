/* SPDX-License-Identifier: ISC */
/*
 * How an engine begins: fresh from the configuration file, or where the one
 * before it ended.  In the second case states are compared, not edges
 * replayed: what died meanwhile becomes an event, what should run and does
 * not is started, what runs and should not is stopped.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/apps.h"
#include "engine/crashpoint.h"
#include "engine/registry.h"
#include "engine/rung.h"
#include "engine/save.h"
#include "engine/worker.h"
#include "wire/reason.h"

#define CRASHES_TOLD	16

/* Until everything is listed a record is only kept. */
void
engine_list_child(struct engine *e, uint64_t inc,
    const struct spawn_child *told)
{
	e->list = xgrow(e->list, &e->list_cap, e->nlist, sizeof(*e->list));
	e->list[e->nlist].inc = inc;
	e->list[e->nlist++].told = *told;
}

void
engine_held(struct engine *e, uint64_t key, int fd)
{
	if (fd < 0)
		return;
	if (e->rung == SPAWN_RUNG_HOLD) {	/* it is for those to come */
		(void)close(fd);
		return;
	}
	if (key == EVENTS_KEY && e->events_fd < 0) {
		e->events_fd = fd;
		return;
	}
	if (worker_key_is(key)) {
		e->held = xgrow(e->held, &e->held_cap, e->nheld,
		    sizeof(*e->held));
		e->held[e->nheld].key = key;
		e->held[e->nheld++].fd = fd;
		return;
	}
	/* Nobody says which one ran: the newest did, or was about to. */
	if (e->rung == SPAWN_RUNG_COLD && (key & EVENTS_KEY) == CONFIG_KEYS &&
	    key >= e->config_key) {
		if (e->config_fd >= 0)
			(void)close(e->config_fd);
		e->config_key = key;
		e->config_fd = fd;
		return;
	}
	if (key != e->config_key || e->config_fd >= 0) {
		(void)close(fd);	/* of a reload that was cut short */
		link_put(&e->spawner, SPAWN_RELEASE, key, "", 0);
		return;
	}
	e->config_fd = fd;
}

int
engine_hold_config(struct engine *e, const char *text, size_t len)
{
	uint64_t next = (e->config_key | CONFIG_KEYS) + 1;
	int fd = memfd_create("otpd-config", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < len; ) {
		ssize_t n = write(fd, text + at, len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int error = errno;

			(void)close(fd);
			return -error;
		}
		at += (size_t)n;
	}
	/* Held before a snapshot names it; let go of only after that. */
	link_hold(&e->spawner, next, fd);
	(void)link_flush(&e->spawner);
	if (e->config_key != 0)
		link_put(&e->spawner, SPAWN_RELEASE, e->config_key, "", 0);
	e->config_key = next;
	e->changed = true;
	return 0;
}

static char *
read_whole(int fd, size_t *out_len)
{
	struct stat st;
	char *text;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	text = xcalloc(1, (size_t)st.st_size + 1);
	if (pread(fd, text, (size_t)st.st_size, 0) != st.st_size) {
		free(text);
		return NULL;
	}
	*out_len = (size_t)st.st_size;
	return text;
}

/* --- what the snapshot holds --- */

static int
keep_record(void *arg, enum store_type type, uint64_t key, const void *data,
    size_t len)
{
	struct engine *e = arg;
	struct saved_record *r;

	if (type == STORE_ENGINE) {
		memcpy(&e->saved, data, len < sizeof(e->saved) ? len :
		    sizeof(e->saved));
		return 0;
	}
	e->records = xgrow(e->records, &e->records_cap, e->nrecords,
	    sizeof(*e->records));
	r = &e->records[e->nrecords++];
	*r = (struct saved_record){ .type = type, .key = key, .len = len,
	    .data = xcalloc(1, len + 1) };
	memcpy(r->data, data, len);
	return 0;
}

static void
take_saved(struct engine *e)
{
	e->config_key = e->saved.config_key;
	e->next_log_key = e->saved.next_log_key;
	e->next_letter = e->saved.next_letter;
	e->straw_code = e->saved.straw_code;
	e->stopping = (e->saved.stopping & ENGINE_STOPPING) != 0;
	e->broken = (e->saved.stopping & ENGINE_BROKEN) != 0;
	e->compat = e->saved.compat;
}

int
engine_load_snapshot(struct engine *e)
{
	int rc = store_load(e->store, keep_record, e);

	if (rc != 1)
		return rc;
	take_saved(e);
	return 1;
}

static void
free_records(struct engine *e)
{
	for (uint32_t i = 0; i < e->nrecords; i++)
		free(e->records[i].data);
	free(e->records);
	e->records = NULL;
	e->nrecords = e->records_cap = 0;
}

void
engine_begin_done(struct engine *e)
{
	free_records(e);
	free(e->list);
	e->list = NULL;
	e->nlist = e->list_cap = 0;
	for (uint32_t i = 0; i < e->nheld; i++)
		(void)close(e->held[i].fd);
	free(e->held);
	e->held = NULL;
	e->nheld = e->held_cap = 0;
}

/* It was no event that the last engine died of, but this snapshot.  Of the
 * configurations only the latest is held. */
static void
load_before(struct engine *e)
{
	uint64_t config_key = e->config_key;

	free_records(e);
	if (store_load_before(e->store, keep_record, e) == 1)
		take_saved(e);
	e->config_key = config_key;
}

static char *
next_string(const char **p, const char *end)
{
	const char *text = *p;
	size_t len = strnlen(text, (size_t)(end - text));

	*p = text + len < end ? text + len + 1 : end;
	return len > 0 ? memcpy(xcalloc(1, len + 1), text, len) : NULL;
}

static void
restore_child(struct engine *e, const struct saved_record *saved)
{
	uint32_t slot = (uint32_t)saved->key;
	struct core_child view;
	struct child_record r = { 0 };
	const char *p, *end = saved->data + saved->len;
	struct child *c;

	if (saved->len < sizeof(r) || !core_view(e->core, slot, 0, &view))
		return;
	memcpy(&r, saved->data, sizeof(r));
	engine_set_path(e, slot);
	c = engine_child(e, slot);
	c->inc = r.inc;
	c->start_ns = r.start_ns;
	c->last_at_ms = r.last_at_ms;
	c->last_generation = r.last_generation;
	c->log_key = r.log_key;
	c->worker_key = r.worker_key;
	c->last_pid = r.last_pid;
	c->ready = (r.flags & CHILD_F_READY) != 0;
	c->asked = (r.flags & CHILD_F_ASKED) != 0;
	c->ignore = (r.flags & CHILD_F_IGNORE) != 0;
	c->timed_out = (r.flags & CHILD_F_TIMED_OUT) != 0;
	c->traps = (r.flags & CHILD_F_TRAPS) != 0;
	c->early = (r.flags & CHILD_F_EARLY) != 0;
	c->ended = (r.flags & CHILD_F_ENDED) != 0;
	c->own_end = (r.flags & CHILD_F_OWN_END) != 0;
	c->untold = (r.flags & CHILD_F_UNTOLD) != 0;
	c->kill = (r.flags & CHILD_F_KILL) != 0;
	c->heard = (uint16_t)(r.flags >> CHILD_HEARD_SHIFT);
	c->ordered = true;
	if (r.pid > 0)
		engine_set_pid(e, slot, r.pid);
	p = saved->data + sizeof(r);
	c->said = next_string(&p, end);
	c->failure = next_string(&p, end);
	c->last_reason = next_string(&p, end);
	c->signalled = next_string(&p, end);
}

static int
restore_dynamic(struct engine *e, const struct saved_record *saved)
{
	struct config *config = config_parse_child(saved->data, saved->len,
	    CORE_ONE_FOR_ONE, NULL, &e->cx);
	struct core_spec *spec;
	int rc = -EINVAL;

	if (config->nerrors == 0) {
		spec = config_take_root(config);
		rc = core_restore_dynamic(e->core, (uint32_t)saved->key, spec);
		config_free_specs(spec);
	}
	config_free(config);
	return rc;
}

static int
restore_core(struct engine *e)
{
	int rc = 0;

	for (uint32_t i = 0; i < e->nrecords && rc == 0; i++) {
		struct saved_record *s = &e->records[i];
		struct core_record r = { .key = s->key, .data = s->data,
		    .len = s->len };

		if (s->type == STORE_CORE)
			rc = core_restore_record(e->core, &r);
		else if (s->type == STORE_DYNAMIC)
			rc = restore_dynamic(e, s);
	}
	if (rc == 0)
		rc = core_restore_end(e->core, loop_now_ms());
	for (uint32_t i = 0; i < e->nrecords && rc == 0; i++) {
		const struct saved_record *s = &e->records[i];

		if (s->type == STORE_CHILD)
			restore_child(e, s);
		else if (s->type == STORE_NOTE)
			engine_restore_note(e, s->key, s->data, s->len);
		else if (s->type == STORE_FORGOTTEN)
			engine_restore_forgotten(e, s->key, s->data);
	}
	for (uint32_t i = 0; i < e->nrecords && rc == 0; i++) {
		struct saved_record *s = &e->records[i];

		if (s->type == STORE_NAME)
			name_restore(e, s->key, s->data, s->len);
		else if (s->type == STORE_WATCH)
			watch_restore(e, s->key, s->data, s->len);
		else if (s->type == STORE_LETTER)
			letter_restore(e, s->key, s->data, s->len);
		else if (s->type == STORE_PLAN)
			apps_restore(e, s->key, s->data, s->len);
		else if (s->type == STORE_APP_ENV)
			app_env_restore(e, s->key, s->data, s->len);
		else
			(void)registry_restore(e, s);
	}
	return rc;
}

static enum core_world
world_of(const struct child *c)
{
	if (!c->listed)
		return CORE_WORLD_NONE;
	return c->ready ? CORE_WORLD_READY : CORE_WORLD_ALIVE;
}

static void
note_listed(struct engine *e)
{
	for (uint32_t i = 0; i < e->nlist; i++) {
		uint32_t slot = engine_slot_of(e, e->list[i].inc);

		if (slot == CORE_NONE)
			continue;
		engine_child(e, slot)->listed = true;
		engine_child(e, slot)->alive =
		    e->list[i].told.state == SPAWN_ALIVE;
	}
}

/* Every worker's state is compared with the spawner's table. */
static void
reconcile(struct engine *e)
{
	uint64_t now = loop_now_ms();
	struct core_child view;
	uint32_t slot;

	for (slot = 0; slot < core_nslots(e->core); slot++) {
		if (!core_view(e->core, slot, 0, &view) ||
		    view.type != CORE_WORKER)
			continue;
		engine_set_path(e, slot);
		if (engine_child(e, slot)->listed)
			rung_label(e, slot);	/* it may have been cut off */
		core_reconcile(e->core, slot,
		    world_of(engine_child(e, slot)), now);
	}
	core_reconciled(e->core, now);
	crashpoint();
	engine_settle(e);
}

/*
 * It cannot be read now, or not be kept for the next engine: no reason to begin
 * without it, for what was added to it would be lost with this engine.
 */
static void __attribute__((noreturn))
begin_again(const char *what, int error)
{
	engine_say("cannot %s the running configuration: %s", what,
	    strerror(error));
	exit(SPAWN_EXIT_AGAIN);
}

static int
restore(struct engine *e)
{
	size_t len = 0;
	char *text = read_whole(e->config_fd, &len);
	struct config *config;
	struct core_spec *root;
	int rc;

	if (text == NULL && e->config_fd >= 0)
		begin_again("read", errno);
	if (text == NULL)
		return -ENOENT;
	config = config_parse(text, len, e->config_file, &e->cx);
	free(text);
	if (config->nerrors > 0) {
		config_free(config);
		return -EINVAL;
	}
	e->die_with_otpd = config->options.die_with_otpd;
	root = config_take_root(config);
	core_restore_begin(e->core, root);
	rc = restore_core(e);
	if (rc == 0)
		registries_configure(e, &config->options);
	config_free(config);
	config_free_specs(root);
	return rc;
}

static void
boot(struct engine *e)
{
	struct core_spec *root;
	int rc = engine_hold_config(e, e->config->text, e->config->text_len);

	if (rc < 0)
		begin_again("keep", -rc);
	e->die_with_otpd = e->config->options.die_with_otpd;
	root = config_take_root(e->config);
	registries_configure(e, &e->config->options);
	config_free(e->config);
	e->config = NULL;
	e->booted = true;
	core_boot(e->core, root, loop_now_ms());
	config_free_specs(root);
	engine_settle(e);
	apps_plan(e, PLAN_BOOT, NULL, 0, 0);
}

static void
history_fault(struct engine *e, const char *what, int error)
{
	char reason[REASON_MAX];
	struct event ev = { .type = EVENT_FAULT, .reason = reason };

	(void)snprintf(reason, sizeof(reason), "the events %s: %.100s", what,
	    strerror(error));
	(void)events_add(e->events, &ev);
}

/* What happened is known to the engines after this one, too. */
static void
keep_history(struct engine *e)
{
	int fd, rc, lost = 0;

	if (e->events_fd >= 0)
		lost = events_adopt(e->events, e->events_fd);
	if (e->events_fd >= 0 && lost < 0)
		(void)close(e->events_fd);
	if (e->events_fd >= 0 && lost == 0) {
		e->events_fd = -1;
		return;
	}
	e->events_fd = -1;
	rc = events_share(e->events, &fd);
	if (rc == 0)
		link_hold(&e->spawner, EVENTS_KEY, fd);
	if (lost < 0)
		history_fault(e, "before this one cannot be read", -lost);
	if (rc < 0)
		history_fault(e, "from now on will not outlive this engine",
		    -rc);
}

static void
note_crash(struct engine *e)
{
	struct event ev = { .type = EVENT_ENGINE_CRASHED };
	char reason[REASON_MAX];
	uint32_t n = e->engines - e->saved.engines;

	n = n < CRASHES_TOLD ? n : CRASHES_TOLD;
	/* Of those that died before they could tell only the number is known. */
	for (; n > 1; n--)
		(void)events_add(e->events, &ev);
	reason_from_status(e->last_status, false, reason);
	ev.reason = e->last_hung ? "it did not answer otpd" : reason;
	if (n > 0 && e->last_status != 0)	/* 0: it was to end */
		(void)events_add(e->events, &ev);
	ev.reason = NULL;
	ev.type = EVENT_ENGINE_STARTED;
	ev.pid = getpid();
	(void)events_add(e->events, &ev);
}

/* The configuration that ran, or else the one that is written down. */
static struct config *
running_config(struct engine *e)
{
	size_t len = 0;
	char *text = read_whole(e->config_fd, &len);
	struct config *config = NULL;

	if (text != NULL)
		config = config_parse(text, len, e->config_file, &e->cx);
	free(text);
	if (config != NULL && config->nerrors > 0) {
		config_free(config);
		config = NULL;
	}
	return config != NULL ? config : config_load(e->config_file, &e->cx);
}

/*
 * Nothing of the old state can be used, or it has proved to be poison: begin
 * anew, with the processes that there are.
 */
static void
cold_start(struct engine *e, int rc)
{
	e->rung = SPAWN_RUNG_COLD;
	engine_say("%s: starting from the configuration, with the services "
	    "that run", rc == -ENOTRECOVERABLE ? "engines keep crashing" :
	    rc == -ENOENT ? "there is no snapshot" :
	    "the snapshot cannot be used");
	core_free(e->core);
	e->core = core_new(e->compat);
	if (e->core == NULL)
		abort();
	core_begin_above(e->core, rung_generation(e));
	e->config = running_config(e);
	if (e->config->nerrors > 0) {
		engine_say_errors(e->config);
		abort();	/* there are services: never mind the rest */
	}
	boot(e);
}

/* Only now: before, nobody could be told the truth. */
static void
serve(struct engine *e)
{
	static const struct server_ops ops = { .call = engine_call,
	    .closed = engine_closed };

	e->server = server_new(e->loop, SPAWN_FD_CONTROL, "otpd",
	    e->engines + 1, &ops, e);
	if (e->server == NULL)
		abort();
	engine_notify_watch(e);
}

void
engine_listed(struct engine *e)
{
	struct core_child root;
	int rc;

	e->listed = true;
	if (e->rung == SPAWN_RUNG_HOLD) {
		serve(e);
		engine_told_asked(e, e->asked);
		return;
	}
	engine_notify_begin();
	keep_history(e);
	engine_note_otpd(e);
	note_crash(e);
	if (e->rung >= SPAWN_RUNG_BEFORE && !rung_drop_event(e) &&
	    e->rung == SPAWN_RUNG_BEFORE)
		load_before(e);
	rc = e->config != NULL ? -ENOENT : e->rung == SPAWN_RUNG_COLD ?
	    -ENOTRECOVERABLE : restore(e);
	if (e->config != NULL && e->nlist > 0) {
		/* It is not the first: the others could keep no snapshot. */
		config_free(e->config);
		e->config = NULL;
	}
	note_listed(e);
	if (e->rung < SPAWN_RUNG_COLD)
		worker_resume_all(e);	/* what starts anew finds its socket */
	if (e->config != NULL) {
		boot(e);
	} else if (rc == 0) {
		e->booted = true;
		reconcile(e);
		if (core_view(e->core, core_root(e->core), 0, &root) &&
		    root.state == CORE_RUNNING)
			link_put(&e->spawner, SPAWN_STARTED, 0, "", 0);
		if (e->saved.quit > 0)	/* the last one died saying so */
			engine_quit(e, (int)e->saved.quit - 1);
	} else {
		cold_start(e, rc);
	}
	engine_notify_retry(e);		/* what was said before we knew who */
	for (uint32_t i = 0; i < e->nlist; i++)
		engine_told_child(e, e->list[i].inc, &e->list[i].told);
	if (e->rung < SPAWN_RUNG_BEFORE)	/* else some may be adopted */
		engine_begin_done(e);
	if (e->config_fd >= 0)
		(void)close(e->config_fd);
	e->config_fd = -1;
	engine_told_asked(e, e->asked);
	serve(e);
	link_put(&e->spawner, SPAWN_UP, 0, "", 0);
}
