/* SPDX-License-Identifier: ISC */
/*
 * The invariants.  /proc is believed; the engine only as far as it agrees.
 */
#include "crash/crash_world.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "oracle/process_clean.h"

#define TEXT_MAX	65536

const char *
world_string(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(
	    cJSON_GetObjectItemCaseSensitive(object, key));

	return text != NULL ? text : "";
}

static double
number(const cJSON *object, const char *key)
{
	return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object,
	    key));
}

static cJSON *
ask_status(struct rig *r, const char *path)
{
	cJSON *request = rig_request("status"), *reply;

	(void)cJSON_AddItemToObject(request, "paths", path != NULL ?
	    cJSON_CreateStringArray(&path, 1) : cJSON_CreateArray());
	reply = rig_ask(r, request);
	if (reply == NULL)
		rig_fail(r, "otpd ended");
	return reply;
}

pid_t
world_pid(struct rig *r, const char *path)
{
	cJSON *reply = ask_status(r, path);
	const cJSON *pid = cJSON_GetObjectItem(cJSON_GetArrayItem(
	    cJSON_GetObjectItem(reply, "children"), 0), "pid");
	pid_t out = cJSON_IsNumber(pid) ? (pid_t)pid->valuedouble : 0;

	cJSON_Delete(reply);
	return out;
}

/* The file's bytes, NUL-ended; "" when it cannot be read. */
static size_t
slurp(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	while (fd >= 0 && len + 1 < size &&
	    (n = read(fd, out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	if (fd >= 0)
		(void)close(fd);
	out[len] = '\0';
	return len;
}

static void
slurp_proc(pid_t pid, const char *what, char *out, size_t size, size_t *len)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	*len = slurp(path, out, size);
}

/*
 * A child of otpd.  What one that was killed had started is ours, as is otpd
 * itself, and whatever else this program has made.
 */
static bool
is_ours(const struct rig *r, const char *pid)
{
	pid_t parent = clean_parent_of(pid);
	char path[64];
	struct stat here, there;

	if (parent == r->otpd)
		return true;
	if (!r->adopter || parent != getpid())
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%.16s/exe", pid);
	return stat(path, &there) < 0 || stat("/proc/self/exe", &here) < 0 ||
	    here.st_dev != there.st_dev || here.st_ino != there.st_ino;
}

/* --- one process --- */

static void
check_environment(struct rig *r, const char *path, pid_t pid)
{
	static char text[TEXT_MAX];
	char want[300];
	size_t len;
	const char *p;

	(void)snprintf(want, sizeof(want), "OTP_PATH=%s", path);
	/* Its parent goes on a little before execve(2) has put it there. */
	for (int i = 0; i < 100000; i++) {
		slurp_proc(pid, "environ", text, sizeof(text), &len);
		for (p = text; p < text + len; p += strlen(p) + 1)
			if (strcmp(p, want) == 0)
				return;
		if (len > 0)
			break;
		(void)sched_yield();
	}
	rig_fail(r, "pid %d of %s has no %s", pid, path, want);
}

/* A line of status or limits that has to be there. */
static void
check_line(struct rig *r, const char *path, pid_t pid, const char *file,
    const char *line)
{
	char text[8192];
	size_t len;

	slurp_proc(pid, file, text, sizeof(text), &len);
	if (strstr(text, line) == NULL)
		rig_fail(r, "pid %d of %s: no line %s in its %s", pid, path,
		    line, file);
}

/* 0, 1, 2 and the worker's lock; what a server waits for and speaks with. */
static void
check_descriptors(struct rig *r, const char *path, pid_t pid, bool server)
{
	char name[64], to[300];
	struct dirent *entry;
	DIR *dir;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "/proc/%d/fd", pid);
	dir = opendir(name);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' || atoi(entry->d_name) < 3)
			continue;
		n = readlinkat(dirfd(dir), entry->d_name, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = '\0';
		if (n < 0 || (server && (strncmp(to, "socket:", 7) == 0 ||
		    strncmp(to, "anon_inode:[", 12) == 0)))
			continue;
		if (strncmp(to, r->dir, strlen(r->dir)) != 0)
			rig_fail(r, "pid %d of %s has descriptor %s: %s", pid,
			    path, entry->d_name, to);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

/* One that otpd has not started is not told of by SIGCHLD: it has a descriptor
 * of the process. */
static void
check_watched(struct rig *r, const char *path, pid_t pid)
{
	char dir[64], name[128], want[32], text[1024];
	struct dirent *entry;
	bool found = false;
	DIR *fds;

	(void)snprintf(dir, sizeof(dir), "/proc/%d/fdinfo", r->otpd);
	(void)snprintf(want, sizeof(want), "\nPid:\t%d\n", pid);
	fds = opendir(dir);
	while (!found && fds != NULL && (entry = readdir(fds)) != NULL) {
		(void)snprintf(name, sizeof(name), "%s/%.16s", dir,
		    entry->d_name);
		(void)slurp(name, text, sizeof(text));
		found = strstr(text, want) != NULL;
	}
	if (fds != NULL)
		(void)closedir(fds);
	if (!found)
		rig_fail(r, "pid %d of %s was taken over, and is not watched",
		    pid, path);
}

static void
check_process(struct rig *r, const cJSON *child, pid_t pid)
{
	const char *path = world_string(child, "path");
	char line[64], number_text[16];

	(void)snprintf(number_text, sizeof(number_text), "%d", pid);
	if (!is_ours(r, number_text))
		rig_fail(r, "pid %d of %s is not a child of otpd", pid, path);
	if (clean_parent_of(number_text) != r->otpd)
		check_watched(r, path, pid);
	check_environment(r, path, pid);
	(void)snprintf(line, sizeof(line), "\nUid:\t%d\t%d\t", getuid(),
	    getuid());
	check_line(r, path, pid, "status", line);
	check_line(r, path, pid, "limits", "Max core file size        0");
	check_descriptors(r, path, pid, strcmp(world_string(child, "kind"),
	    "gen_server") == 0);
}

/* --- all of them --- */

static char
state_of(const char *pid)
{
	char path[64], text[512], *p;

	(void)snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	(void)slurp(path, text, sizeof(text));
	p = strrchr(text, ')');
	return p != NULL && p[1] != '\0' ? p[2] : '?';
}

/* Otpd's clone, which may be about to get its name. */
static bool
is_keeper(const char *pid)
{
	char path[64], name[32] = "";

	(void)snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	(void)slurp(path, name, sizeof(name));
	return strncmp(name, "otpd", 4) == 0;
}

/* Those of an otpd that was killed; nobody else does. */
static void
reap_orphans(struct rig *r)
{
	siginfo_t info;

	while (r->adopter) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid == 0)
			return;
		if (info.si_pid == r->otpd)
			rig_fail(r, "otpd ended");
		(void)waitpid(info.si_pid, NULL, 0);
	}
}

/* Children of otpd, its engine and logger counted, its keeper not; in *zombies,
 * those of them that it has not reaped. */
static unsigned
count_processes(struct rig *r, unsigned *zombies)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    !is_ours(r, entry->d_name))
			continue;
		if (state_of(entry->d_name) == 'Z') {
			*zombies += clean_parent_of(entry->d_name) == r->otpd;
			continue;	/* or ours to reap, a little later */
		}
		n += !is_keeper(entry->d_name);
	}
	if (proc != NULL)
		(void)closedir(proc);
	return n;
}

