/* SPDX-License-Identifier: ISC */
/*
 * The snapshot's outgoing half: what changed since the last one.
 */
#include <stdlib.h>

#include "core/parts.h"

struct save {
	uint32_t	*dead;		/* slots whose records must go */
	size_t		 ndead, cap;
};

void
save_forget(struct core *c, const struct child *ch)
{
	struct save *sv = c->save;

	if (sv == NULL)
		sv = c->save = core_alloc(sizeof(*sv));
	if (sv->ndead == sv->cap) {
		sv->cap = sv->cap * 2 + 8;
		sv->dead = core_grow(sv->dead, sv->cap, sizeof(sv->dead[0]));
	}
	sv->dead[sv->ndead++] = ch->slot;
}

void
save_free(struct core *c)
{
	if (c->save != NULL)
		free(c->save->dead);
	free(c->save);
}
