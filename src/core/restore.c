/* SPDX-License-Identifier: ISC */
/*
 * The snapshot's incoming half.  The running specification is built as at
 * boot, with provisional slots; then the records say which slot each child
 * has and how it stood, and the supervisors take up what they were at.
 * Records are believed only as far as they fit: anything else is refused.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/parts.h"
#include "core/record.h"

#define SLOT_LIMIT	(1u << 24)	/* no snapshot has more... */
#define ATTEMPTS_LIMIT	(1u << 21)	/* ...nor more of these in a window */

struct known {			/* what is known of a slot */
	char		*id;		/* of its record; NULL: none */
	struct child_part part;
	struct sup_part	 sup;
	struct child	*dynamic;	/* built for it, not yet placed */
	struct child	*ch;		/* once it is matched */
	bool		 unused;	/* dropped from what is gone, too */
};

struct attempt { uint32_t slot, n; uint64_t at_ms; };

struct restore {
	struct known	*known;		/* by slot */
	uint32_t	 nknown, known_cap;
	struct attempt	*attempts;
	size_t		 nattempts, attempts_cap;
	uint32_t	 generation_floor;
};

void
restore_free(struct core *c)
{
	struct restore *r = c->restore;
	uint32_t i;

	if (r == NULL)
		return;
	for (i = 0; i < r->nknown; i++)
		free(r->known[i].id);
	free(r->known);
	free(r->attempts);
	free(r);
	c->restore = NULL;
}

void
core_restore_begin(struct core *c, const struct core_spec *root)
{
	assert(c->root == NULL && c->restore == NULL);
	c->restore = core_alloc(sizeof(*c->restore));
	c->root = slot_build(c, root);
	c->root->fixed = c->root->listed = true;
}

/* --- taking records in --- */

static struct known *
known_at(struct restore *r, uint32_t slot)
{
	uint32_t cap = r->known_cap;

	while (slot >= cap)
		cap = cap == 0 ? 64 : cap * 2;
	if (cap != r->known_cap) {
		r->known = core_grow(r->known, cap, sizeof(r->known[0]));
		r->known_cap = cap;
	}
	while (r->nknown <= slot)
		r->known[r->nknown++] = (struct known){ .id = NULL };
	return &r->known[slot];
}

int
core_restore_dynamic(struct core *c, uint32_t slot,
    const struct core_spec *spec)
{
	struct known *k;

	if (slot >= SLOT_LIMIT)
		return -EINVAL;
	k = known_at(c->restore, slot);
	if (k->dynamic != NULL)
		return -EEXIST;
	k->dynamic = slot_build(c, spec);
	return 0;
}

/* As much of a part as we know; the rest is 0. */
static void
take(void *part, size_t size, const char *data, size_t len)
{
	memset(part, 0, size);
	memcpy(part, data, len < size ? len : size);
}

static bool
sane(const struct child_part *p, const struct sup_part *s)
{
	return p->state < CORE_NSTATES && p->restart <= CORE_TEMPORARY &&
	    p->how <= CORE_EXIT_ABNORMAL && (p->sup_len == 0 ||
	    (s->phase <= PHASE_KILLED && s->job <= JOB_END &&
	    s->outcome <= OUT_ABORTED && s->op <= CORE_NOPS &&
	    s->hi - s->lo <= ATTEMPTS_LIMIT));
}

static int
take_child(struct restore *r, uint64_t key, const char *data, size_t len)
{
	struct child_part part;
	struct sup_part sup;
	struct known *k;
	size_t id_len;

	if (key >= SLOT_LIMIT)
		return -EINVAL;
	k = known_at(r, (uint32_t)key);
	free(k->id);
	k->id = NULL;
	if (len == 0)
		return 0;
	if (len < 2 * sizeof(uint32_t))
		return -EINVAL;
	take(&part, sizeof(part), data, len);
	if (part.len < 2 * sizeof(uint32_t) || part.len > len ||
	    part.sup_len > len - part.len)
		return -EINVAL;
	take(&part, sizeof(part), data, part.len);
	take(&sup, sizeof(sup), data + part.len, part.sup_len);
	id_len = len - part.len - part.sup_len;
	if (id_len == 0 || data[len - 1] != '\0' || !sane(&part, &sup))
		return -EINVAL;
	k->part = part;
	k->sup = sup;
	k->id = core_alloc(id_len);
	memcpy(k->id, data + len - id_len, id_len);
	return 0;
}

