/* SPDX-License-Identifier: ISC */
/*
 * Dying where a test says so; see crashpoint.h.  Not part of otp-engine.
 */
#include "engine/crashpoint.h"

#include <sys/mman.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct crash_plan *
plan(void)
{
	static struct crash_plan *p;
	static int looked;
	const char *path = getenv("OTP_CRASHPOINTS");
	void *map;
	int fd;

	if (looked++ > 0 || path == NULL)
		return p;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	map = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (map != MAP_FAILED)
		p = map;
	return p;
}

static void
die(struct crash_plan *p)
{
	p->deaths++;
	(void)kill(getpid(), p->sig);
	abort();
}

void
crashpoint(void)
{
	struct crash_plan *p = plan();

	if (p == NULL || ++p->points != p->at)
		return;
	p->at = p->every > 0 ? p->at + p->every : 0;
	die(p);
}

size_t
crashpoint_part(size_t n, size_t most)
{
	struct crash_plan *p = plan();

	return p != NULL && p->at > 0 && n > most ? most : n;
}

void
crashpoint_poison(const char *path, uint32_t rung)
{
	struct crash_plan *p = plan();

	if (p != NULL && path != NULL && p->poison[0] != '\0' &&
	    rung <= p->poison_rung && strcmp(path, p->poison) == 0)
		die(p);
}
