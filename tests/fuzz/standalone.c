/* SPDX-License-Identifier: ISC */
/*
 * Runs a fuzz target without a fuzzing engine: on the files and folders given,
 * or, as make check does, on its part of the corpus in the tree and on a fixed
 * number of variations of it, the same ones each time.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX	(1024 * 1024)
#define CORPUS_MAX	1024
#define GROWTH_MAX	64	/* bytes that a variation may be longer */

struct input { uint8_t *data; size_t size; };

static struct input corpus[CORPUS_MAX];
static size_t ncorpus;
static uint64_t dice = 0x9e3779b97f4a7c15;

static int
run_file(const char *path)
{
	uint8_t *data = NULL;
	size_t size;
	FILE *f;

	f = fopen(path, "r");
	if (f != NULL)
		data = malloc(INPUT_MAX);
	if (data == NULL) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		if (f != NULL)
			(void)fclose(f);
		return -1;
	}
	size = fread(data, 1, INPUT_MAX, f);
	(void)fclose(f);
	(void)LLVMFuzzerTestOneInput(data, size);
	if (ncorpus < CORPUS_MAX)
		corpus[ncorpus++] = (struct input){ data, size };
	else
		free(data);
	return 1;
}

static size_t
roll(size_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return n == 0 ? 0 : (size_t)(dice >> 11) % n;
}

/* Another byte, one less, one more, or the end of another input. */
static size_t
vary_once(uint8_t *data, size_t size, size_t max)
{
	static const uint8_t edges[] = { 0, 1, 0x7f, 0x80, 0xff, '"', '{', '}',
		'[', '\\', '9', '-' };
	const struct input *other;
	size_t at = roll(size), from;

	switch (roll(5)) {
	case 0:
		if (size > 0)
			data[at] ^= (uint8_t)(1U << roll(8));
		return size;
	case 1:
		if (size > 0)
			data[at] = edges[roll(sizeof(edges))];
		return size;
	case 2:
		if (size == 0)
			return 0;
		memmove(data + at, data + at + 1, size - at - 1);
		return size - 1;
	case 3:
		if (size == max)
			return size;
		memmove(data + at + 1, data + at, size - at);
		data[at] = edges[roll(sizeof(edges))];
		return size + 1;
	default:
		other = &corpus[roll(ncorpus)];
		from = roll(other->size);
		if (other->size - from > max - at)
			from = other->size - (max - at);
		memcpy(data + at, other->data + from, other->size - from);
		return at + other->size - from;
	}
}

static void
vary(unsigned n)
{
	const struct input *in;
	size_t size, max;
	uint8_t *data;

	while (n-- > 0) {
		in = &corpus[roll(ncorpus)];
		max = in->size + GROWTH_MAX;
		data = malloc(max);
		if (data == NULL)
			return;
		memcpy(data, in->data, in->size);
		size = in->size;
		for (size_t i = 1 + roll(4); i > 0; i--)
			size = vary_once(data, size, max);
		(void)LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
}

/* How many inputs were run; -1 for none that could be read. */
static int
run_folder(const char *folder)
{
	char path[4096];
	struct dirent *e;
	int n = 0, rc;
	DIR *d;

	d = opendir(folder);
	if (d == NULL) {
		(void)fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return -1;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		rc = snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (rc < 0 || (size_t)rc >= sizeof(path) || run_file(path) < 0)
			n = -1;
		if (n < 0)
			break;
		n++;
	}
	(void)closedir(d);
	return n;
}

static int
run(const char *path)
{
	struct stat st;
	bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);

	return folder ? run_folder(path) : run_file(path);
}

int
main(int argc, char **argv)
{
	const char *srcdir = getenv("OTPD_SRCDIR");
	const char *target = strrchr(argv[0], '/');
	char folder[4096];
	int i, n, total = 0;

	target = target == NULL ? argv[0] : target + 1;
	if (strncmp(target, "fuzz_", 5) == 0)
		target += 5;
	if (argc == 1) {
		(void)snprintf(folder, sizeof(folder),
		    "%s/tests/fuzz/corpus/%s", srcdir == NULL ? "." : srcdir,
		    target);
		total = run(folder);
		if (total > 0)
			vary(fuzz_variations);
	}
	for (i = 1; i < argc && total >= 0; i++) {
		n = run(argv[i]);
		total = n < 0 ? -1 : total + n;
	}
	while (ncorpus > 0)
		free(corpus[--ncorpus].data);
	(void)printf("%s: %d inputs\n", target, total);
	return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
