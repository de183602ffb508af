/* SPDX-License-Identifier: ISC */
/*
 * The upgrade of otpd, as the engine sees it: it asks the spawner, and is
 * answered only when it was refused.  When it was not, this engine is killed,
 * and the next one answers whoever asks again.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/control.h"
#include "engine/worker.h"
#include "wire/reason.h"

static void
answer_done(struct engine *e, const struct caller *c)
{
	struct out o = { 0 };

	out_text(&o, "{\"result\":\"ok\"");
	out_key_string(&o, "from", e->otpd.from);
	out_key_string(&o, "version", e->otpd.version_text);
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}

/*
 * "after" is the number of upgrades that the caller has seen: once there are
 * more of them it has what it wanted, so that asking twice does no harm.
 */
void
op_upgrade(struct engine *e, const struct caller *c)
{
	const cJSON *after = cJSON_GetObjectItemCaseSensitive(c->request,
	    "after");
	const char *file = control_string(c, "file");

	if (worker_is_link(c->peer)) {
		control_refuse(e, c, "permission", "a worker may not upgrade "
		    "otpd");
		return;
	}
	if (cJSON_IsNumber(after) && after->valuedouble < e->otpd.upgrades) {
		answer_done(e, c);
		return;
	}
	if (file != NULL && (file[0] != '/' || strlen(file) >= PATH_MAX)) {
		control_refuse(e, c, "invalid", "the file of an upgrade is an "
		    "absolute path");
		return;
	}
	if (e->upgrade.peer != 0) {
		control_refuse(e, c, "running", "another upgrade is under way");
		return;
	}
	if (file == NULL)
		file = "";
	e->upgrade.peer = c->peer;
	e->upgrade.ref = c->ref;
	(void)snprintf(e->upgrade.file, sizeof(e->upgrade.file), "%s", file);
	link_put(&e->spawner, SPAWN_UPGRADE, ++e->upgrade.token, file,
	    strlen(file) + 1);
}

/* Why it was refused, for people. */
static void
words_of(const struct engine *e, const struct spawn_upgraded *told, char *out,
    size_t size)
{
	const char *file = e->upgrade.file[0] != '\0' ? e->upgrade.file :
	    "the file that otpd was started from";
	char how[REASON_MAX], words[REASON_MAX + 64];

	switch (told->outcome) {
	case SPAWN_UPGRADE_FAILED:
		(void)snprintf(out, size, "%.200s cannot be started: %s", file,
		    world_exec_words(e->upgrade.file, told->error));
		return;
	case SPAWN_UPGRADE_STRANGE:
		reason_from_status(told->status, false, how);
		reason_words(how, words, sizeof(words));
		(void)snprintf(out, size, "%.200s is no otpd that can be "
		    "upgraded to: asked, it %.150s", file, words);
		return;
	case SPAWN_UPGRADE_REFUSED:
		(void)snprintf(out, size, "%.200s cannot read the table of this "
		    "otpd: to use it, stop this one and start that", file);
		return;
	case SPAWN_UPGRADE_SILENT:
		(void)snprintf(out, size, "%.200s is no otpd that can be "
		    "upgraded to: asked, it did not answer", file);
		return;
	case SPAWN_UPGRADE_ENDING:
		(void)snprintf(out, size, "otpd is about to end");
		return;
	default:
		(void)snprintf(out, size, "otpd refused it");
	}
}

void
engine_told_upgraded(struct engine *e, uint64_t token,
    const struct spawn_upgraded *told)
{
	struct caller c = { .peer = e->upgrade.peer, .ref = e->upgrade.ref };
	struct event ev = { .type = EVENT_UPGRADE_REFUSED };
	char words[512];

	if (token != e->upgrade.token || e->upgrade.peer == 0)
		return;
	words_of(e, told, words, sizeof(words));
	e->upgrade.peer = 0;
	ev.reason = words;
	if (e->rung != SPAWN_RUNG_HOLD)
		(void)events_add(e->events, &ev);
	control_refuse(e, &c, "refused", "%.480s; nothing has changed", words);
}

/* Of this otpd's predecessors. */
static void
note_killed(struct engine *e)
{
	const struct spawn_welcome *otpd = &e->otpd;
	struct event ev = { .type = EVENT_SPAWNER_KILLED, .pid = getppid() };
	char reason[REASON_MAX];

	if (otpd->killed > e->saved.otpd_killed) {
		ev.reason = "its services were taken over";
		(void)events_add(e->events, &ev);
		if (!e->quiet)
			engine_say("took over what runs, and the configuration "
			    "that it runs by: otpctl reload reads %s",
			    e->config_file);
	} else if (otpd->survivors > e->saved.otpd_survivors) {
		(void)snprintf(reason, sizeof(reason), "%u of the processes "
		    "that it left were stopped", otpd->survivors);
		ev.reason = reason;
		(void)events_add(e->events, &ev);
	}
}

/* What became of otpd itself since the last engine knew it. */
void
engine_note_otpd(struct engine *e)
{
	const struct spawn_welcome *otpd = &e->otpd;
	struct event ev = { .type = EVENT_SPAWNER_CRASHED };
	char reason[REASON_MAX];
	uint32_t n;

	note_killed(e);
	n = otpd->crashes - e->saved.otpd_crashes;
	if (n > 0 && otpd->crashes > e->saved.otpd_crashes) {
		if (n > OTPD_CRASHES_TOLD)
			n = OTPD_CRASHES_TOLD;
		for (; n > 1; n--)	/* of these the signal is not known */
			(void)events_add(e->events, &ev);
		reason_from_status(otpd->crash_signal, false, reason);
		ev.reason = reason;
		(void)events_add(e->events, &ev);
	}
	if (otpd->upgrades > e->saved.otpd_upgrades) {
		(void)snprintf(reason, sizeof(reason), "from %s to %s",
		    otpd->from, otpd->version_text);
		ev.type = EVENT_UPGRADED;
		ev.reason = reason;
		ev.pid = getppid();
		(void)events_add(e->events, &ev);
	}
}
