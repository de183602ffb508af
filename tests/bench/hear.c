/* SPDX-License-Identifier: ISC */
/* Listening to what the children write to the FIFO when they reach main. */
#include "bench.h"

#include <poll.h>
#include <unistd.h>

#include "record.h"

#define BATCH	256

bool
hear(struct subject *s, int ms, heard_fn *fn, void *arg)
{
	struct pollfd pfd = { .fd = s->fifo, .events = POLLIN };
	struct record rec[BATCH];
	ssize_t len;
	size_t i;
	pid_t old;

	if (poll(&pfd, 1, ms) <= 0)
		return false;
	len = read(s->fifo, rec, sizeof(rec));
	if (len <= 0 || (size_t)len % sizeof(rec[0]) != 0)
		die("bad news from a child");
	for (i = 0; i < (size_t)len / sizeof(rec[0]); i++) {
		if (rec[i].index >= s->shape.n)
			die("a child of index %u", rec[i].index);
		old = s->pids[rec[i].index];
		s->pids[rec[i].index] = rec[i].pid;
		s->at_ns[rec[i].index] = rec[i].at_ns;
		if (fn != NULL)
			fn(s, rec[i].index, old, rec[i].at_ns, arg);
	}
	return true;
}

static void
count_new(struct subject *s, uint32_t index, pid_t old, uint64_t at, void *arg)
{
	(void)s;
	(void)index;
	(void)at;
	if (old == 0)
		--*(uint32_t *)arg;
}

/*
 * Looks every few ms only: being woken by each child would take time away
 * from those who start them.  The FIFO holds what 40,000 children say.
 */
uint64_t
hear_all(struct subject *s)
{
	uint64_t deadline = now_ns() + (uint64_t)WAIT_S * 1000000000U;
	uint64_t last = 0;
	uint32_t missing = s->shape.n, i;

	while (missing > 0) {
		if (now_ns() > deadline)
			die("%s: %u of %u children did not come up",
			    kind_names[s->kind], missing, s->shape.n);
		while (hear(s, 0, count_new, &missing))
			;
		if (missing > 0)
			sleep_us(s->shape.n > 10 ? 3000 : 200);
	}
	for (i = 0; i < s->shape.n; i++)
		if (s->at_ns[i] > last)
			last = s->at_ns[i];
	return last;
}

uint64_t
hear_again(struct subject *s, uint32_t i, pid_t pid)
{
	uint64_t deadline = now_ns() + (uint64_t)WAIT_S * 1000000000U;

	while (s->pids[i] == pid) {
		if (now_ns() > deadline)
			die("%s: child %u did not come back",
			    kind_names[s->kind], i);
		(void)hear(s, 1000, NULL, NULL);
	}
	return s->at_ns[i];
}
