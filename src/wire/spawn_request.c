/* SPDX-License-Identifier: ISC */
/*
 * Writing and checking what the engine and the spawner say to each other.
 * The spawner trusts nothing that has not passed spawn_start_check(): it must
 * never read beyond the record, whatever the lengths in it claim.
 */
#include "wire/spawn_request.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct spawn_header) == 16, "header");
_Static_assert(sizeof(struct spawn_start) == 64, "start");
_Static_assert(sizeof(struct spawn_limit) == 24, "limit");
_Static_assert(sizeof(struct spawn_child) == 40, "child");

static const char *const step_names[] = {
	"none", "order", "table", "log", "fork", "session", "stdin", "stdout",
	"stderr", "limits", "groups", "gid", "uid", "cwd", "fds", "exec"
};
_Static_assert(sizeof(step_names) / sizeof(step_names[0]) == SPAWN_NSTEPS,
    "a name for each step");

const char *
spawn_step_name(uint8_t step)
{
	return step < SPAWN_NSTEPS ? step_names[step] : "unknown";
}

int
spawn_next(const void *buf, size_t len, const struct spawn_header **out)
{
	const struct spawn_header *h = buf;

	if (len < sizeof(*h) || h->len < sizeof(*h) || h->len > len)
		return -EBADMSG;
	*out = h;
	return 0;
}

/* Where the parts behind the struct begin, from its counts. */
struct layout {
	size_t	groups, limits, strings;
};

static struct layout
layout_of(unsigned int ngroups, unsigned int nlimits)
{
	struct layout at;

	at.groups = sizeof(struct spawn_start);
	at.limits = spawn_padded(at.groups + ngroups * sizeof(uint32_t));
	at.strings = at.limits + nlimits * sizeof(struct spawn_limit);
	return at;
}

static bool
counts_fit(const struct spawn_start *s)
{
	return s->argc > 0 && s->argc + s->envc <= SPAWN_ARGS_MAX &&
	    s->nfds <= SPAWN_FDS_MAX &&
	    s->ngroups <= SPAWN_GROUPS_MAX && s->nlimits <= SPAWN_LIMITS_MAX;
}

static bool
dests_fit(const struct spawn_view *v)
{
	const struct spawn_start *s = v->s;
	bool log = s->out == SPAWN_DEST_LOG || s->err == SPAWN_DEST_LOG;

	if (s->out > SPAWN_DEST_FILE || s->err > SPAWN_DEST_STDOUT)
		return false;
	if (log && s->log_key == 0)
		return false;
	if (s->out == SPAWN_DEST_FILE && v->out_path[0] == '\0')
		return false;
	return s->err != SPAWN_DEST_FILE || v->err_path[0] != '\0';
}

/* The string behind p, or NULL when p is the last before end. */
static const char *
next_string(const char *p, const char *end)
{
	const char *nul;

	nul = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;
	return nul != NULL ? nul + 1 : NULL;
}

/* Every string ends inside; finds the three that follow the vectors. */
static int
check_strings(struct spawn_view *v, const char *end)
{
	unsigned int i, n = (unsigned int)v->s->argc + v->s->envc;
	const char *p = v->strings;

	for (i = 0; i < n && p != NULL; i++)
		p = next_string(p, end);
	v->cwd = p;
	if (p != NULL)
		p = next_string(p, end);
	v->out_path = p;
	if (p != NULL)
		p = next_string(p, end);
	v->err_path = p;
	if (p == NULL || next_string(p, end) == NULL)
		return -EBADMSG;
	return v->strings[0] == '\0' ? -EBADMSG : 0;
}

int
spawn_start_check(const struct spawn_header *h, struct spawn_view *out)
{
	const char *base = (const char *)h;
	struct spawn_view v;
	struct layout at;

	if (h->type != SPAWN_START || h->len < sizeof(*v.s))
		return -EBADMSG;
	v.s = (const struct spawn_start *)(const void *)h;
	if (!counts_fit(v.s))
		return -EBADMSG;
	at = layout_of(v.s->ngroups, v.s->nlimits);
	if (at.strings > h->len || v.s->strings > h->len - at.strings)
		return -EBADMSG;
	v.groups = (const uint32_t *)(const void *)(base + at.groups);
	v.limits = (const struct spawn_limit *)(const void *)(base + at.limits);
	v.strings = base + at.strings;
	if (check_strings(&v, v.strings + v.s->strings) < 0 || !dests_fit(&v))
		return -EBADMSG;
	*out = v;
	return 0;
}

