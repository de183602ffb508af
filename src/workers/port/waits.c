/* SPDX-License-Identifier: ISC */
/*
 * Calls and monitors of the program that have not been answered yet, by the
 * library's reference and by the program's own.
 */
#include "workers/port/port.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void
wait_add(struct port *p, enum waiting kind, uint64_t ref, uint64_t due,
    struct span given)
{
	struct wait *w = malloc(sizeof(*w) + given.len + 1);

	if (w == NULL)
		abort();
	*w = (struct wait){ .next = p->waits, .kind = kind, .ref = ref,
	    .due = due };
	memcpy(w->given, given.at, given.len);
	w->given[given.len] = '\0';
	p->waits = w;
}

static struct wait *
take(struct wait **at)
{
	struct wait *w = *at;

	if (w != NULL)
		*at = w->next;
	return w;
}

struct wait *
wait_take(struct port *p, enum waiting kind, uint64_t ref)
{
	struct wait **at = &p->waits;

	while (*at != NULL && ((*at)->kind != kind || (*at)->ref != ref))
		at = &(*at)->next;
	return take(at);
}

struct wait *
wait_take_given(struct port *p, enum waiting kind, struct span given)
{
	struct wait **at = &p->waits;

	while (*at != NULL && ((*at)->kind != kind ||
	    strlen((*at)->given) != given.len ||
	    memcmp((*at)->given, given.at, given.len) != 0))
		at = &(*at)->next;
	return take(at);
}

void
wait_failed(struct port *p, struct span given, const char *reason)
{
	struct text line = { 0 };

	text_puts(&line, "{\"failed\":");
	json_quote(&line, (struct span){ reason, strlen(reason) });
	text_puts(&line, ",\"ref\":");
	json_put(&line, given);
	text_puts(&line, "}");
	program_send(p, &line);
	text_done(&line);
}

static struct wait **
earliest(struct port *p)
{
	struct wait **at, **first = NULL;

	for (at = &p->waits; *at != NULL; at = &(*at)->next)
		if ((*at)->due != 0 &&
		    (first == NULL || (*at)->due < (*first)->due))
			first = at;
	return first;
}

int
wait_expire(struct port *p)
{
	struct wait **at, *w;
	uint64_t now;

	while ((at = earliest(p)) != NULL) {
		now = port_now();
		if ((*at)->due > now)
			return (*at)->due - now > INT_MAX ? INT_MAX :
			    (int)((*at)->due - now);
		w = take(at);
		(void)otp_abandon(p->self, w->ref);
		wait_failed(p, (struct span){ w->given, strlen(w->given) },
		    "timeout");
		free(w);
	}
	return -1;
}

void
wait_done(struct port *p)
{
	struct wait *w;

	while ((w = take(&p->waits)) != NULL)
		free(w);
}
