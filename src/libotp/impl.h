/* SPDX-License-Identifier: ISC */
/*
 * What the files of the public library share.  Nothing here is installed; the
 * names begin with otpi_ so that a program linked statically does not meet
 * them.  See otp.h for what is promised.
 */
#ifndef OTPD_LIBOTP_IMPL_H
#define OTPD_LIBOTP_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libotp/otp.h"
#include "wire/frame.h"

#define OTPI_READ	(64U * 1024)	/* bytes asked of one recv */
#define OTPI_CORK	(32U * 1024)	/* casts gathered before a send */
#define OTPI_SINK	(128U * 1024)	/* replies received without a copy */
#define OTPI_BIG	(16U * 1024)	/* payloads sent without a copy */
#define OTPI_SPARES	4
#define OTPI_LEAN	(8U * 1024)	/* of a spare: not worth giving back */
#define OTPI_SMALL	1024U		/* a payload that every HELLO accepts */
#define OTPI_SMALL_FRAME (FRAME_HEADER_LEN + OTPI_SMALL)
#define OTPI_IDLE_NS	(500 * 1000U)	/* after such a pause nobody is awake */
#define OTPI_TICK_MS	20		/* no machine's is longer */
#define OTPI_NOBODY_KNOWS "{engine_down,unknown}"
/* What a call runs through lies together: one that finds cold caches, as at one
 * a second, touches fewer pages. */
#define OTPI_HOT	__attribute__((hot))
#define OTPI_NSEC	1000000000ULL
#define OTPI_MSEC	1000000ULL

struct otpi_buf {
	uint8_t		*data;		/* NULL while empty */
	size_t		 pos, end, cap;	/* what counts is data[pos..end) */
};

enum otpi_kind {
	OTPI_CALLER, OTPI_DEST, OTPI_LINK, OTPI_LISTEN, OTPI_TIMERFD, OTPI_TASK
};

/*
 * One connection, either way.  A connection that has failed is only marked
 * (dead); whoever owns it takes it away when nothing refers to it any more.
 */
struct otpi_conn {
	enum otpi_kind	 kind;		/* first: what epoll points at */
	int		 fd;		/* -1: not connected */
	int		 dead;		/* 0 or why, a negative errno */
	bool		 greeted, dirty;
	bool		 bulky;		/* the last frame from there was */
	bool		 paused;	/* not read: too much waits for it */
	bool		 mute;		/* it reads no more; what it said counts */
	bool		 apart;		/* read without epoll, which costs both */
	uint32_t	 events;	/* asked of epoll; 0: not in it */
	uint32_t	 max_payload;	/* the other side accepts */
	uint32_t	 sleep_ms;	/* what its recv() may; 0: nothing */
	struct otpi_buf	 in, out;
	uint64_t	 sent;		/* bytes of out gone, ever */
	size_t		 full;		/* queued when it took no more; or 0 */
	size_t		 cut;		/* of out: the rest of a frame begun */
	char		 under;		/* the byte a NUL stands on, */
	bool		 nul;		/* if there is one, */
	uint32_t	 under_length;	/* and the length it is part of */
	struct otpi_conn *next_dirty;
	/* of callers */
	uint64_t	 id;		/* slot and generation; 0 never */
	uint64_t	 due;		/* of a HELLO or frame; 0: none awaited */
	struct otpi_conn *watch_prev, *watch_next;
	size_t		 held;		/* bytes of its frames in the mailbox */
	struct otpi_monitor *monitors;	/* of those who asked for its end */
	uid_t		 uid;
	int32_t		 pid;
};

struct otpi_dest {			/* a server this process speaks to */
	struct otpi_conn conn;		/* first */
	struct otpi_dest *next, *prev;	/* in order of use */
	struct otpi_dest *chain;	/* of the table */
	char		*address;
	bool		 named;		/* the address is a name, which may move */
	int		 refused;	/* 0 or the error it turned us away with */
	bool		 moved;		/* its name leads elsewhere now */
	uint64_t	 checked;	/* when the name was looked up, ns */
	char		*place;		/* the socket it led to then */
	char		*path;		/* of its HELLO, "" */
	char		*down;		/* its last words: the reason, or NULL */
	uint64_t	 generation;
	int32_t		 pid;
	struct frame_header sink_h;	/* a large reply on its way, */
	char		*sink;		/* received where it will stay; or NULL */
	size_t		 sink_have;
	uint32_t	 nrequests;	/* waiting for it */
	uint32_t	 nungreeted;	/* connections in a row, lost so */
	uint32_t	 nmonitors;
};

