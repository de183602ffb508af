/* SPDX-License-Identifier: ISC */
/*
 * A running otpd whose workers are probes, and one caller of them.  A test
 * has a process and an otpd of its own; whatever is not as wanted ends it, and
 * leaves nothing behind.
 */
#ifndef OTPD_TESTS_HOUSE_H
#define OTPD_TESTS_HOUSE_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "libotp/otp.h"
#include "oracle/process_rig.h"

struct house {
	struct rig	 rig;
	struct otp	*o;
	char		 config[8192];	/* being written */
	char		 root[1024];	/* more members of its root */
	bool		 crashed;	/* an engine was killed on purpose */
};

#define WANT_MS	15000		/* no wait of a test is longer */

#define want(h, condition) \
	do { \
		if (!(condition)) \
			rig_fail(&(h)->rig, "%s:%d: not so: %s", __FILE__, \
			    __LINE__, #condition); \
	} while (0)

/* A directory without an otpd; then children, then start. */
void	house_init(struct house *h, const char *test);
/* A probe registered under its id.  more: members of its spec, or "". */
void	house_probe(struct house *h, const char *id, const char *more);
void	house_child(struct house *h, const char *json);
/* Members of the root, before the start. */
void	house_root(struct house *h, const char *members);
/* What follows, up to the close, are children of this supervisor. */
void	house_open(struct house *h, const char *id, const char *more);
void	house_close(struct house *h);
/* Where a probe's program is. */
const char *house_program(struct house *h, const char *name);
void	house_start(struct house *h);
/* The whole: probes of these names, separated by spaces, and started. */
void	house_of(struct house *h, const char *test, const char *ids);
/* Stop everything, and find nothing left of it. */
void	house_done(struct house *h);

/* What init of this probe does from now on; NULL: nothing special. */
void	house_mode(struct house *h, const char *id, const char *mode);
/* What was written in said.ID: the caller frees. */
char	*house_said(struct house *h, const char *id);

/* A call to a probe that is answered: the caller deletes. */
cJSON	*house_ask(struct house *h, const char *to, const char *format, ...)
	    __attribute__((format(printf, 3, 4)));
/* The same for its "rc": 0 or an error. */
int	house_do(struct house *h, const char *to, const char *format, ...)
	    __attribute__((format(printf, 3, 4)));
/* A call that fails with this error, and this reason. */
void	house_fails(struct house *h, int error, const char *reason,
	    const char *to, const char *request);
/* A connection to the socket of this path, non-blocking. */
int	house_connect(struct house *h, const char *path);
/* A call that is not waited for. */
uint64_t house_send(struct house *h, const char *to, const char *request);
/* Its outcome: 0 or the error, whose reason is otp_reason(h->o). */
int	house_outcome(struct house *h, uint64_t request);
/* The n infos that a probe has had, as soon as they are n. */
cJSON	*house_heard(struct house *h, const char *to, int n);
/* One of them: kind, who it is about, reason. */
void	house_heard_is(struct house *h, const cJSON *heard, int i,
	    const char *kind, const char *who, const char *reason);
/* It has heard this, and nothing else. */
void	house_hears(struct house *h, const char *to, const char *kind,
	    const char *who, const char *reason);

/* A request to the engine that is answered with an object. */
cJSON	*house_control(struct house *h, const char *format, ...)
	    __attribute__((format(printf, 2, 3)));
/* ... in which this is the value of key; NULL: it has no such key. */
void	house_order(struct house *h, const char *key, const char *value,
	    const char *format, ...) __attribute__((format(printf, 4, 5)));
const char *house_text(const cJSON *object, const char *key);
double	house_number(const cJSON *object, const char *key);
int	house_pid(struct house *h, const char *path);
int	house_generation(struct house *h, const char *path);
void	house_await(struct house *h, const char *path, const char *state);
/* This incarnation ends with the reason. */
void	house_ends(struct house *h, const char *path, int generation,
	    const char *reason);
/* Its status: state and the reason of its last end. */
void	house_is(struct house *h, const char *path, const char *state,
	    const char *reason);
/* Nothing starts, stops or waits. */
void	house_settle(struct house *h);
/* kill -9, and the next engine serves. */
void	house_kill_engine(struct house *h);
/* The next one does not come before otpd is sent SIGCONT. */
void	house_kill_engine_for_now(struct house *h);
/* kill -9 of otpd itself, and the next one serves. */
void	house_kill_otpd(struct house *h);

#endif /* OTPD_TESTS_HOUSE_H */