static int
take_attempt(struct restore *r, uint64_t key, const void *data, size_t len)
{
	struct attempt *a;

	if (len != sizeof(a->at_ms))
		return len == 0 ? 0 : -EINVAL;
	if (r->nattempts == r->attempts_cap) {
		r->attempts_cap = r->attempts_cap * 2 + 64;
		r->attempts = core_grow(r->attempts, r->attempts_cap,
		    sizeof(r->attempts[0]));
	}
	a = &r->attempts[r->nattempts++];
	a->slot = (uint32_t)(key >> RESTART_BITS);
	a->n = (uint32_t)key & RESTART_MASK;
	memcpy(&a->at_ms, data, sizeof(a->at_ms));
	return 0;
}

int
core_restore_record(struct core *c, const struct core_record *rec)
{
	uint64_t rest = rec->key & ~RECORD_KEY(15, 0);
	struct core_part core;

	switch (RECORD_KIND(rec->key)) {
	case RECORD_CHILD:
		return take_child(c->restore, rest, rec->data, rec->len);
	case RECORD_RESTART:
		return take_attempt(c->restore, rest, rec->data, rec->len);
	case RECORD_CORE:
		if (rec->len > 0)
			take(&core, sizeof(core), rec->data, rec->len);
		else
			core = (struct core_part){ 0 };
		c->restore->generation_floor = core.generation_floor;
		return 0;
	default:
		return 0;	/* of a newer version: not needed by us */
	}
}

/* --- who is who --- */

/* All that was built, without numbers and places. */
static void
unplace(struct core *c, struct child ***out, uint32_t *out_n)
{
	struct child *ch;
	uint32_t i;

	*out = c->slots;
	*out_n = c->nslots;
	c->slots = NULL;
	c->nslots = c->slots_cap = c->nfree = 0;
	index_clear(c);
	c->dirty = NULL;
	for (i = 0; i < *out_n; i++) {
		ch = (*out)[i];
		ch->slot = CORE_NONE;
		ch->dirty = ch->listed = false;
		ch->prev = ch->next = NULL;
		if (ch->sup == NULL)
			continue;
		ch->sup->first = ch->sup->last = NULL;
		ch->sup->nspecs = ch->sup->nsups = 0;
	}
}

/* It has its slot: now its children can be found by their ids. */
static void
place(struct core *c, struct child *ch, uint32_t slot)
{
	struct child *sub;

	slot_place(c, ch, slot);
	child_dirty(c, ch);
	if (ch->sup == NULL)
		return;
	for (sub = ch->sup->first_fixed; sub != NULL; sub = sub->next_fixed)
		index_add(c, sub);
}

/*
 * One that is in no specification any more: a reload was about to stop it.
 * It has no user, so nobody knows how to ask it: it is killed and removed.
 */
static struct child *
make_orphan(struct core *c, const struct known *k)
{
	struct core_spec spec = {
		.id = k->id,
		.type = k->part.sup_len > 0 ? CORE_SUPERVISOR : CORE_WORKER,
		.restart = CORE_TEMPORARY,
		.shutdown_ms = k->part.sup_len > 0 ? CORE_INFINITY :
		    CORE_BRUTAL_KILL,
	};

	return slot_orphan(c, &spec);
}

static bool
fits(const struct child *ch, const struct known *k)
{
	return ch != NULL && ch->slot == CORE_NONE &&
	    strcmp(ch->id, k->id) == 0 &&
	    (ch->sup != NULL) == (k->part.sup_len > 0);
}

static struct child *
match(struct core *c, struct child *parent, struct known *k)
{
	struct child *ch;

	if ((k->part.flags & CHILD_F_FIXED) != 0) {
		ch = index_fixed(c, parent->sup, k->id);
		if (fits(ch, k))
			return ch;
		ch = NULL;
	} else {
		ch = k->dynamic;
		if ((k->part.flags & CHILD_F_DOOMED) != 0 || !fits(ch, k))
			ch = NULL;
		else
			k->dynamic = NULL;
	}
	if (ch == NULL && (k->part.flags & CHILD_F_LISTED) == 0) {
		k->unused = true;
		return NULL;
	}
	if (ch == NULL)
		ch = make_orphan(c, k);
	ch->parent = parent;
	index_add(c, ch);
	return ch;
}

