/* SPDX-License-Identifier: ISC */
/*
 * Makes a manifest with the spawner's own code, and judges what was loaded.
 */
#include "manifest_rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spawner/runtime.h"

#define HEAD	(offsetof(struct manifest, held) + \
		    (RIG_HELD + 3) * sizeof(struct held))
#define ROWS	((RIG_CHILDREN + 3) * sizeof(struct child))

/* Above the slots for staging, as otpd has them. */
static int
high(int fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, LOW_FDS);

	if (fd >= 0)
		(void)close(fd);
	return copy;
}

static bool
make_descriptors(struct spawner *sp)
{
	int i, pair[2];

	for (i = 0; i < MANIFEST_NFDS; i++) {
		int *fd = manifest_fd(sp, (enum manifest_fd)i);

		if (i == MANIFEST_TABLE || i == MANIFEST_SELF)
			continue;
		if (i <= MANIFEST_ERR)
			*fd = high(open("/dev/null", O_RDWR | O_CLOEXEC));
		else if (i <= MANIFEST_NAMES)
			*fd = high(open("/", O_RDONLY | O_DIRECTORY |
			    O_CLOEXEC));
		else if (i == MANIFEST_LOCK || i == MANIFEST_SNAPSHOT0 ||
		    i == MANIFEST_SNAPSHOT1 || i == MANIFEST_CARRY)
			*fd = high(runtime_memfd("rig"));
		else if ((i == MANIFEST_CARRY0 || i == MANIFEST_CARRY1) &&
		    pipe2(pair, O_CLOEXEC) == 0 && close(pair[1]) == 0)
			*fd = high(pair[0]);
		else if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
		    pair) == 0 && close(pair[1]) == 0)
			*fd = high(pair[0]);
		if (*fd < LOW_FDS)
			return false;
	}
	return true;
}

/* One in each state, one that is free, one whose start is under way. */
static bool
fill_table(struct table *t)
{
	struct child *c[RIG_CHILDREN];
	int i;

	for (i = 0; i < RIG_CHILDREN; i++) {
		if (table_add(t, 1000 + (uint64_t)i, &c[i]) < 0)
			return false;
		if (i < 4) {
			c[i]->pid = 100 + i;
			table_alive(t, c[i], 5);
		}
	}
	table_ended(t, c[0], 9, 6);
	table_label(c[1], 77);
	table_rename(t, c[2], 2000);
	table_forget(t, c[0]);
	table_ended(t, c[3], 256, 7);
	table_failed(t, c[4], SPAWN_STEP_EXEC, 2);
	return true;
}

static bool
fill_held(struct held_table *t)
{
	int i, fd;

	for (i = 0; i < RIG_HELD - 2; i++)
		if (held_put(t, 10 + (uint64_t)i, HELD_KEPT,
		    high(open("/dev/null", O_RDWR | O_CLOEXEC))) < 0)
			return false;
	held_release(t, 10);
	if (held_pipe(t, 20, &fd) < 0 || held_pipe(t, 21, &fd) < 0)
		return false;
	held_release(t, 21);
	return true;
}

bool
manifest_rig_make(struct manifest_rig *r)
{
	struct spawner *sp = &r->made;
	int i;

	memset(r, 0, sizeof(*r));
	sp->ready = -1;
	memcpy(sp->opt.runtime, "/run/x", 7);
	/* Its own descriptors are high when all low ones are in use. */
	for (i = 0; i < LOW_FDS; i++)
		if (fcntl(i, F_GETFD) < 0)
			(void)open("/dev/null", O_RDWR | O_CLOEXEC);
	if (!make_descriptors(sp) || table_init(&sp->table) < 0 ||
	    manifest_make(sp) < 0 || !fill_table(&sp->table) ||
	    !fill_held(&sp->held))
		return false;
	manifest_seal(sp);
	sp->engine->pid = 200;
	sp->engine->started = 3;
	sp->carried->in.len = 64;
	r->saved = malloc(HEAD + ROWS);
	if (r->saved == NULL)
		return false;
	memcpy(r->saved, sp->carried, HEAD);
	memcpy(r->saved + HEAD, sp->table.slots, ROWS);
	return true;
}

