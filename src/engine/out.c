/* SPDX-License-Identifier: ISC */
/*
 * Growing text and JSON; see out.h.  Knows nothing of what is written.
 */
#include "engine/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/spawn_request.h"

/* Not a crash: what had been done is kept, and the next engine goes on. */
static void __attribute__((noreturn))
no_memory(void)
{
	static const char words[] = "otpd: the engine has no memory left\n";

	if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
		_exit(SPAWN_EXIT_AGAIN);
	_exit(SPAWN_EXIT_AGAIN);
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		no_memory();
	return p;
}

void *
xrealloc(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n, size);
	if (p == NULL)
		no_memory();
	return p;
}

char *
xstrdup(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		no_memory();
	return copy;
}

void *
xgrow(void *p, uint32_t *cap, uint32_t at, size_t size)
{
	uint32_t n = *cap > 0 ? *cap : 16;

	if (at < *cap)
		return p;
	while (n <= at)
		n *= 2;
	p = xrealloc(p, n, size);
	memset((char *)p + *cap * size, 0, (n - *cap) * size);
	*cap = n;
	return p;
}

void
out_done(struct out *o)
{
	free(o->text);
	*o = (struct out){ 0 };
}

static void
out_room(struct out *o, size_t more)
{
	size_t size = o->size > 0 ? o->size : 256;

	if (o->size - o->len > more)
		return;
	while (size - o->len <= more)
		size *= 2;
	o->text = xrealloc(o->text, size, 1);
	o->size = size;
}

void
out_bytes(struct out *o, const void *bytes, size_t len)
{
	out_room(o, len);
	if (len > 0)
		memcpy(o->text + o->len, bytes, len);
	o->len += len;
	o->text[o->len] = '\0';
}

void
out_text(struct out *o, const char *text)
{
	out_bytes(o, text, strlen(text));
}

void
out_format(struct out *o, const char *format, ...)
{
	va_list ap;
	int n;

	out_room(o, 128);
	va_start(ap, format);
	n = vsnprintf(o->text + o->len, o->size - o->len, format, ap);
	va_end(ap);
	if (n < 0)
		abort();
	if ((size_t)n >= o->size - o->len) {
		out_room(o, (size_t)n);
		va_start(ap, format);
		n = vsnprintf(o->text + o->len, o->size - o->len, format, ap);
		va_end(ap);
	}
	o->len += (size_t)n;
}

void
out_string(struct out *o, const char *text)
{
	const char *p, *from;

	if (text == NULL) {
		out_text(o, "null");
		return;
	}
	out_text(o, "\"");
	for (p = from = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		out_bytes(o, from, (size_t)(p - from));
		from = p + 1;
		if (c == '"' || c == '\\')
			out_format(o, "\\%c", c);
		else
			out_format(o, "\\u%04x", c);
	}
	out_bytes(o, from, (size_t)(p - from));
	out_text(o, "\"");
}

void
out_comma(struct out *o)
{
	char last = o->len > 0 ? o->text[o->len - 1] : '[';

	if (last != '{' && last != '[' && last != ':')
		out_text(o, ",");
}

void
out_key(struct out *o, const char *key)
{
	out_comma(o);
	out_string(o, key);
	out_text(o, ":");
}

void
out_key_string(struct out *o, const char *key, const char *text)
{
	out_key(o, key);
	out_string(o, text);
}

void
out_key_int(struct out *o, const char *key, int64_t n)
{
	out_key(o, key);
	out_format(o, "%lld", (long long)n);
}

void
out_key_bool(struct out *o, const char *key, int yes)
{
	out_key(o, key);
	out_text(o, yes ? "true" : "false");
}
