/* SPDX-License-Identifier: ISC */
/*
 * The values of the keys, one function each.  What takes two keys to judge is
 * judged in config_tree.c, when all were read.
 */
#include "engine/config_value.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/reason.h"

static enum verdict
read_bool(const cJSON *v, bool *out)
{
	if (!cJSON_IsBool(v))
		return VALUE_BAD;
	*out = cJSON_IsTrue(v);
	return VALUE_GOOD;
}

static enum verdict
read_u32(const cJSON *v, int64_t min, int64_t max, uint32_t *out)
{
	int64_t n;

	if (!json_integer(v, min, max, &n))
		return VALUE_BAD;
	*out = (uint32_t)n;
	return VALUE_GOOD;
}

/* A number, or one of words[]. */
static enum verdict
read_u32_or_word(struct reader *r, const struct config_key_info *key,
    const cJSON *v, int64_t min, const struct word *words, uint32_t *out)
{
	enum verdict verdict;
	int value;

	if (!cJSON_IsString(v))
		return read_u32(v, min, MS_MAX, out);
	verdict = read_word(r, key, v, words, &value);
	if (verdict == VALUE_GOOD)
		*out = value != 0 ? CORE_BRUTAL_KILL : CORE_INFINITY;
	return verdict;
}

static enum verdict
read_strings(struct reader *r, const struct config_key_info *key,
    const cJSON *array)
{
	const cJSON *item;
	char got[64];

	if (!cJSON_IsArray(array))
		return VALUE_BAD;
	cJSON_ArrayForEach(item, array) {
		if (cJSON_IsString(item))
			continue;
		json_describe(item, got, sizeof(got));
		tell_at(r, item, "`%s` must be %s; this one is %s", key->name,
		    key->want, got);
		return VALUE_TOLD;
	}
	return VALUE_GOOD;
}

#define WORD_KEY(key, member, ...)					\
enum verdict								\
key_##key(struct reader *r, struct draft *d,				\
    const struct config_key_info *info, cJSON *v)			\
{									\
	static const struct word words[] = { __VA_ARGS__, { NULL, 0 } };\
	enum verdict verdict;						\
	int value;							\
									\
	verdict = read_word(r, info, v, words, &value);			\
	if (verdict == VALUE_GOOD)					\
		d->member = (unsigned)value;				\
	return verdict;							\
}

WORD_KEY(auto_shutdown, spec.auto_shutdown,
    { "never", CORE_AUTO_NEVER },
    { "any_significant", CORE_AUTO_ANY_SIGNIFICANT },
    { "all_significant", CORE_AUTO_ALL_SIGNIFICANT })
WORD_KEY(kind, kind,
    { "plain", SERVICE_PLAIN }, { "gen_server", SERVICE_GEN_SERVER })
WORD_KEY(order, fifo, { "lifo", false }, { "fifo", true })
WORD_KEY(ready, ready,
    { "exec", READY_EXEC }, { "notify", READY_NOTIFY },
    { "gen_server", READY_GEN_SERVER })
WORD_KEY(restart, spec.restart,
    { "permanent", CORE_PERMANENT }, { "transient", CORE_TRANSIENT },
    { "temporary", CORE_TEMPORARY })
WORD_KEY(stop_order, spec.parallel_stop,
    { "reverse", false }, { "parallel", true })
WORD_KEY(strategy, spec.strategy,
    { "one_for_one", CORE_ONE_FOR_ONE }, { "one_for_all", CORE_ONE_FOR_ALL },
    { "rest_for_one", CORE_REST_FOR_ONE },
    { "simple_one_for_one", CORE_SIMPLE_ONE_FOR_ONE })

WORD_KEY(start_type, start_type,
    { "temporary", APP_TEMPORARY }, { "transient", APP_TRANSIENT },
    { "permanent", APP_PERMANENT })

/* The type itself was settled before: it says which keys are right. */
enum verdict
key_type(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	enum { WORKER, PLAIN, DYNAMIC, PARTITION, TASK, POOL };
	static const struct word words[] = {
		{ "worker", WORKER }, { "supervisor", PLAIN },
		{ "dynamic_supervisor", DYNAMIC },
		{ "partition_supervisor", PARTITION },
		{ "task_supervisor", TASK }, { "pool", POOL }, { NULL, 0 }
	};
	enum verdict verdict;
	int value = PLAIN;

	verdict = read_word(r, key, v, words, &value);
	if (d->where == KEY_SUP)
		d->form = value == DYNAMIC ? SUP_DYNAMIC :
		    value == PARTITION ? SUP_PARTITION :
		    value == TASK ? SUP_TASK :
		    value == POOL ? SUP_POOL : SUP_PLAIN;
	if (verdict != VALUE_GOOD ||
	    value == (d->spec.type == CORE_WORKER ? WORKER : PLAIN) ||
	    (d->where == KEY_SUP && value != WORKER))
		return verdict;
	tell_at(r, v, "%s", d->where == KEY_ROOT ?
	    "the root is always a supervisor: leave `type` out" :
	    "a template is always a worker: leave `type` out");
	return VALUE_TOLD;
}

