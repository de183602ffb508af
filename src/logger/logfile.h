/* SPDX-License-Identifier: ISC */
/*
 * Log files by name below one directory: "web/nginx" is web/nginx.log, and
 * web/nginx.log.1 the one before it.  Everything is opened and renamed
 * relative to a directory that is held open, never through a symbolic link.
 */
#ifndef OTPD_LOGGER_LOGFILE_H
#define OTPD_LOGGER_LOGFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define LOG_NAME_MAX	1024	/* bytes of a name */
#define LOG_PART_MAX	200	/* of one part: NAME_MAX less ".log.1000" */
#define LOG_KEEP_MAX	1000	/* rotated files, whatever is asked for */

struct logdir {
	const char	*path;		/* absolute; borrowed */
	int		 fd;		/* -1: could not be opened yet */
};

/* Open it, or open it again by its path; made when it is not there. */
int	logdir_open(struct logdir *d);
/* Parts of [A-Za-z0-9_.-] that do not begin with '.' or '-', with slashes. */
bool	log_name_valid(const char *name);

/* For reading and appending, made when needed.  0 or negative errno: -ELOOP a
 * symbolic link, -EINVAL not a regular file, -EMLINK, -EPERM not ours. */
int	logfile_open(struct logdir *d, const char *name, int *out_fd,
	    struct stat *out_st);
/* For reading; index 0 is the current one, 1 the one before. */
int	logfile_open_old(struct logdir *d, const char *name, unsigned index,
	    int *out_fd, struct stat *out_st);
/*
 * The file that came after the one that was, which may have been renamed or
 * removed meanwhile.  1 with *out_fd, 0 when it is still the current one.
 */
int	logfile_open_next(struct logdir *d, const char *name,
	    const struct stat *was, int *out_fd, struct stat *out_st);
/*
 * Rename the current one, which must be the file that is described by mine,
 * out of the way; those beyond keep are removed.  1 when somebody else has
 * done that already.
 */
int	logfile_rotate(struct logdir *d, const char *name, uint32_t keep,
	    const struct stat *mine);

#endif /* OTPD_LOGGER_LOGFILE_H */
