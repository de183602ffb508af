/* SPDX-License-Identifier: ISC */
/*
 * Keys to the partitions of a partition_supervisor.  How many there are is
 * asked once and again after a while: what was asked is kept with its
 * addresses, so that a call by key costs a hash more than a call.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"
#include "wire/partition.h"

#define AGE_NS		OTPI_NSEC	/* a reload may have changed it */
#define KEPT_MAX	64		/* supervisors */
#define PARTITIONS_MAX	4096

struct otpi_parts {
	struct otpi_parts *next;	/* the list is in order of use */
	char		*sup;		/* as the caller calls it */
	uint64_t	 asked;
	uint32_t	 n;
	uint32_t	 room;		/* bytes of one address */
	char		 addresses[];
};

struct key {
	const void	*bytes;		/* NULL: an integer */
	size_t		 len;
	int64_t		 integer;
};

static void
parts_free(struct otpi_parts *p)
{
	free(p->sup);
	free(p);
}

void
otpi_parts_free_all(struct otp *o)
{
	struct otpi_parts *p;

	while ((p = o->parts) != NULL) {
		o->parts = p->next;
		parts_free(p);
	}
}

/* Taken out of the list; beyond KEPT_MAX the one not used for longest. */
static struct otpi_parts *
take(struct otp *o, const char *sup)
{
	struct otpi_parts **at = &o->parts, *p;
	unsigned i;

	for (i = 0; (p = *at) != NULL; i++, at = &p->next)
		if (strcmp(p->sup, sup) == 0 ||
		    (i >= KEPT_MAX && p->next == NULL))
			break;
	if (p == NULL)
		return NULL;
	*at = p->next;
	if (strcmp(p->sup, sup) == 0)
		return p;
	parts_free(p);
	return NULL;
}

/* path: of one of them; its number is replaced. */
static int
build(const char *sup, const char *path, uint32_t n, struct otpi_parts **out)
{
	const char *slash = strrchr(path, '/');
	struct otpi_parts *p;
	size_t room;

	if (slash == NULL || n == 0 || n > PARTITIONS_MAX)
		return -EPROTO;
	room = (size_t)(slash - path) + sizeof("/4095");
	p = calloc(1, sizeof(*p) + n * room);
	if (p == NULL)
		return -ENOMEM;
	p->sup = strdup(sup);
	if (p->sup == NULL) {
		free(p);
		return -ENOMEM;
	}
	p->n = n;
	p->room = (uint32_t)room;
	for (uint32_t i = 0; i < n; i++)
		(void)snprintf(p->addresses + i * room, room, "%.*s/%u",
		    (int)(slash - path), path, i);
	*out = p;
	return 0;
}

static int
refusal(struct otp *o, const char *reply, size_t len)
{
	char error[64];

	if (otpi_json_get(reply, len, "error", error, sizeof(error)) < 0)
		return 0;
	return otpi_fail(o, strcmp(error, "noproc") == 0 ? -OTP_ENOPROC :
	    strcmp(error, "invalid") == 0 ? -EINVAL : -OTP_EREMOTE, error);
}

static int
ask(struct otp *o, const char *sup, int timeout_ms, struct otpi_parts **out)
{
	char path[1024], number[32], *reply = NULL;
	struct otp_out text = { 0 };
	size_t len = 0;
	int rc;

	rc = otp_print(&text, "{\"op\":\"partition\",\"key\":0,\"sup\":");
	if (rc == 0)
		rc = otpi_json_string(&text, sup);
	if (rc == 0)
		rc = otp_print(&text, "}");
	if (rc == 0)
		rc = otp_control(o, text.text, timeout_ms, &reply, &len);
	otpi_out_free(&text);
	if (rc == 0)
		rc = refusal(o, reply, len);
	if (rc == 0)
		rc = otpi_json_get(reply, len, "path", path, sizeof(path));
	if (rc == 0)
		rc = otpi_json_get(reply, len, "partitions", number,
		    sizeof(number));
	if (rc == 0)
		rc = build(sup, path, (uint32_t)strtoul(number, NULL, 10),
		    out);
	free(reply);
	return rc;
}

static void
keep(struct otp *o, struct otpi_parts *p)
{
	p->asked = o->clock = otpi_now();
	p->next = o->parts;
	o->parts = p;
}

/*
 * Who cannot be asked for the moment has not changed.  anew: ask in any case.
 */
static int
find(struct otp *o, const char *sup, int timeout_ms, bool anew,
    struct otpi_parts **out)
{
	struct otpi_parts *p = o->parts, *now;
	int rc;

