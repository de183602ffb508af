/* SPDX-License-Identifier: ISC */
/*
 * The order of applications: each behind those that it needs, else by name.
 * What is missing and what needs itself is told, all of it.  Recursion is
 * bounded by the number of applications.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/config_read.h"

struct walk {
	struct reader	*r;
	const struct apps *apps;
	struct app	**order;
	size_t		 n;
};

/* At a need of app, where that is written. */
static void
tell_need(struct walk *w, const struct app *app, const cJSON *need,
    const char *message)
{
	const struct source *keep = w->r->source;
	const size_t before = path_push(w->r, app->name, 0);

	w->r->source = app->source;
	tell_at(w->r, need, "%s", message);
	w->r->source = keep;
	path_pop(w->r, before);
}

static void
tell_missing(struct walk *w, const struct app *app, const cJSON *need)
{
	struct guess guess = { .word = need->valuestring };
	char words[96];
	size_t i;

	for (i = 0; i < w->apps->n; i++)
		guess_try(&guess, w->apps->at[i]->name);
	tell_need(w, app, need, arena_printf(&w->r->arena, "it needs `%s`, "
	    "and there is no such application in %s%s", need->valuestring,
	    w->apps->where, guess_words(&guess, words, sizeof(words))));
}

/* From first, which app needs, one led to the other down to app. */
static void
tell_circle(struct walk *w, const struct app *app, const struct app *first,
    const cJSON *need)
{
	const char *text = first->name;
	const struct app *p;

	for (p = app; p != first; p = p->by)
		text = arena_printf(&w->r->arena, "%s -> %s", p->name, text);
	tell_need(w, app, need, arena_printf(&w->r->arena, "applications "
	    "that need each other in a circle: %s -> %s; take one of them out "
	    "of `applications`", first->name, text));
}

static void
visit(struct walk *w, struct app *app)
{
	const cJSON *need;
	struct app *other;

	app->mark = APP_OPEN;
	cJSON_ArrayForEach(need, json_member(app->object, "applications")) {
		if (!cJSON_IsString(need))
			continue;	/* told already */
		other = app_find(w->apps, need->valuestring);
		if (other == NULL) {
			tell_missing(w, app, need);
		} else if (other->mark == APP_OPEN) {
			tell_circle(w, app, other, need);
		} else if (other->mark == APP_NEW) {
			other->by = app;
			visit(w, other);
		}
	}
	app->mark = APP_DONE;
	w->order[w->n++] = app;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(struct app *const *)a)->name,
	    (*(struct app *const *)b)->name);
}

void
order_apps(struct reader *r, struct apps *apps)
{
	struct walk w = { .r = r, .apps = apps };
	size_t i;

	if (apps->n == 0)
		return;
	qsort(apps->at, apps->n, sizeof(struct app *), by_name);
	w.order = arena_alloc(&r->arena, apps->n * sizeof(struct app *));
	for (i = 0; i < apps->n; i++)
		if (apps->at[i]->mark == APP_NEW)
			visit(&w, apps->at[i]);
	apps->at = w.order;
}
