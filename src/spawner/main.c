/* SPDX-License-Identifier: ISC */
/*
 * otpd, the spawner: parent of every service, of the engine and of the logger.
 * It starts, signals and reaps what the engine says, keeps what must outlive
 * the engine, and starts both again when they die.  It must never hold policy,
 * parse, wait for anybody, allocate memory after its start, or abort.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "spawner/adopted.h"
#include "spawner/channel.h"
#include "spawner/crash.h"
#include "spawner/heir.h"
#include "spawner/keeper.h"
#include "spawner/linger.h"
#include "spawner/options.h"
#include "spawner/process.h"
#include "spawner/programs.h"
#include "spawner/quit.h"
#include "spawner/reap.h"
#include "spawner/runtime.h"
#include "spawner/say.h"
#include "spawner/spawn.h"
#include "spawner/state.h"
#include "spawner/takeover.h"
#include "spawner/upgrade.h"
#include "spawner/watchdog.h"

#define KEEPERS_MAX	16	/* asked, one after the other */
#define PATIENT_TRIES	50	/* to go on where somebody ended, in 5 s */
#define OLD_KERNEL_FDS	4096	/* closed one by one without close_range */

uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

/*
 * -b: the parent waits until the engine is up and exits; the child goes on.
 * -1 in the child, in the parent the code to exit with.
 */
static int
go_background(struct spawner *sp)
{
	unsigned char code = 1;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		SAY(STDERR_FILENO, "cannot go into the background: ",
		    strerror(errno));
		return 1;
	}
	if (pid == 0) {
		(void)close(fds[0]);
		sp->ready = fcntl(fds[1], F_DUPFD_CLOEXEC, 3);
		(void)setsid();
		return -1;
	}
	(void)close(fds[1]);
	while (read(fds[0], &code, 1) < 0 && errno == EINTR)
		;
	return code;
}

/* A copy of fd above the low slots, or of /dev/null where fd is closed. */
static int
move_up(const struct spawner *sp, int fd)
{
	int copy;

	copy = fcntl(fd, F_DUPFD_CLOEXEC, LOW_FDS);
	if (copy < 0 && errno == EBADF)
		copy = fcntl(sp->null, F_DUPFD_CLOEXEC, LOW_FDS);
	return copy < 0 ? -errno : copy;
}

/* Nothing that otpd was started with stays open but 0, 1, 2 and ready. */
static void
close_inherited(const struct spawner *sp)
{
	unsigned int fd, keep = sp->ready >= 0 ? (unsigned int)sp->ready : 2;

	if ((keep <= 3 || syscall(SYS_close_range, 3U, keep - 1, 0) == 0) &&
	    syscall(SYS_close_range, keep + 1, ~0U, 0) == 0)
		return;
	for (fd = 3; fd < OLD_KERNEL_FDS; fd++)
		if (fd != keep)
			(void)close((int)fd);
}

static int
init_descriptors(struct spawner *sp)
{
	int fd;

	close_inherited(sp);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	sp->null = fcntl(fd, F_DUPFD_CLOEXEC, LOW_FDS);
	if (sp->null < 0)
		return -errno;
	if (fd > STDERR_FILENO)		/* else 0, 1 or 2 was closed */
		(void)close(fd);
	sp->out = move_up(sp, STDOUT_FILENO);
	sp->err = move_up(sp, STDERR_FILENO);
	if (sp->out < 0 || sp->err < 0)
		return sp->out < 0 ? sp->out : sp->err;
	if (sp->ready >= 0) {
		fd = sp->ready;
		sp->ready = move_up(sp, fd);
		(void)close(fd);
	}
	return spawn_init(sp);
}

/* No signal interrupts otpd but those that are bugs; none is inherited as
 * ignored. */
