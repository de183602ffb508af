/* SPDX-License-Identifier: ISC */
/*
 * The lines by which the program gets names, keys of registries and topics.
 * Each asks the engine and waits for it; what came of it the program is told
 * if it gave a ref, else a failure is in its log.
 */
#include "workers/port/port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
	char		 key[OTP_KEY_MAX + 1];	/* a name, key or topic */
	char		 room[128];
	const char	*registry;	/* NULL: none is named */
};

static bool
place_of(struct span key, const struct order *o, struct place *out)
{
	struct span v;

	out->registry = NULL;
	if (json_member(o->object, "registry", &v)) {
		if (!json_string(v, out->room, sizeof(out->room)))
			return false;
		out->registry = out->room;
	}
	return json_string(key, out->key, sizeof(out->key));
}

/* value: of a result that is more than "true"; its text is given up. */
static void
tell(struct port *p, const struct order *o, int rc, struct text *value)
{
	const char *reason = otp_reason(p->self);
	struct text line = { 0 };
	struct span ref;

	if (!json_member(o->object, "ref", &ref)) {
		if (rc < 0)
			(void)fprintf(stderr, "otp-port: %s: %.*s\n", reason,
			    o->object.len > 200 ? 200 : (int)o->object.len,
			    o->object.at);
	} else if (rc < 0) {
		wait_failed(p, ref, reason);
	} else {
		text_puts(&line, "{\"response\":");
		text_puts(&line, value != NULL ? value->data : "true");
		text_puts(&line, ",\"ref\":");
		json_put(&line, ref);
		text_puts(&line, "}");
		program_send(p, &line);
	}
	text_done(&line);
	if (value != NULL)
		text_done(value);
}

bool
order_register(struct port *p, const struct order *o)
{
	struct span value = { "", 0 };
	struct place at;
	int rc;

	if (!place_of(o->value, o, &at))
		return false;
	(void)json_member(o->object, "value", &value);
	if (at.registry == NULL)
		rc = otp_register(p->self, at.key);
	else
		rc = otp_registry_register(p->self, at.registry, at.key,
		    strlen(at.key), value.at, value.len);
	tell(p, o, rc, NULL);
	return true;
}

bool
order_unregister(struct port *p, const struct order *o)
{
	struct place at;

	if (!place_of(o->value, o, &at))
		return false;
	tell(p, o, at.registry == NULL ? otp_unregister(p->self, at.key) :
	    otp_registry_unregister(p->self, at.registry, at.key,
	    strlen(at.key)), NULL);
	return true;
}

static void
put_entry(struct text *out, const struct otp_entry *entry)
{
	char pid[32];

	text_puts(out, out->len > 1 ? ",{\"path\":" : "{\"path\":");
	json_quote(out, (struct span){ entry->path, strlen(entry->path) });
	(void)snprintf(pid, sizeof(pid), ",\"pid\":%d,\"value\":",
	    entry->pid);
	text_puts(out, pid);
	json_put(out, (struct span){ entry->value, entry->value_len });
	text_puts(out, "}");
}

bool
order_lookup(struct port *p, const struct order *o)
{
	struct otp_entry *entries = NULL;
	struct text list = { 0 };
	struct place at;
	size_t n = 0;
	int rc;

	if (!place_of(o->value, o, &at) || at.registry == NULL)
		return false;
	rc = otp_registry_lookup(p->self, at.registry, at.key,
	    strlen(at.key), &entries, &n);
	text_puts(&list, "[");
	for (size_t i = 0; i < n; i++)
		put_entry(&list, &entries[i]);
	text_puts(&list, "]");
	free(entries);
	tell(p, o, rc, &list);
	return true;
}

bool
order_subscribe(struct port *p, const struct order *o)
{
	struct place at;

	if (!place_of(o->value, o, &at) || at.registry == NULL)
		return false;
	tell(p, o, otp_subscribe(p->self, at.registry, at.key), NULL);
	return true;
}

bool
order_unsubscribe(struct port *p, const struct order *o)
{
	struct place at;

	if (!place_of(o->value, o, &at) || at.registry == NULL)
		return false;
	tell(p, o, otp_unsubscribe(p->self, at.registry, at.key), NULL);
	return true;
}

bool
order_publish(struct port *p, const struct order *o)
{
	struct text count = { 0 };
	struct place at;
	struct span topic;
	char number[16];
	int rc;

	if (!json_member(o->object, "topic", &topic) ||
	    !place_of(topic, o, &at) || at.registry == NULL)
		return false;
	rc = otp_publish(p->self, at.registry, at.key, o->value.at,
	    o->value.len);
	(void)snprintf(number, sizeof(number), "%d", rc);
	text_puts(&count, number);
	tell(p, o, rc, &count);
	return true;
}
