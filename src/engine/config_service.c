/* SPDX-License-Identifier: ISC */
/*
 * From a checked draft to what the engine keeps of a child: one piece of
 * memory with the order to start it, its environment built from nothing.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/config_read.h"
#include "engine/out.h"

#define PATH_DEFAULT							\
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Strings are borrowed. */
static void
env_put(struct env *env, const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < env->n; i++)
		if (strcmp(env->vars[i].name, name) == 0)
			break;
	assert(i < env->size);
	env->vars[i] = (struct env_var){ name, value };
	if (i == env->n)
		env->n++;
}

static void
env_room(struct arena *arena, struct env *env, size_t more)
{
	struct env_var *vars;

	if (env->n + more <= env->size)
		return;
	env->size = env->n + more > env->size * 2 ? env->n + more :
	    env->size * 2;
	vars = arena_alloc(arena, env->size * sizeof(*vars));
	if (env->n > 0)
		memcpy(vars, env->vars, env->n * sizeof(*vars));
	env->vars = vars;
}

void
env_set(struct reader *r, struct env *env, const char *name,
    const char *value)
{
	env_room(&r->arena, env, 1);
	env_put(env, name, value);
}

void
env_apply(struct reader *r, struct env *env, const cJSON *object)
{
	const cJSON *item;

	if (cJSON_IsObject(object))
		cJSON_ArrayForEach(item, object)
			env_set(r, env, item->string, item->valuestring);
}

/* Where a gen_server finds otpd, and whom it may speak with. */
static void
env_put_server(struct reader *r, const struct draft *d,
    const struct identity *who, struct env *out)
{
	env_put(out, "OTP_LINK", "3");
	env_put(out, "OTP_LISTEN", "4");
	env_put(out, "OTP_RUNTIME_DIR", r->runtime_dir);
	if (d->name != NULL)
		env_put(out, "OTP_NAME", d->name);
	if (who->allow != NULL)
		env_put(out, "OTP_ALLOW", who->allow);
}

/* Everything of the child's environment, what is taken away with NULL. */
static void
env_build(struct reader *r, struct arena *scratch, const struct draft *d,
    const struct scope *scope, const struct identity *who, struct env *out)
{
	size_t inherited = scope != NULL ? scope->env.n : 0, i;
	const cJSON *item;

	env_room(scratch, out, 18 + inherited + (d->given[KEY_env] != NULL ?
	    (size_t)cJSON_GetArraySize(d->given[KEY_env]) : 0));
	env_put(out, "PATH", PATH_DEFAULT);
	if (who->user != NULL) {
		env_put(out, "HOME", who->home);
		env_put(out, "USER", who->user);
		env_put(out, "LOGNAME", who->user);
		env_put(out, "SHELL", who->shell);
	}
	if (d->ready == READY_NOTIFY)
		env_put(out, "NOTIFY_SOCKET", arena_printf(scratch,
		    "%s/notify", r->runtime_dir));
	env_put(out, "OTP_PATH", r->path);
	env_set_partition(r, out, d);
	if (d->kind == SERVICE_GEN_SERVER)
		env_put_server(r, d, who, out);
	for (i = 0; i < inherited; i++)
		env_put(out, scope->env.vars[i].name,
		    scope->env.vars[i].value);
	if (cJSON_IsObject(d->given[KEY_env]))
		cJSON_ArrayForEach(item, d->given[KEY_env])
			env_put(out, item->string, item->valuestring);
}

static char *
join(struct arena *scratch, const char *name, const char *value)
{
	const size_t n = strlen(name), v = strlen(value);
	char *text = arena_alloc(scratch, n + v + 2);

	memcpy(text, name, n);
	text[n] = '=';
	memcpy(text + n + 1, value, v + 1);
	return text;
}

static const char **
env_strings(struct arena *scratch, const struct env *env)
{
	const char **strings;
	size_t i, n = 0;

	strings = arena_alloc(scratch, (env->n + 1) * sizeof(*strings));
	for (i = 0; i < env->n; i++)
		if (env->vars[i].value != NULL)
			strings[n++] = join(scratch, env->vars[i].name,
			    env->vars[i].value);
	return strings;
}

static bool
is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & 0111) != 0;
}

/* Where OTP_LIBEXEC leads, as for the programs that otpd itself starts. */
const char *
own_program(struct reader *r, const char *name)
{
	const char *dir = getenv("OTP_LIBEXEC");

	return arena_printf(&r->arena, "%s/%s",
	    dir != NULL && dir[0] != '\0' ? dir : LIBEXECDIR, name);
}

/*
 * A bare name in the child's PATH, or NULL.  What otpd has for configurations,
 * as otp-agent, is found without that: only the installation knows its folder.
 */
static const char *
search(struct reader *r, const char *name, const char *path)
{
	const char *dir, *end, *full;

	if (r->bare != NULL && strcmp(r->bare, name) == 0 &&
	    strcmp(r->bare_path, path) == 0)
		return r->bare_found;
	r->bare = name;
	r->bare_path = path;
	r->bare_found = NULL;
	for (dir = path; dir != NULL; dir = *end != '\0' ? end + 1 : NULL) {
		end = strchrnul(dir, ':');
		if (*dir != '/')
			continue;
		full = arena_printf(&r->arena, "%.*s/%s", (int)(end - dir),
		    dir, name);
		if (is_program(full)) {
			r->bare_found = full;
			break;
		}
	}
	if (r->bare_found == NULL && strncmp(name, "otp-", 4) == 0) {
		full = own_program(r, name);
		if (is_program(full))
			r->bare_found = full;
	}
	return r->bare_found;
}

