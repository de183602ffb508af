/* SPDX-License-Identifier: ISC */
/*
 * Registries: which there are, what is in them, and a message to all who are
 * registered under a key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "otpctl/server.h"
#include "wire/frame.h"

#define COLUMNS	4

struct column {
	const char	*title;
	void		(*put)(struct buf *b, const cJSON *row);
};

/* --- tables --- */

static void
put_row(struct buf *b, const struct column *columns, const cJSON *row,
    size_t width[COLUMNS])
{
	for (size_t i = 0; i < COLUMNS; i++) {
		size_t start = b->len, w;

		if (row == NULL)
			buf_puts(b, columns[i].title);
		else
			columns[i].put(b, row);
		w = b->len > start ? buf_width(b->data + start,
		    b->len - start) : 0;
		if (w > width[i])
			width[i] = w;
		if (i + 1 < COLUMNS)
			buf_pad(b, 2 + width[i] - w);
	}
	buf_puts(b, "\n");
}

/* Once for the widths, once to be seen. */
static void
show_table(struct ctl *c, const struct column *columns, const cJSON *rows)
{
	size_t width[COLUMNS] = { 0 }, start = c->text.len;
	const cJSON *row;

	for (int seen = 0; seen < 2; seen++) {
		if (c->text.len > start)
			c->text.len = start;
		put_row(&c->text, columns, NULL, width);
		cJSON_ArrayForEach(row, rows)
			put_row(&c->text, columns, row, width);
	}
}

static void
put_string(struct buf *b, const cJSON *row, const char *key)
{
	const char *text = ctl_string(row, key);

	buf_text(b, text != NULL && *text != '\0' ? text : "-");
}

/* Text, or what is none as it came. */
static void
put_bytes(struct buf *b, const cJSON *row, const char *key, const char *key64)
{
	const char *coded = ctl_string(row, key64);

	if (coded == NULL) {
		put_string(b, row, key);
		return;
	}
	buf_puts(b, "base64:");
	buf_text(b, coded);
}

static void
put_key(struct buf *b, const cJSON *row)
{
	put_bytes(b, row, "key", "key64");
}

static void
put_value(struct buf *b, const cJSON *row)
{
	put_bytes(b, row, "value", "value64");
}

static void
put_path(struct buf *b, const cJSON *row)
{
	put_string(b, row, "path");
}

static void
put_pid(struct buf *b, const cJSON *row)
{
	buf_printf(b, "%.0f", ctl_number(row, "pid", 0));
}

static void
put_registry(struct buf *b, const cJSON *row)
{
	put_string(b, row, "registry");
}

static void
put_kind(struct buf *b, const cJSON *row)
{
	put_string(b, row, "keys");
}

static void
put_count(struct buf *b, const cJSON *row)
{
	buf_printf(b, "%.0f", ctl_number(row, "entries", 0));
}

static void
put_listeners(struct buf *b, const cJSON *row)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(row,
	    "listeners"), *name;

	if (cJSON_GetArraySize(list) == 0)
		buf_puts(b, "-");
	cJSON_ArrayForEach(name, list) {
		if (name != list->child)
			buf_puts(b, " ");
		buf_text(b, cJSON_IsString(name) ? name->valuestring : "?");
	}
}

static const struct column entry_columns[COLUMNS] = {
	{ "KEY", put_key }, { "PATH", put_path }, { "PID", put_pid },
	{ "VALUE", put_value }
};

static const struct column registry_columns[COLUMNS] = {
	{ "REGISTRY", put_registry }, { "KEYS", put_kind },
	{ "ENTRIES", put_count }, { "LISTENERS", put_listeners }
};

/* --- questions --- */

/* One page after another, into one array: the caller deletes. */
static int
fetch(struct ctl *c, const char *op, const char *registry, const char *field,
    const char *text, cJSON **out)
{
	cJSON *all = cJSON_CreateArray(), *request, *reply, *page, *entry;
	char after[32] = "";
	const char *next;
	int rc;

	do {
		request = ctl_request(op);
		(void)cJSON_AddStringToObject(request, "registry", registry);
		if (text != NULL)
			(void)cJSON_AddStringToObject(request, field, text);
		if (after[0] != '\0')
			(void)cJSON_AddStringToObject(request, "after",
			    after);
		rc = ctl_order(c, request, registry, &reply);
		if (rc != CTL_OK) {
			cJSON_Delete(all);
			return rc;
		}
		page = cJSON_GetObjectItemCaseSensitive(reply, "entries");
		while ((entry = cJSON_DetachItemFromArray(page, 0)) != NULL)
			(void)cJSON_AddItemToArray(all, entry);
		next = ctl_string(reply, "next");
		(void)snprintf(after, sizeof(after), "%s",
		    next != NULL ? next : "");
		cJSON_Delete(reply);
	} while (after[0] != '\0');
	*out = all;
	return CTL_OK;
}