/* False: its parent is not known yet. */
static bool
find(struct core *c, struct known *k)
{
	const struct restore *r = c->restore;
	const struct known *parent;

	if (k->part.parent == CORE_NONE) {
		k->ch = c->root;
		return true;
	}
	if (k->part.parent >= r->nknown)
		return false;
	parent = &r->known[k->part.parent];
	if (parent->ch != NULL && parent->ch->sup != NULL)
		k->ch = match(c, parent->ch, k);
	k->unused |= parent->unused;
	return k->ch != NULL || k->unused;
}

/* Parents first: a pass for every level of the tree. */
static int
match_all(struct core *c)
{
	struct restore *r = c->restore;
	struct known *k;
	uint32_t slot, left, before = UINT32_MAX;

	for (;;) {
		left = 0;
		for (slot = 0; slot < r->nknown; slot++) {
			k = &r->known[slot];
			if (k->id == NULL || k->ch != NULL || k->unused)
				continue;
			left += !find(c, k);
			if (k->ch != NULL && k->ch->slot != CORE_NONE)
				return -EINVAL;
			if (k->ch != NULL)
				place(c, k->ch, slot);
		}
		if (left == 0)
			return c->root->slot != CORE_NONE ? 0 : -EINVAL;
		if (left == before)
			return -EINVAL;
		before = left;
	}
}

/* Numbers for those that no record speaks of, and a list of the rest. */
static void
number_rest(struct core *c, struct child **built, uint32_t n)
{
	uint32_t i;

	for (i = c->nslots; i > 0; i--)
		if (c->slots[i - 1] == NULL)
			slot_number_free(c, i - 1);
	for (i = 0; i < n; i++) {
		if (built[i]->slot != CORE_NONE)
			continue;
		built[i]->generation = c->generation_floor;
		place(c, built[i], slot_number(c));
		built[i]->listed = built[i]->fixed;
	}
}

/* --- how they stood --- */

static void
get_child(struct child *ch, const struct child_part *p)
{
	bool orphan = ch->user == NULL && !ch->fixed && ch->doomed;

	ch->generation = p->generation;
	ch->order = p->order;
	ch->starts = p->starts;
	ch->restarts = p->restarts;
	ch->backoff_ms = p->backoff_ms;
	if (ch->parent != NULL &&
	    ch->parent->sup->strategy == CORE_SIMPLE_ONE_FOR_ONE) {
		slot_fill_instance(ch->parent->sup, ch);
		ch->shutdown_ms = p->shutdown_ms;
		ch->restart = (enum core_restart)p->restart;
	}
	ch->state = (enum core_state)p->state;
	ch->how = (enum core_exit)p->how;
	ch->ready_ms = p->ready_ms;
	ch->deadline_ms = p->deadline_ms;
	ch->held = (p->flags & CHILD_F_HELD) != 0;
	ch->parked = (p->flags & CHILD_F_PARKED) != 0;
	ch->failed = (p->flags & CHILD_F_FAILED) != 0;
	ch->waiting = (p->flags & CHILD_F_WAITING) != 0;
	ch->listed = (p->flags & CHILD_F_LISTED) != 0;
	ch->armed = (p->flags & CHILD_F_ARMED) != 0;
	ch->killed = (p->flags & CHILD_F_KILLED) != 0;
	ch->doomed = orphan || (p->flags & CHILD_F_DOOMED) != 0;
	ch->changed = (p->flags & CHILD_F_CHANGED) != 0;
	ch->wanted = (p->flags & CHILD_F_WANTED) != 0;
	ch->again = (p->flags & CHILD_F_AGAIN) != 0;
	ch->unstarted = (p->flags & CHILD_F_UNSTARTED) != 0;
}

static struct child *
child_at(const struct core *c, uint32_t slot)
{
	return slot < c->nslots ? c->slots[slot] : NULL;
}

static void
get_call(struct sup *s, const struct sup_part *p)
{
	if (s->job != JOB_CALL)
		return;
	s->call = core_alloc(sizeof(*s->call));
	s->call->msg.kind = MSG_CALL;
	s->call->op = (enum core_op)p->op;
	s->call->mute = true;
	s->call->retrying = (p->flags & SUP_F_RETRYING) != 0;
}

