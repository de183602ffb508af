/* SPDX-License-Identifier: ISC */
/*
 * Fault injection: a scripted day, in which the engine and the logger are also
 * killed, is run again and again, and each time one call of one of the programs
 * fails in a way that its manual page lists.  Whatever fails, the day must end
 * as the one without a fault did: nothing that ran was lost, nothing was
 * started twice, every line is in its log; or otpd refuses to begin, and says
 * why in one line.  And nothing is said over and over.
 *
 *	crash_faults -t			print the table of calls
 *	crash_faults [-av] [-j JOBS] [-n RUNS] [-s SEED] [PROGRAM FUNCTION ERROR
 *	    PLACE CALL]
 *
 * -a: all that there are on such a day, and no call of the table may be without
 * any; otherwise RUNS of them, chosen by the seed.  -v: also how much was said
 * about each, and how long it took.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crash/crash_plan.h"
#include "crash/crash_steps.h"
#include "crash/crash_world.h"
#include "crash/fault.h"

#define RUN_TIMEOUT_S	60
#define SAID_MAX	6	/* words about one fault: more are a flood */
#define CALLS		3	/* the first ones fail, one a run */
#define JOBS_MAX	64
#define NAME_SIZE	120

static const struct {
	const char	*name, *programs, *errors;
} calls[] = {
#define CALL(type, failure, name, parameters, arguments, programs, errors) \
	{ #name, programs, errors },
#define SYS(name, programs, errors) { "syscall:" #name, programs, errors },
#define HAND(name, programs, errors) { #name, programs, errors },
#define NEVER(name) { #name, NULL, NULL },
#define PURE(name) { #name, NULL, NULL },
#include "crash/fault_calls.h"
};
#define NCALLS	(sizeof(calls) / sizeof(calls[0]))

static const struct {
	const char	*word;
	int		 number;
} errors[] = {
#define E(name) { #name, name },
	E(EACCES) E(EADDRINUSE) E(EAGAIN) E(EBADF) E(EBUSY) E(ECONNABORTED)
	E(EFAULT) E(EINTR) E(EINVAL) E(EIO) E(EMFILE) E(ENFILE) E(ENOBUFS)
	E(ENOENT) E(ENOLCK) E(ENOMEM) E(ENOSPC) E(EOPNOTSUPP) E(EPERM)
	E(EROFS) E(ESRCH) E(ETOOMANYREFS) E(EWOULDBLOCK)
#undef E
	{ "SHORT", FAULT_SHORT }
};

/*
 * Steps ahead of which the engine and the logger are killed.  Calls are counted
 * from the start, from the first of these on, from amid the day, or from where
 * otpd itself is killed and another one takes over.
 */
static const unsigned kills_engine[] = { 10, 33 }, kills_logger[] = { 20, 36 };
#define NKILLS		2
static unsigned places[FAULT_PHASES] = { 0, 10, 26 /* day_replaces() */ };
enum { REFUSED = 3, MISSED };	/* exit codes of a run */

struct run {
	const char	*program, *function, *error;
	unsigned	 place, call;	/* see places[]; which one from there on */
	bool		 loud;		/* somebody has to be told */
	struct rig	 rig;
	struct fault_plan *plan;
	char		 name[NAME_SIZE];
};

static struct day first;
static struct fault_plan *quiet;	/* the calls of the first day */
static unsigned usual;		/* words said on a day without a fault */
static unsigned said;		/* in this one */
static bool verbose;
static unsigned passed, failed, refused, missed, running, jobs = 6;

static int
error_number(const char *word)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].word, word) == 0)
			return errors[i].number;
	(void)fprintf(stderr, "what error is %s?\n", word);
	exit(2);
}

/* --- one day --- */

static void
prepare(struct run *run)
{
	struct rig *r = &run->rig;

	rig_init(r, RUN_TIMEOUT_S);
	day_worker(r);
	day_fuller(r);
	(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	crash_programs(r, "otp-engine-fault", "otp-logger-fault");
	r->program = "otpd-fault";
	run->plan = crash_shared(r, "OTP_FAULTS", sizeof(*run->plan));
	if (run->program == NULL) {
		run->plan->phase = 1;
		return;
	}
	r->may_refuse = run->place == 0 || strcmp(run->program, "otpd") == 0;
	(void)snprintf(run->plan->program, sizeof(run->plan->program), "%s",
	    run->program);
	(void)snprintf(run->plan->function, sizeof(run->plan->function), "%s",
	    run->function);
	run->plan->error = error_number(run->error);
	run->plan->times = 1;
	if (run->place == 0)
		run->plan->at = run->call;
}

static void
kill_part(struct rig *r, const char *which)
{
	cJSON *info = rig_ask(r, rig_request("info"));
	double pid = cJSON_GetNumberValue(cJSON_GetObjectItem(info, which));

	cJSON_Delete(info);
	if (pid > 1)		/* or there is none just now */
		(void)kill((pid_t)pid, SIGKILL);
}

/* Lines on stderr, and events that tell of trouble; an engine must not hang. */
static unsigned
count_said(struct rig *r)
{
	unsigned n = day_troubles(r);
	FILE *f = fopen("stderr", "re");
	char line[1024];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		n++;
		/* After 30 s: nothing that passes may take so long. */
		if (strstr(line, "does not answer") != NULL)
			rig_fail(r, "the engine hung");
	}
	if (f != NULL)
		(void)fclose(f);
	return n;
}

