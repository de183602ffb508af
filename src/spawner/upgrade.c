/* SPDX-License-Identifier: ISC */
/*
 * The upgrade.  The new program is started once, as a child, to say whether it
 * can read what it would be handed; nobody waits for it, and nothing has
 * changed until it has said yes.  What it does not say within its time is no.
 */
#include "spawner/upgrade.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "spawner/crash.h"
#include "spawner/spawn.h"

#define PATIENCE	(5000 * MS)

static void
answer(struct spawner *sp, enum spawn_upgrade_outcome outcome, int step,
    int error, int status)
{
	struct upgrade *u = &sp->upgrade;

	u->told = (struct spawn_upgraded){ .outcome = outcome,
	    .step = (uint32_t)step, .error = error, .status = status };
	u->phase = UPGRADE_NOT;
	sp->untold.upgraded = true;
	sp->untold.upgraded_inc = u->token;
}

/* It gets nothing of ours but the question. */
static int
ask(struct spawner *sp, struct report *out)
{
	struct upgrade *u = &sp->upgrade;
	char form[MANIFEST_FORM];
	const char *argv[] = { u->path, "--takes", form, NULL };
	struct job job = {
		.argv = argv, .env = (const char *const *)sp->env, .cwd = "",
		.uid = SPAWN_KEEP, .gid = SPAWN_KEEP, .umask = SPAWN_KEEP,
		.nfds = 3, .service = true
	};
	int slot;

	manifest_form(form);
	for (slot = 0; slot < 3; slot++)
		(void)spawn_stage(sp, slot, sp->null);
	return spawn(sp, &job, &u->pid, out);
}

/* The path in the order, or otpd's own; NULL: it makes no sense. */
static const char *
path_of(struct spawner *sp, const struct spawn_header *h)
{
	const char *path = (const char *)(h + 1);
	size_t len = h->len - sizeof(*h);

	if (len == 0 || memchr(path, '\0', len) == NULL)
		return NULL;
	if (path[0] == '\0')
		path = sp->carried->c.program;
	return path[0] == '/' && strlen(path) < PATH_MAX ? path : NULL;
}

void
upgrade_order(struct spawner *sp, const struct spawn_header *h)
{
	struct upgrade *u = &sp->upgrade;
	const char *path = path_of(sp, h);
	struct report report = { SPAWN_STEP_ORDER, EINVAL };

	u->token = h->inc;
	if (u->phase != UPGRADE_NOT)	/* another engine asked: this one */
		return;			/* gets the answer */
	if (sp->quit.phase != QUIT_NOT) {
		answer(sp, SPAWN_UPGRADE_ENDING, 0, 0, 0);
		return;
	}
	if (path != NULL)
		memcpy(u->path, path, strlen(path) + 1);
	if (path == NULL || ask(sp, &report) < 0) {
		answer(sp, SPAWN_UPGRADE_FAILED, (int)report.step,
		    report.error, 0);
		return;
	}
	u->phase = UPGRADE_ASKS;
	u->deadline_ns = now_ns() + PATIENCE;
}

bool
upgrade_asked(struct spawner *sp, int pid, int status)
{
	struct upgrade *u = &sp->upgrade;

	if (u->pid == 0 || u->pid != pid)
		return false;
	u->pid = 0;
	if (u->phase != UPGRADE_ASKS)
		return true;
	if (!WIFEXITED(status) || (WEXITSTATUS(status) != UPGRADE_TAKES &&
	    WEXITSTATUS(status) != UPGRADE_REFUSES))
		answer(sp, SPAWN_UPGRADE_STRANGE, 0, 0, status);
	else if (WEXITSTATUS(status) == UPGRADE_REFUSES)
		answer(sp, SPAWN_UPGRADE_REFUSED, 0, 0, status);
	else
		u->phase = UPGRADE_GOES;
	return true;
}

void
upgrade_tick(struct spawner *sp, uint64_t now)
{
	struct upgrade *u = &sp->upgrade;
	int rc;

	if (u->phase == UPGRADE_ASKS && now >= u->deadline_ns) {
		(void)kill(u->pid, SIGKILL);
		answer(sp, SPAWN_UPGRADE_SILENT, 0, 0, 0);
	}
	if (u->phase != UPGRADE_GOES)
		return;
	if (sp->quit.phase != QUIT_NOT) {
		answer(sp, SPAWN_UPGRADE_ENDING, 0, 0, 0);
		return;
	}
	sp->carried->upgrading = 1;
	rc = crash_become(sp, u->path);
	sp->carried->upgrading = 0;
	answer(sp, SPAWN_UPGRADE_FAILED, SPAWN_STEP_EXEC, -rc, 0);
}
