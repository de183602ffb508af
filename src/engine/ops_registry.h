/* SPDX-License-Identifier: ISC */
/*
 * What the handlers of requests to registries share.
 */
#ifndef OTPD_ENGINE_OPS_REGISTRY_H
#define OTPD_ENGINE_OPS_REGISTRY_H

#include "engine/control.h"
#include "engine/registry.h"

enum registry_field { FIELD_KEY, FIELD_VALUE, FIELD_PREFIX,
	FIELD_VALUE_PREFIX, REGISTRY_NFIELDS };

struct registry_ask {
	struct registry	*registry;
	struct bytes	 field[REGISTRY_NFIELDS];	/* NULL: not given */
	char		*mine[REGISTRY_NFIELDS];
	uint32_t	 slot;		/* who asks over its link; CORE_NONE */
	uint32_t	 call;		/* its number; 0: none */
};

typedef void registry_fn(struct engine *e, const struct caller *c,
	    const struct registry_ask *a);

/* "key": or "key64":, whichever these bytes need; a NUL stands behind them. */
void	registry_put_bytes(struct out *o, const char *key, const char *data,
	    size_t len);

/* --- ops_registry_ask.c --- */
registry_fn	registry_do_entries, registry_do_own_entries,
	registry_do_count;
/* Has it the value, or the beginnings, that are asked for? */
bool	registry_matches(const struct registry_ask *a,
	    const struct registry_entry *x);
/* Requests that are about no registry that there is already. */
bool	registry_op_of_all(struct engine *e, const struct caller *c,
	    const char *name);

#endif /* OTPD_ENGINE_OPS_REGISTRY_H */
