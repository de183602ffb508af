/* SPDX-License-Identifier: ISC */
/*
 * The manifest: made at the start, believed only as far as it was checked.
 * Whoever loads one may have been handed anything: it must refuse or drop what
 * makes no sense, and never read or close what that names.
 */
#include "spawner/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "spawner/process.h"
#include "spawner/runtime.h"
#include "spawner/say.h"
#include "spawner/state.h"

#define MAGIC		0x6d2d647074706f31U
#define FDS_MAX		131072	/* no descriptor of ours is higher: there are
				 * HELD_SLOTS, and few besides */

_Static_assert(sizeof(PACKAGE_VERSION) <= 16, "room for the version");
/* As text in the program, where strings(1) and a test find it; else it would
 * become part of some instruction. */
static const volatile char version[] = PACKAGE_VERSION;

static const struct {
	size_t	at;		/* in struct spawner */
	mode_t	type;		/* 0: any */
} places[] = {
	[MANIFEST_NULL] = { offsetof(struct spawner, null), S_IFCHR },
	[MANIFEST_OUT] = { offsetof(struct spawner, out), 0 },
	[MANIFEST_ERR] = { offsetof(struct spawner, err), 0 },
	[MANIFEST_DIR] = { offsetof(struct spawner, dir), S_IFDIR },
	[MANIFEST_NAMES] = { offsetof(struct spawner, names), S_IFDIR },
	[MANIFEST_LOCK] = { offsetof(struct spawner, lock), S_IFREG },
	[MANIFEST_CONTROL0] = { offsetof(struct spawner, control[0]),
	    S_IFSOCK },
	[MANIFEST_CONTROL1] = { offsetof(struct spawner, control[1]),
	    S_IFSOCK },
	[MANIFEST_NOTIFY] = { offsetof(struct spawner, notify), S_IFSOCK },
	[MANIFEST_LINK0] = { offsetof(struct spawner, link[0]), S_IFSOCK },
	[MANIFEST_LINK1] = { offsetof(struct spawner, link[1]), S_IFSOCK },
	[MANIFEST_SNAPSHOT0] = { offsetof(struct spawner, snapshot[0]),
	    S_IFREG },
	[MANIFEST_SNAPSHOT1] = { offsetof(struct spawner, snapshot[1]),
	    S_IFREG },
	[MANIFEST_TABLE] = { offsetof(struct spawner, table.memfd), S_IFREG },
	[MANIFEST_SELF] = { offsetof(struct spawner, manifest), S_IFREG },
	[MANIFEST_CARRY] = { offsetof(struct spawner, carry), S_IFREG },
	[MANIFEST_CARRY0] = { offsetof(struct spawner, carry_pipe[0]),
	    S_IFIFO },
	[MANIFEST_CARRY1] = { offsetof(struct spawner, carry_pipe[1]),
	    S_IFIFO }
};
_Static_assert(sizeof(places) / sizeof(places[0]) == MANIFEST_NFDS, "places");

struct claims {
	uint64_t	bits[FDS_MAX / 64];	/* one for each descriptor */
};

int *
manifest_fd(struct spawner *sp, enum manifest_fd which)
{
	return (int *)(void *)((char *)sp + places[which].at);
}

void
manifest_form(char out[MANIFEST_FORM])
{
	static const long parts[] = {
		MANIFEST_VERSION, sizeof(struct manifest),
		sizeof(struct manifest_constant), sizeof(struct program),
		sizeof(struct inbox), sizeof(struct held), HELD_SLOTS,
		sizeof(struct child), TABLE_SLOTS, MANIFEST_NFDS
	};
	char number[SAY_NUMBER];
	size_t i, len = 0, n;

	memset(out, 0, MANIFEST_FORM);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char *digits = say_number(parts[i], number);

		n = strlen(digits);
		if (len + n + 1 >= MANIFEST_FORM)
			break;
		if (i > 0)
			out[len++] = ',';
		memcpy(out + len, digits, n);
		len += n;
	}
}

static uint64_t
sum_of(const struct manifest_constant *c)
{
	const unsigned char *p = (const unsigned char *)c;
	uint64_t sum = 0xcbf29ce484222325U;
	size_t i;

	for (i = 0; i < offsetof(struct manifest_constant, sum); i++)
		sum = (sum ^ p[i]) * 0x100000001b3U;
	return sum;
}

static void
init_program(struct program *p, const char *name)
{
	memset(p, 0, sizeof(*p));
	memcpy(p->name, name, strlen(name) + 1);
	p->channel = -1;
}

