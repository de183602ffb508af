/* SPDX-License-Identifier: ISC */
/*
 * One field of a flat JSON object, as these examples need it: strings without
 * escapes, numbers, words.  A real worker uses a JSON library.
 */
#ifndef EXAMPLES_FIELD_H
#define EXAMPLES_FIELD_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* False when it is not there, or does not fit. */
static inline bool
field(const char *json, const char *name, char *out, size_t size)
{
	const char *at = json;
	size_t len = strlen(name);

	while ((at = strchr(at, '"')) != NULL &&
	    (strncmp(at + 1, name, len) != 0 || at[len + 1] != '"'))
		at++;
	if (at == NULL)
		return false;
	at += len + 2;
	at += strspn(at, " :");
	if (*at == '"') {
		at++;
		len = strcspn(at, "\"");
	} else {
		len = strcspn(at, ",}] ");
	}
	if (len >= size)
		return false;
	memcpy(out, at, len);
	out[len] = '\0';
	return true;
}

#endif /* EXAMPLES_FIELD_H */
