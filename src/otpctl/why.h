/* SPDX-License-Identifier: ISC */
/*
 * `otpctl why`: the facts of one child as sentences, and what to do next.
 */
#ifndef OTPD_OTPCTL_WHY_H
#define OTPD_OTPCTL_WHY_H

#include "otpctl/node.h"

enum why_case {			/* how it stands with a child */
	WHY_RUNNING, WHY_STARTING, WHY_NOT_READY, WHY_STOPPING,
	WHY_BACKOFF,
	WHY_PENDING,		/* ended, not yet dealt with */
	WHY_SUPERVISOR_DOWN,	/* and therefore not running */
	WHY_HELD,		/* by an operator */
	WHY_GAVE_UP,		/* a supervisor that did */
	WHY_START_FAILED,
	WHY_STOPPED,		/* by its supervisor, with its group */
	WHY_ENDED,		/* by itself, and that was all right */
	WHY_FAILED,		/* by itself, and no rule starts it again */
	WHY_NEVER,		/* started */
	WHY_WAITS,		/* for those before it to get ready */
	WHY_NCASES
};

struct why {
	struct node	 node;
	struct node	 sup;		/* when has_sup */
	bool		 has_sup;
	enum why_case	 which;
	const cJSON	*events;	/* oldest first */
	const cJSON	*gave_up;	/* the newest of it or one above */
	const char	*start_words;	/* why its last start failed, or NULL */
	char		 start_text[512];
	int64_t		 now;		/* ms since 1970 */
	int64_t		 shutdown_ms;	/* -1: not known */
	bool		 waits_for_ever;	/* for its end: "infinity" */
	const char	*log;		/* raw lines; NULL: none to be had */
	size_t		 log_len;
};

void	why_read(const cJSON *reply, int64_t now, struct why *out);
/* The newest such event of path, or NULL. */
const cJSON *why_event(const struct why *w, const char *path,
	    const char *event);
/* The newest one before that event, or NULL. */
const cJSON *why_before(const struct why *w, const char *path,
	    const char *event, const cJSON *that);
/* Its last end was asked for: by an operator, or by its supervisor. */
bool	why_told_to_stop(const struct why *w);
/* Did its last process not end in the time it had, and was killed? */
bool	why_was_overdue(const struct why *w);
/* Is a newer than b?  NULL is older than anything. */
bool	why_newer(const cJSON *a, const cJSON *b);
/* "12s ago (2026-11-21 12:03:10)" */
void	why_when(struct buf *b, const struct why *w, int64_t at);

/* All of it. */
void	why_say(struct buf *b, const struct look *l, const struct why *w);
/* What to do next, a line each, indented. */
void	why_advise(struct buf *b, const struct why *w);

#endif /* OTPD_OTPCTL_WHY_H */
