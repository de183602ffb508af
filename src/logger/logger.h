/* SPDX-License-Identifier: ISC */
/*
 * What the rooms of otp-logger share.  A stream is a service's log: a pipe
 * that the spawner hands over and settings that the engine tells, joined by
 * the log key in either order.  stream.c joins and reads them, stamp.c marks
 * lines with the time, sink.c writes and rotates and bears a full disk,
 * follow.c serves readers from the files, control.c their requests.
 */
#ifndef OTPD_LOGGER_LOGGER_H
#define OTPD_LOGGER_LOGGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libotp/server.h"
#include "logger/logfile.h"
#include "loop/loop.h"

#define LOG_BUDGET	65536	/* bytes a stream may have in a turn */
#define LOG_LINE_MAX	65536	/* a longer one is cut, where lines matter */
#define LOG_NOTE_MAX	128	/* a line of our own in a log */
#define LOG_EXPECTED_MAX 4096
#define LOG_FAULT_MS	1000	/* between attempts to write again */

struct carry_room;
struct carry_slot;
struct logger;
struct reader;
struct log_stream;

enum stream_flag {
	STREAM_SETTLED	= 0x01,	/* its settings are known */
	STREAM_REFUSED	= 0x02,	/* its name is not one: all is dropped */
	STREAM_STAMP	= 0x04,	/* lines get the time in front */
	STREAM_LEVEL	= 0x08,	/* there was more to read than a budget */
	STREAM_FAULT	= 0x10,	/* cannot be written now */
	STREAM_SKIP	= 0x20,	/* a line was dropped half: to its end */
	STREAM_MIDLINE	= 0x40,	/* the file does not end in a newline */
	STREAM_FOLLOWED	= 0x80,	/* somebody reads it as it grows */
	STREAM_DROPPED	= 0x100,	/* its pipe is to be closed */
	STREAM_FORGOTTEN = 0x200,	/* it is to go altogether */
	STREAM_PIPED	= 0x400		/* its pipe has come, ever */
};

struct stream {			/* ten thousand of them: keep it small */
	struct logger	*lg;
	struct stream	*key_next, *name_next;	/* of one bucket */
	struct stream	*lru_prev, *lru_next;	/* while its file is open */
	uint64_t	 key;
	uint64_t	 handle;	/* of pipe, in the loop; or 0 */
	uint64_t	 max_bytes;
	uint64_t	 rotate_at;	/* when a rotation has failed */
	uint64_t	 dropped_bytes, dropped_lines;	/* to be said in it */
	struct carry_slot *parked;	/* read, but not yet written: a fault */
	uint32_t	 drop;		/* where the dropped are kept, too; 0 */
	uint32_t	 text;		/* of a line so far, if stamped */
	uint32_t	 keep;
	uint32_t	 flags;		/* enum stream_flag */
	int		 pipe, file;	/* -1: none */
	char		 name[];	/* "" until it is settled */
};

struct logger {
	struct loop	*loop;
	struct server	*server;
	struct logdir	 dir;
	/* stream.c */
	struct stream	**by_key, **by_name;
	size_t		 nbuckets;	/* a power of two */
	size_t		 nstreams, npipes;
	/* sink.c */
	struct stream	*lru_first, *lru_last;
	size_t		 nopen;
	size_t		 nofile;	/* descriptors this process may have */
	size_t		 nfaults;
	size_t		 fault_bucket;	/* where the next attempts begin */
	struct loop_timer fault_timer;
	int		 said_error;
	int		 retry_error;	/* why the one below was in vain */
	bool		 retrying;	/* a fault may be over */
	/* carry.c, carry_start.c */
	struct carry_room *carry;
	struct carry_slot *playing;	/* its data are being handed on */
	uint64_t	 played;	/* bytes of what they become */
	size_t		 nparked;
	/* follow.c */
	struct reader	*readers;
	unsigned	 nreaders;
	struct loop_timer reader_timer;
	/* control.c */
	struct loop_timer rotate_timer;
	size_t		 rotate_bucket;
	server_peer	 rotate_peer;
	uint64_t	 rotate_ref;
	/* channel.c */
	uint64_t	 channel, link;	/* the loop's handles; 0: it has gone */
	uint64_t	 told_below;	/* keys whose names will not come, if
					 * they have not */
	bool		 sync;		/* the engine waits for all lines */
	size_t		 nunnamed;	/* pipes closed with lines, but without
					 * a name; unsaid */
	size_t		 orphan_bucket;	/* where a pipe lived, without otpd */
	uint64_t	*closing;	/* keys of streams that are to end */
	size_t		 nclosing, closing_size;
	uint64_t	*expected;	/* forgotten, but the pipe has yet to
					 * come: a ring of LOG_EXPECTED_MAX */
	size_t		 nexpected;	/* ever */
	struct answer	*answers;	/* for spawner and engine, unsent */
	size_t		 nanswers, answers_size;
	bool		 full;		/* it waits for room */
	/* answer.c */
	struct loop_timer well_timer;	/* when to tell that all is well */
	uint64_t	 well_ms;	/* when that, or a fault, was told */
	uint64_t	 well_after_ms;
	uint64_t	 lost_bytes, lost_lines;	/* told until then */
	bool		 finish;
	/* counted since the start */
	uint64_t	 bytes, dropped_bytes, dropped_lines;
	uint64_t	 files, rotations;	/* opened, rotated */
};

