/* SPDX-License-Identifier: ISC */
/*
 * Hands out memory from large pieces, asked for with all their pages at once:
 * a page fault for each would take longer than reading the answer.  Must not
 * be used by a command that follows something.
 */
#include "otpctl/arena.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cjson/cJSON.h>

#define PIECE		(512 * 1024)
#define ALIGNMENT	8

static char first[16384] __attribute__((aligned(ALIGNMENT)));
static char *at = first;
static size_t left = sizeof(first);

static void *
pages(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void *
arena_alloc(size_t n)
{
	void *p;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (n > left) {
		if (n > PIECE / 4)
			return pages(n);
		p = pages(PIECE);
		if (p == NULL)
			return NULL;
		at = p;
		left = PIECE;
	}
	p = at;
	at += n;
	left -= n;
	return p;
}

static void
arena_keep(void *p)
{
	(void)p;
}

void
arena_use(void)
{
	cJSON_Hooks hooks = { .malloc_fn = arena_alloc,
	    .free_fn = arena_keep };

	cJSON_InitHooks(&hooks);
}
