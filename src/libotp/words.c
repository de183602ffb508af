/* SPDX-License-Identifier: ISC */
/*
 * Words for results.
 */
#include <errno.h>
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
		return "the server ended before it replied";
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
	case ETIMEDOUT:
		return "no reply in time";
	case EMSGSIZE:
		return "larger than the server accepts";
	default:
		words = strerror(error < 0 ? -error : error);
		return words == NULL ? "unknown error" : words;
	}
}

const char *
otp_reason(const struct otp *o)
{
	return o->reason;
}