	if (p != NULL && !anew && o->clock - p->asked < AGE_NS &&
	    strcmp(p->sup, sup) == 0) {
		*out = p;
		return 0;
	}
	p = take(o, sup);
	if (p == NULL || anew || otpi_now() - p->asked >= AGE_NS) {
		rc = ask(o, sup, timeout_ms, &now);
		if (rc < 0 && (p == NULL || anew || rc == -OTP_ENOPROC ||
		    rc == -EINVAL)) {
			if (p != NULL)
				parts_free(p);
			return rc;
		}
		if (rc == 0) {
			if (p != NULL)
				parts_free(p);
			p = now;
		}
		keep(o, p);
	} else {
		p->next = o->parts;
		o->parts = p;
	}
	*out = p;
	return 0;
}

static uint32_t
number_of(const struct otpi_parts *p, const struct key *k)
{
	return k->bytes == NULL ? partition_of_integer(k->integer, p->n) :
	    partition_of_bytes(k->bytes, k->len, p->n);
}

static int
locate(struct otp *o, const char *sup, const struct key *k, int timeout_ms,
    bool anew, const char **out_to, uint32_t *out_n)
{
	struct otpi_parts *p;
	int rc = find(o, sup, timeout_ms, anew, &p);
	uint32_t at;

	if (rc < 0)
		return rc;
	at = number_of(p, k);
	*out_to = p->addresses + (size_t)at * p->room;
	*out_n = p->n;
	return (int)at;
}

/* --- what is called --- */

static int
call(struct otp *o, const char *sup, const struct key *k, const void *request,
    size_t len, int timeout_ms, char **reply, size_t *reply_len)
{
	uint32_t n, before;
	const char *to;
	int rc;

	rc = locate(o, sup, k, timeout_ms, false, &to, &n);
	if (rc < 0)
		return rc;
	rc = otp_call(o, to, request, len, timeout_ms, reply, reply_len);
	if (rc != -OTP_ENOPROC)
		return rc;
	before = n;		/* perhaps there are fewer by now */
	rc = locate(o, sup, k, timeout_ms, true, &to, &n);
	if (rc < 0)
		return rc;
	if (n == before)
		return otpi_fail(o, -OTP_ENOPROC, "noproc");
	return otp_call(o, to, request, len, timeout_ms, reply, reply_len);
}

static int
cast(struct otp *o, const char *sup, const struct key *k, const void *message,
    size_t len)
{
	const char *to;
	uint32_t n;
	int rc;

	rc = locate(o, sup, k, OTP_DEFAULT_TIMEOUT, false, &to, &n);
	if (rc == -OTP_ENOPROC)
		return 0;
	return rc < 0 ? rc : otp_cast(o, to, message, len);
}

static int
partition(struct otp *o, const char *sup, const struct key *k, char *path,
    size_t size)
{
	const char *to;
	uint32_t n;
	int rc;

	rc = locate(o, sup, k, OTP_DEFAULT_TIMEOUT, false, &to, &n);
	if (rc >= 0 && path != NULL && size > 0)
		(void)snprintf(path, size, "%s", to);
	return rc;
}

#define BYTES	{ .bytes = key != NULL ? key : "", .len = len_of_key }
#define INTEGER	{ .integer = key }

int
otp_call_key(struct otp *o, const char *sup, const void *key,
    size_t len_of_key, const void *request, size_t len, int timeout_ms,
    char **reply, size_t *reply_len)
{
	const struct key k = BYTES;

	return call(o, sup, &k, request, len, timeout_ms, reply, reply_len);
}

int
otp_call_int(struct otp *o, const char *sup, int64_t key, const void *request,
    size_t len, int timeout_ms, char **reply, size_t *reply_len)
{
	const struct key k = INTEGER;

	return call(o, sup, &k, request, len, timeout_ms, reply, reply_len);
}

int
otp_cast_key(struct otp *o, const char *sup, const void *key,
    size_t len_of_key, const void *message, size_t len)
{
	const struct key k = BYTES;

	return cast(o, sup, &k, message, len);
}

int
otp_cast_int(struct otp *o, const char *sup, int64_t key, const void *message,
    size_t len)
{
	const struct key k = INTEGER;

	return cast(o, sup, &k, message, len);
}

int
otp_partition_key(struct otp *o, const char *sup, const void *key,
    size_t len_of_key, char *path, size_t size)
{
	const struct key k = BYTES;

	return partition(o, sup, &k, path, size);
}

int
otp_partition_int(struct otp *o, const char *sup, int64_t key, char *path,
    size_t size)
{
	const struct key k = INTEGER;

	return partition(o, sup, &k, path, size);
}
