/* SPDX-License-Identifier: ISC */
/*
 * The trivial service that is started and killed by the bench: it notes the
 * time as the first thing in main, tells it to the bench, and waits to be
 * killed.  Linked statically, so that starting it costs as little as can be.
 *
 *   bench-child FIFO INDEX [crash]
 */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "record.h"

int
main(int argc, char **argv)
{
	struct record rec;
	struct timespec ts;
	int fd;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (argc < 3)
		return 2;
	rec.at_ns = (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
	rec.index = (uint32_t)atoi(argv[2]);
	rec.pid = getpid();
	fd = open(argv[1], O_WRONLY | O_NONBLOCK);
	if (fd < 0 || write(fd, &rec, sizeof(rec)) != (ssize_t)sizeof(rec))
		return 3;
	close(fd);
	if (argc > 3)
		return 1;
	for (;;)
		pause();
}
