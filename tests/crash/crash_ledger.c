/* SPDX-License-Identifier: ISC */
/*
 * The comparison; see crash_ledger.h.  The engine and the servers are asked,
 * and neither is believed without the other.
 */
#include "crash/crash_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crash/crash_tasks.h"
#include "crash/crash_world.h"

#define WAIT_MS		15000
#define NAMES		6	/* n0 to n5 */

/* --- asking --- */

static cJSON *
status_of_all(struct rig *r)
{
	cJSON *request = rig_request("status"), *reply, *children;

	(void)cJSON_AddArrayToObject(request, "paths");
	reply = rig_ask(r, request);
	if (reply == NULL)
		rig_fail(r, "otpd ended");
	children = cJSON_DetachItemFromObject(reply, "children");
	cJSON_Delete(reply);
	return children;
}

static int
number(const cJSON *object, const char *key)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(n) ? n->valueint : 0;
}

static bool
is_server(const cJSON *child)
{
	const char *path = world_string(child, "path");

	return strcmp(world_string(child, "kind"), "gen_server") == 0 &&
	    strncmp(path, "db/", 3) != 0 && strncmp(path, "tasks/", 6) != 0 &&
	    strcmp(path, "state") != 0 && number(child, "pid") > 0;
}

/* NULL: it does not live to answer. */
static cJSON *
ask(struct rig *r, struct otp *o, const char *to, const char *request)
{
	char *reply = NULL;
	int rc = otp_call(o, to, request, strlen(request), WAIT_MS, &reply,
	    NULL);
	cJSON *object = rc < 0 ? NULL : cJSON_Parse(reply);

	free(reply);
	if (rc < 0 && rc != -OTP_EDOWN && rc != -OTP_ENOPROC)
		rig_fail(r, "%s does not answer %s: %s (%s)", to, request,
		    otp_strerror(rc), otp_reason(o));
	return object;
}

/* --- rest --- */

static bool
is_child(const cJSON *children, pid_t pid)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, children)
		if (number(c, "pid") == pid)
			return true;
	return false;
}

/* Those whose owner is gone end by themselves, and a client's when they have
 * been awaited. */
static void
await_orphans(struct rig *r, const cJSON *children)
{
	const cJSON *c;
	pid_t owner;
	cJSON *request;

	cJSON_ArrayForEach(c, children) {
		const char *path = world_string(c, "path");

		owner = tasks_owner(path);
		if (owner == 0 || is_child(children, owner))
			continue;
		request = rig_request("wait");
		(void)cJSON_AddStringToObject(request, "path", path);
		(void)cJSON_AddStringToObject(request, "state", "gone");
		cJSON_Delete(rig_ask(r, request));
	}
}

/* Everybody has spoken with the engine twice: what was said to them by the
 * engine, or by somebody who is dead, has been heard. */
static bool
all_hear(struct rig *r, struct otp *o, const cJSON *children)
{
	const cJSON *c;
	cJSON *reply;

	for (int i = 0; i < 2; i++)
		cJSON_ArrayForEach(c, children) {
			if (!is_server(c))
				continue;
			reply = ask(r, o, world_string(c, "path"),
			    "{\"op\":\"engine\"}");
			cJSON_Delete(reply);
			if (reply == NULL)
				return false;
		}
	return true;
}

static bool
same(const cJSON *before, const cJSON *after)
{
	const cJSON *b, *a = after->child;

	cJSON_ArrayForEach(b, before) {
		if (a == NULL || strcmp(world_string(b, "path"),
		    world_string(a, "path")) != 0 || number(b, "pid") !=
		    number(a, "pid"))
			return false;
		a = a->next;
	}
	return a == NULL;
}