void
spawn_start_vectors(const struct spawn_view *v, const char **out)
{
	const char *p = v->strings;
	unsigned int i;

	for (i = 0; i < v->s->argc; i++, p += strlen(p) + 1)
		*out++ = p;
	*out++ = NULL;
	for (i = 0; i < v->s->envc; i++, p += strlen(p) + 1)
		*out++ = p;
	*out = NULL;
}

/* Counts the strings of v and adds their bytes to *bytes. */
static unsigned int
measure(const char *const *v, size_t *bytes)
{
	unsigned int n;

	for (n = 0; v != NULL && v[n] != NULL && n <= SPAWN_ARGS_MAX; n++)
		*bytes += strlen(v[n]) + 1;
	return n;
}

static char *
put_string(char *p, const char *s)
{
	size_t n;

	if (s == NULL)
		s = "";
	n = strlen(s) + 1;
	memcpy(p, s, n);
	return p + n;
}

static void
put_strings(char *p, const struct spawn_spec *spec)
{
	const char *const *v;

	for (v = spec->argv; *v != NULL; v++)
		p = put_string(p, *v);
	for (v = spec->env; v != NULL && *v != NULL; v++)
		p = put_string(p, *v);
	p = put_string(p, spec->cwd);
	p = put_string(p, spec->out_path);
	(void)put_string(p, spec->err_path);
}

static void
put_start(char *base, const struct spawn_spec *spec,
    const struct spawn_start *s)
{
	struct layout at = layout_of(s->ngroups, s->nlimits);

	memset(base, 0, at.strings);
	memcpy(base, s, sizeof(*s));
	if (s->ngroups > 0)
		memcpy(base + at.groups, spec->groups,
		    s->ngroups * sizeof(*spec->groups));
	if (s->nlimits > 0)
		memcpy(base + at.limits, spec->limits,
		    s->nlimits * sizeof(*spec->limits));
	put_strings(base + at.strings, spec);
}

long
spawn_start_encode(const struct spawn_spec *spec, void *buf, size_t size)
{
	const char *const rest[] = {
		spec->cwd != NULL ? spec->cwd : "",
		spec->out_path != NULL ? spec->out_path : "",
		spec->err_path != NULL ? spec->err_path : "", NULL
	};
	unsigned int argc, envc;
	size_t len, strings = 0;
	struct spawn_start s;

	argc = measure(spec->argv, &strings);
	envc = measure(spec->env, &strings);
	(void)measure(rest, &strings);
	if (argc == 0)
		return -EINVAL;
	if (argc + envc > SPAWN_ARGS_MAX || spec->ngroups > SPAWN_GROUPS_MAX ||
	    spec->nlimits > SPAWN_LIMITS_MAX)
		return -E2BIG;
	len = layout_of(spec->ngroups, spec->nlimits).strings + strings;
	if (len > SPAWN_MSG_MAX || (buf != NULL && len > size))
		return -E2BIG;
	if (buf == NULL)
		return (long)len;

	memset(&s, 0, sizeof(s));
	s.h.len = (uint32_t)len;
	s.h.type = SPAWN_START;
	s.log_key = spec->log_key;
	s.uid = spec->uid;
	s.gid = spec->gid;
	s.umask = spec->umask;
	s.argc = (uint16_t)argc;
	s.envc = (uint16_t)envc;
	s.ngroups = spec->ngroups;
	s.nlimits = spec->nlimits;
	s.out = (uint8_t)spec->out;
	s.err = (uint8_t)spec->err;
	s.flags = spec->flags;
	s.strings = (uint32_t)strings;
	put_start(buf, spec, &s);
	return (long)len;
}
