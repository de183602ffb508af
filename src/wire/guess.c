/* SPDX-License-Identifier: ISC */
/*
 * The word that somebody may have meant; see guess.h.
 */
#include "wire/guess.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX	40

static unsigned
least(unsigned a, unsigned b, unsigned c)
{
	return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

static bool
same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Letters put in, left out, changed or swapped, from a to b. */
static unsigned
edit_distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1], *two, *one, *now, *spare;
	size_t na = strlen(a), nb = strlen(b), i, k;

	two = rows[0], one = rows[1], now = rows[2];
	for (k = 0; k <= nb; k++)
		one[k] = (unsigned)k;
	for (i = 1; i <= na; i++) {
		now[0] = (unsigned)i;
		for (k = 1; k <= nb; k++) {
			now[k] = least(one[k] + 1, now[k - 1] + 1,
			    one[k - 1] + !same_letter(a[i - 1], b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] &&
			    a[i - 2] == b[k - 1] && two[k - 2] + 1 < now[k])
				now[k] = two[k - 2] + 1;
		}
		spare = two, two = one, one = now, now = spare;
	}
	return one[nb];
}

void
guess_try(struct guess *g, const char *candidate)
{
	size_t n = strlen(g->word);
	unsigned distance;

	if (n == 0 || n > WORD_MAX || strlen(candidate) > WORD_MAX)
		return;
	distance = edit_distance(g->word, candidate);
	if (distance > (n < 3 ? 0 : (n + 2) / 4))
		return;
	if (g->best == NULL || distance < g->distance) {
		g->best = candidate;
		g->distance = distance;
	}
}

const char *
guess_words(const struct guess *g, char *buf, size_t size)
{
	if (g->best == NULL)
		return "";
	(void)snprintf(buf, size, "; did you mean `%s`?", g->best);
	return buf;
}
