/* SPDX-License-Identifier: ISC */
/*
 * Notes of the crash tests' workers; see crash_note.h.
 */
#include "crash/crash_note.h"

#include <sys/file.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int
note_open(const char *dir, const char *what, const char *of, int flags)
{
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/%s%s", dir, what, of);
	return open(path, flags | O_CLOEXEC, 0600);
}

int
note_start(const char *dir, const char *id)
{
	char line[128];
	int lock = note_open(dir, "lock.", id, O_RDWR | O_CREAT);
	int fd = note_open(dir, "starts", "", O_WRONLY | O_CREAT | O_APPEND);
	int n = snprintf(line, sizeof(line), "%s %s\n", lock >= 0 &&
	    flock(lock, LOCK_EX | LOCK_NB) == 0 ? "start" : "double", id);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		return -1;
	return close(fd);
}
