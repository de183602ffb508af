/* SPDX-License-Identifier: ISC */
/*
 * The errors of a configuration: collected, sorted, put into words.  Never
 * more than one line each.
 */
#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config_read.h"
#include "engine/out.h"

#define LIST_STEP	16

static struct config_error *
new_error(struct config_error **list, size_t *n)
{
	if (*n % LIST_STEP == 0)
		*list = xrealloc(*list, *n + LIST_STEP, sizeof(**list));
	return &(*list)[(*n)++];
}

static void
tell(struct reader *r, struct json_place at, struct config_error **list,
    size_t *n, const char *fmt, va_list ap)
{
	const char *file = r->source->name;
	size_t nfile = strlen(file) + 1, npath = r->path_len + 1, ntext;
	char *text, *all, *p;
	int len;

	if (*n >= ERRORS_MAX)
		return;
	len = vasprintf(&text, fmt, ap);
	if (len < 0)
		abort();
	ntext = (size_t)len;
	all = xcalloc(1, nfile + npath + ntext + 1);
	memcpy(all, file, nfile);
	memcpy(all + nfile, r->path, npath);
	memcpy(all + nfile + npath, text, ntext + 1);
	free(text);
	for (p = all; p < all + nfile + npath + ntext; p++)
		if (iscntrl((unsigned char)*p) && *p != '\0')
			*p = '?';	/* names of files may hold anything */
	*new_error(list, n) = (struct config_error){
		.file = all,		/* owns the other two */
		.line = at.line,
		.column = at.column,
		.path = all + nfile,
		.message = all + nfile + npath,
	};
}

void
config_tell(struct reader *r, struct json_place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(r, at, &r->config->errors, &r->config->nerrors, fmt, ap);
	va_end(ap);
}

void
config_warn(struct reader *r, struct json_place at, const char *fmt, ...)
{
	struct config *c = r->config;
	const struct config_error *last = c->nwarnings > 0 ?
	    &c->warnings[c->nwarnings - 1] : NULL;
	va_list ap;

	if (last != NULL && last->line == at.line &&
	    last->column == at.column &&
	    strcmp(last->file, r->source->name) == 0)
		return;			/* a template's next copy */
	va_start(ap, fmt);
	tell(r, at, &c->warnings, &c->nwarnings, fmt, ap);
	va_end(ap);
}

/* The parser's path goes on from where the reader is. */
static void
tell_syntax(void *arg, struct json_place at, const char *path,
    const char *message)
{
	struct reader *r = arg;
	const size_t before = r->path_len;
	int n;

	n = snprintf(r->path + before, PATH_SIZE - before, "%s%s",
	    before > 0 && path[0] != '\0' ? "/" : "", path);
	r->path_len = strlen(r->path);
	assert(n >= 0);
	config_tell(r, at, "%s", message);
	r->path[before] = '\0';
	r->path_len = before;
}

bool
config_parse_json(struct reader *r, char *text, size_t len, bool is_root,
    struct json_doc *out)
{
	const struct json_teller teller = {
		.error = tell_syntax, .arg = r, .skip_outermost = is_root
	};

	return json_parse(text, len, &teller, out);
}

static int
compare_errors(const void *a, const void *b)
{
	const struct config_error *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	if (order != 0)
		return order;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return strcmp(x->message, y->message);
}

void
config_sort_errors(struct config *c)
{
	if (c->nerrors > 1)
		qsort(c->errors, c->nerrors, sizeof(*c->errors),
		    compare_errors);
	if (c->nwarnings > 1)
		qsort(c->warnings, c->nwarnings, sizeof(*c->warnings),
		    compare_errors);
}

void
config_error_format(const struct config_error *e, char *out, size_t size)
{
	const char *path = e->path[0] != '\0' ? e->path : "/";

	if (e->line == 0)
		(void)snprintf(out, size, "%s: %s\n", e->file, e->message);
	else
		(void)snprintf(out, size, "%s:%u:%u: %s: %s\n", e->file,
		    e->line, e->column, path, e->message);
}
