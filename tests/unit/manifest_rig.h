/* SPDX-License-Identifier: ISC */
/*
 * A manifest as a running otpd leaves it, made without one, to be spoilt and
 * loaded again.
 */
#ifndef OTPD_TESTS_MANIFEST_RIG_H
#define OTPD_TESTS_MANIFEST_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spawner/state.h"

#define RIG_CHILDREN	6	/* in the table, in all its states */
#define RIG_HELD	5

struct manifest_rig {
	struct spawner	 made;		/* who left it */
	struct spawner	 loaded;	/* who took it over */
	uint8_t		*saved;		/* both memfds' bytes */
	uint32_t	 bad;
};

/* false: it cannot be made. */
bool	manifest_rig_make(struct manifest_rig *r);
void	manifest_rig_done(struct manifest_rig *r);
/* Everything as it was made. */
void	manifest_rig_restore(struct manifest_rig *r);
/* The constant part is right by its sum, whatever it says. */
void	manifest_rig_sign(struct manifest_rig *r);
/* Loads it into loaded; false when it was refused.  To be unloaded. */
bool	manifest_rig_load(struct manifest_rig *r);
void	manifest_rig_unload(struct manifest_rig *r);
/* NULL, or what of loaded can never be. */
const char *manifest_rig_wrong(struct manifest_rig *r);

#endif /* OTPD_TESTS_MANIFEST_RIG_H */
