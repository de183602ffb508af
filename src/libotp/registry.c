/* SPDX-License-Identifier: ISC */
/*
 * The registries' part of otp.h.  They live in the engine: everything here
 * asks it, and what it answers is put together.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/registry_ask.h"
#include "libotp/serve.h"

/* --- addresses --- */

/* A path that would be taken for a name becomes its socket. */
static int
address_of(const struct otp *o, const char *path, char *out, size_t size)
{
	int n;

	if (strchr(path, '/') != NULL)
		n = snprintf(out, size, "%s", path);
	else
		n = snprintf(out, size, "%s/paths/%s", o->runtime_dir, path);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int
otp_via(char *out, size_t size, const char *registry, const void *key,
    size_t key_len)
{
	const unsigned char *p = key;
	int n = snprintf(out, size, "via:%s:", registry);
	size_t at = (size_t)n;

	for (size_t i = 0; n > 0 && at + 4 <= size && i < key_len; i++) {
		if (p[i] > ' ' && p[i] < 0x7f && p[i] != '%' && p[i] != '/')
			out[at++] = (char)p[i];
		else
			at += (size_t)snprintf(out + at, size - at, "%%%02X",
			    p[i]);
		if (i + 1 == key_len) {
			out[at] = '\0';
			return 0;
		}
	}
	return -ENAMETOOLONG;
}

static __attribute__((noinline)) int
look_up(struct otp *o, const char **to, char room[OTPI_ADDRESS],
    uint64_t deadline)
{
	struct otpi_ask a = { 0 };
	char path[OTPI_ADDRESS] = "", *reply = NULL;
	size_t len = 0;
	int rc;

	a.rc = otp_print(&a.out, "{\"op\":\"whereis\"");
	otpi_ask_text(&a, "name", *to);
	rc = otpi_ask_send(o, &a, NULL, deadline, &reply, &len);
	otpi_ask_end(&a);
	if (rc == 0)
		rc = otpi_json_get(reply, len, "path", path, sizeof(path));
	free(reply);
	if (rc == 0)
		rc = address_of(o, path, room, OTPI_ADDRESS);
	if (rc == 0)
		*to = room;
	return rc;
}

OTPI_HOT int
otpi_via(struct otp *o, const char **to, char room[OTPI_ADDRESS],
    uint64_t deadline)
{
	if ((*to)[0] != 'v' || strncmp(*to, "via:", 4) != 0)
		return 0;
	return look_up(o, to, room, deadline);
}

/* --- entries --- */

struct list {			/* offsets, until all of them are there */
	struct otp_entry *entries;
	size_t		 n, cap;
	struct otp_out	 bytes;
};

static void
list_free(struct list *l)
{
	free(l->entries);
	otpi_out_free(&l->bytes);
}

/* Behind the others: *out is where, as an offset. */
static int
add_bytes(struct list *l, const char *data, size_t len, const char **out)
{
	*out = (const char *)(uintptr_t)l->bytes.len;
	return otp_write(&l->bytes, data, len) == 0 ?
	    otp_write(&l->bytes, "", 1) : -ENOMEM;
}

static int
add_field(struct list *l, const char *text, size_t len, const char *field,
    const char **out, size_t *out_len)
{
	char *data = NULL;
	int rc = otpi_ask_get(text, len, field, &data, out_len);

	if (rc == -ENOENT) {
		*out_len = 0;
		return add_bytes(l, "", 0, out);
	}
	if (rc == 0)
		rc = add_bytes(l, data, *out_len, out);
	free(data);
	return rc;
}

static int
add_entry(struct otp *o, struct list *l, const char *text, size_t len)
{
	char path[OTPI_ADDRESS] = "", address[OTPI_ADDRESS], pid[32] = "";
	struct otp_entry *more, *x;
	int rc;

	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 16 : l->cap * 2;
		more = realloc(l->entries, l->cap * sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		l->entries = more;
	}
	x = &l->entries[l->n];
	*x = (struct otp_entry){ 0 };
	(void)otpi_json_get(text, len, "path", path, sizeof(path));
	(void)otpi_json_get(text, len, "pid", pid, sizeof(pid));
	x->pid = (int32_t)strtol(pid, NULL, 10);
	rc = address_of(o, path, address, sizeof(address));
	if (rc == 0)
		rc = add_field(l, text, len, "key", &x->key, &x->key_len);
	if (rc == 0)
		rc = add_field(l, text, len, "value", &x->value,
		    &x->value_len);
	if (rc == 0)
		rc = add_bytes(l, path, strlen(path), &x->path);
	if (rc == 0)
		rc = add_bytes(l, address, strlen(address), &x->address);
	if (rc == 0)
		l->n++;
	return rc;
}

static int
add_page(struct otp *o, struct list *l, const char *reply, size_t len)
{
	const char *array, *item;
	size_t array_len, item_len;
	int rc;

	rc = otpi_json_find(reply, len, "entries", &array, &array_len);
	if (rc < 0)
		return -EPROTO;
	for (const char *end = array + array_len; (rc = otpi_json_item(&array,
	    end, &item, &item_len)) == 1; ) {
		rc = add_entry(o, l, item, item_len);
		if (rc < 0)
			return rc;
	}
	return rc == 0 ? 0 : -EPROTO;
}

/* One block: the array, and what it points to. */
static int
list_seal(struct list *l, struct otp_entry **out, size_t *out_n)
{
	size_t size = l->n * sizeof(*l->entries);
	struct otp_entry *x, *all;
	const char *base;

	if (l->n == 0) {
		*out = NULL;
		*out_n = 0;
		return 0;
	}
	all = malloc(size + l->bytes.len);
	if (all == NULL)
		return -ENOMEM;
	base = (const char *)all + size;
	memcpy(all, l->entries, size);
	memcpy((char *)all + size, l->bytes.text, l->bytes.len);
	for (x = all; x < all + l->n; x++) {
		x->key = base + (uintptr_t)x->key;
		x->value = base + (uintptr_t)x->value;
		x->path = base + (uintptr_t)x->path;
		x->address = base + (uintptr_t)x->address;
	}
	*out = all;
	*out_n = l->n;
	return 0;
}

/* Page by page; ends the request. */
static int
fetch(struct otp *o, struct otpi_ask *a, struct otp_entry **out, size_t *n)
{
	uint64_t deadline = otpi_deadline(o, OTP_DEFAULT_TIMEOUT);
	char next[32] = "", *reply;
	struct list l = { 0 };
	size_t len;
	int rc;

	do {
		reply = NULL;
		rc = otpi_ask_send(o, a, next[0] != '\0' ? next : NULL,
		    deadline, &reply, &len);
		if (rc < 0)
			break;
		rc = add_page(o, &l, reply, len);
		if (rc < 0)
			(void)otpi_fail(o, rc, NULL);
		else if (otpi_json_get(reply, len, "next", next,
		    sizeof(next)) < 0)
			next[0] = '\0';
		free(reply);
	} while (rc == 0 && next[0] != '\0');
	otpi_ask_end(a);
	if (rc == 0) {
		rc = list_seal(&l, out, n);
		if (rc < 0)
			(void)otpi_fail(o, rc, NULL);
	}
	list_free(&l);
	return rc;
}

int
otp_registry_lookup(struct otp *o, const char *registry, const void *key,
    size_t key_len, struct otp_entry **entries, size_t *n)
{
	return otp_registry_match(o, registry, key, key_len, NULL, 0, entries,
	    n);
}

int
otp_registry_match(struct otp *o, const char *registry, const void *key,
    size_t key_len, const void *value, size_t value_len,
    struct otp_entry **entries, size_t *n)
{
	struct otpi_ask a;
	int rc;

	otpi_ask_begin(&a, "lookup", registry);
	otpi_ask_bytes(&a, "key", key, key_len);
	if (value_len > 0)
		otpi_ask_bytes(&a, "value_prefix", value, value_len);
	rc = fetch(o, &a, entries, n);
	for (size_t i = 0; rc == 0 && i < *n; i++) {
		(*entries)[i].key = key;	/* the caller's own */
		(*entries)[i].key_len = key_len;
	}
	return rc;
}

int
otp_registry_select(struct otp *o, const char *registry, const void *prefix,
    size_t prefix_len, struct otp_entry **entries, size_t *n)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "select", registry);
	if (prefix_len > 0)
		otpi_ask_bytes(&a, "prefix", prefix, prefix_len);
	return fetch(o, &a, entries, n);
}