static const char **
argv_build(struct reader *r, struct arena *scratch, const struct draft *d,
    const struct env *env, const char **out_problem)
{
	const cJSON *start = d->given[KEY_start], *item;
	const char **argv, *found, *path = "";
	size_t i, n = 0;

	argv = arena_alloc(scratch, ((size_t)cJSON_GetArraySize(start) +
	    (size_t)cJSON_GetArraySize(d->extra) + 1) * sizeof(*argv));
	argv[n++] = start->child->valuestring;
	cJSON_ArrayForEach(item, d->extra)
		argv[n++] = item->valuestring;
	for (item = start->child->next; item != NULL; item = item->next)
		argv[n++] = item->valuestring;
	if (strchr(argv[0], '/') != NULL)
		return argv;
	for (i = 0; i < env->n; i++)
		if (strcmp(env->vars[i].name, "PATH") == 0 &&
		    env->vars[i].value != NULL)
			path = env->vars[i].value;
	found = search(r, argv[0], path);
	if (found != NULL)
		argv[0] = found;
	else if (*out_problem == NULL)
		*out_problem = arena_printf(scratch,
		    "no program \"%.100s\" in PATH", argv[0]);
	return argv;
}

static char *
put_string(char **at, const char *text)
{
	const size_t size = text != NULL ? strlen(text) + 1 : 0;
	char *copy = *at;

	if (text == NULL)
		return NULL;
	memcpy(copy, text, size);
	*at += size;
	return copy;
}

static size_t
string_size(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

/* The service with room for an order behind it and strings behind that. */
static struct service *
service_new(const struct draft *d, const char *problem, size_t order_len)
{
	const size_t order_size = spawn_padded(order_len);
	const char *app = d->app != NULL ? d->app->text : NULL;
	struct service *s;
	char *at;

	static_assert(sizeof(struct service) % 8 == 0, "orders are aligned");
	s = xcalloc(1, sizeof(*s) + order_size + string_size(d->description) +
	    string_size(d->name) + string_size(problem) +
	    string_size(d->source) + string_size(app));
	s->kind = d->kind;
	s->ready = d->ready;
	s->start_timeout_ms = d->start_timeout_ms;
	s->partitions = d->partitions;
	s->tasks = d->form == SUP_TASK;
	s->stop_signal = d->stop_signal;
	s->log_max_bytes = d->log.max_bytes;
	s->log_keep = d->log.keep;
	s->log_timestamp = d->log.timestamp;
	s->order = order_len > 0 ? (struct spawn_start *)(s + 1) : NULL;
	s->order_len = (uint32_t)order_len;
	at = (char *)(s + 1) + order_size;
	s->description = put_string(&at, d->description);
	s->name = put_string(&at, d->name);
	s->problem = put_string(&at, problem);
	s->source = put_string(&at, d->source);
	s->app = put_string(&at, app);
	return s;
}

static struct service *
build_worker(struct reader *r, struct arena *scratch, const struct draft *d,
    const struct scope *scope)
{
	struct spawn_spec spec = {
		.cwd = d->cwd, .out_path = d->out_path,
		.err_path = d->err_path, .limits = d->limits,
		.nlimits = d->nlimits, .umask = d->umask,
		.out = d->out, .err = d->err,
	};
	struct identity who;
	struct env env = { 0 };
	const char *user_problem;
	struct service *s;
	long len;

	identity_of(r, d, &who);
	env_build(r, scratch, d, scope, &who, &env);
	user_problem = who.problem;
	spec.argv = argv_build(r, scratch, d, &env, &who.problem);
	spec.env = env_strings(scratch, &env);
	spec.uid = who.uid;
	spec.gid = who.gid;
	spec.groups = who.groups;
	spec.ngroups = who.ngroups;
	len = spawn_start_encode(&spec, NULL, 0);
	if (len < 0) {
		tell_at(r, d->given[KEY_start], "`start` and `env` together "
		    "are more than %d bytes or %d strings: pass the rest in a "
		    "file", SPAWN_MSG_MAX, SPAWN_ARGS_MAX);
		return NULL;
	}
	if (r->warn)
		warn_of(r, d, user_problem, spec.argv[0]);
	s = service_new(d, who.problem, (size_t)len);
	s->logs = d->out == SPAWN_DEST_LOG || d->err == SPAWN_DEST_LOG;
	len = spawn_start_encode(&spec, s->order, (size_t)len);
	assert(len == (long)s->order_len);
	return s;
}

struct service *
build_service(struct reader *r, const struct draft *d,
    const struct scope *scope)
{
	struct arena scratch = { NULL };
	struct service *s;

	if (d->errors_before != r->config->nerrors)
		return NULL;
	warn_of_slips(r, d);
	if (d->spec.type == CORE_SUPERVISOR)
		return service_new(d, NULL, 0);
	s = build_worker(r, &scratch, d, scope);
	arena_done(&scratch);
	return s;
}

void
service_free(struct service *s)
{
	free(s);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
service_same(const void *a, const void *b, enum core_same what)
{
	const struct service *x = a, *y = b;

	if (what >= CORE_SAME_START &&
	    x->start_timeout_ms != y->start_timeout_ms)
		return false;
	if (what == CORE_SAME_ALL && (x->stop_signal != y->stop_signal ||
	    !same_text(x->description, y->description) ||
	    !same_text(x->app, y->app) ||
	    x->log_max_bytes != y->log_max_bytes ||
	    x->log_keep != y->log_keep ||
	    x->log_timestamp != y->log_timestamp))
		return false;
	return x->kind == y->kind && x->ready == y->ready &&
	    same_text(x->name, y->name) &&
	    same_text(x->problem, y->problem) &&
	    x->order_len == y->order_len && (x->order_len == 0 ||
	    memcmp(x->order, y->order, x->order_len) == 0);
}
