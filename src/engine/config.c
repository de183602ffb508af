/* SPDX-License-Identifier: ISC */
/*
 * The doors of the configuration: a file, a text, or one child's text in; a
 * tree or errors out.  All that reading took is dropped before they return.
 */
#include "engine/config.h"

#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "engine/config_read.h"
#include "engine/out.h"

#define TRIM_ABOVE	(64U * 1024)	/* of text: worth a walk of the heap */

static void
reader_init(struct reader *r, const struct config_context *cx)
{
	memset(r, 0, sizeof(*r));
	r->config = xcalloc(1, sizeof(*r->config));
	r->runtime_dir = cx != NULL && cx->runtime_dir != NULL ?
	    cx->runtime_dir : "/run/otpd";
	r->warn = cx != NULL && cx->warn;
}

static void
free_services(const struct core_spec *spec)
{
	for (; spec != NULL; spec = spec->next) {
		free_services(spec->children);
		service_free(spec->user);
	}
}

static void
drop_root(struct config *c)
{
	free_services(c->root);
	config_free_specs(c->root);
	c->root = NULL;
}

/* What was read is right, or it is nothing. */
static struct config *
reader_done(struct reader *r, struct source *s)
{
	struct config *c = r->config;

	config_sort_errors(c);
	if (c->nerrors > 0) {
		drop_root(c);
	} else if (s->doc.root != NULL) {
		c->text = cJSON_PrintUnformatted(s->doc.root);
		if (c->text == NULL)
			abort();
		c->text_len = strlen(c->text);
	}
	json_doc_done(&s->doc);
	strmap_done(&r->names);
	strmap_done(&r->ids);
	arena_done(&r->arena);
	return c;
}

static bool
source_text(struct reader *r, const char *text, size_t len, const char *name,
    bool is_root, struct source *out)
{
	const struct source *keep = r->source;
	char *copy;
	bool ok;

	memset(out, 0, sizeof(*out));
	out->name = arena_printf(&r->arena, "%s", name);
	copy = xcalloc(1, len + 1);
	if (len > 0)
		memcpy(copy, text, len);
	r->source = out;
	ok = config_parse_json(r, copy, len, is_root, &out->doc);
	r->source = keep;
	free(copy);
	return ok;
}

struct config *
config_load(const char *file, const struct config_context *cx)
{
	struct reader r;
	struct source s;

	reader_init(&r, cx);
	if (source_open(&r, file, NULL, &s)) {
		r.source = &s;
		r.config->root = read_root(&r, s.doc.root);
	}
	return reader_done(&r, &s);
}

struct config *
config_parse(const char *text, size_t len, const char *name,
    const struct config_context *cx)
{
	struct reader r;
	struct source s;

	reader_init(&r, cx);
	if (source_text(&r, text, len, name, true, &s)) {
		r.source = &s;
		r.config->root = read_root(&r, s.doc.root);
	}
	return reader_done(&r, &s);
}

/*
 * The template's JSON with the id and the arguments of object put in, in place
 * of object; false after errors were told.
 */
static bool
fill_template(struct reader *r, struct source *s, const char *source)
{
	struct draft d = {
		.object = s->doc.root, .where = KEY_DYNAMIC
	};
	struct source t;
	cJSON *item, *copy, *start;

	if (!cJSON_IsObject(d.object)) {
		tell_at(r, d.object, "a child made from a template is given "
		    "as {\"id\": ..., \"args\": [...]}");
		return false;
	}
	read_members(r, &d);
	if (d.given[KEY_id] == NULL)
		tell_at(r, d.object, "`id` is missing: give the child a name");
	if (r->config->nerrors > 0 ||
	    !source_text(r, source, strlen(source), s->name, false, &t))
		return false;
	start = json_member(t.doc.root, "start");
	if (cJSON_AddStringToObject(t.doc.root, "id", d.spec.id) == NULL)
		abort();
	if (d.given[KEY_args] != NULL)
		cJSON_ArrayForEach(item, d.given[KEY_args]) {
			copy = cJSON_Duplicate(item, false);
			if (copy == NULL || !cJSON_AddItemToArray(start, copy))
				abort();
		}
	json_doc_done(&s->doc);
	s->doc = t.doc;
	return true;
}

/* What a supervisor's own service says of its children. */
static bool
inherit(struct reader *r, const struct service *sup, struct source *out,
    struct scope *out_scope, struct draft *out_sup)
{
	const struct source *keep = r->source;
	const char *text = sup->source != NULL ? sup->source : "{}";

