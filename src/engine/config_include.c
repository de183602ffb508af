/* SPDX-License-Identifier: ISC */
/*
 * The files of a configuration: read whole, parsed, and what an "include"
 * names found.  Never waits on what is not a regular file.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/config_read.h"
#include "engine/out.h"

struct include {
	struct reader	*r;
	const cJSON	*item;		/* that names it, in the includer */
	include_fn	*fn;
	void		*arg;
};

void
tell_file(struct reader *r, const char *name, const cJSON *item,
    const char *what)
{
	const struct source *keep = r->source, none = { .name = name };
	char first[2] = { (char)tolower((unsigned char)what[0]), '\0' };

	if (item != NULL) {
		tell_at(r, item, "cannot read `%s`: %s%s", name, first,
		    what + 1);
		return;
	}
	r->source = &none;
	config_tell(r, (struct json_place){ 0, 0 }, "cannot be read: %s%s",
	    first, what + 1);
	r->source = keep;
}

/* The bytes of fd, at most one more than may be.  Caller frees. */
static int
read_all(int fd, size_t size, char **out, size_t *out_len)
{
	char *text = xcalloc(1, size + 1);
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, text + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			n = -errno;
			free(text);
			return (int)n;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*out = text;
	*out_len = len;
	return 0;
}

static const char *
slurp(const char *name, struct source *s, char **out, size_t *out_len)
{
	struct stat st;
	int fd, rc;

	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &st) < 0) {
		rc = -errno;
	} else if (!S_ISREG(st.st_mode)) {
		close(fd);
		return S_ISDIR(st.st_mode) ? "it is a folder, not a file" :
		    "it is not a regular file";
	} else if (st.st_size > (off_t)JSON_TEXT_MAX) {
		close(fd);
		return "it is larger than 64 MiB";
	} else {
		s->dev = st.st_dev;
		s->ino = st.st_ino;
		rc = read_all(fd, (size_t)st.st_size, out, out_len);
	}
	close(fd);
	return rc < 0 ? strerror(-rc) : NULL;
}

/* Is it being read already?  Then say through which files. */
static bool
is_circle(struct reader *r, const cJSON *item, const struct source *s)
{
	const struct source *p, *chain[12];
	char *text;
	size_t n = 0;

	for (p = s->parent; p != NULL; p = p->parent) {
		if (n < 12)
			chain[n++] = p;
		if (p->dev == s->dev && p->ino == s->ino && p->ino != 0)
			break;
	}
	if (p == NULL)
		return false;
	text = arena_printf(&r->arena, "%s", s->name);
	while (n-- > 0)
		text = n + 1 == 12 ?
		    arena_printf(&r->arena, "... -> %s", chain[n]->name) :
		    chain[n] == p ? arena_printf(&r->arena, "%s", p->name) :
		    arena_printf(&r->arena, "%s -> %s", text, chain[n]->name);
	tell_at(r, item, "a circle of includes: %s -> %s; remove one of them",
	    text, s->name);
	return true;
}

bool
source_open(struct reader *r, const char *name, const cJSON *item,
    struct source *out)
{
	const struct source *keep = r->source;
	const char *fault;
	char *text = NULL;
	size_t len = 0;
	bool ok;

	memset(out, 0, sizeof(*out));
	out->name = arena_printf(&r->arena, "%s", name);
	out->parent = r->source;
	if (++r->nfiles > FILES_MAX)
		fault = "more files than a configuration may have";
	else
		fault = slurp(name, out, &text, &len);
	if (fault != NULL) {
		tell_file(r, out->name, item, fault);
		return false;
	}
	if (is_circle(r, item, out)) {
		free(text);
		return false;
	}
	r->source = out;
	ok = config_parse_json(r, text, len, item == NULL, &out->doc);
	r->source = keep;
	free(text);
	return ok;
}

/* One child, or an array of them. */
static void
include_file(const struct include *in, const char *name)
{
	struct reader *r = in->r;
	const struct source *keep = r->source;
	struct source s;
	cJSON *child;
	char got[64];

	if (!source_open(r, name, in->item, &s))
		return;
	r->source = &s;
	if (cJSON_IsArray(s.doc.root)) {
		while ((child = s.doc.root->child) != NULL)
			in->fn(r, in->arg,
			    cJSON_DetachItemViaPointer(s.doc.root, child));
	} else if (cJSON_IsObject(s.doc.root)) {
		child = s.doc.root;
		s.doc.root = NULL;
		in->fn(r, in->arg, child);
	} else {
		json_describe(s.doc.root, got, sizeof(got));
		tell_at(r, s.doc.root, "an included file must hold a child or "
		    "an array of children, not %s", got);
	}
	r->source = keep;
	json_doc_done(&s.doc);
}

static int
wanted(const struct dirent *entry)
{
	const size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 &&
	    strcmp(entry->d_name + len - 5, ".json") == 0;
}

/* By bytes, whatever the locale. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int
list_folder(const char *name, struct dirent ***out)
{
	int n = scandir(name, out, wanted, by_name);

	return n < 0 ? -errno : n;
}

static void
include_folder(const struct include *in, const char *name)
{
	struct dirent **entries;
	int i, n;

	n = list_folder(name, &entries);
	if (n < 0) {
		tell_file(in->r, name, in->item, strerror(-n));
		return;
	}
	for (i = 0; i < n; i++) {
		include_file(in, arena_printf(&in->r->arena, "%s%s%s", name,
		    name[strlen(name) - 1] == '/' ? "" : "/",
		    entries[i]->d_name));
		free(entries[i]);
	}
	free(entries);
}

const char *
path_beside(struct reader *r, const char *to)
{
	const char *from = r->source->name, *slash = strrchr(from, '/');

	return to[0] == '/' || slash == NULL ? to :
	    arena_printf(&r->arena, "%.*s/%s", (int)(slash - from), from, to);
}

static void
include_one(const struct include *in)
{
	const char *to = path_beside(in->r, in->item->valuestring);
	struct stat st;

	if (stat(to, &st) == 0 && S_ISDIR(st.st_mode))
		include_folder(in, to);
	else
		include_file(in, to);
}

void
read_include(struct reader *r, const cJSON *value, include_fn *fn, void *arg)
{
	struct include in = { .r = r, .fn = fn, .arg = arg };

	if (cJSON_IsString(value)) {
		in.item = value;
		include_one(&in);
	}
	if (cJSON_IsArray(value))
		cJSON_ArrayForEach(in.item, value)
			if (cJSON_IsString(in.item) &&
			    in.item->valuestring[0] != '\0')
				include_one(&in);
}