enum otpi_progress { OTPI_FREE, OTPI_WAITING, OTPI_DONE };

struct otpi_request {
	enum otpi_progress progress;
	bool		 sync;		/* somebody waits: no message of it */
	bool		 repeat;	/* -ERESTART when its answer was lost */
	bool		 doubt;		/* the engine that died may have had it */
	uint64_t	 ref;
	uint64_t	 task;		/* whose value it brings; 0 */
	struct otpi_conn *conn;
	uint64_t	 at;		/* where in the stream it begins */
	int		 error;
	char		*data;		/* the reply, or the reason */
	size_t		 len;
	char		*again;		/* itself, sent before the greeting */
	uint32_t	 again_len;
	uint32_t	 next_free;
};

struct otpi_tally {		/* of waits, and of what came by them */
	uint64_t	 ns, bytes, waits;
};

struct otpi_pace {		/* whether to poll before blocking: pace.c */
	uint64_t	 off_until, off_ns;
	struct otpi_tally polling, blocking;	/* lately */
	double		 poll_cost, block_cost;	/* ns a byte, when last known */
	uint64_t	 block_known;		/* when that was; 0: never */
	uint64_t	 last_wait, last_end, received;
	uint32_t	 misses, skipped, tries;
	bool		 off, slow;
};

struct otpi_mail {		/* a message of the mailbox */
	struct otpi_mail *next;
	uint64_t	 peer;		/* 0: the link, or this process itself */
	bool		 self;
	struct frame_header h;
	char		 data[];	/* and a NUL */
};

struct otpi_timer;
struct otpi_server;
struct otpi_task;

struct otp {
	struct otpi_server *srv;	/* NULL: only calls */
	char		*runtime_dir;
	int		 timeout_ms;
	unsigned int	 flags;
	uint32_t	 max_payload;
	size_t		 max_queued;
	enum otp_when_full when_full;
	struct otpi_buf	 spares[OTPI_SPARES];
	bool		 fat;		/* memory to be given back is in them */
	uint64_t	 trim_at;	/* when; 0: never, or not yet said */
	uint64_t	 clock;		/* a time not long ago, ns */
	struct otpi_conn *dirty, **dirty_end;	/* have something to send; */
	struct otpi_conn **said_end;	/* callers, those from here on */
	bool		 said;		/* another has, not tried yet */
	struct otpi_dest *dests, *oldest, *last;
	struct otpi_dest **table;	/* by address */
	struct otpi_dest *gone;		/* to be freed */
	uint32_t	 ndests, table_size;
	struct otpi_parts *parts;	/* see partition.c */
	struct otpi_request *requests;
	uint32_t	 nrequests, free_request;
	uint64_t	 next_ref;
	struct otpi_pace call_pace;
	uint64_t	 received;	/* bytes, of all connections, ever */
	struct otpi_task *tasks;
	uint64_t	 task_ref;	/* the last one's; 0: none yet */
	pid_t		 task_owner, pid;	/* a fork has another */
	bool		 task_gone;	/* some of them are to be freed */
	char		 reason[OTP_REASON_MAX];
	uint64_t	 next_checkout;
};

/* buf.c */
/* b->end is about to go back: it says how much of b has ever been used. */
void	otpi_buf_weigh(struct otp *o, const struct otpi_buf *b);
int	otpi_buf_take(struct otp *o, struct otpi_buf *b, size_t cap);
void	otpi_buf_drop(struct otp *o, struct otpi_buf *b);
void	otpi_buf_free_spares(struct otp *o, size_t above);
/* Room for more bytes at the end; moves what is there. */
int	otpi_buf_room(struct otp *o, struct otpi_buf *b, size_t more);

/* conn.c */
uint64_t otpi_now(void);			/* ns */
int	otpi_conn_recv(struct otp *o, struct otpi_conn *c);
int	otpi_conn_sleep(struct otp *o, struct otpi_conn *c, uint32_t ms);
/* recv() that sleeps for about ms at most. */
ssize_t	otpi_conn_nap(struct otpi_conn *c, uint32_t ms, void *buf,
	    size_t size);
/* The next whole frame: 1, 0, -EPROTO, -EMSGSIZE.  In place. */
int	otpi_conn_next(struct otp *o, struct otpi_conn *c,
	    struct frame_header *h, char **payload);
void	otpi_conn_rest(struct otp *o, struct otpi_conn *c);
int	otpi_conn_put(struct otp *o, struct otpi_conn *c,
	    const struct frame_header *h, const void *payload);