static int
init_signals(struct spawner *sp)
{
	static const int taken[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	struct sigaction sa, none = { .sa_handler = SIG_DFL };
	sigset_t set;
	size_t i;
	int sig;

	for (sig = 1; sig <= 64; sig++)
		if (sig == SIGCHLD || (sigaction(sig, NULL, &sa) == 0 &&
		    sa.sa_handler == SIG_IGN))
			(void)sigaction(sig, &none, NULL);
	(void)sigfillset(&set);
	for (i = 0; crash_signals[i] != 0; i++)
		(void)sigdelset(&set, crash_signals[i]);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -errno;
	(void)sigemptyset(&set);
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		(void)sigaddset(&set, taken[i]);
	sp->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return sp->signals < 0 ? -errno : 0;
}

/* The fewer descriptors otpd had, the sooner it would fail its services. */
static int
init_limits(struct spawner *sp)
{
	struct rlimit all;

	if (getrlimit(RLIMIT_NOFILE, &sp->nofile) < 0)
		return -errno;
	all = sp->nofile;
	all.rlim_cur = all.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &all);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) < 0)
		return -errno;
	return 0;
}

/* Where it is allowed, the kernel is asked to spare otpd. */
static void
init_oom_score(struct spawner *sp)
{
	static const char spared[] = "-900";
	ssize_t n;
	int fd;

	fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, sp->oom, sizeof(sp->oom) - 1);
	sp->oom[n > 0 ? n : 0] = '\0';
	if (write(fd, spared, sizeof(spared) - 1) < 0)
		sp->oom[0] = '\0';
	(void)close(fd);
}

static int
init_loop(struct spawner *sp)
{
	struct epoll_event ev = { .events = EPOLLIN, .data = { .ptr = NULL } };

	sp->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (sp->epoll < 0 ||
	    epoll_ctl(sp->epoll, EPOLL_CTL_ADD, sp->signals, &ev) < 0)
		return -errno;
	return 0;
}

/* Where nobody was before, as far as anybody is to know. */
static int
init_fresh(struct spawner *sp)
{
	int rc;

	rc = table_init(&sp->table);
	if (rc == 0)
		rc = manifest_make(sp);
	if (rc < 0) {
		SAY(sp->err, "cannot start: ", strerror(-rc));
		return rc;
	}
	rc = runtime_own(sp);
	if (rc == 0)
		rc = runtime_open(sp);
	if (rc < 0)
		return rc;
	manifest_seal(sp);
	sp->carried->survivors = sp->survivors;
	rc = crash_init(sp);
	if (rc < 0) {
		SAY(sp->err, "cannot start: ", strerror(-rc));
		return rc;
	}
	programs_init(sp);
	return 0;
}

/* Where an otpd was killed, whose keeper kept everything; 1: to no avail. */
static int
init_heir(struct spawner *sp)
{
	int rc;

	rc = heir_receive(sp, sp->heir);
	if (rc != 0)
		(void)close(sp->heir);
	else if ((rc = crash_init(sp)) < 0)
		SAY(sp->err, "cannot start: ", strerror(-rc));
	if (rc == 0)
		rc = runtime_own(sp);
	if (rc != 0)
		return rc;
	sp->carried->killed++;
	keeper_tick(sp, now_ns());
	(void)heir_say(sp->heir, HEIR_TAKEN);
	(void)close(sp->heir);
	takeover_go_on(sp);
	return 0;
}

/* Whoever had the runtime directory before.  One keeper may end just now while
 * another begins, or before all is said. */
static int
init_runtime(struct spawner *sp)
{
	int rc, tries;

	for (tries = 0; tries < KEEPERS_MAX; tries++) {
		rc = runtime_lock(sp);
		if (rc == 0)
			return init_fresh(sp);
		if (rc == 1)
			rc = init_heir(sp);
		if (rc != 1)
			return rc;
		(void)close(sp->dir);
		(void)close(sp->lock);
	}
	SAY(sp->err, "cannot start: ", sp->opt.runtime, " is kept by one that "
	    "does not end");
	return -EEXIST;
}

/* Everything that can fail at the start, said once. */
static int
init(struct spawner *sp)
{
	int rc, err = STDERR_FILENO;

	rc = init_limits(sp);
	if (rc == 0)
		rc = init_descriptors(sp);
	if (rc == 0) {
		err = sp->err;
		rc = init_signals(sp);
	}
	if (rc == 0)
		rc = init_loop(sp);
	if (rc == 0 && chdir("/") < 0)
		rc = -errno;
	if (rc < 0) {
		SAY(err, "cannot start: ", strerror(-rc));
		return rc;
	}
	init_oom_score(sp);
	sp->self = -1;
	sp->keeper_ns = now_ns();
	return init_runtime(sp);
}

