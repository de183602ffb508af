/* SPDX-License-Identifier: ISC */
/*
 * Ids below a dynamic supervisor may repeat, as in Elixir.  A child must have
 * an address nevertheless: those that find their id taken get a number.
 */
#include <assert.h>
#include <string.h>

#include "core/parts.h"

static void
put_number(char *out, uint32_t n)
{
	char digits[CORE_ID_EXTRA];	/* with the NUL, without the ~ */
	size_t i = sizeof(digits);

	digits[--i] = '\0';
	do
		digits[--i] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	memcpy(out, digits + i, sizeof(digits) - i);
}

/*
 * Numbers rise with the order of starting, so that none is given twice in a
 * supervisor's life, and that a free one is found at once.
 */
void
core_name(struct core *c, uint32_t sup, const char *id, char *out,
    size_t size)
{
	struct child *ch = sup < c->nslots ? c->slots[sup] : NULL;
	size_t len = strlen(id);

	assert(len + CORE_ID_EXTRA < size);
	memcpy(out, id, len + 1);
	if (ch == NULL || ch->gone || ch->sup == NULL ||
	    ch->sup->strategy != CORE_DYNAMIC)
		return;
	if (ch->sup->next_number < ch->sup->next_order)
		ch->sup->next_number = ch->sup->next_order;
	while (index_taken(c, ch->sup, out)) {
		out[len] = '~';
		put_number(out + len + 1, ch->sup->next_number++);
	}
}
