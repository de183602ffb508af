/* SPDX-License-Identifier: ISC */
/*
 * The probe's commands about registries: otp.h's functions, one each.  "hex"
 * stands in for "key" where that is not text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

struct bytes { const char *data; size_t len; };

static struct bytes
key_of(const cJSON *request)
{
	static char room[OTP_KEY_MAX * 4];
	const char *hex = text_of(request, "hex");
	struct bytes key = { text_of(request, "key"), 0 };
	unsigned int byte;

	key.len = strlen(key.data);
	if (*hex == '\0')
		return key;
	key.data = room;
	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		room[key.len++] = (char)byte;
	return key;
}

static const char *
registry_of(const cJSON *request)
{
	return text_of(request, "registry");
}

static struct bytes
value_of(const cJSON *request)
{
	struct bytes value = { text_of(request, "value"), 0 };

	value.len = strlen(value.data);
	return value;
}

static const char *
of(const cJSON *request)
{
	const char *text = text_of(request, "of");

	return *text != '\0' ? text : NULL;
}

static void
add_entries(cJSON *o, const struct otp_entry *entries, size_t n)
{
	cJSON *array = cJSON_AddArrayToObject(o, "entries"), *x;

	for (size_t i = 0; i < n; i++) {
		x = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(x, "key", entries[i].key);
		(void)cJSON_AddNumberToObject(x, "key_len",
		    (double)entries[i].key_len);
		(void)cJSON_AddStringToObject(x, "value", entries[i].value);
		(void)cJSON_AddNumberToObject(x, "value_len",
		    (double)entries[i].value_len);
		(void)cJSON_AddStringToObject(x, "path", entries[i].path);
		(void)cJSON_AddStringToObject(x, "address",
		    entries[i].address);
		(void)cJSON_AddNumberToObject(x, "pid", entries[i].pid);
		(void)cJSON_AddItemToArray(array, x);
	}
}

static int
say_entries(struct otp *self, struct otp_from from, int rc,
    struct otp_entry *entries, size_t n)
{
	cJSON *o = cJSON_CreateObject();

	if (rc < 0) {
		cJSON_Delete(o);
		return outcome(self, from, rc, 0);
	}
	(void)cJSON_AddNumberToObject(o, "rc", 0);
	add_entries(o, entries, n);
	answer(self, from, o);
	cJSON_Delete(o);
	free(entries);
	return OTP_OK;
}

static int
do_new(struct otp *self, struct otp_from from, const cJSON *request)
{
	return outcome(self, from, otp_registry_new(self,
	    registry_of(request), number_of(request, "unique")), 0);
}

static int
do_delete(struct otp *self, struct otp_from from, const cJSON *request)
{
	return outcome(self, from, otp_registry_delete(self,
	    registry_of(request)), 0);
}

static int
do_register(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct bytes k = key_of(request), v = value_of(request);

	return outcome(self, from, otp_registry_register(self,
	    registry_of(request), k.data, k.len, v.data, v.len), 0);
}

/* n of them: KEY0, KEY1... */
static int
do_register_many(struct otp *self, struct otp_from from,
    const cJSON *request)
{
	char key[256];
	int rc = 0;

	for (int i = 0; rc == 0 && i < number_of(request, "n"); i++) {
		(void)snprintf(key, sizeof(key), "%s%d", text_of(request,
		    "key"), i);
		rc = otp_registry_register(self, registry_of(request), key,
		    strlen(key), text_of(request, "value"),
		    strlen(text_of(request, "value")));
	}
	return outcome(self, from, rc, 0);
}

static int
do_unregister(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct bytes k = key_of(request), v = value_of(request);

	return outcome(self, from, v.len == 0 ?
	    otp_registry_unregister(self, registry_of(request), k.data,
	    k.len) : otp_registry_unregister_match(self,
	    registry_of(request), k.data, k.len, v.data, v.len), 0);
}

static int
do_update(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct bytes k = key_of(request), v = value_of(request);
	char *old = NULL;
	size_t old_len = 0;
	int rc = otp_registry_update_value(self, registry_of(request), k.data,
	    k.len, v.data, v.len, &old, &old_len);

	if (rc < 0)
		return outcome(self, from, rc, 0);
	rc = otp_replyf(self, from, "{\"rc\":0,\"old\":\"%s\"}", old);
	free(old);
	return rc;
}

static int
do_lookup(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct bytes k = key_of(request), v = value_of(request);
	struct otp_entry *entries = NULL;
	size_t n = 0;
	int rc = v.len == 0 ? otp_registry_lookup(self, registry_of(request),
	    k.data, k.len, &entries, &n) : otp_registry_match(self,
	    registry_of(request), k.data, k.len, v.data, v.len, &entries, &n);

	return say_entries(self, from, rc, entries, n);
}

static int
do_select(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct bytes k = key_of(request);
	struct otp_entry *entries = NULL;
	size_t n = 0;
	int rc = otp_registry_select(self, registry_of(request), k.data,
	    k.len, &entries, &n);

	return say_entries(self, from, rc, entries, n);
}

static int
do_keys(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct otp_entry *entries = NULL;
	size_t n = 0;
	int rc = otp_registry_keys(self, registry_of(request), of(request),
	    &entries, &n);

	return say_entries(self, from, rc, entries, n);
}

static int
do_values(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct bytes k = key_of(request);
	struct otp_entry *entries = NULL;
	size_t n = 0;
	int rc = otp_registry_values(self, registry_of(request), of(request),
	    k.data, k.len, &entries, &n);

	return say_entries(self, from, rc, entries, n);
}

