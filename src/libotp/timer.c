/* SPDX-License-Identifier: ISC */
/*
 * Timers, in a heap.  The message of one that is due counts as sent at that
 * time: it cannot be taken back, and those of an interval pile up.  Each has a
 * slot, by which it is found, so that many cost no more than few.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/serve.h"

#define SLOT_BITS	24
#define SLOTS_MAX	(1U << SLOT_BITS)

struct otpi_timer {
	uint64_t	 due, interval;		/* ns; 0: once */
	uint64_t	 seq, ref;
	uint64_t	 left;			/* messages; 0: no limit */
	enum otp_info_kind kind;
	uint32_t	 pos;
	size_t		 len;
	char		 message[];		/* and a NUL */
};

static bool
before(const struct otpi_timer *a, const struct otpi_timer *b)
{
	return a->due < b->due || (a->due == b->due && a->seq < b->seq);
}

static void
put(struct otpi_server *s, uint32_t pos, struct otpi_timer *t)
{
	s->timers[pos] = t;
	t->pos = pos;
}

static void
sift(struct otpi_server *s, struct otpi_timer *t)
{
	uint32_t pos = t->pos, child;

	while (pos > 0 && before(t, s->timers[(pos - 1) / 2])) {
		put(s, pos, s->timers[(pos - 1) / 2]);
		pos = (pos - 1) / 2;
	}
	for (;;) {
		child = 2 * pos + 1;
		if (child + 1 < s->ntimers &&
		    before(s->timers[child + 1], s->timers[child]))
			child++;
		if (child >= s->ntimers || !before(s->timers[child], t))
			break;
		put(s, pos, s->timers[child]);
		pos = child;
	}
	put(s, pos, t);
}

static void
remove_timer(struct otpi_server *s, struct otpi_timer *t)
{
	struct otpi_timer *last = s->timers[--s->ntimers];
	uint32_t slot = (uint32_t)t->ref & (SLOTS_MAX - 1);

	s->timer_slots[slot].timer = NULL;
	s->timer_slots[slot].next_free = s->free_timer;
	s->free_timer = slot;
	if (last != t) {
		put(s, t->pos, last);
		sift(s, last);
	}
	free(t);
}

