/* SPDX-License-Identifier: ISC */
/*
 * Reads scenarios.  The words are OTP's, the defaults too: a worker has 5000
 * ms to shut down, a supervisor for ever; restart is permanent.
 */
#include "oracle/scenario.h"

#include <stdlib.h>
#include <string.h>

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

static struct behaviour *behaviours;

static const char *const restarts[] = {
	[CORE_PERMANENT] = "permanent",
	[CORE_TRANSIENT] = "transient",
	[CORE_TEMPORARY] = "temporary",
};
static const char *const strategies[] = {
	[CORE_ONE_FOR_ONE] = "one_for_one",
	[CORE_ONE_FOR_ALL] = "one_for_all",
	[CORE_REST_FOR_ONE] = "rest_for_one",
	[CORE_SIMPLE_ONE_FOR_ONE] = "simple_one_for_one",
};
static const char *const auto_shutdowns[] = {
	[CORE_AUTO_NEVER] = "never",
	[CORE_AUTO_ANY_SIGNIFICANT] = "any_significant",
	[CORE_AUTO_ALL_SIGNIFICANT] = "all_significant",
};

const char *
scenario_text(const cJSON *object, const char *key, const char *otherwise)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : otherwise;
}

static unsigned
word(const char *text, const char *const *words, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	abort();
}

static uint32_t
number(const cJSON *object, const char *key, uint32_t otherwise)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(item) ? (uint32_t)item->valuedouble : otherwise;
}

static uint32_t
shutdown_ms(const cJSON *child, bool supervisor)
{
	const char *text = scenario_text(child, "shutdown", NULL);

	if (text == NULL)
		return number(child, "shutdown",
		    supervisor ? CORE_INFINITY : 5000);
	return strcmp(text, "infinity") == 0 ? CORE_INFINITY :
	    CORE_BRUTAL_KILL;
}

static void
supervisor(struct core_spec *spec, const cJSON *child)
{
	const cJSON *item;
	const struct core_spec **end = &spec->children;
	struct core_spec *sub;

	spec->strategy = (enum core_strategy)word(scenario_text(child,
	    "strategy", ""), strategies, nitems(strategies));
	spec->auto_shutdown = (enum core_auto_shutdown)word(scenario_text(
	    child, "auto_shutdown", "never"), auto_shutdowns,
	    nitems(auto_shutdowns));
	spec->max_restarts = number(child, "intensity", 1);
	spec->period_ms = number(child, "period", 5) * 1000;
	item = cJSON_GetObjectItemCaseSensitive(child, "template");
	if (item != NULL)
		spec->children = scenario_spec(item);
	cJSON_ArrayForEach(item,
	    cJSON_GetObjectItemCaseSensitive(child, "children")) {
		sub = scenario_spec(item);
		*end = sub;
		end = &sub->next;
	}
}

static struct core_spec *
spec_new(const char *id, const char *on_stop)
{
	struct core_spec *spec = calloc(1, sizeof(*spec));
	struct behaviour *b = calloc(1, sizeof(*b));

	if (spec == NULL || b == NULL)
		abort();
	b->next = behaviours;
	behaviours = b;
	b->on_stop = on_stop;
	spec->id = id;
	spec->user = b;
	return spec;
}

struct core_spec *
scenario_spec(const cJSON *child)
{
	struct core_spec *spec = spec_new(
	    scenario_text(child, "id", "template"),
	    scenario_text(child, "on_stop", "obey"));

	spec->type = strcmp(scenario_text(child, "type", "worker"),
	    "worker") == 0 ? CORE_WORKER : CORE_SUPERVISOR;
	spec->restart = (enum core_restart)word(scenario_text(child,
	    "restart", "permanent"), restarts, nitems(restarts));
	spec->shutdown_ms = shutdown_ms(child, spec->type == CORE_SUPERVISOR);
	spec->significant = cJSON_IsTrue(
	    cJSON_GetObjectItemCaseSensitive(child, "significant"));
	if (spec->type == CORE_SUPERVISOR)
		supervisor(spec, child);
	return spec;
}

struct core_spec *
scenario_instance(const cJSON *sup, const char *name)
{
	const cJSON *template;

	template = cJSON_GetObjectItemCaseSensitive(sup, "template");
	return spec_new(name, scenario_text(template, "on_stop", "obey"));
}

void
scenario_free(struct core_spec *spec)
{
	struct core_spec *next;

	for (; spec != NULL; spec = next) {
		next = (struct core_spec *)(uintptr_t)spec->next;
		scenario_free((struct core_spec *)(uintptr_t)spec->children);
		free(spec);
	}
}

void
scenario_free_behaviours(void)
{
	struct behaviour *b;

	while ((b = behaviours) != NULL) {
		behaviours = b->next;
		free(b);
	}
}
