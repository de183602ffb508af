/* SPDX-License-Identifier: ISC */
/*
 * A service that does what its arguments say, one word after the other, and
 * then waits for ever.  Static and small: many are started.
 *
 *	ready			tell the supervisor READY=1
 *	ignore			tell it X_OTP_IGNORE=1
 *	reason TERM		tell it X_OTP_REASON=TERM
 *	exit N			end
 *	die N			end by signal N
 *	say TEXT		a line on standard output
 *	complain TEXT		a line on standard error
 *	lines N			"line 1" to "line N" on standard output
 *	note FILE		append "PID\n"
 *	alone FILE		append "two\n" if another holds it already
 *	gate FIFO		wait until somebody opens it for writing
 *	if FILE, unless FILE	the next word and its argument only if FILE
 *				exists, does not exist
 *	stubborn		ignore SIGTERM
 *	on SIGNAL FILE		append "SIGNAL\n" to FILE when N comes, go on
 *	code N			end with N at SIGTERM
 *	helper			fork a process of the same group that waits
 *	orphan FILE		one that leaves session and parent, and appends
 *				its pid to FILE
 *	report FILE		write what this process was given
 *	closed			close standard output and error
 *	flood BYTES		so much on standard output, in lines
 *	forks FILE		fork helpers until that fails, and append how
 *				many there are
 */
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static int term_code = -1;
static char *heard_file[65];

static void
tell(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || path == NULL || strlen(path) >= sizeof(to.sun_path))
		_exit(100);
	memcpy(to.sun_path, path, strlen(path));
	if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to,
	    sizeof(to)) < 0)
		_exit(101);
	(void)close(fd);
}

static void
tell_reason(const char *term)
{
	char text[300];

	(void)snprintf(text, sizeof(text), "X_OTP_REASON=%s", term);
	tell(text);
}

/* One write(2), so that lines of several processes do not mix. */
static void
append(const char *file, const char *format, ...)
{
	char line[256];
	va_list ap;
	int fd, n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		_exit(102);
	(void)close(fd);
}

static void
say(int fd, const char *text)
{
	dprintf(fd, "%s\n", text);
}

static void
say_lines(const char *n)
{
	for (long i = 1; i <= strtol(n, NULL, 10); i++)
		printf("line %ld\n", i);
	(void)fflush(stdout);
}

static void
wait_at(const char *fifo)
{
	int fd = open(fifo, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)close(fd);
}

/* It is held for as long as this process lives. */
static void
be_alone(const char *file)
{
	int fd = open(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0 || (flock(fd, LOCK_EX | LOCK_NB) < 0 &&
	    write(fd, "two\n", 4) != 4))
		_exit(103);
}

static void
fork_helper(void)
{
	if (fork() == 0)
		for (;;)
			(void)pause();
}

static void
fork_orphan(const char *file)
{
	pid_t pid = fork();

	if (pid > 0) {
		(void)waitpid(pid, NULL, 0);
		return;
	}
	(void)setsid();
	if (fork() != 0)
		_exit(0);
	append(file, "%d\n", (int)getpid());
	for (;;)
		(void)pause();
}

static void
flood(const char *bytes)
{
	static char lines[61 * 1000];
	long left = strtol(bytes, NULL, 10);
	ssize_t n;

	for (size_t i = 0; i < sizeof(lines); i++)
		lines[i] = i % 61 == 60 ? '\n' : 'f';
	for (; left > 0; left -= n) {
		n = write(STDOUT_FILENO, lines, sizeof(lines));
		if (n < 0)
			_exit(107);
	}
}

static void
fork_until_full(const char *file)
{
	int n = 0;
	pid_t pid;

	while ((pid = fork()) > 0)
		n++;
	if (pid == 0)
		for (;;)
			(void)pause();
	append(file, "%d\n", n);
}

/* --- what this process was given --- */

static void
report_descriptors(FILE *f, int own)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int fd;

	fprintf(f, "fds");
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		fd = (int)strtol(entry->d_name, NULL, 10);
		if (entry->d_name[0] != '.' && fd != own && fd != dirfd(dir))
			fprintf(f, " %d", fd);
	}
	fprintf(f, "\n");
}

/* The lines of /proc/self/status that tell of signals and privileges. */
static void
report_status(FILE *f)
{
	static const char *const names[] = { "SigBlk", "SigIgn", "SigPnd",
	    "ShdPnd", "NoNewPrivs" };
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];

	while (status != NULL && fgets(line, sizeof(line), status) != NULL)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strncmp(line, names[i], strlen(names[i])) == 0)
				fprintf(f, "%s %s", names[i],
				    line + strlen(names[i]) + 2);
	if (status != NULL)
		(void)fclose(status);
}

static void
report_ids(FILE *f)
{
	gid_t groups[64];
	int n = getgroups(64, groups);

	fprintf(f, "uid %d %d\ngid %d %d\ngroups", (int)getuid(),
	    (int)geteuid(), (int)getgid(), (int)getegid());
	for (int i = 0; i < n; i++)
		fprintf(f, " %d", (int)groups[i]);
	fprintf(f, "\n");
}

static void
report_limits(FILE *f)
{
	struct rlimit rl;

	(void)getrlimit(RLIMIT_NOFILE, &rl);
	fprintf(f, "nofile %lld %lld\n", (long long)rl.rlim_cur,
	    (long long)rl.rlim_max);
	(void)getrlimit(RLIMIT_CORE, &rl);
	fprintf(f, "core %lld %lld\n", (long long)rl.rlim_cur,
	    (long long)rl.rlim_max);
}

