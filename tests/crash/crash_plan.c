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

void
crash_programs(struct rig *r, const char *engine, const char *logger)
{
	const struct rlimit none = { 0, 0 };
	char path[256];

	(void)setrlimit(RLIMIT_CORE, &none);
	if (mkdir("programs", 0700) < 0)
		rig_fail(r, "%s: %s", r->dir, strerror(errno));
	link_program(r, "otp-engine", engine);
	link_program(r, "otp-logger", logger);
	(void)snprintf(path, sizeof(path), "%s/programs", r->dir);
	(void)setenv("OTP_LIBEXEC", path, 1);
	r->mortal = true;
}

void *
crash_shared(struct rig *r, const char *variable, size_t size)
{
	char path[256];
	void *map;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", r->dir, variable);
	(void)setenv(variable, path, 1);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		rig_fail(r, "%s: %s", path, strerror(errno));
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (map == MAP_FAILED)
		rig_fail(r, "%s: %s", path, strerror(errno));
	return map;
}

struct crash_plan *
crash_plan_new(struct rig *r)
{
	crash_programs(r, "otp-engine-crash", "otp-logger");
	return crash_shared(r, "OTP_CRASHPOINTS", sizeof(struct crash_plan));
}
