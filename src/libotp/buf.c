/* SPDX-License-Identifier: ISC */
/*
 * Buffers of connections.  A connection has one only while there is something
 * in it; between times a few spares serve them all, so that an idle connection
 * costs nothing and a busy one does not allocate.  What is seldom needed is kept
 * out of line, for the sake of calls that find cold caches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/impl.h"

#define USUAL		(OTPI_READ + 1)		/* what nearly all of them have */
#define KEEP_MAX	(4U * 1024 * 1024)	/* the largest spare kept */

/* The smallest spare that will do; of large ones the largest. */
static __attribute__((noinline)) struct otpi_buf *
find_spare(struct otp *o, size_t cap)
{
	struct otpi_buf *best = NULL;
	bool large = cap > USUAL;

	for (int i = 0; i < OTPI_SPARES; i++) {
		struct otpi_buf *s = &o->spares[i];

		if (s->data == NULL || s->cap < cap)
			continue;
		if (best == NULL || (large ? s->cap > best->cap :
		    s->cap < best->cap))
			best = s;
	}
	return best;
}

/* b is empty and gets at least cap bytes; never less than a read takes. */
OTPI_HOT int
otpi_buf_take(struct otp *o, struct otpi_buf *b, size_t cap)
{
	struct otpi_buf *s = o->spares;
	uint8_t *data;

	if (cap < USUAL)
		cap = USUAL;
	while (s < o->spares + OTPI_SPARES && s->cap != cap)
		s++;
	if (s == o->spares + OTPI_SPARES)
		s = find_spare(o, cap);
	if (s != NULL) {
		*b = (struct otpi_buf){ .data = s->data, .cap = s->cap };
		*s = (struct otpi_buf){ 0 };
		return 0;
	}
	data = malloc(cap);
	if (data == NULL)
		return -ENOMEM;
	*b = (struct otpi_buf){ .data = data, .cap = cap };
	return 0;
}

OTPI_HOT void
otpi_buf_weigh(struct otp *o, const struct otpi_buf *b)
{
	if (b->end > OTPI_LEAN || b->cap > USUAL)
		o->fat = true;
}

/* A large one stays rather than a small one, or large frames would be copied
 * from one buffer to the next as they come. */
static __attribute__((noinline)) struct otpi_buf *
find_slot(struct otp *o, const struct otpi_buf *b)
{
	struct otpi_buf *slot = &o->spares[0];

	if (b->cap <= OTPI_READ || b->cap > KEEP_MAX)
		return NULL;
	for (int i = 1; i < OTPI_SPARES && slot->data != NULL; i++)
		if (o->spares[i].data == NULL || o->spares[i].cap < slot->cap)
			slot = &o->spares[i];
	return slot->data == NULL || slot->cap < b->cap ? slot : NULL;
}

OTPI_HOT void
otpi_buf_drop(struct otp *o, struct otpi_buf *b)
{
	struct otpi_buf *slot = o->spares;

	if (b->data == NULL)
		return;
	while (slot < o->spares + OTPI_SPARES && slot->data != NULL)
		slot++;
	if (slot == o->spares + OTPI_SPARES || b->cap != USUAL)
		slot = find_slot(o, b);
	if (slot != NULL) {
		if (slot->data != NULL)
			free(slot->data);
		otpi_buf_weigh(o, b);
		*slot = *b;
	} else {
		free(b->data);
	}
	*b = (struct otpi_buf){ 0 };
}

void
otpi_buf_free_spares(struct otp *o, size_t above)
{
	o->fat = false;
	for (int i = 0; i < OTPI_SPARES; i++) {
		if (o->spares[i].cap > above) {
			free(o->spares[i].data);
			o->spares[i] = (struct otpi_buf){ 0 };
		}
		if (o->spares[i].data != NULL)
			o->fat = true;
	}
	o->trim_at = 0;
}

static __attribute__((noinline)) int
make_room(struct otp *o, struct otpi_buf *b, size_t more)
{
	size_t len = b->end - b->pos, cap;
	struct otpi_buf old = *b;
	int rc;

	if (b->cap - len >= more && b->pos >= len) {
		otpi_buf_weigh(o, b);
		memmove(b->data, b->data + b->pos, len);
		b->pos = 0;
		b->end = len;
		return 0;
	}
	if (more > SIZE_MAX / 4 || len > SIZE_MAX / 4)
		return -ENOMEM;
	cap = len + more;
	if (b->cap > OTPI_READ && cap < 2 * b->cap)
		cap = 2 * b->cap;
	rc = otpi_buf_take(o, b, cap);
	if (rc < 0)
		return rc;
	if (len > 0)
		memcpy(b->data, old.data + old.pos, len);
	b->end = len;
	otpi_buf_drop(o, &old);
	return 0;
}

OTPI_HOT int
otpi_buf_room(struct otp *o, struct otpi_buf *b, size_t more)
{
	if (b->data == NULL)
		return otpi_buf_take(o, b, more);
	return b->cap - b->end >= more ? 0 : make_room(o, b, more);
}
