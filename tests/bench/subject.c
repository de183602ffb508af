/* SPDX-License-Identifier: ISC */
/* Starting and stopping what is measured, each in a directory of its own. */
#include "bench.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *kind_names[NKINDS] = { "raw", "otpd", "runit" };
const char *bin_dir = ".";

bool
subject_available(enum kind kind)
{
	return kind != RUNIT || access("/usr/bin/runsvdir", X_OK) == 0;
}

static FILE *
create(const struct subject *s, const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	f = fopen(path, "w");
	if (f == NULL)
		die("cannot write %s: %s", path, strerror(errno));
	return f;
}

static void
write_child(FILE *f, const struct subject *s, uint32_t i, bool last)
{
	fprintf(f, "{\"id\":\"c%u\",\"start\":[\"%s/bench-child\","
	    "\"%s/fifo\",\"%u\"%s]%s}%s\n", i, bin_dir, s->dir, i,
	    s->shape.crash && i == 0 ? ",\"crash\"" : "",
	    s->shape.logs ? "" : ",\"stdout\":\"null\",\"stderr\":\"null\"",
	    last ? "" : ",");
}

static void
write_pool(const struct subject *s)
{
	FILE *f = create(s, "otpd.json");

	fprintf(f, "{\"strategy\":\"one_for_one\",\"children\":[{"
	    "\"id\":\"pool\",\"type\":\"dynamic_supervisor\","
	    "\"template\":{"
	    "\"start\":[\"%s/bench-child\",\"%s/fifo\"],"
	    "\"stdout\":\"null\",\"stderr\":\"null\"}}]}\n",
	    bin_dir, s->dir);
	fclose(f);
}

static void
write_config(const struct subject *s)
{
	static const char *limits =
	    "\"max_restarts\":\"infinity\",\"max_seconds\":1,\"children\":[";
	const struct shape *sh = &s->shape;
	const char *order = sh->parallel ? "\"stop_order\":\"parallel\"," : "";
	uint32_t i, end, group = sh->group == 0 ? sh->n : sh->group;
	FILE *f = create(s, "otpd.json");

	fprintf(f, "{\"strategy\":\"one_for_one\",%s%s\n", order, limits);
	for (i = 0; i < sh->n; i++) {
		end = sh->n < (i / group + 1) * group ?
		    sh->n : (i / group + 1) * group;
		if (sh->group != 0 && i % group == 0)
			fprintf(f, "{\"id\":\"g%u\",\"type\":\"supervisor\","
			    "\"strategy\":\"one_for_one\",%s%s\n", i / group,
			    order, limits);
		write_child(f, s, i, i + 1 == end);
		if (sh->group != 0 && i + 1 == end)
			fprintf(f, "]}%s\n", end == sh->n ? "" : ",");
	}
	fprintf(f, "]}\n");
	fclose(f);
}

void
subject_path(const struct subject *s, uint32_t i, char *out, size_t size)
{
	if (s->shape.group == 0)
		snprintf(out, size, "c%u", i);
	else
		snprintf(out, size, "g%u/c%u", i / s->shape.group, i);
}

static void
write_services(const struct subject *s)
{
	char path[256];
	uint32_t i;
	FILE *f;

	snprintf(path, sizeof(path), "%s/sv", s->dir);
	mkdir(path, 0755);
	for (i = 0; i < s->shape.n; i++) {
		snprintf(path, sizeof(path), "%s/sv/c%u", s->dir, i);
		mkdir(path, 0755);
		snprintf(path, sizeof(path), "sv/c%u/run", i);
		f = create(s, path);
		fprintf(f, "#!/bin/sh\nexec %s/bench-child %s/fifo %u%s\n",
		    bin_dir, s->dir, i,
		    s->shape.crash && i == 0 ? " crash" : "");
		fchmod(fileno(f), 0755);
		fclose(f);
	}
}

