/* SPDX-License-Identifier: ISC */
/*
 * The plan's file, and a folder of programs in which the engine is the one
 * that follows it.
 */
#include "crash/crash_plan.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
link_program(struct rig *r, const char *ours, const char *theirs)
{
	char from[700], to[300];

	(void)snprintf(from, sizeof(from), "%s/%s", getenv("OTPD_BUILDDIR"),
	    theirs);
	(void)snprintf(to, sizeof(to), "%s/programs/%s", r->dir, ours);
	if (symlink(from, to) < 0)
		rig_fail(r, "%s: %s", to, strerror(errno));
}

struct crash_plan *
crash_plan_new(struct rig *r)
{
	const struct rlimit none = { 0, 0 };
	char path[256];
	void *map;
	int fd;

	(void)setrlimit(RLIMIT_CORE, &none);
	if (mkdir("programs", 0700) < 0)
		rig_fail(r, "%s: %s", r->dir, strerror(errno));
	link_program(r, "otp-engine", "otp-engine-crash");
	link_program(r, "otp-logger", "otp-logger");
	(void)snprintf(path, sizeof(path), "%s/programs", r->dir);
	(void)setenv("OTP_LIBEXEC", path, 1);
	(void)snprintf(path, sizeof(path), "%s/plan", r->dir);
	(void)setenv("OTP_CRASHPOINTS", path, 1);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(struct crash_plan)) < 0)
		rig_fail(r, "%s: %s", path, strerror(errno));
	map = mmap(NULL, sizeof(struct crash_plan), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	(void)close(fd);
	if (map == MAP_FAILED)
		rig_fail(r, "%s: %s", path, strerror(errno));
	r->mortal = true;
	return map;
}
