/* SPDX-License-Identifier: ISC */
/*
 * What happened, for people and for programs that wait: a bounded history of
 * numbered events.  When it is full the oldest are dropped, and a reader who
 * comes too late is told how many it missed.
 */
#ifndef OTPD_ENGINE_EVENTS_H
#define OTPD_ENGINE_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

struct out;

#define EVENT_LIST(X) \
	X(STARTING, "starting") X(STARTED, "started") X(READY, "ready") \
	X(START_FAILED, "start_failed") X(IGNORED, "ignored") \
	X(EXITED, "exited") X(STOPPING, "stopping") X(STOPPED, "stopped") \
	X(RESTARTING, "restarting") X(BACKOFF, "backoff") \
	X(GAVE_UP, "gave_up") X(AUTO_SHUTDOWN, "auto_shutdown") \
	X(ADDED, "added") X(REMOVED, "removed") X(RELOADED, "reloaded") \
	X(ENGINE_STARTED, "engine_started") \
	X(ENGINE_CRASHED, "engine_crashed") \
	X(LOGGER_STARTED, "logger_started") X(SIGNAL, "signal") \
	X(SHUTDOWN, "shutdown") X(FAULT, "fault") X(REFUSED, "refused") \
	X(RECOVERED, "recovered") X(OVERDUE, "overdue") \
	X(SPAWNER_CRASHED, "spawner_crashed") X(UPGRADED, "upgraded") \
	X(UPGRADE_REFUSED, "upgrade_refused") \
	X(SPAWNER_KILLED, "spawner_killed") \
	X(APPLICATION_EXITED, "application_exited")

enum event_type {
#define X(name, word) EVENT_##name,
	EVENT_LIST(X)
#undef X
	EVENT_NTYPES
};

struct event {			/* strings are borrowed; NULL: not said */
	uint64_t	 seq;
	uint64_t	 time_ms;	/* CLOCK_REALTIME */
	uint64_t	 mono_ns;
	enum event_type	 type;
	int32_t		 pid;		/* 0: not said */
	uint32_t	 generation;	/* 0: not said */
	uint32_t	 delay_ms;	/* EVENT_BACKOFF */
	bool		 meant;		/* EVENT_EXITED: it was to be killed */
	const char	*path, *reason, *child;
};

struct events;

struct events	*events_new(uint64_t first_seq);
void		 events_free(struct events *e);
/*
 * Before the first event: keep the history in a memfd, of which *out_fd is for
 * the next engine (the caller closes it); or take over the one that the engine
 * before left, as far as its numbers lead up to first_seq (fd is ours then).
 * 0 or negative errno; without either the history ends with the engine.
 */
int		 events_share(struct events *e, int *out_fd);
int		 events_adopt(struct events *e, int fd);
/* Number it, stamp it, keep it.  Returns its seq. */
uint64_t	 events_add(struct events *e, const struct event *ev);
uint64_t	 events_next_seq(const struct events *e);
uint64_t	 events_oldest_seq(const struct events *e);
/*
 * The first event with a number of at least seq: true with *out, whose strings
 * stay valid until the next events_add().  Consecutive calls are O(1).
 */
bool		 events_get(struct events *e, uint64_t seq, struct event *out);
/* Bytes that the next engine finds as they are, EVENTS_SCRATCH of them; NULL
 * when the history is not shared. */
#define EVENTS_SCRATCH	512
void		*events_scratch(struct events *e);
void		 event_json(const struct event *ev, struct out *o);
const char	*event_word(enum event_type type);
/* "2026-11-21T12:00:00.000Z" */
void		 event_time(uint64_t time_ms, char out[32]);

#endif /* OTPD_ENGINE_EVENTS_H */