/* The same for the common case; false: it is not. */
bool	otpi_conn_add(struct otpi_conn *c, uint8_t type, const void *payload,
	    size_t len);
/* A small frame at once: c is greeted, and nothing is queued for it.  frame:
 * where it is put together. */
int	otpi_conn_say(struct otp *o, struct otpi_conn *c,
	    const struct frame_header *h, const void *payload,
	    uint8_t frame[OTPI_SMALL_FRAME]);
int	otpi_conn_hello(struct otp *o, struct otpi_conn *c,
	    const struct frame_hello *hello, const char *name,
	    const char *path);
int	otpi_conn_take_hello(struct otpi_conn *c, const struct frame_header *h,
	    const char *payload, struct frame_hello *out);
int	otpi_conn_flush(struct otp *o, struct otpi_conn *c);	/* 1, 0, -errno */
/* Skip the frame that was cut in two: the stream it began in has ended. */
void	otpi_conn_to_frame(struct otpi_conn *c);
void	otpi_conn_clear(struct otp *o, struct otpi_conn *c);	/* and close */
/* Has enough been gathered for a send that may go through? */
bool	otpi_conn_ripe(const struct otpi_conn *c);
static inline size_t
otpi_conn_queued(const struct otpi_conn *c)
{
	return c->out.end - c->out.pos;
}
void	otpi_dirty(struct otp *o, struct otpi_conn *c);
void	otpi_undirty(struct otp *o, struct otpi_conn *c);

/* pace.c */
uint64_t otpi_pace_window(struct otpi_pace *p, uint64_t now, bool idle);
/* One yield; false: it took too long, stop polling. */
bool	otpi_pace_yield(struct otpi_pace *p, uint64_t *now);
/* The same for a writer; false too where nobody polls now. */
bool	otpi_give_way(struct otp *o, uint64_t *now);
/* The wait is over: polled (and found by it), or blocked; received: in all. */
void	otpi_pace_end(struct otpi_pace *p, uint64_t began, uint64_t now,
	    uint64_t received, bool polled, bool hit);

/* dest.c */
/* The connection to an address: 0, 1: it is this process itself, negative.
 * lazy: nothing may wait; it may come unconnected. */
int	otpi_dest_get(struct otp *o, const char *address, uint64_t deadline,
	    bool lazy, struct otpi_dest **out);
/* Is it the last one's, and nothing need be waited for to reach it? */
bool	otpi_dest_at_hand(const struct otp *o, const char *address);
int	otpi_dest_connect(struct otp *o, struct otpi_dest *d,
	    uint64_t deadline, bool lazy);
/* Send what is queued, connecting first if need be.  1: some is left. */
int	otpi_dest_flush(struct otp *o, struct otpi_dest *d);
int	otpi_dest_recv(struct otp *o, struct otpi_dest *d);
/* Its frames, as far as they are here: replies go to their requests. */
void	otpi_dest_pump(struct otp *o, struct otpi_dest *d);
void	otpi_dest_lost(struct otp *o, struct otpi_dest *d, int error);
int	otpi_resolve(const struct otp *o, const char *address, char *out,
	    size_t size);
int	otpi_connect(const char *path, uint64_t deadline, bool lazy);

/* dest_list.c */
/* The one with this address is the latest used then.  NULL: there is none. */
struct otpi_dest *otpi_dest_find(struct otp *o, const char *address);
/* A new one; the address is copied.  0, -ENOMEM. */
int	otpi_dest_add(struct otp *o, struct otpi_dest *d, const char *address);
bool	otpi_dest_idle(const struct otpi_dest *d);
/* May there be one more?  0; -OTP_EFULL or, after a while, -ETIMEDOUT: all of
 * them are busy. */
int	otpi_dest_room(struct otp *o);
void	otpi_dest_free(struct otp *o, struct otpi_dest *d);
void	otpi_dest_reap(struct otp *o);	/* no event is about them any more */
void	otpi_dest_free_all(struct otp *o);

/* partition.c */
void	otpi_parts_free_all(struct otp *o);

/* request.c */
/* A ref for the request that is made next. */
int	otpi_request_ref(struct otp *o, uint64_t *out);
/* It has that ref, and begins at this byte of the stream. */
struct otpi_request *otpi_request_add(struct otp *o, struct otpi_conn *c,
	    uint64_t ref, uint64_t at, bool sync);
int	otpi_request_new(struct otp *o, struct otpi_conn *c, uint8_t type,
	    uint16_t tag, const void *payload, size_t len, uint64_t deadline,
	    bool sync, uint64_t *out_ref);
