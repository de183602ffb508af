/* SPDX-License-Identifier: ISC */
/*
 * From what people type to a place in the tree, and the walk over the tree.
 */
#include <errno.h>
#include <string.h>

#include "engine/engine.h"

uint32_t
engine_walk(struct engine *e, uint32_t slot, uint32_t top)
{
	uint32_t next = core_first(e->core, slot);
	struct core_child view;

	while (next == CORE_NONE && slot != top) {
		next = core_next(e->core, slot);
		if (next != CORE_NONE)
			break;
		if (!core_view(e->core, slot, 0, &view))
			return CORE_NONE;
		slot = view.parent;
		if (slot == CORE_NONE)
			return CORE_NONE;
	}
	return next;
}

/* Step by step from the root: the whole path. */
static uint32_t
find_whole(struct engine *e, const char *path)
{
	uint32_t slot = core_root(e->core);
	char id[128];

	while (*path != '\0' && slot != CORE_NONE) {
		size_t len = strcspn(path, "/");

		if (len == 0 || len >= sizeof(id))
			return CORE_NONE;
		memcpy(id, path, len);
		id[len] = '\0';
		slot = core_find(e->core, slot, id);
		path += len;
		if (*path == '/')
			path++;
	}
	return slot;
}

bool
path_ends(const char *whole, const char *part)
{
	size_t n = strlen(whole), m = strlen(part);

	return n == m ? strcmp(whole, part) == 0 : n > m &&
	    whole[n - m - 1] == '/' && strcmp(whole + n - m, part) == 0;
}

int
engine_find(struct engine *e, const char *path, uint32_t *out)
{
	uint32_t root = core_root(e->core), found = CORE_NONE, slot;

	while (*path == '/')
		path++;
	if (root == CORE_NONE)
		return -ENOENT;
	if (*path == '\0' || strcmp(path, ".") == 0) {
		*out = root;
		return 0;
	}
	slot = find_whole(e, path);
	if (slot != CORE_NONE) {
		*out = slot;
		return 0;
	}
	for (slot = root; slot != CORE_NONE; slot = engine_walk(e, slot, root)) {
		engine_set_path(e, slot);
		if (!path_ends(engine_child(e, slot)->path, path))
			continue;
		if (found != CORE_NONE)
			return -EEXIST;
		found = slot;
	}
	if (found == CORE_NONE && strcmp(path, "root") == 0)
		found = root;
	if (found == CORE_NONE)
		return -ENOENT;
	*out = found;
	return 0;
}
