/* SPDX-License-Identifier: ISC */
/*
 * Being careful after crashes; see rung.c and enum spawn_rung.
 */
#ifndef OTPD_ENGINE_RUNG_H
#define OTPD_ENGINE_RUNG_H

#include "engine/engine.h"

/*
 * What is about to be handled, for the next engine if this one dies over it,
 * and that it is over.
 */
void	rung_about(struct engine *e, enum crumb_kind kind, uint64_t inc,
	    const char *text, size_t len);
void	rung_done(struct engine *e);
/* From here on what the last engine died over is dropped, and said.  False:
 * it was over nothing in particular. */
bool	rung_drop_event(struct engine *e);
bool	rung_is_dropped(const struct engine *e, enum crumb_kind kind,
	    uint64_t inc, const char *text, size_t len);

/* Lets the spawner note whose process the slot's is. */
void	rung_label(struct engine *e, uint32_t slot);
/* A process of this path lives: it is the slot's from now on. */
bool	rung_adopt(struct engine *e, uint32_t slot);
/* That incarnation has ended: nobody can adopt it. */
void	rung_forget(struct engine *e, uint64_t inc);
/* The highest of all generations that the spawner knows. */
uint32_t rung_generation(const struct engine *e);

/* While it holds: what the spawner tells. */
void	rung_hold_child(struct engine *e, uint64_t inc,
	    const struct spawn_child *told);
void	rung_hold_asked(struct engine *e, uint32_t mask);

#endif /* OTPD_ENGINE_RUNG_H */
