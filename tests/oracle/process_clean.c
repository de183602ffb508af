/* SPDX-License-Identifier: ISC */
/*
 * Leaving no process behind.  Never touches one that is not a child of this
 * process; it is the reaper of all that it has started.
 */
#include "process_clean.h"

#include <sys/wait.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

pid_t
clean_parent_of(const char *pid)
{
	char path[64], text[512], *p;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	p = strrchr(text, ')');		/* ") S 123" */
	return p != NULL && strlen(p) > 4 ? (pid_t)strtol(p + 4, NULL, 10) : -1;
}

unsigned
clean_kill_children(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	if (proc == NULL)
		return 0;
	while ((entry = readdir(proc)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    clean_parent_of(entry->d_name) != getpid())
			continue;
		(void)kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
		n++;
	}
	(void)closedir(proc);
	return n;
}

void
clean_kill_all(void)
{
	while (clean_kill_children() > 0)
		(void)waitpid(-1, NULL, 0);
}
