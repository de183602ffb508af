/* SPDX-License-Identifier: ISC */
/*
 * See pool_people.h.  Every wait is for an answer, and fails after WANT_MS.
 */
#include "workers/pool_people.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECKOUT	"{\"op\":\"checkout\"}"

void
pool_house(struct house *h, const char *test, const char *more)
{
	char text[1024];

	house_init(h, test);
	(void)snprintf(text, sizeof(text), "{\"id\":\"db\",\"type\":\"pool\","
	    "%s\"template\":{\"start\":[\"%s\"]}}", more,
	    house_program(h, "tests/integration/service"));
	house_child(h, text);
	house_start(h);
}

struct otp *
person(struct house *h)
{
	struct otp_options options = { .size = sizeof(options) };
	char run[256];
	struct otp *o;

	(void)snprintf(run, sizeof(run), "%s/run", h->rig.dir);
	options.runtime_dir = run;
	o = otp_new(&options);
	want(h, o != NULL);
	return o;
}

const char *
takes(struct house *h, struct otp *o)
{
	static char path[8][PATH];
	static int i;

	i = (i + 1) % 8;
	if (otp_pool_checkout(o, "db", WANT_MS, path[i], PATH) < 0)
		rig_fail(&h->rig, "no worker: %s", otp_reason(o));
	return path[i];
}

void
gives(struct house *h, struct otp *o, const char *worker)
{
	want(h, otp_pool_checkin(o, "db", worker) == 0);
}

struct otp_pool_status
status(struct house *h, struct otp *o)
{
	struct otp_pool_status s;

	if (otp_pool_status(o, "db", WANT_MS, &s) < 0)
		rig_fail(&h->rig, "no status: %s", otp_reason(o));
	return s;
}

static uint32_t
figure(const struct otp_pool_status *s, enum figure f)
{
	switch (f) {
	case FREE:
		return s->free;
	case OVERFLOW:
		return s->overflow;
	case HELD:
		return s->held;
	case WAITING:
		return s->waiting;
	}
	return 0;
}

void
until(struct house *h, enum figure f, uint32_t wanted)
{
	time_t end = time(NULL) + WANT_MS / 1000;
	struct otp_pool_status s;

	do {
		s = status(h, h->o);
		if (figure(&s, f) == wanted)
			return;
	} while (time(NULL) < end);
	rig_fail(&h->rig, "figure %d is %u, not %u", (int)f, figure(&s, f),
	    wanted);
}

void
is(struct house *h, struct otp *o, enum otp_pool_state state, uint32_t free,
    uint32_t overflow, uint32_t held)
{
	struct otp_pool_status s = status(h, o);

	if (s.state != state || s.free != free || s.overflow != overflow ||
	    s.held != held)
		rig_fail(&h->rig, "state %d free %u overflow %u held %u, not "
		    "%d %u %u %u", (int)s.state, s.free, s.overflow, s.held,
		    (int)state, free, overflow, held);
}

uint64_t
queues(struct house *h, struct otp *o, uint32_t n)
{
	uint64_t ref;

	want(h, otp_send_request(o, "db", CHECKOUT, strlen(CHECKOUT), &ref) ==
	    0);
	(void)otp_flush(o);
	until(h, WAITING, n);
	return ref;
}

const char *
served(struct house *h, struct otp *o, uint64_t ref)
{
	static char path[PATH];
	char *reply = NULL;
	int rc = otp_receive_response(o, ref, WANT_MS, &reply, NULL);
	cJSON *answer = rc < 0 ? NULL : cJSON_Parse(reply);

	if (rc < 0)
		rig_fail(&h->rig, "not served: %s", otp_reason(o));
	(void)snprintf(path, sizeof(path), "%s",
	    house_text(answer, "worker"));
	want(h, path[0] != '\0');
	cJSON_Delete(answer);
	free(reply);
	return path;
}

pid_t
holder(struct house *h, int n, int told)
{
	char path[PATH];
	struct otp *o;
	pid_t pid = fork();

	want(h, pid >= 0);
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	o = person(h);
	for (int i = 0; i < n; i++)
		if (otp_pool_checkout(o, "db", OTP_INFINITY, path, PATH) < 0)
			_exit(1);
	if (told >= 0)
		(void)!write(told, "", 1);
	for (;;)
		(void)pause();
}

void
kills(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

void
kill_worker(struct house *h, const char *path)
{
	want(h, kill(house_pid(h, path), SIGKILL) == 0);
}
