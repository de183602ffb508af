/* SPDX-License-Identifier: ISC */
/*
 * Names, monitors and links.  The engine keeps them; this side remembers what
 * it has asked for, to say it again to an engine that comes after.  Without
 * otpd a server can still be watched, by the connection to it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libotp/serve.h"
#include "wire/reason.h"

#define NAME_MAX_LEN	64
#define TARGET_MAX	512
#define TABLE_MIN	8

/* --- lists of words --- */

static int
words_add(char ***list, uint32_t *n, const char *word)
{
	char **more, *copy;

	for (uint32_t i = 0; i < *n; i++)
		if (strcmp((*list)[i], word) == 0)
			return 0;
	more = realloc(*list, (*n + 1) * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	*list = more;
	copy = strdup(word);
	if (copy == NULL)
		return -ENOMEM;
	more[(*n)++] = copy;
	return 0;
}

static void
words_remove(char **list, uint32_t *n, const char *word)
{
	for (uint32_t i = 0; i < *n; i++) {
		if (strcmp(list[i], word) != 0)
			continue;
		free(list[i]);
		list[i] = list[--*n];
		return;
	}
}

static void
words_free(char **list, uint32_t n)
{
	while (n > 0)
		free(list[--n]);
	free(list);
}

/* --- names --- */

/* {"op":op,"name":name} over the link, or to the engine; its answer. */
static int
ask_name(struct otp *o, const char *op, const char *name, char **reply,
    size_t *len)
{
	struct otp_out out = { 0 };
	int rc;

	rc = otp_print(&out, "{\"op\":\"%s\",\"name\":", op);
	if (rc == 0)
		rc = otpi_json_string(&out, name);
	if (rc == 0)
		rc = otp_print(&out, "}");
	if (rc == 0)
		rc = otp_control(o, out.text, OTP_DEFAULT_TIMEOUT, reply, len);
	otpi_out_free(&out);
	return rc;
}

static int
refusal(struct otp *o, const char *reply, size_t len)
{
	char error[64], path[512] = "", pid[32] = "";

	if (otpi_json_get(reply, len, "error", error, sizeof(error)) < 0)
		return 0;
	if (strcmp(error, "already_started") == 0) {
		(void)otpi_json_get(reply, len, "path", path, sizeof(path));
		(void)otpi_json_get(reply, len, "pid", pid, sizeof(pid));
		(void)snprintf(o->reason, sizeof(o->reason),
		    "{already_started,%.200s,%s}", path, pid);
		return -OTP_EALREADY;
	}
	return otpi_fail(o, strcmp(error, "noproc") == 0 ||
	    strcmp(error, "not_found") == 0 ? -OTP_ENOPROC :
	    strcmp(error, "invalid") == 0 ? -EINVAL :
	    strcmp(error, "full") == 0 ? -OTP_EFULL : -OTP_EREMOTE, error);
}

/* Is who has the name this process? */
static bool
is_own(const struct otp *o, const char *reply, size_t len)
{
	char path[512], pid[32];

	return otpi_json_get(reply, len, "path", path, sizeof(path)) == 0 &&
	    otpi_json_get(reply, len, "pid", pid, sizeof(pid)) == 0 &&
	    strcmp(path, o->srv->path) == 0 &&
	    strtol(pid, NULL, 10) == (long)getpid();
}

int
otp_register(struct otp *o, const char *name)
{
	bool lost = false;
	char *reply = NULL;
	size_t len = 0;
	int rc;

	if (!otpi_has_link(o))
		return otpi_fail(o, -ENOTCONN, "noconnection");
	if (strlen(name) > NAME_MAX_LEN || name[0] == '\0' ||
	    strchr(name, '/') != NULL)
		return otpi_fail(o, -EINVAL, NULL);
	while ((rc = ask_name(o, "register", name, &reply, &len)) ==
	    -OTP_EUNKNOWN)
		lost = true;
	if (rc == 0)
		rc = refusal(o, reply, len);
	if (rc == -OTP_EALREADY && lost && is_own(o, reply, len))
		rc = 0;			/* the first time did it */
	free(reply);
	return rc;
}

int
otp_unregister(struct otp *o, const char *name)
{
	bool lost = false;
	char *reply = NULL;
	size_t len = 0;
	int rc;

	if (!otpi_has_link(o))
		return otpi_fail(o, -ENOTCONN, "noconnection");
	while ((rc = ask_name(o, "unregister", name, &reply, &len)) ==
	    -OTP_EUNKNOWN)
		lost = true;
	if (rc == 0)
		rc = refusal(o, reply, len);
	if (rc == -OTP_ENOPROC && lost && strcmp(o->reason, "not_found") == 0)
		rc = 0;
	free(reply);
	return rc;
}

int
otp_whereis(struct otp *o, const char *name, char *path, size_t size,
    int32_t *pid)
{
	char text[1024] = "", number[32] = "0", *reply = NULL;
	size_t len = 0;
	int rc;

	rc = ask_name(o, "whereis", name, &reply, &len);
	if (rc == 0)
		rc = refusal(o, reply, len);
	if (rc == 0) {
		(void)otpi_json_get(reply, len, "path", text, sizeof(text));
		(void)otpi_json_get(reply, len, "pid", number, sizeof(number));
		if (path != NULL && size > 0)
			(void)snprintf(path, size, "%s", text);
		if (pid != NULL)
			*pid = (int32_t)strtol(number, NULL, 10);
	}
	free(reply);
	return rc;
}

/* --- monitors --- */

/*
 * The ref of a monitor on a caller has the caller's slot in it, behind this
 * bit; it stands in his list, and after his end in the common one.
 */
#define CALLER_REF	(UINT64_C(1) << 63)
#define SLOT_SHIFT	39
#define COUNT_MASK	((UINT64_C(1) << SLOT_SHIFT) - 1)
#define SLOT_MASK	0xffffffU

static struct otpi_monitor **
bucket(const struct otpi_server *s, uint64_t ref)
{
	return &s->monitors[ref & (s->monitor_size - 1)];
}

static void
put(struct otpi_server *s, struct otpi_monitor *m)
{
	struct otpi_monitor **at = bucket(s, m->ref);

	m->next = *at;
	*at = m;
}

/* Room for one more.  Where there is no memory the old table does. */
static int
grow(struct otpi_server *s)
{
	uint32_t old = s->monitor_size, size = old == 0 ? TABLE_MIN : 2 * old;
	struct otpi_monitor **from = s->monitors, **table, *m;

	if (s->nmonitors < old)
		return 0;
	table = calloc(size, sizeof(*table));
	if (table == NULL)
		return old > 0 ? 0 : -ENOMEM;
	s->monitors = table;
	s->monitor_size = size;
	for (uint32_t i = 0; i < old; i++)
		while ((m = from[i]) != NULL) {
			from[i] = m->next;
			put(s, m);
		}
	free(from);
	return 0;
}

/* A new one, that is in no list yet; NULL: no memory. */
static struct otpi_monitor *
monitor_new(struct otpi_server *s, const char *target)
{
	size_t len = strlen(target);
	struct otpi_monitor *m;

	if (grow(s) < 0)
		return NULL;
	m = calloc(1, sizeof(*m) + len + 1);
	if (m != NULL) {
		memcpy(m->target, target, len + 1);
		s->nmonitors++;
	}
	return m;
}

static struct otpi_monitor **
find_in(struct otpi_monitor **at, uint64_t ref)
{
	while (*at != NULL && (*at)->ref != ref)
		at = &(*at)->next;
	return *at == NULL ? NULL : at;
}

/* Where it stands, or NULL. */
static struct otpi_monitor **
find(struct otpi_server *s, uint64_t ref)
{
	uint32_t slot = (uint32_t)(ref >> SLOT_SHIFT) & SLOT_MASK;
	struct otpi_monitor **at = NULL;

	if ((ref & CALLER_REF) != 0 && slot < s->nslots &&
	    s->slots[slot].conn != NULL)
		at = find_in(&s->slots[slot].conn->monitors, ref);
	if (at == NULL && s->monitor_size > 0)
		at = find_in(bucket(s, ref), ref);
	return at;
}

static void
forget(struct otpi_server *s, struct otpi_monitor **at)
{
	struct otpi_monitor *m = *at;

	if (m->dest != NULL)
		m->dest->nmonitors--;
	*at = m->next;
	s->nmonitors--;
	free(m);
}

struct otpi_monitor *
otpi_monitor_next(const struct otpi_server *s, const struct otpi_monitor *m)
{
	uint64_t i = m == NULL ? 0 : (m->ref & (s->monitor_size - 1)) + 1;

	if (m != NULL && m->next != NULL)
		return m->next;
	while (i < s->monitor_size && s->monitors[i] == NULL)
		i++;
	return i < s->monitor_size ? s->monitors[i] : NULL;
}

static void
say_monitor(struct otp *o, const struct otpi_monitor *m)
{
	struct otp_out out = { 0 };

	if (otp_print(&out, "{\"op\":\"monitor\",\"ref\":\"%llu\",\"target\":",
	    (unsigned long long)m->ref) == 0 &&
	    otpi_json_string(&out, m->target) == 0 &&
	    otp_print(&out, "}") == 0)
		(void)otpi_link_put(o, &out);
	otpi_out_free(&out);
}

/* Without otpd: the connection ends when the server does. */
static int
watch_connection(struct otp *o, struct otpi_monitor *m)
{
	struct otpi_dest *d;
	int rc;

	rc = otpi_dest_get(o, m->target,
	    otpi_deadline(o, OTP_DEFAULT_TIMEOUT), false, &d);
	if (rc == 1)
		return 0;		/* itself: nobody will be told */
	if (rc == 0) {
		m->dest = d;
		d->nmonitors++;
		return 0;
	}
	return otpi_mail_self(o, FRAME_DOWN, m->ref, rc == -OTP_ENOPROC ?
	    "{\"reason\":\"noproc\"}" : "{\"reason\":\"noconnection\"}",
	    rc == -OTP_ENOPROC ? 19 : 25);
}

int
otp_monitor(struct otp *o, const char *target, uint64_t *out_ref)
{
	struct otpi_server *s = o->srv;
	struct otpi_monitor *m;
	int rc = 0;

	if (s == NULL)
		return otpi_fail(o, -EINVAL, "not_a_server");
	if (strlen(target) > TARGET_MAX)
		return otpi_fail(o, -EINVAL, NULL);
	m = monitor_new(s, target);
	if (m == NULL)
		return otpi_fail(o, -ENOMEM, NULL);
	m->ref = ++s->next_monitor;
	put(s, m);
	if (otpi_has_link(o))
		say_monitor(o, m);
	else
		rc = watch_connection(o, m);
	if (rc < 0) {
		forget(s, find(s, m->ref));
		return otpi_fail(o, rc, NULL);
	}
	*out_ref = m->ref;
	return 0;
}

static const char gone[] = "{\"reason\":\"noproc\"}";

int
otp_monitor_caller(struct otp *o, struct otp_from from, uint64_t *out_ref)
{
	struct otpi_server *s = o->srv;
	struct otpi_monitor *m, **list;
	struct otpi_conn *c;
	int rc = 0;

	if (s == NULL || from.peer == 0)
		return -EINVAL;
	c = otpi_caller(s, from.peer);
	if (c != NULL && c->dead != 0)
		c = NULL;
	m = monitor_new(s, "");
	if (m == NULL)
		return -ENOMEM;
	m->caller = true;
	m->ref = CALLER_REF |
	    (uint64_t)((uint32_t)from.peer & SLOT_MASK) << SLOT_SHIFT |
	    (++s->next_monitor & COUNT_MASK);
	list = c != NULL ? &c->monitors : bucket(s, m->ref);
	while (c != NULL && *list != NULL)
		list = &(*list)->next;	/* few: the first is told first */
	m->next = *list;
	*list = m;
	if (c == NULL)
		rc = otpi_mail_self(o, FRAME_DOWN, m->ref, gone,
		    sizeof(gone) - 1);
	if (rc < 0)
		forget(s, list);
	else
		*out_ref = m->ref;
	return rc;
}

/* What he said before comes first: it has been read, or waits, before this. */
void
otpi_lost_caller(struct otp *o, struct otpi_conn *c)
{
	struct otpi_monitor *m;
	char text[64];
	int n = snprintf(text, sizeof(text),
	    "{\"pid\":%d,\"reason\":\"noconnection\"}", (int)c->pid);

	while ((m = c->monitors) != NULL) {
		c->monitors = m->next;
		put(o->srv, m);
		(void)otpi_mail_self(o, FRAME_DOWN, m->ref, text, (size_t)n);
	}
}

int
otp_demonitor(struct otp *o, uint64_t ref)
{
	struct otpi_monitor **at;

	if (o->srv == NULL || (at = find(o->srv, ref)) == NULL)
		return -ENOENT;
	if ((*at)->dest == NULL && !(*at)->caller)
		(void)otpi_link_cast(o,
		    "{\"op\":\"demonitor\",\"ref\":\"%llu\"}",
		    (unsigned long long)ref);
	forget(o->srv, at);
	return 0;
}

/* One for each monitor; none for one that was taken back meanwhile. */
void
otpi_down(struct otp *o, uint64_t ref, const char *payload, size_t len)
{
	struct otpi_monitor **at = find(o->srv, ref);
	char reason[OTP_REASON_MAX] = "", path[1024] = "", pid[32] = "";
	struct otp_info info = { .kind = OTP_DOWN, .ref = ref, .data = "" };

	if (at == NULL)
		return;
	(void)otpi_json_get(payload, len, "reason", reason, sizeof(reason));
	if (otpi_json_get(payload, len, "path", path, sizeof(path)) < 0 ||
	    strcmp(path, "null") == 0)
		(void)snprintf(path, sizeof(path), "%s", (*at)->target);
	(void)otpi_json_get(payload, len, "pid", pid, sizeof(pid));
	forget(o->srv, at);
	info.who = path;
	info.reason = reason;
	info.pid = (int32_t)strtol(pid, NULL, 10);
	if (o->srv->tracer != 0)
		otpi_trace(o, "in", "down", payload, len);
	otpi_info(o, &info);
}

/* A connection that was watched has ended. */
void
otpi_lost_monitors(struct otp *o, struct otpi_dest *d)
{
	char reason[OTP_REASON_MAX];
	struct otp_out out = { 0 };

	if (d->nmonitors == 0)
		return;
	otpi_why_down(o, d, reason);
	if (otp_print(&out, "{\"pid\":%d,\"reason\":", (int)d->pid) < 0 ||
	    otpi_json_string(&out, reason) < 0 || otp_print(&out, "}") < 0) {
		otpi_out_free(&out);
		return;
	}
	for (struct otpi_monitor *m = NULL;
	    (m = otpi_monitor_next(o->srv, m)) != NULL; )
		if (m->dest == d) {
			m->dest = NULL;
			(void)otpi_mail_self(o, FRAME_DOWN, m->ref, out.text,
			    out.len);
		}
	d->nmonitors = 0;
	otpi_out_free(&out);
}

/* --- links, and what a new engine must know --- */

int
otp_link(struct otp *o, const char *target)
{
	int rc;

	if (!otpi_has_link(o))
		return otpi_fail(o, -ENOTCONN, "noconnection");
	if (strlen(target) > TARGET_MAX)
		return otpi_fail(o, -EINVAL, NULL);
	rc = words_add(&o->srv->links, &o->srv->nlinks, target);
	if (rc == 0)
		otpi_link_say(o, "link", "target", target);
	return rc;
}

int
otp_unlink(struct otp *o, const char *target)
{
	if (!otpi_has_link(o))
		return otpi_fail(o, -ENOTCONN, "noconnection");
	words_remove(o->srv->links, &o->srv->nlinks, target);
	otpi_link_say(o, "unlink", "target", target);
	return 0;
}

int
otp_exit(struct otp *o, const char *target, const char *reason)
{
	struct otp_out out = { 0 };
	int rc;

	if (!otpi_has_link(o))
		return otpi_fail(o, -ENOTCONN, "noconnection");
	if (strlen(target) > TARGET_MAX ||
	    !reason_valid(reason, strlen(reason)))
		return otpi_fail(o, -EINVAL, NULL);
	rc = otp_print(&out, "{\"op\":\"exit\",\"target\":");
	if (rc == 0)
		rc = otpi_json_string(&out, target);
	if (rc == 0)
		rc = otp_print(&out, ",\"reason\":");
	if (rc == 0)
		rc = otpi_json_string(&out, reason);
	if (rc == 0)
		rc = otp_print(&out, "}");
	if (rc == 0)
		rc = otpi_link_put(o, &out);
	otpi_out_free(&out);
	return rc == 0 ? 0 : otpi_fail(o, rc, NULL);
}

/* A link ends with either of its ends. */
void
otpi_link_ended(struct otp *o, const char *who)
{
	words_remove(o->srv->links, &o->srv->nlinks, who);
}

int
otp_trap_exit(struct otp *o, int on)
{
	if (o->srv == NULL)
		return otpi_fail(o, -EINVAL, "not_a_server");
	o->srv->trapping = on != 0;
	(void)otpi_link_cast(o, "{\"op\":\"trap_exit\",\"on\":%s}",
	    on ? "true" : "false");
	return 0;
}

void
otpi_say_all(struct otp *o)
{
	struct otpi_server *s = o->srv;

	(void)otpi_link_cast(o, "{\"op\":\"trap_exit\",\"on\":%s}",
	    s->trapping ? "true" : "false");
	for (uint32_t i = 0; i < s->nlinks; i++)
		otpi_link_say(o, "link", "target", s->links[i]);
	for (struct otpi_monitor *m = NULL;
	    (m = otpi_monitor_next(s, m)) != NULL; )
		if (m->dest == NULL && !m->caller)
			say_monitor(o, m);
	if (s->ready)		/* last: it was said after all that */
		(void)otpi_link_cast(o, "{\"op\":\"ready\"}");
}

void
otpi_watch_free(struct otpi_server *s)
{
	for (uint32_t i = 0; i < s->monitor_size; i++)
		while (s->monitors[i] != NULL)
			forget(s, &s->monitors[i]);
	free(s->monitors);
	words_free(s->links, s->nlinks);
}
