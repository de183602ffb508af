/* SPDX-License-Identifier: ISC */
/*
 * Registered names: one live holder each.  A name is a symbolic link in
 * $RUNTIME/names to the holder's socket, so that callers need not ask.
 */
#include "engine/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/worker.h"

static struct name **
bucket(struct engine *e, const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return &e->names[hash % NAMES_BUCKETS];
}

static struct name *
name_find(struct engine *e, const char *text)
{
	struct name *n = *bucket(e, text);

	while (n != NULL && strcmp(n->text, text) != 0)
		n = n->next;
	return n;
}

uint32_t
name_whereis(struct engine *e, const char *name)
{
	struct name *n = name_find(e, name);

	return n != NULL ? n->slot : CORE_NONE;
}

/* The file appears whole or not at all. */
static int
publish(struct engine *e, const char *name, const char *path)
{
	char target[256], temporary[160];
	int n = snprintf(target, sizeof(target), "../paths/%s", path);

	if (n < 0 || (size_t)n >= sizeof(target))
		return -ENAMETOOLONG;
	for (char *p = target + strlen("../paths/"); *p != '\0'; p++)
		if (*p == '/')
			*p = ':';
	(void)snprintf(temporary, sizeof(temporary), "names/.%s", name);
	if (unlinkat(e->runtime_fd, temporary, 0) < 0 && errno != ENOENT)
		return -errno;
	if (symlinkat(target, e->runtime_fd, temporary) < 0)
		return -errno;
	(void)snprintf(target, sizeof(target), "names/%s", name);
	if (renameat(e->runtime_fd, temporary, e->runtime_fd, target) < 0)
		return -errno;
	return 0;
}

bool
name_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return len > 0 && len <= 64 && name[len] == '\0' && name[0] != '.' &&
	    name[0] != '-' && strcmp(name, "otpd") != 0 &&
	    strcmp(name, "otp-logger") != 0;
}

static void
save(struct engine *e, const struct name *n)
{
	struct name_record r = { .slot = n->slot };
	struct out o = { 0 };

	out_bytes(&o, &r, sizeof(r));
	out_text(&o, n->text);
	store_put(e->store, STORE_NAME, n->key, o.text, o.len);
	out_done(&o);
	e->changed = true;
}

void
names_save_all(struct engine *e)
{
	for (int i = 0; i < NAMES_BUCKETS; i++)
		for (struct name *n = e->names[i]; n != NULL; n = n->next)
			save(e, n);
}

static struct name *
add(struct engine *e, uint32_t slot, const char *name, uint64_t key)
{
	struct name **p = bucket(e, name), *n = xcalloc(1, sizeof(*n));

	n->text = xstrdup(name);
	n->slot = slot;
	n->key = key;
	n->next = *p;
	*p = n;
	n->own_next = engine_child(e, slot)->names;
	engine_child(e, slot)->names = n;
	return n;
}

static bool
has_room(struct engine *e, uint32_t slot)
{
	const struct name *n = engine_child(e, slot)->names;
	uint32_t own = 0;

	for (; n != NULL; n = n->own_next)
		own++;
	return own < NAMES_OWN_MAX;
}

int
name_register(struct engine *e, uint32_t slot, const char *name,
    uint32_t *out_holder)
{
	struct name *n = name_find(e, name);
	int rc;

	*out_holder = n != NULL ? n->slot : CORE_NONE;
	if (n != NULL)
		return -EEXIST;
	if (!name_valid(name))
		return -EINVAL;
	if (!has_room(e, slot))
		return -EDQUOT;
	rc = publish(e, name, engine_child(e, slot)->path);
	if (rc < 0)
		return rc;
	save(e, add(e, slot, name, ++e->next_key));
	return 0;
}

/* Its symbolic link is there still, unless an engine died between the two. */
void
name_restore(struct engine *e, uint64_t key, const char *record, size_t len)
{
	struct name_record r;
	char text[80];

	if (len <= sizeof(r) || len - sizeof(r) >= sizeof(text))
		return;
	memcpy(&r, record, sizeof(r));
	memcpy(text, record + sizeof(r), len - sizeof(r));
	text[len - sizeof(r)] = '\0';
	if (key > e->next_key)
		e->next_key = key;
	if (r.slot >= e->children_cap || e->children[r.slot].path == NULL ||
	    name_find(e, text) != NULL) {
		store_put(e->store, STORE_NAME, key, "", 0);
		return;
	}
	(void)add(e, r.slot, text, key);
	(void)publish(e, text, e->children[r.slot].path);
}

static void
name_drop(struct engine *e, struct name *n)
{
	struct name **p = bucket(e, n->text);
	struct name **own = &engine_child(e, n->slot)->names;
	char file[128];

	while (*p != n)
		p = &(*p)->next;
	*p = n->next;
	while (*own != n)
		own = &(*own)->own_next;
	*own = n->own_next;
	(void)snprintf(file, sizeof(file), "names/%s", n->text);
	(void)unlinkat(e->runtime_fd, file, 0);
	store_put(e->store, STORE_NAME, n->key, "", 0);
	e->changed = true;
	free(n->text);
	free(n);
}

int
name_unregister(struct engine *e, uint32_t slot, const char *name)
{
	struct name *n = name_find(e, name);

	if (n == NULL || n->slot != slot)
		return -ENOENT;
	name_drop(e, n);
	return 0;
}

void
names_drop(struct engine *e, uint32_t slot, const char *keep)
{
	struct name *n, *next;

	for (n = engine_child(e, slot)->names; n != NULL; n = next) {
		next = n->own_next;
		if (keep == NULL || strcmp(n->text, keep) != 0)
			name_drop(e, n);
	}
}
