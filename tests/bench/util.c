/* SPDX-License-Identifier: ISC */
/* Clocks, samples and commands for the bench. */
#include "bench.h"

#include <sys/wait.h>

#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

void
sleep_us(uint64_t us)
{
	struct timespec ts = {
		(time_t)(us / 1000000), (long)(us % 1000000) * 1000
	};

	while (nanosleep(&ts, &ts) != 0)
		;
}

void
die(const char *fmt, ...)
{
	char words[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	errx(1, "%s", words);
}

void
sample_add(struct sample *s, double v)
{
	if (s->n == s->size) {
		s->size = s->size == 0 ? 64 : s->size * 2;
		s->v = realloc(s->v, s->size * sizeof(*s->v));
		if (s->v == NULL)
			die("out of memory");
	}
	s->v[s->n++] = v;
}

void
sample_clear(struct sample *s)
{
	s->n = 0;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
sample_quantile(struct sample *s, double q)
{
	size_t i;

	if (s->n == 0)
		return 0;
	qsort(s->v, s->n, sizeof(*s->v), compare);
	i = (size_t)(q * (double)s->n);
	return s->v[i < s->n ? i : s->n - 1];
}

double
time_command(const char *const argv[])
{
	posix_spawn_file_actions_t fa;
	uint64_t t0;
	pid_t pid;
	int status;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	t0 = now_ns();
	if (posix_spawnp(&pid, argv[0], &fa, NULL, (char *const *)argv,
	    environ) != 0)
		die("cannot run %s", argv[0]);
	waitpid(pid, &status, 0);
	if (status != 0)
		die("%s %s: status %d", argv[0], argv[1] ? argv[1] : "",
		    status);
	posix_spawn_file_actions_destroy(&fa);
	return (double)(now_ns() - t0) / 1e3;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
remove_tree(const char *dir)
{
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
