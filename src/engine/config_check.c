/* SPDX-License-Identifier: ISC */
/*
 * otp-engine -n; see config_check.h.
 */
#include "engine/config_check.h"

#include <stdio.h>

#include "engine/config.h"

static void
print(const struct config_error *list, size_t n)
{
	char line[8192];

	for (size_t i = 0; i < n; i++) {
		config_error_format(&list[i], line, sizeof(line));
		(void)fputs(line, stderr);
	}
}

int
config_check_main(const char *file, const char *runtime_dir, bool quiet)
{
	const struct config_context cx = { .runtime_dir = runtime_dir,
	    .warn = !quiet };
	struct config *c = config_load(file, &cx);
	int rc = c->nerrors > 0;

	print(c->errors, c->nerrors);
	if (!quiet)
		print(c->warnings, c->nwarnings);
	config_free(c);
	return rc;
}
