/* SPDX-License-Identifier: ISC */
/*
 * `otpctl task run`: commands that run as children of a task supervisor, many
 * at once, their output shown whole and in order.
 */
#ifndef OTPD_OTPCTL_TASK_H
#define OTPD_OTPCTL_TASK_H

#include <limits.h>
#include <stdio.h>
#include <sys/types.h>

#include "otpctl/otpctl.h"

#define TASK_FAILED_MAX	100	/* of the exit code */
#define TASK_ITSELF	125	/* nothing is known of the commands */

enum job_state {
	JOB_WAITING,		/* for a place under its supervisor */
	JOB_STARTING,		/* its start_child has no answer yet */
	JOB_LOOKING,		/* the engine died over it: does it run? */
	JOB_RUNNING,		/* why_down will say how it ended */
	JOB_DONE
};

struct job {
	struct job	*next;
	enum job_state	 state;
	uint64_t	 number;	/* from 1, in the order of the input */
	uint64_t	 ref;		/* of the question; 0: not asked */
	uint64_t	 began, ended;	/* ns */
	bool		 late;		/* its time was up: it was killed */
	bool		 failed;
	char		*line;		/* its argument; NULL: none */
	char		*reason;	/* how it ended, or NULL: */
	char		*message;	/* why it has not even begun */
};

struct input {			/* a command's argument from each line */
	char		*data;
	size_t		 at, len, size;
	bool		 ended;		/* nothing more can be read */
	char		 end;		/* of a line: newline or NUL */
};

struct task_run {
	struct ctl	*c;
	struct input	 in;
	bool		 lines;		/* there is an input */
	bool		 single_given;	/* or one command, which was taken */
	char		*sup, *path;	/* of the supervisor; $PATH */
	char		 cwd[PATH_MAX], dir[PATH_MAX], id[64];
	char		 umask[8];
	struct job	*jobs, **tail;	/* running, or not yet shown */
	unsigned	 running, most;	/* at once */
	unsigned	 waiting;	/* jobs that do */
	uint64_t	 full_until;	/* ns: the supervisor has no place */
	uint64_t	 taken, done, failed;
	int		 signal_fd;
	int		 stopped_by;	/* a signal; 0 */
	unsigned	 signals;	/* how many came */
	uint64_t	 retry_at;	/* ns: the engine is gone; 0: it is there */
	uint64_t	 give_up_at;
	int		 error;		/* the run ends with it; 0 */
	bool		 progress;	/* a line on the terminal is kept */
	size_t		 shown;		/* columns of it that are in use */
};

/* --- task_input.c --- */
/* The next line, NUL-ended, caller frees; NULL: none yet, or no more. */
char	*input_next(struct input *in);
void	input_read(struct input *in);
uint64_t input_left(const struct input *in);	/* lines that were read */

/* --- task_job.c --- */
void	job_new(struct task_run *r, char *line);	/* takes line */
void	job_start(struct task_run *r, struct job *j);
void	job_kill(struct task_run *r, struct job *j);	/* its time is up */
void	job_stop(struct task_run *r, struct job *j);
/* The engine is a new one: ask about all that is on its way. */
void	job_ask_again(struct task_run *r);
void	job_reply(struct task_run *r, struct job *j, const cJSON *reply);
void	job_file(const struct task_run *r, const struct job *j,
	    const char *what, char out[PATH_MAX]);
void	job_free(struct task_run *r, struct job *j);

/* --- task_show.c --- */
/* All that is done and whose turn it is; forgets it. */
void	show_done(struct task_run *r);
void	show_progress(struct task_run *r);
void	show_no_progress(struct task_run *r);

/* --- task_run.c --- */
int	task_run(struct task_run *r);

#endif /* OTPD_OTPCTL_TASK_H */