enum verdict
key_compat(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	static const struct word words[] = { { "otp", 1 }, { NULL, 0 } };
	enum verdict verdict;
	int value;

	(void)d;
	verdict = read_word(r, key, v, words, &value);
	if (verdict == VALUE_GOOD)
		r->config->options.compat_otp = true;
	return verdict;
}

enum verdict
key_on_otpd_death(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	static const struct word words[] = { { "leave", 0 }, { "kill", 1 },
		{ NULL, 0 } };
	enum verdict verdict;
	int value;

	(void)d;
	verdict = read_word(r, key, v, words, &value);
	if (verdict == VALUE_GOOD)
		r->config->options.die_with_otpd = value == 1;
	return verdict;
}

#define BOOL_KEY(key, member)						\
enum verdict								\
key_##key(struct reader *r, struct draft *d,				\
    const struct config_key_info *info, cJSON *v)			\
{									\
	(void)r, (void)info;						\
	return read_bool(v, &d->member);				\
}

BOOL_KEY(autostart, autostart)
BOOL_KEY(down, spec.down)
BOOL_KEY(significant, spec.significant)
BOOL_KEY(timestamp, log.timestamp)

#define U32_KEY(key, member, min, max)					\
enum verdict								\
key_##key(struct reader *r, struct draft *d,				\
    const struct config_key_info *info, cJSON *v)			\
{									\
	(void)r, (void)info;						\
	return read_u32(v, min, max, &d->member);			\
}

U32_KEY(keep, log.keep, 0, 1000)
U32_KEY(max_overflow, max_overflow, 0, 100000)
U32_KEY(partitions, partitions, 1, 4096)
U32_KEY(size, size, 0, 100000)
U32_KEY(backoff_min, spec.backoff_min_ms, 1, MS_MAX)
U32_KEY(backoff_max, spec.backoff_max_ms, 1, MS_MAX)
U32_KEY(backoff_reset, spec.backoff_reset_ms, 1, MS_MAX)

static const struct word infinity[] = { { "infinity", 0 }, { NULL, 0 } };

enum verdict
key_max_restarts(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	return read_u32_or_word(r, key, v, 0, infinity,
	    &d->spec.max_restarts);
}

enum verdict
key_max_children(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	return read_u32_or_word(r, key, v, 0, infinity,
	    &d->spec.max_children);
}

enum verdict
key_start_timeout(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	return read_u32_or_word(r, key, v, 1, infinity, &d->start_timeout_ms);
}

enum verdict
key_shutdown(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	static const struct word words[] = {
		{ "infinity", 0 }, { "brutal_kill", 1 }, { NULL, 0 }
	};

	return read_u32_or_word(r, key, v, 0, words, &d->spec.shutdown_ms);
}

enum verdict
key_max_seconds(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	double ms, whole;

	(void)r, (void)key;
	if (!cJSON_IsNumber(v))
		return VALUE_BAD;
	ms = v->valuedouble * 1000;
	if (!(ms >= 1 - 1e-6 && ms <= (double)MS_MAX))
		return VALUE_BAD;
	whole = (double)(uint64_t)(ms + 0.5);
	if (fabs(ms - whole) > 1e-6 * whole)
		return VALUE_BAD;
	d->spec.period_ms = (uint32_t)whole;
	return VALUE_GOOD;
}

enum verdict
key_backoff(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	(void)key;
	if (!cJSON_IsObject(v))
		return VALUE_BAD;
	d->spec.backoff_min_ms = 200;
	d->spec.backoff_reset_ms = 60000;
	if (!read_inner(r, d, v, KEY_BACKOFF))
		return VALUE_TOLD;
	if (d->given[KEY_max] == NULL)
		d->spec.backoff_max_ms = d->spec.backoff_min_ms > 30000 ?
		    d->spec.backoff_min_ms : 30000;
	if (d->spec.backoff_max_ms < d->spec.backoff_min_ms) {
		tell_at(r, d->given[KEY_max], "`max` is %u, below `min`, "
		    "which is %u: it must not be less",
		    d->spec.backoff_max_ms, d->spec.backoff_min_ms);
		return VALUE_TOLD;
	}
	return VALUE_GOOD;
}

enum verdict
key_log(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	(void)key;
	if (!cJSON_IsObject(v))
		return VALUE_BAD;
	(void)read_inner(r, d, v, KEY_LOG);
	return VALUE_GOOD;
}

enum verdict
key_max_size(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	(void)r, (void)key;
	return read_size(v, &d->log.max_bytes) ? VALUE_GOOD : VALUE_BAD;
}

static enum verdict
read_string(const cJSON *v, const char **out)
{
	if (!cJSON_IsString(v))
		return VALUE_BAD;
	*out = v->valuestring;
	return VALUE_GOOD;
}

enum verdict
key_description(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	(void)r, (void)key;
	return read_string(v, &d->description);
}

enum verdict
key_vsn(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	(void)r, (void)key;
	return read_string(v, &d->vsn);
}

