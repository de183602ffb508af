/* SPDX-License-Identifier: ISC */
/*
 * The serving half of the library: the loop, its callers, its mailbox, the
 * link to the engine.  Private, as impl.h is.
 */
#ifndef OTPD_LIBOTP_SERVE_H
#define OTPD_LIBOTP_SERVE_H

#include "libotp/impl.h"

#define OTPI_QUEUE_PAUSE (1024U * 1024)	/* for one that does not read */
#define OTPI_HELD_MAX	(1024U * 1024)	/* of one, while suspended */
#define OTPI_IDS_MAX	64		/* of OTP_ALLOW */
#define OTPI_TOLD_MAX	16		/* uids turned away, in a minute */

enum otpi_system {		/* the tag of SYSTEM */
	OTPI_GET_STATE = 1, OTPI_GET_STATUS, OTPI_SUSPEND, OTPI_RESUME,
	OTPI_STATISTICS, OTPI_TRACE, OTPI_REPLACE_STATE, OTPI_TERMINATE,
	OTPI_CHANGE_CODE, OTPI_NSYSTEM
};

enum {				/* what a callback asked for */
	OTPI_ASK_STOP = 1, OTPI_ASK_REPLY = 2, OTPI_ASK_CONTINUE = 4,
	OTPI_ASK_TIMEOUT = 8, OTPI_ASK_HIBERNATE = 16
};

struct otpi_slot {
	struct otpi_conn *conn;
	uint32_t	 generation, next_free;
};

struct otpi_monitor {
	struct otpi_monitor *next;
	uint64_t	 ref;
	struct otpi_dest *dest;		/* watched through; NULL: the engine */
	bool		 caller;	/* ...or the connection of a caller */
	char		 target[];
};

struct otpi_timer_slot {
	struct otpi_timer *timer;	/* NULL: it is free */
	uint32_t	 next_free;
};

struct otpi_stats {
	uint64_t	 started;	/* unix ms */
	uint64_t	 calls, casts, infos, replies, expired, refused, faulty;
};

struct otpi_server {
	const struct otp_gen_server_ops *ops;
	void		*state;
	bool		*original;	/* false in a copy made by fork */
	/* the loop */
	int		 epfd, timer_fd, exit_code;
	bool		 foreign, in_callback, ended, normal, suspended, trapping,
			 ready;		/* init has returned */
	struct otpi_pace pace;
	struct otpi_conn *hot;		/* spoke last; read without asking */
	uint32_t	 hot_credit, hot_streak;
	enum otpi_kind	 listen_kind, timer_kind;	/* epoll points here */
	/* callers */
	int		 listen_fd;
	char		*socket;	/* to be unlinked; NULL: otpd's */
	uint64_t	 own_dev, own_ino;
	struct otpi_slot *slots;
	uint32_t	 nslots, free_slot, ncallers, max_callers;
	struct otpi_conn *watch[2][2];	/* HELLO, frame: first and last */
	struct otpi_conn *dead;		/* by watch_next, to be freed */
	uint64_t	 accept_at;	/* not before; 0: now */
	uint32_t	 uids[OTPI_IDS_MAX], gids[OTPI_IDS_MAX];
	uint32_t	 nuids, ngids;
	struct {
		uint64_t	 at;	/* when the engine was told, ns */
		uint32_t	 uid;
	}		 told[OTPI_TOLD_MAX];
	/* messages */
	struct otpi_mail *mail, **mail_end;
	uint64_t	 idle_at;	/* OTP_TIMEOUT then; 0: never */
	uint32_t	 idle_ms;
	struct otpi_timer **timers;	/* a heap by due */
	struct otpi_timer_slot *timer_slots;
	uint32_t	 ntimers, timers_cap, free_timer;
	uint64_t	 next_timer;
	/* of the callback that runs */
	unsigned int	 asked;
	void		*what;
	char		 reason[OTP_REASON_MAX];
	struct otp_from	 stop_from;
	char		*stop_reply;
	size_t		 stop_len;
	/* the engine */
	struct otpi_conn link;
	char		*name, *path;
	char		**links;
	uint32_t	 nlinks;
	uint64_t	 generation;
	struct otpi_monitor **monitors;	/* by ref */
	uint32_t	 nmonitors, monitor_size;
	uint64_t	 next_monitor;
	uint32_t	 next_call;	/* of those that change a registry */
	uint64_t	 doubts;	/* the question about requests; 0 */
	uint64_t	 last_exit;	/* number of the last exit signal */
	uint16_t	 said;		/* frames, to the engine */
	/* sys */
	struct otpi_stats stats;
	uint64_t	 tracer, trace_ref;
};

/* loop.c */
int	otpi_turn(struct otp *o, bool wait);	/* 0, 1: ended */
void	otpi_arm_timerfd(struct otp *o);

