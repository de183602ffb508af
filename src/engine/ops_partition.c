/* SPDX-License-Identifier: ISC */
/*
 * Which partition of a partition_supervisor a key belongs to.  Only says so:
 * whoever asks then speaks to the partition itself, by its path.
 */
#include "engine/control.h"

#include <string.h>

#include "wire/partition.h"

#define EXACT_MAX	9007199254740992.0	/* 2^53 */

/*
 * {"key": 7} or {"key": "text"}; {"integer": "12345678901234567890"} for those
 * that JSON's numbers cannot hold.
 */
static bool
partition_of_key(const struct caller *c, uint32_t n, uint32_t *out)
{
	const cJSON *key = cJSON_GetObjectItemCaseSensitive(c->request, "key");
	const char *integer = control_string(c, "integer");
	double d;

	if (integer != NULL)
		return partition_of_decimal(integer, n, out);
	if (cJSON_IsString(key)) {
		*out = partition_of_bytes(key->valuestring,
		    strlen(key->valuestring), n);
		return true;
	}
	d = cJSON_IsNumber(key) ? key->valuedouble : 0.5;
	if (!(d >= -EXACT_MAX && d <= EXACT_MAX) || d != (double)(int64_t)d)
		return false;
	*out = partition_of_integer((int64_t)d, n);
	return true;
}

void
op_partition(struct engine *e, const struct caller *c)
{
	const char *sup = control_needed(e, c, "sup"), *path;
	const struct service *s;
	struct out o = { 0 };
	uint32_t slot, at;

	if (sup == NULL || !control_place(e, c, sup, "noproc", &slot))
		return;
	s = engine_service(e, slot);
	if (s == NULL || s->partitions == 0) {
		control_refuse(e, c, "invalid",
		    "%s is not a partition_supervisor", sup);
		return;
	}
	if (!partition_of_key(c, s->partitions, &at)) {
		control_refuse(e, c, "invalid",
		    "a key is a string or an integer");
		return;
	}
	engine_set_path(e, slot);
	path = engine_child(e, slot)->path;
	out_text(&o, "{");
	out_key(&o, "path");
	out_format(&o, "\"%s/%u\"", path, at);
	out_key_int(&o, "partition", at);
	out_key_int(&o, "partitions", s->partitions);
	out_text(&o, "}");
	engine_reply(e, c->peer, c->ref, &o);
}