static void
add_key(cJSON *entries, const char *key)
{
	cJSON *entry;

	cJSON_ArrayForEach(entry, entries)
		(void)cJSON_AddStringToObject(entry, "key", key);
}

static void
show(struct ctl *c, const struct column *columns, const cJSON *rows)
{
	if (c->json)
		c->out->rows(c, rows);
	else
		show_table(c, columns, rows);
}

static int
show_registries(struct ctl *c)
{
	cJSON *reply;
	int rc = ctl_order(c, ctl_request("registry_list"), NULL, &reply);

	if (rc != CTL_OK)
		return rc;
	show(c, registry_columns, cJSON_GetObjectItemCaseSensitive(reply,
	    "registries"));
	cJSON_Delete(reply);
	return CTL_OK;
}

int
cmd_registry(struct ctl *c)
{
	cJSON *entries;
	int rc;

	if (c->argc > 1 && c->prefix != NULL) {
		ctl_warn("registry: a KEY or --prefix, not both");
		return CTL_USAGE;
	}
	if (c->argc == 0 && c->prefix != NULL) {
		ctl_warn("registry: --prefix of which registry?");
		return CTL_USAGE;
	}
	if (c->argc == 0)
		return show_registries(c);
	if (c->argc > 1)
		rc = fetch(c, "registry_lookup", c->argv[0], "key",
		    c->argv[1], &entries);
	else
		rc = fetch(c, "registry_select", c->argv[0], "prefix",
		    c->prefix, &entries);
	if (rc != CTL_OK)
		return rc;
	if (c->argc > 1)
		add_key(entries, c->argv[1]);
	show(c, entry_columns, entries);
	cJSON_Delete(entries);
	return CTL_OK;
}

/* --- publish --- */

/* To the socket of a path, whoever is registered under its name. */
static int
send_to(struct ctl *c, const char *path, const struct buf *payload)
{
	struct server_call call = { .type = FRAME_INFO,
	    .payload = payload->data, .len = payload->len };
	struct buf address = { NULL, 0, 0 };
	char *reply = NULL;
	size_t at, len;
	int rc;

	if (c->runtime_dir[0] != '/')
		buf_puts(&address, "./");
	buf_printf(&address, "%s/paths/", c->runtime_dir);
	at = address.len;
	buf_puts(&address, path);
	for (; at < address.len; at++)
		if (address.data[at] == '/')
			address.data[at] = ':';
	rc = server_ask(c, address.data, &call, &reply, &len);
	buf_done(&address);
	return rc;
}

static void
say_sent(struct ctl *c, int n)
{
	cJSON *o = cJSON_CreateObject();

	if (o == NULL || cJSON_AddNumberToObject(o, "sent", n) == NULL)
		abort();
	if (c->json)
		c->out->info(c, o);
	else if (!c->quiet)
		buf_printf(&c->text, "%d process%s\n", n, n == 1 ? "" : "es");
	cJSON_Delete(o);
}

int
cmd_publish(struct ctl *c)
{
	struct buf payload = { NULL, 0, 0 };
	const cJSON *entry;
	cJSON *entries;
	int n = 0, rc, worst = CTL_OK;

	if (!server_payload(c, 2, &payload))
		return CTL_USAGE;
	rc = fetch(c, "registry_lookup", c->argv[0], "key", c->argv[1],
	    &entries);
	if (rc != CTL_OK) {
		buf_done(&payload);
		return rc;
	}
	cJSON_ArrayForEach(entry, entries) {
		const char *path = ctl_string(entry, "path");

		rc = path != NULL ? send_to(c, path, &payload) : CTL_FAILED;
		n += rc == CTL_OK;
		worst = rc != CTL_OK ? rc : worst;
	}
	say_sent(c, n);
	cJSON_Delete(entries);
	buf_done(&payload);
	return worst;
}