static int
get_sup(struct core *c, struct sup *s, const struct sup_part *p)
{
	uint32_t n;

	s->at = child_at(c, p->at);
	s->from = child_at(c, p->from);
	s->job = (enum job)p->job;
	s->outcome = (enum outcome)p->outcome;
	s->next_order = p->next_order;
	s->left = p->left;
	s->group_ms = p->group_ms;
	s->single = (p->flags & SUP_F_SINGLE) != 0;
	s->tried = (p->flags & SUP_F_TRIED) != 0;
	s->end_next = (p->flags & SUP_F_END_NEXT) != 0;
	s->gave_up = (p->flags & SUP_F_GAVE_UP) != 0;
	s->group_armed = (p->flags & SUP_F_GROUP_ARMED) != 0;
	sup_phase(c, s, (enum phase)p->phase);
	if ((s->at != NULL && s->at->parent != s->self) ||
	    (s->from != NULL && s->from->parent != s->self) ||
	    (s->job == JOB_CALL && (p->op == CORE_NOPS || s->at == NULL)))
		return -EINVAL;
	get_call(s, p);
	s->intensity.lo = s->intensity.hi = p->lo;
	for (n = p->lo; n != p->hi; n++)
		intensity_put(&s->intensity, n, 0);
	s->saved_lo = p->lo;
	s->saved_hi = p->hi;
	c->nreloads += s->job == JOB_RELOAD;
	return 0;
}

static void
get_attempts(struct core *c)
{
	const struct restore *r = c->restore;
	const struct attempt *a;
	struct intensity *in;
	struct child *ch;
	size_t i;

	for (i = 0; i < r->nattempts; i++) {
		a = &r->attempts[i];
		ch = child_at(c, a->slot);
		if (ch == NULL || ch->sup == NULL)
			continue;
		in = &ch->sup->intensity;
		intensity_set(in, in->lo + ((a->n - in->lo) & RESTART_MASK),
		    a->at_ms);
	}
}

static void
get_message(struct core *c, struct sup *s, struct msg *m, uint64_t seq)
{
	if (seq == 0)
		return;
	m->seq = seq;
	mbox_insert(s, m);
	if (seq >= c->next_seq)
		c->next_seq = seq + 1;
}

static void
get_messages(struct core *c, const struct known *k)
{
	struct child *ch = k->ch;

	if (ch->parent != NULL) {
		get_message(c, ch->parent->sup, &ch->exit, k->part.exit_seq);
		get_message(c, ch->parent->sup, &ch->note, k->part.note_seq);
	}
	if (ch->sup != NULL) {
		get_message(c, ch->sup, &ch->sup->stop, k->sup.stop_seq);
		get_message(c, ch->sup, &ch->sup->reload, k->sup.reload_seq);
		c->nreloads += ch->sup->reload.queued;
	}
}

static int
get_all(struct core *c)
{
	const struct restore *r = c->restore;
	const struct known *k;
	uint32_t i;
	int rc;

	for (i = 0; i < r->nknown; i++)
		if (r->known[i].ch != NULL)
			get_child(r->known[i].ch, &r->known[i].part);
	for (i = 0; i < r->nknown; i++) {
		k = &r->known[i];
		if (k->ch == NULL || k->ch->sup == NULL)
			continue;
		rc = get_sup(c, k->ch->sup, &k->sup);
		if (rc < 0)
			return rc;
	}
	get_attempts(c);
	for (i = 0; i < r->nknown; i++)
		if (r->known[i].ch != NULL)
			get_messages(c, &r->known[i]);
	return 0;
}

/* Specifications without a record go back, records without one go. */
static void
free_unused(struct core *c)
{
	struct restore *r = c->restore;
	const struct known *k;
	uint32_t i;

	for (i = 0; i < r->nknown; i++) {
		k = &r->known[i];
		if (k->dynamic != NULL)
			slot_free_tree(c, k->dynamic);
		if (k->unused)
			save_forget(c, i, k->part.generation, k->sup.lo,
			    k->sup.hi);
	}
}

int
core_restore_end(struct core *c, uint64_t now_ms)
{
	struct child **built;
	uint32_t i, n;
	int rc;

	c->now_ms = now_ms;
	c->generation_floor = c->restore->generation_floor;
	unplace(c, &built, &n);
	rc = match_all(c);
	number_rest(c, built, n);
	free(built);
	if (rc == 0)
		rc = get_all(c);
	if (rc < 0) {
		restore_free(c);
		return rc;
	}
	tree_list_all(c);
	for (i = 0; i < c->nslots; i++)
		if (c->slots[i] != NULL)
			child_count(c, c->slots[i]);
	free_unused(c);
	restore_free(c);
	core_save_all(c);
	return 0;
}
