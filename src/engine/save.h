/* SPDX-License-Identifier: ISC */
/*
 * The engine's own records in the snapshot.  Fields are only ever added at
 * the end; a reader takes the part that it knows.
 */
#ifndef OTPD_ENGINE_SAVE_H
#define OTPD_ENGINE_SAVE_H

#include "engine/engine.h"

#define CHILD_F_READY		0x1
#define CHILD_F_ASKED		0x2
#define CHILD_F_IGNORE		0x4
#define CHILD_F_TIMED_OUT	0x8
#define CHILD_F_TRAPS		0x10
#define CHILD_F_EARLY		0x20
#define CHILD_F_ENDED		0x100
#define CHILD_F_OWN_END		0x200
#define CHILD_F_UNTOLD		0x400
#define CHILD_F_KILL		0x800
#define CHILD_HEARD_SHIFT	16	/* above it: the tag heard last */

/* Then said, failure, last_reason, signalled, NUL-ended each. */
struct child_record {
	uint64_t	inc, start_ns, last_at_ms;
	uint32_t	last_generation, log_key;
	int32_t		pid;
	uint32_t	flags;
	uint32_t	worker_key;
	int32_t		last_pid;
};

struct name_record {	/* then the name, without a NUL */
	uint32_t	slot, pad;
};

struct plan_record {	/* then the steps: a digit of flags, name, NUL */
	uint32_t	kind, n, at, undoing;
};

struct watch_record {
	uint64_t	ref;
	uint32_t	target, watcher;
	uint32_t	link, pad;
};

struct letter_record {	/* then the payload of the frame */
	uint64_t	inc, ref;
	uint32_t	type, pad;
};

#endif /* OTPD_ENGINE_SAVE_H */