static void
before_step(void *arg, unsigned step)
{
	struct run *run = arg;

	/* Years to and fro: it only shows in what people read. */
	if (run->program != NULL && strcmp(run->function, "clock") == 0)
		run->plan->clock_s = step % 2 == 0 ? 315360000 : -315360000;
	if (run->program != NULL && step > 0 && step == run->place)
		run->plan->at = run->call;
	for (unsigned i = 1; i < FAULT_PHASES; i++)
		if (run->program == NULL && step == places[i])
			run->plan->phase++;
	for (unsigned i = 0; i < NKILLS; i++)
		if (step == kills_engine[i])
			kill_part(&run->rig, "engine_pid");
	for (unsigned i = 0; i < NKILLS; i++)
		if (step == kills_logger[i])
			kill_part(&run->rig, "logger_pid");
	if (step == day_steps())
		said = count_said(&run->rig);
}

static int
same(const struct run *run, const char *what, const char *want,
    const char *got)
{
	if (strcmp(want, got) == 0)
		return 0;
	printf("%s: the %s is not the same:\n%s-- but\n%s", run->name, what,
	    want, got);
	return 1;
}

static int
run_once(struct run *run)
{
	struct day day;
	time_t begun = time(NULL);
	int rc;

	rig_name(run->name);
	prepare(run);
	day_run(&run->rig, before_step, run, &day);
	if (day.refused)
		return REFUSED;
	if (run->plan->hits == 0 && strcmp(run->function, "clock") != 0)
		return MISSED;
	if (verbose)
		printf("%s: %d words, %ld s\n", run->name,
		    (int)said - (int)usual, (long)(time(NULL) - begun));
	rc = same(run, "tree", first.tree, day.tree) |
	    same(run, "number of starts", first.starts, day.starts);
	if (said > usual + SAID_MAX || (run->loud && said <= usual)) {
		printf("%s: %d words about it\n", run->name,
		    (int)said - (int)usual);
		rc = 1;
	}
	return rc;
}

/* In a process of its own, which is to have no children but otpd. */
static void
run_first(void)
{
	static struct run run;
	int fds[2];
	FILE *f;
	size_t size = 0;
	pid_t pid;

	quiet = mmap(NULL, sizeof(*quiet), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (quiet == MAP_FAILED || pipe(fds) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		rig_name("first");
		prepare(&run);
		day_run(&run.rig, before_step, &run, &first);
		*quiet = *run.plan;
		f = fdopen(fds[1], "w");
		(void)fprintf(f, "%u\n%s%c%s%c", said, first.tree, '\0',
		    first.starts, '\0');
		exit(fclose(f));
	}
	(void)close(fds[1]);
	f = fdopen(fds[0], "r");
	if (fscanf(f, "%u\n", &usual) != 1 ||
	    getdelim(&first.tree, &size, '\0', f) < 0 ||
	    (size = 0, getdelim(&first.starts, &size, '\0', f)) < 0)
		exit(1);
	(void)fclose(f);
	(void)waitpid(pid, NULL, 0);
}

/* --- many of them --- */

/* Those that run: what ends without a word is told by its name. */
static struct {
	pid_t	pid;
	char	name[NAME_SIZE];
} going[JOBS_MAX];

static void
collect(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);
	size_t i;

	for (i = 0; i < JOBS_MAX && going[i].pid != pid; i++)
		;
	if (pid < 0 || i == JOBS_MAX)
		return;
	going[i].pid = 0;
	running--;
	if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED) {
		refused++;
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == MISSED) {
		missed++;
		if (verbose)
			printf("not reached: %s\n", going[i].name);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		passed++;
	} else {
		failed++;
		printf("failed: %s, wait status %#x\n", going[i].name, status);
	}
}

static void
launch(const struct run *run)
{
	static char buffer[1 << 16];
	static struct run copy;
	size_t i;

	while (running >= jobs)
		collect();
	copy = *run;
	(void)snprintf(copy.name, sizeof(copy.name), "%s %s %s %u %u",
	    run->program, run->function, run->error, run->place, run->call);
	for (i = 0; going[i].pid != 0; i++)
		;
	(void)memcpy(going[i].name, copy.name, sizeof(copy.name));
	(void)fflush(stdout);
	going[i].pid = fork();
	if (going[i].pid == 0) {
		(void)setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
		exit(run_once(&copy));
	}
	running++;
}

