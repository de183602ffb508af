/* SPDX-License-Identifier: ISC */
/*
 * A growing text, and JSON written into it.  Running out of memory aborts:
 * the spawner starts the next engine from the snapshot.
 */
#ifndef OTPD_ENGINE_OUT_H
#define OTPD_ENGINE_OUT_H

#include <stddef.h>
#include <stdint.h>

struct out {
	char	*text;		/* NUL-ended once anything was written */
	size_t	 len, size;
};

void	out_done(struct out *o);
void	out_bytes(struct out *o, const void *bytes, size_t len);
void	out_text(struct out *o, const char *text);
void	out_format(struct out *o, const char *format, ...)
	    __attribute__((format(printf, 2, 3)));
/* A JSON string, quoted and escaped; null for NULL. */
void	out_string(struct out *o, const char *text);
/* ,"key": (no comma after an opening bracket) and the value. */
void	out_key(struct out *o, const char *key);
void	out_key_string(struct out *o, const char *key, const char *text);
void	out_key_int(struct out *o, const char *key, int64_t n);
void	out_key_bool(struct out *o, const char *key, int yes);
/* A comma, unless the last byte is an opening bracket or a key's colon. */
void	out_comma(struct out *o);

void	*xcalloc(size_t n, size_t size);
void	*xrealloc(void *p, size_t n, size_t size);
char	*xstrdup(const char *text);
/* Doubles *cap until it exceeds at; new elements are zeroed. */
void	*xgrow(void *p, uint32_t *cap, uint32_t at, size_t size);

#endif /* OTPD_ENGINE_OUT_H */
