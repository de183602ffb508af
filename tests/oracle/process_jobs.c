/* SPDX-License-Identifier: ISC */
/*
 * Many cases, each in a process of its own, a few at a time.
 */
#include "process_jobs.h"

#include <sys/wait.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned passed, failed, running;

static void
collect(void)
{
	int status;

	if (waitpid(-1, &status, 0) < 0)
		return;
	running--;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		passed++;
	else
		failed++;
}

static void
launch(const char *file, job_fn *fn, unsigned jobs)
{
	pid_t pid;

	while (running >= jobs)
		collect();
	pid = fork();
	if (pid == 0) {
		static char buffer[1 << 18];

		(void)setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
		exit(fn(file));
	}
	running++;
}

static int
is_case(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot != NULL && strcmp(dot, ".json") == 0;
}

static void
launch_all(const char *path, job_fn *fn, unsigned jobs)
{
	struct dirent **names;
	char file[4096];
	int n = scandir(path, &names, is_case, alphasort);

	if (n < 0) {
		launch(path, fn, jobs);
		return;
	}
	for (int i = 0; i < n; i++) {
		(void)snprintf(file, sizeof(file), "%s/%s", path,
		    names[i]->d_name);
		launch(file, fn, jobs);
		free(names[i]);
	}
	free(names);
}

unsigned
jobs_run(char *const *paths, job_fn *fn, unsigned jobs)
{
	for (; *paths != NULL; paths++)
		launch_all(*paths, fn, jobs);
	while (running > 0)
		collect();
	printf("%u passed, %u failed\n", passed, failed);
	return failed;
}
