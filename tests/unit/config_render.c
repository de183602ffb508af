/* SPDX-License-Identifier: ISC */
/*
 * Trees as text; see config_render.h.
 */
#include "config_render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config.h"
#include "wire/spawn_request.h"

static void
render_number(FILE *f, const char *name, uint32_t n)
{
	if (n == UINT32_MAX)
		fprintf(f, " %s=max", name);
	else if (n == CORE_BRUTAL_KILL)
		fprintf(f, " %s=kill", name);
	else
		fprintf(f, " %s=%u", name, n);
}

/* As the engine does before it sends one: there is a log's key. */
static void
render_order(FILE *f, const struct service *service)
{
	static const char *const dests[] = { "null", "log", "inherit", "file",
	    "stdout" };
	struct spawn_start *order = malloc(service->order_len);
	const char **strings;
	struct spawn_view v;
	unsigned i;

	if (order == NULL)
		abort();
	memcpy(order, service->order, service->order_len);
	order->log_key = 1;
	if (order->h.len != service->order_len ||
	    spawn_start_check(&order->h, &v) < 0)
		abort();
	strings = calloc(v.s->argc + v.s->envc + 2U, sizeof(*strings));
	if (strings == NULL)
		abort();
	spawn_start_vectors(&v, strings);
	for (i = 0; i < v.s->argc; i++)
		fprintf(f, " arg[%s]", strings[i]);
	for (i = 0; i < v.s->envc; i++)
		fprintf(f, " env[%s]", strings[v.s->argc + 1U + i]);
	free(strings);
	fprintf(f, " cwd=%s out=%s%s err=%s%s", v.cwd, dests[v.s->out],
	    v.out_path, dests[v.s->err], v.err_path);
	render_number(f, "uid", v.s->uid);
	render_number(f, "gid", v.s->gid);
	for (i = 0; i < v.s->ngroups; i++)
		fprintf(f, " group=%u", v.groups[i]);
	if (v.s->umask == SPAWN_KEEP)
		fprintf(f, " umask=keep");
	else
		fprintf(f, " umask=%03o", v.s->umask);
	for (i = 0; i < v.s->nlimits; i++)
		fprintf(f, " limit%u=%lld:%lld", v.limits[i].resource,
		    (long long)v.limits[i].soft, (long long)v.limits[i].hard);
	free(order);
}

static void
render_service(FILE *f, const struct service *s)
{
	fprintf(f, " kind=%d ready=%d signal=%d log=%llu/%u/%d logs=%d",
	    (int)s->kind, (int)s->ready, s->stop_signal,
	    (unsigned long long)s->log_max_bytes, s->log_keep,
	    s->log_timestamp, s->logs);
	render_number(f, "timeout", s->start_timeout_ms);
	if (s->partitions > 0)
		fprintf(f, " partitions=%u", s->partitions);
	if (s->description != NULL)
		fprintf(f, " description[%s]", s->description);
	if (s->name != NULL)
		fprintf(f, " name[%s]", s->name);
	if (s->problem != NULL)
		fprintf(f, " problem[%s]", s->problem);
	if (s->app != NULL)
		fprintf(f, " app[%s]", s->app);
	if (s->source != NULL)
		fprintf(f, " source[%s]", s->source);
	if (s->order != NULL)
		render_order(f, s);
}

static void
render(FILE *f, const struct core_spec *spec, int depth)
{
	for (; spec != NULL; spec = spec->next) {
		fprintf(f, "%*s%s: %s", depth * 2, "", spec->id,
		    spec->type == CORE_WORKER ? "worker" : "supervisor");
		fprintf(f, " restart=%d significant=%d down=%d",
		    (int)spec->restart, spec->significant, spec->down);
		render_number(f, "shutdown", spec->shutdown_ms);
		fprintf(f, " backoff=%u-%u/%u", spec->backoff_min_ms,
		    spec->backoff_max_ms, spec->backoff_reset_ms);
		if (spec->type == CORE_SUPERVISOR) {
			fprintf(f, " strategy=%d auto=%d parallel=%d period=%u",
			    (int)spec->strategy, (int)spec->auto_shutdown,
			    spec->parallel_stop, spec->period_ms);
			render_number(f, "max", spec->max_restarts);
			if (spec->strategy == CORE_DYNAMIC)
				render_number(f, "children",
				    spec->max_children);
		}
		render_service(f, spec->user);
		fprintf(f, "\n");
		render(f, spec->children, depth + 1);
	}
}

char *
render_tree(const struct core_spec *root)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		abort();
	render(f, root, 0);
	if (fclose(f) != 0)
		abort();
	return text;
}
