/* SPDX-License-Identifier: ISC */
/* Reads trees; aborts on a mistake, for it is the test's. */
#include "core_rig_tree.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

static const char *const strategies[] = {
	[CORE_ONE_FOR_ONE] = "one_for_one",
	[CORE_ONE_FOR_ALL] = "one_for_all",
	[CORE_REST_FOR_ONE] = "rest_for_one",
	[CORE_SIMPLE_ONE_FOR_ONE] = "simple_one_for_one",
	[CORE_DYNAMIC] = "dynamic",
};
static const char *const restarts[] = {
	[CORE_PERMANENT] = "permanent",
	[CORE_TRANSIENT] = "transient",
	[CORE_TEMPORARY] = "temporary",
};

static bool
find(const char *word, const char *const *words, size_t n, unsigned *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0) {
			*out = (unsigned)i;
			return true;
		}
	return false;
}

static bool
how_it_stops(struct rig_user *u, const char *word)
{
	if (strcmp(word, "ignore") == 0)
		u->ignores = true;
	else if (strcmp(word, "exit0") == 0)
		u->how = "normal";
	else if (strcmp(word, "exit1") == 0)
		u->how = "abnormal";
	else if (sscanf(word, "slow=%u", &u->slow_ms) != 1 &&
	    sscanf(word, "v=%u", &u->version) != 1)
		return false;
	return true;
}

static bool
numbers(struct core_spec *s, const char *word)
{
	if (sscanf(word, "inf/%u", &s->period_ms) == 1) {
		s->max_restarts = CORE_INFINITY;
		return true;
	}
	return sscanf(word, "%u/%u", &s->max_restarts, &s->period_ms) == 2 ||
	    sscanf(word, "backoff=%u-%u-%u", &s->backoff_min_ms,
	    &s->backoff_max_ms, &s->backoff_reset_ms) == 3 ||
	    sscanf(word, "max=%u", &s->max_children) == 1 ||
	    (strstr(word, "ms") != NULL &&
	    sscanf(word, "%ums", &s->shutdown_ms) == 1);
}

static void
attribute(struct core_spec *s, const char *word)
{
	unsigned i;

	if (find(word, strategies, nitems(strategies), &i))
		s->strategy = (enum core_strategy)i;
	else if (find(word, restarts, nitems(restarts), &i))
		s->restart = (enum core_restart)i;
	else if (strcmp(word, "kill") == 0)
		s->shutdown_ms = CORE_BRUTAL_KILL;
	else if (strcmp(word, "infinity") == 0)
		s->shutdown_ms = CORE_INFINITY;
	else if (strcmp(word, "significant") == 0)
		s->significant = true;
	else if (strcmp(word, "down") == 0)
		s->down = true;
	else if (strcmp(word, "any") == 0)
		s->auto_shutdown = CORE_AUTO_ANY_SIGNIFICANT;
	else if (strcmp(word, "parallel") == 0)
		s->parallel_stop = true;
	else if (strcmp(word, "all") == 0)
		s->auto_shutdown = CORE_AUTO_ALL_SIGNIFICANT;
	else if (!numbers(s, word) && !how_it_stops(s->user, word)) {
		fprintf(stderr, "what is %s?\n", word);
		abort();
	}
}

/* A word up to a blank, a colon or a parenthesis. */
static bool
word(const char **text, char *out, size_t size)
{
	size_t n = strcspn(*text, " :()");

	if (n == 0 || n >= size)
		return false;
	memcpy(out, *text, n);
	out[n] = '\0';
	*text += n;
	return true;
}

static struct core_spec *
spec_new(const char *id, struct rig_user **users)
{
	struct core_spec *s = calloc(1, sizeof(*s));
	struct rig_user *u = calloc(1, sizeof(*u));

	if (s == NULL || u == NULL)
		abort();
	u->next = *users;
	*users = u;
	u->how = "shutdown";
	s->id = strdup(id);
	s->user = u;
	s->shutdown_ms = 5000;
	s->max_restarts = 3;
	s->period_ms = 5000;
	s->max_children = CORE_INFINITY;
	return s;
}

struct core_spec *
rig_tree(const char **text, struct rig_user **users)
{
	struct core_spec *s, *sub;
	const struct core_spec **end;
	char buf[64];

	*text += strspn(*text, " ");
	if (!word(text, buf, sizeof(buf)))
		return NULL;
	s = spec_new(buf, users);
	while (**text == ':') {
		++*text;
		if (word(text, buf, sizeof(buf)))
			attribute(s, buf);
	}
	if (**text != '(')
		return s;
	++*text;
	s->type = CORE_SUPERVISOR;
	if (s->shutdown_ms == 5000)
		s->shutdown_ms = CORE_INFINITY;
	end = &s->children;
	while ((sub = rig_tree(text, users)) != NULL) {
		*end = sub;
		end = &sub->next;
	}
	*text += strspn(*text, " )") > 0 ? strcspn(*text, ")") + 1 : 0;
	return s;
}

void
rig_tree_free(struct core_spec *spec)
{
	struct core_spec *next;

	for (; spec != NULL; spec = next) {
		next = (struct core_spec *)(uintptr_t)spec->next;
		rig_tree_free((struct core_spec *)(uintptr_t)spec->children);
		free((char *)(uintptr_t)spec->id);
		free(spec);
	}
}

bool
rig_tree_same(const void *a, const void *b, enum core_same what)
{
	const struct rig_user *x = a, *y = b;

	(void)what;
	return x->version == y->version;
}