static void
point_at(struct spawner *sp, struct manifest *m)
{
	sp->carried = m;
	sp->engine = &m->engine;
	sp->logger = &m->logger;
	sp->held.slots = m->held;
	sp->held.memfd = sp->manifest;
	sp->held.offset = offsetof(struct manifest, held);
}

int
manifest_make(struct spawner *sp)
{
	struct manifest *m;
	int rc;

	sp->manifest = runtime_memfd("otpd-manifest");
	if (sp->manifest < 0)
		return sp->manifest;
	rc = runtime_map(sp->manifest, sizeof(*m), (void **)&m);
	if (rc == 0)
		rc = runtime_back(sp->manifest, 0,
		    offsetof(struct manifest, held));
	if (rc < 0)
		return rc;
	point_at(sp, m);
	rc = held_init(&sp->held);
	if (rc < 0)
		return rc;
	init_program(&m->engine, "engine");
	init_program(&m->logger, "logger");
	m->ready = m->in.fd = -1;
	return 0;
}

/* Where otpd was executed from; "" when that cannot be known. */
static void
find_program(char out[PATH_MAX])
{
	static const char gone[] = " (deleted)";
	ssize_t n;

	n = readlink("/proc/self/exe", out, PATH_MAX - 1);
	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof(gone) && memcmp(out + n - sizeof(gone) + 1,
	    gone, sizeof(gone) - 1) == 0)
		n -= (ssize_t)sizeof(gone) - 1;
	memset(out + n, 0, (size_t)(PATH_MAX - n));
}

void
manifest_seal(struct spawner *sp)
{
	struct manifest_constant made;
	struct manifest_constant *c = &made;
	size_t i;

	memset(c, 0, sizeof(*c));
	c->magic = MAGIC;
	manifest_form(c->form);
	for (i = 0; i < sizeof(version); i++)
		c->version[i] = version[i];
	memcpy(c->runtime, sp->opt.runtime, strlen(sp->opt.runtime));
	find_program(c->program);
	c->nofile[0] = sp->nofile.rlim_cur;
	c->nofile[1] = sp->nofile.rlim_max;
	memcpy(c->oom, sp->oom, sizeof(c->oom));
	for (i = 0; i < MANIFEST_NFDS; i++)
		c->fds[i] = *manifest_fd(sp, (enum manifest_fd)i);
	c->pid1 = getpid() == 1;
	c->sum = sum_of(c);
	/* As a rule it is the same: half of it would be worth nothing to the
	 * next otpd, if this one were killed here. */
	if (memcmp(c, &sp->carried->c, sizeof(*c)) != 0)
		memcpy(&sp->carried->c, c, sizeof(*c));
	sp->carried->ready = sp->ready;
}

