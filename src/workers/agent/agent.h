/* SPDX-License-Identifier: ISC */
/*
 * otp-agent: a gen_server that keeps a state for others; see otp-agent(8).
 */
#ifndef OTPD_WORKERS_AGENT_AGENT_H
#define OTPD_WORKERS_AGENT_AGENT_H

#include "libotp/otp.h"
#include "workers/agent/tree.h"

#define AGENT_BYTES_MAX	(16U * 1024 * 1024)
#define AGENT_DEPTH_MAX	128U

struct agent {
	struct node	*state;
	size_t		 max_bytes;	/* of the state as JSON */
	unsigned	 max_depth;	/* of values in values */
	const char	*init;		/* JSON, or NULL */
	const char	*file;		/* or NULL */
	bool		 save;
	struct text	 reply;		/* to the last request */
};

/* --- ops.c --- */
/*
 * Carry out a request: a->reply is the answer.  True: the agent must end, with
 * this reason, as one ends whose function has raised.
 */
bool	agent_do(struct agent *a, struct span request,
	    char reason[OTP_REASON_MAX]);
/* A new state from text.  NULL, or why not. */
const char *agent_replace(struct agent *a, struct span text);

/* --- file.c --- */
/* 0, -ENOENT, or an error; the text is freed by text_done(). */
int	file_load(const char *name, size_t max, struct text *out);
/* All of it or nothing: the old file stays until the new one is whole. */
int	file_save(const char *name, const struct text *text);

#endif /* OTPD_WORKERS_AGENT_AGENT_H */
