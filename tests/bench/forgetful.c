/* SPDX-License-Identifier: ISC */
/*
 * In place of the store's functions in an engine for the bench: nothing is
 * written, so that what the snapshot costs can be measured.
 */
#include "engine/store.h"

void	__wrap_store_put(struct store *s, enum store_type type, uint64_t key,
	    const void *data, size_t len);
int	__wrap_store_commit(struct store *s);

void
__wrap_store_put(struct store *s, enum store_type type, uint64_t key,
    const void *data, size_t len)
{
	(void)s;
	(void)type;
	(void)key;
	(void)data;
	(void)len;
}

int
__wrap_store_commit(struct store *s)
{
	(void)s;
	return 0;
}
