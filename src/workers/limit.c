/* SPDX-License-Identifier: ISC */
/*
 * Up to the hard limit, and not beyond: what cannot be had is done without.
 */
#include "workers/limit.h"

#include <sys/resource.h>

void
limit_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}
