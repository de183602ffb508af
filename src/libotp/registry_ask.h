/* SPDX-License-Identifier: ISC */
/*
 * Requests to registries, and their answers.  Private, as impl.h is.
 */
#ifndef OTPD_LIBOTP_REGISTRY_ASK_H
#define OTPD_LIBOTP_REGISTRY_ASK_H

#include "libotp/impl.h"

struct otpi_ask {		/* being written; what fails is kept in rc */
	struct otp_out	 out;
	int		 rc;
	bool		 change;	/* asked again it must not count twice */
};

void	otpi_ask_begin(struct otpi_ask *a, const char *op,
	    const char *registry);
void	otpi_ask_text(struct otpi_ask *a, const char *field,
	    const char *text);
void	otpi_ask_bytes(struct otpi_ask *a, const char *field,
	    const void *data, size_t len);
/*
 * Send it, with "after" where that is not NULL, and wait.  *reply is to be
 * freed; a refusal has become an error.  The request stays.
 */
int	otpi_ask_send(struct otp *o, struct otpi_ask *a, const char *after,
	    uint64_t deadline, char **reply, size_t *len);
/* All of that, and the end of the request; reply may be NULL. */
int	otpi_ask_finish(struct otp *o, struct otpi_ask *a, char **reply,
	    size_t *len);
void	otpi_ask_end(struct otpi_ask *a);
/* Bytes of an object: "field" or "field64".  -ENOENT.  *out is to be freed,
 * a NUL stands behind it. */
int	otpi_ask_get(const char *text, size_t len, const char *field,
	    char **out, size_t *out_len);

#endif /* OTPD_LIBOTP_REGISTRY_ASK_H */
