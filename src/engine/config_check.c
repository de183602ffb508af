/* SPDX-License-Identifier: ISC */
/*
 * otp-engine -n; see config_check.h.
 */
#include "engine/config_check.h"

#include <stdio.h>

#include "engine/config.h"

int
config_check_main(const char *file, const char *runtime_dir)
{
	const struct config_context cx = { .runtime_dir = runtime_dir };
	struct config *c = config_load(file, &cx);
	char line[8192];
	size_t i;
	int rc;

	for (i = 0; i < c->nerrors; i++) {
		config_error_format(&c->errors[i], line, sizeof(line));
		(void)fputs(line, stderr);
	}
	rc = c->nerrors > 0;
	config_free(c);
	return rc;
}