/* --- main.c: words to whoever runs us, one line each --- */
void	say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	say_fatal(const char *what, int error) __attribute__((noreturn));
void	*xrealloc(void *p, size_t size);

/* --- stream.c --- */
struct stream *stream_find(const struct logger *lg, uint64_t key);
struct stream *stream_named(const struct logger *lg, const char *name);
/* A pipe's read end, which is taken over.  The same pipe again is nothing. */
void	stream_pipe(struct logger *lg, uint64_t key, int fd);
void	stream_settle(struct logger *lg, uint64_t key,
	    const struct log_stream *set, const char *name);
/* Write what is in the pipe now, then close it. */
void	stream_close_pipe(struct stream *s);
/* Write what is in all pipes now; where that fails it stays there. */
void	stream_write_all(struct logger *lg);
void	stream_free(struct stream *s);
void	stream_watch(struct stream *s);
/* Hand on what slot has but for what is in the file already. */
void	stream_replay(struct stream *s, struct carry_slot *slot);
/* Whose slot was found: settled as it was when that was read. */
struct stream *stream_carried(struct logger *lg,
	    const struct carry_slot *slot);
/* They are needed no longer than there is something left of them. */
void	stream_carried_all(struct logger *lg);
/* Say what was dropped now, be it in the middle of a line. */
void	stream_note(struct stream *s);

/* --- stamp.c --- */
/* The time in front of a line, NUL-ended: its length. */
#define STAMP_LEN	25	/* "2024-02-29T12:34:56.789Z " */
size_t	stamp_now(char out[STAMP_LEN + 1]);
/* Hand data on to sink_write() with the time it was read in front of lines. */
void	stamp_write(struct stream *s, const char *data, size_t len);

/* --- sink.c --- */
/* Open the file if it is not, or not there any more.  0, or negative errno
 * after a fault has begun. */
int	sink_open(struct stream *s);
/* Write, rotating when the file is full; what cannot be written is kept in its
 * slot or dropped and counted.  Only for what is being played. */
void	sink_write(struct stream *s, const char *data, size_t len);
/* Count data as dropped. */
void	sink_drop(struct stream *s, const char *data, size_t len);
void	sink_close(struct stream *s);
/* Say in the log what was dropped, once that is over; or at once. */
void	sink_note(struct stream *s);
void	sink_note_now(struct stream *s);
/* The file ends in the middle of a line, also one that is not open. */
bool	sink_midline(struct stream *s);
/* Try to get out of a fault: 0 or negative errno. */
int	sink_retry(struct stream *s);
void	sink_retry_all(void *arg);	/* the timer; arg: the logger */
/* Give up what is still pending, before the stream goes. */
void	sink_abandon(struct stream *s);
/* On request: 0 or negative errno. */
int	sink_rotate(struct stream *s);
/* Close the files that were least used until a descriptor is free. */
void	sink_make_room(struct logger *lg);

/* --- follow.c --- */
struct follow_request {
	const char	*name;
	uint64_t	 lines;
	bool		 follow;
	server_peer	 peer;
	uint64_t	 ref;
};
/* 0, -ENOENT: there is no such log, -EBUSY: too many readers. */
int	follow_start(struct logger *lg, const struct follow_request *r);
bool	follow_wanted(const struct logger *lg, const char *name);
/* False: nobody reads it any more. */
bool	follow_grown(struct logger *lg, const char *name);
/* Around a rotation: the file is about to go, it has gone. */
void	follow_rotating(struct logger *lg, const char *name);
void	follow_rotated(struct logger *lg, const char *name);
void	follow_gone(struct logger *lg, server_peer peer);
void	follow_turn(struct logger *lg);	/* at the end of every turn */

/* --- control.c --- */
extern const struct server_ops control_ops;
void	control_rotate_some(void *arg);	/* the timer; arg: the logger */

/* --- answer.c: what the spawner and the engine are told --- */
void	answer_drained(struct logger *lg, uint64_t key);
void	answer_forgotten(struct logger *lg, uint64_t key);
void	answer_synced(struct logger *lg);
/* A fault has begun, of key; and the last one is over. */
void	answer_fault(struct logger *lg, uint64_t key, int error);
void	answer_well(struct logger *lg);
void	answer_turn(struct logger *lg);		/* sends them */

/* --- channel.c --- */
void	channel_start(struct logger *lg);
void	channel_up(void);			/* it serves: tell otpd */
void	channel_turn(struct logger *lg);	/* at the end of every turn */
/* Everything that was told and that is in the pipes, before the end. */
void	channel_finish(struct logger *lg);

#endif /* OTPD_LOGGER_LOGGER_H */
