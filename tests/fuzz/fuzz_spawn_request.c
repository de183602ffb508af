/* SPDX-License-Identifier: ISC */
/*
 * A message to the spawner as a mad engine might send it: every record found
 * lies within it, every order that passes is read within its record, and says
 * the same when it is written again.
 */
#include <string.h>

#include "fuzz.h"
#include "wire/spawn_request.h"

/* v stands within the record, string by string. */
static void
within(const struct spawn_view *v, const char *const *strings)
{
	const char *base = (const char *)v->s, *end = base + v->s->h.len;
	const char *const all[] = { v->cwd, v->out_path, v->err_path };
	unsigned int i, n = (unsigned int)v->s->argc + v->s->envc + 2;

	MUST((const char *)(v->groups + v->s->ngroups) <= end);
	MUST((const char *)(v->limits + v->s->nlimits) <= end);
	for (i = 0; i < n; i++) {
		bool last = i == v->s->argc || i == n - 1;

		MUST((strings[i] == NULL) == last);
		if (last)
			continue;
		MUST(strings[i] >= base && strings[i] < end);
		MUST(strings[i] + strlen(strings[i]) < end);
	}
	for (i = 0; i < 3; i++)
		MUST(all[i] > base && all[i] + strlen(all[i]) < end);
	MUST(strings[0][0] != '\0');
}

static void
write_again(const struct spawn_view *v, const char *const *strings)
{
	static uint64_t buf[SPAWN_MSG_MAX / 8];
	const struct spawn_start *s = v->s, *again = (const void *)buf;
	struct spawn_spec spec = {
		.argv = strings, .env = strings + s->argc + 1, .cwd = v->cwd,
		.out_path = v->out_path, .err_path = v->err_path,
		.groups = v->groups, .limits = v->limits, .uid = s->uid,
		.gid = s->gid, .umask = s->umask, .flags = s->flags,
		.ngroups = s->ngroups, .nlimits = s->nlimits,
		.out = (enum spawn_dest)s->out, .err = (enum spawn_dest)s->err,
		.log_key = s->log_key
	};
	struct spawn_view second;
	long n;

	n = spawn_start_encode(&spec, buf, sizeof(buf));
	MUST(n > 0 && (uint64_t)n <= s->h.len);
	MUST(spawn_start_check(&again->h, &second) == 0);
	MUST(second.s->argc == s->argc && second.s->envc == s->envc);
	MUST(memcmp(second.strings, v->strings, second.s->strings) == 0);
	MUST(memcmp(second.limits, v->limits,
	    s->nlimits * sizeof(*v->limits)) == 0);
}

const unsigned fuzz_variations = 20000;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t message[SPAWN_MSG_MAX / 8];
	static const char *strings[SPAWN_ARGS_MAX + 2];
	const struct spawn_header *h;
	struct spawn_view v;
	size_t at;

	if (size > SPAWN_MSG_MAX)
		size = SPAWN_MSG_MAX;
	if (size > 0)
		memcpy(message, data, size);
	for (at = 0; at < size; at += spawn_padded(h->len)) {
		const char *p = (const char *)message + at;

		if (spawn_next(p, size - at, &h) < 0)
			break;
		MUST(h->len >= sizeof(*h) && h->len <= size - at);
		if (spawn_start_check(h, &v) < 0)
			continue;
		MUST(v.s->argc + v.s->envc <= SPAWN_ARGS_MAX);
		spawn_start_vectors(&v, strings);
		within(&v, strings);
		write_again(&v, strings);
	}
	return 0;
}