void
manifest_rig_done(struct manifest_rig *r)
{
	free(r->saved);
	(void)munmap(r->made.carried, sizeof(struct manifest));
	(void)munmap(r->made.table.slots, sizeof(struct child) * TABLE_SLOTS);
}

void
manifest_rig_restore(struct manifest_rig *r)
{
	memcpy(r->made.carried, r->saved, HEAD);
	memcpy(r->made.table.slots, r->saved + HEAD, ROWS);
}

/* FNV-1a, as in the manifest's own code. */
void
manifest_rig_sign(struct manifest_rig *r)
{
	struct manifest_constant *c = &r->made.carried->c;
	const unsigned char *p = (const unsigned char *)c;
	uint64_t sum = 0xcbf29ce484222325U;
	size_t i;

	for (i = 0; i < offsetof(struct manifest_constant, sum); i++)
		sum = (sum ^ p[i]) * 0x100000001b3U;
	c->sum = sum;
}

bool
manifest_rig_load(struct manifest_rig *r)
{
	memset(&r->loaded, 0, sizeof(r->loaded));
	return manifest_load(&r->loaded, r->made.manifest, &r->bad) == 0;
}

void
manifest_rig_unload(struct manifest_rig *r)
{
	(void)munmap(r->loaded.carried, sizeof(struct manifest));
	(void)munmap(r->loaded.table.slots,
	    sizeof(struct child) * TABLE_SLOTS);
}

static const char *
wrong_child(struct table *t, const struct child *c)
{
	if (c->inc == 0)
		return NULL;
	if (c->state > SPAWN_EXITED || c->step >= SPAWN_NSTEPS)
		return "a state that there is not";
	if (table_by_inc(t, c->inc) != c)
		return "a record that cannot be found, or twice";
	if (c->state == SPAWN_ALIVE &&
	    (c->pid <= 1 || table_by_pid(t, c->pid) != c))
		return "a living child without a process of its own";
	if (c->dirty)
		return "a record in a chain that is gone";
	return NULL;
}

static const char *
wrong_table(struct table *t)
{
	const char *wrong = NULL;
	uint32_t i, used = 0, steps = 0;

	for (i = 1; i < t->high && wrong == NULL; i++) {
		used += t->slots[i].inc != 0;
		wrong = wrong_child(t, &t->slots[i]);
	}
	for (i = t->free; i != 0 && steps <= t->high; steps++) {
		if (i >= t->high || t->slots[i].inc != 0)
			return "a chain of free slots that leads astray";
		i = t->slots[i].inc_next;
	}
	if (wrong == NULL && (used != t->used || steps + used + 1 != t->high))
		wrong = "a slot that is neither free nor used";
	return wrong;
}

static const char *
wrong_held(const struct held_table *t)
{
	uint32_t i, j;

	for (i = 1; i <= t->high; i++) {
		const struct held *e = &t->slots[i];

		if (e->kind == HELD_FREE)
			continue;
		if (e->kind >= HELD_NKINDS || e->queued)
			return "a held one of no kind, or in no queue";
		if (e->fd < LOW_FDS || fcntl(e->fd, F_GETFD) < 0)
			return "a held descriptor that is not open";
		for (j = 1; j < i; j++)
			if (t->slots[j].kind != HELD_FREE &&
			    t->slots[j].fd == e->fd)
				return "a descriptor held twice";
	}
	return NULL;
}

const char *
manifest_rig_wrong(struct manifest_rig *r)
{
	struct spawner *sp = &r->loaded;
	const struct inbox *in = &sp->carried->in;
	const char *wrong;
	int i;

	for (i = 0; i < MANIFEST_NFDS; i++)
		if (*manifest_fd(sp, (enum manifest_fd)i) < LOW_FDS)
			return "a descriptor of those for staging";
	if (sp->engine->pid < 0 || sp->engine->pid == 1 ||
	    sp->logger->pid < 0 || sp->logger->pid == 1)
		return "a pid that nobody may kill";
	if (in->len > sizeof(in->data) || in->at > in->len)
		return "a message beyond the inbox";
	wrong = wrong_table(&sp->table);
	return wrong != NULL ? wrong : wrong_held(&sp->held);
}