/* An error of the table; fn for each place and call. */
static void
each_call(struct run *run, char *error, char letter,
    void (*fn)(const struct run *run))
{
	const char *who;

	run->error = strsep(&error, "!");
	who = error;
	run->loud = who != NULL && (*who == '\0' || strchr(who,
	    tolower((unsigned char)letter)) != NULL);
	for (unsigned n = 0; *run->error != '\0' && n < CALLS * FAULT_PHASES;
	    n++) {
		run->place = places[n % FAULT_PHASES];
		run->call = 1 + n / FAULT_PHASES;
		fn(run);
	}
}

/* Capital: where no day may come to it. */
static const char *
program_of(char letter)
{
	letter = (char)tolower((unsigned char)letter);
	return letter == 'o' ? "otpd" : letter == 'e' ? "otp-engine" :
	    "otp-logger";
}

/* All faults there are, in order: fn for each. */
static void
each_fault(void (*fn)(const struct run *run))
{
	static char words[128];
	struct run run = { .program = NULL };

	for (size_t i = 0; i < NCALLS; i++) {
		run.function = calls[i].name;
		for (const char *p = calls[i].programs; p != NULL && *p != '\0';
		    p++) {
			char *rest = words, *error;

			run.program = program_of(*p);
			(void)strcpy(words, calls[i].errors);
			while ((error = strsep(&rest, " ")) != NULL)
				each_call(&run, error, *p, fn);
		}
	}
}

static unsigned long total, every = 1, offset;
static bool all;

/* How many calls there are from that place on, on a day without a fault. */
static unsigned
calls_from(const char *program, const char *function, unsigned place)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < quiet->nseen; i++) {
		const struct fault_seen *s = &quiet->seen[i];

		if (strcmp(s->program, program) != 0 ||
		    strcmp(s->function, function) != 0)
			continue;
		for (unsigned p = 0; p < FAULT_PHASES; p++)
			n += places[p] >= place ? s->calls[p] : 0;
	}
	return n;
}

static bool
reached(const struct run *run)
{
	return run->call <= calls_from(run->program, run->function,
	    run->place);
}

/* Calls of the table that nothing is known of but that they are there. */
static unsigned
count_idle(void)
{
	const char *program;
	unsigned n = 0;

	for (size_t i = 0; i < NCALLS; i++)
		for (const char *p = calls[i].programs; p != NULL && *p != '\0';
		    p++) {
			program = program_of(*p);
			if (calls_from(program, calls[i].name, 0) > 0 ||
			    isupper((unsigned char)*p))
				continue;
			printf("there is no %s by %s on such a day\n",
			    calls[i].name, program);
			n++;
		}
	return n;
}

static void
count_one(const struct run *run)
{
	total += reached(run);
}

static void
maybe_launch(const struct run *run)
{
	static unsigned long n;

	if (reached(run) && n++ % every == offset)
		launch(run);
}

static void
print_table(void)
{
	for (size_t i = 0; i < NCALLS; i++)
		printf("%s %s %s\n", calls[i].name, calls[i].programs != NULL &&
		    calls[i].programs[0] != '\0' ? calls[i].programs : "-",
		    calls[i].errors != NULL ? calls[i].errors : "-");
}

static void
jump_clock(void)
{
	struct run run = { .program = "all", .function = "clock",
	    .error = "EINVAL", .place = 0, .call = 0 };

	launch(&run);
}

static void
run_given(char **argv)
{
	struct run run = { .program = argv[0], .function = argv[1],
	    .error = strsep(&argv[2], "!"), .place = (unsigned)atoi(argv[3]),
	    .call = (unsigned)atoi(argv[4]) };

	run.loud = argv[2] != NULL;
	launch(&run);
}

int
main(int argc, char **argv)
{
	unsigned long seed = (unsigned long)time(NULL), runs = 16;
	int opt;

	while ((opt = getopt(argc, argv, "aj:n:s:tv")) != -1) {
		switch (opt) {
		case 'a': all = true; break;
		case 'j': jobs = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'n': runs = strtoul(optarg, NULL, 10); break;
		case 's': seed = strtoul(optarg, NULL, 10); break;
		case 't': print_table(); return 0;
		case 'v': verbose = true; break;
		default: return 2;
		}
	}
	if (jobs < 1 || jobs > JOBS_MAX)
		return 2;
	places[FAULT_PHASES - 1] = day_replaces();
	run_first();
	each_fault(count_one);
	if (!all)
		every = total / (runs > 0 ? runs : 1) + 1;
	offset = seed % every;
	printf("%lu faults, one in %lu of them, seed %lu\n", total, every,
	    seed);
	if (argc - optind == 5)
		run_given(argv + optind);
	else if (all && count_idle() > 0)
		failed++;
	else
		each_fault(maybe_launch);
	jump_clock();
	while (running > 0)
		collect();
	printf("not reached: %u, otpd refused to begin: %u\n", missed, refused);
	printf("%u passed, %u failed\n", passed + refused, failed);
	return failed > 0;
}
