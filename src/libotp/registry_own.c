/* SPDX-License-Identifier: ISC */
/*
 * What changes a registry: registering, metadata, locks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/registry_ask.h"
#include "libotp/serve.h"

int
otp_registry_new(struct otp *o, const char *registry, int unique)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "new", registry);
	otpi_ask_text(&a, "keys", unique ? "unique" : "duplicate");
	return otpi_ask_finish(o, &a, NULL, NULL);
}

int
otp_registry_delete(struct otp *o, const char *registry)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "delete", registry);
	return otpi_ask_finish(o, &a, NULL, NULL);
}

/* --- its own entries --- */

int
otp_registry_register(struct otp *o, const char *registry, const void *key,
    size_t key_len, const void *value, size_t value_len)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "register", registry);
	otpi_ask_bytes(&a, "key", key, key_len);
	if (value_len > 0)
		otpi_ask_bytes(&a, "value", value, value_len);
	a.change = true;
	return otpi_ask_finish(o, &a, NULL, NULL);
}

int
otp_registry_unregister(struct otp *o, const char *registry, const void *key,
    size_t key_len)
{
	return otp_registry_unregister_match(o, registry, key, key_len, NULL,
	    0);
}

int
otp_registry_unregister_match(struct otp *o, const char *registry,
    const void *key, size_t key_len, const void *value, size_t value_len)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "unregister", registry);
	otpi_ask_bytes(&a, "key", key, key_len);
	if (value_len > 0)
		otpi_ask_bytes(&a, "value_prefix", value, value_len);
	a.change = true;
	return otpi_ask_finish(o, &a, NULL, NULL);
}

int
otp_registry_update_value(struct otp *o, const char *registry,
    const void *key, size_t key_len, const void *value, size_t value_len,
    char **old, size_t *old_len)
{
	char *reply = NULL, *data = NULL;
	size_t len = 0, data_len = 0;
	struct otpi_ask a;
	int rc;

	otpi_ask_begin(&a, "update_value", registry);
	otpi_ask_bytes(&a, "key", key, key_len);
	otpi_ask_bytes(&a, "value", value, value_len);
	a.change = true;
	rc = otpi_ask_finish(o, &a, &reply, &len);
	if (rc < 0)
		return rc;
	rc = otpi_ask_get(reply, len, "old", &data, &data_len);
	free(reply);
	if (rc < 0)
		return otpi_fail(o, rc == -ENOENT ? -EPROTO : rc, NULL);
	if (old_len != NULL)
		*old_len = data_len;
	if (old != NULL)
		*old = data;
	else
		free(data);
	return 0;
}

int
otp_subscribe(struct otp *o, const char *registry, const char *topic)
{
	return otp_registry_register(o, registry, topic, strlen(topic), NULL,
	    0);
}

int
otp_unsubscribe(struct otp *o, const char *registry, const char *topic)
{
	return otp_registry_unregister(o, registry, topic, strlen(topic));
}

/* --- metadata --- */

int
otp_registry_put_meta(struct otp *o, const char *registry, const char *key,
    const void *value, size_t value_len)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "put_meta", registry);
	otpi_ask_text(&a, "key", key);
	otpi_ask_bytes(&a, "value", value, value_len);
	return otpi_ask_finish(o, &a, NULL, NULL);
}

int
otp_registry_meta(struct otp *o, const char *registry, const char *key,
    char **value, size_t *value_len)
{
	struct otpi_ask a;
	char *reply = NULL;
	size_t len = 0;
	int rc;

	otpi_ask_begin(&a, "meta", registry);
	otpi_ask_text(&a, "key", key);
	rc = otpi_ask_finish(o, &a, &reply, &len);
	if (rc < 0)
		return rc;
	rc = otpi_ask_get(reply, len, "value", value, value_len);
	free(reply);
	return rc == -ENOENT ? otpi_fail(o, -EPROTO, NULL) : rc;
}

int
otp_registry_delete_meta(struct otp *o, const char *registry,
    const char *key)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "delete_meta", registry);
	otpi_ask_text(&a, "key", key);
	return otpi_ask_finish(o, &a, NULL, NULL);
}

/* --- locks --- */

/* What was waited for in vain is given back as well. */
static void
unlock(struct otp *o, const char *registry, const void *key, size_t key_len)
{
	struct otpi_ask a;

	otpi_ask_begin(&a, "unlock", registry);
	otpi_ask_bytes(&a, "key", key, key_len);
	(void)otpi_ask_finish(o, &a, NULL, NULL);
}

int
otp_registry_lock(struct otp *o, const char *registry, const void *key,
    size_t key_len, int timeout_ms, int (*fn)(struct otp *self, void *arg),
    void *arg)
{
	char before[OTP_REASON_MAX], *reply = NULL;
	struct otpi_ask a;
	size_t len = 0;
	int rc;

	otpi_ask_begin(&a, "lock", registry);
	otpi_ask_bytes(&a, "key", key, key_len);
	a.change = true;
	rc = otpi_ask_send(o, &a, NULL, otpi_deadline(o, timeout_ms), &reply,
	    &len);
	otpi_ask_end(&a);
	free(reply);
	if (rc == 0)
		rc = fn(o, arg);
	else if (rc != -ETIMEDOUT)
		return rc;
	memcpy(before, o->reason, sizeof(before));
	unlock(o, registry, key, key_len);
	memcpy(o->reason, before, sizeof(before));
	return rc;
}