static void
prepare(struct subject *s)
{
	struct rlimit rl;
	char path[128];

	snprintf(s->dir, sizeof(s->dir), "/tmp/otpd-bench.XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		die("cannot make %s", s->dir);
	snprintf(path, sizeof(path), "%s/fifo", s->dir);
	if (mkfifo(path, 0600) != 0)
		die("cannot make %s", path);
	/* Reading and writing: it never comes to its end. */
	s->fifo = open(path, O_RDWR | O_CLOEXEC);
	if (s->fifo < 0 || fcntl(s->fifo, F_SETPIPE_SZ, 1 << 20) < 0)
		die("cannot open %s", path);
	s->pids = calloc(s->shape.n, sizeof(*s->pids));
	s->at_ns = calloc(s->shape.n, sizeof(*s->at_ns));
	if (s->pids == NULL || s->at_ns == NULL)
		die("out of memory");
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
	if (s->kind == OTPD && s->shape.pool)
		write_pool(s);
	else if (s->kind == OTPD)
		write_config(s);
	else if (s->kind == RUNIT)
		write_services(s);
}

static void
execute(const struct subject *s)
{
	char prog[256], child[256], a[128], b[128], c[128], n[16];
	int fd;

	fd = open("/dev/null", O_RDWR);
	dup2(fd, 0);
	dup2(fd, 1);
	if (s->shape.hush)
		dup2(fd, 2);
	setsid();
	snprintf(prog, sizeof(prog), "%s/%s", bin_dir,
	    s->kind == RAW ? "bench-raw" : "otpd");
	snprintf(child, sizeof(child), "%s/bench-child", bin_dir);
	snprintf(n, sizeof(n), "%u", s->shape.n);
	if (s->kind == RAW) {
		snprintf(a, sizeof(a), "%s/fifo", s->dir);
		execl(prog, prog, child, a, n, s->shape.crash ? "crash" : NULL,
		    NULL);
	} else if (s->kind == OTPD) {
		snprintf(a, sizeof(a), "%s/otpd.json", s->dir);
		snprintf(b, sizeof(b), "%s/run", s->dir);
		snprintf(c, sizeof(c), "%s/log", s->dir);
		execl(prog, prog, "-q", "-c", a, "-r", b, "-l", c, NULL);
	} else {
		snprintf(a, sizeof(a), "%s/sv", s->dir);
		execl("/usr/bin/runsvdir", "runsvdir", a, NULL);
	}
	_exit(127);
}

void
subject_start(struct subject *s, enum kind kind, const struct shape *shape)
{
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->shape = *shape;
	prepare(s);
	s->began_ns = now_ns();
	s->pid = fork();
	if (s->pid < 0)
		die("cannot fork");
	if (s->pid == 0)
		execute(s);
	if (kind == OTPD && shape->pool)
		pool_fill(s);
}

/* runsvdir does not wait for its services; their last acts need the files. */
static void
stop_services(const struct subject *s)
{
	uint32_t i;

	for (i = 0; i < s->shape.n; i++)
		if (s->pids[i] > 0)
			kill(s->pids[i], SIGKILL);
	sleep_us(1000000);
}

double
subject_stop(struct subject *s, int sig)
{
	uint64_t t0 = now_ns();
	double us;
	int status;

	kill(s->pid, s->kind == RUNIT ? SIGHUP : sig);
	if (waitpid(s->pid, &status, 0) != s->pid)
		die("lost %s", kind_names[s->kind]);
	us = (double)(now_ns() - t0) / 1e3;
	if (s->kind == RUNIT)
		stop_services(s);
	else if (status != 0)
		die("%s ended with status %x", kind_names[s->kind], status);
	close(s->fifo);
	remove_tree(s->dir);
	free(s->pids);
	free(s->at_ns);
	return us;
}

/* Is pid one of the programs that ours is made of? */
static bool
is_ours(const struct subject *s, pid_t pid)
{
	char path[64], name[64] = "";
	int ppid = 0;
	FILE *f;

	if (pid == s->pid)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	if (fscanf(f, "%*d (%63[^)]) %*c %d", name, &ppid) != 2)
		ppid = 0;
	fclose(f);
	return ppid == s->pid && strcmp(name, "bench-child") != 0;
}

size_t
subject_processes(const struct subject *s, pid_t *out, size_t max)
{
	struct dirent *e;
	size_t n = 0;
	pid_t pid;
	DIR *d = opendir("/proc");

	if (d == NULL)
		die("no /proc");
	while ((e = readdir(d)) != NULL) {
		pid = (pid_t)atoi(e->d_name);
		if (pid > 0 && n < max && is_ours(s, pid))
			out[n++] = pid;
	}
	closedir(d);
	return n;
}