static void
report(const char *file)
{
	char cwd[256], part[300];
	FILE *f;
	mode_t mask = umask(022);

	(void)umask(mask);
	(void)snprintf(part, sizeof(part), "%s.part", file);
	f = fopen(part, "we");
	if (f == NULL)
		_exit(103);
	report_descriptors(f, fileno(f));
	report_status(f);
	report_ids(f);
	report_limits(f);
	fprintf(f, "leader %s\n", getsid(0) == getpid() &&
	    getpgrp() == getpid() ? "yes" : "no");
	fprintf(f, "umask %03o\n", (unsigned)mask);
	fprintf(f, "cwd %s\n", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "?");
	for (char **e = environ; *e != NULL; e++)
		fprintf(f, "env %s\n", *e);
	if (fclose(f) == EOF || rename(part, file) < 0)
		_exit(104);
}

/* --- the words --- */

static int word(char **argv);

static int
conditional(char **argv, bool wanted)
{
	bool there = access(argv[1], F_OK) == 0;
	int n;

	if (there == wanted)
		return 2 + word(argv + 2);
	n = argv[2] == NULL ? 0 : argv[3] == NULL ? 1 : 2;
	return 2 + n;
}

static int
hear(char **argv)
{
	int sig = (int)strtol(argv[1], NULL, 10);

	if (sig > 0 && sig < 65)
		heard_file[sig] = argv[2];
	return 3;
}

/* Words of one argument; those that are not here stand alone. */
static bool
word_with_argument(const char *name, const char *argument)
{
	if (strcmp(name, "reason") == 0)
		tell_reason(argument);
	else if (strcmp(name, "exit") == 0)
		_exit((int)strtol(argument, NULL, 10));
	else if (strcmp(name, "say") == 0)
		say(STDOUT_FILENO, argument);
	else if (strcmp(name, "complain") == 0)
		say(STDERR_FILENO, argument);
	else if (strcmp(name, "lines") == 0)
		say_lines(argument);
	else if (strcmp(name, "alone") == 0)
		be_alone(argument);
	else if (strcmp(name, "note") == 0)
		append(argument, "%d\n", (int)getpid());
	else if (strcmp(name, "gate") == 0)
		wait_at(argument);
	else if (strcmp(name, "code") == 0)
		term_code = (int)strtol(argument, NULL, 10);
	else if (strcmp(name, "orphan") == 0)
		fork_orphan(argument);
	else if (strcmp(name, "report") == 0)
		report(argument);
	else if (strcmp(name, "flood") == 0)
		flood(argument);
	else if (strcmp(name, "forks") == 0)
		fork_until_full(argument);
	else
		return false;
	return true;
}

static void
die(int sig)
{
	sigset_t set;

	(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, sig);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(sig);
}

/* How many words were used. */
static int
word(char **argv)
{
	if (argv[0] == NULL)
		return 0;
	if (strcmp(argv[0], "ready") == 0)
		tell("READY=1");
	else if (strcmp(argv[0], "ignore") == 0)
		tell("X_OTP_IGNORE=1");
	else if (strcmp(argv[0], "stubborn") == 0)
		(void)signal(SIGTERM, SIG_IGN);
	else if (strcmp(argv[0], "helper") == 0)
		fork_helper();
	else if (strcmp(argv[0], "closed") == 0)
		(void)(close(STDOUT_FILENO) + close(STDERR_FILENO));
	else if (argv[1] == NULL)
		_exit(105);
	else if (strcmp(argv[0], "if") == 0)
		return conditional(argv, true);
	else if (strcmp(argv[0], "unless") == 0)
		return conditional(argv, false);
	else if (strcmp(argv[0], "on") == 0)
		return hear(argv);
	else if (strcmp(argv[0], "die") == 0)
		die((int)strtol(argv[1], NULL, 10));
	else if (word_with_argument(argv[0], argv[1]))
		return 2;
	else
		_exit(106);
	return 1;
}

static void
wait_for_ever(void)
{
	sigset_t set;
	int sig;

	(void)sigemptyset(&set);
	for (sig = 1; sig < 65; sig++)
		if (heard_file[sig] != NULL)
			(void)sigaddset(&set, sig);
	if (term_code >= 0)
		(void)sigaddset(&set, SIGTERM);
	if (sigisemptyset(&set))
		for (;;)
			(void)pause();
	for (;;) {
		sig = sigwaitinfo(&set, NULL);
		if (sig == SIGTERM && term_code >= 0)
			_exit(term_code);
		if (sig > 0)
			append(heard_file[sig], "%d\n", sig);
	}
}

/* What is heard later has to be blocked before anybody is told "ready". */
static void
block(char **argv)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (; *argv != NULL; argv++) {
		if (strcmp(*argv, "on") == 0 && argv[1] != NULL)
			(void)sigaddset(&set, (int)strtol(argv[1], NULL, 10));
		else if (strcmp(*argv, "code") == 0)
			(void)sigaddset(&set, SIGTERM);
	}
	if (!sigisemptyset(&set))
		(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

int
main(int argc, char **argv)
{
	(void)argc;
	argv++;
	block(argv);
	while (*argv != NULL)
		argv += word(argv);
	wait_for_ever();
}
