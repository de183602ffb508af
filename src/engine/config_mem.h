/* SPDX-License-Identifier: ISC */
/*
 * Memory while a configuration is read: an arena for what is dropped in one
 * go, and a hash of strings.
 */
#ifndef OTPD_ENGINE_CONFIG_MEM_H
#define OTPD_ENGINE_CONFIG_MEM_H

#include <stddef.h>

struct arena { struct arena_chunk *chunks; };
void	*arena_alloc(struct arena *a, size_t size);	/* zeroed */
char	*arena_printf(struct arena *a, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	 arena_done(struct arena *a);

/* Keys are borrowed: they outlive the map. */
struct strmap {
	struct strmap_slot { const char *key; void *value; } *slots;
	size_t	n, size;
};
/* The value held for key before, or NULL after value has been put there. */
void	*strmap_put(struct strmap *m, const char *key, void *value);
void	*strmap_get(const struct strmap *m, const char *key);
void	 strmap_done(struct strmap *m);

#endif /* OTPD_ENGINE_CONFIG_MEM_H */