static bool
pool_rests(struct rig *r, struct otp *o)
{
	cJSON *pool = ask(r, o, "db", "{\"op\":\"status\"}");
	cJSON *request = rig_request("count_children"), *count;
	bool rests;

	(void)cJSON_AddStringToObject(request, "sup", "db/workers");
	count = rig_ask(r, request);
	rests = pool != NULL && number(pool, "starting") == 0 &&
	    number(pool, "waiting") == 0 && number(pool, "free") +
	    number(pool, "held") == number(count, "active") &&
	    number(pool, "free") + number(pool, "held") >=
	    number(pool, "size");
	cJSON_Delete(pool);
	cJSON_Delete(count);
	return rests;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void
ledger_calm(struct rig *r, struct otp *o)
{
	cJSON *before, *after;
	bool calm;

	do {
		if (now_ns() > r->deadline)
			rig_fail(r, "it does not come to rest");
		rig_settle(r);
		before = status_of_all(r);
		await_orphans(r, before);
		calm = all_hear(r, o, before) && pool_rests(r, o);
		rig_settle(r);
		after = status_of_all(r);
		calm = calm && same(before, after);
		cJSON_Delete(before);
		cJSON_Delete(after);
	} while (!calm);
}

/* --- what holds --- */

struct books {
	struct rig	*r;
	struct otp	*o;
	cJSON		*children;
	cJSON		*ledgers;	/* by path */
};

static void
read_ledgers(struct books *b)
{
	const cJSON *c;
	cJSON *ledger;

	cJSON_ArrayForEach(c, b->children) {
		const char *path = world_string(c, "path");

		if (!is_server(c))
			continue;
		ledger = ask(b->r, b->o, path, "{\"op\":\"ledger\"}");
		if (ledger == NULL || number(ledger, "pid") !=
		    number(c, "pid"))
			rig_fail(b->r, "pid %d of %s is somebody else",
			    number(c, "pid"), path);
		if (number(ledger, "wrong") > 0)
			rig_fail(b->r, "%s: %d times wrong: %s", path,
			    number(ledger, "wrong"), world_string(ledger,
			    "words"));
		(void)cJSON_AddItemToObject(b->ledgers, path, ledger);
	}
}

static unsigned
count_facts(const cJSON *ledger, const char *kind, const char *what)
{
	const cJSON *f;
	unsigned n = 0;

	cJSON_ArrayForEach(f, cJSON_GetObjectItem(ledger, "facts"))
		n += strcmp(world_string(f, "kind"), kind) == 0 &&
		    (what == NULL || strcmp(world_string(f, "what"), what) ==
		    0);
	return n;
}

/* The name is whose ledger has it, and a link in names/ says so. */
static void
check_name(struct books *b, const char *name)
{
	char link[64], to[300], path[300] = "";
	const char *holder = NULL;
	const cJSON *ledger;
	int32_t pid = 0;
	int rc = otp_whereis(b->o, name, path, sizeof(path), &pid);
	ssize_t n;

	cJSON_ArrayForEach(ledger, b->ledgers)
		if (count_facts(ledger, "name", name) > 0) {
			if (holder != NULL)
				rig_fail(b->r, "%s and %s both have %s",
				    holder, ledger->string, name);
			holder = ledger->string;
		}
	if (holder == NULL && rc != -OTP_ENOPROC)
		rig_fail(b->r, "%s is %s's, pid %d, who does not know: %s",
		    name, path, (int)pid, otp_strerror(rc));
	if (holder != NULL && (rc != 0 || strcmp(path, holder) != 0 ||
	    pid != number(cJSON_GetObjectItemCaseSensitive(b->ledgers,
	    holder), "pid")))
		rig_fail(b->r, "%s is not %s's but %s's: %s", name, holder,
		    path, otp_strerror(rc));
	(void)snprintf(link, sizeof(link), "run/names/%s", name);
	n = readlink(link, to, sizeof(to) - 1);
	if ((n > 0) != (holder != NULL))
		rig_fail(b->r, "%s is %s, but %s", link, n > 0 ? "there" :
		    "not there", holder != NULL ? holder : "nobody's");
}

static void
check_registry(struct books *b, const char *registry)
{
	struct otp_entry *entries = NULL;
	const cJSON *ledger;
	size_t n = 0, promised = 0;
	int rc = otp_registry_select(b->o, registry, "", 0, &entries, &n);

	if (rc < 0)
		rig_fail(b->r, "registry %s: %s", registry, otp_strerror(rc));
	for (size_t i = 0; i < n; i++) {
		ledger = cJSON_GetObjectItemCaseSensitive(b->ledgers,
		    entries[i].path);
		if (ledger == NULL || number(ledger, "pid") != entries[i].pid)
			rig_fail(b->r, "%s of registry %s is %s's, pid %d, "
			    "who does not live", entries[i].key, registry,
			    entries[i].path, (int)entries[i].pid);
		if (count_facts(ledger, registry, entries[i].key) != 1)
			rig_fail(b->r, "%s of registry %s is %s's, who does "
			    "not know", entries[i].key, registry,
			    entries[i].path);
	}
	cJSON_ArrayForEach(ledger, b->ledgers)
		promised += count_facts(ledger, registry, NULL);
	if (promised != n)
		rig_fail(b->r, "registry %s has %zu entries, not %zu",
		    registry, n, promised);
	free(entries);
}

/* By its name, which is the last part of its path; the pool's server's is not.
 */
static int
pid_named(const struct books *b, const char *name)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, b->children)
		if (strcmp(world_string(c, "name"), name) == 0)
			return number(c, "pid");
	return 0;
}

