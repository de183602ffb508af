/* SPDX-License-Identifier: ISC */
/*
 * The manifest and the table that a spoilt otpd might leave: six bytes each
 * say where to write which word.  What is loaded holds together, or nothing
 * is.
 */
#include <string.h>

#include "fuzz.h"
#include "unit/manifest_rig.h"

#define PATCH	6
#define SIGN	0xffff		/* as a place: make the sum right */

/* Places count words: the table, then the manifest but for its long parts. */
static uint32_t *
place(struct manifest_rig *r, uint16_t n)
{
	const size_t rows = (RIG_CHILDREN + 2) * sizeof(struct child) / 4;
	const size_t held = (RIG_HELD + 2) * sizeof(struct held) / 4;
	const size_t in = offsetof(struct manifest, in) / 4;
	struct manifest *m = r->made.carried;

	if (n < rows)
		return (uint32_t *)(void *)r->made.table.slots + n;
	n = (uint16_t)(n - rows);
	if (n < held)
		return (uint32_t *)(void *)m->held + n;
	n = (uint16_t)(n - held);
	if (n < 3)
		return &m->in.len + n;
	return (uint32_t *)(void *)m + (n - 3) % in;
}

const unsigned fuzz_variations = 500;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct manifest_rig rig;
	uint32_t value;
	uint16_t at;

	if (rig.saved == NULL)
		MUST(manifest_rig_make(&rig));
	for (; size >= PATCH; data += PATCH, size -= PATCH) {
		memcpy(&at, data, sizeof(at));
		memcpy(&value, data + sizeof(at), sizeof(value));
		if (at == SIGN)
			manifest_rig_sign(&rig);
		else
			*place(&rig, at) = value;
	}
	if (manifest_rig_load(&rig)) {
		MUST(manifest_rig_wrong(&rig) == NULL);
		manifest_rig_unload(&rig);
	}
	manifest_rig_restore(&rig);
	return 0;
}
