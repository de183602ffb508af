/* SPDX-License-Identifier: ISC */
/*
 * The plan of a fault, made for whatever the test starts from now on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crash/fault.h"

struct fault_plan *
fault_plan_new(const char *program)
{
	char path[] = "/tmp/otp-plan-XXXXXX";
	struct fault_plan *plan = MAP_FAILED;
	int fd = mkstemp(path);

	if (fd >= 0 && ftruncate(fd, sizeof(*plan)) == 0)
		plan = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	if (plan == MAP_FAILED || setenv("OTP_FAULTS", path, 1) < 0) {
		perror("the plan of a fault");
		exit(EXIT_FAILURE);
	}
	(void)close(fd);
	(void)snprintf(plan->program, sizeof(plan->program), "%s", program);
	return plan;
}

void
fault_plan_hide(void)
{
	const char *path = getenv("OTP_FAULTS");

	if (path != NULL)
		(void)unlink(path);
}
