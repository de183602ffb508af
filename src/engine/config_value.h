/* SPDX-License-Identifier: ISC */
/*
 * The functions that read the value of one key each into a draft.
 */
#ifndef OTPD_ENGINE_CONFIG_VALUE_H
#define OTPD_ENGINE_CONFIG_VALUE_H

#include "engine/config_read.h"

enum verdict {
	VALUE_GOOD,
	VALUE_BAD,		/* to be told in the words of the table */
	VALUE_TOLD		/* bad, and told already */
};
typedef enum verdict key_fn(struct reader *r, struct draft *d,
	    const struct config_key_info *key, cJSON *v);

#define CONFIG_KEY_FUNCTION(name, where, effect, fn, want) key_fn key_##fn;
CONFIG_KEYS(CONFIG_KEY_FUNCTION)
#undef CONFIG_KEY_FUNCTION

/* "`KEY` must be WANT, not `x`; did you mean ...?", at v. */
void	tell_value(struct reader *r, const struct config_key_info *key,
	    const cJSON *v, const struct guess *guess);

struct word { const char *name; int value; };
/* One of words[], which ends with a NULL. */
enum verdict read_word(struct reader *r, const struct config_key_info *key,
	    const cJSON *v, const struct word *words, int *out);
/* Bytes: a number, or a string as 10M. */
bool	read_size(const cJSON *v, uint64_t *out);
bool	is_path(const cJSON *v);		/* an absolute one */
/* "env" where it is an application's: config_apps.c */
enum verdict read_app_env(struct reader *r, struct draft *d,
	    const struct config_key_info *key, cJSON *v);

#endif /* OTPD_ENGINE_CONFIG_VALUE_H */