/* Of the key ("match"), of those that begin so ("select"), or of all. */
static int
do_count(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct bytes k = key_of(request), v = value_of(request);
	size_t n = 0;
	int rc;

	if (strcmp(text_of(request, "how"), "match") == 0)
		rc = otp_registry_count_match(self, registry_of(request),
		    k.data, k.len, v.data, v.len, &n);
	else if (strcmp(text_of(request, "how"), "select") == 0)
		rc = otp_registry_count_select(self, registry_of(request),
		    k.data, k.len, &n);
	else
		rc = otp_registry_count(self, registry_of(request), &n);
	return outcome(self, from, rc, n);
}

static int
dispatched(struct otp *self, const struct otp_entry *entries, size_t n,
    void *arg)
{
	(void)self;
	add_entries(arg, entries, n);
	(void)cJSON_AddNumberToObject(arg, "here", 1);
	return -77;			/* the caller's own error */
}

static int
do_dispatch(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct bytes k = key_of(request);
	cJSON *o = cJSON_CreateObject();
	int rc = otp_registry_dispatch(self, registry_of(request), k.data,
	    k.len, dispatched, o);

	(void)cJSON_AddNumberToObject(o, "rc", rc);
	answer(self, from, o);
	cJSON_Delete(o);
	return OTP_OK;
}

static int
do_put_meta(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct bytes v = value_of(request);

	return outcome(self, from, otp_registry_put_meta(self,
	    registry_of(request), text_of(request, "key"), v.data, v.len), 0);
}

static int
do_meta(struct otp *self, struct otp_from from, const cJSON *request)
{
	char *value = NULL;
	size_t len = 0;
	int rc = otp_registry_meta(self, registry_of(request),
	    text_of(request, "key"), &value, &len);

	if (rc < 0)
		return outcome(self, from, rc, 0);
	rc = otp_replyf(self, from, "{\"rc\":0,\"value\":\"%s\"}", value);
	free(value);
	return rc;
}

static int
do_delete_meta(struct otp *self, struct otp_from from, const cJSON *request)
{
	return outcome(self, from, otp_registry_delete_meta(self,
	    registry_of(request), text_of(request, "key")), 0);
}

static int
locked(struct otp *self, void *arg)
{
	const cJSON *request = arg;
	struct bytes k = key_of(request);

	if (number_of(request, "again"))
		return otp_registry_lock(self, registry_of(request), k.data,
		    k.len, OTP_DEFAULT_TIMEOUT, locked, arg);
	if (number_of(request, "hold"))
		hold();
	return 7;
}

static int
do_lock(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct bytes k = key_of(request);
	int ms = number_of(request, "ms");

	return outcome(self, from, otp_registry_lock(self,
	    registry_of(request), k.data, k.len, ms != 0 ? ms : OTP_INFINITY,
	    locked, (void *)(uintptr_t)request), 0);
}

static int
do_subscribe(struct otp *self, struct otp_from from, const cJSON *request)
{
	return outcome(self, from, otp_subscribe(self, registry_of(request),
	    text_of(request, "key")), 0);
}

static int
do_unsubscribe(struct otp *self, struct otp_from from, const cJSON *request)
{
	return outcome(self, from, otp_unsubscribe(self, registry_of(request),
	    text_of(request, "key")), 0);
}

/* "n" times: VALUE0, VALUE1... */
static int
do_publish(struct otp *self, struct otp_from from, const cJSON *request)
{
	char message[256];
	int rc = 0;

	for (int i = 0; rc >= 0 && i < number_of(request, "n"); i++) {
		(void)snprintf(message, sizeof(message), "%s%d",
		    text_of(request, "value"), i);
		rc = otp_publish(self, registry_of(request), text_of(request,
		    "key"), message, strlen(message));
	}
	return outcome(self, from, rc, 0);
}

static int
do_via(struct otp *self, struct otp_from from, const cJSON *request)
{
	struct bytes k = key_of(request), v = value_of(request);
	char to[4096];
	int rc = otp_via(to, sizeof(to), registry_of(request), k.data, k.len);

	if (rc == 0 && strcmp(text_of(request, "how"), "send") == 0)
		rc = otp_send(self, to, v.data, v.len);
	else if (rc == 0 && strcmp(text_of(request, "how"), "cast") == 0)
		rc = otp_cast(self, to, v.data, v.len);
	else if (rc == 0)
		rc = otp_call(self, to, v.data, v.len, OTP_DEFAULT_TIMEOUT,
		    NULL, NULL);
	return outcome(self, from, rc, 0);
}

static int
do_watch(struct otp *self, struct otp_from from, const cJSON *request)
{
	(void)snprintf(watched_registry, sizeof(watched_registry), "%s",
	    registry_of(request));
	return outcome(self, from, 0, 0);
}

/* registry, key or hex, value where one is taken */
const struct probe_command registry_commands[] = {
	{ "r_new", do_new },		/* unique */
	{ "r_delete", do_delete },
	{ "r_register", do_register },
	{ "r_register_many", do_register_many },	/* n */
	{ "r_unregister", do_unregister },
	{ "r_update", do_update },
	{ "r_lookup", do_lookup },
	{ "r_select", do_select },
	{ "r_keys", do_keys },		/* of */
	{ "r_values", do_values },	/* of */
	{ "r_count", do_count },	/* how */
	{ "r_dispatch", do_dispatch },
	{ "r_put_meta", do_put_meta },
	{ "r_meta", do_meta },
	{ "r_delete_meta", do_delete_meta },
	{ "r_lock", do_lock },		/* hold, again, ms */
	{ "r_subscribe", do_subscribe },
	{ "r_unsubscribe", do_unsubscribe },
	{ "r_publish", do_publish },	/* n */
	{ "r_via", do_via },		/* how */
	{ "r_watch", do_watch },
	{ NULL, NULL }
};