/* As many slots as places in the heap. */
static int
grow(struct otpi_server *s)
{
	uint32_t cap = s->timers_cap == 0 ? 8 : 2 * s->timers_cap;
	struct otpi_timer_slot *slots;
	struct otpi_timer **more;

	if (cap > SLOTS_MAX)
		return -ENOMEM;
	more = realloc(s->timers, cap * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	s->timers = more;
	slots = realloc(s->timer_slots, cap * sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	s->timer_slots = slots;
	for (uint32_t i = s->timers_cap; i < cap; i++)
		slots[i] = (struct otpi_timer_slot){ .next_free = i + 1 };
	s->free_timer = s->timers_cap;	/* all others are taken */
	s->timers_cap = cap;
	return 0;
}

static int
add(struct otp *o, struct otpi_timer *t)
{
	struct otpi_server *s = o->srv;
	uint32_t slot;
	int rc = s->ntimers == s->timers_cap ? grow(s) : 0;

	if (rc < 0)
		return rc;
	slot = s->free_timer;
	s->free_timer = s->timer_slots[slot].next_free;
	s->timer_slots[slot].timer = t;
	t->seq = ++s->next_timer;
	t->ref = t->seq << SLOT_BITS | slot;
	put(s, s->ntimers++, t);
	sift(s, t);
	otpi_arm_timerfd(o);
	return 0;
}

static int
start(struct otp *o, enum otp_info_kind kind, uint32_t ms, bool again,
    const void *message, size_t len, uint64_t *out_ref)
{
	struct otpi_timer *t;
	int rc;

	if (o->srv == NULL)
		return otpi_fail(o, -EINVAL, "not_a_server");
	if (again && ms == 0)
		return otpi_fail(o, -EINVAL, NULL);
	if (len > o->max_payload)
		return -EMSGSIZE;
	t = calloc(1, sizeof(*t) + len + 1);
	if (t == NULL)
		return -ENOMEM;
	if (len > 0)
		memcpy(t->message, message, len);
	t->len = len;
	t->kind = kind;
	t->interval = again ? ms * OTPI_MSEC : 0;
	t->due = otpi_now() + ms * OTPI_MSEC;
	rc = add(o, t);
	if (rc < 0) {
		free(t);
		return rc;
	}
	if (out_ref != NULL)
		*out_ref = t->ref;
	return 0;
}

int
otp_send_after(struct otp *o, uint32_t ms, const void *message, size_t len,
    uint64_t *out_ref)
{
	return start(o, OTP_MESSAGE, ms, false, message, len, out_ref);
}

int
otp_start_timer(struct otp *o, uint32_t ms, const void *message, size_t len,
    uint64_t *out_ref)
{
	return start(o, OTP_TIMER, ms, false, message, len, out_ref);
}

int
otp_send_interval(struct otp *o, uint32_t ms, const void *message, size_t len,
    uint64_t *out_ref)
{
	return start(o, OTP_MESSAGE, ms, true, message, len, out_ref);
}

static struct otpi_timer *
find(const struct otpi_server *s, uint64_t ref)
{
	uint32_t slot = (uint32_t)ref & (SLOTS_MAX - 1);
	struct otpi_timer *t;

	if (s == NULL || slot >= s->timers_cap)
		return NULL;
	t = s->timer_slots[slot].timer;
	return t != NULL && t->ref == ref ? t : NULL;
}

int64_t
otp_cancel_timer(struct otp *o, uint64_t ref)
{
	struct otpi_timer *t = find(o->srv, ref);
	uint64_t now = otpi_now();
	int64_t left;

	if (t == NULL || t->left > 0)
		return -ENOENT;
	if (t->due > now) {
		left = (int64_t)((t->due - now + OTPI_MSEC - 1) / OTPI_MSEC);
		remove_timer(o->srv, t);
		otpi_arm_timerfd(o);
		return left;
	}
	/* Those messages have been sent: they are handled, then no more. */
	t->left = t->interval == 0 ? 1 : (now - t->due) / t->interval + 1;
	return -ENOENT;
}

OTPI_HOT uint64_t
otpi_timers_next(const struct otpi_server *s)
{
	return s->ntimers == 0 ? 0 : s->timers[0]->due;
}

/* What is due goes the way of every message; set anew or forgotten first, so
 * that the callback may do with its timers what it likes. */
static void
fire(struct otp *o, struct otpi_timer *t)
{
	struct otp_info info = { .kind = t->kind, .len = t->len,
	    .ref = t->ref, .who = "", .reason = "" };
	char *message = malloc(t->len + 1);

	if (message != NULL)
		memcpy(message, t->message, t->len + 1);
	info.data = message == NULL ? "" : message;
	info.len = message == NULL ? 0 : t->len;
	if (t->interval == 0 || t->left == 1) {
		remove_timer(o->srv, t);
	} else {
		if (t->left > 0)
			t->left--;
		t->due += t->interval;
		sift(o->srv, t);
	}
	if (o->srv->tracer != 0)
		otpi_trace(o, "in", "timer", info.data, info.len);
	otpi_info(o, &info);
	free(message);
}

/* Those that are due now; one a turn of each interval. */
void
otpi_timers_run(struct otp *o, uint64_t now)
{
	struct otpi_server *s = o->srv;
	uint64_t last = s->next_timer;

	for (uint32_t n = s->ntimers; n > 0 && s->ntimers > 0 && !s->ended &&
	    !s->suspended && s->timers[0]->due <= now &&
	    s->timers[0]->seq <= last; n--)
		fire(o, s->timers[0]);
}

void
otpi_timers_free(struct otpi_server *s)
{
	for (uint32_t i = 0; i < s->ntimers; i++)
		free(s->timers[i]);
	free(s->timers);
	free(s->timer_slots);
	s->timers = NULL;
	s->timer_slots = NULL;
	s->ntimers = s->timers_cap = 0;
}