struct otpi_request *otpi_request_find(struct otp *o, uint64_t ref);
void	otpi_request_free(struct otp *o, struct otpi_request *r);
void	otpi_request_reply(struct otp *o, struct otpi_conn *c,
	    const struct frame_header *h, const char *payload);
void	otpi_request_fail(struct otp *o, struct otpi_request *r, int error,
	    const char *reason);
/* Is this whole reply wanted, by itself?  Then it may be received in place, */
bool	otpi_request_wants(struct otp *o, const struct otpi_conn *c,
	    const struct frame_header *h);
/* and data, from malloc with a NUL at its end, is given away here. */
void	otpi_request_give(struct otp *o, struct otpi_conn *c,
	    const struct frame_header *h, char *data);
int	otpi_request_wait(struct otp *o, uint64_t ref, uint64_t deadline);
int	otpi_request_take(struct otp *o, struct otpi_request *r, char **reply,
	    size_t *len);
uint64_t otpi_deadline(const struct otp *o, int timeout_ms);
uint64_t otpi_deadline_from(const struct otp *o, int timeout_ms, uint64_t now);
/* NULL: the word for the error, or what people call it.  The error. */
int	otpi_fail(struct otp *o, int error, const char *reason);
const char *otpi_word(int error);
void	otpi_reason_of_result(int rc, char *out, size_t size);
/* The exit reason of a server that is gone, as far as it can be known. */
void	otpi_why_down(struct otp *o, struct otpi_dest *d,
	    char out[OTP_REASON_MAX]);

/* alone.c */
/* After OTPI_IDLE_NS without a call.  0: done, 1: ref waits for its reply,
 * -EAGAIN: not begun, or another error. */
int	otpi_call_alone(struct otp *o, const char *to, const void *request,
	    size_t len, uint64_t now, uint64_t deadline, char **reply,
	    size_t *reply_len, uint64_t *out_ref);

/* wait.c */
/* Send everything and wait until something has been received on c: 1; 0: it
 * may be written to; -ETIMEDOUT, or why it ended. */
int	otpi_await(struct otp *o, struct otpi_conn *c, uint64_t deadline);
int	otpi_await_way(struct otp *o, struct otpi_conn *c, uint64_t deadline);
/* Handle what has been received on c, or that it ended (error < 0). */
void	otpi_pump(struct otp *o, struct otpi_conn *c, int error);

/* registry.c */
#define OTPI_ADDRESS	1024	/* bytes of one that was looked up */
/* A via becomes the address of who has the key; any other stays. */
int	otpi_via(struct otp *o, const char **to, char room[OTPI_ADDRESS],
	    uint64_t deadline);

/* process.c */
int	otpi_new(const struct otp_options *options, struct otp **out);
/* A server watches its connections; a mere caller does not. */
void	otpi_watch(struct otp *o, struct otpi_conn *c);
bool	otpi_is_self(const struct otp *o, const char *socket_path);
/* Send what goes without waiting.  1: some is left, 0: none. */
int	otpi_flush_all(struct otp *o);
int	otpi_flush_said(struct otp *o);		/* all but replies */

/* json.c: flat objects, as the engine says them */
/* The value of a field of the outermost object: a string unescaped, anything
 * else as it stands.  0, -ENOENT, -ENAMETOOLONG, -EINVAL. */
int	otpi_json_get(const char *text, size_t len, const char *field,
	    char *out, size_t size);
/* The same as it stands: what lies from *out on. */
int	otpi_json_find(const char *text, size_t len, const char *field,
	    const char **out, size_t *out_len);
/* The next value of an array, whose text begins at *at: 1, 0 at its end,
 * -EINVAL. */
int	otpi_json_item(const char **at, const char *end, const char **out,
	    size_t *out_len);
int	otpi_json_string(struct otp_out *out, const char *text);	/* quoted */
int	otpi_json_quoted(struct otp_out *out, const char *text, size_t len);
/* text as a JSON value: as it stands when it is one, else quoted. */
int	otpi_json_value(struct otp_out *out, const char *text, size_t len);

/* json_is.c */
/* Is it one JSON value, blanks behind it allowed? */
bool	otpi_json_is(const char *text, size_t len);

struct otp_out {
	char		*text;		/* NUL-ended; NULL: nothing yet */
	size_t		 len, cap;
	bool		 lent;		/* text is not to be freed */
};
void	otpi_out_free(struct otp_out *out);

#endif /* OTPD_LIBOTP_IMPL_H */