int
otp_registry_keys(struct otp *o, const char *registry, const char *of,
    struct otp_entry **entries, size_t *n)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "keys", registry);
	if (of != NULL)
		otpi_ask_text(&a, "of", of);
	return fetch(o, &a, entries, n);
}

int
otp_registry_values(struct otp *o, const char *registry, const char *of,
    const void *key, size_t key_len, struct otp_entry **entries, size_t *n)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "values", registry);
	otpi_ask_bytes(&a, "key", key, key_len);
	if (of != NULL)
		otpi_ask_text(&a, "of", of);
	return fetch(o, &a, entries, n);
}

int
otp_registry_dispatch(struct otp *o, const char *registry, const void *key,
    size_t key_len, int (*fn)(struct otp *self,
    const struct otp_entry *entries, size_t n, void *arg), void *arg)
{
	struct otp_entry *entries = NULL;
	size_t n = 0;
	int rc = otp_registry_lookup(o, registry, key, key_len, &entries, &n);

	if (rc == 0 && n > 0)
		rc = fn(o, entries, n, arg);
	free(entries);
	return rc;
}

int
otp_publish(struct otp *o, const char *registry, const char *topic,
    const void *message, size_t len)
{
	struct otp_entry *entries = NULL;
	int rc, sent = 0;
	size_t n = 0;

	rc = otp_registry_lookup(o, registry, topic, strlen(topic), &entries,
	    &n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = otp_send(o, entries[i].address, message, len);
		sent += rc == 0;
		if (rc == -OTP_ENOPROC)		/* it has just ended */
			rc = 0;
	}
	free(entries);
	return rc < 0 ? rc : sent;
}

/* --- counts --- */

static int
count(struct otp *o, struct otpi_ask *a, size_t *out)
{
	char number[32] = "0", *reply = NULL;
	size_t len = 0;
	int rc = otpi_ask_finish(o, a, &reply, &len);

	if (rc == 0)
		rc = otpi_json_get(reply, len, "count", number,
		    sizeof(number));
	if (rc == 0)
		*out = (size_t)strtoull(number, NULL, 10);
	free(reply);
	return rc;
}

int
otp_registry_count(struct otp *o, const char *registry, size_t *out)
{
	return otp_registry_count_select(o, registry, NULL, 0, out);
}

int
otp_registry_count_match(struct otp *o, const char *registry,
    const void *key, size_t key_len, const void *value, size_t value_len,
    size_t *out)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "count", registry);
	otpi_ask_bytes(&a, "key", key, key_len);
	if (value_len > 0)
		otpi_ask_bytes(&a, "value_prefix", value, value_len);
	return count(o, &a, out);
}

int
otp_registry_count_select(struct otp *o, const char *registry,
    const void *prefix, size_t prefix_len, size_t *out)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "count", registry);
	if (prefix_len > 0)
		otpi_ask_bytes(&a, "prefix", prefix, prefix_len);
	return count(o, &a, out);
}
