/* SPDX-License-Identifier: ISC */
/*
 * The engine's status object, read once into plain fields.  What the engine
 * did not say is NULL, -1 or false; keys that are not known are skipped.
 */
#ifndef OTPD_OTPCTL_NODE_H
#define OTPD_OTPCTL_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "otpctl/buf.h"
#include "otpctl/look.h"

enum node_state {
	NODE_STARTING, NODE_RUNNING, NODE_STOPPING, NODE_BACKOFF,
	NODE_STOPPED, NODE_FAILED, NODE_UNKNOWN, NODE_NSTATES
};

struct node {			/* strings are borrowed from the object */
	const char	*path, *id, *type, *kind, *state_word, *ready, *name;
	const char	*description, *restart, *problem, *strategy, *log;
	const char	*last_reason, *last_at;
	int64_t		 pid, uptime_ms, restarts, generation, retry_in_ms;
	int64_t		 killed_in_ms;
	int64_t		 max_restarts;	/* -1: no limit */
	int64_t		 recent, children, active;
	double		 max_seconds;
	bool		 held;
	bool		 supervisor;
	enum node_state	 state;
};

struct state_look {
	const char	*word;
	const char	*mark;		/* before its name, UTF-8 */
	const char	*ascii;
	enum tint	 tint;
};

void	node_read(const cJSON *o, struct node *out);
const struct state_look *node_look(enum node_state s);
/* A state's number; NODE_UNKNOWN for a word that is none. */
enum node_state node_state(const char *word);
/* Without a process, and nothing is bringing one just now. */
bool	node_down(const struct node *n);
/* Of one with killed_in_ms: "killed in 5s at the latest". */
void	node_limit(struct buf *b, const struct node *n);
/* Of a supervisor: "0/3 restarts in 5 s". */
void	node_budget(struct buf *b, const struct node *n);
/* A reason in two or three words: "killed", "exit code 1". */
void	node_reason(struct buf *b, const char *reason);

/* The tree for people; children is the engine's array, depth first. */
void	tree_show(struct buf *b, const struct look *l, const cJSON *children,
	    int64_t now);
/* The same columns as a list of full paths. */
void	list_show(struct buf *b, const struct look *l, const cJSON *children,
	    int64_t now);

/* info.c: otpd itself, from the answer to `info`; and a line about what befell
 * it, from that to `status`, or nothing. */
void	info_show(struct buf *b, const cJSON *info);
void	info_troubles(struct buf *b, const struct look *l, const cJSON *otpd);

#endif /* OTPD_OTPCTL_NODE_H */
