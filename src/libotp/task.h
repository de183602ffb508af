/* SPDX-License-Identifier: ISC */
/*
 * Tasks, as their files share them.  A local one is a process forked from this
 * one; a supervised one is a server that was called and will reply once.
 */
#ifndef OTPD_LIBOTP_TASK_H
#define OTPD_LIBOTP_TASK_H

#include "libotp/impl.h"

struct otpi_task {
	enum otpi_kind	 kind;		/* first: what epoll points at */
	struct otpi_task *next;
	uint64_t	 ref;		/* 0: gone, to be freed */
	bool		 linked, own;	/* own: a stream's, not told to others */
	bool		 muted;		/* nobody will ask for its value */
	bool		 alone;		/* ...ever: it has a link, no owner */
	bool		 stopped;	/* it was asked to end */
	bool		 done, listed;
	int		 error;		/* when done: 0, or -OTP_EDOWN... */
	char		*data;		/* the value */
	size_t		 len;
	uint64_t	 sent_at;	/* ns: when it had its value; 0 */
	char		 reason[OTP_REASON_MAX];
	/* a local one */
	pid_t		 pid;
	int		 pidfd, fd;	/* its end; its value */
	/* a supervised one */
	uint64_t	 request;	/* 0: local, or completed */
	char		*path;
};

struct otpi_task_out {			/* of a running function */
	struct otp_out	 out;		/* first */
	char		 reason[OTP_REASON_MAX];
};

/* --- task.c --- */
/* A new record, its ref in it; NULL: no memory, or another's (errno). */
struct otpi_task *otpi_task_new(struct otp *o);
int	otpi_task_find(struct otp *o, uint64_t ref, struct otpi_task **out);
/* It is not found any more, and freed when nothing points to it. */
void	otpi_task_release(struct otp *o, struct otpi_task *t);
/* Nobody will ask for its value. */
void	otpi_task_mute(struct otp *o, struct otpi_task *t);
/* Its outcome, for who asked; released. */
int	otpi_task_take(struct otp *o, struct otpi_task *t, char **value,
	    size_t *len);
void	otpi_task_reap(struct otp *o);
void	otpi_tasks_free(struct otp *o);
void	otpi_task_event(struct otp *o, struct otpi_task *t);
void	otpi_task_mail(struct otp *o, uint64_t ref);

/* --- task_fork.c --- */
int	otpi_task_fork(struct otp *o, otp_task_fn *fn, void *arg, bool linked,
	    bool own, struct otpi_task **out);
/* It has ended: what it left. */
void	otpi_task_finish(struct otp *o, struct otpi_task *t);
void	otpi_task_signal(struct otpi_task *t, int sig);
/* In a fork: let go of what is its parent's. */
void	otpi_leave_owner(struct otp *o);
int	otpi_task_run(otp_task_fn *fn, void *arg, struct otpi_task_out *out);

/* --- task_wait.c --- */
/* Until one of these that were not done is: 1, -ETIMEDOUT, or -errno.  Those
 * without a task may be NULL. */
int	otpi_task_wait(struct otp *o, struct otpi_task *const *tasks, size_t n,
	    uint64_t deadline);
/* Is it done by now? */
bool	otpi_task_look(struct otp *o, struct otpi_task *t);

/* Ask a local one to end; its owner hears of that as of any end. */
void	otpi_task_stop(struct otp *o, uint64_t ref);

/* --- task_sup.c --- */
int	otpi_task_sup(struct otp *o, const char *sup, const char *const *argv,
	    const void *input, size_t len, unsigned int flags, bool own,
	    struct otpi_task **out);
void	otpi_task_collect(struct otp *o, struct otpi_task *t);
void	otpi_task_tell(struct otp *o, struct otpi_task *t, const char *json);

#endif /* OTPD_LIBOTP_TASK_H */
