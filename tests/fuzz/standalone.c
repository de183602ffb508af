/* SPDX-License-Identifier: ISC */
/*
 * Runs a fuzz target without a fuzzing engine: on the files and folders given,
 * or, as make check does, on its part of the corpus in the tree.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX	(1024 * 1024)

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
	free(data);
	return 1;
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
	char corpus[4096];
	int i, n, total = 0;

	target = target == NULL ? argv[0] : target + 1;
	if (strncmp(target, "fuzz_", 5) == 0)
		target += 5;
	if (argc == 1) {
		(void)snprintf(corpus, sizeof(corpus),
		    "%s/tests/fuzz/corpus/%s", srcdir == NULL ? "." : srcdir,
		    target);
		total = run(corpus);
	}
	for (i = 1; i < argc && total >= 0; i++) {
		n = run(argv[i]);
		total = n < 0 ? -1 : total + n;
	}
	(void)printf("%s: %d inputs\n", target, total);
	return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
