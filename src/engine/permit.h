/* SPDX-License-Identifier: ISC */
/*
 * May a worker ask for that over its link?  Who comes by the control socket
 * was let in, or not, when it connected.
 */
#ifndef OTPD_ENGINE_PERMIT_H
#define OTPD_ENGINE_PERMIT_H

#include <cjson/cJSON.h>

#include "engine/engine.h"

/* Anything at all. */
bool	permit_all(struct engine *e, server_peer peer);
/* An order about this child and all below it. */
bool	permit_slot(struct engine *e, server_peer peer, uint32_t slot);
/* A new child below sup. */
bool	permit_start(struct engine *e, server_peer peer, uint32_t sup,
	    const cJSON *spec);
/* To be linked: its own end may end the other. */
bool	permit_link(struct engine *e, uint32_t slot, uint32_t target);

#endif /* OTPD_ENGINE_PERMIT_H */
