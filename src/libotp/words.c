/* SPDX-License-Identifier: ISC */
/*
 * Words for results.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libotp/impl.h"

const char *
otp_strerror(int error)
{
	const char *words;

	switch (error < 0 ? -error : error) {
	case 0:
		return "no error";
	case OTP_ENOPROC:
		return "no such process";
	case OTP_EDOWN:
		return "it ended before it answered";
	case OTP_ECALLINGSELF:
		return "a process cannot call itself";
	case OTP_EREFUSED:
		return "the server does not serve this user";
	case OTP_EFULL:
		return "too much is queued for the server";
	case OTP_EREMOTE:
		return "the server answered with an error";
	case OTP_EALREADY:
		return "the name is taken";
	case OTP_EUNKNOWN:
		return "the engine ended over the request: nobody knows "
		    "whether it was done";
	case ENOENT:
		return "not found";
	case ENOTCONN:
		return "this is not a server under otpd";
	case ETIMEDOUT:
		return "no reply in time";
	case EMSGSIZE:
		return "larger than the server accepts";
	default:
		words = strerror(error < 0 ? -error : error);
		return words == NULL ? "unknown error" : words;
	}
}

/* In OTP's words, as programs compare them; NULL: it has none. */
const char *
otpi_word(int error)
{
	static const struct {
		int		 error;
		const char	*word;
	} rows[] = {
		{ OTP_ENOPROC, "noproc" }, { OTP_EDOWN, "down" },
		{ OTP_ECALLINGSELF, "calling_self" },
		{ OTP_EREFUSED, "refused" }, { OTP_EFULL, "full" },
		{ OTP_EREMOTE, "error" }, { OTP_EALREADY, "already_started" },
		{ OTP_EUNKNOWN, "unknown" }, { ETIMEDOUT, "timeout" },
		{ ENOTCONN, "noconnection" }, { ENOENT, "not_found" },
		{ EINVAL, "invalid" }, { EMSGSIZE, "too_large" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (error == -rows[i].error)
			return rows[i].word;
	return NULL;
}

/* Why a server ends whose callback returned rc, which is not OTP_OK: an errno
 * may be any function's, and stays one. */
void
otpi_reason_of_result(int rc, char *out, size_t size)
{
	const char *word = rc <= -OTP_ENOPROC || rc == -ETIMEDOUT ?
	    otpi_word(rc) : NULL;

	if (word != NULL)
		(void)snprintf(out, size, "%s", word);
	else
		(void)snprintf(out, size, rc < 0 ? "{errno,%d}" :
		    "{bad_return_value,%d}", rc < 0 ? -rc : rc);
}

const char *
otp_reason(const struct otp *o)
{
	return o->reason;
}
