/* SPDX-License-Identifier: ISC */
/*
 * The connections a process keeps to servers: found by address, in order of
 * use.  There may be half as many as it may have descriptors.  Whoever wants
 * one more gives up the one that was idle for longest, once all that was sent
 * over it has been read: the server has two of them then for no moment, and
 * what is sent over the next one comes after it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "libotp/impl.h"
#include "libotp/serve.h"

#define DESTS_MIN	64		/* kept in any case */
#define DESTS_MAX	16384
#define TABLE_MIN	64
#define RETRY_MS	1		/* until servers have read */

static uint32_t
hash(const char *address)
{
	uint32_t h = 2166136261U;

	while (*address != '\0')
		h = (h ^ (unsigned char)*address++) * 16777619U;
	return h;
}

static struct otpi_dest **
bucket(const struct otp *o, const char *address)
{
	return &o->table[hash(address) & (o->table_size - 1)];
}

/* Room for one more.  Where there is no memory the old table does. */
static int
grow(struct otp *o)
{
	uint32_t size = o->table_size == 0 ? TABLE_MIN : 2 * o->table_size;
	struct otpi_dest **table, **at;

	if (o->ndests < o->table_size)
		return 0;
	table = calloc(size, sizeof(struct otpi_dest *));
	if (table == NULL)
		return o->table_size > 0 ? 0 : -ENOMEM;
	free(o->table);
	o->table = table;
	o->table_size = size;
	for (struct otpi_dest *d = o->dests; d != NULL; d = d->next) {
		at = bucket(o, d->address);
		d->chain = *at;
		*at = d;
	}
	return 0;
}

static void
to_front(struct otp *o, struct otpi_dest *d)
{
	d->prev = NULL;
	d->next = o->dests;
	if (o->dests != NULL)
		o->dests->prev = d;
	else
		o->oldest = d;
	o->dests = d;
}

static void
take_out(struct otp *o, struct otpi_dest *d)
{
	if (d->prev != NULL)
		d->prev->next = d->next;
	else
		o->dests = d->next;
	if (d->next != NULL)
		d->next->prev = d->prev;
	else
		o->oldest = d->prev;
}

int
otpi_dest_add(struct otp *o, struct otpi_dest *d, const char *address)
{
	struct otpi_dest **at;
	int rc = grow(o);

	if (rc < 0)
		return rc;
	d->address = strdup(address);
	if (d->address == NULL)
		return -ENOMEM;
	at = bucket(o, address);
	d->chain = *at;
	*at = d;
	to_front(o, d);
	o->ndests++;
	return 0;
}

OTPI_HOT struct otpi_dest *
otpi_dest_find(struct otp *o, const char *address)
{
	struct otpi_dest *d;

	if (o->last != NULL && strcmp(o->last->address, address) == 0)
		return o->last;
	if (o->table_size == 0)
		return NULL;
	d = *bucket(o, address);
	while (d != NULL && (d->moved || strcmp(d->address, address) != 0))
		d = d->chain;
	if (d == NULL)
		return NULL;
	take_out(o, d);
	to_front(o, d);
	o->last = d;
	return d;
}

void
otpi_dest_free(struct otp *o, struct otpi_dest *d)
{
	struct otpi_dest **at = bucket(o, d->address);

	while (*at != d)
		at = &(*at)->chain;
	*at = d->chain;
	take_out(o, d);
	if (o->last == d)
		o->last = NULL;
	o->ndests--;
	otpi_conn_clear(o, &d->conn);
	free(d->address);
	free(d->place);
	free(d->path);
	free(d->down);
	free(d->sink);
	d->address = d->place = d->path = d->down = d->sink = NULL;
	d->next = o->gone;		/* an event may still be about it */
	o->gone = d;
	if (o->srv == NULL)
		otpi_dest_reap(o);
}

void
otpi_dest_reap(struct otp *o)
{
	struct otpi_dest *d;

	while ((d = o->gone) != NULL) {
		o->gone = d->next;
		free(d);
	}
}

void
otpi_dest_free_all(struct otp *o)
{
	while (o->dests != NULL)
		otpi_dest_free(o, o->dests);
	otpi_dest_reap(o);
	free(o->table);
	o->table = NULL;
	o->table_size = 0;
}

bool
otpi_dest_idle(const struct otpi_dest *d)
{
	return d->nrequests == 0 && d->nmonitors == 0 &&
	    otpi_conn_queued(&d->conn) == 0;
}

/* Has the server read all that was sent to it? */
static bool
all_read(const struct otpi_dest *d)
{
	int left = 0;

	return d->conn.fd < 0 || ioctl(d->conn.fd, TIOCOUTQ, &left) < 0 ||
	    left == 0;
}

static uint32_t
most(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return DESTS_MIN;
	limit.rlim_cur /= 2;
	return limit.rlim_cur < DESTS_MIN ? DESTS_MIN :
	    limit.rlim_cur > DESTS_MAX ? DESTS_MAX : (uint32_t)limit.rlim_cur;
}

static bool
drop_oldest(struct otp *o)
{
	struct otpi_dest *d = o->oldest;

	while (d != NULL && (!otpi_dest_idle(d) || !all_read(d)))
		d = d->prev;
	if (d != NULL)
		otpi_dest_free(o, d);
	return d != NULL;
}

int
otpi_dest_room(struct otp *o)
{
	uint64_t deadline = 0;

	while (o->ndests >= DESTS_MIN && o->ndests >= most() &&
	    !drop_oldest(o)) {
		(void)otpi_flush_all(o);
		if (deadline == 0 && drop_oldest(o))
			break;
		if (o->when_full == OTP_FULL_ERROR)
			return -OTP_EFULL;
		if (deadline == 0)
			deadline = otpi_deadline(o, OTP_DEFAULT_TIMEOUT);
		if (deadline != 0 && otpi_now() >= deadline)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, RETRY_MS);
	}
	return 0;
}
