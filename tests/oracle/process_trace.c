/* SPDX-License-Identifier: ISC */
/*
 * Traces.  Nothing may be reordered here but what OTP itself does in no order.
 */
#include "process_trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
string_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : NULL;
}

static bool
is(const cJSON *object, const char *key, const char *value)
{
	const char *text = string_of(object, key);

	return text != NULL && strcmp(text, value) == 0;
}

/* --- the supervisors of a scenario --- */

static void
add_supervisors(const cJSON *child, cJSON *out)
{
	const cJSON *below;

	if (!is(child, "type", "supervisor"))
		return;
	(void)cJSON_AddItemToArray(out, cJSON_Duplicate(child, 1));
	cJSON_ArrayForEach(below, cJSON_GetObjectItem(child, "children"))
		add_supervisors(below, out);
}

static bool
has_id(const cJSON *array, const char *id)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
		if (is(item, "id", id))
			return true;
	return false;
}

static cJSON *
without_repetition(cJSON *array)
{
	cJSON *out = cJSON_CreateArray(), *item;

	while ((item = cJSON_DetachItemFromArray(array, 0)) != NULL) {
		if (has_id(out, string_of(item, "id")))
			cJSON_Delete(item);
		else
			(void)cJSON_AddItemToArray(out, item);
	}
	cJSON_Delete(array);
	return out;
}

cJSON *
trace_supervisors(const cJSON *scenario)
{
	const cJSON *steps = cJSON_GetObjectItem(scenario, "steps"), *step;
	cJSON *out = cJSON_CreateArray();

	add_supervisors(cJSON_GetObjectItem(scenario, "tree"), out);
	cJSON_ArrayForEach(step, steps)
		if (is(step, "op", "start_child"))
			add_supervisors(cJSON_GetObjectItem(step, "spec"), out);
	cJSON_ArrayForEach(step, steps) {
		const cJSON *call = cJSON_GetObjectItem(step, "call");

		if (is(call, "op", "start_child"))
			add_supervisors(cJSON_GetObjectItem(call, "spec"), out);
	}
	return without_repetition(out);
}

bool
trace_is_simple(const cJSON *scenario, const char *sup)
{
	cJSON *all = trace_supervisors(scenario);
	const cJSON *one;
	bool simple = false;

	cJSON_ArrayForEach(one, all)
		if (is(one, "id", sup))
			simple = is(one, "strategy", "simple_one_for_one");
	cJSON_Delete(all);
	return simple;
}

/* --- events --- */

struct word {
	char	text[160];
	char	simple[80];	/* the simple supervisor it belongs to, or "" */
	bool	stop;
};

static const char *
how(const char *reason)
{
	if (strcmp(reason, "normal") == 0 || strcmp(reason, "killed") == 0 ||
	    strcmp(reason, "shutdown") == 0)
		return reason;
	return strncmp(reason, "{shutdown,", 10) == 0 ? "shutdown" : "abnormal";
}

/* The path's last part, and the one before; the root's own id for "/". */
static void
parts(const cJSON *scenario, const char *path, const char **out_id,
    char out_parent[80])
{
	const char *root = string_of(cJSON_GetObjectItem(scenario, "tree"),
	    "id"), *slash = strrchr(path, '/'), *before;

	out_parent[0] = '\0';
	*out_id = path;
	if (strcmp(path, "/") == 0) {
		*out_id = root;
	} else if (slash == NULL) {
		(void)snprintf(out_parent, 80, "%s", root);
	} else {
		*out_id = slash + 1;
		for (before = slash; before > path && before[-1] != '/'; )
			before--;
		(void)snprintf(out_parent, 80, "%.*s", (int)(slash - before),
		    before);
	}
}

