/* SPDX-License-Identifier: ISC */
/*
 * Reload: the file is read and checked as a whole, compared with what runs,
 * and handed to the core in one piece, or not at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/registry.h"
#include "engine/apps.h"

static void
put_list(struct out *o, const char *key, const struct config_error *list,
    size_t n)
{
	if (key != NULL)
		out_key(o, key);
	out_text(o, "[");
	for (size_t i = 0; i < n; i++) {
		const struct config_error *err = &list[i];

		out_comma(o);
		out_text(o, "{");
		out_key_string(o, "file", err->file);
		out_key_int(o, "line", err->line);
		out_key_int(o, "column", err->column);
		out_key_string(o, "path", err->path);
		out_key_string(o, "message", err->message);
		out_text(o, "}");
	}
	out_text(o, "]");
}

static void
put_errors(const struct config *config, struct out *o)
{
	out_key_string(o, "error", "config");
	put_list(o, "errors", config->errors, config->nerrors);
}

void
engine_check(struct engine *e, const char *file, struct out *o)
{
	struct config_context cx = e->cx;
	struct config *config;

	cx.warn = true;
	config = config_load(file, &cx);
	out_text(o, "{");
	if (config->nerrors > 0)
		put_errors(config, o);
	else
		out_key_string(o, "result", "ok");
	if (config->nwarnings > 0)
		put_list(o, "warnings", config->warnings, config->nwarnings);
	out_text(o, "}");
	config_free(config);
}

/* --- what would change --- */

static void
add_change(struct engine *e, enum core_change change, const char *path)
{
	struct reload *r = &e->reload;

	r->changes = xgrow(r->changes, &r->cap, r->n, sizeof(*r->changes));
	r->changes[r->n].change = change;
	r->changes[r->n++].path = xstrdup(path);
}

static void
note_change(void *arg, enum core_change change, uint32_t slot,
    const struct core_spec *spec, uint32_t parent)
{
	struct engine *e = arg;
	struct out path = { 0 };
	const char *above;

	if (change == CORE_KEEP) {
		e->reload.unchanged++;
		return;
	}
	if (slot != CORE_NONE) {
		engine_set_path(e, slot);
		add_change(e, change, engine_child(e, slot)->path);
		return;
	}
	if (parent != CORE_NONE) {
		engine_set_path(e, parent);
		above = engine_child(e, parent)->path;
		if (above[0] != '/')
			out_format(&path, "%s/", above);
	}
	out_text(&path, spec->id);
	add_change(e, change, path.text);
	out_done(&path);
}

void
engine_reload_clear(struct engine *e)
{
	for (uint32_t i = 0; i < e->reload.n; i++)
		free(e->reload.changes[i].path);
	free(e->reload.changes);
	free(e->reload.warnings);
	e->reload = (struct reload){ 0 };
}

static void
put_changes(struct engine *e, bool done, struct out *o)
{
	static const char *const words[CORE_NCHANGES] = {
	    [CORE_CHANGE] = "restart", [CORE_ADD] = "start",
	    [CORE_REMOVE] = "stop", [CORE_TRY] = "start",
	    [CORE_UPDATE] = "update" };
	uint32_t slot;

	out_key_string(o, "result", "ok");
	out_text(o, ",\"changes\":[");
	for (uint32_t i = 0; i < e->reload.n; i++) {
		out_comma(o);
		out_text(o, "{");
		out_key_string(o, "change",
		    words[e->reload.changes[i].change]);
		out_key_string(o, "path", e->reload.changes[i].path);
		if (done) {
			bool there = engine_find(e,
			    e->reload.changes[i].path, &slot) == 0;

			out_key_string(o, "outcome", !there ? "gone" :
			    engine_state_word(e, slot));
		}
		out_text(o, "}");
	}
	out_text(o, "]");
	out_key_int(o, "unchanged", e->reload.unchanged);
	if (e->reload.warnings != NULL) {
		out_key(o, "warnings");
		out_text(o, e->reload.warnings);
	}
}

