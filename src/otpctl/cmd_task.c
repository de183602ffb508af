/* SPDX-License-Identifier: ISC */
/*
 * `otpctl task run`: what it needs before the first command can run, and what
 * it leaves behind: nothing.
 */
#include <errno.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "otpctl/task.h"

/* Lines come from a pipe, a file or a socket; /dev/null is none of these. */
static bool
has_lines(const struct ctl *c)
{
	struct stat st;

	return !c->no_stdin && fstat(STDIN_FILENO, &st) == 0 &&
	    (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) ||
	    S_ISSOCK(st.st_mode));
}

/* Where the commands' output is kept: otpd's own user must be able to write. */
static int
make_dir(struct task_run *r)
{
	const char *tmp = getenv("TMPDIR");
	struct stat st;

	if (tmp == NULL || tmp[0] != '/' || strlen(tmp) > PATH_MAX / 2)
		tmp = "/tmp";
	(void)snprintf(r->dir, sizeof(r->dir), "%s/otpctl-task.XXXXXX", tmp);
	if (mkdtemp(r->dir) == NULL) {
		ctl_warn("a directory in %s: %s", tmp, strerror(errno));
		return -1;
	}
	if (geteuid() == 0 && stat(r->c->runtime_dir, &st) == 0 &&
	    st.st_uid != 0 && chown(r->dir, st.st_uid, st.st_gid) < 0)
		ctl_warn("%s: %s", r->dir, strerror(errno));
	return 0;
}

static void
remove_dir(struct task_run *r)
{
	DIR *dir = opendir(r->dir);
	struct dirent *d;

	while (dir != NULL && (d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), d->d_name, 0);
	if (dir != NULL)
		(void)closedir(dir);
	(void)rmdir(r->dir);
}

static int
find_supervisor(struct task_run *r)
{
	cJSON *request = ctl_request("task_supervisor"), *answer;
	const char *path;

	if (r->c->sup != NULL)
		(void)cJSON_AddStringToObject(request, "sup", r->c->sup);
	if (ctl_order(r->c, request, r->c->sup, &answer) != CTL_OK)
		return -1;
	path = ctl_string(answer, "path");
	r->sup = strdup(path != NULL ? path : "");
	cJSON_Delete(answer);
	return r->sup != NULL ? 0 : -1;
}

static int
prepare(struct task_run *r)
{
	struct timespec now;
	mode_t mask = umask(0);

	(void)umask(mask);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(r->umask, sizeof(r->umask), "%03o", (unsigned)mask);
	(void)snprintf(r->id, sizeof(r->id), "run-%llx-%x",
	    (unsigned long long)now.tv_sec * 1000 +
	    (unsigned long long)now.tv_nsec / 1000000, (unsigned)getpid());
	r->path = getenv("PATH");
	r->tail = &r->jobs;
	r->lines = has_lines(r->c);
	r->in.end = r->c->null ? '\0' : '\n';
	r->most = r->c->most;
	r->progress = !r->c->quiet && isatty(STDERR_FILENO);
	if (r->most == 0)
		r->most = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	if (getcwd(r->cwd, sizeof(r->cwd)) == NULL) {
		ctl_warn("the working directory: %s", strerror(errno));
		return -1;
	}
	return find_supervisor(r) < 0 ? -1 : make_dir(r);
}

static void
done(struct task_run *r)
{
	struct job *j;

	while ((j = r->jobs) != NULL) {
		r->jobs = j->next;
		job_free(r, j);
	}
	if (r->dir[0] != '\0')
		remove_dir(r);
	free(r->in.data);
	free(r->sup);
}

/* As if the signal had not been caught. */
static void
end_by(int sig)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, sig);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int
cmd_task(struct ctl *c)
{
	struct task_run r = { .c = c };
	int rc;

	if (strcmp(c->argv[0], "run") != 0) {
		ctl_warn("no command task %s; see: otpctl help task",
		    c->argv[0]);
		return CTL_USAGE;
	}
	c->argv++;
	c->argc--;
	c->deadline = 0;
	rc = prepare(&r) < 0 ? TASK_ITSELF : task_run(&r);
	if (rc == 0)
		rc = r.failed > TASK_FAILED_MAX ? TASK_FAILED_MAX :
		    (int)r.failed;
	done(&r);
	if (r.stopped_by != 0)
		end_by(r.stopped_by);
	return rc;
}
