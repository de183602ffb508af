/* SPDX-License-Identifier: ISC */
/*
 * The lists of a restored tree: every listed child goes under its supervisor,
 * in the order that the snapshot gives.
 */
#include "core/parts.h"

/* Two lists that rise by order become one; linked by next. */
static struct child *
merge(struct child *a, struct child *b)
{
	struct child *first = NULL, **end = &first;

	while (a != NULL && b != NULL) {
		if (b->order < a->order) {
			*end = b;
			b = b->next;
		} else {
			*end = a;
			a = a->next;
		}
		end = &(*end)->next;
	}
	*end = a != NULL ? a : b;
	return first;
}

static struct child *
sorted(struct child *list)
{
	struct child *bins[32] = { NULL }, *next;
	unsigned i;

	for (; list != NULL; list = next) {
		next = list->next;
		list->next = NULL;
		for (i = 0; bins[i] != NULL; i++) {
			list = merge(bins[i], list);
			bins[i] = NULL;
		}
		bins[i] = list;
	}
	for (i = 0; i < 32; i++)
		list = merge(bins[i], list);
	return list;
}

void
tree_list_all(struct core *c)
{
	struct child *ch, *next;
	uint32_t i;

	for (i = 0; i < c->nslots; i++) {
		ch = c->slots[i];
		if (ch == NULL || ch->parent == NULL || !ch->listed)
			continue;
		ch->next = ch->parent->sup->first;
		ch->parent->sup->first = ch;
	}
	for (i = 0; i < c->nslots; i++) {
		if (c->slots[i] == NULL || c->slots[i]->sup == NULL)
			continue;
		ch = sorted(c->slots[i]->sup->first);
		c->slots[i]->sup->first = NULL;
		for (; ch != NULL; ch = next) {
			next = ch->next;
			tree_relink(c->slots[i]->sup, ch);
		}
	}
}
