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
/* An operand, standard input for "-", nothing for none.  False after words. */
bool	server_payload(struct ctl *c, int operand, struct buf *b);
/* JSON laid out; what is none as it came, in a terminal made safe. */
void	server_show(struct ctl *c, const char *text, size_t len);
/* Is that reply {"error":...}? */
bool	server_refused(const char *text, size_t len);

#endif /* OTPD_OTPCTL_SERVER_H */
