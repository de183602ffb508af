/* SPDX-License-Identifier: ISC */
/*
 * What is asked of registries.  A process registers itself only, known by its
 * link; whoever may speak to the engine may look things up.
 */
#include "engine/ops_registry.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/permit.h"
#include "engine/worker.h"
#include "wire/bytes.h"

#define TOLD_MAX	(1024U * 1024)	/* waiting for one listener */

static const struct {
	const char	*name, *name64;
	size_t		 max;
} fields[REGISTRY_NFIELDS] = {
	[FIELD_KEY] = { "key", "key64", REGISTRY_KEY_MAX },
	[FIELD_VALUE] = { "value", "value64", REGISTRY_VALUE_MAX },
	[FIELD_PREFIX] = { "prefix", "prefix64", REGISTRY_KEY_MAX },
	[FIELD_VALUE_PREFIX] = { "value_prefix", "value_prefix64",
	    REGISTRY_VALUE_MAX },
};

/* --- bytes in JSON --- */

void
registry_put_bytes(struct out *o, const char *key, const char *data,
    size_t len)
{
	char *coded;

	if (bytes_are_text(data, len)) {
		out_key_string(o, key, len > 0 ? data : "");
		return;
	}
	coded = xcalloc(1, BYTES_BASE64_SIZE(len));
	bytes_to_base64(data, len, coded);
	out_comma(o);
	out_format(o, "\"%s64\":\"%s\"", key, coded);
	free(coded);
}

/* One field of the request; false: refused. */
static bool
take_field(struct engine *e, const struct caller *c, int which,
    struct registry_ask *a)
{
	const char *text = control_string(c, fields[which].name);
	const char *coded = control_string(c, fields[which].name64);
	long n;

	if (coded != NULL) {
		n = (long)strlen(coded);
		a->mine[which] = xcalloc(1, (size_t)n + 1);
		n = bytes_from_base64(coded, (size_t)n, a->mine[which]);
		a->field[which] = (struct bytes){ a->mine[which], (size_t)n };
		if (n < 0) {
			control_refuse(e, c, "invalid", "\"%s\" is not base64",
			    fields[which].name64);
			return false;
		}
	} else if (text != NULL) {
		a->field[which] = (struct bytes){ text, strlen(text) };
	}
	if (a->field[which].len <= fields[which].max)
		return true;
	control_refuse(e, c, "too_large", "\"%s\" has %zu bytes: at most %zu "
	    "are taken", fields[which].name, a->field[which].len,
	    fields[which].max);
	return false;
}

static bool
take_key(struct engine *e, const struct caller *c, struct registry_ask *a)
{
	if (a->field[FIELD_KEY].len > 0)
		return true;
	control_refuse(e, c, "invalid", "the request lacks the string "
	    "\"key\", or \"key64\", of 1 byte or more");
	return false;
}

/* --- who holds what --- */

/* Its process has ended, though nobody has told the engine yet. */
static bool
is_gone(int32_t pid)
{
	struct pollfd p = { .events = POLLIN };
	bool gone;

	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p.fd < 0)
		return errno == ESRCH;
	gone = poll(&p, 1, 0) == 1;
	(void)close(p.fd);
	return gone;
}

/* The live holder of a unique key; a dead one is removed on the spot. */
static struct registry_entry *
holder_of(struct engine *e, const struct registry *r, struct bytes key)
{
	struct registry_key *k = registry_key(r, key);
	struct registry_entry *x = k != NULL ? k->first : NULL;

	if (x == NULL || engine_child(e, x->slot)->pid == 0 ||
	    !is_gone(engine_child(e, x->slot)->pid))
		return x;
	registry_remove(e, x);
	return NULL;
}

static void
put_holder(struct engine *e, struct out *o, uint32_t slot)
{
	out_key_string(o, "path", engine_child(e, slot)->path);
	out_key_int(o, "pid", worker_pid(e, slot));
}

