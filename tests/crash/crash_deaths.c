/* SPDX-License-Identifier: ISC */
/*
 * The deaths of the tortures; see crash_deaths.h.  Nobody is killed that the
 * rig has not started.
 */
#include "crash/crash_deaths.h"

#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oracle/process_clean.h"

#define ROUND_TIMEOUT_S	30
#define CRASH_EVERY_S	3	/* otpd gives up when it crashes too often */

bool
deaths_init(struct deaths *d, int argc, char **argv, unsigned rounds)
{
	int opt;

	*d = (struct deaths){ .seed = (uint64_t)time(NULL), .rounds = rounds };
	while ((opt = getopt(argc, argv, "kn:s:v")) != -1) {
		switch (opt) {
		case 'k': d->kills_otpd = true; break;
		case 'n': d->rounds = (unsigned)strtoul(optarg, NULL, 10);
			  break;
		case 's': d->seed = strtoull(optarg, NULL, 10); break;
		case 'v': d->verbose = true; break;
		default: return false;
		}
	}
	d->dice = (d->seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %llu\n", (unsigned long long)d->seed);
	rig_init(&d->rig, ROUND_TIMEOUT_S);
	d->rig.mortal = true;
	return true;
}

unsigned
deaths_roll(struct deaths *d, unsigned n)
{
	d->dice ^= d->dice << 13;
	d->dice ^= d->dice >> 7;
	d->dice ^= d->dice << 17;
	return (unsigned)(d->dice >> 11) % n;
}

void
deaths_say(const struct deaths *d, const char *what, const char *about)
{
	if (d->verbose)
		printf("%u: %s %s\n", d->round, what, about);
}

static time_t
now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

void
deaths_round(struct deaths *d)
{
	static char name[80];

	(void)snprintf(name, sizeof(name), "seed %llu, round %u",
	    (unsigned long long)d->seed, ++d->round);
	rig_name(name);
	d->killed = false;
	d->rig.deadline = (uint64_t)(now_s() + ROUND_TIMEOUT_S) * 1000000000;
	cJSON_Delete(d->rig.heard);
	d->rig.heard = cJSON_CreateArray();
}

/* The round waits for its end: a signal takes its time. */
void
deaths_signal(struct deaths *d, pid_t pid, int sig, const char *name)
{
	int fd = d->ndying == DEATHS_MAX ? -1 :
	    (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)		/* it has gone already */
		return;
	deaths_say(d, "dies:", name);
	(void)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
	d->dying[d->ndying++] = fd;
}

void
deaths_program(struct deaths *d, const char *name)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[64], comm[32];
	FILE *f;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    clean_parent_of(entry->d_name) != d->rig.otpd)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%.16s/comm",
		    entry->d_name);
		f = fopen(path, "re");
		if (f != NULL && fgets(comm, sizeof(comm), f) != NULL &&
		    strncmp(comm, name, strlen(name)) == 0)
			deaths_signal(d, (pid_t)atoi(entry->d_name), SIGKILL,
			    name);
		if (f != NULL)
			(void)fclose(f);
	}
	if (proc != NULL)
		(void)closedir(proc);
}

void
deaths_crash_otpd(struct deaths *d)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT };

	/* The next one takes no such signal before it is up. */
	if (d->killed || now_s() - d->crashed_s < CRASH_EVERY_S)
		return;
	d->crashed_s = now_s();
	deaths_say(d, "crashes:", "otpd");
	(void)kill(d->rig.otpd, signals[deaths_roll(d, 3)]);
}

void
deaths_hold_up_otpd(struct deaths *d)
{
	siginfo_t info;

	if (d->held_up)
		return;
	deaths_say(d, "held up:", "otpd");
	(void)kill(d->rig.otpd, SIGSTOP);
	if (waitid(P_PID, (id_t)d->rig.otpd, &info, WSTOPPED) < 0)
		rig_fail(&d->rig, "otpd did not stop");
	d->held_up = true;
}

void
deaths_kill_otpd(struct deaths *d)
{
	deaths_say(d, "killed:", "otpd");
	d->held_up = false;
	d->killed = true;
	rig_replace(&d->rig);
}

void
deaths_await(struct deaths *d)
{
	while (d->ndying > 0) {
		int fd = d->dying[--d->ndying];

		rig_await_readable(&d->rig, fd, "the end of one that dies");
		(void)close(fd);
	}
	if (d->held_up)
		(void)kill(d->rig.otpd, SIGCONT);
	d->held_up = false;
}