/* false: the trace does not speak of such events. */
static bool
word_of(const cJSON *scenario, const cJSON *event, struct word *out)
{
	const char *path = string_of(event, "path"), *id, *reason;
	char parent[80];

	*out = (struct word){ .stop = is(event, "event", "exited") };
	if (path == NULL)
		return false;
	parts(scenario, path, &id, parent);
	reason = string_of(event, "reason");
	if (is(event, "event", "ready"))
		(void)snprintf(out->text, sizeof(out->text), "start %s", id);
	else if (is(event, "event", "start_failed"))
		(void)snprintf(out->text, sizeof(out->text), "fail %s", id);
	else if (is(event, "event", "ignored"))
		(void)snprintf(out->text, sizeof(out->text), "ignore %s", id);
	else if (out->stop)
		(void)snprintf(out->text, sizeof(out->text), "stop %s %s", id,
		    reason != NULL ? how(reason) : "without_reason");
	else
		return false;
	if (trace_is_simple(scenario, parent))
		(void)memcpy(out->simple, parent, sizeof(parent));
	return true;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(((const struct word *)a)->text,
	    ((const struct word *)b)->text);
}

static void
sort_parallel(struct word *words, int n, int parallel)
{
	int i, end;

	for (i = 0; i < n && i < parallel && words[i].stop; i++)
		;
	qsort(words, (size_t)i, sizeof(*words), by_text);
	for (i = 0; i < n; i = end) {
		end = i + 1;
		if (!words[i].stop || words[i].simple[0] == '\0')
			continue;
		while (end < n && words[end].stop &&
		    strcmp(words[end].simple, words[i].simple) == 0)
			end++;
		qsort(words + i, (size_t)(end - i), sizeof(*words), by_text);
	}
}

cJSON *
trace_events(const cJSON *scenario, const cJSON *events, int parallel)
{
	struct word *words = calloc((size_t)cJSON_GetArraySize(events) + 1,
	    sizeof(*words));
	cJSON *out = cJSON_CreateArray();
	const cJSON *event;
	int n = 0;

	if (words == NULL)
		abort();
	cJSON_ArrayForEach(event, events)
		if (word_of(scenario, event, &words[n]))
			n++;
	sort_parallel(words, n, parallel);
	for (int i = 0; i < n; i++)
		(void)cJSON_AddItemToArray(out,
		    cJSON_CreateString(words[i].text));
	free(words);
	return out;
}

/* --- comparison --- */

static void
print_places(const char *name, const char *where, const cJSON *expected,
    const cJSON *got)
{
	char *e = cJSON_PrintUnformatted(expected);
	char *g = got != NULL ? cJSON_PrintUnformatted(got) : NULL;

	printf("%s: %s\n  expected %s\n  got      %s\n", name, where, e,
	    g != NULL ? g : "nothing");
	free(e);
	free(g);
}

static unsigned
diff(const char *name, const char *where, const cJSON *expected,
    const cJSON *got)
{
	const cJSON *e, *g;
	char place[512];
	unsigned n = 0;
	int i = 0;

	if (cJSON_Compare(expected, got, 1))
		return 0;
	if (cJSON_IsObject(expected) && cJSON_IsObject(got)) {
		cJSON_ArrayForEach(e, expected) {
			(void)snprintf(place, sizeof(place), "%s%s%s", where,
			    *where != '\0' ? "." : "", e->string);
			n += diff(name, place, e,
			    cJSON_GetObjectItemCaseSensitive(got, e->string));
		}
		if (n > 0)
			return n;
	} else if (cJSON_IsArray(expected) && cJSON_IsArray(got) &&
	    cJSON_IsObject(expected->child) && cJSON_IsObject(got->child) &&
	    cJSON_GetArraySize(expected) == cJSON_GetArraySize(got)) {
		g = got->child;
		cJSON_ArrayForEach(e, expected) {
			(void)snprintf(place, sizeof(place), "%s[%d]", where,
			    i++);
			n += diff(name, place, e, g);
			g = g->next;
		}
		return n;
	}
	print_places(name, where, expected, got);
	return 1;
}

unsigned
trace_diff(const char *name, const cJSON *expected, const cJSON *got)
{
	return diff(name, "", expected, got);
}