static void
say_holder(struct engine *e, const struct caller *c, uint32_t slot,
    const char *error)
{
	struct out o = { 0 };

	out_text(&o, "{");
	if (error != NULL)
		out_key_string(&o, "error", error);
	put_holder(e, &o, slot);
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}

/* REGISTRY and KEY, the latter decoded in place; false: it is none. */
static bool
split_via(char *text, char **out_key, size_t *out_len)
{
	char *colon = strchr(text, ':'), *to, hex[3] = "";

	if (colon == NULL)
		return false;
	*colon = '\0';
	*out_key = to = colon + 1;
	for (const char *p = to; *p != '\0'; p++) {
		if (*p != '%') {
			*to++ = *p;
			continue;
		}
		hex[0] = p[1];
		hex[1] = p[1] != '\0' ? p[2] : '\0';
		if (strspn(hex, "0123456789abcdefABCDEF") != 2)
			return false;
		*to++ = (char)strtoul(hex, NULL, 16);
		p += 2;
	}
	*out_len = (size_t)(to - *out_key);
	return true;
}

int
registry_via(struct engine *e, const char *address, uint32_t *out)
{
	char *text = xstrdup(address + strlen("via:")), *key;
	struct registry_entry *x = NULL;
	struct bytes bytes = { 0 };
	struct registry *r = NULL;
	int rc = -EINVAL;

	if (split_via(text, &key, &bytes.len)) {
		bytes.data = key;
		rc = -ENOENT;
		r = registry_find(e, text);
	}
	if (r != NULL && !r->unique)
		rc = -EINVAL;
	else if (r != NULL)
		x = holder_of(e, r, bytes);
	free(text);
	if (x == NULL)
		return rc;
	*out = x->slot;
	return 0;
}

/* Those who asked for it hear of it; one who does not read misses some, and is
 * told how many. */
static void
tell_listeners(struct engine *e, const struct registry_ask *a,
    const char *event, const struct registry_entry *x)
{
	struct bytes key = a->field[FIELD_KEY];
	struct out o = { 0 };
	uint32_t slot;

	if (a->registry->nlisteners == 0)
		return;
	out_text(&o, "{");
	out_key_string(&o, "event", event);
	out_key_string(&o, "registry", a->registry->name);
	registry_put_bytes(&o, "key", key.data, key.len);
	if (x != NULL && x->value_len > 0)
		registry_put_bytes(&o, "value", x->value, x->value_len);
	put_holder(e, &o, a->slot);
	out_text(&o, "}");
	for (uint32_t i = 0; i < a->registry->nlisteners; i++) {
		slot = name_whereis(e, a->registry->listeners[i]);
		if (slot != CORE_NONE)
			worker_tell(e, slot, o.text, o.len, TOLD_MAX);
	}
	out_done(&o);
}

/* --- the owner's --- */

/* The call that was answered by an engine that died, once more? */
static struct registry_entry *
same_call(struct engine *e, const struct registry_ask *a)
{
	struct registry_entry *x = engine_child(e, a->slot)->entries;

	if (x == NULL || a->call == 0)
		return NULL;
	x = x->prev[OF_OWNER];		/* its latest */
	return x->call == a->call && x->key == registry_key(a->registry,
	    a->field[FIELD_KEY]) ? x : NULL;
}

static void
do_register(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	struct registry_entry *x;

	if (same_call(e, a) != NULL) {
		control_ok(e, c);
		return;
	}
	if (a->registry->unique) {
		x = holder_of(e, a->registry, a->field[FIELD_KEY]);
		if (x != NULL) {
			say_holder(e, c, x->slot, "already_registered");
			return;
		}
	}
	x = registry_add(e, a->registry, a->slot, a->field[FIELD_KEY],
	    a->field[FIELD_VALUE]);
	if (x == NULL) {
		control_refuse(e, c, "full", "the registry %s is full: it has "
		    "%u entries", a->registry->name, a->registry->n);
		return;
	}
	x->call = a->call;
	registry_save_entry(e, x);
	tell_listeners(e, a, "register", x);
	control_ok(e, c);
}

