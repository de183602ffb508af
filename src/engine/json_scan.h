/* SPDX-License-Identifier: ISC */
/*
 * The pass over the text before cJSON's: strict JSON with comments, and the
 * place of every value and key.
 */
#ifndef OTPD_ENGINE_JSON_SCAN_H
#define OTPD_ENGINE_JSON_SCAN_H

#include "engine/json_text.h"

struct json_scan {
	char			*text;
	size_t			 len, pos;
	struct json_place	 at;		/* of pos */
	unsigned		 depth;
	struct json_open {
		char		 bracket;	/* { or [ */
		uint8_t		 id_len;	/* 0: no id yet */
		size_t		 id;		/* where its text stands */
		struct json_place at;
	}			 open[JSON_DEPTH_MAX];
	struct json_place	 key;		/* of the value to come */
	bool			 key_is_id;
	struct json_mark	*marks;
	size_t			 nmarks, marks_size;
	const struct json_teller *teller;
};

/* 0, or -EINVAL after the fault that ended it was told. */
int	json_scan(struct json_scan *s);

/* The parts of json_scan.c and json_scan_token.c */
int	json_scan_fail(struct json_scan *s, struct json_place at,
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "expected WHAT, not 'x'" at the present place. */
int	json_scan_expected(struct json_scan *s, const char *what);
int	json_scan_utf8(struct json_scan *s);
int	json_scan_space(struct json_scan *s);
int	json_scan_string(struct json_scan *s);
int	json_scan_scalar(struct json_scan *s);	/* number or literal */
void	json_scan_step(struct json_scan *s);	/* one byte on */
int	json_scan_peek(const struct json_scan *s);	/* -1: the end */

#endif /* OTPD_ENGINE_JSON_SCAN_H */