static bool
ended(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

bool
manifest_excuses(int rc)
{
	return rc != -EPROTO && rc != -EBADMSG && rc != -EBADF;
}

int
manifest_check(const struct manifest_constant *c)
{
	char form[MANIFEST_FORM];

	if (c->magic != MAGIC)
		return -EBADMSG;
	manifest_form(form);
	if (memcmp(c->form, form, sizeof(form)) != 0)
		return -EPROTO;
	if (c->sum != sum_of(c) || !ended(c->version, sizeof(c->version)) ||
	    !ended(c->runtime, sizeof(c->runtime)) ||
	    !ended(c->program, sizeof(c->program)) ||
	    !ended(c->oom, sizeof(c->oom)))
		return -EBADMSG;
	return 0;
}

/* It is open, above the slots for staging, and named for the first time. */
static bool
claim(void *arg, int fd)
{
	struct claims *all = arg;
	uint64_t bit;

	if (fd < LOW_FDS || fd >= FDS_MAX)
		return false;
	bit = 1ULL << (fd % 64);
	if ((all->bits[fd / 64] & bit) != 0 || fcntl(fd, F_GETFD) < 0)
		return false;
	all->bits[fd / 64] |= bit;
	return true;
}

static int
load_constant(struct spawner *sp, const struct manifest_constant *c,
    struct claims *claims)
{
	struct stat st;
	size_t i;

	for (i = 0; i < MANIFEST_NFDS; i++) {
		if (!claim(claims, c->fds[i]))
			return -EBADF;
		if (fstat(c->fds[i], &st) < 0)
			return -errno;
		if (places[i].type != 0 &&
		    (st.st_mode & S_IFMT) != places[i].type)
			return -EBADF;
		*manifest_fd(sp, (enum manifest_fd)i) = c->fds[i];
	}
	sp->nofile.rlim_cur = c->nofile[0];
	sp->nofile.rlim_max = c->nofile[1];
	memcpy(sp->oom, c->oom, sizeof(sp->oom));
	return 0;
}

/* What it had scheduled is begun anew. */
static uint32_t
load_program(struct program *p, const char *name, struct claims *claims)
{
	struct program was = *p;
	uint32_t bad = 0;

	init_program(p, name);
	p->started = was.started;
	p->crashed = was.crashed;
	p->status = was.status;
	p->up = was.up != 0;
	p->start_ns = was.start_ns;
	if (was.pid > 1)
		p->pid = was.pid;
	else
		bad += was.pid != 0;
	if (was.channel >= 0 && claim(claims, was.channel))
		p->channel = was.channel;
	else
		bad += was.channel != -1;
	return bad;
}

static uint32_t
load_inbox(struct inbox *in, struct claims *claims)
{
	uint32_t bad = 0;

	if (in->len > sizeof(in->data) || in->at > in->len || in->at % 8 != 0) {
		in->len = in->at = 0;
		bad++;
	}
	if (in->fd != -1 && !claim(claims, in->fd)) {
		in->fd = -1;
		bad++;
	}
	return bad;
}

/* They come first: were one closed as anything else, a service that runs
 * would be taken for one that has ended. */
static void
claim_adopted(struct spawner *sp, struct claims *claims)
{
	struct table *t = &sp->table;
	uint32_t i;

	for (i = 1; i < t->high; i++) {
		struct child *c = &t->slots[i];

		if (c->state == SPAWN_ALIVE && c->adopted &&
		    !(process_is(c->code, c->pid, &sp->patience_ms) &&
		    claim(claims, c->code)))
			c->code = -1;
	}
}

static uint32_t
load_rest(struct spawner *sp, struct manifest *m, struct claims *claims)
{
	uint32_t bad = 0;

	bad += load_program(&m->engine, "engine", claims);
	bad += load_program(&m->logger, "logger", claims);
	bad += held_load(&sp->held, claim, claims);
	bad += load_inbox(&m->in, claims);
	if (m->ready != -1 && !claim(claims, m->ready)) {
		m->ready = -1;
		bad++;
	}
	sp->ready = m->ready;
	if (!ended(m->upgraded_from, sizeof(m->upgraded_from)))
		m->upgraded_from[0] = '\0';
	return bad;
}

int
manifest_load(struct spawner *sp, int fd, uint32_t *out_bad)
{
	struct claims claims = { 0 };
	struct manifest *m;
	int64_t backed;
	uint32_t bad = 0;
	int rc;

	backed = runtime_backed(fd, sizeof(*m));
	if (backed < (int64_t)offsetof(struct manifest, held))
		return backed < 0 ? (int)backed : -EBADMSG;
	rc = runtime_map(fd, sizeof(*m), (void **)&m);
	if (rc < 0)
		return rc;
	rc = manifest_check(&m->c);
	if (rc == 0)
		rc = load_constant(sp, &m->c, &claims);
	if (rc == 0 && sp->manifest != fd)
		rc = -EBADF;
	if (rc == 0)
		rc = table_load(&sp->table, sp->table.memfd, &bad);
	if (rc < 0) {
		(void)munmap(m, sizeof(*m));
		return rc;
	}
	claim_adopted(sp, &claims);
	point_at(sp, m);
	sp->held.backed = (uint32_t)((backed - (int64_t)offsetof(struct
	    manifest, held)) / (int64_t)sizeof(struct held));
	*out_bad = bad + load_rest(sp, m, &claims);
	return 0;
}

void
manifest_each_fd(const struct manifest *m, uint32_t held, void (*fn)(int fd))
{
	uint32_t i;

	for (i = 0; i < MANIFEST_NFDS; i++)
		fn(m->c.fds[i]);
	fn(m->engine.channel);
	fn(m->logger.channel);
	fn(m->ready);
	fn(m->in.fd);
	for (i = 1; i <= held && i < HELD_SLOTS; i++)
		if (m->held[i].kind != HELD_FREE)
			fn(m->held[i].fd);
}

void
manifest_translate(struct manifest *m, uint32_t held, int (*fn)(int number))
{
	uint32_t i;

	for (i = 0; i < MANIFEST_NFDS; i++)
		m->c.fds[i] = fn(m->c.fds[i]);
	m->c.sum = sum_of(&m->c);
	m->engine.channel = fn(m->engine.channel);
	m->logger.channel = fn(m->logger.channel);
	m->in.fd = fn(m->in.fd);
	for (i = 1; i <= held && i < HELD_SLOTS; i++)
		if (m->held[i].kind != HELD_FREE)
			m->held[i].fd = fn(m->held[i].fd);
}