/* All of the caller's under the key, or those with this value. */
static void
do_unregister(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	struct registry_key *k = registry_key(a->registry,
	    a->field[FIELD_KEY]);
	struct registry_entry *x, *next;
	bool any = false;

	for (x = k != NULL ? k->first : NULL; x != NULL; x = next) {
		next = x->next[OF_KEY];	/* the key goes with its last */
		if (x->slot != a->slot || !registry_matches(a, x))
			continue;
		registry_remove(e, x);
		any = true;
	}
	if (any)
		tell_listeners(e, a, "unregister", NULL);
	control_ok(e, c);
}

static void
do_update_value(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	struct registry_key *k = registry_key(a->registry,
	    a->field[FIELD_KEY]);
	struct out o = { 0 };

	if (!a->registry->unique) {
		control_refuse(e, c, "invalid", "the keys of %s are "
		    "duplicate: unregister and register instead",
		    a->registry->name);
		return;
	}
	if (k == NULL || k->first->slot != a->slot) {
		control_refuse(e, c, "not_found", "the key is not registered "
		    "by this process");
		return;
	}
	out_text(&o, "{\"result\":\"ok\"");
	registry_put_bytes(&o, "old", k->first->value, k->first->value_len);
	out_text(&o, "}");
	if (registry_set_value(e, k->first, a->field[FIELD_VALUE])) {
		engine_reply(e, c->peer, c->ref, &o);
		return;
	}
	out_done(&o);
	control_refuse(e, c, "full", "the registries hold too many bytes");
}

static void
do_lock(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	struct registry_lock who = { .peer = c->peer, .ref = c->ref,
	    .slot = a->slot, .call = a->call };

	switch (registry_take_lock(e, a->registry, &who,
	    a->field[FIELD_KEY])) {
	case 0:
		control_ok(e, c);
		break;
	case -EDEADLK:
		control_refuse(e, c, "deadlock", "this process has the lock, "
		    "or waits for it");
		break;
	case -ENOBUFS:
		control_refuse(e, c, "full", "too many locks are held");
		break;
	default:
		break;			/* answered when it is its turn */
	}
}

static void
do_unlock(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	registry_give_lock(e, a->registry, a->slot, a->field[FIELD_KEY]);
	control_ok(e, c);
}

/* --- anybody's --- */

static void
do_whereis(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	struct registry_entry *x;

	if (!a->registry->unique) {
		control_refuse(e, c, "invalid", "the keys of %s are "
		    "duplicate: no key of it is an address",
		    a->registry->name);
		return;
	}
	x = holder_of(e, a->registry, a->field[FIELD_KEY]);
	if (x != NULL)
		say_holder(e, c, x->slot, NULL);
	else
		control_refuse(e, c, "noproc", "nobody is registered under "
		    "this key of %s", a->registry->name);
}

static void
do_delete(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	if (a->registry->configured) {
		control_refuse(e, c, "invalid", "the registry %s is in the "
		    "configuration: take it out there, and reload",
		    a->registry->name);
		return;
	}
	registry_drop(e, a->registry);
	control_ok(e, c);
}

static void
do_put_meta(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	struct bytes value = a->field[FIELD_VALUE];

	if (value.data == NULL)
		value.data = "";
	if (bytes_are_text(a->field[FIELD_KEY].data, a->field[FIELD_KEY].len)
	    && registry_put_meta(e, a->registry, a->field[FIELD_KEY].data,
	    value))
		control_ok(e, c);
	else
		control_refuse(e, c, "full", "metadata has at most %u keys, "
		    "which are text", REGISTRY_META_MAX);
}

static void
do_meta(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	const struct registry_meta *m = registry_meta(a->registry,
	    a->field[FIELD_KEY].data);
	struct out o = { 0 };

	if (m == NULL) {
		control_refuse(e, c, "not_found", "%s has no such metadata",
		    a->registry->name);
		return;
	}
	out_text(&o, "{");
	registry_put_bytes(&o, "value", m->data + m->key_len + 1,
	    m->value_len);
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}