/* callers.c */
int	otpi_listen(struct otp *o, const char *path);
void	otpi_accept(struct otp *o);
void	otpi_caller_event(struct otp *o, struct otpi_conn *c, uint32_t events);
void	otpi_caller_pump(struct otp *o, struct otpi_conn *c);
void	otpi_caller_received(struct otp *o, struct otpi_conn *c, int rc);
struct otpi_conn *otpi_caller(const struct otpi_server *s, uint64_t id);
int	otpi_caller_flush(struct otp *o, struct otpi_conn *c);
void	otpi_caller_kill(struct otp *o, struct otpi_conn *c, int error);
void	otpi_unpause(struct otp *o);
void	otpi_expire(struct otp *o, uint64_t now);
void	otpi_reap(struct otp *o);
void	otpi_callers_free(struct otp *o);
void	otpi_caller_error(struct otp *o, struct otpi_conn *c, uint64_t ref,
	    uint16_t tag, const char *words);
/* There is no memory for what this caller waits for: he learns it by the end of
 * his connection. */
void	otpi_give_up(struct otp *o, uint64_t peer, int error);
/* REPLY or INFO to a caller, split if it must be.  0, -ENOMEM, -EMSGSIZE. */
int	otpi_answer(struct otp *o, uint64_t peer, uint8_t type, uint64_t ref,
	    const void *data, size_t len);

/* allow.c */
int	otpi_allow_parse(struct otpi_server *s, const char *text);
bool	otpi_allowed(const struct otpi_server *s, int fd, uid_t *out_uid,
	    int32_t *out_pid);
/* Is the engine to be told?  Once a minute for each uid. */
bool	otpi_refusal_is_news(struct otpi_server *s, uid_t uid);

/* mail.c */
int	otpi_mail(struct otp *o, uint64_t peer, bool self,
	    const struct frame_header *h, const void *data);
int	otpi_mail_self(struct otp *o, uint8_t type, uint64_t ref,
	    const void *data, size_t len);
/* A response nobody waits for becomes a message. */
void	otpi_responded(struct otp *o, struct otpi_request *r);
bool	otpi_mail_waits(const struct otp *o);
void	otpi_mail_drain(struct otp *o);
void	otpi_mail_free(struct otpi_server *s);

/* gen_server.c */
void	otpi_deliver(struct otp *o, uint64_t peer, const struct frame_header *h,
	    const char *data);
void	otpi_info(struct otp *o, const struct otp_info *info);
void	otpi_end(struct otp *o, const char *reason, bool terminate);
/* Is this what a fork has made of a server? */
static inline bool
otpi_copied(const struct otp *o)
{
	return !*o->srv->original;
}
/* A copy that a fork has made says nothing, and never serves. */
void	otpi_end_copy(struct otp *o);
void	otpi_settle(struct otp *o, int rc);	/* what a callback wanted */
void	otpi_give_back(struct otp *o);		/* unused memory */

/* system.c */
void	otpi_system(struct otp *o, uint64_t peer, const struct frame_header *h,
	    const char *data);
void	otpi_trace(struct otp *o, const char *event, const char *type,
	    const void *data, size_t len);

/* timer.c */
uint64_t otpi_timers_next(const struct otpi_server *s);	/* due, ns; 0: none */
void	otpi_timers_run(struct otp *o, uint64_t now);
void	otpi_timers_free(struct otpi_server *s);

/* link.c */
bool	otpi_has_link(const struct otp *o);
int	otpi_link_open(struct otp *o, int fd);
void	otpi_link_event(struct otp *o, uint32_t events);
void	otpi_link_pump(struct otp *o, int error);
int	otpi_link_cast(struct otp *o, const char *format, ...)
	    __attribute__((format(printf, 2, 3)));
int	otpi_link_put(struct otp *o, const struct otp_out *out);
void	otpi_link_say(struct otp *o, const char *op, const char *field,
	    const char *value);		/* {"op":op,field:"value"} */
int	otpi_link_call(struct otp *o, const char *json, uint64_t deadline,
	    char **reply, size_t *reply_len);
/* The same for what may be asked again when an engine died over it. */
int	otpi_link_repeat(struct otp *o, const char *json, uint64_t deadline,
	    char **reply, size_t *reply_len);
void	otpi_link_frame(struct otp *o, const struct frame_header *h,
	    const char *data);

/* watch.c */
/* One after another but those on callers that live; NULL: the first, the end. */
struct otpi_monitor *otpi_monitor_next(const struct otpi_server *s,
	    const struct otpi_monitor *m);
void	otpi_lost_monitors(struct otp *o, struct otpi_dest *d);
/* Tell those who wait for the end of this caller. */
void	otpi_lost_caller(struct otp *o, struct otpi_conn *c);
void	otpi_down(struct otp *o, uint64_t ref, const char *payload, size_t len);
void	otpi_link_ended(struct otp *o, const char *who);
void	otpi_watch_free(struct otpi_server *s);
void	otpi_say_all(struct otp *o);	/* all of it, to a new engine */

#endif /* OTPD_LIBOTP_SERVE_H */
