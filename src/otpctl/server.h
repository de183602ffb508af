/* SPDX-License-Identifier: ISC */
/*
 * Any gen_server, by its address: found, asked, and, when there is no answer,
 * why.
 */
#ifndef OTPD_OTPCTL_SERVER_H
#define OTPD_OTPCTL_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "otpctl/otpctl.h"

struct server_call {
	uint8_t		 type;		/* enum frame_type */
	uint16_t	 tag;
	const char	*payload;
	size_t		 len;
	client_info_fn	*follow;	/* what comes after the reply; its
					 * arg: c; or NULL */
};

/*
 * CTL_OK with *out (caller frees; NULL where there is no answer), or the exit
 * code, the words already said.  A CAST or INFO has no answer.
 */
int	server_ask(struct ctl *c, const char *address,
	    const struct server_call *call, char **out, size_t *out_len);
/* Is that reply {"error":...}? */
bool	server_refused(const char *text, size_t len);

#endif /* OTPD_OTPCTL_SERVER_H */