/* What the machine refuses now it may have a little later. */
static int
take(struct spawner *sp, int manifest)
{
	static const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	int rc, tries;

	for (tries = 0; tries < PATIENT_TRIES; tries++) {
		rc = takeover(sp, manifest);
		if (rc == 0 || !manifest_excuses(rc))
			return rc;
		(void)nanosleep(&pause, NULL);
	}
	return rc;
}

/* The same, for who goes on where somebody ended. */
static int
init_taken(struct spawner *sp, int manifest)
{
	int rc;

	rc = take(sp, manifest);
	if (rc < 0) {
		takeover_give_up(sp, -rc);
		return init(sp);
	}
	rc = crash_init(sp);
	if (rc == 0)
		rc = runtime_mark(sp);
	if (rc == 0)
		rc = spawn_init(sp);
	if (rc == 0)
		rc = init_signals(sp);
	if (rc == 0)
		rc = init_loop(sp);
	if (rc < 0) {
		SAY(sp->err, "cannot go on yet: ", strerror(-rc));
		crash_again(sp);
	}
	keeper_replace(sp);
	takeover_go_on(sp);
	return 0;
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* For epoll_wait: -1 when nothing but an event can need us. */
static int
timeout_ms(const struct spawner *sp)
{
	uint64_t now, at = sp->sweep.due_ns;

	if (requests_left(sp) && !sp->untold.pong && !sp->stuck)
		return 0;
	at = sooner(at, sp->logger->kill_ns);
	if (sp->upgrade.phase == UPGRADE_ASKS)
		at = sooner(at, sp->upgrade.deadline_ns);
	at = sooner(at, sp->keeper_ns);
	at = sooner(at, sp->unjudged_ns);
	at = sooner(at, sp->linger.due_ns);
	if (sp->quit.phase == QUIT_NOT) {
		at = sooner(at, sp->engine->restart_ns);
		at = sooner(at, sp->logger->restart_ns);
		at = sooner(at, watchdog_due(sp));
	} else {
		at = sooner(at, sp->quit.deadline_ns);
	}
	if (at == 0)
		return -1;
	now = now_ns();
	return at <= now ? 0 : (int)((at - now + MS - 1) / MS);
}

static void
turn(struct spawner *sp)
{
	struct epoll_event ev[4];
	bool signals = false, engine = false, logger = false, adopted = false;
	uint64_t now;
	int i, n;

	n = epoll_wait(sp->epoll, ev, 4, timeout_ms(sp));
	for (i = 0; i < n; i++) {
		signals |= ev[i].data.ptr == NULL;
		engine |= ev[i].data.ptr == sp->engine;
		logger |= ev[i].data.ptr == sp->logger;
		adopted |= ev[i].data.ptr == &sp->adopted;
	}
	if (signals) {
		reap_signals(sp);
		tell_engine(sp);
	}
	if (adopted)
		adopted_reap(sp);
	requests_handle(sp, engine);
	if (logger)
		logger_readable(sp);
	now = now_ns();
	reap_sweep(sp, now, n > 0);
	adopted_tick(sp, now);
	linger_tick(sp, now);
	programs_tick(sp, now);
	watchdog_tick(sp, now);
	upgrade_tick(sp, now);
	keeper_tick(sp, now);
	if (sp->quit.phase != QUIT_NOT)
		quit_tick(sp, now);
	tell_engine(sp);
	tell_logger(sp);
}

int
main(int argc, char **argv)
{
	static struct spawner spawner;
	struct spawner *sp = &spawner;
	unsigned char code;
	int manifest, rc;

	sp->ready = -1;
	sp->patience_ms = PROCESS_PATIENCE_MS;
	manifest = takeover_asked(sp);
	sp->env = environ;
	rc = options_parse(argc, argv, &sp->opt);
	if (rc >= 0)
		return rc;
	if (sp->opt.check)
		return program_check(sp);
	if (sp->opt.background && (rc = go_background(sp)) >= 0)
		return rc;
	rc = manifest >= 0 ? init_taken(sp, manifest) : init(sp);
	if (rc < 0)
		return 1;
	while (sp->quit.phase != QUIT_DONE)
		turn(sp);
	keeper_end(sp);
	runtime_close(sp);
	code = (unsigned char)sp->quit.code;
	if (sp->ready >= 0 && write(sp->ready, &code, 1) < 0)
		return 1;
	return code;
}
