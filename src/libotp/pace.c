/* SPDX-License-Identifier: ISC */
/*
 * Whether to poll before blocking.  Waking a sleeping core is nine tenths of
 * a call, so both ends look again for a few microseconds, giving way with
 * sched_yield; but a process that has been idle sleeps at once, polls that do
 * not pay are given up, and where others want the processor (a yield of more
 * than a millisecond) polling stops for a while that doubles, unless blocking
 * turns out to be no faster.
 */
#include <sched.h>

#include "libotp/impl.h"

#define WINDOW_NS	50000U
#define NEAR_NS		80000U		/* a wait that a poll would have met */
#define LONG_YIELD_NS	OTPI_MSEC
#define OFF_MIN_NS	(50 * OTPI_MSEC)
#define OFF_MAX_NS	(3200 * OTPI_MSEC)
#define TOLERATE_NS	OTPI_NSEC
#define MISSES_MAX	4
#define PROBE_EVERY	16

/* Weight 1/8. */
static void
average(uint64_t *mean, uint64_t value)
{
	*mean = *mean == 0 ? value : *mean - *mean / 8 + value / 8;
}

/* Polling was off: was blocking better?  If not, long yields are no sign. */
static void
judge(struct otpi_pace *p, uint64_t now)
{
	p->off = false;
	if (p->nblock >= 4 && p->block_mean * 2 > p->poll_mean) {
		p->tolerate_until = now + TOLERATE_NS;
		p->off_ns = 0;
	}
}

/* For how long to poll now, ns; 0: block.  idle: for long nothing happened. */
uint64_t
otpi_pace_window(struct otpi_pace *p, uint64_t now, bool idle)
{
	if (p->off) {
		if (now < p->off_until)
			return 0;
		judge(p, now);
	}
	if (idle)
		return 0;
	if (p->misses < MISSES_MAX || p->last_wait < NEAR_NS)
		return WINDOW_NS;
	if (++p->skipped < PROBE_EVERY)
		return 0;
	p->skipped = 0;
	return WINDOW_NS;
}

bool
otpi_pace_yield(struct otpi_pace *p, uint64_t *now)
{
	uint64_t before = *now;

	(void)sched_yield();
	*now = otpi_now();
	if (*now - before < LONG_YIELD_NS || *now < p->tolerate_until)
		return true;
	if (before - p->last_long > 2 * p->off_ns + OFF_MIN_NS)
		p->off_ns = 0;		/* the last time is long ago */
	p->off_ns = p->off_ns == 0 ? OFF_MIN_NS :
	    p->off_ns * 2 > OFF_MAX_NS ? OFF_MAX_NS : p->off_ns * 2;
	p->off = true;
	p->last_long = *now;
	p->off_until = *now + p->off_ns;
	p->block_mean = 0;
	p->nblock = 0;
	return false;
}

void
otpi_pace_end(struct otpi_pace *p, uint64_t began, uint64_t now, bool polled,
    bool hit)
{
	uint64_t wait = now - began;

	if (polled) {
		average(&p->poll_mean, wait);
		if (hit)
			p->misses = 0;
		else if (p->misses < UINT32_MAX)
			p->misses++;
	} else if (p->off && began > p->last_long) {
		average(&p->block_mean, wait);
		p->nblock++;
	}
	p->last_wait = wait;
	p->last_end = now;
}
