/* SPDX-License-Identifier: ISC */
/*
 * The snapshot's outgoing half: what changed since the last one.  What is
 * put here is read in restore.c.
 */
#include <stdlib.h>
#include <string.h>

#include "core/parts.h"
#include "core/record.h"

struct dead {			/* a slot whose records must go */
	uint32_t	 slot;
	uint32_t	 lo, hi;	/* its saved restart times */
};

enum step { STEP_DEAD, STEP_DEAD_TIMES, STEP_CORE, STEP_CHILD, STEP_TIMES };

struct save {
	struct dead	*dead;
	size_t		 ndead, cap;
	bool		 core_changed;
	/* where core_save_next() is */
	enum step	 step;
	size_t		 at_dead;
	struct child	*at_child;
	uint32_t	 at_time;
	/* what it hands out */
	char		*buf;
	size_t		 buf_cap;
	uint64_t	 time;
	struct core_part core;
};

static struct save *
save_of(struct core *c)
{
	if (c->save == NULL) {
		c->save = core_alloc(sizeof(*c->save));
		c->save->core_changed = true;
	}
	return c->save;
}

void
save_free(struct core *c)
{
	if (c->save != NULL) {
		free(c->save->dead);
		free(c->save->buf);
	}
	free(c->save);
	c->save = NULL;
}

/* A slot ends; the generations that it has seen are never seen again. */
void
save_forget(struct core *c, uint32_t slot, uint32_t generation, uint32_t lo,
    uint32_t hi)
{
	struct save *sv = save_of(c);

	if (generation > c->generation_floor) {
		c->generation_floor = generation;
		sv->core_changed = true;
	}
	if (sv->ndead == sv->cap) {
		sv->cap = sv->cap * 2 + 8;
		sv->dead = core_grow(sv->dead, sv->cap, sizeof(sv->dead[0]));
	}
	sv->dead[sv->ndead++] = (struct dead){ slot, lo, hi };
}

/* --- one record --- */

static uint32_t
slot_of(const struct child *ch)
{
	return ch != NULL ? ch->slot : CORE_NONE;
}

static uint64_t
seq_of(const struct msg *m)
{
	return m->queued ? m->seq : 0;
}

static void
put_child(const struct child *ch, struct child_part *out)
{
	*out = (struct child_part){
		.len = sizeof(*out),
		.sup_len = ch->sup != NULL ? sizeof(struct sup_part) : 0,
		.parent = slot_of(ch->parent),
		.generation = ch->generation, .order = ch->order,
		.starts = ch->starts, .restarts = ch->restarts,
		.backoff_ms = ch->backoff_ms, .shutdown_ms = ch->shutdown_ms,
		.state = ch->state, .restart = ch->restart, .how = ch->how,
		.ready_ms = ch->ready_ms, .deadline_ms = ch->deadline_ms,
		.exit_seq = seq_of(&ch->exit), .note_seq = seq_of(&ch->note),
	};
	out->flags = (ch->held ? CHILD_F_HELD : 0u) |
	    (ch->parked ? CHILD_F_PARKED : 0u) |
	    (ch->failed ? CHILD_F_FAILED : 0u) |
	    (ch->waiting ? CHILD_F_WAITING : 0u) |
	    (ch->fixed ? CHILD_F_FIXED : 0u) |
	    (ch->listed ? CHILD_F_LISTED : 0u) |
	    (ch->armed ? CHILD_F_ARMED : 0u) |
	    (ch->killed ? CHILD_F_KILLED : 0u) |
	    (ch->doomed ? CHILD_F_DOOMED : 0u) |
	    (ch->changed ? CHILD_F_CHANGED : 0u) |
	    (ch->wanted ? CHILD_F_WANTED : 0u) |
	    (ch->again ? CHILD_F_AGAIN : 0u) |
	    (ch->unstarted ? CHILD_F_UNSTARTED : 0u);
}

static void
put_sup(const struct sup *s, struct sup_part *out)
{
	*out = (struct sup_part){
		.at = slot_of(s->at), .from = slot_of(s->from),
		.phase = s->phase, .job = s->job, .outcome = s->outcome,
		.op = s->call != NULL ? s->call->op : CORE_NOPS,
		.next_order = s->next_order, .left = s->left,
		.lo = s->intensity.lo, .hi = s->intensity.hi,
		.group_ms = s->group_ms,
		.stop_seq = seq_of(&s->stop), .reload_seq = seq_of(&s->reload),
	};
	out->flags = (s->single ? SUP_F_SINGLE : 0u) |
	    (s->tried ? SUP_F_TRIED : 0u) |
	    (s->end_next ? SUP_F_END_NEXT : 0u) |
	    (s->gave_up ? SUP_F_GAVE_UP : 0u) |
	    (s->group_armed ? SUP_F_GROUP_ARMED : 0u) |
	    (s->call != NULL && s->call->retrying ? SUP_F_RETRYING : 0u);
}

