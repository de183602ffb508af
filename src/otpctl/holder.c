/* SPDX-License-Identifier: ISC */
/*
 * Whose a runtime directory is, as its lock says: to know whether an otpd may
 * be on its way, and to say why none answers.  Never takes the lock, not even
 * for an instant: an otpd that is just starting would be refused.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "otpctl/otpctl.h"
#include "wire/ended.h"

static FILE *
open_file(const struct ctl *c, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", c->runtime_dir, name) >=
	    (int)sizeof(path))
		return NULL;
	return fopen(path, "re");
}

/* Dead and unburied counts as well. */
static bool
has_ended(int pid)
{
	struct pollfd p = { .events = POLLIN };
	bool ended;

	p.fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (p.fd < 0)
		return errno == ESRCH;
	ended = poll(&p, 1, 0) == 1;
	(void)close(p.fd);
	return ended;
}

int
ctl_killed_pid(const struct ctl *c)
{
	FILE *f = open_file(c, "lock");
	char text[32];
	int pid = 0;

	if (f == NULL)
		return 0;
	if (fgets(text, sizeof(text), f) != NULL)
		pid = atoi(text);
	(void)fclose(f);
	return pid > 0 && has_ended(pid) ? pid : 0;
}

/* "1: FLOCK  ADVISORY  WRITE 812 fe:00:1234 0 EOF" */
bool
ctl_is_held(const struct ctl *c)
{
	FILE *f = open_file(c, "lock"), *locks;
	uintmax_t inode;
	struct stat st;
	char line[256];
	bool held = false;

	if (f == NULL)
		return false;
	if (fstat(fileno(f), &st) < 0)
		st.st_ino = 0;
	(void)fclose(f);
	locks = fopen("/proc/locks", "re");
	if (locks == NULL)
		return ctl_killed_pid(c) == 0;
	while (!held && fgets(line, sizeof(line), locks) != NULL)
		held = sscanf(line, "%*d: FLOCK %*s %*s %*d %*x:%*x:%" SCNuMAX,
		    &inode) == 1 && inode == st.st_ino;
	(void)fclose(locks);
	return held;
}

void
ctl_say_end(const struct ctl *c)
{
	FILE *f = open_file(c, ENDED_FILE);
	struct buf when = { NULL, 0, 0 };
	const char *at, *why;
	char text[8192];
	size_t n = 0;
	cJSON *o;

	if (f != NULL) {
		n = fread(text, 1, sizeof(text), f);
		(void)fclose(f);
	}
	o = cJSON_ParseWithLength(text, n);
	at = ctl_string(o, "at");
	why = ctl_string(o, "why");
	if (at != NULL && why != NULL) {
		look_span(&when, look_now() - look_time(at), false);
		buf_puts(&when, " ago (");
		look_date(&when, look_time(at), false);
		ctl_warn("it ended by itself %s): %s", when.data, why);
	}
	buf_done(&when);
	cJSON_Delete(o);
}
