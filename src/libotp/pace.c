/* SPDX-License-Identifier: ISC */
/*
 * Whether to poll before blocking.  Waking a sleeping core is nine tenths of
 * a call, so both ends look again for a few microseconds, giving way with
 * sched_yield; but a process that has been idle sleeps at once, and polls that
 * do not pay are given up.
 *
 * Where others want the processor a yield costs a whole slice of theirs.  One
 * of more than a millisecond therefore ends polling for a while.  Then both
 * ways are known, as time waited for what was received, and polling goes on
 * in spite of long yields as long as it is not the worse one; else it is left
 * for a time that grows fourfold.  One wait says little, unless it took many
 * times as long: among many callers they differ much.
 */
#include <sched.h>

#include "libotp/serve.h"

#define WINDOW_NS	50000U
#define NEAR_NS		80000U		/* a wait that a poll would have met */
#define LONG_YIELD_NS	OTPI_MSEC
#define QUICK_NS	1200U		/* a yield to nobody */
#define TRIES		4		/* looks for one of those */
#define OFF_MIN_NS	(50 * OTPI_MSEC)
#define OFF_MAX_NS	(3200 * OTPI_MSEC)
#define FRESH_NS	(2 * OTPI_NSEC)	/* for how long a cost is known */
#define WAIT_MAX_NS	(8 * OTPI_MSEC)	/* what is longer is not a cost */
#define WAITS_MIN	8		/* that tell what a way costs, */
#define MUCH		8		/* unless it is that much more */
#define MISSES_MAX	4
#define PROBE_EVERY	16

static double
cost(const struct otpi_tally *t)
{
	return (double)t->ns / (double)(t->bytes + 1);
}

/*
 * Among many callers the wait of one is as long either way, while the polls of
 * all are what makes it short: so only what is clearly worse is given up.
 */
static bool
worse(double polling, double blocking)
{
	return polling > blocking * 1.25;
}

/* The time without polls is over. */
static void
judge(struct otpi_pace *p, uint64_t now)
{
	p->off = false;
	p->polling = (struct otpi_tally){ 0 };
	if (p->blocking.bytes == 0)
		return;
	p->block_cost = cost(&p->blocking);
	p->block_known = now;
	if (!worse(p->poll_cost, p->block_cost))
		p->off_ns = 0;
}

/* Is polling the better way still, by what is known? */
static bool
borne(struct otpi_pace *p, uint64_t now)
{
	bool few = p->polling.waits < WAITS_MIN;

	p->poll_cost = cost(&p->polling);
	if (p->block_known == 0 || now - p->block_known >= FRESH_NS)
		return false;
	if (few && p->poll_cost < p->block_cost * MUCH)
		return true;
	p->polling = (struct otpi_tally){ 0 };
	return !worse(p->poll_cost, p->block_cost);
}

/* A yield was long: is it still worth it? */
static void
reconsider(struct otpi_pace *p, uint64_t now)
{
	if (borne(p, now))
		return;
	if (now - p->off_until > 2 * p->off_ns)
		p->off_ns = 0;		/* the last time is long ago */
	p->off_ns = p->off_ns == 0 ? OFF_MIN_NS :
	    p->off_ns * 4 > OFF_MAX_NS ? OFF_MAX_NS : p->off_ns * 4;
	p->off = true;
	p->off_until = now + p->off_ns;
	p->blocking = p->polling = (struct otpi_tally){ 0 };
}

/* For how long to poll now, ns; 0: block.  idle: for long nothing happened. */
OTPI_HOT uint64_t
otpi_pace_window(struct otpi_pace *p, uint64_t now, bool idle)
{
	p->tries = 0;
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

/* Nobody wanted the processor?  Then the next looks follow without a yield,
 * which takes longer than they do. */
bool
otpi_pace_yield(struct otpi_pace *p, uint64_t *now)
{
	uint64_t before = *now;

	if (p->tries > 0) {
		p->tries--;
		*now = otpi_now();
		return true;
	}
	(void)sched_yield();
	*now = otpi_now();
	if (*now - before < QUICK_NS)
		p->tries = TRIES - 1;
	if (*now - before < LONG_YIELD_NS)
		return true;
	p->slow = true;
	return false;
}

bool
otpi_give_way(struct otp *o, uint64_t *now)
{
	struct otpi_pace *p = o->srv != NULL ? &o->srv->pace : &o->call_pace;
	uint64_t before = *now;

	if ((o->flags & OTP_NO_POLL) != 0 || p->off)
		return false;
	if (otpi_pace_yield(p, now))
		return true;
	p->polling.ns += *now - before;
	return false;
}

OTPI_HOT void
otpi_pace_end(struct otpi_pace *p, uint64_t began, uint64_t now,
    uint64_t received, bool polled, bool hit)
{
	struct otpi_tally *t = polled ? &p->polling : &p->blocking;
	uint64_t wait = now - began;

	t->waits++;
	t->ns += wait < WAIT_MAX_NS ? wait : WAIT_MAX_NS;
	t->bytes += received - p->received;
	p->received = received;
	if (polled && hit)
		p->misses = 0;
	else if (polled && !p->slow && p->misses < UINT32_MAX)
		p->misses++;
	if (p->slow)
		reconsider(p, now);
	p->slow = false;
	p->last_wait = wait;
	p->last_end = now;
}