static unsigned
check_children(struct rig *r, const cJSON *children)
{
	const cJSON *child, *pid;
	unsigned n = 0;

	cJSON_ArrayForEach(child, children) {
		const char *state = world_string(child, "state");
		bool runs = strcmp(state, "running") == 0;

		pid = cJSON_GetObjectItem(child, "pid");
		if (strcmp(world_string(child, "type"), "worker") != 0)
			continue;
		if (runs != cJSON_IsNumber(pid))
			rig_fail(r, "%s is %s, but its pid says otherwise",
			    world_string(child, "path"), state);
		if (!runs)
			continue;
		check_process(r, child, (pid_t)pid->valuedouble);
		n++;
	}
	return n;
}

static void
check_counts(struct rig *r, const cJSON *children)
{
	const cJSON *sup, *child;
	unsigned n, active;
	size_t len;

	cJSON_ArrayForEach(sup, children) {
		const char *path = world_string(sup, "path");

		if (strcmp(world_string(sup, "type"), "supervisor") != 0)
			continue;
		len = strcmp(path, "/") == 0 ? 0 : strlen(path) + 1;
		n = active = 0;
		cJSON_ArrayForEach(child, children) {
			const char *p = world_string(child, "path");

			if (child == sup || strcmp(p, "/") == 0 || (len > 0 &&
			    (strncmp(p, path, len - 1) != 0 ||
			    p[len - 1] != '/')) || strchr(p + len, '/') != NULL)
				continue;
			n++;
			active += strcmp(world_string(child, "state"),
			    "running") == 0;
		}
		if (number(sup, "children") != n || number(sup, "active") !=
		    active)
			rig_fail(r, "%s counts %.0f children, %.0f active; "
			    "there are %u and %u", path,
			    number(sup, "children"), number(sup, "active"), n,
			    active);
	}
}

