/* SPDX-License-Identifier: ISC */
/*
 * The restart window of one supervisor.  Exact milliseconds; the ring holds
 * at most limit + 1 attempts and is only as large as it has to be.
 */
#include "core/intensity.h"

#include <assert.h>
#include <stdlib.h>

#include "core/core.h"

#define RING_MIN	4

void
intensity_done(struct intensity *in)
{
	free(in->at_ms);
	in->at_ms = NULL;
	in->cap = 0;
}

void
intensity_reset(struct intensity *in)
{
	in->lo = in->hi;
	intensity_done(in);
}

/* Slots are picked by number, so a power of two survives wrapping. */
static uint64_t *
ring_slot(const struct intensity *in, uint32_t n)
{
	return &in->at_ms[n & (in->cap - 1)];
}

static void
ring_grow(struct intensity *in)
{
	struct intensity old = *in;
	uint32_t n;

	in->cap = old.cap == 0 ? RING_MIN : old.cap * 2;
	in->at_ms = malloc(in->cap * sizeof(in->at_ms[0]));
	assert(in->at_ms != NULL);
	for (n = old.lo; n != old.hi; n++)
		*ring_slot(in, n) = *ring_slot(&old, n);
	free(old.at_ms);
}

static bool
inside(const struct intensity *in, uint64_t at_ms, uint64_t now_ms)
{
	return now_ms < at_ms || now_ms - at_ms <= in->period_ms;
}

bool
intensity_exceeded(struct intensity *in, uint64_t now_ms)
{
	if (in->limit == CORE_INFINITY)
		return false;
	while (in->lo != in->hi &&
	    !inside(in, intensity_at(in, in->lo), now_ms))
		in->lo++;
	intensity_put(in, in->hi, now_ms);
	return in->hi - in->lo > in->limit;
}

/* The times rise, so the first one inside is found by halving. */
uint32_t
intensity_recent(const struct intensity *in, uint64_t now_ms)
{
	uint32_t low = 0, high = in->hi - in->lo, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (inside(in, intensity_at(in, in->lo + mid), now_ms))
			high = mid;
		else
			low = mid + 1;
	}
	return in->hi - in->lo - low;
}

uint64_t
intensity_at(const struct intensity *in, uint32_t n)
{
	return *ring_slot(in, n);
}

void
intensity_set(struct intensity *in, uint32_t n, uint64_t at_ms)
{
	if (n - in->lo < in->hi - in->lo)
		*ring_slot(in, n) = at_ms;
}

void
intensity_put(struct intensity *in, uint32_t n, uint64_t at_ms)
{
	if (in->lo == in->hi)
		in->lo = in->hi = n;
	assert(n == in->hi);
	if (in->hi - in->lo == in->cap)
		ring_grow(in);
	*ring_slot(in, n) = at_ms;
	in->hi++;
}