	if (!source_text(r, text, strlen(text), "supervisor", false, out))
		return false;
	cJSON_DeleteItemFromObjectCaseSensitive(out->doc.root, SOURCE_PARENT);
	cJSON_DeleteItemFromObjectCaseSensitive(out->doc.root, SOURCE_NAME);
	r->source = out;
	read_scope(r, out->doc.root, out_scope, out_sup);
	r->source = keep;
	return r->config->nerrors == 0;
}

static void
set_path(struct reader *r, const char *path)
{
	path += path[0] == '/';		/* the root's is "/" */
	if (strlen(path) >= PATH_SIZE / 2)
		return;
	r->path_len = strlen(path);
	memcpy(r->path, path, r->path_len + 1);
	for (r->depth = 1 + (path[0] != '\0'); *path != '\0'; path++)
		r->depth += *path == '/';
}

/* An id, or one with a number behind it. */
static bool
name_valid(const char *name)
{
	size_t len = strcspn(name, "~");
	char id[ID_MAX + 1];

	if (len > ID_MAX || strlen(name) > NAME_SIZE_MAX || (name[len] == '~' &&
	    name[len + 1 + strspn(name + len + 1, "0123456789")] != '\0'))
		return false;
	memcpy(id, name, len);
	id[len] = '\0';
	return id_valid(id);
}

/* The source of a child that was started before. */
static void
read_again(struct reader *r, cJSON *object)
{
	cJSON *parent = json_member(object, SOURCE_PARENT);
	cJSON *name = json_member(object, SOURCE_NAME);

	if (cJSON_IsString(parent)) {
		set_path(r, parent->valuestring);
		cJSON_Delete(cJSON_DetachItemViaPointer(object, parent));
	}
	if (cJSON_IsString(name) && name_valid(name->valuestring)) {
		r->as = arena_printf(&r->arena, "%s", name->valuestring);
		cJSON_Delete(cJSON_DetachItemViaPointer(object, name));
	}
	r->config->root = read_child(r, object, NULL, NULL, 0, 0, true);
}

static void
read_dynamic(struct reader *r, struct source *s, enum core_strategy strategy,
    const struct service *template)
{
	const bool made = strategy == CORE_SIMPLE_ONE_FOR_ONE ||
	    (template != NULL && template->order != NULL);
	struct source from = { 0 };
	struct scope scope;
	struct draft sup;

	if (template == NULL) {
		read_again(r, s->doc.root);
	} else if (made) {
		if (fill_template(r, s, template->source))
			r->config->root = read_child(r, s->doc.root, NULL,
			    NULL, 0, KEY_WORKER, true);
	} else if (inherit(r, template, &from, &scope, &sup)) {
		r->config->root = read_child(r, s->doc.root, &sup, &scope, 0,
		    0, true);
	}
	json_doc_done(&from.doc);
}

struct config *
config_parse_child(const char *text, size_t len, enum core_strategy strategy,
    const struct service *template, const struct config_context *cx)
{
	struct reader r;
	struct source s;

	reader_init(&r, cx);
	if (cx != NULL && cx->path != NULL)
		set_path(&r, cx->path);
	r.as = cx != NULL ? cx->name : NULL;
	if (source_text(&r, text, len, "start_child", false, &s)) {
		r.source = &s;
		read_dynamic(&r, &s, strategy, template);
	}
	return reader_done(&r, &s);
}

struct core_spec *
config_take_root(struct config *c)
{
	struct core_spec *root = c->root;

	c->root = NULL;
	return root;
}

void
config_free_specs(struct core_spec *root)
{
	struct core_spec *spec, *next;

	for (spec = root; spec != NULL; spec = next) {
		next = (struct core_spec *)spec->next;
		config_free_specs((struct core_spec *)spec->children);
		free(spec);
	}
}

void
config_free(struct config *c)
{
	bool large;
	size_t i;

	if (c == NULL)
		return;
	large = c->text_len > TRIM_ABOVE;
	drop_root(c);
	for (i = 0; i < c->nerrors; i++)
		free((char *)c->errors[i].file);	/* and the rest of it */
	free(c->errors);
	for (i = 0; i < c->nwarnings; i++)
		free((char *)c->warnings[i].file);
	free(c->warnings);
	config_free_registries(&c->options);
	free(c->text);
	free(c);
#ifdef __GLIBC__
	if (large)
		(void)malloc_trim(0);
#else
	(void)large;
#endif
}