/* Those that run; in *there, how many processes otpd has. */
static unsigned
check_processes(struct rig *r, unsigned *there, unsigned *zombies)
{
	cJSON *reply = ask_status(r, NULL);
	const cJSON *children = cJSON_GetObjectItem(reply, "children");
	unsigned n = check_children(r, children);

	check_counts(r, children);
	cJSON_Delete(reply);
	reap_orphans(r);
	*zombies = 0;
	*there = count_processes(r, zombies);
	return n;
}

void
world_check(struct rig *r)
{
	struct timespec ts;
	unsigned n, there, zombies;
	char *starts;

	/* After a crash of otpd the engine may answer before there is a
	 * logger; one that has done its work, or answered, may just end. */
	do {
		n = check_processes(r, &there, &zombies);
		(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	} while ((there < n + 2 || zombies > 0) &&
	    (uint64_t)ts.tv_sec * 1000000000 < r->deadline);
	if (zombies > 0)
		rig_fail(r, "%u zombies of otpd stay", zombies);
	if (there != n + 2)
		rig_fail(r, "%u services run, but otpd has %u children, "
		    "engine and logger counted", n, there);
	starts = world_starts(r);
	if (strstr(starts, "double") != NULL)
		rig_fail(r, "a service ran twice: %s", starts);
	free(starts);
}

static bool
is_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* Whether it, or a supervisor above it, was stopped by an order. */
static bool
stopped_by_order(const cJSON *children, const cJSON *child)
{
	const char *path = world_string(child, "path"), *p;
	const cJSON *c;
	size_t len;

	cJSON_ArrayForEach(c, children) {
		p = world_string(c, "path");
		len = strlen(p);
		if (is_true(c, "held") && strncmp(p, path, len) == 0 &&
		    (path[len] == '\0' || path[len] == '/'))
			return true;
	}
	return false;
}

/* What was told in this round. */
static void
print_events(const struct rig *r)
{
	const cJSON *e;

	cJSON_ArrayForEach(e, r->heard)
		printf("  %s %s %s %s\n", world_string(e, "event"),
		    world_string(e, "path"), world_string(e, "reason"),
		    world_string(e, "child"));
}

void
world_all_run(struct rig *r, const cJSON *children)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, children) {
		if (strcmp(world_string(c, "restart"), "permanent") != 0 ||
		    stopped_by_order(children, c) ||
		    strcmp(world_string(c, "state"), "running") == 0)
			continue;
		print_events(r);
		rig_fail(r, "%s is %s", world_string(c, "path"),
		    world_string(c, "state"));
	}
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *
world_starts(struct rig *r)
{
	static char text[1 << 20];
	char *lines[16384], *p, *out;
	size_t n = 0, len = 0;

	(void)r;
	(void)slurp("starts", text, sizeof(text));
	for (p = strtok(text, "\n"); p != NULL && n < 16384;
	    p = strtok(NULL, "\n"))
		lines[n++] = p;
	qsort(lines, n, sizeof(lines[0]), by_text);
	out = calloc(1, n * 64 + 1);
	for (size_t i = 0, j; out != NULL && i < n; i = j) {
		for (j = i; j < n && strcmp(lines[i], lines[j]) == 0; j++)
			;
		len += (size_t)sprintf(out + len, "%s: %zu\n", lines[i],
		    j - i);
	}
	return out;
}

char *
world_tree(struct rig *r)
{
	cJSON *reply = ask_status(r, NULL);
	const cJSON *children = cJSON_GetObjectItem(reply, "children"), *c;
	char *out = calloc(1, TEXT_MAX);
	size_t len = 0;

	cJSON_ArrayForEach(c, children)
		if (out != NULL && len + 512 < TEXT_MAX)
			len += (size_t)snprintf(out + len, TEXT_MAX - len,
			    "%s %s generation %.0f restarts %.0f held %d last "
			    "%s\n", world_string(c, "path"),
			    world_string(c, "state"), number(c, "generation"),
			    number(c, "restarts"), cJSON_IsTrue(
			    cJSON_GetObjectItem(c, "held")), world_string(
			    cJSON_GetObjectItem(c, "last_exit"), "reason"));
	cJSON_Delete(reply);
	return out;
}
