/* SPDX-License-Identifier: ISC */
/*
 * Users and groups, from names to numbers.  Each is looked up once a load.
 * Whoever is unknown is a problem in words, which keeps the child from being
 * started; never somebody else, and never root.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/config_read.h"
#include "engine/out.h"

#define NOBODY		65534U		/* where an order must have a number */
#define BUFFER_MAX	(1024U * 1024)

struct owner {			/* of what was looked up */
	uint32_t	 uid, gid;
	bool		 has_gid;
	const char	*name, *home, *shell;
	const char	*problem;
};
struct group_list { uint32_t groups[SPAWN_GROUPS_MAX]; int n; };

/* A whole number below (uid_t)-1, strictly? */
static bool
digits_only(const char *text, uint32_t *out)
{
	size_t i, len = strlen(text);
	unsigned long long n;

	if (len == 0 || len > 10)
		return false;
	for (i = 0; i < len; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	n = strtoull(text, NULL, 10);
	if (n >= UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

/* By name, or by number when name is NULL; 0, or an errno.  The strings live
 * in *out_buf, which the caller frees. */
static int
find_user(const char *name, uint32_t uid, struct passwd *out, char **out_buf,
    bool *out_found)
{
	struct passwd *found = NULL;
	size_t size = 1024;
	int rc;

	*out_buf = NULL;
	do {
		size *= 2;
		*out_buf = xrealloc(*out_buf, size, 1);
		rc = name != NULL ?
		    getpwnam_r(name, out, *out_buf, size, &found) :
		    getpwuid_r(uid, out, *out_buf, size, &found);
	} while (rc == ERANGE && size < BUFFER_MAX);
	*out_found = found != NULL;
	/* Several libraries say "not there" with one of these. */
	return found != NULL || rc == ENOENT || rc == ESRCH ? 0 : rc;
}

static void
fill_user(struct reader *r, struct owner *o, const struct passwd *pw)
{
	o->uid = pw->pw_uid;
	o->gid = pw->pw_gid;
	o->has_gid = true;
	o->name = arena_printf(&r->arena, "%s", pw->pw_name);
	o->home = arena_printf(&r->arena, "%s", pw->pw_dir);
	o->shell = arena_printf(&r->arena, "%s", pw->pw_shell);
	if (o->uid == UINT32_MAX || o->gid == UINT32_MAX)
		o->problem = arena_printf(&r->arena, "user \"%s\" has number "
		    "-1", o->name);
}

static void
look_up_user(struct reader *r, const char *name, uint32_t uid,
    struct owner *o)
{
	struct passwd pw;
	bool found;
	char *buf;
	int rc;

	rc = find_user(name, uid, &pw, &buf, &found);
	if (rc == 0 && !found && name != NULL && digits_only(name, &uid)) {
		free(buf);
		rc = find_user(NULL, uid, &pw, &buf, &found);
		name = NULL;
	}
	o->uid = uid;
	if (found)
		fill_user(r, o, &pw);
	else if (rc != 0 && name != NULL)
		o->problem = arena_printf(&r->arena, "user \"%s\" cannot be "
		    "looked up: %s", name, strerror(rc));
	else if (name != NULL)
		o->problem = arena_printf(&r->arena, "no user \"%s\"", name);
	free(buf);
}

static void
look_up_group(struct reader *r, const char *name, struct owner *o)
{
	struct group gr, *found = NULL;
	size_t size = 1024;
	char *buf = NULL;
	int rc;

	do {
		size *= 2;
		buf = xrealloc(buf, size, 1);
		rc = getgrnam_r(name, &gr, buf, size, &found);
	} while (rc == ERANGE && size < BUFFER_MAX);
	if (found != NULL && gr.gr_gid != UINT32_MAX)
		o->gid = gr.gr_gid;
	else if (found != NULL || !digits_only(name, &o->gid))
		o->problem = arena_printf(&r->arena, found != NULL ?
		    "group \"%s\" has number -1" : "no group \"%s\"", name);
	free(buf);
}

/* kind: u for a user, g for a group. */
static const struct owner *
owner_of(struct reader *r, char kind, const cJSON *v)
{
	const char *name = cJSON_IsString(v) ? v->valuestring : NULL;
	uint32_t number = name != NULL ? 0 : (uint32_t)v->valuedouble;
	struct owner *o;
	char *key;

	key = name != NULL ? arena_printf(&r->arena, "%c:%s", kind, name) :
	    arena_printf(&r->arena, "%c#%u", kind, number);
	if ((o = strmap_get(&r->ids, key)) != NULL)
		return o;
	o = arena_alloc(&r->arena, sizeof(*o));
	o->gid = number;
	if (kind == 'u')
		look_up_user(r, name, number, o);
	else if (name != NULL)
		look_up_group(r, name, o);
	(void)strmap_put(&r->ids, key, o);
	return o;
}

static const struct group_list *
groups_of(struct reader *r, const char *user, uint32_t gid)
{
	struct group_list *list;
	char *key;

	key = arena_printf(&r->arena, "l%u:%s", gid, user);
	if ((list = strmap_get(&r->ids, key)) != NULL)
		return list;
	list = arena_alloc(&r->arena, sizeof(*list));
	list->n = SPAWN_GROUPS_MAX;
	if (getgrouplist(user, gid, list->groups, &list->n) < 0)
		list->n = -1;
	(void)strmap_put(&r->ids, key, list);
	return list;
}

static void
fill_groups(struct reader *r, const struct draft *d, struct identity *out)
{
	const struct group_list *list;
	const struct owner *o;
	const cJSON *item;

	if (d->given[KEY_groups] != NULL) {
		cJSON_ArrayForEach(item, d->given[KEY_groups]) {
			o = owner_of(r, 'g', item);
			if (o->problem != NULL)
				out->problem = o->problem;
			out->groups[out->ngroups++] = o->gid;
		}
	} else if (out->user != NULL) {
		list = groups_of(r, out->user, out->gid);
		if (list->n < 0) {
			out->problem = arena_printf(&r->arena, "user \"%s\" is "
			    "in more than %d groups", out->user,
			    SPAWN_GROUPS_MAX);
			return;
		}
		out->ngroups = (uint16_t)list->n;
		memcpy(out->groups, list->groups,
		    (size_t)list->n * sizeof(list->groups[0]));
	} else {
		out->groups[0] = out->gid;
		out->ngroups = 1;
	}
}

static void
fill_identity(struct reader *r, const struct draft *d, struct identity *out)
{
	const struct owner *user = NULL, *group = NULL;

	if (d->given[KEY_user] != NULL)
		user = owner_of(r, 'u', d->given[KEY_user]);
	if (d->given[KEY_group] != NULL)
		group = owner_of(r, 'g', d->given[KEY_group]);
	if (group != NULL) {
		out->gid = group->gid;
		out->problem = group->problem;
	}
	if (user == NULL)
		return;
	out->uid = user->uid;
	out->user = user->name;
	out->home = user->home;
	out->shell = user->shell;
	if (user->problem != NULL)
		out->problem = user->problem;
	if (group == NULL) {
		out->gid = user->gid;
		if (!user->has_gid && out->problem == NULL)
			out->problem = arena_printf(&r->arena, "user %u has no "
			    "group of its own: `group` must say which",
			    user->uid);
	}
	if (out->problem == NULL)
		fill_groups(r, d, out);
}

/* More words for OTP_ALLOW, from one of the arrays of `allow`. */
static void
allow_add(struct reader *r, char kind, const cJSON *array,
    struct identity *out)
{
	const struct owner *o;
	const cJSON *item;

	if (array == NULL)
		return;
	cJSON_ArrayForEach(item, array) {
		o = owner_of(r, kind, item);
		if (o->problem != NULL)
			out->problem = o->problem;
		out->allow = arena_printf(&r->arena, "%s%s%cid:%u",
		    out->allow != NULL ? out->allow : "",
		    out->allow != NULL ? " " : "", kind,
		    kind == 'u' ? o->uid : o->gid);
	}
}

void
identity_of(struct reader *r, const struct draft *d, struct identity *out)
{
	memset(out, 0, sizeof(*out));
	out->uid = out->gid = SPAWN_KEEP;
	fill_identity(r, d, out);
	if (d->given[KEY_allow] != NULL) {
		allow_add(r, 'u', json_member(d->given[KEY_allow], "users"),
		    out);
		allow_add(r, 'g', json_member(d->given[KEY_allow], "groups"),
		    out);
	}
	if (out->problem != NULL) {
		out->uid = out->gid = NOBODY;
		out->ngroups = 0;
	} else if (geteuid() != 0 && out->uid == geteuid() &&
	    out->gid == getegid()) {
		/* Already so; only root could set it again. */
		out->uid = out->gid = SPAWN_KEEP;
		out->ngroups = 0;
	}
}