static void
emit_child(struct save *sv, const struct child *ch, struct core_record *out)
{
	struct child_part child;
	struct sup_part sup;
	size_t id_len = strlen(ch->id) + 1, len;

	put_child(ch, &child);
	len = sizeof(child) + child.sup_len + id_len;
	if (len > sv->buf_cap) {
		sv->buf = core_grow(sv->buf, len, 1);
		sv->buf_cap = len;
	}
	memcpy(sv->buf, &child, sizeof(child));
	if (ch->sup != NULL) {
		put_sup(ch->sup, &sup);
		memcpy(sv->buf + sizeof(child), &sup, sizeof(sup));
	}
	memcpy(sv->buf + len - id_len, ch->id, id_len);
	*out = (struct core_record){ RECORD_KEY(RECORD_CHILD, ch->slot),
		sv->buf, len };
}

static void
emit_deletion(uint64_t key, struct core_record *out)
{
	*out = (struct core_record){ .key = key };
}

static uint64_t
time_key(uint32_t slot, uint32_t n)
{
	return RECORD_KEY(RECORD_RESTART,
	    (uint64_t)slot << RESTART_BITS | (n & RESTART_MASK));
}

/* --- one after the other --- */

static bool
next_dead(struct save *sv, struct core_record *out)
{
	struct dead *d;

	while (sv->at_dead < sv->ndead) {
		d = &sv->dead[sv->at_dead];
		if (sv->step == STEP_DEAD) {
			sv->step = STEP_DEAD_TIMES;
			sv->at_time = d->lo;
			emit_deletion(RECORD_KEY(RECORD_CHILD, d->slot), out);
			return true;
		}
		if (sv->at_time != d->hi) {
			emit_deletion(time_key(d->slot, sv->at_time++), out);
			return true;
		}
		sv->step = STEP_DEAD;
		sv->at_dead++;
	}
	sv->step = STEP_CORE;
	return false;
}

static bool
next_core(struct core *c, struct save *sv, struct core_record *out)
{
	sv->step = STEP_CHILD;
	sv->at_child = c->dirty;
	if (!sv->core_changed)
		return false;
	sv->core = (struct core_part){ sizeof(sv->core),
		c->generation_floor };
	*out = (struct core_record){ RECORD_KEY(RECORD_CORE, 0), &sv->core,
		sizeof(sv->core) };
	return true;
}

/*
 * The attempts that left the window since the last time, then those that
 * came.  Counted from the oldest that was saved, so numbers may wrap.
 */
static bool
next_time(struct save *sv, const struct sup *s, struct core_record *out)
{
	const struct intensity *in = &s->intensity;
	uint32_t old = s->saved_lo, saved = s->saved_hi - old;
	uint32_t lo = in->lo - old, hi = in->hi - old;
	uint32_t i = sv->at_time - old;
	uint64_t key;

	if (i >= lo && i < saved && !s->save_again)
		i = saved;
	if (i >= saved && i < lo)
		i = lo;
	if (i >= hi)
		return false;
	sv->at_time = old + i + 1;
	key = time_key(s->self->slot, old + i);
	if (i < lo) {
		emit_deletion(key, out);
		return true;
	}
	sv->time = intensity_at(in, old + i);
	*out = (struct core_record){ key, &sv->time, sizeof(sv->time) };
	return true;
}

static bool
next_child(struct save *sv, struct core_record *out)
{
	struct child *ch;

	while ((ch = sv->at_child) != NULL) {
		if (ch->gone) {
			sv->at_child = ch->next_dirty;
		} else if (sv->step == STEP_CHILD) {
			sv->step = STEP_TIMES;
			if (ch->sup != NULL)
				sv->at_time = ch->sup->saved_lo;
			emit_child(sv, ch, out);
			return true;
		} else if (ch->sup != NULL && next_time(sv, ch->sup, out)) {
			return true;
		} else {
			sv->step = STEP_CHILD;
			sv->at_child = ch->next_dirty;
		}
	}
	return false;
}

bool
core_save_next(struct core *c, struct core_record *out)
{
	struct save *sv = save_of(c);

	if (sv->step <= STEP_DEAD_TIMES && next_dead(sv, out))
		return true;
	if (sv->step == STEP_CORE && next_core(c, sv, out))
		return true;
	return next_child(sv, out);
}

void
core_save_clear(struct core *c)
{
	struct save *sv = save_of(c);
	struct child *ch;

	while ((ch = c->dirty) != NULL) {
		c->dirty = ch->next_dirty;
		ch->dirty = false;
		if (ch->sup != NULL) {
			ch->sup->saved_lo = ch->sup->intensity.lo;
			ch->sup->saved_hi = ch->sup->intensity.hi;
			ch->sup->save_again = false;
		}
	}
	sv->ndead = sv->at_dead = 0;
	sv->core_changed = false;
	sv->step = STEP_DEAD;
	sv->at_child = NULL;
}

void
core_save_all(struct core *c)
{
	struct child *ch;
	uint32_t i;

	save_of(c)->core_changed = true;
	for (i = 0; i < c->nslots; i++) {
		ch = c->slots[i];
		if (ch == NULL || ch->gone)
			continue;
		child_dirty(c, ch);
		if (ch->sup != NULL)
			ch->sup->save_again = true;
	}
}