enum verdict
key_folder(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	(void)r, (void)d, (void)key;
	return cJSON_IsString(v) && v->valuestring[0] != '\0' ? VALUE_GOOD :
	    VALUE_BAD;
}

enum verdict
key_tree(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	(void)r, (void)d, (void)key;
	return cJSON_IsObject(v) ? VALUE_GOOD : VALUE_BAD;
}

enum verdict
key_cwd(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	(void)r, (void)key;
	return is_path(v) ? read_string(v, &d->cwd) : VALUE_BAD;
}

enum verdict
key_id(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	(void)r, (void)key;
	if (!cJSON_IsString(v) || !id_valid(v->valuestring))
		return VALUE_BAD;
	d->spec.id = v->valuestring;
	return VALUE_GOOD;
}

enum verdict
key_name(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	(void)key;
	if (!cJSON_IsString(v) || !id_valid(v->valuestring))
		return VALUE_BAD;
	if (strcmp(v->valuestring, "otpd") == 0 ||
	    strcmp(v->valuestring, "otp-logger") == 0) {
		tell_at(r, v, "the name `%s` is otpd's own: take another",
		    v->valuestring);
		return VALUE_TOLD;
	}
	d->name = v->valuestring;
	return VALUE_GOOD;
}

enum verdict
key_umask(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	size_t len;

	(void)r, (void)key;
	if (!cJSON_IsString(v))
		return VALUE_BAD;
	len = strlen(v->valuestring);
	if (len == 0 || len > 4 || strspn(v->valuestring, "01234567") != len)
		return VALUE_BAD;
	d->umask = (uint32_t)strtoul(v->valuestring, NULL, 8);
	return d->umask <= 0777 ? VALUE_GOOD : VALUE_BAD;
}

enum verdict
key_stop_signal(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	int64_t n;
	int sig;

	(void)key;
	if (json_integer(v, 1, SIGRTMAX, &n))
		sig = (int)n;
	else if (cJSON_IsString(v))
		sig = reason_signal_number(v->valuestring);
	else
		return VALUE_BAD;
	if (sig <= 0 || sig > SIGRTMAX)
		return VALUE_BAD;
	if (sig == SIGKILL || sig == SIGSTOP) {
		tell_at(r, v, "no program can heed this signal; to kill at "
		    "once write `\"shutdown\": \"brutal_kill\"`");
		return VALUE_TOLD;
	}
	d->stop_signal = sig;
	return VALUE_GOOD;
}

/* A string where an array belongs: say how the array would look. */
static enum verdict
tell_split(struct reader *r, const cJSON *v)
{
	const char *p = v->valuestring;
	char words[160] = "";
	size_t used = 0, n;

	while (*(p += strspn(p, " ")) != '\0' && used < 100) {
		n = strcspn(p, " \"\\\n\t");
		if (n == 0 || n > 40)
			break;
		used += (size_t)snprintf(words + used, sizeof(words) - used,
		    "%s\"%.*s\"", used > 0 ? ", " : "", (int)n, p);
		p += n;
	}
	tell_at(r, v, "`start` must be an array of strings, not one string: "
	    "write [%s%s]", used > 0 ? words : "\"/path/to/program\"",
	    used > 0 && *p != '\0' ? ", ..." : "");
	return VALUE_TOLD;
}

enum verdict
key_start(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	enum verdict verdict;

	(void)d;
	if (cJSON_IsString(v))
		return tell_split(r, v);
	if ((verdict = read_strings(r, key, v)) != VALUE_GOOD)
		return verdict;
	if (v->child != NULL && v->child->valuestring[0] != '\0')
		return VALUE_GOOD;
	tell_at(r, v->child != NULL ? v->child : v, "the program is missing: "
	    "write its path, such as \"/usr/sbin/nginx\"");
	return VALUE_TOLD;
}

enum verdict
key_args(struct reader *r, struct draft *d, const struct config_key_info *key,
    cJSON *v)
{
	(void)d;
	return read_strings(r, key, v);
}

enum verdict
key_extra_arguments(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	(void)d;
	return read_strings(r, key, v);
}

enum verdict
key_children(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	(void)r, (void)d, (void)key;
	return cJSON_IsArray(v) ? VALUE_GOOD : VALUE_BAD;
}

enum verdict
key_template(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	(void)r, (void)d, (void)key;
	return cJSON_IsObject(v) ? VALUE_GOOD : VALUE_BAD;
}

enum verdict
key_include(struct reader *r, struct draft *d,
    const struct config_key_info *key, cJSON *v)
{
	enum verdict verdict;
	const cJSON *item;

	(void)d;
	if (cJSON_IsString(v))
		return v->valuestring[0] != '\0' ? VALUE_GOOD : VALUE_BAD;
	if ((verdict = read_strings(r, key, v)) != VALUE_GOOD)
		return verdict;
	cJSON_ArrayForEach(item, v)
		if (item->valuestring[0] == '\0') {
			tell_at(r, item, "the path is empty: write that of a "
			    "file or folder");
			return VALUE_TOLD;
		}
	return VALUE_GOOD;
}
