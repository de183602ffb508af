/* SPDX-License-Identifier: ISC */
/*
 * What is no error of a configuration and yet lets a start fail on this
 * machine: a program, user or folder that is not there.  Asked for by those
 * who check only.  And what is allowed but hardly meant.  Never keeps anybody
 * from starting.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/config_read.h"
#include "engine/config_value.h"

#define HARDLY_MS	100	/* to stop in; who writes less means seconds */

#define warn_at(r, item, ...) \
	config_warn(r, json_value_place(&(r)->source->doc, item), __VA_ARGS__)

/* Which of the keys about users is it that was given? */
static const cJSON *
who_item(const struct draft *d)
{
	static const int keys[] = { KEY_user, KEY_group, KEY_groups,
	    KEY_allow };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (d->given[keys[i]] != NULL)
			return d->given[keys[i]];
	return d->given[KEY_start];
}

static void
warn_program(struct reader *r, const struct draft *d, const char *program)
{
	const cJSON *at = d->given[KEY_start]->child;
	char path[PATH_SIZE];
	struct stat st;

	if (strchr(program, '/') == NULL) {
		warn_at(r, at, "warning: no program `%.100s` in PATH: "
		    "it cannot be started here", program);
		return;
	}
	(void)snprintf(path, sizeof(path), "%s%s%s",	/* "/" by default */
	    program[0] == '/' || d->cwd == NULL ? "" : d->cwd,
	    program[0] == '/' ? "" : "/", program);
	if (stat(path, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			warn_at(r, at, strchr(program, ' ') != NULL ?
			    "warning: no program `%.200s`: write each "
			    "argument as a string of its own" :
			    "warning: no program `%.200s`: it cannot be "
			    "started here", path);
	} else if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0) {
		warn_at(r, at, "warning: `%.200s` is no program that may be "
		    "executed", path);
	}
}

/* The file itself is made; its folder is not. */
static void
warn_output(struct reader *r, const cJSON *at, const char *path)
{
	const char *end = strrchr(path, '/');
	char folder[PATH_SIZE];
	struct stat st;

	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(end - path), path);
	if (stat(folder[0] != '\0' ? folder : "/", &st) < 0 && errno == ENOENT)
		warn_at(r, at, "warning: no folder `%s`: it cannot be started "
		    "here", folder);
}

void
warn_of(struct reader *r, const struct draft *d, const char *who_problem,
    const char *program)
{
	const char *limit = config_limit_refused(d->limits, d->nlimits);
	struct stat st;

	if (who_problem != NULL)
		warn_at(r, who_item(d), "warning: %s: it cannot be started "
		    "here", who_problem);
	if (limit != NULL)
		warn_at(r, d->given[KEY_limits], "warning: limit `%s` is more "
		    "than this machine allows: it cannot be started here",
		    limit);
	if (d->cwd != NULL && stat(d->cwd, &st) < 0 && errno == ENOENT)
		warn_at(r, d->given[KEY_cwd], "warning: no folder `%s`: it "
		    "cannot be started here", d->cwd);
	if (d->out == SPAWN_DEST_FILE)
		warn_output(r, d->given[KEY_stdout], d->out_path);
	if (d->err == SPAWN_DEST_FILE)
		warn_output(r, d->given[KEY_stderr], d->err_path);
	warn_program(r, d, program);
}

void
warn_of_slips(struct reader *r, const struct draft *d)
{
	uint32_t ms = d->spec.shutdown_ms;

	if (d->given[KEY_shutdown] != NULL && ms > 0 && ms < HARDLY_MS)
		warn_at(r, d->given[KEY_shutdown], "warning: `shutdown` is in "
		    "milliseconds: %u s would be %u000", ms, ms);
	if (d->ready == READY_NOTIFY && d->given[KEY_start_timeout] == NULL)
		warn_at(r, d->given[KEY_ready], "warning: if it never gets "
		    "ready, what comes next waits for ever: add "
		    "`start_timeout`, in milliseconds or \"infinity\"");
}