/* What is watched still lives, or its end would have been told. */
static void
check_watches(struct books *b, const cJSON *ledger)
{
	const cJSON *f;

	cJSON_ArrayForEach(f, cJSON_GetObjectItem(ledger, "facts")) {
		const char *kind = world_string(f, "kind");
		const char *what = world_string(f, "what");

		if (strcmp(kind, "monitor") != 0 && strcmp(kind, "link") != 0)
			continue;
		if (number(f, "pid") != pid_named(b, what))
			rig_fail(b->r, "%s was not told of the end of %s, pid "
			    "%d, by its %s", ledger->string, what,
			    number(f, "pid"), kind);
	}
}

static void
check_tasks(struct books *b, const cJSON *ledger)
{
	unsigned n = 0, promised = count_facts(ledger, "task", NULL);
	const cJSON *c;

	cJSON_ArrayForEach(c, b->children)
		n += tasks_owner(world_string(c, "path")) == number(ledger,
		    "pid");
	if (n != promised)
		rig_fail(b->r, "%s has %u tasks, not %u", ledger->string, n,
		    promised);
}

/* --- the pool --- */

static const cJSON *
ledger_of(const struct books *b, int pid)
{
	const cJSON *ledger;

	cJSON_ArrayForEach(ledger, b->ledgers)
		if (number(ledger, "pid") == pid)
			return ledger;
	return NULL;
}

static bool
lent_to(const cJSON *loans, const char *worker, int pid)
{
	const cJSON *loan;

	cJSON_ArrayForEach(loan, loans)
		if (strcmp(world_string(loan, "worker"), worker) == 0 &&
		    number(loan, "pid") == pid)
			return true;
	return false;
}

/* Each is lent to somebody who lives and knows of it. */
static void
check_loans(struct books *b, const cJSON *loans)
{
	const cJSON *loan, *ledger;

	cJSON_ArrayForEach(loan, loans) {
		const char *worker = world_string(loan, "worker");

		ledger = ledger_of(b, number(loan, "pid"));
		if (ledger == NULL)
			rig_fail(b->r, "%s is lent to pid %d, who does not "
			    "live", worker, number(loan, "pid"));
		if (count_facts(ledger, "loan", worker) == 0)
			rig_fail(b->r, "%s is lent to %s, who does not know",
			    worker, ledger->string);
		if (!lent_to(loans, worker, number(loan, "pid")))
			rig_fail(b->r, "%s is lent twice", worker);
	}
}

/* What somebody has been lent by this pool, and which lives, is his. */
static void
check_borrowed(struct books *b, const cJSON *loans)
{
	const cJSON *ledger, *f, *c;

	cJSON_ArrayForEach(ledger, b->ledgers)
		cJSON_ArrayForEach(f, cJSON_GetObjectItem(ledger, "facts")) {
			const char *what = world_string(f, "what");
			bool there = false;

			if (strcmp(world_string(f, "kind"), "loan") != 0 ||
			    number(f, "pid") == 0 ||
			    number(f, "pid") != pid_named(b, "db"))
				continue;
			cJSON_ArrayForEach(c, b->children)
				there |= strcmp(world_string(c, "path"),
				    what) == 0;
			if (there && !lent_to(loans, what, number(ledger,
			    "pid")))
				rig_fail(b->r, "%s borrowed %s, but the pool "
				    "does not know", ledger->string, what);
		}
}

static void
check_pool(struct books *b)
{
	cJSON *pool = ask(b->r, b->o, "db", "{\"op\":\"status\"}");
	const cJSON *loans = cJSON_GetObjectItem(pool, "loans");

	if (number(pool, "held") != cJSON_GetArraySize(loans))
		rig_fail(b->r, "%d workers are held, %d are lent",
		    number(pool, "held"), cJSON_GetArraySize(loans));
	if (number(pool, "free") + number(pool, "held") >
	    number(pool, "size") + number(pool, "max_overflow"))
		rig_fail(b->r, "the pool is too large");
	check_loans(b, loans);
	check_borrowed(b, loans);
	cJSON_Delete(pool);
}

void
ledger_check(struct rig *r, struct otp *o)
{
	struct books b = { .r = r, .o = o, .children = status_of_all(r),
	    .ledgers = cJSON_CreateObject() };
	const cJSON *ledger;
	char name[8];

	read_ledgers(&b);
	for (int i = 0; i < NAMES; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		check_name(&b, name);
	}
	check_registry(&b, "u");
	check_registry(&b, "d");
	cJSON_ArrayForEach(ledger, b.ledgers) {
		check_watches(&b, ledger);
		check_tasks(&b, ledger);
	}
	check_pool(&b);
	cJSON_Delete(b.children);
	cJSON_Delete(b.ledgers);
}