void
engine_reload_result(struct engine *e, struct out *o)
{
	put_changes(e, true, o);
	engine_reload_clear(e);
}

/* --- reload --- */

static void
refuse_file(struct engine *e, server_peer peer, uint64_t ref,
    const struct config *config)
{
	struct event ev = { .type = EVENT_RELOADED,
	    .reason = "refused: the file has errors" };
	struct out o = { 0 };

	(void)events_add(e->events, &ev);
	if (peer == 0) {	/* asked for by a signal: nobody else reads it */
		engine_say_errors(config);
		return;
	}
	out_text(&o, "{");
	put_errors(config, &o);
	out_text(&o, "}");
	engine_reply(e, peer, ref, &o);
}

static void
refuse(struct engine *e, server_peer peer, uint64_t ref, const char *words)
{
	struct event ev = { .type = EVENT_RELOADED, .reason = words };
	struct out o = { 0 };

	(void)events_add(e->events, &ev);
	if (peer == 0)
		return;
	out_text(&o, "{");
	out_key_string(&o, "error", "failed");
	out_key_string(&o, "message", words);
	out_text(&o, "}");
	engine_reply(e, peer, ref, &o);
}

/* The next engine would not find what this one had begun. */
static void
refuse_memory(struct engine *e, server_peer peer, uint64_t ref, int error)
{
	char words[128];

	(void)snprintf(words, sizeof(words), "refused: the configuration "
	    "cannot be kept: %.60s", strerror(-error));
	refuse(e, peer, ref, words);
}

static void
converge(struct engine *e, server_peer peer, uint64_t ref,
    struct config *config)
{
	struct event ev = { .type = EVENT_RELOADED };
	struct core_spec *root;
	uint64_t id;
	int rc;

	if (e->nplans >= PLANS_MAX) {
		refuse(e, peer, ref, "refused: too many starts of "
		    "applications are under way");
		return;
	}
	rc = engine_hold_config(e, config->text, config->text_len);
	if (rc < 0) {
		refuse_memory(e, peer, ref, rc);
		return;
	}
	e->die_with_otpd = config->options.die_with_otpd;
	root = config_take_root(config);
	registries_configure(e, &config->options);
	apps_note_new(e, root);
	(void)events_add(e->events, &ev);
	id = engine_add_request(e, peer, ref, CORE_NOPS, "/");
	core_reload(e->core, root, service_same, id, loop_now_ms());
	config_free_specs(root);
	apps_plan_new(e);
	engine_settle(e);
	for (uint32_t slot = 0; slot < e->children_cap; slot++)
		if (e->children[slot].log_key != 0)
			engine_tell_logger(e, slot);
}

/* For whoever asked; after a signal nobody else reads them. */
static void
note_warnings(struct engine *e, server_peer peer, const struct config *config)
{
	struct out list = { 0 };

	if (config->nwarnings == 0)
		return;
	if (peer == 0) {
		engine_say_warnings(e, config);
		return;
	}
	put_list(&list, NULL, config->warnings, config->nwarnings);
	e->reload.warnings = xstrdup(list.text);
	out_done(&list);
}

void
engine_reload(struct engine *e, server_peer peer, uint64_t ref, bool dry_run)
{
	struct config *config = config_load(e->config_file, &e->cx);
	struct out o = { 0 };

	if (config->nerrors > 0) {
		refuse_file(e, peer, ref, config);
		config_free(config);
		return;
	}
	engine_reload_clear(e);
	core_diff(e->core, config->root, service_same, note_change, e);
	note_warnings(e, peer, config);
	if (dry_run) {
		out_text(&o, "{");
		put_changes(e, false, &o);
		out_text(&o, "}");
		engine_reply(e, peer, ref, &o);
	} else {
		converge(e, peer, ref, config);
	}
	config_free(config);
}