static void
do_delete_meta(struct engine *e, const struct caller *c,
    const struct registry_ask *a)
{
	struct bytes none = { NULL, 0 };

	(void)registry_put_meta(e, a->registry, a->field[FIELD_KEY].data,
	    none);
	control_ok(e, c);
}

/* --- the table --- */

enum need { NEED_KEY = 1, NEED_OWNER = 2 };

static const struct {
	const char	*name;
	unsigned	 needs;
	registry_fn	*fn;
} ops[] = {
	{ "registry_register", NEED_KEY | NEED_OWNER, do_register },
	{ "registry_unregister", NEED_KEY | NEED_OWNER, do_unregister },
	{ "registry_update_value", NEED_KEY | NEED_OWNER, do_update_value },
	{ "registry_lock", NEED_KEY | NEED_OWNER, do_lock },
	{ "registry_unlock", NEED_KEY | NEED_OWNER, do_unlock },
	{ "registry_lookup", NEED_KEY, registry_do_entries },
	{ "registry_whereis", NEED_KEY, do_whereis },
	{ "registry_select", 0, registry_do_entries },
	{ "registry_keys", 0, registry_do_own_entries },
	{ "registry_values", NEED_KEY, registry_do_own_entries },
	{ "registry_count", 0, registry_do_count },
	{ "registry_delete", 0, do_delete },
	{ "registry_put_meta", NEED_KEY, do_put_meta },
	{ "registry_meta", NEED_KEY, do_meta },
	{ "registry_delete_meta", NEED_KEY, do_delete_meta },
};

static bool
take_registry(struct engine *e, const struct caller *c,
    struct registry_ask *a)
{
	const char *name = control_needed(e, c, "registry");

	if (name == NULL)
		return false;
	a->registry = registry_find(e, name);
	if (a->registry == NULL)
		control_refuse(e, c, "noproc", "no registry is named %s",
		    name);
	return a->registry != NULL;
}

static bool
take(struct engine *e, const struct caller *c, unsigned needs,
    struct registry_ask *a)
{
	const cJSON *call = cJSON_GetObjectItemCaseSensitive(c->request,
	    "call");

	a->slot = worker_is_link(c->peer) ? worker_slot(c->peer) : CORE_NONE;
	if (cJSON_IsNumber(call) && call->valuedouble >= 1 &&
	    call->valuedouble <= UINT32_MAX)
		a->call = (uint32_t)call->valuedouble;
	if (!take_registry(e, c, a))
		return false;
	if ((needs & NEED_OWNER) != 0 && a->slot == CORE_NONE) {
		control_refuse(e, c, "invalid", "only a worker registers "
		    "itself, over its link");
		return false;
	}
	for (int i = 0; i < REGISTRY_NFIELDS; i++)
		if (!take_field(e, c, i, a))
			return false;
	return (needs & NEED_KEY) == 0 || take_key(e, c, a);
}

/* What concerns all who use a registry, not the caller's own entries. */
static bool
is_about_all(const char *name)
{
	static const char *const names[] = { "registry_new",
		"registry_delete", "registry_put_meta",
		"registry_delete_meta" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool
registry_op(struct engine *e, const struct caller *c, const char *name)
{
	struct registry_ask a = { 0 };

	if (strncmp(name, "registry_", strlen("registry_")) != 0)
		return false;
	if (is_about_all(name) && !permit_all(e, c->peer)) {
		control_denied(e, c);
		return true;
	}
	if (registry_op_of_all(e, c, name))
		return true;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(ops[i].name, name) != 0)
			continue;
		if (take(e, c, ops[i].needs, &a))
			ops[i].fn(e, c, &a);
		for (int k = 0; k < REGISTRY_NFIELDS; k++)
			free(a.mine[k]);
		return true;
	}
	return false;
}
